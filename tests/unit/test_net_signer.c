/* Keys that take their time and go away: the signer's lines, and nodes that sign through it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/node_world.h"

/* ---- a token that does as it is told ---- */

struct token {
    struct slk_key *key;
    atomic_bool is_away, hangs;
    atomic_uint calls_n;
};

static void rest(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static enum slk_err token_sign(
    void *held, uint8_t sig[SLK_SIGNATURE_SIZE], const void *message, size_t size, struct slk_fault *fault)
{
    struct token *token = held;

    atomic_fetch_add(&token->calls_n, 1);
    while (atomic_load(&token->hangs))
        rest();
    if (!atomic_load(&token->is_away))
        return slk_key_sign(token->key, sig, message, size);
    snprintf(fault->text, sizeof(fault->text), "pulled out");
    return SLK_E_SIGNER;
}

static void token_close(void *held)
{
    struct token *token = held;

    slk_key_free(token->key);
    free(token);
}

static const struct slk_key_holder holder = {token_sign, token_close};

/* The key's place is taken by one that only the token has. */
static struct token *put_into_token(struct slk_key **key)
{
    struct token *token = calloc(1, sizeof(*token));
    struct slk_key *held;

    assert_non_null(token);
    token->key = *key;
    assert_int_equal(slk_key_held(&held, slk_key_public(*key), &holder, token), SLK_OK);
    *key = held;
    return token;
}

/* ---- the signer alone ---- */

static struct slk_sign_job *job_of(struct slk_key *key, enum slk_sign_kind kind, uint64_t height)
{
    struct slk_sign_job *job = calloc(1, sizeof(*job));

    assert_non_null(job);
    job->kind = kind;
    job->height = height;
    job->parts_n = 1 + (kind == SLK_SIGN_TIP);
    for (size_t i = 0; i < job->parts_n; i++) {
        job->part[i].key = slk_key_keep(key);
        job->part[i].size = 4;
        memcpy(job->part[i].bytes, "said", 4);
    }
    return job;
}

static void assert_next(struct slk_signer *signer, enum slk_sign_kind kind, uint64_t height, enum slk_err err)
{
    struct slk_sign_job *job = slk_signer_take(signer);

    assert_non_null(job);
    assert_int_equal(job->kind, kind);
    assert_int_equal(job->height, height);
    assert_int_equal(job->err, err);
    for (size_t i = 0; err == SLK_OK && i < job->parts_n; i++)
        assert_true(slk_sig_verify(job->part[i].sig, "said", 4, slk_key_public(job->part[i].key)));
    slk_signer_job_free(job);
}

static void votes_go_before_tips_and_those_before_receipts(void **state)
{
    struct slk_key *key = fixture_key(1);
    struct slk_signer *signer;
    struct slk_signer_state now;

    (void)state;
    (void)put_into_token(&key);
    assert_int_equal(slk_signer_new(&signer, false, NULL, NULL), SLK_OK);
    assert_false(slk_signer_work(signer));
    assert_true(slk_signer_ask(signer, job_of(key, SLK_SIGN_RECEIPT, 0)));
    assert_true(slk_signer_ask(signer, job_of(key, SLK_SIGN_TIP, 5)));
    assert_true(slk_signer_ask(signer, job_of(key, SLK_SIGN_VOTE, 6)));
    assert_true(slk_signer_ask(signer, job_of(key, SLK_SIGN_VOTE, 7)));
    while (slk_signer_work(signer))
        ;
    assert_next(signer, SLK_SIGN_VOTE, 6, SLK_OK);
    assert_next(signer, SLK_SIGN_VOTE, 7, SLK_OK);
    assert_next(signer, SLK_SIGN_TIP, 5, SLK_OK);
    assert_next(signer, SLK_SIGN_RECEIPT, 0, SLK_OK);
    assert_null(slk_signer_take(signer));
    slk_signer_state(signer, &now);
    assert_int_equal(now.signed_n, 5);
    assert_int_equal(now.waiting_n, 0);
    assert_false(now.is_away);
    assert_true(slk_signer_free(signer));
    slk_key_free(key);
}

static void what_fails_is_tried_again_but_for_receipts(void **state)
{
    struct slk_key *key = fixture_key(1);
    struct token *token = put_into_token(&key);
    struct slk_sign_job *refused = job_of(key, SLK_SIGN_RECEIPT, 0);
    struct slk_signer_state now;
    struct slk_signer *signer;

    (void)state;
    assert_int_equal(slk_signer_new(&signer, false, NULL, NULL), SLK_OK);
    atomic_store(&token->is_away, true);
    for (uint64_t height = 3; height <= 5; height++)
        assert_true(slk_signer_ask(signer, job_of(key, SLK_SIGN_VOTE, height)));
    assert_true(slk_signer_ask(signer, job_of(key, SLK_SIGN_RECEIPT, 0)));
    for (int i = 0; i < 4; i++)
        assert_true(slk_signer_work(signer));
    slk_signer_state(signer, &now);
    assert_true(now.is_away);
    assert_string_equal(now.why, "pulled out");
    assert_int_equal(now.failed_n, 4);
    assert_int_equal(now.waiting_n, 3);
    assert_next(signer, SLK_SIGN_RECEIPT, 0, SLK_E_SIGNER);
    assert_false(slk_signer_ask(signer, refused));
    slk_signer_job_free(refused);
    atomic_store(&token->is_away, false);
    slk_signer_forget(signer, 4);
    while (slk_signer_work(signer))
        ;
    assert_next(signer, SLK_SIGN_VOTE, 3, SLK_E_RANGE);
    assert_next(signer, SLK_SIGN_VOTE, 4, SLK_OK);
    assert_next(signer, SLK_SIGN_VOTE, 5, SLK_OK);
    slk_signer_state(signer, &now);
    assert_false(now.is_away);
    assert_true(slk_signer_free(signer));
    slk_key_free(key);
}

static void receipts_that_wait_have_a_limit(void **state)
{
    struct slk_key *key = fixture_key(1);
    struct slk_sign_job *last;
    struct slk_signer *signer;

    (void)state;
    (void)put_into_token(&key);
    assert_int_equal(slk_signer_new(&signer, false, NULL, NULL), SLK_OK);
    for (unsigned i = 0; i < SLK_SIGN_RECEIPTS; i++)
        assert_true(slk_signer_ask(signer, job_of(key, SLK_SIGN_RECEIPT, 0)));
    last = job_of(key, SLK_SIGN_RECEIPT, 0);
    assert_false(slk_signer_ask(signer, last));
    assert_true(slk_signer_work(signer));
    assert_true(slk_signer_ask(signer, last));
    assert_true(slk_signer_free(signer)); /* with all that still waits */
    slk_key_free(key);
}

static void count_wake(void *ctx)
{
    atomic_fetch_add((atomic_uint *)ctx, 1);
}

static void a_thread_signs_and_wakes_the_loop(void **state)
{
    struct slk_key *key = fixture_key(1);
    struct slk_sign_job *job = NULL;
    struct slk_signer *signer;
    atomic_uint wakes = 0;

    (void)state;
    (void)put_into_token(&key);
    assert_int_equal(slk_signer_new(&signer, true, count_wake, &wakes), SLK_OK);
    assert_true(slk_signer_ask(signer, job_of(key, SLK_SIGN_VOTE, 1)));
    while ((job = slk_signer_take(signer)) == NULL)
        rest();
    assert_int_equal(job->err, SLK_OK);
    slk_signer_job_free(job);
    while (atomic_load(&wakes) == 0)
        rest();
    assert_true(slk_signer_free(signer));
    slk_key_free(key);
}

static void a_thread_that_rests_notices_a_token_that_is_back(void **state)
{
    struct slk_key *key = fixture_key(1);
    struct token *token = put_into_token(&key);
    struct slk_sign_job *job = NULL;
    struct slk_signer *signer;

    (void)state;
    atomic_store(&token->is_away, true);
    assert_int_equal(slk_signer_new(&signer, true, NULL, NULL), SLK_OK);
    assert_true(slk_signer_ask(signer, job_of(key, SLK_SIGN_VOTE, 1)));
    while (atomic_load(&token->calls_n) == 0)
        rest();
    atomic_store(&token->is_away, false);
    while ((job = slk_signer_take(signer)) == NULL)
        rest();
    assert_int_equal(job->err, SLK_OK);
    assert_true(atomic_load(&token->calls_n) >= 2);
    slk_signer_job_free(job);
    assert_true(slk_signer_free(signer));
    slk_key_free(key);
}

static void a_key_outlives_whoever_gave_it(void **state)
{
    struct slk_key *key = fixture_key(1);
    struct slk_signer *signer;

    (void)state;
    (void)put_into_token(&key);
    assert_int_equal(slk_signer_new(&signer, false, NULL, NULL), SLK_OK);
    assert_true(slk_signer_ask(signer, job_of(key, SLK_SIGN_VOTE, 1)));
    slk_key_free(key);
    assert_true(slk_signer_work(signer));
    assert_next(signer, SLK_SIGN_VOTE, 1, SLK_OK);
    assert_true(slk_signer_free(signer));
}

/* ---- nodes ---- */

static struct token *tokens[WORLD_NODES_MAX][3];

static void use_tokens(struct node_world *w, unsigned i)
{
    struct world_node *me = &w->nodes[i];

    world_stop(w, i);
    tokens[i][0] = put_into_token(&me->vote);
    tokens[i][1] = put_into_token(&me->log);
    tokens[i][2] = put_into_token(&me->cosign);
    assert_int_equal(slk_signer_new(&me->signer, false, NULL, NULL), SLK_OK);
    world_start(w, i);
}

static void set_away(unsigned i, bool is_away)
{
    for (int k = 0; k < 3; k++)
        atomic_store(&tokens[i][k]->is_away, is_away);
}

static int open_four(void **state)
{
    (void)world_set_up(state);
    for (unsigned i = 0; i < 4; i++)
        use_tokens(*state, i);
    return 0;
}

static void submit(struct node_world *w, unsigned i, struct fixture_life *life, enum slk_kind kind,
    enum slk_node_stage stage, struct world_client *c)
{
    struct slk_span bytes = world_event(w, life, kind);

    (void)world_ask(w, i, bytes, stage, c);
    fixture_free(bytes);
}

static void assert_final(struct node_world *w, struct world_client *c)
{
    assert_true(world_run(w, world_is_answered, c, 60000));
    assert_int_equal(c->answer.outcome, SLK_NODE_ACCEPTED);
    assert_int_equal(c->answer.stage, SLK_STAGE_FINAL);
}

static void assert_nobody_is_blamed(struct node_world *w)
{
    for (unsigned i = 0; i < w->n; i++) {
        assert_int_equal(w->nodes[i].bad_n, 0);
        assert_string_equal(world_status(w, i).alarm, "");
        assert_int_equal(world_status(w, i).evidence_n, 0);
    }
}

static void four_with_tokens_agree_and_cosign(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct world_client c;
    uint64_t height;

    submit(w, 0, &life, SLK_ISSUE, SLK_STAGE_RECEIVED, &c);
    assert_true(world_run(w, world_is_answered, &c, 60000));
    assert_int_equal(c.answer.stage, SLK_STAGE_RECEIVED);
    assert_int_equal(c.answer.receipts_n, 1);
    height = 1;
    assert_true(world_run(w, world_is_at, &height, 60000));
    for (unsigned i = 0; i < 4; i++) {
        submit(w, i, &life, i % 2 == 0 ? SLK_LOCK : SLK_UNLOCK, SLK_STAGE_FINAL, &c);
        assert_final(w, &c);
    }
    height = c.answer.height;
    assert_true(world_run(w, world_is_cosigned, &height, 60000));
    for (unsigned i = 0; i < 4; i++) {
        assert_true(world_status(w, i).signatures_n > 0);
        assert_false(world_status(w, i).signer_away);
    }
    assert_nobody_is_blamed(w);
}

static bool lists_are_signed(struct node_world *w, void *wanted)
{
    uint64_t size;

    for (unsigned i = 0; i < w->n; i++)
        if (slk_node_lists_note(w->nodes[i].node, &size).size == 0 || size != *(const uint64_t *)wanted)
            return false;
    return true;
}

/* What was asked of the token is of lists that are old when it answers: then the newest are asked for. */
static void tokens_sign_what_is_said_of_status_lists(void **state)
{
    struct node_world *w = *state;
    uint64_t size = 6;

    set_away(0, true);
    set_away(1, true);
    for (unsigned i = 0; i < 4; i++)
        world_state_lists(w, i, 5);
    assert_false(world_run(w, lists_are_signed, &size, 3000));
    for (unsigned i = 0; i < 4; i++)
        world_state_lists(w, i, size);
    set_away(0, false);
    set_away(1, false);
    assert_true(world_run(w, lists_are_signed, &size, 60000));
    assert_nobody_is_blamed(w);
}

static void a_node_without_its_token_says_so_and_the_others_go_on(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 2);
    struct world_client c;
    uint64_t height;

    set_away(2, true);
    submit(w, 0, &life, SLK_ISSUE, SLK_STAGE_FINAL, &c);
    assert_final(w, &c);
    height = c.answer.height + 1;
    submit(w, 2, &life, SLK_LOCK, SLK_STAGE_RECEIVED, &c); /* it still takes in what it is given */
    assert_true(world_run(w, world_is_answered, &c, 60000));
    assert_int_equal(c.answer.stage, SLK_STAGE_RECEIVED);
    assert_int_equal(c.answer.receipts_n, 0);
    assert_true(world_run(w, world_is_at, &height, 60000));
    submit(w, 1, &life, SLK_UNLOCK, SLK_STAGE_FINAL, &c);
    assert_final(w, &c);
    height = c.answer.height;
    assert_true(world_run(w, world_is_at, &height, 60000)); /* and follows */
    assert_true(world_status(w, 2).signer_away);
    assert_string_equal(world_status(w, 2).signer_why, "pulled out");
    assert_true(world_status(w, 2).signatures_failed_n > 0);
    set_away(2, false);
    assert_true(world_run(w, world_is_cosigned, &height, 60000));
    submit(w, 2, &life, SLK_LOCK, SLK_STAGE_FINAL, &c);
    assert_final(w, &c);
    height = c.answer.height;
    assert_true(world_run(w, world_is_cosigned, &height, 60000));
    assert_false(world_status(w, 2).signer_away);
    assert_nobody_is_blamed(w);
}

