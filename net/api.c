/* api.c: see api.h: the table of routes, and how they answer. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/api_openapi.h"
#include "net/api_private.h"

#define SUBMISSION_MAX                                                                                       \
    (SLK_API_JSON_MAX > SLK_SUBMISSION_BYTES_MAX ? SLK_API_JSON_MAX : SLK_SUBMISSION_BYTES_MAX)
#define PROOF_BODY_MAX 512u

static void get_openapi(void *api, struct slk_http_exchange *exchange)
{
    const struct api_reply reply = {200, "Cache-Control: max-age=3600\r\nAccess-Control-Allow-Origin: *\r\n"};

    (void)api;
    slk_api_reply_bytes(
        exchange, &reply, "application/json", slk_span_of(slk_openapi, sizeof(slk_openapi)), NULL);
}

static const char *const submission_types[] = {
    "application/x-protobuf", "application/protobuf", "application/octet-stream", "application/json", NULL};
static const char *const proof_types[] = {"application/json", "application/octet-stream", "text/plain", NULL};
static const char *const change_types[] = {
    "application/x-protobuf", "application/protobuf", "application/octet-stream", NULL};

static const struct slk_http_route routes[] = {
    {.path = "/v1/proofs",
        .method = SLK_HTTP_POST,
        .body_max = PROOF_BODY_MAX,
        .types = proof_types,
        .handle = slk_api_prove,
        .late = slk_api_prove_late},
    {.path = "/v1/submissions",
        .method = SLK_HTTP_POST,
        .submits = true,
        .body_max = SUBMISSION_MAX,
        .types = submission_types,
        .handle = slk_api_submit,
        .late = slk_api_submit_late},
    {.path = "/checkpoint", .method = SLK_HTTP_GET, .handle = slk_api_get_checkpoint},
    {.path = "/v1/submissions/", .parameter = true, .method = SLK_HTTP_GET, .handle = slk_api_submission},
    {.path = "/v1/map/", .parameter = true, .method = SLK_HTTP_GET, .handle = slk_api_map},
    {.path = "/v1/blocks/", .parameter = true, .method = SLK_HTTP_GET, .handle = slk_api_block},
    {.path = "/v1/consistency/", .parameter = true, .method = SLK_HTTP_GET, .handle = slk_api_consistency},
    {.path = "/v1/evidence", .method = SLK_HTTP_GET, .handle = slk_api_evidence},
    {.path = "/", .method = SLK_HTTP_GET, .handle = slk_api_page},
    {.path = "/tile/", .rest = true, .method = SLK_HTTP_GET, .handle = slk_api_tile},
    {.path = "/v1/status-lists", .method = SLK_HTTP_GET, .handle = slk_api_get_lists},
    {.path = "/v1/status-lists/note", .method = SLK_HTTP_GET, .handle = slk_api_get_list_note},
    {.path = "/v1/status-lists/", .rest = true, .method = SLK_HTTP_GET, .handle = slk_api_get_list},
    {.path = "/v1/keys", .method = SLK_HTTP_GET, .handle = slk_api_get_keys},
    {.path = "/v1/charter", .method = SLK_HTTP_GET, .handle = slk_api_get_charter},
    {.path = "/v1/charter",
        .method = SLK_HTTP_POST,
        .submits = true,
        .body_max = SLK_ENTRY_MAX,
        .types = change_types,
        .handle = slk_api_change},
    {.path = "/v1/charters/", .parameter = true, .method = SLK_HTTP_GET, .handle = slk_api_past_charter},
    {.path = "/v1/policy", .method = SLK_HTTP_GET, .handle = slk_api_get_policy},
    {.path = "/v1/status", .method = SLK_HTTP_GET, .handle = slk_api_get_status},
    {.path = "/v1/stream", .method = SLK_HTTP_GET, .handle = slk_api_stream},
    {.path = "/v1/openapi.json", .method = SLK_HTTP_GET, .handle = get_openapi},
    {.path = "/metrics", .method = SLK_HTTP_GET, .handle = slk_api_get_metrics},
    {.path = "/health", .method = SLK_HTTP_GET, .handle = slk_api_get_health},
};

const struct slk_http_route *slk_api_routes(size_t *n)
{
    *n = sizeof(routes) / sizeof(routes[0]);
    return routes;
}

/* ---- answers ---- */

void slk_api_reply_bytes(struct slk_http_exchange *exchange, const struct api_reply *reply, const char *type,
    struct slk_span bytes, uint8_t *owned)
{
    const struct slk_http_answer answer = {
        .status = reply->status, .type = type, .fields = reply->fields, .body = bytes, .owned = owned};

    slk_http_answer(exchange, &answer);
}

void slk_api_reply_problem(
    struct slk_http_exchange *exchange, const struct api_reply *reply, const char *code, const char *detail)
{
    char body[SLK_HTTP_PROBLEM_MAX];
    size_t size = slk_http_problem(body, reply->status, code, detail);

    slk_api_reply_bytes(exchange, reply, "application/problem+json", slk_span_of(body, size), NULL);
}

void slk_api_reply_json(struct slk_http_exchange *exchange, const struct api_reply *reply, json_t *value)
{
    const struct api_reply broken = {500, SLK_API_NO_STORE};
    char *text = value != NULL ? json_dumps(value, JSON_COMPACT) : NULL;

    json_decref(value);
    if (text == NULL)
        slk_api_reply_problem(exchange, &broken, slk_err_name(SLK_E_NOMEM), slk_err_text(SLK_E_NOMEM));
    else
        slk_api_reply_bytes(
            exchange, reply, "application/json", slk_span_of(text, strlen(text)), (uint8_t *)text);
}

