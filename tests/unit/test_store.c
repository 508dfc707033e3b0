/* test_store.c: a ledger directory: made, opened, written, read; signed; grown. What was committed is there. */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/sample.h"
#include "tests/unit/store_fixture.h"

/* All leaf hashes of a log, to hold the tiles against. */
struct leaves {
    struct slk_hash *at;
    size_t n, cap;
};

static void keep_leaves(struct leaves *l, const struct slk_block *b)
{
    if (l->n + b->entries_n > l->cap) {
        l->cap = 2 * (l->n + b->entries_n);
        l->at = realloc(l->at, l->cap * sizeof(*l->at));
        assert_non_null(l->at);
    }
    memcpy(l->at + l->n, b->leaves, b->entries_n * sizeof(*l->at));
    l->n += b->entries_n;
}

/* Where a full tile lies in the map: those of an unfinished group of leaves, and partial ones, lie nowhere. */
static void compare_bytes(
    struct slk_view *view, const struct leaves *l, uint32_t level, size_t tile, const struct slk_hash *hashes)
{
    bool is_made = level == 0 && tile / SLK_GROUP_TILES >= l->n / SLK_GROUP_LEAVES;
    bool is_full = slk_tile_width(level, tile, l->n) == SLK_TILE_WIDTH;
    struct slk_span bytes;

    assert_int_equal(slk_view_tile_bytes(view, level, tile, &bytes), is_full && !is_made);
    assert_int_equal(bytes.size, is_full && !is_made ? SLK_TILE_WIDTH * SLK_HASH_SIZE : 0);
    if (bytes.size > 0)
        assert_memory_equal(bytes.at, hashes, bytes.size);
}

static void compare_tiles(struct slk_view *view, const struct leaves *l)
{
    struct slk_hash *level = malloc((l->n + 1) * sizeof(*level)), got[SLK_TILE_WIDTH];
    size_t n = l->n;

    assert_non_null(level);
    memcpy(level, l->at, n * sizeof(*level));
    for (uint32_t lv = 0; n > 0; lv++) {
        for (size_t tile = 0; tile * SLK_TILE_WIDTH < n; tile++) {
            uint32_t width = slk_tile_width(lv, tile, l->n);
            uint32_t step = width == SLK_TILE_WIDTH ? 255
                            : width > 1             ? width - 1
                                                    : 1; /* all of it, and its first hash */

            for (uint32_t w = 1; w <= width; w += step) {
                assert_true(slk_view_tile(view, lv, tile, w, got));
                assert_memory_equal(got, level + tile * SLK_TILE_WIDTH, w * sizeof(*got));
            }
            if (width < SLK_TILE_WIDTH)
                assert_false(slk_view_tile(view, lv, tile, width + 1, got));
            compare_bytes(view, l, lv, tile, level + tile * SLK_TILE_WIDTH);
        }
        assert_false(slk_view_tile(view, lv, (n + SLK_TILE_WIDTH - 1) / SLK_TILE_WIDTH, 1, got));
        for (unsigned k = 0; k < SLK_TILE_HEIGHT; k++) {
            for (size_t i = 0; i < n / 2; i++)
                slk_hash_node(&level[i], &level[2 * i], &level[2 * i + 1]);
            n /= 2;
        }
    }
    free(level);
}

/* ---- creating, opening ---- */
static void created_ledger_is_empty_and_opens_again(void **state)
{
    const char *dir = in_base("new");
    struct maker *m = maker_new(1, SMALL);
    struct slk_store *store = create(dir, m, NULL);
    struct slk_tree_head head;
    struct slk_span note;
    struct slk_view *view;
    struct stat st;

    (void)state;
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    for (int i = 0; i < 2; i++) {
        assert_false(slk_store_has_tip(store));
        assert_true(slk_hash_equal(slk_store_chain_id(store), &m->chain_id));
        assert_true(slk_span_equal(slk_store_charter(store), maker_charter(m)));
        assert_string_equal(slk_store_dir(store), dir);
        view = view_of(store);
        assert_null(slk_view_tip(view));
        assert_int_equal(slk_view_checkpoint(view, &head, &note), SLK_E_NOT_FOUND);
        slk_view_end(view);
        slk_store_close(store);
        store = reopen(dir, i == 1);
    }
    slk_store_close(store);
    slk_store_close(NULL);
    maker_free(m);
}

