/* The embedded ledger: made, opened, closed; signed; the same from the same events, however it is run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/ledger_steps.h"

static bool exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

/* ---- making, opening, closing ---- */
static void a_new_ledger_holds_its_charter_and_a_signed_seal(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger;
    const struct slk_tip *tip;

    fixture_init(f);
    ledger = fixture_ledger(f, &options);
    tip = slk_ledger_tip(ledger);
    assert_int_equal(tip->height, 0);
    assert_int_equal(tip->log_size, 2);
    assert_int_equal(tip->rows_n, 0);
    assert_int_equal(tip->time_ms, FIXTURE_START_MS);
    assert_true(slk_hash_is_zero(&tip->map_root));
    assert_int_equal(slk_ledger_credentials_n(ledger), 0);
    assert_memory_equal(slk_ledger_chain_id(ledger), &f->chain_id, SLK_HASH_SIZE);
    assert_string_equal(slk_ledger_charter(ledger)->origin, FIXTURE_ORIGIN);
    assert_int_equal(signed_head(ledger).tree_size, 2);
    slk_ledger_close(ledger);
    slk_ledger_close(NULL);
}

static void a_directory_that_holds_a_ledger_is_refused_and_kept(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct slk_tip before;
    struct slk_fault fault = {0};

    fixture_accept(ledger, fixture_single(f, MINISTRY, &life, SLK_ISSUE));
    before = *slk_ledger_tip(ledger);
    slk_ledger_close(ledger);
    assert_int_equal(
        slk_ledger_init(f->dir, slk_span_of(f->charter_bytes, f->charter_size), &options, &fault),
        SLK_E_EXISTS);
    assert_true(fault.text[0] != '\0');
    ledger = fixture_ledger(f, &options);
    assert_tip_equal(slk_ledger_tip(ledger), &before);
    slk_ledger_close(ledger);
}

/* kill -9 while `init` writes its first transaction: pages are there, but no meta page speaks of them. */
static void an_init_that_was_cut_short_can_be_repeated(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_store_options store_options = {0};
    struct slk_ledger *ledger;
    struct slk_store *store;
    struct slk_fault fault;

    /* made, but killed before the genesis block */
    assert_int_equal(slk_store_create(&store, f->dir, slk_span_of(f->charter_bytes, f->charter_size),
                         &store_options, &fault),
        SLK_OK);
    slk_store_close(store);
    fixture_init(f);
    ledger = fixture_ledger(f, &options);
    assert_int_equal(slk_ledger_tip(ledger)->log_size, 2);
    slk_ledger_close(ledger);
}

static void assert_init_refused(
    struct fixture *f, struct slk_span charter, const struct slk_ledger_options *options, enum slk_err err)
{
    struct slk_fault fault = {0};

    assert_int_equal(slk_ledger_init(f->dir, charter, options, &fault), err);
    assert_true(fault.text[0] != '\0');
    assert_false(exists(f->dir));
}

static void a_charter_or_key_that_is_wrong_leaves_no_directory(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f), wrong = options;
    struct slk_span charter = slk_span_of(f->charter_bytes, f->charter_size);
    struct slk_key *other = fixture_key(99);

    assert_init_refused(f, slk_span_of("nonsense", 8), &options, SLK_E_CHARTER);
    assert_init_refused(f, slk_span_of(charter.at, charter.size - 1), &options, SLK_E_CHARTER);
    assert_init_refused(f, slk_span_of(NULL, 0), &options, SLK_E_CHARTER);
    wrong.log_key = other;
    assert_init_refused(f, charter, &wrong, SLK_E_KEY);
    wrong.log_key = NULL;
    assert_init_refused(f, charter, &wrong, SLK_E_KEY);
    wrong.log_key = f->cosign_key; /* the right keys in the wrong places */
    wrong.cosign_key = f->log_key;
    assert_init_refused(f, charter, &wrong, SLK_E_KEY);
    slk_key_free(other);
}

static void a_ledger_of_several_voting_members_is_made_here_and_written_by_its_node(void **state)
{
    const struct fixture_shape shape = {.voting_n = 2, .block_events = 10, .submission_events = 10};
    struct slk_ledger_options options;
    struct slk_ledger *ledger = NULL;
    struct slk_fault fault = {0};
    struct fixture *f;

    open_fixture(state, &shape);
    f = *state;
    options = fixture_options(f);
    fixture_init(f);
    assert_int_equal(slk_ledger_open(&ledger, f->dir, &options, &fault), SLK_E_READ_ONLY);
    options.by_node = true;
    assert_int_equal(slk_ledger_open(&ledger, f->dir, &options, &fault), SLK_OK);
    assert_int_equal(slk_ledger_tip(ledger)->height, 0);
    assert_int_equal(slk_ledger_may_submit(ledger, &fault), SLK_E_KEY);
    slk_ledger_close(ledger);
}

