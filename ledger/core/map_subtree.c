/* map_subtree.c: hashes of subtrees of sorted leaves, four subtrees side by side.
 *
 * The nodes of one subtree depend on each other, those of different subtrees do not. So each of four lanes walks its
 * own subtree from left to right, as a stack machine, and stops at each node it needs hashed; the four nodes are then
 * hashed at once. A lane that is through takes the next subtree.
 *
 * Between neighbouring leaves stands the number of path bits they share, the depth at which their paths branch:
 *
 *      leaf 0   leaf 1   leaf 2   leaf 3
 *            7        4        5           the highest branch (4) is the root of this piece, 7 and 5 are below
 *
 * The piece on top of the stack is finished when the branch on its left or its right is the next above it: it is
 * carried up to just below that branch (one node with an empty sibling per level; a single leaf is lifted for free),
 * then joined with the piece on its left, or put aside until the piece on its right is finished.
 */
#include <assert.h>

#include "ledger/core/map_private.h"
#include "ledger/core/multihash.h"

#define LANES 4

struct lane {
    const struct slk_subtree *subtree; /* NULL: idle */
    uint32_t leaf;                     /* the last one put on the stack */
    int top;                           /* of the stack */
    int depth;                         /* of the piece on top, unless it is a single leaf */
    bool single;
    int right;                   /* branch between `leaf` and the next; above the subtree at its end */
    int left[SLK_MAP_DEPTH + 1]; /* left[i]: branch between pieces i - 1 and i; above the subtree for 0 */
    struct slk_hash stack[SLK_MAP_DEPTH + 2];
    struct slk_hash shifted[2]; /* an empty left sibling and a piece: the stack holds them the wrong way */
};

static int branch_after(const struct slk_map *map, const struct slk_subtree *subtree, uint32_t leaf)
{
    if (leaf + 1 == subtree->to)
        return (int)subtree->depth - 1;
    return (int)slk_leaf_common(map, subtree->shard, subtree->leaves, leaf);
}

static void lane_push(struct lane *lane, const struct slk_map *map, uint32_t leaf)
{
    lane->leaf = leaf;
    lane->stack[lane->top] = lane->subtree->leaves[leaf].hash;
    lane->single = true;
    lane->right = branch_after(map, lane->subtree, leaf);
}

static void lane_begin(struct lane *lane, const struct slk_map *map, const struct slk_subtree *subtree)
{
    lane->subtree = subtree;
    lane->top = 0;
    lane->left[0] = (int)subtree->depth - 1;
    lane_push(lane, map, subtree->from);
}

/* One level up, with an empty sibling. */
static void lane_carry(
    struct lane *lane, const struct slk_map *map, struct slk_hash **out, const struct slk_hash **pair)
{
    const struct slk_subtree *subtree = lane->subtree;

    lane->depth--;
    *out = &lane->stack[lane->top];
    if (slk_leaf_bit(map, subtree->shard, subtree->leaves, lane->leaf, (unsigned)lane->depth) == 0) {
        lane->stack[lane->top + 1] = slk_hash_zero;
        *pair = &lane->stack[lane->top];
    } else {
        lane->shifted[0] = slk_hash_zero;
        lane->shifted[1] = lane->stack[lane->top];
        *pair = lane->shifted;
    }
}

/* Names the next node to hash; false when the subtree's hash is stack[0]. */
static bool lane_next(
    struct lane *lane, const struct slk_map *map, struct slk_hash **out, const struct slk_hash **pair)
{
    for (;;) {
        int left = lane->left[lane->top], right = lane->right;
        int above = left > right ? left : right;

        if (!lane->single && lane->depth > above + 1) {
            lane_carry(lane, map, out, pair);
            return true;
        }
        if (left == right) {
            assert(lane->top == 0 && above == (int)lane->subtree->depth - 1);
            return false;
        }
        if (left > right) {
            lane->top--;
            lane->depth = left;
            lane->single = false;
            *out = &lane->stack[lane->top];
            *pair = &lane->stack[lane->top];
            return true;
        }
        lane->top++;
        assert(lane->top <= SLK_MAP_DEPTH);
        lane->left[lane->top] = right;
        lane_push(lane, map, lane->leaf + 1);
    }
}

/* The lane's next pair to hash; when its subtree is done, the next subtree's. False when there is none left. */
static bool lane_advance(struct lane *lane, const struct slk_map *map, const struct slk_subtree *subtrees, size_t n, size_t *begun,
    struct slk_hash **out, const struct slk_hash **pair)
{
    for (;;) {
        if (lane->subtree != NULL && lane_next(lane, map, out, pair))
            return true;
        if (lane->subtree != NULL)
            *lane->subtree->out = lane->stack[0];
        lane->subtree = NULL;
        while (*begun < n && subtrees[*begun].from == subtrees[*begun].to)
            *subtrees[(*begun)++].out = slk_hash_zero;
        if (*begun == n)
            return false;
        lane_begin(lane, map, &subtrees[(*begun)++]);
    }
}

void slk_subtree_hash(const struct slk_map *map, const struct slk_subtree *subtrees, size_t n)
{
    struct lane lanes[LANES];
    struct slk_hash *out[LANES];
    const struct slk_hash *pairs[LANES];
    size_t begun = 0;

    for (int i = 0; i < LANES; i++)
        lanes[i].subtree = NULL;
    for (;;) {
        size_t busy = 0;

        for (int i = 0; i < LANES; i++)
            busy += lane_advance(&lanes[i], map, subtrees, n, &begun, &out[busy], &pairs[busy]);
        if (busy == 0)
            return;
        slk_multihash_nodes_at(out, pairs, busy);
    }
}
