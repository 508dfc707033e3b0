/* map_snapshot.c: the map's leaves as bytes and back, and everything that puts leaves in without hashing.
 *
 * A partition, big-endian:
 *
 *   u32 n          leaves
 *   u32 known_n    full paths of leaves whose fingerprints collide
 *   n times        u64 + u24 fingerprint (zero beyond the map's fingerprint bits) || u40 row || leaf hash[32]
 *   known_n times  path[32]
 *
 * Leaves and paths ascend. A leaf belongs to the partition of its fingerprint's top bits. Little of it is trusted on
 * the way back: it must be a partition in shape; whether its content is right, the root tells.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/map_private.h"

#define HEADER_SIZE      8
#define HASH_AT          16
#define PARTITION_OF(hi) ((unsigned)((hi) >> (64 - SLK_MAP_PARTITION_BITS)))
#define REBUILD_BATCH    64

static_assert(HASH_AT + SLK_HASH_SIZE == SLK_MAP_ROW_BYTES, "fingerprint, row, hash");

/* ---- walking over a partition ---- */

/* The leaves of the bucket at path bits `hi` that belong to the partition: [from, to) of `leaves`. */
struct piece {
    const struct slk_leaf *leaves;
    uint32_t from, to;
    uint64_t next; /* path bits where the next bucket begins; 0 after the last one */
};

static struct piece piece_at(const struct slk_map *map, unsigned partition, uint64_t hi)
{
    struct slk_spot spot = slk_spot_of(map, hi);
    const struct slk_bucket *bucket = slk_bucket_at(map, spot);
    struct piece piece = {.leaves = slk_bucket_leaves(slk_shard_of(map, hi), bucket)};

    while (piece.from < bucket->n && PARTITION_OF(piece.leaves[piece.from].hi) < partition)
        piece.from++;
    for (piece.to = piece.from; piece.to < bucket->n && PARTITION_OF(piece.leaves[piece.to].hi) == partition;)
        piece.to++;
    piece.next = (hi | UINT64_MAX >> spot.depth) + 1;
    return piece;
}

static uint64_t partition_start(unsigned partition)
{
    assert(partition < SLK_MAP_PARTITIONS);
    return (uint64_t)partition << (64 - SLK_MAP_PARTITION_BITS);
}

static bool goes_on(const struct piece *piece, unsigned partition)
{
    return piece->next != 0 && PARTITION_OF(piece->next) == partition;
}

static uint32_t partition_leaves(const struct slk_map *map, unsigned partition)
{
    struct piece piece = {.next = partition_start(partition)};
    uint64_t n = 0;

    do {
        piece = piece_at(map, partition, piece.next);
        n += piece.to - piece.from;
    } while (goes_on(&piece, partition));
    assert(n <= UINT32_MAX);
    return (uint32_t)n;
}

/* The partition's known paths are neighbours: [*first, *first + n) of its shard's. */
static uint32_t partition_known(const struct slk_map *map, unsigned partition, size_t *first)
{
    uint64_t start = partition_start(partition);
    const struct slk_shard *shard = slk_shard_of(map, start);
    size_t at = slk_known_first(map, shard, (struct slk_fingerprint){.hi = start});

    *first = at;
    while (at < shard->known_n && PARTITION_OF(slk_fingerprint_of(map, &shard->known[at]).hi) == partition)
        at++;
    assert(at - *first <= UINT32_MAX);
    return (uint32_t)(at - *first);
}

/* ---- out ---- */

size_t slk_map_export_size(const struct slk_map *map, unsigned partition)
{
    size_t first;
    size_t known_n = partition_known(map, partition, &first);

    return HEADER_SIZE + (size_t)partition_leaves(map, partition) * SLK_MAP_ROW_BYTES +
           known_n * SLK_HASH_SIZE;
}

static void put_leaf(uint8_t *out, const struct slk_leaf *leaf)
{
    /* meta is 24 path bits and the 40-bit row, as they stand in the format. */
    slk_put_u64(out, leaf->hi);
    slk_put_u64(out + 8, leaf->meta);
    memcpy(out + HASH_AT, leaf->hash.b, SLK_HASH_SIZE);
}

