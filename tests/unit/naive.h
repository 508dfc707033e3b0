/* naive.h: the ledger a second time, written for being obviously right: arrays, walks, recursion, no cache.
 *
 * It shares with the real one the charter, the event reader and the names of the rules, and nothing else: rules,
 * records, entries, map and log are written again from design.md 3 to 5, hashes and signatures come straight from
 * libcrypto. Where the two differ, one of them is wrong.
 */
#ifndef SLK_TESTS_NAIVE_H
#define SLK_TESTS_NAIVE_H

#include "ledger/core/charter.h"
#include "ledger/verify/record.h"

struct naive_credential {
    uint8_t handle[32];
    uint64_t count; /* events so far; a credential that was never issued is not in the array */
    int state;      /* as in a record: 1 active, 2 locked, 3 revoked */
    uint32_t carrier, type, status_index, reason;
    uint16_t owner;
    uint64_t valid_until_s, recorded_at_ms;
    uint8_t device[32], last_id[32], history[32];
};

/* One event in front of one credential. */
struct naive_case {
    const struct slk_charter *charter;
    const struct slk_issuer *issuer;
    const struct naive_credential *credential; /* NULL: never issued */
    const struct slk_event *event;
    bool index_used;
    uint64_t time_ms;
};
/* The first rule of design §4 that it breaks. */
enum slk_rule naive_judge(const struct naive_case *c);
/* What an accepted event makes of a credential (all zero before its first). */
void naive_apply(struct naive_credential *credential, const struct slk_event *event, uint16_t agency,
    uint64_t time_ms, const uint8_t id[32], const uint8_t leaf[32]);
/* design §4: the 144 bytes. */
void naive_record(uint8_t out[144], const struct naive_credential *credential);

struct naive;
/* The ledger after its genesis block. `charter` must outlive it; `bytes` are its canonical form. */
struct naive *naive_new(const struct slk_charter *charter, struct slk_span bytes);
void naive_free(struct naive *n);

struct naive_verdict {
    enum slk_rule rule;
    size_t event;        /* SIZE_MAX: the submission as a whole */
    uint64_t head_count; /* SEQUENCE and PREVIOUS: the credential's head */
    uint8_t head_id[32];
    uint64_t first_index;
    /* refused: each event's own verdict, judged as if the bad ones before it had not been sent */
    enum slk_rule events[SLK_SUBMISSION_EVENTS_MAX];
};
/* A block: begin, submissions in order, end (adds the seal: design §3). Without a good submission: cancel. */
void naive_begin(struct naive *n, uint64_t time_ms);
void naive_submit(struct naive *n, struct slk_span submission, struct naive_verdict *verdict);
void naive_end(struct naive *n, uint32_t proposer, uint32_t origin_view);
void naive_cancel(struct naive *n);
/* A charter change: its entry, first in a block; the next block's charter, for this one's seal; and from here on another one
 * governs, which must outlive the ledger or the next call. Whether it may is not judged. */
void naive_change(struct naive *n, struct slk_span entry);
void naive_next(struct naive *n, const uint8_t charter_hash[32]);
void naive_govern(struct naive *n, const struct slk_charter *charter, const uint8_t charter_hash[32]);

/* By their recursive definitions: design §5 and RFC 6962 §2.1. */
void naive_map_root(const struct naive *n, uint8_t out[32]);
void naive_log_root(const struct naive *n, uint8_t out[32]);
size_t naive_log_size(const struct naive *n);
const uint8_t *naive_chain_id(const struct naive *n);
/* NULL when it was never issued. */
const struct naive_credential *naive_find(const struct naive *n, const uint8_t handle[32]);

#endif
