/* tls_web.h: TLS for clients of the HTTP API: a server's certificate from a file, and which clients may do what.
 *
 * TLS 1.3 alone, no resumption, no early data, no renegotiation: each connection proves itself anew, and what a node must bear is what the
 * mesh has to bear. HTTP/1.1 (ALPN); a client that names only others is refused, one that names none is taken for it.
 * A client's certificate, if it shows one, must be one of those listed, or issued below one of them, in force, and not for servers alone.
 */
#ifndef SLK_NET_TLS_WEB_H
#define SLK_NET_TLS_WEB_H

#include "net/tls.h"

enum slk_web_right { SLK_WEB_READ = 1, SLK_WEB_SUBMIT = 2 };

/* Names of PEM files. `readers` and `submitters` hold certificates of clients or of their authorities; "" for either: anybody, but where there
 * are readers alone, they are the ones who submit. Submitters may read. */
struct slk_web_files {
    const char *certificate,
        *key; /* with the chain behind it; RSA or ECDSA, unencrypted, the key for its owner alone */
    const char *readers, *submitters;
};

/* For slk_tls_new(context, false, NULL). SLK_E_KEY, SLK_E_NOT_FOUND, SLK_E_IO, SLK_E_NOMEM: the fault names the file. */
SLK_MUST_CHECK enum slk_err slk_tls_web_new(
    struct slk_tls_context **out, const struct slk_web_files *files, struct slk_fault *fault);
/* Each of them by itself, as slk_tls_web_new would judge it; of the key also whether it is the certificate's, if that one is good. */
SLK_MUST_CHECK enum slk_err slk_tls_web_check_certificate(const char *file, struct slk_fault *fault);
SLK_MUST_CHECK enum slk_err slk_tls_web_check_key(
    const char *file, const char *certificate, struct slk_fault *fault);
/* Of readers, submitters, or anybody's authorities. */
SLK_MUST_CHECK enum slk_err slk_tls_web_check_list(const char *file, struct slk_fault *fault);
/* After the handshake: what the other side may do. */
unsigned slk_tls_rights(const struct slk_tls *tls);
/* The same once more, to be freed as well. */
struct slk_tls_context *slk_tls_context_keep(struct slk_tls_context *context);

#endif
