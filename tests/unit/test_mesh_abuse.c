/* The mesh among those who do not mean well: each is refused for its own reason, which is counted, and costs nobody else anything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/mesh_queue.h"
#include "tests/unit/mesh_world.h"

static uint8_t large[SLK_PROPOSAL_BYTES_MAX];

/* A node that expects node 1, which is a raw client here. */
static struct node *expects_raw(struct world *world)
{
    struct node *a = node_start(world, 0);

    node_knows_raw(world, 0, 0, 1, 0);
    return a;
}

static struct raw *is_up(struct world *world, struct node *a)
{
    struct raw *raw = raw_member(world, a->port, 1);

    until(world, slk_mesh_is_up(a->mesh, 1));
    return raw;
}

/* ---- handshakes ---- */

static void refused(struct world *world, struct node *a, const struct raw_tls *how, enum slk_mesh_end end)
{
    uint64_t before = ended(a, end);
    struct raw *raw = raw_dial(world, a->port, raw_context(how));

    until(world, raw->ended);
    until(world, ended(a, end) == before + 1);
    assert_int_equal(a->ups, 0);
    raw_close(raw);
}

static void every_wrong_handshake_has_its_reason(void **state)
{
    struct world *world = *state;
    struct node *a = expects_raw(world);

    refused(world, a, &(struct raw_tls){.seed = 3}, SLK_END_PIN);
    refused(world, a, &(struct raw_tls){.seed = 0}, SLK_END_SELF);
    refused(world, a, &(struct raw_tls){.seed = 1, .no_certificate = true}, SLK_END_NO_CERTIFICATE);
    refused(world, a, &(struct raw_tls){.seed = 1, .min = TLS1_2_VERSION, .max = TLS1_2_VERSION},
        SLK_END_TLS_VERSION);
    refused(world, a, &(struct raw_tls){.seed = 1, .alpn = "\x08sillok/2"}, SLK_END_ALPN);
    refused(world, a, &(struct raw_tls){.seed = 1, .alpn = "\x02h2"}, SLK_END_ALPN);
    refused(world, a, &(struct raw_tls){.seed = 1, .alpn = ""}, SLK_END_ALPN);
    refused(world, a, &(struct raw_tls){.seed = 1, .elliptic = true},
        SLK_END_NO_CERTIFICATE); /* none that we would take */
    until(world, stats_of(a).links == 0);
    assert_int_equal(stats_of(a).unauthenticated, 0);
}

/* The charter is the authority, not a date. */
static void an_expired_certificate_with_the_right_key_is_welcome(void **state)
{
    struct world *world = *state;
    struct node *a = expects_raw(world);
    struct raw *raw = raw_dial(world, a->port, raw_context(&(struct raw_tls){.seed = 1, .expired = true}));
    struct slk_hello hello = raw_hello(world, 1);

    until(world, raw->ready);
    raw_say(raw, &hello);
    until(world, slk_mesh_is_up(a->mesh, 1));
    until(world, raw->greeted);
}

/* A client is done before the server has judged it: only a HELLO makes it up. */
static void who_dials_the_wrong_node_is_not_up(void **state)
{
    struct world *world = *state;
    struct node *a = node_start(world, 0), *b = node_start(world, 1);

    node_knows_raw(world, 0, 0, 2, b->port); /* a takes b's address for node 2's */
    node_knows(world, 1, 0);
    advance(world, 2000);
    until(world, ended(a, SLK_END_PIN) == 1);
    assert_int_equal(a->ups + b->ups, 0);
    node_knows_raw(world, 0, 2, UINT32_MAX, 0); /* the right key there, but b does not know a */
    assert_int_equal(slk_mesh_set_peers(b->mesh, 1, NULL, 0, &world->charter_hash), SLK_OK);
    world->now_ms += 5000;
    until(world, ended(b, SLK_END_PIN) == 1);
    until(world, ended(a, SLK_END_TLS) + ended(a, SLK_END_ENDED) + ended(a, SLK_END_BROKEN) == 1);
    assert_int_equal(a->ups + b->ups, 0);
}

static void hello_refused(
    struct world *world, struct node *a, const struct slk_hello *hello, enum slk_mesh_end end)
{
    uint64_t before = ended(a, end);
    struct raw *raw = raw_dial(world, a->port, raw_context(&(struct raw_tls){.seed = 1}));

