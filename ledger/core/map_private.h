/* map_private.h: what the files of the map share: map.c (dense top, apply, walk), map_leaves.c (buckets and their
 * memory), map_subtree.c (hashing below the top), map_snapshot.c (export, import, replay, rebuild).
 *
 * The map is cut into shards by the top bits of the path: a shard has its own leaf memory and known paths, so that
 * shards can be worked on at once without a lock. Only the few nodes above the shards are shared.
 */
#ifndef SLK_CORE_MAP_PRIVATE_H
#define SLK_CORE_MAP_PRIVATE_H

#include <assert.h>

#include "ledger/core/map.h"
#include "ledger/verify/bytes.h"

#define SLK_MAP_DEPTH_MAX      30 /* of a bucket: prefixes are uint32_t, one bit to spare */
#define SLK_MAP_SHARD_BITS_MAX 3
#define SLK_MAP_SHARDS_MAX     (1u << SLK_MAP_SHARD_BITS_MAX)
#define SLK_MAP_BUCKET_LOAD    4  /* keys per bucket, on average: see map.c */
#define SLK_MAP_ROW_BITS       40

/* hi: path bits 0..63. meta: path bits 64..87, then the row. Bits beyond the map's fingerprint_bits are zero. */
struct slk_leaf {
    uint64_t hi;
    uint64_t meta;
    struct slk_hash hash;
};
#define SLK_HUGE_PAGE     ((size_t)2 << 20) /* memory of this size and more is aligned to it */
#define SLK_LEAF_ROW_MASK (((uint64_t)1 << SLK_MAP_ROW_BITS) - 1)

/* A fingerprint: `low` as it stands in meta. */
struct slk_fingerprint {
    uint64_t hi;
    uint64_t low;
};

static inline uint64_t slk_leaf_low(const struct slk_leaf *leaf)
{
    return leaf->meta & ~SLK_LEAF_ROW_MASK;
}

static inline uint64_t slk_leaf_row(const struct slk_leaf *leaf)
{
    return leaf->meta & SLK_LEAF_ROW_MASK;
}

/* ---- leaf memory of a shard (map_leaves.c): blocks of leaves, named by 32-bit references ---- */

#define SLK_LEAF_POOL_EXACT_MAX  32 /* blocks up to here are as long as asked */
#define SLK_LEAF_POOL_CLASSES    128
#define SLK_LEAF_POOL_CHUNK_BITS 17 /* leaves in a chunk: 6 MiB, three huge pages */
#define SLK_LEAF_POOL_CHUNKS_MAX (1u << (32 - SLK_LEAF_POOL_CHUNK_BITS))
#define SLK_LEAF_POOL_NONE       UINT32_MAX

struct slk_leaf_pool_chunk {
    struct slk_leaf *leaves; /* NULL: unused */
    uint64_t size;           /* leaves */
    bool single;             /* holds one block, too long for a common chunk */
};

struct slk_leaf_pool {
    struct slk_leaf_pool_chunk *chunks;
    uint32_t chunks_n, chunks_cap;
    uint32_t current, used;               /* chunk blocks are cut from, leaves of it in use */
    uint32_t free[SLK_LEAF_POOL_CLASSES]; /* first free block of each size */
    uint64_t free_bits[SLK_LEAF_POOL_CLASSES / 64];
    uint64_t bytes; /* of all chunks */
    uint64_t limit; /* chunks beyond it are refused; 0: none */
    void (*advise)(void *at, size_t bytes);
};

/* The leaves under one prefix, ascending by path: n of them, in a block of slk_leaf_pool_cap(n). */
struct slk_bucket {
    uint32_t block;
    uint32_t n;
};

/* Leaves whose fingerprints are equal form a run. A run of two or more is known by full path: `known` holds the paths
 * of all leaves of such runs, ascending, so the j-th leaf of a run is the j-th known path with that fingerprint. */
struct slk_shard {
    struct slk_leaf_pool pool;
    struct slk_hash *known;
    size_t known_n, known_cap;
    uint64_t count;
    /* the changes of the last apply that are this shard's: [first, first + n) of the map's sorted arrays */
    size_t first, n;
    size_t done;    /* of them carried out */
    size_t dirty_n; /* prefixes in the map's `dirty` from `first` on */
    enum slk_err err;
};

