/* uv_serve.c: see serve.h: listening, the clock, stopping. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/address.h"
#include "net/uv_http.h"

#define BACKLOG      4096 /* or what net.core.somaxconn allows: who finds it full tries again a second later */
#define TICK_EACH_MS 1000u

static void set_defaults(struct slk_http_limits *l)
{
    const struct slk_http_limits usual = {.connections_max = 4096,
        .shake_ms = 5000,
        .head_ms = 10000,
        .body_ms = 30000,
        .idle_ms = 60000,
        .answer_ms = 30000,
        .write_ms = 20000,
        .write_bytes = 16384,
        .linger_ms = 2000,
        .drain_ms = 10000,
        .tick_ms = 200,
        .bodies_max = (size_t)64 << 20,
        .answers_max = (size_t)128 << 20,
        .stream_max = (size_t)256 << 10,
        .site_streams = 16};

#define SLK_DEFAULT(name) l->name = l->name != 0 ? l->name : usual.name
    SLK_DEFAULT(connections_max);
    SLK_DEFAULT(shake_ms);
    SLK_DEFAULT(head_ms);
    SLK_DEFAULT(body_ms);
    SLK_DEFAULT(idle_ms);
    SLK_DEFAULT(answer_ms);
    SLK_DEFAULT(write_ms);
    SLK_DEFAULT(write_bytes);
    SLK_DEFAULT(linger_ms);
    SLK_DEFAULT(drain_ms);
    SLK_DEFAULT(tick_ms);
    SLK_DEFAULT(bodies_max);
    SLK_DEFAULT(answers_max);
    SLK_DEFAULT(stream_max);
    SLK_DEFAULT(site_streams);
#undef SLK_DEFAULT
}

static void clock_closed(uv_handle_t *handle)
{
    struct slk_http_server *s = handle->data;

    s->clocks_open--;
    slk_http_server_closed(s);
}

static void end_if_done(struct slk_http_server *s)
{
    if (!s->stopping || s->listeners_open > 0)
        return;
    for (unsigned state = 0; state < CONN_STATE_N; state++) {
        if (s->lists[state].n > 0)
            return;
    }
    if (s->clocks_open > 0 && !uv_is_closing((uv_handle_t *)&s->timer)) {
        uv_close((uv_handle_t *)&s->timer, clock_closed);
        uv_close((uv_handle_t *)&s->polled, clock_closed);
        uv_close((uv_handle_t *)&s->idle, clock_closed);
    } else if (s->clocks_open == 0 && s->stopped != NULL) {
        s->stopped(s->stopped_ctx);
    }
}

/* ---- who has to go when all places are taken ---- */

static void on_polled(uv_check_t *polled);

/* How long they may take: first those go who took longer than a client on a good line needs for a head, a body or an answer, and
 * longer than one needs to come back; if there are none, those who take longer than what a crowd at the door leaves for each. */
#define PATIENT_MS        2000u
#define PATIENT_WRITER_MS 5000u
#define HURRIED_MS        100u /* who has just come has not had the time to speak */
#define HURRIED_BODY_MS   500u
#define HURRIED_WRITER_MS 1000u
#define AHEAD_MAX         32u /* places made at once */
#define BODY_BYTES_PER_MS                                                                                    \
    4u /* who sends a body slower than that is not worth more than those who wait at the door */

static uint64_t age_of(const struct conn *c, uint64_t limit)
{
    uint64_t now = uv_now(c->server->loop);

    return now + limit > c->deadline ? now + limit - c->deadline
                                     : 0; /* in its state, or since the writer last moved */
}

/* Of those who have nothing under way that costs anybody anything: who is there longest, and at least so long. */
static struct conn *longest_waiting(struct slk_http_server *s, uint64_t least_ms)
{
    const struct {
        enum conn_state state;
        uint64_t limit;
    } waits[] = {{CONN_LINGER, s->limits.linger_ms}, {CONN_SHAKING, s->limits.shake_ms},
        {CONN_IDLE, s->limits.idle_ms}, {CONN_HEAD, s->limits.head_ms}};
    struct conn *longest = NULL;
    uint64_t longest_ms = least_ms;

    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        struct conn *c = s->lists[waits[i].state].first;

