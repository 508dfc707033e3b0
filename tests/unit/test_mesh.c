/* The mesh between nodes that mean well: they find each other, talk, part, come back, and what is urgent goes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/mesh_world.h"

static uint8_t large[SLK_PROPOSAL_BYTES_MAX];

static void fill(uint8_t *at, size_t size, uint8_t seed)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(seed + i * 7 + (i >> 8));
}

static size_t format_get(uint8_t out[256], enum slk_get_what what)
{
    static struct slk_msg msg;

    memset(&msg, 0, sizeof(msg));
    msg.kind = SLK_MSG_GET;
    msg.get = (struct slk_get){.what = what, .height = 9};
    if (what == SLK_GET_BODY)
        msg.get.hash.b[0] = 1;
    if (what == SLK_GET_HEADERS)
        msg.get.count = 1;
    return slk_msg_format(out, 256, &msg);
}

static void two_nodes_meet(void **state)
{
    struct world *world = *state;
    struct node *a = &world->nodes[0], *b = &world->nodes[1];

    world_connect(world, 2);
    assert_true(slk_mesh_is_up(a->mesh, 1) && slk_mesh_is_up(b->mesh, 0));
    assert_false(slk_mesh_is_up(a->mesh, 0) || slk_mesh_is_up(a->mesh, 2));
    assert_int_equal(a->last_up, 1);
    assert_int_equal(a->hellos[1].height, 8);
    assert_int_equal(a->hellos[1].index, 1);
    assert_int_equal(b->hellos[0].height, 7);
    assert_true(slk_hash_equal(&a->hellos[1].charter_hash, &world->charter_hash));
    assert_memory_not_equal(a->hellos[1].instance, b->hellos[0].instance, SLK_MESH_INSTANCE);
    node_stop(a);
    until(world, b->downs == 1);
    assert_int_equal(b->last_down, SLK_END_ENDED);
}

static void every_size_arrives_whole(void **state)
{
    static const size_t sizes[] = {1, 2, 16375, 16376, 16377, 32752, 32753, 100000, SLK_PROPOSAL_BYTES_MAX};
    struct world *world = *state;
    struct node *a = &world->nodes[0], *b = &world->nodes[1];

    world_connect(world, 2);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        fill(large, sizes[i], (uint8_t)i);
        assert_int_equal(slk_mesh_send(a->mesh, 1, SLK_FRAME_PROPOSAL, slk_span_of(large, sizes[i])), SLK_OK);
        until(world, b->inbox_n == i + 1);
        assert_int_equal(b->inbox[i].type, SLK_FRAME_PROPOSAL);
        assert_int_equal(b->inbox[i].from, 0);
        assert_int_equal(b->inbox[i].size, sizes[i]);
        assert_memory_equal(b->last, large, sizes[i]);
    }
    assert_int_equal(stats_of(a).total.frames_out[SLK_FRAME_PROPOSAL], sizeof(sizes) / sizeof(sizes[0]));
    assert_int_equal(
        peer_stats_of(b, 0).counts.frames_in[SLK_FRAME_PROPOSAL], sizeof(sizes) / sizeof(sizes[0]));
}

static void what_has_no_form_is_not_sent(void **state)
{
    struct world *world = *state;
    struct node *a = &world->nodes[0];

    world_connect(world, 2);
    assert_int_equal(slk_mesh_send(a->mesh, 1, SLK_FRAME_VOTE, slk_span_of(large, 0)), SLK_E_TOO_LARGE);
    assert_int_equal(slk_mesh_send(a->mesh, 1, SLK_FRAME_VOTE, slk_span_of(large, 257)), SLK_E_TOO_LARGE);
    assert_int_equal(slk_mesh_send(a->mesh, 1, SLK_FRAME_HELLO, slk_span_of(large, 10)), SLK_E_TOO_LARGE);
    assert_int_equal(slk_mesh_send(a->mesh, 1, SLK_FRAME_TYPE_N, slk_span_of(large, 1)), SLK_E_TOO_LARGE);
    assert_int_equal(slk_mesh_send(a->mesh, 2, SLK_FRAME_VOTE, slk_span_of(large, 1)), SLK_E_NOT_FOUND);
    memset(large, 0xff, 16);
    assert_int_equal(slk_mesh_send(a->mesh, 1, SLK_FRAME_GET, slk_span_of(large, 16)), SLK_E_MALFORMED);
}

static void everybody_has_one_connection_to_everybody(void **state)
{
    struct world *world = *state;

    world_connect(world, 5);
    for (unsigned i = 0; i < 5; i++) {
        struct slk_mesh_stats stats = stats_of(&world->nodes[i]);

        assert_int_equal(stats.up, 4);
        assert_int_equal(stats.total.ended[SLK_END_DUPLICATE] + stats.total.ended[SLK_END_REPLACED], 0);
        for (uint16_t k = 0; k < 5; k++)
            assert_int_equal(
                slk_mesh_send(world->nodes[i].mesh, k, SLK_FRAME_STATUS, slk_span_of(large, 100)),
                k == i ? SLK_E_NOT_FOUND : SLK_OK);
    }
    for (unsigned i = 0; i < 5; i++)
        until(world, world->nodes[i].inbox_n == 4);
}

/* Both dial at the same moment, again and again: both ends keep the same connection. */
static void of_two_connections_both_ends_keep_the_same(void **state)
{
    struct world *world = *state;
    struct node *a = &world->nodes[0], *b = &world->nodes[1];
    uint64_t resolved = 0;

    for (unsigned round = 0; round < 20; round++) {
        node_start(world, 0);
        node_start(world, 1);
        node_knows(world, 0, UINT32_MAX);
        node_knows(world, 1, UINT32_MAX);
        world->now_ms += 2000; /* the larger key waits no longer either */
        until(world,
            stats_of(a).up == 1 && stats_of(b).up == 1 && stats_of(a).links == 1 && stats_of(b).links == 1);
        resolved += ended(a, SLK_END_DUPLICATE) + ended(a, SLK_END_REPLACED);
        assert_int_equal(a->ups, a->downs + 1);
        assert_int_equal(b->ups, b->downs + 1);
        assert_true(peer_stats_of(a, 1).dialled != peer_stats_of(b, 0).dialled);
        assert_int_equal(send_votes(a, 1, 1), 1);
        assert_int_equal(send_votes(b, 0, 1), 1);
        until(world, a->inbox_n == 1 && b->inbox_n == 1);
        node_stop(a);
        node_stop(b);
    }
    assert_true(resolved > 0);
}

