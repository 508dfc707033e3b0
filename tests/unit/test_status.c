/* slk_verify_status over a ledger made by hand: every answer, every refusal, and histories that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/tiny.h"

#define T0     UINT64_C(1750000000)
#define NOW_S  (T0 + 2000)
#define SEAL_S (T0 + 1000)

/* Lives: 1 has one of every event; 2 is locked; 3 revoked; 4 revoked and issued again; 5 active, issued at T0 + 10;
 * 6 never issued; 7 revoked by one event after issue. */
static struct tiny ledger;
static struct slk_policy *two_of_three, *no_quorum;
static struct tiny_parts parts;
static uint8_t bytes[TINY_PROOF_MAX];
static const struct slk_verify_options now = {.now_s = NOW_S};

static void build(struct tiny *tiny)
{
    static const enum slk_kind whole_life[] = {
        SLK_ISSUE, SLK_LOCK, SLK_RENEW, SLK_REBIND, SLK_LOCK, SLK_UNLOCK, SLK_RENEW, SLK_REVOKE, SLK_ISSUE};

    memset(tiny, 0, sizeof(*tiny));
    tiny_end_block(tiny, T0 * 1000);
    for (size_t i = 0; i < sizeof(whole_life) / sizeof(whole_life[0]); i++)
        tiny_do(tiny, tiny_life(tiny, 1), whole_life[i], T0 + 10 * (i + 1));
    tiny_end_block(tiny, (T0 + 200) * 1000);
    for (uint8_t i = 2; i <= 5; i++)
        tiny_do(tiny, tiny_life(tiny, i), SLK_ISSUE, T0 + 10);
    tiny_do(tiny, tiny_life(tiny, 2), SLK_LOCK, T0 + 210);
    tiny_do(tiny, tiny_life(tiny, 3), SLK_REVOKE, T0 + 220);
    tiny_do(tiny, tiny_life(tiny, 4), SLK_REVOKE, T0 + 230);
    tiny_do(tiny, tiny_life(tiny, 4), SLK_ISSUE, T0 + 240);
    (void)tiny_life(tiny, 6);
    tiny_end_block(tiny, SEAL_S * 1000 + 250);
}

static int make_ledger(void **state)
{
    (void)state;
    build(&ledger);
    two_of_three = tiny_policy("group g 2 w1 w2 w3\nquorum g\n");
    no_quorum = tiny_policy("quorum none\n");
    return 0;
}

static int drop_ledger(void **state)
{
    (void)state;
    slk_policy_free(two_of_three);
    slk_policy_free(no_quorum);
    return 0;
}

static struct tiny_life *life(uint8_t number)
{
    return tiny_life(&ledger, number);
}

/* Prints `parts` both ways; the verdicts must agree. Leaves the answer of the text form. */
static enum slk_err verify_with(struct slk_answer *answer, const uint8_t *handle,
    const struct slk_policy *policy, const struct slk_verify_options *options)
{
    struct slk_answer binary;

    size_t n = tiny_print(bytes, &parts, false);
    enum slk_err err = slk_verify_status(&binary, slk_span_of(bytes, n), handle, policy, options);
    assert_int_equal(err, binary.why);
    assert_null(binary.decoded);
    n = tiny_print(bytes, &parts, true);
    memset(answer, 0xa5, sizeof(*answer));
    assert_int_equal(slk_verify_status(answer, slk_span_of(bytes, n), handle, policy, options), err);
    assert_string_equal(answer->detail, binary.detail);
    assert_int_equal(answer->state, binary.state);
    assert_int_equal(answer->events_n, binary.events_n);
    slk_answer_clear(&binary);
    return err;
}

/* A proof of one life as an honest ledger gives it. */
static enum slk_err verify_life(struct slk_answer *answer, uint8_t number, bool history)
{
    tiny_parts_of(&parts, &ledger, life(number), history, 7, SEAL_S + 5);
    return verify_with(answer, life(number)->handle, two_of_three, &now);
}

/* Expects a refusal that leaves nothing behind but its reason. */
static void expect(enum slk_err expected, const uint8_t *handle, const struct slk_policy *policy,
    const struct slk_verify_options *options, const char *in_detail)
{
    struct slk_answer answer, empty;

    enum slk_err err = verify_with(&answer, handle, policy, options);
    if (err != expected)
        print_message("# %s: %s\n", slk_err_name(err), answer.detail);
    assert_int_equal(err, expected);
    assert_int_equal(answer.why, expected);
    if (strstr(answer.detail, in_detail) == NULL)
        print_message("# detail: %s\n", answer.detail);
    assert_non_null(strstr(answer.detail, in_detail));
    memset(answer.detail, 0, sizeof(answer.detail));
    answer.why = SLK_OK;
    memset(&empty, 0, sizeof(empty));
    assert_memory_equal(&answer, &empty, sizeof(empty));
}