        if (c != NULL && age_of(c, waits[i].limit) >= longest_ms) {
            longest = c;
            longest_ms = age_of(c, waits[i].limit);
        }
    }
    return longest;
}

static struct conn *slow_body(struct slk_http_server *s, uint64_t patient_ms)
{
    for (struct conn *c = s->lists[CONN_BODY].first; c != NULL; c = c->next) {
        uint64_t age = age_of(c, s->limits.body_ms);

        if (age < patient_ms)
            return NULL; /* those behind it are younger */
        if (c->exchange->in.body_size / BODY_BYTES_PER_MS < age)
            return c;
    }
    return NULL;
}

static struct conn *slow_writer(struct slk_http_server *s, uint64_t patient_ms)
{
    struct conn *c;

    while ((c = s->lists[CONN_WRITING].first) != NULL && age_of(c, s->limits.write_ms) >= patient_ms)
        if (!slk_http_conn_moves(c))
            return c;
    return NULL; /* those that moved are the youngest now */
}

/* Slow ones go before young ones: a client that has just come, and is about to speak, must not make place for the next one while
 * thousands drip. Whose answer is being made, and who follows a stream, stays. */
static struct conn *victim(struct slk_http_server *s)
{
    struct conn *c = longest_waiting(s, PATIENT_MS);

    if (c == NULL)
        c = slow_body(s, PATIENT_MS);
    if (c == NULL)
        c = slow_writer(s, PATIENT_WRITER_MS);
    if (c == NULL)
        c = longest_waiting(s, HURRIED_MS);
    if (c == NULL)
        c = slow_body(s, HURRIED_BODY_MS);
    return c != NULL ? c : slow_writer(s, HURRIED_WRITER_MS);
}

static bool is_younger(const struct conn *c, uint64_t limit, uint64_t patient_ms)
{
    return c != NULL && age_of(c, limit) < patient_ms;
}

/* Nobody has to go yet, but may have to soon: who knocks waits for that, and is not told that there is no place. */
static bool may_have_victim_soon(struct slk_http_server *s)
{
    return longest_waiting(s, 0) != NULL ||
           is_younger(s->lists[CONN_BODY].first, s->limits.body_ms, HURRIED_BODY_MS) ||
           is_younger(s->lists[CONN_WRITING].first, s->limits.write_ms, HURRIED_WRITER_MS);
}

/* One for who waits; twice as many each time that was not enough between two ticks: a crowd is not let in one by one. */
static void make_places(struct slk_http_server *s)
{
    struct conn *c;

    for (unsigned i = 0; i < s->ahead && (c = victim(s)) != NULL; i++)
        slk_http_conn_close(c, SLK_HTTP_EVICTED);
    if (s->ahead < AHEAD_MAX)
        s->ahead *= 2;
}

/* ---- who has to go when memory is short ---- */

#define SHORT_WRITE_SHARE 20u /* of the time in which an answer must move: a second */
#define SHORT_BODY_SHARE  15u /* of a body's time: two seconds, before which nobody goes */
#define FILL_SHARE        6u  /* of it, in which a body fills the memory that it holds: five seconds */

/* Memory is taken in a moment, and then held without sending more: what a body has filled by now counts, not how much that is. Those that
 * come as fast as they should are never cut off, so some are always finished. */
static struct conn *lagging_body(struct slk_http_server *s, const struct conn *but)
{
    uint64_t fill_ms = s->limits.body_ms / FILL_SHARE;

    for (struct conn *c = s->lists[CONN_BODY].first; c != NULL; c = c->next) {
        uint64_t age = age_of(c, s->limits.body_ms);

        if (age < s->limits.body_ms / SHORT_BODY_SHARE)
            return NULL; /* those behind it are younger */
        if (c != but && c->exchange->in.body_size * fill_ms < c->exchange->counted * age)
            return c;
    }
    return NULL;
}

