/* Submissions to the embedded ledger: what is accepted, what is refused, in which blocks, and that nothing refused leaves a
 * trace. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/ledger_steps.h"

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

int main(void)
{
#define WITH(set, name) cmocka_unit_test_setup_teardown(name, set, tear_down)
    const struct CMUnitTest tests[] = {
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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
