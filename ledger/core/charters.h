/* charters.h: which charter governs which block, and what must never come again. Source: protocol §2.14.
 *
 * A change accepted in block c waits, and governs from its activation height a on. Between the two no other change is
 * accepted, so at most one waits. All of this follows from the blocks; nothing of it is state of its own. */
#ifndef SLK_CORE_CHARTERS_H
#define SLK_CORE_CHARTERS_H

#include "ledger/core/change.h"

struct slk_charters;

/* Before block 0. `genesis` is borrowed and must outlive what comes out. */
SLK_MUST_CHECK enum slk_err slk_charters_new(struct slk_charters **out, const struct slk_charter *genesis);
void slk_charters_free(struct slk_charters *charters); /* NULL is fine */

/* The charter that governs the next block. Changes when a block ends (slk_charters_end), and holds until the second change
 * after it: a submission admitted under it may still name its issuer. */
const struct slk_charter *slk_charters_now(const struct slk_charters *charters);
/* The one that governed the last block: the same, unless the last block was the last under it. */
const struct slk_charter *slk_charters_last(const struct slk_charters *charters);
/* The one that waits and the height from which it governs; NULL when none does. */
const struct slk_charter *slk_charters_pending(const struct slk_charters *charters, uint64_t *activation);
/* The one that governs the block after the next, `height` being the next one's; a change in it is no matter. */
const struct slk_charter *slk_charters_after(const struct slk_charters *charters, uint64_t height);

/* Judges a change that is to stand in block `height`, the next one. On SLK_CHANGE_OK `next` is the new charter. */
enum slk_change_rule slk_charters_judge(const struct slk_charters *charters, const struct slk_hash *chain_id,
    uint64_t height, const struct slk_change *change, struct slk_charter *next, struct slk_fault *fault);

/* The next block holds a change that was judged to be good. Takes `next`, which was malloc'ed, for its own, unless it
 * returns SLK_E_NOMEM. */
SLK_MUST_CHECK enum slk_err slk_charters_accept(
    struct slk_charters *charters, struct slk_charter *next, uint64_t activation);
/* Block `height` ends. True: another charter governs from the next one on. */
bool slk_charters_end(struct slk_charters *charters, uint64_t height, const struct slk_hash *block_hash);
/* Takes back what the last block did: its end when `ended`, its accepted change, if it held one. Once per block. */
void slk_charters_undo(struct slk_charters *charters, bool ended);

/* For whoever starts from a store instead of replaying: the changes of the past, oldest first, then the tip. Signatures are
 * not checked again, what the hashes bind is. The block hashes of the last SLK_CHANGE_READY_MAX blocks are given with
 * slk_charters_note, in any order. SLK_E_CORRUPT: this change cannot follow those before it (the charters are then spoilt:
 * free them); SLK_E_NOMEM. */
SLK_MUST_CHECK enum slk_err slk_charters_restore(
    struct slk_charters *charters, uint64_t height, struct slk_span entry);
void slk_charters_note(struct slk_charters *charters, uint64_t height, const struct slk_hash *block_hash);
/* The last block is `height`: what governs it and the next one. */
void slk_charters_reach(struct slk_charters *charters, uint64_t height);

#endif
