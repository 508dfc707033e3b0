/* api.h: what a node offers over HTTP: the routes, on top of node_api.h. README.md lists them, openapi.json describes them.
 *
 * Nothing here writes a handle or an address of a client anywhere: not into a log, not into a metric. A handle comes in the
 * body of a request and leaves in no answer.
 */
#ifndef SLK_NET_API_H
#define SLK_NET_API_H

#include "net/node_api.h"
#include "net/serve.h"

#define SLK_API_STREAMS_MAX 64
#define SLK_API_CROWD_MAX                                                                                    \
    1024 /* records in one answer about a prefix: half a hundred ms of the node's one thread */

/* The node, or what stands for it in tests: the functions of node_api.h, each with `ctx` in front in place of the node. */
struct slk_api_backend {
    void *ctx;
    uint64_t (*submit)(void *ctx, struct slk_span submission, enum slk_node_stage stage,
        slk_node_answer_fn *answer, void *answer_ctx);
    void (*forget)(void *ctx, uint64_t ticket);
    enum slk_node_where (*find)(
        void *ctx, const struct slk_hash *id, uint64_t *height, uint64_t *first_index);
    enum slk_change_rule (*change)(void *ctx, struct slk_span entry, struct slk_fault *fault);
    struct slk_ledger *(*ledger)(void *ctx);
    struct slk_store *(*store)(
        void *ctx); /* of that ledger: committed blocks, without the wait for a machine */
    enum slk_err (*prove)(void *ctx, const uint8_t handle[SLK_HANDLE_SIZE], bool with_history,
        enum slk_encoding encoding, uint8_t **out, size_t *out_size, struct slk_fault *fault);
    enum slk_err (*prove_begin)(void *ctx, const uint8_t handle[SLK_HANDLE_SIZE], bool with_history,
        enum slk_encoding encoding, struct slk_proving **out, struct slk_fault *fault);
    struct slk_span (*checkpoint)(void *ctx);
    void (*status)(void *ctx, struct slk_node_status *out);
    bool (*watch)(void *ctx, slk_node_news_fn *fn, void *fn_ctx);
    void (*unwatch)(void *ctx, slk_node_news_fn *fn, void *fn_ctx);
    void (*state_lists)(void *ctx, struct slk_span text, uint64_t size);
    struct slk_span (*lists_note)(void *ctx, uint64_t *size);
};
/* Of a running node. */
struct slk_api_backend slk_api_backend_of(struct slk_node *node);

/* Growing text, for metrics: zero-initialise; `broken` when memory ran out. */
struct slk_api_text {
    char *at;
    size_t size, cap;
    bool broken;
};
void slk_api_print(struct slk_api_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The head of a family `sillok_<name>`; then, with its head: a number; a gauge in seconds; a histogram, whose head comes first, with labels
 * as `a="b",c="d"` or "". */
void slk_api_family(struct slk_api_text *text, const char *name, const char *type, const char *help);
void slk_api_one(
    struct slk_api_text *text, const char *name, const char *type, const char *help, uint64_t value);
void slk_api_seconds(struct slk_api_text *text, const char *name, const char *help, int64_t ms);
void slk_api_histogram(
    struct slk_api_text *text, const char *name, const char *labels, const struct slk_histogram *histogram);

/* Status lists (status_token.h); `key` or `base` NULL: none are served. Both are borrowed. */
struct slk_api_status_options {
    const struct slk_key *key; /* signs them, at once: not one that is held in a token */
    const char *base;          /* under which address the world finds /v1/status-lists */
    uint32_t ttl_s, lifetime_s;
    bool has_history;    /* ?time= is answered */
    uint32_t tokens_max; /* kept; 0: 256, which is the most */
    uint32_t
        cosign_s; /* of the chain's time: how often members sign what all lists say; 0: never. Without a key, too */
};

struct slk_api_options {
    struct slk_api_backend backend;
    struct slk_api_status_options status;
    uint64_t (*now_ms)(void *ctx); /* NULL: the machine's clock */
    void *now_ctx;
    /* More lines for /metrics, in Prometheus' text format; NULL: none. */
    void (*metrics)(void *ctx, struct slk_api_text *text);
    void *metrics_ctx;
};

struct slk_api;
SLK_MUST_CHECK enum slk_err slk_api_new(struct slk_api **out, const struct slk_api_options *options);
/* After the server has stopped. Answers that the node still owes are forgotten. NULL is fine. */
void slk_api_free(struct slk_api *api);
/* For slk_http_options: routes, ctx, tick, work. */
const struct slk_http_route *slk_api_routes(size_t *n);
void slk_api_tick(void *api, uint64_t now_ms);
bool slk_api_work(void *api);
/* Whose numbers /metrics shows; once, before the first request. */
void slk_api_serve(struct slk_api *api, struct slk_http_server *server);

#endif
