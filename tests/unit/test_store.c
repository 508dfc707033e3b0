/* test_store.c: a ledger directory: what is committed is there, what is damaged is named, nobody writes twice. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ledger/core/map.h"
#include "ledger/store/internal.h"
#include "tests/unit/make_blocks.h"
#include "tests/unit/sample.h"

#define SMALL 6 /* events in a small block, at most */

/* ---- a directory of its own for each test ---- */

static char base_dir[64];

static int make_base(void **state)
{
    (void)state;
    (void)snprintf(base_dir, sizeof base_dir, "/tmp/sillok-store-XXXXXX");
    return mkdtemp(base_dir) != NULL ? 0 : -1;
}

static void remove_dir(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    char path[512];

    while (d != NULL && (e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (unlink(path) != 0)
            remove_dir(path);
    }
    if (d != NULL)
        (void)closedir(d);
    (void)rmdir(dir);
}

static int remove_base(void **state)
{
    (void)state;
    remove_dir(base_dir);
    return 0;
}

static const char *in_base(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];

    (void)snprintf(path, sizeof paths[0], "%s/%s", base_dir, name);
    return path;
}

static const char *file_in(const char *dir, const char *name)
{
    static char paths[8][300];
    static unsigned next;
    char *path = paths[next++ % 8];

    (void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

/* ---- files ---- */

static uint8_t *read_file(const char *path, size_t *size)
{
    int fd = open(path, O_RDONLY);
    struct stat st;
    uint8_t *bytes;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    *size = (size_t)st.st_size;
    bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, *size), (ssize_t)*size);
    close(fd);
    return bytes;
}

static void write_file(const char *path, const uint8_t *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

static void flip_bit(const char *path, uint64_t bit)
{
    int fd = open(path, O_RDWR);
    uint8_t byte;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)(bit / 8)), 1);
    byte = (uint8_t)(byte ^ 1u << (bit % 8));
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)(bit / 8)), 1);
    close(fd);
}

/* ---- ledgers ---- */

static struct slk_store *create(
    const char *dir, const struct maker *m, const struct slk_store_options *options)
{
    struct slk_fault fault = {0};
    struct slk_store *store;
    enum slk_err err = slk_store_create(&store, dir, maker_charter(m), options, &fault);

    if (err != SLK_OK)
        fail_msg("create: %s: %s", slk_err_name(err), fault.text);
    return store;
}

static struct slk_store *reopen(const char *dir, bool read_only)
{
    struct slk_store_options options = {.read_only = read_only};
    struct slk_fault fault = {0};
    struct slk_store *store;
    enum slk_err err = slk_store_open(&store, dir, &options, &fault);

    if (err != SLK_OK)
        fail_msg("open: %s: %s", slk_err_name(err), fault.text);
    return store;
}

static void commit(struct slk_store *store, const struct slk_block *block)
{
    struct slk_fault fault = {0};
    enum slk_err err = slk_store_commit(store, block, &fault);

    if (err != SLK_OK)
        fail_msg("commit: %s: %s", slk_err_name(err), fault.text);
}

static void sign(struct slk_store *store, const struct maker *m)
{
    struct slk_tree_head head = {m->tip.log_size, m->tip.log_root};
    uint8_t note[1024];
    size_t size = maker_note(m, note, sizeof note);

    assert_int_equal(slk_store_put_checkpoint(store, &head, slk_span_of(note, size)), SLK_OK);
}

/* A ledger of `blocks` small blocks in `dir`, closed. */
static void make_ledger(const char *dir, uint64_t seed, unsigned blocks)
{
    struct maker *m = maker_new(seed, SMALL);
    struct slk_store *store = create(dir, m, NULL);

    for (unsigned i = 0; i < blocks; i++)
        commit(store, maker_next(m));
    sign(store, m);
    slk_store_close(store);
    maker_free(m);
}

static struct slk_view *view_of(struct slk_store *store)
{
    struct slk_view *view;

    assert_int_equal(slk_view_begin(&view, store), SLK_OK);
    return view;
}

/* Everything a block should be, read back through the view. */
static void compare_block(struct slk_view *view, const struct slk_block *b)
{
    struct slk_view_block stored;
    uint64_t height;

    assert_int_equal(slk_view_block(view, b->header.height, &stored), SLK_OK);
    assert_memory_equal(stored.header, b->header_bytes, SLK_BLOCK_HEADER_SIZE);
    assert_int_equal(stored.first_index, b->first_index);
    assert_int_equal(stored.first_row, b->first_row);
    assert_int_equal(stored.entries_n, b->entries_n);
    assert_int_equal(stored.rows_n, b->rows_n);
    assert_int_equal(stored.entries.size, b->entries_size);
    assert_memory_equal(stored.entries.at, b->entries, b->entries_size);
    assert_int_equal(stored.rows.size, slk_rows_size(b->rows_n));
    if (b->rows_n > 0)
        assert_memory_equal(stored.rows.at, b->rows, stored.rows.size);
    for (size_t i = 0; i < b->entries_n; i++) {
        const uint8_t *at = b->entries + b->offsets[i];
        struct slk_span entry;

        assert_int_equal(slk_view_entry(view, b->first_index + i, &entry), SLK_OK);
        assert_int_equal(entry.size, (size_t)at[0] << 8 | at[1]);
        assert_memory_equal(entry.at, at + 2, entry.size);
        assert_int_equal(slk_view_height_of(view, b->first_index + i, &height), SLK_OK);
        assert_int_equal(height, b->header.height);
    }
    for (size_t i = 0; i < b->rows_n; i++) {
        uint8_t bytes[SLK_ROWS_HEAD + SLK_ROW_SIZE];
        struct slk_row row;

        assert_int_equal(slk_view_row(view, b->first_row + i, &row), SLK_OK);
        memcpy(bytes, b->rows, SLK_ROWS_HEAD);
        slk_row_format(bytes, 0, &row);
        assert_memory_equal(bytes + SLK_ROWS_HEAD, b->rows + SLK_ROWS_HEAD + i * SLK_ROW_SIZE, SLK_ROW_SIZE);
    }
}

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

