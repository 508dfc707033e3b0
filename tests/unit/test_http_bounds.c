/* test_http_bounds.c: what the server lets its clients cost: those who never read, stand still, drip, or come in crowds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/http_world.h"

static void a_client_that_never_reads_is_disconnected(void **state)
{
    const struct slk_http_limits limits = {.write_ms = 200};
    struct world *w = world_open(&limits);
    int fd = dial(&w->net), other = dial(&w->net);

    (void)state;
    say(&w->net, fd, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    say(&w->net, other, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    hear_until(&w->net, other, "hello");
    assert_true(slk_http_server_stats(w->net.server)->answers_bytes >= BIG);
    for (unsigned i = 0; i < TURNS_MAX && counted(w, SLK_HTTP_READER_SLOW) == 0; i++)
        wait_turn(&w->net);
    assert_int_equal(counted(w, SLK_HTTP_READER_SLOW), 1);
    for (unsigned i = 0; i < 10; i++)
        turn(&w->net);
    assert_int_equal(slk_http_server_stats(w->net.server)->answers_bytes, 0);
    (void)close(fd);
    (void)close(other);
    world_close(w);
}

static void a_slow_reader_that_reads_is_served(void **state)
{
    const struct slk_http_limits limits = {.write_ms = 200};
    struct world *w = world_open(&limits);
    int fd = dial(&w->net);
    size_t total = 0;

    (void)state;
    say(&w->net, fd, "GET /big HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    for (unsigned i = 0; i < TURNS_MAX; i++) { /* 64 KiB a turn: longer than write_ms for all of it */
        ssize_t n = recv(fd, reply.text, 65536, 0);

        if (n == 0)
            break;
        total += n > 0 ? (size_t)n : 0;
        for (unsigned k = 0; k < 3; k++)
            wait_turn(&w->net);
    }
    assert_true(total > BIG && total < BIG + 1000);
    assert_int_equal(counted(w, SLK_HTTP_READER_SLOW), 0);
    (void)close(fd);
    world_close(w);
}

