/* evidence.h: what a ledger has kept of members that contradicted themselves, with all that judges need who have no ledger. */
#ifndef SLK_EMBED_EVIDENCE_H
#define SLK_EMBED_EVIDENCE_H

#include "ledger/store/cons.h"

struct slk_evidence {
    struct slk_hash chain_id;
    struct slk_hash
        charter_hash; /* of the charter that governs the votes' height: both are signed, as the chain id is */
    uint8_t key[SLK_KEY_SIZE]; /* the signer's vote key in it */
    struct slk_vote first, second;
};

/* Calls `item` for each pair, in ascending order of heights, until it says false. Signatures are not looked at again.
 * SLK_OK; SLK_E_CORRUPT: a pair, or the charter of its height, cannot be read; SLK_E_NOMEM. */
typedef bool slk_evidence_item_fn(void *ctx, const struct slk_evidence *evidence);
SLK_MUST_CHECK enum slk_err slk_evidence_each(
    struct slk_store *store, slk_evidence_item_fn *item, void *ctx, struct slk_fault *fault);

#endif
