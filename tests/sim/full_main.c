/* full_main.c: the simulator with real blocks.
 *
 *   full                         TAP: SLK_SEEDS / 5 seeds (40), every 10th twice; the idle network
 *   full --seed S [--trace]      one seed, in full
 *   full --seeds A..B            many, with a summary
 */
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/full.h"

static struct world world;

struct total {
    uint64_t seeds, failures, heights, virtual_us, steps, trace;
    uint64_t submissions, events, refused, stale, rivals, safe, broken, invalid, full;
};

static void on_abort(int number)
{
    char text[80];
    int n = snprintf(text, sizeof(text), "seed=%" PRIu64 " step=%" PRIu64 " failed an assertion\n",
        world.swarm.seed, world.steps);

    (void)number;
    if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0)
        _exit(3);
}

/* As the swarm's, but fewer members, shorter times, no change of charters, and liars of this ledger's own. */
static void full_swarm(struct swarm *out, uint64_t seed)
{
    static const uint8_t sizes[] = {1, 2, 3, 4, 4, 4, 4, 4, 4, 5, 7, 7};
    static const unsigned lies[] = {
        LIE_FLOOD, LIE_SPOIL, LIE_PROMISE, LIE_FLOOD | LIE_PROMISE, LIE_SPOIL | LIE_PROMISE, LIE_SPOIL};
    struct random r = random_new(seed, 88);
    unsigned n = sizes[random_below(&r, sizeof(sizes))];

    swarm_of(out, seed, n);
    out->epoch = out->rivals = 0;
    out->quiet_us = 0;
    out->is_beyond = false;
    for (unsigned i = 0, left = (n - 1) / 3; i < n; i++) {
        if (out->lies[i] != 0 && left == 0)
            out->lies[i] = 0;
        left -= out->lies[i] != 0;
    }
    out->safety_us = random_between(&r, 5, 20) * 1000 * MS;
    out->submissions = 5 + (unsigned)random_below(&r, 60);
    out->liveness_heights = 6;
    for (unsigned i = 0; i < n; i++) {
        if (out->lies[i] == 0 || random_chance(&r, 250))
            continue;
        if (random_chance(&r, 700))
            out->lies[i] = 0;
        out->lies[i] |= lies[random_below(&r, sizeof(lies) / sizeof(lies[0]))];
        if ((out->lies[i] & LIE_TWIN) != 0)
            out->lies[i] = LIE_TWIN; /* two correct ones */
    }
}

/* After the world's own end: until every promise of the bad times is settled. */
static void settle(struct world *w)
{
    enum { SETTLE_S = 600 };
    uint64_t until = w->now_us + SETTLE_S * 1000 * MS;

    while (oracle_verdict(w->oracle) == NULL && !full_judge_settled(w)) {
        if (w->now_us > until) {
            oracle_fail(w->oracle, "I8: what f + 1 members promised is in no block");
            return;
        }
        for (unsigned i = 0; i < 256; i++)
            if (!world_step(w))
                break;
    }
    full_judge_end(w);
}

static const char *run(uint64_t seed, bool is_traced, struct total *t)
{
    struct swarm swarm;

    full_swarm(&swarm, seed);
    world_init(&world, &swarm);
    world.is_traced = is_traced;
    if (is_traced)
        swarm_print(&swarm);
    world_run(&world);
    if (oracle_verdict(world.oracle) == NULL)
        settle(&world);
    t->seeds++;
    t->heights += oracle_decided(world.oracle);
    t->virtual_us += world.now_us;
    t->steps += world.steps;
    t->trace = world.trace;
    t->submissions += world.submissions_n;
    t->events += full.events_n;
    t->refused += full.refused_n;
    t->stale += full.stale_n;
    t->rivals += full.conflicts_n;
    t->safe += full.safe_n;
    t->broken += full.broken_n;
    t->invalid += full.invalid_n;
    t->full += full.full_n;
    t->failures += oracle_verdict(world.oracle) != NULL;
    world_close(&world);
    return oracle_verdict(world.oracle);
}

