/* uv_http.c: see serve.h: connections, their states and deadlines.
 *
 *   IDLE -> HEAD -> BODY -> ANSWERING -> WRITING -> IDLE ...
 *              \________________________^   \-> LINGER (the last answer) or STREAM -> CLOSING
 *
 * Every state but STREAM has one time limit for all connections, so each state's list is ordered by deadline and only
 * its front is looked at.
 */
#include "net/uv_http.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LINGER_BYTES_MAX ((size_t)8 << 20) /* read and thrown away of a body that was refused */
#define FULL_EXTRA       64u               /* connections above the limit that are being told so */
#define SEND_BUFFER                                                                                          \
    (128 << 10) /* the kernel's, of one connection: its own choice is up to 4 MiB, and says that
                                              bytes were taken in lumps of a third of that */

/* ---- lists and states ---- */

static void unlink_conn(struct conn *c)
{
    struct conn_list *list = &c->server->lists[c->state];

    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        list->first = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    else
        list->last = c->prev;
    c->prev = c->next = NULL;
    list->n--;
}

static void link_conn(struct conn *c)
{
    struct conn_list *list = &c->server->lists[c->state];

    c->prev = list->last;
    if (list->last != NULL)
        list->last->next = c;
    else
        list->first = c;
    list->last = c;
    list->n++;
}

static uint64_t limit_of(const struct slk_http_server *s, enum conn_state state)
{
    switch (state) {
    case CONN_IDLE:
        return s->limits.idle_ms;
    case CONN_HEAD:
        return s->limits.head_ms;
    case CONN_BODY:
        return s->limits.body_ms;
    case CONN_ANSWERING:
        return s->limits.answer_ms;
    case CONN_WRITING:
    case CONN_STREAM:
        return s->limits.write_ms;
    case CONN_LINGER:
        return s->limits.linger_ms;
    case CONN_SHAKING:
        return s->limits.shake_ms;
    case CONN_CLOSING:
    case CONN_STATE_N:
        return UINT32_MAX;
    }
    abort();
}

static void enter(struct conn *c, enum conn_state state)
{
    unlink_conn(c);
    c->state = state;
    c->deadline = uv_now(c->server->loop) + limit_of(c->server, state);
    link_conn(c);
}

static uint64_t live_n(const struct slk_http_server *s)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < CONN_CLOSING; i++)
        n += s->lists[i].n;
    return n;
}

/* ---- closing ---- */

static void exchange_free(struct slk_http_exchange *x)
{
    slk_http_turn_leave(x);
    if (x->conn != NULL)
        x->conn->server->stats.bodies_bytes -= x->counted;
    slk_http_parser_free(&x->in);
    free(x);
}

static void closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    struct slk_http_server *s = c->server;

    unlink_conn(c);
    free(c->pending);
    slk_tls_free(c->tls);
    free(c);
    slk_http_server_closed(s);
}

void slk_http_conn_close(struct conn *c, enum slk_http_reason why)
{
    struct slk_http_exchange *x = c->exchange;

    if (c->state == CONN_CLOSING)
        return;
    if (why != SLK_HTTP_NONE)
        c->server->stats.reasons[why]++;
    if (c->state == CONN_STREAM) {
        c->server->stats.streams--;
        x->gone(x->gone_ctx, x);
    }
    if (x != NULL && c->state == CONN_ANSWERING &&
        !x->is_queued) { /* its handler answers into the void, and frees it then */
        c->server->stats.bodies_bytes -= x->counted;
        x->conn = NULL;
    } else if (x != NULL) {
        exchange_free(x);
    }
    c->exchange = NULL;
    if (c->writing != NULL) { /* it is freed in this turn of the loop: others may count on that */
        c->server->stats.answers_bytes -= c->writing->counted;
        c->writing->counted = 0;
    }
    enter(c, CONN_CLOSING);
    uv_close(&c->io.handle, closed);
}

/* ---- reading ---- */

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct conn *c = handle->data;

    (void)suggested;
    *buf = uv_buf_init((char *)c->server->buffer, sizeof(c->server->buffer));
}

