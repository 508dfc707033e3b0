/* test_rules.c: the table of design §4, row by row; every refusal; their order; a second implementation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger/core/rules.h"
#include "tests/unit/naive.h"
#include "tests/unit/sample.h"

#define NOW_S (SAMPLE_START_S + 1000)

static struct slk_charter *charter;
static struct slk_index_set *indexes;
static const struct slk_issuer *issuers[SAMPLE_ISSUERS_N];

static int make_charter(void **state)
{
    (void)state;
    charter = sample_charter();
    for (int i = 0; i < SAMPLE_ISSUERS_N; i++)
        issuers[i] = sample_issuer(charter, (enum sample_issuer)i);
    return slk_index_set_new(&indexes, charter) != SLK_OK;
}

static int free_charter(void **state)
{
    (void)state;
    slk_index_set_free(indexes);
    free(charter);
    return 0;
}

static enum slk_rule judge_at(enum sample_issuer issuer, const struct slk_record *record,
    const struct slk_event *event, uint64_t time_ms)
{
    struct slk_rules_context context = {charter, issuers[issuer], indexes, time_ms};

    return slk_rules_check(&context, record, event);
}

static enum slk_rule judge(
    enum sample_issuer issuer, const struct slk_record *record, const struct slk_event *event)
{
    return judge_at(issuer, record, event, NOW_S * 1000);
}

/* A card of agency 1, valid for a year, with its first device. */
static struct slk_record record_in(enum slk_state state)
{
    struct slk_record record = {
        .count = 3, .state = state, .carrier = SLK_PHONE, .type = SAMPLE_CARD, .owner_agency = 1};
    struct slk_event first = sample_event(SLK_ISSUE, 1, 1);

    record.valid_until_s = SAMPLE_START_S + SAMPLE_YEAR_S;
    record.recorded_at_ms = SAMPLE_START_S * 1000;
    record.device = first.device;
    record.last_event_id.b[0] = 0x77;
    record.reason = state == SLK_ACTIVE ? 0 : SAMPLE_LOST;
    return record;
}

/* An event that may follow `record`, if the state and the issuer's rights allow its kind. */
static struct slk_event event_after(const struct slk_record *record, enum slk_kind kind)
{
    struct slk_event event = sample_event(kind, 1, 2);

    if (record != NULL) {
        event.sequence = record->count;
        event.has_previous = true;
        event.previous = record->last_event_id;
    }
    if (kind == SLK_RENEW)
        event.valid_until_s += 86400;
    return event;
}

static void assert_rule(enum slk_rule is, enum slk_rule should)
{
    if (is != should)
        fail_msg("%s, not %s", slk_rule_name(is), slk_rule_name(should));
}

/* ---- the table ---- */

/* design §4, columns kind, from, to: what OFFICE may do to its own card in each state. */
static void each_kind_starts_from_its_states(void **state)
{
    static const struct {
        enum slk_kind kind;
        bool absent, active, locked, revoked;
    } table[] = {
        {SLK_ISSUE, true, false, false, true},
        {SLK_REBIND, false, true, true, false},
        {SLK_LOCK, false, true, false, false},
        {SLK_UNLOCK, false, false, true, false},
        {SLK_RENEW, false, true, true, false},
        {SLK_REVOKE, false, true, true, false},
    };
    _Static_assert(sizeof(table) / sizeof(table[0]) == SLK_KIND_N - SLK_ISSUE, "a kind without a row");

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct slk_event event = event_after(NULL, table[i].kind);
        const bool allowed[] = {false, table[i].active, table[i].locked, table[i].revoked};

        assert_rule(judge(OFFICE, NULL, &event), table[i].absent ? SLK_RULE_OK : SLK_RULE_NOT_ISSUED);
        for (int s = SLK_ACTIVE; s <= SLK_REVOKED; s++) {
            struct slk_record record = record_in((enum slk_state)s);

            event = event_after(&record, table[i].kind);
            assert_rule(judge(OFFICE, &record, &event), allowed[s] ? SLK_RULE_OK : SLK_RULE_STATE);
        }
    }
}

