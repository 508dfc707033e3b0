/* status_list_draw.c: `sillok status-list --draw`: places for credentials to come, by chance, among those that no credential ever had. */
#include <assert.h>
#include <inttypes.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/embed/status_lists.h"
#include "tools/status_list_note.h"

#define STEP_ROWS ((uint64_t)1 << 18)

struct drawing {
    const struct slk_status_lists *lists;
    uint32_t type, places;
    uint8_t *taken; /* a bit for each place drawn */
};

static uint32_t places_of(const struct slk_status_lists *lists, uint32_t type)
{
    uint32_t all = 0;

    for (uint32_t n = 0; n < slk_status_lists_count(lists, type); n++)
        all += slk_status_list_places(lists, type, n);
    return all;
}

static uint32_t free_places(const struct drawing *d)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < d->places; i++)
        n += !slk_status_lists_is_used(d->lists, d->type, i);
    return n;
}

/* Each free place as likely as another. False: this machine has no randomness. */
static bool draw(const struct drawing *d, uint32_t *place)
{
    uint32_t limit = UINT32_MAX - UINT32_MAX % d->places;

    for (;;) {
        uint32_t word;

        if (RAND_bytes((unsigned char *)&word, sizeof(word)) != 1)
            return false;
        *place = word % d->places;
        if (word < limit && (d->taken[*place / 8] >> *place % 8 & 1) == 0 &&
            !slk_status_lists_is_used(d->lists, d->type, *place)) {
            d->taken[*place / 8] |= (uint8_t)(1u << *place % 8);
            return true;
        }
    }
}

static int draw_all(struct cli *cli, struct drawing *d, uint64_t n, bool json)
{
    json_t *list = json ? json_array() : NULL;

    for (uint64_t i = 0; i < n; i++) {
        uint32_t place;

        if (!draw(d, &place)) {
            json_decref(list);
            return cli_fail(cli, CLI_UNSURE, "this machine gives no random numbers");
        }
        if (json)
            json_array_append_new(list, json_integer(place));
        else
            printf("%" PRIu32 "\n", place);
    }
    if (json)
        cli_json(json_pack("{s:I, s:o}", "type", (json_int_t)d->type, "places", list));
    return CLI_YES;
}

static int draw_from(
    struct cli *cli, const struct slk_status_lists *lists, uint32_t type, uint64_t n, bool json)
{
    struct drawing d = {.lists = lists, .type = type, .places = places_of(lists, type)};
    uint32_t left;
    int code;

    if (d.places == 0)
        return cli_fail(cli, CLI_NO, "the charter has no credential type %" PRIu32, type);
    left = free_places(&d);
    if (n > left)
        return cli_fail(cli, CLI_NO,
            "type %" PRIu32 " has %" PRIu32 " places that were never used, out of %" PRIu32
            ": a place is never given again",
            type, left, d.places);
    d.taken = calloc(d.places / 8 + 1, 1);
    if (d.taken == NULL)
        return cli_fault(cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
    code = draw_all(cli, &d, n, json);
    free(d.taken);
    return code;
}

int cli_list_draw(struct cli *cli, struct slk_store *store, uint32_t type, uint64_t n, bool json)
{
    struct slk_status_reader *reader = NULL;
    struct slk_view *view = NULL;
    bool done = false;
    enum slk_err err;
    int code;

    assert(n > 0 && n <= LIST_DRAW_MAX);
    err = slk_status_reader_new(&reader);
    if (err == SLK_OK)
        err = slk_view_begin(&view, store);
    while (err == SLK_OK && !done)
        err = slk_status_reader_follow(reader, store, view, &SLK_STATUS_TIP, STEP_ROWS, &done);
    code = err == SLK_OK ? draw_from(cli, slk_status_reader_lists(reader), type, n, json)
                         : cli_fault(cli, cli_code_of(err), slk_store_dir(store), err, NULL);
    slk_view_end(view);
    slk_status_reader_free(reader);
    return code;
}
