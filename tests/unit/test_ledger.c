/* The embedded ledger's writing side: what is accepted, what is refused, and that nothing refused leaves a trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <lmdb.h>

#include "tests/unit/ledger_fixture.h"

static void open_fixture(void **state, const struct fixture_shape *shape)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    fixture_open(f, shape);
    *state = f;
}

static int set_up_empty(void **state)
{
    open_fixture(state, NULL);
    return 0;
}

static int set_up(void **state)
{
    open_fixture(state, NULL);
    fixture_init(*state);
    return 0;
}

static int set_up_small_limits(void **state)
{
    const struct fixture_shape shape = {.voting_n = 1, .block_events = 10, .submission_events = 5};

    open_fixture(state, &shape);
    fixture_init(*state);
    return 0;
}

static int tear_down(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

static bool exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

static void assert_tip_equal(const struct slk_tip *a, const struct slk_tip *b)
{
    assert_int_equal(a->height, b->height);
    assert_int_equal(a->time_ms, b->time_ms);
    assert_int_equal(a->log_size, b->log_size);
    assert_int_equal(a->rows_n, b->rows_n);
    assert_int_equal(a->events_n, b->events_n);
    assert_memory_equal(&a->block_hash, &b->block_hash, SLK_HASH_SIZE);
    assert_memory_equal(&a->seal_hash, &b->seal_hash, SLK_HASH_SIZE);
    assert_memory_equal(&a->log_root, &b->log_root, SLK_HASH_SIZE);
    assert_memory_equal(&a->map_root, &b->map_root, SLK_HASH_SIZE);
}

static struct slk_tree_head signed_head(struct slk_ledger *ledger)
{
    struct slk_tree_head head = {0};
    struct slk_view *view;
    struct slk_span note;

    assert_int_equal(slk_view_begin(&view, slk_ledger_store(ledger)), SLK_OK);
    (void)!slk_view_checkpoint(view, &head, &note);
    slk_view_end(view);
    return head;
}

static void assert_is_event(struct slk_ledger *ledger, uint64_t log_index, const struct slk_hash *event_id)
{
    struct slk_view *view;
    struct slk_span bytes;
    struct slk_entry entry;
    struct slk_hash id;

    assert_int_equal(slk_view_begin(&view, slk_ledger_store(ledger)), SLK_OK);
    assert_int_equal(slk_view_entry(view, log_index, &bytes), SLK_OK);
    assert_int_equal(slk_entry_parse(&entry, bytes), SLK_OK);
    assert_int_equal(entry.type, SLK_ENTRY_RECORDED);
    slk_event_id(&id, entry.event);
    assert_memory_equal(&id, event_id, SLK_HASH_SIZE);
    slk_view_end(view);
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
                         &store_options, &fault), SLK_OK);
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

static void a_ledger_of_several_voting_members_is_not_made_here(void **state)
{
    const struct fixture_shape shape = {.voting_n = 2, .block_events = 10, .submission_events = 10};
    struct slk_ledger_options options;
    struct fixture *f;

    open_fixture(state, &shape);
    f = *state;
    options = fixture_options(f);
    assert_init_refused(f, slk_span_of(f->charter_bytes, f->charter_size), &options, SLK_E_READ_ONLY);
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

/* ---- refusals ---- */

struct refusal {
    enum slk_rule rule;
    enum fixture_issuer issuer;
    enum slk_kind kind;
    unsigned life; /* below */
    void (*spoil)(struct slk_event *event);
};
enum { FRESH, ACTIVE_1, LOCKED_1, REVOKED_1, MINTS, EXPIRED_1, LIVES_N };

static void no_device(struct slk_event *e)
{
    e->has_device = false;
}
static void a_reason(struct slk_event *e)
{
    e->reason = LOST;
}
static void unknown_type(struct slk_event *e)
{
    e->type = 77;
}
static void unknown_reason(struct slk_event *e)
{
    e->reason = 99;
}
static void in_future(struct slk_event *e)
{
    e->occurred_at_s += 301;
}
static void sequence_ahead(struct slk_event *e)
{
    e->sequence++;
}
static void other_previous(struct slk_event *e)
{
    e->previous.b[31] ^= 1;
}
static void out_of_the_blue(struct slk_event *e)
{
    e->has_previous = false;
    e->sequence = 0;
}
static void valid_until_now(struct slk_event *e)
{
    e->valid_until_s = e->occurred_at_s;
}
static void valid_no_longer(struct slk_event *e)
{
    e->valid_until_s--;
}
static void valid_too_long(struct slk_event *e)
{
    e->valid_until_s = e->occurred_at_s + 2 * FIXTURE_YEARS_3_S;
}
static void same_device(struct slk_event *e)
{
    /* the first device of ACTIVE_1, whose number is its place in the table */
    struct fixture_life life = fixture_life(FIXTURE_PHONE, ACTIVE_1);

    e->device = fixture_event(&life, SLK_ISSUE, 0).device;
}
static void index_beyond(struct slk_event *e)
{
    e->status_index = FIXTURE_PLACES;
}
static void index_used(struct slk_event *e)
{
    struct fixture_life life = fixture_life(FIXTURE_PHONE, ACTIVE_1);

    e->status_index = fixture_event(&life, SLK_ISSUE, 0).status_index;
}

