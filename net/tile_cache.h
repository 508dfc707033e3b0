/* tile_cache.h: tiles and bundles that took work to make, kept. They never change: a log's tile of an index and width is the same for
 * ever, so what is kept is right, and only goes for something newer. */
#ifndef SLK_NET_TILE_CACHE_H
#define SLK_NET_TILE_CACHE_H

#include "ledger/verify/bytes.h"
#include "ledger/verify/tile.h"

struct slk_tile_cache;

/* At most bytes_max are kept, everything counted. NULL: out of memory. */
struct slk_tile_cache *slk_tile_cache_new(size_t bytes_max);
void slk_tile_cache_free(struct slk_tile_cache *cache); /* NULL is fine */
/* False: not kept. The bytes are good until the next put; empty: that is what was put. */
SLK_MUST_CHECK bool slk_tile_cache_get(
    struct slk_tile_cache *cache, const struct slk_tile *tile, bool is_packed, struct slk_span *out);
/* Copies the bytes. Those asked for longest ago go for it. What is larger than everything that may be kept is not, nor what there is no
 * memory for. */
void slk_tile_cache_put(
    struct slk_tile_cache *cache, const struct slk_tile *tile, bool is_packed, struct slk_span bytes);
size_t slk_tile_cache_bytes(const struct slk_tile_cache *cache);

#endif