void slk_http_conn_end(struct conn *c)
{
    switch (c->state) {
    case CONN_HEAD:
    case CONN_BODY:
        slk_http_conn_close(c, SLK_HTTP_CUT_OFF);
        return;
    case CONN_STREAM:
        slk_http_conn_close(c, SLK_HTTP_READER_GONE);
        return;
    case CONN_IDLE:
    case CONN_ANSWERING:
    case CONN_WRITING:
    case CONN_LINGER:
    case CONN_CLOSING:
    case CONN_STATE_N:
        slk_http_conn_close(c, SLK_HTTP_NONE);
        return;
    case CONN_SHAKING:
        slk_http_conn_close(c, SLK_HTTP_CUT_OFF);
        return;
    }
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct conn *c = stream->data;

    if (size < 0) {
        slk_http_conn_end(c);
        return;
    }
    c->server->stats.bytes_in += (uint64_t)size;
    c->turn_answers = 0;
    if (c->state == CONN_LINGER || c->state == CONN_STREAM) {
        c->discarded += (size_t)size;
        if (c->discarded > LINGER_BYTES_MAX)
            slk_http_conn_close(c, SLK_HTTP_NONE);
        return;
    }
    if (c->tls != NULL)
        slk_https_input(c, (const uint8_t *)buf->base, (size_t)size);
    else
        slk_http_conn_feed(c, (const uint8_t *)buf->base, (size_t)size);
}

static void read_on(struct conn *c)
{
    int rc = uv_read_start(&c->io.stream, give_buffer, on_read);

    if (rc != 0 && rc != UV_EALREADY)
        slk_http_conn_close(c, SLK_HTTP_NONE);
}

static bool reads(const struct conn *c)
{
    return c->state == CONN_IDLE || c->state == CONN_HEAD || c->state == CONN_BODY;
}

/* What came behind a request waits for its answer; it is at most one read. */
static void keep_pending(struct conn *c, const uint8_t *at, size_t size)
{
    (void)uv_read_stop(&c->io.stream);
    if (size == 0)
        return;
    assert(c->pending_n == 0 && size <= sizeof(c->server->buffer));
    c->pending = malloc(size);
    if (c->pending == NULL) {
        c->close_after = true; /* the next request is lost, this one is answered */
        return;
    }
    memcpy(c->pending, at, size);
    c->pending_n = size;
}

/* ---- writing ---- */

static void shut(uv_shutdown_t *shutdown, int status)
{
    (void)shutdown; /* the end of the client's side, or the deadline, closes the connection */
    (void)status;
}

/* Closing with unread bytes in the socket would reset the connection, and the answer could be lost on its way. */
void slk_http_conn_linger(struct conn *c)
{
    enter(c, CONN_LINGER);
    if (c->tls != NULL) {
        slk_tls_shutdown(c->tls);
        (void)slk_https_flush(c);
    }
    if (uv_shutdown(&c->shutdown, &c->io.stream, shut) != 0) {
        slk_http_conn_close(c, SLK_HTTP_NONE);
        return;
    }
    read_on(c);
}

void slk_http_conn_next(struct conn *c)
{
    uint8_t *pending = c->pending;
    size_t size = c->pending_n;

    enter(c, CONN_IDLE);
    c->turn_answers = 0;
    c->pending = NULL;
    c->pending_n = 0;
    if (size > 0)
        slk_http_conn_feed(c, pending, size);
    free(pending);
    if (c->tls != NULL)
        slk_https_pump(c);
    if (reads(c))
        read_on(c);
}

/* Inside slk_http_conn_feed, which goes on with what came behind the request. */
void slk_http_conn_sent(struct conn *c)
{
    assert(c->feeds && c->state == CONN_WRITING);
    if (c->close_after || c->server->stopping)
        slk_http_conn_linger(c);
    else
        enter(c, CONN_IDLE);
}

void slk_http_conn_written(uv_write_t *write, int status)
{
    struct output *out = write->data;
    struct conn *c = out->conn;

    c->writing = NULL;
    slk_http_output_free(out);
    if (c->state == CONN_STREAM && status != 0)
        c->broken = true;
    if (c->state == CONN_CLOSING || c->state == CONN_STREAM)
        return;
    assert(c->state == CONN_WRITING);
    if (status != 0)
        slk_http_conn_close(c, SLK_HTTP_READER_GONE);
    else if (c->close_after || c->server->stopping)
        slk_http_conn_linger(c);
    else
        slk_http_conn_next(c);
}

