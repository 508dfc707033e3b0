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
static uint64_t tip_ms = 1000; /* the tip's time */

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
    tip.time_ms = tip_ms;
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
    tip_ms = 1000;
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

/* ---- what an attacker found ---- */

static void hear_msg(uint16_t peer, struct slk_msg *msg)
{
    step((struct slk_bft_input){.kind = SLK_IN_MSG, .peer = peer, .msg = msg});
}

static struct slk_msg *new_msg(enum slk_msg_kind kind)
{
    struct slk_msg *msg = calloc(1, sizeof(*msg));

    assert_non_null(msg);
    msg->kind = kind;
    return msg;
}

static struct slk_cert cert(
    enum slk_vote_kind kind, uint32_t view, const struct slk_hash *hash, uint64_t signers)
{
    struct slk_cert c = {.kind = kind, .height = 5, .view = view, .bitmap_bytes = 1, .signers = signers};
    size_t used = 0;

    if (hash != NULL)
        c.hash = *hash;
    for (unsigned i = 0; i < 8; i++)
        if ((signers >> i & 1) != 0)
            c.sigs[used++][0] = (uint8_t)(i + 1);
    return c;
}

static void hear_commit(uint16_t peer, const uint8_t *header, const struct slk_hash *hash, uint32_t view)
{
    struct slk_cert final = cert(SLK_VOTE_FINALIZE, view, hash, 0xe);
    struct slk_msg *msg = new_msg(SLK_MSG_COMMIT);

    msg->header = slk_span_of(header, SLK_BLOCK_HEADER_SIZE);
    msg->hash = *hash;
    msg->certs[0] = &final;
    msg->certs_n = 1;
    hear_msg(peer, msg);
    free(msg);
}

/* Whom the last step asks for this; SLK_BFT_NOBODY: nobody. */
static uint16_t asked_of(enum slk_get_what what)
{
    for (size_t i = 0; i < out->n; i++)
        if (out->at[i].kind == SLK_OUT_SEND && out->at[i].msg->kind == SLK_MSG_GET &&
            out->at[i].msg->get.what == what)
            return out->at[i].peer;
    return SLK_BFT_NOBODY;
}

static uint16_t wait_until_asked(enum slk_get_what what)
{
    for (unsigned i = 0; i < 400; i++) {
        if (asked_of(what) != SLK_BFT_NOBODY)
            return asked_of(what);
        now += 100;
        step((struct slk_bft_input){.kind = SLK_IN_TICK});
    }
    return SLK_BFT_NOBODY;
}

/* One member says to remember a vote that nobody can show, and answers with a false body for ever: the others are asked. */
static void whoever_has_failed_is_asked_again_when_all_have(void **state)
{
    uint8_t header[SLK_BLOCK_HEADER_SIZE], body[100] = {9};
    struct slk_msg *data = new_msg(SLK_MSG_DATA), *lie = new_msg(SLK_MSG_STATUS);
    struct slk_block_header fields;
    struct slk_hash hash;
    uint64_t asked = 0;

    (void)state;
    boot(4, 0, NULL, 0);
    lie->status = (struct slk_status){
        .height = 5, .view = 1, .seq = 7, .your_height = 5, .your_view = 9, .your_kind = SLK_VOTE_FINALIZE};
    hear_msg(1, lie);
    for (now = 100; now < 30000; now += 100)
        step((struct slk_bft_input){.kind = SLK_IN_TICK});
    make_header(header, 1, 1, &hash);
    assert_int_equal(slk_block_header_parse(&fields, header), SLK_OK);
    fields.body_bytes = sizeof(body);
    slk_block_header_format(header, &fields);
    slk_block_hash(&hash, header);
    hear_commit(2, header, &hash, 1);
    assert_non_null(find(SLK_OUT_VALIDATE));
    step((struct slk_bft_input){.kind = SLK_IN_VALIDATED, .hash = hash, .verdict = SLK_BLOCK_MISSING});
    for (unsigned i = 0; i < 6; i++) {
        uint16_t peer = wait_until_asked(SLK_GET_BODY);

        assert_in_range(peer, 1, 3);
        asked |= 1ull << peer;
        data->header = slk_span_of(header, sizeof(header));
        data->hash = hash;
        data->body = slk_span_of(body, sizeof(body));
        data->body_size = sizeof(body);
        hear_msg(peer, data);
        assert_non_null(find(SLK_OUT_BODY));
        assert_non_null(find(SLK_OUT_VALIDATE));
        step((struct slk_bft_input){.kind = SLK_IN_VALIDATED, .hash = hash, .verdict = SLK_BLOCK_MISSING});
    }
    assert_int_equal(asked, 0xe);
    free(data);
    free(lie);
}

