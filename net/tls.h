/* tls.h: TLS 1.3 in memory, both sides known by their Ed25519 keys. Source: protocol §3.2, RFC 8446.
 *
 * Bytes in, bytes out: no socket, no clock, never waits. Each side shows a certificate that it made itself; the key in it is
 * looked up among the pinned ones, and nothing else of it counts: no name, no date, no issuer. No resumption and no
 * early data: every connection proves its key anew. ALPN: sillok/1.
 *
 * After every call take slk_tls_output until it is empty: reading produces bytes to send, too. A client is done with its handshake
 * before the server has judged its certificate: a peer counts as authenticated when its first message has come.
 */
#ifndef SLK_NET_TLS_H
#define SLK_NET_TLS_H

#include "ledger/embed/keys.h"

#define SLK_TLS_ALPN "sillok/1"
#define SLK_TLS_INPUT_MAX                                                                                    \
    (64u * 1024 + 16u * 1024 + 512) /* one read of a socket beside a record that is not whole yet */
#define SLK_TLS_RECORD_MAX 16384    /* RFC 8446 §5.1: of plaintext */
#define SLK_TLS_RECORD_OUT (SLK_TLS_RECORD_MAX + 256 + 5) /* RFC 8446 §5.2: its ciphertext is no longer */

/* Is this a key that may connect? Asked in the middle of a handshake. */
typedef bool slk_tls_pin_fn(void *ctx, const uint8_t key[SLK_KEY_SIZE]);

struct slk_tls_context;
/* One for all connections of a node; `key` is borrowed until it returns. SLK_E_KEY: libcrypto refuses it; SLK_E_NOMEM. */
SLK_MUST_CHECK enum slk_err slk_tls_context_new(
    struct slk_tls_context **out, const struct slk_key *key, slk_tls_pin_fn *pin, void *ctx);
void slk_tls_context_free(struct slk_tls_context *context); /* NULL is fine; connections go on */

enum slk_tls_result {
    SLK_TLS_DONE,
    SLK_TLS_WAIT,  /* for bytes of the peer */
    SLK_TLS_ENDED, /* the peer said goodbye */
    SLK_TLS_FAILED /* slk_tls_why */
};
enum slk_tls_why {
    SLK_TLS_WHY_OTHER,
    SLK_TLS_WHY_VERSION,        /* not TLS 1.3 */
    SLK_TLS_WHY_ALPN,           /* another protocol, or none named */
    SLK_TLS_WHY_NO_CERTIFICATE, /* the peer has none */
    SLK_TLS_WHY_PIN             /* its key is not the one, or not Ed25519 */
};

struct slk_tls;
/* `expected`: the only key that is right when dialling; NULL: any that is pinned. NULL: out of memory. */
struct slk_tls *slk_tls_new(struct slk_tls_context *context, bool dials, const uint8_t *expected);
void slk_tls_free(struct slk_tls *tls); /* NULL is fine */

/* Bytes of the peer. False: more than SLK_TLS_INPUT_MAX would wait to be read, or no memory. */
SLK_MUST_CHECK bool slk_tls_feed(struct slk_tls *tls, const uint8_t *bytes, size_t size);
/* Goes on until it is DONE. */
SLK_MUST_CHECK enum slk_tls_result slk_tls_handshake(struct slk_tls *tls);
/* DONE: 1..cap bytes of plaintext, *size of them. */
SLK_MUST_CHECK enum slk_tls_result slk_tls_read(struct slk_tls *tls, uint8_t *out, size_t cap, size_t *size);
/* One record, 1..SLK_TLS_RECORD_MAX bytes. False: the connection cannot be used any more. */
SLK_MUST_CHECK bool slk_tls_write(struct slk_tls *tls, const uint8_t *bytes, size_t size);
/* Says goodbye, as far as that is possible; nothing is written afterwards. */
void slk_tls_shutdown(struct slk_tls *tls);
/* Takes up to `cap` bytes that must go to the peer. */
size_t slk_tls_output(struct slk_tls *tls, uint8_t *out, size_t cap);
size_t slk_tls_output_n(const struct slk_tls *tls);

/* After DONE: 32 bytes. */
const uint8_t *slk_tls_peer_key(const struct slk_tls *tls);
enum slk_tls_why slk_tls_why(const struct slk_tls *tls);
const char *slk_tls_detail(const struct slk_tls *tls); /* libcrypto's words, or "" */

#endif