static void count_answer(struct slk_http_server *s, const struct slk_http_route *route, unsigned status)
{
    size_t r = route != NULL ? (size_t)(route - s->routes) : SLK_HTTP_ROUTES_MAX;

    for (size_t i = 0; i < SLK_HTTP_STATUSES_MAX; i++) {
        if (s->stats.statuses[i] != status && s->stats.statuses[i] != 0)
            continue;
        s->stats.statuses[i] = status;
        s->stats.answers[r][i]++;
        return;
    }
}

static void time_answer(struct conn *c, const struct slk_http_route *route)
{
    if (route != NULL && c->asked_ns != 0)
        slk_histogram_add(
            &c->server->stats.latency[route - c->server->routes], (uv_hrtime() - c->asked_ns) / 1000);
    c->asked_ns = 0;
}

/* What the kernel has not taken yet. */
static size_t unsent(const struct conn *c)
{
    size_t n = uv_stream_get_write_queue_size(&c->io.stream);

    return c->writing == NULL ? n : n + c->writing->head_n + c->writing->body.size - c->writing->at;
}

/* One answer, for a connection whose exchange is finished. */
static void write_answer(
    struct conn *c, const struct slk_http_route *route, bool head_only, const struct slk_http_answer *answer)
{
    enter(c, CONN_WRITING);
    count_answer(c->server, route, answer->status);
    time_answer(c, route);
    slk_http_write_answer(c, head_only, answer);
    c->queue_seen = unsent(c);
}

/* ---- refusals ---- */

size_t slk_http_problem(char out[SLK_HTTP_PROBLEM_MAX], unsigned status, const char *code, const char *detail)
{
    char safe[512];
    size_t n = 0;
    int size;

    for (; *detail != '\0' && n + 7 < sizeof(safe);
         detail++) { /* other people's words: quotes and the like */
        if (*detail == '"' || *detail == '\\')
            safe[n++] = '\\';
        safe[n++] = (unsigned char)*detail < 0x20 || (unsigned char)*detail > 0x7e ? '?' : *detail;
    }
    safe[n] = '\0';
    size = snprintf(out, SLK_HTTP_PROBLEM_MAX,
        "{\"title\":\"%s\",\"status\":%u,\"code\":\"%s\",\"detail\":\"%s\"}\n", slk_http_status_text(status),
        status, code, safe);
    assert(size > 0 && size < SLK_HTTP_PROBLEM_MAX);
    return (size_t)size;
}

static void write_problem(struct conn *c, const struct slk_http_route *route, bool head_only,
    enum slk_http_reason reason, const char *detail)
{
    char body[SLK_HTTP_PROBLEM_MAX];
    unsigned status = slk_http_reason_status(reason);
    struct slk_http_answer answer = {.status = status, .type = "application/problem+json"};

    c->server->stats.reasons[reason]++;
    answer.body = slk_span_of(body, slk_http_problem(body, status, slk_http_reason_name(reason),
                                        detail != NULL ? detail : slk_http_reason_text(reason)));
    if (status == 503)
        answer.fields = "Retry-After: 2\r\n";
    if (reason == SLK_HTTP_STREAMS) /* they last */
        answer.fields = "Retry-After: 60\r\n";
    if (reason == SLK_HTTP_METHOD && route != NULL)
        answer.fields = route->method == SLK_HTTP_POST ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n";
    write_answer(c, route, head_only, &answer);
}

/* Refuses the request being read. Whatever of it was not read makes the connection unusable for another one. */
static void refuse_request(struct conn *c, enum slk_http_reason reason, const struct slk_http_route *route)
{
    struct slk_http_exchange *x = c->exchange;
    bool head_only = x->in.method == SLK_HTTP_HEAD;
    bool whole = x->in.phase == SLK_HTTP_DONE ||
                 (x->in.phase == SLK_HTTP_HEADED && !x->in.chunked && x->in.length == 0);

    if (!whole || !x->in.keep_alive)
        c->close_after = true;
    c->exchange = NULL;
    exchange_free(x);
    write_problem(c, route, head_only, reason, NULL);
}