/* Every view up to `last` nullified, as the store gives it back. */
static void boot_nullified(uint32_t first, uint32_t last, const struct slk_cert *more)
{
    static struct slk_cert certs[SLK_BFT_VIEWS];
    static struct slk_bft_record records[SLK_BFT_VIEWS];
    size_t n = 0;

    for (uint32_t w = first; w <= last; w++) {
        certs[n] = cert(SLK_VOTE_NULLIFY, w, NULL, 0xe);
        records[n] = (struct slk_bft_record){.kind = SLK_RECORD_CERT, .cert = &certs[n]};
        n++;
    }
    if (more != NULL)
        records[n++] = (struct slk_bft_record){.kind = SLK_RECORD_CERT, .cert = more};
    boot(4, 0, records, n);
}

static const struct slk_get *question(enum slk_get_what what)
{
    for (size_t i = 0; i < out->n; i++)
        if (out->at[i].kind == SLK_OUT_SEND && out->at[i].msg->kind == SLK_MSG_GET &&
            out->at[i].msg->get.what == what)
            return &out->at[i].msg->get;
    return NULL;
}

/* A proposal shows 32 certificates; what is below is asked for: the notarization that it carries, or the nullification of a view that was
 * notarized here. */
static void what_a_proposal_rests_on_is_asked_for(void **state)
{
    enum { LAST = 40 };
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct slk_hash hash;
    struct slk_cert n, k = cert(SLK_VOTE_NULLIFY, 1, NULL, 0xe);
    struct slk_msg *msg = new_msg(SLK_MSG_PROPOSAL), *get = new_msg(SLK_MSG_GET);

    (void)state;
    boot_nullified(1, LAST, NULL); /* the leader of (5, 41) is member 1 */
    make_header(header, 1, 1, &hash);
    msg->vote = vote(SLK_VOTE_PROPOSE, 1, LAST + 1, &hash);
    msg->vote.statement.aux = 1;
    msg->header = slk_span_of(header, sizeof(header));
    msg->hash = hash;
    hear_msg(1, msg);
    assert_non_null(question(SLK_GET_JUST));
    assert_int_equal(question(SLK_GET_JUST)->view, 2);

    n = cert(SLK_VOTE_NOTARIZE, 1, &hash, 0xe);
    boot_nullified(2, LAST, &n);
    assert_null(question(SLK_GET_JUST)); /* its own justification is complete */
    make_header(header, 1, LAST + 1, &hash);
    msg->vote = vote(SLK_VOTE_PROPOSE, 1, LAST + 1, &hash);
    msg->hash = hash;
    hear_msg(1, msg);
    assert_non_null(question(SLK_GET_JUST));
    assert_int_equal(question(SLK_GET_JUST)->view, 2);

    msg->kind = SLK_MSG_CERT; /* who holds both shows both */
    msg->certs[0] = &k;
    msg->certs_n = 1;
    msg->height = 5;
    hear_msg(1, msg);
    assert_null(question(SLK_GET_JUST));
    get->get = (struct slk_get){.what = SLK_GET_JUST, .height = 5, .view = 2};
    hear_msg(3, get);
    assert_non_null(sent(SLK_MSG_CERT));
    assert_int_equal(sent(SLK_MSG_CERT)->certs_n, 2);
    free(msg);
    free(get);
}

