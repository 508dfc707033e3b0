/* Four members in one process: what they agree on, what a client is told, what is left after stops and losses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/verify/policy.h"
#include "tests/unit/node_world.h"

static struct node_world world;

static int open_four(void **state)
{
    *state = &world;
    world_open(&world, 4);
    return 0;
}

static int close_world(void **state)
{
    world_close(*state);
    return 0;
}

/* ---- a client ---- */

struct client {
    unsigned answers_n;
    enum slk_node_outcome outcome;
    enum slk_node_stage stage;
    enum slk_err err;
    enum slk_rule rule;
    bool has_head;
    uint64_t head_sequence, height, first_index;
    struct slk_hash id;
    struct slk_receipt receipts[WORLD_NODES_MAX];
    size_t receipts_n;
};

static void note(void *ctx, const struct slk_node_answer *answer)
{
    struct client *c = ctx;

    c->answers_n++;
    c->outcome = answer->outcome;
    c->stage = answer->stage;
    c->err = answer->err;
    c->rule = answer->verdict.rule;
    c->has_head = answer->verdict.has_head;
    c->head_sequence = answer->verdict.head_sequence;
    c->height = answer->height;
    c->first_index = answer->first_index;
    c->id = answer->id;
    c->receipts_n = answer->receipts_n;
    for (size_t i = 0; i < answer->receipts_n && i < WORLD_NODES_MAX; i++)
        c->receipts[i] = answer->receipts[i];
}

static bool is_answered(struct node_world *w, void *client)
{
    (void)w;
    return ((const struct client *)client)->answers_n > 0;
}

static void submit(
    struct node_world *w, unsigned i, struct slk_span bytes, enum slk_node_stage stage, struct client *c)
{
    memset(c, 0, sizeof(*c));
    assert_true(slk_node_submit(w->nodes[i].node, bytes, stage, note, c) != 0);
    assert_int_equal(c->answers_n, 0); /* never from inside */
    assert_true(world_run(w, is_answered, c, 60000));
    assert_int_equal(c->answers_n, 1);
}

static struct client submit_new(struct node_world *w, unsigned i, struct fixture_life *life,
    enum slk_kind kind, enum slk_node_stage stage)
{
    struct slk_span bytes;
    struct client c;

    w->f.now_ms = FIXTURE_START_MS + w->now_ms;
    bytes = fixture_single(&w->f, MINISTRY, life, kind);
    submit(w, i, bytes, stage, &c);
    fixture_free(bytes);
    return c;
}

static void assert_same_chain(struct node_world *w)
{
    struct slk_node_status first = {0};
    bool has_first = false;

    for (unsigned i = 0; i < w->n; i++) {
        struct slk_node_status s;

        if (w->nodes[i].node == NULL)
            continue;
        s = world_status(w, i);
        if (!has_first)
            first = s;
        has_first = true;
        assert_int_equal(s.height, first.height);
        assert_memory_equal(s.block_hash.b, first.block_hash.b, SLK_HASH_SIZE);
        assert_memory_equal(s.log_root.b, first.log_root.b, SLK_HASH_SIZE);
        assert_string_equal(s.alarm, "");
        assert_int_equal(w->nodes[i].bad_n, 0);
    }
}

static void settle_at(struct node_world *w, uint64_t height)
{
    assert_true(world_run(w, world_is_cosigned, &height, 60000));
}

/* ---- tests ---- */

static void a_submission_given_to_one_is_final_on_all(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct client c = submit_new(w, 2, &life, SLK_ISSUE, SLK_STAGE_FINAL);
    uint64_t height, first;

    assert_int_equal(c.outcome, SLK_NODE_ACCEPTED);
    assert_int_equal(c.stage, SLK_STAGE_FINAL);
    assert_int_equal(c.height, 1);
    assert_int_equal(c.first_index, 2); /* after the charter and its seal */
    settle_at(w, c.height);
    assert_same_chain(w);
    for (unsigned i = 0; i < w->n; i++) {
        struct slk_record record;
        struct slk_fault fault;

        assert_int_equal(
            slk_ledger_lookup(slk_node_ledger(w->nodes[i].node), life.handle, &record, &fault), SLK_OK);
        assert_int_equal(record.state, SLK_ACTIVE);
        assert_int_equal(slk_node_find(w->nodes[i].node, &c.id, &height, &first), SLK_NODE_FINAL);
        assert_int_equal(height, c.height);
        assert_int_equal(first, c.first_index);
        assert_int_equal(world_status(w, i).pool_count, 0);
    }
}

static void a_receipt_is_a_promise_that_anybody_can_check(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct client c = submit_new(w, 1, &life, SLK_ISSUE, SLK_STAGE_RECEIVED);

    assert_int_equal(c.outcome, SLK_NODE_ACCEPTED);
    assert_int_equal(c.receipts_n, 1);
    assert_int_equal(c.receipts[0].agency, 2);
    assert_memory_equal(c.receipts[0].submission_id.b, c.id.b, SLK_HASH_SIZE);
    assert_true(slk_receipt_check(&c.receipts[0], w->f.charter, &w->f.chain_id, &slk_verifier_ed25519));
}

static void safe_is_the_promise_of_two_of_four(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct client c = submit_new(w, 0, &life, SLK_ISSUE, SLK_STAGE_SAFE);

    assert_int_equal(c.outcome, SLK_NODE_ACCEPTED);
    assert_true(c.stage >= SLK_STAGE_SAFE);
    if (c.stage == SLK_STAGE_SAFE)
        assert_true(slk_receipts_are_safe(slk_receipts_count(c.receipts, c.receipts_n, &c.id, w->f.charter,
                                              &w->f.chain_id, &slk_verifier_ed25519),
            w->f.charter));
}

static void a_proof_of_any_node_verifies_against_the_policy_of_the_agencies(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct slk_policy *policy = fixture_policy(&w->f);
    struct client c = submit_new(w, 0, &life, SLK_ISSUE, SLK_STAGE_COSIGNED);

    assert_int_equal(c.stage, SLK_STAGE_COSIGNED);
    c = submit_new(w, 3, &life, SLK_LOCK, SLK_STAGE_COSIGNED);
    settle_at(w, c.height);
    for (unsigned i = 0; i < w->n; i++) {
        struct slk_verify_options options = {.now_s = (FIXTURE_START_MS + w->now_ms) / 1000 + 10};
        struct slk_answer answer;
        struct slk_fault fault;
        uint8_t *proof;
        size_t size;

        assert_int_equal(
            slk_node_prove(w->nodes[i].node, life.handle, true, SLK_TEXT, &proof, &size, &fault), SLK_OK);
        assert_int_equal(
            slk_verify_status(&answer, slk_span_of(proof, size), life.handle, policy, &options), SLK_OK);
        assert_int_equal(answer.state, SLK_LOCKED);
        assert_int_equal(answer.events_n, 2);
        assert_true(answer.cosignatures_n >= 3);
        slk_answer_clear(&answer);
        free(proof);
    }
    slk_policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_submission_given_to_one_is_final_on_all, open_four, close_world),
        cmocka_unit_test_setup_teardown(
            a_receipt_is_a_promise_that_anybody_can_check, open_four, close_world),
        cmocka_unit_test_setup_teardown(safe_is_the_promise_of_two_of_four, open_four, close_world),
        cmocka_unit_test_setup_teardown(
            a_proof_of_any_node_verifies_against_the_policy_of_the_agencies, open_four, close_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
