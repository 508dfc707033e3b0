/* tile.h: coordinates and URL paths of C2SP tlog-tiles. */
#ifndef SLK_VERIFY_TILE_H
#define SLK_VERIFY_TILE_H

#include "ledger/verify/sillok.h"

#define SLK_TILE_HEIGHT   8   /* C2SP tlog-tiles */
#define SLK_TILE_WIDTH    256 /* C2SP tlog-tiles: hashes in a full tile */
#define SLK_TILE_LEVELS   8   /* 8 levels of 8: 2^64 leaves */
#define SLK_TILE_PATH_MAX 64

enum slk_tile_kind { SLK_TILE_HASHES, SLK_TILE_ENTRIES };

struct slk_tile {
    enum slk_tile_kind kind;
    uint32_t level; /* 0 <= level < SLK_TILE_LEVELS; 0 for entries */
    uint64_t index;
    uint32_t width; /* 1..256 hashes or entries; 256: full */
};

/* "tile/0/x001/x234/067.p/112", "tile/entries/000"; returns the length, NUL-terminated. */
size_t slk_tile_format(char out[SLK_TILE_PATH_MAX], const struct slk_tile *tile);
/* Parses, prints again and compares: one spelling per tile. */
SLK_MUST_CHECK enum slk_err slk_tile_parse(struct slk_tile *out, const char *path, size_t path_size);
/* Hashes of level `level` tile `index` present in a tree of tree_size: 0..256. */
uint32_t slk_tile_width(uint32_t level, uint64_t index, uint64_t tree_size);

#endif
