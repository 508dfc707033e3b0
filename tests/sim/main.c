/* main.c: the simulator's command line.
 *
 *   sim [--brief]                TAP: SLK_SEEDS seeds (200, brief: 2,000), every 20th twice; with --kept FILE, the kept ones
 *   sim --seed S [--until STEP] [--trace] [--nodes N] [--set NAME=VALUE]...     one seed, in full
 *   sim --seeds A..B [--jobs N] [--results FILE] [--summary FILE] [--nodes N]   many; FILE is gone on with
 *   sim --minimise --seed S      the smallest swarm that fails like it
 *   sim --good                   TAP: the good case's latency
 *   sim --caught N --because I3  TAP: one of N seeds must fail, with a verdict that begins so (for mutations of the core)
 *
 * --brief with any of these: the seeds' small worlds (swarm_brief) instead of the long ones.
 */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/sim.h"

static struct world world;

/* An assertion failed: say in which run. */
static void on_abort(int number)
{
    char text[80];
    int n = snprintf(text, sizeof(text), "seed=%" PRIu64 " step=%" PRIu64 " failed an assertion\n",
        world.swarm.seed, world.steps);

    (void)number;
    if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0)
        _exit(3);
}

/* All of `text` is a decimal number. */
static bool number(const char *text, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(
        CLOCK_PROCESS_CPUTIME_ID, &t); /* of this process: other work on the machine does not count */
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

bool sim_swarm(struct swarm *out, uint64_t seed, const struct options *o)
{
    if (o->is_brief)
        swarm_brief(out, seed, o->nodes);
    else
        swarm_of(out, seed, o->nodes);
    for (unsigned i = 0; i < o->sets_n; i++)
        if (!swarm_set(out, o->sets[i]))
            return false;
    return true;
}

const char *sim_run_swarm(const struct swarm *swarm, const struct options *o, struct total *total)
{
    double from = now_s();
    const char *verdict;

    world_init(&world, swarm);
    world.until = o->until;
    world.is_traced = o->is_traced;
    if (o->is_one && !o->is_minimal)
        swarm_print(swarm);
    world_run(&world);
    total->seeds++;
    total->steps += world.steps;
    total->virtual_us += world.now_us;
    total->heights += oracle_decided(world.oracle);
    total->packets += world.packets_n;
    total->bytes += world.bytes_n;
    total->evidence += world.evidence_n;
    total->views += world.views_n;
    total->alarms += world.alarms_n;
    total->forks += world.forks_n;
    total->refused += world.refused_n;
    for (int i = 0; i < MET_N; i++)
        total->met[i] += world.met[i];
    total->trace = world.trace;
    total_swarm(total, swarm);
    if (world.finished_us > 0)
        total_slow(total, swarm->seed, world.finished_us);
    world_close(&world);
    verdict = oracle_verdict(world.oracle);
    if (verdict != NULL)
        total_bad(total, swarm->seed, verdict);
    total->cpu_us += (uint64_t)((now_s() - from) * 1e6);
    return verdict;
}

const char *sim_run(uint64_t seed, const struct options *o, struct total *total)
{
    struct swarm swarm;

    if (!sim_swarm(&swarm, seed, o))
        return "a --set that is none";
    return sim_run_swarm(&swarm, o, total);
}

static void report(const struct total *t, double seconds)
{
    printf("# %" PRIu64 " seeds, %" PRIu64 " failures, %" PRIu64
           " heights, %.0f s simulated, %.1f s of processor time\n",
        t->seeds, t->failures, t->heights, (double)t->virtual_us / 1e6, seconds);
    printf("# %" PRIu64 " core steps: %.0f a second; %.0f times real time\n", t->steps,
        (double)t->steps / seconds, (double)t->virtual_us / 1e6 / seconds);
    printf("# %" PRIu64 " messages, %.1f MB, %" PRIu64 " pieces of evidence, slowest recovery %.1f s\n",
        t->packets, (double)t->bytes / 1e6, t->evidence, t->slow_n > 0 ? (double)t->slow[0].us / 1e6 : 0);
}

static int one(const struct options *o)
{
    struct total total = {0};
    double from = now_s();
    const char *verdict = sim_run(o->first, o, &total);

    report(&total, now_s() - from);
    printf(
        "# seed %" PRIu64 ", %" PRIu64 " steps, trace %016" PRIx64 "\n", o->first, total.steps, total.trace);
    printf("%s\n", verdict == NULL ? "no violation" : verdict);
    return verdict != NULL;
}

/* A mutation of the core must be noticed, by the invariant that it breaks: any other would only show that the seeds are unlucky. */
static int caught(const struct options *o)
{
    struct total total = {0};
    const char *because = o->because == NULL ? "" : o->because;
    size_t n = strlen(because);

    printf("1..1\n");
    for (uint64_t seed = 1; seed <= o->caught; seed++) {
        const char *verdict = sim_run(seed, o, &total);

        if (verdict == NULL)
            continue;
        printf("# seed=%" PRIu64 " %s\n", seed, verdict);
        if (strncmp(verdict, because, n) != 0 || (n > 0 && verdict[n] != ':'))
            continue;
        printf("ok 1 - %s is caught\n", o->name);
        return 0;
    }
    printf("not ok 1 - %s passed %u seeds and was not caught by %s\n", o->name, o->caught,
        n > 0 ? because : "any");
    return 1;
}

/* Three message delays and three commits from a block's building to its finality, and the commit itself. */
static int good(void)
{
    enum { MESSAGES = 3, COMMITS = 4 };
    struct swarm swarm;
    uint64_t limit, mean;

    swarm_good(&swarm);
    world_init(&world, &swarm);
    world_run(&world);
    limit = MESSAGES * swarm.delay_us + COMMITS * swarm.disk_us;
    mean = world.final_n > 0 ? world.final_us / world.final_n : UINT64_MAX;
    world_close(&world);
    printf("1..1\n%s 1 - three message delays and three commits to finality\n",
        oracle_verdict(world.oracle) == NULL && mean <= limit ? "ok" : "not ok");
    printf("# %" PRIu64
           " blocks, each committed by all %.1f ms after it was built; lines %.0f ms, disks %.0f ms\n",
        world.final_n, (double)mean / 1e3, (double)swarm.delay_us / 1e3, (double)swarm.disk_us / 1e3);
    printf("# %.1f messages and %.0f bytes a block\n", (double)world.packets_n / (double)world.final_n,
        (double)world.bytes_n / (double)world.final_n);
    return mean > limit || oracle_verdict(world.oracle) != NULL;
}

/* One of them: "[brief] SEED [--set NAME=VALUE]... what it was". False: this line names none. */
static bool kept_seed(char *line, struct options *o, uint64_t *seed)
{
    char *rest = NULL, *word = strtok_r(line, " \n", &rest);

    o->is_brief = word != NULL && strcmp(word, "brief") == 0;
    if (o->is_brief)
        word = strtok_r(NULL, " \n", &rest);
    if (word == NULL || !number(word, seed) || *seed == 0)
        return false;
    while ((word = strtok_r(NULL, " \n", &rest)) != NULL && strcmp(word, "--set") == 0 &&
           o->sets_n < sizeof(o->sets) / sizeof(o->sets[0]))
        if ((word = strtok_r(NULL, " \n", &rest)) != NULL)
            o->sets[o->sets_n++] = word;
    return true;
}

/* Seeds that failed once. */
static bool kept_seeds(const struct options *o, struct total *total)
{
    char line[256];
    FILE *f = o->kept == NULL ? NULL : fopen(o->kept, "r");
    bool is_good = f != NULL;

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        struct options kept = *o;
        const char *verdict;
        uint64_t seed;

        if (!kept_seed(line, &kept, &seed))
            continue;
        verdict = sim_run(seed, &kept, total);
        if (verdict != NULL)
            printf("# seed=%" PRIu64 " %s\n", seed, verdict);
        is_good = is_good && verdict == NULL;
    }
    if (f != NULL)
        (void)fclose(f);
    return is_good && total->seeds > 0;
}