static void opening_refuses_wrong_keys_and_missing_ledgers(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_key *other = fixture_key(99);
    struct slk_ledger *ledger = (void *)f;
    struct slk_fault fault = {0};
    char nowhere[300];

    options.cosign_key = other;
    assert_int_equal(slk_ledger_open(&ledger, f->dir, &options, &fault), SLK_E_KEY);
    assert_null(ledger);
    options.cosign_key = NULL;
    assert_int_equal(slk_ledger_open(&ledger, f->dir, &options, &fault), SLK_E_KEY);
    options = fixture_options(f);
    snprintf(nowhere, sizeof(nowhere), "%s/nowhere", f->root);
    assert_int_equal(slk_ledger_open(&ledger, nowhere, &options, &fault), SLK_E_NOT_FOUND);
    assert_int_equal(slk_ledger_open(&ledger, f->root, &options, &fault), SLK_E_NOT_FOUND);
    assert_true(fault.text[0] != '\0');
    slk_key_free(other);
}

static void a_second_writer_is_refused_while_readers_come_and_go(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f), reading = options;
    struct slk_ledger *ledger = fixture_ledger(f, &options), *second = NULL;
    struct slk_fault fault = {0};

    assert_int_equal(slk_ledger_open(&second, f->dir, &options, &fault), SLK_E_IN_USE);
    assert_null(second);
    reading.read_only = true;
    second = fixture_ledger(f, &reading);
    assert_tip_equal(slk_ledger_tip(second), slk_ledger_tip(ledger));
    slk_ledger_close(second);
    slk_ledger_close(ledger);
    second = fixture_ledger(f, &options);
    slk_ledger_close(second);
}

static void never_called(void *ctx, void *tag, const struct slk_result *result)
{
    (void)ctx, (void)tag, (void)result;
    fail();
}

static void a_reader_cannot_write(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1), next = fixture_life(FIXTURE_CARD, 2);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct slk_span bytes = fixture_single(f, MINISTRY, &next, SLK_ISSUE);
    struct slk_record record;
    struct slk_result result;
    struct slk_fault fault = {0};

    fixture_accept(ledger, fixture_single(f, MINISTRY, &life, SLK_ISSUE));
    slk_ledger_close(ledger);
    options.read_only = true;
    ledger = fixture_ledger(f, &options);
    assert_int_equal(slk_ledger_push(ledger, bytes, NULL, never_called, NULL, &fault), SLK_E_READ_ONLY);
    assert_int_equal(slk_ledger_submit(ledger, &bytes, &result, 1, &fault), SLK_E_READ_ONLY);
    assert_int_equal(slk_ledger_flush(ledger, &fault), SLK_E_READ_ONLY);
    assert_int_equal(slk_ledger_sign(ledger, &fault), SLK_E_READ_ONLY);
    assert_int_equal(slk_ledger_lookup(ledger, life.handle, &record, &fault), SLK_OK);
    assert_int_equal(slk_ledger_lookup(ledger, next.handle, &record, &fault), SLK_E_NOT_FOUND);
    assert_int_equal(slk_ledger_tip(ledger)->height, 1);
    slk_ledger_close(ledger);
    fixture_free(bytes);
}

/* ---- signing ---- */
static uint64_t cosigned_at(struct slk_ledger *ledger, const struct fixture *f)
{
    struct slk_note *note = malloc(sizeof(*note));
    struct slk_tree_head head;
    struct slk_view *view;
    struct slk_span bytes;
    struct slk_vkey vkey;
    uint64_t time_s = 0;

    assert_non_null(note);
    assert_int_equal(slk_view_begin(&view, slk_ledger_store(ledger)), SLK_OK);
    assert_int_equal(slk_view_checkpoint(view, &head, &bytes), SLK_OK);
    assert_int_equal(slk_note_parse(note, (const char *)bytes.at, bytes.size), SLK_OK);
    assert_int_equal(note->sigs_n, 2);
    assert_int_equal(
        slk_vkey_init(&vkey, FIXTURE_ORIGIN, SLK_SIG_ED25519, slk_key_public(f->log_key)), SLK_OK);
    assert_int_equal(slk_note_check_sig(&time_s, note, 0, &vkey), SLK_OK);
    assert_int_equal(
        slk_vkey_init(&vkey, "agency-1.example", SLK_SIG_COSIGNATURE_V1, slk_key_public(f->cosign_key)),
        SLK_OK);
    assert_int_equal(slk_note_check_sig(&time_s, note, 1, &vkey), SLK_OK);
    slk_view_end(view);
    free(note);
    return time_s;
}

