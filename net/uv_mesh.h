/* uv_mesh.h: what the files of the mesh share, private to them. mesh.h is the interface.
 *
 * uv_mesh.c has the mesh: listening, dialling, the tick, who is a peer. uv_link.c has one connection, from its handshake to its
 * last byte. uv_mesh_frame.c judges what came; uv_mesh_send.c has the queues' door, the questions, the statistics.
 */
#ifndef SLK_NET_UV_MESH_H
#define SLK_NET_UV_MESH_H

#include <uv.h>

#include "net/mesh.h"
#include "net/mesh_hello.h"
#include "net/mesh_queue.h"
#include "net/mesh_rate.h"
#include "net/tls.h"

#define SLK_MESH_READ_BYTES (64u * 1024) /* fed to TLS at a time */
#define SLK_MESH_TLS_OUT    (64u * 1024) /* what TLS may answer by itself while the peer does not read */

struct slk_link;

struct slk_peer {
    struct slk_mesh_peer info;
    bool guest;
    struct slk_link *up;      /* the one connection that counts */
    struct slk_link *dialled; /* being made by this node, not up yet */
    uint64_t retry_at_ms, retry_ms;
    struct slk_cool cool;
    struct slk_bucket buckets[SLK_FRAME_TYPE_N];
    struct slk_bucket bytes;
    uint64_t over_since_ms, over_last_ms; /* above a rate: since when, and until when lately; 0: never */
    struct slk_mesh_counts counts;
};

enum slk_link_state {
    SLK_LINK_RESOLVING = 1,
    SLK_LINK_CONNECTING,
    SLK_LINK_HANDSHAKE,
    SLK_LINK_GREETING, /* TLS is done, HELLO is sent, the peer's is awaited */
    SLK_LINK_UP,
    SLK_LINK_LEAVING, /* judged: the last bytes go out, what comes is thrown away */
    SLK_LINK_CLOSED   /* the handle closes */
};

struct slk_link {
    struct slk_mesh *mesh;
    struct slk_link *prev, *next;
    struct slk_link *next_dirty;
    bool is_dirty;
    enum slk_link_state state;
    bool dials;
    bool authenticated; /* has been up */
    struct slk_peer
        *peer;            /* dialling: whom; accepted: when known; NULL again when the peer leaves the list */
    uint16_t port;        /* dialling */
    uint64_t deadline_ms; /* up to UP, and of LEAVING */
    uint64_t up_at_ms;
    uint64_t heard_ms;      /* the last byte */
    struct slk_hello hello; /* the peer's */
    char address[80];       /* for the log */
    uv_tcp_t tcp;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    uv_write_t write;
    uv_shutdown_t shutdown;
    bool resolving, reading, writing, shutting;
    bool throttled;             /* above its rates: not read from */
    bool charged;               /* slk_mesh_charge was called */
    bool said_goodbye, saw_end; /* LEAVING */
    bool closed_tcp;
    struct slk_tls *tls;
    struct slk_frame_reader reader;
    struct slk_mesh_queue queue;
    uint64_t done[SLK_FRAME_TYPE_N]; /* messages sent: slk_mesh_queue_take */
    size_t write_left;               /* of the write under way, when last looked at */
    uint64_t write_moved_ms;
    /* Questions for bulk. `credit`: answers that may come; never less than `asked_n`, for a late answer is still one. */
    uint64_t asked_ms[SLK_MESH_ASKS_MAX];
    size_t asked_n;
    size_t credit;
    struct slk_mesh_message *waiting[SLK_MESH_WAIT_MAX];
    size_t waiting_first, waiting_n;
    size_t owed; /* answers that the peer waits for */
    uint8_t out[SLK_TLS_RECORD_OUT];
};

