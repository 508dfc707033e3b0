#include "ledger/embed/keys.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

/* Lives in libsodium's guarded memory: never swapped, wiped when freed. */
struct slk_key {
    uint8_t secret[crypto_sign_SECRETKEYBYTES]; /* seed || public key */
    uint8_t public_key[SLK_KEY_SIZE];
};

static enum slk_err fail(struct slk_fault *fault, enum slk_err err, const char *file, const char *why)
{
    fault->line = 0;
    snprintf(fault->text, sizeof(fault->text), "%.140s: %s", file, why);
    return err;
}

enum slk_err slk_key_from_seed(struct slk_key **out, const uint8_t seed[32])
{
    *out = NULL;
    if (sodium_init() < 0)
        return SLK_E_KEY;
    *out = sodium_malloc(sizeof(**out));
    if (*out == NULL)
        return SLK_E_NOMEM;
    if (crypto_sign_seed_keypair((*out)->public_key, (*out)->secret, seed) != 0) {
        slk_key_free(*out);
        *out = NULL;
        return SLK_E_KEY;
    }
    return SLK_OK;
}

void slk_key_free(struct slk_key *key)
{
    sodium_free(key);
}

const uint8_t *slk_key_public(const struct slk_key *key)
{
    return key->public_key;
}

enum slk_err slk_key_sign(const struct slk_key *key, uint8_t sig[SLK_SIGNATURE_SIZE], const void *message, size_t size)
{
    return crypto_sign_detached(sig, NULL, message, size, key->secret) == 0 ? SLK_OK : SLK_E_KEY;
}

/* The new name is durable only when its directory is. */
static bool sync_parent(const char *file)
{
    char dir[4096];
    const char *slash = strrchr(file, '/');
    size_t size = slash == NULL ? 0 : (size_t)(slash - file);
    int fd, rc;

    if (size >= sizeof(dir))
        return false;
    memcpy(dir, file, size);
    dir[size] = '\0';
    fd = open(slash == NULL ? "." : size == 0 ? "/" : dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    rc = fsync(fd);
    close(fd);
    return rc == 0;
}

static enum slk_err write_pem(FILE *stream, const struct slk_key *key)
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->secret, crypto_sign_SEEDBYTES);
    enum slk_err err = SLK_E_IO;

    if (pkey != NULL && PEM_write_PKCS8PrivateKey(stream, pkey, NULL, NULL, 0, NULL, NULL) == 1 && fflush(stream) == 0 &&
        fsync(fileno(stream)) == 0)
        err = SLK_OK;
    EVP_PKEY_free(pkey);
    return err;
}

enum slk_err slk_key_save(const struct slk_key *key, const char *file, struct slk_fault *fault)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *stream;
    enum slk_err err;

    if (fd < 0)
        return errno == EEXIST ? fail(fault, SLK_E_EXISTS, file, "exists already; a key is never overwritten: choose another name")
                               : fail(fault, SLK_E_IO, file, strerror(errno));
    stream = fdopen(fd, "w");
    if (stream == NULL) {
        close(fd);
        unlink(file);
        return fail(fault, SLK_E_IO, file, strerror(errno));
    }
    err = write_pem(stream, key);
    if (fclose(stream) != 0 || !sync_parent(file))
        err = SLK_E_IO;
    if (err != SLK_OK) {
        unlink(file);
        return fail(fault, err, file, "the key could not be written");
    }
    return SLK_OK;
}

enum slk_err slk_key_generate(struct slk_key **out, const char *file, struct slk_fault *fault)
{
    uint8_t seed[crypto_sign_SEEDBYTES];
    enum slk_err err;

    *out = NULL;
    if (sodium_init() < 0)
        return fail(fault, SLK_E_KEY, file, "no source of random numbers");
    randombytes_buf(seed, sizeof(seed));
    err = slk_key_from_seed(out, seed);
    sodium_memzero(seed, sizeof(seed));
    if (err != SLK_OK)
        return fail(fault, err, file, slk_err_text(err));
    err = slk_key_save(*out, file, fault);
    if (err != SLK_OK) {
        slk_key_free(*out);
        *out = NULL;
    }
    return err;
}

/* A PEM file that asks for a passphrase must not stop a service at a prompt. */
static int no_passphrase(char *buffer, int size, int writing, void *ctx)
{
    (void)buffer, (void)size, (void)writing, (void)ctx;
    return 0;
}

static enum slk_err read_seed(uint8_t seed[crypto_sign_SEEDBYTES], FILE *stream, const char *file, struct slk_fault *fault)
{
    size_t size = crypto_sign_SEEDBYTES;
    EVP_PKEY *pkey = PEM_read_PrivateKey(stream, NULL, no_passphrase, NULL);
    enum slk_err err = SLK_OK;

    if (pkey == NULL)
        return fail(fault, SLK_E_KEY, file, "not an unencrypted PEM private key: make one with `sillok keygen`");
    if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_ED25519 || EVP_PKEY_get_raw_private_key(pkey, seed, &size) != 1 ||
        size != crypto_sign_SEEDBYTES)
        err = fail(fault, SLK_E_KEY, file, "not an Ed25519 key: make one with `sillok keygen`");
    EVP_PKEY_free(pkey);
    return err;
}

enum slk_err slk_key_load(struct slk_key **out, const char *file, struct slk_fault *fault)
{
    uint8_t seed[crypto_sign_SEEDBYTES];
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is refused below, not waited for */
    struct stat st;
    FILE *stream;
    enum slk_err err;

    *out = NULL;
    if (fd < 0)
        return fail(fault, errno == ENOENT ? SLK_E_NOT_FOUND : SLK_E_IO, file, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 077) != 0) {
        close(fd);
        return fail(fault, SLK_E_KEY, file, "others may read this key: run `chmod 600` on it");
    }
    stream = fdopen(fd, "r");
    if (stream == NULL) {
        close(fd);
        return fail(fault, SLK_E_IO, file, strerror(errno));
    }
    err = read_seed(seed, stream, file, fault);
    fclose(stream);
    if (err == SLK_OK) {
        err = slk_key_from_seed(out, seed);
        if (err != SLK_OK)
            err = fail(fault, err, file, slk_err_text(err));
    }
    sodium_memzero(seed, sizeof(seed));
    return err;
}
