/* driver.h: runs the consensus core for a ledger with one voting member: every block passes through ledger/core/bft.
 *
 *   BUILD -> the block at hand   SIGN -> the vote key   COMMIT -> one transaction   COSIGN -> the ledger may sign a checkpoint
 *
 * PERSIST is answered at once: with one member no message leaves between a vote and the commit, so the records would live and
 * die inside the commit's own transaction (protocol §2.15; PROTOCOL.md, "One member"). What it signs stays in this process until
 * that transaction is durable. Timers never run: they measure how long others take. */
#ifndef SLK_EMBED_DRIVER_H
#define SLK_EMBED_DRIVER_H

#include "ledger/core/block.h"
#include "ledger/embed/keys.h"
#include "ledger/store/cons.h"

struct slk_driver;

/* Where a block that was voted for, but not committed, is executed again. */
struct slk_driver_place {
    struct slk_machine *machine; /* at the tip; it moves when a block is decided */
    const struct slk_block_source *source;
    const struct slk_par *par;
};

/* Loads what is on record for the height after the tip, and decides it if a block was voted for. The council has one
 * member, whose key this is. SLK_OK; SLK_E_KEY: it is another's; SLK_E_CORRUPT: the records; what a commit answers. */
SLK_MUST_CHECK enum slk_err slk_driver_open(struct slk_driver **out, struct slk_store *store,
    const struct slk_council *council, const struct slk_key *vote_key, const struct slk_driver_place *place,
    struct slk_fault *fault);
void slk_driver_free(struct slk_driver *driver); /* NULL is fine */

/* SLK_OK: blocks can be decided. SLK_E_KEY: this member signs nothing any more, and the fault says why. */
SLK_MUST_CHECK enum slk_err slk_driver_check(const struct slk_driver *driver, struct slk_fault *fault);
/* The view in which the next block has to be fresh: 1, unless records of an interrupted height say more. */
uint32_t slk_driver_view(const struct slk_driver *driver);

/* Proposes, votes, commits: SLK_OK is "on disk, with its finality certificate". `next`: who decides the height after it.
 * Anything else: nothing may be built any more. One thread at a time. */
SLK_MUST_CHECK enum slk_err slk_driver_decide(struct slk_driver *driver, const struct slk_block *block,
    const struct slk_council *next, struct slk_fault *fault);
/* The height whose checkpoint may be cosigned: it is durable. */
uint64_t slk_driver_cosign_height(const struct slk_driver *driver);

#endif
