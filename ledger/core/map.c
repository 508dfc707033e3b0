/* map.c: the dense top of the map, growing, applying a block, walking. See map.h and map_private.h.
 *
 * Three facts keep it simple.
 *
 * 1. A dense node is one leaf's subtree exactly when one child is empty and the other child is equal to the node: a
 *    lifted leaf keeps its hash, and inner(x, 0) = x would be a fixed point of SHA-256. So no counts or flags are kept.
 * 2. Splitting a bucket changes no hash above it: growing never touches the root, and may happen at any time. Buckets are
 *    split one after the other, `frontier` says how far; each insert pays for a quarter of a split, no block for a doubling.
 * 3. A bucket's inner nodes are not kept: an update hashes about 6 nodes again and saves 32 bytes per credential.
 *    With 4 keys per bucket on average all takes 67 bytes per credential. 5 keys: 6 bytes less and 8 % fewer updates a
 *    second; 3 keys: 4 bytes more and 3 % more updates.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/map_private.h"
#include "ledger/core/multihash.h"

#define DEFAULT_DEPTH   10
#define CACHE_LINE      64    /* a pair of siblings */
#define BATCH           32    /* subtrees or nodes gathered before they are hashed */
#define PARALLEL_MIN    512   /* changes: below, threads cost more than they bring */
#define KEEP_CHANGES    65536 /* scratch for more is given back by the next small block */
#define PREFETCH_NODES  12
#define PREFETCH_LEAVES 20
#define PREFETCH_BUCKET 40
#define PREFETCH_UPDATE 64

/* ---- making and growing ---- */

static enum slk_err add_level(struct slk_map *map, unsigned depth)
{
    size_t bytes = ((size_t)1 << depth) * sizeof(struct slk_hash);
    size_t alignment = bytes >= SLK_HUGE_PAGE ? SLK_HUGE_PAGE : CACHE_LINE;
    uintptr_t at;

    assert(depth <= SLK_MAP_DEPTH_MAX && map->level[depth] == NULL);
    map->level_memory[depth] = calloc(1, bytes + alignment); /* zero pages: costs nothing until it is used */
    if (map->level_memory[depth] == NULL)
        return SLK_E_NOMEM;
    at = ((uintptr_t)map->level_memory[depth] + alignment - 1) & ~(uintptr_t)(alignment - 1);
    map->level[depth] = (struct slk_hash *)at;
    if (bytes >= SLK_HUGE_PAGE && map->advise != NULL)
        map->advise(map->level[depth], bytes);
    return SLK_OK;
}

static struct slk_bucket *new_buckets(const struct slk_map *map, size_t n)
{
    struct slk_bucket *buckets = calloc(n, sizeof(*buckets));

    if (buckets != NULL && map->advise != NULL)
        map->advise(buckets, n * sizeof(*buckets));
    return buckets;
}

/* The level below the buckets, where halves will hang. */
static enum slk_err add_frontier(struct slk_map *map)
{
    if (map->level[map->depth + 1] == NULL && add_level(map, map->depth + 1) != SLK_OK)
        return SLK_E_NOMEM;
    if (map->buckets[1] == NULL)
        map->buckets[1] = new_buckets(map, (size_t)2 << map->depth);
    return map->buckets[1] == NULL ? SLK_E_NOMEM : SLK_OK;
}

static void clear_top(struct slk_map *map)
{
    for (unsigned depth = 0; depth <= SLK_MAP_DEPTH_MAX; depth++) {
        free(map->level_memory[depth]);
        map->level_memory[depth] = NULL;
        map->level[depth] = NULL;
    }
    for (unsigned i = 0; i < 2; i++) {
        free(map->buckets[i]);
        map->buckets[i] = NULL;
    }
}

enum slk_err slk_map_reset(struct slk_map *map, uint64_t buckets_n)
{
    uint64_t most = (uint64_t)1 << map->depth_max;