static void a_node_that_comes_back_is_found_again(void **state)
{
    struct world *world = *state;
    struct node *a = &world->nodes[0], *b = &world->nodes[1];
    uint8_t instance[SLK_MESH_INSTANCE];

    world_connect(world, 3);
    memcpy(instance, a->hellos[1].instance, sizeof(instance));
    node_stop(b);
    until(world, !slk_mesh_is_up(a->mesh, 1));
    for (unsigned i = 0; i < 8 || (ended(a, SLK_END_CONNECT) < 2 && i < 800); i++)
        advance(world, 10000);
    assert_true(ended(a, SLK_END_CONNECT) >= 2);
    node_start(world, 1); /* knows nobody, so that it can only be found */
    assert_int_equal(stats_of(b).up, 0);
    node_knows(world, 1, 0);
    advance(world, 70000);
    until(world, slk_mesh_is_up(a->mesh, 1) && slk_mesh_is_up(b->mesh, 2));
    assert_memory_not_equal(a->hellos[1].instance, instance, sizeof(instance));
}

/* 1 s to 60 s, doubling, with jitter below: in an hour some fifty to a hundred and thirty times. */
static void who_is_not_there_is_dialled_for_ever(void **state)
{
    struct world *world = *state;
    struct node *a = node_start(world, 0), *b = node_start(world, 1);
    uint64_t before;

    node_stop(b);
    node_knows_raw(world, 0, 0, 1, b->port);
    for (unsigned i = 0; i < 72; i++)
        advance(world, 5000);
    before = ended(a, SLK_END_CONNECT);
    assert_in_range(before, 6, 20);
    for (unsigned i = 0; i < 400; i++) {
        world->now_ms += 9000;
        turn(world, 3);
    }
    assert_in_range(ended(a, SLK_END_CONNECT) - before, 45, 130);
    assert_in_range(peer_stats_of(a, 1).retry_in_ms, 0, 60500);
}

