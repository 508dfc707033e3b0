/* map_proof.c: checking and printing proofs of the credential map. Source: design §5.
 *
 * Binding. Two accepted proofs for one handle and one root walk down the same bits. Where they first differ, one
 * says "leaf" or "empty" where the other says "inner node": a leaf and an inner node hash 65 bytes that differ in
 * the first one, and no known bytes hash to zero. So whoever built the tree, it proves at most one thing.
 */
#include "ledger/verify/map_proof.h"

#include <assert.h>
#include <string.h>

#define OTHER_SIZE (2 * SLK_HASH_SIZE) /* end 2: path || value hash */
#define ITEM_SIZE  (SLK_HASH_SIZE + SLK_RECORD_SIZE)

/* The siblings of a proof as they stand in it. */
struct climb {
    unsigned n;
    const uint8_t *bitmap;
    struct slk_span siblings; /* deepest first */
};

static bool bitmap_bit(const uint8_t *bitmap, unsigned i)
{
    return (bitmap[i >> 3] >> (7 - (i & 7)) & 1) != 0;
}

/* Reads u16 n, bitmap, siblings. False when the form is wrong. */
static bool read_climb(struct climb *out, struct slk_reader *r)
{
    size_t set = 0;

    out->n = slk_read_u16(r);
    if (out->n > SLK_MAP_DEPTH)
        return false;
    size_t bitmap_size = (out->n + 7) / 8;
    struct slk_span bitmap = slk_read_span(r, bitmap_size);
    if (r->bad)
        return false;
    out->bitmap = bitmap.at;
    for (unsigned i = 0; i < 8 * bitmap_size; i++) {
        if (!bitmap_bit(bitmap.at, i))
            continue;
        if (i >= out->n)
            return false; /* a spare bit */
        set++;
    }
    out->siblings = slk_read_span(r, set * SLK_HASH_SIZE);
    for (size_t i = 0; i < set && !r->bad; i++)
        if (memcmp(out->siblings.at + i * SLK_HASH_SIZE, slk_hash_zero.b, SLK_HASH_SIZE) == 0)
            return false; /* an empty sibling has one spelling: its bit is not set */
    return !r->bad;
}

/* A lone leaf beside nothing would have been lifted, and nothing beside nothing is one bigger nothing. */
static bool deepest_is_empty(const struct climb *climb)
{
    return climb->n > 0 && !bitmap_bit(climb->bitmap, climb->n - 1);
}

/* node = the node above it, one level up: `depth` is the bit that chose between it and its sibling. */
static void step_up(
    struct slk_hash *node, const struct slk_hash *sibling, const struct slk_hash *path, unsigned depth)
{
    if (slk_path_bit(path, depth) != 0)
        slk_hash_node(node, sibling, node);
    else
        slk_hash_node(node, node, sibling);
}

/* From the node at depth n up to the root. */
static void climb_up(struct slk_hash *node, const struct climb *climb, const struct slk_hash *path)
{
    const uint8_t *at = climb->siblings.at;

    for (unsigned depth = climb->n; depth-- > 0;) {
        struct slk_hash sibling = slk_hash_zero;
        if (bitmap_bit(climb->bitmap, depth)) {
            memcpy(sibling.b, at, SLK_HASH_SIZE);
            at += SLK_HASH_SIZE;
        }
        step_up(node, &sibling, path, depth);
    }
}

