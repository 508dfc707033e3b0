/* Blocks that travel in files: what comes out is what went in, and whatever was done to a file on its way is refused with the
 * height, what came before it staying. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/embed/change.h"
#include "ledger/embed/ledger_private.h"
#include "ledger/store/cons.h"
#include "net/bundle.h"
#include "tests/scratch.h"
#include "tests/unit/ledger_fixture.h"

struct world {
    struct fixture f;
    struct slk_ledger *ledger; /* f.dir, open */
    char to[320];              /* a member's directory at the genesis block */
    char file[320];
    uint8_t *bytes; /* of a file, read into memory */
    size_t size;
    uint64_t told; /* by the import: the last block on disk */
    struct slk_bundle_result result;
    struct slk_fault fault;
};

static void make_dir(struct world *w, const char *dir)
{
    struct slk_ledger_options options = {.threads = 1};

    assert_int_equal(
        slk_ledger_init(dir, slk_span_of(w->f.charter_bytes, w->f.charter_size), &options, &w->fault),
        SLK_OK);
}

static void empty(struct world *w)
{
    scratch_remove(w->to);
    make_dir(w, w->to);
}

/* One block with `n` new credentials. */
static void add_block(struct world *w, uint32_t number, unsigned n)
{
    struct fixture_batch batch = {0};

    for (unsigned i = 0; i < n; i++) {
        struct fixture_life life = fixture_life(FIXTURE_CARD, number + i);

        fixture_add(&batch, &life, SLK_ISSUE, w->f.now_ms);
    }
    (void)fixture_accept(w->ledger, fixture_sign(&w->f, MINISTRY, &batch));
    fixture_batch_free(&batch);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct slk_ledger_options options;

    assert_non_null(w);
    fixture_open(&w->f, NULL);
    fixture_init(&w->f);
    w->f.step_ms = 1;
    options = fixture_options(&w->f);
    w->ledger = fixture_ledger(&w->f, &options);
    for (uint32_t i = 0; i < 6; i++)
        add_block(w, 10 * i, 1 + i);
    snprintf(w->to, sizeof(w->to), "%s/to", w->f.root);
    snprintf(w->file, sizeof(w->file), "%s/b.sillok", w->f.root);
    make_dir(w, w->to);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    slk_ledger_close(w->ledger);
    fixture_close(&w->f);
    free(w->bytes);
    free(w);
    return 0;
}

/* ---- steps ---- */

static struct slk_bundle_sizes export_range(struct world *w, uint64_t from, uint64_t to, uint64_t max_bytes)
{
    struct slk_bundle_export what = {.file = w->file, .from = from, .to = to, .max_bytes = max_bytes};
    struct slk_bundle_sizes sizes;
    struct slk_bundle_store store;

    assert_int_equal(slk_bundle_store_open(&store, w->f.dir, &w->fault), SLK_OK); /* beside the writer */
    assert_int_equal(slk_bundle_export(&store.source, &what, &sizes, &w->fault), SLK_OK);
    slk_bundle_store_close(&store);
    return sizes;
}

static struct slk_bundle_sizes export_all(struct world *w)
{
    return export_range(w, 0, UINT64_MAX, 0);
}

static void note(void *ctx, uint64_t height)
{
    ((struct world *)ctx)->told = height;
}

static enum slk_err import_as(struct world *w, const char *dir, const struct slk_hash *chain, bool is_vouched)
{
    struct slk_bundle_import what = {.dir = dir,
        .file = w->file,
        .chain = chain,
        .is_vouched = is_vouched,
        .threads = 1,
        .imported = note,
        .ctx = w};
    enum slk_err err;

    w->told = 0;
    err = slk_bundle_import(&what, &w->result, &w->fault);
    assert_true((err == SLK_OK) == (w->fault.text[0] == '\0'));
    assert_true(w->told == 0 || w->told == w->result.tip);
    return err;
}

static enum slk_err import(struct world *w)
{
    return import_as(w, w->to, NULL, false);
}

static void assert_refused(struct world *w, enum slk_err should, uint64_t tip, const char *says)
{
    assert_int_equal(import(w), should);
    assert_non_null(strstr(w->fault.text, says));
    assert_int_equal(w->result.tip, tip);
}

