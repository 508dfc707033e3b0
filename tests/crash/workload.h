/* workload.h: what a process does to a ledger while its disk dies, and what must be there afterwards. */
#ifndef SLK_TESTS_WORKLOAD_H
#define SLK_TESTS_WORKLOAD_H

#include "ledger/store/cons.h"
#include "tests/unit/make_blocks.h"

#define WORKLOAD_EVENTS                                                                                      \
    60 /* in a block, at most; every fifth has ten times as many, to fill groups of leaf hashes */

/* What it told, each once it was so. */
struct workload_told {
    bool created;
    int64_t height;       /* last block acknowledged; -1: none */
    uint64_t voted;       /* last votes acknowledged: workload_voted; 0: none */
    int64_t pooled_at;    /* block with which the last submissions were acknowledged; -1: none */
    uint64_t signed_size; /* last checkpoint acknowledged */
    unsigned snapshots_n;
    enum slk_err err; /* it stopped because of this; SLK_OK: it did not stop */
};
struct workload_message {
    uint32_t what; /* enum workload_word */
    uint32_t err;
    uint64_t value;
};
enum workload_word {
    WORKLOAD_CREATED = 1,
    WORKLOAD_BLOCK,
    WORKLOAD_SIGNED,
    WORKLOAD_VOTED,
    WORKLOAD_POOLED,
    WORKLOAD_SNAPSHOT,
    WORKLOAD_STOPPED
};

const struct slk_block *workload_next(struct maker *maker);
/* Before a block is committed, its votes are made durable in two steps: NOTARIZE with the block; FINALIZE with N. */
#define workload_voted(height, step) (2 * (uint64_t)(height) + (step))
/* Makes a ledger in `dir` and `blocks` blocks, snapshots and signatures between them; tells what is done. */
typedef void workload_tell_fn(void *ctx, enum workload_word what, enum slk_err err, uint64_t value);
void workload_run(const char *dir, uint64_t seed, unsigned blocks, const struct slk_store_options *options,
    workload_tell_fn *tell, void *ctx);
void workload_note(struct workload_told *told, enum workload_word what, enum slk_err err, uint64_t value);

/* Starts the workload in a process of its own with the shim before it; `settings`: "SLK_SHIM_CUT=12" ..., ends with NULL.
 * Returns its exit status, or -1. */
struct workload_place {
    const char *program; /* workload_main */
    const char *shim;
    const char *dir;
};
int workload_start(const struct workload_place *place, uint64_t seed, unsigned blocks,
    const char *const *settings, struct workload_told *told);

enum workload_verdict {
    WORKLOAD_AT_LAST = 1,  /* what was acknowledged last is the newest */
    WORKLOAD_AT_IN_FLIGHT, /* one more, which was in flight */
    WORKLOAD_BAD           /* something acknowledged is lost or altered; `why` says it */
};
/* Opens what is left, holds it against the same blocks made anew, and goes on writing to it. */
enum workload_verdict workload_check(
    const char *dir, uint64_t seed, const struct workload_told *told, char *why, size_t why_size);

/* The number a shim left at SLK_SHIM_COUNT, and removes the file; 0: none. */
unsigned workload_count(const char *path);

#endif
