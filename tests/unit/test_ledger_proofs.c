/* The embedded ledger's reading side: every proof it hands out is checked as a stranger would, with sillok.h and the
 * trust policy that follows from the charter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/embed/ledger_private.h"
#include "tests/unit/ledger_steps.h"

static void assert_answer_is_record(
    const struct slk_answer *answer, const struct slk_record *record, const struct fixture *f)
{
    bool expired = record->state == SLK_ACTIVE && record->valid_until_s <= f->now_ms / 1000;

    assert_true(answer->present);
    assert_int_equal(answer->state, expired ? SLK_EXPIRED : record->state);
    assert_int_equal(answer->carrier, record->carrier);
    assert_int_equal(answer->type, record->type);
    assert_int_equal(answer->owner_agency, record->owner_agency);
    assert_int_equal(answer->status_index, record->status_index);
    assert_int_equal(answer->reason, record->reason);
    assert_int_equal(answer->valid_until_s, record->valid_until_s);
    assert_int_equal(answer->since_ms, record->recorded_at_ms);
    assert_int_equal(answer->events_n, record->count);
    assert_memory_equal(answer->device, record->device.b, SLK_HASH_SIZE);
}

static void assert_history_is_whole(const struct slk_answer *answer, const struct fixture_life *life)
{
    struct slk_history_cursor cursor = {0};
    struct slk_history_item item, last = {0};
    uint64_t n = 0;

    while (slk_answer_next(answer, &cursor, &item)) {
        assert_int_equal(item.sequence, n);
        last = item;
        n++;
    }
    assert_int_equal(n, life->sequence);
    assert_int_equal(last.state, life->state);
    assert_memory_equal(last.event_id, life->last_id.b, SLK_HASH_SIZE);
}

/* Proves one life in one form, checks it, and shows that it proves nothing about another handle. */
static void check_proof(struct slk_ledger *ledger, const struct fixture *f, const struct slk_policy *policy,
    const struct fixture_life *life, bool with_history, enum slk_encoding encoding)
{
    struct slk_verify_options options = {.now_s = f->now_ms / 1000};
    struct fixture_life stranger = fixture_life(FIXTURE_CARD, 900000 + life->number);
    const struct slk_tip *tip = slk_ledger_tip(ledger);
    struct slk_fault fault = {0};
    struct slk_answer answer;
    struct slk_record record;
    uint8_t *proof;
    size_t size;
    enum slk_err err = slk_ledger_prove(ledger, life->handle, with_history, encoding, &proof, &size, &fault);

    if (err != SLK_OK)
        fail_msg("%s", fault.text);
    assert_int_equal(slk_proof_is_text(slk_span_of(proof, size)), encoding == SLK_TEXT);
    err = slk_verify_status(&answer, slk_span_of(proof, size), life->handle, policy, &options);
    if (err != SLK_OK)
        fail_msg("%s: %s", slk_err_name(err), answer.detail);
    assert_int_equal(answer.tree_size, tip->log_size);
    assert_int_equal(answer.block_height, tip->height);
    assert_int_equal(answer.block_time_ms, tip->time_ms);
    assert_int_equal(answer.cosignatures_n, 1);
    if (life->sequence == 0) {
        assert_false(answer.present);
        assert_int_equal(answer.state, SLK_NEVER_ISSUED);
        assert_int_equal(slk_ledger_lookup(ledger, life->handle, &record, &fault), SLK_E_NOT_FOUND);
    } else {
        assert_int_equal(slk_ledger_lookup(ledger, life->handle, &record, &fault), SLK_OK);
        assert_answer_is_record(&answer, &record, f);
        assert_int_equal(answer.has_history, with_history);
        if (with_history)
            assert_history_is_whole(&answer, life);
    }
    slk_answer_clear(&answer);
    if (life->sequence > 0 && life->number % 8 == 1)
        assert_int_not_equal(
            slk_verify_status(&answer, slk_span_of(proof, size), stranger.handle, policy, &options), SLK_OK);
    slk_answer_clear(&answer);
    free(proof);
}