/* design §4, column who. MINT is of another agency; POLICE may lock and revoke anywhere, CARRIER lock phones. */
static void only_owners_and_those_with_a_right_on_any_may_act(void **state)
{
    static const struct {
        enum slk_kind kind;
        enum slk_state from;
        enum slk_rule mint, police, carrier;
    } table[] = {
        {SLK_REBIND, SLK_ACTIVE, SLK_RULE_NOT_OWNER, SLK_RULE_RIGHT_KIND, SLK_RULE_RIGHT_KIND},
        {SLK_LOCK, SLK_ACTIVE, SLK_RULE_NOT_OWNER, SLK_RULE_OK, SLK_RULE_RIGHT_TYPE},
        {SLK_UNLOCK, SLK_LOCKED, SLK_RULE_NOT_OWNER, SLK_RULE_RIGHT_KIND, SLK_RULE_RIGHT_KIND},
        {SLK_RENEW, SLK_ACTIVE, SLK_RULE_NOT_OWNER, SLK_RULE_RIGHT_KIND, SLK_RULE_RIGHT_KIND},
        {SLK_REVOKE, SLK_LOCKED, SLK_RULE_NOT_OWNER, SLK_RULE_OK, SLK_RULE_RIGHT_KIND},
        {SLK_ISSUE, SLK_REVOKED, SLK_RULE_OK, SLK_RULE_RIGHT_KIND, SLK_RULE_RIGHT_KIND},
    };
    _Static_assert(sizeof(table) / sizeof(table[0]) == SLK_KIND_N - SLK_ISSUE, "a kind without a row");

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct slk_record record = record_in(table[i].from);
        struct slk_event event = event_after(&record, table[i].kind);

        assert_rule(judge(MINT, &record, &event), table[i].mint);
        assert_rule(judge(POLICE, &record, &event), table[i].police);
        assert_rule(judge(CARRIER, &record, &event), table[i].carrier);
        record.owner_agency = 2;
        assert_rule(judge(MINT, &record, &event), SLK_RULE_OK);
    }
    struct slk_record phone = record_in(SLK_ACTIVE);
    phone.type = SAMPLE_PHONE;
    struct slk_event lock = event_after(&phone, SLK_LOCK);
    assert_rule(judge(CARRIER, &phone, &lock), SLK_RULE_OK);
    assert_rule(judge(MINT, &phone, &lock), SLK_RULE_RIGHT_TYPE);
}

/* any_agency widens LOCK and REVOKE alone. */
static void a_right_on_any_agency_is_for_lock_and_revoke_alone(void **state)
{
    struct slk_issuer wide = *issuers[MINT];
    struct slk_rules_context context = {charter, &wide, indexes, NOW_S * 1000};

    (void)state;
    wide.any_agency = true;
    for (int kind = SLK_REBIND; kind < SLK_KIND_N; kind++) {
        struct slk_record record = record_in(kind == SLK_UNLOCK ? SLK_LOCKED : SLK_ACTIVE);
        struct slk_event event = event_after(&record, (enum slk_kind)kind);
        bool allowed = kind == SLK_LOCK || kind == SLK_REVOKE;

        assert_rule(slk_rules_check(&context, &record, &event), allowed ? SLK_RULE_OK : SLK_RULE_NOT_OWNER);
    }
}

