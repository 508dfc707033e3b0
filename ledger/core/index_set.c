/* index_set.c: one bitmap per credential type, zeroed pages that the system hands out when first touched. */
#include "ledger/core/index_set.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct bitmap {
    uint32_t type;
    uint32_t places; /* status_list_size: indexes are below it */
    uint8_t *bits;   /* bytes_of(places), spare bits zero */
};

struct slk_index_set {
    size_t maps_n;
    struct bitmap maps[SLK_CHARTER_TYPES_MAX];
};

static size_t bytes_of(uint32_t places)
{
    return (size_t)places / 8 + (places % 8 != 0);
}

/* NULL when the charter declares no such type. At most 64 types: a walk beats anything cleverer. */
static const struct bitmap *find(const struct slk_index_set *set, uint32_t type)
{
    for (size_t i = 0; i < set->maps_n; i++)
        if (set->maps[i].type == type)
            return &set->maps[i];
    return NULL;
}

enum slk_err slk_index_set_grow(struct slk_index_set *set, const struct slk_charter *charter)
{
    size_t before = set->maps_n;

    assert(charter->types_n <= SLK_CHARTER_TYPES_MAX);
    for (size_t i = 0; i < charter->types_n; i++) {
        const struct slk_credential_type *type = &charter->types[i];
        struct bitmap *map;

        assert(type->status_list_size >= 1 && type->status_list_size <= SLK_STATUS_LIST_MAX);
        if (find(set, type->code) != NULL)
            continue;
        assert(set->maps_n < SLK_CHARTER_TYPES_MAX); /* types are never removed: SLK_CHANGE_TYPE_FIXED */
        map = &set->maps[set->maps_n];
        *map = (struct bitmap){.type = type->code, .places = type->status_list_size};
        map->bits = calloc(bytes_of(map->places), 1);
        if (map->bits == NULL) {
            while (set->maps_n > before)
                free(set->maps[--set->maps_n].bits);
            return SLK_E_NOMEM;
        }
        set->maps_n++;
    }
    return SLK_OK;
}

void slk_index_set_shrink(struct slk_index_set *set, const struct slk_charter *charter)
{
    while (set->maps_n > 0 && slk_charter_type(charter, set->maps[set->maps_n - 1].type) == NULL)
        free(set->maps[--set->maps_n].bits);
}

enum slk_err slk_index_set_new(struct slk_index_set **out, const struct slk_charter *charter)
{
    struct slk_index_set *set = calloc(1, sizeof(*set));
    enum slk_err err = set != NULL ? slk_index_set_grow(set, charter) : SLK_E_NOMEM;

    *out = NULL;
    if (err != SLK_OK) {
        slk_index_set_free(set);
        return err;
    }
    *out = set;
    return SLK_OK;
}

void slk_index_set_free(struct slk_index_set *set)
{
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->maps_n; i++)
        free(set->maps[i].bits);
    free(set);
}

bool slk_index_set_has(const struct slk_index_set *set, uint32_t type, uint32_t index)
{
    const struct bitmap *map = find(set, type);

    if (map == NULL || index >= map->places)
        return false;
    return (map->bits[index >> 3] & (0x80u >> (index & 7))) != 0;
}

void slk_index_set_put(struct slk_index_set *set, uint32_t type, uint32_t index, bool used)
{
    const struct bitmap *map = find(set, type);
    uint8_t bit = (uint8_t)(0x80u >> (index & 7));

    assert(map != NULL && index < map->places);
    if (used)
        map->bits[index >> 3] |= bit;
    else
        map->bits[index >> 3] &= (uint8_t)~bit;
}

const uint8_t *slk_index_set_bits(const struct slk_index_set *set, uint32_t type, size_t *bytes_n)
{
    const struct bitmap *map = find(set, type);

    *bytes_n = map != NULL ? bytes_of(map->places) : 0;
    return map != NULL ? map->bits : NULL;
}

enum slk_err slk_index_set_load(struct slk_index_set *set, uint32_t type, const uint8_t *bits, size_t bytes_n)
{
    const struct bitmap *map = find(set, type);

    if (map == NULL || bytes_n != bytes_of(map->places))
        return SLK_E_CORRUPT;
    if (map->places % 8 != 0 && (bits[bytes_n - 1] & (0xffu >> (map->places % 8))) != 0)
        return SLK_E_CORRUPT; /* a place beyond the list */
    memcpy(map->bits, bits, bytes_n);
    return SLK_OK;
}

uint64_t slk_index_set_count(const struct slk_index_set *set, uint32_t type)
{
    const struct bitmap *map = find(set, type);
    size_t bytes_n = map != NULL ? bytes_of(map->places) : 0, i = 0;
    uint64_t count = 0;

    for (; bytes_n - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
        uint64_t word;

        memcpy(&word, map->bits + i, sizeof(word)); /* byte order does not matter for a count */
        count += (uint64_t)__builtin_popcountll(word);
    }
    for (; i < bytes_n; i++)
        count += (uint64_t)__builtin_popcount(map->bits[i]);
    return count;
}
