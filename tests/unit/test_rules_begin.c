/* A rule that begins with a version of the rules: what was accepted before stays valid, what comes after is refused.
 *
 * Built with rules of its own (meson.build): REASON_UNKNOWN begins with version 1, which is the newest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/change_world.h"

#define UNKNOWN_REASON 99

_Static_assert(SLK_RULES_NEWEST == 1, "this test brings rules of its own");

/* A life of two events in one submission: it is issued and locked for a reason that no charter declares. */
static struct slk_span issue_and_lock(const struct change_world *w, unsigned credential)
{
    struct slk_event issue = sample_event(SLK_ISSUE, credential, 1),
                     lock = sample_event(SLK_LOCK, credential, 1);
    uint8_t bytes[2][SLK_EVENT_MAX];
    struct slk_span spans[2];
    struct sample_key key;

    sample_issuer_key(&key, OFFICE);
    spans[0] = slk_span_of(bytes[0], slk_event_format(bytes[0], SLK_EVENT_MAX, &issue));
    lock.sequence = 1;
    lock.has_previous = true;
    slk_event_id(&lock.previous, spans[0]);
    lock.reason = UNKNOWN_REASON;
    spans[1] = slk_span_of(bytes[1], slk_event_format(bytes[1], SLK_EVENT_MAX, &lock));
    return sample_submission(&key, &w->machine.chain_id, spans, 2);
}

static enum slk_change_rule offer_rules(struct change_world *w, uint32_t rules)
{
    struct slk_charter *next = change_world_successor(w);
    enum slk_change_rule rule;
    struct slk_span entry;

    next->rules = rules;
    entry = change_entry(w, next, w->machine.tip.height + 2);
    rule = change_world_try(w, entry);
    if (rule == SLK_CHANGE_OK)
        assert_int_equal(change_world_block(w, entry, NULL, 0), SLK_CHANGE_OK);
    change_drop(entry);
    free(next);
    return rule;
}

/* Every block again, on a machine that knows the genesis charter alone: an audit. */
static void replay(const struct change_world *w)
{
    struct change_world *again = change_world_new(1);
    struct slk_fault fault;

    for (size_t i = 1; i < w->blocks_n; i++) {
        assert_int_equal(slk_block_check(&again->block, &again->machine, &w->source, w->headers[i],
                             w->bundles[i], NULL, &fault),
            SLK_OK);
        assert_memory_equal(
            &again->block.tip.block_hash, &again->machine.tip.block_hash, sizeof(struct slk_hash));
    }
    assert_memory_equal(&again->machine.tip, &w->machine.tip, sizeof(w->machine.tip));
    change_world_free(again);
}

static void a_rule_begins_with_a_charter_and_leaves_the_past_alone(void **state)
{
    struct change_world *w = change_world_new(1);
    struct slk_span early = issue_and_lock(w, 1), late = issue_and_lock(w, 2);

    (void)state;
    assert_int_equal(change_world_block(w, change_none, &early, 1), SLK_CHANGE_OK);
    assert_int_equal(w->machine.tip.events_n, 2); /* the rule has not begun */
    assert_int_equal(offer_rules(w, 1), SLK_CHANGE_OK);
    assert_int_equal(w->machine.charter->rules, 1);
    assert_int_equal(change_world_block(w, change_none, &late, 1), SLK_CHANGE_OK);
    assert_int_equal(w->machine.tip.events_n, 2); /* now it has: a heartbeat without the submission */
    replay(w);
    change_drop(late);
    change_drop(early);
    change_world_free(w);
}

static void rules_that_began_stay_and_unknown_ones_ask_for_an_upgrade(void **state)
{
    struct change_world *w = change_world_new(1);
    struct slk_charter *next = change_world_successor(w);
    struct slk_fault fault;

    (void)state;
    next->rules = 2;
    assert_int_equal(slk_charter_validate(next, &fault), SLK_E_CHARTER);
    assert_non_null(strstr(fault.text, "rules is 2") == NULL ? NULL : strstr(fault.text, "upgrade"));
    assert_int_equal(offer_rules(w, 2), SLK_CHANGE_CHARTER);
    assert_int_equal(offer_rules(w, 1), SLK_CHANGE_OK);
    assert_int_equal(offer_rules(w, 0), SLK_CHANGE_RULES);
    assert_int_equal(offer_rules(w, 1), SLK_CHANGE_OK);
    free(next);
    change_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_begins_with_a_charter_and_leaves_the_past_alone),
        cmocka_unit_test(rules_that_began_stay_and_unknown_ones_ask_for_an_upgrade),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