static void create_refuses_what_is_there(void **state)
{
    const char *dir = in_base("there");
    struct maker *m = maker_new(1, SMALL);
    struct slk_fault fault = {0};
    struct slk_store *store;

    (void)state;
    slk_store_close(create(dir, m, NULL));
    assert_int_equal(slk_store_create(&store, dir, maker_charter(m), NULL, &fault), SLK_E_EXISTS);
    assert_non_null(strstr(fault.text, "ledger already"));
    slk_store_close(reopen(dir, false)); /* unharmed */

    dir = in_base("full");
    assert_int_equal(mkdir(dir, 0700), 0);
    write_file(file_in(dir, "letter.txt"), (const uint8_t *)"hello", 5);
    assert_int_equal(slk_store_create(&store, dir, maker_charter(m), NULL, &fault), SLK_E_EXISTS);
    assert_non_null(strstr(fault.text, "letter.txt"));
    assert_int_equal(access(file_in(dir, "letter.txt"), F_OK), 0);

    write_file(in_base("file"), (const uint8_t *)"hello", 5);
    assert_int_not_equal(slk_store_create(&store, in_base("file"), maker_charter(m), NULL, &fault), SLK_OK);
    assert_int_equal(
        slk_store_create(&store, in_base("no/where"), maker_charter(m), NULL, &fault), SLK_E_NOT_FOUND);
    assert_int_equal(
        slk_store_create(&store, in_base("none"), slk_span_of("", 0), NULL, &fault), SLK_E_CHARTER);
    maker_free(m);
}

static void create_takes_over_an_interrupted_one(void **state)
{
    struct maker *m = maker_new(1, SMALL);
    const char *dir = in_base("half");
    struct slk_fault fault = {0};
    struct slk_store *store;

    (void)state;
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(mkdir(file_in(dir, SLK_MAKING), 0700), 0);
    write_file(file_in(dir, SLK_MAKING "/data.mdb"), (const uint8_t *)"half a ledger", 13);
    write_file(file_in(dir, SLK_MAKING "/lock.mdb"), NULL, 0);
    write_file(file_in(dir, "newest"), (const uint8_t *)"old", 3);
    assert_int_equal(slk_store_open(&store, dir, NULL, &fault), SLK_E_NOT_FOUND);
    store = create(dir, m, NULL);
    assert_int_not_equal(access(file_in(dir, SLK_MAKING), F_OK), 0);
    slk_store_close(store);
    slk_store_close(reopen(dir, false));
    maker_free(m);
}

static void create_never_removes_a_data_mdb(void **state)
{
    const char *dir = in_base("kept");
    struct maker *m = maker_new(1, SMALL);
    struct slk_fault fault = {0};
    struct slk_store *store;
    uint8_t *bytes;
    size_t size;

    (void)state;
    make_ledger(dir, 1, 3);
    assert_int_equal(unlink(file_in(dir, "writer.lock")), 0);
    assert_int_equal(mkdir(file_in(dir, "writer.lock"), 0700), 0); /* the lock cannot be taken */
    assert_int_not_equal(slk_store_create(&store, dir, maker_charter(m), NULL, &fault), SLK_OK);
    assert_int_equal(rmdir(file_in(dir, "writer.lock")), 0);
    slk_store_close(reopen(dir, false));

    write_file(file_in(dir, "data.mdb"), (const uint8_t *)"ruins", 5); /* not even then */
    assert_int_equal(slk_store_create(&store, dir, maker_charter(m), NULL, &fault), SLK_E_EXISTS);
    bytes = read_file(file_in(dir, "data.mdb"), &size);
    assert_int_equal(size, 5);
    free(bytes);
    maker_free(m);
}

