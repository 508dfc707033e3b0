/* test_http.c: what is a request and what is refused, byte by byte and at once, without sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/http.h"

#define BODY_MAX 100u
#define HOST     "Host: a\r\n"

/* Feeds a request in pieces of `step` bytes; *taken: how many of them it took. */
static void read_in(struct slk_http_parser *p, const char *text, size_t size, size_t step, size_t *taken)
{
    size_t at = 0;

    slk_http_parser_init(p);
    while (at < size && p->phase != SLK_HTTP_DONE && p->phase != SLK_HTTP_REFUSED) {
        size_t n = size - at < step ? size - at : step;
        uint8_t *exact = malloc(n); /* a read beyond the piece is seen by ASan */

        assert_non_null(exact);
        memcpy(exact, text + at, n);
        at += slk_http_feed(p, exact, n);
        free(exact);
        if (p->phase == SLK_HTTP_HEADED)
            slk_http_accept(p, BODY_MAX);
    }
    *taken = at;
}

/* The same in pieces of every size up to 40, and whole. */
static void assert_refused(const char *text, enum slk_http_reason reason)
{
    struct slk_http_parser p;
    size_t size = strlen(text), taken;

    for (size_t step = 1; step <= size; step += step < 40 ? 1 : size) {
        read_in(&p, text, size, step, &taken);
        if (p.phase != SLK_HTTP_REFUSED || p.reason != reason)
            print_message("%s: phase %d, %s\n", text, (int)p.phase, slk_http_reason_name(p.reason));
        assert_int_equal(p.phase, SLK_HTTP_REFUSED);
        assert_int_equal(p.reason, reason);
        slk_http_parser_free(&p);
    }
}

static void assert_taken(const char *text, const char *body, const char *rest)
{
    struct slk_http_parser p;
    size_t size = strlen(text), taken;

    for (size_t step = 1; step <= size; step += step < 40 ? 1 : size) {
        read_in(&p, text, size, step, &taken);
        if (p.phase != SLK_HTTP_DONE)
            print_message("%s: phase %d, %s\n", text, (int)p.phase, slk_http_reason_name(p.reason));
        assert_int_equal(p.phase, SLK_HTTP_DONE);
        assert_int_equal(p.body_size, strlen(body));
        if (p.body_size > 0)
            assert_memory_equal(p.body, body, p.body_size);
        assert_string_equal(text + taken, rest);
        slk_http_parser_free(&p);
    }
}

static void assert_piece(const struct slk_http_parser *p, struct slk_http_piece piece, const char *text)
{
    struct slk_span span = slk_http_piece(p, piece);

    assert_int_equal(span.size, strlen(text));
    if (span.size > 0)
        assert_memory_equal(span.at, text, span.size);
}

static void a_get_is_taken_apart(void **state)
{
    const char *text =
        "GET /v1/map/3f?a=1&wait=safe&b HTTP/1.1\r\nHost: node.example:80\r\nACCEPT:\t text/plain \r\n\r\n";
    struct slk_http_parser p;
    struct slk_span value;
    size_t taken;

    (void)state;
    read_in(&p, text, strlen(text), 7, &taken);
    assert_int_equal(p.phase, SLK_HTTP_DONE);
    assert_int_equal(taken, strlen(text));
    assert_int_equal(p.method, SLK_HTTP_GET);
    assert_true(p.keep_alive);
    assert_piece(&p, p.path, "/v1/map/3f");
    assert_piece(&p, p.query, "a=1&wait=safe&b");
    assert_true(slk_http_query(&p, "wait", &value));
    assert_true(slk_span_equal(value, slk_span_of("safe", 4)));
    assert_true(slk_http_query(&p, "b", &value));
    assert_int_equal(value.size, 0);
    assert_false(slk_http_query(&p, "c", &value));
    assert_false(slk_http_query(&p, "wai", &value));
    assert_true(slk_http_field(&p, "accept", &value));
    assert_true(slk_span_equal(value, slk_span_of("text/plain", 10)));
    assert_false(slk_http_field(&p, "accep", &value));
    slk_http_parser_free(&p);
}