bool slk_http_server_room_for_body(struct slk_http_server *s, const struct conn *c, uint64_t bytes)
{
    while (bytes > s->limits.bodies_max - (size_t)s->stats.bodies_bytes) {
        struct conn *goes = bytes <= s->limits.bodies_max ? lagging_body(s, c) : NULL;

        if (goes == NULL)
            return false;
        slk_http_conn_close(goes, SLK_HTTP_EVICTED);
    }
    return true;
}

bool slk_http_server_room_for_answer(struct slk_http_server *s, size_t bytes)
{
    while (bytes > s->limits.answers_max - (size_t)s->stats.answers_bytes) {
        struct conn *goes =
            bytes <= s->limits.answers_max ? slow_writer(s, s->limits.write_ms / SHORT_WRITE_SHARE) : NULL;

        if (goes == NULL)
            return false;
        slk_http_conn_close(goes, SLK_HTTP_EVICTED);
    }
    return true;
}

/* ---- whose streams they are ---- */

static void find_site(struct conn *c)
{
    struct sockaddr_storage from;
    int size = sizeof(from);

    c->has_site = c->io.handle.type == UV_TCP &&
                  uv_tcp_getpeername(&c->io.tcp, (struct sockaddr *)&from, &size) == 0 &&
                  !slk_address_is_loopback(&from);
    if (c->has_site)
        slk_address_site(c->site, &from);
}

bool slk_http_may_stream(struct slk_http_exchange *x)
{
    const struct slk_http_server *s = x->conn->server;
    size_t n = 0;

    find_site(x->conn);
    for (const struct conn *c = s->lists[CONN_STREAM].first; c != NULL && x->conn->has_site; c = c->next)
        n += c->has_site && !c->broken && memcmp(c->site, x->conn->site, sizeof(c->site)) == 0;
    return n < s->limits.site_streams;
}

/* ---- coming ---- */

/* Not before all that has come is read: a request that waits in the kernel while the loop is busy makes nobody idle. */
static void wait_for_poll(struct listener *l)
{
    l->waits = true;
    (void)uv_check_start(&l->server->polled, on_polled);
}

static void accept_one(struct listener *l, bool is_polled)
{
    struct slk_http_server *s = l->server;

    if (!slk_http_server_has_place(s) && !is_polled) {
        wait_for_poll(l);
        return;
    }
    if (l->is_tls && !slk_https_may_shake(s)) {
        l->waits = true;
        return;
    }
    if (!slk_http_server_has_place(s))
        make_places(s);
    if (slk_http_server_has_place(s) || !may_have_victim_soon(s))
        slk_http_server_accept(l);
    else
        l->waits = true; /* until somebody leaves, or the next tick */
}

static void retry_accepts(struct slk_http_server *s, bool is_polled)
{
    for (size_t i = 0; i < s->listeners_n && !s->stopping; i++) {
        if (s->listeners[i].waits)
            accept_one(&s->listeners[i], is_polled);
    }
}

static void on_polled(uv_check_t *polled)
{
    struct slk_http_server *s = polled->data;

    (void)uv_check_stop(polled);
    retry_accepts(s, true);
}

void slk_http_server_closed(struct slk_http_server *s)
{
    if (s->stopping)
        end_if_done(s);
    else
        retry_accepts(s, false);
}

static void on_tick(uv_timer_t *timer)
{
    struct slk_http_server *s = timer->data;
    uint64_t now = uv_now(s->loop);

    slk_https_tick(s, s->limits.tick_ms);
    slk_http_server_expire(s);
    s->ahead = 1;
    if (s->stopping && now >= s->stop_at)
        slk_http_server_drain(s, true);
    retry_accepts(s, false);
    if (s->tick != NULL && !s->stopping && now - s->ticked_at >= TICK_EACH_MS) {
        s->ticked_at = now;
        s->tick(s->ctx, now);
    }
}

enum slk_err slk_http_server_new(struct slk_http_server **out, const struct slk_http_options *options)
{
    struct slk_http_server *s = calloc(1, sizeof(*s));