static void signing_again_brings_the_time_up_to_date(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct slk_tip before = *slk_ledger_tip(ledger);
    struct slk_fault fault = {0};
    uint64_t signed_at = cosigned_at(ledger, f);

    f->now_ms += 60000;
    assert_int_equal(cosigned_at(ledger, f), signed_at);
    assert_int_equal(slk_ledger_sign(ledger, &fault), SLK_OK);
    assert_int_equal(cosigned_at(ledger, f), f->now_ms / 1000);
    assert_int_equal(signed_head(ledger).tree_size, before.log_size);
    assert_tip_equal(slk_ledger_tip(ledger), &before);
    slk_ledger_close(ledger);
}

static void signing_covers_what_was_pushed(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct seen *seen = calloc(1, sizeof(*seen));
    struct slk_span bytes = issue_many(f, 0, 10);
    struct slk_fault fault = {0};

    assert_non_null(seen);
    push(ledger, bytes, 0, seen);
    assert_int_equal(slk_ledger_sign(ledger, &fault), SLK_OK);
    assert_int_equal(seen->n, 1);
    assert_int_equal(signed_head(ledger).tree_size, slk_ledger_tip(ledger)->log_size);
    fixture_free(bytes);
    free(seen);
    slk_ledger_close(ledger);
}

static void a_ledger_without_keys_is_written_but_not_signed(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f), unsigned_options = options;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct slk_ledger *ledger;
    struct slk_fault fault = {0};
    uint8_t *proof = NULL;
    size_t size;

    unsigned_options.log_key = unsigned_options.cosign_key = NULL;
    assert_int_equal(
        slk_ledger_init(f->dir, slk_span_of(f->charter_bytes, f->charter_size), &unsigned_options, &fault),
        SLK_OK);
    ledger = fixture_ledger(f, &unsigned_options);
    fixture_accept(ledger, fixture_single(f, MINISTRY, &life, SLK_ISSUE));
    assert_int_equal(signed_head(ledger).tree_size, 0);
    assert_int_equal(slk_ledger_sign(ledger, &fault), SLK_E_KEY);
    assert_int_equal(
        slk_ledger_prove(ledger, life.handle, false, SLK_BINARY, &proof, &size, &fault), SLK_E_UNSIGNED);
    assert_null(proof);
    slk_ledger_close(ledger);
    ledger = fixture_ledger(f, &options); /* with keys the tip is signed at once */
    assert_int_equal(signed_head(ledger).tree_size, slk_ledger_tip(ledger)->log_size);
    assert_int_equal(slk_ledger_prove(ledger, life.handle, false, SLK_BINARY, &proof, &size, &fault), SLK_OK);
    free(proof);
    slk_ledger_close(ledger);
}

/* ---- the same everywhere ---- */
struct grown {
    struct slk_tip tip;
    struct slk_hash content; /* of every stored block: header, entries, rows */
};

static void hash_content(struct slk_ledger *ledger, struct slk_hash *out)
{
    struct slk_view *view;
    struct slk_sha sha;

    slk_sha_init(&sha);
    assert_int_equal(slk_view_begin(&view, slk_ledger_store(ledger)), SLK_OK);
    for (uint64_t height = 0; height <= slk_ledger_tip(ledger)->height; height++) {
        struct slk_view_block block;

        assert_int_equal(slk_view_block(view, height, &block), SLK_OK);
        slk_sha_add(&sha, block.header, SLK_BLOCK_HEADER_SIZE);
        slk_sha_add(&sha, block.entries.at, block.entries.size);
        slk_sha_add(&sha, block.rows.at, block.rows.size);
    }
    slk_view_end(view);
    slk_sha_final(&sha, out);
}

/* A random stream of good and bad submissions; the same for the same seed. */
static void grow(
    struct fixture *f, const struct slk_ledger_options *options, uint64_t seed, struct grown *out)
{
    enum { LIVES = 1200 };
    struct fixture_life *lives = calloc(LIVES, sizeof(*lives));
    struct slk_ledger *ledger = fixture_ledger(f, options);
    struct fixture_batch batch = {0};
    struct seen *seen = calloc(1, sizeof(*seen));
    bool *bad = calloc(300, sizeof(*bad));
    uint64_t random = seed;

