/* status_list.c: see status_list.h. Five bytes a place, in lists that are made when their first place is used. */
#include "ledger/core/status_list.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A place: u32 of valid_until, its next 6 bits << 2 | state (0: never issued). Seconds up to the year 10,680; later is no expiry. */
#define PLACE_SIZE 5
#define UNTIL_MAX  (((uint64_t)1 << 38) - 1)
_Static_assert(SLK_ACTIVE == 1 && SLK_LOCKED == 2 && SLK_REVOKED == 3, "a place keeps a state in two bits");

#define LISTS_MAX (SLK_STATUS_LIST_MAX / SLK_STATUS_LIST_CUT)

struct list {
    uint64_t changes_n;
    uint8_t *places; /* NULL: nothing of it was ever issued */
};

struct slk_status_lists {
    bool has_only;
    uint32_t only_type, only_n;
    uint64_t bytes;
    size_t types_n;
    uint32_t codes[SLK_CHARTER_TYPES_MAX];
    uint32_t places[SLK_CHARTER_TYPES_MAX];
    struct list lists[SLK_CHARTER_TYPES_MAX][LISTS_MAX];
};

enum slk_err slk_status_lists_new(struct slk_status_lists **out)
{
    *out = calloc(1, sizeof(**out));
    return *out != NULL ? SLK_OK : SLK_E_NOMEM;
}

void slk_status_lists_free(struct slk_status_lists *lists)
{
    if (lists == NULL)
        return;
    for (size_t i = 0; i < lists->types_n; i++)
        for (size_t n = 0; n < LISTS_MAX; n++)
            free(lists->lists[i][n].places);
    free(lists);
}

/* At most 64 types. False: there is no such type. */
static bool find(const struct slk_status_lists *lists, uint32_t type, size_t *at)
{
    for (*at = 0; *at < lists->types_n; ++*at)
        if (lists->codes[*at] == type)
            return true;
    return false;
}

void slk_status_lists_grow(struct slk_status_lists *lists, const struct slk_charter *charter)
{
    size_t at;

    for (size_t i = 0; i < charter->types_n; i++) {
        if (find(lists, charter->types[i].code, &at))
            continue;
        assert(lists->types_n < SLK_CHARTER_TYPES_MAX);
        assert(charter->types[i].status_list_size <= SLK_STATUS_LIST_MAX);
        lists->codes[lists->types_n] = charter->types[i].code;
        lists->places[lists->types_n++] = charter->types[i].status_list_size;
    }
}

void slk_status_lists_only(struct slk_status_lists *lists, uint32_t type, uint32_t n)
{
    lists->has_only = true;
    lists->only_type = type;
    lists->only_n = n;
}

enum slk_err slk_status_lists_put(struct slk_status_lists *lists, const struct slk_row_status *row)
{
    uint32_t n = row->index / SLK_STATUS_LIST_CUT;
    uint64_t until = row->valid_until_s < UNTIL_MAX ? row->valid_until_s : UNTIL_MAX;
    struct list *list;
    uint8_t *place;
    size_t at;

    if (!find(lists, row->type, &at) || row->index >= lists->places[at] || row->state < SLK_ACTIVE ||
        row->state > SLK_REVOKED)
        return SLK_E_CORRUPT;
    if (lists->has_only && (row->type != lists->only_type || n != lists->only_n))
        return SLK_OK;
    list = &lists->lists[at][n];
    if (list->places == NULL) {
        uint32_t places = slk_status_list_places(lists, row->type, n);

        assert(places > 0); /* the index is one of them */
        list->places = calloc(places, PLACE_SIZE);
        if (list->places == NULL)
            return SLK_E_NOMEM;
        lists->bytes += (uint64_t)places * PLACE_SIZE;
    }
    place = list->places + (size_t)(row->index % SLK_STATUS_LIST_CUT) * PLACE_SIZE;
    slk_put_u32(place, (uint32_t)until);
    place[4] = (uint8_t)(until >> 32 << 2 | row->state);
    list->changes_n++;
    return SLK_OK;
}

void slk_status_lists_forget(struct slk_status_lists *lists, uint32_t type, uint32_t index)
{
    struct list *list;
    size_t at;

    if (!find(lists, type, &at) || index >= lists->places[at])
        return;
    list = &lists->lists[at][index / SLK_STATUS_LIST_CUT];
    if (list->places != NULL)
        memset(list->places + (size_t)(index % SLK_STATUS_LIST_CUT) * PLACE_SIZE, 0, PLACE_SIZE);
}

enum slk_err slk_status_lists_copy(
    struct slk_status_lists **out, const struct slk_status_lists *lists, uint32_t type, uint32_t n)
{
    uint32_t places = slk_status_list_places(lists, type, n);
    enum slk_err err = slk_status_lists_new(out);
    size_t at;

