#include "net/tls_web.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "net/tls_private.h"

#define CERTS_MAX     1024  /* in a file */
#define CERT_LIST_MAX 16384 /* bytes of a client's chain: three of RSA-4096 have some 6,000 */
#define DEPTH_MAX     4
#define FILE_MAX      ((off_t)16 << 20) /* CERTS_MAX of 7 KB, with their text, twice over */

static const uint8_t alpn[] = "\x08http/1.1"; /* RFC 7301 §3.1: length, name */

struct list {
    size_t n;
    X509 *at[CERTS_MAX];
};

struct slk_tls_web {
    struct list readers, submitters;
};

static enum slk_err refuse(struct slk_fault *fault, enum slk_err err, const char *file, const char *why)
{
    const char *detail = ERR_reason_error_string(ERR_peek_error());

    fault->line = 0;
    snprintf(fault->text, sizeof(fault->text), "%.100s: %s%s%.40s", file, why, detail != NULL ? ": " : "",
        detail != NULL ? detail : "");
    ERR_clear_error();
    return err;
}

/* libcrypto has no words for what the system says. */
static enum slk_err refuse_unread(struct slk_fault *fault, const char *file)
{
    enum slk_err err = errno == ENOENT ? SLK_E_NOT_FOUND : SLK_E_IO;

    ERR_clear_error();
    return refuse(fault, err, file, strerror(errno));
}

/* ---- who may ---- */

unsigned slk_tls_web_anybody(const struct slk_tls_web *web)
{
    if (web->readers.n > 0)
        return 0;
    return web->submitters.n > 0 ? SLK_WEB_READ : SLK_WEB_READ | SLK_WEB_SUBMIT;
}

static bool has(const struct list *list, const X509 *cert)
{
    for (size_t i = 0; i < list->n; i++)
        if (X509_cmp(list->at[i], cert) == 0)
            return true;
    return false;
}

static unsigned rights_by(const struct slk_tls_web *web, const X509 *cert)
{
    if (has(&web->submitters, cert))
        return SLK_WEB_READ | SLK_WEB_SUBMIT;
    if (has(&web->readers, cert))
        return web->submitters.n > 0 ? SLK_WEB_READ : SLK_WEB_READ | SLK_WEB_SUBMIT;
    return 0;
}

/* The chain ends at a listed certificate, since no others are trusted; more of it may be listed. */
static int judge_client(X509_STORE_CTX *store, void *arg)
{
    struct slk_tls_context *context = arg;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct slk_tls *tls = SSL_get_app_data(ssl);
    STACK_OF(X509) * chain;

    if (X509_verify_cert(store) != 1) {
        tls->why = SLK_TLS_WHY_PIN;
        return 0;
    }
    chain = X509_STORE_CTX_get0_chain(store);
    for (int i = 0; i < sk_X509_num(chain); i++)
        tls->rights |= rights_by(context->web, sk_X509_value(chain, i));
    return 1;
}

/* ---- files ---- */

static void free_list(struct list *list)
{
    for (size_t i = 0; i < list->n; i++)
        X509_free(list->at[i]);
    list->n = 0;
}

void slk_tls_web_free(struct slk_tls_web *web)
{
    if (web == NULL)
        return;
    free_list(&web->readers);
    free_list(&web->submitters);
    free(web);
}

/* Never asks at a terminal. */
static int no_passphrase(char *out, int cap, int writes, void *ctx)
{
    (void)out;
    (void)cap;
    (void)writes;
    (void)ctx;
    return 0;
}

/* Whether it can be read in a moment: libcrypto waits for a pipe's other end, and looks for a certificate as long as there are bytes. */
static enum slk_err look_at(struct stat *st, const char *file, struct slk_fault *fault)
{
    if (stat(file, st) != 0 || access(file, R_OK) != 0)
        return refuse_unread(fault, file);
    if (!S_ISREG(st->st_mode))
        return refuse(fault, SLK_E_KEY, file, "not a file");
    if (st->st_size > FILE_MAX)
        return refuse(fault, SLK_E_TOO_LARGE, file, "larger than 16 MiB");
    return SLK_OK;
}

static enum slk_err read_list(struct list *list, X509_STORE *store, const char *file, struct slk_fault *fault)
{
    struct stat st;
    enum slk_err err = look_at(&st, file, fault);
    BIO *bio = err == SLK_OK ? BIO_new_file(file, "r") : NULL;
    X509 *cert = NULL;

    if (bio == NULL)
        return err != SLK_OK ? err : refuse_unread(fault, file);
    while (list->n < CERTS_MAX && (cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        list->at[list->n++] = cert;
        if (X509_STORE_add_cert(store, cert) != 1) {
            BIO_free(bio);
            return refuse(fault, SLK_E_NOMEM, file, "cannot be used");
        }
    }
    BIO_free(bio);
    if (list->n == CERTS_MAX)
        return refuse(fault, SLK_E_TOO_LARGE, file, "more certificates than a list may have, 1,023");
    if (list->n == 0 || ERR_GET_REASON(ERR_peek_error()) != PEM_R_NO_START_LINE)
        return refuse(fault, SLK_E_KEY, file, "not a list of certificates in PEM");
    ERR_clear_error(); /* the end of the file */
    return SLK_OK;
}

static enum slk_err read_lists(
    struct slk_tls_context *context, const struct slk_web_files *files, struct slk_fault *fault)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context->ssl);
    enum slk_err err = SLK_OK;

    if (files->readers[0] != '\0')
        err = read_list(&context->web->readers, store, files->readers, fault);
    if (err == SLK_OK && files->submitters[0] != '\0')
        err = read_list(&context->web->submitters, store, files->submitters, fault);
    return err;
}