    if (buckets_n < (uint64_t)1 << map->shard_bits)
        buckets_n = (uint64_t)1 << map->shard_bits;
    if (buckets_n > most)
        buckets_n = most;
    clear_top(map);
    for (unsigned i = 0; i < SLK_MAP_SHARDS_MAX; i++) {
        struct slk_shard *shard = &map->shards[i];

        slk_leaf_pool_close(&shard->pool);
        shard->known_n = 0;
        shard->count = 0;
        shard->done = 0;
    }
    map->depth = 63u - (unsigned)__builtin_clzll(buckets_n);
    map->frontier = 0;
    for (unsigned depth = 0; depth <= map->depth; depth++) {
        if (add_level(map, depth) != SLK_OK)
            return SLK_E_NOMEM;
    }
    map->buckets[0] = new_buckets(map, (size_t)1 << map->depth);
    if (map->buckets[0] == NULL)
        return SLK_E_NOMEM;
    if (buckets_n > (uint64_t)1 << map->depth && add_frontier(map) != SLK_OK)
        return SLK_E_NOMEM;
    map->frontier = (uint32_t)(buckets_n - ((uint64_t)1 << map->depth));
    return SLK_OK;
}

enum slk_err slk_map_new(struct slk_map **out, const struct slk_map_options *options)
{
    const struct slk_map_options defaults = {0};
    struct slk_map *map = calloc(1, sizeof(*map));
    unsigned min_depth, bits;

    *out = NULL;
    if (map == NULL)
        return SLK_E_NOMEM;
    if (options == NULL)
        options = &defaults;
    bits = options->fingerprint_bits == 0 ? SLK_MAP_FINGERPRINT_BITS : options->fingerprint_bits;
    min_depth = options->min_depth == 0 ? DEFAULT_DEPTH : options->min_depth;
    assert(bits <= SLK_MAP_FINGERPRINT_BITS);
    map->advise = options->advise;
    map->fingerprint_bits = bits;
    map->mask.hi = bits >= 64 ? UINT64_MAX : UINT64_MAX << (64 - bits);
    map->mask.low = bits <= 64 ? 0 : UINT64_MAX << (128 - bits);
    /* A bucket is split by a bit of the fingerprint: below the last one there is none. */
    map->depth_max = bits < SLK_MAP_DEPTH_MAX ? bits : SLK_MAP_DEPTH_MAX;
    min_depth = min_depth < map->depth_max ? min_depth : map->depth_max;
    map->shard_bits = min_depth < SLK_MAP_SHARD_BITS_MAX ? min_depth : SLK_MAP_SHARD_BITS_MAX;
    for (unsigned i = 0; i < SLK_MAP_SHARDS_MAX; i++)
        slk_leaf_pool_init(&map->shards[i].pool, options->leaf_bytes_max >> map->shard_bits, options->advise);
    if (slk_map_reset(map, (uint64_t)1 << min_depth) != SLK_OK) {
        slk_map_free(map);
        return SLK_E_NOMEM;
    }
    *out = map;
    return SLK_OK;
}

static void free_changes(struct slk_map *map)
{
    free(map->sorted);
    free(map->sorted_spare);
    free(map->undo);
    free(map->dirty);
    map->sorted = map->sorted_spare = NULL;
    map->undo = NULL;
    map->dirty = NULL;
    map->changes_cap = 0;
}

void slk_map_free(struct slk_map *map)
{
    if (map == NULL)
        return;
    clear_top(map);
    for (unsigned i = 0; i < SLK_MAP_SHARDS_MAX; i++) {
        slk_leaf_pool_close(&map->shards[i].pool);
        free(map->shards[i].known);
    }
    free_changes(map);
    free(map);
}

uint64_t slk_map_count(const struct slk_map *map)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < SLK_MAP_SHARDS_MAX; i++)
        count += map->shards[i].count;
    return count;
}

/* Levels and buckets below the frontier are counted as far as they are in use: the rest is address space only. */
uint64_t slk_map_memory(const struct slk_map *map)
{
    uint64_t buckets_n = ((uint64_t)1 << map->depth) + map->frontier;
    uint64_t bytes = sizeof(*map) + 2 * buckets_n * sizeof(struct slk_hash);

    bytes += (((uint64_t)1 << map->depth) + 2 * (uint64_t)map->frontier) * sizeof(struct slk_bucket);
    bytes += map->changes_cap * (2 * sizeof(*map->sorted) + sizeof(*map->undo) + sizeof(*map->dirty));
    for (unsigned i = 0; i < SLK_MAP_SHARDS_MAX; i++) {
        const struct slk_shard *shard = &map->shards[i];

        bytes += slk_leaf_pool_bytes(&shard->pool) + shard->known_cap * sizeof(shard->known[0]);
    }
    return bytes;
}

