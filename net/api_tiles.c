/* api_tiles.c: the log as C2SP tlog-tiles: hash tiles and entry bundles of the committed tree.
 *
 * A tile is full, or partial as wide as some tree has had it. A partial one ends when its full one is there: 404, as
 * for anything that no tree of this log has had yet. Widths between checkpoints are served, too: they cost nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "ledger/verify/bytes.h"
#include "net/api_private.h"

#define IMMUTABLE "Cache-Control: public, max-age=31536000, immutable\r\nAccess-Control-Allow-Origin: *\r\n"
#define BY_CODING IMMUTABLE "Vary: Accept-Encoding\r\n"
#define BINARY    "application/octet-stream"

/* The tree's right edge, for the partial tiles above level 0: from the store each of their hashes costs 255 others, 65,000 for what a
 * client asks in one line. */
struct slk_api_edge {
    struct slk_log log;
    bool is_sound;
};

/* A tree that grew by more is read anew. */
#define CATCH_UP_MAX ((uint64_t)16 * SLK_TILE_WIDTH)

static bool follow(struct slk_api_edge *edge, struct slk_view *view, uint64_t size)
{
    struct slk_hash leaves[SLK_TILE_WIDTH];

    while (edge->log.size < size) {
        uint64_t index = edge->log.size / SLK_TILE_WIDTH;
        uint32_t have = (uint32_t)(edge->log.size % SLK_TILE_WIDTH), width = slk_tile_width(0, index, size);

        if (!slk_view_tile(view, 0, index, width, leaves))
            return false;
        slk_log_append(&edge->log, leaves + have, width - have, NULL, NULL);
    }
    return true;
}

static const struct slk_log *edge_at(struct slk_api *api, struct slk_view *view, uint64_t size)
{
    struct slk_api_edge *edge = api->edge;

    if (edge == NULL) {
        edge = api->edge = calloc(1, sizeof(*edge));
        if (edge == NULL)
            return NULL;
    }
    if (edge->is_sound && edge->log.size <= size && size - edge->log.size <= CATCH_UP_MAX)
        edge->is_sound = follow(edge, view, size);
    else
        edge->is_sound = slk_view_load_log(view, &edge->log) == SLK_OK;
    return edge->is_sound ? &edge->log : NULL;
}

static void refuse_missing(struct slk_http_exchange *x, const struct slk_tile *tile, uint32_t there)
{
    if (there == 0)
        slk_http_refuse(x, SLK_HTTP_NOT_FOUND, "the log does not reach that far yet");
    else if (tile->width == SLK_TILE_WIDTH)
        slk_http_refuse(
            x, SLK_HTTP_NOT_FOUND, "this tile is not full yet: ask for the part that your checkpoint covers");
    else if (there == SLK_TILE_WIDTH)
        slk_http_refuse(x, SLK_HTTP_NOT_FOUND, "this tile is full by now: ask for it without .p");
    else
        slk_http_refuse(x, SLK_HTTP_NOT_FOUND, "this tile is not that wide yet");
}

/* ---- hashes ---- */

bool slk_api_read_tile(void *ctx, uint32_t level, uint64_t index, uint32_t width, struct slk_hash *out)
{
    const struct slk_api_tree *tree = ctx;
    uint64_t size = slk_view_tip(tree->view)->log_size;
    uint32_t there = slk_tile_width(level, index, size);
    const struct slk_log *log;

    if (level == 0 || there == SLK_TILE_WIDTH || width > there)
        return slk_view_tile(tree->view, level, index, width, out);
    log = edge_at(tree->api, tree->view, size);
    if (log != NULL)
        memcpy(out, log->edge[level], width * sizeof(*out)); /* partial: it is the last of its level */
    return log != NULL;
}

static void reply_hashes(
    struct slk_api *api, struct slk_http_exchange *x, struct slk_view *view, const struct slk_tile *tile)
{
    static const struct api_reply reply = {200, IMMUTABLE};
    static const struct slk_fault fault = {0};
    size_t size = (size_t)tile->width * sizeof(struct slk_hash);
    struct slk_hash *hashes = malloc(SLK_TILE_WIDTH * sizeof(*hashes));
    struct slk_api_tree tree = {api, view};

    if (hashes != NULL && slk_api_read_tile(&tree, tile->level, tile->index, tile->width, hashes)) {
        slk_api_reply_bytes(x, &reply, BINARY, slk_span_of((uint8_t *)hashes, size), (uint8_t *)hashes);
        return;
    }
    slk_api_reply_err(x, hashes == NULL ? SLK_E_NOMEM : SLK_E_CORRUPT, &fault);
    free(hashes);
}

/* ---- entries ---- */

