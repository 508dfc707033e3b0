/* Four members in one process: what they agree on, what a client is told, what is left after stops and losses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/embed/ledger_private.h"
#include "ledger/verify/checkpoint.h"
#include "ledger/store/cons.h"
#include "ledger/verify/policy.h"
#include "net/node_figures.h"
#include "tests/unit/node_world.h"
#include "tests/unit/signer.h"

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

/* ---- tests ---- */

static void a_submission_given_to_one_is_final_on_all(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct world_client c = world_submit_event(w, 2, &life, SLK_ISSUE, SLK_STAGE_FINAL);
    uint64_t height, first;

    assert_int_equal(c.answer.outcome, SLK_NODE_ACCEPTED);
    assert_int_equal(c.answer.stage, SLK_STAGE_FINAL);
    assert_int_equal(c.answer.height, 1);
    assert_int_equal(c.answer.first_index, 2); /* after the charter and its seal */
    world_settle(w, c.answer.height);
    assert_same_chain(w);
    for (unsigned i = 0; i < w->n; i++) {
        struct slk_record record;
        struct slk_fault fault;

        assert_int_equal(
            slk_ledger_lookup(slk_node_ledger(w->nodes[i].node), life.handle, &record, &fault), SLK_OK);
        assert_int_equal(record.state, SLK_ACTIVE);
        assert_int_equal(slk_node_find(w->nodes[i].node, &c.answer.id, &height, &first), SLK_NODE_FINAL);
        assert_int_equal(height, c.answer.height);
        assert_int_equal(first, c.answer.first_index);
        assert_int_equal(world_status(w, i).pool_count, 0);
    }
}

static void a_receipt_is_a_promise_that_anybody_can_check(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct world_client c = world_submit_event(w, 1, &life, SLK_ISSUE, SLK_STAGE_RECEIVED);

    assert_int_equal(c.answer.outcome, SLK_NODE_ACCEPTED);
    assert_int_equal(c.answer.receipts_n, 1);
    assert_int_equal(c.receipts[0].agency, 2);
    assert_memory_equal(c.receipts[0].submission_id.b, c.answer.id.b, SLK_HASH_SIZE);
    assert_true(slk_receipt_check(&c.receipts[0], w->f.charter, &w->f.chain_id, &slk_verifier_ed25519));
}

static void safe_is_the_promise_of_two_of_four(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct world_client c = world_submit_event(w, 0, &life, SLK_ISSUE, SLK_STAGE_SAFE);

    assert_int_equal(c.answer.outcome, SLK_NODE_ACCEPTED);
    assert_true(c.answer.stage >= SLK_STAGE_SAFE);
    if (c.answer.stage == SLK_STAGE_SAFE)
        assert_true(slk_receipts_are_safe(
            slk_receipts_count(c.receipts, c.answer.receipts_n, &c.answer.id, c.receipts[0].key_id,
                w->f.charter, &w->f.chain_id, &slk_verifier_ed25519),
            w->f.charter));
}

/* Two of four decide nothing. */
static void cut_off_two(struct node_world *w)
{
    for (unsigned i = 0; i < w->n; i++)
        for (unsigned k = 0; k < w->n; k++)
            w->cut[i][k] = i >= 2 || k >= 2;
}

static void safe_comes_without_a_quorum(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct world_client c;

    cut_off_two(w);
    c = world_submit_event(w, 0, &life, SLK_ISSUE, SLK_STAGE_SAFE);
    assert_int_equal(c.answer.outcome, SLK_NODE_ACCEPTED);
    assert_int_equal(c.answer.stage, SLK_STAGE_SAFE);
    assert_int_equal(c.answer.receipts_n, 2);
    assert_int_equal(slk_receipts_count(c.receipts, c.answer.receipts_n, &c.answer.id, c.receipts[0].key_id,
                         w->f.charter, &w->f.chain_id, &slk_verifier_ed25519),
        2);
}

static void shell(const char *what, const char *a, const char *b)
{
    char command[800];

    snprintf(command, sizeof(command), "%s %s %s", what, a, b);
    assert_int_equal(system(command), 0);
}

static enum slk_err count_pooled(void *ctx, const struct slk_pooled *item)
{
    (void)item;
    ++*(unsigned *)ctx;
    return SLK_OK;
}

/* Submissions on disk, as a crash now would leave it. */
static unsigned pooled_on_disk(const char *dir)
{
    struct slk_store_options options = {.read_only = true};
    struct slk_store *store;
    struct slk_view *view;
    struct slk_fault fault;
    unsigned n = 0;
    char copy[320];

    snprintf(copy, sizeof(copy), "%s.copy", dir);
    shell("cp -r", dir, copy);
    if (slk_store_open(&store, copy, &options, &fault) != SLK_OK)
        fail_msg("%s", fault.text);
    assert_int_equal(slk_view_begin(&view, store), SLK_OK);
    assert_int_equal(slk_view_pool(view, count_pooled, &n, &fault), SLK_OK);
    slk_view_end(view);
    slk_store_close(store);
    shell("rm -r", copy, "");
    return n;
}

