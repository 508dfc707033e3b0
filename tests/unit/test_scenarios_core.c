/* test_scenarios_core.c: scenarios of protocol §5 that one core can be asked: its messages, its window, its clock.
 * The others are stories of a whole network: tests/sim/scenario*.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger/core/bft.h"

enum { TIP = 4, LINKS = 120, WAITING = 64, ASKED = 256 };

struct link {
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct slk_hash hash;
    struct slk_cert final;
};

static struct slk_bft *core;
static struct slk_bft_effects *out;
static struct slk_bft_tip tip;
static struct slk_council second_charter;
static struct link chain[LINKS]; /* chain[0] is height TIP + 1 */
static uint64_t now;
static size_t changes_at; /* height from which second_charter decides; 0: never */

static struct {
    struct slk_bft_effect at[WAITING];
    struct slk_statement statements[WAITING];
    uint8_t headers[WAITING][SLK_BLOCK_HEADER_SIZE];
    size_t n;
} waiting;
static struct {
    struct slk_get get;
    uint16_t peer;
} asked[ASKED];
static size_t asked_n, sent_n[SLK_MSG_KIND_N], commits_n, signed_n[SLK_VOTE_KIND_N], charged_n;
static size_t evidence_n;
static struct slk_vote accused[2];             /* the last pair of statements */
static struct slk_cert shown[SLK_VOTE_KIND_N]; /* the last certificate of each kind that it sent */
static unsigned alarms;
static bool is_disk_slow, is_validator_slow;
static enum slk_bft_verdict verdict;

/* A signature names its signer's key and a sum of what was signed: charter, height, kind and all. */
static void sum(uint8_t out_sum[4], const uint8_t *message, size_t size)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < size; i++)
        h = (h ^ message[i]) * 16777619u;
    slk_put_u32(out_sum, h);
}

static bool verify(void *ctx, const uint8_t sig[SLK_SIGNATURE_SIZE], const uint8_t *message, size_t size,
    const uint8_t key[SLK_KEY_SIZE])
{
    uint8_t expected[4];

    (void)ctx;
    sum(expected, message, size);
    return sig[0] == key[0] && memcmp(sig + 1, expected, 4) == 0;
}

static bool council_of(
    void *ctx, struct slk_span bytes, const struct slk_hash *hash, struct slk_council *council)
{
    (void)ctx;
    *council = second_charter;
    return bytes.size == 1 && bytes.at[0] == 2 && slk_hash_equal(hash, &second_charter.charter_hash);
}

static void sign(uint8_t sig[SLK_SIGNATURE_SIZE], const struct slk_council *council,
    const struct slk_statement *s, size_t i)
{
    uint8_t bytes[SLK_VOTE_BYTES];

    slk_statement_bytes(bytes, council, s);
    memset(sig, 0, SLK_SIGNATURE_SIZE);
    sig[0] = council->keys[i][0];
    sum(sig + 1, bytes, sizeof(bytes));
}

static struct slk_vote vote_of(
    enum slk_vote_kind kind, uint16_t signer, uint32_t view, const struct slk_hash *hash)
{
    struct slk_vote v = {
        .statement = {.kind = kind, .height = tip.height + 1, .view = view}, .signer = signer};

    if (hash != NULL)
        v.statement.hash = *hash;
    sign(v.sig, &tip.council, &v.statement, signer);
    return v;
}

static struct slk_cert cert_by(const struct slk_council *council, enum slk_vote_kind kind, uint64_t height,
    uint32_t view, const struct slk_hash *hash, uint64_t signers)
{
    struct slk_cert c = {.kind = kind, .height = height, .view = view, .signers = signers};
    struct slk_statement s = {.kind = kind, .height = height, .view = view};
    size_t used = 0;

    c.bitmap_bytes = (uint8_t)((council->n + 7) / 8);
    if (hash != NULL)
        c.hash = s.hash = *hash;
    for (size_t i = 0; i < council->n; i++)
        if ((signers >> i & 1) != 0)
            sign(c.sigs[used++], council, &s, i);
    return c;
}

static struct slk_cert cert_of(enum slk_vote_kind kind, uint32_t view, const struct slk_hash *hash)
{
    return cert_by(&tip.council, kind, tip.height + 1, view, hash, 0xe);
}

static void note(void)
{
    for (size_t i = 0; i < out->n; i++) {
        const struct slk_bft_effect *e = &out->at[i];

        if (e->kind == SLK_OUT_SEND) {
            sent_n[e->msg->kind]++;
            for (size_t k = 0; k < e->msg->certs_n && e->msg->kind == SLK_MSG_CERT; k++)
                shown[e->msg->certs[k]->kind] = *e->msg->certs[k];
            if (e->msg->kind == SLK_MSG_GET && asked_n < ASKED) {
                asked[asked_n].get = e->msg->get;
                asked[asked_n++].peer = e->peer;
            }
        }
        alarms |= e->kind == SLK_OUT_ALARM ? 1u << e->alarm : 0;
        charged_n += e->kind == SLK_OUT_CHARGE;
        if (e->kind == SLK_OUT_EVIDENCE) {
            evidence_n++;
            assert_int_equal(e->peer, e->msg->vote.signer);
            accused[0] = e->msg->vote;
            accused[1] = e->msg->other;
        }
        if (e->kind != SLK_OUT_PERSIST && e->kind != SLK_OUT_SIGN && e->kind != SLK_OUT_VALIDATE &&
            e->kind != SLK_OUT_COMMIT)
            continue;
        assert_true(waiting.n < WAITING);
        waiting.at[waiting.n] = *e;
        if (e->header != NULL)
            memcpy(waiting.headers[waiting.n], e->header, SLK_BLOCK_HEADER_SIZE);
        waiting.n++;
    }
}

static void step(struct slk_bft_input in)
{
    in.now_ms = now;
    in.wall_ms = 1000000 + now;
    slk_bft_step(core, &in, out);
    note();
}

static void committed(const struct slk_bft_effect *e, const uint8_t *header)
{
    struct slk_block_header h;

    assert_int_equal(slk_block_header_parse(&h, header), SLK_OK);
    tip.height = e->height;
    tip.hash = e->hash;
    tip.time_ms = h.time_ms;
    if (slk_hash_equal(&h.next_charter_hash, &second_charter.charter_hash))
        tip.council = second_charter;
    commits_n++;
    step((struct slk_bft_input){.kind = SLK_IN_COMMITTED, .tip = &tip});
}

static void answer(const struct slk_bft_effect *e, const uint8_t *header)
{
    if (e->kind == SLK_OUT_PERSIST) {
        step((struct slk_bft_input){.kind = SLK_IN_PERSISTED, .seq = e->seq});
    } else if (e->kind == SLK_OUT_SIGN) {
        struct slk_vote v = {.statement = e->statement, .signer = tip.me};

        signed_n[e->statement.kind]++;
        sign(v.sig, &tip.council, &v.statement, tip.me);
        step((struct slk_bft_input){.kind = SLK_IN_SIGNED, .vote = &v});
    } else if (e->kind == SLK_OUT_VALIDATE) {
        step((struct slk_bft_input){.kind = SLK_IN_VALIDATED, .hash = e->hash, .verdict = verdict});
    } else {
        committed(e, header);
    }
}

