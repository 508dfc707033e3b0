/* log.c: the right edge of the RFC 6962 tree, and paths through it from tiles.
 *
 * Everything here is one climb (RFC 9162 §2.1): from the bottom, tile level by tile level, the hashes of the
 * rightmost tile and what is left over from the level below fold into one subtree:
 *
 *      level 1   [ full ][ full ][ acc ]           acc = the fold of the level below
 *                                 /    \
 *      level 0   ... [ leaf ][ leaf ][ leaf ]      hashes of the rightmost, unfinished tile
 *
 * All items of such a list but the last are full subtrees of one size, so pairing neighbours, the odd one moving
 * up unchanged, splits the list where RFC 9162 does: at the largest power of two below its length.
 */
#include "ledger/core/log.h"

#include <assert.h>
#include <string.h>

#include "ledger/core/multihash.h"

#define WIDTH_MASK ((uint64_t)SLK_TILE_WIDTH - 1)

void slk_log_init(struct slk_log *log)
{
    memset(log, 0, sizeof(*log));
}

/* One step up: pairs become nodes, an odd last item moves up unchanged. Returns how many are left. */
static size_t pair_up(struct slk_hash *list, size_t n)
{
    assert(n >= 2);
    slk_multihash_nodes(list, list, n / 2);
    if (n % 2 != 0)
        list[n / 2] = list[n - 1];
    return (n + 1) / 2;
}

static void fold(struct slk_hash *list, size_t n)
{
    while (n > 1)
        n = pair_up(list, n);
}

/* edge[0] has just become full: hands out the tile, and those above it that it completes. */
static void close_tiles(struct slk_log *log, slk_log_tile_fn *tile, void *ctx)
{
    struct slk_hash list[SLK_TILE_WIDTH];
    uint32_t level = 0;
    uint64_t tiles_n; /* full tiles of this level */

    do {
        assert(level + 1 < SLK_TILE_LEVELS);
        tiles_n = log->size >> (SLK_TILE_HEIGHT * (level + 1));
        if (tile != NULL)
            tile(ctx, level, tiles_n - 1, log->edge[level]);
        memcpy(list, log->edge[level], sizeof(list));
        fold(list, SLK_TILE_WIDTH);
        log->edge[level + 1][(tiles_n - 1) & WIDTH_MASK] = list[0];
        level++;
    } while ((tiles_n & WIDTH_MASK) == 0);
}

void slk_log_append(
    struct slk_log *log, const struct slk_hash *leaves, size_t n, slk_log_tile_fn *tile, void *ctx)
{
    assert(n <= UINT64_MAX - log->size);
    while (n > 0) {
        size_t used = (size_t)(log->size & WIDTH_MASK);
        size_t take = n <= SLK_TILE_WIDTH - used ? n : SLK_TILE_WIDTH - used;

        memcpy(&log->edge[0][used], leaves, take * sizeof(*leaves));
        log->size += take;
        leaves += take;
        n -= take;
        if ((log->size & WIDTH_MASK) == 0)
            close_tiles(log, tile, ctx);
    }
}

/* ---- the climb ---- */

struct climb {
    uint64_t tree_size;
    slk_log_read_fn *read;
    void *ctx;
    /* The node whose path is wanted: the first leaf below it and its height; NULL path: only the root is. */
    uint64_t first_leaf;
    unsigned height;
    struct slk_hash *path;
    size_t path_n;
    struct slk_hash node; /* its own hash */
    struct slk_hash root;
};

/* Folds the n items of a tile, noting on the way the siblings above the wanted node. */
static void fold_noting(struct climb *climb, uint32_t level, struct slk_hash *list, size_t n)
{
    size_t at = (size_t)(climb->first_leaf >> (SLK_TILE_HEIGHT * level) & WIDTH_MASK);
    unsigned depth = SLK_TILE_HEIGHT * level;

    assert(at < n);
    for (;; depth++) {
        if (depth == climb->height)
            climb->node = list[at];
        if (n == 1)
            return;
        if (depth >= climb->height && (at ^ 1) < n)
            climb->path[climb->path_n++] = list[at ^ 1];
        n = pair_up(list, n);
        at /= 2;
    }
}

/* One tile level: the right edge into `acc`, the wanted node's tile into the path. */
static bool climb_level(struct climb *climb, uint32_t level, struct slk_hash *acc, bool *has_acc)
{
    struct slk_hash list[SLK_TILE_WIDTH], own[SLK_TILE_WIDTH];
    uint64_t nodes_n = climb->tree_size >> (SLK_TILE_HEIGHT * level); /* full ones */
    uint64_t edge_tile = nodes_n >> SLK_TILE_HEIGHT;
    uint64_t own_tile = climb->first_leaf >> (SLK_TILE_HEIGHT * level) >> SLK_TILE_HEIGHT;
    bool wanted = climb->path != NULL && SLK_TILE_HEIGHT * (level + 1) > climb->height;
    size_t n = (size_t)(nodes_n & WIDTH_MASK);

    if (n > 0 && !climb->read(climb->ctx, level, edge_tile, (uint32_t)n, list))
        return false;
    if (*has_acc)
        list[n++] = *acc;
    if (wanted && own_tile != edge_tile) {
        if (!climb->read(climb->ctx, level, own_tile, SLK_TILE_WIDTH, own))
            return false;
        fold_noting(climb, level, own, SLK_TILE_WIDTH);
    }
    if (wanted && own_tile == edge_tile)
        fold_noting(climb, level, list, n);
    else
        fold(list, n);
    *has_acc = n > 0;
    if (n > 0)
        *acc = list[0];
    return true;
}