/* ---- answers ---- */

static void an_active_credential_is_described(void **state)
{
    struct slk_answer a;
    uint8_t device[32];

    (void)state;
    assert_int_equal(verify_life(&a, 1, true), SLK_OK);
    assert_true(a.state == SLK_ACTIVE && a.present && a.has_history && a.carrier == SLK_PHONE && a.type == 2);
    assert_true(a.owner_agency == 4 && a.status_index == 1008 && a.reason == 0 && a.events_n == 9);
    assert_true(a.valid_until_s == T0 + 90 + 100000 && a.since_ms == (T0 + 90) * 1000 + 500);
    memset(device, 0x40 + 8, sizeof(device));
    assert_memory_equal(a.device, device, sizeof(device));
    assert_true(
        a.tree_size == ledger.entries_n && a.block_height == 2 && a.block_time_ms == SEAL_S * 1000 + 250);
    assert_true(a.cosignatures_n == 3 && a.quorum_time_s == SEAL_S + 6 && a.age_s == NOW_S - SEAL_S - 6);
    assert_int_equal(a.detail[0], 0);
    slk_answer_clear(&a);
    assert_int_equal(verify_life(&a, 1, false), SLK_OK);
    assert_true(a.state == SLK_ACTIVE && a.present && !a.has_history && a.events_n == 9);
    slk_answer_clear(&a);
}

static void every_stored_state_is_told(void **state)
{
    struct slk_answer a;

    (void)state;
    assert_int_equal(verify_life(&a, 2, true), SLK_OK);
    assert_true(a.state == SLK_LOCKED && a.reason == 1);
    slk_answer_clear(&a);
    assert_int_equal(verify_life(&a, 3, true), SLK_OK);
    assert_true(a.state == SLK_REVOKED && a.reason == 6);
    slk_answer_clear(&a);
    assert_int_equal(verify_life(&a, 4, true), SLK_OK);
    assert_true(a.state == SLK_ACTIVE && a.events_n == 3);
    slk_answer_clear(&a);
}

static void never_issued_is_proven(void **state)
{
    struct slk_answer a;
    enum slk_state then;

    (void)state;
    assert_int_equal(verify_life(&a, 6, true), SLK_OK);
    assert_true(
        a.state == SLK_NEVER_ISSUED && !a.present && !a.has_history && a.events_n == 0 && a.type == 0);
    assert_true(a.tree_size == ledger.entries_n && a.block_height == 2 && a.cosignatures_n == 3);
    assert_int_equal(slk_answer_at(&a, T0, &then), SLK_OK);
    assert_int_equal(then, SLK_NEVER_ISSUED);
    assert_int_equal(slk_answer_at(&a, SEAL_S + 1, &then), SLK_E_TIME);
    slk_answer_clear(&a);
}

static void expiry_is_by_the_callers_clock_and_yields_to_graver_states(void **state)
{
    struct slk_verify_options later = {.now_s = T0 + 10 + 100000 - 1};
    struct slk_answer a;

    (void)state;
    tiny_parts_of(&parts, &ledger, life(5), true, 7, SEAL_S);
    assert_int_equal(verify_with(&a, life(5)->handle, two_of_three, &later), SLK_OK);
    assert_int_equal(a.state, SLK_ACTIVE);
    slk_answer_clear(&a);
    later.now_s++;
    assert_int_equal(verify_with(&a, life(5)->handle, two_of_three, &later), SLK_OK);
    assert_int_equal(a.state, SLK_EXPIRED);
    slk_answer_clear(&a);
    tiny_parts_of(&parts, &ledger, life(2), true, 7, SEAL_S);
    assert_int_equal(verify_with(&a, life(2)->handle, two_of_three, &later), SLK_OK);
    assert_int_equal(a.state, SLK_LOCKED);
    slk_answer_clear(&a);
    tiny_parts_of(&parts, &ledger, life(3), true, 7, SEAL_S);
    assert_int_equal(verify_with(&a, life(3)->handle, two_of_three, &later), SLK_OK);
    assert_int_equal(a.state, SLK_REVOKED);
    slk_answer_clear(&a);
}

/* ---- history ---- */