static void validity_is_ahead_longer_and_within_the_type(void **state)
{
    struct slk_record record = record_in(SLK_ACTIVE);
    struct slk_event issue = event_after(NULL, SLK_ISSUE), renew = event_after(&record, SLK_RENEW);

    (void)state;
    issue.valid_until_s = NOW_S;
    assert_rule(judge(OFFICE, NULL, &issue), SLK_RULE_VALIDITY_PAST);
    issue.valid_until_s = NOW_S + 1;
    assert_rule(judge(OFFICE, NULL, &issue), SLK_RULE_OK);
    assert_rule(judge_at(OFFICE, NULL, &issue, (NOW_S + 1) * 1000 - 1), SLK_RULE_OK);
    assert_rule(judge_at(OFFICE, NULL, &issue, (NOW_S + 1) * 1000), SLK_RULE_VALIDITY_PAST);
    issue.valid_until_s = NOW_S + 3 * SAMPLE_YEAR_S;
    assert_rule(judge(OFFICE, NULL, &issue), SLK_RULE_OK);
    issue.valid_until_s++;
    assert_rule(judge(OFFICE, NULL, &issue), SLK_RULE_VALIDITY_LONG);
    issue.valid_until_s = UINT64_MAX;
    assert_rule(judge(OFFICE, NULL, &issue), SLK_RULE_VALIDITY_LONG);

    renew.valid_until_s = record.valid_until_s;
    assert_rule(judge(OFFICE, &record, &renew), SLK_RULE_VALIDITY_NOT_LONGER);
    renew.valid_until_s = NOW_S;
    assert_rule(judge(OFFICE, &record, &renew), SLK_RULE_VALIDITY_PAST);
    renew.valid_until_s = NOW_S + 3 * SAMPLE_YEAR_S;
    assert_rule(judge(OFFICE, &record, &renew), SLK_RULE_OK);
    renew.valid_until_s++;
    assert_rule(judge(OFFICE, &record, &renew), SLK_RULE_VALIDITY_LONG);
}

static void an_expired_credential_can_be_stopped_or_renewed_only(void **state)
{
    static const enum slk_rule expected[] = {[SLK_REBIND] = SLK_RULE_EXPIRED,
        [SLK_LOCK] = SLK_RULE_OK,
        [SLK_UNLOCK] = SLK_RULE_EXPIRED,
        [SLK_RENEW] = SLK_RULE_OK,
        [SLK_REVOKE] = SLK_RULE_OK};
    _Static_assert(sizeof(expected) / sizeof(expected[0]) == SLK_KIND_N, "a kind without a row");

    (void)state;
    for (int kind = SLK_REBIND; kind < SLK_KIND_N; kind++) {
        struct slk_record record = record_in(kind == SLK_UNLOCK ? SLK_LOCKED : SLK_ACTIVE);
        struct slk_event event = event_after(&record, (enum slk_kind)kind);
        uint64_t end_ms = record.valid_until_s * 1000;

        assert_rule(judge_at(OFFICE, &record, &event, end_ms - 1), SLK_RULE_OK);
        assert_rule(judge_at(OFFICE, &record, &event, end_ms), expected[kind]);
    }
}

static void a_status_index_is_used_once_per_type(void **state)
{
    struct slk_event event = event_after(NULL, SLK_ISSUE);

    (void)state;
    event.status_index = SAMPLE_PLACES;
    assert_rule(judge(OFFICE, NULL, &event), SLK_RULE_STATUS_INDEX_RANGE);
    event.status_index = UINT32_MAX;
    assert_rule(judge(OFFICE, NULL, &event), SLK_RULE_STATUS_INDEX_RANGE);
    for (uint32_t index = 0; index < SAMPLE_PLACES; index += SAMPLE_PLACES - 1) {
        event.status_index = index;
        event.type = SAMPLE_CARD;
        assert_rule(judge(OFFICE, NULL, &event), SLK_RULE_OK);
        slk_index_set_put(indexes, SAMPLE_CARD, index, true);
        assert_rule(judge(OFFICE, NULL, &event), SLK_RULE_STATUS_INDEX_USED);
        event.type = SAMPLE_PHONE; /* its own list */
        assert_rule(judge(OFFICE, NULL, &event), SLK_RULE_OK);
        slk_index_set_put(indexes, SAMPLE_CARD, index, false);
    }
}

