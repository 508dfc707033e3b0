#include "net/tls.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "net/tls_private.h"

#define CERT_LIST_MAX 4096 /* bytes: one certificate of ours has some 200 */

static const uint8_t alpn[] = "\x08" SLK_TLS_ALPN; /* RFC 7301 §3.1: length, name */
#define ALPN_SIZE (sizeof(alpn) - 1)

/* ---- certificate and pins ---- */

/* For ever: a date in it would be one more thing to renew, and says nothing that the charter does not. */
static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    X509_NAME *name;
    bool good;

    if (cert == NULL)
        return NULL;
    name = X509_get_subject_name(cert);
    good = X509_set_version(cert, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1 &&
           ASN1_TIME_set_string(X509_getm_notBefore(cert), "19700101000000Z") == 1 &&
           ASN1_TIME_set_string(X509_getm_notAfter(cert), "99991231235959Z") == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"sillok", -1, -1, 0) ==
               1 &&
           X509_set_issuer_name(cert, name) == 1 && X509_set_pubkey(cert, key) == 1 &&
           X509_sign(cert, key, NULL) > 0;
    if (!good) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

/* In place of the whole of X.509: is the key one that we know? libssl has the peer prove that it holds it. */
static int judge_certificate(X509_STORE_CTX *store, void *arg)
{
    struct slk_tls_context *context = arg;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct slk_tls *tls = SSL_get_app_data(ssl);
    X509 *cert = X509_STORE_CTX_get0_cert(store);
    EVP_PKEY *key = cert != NULL ? X509_get0_pubkey(cert) : NULL;
    size_t size = SLK_KEY_SIZE;

    if (key != NULL && EVP_PKEY_id(key) == EVP_PKEY_ED25519 &&
        EVP_PKEY_get_raw_public_key(key, tls->key, &size) == 1 && size == SLK_KEY_SIZE &&
        (!tls->has_expected || memcmp(tls->key, tls->expected, SLK_KEY_SIZE) == 0) &&
        context->pin(context->ctx, tls->key)) {
        tls->has_key = true;
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    tls->why = SLK_TLS_WHY_PIN;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
    unsigned in_size, void *arg)
{
    unsigned char *found;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&found, out_size, alpn, ALPN_SIZE, in, in_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = found;
    return SSL_TLSEXT_ERR_OK;
}

/* ---- context ---- */

static bool set_rules(SSL_CTX *ssl, struct slk_tls_context *context)
{
    char sigalgs[] = "ed25519", groups[] = "X25519"; /* libssl's macros cast const away */

    SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(
        ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(ssl, CERT_LIST_MAX);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(ssl, judge_certificate, context);
    SSL_CTX_set_alpn_select_cb(ssl, select_alpn, NULL);
    return SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) == 1 && SSL_CTX_set_num_tickets(ssl, 0) == 1 &&
           SSL_CTX_set_max_early_data(ssl, 0) == 1 && SSL_CTX_set1_sigalgs_list(ssl, sigalgs) == 1 &&
           SSL_CTX_set1_client_sigalgs_list(ssl, sigalgs) == 1 &&
           SSL_CTX_set1_groups_list(ssl, groups) == 1 && SSL_CTX_set_alpn_protos(ssl, alpn, ALPN_SIZE) == 0;
}

enum slk_err slk_tls_context_new(
    struct slk_tls_context **out, const struct slk_key *key, slk_tls_pin_fn *pin, void *ctx)
{
    struct slk_tls_context *context = calloc(1, sizeof(*context));
    EVP_PKEY *pkey = NULL;
    X509 *cert = NULL;
    enum slk_err err = SLK_E_KEY;

    *out = NULL;
    if (context == NULL)
        return SLK_E_NOMEM;
    context->users = 1;
    context->pin = pin;
    context->ctx = ctx;
    ERR_clear_error();
    context->ssl = SSL_CTX_new(TLS_method());
    pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, slk_key_seed(key), 32);
    cert = pkey != NULL ? make_certificate(pkey) : NULL;
    if (context->ssl != NULL && cert != NULL && set_rules(context->ssl, context) &&
        SSL_CTX_use_certificate(context->ssl, cert) == 1 && SSL_CTX_use_PrivateKey(context->ssl, pkey) == 1)
        err = SLK_OK;
    X509_free(cert);
    EVP_PKEY_free(pkey);
    ERR_clear_error();
    if (err != SLK_OK) {
        slk_tls_context_free(context);
        return err;
    }
    *out = context;
    return SLK_OK;
}

void slk_tls_context_free(struct slk_tls_context *context)
{
    if (context == NULL || --context->users > 0)
        return;
    SSL_CTX_free(context->ssl);
    slk_tls_web_free(context->web);
    free(context);
}

/* ---- one connection ---- */

struct slk_tls *slk_tls_new(struct slk_tls_context *context, bool dials, const uint8_t *expected)
{
    struct slk_tls *tls = calloc(1, sizeof(*tls));