/* All buckets hang one level deeper now. */
static void close_frontier(struct slk_map *map)
{
    free(map->buckets[0]);
    map->buckets[0] = map->buckets[1];
    map->buckets[1] = NULL;
    map->frontier = 0;
    map->depth++;
}

/* Splits the bucket at the frontier; the two halves go to `subtrees`, to be hashed. */
static enum slk_err split_next(struct slk_map *map, struct slk_subtree subtrees[2])
{
    uint32_t shard_at = map->frontier & ((1u << map->shard_bits) - 1);
    uint32_t prefix = shard_at << (map->depth - map->shard_bits) | map->frontier >> map->shard_bits;
    struct slk_shard *shard = slk_shard_of(map, (uint64_t)prefix << (64 - map->depth));
    struct slk_bucket *halves = &map->buckets[1][2 * (size_t)prefix];

    if (slk_bucket_split(map, shard, &map->buckets[0][prefix], map->depth, halves) != SLK_OK)
        return SLK_E_NOMEM;
    for (unsigned i = 0; i < 2; i++) {
        subtrees[i] = (struct slk_subtree){.shard = shard,
            .leaves = slk_bucket_leaves(shard, &halves[i]),
            .to = halves[i].n,
            .depth = map->depth + 1,
            .out = &map->level[map->depth + 1][2 * (size_t)prefix + i]};
    }
    map->frontier++;
    return SLK_OK;
}

void slk_map_grow(struct slk_map *map, uint64_t count)
{
    struct slk_subtree subtrees[2 * BATCH];
    size_t n = 0;

    for (;;) {
        uint64_t buckets_n = ((uint64_t)1 << map->depth) + map->frontier;
        bool more = count / SLK_MAP_BUCKET_LOAD > buckets_n && map->depth < map->depth_max;

        /* Too little memory is no failure: longer buckets only cost time. */
        if (more)
            more = add_frontier(map) == SLK_OK && split_next(map, &subtrees[n]) == SLK_OK;
        if (more)
            n += 2;
        if (n == 2 * BATCH || !more || map->frontier == 1u << map->depth) {
            if (!map->stale)
                slk_subtree_hash(map, subtrees, n);
            n = 0;
        }
        if (map->frontier == 1u << map->depth)
            close_frontier(map);
        if (!more)
            return;
    }
}

/* ---- dense nodes ---- */

static inline bool is_zero(const struct slk_hash *hash)
{
    uint64_t head;

    memcpy(&head, hash->b, sizeof(head));
    return head == 0 && slk_hash_is_zero(hash);
}

static bool is_bucket(const struct slk_map *map, struct slk_spot spot)
{
    return spot.depth > map->depth || (spot.depth == map->depth && !slk_is_split(map, spot.prefix));
}

/* The child that is not empty when the other one is; NULL when both are alike. */
static const struct slk_hash *only_child(const struct slk_map *map, struct slk_spot spot, unsigned *bit)
{
    const struct slk_hash *pair = &map->level[spot.depth + 1][2 * (size_t)spot.prefix];
    bool left = !is_zero(&pair[0]), right = !is_zero(&pair[1]);

    *bit = right;
    return left == right ? NULL : &pair[right];
}

/* Does this subtree, which is not empty, hold exactly one leaf? (Fact 1 at the head of this file.) */
static bool is_lone(const struct slk_map *map, struct slk_spot spot)
{
    const struct slk_hash *child;
    unsigned bit;

    if (is_bucket(map, spot))
        return slk_bucket_at(map, spot)->n == 1;
    child = only_child(map, spot, &bit);
    return child != NULL && slk_hash_equal(child, &map->level[spot.depth][spot.prefix]);
}

/* Decides one node: true when it must be hashed from its children, else it is set here. */
static bool must_hash(struct slk_map *map, struct slk_spot spot)
{
    const struct slk_hash *pair = &map->level[spot.depth + 1][2 * (size_t)spot.prefix];
    struct slk_hash *out = &map->level[spot.depth][spot.prefix];
    const struct slk_hash *child;
    unsigned bit;

    if (!is_zero(&pair[0]) && !is_zero(&pair[1]))
        return true;
    child = only_child(map, spot, &bit);
    if (child == NULL) {
        *out = slk_hash_zero;
        return false;
    }
    if (!is_lone(map, (struct slk_spot){.depth = spot.depth + 1, .prefix = 2 * spot.prefix + bit}))
        return true;
    *out = *child;
    return false;
}

