/* swarm.c: from a seed to a configuration: each class of faults is on or off, at a random rate. */
#include <stdio.h>
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

void swarm_of(struct swarm *out, uint64_t seed, unsigned n)
{
    static const uint16_t deltas[] = {50, 100, 100, 400};
    struct random r = random_new(seed, 0);

    memset(out, 0, sizeof(*out));
    out->seed = seed;
    out->n = members_of(&r);
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
}

void swarm_good(struct swarm *out)
{
    memset(out, 0, sizeof(*out));
    out->n = 4;
    out->delta_ms = 50;
    out->delay_us = 10 * MS;
    out->disk_us = 2 * MS;
    out->safety_us = 20 * 1000 * MS;
    out->submissions = 600;
    out->liveness_heights = 10;
}

void swarm_print(const struct swarm *s)
{
    printf("# n %u, liars %u (", s->n, s->liars);
    for (unsigned i = 0; i < s->n; i++)
        if (s->lies[i] != 0)
            printf(" %u:0x%x", i, s->lies[i]);
    printf(" ), delta %llu ms, loss %u, twice %u per mille, delay %llu + %llu us, disk %llu + %llu us\n",
        (unsigned long long)s->delta_ms, s->loss, s->duplicate, (unsigned long long)s->delay_us,
        (unsigned long long)s->spread_us, (unsigned long long)s->disk_us,
        (unsigned long long)s->disk_spread_us);
    printf("# charters change every %u heights\n", s->epoch);
    printf("# per 100 s: crashes %u, cuts %u, partitions %u, pauses %u, clocks %u; %u submissions per 10 s; "
           "%llu s\n",
        s->crashes, s->cuts, s->partitions, s->pauses, s->clocks, s->submissions,
        (unsigned long long)(s->safety_us / (1000 * MS)));
}
