/* serve.h: an HTTP server on a libuv loop, and what a route's handler says to it. One thread; bounds: README.md.
 *
 *   bytes -> http.h -> route -> handler ... slk_http_answer -> bytes
 *
 * One request is read, answered and written before the next of its connection is read: a client that does not read its
 * answers stops itself. A handler may answer from inside its call or at any later time; the exchange it holds stays good
 * when the client, or the whole server, has gone in between, and the answer then goes nowhere. The process ignores SIGPIPE.
 */
#ifndef SLK_NET_SERVE_H
#define SLK_NET_SERVE_H

#include "ledger/store/histogram.h"
#include "net/http.h"

struct uv_loop_s;
struct slk_http_server;
struct slk_http_exchange;

#define SLK_HTTP_ROUTES_MAX   32
#define SLK_HTTP_STATUSES_MAX 24

struct slk_tls_context;

struct slk_http_route {
    const char *path; /* "/v1/status", or "/v1/blocks/" and then one more segment: see parameter */
    bool parameter;
    bool rest;                   /* the parameter is all that follows, slashes too */
    enum slk_http_method method; /* GET answers HEAD, too */
    bool submits;                /* for those who may submit (tls_web.h) */
    size_t body_max;             /* POST */
    const char *const *types;    /* POST: Content-Types it takes, up to a NULL */
    void (*handle)(void *ctx, struct slk_http_exchange *exchange);
    /* The answer has taken answer_ms: must call slk_http_answer. NULL: 503, and the handler's answer will go nowhere. */
    void (*late)(void *ctx, struct slk_http_exchange *exchange);
};

#define SLK_HTTP_PIECES_MAX 256

/* What is told to the client. `owned` is the malloc'ed memory in which the body lies, which is taken over; NULL: it is borrowed, and so are
 * the pieces: the kernel takes them from where they lie, and what it does not take at once is copied before slk_http_answer returns. */
struct slk_http_answer {
    unsigned status;
    const char *type;
    const char *fields; /* NULL, or whole lines with their CR LF; at most 256 bytes */
    struct slk_span body;
    uint8_t *owned;
    const struct slk_span
        *pieces; /* in place of a body, which is empty: at most SLK_HTTP_PIECES_MAX, one behind the other */
    size_t pieces_n;
};

/* ---- for handlers ---- */

/* The request; good until the answer. */
const struct slk_http_parser *slk_http_request(const struct slk_http_exchange *exchange);
struct slk_span slk_http_body(const struct slk_http_exchange *exchange);
struct slk_span slk_http_parameter(const struct slk_http_exchange *exchange);
/* The client has left: what is answered goes nowhere. */
bool slk_http_is_gone(const struct slk_http_exchange *exchange);
void slk_http_set_user(struct slk_http_exchange *exchange, void *user);
void *slk_http_user(const struct slk_http_exchange *exchange);
/* Once; the exchange is gone afterwards. */
void slk_http_answer(struct slk_http_exchange *exchange, const struct slk_http_answer *answer);
/* Answers with a problem document (RFC 9457) of this reason, counted under it; `detail` NULL: the reason's own sentence. */
void slk_http_refuse(struct slk_http_exchange *exchange, enum slk_http_reason reason, const char *detail);
/* False: the client's address has limits.site_streams already. */
bool slk_http_may_stream(struct slk_http_exchange *exchange);
/* Answers with a body without an end, instead: pieces follow while the client reads them. `gone` is called once, when the
 * connection ends, and the exchange is gone with it; never from inside a handler or slk_http_stream_send. */
void slk_http_stream_begin(struct slk_http_exchange *exchange, const char *type,
    void (*gone)(void *ctx, struct slk_http_exchange *), void *ctx);
/* False: the client reads too slowly and is being disconnected. */
bool slk_http_stream_send(struct slk_http_exchange *exchange, struct slk_span piece);

/* A problem document; its length. */
#define SLK_HTTP_PROBLEM_MAX 1024
size_t slk_http_problem(
    char out[SLK_HTTP_PROBLEM_MAX], unsigned status, const char *code, const char *detail);

/* ---- the server ---- */