/* A connection of the peer's old process, which nobody has told us of, does not stand in the way of the new one. */
static void a_newer_process_takes_the_place_of_the_old(void **state)
{
    struct world *world = *state;
    struct node *a = node_start(world, 0);
    struct raw *old, *fresh;
    struct slk_hello hello = raw_hello(world, 1);

    node_knows_raw(world, 0, 0, 1, 0);
    old = raw_member(world, a->port, 1);
    until(world, slk_mesh_is_up(a->mesh, 1));
    fresh = raw_dial(world, a->port, raw_context(&(struct raw_tls){.seed = 1}));
    until(world, fresh->ready);
    hello.instance[3] = 9;
    raw_say(fresh, &hello);
    until(world, a->ups == 2);
    assert_int_equal(a->last_down, SLK_END_REPLACED);
    until(world, old->ended);
    assert_false(fresh->ended);
}

static void a_name_is_looked_up(void **state)
{
    struct world *world = *state;
    struct node *a = node_start(world, 0), *b = node_start(world, 1);
    struct slk_mesh_peer peer = {.index = 1, .votes = true, .host = "localhost"};

    node_knows(world, 1, 0);
    key_of(peer.node_key, 1);
    snprintf(peer.port, sizeof(peer.port), "%u", (unsigned)b->port);
    assert_int_equal(slk_mesh_set_peers(a->mesh, 0, &peer, 1, &world->charter_hash), SLK_OK);
    /* localhost may be ::1 first, where nobody listens: then another address's turn comes */
    for (unsigned i = 0; i < 50 && !slk_mesh_is_up(a->mesh, 1); i++) {
        world->now_ms += 60000;
        until(world, slk_mesh_is_up(a->mesh, 1) || peer_stats_of(a, 1).retry_in_ms > 0);
    }
    assert_true(slk_mesh_is_up(a->mesh, 1));
}

static void it_stops_in_the_middle_of_anything(void **state)
{
    struct world *world = *state;
    struct slk_mesh_peer peer = {.index = 1, .votes = true, .host = "localhost", .port = "1"};
    struct node *a;

    key_of(peer.node_key, 1);
    for (unsigned turns = 0; turns < 12; turns++) {
        a = node_start(world, 0);
        assert_int_equal(slk_mesh_set_peers(a->mesh, 0, &peer, 1, &world->charter_hash), SLK_OK);
        turn(world, turns);
        node_stop(a);
    }
    for (unsigned turns = 0; turns < 24; turns++) {
        node_start(world, 0);
        node_start(world, 1);
        node_knows(world, 0, UINT32_MAX);
        node_knows(world, 1, UINT32_MAX);
        turn(world, turns);
        node_stop(&world->nodes[turns % 2]);
        node_stop(&world->nodes[1 - turns % 2]);
    }
}

static void it_may_be_stopped_from_inside(void **state)
{
    struct world *world = *state;
    struct node *b = &world->nodes[1];

    world_connect(world, 2);
    b->stops_in_frame = true;
    send_votes(&world->nodes[0], 1, 10);
    until(world, b->stopped);
    assert_int_equal(b->inbox_n, 1);
    node_stop(b);
}

static void what_was_sent_before_a_stop_arrives(void **state)
{
    struct world *world = *state;
    struct node *a = &world->nodes[0], *b = &world->nodes[1];

    world_connect(world, 2);
    fill(large, sizeof(large), 3);
    assert_int_equal(
        slk_mesh_send(a->mesh, 1, SLK_FRAME_PROPOSAL, slk_span_of(large, sizeof(large))), SLK_OK);
    assert_int_equal(send_votes(a, 1, 5), 5);
    node_stop(a);
    until(world, b->downs == 1);
    assert_int_equal(b->inbox_n, 6);
    assert_memory_equal(b->last, large, sizeof(large));
}