static void the_history_is_walked_with_what_each_event_left(void **state)
{
    static const struct {
        enum slk_kind kind;
        enum slk_state after;
        uint64_t valid_until_s;
        int device; /* its byte */
    } expected[] = {
        {SLK_ISSUE, SLK_ACTIVE, T0 + 10 + 100000, 0x40},
        {SLK_LOCK, SLK_LOCKED, T0 + 10 + 100000, 0x40},
        {SLK_RENEW, SLK_LOCKED, T0 + 30 + 100000, 0x40},
        {SLK_REBIND, SLK_ACTIVE, T0 + 30 + 100000, 0x43},
        {SLK_LOCK, SLK_LOCKED, T0 + 30 + 100000, 0x43},
        {SLK_UNLOCK, SLK_ACTIVE, T0 + 30 + 100000, 0x43},
        {SLK_RENEW, SLK_ACTIVE, T0 + 70 + 100000, 0x43},
        {SLK_REVOKE, SLK_REVOKED, T0 + 70 + 100000, 0x43},
        {SLK_ISSUE, SLK_ACTIVE, T0 + 90 + 100000, 0x48},
    };
    struct slk_history_cursor cursor = {0};
    struct slk_history_item item;
    struct slk_answer a;
    size_t n = 0;

    (void)state;
    assert_int_equal(verify_life(&a, 1, true), SLK_OK);
    for (; slk_answer_next(&a, &cursor, &item); n++) {
        assert_in_range(n, 0, 8);
        assert_true(item.sequence == n && item.kind == expected[n].kind && item.state == expected[n].after);
        assert_true(item.valid_until_s == expected[n].valid_until_s && item.device[31] == expected[n].device);
        assert_true(item.recorded_at_ms == (T0 + 10 * (n + 1)) * 1000 + 500);
        assert_true(item.occurred_at_s == T0 + 10 * (n + 1) - 1 && item.channel == SLK_ONLINE);
        bool binds = item.kind == SLK_ISSUE || item.kind == SLK_REBIND;
        assert_int_equal(item.carrier, binds ? SLK_PHONE : 0);
        assert_int_equal(item.reason, item.kind == SLK_LOCK ? 1 : item.kind == SLK_REVOKE ? 6 : 0);
    }
    assert_int_equal(n, 9);
    assert_false(slk_answer_next(&a, &cursor, &item));
    assert_memory_equal(cursor.last.event_id, life(1)->record.last_event_id.b, 32);
    slk_answer_clear(&a);
    cursor = (struct slk_history_cursor){0};
    assert_false(slk_answer_next(&a, &cursor, &item));
    assert_int_equal(verify_life(&a, 1, false), SLK_OK);
    assert_false(slk_answer_next(&a, &cursor, &item));
    slk_answer_clear(&a);
}

static void the_state_at_any_past_second_is_known(void **state)
{
    static const enum slk_state after[] = {SLK_NEVER_ISSUED, SLK_ACTIVE, SLK_LOCKED, SLK_LOCKED, SLK_ACTIVE,
        SLK_LOCKED, SLK_ACTIVE, SLK_ACTIVE, SLK_REVOKED, SLK_ACTIVE};
    struct slk_answer a;
    enum slk_state then;

    (void)state;
    assert_int_equal(verify_life(&a, 1, true), SLK_OK);
    for (uint64_t t = 0; t <= 1000; t++) {
        /* events are recorded half a second after T0 + 10 k: in force from the next whole second */
        size_t k = t == 0 ? 0 : (t - 1) / 10;
        assert_int_equal(slk_answer_at(&a, T0 + t, &then), SLK_OK);
        assert_int_equal(then, after[k > 9 ? 9 : k]);
    }
    assert_int_equal(slk_answer_at(&a, 0, &then), SLK_OK);
    assert_int_equal(then, SLK_NEVER_ISSUED);
    assert_int_equal(slk_answer_at(&a, SEAL_S + 1, &then), SLK_E_TIME);
    assert_int_equal(then, SLK_REVOKED);
    assert_int_equal(slk_answer_at(&a, UINT64_MAX, &then), SLK_E_TIME);
    slk_answer_clear(&a);
    assert_int_equal(slk_answer_at(&a, T0 + 50, &then), SLK_E_NO_HISTORY);
    assert_int_equal(verify_life(&a, 1, false), SLK_OK);
    assert_int_equal(slk_answer_at(&a, T0 + 50, &then), SLK_E_NO_HISTORY);
    slk_answer_clear(&a);
    memset(&a, 0, sizeof(a)); /* an answer to nothing */
    assert_int_equal(slk_answer_at(&a, 0, &then), SLK_E_NO_HISTORY);
}

