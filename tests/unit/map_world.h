/* map_world.h: map.h beside its definition (design §5), recursive over a plain sorted array, and a source of chance that
 * drives both. For tests. */
#ifndef SLK_TESTS_MAP_WORLD_H
#define SLK_TESTS_MAP_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "ledger/core/map.h"

#define ITEMS_MAX 4096
#define BLOCK_MAX 1024

struct item {
    struct slk_hash path, leaf;
    uint64_t row;
};

struct model {
    struct item items[ITEMS_MAX]; /* ascending by path */
    size_t n;
};

void model_apply(struct model *model, const struct slk_map_update *update);

/* A map, its model, and a source of chance. */
struct world {
    struct slk_map *map;
    struct model now, before;
    unsigned bits; /* of a fingerprint */
    uint64_t seed;
    uint64_t next_row;
    unsigned deep; /* of 8 new paths, how many share most bits with one that is there */
    struct slk_map_update updates[BLOCK_MAX];
    struct slk_hash rivals[BLOCK_MAX];
};

/* What tests draw `bits` and `deep` from. */
extern const unsigned bits_of[8], deep_of[4];

void open_world(struct world *w, unsigned bits, unsigned min_depth, uint64_t seed);
/* frees the world, too */
void close_world(struct world *w);
uint64_t draw(struct world *w, uint64_t below);
void draw_hash(struct world *w, struct slk_hash *out);
bool share_fingerprint(const struct world *w, const struct slk_hash *a, const struct slk_hash *b);
/* One update of a random block: of a leaf that is there, or a new one; paths differ within a block. */
void draw_update(struct world *w, size_t i);
/* Applies a random block, or takes the last one back, in the map and in the model; their roots must agree. */
void play_block(struct world *w, size_t n, const struct slk_par *par);
void revert_block(struct world *w, const struct slk_par *par);

void assert_hash(const struct slk_hash *got, const struct slk_hash *want);
void assert_root(const struct slk_map *map, const struct model *model);
/* What must hold for this path; for `n` random ones, and the crowds around them. */
void check_find(const struct world *w, const struct slk_hash *path);
void check_walk(const struct world *w, const struct slk_hash *path);
void check_paths(struct world *w, size_t n);

#endif