static void check_all_proofs(struct slk_ledger *ledger, const struct fixture *f,
    const struct slk_policy *policy, const struct fixture_life *life)
{
    check_proof(ledger, f, policy, life, false, SLK_BINARY);
    check_proof(ledger, f, policy, life, true, SLK_BINARY);
    check_proof(ledger, f, policy, life, false, SLK_TEXT);
    check_proof(ledger, f, policy, life, true, SLK_TEXT);
}

static void every_step_of_a_life_can_be_proven(void **state)
{
    static const struct {
        enum slk_kind kind;
        enum fixture_issuer issuer;
    } steps[] = {{SLK_ISSUE, MINISTRY}, {SLK_LOCK, REGULATOR}, {SLK_REBIND, MINISTRY}, {SLK_LOCK, POLICE},
        {SLK_RENEW, MINISTRY}, {SLK_UNLOCK, MINISTRY}, {SLK_RENEW, MINISTRY}, {SLK_REVOKE, POLICE},
        {SLK_ISSUE, MINISTRY}, {SLK_LOCK, MINISTRY}};
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct slk_policy *policy = fixture_policy(f);
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1), other = fixture_life(FIXTURE_CARD, 2);

    check_all_proofs(ledger, f, policy, &life); /* the map is empty */
    fixture_accept(ledger, fixture_single(f, MINT, &other, SLK_ISSUE));
    check_all_proofs(ledger, f, policy, &life); /* it holds one leaf, another one */
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        f->now_ms += 90000;
        fixture_accept(ledger, fixture_single(f, steps[i].issuer, &life, steps[i].kind));
        check_all_proofs(ledger, f, policy, &life);
        if (i % 3 == 0) {
            slk_ledger_close(ledger);
            ledger = fixture_ledger(f, &options);
            check_all_proofs(ledger, f, policy, &life);
        }
    }
    check_all_proofs(ledger, f, policy, &other);
    slk_ledger_close(ledger);
    options.read_only = true; /* a reader needs no key */
    options.log_key = options.cosign_key = NULL;
    ledger = fixture_ledger(f, &options);
    check_all_proofs(ledger, f, policy, &life);
    f->now_ms += 2 * FIXTURE_YEARS_3_S * 1000;
    check_all_proofs(ledger, f, policy, &other); /* expired by now */
    slk_ledger_close(ledger);
    slk_policy_free(policy);
}

static void the_state_at_any_past_time_follows_from_the_history(void **state)
{
    static const enum slk_kind kinds[] = {SLK_ISSUE, SLK_LOCK, SLK_UNLOCK, SLK_REVOKE, SLK_ISSUE};
    static const enum slk_state states[] = {SLK_ACTIVE, SLK_LOCKED, SLK_ACTIVE, SLK_REVOKED, SLK_ACTIVE};
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_verify_options verify = {0};
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct slk_policy *policy = fixture_policy(f);
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    uint64_t times[5], start = f->now_ms / 1000;
    struct slk_fault fault = {0};
    struct slk_answer answer;
    enum slk_state then;
    uint8_t *proof;
    size_t size;

    for (size_t i = 0; i < 5; i++) {
        f->now_ms += 10 * FIXTURE_DAY_S * 1000;
        times[i] = f->now_ms / 1000;
        fixture_accept(ledger, fixture_single(f, MINISTRY, &life, kinds[i]));
    }
    verify.now_s = f->now_ms / 1000;
    assert_int_equal(slk_ledger_prove(ledger, life.handle, true, SLK_BINARY, &proof, &size, &fault), SLK_OK);
    assert_int_equal(
        slk_verify_status(&answer, slk_span_of(proof, size), life.handle, policy, &verify), SLK_OK);
    assert_int_equal(slk_answer_at(&answer, start, &then), SLK_OK);
    assert_int_equal(then, SLK_NEVER_ISSUED);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(slk_answer_at(&answer, times[i] - 1, &then), SLK_OK);
        assert_int_equal(then, i == 0 ? SLK_NEVER_ISSUED : states[i - 1]);
        assert_int_equal(slk_answer_at(&answer, times[i], &then), SLK_OK);
        assert_int_equal(then, states[i]);
    }
    slk_answer_clear(&answer);
    free(proof);
    slk_policy_free(policy);
    slk_ledger_close(ledger);
}

