/* test_api_tiles.c: the log over HTTP as C2SP tlog-tiles, read by a client that has a checkpoint and trusts nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "ledger/core/log.h"
#include "ledger/store/internal.h"
#include "ledger/verify/checkpoint.h"
#include "ledger/verify/note.h"
#include "tests/unit/api_world.h"

static int set_up(void **state)
{
    return api_set_up(state, 0);
}

/* A block of n new credentials, one submission: n entries, an authorization and a seal. */
static void add_block(struct api_world *w, uint32_t first, uint32_t n)
{
    struct fixture_batch batch = {0};

    for (uint32_t i = 0; i < n; i++) {
        struct fixture_life life = fixture_life(FIXTURE_CARD, first + i);

        fixture_add(&batch, &life, SLK_ISSUE, w->f.now_ms);
    }
    json_decref(submit(w, "?wait=proof", fixture_sign(&w->f, MINT, &batch), "200"));
    fixture_batch_free(&batch);
}

static void read_head(struct api_world *w, struct slk_tree_head *head)
{
    struct slk_span note = get(w, "/checkpoint", NULL, "200");
    struct slk_checkpoint checkpoint;
    struct slk_note parts;

    assert_int_equal(slk_note_parse(&parts, (const char *)note.at, note.size), SLK_OK);
    assert_int_equal(slk_checkpoint_parse(&checkpoint, parts.text), SLK_OK);
    *head = checkpoint.head;
}

static struct slk_span get_tile(struct api_world *w, const struct slk_tile *tile, const char *fields)
{
    char path[SLK_TILE_PATH_MAX], target[SLK_TILE_PATH_MAX + 1];

    slk_tile_format(path, tile);
    snprintf(target, sizeof(target), "/%s", path);
    return get_with(w, target, fields, "200");
}

/* As a client of the checkpoint's tree reads: at most as wide as the tree has it. */
struct reader {
    struct api_world *w;
    uint64_t size;
};

static bool read_tile(void *ctx, uint32_t level, uint64_t index, uint32_t width, struct slk_hash *out)
{
    const struct reader *r = ctx;
    struct slk_tile tile = {SLK_TILE_HASHES, level, index, slk_tile_width(level, index, r->size)};
    struct slk_span bytes = get_tile(r->w, &tile, "");

    assert_true(width <= tile.width);
    assert_int_equal(bytes.size, (size_t)tile.width * SLK_HASH_SIZE);
    memcpy(out, bytes.at, (size_t)width * SLK_HASH_SIZE);
    return true;
}

static void check_root(struct api_world *w)
{
    struct slk_tree_head head;
    struct slk_hash root;
    struct reader r = {.w = w};

    read_head(w, &head);
    r.size = head.tree_size;
    assert_int_equal(slk_log_root_at(&root, head.tree_size, read_tile, &r), SLK_OK);
    assert_memory_equal(root.b, head.root_hash.b, SLK_HASH_SIZE);
}

/* A bundle's entries hash to its tile of level 0. */
static void check_bundle(struct api_world *w, uint64_t index, uint64_t size)
{
    struct slk_tile tile = {SLK_TILE_ENTRIES, 0, index, slk_tile_width(0, index, size)};
    struct slk_hash leaves[SLK_TILE_WIDTH], hashed[SLK_TILE_WIDTH];
    struct slk_span bytes = get_tile(w, &tile, "");
    struct reader r = {w, size};
    size_t at = 0;

    for (uint32_t i = 0; i < tile.width; i++) {
        size_t n;

        assert_true(bytes.size - at >= 2);
        n = (size_t)bytes.at[at] << 8 | bytes.at[at + 1];
        at += 2;
        assert_true(n <= bytes.size - at);
        slk_hash_leaf(&hashed[i], bytes.at + at, n);
        at += n;
    }
    assert_int_equal(at, bytes.size);
    assert_true(read_tile(&r, 0, index, tile.width, leaves));
    assert_memory_equal(hashed, leaves, tile.width * sizeof(leaves[0]));
}