static void open_refuses_what_is_not_there(void **state)
{
    struct slk_fault fault = {0};
    struct slk_store *store;

    (void)state;
    assert_int_equal(slk_store_open(&store, in_base("nothing"), NULL, &fault), SLK_E_NOT_FOUND);
    assert_null(store);
    assert_true(fault.text[0] != '\0');
    assert_int_equal(mkdir(in_base("bare"), 0700), 0);
    assert_int_equal(slk_store_open(&store, in_base("bare"), NULL, &fault), SLK_E_NOT_FOUND);
    write_file(file_in(in_base("bare"), "data.mdb"), (const uint8_t *)"not a data base", 15);
    assert_int_equal(slk_store_open(&store, in_base("bare"), NULL, &fault), SLK_E_CORRUPT);
}

static void put_meta(const char *dir, const char *key, const void *value, size_t size)
{
    put_item(dir, "meta", key, strlen(key), value, size);
}

static void another_format_is_refused(void **state)
{
    const char *dir = in_base("newer");
    struct slk_fault fault = {0};
    struct slk_store *store;
    const uint8_t newer[4] = {0, 0, 0, SLK_STORE_FORMAT + 1}, older[4] = {0, 0, 0, SLK_STORE_FORMAT - 1},
                  none[4] = {0};

    (void)state;
    make_ledger(dir, 1, 3);
    put_meta(dir, SLK_META_FORMAT, newer, sizeof newer);
    assert_int_equal(slk_store_open(&store, dir, NULL, &fault), SLK_E_FORMAT);
    assert_non_null(strstr(fault.text, "format is 3"));
    put_meta(dir, SLK_META_FORMAT, older, sizeof older);
    assert_int_equal(slk_store_open(&store, dir, NULL, &fault), SLK_E_FORMAT);
    assert_non_null(strstr(fault.text, "format is 1, of an older program"));
    put_meta(dir, SLK_META_FORMAT, none, sizeof none);
    assert_int_equal(slk_store_open(&store, dir, NULL, &fault), SLK_E_CORRUPT);
}

static void another_chains_charter_is_refused(void **state)
{
    const char *dir = in_base("other");
    struct maker *m = maker_new(1, SMALL);
    struct slk_fault fault = {0};
    struct slk_hash chain_id;
    struct slk_store *store;

    (void)state;
    make_ledger(dir, 1, 3);
    m->charter_bytes[m->charter_size - 1] ^= 1;
    put_meta(dir, SLK_META_CHARTER, m->charter_bytes, m->charter_size);
    assert_int_equal(slk_store_open(&store, dir, NULL, &fault), SLK_E_CHAIN);
    slk_charter_chain_id(&chain_id, maker_charter(m)); /* now the charter fits itself, but not the blocks */
    put_meta(dir, SLK_META_CHAIN_ID, chain_id.b, sizeof chain_id.b);
    assert_int_equal(slk_store_open(&store, dir, NULL, &fault), SLK_E_CHAIN);
    assert_non_null(strstr(fault.text, "another ledger"));
    maker_free(m);
}