static void a_fresh_signature_makes_the_proof_young_again(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_verify_options verify = {.max_age_s = 60};
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct slk_policy *policy = fixture_policy(f);
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct slk_fault fault = {0};
    struct slk_answer answer;
    uint8_t *proof;
    size_t size;

    fixture_accept(ledger, fixture_single(f, MINISTRY, &life, SLK_ISSUE));
    f->now_ms += 61000;
    verify.now_s = f->now_ms / 1000;
    assert_int_equal(slk_ledger_prove(ledger, life.handle, false, SLK_TEXT, &proof, &size, &fault), SLK_OK);
    assert_int_equal(
        slk_verify_status(&answer, slk_span_of(proof, size), life.handle, policy, &verify), SLK_E_TOO_OLD);
    free(proof);
    assert_int_equal(slk_ledger_sign(ledger, &fault), SLK_OK);
    assert_int_equal(slk_ledger_prove(ledger, life.handle, false, SLK_TEXT, &proof, &size, &fault), SLK_OK);
    assert_int_equal(
        slk_verify_status(&answer, slk_span_of(proof, size), life.handle, policy, &verify), SLK_OK);
    assert_int_equal(answer.age_s, 0);
    assert_int_equal(answer.quorum_time_s, verify.now_s);
    slk_answer_clear(&answer);
    free(proof);
    slk_policy_free(policy);
    slk_ledger_close(ledger);
}

/* ---- many credentials ---- */

#define LIVES 400

static void push_all(struct slk_ledger *ledger, struct fixture *f, struct fixture_life *lives,
    uint64_t *random, size_t events_n)
{
    struct slk_span *submissions = calloc(events_n, sizeof(*submissions));
    struct slk_result *results = calloc(events_n, sizeof(*results));
    struct fixture_batch batch = {0};
    struct slk_fault fault = {0};
    size_t n = 0;

    assert_true(submissions != NULL && results != NULL);
    for (size_t i = 0; i < events_n; i++) {
        struct fixture_life *life = &lives[fixture_below(random, LIVES)];

        fixture_add(&batch, life, fixture_next_kind(life, fixture_random(random)), f->now_ms);
        if (fixture_below(random, 3) == 0 || i + 1 == events_n)
            submissions[n++] = fixture_sign(f, MINISTRY, &batch);
    }
    if (slk_ledger_submit(ledger, submissions, results, n, &fault) != SLK_OK)
        fail_msg("%s", fault.text);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(results[i].outcome, SLK_ACCEPTED);
        fixture_free(submissions[i]);
    }
    free(submissions);
    free(results);
    fixture_batch_free(&batch);
}

static struct fixture_life *make_lives(void)
{
    struct fixture_life *lives = calloc(LIVES, sizeof(*lives));

    assert_non_null(lives);
    for (uint32_t i = 0; i < LIVES; i++)
        lives[i] = fixture_life(i % 2 == 0 ? FIXTURE_CARD : FIXTURE_PHONE, i);
    return lives;
}

static size_t present_n(const struct fixture_life *lives)
{
    size_t n = 0;

    for (size_t i = 0; i < LIVES; i++)
        n += lives[i].sequence > 0 ? 1 : 0;
    return n;
}