/* Writes a meta item behind the store's back. */
static void put_meta(const char *dir, const char *key, const void *value, size_t size)
{
    MDB_val k = {strlen(key), (void *)(uintptr_t)key}, v = {size, (void *)(uintptr_t)value};
    struct slk_env env = {.mdb = NULL};
    MDB_txn *txn;
    MDB_dbi dbi;

    assert_int_equal(mdb_env_create(&env.mdb), 0);
    assert_int_equal(mdb_env_set_maxdbs(env.mdb, 8), 0);
    assert_int_equal(mdb_env_open(env.mdb, dir, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env.mdb, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "meta", 0, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
    env.base[SLK_BASE_META] = dbi;
    assert_int_equal(slk_env_commit(&env, txn), 0);
    mdb_env_close(env.mdb);
}

static void newer_format_is_refused(void **state)
{
    const char *dir = in_base("newer");
    struct slk_fault fault = {0};
    struct slk_store *store;
    const uint8_t newer[4] = {0, 0, 0, SLK_STORE_FORMAT + 1};

    (void)state;
    make_ledger(dir, 1, 3);
    put_meta(dir, SLK_META_FORMAT, newer, sizeof newer);
    assert_int_equal(slk_store_open(&store, dir, NULL, &fault), SLK_E_FORMAT);
    assert_non_null(strstr(fault.text, "format is 2"));
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
    assert_int_equal(slk_store_commit(store, maker_next(m), &fault), SLK_E_READ_ONLY);
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

/* ---- several of us ---- */

static void a_second_writer_is_refused_by_name(void **state)
{
    const char *dir = in_base("second");
    struct maker *m = maker_new(1, SMALL);
    struct slk_store *store = create(dir, m, NULL), *other;
    struct slk_fault fault = {0};
    char pid[32];
    int status;
    pid_t child;

    (void)state;
    (void)snprintf(pid, sizeof pid, "process %ld ", (long)getpid());
    assert_int_equal(slk_store_open(&other, dir, NULL, &fault), SLK_E_IN_USE);
    assert_non_null(strstr(fault.text, pid));
    child = fork();
    if (child == 0)
        _exit(slk_store_open(&other, dir, NULL, &fault) == SLK_E_IN_USE && strstr(fault.text, pid) != NULL
                  ? 0
                  : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(slk_store_create(&other, dir, maker_charter(m), NULL, &fault), SLK_E_IN_USE);
    commit(store, maker_next(m)); /* the first one goes on */
    slk_store_close(store);
    slk_store_close(reopen(dir, false));
    maker_free(m);
}

static void readers_of_the_same_process_share_the_environment(void **state)
{
    const char *dir = in_base("share");
    struct maker *m = maker_new(1, SMALL);
    struct slk_store *writer = create(dir, m, NULL), *reader = reopen(dir, true), *other;
    struct slk_view *view = view_of(reader);
    struct slk_fault fault = {0};

    (void)state;
    for (int i = 0; i < 10; i++) {
        commit(writer, maker_next(m));
        assert_int_equal(slk_view_renew(view), SLK_OK);
        assert_int_equal(slk_view_tip(view)->height, i);
        compare_block(view, &m->block);
    }
    slk_store_close(writer);
    compare_block(view, &m->block);
    writer = reopen(dir, false);
    commit(writer, maker_next(m));
    slk_store_close(writer);
    slk_view_end(view);
    slk_store_close(reader);

    reader = reopen(dir, true);
    assert_int_equal(
        slk_store_open(&other, dir, NULL, &fault), SLK_E_IN_USE); /* LMDB could not tell the two apart */
    assert_non_null(strstr(fault.text, "reading"));
    slk_store_close(reader);
    maker_free(m);
}

static void wait_for(int fd)
{
    char c;

    if (read(fd, &c, 1) != 1)
        _exit(9);
}

static void go(int fd)
{
    assert_int_equal(write(fd, "x", 1), 1);
}

/* Another process, with a map of its own that is soon too small. */
static int follow_from_outside(const char *dir, int from_writer, int to_writer, int blocks)
{
    struct slk_store_options options = {.read_only = true, .map_size = 1 << 20};
    struct maker *m = maker_new(5, 200);
    struct slk_store *store;
    struct slk_view *view;

    wait_for(from_writer);
    if (slk_store_open(&store, dir, &options, NULL) != SLK_OK || slk_view_begin(&view, store) != SLK_OK)
        return 2;
    for (int i = 0; i < blocks; i++) {
        struct slk_view_block stored;
        const struct slk_block *b = maker_next_of(m, 200);

        if (write(to_writer, "x", 1) != 1)
            return 3;
        wait_for(from_writer);
        if (slk_view_renew(view) != SLK_OK || slk_view_tip(view)->height != b->header.height)
            return 4;
        if (slk_view_block(view, b->header.height, &stored) != SLK_OK ||
            memcmp(stored.header, b->header_bytes, SLK_BLOCK_HEADER_SIZE) != 0 ||
            memcmp(stored.entries.at, b->entries, b->entries_size) != 0)
            return 5;
    }
    slk_view_end(view);
    slk_store_close(store);
    maker_free(m);
    return 0;
}

static void another_process_sees_blocks_and_the_grown_map(void **state)
{
    const int blocks = 60;
    struct slk_store_options options = {.map_size = 1 << 20, .map_headroom = 1 << 16};
    const char *dir = in_base("outside");
    struct maker *m = maker_new(5, 200);
    struct slk_store *store;
    struct stat st;
    int to[2], from[2], status;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(from), 0);
    child = fork();
    if (child == 0) {
        close(to[1]);
        close(from[0]);
        _exit(follow_from_outside(dir, to[0], from[1], blocks));
    }
    close(to[0]);
    close(from[1]);
    store = create(dir, m, &options);
    go(to[1]);
    for (int i = 0; i < blocks; i++) {
        char c;
        if (read(from[0], &c, 1) != 1)
            break;
        commit(store, maker_next_of(m, 200));
        go(to[1]);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(stat(file_in(dir, "data.mdb"), &st), 0);
    assert_true(st.st_size > 2 << 20);
    close(to[1]);
    close(from[0]);
    slk_store_close(store);
    maker_free(m);
}

struct reading {
    struct slk_store *store;
    uint64_t until;
    bool good;
};

static void *read_along(void *arg)
{
    struct reading *r = arg;
    struct slk_view *view;
    const struct slk_tip *tip;

    r->good = slk_view_begin(&view, r->store) == SLK_OK;
    do {
        struct slk_view_block block;
        struct slk_span entry;

        tip = slk_view_tip(view);
        r->good = r->good && slk_view_entry(view, tip->log_size - 1, &entry) == SLK_OK &&
                  slk_view_block(view, tip->height, &block) == SLK_OK;
        if (tip->height >= r->until || !r->good)
            break;
        r->good = slk_view_renew(view) == SLK_OK;
    } while (r->good);
    slk_view_end(view);
    return NULL;
}

static void threads_read_while_the_map_grows(void **state)
{
    struct slk_store_options options = {.map_size = 1 << 20, .map_headroom = 1 << 17};
    struct maker *m = maker_new(6, 300);
    struct slk_store *store = create(in_base("threads"), m, &options);
    struct reading readings[3];
    pthread_t threads[3];

    (void)state;
    commit(store, maker_next(m));
    for (int i = 0; i < 3; i++) {
        readings[i] = (struct reading){.store = store, .until = 60};
        assert_int_equal(pthread_create(&threads[i], NULL, read_along, &readings[i]), 0);
    }
    for (int i = 0; i < 60; i++)
        commit(store, maker_next(m));
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_true(readings[i].good);
    }
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
        err = slk_store_commit(store, maker_next(m), &fault);
        committed += err == SLK_OK;
    }
    assert_int_equal(err, SLK_E_NO_SPACE);
    assert_true(fault.text[0] != '\0' && committed > 10);
    m->tip = *slk_store_tip(store);
    assert_int_equal(m->tip.height, committed - 1);
    fault.text[0] = '\0';
    m->block.header.height = committed; /* dead before anything is looked at */
    assert_int_equal(slk_store_commit(store, &m->block, &fault), SLK_E_IO);
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

/* ---- truncation ---- */

static bool digest(const char *dir, struct slk_hash *out);
static void expect_sound(const char *dir);

static void a_truncated_file_is_refused_at_every_length(void **state)
{
    const char *dir = in_base("cut");
    unsigned whole = 0, refused = 0;
    struct slk_hash original, is;
    uint8_t *bytes;
    size_t size;

    (void)state;
    make_ledger(dir, 9, 12);
    assert_true(digest(dir, &original));
    bytes = read_file(file_in(dir, "data.mdb"), &size);
    for (size_t n = 0; n < size; n += n % 4096 == 0 || n > 8192 ? 511 : 1 + n % 97) {
        struct slk_fault fault = {0};
        struct slk_store *store = NULL;
        enum slk_err err;

        write_file(file_in(dir, "data.mdb"), bytes, n);
        err = slk_store_open(&store, dir, NULL, &fault);
        if (err == SLK_OK) { /* only pages that are free anyway were cut off: nothing is missing */
            slk_store_close(store);
            assert_true(digest(dir, &is) && slk_hash_equal(&is, &original));
            expect_sound(dir);
            whole++;
            continue;
        }
        if (err != SLK_E_CORRUPT || strstr(fault.text, "truncated") == NULL)
            fail_msg("%zu of %zu bytes: %s %s", n, size, slk_err_name(err), fault.text);
        assert_null(store);
        assert_int_equal(slk_store_fsck(dir, NULL, NULL, NULL, NULL, &fault), SLK_E_CORRUPT);
        refused++;
    }
    assert_true(refused > whole);
    write_file(file_in(dir, "data.mdb"), bytes, size);
    slk_store_close(reopen(dir, false));
    free(bytes);
}

/* ---- backup ---- */

static void a_backup_is_the_ledger_as_it_was(void **state)
{
    const char *dir = in_base("live"), *to = in_base("copy");
    struct maker *m = maker_new(11, SMALL), *again = maker_new(11, SMALL);
    struct slk_store *store = create(dir, m, NULL), *copy;
    struct slk_fault fault = {0};
    struct slk_view *view;

    (void)state;
    for (int i = 0; i < 20; i++)
        commit(store, maker_next(m));
    assert_int_equal(slk_store_backup(dir, to, NULL, NULL, &fault), SLK_OK); /* its own process writes on */
    for (int i = 0; i < 20; i++)
        commit(store, maker_next(m));
    assert_int_equal(slk_store_backup(dir, to, NULL, NULL, &fault), SLK_E_EXISTS);
    assert_int_equal(
        slk_store_backup(in_base("nothing"), in_base("c2"), NULL, NULL, &fault), SLK_E_NOT_FOUND);
    assert_int_equal(slk_store_backup(dir, in_base("no/where"), NULL, NULL, &fault), SLK_E_NOT_FOUND);
    slk_store_close(store);
    copy = reopen(to, false);
    assert_int_equal(slk_store_tip(copy)->height, 19);
    view = view_of(copy);
    for (int i = 0; i < 20; i++)
        compare_block(view, maker_next(again));
    slk_view_end(view);
    commit(copy, maker_next(again)); /* and it can go on by itself */
    slk_store_close(copy);
    maker_free(m);
    maker_free(again);
}

static int back_up_often(const char *dir, int times)
{
    for (int i = 0; i < times; i++) {
        char to[300];
        struct slk_fault fault = {0};

        (void)snprintf(to, sizeof to, "%s/backup%d", base_dir, i);
        if (slk_store_backup(dir, to, NULL, NULL, &fault) != SLK_OK)
            return 2;
        if (slk_store_fsck(to, NULL, NULL, NULL, NULL, &fault) != SLK_OK)
            return 3;
        remove_dir(to);
    }
    return 0;
}

static void backups_and_fsck_run_beside_a_writer(void **state)
{
    const char *dir = in_base("busy");
    struct maker *m = maker_new(12, 30);
    struct slk_store *store = create(dir, m, NULL);
    struct slk_fault fault = {0};
    int status = -1;
    pid_t child;

    (void)state;
    commit(store, maker_next(m));
    child = fork();
    if (child == 0)
        _exit(back_up_often(dir, 25));
    for (int i = 0; i < 5000 && waitpid(child, &status, WNOHANG) == 0; i++) {
        commit(store, maker_next_of(m, 1 + (unsigned)i % 20));
        if (i % 50 == 0)
            assert_int_equal(slk_store_fsck(dir, NULL, NULL, NULL, NULL, &fault), SLK_OK);
    }
    if (status == -1)
        (void)waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    slk_store_close(store);
    maker_free(m);
}

/* ---- the state: snapshots and replay ---- */

static void compare_machines(const struct slk_machine *a, const struct slk_machine *b)
{
    struct slk_hash x, y;

    assert_memory_equal(&a->tip, &b->tip, sizeof a->tip);
    assert_int_equal(a->has_genesis, b->has_genesis);
    assert_int_equal(slk_map_count(a->map), slk_map_count(b->map));
    slk_map_root(a->map, &x);
    slk_map_root(b->map, &y);
    assert_memory_equal(&x, &y, sizeof x);
    slk_log_root(&a->log, &x);
    slk_log_root(&b->log, &y);
    assert_memory_equal(&x, &y, sizeof x);
    for (size_t i = 0; i < a->charter->types_n; i++) {
        size_t n, k;
        const uint8_t *p = slk_index_set_bits(a->indexes, a->charter->types[i].code, &n);
        const uint8_t *q = slk_index_set_bits(b->indexes, b->charter->types[i].code, &k);
        assert_int_equal(n, k);
        assert_memory_equal(p, q, n);
    }
}

/* Two threads, the way ledger/embed lends them. */
struct par_run {
    void (*job)(void *arg, size_t i);
    void *arg;
    size_t n, next;
    pthread_mutex_t lock;
};

static void *par_main(void *arg)
{
    struct par_run *r = arg;

    for (;;) {
        size_t i;

        pthread_mutex_lock(&r->lock);
        i = r->next++;
        pthread_mutex_unlock(&r->lock);
        if (i >= r->n)
            return NULL;
        r->job(r->arg, i);
    }
}

static void par_two(void *ctx, void (*job)(void *arg, size_t i), void *arg, size_t n)
{
    struct par_run r = {.job = job, .arg = arg, .n = n};
    pthread_t thread;

    (void)ctx;
    pthread_mutex_init(&r.lock, NULL);
    assert_int_equal(pthread_create(&thread, NULL, par_main, &r), 0);
    (void)par_main(&r);
    pthread_join(thread, NULL);
    pthread_mutex_destroy(&r.lock);
}

static const struct slk_par two = {.width = 2, .run = par_two};

static void load_and_compare(struct slk_store *store, const struct slk_machine *machine,
    const struct maker *m, const struct slk_par *par, const char *expected_text)
{
    struct slk_fault fault = {0};
    struct slk_machine loaded;
    enum slk_err err;

    maker_machine_new(&loaded, m);
    err = slk_store_load_state(store, &loaded, par, NULL, NULL, &fault);
    if (err != SLK_OK)
        fail_msg("load: %s: %s", slk_err_name(err), fault.text);
    if (expected_text == NULL)
        assert_string_equal(fault.text, "");
    else if (strstr(fault.text, expected_text) == NULL)
        fail_msg("`%s` should say `%s`", fault.text, expected_text);
    compare_machines(&loaded, machine);
    maker_machine_free(&loaded);
}

static void snapshot_now(struct slk_store *store, const struct slk_machine *machine)
{
    struct slk_snapshot *snapshot;
    bool done;

    assert_int_equal(slk_snapshot_begin(&snapshot, store, machine), SLK_OK);
    assert_int_equal(slk_snapshot_step(snapshot, machine, SIZE_MAX, &done), SLK_OK);
    assert_true(done);
    assert_int_equal(slk_snapshot_finish(snapshot, machine), SLK_OK);
}

static void the_state_loads_from_blocks_alone(void **state)
{
    const char *dir = in_base("replay");
    struct maker *m = maker_new(20, 700);
    struct slk_store *store = create(dir, m, NULL);
    struct slk_machine machine;

    (void)state;
    maker_machine_new(&machine, m);
    load_and_compare(store, &machine, m, NULL, NULL); /* before the first block */
    for (int i = 0; i < 20; i++) {
        commit(store, maker_next(m));
        maker_execute(m, &machine);
        if (i % 5 == 0)
            load_and_compare(store, &machine, m, i % 2 == 0 ? &two : NULL, NULL);
    }
    load_and_compare(store, &machine, m, &two, NULL);
    slk_store_close(store);
    store = reopen(dir, true);
    load_and_compare(store, &machine, m, NULL, NULL);
    slk_store_close(store);
    maker_machine_free(&machine);
    maker_free(m);
}

/* Copied in small steps with blocks between: parts of many heights. */
static void a_snapshot_taken_between_blocks_loads(void **state)
{
    const char *dir = in_base("snap");
    struct maker *m = maker_new(21, 300);
    struct slk_store *store = create(dir, m, NULL);
    struct slk_snapshot *snapshot = NULL;
    struct slk_machine machine;
    unsigned taken = 0;

    (void)state;
    maker_machine_new(&machine, m);
    for (int i = 0; i < 60; i++) {
        bool done = false;

        commit(store, maker_next(m));
        maker_execute(m, &machine);
        if (snapshot == NULL)
            assert_int_equal(slk_snapshot_begin(&snapshot, store, &machine), SLK_OK);
        assert_int_equal(
            slk_snapshot_step(snapshot, &machine, slk_map_count(machine.map) * 56 / 10 + 100, &done), SLK_OK);
        if (done) {
            assert_int_equal(slk_snapshot_finish(snapshot, &machine), SLK_OK);
            snapshot = NULL;
            taken++;
        }
        load_and_compare(store, &machine, m, i % 2 == 0 ? &two : NULL, NULL);
    }
    assert_true(taken >= 2);
    slk_snapshot_abort(snapshot);
    slk_snapshot_abort(NULL);
    load_and_compare(store, &machine, m, NULL, NULL);
    assert_int_equal(access(file_in(dir, "snapshot.0"), F_OK), 0);
    assert_int_equal(access(file_in(dir, "snapshot.1"), F_OK), 0);
    slk_store_close(store);
    maker_machine_free(&machine);
    maker_free(m);
}

static void a_snapshot_never_runs_ahead_of_the_blocks(void **state)
{
    const char *dir = in_base("ahead");
    struct maker *m = maker_new(22, 100);
    struct slk_store *store = create(dir, m, NULL);
    struct slk_snapshot *snapshot;
    struct slk_machine machine;
    bool done;

    (void)state;
    maker_machine_new(&machine, m);
    commit(store, maker_next(m));
    maker_execute(m, &machine);
    commit(store, maker_next(m));
    maker_execute(m, &machine);
    (void)maker_next(m);
    maker_execute(m, &machine); /* executed, not committed */
    assert_int_equal(slk_snapshot_begin(&snapshot, store, &machine), SLK_OK);
    assert_int_equal(slk_snapshot_step(snapshot, &machine, SIZE_MAX, &done), SLK_OK);
    assert_int_equal(slk_snapshot_finish(snapshot, &machine), SLK_E_RANGE);
    commit(store, &m->block);
    load_and_compare(store, &machine, m, NULL, NULL);
    slk_store_close(store);
    maker_machine_free(&machine);
    maker_free(m);
}

/* A ledger with two snapshots in `dir`; the machine is at its tip. */
static struct slk_store *with_snapshots(const char *dir, struct maker *m, struct slk_machine *machine)
{
    struct slk_store *store = create(dir, m, NULL);

    maker_machine_new(machine, m);
    for (int i = 0; i < 12; i++) {
        commit(store, maker_next(m));
        maker_execute(m, machine);
        if (i == 5 || i == 9)
            snapshot_now(store, machine);
    }
    sign(store, m);
    return store;
}

static void a_damaged_snapshot_is_left_out(void **state)
{
    const char *dir = in_base("torn"), *newest, *older;
    struct maker *m = maker_new(23, 60);
    struct slk_machine machine;
    struct slk_store *store = with_snapshots(dir, m, &machine);
    uint64_t random = 99;
    uint8_t *bytes;
    size_t size;

    (void)state;
    load_and_compare(store, &machine, m, NULL, NULL);
    newest = file_in(dir, "snapshot.1"); /* the second one that was taken */
    older = file_in(dir, "snapshot.0");
    bytes = read_file(newest, &size);
    for (int i = 0; i < 60; i++) { /* truncated */
        size_t n = sample_below(&random, size);
        write_file(newest, bytes, n);
        load_and_compare(store, &machine, m, NULL, n == 0 ? NULL : "snapshot.1");
    }
    for (int i = 0; i < 60; i++) { /* torn: some 4 KiB of it are not what was written */
        size_t at = sample_below(&random, size);
        size_t n = size - at < 4096 ? size - at : 4096;
        uint8_t *torn = malloc(size);

        assert_non_null(torn);
        memcpy(torn, bytes, size);
        for (size_t k = 0; k < n; k++)
            torn[at + k] = (uint8_t)~torn[at + k];
        write_file(newest, torn, size);
        load_and_compare(store, &machine, m, i % 2 == 0 ? &two : NULL, "snapshot.1");
        free(torn);
    }
    flip_bit(older, 8 * 100); /* both: from the first block */
    load_and_compare(store, &machine, m, NULL, "snapshot");
    write_file(newest, bytes, size);
    load_and_compare(store, &machine, m, NULL, "snapshot.0");
    free(bytes);
    slk_store_close(store);
    maker_machine_free(&machine);
    maker_free(m);
}

static void a_snapshot_of_another_past_is_left_out(void **state)
{
    const char *dir = in_base("past"), *other = in_base("past2");
    struct maker *m = maker_new(24, 60), *n = maker_new(25, 60), *short_m = maker_new(24, 60);
    struct slk_machine machine, other_machine, short_machine;
    struct slk_store *store = with_snapshots(dir, m, &machine);
    uint8_t *bytes;
    size_t size;

    (void)state;
    slk_store_close(store);
    /* of a ledger with the same charter and other blocks */
    store = with_snapshots(other, n, &other_machine);
    bytes = read_file(file_in(dir, "snapshot.1"), &size);
    write_file(file_in(other, "snapshot.1"), bytes, size);
    load_and_compare(store, &other_machine, n, NULL, "not of this ledger's past");
    slk_store_close(store);
    /* of the future of a ledger that was put back */
    store = create(in_base("past3"), short_m, NULL);
    maker_machine_new(&short_machine, short_m);
    commit(store, maker_next(short_m));
    maker_execute(short_m, &short_machine);
    commit(store, maker_next(short_m));
    maker_execute(short_m, &short_machine);
    write_file(file_in(in_base("past3"), "snapshot.1"), bytes, size);
    load_and_compare(store, &short_machine, short_m, NULL, "not of this ledger's past");
    slk_store_close(store);
    free(bytes);
    maker_machine_free(&machine);
    maker_machine_free(&other_machine);
    maker_machine_free(&short_machine);
    maker_free(m);
    maker_free(n);
    maker_free(short_m);
}

static void cancelled_snapshots_leave_the_older_one(void **state)
{
    const char *dir = in_base("cancel");
    struct maker *m = maker_new(26, 60);
    struct slk_machine machine;
    struct slk_store *store = with_snapshots(dir, m, &machine);
    struct slk_snapshot_head head;
    struct slk_snapshot *snapshot;
    bool done;

    (void)state;
    assert_int_equal(slk_snapshot_begin(&snapshot, store, &machine), SLK_OK);
    assert_int_equal(slk_snapshot_step(snapshot, &machine, 1000, &done), SLK_OK);
    assert_false(done);
    slk_snapshot_abort(snapshot);
    assert_int_equal(
        slk_snapshot_open(&head, dir, 0, NULL), SLK_E_NOT_FOUND); /* the older of the two gave way */
    assert_int_equal(slk_snapshot_open(&head, dir, 1, NULL), SLK_OK);
    slk_snapshot_close(&head);
    load_and_compare(store, &machine, m, NULL, NULL);
    snapshot_now(store, &machine);
    assert_int_equal(slk_snapshot_open(&head, dir, 0, NULL), SLK_OK);
    assert_int_equal(head.highest, 11);
    slk_snapshot_close(&head);
    load_and_compare(store, &machine, m, NULL, NULL);
    slk_store_close(store);
    maker_machine_free(&machine);
    maker_free(m);
}

/* ---- fsck ---- */

struct findings {
    size_t n;
    char where[32][64], what[32][240];
};

static void take_finding(void *ctx, const char *where, const char *what)
{
    struct findings *f = ctx;

    if (f->n < 32) {
        (void)snprintf(f->where[f->n], sizeof f->where[0], "%s", where);
        (void)snprintf(f->what[f->n], sizeof f->what[0], "%s", what);
    }
    f->n++;
}

static enum slk_err fsck(const char *dir, struct findings *f)
{
    struct slk_fault fault;

    f->n = 0;
    return slk_store_fsck(dir, take_finding, f, NULL, NULL, &fault);
}

static bool has_finding(const struct findings *f, const char *where, const char *what)
{
    for (size_t i = 0; i < f->n && i < 32; i++)
        if (strcmp(f->where[i], where) == 0 && strstr(f->what[i], what) != NULL)
            return true;
    for (size_t i = 0; i < f->n && i < 32; i++)
        print_message("# %s: %s\n", f->where[i], f->what[i]);
    return false;
}

static void expect_sound(const char *dir)
{
    struct findings f;
    enum slk_err err = fsck(dir, &f);

    for (size_t i = 0; i < f.n && i < 32; i++)
        print_message("# %s: %s\n", f.where[i], f.what[i]);
    assert_int_equal(f.n, 0);
    assert_int_equal(err, SLK_OK);
}

/* Flips a bit of a value wherever it stands: free pages hold older copies of small ones. */
static void flip_copies(const char *path, const uint8_t *needle, size_t needle_size, size_t byte)
{
    size_t size;
    uint8_t *bytes = read_file(path, &size);

    for (size_t i = 0; i + needle_size <= size; i++)
        if (memcmp(bytes + i, needle, needle_size) == 0)
            flip_bit(path, 8 * (i + byte));
    free(bytes);
}

/* Finds a large value in a file: where to flip. */
static uint64_t place_of(const char *path, const uint8_t *needle, size_t needle_size)
{
    size_t size;
    uint8_t *bytes = read_file(path, &size);
    uint64_t at = UINT64_MAX;

    for (size_t i = 0; at == UINT64_MAX && i + needle_size <= size; i++)
        if (memcmp(bytes + i, needle, needle_size) == 0)
            at = i;
    free(bytes);
    assert_true(at != UINT64_MAX);
    return at;
}

static void fsck_finds_nothing_in_sound_ledgers(void **state)
{
    struct slk_fault fault;
    struct findings f;
    struct maker *m = maker_new(30, 2500);
    struct slk_machine machine;
    struct slk_store *store;

    (void)state;
    make_ledger(in_base("sound1"), 1, 0 + 1);
    make_ledger(in_base("sound2"), 2, 200);
    expect_sound(in_base("sound1"));
    expect_sound(in_base("sound2"));
    store = with_snapshots(in_base("sound3"), m, &machine);
    expect_sound(in_base("sound3")); /* its writer is open in this very process */
    slk_store_close(store);
    expect_sound(in_base("sound3"));
    slk_store_close(create(in_base("sound4"), m, NULL));
    expect_sound(in_base("sound4"));
    assert_int_equal(
        slk_store_fsck(in_base("nothing"), take_finding, &f, NULL, NULL, &fault), SLK_E_NOT_FOUND);
    maker_machine_free(&machine);
    maker_free(m);
}

/* The parts of a block that are looked at; drop_block frees them. */
static void keep_block(struct slk_block *copy, const struct slk_block *b)
{
    *copy = *b;
    copy->entries = malloc(b->entries_size);
    copy->rows = malloc(slk_rows_size(b->rows_n));
    copy->leaves = malloc(b->entries_n * sizeof(*b->leaves));
    copy->offsets = malloc(b->entries_n * sizeof(*b->offsets));
    memcpy(copy->entries, b->entries, b->entries_size);
    memcpy(copy->rows, b->rows, slk_rows_size(b->rows_n));
    memcpy(copy->leaves, b->leaves, b->entries_n * sizeof(*b->leaves));
    memcpy(copy->offsets, b->offsets, b->entries_n * sizeof(*b->offsets));
}

static void drop_block(struct slk_block *copy)
{
    free(copy->entries);
    free(copy->rows);
    free(copy->leaves);
    free(copy->offsets);
}

static void expect_named(struct findings *f, const char *dir, const char *where, const char *text)
{
    assert_int_equal(fsck(dir, f), SLK_E_CORRUPT);
    assert_true(has_finding(f, where, text));
}

static void fsck_names_the_place(void **state)
{
    const char *dir = in_base("named"), *data;
    struct maker *m = maker_new(31, 1500);
    struct slk_block b7 = {0}, b9 = {0};
    struct slk_store *store = create(dir, m, NULL);
    struct slk_machine machine;
    struct findings f;
    uint64_t entry, row, leaf, partition = 8 * 4096 * 20 + 5;
    char text[64];

    (void)state;
    maker_machine_new(&machine, m);
    for (int i = 0; i < 12; i++) {
        const struct slk_block *b = i == 0 ? maker_next(m) : maker_next_of(m, 1500);

        commit(store, b);
        maker_execute(m, &machine);
        if (i == 7 || i == 9)
            keep_block(i == 7 ? &b7 : &b9, b);
    }
    snapshot_now(store, &machine);
    slk_store_close(store);
    expect_sound(dir);
    data = file_in(dir, "data.mdb");

    /* the last byte of entry 700 of block 7: it still parses, or not; it is named either way */
    entry = place_of(data, b7.entries, b7.entries_size) + b7.offsets[701] - 1;
    row = place_of(data, b9.rows, slk_rows_size(b9.rows_n)) + SLK_ROWS_HEAD + 3 * SLK_ROW_SIZE + 70;
    leaf = place_of(data, b7.leaves[10].b, SLK_HASH_SIZE);

    flip_bit(data, 8 * entry);
    (void)snprintf(text, sizeof text, "entry 700 (index %llu)", (unsigned long long)b7.first_index + 700);
    expect_named(&f, dir, "block 7", text);
    /* and what comes later is still looked at */
    flip_bit(data, 8 * row);
    expect_named(&f, dir, "block 7", text);
    (void)snprintf(text, sizeof text, "status record %llu", (unsigned long long)b9.first_row + 3);
    assert_true(has_finding(&f, "block 9", text));
    flip_bit(data, 8 * entry);
    flip_bit(data, 8 * row);

    flip_copies(data, b9.header_bytes, SLK_BLOCK_HEADER_SIZE, 150);
    expect_named(&f, dir, "block 10", "another hash for block 9");
    b9.header_bytes[150] ^= 1;
    flip_copies(data, b9.header_bytes, SLK_BLOCK_HEADER_SIZE, 150);
    expect_sound(dir);

    flip_bit(data, 8 * leaf);
    (void)snprintf(
        text, sizeof text, "the stored hash of entry %llu", (unsigned long long)b7.first_index + 10);
    expect_named(&f, dir, "leaves", text);
    assert_int_equal(f.n, 1);
    flip_bit(data, 8 * leaf);

    flip_bit(file_in(dir, "snapshot.0"), partition);
    expect_named(&f, dir, "snapshot.0", "partition ");
    assert_int_equal(f.n, 1);
    flip_bit(file_in(dir, "snapshot.0"), partition);

    flip_bit(data, 8 * (4096 * 1 + 10)); /* a meta page's flags */
    expect_named(&f, dir, "data.mdb", "page 1 is not a meta page");
    flip_bit(data, 8 * (4096 * 1 + 10));
    expect_sound(dir);

    drop_block(&b7);
    drop_block(&b9);
    maker_machine_free(&machine);
    maker_free(m);
}

/* ---- one flipped bit anywhere ---- */

static void add(struct slk_sha *sha, struct slk_span bytes)
{
    uint8_t size[8];

    slk_put_u64(size, bytes.size);
    slk_sha_add(sha, size, sizeof size);
    slk_sha_add(sha, bytes.at, bytes.size);
}

/* Everything that can be read from a ledger, as one hash; false when something cannot be. */
static bool digest(const char *dir, struct slk_hash *out)
{
    struct slk_store_options options = {.read_only = true};
    struct slk_store *store;
    struct slk_view *view;
    struct slk_tree_head head;
    struct slk_span note;
    struct slk_sha sha;
    bool good = true;

    if (slk_store_open(&store, dir, &options, NULL) != SLK_OK)
        return false;
    slk_sha_init(&sha);
    add(&sha, slk_store_charter(store));
    add(&sha, slk_span_of(slk_store_chain_id(store)->b, SLK_HASH_SIZE));
    if (slk_view_begin(&view, store) != SLK_OK) {
        slk_store_close(store);
        return false;
    }
    add(&sha, slk_span_of(&view->tip, sizeof view->tip));
    good = slk_view_checkpoint(view, &head, &note) == SLK_OK;
    add(&sha, slk_span_of(&head, sizeof head));
    add(&sha, note);
    for (uint64_t h = 0; h <= view->tip.height; h++) {
        struct slk_view_block b;
        good = slk_view_block(view, h, &b) == SLK_OK && good;
        if (b.header != NULL) {
            add(&sha, slk_span_of(b.header, SLK_BLOCK_HEADER_SIZE));
            add(&sha, b.entries);
            add(&sha, b.rows);
        }
    }
    for (uint64_t i = 0; i < view->tip.log_size; i++) {
        struct slk_span entry;
        uint64_t height;
        good = slk_view_entry(view, i, &entry) == SLK_OK && slk_view_height_of(view, i, &height) == SLK_OK &&
               good;
        add(&sha, entry);
    }
    for (uint64_t i = 0; i < view->tip.rows_n; i++) {
        struct slk_row row = {.log_index = 0};
        good = slk_view_row(view, i, &row) == SLK_OK && good;
        add(&sha, slk_span_of(&row, sizeof row));
    }
    for (uint64_t i = 0; i * SLK_TILE_WIDTH < view->tip.log_size; i++) {
        struct slk_hash tile[SLK_TILE_WIDTH];
        uint32_t width = slk_tile_width(0, i, view->tip.log_size);
        good = slk_view_tile(view, 0, i, width, tile) && good;
        add(&sha, slk_span_of(tile, good ? width * sizeof(*tile) : 0));
    }
    slk_view_end(view);
    slk_store_close(store);
    slk_sha_final(&sha, out);
    return good;
}

struct flips {
    const char *dir, *path;
    struct slk_hash original;
    unsigned detected, harmless, refused;
};

static void try_flip(struct flips *t, uint64_t bit)
{
    struct findings f;
    struct slk_hash is;
    enum slk_err err;
    bool readable;

    flip_bit(t->path, bit);
    err = fsck(t->dir, &f);
    readable = digest(t->dir, &is); /* never a crash, whatever fsck says */
    if (err == SLK_OK) {
        if (f.n != 0 || !readable || !slk_hash_equal(&is, &t->original))
            fail_msg(
                "bit %llu of %s: not found, yet what is read has changed", (unsigned long long)bit, t->path);
        t->harmless++;
    } else {
        if (err != SLK_E_CORRUPT || f.n == 0)
            fail_msg("bit %llu of %s: fsck says %s", (unsigned long long)bit, t->path, slk_err_name(err));
        t->detected++;
    }
    t->refused += !readable;
    flip_bit(t->path, bit);
}

static unsigned flips_wanted(unsigned standard)
{
    const char *n = getenv("SLK_FLIPS");

    return n != NULL ? (unsigned)strtoul(n, NULL, 10) : standard;
}

static void every_flipped_bit_is_found_or_changes_nothing(void **state)
{
    const char *dir = in_base("flip");
    struct flips t = {.dir = dir, .path = file_in(dir, "data.mdb")};
    uint64_t random = 4242;
    struct stat st;

    (void)state;
    make_ledger(dir, 40, 12);
    expect_sound(dir);
    assert_true(digest(dir, &t.original));
    assert_int_equal(stat(t.path, &st), 0);
    for (unsigned i = 0; i < flips_wanted(500); i++)
        try_flip(&t, sample_below(&random, (uint64_t)st.st_size * 8));
    for (uint64_t page = 0; page * 4096 < (uint64_t)st.st_size;
         page++) /* headers and first pointers of every page */
        for (uint64_t bit = page % 3; bit < 8 * (page < 2 ? 160u : 24u); bit += page < 2 ? 3 : 7)
            try_flip(&t, page * 4096 * 8 + bit);
    print_message("# data.mdb: %u found, %u change nothing, %u make it unreadable\n", t.detected, t.harmless,
        t.refused);
    assert_true(t.detected > 100);
    assert_true(digest(dir, &t.original));
}

/* Bit by bit, the numbers of the last two transactions: the newest must not pass for old, nor the older one for new. */
static void no_flipped_transaction_number_takes_anything_back(void **state)
{
    (void)state;
    for (unsigned blocks = 5; blocks < 13; blocks++) {
        struct flips t = {.dir = in_base("number")};

        make_ledger(t.dir, 43, blocks);
        t.path = file_in(t.dir, "data.mdb");
        assert_true(digest(t.dir, &t.original));
        for (uint64_t page = 0; page < 2; page++)
            for (uint64_t bit = 0; bit < 64; bit++)
                try_flip(&t, 8 * (4096 * page + 144) + bit);
        assert_int_equal(t.harmless, 0);
        remove_dir(t.dir);
    }
}

static void an_older_copy_of_the_file_is_refused(void **state)
{
    const char *dir = in_base("older");
    struct maker *m = maker_new(42, SMALL);
    struct slk_store *store = create(dir, m, NULL);
    struct slk_fault fault = {0};
    struct findings f;
    uint8_t *bytes;
    size_t size;

    (void)state;
    commit(store, maker_next(m));
    commit(store, maker_next(m));
    slk_store_close(store);
    bytes = read_file(file_in(dir, "data.mdb"), &size);
    store = reopen(dir, false);
    commit(store, maker_next(m));
    slk_store_close(store);
    write_file(file_in(dir, "data.mdb"), bytes, size); /* put back: what was acknowledged last is gone */
    free(bytes);
    assert_int_equal(slk_store_open(&store, dir, NULL, &fault), SLK_E_CORRUPT);
    assert_non_null(strstr(fault.text, "older copy"));
    assert_int_equal(fsck(dir, &f), SLK_E_CORRUPT);
    assert_true(has_finding(&f, "newest", "older copy"));
    assert_int_equal(unlink(file_in(dir, "newest")), 0); /* somebody means it */
    store = reopen(dir, false);
    commit(store, &m->block);
    slk_store_close(store);
    flip_bit(file_in(dir, "newest"), 130);
    assert_int_equal(fsck(dir, &f), SLK_E_CORRUPT);
    assert_true(has_finding(&f, "newest", "damaged"));
    store = reopen(dir, false);
    commit(store, maker_next(m));
    slk_store_close(store);
    expect_sound(dir);
    maker_free(m);
}

static void every_flipped_bit_of_a_snapshot_is_found(void **state)
{
    const char *dir = in_base("flips");
    struct maker *m = maker_new(41, SMALL);
    struct slk_machine machine;
    struct flips t = {.dir = dir};
    uint64_t random = 17;
    struct stat st;

    (void)state;
    slk_store_close(with_snapshots(dir, m, &machine));
    assert_true(digest(dir, &t.original));
    t.path = file_in(dir, "snapshot.1");
    assert_int_equal(stat(t.path, &st), 0);
    for (unsigned i = 0; i < flips_wanted(200); i++)
        try_flip(&t, sample_below(&random, (uint64_t)st.st_size * 8));
    assert_int_equal(t.refused, 0); /* the ledger itself stays readable */
    assert_int_equal(t.harmless, 0);
    maker_machine_free(&machine);
    maker_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(created_ledger_is_empty_and_opens_again),
        cmocka_unit_test(create_refuses_what_is_there),
        cmocka_unit_test(create_takes_over_an_interrupted_one),
        cmocka_unit_test(create_never_removes_a_data_mdb),
        cmocka_unit_test(open_refuses_what_is_not_there),
        cmocka_unit_test(newer_format_is_refused),
        cmocka_unit_test(another_chains_charter_is_refused),
        cmocka_unit_test(what_was_committed_reads_back),
        cmocka_unit_test(tiles_of_a_large_log_are_right),
        cmocka_unit_test(reading_beyond_the_end_finds_nothing),
        cmocka_unit_test(a_view_stays_what_it_was),
        cmocka_unit_test(read_only_writes_nothing),
        cmocka_unit_test(an_older_or_other_checkpoint_is_refused),
        cmocka_unit_test(a_second_writer_is_refused_by_name),
        cmocka_unit_test(readers_of_the_same_process_share_the_environment),
        cmocka_unit_test(another_process_sees_blocks_and_the_grown_map),
        cmocka_unit_test(threads_read_while_the_map_grows),
        cmocka_unit_test(the_map_grows_when_views_end),
        cmocka_unit_test(a_full_map_is_no_space_and_kills_the_store),
        cmocka_unit_test(a_truncated_file_is_refused_at_every_length),
        cmocka_unit_test(a_backup_is_the_ledger_as_it_was),
        cmocka_unit_test(backups_and_fsck_run_beside_a_writer),
        cmocka_unit_test(the_state_loads_from_blocks_alone),
        cmocka_unit_test(a_snapshot_taken_between_blocks_loads),
        cmocka_unit_test(a_snapshot_never_runs_ahead_of_the_blocks),
        cmocka_unit_test(a_damaged_snapshot_is_left_out),
        cmocka_unit_test(a_snapshot_of_another_past_is_left_out),
        cmocka_unit_test(cancelled_snapshots_leave_the_older_one),
        cmocka_unit_test(fsck_finds_nothing_in_sound_ledgers),
        cmocka_unit_test(fsck_names_the_place),
        cmocka_unit_test(every_flipped_bit_is_found_or_changes_nothing),
        cmocka_unit_test(no_flipped_transaction_number_takes_anything_back),
        cmocka_unit_test(an_older_copy_of_the_file_is_refused),
        cmocka_unit_test(every_flipped_bit_of_a_snapshot_is_found),
    };

    return cmocka_run_group_tests(tests, make_base, remove_base);
}
