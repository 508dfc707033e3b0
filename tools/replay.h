/* replay.h: executes blocks one after the other, from the genesis charter on, without a ledger's directory: what execution reads
 * again (rows, entries) goes to files that have no name and are gone with the process. */
#ifndef SLK_TOOLS_REPLAY_H
#define SLK_TOOLS_REPLAY_H

#include "ledger/embed/workers.h"

#include "ledger/core/block.h"

struct replay;
/* `scratch`: a directory for the unnamed files. SLK_E_IO, SLK_E_NO_SPACE: the fault says which. */
SLK_MUST_CHECK enum slk_err replay_new(
    struct replay **out, const char *scratch, unsigned threads, struct slk_fault *fault);
void replay_free(struct replay *replay); /* NULL is fine */

/* The next block's entries in bundle form, the first being genesis: every signature, rule and root, and the seal. SLK_OK; else
 * the fault names the entry and the reason, and the replay is where it was. */
SLK_MUST_CHECK enum slk_err replay_block(
    struct replay *replay, struct slk_span entries, struct slk_fault *fault);
/* After the first block: where it is. The charter in it governs the next block; `charters` knows which governed the last. */
const struct slk_machine *replay_machine(const struct replay *replay);

#endif
