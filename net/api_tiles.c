/* api_tiles.c: the log as C2SP tlog-tiles: hash tiles and entry bundles of the committed tree.
 *
 * A tile is full, or partial as wide as some tree has had it. A partial one ends when its full one is there: 404, as
 * for anything that no tree of this log has had yet. Widths between checkpoints are served, too: they cost nothing.
 *
 * Full tiles and bundles go from the store's pages to the kernel. What has to be made (tiles near the right edge, packed bundles) is
 * kept, as all of it is the same for ever. No picture of the store is held beyond the call, whoever reads how slowly.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/bytes.h"
#include "net/api_private.h"
#include "net/deflate.h"
#include "net/tile_cache.h"

#define IMMUTABLE "Cache-Control: public, max-age=31536000, immutable\r\nAccess-Control-Allow-Origin: *\r\n"
#define BY_CODING IMMUTABLE "Vary: Accept-Encoding\r\n"
#define BINARY    "application/octet-stream"

#define CACHE_BYTES_MAX ((size_t)16 << 20)
/* Packed in a second, at 50 bytes in a microsecond: a tenth of the thread that also votes. Beyond it bundles go as they are. */
#define PACK_BYTES_MAX ((size_t)4 << 20)
#define PACK_LEVEL                                                                                           \
    1 /* these bytes are hashes and keys, mostly: level 6 takes twice as long for half a percent */

enum form { HASHES, ENTRIES, PACKED, FORMS_N };

struct slk_api_tiles {
    struct slk_view *view; /* NULL, or resting */
    struct slk_tile_cache *cache;
    size_t packed_bytes; /* since the last tick: read */
    char tags[FORMS_N][24];
    char fields[FORMS_N][256];
    /* The tree's right edge, for the partial tiles above level 0: from the store each of their hashes costs 255 others, 65,000 for what a
     * client asks in one line. */
    struct slk_log edge;
    bool edge_is_sound;
};

/* One log has one tile of each name, so the log's name is tag enough. */
static void write_fields(struct slk_api_tiles *tiles, const struct slk_hash *chain_id)
{
    static const char *const rest[] = {
        [HASHES] = IMMUTABLE, [ENTRIES] = BY_CODING, [PACKED] = BY_CODING "Content-Encoding: gzip\r\n"};

    for (unsigned form = 0; form < FORMS_N; form++) {
        char hex[16];

        slk_hex_format(hex, chain_id->b, 8);
        snprintf(tiles->tags[form], sizeof(tiles->tags[form]), "\"%.16s%s\"", hex,
            form == PACKED ? "-gz" : ""); /* another representation */
        snprintf(tiles->fields[form], sizeof(tiles->fields[form]), "ETag: %s\r\n%s", tiles->tags[form],
            rest[form]);
    }
}

static struct slk_api_tiles *tiles_of(struct slk_api *api)
{
    struct slk_api_tiles *tiles = api->tiles;

    if (tiles != NULL)
        return tiles;
    tiles = calloc(1, sizeof(*tiles));
    if (tiles == NULL)
        return NULL;
    tiles->cache = slk_tile_cache_new(CACHE_BYTES_MAX);
    if (tiles->cache == NULL) {
        free(tiles);
        return NULL;
    }
    write_fields(tiles, &api->chain_id);
    return api->tiles = tiles;
}

void slk_api_tiles_tick(struct slk_api *api)
{
    if (api->tiles != NULL)
        api->tiles->packed_bytes = 0;
}

void slk_api_tiles_free(struct slk_api *api)
{
    if (api->tiles == NULL)
        return;
    slk_view_end(api->tiles->view);
    slk_tile_cache_free(api->tiles->cache);
    free(api->tiles);
}

/* The newest picture, until slk_view_rest. */
static enum slk_err look(struct slk_api *api, struct slk_api_tiles *tiles)
{
    const struct slk_api_backend *backend = &api->options.backend;
    enum slk_err err;

    if (tiles->view == NULL)
        return slk_view_begin(&tiles->view, backend->store(backend->ctx));
    err = slk_view_renew(tiles->view);
    if (err != SLK_OK) {
        slk_view_end(tiles->view);
        tiles->view = NULL;
    }
    return err;
}

