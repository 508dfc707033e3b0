/* uv_link.c: one connection, from its handshake to its last byte. */
#define _DEFAULT_SOURCE /* netinet/tcp.h: TCP_NOTSENT_LOWAT */
#include "net/uv_mesh.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define NOTSENT_BYTES  (32 * 1024) /* protocol §3.4: a vote waits behind no more than that in the kernel */
#define KEEPALIVE_S    15
#define PUMP_ROUNDS    16 /* records in one go; others get their turn then */
#define LASTING_RETRYS 5  /* a connection that lived so many first waits was a good one */

static void read_on(struct slk_link *link);

/* ---- the end ---- */

static void free_when_done(struct slk_link *link)
{
    if (!link->closed_tcp || link->resolving)
        return;
    if (!link->dials && !link->authenticated)
        link->mesh->unauthenticated--;
    slk_tls_free(link->tls);
    slk_frame_close(&link->reader);
    slk_mesh_queue_close(&link->queue);
    slk_mesh_link_closed(link->mesh, link);
}

static void on_closed(uv_handle_t *handle)
{
    struct slk_link *link = handle->data;

    link->closed_tcp = true;
    free_when_done(link);
}

static void close_now(struct slk_link *link)
{
    assert(link->state >= SLK_LINK_LEAVING);
    if (link->state == SLK_LINK_CLOSED)
        return;
    link->state = SLK_LINK_CLOSED;
    if (link->resolving)
        (void)uv_cancel((uv_req_t *)&link->resolve); /* its callback comes either way */
    uv_close((uv_handle_t *)&link->tcp, on_closed);
}

/* Class A, protocol §3.7. */
static bool is_charged(enum slk_mesh_end end)
{
    return end == SLK_END_MALFORMED || end == SLK_END_TOO_LARGE || end == SLK_END_UNASKED ||
           end == SLK_END_BAD;
}

/* What waits is still worth sending. */
static bool is_friendly(enum slk_mesh_end end)
{
    return end == SLK_END_STOPPED || end == SLK_END_REPLACED || end == SLK_END_DUPLICATE ||
           end == SLK_END_CHARTER;
}

/* Nobody is there to be told anything. */
static bool is_abrupt(enum slk_mesh_end end)
{
    return end == SLK_END_BROKEN || end == SLK_END_STALLED || end == SLK_END_SILENT ||
           end == SLK_END_IP_RATE || end == SLK_END_CROWDED || end == SLK_END_MEMORY || end == SLK_END_OUTPUT;
}

static void schedule_retry(struct slk_link *link, enum slk_mesh_end end)
{
    struct slk_mesh *mesh = link->mesh;
    struct slk_peer *peer = link->peer;
    uint64_t now = slk_mesh_now(mesh), wait;

    if (link->authenticated && now - link->up_at_ms >= (uint64_t)LASTING_RETRYS * mesh->timing.retry_ms)
        peer->retry_ms = mesh->timing.retry_ms;
    wait = peer->retry_ms / 2 + slk_mesh_random(mesh, peer->retry_ms / 2 + 1);
    if (memcmp(mesh->own_key, peer->info.node_key, SLK_KEY_SIZE) > 0)
        wait += mesh->timing.retry_ms / 2;
    peer->retry_at_ms = now + wait;
    if (is_friendly(end))
        return;
    peer->retry_ms *= 2;
    if (peer->retry_ms > mesh->timing.retry_max_ms)
        peer->retry_ms = mesh->timing.retry_max_ms;
}

static void detach(struct slk_link *link, enum slk_mesh_end end)
{
    struct slk_peer *peer = link->peer;
    bool counted = false;

    if (peer == NULL)
        return;
    peer->counts.ended[end]++;
    if (peer->dialled == link) {
        peer->dialled = NULL;
        counted = true;
    }
    if (peer->up == link) {
        peer->up = NULL;
        counted = true;
    }
    if (counted && !peer->guest)
        schedule_retry(link, end);
    if (link->authenticated && is_charged(end))
        slk_cool_down(&peer->cool, link->mesh->timing.cool_ms, link->mesh->timing.cool_max_ms,
            slk_mesh_now(link->mesh));
}

