/* test_http_url.c: where a node is, as users write it, and how long a busy one asks to be left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "tools/http_client.h"

static void urls_are_taken_apart(void **state)
{
    static const struct {
        const char *text, *name, *base, *socket;
    } good[] = {
        {"http://127.0.0.1:8101", "http://127.0.0.1:8101", "http://127.0.0.1:8101", ""},
        {"http://[::1]:80/", "http://[::1]:80", "http://[::1]:80", ""},
        {"https://node.example/sillok//", "https://node.example/sillok", "https://node.example/sillok", ""},
        {"unix:/run/sillok/http.sock", "unix:/run/sillok/http.sock", "http://localhost",
            "/run/sillok/http.sock"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct slk_fault fault = {0};
        struct http_url url;

        assert_true(http_url_parse(&url, good[i].text, &fault));
        assert_string_equal(url.name, good[i].name);
        assert_string_equal(url.base, good[i].base);
        assert_string_equal(url.socket, good[i].socket);
    }
}

static void what_is_no_url_of_a_node_is_refused_with_a_reason(void **state)
{
    static const char *const bad[] = {"", "127.0.0.1:8101", "ftp://host", "http://", "http://:80",
        "http:///x", "HTTP://host", "http://user:word@host", "http://host/?a", "http://host#a",
        "http://ho st", "http://host/\n", "unix:", "unix:run/x", "file:///etc/passwd", "http://h\xc3\xa9"};
    char longest[HTTP_URL_MAX + 2];
    struct slk_fault fault;
    struct http_url url;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fault = (struct slk_fault){0};
        assert_false(http_url_parse(&url, bad[i], &fault));
        assert_non_null(strstr(fault.text, ": "));
    }
    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "unix:/", 6);
    longest[5 + 108] = '\0';
    assert_false(http_url_parse(&url, longest, &fault));
    longest[5 + 107] = '\0';
    assert_true(http_url_parse(&url, longest, &fault));
    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "http://", 7);
    longest[HTTP_URL_MAX] = '\0';
    assert_false(http_url_parse(&url, longest, &fault));
    longest[HTTP_URL_MAX - 1] = '\0';
    assert_true(http_url_parse(&url, longest, &fault));
}

static void a_busy_node_is_believed_within_bounds(void **state)
{
    (void)state;
    assert_int_equal(http_retry_after(" 3\r\n", 4, 30), 3);
    assert_int_equal(http_retry_after("0", 1, 30), 0);
    assert_int_equal(http_retry_after("86400", 5, 30), 30);
    assert_int_equal(http_retry_after("99999999999999999999999", 23, 30), 1);
    assert_int_equal(http_retry_after("Wed, 21 Oct 2026 07:28:00 GMT", 29, 30), 1);
    assert_int_equal(http_retry_after("", 0, 30), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_taken_apart),
        cmocka_unit_test(what_is_no_url_of_a_node_is_refused_with_a_reason),
        cmocka_unit_test(a_busy_node_is_believed_within_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