/* The others have it already, and were not asked for receipts then. */
static void who_waits_for_safe_later_gets_the_promises_of_the_others(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct slk_span bytes;
    struct world_client c, early = {0};

    cut_off_two(w);
    bytes = world_event(w, &life, SLK_ISSUE);
    (void)world_ask(w, 0, bytes, SLK_STAGE_FINAL, &early);
    assert_false(world_run(w, world_is_answered, &early, 5000));
    assert_int_equal(world_status(w, 1).pool_count, 1);
    assert_int_equal(w->sent_n[SLK_FRAME_RECEIPT], 0);
    assert_int_equal(pooled_on_disk(w->nodes[0].dir), 1); /* it has given its word */
    assert_int_equal(pooled_on_disk(w->nodes[1].dir), 0);
    world_submit(w, 0, bytes, SLK_STAGE_SAFE, &c);
    assert_int_equal(c.answer.stage, SLK_STAGE_SAFE);
    assert_int_equal(c.answer.receipts_n, 2);
    assert_int_equal(w->sent_n[SLK_FRAME_RECEIPT], 1);
    assert_int_equal(pooled_on_disk(w->nodes[1].dir), 1);
    fixture_free(bytes);
    memset(w->cut, 0, sizeof(w->cut));
    assert_true(world_run(w, world_is_answered, &early, 60000));
    assert_int_equal(early.answer.stage, SLK_STAGE_FINAL);
}

static void a_peer_that_asks_for_receipts_without_end_gets_a_thousand_a_second(void **state)
{
    enum { NAMES = 390, TIMES = 20 };
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    uint8_t inv[NAMES * (SLK_HASH_SIZE + SLK_KEY_ID_SIZE + 1)];
    struct world_client c;

    for (unsigned i = 0; i < w->n; i++)
        for (unsigned k = 0; k < w->n; k++)
            w->cut[i][k] = true;
    c = world_submit_event(w, 0, &life, SLK_ISSUE, SLK_STAGE_RECEIVED);
    assert_int_equal(c.answer.outcome, SLK_NODE_ACCEPTED);
    for (unsigned i = 0; i < NAMES; i++) {
        uint8_t *at = inv + (size_t)i * (SLK_HASH_SIZE + SLK_KEY_ID_SIZE + 1);

        memcpy(at, c.answer.id.b, SLK_HASH_SIZE);
        memcpy(at + SLK_HASH_SIZE, c.receipts[0].key_id, SLK_KEY_ID_SIZE);
        at[SLK_HASH_SIZE + SLK_KEY_ID_SIZE] = 1;
    }
    for (unsigned i = 0; i < TIMES; i++)
        assert_int_equal(slk_node_received(w->nodes[0].node, 1, SLK_FRAME_INV, slk_span_of(inv, sizeof(inv))),
            SLK_MESH_OK);
    slk_node_run(w->nodes[0].node);
    assert_int_equal(w->sent_n[SLK_FRAME_RECEIPT], 8); /* of 140 at most */
}

/* The mesh stops reading who says more than 10 INV in 400 ms of delta, and parts from him after a minute. */
static void names_leave_no_faster_than_peers_read(void **state)
{
    enum { MANY = 60 };
    struct node_world *w = *state;
    uint64_t begun = w->now_ms, delta = 50 /* node_world.c */, ms;

    for (uint32_t i = 0; i < MANY; i++) {
        struct fixture_life life = fixture_life(FIXTURE_CARD, i);

        assert_int_equal(
            world_submit_event(w, 0, &life, SLK_ISSUE, SLK_STAGE_SAFE).answer.outcome, SLK_NODE_ACCEPTED);
    }
    ms = w->now_ms - begun;
    assert_true(w->sent_n[SLK_FRAME_INV] > 0);
    assert_true(w->sent_n[SLK_FRAME_INV] <= 3 * (1 + 4 * ms / delta));
    assert_true(w->sent_n[SLK_FRAME_RECEIPT] <= 3 * (1 + 20 * ms / delta));
}

/* RECEIPT: name ‖ u64 height ‖ u16 agency ‖ u8 class ‖ signature, node_gossip.c */
static void print_receipt(struct slk_writer *w, const struct slk_receipt *receipt)
{
    slk_write_bytes(w, receipt->submission_id.b, SLK_HASH_SIZE);
    slk_write_bytes(w, receipt->key_id, SLK_KEY_ID_SIZE);
    slk_write_u64(w, receipt->tip_height);
    slk_write_u16(w, receipt->agency);
    slk_write_u8(w, (uint8_t)receipt->class);
    slk_write_bytes(w, receipt->sig, SLK_SIGNATURE_SIZE);
}