/* A credential that had expired before it was renewed. */
static void expiry_in_the_past_is_seen(void **state)
{
    static struct tiny other;
    struct slk_answer a;
    struct slk_event e;
    enum slk_state then;

    (void)state;
    memset(&other, 0, sizeof(other));
    struct tiny_life *l = tiny_life(&other, 9);
    e = tiny_event(l, SLK_ISSUE, T0);
    e.valid_until_s = T0 + 100;
    tiny_record(&other, l, &e, T0 * 1000);
    tiny_do(&other, l, SLK_RENEW, T0 + 200);
    tiny_end_block(&other, (T0 + 300) * 1000);
    tiny_parts_of(&parts, &other, l, true, 7, T0 + 301);
    assert_int_equal(verify_with(&a, l->handle, two_of_three, &now), SLK_OK);
    assert_int_equal(slk_answer_at(&a, T0, &then), SLK_OK);
    assert_int_equal(then, SLK_ACTIVE);
    assert_int_equal(slk_answer_at(&a, T0 + 99, &then), SLK_OK);
    assert_int_equal(then, SLK_ACTIVE);
    assert_int_equal(slk_answer_at(&a, T0 + 100, &then), SLK_OK);
    assert_int_equal(then, SLK_EXPIRED);
    assert_int_equal(slk_answer_at(&a, T0 + 201, &then), SLK_OK);
    assert_int_equal(then, SLK_ACTIVE);
    slk_answer_clear(&a);
}

/* ---- refusals: signatures and time ---- */

static void signatures_must_make_the_quorum(void **state)
{
    const uint8_t *handle = life(1)->handle;
    struct slk_verify_options options = now;
    struct slk_policy *other_log;
    struct slk_answer a;

    (void)state;
    for (unsigned mask = 0; mask < 8; mask++) {
        tiny_parts_of(&parts, &ledger, life(1), true, mask, SEAL_S);
        unsigned n = (mask & 1) + (mask >> 1 & 1) + (mask >> 2);
        if (n < 2) {
            expect(SLK_E_QUORUM, handle, two_of_three, &now, "");
            continue;
        }
        assert_int_equal(verify_with(&a, handle, two_of_three, &now), SLK_OK);
        assert_int_equal(a.cosignatures_n, n);
        slk_answer_clear(&a);
    }
    tiny_parts_of(&parts, &ledger, life(1), true, 1u << 8 | 1u << 7 | 1, SEAL_S); /* strangers do not count */
    expect(SLK_E_QUORUM, handle, two_of_three, &now, "");
    tiny_parts_of(&parts, &ledger, life(1), true, 0, SEAL_S);
    expect(SLK_E_NO_QUORUM, handle, no_quorum, &now, "");
    options.allow_no_quorum = true;
    assert_int_equal(verify_with(&a, handle, no_quorum, &options), SLK_OK);
    assert_true(a.quorum_time_s == 0 && a.age_s == NOW_S - SEAL_S); /* the block's own time */
    slk_answer_clear(&a);

    struct slk_fault fault;
    struct slk_vkey vkey, log_key;
    char text[512], key[SLK_VKEY_MAX];
    tiny_vkey(&log_key, 0);
    assert_int_equal(slk_vkey_init(&vkey, "other.example/ledger", SLK_SIG_ED25519, log_key.key), SLK_OK);
    (void)slk_vkey_format(key, &vkey);
    int n = snprintf(text, sizeof(text), "log %s\nquorum none\n", key);
    assert_int_equal(slk_policy_new(&other_log, text, (size_t)n, &fault), SLK_OK);
    expect(SLK_E_NO_LOG, handle, other_log, &options, TINY_ORIGIN);
    slk_policy_free(other_log);
}

static void a_wrong_signature_is_not_a_missing_one(void **state)
{
    (void)state;
    tiny_parts_of(&parts, &ledger, life(1), true, 7, SEAL_S);
    char *line = strstr(parts.note, "witness3.example ");
    assert_non_null(line);
    line[17 + 40] = line[17 + 40] == 'A' ? 'B' : 'A'; /* in the signature, past key ID and time */
    expect(SLK_E_SIGNATURE, life(1)->handle, two_of_three, &now, "");
}