static void assert_sound(struct world *w, const char *dir, uint64_t height)
{
    struct slk_tip tip;
    uint64_t events_n;

    assert_int_equal(
        slk_ledger_audit(dir, &w->f.chain_id, 1, &tip, &events_n, NULL, NULL, &w->fault), SLK_OK);
    assert_int_equal(tip.height, height);
}

static void load(struct world *w)
{
    FILE *file = fopen(w->file, "rb");

    assert_non_null(file);
    free(w->bytes);
    w->bytes = malloc(1u << 20);
    assert_non_null(w->bytes);
    w->size = fread(w->bytes, 1, 1u << 20, file);
    assert_true(w->size > 0 && w->size < 1u << 20);
    fclose(file);
}

static void store(struct world *w)
{
    FILE *file = fopen(w->file, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(w->bytes, 1, w->size, file), w->size);
    assert_int_equal(fclose(file), 0);
}

/* Where the payload of the n-th frame of this kind begins. */
static uint8_t *frame(struct world *w, enum slk_bundle_kind kind, unsigned n)
{
    size_t at = SLK_BUNDLE_HEAD_SIZE;

    while (at + SLK_BUNDLE_FRAME < w->size) {
        uint8_t *here = w->bytes + at;

        if (*here == kind && n-- == 0)
            return here + SLK_BUNDLE_FRAME;
        at += SLK_BUNDLE_FRAME + slk_get_u32(here + 1);
    }
    fail();
    return NULL;
}

/* The digests of head and file, made anew: what a forger can do, too. */
static void reseal(struct world *w)
{
    uint8_t *end = frame(w, SLK_BUNDLE_END, 0);
    struct slk_hash hash;

    slk_hash_bytes(&hash, w->bytes, SLK_BUNDLE_HEAD_SIZE - SLK_HASH_SIZE);
    memcpy(w->bytes + SLK_BUNDLE_HEAD_SIZE - SLK_HASH_SIZE, hash.b, SLK_HASH_SIZE);
    slk_hash_bytes(&hash, w->bytes, w->size - SLK_HASH_SIZE);
    memcpy(end + 9, hash.b, SLK_HASH_SIZE);
    store(w);
}

/* ---- what goes in comes out ---- */

static void what_is_exported_can_be_imported(void **state)
{
    struct world *w = *state;
    struct slk_bundle_sizes sizes = export_all(w);

    assert_int_equal(sizes.blocks_n, 6);
    assert_true(sizes.has_checkpoint);
    assert_int_equal(import(w), SLK_OK);
    assert_int_equal(w->result.tip, 6);
    assert_int_equal(w->told, 6);
    assert_int_equal(w->result.blocks_n, 6);
    assert_int_equal(w->result.events_n, 21);
    assert_true(w->result.has_checkpoint);
    assert_sound(w, w->to, 6); /* its checkpoint, too */
}

static void the_same_import_again_changes_nothing(void **state)
{
    struct world *w = *state;

    (void)export_all(w);
    assert_int_equal(import(w), SLK_OK);
    assert_int_equal(import(w), SLK_OK);
    assert_int_equal(w->result.blocks_n, 0);
    assert_int_equal(w->result.known_n, 6);
    assert_int_equal(w->result.tip, 6);
}

static void proofs_come_from_an_imported_ledger(void **state)
{
    struct world *w = *state;
    struct slk_verify_options options = {.now_s = w->f.now_ms / 1000 + 10};
    struct slk_ledger_options read_only = {.read_only = true, .threads = 1};
    struct fixture_life life = fixture_life(FIXTURE_CARD, 31);
    struct slk_policy *policy = fixture_policy(&w->f);
    struct slk_ledger *ledger;
    struct slk_answer answer;
    uint8_t *proof;
    size_t size;

    (void)export_all(w);
    assert_int_equal(import(w), SLK_OK);
    assert_int_equal(slk_ledger_open(&ledger, w->to, &read_only, &w->fault), SLK_OK);
    assert_int_equal(slk_ledger_prove(ledger, life.handle, true, SLK_TEXT, &proof, &size, &w->fault), SLK_OK);
    assert_int_equal(
        slk_verify_status(&answer, slk_span_of(proof, size), life.handle, policy, &options), SLK_OK);
    slk_answer_clear(&answer);
    free(proof);
    slk_ledger_close(ledger);
    slk_policy_free(policy);
}

