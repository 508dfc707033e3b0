/* status_lists.h: the status lists (ledger/core/status_list.h) of a ledger on disk: filled from its rows, then kept up with its blocks. */
#ifndef SLK_EMBED_STATUS_LISTS_H
#define SLK_EMBED_STATUS_LISTS_H

#include "ledger/core/status_list.h"
#include "ledger/store/store.h"

struct slk_status_reader;

/* Up to which block: the last whose time and log size are not above these. */
struct slk_status_until {
    uint64_t time_ms, size;
};
#define SLK_STATUS_TIP ((struct slk_status_until){UINT64_MAX, UINT64_MAX})

SLK_MUST_CHECK enum slk_err slk_status_reader_new(struct slk_status_reader **out);
void slk_status_reader_free(struct slk_status_reader *reader); /* NULL is fine */
/* The lists are those of the blocks read so far. */
struct slk_status_lists *slk_status_reader_lists(struct slk_status_reader *reader);
/* The last block read; false: none yet. */
bool slk_status_reader_place(const struct slk_status_reader *reader, struct slk_block_header *out);
/* Learns the credential types of every charter of this chain, also of one that is to come. */
SLK_MUST_CHECK enum slk_err slk_status_reader_types(
    struct slk_status_reader *reader, struct slk_store *store, struct slk_view *view);
/* Reads on: whole blocks, none more once rows_max rows are read. *done: `until` is reached, for this view. The view is newer
 * from call to call. Anything but SLK_OK: the reader is to be freed. */
SLK_MUST_CHECK enum slk_err slk_status_reader_follow(struct slk_status_reader *reader,
    struct slk_store *store, struct slk_view *view, const struct slk_status_until *until, uint64_t rows_max,
    bool *done);

/* The newest block whose time is in another period of that many seconds than the block's before it (periods are counted from the Unix
 * epoch): the same block at every node that has it, whenever it looks. SLK_E_NOT_FOUND: all blocks are in one period. */
SLK_MUST_CHECK enum slk_err slk_status_period_start(
    struct slk_block_header *out, struct slk_view *view, uint32_t period_s);

/* One list as it was at a time: after the last block that is not younger, in a reader of its own. Made of the rows up to there; or,
 * when that is less, of what `tip` has, which was read to the end of this view (NULL: not so), by taking back the rows since.
 * SLK_E_NOT_FOUND: before the first block; SLK_E_TOO_LARGE: more than forward_max rows one way, of which each block costs 16 more, and
 * more than back_max the other. */
struct slk_status_past {
    uint32_t type, n;
    uint64_t time_ms;
    uint64_t forward_max, back_max;
};
SLK_MUST_CHECK enum slk_err slk_status_reader_at(struct slk_status_reader **out, struct slk_store *store,
    struct slk_view *view, const struct slk_status_reader *tip, const struct slk_status_past *past);

#endif
