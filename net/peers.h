/* peers.h: whom a node knows: the members of the charter in force, those of the charter that waits, and those that its configuration names
 * by their keys: how a node that joins, or is far behind, meets the others. */
#ifndef SLK_NET_PEERS_H
#define SLK_NET_PEERS_H

#include "net/config.h"
#include "net/mesh.h"

/* All but this node's own agency; their number. Indexes of members are those of slk_node_index, the others' follow, below
 * `others_end`; who finds no place is not listed. Only members of the charter in force have a vote. */
size_t slk_peers_list(struct slk_mesh_peer out[SLK_MESH_PEERS_MAX], const struct slk_config *config,
    const struct slk_charter *now, const struct slk_charter *pending, uint16_t others_end);

#endif
