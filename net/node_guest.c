/* node_guest.c: nodes without a say: observers, whom the charter names, and guests, whom it does not (an auditor's own node, a
 * member to be). Both follow the chain and are told of each block; a guest asks, and says nothing else that is listened to.
 *
 * A guest's key may be anybody's. So what it claims makes no member ask it for anything, what it offers is not taken, and it gets what is
 * final, and what members sign under it, nothing else.
 */
#include <string.h>

#include "net/node_private.h"

bool slk_node_is_guest(const struct slk_node *node, uint16_t peer)
{
    return peer < SLK_BFT_PEERS && peer >= SLK_BFT_PEERS - node->options.guests;
}

/* What waits for a block is for those who will vote on it: an observer would only write it to its disk. */
bool slk_node_may_hear(const struct slk_node *node, uint16_t peer, enum slk_frame_type type)
{
    if (peer < node->council.n)
        return true;
    return slk_frame_is_heard_by(
        type, slk_node_is_guest(node, peer) ? SLK_FRAME_GUESTS : SLK_FRAME_OBSERVERS);
}

bool slk_node_guest_is_ahead(const struct slk_node *node, const struct slk_status *status)
{
    return status->height > slk_store_tip(node->ledger->store)->height + 1;
}

/* Nobody sends STATUS to those without a vote, so they would hear of a block when they ask the next time. f + 1 members, others for
 * each height, send them the header and its certificate; a lost one is made good by their own STATUS. */
void slk_node_tell_commit(struct slk_node *node)
{
    const struct slk_tip *tip = slk_store_tip(node->ledger->store);
    struct slk_bft_view_of look;
    bool is_any = false;

    for (size_t i = node->council.n; i < SLK_BFT_PEERS; i++)
        is_any |= node->peers[i].is_up;
    if (!is_any || node->me == SLK_BFT_NOBODY ||
        (tip->height + node->me) % node->council.n > slk_council_faults(&node->council))
        return;
    slk_bft_look(node->core, &look);
    if (look.certain > tip->height)
        return; /* it is catching up itself */
    for (uint16_t i = (uint16_t)node->council.n; i < SLK_BFT_PEERS; i++)
        if (node->peers[i].is_up)
            slk_node_serve_commit(node, i, tip->height);
}
