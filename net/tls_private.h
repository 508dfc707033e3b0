/* tls_private.h: the inside of tls.h: tls.c has the mesh's rules and every connection, tls_web.c the rules for clients. */
#ifndef SLK_NET_TLS_PRIVATE_H
#define SLK_NET_TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "net/tls.h"

struct slk_tls_web;

struct slk_tls_context {
    unsigned users; /* whoever made it, and the connections */
    SSL_CTX *ssl;
    slk_tls_pin_fn *pin;
    void *ctx;
    struct slk_tls_web *web; /* NULL: between nodes */
};

struct slk_tls {
    struct slk_tls_context *context;
    SSL *ssl;
    BIO *in, *out; /* owned by `ssl` */
    bool dials, has_expected, has_key, ended;
    uint8_t expected[SLK_KEY_SIZE];
    uint8_t key[SLK_KEY_SIZE];
    unsigned rights; /* of a client */
    enum slk_tls_why why;
    const char *detail; /* static text of libcrypto */
};

/* tls_web.c */
unsigned slk_tls_web_anybody(const struct slk_tls_web *web); /* the rights of who shows no certificate */
void slk_tls_web_free(struct slk_tls_web *web);              /* NULL is fine */

#endif
