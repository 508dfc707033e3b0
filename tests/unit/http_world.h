/* http_world.h: a server with a few routes, on one loop with its clients (http_client.h): what the tests of the server share. */
#ifndef SLK_TESTS_HTTP_WORLD_H
#define SLK_TESTS_HTTP_WORLD_H

#include "tests/unit/http_client.h"

#define HOST "Host: a\r\n"
#define BIG  ((size_t)8 << 20) /* of the answer to "/big" */

struct world {
    struct http_net net;
    struct slk_http_exchange *kept[4]; /* of "/later" and "/late": to be answered by the test */
    size_t kept_n;
    struct slk_http_exchange *streams[4];
    size_t streams_n, gone_n;
    unsigned late_n, handled_n;
};

#define HTTP_WORLD_ROUTES 10
extern const struct slk_http_route routes[HTTP_WORLD_ROUTES];

/* cmocka's assertions look after both. `limits` may be NULL. */
struct world *world_open(const struct slk_http_limits *limits);
void world_close(struct world *w);
uint64_t counted(const struct world *w, enum slk_http_reason reason);
void answer_text(struct slk_http_exchange *x, const char *text);
/* Asks for "/later" or "/late", and waits until the handler has it. */
void keep_one(struct world *w, int fd, const char *path);

#endif
