/* test_http_answers.c: answers that lie in somebody else's memory, and answers written before the loop turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/http_client.h"

#define HOST       "Host: a\r\n"
#define LENT_SIZE  ((size_t)1 << 20)
#define PIECE_SIZE (LENT_SIZE / SLK_HTTP_PIECES_MAX)

struct world {
    struct http_net net;
    uint8_t *lent; /* the memory that answers borrow */
    struct slk_http_exchange *kept;
    char order[1024]; /* the parameters of requests, as they were handled */
    size_t order_n;
    bool answers_kept; /* inside slk_http_answer, for the one that was kept */
    unsigned heavy_n;
};

/* What the borrowed memory holds while it is borrowed. */
static uint8_t byte_at(size_t i)
{
    return (uint8_t)('a' + (i * 7 + i / 4096) % 26);
}

/* ---- routes ---- */

static void get_lent(void *ctx, struct slk_http_exchange *x)
{
    struct world *w = ctx;
    struct slk_span pieces[SLK_HTTP_PIECES_MAX];
    struct slk_http_answer answer = {
        .status = 200, .type = "x/y", .pieces = pieces, .pieces_n = SLK_HTTP_PIECES_MAX};

    for (size_t i = 0; i < LENT_SIZE; i++)
        w->lent[i] = byte_at(i);
    for (size_t i = 0; i < SLK_HTTP_PIECES_MAX; i++) /* some are empty */
        pieces[i] = slk_span_of(w->lent + i / 2 * 2 * PIECE_SIZE, i % 2 == 0 ? 2 * PIECE_SIZE : 0);
    slk_http_answer(x, &answer);
    memset(w->lent, '!', LENT_SIZE); /* from now on it is somebody else's */
}

static void get_named(void *ctx, struct slk_http_exchange *x)
{
    struct world *w = ctx;
    struct slk_span name = slk_http_parameter(x);
    const struct slk_http_answer answer = {.status = 200, .type = "text/plain", .body = name};

    assert_false(w->answers_kept);
    if (w->order_n < sizeof(w->order) - 1)
        w->order[w->order_n++] = (char)name.at[0];
    slk_http_answer(x, &answer);
}

static void get_later(void *ctx, struct slk_http_exchange *x)
{
    ((struct world *)ctx)->kept = x;
}

/* More than handlers have in one turn. */
static void get_heavy(void *ctx, struct slk_http_exchange *x)
{
    const struct slk_http_answer answer = {.status = 200, .type = "text/plain"};
    uint64_t until = uv_hrtime() + 11000000;

    while (uv_hrtime() < until)
        ;
    ((struct world *)ctx)->heavy_n++;
    slk_http_answer(x, &answer);
}

/* Only of what the handler knows. */
static void never_late(void *ctx, struct slk_http_exchange *x)
{
    (void)ctx;
    (void)x;
    fail();
}

static const struct slk_http_route routes[] = {
    {.path = "/lent", .method = SLK_HTTP_GET, .handle = get_lent},
    {.path = "/named/", .parameter = true, .method = SLK_HTTP_GET, .handle = get_named},
    {.path = "/later", .method = SLK_HTTP_GET, .handle = get_later},
    {.path = "/heavy", .method = SLK_HTTP_GET, .handle = get_heavy, .late = never_late},
};

static struct world *world_open(const struct slk_http_limits *limits)
{
    struct world *w = calloc(1, sizeof(*w));
    struct slk_http_options options = {.routes = routes, .routes_n = sizeof(routes) / sizeof(routes[0])};

    assert_non_null(w);
    w->lent = malloc(LENT_SIZE);
    assert_non_null(w->lent);
    options.ctx = w;
    if (limits != NULL)
        options.limits = *limits;
    http_net_open(&w->net, &options);
    return w;
}

static void world_close(struct world *w)
{
    http_net_stop(&w->net);
    http_net_free(&w->net);
    free(w->lent);
    free(w);
}

/* ---- borrowed memory ---- */

static void check_lent(size_t body_at)
{
    assert_int_equal(reply.size - body_at, LENT_SIZE);
    for (size_t i = 0; i < LENT_SIZE; i++)
        assert_int_equal((uint8_t)reply.text[body_at + i], byte_at(i));
}