    if (err != SLK_OK)
        return err;
    (*out)->types_n = lists->types_n;
    memcpy((*out)->codes, lists->codes, sizeof(lists->codes));
    memcpy((*out)->places, lists->places, sizeof(lists->places));
    slk_status_lists_only(*out, type, n);
    if (places == 0 || !find(lists, type, &at) || lists->lists[at][n].places == NULL)
        return SLK_OK;
    (*out)->lists[at][n].places = malloc((size_t)places * PLACE_SIZE);
    if ((*out)->lists[at][n].places == NULL) {
        slk_status_lists_free(*out);
        *out = NULL;
        return SLK_E_NOMEM;
    }
    memcpy((*out)->lists[at][n].places, lists->lists[at][n].places, (size_t)places * PLACE_SIZE);
    (*out)->bytes = (uint64_t)places * PLACE_SIZE;
    return SLK_OK;
}

/* ---- reading ---- */

size_t slk_status_lists_types(const struct slk_status_lists *lists, const uint32_t **codes)
{
    *codes = lists->codes;
    return lists->types_n;
}

uint32_t slk_status_lists_count(const struct slk_status_lists *lists, uint32_t type)
{
    size_t at;

    return find(lists, type, &at) ? (lists->places[at] - 1) / SLK_STATUS_LIST_CUT + 1 : 0;
}

uint32_t slk_status_list_places(const struct slk_status_lists *lists, uint32_t type, uint32_t n)
{
    size_t at;
    uint32_t left;

    if (!find(lists, type, &at) || n >= slk_status_lists_count(lists, type))
        return 0;
    left = lists->places[at] - n * SLK_STATUS_LIST_CUT;
    return left < SLK_STATUS_LIST_CUT ? left : SLK_STATUS_LIST_CUT;
}

bool slk_status_lists_is_used(const struct slk_status_lists *lists, uint32_t type, uint32_t index)
{
    const struct list *list;
    size_t at;

    if (!find(lists, type, &at) || index >= lists->places[at])
        return false;
    list = &lists->lists[at][index / SLK_STATUS_LIST_CUT];
    return list->places != NULL &&
           (list->places[(size_t)(index % SLK_STATUS_LIST_CUT) * PLACE_SIZE + 4] & 3u) != 0;
}

uint64_t slk_status_list_changes(const struct slk_status_lists *lists, uint32_t type, uint32_t n)
{
    size_t at;

    return find(lists, type, &at) && n < LISTS_MAX ? lists->lists[at][n].changes_n : 0;
}

uint64_t slk_status_lists_memory(const struct slk_status_lists *lists)
{
    return lists->bytes + sizeof(*lists);
}

size_t slk_status_list_size(uint32_t places, enum slk_status_form form)
{
    if (form == SLK_STATUS_TOKEN)
        return ((size_t)places + 3) / 4;
    return ((size_t)(places < SLK_BITSTRING_MIN ? SLK_BITSTRING_MIN : places) + 7) / 8;
}

/* 0 never issued; an active place that is past its valid_until is EXPIRED, a locked one stays locked, as in status proofs. */
static unsigned state_of(const uint8_t *place, uint64_t time_s, uint64_t *next_s)
{
    unsigned state = place[4] & 3u;
    uint64_t until = (uint64_t)(place[4] >> 2) << 32 | slk_get_u32(place);

    if (state != SLK_ACTIVE || until == UNTIL_MAX)
        return state;
    if (until <= time_s)
        return SLK_EXPIRED;
    if (until < *next_s)
        *next_s = until;
    return state;
}

uint64_t slk_status_list_print(const struct slk_status_lists *lists, uint32_t type, uint32_t n,
    enum slk_status_form form, uint64_t time_s, uint8_t *out)
{
    /* by state */
    static const uint8_t token[] = {[SLK_ACTIVE] = 0, [SLK_EXPIRED] = 1, [SLK_REVOKED] = 1, [SLK_LOCKED] = 2};
    static const uint8_t revocation[] = {[SLK_REVOKED] = 1, [SLK_LOCKED] = 0, [SLK_EXPIRED] = 0};
    static const uint8_t suspension[] = {[SLK_REVOKED] = 0, [SLK_LOCKED] = 1, [SLK_EXPIRED] = 1};
    uint32_t places = slk_status_list_places(lists, type, n);
    uint64_t next_s = UINT64_MAX;
    const uint8_t *place;
    size_t at;

    assert(places > 0);
    memset(out, 0, slk_status_list_size(places, form));
    if (!find(lists, type, &at) || lists->lists[at][n].places == NULL)
        return UINT64_MAX;
    place = lists->lists[at][n].places;
    for (uint32_t i = 0; i < places; i++, place += PLACE_SIZE) {
        unsigned state = state_of(place, time_s, &next_s);

        if (form == SLK_STATUS_TOKEN)
            out[i / 4] |= (uint8_t)(token[state] << 2 * (i % 4));
        else
            out[i / 8] |=
                (uint8_t)((form == SLK_STATUS_REVOCATION ? revocation : suspension)[state] << (7 - i % 8));
    }
    return next_s;
}
