/* What an auditor and a reader find when bytes on the disk are not what was written. The bytes are altered through LMDB, as
 * somebody with access to the directory would: every page stays well formed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lmdb.h>

#include "tests/find.h"
#include "tests/scratch.h"
#include "tests/unit/ledger_fixture.h"

#define BLOCKS 90 /* more than the 64 that opening looks at again ... */
#define BULK_AT                                                                                              \
    10 /* ... and one so large that the hashes of those before it are stored, not made from the entries */
#define BULK_SIZE 4096

static struct fixture_life lives[BLOCKS + 1];

/* One ledger for all tests of the group: block h issues card h, and locks card h - 1 again when h is even. */
static int make_ledger(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct slk_ledger_options options;
    struct fixture_batch batch = {0};
    struct slk_ledger *ledger;

    assert_non_null(f);
    fixture_open(f, NULL);
    fixture_init(f);
    options = fixture_options(f);
    options.snapshot_events = 60;
    ledger = fixture_ledger(f, &options);
    for (uint32_t h = 1; h <= BLOCKS; h++) {
        lives[h] = fixture_life(FIXTURE_CARD, h);
        fixture_add(&batch, &lives[h], SLK_ISSUE, f->now_ms);
        if (h % 2 == 0)
            fixture_add(&batch, &lives[h - 1], SLK_LOCK, f->now_ms);
        for (uint32_t i = (uint32_t)batch.n; h == BULK_AT && i < BULK_SIZE; i++) {
            struct fixture_life life = fixture_life(FIXTURE_PHONE, i);
            fixture_add(&batch, &life, SLK_ISSUE, f->now_ms);
        }
        f->now_ms += 1000;
        fixture_accept(ledger, fixture_sign(f, MINISTRY, &batch));
    }
    slk_ledger_close(ledger);
    fixture_batch_free(&batch);
    *state = f;
    return 0;
}

static int remove_ledger(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

/* ---- altering ---- */

struct place {
    const char *base;
    uint8_t key[16];
    size_t key_size;
};

static struct place at_number(const char *base, uint64_t number)
{
    struct place place = {.base = base, .key_size = 8};

    slk_put_u64(place.key, number);
    return place;
}

static struct place at_name(const char *name)
{
    struct place place = {.base = "meta", .key_size = strlen(name)};

    memcpy(place.key, name, place.key_size);
    return place;
}

/* The store has each transaction write its own number, so that an older picture does not pass for the newest; so does whoever
 * alters it with care. */
static void stamp(MDB_txn *txn)
{
    static const char name[] = "transaction";
    MDB_val key = {sizeof(name) - 1, (void *)(uintptr_t)name}, value;
    uint8_t number[8];
    MDB_dbi meta;

    slk_put_u64(number, mdb_txn_id(txn));
    value = (MDB_val){sizeof(number), number};
    assert_int_equal(mdb_dbi_open(txn, "meta", 0, &meta), 0);
    assert_int_equal(mdb_put(txn, meta, &key, &value, 0), 0);
}

/* Flips bits of one stored byte; a second call with the same mask puts it right again. Returns the value's size. */
static size_t alter(const char *dir, const struct place *place, size_t offset, uint8_t mask)
{
    MDB_val key = {place->key_size, (void *)(uintptr_t)place->key}, value;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi base;
    uint8_t *copy;
    size_t size;

    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 16), 0);
    assert_int_equal(mdb_env_set_mapsize(env, (size_t)1 << 30), 0);
    assert_int_equal(mdb_env_open(env, dir, MDB_NOSYNC, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, place->base, 0, &base), 0);
    assert_int_equal(mdb_get(txn, base, &key, &value), 0);
    size = value.mv_size;
    if (mask != 0) {
        assert_true(offset < size);
        copy = malloc(size);
        assert_non_null(copy);
        memcpy(copy, value.mv_data, size);
        copy[offset] ^= mask;
        value.mv_data = copy;
        assert_int_equal(mdb_put(txn, base, &key, &value, 0), 0);
        free(copy);
        stamp(txn);
        assert_int_equal(mdb_txn_commit(txn), 0);
    } else {
        mdb_txn_abort(txn);
    }
    mdb_env_close(env);
    return size;
}