/* ---- requests ---- */

/* The route of a path; *known: there is one, perhaps for another method. */
static const struct slk_http_route *find_route(
    const struct slk_http_server *s, struct slk_http_exchange *x, const struct slk_http_route **known)
{
    struct slk_span path = slk_http_piece(&x->in, x->in.path);
    enum slk_http_method method = x->in.method == SLK_HTTP_POST ? SLK_HTTP_POST : SLK_HTTP_GET;

    *known = NULL;
    for (size_t i = 0; i < s->routes_n; i++) {
        const struct slk_http_route *route = &s->routes[i];
        size_t n = strlen(route->path);
        bool more = path.size > n &&
                    (route->rest || (route->parameter && memchr(path.at + n, '/', path.size - n) == NULL));
        bool fits = (more || (path.size == n && !route->parameter && !route->rest)) &&
                    memcmp(path.at, route->path, n) == 0;

        if (!fits)
            continue;
        *known = route;
        if (route->method == method) {
            x->parameter = slk_span_of(path.at + n, path.size - n);
            return route;
        }
    }
    return NULL;
}

static bool takes_type(const struct slk_http_route *route, const struct slk_http_parser *in)
{
    struct slk_span type = {0};

    if (slk_http_field(
            in, "content-encoding", &type)) /* nothing is unpacked here: a few bytes could be gigabytes */
        return false;
    (void)slk_http_field(in, "content-type", &type);
    for (const char *const *t = route->types; t != NULL && *t != NULL; t++) {
        if (slk_http_media_is(type, *t))
            return true;
    }
    return route->types == NULL;
}

static bool send_continue(struct conn *c)
{
    static char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    uv_buf_t buf = uv_buf_init(line, sizeof(line) - 1);

    if (c->tls != NULL)
        return slk_https_say(c, line, sizeof(line) - 1);
    return uv_try_write(&c->io.stream, &buf, 1) == (int)sizeof(line) - 1; /* nothing else is being written */
}

/* The head is read: what is wrong with the request is said before its body comes. False: it was, or the connection is closing; the
 * exchange is gone. */
static bool headed(struct conn *c)
{
    struct slk_http_server *s = c->server;
    struct slk_http_exchange *x = c->exchange;
    const struct slk_http_route *known;

    x->route = find_route(s, x, &known);
    if (x->route == NULL) {
        refuse_request(c, known != NULL ? SLK_HTTP_METHOD : SLK_HTTP_NOT_FOUND, known);
        return false;
    }
    if (!slk_https_may(c, x->route)) {
        refuse_request(c, SLK_HTTP_FORBIDDEN, x->route);
        return false;
    }
    if (x->in.method == SLK_HTTP_POST && !takes_type(x->route, &x->in)) {
        refuse_request(c, SLK_HTTP_MEDIA_TYPE, x->route);
        return false;
    }
    if (!slk_http_server_room_for_body(s, c, x->in.length)) {
        refuse_request(c, SLK_HTTP_MEMORY, x->route);
        return false;
    }
    slk_http_accept(&x->in, x->in.method == SLK_HTTP_POST ? x->route->body_max : 0);
    if (x->in.phase == SLK_HTTP_IN_BODY) {
        enter(c, CONN_BODY);
        if (x->in.wants_continue && !send_continue(c)) {
            slk_http_conn_close(c, SLK_HTTP_READER_GONE);
            return false;
        }
    }
    return true;
}

/* Keeps the sum of all bodies. */
static bool count_body(struct conn *c)
{
    struct slk_http_exchange *x = c->exchange;
    size_t more = x->in.body_room - x->counted;

    if (!slk_http_server_room_for_body(c->server, c, more))
        return false;
    x->counted += more;
    c->server->stats.bodies_bytes += more;
    return true;
}