void slk_link_end(struct slk_link *link, enum slk_mesh_end end, const char *detail)
{
    struct slk_mesh *mesh = link->mesh;
    enum slk_link_state was = link->state;
    uint16_t index = link->peer != NULL ? link->peer->info.index : SLK_MESH_NOBODY;

    if (was >= SLK_LINK_LEAVING)
        return;
    link->state = SLK_LINK_LEAVING;
    link->deadline_ms = slk_mesh_now(mesh) + mesh->timing.shutdown_ms;
    mesh->total.ended[end]++;
    detach(link, end);
    for (; link->waiting_n > 0; link->waiting_n--)
        slk_mesh_message_release(link->waiting[link->waiting_first++ % SLK_MESH_WAIT_MAX]);
    if (!is_friendly(end))
        slk_mesh_queue_close(&link->queue);
    if (mesh->callbacks.ended != NULL)
        mesh->callbacks.ended(mesh->callbacks.ctx, index, link->address, end, detail);
    if (was == SLK_LINK_UP)
        mesh->callbacks.down(mesh->callbacks.ctx, index, end);
    if (was < SLK_LINK_HANDSHAKE || is_abrupt(end)) {
        close_now(link);
        return;
    }
    link->saw_end = end == SLK_END_ENDED;
    read_on(link); /* and throw it away: what is unread when a socket closes would destroy the last words */
    slk_link_mark(link); /* they go before the loop waits, never from inside the caller */
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    struct slk_link *link = shutdown->data;

    if (status != 0 || link->saw_end)
        close_now(link);
}

/* All is written: TLS's goodbye, then TCP's. The peer's end, or the deadline, closes. True: look for output again. */
static bool leave(struct slk_link *link)
{
    if (!link->said_goodbye) {
        link->said_goodbye = true;
        slk_tls_shutdown(link->tls);
        return true;
    }
    if (!link->shutting) {
        link->shutting = true;
        link->shutdown.data = link;
        if (uv_shutdown(&link->shutdown, (uv_stream_t *)&link->tcp, on_shutdown) != 0)
            close_now(link);
    }
    return false;
}

/* ---- writing ---- */

static void on_written(uv_write_t *write, int status)
{
    struct slk_link *link = write->data;

    link->writing = false;
    if (status == UV_ECANCELED || link->state == SLK_LINK_CLOSED)
        return;
    if (status == 0) {
        slk_link_pump(link);
        return;
    }
    slk_link_end(link, SLK_END_BROKEN, uv_strerror(status));
    close_now(link);
}

/* `out` is the link's own until libuv has given it back. True: all of it has gone. */
static bool write_out(struct slk_link *link, size_t size, bool at_once)
{
    uv_buf_t buf = uv_buf_init((char *)link->out, (unsigned)size);
    int sent = at_once ? uv_try_write((uv_stream_t *)&link->tcp, &buf, 1) : 0;
    int rc;

    link->mesh->total.bytes_out += size;
    if (link->peer != NULL)
        link->peer->counts.bytes_out += size;
    if (sent == (int)size)
        return true;
    buf = uv_buf_init(
        (char *)link->out + (sent > 0 ? sent : 0), (unsigned)(size - (size_t)(sent > 0 ? sent : 0)));
    link->write.data = link;
    rc = uv_write(&link->write, (uv_stream_t *)&link->tcp, &buf, 1, on_written);
    if (rc != 0) {
        slk_link_end(link, SLK_END_BROKEN, uv_strerror(rc));
        close_now(link);
        return false;
    }
    link->writing = true;
    link->write_left = buf.len;
    link->write_moved_ms = slk_mesh_now(link->mesh);
    return false;
}

static void count_sent(struct slk_link *link)
{
    for (size_t i = 0; i < SLK_FRAME_TYPE_N; i++) {
        link->mesh->total.frames_out[i] += link->done[i];
        if (link->peer != NULL)
            link->peer->counts.frames_out[i] += link->done[i];
        link->done[i] = 0;
    }
}

