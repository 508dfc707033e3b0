/* witness_http.h: asking outside witnesses over HTTP: a thread of its own, so that neither a name that does not resolve nor a handshake that
 * drips holds up the node. With tools/http_client.c one of the two files of this project that know libcurl.
 *
 * POST to URL/add-checkpoint, over http and https alone, no redirection followed, no proxy of the environment used, no name and password
 * sent. An answer has SLK_WITNESS_ANSWER_MAX bytes and `timeout_ms` from the first to its last.
 */
#ifndef SLK_NET_WITNESS_HTTP_H
#define SLK_NET_WITNESS_HTTP_H

#include "net/witness.h"

struct slk_witness_http;

struct slk_witness_http_options {
    uint32_t timeout_ms;
    const char *ca_file; /* who vouches for https witnesses; NULL: the system's authorities */
    /* From the thread, when an answer is there. */
    void (*wake)(void *ctx);
    void *ctx;
};
/* SLK_OK, SLK_E_NOMEM, SLK_E_IO: no libcurl that can do this, or no such ca_file. */
SLK_MUST_CHECK enum slk_err slk_witness_http_new(
    struct slk_witness_http **out, const struct slk_witness_http_options *options, struct slk_fault *fault);
/* Copies the body and the address. One question at a time to witness i < SLK_WITNESSES_MAX: false: one is under way, or no memory. */
bool slk_witness_http_ask(struct slk_witness_http *http, size_t i, const char *url, struct slk_span body);
/* An answer that is there: of witness *i; `body` is answer->body's memory, to be freed. False: none. */
bool slk_witness_http_take(
    struct slk_witness_http *http, size_t *i, struct slk_witness_answer *answer, uint8_t **body);
void slk_witness_http_hush(struct slk_witness_http *http); /* it wakes nobody any more */
/* False: the thread waits for something that cannot be broken off (a name being resolved): nothing was freed. NULL is fine. */
bool slk_witness_http_free(struct slk_witness_http *http);

#endif