static bool begin_exchange(struct conn *c)
{
    c->exchange = calloc(1, sizeof(*c->exchange));
    if (c->exchange == NULL) {
        slk_http_conn_close(c, SLK_HTTP_MEMORY);
        return false;
    }
    c->exchange->conn = c;
    slk_http_parser_init(&c->exchange->in);
    enter(c, CONN_HEAD);
    return true;
}

static void dispatch(struct conn *c)
{
    struct slk_http_exchange *x = c->exchange;

    if (!x->in.keep_alive)
        c->close_after = true;
    enter(c, CONN_ANSWERING);
    c->asked_ns = uv_hrtime();
    slk_http_turn_take(x);
}

/* As much of the bytes as the request under way takes; it may be answered when this returns. */
static size_t feed_request(struct conn *c, const uint8_t *at, size_t size)
{
    struct slk_http_exchange *x = c->exchange;
    size_t taken = slk_http_feed(&x->in, at, size);

    if (x->in.phase == SLK_HTTP_HEADED && !headed(c))
        return taken;
    if (x->in.phase == SLK_HTTP_REFUSED || !count_body(c))
        refuse_request(c, x->in.phase == SLK_HTTP_REFUSED ? x->in.reason : SLK_HTTP_MEMORY, x->route);
    else if (x->in.phase == SLK_HTTP_DONE)
        dispatch(c);
    return taken;
}

/* Bytes of a connection that is between two requests, or in one. Answers that are written at once leave it reading; what follows
 * another one waits. */
void slk_http_conn_feed(struct conn *c, const uint8_t *at, size_t size)
{
    assert(!c->feeds);
    c->feeds = true;
    while (size > 0 && reads(c)) {
        size_t taken;

        if (c->exchange == NULL && !begin_exchange(c))
            break;
        taken = feed_request(c, at, size);
        at += taken;
        size -= taken;
    }
    c->feeds = false;
    if (c->state == CONN_ANSWERING || c->state == CONN_WRITING)
        keep_pending(c, at, c->state == CONN_WRITING && c->close_after ? 0 : size);
}

/* ---- for handlers ---- */

const struct slk_http_parser *slk_http_request(const struct slk_http_exchange *exchange)
{
    return &exchange->in;
}

struct slk_span slk_http_body(const struct slk_http_exchange *exchange)
{
    return slk_span_of(exchange->in.body, exchange->in.body_size);
}

struct slk_span slk_http_parameter(const struct slk_http_exchange *exchange)
{
    return exchange->parameter;
}

bool slk_http_is_gone(const struct slk_http_exchange *exchange)
{
    return exchange->conn == NULL;
}

void slk_http_set_user(struct slk_http_exchange *exchange, void *user)
{
    exchange->user = user;
}

void *slk_http_user(const struct slk_http_exchange *exchange)
{
    return exchange->user;
}

void slk_http_answer(struct slk_http_exchange *x, const struct slk_http_answer *answer)
{
    struct conn *c = x->conn;
    const struct slk_http_route *route = x->route;
    bool head_only = x->in.method == SLK_HTTP_HEAD;

    if (c == NULL) {
        free(answer->owned);
        exchange_free(x);
        return;
    }
    assert(c->exchange == x && c->state == CONN_ANSWERING);
    c->exchange = NULL;
    if (!slk_http_server_room_for_answer(c->server, slk_http_body_size(answer))) {
        free(answer->owned);
        write_problem(c, route, head_only, SLK_HTTP_MEMORY, NULL);
    } else {
        write_answer(c, route, head_only, answer);
    }
    exchange_free(x); /* last: the answer may lie in the request's body */
}

void slk_http_refuse(struct slk_http_exchange *x, enum slk_http_reason reason, const char *detail)
{
    struct conn *c = x->conn;
    const struct slk_http_route *route = x->route;
    bool head_only = x->in.method == SLK_HTTP_HEAD;

    if (c != NULL) {
        assert(c->exchange == x && c->state == CONN_ANSWERING);
        c->exchange = NULL;
    }
    exchange_free(x);
    if (c != NULL)
        write_problem(c, route, head_only, reason, detail);
}