/* The next ciphertext in `out`: what TLS has to say by itself, or one record of what waits. */
static size_t next_output(struct slk_link *link)
{
    size_t n = slk_tls_output(link->tls, link->out, sizeof(link->out));

    if (n > 0)
        return n;
    n = slk_mesh_queue_take(&link->queue, link->mesh->record, link->done);
    if (n == 0)
        return 0;
    count_sent(link);
    if (!slk_tls_write(link->tls, link->mesh->record, n)) {
        slk_link_end(link, SLK_END_TLS, slk_tls_detail(link->tls));
        slk_mesh_queue_close(&link->queue);
    }
    return slk_tls_output(link->tls, link->out, sizeof(link->out));
}

void slk_link_pump(struct slk_link *link)
{
    for (unsigned round = 1;
         link->state >= SLK_LINK_HANDSHAKE && link->state != SLK_LINK_CLOSED && !link->writing; round++) {
        size_t n = next_output(link);

        if (n == 0) {
            if (link->state != SLK_LINK_LEAVING || !leave(link))
                return;
            continue;
        }
        if (!write_out(link, n, round < PUMP_ROUNDS))
            return;
    }
}

/* ---- reading ---- */

static enum slk_mesh_end tls_end(const struct slk_link *link)
{
    switch (slk_tls_why(link->tls)) {
    case SLK_TLS_WHY_VERSION:
        return SLK_END_TLS_VERSION;
    case SLK_TLS_WHY_ALPN:
        return SLK_END_ALPN;
    case SLK_TLS_WHY_NO_CERTIFICATE:
        return SLK_END_NO_CERTIFICATE;
    case SLK_TLS_WHY_PIN:
        return link->mesh->pin_end;
    case SLK_TLS_WHY_OTHER:
        break;
    }
    return SLK_END_TLS;
}

static void say_hello(struct slk_link *link)
{
    const struct slk_mesh *mesh = link->mesh;
    struct slk_hello hello = {.version = SLK_MESH_VERSION,
        .oldest = SLK_MESH_OLDEST,
        .chain_id = mesh->chain_id,
        .charter_hash = mesh->charter_hash,
        .height = mesh->height,
        .index = mesh->own_index,
        .asks = SLK_MESH_WAIT_MAX};
    uint8_t bytes[SLK_HELLO_MAX];
    struct slk_mesh_message *message;

    memcpy(hello.instance, mesh->instance, sizeof(hello.instance));
    message = slk_mesh_message_new(SLK_FRAME_HELLO, slk_span_of(bytes, slk_hello_format(bytes, &hello)));
    if (message == NULL || slk_link_queue(link, message) != SLK_OK)
        slk_link_end(link, SLK_END_MEMORY, "");
    if (message != NULL)
        slk_mesh_message_release(message);
}

static void shake_hands(struct slk_link *link)
{
    link->mesh->pin_end = SLK_END_PIN; /* unless the pin is asked for and says better */
    switch (slk_tls_handshake(link->tls)) {
    case SLK_TLS_WAIT:
        break;
    case SLK_TLS_DONE:
        link->state = SLK_LINK_GREETING;
        say_hello(link);
        break;
    case SLK_TLS_ENDED:
        slk_link_end(link, SLK_END_ENDED, "");
        break;
    case SLK_TLS_FAILED:
        slk_link_end(link, tls_end(link), slk_tls_detail(link->tls));
        break;
    }
}

