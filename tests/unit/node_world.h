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
bool world_never(struct node_world *w, void *ctx);          /* the time has to pass */
void world_settle(struct node_world *w, uint64_t height);   /* until it is cosigned everywhere */
/* Node i says of status lists that they are empty in the log of this size. */
void world_state_lists(struct node_world *w, unsigned i, uint64_t size);

/* A charter that may follow the first one as it is: malloc'ed, to be altered. */
struct slk_charter *world_successor(struct node_world *w);
/* The entry of the change to it, signed by each of these keys that is not NULL. Frees `next`; free(at) when it is done with. */
struct slk_span world_change(struct node_world *w, struct slk_charter *next, uint64_t activation,
    const struct slk_key *const *signers, size_t signers_n);

/* cmocka setup and teardown: *state is a struct node_world; four members, all started. The teardown is for every world. */
int world_set_up(void **state);
int world_tear_down(void **state);

/* ---- clients ---- */

struct world_client {
    unsigned answers_n;
    struct slk_node_answer answer; /* the last one; it points to nothing: */
    struct slk_receipt receipts[WORLD_NODES_MAX];
};
/* Gives node i a submission, whose answer comes when the world runs. Returns the ticket. */
uint64_t world_ask(struct node_world *w, unsigned i, struct slk_span submission, enum slk_node_stage stage,
    struct world_client *client);
bool world_is_answered(struct node_world *w, void *client);
/* Until it is answered. */
void world_submit(struct node_world *w, unsigned i, struct slk_span submission, enum slk_node_stage stage,
    struct world_client *client);
/* The next event of a life, signed by the ministry now: for fixture_free. */
struct slk_span world_event(struct node_world *w, struct fixture_life *life, enum slk_kind kind);
struct world_client world_submit_event(struct node_world *w, unsigned i, struct fixture_life *life,
    enum slk_kind kind, enum slk_node_stage stage);
/* n new credentials at node i, one after the other, each until it is final; the height of the last. */
uint64_t world_go_on(struct node_world *w, unsigned i, uint32_t number, unsigned n);

#endif