struct slk_mesh {
    uv_loop_t *loop;
    uv_tcp_t listener;
    uv_timer_t timer;
    uv_prepare_t prepare;
    unsigned handles; /* open ones of these three */
    bool started, stopping, stopped, listening;
    bool accept_waits; /* libuv holds a connection that we have not taken */
    uint16_t own_index, port;
    uint8_t own_key[SLK_KEY_SIZE];
    uint8_t instance[SLK_MESH_INSTANCE];
    char listen_host[256];
    struct slk_hash chain_id, charter_hash;
    uint64_t height;
    struct slk_mesh_timing timing;
    struct slk_mesh_callbacks callbacks;
    uint64_t (*clock)(void *ctx);
    uint64_t random;
    struct slk_tls_context *tls;
    enum slk_mesh_end pin_end; /* why the pin that was asked for last is none */
    struct slk_ip_rate ips;
    struct slk_peer *peers[SLK_MESH_PEERS_MAX];
    size_t peers_n;
    struct slk_peer *guests[SLK_MESH_GUESTS_MAX];
    uint16_t guests_max;
    struct slk_link *links;
    struct slk_link *dirty;
    size_t links_n, unauthenticated;
    uint64_t accept_paused;
    struct slk_mesh_counts total;
    struct slk_msg *msg; /* GETs are read here */
    uint8_t in[SLK_MESH_READ_BYTES];
    uint8_t record[SLK_TLS_RECORD_MAX];
};

/* ---- uv_mesh.c ---- */
uint64_t slk_mesh_now(const struct slk_mesh *mesh);
uint64_t slk_mesh_random(struct slk_mesh *mesh, uint64_t below);
struct slk_peer *slk_mesh_find(const struct slk_mesh *mesh, uint16_t index);
struct slk_peer *slk_mesh_find_key(const struct slk_mesh *mesh, const uint8_t key[SLK_KEY_SIZE]);
/* Of an authenticated key: a member, or a place among the guests; NULL: none is free. */
struct slk_peer *slk_mesh_admit(struct slk_mesh *mesh, const uint8_t key[SLK_KEY_SIZE]);
void slk_mesh_link_closed(struct slk_mesh *mesh, struct slk_link *link); /* frees it */
/* A connection that was not authenticated went, or is now: those that wait may come. */
void slk_mesh_accept_more(struct slk_mesh *mesh);

/* ---- uv_link.c ---- */
struct slk_link *slk_link_new(struct slk_mesh *mesh, struct slk_peer *dial);
void slk_link_dial(struct slk_link *link);
void slk_link_accepted(struct slk_link *link);
/* Counts, tells, says goodbye. Nothing happens when it has ended already. `detail` is static text. */
void slk_link_end(struct slk_link *link, enum slk_mesh_end end, const char *detail);
void slk_link_mark(
    struct slk_link *link); /* there is something to write, or to read: before the loop waits again */
void slk_link_pump(struct slk_link *link); /* writes */
void slk_link_read(struct slk_link *link); /* what TLS still holds, then from the socket again */
void slk_link_tick(struct slk_link *link, uint64_t now_ms);

/* ---- uv_mesh_frame.c ---- */
void slk_link_frame(struct slk_link *link, const struct slk_frame *frame);
void slk_link_refill(struct slk_link *link, uint64_t now_ms); /* reads again when the buckets allow it */
void slk_peer_init_buckets(struct slk_peer *peer, const struct slk_mesh_timing *timing, uint64_t now_ms);

/* ---- uv_mesh_send.c ---- */
enum slk_err slk_link_queue(struct slk_link *link, struct slk_mesh_message *message);
void slk_link_answered(struct slk_link *link); /* bulk came: the next question may go */
void slk_link_ask_tick(struct slk_link *link, uint64_t now_ms);
/* Does this GET or WANT ask for bulk? SLK_E_MALFORMED: a GET that is none. */
SLK_MUST_CHECK enum slk_err slk_mesh_asks(
    struct slk_mesh *mesh, enum slk_frame_type type, struct slk_span payload, bool *bulk);

#endif
