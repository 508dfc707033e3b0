/* map_leaves.c: buckets of leaves, the memory they live in, and the full paths of leaves whose fingerprints collide.
 *
 * Blocks are exactly as long as their bucket (up to 32 leaves): most of the map's memory is leaves, and a bucket is
 * rewritten by each insert anyway. A freed block waits in the list of its size. New memory is preferred to cutting a
 * longer free block: bucket lengths keep the same distribution while the map grows, so every length is needed again
 * (2 to 8 % of leaf memory is idle), while cut blocks leave crumbs nobody asks for (50 %, measured).
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/map_private.h"

#define CHUNK_SIZE   (1u << SLK_LEAF_POOL_CHUNK_BITS)
#define CHUNK_FIRST  256u /* leaves: a small ledger should be small; each next chunk is four times as long */
#define SINGLE_ABOVE (CHUNK_SIZE / 2)
#define STEPS        8u /* sizes per doubling above SLK_LEAF_POOL_EXACT_MAX */
#define EXACT_LOG2   5

static_assert(sizeof(struct slk_leaf) == 48, "a leaf is 48 bytes");
static_assert(1u << EXACT_LOG2 == SLK_LEAF_POOL_EXACT_MAX, "sizes above are counted from there");

/* ---- memory ---- */

static unsigned log2_floor(uint32_t n)
{
    return 31u - (unsigned)__builtin_clz(n);
}

uint32_t slk_leaf_pool_cap(uint32_t n)
{
    uint32_t step;

    if (n <= SLK_LEAF_POOL_EXACT_MAX)
        return n;
    step = (1u << log2_floor(n - 1)) / STEPS;
    assert(n <= UINT32_MAX - step);
    return (n + step - 1) / step * step;
}

/* The size class of blocks of `cap`, which must be a size slk_leaf_pool_cap can give. */
static unsigned class_of(uint32_t cap)
{
    unsigned power;

    if (cap <= SLK_LEAF_POOL_EXACT_MAX)
        return cap - 1;
    power = log2_floor(cap - 1);
    return SLK_LEAF_POOL_EXACT_MAX - 1 + (power - EXACT_LOG2) * STEPS +
           (cap - (1u << power)) / ((1u << power) / STEPS);
}

/* The longest block of a size class that fits into n leaves. */
static uint32_t longest_within(uint32_t n)
{
    uint32_t step;

    if (n <= SLK_LEAF_POOL_EXACT_MAX)
        return n;
    step = (1u << log2_floor(n)) / STEPS;
    return n / step * step;
}

static uint32_t class_cap(unsigned class)
{
    unsigned above;

    if (class < SLK_LEAF_POOL_EXACT_MAX)
        return class + 1;
    above = class - (SLK_LEAF_POOL_EXACT_MAX - 1);
    return (STEPS + (above - 1) % STEPS + 1) << ((above - 1) / STEPS + EXACT_LOG2 - 3);
}

void slk_leaf_pool_init(struct slk_leaf_pool *pool, uint64_t limit, void (*advise)(void *at, size_t bytes))
{
    memset(pool, 0, sizeof(*pool));
    memset(pool->free, 0xff, sizeof(pool->free));
    pool->current = SLK_LEAF_POOL_NONE;
    pool->limit = limit;
    pool->advise = advise;
}

void slk_leaf_pool_close(struct slk_leaf_pool *pool)
{
    for (uint32_t i = 0; i < pool->chunks_n; i++)
        free(pool->chunks[i].leaves);
    free(pool->chunks);
    slk_leaf_pool_init(pool, pool->limit, pool->advise);
}

uint64_t slk_leaf_pool_bytes(const struct slk_leaf_pool *pool)
{
    uint64_t uncut = pool->current == SLK_LEAF_POOL_NONE ? 0 : pool->chunks[pool->current].size - pool->used;

    return pool->bytes - uncut * sizeof(struct slk_leaf) + pool->chunks_cap * sizeof(pool->chunks[0]);
}

/* Leaves [block, block + n) wait for their next use, in pieces of class sizes. The link is kept in `hi`. */
static void give_back(struct slk_leaf_pool *pool, uint32_t block, uint32_t n)
{
    while (n > 0) {
        uint32_t cap = longest_within(n);
        unsigned class = class_of(cap);

        slk_leaf_pool_at(pool, block)->hi = pool->free[class];
        pool->free[class] = block;
        pool->free_bits[class / 64] |= (uint64_t)1 << class % 64;
        block += cap;
        n -= cap;
    }
}

