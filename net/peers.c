#include "net/peers.h"

#include <stdio.h>
#include <string.h>

#include "net/node.h"

static void set_address(struct slk_mesh_peer *peer, const struct slk_endpoint *at)
{
    snprintf(peer->host, sizeof(peer->host), "%s", at->host);
    snprintf(peer->port, sizeof(peer->port), "%u", at->port);
}

static void find_address(
    struct slk_mesh_peer *peer, const struct slk_config *config, const struct slk_member *member)
{
    struct slk_endpoint at;

    for (size_t i = 0; i < config->addresses_n; i++)
        if (config->addresses[i].agency == member->agency) {
            set_address(peer, &config->addresses[i].at);
            return;
        }
    for (size_t i = 0; i < member->addresses_n; i++)
        if (slk_endpoint_parse(&at, member->addresses[i]) && at.port > 0) {
            set_address(peer, &at);
            return;
        }
}

/* A place for one more, by this key; NULL: it is listed, or there is none. */
static struct slk_mesh_peer *add(
    struct slk_mesh_peer out[SLK_MESH_PEERS_MAX], size_t *n, const uint8_t node_key[SLK_KEY_SIZE])
{
    for (size_t i = 0; i < *n; i++)
        if (memcmp(out[i].node_key, node_key, SLK_KEY_SIZE) == 0)
            return NULL;
    if (*n == SLK_MESH_PEERS_MAX)
        return NULL;
    memset(&out[*n], 0, sizeof(out[*n]));
    memcpy(out[*n].node_key, node_key, SLK_KEY_SIZE);
    return &out[(*n)++];
}

size_t slk_peers_list(struct slk_mesh_peer out[SLK_MESH_PEERS_MAX], const struct slk_config *config,
    const struct slk_charter *now, const struct slk_charter *pending, uint16_t others_end)
{
    uint16_t next = (uint16_t)now->members_n;
    struct slk_mesh_peer *peer;
    size_t n = 0;

    for (size_t i = 0; i < now->members_n; i++) {
        const struct slk_member *m = &now->members[i];

        peer = m->agency != config->agency ? add(out, &n, m->node_key) : NULL;
        if (peer == NULL)
            continue;
        peer->index = slk_node_index(now, m->agency);
        peer->votes = m->role == SLK_VOTING;
        find_address(peer, config, m);
    }
    for (size_t i = 0; pending != NULL && i < pending->members_n && next < others_end; i++) {
        const struct slk_member *m = &pending->members[i];

        peer = m->agency != config->agency ? add(out, &n, m->node_key) : NULL;
        if (peer == NULL)
            continue;
        peer->index = next++;
        if (slk_charter_member(now, m->agency) == NULL)
            find_address(peer, config, m); /* else it is dialled by the key that it still has */
    }
    for (size_t i = 0; i < config->addresses_n && next < others_end; i++) {
        peer = config->addresses[i].has_key && config->addresses[i].agency != config->agency
                   ? add(out, &n, config->addresses[i].node_key)
                   : NULL;
        if (peer == NULL)
            continue;
        peer->index = next++;
        set_address(peer, &config->addresses[i].at);
    }
    return n;
}