static const struct refusal refusals[] = {
    {SLK_RULE_FIELD_MISSING, MINISTRY, SLK_ISSUE, FRESH, no_device},
    {SLK_RULE_FIELD_NOT_ALLOWED, MINISTRY, SLK_ISSUE, FRESH, a_reason},
    {SLK_RULE_ISSUER_UNKNOWN, STRANGER, SLK_ISSUE, FRESH, NULL},
    {SLK_RULE_RIGHT_KIND, POLICE, SLK_ISSUE, FRESH, NULL},
    {SLK_RULE_RIGHT_KIND, REGULATOR, SLK_REVOKE, ACTIVE_1, NULL},
    {SLK_RULE_TYPE_UNKNOWN, MINISTRY, SLK_ISSUE, FRESH, unknown_type},
    {SLK_RULE_RIGHT_TYPE, MINT, SLK_ISSUE, FRESH, NULL},
    {SLK_RULE_REASON_UNKNOWN, MINISTRY, SLK_LOCK, ACTIVE_1, unknown_reason},
    {SLK_RULE_OCCURRED_IN_FUTURE, MINISTRY, SLK_LOCK, ACTIVE_1, in_future},
    {SLK_RULE_SEQUENCE, MINISTRY, SLK_LOCK, ACTIVE_1, sequence_ahead},
    {SLK_RULE_PREVIOUS, MINISTRY, SLK_LOCK, ACTIVE_1, other_previous},
    {SLK_RULE_NOT_ISSUED, MINISTRY, SLK_LOCK, FRESH, out_of_the_blue},
    {SLK_RULE_STATE, MINISTRY, SLK_UNLOCK, ACTIVE_1, NULL},
    {SLK_RULE_STATE, MINISTRY, SLK_LOCK, LOCKED_1, NULL},
    {SLK_RULE_STATE, MINISTRY, SLK_ISSUE, ACTIVE_1, NULL},
    {SLK_RULE_STATE, MINISTRY, SLK_RENEW, REVOKED_1, NULL},
    {SLK_RULE_NOT_OWNER, MINISTRY, SLK_LOCK, MINTS, NULL},
    {SLK_RULE_EXPIRED, MINISTRY, SLK_REBIND, EXPIRED_1, NULL},
    {SLK_RULE_VALIDITY_PAST, MINISTRY, SLK_ISSUE, FRESH, valid_until_now},
    {SLK_RULE_VALIDITY_NOT_LONGER, MINISTRY, SLK_RENEW, ACTIVE_1, valid_no_longer},
    {SLK_RULE_SAME_DEVICE, MINISTRY, SLK_REBIND, ACTIVE_1, same_device},
    {SLK_RULE_VALIDITY_LONG, MINISTRY, SLK_RENEW, ACTIVE_1, valid_too_long},
    {SLK_RULE_STATUS_INDEX_RANGE, MINISTRY, SLK_ISSUE, FRESH, index_beyond},
    {SLK_RULE_STATUS_INDEX_USED, MINISTRY, SLK_ISSUE, FRESH, index_used},
};

static void make_lives(struct fixture *f, struct slk_ledger *ledger, struct fixture_life lives[LIVES_N])
{
    for (unsigned i = 0; i < LIVES_N; i++)
        lives[i] = fixture_life(i == MINTS ? FIXTURE_CARD : FIXTURE_PHONE, i);
    fixture_accept(ledger, fixture_single(f, MINISTRY, &lives[EXPIRED_1], SLK_ISSUE));
    f->now_ms += FIXTURE_YEARS_3_S * 1000;
    fixture_accept(ledger, fixture_single(f, MINISTRY, &lives[ACTIVE_1], SLK_ISSUE));
    fixture_accept(ledger, fixture_single(f, MINISTRY, &lives[LOCKED_1], SLK_ISSUE));
    fixture_accept(ledger, fixture_single(f, REGULATOR, &lives[LOCKED_1], SLK_LOCK));
    fixture_accept(ledger, fixture_single(f, MINISTRY, &lives[REVOKED_1], SLK_ISSUE));
    fixture_accept(ledger, fixture_single(f, POLICE, &lives[REVOKED_1], SLK_REVOKE));
    fixture_accept(ledger, fixture_single(f, MINT, &lives[MINTS], SLK_ISSUE));
    f->now_ms += 1000;
}

