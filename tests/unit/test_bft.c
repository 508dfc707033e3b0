/* test_bft.c: the consensus core, step by step. The attacks are in tests/sim; here is what one input may cause. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger/core/bft.h"

static struct slk_bft *core;
static struct slk_bft_effects *out;
static struct slk_bft_tip tip;
static uint64_t now;

/* A good signature is one whose first byte is its signer's. */
static bool verify(void *ctx, const uint8_t sig[SLK_SIGNATURE_SIZE], const uint8_t *message, size_t size,
    const uint8_t key[SLK_KEY_SIZE])
{
    (void)ctx;
    (void)message;
    return size == SLK_VOTE_BYTES && sig[0] == key[0];
}

static void step(struct slk_bft_input in)
{
    in.now_ms = now;
    in.wall_ms = 1000000 + now;
    slk_bft_step(core, &in, out);
}

static const struct slk_bft_effect *find(enum slk_bft_effect_kind kind)
{
    for (size_t i = 0; i < out->n; i++)
        if (out->at[i].kind == kind)
            return &out->at[i];
    return NULL;
}

static const struct slk_msg *sent(enum slk_msg_kind kind)
{
    for (size_t i = 0; i < out->n; i++)
        if (out->at[i].kind == SLK_OUT_SEND && out->at[i].msg->kind == kind)
            return out->at[i].msg;
    return NULL;
}

static void boot(size_t n, uint16_t me, const struct slk_bft_record *records, size_t records_n)
{
    struct slk_bft_config config;
    struct slk_bft_input at = {.kind = SLK_IN_TICK, .now_ms = now, .wall_ms = 1000000 + now};

    slk_bft_free(core);
    slk_bft_config_default(&config, 100);
    config.verifier.verify = verify;
    config.heartbeat_ms = 0;
    core = slk_bft_new(&config);
    out = out != NULL ? out : calloc(1, sizeof(*out));
    assert_non_null(core);
    assert_non_null(out);
    memset(&tip, 0, sizeof(tip));
    tip.height = 4; /* the leader of (5, 1) is member 5 mod n */
    tip.time_ms = 1000;
    tip.me = me;
    tip.hash.b[0] = 0x44;
    tip.council.n = n;
    for (size_t i = 0; i < n; i++)
        tip.council.keys[i][0] = (uint8_t)(i + 1);
    slk_bft_start(core, &tip, records, records_n, &at, out);
}

static int clean(void **state)
{
    (void)state;
    slk_bft_free(core);
    core = NULL;
    now = 0;
    return 0;
}

static int clean_all(void **state)
{
    (void)clean(state);
    free(out);
    return 0;
}

static void make_header(
    uint8_t bytes[SLK_BLOCK_HEADER_SIZE], uint16_t proposer, uint32_t view, struct slk_hash *hash)
{
    struct slk_block_header h = {
        .version = SLK_BLOCK_VERSION, .height = 5, .time_ms = 1000100, .log_size = 9};

    h.previous = tip.hash;
    h.proposer = proposer;
    h.origin_view = view;
    slk_block_header_format(bytes, &h);
    slk_block_hash(hash, bytes);
}

static struct slk_vote vote(
    enum slk_vote_kind kind, uint16_t signer, uint32_t view, const struct slk_hash *hash)
{
    struct slk_vote v = {.statement = {.kind = kind, .height = 5, .view = view}, .signer = signer};

    if (hash != NULL)
        v.statement.hash = *hash;
    v.sig[0] = (uint8_t)(signer + 1);
    return v;
}

static void hear(uint16_t peer, const struct slk_vote *v)
{
    struct slk_msg *msg = calloc(1, sizeof(*msg));

    assert_non_null(msg);
    msg->kind = SLK_MSG_VOTE;
    msg->vote = *v;
    step((struct slk_bft_input){.kind = SLK_IN_MSG, .peer = peer, .msg = msg});
    free(msg);
}

static void hear_status(uint16_t peer)
{
    struct slk_msg *msg = calloc(1, sizeof(*msg));

    assert_non_null(msg);
    msg->kind = SLK_MSG_STATUS;
    msg->status.height = 5;
    msg->status.view = 1;
    msg->status.seq = 7;
    step((struct slk_bft_input){.kind = SLK_IN_MSG, .peer = peer, .msg = msg});
    free(msg);
}

static void hear_proposal(uint16_t leader, uint32_t view, const uint8_t *header, const struct slk_hash *hash)
{
    struct slk_msg *msg = calloc(1, sizeof(*msg));

    assert_non_null(msg);
    msg->kind = SLK_MSG_PROPOSAL;
    msg->vote = vote(SLK_VOTE_PROPOSE, leader, view, hash);
    msg->header = slk_span_of(header, SLK_BLOCK_HEADER_SIZE);
    msg->hash = *hash;
    step((struct slk_bft_input){.kind = SLK_IN_MSG, .peer = leader, .msg = msg});
    free(msg);
}

