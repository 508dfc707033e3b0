/* uv_write.c: an answer's way into the kernel: from where it lies if the kernel takes it at once, else from a copy of what is left.
 *
 * No memory is asked for and nothing is copied for a client that reads: its answer is one system call. Nothing that was borrowed is needed
 * after slk_http_answer, so a client that does not read holds memory of its own, which is counted, and no page of the store.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/uv_http.h"

#define TURN_ANSWERS_MAX 16u /* to one connection before others have their turn */

const char *slk_http_date(struct slk_http_server *s)
{
    uint64_t now = uv_now(s->loop) / 1000;

    if (s->date[0] == '\0' || now != s->date_at) {
        s->date_at = now;
        slk_http_format_date(s->date, (uint64_t)time(NULL));
    }
    return s->date;
}

void slk_http_output_free(struct output *out)
{
    out->server->stats.answers_bytes -= out->counted;
    free(out->owned);
    free(out->sealed);
    free(out);
}

struct output *slk_http_output_new(struct conn *c, uint8_t *owned)
{
    struct output *out = malloc(sizeof(*out));

    if (out == NULL)
        return NULL;
    *out = (struct output){.conn = c, .server = c->server, .owned = owned};
    out->write.data = out;
    return out;
}

void slk_http_output_send(struct conn *c, struct output *out)
{
    uv_buf_t bufs[2] = {uv_buf_init(out->head, (unsigned)out->head_n)};

    if (out->body.size > 0) {
        bufs[1].base = out->body_bytes;
        bufs[1].len = out->body.size;
    }
    c->server->stats.answers_bytes += out->counted;
    c->server->stats.bytes_out += out->head_n + out->body.size;
    if (c->tls == NULL)
        out->at = out->head_n + out->body.size; /* all of it is libuv's */
    if (c->state == CONN_WRITING)
        c->writing = out;
    if (c->tls != NULL ? slk_https_send(c, out)
                       : uv_write(&out->write, &c->io.stream, bufs, out->body.size > 0 ? 2 : 1,
                             slk_http_conn_written) == 0)
        return;
    c->writing = NULL;
    slk_http_output_free(out);
    if (c->state == CONN_STREAM)
        c->broken = true;
    else
        slk_http_conn_close(c, SLK_HTTP_READER_GONE);
}

/* What is left of the parts' pieces behind the first `taken` bytes of everything. */
static uint8_t *copy_rest(const struct slk_http_parts *parts, size_t taken, size_t size)
{
    uint8_t *copy = malloc(size), *at = copy;

    for (size_t i = 0; copy != NULL && i < parts->n; i++) {
        const uv_buf_t *buf = &parts->bufs[i];
        size_t skip = taken < buf->len ? taken : buf->len;

        taken -= skip;
        if (i == 0 || skip == buf->len)
            continue; /* the head is kept elsewhere */
        memcpy(at, buf->base + skip, buf->len - skip);
        at += buf->len - skip;
    }
    return copy;
}

/* What the kernel did not take waits in memory of ours: nothing that was borrowed is needed any longer. */
static struct output *output_rest(
    struct conn *c, const struct slk_http_parts *parts, size_t taken, uint8_t *owned)
{
    size_t head_n = parts->bufs[0].len, body_n = parts->size - head_n;
    struct output *out = slk_http_output_new(c, owned);

    if (taken > head_n)
        body_n = parts->size - taken;
    if (out != NULL && body_n > 0) {
        out->counted = owned != NULL ? parts->bufs[1].len : body_n;
        out->body_bytes = owned != NULL ? parts->bufs[1].base + (parts->bufs[1].len - body_n)
                                        : (char *)copy_rest(parts, taken, body_n);
        if (owned == NULL)
            out->owned = (uint8_t *)out->body_bytes;
        out->body = slk_span_of(out->body_bytes, body_n);
    }
    if (out == NULL || (body_n > 0 && out->body_bytes == NULL)) {
        free(out);
        free(owned);
        return NULL;
    }
    if (taken < head_n) {
        out->head_n = head_n - taken;
        memcpy(out->head, parts->bufs[0].base + taken, out->head_n);
    }
    return out;
}

/* An answer to what is being fed is first offered to the kernel as it lies there. In between, loop and other connections
 * have their turn, and so has whoever answers later: its own code may be what the next request of the connection calls. */
static void write_parts(struct conn *c, const struct slk_http_parts *parts, uint8_t *owned)
{
    bool now = c->feeds && c->turn_answers < TURN_ANSWERS_MAX;
    int taken = now && c->tls == NULL ? uv_try_write(&c->io.stream, parts->bufs, (unsigned)parts->n) : 0;
    struct output *out;

    c->turn_answers++;
    if (now && c->tls != NULL && slk_https_send_now(c, parts)) {
        free(owned);
        return;
    }
    if (taken < 0 && taken != UV_EAGAIN) {
        free(owned);
        slk_http_conn_close(c, SLK_HTTP_READER_GONE);
        return;
    }
    taken = taken < 0 ? 0 : taken;
    c->server->stats.bytes_out += (uint64_t)taken;
    if ((size_t)taken == parts->size) {
        free(owned);
        slk_http_conn_sent(c);
        return;
    }
    out = output_rest(c, parts, (size_t)taken, owned);
    if (out != NULL)
        slk_http_output_send(c, out);
    else
        slk_http_conn_close(c, SLK_HTTP_MEMORY);
}

static void add_part(struct slk_http_parts *parts, struct slk_span piece)
{
    assert(parts->n < SLK_HTTP_BUFS_MAX);
    if (piece.size == 0)
        return;
    parts->bufs[parts->n].base =
        (char *)(uintptr_t)piece.at; /* libuv wants it without const, and only reads */
    parts->bufs[parts->n++].len = piece.size;
    parts->size += piece.size;
}

size_t slk_http_body_size(const struct slk_http_answer *answer)
{
    size_t size = answer->body.size;

    for (size_t i = 0; i < answer->pieces_n; i++)
        size += answer->pieces[i].size;
    return size;
}

void slk_http_write_answer(struct conn *c, bool head_only, const struct slk_http_answer *answer)
{
    struct slk_http_server *s = c->server;
    struct slk_http_answer_head head = {.status = answer->status,
        .type = answer->type,
        .fields = answer->fields,
        .date = slk_http_date(s),
        .length = slk_http_body_size(answer),
        .close = c->close_after || s->stopping};
    char text[SLK_HTTP_ANSWER_HEAD];
    size_t n = slk_http_format_head(text, sizeof(text), &head);
    struct slk_http_parts parts;

    assert(n > 0 && (answer->owned == NULL || answer->pieces_n == 0));
    parts.n = parts.size = 0;
    add_part(&parts, slk_span_of(text, n));
    if (!head_only) {
        add_part(&parts, answer->body);
        for (size_t i = 0; i < answer->pieces_n; i++)
            add_part(&parts, answer->pieces[i]);
    }
    write_parts(c, &parts, answer->owned);
}
