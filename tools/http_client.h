/* http_client.h: asking nodes over HTTP: blocking, bounded, several nodes. The only file of this project that knows libcurl,
 * linked into `sillok` alone.
 *
 * A node is named by http://HOST:PORT, https://HOST:PORT (both may have a path, where a proxy put the node) or unix:PATH.
 * Redirections are not followed, proxies of the environment are not used, nothing is kept from one run to the next: what is
 * asked goes to the node that was named, and nowhere else.
 */
#ifndef SLK_TOOLS_HTTP_CLIENT_H
#define SLK_TOOLS_HTTP_CLIENT_H

#include "ledger/verify/bytes.h"

#define HTTP_URL_MAX     1024
#define HTTP_NODES_MAX   64
#define HTTP_ERROR_MAX   300
#define HTTP_TYPE_MAX    80
#define HTTP_PATIENCE_MS 20000 /* how long "busy" and "behind" are waited out, when the caller says nothing */
#define HTTP_TIMEOUT_MS                                                                                      \
    45000 /* of one request: a node answers within 30 s (net/README.md), the rest is the way */
#define HTTP_CONNECT_MS    5000
#define HTTP_IN_FLIGHT_MAX 64

/* Where a node is. */
struct http_url {
    char name[HTTP_URL_MAX];   /* as typed, without a final slash: for messages */
    char base[HTTP_URL_MAX];   /* what a request's path is appended to */
    char socket[HTTP_URL_MAX]; /* "", or the path of a Unix socket */
};
/* False after filling `fault`: another scheme, a name and password, a query, a control character, too long. */
SLK_MUST_CHECK bool http_url_parse(struct http_url *out, const char *text, struct slk_fault *fault);
/* Seconds a Retry-After of digits asks for, at most `max`; 1 for what is no number (a date: we have no use for it). */
uint64_t http_retry_after(const char *text, size_t size, uint64_t max);

struct http_options {
    const char *ca_file;   /* https: who vouches for the nodes; NULL: the system's authorities */
    const char *cert_file; /* https: our certificate, and its key; both or neither */
    const char *key_file;
    const char *pin;     /* https: "sha256//BASE64" of the node's public key (curl's form); NULL: none */
    uint64_t timeout_ms; /* of one request; 0: HTTP_TIMEOUT_MS */
};

struct http_request {
    const char *path;         /* "/v1/status" */
    const char *accept;       /* media type; NULL: any */
    const char *content_type; /* of the body */
    struct slk_span body;     /* POST when `is_post`; must live until the answer is there */
    bool is_post;
    size_t max;           /* the largest answer that makes sense */
    uint64_t patience_ms; /* 503 and 429 are asked again for this long, as Retry-After says; 0: not at all */
};

struct http_answer {
    unsigned status; /* 0: no answer; `error` says why */
    size_t node;     /* which one was asked */
    uint8_t *body;   /* zero-terminated beyond `size`; NULL without an answer */
    size_t size;
    char type[HTTP_TYPE_MAX]; /* media type, without parameters */
    uint64_t ms;              /* from asking to the last byte */
    uint64_t retry_after_ms;  /* what a busy node asks for; 0: nothing */
    char error
        [HTTP_ERROR_MAX]; /* a sentence: "cannot connect: ...", "answered 503 BEHIND: ..."; "" when 2xx */
};
void http_answer_clear(struct http_answer *answer);

struct http_client;
/* `urls` are copied. False after filling `fault`. */
SLK_MUST_CHECK bool http_client_new(struct http_client **out, const struct http_options *options,
    const char *const *urls, size_t n, struct slk_fault *fault);
void http_client_free(struct http_client *client); /* NULL is fine */
size_t http_nodes_n(const struct http_client *client);
const char *http_node_name(const struct http_client *client, size_t node);

/* Asks one node and waits. False: not a 2xx; answer->error says why, and the body is there if there was one. */
bool http_ask(
    struct http_client *client, size_t node, const struct http_request *request, struct http_answer *answer);
/* Asks all nodes at once: answers[i] is node i's. Returns how many answered 2xx. */
size_t http_ask_all(
    struct http_client *client, const struct http_request *request, struct http_answer *answers);
/* Asks one node after the other, the one that answered last time first, until `is_good` says yes to an answer; NULL: any 2xx,
 * and any 4xx but 404 and 429, which the next node would repeat. `is_good` may write into the answer's error what it has
 * against it. Who is busy is asked again after all others, within the request's patience. False: none, and *answer is empty;
 * `failed` (NULL, or http_nodes_n of them) holds why, node by node. */
typedef bool http_good_fn(void *ctx, struct http_answer *answer);
bool http_ask_any(struct http_client *client, const struct http_request *request, http_good_fn *is_good,
    void *ctx, struct http_answer *answer, char (*failed)[HTTP_ERROR_MAX]);

/* Several at once: http_start gives a request away (copied; its body must live until its answer), http_next waits for the next
 * answer of any, at most `wait_ms`. `tag` comes back with it. False from http_start: HTTP_IN_FLIGHT_MAX are under way, or out
 * of memory; from http_next: nothing is, or the time is over. What asks and waits in one must not be mixed with these. */
SLK_MUST_CHECK bool http_start(
    struct http_client *client, size_t node, const struct http_request *request, void *tag);
bool http_next(struct http_client *client, uint64_t wait_ms, void **tag, struct http_answer *answer);
size_t http_in_flight(const struct http_client *client);

#endif