static struct slk_span spoiled(struct fixture *f, const struct refusal *r, const struct fixture_life *life)
{
    struct slk_event event = fixture_event(life, r->kind, f->now_ms);
    struct fixture_batch batch = {0};
    struct slk_span bytes;

    if (r->spoil != NULL)
        r->spoil(&event);
    fixture_put(&batch, &event, NULL);
    bytes = fixture_sign(f, r->issuer, &batch);
    fixture_batch_free(&batch);
    return bytes;
}

static void every_refusal_leaves_the_ledger_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct fixture_life lives[LIVES_N];
    struct slk_tip before;

    make_lives(f, ledger, lives);
    before = *slk_ledger_tip(ledger);
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const struct refusal *r = &refusals[i];
        struct slk_span bytes = spoiled(f, r, &lives[r->life]);
        struct slk_result result = fixture_submit(ledger, bytes);

        assert_int_equal(result.outcome, SLK_REFUSED);
        assert_int_equal(result.err, SLK_OK);
        if (result.verdict.rule != r->rule)
            print_message("line %zu of the table: %s\n", i, slk_rule_name(result.verdict.rule));
        assert_int_equal(result.verdict.rule, r->rule);
        assert_tip_equal(slk_ledger_tip(ledger), &before);
        fixture_free(bytes);
    }
    slk_ledger_close(ledger);
    ledger = fixture_ledger(f, &options);
    assert_tip_equal(slk_ledger_tip(ledger), &before);
    /* A refused status index is still free, a refused device still unbound. */
    fixture_accept(ledger, fixture_single(f, MINISTRY, &lives[FRESH], SLK_ISSUE));
    fixture_accept(ledger, fixture_single(f, MINISTRY, &lives[REVOKED_1], SLK_ISSUE));
    slk_ledger_close(ledger);
}

static void a_wrong_signature_or_size_is_refused_as_a_whole(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct slk_tip before = *slk_ledger_tip(ledger);
    struct fixture_batch batch = {0};
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct slk_span bytes = fixture_single(f, MINISTRY, &life, SLK_ISSUE);
    uint8_t *writable = (uint8_t *)(uintptr_t)bytes.at;
    struct slk_result result;

    writable[20] ^= 1; /* in the signature: 2 + 8 + 2 bytes stand before it */
    result = fixture_submit(ledger, bytes);
    assert_int_equal(result.outcome, SLK_REFUSED);
    assert_int_equal(result.verdict.rule, SLK_RULE_SIGNATURE);
    assert_true(result.verdict.rule_event == SIZE_MAX);
    writable[20] ^= 1;
    writable[4] ^= 1; /* in the key id */
    assert_int_equal(fixture_submit(ledger, bytes).verdict.rule, SLK_RULE_ISSUER_UNKNOWN);
    writable[4] ^= 1;
    writable[bytes.size - 1] ^= 0x80; /* the event's last varint never ends */
    assert_int_equal(fixture_submit(ledger, bytes).verdict.rule, SLK_RULE_EVENT_MALFORMED);
    fixture_free(bytes);
    for (uint32_t i = 0; i < 6; i++) { /* the charter here allows 5 */
        life = fixture_life(FIXTURE_CARD, i);
        fixture_add(&batch, &life, SLK_ISSUE, f->now_ms);
    }
    bytes = fixture_sign(f, MINISTRY, &batch);
    assert_int_equal(fixture_submit(ledger, bytes).verdict.rule, SLK_RULE_SUBMISSION_SIZE);
    assert_tip_equal(slk_ledger_tip(ledger), &before);
    fixture_free(bytes);
    fixture_batch_free(&batch);
    slk_ledger_close(ledger);
}