static void false_receipts_cost_ten_signatures_a_second_however_many_wait(void **state)
{
    enum { SIZE = SLK_HASH_SIZE + SLK_KEY_ID_SIZE + 11 + SLK_SIGNATURE_SIZE, MANY = 140, CLIENTS = 20 };
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct world_client first, waiting[CLIENTS] = {0};
    uint8_t bytes[MANY * SIZE];
    struct slk_writer out = {.at = bytes, .cap = sizeof(bytes)};
    struct slk_receipt receipt;
    struct slk_span submission;

    for (unsigned i = 0; i < w->n; i++)
        for (unsigned k = 0; k < w->n; k++)
            w->cut[i][k] = true;
    submission = world_event(w, &life, SLK_ISSUE);
    world_submit(w, 0, submission, SLK_STAGE_RECEIVED, &first);
    for (unsigned i = 0; i < CLIENTS; i++)
        (void)world_ask(w, 0, submission, SLK_STAGE_SAFE, &waiting[i]);
    assert_false(world_run(w, world_is_answered, &waiting[0], 1000));
    receipt = first.receipts[0];
    receipt.agency = 2;
    for (unsigned i = 0; i < MANY; i++)
        print_receipt(&out, &receipt); /* agency 1 signed it */
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(
            slk_node_received(w->nodes[0].node, 1, SLK_FRAME_RECEIPT, slk_span_of(bytes, out.size)),
            SLK_MESH_OK);
    assert_int_equal(world_status(w, 0).false_receipts_n, 10);
    assert_int_equal(waiting[0].answers_n, 0);
    world_submit(w, 1, submission, SLK_STAGE_RECEIVED, &first);
    fixture_free(submission);
    out.size = 0;
    print_receipt(&out, &first.receipts[0]);
    assert_int_equal(slk_node_received(w->nodes[0].node, 2, SLK_FRAME_RECEIPT, slk_span_of(bytes, out.size)),
        SLK_MESH_OK); /* another peer's count */
    slk_node_run(w->nodes[0].node);
    for (unsigned i = 0; i < CLIENTS; i++) {
        assert_int_equal(waiting[i].answers_n, 1);
        assert_int_equal(waiting[i].answer.stage, SLK_STAGE_SAFE);
        assert_int_equal(waiting[i].answer.receipts_n, 2);
    }
}

static void nobody_signs_a_receipt_that_nobody_reads(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct world_client c = world_submit_event(w, 0, &life, SLK_ISSUE, SLK_STAGE_FINAL);

    assert_int_equal(c.answer.stage, SLK_STAGE_FINAL);
    assert_int_equal(c.answer.receipts_n, 1); /* this node's own */
    assert_int_equal(c.receipts[0].agency, 1);
    world_settle(w, c.answer.height);
    assert_int_equal(w->sent_n[SLK_FRAME_RECEIPT], 0);
}