/* Whether two paths agree in their first `bits` bits. */
static bool paths_agree(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;

    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || (uint8_t)((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

/* The node at the end of the walk for `path`: a leaf or nothing. */
static enum slk_err end_node(
    struct slk_hash *node, uint8_t end, unsigned n, const struct slk_hash *path, struct slk_span tail)
{
    struct slk_hash other, value_hash;

    switch ((enum slk_map_end)end) {
    case SLK_MAP_EMPTY:
        *node = slk_hash_zero;
        return tail.size == 0 ? SLK_OK : SLK_E_MALFORMED;
    case SLK_MAP_RECORD:
        if (tail.size == 0) /* could not be told from "absent" by our caller */
            return SLK_E_MALFORMED;
        slk_hash_bytes(&value_hash, tail.at, tail.size);
        slk_hash_map_leaf(node, path, &value_hash);
        return SLK_OK;
    case SLK_MAP_OTHER:
        if (tail.size != OTHER_SIZE)
            return SLK_E_MALFORMED;
        memcpy(other.b, tail.at, SLK_HASH_SIZE);
        memcpy(value_hash.b, tail.at + SLK_HASH_SIZE, SLK_HASH_SIZE);
        if (slk_hash_equal(&other, path) || !paths_agree(other.b, path->b, n))
            return SLK_E_MAP_PROOF;
        slk_hash_map_leaf(node, &other, &value_hash);
        return SLK_OK;
    }
    return SLK_E_MALFORMED;
}

enum slk_err slk_map_proof_check(struct slk_span *record, const struct slk_hash *root,
    const uint8_t handle[SLK_HANDLE_SIZE], struct slk_span proof)
{
    struct slk_reader r = {.rest = proof};
    struct slk_hash path, node;
    struct climb climb;

    *record = (struct slk_span){0};
    uint8_t end = slk_read_u8(&r);
    if (!read_climb(&climb, &r) || deepest_is_empty(&climb))
        return SLK_E_MALFORMED;
    slk_hash_bytes(&path, handle, SLK_HANDLE_SIZE);
    enum slk_err err = end_node(&node, end, climb.n, &path, r.rest);
    if (err != SLK_OK)
        return err;
    climb_up(&node, &climb, &path);
    if (!slk_hash_equal(&node, root))
        return SLK_E_MAP_PROOF;
    if (end == SLK_MAP_RECORD)
        *record = r.rest;
    return SLK_OK;
}

/* ---- printing ---- */

void slk_map_walk_write(struct slk_writer *w, const struct slk_map_walk *walk)
{
    uint8_t bitmap[SLK_MAP_DEPTH / 8] = {0};

    assert(walk->n <= SLK_MAP_DEPTH);
    for (unsigned i = 0; i < walk->n; i++)
        if (!slk_hash_is_zero(&walk->siblings[i]))
            bitmap[i >> 3] |= (uint8_t)(1u << (7 - (i & 7)));
    slk_write_u16(w, (uint16_t)walk->n);
    slk_write_bytes(w, bitmap, (walk->n + 7) / 8);
    for (unsigned i = walk->n; i-- > 0;)
        if (bitmap_bit(bitmap, i))
            slk_write_bytes(w, walk->siblings[i].b, SLK_HASH_SIZE);
}

size_t slk_map_proof_format(uint8_t *out, size_t cap, const struct slk_map_walk *walk, struct slk_span tail)
{
    struct slk_writer w = {.at = out, .cap = cap};

    slk_write_u8(&w, (uint8_t)walk->end);
    slk_map_walk_write(&w, walk);
    slk_write_bytes(&w, tail.at, tail.size);
    return w.bad ? 0 : w.size;
}

/* ---- crowd answers ---- */

static void item_leaf(struct slk_hash *out, const uint8_t *item)
{
    struct slk_hash path, value_hash;

    memcpy(path.b, item, SLK_HASH_SIZE);
    slk_hash_bytes(&value_hash, item + SLK_HASH_SIZE, SLK_RECORD_SIZE);
    slk_hash_map_leaf(out, &path, &value_hash);
}

/* Depth of the first bit in which two different paths differ. */
static unsigned first_difference(const uint8_t *a, const uint8_t *b)
{
    unsigned depth = 0;

    while (a[depth >> 3] == b[depth >> 3])
        depth += 8;
    for (unsigned x = (unsigned)(a[depth >> 3] ^ b[depth >> 3]); (x & 0x80) == 0; x <<= 1)
        depth++;
    return depth;
}

/* A finished subtree that waits for its right neighbour. */
struct pending {
    struct slk_hash node;
    unsigned depth;      /* where the node hangs: depth of its branching bit; irrelevant for a leaf */
    bool leaf;           /* a lone leaf: hangs anywhere */
    unsigned join;       /* depth of the bit in which it differs from its neighbour */
    const uint8_t *path; /* of any leaf in it: all agree above `depth` */
};

/* Brings a subtree up to `depth`: inner nodes with one empty side at every level, but a lone leaf is lifted. */
static void lift(struct pending *sub, unsigned depth)
{
    struct slk_hash p;

    if (sub->leaf)
        return;
    memcpy(p.b, sub->path, SLK_HASH_SIZE);
    while (sub->depth > depth) {
        sub->depth--;
        step_up(&sub->node, &slk_hash_zero, &p, sub->depth);
    }
}

/* The subtree at `depth` over strictly ascending paths that agree above it: the map's definition, from left to
 * right. Joins on the stack ascend, so there are at most 256 of them.
 *
 *        join 3           items 0 1 2, first differences 5 (0|1) and 3 (1|2):
 *        /    \           0 waits with join 5; 1 arrives, its next join 3 is above 5, so 0 and 1 are joined
 *     join 5   2          at 5; that waits with join 3; 2 arrives, nothing follows, so both join at 3.
 *      /  \
 *     0    1                                                                                              */
static void build_subtree(struct slk_hash *out, const uint8_t *items, size_t n, unsigned depth)
{
    struct pending stack[SLK_MAP_DEPTH];
    size_t stack_n = 0;
    struct pending sub = {.leaf = true};

    if (n == 0) {
        *out = slk_hash_zero;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const uint8_t *path = items + i * ITEM_SIZE;
        bool last = i == n - 1;
        unsigned join = last ? 0 : first_difference(path, path + ITEM_SIZE);

        item_leaf(&sub.node, path);
        sub.leaf = true;
        sub.path = path;
        while (stack_n > 0 && (last || stack[stack_n - 1].join > join)) {
            struct pending *left = &stack[--stack_n];
            lift(left, left->join + 1);
            lift(&sub, left->join + 1);
            slk_hash_node(&sub.node, &left->node, &sub.node);
            sub.leaf = false;
            sub.depth = left->join;
        }
        if (!last) {
            assert(stack_n < SLK_MAP_DEPTH);
            stack[stack_n] = sub;
            stack[stack_n++].join = join;
        }
    }
    lift(&sub, depth);
    *out = sub.node;
}

/* Which leaves may stand under a walk of n levels towards a prefix of `bits` bits. */
static enum slk_err check_items(
    const uint8_t *items, size_t n, const struct climb *climb, const uint8_t *prefix, unsigned bits)
{
    if (climb->n > bits || (climb->n < bits && n > 1) || (n <= 1 && deepest_is_empty(climb)))
        return SLK_E_MALFORMED;
    for (size_t i = 1; i < n; i++)
        if (memcmp(items + (i - 1) * ITEM_SIZE, items + i * ITEM_SIZE, SLK_HASH_SIZE) >= 0)
            return SLK_E_MALFORMED;
    for (size_t i = 0; i < n; i++)
        if (!paths_agree(
                items + i * ITEM_SIZE, prefix, climb->n)) /* climb->n == bits unless it is a lone leaf */
            return SLK_E_MAP_PROOF;
    return SLK_OK;
}

enum slk_err slk_map_crowd_check(struct slk_map_crowd_item *out, size_t cap_n, size_t *out_n,
    const struct slk_hash *root, const uint8_t *prefix, unsigned bits, struct slk_span proof)
{
    struct slk_reader r = {.rest = proof};
    struct slk_hash node, path = slk_hash_zero;
    struct climb climb;

    *out_n = 0;
    if (bits > SLK_MAP_DEPTH || !read_climb(&climb, &r))
        return SLK_E_MALFORMED;
    size_t n = slk_read_u32(&r);
    if (r.bad || r.rest.size % ITEM_SIZE != 0 || r.rest.size / ITEM_SIZE != n)
        return SLK_E_MALFORMED;
    const uint8_t *items = r.rest.at;
    if (bits > 0) /* an empty prefix may be NULL */
        memcpy(path.b, prefix, (bits + 7) / 8);
    enum slk_err err = check_items(items, n, &climb, path.b, bits);
    if (err != SLK_OK)
        return err;
    bool under = n > 0 && paths_agree(items, path.b, bits); /* all or, for a lone leaf elsewhere, none */
    if (under && n > cap_n)
        return SLK_E_TOO_LARGE;
    build_subtree(&node, items, n, climb.n);
    climb_up(&node, &climb, &path);
    if (!slk_hash_equal(&node, root))
        return SLK_E_MAP_PROOF;
    if (!under)
        return SLK_OK;
    for (size_t i = 0; i < n; i++)
        out[i] = (struct slk_map_crowd_item){
            .path = items + i * ITEM_SIZE, .record = items + i * ITEM_SIZE + SLK_HASH_SIZE};
    *out_n = n;
    return SLK_OK;
}