    until(world, raw->ready);
    raw_say(raw, hello);
    until(world, ended(a, end) == before + 1);
    until(world, raw->ended);
    assert_int_equal(a->ups, 0);
    raw_close(raw);
}

static void a_hello_that_does_not_fit_is_refused(void **state)
{
    struct world *world = *state;
    struct node *a = expects_raw(world);
    struct slk_hello hello = raw_hello(world, 1);
    struct raw *raw;

    hello.version = hello.oldest = SLK_MESH_VERSION + 1; /* newer, and nothing that is spoken here */
    hello_refused(world, a, &hello, SLK_END_VERSION);
    hello = raw_hello(world, 1);
    hello.chain_id.b[5] ^= 1;
    hello_refused(world, a, &hello, SLK_END_CHAIN);
    hello = raw_hello(world, 2);
    hello_refused(world, a, &hello, SLK_END_HELLO);
    raw = raw_dial(world, a->port, raw_context(&(struct raw_tls){.seed = 1}));
    until(world, raw->ready);
    raw_frame(raw, SLK_FRAME_HELLO, "\xff\xff", 2);
    until(world, ended(a, SLK_END_HELLO) == 2);
    assert_int_equal(peer_stats_of(a, 1).cooling_ms, 0); /* nobody is punished before he is known */
    hello.version = SLK_MESH_VERSION + 7;                /* newer, but it still speaks this one */
    hello.charter_hash.b[0] ^= 1; /* another charter: perhaps it, or we, are behind; then places may differ */
    raw = raw_dial(world, a->port, raw_context(&(struct raw_tls){.seed = 1}));
    until(world, raw->ready);
    raw_say(raw, &hello);
    until(world, slk_mesh_is_up(a->mesh, 1));
}

static void nothing_is_read_before_hello_and_no_second_one(void **state)
{
    struct world *world = *state;
    struct node *a = expects_raw(world);
    struct slk_hello hello = raw_hello(world, 1);
    struct raw *raw = raw_dial(world, a->port, raw_context(&(struct raw_tls){.seed = 1}));

    until(world, raw->ready);
    raw_frame(raw, SLK_FRAME_VOTE, large, 100);
    until(world, ended(a, SLK_END_MALFORMED) == 1 && raw->ended);
    assert_int_equal(a->ups, 0);
    raw = is_up(world, a);
    raw_say(raw, &hello);
    until(world, ended(a, SLK_END_MALFORMED) == 2);
    assert_int_equal(a->last_down, SLK_END_MALFORMED);
}

static void who_is_slow_to_greet_is_let_go(void **state)
{
    static const uint8_t begins[] = {0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03};
    struct world *world = *state;
    struct node *a = expects_raw(world);
    struct raw *silent = raw_dial(world, a->port, NULL);
    struct raw *drips = raw_dial(world, a->port, NULL);
    struct raw *mute = raw_dial(world, a->port, raw_context(&(struct raw_tls){.seed = 1}));

    until(world, mute->ready && silent->connected && drips->connected && stats_of(a).unauthenticated == 3);
    for (unsigned i = 0; i < 49; i++) {
        raw_send(drips, &begins[i % sizeof(begins)], 1); /* a ClientHello that begins and begins */
        advance(world, 100);
    }
    assert_int_equal(ended(a, SLK_END_SLOW), 0);
    advance(world, 200);
    until(world, silent->ended && mute->ended && drips->ended);
    assert_true(ended(a, SLK_END_SLOW) >= 2);
    advance(world, 2000); /* for a goodbye that none of them answers */
    until(world, stats_of(a).links == 0);
    assert_int_equal(stats_of(a).unauthenticated, 0);
}

static void garbage_is_no_handshake(void **state)
{
    struct world *world = *state;
    struct node *a = expects_raw(world);
    struct raw *raw;

    for (unsigned i = 0; i < 8; i++) {
        raw = raw_dial(world, a->port, NULL);
        until(world, raw->connected);
        for (size_t k = 0; k < 5000; k++)
            large[k] = (uint8_t)(k * (2 * i + 7) + i);
        raw_send(raw, i == 0 ? (const void *)"GET / HTTP/1.1\r\nHost: x\r\n\r\n" : large, i == 0 ? 27 : 5000);
        until(world, raw->ended);
        raw_close(raw);
    }
    assert_int_equal(ended(a, SLK_END_TLS) + ended(a, SLK_END_TLS_VERSION), 8);
}