static void a_proof_of_any_node_verifies_against_the_policy_of_the_agencies(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct slk_policy *policy = fixture_policy(&w->f);
    struct world_client c = world_submit_event(w, 0, &life, SLK_ISSUE, SLK_STAGE_COSIGNED);

    assert_int_equal(c.answer.stage, SLK_STAGE_COSIGNED);
    c = world_submit_event(w, 3, &life, SLK_LOCK, SLK_STAGE_COSIGNED);
    world_settle(w, c.answer.height);
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

static void one_may_stop_and_catches_up_when_it_is_back(void **state)
{
    struct node_world *w = *state;
    uint64_t height = world_go_on(w, 0, 1, 3);

    world_settle(w, height);
    world_stop(w, 2);
    height = world_go_on(w, 1, 10, 12);
    assert_true(height >= 12);
    world_start(w, 2);
    world_settle(w, height);
    height = world_go_on(w, 2, 30, 2); /* and it is a member like any other */
    world_settle(w, height);
    assert_same_chain(w);
}

static void with_an_empty_directory_one_catches_up_from_the_charter(void **state)
{
    struct node_world *w = *state;
    uint64_t height = world_go_on(w, 0, 1, 40);

    world_settle(w, height);
    world_stop(w, 3);
    world_empty(w, 3);
    world_start(w, 3);
    assert_int_equal(world_status(w, 3).height, 0);
    world_settle(w, height);
    height = world_go_on(w, 3, 100, 1);
    world_settle(w, height);
    assert_true(world_status(w, 3).muted == false);
    assert_same_chain(w);
}

static void an_emptied_node_votes_again_where_it_is_needed(void **state)
{
    struct node_world *w = *state;
    struct slk_msg *msg = calloc(1, sizeof(*msg));
    struct slk_cert *cert = calloc(1, sizeof(*cert));
    struct slk_view_block block;
    uint8_t bytes[8192];
    uint64_t height;

    world_stop(w, 3); /* with three left each vote is needed, and each is in every certificate */
    height = world_go_on(w, 1, 1, 2);
    world_settle(w, height);
    world_stop(w, 0);
    world_empty(w, 0);
    world_start(w, 0);
    assert_true(msg != NULL && cert != NULL);
    assert_int_equal(slk_view_block(slk_node_ledger(w->nodes[1].node)->view, 1, &block), SLK_OK);
    assert_int_equal(slk_view_finality(slk_node_ledger(w->nodes[1].node)->view, 1, cert), SLK_OK);
    msg->kind = SLK_MSG_COMMIT; /* before anything else it meets its own old vote */
    msg->header = slk_span_of(block.header, SLK_BLOCK_HEADER_SIZE);
    msg->certs[msg->certs_n++] = cert;
    assert_int_equal(slk_node_received(w->nodes[0].node, 1, SLK_FRAME_COMMIT,
                         slk_span_of(bytes, slk_msg_format(bytes, sizeof(bytes), msg))),
        SLK_MESH_OK);
    assert_false(world_status(w, 0).muted);
    world_settle(w, height);
    height = world_go_on(w, 0, 10, 2);
    world_settle(w, height);
    assert_same_chain(w);
    free(cert);
    free(msg);
}

static void all_may_stop_and_nothing_that_was_promised_is_lost(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct world_client c;
    uint64_t height, first;

    for (unsigned i = 0; i < w->n; i++) /* it is promised, and nobody else hears of it */
        for (unsigned k = 0; k < w->n; k++)
            w->cut[i][k] = true;
    c = world_submit_event(w, 1, &life, SLK_ISSUE, SLK_STAGE_RECEIVED);
    assert_int_equal(c.answer.outcome, SLK_NODE_ACCEPTED);
    for (unsigned i = 0; i < w->n; i++)
        world_stop(w, i);
    memset(w->cut, 0, sizeof(w->cut));
    for (unsigned i = 0; i < w->n; i++)
        world_start(w, i);
    assert_int_equal(slk_node_find(w->nodes[1].node, &c.answer.id, &height, &first), SLK_NODE_WAITING);
    height = 1;
    world_settle(w, height);
    for (unsigned i = 0; i < w->n; i++)
        assert_int_equal(slk_node_find(w->nodes[i].node, &c.answer.id, &height, &first), SLK_NODE_FINAL);
    assert_same_chain(w);
}

/* How large the tree of the checkpoint on disk is, and how large the log. */
static void look_at_disk(const char *dir, uint64_t *signed_size, uint64_t *log_size)
{
    struct slk_store_options options = {.read_only = true};
    struct slk_store *store;
    struct slk_view *view;
    struct slk_tree_head head;
    struct slk_span note;
    struct slk_fault fault;
    char copy[320]; /* one process opens a directory once */

    snprintf(copy, sizeof(copy), "%s.copy", dir);
    shell("cp -r", dir, copy);
    if (slk_store_open(&store, copy, &options, &fault) != SLK_OK)
        fail_msg("%s", fault.text);
    assert_int_equal(slk_view_begin(&view, store), SLK_OK);
    *signed_size = slk_view_checkpoint(view, &head, &note) == SLK_OK ? head.tree_size : 0;
    *log_size = slk_view_tip(view)->log_size;
    slk_view_end(view);
    slk_store_close(store);
    shell("rm -r", copy, "");
}

/* The directory as a crash leaves it, right after all have cosigned: no other checkpoint of that size is ever signed. */
static void a_checkpoint_that_was_not_on_disk_yet_is_signed_again(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct world_client c = world_submit_event(w, 0, &life, SLK_ISSUE, SLK_STAGE_FINAL);
    uint64_t signed_size, log_size, none = 2;
    char crashed[320];

    world_settle(w, c.answer.height);
    snprintf(crashed, sizeof(crashed), "%s.crashed", w->nodes[3].dir);
    shell("cp -r", w->nodes[3].dir, crashed);
    look_at_disk(crashed, &signed_size, &log_size);
    assert_int_equal(log_size, 5); /* charter, seal; event, authorization, seal */
    assert_true(signed_size < log_size);
    assert_false(world_run(w, world_is_at, &none, 1000)); /* a quiet second later it is there */
    look_at_disk(w->nodes[3].dir, &signed_size, &log_size);
    assert_int_equal(signed_size, log_size);
    world_stop(w, 3);
    shell("rm -r", w->nodes[3].dir, "");
    shell("mv", crashed, w->nodes[3].dir);
    world_start(w, 3);
    w->nodes[3].cosigned = 0;
    world_settle(w, c.answer.height);
    assert_false(world_run(w, world_is_at, &none, 1000));
    assert_same_chain(w);
    look_at_disk(w->nodes[3].dir, &signed_size, &log_size);
    assert_int_equal(signed_size, log_size);
}

static void what_a_lost_message_left_out_a_fingerprint_finds(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct world_client c;
    uint64_t height = 1;

    for (unsigned k = 0; k < w->n; k++)
        w->cut[0][k] = w->cut[k][0] = true;
    c = world_submit_event(w, 0, &life, SLK_ISSUE, SLK_STAGE_RECEIVED);
    assert_int_equal(c.answer.outcome, SLK_NODE_ACCEPTED);
    memset(w->cut, 0, sizeof(w->cut));
    world_settle(w, height);
    assert_same_chain(w);
}

static void refusals_say_which_rule_and_where_the_credential_is(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1), old = life,
                        other = fixture_life(FIXTURE_PHONE, 2);
    struct slk_span bytes;
    struct world_client c;

    bytes = world_event(w, &life, SLK_ISSUE);
    world_submit(w, 0, bytes, SLK_STAGE_FINAL, &c);
    assert_int_equal(c.answer.outcome, SLK_NODE_ACCEPTED);
    world_settle(w, c.answer.height);

    world_submit(w, 3, bytes, SLK_STAGE_FINAL, &c); /* the same again, elsewhere */
    assert_int_equal(c.answer.outcome, SLK_NODE_DUPLICATE);
    assert_int_equal(c.answer.height, 1);
    assert_int_equal(c.answer.first_index, 2);
    fixture_free(bytes);

    w->f.now_ms += 1000; /* another event in the same place */
    bytes = fixture_single(&w->f, MINISTRY, &old, SLK_ISSUE);
    world_submit(w, 1, bytes, SLK_STAGE_RECEIVED, &c);
    fixture_free(bytes);
    assert_int_equal(c.answer.outcome, SLK_NODE_REFUSED);
    assert_int_equal(c.answer.verdict.rule, SLK_RULE_SEQUENCE);
    assert_true(c.answer.verdict.has_head);
    assert_int_equal(c.answer.verdict.head_sequence, 1);

    bytes = fixture_single(&w->f, STRANGER, &other, SLK_ISSUE);
    world_submit(w, 1, bytes, SLK_STAGE_RECEIVED, &c);
    fixture_free(bytes);
    assert_int_equal(c.answer.outcome, SLK_NODE_REFUSED);
    assert_int_equal(c.answer.verdict.rule, SLK_RULE_ISSUER_UNKNOWN);

    world_submit(w, 1, slk_span_of((const uint8_t *)"no submission", 13), SLK_STAGE_RECEIVED, &c);
    assert_int_equal(c.answer.outcome, SLK_NODE_MALFORMED);
    assert_int_equal(c.answer.err, SLK_E_MALFORMED);
}