/* How to take one change back; row is SLK_MAP_ROW_NONE when there was no leaf. */
struct slk_undo {
    struct slk_hash path;
    struct slk_hash leaf;
    uint64_t row;
};

struct slk_sorted {
    uint64_t hi;
    uint64_t index;
};

struct slk_map {
    unsigned fingerprint_bits;
    struct slk_fingerprint mask;
    /* Buckets hang at `depth`, the first `frontier` of them, in the order of slk_split_rank, at depth + 1: growing is
     * splitting one bucket after the other. level[d] has 2^d hashes, d <= depth; level[depth + 1] and buckets[1] are
     * there when frontier > 0. */
    unsigned depth, depth_max;
    uint32_t frontier;
    struct slk_hash *level[SLK_MAP_DEPTH_MAX + 1]; /* 64-byte aligned: siblings share a cache line */
    void *level_memory[SLK_MAP_DEPTH_MAX + 1];
    struct slk_bucket *buckets[2];
    void (*advise)(void *at, size_t bytes);
    unsigned shard_bits;
    struct slk_shard shards[SLK_MAP_SHARDS_MAX];
    bool stale;      /* leaves came without hashing: only slk_map_rebuild makes nodes right again */
    bool revertible; /* the last apply can be taken back */
    uint64_t imported[SLK_MAP_PARTITIONS / 64];
    /* the last apply, in path order, and its scratch; all of `changes_cap` */
    struct slk_sorted *sorted, *sorted_spare;
    struct slk_undo *undo;
    uint32_t *dirty;
    size_t changes_cap;
};

static inline struct slk_fingerprint slk_fingerprint_of(
    const struct slk_map *map, const struct slk_hash *path)
{
    uint64_t low = (uint64_t)slk_get_u32(path->b + 7) << 40; /* bytes 8 to 10 end up on top */

    return (struct slk_fingerprint){.hi = slk_get_u64(path->b) & map->mask.hi, .low = low & map->mask.low};
}

static inline struct slk_shard *slk_shard_of(const struct slk_map *map, uint64_t hi)
{
    const struct slk_shard *shard = &map->shards[hi >> (64 - map->shard_bits)];

    return (struct slk_shard *)(uintptr_t)shard; /* const goes with the caller's map */
}

/* A place where a bucket hangs. */
struct slk_spot {
    unsigned depth;
    uint32_t prefix;
};

/* Buckets are split in path order within a shard, shards taking turns: their free blocks then come and go alike. */
static inline uint32_t slk_split_rank(const struct slk_map *map, uint32_t prefix)
{
    unsigned below = map->depth - map->shard_bits;

    return (prefix & ((1u << below) - 1)) << map->shard_bits | prefix >> below;
}

static inline bool slk_is_split(const struct slk_map *map, uint32_t prefix)
{
    return slk_split_rank(map, prefix) < map->frontier;
}

static inline struct slk_spot slk_spot_of(const struct slk_map *map, uint64_t hi)
{
    assert(map->depth > 0 && map->depth <= SLK_MAP_DEPTH_MAX);
    struct slk_spot spot = {.depth = map->depth, .prefix = (uint32_t)(hi >> (64 - map->depth))};

    if (slk_is_split(map, spot.prefix)) {
        spot.depth++;
        spot.prefix = (uint32_t)(hi >> (64 - spot.depth));
    }
    return spot;
}

static inline struct slk_bucket *slk_bucket_at(const struct slk_map *map, struct slk_spot spot)
{
    return &map->buckets[spot.depth - map->depth][spot.prefix];
}

static inline struct slk_leaf *slk_leaf_pool_at(const struct slk_leaf_pool *pool, uint32_t block)
{
    return pool->chunks[block >> SLK_LEAF_POOL_CHUNK_BITS].leaves +
           (block & ((1u << SLK_LEAF_POOL_CHUNK_BITS) - 1));
}

static inline struct slk_leaf *slk_bucket_leaves(
    const struct slk_shard *shard, const struct slk_bucket *bucket)
{
    return bucket->n == 0 ? NULL : slk_leaf_pool_at(&shard->pool, bucket->block);
}

