/* net_deaf.c: clients that never read: some subscribe to the stream, some ask for one proof after the other. When the node ends
 * such a connection the next one begins. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/net.h"

enum { DEAF = 8 };

struct net_deaf {
    uint16_t port;
    struct net_asker *asker; /* whose handles are asked for */
    struct {
        int fd;
        size_t sent; /* of the question that is being sent */
    } at[DEAF];
    uint64_t ended_n;
};

static bool asks_for_proofs(size_t i)
{
    return i % 2 == 1;
}

static void dial(struct net_deaf *d, size_t i)
{
    static const char question[] = "GET /v1/stream HTTP/1.1\r\nHost: node\r\n\r\n";
    const struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(d->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int small = 2048;

    d->at[i].sent = 0;
    d->at[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (d->at[i].fd < 0)
        bench_die("socket", NULL);
    setsockopt(d->at[i].fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    if (connect(d->at[i].fd, (const struct sockaddr *)&at, sizeof(at)) != 0 ||
        (!asks_for_proofs(i) && send(d->at[i].fd, question, sizeof(question) - 1, MSG_NOSIGNAL) !=
                                    (ssize_t)sizeof(question) - 1)) {
        close(d->at[i].fd);
        d->at[i].fd = -1;
    }
}

/* As many questions as the kernel takes. */
static void ask_more(struct net_deaf *d, size_t i)
{
    static const char head[] =
        "POST /v1/proofs?history HTTP/1.1\r\nHost: node\r\nContent-Type: application/octet-stream\r\n"
        "Accept: application/octet-stream\r\nContent-Length: 32\r\n\r\n";
    uint8_t question[sizeof(head) - 1 + SLK_HANDLE_SIZE];
    ssize_t n;

    memcpy(question, head, sizeof(head) - 1);
    memcpy(question + sizeof(head) - 1, d->asker->handles[i % d->asker->handles_n], SLK_HANDLE_SIZE);
    do {
        n = send(d->at[i].fd, question + d->at[i].sent, sizeof(question) - d->at[i].sent,
            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
            d->at[i].sent = (d->at[i].sent + (size_t)n) % sizeof(question);
    } while (n > 0);
}

double net_deaf_turn(void *self, double now)
{
    struct net_deaf *d = self;

    for (size_t i = 0; i < DEAF; i++) {
        struct pollfd p = {.fd = d->at[i].fd};

        if (d->at[i].fd >= 0 && poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP)) != 0) {
            close(d->at[i].fd);
            d->at[i].fd = -1;
            d->ended_n++;
        }
        if (d->at[i].fd < 0)
            dial(d, i);
        if (d->at[i].fd >= 0 && asks_for_proofs(i))
            ask_more(d, i);
    }
    return now + 0.25;
}

struct net_deaf *net_deaf_new(uint16_t port, struct net_asker *asker)
{
    struct net_deaf *d = calloc(1, sizeof(*d));

    if (d == NULL)
        abort();
    d->port = port;
    d->asker = asker;
    for (size_t i = 0; i < DEAF; i++)
        d->at[i].fd = -1;
    return d;
}

uint64_t net_deaf_free(struct net_deaf *d)
{
    uint64_t ended_n = d->ended_n;

    for (size_t i = 0; i < DEAF; i++)
        if (d->at[i].fd >= 0)
            close(d->at[i].fd);
    free(d);
    return ended_n;
}
