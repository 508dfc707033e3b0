/* pool.h: submissions on their way into a block: who may wait here, who goes next, who is out. Source: protocol §2.16.
 *
 * Pure: no I/O, no clock, no chance; one allocation, at the beginning; the same calls give the same answers. The order of
 * things that must not be got wrong is in the types:
 *
 *   slk_pool_offer -> ADMIT, a ticket          the bytes are here, but count for nothing yet
 *   slk_pool_counted(ticket)                   now they are in the fingerprint, and may be selected; nothing is promised
 *   (or the caller makes them durable)
 *   slk_pool_stored(ticket) -> receipt         that, and they are promised
 *
 * There is no other way to a receipt than through `stored`, and the height it names is the one this pool has seen
 * committed: so call slk_pool_commit before the core is told COMMITTED, and a BUILD never misses what was promised.
 *
 * The quota is per issuing agency, the same at every node: who floods, floods himself out. A submission is known by its id
 * and its issuer's key id: another issuer's signature under the same events does not take its place.
 */
#ifndef SLK_CORE_POOL_H
#define SLK_CORE_POOL_H

#include "ledger/core/receipt.h"

#define SLK_POOL_AGENCIES_MAX 64
#define SLK_POOL_LOCK_QUOTA   (256u << 10) /* protocol §2.16: bytes per agency */
#define SLK_POOL_NORMAL_QUOTA (1u << 20)
#define SLK_POOL_CHARGE_MIN   256 /* a short submission counts as this long: bounds their number, too */
#define SLK_POOL_BUCKETS      256 /* protocol §3.6: anti-entropy */

struct slk_pool_options {
    struct slk_hash chain_id;
    uint16_t agency;     /* this member's: signs the receipts */
    uint64_t height;     /* committed */
    unsigned agencies;   /* how many there can be at once; 0: SLK_POOL_AGENCIES_MAX */
    size_t lock_quota;   /* 0: SLK_POOL_LOCK_QUOTA */
    size_t normal_quota; /* 0: SLK_POOL_NORMAL_QUOTA */
};

struct slk_pool;
/* All the memory it will ever use: agencies * (lock_quota + normal_quota) bytes, half as much again for what is known
 * about them, 1.5 MiB for the events of one block. Pages are touched only when used. SLK_OK, SLK_E_NOMEM. */
SLK_MUST_CHECK enum slk_err slk_pool_new(struct slk_pool **out, const struct slk_pool_options *options);
void slk_pool_free(struct slk_pool *pool);

enum slk_pool_answer {
    SLK_POOL_ADMIT = 1, /* store the bytes, then slk_pool_stored; or slk_pool_drop */
    SLK_POOL_PENDING,   /* it is here, not stored, perhaps counted */
    SLK_POOL_HELD,      /* it is here and stored: slk_pool_receipt */
    SLK_POOL_REFUSED,   /* submission->rule is not OK */
    SLK_POOL_FULL       /* its agency's quota for its class is used up: try again after the next block */
};
/* `submission` was parsed from `bytes` and admitted under the charter in force, and the caller has judged it against the
 * committed state: what could not enter a block now is refused there, with the head, and never comes here. The bytes are
 * copied. *ticket is set by ADMIT, PENDING, HELD; a ticket is never used twice. */
enum slk_pool_answer slk_pool_offer(
    struct slk_pool *pool, const struct slk_submission *submission, struct slk_span bytes, uint64_t *ticket);
/* It counts from now on, though it is on no disk here: who brought it has it, and no promise depends on this node. False when it has left
 * the pool meanwhile. */
bool slk_pool_counted(struct slk_pool *pool, uint64_t ticket);
/* The bytes are durable. False when it has left the pool meanwhile (slk_pool_commit told). Otherwise `receipt` is to be
 * signed, over slk_receipt_bytes. */
SLK_MUST_CHECK bool slk_pool_stored(struct slk_pool *pool, uint64_t ticket, struct slk_receipt *receipt);
/* At start: what the store held. As offer and stored in one. */
enum slk_pool_answer slk_pool_restore(
    struct slk_pool *pool, const struct slk_submission *submission, struct slk_span bytes);
/* The promise again, as of now: a client asks twice. False when it is not here, or not stored yet. */
SLK_MUST_CHECK bool slk_pool_receipt(
    const struct slk_pool *pool, uint64_t ticket, struct slk_receipt *receipt);