void slk_http_stream_begin(struct slk_http_exchange *x, const char *type,
    void (*gone)(void *ctx, struct slk_http_exchange *), void *ctx)
{
    struct conn *c = x->conn;
    struct slk_http_answer_head head = {.status = 200, .type = type, .until_close = true, .close = true};
    struct output *out;

    assert(c != NULL && c->exchange == x && c->state == CONN_ANSWERING);
    x->gone = gone;
    x->gone_ctx = ctx;
    c->server->stats.streams++;
    c->queue_seen = SIZE_MAX;
    enter(c, CONN_STREAM);
    count_answer(c->server, x->route, 200);
    free(c->pending);
    c->pending = NULL;
    c->pending_n = 0;
    out = slk_http_output_new(c, NULL);
    if (out == NULL) {
        c->broken = true;
        return;
    }
    head.date = slk_http_date(c->server);
    head.fields = "Cache-Control: no-store\r\nAccess-Control-Allow-Origin: *\r\n";
    out->head_n = slk_http_format_head(out->head, sizeof(out->head), &head);
    if (x->in.method == SLK_HTTP_HEAD)
        c->broken = true; /* a stream has nothing to say about itself: the head, then the end */
    slk_http_output_send(c, out);
    if (c->state == CONN_STREAM)
        read_on(c);
}

bool slk_http_stream_send(struct slk_http_exchange *x, struct slk_span piece)
{
    struct conn *c = x->conn;
    struct output *out;
    uint8_t *copy;

    assert(c != NULL && c->state == CONN_STREAM);
    if (c->broken)
        return false;
    if (piece.size > c->server->limits.stream_max ||
        uv_stream_get_write_queue_size(&c->io.stream) > c->server->limits.stream_max - piece.size) {
        c->broken = true;
        c->server->stats.reasons[SLK_HTTP_STREAM_SLOW]++;
        return false;
    }
    copy = malloc(piece.size + 1);
    out = slk_http_output_new(c, copy);
    if (copy == NULL || out == NULL) {
        free(copy);
        free(out);
        c->broken = true;
        return false;
    }
    memcpy(copy, piece.at, piece.size);
    out->body = slk_span_of(copy, piece.size);
    out->body_bytes = (char *)copy;
    out->counted = piece.size;
    slk_http_output_send(c, out);
    return true;
}

/* ---- deadlines ---- */

bool slk_http_conn_moves(struct conn *c)
{
    size_t queued = unsent(c);
    size_t least = c->server->limits.write_bytes;

    if (c->queue_seen != SIZE_MAX && (queued > c->queue_seen || c->queue_seen - queued < least))
        return false;
    c->queue_seen = queued;
    enter(c, c->state);
    return true;
}

static void write_is_slow(struct conn *c)
{
    if (!slk_http_conn_moves(c))
        slk_http_conn_close(c, SLK_HTTP_READER_SLOW);
}

static void answer_is_late(struct conn *c)
{
    struct slk_http_exchange *x = c->exchange;
    const struct slk_http_route *route = x->route;

    if (x->is_queued) {
        slk_http_refuse(x, SLK_HTTP_ANSWER_SLOW, NULL);
        return;
    }
    if (route->late != NULL) {
        route->late(c->server->ctx, x);
        return;
    }
    c->server->stats.bodies_bytes -= x->counted;
    c->exchange = NULL;
    x->conn = NULL;
    write_problem(c, route, x->in.method == SLK_HTTP_HEAD, SLK_HTTP_ANSWER_SLOW, NULL);
}

static void expire(struct conn *c)
{
    switch (c->state) {
    case CONN_IDLE:
        slk_http_conn_close(c, SLK_HTTP_IDLE);
        return;
    case CONN_HEAD:
        refuse_request(c, SLK_HTTP_HEAD_SLOW, NULL);
        keep_pending(c, NULL, 0);
        return;
    case CONN_BODY:
        refuse_request(c, SLK_HTTP_BODY_SLOW, c->exchange->route);
        keep_pending(c, NULL, 0);
        return;
    case CONN_ANSWERING:
        answer_is_late(c);
        return;
    case CONN_STREAM:
        if (uv_stream_get_write_queue_size(&c->io.stream) == 0) {
            c->queue_seen = SIZE_MAX;
            enter(c, CONN_STREAM);
            return;
        }
        write_is_slow(c);
        return;
    case CONN_WRITING:
        write_is_slow(c);
        return;
    case CONN_LINGER:
        slk_http_conn_close(c, SLK_HTTP_NONE);
        return;
    case CONN_SHAKING:
        slk_http_conn_close(c, SLK_HTTP_TLS_SLOW);
        return;
    case CONN_CLOSING:
    case CONN_STATE_N:
        return;
    }
}

