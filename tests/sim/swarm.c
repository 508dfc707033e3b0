/* swarm.c: from a seed to a configuration: each class of faults is on or off, at a random rate. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/world.h"

static unsigned members_of(struct random *r)
{
    static const uint8_t sizes[] = {1, 1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 7, 7, 7, 10, 13};

    return random_chance(r, 4) ? 31 : sizes[random_below(r, sizeof(sizes))];
}

static unsigned sometimes(struct random *r, unsigned chance_per_mille, unsigned most)
{
    return random_chance(r, chance_per_mille) ? 1 + (unsigned)random_below(r, most) : 0;
}

static void pick_liars(struct swarm *out, struct random *r)
{
    unsigned f = (out->n - 1) / 3, left;

    out->liars = random_chance(r, 700) ? f : (unsigned)random_below(r, f + 1);
    left = out->liars;
    for (unsigned i = 0; i < out->n && left > 0; i++) {
        if (random_below(r, out->n - i) >= left)
            continue;
        left--;
        out->lies[i] = random_chance(r, 350) ? LIE_TWIN : 0;
        while (out->lies[i] == 0)
            out->lies[i] = (unsigned)(random_bits(r) & random_bits(r)) & (2 * LIE_RANDOM - 2);
    }
}

static void pick_more_lies(struct swarm *out, struct random *r)
{
    static const unsigned lies[] = {LIE_FORGE, LIE_HOARD, LIE_CLAIM, LIE_DRIP, LIE_CENSOR, LIE_BACKUP};

    for (unsigned i = 0; i < out->n; i++) {
        unsigned lie = lies[random_below(r, sizeof(lies) / sizeof(lies[0]))];

        if (out->lies[i] == 0 || (out->lies[i] & LIE_TWIN) != 0 || !random_chance(r, 400))
            continue;
        out->lies[i] = lie == LIE_BACKUP ? lie : out->lies[i] | lie;
    }
}

/* More than may lie, and on purpose. */
static void go_beyond(struct swarm *out, struct random *r)
{
    unsigned f = (out->n - 1) / 3, left = f + 1 + (unsigned)random_below(r, f + 1);

    out->is_beyond = true;
    out->liars = left;
    out->epoch = 0;
    memset(out->lies, 0, sizeof(out->lies));
    for (unsigned i = 0; i < out->n && left > 0; i++)
        if (random_below(r, out->n - i) < left) {
            left--;
            out->lies[i] = LIE_EQUIVOCATE | LIE_RANDOM;
        }
}

static const uint64_t minute_us = 60000 * MS;

/* Lines that are down for hours; not much else happens meanwhile. */
static void apart_for_hours(struct swarm *out, struct random *r)
{
    out->apart_us = random_between(r, 20, 180) * minute_us;
    out->safety_us = out->apart_us + minute_us;
    out->partitions = 2;
    out->crashes = out->cuts = out->pauses = out->clocks = out->errors = out->fulls = out->storms = 0;
    out->submissions = 1;
}

static void be_quiet(struct swarm *out, struct random *r)
{
    memset(out->lies, 0, sizeof(out->lies));
    out->liars = 0;
    out->epoch = 0; /* what an observer holds goes by gossip, which is quiet, too */
    out->quiet_us = random_between(r, 20, 360) * minute_us;
}

/* What came later than the first seeds: from a stream of its own, so that they keep what they had. */
static void pick_more(struct swarm *out, struct random *r)
{
    enum { SMALL = 7 };

    out->errors = sometimes(r, 250, 15);
    out->fulls = sometimes(r, 150, 8);
    out->storms = sometimes(r, 100, 6);
    out->clogs = sometimes(r, 200, 60);
    out->one_way = sometimes(r, 200, 500);
    out->slow_disks = random_chance(r, 150) ? 1u << random_below(r, out->n < 32 ? out->n : 32) : 0;
    out->late = random_chance(r, 150) ? 1 + (unsigned)random_below(r, (out->n + 2) / 3) : 0;
    out->rivals = sometimes(r, 200, 300);
    out->apart_us = 5000 * MS;
    pick_more_lies(out, r);
    if (random_chance(r, 15) && out->n <= SMALL)
        apart_for_hours(out, r);
    else if (random_chance(r, 20) && out->n <= SMALL)
        be_quiet(out, r);
    else if (random_chance(r, 30) && out->n >= 4)
        go_beyond(out, r);
}

static void spare_large_ones(struct swarm *out)
{
    enum { LARGE = 20 };

    if (out->n < LARGE)
        return;
    out->safety_us /= 4;
    out->liveness_heights = 5;
    out->storms = 0;
}