/* Fingerprints cut down to `bits`: most credentials share one with another, none may ever be taken for it. */
static void check_collisions(struct fixture *f, unsigned bits)
{
    struct slk_ledger_options options = fixture_options(f);
    struct slk_policy *policy = fixture_policy(f);
    struct fixture_life *lives = make_lives();
    struct slk_tip tip = {0};
    struct slk_fault fault = {0};
    uint64_t random = 4711, events_n;

    options.fingerprint_bits = bits;
    options.block_events = 90;
    options.threads = 2;
    for (unsigned round = 0; round < 4; round++) {
        struct slk_ledger *ledger;

        options.snapshot_events = round % 2 == 0 ? 0 : 120;
        ledger = fixture_ledger(f, &options); /* replays rivals, with and without a snapshot */
        assert_int_equal(slk_ledger_credentials_n(ledger), present_n(lives));
        f->now_ms += 1000;
        push_all(ledger, f, lives, &random, 400);
        assert_int_equal(slk_ledger_credentials_n(ledger), present_n(lives));
        for (size_t i = 0; i < LIVES; i++)
            check_proof(ledger, f, policy, &lives[i], i % 5 == 0, i % 7 == 0 ? SLK_TEXT : SLK_BINARY);
        slk_ledger_close(ledger);
        options.fingerprint_bits = bits;
        if (slk_ledger_audit_with(f->dir, &f->chain_id, &options, &tip, &events_n, &fault) != SLK_OK)
            fail_msg("%s", fault.text);
        assert_int_equal(events_n, 400 * (round + 1));
    }
    /* With whole fingerprints the same blocks lead to the same roots. */
    if (slk_ledger_audit(f->dir, &f->chain_id, 1, &tip, &events_n, NULL, NULL, &fault) != SLK_OK)
        fail_msg("%s", fault.text);
    free(lives);
    slk_policy_free(policy);
}

static void credentials_that_share_a_short_fingerprint_are_told_apart(void **state)
{
    check_collisions(*state, 6);
}

static void credentials_that_share_a_longer_fingerprint_are_told_apart(void **state)
{
    check_collisions(*state, 11);
}

static void credentials_with_whole_fingerprints_are_told_apart(void **state)
{
    check_collisions(*state, 0);
}

/* ---- long histories, in steps ---- */

/* So many further events of a life, in blocks of their own. */
static void live_on(struct slk_ledger *ledger, struct fixture *f, struct fixture_life *life, size_t events_n)
{
    struct fixture_batch batch = {0};

    for (size_t i = 0; i < events_n; i++) {
        fixture_add(&batch, life,
            life->sequence == 0         ? SLK_ISSUE
            : life->state == SLK_ACTIVE ? SLK_LOCK
                                        : SLK_REBIND,
            f->now_ms);
        if (batch.n == 4096 || i + 1 == events_n)
            fixture_accept(ledger, fixture_sign(f, MINISTRY, &batch));
    }
    fixture_batch_free(&batch);
}

static enum slk_err step(
    struct slk_proving *proving, struct slk_ledger *ledger, size_t events_n, struct slk_fault *fault)
{
    struct slk_view *view;
    enum slk_err err;

    assert_int_equal(slk_view_begin(&view, slk_ledger_store(ledger)), SLK_OK);
    err = slk_proving_step(proving, view, events_n, fault);
    slk_view_end(view);
    assert_true(slk_proving_bytes(proving) <= (size_t)6 << 20);
    return err;
}

/* Makes the rest of a proof while another credential's life goes on; how many steps that took. */
static size_t finish(struct slk_proving *proving, struct slk_ledger *ledger, struct fixture *f,
    struct fixture_life *other, size_t events_n, struct slk_span *made)
{
    struct slk_fault fault = {0};
    uint8_t *proof;
    size_t size, steps = 0;

    for (; !slk_proving_take(proving, &proof, &size); steps++) {
        assert_int_equal(step(proving, ledger, events_n, &fault), SLK_OK);
        if (steps % 64 == 0)
            live_on(ledger, f, other, 1);
    }
    *made = slk_span_of(proof, size);
    return steps;
}

static void a_history_in_steps_is_the_same_as_at_once(void **state)
{
    static const size_t lengths[] = {1, SLK_PROVING_AT_ONCE, SLK_PROVING_AT_ONCE + 1, 700};
    static const size_t steps[] = {1, 7, 128, 100000};
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1), other = fixture_life(FIXTURE_PHONE, 2);
    struct slk_proving *proving;
    struct slk_fault fault = {0};
    struct slk_span made;
    uint8_t *proof;
    size_t size, n;

    for (size_t i = 0; i < 4; i++) {
        live_on(ledger, f, &life, lengths[i] - (size_t)life.sequence);
        for (size_t k = 0; k < 8; k++) {
            enum slk_encoding encoding = k % 2 == 0 ? SLK_TEXT : SLK_BINARY;

            assert_int_equal(
                slk_ledger_prove(ledger, life.handle, true, encoding, &proof, &size, &fault), SLK_OK);
            assert_int_equal(
                slk_ledger_prove_begin(ledger, life.handle, true, encoding, &proving, &fault), SLK_OK);
            n = finish(proving, ledger, f, &other, steps[k / 2], &made);
            if (lengths[i] <= SLK_PROVING_AT_ONCE)
                assert_int_equal(n, 0);
            else
                assert_int_equal(
                    n, (lengths[i] - 1) / steps[k / 2] + (lengths[i] - 1) / (4 * steps[k / 2]) + 3);
            assert_int_equal(made.size, size);
            assert_memory_equal(made.at, proof, size);
            fixture_free(made);
            free(proof);
            slk_proving_free(proving);
        }
    }
    /* One that is given up in the middle. */
    assert_int_equal(slk_ledger_prove_begin(ledger, life.handle, true, SLK_TEXT, &proving, &fault), SLK_OK);
    step(proving, ledger, 100, &fault);
    slk_proving_free(proving);
    slk_ledger_close(ledger);
}

