/* test_scenarios_core.c: scenarios of protocol §5 that one core can be asked: votes, evidence,
 * views and its clock. Catching up is in test_scenarios_sync.c.
 * The others are stories of a whole network: tests/sim/scenario*.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/core_world.h"

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
        struct slk_verifier verifier = {.verify = mock_verify};
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
static uint64_t said_since(void)
{
    const struct slk_bft_view_of l = look();
    uint8_t bytes[sizeof(sent_n) + sizeof(signed_n) + 3 * sizeof(uint64_t) + SLK_HASH_SIZE];
    const uint64_t numbers[3] = {l.height, l.view, out->wake_ms};

    memcpy(bytes, sent_n, sizeof(sent_n));
    memcpy(bytes + sizeof(sent_n), signed_n, sizeof(signed_n));
    memcpy(bytes + sizeof(sent_n) + sizeof(signed_n), numbers, sizeof(numbers));
    memcpy(bytes + sizeof(bytes) - SLK_HASH_SIZE, tip.hash.b, SLK_HASH_SIZE);
    return mock_sum(bytes, sizeof(bytes), 0);
}

/* Finalised by these or by those: the next height begins the same way. */
static void s28_finality_by_others(void **state)
{
    static const uint64_t signers[3] = {0x3e, 0x7c, 0x7e};
    uint64_t said[3];

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

        mock_sign_statement(v.sig, &second_charter, &v.statement, i);
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
        cmocka_unit_test_teardown(a_long_justification_is_asked_for, clean),
        cmocka_unit_test_teardown(views_do_not_run_out, clean),
        cmocka_unit_test_teardown(reasons_have_names, clean),
    };

    return cmocka_run_group_tests_name("scenarios_core", tests, NULL, clean_all);
}
