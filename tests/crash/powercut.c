/* powercut.c: the power goes at a random write or sync; what was acknowledged must be there.
 *
 *   powercut WORKLOAD SHIM      SLK_CUTS=n (200)  SLK_SEED=n  SLK_KEEP=1: keep the directory of the first failure
 *
 * A child writes a ledger through shim.c, which keeps what is not yet certain and takes a random part of it back. Then we
 * open what is left: the newest block must be the one acknowledged last or the one in flight, every block byte for byte
 * what it was, the checkpoint not older than acknowledged, fsck without a finding, the state loadable, and more blocks
 * must go in. The control does the same with syncs that do nothing: if that passed, the shim would prove nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/crash/workload.h"
#include "tests/scratch.h"
#include "tests/unit/sample.h"

#define BLOCKS   24
#define EXIT_CUT 99

static char base[200];

static unsigned number_of(const char *name, unsigned standard)
{
    const char *text = getenv(name);

    return text != NULL ? (unsigned)strtoul(text, NULL, 10) : standard;
}

/* Writes and syncs of an undisturbed run. */
static unsigned count_calls(const struct workload_place *place, uint64_t seed, bool *good)
{
    char path[240], setting[400], why[512];
    const char *settings[] = {setting, NULL};
    struct workload_told told;

    (void)snprintf(path, sizeof path, "%s/count", base);
    (void)snprintf(setting, sizeof setting, "SLK_SHIM_COUNT=%s", path);
    scratch_remove(place->dir);
    *good = workload_start(place, seed, BLOCKS, settings, &told) == 0 && told.err == SLK_OK &&
            told.height == BLOCKS - 1 && told.snapshots_n >= 2;
    if (*good && workload_check(place->dir, seed, &told, why, sizeof why) != WORKLOAD_AT_LAST) {
        (void)printf("# undisturbed: %s\n", why);
        *good = false;
    }
    return workload_count(path);
}

struct score {
    unsigned cuts, at_last, in_flight, bad;
};

static void one_cut(
    const struct workload_place *place, uint64_t seed, unsigned cut, bool control, struct score *score)
{
    char cut_text[64], seed_text[64], why[512];
    const char *settings[] = {cut_text, seed_text, control ? "SLK_SHIM_NO_SYNC=1" : NULL, NULL};
    enum workload_verdict verdict;
    struct workload_told told;
    int status;

    (void)snprintf(cut_text, sizeof cut_text, "SLK_SHIM_CUT=%u", cut);
    (void)snprintf(seed_text, sizeof seed_text, "SLK_SHIM_SEED=%llu", (unsigned long long)seed);
    scratch_remove(place->dir);
    status = workload_start(place, seed, BLOCKS, settings, &told);
    verdict = workload_check(place->dir, seed, &told, why, sizeof why);
    if (status != EXIT_CUT && status != 0) {
        verdict = WORKLOAD_BAD;
        (void)snprintf(why, sizeof why, "the process ended with %d", status);
    }
    score->cuts += status == EXIT_CUT;
    score->at_last += verdict == WORKLOAD_AT_LAST;
    score->in_flight += verdict == WORKLOAD_AT_IN_FLIGHT;
    score->bad += verdict == WORKLOAD_BAD;
    if (verdict == WORKLOAD_BAD && !control) {
        (void)printf("# seed=%llu cut=%u acknowledged=%lld: %s\n", (unsigned long long)seed, cut,
            (long long)told.height, why);
        if (getenv("SLK_KEEP") != NULL)
            exit(1);
    }
}

static struct score run(
    const struct workload_place *place, unsigned cuts, unsigned calls, uint64_t seed, bool control)
{
    struct score score = {0};
    uint64_t random = seed + 1;

    for (unsigned i = 0; i < cuts; i++)
        one_cut(place, seed + i, 1 + (unsigned)sample_below(&random, calls), control, &score);
    (void)printf("# %s: %u cuts: %u at the last acknowledged block, %u at the one in flight, %u bad\n",
        control ? "syncs do nothing" : "power cuts", score.cuts, score.at_last, score.in_flight, score.bad);
    return score;
}

int main(int argc, char **argv)
{
    unsigned cuts = number_of("SLK_CUTS", 200), controls = cuts / 5 < 20 ? 20 : cuts / 5, calls;
    uint64_t seed = number_of("SLK_SEED", 1);
    struct workload_place place;
    struct score score;
    bool good, all = true;
    char dir[240];

    if (argc != 3)
        return 2;
    /* The shim makes the losses; a disk that really syncs would only be slow. */
    if (!scratch_make(base, sizeof base, "cut"))
        return 2;
    (void)snprintf(dir, sizeof dir, "%s/ledger", base);
    place = (struct workload_place){.program = argv[1], .shim = argv[2], .dir = dir};
    (void)printf("TAP version 13\n1..3\n");
    calls = count_calls(&place, seed, &good);
    good = good && calls > 100;
    all = all && good;
    (void)printf("# %u writes and syncs to cut at\n", calls);
    (void)printf("%sok 1 - undisturbed, everything is there\n", good ? "" : "not ");
    score = run(&place, good ? cuts : 0, calls, seed, false);
    good = score.bad == 0 && score.cuts > cuts / 2;
    all = all && good;
    (void)printf("%sok 2 - after a power cut everything acknowledged is there\n", good ? "" : "not ");
    score = run(&place, calls > 0 ? controls : 0, calls, seed, true);
    good = score.bad > score.cuts / 4;
    all = all && good;
    (void)printf("%sok 3 - with syncs that do nothing, much is lost: the shim bites\n", good ? "" : "not ");
    scratch_remove(dir);
    scratch_remove(base);
    return all ? 0 : 1;
}
