/* http_client.c: see http_client.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/http_client.h"

static uint64_t clock_ns, turned_at; /* the server's time; the machine's at the last turn */

/* In place of libuv's for all that the server measures with it. */
uint64_t uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return clock_ns / 1000000;
}

static const char *pretended; /* NULL: nothing is */

/* In place of libuv's: tests have no addresses but this machine's. */
int uv_tcp_getpeername(const uv_tcp_t *handle, struct sockaddr *name, int *size)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    socklen_t room = (socklen_t)*size;
    uv_os_fd_t fd;

    if (pretended == NULL) {
        assert_int_equal(uv_fileno((const uv_handle_t *)handle, &fd), 0);
        return getpeername(fd, name, &room) == 0 ? 0 : UV_ENOTCONN;
    }
    if (uv_ip4_addr(pretended, 1, &in) == 0) {
        memcpy(name, &in, sizeof(in));
        return 0;
    }
    assert_int_equal(uv_ip6_addr(pretended, 1, &in6), 0);
    memcpy(name, &in6, sizeof(in6));
    return 0;
}

void come_from(const char *address)
{
    pretended = address;
}

static void pass_time(void)
{
    uint64_t now = uv_hrtime(), passed = now - turned_at;

    clock_ns += passed < TURN_MS * 1000000u ? passed : TURN_MS * 1000000u;
    turned_at = now;
}

void http_net_open(struct http_net *net, const struct slk_http_options *options)
{
    struct slk_http_options mine = *options;
    struct slk_fault fault = {0};

    assert_int_equal(uv_loop_init(&net->loop), 0);
    mine.loop = &net->loop;
    mine.limits.tick_ms = 5;
    assert_int_equal(slk_http_server_new(&net->server, &mine), SLK_OK);
    assert_int_equal(slk_http_listen_tcp(net->server, "127.0.0.1", 0, false, &fault), SLK_OK);
}

void is_stopped(void *net)
{
    ((struct http_net *)net)->stopped = true;
}

void http_net_stop(struct http_net *net)
{
    slk_http_server_stop(net->server, is_stopped, net);
    for (unsigned i = 0; i < TURNS_MAX && !net->stopped; i++)
        wait_turn(net);
    assert_true(net->stopped);
}

void http_net_free(struct http_net *net)
{
    slk_http_server_free(net->server);
    assert_int_equal(uv_run(&net->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&net->loop), 0);
}

void turn(struct http_net *net)
{
    pass_time();
    (void)uv_run(&net->loop, UV_RUN_NOWAIT);
    if (net->each != NULL)
        net->each(net->ctx);
}

void wait_turn(struct http_net *net)
{
    const struct timespec ms = {0, 1000000};

    turn(net);
    (void)nanosleep(&ms, NULL);
}

int dial(struct http_net *net)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(slk_http_port(net->server))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* Sends all of it, the loop turning meanwhile. False: the server closed the connection. */
bool say_bytes(struct http_net *net, int fd, const char *text, size_t size)
{
    for (unsigned i = 0; size > 0 && i < TURNS_MAX; i++) {
        ssize_t n = send(fd, text, size, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN)
            return false;
        if (n > 0) {
            text += n;
            size -= (size_t)n;
        }
        turn(net);
    }
    assert_int_equal(size, 0);
    return true;
}

void say(struct http_net *net, int fd, const char *text)
{
    assert_true(say_bytes(net, fd, text, strlen(text)));
}

struct reply reply;

bool take(int fd)
{
    ssize_t n;

    do {
        n = recv(fd, reply.text + reply.size, sizeof(reply.text) - 1 - reply.size, 0);
        if (n > 0)
            reply.size += (size_t)n;
    } while (n > 0 && reply.size < sizeof(reply.text) - 1);
    reply.text[reply.size] = '\0';
    if (n == 0 || (n < 0 && errno != EAGAIN))
        reply.ended = true;
    return !reply.ended;
}

void hear_until(struct http_net *net, int fd, const char *text)
{
    memset(&reply, 0, offsetof(struct reply, text) + 1);
    reply.size = 0;
    reply.ended = false;
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        bool open = take(fd);

        if (text != NULL ? strstr(reply.text, text) != NULL : !open)
            return;
        if (!open)
            break;
        wait_turn(net);
    }
    print_message("instead of \"%s\": %s\n", text != NULL ? text : "the end", reply.text);
    fail();
}

/* The connection is closed; what came before is in `reply`. */
void hear_end(struct http_net *net, int fd)
{
    hear_until(net, fd, NULL);
    (void)close(fd);
}

void assert_status(const char *status)
{
    char line[64];

    snprintf(line, sizeof(line), "HTTP/1.1 %s ", status);
    if (strncmp(reply.text, line, strlen(line)) != 0)
        print_message("instead of %s: %s\n", status, reply.text);
    assert_int_equal(strncmp(reply.text, line, strlen(line)), 0);
}

size_t count_of(const char *text, const char *what)
{
    size_t n = 0;

    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what))
        n++;
    return n;
}