    *out = NULL;
    if (s == NULL)
        return SLK_E_NOMEM;
    assert(options->routes_n <= SLK_HTTP_ROUTES_MAX);
    s->loop = options->loop;
    s->routes = options->routes;
    s->routes_n = options->routes_n;
    s->ctx = options->ctx;
    s->tick = options->tick;
    s->work = options->work;
    s->shakes = SLK_HTTPS_SHAKES_BURST * 1000;
    s->limits = options->limits;
    set_defaults(&s->limits);
    *out = s;
    return SLK_OK;
}

static enum slk_err start_timer(struct slk_http_server *s)
{
    if (s->clocks_open > 0)
        return SLK_OK;
    if (uv_timer_init(s->loop, &s->timer) != 0 || uv_check_init(s->loop, &s->polled) != 0 ||
        uv_idle_init(s->loop, &s->idle) != 0)
        return SLK_E_IO;
    s->timer.data = s->polled.data = s->idle.data = s;
    s->clocks_open = 3;
    s->ahead = 1;
    return uv_timer_start(&s->timer, on_tick, s->limits.tick_ms, s->limits.tick_ms) == 0 ? SLK_OK : SLK_E_IO;
}

static void listener_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;

    l->server->listeners_open--;
    slk_http_server_closed(l->server);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *l = stream->data;

    if (status == 0 && !l->server->stopping)
        accept_one(l, false);
}

static enum slk_err refuse(struct slk_fault *fault, enum slk_err err, const char *what, const char *why)
{
    fault->line = 0;
    snprintf(fault->text, sizeof(fault->text), "%.120s: %.100s", what, why);
    return err;
}

/* Binds and listens; on failure the listener is closed again. */
static enum slk_err begin(struct listener *l, int bound, const char *what, struct slk_fault *fault)
{
    struct slk_http_server *s = l->server;
    int rc = bound != 0 ? bound : uv_listen(&l->io.stream, BACKLOG, on_connection);

    s->listeners_open++;
    s->listeners_n++;
    if (rc == 0)
        return SLK_OK;
    uv_close(&l->io.handle, listener_closed);
    return refuse(fault, SLK_E_IO, what, uv_strerror(rc));
}

static struct listener *listener_new(struct slk_http_server *s)
{
    struct listener *l = &s->listeners[s->listeners_n];

    if (s->listeners_n == SLK_HTTP_LISTENERS_MAX || s->stopping || start_timer(s) != SLK_OK)
        return NULL;
    l->server = s;
    return l;
}

static bool read_address(struct sockaddr_storage *out, const char *host, uint16_t port)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    memset(out, 0, sizeof(*out));
    if (uv_ip4_addr(host, port, &in) == 0) {
        memcpy(out, &in, sizeof(in));
        return true;
    }
    if (uv_ip6_addr(host, port, &in6) == 0) {
        memcpy(out, &in6, sizeof(in6));
        return true;
    }
    return false;
}

static enum slk_err listen_at(struct slk_http_server *server, const struct sockaddr_storage *address,
    const char *host, bool is_tls, struct slk_fault *fault)
{
    struct listener *l = listener_new(server);

    if (l == NULL || uv_tcp_init(server->loop, &l->io.tcp) != 0)
        return refuse(fault, SLK_E_IO, host, "no more listeners");
    l->is_tls = is_tls;
    l->io.handle.data = l;
    return begin(l, uv_tcp_bind(&l->io.tcp, (const struct sockaddr *)address, 0), host, fault);
}

enum slk_err slk_http_listen_tcp(
    struct slk_http_server *server, const char *host, uint16_t port, bool anywhere, struct slk_fault *fault)
{
    struct sockaddr_storage address;

    if (!read_address(&address, host, port))
        return refuse(fault, SLK_E_RANGE, host, "not an IPv4 or IPv6 address");
    if (!anywhere && !slk_address_is_loopback(&address))
        return refuse(fault, SLK_E_RANGE, host, "not a loopback address: listen there with TLS (tls_listen)");
    return listen_at(server, &address, host, false, fault);
}

