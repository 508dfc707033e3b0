/* mesh.h: connections between the nodes of one chain: TLS by pinned keys, frames, queues, limits. Source: protocol §3.
 *
 * One libuv loop, one thread, nothing here blocks. Callbacks come out of the loop, never out of slk_mesh_send,
 * slk_mesh_charge or slk_mesh_start; in a callback everything may be called but slk_mesh_free. Nothing here remembers what a peer
 * knows: what was sent may be lost, and STATUS heals it.
 */
#ifndef SLK_NET_MESH_H
#define SLK_NET_MESH_H

#include "ledger/embed/keys.h"
#include "net/frame.h"

#define SLK_MESH_PEERS_MAX  128    /* of the charters in force and pending together */
#define SLK_MESH_GUESTS_MAX 14     /* with 50 members 64 connections, protocol §3.5 */
#define SLK_MESH_GUEST      0xf000 /* index of the first guest; above every peer's */
#define SLK_MESH_NOBODY     0xffff /* no index: what a guest calls itself in HELLO */
#define SLK_MESH_VERSION    1      /* of the protocol: the newest that is spoken here */
#define SLK_MESH_OLDEST     1      /* and the oldest, so that members need not change over in one moment */
#define SLK_MESH_INSTANCE   16
#define SLK_MESH_ASKS_MAX   4  /* questions for bulk under way to one peer, protocol §3.4 */
#define SLK_MESH_WAIT_MAX   64 /* those that wait for one of them to be answered */

struct uv_loop_s; /* uv_loop_t */
struct slk_mesh;

/* Who may connect, and where it is found. Identity is the key alone. */
struct slk_mesh_peer {
    uint16_t
        index; /* the caller's name for it, below SLK_MESH_GUEST: its place among the voting members, others above */
    bool votes; /* VOTE, PROPOSAL and CERT of others are dropped at the gate */
    uint8_t node_key[SLK_KEY_SIZE];
    char host[256]; /* address or name; empty: it is never dialled, but may dial */
    char port[8];   /* decimal */
};

/* What a peer said of itself. Only the key and, with it, the index are certain. */
struct slk_hello {
    uint32_t version; /* the newest of the protocol that it speaks; both speak the smaller of the two */
    uint32_t oldest;  /* 1 .. version: the oldest that it speaks */
    struct slk_hash chain_id;
    struct slk_hash charter_hash;
    uint64_t height; /* committed */
    uint16_t index;
    uint8_t instance[SLK_MESH_INSTANCE]; /* of its process */
    uint32_t asks;                       /* questions for bulk it lets wait at a time */
};

/* What became of a frame. Class B is not the caller's: who is above a rate is not read from until it is within it again. */
enum slk_mesh_verdict {
    SLK_MESH_OK,
    SLK_MESH_BAD,    /* class A: nobody honest sends it. The connection is closed, and the peer cools down */
    SLK_MESH_USELESS /* class C: counted; the caller asks others first */
};

/* Why a connection ended, or was never made: each is counted, by name in metrics. */
#define SLK_MESH_ENDS(X)                                                                                     \
    X(STOPPED, "this node stops")                                                                            \
    X(ENDED, "the peer closed the connection")                                                               \
    X(BROKEN, "the network failed")                                                                          \
    X(RESOLVE, "the host's address was not found")                                                           \
    X(CONNECT, "nobody answers there")                                                                       \
    X(CROWDED, "too many connections wait to be authenticated, or all places are taken")                     \
    X(IP_RATE, "too many connections from one address")                                                      \
    X(SLOW, "the handshake took too long")                                                                   \
    X(TLS, "the TLS handshake failed")                                                                       \
    X(TLS_VERSION, "not TLS 1.3")                                                                            \
    X(ALPN, "another application's protocol")                                                                \
    X(NO_CERTIFICATE, "no certificate")                                                                      \
    X(PIN, "a key that no member has")                                                                       \
    X(COOLING, "the peer cools down")                                                                        \
    X(HELLO, "the first message is not a HELLO that fits")                                                   \
    X(VERSION, "no version of the protocol that both speak")                                                 \
    X(CHAIN, "a node of another chain")                                                                      \
    X(SELF, "this node's own key")                                                                           \
    X(DUPLICATE, "there is a better connection to this peer")                                                \
    X(REPLACED, "a better connection to this peer came")                                                     \
    X(CHARTER, "the peer's place in the charter changed or is gone")                                         \
    X(MALFORMED, "bytes that are no frame")                                                                  \
    X(TOO_LARGE, "a frame above its type's cap")                                                             \
    X(UNASKED, "bulk that was never asked for")                                                              \
    X(BAD, "a frame that nobody honest sends")                                                               \
    X(RATE, "above its rate for too long")                                                                   \
    X(STALLED, "it does not read what it is sent")                                                           \
    X(SILENT, "nothing came for too long")                                                                   \
    X(OUTPUT, "its TLS makes us answer more than it reads")                                                  \
    X(MEMORY, "out of memory")
