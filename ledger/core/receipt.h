/* receipt.h: what a member signs when a submission is durable in its pool, and what that promise is worth.
 * Source: protocol §2.16.
 *
 * f + 1 receipts of different members mean that an honest one holds the submission on disk and will put it into its next
 * block: SAFE. A member that proposes two heights later without it, and had room, has broken its word in public.
 */
#ifndef SLK_CORE_RECEIPT_H
#define SLK_CORE_RECEIPT_H

#include "ledger/core/msg.h"

#define SLK_TAG_RECEIPT   "sillok/receipt/1" /* 16 without the literal's zero */
#define SLK_RECEIPT_BYTES 104

/* A submission all of whose events are LOCK, and which is short, goes first. A longer one goes as NORMAL: nobody's lock
 * waits for more than SLK_LOCK_BYTES of each other agency's. One event of another kind makes it NORMAL. */
enum slk_class { SLK_CLASS_LOCK = 1, SLK_CLASS_NORMAL };
#define SLK_LOCK_BYTES 16384 /* of slk_block_share: a hundred events and more */
/* Of an admitted submission; the same at every node, and can be told again from the block it is in. */
enum slk_class slk_class_of(const struct slk_submission *submission);

/* No leader aims lower, however slow its lines: a promise is only judged against this much room. */
#define SLK_TARGET_EVENTS_MIN 64
#define SLK_TARGET_BYTES_MIN  16384
/* Bytes of a block that a submission takes at most: its entries and their lengths (slk_block_build's own sum). */
size_t slk_block_share(const struct slk_submission *submission);

struct slk_receipt {
    struct slk_hash submission_id;
    uint8_t
        key_id[SLK_KEY_ID_SIZE]; /* of the issuer: the same events under another key are another submission */
    uint64_t tip_height;         /* committed at the member when it promised */
    uint16_t agency;
    enum slk_class class;
    uint8_t sig[SLK_SIGNATURE_SIZE]; /* by the member's vote key */
};

/*  0 tag[16] | 16 chain_id[32] | 48 submission_id[32] | 80 key_id[8] | 88 u64 tip_height | 96 u16 agency | 98 u8 class | 99 zero[5] */
void slk_receipt_bytes(
    uint8_t out[SLK_RECEIPT_BYTES], const struct slk_hash *chain_id, const struct slk_receipt *receipt);
/* The strict reverse: SLK_OK, or SLK_E_MALFORMED for another tag, a class that is none, padding; `sig` is left zero. */
SLK_MUST_CHECK enum slk_err slk_receipt_parse(
    struct slk_receipt *out, struct slk_hash *chain_id, struct slk_span bytes);
/* By a voting member of this charter, and its signature good. */
SLK_MUST_CHECK bool slk_receipt_check(const struct slk_receipt *receipt, const struct slk_charter *charter,
    const struct slk_hash *chain_id, const struct slk_verifier *verifier);
/* How many different members promised this submission, by good receipts. It is SAFE from f + 1 up. */
size_t slk_receipts_count(const struct slk_receipt *receipts, size_t n, const struct slk_hash *submission_id,
    const uint8_t key_id[SLK_KEY_ID_SIZE], const struct slk_charter *charter, const struct slk_hash *chain_id,
    const struct slk_verifier *verifier);
bool slk_receipts_are_safe(size_t members_n, const struct slk_charter *charter);

/* Was a promise broken by this final block? Everything but the receipt's signature and the block's certificate, which the
 * caller checks first, is judged here; what needs a ledger's state comes with the question. */
struct slk_promise {
    const struct slk_receipt *receipt;
    const struct slk_submission *submission; /* admitted under `charter` */
    const struct slk_charter *charter;       /* in force at the block's height */
    const struct slk_hash *chain_id;
    const struct slk_block_header *header;
    struct slk_span entries; /* the block's, in bundle form */
    bool in_ancestor;        /* the submission is in a block before this one */
    /* The rules' verdict on it, alone, at this block's time: on the state before the block, and after it. Only what is good
     * on both could have entered wherever the leader liked. */
    enum slk_rule before, after;
};
enum slk_promise_verdict {
    SLK_PROMISE_BROKEN = 1,
    SLK_PROMISE_KEPT,  /* it is in this block or an ancestor */
    SLK_PROMISE_OTHER, /* another submission, or the block of another member */
    SLK_PROMISE_EARLY, /* the block may have been built before the receipt was signed: below tip_height + 2 */
    SLK_PROMISE_FULL,  /* no room that a leader must have */
    SLK_PROMISE_NOT_VALID, /* it could not enter */
    SLK_PROMISE_UNREADABLE /* the entries are not a block's */
};
enum slk_promise_verdict slk_promise_judge(const struct slk_promise *promise);

#endif
