/* test_store_damage.c: files cut short, bits flipped, old copies put back: named, or nothing that is read has changed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/find.h"
#include "tests/scratch.h"
#include "tests/unit/sample.h"
#include "tests/unit/store_fixture.h"

/* ---- truncation ---- */
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

/* ---- fsck ---- */
/* Flips a bit of a value wherever it stands: free pages hold older copies of small ones. */
static void flip_copies(const char *path, const uint8_t *needle, size_t needle_size, size_t byte)
{
    size_t size;
    uint8_t *bytes = read_file(path, &size);

    for (const uint8_t *at = bytes; (at = find_bytes(at, bytes + size, needle, needle_size)) != NULL; at++)
        flip_bit(path, 8 * ((size_t)(at - bytes) + byte));
    free(bytes);
}

/* Finds a large value in a file: where to flip. */
static uint64_t place_of(const char *path, const uint8_t *needle, size_t needle_size)
{
    size_t size;
    uint8_t *bytes = read_file(path, &size);
    const uint8_t *found = find_bytes(bytes, bytes + size, needle, needle_size);
    uint64_t at;

    assert_non_null(found);
    at = (uint64_t)(found - bytes);
    free(bytes);
    return at;
}

static void fsck_finds_nothing_in_sound_ledgers(void **state)
{
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
    assert_int_equal(fsck(in_base("nothing"), &f), SLK_E_NOT_FOUND);
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
struct flips {
    const char *dir, *path;
    struct slk_hash original;
    unsigned detected, harmless, refused;
};

/* Of a page; not what is wrong with a key, of which a page has many. */
static bool told_twice(const struct findings *f)
{
    for (size_t i = 0; i < f->n && i < 32; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(f->where[i], f->where[k]) == 0 && strcmp(f->what[i], f->what[k]) == 0 &&
                strstr(f->what[i], "key") == NULL)
                return true;
    return false;
}

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
        if (told_twice(&f))
            fail_msg(
                "bit %llu of %s: fsck says the same twice: %s", (unsigned long long)bit, t->path, f.what[0]);
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
        scratch_remove(t.dir);
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
        cmocka_unit_test(a_truncated_file_is_refused_at_every_length),
        cmocka_unit_test(fsck_finds_nothing_in_sound_ledgers),
        cmocka_unit_test(fsck_names_the_place),
        cmocka_unit_test(every_flipped_bit_is_found_or_changes_nothing),
        cmocka_unit_test(no_flipped_transaction_number_takes_anything_back),
        cmocka_unit_test(an_older_copy_of_the_file_is_refused),
        cmocka_unit_test(every_flipped_bit_of_a_snapshot_is_found),
    };

    return cmocka_run_group_tests(tests, make_base, remove_base);
}
