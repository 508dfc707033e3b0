/* Which of a node's keys count: a charter turns, and the next block is voted for with another key, without a restart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/node_world.h"

enum { NEW_VOTE = 200, NEW_LOG, NEW_COSIGN }; /* numbers of fixture keys */

/* Agency 2 gets these keys; everybody who must signs. NULL: that one stays. */
static struct slk_span make_change(struct node_world *w, uint64_t activation, const struct slk_key *vote,
    const struct slk_key *log, const struct slk_key *cosign)
{
    const struct slk_key *const signers[] = {
        w->nodes[0].vote, w->nodes[2].vote, w->nodes[3].vote, vote, log, cosign};
    struct slk_charter *next = world_successor(w);

    if (vote != NULL)
        memcpy(next->members[1].vote_key, slk_key_public(vote), SLK_KEY_SIZE);
    if (log != NULL)
        memcpy(next->members[1].log_key, slk_key_public(log), SLK_KEY_SIZE);
    if (cosign != NULL)
        memcpy(next->members[1].cosign_key, slk_key_public(cosign), SLK_KEY_SIZE);
    return world_change(w, next, activation, signers, sizeof(signers) / sizeof(signers[0]));
}

static struct slk_node_options keys_of(const struct world_node *n)
{
    return (struct slk_node_options){.vote_key = n->vote, .log_key = n->log, .cosign_key = n->cosign};
}

static bool lists_are_signed(struct node_world *w, void *ctx)
{
    uint64_t size;

    (void)ctx;
    return slk_node_lists_note(w->nodes[0].node, &size).size > 0 &&
           slk_node_lists_note(w->nodes[1].node, &size).size > 0;
}

static void a_charter_turns_and_the_next_block_has_votes_by_the_new_keys(void **state)
{
    struct node_world *w = *state;
    struct world_node *me = &w->nodes[1];
    struct slk_node_options keys = keys_of(me);
    struct slk_key *vote = fixture_key(NEW_VOTE), *log = fixture_key(NEW_LOG),
                   *cosign = fixture_key(NEW_COSIGN);
    uint64_t height = world_go_on(w, 0, 1, 1), turns = slk_node_charter_turns(me->node);
    struct slk_span entry = make_change(w, height + 4, vote, log, cosign);
    struct slk_fault fault;

    keys.next_vote_key = vote;
    keys.next_log_key = log;
    keys.next_cosign_key = cosign;
    assert_int_equal(slk_node_set_keys(me->node, &keys, &fault), SLK_OK);
    assert_int_equal(slk_node_change(w->nodes[0].node, entry, &fault), SLK_CHANGE_OK);
    height = world_go_on(w, 0, 10, 1);
    assert_int_equal(slk_node_charter_turns(me->node), turns + 1); /* it waits */
    world_state_lists(w, 0, 9); /* two of four sign before the charter turns, one behind it */
    world_state_lists(w, 1, 9);
    height = world_go_on(w, 0, 20, 4);
    assert_true(world_run(w, world_is_cosigned, &height, 60000));
    assert_int_equal(slk_node_charter_turns(me->node), turns + 2);
    assert_true(world_status(w, 1).has_vote);
    assert_string_equal(world_status(w, 1).alarm, "");
    assert_false(lists_are_signed(w, NULL));
    world_state_lists(w, 2, 9);
    world_stop(w, 3); /* three of four: from here on nothing goes without it, neither votes nor checkpoints */
    height = world_go_on(w, 0, 30, 3);
    assert_true(world_run(w, world_is_cosigned, &height, 60000));
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(w->nodes[i].bad_n, 0);
    assert_true(world_run(w, lists_are_signed, NULL, 60000)); /* by the new key, too: it is one of three */
    slk_node_close(me->node);
    me->node = NULL;
    slk_key_free(vote);
    slk_key_free(log);
    slk_key_free(cosign);
    free((void *)(uintptr_t)entry.at);
}