static size_t size_at(const char *dir, const struct place *place)
{
    return alter(dir, place, 0, 0);
}

/* Where the entries and rows of a block begin. */
static struct slk_view_block block_at(const struct fixture *f, uint64_t height)
{
    struct slk_store_options options = {.read_only = true};
    struct slk_view_block block;
    struct slk_store *store;
    struct slk_view *view;
    struct slk_fault fault = {0};

    assert_int_equal(slk_store_open(&store, f->dir, &options, &fault), SLK_OK);
    assert_int_equal(slk_view_begin(&view, store), SLK_OK);
    assert_int_equal(slk_view_block(view, height, &block), SLK_OK);
    slk_view_end(view);
    slk_store_close(store);
    return block; /* its spans are gone, its numbers hold */
}

static enum slk_err audit(const struct fixture *f, struct slk_fault *fault)
{
    uint64_t events_n;
    struct slk_tip tip;

    memset(fault, 0, sizeof(*fault));
    return slk_ledger_audit(f->dir, &f->chain_id, 2, &tip, &events_n, NULL, NULL, fault);
}

static void assert_sound(const struct fixture *f)
{
    struct slk_fault fault;

    if (audit(f, &fault) != SLK_OK)
        fail_msg("%s", fault.text);
}

/* Alters one byte, expects an audit that refuses and says `where`, puts the byte back. */
static void assert_found(
    const struct fixture *f, const struct place *place, size_t offset, uint8_t mask, const char *where)
{
    struct slk_fault fault;
    enum slk_err err;

    (void)alter(f->dir, place, offset, mask);
    err = audit(f, &fault);
    if (err == SLK_OK || (where != NULL && strstr(fault.text, where) == NULL))
        fail_msg("byte %zu of a value in `%s` altered: %s, \"%s\"", offset, place->base, slk_err_name(err),
            fault.text);
    assert_true(fault.text[0] != '\0');
    (void)alter(f->dir, place, offset, mask);
}

/* ---- what the auditor finds ---- */

static void a_ledger_that_was_left_alone_is_sound(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct slk_fault fault = {0};
    struct slk_tip tip;
    uint64_t events_n;

    assert_int_equal(
        slk_ledger_audit(f->dir, NULL, 0, &tip, &events_n, NULL, NULL, &fault), SLK_OK); /* beside a writer */
    assert_memory_equal(&tip.block_hash, &slk_ledger_tip(ledger)->block_hash, SLK_HASH_SIZE);
    assert_memory_equal(&tip.map_root, &slk_ledger_tip(ledger)->map_root, SLK_HASH_SIZE);
    assert_int_equal(tip.height, BLOCKS);
    assert_int_equal(events_n, BLOCKS + BLOCKS / 2 + BULK_SIZE - 2);
    slk_ledger_close(ledger);
    assert_sound(f);
}

static void an_auditor_who_expects_another_ledger_is_told(void **state)
{
    struct fixture *f = *state;
    struct slk_hash other = f->chain_id;
    struct slk_fault fault = {0};
    struct slk_tip tip;
    uint64_t events_n;
    char nowhere[300];

    other.b[0] ^= 1;
    assert_int_equal(slk_ledger_audit(f->dir, &other, 1, &tip, &events_n, NULL, NULL, &fault), SLK_E_CHAIN);
    snprintf(nowhere, sizeof(nowhere), "%s/nowhere", f->root);
    assert_int_equal(
        slk_ledger_audit(nowhere, NULL, 1, &tip, &events_n, NULL, NULL, &fault), SLK_E_NOT_FOUND);
}

/* Every byte of an old block's header and of its numbers, one bit each; of a new one's, some. */
static void an_altered_header_is_found_in_its_block(void **state)
{
    static const struct {
        uint64_t height;
        size_t step;
    } rounds[] = {{3, 7}, {1, 23}, {BLOCKS - 2, 61}, {BLOCKS, 61}};

    for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++) {
        struct place place = at_number("block", rounds[i].height);
        size_t size = size_at(((struct fixture *)*state)->dir, &place);
        char where[32];

        snprintf(where, sizeof(where), "block %llu", (unsigned long long)rounds[i].height);
        for (size_t offset = 0; offset < size; offset += rounds[i].step)
            assert_found(*state, &place, offset, (uint8_t)(1u << offset % 8), where);
    }
    assert_sound(*state);
}

