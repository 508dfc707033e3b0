#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
/* net_line.c: long lines between nodes, as a process that passes bytes on later.
 *
 * TCP hides loss: what was lost comes later, and everything behind it waits. So each piece of at most 1,448 bytes (an
 * Ethernet frame's) is held for half a round trip, and with the chance of a loss for the time until it is sent again:
 * Linux's smallest retransmission timeout, 200 ms, and a round trip; twice that when it is lost again, and so on. Its
 * acknowledgement may be lost too, which costs nothing here. Not modelled: that fewer segments are under way after a
 * loss, and that with others behind it a loss is noticed sooner. Making a connection takes a round trip.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/net.h"

enum { SEGMENT = 1448, HELD = 1024, EVENTS = 64, LINES = NET_NODES * NET_NODES };

struct segment {
    double when;
    size_t n, sent;
    uint8_t bytes[SEGMENT];
};
/* One direction of a connection: a ring of what is under way. */
struct way {
    int from, to;
    double last;
    bool ended, told; /* no more comes; the other end knows */
    size_t first, n;
    struct segment *held;
};
struct wire {
    struct wire *next;
    struct way ways[2];
    bool broken;
};
struct lines {
    int epoll;
    double half_s, loss, rtt_s;
    uint64_t random;
    struct {
        int fd;
        uint16_t port;
    } at[LINES];
    size_t n;
    struct wire *wires;
    struct net_lines_seen *seen;
};

static double chance(struct lines *l)
{
    l->random ^= l->random >> 12;
    l->random ^= l->random << 25;
    l->random ^= l->random >> 27;
    return (double)(l->random * 0x2545f4914f6cdd1dull >> 11) / 9007199254740992.0; /* 2^53 */
}

static double delay(struct lines *l)
{
    double again = 0.2 + l->rtt_s, sum = l->half_s;

    l->seen->segments++;
    for (unsigned i = 0; i < 6 && chance(l) < l->loss; i++, again *= 2) {
        l->seen->lost++;
        sum += again;
    }
    return sum;
}

