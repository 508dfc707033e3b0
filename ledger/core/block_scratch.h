/* block_scratch.h: what building a block needs and the next build uses again. Private to block*.c.
 *
 *   submissions ──► items: one per event, looked up in parallel (old record fetched and proven, entry printed, hashed)
 *               ──► touched: one per credential of the block, its record as the block goes on (serial: rules)
 *               ──► updates: one per changed credential, for the map
 */
#ifndef SLK_CORE_BLOCK_SCRATCH_H
#define SLK_CORE_BLOCK_SCRATCH_H

#include "ledger/core/block.h"

/* One event of the block, and everything about it that needs no other event of the block. */
struct slk_block_item {
    const struct slk_event *event;
    const struct slk_hash *event_id;
    const struct slk_hash *path;
    struct slk_span bytes;      /* the event's */
    size_t offset;              /* of its entry in the bundle if nothing before it is refused */
    size_t entry_size;
    struct slk_hash leaf_hash;  /* of its entry */
    struct slk_record record;   /* before the block, when present */
    uint64_t row;               /* of that record; SLK_MAP_ROW_NONE: absent */
    bool has_rival;             /* absent, but another credential's path shares our fingerprint: */
    struct slk_hash rival;      /* its path */
    enum slk_err err;           /* SLK_E_CORRUPT: the store gave a record that the map does not commit to */
};

/* One credential of the block. */
struct slk_block_touched {
    const struct slk_block_item *item; /* the first that named it: path and rival */
    struct slk_record record;          /* now */
    uint64_t row;                      /* now; SLK_MAP_ROW_NONE: absent */
};

/* How to take back one accepted event of a submission that turns out bad. */
struct slk_block_step {
    uint32_t touched;
    uint64_t row;
    struct slk_record record;
};

struct slk_block_mark {
    uint32_t type, index;
};

struct slk_block_scratch {
    struct slk_block_item *items;
    size_t items_cap;
    struct slk_block_touched *touched;
    size_t touched_n, touched_cap;
    uint32_t *slots; /* open addressing by path; index + 1 into touched, 0 empty */
    size_t slots_n;  /* a power of two */
    struct slk_block_step *steps;
    size_t steps_n, steps_cap;
    struct slk_block_mark *marks; /* status indexes used by this block */
    size_t marks_n, marks_cap;
    struct slk_map_update *updates;
    size_t updates_n, updates_cap;
    uint8_t (*records)[SLK_RECORD_SIZE]; /* new records of `updates`, for hashing */
    size_t records_cap;
    struct slk_sha body;
    /* undo */
    bool undoable;
    bool map_applied;
    bool ended;                    /* slk_charters_end was told, and: */
    const struct slk_charter *old_charter;
    /* the charter change at the front */
    struct slk_change *change;
    struct slk_charter *next;
    struct slk_tip old_tip;
    struct slk_log old_log;
    /* block_check.c */
    struct slk_submission *subs; /* parsed again from the block's entries */
    size_t subs_cap;
    struct slk_submission **sub_list;
    size_t sub_list_cap;
    struct slk_verdict *verdicts;
    size_t verdicts_cap;
    struct slk_span *spans;
    size_t spans_cap;
    uint8_t *bytes;
    size_t bytes_cap;
    uint64_t *entry_of; /* first entry of each submission within the block: for messages */
    size_t entry_of_cap;
};

/* Grows *array to hold `n` elements; keeps what is there. False: out of memory, nothing changed. */
bool slk_block_grow(void *array, size_t *cap, size_t n, size_t element);
struct slk_block_scratch *slk_block_scratch(struct slk_block *block); /* made on first use; NULL: out of memory */
/* Appends one entry: bundle, offset, leaf hash. Room was made before. */
void slk_block_put_entry(struct slk_block *block, const uint8_t *entry, size_t size);
/* Prints and appends the seal, appends the leaves to the log, collects tiles, fills header and tip. */
SLK_MUST_CHECK enum slk_err slk_block_close(struct slk_block *block, struct slk_machine *machine, const struct slk_block_params *params,
    uint32_t events_n, const struct slk_hash *body_hash);

#endif
