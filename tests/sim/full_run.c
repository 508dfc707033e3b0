/* full_run.c: one seed of real blocks, from its swarm to its verdict. */
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/full.h"

struct world full_world;

static void on_abort(int number)
{
    char text[80];
    int n = snprintf(text, sizeof(text), "seed=%" PRIu64 " step=%" PRIu64 " failed an assertion\n",
        full_world.swarm.seed, full_world.steps);

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
    out->epoch = seed % 3 == 0 ? 1u << 30 : 0; /* charters change, but when blocks say so */
    out->rivals = 0;
    out->quiet_us = 0;
    out->is_beyond = false;
    for (unsigned i = 0, left = out->epoch > 0 && n > 1 ? (n - 2) / 3 : (n - 1) / 3; i < n; i++) {
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
    if (full_disks == NULL)
        return;
    out->crashes = (unsigned)random_between(&r, 20, 400); /* it is about them, here */
    out->errors =
        (unsigned)random_between(&r, 20, 600); /* each stops a process in the middle of a transaction */
    out->fulls = 0;
    out->cuts = (unsigned)random_below(&r, 100);
    for (unsigned i = 0; i < n; i++)
        if ((out->lies[i] & LIE_BACKUP) != 0)
            out->lies[i] = LIE_SPOIL; /* a backup of the account is none of the store */
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

const char *full_run(uint64_t seed, bool is_traced, struct full_total *t)
{
    struct swarm swarm;

    full_swarm(&swarm, seed);
    world_init(&full_world, &swarm);
    full_world.is_traced = is_traced;
    if (is_traced)
        swarm_print(&swarm);
    world_run(&full_world);
    if (oracle_verdict(full_world.oracle) == NULL)
        settle(&full_world);
    if (full_disks != NULL)
        full_disks->end(&full_world);
    t->seeds++;
    t->heights += oracle_decided(full_world.oracle);
    t->virtual_us += full_world.now_us;
    t->steps += full_world.steps;
    t->trace = full_world.trace;
    t->submissions += full_world.submissions_n;
    t->events += full.events_n;
    t->refused += full.refused_n;
    t->stale += full.stale_n;
    t->rivals += full.conflicts_n;
    t->safe += full.safe_n;
    t->broken += full.broken_n;
    t->invalid += full.invalid_n;
    t->full += full.full_n;
    t->changes += full.changes_n;
    t->accepted += full.accepted_n;
    t->failures += oracle_verdict(full_world.oracle) != NULL;
    world_close(&full_world);
    return oracle_verdict(full_world.oracle);
}

void full_report(const struct full_total *t)
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
    printf("# %" PRIu64 " times a block was not valid, %" PRIu64 " promises broken by liars; %" PRIu64
           " charters proposed, %" PRIu64 " accepted\n",
        t->invalid, t->broken, t->changes, t->accepted);
}

/* "--seed S [--trace]" or "--seeds A..B" at argv[*i]; false: neither. */
bool full_option(struct full_range *range, int argc, char **argv, int *i)
{
    const char *next = *i + 1 < argc ? argv[*i + 1] : "";
    char *end;

    if (strcmp(argv[*i], "--trace") == 0) {
        range->is_traced = true;
        return true;
    }
    if (strcmp(argv[*i], "--seed") == 0) {
        range->first = range->last = strtoull(next, NULL, 10);
    } else if (strcmp(argv[*i], "--seeds") == 0) {
        range->first = strtoull(next, &end, 10);
        range->last = strncmp(end, "..", 2) == 0 ? strtoull(end + 2, NULL, 10) : 0;
    } else {
        return false;
    }
    (*i)++;
    return true;
}

uint64_t full_run_all(uint64_t seeds, struct full_total *t)
{
    enum { TWICE_EVERY = 10 };
    struct full_total again = {0};
    uint64_t differ = 0;

    for (uint64_t seed = 1; seed <= seeds; seed++) {
        const char *verdict = full_run(seed, false, t);

        if (verdict != NULL)
            printf("# seed=%" PRIu64 " %s\n", seed, verdict);
        if (seed % TWICE_EVERY != 0)
            continue;
        (void)full_run(seed, false, &again);
        differ += again.trace != t->trace;
    }
    return differ;
}

int full_run_range(const struct full_range *range)
{
    struct full_total total = {0};

    for (uint64_t seed = range->first; seed <= range->last; seed++) {
        const char *verdict = full_run(seed, range->is_traced, &total);

        if (verdict != NULL)
            printf("seed=%" PRIu64 " %s\n", seed, verdict);
        fflush(stdout);
    }
    full_report(&total);
    return total.failures > 0;
}

void full_setup(void)
{
    (void)signal(SIGABRT, on_abort);
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
}
