/* minimise.c: the smallest swarm that still fails in the same way: classes of faults and lies are taken away one by one,
 * members sent home, times cut short, until nothing more can go. Each attempt runs in a process of its own, because
 * some failures are assertions.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/sim.h"

enum { VERDICT = 300 };

struct failure {
    char text[VERDICT];
    uint64_t steps;
};

static unsigned attempts;

static bool run_apart(const struct swarm *swarm, const struct options *o, struct failure *out)
{
    int ends[2], status;
    pid_t child;
    ssize_t got;

    memset(out, 0, sizeof(*out));
    attempts++;
    fflush(stdout);
    if (pipe(ends) != 0 || (child = fork()) < 0)
        return false;
    if (child == 0) {
        static struct total total;
        struct failure said = {.steps = 0};
        const char *verdict;

        (void)fclose(stderr);
        verdict = sim_run_swarm(swarm, o, &total);
        if (verdict != NULL)
            (void)snprintf(said.text, sizeof(said.text), "%s", verdict);
        said.steps = total.steps;
        _exit(write(ends[1], &said, sizeof(said)) != (ssize_t)sizeof(said));
    }
    (void)close(ends[1]);
    got = read(ends[0], out, sizeof(*out));
    (void)close(ends[0]);
    if (waitpid(child, &status, 0) != child)
        return false;
    if (got != (ssize_t)sizeof(*out))
        (void)snprintf(out->text, sizeof(out->text), "an assertion failed");
    return out->text[0] != '\0';
}

/* The same kind of failure: the same words up to the first number that may differ. */
static bool alike(const struct failure *a, const struct failure *b)
{
    size_t n = strcspn(a->text, ":");

    if (a->text[n] == '\0')
        n = strcspn(a->text, "0123456789");
    return strncmp(a->text, b->text, n) == 0;
}

struct search {
    const struct options *o;
    struct swarm best;
    struct failure failure;
    bool is_changed;
};

/* What is taken away moves all chances that come after it: so a few others are tried, too. */
static void attempt(struct search *s, const struct swarm *smaller, const char *what)
{
    enum { SALTS = 8 };
    struct swarm tried = *smaller;
    struct failure failure;

    for (unsigned salt = 0; salt < SALTS; salt++) {
        tried.salt = salt == 0 ? smaller->salt : salt;
        if (!run_apart(&tried, s->o, &failure) || !alike(&s->failure, &failure))
            continue;
        printf("#   without %s: fails, too\n", what);
        s->best = tried;
        s->failure.steps = failure.steps;
        s->is_changed = true;
        return;
    }
}

static void fewer_faults(struct search *s)
{
    const char *name;

    for (unsigned i = 0; swarm_knob(&s->best, i, &name) != NULL; i++) {
        struct swarm smaller = s->best;

        *swarm_knob(&smaller, i, &name) = 0;
        if (*swarm_knob(&s->best, i, &name) > 0)
            attempt(s, &smaller, name);
    }
}

static void fewer_lies(struct search *s)
{
    char what[64];

    for (unsigned i = 0; i < s->best.n; i++) {
        struct swarm smaller = s->best;

        smaller.lies[i] = 0;
        smaller.liars -= smaller.liars > 0;
        (void)snprintf(what, sizeof(what), "the liar %u", i);
        if (s->best.lies[i] != 0)
            attempt(s, &smaller, what);
        for (unsigned bit = 0; bit < 32 && s->best.lies[i] != 0; bit++) {
            smaller = s->best;
            smaller.lies[i] &= ~(1u << bit);
            (void)snprintf(what, sizeof(what), "lie 0x%x of %u", 1u << bit, i);
            if (smaller.lies[i] != s->best.lies[i] && smaller.lies[i] != 0)
                attempt(s, &smaller, what);
        }
    }
}

/* With more liars than may be it would be another question; a charter that changes leaves one member out. */
static void fewer_members(struct search *s)
{
    for (unsigned n = 1; n < s->best.n; n++) {
        struct swarm smaller = s->best;
        unsigned liars = 0, voters = smaller.epoch > 0 && n > 1 ? n - 1 : n;

        smaller.n = n;
        for (unsigned i = 0; i < MEMBERS_MAX; i++) {
            if (i >= n)
                smaller.lies[i] = 0;
            liars += smaller.lies[i] != 0;
        }
        smaller.liars = liars;
        if (liars <= (voters - 1) / 3 || smaller.is_beyond)
            attempt(s, &smaller, "members");
    }
}

static uint64_t *field(struct swarm *swarm, size_t offset)
{
    return (uint64_t *)(void *)((char *)swarm + offset);
}

static void halve(struct search *s, size_t offset, uint64_t least, const char *what)
{
    while (*field(&s->best, offset) / 2 >= least && *field(&s->best, offset) > 0) {
        struct swarm smaller = s->best;
        uint64_t before = *field(&s->best, offset);

        *field(&smaller, offset) = before / 2;
        attempt(s, &smaller, what);
        if (*field(&s->best, offset) == before)
            return;
    }
}

static void shorter(struct search *s)
{
    struct swarm smaller = s->best;

    halve(s, offsetof(struct swarm, safety_us), 100 * MS, "half of the time");
    halve(s, offsetof(struct swarm, quiet_us), 1, "half of the quiet");
    halve(s, offsetof(struct swarm, spread_us), 1, "half of the delay");
    halve(s, offsetof(struct swarm, disk_spread_us), 1, "half of the disk's delay");
    smaller = s->best;
    smaller.liveness_heights = 1;
    if (s->best.liveness_heights > 1)
        attempt(s, &smaller, "most heights at the end");
    smaller = s->best;
    smaller.submissions = s->best.submissions / 2;
    if (s->best.submissions > 1)
        attempt(s, &smaller, "half of the submissions");
}

static void print_replay(const struct search *s, const struct swarm *original)
{
    char text[2048];

    swarm_difference(text, sizeof(text), original, &s->best);
    printf("%s\n", s->failure.text);
    swarm_print(&s->best);
    printf("# after %u attempts, at step %" PRIu64 " of the smallest. Replay:\nsim%s --seed %" PRIu64
           "%s --trace\n",
        attempts, s->failure.steps, s->o->is_brief ? " --brief" : "", s->best.seed, text);
}

int minimise(const struct options *o)
{
    static struct search s;
    struct swarm original;

    s.o = o;
    if (!sim_swarm(&original, o->first, o))
        return 2;
    s.best = original;
    if (!run_apart(&original, o, &s.failure)) {
        printf("seed %" PRIu64 " does not fail\n", o->first);
        return 1;
    }
    printf("# seed %" PRIu64 ": %s\n", o->first, s.failure.text);
    do {
        s.is_changed = false;
        fewer_faults(&s);
        fewer_lies(&s);
        fewer_members(&s);
        shorter(&s);
    } while (s.is_changed);
    (void)run_apart(&s.best, o, &s.failure);
    print_replay(&s, &original);
    return 0;
}
