/* uv_https.c: TLS under the connections of uv_http.c: what comes is taken apart before they read it, what they write is sealed in parts. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/uv_http.h"

#define QUEUE_BYTES ((size_t)64 << 10) /* of what TLS says by itself, beyond answers */

/* What TLS has to say by itself. */
struct words {
    uv_write_t write;
    uint8_t bytes[];
};

static void said(uv_write_t *write, int status)
{
    (void)status; /* whatever is wrong with the connection shows in the next read or answer */
    free(write->data);
}

bool slk_https_flush(struct conn *c)
{
    size_t n = slk_tls_output_n(c->tls);
    struct words *words;
    uv_buf_t buf;

    if (n == 0)
        return true;
    if (n > QUEUE_BYTES || uv_stream_get_write_queue_size(&c->io.stream) > QUEUE_BYTES)
        return false;
    words = malloc(sizeof(*words) + n);
    if (words == NULL)
        return false;
    words->write.data = words;
    n = slk_tls_output(c->tls, words->bytes, n);
    buf = uv_buf_init((char *)words->bytes, (unsigned)n);
    if (uv_write(&words->write, &c->io.stream, &buf, 1, said) == 0)
        return true;
    free(words);
    return false;
}

/* ---- reading ---- */

static enum slk_http_reason reason_of(const struct slk_tls *tls)
{
    switch (slk_tls_why(tls)) {
    case SLK_TLS_WHY_VERSION:
        return SLK_HTTP_TLS_VERSION;
    case SLK_TLS_WHY_ALPN:
        return SLK_HTTP_TLS_PROTOCOL;
    case SLK_TLS_WHY_NO_CERTIFICATE:
    case SLK_TLS_WHY_PIN:
        return SLK_HTTP_TLS_CLIENT;
    case SLK_TLS_WHY_OTHER:
        break;
    }
    return SLK_HTTP_TLS_BROKEN;
}

/* The alert that says why goes out, and has two seconds to arrive. */
static void give_up(struct conn *c)
{
    c->server->stats.reasons[reason_of(c->tls)]++;
    if (slk_https_flush(c))
        slk_http_conn_linger(c);
    else
        slk_http_conn_close(c, SLK_HTTP_NONE);
}

/* True: the handshake is done. */
static bool shake(struct conn *c)
{
    switch (slk_tls_handshake(c->tls)) {
    case SLK_TLS_DONE:
        if (slk_https_flush(c)) {
            slk_http_conn_ready(c);
            return true;
        }
        break;
    case SLK_TLS_WAIT:
        if (slk_https_flush(c))
            return false;
        break;
    case SLK_TLS_ENDED:
    case SLK_TLS_FAILED:
        give_up(c);
        return false;
    }
    slk_http_conn_close(c, SLK_HTTP_MEMORY);
    return false;
}

static bool reads(const struct conn *c)
{
    return c->state == CONN_IDLE || c->state == CONN_HEAD || c->state == CONN_BODY;
}

void slk_https_pump(struct conn *c)
{
    while (reads(c)) {
        uint8_t *plain = c->server->plain;
        size_t n;

        switch (slk_tls_read(c->tls, plain, SLK_HTTP_READ_SIZE, &n)) {
        case SLK_TLS_DONE:
            slk_http_conn_feed(c, plain, n);
            continue;
        case SLK_TLS_WAIT:
            if (!slk_https_flush(c))
                slk_http_conn_close(c, SLK_HTTP_READER_SLOW);
            return;
        case SLK_TLS_ENDED:
            slk_http_conn_end(c);
            return;
        case SLK_TLS_FAILED:
            give_up(c);
            return;
        }
    }
}

void slk_https_input(struct conn *c, const uint8_t *at, size_t size)
{
    if (!slk_tls_feed(c->tls, at, size)) {
        slk_http_conn_close(c, SLK_HTTP_MEMORY);
        return;
    }
    if (c->state == CONN_SHAKING && !shake(c))
        return;
    slk_https_pump(c);
}

/* ---- writing ---- */

/* Up to a record of what is left of head and body, one behind the other. */
static size_t gather(const struct output *out, uint8_t *record, size_t cap)
{
    size_t n = 0, at = out->at;

    if (at < out->head_n) {
        n = out->head_n - at < cap ? out->head_n - at : cap;
        memcpy(record, out->head + at, n);
        at += n;
    }
    if (at >= out->head_n && at - out->head_n < out->body.size) {
        size_t more = out->body.size - (at - out->head_n);

        more = more < cap - n ? more : cap - n;
        memcpy(record + n, out->body_bytes + (at - out->head_n), more);
        n += more;
    }
    return n;
}

static void part_written(uv_write_t *write, int status)
{
    struct output *out = write->data;
    struct conn *c = out->conn;

    free(out->sealed);
    out->sealed = NULL;
    if (status == 0 && out->at < out->head_n + out->body.size && c->state == CONN_WRITING) {
        if (slk_https_send(c, out))
            return;
        status = UV_EPIPE;
    }
    slk_http_conn_written(write, status);
}

/* A stream's pieces may be several on their way, so each is sealed at once, and so they keep their order. */
bool slk_https_send(struct conn *c, struct output *out)
{
    size_t total = out->head_n + out->body.size,
           part = c->state == CONN_STREAM ? total : SLK_HTTPS_PART_BYTES, n, done = 0;
    uv_buf_t buf;

    while (done < part && out->at < total) {
        n = gather(out, c->server->record, sizeof(c->server->record));
        if (!slk_tls_write(c->tls, c->server->record, n))
            return false;
        out->at += n;
        done += n;
    }
    n = slk_tls_output_n(c->tls);
    out->sealed = malloc(n + 1);
    if (out->sealed == NULL)
        return false;
    n = slk_tls_output(c->tls, out->sealed, n + 1);
    buf = uv_buf_init((char *)out->sealed, (unsigned)n);
    return uv_write(&out->write, &c->io.stream, &buf, 1, part_written) == 0;
}