/* ---- committing, reading ---- */
static void what_was_committed_reads_back(void **state)
{
    const char *dir = in_base("read");
    struct maker *m = maker_new(7, 40), *again = maker_new(7, 40);
    struct slk_store *store = create(dir, m, NULL);
    struct slk_view *view = view_of(store), *reopened;
    struct leaves leaves = {0};
    struct slk_log log;
    struct slk_hash root;

    (void)state;
    for (int i = 0; i < 60; i++) {
        const struct slk_block *b = maker_next(m);

        commit(store, b);
        keep_leaves(&leaves, b);
        assert_int_equal(slk_view_renew(view), SLK_OK);
        assert_memory_equal(slk_view_tip(view), &b->tip, sizeof b->tip);
        assert_memory_equal(slk_store_tip(store), &b->tip, sizeof b->tip);
        compare_block(view, b);
        assert_int_equal(slk_view_load_log(view, &log), SLK_OK);
        slk_log_root(&log, &root);
        assert_true(slk_hash_equal(&root, &b->tip.log_root));
        compare_tiles(view, &leaves);
    }
    slk_view_end(view);
    slk_store_close(store);
    store = reopen(dir, true);
    reopened = view_of(store);
    for (int i = 0; i < 60; i++)
        compare_block(reopened, maker_next(again));
    compare_tiles(reopened, &leaves);
    slk_view_end(reopened);
    slk_store_close(store);
    free(leaves.at);
    maker_free(m);
    maker_free(again);
}

static void tiles_of_a_large_log_are_right(void **state)
{
    const char *dir = in_base("large");
    struct maker *m = maker_new(8, 4000);
    struct slk_store *store = create(dir, m, NULL);
    struct leaves leaves = {0};
    struct slk_view *view;
    uint64_t at = 1;

    (void)state;
    commit(store, maker_next(m));
    keep_leaves(&leaves, &m->block);
    for (int i = 0; i < 33; i++) { /* past 65,536: a full tile of level 1 */
        commit(store, maker_next_of(m, i % 3 == 0 ? 1500 : 4000));
        keep_leaves(&leaves, &m->block);
        if (i % 7 == 3) { /* the unfinished group is filled from the entries again */
            slk_store_close(store);
            store = reopen(dir, false);
        }
    }
    assert_true(leaves.n > 65536);
    view = view_of(store);
    compare_tiles(view, &leaves);
    for (int i = 0; i < 300; i++) {
        struct slk_tree_head head = {leaves.n - sample_below(&at, leaves.n), {{0}}};
        uint64_t leaf = sample_below(&at, head.tree_size);
        struct slk_hash path[SLK_PATH_MAX];
        size_t n;

        assert_int_equal(slk_log_root_at(&head.root_hash, head.tree_size, slk_view_tile, view), SLK_OK);
        assert_int_equal(slk_log_inclusion_path(path, &n, leaf, head.tree_size, slk_view_tile, view), SLK_OK);
        assert_int_equal(slk_tree_check_inclusion(&head, leaf, &leaves.at[leaf], path, n), SLK_OK);
    }
    slk_view_end(view);
    slk_store_close(store);
    free(leaves.at);
    maker_free(m);
}

static void reading_beyond_the_end_finds_nothing(void **state)
{
    struct maker *m = maker_new(2, SMALL);
    struct slk_store *store = create(in_base("end"), m, NULL);
    struct slk_view *view = view_of(store);
    struct slk_view_block block;
    struct slk_hash hash;
    struct slk_span entry;
    struct slk_row row;
    uint64_t height;

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(slk_view_entry(view, m->tip.log_size, &entry), SLK_E_NOT_FOUND);
        assert_int_equal(slk_view_entry(view, UINT64_MAX, &entry), SLK_E_NOT_FOUND);
        assert_int_equal(slk_view_height_of(view, m->tip.log_size, &height), SLK_E_NOT_FOUND);
        assert_int_equal(slk_view_row(view, m->tip.rows_n, &row), SLK_E_NOT_FOUND);
        assert_int_equal(slk_view_row(view, SLK_MAP_ROW_NONE, &row), SLK_E_NOT_FOUND);
        assert_int_equal(slk_view_block(view, m->has_tip ? m->tip.height + 1 : 0, &block), SLK_E_NOT_FOUND);
        assert_int_equal(slk_view_block(view, UINT64_MAX, &block), SLK_E_NOT_FOUND);
        assert_false(slk_view_tile(view, SLK_TILE_LEVELS, 0, 1, &hash));
        assert_false(slk_view_tile(view, 0, UINT64_MAX, 1, &hash));
        assert_false(slk_view_tile(view, 0, 0, 0, &hash));
        commit(store, maker_next(m));
        assert_int_equal(slk_view_renew(view), SLK_OK);
    }
    slk_view_end(view);
    slk_view_end(NULL);
    slk_store_close(store);
    maker_free(m);
}