static void only_so_many_wait_to_be_known(void **state)
{
    struct world *world = *state;
    struct node *a;
    struct raw *waits[5];

    world->timing.unauthenticated_max = 3;
    a = expects_raw(world);
    for (unsigned i = 0; i < 5; i++)
        waits[i] = raw_dial(world, a->port, NULL);
    for (unsigned i = 0; i < 5; i++)
        until(world, waits[i]->connected); /* by the kernel */
    turn(world, 30);
    assert_int_equal(stats_of(a).unauthenticated, 3);
    assert_int_equal(stats_of(a).accept_paused, 1);
    advance(world, 5000); /* their time is over, and that for a goodbye; the next two get theirs */
    advance(world, 2000);
    until(world, ended(a, SLK_END_SLOW) == 3 && stats_of(a).unauthenticated == 2);
    advance(world, 5000);
    advance(world, 2000);
    until(world, ended(a, SLK_END_SLOW) == 5 && stats_of(a).links == 0);
    (void)is_up(world, a); /* and an honest one is let in */
}

static void one_address_connects_so_often(void **state)
{
    struct world *world = *state;
    struct node *a;
    struct raw *raw;

    world->timing.ip_burst = 2;
    a = expects_raw(world);
    for (unsigned i = 0; i < 6; i++) {
        raw = raw_dial(world, a->port, NULL);
        until(world, raw->connected);
        turn(world, 3);
        if (i >= 2)
            until(world, raw->ended);
        raw_close(raw);
    }
    until(world, ended(a, SLK_END_IP_RATE) == 4);
    advance(world, 5000);
    (void)is_up(world, a);
}

/* ---- frames ---- */

static void bad_bytes(
    struct world *world, struct node *a, const void *bytes, size_t size, enum slk_mesh_end end)
{
    struct raw *raw = is_up(world, a);

    raw_send(raw, bytes, size);
    until(world, !slk_mesh_is_up(a->mesh, 1));
    assert_int_equal(a->last_down, end);
    until(world, raw->ended);
    assert_true(peer_stats_of(a, 1).cooling_ms > 0);
    advance(world, 3600000);
    raw_close(raw);
}

static void bytes_that_are_no_frame_end_it(void **state)
{
    struct world *world = *state;
    struct node *a = expects_raw(world);

    bad_bytes(world, a, "\0\0\0\1\0\0\0\0x", 9, SLK_END_MALFORMED);         /* no such type */
    bad_bytes(world, a, "\0\0\0\1\xff\0\0\0x", 9, SLK_END_MALFORMED);       /* nor this one */
    bad_bytes(world, a, "\0\0\0\0\2\0\0\0", 8, SLK_END_MALFORMED);          /* empty */
    bad_bytes(world, a, "\0\0\0\1\2\2\0\0x", 9, SLK_END_MALFORMED);         /* an unknown flag */
    bad_bytes(world, a, "\0\0\0\1\2\0\0\1x", 9, SLK_END_MALFORMED);         /* not zero */
    bad_bytes(world, a, "\0\0\0\1\1\1\0\0x", 9, SLK_END_MALFORMED);         /* needlessly small pieces */
    bad_bytes(world, a, "\0\0\1\1\2\0\0\0", 8, SLK_END_TOO_LARGE);          /* a vote of 257 bytes */
    bad_bytes(world, a, "\xff\xff\xff\xff\1\0\0\0", 8, SLK_END_TOO_LARGE);  /* a proposal of 4 GiB */
    bad_bytes(world, a, "\0\0\x3f\xf9\1\0\0\0", 8, SLK_END_MALFORMED);      /* a piece above a record */
    bad_bytes(world, a, "\0\0\0\2\6\0\0\0\xff\xff", 10, SLK_END_MALFORMED); /* a GET that is none */
    assert_int_equal(a->inbox_n, 0);
}

static void a_message_above_its_cap_is_not_collected(void **state)
{
    struct world *world = *state;
    struct node *a = expects_raw(world);
    struct raw *raw = is_up(world, a);
    static uint8_t piece[SLK_FRAME_PIECE_MAX];

    piece[2] = 0x3f;
    piece[3] = 0xf8; /* 16,376 */
    piece[4] = SLK_FRAME_PROPOSAL;
    piece[5] = SLK_FRAME_MORE;
    for (unsigned i = 0; i < 16; i++)
        raw_send(raw, piece, sizeof(piece));
    until(world, !slk_mesh_is_up(a->mesh, 1));
    assert_int_equal(a->last_down, SLK_END_TOO_LARGE);
    assert_int_equal(a->inbox_n, 0);
}