static void a_bundle_goes_on_where_the_last_one_ended(void **state)
{
    struct world *w = *state;

    (void)export_range(w, 1, 2, 0);
    assert_int_equal(import(w), SLK_OK);
    assert_false(w->result.has_checkpoint);
    (void)export_range(w, 5, 6, 0);
    assert_refused(w, SLK_E_CHAIN, 2, "first bring blocks 3 to 4");
    (void)export_range(w, 2, 4, 0);
    assert_int_equal(import(w), SLK_OK);
    assert_int_equal(w->result.known_n, 1);
    assert_int_equal(w->result.blocks_n, 2);
    (void)export_range(w, 1, 3, 0);
    assert_refused(w, SLK_E_REFUSED, 4, "ends at block 3, and this ledger is at block 4");
    (void)export_range(w, 5, UINT64_MAX, 0);
    assert_int_equal(import(w), SLK_OK);
    assert_int_equal(w->result.tip, 6);
    assert_sound(w, w->to, 6);
}

static void what_there_is_not_cannot_be_exported(void **state)
{
    struct world *w = *state;
    struct slk_bundle_export what = {.file = w->file, .from = 7, .to = UINT64_MAX};
    struct slk_bundle_sizes sizes;
    struct slk_bundle_store from;

    assert_int_equal(slk_bundle_store_open(&from, w->f.dir, &w->fault), SLK_OK);
    assert_int_equal(slk_bundle_export(&from.source, &what, &sizes, &w->fault), SLK_E_RANGE);
    what = (struct slk_bundle_export){.file = w->file, .from = 3, .to = 9};
    assert_int_equal(slk_bundle_export(&from.source, &what, &sizes, &w->fault), SLK_E_RANGE);
    what = (struct slk_bundle_export){.file = w->file, .to = 6, .max_bytes = 100};
    assert_int_equal(slk_bundle_export(&from.source, &what, &sizes, &w->fault), SLK_E_TOO_LARGE);
    assert_null(fopen(w->file, "rb")); /* nothing half-written is left */
    slk_bundle_store_close(&from);
}

static void parts_are_whole_by_themselves(void **state)
{
    struct world *w = *state;
    char base[320], part[340];
    struct slk_bundle_sizes sizes = export_range(w, 0, UINT64_MAX, 4000);

    assert_true(sizes.parts_n >= 3);
    assert_int_equal(import(w), SLK_OK);
    assert_int_equal(w->result.parts_n, sizes.parts_n);
    assert_int_equal(w->result.tip, 6);
    assert_true(w->result.has_checkpoint);
    empty(w);
    memcpy(base, w->file, sizeof(base));
    snprintf(part, sizeof(part), "%s.001", base);
    memcpy(w->file, part, sizeof(w->file));
    assert_int_equal(import(w), SLK_E_CHAIN); /* the second one first */
    snprintf(w->file, sizeof(w->file), "%.300s.000", base);
    assert_int_equal(import(w), SLK_OK);
    assert_true(w->result.tip > 0 && w->result.tip < 6);
    memcpy(w->file, part, sizeof(w->file));
    assert_int_equal(import(w), SLK_OK);
    memcpy(w->file, base, sizeof(w->file));
    empty(w);
    assert_int_equal(remove(part), 0);
    assert_int_equal(import(w), SLK_E_NOT_FOUND);
    assert_non_null(strstr(w->fault.text, ".001 is missing"));
    assert_true(w->result.tip > 0);
}