size_t slk_map_export(const struct slk_map *map, unsigned partition, uint8_t *out, size_t cap)
{
    struct piece piece = {.next = partition_start(partition)};
    const struct slk_shard *shard = slk_shard_of(map, piece.next);
    size_t first, used = HEADER_SIZE;
    uint32_t known_n = partition_known(map, partition, &first), n = 0;

    if (cap < HEADER_SIZE)
        return 0;
    do {
        piece = piece_at(map, partition, piece.next);
        for (uint32_t i = piece.from; i < piece.to; i++, n++, used += SLK_MAP_ROW_BYTES) {
            if (cap - used < SLK_MAP_ROW_BYTES)
                return 0;
            put_leaf(out + used, &piece.leaves[i]);
        }
    } while (goes_on(&piece, partition));
    if ((cap - used) / SLK_HASH_SIZE < known_n)
        return 0;
    if (known_n > 0)
        memcpy(out + used, &shard->known[first], known_n * sizeof(shard->known[0]));
    slk_put_u32(out, n);
    slk_put_u32(out + 4, known_n);
    return used + known_n * SLK_HASH_SIZE;
}

/* ---- in ---- */

enum slk_err slk_map_import_begin(struct slk_map *map, uint64_t expected_n)
{
    uint64_t buckets_n = expected_n / SLK_MAP_BUCKET_LOAD + 1,
             now = ((uint64_t)1 << map->depth) + map->frontier;

    assert(slk_map_count(map) == 0);
    map->revertible = false;
    map->stale = true;
    memset(map->imported, 0, sizeof(map->imported));
    return slk_map_reset(map, buckets_n > now ? buckets_n : now);
}

struct import {
    struct slk_map *map;
    unsigned partition;
    const uint8_t *leaves; /* n */
    uint32_t n;
    const uint8_t *known; /* known_n */
    uint32_t known_n;
};

static struct slk_leaf get_leaf(const uint8_t *at)
{
    struct slk_leaf leaf = {.hi = slk_get_u64(at), .meta = slk_get_u64(at + 8)};

    memcpy(leaf.hash.b, at + HASH_AT, SLK_HASH_SIZE);
    return leaf;
}

static struct slk_hash get_known(const struct import *import, uint32_t i)
{
    struct slk_hash path;

    memcpy(path.b, import->known + (size_t)i * SLK_HASH_SIZE, SLK_HASH_SIZE);
    return path;
}

/* Each leaf of a run must have the next known path; a leaf of its own none. */
static bool run_is_known(
    const struct import *import, const struct slk_leaf *leaf, uint32_t run_n, uint32_t *known_at)
{
    if (run_n < 2)
        return true;
    if (run_n > import->known_n - *known_at)
        return false;
    for (uint32_t i = 0; i < run_n; i++, (*known_at)++) {
        struct slk_hash path = get_known(import, *known_at), before;
        struct slk_fingerprint fingerprint = slk_fingerprint_of(import->map, &path);

        if (fingerprint.hi != leaf->hi || fingerprint.low != slk_leaf_low(leaf))
            return false;
        if (i == 0)
            continue;
        before = get_known(import, *known_at - 1);
        if (memcmp(before.b, path.b, SLK_HASH_SIZE) >= 0)
            return false;
    }
    return true;
}

static bool leaf_is_sound(const struct import *import, const struct slk_leaf *leaf)
{
    const struct slk_map *map = import->map;

    return (leaf->hi & ~map->mask.hi) == 0 && (slk_leaf_low(leaf) & ~map->mask.low) == 0 &&
           PARTITION_OF(leaf->hi) == import->partition && slk_leaf_row(leaf) <= SLK_MAP_ROW_MAX &&
           !slk_hash_is_zero(&leaf->hash);
}

