/* ed25519.c: see ed25519.h.
 *
 * A number modulo p = 2^255 - 19 is ten limbs: limb i counts in units of 2^ceil(25.5 i), so that even limbs have 26 bits and odd
 * ones 25. Between operations limbs lie within a bit or so of that, on either side of zero; products of sums of two fit 64 bits.
 */
#include "tools/explorer/verifier/ed25519.h"

#include <string.h>

#include "tools/explorer/verifier/sha2.h"

#define LIMBS 10

struct fe {
    int32_t v[LIMBS];
};

/* x = X/Z, y = Y/Z, xy = T/Z */
struct point {
    struct fe x, y, z, t;
};

static const struct fe fe_zero = {{0}}, fe_one = {{1}};

static unsigned bits_of(unsigned limb)
{
    return limb % 2 == 0 ? 26 : 25;
}

/* ---- the field ---- */

/* Brings 64-bit limbs into range: three rounds, the first from the top, whose carry enters at the bottom 19 times. */
static void carry(struct fe *out, int64_t h[LIMBS])
{
    for (unsigned round = 0; round < 3; round++)
        for (unsigned k = 0; k < LIMBS; k++) {
            unsigned i = (k + LIMBS - 1) % LIMBS; /* 9, 0, 1, ... 8 */
            int64_t c = (h[i] + ((int64_t)1 << (bits_of(i) - 1))) >> bits_of(i);

            h[i] -= c * ((int64_t)1 << bits_of(i));
            if (i == LIMBS - 1)
                h[0] += 19 * c;
            else
                h[i + 1] += c;
        }
    for (unsigned i = 0; i < LIMBS; i++)
        out->v[i] = (int32_t)h[i];
}

static void add(struct fe *out, const struct fe *a, const struct fe *b)
{
    for (unsigned i = 0; i < LIMBS; i++)
        out->v[i] = a->v[i] + b->v[i];
}

static void sub(struct fe *out, const struct fe *a, const struct fe *b)
{
    for (unsigned i = 0; i < LIMBS; i++)
        out->v[i] = a->v[i] - b->v[i];
}

/* Two odd limbs meet half a bit too high, hence the factor 2; what passes 2^255 comes back 19 times. */
static void mul(struct fe *out, const struct fe *a, const struct fe *b)
{
    int64_t h[LIMBS] = {0};

    for (unsigned i = 0; i < LIMBS; i++)
        for (unsigned j = 0; j < LIMBS; j++) {
            int64_t product = (int64_t)a->v[i] * b->v[j] * (i % 2 == 1 && j % 2 == 1 ? 2 : 1);

            if (i + j < LIMBS)
                h[i + j] += product;
            else
                h[i + j - LIMBS] += 19 * product;
        }
    carry(out, h);
}

static void square_n(struct fe *out, const struct fe *a, unsigned n)
{
    *out = *a;
    while (n-- > 0)
        mul(out, out, out);
}

/* a^(2^250 - 1), and a^11 beside it: the common beginning of both exponents below. */
static void power_250(struct fe *out, struct fe *eleventh, const struct fe *a)
{
    struct fe t, two, nine, five, ten, twenty, fifty, hundred;

    square_n(&two, a, 1);
    square_n(&t, &two, 2);
    mul(&nine, &t, a);
    mul(eleventh, &nine, &two);
    square_n(&t, eleventh, 1);
    mul(&five, &t, &nine); /* 2^5 - 1 */
    square_n(&t, &five, 5);
    mul(&ten, &t, &five);
    square_n(&t, &ten, 10);
    mul(&twenty, &t, &ten);
    square_n(&t, &twenty, 20);
    mul(&t, &t, &twenty);
    square_n(&t, &t, 10);
    mul(&fifty, &t, &ten);
    square_n(&t, &fifty, 50);
    mul(&hundred, &t, &fifty);
    square_n(&t, &hundred, 100);
    mul(&t, &t, &hundred);
    square_n(&t, &t, 50);
    mul(out, &t, &fifty);
}

/* 1/a = a^(p - 2) = a^(2^255 - 21) */
static void invert(struct fe *out, const struct fe *a)
{
    struct fe t, eleventh;

    power_250(&t, &eleventh, a);
    square_n(&t, &t, 5);
    mul(out, &t, &eleventh);
}

/* a^((p - 5) / 8) = a^(2^252 - 3) */
static void power_root(struct fe *out, const struct fe *a)
{
    struct fe t, eleventh;

    power_250(&t, &eleventh, a);
    square_n(&t, &t, 2);
    mul(out, &t, a);
}

/* 255 bits, lowest byte first; the highest bit of the last byte is left out. */
static void from_bytes(struct fe *out, const uint8_t b[32])
{
    int64_t h[LIMBS];
    unsigned at = 0;

    for (unsigned i = 0; i < LIMBS; at += bits_of(i), i++) {
        h[i] = 0;
        for (unsigned k = 0; k < bits_of(i); k++)
            h[i] |= (int64_t)(b[(at + k) / 8] >> (at + k) % 8 & 1) << k;
    }
    carry(out, h);
}

