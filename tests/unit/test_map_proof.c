/* Map proofs, single and crowd, against the recursive definition; outside vectors; and trees built to deceive. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/naive_map.h"
#include "tests/unit/vectors.h"

#define SMALL_N   12
#define LARGE_N   300
#define CROWD_CAP NAIVE_MAX
#define CROWD_MAX (SLK_MAP_PROOF_MAX + NAIVE_MAX * (SLK_HASH_SIZE + SLK_RECORD_SIZE))

static void handle_of(uint8_t out[SLK_HANDLE_SIZE], unsigned i)
{
    struct slk_hash h;
    uint8_t seed[8] = {
        'h', 'a', 'n', 'd', (uint8_t)(i >> 24), (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};

    slk_hash_bytes(&h, seed, sizeof(seed));
    memcpy(out, h.b, SLK_HANDLE_SIZE);
}

static void record_of(uint8_t out[SLK_RECORD_SIZE], unsigned i)
{
    for (size_t k = 0; k < SLK_RECORD_SIZE; k++)
        out[k] = (uint8_t)(i * 31 + k * 7 + (i >> 8));
}

static void put_number(struct naive_map *map, unsigned i)
{
    uint8_t handle[SLK_HANDLE_SIZE], record[SLK_RECORD_SIZE];

    handle_of(handle, i);
    record_of(record, i);
    naive_put(map, handle, record);
}

static void path_of(struct slk_hash *path, unsigned i)
{
    uint8_t handle[SLK_HANDLE_SIZE];

    handle_of(handle, i);
    slk_hash_bytes(path, handle, sizeof(handle));
}

static bool is_in(const struct naive_map *map, const struct slk_hash *path)
{
    for (size_t i = 0; i < map->n; i++)
        if (slk_hash_equal(&map->leaves[i].path, path))
            return true;
    return false;
}

/* The honest proof for key i is accepted and says what the set says. */
static size_t check_key(const struct naive_map *map, const struct slk_hash *root, unsigned i, uint8_t *proof)
{
    uint8_t handle[SLK_HANDLE_SIZE], record[SLK_RECORD_SIZE];
    struct slk_span found = {0};
    struct slk_hash path;

    handle_of(handle, i);
    record_of(record, i);
    path_of(&path, i);
    size_t n = naive_prove(map, handle, proof, SLK_MAP_PROOF_MAX);
    assert_true(n > 0);
    assert_int_equal(slk_map_proof_check(&found, root, handle, slk_span_of(proof, n)), SLK_OK);
    if (is_in(map, &path)) {
        assert_int_equal(found.size, SLK_RECORD_SIZE);
        assert_memory_equal(found.at, record, SLK_RECORD_SIZE);
    } else {
        assert_int_equal(found.size, 0);
    }
    return n;
}

