/* api_stream.c: news as server-sent events: /v1/stream. Source: the HTML standard, 9.2 Server-sent events.
 *
 *   event: block | checkpoint | charter | alarm      id: its height      data: one line of JSON
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "net/api_private.h"

#define BEAT_MS   15000u /* a comment that keeps proxies from closing the connection */
#define PIECE_MAX 768u

static void gone(void *ctx, struct slk_http_exchange *x)
{
    struct slk_api *api = ctx;

    for (size_t i = 0; i < api->streams_n; i++) {
        if (api->streams[i] == x) {
            api->streams[i] = api->streams[--api->streams_n];
            return;
        }
    }
}

static void send_all(struct slk_api *api, const char *piece, size_t size)
{
    for (size_t i = 0; i < api->streams_n; i++)
        (void)slk_http_stream_send(
            api->streams[i], slk_span_of(piece, size)); /* who does not read is ended by the server */
}

static size_t print_piece(
    const struct slk_api *api, char out[PIECE_MAX], enum slk_node_news news, uint64_t height)
{
    static const char *const names[] = {[SLK_NEWS_COMMITTED] = "block",
        [SLK_NEWS_COSIGNED] = "checkpoint",
        [SLK_NEWS_CHARTER] = "charter",
        [SLK_NEWS_ALARM] = "alarm"};
    const struct slk_api_backend *backend = &api->options.backend;
    const struct slk_tip *tip = slk_ledger_tip(backend->ledger(backend->ctx));
    char root[2 * SLK_HASH_SIZE + 1] = "";
    struct slk_node_status status;
    int n = 0;

    switch (news) {
    case SLK_NEWS_COMMITTED:
        slk_hex_format(root, tip->log_root.b, SLK_HASH_SIZE);
        n = snprintf(out, PIECE_MAX,
            "event: block\nid: %llu\ndata: "
            "{\"height\":%llu,\"time_ms\":%llu,\"now_ms\":%llu,\"size\":%llu,\"events\":%llu,\"root\":\"%."
            "64s\"}\n\n",
            (unsigned long long)tip->height, (unsigned long long)tip->height,
            (unsigned long long)tip->time_ms, (unsigned long long)slk_api_now_ms(api),
            (unsigned long long)tip->log_size, (unsigned long long)tip->events_n, root);
        break;
    case SLK_NEWS_ALARM:
        memset(&status, 0, sizeof(status));
        backend->status(backend->ctx, &status);
        n = snprintf(out, PIECE_MAX, "event: alarm\ndata: {\"alarm\":\"%.15s\",\"height\":%llu}\n\n",
            status.alarm, (unsigned long long)height);
        break;
    case SLK_NEWS_COSIGNED:
    case SLK_NEWS_CHARTER:
        n = snprintf(out, PIECE_MAX, "event: %s\ndata: {\"height\":%llu}\n\n", names[news],
            (unsigned long long)height);
        break;
    }
    assert(n > 0 && (size_t)n < PIECE_MAX);
    return (size_t)n;
}

void slk_api_news(void *ctx, enum slk_node_news news, uint64_t height)
{
    struct slk_api *api = ctx;
    char piece[PIECE_MAX];

    if (api->streams_n > 0)
        send_all(api, piece, print_piece(api, piece, news, height));
    if (news == SLK_NEWS_COSIGNED)
        slk_api_unpark(api, false);
}

void slk_api_stream(void *ctx, struct slk_http_exchange *x)
{
    struct slk_api *api = ctx;
    bool head_only = slk_http_request(x)->method == SLK_HTTP_HEAD;
    char piece[PIECE_MAX];

    if (!slk_http_may_stream(x)) {
        slk_http_refuse(x, SLK_HTTP_STREAMS, NULL);
        return;
    }
    if (api->streams_n == SLK_API_STREAMS_MAX) {
        slk_http_refuse(x, SLK_HTTP_FULL, "too many streams are open: ask for /v1/status instead");
        return;
    }
    api->streams[api->streams_n++] = x;
    slk_http_stream_begin(x, "text/event-stream", gone, api);
    if (!head_only) /* where the chain is now: what comes later is news */
        (void)slk_http_stream_send(x, slk_span_of(piece, print_piece(api, piece, SLK_NEWS_COMMITTED, 0)));
}

void slk_api_tick(void *ctx, uint64_t now_ms)
{
    struct slk_api *api = ctx;

    slk_api_lists_tick(api);
    slk_api_tiles_tick(api);
    slk_api_unpark(api, true);
    if (now_ms - api->beat_at < BEAT_MS)
        return;
    api->beat_at = now_ms;
    send_all(api, ":\n\n", 3);
}
