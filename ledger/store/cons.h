/* cons.h: what agreement leaves on disk before anything is said: the records of the height being decided, submissions that
 * were admitted, evidence. Source: protocol §2.4, §2.6. Decides nothing: it keeps what ledger/core/bft asks for.
 *
 *   data base  key                      value
 *   cons       u8 1, place               my vote: u32 aux || block hash[32] || check
 *              u8 2, place               a certificate (below) || check
 *              u8 4                      muted: vote key[32], or zeros || check; stays when the height is decided
 *   cand       block hash[32]            header[266] || body, which header.body_bytes counts
 *   fcert      u64 height                a certificate of FINALIZE
 *   pool       submission id[32] || key id[8]   u64 order || u16 size || receipt || submission || check
 *   evidence   u64 height || u16 signer  twice (u8 kind || u32 view || u32 aux || hash[32] || signature[64]) || check
 *
 *   place: u64 height || u32 view || u8 kind       check: SHA-256(key || what stands before it)
 *   certificate: u8 kind || u64 height || u32 view || block hash[32] || u8 bitmap bytes || u64 signers || signature[64] of each
 *
 * LMDB's pages carry no checksum, and a vote in which a bit fell over is a vote forgotten: hence the checks. Whatever is
 * read back in another form is SLK_E_CORRUPT, and the fault names the table and the key.
 */
#ifndef SLK_STORE_CONS_H
#define SLK_STORE_CONS_H

#include "ledger/core/bft.h"
#include "ledger/store/store.h"

#define SLK_RECEIPT_MAX  512u  /* bytes of a receipt in `pool` */
#define SLK_EVIDENCE_MAX 1024u /* pairs (protocol §2.12) */

/* ---- the records of one height ---- */

/* The body of a block that a record names. It must be at hand: false is asserted against. */
typedef bool slk_body_fn(void *ctx, const struct slk_hash *hash, struct slk_span *body);

/* One PERSIST effect in one transaction, synced: SLK_OK is what PERSISTED may be answered after. Records are of the height
 * after the tip (asserted). What is there already stays; a vote that contradicts one on record is SLK_E_CHAIN. Any
 * answer but SLK_OK: the store is dead, as after slk_store_commit. */
SLK_MUST_CHECK enum slk_err slk_store_persist(struct slk_store *store, const struct slk_bft_record *records,
    size_t n, slk_body_fn *body, void *body_ctx, struct slk_fault *fault);

/* Everything kept for the height after the view's tip, as slk_bft_start takes it. Its own memory. SLK_E_CORRUPT also for a record
 * of another height: they are dropped by the commit that decides theirs. */
struct slk_cons {
    size_t n;
    struct slk_bft_record *records;
    struct slk_cert *certs;
    uint8_t (*headers)[SLK_BLOCK_HEADER_SIZE];
};
SLK_MUST_CHECK enum slk_err slk_view_cons(
    struct slk_view *view, struct slk_cons *out, struct slk_fault *fault);
void slk_cons_free(struct slk_cons *cons); /* zeroes it */

/* The body of a candidate block: borrowed until the view ends or renews. SLK_E_NOT_FOUND, SLK_E_CORRUPT. */
SLK_MUST_CHECK enum slk_err slk_view_candidate(struct slk_view *view, const struct slk_hash *hash,
    const uint8_t **header, struct slk_span *body, struct slk_fault *fault);

/* ---- submissions that were admitted and are in no block yet ---- */

struct slk_pooled {
    struct slk_pooled_id id;
    uint64_t order; /* of arrival, for who reads them back; the store does not look at it */
    struct slk_span submission;
    struct slk_span receipt; /* empty: none was given; opaque here, at most SLK_RECEIPT_MAX */
};
/* One transaction, synced. An id that is there is written again: a receipt may be added. */
SLK_MUST_CHECK enum slk_err slk_store_pool_put(
    struct slk_store *store, const struct slk_pooled *items, size_t n, struct slk_fault *fault);
/* One transaction, synced. An id that is not there is fine. A commit removes what it includes by itself. */
SLK_MUST_CHECK enum slk_err slk_store_pool_remove(
    struct slk_store *store, const struct slk_pooled_id *ids, size_t n, struct slk_fault *fault);
/* Each in ascending order of ids, borrowed during the call. The id is that of its bytes: it is computed again. */
typedef enum slk_err slk_pooled_fn(void *ctx, const struct slk_pooled *item);
SLK_MUST_CHECK enum slk_err slk_view_pool(
    struct slk_view *view, slk_pooled_fn *item, void *ctx, struct slk_fault *fault);

/* ---- two statements of one member that contradict each other ---- */

/* SLK_OK; SLK_E_EXISTS: there is a pair of this member and height; SLK_E_TOO_LARGE: SLK_EVIDENCE_MAX pairs are kept; neither
 * harms the store. Form is asserted, signatures are not looked at. */
SLK_MUST_CHECK enum slk_err slk_store_put_evidence(struct slk_store *store, const struct slk_vote *first,
    const struct slk_vote *second, struct slk_fault *fault);
typedef enum slk_err slk_evidence_fn(void *ctx, const struct slk_vote *first, const struct slk_vote *second);
SLK_MUST_CHECK enum slk_err slk_view_evidence(
    struct slk_view *view, slk_evidence_fn *item, void *ctx, struct slk_fault *fault);

#endif