/* Leaves a block for n has room for. */
uint32_t slk_leaf_pool_cap(uint32_t n);
void slk_leaf_pool_init(struct slk_leaf_pool *pool, uint64_t limit, void (*advise)(void *at, size_t bytes));
/* Bytes in use, free blocks included; what no block was cut from yet is address space only. */
uint64_t slk_leaf_pool_bytes(const struct slk_leaf_pool *pool);
void slk_leaf_pool_close(struct slk_leaf_pool *pool);

/* Where a path is in a bucket, or would be: its index `at`, the run of its fingerprint, and, when the run is known,
 * the index of its path in `known`. */
struct slk_place {
    uint32_t at;
    uint32_t run_first, run_n;
    size_t known_at;
    bool found;   /* a leaf with this fingerprint that is not known to be another's */
    bool certain; /* found by full path */
};
struct slk_place slk_bucket_find(const struct slk_map *map, const struct slk_shard *shard,
    const struct slk_bucket *bucket, const struct slk_hash *path);
/* Puts a leaf at a place where nothing was found, or where only `rival` (full path) was. The fingerprint and row are
 * packed here. Returns SLK_OK, or SLK_E_NOMEM with nothing changed. */
SLK_MUST_CHECK enum slk_err slk_bucket_insert(const struct slk_map *map, struct slk_shard *shard,
    struct slk_bucket *bucket, const struct slk_place *place, const struct slk_map_update *update,
    const struct slk_hash *rival);
/* Takes the leaf at a found place out. Needs no memory. */
void slk_bucket_remove(struct slk_shard *shard, struct slk_bucket *bucket, const struct slk_place *place);
/* Puts n packed leaves, ascending, at index `at`. */
SLK_MUST_CHECK enum slk_err slk_bucket_insert_n(struct slk_shard *shard, struct slk_bucket *bucket,
    uint32_t at, const struct slk_leaf *leaves, uint32_t n);
/* Leaves of a bucket at `depth` go to one at depth + 1 each, by the bit at `depth`. SLK_E_NOMEM: nothing changed. */
SLK_MUST_CHECK enum slk_err slk_bucket_split(const struct slk_map *map, struct slk_shard *shard,
    struct slk_bucket *bucket, unsigned depth, struct slk_bucket halves[2]);
/* First index in [from, to) whose path has a one at `depth`; all of them agree in the bits above. */
uint32_t slk_bucket_middle(const struct slk_map *map, const struct slk_shard *shard,
    const struct slk_leaf *leaves, uint32_t from, uint32_t to, unsigned depth);
/* Bits that the paths of leaves i and i + 1 share. */
unsigned slk_leaf_common(
    const struct slk_map *map, const struct slk_shard *shard, const struct slk_leaf *leaves, uint32_t i);
unsigned slk_leaf_bit(const struct slk_map *map, const struct slk_shard *shard, const struct slk_leaf *leaves,
    uint32_t i, unsigned depth);
/* Room for n more known paths. */
SLK_MUST_CHECK enum slk_err slk_known_reserve(struct slk_shard *shard, size_t n);
/* First known path whose fingerprint is not below this one. */
size_t slk_known_first(
    const struct slk_map *map, const struct slk_shard *shard, struct slk_fingerprint fingerprint);

/* ---- hashing (map_subtree.c) ---- */

/* The subtree at `depth` that holds leaves [from, to) of a bucket, and where its hash goes. */
struct slk_subtree {
    const struct slk_shard *shard;
    const struct slk_leaf *leaves; /* of the whole bucket */
    uint32_t from, to;
    unsigned depth;
    struct slk_hash *out;
};
void slk_subtree_hash(const struct slk_map *map, const struct slk_subtree *subtrees, size_t n);

/* ---- the top (map.c) ---- */

/* Empties the map and gives it `buckets_n` buckets, frontier included. SLK_E_NOMEM leaves it without buckets: only
 * slk_map_free may follow. */
SLK_MUST_CHECK enum slk_err slk_map_reset(struct slk_map *map, uint64_t buckets_n);
/* Splits buckets until `count` leaves have room, as far as memory goes. */
void slk_map_grow(struct slk_map *map, uint64_t count);
/* Nodes of level `depth` whose children changed: list[n] of them, or, list NULL, n from `first` on. */
void slk_map_combine(struct slk_map *map, unsigned depth, const uint32_t *list, uint32_t first, size_t n);

#endif
