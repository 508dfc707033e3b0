/* submission.h: one issuer's batch of events under one signature. Source: design §3. */
#ifndef SLK_CORE_SUBMISSION_H
#define SLK_CORE_SUBMISSION_H

#include "ledger/core/charter.h"
#include "ledger/verify/record.h"

#define SLK_SUBMIT_STATEMENT_SIZE (16 + 32 + 4 + 32)
#define SLK_SUBMISSION_BYTES_MAX  (SLK_SUBMISSION_EVENTS_MAX * (SLK_EVENT_MAX + 3) + 128)

/* A submission taken apart and, once admitted, everything about it that no state is needed for. */
struct slk_submission {
    uint8_t key_id[SLK_KEY_ID_SIZE];
    uint8_t signature[SLK_SIGNATURE_SIZE];
    size_t events_n;
    struct slk_span *event_bytes; /* borrowed from the submission's bytes */
    /* filled by slk_submission_admit */
    struct slk_event *events;
    struct slk_hash *event_ids;
    struct slk_hash *paths;       /* SHA-256(credential): places in the map */
    struct slk_hash id;           /* submission_id: SHA-256 of the statement */
    const struct slk_issuer *issuer; /* of the charter it was admitted under; NULL when unknown */
    uint64_t charter_version;     /* of that charter; 0: not admitted yet */
    enum slk_rule rule;           /* OK, or why the whole of it is refused */
    size_t rule_event;            /* the event it is about; SIZE_MAX: all of it */
    void *arena;                  /* private */
    size_t arena_size;
};

/* Takes apart canonical Submission bytes (proto/ledger.proto). The arrays live in an arena the struct owns
 * and reuses: zero-initialise the struct once, parse into it again and again, free it at the end.
 * Returns SLK_OK, SLK_E_MALFORMED, SLK_E_NOT_CANONICAL, SLK_E_TOO_LARGE (0 or too many events), SLK_E_NOMEM. */
SLK_MUST_CHECK enum slk_err slk_submission_parse(struct slk_submission *out, struct slk_span bytes);
void slk_submission_free(struct slk_submission *submission);
/* Prints canonical bytes; length, or 0 when it does not fit. Uses key_id, signature, event_bytes. */
size_t slk_submission_format(uint8_t *out, size_t cap, const struct slk_submission *submission);

/* Everything stateless: parses the events, computes ids and paths, finds the issuer, checks the signature
 * and the fields of each event. Sets `rule`: ISSUER_UNKNOWN, SIGNATURE, SUBMISSION_SIZE (more than the charter's limit),
 * EVENT_MALFORMED, FIELD_*. Never fails otherwise; safe to run for many submissions in parallel. */
void slk_submission_admit(struct slk_submission *submission, const struct slk_charter *charter, const struct slk_hash *chain_id);
/* The same without looking at the signature: of a block that a quorum has finalised, when its word for that is enough. */
void slk_submission_admit_vouched(
    struct slk_submission *submission, const struct slk_charter *charter, const struct slk_hash *chain_id);
/* The same, and the same verdict; a signature that `proven` (proven.h, may be NULL) has seen to be good is not checked again. */
struct slk_proven;
void slk_submission_admit_with(struct slk_submission *submission, const struct slk_charter *charter,
    const struct slk_hash *chain_id, const struct slk_proven *proven);

/* "sillok/submit/1\0" || chain_id || u32 count || SHA-256(event ids): what the issuer signs. */
void slk_submission_statement(uint8_t out[SLK_SUBMIT_STATEMENT_SIZE], const struct slk_hash *chain_id,
    const struct slk_hash *event_ids, size_t events_n);

#endif