/* As much as has come, as long as there is room for it: what waits longer waits in the kernel, and its sender is slowed. */
static void take(struct lines *l, struct wire *w, struct way *way, double now)
{
    while (way->n < HELD && !way->ended) {
        struct segment *s = &way->held[(way->first + way->n) % HELD];
        ssize_t n = recv(way->from, s->bytes, SEGMENT, MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            w->broken = true;
        if (n <= 0) {
            way->ended = true;
            return;
        }
        s->n = (size_t)n;
        s->sent = 0;
        s->when = now + delay(l);
        s->when = s->when > way->last ? s->when : way->last; /* in order */
        way->last = s->when;
        way->n++;
    }
}

static void pass_on(struct wire *w, struct way *way, double now)
{
    while (way->n > 0 && way->held[way->first].when <= now) {
        struct segment *s = &way->held[way->first];
        ssize_t n = send(way->to, s->bytes + s->sent, s->n - s->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            s->when = now + 0.005; /* it does not read: later */
            return;
        }
        if (n < 0) {
            w->broken = true;
            return;
        }
        s->sent += (size_t)n;
        if (s->sent == s->n) {
            way->first = (way->first + 1) % HELD;
            way->n--;
        }
    }
    if (way->n == 0 && way->ended && !way->told) {
        way->told = true;
        shutdown(way->to, SHUT_WR);
    }
}

static int dial(uint16_t port)
{
    const struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static void add_wire(struct lines *l, size_t line, double now)
{
    int near = accept(l->at[line].fd, NULL, NULL), far = near >= 0 ? dial(l->at[line].port) : -1, one = 1;
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    struct wire *w = calloc(1, sizeof(*w));

    if (far < 0 || w == NULL) {
        if (near >= 0)
            close(near);
        free(w);
        return;
    }
    setsockopt(near, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    event.data.u64 = l->n; /* not a line: look at all wires */
    w->ways[0] = (struct way){.from = near, .to = far};
    w->ways[1] = (struct way){.from = far, .to = near};
    for (unsigned i = 0; i < 2; i++) {
        w->ways[i].last = now + l->rtt_s;
        w->ways[i].held = malloc(HELD * sizeof(struct segment));
        if (w->ways[i].held == NULL || epoll_ctl(l->epoll, EPOLL_CTL_ADD, w->ways[i].from, &event) != 0)
            _exit(1);
    }
    w->next = l->wires;
    l->wires = w;
}

/* Returns when something is to be passed on next. */
static double move_all(struct lines *l, double now)
{
    double wake = now + 1;

    for (struct wire **at = &l->wires; *at != NULL;) {
        struct wire *w = *at;

        for (unsigned i = 0; i < 2 && !w->broken; i++) {
            take(l, w, &w->ways[i], now);
            pass_on(w, &w->ways[i], now);
            if (w->ways[i].n > 0 && w->ways[i].held[w->ways[i].first].when < wake)
                wake = w->ways[i].held[w->ways[i].first].when;
        }
        if (!w->broken && !(w->ways[0].told && w->ways[1].told)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        for (unsigned i = 0; i < 2; i++) {
            close(w->ways[i].from);
            free(w->ways[i].held);
        }
        free(w);
    }
    return wake;
}

__attribute__((noreturn)) static void serve(struct lines *l)
{
    for (;;) {
        struct epoll_event events[EVENTS];
        double now = bench_now(), left = move_all(l, now) - now;
        struct timespec timeout;
        int n;

        left = left < 0 ? 0 : left;
        timeout =
            (struct timespec){.tv_sec = (time_t)left, .tv_nsec = (long)((left - (double)(time_t)left) * 1e9)};
        n = epoll_pwait2(l->epoll, events, EVENTS, &timeout, NULL);
        for (int i = 0; i < n; i++)
            if (events[i].data.u64 < l->n)
                add_wire(l, events[i].data.u64, bench_now());
    }
}

static void listen_all(struct lines *l, struct net *net)
{
    for (unsigned i = 0; i < NET_NODES; i++) {
        for (unsigned j = 0; j < NET_NODES; j++) {
            struct epoll_event event = {.events = EPOLLIN, .data.u64 = l->n};

            if (i == j)
                continue;
            net->nodes[i].dialled[j] = net_free_port(&l->at[l->n].fd);
            l->at[l->n].port = net->nodes[j].peer_port;
            if (listen(l->at[l->n].fd, 64) != 0 ||
                epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->at[l->n].fd, &event) != 0)
                bench_die("a line", NULL);
            l->n++;
        }
    }
}

void net_lines_start(struct net_lines *lines, struct net *net, double rtt_s, double loss)
{
    struct lines l = {.half_s = rtt_s / 2, .rtt_s = rtt_s, .loss = loss, .random = 88172645463325252ull};
    pid_t parent = getpid();

    lines->seen = mmap(NULL, sizeof(*lines->seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (lines->seen == MAP_FAILED || l.epoll < 0)
        bench_die("lines", NULL);
    l.seen = lines->seen;
    listen_all(&l, net);
    fflush(stdout);
    lines->pid = fork();
    if (lines->pid < 0)
        bench_die("fork", NULL);
    if (lines->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        serve(&l);
    }
    for (size_t i = 0; i < l.n; i++)
        close(l.at[i].fd);
    close(l.epoll);
}

void net_lines_stop(struct net_lines *lines, struct net *net)
{
    kill(lines->pid, SIGKILL);
    waitpid(lines->pid, NULL, 0);
    munmap(lines->seen, sizeof(*lines->seen));
    for (unsigned i = 0; i < NET_NODES; i++)
        for (unsigned j = 0; j < NET_NODES; j++)
            net->nodes[i].dialled[j] = net->nodes[j].peer_port;
}
