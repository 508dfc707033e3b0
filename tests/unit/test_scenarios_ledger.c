/* Scenarios 41 and 43 of protocol.md 5: what pool and rules answer by themselves, without a network. The others are in
 * tests/sim/scenario*.c, test_scenarios_core.c and test_scenarios_store.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/core/pool.h"
#include "tests/unit/change_world.h"

/* ---- 41 ---- */

enum { EVENTS = 40 };

/* A submission as slk_submission_admit leaves it; no signature is looked at here. */
struct offer {
    struct slk_submission s;
    struct slk_issuer issuer;
    struct slk_event events[EVENTS];
    struct slk_hash ids[EVENTS];
    struct slk_span spans[EVENTS];
    uint8_t event_bytes[EVENTS][SLK_EVENT_MAX];
    uint8_t bytes[EVENTS * (SLK_EVENT_MAX + 3) + 128];
};

static enum slk_pool_answer offer(
    struct slk_pool *pool, uint16_t agency, enum slk_kind kind, size_t events_n, size_t *size)
{
    static const struct slk_hash chain = {{9}};
    static struct offer o;
    static unsigned number;
    uint8_t statement[SLK_SUBMIT_STATEMENT_SIZE];
    uint64_t ticket;

    memset(&o, 0, sizeof(o));
    o.issuer.agency = agency;
    o.s.issuer = &o.issuer;
    o.s.events = o.events;
    o.s.event_ids = o.ids;
    o.s.event_bytes = o.spans;
    o.s.rule = SLK_RULE_OK;
    o.s.rule_event = SIZE_MAX;
    o.s.events_n = events_n;
    memset(o.s.key_id, (int)agency, SLK_KEY_ID_SIZE);
    for (size_t i = 0; i < events_n; i++) {
        o.events[i] = sample_event(kind, ++number, 1);
        o.spans[i] =
            slk_span_of(o.event_bytes[i], slk_event_format(o.event_bytes[i], SLK_EVENT_MAX, &o.events[i]));
        slk_event_id(&o.ids[i], o.spans[i]);
    }
    slk_submission_statement(statement, &chain, o.ids, events_n);
    slk_hash_bytes(&o.s.id, statement, sizeof(statement));
    *size = slk_submission_format(o.bytes, sizeof(o.bytes), &o.s);
    assert_true(*size > 0);
    return slk_pool_offer(pool, &o.s, slk_span_of(o.bytes, *size), &ticket);
}

static void scenario_41_who_floods_its_quota_takes_nothing_from_others(void **state)
{
    enum { AGENCIES = 50, FLOOD = 10000 };
    const struct slk_pool_options options = {.chain_id = {{9}}, .agency = 1, .height = 1};
    size_t size, normal = 0, locks = 0, turned_away = 0;
    struct slk_pool *pool;

    (void)state;
    assert_int_equal(slk_pool_new(&pool, &options), SLK_OK);
    for (unsigned i = 0; i < FLOOD; i++) { /* agency 7 sends more than a megabyte and goes on */
        if (offer(pool, 7, SLK_UNLOCK, 20, &size) == SLK_POOL_ADMIT)
            normal += size;
        else
            turned_away++;
    }
    assert_true(normal <= SLK_POOL_NORMAL_QUOTA && normal > SLK_POOL_NORMAL_QUOTA * 9 / 10);
    assert_true(turned_away > FLOOD / 2);
    assert_int_equal(
        offer(pool, 7, SLK_LOCK, 1, &size), SLK_POOL_ADMIT); /* its own locks have room of their own */
    for (uint16_t agency = 1; agency <= AGENCIES; agency++) {
        for (normal = locks = 0; agency != 7 && normal < SLK_POOL_NORMAL_QUOTA * 9 / 10; normal += size)
            assert_int_equal(offer(pool, agency, SLK_UNLOCK, EVENTS, &size), SLK_POOL_ADMIT);
        for (; agency != 7 && locks < SLK_POOL_LOCK_QUOTA * 9 / 10; locks += size)
            assert_int_equal(offer(pool, agency, SLK_LOCK, EVENTS, &size), SLK_POOL_ADMIT);
    }
    assert_int_equal(offer(pool, 7, SLK_UNLOCK, EVENTS, &size), SLK_POOL_FULL);
    slk_pool_free(pool);
}

/* ---- 43 ---- */

static const struct slk_span no_change;

/* The next block of three members' chains: two refuse the change by the same rule when they build, a third when it is in
 * a block that a liar made; the block without it is the same for all. */