/* Disk, signer and validator do their work, but for who is slow. */
static void work(void)
{
    for (size_t i = 0; i < waiting.n;) {
        struct slk_bft_effect e = waiting.at[i];
        uint8_t header[SLK_BLOCK_HEADER_SIZE];

        if ((e.kind == SLK_OUT_VALIDATE && is_validator_slow) || (e.kind == SLK_OUT_COMMIT && is_disk_slow)) {
            i++;
            continue;
        }
        memcpy(header, waiting.headers[i], sizeof(header));
        waiting.n--;
        memmove(&waiting.at[i], &waiting.at[i + 1], (waiting.n - i) * sizeof(e));
        memmove(waiting.headers[i], waiting.headers[i + 1], (waiting.n - i) * sizeof(header));
        answer(&e, header);
        i = 0;
    }
}

static void hear(uint16_t peer, const struct slk_msg *msg)
{
    step((struct slk_bft_input){.kind = SLK_IN_MSG, .peer = peer, .msg = msg});
    work();
}

static void hear_vote(uint16_t peer, struct slk_vote v)
{
    static struct slk_msg msg;

    msg = (struct slk_msg){.kind = SLK_MSG_VOTE, .vote = v};
    hear(peer, &msg);
}

static void hear_cert(uint16_t peer, const struct slk_cert *c)
{
    static struct slk_msg msg;

    msg = (struct slk_msg){.kind = SLK_MSG_CERT, .height = c->height, .certs_n = 1, .certs = {c}};
    hear(peer, &msg);
}

static void hear_status(uint16_t peer, uint64_t height)
{
    static struct slk_msg msg;

    msg = (struct slk_msg){.kind = SLK_MSG_STATUS};
    msg.status.height = height;
    msg.status.view = 1;
    msg.status.seq = 7;
    msg.status.tip_hash = tip.hash;
    msg.status.charter_hash = tip.council.charter_hash;
    hear(peer, &msg);
}

static void make_header(uint8_t bytes[SLK_BLOCK_HEADER_SIZE], struct slk_hash *hash, uint64_t height,
    const struct slk_hash *previous, uint32_t view, uint64_t time_ms)
{
    struct slk_block_header h = {.version = SLK_BLOCK_VERSION,
        .height = height,
        .time_ms = time_ms,
        .log_size = 9,
        .origin_view = view,
        .previous = *previous};
    const struct slk_council *council =
        changes_at > 0 && height >= changes_at ? &second_charter : &tip.council;

    h.chain_id = council->chain_id;
    h.charter_hash = council->charter_hash;
    h.next_charter_hash =
        changes_at > 0 && height + 1 >= changes_at ? second_charter.charter_hash : council->charter_hash;
    h.proposer = slk_council_leader(council, height, view);
    slk_block_header_format(bytes, &h);
    slk_block_hash(hash, bytes);
}

/* What the others finalised while this node was away. */
static void make_chain(void)
{
    const struct slk_hash *previous = &tip.hash;

    for (uint64_t i = 0; i < LINKS; i++) {
        uint64_t height = TIP + 1 + i;
        const struct slk_council *council =
            changes_at > 0 && height >= changes_at ? &second_charter : &tip.council;

        make_header(chain[i].header, &chain[i].hash, height, previous, 1, 1000 + 10 * height);
        chain[i].final = cert_by(council, SLK_VOTE_FINALIZE, height, 1, &chain[i].hash, 0xe);
        previous = &chain[i].hash;
    }
}

static void boot(size_t n, uint16_t me, const struct slk_bft_record *records, size_t records_n)
{
    struct slk_bft_config config;
    struct slk_bft_input at = {.kind = SLK_IN_TICK, .now_ms = now, .wall_ms = 1000000 + now};

    slk_bft_config_default(&config, 100);
    config.verifier.verify = verify;
    config.electors.council = council_of;
    config.heartbeat_ms = 0;
    slk_bft_free(core);
    core = slk_bft_new(&config);
    out = out != NULL ? out : calloc(1, sizeof(*out));
    assert_non_null(core);
    assert_non_null(out);
    memset(&tip, 0, sizeof(tip));
    tip.height = TIP; /* the leader of (5, 1) is member 5 mod n */
    tip.time_ms = 1000;
    tip.me = me;
    tip.hash.b[0] = 0x44;
    tip.council.n = n;
    tip.council.charter_hash.b[0] = 1;
    for (size_t i = 0; i < n; i++)
        tip.council.keys[i][0] = (uint8_t)(i + 1);
    second_charter = tip.council;
    second_charter.charter_hash.b[0] = 2;
    second_charter.keys[3][0] = 77;
    waiting.n = asked_n = commits_n = charged_n = evidence_n = alarms = 0;
    memset(shown, 0, sizeof(shown));
    memset(sent_n, 0, sizeof(sent_n));
    memset(signed_n, 0, sizeof(signed_n));
    is_disk_slow = is_validator_slow = false;
    verdict = SLK_BLOCK_VALID;
    slk_bft_start(core, &tip, records, records_n, &at, out);
    note();
    work();
}

static int clean(void **state)
{
    (void)state;
    now = 0;
    changes_at = 0;
    return 0;
}

static int clean_all(void **state)
{
    (void)state;
    slk_bft_free(core);
    free(out);
    return 0;
}

static struct slk_bft_view_of look(void)
{
    struct slk_bft_view_of l;

    slk_bft_look(core, &l);
    return l;
}

static uint64_t dropped(enum slk_bft_drop why)
{
    return look().dropped_by[why];
}

static void tick(uint64_t in_ms)
{
    now += in_ms;
    step((struct slk_bft_input){.kind = SLK_IN_TICK});
    work();
}

static void may_vote(void)
{
    hear_status(1, tip.height + 1);
    hear_status(2, tip.height + 1);
}

/* The last question of this kind, or NULL. */
static const struct slk_get *last_get(enum slk_get_what what, uint16_t *peer)
{
    for (size_t i = asked_n; i > 0; i--) {
        if (asked[i - 1].get.what != what)
            continue;
        if (peer != NULL)
            *peer = asked[i - 1].peer;
        return &asked[i - 1].get;
    }
    return NULL;
}

static void hear_headers(uint16_t peer, size_t from, size_t n)
{
    static struct slk_msg msg;
    static uint8_t bytes[SLK_RANGE_MAX * SLK_BLOCK_HEADER_SIZE];

    msg = (struct slk_msg){.kind = SLK_MSG_HEADERS, .certs_n = n};
    for (size_t i = 0; i < n; i++) {
        memcpy(bytes + i * SLK_BLOCK_HEADER_SIZE, chain[from + i].header, SLK_BLOCK_HEADER_SIZE);
        msg.certs[i] = &chain[from + i].final;
    }
    msg.header = slk_span_of(bytes, n * SLK_BLOCK_HEADER_SIZE);
    hear(peer, &msg);
}

static void hear_commit(uint16_t peer, const struct link *link)
{
    static struct slk_msg msg;

    msg = (struct slk_msg){.kind = SLK_MSG_COMMIT, .hash = link->hash, .certs_n = 1, .certs = {&link->final}};
    msg.header = slk_span_of(link->header, SLK_BLOCK_HEADER_SIZE);
    hear(peer, &msg);
}

static void hear_proposal(uint32_t view, uint32_t carried, const uint8_t *header, const struct slk_hash *hash,
    const struct slk_cert *certs, size_t certs_n)
{
    static struct slk_msg msg;
    uint16_t leader = slk_council_leader(&tip.council, tip.height + 1, view);

    msg = (struct slk_msg){.kind = SLK_MSG_PROPOSAL, .hash = *hash, .certs_n = certs_n};
    msg.vote = vote_of(SLK_VOTE_PROPOSE, leader, view, hash);
    msg.vote.statement.aux = carried;
    sign(msg.vote.sig, &tip.council, &msg.vote.statement, leader);
    msg.header = slk_span_of(header, SLK_BLOCK_HEADER_SIZE);
    for (size_t i = 0; i < certs_n; i++)
        msg.certs[i] = &certs[i];
    hear(leader, &msg);
}