static void an_operator_is_shown_what_happened(void **state)
{
    static struct slk_node_figures f;
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1), old = life;
    struct world_client c = world_submit_event(w, 0, &life, SLK_ISSUE, SLK_STAGE_FINAL);
    struct slk_span bytes;

    world_settle(w, c.answer.height);
    w->f.now_ms += 1000; /* another event in the same place */
    bytes = fixture_single(&w->f, MINISTRY, &old, SLK_ISSUE);
    world_submit(w, 0, bytes, SLK_STAGE_RECEIVED, &c);
    fixture_free(bytes);
    assert_int_equal(c.answer.verdict.rule, SLK_RULE_SEQUENCE);
    slk_node_figures(w->nodes[0].node, &f);
    assert_int_equal(f.refused[SLK_RULE_SEQUENCE], 1);
    assert_int_equal(f.receipts_given, 1);
    assert_int_equal(slk_histogram_count(&f.submission_finality), 1);
    assert_int_equal(slk_histogram_count(&f.block_finality), 1);
    assert_true(slk_histogram_count(&f.store.commits) > 3); /* the submission, two votes, the block */
    assert_int_equal(f.pool_bytes, 0);
    assert_int_equal(f.pool_oldest_ms, 0);
    assert_int_equal(f.credentials_n, 1);
    assert_int_equal(f.snapshot_behind, 1);
    assert_int_equal(f.charter_version, 1);
    assert_true(f.has_clock_offset && f.clock_offset_ms > -2000 && f.clock_offset_ms < 2000);
    assert_int_equal(f.members_n, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(f.members[i].is_up && f.members[i].votes);
        assert_int_equal(f.members[i].is_self, i == 0);
        assert_int_equal(f.members[i].cosigned_height, 1);
    }

    world_stop(w, 2); /* and what waits for a quorum grows old */
    world_stop(w, 3);
    life = fixture_life(FIXTURE_CARD, 2);
    c = world_submit_event(w, 0, &life, SLK_ISSUE, SLK_STAGE_RECEIVED);
    assert_false(world_run(w, world_is_at, &(uint64_t){3}, 30000));
    slk_node_figures(w->nodes[0].node, &f);
    assert_true(f.pool_bytes > 0);
    assert_true(f.pool_oldest_ms >= 29000 && f.pool_oldest_ms <= 40000);
    assert_false(f.members[2].is_up);
    assert_true(f.members[1].is_up);
}

static void rivals_for_one_place_end_as_one_event_everywhere(void **state)
{
    struct node_world *w = *state;
    struct fixture_life a = fixture_life(FIXTURE_CARD, 1), b = a;
    struct slk_span first, second;
    struct world_client c = {0}, d = {0};

    first = world_event(w, &a, SLK_ISSUE);
    w->f.now_ms += 1000;
    second = fixture_single(&w->f, MINISTRY, &b, SLK_ISSUE);
    (void)world_ask(w, 0, first, SLK_STAGE_FINAL, &c);
    (void)world_ask(w, 2, second, SLK_STAGE_FINAL, &d);
    assert_true(world_run(w, world_is_answered, &c, 60000));
    assert_true(world_run(w, world_is_answered, &d, 60000));
    assert_int_equal((c.answer.outcome == SLK_NODE_ACCEPTED) + (d.answer.outcome == SLK_NODE_ACCEPTED), 1);
    assert_int_equal((c.answer.outcome == SLK_NODE_OVERTAKEN) + (d.answer.outcome == SLK_NODE_OVERTAKEN), 1);
    world_settle(w, c.answer.outcome == SLK_NODE_ACCEPTED ? c.answer.height : d.answer.height);
    assert_same_chain(w);
    fixture_free(first);
    fixture_free(second);
}