/* Plays the disk and the signer until the core asks for neither. */
static unsigned save_and_sign(uint16_t me)
{
    unsigned signed_n = 0;

    for (;;) {
        const struct slk_bft_effect *e = find(SLK_OUT_PERSIST);
        struct slk_statement asked[8];
        size_t n = 0;

        if (e == NULL)
            return signed_n;
        assert_null(find(SLK_OUT_SIGN)); /* not before it is durable */
        step((struct slk_bft_input){.kind = SLK_IN_PERSISTED, .seq = e->seq});
        for (size_t i = 0; i < out->n && n < 8; i++)
            if (out->at[i].kind == SLK_OUT_SIGN)
                asked[n++] = out->at[i].statement;
        for (size_t i = 0; i < n; i++) {
            struct slk_vote v = {.statement = asked[i], .signer = me};

            v.sig[0] = (uint8_t)(me + 1);
            step((struct slk_bft_input){.kind = SLK_IN_SIGNED, .vote = &v});
            signed_n++;
        }
    }
}

static void one_member_commits_only_through_its_disk(void **state)
{
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct slk_hash hash;
    const struct slk_bft_effect *e;

    (void)state;
    boot(1, 0, NULL, 0);
    now = 1000;
    step((struct slk_bft_input){.kind = SLK_IN_POOL, .pool_count = 1, .pool_urgent = true});
    e = find(SLK_OUT_BUILD);
    assert_non_null(e);
    assert_int_equal(e->height, 5);
    make_header(header, 0, 1, &hash);
    step((struct slk_bft_input){.kind = SLK_IN_BUILT, .height = 5, .view = 1, .header = header});
    e = find(SLK_OUT_PERSIST);
    assert_non_null(e);
    assert_int_equal(e->n, 3); /* PROPOSE, the block, NOTARIZE */
    assert_null(find(SLK_OUT_COMMIT));
    assert_int_equal(save_and_sign(0), 3); /* and FINALIZE */
    e = find(SLK_OUT_COMMIT);
    assert_non_null(e);
    assert_memory_equal(e->hash.b, hash.b, SLK_HASH_SIZE);
    assert_null(find(SLK_OUT_COSIGN));
    tip.height = 5;
    tip.hash = hash;
    tip.time_ms = 1000100;
    step((struct slk_bft_input){.kind = SLK_IN_COMMITTED, .tip = &tip});
    assert_non_null(find(SLK_OUT_COSIGN));
}

static void nothing_is_signed_before_it_is_durable(void **state)
{
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct slk_hash hash;
    const struct slk_bft_effect *e;

    (void)state;
    boot(4, 0, NULL, 0);
    hear_status(1);
    hear_status(2); /* q - 1 = 2 were heard: it may vote */
    make_header(header, 1, 1, &hash);
    hear_proposal(1, 1, header, &hash);
    assert_non_null(find(SLK_OUT_BODY));
    e = find(SLK_OUT_VALIDATE);
    assert_non_null(e);
    step((struct slk_bft_input){.kind = SLK_IN_VALIDATED, .hash = hash, .verdict = SLK_BLOCK_VALID});
    e = find(SLK_OUT_PERSIST);
    assert_non_null(e);
    assert_null(find(SLK_OUT_SIGN));
    assert_null(sent(SLK_MSG_VOTE));
    step((struct slk_bft_input){.kind = SLK_IN_PERSISTED, .seq = e->seq});
    e = find(SLK_OUT_SIGN);
    assert_non_null(e);
    assert_int_equal(e->statement.kind, SLK_VOTE_NOTARIZE);
    assert_null(sent(SLK_MSG_VOTE));
}

static void a_node_waits_for_what_others_remember(void **state)
{
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct slk_hash hash;

    (void)state;
    boot(4, 0, NULL, 0);
    make_header(header, 1, 1, &hash);
    hear_proposal(1, 1, header, &hash);
    step((struct slk_bft_input){.kind = SLK_IN_VALIDATED, .hash = hash, .verdict = SLK_BLOCK_VALID});
    assert_null(find(SLK_OUT_PERSIST));
    hear_status(1);
    assert_null(find(SLK_OUT_PERSIST));
    hear_status(2);
    assert_non_null(find(SLK_OUT_PERSIST));
}