static void bulk_that_nobody_asked_for_ends_it(void **state)
{
    static const enum slk_frame_type bulk[] = {
        SLK_FRAME_DATA, SLK_FRAME_HEADERS, SLK_FRAME_EPOCHS, SLK_FRAME_EVENTS};
    struct world *world = *state;
    struct node *a = expects_raw(world);

    for (size_t i = 0; i < 4; i++) {
        struct raw *raw = is_up(world, a);

        raw_frame(raw, bulk[i], large, 60000);
        until(world, !slk_mesh_is_up(a->mesh, 1));
        assert_int_equal(a->last_down, SLK_END_UNASKED);
        assert_int_equal(a->inbox_n, 0);
        until(world, raw->ended);
        raw_close(raw);
        advance(world, 3600000);
    }
}

/* Asked once, one answer: the second is one too many. */
static void an_answer_comes_once(void **state)
{
    struct world *world = *state;
    struct node *a = expects_raw(world);
    struct raw *raw = is_up(world, a);

    assert_int_equal(slk_mesh_send(a->mesh, 1, SLK_FRAME_WANT, slk_span_of(large, 32)), SLK_OK);
    until(world, raw->frames == 2);
    raw_frame(raw, SLK_FRAME_EVENTS, large, 60000);
    until(world, a->inbox_n == 1);
    raw_frame(raw, SLK_FRAME_EVENTS, large, 60000);
    until(world, !slk_mesh_is_up(a->mesh, 1));
    assert_int_equal(a->last_down, SLK_END_UNASKED);
    assert_int_equal(a->inbox_n, 1);
}

/* ---- behaviour ---- */

static void who_misbehaves_cools_down_longer_each_time(void **state)
{
    static const uint64_t away_ms[] = {60000, 120000, 240000, 480000, 960000, 1920000, 3600000, 3600000};
    struct world *world = *state;
    struct node *a = expects_raw(world);
    struct raw *raw;

    for (size_t i = 0; i < sizeof(away_ms) / sizeof(away_ms[0]); i++) {
        raw = is_up(world, a);
        a->verdict = SLK_MESH_BAD;
        raw_frame(raw, SLK_FRAME_STATUS, large, 10);
        until(world, !slk_mesh_is_up(a->mesh, 1));
        assert_int_equal(a->last_down, SLK_END_BAD);
        assert_in_range(peer_stats_of(a, 1).cooling_ms, away_ms[i], away_ms[i]);
        until(world, raw->ended);
        raw_close(raw);
        advance(world, away_ms[i] - 1);
        raw = raw_dial(world, a->port, raw_context(&(struct raw_tls){.seed = 1}));
        until(world, raw->ended && ended(a, SLK_END_COOLING) == i + 1);
        raw_close(raw);
        advance(world, 1);
    }
    advance(world, UINT64_C(8) * 3600000); /* peace */
    raw = is_up(world, a);
    slk_mesh_charge(a->mesh, 1, SLK_MESH_USELESS);
    assert_int_equal(stats_of(a).total.useless, 1);
    slk_mesh_charge(a->mesh, 1, SLK_MESH_BAD); /* from a worker, later */
    assert_true(slk_mesh_is_up(a->mesh, 1));   /* not from inside the call */
    until(world, !slk_mesh_is_up(a->mesh, 1));
    assert_int_equal(peer_stats_of(a, 1).cooling_ms, 60000);
}

static void a_flood_is_read_at_its_rate(void **state)
{
    struct world *world = *state;
    struct node *a = expects_raw(world);
    struct raw *raw = is_up(world, a);
    size_t before;

    for (unsigned i = 0; i < 6000; i++)
        raw_frame(raw, SLK_FRAME_VOTE, large, 130);
    until(world, a->inbox_n == 4001);
    turn(world, 50);
    assert_int_equal(a->inbox_n, 4001); /* the burst, and the one that overdrew */
    assert_false(peer_stats_of(a, 1).reading);
    assert_int_equal(stats_of(a).total.throttled, 1);
    advance(world, 253); /* out of debt, and a quarter second's worth */
    until(world, a->inbox_n >= 4100);
    turn(world, 20);
    assert_in_range(a->inbox_n, 4100, 4103);
    before = a->inbox_n;
    advance(world, 1000);
    until(world, a->inbox_n >= before + 400);
    turn(world, 20);
    assert_in_range(a->inbox_n, before + 399, before + 402);
    assert_true(slk_mesh_is_up(a->mesh, 1));
}