static void a_large_submission_travels_in_parts(void **state)
{
    struct node_world *w = *state;
    struct fixture_batch batch = {0};
    struct slk_span bytes;
    struct world_client c;

    w->f.now_ms = FIXTURE_START_MS + w->now_ms;
    for (uint32_t i = 0; i < 2000; i++) {
        struct fixture_life life = fixture_life(FIXTURE_CARD, i);

        fixture_add(&batch, &life, SLK_ISSUE, w->f.now_ms);
    }
    bytes = fixture_sign(&w->f, MINISTRY, &batch);
    assert_true(bytes.size > 3 * SLK_CHUNK_BYTES);
    world_submit(w, 1, bytes, SLK_STAGE_SAFE, &c);
    assert_int_equal(c.answer.outcome, SLK_NODE_ACCEPTED);
    world_settle(w, 1);
    assert_int_equal(world_status(w, 0).events_n, 2000);
    assert_same_chain(w);
    fixture_batch_free(&batch);
    fixture_free(bytes);
}

/* A large one may become final between two of its parts; whoever asks for the rest is told, not cut off for a false answer. */
static void what_is_gone_between_two_parts_is_answered_so_that_it_reads(void **state)
{
    struct node_world *w = *state;
    uint8_t want[4 + SLK_HASH_SIZE + SLK_KEY_ID_SIZE] = {0, 0, 0x80, 0, 1, 2, 3};
    static const uint8_t gone[12]; /* of no size, at no offset, no bytes */
    const struct world_packet *answer;

    want[sizeof(want) - 1] = 1; /* zeros would be a charter change */
    assert_int_equal(
        slk_node_received(w->nodes[0].node, 1, SLK_FRAME_WANT, slk_span_of(want, sizeof(want))), SLK_MESH_OK);
    answer = &w->packets[w->packets_n - 1];
    assert_int_equal(answer->type, SLK_FRAME_EVENTS);
    assert_int_equal(answer->size, sizeof(want) - 4 + sizeof(gone));
    assert_memory_equal(answer->bytes, want + 4, sizeof(want) - 4);
    assert_memory_equal(answer->bytes + sizeof(want) - 4, gone, sizeof(gone));
}

static void many_at_once_go_into_few_blocks(void **state)
{
    enum { MANY = 300 };
    static struct world_client clients[MANY];
    struct node_world *w = *state;
    uint64_t height = 0;

    w->f.now_ms = FIXTURE_START_MS + w->now_ms;
    memset(clients, 0, sizeof(clients));
    for (uint32_t i = 0; i < MANY; i++) {
        struct fixture_life life = fixture_life(FIXTURE_CARD, i);
        struct slk_span bytes = fixture_single(&w->f, MINISTRY, &life, SLK_ISSUE);

        (void)world_ask(w, i % 4, bytes, SLK_STAGE_COSIGNED, &clients[i]);
        fixture_free(bytes);
    }
    for (unsigned i = 0; i < MANY; i++) {
        assert_true(clients[i].answers_n > 0 || world_run(w, world_is_answered, &clients[i], 60000));
        assert_int_equal(clients[i].answer.outcome, SLK_NODE_ACCEPTED);
        assert_int_equal(clients[i].answer.stage, SLK_STAGE_COSIGNED);
        height = clients[i].answer.height > height ? clients[i].answer.height : height;
    }
    assert_true(height <= 12);
    world_settle(w, height);
    assert_same_chain(w);
}

static void who_was_forgotten_is_not_called(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct slk_span bytes;
    struct world_client c = {0};
    uint64_t height = 1;

    bytes = world_event(w, &life, SLK_ISSUE);
    slk_node_forget(w->nodes[0].node, world_ask(w, 0, bytes, SLK_STAGE_FINAL, &c));
    world_settle(w, height);
    assert_int_equal(c.answers_n, 0);
    assert_int_equal(world_status(w, 0).waiting_n, 0);
    fixture_free(bytes);
}

static void who_waits_when_a_node_stops_is_told(void **state)
{
    struct node_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct slk_span bytes;
    struct world_client c = {0};

    bytes = world_event(w, &life, SLK_ISSUE);
    (void)world_ask(w, 0, bytes, SLK_STAGE_FINAL, &c);
    world_stop(w, 0);
    assert_int_equal(c.answers_n, 1);
    assert_int_equal(c.answer.outcome, SLK_NODE_STOPPING);
    fixture_free(bytes);
}