static void all_refuse(
    struct change_world *const worlds[3], struct slk_change *change, enum slk_change_rule rule)
{
    struct slk_span entry = change_print(change);
    struct slk_fault fault = {0};

    assert_true(entry.size > 0);
    assert_int_equal(change_world_try(worlds[0], entry), rule);
    assert_int_equal(change_world_try(worlds[1], entry), rule);
    assert_int_equal(change_world_offer(worlds[2], entry, &fault), SLK_E_REFUSED);
    if (strstr(fault.text, slk_change_rule_name(rule)) == NULL)
        fail_msg("%s is not named in: %s", slk_change_rule_name(rule), fault.text);
    free((void *)(uintptr_t)entry.at);
    for (int i = 0; i < 3; i++)
        assert_int_equal(change_world_block(worlds[i], no_change, NULL, 0), SLK_CHANGE_OK);
    for (int i = 1; i < 3; i++)
        assert_memory_equal(
            worlds[i]->machine.tip.block_hash.b, worlds[0]->machine.tip.block_hash.b, SLK_HASH_SIZE);
}

/* A new member joins, in ten blocks. */
static struct slk_charter *joining(
    struct slk_change *change, uint8_t *bytes, const struct change_world *w, uint16_t agency)
{
    struct slk_charter *next = change_world_successor(w);

    change_add_member(next, agency, SLK_VOTING);
    change_fill(change, bytes, w, next, w->machine.tip.height + 11);
    return next;
}

static void scenario_43_bad_charter_changes_are_refused_alike(void **state)
{
    struct change_world *worlds[3] = {change_world_new(3), change_world_new(3), change_world_new(3)};
    struct slk_change *change = malloc(sizeof(*change));
    uint8_t *bytes = malloc(SLK_CHARTER_BYTES_MAX);
    struct slk_charter *next;
    struct slk_span good;

    (void)state;
    assert_non_null(change);
    assert_non_null(bytes);
    next = joining(change, bytes, worlds[0], 9); /* one approval too few: q of three is three */
    assert_int_equal(change->approvals_n, 3);
    change->approvals_n--;
    all_refuse(worlds, change, SLK_CHANGE_APPROVALS);
    free(next);

    next = joining(change, bytes, worlds[0], 9); /* READY for a block that is too old by then */
    for (unsigned i = 0; i < SLK_CHANGE_READY_MAX + 1; i++)
        for (int k = 0; k < 3; k++)
            assert_int_equal(change_world_block(worlds[k], no_change, NULL, 0), SLK_CHANGE_OK);
    change->activation = worlds[0]->machine.tip.height + 11;
    change_approve(change, worlds[0]);
    all_refuse(worlds, change, SLK_CHANGE_READY_HEIGHT);
    free(next);

    next = change_world_successor(worlds[0]); /* a key of another member */
    change_add_member(next, 9, SLK_VOTING);
    memcpy(next->members[3].log_key, next->members[1].vote_key, SLK_KEY_SIZE);
    change_fill(change, bytes, worlds[0], next, worlds[0]->machine.tip.height + 11);
    all_refuse(worlds, change, SLK_CHANGE_CHARTER);
    free(next);

    next = change_world_successor(
        worlds[0]); /* a key that was another one before, in a charter that is sound by itself */
    for (size_t i = 0; i < SLK_KEY_SIZE; i++) {
        uint8_t byte = next->members[0].vote_key[i];

        next->members[0].vote_key[i] = next->members[0].node_key[i];
        next->members[0].node_key[i] = byte;
    }
    change_fill(change, bytes, worlds[0], next, worlds[0]->machine.tip.height + 11);
    all_refuse(worlds, change, SLK_CHANGE_KEY_REUSED);
    free(next);

    next = joining(change, bytes, worlds[0], 9); /* a good one; and another while it waits */
    good = change_print(change);
    for (int i = 0; i < 3; i++)
        assert_int_equal(change_world_block(worlds[i], good, NULL, 0), SLK_CHANGE_OK);
    free(next);
    next = joining(change, bytes, worlds[0], 10);
    all_refuse(worlds, change, SLK_CHANGE_PENDING);
    free(next);

    free((void *)(uintptr_t)good.at);
    free(bytes);
    free(change);
    for (int i = 0; i < 3; i++)
        change_world_free(worlds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scenario_41_who_floods_its_quota_takes_nothing_from_others),
        cmocka_unit_test(scenario_43_bad_charter_changes_are_refused_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