static uint32_t pop_free(struct slk_leaf_pool *pool, unsigned class)
{
    uint32_t block = pool->free[class];

    pool->free[class] = (uint32_t)slk_leaf_pool_at(pool, block)->hi;
    if (pool->free[class] == SLK_LEAF_POOL_NONE)
        pool->free_bits[class / 64] &= ~((uint64_t)1 << class % 64);
    return block;
}

/* The smallest size class above `class` that has a free block; SLK_LEAF_POOL_CLASSES when none has. */
static unsigned class_above(const struct slk_leaf_pool *pool, unsigned class)
{
    for (unsigned word = (class + 1) / 64; word < SLK_LEAF_POOL_CLASSES / 64; word++) {
        uint64_t bits = pool->free_bits[word];

        if (word == (class + 1) / 64)
            bits &= UINT64_MAX << (class + 1) % 64;
        if (bits != 0)
            return word * 64 + (unsigned)__builtin_ctzll(bits);
    }
    return SLK_LEAF_POOL_CLASSES;
}

/* An entry of `chunks` that is not in use; SLK_LEAF_POOL_NONE: out of memory. */
static uint32_t chunk_slot(struct slk_leaf_pool *pool)
{
    struct slk_leaf_pool_chunk *grown;
    uint32_t cap;

    for (uint32_t i = 0; i < pool->chunks_n && pool->chunks_n == pool->chunks_cap; i++) {
        if (pool->chunks[i].leaves == NULL)
            return i;
    }
    if (pool->chunks_n < pool->chunks_cap)
        return pool->chunks_n++;
    if (pool->chunks_n == SLK_LEAF_POOL_CHUNKS_MAX)
        return SLK_LEAF_POOL_NONE;
    cap = pool->chunks_cap == 0 ? 4 : pool->chunks_cap * 2;
    grown = realloc(pool->chunks, cap * sizeof(*grown));
    if (grown == NULL)
        return SLK_LEAF_POOL_NONE;
    memset(grown + pool->chunks_cap, 0, (cap - pool->chunks_cap) * sizeof(*grown));
    pool->chunks = grown;
    pool->chunks_cap = cap;
    return pool->chunks_n++;
}

static uint32_t add_chunk(struct slk_leaf_pool *pool, uint64_t size, bool single)
{
    uint64_t bytes = size * sizeof(struct slk_leaf);
    struct slk_leaf *leaves;
    uint32_t slot;

    if (pool->limit != 0 && (pool->bytes > pool->limit || bytes > pool->limit - pool->bytes))
        return SLK_LEAF_POOL_NONE;
    slot = chunk_slot(pool);
    if (slot == SLK_LEAF_POOL_NONE)
        return SLK_LEAF_POOL_NONE;
    leaves = bytes % SLK_HUGE_PAGE == 0 ? aligned_alloc(SLK_HUGE_PAGE, bytes) : malloc(bytes);
    if (leaves == NULL)
        return SLK_LEAF_POOL_NONE; /* the slot stays, unused */
    if (bytes % SLK_HUGE_PAGE == 0 && pool->advise != NULL)
        pool->advise(leaves, bytes);
    pool->chunks[slot] = (struct slk_leaf_pool_chunk){.leaves = leaves, .size = size, .single = single};
    pool->bytes += bytes;
    return slot;
}

/* Cuts a block from the current chunk, or from a new one. */
static uint32_t cut(struct slk_leaf_pool *pool, uint32_t cap)
{
    uint64_t size = CHUNK_FIRST;
    uint32_t slot, block;

    if (pool->current == SLK_LEAF_POOL_NONE || pool->chunks[pool->current].size - pool->used < cap) {
        if (pool->current != SLK_LEAF_POOL_NONE)
            size = pool->chunks[pool->current].size * 4;
        while (size < CHUNK_SIZE && size < cap)
            size *= 4;
        slot = add_chunk(pool, size <= CHUNK_SIZE ? size : CHUNK_SIZE, false);
        if (slot == SLK_LEAF_POOL_NONE)
            return SLK_LEAF_POOL_NONE;
        if (pool->current != SLK_LEAF_POOL_NONE)
            give_back(pool, pool->current << SLK_LEAF_POOL_CHUNK_BITS | pool->used,
                (uint32_t)pool->chunks[pool->current].size - pool->used);
        pool->current = slot;
        pool->used = 0;
    }
    block = pool->current << SLK_LEAF_POOL_CHUNK_BITS | pool->used;
    pool->used += cap;
    return block;
}

