/* fuzz_http.c: bytes of a connection: read whole and byte by byte they are the same requests, or the same refusal. */
#include "net/http.h"

#include "tests/fuzz/fuzz.h"

#define BODY_MAX 1000u

static size_t read_one(struct slk_http_parser *p, const uint8_t *at, size_t size, size_t step)
{
    size_t taken = 0;

    slk_http_parser_init(p);
    while (taken < size && p->phase != SLK_HTTP_DONE && p->phase != SLK_HTTP_REFUSED) {
        size_t n = size - taken < step ? size - taken : step;

        taken += slk_http_feed(p, at + taken, n);
        if (p->phase == SLK_HTTP_HEADED)
            slk_http_accept(p, BODY_MAX);
    }
    return taken;
}

static void check_request(const struct slk_http_parser *p)
{
    struct slk_span path = slk_http_piece(p, p->path), value, accept = {0};

    FUZZ_CHECK(path.size > 0 && path.at[0] == '/' && path.size <= SLK_HTTP_TARGET_MAX);
    FUZZ_CHECK(memchr(path.at, ' ', path.size) == NULL && memchr(path.at, '?', path.size) == NULL);
    FUZZ_CHECK(p->fields_n <= SLK_HTTP_FIELDS_MAX && p->head_size <= SLK_HTTP_HEAD_MAX);
    FUZZ_CHECK(p->body_size <= BODY_MAX && (p->method == SLK_HTTP_POST || p->body_size == 0));
    FUZZ_CHECK(p->chunked || p->body_size == p->length);
    for (size_t i = 0; i < p->head_size; i++)
        FUZZ_CHECK((p->head[i] == '\n') == (i > 0 && p->head[i - 1] == '\r'));
    FUZZ_CHECK(p->minor_0 || slk_http_field(p, "host", &value));
    (void)slk_http_field(p, "accept", &accept);
    FUZZ_CHECK(slk_http_accepts(accept, "text/plain") <= 1000);
    (void)slk_http_query(p, "wait", &value);
}

static void check_same(const struct slk_http_parser *a, const struct slk_http_parser *b)
{
    FUZZ_CHECK(a->phase == b->phase && a->reason == b->reason && a->method == b->method);
    FUZZ_CHECK(a->keep_alive == b->keep_alive && a->chunked == b->chunked && a->length == b->length);
    FUZZ_CHECK(a->head_size == b->head_size && a->fields_n == b->fields_n && a->body_size == b->body_size);
    FUZZ_CHECK(a->head_size == 0 || memcmp(a->head, b->head, a->head_size) == 0);
    FUZZ_CHECK(a->body_size == 0 || memcmp(a->body, b->body, a->body_size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *exact = fuzz_exact(data, size);
    size_t at = 0;
    bool more = true;

    while (more && at < size) {
        struct slk_http_parser whole, bytes;
        size_t taken = read_one(&whole, exact + at, size - at, size);

        FUZZ_CHECK(taken <= size - at && taken > 0);
        FUZZ_CHECK(read_one(&bytes, exact + at, size - at, 1) == taken);
        check_same(&whole, &bytes);
        FUZZ_CHECK(whole.phase != SLK_HTTP_HEADED);
        FUZZ_CHECK((whole.phase == SLK_HTTP_REFUSED) == (whole.reason != SLK_HTTP_NONE));
        FUZZ_CHECK(whole.phase == SLK_HTTP_DONE || whole.phase == SLK_HTTP_REFUSED || taken == size - at);
        if (whole.phase == SLK_HTTP_DONE)
            check_request(&whole);
        more = whole.phase == SLK_HTTP_DONE;
        at += taken;
        slk_http_parser_free(&whole);
        slk_http_parser_free(&bytes);
    }
    free(exact);
    return 0;
}