static void a_vote_of_mine_that_i_do_not_know_ends_my_signing(void **state)
{
    struct slk_hash hash = {{7}};
    struct slk_vote v = vote(SLK_VOTE_NOTARIZE, 0, 1, &hash);

    (void)state;
    boot(4, 0, NULL, 0);
    hear(2, &v);
    assert_non_null(find(SLK_OUT_ALARM));
    assert_int_equal(find(SLK_OUT_ALARM)->alarm, SLK_ALARM_AMNESIA);
    assert_int_equal(out->records[0].kind, SLK_RECORD_MUTED);
    now = 100000;
    step((struct slk_bft_input){.kind = SLK_IN_POOL, .pool_count = 1});
    now = 200000;
    step((struct slk_bft_input){.kind = SLK_IN_TICK});
    assert_null(find(SLK_OUT_PERSIST)); /* not even NULLIFY */
}

static void no_finalize_after_nullify_across_a_restart(void **state)
{
    struct slk_hash hash;
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct slk_bft_record record = {
        .kind = SLK_RECORD_VOTE, .vote = {.kind = SLK_VOTE_NULLIFY, .height = 5, .view = 1}};

    (void)state;
    boot(4, 0, &record, 1);
    assert_non_null(find(SLK_OUT_SIGN)); /* the old vote, again */
    hear_status(1);
    hear_status(2);
    make_header(header, 1, 1, &hash);
    hear_proposal(1, 1, header, &hash);
    step((struct slk_bft_input){.kind = SLK_IN_VALIDATED, .hash = hash, .verdict = SLK_BLOCK_VALID});
    for (uint16_t i = 1; i < 4; i++) {
        struct slk_vote v = vote(SLK_VOTE_NOTARIZE, i, 1, &hash);

        hear(i, &v);
    }
    for (size_t i = 0; i < out->records_n; i++)
        assert_false(
            out->records[i].kind == SLK_RECORD_VOTE && out->records[i].vote.kind == SLK_VOTE_FINALIZE);
    assert_false(slk_bft_recorded(core, SLK_VOTE_FINALIZE, 1, &hash));
}

static void contradicting_votes_become_evidence_once(void **state)
{
    struct slk_hash a = {{1}}, b = {{2}};
    struct slk_vote first = vote(SLK_VOTE_NOTARIZE, 2, 1, &a), second = vote(SLK_VOTE_NOTARIZE, 2, 1, &b);

    (void)state;
    boot(4, 0, NULL, 0);
    hear(2, &first);
    assert_null(find(SLK_OUT_EVIDENCE));
    hear(3, &second);
    assert_non_null(find(SLK_OUT_EVIDENCE));
    hear(1, &second);
    assert_null(find(SLK_OUT_EVIDENCE));
}

static void false_signatures_and_observers_change_nothing(void **state)
{
    struct slk_hash a = {{1}};
    struct slk_vote v = vote(SLK_VOTE_NOTARIZE, 2, 1, &a);
    struct slk_bft_view_of look;

    (void)state;
    boot(4, 0, NULL, 0);
    hear(9, &v); /* an observer relays */
    v.sig[0] = 99;
    hear(2, &v);
    assert_non_null(find(SLK_OUT_CHARGE));
    slk_bft_look(core, &look);
    assert_int_equal(look.dropped, 2);
    assert_false(look.armed);
}

static void an_idle_node_runs_no_view_timer(void **state)
{
    struct slk_vote v = vote(SLK_VOTE_NULLIFY, 2, 1, NULL);
    struct slk_bft_view_of look;

    (void)state;
    boot(4, 0, NULL, 0);
    hear_status(1);
    hear_status(2);
    hear(2, &v); /* one of four: at most a liar */
    for (int i = 0; i < 100; i++) {
        now += 60000;
        step((struct slk_bft_input){.kind = SLK_IN_TICK});
        assert_null(find(SLK_OUT_PERSIST));
    }
    slk_bft_look(core, &look);
    assert_int_equal(look.view, 1);
    step((struct slk_bft_input){.kind = SLK_IN_POOL, .pool_count = 1});
    now += 60000;
    step((struct slk_bft_input){.kind = SLK_IN_TICK});
    assert_non_null(find(SLK_OUT_PERSIST)); /* NULLIFY: the leader is silent while there is work */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(one_member_commits_only_through_its_disk, clean),
        cmocka_unit_test_teardown(nothing_is_signed_before_it_is_durable, clean),
        cmocka_unit_test_teardown(a_node_waits_for_what_others_remember, clean),
        cmocka_unit_test_teardown(a_vote_of_mine_that_i_do_not_know_ends_my_signing, clean),
        cmocka_unit_test_teardown(no_finalize_after_nullify_across_a_restart, clean),
        cmocka_unit_test_teardown(contradicting_votes_become_evidence_once, clean),
        cmocka_unit_test_teardown(false_signatures_and_observers_change_nothing, clean),
        cmocka_unit_test_teardown(an_idle_node_runs_no_view_timer, clean),
    };

    return cmocka_run_group_tests_name("bft", tests, NULL, clean_all);
}
