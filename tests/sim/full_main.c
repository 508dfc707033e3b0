/* full_main.c: the simulator with real blocks.
 *
 *   full                         TAP: SLK_SEEDS / 10 seeds (40), every 10th twice; the idle network
 *   full --seed S [--trace]      one seed, in full
 *   full --seeds A..B            many, with a summary
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/full.h"

const struct full_disks *const full_disks = NULL;

/* ---- I16: an idle network of good members ---- */

static uint64_t others_n, statuses_n;

static bool count(
    struct world *w, const struct process *from, const struct process *to, const struct packet *packet)
{
    (void)w;
    (void)from;
    (void)to;
    statuses_n += packet->kind == SLK_MSG_STATUS;
    others_n += packet->kind != SLK_MSG_STATUS;
    return false;
}

static bool idle(void)
{
    enum { HOURS = 6, HEARTBEAT_S = 600, N = 4, PER_BLOCK = 16 * N * N };
    static struct script script = {.loses = count};
    struct swarm swarm;
    uint64_t before, blocks;
    bool good;

    swarm_good(&swarm);
    swarm.submissions = 0;
    world_init(&full_world, &swarm);
    full_world.script = &script;
    for (unsigned i = 0; i < full_world.processes_n; i++)
        process_start(&full_world, full_world.processes[i]);
    while (full_world.now_us < 60 * 1000 * MS && world_step(&full_world))
        continue;
    before = oracle_decided(full_world.oracle);
    others_n = statuses_n = 0;
    while (full_world.now_us < (HOURS * 3600 + 60) * 1000 * MS && world_step(&full_world))
        continue;
    blocks = oracle_decided(full_world.oracle) - before;
    good = oracle_verdict(full_world.oracle) == NULL && blocks <= HOURS * 3600 / HEARTBEAT_S + 1 &&
           blocks + 1 >= HOURS * 3600 / HEARTBEAT_S && others_n <= blocks * PER_BLOCK;
    printf("# idle for %d h: %" PRIu64 " blocks, %" PRIu64 " messages of STATUS, %" PRIu64 " others\n", HOURS,
        blocks, statuses_n, others_n);
    world_close(&full_world);
    return good;
}

static int tests(void)
{
    enum { SEEDS = 40, SHARE = 10 };
    const char *wanted = getenv("SLK_SEEDS");
    uint64_t seeds = wanted != NULL ? strtoull(wanted, NULL, 10) / SHARE : SEEDS, differ;
    struct full_total total = {0};
    bool is_idle, is_varied;

    printf("1..3\n");
    differ = full_run_all(seeds, &total);
    is_varied =
        seeds < SEEDS || (total.accepted > 0 && total.full > 0 && total.safe > 0 && total.invalid > 0);
    printf("%s 1 - %" PRIu64 " seeds of real blocks without a violation, and not for want of trouble\n",
        total.failures == 0 && is_varied ? "ok" : "not ok", seeds);
    printf("%s 2 - a seed runs the same way twice\n", differ == 0 ? "ok" : "not ok");
    is_idle = idle();
    printf(
        "%s 3 - an idle network sends STATUS and makes one block per heartbeat\n", is_idle ? "ok" : "not ok");
    full_report(&total);
    return total.failures > 0 || differ > 0 || !is_idle || !is_varied;
}

int main(int argc, char **argv)
{
    struct full_range range = {.first = 0};

    full_setup();
    for (int i = 1; i < argc; i++)
        if (!full_option(&range, argc, argv, &i)) {
            fprintf(stderr, "usage: full [--seed S [--trace]] [--seeds A..B]\n");
            return 2;
        }
    return range.first == 0 ? tests() : full_run_range(&range);
}