static void a_named_chain_makes_its_directory(void **state)
{
    struct world *w = *state;
    struct slk_hash other = w->f.chain_id;
    char dir[340];

    (void)export_all(w);
    snprintf(dir, sizeof(dir), "%s/new", w->f.root);
    assert_int_equal(import_as(w, dir, NULL, false), SLK_E_NOT_FOUND);
    other.b[0] ^= 1;
    assert_int_equal(import_as(w, dir, &other, false), SLK_E_CHAIN);
    assert_int_equal(import_as(w, dir, &w->f.chain_id, false), SLK_OK);
    assert_int_equal(w->result.tip, 6);
    assert_sound(w, dir, 6);
}

/* The sole voting member gets another vote key from block 9 on. */
static struct slk_span change_vote_key(struct world *w, const struct slk_key *key)
{
    struct slk_charter *next = malloc(sizeof(*next));
    struct slk_change *change = calloc(1, sizeof(*change));
    uint8_t *bytes = malloc(SLK_CHARTER_BYTES_MAX), *entry = malloc(SLK_ENTRY_MAX);
    struct slk_change_place place = {.chain_id = w->f.chain_id,
        .old = slk_ledger_charter(w->ledger),
        .next = next,
        .height = slk_ledger_tip(w->ledger)->height,
        .block_hash = slk_ledger_tip(w->ledger)->block_hash};
    unsigned said;
    size_t size;

    assert_true(next != NULL && change != NULL && bytes != NULL && entry != NULL);
    *next = *slk_ledger_charter(w->ledger);
    next->version++;
    next->has_previous = true;
    next->previous = slk_ledger_charter(w->ledger)->hash;
    next->created_at_ms = w->f.now_ms;
    memcpy(next->members[0].vote_key, slk_key_public(key), SLK_KEY_SIZE);
    change->charter = slk_span_of(bytes, slk_charter_format(bytes, SLK_CHARTER_BYTES_MAX, next));
    change->activation = 9;
    assert_int_equal(slk_change_sign(change, &place, w->f.vote_key, &said), SLK_OK);
    assert_int_equal(slk_change_sign(change, &place, key, &said), SLK_OK);
    size = slk_change_format(entry, SLK_ENTRY_MAX, change);
    assert_true(size > 0);
    free(next);
    free(change);
    free(bytes);
    return slk_span_of(entry, size);
}

static void a_charter_change_governs_the_blocks_after_it(void **state)
{
    struct world *w = *state;
    struct slk_key *key = fixture_key(200);
    struct slk_span entry = change_vote_key(w, key);
    struct slk_ledger_options options = fixture_options(&w->f);
    enum slk_change_rule rule;
    uint64_t height;

    assert_int_equal(slk_ledger_change(w->ledger, entry, &rule, &height, &w->fault), SLK_OK);
    fixture_free(entry);
    add_block(w, 100, 1); /* the last one under the old charter */
    slk_ledger_close(w->ledger);
    options.vote_key = key;
    w->ledger = fixture_ledger(&w->f, &options);
    for (uint32_t i = 1; i < 4; i++)
        add_block(w, 100 + i, 1);
    assert_int_equal(slk_ledger_charter(w->ledger)->version, 2);
    (void)export_range(w, 1, 8, 0);
    assert_int_equal(import(w), SLK_OK);
    (void)export_range(w, 9, UINT64_MAX, 0);
    assert_int_equal(import(w), SLK_OK);
    assert_int_equal(w->result.tip, 11);
    assert_sound(w, w->to, 11);
    empty(w);
    (void)export_all(w);
    assert_int_equal(import(w), SLK_OK); /* and through it */
    assert_int_equal(w->result.tip, 11);
    fixture_add_forged(&w->f, w->ledger); /* with the key that votes no more */
    (void)export_all(w);
    assert_int_equal(import_as(w, w->to, NULL, true), SLK_E_SIGNATURE);
    assert_non_null(strstr(w->fault.text, "block 12: its finality certificate"));
    slk_ledger_close(w->ledger);
    w->ledger = NULL;
    slk_key_free(key);
}

/* ---- what is refused ---- */

static void who_writes_to_a_ledger_is_not_disturbed(void **state)
{
    struct world *w = *state;

    (void)export_all(w);
    assert_int_equal(import_as(w, w->f.dir, NULL, false), SLK_E_IN_USE);
    assert_non_null(strstr(w->fault.text, "stop it first"));
}

