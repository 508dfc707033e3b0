/* test_http_server.c: the server over real sockets: one loop, and clients that behave in every way they should not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "tests/scratch.h"
#include "tests/unit/http_world.h"

/* ---- answers ---- */

static void answers_follow_requests_on_one_connection(void **state)
{
    struct world *w = world_open(NULL);
    int fd = dial(&w->net);

    (void)state;
    say(&w->net, fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    hear_until(&w->net, fd, "\r\n\r\nhello");
    assert_status("200");
    assert_non_null(strstr(reply.text, "Content-Length: 5\r\n"));
    assert_null(strstr(reply.text, "Connection: close"));
    say(&w->net, fd,
        "POST /echo HTTP/1.1\r\n" HOST
        "Content-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\nhi");
    hear_until(&w->net, fd, "\r\n\r\nhi");
    say(&w->net, fd,
        "POST /echo HTTP/1.1\r\n" HOST
        "Content-Type: APPLICATION/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nch\r\n0\r\n\r\n");
    hear_until(&w->net, fd, "\r\n\r\nch");
    say(&w->net, fd, "GET /parameter/a.b-c HTTP/1.1\r\n" HOST "\r\n");
    hear_until(&w->net, fd, "\r\n\r\na.b-c");
    say(&w->net, fd, "HEAD /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    hear_end(&w->net, fd);
    assert_status("200");
    assert_non_null(strstr(reply.text, "Content-Length: 5\r\n"));
    assert_string_equal(reply.text + reply.size - 4, "\r\n\r\n");
    assert_int_equal(slk_http_server_stats(w->net.server)->connections_n, 1);
    world_close(w);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    struct world *w = world_open(NULL);
    int fd = dial(&w->net);
    char text[8192];
    size_t n = 0;

    (void)state;
    for (unsigned i = 0; i < 60; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n,
            "GET /parameter/%u HTTP/1.1\r\n" HOST "\r\n"
            "POST /echo HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\nContent-Length: 1\r\n\r\n+",
            i);
    say(&w->net, fd, text);
    hear_until(&w->net, fd, "\r\n\r\n59");
    say(&w->net, fd,
        "GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\nGET /never HTTP/1.1\r\n" HOST "\r\n");
    hear_end(&w->net, fd);
    assert_int_equal(w->handled_n, 61);
    assert_int_equal(slk_http_server_stats(w->net.server)->reasons[SLK_HTTP_NOT_FOUND], 0);
    world_close(w);
}

static void one_byte_at_a_time_is_a_request(void **state)
{
    const char *text =
        "POST /echo HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n0\r\n\r\n";
    struct world *w = world_open(NULL);
    int fd = dial(&w->net);

    (void)state;
    for (size_t i = 0; text[i] != '\0'; i++) {
        assert_true(say_bytes(&w->net, fd, text + i, 1));
        turn(&w->net);
    }
    hear_until(&w->net, fd, "\r\n\r\nhello");
    (void)close(fd);
    world_close(w);
}

/* ---- refusals ---- */

static void requests_are_refused_by_status(void **state)
{
    static const struct {
        const char *text, *status, *code;
        bool stays; /* the connection can be used on */
    } cases[] = {
        {"GET /never HTTP/1.1\r\n" HOST "\r\n", "404", "NOT_FOUND", true},
        {"GET /parameter/ HTTP/1.1\r\n" HOST "\r\n", "404", "NOT_FOUND", true},
        {"GET /parameter/a/b HTTP/1.1\r\n" HOST "\r\n", "404", "NOT_FOUND", true},
        {"GET /hello/ HTTP/1.1\r\n" HOST "\r\n", "404", "NOT_FOUND", true},
        {"GET //hello HTTP/1.1\r\n" HOST "\r\n", "404", "NOT_FOUND", true},
        {"GET /%68ello HTTP/1.1\r\n" HOST "\r\n", "404", "NOT_FOUND", true},
        {"GET /echo HTTP/1.1\r\n" HOST "\r\n", "405", "METHOD", true},
        {"POST /hello HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", "405", "METHOD", false},
        {"POST /never HTTP/1.1\r\n" HOST "Content-Length: 9999999\r\n\r\nxxxxxxxxxxxx", "404", "NOT_FOUND",
            false},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx", "415", "MEDIA_TYPE", false},
        {"POST /both HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", "415",
            "MEDIA_TYPE", false},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Type: a/b\r\nContent-Length: 1\r\n\r\nx", "415",
            "MEDIA_TYPE", false},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\n\r\n", "411", "LENGTH", false},
        {"POST /both HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\nxxxxxxxxxxx", "413", "BODY_SIZE", false},
        {"POST /both HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n6\r\n", "413",
            "BODY_SIZE", false},
        {"GET / HTTP/1.1\r\n\r\n", "400", "HOST", false},
        {"GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n", "400", "FIELD", false},
        {"GET / HTTP/1.1\nHost: a\n\n", "400", "BYTE", false},
        {"GET http://a/hello HTTP/1.1\r\n" HOST "\r\n", "400", "TARGET", false},
        {"GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n", "400", "BODY_ON_GET", false},
        {"PUT / HTTP/1.1\r\n" HOST "\r\n", "501", "METHOD_UNKNOWN", false},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", "501", "CODING", false},
        {"GET / HTTP/3.0\r\n" HOST "\r\n", "505", "VERSION", false},
        {"POST /echo HTTP/1.1\r\n" HOST "Expect: x\r\nContent-Length: 1\r\n\r\n", "417", "EXPECT", false},
    };
    struct world *w = world_open(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char code[64];
        int fd = dial(&w->net);

        snprintf(code, sizeof(code), "\"code\":\"%s\"", cases[i].code);
        say(&w->net, fd, cases[i].text);
        hear_until(&w->net, fd, code);
        assert_status(cases[i].status);
        assert_non_null(strstr(reply.text, "Content-Type: application/problem+json\r\n"));
        assert_int_equal(strstr(reply.text, "Connection: close\r\n") == NULL, cases[i].stays);
        if (cases[i].stays) {
            say(&w->net, fd, "GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
            hear_until(&w->net, fd, "hello");
        }
        if (!reply.ended)
            hear_end(&w->net, fd);
        else
            (void)close(fd);
    }
    assert_int_equal(counted(w, SLK_HTTP_NOT_FOUND), 7);
    assert_int_equal(counted(w, SLK_HTTP_METHOD), 2);
    assert_int_equal(counted(w, SLK_HTTP_BODY_SIZE), 2);
    assert_int_equal(w->handled_n, 7);
    world_close(w);
}

static void the_methods_of_a_route_are_named(void **state)
{
    struct world *w = world_open(NULL);
    int fd = dial(&w->net);

    (void)state;
    say(&w->net, fd, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    hear_until(&w->net, fd, "\"code\":\"METHOD\"");
    assert_non_null(strstr(reply.text, "\r\nAllow: POST\r\n"));
    say(&w->net, fd, "POST /hello HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n");
    hear_until(&w->net, fd, "\"code\":\"METHOD\"");
    assert_non_null(strstr(reply.text, "\r\nAllow: GET, HEAD\r\n"));
    say(&w->net, fd, "GET /refused HTTP/1.1\r\n" HOST "\r\n");
    hear_until(&w->net, fd, "\"detail\":\"a \\\"quote\\\",?a backslash \\\\\"}");
    (void)close(fd);
    world_close(w);
}

static void what_a_smuggler_sends_is_never_a_second_request(void **state)
{
    static const char *const forms[] = {
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\nContent-Length: 44\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 44\r\n\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\n\n",
        "GET /never HTTP/1.1\r\n" HOST "Content-Length: 44\r\n\r\n",
        "POST /never HTTP/1.1\r\n" HOST "Content-Length: 44\r\n\r\n",
    };
    struct world *w = world_open(NULL);

    (void)state;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        int fd = dial(&w->net);

        say(&w->net, fd, forms[i]);
        (void)say_bytes(&w->net, fd, "GET /hello HTTP/1.1\r\n" HOST "X: 1234567\r\n\r\n", 44);
        hear_end(&w->net, fd);
        assert_int_equal(count_of(reply.text, "HTTP/1.1 "), 1);
    }
    assert_int_equal(w->handled_n, 0);
    world_close(w);
}

static void an_expected_continue_is_said(void **state)
{
    struct world *w = world_open(NULL);
    int fd = dial(&w->net);

    (void)state;
    say(&w->net, fd,
        "POST /echo HTTP/1.1\r\n" HOST
        "Content-Type: text/plain\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    hear_until(&w->net, fd, "HTTP/1.1 100 Continue\r\n\r\n");
    say(&w->net, fd, "yes");
    hear_until(&w->net, fd, "\r\n\r\nyes");
    say(&w->net, fd, "POST /both HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 11\r\n\r\n");
    hear_end(&w->net, fd); /* nothing of a body that is too large is asked for */
    assert_status("413");
    world_close(w);
}

/* ---- time ---- */

static void slow_heads_and_bodies_are_timed_out(void **state)
{
    const struct slk_http_limits limits = {.head_ms = 30, .body_ms = 30, .idle_ms = 5000, .linger_ms = 30};
    struct world *w = world_open(&limits);
    int fd = dial(&w->net), other = dial(&w->net);

    (void)state;
    for (unsigned i = 0; i < 200; i++) { /* a byte every few turns extends nothing */
        if (!say_bytes(&w->net, fd, i < 5 ? &"GET /"[i] : "a", 1))
            break;
        for (unsigned k = 0; k < 3; k++)
            wait_turn(&w->net);
    }
    hear_end(&w->net, fd);
    assert_int_equal(counted(w, SLK_HTTP_HEAD_SLOW), 1);
    fd = dial(&w->net);
    say(&w->net, fd, "GET / HT");
    hear_end(&w->net, fd);
    assert_status("408");
    fd = dial(&w->net);
    say(&w->net, fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nx");
    hear_end(&w->net, fd);
    assert_status("408");
    assert_int_equal(counted(w, SLK_HTTP_BODY_SLOW), 1);
    say(&w->net, other, "GET /hello HTTP/1.1\r\n" HOST "\r\n"); /* nobody else was harmed */
    hear_until(&w->net, other, "hello");
    (void)close(other);
    world_close(w);
}

static void idle_connections_are_closed(void **state)
{
    const struct slk_http_limits limits = {.idle_ms = 30};
    struct world *w = world_open(&limits);
    int fd = dial(&w->net);

    (void)state;
    hear_end(&w->net, fd);
    assert_int_equal(reply.size, 0);
    fd = dial(&w->net);
    say(&w->net, fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    hear_end(&w->net, fd);
    assert_status("200");
    assert_int_equal(counted(w, SLK_HTTP_IDLE), 2);
    world_close(w);
}

static void who_leaves_in_the_middle_is_counted(void **state)
{
    struct world *w = world_open(NULL);
    int fd = dial(&w->net);

    (void)state;
    say(&w->net, fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nx");
    (void)shutdown(fd, SHUT_WR); /* half open: nothing more will come */
    hear_end(&w->net, fd);
    assert_int_equal(reply.size, 0);
    assert_int_equal(counted(w, SLK_HTTP_CUT_OFF), 1);
    fd = dial(&w->net);
    say(&w->net, fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    (void)shutdown(fd, SHUT_WR); /* a whole request is answered before the end is heard */
    hear_end(&w->net, fd);
    assert_status("200");
    world_close(w);
}

/* ---- answers that come later ---- */

static void a_handler_may_answer_later(void **state)
{
    struct world *w = world_open(NULL);
    int fd = dial(&w->net);

    (void)state;
    keep_one(w, fd, "/later");
    say(&w->net, fd, "GET /parameter/next HTTP/1.1\r\n" HOST "\r\n"); /* waits for its turn */
    wait_turn(&w->net);
    reply.size = 0;
    reply.ended = false;
    assert_true(take(fd));
    assert_int_equal(reply.size, 0);
    answer_text(w->kept[--w->kept_n], "at last");
    hear_until(&w->net, fd, "\r\n\r\nnext");
    assert_non_null(strstr(reply.text, "at last"));
    (void)close(fd);
    world_close(w);
}

static void a_handler_may_answer_when_its_client_is_gone(void **state)
{
    struct world *w = world_open(NULL);
    struct linger hard = {1, 0};
    int fd = dial(&w->net);

    (void)state;
    keep_one(w, fd, "/later");
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)), 0);
    (void)close(fd); /* a reset */
    for (unsigned i = 0; i < 20; i++)
        wait_turn(&w->net);
    answer_text(w->kept[--w->kept_n], "to nobody");
    for (unsigned i = 0; i < 20; i++)
        wait_turn(&w->net);
    assert_int_equal(counted(w, SLK_HTTP_READER_GONE), 1);
    assert_int_equal(slk_http_server_stats(w->net.server)->answers_bytes, 0);
    world_close(w);
}

static void a_handler_may_answer_when_the_server_is_gone(void **state)
{
    const struct slk_http_limits limits = {.drain_ms = 20};
    struct world *w = world_open(&limits);
    struct slk_http_exchange *kept[2];
    int fd = dial(&w->net), other = dial(&w->net);

    (void)state;
    keep_one(w, fd, "/later");
    keep_one(w, other, "/later");
    memcpy(kept, w->kept, sizeof(kept));
    world_close(w);
    answer_text(kept[0], "to nobody");
    slk_http_refuse(kept[1], SLK_HTTP_BAD_REQUEST, NULL);
    (void)close(fd);
    (void)close(other);
}

static void an_answer_that_takes_too_long_is_503_or_the_routes_own(void **state)
{
    const struct slk_http_limits limits = {.answer_ms = 20};
    struct world *w = world_open(&limits);
    int fd = dial(&w->net);

    (void)state;
    keep_one(w, fd, "/late");
    hear_until(&w->net, fd, "not yet");
    assert_status("200");
    assert_int_equal(w->late_n, 1);
    keep_one(w, fd, "/later");
    hear_until(&w->net, fd, "ANSWER_SLOW");
    assert_status("503");
    assert_non_null(strstr(reply.text, "\r\nRetry-After: 2\r\n"));
    say(&w->net, fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n"); /* the connection can be used on */
    hear_until(&w->net, fd, "hello");
    answer_text(w->kept[--w->kept_n], "into the void");
    say(&w->net, fd, "GET /parameter/ok HTTP/1.1\r\n" HOST "\r\n");
    hear_until(&w->net, fd, "\r\n\r\nok");
    assert_null(strstr(reply.text, "void"));
    (void)close(fd);
    world_close(w);
}

/* ---- streams ---- */

static int open_stream(struct world *w)
{
    int fd = dial(&w->net);

    say(&w->net, fd, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    hear_until(&w->net, fd, "\r\n\r\n");
    assert_status("200");
    assert_non_null(strstr(reply.text, "Content-Type: text/event-stream\r\n"));
    assert_null(strstr(reply.text, "Content-Length"));
    return fd;
}

static void a_stream_goes_on_until_its_client_leaves(void **state)
{
    struct world *w = world_open(NULL);
    int fd = open_stream(w);

    (void)state;
    assert_true(slk_http_stream_send(w->streams[0], slk_span_of("data: 1\n\n", 9)));
    hear_until(&w->net, fd, "data: 1\n\n");
    say(&w->net, fd, "nobody listens to this");
    assert_true(slk_http_stream_send(w->streams[0], slk_span_of("data: 2\n\n", 9)));
    hear_until(&w->net, fd, "data: 2\n\n");
    (void)close(fd);
    for (unsigned i = 0; i < TURNS_MAX && w->gone_n == 0; i++)
        wait_turn(&w->net);
    assert_int_equal(w->gone_n, 1);
    assert_int_equal(w->streams_n, 0);
    fd = open_stream(w);
    world_close(w); /* ends it, too: `gone` comes before the server has stopped */
    (void)close(fd);
}

static void a_stream_nobody_reads_is_ended(void **state)
{
    const struct slk_http_limits limits = {.stream_max = 65536};
    static uint8_t piece[8192];
    struct world *w = world_open(&limits);
    int fd = open_stream(w), other = open_stream(w);
    size_t sent = 0;

    (void)state;
    while (sent < 10000 && slk_http_stream_send(w->streams[0], slk_span_of(piece, sizeof(piece)))) {
        sent++;
        turn(&w->net);
    }
    assert_true(sent < 10000);
    for (unsigned i = 0; i < TURNS_MAX && w->gone_n == 0; i++)
        wait_turn(&w->net);
    assert_int_equal(w->gone_n, 1);
    assert_int_equal(counted(w, SLK_HTTP_STREAM_SLOW), 1);
    assert_true(slk_http_stream_send(w->streams[0], slk_span_of("data: 1\n\n", 9)));
    hear_until(&w->net, other, "data: 1\n\n");
    (void)close(fd);
    (void)close(other);
    world_close(w);
}

static void a_head_of_a_stream_ends(void **state)
{
    struct world *w = world_open(NULL);
    int fd = dial(&w->net);

    (void)state;
    say(&w->net, fd, "HEAD /stream HTTP/1.1\r\n" HOST "\r\n");
    hear_end(&w->net, fd);
    assert_status("200");
    assert_int_equal(w->gone_n, 1);
    world_close(w);
}

/* ---- stopping, listening ---- */

static void stopping_lets_requests_under_way_be_answered(void **state)
{
    struct world *w = world_open(NULL);
    int busy = dial(&w->net), idle = dial(&w->net), half = dial(&w->net);

    (void)state;
    keep_one(w, busy, "/later");
    say(&w->net, half,
        "POST /echo HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nh");
    say(&w->net, idle, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    hear_until(&w->net, idle, "hello");
    slk_http_server_stop(w->net.server, is_stopped, &w->net);
    hear_end(&w->net, idle);
    assert_false(w->net.stopped);
    answer_text(w->kept[0], "goodbye");
    hear_end(&w->net, busy);
    assert_non_null(strstr(reply.text, "goodbye"));
    assert_non_null(strstr(reply.text, "Connection: close\r\n"));
    say(&w->net, half, "i");
    hear_end(&w->net, half);
    assert_non_null(strstr(reply.text, "\r\n\r\nhi"));
    world_close(w);
}

static void a_unix_socket_is_served(void **state)
{
    struct world *w = world_open(NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct slk_fault fault = {0};
    char dir[80], path[100];
    struct stat st;
    int fd;

    (void)state;
    assert_true(scratch_make(dir, sizeof(dir), "http"));
    snprintf(path, sizeof(path), "%s/s", dir);
    assert_int_equal(slk_http_listen_unix(w->net.server, path, &fault), SLK_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_int_equal(slk_http_listen_unix(w->net.server, path, &fault), SLK_E_IN_USE);
    assert_true(strlen(fault.text) > 0);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    say(&w->net, fd, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    hear_until(&w->net, fd, "hello");
    (void)close(fd);
    world_close(w);
    /* What a dead process left behind is replaced; a file is not. */
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    (void)close(fd);
    w = world_open(NULL);
    assert_int_equal(slk_http_listen_unix(w->net.server, path, &fault), SLK_OK);
    world_close(w);
    snprintf(path, sizeof(path), "%s/file", dir);
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    (void)close(fd);
    w = world_open(NULL);
    assert_int_equal(slk_http_listen_unix(w->net.server, path, &fault), SLK_E_IN_USE);
    world_close(w);
    scratch_remove(dir);
}

static void only_loopback_is_listened_on(void **state)
{
    struct world *w = world_open(NULL);
    struct slk_fault fault = {0};

    (void)state;
    assert_int_equal(slk_http_listen_tcp(w->net.server, "0.0.0.0", 0, false, &fault), SLK_E_RANGE);
    assert_non_null(strstr(fault.text, "loopback"));
    assert_int_equal(slk_http_listen_tcp(w->net.server, "::", 0, false, &fault), SLK_E_RANGE);
    assert_int_equal(slk_http_listen_tcp(w->net.server, "node.example", 0, true, &fault), SLK_E_RANGE);
    assert_int_equal(
        slk_http_listen_tcp(w->net.server, "127.0.0.1", slk_http_port(w->net.server), false, &fault),
        SLK_E_IO);
    assert_true(strlen(fault.text) > 0);
    assert_int_equal(slk_http_listen_tcp(w->net.server, "0.0.0.0", 0, true, &fault), SLK_OK);
    world_close(w);
}

static void a_server_that_could_not_listen_stops_too(void **state)
{
    struct world *w = world_open(NULL), *second = calloc(1, sizeof(*second));
    struct slk_http_options options = {.routes = routes, .routes_n = 1};
    struct slk_fault fault = {0};

    (void)state;
    assert_non_null(second);
    assert_int_equal(uv_loop_init(&second->net.loop), 0);
    options.loop = &second->net.loop;
    assert_int_equal(slk_http_server_new(&second->net.server, &options), SLK_OK);
    assert_int_equal(
        slk_http_listen_tcp(second->net.server, "127.0.0.1", slk_http_port(w->net.server), false, &fault),
        SLK_E_IO);
    world_close(second);
    world_close(w);
    second = calloc(1, sizeof(*second)); /* nor does one have to listen at all */
    assert_non_null(second);
    assert_int_equal(uv_loop_init(&second->net.loop), 0);
    options.loop = &second->net.loop;
    assert_int_equal(slk_http_server_new(&second->net.server, &options), SLK_OK);
    world_close(second);
}

static void answers_are_counted_by_route_and_status(void **state)
{
    struct world *w = world_open(NULL);
    const struct slk_http_stats *stats = slk_http_server_stats(w->net.server);
    int fd = dial(&w->net);
    uint64_t ok = 0, missing = 0;

    (void)state;
    say(&w->net, fd,
        "GET /hello HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\nGET /never HTTP/1.1\r\n" HOST
        "\r\n");
    hear_until(&w->net, fd, "NOT_FOUND");
    for (size_t i = 0; i < SLK_HTTP_STATUSES_MAX; i++) {
        ok += stats->statuses[i] == 200 ? stats->answers[0][i] : 0;
        missing += stats->statuses[i] == 404 ? stats->answers[SLK_HTTP_ROUTES_MAX][i] : 0;
    }
    assert_int_equal(ok, 2);
    assert_int_equal(missing, 1);
    assert_int_equal(stats->connections_n, 1);
    assert_true(stats->bytes_in > 0 && stats->bytes_out > stats->bytes_in);
    (void)close(fd);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_follow_requests_on_one_connection),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(one_byte_at_a_time_is_a_request),
        cmocka_unit_test(requests_are_refused_by_status),
        cmocka_unit_test(the_methods_of_a_route_are_named),
        cmocka_unit_test(what_a_smuggler_sends_is_never_a_second_request),
        cmocka_unit_test(an_expected_continue_is_said),
        cmocka_unit_test(slow_heads_and_bodies_are_timed_out),
        cmocka_unit_test(idle_connections_are_closed),
        cmocka_unit_test(who_leaves_in_the_middle_is_counted),
        cmocka_unit_test(a_handler_may_answer_later),
        cmocka_unit_test(a_handler_may_answer_when_its_client_is_gone),
        cmocka_unit_test(a_handler_may_answer_when_the_server_is_gone),
        cmocka_unit_test(an_answer_that_takes_too_long_is_503_or_the_routes_own),
        cmocka_unit_test(a_stream_goes_on_until_its_client_leaves),
        cmocka_unit_test(a_stream_nobody_reads_is_ended),
        cmocka_unit_test(a_head_of_a_stream_ends),
        cmocka_unit_test(stopping_lets_requests_under_way_be_answered),
        cmocka_unit_test(a_unix_socket_is_served),
        cmocka_unit_test(only_loopback_is_listened_on),
        cmocka_unit_test(a_server_that_could_not_listen_stops_too),
        cmocka_unit_test(answers_are_counted_by_route_and_status),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