enum slk_err slk_http_listen_tls(
    struct slk_http_server *server, const char *host, uint16_t port, struct slk_fault *fault)
{
    struct sockaddr_storage address;

    assert(server->tls != NULL);
    if (!read_address(&address, host, port))
        return refuse(fault, SLK_E_RANGE, host, "not an IPv4 or IPv6 address");
    return listen_at(server, &address, host, true, fault);
}

/* Whether somebody answers on a Unix socket. */
static bool is_answered(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bool answered;

    if (fd < 0)
        return true; /* not known: leave it alone */
    memcpy(address.sun_path, path, strlen(path) + 1);
    answered = connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 || errno != ECONNREFUSED;
    (void)close(fd);
    return answered;
}

enum slk_err slk_http_listen_unix(struct slk_http_server *server, const char *path, struct slk_fault *fault)
{
    struct listener *l;
    struct stat st;
    enum slk_err err;
    mode_t mask;

    if (path[0] == '\0' || strlen(path) >= sizeof(l->path))
        return refuse(fault, SLK_E_RANGE, path, "a Unix socket's path has 1 to 107 bytes");
    if (lstat(path, &st) == 0) {
        if (!S_ISSOCK(st.st_mode) || is_answered(path))
            return refuse(fault, SLK_E_IN_USE, path, "exists, and is no socket left behind");
        (void)unlink(path);
    }
    l = listener_new(server);
    if (l == NULL || uv_pipe_init(server->loop, &l->io.pipe, 0) != 0)
        return refuse(fault, SLK_E_IO, path, "no more listeners");
    l->io.handle.data = l;
    snprintf(l->path, sizeof(l->path), "%s", path);
    mask = umask(0117); /* 0660 from the beginning: nobody else may slip in before a chmod */
    err = begin(l, uv_pipe_bind(&l->io.pipe, path), path, fault);
    (void)umask(mask);
    return err;
}

static uint16_t port_of(const struct slk_http_server *server, bool is_tls)
{
    for (size_t i = 0; i < server->listeners_n; i++) {
        const struct listener *l = &server->listeners[i];
        struct sockaddr_storage address;
        struct sockaddr_in in;
        int size = sizeof(address);

        if (l->is_tls != is_tls || l->io.handle.type != UV_TCP ||
            uv_tcp_getsockname(&l->io.tcp, (struct sockaddr *)&address, &size) != 0)
            continue;
        memcpy(&in, &address, sizeof(in)); /* the port stands at the same place in both families */
        return ntohs(in.sin_port);
    }
    return 0;
}

uint16_t slk_http_port(const struct slk_http_server *server)
{
    return port_of(server, false);
}

uint16_t slk_http_tls_port(const struct slk_http_server *server)
{
    return port_of(server, true);
}

void slk_http_server_stop(struct slk_http_server *server, void (*stopped)(void *ctx), void *ctx)
{
    if (server->stopping) {
        slk_http_server_drain(server, true);
        return;
    }
    server->stopping = true;
    server->stopped = stopped;
    server->stopped_ctx = ctx;
    server->stop_at = uv_now(server->loop) + server->limits.drain_ms;
    (void)start_timer(server);
    for (size_t i = 0; i < server->listeners_n; i++) {
        if (!uv_is_closing(&server->listeners[i].io.handle))
            uv_close(&server->listeners[i].io.handle, listener_closed);
    }
    slk_http_server_drain(server, false);
    end_if_done(server);
}

void slk_http_server_free(struct slk_http_server *server)
{
    if (server == NULL)
        return;
    assert(server->clocks_open == 0 && server->listeners_open == 0);
    slk_tls_context_free(server->tls);
    free(server);
}

const struct slk_http_stats *slk_http_server_stats(struct slk_http_server *server)
{
    server->stats.open = 0;
    for (unsigned state = 0; state < CONN_STATE_N; state++)
        server->stats.open += server->lists[state].n;
    server->stats.idle = server->lists[CONN_IDLE].n;
    server->stats.handling = server->lists[CONN_ANSWERING].n;
    server->stats.writing = server->lists[CONN_WRITING].n;
    return &server->stats;
}