struct bytes_left {
    const uint8_t *at;
    size_t n;
};

static size_t fill_from(void *ctx, uint8_t *out, size_t cap)
{
    struct bytes_left *left = ctx;
    size_t n = left->n < cap ? left->n : cap;

    if (n > 0)
        memcpy(out, left->at, n);
    left->at += n;
    left->n -= n;
    return n;
}

/* Without a ledger: is it a bundle, from the first byte to the last? */
static enum slk_err read_all(const struct world *w, size_t size, struct slk_fault *fault)
{
    struct bytes_left left = {w->bytes, size};
    struct slk_bundle_item item = {.kind = SLK_BUNDLE_CHARTER};
    struct slk_bundle_reader reader;
    enum slk_err err = slk_bundle_open(&reader, fill_from, &left, fault);

    while (err == SLK_OK && item.kind != SLK_BUNDLE_END)
        err = slk_bundle_next(&reader, &item, fault);
    slk_bundle_close(&reader);
    return err;
}

static void every_flipped_bit_and_every_cut_is_noticed(void **state)
{
    struct world *w = *state;
    struct slk_fault fault;

    (void)export_all(w);
    load(w);
    assert_int_equal(read_all(w, w->size, &fault), SLK_OK);
    for (size_t i = 0; i < w->size; i++) {
        uint8_t was = w->bytes[i];

        w->bytes[i] ^= (uint8_t)(1u << i % 8);
        assert_int_not_equal(read_all(w, w->size, &fault), SLK_OK);
        assert_true(fault.text[0] != '\0');
        w->bytes[i] = was;
        assert_int_not_equal(read_all(w, i, &fault), SLK_OK);
        assert_true(fault.text[0] != '\0');
    }
}

static void what_was_imported_before_the_damage_stays(void **state)
{
    struct world *w = *state;
    struct slk_bundle_sizes sizes = export_all(w);

    load(w);
    w->size -= 600; /* in the last block */
    store(w);
    assert_refused(w, SLK_E_MALFORMED, 5, "cut off before block 6");
    assert_sound(w, w->to, 5);
    (void)export_all(w);
    assert_int_equal(import(w), SLK_OK);
    assert_int_equal(w->result.known_n, 5);
    assert_int_equal(w->result.tip, 6);
    assert_true(sizes.bytes > 600);
}

static void a_block_without_its_quorum_is_refused_at_its_height(void **state)
{
    struct world *w = *state;
    uint8_t *block;
    size_t size;

    (void)export_all(w);
    load(w);
    block = frame(w, SLK_BUNDLE_BLOCK, 3);
    size = (size_t)block[SLK_BLOCK_HEADER_SIZE] << 8 | block[SLK_BLOCK_HEADER_SIZE + 1];
    block[SLK_BLOCK_HEADER_SIZE + 2 + size - 1] ^= 1; /* the last byte of the certificate's last signature */
    reseal(w);
    assert_refused(w, SLK_E_SIGNATURE, 3, "block 4: its finality certificate is not signed by a quorum");
    assert_sound(w, w->to, 3);
}

static void other_entries_under_a_good_header_are_refused(void **state)
{
    struct world *w = *state;
    uint8_t *block;

    (void)export_all(w);
    load(w);
    block = frame(w, SLK_BUNDLE_BLOCK, 1);
    block[slk_get_u32(block - 4) - 1] ^= 1; /* the seal's last byte */
    reseal(w);
    assert_int_equal(import(w), SLK_E_CORRUPT);
    assert_true(strncmp(w->fault.text, "block 2: ", 9) == 0);
    assert_int_equal(w->result.tip, 1);
}

