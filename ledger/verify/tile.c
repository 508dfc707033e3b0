/* tile.c: see tile.h. */
#include <assert.h>
#include <string.h>

#include "ledger/verify/bytes.h"
#include "ledger/verify/tile.h"

#define INDEX_BASE       1000 /* C2SP tlog-tiles: three digits an element */
#define INDEX_GROUPS_MAX 7    /* 20 digits */

/* A tile beyond this would hold leaves beyond 2^64. */
static uint64_t index_max(uint32_t level)
{
    return UINT64_MAX >> (SLK_TILE_HEIGHT * level) >> SLK_TILE_HEIGHT; /* one shift of 64 is undefined */
}

static void write_text(struct slk_writer *w, const char *text)
{
    slk_write_bytes(w, text, strlen(text));
}

static void write_decimal(struct slk_writer *w, uint64_t v)
{
    char digits[SLK_DECIMAL_MAX];

    slk_write_bytes(w, digits, slk_decimal_format(digits, v));
}

/* 1234067 is x001/x234/067. */
static void write_index(struct slk_writer *w, uint64_t index)
{
    unsigned groups[INDEX_GROUPS_MAX];
    size_t n = 0;

    do {
        groups[n++] = (unsigned)(index % INDEX_BASE);
        index /= INDEX_BASE;
    } while (index > 0);
    while (n > 0) {
        unsigned group = groups[--n];

        if (n > 0)
            write_text(w, "x");
        slk_write_u8(w, (uint8_t)('0' + group / 100));
        slk_write_u8(w, (uint8_t)('0' + group / 10 % 10));
        slk_write_u8(w, (uint8_t)('0' + group % 10));
        if (n > 0)
            write_text(w, "/");
    }
}

size_t slk_tile_format(char out[SLK_TILE_PATH_MAX], const struct slk_tile *tile)
{
    uint8_t bytes[SLK_TILE_PATH_MAX];
    struct slk_writer w = {.at = bytes, .cap = sizeof(bytes) - 1};

    assert(tile->level < SLK_TILE_LEVELS && (tile->kind == SLK_TILE_HASHES || tile->level == 0));
    assert(tile->width >= 1 && tile->width <= SLK_TILE_WIDTH);
    write_text(&w, "tile/");
    if (tile->kind == SLK_TILE_ENTRIES)
        write_text(&w, "entries");
    else
        write_decimal(&w, tile->level);
    write_text(&w, "/");
    write_index(&w, tile->index);
    if (tile->width < SLK_TILE_WIDTH) {
        write_text(&w, ".p/");
        write_decimal(&w, tile->width);
    }
    assert(!w.bad); /* the longest, of entries, is 13 + 33 + 6 */
    memcpy(out, bytes, w.size);
    out[w.size] = '\0';
    return w.size;
}

/* Reads "x001/x234/067"; slackly, since the caller prints and compares. */
static bool read_index(uint64_t *index, struct slk_span text)
{
    *index = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint64_t digit;

        if (text.at[i] == 'x' || text.at[i] == '/')
            continue;
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        digit = (uint64_t)(text.at[i] - '0');
        if (*index > (UINT64_MAX - digit) / 10)
            return false;
        *index = *index * 10 + digit;
    }
    return true;
}

/* Fills `out` from the path; what it lets through in another spelling, the caller catches. */
static enum slk_err read_path(struct slk_tile *out, struct slk_span rest)
{
    struct slk_span item, index;
    uint64_t level = 0, width = SLK_TILE_WIDTH;

    if (!slk_span_take(&item, &rest, '/') || !slk_span_equal(item, slk_span_of("tile", 4)) ||
        !slk_span_take(&item, &rest, '/'))
        return SLK_E_MALFORMED;
    out->kind = slk_span_equal(item, slk_span_of("entries", 7)) ? SLK_TILE_ENTRIES : SLK_TILE_HASHES;
    if (out->kind == SLK_TILE_HASHES &&
        !slk_decimal_parse(&level, UINT32_MAX, (const char *)item.at, item.size))
        return SLK_E_MALFORMED;
    if (!slk_span_take(&index, &rest, '.')) {
        index = rest;
    } else if (!slk_span_take(&item, &rest, '/') || !slk_span_equal(item, slk_span_of("p", 1)) ||
               !slk_decimal_parse(&width, UINT32_MAX, (const char *)rest.at, rest.size)) {
        return SLK_E_MALFORMED;
    }
    if (!read_index(&out->index, index))
        return SLK_E_MALFORMED;
    if (level >= SLK_TILE_LEVELS || out->index > index_max((uint32_t)level) || width < 1 ||
        width > SLK_TILE_WIDTH)
        return SLK_E_RANGE;
    out->level = (uint32_t)level;
    out->width = (uint32_t)width;
    return SLK_OK;
}

enum slk_err slk_tile_parse(struct slk_tile *out, const char *path, size_t path_size)
{
    char again[SLK_TILE_PATH_MAX];
    enum slk_err err = SLK_E_MALFORMED;

    memset(out, 0, sizeof(*out)); /* width 0 is no tile */
    if (path_size >= SLK_TILE_PATH_MAX)
        return err;
    err = read_path(out, slk_span_of(path, path_size));
    if (err == SLK_OK &&
        !slk_span_equal(slk_span_of(again, slk_tile_format(again, out)), slk_span_of(path, path_size)))
        err = SLK_E_MALFORMED;
    if (err != SLK_OK)
        memset(out, 0, sizeof(*out));
    return err;
}

uint32_t slk_tile_width(uint32_t level, uint64_t index, uint64_t tree_size)
{
    uint64_t hashes_n, full_n;

    assert(level < SLK_TILE_LEVELS);
    hashes_n = tree_size >> (SLK_TILE_HEIGHT * level);
    full_n = hashes_n / SLK_TILE_WIDTH;
    if (index > full_n)
        return 0;
    return index < full_n ? SLK_TILE_WIDTH : (uint32_t)(hashes_n % SLK_TILE_WIDTH);
}