enum slk_mesh_end {
#define SLK_MESH_X(name, text) SLK_END_##name,
    SLK_MESH_ENDS(SLK_MESH_X)
#undef SLK_MESH_X
        SLK_END_N
};
const char *slk_mesh_end_name(enum slk_mesh_end end); /* "IP_RATE" */
const char *slk_mesh_end_text(enum slk_mesh_end end);

struct slk_mesh_callbacks {
    void *ctx;
    /* Authenticated in both directions: from here on frames come, and slk_mesh_send finds it. `hello` during the call. */
    void (*up)(void *ctx, uint16_t peer, const struct slk_hello *hello);
    /* Once for each up. */
    void (*down)(void *ctx, uint16_t peer, enum slk_mesh_end end);
    /* One message; the payload during the call. Its form inside the frame is not checked yet. */
    enum slk_mesh_verdict (*frame)(
        void *ctx, uint16_t peer, enum slk_frame_type type, struct slk_span payload);
    /* After slk_mesh_stop: nothing of the mesh is left in the loop, and slk_mesh_free may come (also right here). */
    void (*stopped)(void *ctx);
    /* For the log; may be NULL. `peer` is SLK_MESH_NOBODY while it is not known who it is; `detail` may be empty. */
    void (*ended)(void *ctx, uint16_t peer, const char *address, enum slk_mesh_end end, const char *detail);
};

/* 0 stands for the value behind it. */
struct slk_mesh_timing {
    uint32_t handshake_ms;        /* 5,000: from accept or dial to HELLO */
    uint32_t ip_ms, ip_burst;     /* 5,000, 16: of one address one handshake each ip_ms, ip_burst at first */
    uint32_t unauthenticated_max; /* 64 */
    uint32_t retry_ms, retry_max_ms; /* 1,000, 60,000: dialling again, with jitter */
    uint32_t cool_ms,
        cool_max_ms;      /* 60,000, 3,600,000: after class A, doubling; halved per cool_max_ms of peace */
    uint32_t stall_ms;    /* 30,000: a write that makes no progress */
    uint32_t silent_ms;   /* 60,000: nothing received */
    uint32_t shutdown_ms; /* 2,000: for the last bytes */
    uint32_t ask_ms;      /* 10,000: then a question no longer counts as under way */
    uint32_t rate_ms;     /* 60,000: above its rate all that time: closed */
    uint32_t tick_ms;     /* 100: how often deadlines are looked at */
    uint32_t delta_ms;    /* 400: the charter's; the rates of §3.5 are for it, faster chains have more */
    uint32_t bytes_per_s; /* 4 MiB: from one peer, but for bulk that was asked for */
};

struct slk_mesh_options {
    struct uv_loop_s *loop;
    const char *listen_host;           /* an address; NULL: nobody can dial this node */
    uint16_t listen_port;              /* 0: any, see slk_mesh_port */
    uint16_t index;                    /* of this node; SLK_MESH_NOBODY for a guest */
    const struct slk_key *node_key;    /* borrowed until slk_mesh_new returns */
    const struct slk_mesh_peer *peers; /* copied; may hold this node itself, which is passed over */
    size_t peers_n;
    uint16_t guests_max; /* of keys in no charter: they observe. At most SLK_MESH_GUESTS_MAX */
    struct slk_hash chain_id;
    struct slk_hash charter_hash;
    uint64_t height; /* committed: said in HELLO */
    struct slk_mesh_timing timing;
    struct slk_mesh_callbacks callbacks;
    uint64_t (*now_ms)(void *ctx); /* monotonic; NULL: the loop's. For tests, with callbacks.ctx */
};

/* SLK_OK; SLK_E_NOMEM; SLK_E_RANGE (too many peers or guests, an index twice or too high, a key twice); SLK_E_KEY (libcrypto refuses the
 * node key). */
SLK_MUST_CHECK enum slk_err slk_mesh_new(struct slk_mesh **out, const struct slk_mesh_options *options);
/* Once: listens and begins to dial; SIGPIPE is ignored from here on, unless it has a handler. SLK_E_IO: the address cannot be listened on, `fault` says why; slk_mesh_stop follows all the
 * same before slk_mesh_free. */