/* Bodies are empty: the one part of each has no bytes. */
static void hear_data(uint16_t peer, const struct link *link)
{
    static struct slk_msg msg;

    msg = (struct slk_msg){.kind = SLK_MSG_DATA, .hash = link->hash};
    msg.header = slk_span_of(link->header, SLK_BLOCK_HEADER_SIZE);
    hear(peer, &msg);
}

/* Everybody has every body. */
static void serve_bodies(void)
{
    for (size_t i = 0; i < asked_n; i++)
        if (asked[i].get.what == SLK_GET_BODY && asked[i].get.height > TIP)
            hear_data(asked[i].peer, &chain[asked[i].get.height - TIP - 1]);
}

/* ---- votes and certificates ---- */

/* It is in view 3 by K(2), and lacks what else the proposal rests on: K(1), or N(1) of the block that is carried. */
static void s10_proposals_without_their_reason(void **state)
{
    enum { NOTHING, CHARTER, HEIGHT, VIEW, KIND, CARRIED, CARRIED_OTHER, CASES };

    (void)state;
    for (int i = 0; i < CASES; i++) {
        uint32_t carried = i == CARRIED || i == CARRIED_OTHER ? 1 : 0;
        uint8_t header[SLK_BLOCK_HEADER_SIZE];
        struct slk_cert wrong, right;
        struct slk_hash hash, other = {{9}};

        boot(4, 0, NULL, 0);
        may_vote();
        wrong = cert_of(SLK_VOTE_NULLIFY, 2, NULL);
        hear_cert(3, &wrong);
        assert_int_equal(look().view, 3);
        make_header(header, &hash, 5, &tip.hash, carried > 0 ? 1 : 3, 1000100);
        if (i == CHARTER)
            wrong = cert_by(&second_charter, SLK_VOTE_NULLIFY, 5, 1, NULL, 0xe);
        if (i == HEIGHT)
            wrong = cert_by(&tip.council, SLK_VOTE_NULLIFY, 6, 1, NULL, 0xe);
        if (i == KIND ||
            i == CARRIED_OTHER) /* of another block: a fresh one does not stand on it, nor is it carried */
            wrong = cert_of(SLK_VOTE_NOTARIZE, 1, &other);
        if (i == CARRIED)
            wrong = cert_of(SLK_VOTE_NULLIFY, 1, NULL);
        hear_proposal(3, carried, header, &hash, &wrong, i == NOTHING ? 0 : 1);
        tick(1);
        assert_int_equal(look().view, 3);
        assert_int_equal(signed_n[SLK_VOTE_NOTARIZE], 0);
        assert_int_equal(dropped(SLK_DROP_CERTIFICATE), i == CHARTER);
        assert_int_equal(dropped(SLK_DROP_EARLY), i == HEIGHT);
        right = carried > 0 ? cert_of(SLK_VOTE_NOTARIZE, 1, &hash) : cert_of(SLK_VOTE_NULLIFY, 1, NULL);
        hear_cert(3, &right); /* now it holds; but two blocks cannot be notarized in one view */
        assert_int_equal(signed_n[SLK_VOTE_NOTARIZE], i == CARRIED_OTHER ? 0 : 1);
    }
}

/* It holds one certificate of view 1, and the leader of view 2 the other. Whoever has given view 1 up itself takes both, too. */
static void s11_both_justifications_are_accepted(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        bool is_carried = (i & 1) != 0, holds_other = (i & 2) != 0, has_given_up = (i & 4) != 0;
        uint8_t header[SLK_BLOCK_HEADER_SIZE], lost_header[SLK_BLOCK_HEADER_SIZE];
        struct slk_cert k, n;
        struct slk_hash hash, lost;

        boot(4, 0, NULL, 0);
        may_vote();
        if (has_given_up) {
            step((struct slk_bft_input){.kind = SLK_IN_POOL, .pool_count = 1});
            work();
            tick(5000);
            assert_int_equal(signed_n[SLK_VOTE_NULLIFY], 1);
        }
        make_header(lost_header, &lost, 5, &tip.hash, 1, 1000100);
        make_header(header, &hash, 5, &tip.hash, is_carried ? 1 : 2, 1000100);
        k = cert_of(SLK_VOTE_NULLIFY, 1, NULL);
        n = cert_of(SLK_VOTE_NOTARIZE, 1, &lost);
        if (holds_other) {
            hear_cert(3, is_carried ? &k : &n);
            assert_int_equal(look().view, 2);
        }
        hear_proposal(2, is_carried ? 1 : 0, header, &hash, is_carried ? &n : &k, 1);
        assert_int_equal(look().view, 2);
        assert_int_equal(signed_n[SLK_VOTE_NOTARIZE], 1);
        assert_int_equal(signed_n[SLK_VOTE_FINALIZE], is_carried && !has_given_up ? 1 : 0);
    }
}

static void s12_13_a_carried_block_may_be_old(void **state)
{
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct slk_cert just[2];
    struct slk_hash hash;
    size_t before;

    (void)state;
    boot(4, 0, NULL, 0);
    may_vote();
    make_header(header, &hash, 5, &tip.hash, 1, 1000100);
    verdict = SLK_BLOCK_MISSING; /* the body is slow */
    hear_proposal(1, 0, header, &hash, NULL, 0);
    assert_non_null(last_get(SLK_GET_BODY, NULL));
    assert_int_equal(signed_n[SLK_VOTE_NOTARIZE], 0);
    now = 7200000; /* hours of lines that are down */
    tick(1);
    verdict = SLK_BLOCK_VALID;
    {
        struct link late = {.hash = hash};

        memcpy(late.header, header, sizeof(header));
        hear_data(1, &late);
    }
    before = asked_n;
    just[0] = cert_of(SLK_VOTE_NOTARIZE, 1, &hash);
    hear_proposal(2, 1, header, &hash, just, 1);
    assert_int_equal(look().view, 2);
    assert_true(signed_n[SLK_VOTE_NOTARIZE] >= 1); /* no clock is asked about it */
    for (size_t i = before; i < asked_n; i++)
        assert_int_not_equal(asked[i].get.what, SLK_GET_BODY); /* and it is not fetched again */
}

static void s16_17_a_few_nullify_for_ever(void **state)
{
    (void)state;
    boot(4, 0, NULL, 0);
    may_vote();
    for (int i = 0; i < 50; i++) {
        hear_vote(3, vote_of(SLK_VOTE_NULLIFY, 3, 1, NULL)); /* one of four, again and again */
        tick(1000);
    }
    assert_int_equal(look().view, 1);
    assert_int_equal(signed_n[SLK_VOTE_NULLIFY], 0);
    hear_vote(2, vote_of(SLK_VOTE_NULLIFY, 2, 1, NULL)); /* more than f: there is something to agree on */
    tick(1000);
    assert_int_equal(signed_n[SLK_VOTE_NULLIFY], 1);
    assert_int_equal(look().view, 2);
}

static void s18_votes_come_by_others(void **state)
{
    struct slk_hash hash;
    uint8_t header[SLK_BLOCK_HEADER_SIZE];

    (void)state;
    boot(4, 0, NULL, 0);
    may_vote();
    make_header(header, &hash, 5, &tip.hash, 1, 1000100);
    hear_proposal(1, 0, header, &hash, NULL, 0);
    hear_vote(2, vote_of(SLK_VOTE_NOTARIZE, 1, 1, &hash));
    hear_vote(2, vote_of(SLK_VOTE_NOTARIZE, 3, 1, &hash)); /* 3 is heard through 2 alone */
    assert_int_equal(look().view, 2);
    hear_vote(2, vote_of(SLK_VOTE_FINALIZE, 1, 1, &hash));
    hear_vote(2, vote_of(SLK_VOTE_FINALIZE, 3, 1, &hash));
    assert_int_equal(commits_n, 1);
}

