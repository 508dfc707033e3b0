/* make_certs DIR: certificates for https.py: NAME.pem and NAME.key of each line of `makes`. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct make {
    const char *name, *type; /* EC or RSA */
    int issuer;              /* place in `makes`; -1: itself */
    bool is_ca, is_expired;
    const char *usage;
};

static const struct make makes[] = {
    {"servers", "EC", -1, true, false, NULL},
    {"server-ec", "EC", 0, false, false, "serverAuth"},
    {"server-rsa", "RSA", 0, false, false, "serverAuth"},
    {"clients", "EC", -1, true, false, NULL},
    {"office", "EC", 3, false, false, "clientAuth"},
    {"expired", "EC", 3, false, true, "clientAuth"},
    {"not-a-client", "EC", 3, false, false, "serverAuth"},
    {"auditor", "RSA", -1, false, false, "clientAuth"},
    {"stranger", "EC", -1, false, false, "clientAuth"},
};
#define MAKES_N (sizeof(makes) / sizeof(makes[0]))

static X509 *certs[MAKES_N];
static EVP_PKEY *keys[MAKES_N];

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "make_certs: %s\n", what);
    exit(1);
}

static void add(X509 *cert, X509 *issuer, int nid, const char *text)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, text);
    must(extension != NULL && X509_add_ext(cert, extension, -1) == 1, text);
    X509_EXTENSION_free(extension);
}

static X509 *make(size_t i)
{
    const struct make *m = &makes[i];
    size_t by = m->issuer < 0 ? i : (size_t)m->issuer;
    X509 *cert = X509_new(), *issuer = m->issuer < 0 ? cert : certs[by];
    X509_NAME *name;

    must(cert != NULL && keys[i] != NULL, "no memory");
    name = X509_get_subject_name(cert);
    must(X509_set_version(cert, 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(cert), (long)i + 1) == 1 &&
             ASN1_TIME_set_string(X509_getm_notBefore(cert), "20200101000000Z") == 1 &&
             ASN1_TIME_set_string(
                 X509_getm_notAfter(cert), m->is_expired ? "20210101000000Z" : "99991231235959Z") == 1 &&
             X509_NAME_add_entry_by_txt(
                 name, "CN", MBSTRING_ASC, (const unsigned char *)m->name, -1, -1, 0) == 1 &&
             X509_set_issuer_name(cert, X509_get_subject_name(issuer)) == 1 &&
             X509_set_pubkey(cert, keys[i]) == 1,
        "no certificate");
    add(cert, issuer, NID_basic_constraints, m->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (m->usage != NULL)
        add(cert, issuer, NID_ext_key_usage, m->usage);
    if (m->usage != NULL && strcmp(m->usage, "serverAuth") == 0)
        add(cert, issuer, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
    must(X509_sign(cert, keys[by], EVP_sha256()) > 0, "no signature");
    return cert;
}

static FILE *create(const char *dir, const char *name, const char *suffix)
{
    char path[1024];
    FILE *out;

    snprintf(path, sizeof(path), "%s/%s.%s", dir, name, suffix);
    out = fopen(path, "w");
    must(out != NULL && chmod(path, 0600) == 0, path);
    return out;
}

int main(int argc, char **argv)
{
    must(argc == 2, "give a directory");
    for (size_t i = 0; i < MAKES_N; i++) {
        FILE *out;

        keys[i] = strcmp(makes[i].type, "EC") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")
                                                   : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
        certs[i] = make(i);
        out = create(argv[1], makes[i].name, "pem");
        must(PEM_write_X509(out, certs[i]) == 1 && fclose(out) == 0, "cannot write");
        out = create(argv[1], makes[i].name, "key");
        must(PEM_write_PrivateKey(out, keys[i], NULL, NULL, 0, NULL, NULL) == 1 && fclose(out) == 0,
            "cannot write");
    }
    for (size_t i = 0; i < MAKES_N; i++) {
        X509_free(certs[i]);
        EVP_PKEY_free(keys[i]);
    }
    return 0;
}
