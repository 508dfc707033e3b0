/* bench_status.c: what public status lists cost a node: made from all rows, patched by a block's, printed, signed, hashed.
 *
 *   bench_status [--places N] [--dir LEDGER] [--csv FILE] [--smoke]
 *
 * Without --dir the rows are made here, block by block, in random places, and the making is not counted; with it a ledger's own are read,
 * as a node does (bench_ledger --dir makes one). Processor time of one thread, since a node has one for this. Nothing is
 * written to the disk and nothing waits for one: lists live in memory, and a node that starts makes them again.
 */
#define _DEFAULT_SOURCE
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bench/machine.h"
#include "ledger/embed/status_lists.h"
#include "net/status_epoch.h"
#include "net/status_token.h"

#define TYPE       1u
#define BLOCK_ROWS 16384u
#define NOW_S      UINT64_C(1790000000)
#define MILLION    1000000u

struct rows {
    uint8_t bytes[SLK_ROWS_HEAD + BLOCK_ROWS * SLK_ROW_SIZE];
    size_t n;
};

static struct rows rows;

/* Processor time of this thread: other programs on the same cores do not count. */
static double spent_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(enum slk_err err, const char *what)
{
    if (err != SLK_OK)
        bench_die(what, slk_err_text(err));
}

/* splitmix64 */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* Every place once, in an order like that of chance: four rounds of Feistel over two halves, again until it is a place. */
static uint32_t place_of(uint64_t i, uint32_t places)
{
    unsigned half = 1;
    uint32_t mask, x = (uint32_t)i;

    while ((uint64_t)1 << 2 * half < places)
        half++;
    mask = ((uint32_t)1 << half) - 1;
    do {
        for (uint32_t round = 0; round < 4; round++)
            x = (x & mask) << half | (x >> half ^ ((uint32_t)mix((uint64_t)round << 32 | (x & mask)) & mask));
    } while (x >= places);
    return x;
}

/* Rows from the i-th credential on: `state` is theirs now. */
static void make_rows(uint64_t i, uint32_t places, uint64_t until, uint8_t state)
{
    struct slk_row row = {.previous_row = SLK_MAP_ROW_NONE};

    rows.n = 0;
    slk_rows_begin(rows.bytes, NOW_S * 1000, 0);
    for (; i < until && rows.n < BLOCK_ROWS; i++) {
        memset(row.record, (int)(i & 0xff), 72); /* history, event id and count, which lists pass over */
        memset(row.record + 64, 0, 8);
        row.record[71] = 1;
        row.record[72] = state;
        row.record[73] = 1;
        slk_put_u32(row.record + 74, TYPE);
        slk_put_u64(row.record + 80, NOW_S + 90 * MILLION + i % MILLION);
        slk_put_u64(row.record + 88, NOW_S * 1000);
        slk_put_u32(row.record + 96, place_of(i, places));
        slk_row_format(rows.bytes, rows.n++, &row);
    }
}

static double take_rows(struct slk_status_lists *lists)
{
    double start = spent_s();

    for (size_t i = 0; i < rows.n; i++) {
        struct slk_row_status row;

        slk_row_status(&row, rows.bytes, i);
        must(slk_status_lists_put(lists, &row), "a row");
    }
    return spent_s() - start;
}

/* From no list at all: every place issued, then two in a hundred locked or revoked. */
static double rebuild(struct slk_status_lists *lists, uint32_t places)
{
    double spent = 0;

    for (uint64_t i = 0; i < places; i += BLOCK_ROWS) {
        make_rows(i, places, places, SLK_ACTIVE);
        spent += take_rows(lists);
    }
    for (uint64_t i = 0; i < places / 50; i += BLOCK_ROWS) {
        make_rows(i, places, places / 50, i / BLOCK_ROWS % 2 == 0 ? SLK_LOCKED : SLK_REVOKED);
        spent += take_rows(lists);
    }
    return spent;
}

static double print_all(const struct slk_status_lists *lists)
{
    static uint8_t bytes[SLK_STATUS_LIST_CUT / 4];
    double start = spent_s();

    for (uint32_t n = 0; n < slk_status_lists_count(lists, TYPE); n++)
        (void)slk_status_list_print(lists, TYPE, n, SLK_STATUS_TOKEN, NOW_S, bytes);
    return spent_s() - start;
}

static double sign_one(const struct slk_status_lists *lists, size_t *token_size)
{
    static const uint8_t seed[32] = {7};
    struct slk_status_claims claims = {.type = TYPE, .iat_s = NOW_S, .exp_s = NOW_S + 86400, .ttl_s = 300};
    size_t size = slk_status_list_size(slk_status_list_places(lists, TYPE, 0), SLK_STATUS_TOKEN);
    uint8_t *list = malloc(size), *token;
    struct slk_key *key;
    double start;

    snprintf(claims.base, sizeof(claims.base), "https://status.example/v1/status-lists");
    must(slk_key_from_seed(&key, seed), "a key");
    if (list == NULL)
        bench_die("a list", NULL);
    start = spent_s();
    (void)slk_status_list_print(lists, TYPE, 0, SLK_STATUS_TOKEN, NOW_S, list);
    must(slk_status_token_make(&token, token_size, SLK_TOKEN_JWT, &claims, slk_span_of(list, size), key),
        "a token");
    start = spent_s() - start;
    free(token);
    free(list);
    slk_key_free(key);
    return start;
}