void slk_map_combine(struct slk_map *map, unsigned depth, const uint32_t *list, uint32_t first, size_t n)
{
    struct slk_hash *out[BATCH];
    const struct slk_hash *pairs[BATCH];
    size_t gathered = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t prefix = list != NULL ? list[i] : first + (uint32_t)i;

        if (list != NULL && i + PREFETCH_NODES < n) {
            __builtin_prefetch(&map->level[depth][list[i + PREFETCH_NODES]], 1);
            __builtin_prefetch(&map->level[depth + 1][2 * (size_t)list[i + PREFETCH_NODES]]);
        }
        if (must_hash(map, (struct slk_spot){.depth = depth, .prefix = prefix})) {
            out[gathered] = &map->level[depth][prefix];
            pairs[gathered++] = &map->level[depth + 1][2 * (size_t)prefix];
        }
        if (gathered == BATCH || i + 1 == n) {
            slk_multihash_nodes_at(out, pairs, gathered);
            gathered = 0;
        }
    }
}

/* list[n], ascending prefixes of one level, become the prefixes of the level above. Returns how many. */
static size_t list_parents(uint32_t *list, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || list[kept - 1] != list[i] / 2)
            list[kept++] = list[i] / 2;
    }
    return kept;
}

/* Computes the nodes above the dirty buckets list[n] (ascending by path), up to the shard's own node. */
static void climb(struct slk_map *map, uint32_t *list, size_t n, size_t deeper_n)
{
    assert(list != NULL && deeper_n <= n);
    size_t up =
        list_parents(list, deeper_n); /* split buckets hang one level deeper and come first in a shard */

    slk_map_combine(map, map->depth, list, 0, up);
    memmove(list + up, list + deeper_n, (n - deeper_n) * sizeof(*list));
    n = up + n - deeper_n;
    for (unsigned depth = map->depth; depth-- > map->shard_bits;) {
        n = list_parents(list, n);
        slk_map_combine(map, depth, list, 0, n);
    }
}

static void join_shards(struct slk_map *map)
{
    for (unsigned depth = map->shard_bits; depth-- > 0;)
        slk_map_combine(map, depth, NULL, 0, (size_t)1 << depth);
}

void slk_map_root(const struct slk_map *map, struct slk_hash *out)
{
    assert(!map->stale);
    *out = map->level[0][0];
}

/* ---- applying a block ---- */

static enum slk_err reserve_changes(struct slk_map *map, size_t n)
{
    if (n <= map->changes_cap && (map->changes_cap <= KEEP_CHANGES || n > map->changes_cap / 4))
        return SLK_OK;
    free_changes(map);
    assert(n > 0); /* a map without room has a capacity of 0 */
    map->sorted = calloc(n, sizeof(*map->sorted));
    map->sorted_spare = calloc(n, sizeof(*map->sorted_spare));
    map->undo = calloc(n, sizeof(*map->undo));
    map->dirty = calloc(n, sizeof(*map->dirty));
    if (map->sorted == NULL || map->sorted_spare == NULL || map->undo == NULL || map->dirty == NULL) {
        free_changes(map);
        return SLK_E_NOMEM;
    }
    map->changes_cap = n;
    return SLK_OK;
}

/* One pass of a radix sort: by one byte of hi. */
static void sort_by_byte(const struct slk_sorted *from, struct slk_sorted *to, size_t n, unsigned shift)
{
    size_t starts[256] = {0}, at = 0;

    for (size_t i = 0; i < n; i++)
        starts[from[i].hi >> shift & 255]++;
    for (size_t i = 0; i < 256; i++) {
        size_t count = starts[i];

        starts[i] = at;
        at += count;
    }
    for (size_t i = 0; i < n; i++)
        to[starts[from[i].hi >> shift & 255]++] = from[i];
}