static void the_tiles_hash_to_the_checkpoint(void **state)
{
    struct api_world *w = *state;
    struct slk_tree_head head;

    for (uint32_t block = 0; block < 6; block++) { /* the right edge grows within tiles and over their ends */
        add_block(w, block * 200, 100 + 20 * block);
        check_root(w);
    }
    read_head(w, &head);
    assert_true(head.tree_size > 3 * SLK_TILE_WIDTH && head.tree_size < 4 * SLK_TILE_WIDTH);
    for (uint64_t index = 0; index < 4; index++)
        check_bundle(w, index, head.tree_size);
}

static bool read_view(void *ctx, uint32_t level, uint64_t index, uint32_t width, struct slk_hash *out)
{
    return slk_view_tile(ctx, level, index, width, out);
}

static json_t *get_consistency(struct api_world *w, uint64_t old_size, uint64_t size)
{
    char path[80];

    snprintf(path, sizeof(path), "/v1/consistency/%llu-%llu", (unsigned long long)old_size,
        (unsigned long long)size);
    return json_of(get(w, path, NULL, "200"));
}

static void check_consistency(struct api_world *w, uint64_t old_size, const struct slk_tree_head *head)
{
    json_t *value = get_consistency(w, old_size, head->tree_size), *list = json_object_get(value, "path");
    struct slk_hash path[2 * SLK_PATH_MAX];
    struct slk_tree_head old = {.tree_size = old_size}, now = {.tree_size = head->tree_size};
    size_t n = json_array_size(list);
    const char *hex = text_of(value, "old_root");

    assert_true(n <= 2 * SLK_PATH_MAX);
    assert_true(slk_hex_parse(old.root_hash.b, SLK_HASH_SIZE, hex, strlen(hex)));
    hex = text_of(value, "root");
    assert_true(slk_hex_parse(now.root_hash.b, SLK_HASH_SIZE, hex, strlen(hex)));
    assert_memory_equal(now.root_hash.b, head->root_hash.b, SLK_HASH_SIZE);
    for (size_t i = 0; i < n; i++) {
        hex = json_string_value(json_array_get(list, i));
        assert_true(slk_hex_parse(path[i].b, SLK_HASH_SIZE, hex, strlen(hex)));
    }
    assert_int_equal(slk_tree_check_consistency(&old, &now, path, n), SLK_OK);
    json_decref(value);
}

/* From the store alone the right edge of a tall tree is hashed anew, three times for each answer. */
static void check_that_consistency_is_cheap(struct api_world *w, uint64_t size)
{
    enum { TIMES = 20 };
    struct slk_hash path[2 * SLK_PATH_MAX];
    struct slk_view *view;
    clock_t begun = clock(), slow;
    size_t n;

    assert_int_equal(slk_view_begin(&view, slk_ledger_store(w->ledger)), SLK_OK);
    for (unsigned i = 0; i < TIMES; i++)
        assert_int_equal(slk_log_consistency_path(path, &n, size - 1 - i, size, read_view, view), SLK_OK);
    slk_view_end(view);
    slow = clock() - begun;
    begun = clock();
    for (unsigned i = 0; i < TIMES; i++)
        json_decref(get_consistency(w, size - 1 - i, size));
    assert_true(clock() - begun < slow);
}

static void a_consistency_proof_of_a_tall_tree_costs_no_hashing_of_its_edge(void **state)
{
    struct api_world *w = *state;
    struct slk_tree_head head;

    for (uint32_t block = 0; block < 15; block++)
        add_block(w, block * 4096, 4096);
    read_head(w, &head);
    for (uint64_t old_size = 1; old_size <= head.tree_size; old_size = 3 * old_size + 1)
        check_consistency(w, old_size, &head);
    check_consistency(w, head.tree_size, &head);
    check_that_consistency_is_cheap(w, head.tree_size);
}

