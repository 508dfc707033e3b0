/* net_client.c: clients of the nodes' HTTP, many on one thread: one request at a time on each connection, which stays. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/net.h"

enum { READ_SIZE = 65536, EVENTS = 256 };

/* ---- one connection ---- */

void net_client_init(
    struct net_client *c, struct net_loop *loop, uint16_t port, net_reply_fn *fn, void *owner)
{
    memset(c, 0, sizeof(*c));
    c->loop = loop;
    c->port = port;
    c->fd = -1;
    c->fn = fn;
    c->owner = owner;
}

static void hang_up(struct net_client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

void net_client_close(struct net_client *c)
{
    hang_up(c);
    for (struct net_client **at = &c->loop->lost; *at != NULL; at = &(*at)->next_lost)
        if (*at == c) {
            *at = c->next_lost;
            break;
        }
    free(c->in);
    c->in = NULL;
}

void net_client_move(struct net_client *c, uint16_t port)
{
    assert(!c->is_busy);
    hang_up(c);
    c->port = port;
}

/* The owner is told by the loop, not from within its own call. */
static void lose(struct net_client *c)
{
    hang_up(c);
    if (c->is_lost || !c->is_busy)
        return;
    c->is_lost = true;
    c->next_lost = c->loop->lost;
    c->loop->lost = c;
}

/* To loopback a connection is made or refused at once. */
static bool dial(struct net_client *c)
{
    const struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(c->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int one = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        bench_die("socket", NULL);
    if (connect(c->fd, (const struct sockaddr *)&at, sizeof(at)) != 0)
        return false;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 ||
        epoll_ctl(c->loop->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        bench_die("epoll", NULL);
    return true;
}

static void want_to_write(struct net_client *c, bool wants)
{
    struct epoll_event event = {.events = EPOLLIN | (wants ? (uint32_t)EPOLLOUT : 0), .data.ptr = c};

    if (epoll_ctl(c->loop->epoll, EPOLL_CTL_MOD, c->fd, &event) != 0)
        bench_die("epoll", NULL);
}

/* True: something is left, and the kernel takes no more now. */
static bool push(struct net_client *c)
{
    struct iovec pieces[2];
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};

    while (c->out[0].size + c->out[1].size > 0) {
        ssize_t n;

        for (unsigned i = 0; i < 2; i++)
            pieces[i] = (struct iovec){(void *)(uintptr_t)c->out[i].at, c->out[i].size};
        n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n < 0) {
            lose(c);
            return false;
        }
        for (unsigned i = 0; i < 2; i++) {
            size_t taken = (size_t)n < c->out[i].size ? (size_t)n : c->out[i].size;

            c->out[i] = slk_span_of(c->out[i].at + taken, c->out[i].size - taken);
            n -= (ssize_t)taken;
        }
    }
    return false;
}

void net_client_ask(struct net_client *c, const char *target, const char *fields, struct slk_span body)
{
    int n;

    assert(!c->is_busy);
    if (body.at != NULL)
        n = snprintf(c->head, sizeof(c->head), "%s HTTP/1.1\r\nHost: node\r\n%sContent-Length: %zu\r\n\r\n",
            target, fields, body.size);
    else
        n = snprintf(c->head, sizeof(c->head), "%s HTTP/1.1\r\nHost: node\r\n%s\r\n", target, fields);
    assert(n > 0 && (size_t)n < sizeof(c->head));
    c->is_busy = true;
    c->in_n = c->head_n = 0;
    c->out[0] = slk_span_of(c->head, (size_t)n);
    c->out[1] = body;
    if (c->fd < 0 && !dial(c)) {
        lose(c);
        return;
    }
    if (push(c))
        want_to_write(c, true);
}

/* ---- answers ---- */

/* The value of a field, by its name in the server's own spelling; NULL: it is not there. The head ends with a zero. */
static const char *field(const char *head, const char *name)
{
    const char *at = strstr(head, name);

    return at != NULL ? at + strlen(name) : NULL;
}

static void read_head(struct net_client *c)
{
    char *head = (char *)c->in, *end;
    const char *value;

    c->in[c->in_n] = '\0';
    end = strstr(head, "\r\n\r\n");
    if (end == NULL)
        return;
    c->head_n = (size_t)(end - head) + 4;
    *end = '\0';
    c->status = strncmp(head, "HTTP/1.1 ", 9) == 0 ? (int)strtol(head + 9, NULL, 10) : 0;
    value = field(head, "\r\nContent-Length: ");
    c->body_n = value != NULL ? strtoull(value, NULL, 10) : 0;
    value = field(head, "\r\nRetry-After: ");
    c->retry_s = value != NULL ? (unsigned)strtoul(value, NULL, 10) : 0;
    c->closes = field(head, "\r\nConnection: close") != NULL;
}

static bool make_room(struct net_client *c)
{
    size_t least = c->head_n > 0 ? c->head_n + c->body_n + 1 : c->in_n + READ_SIZE + 1;
    uint8_t *in;

    if (least <= c->in_cap)
        return true;
    in = realloc(c->in, least);
    if (in == NULL)
        return false;
    c->in = in;
    c->in_cap = least;
    return true;
}

static void pull(struct net_client *c)
{
    for (;;) {
        ssize_t n;

        if (!make_room(c))
            abort();
        n = recv(c->fd, c->in + c->in_n, c->in_cap - 1 - c->in_n, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            lose(c);
            return;
        }
        c->in_n += (size_t)n;
        if (c->head_n == 0)
            read_head(c);
        if (c->head_n > 0 && c->in_n >= c->head_n + c->body_n) {
            struct slk_span body = slk_span_of(c->in + c->head_n, c->body_n);

            c->is_busy = false;
            if (c->closes)
                hang_up(c);
            c->fn(c, c->status, body);
            return;
        }
    }
}

/* ---- the loop ---- */

void net_loop_init(struct net_loop *loop)
{
    memset(loop, 0, sizeof(*loop));
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll < 0)
        bench_die("epoll", NULL);
}