/* The updates by path. The top 32 bits by radix; what they leave open, next to nothing, by insertion. */
static void sort_changes(struct slk_map *map, const struct slk_map_update *updates, size_t n)
{
    for (size_t i = 0; i < n; i++)
        map->sorted[i] = (struct slk_sorted){.hi = slk_get_u64(updates[i].path.b), .index = i};
    for (unsigned shift = 32; shift < 64 && n > BATCH; shift += 8) {
        struct slk_sorted *sorted = map->sorted_spare;

        sort_by_byte(map->sorted, sorted, n, shift);
        map->sorted_spare = map->sorted;
        map->sorted = sorted;
    }
    for (size_t i = 1; i < n; i++) {
        struct slk_sorted moving = map->sorted[i];
        const struct slk_hash *path = &updates[moving.index].path;
        size_t at = i;

        for (; at > 0 && map->sorted[at - 1].hi >= moving.hi; at--) {
            int order = memcmp(updates[map->sorted[at - 1].index].path.b, path->b, SLK_HASH_SIZE);

            assert(order != 0); /* one update per path */
            if (order < 0)
                break;
            map->sorted[at] = map->sorted[at - 1];
        }
        map->sorted[at] = moving;
    }
}

/* Gives each shard its part of the sorted changes. */
static void deal_changes(struct slk_map *map, size_t n)
{
    size_t at = 0;

    for (unsigned i = 0; i < 1u << map->shard_bits; i++) {
        struct slk_shard *shard = &map->shards[i];

        shard->first = at;
        while (at < n && map->sorted[at].hi >> (64 - map->shard_bits) == i)
            at++;
        shard->n = at - shard->first;
        shard->done = 0;
        shard->dirty_n = 0;
        shard->err = SLK_OK;
    }
    assert(at == n);
}

struct round {
    struct slk_map *map;
    const struct slk_map_update *updates; /* NULL: take the last ones back */
};

static enum slk_err change(
    const struct round *round, struct slk_shard *shard, struct slk_bucket *bucket, size_t at)
{
    struct slk_map *map = round->map;
    const struct slk_map_update *update = &round->updates[map->sorted[at].index];
    struct slk_place place = slk_bucket_find(map, shard, bucket, &update->path);
    struct slk_undo *undo = &map->undo[at];
    const struct slk_hash *rival = update->rival;
    struct slk_leaf *leaf;

    undo->path = update->path;
    undo->row = SLK_MAP_ROW_NONE;
    if (update->old_row == SLK_MAP_ROW_NONE) {
        /* A leaf that shares our fingerprint and came earlier in this very block: its path is known from there. */
        if (place.run_n == 1 && rival == NULL && at > shard->first)
            rival = &map->undo[at - 1].path;
        assert(place.run_n < 2 ? !place.found || rival != NULL : !place.found);
        return slk_bucket_insert(map, shard, bucket, &place, update, rival);
    }
    assert(place.found && update->row <= SLK_MAP_ROW_MAX && !slk_hash_is_zero(&update->leaf));
    leaf = slk_bucket_leaves(shard, bucket) + place.at;
    assert(slk_leaf_row(leaf) == update->old_row);
    undo->leaf = leaf->hash;
    undo->row = update->old_row;
    leaf->hash = update->leaf;
    leaf->meta = slk_leaf_low(leaf) | update->row;
    return SLK_OK;
}

static void change_back(
    const struct slk_map *map, struct slk_shard *shard, struct slk_bucket *bucket, size_t at)
{
    const struct slk_undo *undo = &map->undo[at];
    struct slk_place place = slk_bucket_find(map, shard, bucket, &undo->path);
    struct slk_leaf *leaf;

    assert(place.found);
    if (undo->row == SLK_MAP_ROW_NONE) {
        slk_bucket_remove(shard, bucket, &place);
        return;
    }
    leaf = slk_bucket_leaves(shard, bucket) + place.at;
    leaf->hash = undo->leaf;
    leaf->meta = slk_leaf_low(leaf) | undo->row;
}