static void an_altered_entry_is_found_in_its_block(void **state)
{
    static const struct {
        uint64_t height;
        size_t step;
    } rounds[] = {{3, 7}, {20, 61}, {BLOCKS - 1, 61}};

    for (size_t i = 0; i < 3; i++) {
        struct slk_view_block block = block_at(*state, rounds[i].height);
        struct place place = at_number("entries", block.first_index);
        char where[32];

        snprintf(where, sizeof(where), "block %llu", (unsigned long long)rounds[i].height);
        for (size_t offset = 0; offset < block.entries.size; offset += rounds[i].step)
            assert_found(*state, &place, offset, (uint8_t)(1u << offset % 8), where);
    }
    assert_sound(*state);
}

static void an_altered_record_is_found_in_its_block(void **state)
{
    static const struct {
        uint64_t height;
        size_t step;
    } rounds[] = {{4, 7}, {BLOCKS, 61}};

    for (size_t i = 0; i < 2; i++) {
        struct slk_view_block block = block_at(*state, rounds[i].height);
        struct place place = at_number("rows", block.first_row);
        char where[32];

        assert_int_equal(size_at(((struct fixture *)*state)->dir, &place), slk_rows_size(block.rows_n));
        snprintf(where, sizeof(where), "block %llu", (unsigned long long)rounds[i].height);
        for (size_t offset = 0; offset < slk_rows_size(block.rows_n); offset += rounds[i].step)
            assert_found(*state, &place, offset, (uint8_t)(1u << offset % 8), where);
    }
    assert_sound(*state);
}

static void an_altered_charter_is_found(void **state)
{
    struct fixture *f = *state;
    struct place place = at_name("charter"), entry = at_number("entries", 0);

    for (size_t offset = 0; offset < f->charter_size; offset += 97) {
        assert_found(f, &place, offset, 1, NULL);
        assert_found(f, &entry, offset + 8, 1, NULL);
    }
    place = at_name("chain_id");
    assert_found(f, &place, 5, 1, NULL);
    assert_sound(f);
}

static void an_altered_tip_or_checkpoint_is_found(void **state)
{
    struct fixture *f = *state;
    struct place tip = at_name("tip"), checkpoint = at_name("checkpoint");
    size_t size = size_at(f->dir, &tip);

    for (size_t offset = 0; offset < size; offset += 5)
        assert_found(f, &tip, offset, (uint8_t)(1u << offset % 8), NULL);
    size = size_at(f->dir, &checkpoint);
    for (size_t offset = 0; offset < size; offset += 17)
        assert_found(f, &checkpoint, offset, 1, NULL);
    assert_sound(f);
}

/* ---- what a reader meets ---- */

static void count_entries(void *ctx, uint64_t log_index, struct slk_span entry)
{
    (void)log_index, (void)entry;
    ++*(size_t *)ctx;
}

static enum slk_err prove(struct slk_ledger *ledger, const struct fixture_life *life, bool with_history)
{
    struct slk_fault fault = {0};
    uint8_t *proof;
    size_t size;
    enum slk_err err =
        slk_ledger_prove(ledger, life->handle, with_history, SLK_BINARY, &proof, &size, &fault);

    assert_true((err == SLK_OK) == (proof != NULL));
    assert_true(err == SLK_OK || fault.text[0] != '\0');
    free(proof);
    return err;
}

static struct slk_ledger *open_reader(struct fixture *f)
{
    struct slk_ledger_options options = fixture_options(f);

    options.read_only = true;
    return fixture_ledger(f, &options);
}