/* No flip, no cut, no addition proves anything. */
static void check_damage(const struct slk_hash *root, unsigned i, uint8_t *proof, size_t n)
{
    uint8_t handle[SLK_HANDLE_SIZE];
    struct slk_span found;
    struct slk_hash other = *root;

    handle_of(handle, i);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        proof[bit / 8] ^= (uint8_t)(1u << bit % 8);
        found = slk_span_of(proof, n);
        assert_int_not_equal(slk_map_proof_check(&found, root, handle, slk_span_of(proof, n)), SLK_OK);
        assert_int_equal(found.size, 0);
        proof[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < n; cut++)
        assert_int_not_equal(slk_map_proof_check(&found, root, handle, slk_span_of(proof, cut)), SLK_OK);
    proof[n] = 0;
    assert_int_not_equal(slk_map_proof_check(&found, root, handle, slk_span_of(proof, n + 1)), SLK_OK);
    for (unsigned bit = 0; bit < 256; bit++) {
        other.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(slk_map_proof_check(&found, &other, handle, slk_span_of(proof, n)), SLK_E_MAP_PROOF);
        other.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* ---- single proofs ---- */

static void every_set_of_twelve_keys_proves_each_key(void **state)
{
    static struct naive_map map;
    uint8_t proof[SLK_MAP_PROOF_MAX + 1];

    (void)state;
    for (unsigned mask = 0; mask < 1u << SMALL_N; mask++) {
        map.n = 0;
        for (unsigned i = 0; i < SMALL_N; i++)
            if (mask >> i & 1)
                put_number(&map, i);
        struct slk_hash root = naive_root(&map, 0, map.n, 0);
        for (unsigned i = 0; i < SMALL_N + 2; i++)
            check_key(&map, &root, i, proof);
    }
}

static void every_flip_and_cut_is_refused(void **state)
{
    static struct naive_map map;
    uint8_t proof[SLK_MAP_PROOF_MAX + 1];

    (void)state;
    for (unsigned size = 0; size <= SMALL_N; size++) {
        struct slk_hash root = naive_root(&map, 0, map.n, 0);
        for (unsigned i = 0; i < SMALL_N; i += 5)
            check_damage(&root, i, proof, check_key(&map, &root, i, proof));
        put_number(&map, size);
    }
}

static void larger_sets_prove_each_key(void **state)
{
    static struct naive_map map;
    uint8_t proof[SLK_MAP_PROOF_MAX + 1];

    (void)state;
    map.n = 0;
    for (unsigned size = 1; size <= LARGE_N; size++) {
        put_number(&map, size * 17);
        if (size % 37 != 0 && size != LARGE_N)
            continue;
        struct slk_hash root = naive_root(&map, 0, map.n, 0);
        for (unsigned i = 1; i <= LARGE_N + 40; i++)
            check_key(&map, &root, i * 17, proof);
    }
}

/* A rival path that differs from ours in one bit only, at every depth: chains of empty siblings, and the longest
 * proof there is. */
static void a_rival_at_every_depth_is_proven_past(void **state)
{
    static struct naive_map map;
    uint8_t proof[SLK_MAP_PROOF_MAX + 1], record[SLK_RECORD_SIZE];
    struct slk_hash path;

    (void)state;
    record_of(record, 99);
    for (unsigned depth = 0; depth < SLK_MAP_DEPTH; depth++) {
        path_of(&path, 1);
        path.b[depth / 8] ^= (uint8_t)(0x80u >> depth % 8);
        map.n = 0;
        naive_put_path(&map, &path, record);
        struct slk_hash root = naive_root(&map, 0, map.n, 0);
        size_t absent = check_key(&map, &root, 1, proof);
        assert_int_equal(absent, 3 + 64); /* the rival alone is the root */
        put_number(&map, 1);
        root = naive_root(&map, 0, map.n, 0);
        size_t n = check_key(&map, &root, 1, proof);
        assert_int_equal(n, 3 + (depth + 8) / 8 + 32 + SLK_RECORD_SIZE);
        if (depth % 51 == 0)
            check_damage(&root, 1, proof, n);
    }
    map.n = 0; /* rivals at every depth at once */
    for (unsigned depth = 0; depth < SLK_MAP_DEPTH; depth++) {
        path_of(&path, 1);
        path.b[depth / 8] ^= (uint8_t)(0x80u >> depth % 8);
        naive_put_path(&map, &path, record);
    }
    put_number(&map, 1);
    struct slk_hash root = naive_root(&map, 0, map.n, 0);
    assert_int_equal(check_key(&map, &root, 1, proof), SLK_MAP_PROOF_MAX);
}

static enum slk_err check_raw(const struct slk_hash *root, unsigned i, const void *proof, size_t n)
{
    uint8_t handle[SLK_HANDLE_SIZE];
    struct slk_span found;

    handle_of(handle, i);
    return slk_map_proof_check(&found, root, handle, slk_span_of(proof, n));
}

static void unusual_forms_are_refused(void **state)
{
    uint8_t record[SLK_RECORD_SIZE], bytes[SLK_MAP_PROOF_MAX + 64] = {0};
    struct slk_hash path, value, root;

    (void)state;
    record_of(record, 0);
    path_of(&path, 0);
    slk_hash_bytes(&value, record, sizeof(record));
    slk_hash_map_leaf(&root, &path, &value);
    memcpy(bytes, "\x01\x00\x00", 3);
    memcpy(bytes + 3, record, sizeof(record));
    assert_int_equal(check_raw(&root, 0, bytes, 3 + sizeof(record)), SLK_OK);
    assert_int_equal(check_raw(&root, 1, bytes, 3 + sizeof(record)), SLK_E_MAP_PROOF); /* another handle */
    memcpy(bytes, "\x01\x00\x01\x00", 4); /* a leaf that was not lifted */
    memcpy(bytes + 4, record, sizeof(record));
    assert_int_equal(check_raw(&root, 0, bytes, 4 + sizeof(record)), SLK_E_MALFORMED);
    memcpy(bytes, "\x02\x00\x00", 3); /* "another leaf" that is ours */
    memcpy(bytes + 3, path.b, 32);
    memcpy(bytes + 35, value.b, 32);
    assert_int_equal(check_raw(&root, 0, bytes, 3 + 64), SLK_E_MAP_PROOF);
    assert_int_equal(check_raw(&root, 1, bytes, 3 + 64), SLK_OK); /* and for another handle absence */
    assert_int_equal(check_raw(&slk_hash_zero, 0, "\x00\x00\x00", 3), SLK_OK); /* the empty map */
    assert_int_equal(check_raw(&slk_hash_zero, 0, "\x03\x00\x00", 3), SLK_E_MALFORMED);
    assert_int_equal(check_raw(&slk_hash_zero, 0, "\x01\x00\x00", 3), SLK_E_MALFORMED); /* an empty record */
    memset(bytes, 0xff, sizeof(bytes));
    memcpy(bytes, "\x00\x01\x01", 3); /* 257 levels */
    assert_int_equal(check_raw(&root, 0, bytes, sizeof(bytes)), SLK_E_MALFORMED);
    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes, "\x00\x00\x01\x80", 4); /* a sibling of zeros */
    assert_int_equal(check_raw(&root, 0, bytes, 4 + 32), SLK_E_MALFORMED);
    bytes[4] = 1;
    bytes[3] = 0xc0; /* a spare bit */
    assert_int_equal(check_raw(&root, 0, bytes, 4 + 64), SLK_E_MALFORMED);
    assert_int_equal(check_raw(&root, 0, NULL, 0), SLK_E_MALFORMED);
}

static void printing_refuses_too_little_room(void **state)
{
    static struct naive_map map;
    uint8_t handle[SLK_HANDLE_SIZE], proof[SLK_MAP_PROOF_MAX];

    (void)state;
    map.n = 0;
    for (unsigned i = 0; i < 9; i++)
        put_number(&map, i);
    handle_of(handle, 4);
    size_t n = naive_prove(&map, handle, proof, sizeof(proof));
    for (size_t cap = 0; cap < n; cap++)
        assert_int_equal(naive_prove(&map, handle, proof, cap), 0);
    assert_int_equal(naive_prove(&map, handle, proof, n), n);
}

/* ---- trees that no honest builder makes ---- */

/* Every tree of at most two levels whose ends are: nothing, our leaf, our leaf with another record, a rival that
 * belongs there, a rival that does not. For each root, every proof that can be put together from its nodes is tried:
 * some prove presence, some absence, but never both, and never two records. */
struct forged {
    struct slk_hash node[7]; /* 0 root, 1 2 its children, 3 4 5 6 theirs: heap order */
    int kind[7];             /* end kinds below, or INNER */
};
enum { NOTHING, OURS, OURS_OTHER_RECORD, RIVAL_HERE, RIVAL_ELSEWHERE, LEAF_KINDS, INNER };

struct actors {
    struct slk_hash path, here, elsewhere;
    uint8_t record[2][SLK_RECORD_SIZE];
    struct slk_hash value[2];
};

static void set_leaf(struct forged *f, int at, int kind, const struct actors *a)
{
    f->kind[at] = kind;
    if (kind == NOTHING)
        f->node[at] = slk_hash_zero;
    else if (kind == OURS || kind == OURS_OTHER_RECORD)
        slk_hash_map_leaf(&f->node[at], &a->path, &a->value[kind == OURS ? 0 : 1]);
    else
        slk_hash_map_leaf(&f->node[at], kind == RIVAL_HERE ? &a->here : &a->elsewhere, &a->value[0]);
}

/* Presence of record r is 1 << r, absence 4. */
static unsigned verdict(const struct forged *f, const struct actors *a, unsigned levels, int end)
{
    uint8_t proof[SLK_MAP_PROOF_MAX];
    struct slk_map_walk walk = {.n = levels};
    struct slk_hash tail[2] = {end == RIVAL_HERE ? a->here : a->elsewhere, a->value[0]};
    struct slk_span tail_span = slk_span_of(NULL, 0), found;
    int at = 0;

    for (unsigned d = 0; d < levels; d++) {
        unsigned bit = slk_path_bit(&a->path, d);
        walk.siblings[d] = f->node[2 * at + 2 - (int)bit];
        at = 2 * at + 1 + (int)bit;
    }
    walk.end = end == NOTHING ? SLK_MAP_EMPTY : end <= OURS_OTHER_RECORD ? SLK_MAP_RECORD : SLK_MAP_OTHER;
    if (walk.end == SLK_MAP_RECORD)
        tail_span = slk_span_of(a->record[end - OURS], SLK_RECORD_SIZE);
    if (walk.end == SLK_MAP_OTHER)
        tail_span = slk_span_of(tail, sizeof(tail));
    size_t n = slk_map_proof_format(proof, sizeof(proof), &walk, tail_span);
    uint8_t handle[SLK_HANDLE_SIZE];
    handle_of(handle, 0);
    if (slk_map_proof_check(&found, &f->node[0], handle, slk_span_of(proof, n)) != SLK_OK)
        return 0;
    return found.size == 0 ? 4 : memcmp(found.at, a->record[0], SLK_RECORD_SIZE) == 0 ? 1 : 2;
}

/* The same node as a crowd answer for the first two bits of our path. */
static unsigned crowd_verdict(const struct forged *f, const struct actors *a, unsigned levels, int end)
{
    uint8_t proof[SLK_MAP_PROOF_MAX];
    struct slk_writer w = {.at = proof, .cap = sizeof(proof)};
    struct slk_map_walk walk = {.n = levels};
    struct slk_map_crowd_item items[1];
    int at = 0;
    size_t n;

    for (unsigned d = 0; d < levels; d++) {
        unsigned bit = slk_path_bit(&a->path, d);
        walk.siblings[d] = f->node[2 * at + 2 - (int)bit];
        at = 2 * at + 1 + (int)bit;
    }
    slk_map_walk_write(&w, &walk);
    slk_write_u32(&w, end != NOTHING);
    if (end != NOTHING) {
        const struct slk_hash *path = end <= OURS_OTHER_RECORD ? &a->path
                                      : end == RIVAL_HERE      ? &a->here
                                                               : &a->elsewhere;
        slk_write_bytes(&w, path->b, SLK_HASH_SIZE);
        slk_write_bytes(&w, a->record[end == OURS_OTHER_RECORD], SLK_RECORD_SIZE);
    }
    assert_false(w.bad);
    if (slk_map_crowd_check(items, 1, &n, &f->node[0], a->path.b, 2, slk_span_of(proof, w.size)) != SLK_OK)
        return 0;
    if (n == 0 || memcmp(items[0].path, a->path.b, SLK_HASH_SIZE) != 0)
        return 4;
    return memcmp(items[0].record, a->record[0], SLK_RECORD_SIZE) == 0 ? 1 : 2;
}

static void check_binding(const struct forged *f, const struct actors *a, unsigned *seen)
{
    unsigned proven = 0;

    for (unsigned levels = 0; levels <= 2; levels++) {
        unsigned bit = slk_path_bit(&a->path, 0);
        if ((levels > 0 && f->kind[0] != INNER) || (levels > 1 && f->kind[1 + bit] != INNER))
            break;
        for (int end = NOTHING; end < LEAF_KINDS; end++)
            proven |= verdict(f, a, levels, end) | crowd_verdict(f, a, levels, end);
    }
    assert_true(proven == 0 || proven == 1 || proven == 2 || proven == 4);
    *seen |= 1u << proven;
}

static void no_tree_proves_two_things(void **state)
{
    struct actors a;
    struct forged f;
    unsigned seen = 0;

    (void)state;
    memset(&f, 0, sizeof(f));
    path_of(&a.path, 0);
    a.here = a.elsewhere = a.path;
    a.here.b[31] ^= 1;        /* shares 255 bits: belongs wherever we do */
    a.elsewhere.b[0] ^= 0x80; /* differs in the first */
    for (unsigned r = 0; r < 2; r++) {
        record_of(a.record[r], r);
        slk_hash_bytes(&a.value[r], a.record[r], SLK_RECORD_SIZE);
    }
    for (int kind = NOTHING; kind < LEAF_KINDS; kind++) {
        set_leaf(&f, 0, kind, &a);
        check_binding(&f, &a, &seen);
    }
    for (unsigned code = 0; code < 3 * LEAF_KINDS * LEAF_KINDS * LEAF_KINDS * LEAF_KINDS; code++) {
        unsigned rest = code / 3,
                 shape = code % 3; /* shape: 0 four ends below two nodes; 1, 2: that child is an end */
        int first = (int)(rest % LEAF_KINDS);
        for (int i = 3; i < 7; i++, rest /= LEAF_KINDS)
            set_leaf(&f, i, (int)(rest % LEAF_KINDS), &a);
        for (int i = 1; i < 3; i++) {
            slk_hash_node(&f.node[i], &f.node[2 * i + 1], &f.node[2 * i + 2]);
            f.kind[i] = INNER;
        }
        if (shape > 0)
            set_leaf(&f, (int)shape, first, &a);
        slk_hash_node(&f.node[0], &f.node[1], &f.node[2]);
        f.kind[0] = INNER;
        check_binding(&f, &a, &seen);
    }
    assert_int_equal(
        seen, 1u << 0 | 1u << 1 | 1u << 2 | 1u << 4); /* nothing, either record, absence: all seen */
}

/* ---- crowds ---- */

static size_t crowd_prove(
    const struct naive_map *map, const struct slk_hash *prefix, unsigned bits, uint8_t *out)
{
    struct slk_writer w = {.at = out, .cap = CROWD_MAX};
    struct slk_map_walk walk;
    size_t from, to;

    naive_walk(map, prefix, bits, &walk, &from, &to);
    slk_map_walk_write(&w, &walk);
    slk_write_u32(&w, (uint32_t)(to - from));
    for (size_t i = from; i < to; i++) {
        slk_write_bytes(&w, map->leaves[i].path.b, SLK_HASH_SIZE);
        slk_write_bytes(&w, map->leaves[i].record, SLK_RECORD_SIZE);
    }
    assert_false(w.bad);
    return w.size;
}

static bool under(const struct slk_hash *path, const struct slk_hash *prefix, unsigned bits)
{
    for (unsigned i = 0; i < bits; i++)
        if (slk_path_bit(path, i) != slk_path_bit(prefix, i))
            return false;
    return true;
}

static size_t check_crowd(
    const struct naive_map *map, const struct slk_hash *prefix, unsigned bits, uint8_t *proof)
{
    static struct slk_map_crowd_item items[CROWD_CAP];
    struct slk_hash root = naive_root(map, 0, map->n, 0);
    size_t n = crowd_prove(map, prefix, bits, proof), found = 77, k = 0;

    assert_int_equal(
        slk_map_crowd_check(items, CROWD_CAP, &found, &root, prefix->b, bits, slk_span_of(proof, n)), SLK_OK);
    for (size_t i = 0; i < map->n; i++) {
        if (!under(&map->leaves[i].path, prefix, bits))
            continue;
        assert_true(k < found);
        assert_memory_equal(items[k].path, map->leaves[i].path.b, SLK_HASH_SIZE);
        assert_memory_equal(items[k].record, map->leaves[i].record, SLK_RECORD_SIZE);
        k++;
    }
    assert_int_equal(k, found);
    if (found > 0) {
        assert_int_equal(
            slk_map_crowd_check(items, found - 1, &k, &root, prefix->b, bits, slk_span_of(proof, n)),
            SLK_E_TOO_LARGE);
        assert_int_equal(k, 0);
    }
    return n;
}

static void crowds_hold_every_record_under_the_prefix(void **state)
{
    static struct naive_map map;
    static uint8_t proof[CROWD_MAX];
    struct slk_hash prefix;

    (void)state;
    map.n = 0;
    for (unsigned size = 0; size <= 40; size++) {
        for (unsigned i = 0; i < 6; i++) {
            path_of(&prefix, i * 3);
            for (unsigned bits = 0; bits <= 12; bits++)
                check_crowd(&map, &prefix, bits, proof);
            check_crowd(&map, &prefix, 255, proof);
            check_crowd(&map, &prefix, 256, proof);
        }
        put_number(&map, size);
    }
    for (unsigned size = 41; size < LARGE_N; size++)
        put_number(&map, size);
    for (unsigned bits = 0; bits <= 16; bits++)
        check_crowd(&map, &prefix, bits, proof);
}

/* Leaves whose paths differ only far down, so that the rebuilt subtree has long one-sided chains. */
static void crowds_with_deep_pairs_are_rebuilt(void **state)
{
    static struct naive_map map;
    static uint8_t proof[CROWD_MAX];
    uint8_t record[SLK_RECORD_SIZE];
    struct slk_hash path, prefix;
    uint32_t x = 12345;

    (void)state;
    record_of(record, 3);
    for (unsigned round = 0; round < 60; round++) {
        path_of(&prefix, round);
        map.n = 0;
        for (unsigned i = 0; i < 1 + round % 9; i++) {
            path = prefix;
            for (unsigned flips = 0; flips < 1 + i % 3; flips++) {
                x = x * 1664525u + 1013904223u;
                path.b[x >> 27] ^= (uint8_t)(1u << (x >> 24 & 7));
            }
            naive_put_path(&map, &path, record);
        }
        for (unsigned bits = 0; bits <= 256; bits += 1 + round % 5)
            check_crowd(&map, &prefix, bits, proof);
    }
    map.n = 0;
    for (unsigned depth = 0; depth < SLK_MAP_DEPTH; depth++) { /* the deepest stack of joins */
        path = prefix;
        path.b[depth / 8] ^= (uint8_t)(0x80u >> depth % 8);
        naive_put_path(&map, &path, record);
    }
    naive_put_path(&map, &prefix, record);
    check_crowd(&map, &prefix, 0, proof);
    check_crowd(&map, &prefix, 100, proof);
    check_crowd(&map, &prefix, 256, proof);
}

static void every_flip_and_cut_of_a_crowd_is_refused(void **state)
{
    static struct naive_map map;
    static uint8_t proof[CROWD_MAX];
    static struct slk_map_crowd_item items[CROWD_CAP];
    struct slk_hash prefix;
    size_t found;

    (void)state;
    map.n = 0;
    for (unsigned size = 0; size < 14; size++, put_number(&map, size)) {
        struct slk_hash root = naive_root(&map, 0, map.n, 0);
        path_of(&prefix, 2);
        for (unsigned bits = 0; bits < 5; bits += 2) {
            size_t n = check_crowd(&map, &prefix, bits, proof);
            for (size_t i = 0; i < 8 * n; i++) {
                proof[i / 8] ^= (uint8_t)(1u << i % 8);
                assert_int_not_equal(slk_map_crowd_check(items, CROWD_CAP, &found, &root, prefix.b, bits,
                                         slk_span_of(proof, n)),
                    SLK_OK);
                assert_int_equal(found, 0);
                proof[i / 8] ^= (uint8_t)(1u << i % 8);
            }
            for (size_t cut = 0; cut < n; cut++)
                assert_int_not_equal(slk_map_crowd_check(items, CROWD_CAP, &found, &root, prefix.b, bits,
                                         slk_span_of(proof, cut)),
                    SLK_OK);
        }
    }
}

/* A crowd from which one record is left out, doubled, moved, or that hangs elsewhere than the prefix says. */
static void crowds_cannot_leave_anything_out(void **state)
{
    static struct naive_map map, fewer;
    static uint8_t proof[CROWD_MAX];
    static struct slk_map_crowd_item items[CROWD_CAP];
    struct slk_hash prefix, root;
    size_t found, n;

    (void)state;
    map.n = 0;
    for (unsigned i = 0; i < 24; i++)
        put_number(&map, i);
    root = naive_root(&map, 0, map.n, 0);
    path_of(&prefix, 2);
    for (size_t leave_out = 0; leave_out < map.n; leave_out++) {
        fewer = map;
        memmove(&fewer.leaves[leave_out], &fewer.leaves[leave_out + 1],
            (fewer.n - leave_out - 1) * sizeof(fewer.leaves[0]));
        fewer.n--;
        n = crowd_prove(&fewer, &prefix, 0, proof);
        assert_int_equal(
            slk_map_crowd_check(items, CROWD_CAP, &found, &root, prefix.b, 0, slk_span_of(proof, n)),
            SLK_E_MAP_PROOF);
    }
    n = crowd_prove(&map, &prefix, 1, proof);
    assert_int_equal(slk_map_crowd_check(items, CROWD_CAP, &found, &root, prefix.b, 2, slk_span_of(proof, n)),
        SLK_E_MALFORMED);
    assert_int_equal(slk_map_crowd_check(items, CROWD_CAP, &found, &root, prefix.b, 0, slk_span_of(proof, n)),
        SLK_E_MALFORMED);
    prefix.b[0] ^= 0x80;
    assert_int_equal(slk_map_crowd_check(items, CROWD_CAP, &found, &root, prefix.b, 1, slk_span_of(proof, n)),
        SLK_E_MAP_PROOF);
    assert_int_equal(
        slk_map_crowd_check(items, CROWD_CAP, &found, &root, prefix.b, 257, slk_span_of(proof, n)),
        SLK_E_MALFORMED);
}

/* ---- outside vectors ---- */

static void vector_hash(struct slk_hash *out, const char *what, unsigned i)
{
    char text[64];
    int n = snprintf(text, sizeof(text), "sillok map vector %s %u", what, i);

    slk_hash_bytes(out, text, (size_t)n);
}

static void vector_value(uint8_t out[SLK_RECORD_SIZE], unsigned i)
{
    struct slk_hash h;

    vector_hash(&h, "value", i);
    for (size_t k = 0; k < SLK_RECORD_SIZE; k++)
        out[k] = h.b[k % SLK_HASH_SIZE];
}

static struct slk_hash hex_hash(const char *text)
{
    struct slk_hash h;

    assert_true(slk_hex_parse(h.b, SLK_HASH_SIZE, text, strlen(text)));
    return h;
}

static void check_vector_proof(const struct slk_hash *root, const json_t *proof, unsigned i)
{
    const json_t *siblings = json_object_get(proof, "siblings_deepest_first"),
                 *end = json_object_get(proof, "end");
    uint8_t bytes[SLK_MAP_PROOF_MAX], value[SLK_RECORD_SIZE];
    struct slk_span tail = slk_span_of(NULL, 0), found;
    struct slk_map_walk walk = {.n = (unsigned)json_array_size(siblings)};
    struct slk_hash other[2], handle;

    for (unsigned d = 0; d < walk.n; d++)
        walk.siblings[d] = hex_hash(json_string_value(json_array_get(siblings, walk.n - 1 - d)));
    vector_hash(&handle, "key", i);
    vector_value(value, i);
    if (json_is_object(end)) {
        other[0] = hex_hash(vector_text(end, "path_hash"));
        other[1] = hex_hash(vector_text(end, "value_hash"));
        walk.end = SLK_MAP_OTHER;
        tail = slk_span_of(other, sizeof(other));
    } else if (strcmp(json_string_value(end), "record") == 0) {
        walk.end = SLK_MAP_RECORD;
        tail = slk_span_of(value, sizeof(value));
    }
    size_t n = slk_map_proof_format(bytes, sizeof(bytes), &walk, tail);
    assert_true(n > 0);
    assert_int_equal(slk_map_proof_check(&found, root, handle.b, slk_span_of(bytes, n)), SLK_OK);
    assert_int_equal(found.size, walk.end == SLK_MAP_RECORD ? SLK_RECORD_SIZE : 0);
}

static void outside_trees_and_proofs_are_accepted(void **state)
{
    static struct naive_map map;
    json_t *all = load_vectors("map.json"), *tree, *proof;
    size_t t, p, proofs_n = 0;

    (void)state;
    if (all == NULL)
        return;
    json_array_foreach(json_object_get(all, "trees"), t, tree)
    {
        struct slk_hash root = hex_hash(vector_text(tree, "root"));
        unsigned n = (unsigned)vector_number(tree, "n");
        if (n <= NAIVE_MAX) {
            map.n = 0;
            for (unsigned i = 0; i < n; i++) {
                struct slk_hash key;
                uint8_t value[SLK_RECORD_SIZE];
                vector_hash(&key, "key", i);
                vector_value(value, i);
                naive_put(&map, key.b, value);
            }
            struct slk_hash naive = naive_root(&map, 0, map.n, 0);
            assert_memory_equal(naive.b, root.b, SLK_HASH_SIZE);
        }
        json_array_foreach(json_object_get(tree, "proofs"), p, proof)
        {
            check_vector_proof(&root, proof, (unsigned)vector_number(proof, "i"));
            proofs_n++;
        }
    }
    json_array_foreach(json_object_get(all, "deep"), t, tree)
    {
        json_t *first = json_array_get(json_object_get(tree, "i"), 0), *copy = json_copy(tree);
        struct slk_hash root = hex_hash(vector_text(tree, "root"));
        if (json_object_get(copy, "end") == NULL)
            json_object_set_new(copy, "end", json_string("record"));
        check_vector_proof(&root, copy, (unsigned)json_real_value(first));
        json_decref(copy);
        proofs_n++;
    }
    assert_true(proofs_n >= 80);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_of_twelve_keys_proves_each_key),
        cmocka_unit_test(every_flip_and_cut_is_refused),
        cmocka_unit_test(larger_sets_prove_each_key),
        cmocka_unit_test(a_rival_at_every_depth_is_proven_past),
        cmocka_unit_test(unusual_forms_are_refused),
        cmocka_unit_test(printing_refuses_too_little_room),
        cmocka_unit_test(no_tree_proves_two_things),
        cmocka_unit_test(crowds_hold_every_record_under_the_prefix),
        cmocka_unit_test(crowds_with_deep_pairs_are_rebuilt),
        cmocka_unit_test(every_flip_and_cut_of_a_crowd_is_refused),
        cmocka_unit_test(crowds_cannot_leave_anything_out),
        cmocka_unit_test(outside_trees_and_proofs_are_accepted),
    };
    return cmocka_run_group_tests_name("map_proof", tests, NULL, NULL);
}