static int tests(const struct options *o)
{
    enum { TWICE_EVERY = 20, SEEDS = 200, BRIEF_SEEDS = 2000 };
    const char *wanted = getenv("SLK_SEEDS");
    uint64_t seeds = o->is_brief ? BRIEF_SEEDS : SEEDS, differ = 0;
    static struct total total, again, kept;
    double from = now_s();
    bool are_kept_good;

    if (wanted != NULL && !number(wanted, &seeds)) {
        fprintf(stderr, "sim: SLK_SEEDS=%s is no number\n", wanted);
        return 2;
    }
    printf("1..%d\n", o->kept == NULL ? 2 : 3);
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        const char *verdict = sim_run(seed, o, &total);

        if (verdict != NULL)
            printf("# seed=%" PRIu64 " %s\n", seed, verdict);
        if (seed % TWICE_EVERY != 0)
            continue;
        (void)sim_run(seed, o, &again);
        differ += again.trace != total.trace;
        if (again.trace != total.trace)
            printf("# seed=%" PRIu64 " ran differently the second time\n", seed);
    }
    are_kept_good = o->kept == NULL || kept_seeds(o, &kept);
    printf("%s 1 - %" PRIu64 " seeds without a violation\n", total.failures == 0 ? "ok" : "not ok", seeds);
    printf("%s 2 - a seed runs the same way twice\n", differ == 0 ? "ok" : "not ok");
    if (o->kept != NULL)
        printf("%s 3 - %" PRIu64 " seeds that failed once\n", are_kept_good ? "ok" : "not ok", kept.seeds);
    report(&total, now_s() - from);
    return total.failures > 0 || differ > 0 || !are_kept_good;
}