/* ---- the right edge ---- */

/* A tree that grew by more is read anew. */
#define CATCH_UP_MAX ((uint64_t)16 * SLK_TILE_WIDTH)

static bool follow(struct slk_log *log, struct slk_view *view, uint64_t size)
{
    struct slk_hash leaves[SLK_TILE_WIDTH];

    while (log->size < size) {
        uint64_t index = log->size / SLK_TILE_WIDTH;
        uint32_t have = (uint32_t)(log->size % SLK_TILE_WIDTH), width = slk_tile_width(0, index, size);

        if (!slk_view_tile(view, 0, index, width, leaves))
            return false;
        slk_log_append(log, leaves + have, width - have, NULL, NULL);
    }
    return true;
}

static const struct slk_log *edge_at(struct slk_api *api, struct slk_view *view, uint64_t size)
{
    struct slk_api_tiles *tiles = tiles_of(api);

    if (tiles == NULL)
        return NULL;
    if (tiles->edge_is_sound && tiles->edge.size <= size && size - tiles->edge.size <= CATCH_UP_MAX)
        tiles->edge_is_sound = follow(&tiles->edge, view, size);
    else
        tiles->edge_is_sound = slk_view_load_log(view, &tiles->edge) == SLK_OK;
    return tiles->edge_is_sound ? &tiles->edge : NULL;
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
    static const struct slk_fault fault = {0};
    const struct api_reply reply = {200, api->tiles->fields[HASHES]};
    struct slk_hash hashes[SLK_TILE_WIDTH];
    struct slk_api_tree tree = {api, view};
    struct slk_span bytes = {0};

    if ((tile->width < SLK_TILE_WIDTH || !slk_view_tile_bytes(view, tile->level, tile->index, &bytes)) &&
        !slk_tile_cache_get(api->tiles->cache, tile, false, &bytes)) {
        if (!slk_api_read_tile(&tree, tile->level, tile->index, tile->width, hashes)) {
            slk_api_reply_err(x, SLK_E_CORRUPT, &fault);
            return;
        }
        bytes = slk_span_of(hashes, tile->width * sizeof(hashes[0]));
        slk_tile_cache_put(api->tiles->cache, tile, false, bytes);
    }
    slk_api_reply_bytes(x, &reply, BINARY, bytes, NULL);
}

/* ---- entries ---- */

static bool takes_gzip(const struct slk_http_exchange *x)
{
    struct slk_span accept = {0};

    return slk_http_field(slk_http_request(x), "accept-encoding", &accept) &&
           slk_http_takes_coding(accept, "gzip");
}

/* One memory for all of the pieces, malloc'ed; NULL: out of memory. */
static uint8_t *join(const struct slk_span *pieces, size_t n, size_t size)
{
    uint8_t *bytes = malloc(size + 1), *at = bytes;

    for (size_t i = 0; bytes != NULL && i < n; i++) {
        memcpy(at, pieces[i].at, pieces[i].size);
        at += pieces[i].size;
    }
    return bytes;
}

/* Packs a bundle and keeps it, so that it is done once; one that gzip makes no smaller is kept as nothing. False: it is sent as it is, because
 * of that, or because enough was packed in this second, or for want of memory. */
static bool pack(struct slk_api_tiles *tiles, const struct slk_tile *tile, const struct slk_span *pieces,
    size_t n, struct slk_span *out)
{
    size_t size = 0, packed_size = 0;
    uint8_t *bytes, *packed = NULL;

    for (size_t i = 0; i < n; i++)
        size += pieces[i].size;
    if (size > PACK_BYTES_MAX - tiles->packed_bytes)
        return false;
    bytes = join(pieces, n, size);
    tiles->packed_bytes += size;
    if (bytes != NULL &&
        slk_deflate(&packed, &packed_size, slk_span_of(bytes, size), SLK_GZIP, PACK_LEVEL) == SLK_OK)
        slk_tile_cache_put(
            tiles->cache, tile, true, slk_span_of(packed, packed_size < size ? packed_size : 0));
    free(bytes);
    free(packed);
    return slk_tile_cache_get(tiles->cache, tile, true, out);
}

