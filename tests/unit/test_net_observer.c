/* Four members, one that observes, and a guest whose key is in no charter: who follows the chain without a say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/verify/policy.h"
#include "net/node_private.h"
#include "tests/unit/node_world.h"

enum { OBSERVER = 4, GUEST = 5, GUEST_NUMBER = SLK_BFT_PEERS - 1 };

static struct node_world world;

static int open_world(void **state)
{
    *state = &world;
    world_open_with(&world, 4, 1, 1);
    return 0;
}

/* ---- steps ---- */

static struct slk_node_answer submit(
    struct node_world *w, unsigned i, struct fixture_life *life, enum slk_kind kind)
{
    return world_submit_event(w, i, life, kind, SLK_STAGE_FINAL).answer;
}

static void assert_nobody_is_bad(struct node_world *w)
{
    for (unsigned i = 0; i < w->n; i++) {
        assert_int_equal(w->nodes[i].bad_n, 0);
        assert_string_equal(world_status(w, i).alarm, "");
    }
}

static void check_proof(struct node_world *w, unsigned i, const uint8_t handle[SLK_HANDLE_SIZE])
{
    struct slk_verify_options options = {.now_s = (FIXTURE_START_MS + w->now_ms) / 1000 + 10};
    struct slk_policy *policy = fixture_policy(&w->f);
    struct slk_answer answer;
    struct slk_fault fault;
    uint8_t *proof;
    size_t size;

    assert_int_equal(slk_node_prove(w->nodes[i].node, handle, true, SLK_TEXT, &proof, &size, &fault), SLK_OK);
    assert_int_equal(slk_verify_status(&answer, slk_span_of(proof, size), handle, policy, &options), SLK_OK);
    assert_true(answer.cosignatures_n >= 3);
    slk_answer_clear(&answer);
    free(proof);
    slk_policy_free(policy);
}

/* ---- tests ---- */

static void both_follow_the_chain_and_prove_what_is_in_it(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 77);
    uint64_t height;

    (void)world_go_on(w, 0, 1, 3);
    height = submit(w, 1, &life, SLK_ISSUE).height;
    world_settle(w, height); /* the observer's and the guest's checkpoints, too */
    check_proof(w, OBSERVER, life.handle);
    check_proof(w, GUEST, life.handle);
    assert_false(world_status(w, OBSERVER).has_vote);
    assert_false(world_status(w, GUEST).has_vote);
    assert_int_equal(world_status(w, OBSERVER).members_n, 4);
    assert_nobody_is_bad(w);
}

static void a_block_is_theirs_before_they_would_have_asked(void **state)
{
    struct node_world *w = *state;
    uint64_t height = world_go_on(w, 0, 1, 1), before;

    world_settle(w, height);
    height = world_go_on(w, 0, 10, 1);
    before = w->now_ms;
    assert_true(world_run(w, world_is_at, &height, 1000)); /* an idle node's own STATUS comes each 10 s */
    assert_true(w->now_ms - before < 500);
}

static void who_comes_late_or_comes_back_catches_up(void **state)
{
    struct node_world *w = *state;
    uint64_t height;

    world_stop(w, OBSERVER);
    world_stop(w, GUEST);
    height = world_go_on(w, 0, 1, 40);
    world_start(w, OBSERVER);
    world_start(w, GUEST);
    world_settle(w, height);
    world_stop(w, GUEST);
    world_empty(w, GUEST);
    height = world_go_on(w, 1, 100, 2);
    world_start(w, GUEST);
    world_settle(w, height);
    assert_nobody_is_bad(w);
}

static void a_submission_to_who_has_no_vote_is_refused(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1), other = fixture_life(FIXTURE_CARD, 2);

    assert_int_equal(submit(w, OBSERVER, &life, SLK_ISSUE).outcome, SLK_NODE_OBSERVER);
    assert_int_equal(submit(w, GUEST, &other, SLK_ISSUE).outcome, SLK_NODE_OBSERVER);
    for (unsigned i = 0; i < w->n; i++)
        assert_int_equal(world_status(w, i).pool_count, 0);
}