static void garbage_is_called_bad_and_changes_nothing(void **state)
{
    struct node_world *w = *state;
    uint8_t bytes[100];
    uint64_t height = world_go_on(w, 0, 1, 1);

    world_settle(w, height);
    memset(bytes, 0x55, sizeof(bytes));
    for (unsigned type = 1; type < SLK_FRAME_TYPE_N; type++) {
        enum slk_mesh_verdict v =
            slk_node_received(w->nodes[0].node, 2, (enum slk_frame_type)type, slk_span_of(bytes, 99));

        assert_true(v == SLK_MESH_BAD || (type == SLK_FRAME_EVENTS && v == SLK_MESH_USELESS));
    }
    height = world_go_on(w, 0, 10, 2);
    world_settle(w, height);
    assert_same_chain(w);
}

static void an_idle_chain_gets_fresh_signatures_and_a_heartbeat(void **state)
{
    struct node_world *w = *state;
    uint64_t height = world_go_on(w, 0, 1, 1), before, age;

    world_settle(w, height);
    before = world_status(w, 1).height;
    height = before + 2;
    assert_true(world_run(w, world_is_cosigned, &height, 300000)); /* heartbeat_s is 60 */
    age = FIXTURE_START_MS + 1000 + w->now_ms - world_status(w, 1).cosigned_time_ms;
    assert_true(age < 1000);
    assert_same_chain(w);
}

static void a_quorum_that_fell_silent_grows_old_whoever_signs_again(void **state)
{
    struct node_world *w = *state;
    uint64_t height = world_go_on(w, 0, 1, 1);
    const uint64_t minutes_4 = 240000; /* each signs again every minute */

    world_settle(w, height);
    for (unsigned i = 0; i < 4; i++)
        for (unsigned k = 0; k < 4; k++)
            w->cut[i][k] = i / 2 != k / 2;
    assert_false(world_run(w, world_never, NULL, minutes_4));
    for (unsigned i = 0; i < 4; i++) {
        uint64_t at = world_status(w, i).cosigned_time_ms;

        assert_true(FIXTURE_START_MS + 1000 + w->now_ms - at > minutes_4 - 61000);
    }
    memset(w->cut, 0, sizeof(w->cut));
    assert_false(world_run(w, world_never, NULL, 120000));
    assert_true(FIXTURE_START_MS + 1000 + w->now_ms - world_status(w, 0).cosigned_time_ms < 61000);
    assert_same_chain(w);
}

/* Member 3's checkpoint of the tip, with another root; its cosignature of it when it is signed. */
static struct slk_span false_note(struct node_world *w, bool is_signed, uint8_t *out, size_t cap)
{
    const struct slk_member *m = &w->f.charter->members[3];
    struct slk_span note = slk_node_checkpoint(w->nodes[3].node);
    struct slk_writer writer = {.at = out, .cap = cap};
    char text[SLK_CHECKPOINT_TEXT_MAX];
    struct slk_checkpoint checkpoint;
    struct slk_note parsed;
    struct signer signer;
    size_t n;

    assert_int_equal(slk_note_parse(&parsed, (const char *)note.at, note.size), SLK_OK);
    assert_int_equal(slk_checkpoint_parse(&checkpoint, parsed.text), SLK_OK);
    checkpoint.head.root_hash.b[0] ^= 1;
    n = slk_checkpoint_format(text, &checkpoint);
    slk_write_bytes(&writer, text, n);
    if (is_signed) {
        slk_write_bytes(&writer, "\n", 1);
        assert_int_equal(slk_vkey_init(&signer.vkey, m->name, SLK_SIG_COSIGNATURE_V1, m->cosign_key), SLK_OK);
        memcpy(signer.seed, slk_key_seed(w->nodes[3].cosign), sizeof(signer.seed));
        signer_add_line(&writer, &signer, FIXTURE_START_MS / 1000, slk_span_of(text, n));
    } else {
        slk_write_bytes(&writer, note.at + n, note.size - n); /* signatures of the true one */
    }
    assert_false(writer.bad);
    return slk_span_of(writer.at, writer.size);
}

static void another_root_is_a_fork_when_it_is_signed(void **state)
{
    struct node_world *w = *state;
    uint64_t height = world_go_on(w, 0, 1, 1);
    uint8_t bytes[4096];

    world_settle(w, height);
    assert_int_equal(
        slk_node_received(w->nodes[0].node, 3, SLK_FRAME_COSIG, false_note(w, false, bytes, 4096)),
        SLK_MESH_BAD);
    assert_string_equal(world_status(w, 0).alarm, "");
    assert_int_equal(
        slk_node_received(w->nodes[0].node, 3, SLK_FRAME_COSIG, false_note(w, true, bytes, 4096)),
        SLK_MESH_BAD);
    assert_string_equal(world_status(w, 0).alarm, "FORK");
    world_go_on(w, 1, 2, 1); /* an alarm stops nobody: the chain is what a quorum says */
}

