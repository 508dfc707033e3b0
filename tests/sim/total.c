/* total.c: what many runs were like: sums, extremes, and a page that a person can read. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/sim/sim.h"

static const struct lie_name {
    unsigned lie;
    const char *name;
} lies[] = {{LIE_TWIN, "lie: twins"}, {LIE_EQUIVOCATE, "lie: equivocate"}, {LIE_WITHHOLD, "lie: withhold"},
    {LIE_LATE, "lie: late"}, {LIE_NO_REASON, "lie: no justification"}, {LIE_REPLAY, "lie: replay"},
    {LIE_SILENT, "lie: silent"}, {LIE_GARBAGE, "lie: garbage"}, {LIE_RANDOM, "lie: sign anything"},
    {LIE_BACKUP, "lie: restored backup"}, {LIE_CENSOR, "lie: censor"}, {LIE_FORGE, "lie: forge"},
    {LIE_HOARD, "lie: hoard certificates"}, {LIE_CLAIM, "lie: inflated claims"},
    {LIE_DRIP, "lie: slow drip"}};
enum { LIES = sizeof(lies) / sizeof(lies[0]) };

static const char *const extras[] = {"hours apart", "hours of quiet", "more than f liars"};
enum { EXTRAS = sizeof(extras) / sizeof(extras[0]) };

static const char *const met[MET_N] = {[MET_CRASH] = "crashes",
    [MET_CUT] = "power cuts of all",
    [MET_PARTITION] = "partitions",
    [MET_PAUSE] = "pauses",
    [MET_CLOCK] = "clocks set wrong",
    [MET_ERROR] = "disks that failed",
    [MET_FULL] = "disks that were full",
    [MET_STORM] = "storms of restarts",
    [MET_CLOG] = "lines clogged",
    [MET_LATE] = "members that joined late",
    [MET_RESTORE] = "backups restored",
    [MET_LOST] = "messages lost",
    [MET_TWICE] = "messages that came twice",
    [MET_EQUIVOCATE] = "second proposals",
    [MET_CONTRADICT] = "contradicting votes",
    [MET_ANYTHING] = "votes for anything",
    [MET_WITHHOLD] = "messages withheld",
    [MET_DELAY] = "messages held back",
    [MET_NO_REASON] = "proposals without reason",
    [MET_REPLAY] = "messages replayed",
    [MET_GARBAGE] = "messages spoilt",
    [MET_FORGE] = "certificates forged",
    [MET_CLAIM] = "claims inflated",
    [MET_HUSH] = "messages swallowed"};

static const uint64_t minute_us = 60000 * MS;

static unsigned knobs_n(void)
{
    struct swarm swarm;
    const char *name;
    unsigned n = 0;

    while (swarm_knob(&swarm, n, &name) != NULL)
        n++;
    return n;
}

const char *total_class(unsigned i)
{
    struct swarm swarm;
    const char *name = NULL;
    unsigned n = knobs_n();

    if (i < n)
        return swarm_knob(&swarm, i, &name) == NULL ? NULL : name;
    if (i < n + EXTRAS)
        return extras[i - n];
    return i < n + EXTRAS + LIES ? lies[i - n - EXTRAS].name : NULL;
}

void total_swarm(struct total *total, const struct swarm *swarm)
{
    struct swarm copy = *swarm;
    unsigned n = knobs_n(), all = 0;
    const char *name;

    for (unsigned i = 0; i < n; i++)
        total->classes[i] += *swarm_knob(&copy, i, &name) > 0;
    total->classes[n] += swarm->apart_us > minute_us;
    total->classes[n + 1] += swarm->quiet_us > 0;
    total->classes[n + 2] += swarm->is_beyond;
    for (unsigned i = 0; i < swarm->n; i++)
        all |= swarm->lies[i];
    for (unsigned i = 0; i < LIES; i++)
        total->classes[n + EXTRAS + i] += (all & lies[i].lie) != 0;
    total->sizes[swarm->n]++;
}

void total_slow(struct total *total, uint64_t seed, uint64_t us)
{
    size_t i = total->slow_n;

    if (i == SLOW_MAX && total->slow[SLOW_MAX - 1].us >= us)
        return;
    if (i == SLOW_MAX)
        i--;
    else
        total->slow_n++;
    for (; i > 0 && total->slow[i - 1].us < us; i--)
        total->slow[i] = total->slow[i - 1];
    total->slow[i] = (struct slow){.seed = seed, .us = us};
}

void total_bad(struct total *total, uint64_t seed, const char *what)
{
    total->failures++;
    if (total->bad_n == BAD_MAX)
        return;
    total->bad[total->bad_n].seed = seed;
    (void)snprintf(total->bad[total->bad_n++].what, BAD_TEXT, "%s", what);
}

struct sum {
    const char *name;
    uint64_t *value;
};
enum { SUMS = 12 };

static void sums_of(struct total *t, struct sum out[SUMS])
{
    const struct sum sums[SUMS] = {{"seeds", &t->seeds}, {"steps", &t->steps}, {"virtual_us", &t->virtual_us},
        {"heights", &t->heights}, {"packets", &t->packets}, {"bytes", &t->bytes}, {"evidence", &t->evidence},
        {"views", &t->views}, {"alarms", &t->alarms}, {"forks", &t->forks}, {"refused", &t->refused},
        {"cpu_us", &t->cpu_us}};

    memcpy(out, sums, sizeof(sums));
}

void total_add(struct total *total, const struct total *other)
{
    struct total copy = *other;
    struct sum to[SUMS], from[SUMS];

    sums_of(total, to);
    sums_of(&copy, from);
    for (int i = 0; i < SUMS; i++)
        *to[i].value += *from[i].value;
    for (unsigned i = 0; i < CLASSES_MAX; i++)
        total->classes[i] += other->classes[i];
    for (unsigned i = 0; i <= MEMBERS_MAX; i++)
        total->sizes[i] += other->sizes[i];
    for (int i = 0; i < MET_N; i++)
        total->met[i] += other->met[i];
    for (size_t i = 0; i < other->slow_n; i++)
        total_slow(total, other->slow[i].seed, other->slow[i].us);
    for (size_t i = 0; i < other->bad_n; i++)
        total_bad(total, other->bad[i].seed, other->bad[i].what);
    total->failures += other->failures - other->bad_n;
}

static void put(char *out, size_t size, size_t *used, const char *name, uint64_t key, uint64_t value)
{
    int n = snprintf(out + *used, size - *used, "%s %" PRIu64 " %" PRIu64 "\n", name, key, value);

    if (n > 0 && (size_t)n < size - *used)
        *used += (size_t)n;
}

size_t total_format(char *out, size_t size, const struct total *total)
{
    struct total copy = *total;
    struct sum sums[SUMS];
    size_t used = 0;

    sums_of(&copy, sums);
    for (int i = 0; i < SUMS; i++)
        put(out, size, &used, sums[i].name, 0, *sums[i].value);
    for (unsigned i = 0; i < CLASSES_MAX; i++)
        if (total->classes[i] > 0)
            put(out, size, &used, "class", i, total->classes[i]);
    for (unsigned i = 0; i <= MEMBERS_MAX; i++)
        if (total->sizes[i] > 0)
            put(out, size, &used, "size", i, total->sizes[i]);
    for (unsigned i = 0; i < MET_N; i++)
        if (total->met[i] > 0)
            put(out, size, &used, "met", i, total->met[i]);
    for (size_t i = 0; i < total->slow_n; i++)
        put(out, size, &used, "slow", total->slow[i].seed, total->slow[i].us);
    for (size_t i = 0; i < total->bad_n; i++) {
        int n =
            snprintf(out + used, size - used, "bad %" PRIu64 " %s\n", total->bad[i].seed, total->bad[i].what);

        if (n > 0 && (size_t)n < size - used)
            used += (size_t)n;
    }
    return used;
}

/* One line of total_format. False: it is none. */
bool total_line(struct total *total, const char *line)
{
    struct sum sums[SUMS];
    size_t name_n = strcspn(line, " ");
    char *end;
    uint64_t key, value;

    if (line[name_n] == '\0')
        return false;
    key = strtoull(line + name_n, &end, 10);
    if (strncmp(line, "bad ", 4) == 0) {
        total_bad(total, key, *end == ' ' ? end + 1 : end);
        return true;
    }
    value = strtoull(end, NULL, 10);
    if (strncmp(line, "class ", 6) == 0 && key < CLASSES_MAX) {
        total->classes[key] += value;
    } else if (strncmp(line, "size ", 5) == 0 && key <= MEMBERS_MAX) {
        total->sizes[key] += value;
    } else if (strncmp(line, "met ", 4) == 0 && key < MET_N) {
        total->met[key] += value;
    } else if (strncmp(line, "slow ", 5) == 0) {
        total_slow(total, key, value);
    } else {
        sums_of(total, sums);
        for (int i = 0; i < SUMS; i++)
            if (strlen(sums[i].name) == name_n && strncmp(sums[i].name, line, name_n) == 0) {
                *sums[i].value += value;
                return true;
            }
        return false;
    }
    return true;
}