/* Starts loading what the changes ahead will need. */
static void look_ahead(const struct round *round, const struct slk_shard *shard, size_t at)
{
    const struct slk_map *map = round->map;
    size_t end = shard->first + shard->n;

    if (round->updates != NULL && at + PREFETCH_UPDATE < end) {
        const char *update = (const char *)&round->updates[map->sorted[at + PREFETCH_UPDATE].index];

        __builtin_prefetch(update);
        __builtin_prefetch(update + CACHE_LINE);
    }
    if (at + PREFETCH_BUCKET < end) {
        struct slk_spot spot = slk_spot_of(map, map->sorted[at + PREFETCH_BUCKET].hi);

        __builtin_prefetch(slk_bucket_at(map, spot));
        __builtin_prefetch(&map->level[spot.depth][spot.prefix], 1);
    }
    if (at + PREFETCH_LEAVES < end) {
        struct slk_spot spot = slk_spot_of(map, map->sorted[at + PREFETCH_LEAVES].hi);
        const struct slk_bucket *bucket = slk_bucket_at(map, spot);
        const char *leaves = (const char *)slk_bucket_leaves(shard, bucket);

        for (size_t i = 0; i < bucket->n * sizeof(struct slk_leaf) && i < 8 * CACHE_LINE; i += CACHE_LINE)
            __builtin_prefetch(leaves + i);
    }
}

/* All changes of one bucket, from `at` on; returns the first one of another bucket. Stops early out of memory. */
static size_t change_bucket(
    const struct round *round, struct slk_shard *shard, struct slk_spot spot, size_t at)
{
    struct slk_map *map = round->map;
    struct slk_bucket *bucket = slk_bucket_at(map, spot);
    size_t end = shard->first + (round->updates != NULL ? shard->n : shard->done);

    for (; at < end && map->sorted[at].hi >> (64 - spot.depth) == spot.prefix; at++) {
        look_ahead(round, shard, at);
        if (round->updates == NULL) {
            change_back(map, shard, bucket, at);
            continue;
        }
        shard->err = change(round, shard, bucket, at);
        if (shard->err != SLK_OK)
            break;
        shard->done++;
    }
    return at;
}

/* A shard's part of a round: buckets changed and hashed a batch at a time, then the nodes above them. */
static void run_shard(void *arg, size_t i)
{
    const struct round *round = arg;
    struct slk_map *map = round->map;
    struct slk_shard *shard = &map->shards[i];
    struct slk_subtree subtrees[BATCH];
    uint32_t *dirty = map->dirty == NULL ? NULL : map->dirty + shard->first;
    size_t at = shard->first, n = 0, dirty_n = 0, deeper_n = 0;
    size_t end = at + (round->updates != NULL ? shard->n : shard->done);

    if (at == end)
        return;
    assert(dirty != NULL);
    while (at < end && shard->err == SLK_OK) {
        struct slk_spot spot = slk_spot_of(map, map->sorted[at].hi);
        const struct slk_bucket *bucket = slk_bucket_at(map, spot);

        at = change_bucket(round, shard, spot, at);
        dirty[dirty_n++] = spot.prefix;
        deeper_n += spot.depth > map->depth;
        subtrees[n++] = (struct slk_subtree){.shard = shard,
            .leaves = slk_bucket_leaves(shard, bucket),
            .to = bucket->n,
            .depth = spot.depth,
            .out = &map->level[spot.depth][spot.prefix]};
        if (n == BATCH || at >= end || shard->err != SLK_OK) {
            slk_subtree_hash(map, subtrees, n);
            n = 0;
        }
    }
    climb(map, dirty, dirty_n, deeper_n);
}

static void run_round(const struct round *round, size_t n, const struct slk_par *par)
{
    struct round copy = *round;

    slk_par_run(n >= PARALLEL_MIN ? par : NULL, run_shard, &copy, (size_t)1 << round->map->shard_bits);
    join_shards(round->map);
}

enum slk_err slk_map_apply(
    struct slk_map *map, const struct slk_map_update *updates, size_t n, const struct slk_par *par)
{
    struct round round = {.map = map, .updates = updates};
    uint64_t count = slk_map_count(map);
    enum slk_err err = SLK_OK;

    assert(!map->stale);
    map->revertible = false;
    for (size_t i = 0; i < n; i++)
        count += updates[i].old_row == SLK_MAP_ROW_NONE;
    if (reserve_changes(map, n) != SLK_OK)
        return SLK_E_NOMEM;
    slk_map_grow(map, count);
    sort_changes(map, updates, n);
    deal_changes(map, n);
    run_round(&round, n, par);
    map->revertible = true;
    for (unsigned i = 0; i < 1u << map->shard_bits; i++) {
        if (map->shards[i].err != SLK_OK)
            err = map->shards[i].err;
    }
    if (err != SLK_OK)
        slk_map_revert(map, par);
    return err;
}