/* ---- what is urgent ---- */

static void a_vote_does_not_wait_behind_a_proposal(void **state)
{
    struct world *world = *state;
    struct node *a = &world->nodes[0], *b = &world->nodes[1];
    size_t held;

    world->timing.bytes_per_s =
        1 << 20; /* of which the first two seconds' worth goes through: the clock stands */
    world_connect(world, 2);
    for (unsigned i = 0; i < 200; i++) { /* what the sockets take is theirs; then the queue holds both */
        (void)slk_mesh_send(a->mesh, 1, SLK_FRAME_PROPOSAL, slk_span_of(large, sizeof(large)));
        turn(world, 3);
    }
    held = peer_stats_of(a, 1).queued_bytes;
    assert_in_range(held, sizeof(large), 2 * sizeof(large));
    assert_false(peer_stats_of(b, 0).reading);
    assert_int_equal(send_votes(a, 1, 3), 3);
    for (unsigned i = 0; i < 300 && (peer_stats_of(a, 1).queued_bytes > 0 ||
                                        inbox_count(b, SLK_FRAME_PROPOSAL) <
                                            stats_of(a).total.frames_out[SLK_FRAME_PROPOSAL]);
         i++)
        advance(world, 100);
    assert_int_equal(inbox_count(b, SLK_FRAME_VOTE), 3);
    assert_int_equal(inbox_count(b, SLK_FRAME_PROPOSAL), stats_of(a).total.frames_out[SLK_FRAME_PROPOSAL]);
    assert_int_equal(b->inbox[b->inbox_n - 1].type, SLK_FRAME_PROPOSAL); /* overtaken, though sent first */
    assert_true(stats_of(a).total.queue_dropped[SLK_FRAME_P1] > 0);
}

static void a_full_queue_of_votes_drops_the_oldest(void **state)
{
    struct world *world = *state;
    struct node *a = &world->nodes[0], *b = &world->nodes[1];

    world_connect(world, 2);
    assert_int_equal(send_votes(a, 1, 300), 300); /* in one turn of the loop: nothing leaves in between */
    until(world, b->inbox_n == 256);
    turn(world, 5);
    assert_int_equal(b->inbox_n, 256);
    assert_int_equal(b->inbox[0].first, 300 - 256);
    assert_int_equal(stats_of(a).total.queue_dropped[SLK_FRAME_P0], 300 - 256);
}

/* ---- questions ---- */

static void bulk_goes_only_to_who_asked(void **state)
{
    struct world *world = *state;
    struct node *a = &world->nodes[0], *b = &world->nodes[1];
    uint8_t get[256];
    size_t size = format_get(get, SLK_GET_BODY);

    world_connect(world, 2);
    assert_int_equal(slk_mesh_send(b->mesh, 0, SLK_FRAME_DATA, slk_span_of(large, 1000)), SLK_E_REFUSED);
    assert_int_equal(stats_of(b).total.unasked_out, 1);
    assert_int_equal(slk_mesh_send(a->mesh, 1, SLK_FRAME_GET, slk_span_of(get, size)), SLK_OK);
    until(world, b->inbox_n == 1);
    assert_int_equal(slk_mesh_send(b->mesh, 0, SLK_FRAME_DATA, slk_span_of(large, 1000)), SLK_OK);
    assert_int_equal(slk_mesh_send(b->mesh, 0, SLK_FRAME_DATA, slk_span_of(large, 1000)), SLK_E_REFUSED);
    until(world, a->inbox_n == 1);
    assert_int_equal(a->inbox[0].size, 1000);
    size = format_get(get, SLK_GET_COMMIT); /* its answer is no bulk */
    assert_int_equal(slk_mesh_send(a->mesh, 1, SLK_FRAME_GET, slk_span_of(get, size)), SLK_OK);
    until(world, b->inbox_n == 2);
    assert_int_equal(slk_mesh_send(b->mesh, 0, SLK_FRAME_HEADERS, slk_span_of(large, 1)), SLK_E_REFUSED);
}

