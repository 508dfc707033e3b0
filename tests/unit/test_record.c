/* The status record and the rules that need no charter: design §4's table, cell by cell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/verify/bytes.h"
#include "ledger/verify/record.h"

#define NOW_S  UINT64_C(1750000000)
#define NOW_MS (NOW_S * 1000 + 999) /* the last millisecond of that second */

static struct slk_hash hash_of(uint8_t b)
{
    struct slk_hash h;

    memset(h.b, b, SLK_HASH_SIZE);
    return h;
}

static struct slk_record record_in(enum slk_state stored)
{
    struct slk_record r;

    memset(&r, 0, sizeof(r));
    r.history = hash_of(0x11);
    r.last_event_id = hash_of(0x22);
    r.count = 3;
    r.state = stored;
    r.carrier = SLK_PHONE;
    r.type = 7;
    r.owner_agency = 0xabcd;
    r.valid_until_s = NOW_S + 1000;
    r.recorded_at_ms = NOW_MS - 5;
    r.status_index = 0x01020304;
    r.reason = stored == SLK_ACTIVE ? 0 : 9;
    r.device = hash_of(0x33);
    return r;
}

/* An event of this kind with all it needs, that may follow record_in(...); `first` for an absent credential. */
static struct slk_event event_of(enum slk_kind kind, bool first)
{
    struct slk_event e;

    memset(&e, 0, sizeof(e));
    memset(e.credential, 1, SLK_HANDLE_SIZE);
    e.kind = kind;
    e.sequence = first ? 0 : 3;
    e.has_previous = !first;
    if (!first)
        e.previous = hash_of(0x22);
    e.channel = SLK_ONLINE;
    e.occurred_at_s = NOW_S;
    if (kind == SLK_ISSUE || kind == SLK_REBIND) {
        e.has_device = true;
        e.device = hash_of(0x44);
        e.carrier = SLK_CHIP_CARD;
    }
    if (kind == SLK_ISSUE) {
        e.type = 8;
        e.status_index = 99;
    }
    if (kind == SLK_ISSUE || kind == SLK_RENEW)
        e.valid_until_s = NOW_S + 2000;
    if (kind == SLK_LOCK || kind == SLK_REVOKE)
        e.reason = 5;
    return e;
}

static enum slk_rule check(const struct slk_record *record, const struct slk_event *event, uint64_t now_ms)
{
    enum slk_rule rule;

    if ((rule = slk_rule_fields(event)) != SLK_RULE_OK ||
        (rule = slk_rule_time(event, now_ms)) != SLK_RULE_OK ||
        (rule = slk_rule_head(record, event)) != SLK_RULE_OK ||
        (rule = slk_rule_state(record, event)) != SLK_RULE_OK)
        return rule;
    return slk_rule_transition(record, event, now_ms);
}

/* ---- the 144 bytes ---- */

static void a_record_has_this_layout(void **state)
{
    uint8_t b[SLK_RECORD_SIZE];
    struct slk_record r = record_in(SLK_LOCKED);
    static const uint8_t zero[8];

    (void)state;
    slk_record_format(b, &r);
    assert_memory_equal(b, r.history.b, 32);
    assert_memory_equal(b + 32, r.last_event_id.b, 32);
    assert_true(slk_get_u64(b + 64) == 3);
    assert_int_equal(b[72], 2);
    assert_int_equal(b[73], 2);
    assert_true(slk_get_u32(b + 74) == 7);
    assert_int_equal(b[78] << 8 | b[79], 0xabcd);
    assert_true(slk_get_u64(b + 80) == r.valid_until_s);
    assert_true(slk_get_u64(b + 88) == r.recorded_at_ms);
    assert_true(slk_get_u32(b + 96) == 0x01020304);
    assert_true(slk_get_u32(b + 100) == 9);
    assert_memory_equal(b + 104, r.device.b, 32);
    assert_memory_equal(b + 136, zero, 8);
}

