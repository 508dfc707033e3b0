/* sim.h: one run and what is counted of it; many runs; the smallest one that still fails. */
#ifndef SLK_TESTS_SIM_SIM_H
#define SLK_TESTS_SIM_SIM_H

#include "tests/sim/world.h"

#define CLASSES_MAX 40 /* of faults and lies */
#define SLOW_MAX    8
#define BAD_MAX     32
#define BAD_TEXT    240

struct total {
    uint64_t seeds, failures, steps, virtual_us, heights, packets, bytes, evidence, views, alarms, forks,
        refused;
    uint64_t trace; /* of the last run */
    uint64_t cpu_us;
    uint64_t classes[CLASSES_MAX]; /* seeds in which it was on */
    uint64_t sizes[MEMBERS_MAX + 1];
    uint64_t met[MET_N]; /* how often it happened */
    uint64_t slow_n, bad_n;
    struct slow {
        uint64_t seed, us;
    } slow[SLOW_MAX]; /* slowest recoveries, slowest first */
    struct bad {
        uint64_t seed;
        char what[BAD_TEXT];
    } bad[BAD_MAX];
};

struct options {
    uint64_t first, last, until;
    unsigned nodes, caught, jobs, sets_n;
    const char *sets[32]; /* name=value, for swarm_set */
    const char *results, *summary, *kept, *because, *name;
    bool is_one, is_many, is_traced, is_minimal, is_brief;
};

/* NULL, or what went wrong; the text holds until the next run. */
const char *sim_run(uint64_t seed, const struct options *o, struct total *total);
const char *sim_run_swarm(const struct swarm *swarm, const struct options *o, struct total *total);
/* False: a --set that is none. */
bool sim_swarm(struct swarm *out, uint64_t seed, const struct options *o);

/* total.c */
const char *total_class(unsigned i); /* its name; NULL after the last */
void total_swarm(struct total *total, const struct swarm *swarm);
void total_slow(struct total *total, uint64_t seed, uint64_t us);
void total_bad(struct total *total, uint64_t seed, const char *what);
void total_add(struct total *total, const struct total *other);
/* As text, and back: what batch.c keeps between runs. */
size_t total_format(char *out, size_t size, const struct total *total);
bool total_line(struct total *total, const char *line);
/* A page that a person can read; path NULL: on stdout. */
void total_summary(const struct total *total, bool is_brief, const char *path);

/* batch.c: many seeds in several processes; what was done before is not done again. */
int batch_run(const struct options *o);

/* minimise.c */
int minimise(const struct options *o);

#endif