/* As a disk may do it: entries and rows that are read later are not those that stood there when it was begun. */
static void what_changes_between_two_steps_never_leaves_in_a_proof(void **state)
{
    static const size_t lengths[] = {1, 150, 300, 600}; /* of what takes their place */
    struct fixture *f = *state, changed;
    struct slk_ledger_options options = fixture_options(f), changed_options;
    struct slk_ledger *ledger = fixture_ledger(f, &options), *changed_ledger;
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1), another = fixture_life(FIXTURE_PHONE, 2);
    struct slk_proving *proving;
    uint8_t *proof;
    size_t size;

    fixture_open(&changed, NULL);
    fixture_init(&changed);
    changed_options = fixture_options(&changed);
    changed_ledger = fixture_ledger(&changed, &changed_options);
    live_on(ledger, f, &life, 300);
    for (size_t i = 0; i < 4; i++) {
        live_on(changed_ledger, &changed, &another, lengths[i] - (size_t)another.sequence);
        for (size_t good_n = 0; good_n < 5; good_n++) {
            struct slk_fault fault = {0};
            enum slk_err err = SLK_OK;

            assert_int_equal(
                slk_ledger_prove_begin(ledger, life.handle, true, SLK_TEXT, &proving, &fault), SLK_OK);
            for (size_t n = 0; err == SLK_OK; n++) {
                err = step(proving, n < good_n ? ledger : changed_ledger, 60, &fault);
                assert_true(n < 7);
            }
            assert_int_equal(err, SLK_E_CORRUPT);
            assert_false(slk_proving_take(proving, &proof, &size));
            slk_proving_free(proving);
        }
    }
    slk_ledger_close(changed_ledger);
    fixture_close(&changed);
    slk_ledger_close(ledger);
}

static void a_history_that_no_proof_holds_is_given_up_on_the_way(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    struct slk_fault at_once = {0}, fault = {0};
    struct slk_proving *proving;
    uint8_t *proof;
    size_t size, steps = 0;
    enum slk_err err = SLK_OK;

    live_on(ledger, f, &life, 32768);
    assert_int_equal(
        slk_ledger_prove(ledger, life.handle, true, SLK_TEXT, &proof, &size, &at_once), SLK_E_TOO_LARGE);
    assert_int_equal(slk_ledger_prove_begin(ledger, life.handle, true, SLK_TEXT, &proving, &fault), SLK_OK);
    for (; err == SLK_OK; steps++)
        err = step(proving, ledger, 1024, &fault);
    assert_int_equal(err, SLK_E_TOO_LARGE);
    assert_string_equal(fault.text, at_once.text);
    assert_true(steps <= 32); /* all was never read, let alone hashed */
    slk_proving_free(proving);
    slk_ledger_close(ledger);
}

/* ---- crowds ---- */

static bool under(const struct slk_hash *path, const struct slk_hash *prefix, unsigned bits)
{
    for (unsigned i = 0; i < bits; i++)
        if (slk_path_bit(path, i) != slk_path_bit(prefix, i))
            return false;
    return true;
}