/* One bite of plaintext into the frame under way. False: there is no more, or the connection has ended. */
static bool read_some(struct slk_link *link)
{
    struct slk_frame frame;
    uint8_t *at;
    size_t room, n;
    enum slk_err err;

    if (slk_frame_room(&link->reader, &at, &room) != SLK_OK) {
        slk_link_end(link, SLK_END_MEMORY, "");
        return false;
    }
    switch (slk_tls_read(link->tls, at, room, &n)) {
    case SLK_TLS_DONE:
        break;
    case SLK_TLS_WAIT:
        return false;
    case SLK_TLS_ENDED:
        slk_link_end(link, SLK_END_ENDED, "");
        return false;
    case SLK_TLS_FAILED: /* also: the server refused our certificate, which we learn only here */
        slk_link_end(link, tls_end(link), slk_tls_detail(link->tls));
        return false;
    }
    err = slk_frame_took(&link->reader, n, &frame);
    if (err != SLK_OK) {
        slk_link_end(link, err == SLK_E_TOO_LARGE ? SLK_END_TOO_LARGE : SLK_END_MALFORMED, "");
        return false;
    }
    if (frame.payload.at != NULL)
        slk_link_frame(link, &frame);
    return true;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct slk_link *link = handle->data;

    (void)suggested;
    *buf = uv_buf_init(
        (char *)link->mesh->in, sizeof(link->mesh->in)); /* emptied before libuv reads anything else */
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct slk_link *link = stream->data;

    if (n == 0)
        return;
    if (n < 0) {
        link->saw_end = true;
        (void)uv_read_stop(stream);
        slk_link_end(
            link, n == UV_EOF ? SLK_END_ENDED : SLK_END_BROKEN, n == UV_EOF ? "" : uv_strerror((int)n));
        if (n != UV_EOF || link->said_goodbye)
            close_now(link);
        return;
    }
    link->mesh->total.bytes_in += (uint64_t)n;
    if (link->peer != NULL)
        link->peer->counts.bytes_in += (uint64_t)n;
    if (link->state >= SLK_LINK_LEAVING)
        return;
    link->heard_ms = slk_mesh_now(link->mesh);
    if (!slk_tls_feed(link->tls, (const uint8_t *)buf->base, (size_t)n)) {
        slk_link_end(link, SLK_END_MEMORY, "");
        return;
    }
    slk_link_read(link);
}

static void read_on(struct slk_link *link)
{
    int rc;

    if (link->reading || link->saw_end)
        return;
    rc = uv_read_start((uv_stream_t *)&link->tcp, on_alloc, on_read);
    link->reading = rc == 0;
    if (rc != 0) {
        slk_link_end(link, SLK_END_BROKEN, uv_strerror(rc));
        close_now(link);
    }
}

void slk_link_read(struct slk_link *link)
{
    if (link->state == SLK_LINK_HANDSHAKE)
        shake_hands(link);
    while ((link->state == SLK_LINK_GREETING || link->state == SLK_LINK_UP) && !link->throttled) {
        if (!read_some(link))
            break;
    }
    if (link->state >= SLK_LINK_LEAVING)
        return;
    slk_link_pump(link); /* reading makes TLS write, too */
    if (link->state >= SLK_LINK_LEAVING)
        return;
    if (slk_tls_output_n(link->tls) > SLK_MESH_TLS_OUT) {
        slk_link_end(link, SLK_END_OUTPUT, "");
    } else if (link->throttled) {
        (void)uv_read_stop((uv_stream_t *)&link->tcp);
        link->reading = false;
    } else {
        read_on(link);
    }
}

/* ---- the beginning ---- */

struct slk_link *slk_link_new(struct slk_mesh *mesh, struct slk_peer *dial)
{
    struct slk_link *link = calloc(1, sizeof(*link));

    if (link == NULL)
        return NULL;
    if (uv_tcp_init(mesh->loop, &link->tcp) != 0) {
        free(link);
        return NULL;
    }
    link->tcp.data = link;
    link->mesh = mesh;
    link->dials = dial != NULL;
    link->peer = dial;
    link->state = SLK_LINK_CONNECTING;
    link->deadline_ms = slk_mesh_now(mesh) + mesh->timing.handshake_ms;
    if (dial != NULL)
        dial->dialled = link;
    else
        mesh->unauthenticated++;
    link->next = mesh->links;
    if (mesh->links != NULL)
        mesh->links->prev = link;
    mesh->links = link;
    mesh->links_n++;
    return link;
}