/* A block of exactly `cap` leaves, a size slk_leaf_pool_cap gives; SLK_LEAF_POOL_NONE: out of memory. */
static uint32_t take(struct slk_leaf_pool *pool, uint32_t cap)
{
    unsigned class, from;
    uint32_t block;

    assert(cap > 0 && slk_leaf_pool_cap(cap) == cap);
    if (cap > SINGLE_ABOVE) {
        uint32_t slot = add_chunk(pool, cap, true);

        return slot == SLK_LEAF_POOL_NONE ? SLK_LEAF_POOL_NONE : slot << SLK_LEAF_POOL_CHUNK_BITS;
    }
    class = class_of(cap);
    if (pool->free[class] != SLK_LEAF_POOL_NONE)
        return pop_free(pool, class);
    block = cut(pool, cap);
    if (block != SLK_LEAF_POOL_NONE)
        return block;
    from = class_above(pool, class);
    if (from == SLK_LEAF_POOL_CLASSES)
        return SLK_LEAF_POOL_NONE;
    block = pop_free(pool, from);
    give_back(pool, block + cap, class_cap(from) - cap);
    return block;
}

static bool is_single(const struct slk_leaf_pool *pool, uint32_t block)
{
    return pool->chunks[block >> SLK_LEAF_POOL_CHUNK_BITS].single;
}

static void release(struct slk_leaf_pool *pool, uint32_t block, uint32_t cap)
{
    struct slk_leaf_pool_chunk *chunk = &pool->chunks[block >> SLK_LEAF_POOL_CHUNK_BITS];

    if (!chunk->single) {
        give_back(pool, block, cap);
        return;
    }
    pool->bytes -= chunk->size * sizeof(struct slk_leaf);
    free(chunk->leaves);
    *chunk = (struct slk_leaf_pool_chunk){.leaves = NULL};
}

/* A bucket got shorter: its leaves move to a block of the right size or, out of memory, stay and give back the rest. */
static void shorten(struct slk_leaf_pool *pool, struct slk_bucket *bucket, uint32_t n)
{
    uint32_t old_cap = slk_leaf_pool_cap(bucket->n), cap = slk_leaf_pool_cap(n), block = SLK_LEAF_POOL_NONE;

    assert(n <= bucket->n && bucket->n > 0);
    if (n > 0 && cap < old_cap)
        block = take(pool, cap);
    if (block != SLK_LEAF_POOL_NONE)
        memcpy(slk_leaf_pool_at(pool, block), slk_leaf_pool_at(pool, bucket->block),
            n * sizeof(struct slk_leaf));
    if (block != SLK_LEAF_POOL_NONE || n == 0)
        release(pool, bucket->block, old_cap);
    else if (cap < old_cap && !is_single(pool, bucket->block))
        give_back(pool, bucket->block + cap, old_cap - cap);
    bucket->block = block != SLK_LEAF_POOL_NONE ? block : bucket->block;
    bucket->n = n;
}

/* ---- paths of leaves ---- */

static bool below(struct slk_fingerprint a, struct slk_fingerprint b)
{
    return a.hi != b.hi ? a.hi < b.hi : a.low < b.low;
}

static bool same(struct slk_fingerprint a, struct slk_fingerprint b)
{
    return a.hi == b.hi && a.low == b.low;
}

static struct slk_fingerprint fingerprint_at(const struct slk_leaf *leaf)
{
    return (struct slk_fingerprint){.hi = leaf->hi, .low = slk_leaf_low(leaf)};
}