static void they_do_not_count_for_a_quorum(void **state)
{
    struct node_world *w = *state;
    uint64_t height = world_go_on(w, 0, 1, 1);
    struct fixture_life life = fixture_life(FIXTURE_CARD, 50);
    struct slk_span bytes;
    struct world_client c = {0};

    world_settle(w, height);
    world_stop(w, 2);
    world_stop(w, 3); /* two of four: less than a quorum, however many watch */
    bytes = world_event(w, &life, SLK_ISSUE);
    (void)world_ask(w, 0, bytes, SLK_STAGE_FINAL, &c);
    assert_false(world_run(w, world_is_answered, &c, 20000));
    world_start(w, 3);
    assert_true(world_run(w, world_is_answered, &c, 60000));
    assert_int_equal(c.answer.outcome, SLK_NODE_ACCEPTED);
    fixture_free(bytes);
}

/* A member's good vote, out of the hands of those: neither may bring it. */
static void votes_out_of_their_hands_are_dropped(void **state)
{
    struct node_world *w = *state;
    struct slk_node *node = w->nodes[0].node;
    struct slk_msg msg = {.kind = SLK_MSG_VOTE};
    uint8_t bytes[256], signed_bytes[SLK_VOTE_BYTES];
    struct slk_bft_view_of look;
    struct slk_span message;
    uint64_t height = world_go_on(w, 0, 1, 1), dropped;

    world_settle(w, height);
    msg.vote.statement = (struct slk_statement){
        .kind = SLK_VOTE_NULLIFY, .height = node->council.n > 0 ? node->tip.height + 1 : 0, .view = 1};
    msg.vote.signer = 2;
    slk_statement_bytes(signed_bytes, &node->council, &msg.vote.statement);
    assert_int_equal(
        slk_key_sign(w->nodes[2].vote, msg.vote.sig, signed_bytes, sizeof(signed_bytes)), SLK_OK);
    message = slk_span_of(bytes, slk_msg_format(bytes, sizeof(bytes), &msg));
    assert_true(message.size > 0);
    slk_bft_look(node->core, &look);
    dropped = look.dropped_by[SLK_DROP_NO_SAY];
    assert_int_equal(slk_node_received(node, OBSERVER, SLK_FRAME_VOTE, message), SLK_MESH_OK);
    slk_bft_look(node->core, &look);
    assert_int_equal(look.dropped_by[SLK_DROP_NO_SAY], dropped + 1);
    assert_int_equal(slk_node_received(node, GUEST_NUMBER, SLK_FRAME_VOTE, message), SLK_MESH_USELESS);
}

static void a_guest_offers_nothing_and_claims_nothing(void **state)
{
    struct node_world *w = *state;
    struct slk_node *node = w->nodes[0].node;
    struct slk_msg msg = {.kind = SLK_MSG_STATUS};
    uint8_t bytes[640];
    uint64_t height = world_go_on(w, 0, 1, 1);

    world_settle(w, height);
    memset(bytes, 7, sizeof(bytes)); /* a name of a submission */
    assert_int_equal(slk_node_received(node, GUEST_NUMBER, SLK_FRAME_INV, slk_span_of(bytes, NODE_NAME_SIZE)),
        SLK_MESH_USELESS);
    assert_int_equal(node->peers[GUEST_NUMBER].want_n, 0);
    msg.status = (struct slk_status){
        .charter_hash = node->council.charter_hash, .height = 1000000, .view = 1, .seq = 9};
    assert_int_equal(slk_node_received(node, GUEST_NUMBER, SLK_FRAME_STATUS,
                         slk_span_of(bytes, slk_msg_format(bytes, sizeof(bytes), &msg))),
        SLK_MESH_OK);
    assert_true(world_status(w, 0).claimed < 1000000);
    height = world_go_on(w, 0, 10, 2);
    world_settle(w, height);
    assert_int_equal(world_status(w, 0).claimed < 1000000, true);
}

