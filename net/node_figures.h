/* node_figures.h: how a node does, for /metrics: counted since the start, or as it is now. Nothing of a credential, a submission or a
 * client; members by their agency's number and the charter's name. */
#ifndef SLK_NET_NODE_FIGURES_H
#define SLK_NET_NODE_FIGURES_H

#include "ledger/store/figures.h"
#include "net/node.h"

struct slk_node_member {
    uint16_t agency;
    const char *name; /* the charter's: until the next slk_node_run */
    bool is_self, votes, is_up;
    uint64_t height; /* committed, by its last STATUS or vote: its word; 0: not known */
    uint64_t
        cosigned_height; /* of its newest cosignature that came before the next block; 0: none since the start */
    uint64_t cosigned_age_ms; /* of that one */
};

struct slk_node_figures {
    uint64_t refused
        [SLK_RULE_N]; /* submissions judged here, of clients and of peers, by the rule that they broke */
    uint64_t receipts_given, receipts_taken;
    struct slk_histogram
        block_finality; /* from the time in a block to its commit here, while this node kept up */
    struct slk_histogram submission_finality; /* of those whose clients waited for it here */
    struct slk_histogram signatures;          /* by tokens */
    uint64_t pool_bytes,
        pool_oldest_ms; /* oldest: how long the submission at the head has waited; 0: none does */
    uint64_t charter_version, charter_pending, charter_activation; /* pending 0: none waits */
    uint32_t fresh_s;
    bool has_clock_offset;
    int64_t clock_offset_ms; /* of this node's clock, against the middle one of the other members' */
    uint64_t snapshot_behind,
        snapshot_interval; /* events that a start would replay; that lie between two snapshots */
    uint64_t credentials_n, map_bytes;
    struct slk_store_figures store;
    size_t members_n;
    struct slk_node_member members[SLK_CHARTER_MEMBERS_MAX];
};
/* `out` is large: not for the stack. */
void slk_node_figures(struct slk_node *node, struct slk_node_figures *out);

#endif