/* A partition in shape: before anything of it is put into the map. */
static bool import_is_sound(const struct import *import)
{
    struct slk_leaf run = {0};
    uint32_t run_n = 0, known_at = 0;

    for (uint32_t i = 0; i < import->n; i++) {
        struct slk_leaf leaf = get_leaf(import->leaves + (size_t)i * SLK_MAP_ROW_BYTES);
        bool same = run_n > 0 && leaf.hi == run.hi && slk_leaf_low(&leaf) == slk_leaf_low(&run);

        if (!leaf_is_sound(import, &leaf))
            return false;
        if (same) {
            run_n++;
            continue;
        }
        if (run_n > 0 &&
            (leaf.hi < run.hi || (leaf.hi == run.hi && slk_leaf_low(&leaf) < slk_leaf_low(&run))))
            return false;
        if (!run_is_known(import, &run, run_n, &known_at))
            return false;
        run = leaf;
        run_n = 1;
    }
    return run_is_known(import, &run, run_n, &known_at) && known_at == import->known_n;
}

static enum slk_err import_known(const struct import *import, struct slk_shard *shard)
{
    struct slk_fingerprint start = {.hi = partition_start(import->partition)};
    size_t at = slk_known_first(import->map, shard, start);

    if (import->known_n == 0)
        return SLK_OK;
    if (slk_known_reserve(shard, import->known_n) != SLK_OK)
        return SLK_E_NOMEM;
    memmove(&shard->known[at + import->known_n], &shard->known[at],
        (shard->known_n - at) * sizeof(shard->known[0]));
    memcpy(&shard->known[at], import->known, (size_t)import->known_n * sizeof(shard->known[0]));
    shard->known_n += import->known_n;
    return SLK_OK;
}

/* The leaves, one bucket after the other. A bucket may hold leaves of other partitions when D is small. */
static enum slk_err import_leaves(const struct import *import, struct slk_shard *shard)
{
    struct slk_leaf some[REBUILD_BATCH];
    uint32_t at = 0;

    while (at < import->n) {
        struct slk_spot spot = {0};
        struct slk_bucket *bucket;
        uint32_t n = 0, place = 0;

        while (n < REBUILD_BATCH && at < import->n) {
            some[n] = get_leaf(import->leaves + (size_t)at * SLK_MAP_ROW_BYTES);
            if (n == 0)
                spot = slk_spot_of(import->map, some[0].hi);
            else if (some[n].hi >> (64 - spot.depth) != spot.prefix)
                break;
            n++;
            at++;
        }
        bucket = slk_bucket_at(import->map, spot);
        for (const struct slk_leaf *leaves = slk_bucket_leaves(shard, bucket); place < bucket->n; place++) {
            if (PARTITION_OF(leaves[place].hi) > import->partition)
                break;
        }
        if (slk_bucket_insert_n(shard, bucket, place, some, n) != SLK_OK)
            return SLK_E_NOMEM;
    }
    return SLK_OK;
}

enum slk_err slk_map_import(struct slk_map *map, unsigned partition, const uint8_t *bytes, size_t size)
{
    struct import import = {.map = map, .partition = partition};
    struct slk_shard *shard = slk_shard_of(map, partition_start(partition));
    uint64_t bit = (uint64_t)1 << partition % 64;
    size_t rest;

    assert(map->stale);
    if ((map->imported[partition / 64] & bit) != 0 || partition_leaves(map, partition) != 0 ||
        size < HEADER_SIZE)
        return SLK_E_CORRUPT;
    import.n = slk_get_u32(bytes);
    import.known_n = slk_get_u32(bytes + 4);
    import.leaves = bytes + HEADER_SIZE;
    rest = size - HEADER_SIZE;
    if (import.n > rest / SLK_MAP_ROW_BYTES)
        return SLK_E_CORRUPT;
    rest -= (size_t)import.n * SLK_MAP_ROW_BYTES;
    import.known = bytes + (size - rest);
    if (rest % SLK_HASH_SIZE != 0 || rest / SLK_HASH_SIZE != import.known_n || !import_is_sound(&import))
        return SLK_E_CORRUPT;
    map->imported[partition / 64] |= bit;
    slk_map_grow(map, slk_map_count(map) + import.n);
    if (import_known(&import, shard) != SLK_OK)
        return SLK_E_NOMEM;
    return import_leaves(&import, shard);
}

/* ---- the log's tail ---- */