/* The same statement with a signature that is none, and another statement that nobody signed; before and after the true one. */
static void s26_garbage_does_not_displace_a_vote(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        bool is_other = (i & 1) != 0, is_first = (i & 2) != 0;
        struct slk_hash hash = {{9}};
        struct slk_verifier verifier = {.verify = verify};
        struct slk_vote good, bad;

        boot(4, 0, NULL, 0);
        good = bad = vote_of(SLK_VOTE_NOTARIZE, 1, 1, &hash);
        bad.statement.hash.b[0] ^= is_other;
        bad.sig[2] ^= 1;
        hear_vote(1, is_first ? bad : good);
        hear_vote(1, is_first ? good : bad);
        assert_int_equal(dropped(SLK_DROP_SIGNATURE), is_other || is_first ? 1 : 0);
        assert_int_equal(charged_n, is_other || is_first ? 1 : 0);
        assert_int_equal(evidence_n, 0); /* nor does it accuse */
        hear_vote(2, vote_of(SLK_VOTE_NOTARIZE, 2, 1, &hash));
        hear_vote(3, vote_of(SLK_VOTE_NOTARIZE, 3, 1, &hash));
        assert_int_equal(look().view, 2);
        tick(100);
        assert_int_equal(
            shown[SLK_VOTE_NOTARIZE].signers, 0xe); /* it shows the certificate, and that holds */
        assert_true(slk_cert_check(&shown[SLK_VOTE_NOTARIZE], &tip.council, &verifier));
    }
}

static void s27_bad_certificates(void **state)
{
    struct slk_hash hash = {{9}};
    struct slk_cert good, bad;

    (void)state;
    boot(4, 0, NULL, 0);
    good = cert_of(SLK_VOTE_NOTARIZE, 1, &hash);
    for (unsigned i = 0; i < 8; i++) {
        bad = good;
        bad.signers |= i == 0 ? 1u << 4 : 0;              /* n + 1 bits */
        bad.signers = i == 1 ? 0x6 : bad.signers;         /* q - 1 */
        bad.sigs[2][1] ^= i == 2;                         /* q - 1 good ones and a bad one */
        bad.kind = i == 3 ? SLK_VOTE_FINALIZE : bad.kind; /* signatures for another kind, */
        bad.view += i == 4;                               /* view, */
        bad.hash.b[0] ^= i == 5;                          /* block, */
        bad.bitmap_bytes = i == 7 ? 2 : bad.bitmap_bytes;
        if (i == 6)
            bad = cert_by(&second_charter, SLK_VOTE_NOTARIZE, 5, 1, &hash, 0xe); /* or charter */
        if (i == 1)
            memmove(bad.sigs[0], good.sigs[0], sizeof(good.sigs[0]));
        hear_cert(1, &bad);
        assert_int_equal(look().view, 1);
        assert_int_equal(dropped(SLK_DROP_CERTIFICATE), i + 1);
        assert_int_equal(charged_n, i + 1);
    }
    hear_cert(1, &good);
    assert_int_equal(look().view, 2);
}

static void s28_signer_sets_do_not_matter(void **state)
{
    struct slk_hash hash = {{9}};
    struct slk_cert a, b;

    (void)state;
    boot(7, 0, NULL, 0); /* which signed none of it, and knows that it did not */
    a = cert_by(&tip.council, SLK_VOTE_NOTARIZE, 5, 1, &hash, 0x3e);
    b = cert_by(&tip.council, SLK_VOTE_NOTARIZE, 5, 1, &hash, 0x7c);
    hear_cert(1, &a);
    assert_int_equal(look().view, 2);
    hear_cert(2, &b);
    assert_int_equal(look().view, 2);
    assert_int_equal(look().dropped, 0);
    assert_int_equal(alarms, 0);
}

/* The whole of what a core says and where it is, in one number. */
static uint32_t said_since(void)
{
    const struct slk_bft_view_of l = look();
    uint8_t sums[4], bytes[sizeof(sent_n) + sizeof(signed_n) + 3 * sizeof(uint64_t) + SLK_HASH_SIZE];
    const uint64_t numbers[3] = {l.height, l.view, out->wake_ms};

    memcpy(bytes, sent_n, sizeof(sent_n));
    memcpy(bytes + sizeof(sent_n), signed_n, sizeof(signed_n));
    memcpy(bytes + sizeof(sent_n) + sizeof(signed_n), numbers, sizeof(numbers));
    memcpy(bytes + sizeof(bytes) - SLK_HASH_SIZE, tip.hash.b, SLK_HASH_SIZE);
    sum(sums, bytes, sizeof(bytes));
    return slk_get_u32(sums);
}

/* Finalised by these or by those: the next height begins the same way. */
static void s28_finality_by_others(void **state)
{
    static const uint64_t signers[3] = {0x3e, 0x7c, 0x7e};
    uint32_t said[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        now = 0;
        boot(7, 0, NULL, 0);
        make_chain();
        may_vote();
        for (uint16_t peer = 3; peer < 6; peer++)
            hear_status(peer, TIP + 1);
        chain[0].final = cert_by(&tip.council, SLK_VOTE_FINALIZE, 5, 1, &chain[0].hash, signers[i]);
        hear_commit(1, &chain[0]);
        assert_int_equal(commits_n, 1);
        step((struct slk_bft_input){.kind = SLK_IN_POOL, .pool_count = 1});
        work();
        said[i] = 0;
        for (int k = 0; k < 20; k++) {
            tick(100);
            said[i] = 31 * said[i] + said_since();
        }
        hear_commit(2, &chain[0]); /* once more: no fork, no complaint */
        chain[0].final = cert_by(&tip.council, SLK_VOTE_FINALIZE, 5, 1, &chain[0].hash, signers[(i + 1) % 3]);
        hear_commit(2, &chain[0]);
        assert_int_equal(alarms, 0);
        assert_int_equal(charged_n, 0);
        said[i] = 31 * said[i] + said_since();
        assert_int_equal(said[i], said[0]);
    }
}

static void s45_old_votes_do_not_count(void **state)
{
    struct slk_hash hash = {{9}};

    (void)state;
    boot(4, 0, NULL, 0);
    for (uint16_t i = 1; i < 4; i++) {
        struct slk_vote v = vote_of(SLK_VOTE_NOTARIZE, i, 1, &hash);

        sign(v.sig, &second_charter, &v.statement, i);
        hear_vote(i, v);
    }
    assert_int_equal(dropped(SLK_DROP_SIGNATURE), 3);
    assert_int_equal(look().view, 1);
}