    assert_true(bad != NULL && lives != NULL && seen != NULL);
    for (uint32_t i = 0; i < LIVES; i++)
        lives[i] = fixture_life(i % 2 == 0 ? FIXTURE_CARD : FIXTURE_PHONE, i);
    for (size_t i = 0; i < 300; i++) {
        size_t n = 1 + fixture_below(&random, fixture_below(&random, 4) == 0 ? 200 : 6);
        struct slk_span bytes;

        bad[i] = fixture_below(&random, 10) == 0;

        for (size_t k = 0; k < n; k++) {
            struct fixture_life *life = &lives[fixture_below(&random, LIVES)], copy = *life;
            enum slk_kind kind = fixture_next_kind(life, fixture_random(&random));

            fixture_add(&batch, bad[i] ? &copy : life, kind, f->now_ms);
        }
        bytes = fixture_sign(f, bad[i] ? STRANGER : MINISTRY, &batch);
        push(ledger, bytes, i, seen);
        fixture_free(bytes);
    }
    flush(ledger);
    assert_int_equal(seen->n, 300);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(seen->results[i].outcome, bad[i] ? SLK_REFUSED : SLK_ACCEPTED);
    out->tip = *slk_ledger_tip(ledger);
    hash_content(ledger, &out->content);
    slk_ledger_close(ledger);
    fixture_batch_free(&batch);
    free(bad);
    free(lives);
    free(seen);
}

static void any_number_of_threads_makes_the_same_ledger(void **state)
{
    static const unsigned threads[] = {1, 2, 4, 7};
    struct grown first = {0}, again;

    for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
        struct slk_ledger_options options;

        open_fixture(state, NULL);
        ((struct fixture *)*state)->step_ms = 3;
        fixture_init(*state);
        options = fixture_options(*state);
        options.threads = threads[i];
        options.block_events = 500;
        options.snapshot_events = i % 2 == 0 ? 0 : 700; /* nor do snapshots change anything */
        grow(*state, &options, 42, &again);
        if (i == 0)
            first = again;
        assert_tip_equal(&again.tip, &first.tip);
        assert_memory_equal(&again.content, &first.content, SLK_HASH_SIZE);
        assert_true(again.tip.height > 5);
        tear_down(state);
    }
    open_fixture(state, NULL); /* for the tear-down */
}

/* A fresh card that wants the status index of card `number`. */
static enum slk_rule rule_of_taking_the_index_of(
    struct fixture *f, struct slk_ledger *ledger, uint32_t number)
{
    struct fixture_life owner = fixture_life(FIXTURE_CARD, number),
                        life = fixture_life(FIXTURE_CARD, 100000 + number);
    struct slk_event event = fixture_event(&life, SLK_ISSUE, f->now_ms);
    struct fixture_batch batch = {0};
    struct slk_result result;
    struct slk_span bytes;

    event.status_index = fixture_event(&owner, SLK_ISSUE, f->now_ms).status_index;
    fixture_put(&batch, &event, NULL);
    bytes = fixture_sign(f, MINISTRY, &batch);
    result = fixture_submit(ledger, bytes);
    fixture_free(bytes);
    fixture_batch_free(&batch);
    return result.verdict.rule;
}

static void a_snapshot_and_the_blocks_after_it_lead_to_the_same_state(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_tip before = {0};

    options.snapshot_events = 50;
    for (uint32_t round = 0; round < 12; round++) {
        struct slk_ledger *ledger = fixture_ledger(f, &options);

        assert_int_equal(slk_ledger_credentials_n(ledger), round * 60);
        if (round > 0) {
            assert_tip_equal(slk_ledger_tip(ledger), &before);
            assert_true(
                slk_store_replayed_n(slk_ledger_store(ledger)) < 60); /* a snapshot was there and was taken */
        }
        for (uint32_t i = 0; i < round * 60; i += 13) /* an index used before a snapshot stays used */
            assert_int_equal(rule_of_taking_the_index_of(f, ledger, i), SLK_RULE_STATUS_INDEX_USED);
        for (uint32_t i = 0; i < 60; i++) {
            struct fixture_life life = fixture_life(FIXTURE_CARD, round * 60 + i);

            fixture_accept(ledger, fixture_single(f, MINISTRY, &life, SLK_ISSUE));
        }
        before = *slk_ledger_tip(ledger);
        slk_ledger_close(ledger);
    }
}