static void all_answers_and_all_bodies_are_bounded(void **state)
{
    const struct slk_http_limits limits = {.answers_max = BIG + 1000, .bodies_max = 9000};
    struct world *w = world_open(&limits);
    int fd = dial(&w->net), other = dial(&w->net);
    char *body = calloc(1, 9001);

    (void)state;
    say(&w->net, fd, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    for (unsigned i = 0; i < 10; i++)
        turn(&w->net);
    say(&w->net, other, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    hear_until(&w->net, other, "MEMORY");
    assert_status("503");
    say(&w->net, other,
        "POST /echo HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\nContent-Length: 9001\r\n\r\n");
    hear_end(&w->net, other);
    assert_status("503");
    other = dial(&w->net); /* the same without saying how much it will be */
    say(&w->net, other,
        "POST /echo HTTP/1.1\r\n" HOST
        "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n2329\r\n");
    assert_non_null(body);
    (void)say_bytes(&w->net, other, body, 9001);
    hear_end(&w->net, other);
    assert_status("503");
    assert_int_equal(counted(w, SLK_HTTP_MEMORY), 3);
    assert_int_equal(slk_http_server_stats(w->net.server)->bodies_bytes, 0);
    free(body);
    (void)close(fd);
    world_close(w);
}

/* Asks anew until it is not refused for want of memory. */
static void ask_until_there_is_room(struct world *w, const char *request)
{
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        int fd = dial(&w->net);

        say(&w->net, fd, request);
        hear_until(&w->net, fd, "\r\n\r\n");
        (void)close(fd);
        if (strstr(reply.text, "MEMORY") == NULL)
            break;
        assert_true(slk_http_server_stats(w->net.server)->answers_bytes <= BIG + 1000);
    }
    assert_status("200");
}

static void answers_nobody_takes_do_not_keep_others_out(void **state)
{
    const struct slk_http_limits limits = {.answers_max = BIG + 1000, .write_ms = 8000};
    struct world *w = world_open(&limits);
    int fd = dial(&w->net);

    (void)state;
    say(&w->net, fd, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    for (unsigned i = 0; i < TURNS_MAX && slk_http_server_stats(w->net.server)->answers_bytes == 0; i++)
        turn(&w->net);
    ask_until_there_is_room(w, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(counted(w, SLK_HTTP_EVICTED), 1);
    hear_end(&w->net, fd);
    world_close(w);
}

static void a_reader_that_reads_is_not_cut_off_for_another(void **state)
{
    const struct slk_http_limits limits = {.answers_max = BIG + 1000};
    struct world *w = world_open(&limits);
    int fd = dial(&w->net), other = dial(&w->net);
    size_t total = 0;

    (void)state;
    say(&w->net, fd, "GET /big HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    for (unsigned i = 0; i < TURNS_MAX; i++) { /* 16 KiB a turn, for longer than who does not read may stay */
        ssize_t n = recv(fd, reply.text, 16384, 0);

        if (n == 0)
            break;
        total += n > 0 ? (size_t)n : 0;
        if (i % 50 == 0 && total < BIG / 2)
            say(&w->net, other, "GET /big HTTP/1.1\r\n" HOST "\r\n");
        for (unsigned k = 0; k < 3; k++)
            wait_turn(&w->net);
    }
    assert_true(total > BIG && total < BIG + 1000);
    assert_true(counted(w, SLK_HTTP_MEMORY) > 0);
    assert_int_equal(counted(w, SLK_HTTP_EVICTED), 0);
    (void)close(fd);
    (void)close(other);
    world_close(w);
}

static void bodies_that_stand_still_do_not_keep_others_out(void **state)
{
    const struct slk_http_limits limits = {.bodies_max = 9000, .body_ms = 6000};
    static const char begun[] =
        "POST /echo HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\nContent-Length: 8000\r\n\r\n";
    struct world *w = world_open(&limits);
    char body[5000];
    int fd = dial(&w->net);

    (void)state;
    memset(body, 'x', sizeof(body)); /* more than half of what it says, at once, and then nothing */
    say(&w->net, fd, begun);
    assert_true(say_bytes(&w->net, fd, body, sizeof(body)));
    for (unsigned i = 0; i < TURNS_MAX && slk_http_server_stats(w->net.server)->bodies_bytes < 8000; i++)
        turn(&w->net);
    ask_until_there_is_room(
        w, "POST /echo HTTP/1.1\r\n" HOST "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
    assert_int_equal(counted(w, SLK_HTTP_EVICTED), 1);
    hear_end(&w->net, fd);
    world_close(w);
}

static void one_connection_too_many_makes_an_idle_one_go_or_is_refused(void **state)
{
    const struct slk_http_limits limits = {.connections_max = 2};
    struct world *w = world_open(&limits);
    int idle = dial(&w->net), busy, third, fourth;

    (void)state;
    say(&w->net, idle, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    hear_until(&w->net, idle, "hello");
    busy = dial(&w->net);
    keep_one(w, busy, "/later");
    third = dial(&w->net);
    keep_one(w, third, "/later");
    hear_end(&w->net, idle);
    assert_int_equal(counted(w, SLK_HTTP_EVICTED), 1);
    fourth = dial(&w->net);
    hear_until(&w->net, fourth, "FULL");
    assert_status("503");
    assert_non_null(strstr(reply.text, "\r\nRetry-After: 2\r\n"));
    hear_end(&w->net, fourth);
    answer_text(w->kept[1], "third");
    hear_until(&w->net, third, "third");
    answer_text(w->kept[0], "second");
    hear_until(&w->net, busy, "second");
    (void)close(busy);
    (void)close(third);
    world_close(w);
}

static void nobody_goes_whose_request_waits_in_the_kernel(void **state)
{
    const struct slk_http_limits limits = {.connections_max = 2};
    struct world *w = world_open(&limits);
    int fds[5];

    (void)state;
    for (unsigned i = 0; i < 5; i++) { /* all of it comes while the loop is busy */
        fds[i] = dial(&w->net);
        say(&w->net, fds[i], "GET /hello HTTP/1.1\r\n" HOST "\r\n");
    }
    for (unsigned i = 0; i < 5; i++) {
        hear_until(&w->net, fds[i], "hello");
        assert_status("200");
    }
    assert_int_equal(counted(w, SLK_HTTP_EVICTED), 3);
    assert_int_equal(counted(w, SLK_HTTP_FULL), 0);
    for (unsigned i = 0; i < 5; i++)
        (void)close(fds[i]);
    world_close(w);
}

static void who_drips_a_head_makes_place_for_who_speaks(void **state)
{
    const struct slk_http_limits limits = {.connections_max = 3};
    struct world *w = world_open(&limits);
    int slow[3], fd;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        slow[i] = dial(&w->net);
        say(&w->net, slow[i], "GET /hello HTTP/1.1\r\nHo");
    }
    for (unsigned i = 0; i < 3; i++) {
        fd = dial(&w->net);
        say(&w->net, fd, "GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
        hear_end(&w->net, fd);
        assert_status("200");
    }
    hear_end(&w->net, slow[0]); /* the longest there; after that there was always a place */
    assert_int_equal(counted(w, SLK_HTTP_EVICTED), 1);
    assert_int_equal(counted(w, SLK_HTTP_FULL), 0);
    (void)close(slow[1]);
    (void)close(slow[2]);
    world_close(w);
}

static void told_twice_to_stop_it_waits_for_nobody(void **state)
{
    const struct slk_http_limits limits = {.drain_ms = 600000};
    struct world *w = world_open(&limits);
    int fd = dial(&w->net);

    (void)state;
    keep_one(w, fd, "/later");
    slk_http_server_stop(w->net.server, is_stopped, &w->net);
    turn(&w->net);
    assert_false(w->net.stopped);
    slk_http_server_stop(w->net.server, is_stopped, &w->net);
    for (unsigned i = 0; i < 100; i++)
        turn(&w->net);
    assert_true(w->net.stopped);
    answer_text(w->kept[0], "into the void");
    world_close(w);
    (void)close(fd);
}

static void a_thousand_connections_are_served(void **state)
{
    enum { N = 1000 };
    static int fds[N];
    const struct slk_http_limits limits = {.connections_max = N};
    struct world *w = world_open(&limits);
    struct rlimit files;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_cur < 2 * N + 100 && files.rlim_max >= 2 * N + 100) {
        files.rlim_cur = 2 * N + 100;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    }
    assert_true(files.rlim_cur >= 2 * N + 100);
    for (unsigned i = 0; i < N; i++) {
        fds[i] = dial(&w->net);
        turn(&w->net);
    }
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < N; i++)
            say(&w->net, fds[i], "GET /hello HTTP/1.1\r\n" HOST "\r\n");
        for (unsigned i = 0; i < N; i++)
            hear_until(&w->net, fds[i], "hello");
    }
    assert_int_equal(w->handled_n, 2 * N);
    assert_int_equal(slk_http_server_stats(w->net.server)->connections_n, N);
    for (unsigned i = 0; i < N; i++)
        (void)close(fds[i]);
    world_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_that_never_reads_is_disconnected),
        cmocka_unit_test(a_slow_reader_that_reads_is_served),
        cmocka_unit_test(all_answers_and_all_bodies_are_bounded),
        cmocka_unit_test(answers_nobody_takes_do_not_keep_others_out),
        cmocka_unit_test(a_reader_that_reads_is_not_cut_off_for_another),
        cmocka_unit_test(bodies_that_stand_still_do_not_keep_others_out),
        cmocka_unit_test(one_connection_too_many_makes_an_idle_one_go_or_is_refused),
        cmocka_unit_test(nobody_goes_whose_request_waits_in_the_kernel),
        cmocka_unit_test(who_drips_a_head_makes_place_for_who_speaks),
        cmocka_unit_test(told_twice_to_stop_it_waits_for_nobody),
        cmocka_unit_test(a_thousand_connections_are_served),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