static void blocks_of_another_history_are_called_that(void **state)
{
    struct world *w = *state;
    struct slk_ledger_options options;

    (void)export_all(w);
    assert_int_equal(import(w), SLK_OK);
    slk_ledger_close(w->ledger); /* the same member, the same charter, from the beginning: */
    scratch_remove(w->f.dir);
    w->f.now_ms += 5000;
    make_dir(w, w->f.dir);
    options = fixture_options(&w->f);
    w->ledger = fixture_ledger(&w->f, &options);
    for (uint32_t i = 0; i < 8; i++)
        add_block(w, 500 + i, 1);
    (void)export_all(w);
    assert_refused(
        w, SLK_E_CHAIN, 6, "block 1: the bundle has another block than the one that is final here");
    (void)export_range(w, 7, UINT64_MAX, 0);
    assert_refused(w, SLK_E_CHAIN, 6, "block 7: the header does not follow block 6");
    assert_sound(w, w->to, 6);
}

static void a_bundle_of_another_chain_is_refused(void **state)
{
    struct world *w = *state;
    const struct fixture_shape four = {.voting_n = 4, .block_events = 4096, .submission_events = 4096};
    struct slk_ledger_options options = {.threads = 1};
    struct fixture other;
    struct slk_fault fault;

    (void)export_all(w);
    fixture_open(&other, &four);
    assert_int_equal(
        slk_ledger_init(other.dir, slk_span_of(other.charter_bytes, other.charter_size), &options, &fault),
        SLK_OK);
    assert_int_equal(import_as(w, other.dir, NULL, false), SLK_E_CHAIN);
    assert_non_null(strstr(w->fault.text, "another ledger's chain"));
    assert_int_equal(w->result.tip, 0);
    fixture_close(&other);
}

static void what_is_no_bundle_is_called_that(void **state)
{
    struct world *w = *state;

    w->bytes = calloc(1, 300);
    w->size = 300;
    assert_non_null(w->bytes);
    assert_int_equal(import(w), SLK_E_NOT_FOUND);
    store(w);
    assert_refused(w, SLK_E_MALFORMED, 0, "no bundle");
    (void)export_all(w);
    load(w);
    w->bytes[19] = 2; /* its format */
    reseal(w);
    assert_int_equal(import(w), SLK_E_FORMAT);
}

/* ---- what the quorum says, and what it does not ---- */

static void a_quorums_word_is_not_taken_for_the_issuers_unless_asked(void **state)
{
    struct world *w = *state;

    fixture_add_forged(&w->f, w->ledger);
    (void)export_all(w);
    assert_int_equal(import(w), SLK_E_REFUSED);
    assert_non_null(strstr(w->fault.text, "block 7: "));
    assert_non_null(strstr(w->fault.text, "SIGNATURE"));
    assert_int_equal(w->result.tip, 6);
    assert_int_equal(import_as(w, w->to, NULL, true), SLK_OK); /* vouched for */
    assert_int_equal(w->result.tip, 7);
}

static void vouched_for_or_not_everything_else_is_executed(void **state)
{
    struct world *w = *state;
    uint8_t *block;

    (void)export_all(w);
    assert_int_equal(import_as(w, w->to, NULL, true), SLK_OK);
    assert_sound(w, w->to, 6);
    empty(w);
    load(w);
    block = frame(w, SLK_BUNDLE_BLOCK, 2);
    block[slk_get_u32(block - 4) - 1] ^= 1;
    reseal(w);
    assert_int_equal(import_as(w, w->to, NULL, true), SLK_E_CORRUPT);
    assert_int_equal(w->result.tip, 2);
}

/* ---- a member's own records ---- */

static bool no_body(void *ctx, const struct slk_hash *hash, struct slk_span *body)
{
    (void)ctx;
    (void)hash;
    (void)body;
    return false;
}

static struct slk_cons cons_of(struct world *w)
{
    struct slk_store_options options = {.read_only = true};
    struct slk_store *s;
    struct slk_view *view;
    struct slk_cons cons;

    assert_int_equal(slk_store_open(&s, w->to, &options, &w->fault), SLK_OK);
    assert_int_equal(slk_view_begin(&view, s), SLK_OK);
    assert_int_equal(slk_view_cons(view, &cons, &w->fault), SLK_OK);
    slk_view_end(view);
    slk_store_close(s);
    return cons;
}

/* It voted at height 1, for nothing that became final. What it may never say again is of a height that is over; that it must be
 * silent is not over. */