static void begin_tls(struct slk_link *link)
{
    int fd = -1, bytes = NOTSENT_BYTES;

    (void)uv_tcp_nodelay(&link->tcp, 1);
    (void)uv_tcp_keepalive(&link->tcp, 1, KEEPALIVE_S);
    if (uv_fileno((const uv_handle_t *)&link->tcp, &fd) == 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
    link->tls = slk_tls_new(link->mesh->tls, link->dials, link->dials ? link->peer->info.node_key : NULL);
    if (link->tls == NULL) {
        slk_link_end(link, SLK_END_MEMORY, "");
        return;
    }
    link->state = SLK_LINK_HANDSHAKE;
    link->heard_ms = slk_mesh_now(link->mesh);
    slk_link_read(link);
}

void slk_link_accepted(struct slk_link *link)
{
    begin_tls(link);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct slk_link *link = connect->data;

    if (link->state != SLK_LINK_CONNECTING)
        return;
    if (status != 0)
        slk_link_end(link, SLK_END_CONNECT, uv_strerror(status));
    else
        begin_tls(link);
}

static void connect_to(struct slk_link *link, const struct sockaddr *to)
{
    int rc;

    link->state = SLK_LINK_CONNECTING;
    link->connect.data = link;
    rc = uv_tcp_connect(&link->connect, &link->tcp, to, on_connected);
    if (rc != 0)
        slk_link_end(link, SLK_END_CONNECT, uv_strerror(rc));
}

/* Any of a name's addresses: over the attempts each gets its turn. */
static void on_resolved(uv_getaddrinfo_t *resolve, int status, struct addrinfo *found)
{
    struct slk_link *link = resolve->data;
    size_t n = 1, pick;

    link->resolving = false;
    if (link->state != SLK_LINK_RESOLVING) {
        uv_freeaddrinfo(found);
        free_when_done(link);
        return;
    }
    if (status != 0 || found == NULL) {
        slk_link_end(link, SLK_END_RESOLVE, status != 0 ? uv_strerror(status) : "");
    } else {
        const struct addrinfo *a = found;

        for (; a->ai_next != NULL; a = a->ai_next)
            n++;
        pick = (size_t)slk_mesh_random(link->mesh, n);
        for (a = found; pick > 0 && a->ai_next != NULL; pick--)
            a = a->ai_next;
        connect_to(link, a->ai_addr);
    }
    uv_freeaddrinfo(found);
}

void slk_link_dial(struct slk_link *link)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    const struct slk_mesh_peer *to = &link->peer->info;
    struct sockaddr_storage at;
    uint64_t port;
    int rc;

    snprintf(link->address, sizeof(link->address), "%.63s:%s", to->host, to->port);
    if (!slk_decimal_parse(&port, UINT16_MAX, to->port, strlen(to->port)) || port == 0) {
        slk_link_end(link, SLK_END_RESOLVE, "not a port");
        return;
    }
    if (uv_ip4_addr(to->host, (int)port, (struct sockaddr_in *)&at) == 0 ||
        uv_ip6_addr(to->host, (int)port, (struct sockaddr_in6 *)&at) == 0) {
        connect_to(link, (const struct sockaddr *)&at);
        return;
    }
    link->state = SLK_LINK_RESOLVING;
    link->resolve.data = link;
    rc = uv_getaddrinfo(link->mesh->loop, &link->resolve, on_resolved, to->host, to->port, &hints);
    link->resolving = rc == 0;
    if (rc != 0)
        slk_link_end(link, SLK_END_RESOLVE, uv_strerror(rc));
}

/* ---- deadlines ---- */

void slk_link_tick(struct slk_link *link, uint64_t now_ms)
{
    const struct slk_mesh_timing *timing = &link->mesh->timing;
    size_t left = link->writing ? uv_stream_get_write_queue_size((uv_stream_t *)&link->tcp) : 0;

    if (link->state < SLK_LINK_UP) {
        if (now_ms >= link->deadline_ms)
            slk_link_end(link, SLK_END_SLOW, "");
        return;
    }
    if (link->state == SLK_LINK_LEAVING && now_ms >= link->deadline_ms)
        close_now(link);
    if (link->state != SLK_LINK_UP)
        return;
    if (left != link->write_left) {
        link->write_left = left;
        link->write_moved_ms = now_ms;
    }
    if (link->writing && now_ms - link->write_moved_ms >= timing->stall_ms)
        slk_link_end(link, SLK_END_STALLED, "");
    else if (link->reading && now_ms - link->heard_ms >= timing->silent_ms)
        slk_link_end(link, SLK_END_SILENT, "");
    else
        slk_link_refill(link, now_ms);
    if (link->state == SLK_LINK_UP)
        slk_link_ask_tick(link, now_ms);
}
