/* http_client.h: clients of an HTTP server on the same loop: plain sockets, so that they can send what no library would. */
#ifndef SLK_TESTS_HTTP_CLIENT_H
#define SLK_TESTS_HTTP_CLIENT_H

#include <uv.h>

#include "net/serve.h"

#define TURNS_MAX 20000 /* of the loop, a millisecond each at most: then what is waited for does not come */
#define TURN_MS   12
#define REPLY_MAX ((size_t)1 << 22)

struct http_net {
    uv_loop_t loop;
    struct slk_http_server *server;
    void (*each)(void *ctx); /* after every turn of the loop; may be NULL */
    void *ctx;
    bool stopped;
};
/* A server that listens, on a loop of its own; `options` say the rest, and the tick is short. */
void http_net_open(struct http_net *net, const struct slk_http_options *options);
void is_stopped(void *net); /* for slk_http_server_stop */
/* Stops the server, and waits for it; then, what it serves may be freed. */
void http_net_stop(struct http_net *net);
void http_net_free(struct http_net *net); /* nothing is left in the loop */
/* Turns the loop once. To the server a turn lasts TURN_MS at most: a machine that stands still is not a client that stalls. */
void turn(struct http_net *net);
void wait_turn(struct http_net *net); /* and a millisecond's sleep */

int dial(struct http_net *net);
/* Whom the server takes clients for that ask for a stream from now on: an IPv4 or IPv6 address; NULL: whom they are. */
void come_from(const char *address);
/* Sends all of it, the loop turning meanwhile. False: the server closed the connection. */
bool say_bytes(struct http_net *net, int fd, const char *text, size_t size);
void say(struct http_net *net, int fd, const char *text);

/* What was heard last. */
struct reply {
    char text[REPLY_MAX];
    size_t size;
    bool ended;
};
extern struct reply reply;

/* Adds what is there to the reply; false: the connection has ended. */
bool take(int fd);
/* A new reply, until it holds this text; NULL: until the connection ends. Fails when neither comes. */
void hear_until(struct http_net *net, int fd, const char *text);
/* Until the end; closes it. */
void hear_end(struct http_net *net, int fd);
void assert_status(const char *status); /* of the reply's first answer */
size_t count_of(const char *text, const char *what);

#endif