static void votes_of_decided_heights_go_and_silence_stays(void **state)
{
    struct world *w = *state;
    struct slk_store_options options = {0};
    struct slk_bft_record records[2] = {
        {.kind = SLK_RECORD_VOTE, .vote = {.kind = SLK_VOTE_NULLIFY, .height = 1, .view = 1}},
        {.kind = SLK_RECORD_MUTED, .hash.b = {1, 2, 3}}};
    struct slk_store *s;
    struct slk_cons cons;

    assert_int_equal(slk_store_open(&s, w->to, &options, &w->fault), SLK_OK);
    assert_int_equal(slk_store_persist(s, records, 2, no_body, NULL, &w->fault), SLK_OK);
    slk_store_close(s);
    cons = cons_of(w);
    assert_int_equal(cons.n, 2);
    slk_cons_free(&cons);
    (void)export_range(w, 1, 3, 0);
    assert_int_equal(import(w), SLK_OK);
    cons = cons_of(w);
    assert_int_equal(cons.n, 1);
    assert_int_equal(cons.records[0].kind, SLK_RECORD_MUTED);
    slk_cons_free(&cons);
}

static enum slk_err count(void *ctx, const struct slk_pooled *item)
{
    (void)item;
    ++*(unsigned *)ctx;
    return SLK_OK;
}

static unsigned pooled_n(struct world *w)
{
    struct slk_store_options options = {.read_only = true};
    struct slk_store *s;
    struct slk_view *view;
    unsigned n = 0;

    assert_int_equal(slk_store_open(&s, w->to, &options, &w->fault), SLK_OK);
    assert_int_equal(slk_view_begin(&view, s), SLK_OK);
    assert_int_equal(slk_view_pool(view, count, &n, &w->fault), SLK_OK);
    slk_view_end(view);
    slk_store_close(s);
    return n;
}

static void what_waited_here_leaves_with_its_block(void **state)
{
    struct world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 700);
    struct slk_span bytes = fixture_single(&w->f, MINISTRY, &life, SLK_ISSUE);
    struct slk_store_options options = {0};
    struct slk_submission submission = {0};
    struct slk_pooled item = {.order = 1, .submission = bytes};
    struct slk_store *s;

    assert_int_equal(slk_submission_parse(&submission, bytes), SLK_OK);
    slk_submission_admit(&submission, w->f.charter, &w->f.chain_id);
    item.id.id = submission.id;
    memcpy(item.id.key_id, submission.key_id, SLK_KEY_ID_SIZE);
    assert_int_equal(slk_store_open(&s, w->to, &options, &w->fault), SLK_OK);
    assert_int_equal(slk_store_pool_put(s, &item, 1, &w->fault), SLK_OK);
    slk_store_close(s);
    (void)export_all(w);
    assert_int_equal(import(w), SLK_OK);
    assert_int_equal(pooled_n(w), 1);
    (void)fixture_accept(w->ledger, bytes); /* frees the bytes */
    (void)export_all(w);
    assert_int_equal(import(w), SLK_OK);
    assert_int_equal(pooled_n(w), 0);
    slk_submission_free(&submission);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_exported_can_be_imported),
        T(the_same_import_again_changes_nothing),
        T(proofs_come_from_an_imported_ledger),
        T(a_bundle_goes_on_where_the_last_one_ended),
        T(what_there_is_not_cannot_be_exported),
        T(parts_are_whole_by_themselves),
        T(a_named_chain_makes_its_directory),
        T(a_charter_change_governs_the_blocks_after_it),
        T(who_writes_to_a_ledger_is_not_disturbed),
        T(every_flipped_bit_and_every_cut_is_noticed),
        T(what_was_imported_before_the_damage_stays),
        T(a_block_without_its_quorum_is_refused_at_its_height),
        T(other_entries_under_a_good_header_are_refused),
        T(blocks_of_another_history_are_called_that),
        T(a_bundle_of_another_chain_is_refused),
        T(what_is_no_bundle_is_called_that),
        T(a_quorums_word_is_not_taken_for_the_issuers_unless_asked),
        T(vouched_for_or_not_everything_else_is_executed),
        T(votes_of_decided_heights_go_and_silence_stays),
        T(what_waited_here_leaves_with_its_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