static void check_crowd(
    struct slk_ledger *ledger, const struct fixture_life *lives, const struct slk_hash *prefix, unsigned bits)
{
    struct slk_map_crowd_item *items = calloc(LIVES, sizeof(*items));
    size_t expected = 0, n, size;
    struct slk_fault fault = {0};
    uint8_t *proof;

    assert_non_null(items);
    assert_int_equal(slk_ledger_crowd(ledger, prefix->b, bits, &proof, &size, &fault), SLK_OK);
    assert_int_equal(slk_map_crowd_check(items, LIVES, &n, &slk_ledger_tip(ledger)->map_root, prefix->b, bits,
                         slk_span_of(proof, size)),
        SLK_OK);
    for (size_t i = 0; i < LIVES; i++) {
        struct slk_record record;
        struct slk_hash path;
        uint8_t bytes[SLK_RECORD_SIZE];
        bool found = false;

        slk_hash_bytes(&path, lives[i].handle, SLK_HANDLE_SIZE);
        if (lives[i].sequence == 0 || !under(&path, prefix, bits))
            continue;
        expected++;
        assert_int_equal(slk_ledger_lookup(ledger, lives[i].handle, &record, &fault), SLK_OK);
        slk_record_format(bytes, &record);
        for (size_t k = 0; k < n && !found; k++)
            found = memcmp(items[k].path, path.b, SLK_HASH_SIZE) == 0 &&
                    memcmp(items[k].record, bytes, SLK_RECORD_SIZE) == 0;
        assert_true(found);
    }
    assert_int_equal(n, expected);
    free(proof);
    free(items);
}

static void a_crowd_holds_everything_under_its_prefix_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct fixture_life *lives = make_lives();
    uint64_t random = 99;

    for (unsigned round = 0; round < 4; round++) {
        struct slk_ledger *ledger;

        options.fingerprint_bits = round % 2 == 0 ? 0 : 6;
        ledger = fixture_ledger(f, &options);
        for (unsigned bits = 0; bits <= 40; bits += bits < 16 ? 1 : 8) {
            for (unsigned k = 0; k < 6; k++) {
                struct slk_hash prefix;

                slk_hash_bytes(&prefix, lives[fixture_below(&random, LIVES)].handle, SLK_HANDLE_SIZE);
                if (k % 3 == 2)
                    prefix.b[0] = (uint8_t)fixture_random(&random);
                check_crowd(ledger, lives, &prefix, bits);
            }
        }
        if (round == 0)
            push_all(ledger, f, lives, &random, 1); /* a map of nothing, then of one, then of many */
        else if (round == 1)
            push_all(ledger, f, lives, &random, 900);
        slk_ledger_close(ledger);
    }
    free(lives);
}

static void a_crowd_of_one_is_found_by_its_whole_path(void **state)
{
    struct fixture *f = *state;
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct fixture_life *lives = make_lives();
    uint64_t random = 5;

    push_all(ledger, f, lives, &random, 500);
    for (size_t i = 0; i < LIVES; i += 10) {
        struct slk_hash path;

        slk_hash_bytes(&path, lives[i].handle, SLK_HANDLE_SIZE);
        check_crowd(ledger, lives, &path, SLK_MAP_DEPTH);
    }
    slk_ledger_close(ledger);
    free(lives);
}

int main(void)
{
#define WITH_LEDGER(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_LEDGER(every_step_of_a_life_can_be_proven),
        WITH_LEDGER(the_state_at_any_past_time_follows_from_the_history),
        WITH_LEDGER(a_fresh_signature_makes_the_proof_young_again),
        WITH_LEDGER(credentials_that_share_a_short_fingerprint_are_told_apart),
        WITH_LEDGER(credentials_that_share_a_longer_fingerprint_are_told_apart),
        WITH_LEDGER(credentials_with_whole_fingerprints_are_told_apart),
        WITH_LEDGER(a_history_in_steps_is_the_same_as_at_once),
        WITH_LEDGER(what_changes_between_two_steps_never_leaves_in_a_proof),
        WITH_LEDGER(a_history_that_no_proof_holds_is_given_up_on_the_way),
        WITH_LEDGER(a_crowd_holds_everything_under_its_prefix_and_nothing_else),
        WITH_LEDGER(a_crowd_of_one_is_found_by_its_whole_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