static void bytes_that_are_no_submission_are_answered_so(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct slk_tip before = *slk_ledger_tip(ledger);
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct slk_span good = fixture_single(f, MINISTRY, &life, SLK_ISSUE);
    uint8_t *large = calloc(1, SLK_SUBMISSION_BYTES_MAX + 1);
    struct slk_result result;

    for (size_t size = 0; size < good.size; size++) { /* every shorter prefix */
        result = fixture_submit(ledger, slk_span_of(good.at, size));
        assert_int_equal(result.outcome, SLK_REFUSED);
        assert_int_not_equal(result.err, SLK_OK);
    }
    assert_non_null(large);
    result = fixture_submit(ledger, slk_span_of(large, SLK_SUBMISSION_BYTES_MAX + 1));
    assert_int_equal(result.outcome, SLK_REFUSED);
    assert_int_equal(result.err, SLK_E_TOO_LARGE);
    assert_tip_equal(slk_ledger_tip(ledger), &before);
    assert_int_equal(fixture_submit(ledger, good).outcome, SLK_ACCEPTED);
    free(large);
    fixture_free(good);
    slk_ledger_close(ledger);
}

struct seen {
    size_t n;
    size_t tags[4096];
    struct slk_result results[4096];
    enum slk_rule rules[16]; /* of the newest refused one */
};

static void see(void *ctx, void *tag, const struct slk_result *result)
{
    struct seen *seen = ctx;

    assert_in_range(seen->n, 0, 4095);
    seen->tags[seen->n] = (size_t)(uintptr_t)tag;
    seen->results[seen->n++] = *result;
    for (size_t i = 0; result->outcome == SLK_REFUSED && result->verdict.events != NULL && i < 16; i++)
        seen->rules[i] = result->verdict.events[i];
}

static void push(struct slk_ledger *ledger, struct slk_span bytes, size_t tag, struct seen *seen)
{
    struct slk_fault fault = {0};

    assert_int_equal(slk_ledger_push(ledger, bytes, (void *)(uintptr_t)tag, see, seen, &fault), SLK_OK);
}

static void flush(struct slk_ledger *ledger)
{
    struct slk_fault fault = {0};

    if (slk_ledger_flush(ledger, &fault) != SLK_OK)
        fail_msg("%s", fault.text);
}

/* 16 events of 4 lives, of which the 3rd, the 5th and the 6th are bad: each event is judged as if the bad ones before
 * it had not been sent. */
static void one_bad_event_refuses_the_whole_and_each_has_its_verdict(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct slk_tip before = *slk_ledger_tip(ledger);
    struct seen *seen = calloc(1, sizeof(*seen));
    struct fixture_life lives[13], bad;
    struct fixture_batch batch = {0};
    struct slk_event event;
    struct slk_span bytes;

    assert_non_null(seen);
    for (uint32_t i = 0; i < 13; i++)
        lives[i] = fixture_life(FIXTURE_CARD, i);
    fixture_add(&batch, &lives[0], SLK_ISSUE, f->now_ms);
    fixture_add(&batch, &lives[0], SLK_LOCK, f->now_ms);
    bad = lives[0];
    fixture_add(&batch, &bad, SLK_LOCK, f->now_ms); /* [2] locked already */
    fixture_add(&batch, &lives[0], SLK_UNLOCK, f->now_ms);
    event = fixture_event(&lives[1], SLK_ISSUE, f->now_ms);
    event.status_index =
        fixture_event(&(struct fixture_life){.type = FIXTURE_CARD}, SLK_ISSUE, 0).status_index;
    fixture_put(&batch, &event, NULL); /* [4] the index of lives[0] */
    fixture_add(
        &batch, &(struct fixture_life){.sequence = 7, .type = FIXTURE_CARD}, SLK_RENEW, f->now_ms); /* [5] */
    for (unsigned i = 2; i < 12; i++)
        fixture_add(&batch, &lives[i], SLK_ISSUE, f->now_ms);
    assert_int_equal(batch.n, 16);
    bytes = fixture_sign(f, MINISTRY, &batch);
    push(ledger, bytes, 0, seen);
    flush(ledger);
    assert_int_equal(seen->results[0].outcome, SLK_REFUSED);
    assert_int_equal(seen->results[0].verdict.rule, SLK_RULE_STATE);
    assert_int_equal(seen->results[0].verdict.rule_event, 2);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(seen->rules[i], i == 2   ? SLK_RULE_STATE
                                         : i == 4 ? SLK_RULE_STATUS_INDEX_USED
                                         : i == 5 ? SLK_RULE_SEQUENCE
                                                  : SLK_RULE_OK);
    assert_tip_equal(slk_ledger_tip(ledger), &before);
    fixture_free(bytes);
    fixture_batch_free(&batch);
    free(seen);
    slk_ledger_close(ledger);
}