static void the_tiles_of_a_tall_tree_hash_to_the_checkpoint(void **state)
{
    struct api_world *w = *state;
    struct slk_tree_head head;
    struct slk_tile tile = {SLK_TILE_HASHES, 1, 0, SLK_TILE_WIDTH};

    for (uint32_t block = 0; block < 17; block++)
        add_block(w, block * 4096, 4096);
    read_head(w, &head);
    assert_true(head.tree_size > SLK_TILE_WIDTH * SLK_TILE_WIDTH);
    check_root(w);
    add_block(w, 17 * 4096, 1);
    check_root(w);
    assert_int_equal(get_tile(w, &tile, "").size, SLK_TILE_WIDTH * SLK_HASH_SIZE);
    check_bundle(w, head.tree_size / SLK_TILE_WIDTH - 1, head.tree_size);
}

static void an_older_checkpoint_still_has_its_tiles(void **state)
{
    struct api_world *w = *state;
    struct slk_tree_head head;
    struct slk_hash root;
    struct reader r = {.w = w};

    add_block(w, 0, 300);
    read_head(w, &head);
    r.size = head.tree_size;
    add_block(w, 1000, 50); /* none of the old partial tiles is full yet */
    assert_int_equal(slk_log_root_at(&root, head.tree_size, read_tile, &r), SLK_OK);
    assert_memory_equal(root.b, head.root_hash.b, SLK_HASH_SIZE);
    check_bundle(w, 1, head.tree_size);
}

static void what_is_not_there_is_404(void **state)
{
    static const char *const no_paths[] = {"/tile/", "/tile/0", "/tile/0/1", "/tile/0/0001", "/tile/00/000",
        "/tile/0/x000/000", "/tile/0/000.p/0", "/tile/0/000.p/256", "/tile/0/000.p/01", "/tile/0/000/",
        "/tile/8/000.p/1", "/tile/entries/x001/000", "/tile/data/000", "/tile/0/-01",
        "/tile/0/x999/x999/x999/x999/x999/x999/x999/x999/x999/x999/x999/x999/x999/999"};
    struct api_world *w = *state;

    add_block(w, 0, 300);
    for (size_t i = 0; i < sizeof(no_paths) / sizeof(no_paths[0]); i++)
        (void)get(w, no_paths[i], NULL, "404");
    (void)get(w, "/tile/0/000", NULL, "200");
    (void)get(w, "/tile/0/000.p/255", NULL, "404"); /* its full tile is there */
    (void)get(w, "/tile/entries/000.p/255", NULL, "404");
    (void)get(w, "/tile/0/001", NULL, "404");       /* not full yet */
    (void)get(w, "/tile/0/001.p/200", NULL, "404"); /* nor that wide */
    (void)get(w, "/tile/0/002.p/1", NULL, "404");
    (void)get(w, "/tile/1/000.p/1", NULL, "200");
    (void)get(w, "/tile/1/000.p/2", NULL, "404");
    (void)get(w, "/tile/2/000.p/1", NULL, "404");
    (void)post(w, "/tile/0/000", "application/octet-stream", "*/*", slk_span_of("", 0), "405");
}

static void a_tile_may_be_kept_for_ever_by_anybody(void **state)
{
    static const char *const lines[] = {"Cache-Control: public, max-age=31536000, immutable\r\n",
        "Access-Control-Allow-Origin: *\r\n", "Content-Type: application/octet-stream\r\n"};
    struct api_world *w = *state;

    add_block(w, 0, 300);
    (void)get(w, "/tile/0/000", NULL, "200");
    for (size_t i = 0; i < 3; i++)
        assert_non_null(strstr(reply.text, lines[i]));
    (void)get(w, "/tile/entries/000", NULL, "200");
    for (size_t i = 0; i < 3; i++)
        assert_non_null(strstr(reply.text, lines[i]));
    assert_non_null(strstr(reply.text, "Vary: Accept-Encoding\r\n"));
}

