/* tile_cache.c: see tile_cache.h: a table of lists, and one list of all, the one asked for last in front. */
#include "net/tile_cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_SIZE 4096u

struct kept {
    struct kept *next;          /* in its list of the table */
    struct kept *newer, *older; /* asked for */
    struct slk_tile tile;
    bool is_packed;
    size_t size;
    uint8_t bytes[];
};

struct slk_tile_cache {
    size_t bytes_max, bytes;
    struct kept *newest, *oldest;
    struct kept *table[TABLE_SIZE];
};

struct slk_tile_cache *slk_tile_cache_new(size_t bytes_max)
{
    struct slk_tile_cache *cache = calloc(1, sizeof(*cache));

    if (cache != NULL)
        cache->bytes_max = bytes_max;
    return cache;
}

static size_t cost_of(size_t size)
{
    return size + sizeof(struct kept);
}

static struct kept **list_of(struct slk_tile_cache *cache, const struct slk_tile *tile, bool is_packed)
{
    uint64_t x = tile->index << 17 ^ (uint64_t)tile->width << 8 ^ (uint64_t)tile->level << 2 ^
                 (uint64_t)(tile->kind == SLK_TILE_ENTRIES) << 1 ^ (uint64_t)is_packed;

    x *= 0x9e3779b97f4a7c15u; /* 2^64 / golden ratio: its upper bits depend on all of x */
    return &cache->table[x >> 52];
}

static void unlink_age(struct slk_tile_cache *cache, struct kept *k)
{
    if (k->newer != NULL)
        k->newer->older = k->older;
    else
        cache->newest = k->older;
    if (k->older != NULL)
        k->older->newer = k->newer;
    else
        cache->oldest = k->newer;
}

static void link_newest(struct slk_tile_cache *cache, struct kept *k)
{
    k->newer = NULL;
    k->older = cache->newest;
    if (cache->newest != NULL)
        cache->newest->newer = k;
    else
        cache->oldest = k;
    cache->newest = k;
}

static void drop(struct slk_tile_cache *cache, struct kept *k)
{
    struct kept **at = list_of(cache, &k->tile, k->is_packed);

    while (*at != k)
        at = &(*at)->next;
    *at = k->next;
    unlink_age(cache, k);
    cache->bytes -= cost_of(k->size);
    free(k);
}

static void drop_oldest(struct slk_tile_cache *cache)
{
    assert(cache->oldest != NULL && cache->oldest->older == NULL && cache->oldest->newer != cache->oldest);
    drop(cache, cache->oldest);
}

void slk_tile_cache_free(struct slk_tile_cache *cache)
{
    if (cache == NULL)
        return;
    while (cache->oldest != NULL)
        drop_oldest(cache);
    assert(cache->bytes == 0);
    free(cache);
}

static struct kept *find(struct slk_tile_cache *cache, const struct slk_tile *tile, bool is_packed)
{
    struct kept *k = *list_of(cache, tile, is_packed);

    while (k != NULL &&
           (k->tile.kind != tile->kind || k->tile.level != tile->level || k->tile.index != tile->index ||
               k->tile.width != tile->width || k->is_packed != is_packed))
        k = k->next;
    return k;
}

bool slk_tile_cache_get(
    struct slk_tile_cache *cache, const struct slk_tile *tile, bool is_packed, struct slk_span *out)
{
    struct kept *k = find(cache, tile, is_packed);

    *out = (struct slk_span){0};
    if (k == NULL)
        return false;
    unlink_age(cache, k);
    link_newest(cache, k);
    *out = slk_span_of(k->bytes, k->size);
    return true;
}

void slk_tile_cache_put(
    struct slk_tile_cache *cache, const struct slk_tile *tile, bool is_packed, struct slk_span bytes)
{
    struct kept **list = list_of(cache, tile, is_packed), *k = find(cache, tile, is_packed);

    if (k != NULL)
        drop(cache, k);
    if (cache->bytes_max < sizeof(*k) || bytes.size > cache->bytes_max - sizeof(*k))
        return;
    while (cost_of(bytes.size) > cache->bytes_max - cache->bytes)
        drop_oldest(cache);
    k = malloc(cost_of(bytes.size));
    if (k == NULL)
        return;
    k->tile = *tile;
    k->is_packed = is_packed;
    k->size = bytes.size;
    if (bytes.size > 0)
        memcpy(k->bytes, bytes.at, bytes.size);
    k->next = *list;
    *list = k;
    link_newest(cache, k);
    cache->bytes += cost_of(bytes.size);
}

size_t slk_tile_cache_bytes(const struct slk_tile_cache *cache)
{
    return cache->bytes;
}