static void a_flood_that_lasts_ends_it(void **state)
{
    struct world *world = *state;
    struct node *a;
    struct raw *raw;

    world->timing.rate_ms = 3000;
    a = expects_raw(world);
    raw = is_up(world, a);
    for (unsigned i = 0; i < 400 && slk_mesh_is_up(a->mesh, 1); i++) {
        for (unsigned k = 0; k < 20; k++)
            raw_frame(raw, SLK_FRAME_DIGEST, large, 10);
        advance(world, 100);
    }
    assert_false(slk_mesh_is_up(a->mesh, 1));
    assert_int_equal(a->last_down, SLK_END_RATE);
    assert_int_equal(peer_stats_of(a, 1).cooling_ms, 0); /* class B */
}

static void bytes_have_a_rate_too(void **state)
{
    struct world *world = *state;
    struct node *a;
    struct raw *raw;

    world->timing.bytes_per_s = 100000;
    a = expects_raw(world);
    raw = is_up(world, a);
    for (unsigned i = 0; i < 10; i++)
        raw_frame(raw, SLK_FRAME_PROPOSAL, large, 100000);
    until(world, a->inbox_n == 2);
    turn(world, 30);
    assert_int_equal(a->inbox_n, 2);
    advance(world, 300);
    until(world, a->inbox_n == 3);
}

/* A's memory stays bounded, C is served as if nothing were, and in the end A lets go. */
static void who_never_reads_costs_a_bounded_queue(void **state)
{
    struct world *world = *state;
    struct node *a, *c;
    struct raw *deaf;
    size_t most = 0;

    a = node_start(world, 0);
    c = node_start(world, 2);
    node_knows_raw(world, 0, 4, 1, 0);
    node_knows(world, 2, 0);
    deaf = is_up(world, a);
    until(world, slk_mesh_is_up(a->mesh, 2));
    raw_deaf(deaf, true);
    for (unsigned i = 0; i < 400; i++) {
        size_t queued;

        (void)slk_mesh_send(a->mesh, 1, SLK_FRAME_PROPOSAL, slk_span_of(large, sizeof(large)));
        (void)slk_mesh_send(a->mesh, 1, SLK_FRAME_INV, slk_span_of(large, 16000));
        (void)slk_mesh_send(a->mesh, 1, SLK_FRAME_CERT, slk_span_of(large, 100000));
        for (uint16_t k = 1; k <= 2; k++)
            assert_int_equal(slk_mesh_send(a->mesh, k, SLK_FRAME_VOTE, slk_span_of(large, 130)), SLK_OK);
        turn(world, 2);
        queued = stats_of(a).queued_bytes;
        most = queued > most ? queued : most;
        until(world, c->inbox_n == i + 1); /* at once, each time */
    }
    assert_in_range(most, 400000, slk_mesh_queue_bound());
    assert_true(stats_of(a).total.queue_dropped[SLK_FRAME_P0] > 0);
    assert_true(stats_of(a).total.queue_dropped[SLK_FRAME_P1] > 0);
    assert_true(stats_of(a).total.queue_dropped[SLK_FRAME_P3] > 0);
    advance(world, 15000);
    raw_frame(deaf, SLK_FRAME_STATUS, large, 10); /* it speaks, but that is not reading */
    until(world, inbox_count(a, SLK_FRAME_STATUS) == 1);
    assert_true(slk_mesh_is_up(a->mesh, 1));
    advance(world, 15001);
    until(world, a->downs == 1);
    assert_int_equal(a->last_down, SLK_END_STALLED);
    until(world, stats_of(a).queued_bytes == 0);
    assert_true(slk_mesh_is_up(a->mesh, 2));
}

