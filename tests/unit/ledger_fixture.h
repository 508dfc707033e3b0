/* ledger_fixture.h: a small ledger for tests: charter, keys, lives of credentials, signed submissions, a clock and a
 * temporary directory; the same bytes in every run. Used by tests/unit and tests/crash; makes no assertion but that
 * its own steps succeed (it aborts with a message).
 */
#ifndef SLK_TESTS_LEDGER_FIXTURE_H
#define SLK_TESTS_LEDGER_FIXTURE_H

#include "ledger/embed/ledger.h"

#define FIXTURE_START_MS  UINT64_C(1767225600000) /* 2026-01-01T00:00:00Z: the charter's creation */
#define FIXTURE_DAY_S     UINT64_C(86400)
#define FIXTURE_YEARS_3_S (UINT64_C(3) * 366 * FIXTURE_DAY_S)
#define FIXTURE_CARD      1u /* credential types */
#define FIXTURE_PHONE     2u
#define FIXTURE_PLACES    (1u << 20) /* of each status list */
#define FIXTURE_ORIGIN    "status.example/ledger"

enum fixture_reason {
    LOST = 1,
    STOLEN,
    HOLDER_REQUEST,
    REPLACED,
    ISSUED_IN_ERROR,
    ENDED,
    INTEGRITY,
    FIXTURE_REASON_N
};

enum fixture_issuer {
    MINISTRY,  /* agency 1 (the voting member): every kind, both types */
    MINT,      /* agency 2: every kind, cards only */
    REGULATOR, /* agency 3: LOCK of phones, of any agency */
    POLICE,    /* agency 3: LOCK and REVOKE, both types, of any agency */
    STRANGER,  /* not in the charter */
    FIXTURE_ISSUERS_N
};

/* Key numbers for fixture_key: 4 per member, from the voting one on, then the issuers. */
enum fixture_key { KEY_VOTE, KEY_COSIGN, KEY_LOG, KEY_NODE, KEY_ISSUER = 64 };
/* Made from its number alone; slk_key_free it. */
struct slk_key *fixture_key(unsigned number);

struct fixture {
    struct slk_charter *charter;
    uint8_t *charter_bytes;
    size_t charter_size;
    struct slk_hash chain_id;
    struct slk_key *vote_key, *log_key, *cosign_key;
    struct slk_key *issuers[FIXTURE_ISSUERS_N];
    uint64_t now_ms;  /* the clock: tests move it ... */
    uint64_t step_ms; /* ... and so does each look at it */
    char root[256];   /* temporary directory; removed with everything in it by fixture_close */
    char dir[288];    /* root/ledger: the one most tests use */
};
/* `voting_n` voting members (1 for a ledger that can be written; at most 16); block_events, submission_events: the charter's limits. */
struct fixture_shape {
    unsigned voting_n;
    uint32_t block_events, submission_events;
    unsigned observers_n; /* behind the voting ones, so that there are at least 3 members */
};
/* NULL: 1 voting member, 4,096 events in a block and in a submission. */
void fixture_open(struct fixture *f, const struct fixture_shape *shape);
void fixture_close(struct fixture *f);
/* Without a directory: for processes that get theirs from somebody else. */
void fixture_open_without_dir(struct fixture *f, const struct fixture_shape *shape);
uint64_t fixture_clock(void *fixture); /* options.clock_ms, with ctx = the fixture */
/* Signing keys, the fixture's clock, 1 thread. */
struct slk_ledger_options fixture_options(struct fixture *f);
void fixture_copy(
    const char *from, const char *to); /* the files of a closed ledger's directory, to a new one */

/* One credential as its issuer keeps track of it. */
struct fixture_life {
    uint32_t number, type;
    uint8_t handle[SLK_HANDLE_SIZE];
    uint64_t sequence;       /* of the next event */
    struct slk_hash last_id; /* of the last one */
    uint32_t devices_n, issues_n;
    uint64_t valid_until_s;
    enum slk_state state;
};
struct fixture_life fixture_life(uint32_t type, uint32_t number);
/* The next event of a life with every field its kind needs; the caller may spoil it. */
struct slk_event fixture_event(const struct fixture_life *life, enum slk_kind kind, uint64_t now_ms);
/* A kind that the life's state allows, chosen by `choice`. */
enum slk_kind fixture_next_kind(const struct fixture_life *life, uint64_t choice);

/* Events on their way into one submission. Zero-initialise; fixture_batch_clear empties it, fixture_batch_free it. */
struct fixture_batch {
    uint8_t *bytes; /* SLK_EVENT_MAX apart */
    size_t *sizes;
    size_t n, cap;
};
/* Prints an event into the batch; its id when `id` is not NULL. */
void fixture_put(struct fixture_batch *batch, const struct slk_event *event, struct slk_hash *id);
/* The life's next event of this kind; the life moves on. */
void fixture_add(struct fixture_batch *batch, struct fixture_life *life, enum slk_kind kind, uint64_t now_ms);
void fixture_batch_clear(struct fixture_batch *batch);
void fixture_batch_free(struct fixture_batch *batch);

/* Submission bytes, signed; malloc'ed: fixture_free. The batch is emptied. */
struct slk_span fixture_sign(
    const struct fixture *f, enum fixture_issuer issuer, struct fixture_batch *batch);
void fixture_free(struct slk_span bytes);
/* One event, signed, as a submission of its own. */
struct slk_span fixture_single(
    struct fixture *f, enum fixture_issuer issuer, struct fixture_life *life, enum slk_kind kind);

/* Makes the ledger in f->dir, opens it, submits, closes: steps that must succeed. */
void fixture_init(struct fixture *f);
struct slk_ledger *fixture_ledger(const struct fixture *f, const struct slk_ledger_options *options);
/* Submits these bytes; only the ledger's own failure is an error. */
struct slk_result fixture_submit(struct slk_ledger *ledger, struct slk_span bytes);
/* The same; frees the bytes, and the answer must be ACCEPTED. */
struct slk_result fixture_accept(struct slk_ledger *ledger, struct slk_span bytes);

/* A final block that no honest member would vote for: its issuer's signature is wrong. The sole member's votes for it; the ledger writes
 * nothing more then. */
void fixture_add_forged(struct fixture *f, struct slk_ledger *ledger);

/* The trust policy that follows from the charter; slk_policy_free it. */
struct slk_policy *fixture_policy(const struct fixture *f);

/* xorshift64*: the same numbers everywhere. The state must not be 0. */
uint64_t fixture_random(uint64_t *state);
uint64_t fixture_below(uint64_t *state, uint64_t n);

#endif
