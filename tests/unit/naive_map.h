/* naive_map.h: the map's root and proofs straight from their definition (design §5), for tests. Recursive and slow.
 *
 *   root({}, d)  = 32 zero bytes
 *   root({x}, d) = leaf(x)
 *   root(S, d)   = inner(root(S with bit d = 0, d + 1), root(S with bit d = 1, d + 1))
 */
#ifndef SLK_TEST_NAIVE_MAP_H
#define SLK_TEST_NAIVE_MAP_H

#include <string.h>

#include "ledger/verify/map_proof.h"

#define NAIVE_MAX 400

struct naive_leaf {
    struct slk_hash path;
    uint8_t record[SLK_RECORD_SIZE];
};

/* Sorted by path, so that every subtree is a range. */
struct naive_map {
    size_t n;
    struct naive_leaf leaves[NAIVE_MAX];
};

static inline void naive_put_path(struct naive_map *map, const struct slk_hash *path, const uint8_t *record)
{
    size_t i = map->n;

    while (i > 0 && memcmp(map->leaves[i - 1].path.b, path->b, SLK_HASH_SIZE) >= 0)
        i--;
    if (i < map->n && slk_hash_equal(&map->leaves[i].path, path)) {
        memcpy(map->leaves[i].record, record, SLK_RECORD_SIZE);
        return;
    }
    memmove(&map->leaves[i + 1], &map->leaves[i], (map->n - i) * sizeof(map->leaves[0]));
    map->leaves[i].path = *path;
    memcpy(map->leaves[i].record, record, SLK_RECORD_SIZE);
    map->n++;
}

static inline void naive_put(
    struct naive_map *map, const uint8_t handle[SLK_HANDLE_SIZE], const uint8_t *record)
{
    struct slk_hash path;

    slk_hash_bytes(&path, handle, SLK_HANDLE_SIZE);
    naive_put_path(map, &path, record);
}

/* Leaves [from, to) agree in their first `depth` bits. */
static inline struct slk_hash naive_root(const struct naive_map *map, size_t from, size_t to, unsigned depth)
{
    struct slk_hash out = {{0}}, left, right;
    size_t middle = from;

    if (from == to)
        return out;
    if (to - from == 1) {
        slk_hash_bytes(&right, map->leaves[from].record, SLK_RECORD_SIZE);
        slk_hash_map_leaf(&out, &map->leaves[from].path, &right);
        return out;
    }
    while (middle < to && slk_path_bit(&map->leaves[middle].path, depth) == 0)
        middle++;
    left = naive_root(map, from, middle, depth + 1);
    right = naive_root(map, middle, to, depth + 1);
    slk_hash_node(&out, &left, &right);
    return out;
}

/* The walk towards `path` as a prover makes it, down to at most `limit` levels. Leaves [*from, *to) are what is left. */
static inline void naive_walk(const struct naive_map *map, const struct slk_hash *path, unsigned limit,
    struct slk_map_walk *walk, size_t *from, size_t *to)
{
    memset(walk, 0, sizeof(*walk));
    *from = 0;
    *to = map->n;
    while (*to - *from > 1 && walk->n < limit) {
        unsigned depth = walk->n;
        size_t middle = *from;
        while (middle < *to && slk_path_bit(&map->leaves[middle].path, depth) == 0)
            middle++;
        if (slk_path_bit(path, depth) != 0) {
            walk->siblings[depth] = naive_root(map, *from, middle, depth + 1);
            *from = middle;
        } else {
            walk->siblings[depth] = naive_root(map, middle, *to, depth + 1);
            *to = middle;
        }
        walk->n++;
    }
}

static inline size_t naive_prove(
    const struct naive_map *map, const uint8_t handle[SLK_HANDLE_SIZE], uint8_t *out, size_t cap)
{
    struct slk_map_walk walk;
    struct slk_hash path, tail[2];
    size_t from, to;

    slk_hash_bytes(&path, handle, SLK_HANDLE_SIZE);
    naive_walk(map, &path, SLK_MAP_DEPTH, &walk, &from, &to);
    if (from == to) {
        walk.end = SLK_MAP_EMPTY;
        return slk_map_proof_format(out, cap, &walk, slk_span_of(NULL, 0));
    }
    if (slk_hash_equal(&map->leaves[from].path, &path)) {
        walk.end = SLK_MAP_RECORD;
        return slk_map_proof_format(out, cap, &walk, slk_span_of(map->leaves[from].record, SLK_RECORD_SIZE));
    }
    walk.end = SLK_MAP_OTHER;
    tail[0] = map->leaves[from].path;
    slk_hash_bytes(&tail[1], map->leaves[from].record, SLK_RECORD_SIZE);
    return slk_map_proof_format(out, cap, &walk, slk_span_of(tail, sizeof(tail)));
}

#endif
