/* api_page.c: the explorer, one page that checks what it shows (tools/explorer). A build without clang and lld has none. */
#include <string.h>

#include "net/api_private.h"

#ifdef SLK_HAS_PAGE
#include "net/api_page_gzip.h"
#include "net/api_page_html.h"
#else
static const unsigned char slk_page_html[] = {0}, slk_page_gzip[] = {0};
#endif

/* What the page may do stands in the page itself, with hashes of its script and style. */
#define GUARD                                                                                                \
    "Cache-Control: no-cache\r\nVary: Accept-Encoding\r\nX-Content-Type-Options: nosniff\r\n"                \
    "Content-Security-Policy: frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\n"

void slk_api_page(void *ctx, struct slk_http_exchange *x)
{
    static const struct api_reply packed = {200, GUARD "Content-Encoding: gzip\r\n"}, plain = {200, GUARD};
    static const char type[] = "text/html; charset=utf-8";
    struct slk_span accept = {0};

    (void)ctx;
    if (sizeof(slk_page_html) == 1)
        slk_http_refuse(x, SLK_HTTP_NOT_FOUND, "this node was built without the page: install clang and lld, and build again");
    else if (slk_http_field(slk_http_request(x), "accept-encoding", &accept) && slk_http_takes_coding(accept, "gzip"))
        slk_api_reply_bytes(x, &packed, type, slk_span_of(slk_page_gzip, sizeof(slk_page_gzip)), NULL);
    else
        slk_api_reply_bytes(x, &plain, type, slk_span_of(slk_page_html, sizeof(slk_page_html)), NULL);
}