static void age_is_counted_from_the_quorum(void **state)
{
    const uint8_t *handle = life(1)->handle;
    struct slk_verify_options options = {.now_s = SEAL_S + 101, .max_age_s = 100};
    struct slk_answer a;

    (void)state;
    /* witnesses 1, 2, 3 at SEAL_S, + 1, + 2: two of three had cosigned by SEAL_S + 1 at the newest */
    tiny_parts_of(&parts, &ledger, life(1), true, 7, SEAL_S);
    assert_int_equal(verify_with(&a, handle, two_of_three, &options), SLK_OK);
    assert_int_equal(a.age_s, 100);
    slk_answer_clear(&a);
    options.now_s++;
    expect(SLK_E_TOO_OLD, handle, two_of_three, &options, "101 s");
    options.max_age_s = 0;
    options.now_s = UINT64_MAX;
    assert_int_equal(verify_with(&a, handle, two_of_three, &options), SLK_OK);
    slk_answer_clear(&a);
    options.now_s = SEAL_S + 1 - 299;
    assert_int_equal(verify_with(&a, handle, two_of_three, &options), SLK_OK);
    assert_int_equal(a.age_s, 0);
    slk_answer_clear(&a);
    options.now_s = SEAL_S + 2 - 301;
    expect(SLK_E_FUTURE, handle, two_of_three, &options, "");
    options.max_ahead_s = 1000;
    assert_int_equal(verify_with(&a, handle, two_of_three, &options), SLK_OK);
    slk_answer_clear(&a);
    options = (struct slk_verify_options){.now_s = SEAL_S - 300, .allow_no_quorum = true, .max_age_s = 100};
    tiny_parts_of(&parts, &ledger, life(1), true, 0, SEAL_S);
    assert_int_equal(verify_with(&a, handle, no_quorum, &options), SLK_OK);
    slk_answer_clear(&a);
    options.now_s--;
    expect(SLK_E_FUTURE, handle, no_quorum, &options, "block");
    options.now_s = SEAL_S + 101;
    expect(SLK_E_TOO_OLD, handle, no_quorum, &options, "");
}

static void a_quorum_without_a_clock_makes_no_proof_fresh(void **state)
{
    const uint8_t *handle = life(1)->handle;
    struct slk_verify_options options = {.now_s = SEAL_S + 50, .max_age_s = 100};

    (void)state;
    /* witnesses 1 and 2 at 0 and 1: the quorum's time is 0, which is not "no quorum" */
    tiny_parts_of(&parts, &ledger, life(1), true, 3, 0);
    expect(SLK_E_TOO_OLD, handle, two_of_three, &options, "");
}

static void no_quorum_makes_up_for_a_block_of_a_time_to_come(void **state)
{
    const uint8_t *handle = life(1)->handle;
    struct slk_verify_options options = {.now_s = SEAL_S - 301};

    (void)state;
    tiny_parts_of(&parts, &ledger, life(1), true, 7, SEAL_S - 5000);
    expect(SLK_E_FUTURE, handle, two_of_three, &options, "block");
}

/* ---- refusals: seal, map, record ---- */

static void the_seal_must_be_the_last_entry(void **state)
{
    const uint8_t *handle = life(1)->handle;

    (void)state;
    tiny_parts_of(&parts, &ledger, life(1), true, 7, SEAL_S);
    memcpy(parts.seal.at, life(1)->events[0].at, life(1)->events[0].n);
    parts.seal.n = life(1)->events[0].n;
    expect(SLK_E_SEAL, handle, two_of_three, &now, "not a seal");
    tiny_parts_of(&parts, &ledger, life(1), true, 7, SEAL_S);
    parts.seal.n--;
    expect(SLK_E_SEAL, handle, two_of_three, &now, "not a seal");
    struct slk_seal other = ledger.seal; /* a good seal of another block */
    other.time_ms++;
    parts.seal.n = slk_entry_format_seal(parts.seal.at, sizeof(parts.seal.at), &other);
    expect(SLK_E_PROOF, handle, two_of_three, &now, "");
    tiny_parts_of(&parts, &ledger, life(1), true, 7, SEAL_S);
    parts.path[0].b[5] ^= 4;
    expect(SLK_E_PROOF, handle, two_of_three, &now, "");
    tiny_parts_of(&parts, &ledger, life(1), true, 7, SEAL_S);
    parts.path_n--;
    expect(SLK_E_PROOF, handle, two_of_three, &now, "");
    tiny_parts_of(&parts, &ledger, life(1), true, 7, SEAL_S);
    parts.path[parts.path_n++] = slk_hash_zero;
    expect(SLK_E_PROOF, handle, two_of_three, &now, "");
}