static void s46_an_observer_has_no_say(void **state)
{
    struct slk_hash hash = {{9}};
    static struct slk_msg msg;
    struct slk_cert c;
    struct link forged;

    (void)state;
    boot(4, 0, NULL, 0);
    make_chain();
    hear_vote(9, vote_of(SLK_VOTE_NOTARIZE, 1, 1, &hash));
    c = cert_of(SLK_VOTE_NOTARIZE, 1, &hash);
    hear_cert(9, &c);
    assert_int_equal(dropped(SLK_DROP_NO_SAY), 2);
    msg = (struct slk_msg){.kind = SLK_MSG_PROPOSAL, .hash = chain[0].hash};
    msg.vote = vote_of(
        SLK_VOTE_PROPOSE, 1, 1, &chain[0].hash); /* the leader's own, and two that contradict each other */
    msg.header = slk_span_of(chain[0].header, SLK_BLOCK_HEADER_SIZE);
    hear(9, &msg);
    assert_int_equal(dropped(SLK_DROP_NO_SAY), 3);
    msg = (struct slk_msg){.kind = SLK_MSG_EVIDENCE};
    msg.vote = vote_of(SLK_VOTE_NULLIFY, 1, 1, NULL);
    msg.other = vote_of(SLK_VOTE_FINALIZE, 1, 1, &hash);
    hear(9, &msg);
    assert_int_equal(dropped(SLK_DROP_NO_SAY), 4);
    assert_int_equal(evidence_n, 0);
    assert_false(look().armed);
    forged = chain[0];
    forged.final = cert_by(&second_charter, SLK_VOTE_FINALIZE, 5, 1, &forged.hash, 0xe); /* its own charter */
    hear_commit(9, &forged);
    assert_int_equal(commits_n, 0);
    assert_int_equal(dropped(SLK_DROP_CERTIFICATE), 1);
    hear_commit(9, &chain[0]); /* what proves itself may come from anybody */
    assert_int_equal(commits_n, 1);
}

static void s53_a_pause_of_ten_minutes(void **state)
{
    struct slk_hash hash;
    uint8_t header[SLK_BLOCK_HEADER_SIZE];

    (void)state;
    boot(4, 0, NULL, 0);
    make_chain();
    may_vote();
    make_header(header, &hash, 5, &tip.hash, 1, 1000100);
    is_validator_slow = true;
    hear_proposal(1, 0, header, &hash, NULL, 0);
    now += 600000;
    is_validator_slow = false;
    hear_status(1, 8); /* the others are at height 8 */
    hear_headers(1, 0, 3);
    serve_bodies();
    assert_int_equal(tip.height, 7);
    assert_int_equal(look().height, 8);
    assert_int_equal(look().view, 1);
    assert_int_equal(alarms, 0);
}

static void s54_restarts_do_not_run_away(void **state)
{
    struct slk_bft_record record = {
        .kind = SLK_RECORD_VOTE, .vote = {.kind = SLK_VOTE_NULLIFY, .height = 5, .view = 1}};

    (void)state;
    for (int i = 0; i < 300; i++) {
        boot(4, 0, &record, 1);
        may_vote();
        step((struct slk_bft_input){.kind = SLK_IN_POOL, .pool_count = 1});
        for (int k = 0; k < 8; k++)
            tick(250);
        assert_int_equal(look().view, 1);
        assert_true(signed_n[SLK_VOTE_NULLIFY] <= 1); /* the old one, again */
    }
}

static void s56_the_next_height_waits_for_the_disk(void **state)
{
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct slk_hash hash;
    struct slk_vote v;

    (void)state;
    boot(4, 0, NULL, 0);
    make_chain();
    may_vote();
    is_disk_slow = true;
    hear_commit(1, &chain[0]);
    assert_true(look().deciding);
    memset(signed_n, 0, sizeof(signed_n));
    make_header(header, &hash, 6, &chain[0].hash, 1, 1000200);
    tip.height++; /* what the others vote about */
    v = vote_of(SLK_VOTE_NULLIFY, 3, 1, NULL);
    hear_proposal(1, 0, header, &hash, NULL, 0);
    hear_vote(3, v);
    tip.height--;
    assert_int_equal(signed_n[SLK_VOTE_NOTARIZE], 0); /* the commit of 5 is not durable */
    is_disk_slow = false;
    work();
    assert_int_equal(look().height, 6);
    assert_int_equal(signed_n[SLK_VOTE_NOTARIZE], 1);
}

/* ---- evidence (protocol §2.12) ---- */

static void hear_evidence(uint16_t peer, const struct slk_vote *first, const struct slk_vote *second)
{
    static struct slk_msg msg;

    msg = (struct slk_msg){.kind = SLK_MSG_EVIDENCE, .vote = *first, .other = *second};
    hear(peer, &msg);
}

static void assert_accused(const struct slk_vote *first, const struct slk_vote *second)
{
    assert_int_equal(evidence_n, 1);
    assert_memory_equal(accused[0].sig, first->sig, SLK_SIGNATURE_SIZE);
    assert_memory_equal(accused[1].sig, second->sig, SLK_SIGNATURE_SIZE);
    assert_int_equal(accused[0].signer, first->signer);
}

/* What contradicts what: two NOTARIZE, two FINALIZE, NULLIFY and FINALIZE in either order. Heard vote by vote, or shown by another. */
static void s01_contradictions_become_evidence(void **state)
{
    static const enum slk_vote_kind pairs[][2] = {{SLK_VOTE_NOTARIZE, SLK_VOTE_NOTARIZE},
        {SLK_VOTE_FINALIZE, SLK_VOTE_FINALIZE}, {SLK_VOTE_NULLIFY, SLK_VOTE_FINALIZE},
        {SLK_VOTE_FINALIZE, SLK_VOTE_NULLIFY}};
    struct slk_hash a = {{1}}, b = {{2}};

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        for (int is_shown = 0; is_shown < 2; is_shown++) {
            struct slk_vote first, second;

            boot(4, 0, NULL, 0);
            first = vote_of(pairs[i][0], 2, 1, pairs[i][0] == SLK_VOTE_NULLIFY ? NULL : &a);
            second = vote_of(pairs[i][1], 2, 1, pairs[i][1] == SLK_VOTE_NULLIFY ? NULL : &b);
            if (is_shown == 0) {
                hear_vote(2, first);
                assert_int_equal(evidence_n, 0);
                hear_vote(3, second);
            } else {
                hear_evidence(3, &first, &second);
            }
            assert_accused(&first, &second);
            hear_vote(1, second); /* one pair per member and height */
            hear_evidence(1, &second, &first);
            assert_int_equal(evidence_n, 1);
            assert_int_equal(dropped(SLK_DROP_AGAIN), 1);
            assert_int_equal(charged_n, 0);
        }
    }
}

/* What an honest member may say: NOTARIZE and then NULLIFY or FINALIZE; the same twice; other views, other blocks. */
static void no_contradictions(void **state)
{
    struct slk_hash a = {{1}}, b = {{2}};
    struct slk_vote one, other;
    unsigned bad = 0;

    (void)state;
    boot(4, 0, NULL, 0);
    hear_vote(2, vote_of(SLK_VOTE_NOTARIZE, 2, 1, &a));
    hear_vote(2, vote_of(SLK_VOTE_NULLIFY, 2, 1, NULL));
    hear_vote(3, vote_of(SLK_VOTE_NOTARIZE, 3, 1, &a));
    hear_vote(3, vote_of(SLK_VOTE_FINALIZE, 3, 1, &a));
    hear_vote(3, vote_of(SLK_VOTE_FINALIZE, 3, 2, &b));
    hear_vote(3, vote_of(SLK_VOTE_NULLIFY, 3, 3, NULL));
    assert_int_equal(evidence_n, 0);
    for (unsigned i = 0; i < 6; i++) { /* accusations that do not hold */
        one = vote_of(SLK_VOTE_NOTARIZE, 1, 1, &a);
        other = vote_of(SLK_VOTE_NOTARIZE, i == 0 ? 3 : 1, i == 1 ? 2 : 1, i == 2 ? &a : &b);
        if (i == 3)
            other = vote_of(SLK_VOTE_NULLIFY, 1, 1, NULL);
        one.sig[2] ^= i == 4;
        other.sig[2] ^= i == 5;
        hear_evidence(2, &one, &other);
        bad++;
        assert_int_equal(dropped(SLK_DROP_EVIDENCE), bad);
        assert_int_equal(charged_n, bad);
    }
    one = vote_of(SLK_VOTE_NULLIFY, 1, 1, NULL);
    one.signer = 7;
    hear_evidence(2, &one, &one);
    assert_int_equal(dropped(SLK_DROP_NO_SAY), 1);
    one.signer = 1;
    one.statement.height--;
    hear_evidence(2, &one, &one);
    assert_int_equal(dropped(SLK_DROP_OLD), 1);
    one.statement.height += 2;
    hear_evidence(2, &one, &one);
    assert_int_equal(dropped(SLK_DROP_EARLY), 1);
    assert_int_equal(evidence_n, 0);
}