/* gunzips; the size */
static size_t unpack(struct slk_span packed, uint8_t *out, size_t cap)
{
    z_stream z = {0};
    uint8_t *bytes = malloc(packed.size);

    assert_non_null(bytes);
    memcpy(bytes, packed.at, packed.size);
    z.next_in = bytes;
    z.avail_in = (uInt)packed.size;
    z.next_out = out;
    z.avail_out = (uInt)cap;
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    inflateEnd(&z);
    free(bytes);
    return z.total_out;
}

static void a_bundle_is_compressed_for_those_who_take_it(void **state)
{
    static const char *const refusals[] = {"", "Accept-Encoding: identity\r\n",
        "Accept-Encoding: gzip;q=0, *\r\n", "Accept-Encoding: br, deflate\r\n", "Accept-Encoding: xgzip\r\n"};
    static const char *const takers[] = {
        "Accept-Encoding: gzip\r\n", "Accept-Encoding: br, GZIP;q=0.1\r\n", "Accept-Encoding: *\r\n"};
    static uint8_t plain[1 << 20], back[1 << 20];
    struct slk_tile tile = {SLK_TILE_ENTRIES, 0, 0, SLK_TILE_WIDTH};
    struct api_world *w = *state;
    struct slk_span body;
    size_t size;

    add_block(w, 0, 300);
    body = get_tile(w, &tile, "");
    size = body.size;
    assert_true(size < sizeof(plain));
    memcpy(plain, body.at, size);
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        body = get_tile(w, &tile, refusals[i]);
        assert_null(strstr(reply.text, "Content-Encoding"));
        assert_int_equal(body.size, size);
        assert_memory_equal(body.at, plain, size);
    }
    for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++) {
        body = get_tile(w, &tile, takers[i]);
        assert_non_null(strstr(reply.text, "Content-Encoding: gzip\r\n"));
        assert_true(body.size < size);
        assert_int_equal(unpack(body, back, sizeof(back)), size);
        assert_memory_equal(back, plain, size);
    }
}

static void must_be_304(struct api_world *w, const char *path, const char *fields)
{
    char text[512];

    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST "%s\r\n", path, fields);
    say(&w->net, w->fd, text);
    hear_until(&w->net, w->fd, "\r\n\r\n");
    assert_status("304");
    assert_string_equal(reply.text + reply.size - 4, "\r\n\r\n");
}

static void what_a_client_has_is_not_sent_again(void **state)
{
    static const char *const paths[] = {"/tile/0/000", "/tile/0/001.p/10", "/tile/entries/000"};
    struct api_world *w = *state;
    char hex[16], ask[120];

    add_block(w, 0, 300);
    slk_hex_format(hex, slk_ledger_chain_id(w->ledger)->b, 8);
    for (size_t i = 0; i < 3; i++) {
        (void)get(w, paths[i], NULL, "200");
        snprintf(ask, sizeof(ask), "ETag: \"%.16s\"\r\n", hex);
        assert_non_null(strstr(reply.text, ask));
        snprintf(ask, sizeof(ask), "If-None-Match: \"x\", W/\"%.16s\"\r\n", hex);
        must_be_304(w, paths[i], ask);
        assert_non_null(strstr(reply.text, "immutable\r\n"));
    }
    snprintf(ask, sizeof(ask), "If-None-Match: \"%.16s-gz\"\r\n", hex);
    (void)get_with(w, "/tile/0/000", ask, "200"); /* is never packed */
    (void)get_with(w, "/tile/entries/000", ask, "200");
    (void)get_with(w, "/tile/entries/000", "Accept-Encoding: gzip\r\n", "200");
    assert_non_null(strstr(reply.text, "-gz\"\r\n"));
    snprintf(ask, sizeof(ask), "Accept-Encoding: gzip\r\nIf-None-Match: \"%.16s-gz\"\r\n", hex);
    must_be_304(w, "/tile/entries/000", ask);
    assert_non_null(strstr(reply.text, "-gz\"\r\n"));
    (void)get_with(w, "/tile/0/005", "If-None-Match: *\r\n", "404"); /* who asks for what is not there */
}