static void a_stale_event_is_told_the_head(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1), stale, absent = fixture_life(FIXTURE_CARD, 2);
    struct slk_result result;
    struct slk_span bytes;

    fixture_accept(ledger, fixture_single(f, MINISTRY, &life, SLK_ISSUE));
    stale = life;
    fixture_accept(ledger, fixture_single(f, MINISTRY, &life, SLK_LOCK));
    bytes = fixture_single(f, MINISTRY, &stale, SLK_RENEW);
    result = fixture_submit(ledger, bytes);
    fixture_free(bytes);
    assert_int_equal(result.verdict.rule, SLK_RULE_SEQUENCE);
    assert_true(result.verdict.has_head);
    assert_int_equal(result.verdict.head_sequence, 2);
    assert_memory_equal(&result.verdict.head_event_id, &life.last_id, SLK_HASH_SIZE);
    absent.sequence = 3; /* nothing there: the head is the beginning */
    bytes = fixture_single(f, MINISTRY, &absent, SLK_LOCK);
    result = fixture_submit(ledger, bytes);
    fixture_free(bytes);
    assert_int_equal(result.verdict.rule, SLK_RULE_SEQUENCE);
    assert_true(result.verdict.has_head);
    assert_int_equal(result.verdict.head_sequence, 0);
    assert_true(slk_hash_is_zero(&result.verdict.head_event_id));
    slk_ledger_close(ledger);
}

/* ---- duplicates ---- */

/* A submission that issues `n` cards, first_number and up. */
static struct slk_span issue_many(struct fixture *f, uint32_t first_number, size_t n)
{
    struct fixture_batch batch = {0};
    struct slk_span bytes;

    for (size_t i = 0; i < n; i++) {
        struct fixture_life life = fixture_life(FIXTURE_CARD, first_number + (uint32_t)i);
        fixture_add(&batch, &life, SLK_ISSUE, f->now_ms);
    }
    bytes = fixture_sign(f, MINISTRY, &batch);
    fixture_batch_free(&batch);
    return bytes;
}

static void assert_duplicate_of(const struct slk_result *result, const struct slk_result *first)
{
    assert_int_equal(result->outcome, SLK_DUPLICATE);
    assert_int_equal(result->height, first->height);
    assert_int_equal(result->first_index, first->first_index);
    assert_memory_equal(&result->id, &first->id, SLK_HASH_SIZE);
}

static void check_duplicates(struct fixture *f, size_t n)
{
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct seen *seen = calloc(1, sizeof(*seen));
    struct slk_span other = issue_many(f, 5000, 3), bytes = issue_many(f, 1, n);
    struct slk_result result;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);

    assert_non_null(seen);
    push(ledger, other, 0, seen);
    push(ledger, bytes, 1, seen);
    push(ledger, bytes, 2, seen); /* in the same block */
    flush(ledger);
    push(ledger, bytes, 3, seen); /* in the next */
    flush(ledger);
    assert_int_equal(seen->n, 4);
    assert_int_equal(seen->results[1].outcome, SLK_ACCEPTED);
    assert_int_equal(seen->results[1].first_index, 2 + 4);
    assert_duplicate_of(&seen->results[2], &seen->results[1]);
    assert_duplicate_of(&seen->results[3], &seen->results[1]);
    assert_int_equal(slk_ledger_tip(ledger)->height, 1); /* nothing but duplicates makes no block */
    slk_ledger_close(ledger);
    ledger = fixture_ledger(f, &options);
    result = fixture_submit(ledger, bytes);
    assert_duplicate_of(&result, &seen->results[1]);
    fixture_free(fixture_single(f, MINISTRY, &life, SLK_ISSUE)); /* moves the life on */
    for (int i = 0; i < 3; i++) {
        fixture_accept(ledger, fixture_single(f, MINISTRY, &life, i % 2 == 0 ? SLK_LOCK : SLK_UNLOCK));
        result = fixture_submit(ledger, bytes); /* its first credential has a longer history now */
        assert_duplicate_of(&result, &seen->results[1]);
    }
    fixture_free(bytes);
    fixture_free(other);
    free(seen);
    slk_ledger_close(ledger);
}

static void a_batch_of_one_submitted_again_is_answered_with_its_place(void **state)
{
    check_duplicates(*state, 1);
}

static void a_batch_of_a_hundred_submitted_again_is_answered_with_its_place(void **state)
{
    check_duplicates(*state, 100);
}