static void issuers_have_their_time(void **state)
{
    struct slk_event event = event_after(NULL, SLK_ISSUE);
    uint64_t from = issuers[TRAINEE]->not_before_s, to = issuers[TRAINEE]->not_after_s;

    (void)state;
    event.occurred_at_s = from;
    event.valid_until_s = to + 1000;
    assert_rule(judge_at(TRAINEE, NULL, &event, from * 1000 - 1), SLK_RULE_ISSUER_TIME);
    assert_rule(judge_at(TRAINEE, NULL, &event, from * 1000), SLK_RULE_OK);
    assert_rule(judge_at(TRAINEE, NULL, &event, to * 1000 + 999), SLK_RULE_OK);
    assert_rule(judge_at(TRAINEE, NULL, &event, (to + 1) * 1000), SLK_RULE_ISSUER_TIME);
}

static void occurred_at_may_be_300_seconds_ahead(void **state)
{
    struct slk_event event = event_after(NULL, SLK_ISSUE);

    (void)state;
    event.occurred_at_s = NOW_S + 300;
    assert_rule(judge(OFFICE, NULL, &event), SLK_RULE_OK);
    event.occurred_at_s++;
    assert_rule(judge(OFFICE, NULL, &event), SLK_RULE_OCCURRED_IN_FUTURE);
    assert_rule(judge_at(OFFICE, NULL, &event, NOW_S * 1000 + 999), SLK_RULE_OCCURRED_IN_FUTURE);
    assert_rule(judge_at(OFFICE, NULL, &event, NOW_S * 1000 + 1000), SLK_RULE_OK);
    event.occurred_at_s = UINT64_MAX;
    assert_rule(judge(OFFICE, NULL, &event), SLK_RULE_OCCURRED_IN_FUTURE);
}

/* ---- order ---- */

/* A case that breaks one rule after another: each repair shows the next one, in the order of SLK_RULES. */
struct broken {
    struct slk_event event;
    struct slk_record record, *at;
    enum sample_issuer issuer;
    uint64_t time_ms;
    enum slk_rule last;
};

static void next_rule_is(struct broken *b, enum slk_rule rule)
{
    enum slk_rule is = judge_at(b->issuer, b->at, &b->event, b->time_ms);

    assert_rule(is, rule);
    if (is != SLK_RULE_OK)
        assert_true(is > b->last);
    b->last = is;
}

static void the_first_broken_rule_of_an_issue_wins(void **state)
{
    struct broken b = {
        .event = sample_event(SLK_ISSUE, 1, 1), .record = record_in(SLK_ACTIVE), .issuer = CARRIER};

    (void)state;
    b.at = &b.record;
    b.time_ms = (issuers[CARRIER]->not_after_s + 1) * 1000;
    b.event.channel = 0;
    b.event.reason = 99;
    b.event.type = 50;
    b.event.status_index = SAMPLE_PLACES;
    b.event.occurred_at_s = NOW_S + 301;
    b.event.valid_until_s = 1;
    slk_index_set_put(indexes, SAMPLE_CARD, 7, true);
    next_rule_is(&b, SLK_RULE_FIELD_MISSING);
    b.event.channel = SLK_AUTHORITY;
    next_rule_is(&b, SLK_RULE_FIELD_NOT_ALLOWED);
    b.event.reason = 0;
    next_rule_is(&b, SLK_RULE_ISSUER_TIME);
    b.time_ms = NOW_S * 1000;
    next_rule_is(&b, SLK_RULE_RIGHT_KIND);
    b.issuer = MINT;
    next_rule_is(&b, SLK_RULE_TYPE_UNKNOWN);
    b.event.type = SAMPLE_PHONE;
    next_rule_is(&b, SLK_RULE_RIGHT_TYPE);
    b.event.type = SAMPLE_CARD;
    next_rule_is(&b, SLK_RULE_OCCURRED_IN_FUTURE);
    b.event.occurred_at_s = NOW_S;
    next_rule_is(&b, SLK_RULE_SEQUENCE);
    b.event.sequence = b.record.count;
    b.event.has_previous = true;
    next_rule_is(&b, SLK_RULE_PREVIOUS);
    b.event.previous = b.record.last_event_id;
    next_rule_is(&b, SLK_RULE_STATE);
    b.record.state = SLK_REVOKED; /* of agency 1, and MINT is of agency 2: no matter */
    next_rule_is(&b, SLK_RULE_VALIDITY_PAST);
    b.event.valid_until_s = UINT64_MAX;
    next_rule_is(&b, SLK_RULE_SAME_DEVICE);
    b.event.device.b[0] ^= 1;
    next_rule_is(&b, SLK_RULE_VALIDITY_LONG);
    b.event.valid_until_s = NOW_S + 10;
    next_rule_is(&b, SLK_RULE_STATUS_INDEX_RANGE);
    b.event.status_index = 7;
    next_rule_is(&b, SLK_RULE_STATUS_INDEX_USED);
    b.event.status_index = 8;
    next_rule_is(&b, SLK_RULE_OK);
    slk_index_set_put(indexes, SAMPLE_CARD, 7, false);
}

