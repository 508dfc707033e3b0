/* log.h: the RFC 6962 tree over all entries, growing on its right edge; tiles fall out as they fill.
 *
 * Holds only the right edge: the last tile of each level (at most 8 x 256 hashes). Level L of tiles holds
 * the roots of full tiles of level L-1 (C2SP tlog-tiles).
 */
#ifndef SLK_CORE_LOG_H
#define SLK_CORE_LOG_H

#include "ledger/verify/tile.h"
#include "ledger/verify/tree.h"

struct slk_log {
    uint64_t size;
    /* The last tile of each level, kept when it is full until the next one begins: the path of the last leaf goes
     * through it. With n = size >> 8l > 0 hashes on level l, edge[l][0 .. (n - 1) % 256] are valid. */
    struct slk_hash edge[SLK_TILE_LEVELS][SLK_TILE_WIDTH];
};

void slk_log_init(struct slk_log *log);
/* Called for each tile that becomes full: level, index, its 256 hashes (valid during the call). May be NULL. */
typedef void slk_log_tile_fn(void *ctx, uint32_t level, uint64_t index, const struct slk_hash *hashes);
/* Appends n leaf hashes. O(n) node hashes, four lanes at a time. */
void slk_log_append(struct slk_log *log, const struct slk_hash *leaves, size_t n, slk_log_tile_fn *tile, void *ctx);
void slk_log_root(const struct slk_log *log, struct slk_hash *out);
/* Inclusion path of the last leaf (size >= 1): no tile is read. Returns path_n. */
size_t slk_log_last_path(const struct slk_log *log, struct slk_hash path[SLK_PATH_MAX]);

/* Plan, fetch, compute: reads the hashes of one tile (level, index), width of them; false when it cannot. */
typedef bool slk_log_read_fn(void *ctx, uint32_t level, uint64_t index, uint32_t width, struct slk_hash *out);
/* Paths between any two sizes, from tiles. Return SLK_OK, SLK_E_RANGE, SLK_E_CORRUPT (the reader failed). */
SLK_MUST_CHECK enum slk_err slk_log_inclusion_path(struct slk_hash path[SLK_PATH_MAX], size_t *path_n, uint64_t leaf_index,
    uint64_t tree_size, slk_log_read_fn *read, void *ctx);
SLK_MUST_CHECK enum slk_err slk_log_consistency_path(struct slk_hash path[2 * SLK_PATH_MAX], size_t *path_n, uint64_t old_size,
    uint64_t tree_size, slk_log_read_fn *read, void *ctx);
/* Root of the tree at any size up to the stored one, from tiles. SLK_OK, SLK_E_CORRUPT. */
SLK_MUST_CHECK enum slk_err slk_log_root_at(struct slk_hash *out, uint64_t tree_size, slk_log_read_fn *read, void *ctx);
/* Rebuilds the right edge of a tree of this size from tiles: one read per level, the last tile (also when full). */
SLK_MUST_CHECK enum slk_err slk_log_load(struct slk_log *log, uint64_t tree_size, slk_log_read_fn *read, void *ctx);

#endif