static void an_overlap_is_no_duplicate(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    const struct {
        uint32_t first;
        size_t n;
    } overlaps[] = {{1, 9}, {2, 9}, {1, 11}, {0, 11}, {0, 10}, {5, 1}, {1, 1}, {10, 1}, {10, 2}};
    struct slk_tip before;

    fixture_accept(ledger, issue_many(f, 1, 10));
    before = *slk_ledger_tip(ledger);
    for (size_t i = 0; i < sizeof(overlaps) / sizeof(overlaps[0]); i++) {
        struct slk_span bytes = issue_many(f, overlaps[i].first, overlaps[i].n);
        struct slk_result result = fixture_submit(ledger, bytes);

        assert_int_equal(result.outcome, SLK_REFUSED);
        assert_int_equal(result.verdict.rule, SLK_RULE_SEQUENCE);
        assert_tip_equal(slk_ledger_tip(ledger), &before);
        fixture_free(bytes);
    }
    slk_ledger_close(ledger);
}

static void the_same_events_under_another_key_are_no_duplicate(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1), same = life;
    struct slk_result result;
    struct slk_span bytes;

    fixture_accept(ledger, fixture_single(f, MINISTRY, &life, SLK_ISSUE));
    bytes = fixture_single(f, MINT, &same, SLK_ISSUE);
    result = fixture_submit(ledger, bytes);
    assert_int_equal(result.outcome, SLK_REFUSED);
    assert_int_equal(result.verdict.rule, SLK_RULE_SEQUENCE);
    fixture_free(bytes);
    slk_ledger_close(ledger);
}

/* While the block with the duplicate is being committed, the next one is built already, and in it the credential goes on:
 * its newest record is in memory only. */
static void a_duplicate_is_known_while_its_credential_moves_on(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct seen *seen = calloc(1, sizeof(*seen));
    struct slk_ledger *ledger;
    struct slk_span first;

    assert_non_null(seen);
    options.block_events = 1;
    ledger = fixture_ledger(f, &options);
    first = fixture_single(f, MINISTRY, &life, SLK_ISSUE);
    push(ledger, first, 0, seen);
    for (size_t i = 1; i <= 20; i++) {
        struct slk_span next = fixture_single(f, MINISTRY, &life, i % 2 == 1 ? SLK_LOCK : SLK_UNLOCK);

        push(ledger, first, 2 * i - 1, seen);
        push(ledger, next, 2 * i, seen);
        fixture_free(next);
    }
    flush(ledger);
    assert_int_equal(seen->n, 41);
    for (size_t i = 0; i < seen->n; i++) {
        assert_int_equal(seen->tags[i], i);
        if (i % 2 == 1)
            assert_duplicate_of(&seen->results[i], &seen->results[0]);
        else
            assert_int_equal(seen->results[i].outcome, SLK_ACCEPTED);
    }
    fixture_free(first);
    free(seen);
    slk_ledger_close(ledger);
}

/* Refused in one block, accepted in the next, which is built before the first answer is given: that answer must not name a
 * place that is not on disk. */
static void a_refusal_is_not_turned_into_a_place_that_is_not_on_disk(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1), other = fixture_life(FIXTURE_CARD, 2);
    struct slk_span issue = fixture_single(f, MINISTRY, &life, SLK_ISSUE);
    struct slk_span lock = fixture_single(f, MINISTRY, &life, SLK_LOCK);
    struct slk_span filler = fixture_single(f, MINISTRY, &other, SLK_ISSUE);
    struct seen *seen = calloc(1, sizeof(*seen));
    struct slk_ledger *ledger;

    assert_non_null(seen);
    options.block_events = 2;
    ledger = fixture_ledger(f, &options);
    push(ledger, lock, 0, seen); /* too early */
    push(ledger, filler, 1, seen);
    push(ledger, issue, 2, seen);
    push(ledger, lock, 3, seen);
    push(ledger, lock, 4, seen);
    flush(ledger);
    assert_int_equal(seen->results[0].outcome, SLK_REFUSED);
    assert_int_equal(seen->results[0].verdict.rule, SLK_RULE_SEQUENCE);
    assert_int_equal(seen->results[3].outcome, SLK_ACCEPTED);
    assert_int_equal(seen->results[3].height, 2);
    assert_duplicate_of(&seen->results[4], &seen->results[3]);
    fixture_free(issue);
    fixture_free(lock);
    fixture_free(filler);
    free(seen);
    slk_ledger_close(ledger);
}

/* ---- blocks ---- */