/* The pieces of n entries, one behind the other, are what slk_view_entry gives, each behind its length. */
static void compare_pieces(struct slk_view *view, uint64_t first, size_t n)
{
    struct slk_span pieces[64], piece = {0}, entry;
    size_t pieces_n, next = 0;

    assert_true(n <= 64);
    assert_int_equal(slk_view_entries(view, first, n, pieces, &pieces_n), SLK_OK);
    for (size_t i = 0; i < n; i++) {
        if (piece.size == 0)
            piece = pieces[next++];
        assert_int_equal(slk_view_entry(view, first + i, &entry), SLK_OK);
        assert_true(piece.size >= 2 + entry.size);
        assert_int_equal(piece.at[0] << 8 | piece.at[1], entry.size);
        assert_ptr_equal(piece.at + 2, entry.at); /* where it lies: nothing was copied */
        piece = slk_span_of(piece.at + 2 + entry.size, piece.size - 2 - entry.size);
    }
    assert_int_equal(piece.size, 0);
    assert_int_equal(next, pieces_n);
}

static void entries_of_many_blocks_are_given_in_pieces(void **state)
{
    struct maker *m = maker_new(5, SMALL);
    struct slk_store *store = create(in_base("pieces"), m, NULL);
    struct slk_view *view;
    struct slk_span pieces[64];
    size_t pieces_n;

    (void)state;
    for (int i = 0; i < 20; i++)
        commit(store, maker_next(m));
    view = view_of(store);
    for (uint64_t first = 0; first < m->tip.log_size; first++)
        for (size_t n = 0; n <= 64 && n <= m->tip.log_size - first; n++)
            compare_pieces(view, first, n);
    assert_int_equal(slk_view_entries(view, m->tip.log_size - 1, 2, pieces, &pieces_n), SLK_E_NOT_FOUND);
    assert_int_equal(slk_view_entries(view, UINT64_MAX, 1, pieces, &pieces_n), SLK_E_NOT_FOUND);
    slk_view_end(view);
    slk_store_close(store);
    maker_free(m);
}

static void a_view_that_rests_holds_nothing(void **state)
{
    struct maker *m = maker_new(6, SMALL);
    struct slk_store *store = create(in_base("rests"), m, NULL);
    struct slk_view *view = view_of(store), *other;
    struct slk_span entry;

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(store->env->readers_n, 1);
        slk_view_rest(view);
        assert_int_equal(store->env->readers_n, 0);
        assert_null(slk_view_tip(view));
        assert_int_equal(slk_view_entry(view, 0, &entry), SLK_E_NOT_FOUND);
        commit(store, maker_next(m));
        assert_int_equal(slk_view_renew(view), SLK_OK);
        assert_int_equal(slk_view_tip(view)->height, i);
        compare_block(view, &m->block);
        if (i == 2)
            assert_int_equal(slk_view_renew(view), SLK_OK); /* without a rest in between */
    }
    other = view_of(store);
    assert_int_equal(store->env->readers_n, 2);
    slk_view_rest(view);
    slk_view_end(view); /* from its rest */
    assert_int_equal(store->env->readers_n, 1);
    slk_view_end(other);
    assert_int_equal(store->env->readers_n, 0);
    slk_store_close(store);
    maker_free(m);
}