void net_loop_close(struct net_loop *loop)
{
    close(loop->epoll);
}

void net_loop_act(struct net_loop *loop, net_turn_fn *turn, void *self)
{
    assert(loop->actors_n < sizeof(loop->actors) / sizeof(loop->actors[0]));
    loop->actors[loop->actors_n++] = (struct net_actor){turn, self};
}

static void tell_lost(struct net_loop *loop)
{
    while (loop->lost != NULL) {
        struct net_client *c = loop->lost;

        loop->lost = c->next_lost;
        c->is_lost = c->is_busy = false;
        c->fn(c, 0, (struct slk_span){0});
        if (c->is_lost)
            return; /* refused again at once: on the next turn */
    }
}

static void wait_until(struct net_loop *loop, double when)
{
    struct epoll_event events[EVENTS];
    double left = when - bench_now();
    struct timespec timeout;
    int n;

    left = loop->lost != NULL || left < 0 ? 0 : left > 1 ? 1 : left;
    timeout =
        (struct timespec){.tv_sec = (time_t)left, .tv_nsec = (long)((left - (double)(time_t)left) * 1e9)};
    n = epoll_pwait2(loop->epoll, events, EVENTS, &timeout, NULL);
    if (n < 0 && errno != EINTR)
        bench_die("epoll", NULL);
    for (int i = 0; i < n; i++) {
        struct net_client *c = events[i].data.ptr;

        if (c->fd < 0)
            continue; /* it was closed a moment ago, by an answer before this one */
        if ((events[i].events & EPOLLOUT) != 0 && !push(c) && c->fd >= 0)
            want_to_write(c, false);
        if (c->fd >= 0 && (events[i].events & ~(uint32_t)EPOLLOUT) != 0)
            pull(c);
    }
}

bool net_loop_run(struct net_loop *loop, double end)
{
    loop->is_over = false;
    for (double now = bench_now(); !loop->is_over && now < end; now = bench_now()) {
        double wake = end;

        for (size_t i = 0; i < loop->actors_n; i++) {
            double when = loop->actors[i].turn(loop->actors[i].self, now);

            wake = when < wake ? when : wake;
        }
        if (!loop->is_over)
            wait_until(loop, wake);
        tell_lost(loop);
    }
    return loop->is_over;
}

/* ---- one question ---- */

struct question {
    struct net_loop loop;
    int status;
    uint8_t *body;
    size_t body_n;
};

static void answered(struct net_client *c, int status, struct slk_span body)
{
    struct question *q = c->owner;

    q->status = status;
    q->body = malloc(body.size + 1);
    if (q->body == NULL)
        abort();
    if (body.size > 0)
        memcpy(q->body, body.at, body.size);
    q->body[body.size] = '\0';
    q->body_n = body.size;
    q->loop.is_over = true;
}

int net_ask(uint16_t port, const char *target, const char *fields, struct slk_span body, uint8_t **answer,
    size_t *answer_n)
{
    static struct question q;
    struct net_client c;

    memset(&q, 0, sizeof(q));
    net_loop_init(&q.loop);
    net_client_init(&c, &q.loop, port, answered, &q);
    net_client_ask(&c, target, fields, body);
    net_loop_run(&q.loop, bench_now() + 60);
    net_client_close(&c);
    net_loop_close(&q.loop);
    *answer = q.body;
    *answer_n = q.body_n;
    return q.status;
}

/* ---- times ---- */

/* 64 buckets for every doubling, from a microsecond on. */
static unsigned bucket_of(double seconds)
{
    uint64_t us = (uint64_t)(seconds * 1e6);
    unsigned shift = 0;

    while (us >> shift >= 128)
        shift++;
    us = shift == 0 ? us : 64 * (uint64_t)shift + (us >> shift);
    return us < 2048 ? (unsigned)us : 2047;
}

static double bucket_ms(unsigned bucket)
{
    unsigned shift = bucket < 128 ? 0 : bucket / 64 - 1;

    return bucket < 128 ? (double)bucket / 1000 : (double)((uint64_t)(bucket - 64 * shift) << shift) / 1000;
}

void net_times_add(struct net_times *t, double seconds)
{
    t->n++;
    t->buckets[bucket_of(seconds)]++;
    t->most = seconds > t->most ? seconds : t->most;
}

double net_times_ms(const struct net_times *t, double part)
{
    uint64_t rank = (uint64_t)(part * (double)t->n), seen = 0;

    for (unsigned i = 0; i < 2048; i++) {
        seen += t->buckets[i];
        if (seen > rank)
            return bucket_ms(i);
    }
    return t->most * 1000;
}

void net_times_rows(const struct net_times *t, const char *what, double p50_ms, double p99_ms)
{
    char label[128];

    if (t->n == 0)
        return;
    snprintf(label, sizeof(label), "%s: p50", what);
    bench_row(label, net_times_ms(t, 0.5), "ms", p50_ms, false);
    snprintf(label, sizeof(label), "%s: p99", what);
    bench_row(label, net_times_ms(t, 0.99), "ms", p99_ms, false);
    snprintf(label, sizeof(label), "%s: longest", what);
    bench_row(label, t->most * 1000, "ms", 0, false);
}