static void the_first_broken_rule_of_other_kinds_wins(void **state)
{
    struct broken b = {
        .event = sample_event(SLK_LOCK, 1, 1), .record = record_in(SLK_REVOKED), .issuer = CARRIER};

    (void)state;
    b.at = &b.record;
    b.time_ms = NOW_S * 1000;
    b.event.reason = SAMPLE_REASON_N + 1;
    next_rule_is(&b, SLK_RULE_RIGHT_TYPE);
    b.issuer = MINT;
    next_rule_is(&b, SLK_RULE_REASON_UNKNOWN);
    b.event.reason = 1;
    b.at = NULL;
    next_rule_is(&b, SLK_RULE_NOT_ISSUED);
    b.at = &b.record;
    b.event = event_after(&b.record, SLK_LOCK);
    next_rule_is(&b, SLK_RULE_STATE);
    b.record.state = SLK_ACTIVE;
    next_rule_is(&b, SLK_RULE_NOT_OWNER);

    /* REBIND: NOT_OWNER, EXPIRED, SAME_DEVICE */
    b.event = event_after(&b.record, SLK_REBIND);
    b.event.device = b.record.device;
    b.record.valid_until_s = NOW_S;
    b.last = SLK_RULE_OK;
    next_rule_is(&b, SLK_RULE_NOT_OWNER);
    b.issuer = OFFICE;
    next_rule_is(&b, SLK_RULE_EXPIRED);
    b.record.valid_until_s = NOW_S + 1;
    next_rule_is(&b, SLK_RULE_SAME_DEVICE);
    b.event.device.b[5] ^= 1;
    next_rule_is(&b, SLK_RULE_OK);

    /* RENEW: VALIDITY_PAST, VALIDITY_NOT_LONGER, VALIDITY_LONG */
    b.event = event_after(&b.record, SLK_RENEW);
    b.record.valid_until_s = UINT64_MAX - 1;
    b.event.valid_until_s = NOW_S;
    b.last = SLK_RULE_OK;
    next_rule_is(&b, SLK_RULE_VALIDITY_PAST);
    b.event.valid_until_s = UINT64_MAX - 1;
    next_rule_is(&b, SLK_RULE_VALIDITY_NOT_LONGER);
    b.event.valid_until_s = UINT64_MAX;
    next_rule_is(&b, SLK_RULE_VALIDITY_LONG);
}

/* ---- the second implementation ---- */