/* Not only the leader repeats it: lines may be missing. After two delays, and from three members for each STATUS. */
static void a_proposal_goes_from_hand_to_hand(void **state)
{
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct slk_msg *status = new_msg(SLK_MSG_STATUS);
    struct slk_hash hash;
    unsigned handed_n = 0;

    (void)state;
    boot(7, 0, NULL, 0);
    make_header(header, 5, 1, &hash);
    hear_proposal(5, 1, header, &hash);
    status->status = (struct slk_status){.height = 5, .view = 1, .seq = 7, .tip_hash = tip.hash};
    hear_msg(3, status);
    assert_null(sent(SLK_MSG_PROPOSAL)); /* the leader's own may be on its way */
    now = 200;
    for (uint64_t seq = 10; seq < 17; seq++) {
        status->status.seq = seq;
        hear_msg(3, status);
        if (sent(SLK_MSG_PROPOSAL) == NULL)
            continue;
        handed_n++;
        assert_int_equal(sent(SLK_MSG_PROPOSAL)->vote.signer, 5);
        assert_memory_equal(sent(SLK_MSG_PROPOSAL)->hash.b, hash.b, SLK_HASH_SIZE);
    }
    assert_int_equal(handed_n, 3);
    status->status.has_proposal = true;
    for (status->status.seq = 20; status->status.seq < 27; status->status.seq++) {
        hear_msg(3, status);
        assert_null(sent(SLK_MSG_PROPOSAL));
    }
    free(status);
}

/* The signature of mine that I do not remember may be left in a certificate alone. */
static void a_certificate_shows_me_what_i_forgot(void **state)
{
    struct slk_cert with_me = cert(SLK_VOTE_NULLIFY, 1, NULL, 0x7),
                    without = cert(SLK_VOTE_NULLIFY, 1, NULL, 0xe);
    struct slk_bft_record record = {
        .kind = SLK_RECORD_VOTE, .vote = {.kind = SLK_VOTE_NULLIFY, .height = 5, .view = 1}};
    struct slk_msg *msg = new_msg(SLK_MSG_CERT);

    (void)state;
    msg->height = 5;
    msg->certs_n = 1;
    for (unsigned i = 0; i < 3; i++) {
        boot(4, 0, &record, i == 1);
        msg->certs[0] = i < 2 ? &with_me : &without;
        hear_msg(2, msg);
        assert_true((find(SLK_OUT_ALARM) != NULL) == (i == 0));
        assert_true(i != 0 || memcmp(out->records[0].hash.b, tip.council.keys[0], SLK_KEY_SIZE) == 0);
    }
    free(msg);
}

/* The way back: a charter that names another vote key; not for who is silent whatever its key. */
static void a_new_key_may_vote_again(void **state)
{
    struct slk_bft_record muted = {.kind = SLK_RECORD_MUTED};
    struct slk_bft_view_of look;

    (void)state;
    muted.hash.b[0] = 1; /* key of member 0 */
    boot(4, 0, &muted, 1);
    slk_bft_look(core, &look);
    assert_true(look.muted);
    boot(4, 1, &muted, 1); /* this node's key is another now */
    slk_bft_look(core, &look);
    assert_false(look.muted);
    muted.hash.b[0] = 0;
    boot(4, 1, &muted, 1);
    slk_bft_look(core, &look);
    assert_true(look.muted);
}