/* u16 length and bytes of each entry, malloc'ed. */
static enum slk_err read_bundle(
    struct slk_view *view, const struct slk_tile *tile, uint8_t **out, size_t *out_size)
{
    uint64_t first = tile->index * SLK_TILE_WIDTH;
    struct slk_writer w;
    struct slk_span entry;
    size_t size = 0;
    enum slk_err err;

    *out = NULL;
    for (uint32_t i = 0; i < tile->width; i++, size += 2 + entry.size) {
        err = slk_view_entry(view, first + i, &entry);
        if (err != SLK_OK)
            return err == SLK_E_NOT_FOUND ? SLK_E_CORRUPT : err; /* it is below the tip */
    }
    *out = malloc(size + 1);
    if (*out == NULL)
        return SLK_E_NOMEM;
    w = (struct slk_writer){.at = *out, .cap = size};
    for (uint32_t i = 0; i < tile->width; i++) {
        err = slk_view_entry(view, first + i, &entry);
        if (err != SLK_OK)
            return err;
        slk_write_u16(&w, (uint16_t)entry.size); /* at most SLK_ENTRY_MAX */
        slk_write_bytes(&w, entry.at, entry.size);
    }
    *out_size = size;
    return SLK_OK;
}

/* Replaces the bytes by their gzip form, if that is smaller. */
static bool compress_bytes(uint8_t **bytes, size_t *size)
{
    enum { GZIP_WINDOW = 15 + 16, MEMORY = 8 };
    z_stream z = {0};
    uint8_t *packed;
    bool is_smaller;

    if (deflateInit2(&z, 1, Z_DEFLATED, GZIP_WINDOW, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    packed = malloc(*size + 1);
    if (packed == NULL) {
        deflateEnd(&z);
        return false;
    }
    z.next_in = *bytes;
    z.avail_in = (uInt)*size; /* at most 256 entries of 65,537 bytes */
    z.next_out = packed;
    z.avail_out = (uInt)*size;
    is_smaller = deflate(&z, Z_FINISH) == Z_STREAM_END;
    if (is_smaller) {
        free(*bytes);
        *bytes = packed;
        *size = z.total_out;
    } else {
        free(packed);
    }
    deflateEnd(&z);
    return is_smaller;
}

static void reply_entries(struct slk_http_exchange *x, struct slk_view *view, const struct slk_tile *tile)
{
    static const struct api_reply plain = {200, BY_CODING},
                                  packed = {200, BY_CODING "Content-Encoding: gzip\r\n"};
    static const struct slk_fault fault = {0};
    struct slk_span accept = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum slk_err err = read_bundle(view, tile, &bytes, &size);
    bool is_packed = false;

    if (err != SLK_OK) {
        free(bytes);
        slk_api_reply_err(x, err, &fault);
        return;
    }
    if (slk_http_field(slk_http_request(x), "accept-encoding", &accept) &&
        slk_http_takes_coding(accept, "gzip"))
        is_packed = compress_bytes(&bytes, &size);
    slk_api_reply_bytes(x, is_packed ? &packed : &plain, BINARY, slk_span_of(bytes, size), bytes);
}

/* ---- the route ---- */

void slk_api_tile(void *ctx, struct slk_http_exchange *x)
{
    struct slk_api *api = ctx;
    const struct slk_api_backend *backend = &api->options.backend;
    struct slk_span path = slk_http_parameter(x);
    char text[SLK_TILE_PATH_MAX];
    struct slk_fault fault = {0};
    struct slk_view *view = NULL;
    struct slk_tile tile;
    uint32_t there;
    enum slk_err err;

    if (path.size >= sizeof(text) - 5) {
        slk_http_refuse(x, SLK_HTTP_NOT_FOUND, "that is no path of a tile");
        return;
    }
    snprintf(text, sizeof(text), "tile/%.*s", (int)path.size, (const char *)path.at); /* no NUL in a target */
    if (slk_tile_parse(&tile, text, 5 + path.size) != SLK_OK) {
        slk_http_refuse(x, SLK_HTTP_NOT_FOUND, "that is no path of a tile");
        return;
    }
    err = slk_view_begin(&view, backend->store(backend->ctx));
    if (err != SLK_OK) {
        slk_api_reply_err(x, err, &fault);
        return;
    }
    there =
        slk_view_tip(view) != NULL ? slk_tile_width(tile.level, tile.index, slk_view_tip(view)->log_size) : 0;
    if (tile.width > there || (tile.width < SLK_TILE_WIDTH && there == SLK_TILE_WIDTH))
        refuse_missing(x, &tile, there);
    else if (tile.kind == SLK_TILE_HASHES)
        reply_hashes(api, x, view, &tile);
    else
        reply_entries(x, view, &tile);
    slk_view_end(view);
}

void slk_api_tiles_free(struct slk_api *api)
{
    free(api->edge);
}
