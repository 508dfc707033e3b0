/* fuzz_lmdb_file.c: damaged LMDB files. Input: (u16 zeros || u16 n || n bytes) ..., a file written without its zeros.
 *
 * The walker ends and never crashes; and where it finds nothing, LMDB itself reads every data base without an error and
 * counts the same items: that is what the walker is for, since LMDB trusts its file. */
#include <fcntl.h>
#include <lmdb.h>
#include <unistd.h>

#include "ledger/store/lmdb_file.h"
#include "tests/fuzz/fuzz.h"
#include "tests/scratch.h"

#define FILE_MAX ((size_t)1 << 18)

static char dir[200], path[240];

static void clean_up(void)
{
    unlink(path);
    rmdir(dir);
}

static void make_dir(void)
{
    if (!scratch_make(dir, sizeof(dir), "fuzz"))
        abort();
    snprintf(path, sizeof(path), "%s/data.mdb", dir);
    atexit(clean_up);
}

static size_t unpack(uint8_t *out, const uint8_t *data, size_t size)
{
    struct slk_reader r = {.rest = {.at = data, .size = size}};
    size_t n = 0;

    memset(out, 0, FILE_MAX);
    while (r.rest.size > 0 && !r.bad) {
        size_t zeros = slk_read_u16(&r);
        size_t more = slk_read_u16(&r);
        struct slk_span piece = slk_read_span(&r, more < r.rest.size ? more : r.rest.size);

        if (zeros + piece.size > FILE_MAX - n)
            break;
        if (piece.size > 0)
            memcpy(out + n + zeros, piece.at, piece.size);
        n += zeros + piece.size;
    }
    return n;
}

static void write_file(const uint8_t *at, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0 || write(fd, at, size) != (ssize_t)size || close(fd) != 0)
        abort();
}

static void note_finding(void *ctx, uint64_t page, const char *what)
{
    size_t *findings = ctx;

    (void)page;
    FUZZ_CHECK(what != NULL && what[0] != 0);
    (*findings)++;
}

/* Items of the main data base, or of a named one, by the walker; on a fresh picture, since a page may be used once. */
static uint64_t count_items(const char *name)
{
    static uint8_t bytes[FILE_MAX];
    struct slk_lmdb_file file;
    struct slk_lmdb_cursor cursor;
    struct slk_lmdb_value value;
    struct slk_lmdb_tree tree;
    size_t findings = 0;
    uint64_t n = 0;

    FUZZ_CHECK(slk_lmdb_open(&file, dir, note_finding, &findings) == SLK_OK);
    tree = file.meta->main;
    if (name == NULL || slk_lmdb_find(&file, name, &tree) == SLK_OK) {
        enum slk_err err = slk_lmdb_cursor_init(&cursor, &file, "it", &tree);

        for (; err == SLK_OK && slk_lmdb_next(&cursor, &value); n++) {
            FUZZ_CHECK(cursor.key_size <= SLK_LMDB_KEY_MAX && n <= FILE_MAX);
            if (value.at != NULL && value.size > 0)
                memcpy(bytes, value.at, value.size); /* it is all there */
        }
        slk_lmdb_cursor_close(&cursor);
    }
    slk_lmdb_close(&file);
    return n;
}

static uint64_t count_with_lmdb(MDB_txn *txn, MDB_dbi dbi)
{
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    uint64_t n = 0, sum = 0;
    int rc;

    FUZZ_CHECK(mdb_cursor_open(txn, dbi, &cursor) == 0);
    for (rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST); rc == 0;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        for (size_t i = 0; i < value.mv_size; i++)
            sum += ((const uint8_t *)value.mv_data)[i];
        n++;
    }
    FUZZ_CHECK(rc == MDB_NOTFOUND && sum != UINT64_MAX);
    mdb_cursor_close(cursor);
    return n;
}

/* The walker found nothing: LMDB must agree. */
static void compare_with_lmdb(void)
{
    static const char *const names[] = {"meta", "entries", "rows"};
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    MDB_dbi dbi;

    FUZZ_CHECK(mdb_env_create(&env) == 0 && mdb_env_set_maxdbs(env, 16) == 0);
    if (mdb_env_open(env, dir, MDB_RDONLY | MDB_NOLOCK, 0600) == 0) {
        FUZZ_CHECK(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == 0 && mdb_dbi_open(txn, NULL, 0, &dbi) == 0);
        FUZZ_CHECK(count_with_lmdb(txn, dbi) == count_items(NULL));
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (mdb_dbi_open(txn, names[i], 0, &dbi) == 0)
                FUZZ_CHECK(count_with_lmdb(txn, dbi) == count_items(names[i]));
        }
        mdb_txn_abort(txn);
    }
    mdb_env_close(env);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t content[FILE_MAX];
    struct slk_lmdb_file file;
    struct slk_fault fault = {0};
    size_t findings = 0;
    uint64_t txn_id = 0;
    enum slk_err err;

    if (dir[0] == 0)
        make_dir();
    write_file(content, unpack(content, data, size));
    if (slk_lmdb_check_head(dir, &fault) != SLK_OK)
        FUZZ_CHECK(fault.text[0] != 0);
    FUZZ_CHECK(
        slk_lmdb_newest(dir, &txn_id) != SLK_OK || slk_lmdb_check(dir, txn_id, false, &fault) != SLK_E_RANGE);
    err = slk_lmdb_open(&file, dir, note_finding, &findings);
    FUZZ_CHECK(err == SLK_OK || err == SLK_E_CORRUPT);
    if (err == SLK_OK) {
        FUZZ_CHECK(slk_lmdb_walk_all(&file, 0, true) == SLK_OK && (file.findings_n > 0) == (findings > 0));
        (void)count_items("entries");
    }
    slk_lmdb_close(&file);
    if (err == SLK_OK && findings == 0)
        compare_with_lmdb();
    return 0;
}