/* A second proposal of one view is evidence once; further ones, and those of who does not lead, cost no signature check. */
static void s01_two_proposals(void **state)
{
    uint8_t header[2][SLK_BLOCK_HEADER_SIZE];
    static struct slk_msg msg;
    struct slk_hash hash[2];

    (void)state;
    boot(4, 0, NULL, 0);
    may_vote();
    for (unsigned i = 0; i < 2; i++)
        make_header(header[i], &hash[i], 5, &tip.hash, 1, 1000100 + i);
    hear_proposal(1, 0, header[0], &hash[0], NULL, 0);
    hear_proposal(1, 0, header[0], &hash[0], NULL, 0);
    assert_int_equal(evidence_n, 0);
    hear_proposal(1, 0, header[1], &hash[1], NULL, 0);
    assert_int_equal(evidence_n, 1);
    assert_int_equal(accused[0].statement.kind, SLK_VOTE_PROPOSE);
    assert_true(slk_hash_equal(&accused[0].statement.hash, &hash[0]));
    assert_true(slk_hash_equal(&accused[1].statement.hash, &hash[1]));
    hear_proposal(1, 0, header[1], &hash[1], NULL, 0);
    assert_int_equal(dropped(SLK_DROP_AGAIN), 1);
    msg = (struct slk_msg){.kind = SLK_MSG_PROPOSAL, .hash = hash[1]};
    msg.vote = vote_of(SLK_VOTE_PROPOSE, 3, 1, &hash[1]); /* member 3 leads view 3 */
    msg.header = slk_span_of(header[1], SLK_BLOCK_HEADER_SIZE);
    hear(3, &msg);
    assert_int_equal(dropped(SLK_DROP_NOT_LEADER), 1);
    assert_int_equal(evidence_n, 1);
    assert_int_equal(charged_n, 0);
}

/* ---- catching up ---- */

static void s21_claims_are_a_hint(void **state)
{
    uint16_t peer = 99;
    const struct slk_get *get;

    (void)state;
    boot(4, 0, NULL, 0);
    make_chain();
    hear_status(3, 1ull << 63);
    get = last_get(SLK_GET_HEADERS, &peer);
    assert_non_null(get);
    assert_int_equal(peer, 3);
    assert_int_equal(get->height, 5);
    assert_int_equal(get->count, SLK_RANGE_MAX);
    assert_int_equal(look().certain, TIP);
    assert_false(look().deciding);
    for (int i = 0; i < 100; i++)
        tick(1000);
    assert_true(asked_n < 20); /* no more often than every 10 s */
    hear_status(1, 8);
    for (int i = 0; i < 30; i++) { /* whoever is asked next that has something answers */
        tick(1000);
        if (last_get(SLK_GET_HEADERS, &peer) != NULL && peer == 1)
            break;
    }
    assert_int_equal(peer, 1);
    hear_headers(1, 0, 3);
    serve_bodies();
    assert_int_equal(tip.height, 7);
    assert_int_equal(look().certain, 7);
}

static void s22_forged_headers(void **state)
{
    struct link good;

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        boot(4, 0, NULL, 0);
        make_chain();
        is_disk_slow = true;
        hear_status(1, 100);
        good = chain[1];
        if (i == 0) /* forged height: the certificate is for it, the link is not */
            make_header(chain[1].header, &chain[1].hash, 7, &chain[0].hash, 1, 1000200);
        if (i == 1) /* another parent */
            make_header(chain[1].header, &chain[1].hash, 6, &chain[3].hash, 1, 1000200);
        if (i == 0 || i == 1)
            chain[1].final = cert_by(&tip.council, SLK_VOTE_FINALIZE, i == 0 ? 7 : 6, 1, &chain[1].hash, 0xe);
        if (i == 2) /* the certificate of another header */
            chain[1].final = chain[2].final;
        if (i == 3) /* of another charter */
            chain[1].final = cert_by(&second_charter, SLK_VOTE_FINALIZE, 6, 1, &chain[1].hash, 0xe);
        if (i == 4)
            chain[1].final = cert_by(&tip.council, SLK_VOTE_FINALIZE, 6, 1, &chain[1].hash, 0x6); /* q - 1 */
        if (i == 5)
            chain[1].final = cert_by(&tip.council, SLK_VOTE_NOTARIZE, 6, 1, &chain[1].hash, 0xe);
        hear_headers(1, 0, 3);
        assert_int_equal(look().ahead_n, 1); /* the first was good, and stays */
        assert_int_equal(dropped(SLK_DROP_HEADER), 1);
        assert_int_equal(charged_n, 1);
        chain[1] = good;
        hear_commit(2, &chain[1]);
        assert_int_equal(look().ahead_n, 2);
        hear_commit(2, &chain[1]); /* again: what is held stays */
        assert_int_equal(look().ahead_n, 2);
        assert_true(dropped(SLK_DROP_OLD) >= 1);
    }
}

static void s23_floods_are_refused(void **state)
{
    (void)state;
    boot(4, 0, NULL, 0);
    make_chain();
    hear_headers(1, 0, 3); /* nobody asked */
    assert_int_equal(look().ahead_n, 0);
    now += 20000; /* also beyond the amnesty after a start */
    hear_headers(1, 0, 3);
    hear_data(1, &chain[0]);
    assert_int_equal(dropped(SLK_DROP_UNASKED), 2);
    assert_int_equal(charged_n, 2);
    for (size_t i = 1; i < LINKS; i++)
        hear_commit(1, &chain[i]); /* valid, far ahead, without the one between */
    assert_int_equal(look().ahead_n, 0);
    assert_int_equal(dropped(SLK_DROP_EARLY), LINKS - 1);
    is_disk_slow = true;
    for (size_t i = 0; i < LINKS; i++)
        hear_commit(1, &chain[i]);
    assert_int_equal(look().ahead_n, 63); /* the window, without the one that is being committed */
    assert_int_equal(commits_n, 0);
}

static void s24_kept_until_durable(void **state)
{
    (void)state;
    boot(4, 0, NULL, 0);
    make_chain();
    is_validator_slow = is_disk_slow = true;
    hear_commit(1, &chain[0]); /* its validation takes long */
    hear_commit(1, &chain[1]);
    hear_commit(1, &chain[2]);
    assert_int_equal(look().ahead_n, 2);
    is_validator_slow = false;
    work();
    assert_int_equal(look().ahead_n, 2); /* the disk is slow, too */
    is_disk_slow = false;
    work();
    serve_bodies();
    assert_int_equal(commits_n, 3);
    assert_int_equal(look().ahead_n, 0);
    assert_int_equal(look().height, 8);
}