/* 0 stands for the value behind it. */
struct slk_http_limits {
    uint32_t connections_max; /* 4,096; one more makes an idle or slow one go, else is answered 503 */
    uint32_t shake_ms;        /* 5,000: for the handshake of TLS */
    uint32_t head_ms;         /* 10,000: from the first byte of a request to the end of its head */
    uint32_t body_ms;         /* 30,000 */
    uint32_t idle_ms;         /* 60,000: between two requests */
    uint32_t answer_ms;       /* 30,000: the handler's time */
    uint32_t write_ms;        /* 20,000: in that time at least write_bytes of an answer must be taken */
    uint32_t write_bytes;     /* 16 KiB */
    uint32_t linger_ms; /* 2,000: a last answer is given that long to arrive before the connection is cut */
    uint32_t drain_ms;  /* 10,000: for the requests under way when the server stops */
    uint32_t tick_ms;   /* 200: how often deadlines are looked at */
    size_t bodies_max;  /* 64 MiB: of all requests being read or handled */
    size_t answers_max; /* 128 MiB: of all answers being written */
    size_t stream_max;  /* 256 KiB: queued for one stream */
    /* 16: streams to one address, of IPv6 to one /64. Over Unix sockets and from this machine as many as handlers give: there a proxy may
     * stand for any number of clients. */
    uint32_t site_streams;
};

struct slk_http_options {
    struct uv_loop_s *loop;
    const struct slk_http_route *routes; /* borrowed; at most SLK_HTTP_ROUTES_MAX */
    size_t routes_n;
    void *ctx; /* for the handlers */
    struct slk_http_limits limits;
    /* About once a second, with the loop's clock in ms; may be NULL. */
    void (*tick)(void *ctx, uint64_t now_ms);
    /* A step of what a handler left to be done, which is short; false: all is done. May be NULL. */
    bool (*work)(void *ctx);
};

SLK_MUST_CHECK enum slk_err slk_http_server_new(
    struct slk_http_server **out, const struct slk_http_options *options);
/* Any number of times before the stop. A host is an address; only loopback is accepted, for there is no TLS, unless `anywhere`. SLK_E_RANGE: no such address, not loopback, a path that is too long; SLK_E_IO: the fault says why. */
SLK_MUST_CHECK enum slk_err slk_http_listen_tcp(
    struct slk_http_server *server, const char *host, uint16_t port, bool anywhere, struct slk_fault *fault);
/* The context (tls_web.h) of all TLS connections from now on, kept; those under an older one end with the request under way. */
void slk_http_set_tls(struct slk_http_server *server, struct slk_tls_context *context);
/* TLS, on any address; after slk_http_set_tls. */
SLK_MUST_CHECK enum slk_err slk_http_listen_tls(
    struct slk_http_server *server, const char *host, uint16_t port, struct slk_fault *fault);
uint16_t slk_http_tls_port(const struct slk_http_server *server); /* of the first such listener */
/* A socket left behind by a dead process is replaced, one that somebody answers on is not (SLK_E_IN_USE). Mode 0660. */
SLK_MUST_CHECK enum slk_err slk_http_listen_unix(
    struct slk_http_server *server, const char *path, struct slk_fault *fault);
uint16_t slk_http_port(const struct slk_http_server *server); /* of the first TCP listener */
/* Accepts nothing more, lets requests under way be answered, then calls `stopped`, in which slk_http_server_free may be called. Called
 * again it waits for nobody: connections are closed. */
void slk_http_server_stop(struct slk_http_server *server, void (*stopped)(void *ctx), void *ctx);
/* From now on `work` is called once in each turn of the loop, which does not wait for anything else, until it says false. Not when the server
 * has stopped. */
void slk_http_server_work(struct slk_http_server *server);
/* NULL is fine. Only before the first listen, or after `stopped`. */
void slk_http_server_free(struct slk_http_server *server);

/* ---- what is counted: nothing of a client, nothing of a credential ---- */

struct slk_http_stats {
    uint64_t connections_n;                          /* since the start */
    uint64_t open, idle, handling, writing, streams; /* now */
    uint64_t handshakes_n;                           /* of TLS, begun since the start */
    uint64_t bodies_bytes, answers_bytes;            /* now */
    uint64_t bytes_in, bytes_out;
    uint64_t reasons[SLK_HTTP_REASON_N];
    /* Answers by route (the last is for requests that found none) and status (statuses[i], 0: not used yet). */
    unsigned statuses[SLK_HTTP_STATUSES_MAX];
    uint64_t answers[SLK_HTTP_ROUTES_MAX + 1][SLK_HTTP_STATUSES_MAX];
    /* From a request's last byte to the first of its answer, by route; streams are not in it. */
    struct slk_histogram latency[SLK_HTTP_ROUTES_MAX];
};
const struct slk_http_stats *slk_http_server_stats(struct slk_http_server *server);

#endif