/* The charter with another timer, approved by three of four, from `activation` on. */
static struct slk_span make_change(struct node_world *w, uint64_t activation)
{
    const struct slk_key *const signers[] = {w->nodes[0].vote, w->nodes[1].vote, w->nodes[2].vote};
    struct slk_charter *next = world_successor(w);

    next->fresh_s = 120;
    return world_change(w, next, activation, signers, 3);
}

static void a_charter_change_given_to_one_governs_all(void **state)
{
    struct node_world *w = *state;
    uint64_t height = world_go_on(w, 0, 1, 1);
    struct slk_span entry = make_change(w, height + 4);
    struct slk_fault fault;

    world_settle(w, height);
    assert_int_equal(slk_node_change(w->nodes[1].node, slk_span_of(entry.at, entry.size - 1), &fault),
        SLK_CHANGE_MALFORMED);
    assert_int_equal(slk_node_change(w->nodes[1].node, entry, &fault), SLK_CHANGE_OK);
    height++;
    assert_true(
        world_run(w, world_is_at, &height, 5000)); /* an idle chain wakes for it, long before its heartbeat */
    height = world_go_on(w, 0, 10, 5);
    world_settle(w, height);
    for (unsigned i = 0; i < w->n; i++) {
        assert_int_equal(slk_ledger_charter(slk_node_ledger(w->nodes[i].node))->version, 2);
        assert_int_equal(slk_ledger_charter(slk_node_ledger(w->nodes[i].node))->fresh_s, 120);
    }
    assert_same_chain(w);
    assert_int_equal(slk_node_change(w->nodes[2].node, entry, &fault), SLK_CHANGE_VERSION);
    world_stop(w, 3); /* who was away, or starts from nothing, learns of it from the blocks */
    world_empty(w, 3);
    world_start(w, 3);
    world_settle(w, height);
    assert_same_chain(w);
    free((void *)(uintptr_t)entry.at);
}

static void a_bad_change_does_not_hide_the_good_one_that_waits(void **state)
{
    struct node_world *w = *state;
    uint64_t height = world_go_on(w, 0, 1, 1);
    struct slk_span entry = make_change(w, height + 4);
    struct slk_fault fault;

    world_settle(w, height);
    for (unsigned i = 1; i < 4; i++)
        world_stop(w, i);
    assert_int_equal(slk_node_change(w->nodes[0].node, entry, &fault), SLK_CHANGE_OK);
    assert_int_equal(slk_node_change(w->nodes[0].node, slk_span_of(entry.at, entry.size - 1), &fault),
        SLK_CHANGE_MALFORMED);
    world_start(w, 1);
    (void)world_run(w, world_is_at, &(uint64_t){height + 1}, 2000); /* two are no quorum: time to tell */
    world_stop(w, 0);
    world_start(w, 2);
    world_start(w, 3);
    height = world_go_on(w, 1, 10, 5);
    world_settle(w, height);
    assert_int_equal(slk_ledger_charter(slk_node_ledger(w->nodes[3].node))->version, 2);
    free((void *)(uintptr_t)entry.at);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_submission_given_to_one_is_final_on_all),
        TEST(a_receipt_is_a_promise_that_anybody_can_check),
        TEST(safe_is_the_promise_of_two_of_four),
        TEST(safe_comes_without_a_quorum),
        TEST(who_waits_for_safe_later_gets_the_promises_of_the_others),
        TEST(names_leave_no_faster_than_peers_read),
        TEST(nobody_signs_a_receipt_that_nobody_reads),
        TEST(a_peer_that_asks_for_receipts_without_end_gets_a_thousand_a_second),
        TEST(false_receipts_cost_ten_signatures_a_second_however_many_wait),
        TEST(a_proof_of_any_node_verifies_against_the_policy_of_the_agencies),
        TEST(one_may_stop_and_catches_up_when_it_is_back),
        TEST(with_an_empty_directory_one_catches_up_from_the_charter),
        TEST(an_emptied_node_votes_again_where_it_is_needed),
        TEST(all_may_stop_and_nothing_that_was_promised_is_lost),
        TEST(a_checkpoint_that_was_not_on_disk_yet_is_signed_again),
        TEST(what_a_lost_message_left_out_a_fingerprint_finds),
        TEST(refusals_say_which_rule_and_where_the_credential_is),
        TEST(an_operator_is_shown_what_happened),
        TEST(rivals_for_one_place_end_as_one_event_everywhere),
        TEST(a_large_submission_travels_in_parts),
        TEST(what_is_gone_between_two_parts_is_answered_so_that_it_reads),
        TEST(many_at_once_go_into_few_blocks),
        TEST(who_was_forgotten_is_not_called),
        TEST(who_waits_when_a_node_stops_is_told),
        TEST(garbage_is_called_bad_and_changes_nothing),
        TEST(a_charter_change_given_to_one_governs_all),
        TEST(a_bad_change_does_not_hide_the_good_one_that_waits),
        TEST(an_idle_chain_gets_fresh_signatures_and_a_heartbeat),
        TEST(a_quorum_that_fell_silent_grows_old_whoever_signs_again),
        TEST(another_root_is_a_fork_when_it_is_signed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
