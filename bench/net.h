/* net.h: the inside of bench_network: four nodes as processes, and what is done to them.
 *
 *   net_cluster.c  keys, charter, directories, configurations; starting, killing, what /proc says
 *   net_client.c   HTTP clients on one epoll loop
 *   net_watch.c    what the nodes say about themselves, at intervals
 *   net_load.c     submitters
 *   net_asker.c    those who ask for proofs
 *   net_check.c    is everything that was acknowledged there?
 *   net_line.c     long lines between the nodes
 *   net_deaf.c     clients that never read
 *   bench_network.c, net_rows.c   the rows
 */
#ifndef SLK_BENCH_NET_H
#define SLK_BENCH_NET_H

#include <sys/types.h>

#include "bench/machine.h"
#include "bench/stream.h"

#define NET_NODES 4
#define NET_PATH  1024

/* ---- net_cluster.c ---- */

struct net_node {
    char dir[NET_PATH], config[NET_PATH], log[NET_PATH];
    uint16_t peer_port, http_port;
    uint16_t dialled[NET_NODES]; /* where it finds each other node: that one's peer_port, or a line to it */
    pid_t pid;                   /* 0: it does not run */
    double cpu_before;           /* seconds, of its processes that ended */
};

struct net {
    char root[NET_PATH];
    const char *sillokd;
    unsigned delta_ms, threads;
    struct slk_charter *charter;
    uint8_t *charter_bytes;
    size_t charter_size;
    struct slk_hash chain_id;
    struct slk_policy *policy;
    struct net_node nodes[NET_NODES];
    unsigned shares; /* given out: each row's submitters have credentials of their own */
};

/* Of a process that runs; all zero when it does not. */
struct net_proc {
    double cpu_s; /* and of those before it */
    double rss_mib, anon_mib, peak_mib;
    double written; /* bytes */
};

void net_make(struct net *net, const char *root, const char *tools);
void net_free(struct net *net); /* kills what runs */
void net_remove(const struct net *net);
void net_init_dir(const struct net *net, unsigned node);
void net_empty(const struct net *net, unsigned node); /* its directory, which is made again */
void net_configure(const struct net *net, unsigned node);
void net_start(struct net *net, unsigned node);
void net_signal(struct net *net, unsigned node, int signal);
void net_wait(struct net *net, unsigned node); /* until its process ended */
void net_stop(struct net *net, unsigned node); /* cleanly: else the benchmark ends */
/* False: it ended by itself, which is said, with the end of its log. */
bool net_alive(struct net *net, unsigned node);
void net_look(const struct net *net, unsigned node, struct net_proc *out);
/* Of 127.0.0.1; held by *fd until that is closed. */
uint16_t net_free_port(int *fd);

/* ---- net_client.c ---- */

struct net_loop;
struct net_client;
/* An answer; status 0: the connection was lost or could not be made. The body holds during the call, in which the client may be
 * asked for the next one. */
typedef void net_reply_fn(struct net_client *client, int status, struct slk_span body);

struct net_client {
    struct net_loop *loop;
    struct net_client *next_lost;
    uint16_t port;
    int fd; /* -1: not connected */
    bool is_busy, is_lost;
    struct slk_span out[2]; /* head and body; the body is borrowed until the answer */
    char head[256];
    uint8_t *in;
    size_t in_n, in_cap, head_n, body_n; /* head_n 0: the answer's head is not complete */
    int status;
    unsigned retry_s; /* the answer's Retry-After */
    bool closes;
    net_reply_fn *fn;
    void *owner;
};

/* Something that happens in time. Called on every turn; returns when it wants to be called at the latest. */
typedef double net_turn_fn(void *self, double now);
struct net_actor {
    net_turn_fn *turn;
    void *self;
};

struct net_loop {
    int epoll;
    struct net_client *lost; /* to be told */
    struct net_actor actors[12];
    size_t actors_n;
    bool is_over;
};

void net_loop_init(struct net_loop *loop);
void net_loop_close(struct net_loop *loop);
void net_loop_act(struct net_loop *loop, net_turn_fn *turn, void *self);
/* Until `end`, or until somebody sets is_over; false: it was time. */
bool net_loop_run(struct net_loop *loop, double end);
void net_client_init(
    struct net_client *client, struct net_loop *loop, uint16_t port, net_reply_fn *fn, void *owner);
void net_client_close(struct net_client *client);
void net_client_move(struct net_client *client, uint16_t port); /* to another node; not while busy */
/* `target` is "GET /path" or "POST /path", `fields` whole lines. */
void net_client_ask(struct net_client *client, const char *target, const char *fields, struct slk_span body);
/* One request and its answer, while the loop's actors wait. The body is malloc'ed. */
int net_ask(uint16_t port, const char *target, const char *fields, struct slk_span body, uint8_t **answer,
    size_t *answer_n);

/* Seconds, in buckets of 1.6 %. */
struct net_times {
    uint64_t n, buckets[2048];
    double most;
};
void net_times_add(struct net_times *times, double seconds);
double net_times_ms(const struct net_times *times, double part); /* part 0.5: the median */
void net_times_rows(const struct net_times *times, const char *what, double p50_ms, double p99_ms);

/* ---- net_watch.c ---- */

struct net_said {
    bool is_up;
    uint64_t height, events_n, pool, owed, queued, peers, bytes_in, bytes_out;
    bool behind;
};
struct net_sample {
    double at;
    struct {
        struct net_said said;
        struct net_proc proc;
    } node[NET_NODES];
};
struct net_watch {
    struct net *net;
    struct net_client clients[NET_NODES];
    double every_s, due;
    unsigned pending; /* answers of the sample that is being taken */
    struct net_sample *samples, now;
    size_t n, cap;
    const char *file; /* NULL: the samples are written nowhere */
};
void net_watch_begin(
    struct net_watch *watch, struct net *net, struct net_loop *loop, double every_s, const char *file);