static void who_says_nothing_is_let_go(void **state)
{
    struct world *world = *state;
    struct node *a = expects_raw(world);
    struct raw *raw = is_up(world, a);

    advance(world, 59000);
    raw_frame(raw, SLK_FRAME_STATUS, large, 10);
    until(world, a->inbox_n == 1);
    advance(world, 59000);
    assert_true(slk_mesh_is_up(a->mesh, 1));
    advance(world, 1001);
    until(world, a->downs == 1);
    assert_int_equal(a->last_down, SLK_END_SILENT);
}

/* KeyUpdate with a request makes our TLS answer: not without end while nobody reads the answers. */
static void tls_does_not_answer_without_end(void **state)
{
    struct world *world = *state;
    struct node *a = expects_raw(world);
    struct raw *raw = is_up(world, a);

    raw_deaf(raw, true);
    for (unsigned i = 0; i < 200; i++) { /* first the sockets are filled */
        (void)slk_mesh_send(a->mesh, 1, SLK_FRAME_PROPOSAL, slk_span_of(large, sizeof(large)));
        turn(world, 1);
    }
    for (unsigned i = 0; i < 4000 && slk_mesh_is_up(a->mesh, 1); i++) {
        (void)SSL_key_update(raw->ssl, SSL_KEY_UPDATE_REQUESTED);
        raw_frame(raw, SLK_FRAME_VOTE, large, 1);
        if (i % 16 == 0)
            turn(world, 1);
    }
    assert_false(slk_mesh_is_up(a->mesh, 1));
    assert_int_equal(a->last_down, SLK_END_OUTPUT);
}

static void guests_observe(void **state)
{
    struct world *world = *state;
    struct node *a;
    struct raw *first, *second, *third;

    world->guests_max = 2;
    a = node_start(world, 0);
    first = raw_member(world, a->port, 10);
    second = raw_member(world, a->port, 11);
    until(world, a->ups == 2);
    assert_true(slk_mesh_is_up(a->mesh, SLK_MESH_GUEST) && slk_mesh_is_up(a->mesh, SLK_MESH_GUEST + 1));
    third = raw_member(world, a->port, 12);
    until(world, third->ended);
    assert_int_equal(ended(a, SLK_END_CROWDED), 1);
    raw_frame(first, SLK_FRAME_VOTE, large, 100);
    raw_frame(first, SLK_FRAME_PROPOSAL, large, 100);
    raw_frame(first, SLK_FRAME_CERT, large, 100);
    raw_frame(first, SLK_FRAME_INV, large, 32);
    until(world, a->inbox_n == 1);
    assert_int_equal(a->inbox[0].type, SLK_FRAME_INV);
    assert_int_equal(stats_of(a).total.no_say, 3);
    for (uint16_t k = SLK_MESH_GUEST; k < SLK_MESH_GUEST + 2; k++)
        assert_int_equal(slk_mesh_send(a->mesh, k, SLK_FRAME_COMMIT, slk_span_of(large, 10)), SLK_OK);
    raw_close(second);
    until(world, a->downs == 1);
    raw_close(third);
    third = raw_member(world, a->port, 12); /* a place is free again */
    until(world, a->ups == 3);
    node_knows_raw(world, 0, 0, 10, 0); /* the first becomes a member, and comes back as one */
    until(world, first->ended);
    assert_int_equal(a->last_down, SLK_END_CHARTER);
    raw_close(first);
    first = raw_member(world, a->port, 10);
    until(world, slk_mesh_is_up(a->mesh, 10));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)
    const struct CMUnitTest tests[] = {
        T(every_wrong_handshake_has_its_reason),
        T(an_expired_certificate_with_the_right_key_is_welcome),
        T(who_dials_the_wrong_node_is_not_up),
        T(a_hello_that_does_not_fit_is_refused),
        T(nothing_is_read_before_hello_and_no_second_one),
        T(who_is_slow_to_greet_is_let_go),
        T(garbage_is_no_handshake),
        T(only_so_many_wait_to_be_known),
        T(one_address_connects_so_often),
        T(bytes_that_are_no_frame_end_it),
        T(a_message_above_its_cap_is_not_collected),
        T(bulk_that_nobody_asked_for_ends_it),
        T(an_answer_comes_once),
        T(who_misbehaves_cools_down_longer_each_time),
        T(a_flood_is_read_at_its_rate),
        T(a_flood_that_lasts_ends_it),
        T(bytes_have_a_rate_too),
        T(who_never_reads_costs_a_bounded_queue),
        T(who_says_nothing_is_let_go),
        T(tls_does_not_answer_without_end),
        T(guests_observe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