static void every_flip_of_a_record_is_refused_or_prints_back(void **state)
{
    uint8_t b[SLK_RECORD_SIZE], again[SLK_RECORD_SIZE];
    struct slk_record r = record_in(SLK_ACTIVE), back;

    (void)state;
    slk_record_format(b, &r);
    for (size_t i = 0; i < 8 * sizeof(b); i++) {
        b[i / 8] ^= (uint8_t)(1u << i % 8);
        if (slk_record_parse(&back, b) == SLK_OK) {
            slk_record_format(again, &back);
            assert_memory_equal(again, b, sizeof(b));
            assert_true(i / 8 < 136);
        } else {
            assert_true(back.count == 0 && back.state == SLK_NEVER_ISSUED);
        }
        b[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    assert_int_equal(slk_record_parse(&back, b), SLK_OK);
    for (unsigned v = 0; v < 256; v++) {
        b[72] = (uint8_t)v;
        assert_int_equal(slk_record_parse(&back, b), v >= 1 && v <= 3 ? SLK_OK : SLK_E_RECORD);
        b[72] = SLK_ACTIVE;
        b[73] = (uint8_t)v;
        assert_int_equal(slk_record_parse(&back, b), v >= 1 && v <= 2 ? SLK_OK : SLK_E_RECORD);
        b[73] = SLK_PHONE;
    }
    memset(b + 64, 0, 8);
    assert_int_equal(slk_record_parse(&back, b), SLK_E_RECORD); /* count 0 */
}

static void rules_have_names_and_sentences(void **state)
{
    (void)state;
    assert_string_equal(slk_rule_name(SLK_RULE_STATUS_INDEX_USED), "STATUS_INDEX_USED");
    assert_string_equal(slk_rule_text(SLK_RULE_OK), "accepted");
    assert_string_equal(slk_rule_name(SLK_RULE_N), "?");
    for (int i = 0; i < SLK_RULE_N; i++)
        assert_true(
            strlen(slk_rule_text((enum slk_rule)i)) > 5 && strlen(slk_rule_name((enum slk_rule)i)) > 1);
}

/* ---- fields ---- */

struct field_row {
    const char *name;
    const char *needed_by; /* letters of kinds: I B L U N R (issue, rebind, lock, unlock, renew, revoke) */
    const char *allowed_in;
};

static const struct field_row field_rows[] = {
    {"device", "IB", "IB"},
    {"carrier", "IB", "IB"},
    {"channel", "IBLUNR", "IBLUNR"},
    {"type", "I", "I"},
    {"valid_until", "IN", "IN"},
    {"reason", "LR", "LR"},
    {"commitment", "", "IBLUNR"},
    {"occurred_at", "IBLUNR", "IBLUNR"},
    {"status_index", "", "I"},
};
#define FIELD_ROWS_N (sizeof(field_rows) / sizeof(field_rows[0]))
static const char kind_letters[] = "?IBLUNR";
_Static_assert(sizeof(kind_letters) - 1 == SLK_KIND_N, "a kind without a letter");

static void put_field(struct slk_event *e, size_t row, bool present)
{
    switch (row) {
    case 0:
        e->has_device = present;
        e->device = present ? hash_of(0x55) : slk_hash_zero;
        break;
    case 1:
        e->carrier = present ? SLK_PHONE : 0;
        break;
    case 2:
        e->channel = present ? SLK_OFFICE_QR : 0;
        break;
    case 3:
        e->type = present;
        break;
    case 4:
        e->valid_until_s = present;
        break;
    case 5:
        e->reason = present;
        break;
    case 6:
        e->has_commitment = present;
        break;
    case 7:
        e->occurred_at_s = present;
        break;
    case 8:
        e->status_index = present;
        break;
    }
}

static bool holds(const char *letters, int kind)
{
    return strchr(letters, kind_letters[kind]) != NULL;
}

static void each_kind_has_its_fields_and_no_others(void **state)
{
    (void)state;
    for (int kind = SLK_ISSUE; kind < SLK_KIND_N; kind++) {
        for (unsigned mask = 0; mask < 1u << FIELD_ROWS_N; mask++) {
            struct slk_event e = event_of((enum slk_kind)kind, true);
            bool missing = false, extra = false;
            for (size_t row = 0; row < FIELD_ROWS_N; row++) {
                bool present = (mask >> row & 1) != 0;
                put_field(&e, row, present);
                missing |= !present && holds(field_rows[row].needed_by, kind);
                extra |= present && !holds(field_rows[row].allowed_in, kind);
            }
            assert_int_equal(slk_rule_fields(&e), missing ? SLK_RULE_FIELD_MISSING
                                                  : extra ? SLK_RULE_FIELD_NOT_ALLOWED
                                                          : SLK_RULE_OK);
        }
    }
}

static void previous_goes_with_a_sequence_above_zero(void **state)
{
    struct slk_event e = event_of(SLK_UNLOCK, false);

    (void)state;
    assert_int_equal(slk_rule_fields(&e), SLK_RULE_OK);
    e.has_previous = false;
    assert_int_equal(slk_rule_fields(&e), SLK_RULE_FIELD_MISSING);
    e.sequence = 0;
    assert_int_equal(slk_rule_fields(&e), SLK_RULE_OK);
    e.has_previous = true;
    assert_int_equal(slk_rule_fields(&e), SLK_RULE_FIELD_NOT_ALLOWED);
    e.kind = 0;
    assert_int_equal(slk_rule_fields(&e), SLK_RULE_FIELD_MISSING);
    e.kind = SLK_KIND_N;
    assert_int_equal(slk_rule_fields(&e), SLK_RULE_FIELD_MISSING);
}

/* ---- time and head ---- */

static void occurred_at_may_be_300_s_ahead(void **state)
{
    struct slk_event e = event_of(SLK_UNLOCK, false);

    (void)state;
    e.occurred_at_s = NOW_S + 300;
    assert_int_equal(slk_rule_time(&e, NOW_MS), SLK_RULE_OK);
    assert_int_equal(slk_rule_time(&e, NOW_S * 1000), SLK_RULE_OK);
    assert_int_equal(slk_rule_time(&e, NOW_S * 1000 - 1), SLK_RULE_OCCURRED_IN_FUTURE);
    e.occurred_at_s++;
    assert_int_equal(slk_rule_time(&e, NOW_MS), SLK_RULE_OCCURRED_IN_FUTURE);
    assert_int_equal(slk_rule_time(&e, NOW_MS + 1), SLK_RULE_OK);
    e.occurred_at_s = UINT64_MAX;
    assert_int_equal(slk_rule_time(&e, UINT64_MAX), SLK_RULE_OCCURRED_IN_FUTURE);
    e.occurred_at_s = UINT64_MAX / 1000 + 300;
    assert_int_equal(slk_rule_time(&e, UINT64_MAX), SLK_RULE_OK);
}

static void an_event_must_follow_the_head(void **state)
{
    struct slk_record r = record_in(SLK_ACTIVE);
    struct slk_event e = event_of(SLK_LOCK, false);

    (void)state;
    assert_int_equal(slk_rule_head(&r, &e), SLK_RULE_OK);
    e.sequence = 2;
    assert_int_equal(slk_rule_head(&r, &e), SLK_RULE_SEQUENCE);
    e.sequence = 4;
    assert_int_equal(slk_rule_head(&r, &e), SLK_RULE_SEQUENCE);
    e.sequence = 3;
    for (unsigned i = 0; i < 256; i++) {
        e.previous.b[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_int_equal(slk_rule_head(&r, &e), SLK_RULE_PREVIOUS);
        e.previous.b[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    e.has_previous = false;
    assert_int_equal(slk_rule_head(&r, &e), SLK_RULE_PREVIOUS);
    assert_int_equal(slk_rule_head(NULL, &e), SLK_RULE_SEQUENCE);
    e.sequence = 0;
    assert_int_equal(slk_rule_head(NULL, &e), SLK_RULE_OK);
    e.has_previous = true;
    assert_int_equal(slk_rule_head(NULL, &e), SLK_RULE_PREVIOUS);
}

/* ---- state machine ---- */

/* design §4: the state after, 0 refused. Rows: absent, ACTIVE, LOCKED, REVOKED; columns by kind. */
static const int table[4][SLK_KIND_N] = {
    /*            -  ISSUE       REBIND      LOCK        UNLOCK      RENEW       REVOKE */
    [0] = {0, SLK_ACTIVE, 0, 0, 0, 0, 0},
    [SLK_ACTIVE] = {0, 0, SLK_ACTIVE, SLK_LOCKED, 0, SLK_ACTIVE, SLK_REVOKED},
    [SLK_LOCKED] = {0, 0, SLK_ACTIVE, 0, SLK_ACTIVE, SLK_LOCKED, SLK_REVOKED},
    [SLK_REVOKED] = {0, SLK_ACTIVE, 0, 0, 0, 0, 0},
};

static void every_state_and_kind_follows_the_table(void **state)
{
    const struct slk_step step = {
        .recorded_at_ms = NOW_MS, .agency = 77, .event_id = hash_of(0x66), .leaf_hash = hash_of(0x77)};

    (void)state;
    for (int from = 0; from <= SLK_REVOKED; from++) {
        for (int kind = SLK_ISSUE; kind < SLK_KIND_N; kind++) {
            struct slk_record r = record_in((enum slk_state)from), next;
            const struct slk_record *record = from == 0 ? NULL : &r;
            struct slk_event e = event_of((enum slk_kind)kind, from == 0);
            int to = table[from][kind];
            enum slk_rule refusal = from == 0 ? SLK_RULE_NOT_ISSUED : SLK_RULE_STATE;
            assert_int_equal(check(record, &e, NOW_MS), to == 0 ? refusal : SLK_RULE_OK);
            if (to == 0)
                continue;
            slk_record_next(&next, record, &e, &step);
            assert_int_equal(next.state, to);
            assert_true(next.count == (from == 0 ? 1 : 4));
            assert_true(next.recorded_at_ms == NOW_MS);
            assert_true(slk_hash_equal(&next.last_event_id, &step.event_id));
        }
    }
}

static void expiry_stops_rebind_and_unlock_only(void **state)
{
    (void)state;
    for (int kind = SLK_REBIND; kind < SLK_KIND_N; kind++) {
        struct slk_record r = record_in(kind == SLK_LOCK ? SLK_ACTIVE : SLK_LOCKED);
        struct slk_event e = event_of((enum slk_kind)kind, false);
        bool stopped = kind == SLK_REBIND || kind == SLK_UNLOCK;
        r.valid_until_s = NOW_S; /* the first second in which it has expired */
        assert_int_equal(check(&r, &e, NOW_MS), stopped ? SLK_RULE_EXPIRED : SLK_RULE_OK);
        r.valid_until_s = NOW_S + 1;
        assert_int_equal(check(&r, &e, NOW_MS), SLK_RULE_OK);
    }
}

static void validity_must_be_ahead_and_grow(void **state)
{
    struct slk_record r = record_in(SLK_ACTIVE);
    struct slk_event e = event_of(SLK_ISSUE, true);

    (void)state;
    e.valid_until_s = NOW_S;
    assert_int_equal(check(NULL, &e, NOW_MS), SLK_RULE_VALIDITY_PAST);
    e.valid_until_s = NOW_S + 1;
    assert_int_equal(check(NULL, &e, NOW_MS), SLK_RULE_OK);
    e.valid_until_s = UINT64_MAX;
    assert_int_equal(check(NULL, &e, NOW_MS), SLK_RULE_OK); /* VALIDITY_LONG is the charter's */
    e = event_of(SLK_RENEW, false);
    e.valid_until_s = r.valid_until_s;
    assert_int_equal(check(&r, &e, NOW_MS), SLK_RULE_VALIDITY_NOT_LONGER);
    e.valid_until_s++;
    assert_int_equal(check(&r, &e, NOW_MS), SLK_RULE_OK);
    r.valid_until_s = NOW_S - 100;
    e.valid_until_s = NOW_S;
    assert_int_equal(check(&r, &e, NOW_MS), SLK_RULE_VALIDITY_PAST);
    e.valid_until_s = NOW_S + 1;
    assert_int_equal(check(&r, &e, NOW_MS), SLK_RULE_OK); /* an expired credential may be renewed */
}

static void a_new_device_must_be_new(void **state)
{
    struct slk_record active = record_in(SLK_ACTIVE), revoked = record_in(SLK_REVOKED);
    struct slk_event rebind = event_of(SLK_REBIND, false), issue = event_of(SLK_ISSUE, false);

    (void)state;
    rebind.device = active.device;
    issue.device = revoked.device;
    assert_int_equal(check(&active, &rebind, NOW_MS), SLK_RULE_SAME_DEVICE);
    assert_int_equal(check(&revoked, &issue, NOW_MS), SLK_RULE_SAME_DEVICE);
    rebind.device.b[31] ^= 1;
    issue.device.b[0] ^= 0x80;
    assert_int_equal(check(&active, &rebind, NOW_MS), SLK_RULE_OK);
    assert_int_equal(check(&revoked, &issue, NOW_MS), SLK_RULE_OK);
}

/* An event that breaks several rules is told the first. */
static void the_first_broken_rule_wins(void **state)
{
    struct slk_record r = record_in(SLK_ACTIVE);
    struct slk_event e = event_of(SLK_RENEW, false);

    (void)state;
    r.valid_until_s = NOW_S + 5;
    e.valid_until_s = NOW_S; /* past, and not longer */
    assert_int_equal(check(&r, &e, NOW_MS), SLK_RULE_VALIDITY_PAST);
    r.state = SLK_REVOKED;
    assert_int_equal(check(&r, &e, NOW_MS), SLK_RULE_STATE);
    e.previous.b[0] ^= 1;
    assert_int_equal(check(&r, &e, NOW_MS), SLK_RULE_PREVIOUS);
    e.sequence = 7;
    assert_int_equal(check(&r, &e, NOW_MS), SLK_RULE_SEQUENCE);
    e.occurred_at_s = NOW_S + 301;
    assert_int_equal(check(&r, &e, NOW_MS), SLK_RULE_OCCURRED_IN_FUTURE);
    e.reason = 1;
    assert_int_equal(check(&r, &e, NOW_MS), SLK_RULE_FIELD_NOT_ALLOWED);
    e.channel = 0;
    assert_int_equal(check(&r, &e, NOW_MS), SLK_RULE_FIELD_MISSING);
}

/* ---- one step ---- */

static void each_kind_changes_its_fields_and_no_others(void **state)
{
    const struct slk_step step = {
        .recorded_at_ms = NOW_MS, .agency = 77, .event_id = hash_of(0x66), .leaf_hash = hash_of(0x77)};

    (void)state;
    for (int kind = SLK_ISSUE; kind < SLK_KIND_N; kind++) {
        struct slk_record before = record_in(kind == SLK_ISSUE  ? SLK_REVOKED
                                             : kind == SLK_LOCK ? SLK_ACTIVE
                                                                : SLK_LOCKED);
        struct slk_event e = event_of((enum slk_kind)kind, false);
        struct slk_record expected = before, next = before;
        uint8_t a[SLK_RECORD_SIZE], b[SLK_RECORD_SIZE], chain[1 + 64];
        bool issue = kind == SLK_ISSUE, binds = issue || kind == SLK_REBIND;

        chain[0] = 0x02;
        memcpy(chain + 1, before.history.b, 32);
        memcpy(chain + 33, step.leaf_hash.b, 32);
        slk_hash_bytes(&expected.history, chain, sizeof(chain));
        expected.last_event_id = step.event_id;
        expected.count = 4;
        expected.recorded_at_ms = NOW_MS;
        expected.state = (enum slk_state)table[before.state][kind];
        if (kind != SLK_RENEW)
            expected.reason = kind == SLK_LOCK || kind == SLK_REVOKE ? 5 : 0;
        if (binds) {
            expected.device = hash_of(0x44);
            expected.carrier = SLK_CHIP_CARD;
        }
        if (issue || kind == SLK_RENEW)
            expected.valid_until_s = NOW_S + 2000;
        if (issue) {
            expected.type = 8;
            expected.owner_agency = 77;
            expected.status_index = 99;
        }
        slk_record_next(&next, &next, &e, &step); /* out may be record */
        slk_record_format(a, &next);
        slk_record_format(b, &expected);
        assert_memory_equal(a, b, sizeof(a));
    }
}

static void the_first_event_starts_the_history_from_zero(void **state)
{
    const struct slk_step step = {.recorded_at_ms = NOW_MS, .agency = 3, .leaf_hash = hash_of(0x77)};
    struct slk_event e = event_of(SLK_ISSUE, true);
    struct slk_record next;
    uint8_t chain[1 + 64] = {0x02};
    struct slk_hash expected;

    (void)state;
    memset(chain + 33, 0x77, 32);
    slk_hash_bytes(&expected, chain, sizeof(chain));
    slk_record_next(&next, NULL, &e, &step);
    assert_true(slk_hash_equal(&next.history, &expected));
    assert_true(next.count == 1 && next.owner_agency == 3 && next.state == SLK_ACTIVE);
    assert_true(next.type == 8 && next.status_index == 99 && next.reason == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_has_this_layout),
        cmocka_unit_test(every_flip_of_a_record_is_refused_or_prints_back),
        cmocka_unit_test(rules_have_names_and_sentences),
        cmocka_unit_test(each_kind_has_its_fields_and_no_others),
        cmocka_unit_test(previous_goes_with_a_sequence_above_zero),
        cmocka_unit_test(occurred_at_may_be_300_s_ahead),
        cmocka_unit_test(an_event_must_follow_the_head),
        cmocka_unit_test(every_state_and_kind_follows_the_table),
        cmocka_unit_test(expiry_stops_rebind_and_unlock_only),
        cmocka_unit_test(validity_must_be_ahead_and_grow),
        cmocka_unit_test(a_new_device_must_be_new),
        cmocka_unit_test(the_first_broken_rule_wins),
        cmocka_unit_test(each_kind_changes_its_fields_and_no_others),
        cmocka_unit_test(the_first_event_starts_the_history_from_zero),
    };
    return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
