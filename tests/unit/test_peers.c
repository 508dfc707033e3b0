/* Whom a node knows: members, members to be, and those that its configuration names by their keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/peers.h"

static struct slk_charter now, pending;
static struct slk_config config;
static struct slk_mesh_peer peers[SLK_MESH_PEERS_MAX];

/* Agencies 1..n, every third one an observer; the node key of agency i is all i. */
static int make(void **state)
{
    (void)state;
    memset(&now, 0, sizeof(now));
    memset(&config, 0, sizeof(config));
    config.agency = 2;
    for (uint16_t i = 1; i <= 5; i++) {
        struct slk_member *m = &now.members[now.members_n++];

        m->agency = i;
        m->role = i % 3 == 0 ? SLK_OBSERVER : SLK_VOTING;
        memset(m->node_key, i, SLK_KEY_SIZE);
        snprintf(m->addresses[0], sizeof(m->addresses[0]), "node%u.example:7150", i);
        m->addresses_n = 1;
    }
    pending = now;
    return 0;
}

static struct slk_mesh_peer *peer_of(size_t n, uint8_t key)
{
    for (size_t i = 0; i < n; i++)
        if (peers[i].node_key[0] == key)
            return &peers[i];
    return NULL;
}

static void members_have_the_places_that_the_core_knows_them_by(void **state)
{
    size_t n = slk_peers_list(peers, &config, &now, NULL, 64);

    (void)state;
    assert_int_equal(n, 4); /* not this node itself */
    assert_null(peer_of(n, 2));
    assert_int_equal(peer_of(n, 1)->index, 0);
    assert_int_equal(peer_of(n, 4)->index, 2);
    assert_int_equal(peer_of(n, 3)->index, 4); /* behind those who vote */
    assert_true(peer_of(n, 4)->votes && !peer_of(n, 3)->votes);
    assert_string_equal(peer_of(n, 4)->host, "node4.example");
    assert_string_equal(peer_of(n, 4)->port, "7150");
}

static void who_is_in_the_charter_that_waits_is_known_and_has_no_vote_yet(void **state)
{
    struct slk_member *m = &pending.members[pending.members_n++];
    size_t n;

    (void)state;
    m->agency = 7;
    m->role = SLK_VOTING;
    memset(m->node_key, 7, SLK_KEY_SIZE);
    snprintf(m->addresses[0], sizeof(m->addresses[0]), "new.example:1");
    m->addresses_n = 1;
    memset(pending.members[0].node_key, 101, SLK_KEY_SIZE); /* agency 1 changes its key */
    memset(pending.members[1].node_key, 102, SLK_KEY_SIZE); /* so does this node */
    n = slk_peers_list(peers, &config, &now, &pending, 64);
    assert_int_equal(n, 6);
    assert_int_equal(peer_of(n, 7)->index, 6);
    assert_false(peer_of(n, 7)->votes);
    assert_string_equal(peer_of(n, 7)->host, "new.example");
    assert_int_equal(peer_of(n, 101)->index, 5);
    assert_string_equal(peer_of(n, 101)->host, ""); /* it is dialled by the key that it has */
    assert_string_equal(peer_of(n, 1)->host, "node1.example");
    assert_null(peer_of(n, 102));
    assert_int_equal(slk_peers_list(peers, &config, &now, &pending, 6), 5); /* no place for more */
}

static void the_configuration_has_the_last_word_on_places_and_adds_keys(void **state)
{
    size_t n;

    (void)state;
    config.addresses_n = 3;
    config.addresses[0].agency = 4;
    snprintf(config.addresses[0].at.host, sizeof(config.addresses[0].at.host), "10.0.0.4");
    config.addresses[0].at.port = 9;
    config.addresses[1].agency = 9; /* of no charter */
    snprintf(config.addresses[1].at.host, sizeof(config.addresses[1].at.host), "10.0.0.9");
    config.addresses[1].at.port = 9;
    config.addresses[1].has_key = true;
    memset(config.addresses[1].node_key, 9, SLK_KEY_SIZE);
    config.addresses[2].agency = 5; /* by the key that the charter has: nobody new */
    snprintf(config.addresses[2].at.host, sizeof(config.addresses[2].at.host), "10.0.0.5");
    config.addresses[2].at.port = 9;
    config.addresses[2].has_key = true;
    memset(config.addresses[2].node_key, 5, SLK_KEY_SIZE);
    n = slk_peers_list(peers, &config, &now, NULL, 64);
    assert_int_equal(n, 5);
    assert_string_equal(peer_of(n, 4)->host, "10.0.0.4");
    assert_string_equal(peer_of(n, 5)->host, "10.0.0.5");
    assert_int_equal(peer_of(n, 9)->index, 5);
    assert_false(peer_of(n, 9)->votes);
    assert_string_equal(peer_of(n, 9)->host, "10.0.0.9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(members_have_the_places_that_the_core_knows_them_by, make),
        cmocka_unit_test_setup(who_is_in_the_charter_that_waits_is_known_and_has_no_vote_yet, make),
        cmocka_unit_test_setup(the_configuration_has_the_last_word_on_places_and_adds_keys, make),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
