/* failures.c: each write and each sync fails once: the error is told, the process ends, nothing acknowledged is lost.
 *
 *   failures WORKLOAD SHIM      SLK_FAILS=n: every n-th call is tried (7); 1: every call
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/crash/workload.h"
#include "tests/scratch.h"

#define BLOCKS     14
#define LAST_CALLS 40 /* of a run: may all be a snapshot's, which stops nobody */

static const struct {
    const char *name;
    int error; /* 0: a short write */
    bool sticky;
    enum slk_err expected;
} ways[] = {
    {"no space, and none later", ENOSPC, true, SLK_E_NO_SPACE},
    {"no space once", ENOSPC, false, SLK_E_NO_SPACE},
    {"I/O error, and all later", EIO, true, SLK_E_IO},
    {"I/O error once", EIO, false, SLK_E_IO},
    {"a short write", 0, false, SLK_E_IO},
};
#define WAYS_N (sizeof ways / sizeof ways[0])

static char base[200];

static unsigned count_calls(const struct workload_place *place)
{
    char path[240], setting[400];
    const char *settings[] = {setting, NULL};
    struct workload_told told;
    unsigned n = 0;

    (void)snprintf(path, sizeof path, "%s/count", base);
    (void)snprintf(setting, sizeof setting, "SLK_SHIM_COUNT=%s", path);
    if (workload_start(place, 1, BLOCKS, settings, &told) == 0)
        n = workload_count(path);
    scratch_remove(place->dir);
    return n;
}

/* A failed making leaves nothing behind; else what was acknowledged is there. */
static bool left_is_good(
    const struct workload_place *place, const struct workload_told *told, char *why, size_t size)
{
    struct stat st;

    if (!told->created && told->err != SLK_OK && stat(place->dir, &st) != 0)
        return true;
    return workload_check(place->dir, 1, told, why, size) != WORKLOAD_BAD;
}

static bool one_failure(
    const struct workload_place *place, size_t way, unsigned call, unsigned calls, unsigned *stopped)
{
    char fail[64], error[64], seed[64], why[512] = "";
    const char *settings[] = {fail, error, seed, ways[way].sticky ? "SLK_SHIM_STICKY=1" : NULL, NULL};
    struct workload_told told;
    bool good;
    int status;

    (void)snprintf(fail, sizeof fail, "SLK_SHIM_FAIL=%u", call);
    (void)snprintf(error, sizeof error, "SLK_SHIM_ERRNO=%d", ways[way].error);
    (void)snprintf(seed, sizeof seed, "SLK_SHIM_SEED=%u", call);
    scratch_remove(place->dir);
    status = workload_start(place, 1, BLOCKS, settings, &told);
    good = status == 0 &&
           (told.err == SLK_OK || told.err == ways[way].expected || told.err == SLK_E_IO ||
               (ways[way].error == 0 && told.err == SLK_E_NO_SPACE)); /* LMDB takes it for either */
    if (!good)
        (void)snprintf(why, sizeof why, "it ended with %d and %s", status, slk_err_name(told.err));
    if (good && ways[way].sticky && told.err == SLK_OK && call + LAST_CALLS < calls) {
        good = false;
        (void)snprintf(why, sizeof why, "it went on as if nothing had failed");
    }
    good = good && left_is_good(place, &told, why, sizeof why);
    *stopped += told.err != SLK_OK;
    if (!good)
        (void)printf(
            "# %s at call %u, acknowledged=%lld: %s\n", ways[way].name, call, (long long)told.height, why);
    return good;
}

static bool try_way(const struct workload_place *place, size_t way, unsigned calls, unsigned each)
{
    unsigned tried = 0, stopped = 0, bad = 0;

    for (unsigned call = 1 + (unsigned)way % each; call <= calls; call += each) {
        tried++;
        bad += !one_failure(place, way, call, calls, &stopped);
    }
    (void)printf(
        "# %s: %u calls tried, %u stopped the writer, %u bad\n", ways[way].name, tried, stopped, bad);
    return bad == 0 && stopped > tried / 3;
}

static void note(void *ctx, enum workload_word what, enum slk_err err, uint64_t value)
{
    workload_note(ctx, what, err, value);
}

/* The map may not grow beyond some size: the same, in our own process. */
static bool try_full_maps(const char *dir)
{
    unsigned stopped = 0, bad = 0;

    for (size_t size = (size_t)192 << 10; size < (size_t)1 << 20; size += (size_t)24 << 10) {
        struct slk_store_options options = {.map_size = size, .map_max = size, .map_headroom = 4096};
        struct workload_told told = {.height = -1, .pooled_at = -1};
        char why[512] = "";

        scratch_remove(dir);
        workload_run(dir, 1, BLOCKS, &options, note, &told);
        stopped += told.err != SLK_OK;
        if ((told.err != SLK_OK && told.err != SLK_E_NO_SPACE) ||
            workload_check(dir, 1, &told, why, sizeof why) == WORKLOAD_BAD) {
            (void)printf("# map of %zu bytes: %s %s\n", size, slk_err_name(told.err), why);
            bad++;
        }
    }
    (void)printf("# full maps: %u stopped the writer, %u bad\n", stopped, bad);
    return bad == 0 && stopped > 3;
}

int main(int argc, char **argv)
{
    const char *text = getenv("SLK_FAILS");
    unsigned each = text != NULL && strtoul(text, NULL, 10) > 0 ? (unsigned)strtoul(text, NULL, 10) : 7,
             calls;
    struct workload_place place;
    bool good, all = true;
    char dir[240];

    if (argc != 3)
        return 2;
    /* The shim makes the losses; a disk that really syncs would only be slow. */
    if (!scratch_make(base, sizeof base, "fail"))
        return 2;
    (void)snprintf(dir, sizeof dir, "%s/ledger", base);
    place = (struct workload_place){.program = argv[1], .shim = argv[2], .dir = dir};
    (void)printf("TAP version 13\n1..%zu\n", WAYS_N + 1);
    calls = count_calls(&place);
    (void)printf("# %u writes and syncs to fail\n", calls);
    for (size_t way = 0; way < WAYS_N; way++) {
        good = calls > 50 && try_way(&place, way, calls, each);
        all = all && good;
        (void)printf(
            "%sok %zu - %s: told, and nothing is lost\n", good ? "" : "not ", way + 1, ways[way].name);
    }
    good = try_full_maps(dir);
    all = all && good;
    (void)printf("%sok %zu - a full map: told, and nothing is lost\n", good ? "" : "not ", WAYS_N + 1);
    scratch_remove(dir);
    scratch_remove(base);
    return all ? 0 : 1;
}