static void print_numbers(FILE *f, const struct total *t)
{
    double hours = (double)t->virtual_us / 3.6e9, cpu_s = (double)t->cpu_us / 1e6 + 1e-9;

    fprintf(f,
        "  seeds                %12" PRIu64 "   each a network, its members, its faults and its liars\n",
        t->seeds);
    fprintf(f, "  violations           %12" PRIu64 "\n", t->failures);
    fprintf(f, "  simulated hours      %12.1f   %.0f times real time\n", hours, hours * 3600 / cpu_s);
    fprintf(f, "  hours of processor   %12.2f\n", cpu_s / 3600);
    fprintf(f, "  steps of the core    %12" PRIu64 "   %.0f a second\n", t->steps, (double)t->steps / cpu_s);
    fprintf(f, "  heights decided      %12" PRIu64 "\n", t->heights);
    fprintf(f, "  messages             %12" PRIu64 "   %.1f GB\n", t->packets, (double)t->bytes / 1e9);
    fprintf(f, "  refused messages     %12" PRIu64 "   forged, garbled or not allowed\n", t->refused);
    fprintf(f, "  pieces of evidence   %12" PRIu64 "   against liars; none against others\n", t->evidence);
    fprintf(f, "  alarms               %12" PRIu64 "\n", t->alarms);
    fprintf(
        f, "  forks shown          %12" PRIu64 "   where more than f lied: who saw both stopped\n", t->forks);
}