static void report(const struct total *t)
{
    struct timespec used;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    printf("# %" PRIu64 " seeds, %" PRIu64 " failures, %" PRIu64 " heights, %.0f s simulated, %" PRIu64
           " steps, %.1f s of processor time\n",
        t->seeds, t->failures, t->heights, (double)t->virtual_us / 1e6, t->steps,
        (double)used.tv_sec + (double)used.tv_nsec * 1e-9);
    printf("# %" PRIu64 " submissions of %" PRIu64 " events, %" PRIu64 " rivals among them, %" PRIu64
           " SAFE; refused at the door %" PRIu64 ", quota used up %" PRIu64 ", overtaken in a pool %" PRIu64
           "\n",
        t->submissions, t->events, t->rivals, t->safe, t->refused, t->full, t->stale);
    printf("# %" PRIu64 " times a block was not valid, %" PRIu64 " promises broken by liars\n", t->invalid,
        t->broken);
}

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
    world_init(&world, &swarm);
    world.script = &script;
    for (unsigned i = 0; i < world.processes_n; i++)
        process_start(&world, world.processes[i]);
    while (world.now_us < 60 * 1000 * MS && world_step(&world))
        continue;
    before = oracle_decided(world.oracle);
    others_n = statuses_n = 0;
    while (world.now_us < (HOURS * 3600 + 60) * 1000 * MS && world_step(&world))
        continue;
    blocks = oracle_decided(world.oracle) - before;
    good = oracle_verdict(world.oracle) == NULL && blocks <= HOURS * 3600 / HEARTBEAT_S + 1 &&
           blocks + 1 >= HOURS * 3600 / HEARTBEAT_S && others_n <= blocks * PER_BLOCK;
    printf("# idle for %d h: %" PRIu64 " blocks, %" PRIu64 " messages of STATUS, %" PRIu64 " others\n", HOURS,
        blocks, statuses_n, others_n);
    world_close(&world);
    return good;
}

static int tests(void)
{
    enum { TWICE_EVERY = 10, SEEDS = 40, SHARE = 5 };
    const char *wanted = getenv("SLK_SEEDS");
    uint64_t seeds = wanted != NULL ? strtoull(wanted, NULL, 10) / SHARE : SEEDS, differ = 0;
    struct total total = {0}, again = {0};
    bool is_idle;

    printf("1..3\n");
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        const char *verdict = run(seed, false, &total);

        if (verdict != NULL)
            printf("# seed=%" PRIu64 " %s\n", seed, verdict);
        if (seed % TWICE_EVERY != 0)
            continue;
        (void)run(seed, false, &again);
        differ += again.trace != total.trace;
    }
    printf("%s 1 - %" PRIu64 " seeds of real blocks without a violation\n",
        total.failures == 0 ? "ok" : "not ok", seeds);
    printf("%s 2 - a seed runs the same way twice\n", differ == 0 ? "ok" : "not ok");
    is_idle = idle();
    printf(
        "%s 3 - an idle network sends STATUS and makes one block per heartbeat\n", is_idle ? "ok" : "not ok");
    report(&total);
    return total.failures > 0 || differ > 0 || !is_idle;
}

int main(int argc, char **argv)
{
    struct total total = {0};
    uint64_t first = 0, last = 0;
    bool is_traced = false;

    (void)signal(SIGABRT, on_abort);
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : "";
        char *end;

        if (strcmp(argv[i], "--trace") == 0) {
            is_traced = true;
        } else if (strcmp(argv[i], "--seed") == 0) {
            first = last = strtoull(next, NULL, 10);
            i++;
        } else if (strcmp(argv[i], "--seeds") == 0) {
            first = strtoull(next, &end, 10);
            last = strncmp(end, "..", 2) == 0 ? strtoull(end + 2, NULL, 10) : 0;
            i++;
        } else {
            fprintf(stderr, "usage: full [--seed S [--trace]] [--seeds A..B]\n");
            return 2;
        }
    }
    if (first == 0)
        return tests();
    for (uint64_t seed = first; seed <= last; seed++) {
        const char *verdict = run(seed, is_traced, &total);

        if (verdict != NULL)
            printf("seed=%" PRIu64 " %s\n", seed, verdict);
        fflush(stdout);
    }
    report(&total);
    return total.failures > 0;
}