void swarm_of(struct swarm *out, uint64_t seed, unsigned n)
{
    static const uint16_t deltas[] = {50, 100, 100, 400};
    struct random r = random_new(seed, 0), more = random_new(seed, 10), behind = random_new(seed, 11);

    memset(out, 0, sizeof(*out));
    out->seed = seed;
    out->n = members_of(&r);
    if (random_chance(&more, 1))
        out->n = MEMBERS_MAX;
    if (n > 0)
        out->n = n;
    pick_liars(out, &r);
    out->delta_ms = deltas[random_below(&r, 4)];
    out->loss = sometimes(&r, 600, 300);
    out->duplicate = sometimes(&r, 400, 200);
    out->delay_us = random_below(&r, out->delta_ms * MS / 4);
    out->spread_us = 1 + random_below(&r, (random_chance(&r, 200) ? 4 : 1) * out->delta_ms * MS / 2);
    out->disk_us = 100 + random_below(&r, 3 * MS);
    out->work_us = 500;
    out->disk_spread_us = 1 + random_below(&r, random_chance(&r, 300) ? 100 * MS : 6 * MS);
    out->crashes = sometimes(&r, 500, 20);
    out->cuts = sometimes(&r, 300, 25);
    out->partitions = sometimes(&r, 500, 25);
    out->pauses = sometimes(&r, 200, 8);
    out->clocks = sometimes(&r, 200, 8);
    out->second_us = 1000 * MS;
    out->safety_us = random_between(&r, 10, 40) * 1000 * MS;
    out->submissions = 2 + (unsigned)random_below(&r, 60);
    out->liveness_heights = 10;
    out->epoch = out->n > 1 ? sometimes(&r, 300, 12) : 0;
    for (unsigned i = 0, left = (out->n - 2) / 3; out->epoch > 0 && i < out->n; i++) {
        if (out->lies[i] != 0 && left == 0)
            out->lies[i] = 0;
        else if (out->lies[i] != 0)
            left--;
    }
    pick_more(out, &more);
    spare_large_ones(out);
    out->chunk_bytes = sometimes(&behind, 300, 64);
    if (out->n <= 13)
        out->observers = sometimes(&behind, 100, 2);
}

static unsigned few_members(struct random *r)
{
    static const uint8_t sizes[] = {1, 2, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5, 6, 7};

    return random_chance(r, 5) ? (random_chance(r, 700) ? 10 : 13) : sizes[random_below(r, sizeof(sizes))];
}

/* Seconds of 2.5 delta, in which up to four times as many faults happen as else: a run has 8 to 25 delta of bad times. */
void swarm_brief(struct swarm *out, uint64_t seed, unsigned n)
{
    enum { MORE = 4 };
    struct random r = random_new(seed, 12);
    unsigned few = few_members(&r), more = 1 + (unsigned)random_below(&r, MORE);
    unsigned *const rates[] = {&out->crashes, &out->cuts, &out->partitions, &out->pauses, &out->clocks,
        &out->errors, &out->fulls, &out->storms, &out->clogs};

    swarm_of(out, seed, n > 0 ? n : few);
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
        *rates[i] *= more;
    out->second_us = out->delta_ms * MS * 5 / 2;
    out->safety_us = random_between(&r, 3, 10) * out->second_us;
    out->apart_us = 5 * out->second_us;
    out->quiet_us = 0;
    out->liveness_heights = 3;
}

unsigned *swarm_knob(struct swarm *s, unsigned i, const char **name)
{
    struct knob {
        const char *name;
        unsigned *value;
    } knobs[] = {{"crashes", &s->crashes}, {"cuts", &s->cuts}, {"partitions", &s->partitions},
        {"pauses", &s->pauses}, {"clocks", &s->clocks}, {"loss", &s->loss}, {"duplicate", &s->duplicate},
        {"errors", &s->errors}, {"fulls", &s->fulls}, {"storms", &s->storms}, {"clogs", &s->clogs},
        {"one_way", &s->one_way}, {"slow_disks", &s->slow_disks}, {"late", &s->late}, {"rivals", &s->rivals},
        {"epoch", &s->epoch}, {"observers", &s->observers}};

    if (i >= sizeof(knobs) / sizeof(knobs[0]))
        return NULL;
    *name = knobs[i].name;
    return knobs[i].value;
}

/* What is not a class of faults. */
static uint64_t *long_knob(struct swarm *s, unsigned i, const char **name)
{
    struct knob {
        const char *name;
        uint64_t *value;
    } knobs[] = {{"delta_ms", &s->delta_ms}, {"delay_us", &s->delay_us}, {"spread_us", &s->spread_us},
        {"disk_us", &s->disk_us}, {"disk_spread_us", &s->disk_spread_us}, {"work_us", &s->work_us},
        {"safety_us", &s->safety_us}, {"apart_us", &s->apart_us}, {"quiet_us", &s->quiet_us},
        {"second_us", &s->second_us}};

    if (i >= sizeof(knobs) / sizeof(knobs[0]))
        return NULL;
    *name = knobs[i].name;
    return knobs[i].value;
}