/* Adds the tiniest differences around a boundary, or a number that is far off. */
static uint64_t near(uint64_t *random, uint64_t boundary)
{
    switch (sample_below(random, 8)) {
    case 0:
        return sample_random(random);
    case 1:
        return 0;
    case 2:
        return boundary + 1 + sample_below(random, 1000);
    default:
        return boundary + sample_below(random, 3) - 1;
    }
}

static struct naive_credential random_credential(uint64_t *random, uint64_t time_s)
{
    struct slk_event owner = sample_event(SLK_ISSUE, 1, (unsigned)sample_below(random, 3));
    struct naive_credential c = {
        .count = 1 + sample_below(random, 3), .state = 1 + (int)sample_below(random, 3)};

    memcpy(c.handle, owner.credential, 32);
    memcpy(c.device, owner.device.b, 32);
    c.carrier = SLK_PHONE;
    c.type = SAMPLE_CARD + (uint32_t)sample_below(random, 2);
    c.owner = (uint16_t)(1 + sample_below(random, 3));
    c.valid_until_s = time_s + sample_below(random, 3) - 1 + sample_below(random, 2) * SAMPLE_YEAR_S;
    c.last_id[0] = (uint8_t)sample_below(random, 2);
    c.history[9] = (uint8_t)sample_random(random);
    c.reason = c.state == 1 ? 0 : 1;
    return c;
}

static struct slk_event random_event(uint64_t *random, const struct naive_credential *c, uint64_t time_s)
{
    enum slk_kind kind = (enum slk_kind)(SLK_ISSUE + sample_below(random, SLK_KIND_N - SLK_ISSUE));
    struct slk_event e = sample_event(kind, 1, (unsigned)sample_below(random, 3));

    if (kind == SLK_ISSUE)
        e.type = (uint32_t[]){1, 1, 1, 2, 2, 3, 0}[sample_below(random, 7)];
    e.sequence = c != NULL ? c->count : 0;
    e.has_previous = e.sequence > 0;
    if (e.has_previous)
        memcpy(e.previous.b, c->last_id, 32);
    if (sample_below(random, 16) == 0)
        e.sequence = sample_below(random, 4);
    if (sample_below(random, 16) == 0)
        e.has_previous = !e.has_previous;
    if (sample_below(random, 16) == 0)
        e.previous.b[0] ^= 1;
    if (sample_below(random, 8) == 0)
        e.occurred_at_s = near(random, time_s + 300);
    if (e.valid_until_s != 0)
        e.valid_until_s = sample_below(random, 3) == 0 ? near(random, time_s)
                          : sample_below(random, 2) == 0 && c != NULL
                              ? near(random, c->valid_until_s)
                              : near(random, time_s + 3 * SAMPLE_YEAR_S);
    if (e.reason != 0)
        e.reason = (uint32_t)sample_below(random, SAMPLE_REASON_N + 2);
    if (kind == SLK_ISSUE)
        e.status_index = (uint32_t)sample_below(random, 4) * (SAMPLE_PLACES / 2);
    switch (sample_below(random, 40)) { /* a field too few or too many */
    case 0:
        e.channel = 0;
        break;
    case 1:
        e.has_device = !e.has_device;
        break;
    case 2:
        e.carrier = SLK_PHONE;
        break;
    case 3:
        e.type = SAMPLE_CARD;
        break;
    case 4:
        e.valid_until_s = time_s + 10;
        break;
    case 5:
        e.reason = SAMPLE_LOST;
        break;
    case 6:
        e.status_index = 1;
        break;
    case 7:
        e.has_commitment = true;
        break;
    default:
        break;
    }
    return e;
}

static struct slk_record as_record(const struct naive_credential *c)
{
    uint8_t bytes[144];
    struct slk_record record;

    naive_record(bytes, c);
    assert_int_equal(slk_record_parse(&record, bytes), SLK_OK);
    return record;
}