/* The bytes of an old block are read only when they are asked for: then they are compared, and the rest stays readable. */
static void a_damaged_entry_never_leaves_in_a_proof(void **state)
{
    struct fixture *f = *state;
    struct slk_view_block block = block_at(f, 5);
    struct place place = at_number("entries", block.first_index);
    struct slk_fault fault = {0};
    struct slk_ledger *ledger;
    size_t n = 0;

    (void)alter(f->dir, &place, 60, 4); /* in the first event */
    ledger = open_reader(f);
    assert_int_equal(slk_ledger_history(ledger, lives[5].handle, count_entries, &n, &fault), SLK_E_CORRUPT);
    assert_int_equal(n, 0);
    assert_int_equal(prove(ledger, &lives[5], true), SLK_E_CORRUPT);
    assert_int_equal(prove(ledger, &lives[5], false), SLK_OK); /* needs the record only */
    for (uint32_t h = 1; h <= BLOCKS; h++)
        if (h != 5)
            assert_int_equal(prove(ledger, &lives[h], true), SLK_OK);
    slk_ledger_close(ledger);
    (void)alter(f->dir, &place, 60, 4);
    assert_sound(f);
}

static void a_damaged_record_never_leaves_in_a_proof(void **state)
{
    struct fixture *f = *state;
    struct slk_view_block block = block_at(f, 6); /* its first row is of card 6, the second of card 5 */
    struct place place = at_number("rows", block.first_row);
    struct slk_fault fault = {0};
    struct slk_ledger *ledger;
    struct slk_record record;
    struct slk_hash path;
    uint8_t *crowd;
    size_t size;

    for (size_t offset = SLK_ROWS_HEAD; offset < SLK_ROWS_HEAD + 124;
         offset += 7) { /* the record and its log index */
        (void)alter(f->dir, &place, offset, 1);
        ledger = open_reader(f);
        if (offset < SLK_ROWS_HEAD + 122) {
            assert_int_equal(slk_ledger_lookup(ledger, lives[6].handle, &record, &fault), SLK_E_CORRUPT);
            assert_int_equal(prove(ledger, &lives[6], false), SLK_E_CORRUPT);
        }
        assert_int_equal(prove(ledger, &lives[6], true), SLK_E_CORRUPT);
        assert_int_equal(prove(ledger, &lives[5], true), SLK_OK);
        slk_hash_bytes(&path, lives[6].handle, SLK_HANDLE_SIZE);
        assert_int_equal(slk_ledger_crowd(ledger, path.b, 8, &crowd, &size, &fault), SLK_E_CORRUPT);
        assert_null(crowd);
        slk_ledger_close(ledger);
        (void)alter(f->dir, &place, offset, 1);
    }
    assert_sound(f);
}

static void nothing_is_built_on_a_damaged_record(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_view_block block = block_at(f, 6);
    struct place place = at_number("rows", block.first_row);
    struct fixture_life life = lives[6], fresh = fixture_life(FIXTURE_CARD, 777);
    struct slk_span bytes = fixture_single(f, MINISTRY, &life, SLK_LOCK),
                    other = fixture_single(f, MINISTRY, &fresh, SLK_ISSUE);
    struct slk_fault fault = {0};
    struct slk_result result;
    struct slk_ledger *ledger;

    (void)alter(f->dir, &place, 100, 1);
    ledger = fixture_ledger(f, &options);
    assert_int_equal(slk_ledger_submit(ledger, &bytes, &result, 1, &fault), SLK_E_CORRUPT);
    assert_int_equal(result.outcome, 0);
    assert_true(fault.text[0] != '\0');
    memset(&fault, 0, sizeof(fault));
    assert_int_equal(slk_ledger_submit(ledger, &other, &result, 1, &fault),
        SLK_E_CORRUPT); /* stopped until opened again */
    assert_true(fault.text[0] != '\0');
    slk_ledger_close(ledger);
    (void)alter(f->dir, &place, 100, 1);
    assert_sound(f);
    ledger = fixture_ledger(f, &options);
    assert_int_equal(slk_ledger_tip(ledger)->height, BLOCKS);
    slk_ledger_close(ledger);
    fixture_free(bytes);
    fixture_free(other);
}

/* ---- what hostile hands can write there ---- */

static enum slk_err open_to_read(struct fixture *f, const char *dir, struct slk_fault *fault)
{
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger = NULL;
    enum slk_err err;

