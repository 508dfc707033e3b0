/* random.h: xoshiro256** (Blackman and Vigna, public domain), seeded by splitmix64 from (seed, stream). */
#ifndef SLK_TESTS_SIM_RANDOM_H
#define SLK_TESTS_SIM_RANDOM_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t s[4];
};

static inline uint64_t random_mix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline struct random random_new(uint64_t seed, uint64_t stream)
{
    uint64_t state = seed * 0xd1342543de82ef95u + stream;
    struct random r;

    for (int i = 0; i < 4; i++)
        r.s[i] = random_mix(&state);
    return r;
}

static inline uint64_t random_bits(struct random *r)
{
    uint64_t *s = r->s, x = s[1] * 5, result = (x << 7 | x >> 57) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return result;
}

/* 0 .. n - 1 */
static inline uint64_t random_below(struct random *r, uint64_t n)
{
    return n == 0 ? 0 : (random_bits(r) >> 11) % n;
}

static inline uint64_t random_between(struct random *r, uint64_t from, uint64_t to)
{
    return from + random_below(r, to - from + 1);
}

static inline bool random_chance(struct random *r, unsigned per_mille)
{
    return random_below(r, 1000) < per_mille;
}

/* Exponentially distributed. */
static inline uint64_t random_exponential(struct random *r, uint64_t mean)
{
    double u = (double)((random_bits(r) >> 11) + 1) * 0x1p-53;

    return (uint64_t)(-log(u) * (double)mean);
}

#endif