/* After an accepted event both must hold the same 144 bytes. */
static void assert_same_step(const struct naive_case *c, const struct slk_record *record)
{
    struct naive_credential after = {.count = 0};
    struct slk_step step = {.recorded_at_ms = c->time_ms, .agency = c->issuer->agency};
    struct slk_record next;
    uint8_t ours[144], theirs[144];

    if (c->credential != NULL)
        after = *c->credential;
    step.event_id.b[1] = 5;
    step.leaf_hash.b[2] = 6;
    slk_record_next(&next, record, c->event, &step);
    naive_apply(&after, c->event, c->issuer->agency, c->time_ms, step.event_id.b, step.leaf_hash.b);
    slk_record_format(ours, &next);
    naive_record(theirs, &after);
    assert_memory_equal(ours, theirs, sizeof(ours));
}

static void random_cases_get_the_naive_verdict(void **state)
{
    size_t seen[SLK_RULE_N] = {0};
    uint64_t random = UINT64_C(20260701);

    (void)state;
    for (int round = 0; round < 400000; round++) {
        uint64_t start = random, time_s = NOW_S + sample_below(&random, 2) * 101 * 86400;
        struct naive_credential credential = random_credential(&random, time_s);
        bool absent = sample_below(&random, 4) == 0;
        struct slk_event event = random_event(&random, absent ? NULL : &credential, time_s);
        struct slk_record record = as_record(&credential), *at = absent ? NULL : &record;
        enum sample_issuer issuer = (enum sample_issuer)sample_below(&random, SAMPLE_ISSUERS_N);
        struct naive_case c = {charter, issuers[issuer], absent ? NULL : &credential, &event,
            sample_below(&random, 3) == 0, time_s * 1000 + sample_below(&random, 1000)};
        bool in_list = event.type - 1 < 2 && event.status_index < SAMPLE_PLACES;
        enum slk_rule ours, naive;

        if (in_list)
            slk_index_set_put(indexes, event.type, event.status_index, c.index_used);
        ours = judge_at(issuer, at, &event, c.time_ms);
        naive = naive_judge(&c);
        if (ours != naive)
            fail_msg("seed=%llu round %d: %s, naive says %s", (unsigned long long)start, round,
                slk_rule_name(ours), slk_rule_name(naive));
        seen[ours]++;
        if (ours == SLK_RULE_OK)
            assert_same_step(&c, at);
        if (in_list)
            slk_index_set_put(indexes, event.type, event.status_index, false);
    }
    for (int rule = SLK_RULE_OK; rule < SLK_RULE_N; rule++) {
        bool of_submissions = rule == SLK_RULE_SUBMISSION_SIZE || rule == SLK_RULE_EVENT_MALFORMED ||
                              rule == SLK_RULE_ISSUER_UNKNOWN || rule == SLK_RULE_SIGNATURE ||
                              rule == SLK_RULE_NOT_JUDGED;

        if (!of_submissions && seen[rule] < 20)
            fail_msg("%s was reached only %zu times", slk_rule_name((enum slk_rule)rule), seen[rule]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_starts_from_its_states),
        cmocka_unit_test(only_owners_and_those_with_a_right_on_any_may_act),
        cmocka_unit_test(a_right_on_any_agency_is_for_lock_and_revoke_alone),
        cmocka_unit_test(validity_is_ahead_longer_and_within_the_type),
        cmocka_unit_test(an_expired_credential_can_be_stopped_or_renewed_only),
        cmocka_unit_test(a_status_index_is_used_once_per_type),
        cmocka_unit_test(issuers_have_their_time),
        cmocka_unit_test(occurred_at_may_be_300_seconds_ahead),
        cmocka_unit_test(the_first_broken_rule_of_an_issue_wins),
        cmocka_unit_test(the_first_broken_rule_of_other_kinds_wins),
        cmocka_unit_test(random_cases_get_the_naive_verdict),
    };

    return cmocka_run_group_tests(tests, make_charter, free_charter);
}
