/* sample.h: a charter and submissions for tests: keys from fixed seeds, so that every run sees the same bytes. */
#ifndef SLK_TESTS_SAMPLE_H
#define SLK_TESTS_SAMPLE_H

#include "ledger/core/submission.h"

#define SAMPLE_START_S  UINT64_C(1767225600) /* 2026-01-01T00:00:00Z: the charter's creation */
#define SAMPLE_YEAR_S   UINT64_C(31622400)   /* 366 days */
#define SAMPLE_CARD     1                    /* credential types */
#define SAMPLE_PHONE    2
#define SAMPLE_PLACES   4096 /* of each status list */
#define SAMPLE_LOST     1    /* reasons: 1, 2, 3 */
#define SAMPLE_REASON_N 3

enum sample_issuer {
    OFFICE,   /* agency 1: everything, both types */
    MINT,     /* agency 2: everything, cards only */
    POLICE,   /* agency 3: LOCK and REVOKE, both types, any agency */
    CARRIER,  /* agency 3: LOCK, phones only, any agency */
    REGISTRY, /* agency 2: ISSUE and RENEW, both types, own agency only */
    TRAINEE,  /* agency 1: everything, both types, its key valid in the first 100 days only */
    SAMPLE_ISSUERS_N
};

struct sample_key {
    uint8_t public[32];
    uint8_t secret[64]; /* libsodium's form */
};
void sample_key(struct sample_key *out, unsigned number);
/* The key of an issuer of the sample charter. */
void sample_issuer_key(struct sample_key *out, enum sample_issuer issuer);

/* A valid genesis charter, sorted and hashed; free() it. */
struct slk_charter *sample_charter(void);
const struct slk_issuer *sample_issuer(const struct slk_charter *charter, enum sample_issuer issuer);

/* An event with every field its kind needs, at the start of a credential's life; handle and device from numbers. */
struct slk_event sample_event(enum slk_kind kind, unsigned credential, unsigned device);
/* Signs the events as `key`; the Submission's bytes, malloc'ed. */
struct slk_span sample_submission(
    const struct sample_key *key, const struct slk_hash *chain_id, const struct slk_span *events, size_t n);

/* xorshift64*: the same numbers everywhere. The state must not be 0. */
uint64_t sample_random(uint64_t *state);
/* 0 .. n - 1 */
uint64_t sample_below(uint64_t *state, uint64_t n);

#endif