static void the_record_must_be_in_the_map(void **state)
{
    (void)state;
    tiny_parts_of(&parts, &ledger, life(1), true, 7, SEAL_S);
    expect(SLK_E_MAP_PROOF, life(2)->handle, two_of_three, &now, "another credential");
    expect(SLK_E_MAP_PROOF, life(6)->handle, two_of_three, &now, "another credential");
    parts.map_proof_n--;
    expect(SLK_E_MAP_PROOF, life(1)->handle, two_of_three, &now, "");
    parts.map_proof[0] = 7;
    expect(SLK_E_MALFORMED, life(1)->handle, two_of_three, &now, "map proof");
    tiny_parts_of(&parts, &ledger, life(6), true, 7, SEAL_S);
    expect(SLK_E_MAP_PROOF, life(1)->handle, two_of_three, &now, "");
}

/* A ledger whose map holds what no record can be: only a quorum of liars could make it. */
static void a_record_that_cannot_be_is_refused(void **state)
{
    static struct tiny other;
    uint8_t record[SLK_RECORD_SIZE];

    (void)state;
    for (int change = 0; change < 3; change++) {
        memset(&other, 0, sizeof(other));
        struct tiny_life *l = tiny_life(&other, 9);
        tiny_do(&other, l, SLK_ISSUE, T0);
        struct slk_record r = l->record;
        if (change == 0)
            r.recorded_at_ms = (T0 + 10) * 1000 + 1;
        slk_record_format(record, &r);
        if (change == 1)
            record[72] = 9;
        naive_put(&other.map, l->handle, record);
        tiny_end_block(&other, (T0 + 10) * 1000);
        tiny_parts_of(&parts, &other, l, false, 7, SEAL_S);
        if (change < 2) {
            expect(SLK_E_RECORD, l->handle, two_of_three, &now, change == 0 ? "dated" : "");
            continue;
        }
        /* a shorter value, committed to as such: the map is one leaf */
        other.seal.map_root = slk_hash_zero;
        struct slk_hash path, value;
        slk_hash_bytes(&path, l->handle, SLK_HANDLE_SIZE);
        slk_hash_bytes(&value, record, 100);
        slk_hash_map_leaf(&other.seal.map_root, &path, &value);
        parts.seal.n = slk_entry_format_seal(parts.seal.at, sizeof(parts.seal.at), &other.seal);
        other.entries_n--;
        tiny_append(&other, parts.seal.at, parts.seal.n);
        parts.note_n = tiny_note(parts.note, &other, 7, SEAL_S);
        parts.path_n = tiny_path(parts.path, other.leaves, other.entries_n, other.entries_n - 1);
        memcpy(parts.map_proof, "\x01\x00\x00", 3);
        memcpy(parts.map_proof + 3, record, 100);
        parts.map_proof_n = 103;
        expect(SLK_E_RECORD, l->handle, two_of_three, &now, "100 bytes");
    }
}

/* ---- refusals: history ---- */

static void no_event_can_be_left_out_added_or_moved(void **state)
{
    const struct tiny_life *l = life(1);
    struct slk_span events[TINY_EVENTS_MAX];

    (void)state;
    tiny_parts_of(&parts, &ledger, l, true, 7, SEAL_S);
    memcpy(events, parts.events, sizeof(events));
    for (size_t out = 0; out < l->events_n; out++) {
        parts.events_n = 0;
        for (size_t i = 0; i < l->events_n; i++)
            if (i != out)
                parts.events[parts.events_n++] = events[i];
        /* the last one: the chain ends early; any other: the next does not follow */
        expect(out == l->events_n - 1 ? SLK_E_HISTORY : SLK_E_RULE, l->handle, two_of_three, &now,
            out == l->events_n - 1 ? "counts 9 events, the proof shows 8" : "SEQUENCE");
    }
    for (size_t i = 0; i + 1 < l->events_n; i++) {
        memcpy(parts.events, events, sizeof(events));
        parts.events_n = l->events_n;
        parts.events[i] = events[i + 1];
        parts.events[i + 1] = events[i];
        expect(SLK_E_RULE, l->handle, two_of_three, &now, "SEQUENCE");
    }
    for (size_t i = 0; i < l->events_n; i++) { /* one twice */
        memcpy(parts.events, events, sizeof(events));
        memmove(&parts.events[i + 1], &parts.events[i], (l->events_n - i) * sizeof(events[0]));
        parts.events_n = l->events_n + 1;
        expect(SLK_E_RULE, l->handle, two_of_three, &now, "SEQUENCE");
    }
}