static void a_view_stays_what_it_was(void **state)
{
    struct maker *m = maker_new(3, SMALL);
    struct slk_store *store = create(in_base("still"), m, NULL);
    struct slk_view *views[20];
    struct slk_span entry;

    (void)state;
    for (int i = 0; i < 20; i++) {
        commit(store, maker_next(m));
        views[i] = view_of(store);
    }
    for (int i = 0; i < 20; i++) {
        const struct slk_tip *tip = slk_view_tip(views[i]);

        assert_int_equal(tip->height, i);
        assert_int_equal(slk_view_entry(views[i], tip->log_size - 1, &entry), SLK_OK);
        assert_int_equal(slk_view_entry(views[i], tip->log_size, &entry), SLK_E_NOT_FOUND);
        slk_view_end(views[i]);
    }
    slk_store_close(store);
    maker_free(m);
}

static void read_only_writes_nothing(void **state)
{
    const char *dir = in_base("ro");
    struct maker *m = maker_new(1, SMALL);
    struct slk_machine machine = {0};
    struct slk_tree_head head;
    struct slk_snapshot *snapshot;
    struct slk_fault fault = {0};
    struct slk_store *store;
    uint8_t *before, *after;
    size_t before_n, after_n;

    (void)state;
    make_ledger(dir, 1, 3);
    for (int i = 0; i < 3; i++)
        (void)maker_next(m);
    head = (struct slk_tree_head){m->tip.log_size, m->tip.log_root};
    before = read_file(file_in(dir, "data.mdb"), &before_n);
    store = reopen(dir, true);
    assert_int_equal(try_commit(store, maker_next(m), &fault), SLK_E_READ_ONLY);
    assert_int_equal(slk_store_put_checkpoint(store, &head, slk_span_of("x", 1)), SLK_E_READ_ONLY);
    assert_int_equal(slk_snapshot_begin(&snapshot, store, &machine), SLK_E_READ_ONLY);
    slk_store_close(store);
    after = read_file(file_in(dir, "data.mdb"), &after_n);
    assert_int_equal(before_n, after_n);
    assert_memory_equal(before, after, after_n);
    free(before);
    free(after);
    maker_free(m);
}

/* ---- checkpoints ---- */
static void an_older_or_other_checkpoint_is_refused(void **state)
{
    const char *dir = in_base("signed");
    struct maker *m = maker_new(4, SMALL);
    struct slk_store *store = create(dir, m, NULL);
    struct slk_tree_head old, head, got;
    struct slk_span note = slk_span_of("a note", 6), stored;
    struct slk_view *view;

    (void)state;
    commit(store, maker_next(m));
    old = (struct slk_tree_head){m->tip.log_size, m->tip.log_root};
    commit(store, maker_next(m));
    head = (struct slk_tree_head){m->tip.log_size, m->tip.log_root};
    assert_int_equal(slk_store_put_checkpoint(store, &old, note), SLK_OK);
    assert_int_equal(slk_store_put_checkpoint(store, &head, note), SLK_OK);
    assert_int_equal(slk_store_put_checkpoint(store, &old, note), SLK_E_CHAIN);
    assert_int_equal(
        slk_store_put_checkpoint(store, &head, slk_span_of("again", 5)), SLK_OK); /* signed anew: later */
    head.root_hash.b[31] ^= 1;
    assert_int_equal(slk_store_put_checkpoint(store, &head, note), SLK_E_CHAIN);
    head.root_hash.b[31] ^= 1;
    head.tree_size++;
    assert_int_equal(slk_store_put_checkpoint(store, &head, note), SLK_E_CHAIN);
    head.tree_size--;
    assert_int_equal(slk_store_put_checkpoint(store, &head, slk_span_of("", 0)), SLK_E_TOO_LARGE);
    for (int i = 0; i < 2; i++) {
        view = view_of(store);
        assert_int_equal(slk_view_checkpoint(view, &got, &stored), SLK_OK);
        assert_memory_equal(&got, &head, sizeof got);
        assert_true(slk_span_equal(stored, slk_span_of("again", 5)));
        slk_view_end(view);
        slk_store_close(store);
        store = reopen(dir, false);
    }
    commit(store, maker_next(m));
    slk_store_close(store);
    maker_free(m);
}