static void bodies_come_by_length_or_in_chunks(void **state)
{
    (void)state;
    assert_taken("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", "hello", "");
    assert_taken("POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "", "");
    assert_taken("POST / HTTP/1.1\r\n" HOST
                 "transfer-encoding: Chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
        "hello", "");
    assert_taken("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", "");
    assert_taken("POST / HTTP/1.1\r\n" HOST
                 "Transfer-Encoding: chunked\r\n\r\n0000000A\r\n0123456789\r\n0\r\n\r\n",
        "0123456789", "");
}

static void what_follows_a_request_is_left_alone(void **state)
{
    struct slk_http_parser p;
    size_t taken;
    const char *two = "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhiGET / HTTP/1.1\r\n";
    const char *chunked =
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nGET";

    (void)state;
    read_in(&p, two, strlen(two), 1000, &taken);
    assert_int_equal(p.phase, SLK_HTTP_DONE);
    assert_string_equal(two + taken, "GET / HTTP/1.1\r\n");
    assert_int_equal(slk_http_feed(&p, (const uint8_t *)"x", 1), 0);
    slk_http_parser_free(&p);
    read_in(&p, chunked, strlen(chunked), 1000, &taken);
    assert_int_equal(p.phase, SLK_HTTP_DONE);
    assert_string_equal(chunked + taken, "GET");
    slk_http_parser_free(&p);
}

static void first_lines_are_strict(void **state)
{
    (void)state;
    assert_refused("\r\nGET / HTTP/1.1\r\n" HOST "\r\n", SLK_HTTP_LINE);
    assert_refused("GET  / HTTP/1.1\r\n", SLK_HTTP_LINE);
    assert_refused("GET /\r\n", SLK_HTTP_LINE);
    assert_refused("GET / HTTP/1.1 \r\n", SLK_HTTP_LINE);
    assert_refused("GET / http/1.1\r\n", SLK_HTTP_LINE);
    assert_refused(" GET / HTTP/1.1\r\n", SLK_HTTP_LINE);
    assert_refused("G(T / HTTP/1.1\r\n", SLK_HTTP_LINE);
    assert_refused("GET / HTTP/1.10\r\n", SLK_HTTP_LINE);
    assert_refused("GET / HTTP/2.0\r\n", SLK_HTTP_VERSION);
    assert_refused("GET / HTTP/0.9\r\n", SLK_HTTP_VERSION);
    assert_refused("GET / HTTP/1.2\r\n", SLK_HTTP_VERSION);
    assert_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", SLK_HTTP_VERSION);
    assert_refused("get / HTTP/1.1\r\n", SLK_HTTP_METHOD_UNKNOWN);
    assert_refused("OPTIONS * HTTP/1.1\r\n", SLK_HTTP_METHOD_UNKNOWN);
    assert_refused("CONNECT a:80 HTTP/1.1\r\n", SLK_HTTP_METHOD_UNKNOWN);
    assert_refused("TRACE / HTTP/1.1\r\n", SLK_HTTP_METHOD_UNKNOWN);
    assert_refused("DELETE / HTTP/1.1\r\n", SLK_HTTP_METHOD_UNKNOWN);
    assert_refused("GET http://a/ HTTP/1.1\r\n", SLK_HTTP_TARGET);
    assert_refused("GET * HTTP/1.1\r\n", SLK_HTTP_TARGET);
    assert_refused("GET /a#b HTTP/1.1\r\n", SLK_HTTP_TARGET);
    assert_refused("GET /a\\b HTTP/1.1\r\n", SLK_HTTP_TARGET);
    assert_refused("GET /a\tb HTTP/1.1\r\n", SLK_HTTP_TARGET);
}

static void only_cr_lf_ends_a_line(void **state)
{
    (void)state;
    assert_refused("GET / HTTP/1.1\nHost: a\n\n", SLK_HTTP_BYTE);
    assert_refused("GET / HTTP/1.1\r\nHost: a\n", SLK_HTTP_BYTE);
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\n\n", SLK_HTTP_BYTE);
    assert_refused("GET / HTTP/1.1\rHost: a\r", SLK_HTTP_BYTE);
    assert_refused("GET / HTTP/1.1\r\r\n", SLK_HTTP_BYTE);
    assert_refused("\n", SLK_HTTP_BYTE);
    assert_refused("GET /\x01 HTTP/1.1\r\n", SLK_HTTP_BYTE);
    assert_refused("GET /\x7f HTTP/1.1\r\n", SLK_HTTP_BYTE);
    assert_refused("GET /\xc3\xa4 HTTP/1.1\r\n", SLK_HTTP_BYTE);
    assert_refused("\x16\x03\x01\x02", SLK_HTTP_BYTE); /* a TLS ClientHello */
}

static void fields_are_strict(void **state)
{
    (void)state;
    assert_refused("GET / HTTP/1.1\r\nHost : a\r\n", SLK_HTTP_FIELD);
    assert_refused("GET / HTTP/1.1\r\nHost\r\n", SLK_HTTP_FIELD);
    assert_refused("GET / HTTP/1.1\r\n: a\r\n", SLK_HTTP_FIELD);
    assert_refused("GET / HTTP/1.1\r\nHo st: a\r\n", SLK_HTTP_FIELD);
    assert_refused("GET / HTTP/1.1\r\nHo\"st: a\r\n", SLK_HTTP_FIELD);
    assert_refused("GET / HTTP/1.1\r\n" HOST " b\r\n", SLK_HTTP_FOLD);
    assert_refused("GET / HTTP/1.1\r\n" HOST "\tb: c\r\n", SLK_HTTP_FOLD);
    assert_refused("GET / HTTP/1.1\r\n Host: a\r\n\r\n", SLK_HTTP_FOLD);
}

static void there_is_one_host(void **state)
{
    (void)state;
    assert_refused("GET / HTTP/1.1\r\n\r\n", SLK_HTTP_HOST);
    assert_refused("GET / HTTP/1.1\r\n" HOST HOST "\r\n", SLK_HTTP_HOST);
    assert_refused("GET / HTTP/1.1\r\n" HOST "hOST: b\r\n\r\n", SLK_HTTP_HOST);
    assert_refused("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", SLK_HTTP_HOST);
    assert_refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", SLK_HTTP_HOST);
    assert_refused("GET / HTTP/1.0\r\n" HOST HOST "\r\n", SLK_HTTP_HOST);
    assert_taken("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", "", "");
    assert_taken("GET / HTTP/1.1\r\nHost:\r\n\r\n", "", "");
    assert_taken("GET / HTTP/1.0\r\n\r\n", "", "");
}

static void forms_of_smuggling_are_refused(void **state)
{
#define POST "POST / HTTP/1.1\r\n" HOST
    (void)state;
    assert_refused(POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", SLK_HTTP_FRAMING);
    assert_refused(POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", SLK_HTTP_FRAMING);
    assert_refused(POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", SLK_HTTP_FRAMING);
    assert_refused(POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", SLK_HTTP_FRAMING);
    assert_refused(POST "Content-Length: 3, 3\r\n\r\n", SLK_HTTP_FRAMING);
    assert_refused(POST "Content-Length: +3\r\n\r\n", SLK_HTTP_FRAMING);
    assert_refused(POST "Content-Length: -3\r\n\r\n", SLK_HTTP_FRAMING);
    assert_refused(POST "Content-Length: 03\r\n\r\n", SLK_HTTP_FRAMING);
    assert_refused(POST "Content-Length: 0x3\r\n\r\n", SLK_HTTP_FRAMING);
    assert_refused(POST "Content-Length: 3 \t3\r\n\r\n", SLK_HTTP_FRAMING);
    assert_refused(POST "Content-Length:\r\n\r\n", SLK_HTTP_FRAMING);
    assert_refused(POST "Content-Length: 18446744073709551616\r\n\r\n", SLK_HTTP_FRAMING);
    assert_refused(POST "Content-Length: 18446744073709551615\r\n\r\n", SLK_HTTP_BODY_SIZE);
    assert_refused(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", SLK_HTTP_FRAMING);
    assert_refused(POST "Transfer-Encoding: xchunked\r\n\r\n", SLK_HTTP_CODING);
    assert_refused(POST "Transfer-Encoding: identity\r\n\r\n", SLK_HTTP_CODING);
    assert_refused(POST "Transfer-Encoding: gzip, chunked\r\n\r\n", SLK_HTTP_CODING);
    assert_refused(POST "Transfer-Encoding: chunked, identity\r\n\r\n", SLK_HTTP_CODING);
    assert_refused(POST "Transfer-Encoding: \"chunked\"\r\n\r\n", SLK_HTTP_CODING);
    assert_refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", SLK_HTTP_FRAMING);
    assert_refused("GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", SLK_HTTP_BODY_ON_GET);
    assert_refused("GET / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n", SLK_HTTP_BODY_ON_GET);
    assert_refused("HEAD / HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n", SLK_HTTP_BODY_ON_GET);
    assert_taken("GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "", "");
    assert_refused(POST "\r\n", SLK_HTTP_LENGTH);
#undef POST
}

static void chunks_are_strict(void **state)
{
#define CHUNKED "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
    (void)state;
    assert_refused(CHUNKED "3;a=b\r\nhel\r\n", SLK_HTTP_CHUNK);
    assert_refused(CHUNKED "3 \r\nhel\r\n", SLK_HTTP_CHUNK);
    assert_refused(CHUNKED " 3\r\nhel\r\n", SLK_HTTP_CHUNK);
    assert_refused(CHUNKED "+3\r\nhel\r\n", SLK_HTTP_CHUNK);
    assert_refused(CHUNKED "0x3\r\nhel\r\n", SLK_HTTP_CHUNK);
    assert_refused(CHUNKED "3\nhel\r\n", SLK_HTTP_CHUNK);
    assert_refused(CHUNKED "3\r\nhelx\r\n", SLK_HTTP_CHUNK);
    assert_refused(CHUNKED "3\r\nhel\n", SLK_HTTP_CHUNK);
    assert_refused(CHUNKED "3\r\nhel\r\r\n", SLK_HTTP_CHUNK);
    assert_refused(CHUNKED "\r\n", SLK_HTTP_CHUNK);
    assert_refused(CHUNKED "0\r\nX: y\r\n\r\n", SLK_HTTP_CHUNK);
    assert_refused(CHUNKED "0\r\n\n", SLK_HTTP_CHUNK);
    assert_refused(CHUNKED "000000003\r\nhel\r\n", SLK_HTTP_CHUNK);
    assert_refused(CHUNKED "g\r\n", SLK_HTTP_CHUNK);
    assert_refused(CHUNKED "ffffffff\r\n", SLK_HTTP_BODY_SIZE);
    assert_refused(CHUNKED "65\r\n", SLK_HTTP_BODY_SIZE); /* 101 */
    assert_refused(CHUNKED "3\r\nhel\r\n62\r\n", SLK_HTTP_BODY_SIZE);
#undef CHUNKED
}

static void sizes_are_bounded(void **state)
{
    static char text[4 * SLK_HTTP_HEAD_MAX];
    size_t n;

    (void)state;
    assert_refused("POST / HTTP/1.1\r\n" HOST "Content-Length: 101\r\n\r\n", SLK_HTTP_BODY_SIZE);
    /* A target of exactly the limit, and one byte more. */
    for (size_t extra = 0; extra < 2; extra++) {
        n = (size_t)snprintf(text, sizeof(text), "GET /");
        memset(text + n, 'a', SLK_HTTP_TARGET_MAX - 1 + extra);
        n += SLK_HTTP_TARGET_MAX - 1 + extra;
        snprintf(text + n, sizeof(text) - n, " HTTP/1.1\r\n" HOST "\r\n");
        if (extra == 0)
            assert_taken(text, "", "");
        else
            assert_refused(text, SLK_HTTP_TARGET_SIZE);
    }
    memset(text, 'a', SLK_HTTP_HEAD_MAX);
    text[SLK_HTTP_HEAD_MAX] = '\0';
    assert_refused(text, SLK_HTTP_TARGET_SIZE); /* a first line without an end */
    for (size_t size = SLK_HTTP_HEAD_MAX; size <= SLK_HTTP_HEAD_MAX + 1; size++) {
        n = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" HOST "X: ");
        memset(text + n, 'x', size - n - 4);
        snprintf(text + size - 4, 5, "\r\n\r\n");
        if (size == SLK_HTTP_HEAD_MAX)
            assert_taken(text, "", "");
        else
            assert_refused(text, SLK_HTTP_FIELDS_SIZE);
    }
    for (size_t fields = SLK_HTTP_FIELDS_MAX; fields <= SLK_HTTP_FIELDS_MAX + 1; fields++) {
        n = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n" HOST);
        for (size_t i = 1; i < fields; i++)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "X: y\r\n");
        snprintf(text + n, sizeof(text) - n, "\r\n");
        if (fields == SLK_HTTP_FIELDS_MAX)
            assert_taken(text, "", "");
        else
            assert_refused(text, SLK_HTTP_FIELDS_COUNT);
    }
}

static void connections_stay_when_both_want(void **state)
{
    static const struct {
        const char *text;
        bool keep;
    } cases[] = {{"GET / HTTP/1.1\r\n" HOST "\r\n", true}, {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: x, Close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: x\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: closed\r\n\r\n", true},
        {"GET / HTTP/1.1\r\n" HOST "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n", true}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slk_http_parser p;
        size_t taken;

        read_in(&p, cases[i].text, strlen(cases[i].text), 1, &taken);
        assert_int_equal(p.phase, SLK_HTTP_DONE);
        assert_int_equal(p.keep_alive, cases[i].keep);
        slk_http_parser_free(&p);
    }
}

static void an_expectation_is_100_continue(void **state)
{
    struct slk_http_parser p;
    size_t taken;
    const char *text = "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nExpect: 100-Continue\r\n\r\n";

    (void)state;
    read_in(&p, text, strlen(text), 1, &taken);
    assert_int_equal(p.phase, SLK_HTTP_IN_BODY);
    assert_true(p.wants_continue);
    slk_http_parser_free(&p);
    assert_refused("POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nExpect: more\r\n\r\n", SLK_HTTP_EXPECT);
    assert_refused("POST / HTTP/1.1\r\n" HOST
                   "Content-Length: 1\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n\r\n",
        SLK_HTTP_EXPECT);
}

static unsigned accepts(const char *accept, const char *type)
{
    return slk_http_accepts(slk_span_of(accept, strlen(accept)), type);
}

static void the_closest_range_of_accept_counts(void **state)
{
    (void)state;
    assert_int_equal(accepts("", "text/plain"), 1000);
    assert_int_equal(accepts("*/*", "text/plain"), 1000);
    assert_int_equal(accepts("application/json", "text/plain"), 0);
    assert_int_equal(accepts("text/*;q=0.5, application/json", "text/plain"), 500);
    assert_int_equal(accepts("text/*;q=0.5, TEXT/plain ; q=0.25", "text/plain"), 250);
    assert_int_equal(accepts("text/plain;q=0", "text/plain"), 0);
    assert_int_equal(accepts("*/*;q=0.1,text/plain;charset=utf-8;q=1.000", "text/plain"), 1000);
    assert_int_equal(accepts("text/plain;q=1.5", "text/plain"), 1000);
    assert_int_equal(accepts("text/plain;q=x", "text/plain"), 0);
    assert_int_equal(accepts(",,;;", "text/plain"), 0);
    assert_true(slk_http_media_is(slk_span_of("Application/JSON; charset=utf-8", 31), "application/json"));
    assert_false(slk_http_media_is(slk_span_of("application/jsonx", 17), "application/json"));
}

static void dates_are_those_of_the_standard(void **state)
{
    char date[SLK_HTTP_DATE_SIZE];

    (void)state;
    slk_http_format_date(date, 784111777);
    assert_string_equal(date, "Sun, 06 Nov 1994 08:49:37 GMT"); /* RFC 9110 §5.6.7 */
    slk_http_format_date(date, 0);
    assert_string_equal(date, "Thu, 01 Jan 1970 00:00:00 GMT");
    slk_http_format_date(date, 1709210096);
    assert_string_equal(date, "Thu, 29 Feb 2024 12:34:56 GMT");
    slk_http_format_date(date, 1735689599);
    assert_string_equal(date, "Tue, 31 Dec 2024 23:59:59 GMT");
}

static void an_answer_begins_with_its_head(void **state)
{
    struct slk_http_answer_head head = {
        .status = 405, .type = "a/b", .fields = "Allow: POST\r\n", .date = "D", .length = 7, .close = true};
    char out[300];
    size_t n = slk_http_format_head(out, sizeof(out), &head);

    (void)state;
    assert_true(n > 0 && n < sizeof(out));
    out[n] = '\0';
    assert_string_equal(out,
        "HTTP/1.1 405 Method Not Allowed\r\nDate: D\r\nContent-Type: a/b\r\nContent-Length: 7\r\n"
        "Connection: close\r\nX-Content-Type-Options: nosniff\r\nAllow: POST\r\n\r\n");
    for (size_t cap = 0; cap < n; cap++)
        assert_int_equal(slk_http_format_head(out, cap, &head), 0);
    assert_int_equal(slk_http_format_head(out, n, &head), n);
    head.status = 304; /* has no length; and a stream's answer neither */
    head.type = head.fields = NULL;
    head.close = false;
    n = slk_http_format_head(out, sizeof(out), &head);
    out[n] = '\0';
    assert_string_equal(
        out, "HTTP/1.1 304 Not Modified\r\nDate: D\r\nX-Content-Type-Options: nosniff\r\n\r\n");
    head.status = 200;
    head.until_close = true;
    n = slk_http_format_head(out, sizeof(out), &head);
    out[n] = '\0';
    assert_string_equal(out, "HTTP/1.1 200 OK\r\nDate: D\r\nX-Content-Type-Options: nosniff\r\n\r\n");
}

static void every_reason_has_words(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SLK_HTTP_REASON_N; i++) {
        enum slk_http_reason reason = (enum slk_http_reason)i;
        unsigned status = slk_http_reason_status(reason);

        assert_true(strlen(slk_http_reason_name(reason)) > 1 && strlen(slk_http_reason_text(reason)) > 3);
        assert_true(status == 0 || (status >= 400 && status <= 599));
        if (status != 0)
            assert_string_not_equal(slk_http_status_text(status), "Unknown");
    }
    assert_string_equal(slk_http_reason_name(SLK_HTTP_REASON_N), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_get_is_taken_apart),
        cmocka_unit_test(bodies_come_by_length_or_in_chunks),
        cmocka_unit_test(what_follows_a_request_is_left_alone),
        cmocka_unit_test(first_lines_are_strict),
        cmocka_unit_test(only_cr_lf_ends_a_line),
        cmocka_unit_test(fields_are_strict),
        cmocka_unit_test(there_is_one_host),
        cmocka_unit_test(forms_of_smuggling_are_refused),
        cmocka_unit_test(chunks_are_strict),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(connections_stay_when_both_want),
        cmocka_unit_test(an_expectation_is_100_continue),
        cmocka_unit_test(the_closest_range_of_accept_counts),
        cmocka_unit_test(dates_are_those_of_the_standard),
        cmocka_unit_test(an_answer_begins_with_its_head),
        cmocka_unit_test(every_reason_has_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