void slk_map_revert(struct slk_map *map, const struct slk_par *par)
{
    struct round round = {.map = map};
    size_t n = 0;

    assert(map->revertible && !map->stale);
    map->revertible = false;
    for (unsigned i = 0; i < 1u << map->shard_bits; i++) {
        map->shards[i].err = SLK_OK;
        n += map->shards[i].done;
    }
    run_round(&round, n, par);
}

/* ---- reading ---- */

void slk_map_prefetch(const struct slk_map *map, const struct slk_hash *path)
{
    __builtin_prefetch(slk_bucket_at(map, slk_spot_of(map, slk_get_u64(path->b))));
}

bool slk_map_find(const struct slk_map *map, const struct slk_hash *path, struct slk_map_found *out)
{
    uint64_t hi = slk_get_u64(path->b);
    const struct slk_shard *shard = slk_shard_of(map, hi);
    const struct slk_bucket *bucket = slk_bucket_at(map, slk_spot_of(map, hi));
    struct slk_place place = slk_bucket_find(map, shard, bucket, path);
    const struct slk_leaf *leaf;

    if (!place.found)
        return false;
    leaf = slk_bucket_leaves(shard, bucket) + place.at;
    out->row = slk_leaf_row(leaf);
    out->leaf = leaf->hash;
    out->certain = place.certain;
    return true;
}

/* Where a walk ended: leaves [from, to) of a bucket, or a dense node with two leaves or more when `dense`. */
struct landing {
    struct slk_spot spot;
    bool dense;
    const struct slk_shard *shard;
    const struct slk_leaf *leaves;
    uint32_t from, to;
};

static void land_in_bucket(const struct slk_map *map, struct slk_spot spot, struct landing *out)
{
    const struct slk_bucket *bucket = slk_bucket_at(map, spot);

    assert(spot.depth > 0 && spot.depth < 64);
    out->spot = spot;
    out->dense = false;
    out->shard = slk_shard_of(map, (uint64_t)spot.prefix << (64 - spot.depth));
    out->leaves = slk_bucket_leaves(out->shard, bucket);
    out->from = 0;
    out->to = bucket->n;
}

/* Down the dense levels; true when the walk ended there (at an empty subtree, a lone leaf, or `limit`). */
static bool walk_dense(const struct slk_map *map, const struct slk_hash *path, unsigned limit,
    struct slk_spot bottom, struct slk_map_walk *walk, struct landing *out)
{
    struct slk_spot spot = {0};
    unsigned bit;

    for (; spot.depth < bottom.depth; walk->n = spot.depth) {
        const struct slk_hash *pair = &map->level[spot.depth + 1][2 * (size_t)spot.prefix];

        *out = (struct landing){.spot = spot, .dense = true};
        if (is_zero(&map->level[spot.depth][spot.prefix])) {
            out->dense = false; /* no leaf: from == to */
            return true;
        }
        if (is_lone(map, spot)) {
            while (!is_bucket(map, spot)) {
                (void)only_child(map, spot, &bit);
                spot = (struct slk_spot){.depth = spot.depth + 1, .prefix = 2 * spot.prefix + bit};
            }
            land_in_bucket(map, spot, out);
            return true;
        }
        if (spot.depth == limit)
            return true;
        bit = slk_path_bit(path, spot.depth);
        walk->siblings[spot.depth] = pair[bit ^ 1];
        spot = (struct slk_spot){.depth = spot.depth + 1, .prefix = 2 * spot.prefix + bit};
    }
    return false;
}

/* Walks towards `path`, at most `limit` levels, and stops as soon as one leaf or none is left. */
static void walk_down(const struct slk_map *map, const struct slk_hash *path, unsigned limit,
    struct slk_map_walk *walk, struct landing *out)
{
    struct slk_subtree siblings[SLK_MAP_DEPTH];
    struct slk_spot bottom = slk_spot_of(map, slk_get_u64(path->b));
    size_t n = 0;