/* Commits height 5, decided in `view`. */
static void commit(uint32_t view, const struct slk_hash *next_charter)
{
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct slk_block_header fields;
    struct slk_bft_tip next = tip;
    struct slk_hash hash;

    make_header(header, (uint16_t)((5 + view - 1) % 4), view, &hash);
    assert_int_equal(slk_block_header_parse(&fields, header), SLK_OK);
    fields.next_charter_hash = *next_charter;
    slk_block_header_format(header, &fields);
    slk_block_hash(&hash, header);
    hear_commit(2, header, &hash, view);
    step((struct slk_bft_input){.kind = SLK_IN_VALIDATED, .hash = hash, .verdict = SLK_BLOCK_VALID});
    assert_non_null(find(SLK_OUT_COMMIT));
    next.height = 5;
    next.hash = hash;
    next.time_ms = 1000100;
    next.council.charter_hash = *next_charter;
    step((struct slk_bft_input){.kind = SLK_IN_COMMITTED, .tip = &next});
}

/* Views that failed for a day must not be paid back for a week: 50 steps of half as much again are more than any timer takes. */
static void backoff_ends_where_timers_do(void **state)
{
    struct slk_bft_view_of look;

    (void)state;
    boot_nullified(1, 199, NULL);
    commit(200, &slk_hash_zero);
    slk_bft_look(core, &look);
    assert_int_equal(look.height, 6);
    assert_in_range(look.backoff, 1, 12); /* 1 s, half as much again, up to 60 s */
}

/* A vote for the next height was kept by its signer's index, which is another member's when a charter begins in between. */
static void nobody_is_charged_for_what_another_said_under_his_index(void **state)
{
    struct slk_hash other = {{8}};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct slk_vote v = vote(SLK_VOTE_NULLIFY, 2, 1, NULL);

        boot(4, 0, NULL, 0);
        v.statement.height = 6;
        v.sig[0] ^= 0x80; /* false */
        hear(2, &v);
        assert_null(find(SLK_OUT_CHARGE));
        commit(1, i == 0 ? &slk_hash_zero : &other);
        assert_true((find(SLK_OUT_CHARGE) != NULL) == (i == 0));
    }
}

/* A clock that is a day behind the chain is dead, and not asked; but it does not let the chain's time run away. */
static void time_does_not_run_away_with_dead_clocks(void **state)
{
    const uint64_t day_ms = 24 * 3600 * 1000, hour_ms = day_ms / 24;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        uint8_t header[SLK_BLOCK_HEADER_SIZE];
        struct slk_block_header fields;
        struct slk_hash hash;

        now = 0;
        tip_ms = 1000000 + 2 * day_ms;
        boot(4, 0, NULL, 0);
        hear_status(1);
        hear_status(2);
        make_header(header, 1, 1, &hash);
        assert_int_equal(slk_block_header_parse(&fields, header), SLK_OK);
        fields.time_ms = tip_ms + (i == 0 ? hour_ms / 6 : hour_ms);
        slk_block_header_format(header, &fields);
        slk_block_hash(&hash, header);
        hear_proposal(1, 1, header, &hash);
        step((struct slk_bft_input){.kind = SLK_IN_VALIDATED, .hash = hash, .verdict = SLK_BLOCK_VALID});
        assert_true((find(SLK_OUT_PERSIST) != NULL) == (i == 0));
    }
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
        cmocka_unit_test_teardown(whoever_has_failed_is_asked_again_when_all_have, clean),
        cmocka_unit_test_teardown(what_a_proposal_rests_on_is_asked_for, clean),
        cmocka_unit_test_teardown(a_proposal_goes_from_hand_to_hand, clean),
        cmocka_unit_test_teardown(a_certificate_shows_me_what_i_forgot, clean),
        cmocka_unit_test_teardown(a_new_key_may_vote_again, clean),
        cmocka_unit_test_teardown(backoff_ends_where_timers_do, clean),
        cmocka_unit_test_teardown(nobody_is_charged_for_what_another_said_under_his_index, clean),
        cmocka_unit_test_teardown(time_does_not_run_away_with_dead_clocks, clean),
    };

    return cmocka_run_group_tests_name("bft", tests, NULL, clean_all);
}
