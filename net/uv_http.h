/* uv_http.h: the inside of the HTTP server, shared by uv_http.c (connections), uv_turn.c (whose turn it is), uv_write.c (answers),
 * uv_https.c (TLS) and uv_serve.c (listening, stopping). */
#ifndef SLK_NET_UV_HTTP_H
#define SLK_NET_UV_HTTP_H

#include <uv.h>

#include "net/serve.h"
#include "net/tls_web.h"

#define SLK_HTTP_READ_SIZE       16384u
#define SLK_HTTP_LISTENERS_MAX   4u
#define SLK_HTTPS_PART_BYTES     65536u /* of an answer that are sealed at a time */
#define SLK_HTTPS_PART_MAX       (SLK_HTTPS_PART_BYTES / SLK_TLS_RECORD_MAX * SLK_TLS_RECORD_OUT)
#define SLK_HTTPS_SHAKE_LEAST_MS 1000u
#define SLK_HTTPS_SHAKING_MAX    64u /* handshakes under way; who comes then waits in the kernel */
#define SLK_HTTPS_SHAKES_S                                                                                   \
    100u /* handshakes begun a second: a tenth of a core with P-256, a fifth with RSA-2048 */
#define SLK_HTTPS_SHAKES_BURST 200u

enum conn_state {
    CONN_IDLE,
    CONN_HEAD,
    CONN_BODY,
    CONN_ANSWERING,
    CONN_WRITING,
    CONN_LINGER,
    CONN_STREAM,
    CONN_SHAKING, /* the handshake of TLS */
    CONN_CLOSING,
    CONN_STATE_N
};

struct conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } io;
    struct slk_http_server *server;
    struct slk_tls *tls; /* NULL: none */
    enum conn_state state;
    struct conn *prev, *next; /* in the list of its state */
    uint64_t deadline;
    struct slk_http_exchange *exchange; /* HEAD, BODY, ANSWERING, STREAM */
    uint8_t *pending;                   /* bytes behind the request being answered */
    size_t pending_n;
    bool feeds; /* inside slk_http_conn_feed, which goes on by itself when an answer is written at once */
    unsigned turn_answers; /* written at once since the loop last turned to this connection */
    size_t
        queue_seen; /* bytes not yet taken when the time for writing was last extended; SIZE_MAX: not yet */
    size_t discarded;
    uint64_t asked_ns;      /* when the request under way was whole; 0: none is */
    bool close_after;       /* the answer is the last one */
    bool broken;            /* a stream to be closed at the next tick */
    bool has_site;          /* a stream's, whose client comes from elsewhere: */
    uint8_t site[16];       /* slk_address_site */
    struct output *writing; /* WRITING: of which, over TLS, not all may be sealed yet */
    uv_shutdown_t shutdown;
};

struct conn_list {
    struct conn *first, *last;
    uint64_t n;
};

struct slk_http_exchange {
    struct slk_http_parser in;
    struct conn *conn; /* NULL: the client has gone */
    const struct slk_http_route *route;
    struct slk_span parameter;
    size_t counted; /* of its body, in stats.bodies_bytes */
    void *user;
    void (*gone)(void *ctx, struct slk_http_exchange *);
    void *gone_ctx;
    bool is_queued; /* its handler has not been called yet */
    struct slk_http_exchange *before, *behind;
};

/* Requests that wait for their handler: who came first is first. */
struct slk_http_turns {
    struct slk_http_exchange *first, *last;
};

#define SLK_HTTP_ANSWER_HEAD 640u

/* What the kernel has not taken of one answer, or of one piece of a stream. */
struct output {
    uv_write_t write;
    struct conn *conn;
    struct slk_http_server *server;
    uint8_t *owned;
    size_t counted;   /* of stats.answers_bytes */
    char *body_bytes; /* the body's, which libuv wants without const */
    struct slk_span body;
    size_t at;       /* over TLS: how much of both is sealed */
    uint8_t *sealed; /* the part under way */
    size_t head_n;
    char head[SLK_HTTP_ANSWER_HEAD];
};

/* An answer as it is written: its head, then the pieces of its body. */
#define SLK_HTTP_BUFS_MAX (1 + SLK_HTTP_PIECES_MAX)
struct slk_http_parts {
    size_t n, size;
    uv_buf_t bufs[SLK_HTTP_BUFS_MAX];
};

struct listener {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } io;
    struct slk_http_server *server;
    bool is_tls;
    bool waits;     /* somebody wants to connect, and there was no place */
    char path[108]; /* of a Unix socket; empty: none */
};