    assert(!map->stale);
    for (unsigned up = 0; up < bottom.depth; up++)
        __builtin_prefetch(&map->level[bottom.depth - up][bottom.prefix >> up]);
    __builtin_prefetch(slk_bucket_at(map, bottom));
    walk->n = 0;
    if (walk_dense(map, path, limit, bottom, walk, out))
        return;
    land_in_bucket(map, bottom, out);
    while (out->to - out->from > 1 && walk->n < limit) {
        uint32_t middle = slk_bucket_middle(map, out->shard, out->leaves, out->from, out->to, walk->n);
        bool right = slk_path_bit(path, walk->n) != 0;

        siblings[n++] = (struct slk_subtree){.shard = out->shard,
            .leaves = out->leaves,
            .from = right ? out->from : middle,
            .to = right ? middle : out->to,
            .depth = walk->n + 1,
            .out = &walk->siblings[walk->n]};
        out->from = right ? middle : out->from;
        out->to = right ? out->to : middle;
        walk->n++;
    }
    slk_subtree_hash(map, siblings, n);
}

void slk_map_walk(const struct slk_map *map, const struct slk_hash *path, struct slk_map_walk *out)
{
    struct slk_bucket bucket;
    struct slk_place place;
    struct landing landing;

    walk_down(map, path, SLK_MAP_DEPTH, out, &landing);
    assert(!landing.dense && landing.to - landing.from <= 1);
    out->end = SLK_MAP_EMPTY;
    out->row = SLK_MAP_ROW_NONE;
    if (landing.from == landing.to)
        return;
    bucket = *slk_bucket_at(map, landing.spot);
    place = slk_bucket_find(map, landing.shard, &bucket, path);
    out->end = place.found ? SLK_MAP_RECORD : SLK_MAP_OTHER;
    assert(!place.found || place.at == landing.from);
    out->row = slk_leaf_row(&landing.leaves[landing.from]);
}

static enum slk_err add_rows(
    const struct slk_leaf *leaves, uint32_t from, uint32_t to, uint64_t *rows, size_t cap_n, size_t *rows_n)
{
    if (to - from > cap_n - *rows_n)
        return SLK_E_TOO_LARGE;
    for (uint32_t i = from; i < to; i++)
        rows[(*rows_n)++] = slk_leaf_row(&leaves[i]);
    return SLK_OK;
}

/* Rows of all buckets below a dense node, in path order. */
static enum slk_err rows_below(
    const struct slk_map *map, struct slk_spot spot, uint64_t *rows, size_t cap_n, size_t *rows_n)
{
    uint64_t at = spot.depth == 0 ? 0 : (uint64_t)spot.prefix << (64 - spot.depth);
    uint64_t last = spot.depth == 0 ? UINT64_MAX : at | UINT64_MAX >> spot.depth;
    struct landing landing;
    enum slk_err err;

    for (;;) {
        struct slk_spot bucket = slk_spot_of(map, at);

        land_in_bucket(map, bucket, &landing);
        err = add_rows(landing.leaves, landing.from, landing.to, rows, cap_n, rows_n);
        at |= UINT64_MAX >> bucket.depth;
        if (err != SLK_OK || at == last)
            return err;
        at++;
    }
}

enum slk_err slk_map_crowd(const struct slk_map *map, const uint8_t *prefix, unsigned bits,
    struct slk_map_walk *walk, uint64_t *rows, size_t cap_n, size_t *rows_n)
{
    struct slk_hash path = {{0}};
    struct landing landing;
    enum slk_err err;

    assert(bits <= SLK_MAP_DEPTH);
    if (bits > 0)
        memcpy(path.b, prefix, (bits + 7) / 8);
    if (bits % 8 != 0)
        path.b[bits / 8] &= (uint8_t)(0xff00u >> bits % 8);
    *rows_n = 0;
    walk_down(map, &path, bits, walk, &landing);
    walk->end = SLK_MAP_EMPTY;
    walk->row = SLK_MAP_ROW_NONE;
    if (landing.dense)
        err = rows_below(map, landing.spot, rows, cap_n, rows_n);
    else
        err = add_rows(landing.leaves, landing.from, landing.to, rows, cap_n, rows_n);
    if (err != SLK_OK)
        *rows_n = 0;
    return err;
}