static void print_page(FILE *f, const struct total *t, bool is_brief)
{
    const char *mode = is_brief ? " --brief" : "";
    double seeds = t->seeds > 0 ? (double)t->seeds : 1;

    fprintf(f, "The consensus core under attack\n===============================\n\n");
    print_numbers(f, t);
    fprintf(f, "\nWhat was attacked, in how many of the seeds\n\n");
    for (unsigned i = 0; total_class(i) != NULL; i++)
        fprintf(f, "  %-24s %10" PRIu64 "  %5.1f %%\n", total_class(i), t->classes[i],
            100.0 * (double)t->classes[i] / seeds);
    fprintf(f, "\nWhat happened, how often\n\n");
    for (unsigned i = 0; i < MET_N; i++)
        fprintf(f, "  %-24s %10" PRIu64 "\n", met[i], t->met[i]);
    fprintf(f, "\nMembers\n\n");
    for (unsigned i = 0; i <= MEMBERS_MAX; i++)
        if (t->sizes[i] > 0)
            fprintf(
                f, "  %3u %34" PRIu64 "  %5.1f %%\n", i, t->sizes[i], 100.0 * (double)t->sizes[i] / seeds);
    fprintf(f,
        "\nSlowest recoveries: from the end of the bad times until %s more heights are decided by "
        "all who are well\n\n",
        is_brief ? "three" : "ten");
    for (size_t i = 0; i < t->slow_n; i++)
        fprintf(
            f, "  %8.1f s   sim%s --seed %" PRIu64 "\n", (double)t->slow[i].us / 1e6, mode, t->slow[i].seed);
    fprintf(f, "\nViolations%s\n\n", t->bad_n == 0 ? ": none" : "");
    for (size_t i = 0; i < t->bad_n; i++)
        fprintf(f, "  %s\n      sim%s --seed %" PRIu64 " --trace      sim%s --minimise --seed %" PRIu64 "\n",
            t->bad[i].what, mode, t->bad[i].seed, mode, t->bad[i].seed);
}

void total_summary(const struct total *total, bool is_brief, const char *path)
{
    FILE *f = path == NULL ? stdout : fopen(path, "w");

    if (f == NULL) {
        perror(path);
        return;
    }
    print_page(f, total, is_brief);
    if (fflush(f) != 0 || (f != stdout && fclose(f) != 0))
        perror("summary");
}