static void s25_at_the_tip_it_votes(void **state)
{
    struct slk_hash hash;
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct slk_cert k[2];

    (void)state;
    boot(4, 0, NULL, 0);
    make_chain();
    hear_status(1, 60);
    hear_status(2, 60);
    hear_headers(1, 0, 32);
    hear_headers(1, 32, 23);
    serve_bodies();
    assert_int_equal(look().height, 60);
    memset(signed_n, 0, sizeof(signed_n));
    k[0] = cert_of(SLK_VOTE_NULLIFY, 2, NULL);
    k[1] = cert_of(SLK_VOTE_NULLIFY, 1, NULL);
    hear_cert(1, &k[0]); /* the others are in view 3 */
    assert_int_equal(look().view, 3);
    assert_true(look().armed);
    make_header(header, &hash, 60, &tip.hash, 4, 1000700);
    hear_cert(2, &k[1]);
    tick(5000);
    assert_int_equal(signed_n[SLK_VOTE_NULLIFY], 1); /* its timers run */
    k[0] = cert_of(SLK_VOTE_NULLIFY, 3, NULL);
    hear_proposal(4, 0, header, &hash, k, 1);
    assert_int_equal(look().view, 4);
    assert_int_equal(signed_n[SLK_VOTE_NOTARIZE], slk_council_leader(&tip.council, 60, 4) == 0 ? 0 : 1);
}

/* Bodies come from several at once, one question for each, four of one peer at most; a false one is asked of another. */
static void bodies_come_in_parallel(void **state)
{
    unsigned of_peer[4] = {0}, seen = 0;
    uint64_t heights = 0;

    (void)state;
    boot(4, 0, NULL, 0);
    make_chain();
    is_disk_slow = true;
    hear_status(1, 100);
    hear_status(2, 100);
    hear_status(3, 100);
    hear_headers(1, 0, 32);
    for (size_t i = 0; i < asked_n; i++) {
        if (asked[i].get.what != SLK_GET_BODY)
            continue;
        seen++;
        of_peer[asked[i].peer]++;
        assert_int_equal(heights >> (asked[i].get.height - TIP) & 1, 0); /* one question each */
        heights |= 1ull << (asked[i].get.height - TIP);
    }
    assert_int_equal(seen, 8);
    for (size_t i = 1; i < 4; i++)
        assert_in_range(of_peer[i], 1, 4);
    hear_vote(2, vote_of(SLK_VOTE_NULLIFY, 2, 1, NULL)); /* no message makes it ask again */
    hear_data(1, &chain[1]);
    hear_data(1, &chain[1]);
    assert_int_equal(dropped(SLK_DROP_LATE), 1);
    step((struct slk_bft_input){
        .kind = SLK_IN_VALIDATED, .hash = chain[1].hash, .verdict = SLK_BLOCK_MISSING});
    assert_int_equal(dropped(SLK_DROP_BODY), 1); /* it was not this header's */
}

/* A part of another size than its header allows, or no answer at all: the next one is asked, and nobody is charged. */
static void wrong_parts_and_silence(void **state)
{
    static const uint8_t bytes[8];
    static struct slk_msg msg;
    uint16_t peer = 99, other = 99;

    (void)state;
    boot(4, 0, NULL, 0);
    make_chain();
    is_disk_slow = true;
    for (uint16_t i = 1; i < 4; i++)
        hear_status(i, 100);
    hear_headers(1, 0, 2);
    assert_int_equal(last_get(SLK_GET_BODY, &peer)->height, TIP + 2);
    msg = (struct slk_msg){.kind = SLK_MSG_DATA, .hash = chain[1].hash};
    msg.header = slk_span_of(chain[1].header, SLK_BLOCK_HEADER_SIZE);
    msg.body = slk_span_of(bytes, 4); /* less than it says */
    msg.body_size = 8;
    hear(peer, &msg);
    assert_int_equal(dropped(SLK_DROP_CHUNK), 1);
    msg.body_size = SLK_BODY_MAX; /* more than its header says */
    hear(peer, &msg);
    assert_int_equal(dropped(SLK_DROP_CHUNK), 2);
    assert_int_equal(dropped(SLK_DROP_SILENT), 0);
    for (int i = 0; i < 3; i++)
        tick(1000);
    assert_true(dropped(SLK_DROP_SILENT) > 0);
    assert_int_equal(last_get(SLK_GET_BODY, &other)->height, TIP + 2);
    assert_int_not_equal(other, peer);
    assert_int_equal(charged_n, 0);
    hear_data(other, &chain[1]);
    assert_int_equal(dropped(SLK_DROP_CHUNK), 2);
}

/* The window goes on behind a change of charter once the charter is known, from the chain and nobody's word. */
static void epochs_are_verified(void **state)
{
    static struct slk_msg msg;
    static const uint8_t right = 2, wrong = 3;

    (void)state;
    changes_at = 8;
    boot(4, 0, NULL, 0);
    make_chain();
    is_disk_slow = true;
    hear_status(1, 100);
    hear_headers(1, 0, 10);
    assert_int_equal(look().ahead_n, 3); /* 5, 6, 7: what follows is of a charter that nobody showed */
    assert_non_null(last_get(SLK_GET_EPOCHS, NULL));
    assert_int_equal(last_get(SLK_GET_EPOCHS, NULL)->height, 7);
    msg = (struct slk_msg){.kind = SLK_MSG_EPOCHS, .certs_n = 1, .certs = {&chain[2].final}};
    msg.epochs[0] = (struct slk_epoch){
        .header = slk_span_of(chain[2].header, SLK_BLOCK_HEADER_SIZE), .charter = slk_span_of(&wrong, 1)};
    hear(1, &msg);
    assert_int_equal(dropped(SLK_DROP_CHARTER), 1);
    msg.epochs[0].charter = slk_span_of(&right, 1);
    hear(1, &msg);
    assert_int_equal(last_get(SLK_GET_HEADERS, NULL)->height, 8);
    hear_headers(1, 3, 10);
    assert_int_equal(look().ahead_n, 13);
    is_disk_slow = false;
    work();
    serve_bodies();
    assert_int_equal(look().height, 18);
    assert_int_equal(tip.council.charter_hash.b[0], 2);
}

/* ---- views ---- */

static void s38_a_leader_that_is_dead(void **state)
{
    (void)state;
    for (int heard = 0; heard < 3; heard++) {
        boot(4, 0, NULL, 0);
        for (int i = 0; i < 50; i++) { /* 50 s: 2 and 3 are heard; the leader, 1, is or is not */
            hear_status(2, 5);
            if (heard != 2)
                hear_status(3, 5);
            if (heard == 1)
                hear_status(1, 5);
            tick(1000);
        }
        step((struct slk_bft_input){.kind = SLK_IN_POOL, .pool_count = 1});
        work();
        tick(201);                                                        /* 2 delta */
        assert_int_equal(signed_n[SLK_VOTE_NULLIFY], heard == 0 ? 1 : 0); /* fewer than q: it may be me */
        tick(201);                                                        /* 4 delta */
        assert_int_equal(signed_n[SLK_VOTE_NULLIFY], 1);
    }
}