static enum slk_err climb_up(struct climb *climb)
{
    bool has_acc = false;

    assert(climb->tree_size > 0);
    for (uint32_t level = 0; level < SLK_TILE_LEVELS; level++) {
        if (!climb_level(climb, level, &climb->root, &has_acc))
            return SLK_E_CORRUPT;
        if (climb->tree_size >> (SLK_TILE_HEIGHT * level) < SLK_TILE_WIDTH)
            break; /* that list was the whole tree */
    }
    assert(has_acc);
    return SLK_OK;
}

enum slk_err slk_log_inclusion_path(struct slk_hash path[SLK_PATH_MAX], size_t *path_n, uint64_t leaf_index,
    uint64_t tree_size, slk_log_read_fn *read, void *ctx)
{
    struct climb climb = {
        .tree_size = tree_size, .read = read, .ctx = ctx, .first_leaf = leaf_index, .path = path};
    enum slk_err err;

    *path_n = 0;
    if (leaf_index >= tree_size)
        return SLK_E_RANGE;
    err = climb_up(&climb);
    if (err == SLK_OK)
        *path_n = climb.path_n;
    return err;
}

/* RFC 9162 §2.1.4.1: the old tree's last full subtree, unless it is all of the old tree, then its inclusion path. */
enum slk_err slk_log_consistency_path(struct slk_hash path[2 * SLK_PATH_MAX], size_t *path_n,
    uint64_t old_size, uint64_t tree_size, slk_log_read_fn *read, void *ctx)
{
    struct slk_hash above[SLK_PATH_MAX];
    struct climb climb = {.tree_size = tree_size, .read = read, .ctx = ctx, .path = above};
    enum slk_err err;
    size_t n = 0;

    *path_n = 0;
    if (old_size == 0 || old_size > tree_size)
        return SLK_E_RANGE;
    if (old_size == tree_size)
        return SLK_OK;
    while ((old_size >> climb.height & 1) == 0)
        climb.height++;
    climb.first_leaf = old_size - ((uint64_t)1 << climb.height);
    err = climb_up(&climb);
    if (err != SLK_OK)
        return err;
    if (climb.first_leaf != 0)
        path[n++] = climb.node;
    memcpy(&path[n], above, climb.path_n * sizeof(above[0]));
    *path_n = n + climb.path_n;
    return SLK_OK;
}

enum slk_err slk_log_root_at(struct slk_hash *out, uint64_t tree_size, slk_log_read_fn *read, void *ctx)
{
    struct climb climb = {.tree_size = tree_size, .read = read, .ctx = ctx};
    enum slk_err err;

    *out = slk_hash_empty_tree;
    if (tree_size == 0)
        return SLK_OK;
    err = climb_up(&climb);
    *out = err == SLK_OK ? climb.root : slk_hash_zero;
    return err;
}

/* ---- from memory: the last tile of every level is still in `edge`, also when it is full ---- */

static bool read_edge(void *ctx, uint32_t level, uint64_t index, uint32_t width, struct slk_hash *out)
{
    const struct slk_log *log = ctx;

    assert(index == ((log->size >> (SLK_TILE_HEIGHT * level)) - 1) >> SLK_TILE_HEIGHT);
    memcpy(out, log->edge[level], width * sizeof(*out));
    return true;
}

void slk_log_root(const struct slk_log *log, struct slk_hash *out)
{
    struct slk_log *unchanged = (struct slk_log *)(uintptr_t)log; /* read_edge only reads */
    enum slk_err err = slk_log_root_at(out, log->size, read_edge, unchanged);

    assert(err == SLK_OK);
    (void)err;
}

size_t slk_log_last_path(const struct slk_log *log, struct slk_hash path[SLK_PATH_MAX])
{
    struct slk_log *unchanged = (struct slk_log *)(uintptr_t)log; /* read_edge only reads */
    size_t path_n = 0;
    enum slk_err err;

    assert(log->size > 0);
    err = slk_log_inclusion_path(path, &path_n, log->size - 1, log->size, read_edge, unchanged);
    assert(err == SLK_OK);
    (void)err;
    return path_n;
}

enum slk_err slk_log_load(struct slk_log *log, uint64_t tree_size, slk_log_read_fn *read, void *ctx)
{
    slk_log_init(log);
    for (uint32_t level = 0; level < SLK_TILE_LEVELS; level++) {
        uint64_t nodes_n = tree_size >> (SLK_TILE_HEIGHT * level);

        if (nodes_n == 0)
            break;
        if (!read(ctx, level, (nodes_n - 1) >> SLK_TILE_HEIGHT, (uint32_t)((nodes_n - 1) & WIDTH_MASK) + 1,
                log->edge[level])) {
            slk_log_init(log);
            return SLK_E_CORRUPT;
        }
    }
    log->size = tree_size;
    return SLK_OK;
}