/* All lists in all forms, with their hashes and the tree over them: what members sign. */
static struct slk_status_epoch *hold_still(const struct slk_status_lists *lists,
    const struct slk_status_epoch *before, double *spent, double *longest)
{
    const struct slk_block_header place = {.time_ms = NOW_S * 1000, .log_size = 1};
    struct slk_lists_statement statement;
    struct slk_status_epoch *epoch;
    bool done = false;

    *spent = spent_s();
    *longest = 0;
    must(slk_status_epoch_new(&epoch, lists, &place), "an epoch");
    while (!done) {
        double start = spent_s();

        must(slk_status_epoch_step(epoch, lists, before, &done), "a list");
        start = spent_s() - start;
        *longest = start > *longest ? start : *longest;
    }
    slk_status_epoch_state(&statement, epoch, slk_span_of("a", 1));
    *spent = spent_s() - *spent;
    return epoch;
}

static void measure_epochs(const struct slk_status_lists *lists, uint32_t places)
{
    double spent, longest;
    struct slk_status_epoch *first = hold_still(lists, NULL, &spent, &longest), *second;

    bench_row("all lists, three forms, hashed for members to sign", spent * 1000, "ms", 0, false);
    bench_row("  the longest step of it: one list", longest * 1000, "ms", 0, false);
    bench_row("  memory of what is held, a place", (double)slk_status_epoch_memory(first) / places, "bytes",
        0, false);
    second = hold_still(lists, first, &spent, &longest);
    bench_row("  again, when nothing has changed", spent * 1000, "ms", 0, false);
    slk_status_epoch_free(second);
    slk_status_epoch_free(first);
}

static void measure_made(uint32_t places)
{
    static struct slk_charter charter = {.types_n = 1, .types = {{.code = TYPE}}};
    struct slk_status_lists *lists;
    double made, printed, patched = 0;
    size_t token_size;
    char what[64];

    charter.types[0].status_list_size = places;
    must(slk_status_lists_new(&lists), "lists");
    slk_status_lists_grow(lists, &charter);
    made = rebuild(lists, places);
    printed = print_all(lists);
    snprintf(what, sizeof(what), "%" PRIu32 " places rebuilt from rows, and printed", places);
    bench_row(what, made + printed, "s", places == 10 * MILLION ? 2 : 0, false);
    bench_row("  rows taken in", made, "s", 0, false);
    bench_row("  lists printed, 2 bits", printed * 1000, "ms", 0, false);
    for (unsigned i = 0; i < 10; i++) {
        make_rows(i * BLOCK_ROWS, places, places, SLK_LOCKED);
        patched += take_rows(lists) / 10;
    }
    snprintf(what, sizeof(what), "patched by a block of %zu rows", rows.n);
    bench_row(what, patched * 1000, "ms", 0, false);
    bench_row("one list of 1,048,576 places printed and signed (JWT)", sign_one(lists, &token_size) * 1000,
        "ms", 0, false);
    bench_row("  its size", (double)token_size / 1024, "KiB", 0, false);
    bench_row("memory, a place", (double)slk_status_lists_memory(lists) / places, "bytes", 0, false);
    measure_epochs(lists, places);
    slk_status_lists_free(lists);
}

/* ---- a ledger's ---- */

static void measure_ledger(const char *dir)
{
    const struct slk_store_options options = {.read_only = true};
    struct slk_status_reader *reader;
    struct slk_store *store;
    struct slk_view *view;
    struct slk_fault fault = {0};
    bool done = false;
    double start;

    if (slk_store_open(&store, dir, &options, &fault) != SLK_OK)
        bench_die(dir, fault.text);
    must(slk_view_begin(&view, store), dir);
    must(slk_status_reader_new(&reader), "a reader");
    start = spent_s();
    while (!done)
        must(slk_status_reader_follow(reader, store, view, &SLK_STATUS_TIP, BLOCK_ROWS, &done), dir);
    start = spent_s() - start;
    bench_row("rows of this ledger", (double)slk_view_tip(view)->rows_n, "", 0, false);
    bench_row("  read into lists", start, "s", 0, false);
    bench_row("  that is, ten million", start * 1e7 / (double)slk_view_tip(view)->rows_n, "s", 2, false);
    bench_row(
        "memory", (double)slk_status_lists_memory(slk_status_reader_lists(reader)) / MILLION, "MB", 0, false);
    slk_status_reader_free(reader);
    slk_view_end(view);
    slk_store_close(store);
}

int main(int argc, char **argv)
{
    uint64_t places = 10 * MILLION;
    const char *dir = NULL;
    struct rusage usage;

    bench_name = "bench_status";
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;

        if (strcmp(argv[i], "--smoke") == 0)
            places = 3 * BLOCK_ROWS;
        else if (strcmp(argv[i], "--places") == 0 && has_value)
            places = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--dir") == 0 && has_value)
            dir = argv[++i];
        else if (strcmp(argv[i], "--csv") == 0 && has_value)
            bench_csv = fopen(argv[++i], "a");
        else
            bench_die(argv[i], "usage: bench_status [--places N] [--dir LEDGER] [--csv FILE] [--smoke]");
    }
    if (places < BLOCK_ROWS || places > SLK_STATUS_LIST_MAX)
        bench_die("--places", "from 16384 to the largest list a charter can have");
    bench_machine();
    printf("status lists (memory alone: no row waits for a disk)\n");
    if (dir != NULL)
        measure_ledger(dir);
    else
        measure_made((uint32_t)places);
    getrusage(RUSAGE_SELF, &usage);
    bench_row("memory of this process, at most", (double)usage.ru_maxrss / 1024, "MiB", 0, false);
    if (bench_csv != NULL)
        fclose(bench_csv);
    return 0;
}