/* `object` is not empty. */
static char *add_member(const char *object, const char *name, struct slk_span bytes, size_t *size)
{
    size_t object_n = strlen(object), name_n = strlen(name), text_n = slk_base64_size(bytes.size);
    struct slk_writer w = {.cap = object_n + name_n + text_n + 6};

    w.at = malloc(w.cap);
    if (w.at == NULL)
        return NULL;
    slk_write_bytes(&w, object, object_n - 1);
    slk_write_bytes(&w, ",\"", 2);
    slk_write_bytes(&w, name, name_n);
    slk_write_bytes(&w, "\":\"", 3);
    slk_base64_format((char *)w.at + w.size, bytes.at, bytes.size);
    w.size += text_n;
    slk_write_bytes(&w, "\"}", 2);
    assert(!w.bad);
    *size = w.size;
    return (char *)w.at;
}

void slk_api_reply_json_bytes(struct slk_http_exchange *exchange, const struct api_reply *reply,
    json_t *value, const char *name, struct slk_span bytes)
{
    const struct slk_fault fault = {0};
    char *object = value != NULL ? json_dumps(value, JSON_COMPACT) : NULL, *text = NULL;
    size_t size = 0;

    json_decref(value);
    if (object != NULL)
        text = add_member(object, name, bytes, &size);
    free(object);
    if (text == NULL)
        slk_api_reply_err(exchange, SLK_E_NOMEM, &fault);
    else
        slk_api_reply_bytes(exchange, reply, "application/json", slk_span_of(text, size), (uint8_t *)text);
}

void slk_api_reply_err(struct slk_http_exchange *exchange, enum slk_err err, const struct slk_fault *fault)
{
    struct api_reply reply = {500, SLK_API_NO_STORE};

    if (err == SLK_E_UNSIGNED)
        reply = (struct api_reply){503, "Retry-After: 1\r\n" SLK_API_NO_STORE};
    else if (err == SLK_E_TOO_LARGE)
        reply.status = 422;
    else if (err == SLK_E_NOT_FOUND)
        reply.status = 404;
    slk_api_reply_problem(
        exchange, &reply, slk_err_name(err), fault->text[0] != '\0' ? fault->text : slk_err_text(err));
}

int slk_api_choose(struct slk_http_exchange *exchange, const char *const *types)
{
    const struct api_reply reply = {406, SLK_API_NO_STORE};
    struct slk_span accept = {0};
    unsigned best = 0;
    int chosen = -1;

    (void)slk_http_field(slk_http_request(exchange), "accept", &accept);
    for (int i = 0; types[i] != NULL; i++) {
        unsigned rank = slk_http_accepts(accept, types[i]);

        if (rank > best) {
            best = rank;
            chosen = i;
        }
    }
    if (chosen < 0)
        slk_api_reply_problem(exchange, &reply, "NOT_ACCEPTABLE",
            "none of the media types in Accept is what this route answers with");
    return chosen;
}

uint64_t slk_api_now_ms(const struct slk_api *api)
{
    struct timespec now;

    if (api->options.now_ms != NULL)
        return api->options.now_ms(api->options.now_ctx);
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void slk_api_print(struct slk_api_text *text, const char *format, ...)
{
    char line[512];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(line) || text->broken) {
        text->broken = true;
        return;
    }
    if ((size_t)n > text->cap - text->size) {
        size_t cap = text->cap == 0 ? 4096 : 2 * text->cap;
        char *at = realloc(text->at, cap);

        text->broken = at == NULL;
        if (text->broken)
            return;
        text->at = at;
        text->cap = cap;
    }
    memcpy(text->at + text->size, line, (size_t)n);
    text->size += (size_t)n;
}

/* ---- the API itself ---- */

enum slk_err slk_api_new(struct slk_api **out, const struct slk_api_options *options)
{
    struct slk_api *api = calloc(1, sizeof(*api));

    *out = NULL;
    if (api == NULL)
        return SLK_E_NOMEM;
    api->options = *options;
    api->chain_id = *slk_ledger_chain_id(options->backend.ledger(options->backend.ctx));
    if (!api->options.backend.watch(api->options.backend.ctx, slk_api_news, api)) {
        free(api);
        return SLK_E_RANGE;
    }
    *out = api;
    return SLK_OK;
}

void slk_api_free(struct slk_api *api)
{
    const struct slk_api_backend *backend;

    if (api == NULL)
        return;
    backend = &api->options.backend;
    assert(api->streams_n == 0);
    backend->unwatch(backend->ctx, slk_api_news, api);
    while (api->waits != NULL) {
        struct api_wait *wait = api->waits;
        const struct slk_http_answer nothing = {.status = 503};

        api->waits = wait->next;
        backend->forget(backend->ctx, wait->ticket);
        slk_http_answer(wait->exchange, &nothing); /* the server has stopped: only frees it */
        free(wait);
    }
    slk_api_parked_free(api);
    slk_api_history_free(api);
    slk_api_tiles_free(api);
    slk_api_lists_free(api);
    free(api);
}

void slk_api_serve(struct slk_api *api, struct slk_http_server *server)
{
    api->server = server;
}