static void many_short_sessions_end_in_a_snapshot_too(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);

    options.snapshot_events = 50;
    for (uint32_t round = 0; round < 30; round++) {
        struct slk_ledger *ledger = fixture_ledger(f, &options);

        assert_true(slk_store_replayed_n(slk_ledger_store(ledger)) < 60);
        fixture_accept(ledger, issue_many(f, 10 * round, 10));
        slk_ledger_close(ledger);
    }
}

static void a_small_store_grows_while_it_is_written_and_read(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger;
    struct slk_record record;
    struct slk_fault fault;

    options.map_size = 1u << 20;
    options.threads = 2;
    ledger = fixture_ledger(f, &options);
    for (uint32_t i = 0; i < 40; i++) {
        struct fixture_life life = fixture_life(FIXTURE_CARD, 500 * i);

        fixture_accept(ledger, issue_many(f, 500 * i, 500));
        assert_int_equal(slk_ledger_lookup(ledger, life.handle, &record, &fault), SLK_OK);
    }
    assert_int_equal(slk_ledger_credentials_n(ledger), 20000);
    slk_ledger_close(ledger);
}

struct told {
    size_t n;
    uint64_t indexes[32];
    struct slk_hash ids[32];
};

static void tell(void *ctx, uint64_t log_index, struct slk_span bytes)
{
    struct told *told = ctx;
    struct slk_entry entry;

    assert_in_range(told->n, 0, 31);
    assert_int_equal(slk_entry_parse(&entry, bytes), SLK_OK);
    slk_event_id(&told->ids[told->n], entry.event);
    told->indexes[told->n++] = log_index;
}

static void history_lists_every_event_with_its_place(void **state)
{
    static const enum slk_kind kinds[] = {
        SLK_ISSUE, SLK_LOCK, SLK_REBIND, SLK_LOCK, SLK_UNLOCK, SLK_RENEW, SLK_REVOKE, SLK_ISSUE};
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1), other = fixture_life(FIXTURE_PHONE, 2);
    struct told told = {0};
    struct slk_fault fault = {0};
    struct slk_hash ids[8];
    uint64_t places[8];

    for (size_t i = 0; i < 8; i++) {
        places[i] = fixture_accept(ledger, fixture_single(f, MINISTRY, &life, kinds[i])).first_index;
        ids[i] = life.last_id;
        fixture_accept(ledger, fixture_single(f, MINISTRY, &other, i % 2 == 1 ? SLK_REVOKE : SLK_ISSUE));
    }
    for (int round = 0; round < 2; round++) {
        memset(&told, 0, sizeof(told));
        assert_int_equal(slk_ledger_history(ledger, life.handle, tell, &told, &fault), SLK_OK);
        assert_int_equal(told.n, 8);
        assert_memory_equal(told.indexes, places, sizeof(places));
        assert_memory_equal(told.ids, ids, sizeof(ids));
        slk_ledger_close(ledger);
        ledger = fixture_ledger(f, &options);
    }
    other = fixture_life(FIXTURE_PHONE, 3);
    assert_int_equal(slk_ledger_history(ledger, other.handle, tell, &told, &fault), SLK_E_NOT_FOUND);
    assert_int_equal(told.n, 8);
    slk_ledger_close(ledger);
}

int main(void)
{
#define WITH(set, name) cmocka_unit_test_setup_teardown(name, set, tear_down)
    const struct CMUnitTest tests[] = {
        WITH(set_up_empty, a_new_ledger_holds_its_charter_and_a_signed_seal),
        WITH(set_up, a_directory_that_holds_a_ledger_is_refused_and_kept),
        WITH(set_up_empty, an_init_that_was_cut_short_can_be_repeated),
        WITH(set_up_empty, a_charter_or_key_that_is_wrong_leaves_no_directory),
        WITH(NULL, a_ledger_of_several_voting_members_is_made_here_and_written_by_its_node),
        WITH(set_up, opening_refuses_wrong_keys_and_missing_ledgers),
        WITH(set_up, a_second_writer_is_refused_while_readers_come_and_go),
        WITH(set_up, a_reader_cannot_write),
        WITH(set_up, signing_again_brings_the_time_up_to_date),
        WITH(set_up, signing_covers_what_was_pushed),
        WITH(set_up_empty, a_ledger_without_keys_is_written_but_not_signed),
        WITH(NULL, any_number_of_threads_makes_the_same_ledger),
        WITH(set_up, a_snapshot_and_the_blocks_after_it_lead_to_the_same_state),
        WITH(set_up, many_short_sessions_end_in_a_snapshot_too),
        WITH(set_up, a_small_store_grows_while_it_is_written_and_read),
        WITH(set_up, history_lists_every_event_with_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
