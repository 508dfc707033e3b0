#include "tests/unit/http_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- routes ---- */

void answer_text(struct slk_http_exchange *x, const char *text)
{
    const struct slk_http_answer answer = {
        .status = 200, .type = "text/plain", .body = slk_span_of(text, strlen(text))};

    slk_http_answer(x, &answer);
}

static void get_hello(void *ctx, struct slk_http_exchange *x)
{
    ((struct world *)ctx)->handled_n++;
    answer_text(x, "hello");
}

static void get_parameter(void *ctx, struct slk_http_exchange *x)
{
    const struct slk_http_answer answer = {
        .status = 200, .type = "text/plain", .body = slk_http_parameter(x)};

    (void)ctx;
    slk_http_answer(x, &answer);
}

static void post_echo(void *ctx, struct slk_http_exchange *x)
{
    const struct slk_http_answer answer = {.status = 200, .type = "text/plain", .body = slk_http_body(x)};

    ((struct world *)ctx)->handled_n++;
    slk_http_answer(x, &answer);
}

static void get_later(void *ctx, struct slk_http_exchange *x)
{
    struct world *w = ctx;

    assert_true(w->kept_n < 4);
    w->kept[w->kept_n++] = x;
}

static void late(void *ctx, struct slk_http_exchange *x)
{
    struct world *w = ctx;

    w->late_n++;
    w->kept_n--;
    answer_text(x, "not yet");
}

static void get_big(void *ctx, struct slk_http_exchange *x)
{
    uint8_t *bytes = calloc(1, BIG);
    const struct slk_http_answer answer = {
        .status = 200, .type = "x/y", .body = slk_span_of(bytes, BIG), .owned = bytes};

    (void)ctx;
    assert_non_null(bytes);
    slk_http_answer(x, &answer);
}

static void stream_gone(void *ctx, struct slk_http_exchange *x)
{
    struct world *w = ctx;

    w->gone_n++;
    for (size_t i = 0; i < w->streams_n; i++) {
        if (w->streams[i] == x)
            w->streams[i] = w->streams[--w->streams_n];
    }
}

static void get_stream(void *ctx, struct slk_http_exchange *x)
{
    struct world *w = ctx;

    assert_true(w->streams_n < 4);
    w->streams[w->streams_n++] = x;
    slk_http_stream_begin(x, "text/event-stream", stream_gone, w);
}

static void get_refused(void *ctx, struct slk_http_exchange *x)
{
    (void)ctx;
    slk_http_refuse(x, SLK_HTTP_BAD_REQUEST, "a \"quote\",\na backslash \\");
}

static const char *const texts[] = {"text/plain", "application/json", NULL};
const struct slk_http_route routes[HTTP_WORLD_ROUTES] = {
    {.path = "/hello", .method = SLK_HTTP_GET, .handle = get_hello},
    {.path = "/parameter/", .parameter = true, .method = SLK_HTTP_GET, .handle = get_parameter},
    {.path = "/echo", .method = SLK_HTTP_POST, .body_max = 100000, .types = texts, .handle = post_echo},
    {.path = "/both", .method = SLK_HTTP_GET, .handle = get_hello},
    {.path = "/both", .method = SLK_HTTP_POST, .body_max = 10, .handle = post_echo},
    {.path = "/later", .method = SLK_HTTP_GET, .handle = get_later},
    {.path = "/late", .method = SLK_HTTP_GET, .handle = get_later, .late = late},
    {.path = "/big", .method = SLK_HTTP_GET, .handle = get_big},
    {.path = "/stream", .method = SLK_HTTP_GET, .handle = get_stream},
    {.path = "/refused", .method = SLK_HTTP_GET, .handle = get_refused},
};

/* ---- the server and its clients ---- */

struct world *world_open(const struct slk_http_limits *limits)
{
    struct world *w = calloc(1, sizeof(*w));
    struct slk_http_options options = {.routes = routes, .routes_n = HTTP_WORLD_ROUTES};

    assert_non_null(w);
    options.ctx = w;
    if (limits != NULL)
        options.limits = *limits;
    http_net_open(&w->net, &options);
    return w;
}

void world_close(struct world *w)
{
    http_net_stop(&w->net);
    http_net_free(&w->net);
    free(w);
}

uint64_t counted(const struct world *w, enum slk_http_reason reason)
{
    return slk_http_server_stats(w->net.server)->reasons[reason];
}

void keep_one(struct world *w, int fd, const char *path)
{
    char text[128];
    size_t before = w->kept_n;

    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST "\r\n", path);
    say(&w->net, fd, text);
    for (unsigned i = 0; i < TURNS_MAX && w->kept_n == before; i++)
        wait_turn(&w->net);
    assert_int_equal(w->kept_n, before + 1);
}