/* The one encoding: between 0 and p - 1. */
static void to_bytes(uint8_t b[32], const struct fe *a)
{
    int64_t h[LIMBS], q;
    unsigned at = 0;

    for (unsigned i = 0; i < LIMBS; i++)
        h[i] = a->v[i];
    carry(&(struct fe){{0}}, h);
    /* q: how often p goes into it (-1, 0 or 1, rounded down), from the carry that adding 19 at the bottom sends out at the top. */
    q = 19;
    for (unsigned i = 0; i < LIMBS; i++)
        q = (h[i] + q) >> bits_of(i);
    h[0] += 19 * q; /* and 2^255 q leaves at the top */
    memset(b, 0, 32);
    for (unsigned i = 0; i < LIMBS; at += bits_of(i), i++) {
        int64_t c = h[i] >> bits_of(i);

        h[i] -= c * ((int64_t)1 << bits_of(i));
        if (i + 1 < LIMBS)
            h[i + 1] += c;
        for (unsigned k = 0; k < bits_of(i); k++)
            b[(at + k) / 8] |= (uint8_t)((h[i] >> k & 1) << (at + k) % 8);
    }
}

static bool is_equal(const struct fe *a, const struct fe *b)
{
    uint8_t x[32], y[32];

    to_bytes(x, a);
    to_bytes(y, b);
    return memcmp(x, y, 32) == 0;
}

static bool is_odd(const struct fe *a)
{
    uint8_t b[32];

    to_bytes(b, a);
    return (b[0] & 1) != 0;
}

/* ---- the curve -x^2 + y^2 = 1 + d x^2 y^2 (RFC 8032 §5.1) ---- */

static const uint8_t d_bytes[32] = {0xa3, 0x78, 0x59, 0x13, 0xca, 0x4d, 0xeb, 0x75, 0xab, 0xd8, 0x41, 0x41,
    0x4d, 0x0a, 0x70, 0x00, 0x98, 0xe8, 0x79, 0x77, 0x79, 0x40, 0xc7, 0x8c, 0x73, 0xfe, 0x6f, 0x2b, 0xee,
    0x6c, 0x03, 0x52};
static const uint8_t root_of_minus_one[32] = {0xb0, 0xa0, 0x0e, 0x4a, 0x27, 0x1b, 0xee, 0xc4, 0x78, 0xe4,
    0x2f, 0xad, 0x06, 0x18, 0x43, 0x2f, 0xa7, 0xd7, 0xfb, 0x3d, 0x99, 0x00, 0x4d, 0x2b, 0x0b, 0xdf, 0xc1,
    0x4f, 0x80, 0x24, 0x83, 0x2b};
static const uint8_t base_bytes[32] = {0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
    0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
    0x66, 0x66, 0x66};

/* x from y and its sign (RFC 8032 §5.1.3); false: no point has this y. */
static bool decode(struct point *out, const uint8_t b[32])
{
    struct fe d, yy, u, v, v3, x, check, minus;

    from_bytes(&d, d_bytes);
    from_bytes(&out->y, b);
    mul(&yy, &out->y, &out->y);
    sub(&u, &yy, &fe_one);
    mul(&v, &yy, &d);
    add(&v, &v, &fe_one);
    mul(&v3, &v, &v); /* x = u v^3 (u v^7)^((p - 5) / 8) */
    mul(&v3, &v3, &v);
    mul(&x, &v3, &v3);
    mul(&x, &x, &v);
    mul(&x, &x, &u);
    power_root(&x, &x);
    mul(&x, &x, &v3);
    mul(&x, &x, &u);
    mul(&check, &x, &x);
    mul(&check, &check, &v);
    sub(&minus, &fe_zero, &u);
    if (!is_equal(&check, &u)) {
        if (!is_equal(&check, &minus))
            return false;
        from_bytes(&d, root_of_minus_one);
        mul(&x, &x, &d);
    }
    if (is_odd(&x) != (b[31] >> 7 != 0))
        sub(&x, &fe_zero, &x);
    out->x = x;
    out->z = fe_one;
    mul(&out->t, &out->x, &out->y);
    return true;
}

static void encode(uint8_t b[32], const struct point *p)
{
    struct fe z, x, y;

    invert(&z, &p->z);
    mul(&x, &p->x, &z);
    mul(&y, &p->y, &z);
    to_bytes(b, &y);
    b[31] |= (uint8_t)(is_odd(&x) ? 0x80 : 0);
}

static void finish(
    struct point *out, const struct fe *e, const struct fe *f, const struct fe *g, const struct fe *h)
{
    mul(&out->x, e, f);
    mul(&out->y, g, h);
    mul(&out->z, f, g);
    mul(&out->t, e, h);
}

