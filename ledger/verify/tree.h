/* tree.h: inclusion and consistency proofs of the log. Source: RFC 9162 §2.1.3.2 and §2.1.4.2 (loops). */
#ifndef SLK_VERIFY_TREE_H
#define SLK_VERIFY_TREE_H

#include "ledger/verify/hash.h"

#define SLK_PATH_MAX 64 /* a tree of 2^64 leaves is 64 levels deep */

struct slk_tree_head {
    uint64_t tree_size;
    struct slk_hash root_hash;
};

/* Checks that the leaf with hash `leaf` is at `leaf_index` in the tree `head` describes.
 *
 * Source:  RFC 9162 §2.1.3.2.
 * In:      path[path_n]   32 bytes each, the leaf's sibling first
 * Returns: SLK_OK; SLK_E_RANGE leaf_index >= tree_size; SLK_E_PROOF path_n is not this leaf's depth, or
 *          the root differs. */
SLK_MUST_CHECK enum slk_err slk_tree_check_inclusion(const struct slk_tree_head *head, uint64_t leaf_index,
    const struct slk_hash *leaf, const struct slk_hash *path, size_t path_n);

/* Checks that the tree `old` is a prefix of the tree `now`.
 *
 * Source:  RFC 9162 §2.1.4.2.
 * Returns: SLK_OK; SLK_E_RANGE old size is 0 or above now's; SLK_E_PROOF otherwise (equal sizes want an
 *          empty path and equal roots). */
SLK_MUST_CHECK enum slk_err slk_tree_check_consistency(const struct slk_tree_head *old,
    const struct slk_tree_head *now, const struct slk_hash *path, size_t path_n);

/* Number of hashes in the inclusion path of leaf_index in a tree of tree_size > leaf_index. */
size_t slk_tree_path_size(uint64_t leaf_index, uint64_t tree_size);

#endif