SLK_MUST_CHECK enum slk_err slk_mesh_start(struct slk_mesh *mesh, struct slk_fault *fault);
/* Says goodbye on every connection (`down` comes for each), closes everything, then `stopped`. May be called again, to no
 * effect. */
void slk_mesh_stop(struct slk_mesh *mesh);
/* NULL is fine. Only if never started, or after `stopped`. */
void slk_mesh_free(struct slk_mesh *mesh);

uint16_t slk_mesh_port(const struct slk_mesh *mesh); /* where it listens */
bool slk_mesh_is_up(const struct slk_mesh *mesh, uint16_t peer);

/* Queues a copy of one message for a peer, to leave in this turn of the loop.
 * Returns: SLK_OK           queued (in a full queue of P0 or P1 the oldest made room, and is counted)
 *          SLK_E_NOT_FOUND  the peer is not up
 *          SLK_E_TOO_LARGE  empty or above the type's cap: our mistake
 *          SLK_E_REFUSED    bulk that the peer did not ask for, or a full queue of P2 or P3, or too many questions that wait
 *          SLK_E_NOMEM
 * GET of a body, of headers or of epochs, and WANT, wait here while SLK_MESH_ASKS_MAX of them are under way. */
enum slk_err slk_mesh_send(
    struct slk_mesh *mesh, uint16_t peer, enum slk_frame_type type, struct slk_span message);
/* A verdict that took longer than the frame's callback: BAD or USELESS. */
void slk_mesh_charge(struct slk_mesh *mesh, uint16_t peer, enum slk_mesh_verdict verdict);

/* The charter changed. Links are kept by key: to one whose key is gone `down` comes, one whose index or vote changed gets `down`
 * and `up` and stays connected. Errors as slk_mesh_new, and then nothing changed. */
SLK_MUST_CHECK enum slk_err slk_mesh_set_peers(struct slk_mesh *mesh, uint16_t own_index,
    const struct slk_mesh_peer *peers, size_t peers_n, const struct slk_hash *charter_hash);
/* Another node key for this node: all connections end, and are made anew with it. The peers are set afterwards: who among
 * them is this node has changed. SLK_E_NOMEM, SLK_E_KEY: nothing has. */
SLK_MUST_CHECK enum slk_err slk_mesh_set_key(struct slk_mesh *mesh, const struct slk_key *node_key);
/* What the next HELLO says. */
void slk_mesh_set_height(struct slk_mesh *mesh, uint64_t height);

/* ---- what is counted ---- */

struct slk_mesh_counts {
    uint64_t frames_in[SLK_FRAME_TYPE_N], frames_out[SLK_FRAME_TYPE_N]; /* whole messages */
    uint64_t bytes_in, bytes_out;                                       /* ciphertext */
    uint64_t ended[SLK_END_N];                                          /* connections, by reason */
    uint64_t ups;
    uint64_t queue_dropped[SLK_FRAME_P_N]; /* out: a full queue */
    uint64_t asks_dropped;                 /* out: SLK_MESH_WAIT_MAX questions waited already */
    uint64_t asks_lost;                    /* out: unanswered after ask_ms */
    uint64_t unasked_out;                  /* out: bulk that nobody asked us for: not sent */
    uint64_t no_say;                       /* in: VOTE, PROPOSAL, CERT of a peer that does not vote */
    uint64_t throttled;                    /* in: reading stopped until a bucket refilled */
    uint64_t useless;                      /* in: class C */
};
struct slk_mesh_stats {
    struct slk_mesh_counts total;  /* what belongs to no known peer is only here */
    size_t links, unauthenticated; /* now */
    size_t up;
    size_t queued_bytes; /* in all send queues */
    uint64_t accept_paused;
};
struct slk_mesh_peer_stats {
    uint16_t index;
    bool up, dialled;              /* dialled: the connection was made by this node */
    bool reading;                  /* false: throttled */
    struct slk_mesh_counts counts; /* since the peer is in the list */
    size_t queued_bytes;
    unsigned asks, asks_waiting;
    uint64_t retry_in_ms, cooling_ms; /* 0: neither */
};
void slk_mesh_stats(const struct slk_mesh *mesh, struct slk_mesh_stats *out);
/* The i-th peer, guests after members; false behind the last. */
bool slk_mesh_peer_stats(const struct slk_mesh *mesh, size_t i, struct slk_mesh_peer_stats *out);

#endif