/* RFC 8032 §5.1.4: the addition that has no exceptions, and the doubling. d2: 2d. */
static void add_points(struct point *out, const struct point *p, const struct point *q, const struct fe *d2)
{
    struct fe a, b, c, d, e, f, g, h, t;

    sub(&a, &p->y, &p->x);
    sub(&t, &q->y, &q->x);
    mul(&a, &a, &t);
    add(&b, &p->y, &p->x);
    add(&t, &q->y, &q->x);
    mul(&b, &b, &t);
    mul(&c, &p->t, &q->t);
    mul(&c, &c, d2);
    mul(&d, &p->z, &q->z);
    add(&d, &d, &d);
    sub(&e, &b, &a);
    sub(&f, &d, &c);
    add(&g, &d, &c);
    add(&h, &b, &a);
    finish(out, &e, &f, &g, &h);
}

static void double_point(struct point *out, const struct point *p)
{
    struct fe a, b, c, e, f, g, h, t;

    mul(&a, &p->x, &p->x);
    mul(&b, &p->y, &p->y);
    mul(&c, &p->z, &p->z);
    add(&c, &c, &c);
    add(&h, &a, &b);
    add(&t, &p->x, &p->y);
    mul(&t, &t, &t);
    sub(&e, &h, &t);
    sub(&g, &a, &b);
    add(&f, &c, &g);
    mul(&t, &f, &fe_one); /* the sum of three: back into range */
    finish(out, &e, &t, &g, &h);
}

/* ---- scalars modulo the group's order ---- */

static const uint32_t order[8] = {0x5cf5d3ed, 0x5812631a, 0xa2f79cd6, 0x14def9de, 0, 0, 0, 0x10000000};

/* 64 bytes, lowest first, modulo the order: bit by bit from the top. */
static void reduce(uint8_t out[32], const uint8_t wide[64])
{
    uint32_t r[8] = {0};

    for (unsigned bit = 512; bit-- > 0;) {
        uint32_t rest[8], in = wide[bit / 8] >> bit % 8 & 1;
        uint64_t borrow = 0;

        for (unsigned i = 0; i < 8; i++) { /* r < order < 2^253: nothing leaves at the top */
            uint32_t top = r[i] >> 31;

            r[i] = r[i] << 1 | in;
            in = top;
        }
        for (unsigned i = 0; i < 8; i++) {
            uint64_t x = (uint64_t)r[i] - order[i] - borrow;

            rest[i] = (uint32_t)x;
            borrow = x >> 63;
        }
        if (borrow == 0)
            memcpy(r, rest, sizeof(r));
    }
    for (unsigned i = 0; i < 32; i++)
        out[i] = (uint8_t)(r[i / 4] >> 8 * (i % 4));
}

/* ---- checking ---- */

/* 0 to 15 times a point. */
static void multiples(struct point table[16], const struct point *p, const struct fe *d2)
{
    table[0] = (struct point){fe_zero, fe_one, fe_one, fe_zero};
    for (unsigned i = 1; i < 16; i++)
        add_points(&table[i], &table[i - 1], p, d2);
}

/* [s]B + [h]A, four bits of both at a time. */
static void combine(struct point *out, const uint8_t s[32], const struct point base[16], const uint8_t h[32],
    const struct point key[16], const struct fe *d2)
{
    *out = base[0];
    for (unsigned i = 64; i-- > 0;) {
        for (unsigned k = 0; k < 4; k++)
            double_point(out, out);
        add_points(out, out, &base[s[i / 2] >> 4 * (i % 2) & 15], d2);
        add_points(out, out, &key[h[i / 2] >> 4 * (i % 2) & 15], d2);
    }
}

bool ed25519_verify(const uint8_t sig[64], const void *message, size_t size, const uint8_t key[32])
{
    static struct point base[16];
    static bool has_base;
    struct point table[16], a, result;
    struct sha512 sha;
    struct fe d2;
    uint8_t wide[64], h[32], encoded[32];

    from_bytes(&d2, d_bytes);
    add(&d2, &d2, &d2);
    mul(&d2, &d2, &fe_one);
    if (!has_base) {
        has_base = decode(&a, base_bytes);
        multiples(base, &a, &d2);
    }
    if (!decode(&a, key))
        return false;
    sub(&a.x, &fe_zero, &a.x);
    sub(&a.t, &fe_zero, &a.t);
    sha512_init(&sha);
    sha512_add(&sha, sig, 32);
    sha512_add(&sha, key, 32);
    sha512_add(&sha, message, size);
    sha512_end(&sha, wide);
    reduce(h, wide);
    multiples(table, &a, &d2);
    combine(&result, sig + 32, base, h, table, &d2);
    encode(encoded, &result);
    return memcmp(encoded, sig, 32) == 0;
}
