/* node_world.h: several nodes in one process: real stores, virtual time, a wire in memory. */
#ifndef SLK_TESTS_NODE_WORLD_H
#define SLK_TESTS_NODE_WORLD_H

#include "net/node.h"
#include "tests/unit/ledger_fixture.h"

#define WORLD_NODES_MAX 6

struct world_packet {
    unsigned from, to;
    enum slk_frame_type type;
    uint8_t *bytes;
    size_t size;
};

struct node_world;
struct world_node {
    struct node_world *world;
    unsigned index;
    struct slk_node *node; /* NULL: stopped */
    struct slk_key *vote, *log, *cosign;
    struct slk_signer *signer; /* without a thread: a job a turn; NULL: none */
    bool is_vouched;
    char dir[300];
    uint64_t cosigned; /* height of the last such news */
    unsigned bad_n;    /* verdicts BAD about what it was sent */
};

struct node_world {
    struct fixture f;
    unsigned n;         /* voting members, then those that observe: */
    unsigned members_n; /* from here on they are guests, whose keys are in no charter */
    struct world_node nodes[WORLD_NODES_MAX];
    uint64_t now_ms;
    bool cut[WORLD_NODES_MAX][WORLD_NODES_MAX]; /* [from][to]: lost */
    struct world_packet *packets;
    size_t packets_n, packets_cap, packets_at;
    uint64_t delivered_n;
    uint64_t sent_n[SLK_FRAME_TYPE_N]; /* by type */
};

void world_open(struct node_world *w, unsigned n); /* all are started */
void world_open_with(struct node_world *w, unsigned voting_n, unsigned observers_n, unsigned guests_n);
void world_close(struct node_world *w);
void world_start(struct node_world *w, unsigned i);
void world_stop(struct node_world *w, unsigned i);
void world_empty(
    struct node_world *w, unsigned i); /* a stopped one: its directory is made anew from the charter */
/* Messages, timers and time, until `done` says so or that many milliseconds have passed: then false. */
typedef bool world_done_fn(struct node_world *w, void *ctx);
bool world_run(struct node_world *w, world_done_fn *done, void *ctx, uint64_t most_ms);
struct slk_node_status world_status(struct node_world *w, unsigned i);
/* Every node that runs has committed this height. */
bool world_is_at(struct node_world *w, void *height);
bool world_is_cosigned(struct node_world *w, void *height); /* and has a quorum's checkpoint of it */

#endif