static void a_quorum_that_needs_the_token_waits_for_it(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 3);
    struct world_client c;
    uint64_t height;

    set_away(2, true);
    world_stop(w, 3);
    submit(w, 0, &life, SLK_ISSUE, SLK_STAGE_FINAL, &c);
    assert_false(world_run(w, world_is_answered, &c, 20000));
    set_away(2, false);
    assert_final(w, &c); /* by votes that were saved long ago */
    world_start(w, 3);
    height = c.answer.height;
    assert_true(world_run(w, world_is_cosigned, &height, 60000));
    assert_nobody_is_blamed(w);
}

static void a_node_that_ends_without_its_token_signs_after_its_start(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 4);
    struct world_client c;
    uint64_t height;

    world_stop(w, 3);
    set_away(2, true);
    submit(w, 0, &life, SLK_ISSUE, SLK_STAGE_FINAL, &c);
    assert_false(world_run(w, world_is_answered, &c, 5000));
    world_stop(w, 2);
    assert_true(slk_signer_free(w->nodes[2].signer)); /* with what was asked of it */
    assert_int_equal(slk_signer_new(&w->nodes[2].signer, false, NULL, NULL), SLK_OK);
    set_away(2, false);
    world_start(w, 2);
    assert_final(w, &c);
    world_start(w, 3);
    height = c.answer.height;
    assert_true(world_run(w, world_is_cosigned, &height, 60000));
    assert_nobody_is_blamed(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(votes_go_before_tips_and_those_before_receipts),
        cmocka_unit_test(what_fails_is_tried_again_but_for_receipts),
        cmocka_unit_test(receipts_that_wait_have_a_limit),
        cmocka_unit_test(a_thread_signs_and_wakes_the_loop),
        cmocka_unit_test(a_thread_that_rests_notices_a_token_that_is_back),
        cmocka_unit_test(a_key_outlives_whoever_gave_it),
        cmocka_unit_test_setup_teardown(four_with_tokens_agree_and_cosign, open_four, world_tear_down),
        cmocka_unit_test_setup_teardown(tokens_sign_what_is_said_of_status_lists, open_four, world_tear_down),
        cmocka_unit_test_setup_teardown(
            a_node_without_its_token_says_so_and_the_others_go_on, open_four, world_tear_down),
        cmocka_unit_test_setup_teardown(
            a_quorum_that_needs_the_token_waits_for_it, open_four, world_tear_down),
        cmocka_unit_test_setup_teardown(
            a_node_that_ends_without_its_token_signs_after_its_start, open_four, world_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
