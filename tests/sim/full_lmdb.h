/* full_lmdb.h: real stores on disks whose power is cut: ways to spoil them, and what was seen. */
#ifndef SLK_TESTS_SIM_FULL_LMDB_H
#define SLK_TESTS_SIM_FULL_LMDB_H

#include "tests/sim/full.h"

/* Controls: with each of them the run must end in a violation. */
enum lmdb_control {
    LMDB_SOUND,
    LMDB_NO_BARRIERS, /* a sync makes nothing certain: what is durable may be lost, too */
    LMDB_LATE_VOTES,  /* a vote is written when the next one is: after it was signed and sent */
    LMDB_NO_POOL,     /* a submission is promised, and not written */
    LMDB_CONTROL_N
};

struct lmdb_seen {
    uint64_t writes, calls, stops, torn, in_flight, finished, snapshots, records, fscks;
};
extern enum lmdb_control lmdb_control;
extern struct lmdb_seen lmdb_seen;

/* A directory in memory for all stores; false: none can be made. */
bool lmdb_setup(void);
void lmdb_cleanup(void);

#endif