struct slk_http_server {
    uv_loop_t *loop;
    const struct slk_http_route *routes;
    size_t routes_n;
    void *ctx;
    void (*tick)(void *ctx, uint64_t now_ms);
    bool (*work)(void *ctx);
    bool works; /* it is to be called in the next turn */
    struct slk_http_limits limits;
    struct slk_http_stats stats;
    struct listener listeners[SLK_HTTP_LISTENERS_MAX];
    size_t listeners_n, listeners_open;
    uv_timer_t timer;
    uv_check_t polled;
    uv_idle_t idle;       /* while somebody waits for his turn, or work is left */
    unsigned clocks_open; /* of these three */
    unsigned ahead;       /* places that are made when all are taken */
    struct conn_list lists[CONN_STATE_N];
    struct slk_http_turns turns;
    uint64_t turn_at, turn_ns; /* the loop's time, and how much of it handlers have had */
    bool stopping;
    uint64_t stop_at; /* when the time for draining is over */
    uint64_t ticked_at;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    char date[SLK_HTTP_DATE_SIZE];
    uint64_t date_at;
    struct slk_tls_context *tls;
    uint64_t shakes; /* handshakes that may begin now, in thousandths */
    uint8_t buffer[SLK_HTTP_READ_SIZE];
    uint8_t plain[SLK_HTTP_READ_SIZE];  /* out of TLS */
    uint8_t record[SLK_TLS_RECORD_MAX]; /* into it */
    uint8_t sealed[SLK_HTTPS_PART_MAX]; /* out of it */
};

/* uv_http.c */
/* Into a free place, or to be told that there is none. */
void slk_http_server_accept(struct listener *listener);
bool slk_http_server_has_place(const struct slk_http_server *server);
void slk_http_server_expire(struct slk_http_server *server);
void slk_http_server_drain(struct slk_http_server *server, bool at_once);
void slk_http_conn_feed(struct conn *c, const uint8_t *at, size_t size);
void slk_http_conn_ready(struct conn *c); /* between two requests */
void slk_http_conn_end(struct conn *c);   /* the client sends no more */
void slk_http_conn_linger(struct conn *c);
void slk_http_conn_close(struct conn *c, enum slk_http_reason why);
void slk_http_conn_written(uv_write_t *write, int status);
void slk_http_conn_sent(struct conn *c); /* all of an answer, at once */
void slk_http_conn_next(struct conn *c); /* its next request, of which something may be here */
/* uv_turn.c */
void slk_http_turn_take(struct slk_http_exchange *x); /* handles it now or later; it may be gone */
void slk_http_turn_leave(struct slk_http_exchange *x);
/* uv_write.c */
const char *slk_http_date(struct slk_http_server *server); /* of now, made once a second */
struct output *slk_http_output_new(struct conn *c, uint8_t *owned);
void slk_http_output_free(struct output *out);
void slk_http_output_send(struct conn *c, struct output *out);
size_t slk_http_body_size(const struct slk_http_answer *answer);
/* In state WRITING, which it may have left. */
void slk_http_write_answer(struct conn *c, bool head_only, const struct slk_http_answer *answer);
/* uv_https.c */
bool slk_https_may_shake(struct slk_http_server *server);
void slk_https_tick(struct slk_http_server *server, uint32_t ms);
bool slk_https_begin(struct conn *c);
void slk_https_input(struct conn *c, const uint8_t *at, size_t size);
void slk_https_pump(struct conn *c); /* what has come and is not read yet */
bool slk_https_send(
    struct conn *c, struct output *out); /* the next part; false: the connection is of no use */
/* All of it, if that is no more than one part: what the kernel does not take waits sealed. False: nothing of it was taken. */
bool slk_https_send_now(struct conn *c, const struct slk_http_parts *parts);
bool slk_https_say(struct conn *c, const char *text, size_t size);
bool slk_https_flush(struct conn *c);
bool slk_https_may(const struct conn *c, const struct slk_http_route *route);
/* Whether the kernel took as much of an answer as it must since the last look; its time begins anew. */
bool slk_http_conn_moves(struct conn *c);
/* uv_serve.c: so much for one more body (of `c`), or one more answer. False: there is no room for it, and none was to be had. */
bool slk_http_server_room_for_body(struct slk_http_server *server, const struct conn *c, uint64_t bytes);
bool slk_http_server_room_for_answer(struct slk_http_server *server, size_t bytes);
/* A connection or a listener is gone. */
void slk_http_server_closed(struct slk_http_server *server);

#endif