    options.read_only = true;
    options.log_key = options.cosign_key = NULL;
    err = slk_ledger_open(&ledger, dir, &options, fault);
    slk_ledger_close(ledger);
    return err;
}

static void a_ledger_without_its_first_block_is_not_called_sound(void **state)
{
    struct fixture *f = *state;
    struct slk_fault fault = {0};
    struct slk_store *store;
    struct slk_tip tip;
    uint64_t events_n;
    char dir[300];

    snprintf(dir, sizeof(dir), "%s/unfinished", f->root);
    assert_int_equal(
        slk_store_create(&store, dir, slk_span_of(f->charter_bytes, f->charter_size), NULL, &fault), SLK_OK);
    slk_store_close(store);
    assert_int_equal(slk_ledger_audit(dir, NULL, 1, &tip, &events_n, NULL, NULL, &fault), SLK_E_NOT_FOUND);
    assert_non_null(strstr(fault.text, "genesis"));
    scratch_remove(dir);
}

/* Gives a block's records the numbers from `to` on, in both places that say so. */
static void renumber_rows(const char *dir, uint64_t height, uint64_t from, uint64_t to)
{
    struct place block = at_number("block", height), row = at_number("rows", from),
                 moved = at_number("rows", to);
    MDB_val key = {8, row.key}, value;
    uint8_t *copy;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi base;

    for (size_t i = 0; i < 8; i++) /* first_row: behind the header and first_index */
        (void)alter(dir, &block, SLK_BLOCK_HEADER_SIZE + 8 + i, (uint8_t)((from ^ to) >> (56 - 8 * i)));
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 16), 0);
    assert_int_equal(mdb_env_set_mapsize(env, (size_t)1 << 30), 0);
    assert_int_equal(mdb_env_open(env, dir, MDB_NOSYNC, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "rows", 0, &base), 0);
    assert_int_equal(mdb_get(txn, base, &key, &value), 0);
    copy = malloc(value.mv_size);
    assert_non_null(copy);
    memcpy(copy, value.mv_data, value.mv_size);
    value.mv_data = copy;
    key.mv_data = moved.key;
    assert_int_equal(mdb_put(txn, base, &key, &value, 0), 0);
    free(copy);
    stamp(txn);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void a_record_numbered_beyond_the_last_is_refused(void **state)
{
    struct fixture *f = *state;
    uint64_t first = block_at(f, 3).first_row;
    struct slk_fault fault = {0};
    struct slk_tip tip;
    uint64_t events_n;
    char dir[300], path[320];

    snprintf(dir, sizeof(dir), "%s/renumbered", f->root);
    fixture_copy(f->dir, dir);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "%s/snapshot.%d", dir, i);
        (void)remove(path);
    }
    renumber_rows(dir, 3, first, (uint64_t)1 << 41);
    assert_int_equal(open_to_read(f, dir, &fault), SLK_E_CORRUPT);
    assert_non_null(strstr(fault.text, "block 3"));
    assert_int_equal(slk_ledger_audit(dir, NULL, 1, &tip, &events_n, NULL, NULL, &fault), SLK_E_CORRUPT);
    scratch_remove(dir);
}

/* Every leaf of a snapshot names record 0, with all its hashes made again. */
static void forge_snapshot(const char *dir, int number)
{
    enum { AT_HASH = 16, AT_PIECES_N = 16 + 32 + 4, AT_PIECES = 16 + 32 + 8 + 32 + 8 + 2 * 40, PIECE = 64 };
    char path[320];
    uint8_t *bytes;
    struct slk_hash hash;
    size_t size, header;
    FILE *file;

    snprintf(path, sizeof(path), "%s/snapshot.%d", dir, number);
    file = fopen(path, "r+b");
    if (file == NULL)
        return;
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, size, file), size);
    header = AT_PIECES + (size_t)slk_get_u32(bytes + AT_PIECES_N) * PIECE;
    header = (header + 4095) / 4096 * 4096;
    for (uint8_t *piece = bytes + AT_PIECES; slk_get_u32(piece) == 1; piece += PIECE) {
        uint8_t *part = bytes + slk_get_u64(piece + 8);

        for (uint32_t i = 0; slk_get_u64(piece + 16) > 0 && i < slk_get_u32(part); i++)
            memset(part + 8 + (size_t)i * 48 + 11, 0, 5);
        slk_hash_bytes(&hash, part, (size_t)slk_get_u64(piece + 16));
        memcpy(piece + 32, hash.b, sizeof(hash.b));
    }
    slk_hash_bytes(&hash, bytes + AT_HASH + 32, header - AT_HASH - 32);
    memcpy(bytes + AT_HASH, hash.b, sizeof(hash.b));
    rewind(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    free(bytes);
}