static bool shares_fingerprint(
    const struct slk_map *map, const struct slk_hash *path, const struct slk_hash *other)
{
    struct slk_fingerprint a = slk_fingerprint_of(map, path), b = slk_fingerprint_of(map, other);

    return a.hi == b.hi && a.low == b.low;
}

enum slk_err slk_map_replay(struct slk_map *map, const struct slk_map_update *update)
{
    uint64_t hi = slk_get_u64(update->path.b);
    struct slk_shard *shard = slk_shard_of(map, hi);
    struct slk_bucket *bucket = slk_bucket_at(map, slk_spot_of(map, hi));
    struct slk_place place = slk_bucket_find(map, shard, bucket, &update->path);
    const struct slk_hash *rival = update->rival;
    struct slk_leaf *leaf;

    map->revertible = false;
    map->stale = true;
    if (place.run_n == 1 && rival != NULL && !slk_hash_equal(rival, &update->path)) {
        if (!shares_fingerprint(map, rival, &update->path))
            return SLK_E_CORRUPT; /* a leaf that names another credential's row: no honest snapshot holds one */
        place.found = false;      /* the leaf that is there is the rival's */
    }
    if (place.found) {
        leaf = slk_bucket_leaves(shard, bucket) + place.at;
        if (update->row <= slk_leaf_row(leaf))
            return SLK_OK;
        assert(update->row <= SLK_MAP_ROW_MAX && !slk_hash_is_zero(&update->leaf));
        leaf->hash = update->leaf;
        leaf->meta = slk_leaf_low(leaf) | update->row;
        return SLK_OK;
    }
    if (slk_bucket_insert(map, shard, bucket, &place, update, rival) != SLK_OK)
        return SLK_E_NOMEM;
    slk_map_grow(map, slk_map_count(map));
    return SLK_OK;
}

/* ---- all nodes from the leaves ---- */

/* Every bucket of a shard from prefix `first` on, n of them at one depth. */
static void hash_buckets(
    struct slk_map *map, const struct slk_shard *shard, struct slk_spot first, uint64_t n)
{
    struct slk_subtree subtrees[REBUILD_BATCH];
    size_t gathered = 0;

    for (uint64_t i = 0; i < n; i++) {
        struct slk_spot spot = {.depth = first.depth, .prefix = first.prefix + (uint32_t)i};
        const struct slk_bucket *bucket = slk_bucket_at(map, spot);

        subtrees[gathered++] = (struct slk_subtree){.shard = shard,
            .leaves = slk_bucket_leaves(shard, bucket),
            .to = bucket->n,
            .depth = spot.depth,
            .out = &map->level[spot.depth][spot.prefix]};
        if (gathered == REBUILD_BATCH || i + 1 == n) {
            slk_subtree_hash(map, subtrees, gathered);
            gathered = 0;
        }
    }
}

static void rebuild_shard(void *arg, size_t i)
{
    struct slk_map *map = arg;
    unsigned below = map->depth - map->shard_bits;
    uint32_t first = (uint32_t)i << below, n = 1u << below;
    uint32_t split =
        (uint32_t)((map->frontier + (1u << map->shard_bits) - 1 - i) >> map->shard_bits); /* of its buckets */

    assert(split <= n);
    hash_buckets(map, &map->shards[i], (struct slk_spot){.depth = map->depth + 1, .prefix = 2 * first},
        2 * (uint64_t)split);
    slk_map_combine(map, map->depth, NULL, first, split);
    hash_buckets(
        map, &map->shards[i], (struct slk_spot){.depth = map->depth, .prefix = first + split}, n - split);
    for (unsigned depth = map->depth; depth-- > map->shard_bits;) {
        n /= 2;
        first /= 2;
        slk_map_combine(map, depth, NULL, first, n);
    }
}

enum slk_err slk_map_rebuild(struct slk_map *map, const struct slk_par *par)
{
    map->revertible = false;
    slk_par_run(par, rebuild_shard, map, (size_t)1 << map->shard_bits);
    for (unsigned depth = map->shard_bits; depth-- > 0;)
        slk_map_combine(map, depth, NULL, 0, (size_t)1 << depth);
    map->stale = false;
    return SLK_OK;
}
