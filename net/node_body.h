/* node_body.h: which bytes are the body of a header, and which submissions are in it.
 *
 * On its way from node to node, and on disk, a block's body is its entries in bundle form. A header binds its submissions by
 * body_hash; times, authorizations and seal follow from header and submissions. So exactly one string of bytes is a header's
 * body, and who is given another one asks somebody else, instead of calling the block invalid.
 */
#ifndef SLK_NET_NODE_BODY_H
#define SLK_NET_NODE_BODY_H

#include "ledger/core/block.h"
#include "ledger/store/store.h"

struct slk_body_item {
    struct slk_pooled_id id;
    uint64_t first; /* place of its first event among the block's entries */
    uint32_t events_n;
};
struct slk_body_items {
    size_t n, cap;
    struct slk_body_item *at; /* in the block's order */
    struct slk_hash *ids;     /* private: event ids of one submission */
};

/* Is `entries` the body of `header`, which follows the block with this seal? On true `items` names its submissions. False also when out
 * of memory. Says nothing about validity: a header may itself be wrong. */
bool slk_body_is(struct slk_body_items *items, const struct slk_block_header *header,
    const struct slk_hash *previous_seal, struct slk_span entries);
void slk_body_items_free(struct slk_body_items *items);

#endif