    if (tls == NULL)
        return NULL;
    ERR_clear_error();
    tls->context = context;
    tls->rights = context->web != NULL ? slk_tls_web_anybody(context->web) : 0;
    context->users++;
    tls->dials = dials;
    tls->detail = "";
    tls->ssl = SSL_new(context->ssl);
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    if (tls->ssl == NULL || tls->in == NULL || tls->out == NULL) {
        BIO_free(tls->in);
        BIO_free(tls->out);
        slk_tls_free(tls);
        return NULL;
    }
    BIO_set_mem_eof_return(tls->in, -1); /* empty means: not yet */
    BIO_set_mem_eof_return(tls->out, -1);
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    SSL_set_app_data(tls->ssl, tls);
    if (dials)
        SSL_set_connect_state(tls->ssl);
    else
        SSL_set_accept_state(tls->ssl);
    if (expected != NULL) {
        tls->has_expected = true;
        memcpy(tls->expected, expected, SLK_KEY_SIZE);
    }
    return tls;
}

void slk_tls_free(struct slk_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->ssl);
    slk_tls_context_free(tls->context);
    free(tls);
}

bool slk_tls_feed(struct slk_tls *tls, const uint8_t *bytes, size_t size)
{
    size_t waits = BIO_ctrl_pending(tls->in);

    if (waits > SLK_TLS_INPUT_MAX || size > SLK_TLS_INPUT_MAX - waits)
        return false;
    return size == 0 || BIO_write(tls->in, bytes, (int)size) == (int)size;
}

static enum slk_tls_why why_of(int reason)
{
    switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_VERSION_TOO_LOW:
        return SLK_TLS_WHY_VERSION;
    case SSL_R_NO_APPLICATION_PROTOCOL:
    case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
        return SLK_TLS_WHY_ALPN;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return SLK_TLS_WHY_NO_CERTIFICATE;
    default: /* libssl's numbers, not an enum of ours */
        return SLK_TLS_WHY_OTHER;
    }
}

/* What a call that did not succeed means; the queue of errors is empty again afterwards. */
static enum slk_tls_result explain(struct slk_tls *tls, int ret)
{
    int error = SSL_get_error(tls->ssl, ret);
    unsigned long code = ERR_peek_error();
    const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ)
        return SLK_TLS_WAIT;
    tls->ended = true;
    if (error == SSL_ERROR_ZERO_RETURN)
        return SLK_TLS_ENDED;
    if (tls->why == SLK_TLS_WHY_OTHER && code != 0)
        tls->why = why_of(ERR_GET_REASON(code));
    tls->detail = text != NULL ? text : "";
    return SLK_TLS_FAILED;
}

/* A client that names no protocol is not refused by libssl. */
static bool spoke_our_protocol(const struct slk_tls *tls)
{
    const unsigned char *name;
    unsigned size;

    SSL_get0_alpn_selected(tls->ssl, &name, &size);
    return size == ALPN_SIZE - 1 && memcmp(name, alpn + 1, size) == 0;
}

enum slk_tls_result slk_tls_handshake(struct slk_tls *tls)
{
    int ret;

    if (tls->ended)
        return SLK_TLS_FAILED;
    ERR_clear_error();
    ret = SSL_do_handshake(tls->ssl);
    if (ret != 1)
        return explain(tls, ret);
    assert(SSL_version(tls->ssl) == TLS1_3_VERSION);
    if (tls->context->web != NULL)
        return SLK_TLS_DONE;
    assert(tls->has_key);
    if (!spoke_our_protocol(tls)) {
        tls->ended = true;
        tls->why = SLK_TLS_WHY_ALPN;
        return SLK_TLS_FAILED;
    }
    return SLK_TLS_DONE;
}

enum slk_tls_result slk_tls_read(struct slk_tls *tls, uint8_t *out, size_t cap, size_t *size)
{
    int ret;

    assert(cap > 0);
    *size = 0;
    if (tls->ended)
        return SLK_TLS_ENDED;
    ERR_clear_error();
    ret = SSL_read_ex(tls->ssl, out, cap, size);
    if (ret == 1)
        return SLK_TLS_DONE;
    *size = 0;
    return explain(tls, ret);
}

bool slk_tls_write(struct slk_tls *tls, const uint8_t *bytes, size_t size)
{
    size_t written = 0;
    int ret;

    assert(size > 0 && size <= SLK_TLS_RECORD_MAX);
    if (tls->ended)
        return false;
    ERR_clear_error();
    ret = SSL_write_ex(tls->ssl, bytes, size, &written);
    if (ret == 1 && written == size)
        return true;
    (void)explain(tls, ret);
    tls->ended = true;
    return false;
}

void slk_tls_shutdown(struct slk_tls *tls)
{
    if (tls->ended)
        return;
    tls->ended = true;
    ERR_clear_error();
    if (SSL_is_init_finished(tls->ssl))
        (void)SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

size_t slk_tls_output(struct slk_tls *tls, uint8_t *out, size_t cap)
{
    int n;

    assert(cap > 0 && cap <= INT32_MAX);
    n = BIO_ctrl_pending(tls->out) > 0 ? BIO_read(tls->out, out, (int)cap) : 0;
    return n > 0 ? (size_t)n : 0;
}

size_t slk_tls_output_n(const struct slk_tls *tls)
{
    return BIO_ctrl_pending(tls->out);
}

const uint8_t *slk_tls_peer_key(const struct slk_tls *tls)
{
    assert(tls->has_key);
    return tls->key;
}

enum slk_tls_why slk_tls_why(const struct slk_tls *tls)
{
    return tls->why;
}

const char *slk_tls_detail(const struct slk_tls *tls)
{
    return tls->detail;
}