static void events_of_others_are_refused(void **state)
{
    (void)state;
    tiny_parts_of(&parts, &ledger, life(5), true, 7, SEAL_S);
    parts.events[0] = slk_span_of(life(3)->events[0].at, life(3)->events[0].n);
    expect(SLK_E_HANDLE, life(5)->handle, two_of_three, &now, "event 1");
    tiny_parts_of(&parts, &ledger, life(3), true, 7, SEAL_S);
    parts.events[1] = slk_span_of(life(4)->events[1].at, life(4)->events[1].n);
    expect(SLK_E_HANDLE, life(3)->handle, two_of_three, &now, "event 2");
    tiny_parts_of(&parts, &ledger, life(6), true, 7, SEAL_S);
    parts.events[0] = slk_span_of(life(3)->events[0].at, life(3)->events[0].n);
    parts.events_n = 1;
    expect(SLK_E_HISTORY, life(6)->handle, two_of_three, &now, "absent");
    tiny_parts_of(&parts, &ledger, life(5), true, 7, SEAL_S);
    parts.events[0] = slk_span_of(ledger.seal_bytes.at, ledger.seal_bytes.n);
    expect(SLK_E_MALFORMED, life(5)->handle, two_of_three, &now, "event 1");
    parts.events[0] = slk_span_of("\x0a\x00", 2);
    expect(SLK_E_NOT_CANONICAL, life(5)->handle, two_of_three, &now, "event 1");
}

/* Every field of an event altered, with the entry printed anew: the chain of hashes notices what the rules do not. */
static void no_field_of_an_event_can_be_altered(void **state)
{
    static uint8_t forged[SLK_RECORDED_MAX];
    const struct tiny_life *l = life(2); /* ISSUE, LOCK */
    struct slk_entry entry;
    struct slk_event e;
    uint8_t event_bytes[SLK_EVENT_MAX];

    (void)state;
    for (int field = 0; field < 9; field++) {
        tiny_parts_of(&parts, &ledger, l, true, 7, SEAL_S);
        assert_int_equal(slk_entry_parse(&entry, parts.events[1]), SLK_OK);
        assert_int_equal(slk_event_parse(&e, entry.event), SLK_OK);
        switch (field) {
        case 0:
            entry.recorded_at_ms--;
            break;
        case 1:
            e.reason++;
            break;
        case 2:
            e.channel++;
            break;
        case 3:
            e.occurred_at_s--;
            break;
        case 4:
            e.has_commitment = true;
            break;
        case 5:
            e.kind = SLK_REVOKE;
            break;
        case 6:
            entry.recorded_at_ms = T0 * 1000; /* before the event it follows */
            e.occurred_at_s = T0;
            break;
        case 7:
            entry.recorded_at_ms = SEAL_S * 1000 + 251; /* after the block that holds it */
            break;
        case 8:
            break; /* the control */
        }
        size_t n = slk_event_format(event_bytes, sizeof(event_bytes), &e);
        n = slk_entry_format_recorded(
            forged, sizeof(forged), entry.recorded_at_ms, slk_span_of(event_bytes, n));
        parts.events[1] = slk_span_of(forged, n);
        if (field < 8) {
            expect(SLK_E_HISTORY, l->handle, two_of_three, &now,
                field == 6 || field == 7 ? "out of order" : "2 events");
            continue;
        }
        struct slk_answer a;
        assert_int_equal(verify_with(&a, l->handle, two_of_three, &now), SLK_OK);
        slk_answer_clear(&a);
    }
}