static void without_the_key_that_the_charter_names_a_node_alarms_and_follows(void **state)
{
    struct node_world *w = *state;
    struct world_node *me = &w->nodes[1];
    struct slk_node_options keys = keys_of(me);
    struct slk_key *vote = fixture_key(NEW_VOTE);
    uint64_t height = world_go_on(w, 0, 1, 1);
    struct slk_span entry = make_change(w, height + 2, vote, NULL, NULL);
    struct slk_fault fault;

    assert_int_equal(slk_node_change(w->nodes[0].node, entry, &fault), SLK_CHANGE_OK);
    height = world_go_on(w, 0, 10, 4);
    assert_true(world_run(w, world_is_at, &height, 60000));
    assert_false(world_status(w, 1).has_vote);
    assert_string_equal(world_status(w, 1).alarm, "KEYS");
    keys.next_vote_key = vote; /* it comes later: with the next block it counts */
    assert_int_equal(slk_node_set_keys(me->node, &keys, &fault), SLK_OK);
    assert_false(world_status(w, 1).has_vote);
    height = world_go_on(w, 0, 20, 1);
    assert_true(world_run(w, world_is_at, &height, 60000));
    assert_true(world_status(w, 1).has_vote);
    assert_string_equal(world_status(w, 1).alarm, "");
    keys = (struct slk_node_options){.vote_key = me->vote, .log_key = me->log, .cosign_key = me->cosign};
    assert_int_equal(
        slk_node_set_keys(me->node, &keys, &fault), SLK_E_KEY); /* it may be asked to sign at any time */
    assert_non_null(strstr(fault.text, "keep it until a charter names another"));
    slk_node_close(me->node);
    me->node = NULL;
    slk_key_free(vote);
    free((void *)(uintptr_t)entry.at);
}

static void a_node_that_no_charter_names_follows(void **state)
{
    struct node_world *w = *state;
    struct slk_key *mine = w->nodes[3].vote;
    uint64_t height = world_go_on(w, 0, 1, 2);

    world_stop(w, 3);
    world_empty(w, 3);
    w->nodes[3].vote = fixture_key(NEW_VOTE);
    world_start(w, 3); /* its vote key is of no charter */
    assert_true(world_run(w, world_is_at, &height, 60000));
    assert_false(world_status(w, 3).has_vote);
    assert_string_equal(world_status(w, 3).alarm, "KEYS");
    world_stop(w, 3);
    slk_key_free(w->nodes[3].vote);
    w->nodes[3].vote = mine;
}

static void a_key_twice_or_of_another_is_refused_by_name(void **state)
{
    struct node_world *w = *state;
    struct slk_node_options keys = keys_of(&w->nodes[1]);
    struct slk_fault fault;

    keys.next_log_key = keys.vote_key;
    assert_int_equal(slk_node_set_keys(w->nodes[1].node, &keys, &fault), SLK_E_KEY);
    assert_non_null(strstr(fault.text, "vote_key and next_log_key are one key"));
    keys.next_log_key = w->nodes[2].log;
    assert_int_equal(slk_node_set_keys(w->nodes[1].node, &keys, &fault), SLK_E_KEY);
    assert_non_null(
        strstr(fault.text, "next_log_key is a key that the charter names for another agency than 2"));
    keys = keys_of(&w->nodes[1]);
    keys.log_key = w->nodes[1].cosign; /* for another use */
    keys.cosign_key = NULL;
    assert_int_equal(slk_node_set_keys(w->nodes[1].node, &keys, &fault), SLK_E_KEY);
    keys = keys_of(&w->nodes[1]);
    assert_int_equal(slk_node_set_keys(w->nodes[1].node, &keys, &fault), SLK_OK);
    world_go_on(w, 1, 1, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_charter_turns_and_the_next_block_has_votes_by_the_new_keys),
        TEST(without_the_key_that_the_charter_names_a_node_alarms_and_follows),
        TEST(a_node_that_no_charter_names_follows),
        TEST(a_key_twice_or_of_another_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