size_t slk_known_first(
    const struct slk_map *map, const struct slk_shard *shard, struct slk_fingerprint fingerprint)
{
    size_t from = 0, to = shard->known_n;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (below(slk_fingerprint_of(map, &shard->known[middle]), fingerprint))
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* The full path of leaf i, which must be in a run of two or more. */
static const struct slk_hash *known_path(
    const struct slk_map *map, const struct slk_shard *shard, const struct slk_leaf *leaves, uint32_t i)
{
    struct slk_fingerprint fingerprint = fingerprint_at(&leaves[i]);
    uint32_t first = i;
    size_t at;

    while (first > 0 && same(fingerprint_at(&leaves[first - 1]), fingerprint))
        first--;
    at = slk_known_first(map, shard, fingerprint) + (i - first);
    assert(at < shard->known_n);
    return &shard->known[at];
}

static unsigned common_bits(const struct slk_hash *a, const struct slk_hash *b)
{
    for (unsigned i = 0; i < SLK_HASH_SIZE; i++) {
        unsigned differ = a->b[i] ^ b->b[i];

        if (differ != 0)
            return i * 8 + (unsigned)__builtin_clz(differ) - 24;
    }
    return SLK_MAP_DEPTH;
}

unsigned slk_leaf_common(
    const struct slk_map *map, const struct slk_shard *shard, const struct slk_leaf *leaves, uint32_t i)
{
    uint64_t hi = leaves[i].hi ^ leaves[i + 1].hi;
    uint64_t low = slk_leaf_low(&leaves[i]) ^ slk_leaf_low(&leaves[i + 1]);

    if (hi != 0)
        return (unsigned)__builtin_clzll(hi);
    if (low != 0)
        return 64 + (unsigned)__builtin_clzll(low);
    return common_bits(known_path(map, shard, leaves, i), known_path(map, shard, leaves, i + 1));
}

unsigned slk_leaf_bit(const struct slk_map *map, const struct slk_shard *shard, const struct slk_leaf *leaves,
    uint32_t i, unsigned depth)
{
    if (depth >= map->fingerprint_bits)
        return slk_path_bit(known_path(map, shard, leaves, i), depth);
    if (depth < 64)
        return (unsigned)(leaves[i].hi >> (63 - depth)) & 1u;
    return (unsigned)(leaves[i].meta >> (127 - depth)) & 1u;
}

uint32_t slk_bucket_middle(const struct slk_map *map, const struct slk_shard *shard,
    const struct slk_leaf *leaves, uint32_t from, uint32_t to, unsigned depth)
{
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;

        if (slk_leaf_bit(map, shard, leaves, middle, depth) == 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* ---- buckets ---- */

static uint32_t first_not_below(const struct slk_leaf *leaves, uint32_t n, struct slk_fingerprint fingerprint)
{
    uint32_t from = 0, to = n;

    while (from < to) {
        uint32_t middle = from + (to - from) / 2;

        if (below(fingerprint_at(&leaves[middle]), fingerprint))
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

struct slk_place slk_bucket_find(const struct slk_map *map, const struct slk_shard *shard,
    const struct slk_bucket *bucket, const struct slk_hash *path)
{
    const struct slk_leaf *leaves = slk_bucket_leaves(shard, bucket);
    struct slk_fingerprint fingerprint = slk_fingerprint_of(map, path);
    struct slk_place place = {0};
    uint32_t end;
    int order = -1;

    place.run_first = first_not_below(leaves, bucket->n, fingerprint);
    for (end = place.run_first; end < bucket->n && same(fingerprint_at(&leaves[end]), fingerprint);)
        end++;
    place.run_n = end - place.run_first;
    place.at = place.run_first;
    place.found = place.run_n == 1;
    if (place.run_n < 2)
        return place;
    place.known_at = slk_known_first(map, shard, fingerprint);
    assert(place.run_n <= shard->known_n - place.known_at);
    for (; place.at < end; place.at++, place.known_at++) {
        order = memcmp(shard->known[place.known_at].b, path->b, SLK_HASH_SIZE);
        if (order >= 0)
            break;
    }
    place.found = place.certain = order == 0;
    return place;
}

enum slk_err slk_known_reserve(struct slk_shard *shard, size_t n)
{
    struct slk_hash *grown;
    size_t cap;

    if (n <= shard->known_cap - shard->known_n)
        return SLK_OK;
    cap = shard->known_cap * 2 > shard->known_n + n ? shard->known_cap * 2 : shard->known_n + n;
    grown = realloc(shard->known, cap * sizeof(*grown));
    if (grown == NULL)
        return SLK_E_NOMEM;
    shard->known = grown;
    shard->known_cap = cap;
    return SLK_OK;
}

static void known_put(struct slk_shard *shard, size_t at, const struct slk_hash *path)
{
    assert(at <= shard->known_n && shard->known_n < shard->known_cap);
    memmove(&shard->known[at + 1], &shard->known[at], (shard->known_n - at) * sizeof(*path));
    shard->known[at] = *path;
    shard->known_n++;
}

static void known_drop(struct slk_shard *shard, size_t at, size_t n)
{
    assert(n <= shard->known_n && at <= shard->known_n - n);
    memmove(&shard->known[at], &shard->known[at + n], (shard->known_n - at - n) * sizeof(shard->known[0]));
    shard->known_n -= n;
}

/* A gap of n leaves at index `at`; SLK_E_NOMEM: nothing changed. */
static enum slk_err open_gap(struct slk_leaf_pool *pool, struct slk_bucket *bucket, uint32_t at, uint32_t n)
{
    struct slk_leaf *from, *to;
    uint32_t cap, block;

    assert(at <= bucket->n);
    if (n > UINT32_MAX / 2 - bucket->n)
        return SLK_E_NOMEM;
    cap = slk_leaf_pool_cap(bucket->n + n);
    if (bucket->n > 0 && cap == slk_leaf_pool_cap(bucket->n)) {
        from = slk_leaf_pool_at(pool, bucket->block);
        memmove(from + at + n, from + at, (bucket->n - at) * sizeof(*from));
        bucket->n += n;
        return SLK_OK;
    }
    block = take(pool, cap);
    if (block == SLK_LEAF_POOL_NONE)
        return SLK_E_NOMEM;
    if (bucket->n > 0) {
        from = slk_leaf_pool_at(pool, bucket->block);
        to = slk_leaf_pool_at(pool, block);
        memcpy(to, from, at * sizeof(*from));
        memcpy(to + at + n, from + at, (bucket->n - at) * sizeof(*from));
        release(pool, bucket->block, slk_leaf_pool_cap(bucket->n));
    }
    bucket->block = block;
    bucket->n += n;
    return SLK_OK;
}

enum slk_err slk_bucket_insert_n(struct slk_shard *shard, struct slk_bucket *bucket, uint32_t at,
    const struct slk_leaf *leaves, uint32_t n)
{
    enum slk_err err = open_gap(&shard->pool, bucket, at, n);

    if (err != SLK_OK)
        return err;
    memcpy(slk_bucket_leaves(shard, bucket) + at, leaves, n * sizeof(*leaves));
    shard->count += n;
    return SLK_OK;
}

enum slk_err slk_bucket_insert(const struct slk_map *map, struct slk_shard *shard, struct slk_bucket *bucket,
    const struct slk_place *place, const struct slk_map_update *update, const struct slk_hash *rival)
{
    struct slk_fingerprint fingerprint = slk_fingerprint_of(map, &update->path);
    struct slk_leaf leaf = {
        .hi = fingerprint.hi, .meta = fingerprint.low | update->row, .hash = update->leaf};
    uint32_t at = place->at;
    size_t known_at;

    assert(update->row <= SLK_MAP_ROW_MAX && !slk_hash_is_zero(&update->leaf));
    assert(place->run_n != 1 || (rival != NULL && same(slk_fingerprint_of(map, rival), fingerprint)));
    if (place->run_n > 0 && slk_known_reserve(shard, 2) != SLK_OK)
        return SLK_E_NOMEM;
    if (place->run_n == 1 && memcmp(rival->b, update->path.b, SLK_HASH_SIZE) < 0)
        at++;
    if (slk_bucket_insert_n(shard, bucket, at, &leaf, 1) != SLK_OK)
        return SLK_E_NOMEM;
    if (place->run_n == 1) {
        known_at = slk_known_first(map, shard, fingerprint);
        known_put(shard, known_at, rival);
        known_put(shard, known_at + (at - place->at), &update->path);
    } else if (place->run_n > 1) {
        known_put(shard, place->known_at, &update->path);
    }
    return SLK_OK;
}

void slk_bucket_remove(struct slk_shard *shard, struct slk_bucket *bucket, const struct slk_place *place)
{
    struct slk_leaf *leaves = slk_bucket_leaves(shard, bucket);

    assert(place->found && place->at < bucket->n);
    if (place->run_n == 2) /* the other one is alone again */
        known_drop(shard, place->known_at - (place->at - place->run_first), 2);
    else if (place->run_n > 2)
        known_drop(shard, place->known_at, 1);
    memmove(leaves + place->at, leaves + place->at + 1, (bucket->n - place->at - 1) * sizeof(*leaves));
    shorten(&shard->pool, bucket, bucket->n - 1);
    shard->count--;
}

enum slk_err slk_bucket_split(const struct slk_map *map, struct slk_shard *shard, struct slk_bucket *bucket,
    unsigned depth, struct slk_bucket halves[2])
{
    struct slk_leaf *leaves = slk_bucket_leaves(shard, bucket);
    uint32_t left = slk_bucket_middle(map, shard, leaves, 0, bucket->n, depth), right = bucket->n - left;

    halves[0] = *bucket;
    halves[1] = (struct slk_bucket){.block = bucket->block, .n = right};
    if (left == 0)
        halves[0].n = 0;
    if (left == 0 || right == 0)
        return SLK_OK;
    halves[1].block = take(&shard->pool, slk_leaf_pool_cap(right));
    if (halves[1].block == SLK_LEAF_POOL_NONE)
        return SLK_E_NOMEM;
    leaves = slk_bucket_leaves(shard, bucket);
    memcpy(slk_leaf_pool_at(&shard->pool, halves[1].block), leaves + left, right * sizeof(*leaves));
    shorten(&shard->pool, &halves[0], left);
    return SLK_OK;
}
