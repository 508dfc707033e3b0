/* map.h: the sparse Merkle map of all status records, in memory. Root and proofs: design §5.
 *
 *          lev[0]                         dense arrays of 32-byte subtree hashes,
 *         /      \                        one per prefix, zero where nothing is
 *      lev[1]  lev[1]
 *       ...     ...
 *   lev[D] one per bucket  ----------->   bucket: the leaves under that prefix, sorted by path:
 *                                         fingerprint (path bits), leaf hash, row number
 *
 * The root is a function of the set of (path, leaf): D, buckets and order of insertion never change it.
 * Records themselves live in the store, found by row number; the leaf hash kept here proves each one right.
 *
 * A fingerprint is a prefix of the path (SLK_MAP_FINGERPRINT_BITS). Two paths that share one are told apart by
 * their full paths, kept for such pairs only: 2^44 hashes of an issuer's work make one pair, and cost only speed.
 */
#ifndef SLK_CORE_MAP_H
#define SLK_CORE_MAP_H

#include "ledger/core/par.h"
#include "ledger/verify/map_proof.h"

#define SLK_MAP_FINGERPRINT_BITS 88
#define SLK_MAP_ROW_MAX          (((uint64_t)1 << 40) - 2)
#define SLK_MAP_ROW_NONE         UINT64_MAX

struct slk_map;

struct slk_map_options {
    unsigned fingerprint_bits; /* 0: SLK_MAP_FINGERPRINT_BITS; tests cut it down to force collisions */
    unsigned min_depth;        /* D at the start; 0: a small default. It grows by itself */
    uint64_t leaf_bytes_max; /* memory for leaves (48 bytes each, and a little air); 0: as much as there is */
    /* Told of each large piece of memory before it is used, aligned to nothing: the core may not talk to the kernel, but who
     * may can ask for huge pages (slk_store_huge_pages). May be NULL. */
    void (*advise)(void *at, size_t bytes);
};
SLK_MUST_CHECK enum slk_err slk_map_new(struct slk_map **out, const struct slk_map_options *options);
void slk_map_free(struct slk_map *map);
uint64_t slk_map_count(const struct slk_map *map);
uint64_t slk_map_memory(const struct slk_map *map); /* bytes held */
void slk_map_root(const struct slk_map *map, struct slk_hash *out);

/* Starts loading the bucket a path falls into: call some tens of paths ahead of slk_map_find. */
void slk_map_prefetch(const struct slk_map *map, const struct slk_hash *path);

/* The leaf with this path's fingerprint. `certain` is true when the full path is known to be ours (a known
 * pair); otherwise the caller must fetch the row and compare slk_hash_map_leaf(path, SHA-256(record)) with
 * `leaf`: equal, and the credential is present with that record; different, and it is another credential whose
 * path shares our fingerprint, or the store is damaged (the caller computes that one's path and looks). */
struct slk_map_found {
    uint64_t row;
    struct slk_hash leaf;
    bool certain;
};
bool slk_map_find(const struct slk_map *map, const struct slk_hash *path, struct slk_map_found *out);

/* One credential's change in a block; at most one update per path in one call. */
struct slk_map_update {
    struct slk_hash path;
    struct slk_hash leaf; /* new leaf hash: slk_hash_map_leaf(path, SHA-256(new record)) */
    uint64_t row;         /* where the new record will be */
    uint64_t old_row;     /* SLK_MAP_ROW_NONE: the credential is new */
    const struct slk_hash
        *rival; /* insert only: full path of the leaf that shares our fingerprint, else NULL */
};
/* Applies a block's updates and computes the root. Splits the work by the top path bits over `par` (may be NULL).
 * All or nothing: SLK_E_NOMEM leaves the map as it was. Asserts that old_row is what is stored. */
SLK_MUST_CHECK enum slk_err slk_map_apply(
    struct slk_map *map, const struct slk_map_update *updates, size_t n, const struct slk_par *par);
/* Takes back the last slk_map_apply, once: a candidate block that is not committed leaves no trace. */
void slk_map_revert(struct slk_map *map, const struct slk_par *par);

/* Walks down to where `path` ends: siblings, end, and the row to fetch for ends 1 and 2. End 1 means "a leaf with our
 * fingerprint" with the same caveat as slk_map_find. About 2 us. */
void slk_map_walk(const struct slk_map *map, const struct slk_hash *path, struct slk_map_walk *out);

/* Crowd query: siblings above the prefix, and the rows below it in ascending path order.
 * Returns SLK_OK or SLK_E_TOO_LARGE (more than cap_n rows). See slk_map_crowd_check for the proof's form. */
SLK_MUST_CHECK enum slk_err slk_map_crowd(const struct slk_map *map, const uint8_t *prefix, unsigned bits,
    struct slk_map_walk *walk, uint64_t *rows, size_t cap_n, size_t *rows_n);

/* ---- snapshots: leaves by partition (the top SLK_MAP_PARTITION_BITS of the path) ---- */

#define SLK_MAP_PARTITION_BITS 10
#define SLK_MAP_PARTITIONS     (1u << SLK_MAP_PARTITION_BITS)
#define SLK_MAP_ROW_BYTES                                                                                    \
    48 /* exported leaf: 11 bytes of path, 5 of row, 32 of leaf hash; see map_snapshot.c */

/* Bytes one partition needs now; then its leaves, ascending. The layout is map_snapshot.c's own and little of it is
 * trusted on the way back: the root decides. Full paths of known colliding pairs are included. */
size_t slk_map_export_size(const struct slk_map *map, unsigned partition);
size_t slk_map_export(const struct slk_map *map, unsigned partition, uint8_t *out, size_t cap);
/* Into an empty map: partitions in any order, each at most once. SLK_E_CORRUPT when the bytes cannot be a partition.
 * Inner nodes are not computed until slk_map_rebuild. `expected_n` (0: unknown) sizes D once. */
SLK_MUST_CHECK enum slk_err slk_map_import_begin(struct slk_map *map, uint64_t expected_n);
SLK_MUST_CHECK enum slk_err slk_map_import(
    struct slk_map *map, unsigned partition, const uint8_t *bytes, size_t size);
/* Replays a row of the log's tail over imported leaves: inserts or replaces, no old row checked, no node hashed.
 * `rival` as in slk_map_update. A row below the one stored is ignored (replay is safe to repeat). */
SLK_MUST_CHECK enum slk_err slk_map_replay(struct slk_map *map, const struct slk_map_update *update);
/* Computes every inner node from the leaves. */
SLK_MUST_CHECK enum slk_err slk_map_rebuild(struct slk_map *map, const struct slk_par *par);

#endif