static void what_the_kernel_did_not_take_is_kept_as_it_was(void **state)
{
    struct world *w = world_open(NULL);
    int fd = dial(&w->net);
    const struct slk_http_stats *stats;
    const char *body;

    (void)state;
    say(&w->net, fd, "GET /lent HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    for (unsigned i = 0; i < 20; i++) /* nobody reads, and the memory is overwritten */
        wait_turn(&w->net);
    stats = slk_http_server_stats(w->net.server);
    assert_int_equal(stats->writing, 1);
    assert_true(stats->answers_bytes > 0 && stats->answers_bytes < LENT_SIZE); /* what is left of it alone */
    hear_end(&w->net, fd);
    assert_status("200");
    assert_non_null(strstr(reply.text, "Content-Length: 1048576\r\n"));
    body = strstr(reply.text, "\r\n\r\n");
    assert_non_null(body);
    check_lent((size_t)(body + 4 - reply.text));
    assert_int_equal(slk_http_server_stats(w->net.server)->answers_bytes, 0);
    world_close(w);
}

static void pieces_answer_head_and_who_comes_again(void **state)
{
    struct world *w = world_open(NULL);
    int fd = dial(&w->net);

    (void)state;
    say(&w->net, fd, "HEAD /lent HTTP/1.1\r\n" HOST "\r\nGET /named/after HTTP/1.1\r\n" HOST "\r\n");
    hear_until(&w->net, fd, "after");
    assert_non_null(strstr(reply.text, "Content-Length: 1048576\r\n"));
    assert_null(strchr(reply.text, '!'));
    say(&w->net, fd, "GET /lent HTTP/1.1\r\n" HOST "\r\nGET /named/Z HTTP/1.1\r\n" HOST "\r\n");
    hear_until(&w->net, fd, "\r\n\r\nZ");
    assert_true(reply.size > LENT_SIZE && reply.size < LENT_SIZE + 1000);
    assert_null(memchr(reply.text, '!', reply.size));
    (void)close(fd);
    world_close(w);
}

static void who_never_reads_holds_what_is_left_and_not_for_long(void **state)
{
    enum { READERS = 20 };
    const struct slk_http_limits limits = {.write_ms = 100, .answers_max = 8 * LENT_SIZE};
    struct world *w = world_open(&limits);
    const struct slk_http_stats *stats;
    int fds[READERS];
    uint64_t slow = 0, refused = 0;

    (void)state;
    for (unsigned i = 0; i < READERS; i++) {
        fds[i] = dial(&w->net);
        say(&w->net, fds[i], "GET /lent HTTP/1.1\r\n" HOST "\r\n");
    }
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        wait_turn(&w->net);
        stats = slk_http_server_stats(w->net.server);
        assert_true(stats->answers_bytes <= 8 * LENT_SIZE);
        slow = stats->reasons[SLK_HTTP_READER_SLOW] +
               stats->reasons[SLK_HTTP_EVICTED]; /* as others came early or late */
        refused = stats->reasons[SLK_HTTP_MEMORY];
        if (slow + refused == READERS)
            break;
    }
    assert_true(slow >= 8);
    assert_int_equal(slow + refused, READERS);
    for (unsigned i = 0; i < READERS; i++)
        (void)close(fds[i]);
    for (unsigned i = 0; i < 20; i++)
        turn(&w->net);
    assert_int_equal(slk_http_server_stats(w->net.server)->answers_bytes, 0);
    world_close(w);
}

/* ---- turns ---- */

