#include "tests/unit/store_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/scratch.h"

static char base_dir[200];

int make_base(void **state)
{
    (void)state;
    return scratch_make(base_dir, sizeof base_dir, "store") ? 0 : -1;
}

int remove_base(void **state)
{
    (void)state;
    scratch_remove(base_dir);
    return 0;
}

const char *in_base(const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];

    (void)snprintf(path, sizeof paths[0], "%s/%s", base_dir, name);
    return path;
}

const char *file_in(const char *dir, const char *name)
{
    static char paths[8][300];
    static unsigned next;
    char *path = paths[next++ % 8];

    (void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

/* ---- files ---- */

uint8_t *read_file(const char *path, size_t *size)
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

void write_file(const char *path, const uint8_t *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    close(fd);
}

void flip_bit(const char *path, uint64_t bit)
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

struct slk_store *create(const char *dir, const struct maker *m, const struct slk_store_options *options)
{
    struct slk_fault fault = {0};
    struct slk_store *store;
    enum slk_err err = slk_store_create(&store, dir, maker_charter(m), options, &fault);

    if (err != SLK_OK)
        fail_msg("create: %s: %s", slk_err_name(err), fault.text);
    return store;
}

struct slk_store *reopen(const char *dir, bool read_only)
{
    struct slk_store_options options = {.read_only = read_only};
    struct slk_fault fault = {0};
    struct slk_store *store;
    enum slk_err err = slk_store_open(&store, dir, &options, &fault);

    if (err != SLK_OK)
        fail_msg("open: %s: %s", slk_err_name(err), fault.text);
    return store;
}

enum slk_err try_commit(struct slk_store *store, const struct slk_block *block, struct slk_fault *fault)
{
    struct slk_decision decision = {.block = block, .finality = maker_finality(block)};

    return slk_store_commit(store, &decision, fault);
}

void commit(struct slk_store *store, const struct slk_block *block)
{
    struct slk_fault fault = {0};
    enum slk_err err = try_commit(store, block, &fault);

    if (err != SLK_OK)
        fail_msg("commit: %s: %s", slk_err_name(err), fault.text);
}

void put_item(
    const char *dir, const char *base, const void *key, size_t key_size, const void *value, size_t size)
{
    MDB_val k = {key_size, (void *)(uintptr_t)key}, v = {size, (void *)(uintptr_t)value};
    struct slk_env env = {.mdb = NULL};
    MDB_txn *txn;
    MDB_dbi dbi;

    assert_int_equal(mdb_env_create(&env.mdb), 0);
    assert_int_equal(mdb_env_set_maxdbs(env.mdb, SLK_BASE_N), 0);
    assert_int_equal(mdb_env_open(env.mdb, dir, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env.mdb, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, base, 0, &dbi), 0);
    assert_int_equal(value != NULL ? mdb_put(txn, dbi, &k, &v, 0) : mdb_del(txn, dbi, &k, NULL), 0);
    assert_int_equal(mdb_dbi_open(txn, "meta", 0, &env.base[SLK_BASE_META]), 0);
    assert_int_equal(slk_env_commit(&env, txn), 0);
    mdb_env_close(env.mdb);
}

void sign(struct slk_store *store, const struct maker *m)
{
    struct slk_tree_head head = {m->tip.log_size, m->tip.log_root};
    uint8_t note[1024];
    size_t size = maker_note(m, note, sizeof note);

    assert_int_equal(slk_store_put_checkpoint(store, &head, slk_span_of(note, size)), SLK_OK);
}

void make_ledger(const char *dir, uint64_t seed, unsigned blocks)
{
    struct maker *m = maker_new(seed, SMALL);
    struct slk_store *store = create(dir, m, NULL);

    for (unsigned i = 0; i < blocks; i++)
        commit(store, maker_next(m));
    sign(store, m);
    slk_store_close(store);
    maker_free(m);
}

struct slk_view *view_of(struct slk_store *store)
{
    struct slk_view *view;

    assert_int_equal(slk_view_begin(&view, store), SLK_OK);
    return view;
}

void compare_block(struct slk_view *view, const struct slk_block *b)
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

void snapshot_now(struct slk_store *store, const struct slk_machine *machine)
{
    struct slk_snapshot *snapshot;
    bool done;

    assert_int_equal(slk_snapshot_begin(&snapshot, store, machine), SLK_OK);
    assert_int_equal(slk_snapshot_step(snapshot, machine, SIZE_MAX, &done), SLK_OK);
    assert_true(done);
    assert_int_equal(slk_snapshot_finish(snapshot, machine), SLK_OK);
}

struct slk_store *with_snapshots(const char *dir, struct maker *m, struct slk_machine *machine)
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

/* ---- what fsck finds, what can be read ---- */

static void take_finding(void *ctx, const char *where, const char *what)
{
    struct findings *f = ctx;

    if (f->n < 32) {
        (void)snprintf(f->where[f->n], sizeof f->where[0], "%s", where);
        (void)snprintf(f->what[f->n], sizeof f->what[0], "%s", what);
    }
    f->n++;
}

enum slk_err fsck(const char *dir, struct findings *f)
{
    struct slk_fault fault;

    f->n = 0;
    return slk_store_fsck(dir, take_finding, f, NULL, NULL, &fault);
}

bool has_finding(const struct findings *f, const char *where, const char *what)
{
    for (size_t i = 0; i < f->n && i < 32; i++)
        if (strcmp(f->where[i], where) == 0 && strstr(f->what[i], what) != NULL)
            return true;
    for (size_t i = 0; i < f->n && i < 32; i++)
        print_message("# %s: %s\n", f->where[i], f->what[i]);
    return false;
}

void expect_sound(const char *dir)
{
    struct findings f;
    enum slk_err err = fsck(dir, &f);

    for (size_t i = 0; i < f.n && i < 32; i++)
        print_message("# %s: %s\n", f.where[i], f.what[i]);
    assert_int_equal(f.n, 0);
    assert_int_equal(err, SLK_OK);
}

static void add(struct slk_sha *sha, struct slk_span bytes)
{
    uint8_t size[8];

    slk_put_u64(size, bytes.size);
    slk_sha_add(sha, size, sizeof size);
    slk_sha_add(sha, bytes.at, bytes.size);
}

bool digest(const char *dir, struct slk_hash *out)
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