/* A submission of the pool. The bytes hold until the next call that changes the pool. */
struct slk_pool_item {
    uint64_t ticket; /* ascending in the order of arrival */
    struct slk_hash id;
    uint8_t key_id[SLK_KEY_ID_SIZE];
    enum slk_class class;
    bool is_counted, is_stored;
    size_t events_n;
    size_t share; /* slk_block_share */
    struct slk_span bytes;
};
/* By ticket; by id and issuer. */
bool slk_pool_get(const struct slk_pool *pool, uint64_t ticket, struct slk_pool_item *out);
bool slk_pool_find(const struct slk_pool *pool, const struct slk_hash *id,
    const uint8_t key_id[SLK_KEY_ID_SIZE], struct slk_pool_item *out);

struct slk_pool_extent {
    size_t events, bytes;
};
/* What a fresh block shall hold, in the order in which it shall: at most `items_max` (one for each event of `limit` is
 * always enough). `target` is what the leader wants, at least SLK_TARGET_*_MIN, at most the charter's `limit`.
 *
 *   1. locks, until they have half of the target      2. normal ones      3. locks, in what is left
 *
 * Within each, agencies take turns by deficit round robin, each its oldest first; what does not fit is passed over, so
 * whatever is left out would not fit at the end, either. The oldest of the agency whose turn it is, which moves on with
 * every block, may lift it to the limit; if locks left it too little room even so, it goes before them in the next
 * block, and one larger than the limit goes alone then. So the oldest submission of an agency is selected within 2 *
 * agencies blocks, however much the others send.
 *
 * The builder may refuse some. Then pass them over, move the others to the front, and select again with kept_n of them:
 * they stay, in their order, and the room is filled. Until nothing is refused; only then is it true that what is left out
 * was full or refused, which a promise needs (receipt.h). Begin with kept_n = 0. */
size_t slk_pool_select(struct slk_pool *pool, struct slk_pool_extent target, struct slk_pool_extent limit,
    struct slk_pool_item *items, size_t kept_n, size_t items_max);
/* Leaves it out of selections until the next commit. If it is refused on the committed state alone, too, and for ever,
 * drop it. */
void slk_pool_pass_over(struct slk_pool *pool, uint64_t ticket);
/* Will it be refused in every block to come? `verdict` is its own, alone, on the committed state; the tip's time is `tip_ms`. Not by the
 * rules that only say "too early". */
bool slk_pool_is_over(
    const struct slk_submission *submission, const struct slk_verdict *verdict, uint64_t tip_ms);
void slk_pool_drop(struct slk_pool *pool, const uint64_t *tickets, size_t n);

/* One that left the pool: its ticket, and the rule that it breaks now; OK: it is in the block. */
typedef void slk_pool_gone_fn(void *ctx, const struct slk_pool_item *item, enum slk_rule rule);
/* The block of `height`, one above the last, is committed; `entries` are its own, in bundle form. Those in it leave, and
 * those whose sequence or previous it made stale. Told in the order of arrival; the items hold during the call. */
void slk_pool_commit(
    struct slk_pool *pool, uint64_t height, struct slk_span entries, slk_pool_gone_fn *gone, void *ctx);
/* Another charter is in force: those whose issuer is not in it leave (ISSUER_UNKNOWN), others count for its agency now. */
void slk_pool_recharter(
    struct slk_pool *pool, const struct slk_charter *charter, slk_pool_gone_fn *gone, void *ctx);

/* For STATUS and for the core's POOL input: what counts. */
struct slk_pool_state {
    uint64_t count, xor;
    bool urgent; /* a lock waits */
};
void slk_pool_look(const struct slk_pool *pool, struct slk_pool_state *out);
/* The fingerprint by the first byte of the id; equal buckets hold the same submissions, unless somebody took pains. */
void slk_pool_buckets(const struct slk_pool *pool, uint64_t out[SLK_POOL_BUCKETS]);
/* The submissions of a bucket that count with tickets from `from`: at most `max`. */
size_t slk_pool_list(
    const struct slk_pool *pool, uint8_t bucket, uint64_t from, struct slk_pool_item *items, size_t max);
/* Does one of this id count, whoever signed it? */
bool slk_pool_holds(const struct slk_pool *pool, const struct slk_hash *id);
/* Bytes charged to all agencies; the oldest ticket, 0: the pool is empty. For metrics. */
void slk_pool_measure(const struct slk_pool *pool, uint64_t *bytes, uint64_t *oldest);
/* Bytes charged to an agency: for tests of the bounds. */
size_t slk_pool_used(const struct slk_pool *pool, uint16_t agency, enum slk_class class);

#endif