static void a_forged_snapshot_costs_time_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct fixture_life life = lives[6];
    struct slk_fault fault = {0};
    struct slk_ledger *ledger;
    char dir[300];

    snprintf(dir, sizeof(dir), "%s/forged", f->root);
    fixture_copy(f->dir, dir);
    assert_int_equal(slk_ledger_open(&ledger, dir, &options, &fault), SLK_OK);
    fixture_accept(ledger, fixture_single(f, MINISTRY, &life, SLK_LOCK)); /* comes after every snapshot */
    slk_ledger_close(ledger);
    forge_snapshot(dir, 0);
    forge_snapshot(dir, 1);
    assert_int_equal(open_to_read(f, dir, &fault), SLK_OK); /* from the blocks */
    scratch_remove(dir);
}

/* Data base `name` claims to have so many leaf pages that a start does not walk it. */
static void claim_leaves(const char *dir, const char *name)
{
    const uint64_t many = 1u << 20;
    size_t name_n = strlen(name), size, found_n = 0;
    char path[320];
    uint8_t *bytes;
    FILE *file;

    snprintf(path, sizeof(path), "%s/data.mdb", dir);
    file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(size);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, size, file), size);
    for (const uint8_t *at = bytes; (at = find_bytes(at, bytes + size - 48, name, name_n)) != NULL; at++)
        if (memcmp(at + name_n, "\0\0\0\0\0", 6) ==
            0) { /* u32 0, u16 flags 0, u16 depth, u64 branches, u64 leaves */
            memcpy(bytes + (at - bytes) + name_n + 16, &many, sizeof(many));
            found_n++;
        }
    assert_true(found_n > 0);
    rewind(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    free(bytes);
}

static void no_page_hides_from_an_auditor_in_a_tree_that_claims_to_be_large(void **state)
{
    struct fixture *f = *state;
    struct slk_fault fault = {0};
    struct slk_tip tip;
    uint64_t events_n;
    char dir[300];

    snprintf(dir, sizeof(dir), "%s/large", f->root);
    fixture_copy(f->dir, dir);
    claim_leaves(dir, "entries");
    assert_int_equal(slk_ledger_audit(dir, NULL, 1, &tip, &events_n, NULL, NULL, &fault), SLK_E_CORRUPT);
    assert_non_null(strstr(fault.text, "counts"));
    scratch_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ledger_that_was_left_alone_is_sound),
        cmocka_unit_test(an_auditor_who_expects_another_ledger_is_told),
        cmocka_unit_test(an_altered_header_is_found_in_its_block),
        cmocka_unit_test(an_altered_entry_is_found_in_its_block),
        cmocka_unit_test(an_altered_record_is_found_in_its_block),
        cmocka_unit_test(an_altered_charter_is_found),
        cmocka_unit_test(an_altered_tip_or_checkpoint_is_found),
        cmocka_unit_test(a_damaged_entry_never_leaves_in_a_proof),
        cmocka_unit_test(a_damaged_record_never_leaves_in_a_proof),
        cmocka_unit_test(nothing_is_built_on_a_damaged_record),
        cmocka_unit_test(a_ledger_without_its_first_block_is_not_called_sound),
        cmocka_unit_test(a_record_numbered_beyond_the_last_is_refused),
        cmocka_unit_test(a_forged_snapshot_costs_time_and_nothing_else),
        cmocka_unit_test(no_page_hides_from_an_auditor_in_a_tree_that_claims_to_be_large),
    };

    return cmocka_run_group_tests(tests, make_ledger, remove_ledger);
}