/* ---- the size of the map ---- */
static void the_map_grows_when_views_end(void **state)
{
    struct slk_store_options options = {.map_size = 2 << 20, .map_headroom = 1 << 20};
    struct maker *m = maker_new(6, 50);
    struct slk_store *store = create(in_base("grow"), m, &options);
    struct slk_view *view;
    bool cramped = false;

    (void)state;
    commit(store, maker_next(m));
    view = view_of(store);
    for (int i = 0; i < 200; i++) {
        commit(store, maker_next(m));
        if (slk_store_is_cramped(store)) {
            cramped = true;
            slk_view_end(view);
            assert_int_equal(slk_store_grow(store), SLK_OK);
            assert_false(slk_store_is_cramped(store));
            view = view_of(store);
        }
        assert_int_equal(slk_view_renew(view), SLK_OK);
        compare_block(view, &m->block);
    }
    assert_true(cramped);
    slk_view_end(view);
    slk_store_close(store);
    maker_free(m);
}

static void a_full_map_is_no_space_and_kills_the_store(void **state)
{
    const char *dir = in_base("maxed");
    struct slk_store_options options = {.map_size = 1 << 20, .map_max = 2 << 20, .map_headroom = 1 << 16};
    struct maker *m = maker_new(6, 100), *again = maker_new(6, 100);
    struct slk_store *store = create(dir, m, &options);
    struct slk_fault fault = {0};
    enum slk_err err = SLK_OK;
    struct slk_view *view;
    uint64_t committed = 0;

    (void)state;
    while (err == SLK_OK && committed < 1000) {
        err = try_commit(store, maker_next(m), &fault);
        committed += err == SLK_OK;
    }
    assert_int_equal(err, SLK_E_NO_SPACE);
    assert_true(fault.text[0] != '\0' && committed > 10);
    m->tip = *slk_store_tip(store);
    assert_int_equal(m->tip.height, committed - 1);
    fault.text[0] = '\0';
    m->block.header.height = committed; /* dead before anything is looked at */
    assert_int_equal(try_commit(store, &m->block, &fault), SLK_E_IO);
    assert_non_null(strstr(fault.text, "before"));
    slk_store_close(store);

    store = reopen(dir, false); /* no limit now */
    assert_int_equal(slk_store_tip(store)->height, committed - 1);
    view = view_of(store);
    for (uint64_t i = 0; i < committed; i++)
        compare_block(view, maker_next(again));
    slk_view_end(view);
    commit(store, maker_next(again));
    slk_store_close(store);
    maker_free(m);
    maker_free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(created_ledger_is_empty_and_opens_again),
        cmocka_unit_test(create_refuses_what_is_there),
        cmocka_unit_test(create_takes_over_an_interrupted_one),
        cmocka_unit_test(create_never_removes_a_data_mdb),
        cmocka_unit_test(open_refuses_what_is_not_there),
        cmocka_unit_test(another_format_is_refused),
        cmocka_unit_test(another_chains_charter_is_refused),
        cmocka_unit_test(what_was_committed_reads_back),
        cmocka_unit_test(tiles_of_a_large_log_are_right),
        cmocka_unit_test(reading_beyond_the_end_finds_nothing),
        cmocka_unit_test(entries_of_many_blocks_are_given_in_pieces),
        cmocka_unit_test(a_view_that_rests_holds_nothing),
        cmocka_unit_test(a_view_stays_what_it_was),
        cmocka_unit_test(read_only_writes_nothing),
        cmocka_unit_test(an_older_or_other_checkpoint_is_refused),
        cmocka_unit_test(the_map_grows_when_views_end),
        cmocka_unit_test(a_full_map_is_no_space_and_kills_the_store),
    };

    return cmocka_run_group_tests(tests, make_base, remove_base);
}