/* Pushes `n` one-card submissions, checks order and places of the answers, and that no block holds more than `limit`. */
static void check_cuts(struct fixture *f, struct slk_ledger *ledger, size_t n, uint64_t limit)
{
    struct seen *seen = calloc(1, sizeof(*seen));
    struct slk_hash *ids = calloc(n, sizeof(*ids));
    struct slk_view *view;

    assert_true(seen != NULL && ids != NULL);
    for (size_t i = 0; i < n; i++) {
        struct fixture_life life = fixture_life(FIXTURE_CARD, (uint32_t)i);
        struct slk_span bytes = fixture_single(f, MINISTRY, &life, SLK_ISSUE);

        ids[i] = life.last_id;
        push(ledger, bytes, i, seen);
        memset((uint8_t *)(uintptr_t)bytes.at, 0, bytes.size); /* push took a copy */
        fixture_free(bytes);
    }
    flush(ledger);
    assert_int_equal(seen->n, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(seen->tags[i], i);
        assert_int_equal(seen->results[i].outcome, SLK_ACCEPTED);
        assert_int_equal(seen->results[i].height, 1 + i / limit);
        assert_is_event(ledger, seen->results[i].first_index, &ids[i]);
    }
    assert_int_equal(slk_ledger_tip(ledger)->height, (n + limit - 1) / limit);
    assert_int_equal(slk_ledger_tip(ledger)->events_n, n);
    assert_int_equal(slk_ledger_credentials_n(ledger), n);
    assert_int_equal(slk_view_begin(&view, slk_ledger_store(ledger)), SLK_OK);
    for (uint64_t height = 1; height <= slk_ledger_tip(ledger)->height; height++) {
        struct slk_view_block block;
        struct slk_block_header header;

        assert_int_equal(slk_view_block(view, height, &block), SLK_OK);
        assert_int_equal(slk_block_header_parse(&header, block.header), SLK_OK);
        assert_in_range(header.event_count, 1, limit);
        assert_int_equal(block.rows_n, header.event_count);
    }
    slk_view_end(view);
    free(ids);
    free(seen);
}

static void blocks_are_cut_at_the_callers_limit(void **state)
{
    struct slk_ledger_options options = fixture_options(*state);
    struct slk_ledger *ledger;

    options.block_events = 10;
    ledger = fixture_ledger(*state, &options);
    check_cuts(*state, ledger, 1003, 10);
    slk_ledger_close(ledger);
}

static void blocks_are_cut_at_the_charters_limit(void **state)
{
    struct slk_ledger_options options = fixture_options(*state);
    struct slk_ledger *ledger;

    options.block_events = 4000; /* more than the charter's 10 */
    options.threads = 2;
    ledger = fixture_ledger(*state, &options);
    check_cuts(*state, ledger, 203, 10);
    slk_ledger_close(ledger);
}

static void a_submission_larger_than_the_callers_limit_has_a_block_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_span submissions[3] = {issue_many(f, 0, 3), issue_many(f, 100, 50), issue_many(f, 200, 3)};
    struct slk_result results[3];
    struct slk_fault fault = {0};
    struct slk_ledger *ledger;

    options.block_events = 10;
    ledger = fixture_ledger(f, &options);
    assert_int_equal(slk_ledger_submit(ledger, submissions, results, 3, &fault), SLK_OK);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(results[i].outcome, SLK_ACCEPTED);
        assert_int_equal(results[i].height, i + 1);
        assert_null(results[i].verdict.events);
        fixture_free(submissions[i]);
    }
    slk_ledger_close(ledger);
}

/* Good, refused, malformed and duplicate submissions mixed, blocks of 7 events. */
static void answers_come_in_the_order_of_the_submissions(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct seen *seen = calloc(1, sizeof(*seen));
    struct slk_ledger *ledger;
    struct slk_span last = {0};

    assert_non_null(seen);
    options.block_events = 7;
    ledger = fixture_ledger(f, &options);
    for (size_t i = 0; i < 400; i++) {
        struct fixture_life life = fixture_life(FIXTURE_CARD, (uint32_t)i);
        enum fixture_issuer issuer = i % 4 == 1 ? POLICE : MINISTRY; /* who may not issue */
        struct slk_span bytes = fixture_single(f, issuer, &life, SLK_ISSUE);

        if (i % 4 == 3)
            push(ledger, i % 8 == 3 ? slk_span_of("?", 1) : last, i, seen);
        else
            push(ledger, bytes, i, seen);
        if (i % 4 == 2) {
            fixture_free(last);
            last = bytes;
        } else {
            fixture_free(bytes);
        }
    }
    flush(ledger);
    assert_int_equal(seen->n, 400);
    for (size_t i = 0; i < 400; i++) {
        assert_int_equal(seen->tags[i], i);
        assert_int_equal(seen->results[i].outcome, i % 4 == 1 || i % 8 == 3 ? SLK_REFUSED
                                                   : i % 8 == 7             ? SLK_DUPLICATE
                                                                            : SLK_ACCEPTED);
    }
    assert_int_equal(slk_ledger_credentials_n(ledger), 200);
    fixture_free(last);
    free(seen);
    slk_ledger_close(ledger);
}

