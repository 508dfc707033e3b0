/* status_epoch.h: all status lists of a ledger as they were at one block, held still: their bytes, and the tree over their hashes that
 * a quorum signs (ledger/verify/list_note.h). A function of the ledger up to that block and nothing else: expiry is judged by the
 * block's own time.
 *
 * Made in steps, a list at a time, while nothing is put into the lists that it is made of.
 */
#ifndef SLK_NET_STATUS_EPOCH_H
#define SLK_NET_STATUS_EPOCH_H

#include "ledger/core/status_list.h"
#include "ledger/verify/list_note.h"

struct slk_status_epoch;

/* Of the lists as they are now, which is after that block. */
SLK_MUST_CHECK enum slk_err slk_status_epoch_new(struct slk_status_epoch **out,
    const struct slk_status_lists *lists, const struct slk_block_header *place);
void slk_status_epoch_free(struct slk_status_epoch *epoch); /* NULL is fine */
/* Prints and hashes the next list, all its forms: some 10 ms for 2^20 places, next to nothing for one that has not changed since
 * `before` (NULL: there is none); the tree over them in a step of its own. *done: all is. The lists are those of _new. SLK_E_NOMEM. */
SLK_MUST_CHECK enum slk_err slk_status_epoch_step(struct slk_status_epoch *epoch,
    const struct slk_status_lists *lists, const struct slk_status_epoch *before, bool *done);

const struct slk_block_header *slk_status_epoch_place(const struct slk_status_epoch *epoch);
uint64_t slk_status_epoch_time_s(const struct slk_status_epoch *epoch);
/* When done. The origin is borrowed. */
void slk_status_epoch_state(
    struct slk_lists_statement *out, const struct slk_status_epoch *epoch, struct slk_span origin);
/* A list's bytes in that form, which the epoch keeps; empty: nothing was issued in it, or there is no such list. */
struct slk_span slk_status_epoch_list(
    const struct slk_status_epoch *epoch, uint32_t type, uint32_t n, enum slk_status_form form);
/* Its line, and the path to the root; the note is the caller's to add. SLK_E_NOT_FOUND as above. */
SLK_MUST_CHECK enum slk_err slk_status_epoch_prove(struct slk_list_proof *out,
    const struct slk_status_epoch *epoch, uint32_t type, uint32_t n, enum slk_status_form form);
/* Of the lists' bytes. */
uint64_t slk_status_epoch_memory(const struct slk_status_epoch *epoch);

#endif
