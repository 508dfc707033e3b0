/* tree.c: see tree.h. The loops of RFC 9162, kept in its words: fn and sn are the positions, at the
 * current level, of the node being carried up and of the last node. */
#include <assert.h>

#include "ledger/verify/tree.h"

/* A node whose sibling is on its left: it is a right child, or the last of its level. */
static bool joins_left(uint64_t fn, uint64_t sn)
{
    return (fn & 1) == 1 || fn == sn;
}

/* The last node of a level without a sibling rises unchanged: skip the levels where that happens. */
static void rise(uint64_t *fn, uint64_t *sn)
{
    while ((*fn & 1) == 0 && *fn != 0) {
        *fn >>= 1;
        *sn >>= 1;
    }
}

enum slk_err slk_tree_check_inclusion(const struct slk_tree_head *head, uint64_t leaf_index,
    const struct slk_hash *leaf, const struct slk_hash *path, size_t path_n)
{
    struct slk_hash r = *leaf;
    uint64_t fn = leaf_index, sn;

    if (leaf_index >= head->tree_size)
        return SLK_E_RANGE;
    sn = head->tree_size - 1;
    for (size_t i = 0; i < path_n; i++) {
        if (sn == 0) /* at the root, and hashes left over */
            return SLK_E_PROOF;
        if (joins_left(fn, sn)) {
            slk_hash_node(&r, &path[i], &r);
            rise(&fn, &sn);
        } else {
            slk_hash_node(&r, &r, &path[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && slk_hash_equal(&r, &head->root_hash) ? SLK_OK : SLK_E_PROOF;
}

/* Carries the node both trees share up to both roots. fn is its position in the old tree, sn the last
 * node's in the new one, at its level. */
static bool climb_both(const struct slk_tree_head *old, const struct slk_tree_head *now, uint64_t fn,
    uint64_t sn, const struct slk_hash *shared, const struct slk_hash *path, size_t path_n)
{
    struct slk_hash fr = *shared, sr = *shared;

    for (size_t i = 0; i < path_n; i++) {
        if (sn == 0)
            return false;
        if (joins_left(fn, sn)) {
            slk_hash_node(&fr, &path[i], &fr);
            slk_hash_node(&sr, &path[i], &sr);
            rise(&fn, &sn);
        } else {
            slk_hash_node(&sr, &sr, &path[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && slk_hash_equal(&fr, &old->root_hash) && slk_hash_equal(&sr, &now->root_hash);
}

enum slk_err slk_tree_check_consistency(const struct slk_tree_head *old, const struct slk_tree_head *now,
    const struct slk_hash *path, size_t path_n)
{
    const struct slk_hash *shared;
    uint64_t fn, sn;

    if (old->tree_size == 0 || old->tree_size > now->tree_size)
        return SLK_E_RANGE;
    if (old->tree_size == now->tree_size)
        return path_n == 0 && slk_hash_equal(&old->root_hash, &now->root_hash) ? SLK_OK : SLK_E_PROOF;
    fn = old->tree_size - 1;
    sn = now->tree_size - 1;
    while ((fn & 1) == 1) {
        fn >>= 1;
        sn >>= 1;
    }
    if (fn == 0) { /* old size is a power of two: its root is the shared node, and not sent */
        shared = &old->root_hash;
    } else {
        if (path_n == 0)
            return SLK_E_PROOF;
        shared = path++;
        path_n--;
    }
    return climb_both(old, now, fn, sn, shared, path, path_n) ? SLK_OK : SLK_E_PROOF;
}

size_t slk_tree_path_size(uint64_t leaf_index, uint64_t tree_size)
{
    uint64_t fn = leaf_index, sn = tree_size - 1;
    size_t n = 0;

    assert(leaf_index < tree_size);
    /* Below the level where the leaf's branch meets the last one every node has a sibling; above it
     * the branch is the right edge, and only its right children have one. */
    for (; fn != sn; n++) {
        fn >>= 1;
        sn >>= 1;
    }
    for (; fn != 0; fn >>= 1)
        n += fn & 1;
    assert(n <= SLK_PATH_MAX);
    return n;
}
