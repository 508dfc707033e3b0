/* full_lmdb_main.c: the simulator over real stores whose power is cut.
 *
 *   full_lmdb                         TAP: SLK_SEEDS / 25 seeds (20), every 10th twice; the controls
 *   full_lmdb --seed S [--trace]      one seed, in full
 *   full_lmdb --seeds A..B            many, with a summary
 *   ... --control no_barriers | late_votes | no_pool    with a disk that lies, or a member that is careless
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/full_lmdb.h"

static const char *const controls[LMDB_CONTROL_N] = {"sound", "no_barriers", "late_votes", "no_pool"};

static void report(void)
{
    printf("# %" PRIu64 " transactions in %" PRIu64 " writes and syncs, %" PRIu64 " records, %" PRIu64
           " snapshots; %" PRIu64 " stops, %" PRIu64 " of them in the middle of a write, %" PRIu64
           " after one; %" PRIu64 " transactions in flight were there; %" PRIu64 " fscks\n",
        lmdb_seen.writes, lmdb_seen.calls, lmdb_seen.records, lmdb_seen.snapshots, lmdb_seen.stops,
        lmdb_seen.torn, lmdb_seen.finished, lmdb_seen.in_flight, lmdb_seen.fscks);
}

/* How many of these seeds end in a violation. */
static uint64_t caught(enum lmdb_control control, uint64_t seeds)
{
    struct full_total total = {0};
    const char *last = NULL;

    lmdb_control = control;
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        const char *verdict = full_run(seed, false, &total);

        last = verdict != NULL ? verdict : last;
    }
    lmdb_control = LMDB_SOUND;
    printf("# %s: %" PRIu64 " of %" PRIu64 " seeds are caught; the last one: %s\n", controls[control],
        total.failures, seeds, last != NULL ? last : "-");
    return total.failures;
}

static int tests(void)
{
    enum { SEEDS = 20, SHARE = 25, CONTROLS = 5 };
    const char *wanted = getenv("SLK_SEEDS");
    uint64_t seeds = wanted != NULL ? strtoull(wanted, NULL, 10) / SHARE : SEEDS, differ;
    struct full_total total = {0};
    bool is_cut, is_lost, is_late, is_broken;

    printf("1..5\n");
    differ = full_run_all(seeds, &total);
    is_cut = seeds < SEEDS ||
             (lmdb_seen.torn > 0 && lmdb_seen.in_flight > 0 && lmdb_seen.snapshots > 0 && total.accepted > 0);
    printf("%s 1 - %" PRIu64 " seeds over real stores without a violation\n",
        total.failures == 0 && is_cut ? "ok" : "not ok", seeds);
    printf("%s 2 - a seed runs the same way twice\n", differ == 0 ? "ok" : "not ok");
    full_report(&total);
    report();
    is_lost = caught(LMDB_NO_BARRIERS, CONTROLS) > CONTROLS / 2;
    printf("%s 3 - a disk that loses what was synced is caught\n", is_lost ? "ok" : "not ok");
    is_late = caught(LMDB_LATE_VOTES, CONTROLS) > CONTROLS / 2;
    printf("%s 4 - votes that are stored after they were signed are caught\n", is_late ? "ok" : "not ok");
    is_broken = caught(LMDB_NO_POOL, CONTROLS) > CONTROLS / 2;
    printf("%s 5 - promises of what is not stored are caught\n", is_broken ? "ok" : "not ok");
    return total.failures > 0 || differ > 0 || !is_cut || !is_lost || !is_late || !is_broken;
}

static bool control_option(const char *name)
{
    for (unsigned i = 0; i < LMDB_CONTROL_N; i++)
        if (strcmp(name, controls[i]) == 0) {
            lmdb_control = (enum lmdb_control)i;
            return true;
        }
    return false;
}

int main(int argc, char **argv)
{
    struct full_range range = {.first = 0};
    int status;

    full_setup();
    for (int i = 1; i < argc; i++) {
        if (i + 1 < argc && strcmp(argv[i], "--control") == 0 && control_option(argv[i + 1])) {
            i++;
        } else if (!full_option(&range, argc, argv, &i)) {
            fprintf(stderr, "usage: full_lmdb [--seed S [--trace]] [--seeds A..B] [--control NAME]\n");
            return 2;
        }
    }
    if (!lmdb_setup())
        return 2;
    status = range.first == 0 ? tests() : full_run_range(&range);
    if (range.first != 0)
        report();
    lmdb_cleanup();
    return status;
}