static unsigned *short_knob(struct swarm *s, unsigned i, const char **name)
{
    struct knob {
        const char *name;
        unsigned *value;
    } knobs[] = {{"n", &s->n}, {"liars", &s->liars}, {"submissions", &s->submissions},
        {"heights", &s->liveness_heights}, {"salt", &s->salt}, {"chunk_bytes", &s->chunk_bytes}};
    unsigned n = sizeof(knobs) / sizeof(knobs[0]);

    if (i >= n)
        return swarm_knob(s, i - n, name);
    *name = knobs[i].name;
    return knobs[i].value;
}

bool swarm_set(struct swarm *s, const char *text)
{
    size_t name_n = strcspn(text, "=");
    uint64_t value = text[name_n] == '=' ? strtoull(text + name_n + 1, NULL, 0) : 0;
    const char *name;

    if (strncmp(text, "lie.", 4) == 0) {
        unsigned long member = strtoul(text + 4, NULL, 10);

        if (member >= MEMBERS_MAX)
            return false;
        s->lies[member] = (unsigned)value;
        return true;
    }
    for (unsigned i = 0; short_knob(s, i, &name) != NULL; i++)
        if (strlen(name) == name_n && strncmp(name, text, name_n) == 0) {
            *short_knob(s, i, &name) = (unsigned)value;
            return s->n > 0 && s->n <= MEMBERS_MAX;
        }
    for (unsigned i = 0; long_knob(s, i, &name) != NULL; i++)
        if (strlen(name) == name_n && strncmp(name, text, name_n) == 0) {
            *long_knob(s, i, &name) = value;
            return true;
        }
    return false;
}

static void put(char *out, size_t size, const char *name, uint64_t value)
{
    size_t used = strlen(out);

    (void)snprintf(out + used, size - used, " --set %s=%llu", name, (unsigned long long)value);
}

void swarm_difference(char *out, size_t size, const struct swarm *from, const struct swarm *to)
{
    struct swarm a = *from, b = *to;
    const char *name;

    out[0] = '\0';
    for (unsigned i = 0; short_knob(&a, i, &name) != NULL; i++)
        if (*short_knob(&a, i, &name) != *short_knob(&b, i, &name))
            put(out, size, name, *short_knob(&b, i, &name));
    for (unsigned i = 0; long_knob(&a, i, &name) != NULL; i++)
        if (*long_knob(&a, i, &name) != *long_knob(&b, i, &name))
            put(out, size, name, *long_knob(&b, i, &name));
    for (unsigned i = 0; i < MEMBERS_MAX; i++) {
        char lie[16];

        (void)snprintf(lie, sizeof(lie), "lie.%u", i);
        if (a.lies[i] != b.lies[i])
            put(out, size, lie, b.lies[i]);
    }
}

void swarm_good(struct swarm *out)
{
    memset(out, 0, sizeof(*out));
    out->n = 4;
    out->delta_ms = 50;
    out->delay_us = 10 * MS;
    out->disk_us = 2 * MS;
    out->second_us = 1000 * MS;
    out->safety_us = 20 * 1000 * MS;
    out->submissions = 600;
    out->liveness_heights = 10;
}

void swarm_print(const struct swarm *s)
{
    struct swarm copy = *s;
    const char *name;

    printf("# n %u, liars %u (", s->n, s->liars);
    for (unsigned i = 0; i < s->n; i++)
        if (s->lies[i] != 0)
            printf(" %u:0x%x", i, s->lies[i]);
    printf(" ), delta %llu ms, loss %u, twice %u per mille, delay %llu + %llu us, disk %llu + %llu us\n",
        (unsigned long long)s->delta_ms, s->loss, s->duplicate, (unsigned long long)s->delay_us,
        (unsigned long long)s->spread_us, (unsigned long long)s->disk_us,
        (unsigned long long)s->disk_spread_us);
    printf("# on:");
    for (unsigned i = 0; swarm_knob(&copy, i, &name) != NULL; i++)
        if (*swarm_knob(&copy, i, &name) > 0)
            printf(" %s %u", name, *swarm_knob(&copy, i, &name));
    printf("; %u submissions per 10 s; %.1f s of %llu ms, apart for %.1f s, quiet for %llu s%s\n",
        s->submissions, (double)s->safety_us / (double)s->second_us, (unsigned long long)(s->second_us / MS),
        (double)s->apart_us / (double)s->second_us, (unsigned long long)(s->quiet_us / (1000 * MS)),
        s->is_beyond ? ", more than f lie" : "");
}