static void reply_entries(
    struct slk_api *api, struct slk_http_exchange *x, struct slk_view *view, const struct slk_tile *tile)
{
    static const struct slk_fault fault = {0};
    struct slk_api_tiles *tiles = api->tiles;
    const struct api_reply packed = {200, tiles->fields[PACKED]};
    struct slk_span pieces[SLK_TILE_WIDTH], bytes = {0};
    struct slk_http_answer answer = {
        .status = 200, .type = BINARY, .fields = tiles->fields[ENTRIES], .pieces = pieces};
    bool gzip = takes_gzip(x), is_known = gzip && slk_tile_cache_get(tiles->cache, tile, true, &bytes);
    enum slk_err err;

    if (bytes.size == 0) {
        err = slk_view_entries(view, tile->index * SLK_TILE_WIDTH, tile->width, pieces, &answer.pieces_n);
        if (err != SLK_OK) {
            slk_api_reply_err(x, err == SLK_E_NOT_FOUND ? SLK_E_CORRUPT : err, &fault); /* below the tip */
            return;
        }
        if (gzip && !is_known)
            (void)!pack(tiles, tile, pieces, answer.pieces_n, &bytes);
    }
    if (bytes.size > 0)
        slk_api_reply_bytes(x, &packed, BINARY, bytes, NULL);
    else
        slk_http_answer(x, &answer);
}

/* ---- the route ---- */

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

/* The client has it already; true: that was the answer. It is there, and it never changed. */
static bool is_held(struct slk_api_tiles *tiles, struct slk_http_exchange *x, enum slk_tile_kind kind)
{
    enum form form = kind == SLK_TILE_HASHES ? HASHES : ENTRIES;
    struct api_reply reply = {.status = 304};
    struct slk_span tags = {0};

    if (!slk_http_field(slk_http_request(x), "if-none-match", &tags))
        return false;
    if (!slk_http_names_tag(tags, tiles->tags[form])) {
        if (form == HASHES || !takes_gzip(x) || !slk_http_names_tag(tags, tiles->tags[PACKED]))
            return false;
        form = PACKED;
    }
    reply.fields = tiles->fields[form];
    slk_api_reply_bytes(x, &reply, BINARY, (struct slk_span){0}, NULL);
    return true;
}

static void reply_tile(struct slk_api *api, struct slk_http_exchange *x, const struct slk_tile *tile)
{
    struct slk_view *view = api->tiles->view;
    const struct slk_tip *tip = slk_view_tip(view);
    uint32_t there = tip != NULL ? slk_tile_width(tile->level, tile->index, tip->log_size) : 0;

    if (tile->width > there || (tile->width < SLK_TILE_WIDTH && there == SLK_TILE_WIDTH))
        refuse_missing(x, tile, there);
    else if (is_held(api->tiles, x, tile->kind))
        return;
    else if (tile->kind == SLK_TILE_HASHES)
        reply_hashes(api, x, view, tile);
    else
        reply_entries(api, x, view, tile);
}

void slk_api_tile(void *ctx, struct slk_http_exchange *x)
{
    struct slk_api *api = ctx;
    const struct slk_http_parser *request = slk_http_request(x);
    struct slk_span path = slk_http_piece(request, request->path); /* "/tile/..." */
    struct slk_api_tiles *tiles = tiles_of(api);
    static const struct slk_fault fault = {0};
    struct slk_tile tile;
    enum slk_err err;

    if (slk_tile_parse(&tile, (const char *)path.at + 1, path.size - 1) != SLK_OK) {
        slk_http_refuse(x, SLK_HTTP_NOT_FOUND, "that is no path of a tile");
        return;
    }
    err = tiles != NULL ? look(api, tiles) : SLK_E_NOMEM;
    if (err != SLK_OK) {
        slk_api_reply_err(x, err, &fault);
        return;
    }
    reply_tile(api, x, &tile);
    slk_view_rest(tiles->view);
}