static void four_questions_are_under_way_at_most(void **state)
{
    struct world *world = *state;
    struct node *a = &world->nodes[0], *b = &world->nodes[1];
    uint8_t get[256];
    size_t size = format_get(get, SLK_GET_HEADERS);

    world_connect(world, 2);
    for (unsigned i = 0; i < 4 + SLK_MESH_WAIT_MAX; i++)
        assert_int_equal(slk_mesh_send(a->mesh, 1, SLK_FRAME_GET, slk_span_of(get, size)), SLK_OK);
    assert_int_equal(slk_mesh_send(a->mesh, 1, SLK_FRAME_GET, slk_span_of(get, size)), SLK_E_REFUSED);
    assert_int_equal(slk_mesh_send(a->mesh, 1, SLK_FRAME_WANT, slk_span_of(large, 32)), SLK_E_REFUSED);
    assert_int_equal(stats_of(a).total.asks_dropped, 2);
    until(world, b->inbox_n == 4);
    turn(world, 20);
    assert_int_equal(b->inbox_n, 4);
    assert_int_equal(peer_stats_of(a, 1).asks, 4);
    assert_int_equal(peer_stats_of(a, 1).asks_waiting, SLK_MESH_WAIT_MAX);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(slk_mesh_send(b->mesh, 0, SLK_FRAME_HEADERS, slk_span_of(large, 90000)), SLK_OK);
        until(world, b->inbox_n == 5 + i);
    }
    advance(world, 10001); /* the rest is never answered: the next four are asked all the same */
    until(world, b->inbox_n == 11);
    assert_int_equal(stats_of(a).total.asks_lost, 4);
    /* and an answer that comes late is no crime */
    assert_int_equal(slk_mesh_send(b->mesh, 0, SLK_FRAME_HEADERS, slk_span_of(large, 90000)), SLK_OK);
    until(world, a->inbox_n == 4);
    assert_true(slk_mesh_is_up(a->mesh, 1));
}

/* ---- the charter changes ---- */

static void who_leaves_the_charter_is_let_go(void **state)
{
    struct world *world = *state;
    struct node *a = &world->nodes[0];
    struct slk_mesh_peer peer = {.index = 2, .votes = true};
    struct slk_hash next = {{3}};

    world_connect(world, 3);
    key_of(peer.node_key, 2);
    assert_int_equal(slk_mesh_set_peers(a->mesh, 0, &peer, 1, &next), SLK_OK);
    assert_int_equal(a->downs, 1);
    assert_int_equal(a->last_down, SLK_END_CHARTER);
    assert_true(slk_mesh_is_up(a->mesh, 2) && !slk_mesh_is_up(a->mesh, 1));
    until(world, world->nodes[1].downs == 1);
    until(world,
        ended(a, SLK_END_PIN) > 0 || (world->now_ms += 1000, false)); /* it comes back, and is nobody now */
    assert_false(slk_mesh_is_up(a->mesh, 1));
}

static void who_has_another_place_stays_connected(void **state)
{
    struct world *world = *state;
    struct node *a = &world->nodes[0], *b = &world->nodes[1];
    struct slk_mesh_peer peer = {.index = 5, .votes = true};
    struct slk_hash next = {{3}};

    world_connect(world, 2);
    key_of(peer.node_key, 1);
    assert_int_equal(slk_mesh_set_peers(a->mesh, 0, &peer, 1, &next), SLK_OK);
    assert_int_equal(a->ups, 2);
    assert_int_equal(a->downs, 1);
    assert_int_equal(a->last_up, 5);
    assert_true(slk_mesh_is_up(a->mesh, 5) && !slk_mesh_is_up(a->mesh, 1));
    assert_int_equal(send_votes(b, 0, 1), 1);
    until(world, a->inbox_n == 1);
    assert_int_equal(a->inbox[0].from, 5);
    assert_int_equal(b->downs, 0);
    peer.index = 6;
    peer.votes = false; /* an observer now */
    assert_int_equal(slk_mesh_set_peers(a->mesh, 0, &peer, 1, &next), SLK_OK);
    send_votes(b, 0, 1);
    until(world, stats_of(a).total.no_say == 1);
    assert_int_equal(a->inbox_n, 1);
}