static void what_waits_for_a_block_is_told_to_who_votes_alone(void **state)
{
    struct node_world *w = *state;
    uint64_t height = world_go_on(w, 0, 1, 4);

    world_settle(w, height);
    assert_int_equal(w->nodes[3].node->status.submissions_n, 4);
    for (unsigned i = OBSERVER; i <= GUEST; i++) {
        assert_int_equal(w->nodes[i].node->status.submissions_n, 0);
        assert_int_equal(world_status(w, i).pool_count, 0);
        for (size_t k = 0; k < SLK_BFT_PEERS; k++)
            assert_int_equal(w->nodes[i].node->peers[k].want_n, 0);
    }
}

/* A quorum's checkpoint outlives the process: without anybody to talk to, proofs go on. */
static void alone_and_started_anew_each_still_proves(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 5);
    const unsigned alone[] = {1, OBSERVER, GUEST};

    world_settle(w, submit(w, 0, &life, SLK_ISSUE).height);
    (void)world_run(w, world_never, NULL, 2000);
    for (unsigned i = 0; i < w->n; i++)
        world_stop(w, i);
    for (size_t i = 0; i < sizeof(alone) / sizeof(alone[0]); i++) {
        world_start(w, alone[i]);
        check_proof(w, alone[i], life.handle);
        world_stop(w, alone[i]);
    }
}

/* One member, who has let a submission pass whose signature is wrong; two guests, of whom one takes his word. */
static int open_small(void **state)
{
    struct slk_ledger_options options;
    struct slk_ledger *ledger;
    struct slk_fault fault;

    *state = &world;
    world_open_with(&world, 1, 0, 2);
    for (unsigned i = 0; i < world.n; i++)
        world_stop(&world, i);
    world.f.now_ms = FIXTURE_START_MS + 1000;
    options = fixture_options(&world.f);
    assert_int_equal(slk_ledger_open(&ledger, world.nodes[0].dir, &options, &fault), SLK_OK);
    fixture_add_forged(&world.f, ledger);
    slk_ledger_close(ledger);
    return 0;
}

static bool guests_have_looked(struct node_world *w, void *height)
{
    return world_status(w, 2).height >= *(uint64_t *)height && world_status(w, 1).alarm[0] != '\0';
}

static void only_who_takes_a_quorums_word_follows_it_over_a_bad_signature(void **state)
{
    struct node_world *w = *state;
    uint64_t height = 1;

    w->nodes[2].is_vouched = true;
    for (unsigned i = 0; i < w->n; i++)
        world_start(w, i);
    assert_true(world_run(w, guests_have_looked, &height, 60000));
    assert_string_equal(world_status(w, 1).alarm, "DIVERGED");
    assert_int_equal(world_status(w, 1).height, 0);
    assert_string_equal(world_status(w, 2).alarm, "");
}

static bool proves(struct node_world *w, void *handle)
{
    struct slk_fault fault;
    uint8_t *proof = NULL;
    size_t size;
    enum slk_err err = slk_node_prove(w->nodes[0].node, handle, false, SLK_TEXT, &proof, &size, &fault);

    assert_true(err == SLK_OK || err == SLK_E_UNSIGNED);
    free(proof);
    return err == SLK_OK;
}

static void a_node_that_is_alone_in_the_first_block_proves_nothing(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);

    for (unsigned i = 0; i < w->n; i++)
        world_stop(w, i);
    world_start(w, 0);
    assert_false(world_run(w, proves, life.handle, 5000));
    assert_int_equal(world_status(w, 0).height, 0);
    for (unsigned i = 1; i < w->n; i++)
        world_start(w, i);
    assert_true(world_run(w, proves, life.handle, 60000));
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_world, world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(both_follow_the_chain_and_prove_what_is_in_it),
        T(a_block_is_theirs_before_they_would_have_asked),
        T(who_comes_late_or_comes_back_catches_up),
        T(a_submission_to_who_has_no_vote_is_refused),
        T(they_do_not_count_for_a_quorum),
        T(votes_out_of_their_hands_are_dropped),
        T(a_guest_offers_nothing_and_claims_nothing),
        T(what_waits_for_a_block_is_told_to_who_votes_alone),
        T(alone_and_started_anew_each_still_proves),
        T(a_node_that_is_alone_in_the_first_block_proves_nothing),
        cmocka_unit_test_setup_teardown(
            only_who_takes_a_quorums_word_follows_it_over_a_bad_signature, open_small, world_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