static void many_requests_at_once_keep_nobody_waiting(void **state)
{
    enum { MANY = 600 };
    struct world *w = world_open(NULL);
    int many = dial(&w->net), other = dial(&w->net);
    char text[MANY * 48];
    size_t n = 0;

    (void)state;
    for (unsigned i = 0; i < MANY; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "GET /named/m HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(send(many, text, n, MSG_NOSIGNAL), n);
    assert_int_equal(send(other, "GET /named/o HTTP/1.1\r\n" HOST "\r\n", 34, MSG_NOSIGNAL), 34);
    hear_until(&w->net, other, "\r\n\r\no");
    for (unsigned i = 0; i < TURNS_MAX && w->order_n < MANY + 1; i++)
        wait_turn(&w->net);
    assert_int_equal(w->order_n, MANY + 1);
    assert_true(memchr(w->order, 'o', MANY / 2) !=
                NULL); /* not behind all of them: libuv may give one connection nine turns of 16 in a row */
    (void)close(many);
    (void)close(other);
    world_close(w);
}

/* Who answers later may hold lists of those who wait: the next request must not be handled in the middle of it. */
static void no_request_is_handled_inside_another_ones_late_answer(void **state)
{
    const struct slk_http_answer answer = {.status = 200, .type = "text/plain"};
    struct world *w = world_open(NULL);
    int fd = dial(&w->net);

    (void)state;
    say(&w->net, fd, "GET /later HTTP/1.1\r\n" HOST "\r\nGET /named/next HTTP/1.1\r\n" HOST "\r\n");
    for (unsigned i = 0; i < TURNS_MAX && w->kept == NULL; i++)
        wait_turn(&w->net);
    assert_non_null(w->kept);
    assert_int_equal(w->order_n, 0);
    w->answers_kept = true;
    slk_http_answer(w->kept, &answer);
    w->answers_kept = false;
    hear_until(&w->net, fd, "\r\n\r\nnext");
    assert_int_equal(w->order_n, 1);
    (void)close(fd);
    world_close(w);
}

#define HEAVY "HEAD /heavy HTTP/1.1\r\n" HOST "\r\n"

/* `n` connections that send four heavy requests each. */
static void send_heavy(struct world *w, int *fds, unsigned n)
{
    static const char text[] = HEAVY HEAVY HEAVY HEAVY;

    for (unsigned i = 0; i < n; i++) {
        fds[i] = dial(&w->net);
        assert_int_equal(send(fds[i], text, sizeof(text) - 1, MSG_NOSIGNAL), sizeof(text) - 1);
    }
}

/* The loop has more to do than to answer: between two looks at what has come, handlers have their share and no more. */
static void costly_requests_do_not_keep_the_loop(void **state)
{
    struct world *w = world_open(NULL);
    unsigned before = 0;
    int fds[4];

    (void)state;
    send_heavy(w, fds, 4);
    for (unsigned i = 0; i < TURNS_MAX && w->heavy_n < 16; i++) {
        turn(&w->net);
        assert_true(w->heavy_n - before <= 2); /* of those that waited, and of those that have just come */
        before = w->heavy_n;
    }
    assert_int_equal(w->heavy_n, 16);
    for (unsigned i = 0; i < 4; i++) {
        hear_until(&w->net, fds[i], "\r\n\r\n");
        assert_int_equal(count_of(reply.text, "HTTP/1.1 200 OK"), 4);
        (void)close(fds[i]);
    }
    world_close(w);
}

static void who_waits_for_his_turn_may_leave_or_be_late(void **state)
{
    const struct slk_http_limits limits = {.answer_ms = 20};
    struct world *w = world_open(&limits);
    const struct slk_http_stats *stats = slk_http_server_stats(w->net.server);
    int fds[6];

    (void)state;
    send_heavy(w, fds, 6);
    for (unsigned i = 0; i < TURNS_MAX && w->heavy_n == 0; i++)
        turn(&w->net);
    (void)close(fds[5]);
    for (unsigned i = 0; i < TURNS_MAX && w->heavy_n + stats->reasons[SLK_HTTP_ANSWER_SLOW] < 20; i++)
        turn(&w->net);
    assert_true(stats->reasons[SLK_HTTP_ANSWER_SLOW] > 0);
    for (unsigned i = 0; i < 5; i++)
        (void)close(fds[i]);
    for (unsigned i = 0; i < 20; i++)
        turn(&w->net);
    assert_int_equal(slk_http_server_stats(w->net.server)->open, 0);
    world_close(w);
}

static void a_server_stops_while_requests_wait_for_their_turn(void **state)
{
    const struct slk_http_limits limits = {.drain_ms = 15};
    struct world *w = world_open(&limits);
    int fds[6];

    (void)state;
    send_heavy(w, fds, 6);
    for (unsigned i = 0; i < TURNS_MAX && w->heavy_n == 0; i++)
        turn(&w->net);
    world_close(w); /* nobody is called when it is gone */
    for (unsigned i = 0; i < 6; i++)
        (void)close(fds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_kernel_did_not_take_is_kept_as_it_was),
        cmocka_unit_test(pieces_answer_head_and_who_comes_again),
        cmocka_unit_test(who_never_reads_holds_what_is_left_and_not_for_long),
        cmocka_unit_test(many_requests_at_once_keep_nobody_waiting),
        cmocka_unit_test(no_request_is_handled_inside_another_ones_late_answer),
        cmocka_unit_test(costly_requests_do_not_keep_the_loop),
        cmocka_unit_test(who_waits_for_his_turn_may_leave_or_be_late),
        cmocka_unit_test(a_server_stops_while_requests_wait_for_their_turn),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