static void a_node_with_another_key_is_met_by_it(void **state)
{
    struct world *world = *state;
    struct node *a = &world->nodes[0], *b = &world->nodes[1];
    struct slk_mesh_peer peer = {.index = 1, .votes = true};
    struct slk_key *key;
    uint8_t seed[32] = {77};

    world_connect(world, 2);
    assert_int_equal(slk_key_from_seed(&key, seed), SLK_OK);
    assert_int_equal(slk_mesh_set_key(b->mesh, b->key), SLK_OK); /* the same: nothing happens */
    assert_int_equal(b->downs, 0);
    assert_int_equal(slk_mesh_set_key(b->mesh, key), SLK_OK);
    assert_int_equal(b->downs, 1);
    until(world, a->downs == 1);
    until(world, ended(a, SLK_END_PIN) > 0 || (world->now_ms += 1000, false)); /* nobody knows it by that */
    memcpy(peer.node_key, slk_key_public(key), SLK_KEY_SIZE);
    assert_int_equal(slk_mesh_set_peers(a->mesh, 0, &peer, 1, &world->charter_hash), SLK_OK);
    until(world, slk_mesh_is_up(a->mesh, 1) || (world->now_ms += 1000, false));
    until(world, slk_mesh_is_up(b->mesh, 0));
    assert_int_equal(send_votes(b, 0, 1), 1);
    until(world, a->inbox_n == 1);
    slk_key_free(key);
}

static void a_list_that_makes_no_sense_changes_nothing(void **state)
{
    struct world *world = *state;
    struct node *a = &world->nodes[0];
    static struct slk_mesh_peer peers[SLK_MESH_PEERS_MAX + 1];

    world_connect(world, 2);
    memset(peers, 0, sizeof(peers));
    key_of(peers[0].node_key, 3);
    key_of(peers[1].node_key, 4);
    assert_int_equal(slk_mesh_set_peers(a->mesh, 0, peers, 2, &world->charter_hash), SLK_E_RANGE);
    peers[1].index = 1;
    key_of(peers[1].node_key, 3);
    assert_int_equal(slk_mesh_set_peers(a->mesh, 0, peers, 2, &world->charter_hash), SLK_E_RANGE);
    key_of(peers[1].node_key, 4);
    peers[1].index = SLK_MESH_GUEST;
    assert_int_equal(slk_mesh_set_peers(a->mesh, 0, peers, 2, &world->charter_hash), SLK_E_RANGE);
    peers[1].index = 1;
    memset(peers[1].host, 'a', sizeof(peers[1].host));
    assert_int_equal(slk_mesh_set_peers(a->mesh, 0, peers, 2, &world->charter_hash), SLK_E_RANGE);
    assert_int_equal(
        slk_mesh_set_peers(a->mesh, 0, peers, SLK_MESH_PEERS_MAX + 1, &world->charter_hash), SLK_E_RANGE);
    assert_true(slk_mesh_is_up(a->mesh, 1));
    assert_int_equal(a->downs, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_new, world_free)
    const struct CMUnitTest tests[] = {
        T(two_nodes_meet),
        T(every_size_arrives_whole),
        T(what_has_no_form_is_not_sent),
        T(everybody_has_one_connection_to_everybody),
        T(of_two_connections_both_ends_keep_the_same),
        T(a_node_that_comes_back_is_found_again),
        T(who_is_not_there_is_dialled_for_ever),
        T(a_newer_process_takes_the_place_of_the_old),
        T(a_name_is_looked_up),
        T(it_stops_in_the_middle_of_anything),
        T(it_may_be_stopped_from_inside),
        T(what_was_sent_before_a_stop_arrives),
        T(a_vote_does_not_wait_behind_a_proposal),
        T(a_full_queue_of_votes_drops_the_oldest),
        T(bulk_goes_only_to_who_asked),
        T(four_questions_are_under_way_at_most),
        T(who_leaves_the_charter_is_let_go),
        T(who_has_another_place_stays_connected),
        T(a_node_with_another_key_is_met_by_it),
        T(a_list_that_makes_no_sense_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