void net_watch_end(struct net_watch *watch, const char *row);
void net_watch_free(struct net_watch *watch);
/* Now, by itself. */
void net_ask_node(const struct net *net, unsigned node, struct net_said *out);
/* Waits until all that run are connected, agree on the tip and have nothing in their pools. */
void net_settle(struct net *net, double seconds);
/* The rows that every load has: processor, memory, links, disk, queues. */
void net_watch_rows(const struct net_watch *watch, double own_cpu_s);

/* ---- net_load.c ---- */

#define NET_CLIENTS_MAX 1000 /* to one node: its default limit is 1,024 */

struct net_job {
    struct net_job *next;
    uint8_t *bytes;
    size_t size;
    uint64_t number, issued_n; /* its place in its submitter's order; credentials issued before it */
    double due;
};
struct net_slot {
    struct net_client client;
    struct net_submitter *submitter;
    struct net_job *job;
    double again; /* when the job is tried again; 0: it is being tried */
    unsigned node;
    bool takes_receipt; /* asks for wait=received instead of final */
};
struct net_submitter {
    struct net_load *load;
    unsigned index;
    struct stream stream;
    struct net_job *first, *last; /* made */
    size_t made_n;
    uint64_t jobs_n, oldest; /* all before `oldest` are done */
    uint8_t *done;           /* by number % window */
    uint64_t window;         /* how far the newest may be ahead of the oldest that is not done */
    double next_due;         /* open loop: when the next one is to be sent */
    struct net_slot *slots;
    size_t slots_n, slots_used, from;
};
struct net_load_options {
    size_t events_n;     /* of a submission */
    unsigned existing;   /* percent of events on existing credentials */
    size_t clients;      /* of each submitter */
    double events_per_s; /* of all; 0: as fast as it goes */
    uint64_t events_max; /* ends after so many; 0: by time */
    double prepare;      /* events made before the clock starts */
    unsigned nodes;      /* a bit for each node that is submitted to */
    bool receipts;       /* every other client is content with a receipt */
    bool moves;          /* to the next node when one is gone */
};
struct net_acked {
    uint64_t *keys; /* first bytes of submissions' signatures: open addressing */
    uint8_t *found;
    size_t n, cap;
};
struct net_load {
    struct net *net;
    struct net_loop *loop;
    struct net_load_options options;
    struct net_submitter submitters[NET_NODES];
    struct net_times times;
    struct net_acked *acked;
    double start, end, last_final, gap;
    double gap_at;
    uint64_t events_n, submissions_n, receipts_n; /* in time */
    uint64_t late_n, busy_n, full_n, lost_n, refused_n, made_late_n;
    size_t in_flight;
    char why[256]; /* the first refusal */
};
void net_load_open(struct net_load *load, struct net *net, struct net_loop *loop,
    const struct net_load_options *options, struct net_acked *acked);
/* From now on, for so many seconds; then what is under way is waited for. Counters begin at zero. */
void net_load_start(struct net_load *load, double seconds);
bool net_load_is_over(const struct net_load *load);
void net_load_use(struct net_load *load, size_t clients); /* of those it was opened with; between two runs */
void net_load_close(struct net_load *load);
void net_load_rows(const struct net_load *load, double seconds);
bool net_acked_put(struct net_acked *acked, uint64_t key);
/* A credential that is known to be in the ledger; false: none is. */
bool net_load_pick(struct net_load *load, uint64_t random, uint8_t handle[SLK_HANDLE_SIZE]);

/* ---- net_asker.c ---- */

struct net_asker {
    const struct net *net;
    struct net_loop *loop;
    struct net_ask_slot *slots;
    size_t n;
    uint8_t (*handles)[SLK_HANDLE_SIZE]; /* malloc'ed; of what it asks */
    size_t handles_n;
    bool history;
    double end;
    uint64_t random, answers_n, unsigned_n, failed_n, bytes_n;
    size_t in_flight;
    struct net_times times;
};
void net_asker_open(struct net_asker *asker, struct net_loop *loop, uint16_t port, size_t clients);
void net_asker_start(struct net_asker *asker, bool history, double seconds);
void net_asker_close_clients(struct net_asker *asker); /* its handles stay */

/* ---- net_check.c ---- */

/* Events in node's blocks by its own answers, and every acknowledged submission that stands in them is marked found. */
uint64_t net_read_chain(const struct net *net, unsigned node, struct net_acked *acked);
/* All agree, none has cut off another one for misbehaving (they are honest), and nothing is missing; with `everywhere` every node's blocks are read, else one's. Prints what is wrong; true: nothing. */
bool net_check(struct net *net, struct net_acked *acked, bool everywhere);
bool net_check_proofs(const struct net *net, struct net_load *load, unsigned n);

/* ---- net_line.c ---- */

struct net_lines {
    pid_t pid;
    struct net_lines_seen {
        uint64_t segments, lost;
    } * seen;
};
/* Every node finds every other through a line of this round trip, on which this part of the segments is lost. To be started
 * before the nodes are configured. */
void net_lines_start(struct net_lines *lines, struct net *net, double rtt_s, double loss);
void net_lines_stop(struct net_lines *lines, struct net *net);

/* ---- net_deaf.c ---- */

struct net_deaf;
struct net_deaf *net_deaf_new(uint16_t port, struct net_asker *asker);
double net_deaf_turn(void *self, double now);
/* How many connections the node ended. */
uint64_t net_deaf_free(struct net_deaf *deaf);

#endif