static void close_broken_streams(struct slk_http_server *s)
{
    struct conn *next;

    for (struct conn *c = s->lists[CONN_STREAM].first; c != NULL; c = next) {
        next = c->next;
        if (c->broken)
            slk_http_conn_close(c, SLK_HTTP_NONE);
    }
}

void slk_http_server_expire(struct slk_http_server *s)
{
    uint64_t now = uv_now(s->loop);

    for (unsigned state = 0; state < CONN_CLOSING; state++) {
        struct conn *c;

        while ((c = s->lists[state].first) != NULL && c->deadline <= now) {
            expire(c);
            if (s->lists[state].first == c && c->deadline <= now)
                break; /* a handler that did not answer: not for ever in here */
        }
    }
    close_broken_streams(s);
}

/* ---- coming and going ---- */

static struct conn *conn_new(struct slk_http_server *s, bool is_tcp)
{
    struct conn *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->server = s;
    c->state = CONN_IDLE;
    if ((is_tcp ? uv_tcp_init(s->loop, &c->io.tcp) : uv_pipe_init(s->loop, &c->io.pipe, 0)) != 0) {
        free(c);
        return NULL;
    }
    c->io.handle.data = c;
    link_conn(c);
    enter(c, CONN_IDLE);
    return c;
}

void slk_http_conn_ready(struct conn *c)
{
    enter(c, CONN_IDLE);
}

/* False: the connection is closing. */
static bool begin_tls(struct conn *c, bool place)
{
    if (!place || !slk_https_begin(c)) { /* before the handshake nothing can be said */
        slk_http_conn_close(c, place ? SLK_HTTP_MEMORY : SLK_HTTP_FULL);
        return false;
    }
    enter(c, CONN_SHAKING);
    return true;
}

bool slk_http_server_has_place(const struct slk_http_server *s)
{
    return live_n(s) < s->limits.connections_max;
}

static bool is_crammed(const struct slk_http_server *s)
{
    return live_n(s) >= (uint64_t)s->limits.connections_max + FULL_EXTRA;
}

void slk_http_server_accept(struct listener *listener)
{
    struct slk_http_server *s = listener->server;
    bool place = slk_http_server_has_place(s);
    bool is_tcp = listener->io.handle.type == UV_TCP;
    struct conn *c = is_crammed(s) ? NULL : conn_new(s, is_tcp);

    listener->waits = c == NULL; /* the kernel queues them until one leaves, or there is memory again */
    if (c == NULL)
        return;
    s->stats.connections_n++;
    if (uv_accept(&listener->io.stream, &c->io.stream) != 0) {
        slk_http_conn_close(c, SLK_HTTP_NONE);
        return;
    }
    if (is_tcp) {
        int room = SEND_BUFFER;

        (void)uv_tcp_nodelay(&c->io.tcp, 1);
        (void)uv_send_buffer_size(&c->io.handle, &room);
    }
    if (listener->is_tls && !begin_tls(c, place))
        return;
    if (place) {
        read_on(c);
        return;
    }
    c->close_after = true;
    write_problem(c, NULL, false, SLK_HTTP_FULL, NULL);
}

void slk_http_server_drain(struct slk_http_server *s, bool at_once)
{
    for (unsigned state = 0; state < CONN_CLOSING; state++) {
        struct conn *next;

        if (!at_once && state != CONN_IDLE && state != CONN_HEAD && state != CONN_STREAM &&
            state != CONN_SHAKING)
            continue;
        for (struct conn *c = s->lists[state].first; c != NULL; c = next) {
            next = c->next;
            slk_http_conn_close(c, SLK_HTTP_STOPPED);
        }
    }
}