/* A justification of more than 32 certificates: 32 come with the proposal, the rest is asked for. */
static void a_long_justification_is_asked_for(void **state)
{
    enum { VIEW = 41 };
    static struct slk_cert k[VIEW];
    static struct slk_msg msg;
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct slk_hash hash;
    size_t certs_n = 0;

    (void)state;
    boot(4, 0, NULL, 0);
    may_vote();
    for (uint32_t w = 1; w < VIEW; w++)
        k[w] = cert_of(SLK_VOTE_NULLIFY, w, NULL);
    hear_cert(1, &k[VIEW - 1]);
    assert_int_equal(look().view, VIEW);
    make_header(header, &hash, 5, &tip.hash, VIEW, 1000100);
    hear_proposal(VIEW, 0, header, &hash, k + VIEW - SLK_JUST_MAX, SLK_JUST_MAX);
    assert_int_equal(signed_n[SLK_VOTE_NOTARIZE], 0);
    for (int i = 0;
         i < 3 && (last_get(SLK_GET_JUST, NULL) == NULL || last_get(SLK_GET_JUST, NULL)->view != 9); i++)
        tick(1000);
    assert_int_equal(last_get(SLK_GET_JUST, NULL)->view, VIEW - SLK_JUST_MAX);
    msg = (struct slk_msg){.kind = SLK_MSG_CERT, .height = 5};
    for (uint32_t w = VIEW - SLK_JUST_MAX - 1; w > 0; w--)
        msg.certs[msg.certs_n++] = &k[w];
    step((struct slk_bft_input){.kind = SLK_IN_MSG, .peer = 2, .msg = &msg});
    for (size_t i = 0; i < out->records_n; i++)
        certs_n += out->records[i].kind == SLK_RECORD_CERT;
    assert_int_equal(certs_n, VIEW - 1); /* rule P: all of them, with the vote */
    work();
    assert_int_equal(signed_n[SLK_VOTE_NOTARIZE], 1);
    msg = (struct slk_msg){.kind = SLK_MSG_GET};
    msg.get = (struct slk_get){.what = SLK_GET_JUST, .height = 5, .view = VIEW};
    step((struct slk_bft_input){.kind = SLK_IN_MSG, .peer = 2, .msg = &msg});
    assert_int_equal(out->at[0].msg->certs_n, SLK_JUST_MAX); /* it shows them, too, 32 at a time */
    assert_int_equal(out->at[0].msg->certs[0]->view, VIEW - 1);
}

static uint64_t time_of_view(uint32_t view)
{
    struct slk_cert k;
    uint64_t from;

    boot(4, 0, NULL, 0);
    may_vote();
    k = cert_of(SLK_VOTE_NULLIFY, view - 1, NULL);
    hear_cert(1, &k);
    assert_int_equal(look().view, view);
    from = now;
    for (int i = 0; i < 10000 && signed_n[SLK_VOTE_NULLIFY] == 0 && out->wake_ms < UINT64_MAX; i++)
        tick(out->wake_ms > now ? out->wake_ms - now : 1);
    return signed_n[SLK_VOTE_NULLIFY] == 0 ? UINT64_MAX : now - from;
}

/* 256 views a height: the last cannot be given up, so they must not run out. */
static void views_do_not_run_out(void **state)
{
    struct slk_cert k;
    uint64_t total = 0;

    (void)state;
    assert_true(time_of_view(100) <= 60000);
    assert_true(time_of_view(192) <= 60000);
    assert_true(time_of_view(200) > 60000);
    for (uint64_t w = 192, longest = 20000; w < SLK_BFT_VIEWS; w++, longest += longest / 4)
        total += longest;
    assert_true(total / 1000 / 86400 / 365 >= 2); /* years, with a third of the cap each */
    boot(4, 0, NULL, 0);
    may_vote();
    k = cert_of(SLK_VOTE_NULLIFY, SLK_BFT_VIEWS - 1, NULL);
    hear_cert(1, &k);
    assert_int_equal(look().view, SLK_BFT_VIEWS);
    assert_true((alarms >> SLK_ALARM_VIEWS & 1) != 0);
    now += 1ull << 50;
    tick(1);
    assert_int_equal(signed_n[SLK_VOTE_NULLIFY], 0);
    k = cert_of(SLK_VOTE_NULLIFY, SLK_BFT_VIEWS, NULL);
    k.view = SLK_BFT_VIEWS + 1;
    hear_cert(1, &k);
    assert_int_equal(look().view, SLK_BFT_VIEWS);
}

/* Every reason has a name of its own, and what is false is charged. */
static void reasons_have_names(void **state)
{
    (void)state;
    for (enum slk_bft_drop a = SLK_DROP_NONE; a < SLK_DROP_N; a++) {
        assert_non_null(slk_bft_drop_name(a));
        for (enum slk_bft_drop b = SLK_DROP_NONE; b < a; b++)
            assert_string_not_equal(slk_bft_drop_name(a), slk_bft_drop_name(b));
    }
    assert_int_equal(slk_bft_drop_charge(SLK_DROP_SIGNATURE), SLK_CHARGE_FALSE);
    assert_int_equal(slk_bft_drop_charge(SLK_DROP_UNASKED), SLK_CHARGE_FALSE);
    assert_int_equal(slk_bft_drop_charge(SLK_DROP_BODY), SLK_CHARGE_USELESS);
    assert_int_equal(slk_bft_drop_charge(SLK_DROP_LATE), SLK_CHARGE_NOTHING);
}

#define SCENARIO(text, function)                                                                             \
    {                                                                                                        \
        text, function, NULL, clean, NULL                                                                    \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENARIO("scenario 01: two votes that contradict each other", s01_contradictions_become_evidence),
        SCENARIO("scenario 01: two proposals of one view", s01_two_proposals),
        SCENARIO("scenario 10: a proposal without its reason, or with one of another height or charter",
            s10_proposals_without_their_reason),
        SCENARIO(
            "scenario 11: N and K of one view justify either proposal", s11_both_justifications_are_accepted),
        SCENARIO("scenario 12, 13: a body that was slow, a carried block that is hours old",
            s12_13_a_carried_block_may_be_old),
        SCENARIO("scenario 16, 17: few that nullify for ever end no view", s16_17_a_few_nullify_for_ever),
        SCENARIO("scenario 18: votes come through others", s18_votes_come_by_others),
        SCENARIO("scenario 21: a claimed height is a hint", s21_claims_are_a_hint),
        SCENARIO("scenario 22: forged headers and certificates displace nothing", s22_forged_headers),
        SCENARIO("scenario 23: floods of what is far ahead are refused", s23_floods_are_refused),
        SCENARIO("scenario 24: kept until it is durable", s24_kept_until_durable),
        SCENARIO("scenario 25: who reaches the tip votes in the current view", s25_at_the_tip_it_votes),
        SCENARIO("scenario 26: garbage does not displace a vote", s26_garbage_does_not_displace_a_vote),
        SCENARIO("scenario 27: certificates that do not hold", s27_bad_certificates),
        SCENARIO("scenario 28: which members signed does not matter", s28_signer_sets_do_not_matter),
        SCENARIO("scenario 28: which members made it final does not matter", s28_finality_by_others),
        SCENARIO("scenario 38: a leader that is dead costs half the time", s38_a_leader_that_is_dead),
        SCENARIO("scenario 45: votes under the old charter", s45_old_votes_do_not_count),
        SCENARIO("scenario 46: an observer has no say", s46_an_observer_has_no_say),
        SCENARIO("scenario 53: a pause of ten minutes", s53_a_pause_of_ten_minutes),
        SCENARIO("scenario 54: restarts do not run away", s54_restarts_do_not_run_away),
        SCENARIO("scenario 56: the next height waits for the disk", s56_the_next_height_waits_for_the_disk),
        cmocka_unit_test_teardown(no_contradictions, clean),
        cmocka_unit_test_teardown(bodies_come_in_parallel, clean),
        cmocka_unit_test_teardown(wrong_parts_and_silence, clean),
        cmocka_unit_test_teardown(epochs_are_verified, clean),
        cmocka_unit_test_teardown(a_long_justification_is_asked_for, clean),
        cmocka_unit_test_teardown(views_do_not_run_out, clean),
        cmocka_unit_test_teardown(reasons_have_names, clean),
    };

    return cmocka_run_group_tests_name("scenarios_core", tests, NULL, clean_all);
}