static void closing_commits_what_was_pushed(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct seen *seen = calloc(1, sizeof(*seen));
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct slk_span bytes = issue_many(f, 0, 10);

    assert_non_null(seen);
    push(ledger, bytes, 0, seen);
    assert_int_equal(seen->n, 0);
    slk_ledger_close(ledger);
    assert_int_equal(seen->n, 1);
    assert_int_equal(seen->results[0].outcome, SLK_ACCEPTED);
    ledger = fixture_ledger(f, &options);
    assert_int_equal(slk_ledger_tip(ledger)->height, 1);
    assert_int_equal(slk_ledger_credentials_n(ledger), 10);
    assert_int_equal(signed_head(ledger).tree_size, slk_ledger_tip(ledger)->log_size);
    fixture_free(bytes);
    free(seen);
    slk_ledger_close(ledger);
}

static void reading_sees_what_was_pushed(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct seen *seen = calloc(1, sizeof(*seen));
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct fixture_life life = fixture_life(FIXTURE_CARD, 3);
    struct slk_span bytes = issue_many(f, 0, 10);
    struct slk_record record;
    struct slk_fault fault;

    assert_non_null(seen);
    push(ledger, bytes, 0, seen);
    assert_int_equal(slk_ledger_lookup(ledger, life.handle, &record, &fault), SLK_OK);
    assert_int_equal(record.state, SLK_ACTIVE);
    assert_int_equal(record.count, 1);
    assert_int_equal(record.owner_agency, 1);
    assert_int_equal(seen->n, 1);
    fixture_free(bytes);
    free(seen);
    slk_ledger_close(ledger);
}

static void time_goes_on_when_the_clock_goes_back(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    uint64_t last = slk_ledger_tip(ledger)->time_ms;

    for (uint32_t i = 0; i < 20; i++) {
        uint64_t clock_ms = f->now_ms;
        struct fixture_life life = fixture_life(FIXTURE_CARD, i);

        fixture_accept(ledger, fixture_single(f, MINISTRY, &life, SLK_ISSUE));
        assert_true(slk_ledger_tip(ledger)->time_ms > last);
        if (clock_ms > last)
            assert_int_equal(slk_ledger_tip(ledger)->time_ms, clock_ms);
        last = slk_ledger_tip(ledger)->time_ms;
        f->now_ms = i % 3 == 0 ? f->now_ms - 20 : i % 3 == 1 ? f->now_ms : f->now_ms + 50;
        if (i == 10) { /* also across a restart, to before the charter */
            slk_ledger_close(ledger);
            f->now_ms = FIXTURE_START_MS - 5;
            ledger = fixture_ledger(f, &options);
            f->now_ms = last - 100;
        }
    }
    slk_ledger_close(ledger);
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
        WITH(NULL, a_ledger_of_several_voting_members_is_not_made_here),
        WITH(set_up, opening_refuses_wrong_keys_and_missing_ledgers),
        WITH(set_up, a_second_writer_is_refused_while_readers_come_and_go),
        WITH(set_up, a_reader_cannot_write),
        WITH(set_up, every_refusal_leaves_the_ledger_as_it_was),
        WITH(set_up_small_limits, a_wrong_signature_or_size_is_refused_as_a_whole),
        WITH(set_up, bytes_that_are_no_submission_are_answered_so),
        WITH(set_up, one_bad_event_refuses_the_whole_and_each_has_its_verdict),
        WITH(set_up, a_stale_event_is_told_the_head),
        WITH(set_up, a_batch_of_one_submitted_again_is_answered_with_its_place),
        WITH(set_up, a_batch_of_a_hundred_submitted_again_is_answered_with_its_place),
        WITH(set_up, an_overlap_is_no_duplicate),
        WITH(set_up, the_same_events_under_another_key_are_no_duplicate),
        WITH(set_up, a_duplicate_is_known_while_its_credential_moves_on),
        WITH(set_up, a_refusal_is_not_turned_into_a_place_that_is_not_on_disk),
        WITH(set_up, blocks_are_cut_at_the_callers_limit),
        WITH(set_up_small_limits, blocks_are_cut_at_the_charters_limit),
        WITH(set_up, a_submission_larger_than_the_callers_limit_has_a_block_of_its_own),
        WITH(set_up, answers_come_in_the_order_of_the_submissions),
        WITH(set_up, closing_commits_what_was_pushed),
        WITH(set_up, reading_sees_what_was_pushed),
        WITH(set_up, time_goes_on_when_the_clock_goes_back),
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
