/* test_scenarios_sync.c: scenarios of protocol §5 that one core can be asked: catching up.
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

#define SCENARIO(text, function)                                                                             \
    {                                                                                                        \
        text, function, NULL, clean, NULL                                                                    \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENARIO("scenario 21: a claimed height is a hint", s21_claims_are_a_hint),
        SCENARIO("scenario 22: forged headers and certificates displace nothing", s22_forged_headers),
        SCENARIO("scenario 23: floods of what is far ahead are refused", s23_floods_are_refused),
        SCENARIO("scenario 24: kept until it is durable", s24_kept_until_durable),
        SCENARIO("scenario 25: who reaches the tip votes in the current view", s25_at_the_tip_it_votes),
        cmocka_unit_test_teardown(bodies_come_in_parallel, clean),
        cmocka_unit_test_teardown(wrong_parts_and_silence, clean),
        cmocka_unit_test_teardown(epochs_are_verified, clean),
    };

    return cmocka_run_group_tests_name("scenarios_sync", tests, NULL, clean_all);
}