/* A quorum that let a forbidden event pass: the record is consistent with it, the rules are not. */
static void a_forbidden_event_is_named(void **state)
{
    static struct tiny other;
    static const char *const names[] = {"STATE", "EXPIRED", "VALIDITY_NOT_LONGER", "SAME_DEVICE",
        "OCCURRED_IN_FUTURE", "FIELD_MISSING", "FIELD_NOT_ALLOWED", "PREVIOUS", "VALIDITY_PAST",
        "NOT_ISSUED"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        memset(&other, 0, sizeof(other));
        struct tiny_life *l = tiny_life(&other, 9);
        struct slk_event e;
        uint64_t at_s = T0 + 10;
        if (i != 9)
            tiny_do(&other, l, SLK_ISSUE, T0);
        switch (i) {
        case 0:
            e = tiny_event(l, SLK_UNLOCK, at_s);
            break;
        case 1:
            at_s = T0 + 100000;
            e = tiny_event(l, SLK_REBIND, at_s);
            break;
        case 2:
            e = tiny_event(l, SLK_RENEW, at_s);
            e.valid_until_s = T0 + 100000;
            break;
        case 3:
            e = tiny_event(l, SLK_REBIND, at_s);
            e.device = l->record.device;
            break;
        case 4:
            e = tiny_event(l, SLK_LOCK, at_s);
            e.occurred_at_s = at_s + 301;
            break;
        case 5:
            e = tiny_event(l, SLK_LOCK, at_s);
            e.channel = 0;
            break;
        case 6:
            e = tiny_event(l, SLK_LOCK, at_s);
            e.type = 2;
            break;
        case 7:
            e = tiny_event(l, SLK_LOCK, at_s);
            e.previous.b[0] ^= 1;
            break;
        case 8:
            e = tiny_event(l, SLK_RENEW, at_s);
            e.valid_until_s = at_s;
            break;
        default:
            e = tiny_event(l, SLK_LOCK, at_s);
            break;
        }
        tiny_record(&other, l, &e, at_s * 1000);
        if (i == 9) { /* a first event that is no ISSUE leaves a record without carrier: give it one */
            uint8_t record[SLK_RECORD_SIZE];
            l->record.carrier = SLK_PHONE;
            slk_record_format(record, &l->record);
            naive_put(&other.map, l->handle, record);
        }
        tiny_end_block(&other, at_s * 1000 + 1);
        tiny_parts_of(&parts, &other, l, true, 7, at_s + 5);
        struct slk_verify_options options = {.now_s = at_s + 10};
        expect(SLK_E_RULE, l->handle, two_of_three, &options, names[i]);
    }
}

static void bytes_that_are_no_proof_are_refused(void **state)
{
    static const char *const junk[] = {
        "", "c2sp.org/tlog-proof@v1\n", "hello", "c2sp.org/tlog-proof@v1\nextra AAAA\nindex 0\n\n"};
    struct slk_answer a;

    (void)state;
    for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
        assert_int_equal(
            slk_verify_status(&a, slk_span_of(junk[i], strlen(junk[i])), life(1)->handle, two_of_three, &now),
            SLK_E_MALFORMED);
        assert_true(a.decoded == NULL && a.detail[0] != 0 && !a.present);
    }
    static uint8_t big[SLK_PROOF_MAX + 1];
    assert_int_equal(
        slk_verify_status(&a, slk_span_of(big, sizeof(big)), life(1)->handle, two_of_three, &now),
        SLK_E_TOO_LARGE);
    assert_int_equal(
        slk_verify_status(&a, slk_span_of(NULL, 0), life(1)->handle, two_of_three, &now), SLK_E_MALFORMED);
    slk_answer_clear(&a);
    slk_answer_clear(&a);
    tiny_parts_of(&parts, &ledger, life(1), true, 7, SEAL_S);
    size_t n = tiny_print(bytes, &parts, true);
    assert_int_equal(
        slk_verify_status(&a, slk_span_of(bytes, n - 1), life(1)->handle, two_of_three, &now), SLK_E_NOTE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_active_credential_is_described),
        cmocka_unit_test(every_stored_state_is_told),
        cmocka_unit_test(never_issued_is_proven),
        cmocka_unit_test(expiry_is_by_the_callers_clock_and_yields_to_graver_states),
        cmocka_unit_test(the_history_is_walked_with_what_each_event_left),
        cmocka_unit_test(the_state_at_any_past_second_is_known),
        cmocka_unit_test(expiry_in_the_past_is_seen),
        cmocka_unit_test(signatures_must_make_the_quorum),
        cmocka_unit_test(a_wrong_signature_is_not_a_missing_one),
        cmocka_unit_test(age_is_counted_from_the_quorum),
        cmocka_unit_test(a_quorum_without_a_clock_makes_no_proof_fresh),
        cmocka_unit_test(no_quorum_makes_up_for_a_block_of_a_time_to_come),
        cmocka_unit_test(the_seal_must_be_the_last_entry),
        cmocka_unit_test(the_record_must_be_in_the_map),
        cmocka_unit_test(a_record_that_cannot_be_is_refused),
        cmocka_unit_test(no_event_can_be_left_out_added_or_moved),
        cmocka_unit_test(events_of_others_are_refused),
        cmocka_unit_test(no_field_of_an_event_can_be_altered),
        cmocka_unit_test(a_forbidden_event_is_named),
        cmocka_unit_test(bytes_that_are_no_proof_are_refused),
    };
    return cmocka_run_group_tests_name("status", tests, make_ledger, drop_ledger);
}