/* Head and pieces, one behind the other, into records. */
static bool seal_parts(struct conn *c, const struct slk_http_parts *parts)
{
    uint8_t *record = c->server->record;
    size_t n = 0;

    for (size_t i = 0; i < parts->n; i++) {
        const uv_buf_t *buf = &parts->bufs[i];

        for (size_t at = 0; at < buf->len;) {
            size_t more = buf->len - at;

            more = more < SLK_TLS_RECORD_MAX - n ? more : SLK_TLS_RECORD_MAX - n;
            memcpy(record + n, buf->base + at, more);
            at += more;
            n += more;
            if (n == SLK_TLS_RECORD_MAX || (i + 1 == parts->n && at == buf->len)) {
                if (!slk_tls_write(c->tls, record, n))
                    return false;
                n = 0;
            }
        }
    }
    return true;
}

/* Ciphertext that the kernel did not take. */
static bool send_sealed(struct conn *c, const uint8_t *at, size_t size)
{
    struct output *out = calloc(1, sizeof(*out));
    uint8_t *copy = malloc(size);
    uv_buf_t buf = uv_buf_init((char *)copy, (unsigned)size);

    if (out == NULL || copy == NULL) {
        free(out);
        free(copy);
        return false;
    }
    memcpy(copy, at, size);
    *out = (struct output){.conn = c, .server = c->server, .sealed = copy, .counted = size};
    out->write.data = out;
    c->server->stats.answers_bytes += size;
    c->writing = out;
    if (uv_write(&out->write, &c->io.stream, &buf, 1, part_written) == 0)
        return true;
    c->writing = NULL;
    c->server->stats.answers_bytes -= size;
    free(copy);
    free(out);
    return false;
}

bool slk_https_send_now(struct conn *c, const struct slk_http_parts *parts)
{
    uint8_t *sealed = c->server->sealed;
    uv_buf_t buf = uv_buf_init((char *)sealed, 0);
    size_t n;
    int taken;

    if (parts->size > SLK_HTTPS_PART_BYTES || slk_tls_output_n(c->tls) > 0)
        return false;
    if (!seal_parts(c, parts)) {
        slk_http_conn_close(c, SLK_HTTP_READER_GONE);
        return true;
    }
    c->server->stats.bytes_out += parts->size;
    n = slk_tls_output(c->tls, sealed, SLK_HTTPS_PART_MAX);
    assert(n > 0 && slk_tls_output_n(c->tls) == 0); /* as many whole records as that has room for */
    buf.len = n;
    taken = uv_try_write(&c->io.stream, &buf, 1);
    taken = taken == UV_EAGAIN ? 0 : taken;
    if (taken >= 0 && (size_t)taken == n)
        slk_http_conn_sent(c);
    else if (taken < 0 || !send_sealed(c, sealed + taken, n - (size_t)taken))
        slk_http_conn_close(c, SLK_HTTP_READER_GONE);
    return true;
}

bool slk_https_say(struct conn *c, const char *text, size_t size)
{
    uint8_t *record = c->server->record;

    assert(size <= sizeof(c->server->record));
    memcpy(record, text, size);
    return slk_tls_write(c->tls, record, size) && slk_https_flush(c);
}

/* ---- coming ---- */

/* Where all places are taken, whoever has had his for a second without being done loses it: silence alone keeps nobody out. */
bool slk_https_may_shake(struct slk_http_server *s)
{
    struct conn *oldest = s->lists[CONN_SHAKING].first;

    if (s->tls == NULL || s->shakes < 1000)
        return false;
    if (s->lists[CONN_SHAKING].n < SLK_HTTPS_SHAKING_MAX)
        return true;
    if (uv_now(s->loop) + s->limits.shake_ms < oldest->deadline + SLK_HTTPS_SHAKE_LEAST_MS)
        return false;
    slk_http_conn_close(oldest, SLK_HTTP_TLS_SLOW);
    return true;
}

void slk_https_tick(struct slk_http_server *s, uint32_t ms)
{
    uint64_t more = (uint64_t)ms * SLK_HTTPS_SHAKES_S;

    s->shakes =
        s->shakes + more < SLK_HTTPS_SHAKES_BURST * 1000 ? s->shakes + more : SLK_HTTPS_SHAKES_BURST * 1000;
}

bool slk_https_begin(struct conn *c)
{
    struct slk_http_server *s = c->server;

    assert(s->shakes >= 1000);
    s->shakes -= 1000;
    s->stats.handshakes_n++;
    c->tls = slk_tls_new(s->tls, false, NULL);
    return c->tls != NULL;
}

bool slk_https_may(const struct conn *c, const struct slk_http_route *route)
{
    unsigned right = route->submits ? SLK_WEB_SUBMIT : SLK_WEB_READ;

    return c->tls == NULL || (slk_tls_rights(c->tls) & right) != 0;
}

void slk_http_set_tls(struct slk_http_server *s, struct slk_tls_context *context)
{
    struct conn *next;

    slk_tls_context_free(s->tls);
    s->tls = slk_tls_context_keep(context);
    for (unsigned state = 0; state < CONN_CLOSING; state++)
        for (struct conn *c = s->lists[state].first; c != NULL; c = next) {
            next = c->next;
            if (c->tls == NULL)
                continue;
            c->close_after = true;
            if (state == CONN_IDLE || state == CONN_STREAM)
                slk_http_conn_close(c, SLK_HTTP_NONE);
        }
}
