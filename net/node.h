/* node.h: the one driver of a member: consensus core, rules, store, keys and pool, tied together in one order.
 *
 *   SAVE (one transaction, synced)  ->  SIGN  ->  SEND  ->  ANSWER
 *
 * The node opens no socket and looks at no clock: messages, time and connections come in by the functions below, and go out by
 * struct slk_node_wire: the mesh (mesh.h) in the daemon, a queue in memory in the tests. One thread calls everything. Checking
 * a block and writing to the disk happen inside these calls: README.md says what that costs.
 */
#ifndef SLK_NET_NODE_H
#define SLK_NET_NODE_H

#include "net/log.h"
#include "net/mesh.h"
#include "net/node_api.h"
#include "net/signer.h"

/* How messages leave. Neither function may call the node. */
struct slk_node_wire {
    void *ctx;
    /* False: it did not leave, and will not (no connection, a full queue): whatever heals lost messages heals this. */
    bool (*send)(void *ctx, uint16_t peer, enum slk_frame_type type, struct slk_span message);
    /* A verdict about something that came earlier. May be NULL. */
    void (*charge)(void *ctx, uint16_t peer, enum slk_mesh_verdict verdict);
};

struct slk_node_options {
    const char *dir;
    uint16_t agency;                /* this node's, in the charter; 0: in none */
    const struct slk_key *vote_key; /* all three borrowed; vote_key NULL: it observes, and never votes */
    const struct slk_key *log_key;  /* these two NULL: it signs no checkpoint */
    const struct slk_key *cosign_key;
    /* The keys of a charter to come, borrowed, each may be NULL: whichever of the two the charter in force names for this agency is
     * used, from one block to the next. */
    const struct slk_key *next_vote_key, *next_log_key, *next_cosign_key;
    struct slk_signer *
        signer; /* borrowed; for keys that are held elsewhere (ledger/embed/keys.h), which without it are waited for */
    uint64_t (*now_ms)(void *ctx);  /* monotonic */
    uint64_t (*wall_ms)(void *ctx); /* the clock on the wall */
    void *clock_ctx;
    uint64_t seed;     /* spreads STATUS messages, nothing else */
    uint32_t delta_ms; /* 0: the charter's */
    unsigned threads;  /* as slk_ledger_options.threads */
    size_t map_size;   /* as slk_ledger_options.map_size */
    bool is_vouched; /* takes a quorum's word for issuers' signatures in blocks that are final already; for who signs nothing */
    uint16_t guests; /* the last so many peers are in no charter: they ask, and are not listened to otherwise */
    struct slk_node_wire wire;
    struct slk_logger *log; /* NULL: silent */
    slk_progress_fn *progress;
    void *progress_ctx;
};

/* Opens the ledger, takes up what was on record for the height after the tip. SLK_OK, what slk_ledger_open answers, SLK_E_KEY (a key
 * given twice, or another agency's). The fault says why. Keys that the charter in force does not name are none of these: the node
 * follows the chain, and begins to vote when a charter names them. */
SLK_MUST_CHECK enum slk_err slk_node_open(
    struct slk_node **out, const struct slk_node_options *options, struct slk_fault *fault);
/* Other keys, as in the options, of which nothing else is read; borrowed. A key that begins to count does so with the next block.
 * SLK_E_KEY: as slk_node_open, or the vote key in use is not among them; nothing has changed then. */
SLK_MUST_CHECK enum slk_err slk_node_set_keys(
    struct slk_node *node, const struct slk_node_options *keys, struct slk_fault *fault);
/* Answers who still waits (STOPPING), closes the ledger. NULL is fine. */
void slk_node_close(struct slk_node *node);

/* An agency's index as a peer: its place among the voting members, then the others. SLK_MESH_NOBODY: not in this charter. */
uint16_t slk_node_index(const struct slk_charter *charter, uint16_t agency);

/* Grows whenever another charter is in force, or another waits: peers may have other indexes then, and all are to be taken down, and up
 * again. */
uint64_t slk_node_charter_turns(const struct slk_node *node);

void slk_node_peer_up(struct slk_node *node, uint16_t peer);
void slk_node_peer_down(struct slk_node *node, uint16_t peer);
/* One message. BAD: nobody honest sends it. */
enum slk_mesh_verdict slk_node_received(
    struct slk_node *node, uint16_t peer, enum slk_frame_type type, struct slk_span message);
/* Everything that is due: timers, submissions that came in, answers, news. Once per turn of the loop, and at slk_node_wake_ms. */
void slk_node_run(struct slk_node *node);
uint64_t slk_node_wake_ms(const struct slk_node *node); /* monotonic */

/* SLK_OK, or why this process must end: the disk failed, memory ran out. Nothing is signed or sent after that; what is on disk is
 * sound. The fault says it in words. */
enum slk_err slk_node_failed(const struct slk_node *node, struct slk_fault *fault);

#endif