static enum slk_err read_certificate(SSL_CTX *ssl, const char *file, struct slk_fault *fault)
{
    struct stat st;
    enum slk_err err = look_at(&st, file, fault);

    if (err != SLK_OK)
        return err;
    SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
    return SSL_CTX_use_certificate_chain_file(ssl, file) == 1
               ? SLK_OK
               : refuse(fault, SLK_E_KEY, file, "not a certificate in PEM");
}

/* Without a certificate in `ssl` it may be anybody's. */
static enum slk_err read_key(SSL_CTX *ssl, const char *file, struct slk_fault *fault)
{
    struct stat st;
    enum slk_err err = look_at(&st, file, fault);

    if (err != SLK_OK)
        return err;
    if ((st.st_mode & 077) != 0)
        return refuse(fault, SLK_E_KEY, file, "others may read this key: run `chmod 600` on it");
    SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
    if (SSL_CTX_use_PrivateKey_file(ssl, file, SSL_FILETYPE_PEM) != 1)
        return refuse(
            fault, SLK_E_KEY, file, "not an unencrypted private key in PEM that fits the certificate");
    return SLK_OK;
}

static enum slk_err read_own(SSL_CTX *ssl, const struct slk_web_files *files, struct slk_fault *fault)
{
    enum slk_err err = read_certificate(ssl, files->certificate, fault);

    if (err == SLK_OK)
        err = read_key(ssl, files->key, fault);
    if (err != SLK_OK || SSL_CTX_check_private_key(ssl) == 1)
        return err;
    return refuse(fault, SLK_E_KEY, files->key, "not the certificate's key");
}

/* ---- one file by itself ---- */

enum slk_err slk_tls_web_check_certificate(const char *file, struct slk_fault *fault)
{
    SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
    enum slk_err err;

    ERR_clear_error();
    err = ssl != NULL ? read_certificate(ssl, file, fault) : SLK_E_NOMEM;
    SSL_CTX_free(ssl);
    return err;
}

enum slk_err slk_tls_web_check_key(const char *file, const char *certificate, struct slk_fault *fault)
{
    SSL_CTX *ssl = SSL_CTX_new(TLS_server_method());
    enum slk_err err = SLK_E_NOMEM;
    bool has_certificate;

    if (ssl == NULL)
        return err;
    has_certificate = read_certificate(ssl, certificate, fault) == SLK_OK;
    ERR_clear_error();
    err = read_key(ssl, file, fault);
    if (err == SLK_OK && has_certificate && SSL_CTX_check_private_key(ssl) != 1)
        err = refuse(fault, SLK_E_KEY, file, "not the certificate's key");
    SSL_CTX_free(ssl);
    return err;
}

enum slk_err slk_tls_web_check_list(const char *file, struct slk_fault *fault)
{
    struct list *list = calloc(1, sizeof(*list));
    X509_STORE *store = X509_STORE_new();
    enum slk_err err = SLK_E_NOMEM;

    ERR_clear_error();
    if (list != NULL && store != NULL)
        err = read_list(list, store, file, fault);
    if (list != NULL)
        free_list(list);
    X509_STORE_free(store);
    free(list);
    return err;
}

/* ---- context ---- */

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
    unsigned in_size, void *arg)
{
    unsigned char *found;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&found, out_size, alpn, sizeof(alpn) - 1, in, in_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = found;
    return SSL_TLSEXT_ERR_OK;
}

static bool set_rules(SSL_CTX *ssl)
{
    SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(ssl, CERT_LIST_MAX);
    SSL_CTX_set_alpn_select_cb(ssl, select_alpn, NULL);
    return SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) == 1 && SSL_CTX_set_num_tickets(ssl, 0) == 1 &&
           SSL_CTX_set_max_early_data(ssl, 0) == 1;
}

/* Who shows no certificate may do what anybody may; where that is nothing, it is asked for in the handshake. */
static void ask_for_certificates(struct slk_tls_context *context)
{
    int mode = SSL_VERIFY_PEER;

    if (context->web->readers.n == 0 && context->web->submitters.n == 0)
        return;
    if (slk_tls_web_anybody(context->web) == 0)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    X509_STORE_set_flags(
        SSL_CTX_get_cert_store(context->ssl), X509_V_FLAG_PARTIAL_CHAIN); /* a listed one ends the chain */
    SSL_CTX_set_verify(context->ssl, mode, NULL);
    SSL_CTX_set_verify_depth(context->ssl, DEPTH_MAX);
    SSL_CTX_set_cert_verify_callback(context->ssl, judge_client, context);
}

enum slk_err slk_tls_web_new(
    struct slk_tls_context **out, const struct slk_web_files *files, struct slk_fault *fault)
{
    struct slk_tls_context *context = calloc(1, sizeof(*context));
    enum slk_err err;

    *out = NULL;
    *fault = (struct slk_fault){0};
    if (context == NULL)
        return SLK_E_NOMEM;
    ERR_clear_error();
    context->users = 1;
    context->web = calloc(1, sizeof(*context->web));
    context->ssl = SSL_CTX_new(TLS_server_method());
    if (context->web == NULL || context->ssl == NULL || !set_rules(context->ssl)) {
        slk_tls_context_free(context);
        return SLK_E_NOMEM;
    }
    err = read_own(context->ssl, files, fault);
    if (err == SLK_OK)
        err = read_lists(context, files, fault);
    if (err != SLK_OK) {
        slk_tls_context_free(context);
        return err;
    }
    ask_for_certificates(context);
    *out = context;
    return SLK_OK;
}

unsigned slk_tls_rights(const struct slk_tls *tls)
{
    return tls->rights;
}

struct slk_tls_context *slk_tls_context_keep(struct slk_tls_context *context)
{
    context->users++;
    return context;
}