/* Whoever asks for every bundle packed must not keep the thread that votes from anything else. */
static void no_more_is_packed_than_a_tenth_of_the_thread_pays_for(void **state)
{
    struct slk_tile tile = {SLK_TILE_ENTRIES, 0, 0, SLK_TILE_WIDTH};
    struct api_world *w = *state;
    struct slk_tree_head head;
    uint64_t begun;
    size_t packed_bytes = 0;

    for (uint32_t block = 0; block < 17; block++)
        add_block(w, block * 4096, 4096);
    read_head(w, &head);
    begun = uv_now(&w->net.loop);
    for (; tile.index < head.tree_size / SLK_TILE_WIDTH; tile.index++) {
        (void)get_tile(w, &tile, "Accept-Encoding: gzip\r\n");
        if (strstr(reply.text, "Content-Encoding: gzip") != NULL)
            packed_bytes += 30000; /* and more */
    }
    assert_true(packed_bytes > 0);
    assert_true(packed_bytes / (4u << 20) <= (uv_now(&w->net.loop) - begun) / 1000 + 1);
    for (uint32_t i = 0; i < 3; i++) { /* once packed, it costs nothing: the first ones are still kept */
        tile.index = i;
        (void)get_tile(w, &tile, "Accept-Encoding: gzip\r\n");
        assert_non_null(strstr(reply.text, "Content-Encoding: gzip"));
    }
}

static void who_does_not_read_holds_no_page_of_the_store(void **state)
{
    enum { READERS = 8, REQUESTS = 150 };
    static const char request[] = "GET /tile/entries/000 HTTP/1.1\r\n" HOST "\r\n";
    static char all[REQUESTS * sizeof(request)];
    struct api_world *w = *state;
    const struct slk_env *env = slk_ledger_store(w->ledger)->env;
    unsigned before;
    size_t n = 0, size;
    int fds[READERS];

    add_block(w, 0, 300);
    before = env->readers_n;
    size = get(w, "/tile/entries/000", NULL, "200").size;
    for (unsigned i = 0; i < REQUESTS; i++, n += sizeof(request) - 1)
        memcpy(all + n, request, sizeof(request) - 1);
    for (unsigned i = 0; i < READERS; i++) {
        fds[i] = dial(&w->net);
        assert_true(say_bytes(&w->net, fds[i], all, n));
    }
    for (unsigned i = 0; i < 200; i++) {
        turn(&w->net);
        assert_int_equal(env->readers_n, before);
    }
    assert_int_equal(slk_http_server_stats(w->net.server)->writing, READERS); /* all of them are stuck */
    add_block(w, 1000, 600); /* others, and the ledger, go on; what is in memory is what it was */
    check_root(w);
    for (unsigned i = 0; i < READERS / 2; i++)
        (void)close(fds[i]);
    for (unsigned i = READERS / 2; i < READERS; i++) {
        size_t total = 0;

        for (unsigned k = 0; k < TURNS_MAX && total < REQUESTS * size; k++) {
            ssize_t got = recv(fds[i], reply.text, REPLY_MAX, MSG_DONTWAIT);

            total += got > 0 ? (size_t)got : 0;
            wait_turn(&w->net);
        }
        assert_true(total > REQUESTS * size);
        (void)close(fds[i]);
    }
    for (unsigned i = 0; i < 20; i++)
        turn(&w->net);
    assert_int_equal(slk_http_server_stats(w->net.server)->answers_bytes, 0);
    assert_int_equal(env->readers_n, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_tiles_hash_to_the_checkpoint, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(
            the_tiles_of_a_tall_tree_hash_to_the_checkpoint, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(
            a_consistency_proof_of_a_tall_tree_costs_no_hashing_of_its_edge, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(an_older_checkpoint_still_has_its_tiles, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_there_is_404, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(a_tile_may_be_kept_for_ever_by_anybody, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(a_bundle_is_compressed_for_those_who_take_it, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(what_a_client_has_is_not_sent_again, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(
            no_more_is_packed_than_a_tenth_of_the_thread_pays_for, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(who_does_not_read_holds_no_page_of_the_store, set_up, api_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