static bool range(const char *text, struct options *o)
{
    char first[24];
    size_t n = strcspn(text, ".");

    if (n >= sizeof(first) || strncmp(text + n, "..", 2) != 0)
        return false;
    memcpy(first, text, n);
    first[n] = '\0';
    return number(first, &o->first) && number(text + n + 2, &o->last) && o->first <= o->last;
}

static bool small(const char *text, unsigned most, unsigned *out)
{
    uint64_t n;

    if (!number(text, &n) || n > most)
        return false;
    *out = (unsigned)n;
    return true;
}

/* One option and its value; false when it is none. */
static bool option(struct options *o, const char *name, const char *value)
{
    enum { JOBS_MAX = 1024 };

    if (strcmp(name, "--seed") == 0)
        return o->is_one = number(value, &o->first);
    if (strcmp(name, "--seeds") == 0)
        return o->is_many = range(value, o);
    if (strcmp(name, "--until") == 0)
        return number(value, &o->until);
    if (strcmp(name, "--nodes") == 0)
        return small(value, MEMBERS_MAX, &o->nodes);
    if (strcmp(name, "--caught") == 0)
        return small(value, UINT32_MAX, &o->caught) && o->caught > 0;
    if (strcmp(name, "--jobs") == 0)
        return small(value, JOBS_MAX, &o->jobs);
    if (strcmp(name, "--because") == 0)
        o->because = value;
    else if (strcmp(name, "--results") == 0)
        o->results = value;
    else if (strcmp(name, "--summary") == 0)
        o->summary = value;
    else if (strcmp(name, "--kept") == 0)
        o->kept = value;
    else if (strcmp(name, "--set") == 0 && o->sets_n < sizeof(o->sets) / sizeof(o->sets[0]))
        o->sets[o->sets_n++] = value;
    else
        return false;
    return true;
}

static int usage(FILE *to, int status)
{
    fprintf(to, "usage: sim [--brief] [--kept FILE]        TAP: SLK_SEEDS seeds, and those of FILE\n"
                "       sim --seed S [--until STEP] [--trace] [--nodes N] [--set NAME=VALUE]...\n"
                "       sim --seeds A..B [--jobs N] [--results FILE] [--summary FILE] [--nodes N]\n"
                "       sim --minimise --seed S\n"
                "       sim --good\n"
                "       sim --caught N [--because INVARIANT]\n"
                "The head of tests/sim/main.c says more.\n");
    return status;
}

/* The program's: which core it runs. */
static const char *own_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

int main(int argc, char **argv)
{
    struct options o = {.until = UINT64_MAX, .name = own_name(argv[0])};

    (void)signal(SIGABRT, on_abort);
    (void)mallopt(M_MMAP_THRESHOLD,
        1 << 20); /* a core is large and mostly untouched: fresh pages beat clearing old ones */
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            return usage(stdout, 0);
        } else if (strcmp(argv[i], "--trace") == 0) {
            o.is_traced = true;
        } else if (strcmp(argv[i], "--brief") == 0) {
            o.is_brief = true;
        } else if (strcmp(argv[i], "--minimise") == 0) {
            o.is_minimal = true;
        } else if (strcmp(argv[i], "--good") == 0) {
            return good();
        } else if (i + 1 == argc || !option(&o, argv[i], argv[i + 1])) {
            fprintf(stderr, "sim: %s%s%s is not understood\n", argv[i], i + 1 == argc ? "" : " ",
                i + 1 == argc ? "" : argv[i + 1]);
            return usage(stderr, 2);
        } else {
            i++;
        }
    }
    return o.caught > 0   ? caught(&o)
           : o.is_minimal ? minimise(&o)
           : o.is_one     ? one(&o)
           : o.is_many    ? batch_run(&o)
                          : tests(&o);
}
