#include "ledger/embed/keys.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/embed/token.h"
#include "ledger/verify/bytes.h"

/* PKCS#8 of an Ed25519 key is always the same 16 bytes, then the seed (RFC 8410 §7), in one line of PEM (RFC 7468 §10). Done
 * here, in memory that is wiped: libcrypto and stdio leave copies of it in memory they free. */
#define PEM_BEGIN   "-----BEGIN PRIVATE KEY-----\n"
#define PEM_END     "\n-----END PRIVATE KEY-----\n"
#define DER_PREFIX  16
#define DER_SIZE    (DER_PREFIX + crypto_sign_SEEDBYTES)
#define BASE64_SIZE 64 /* of DER_SIZE bytes */
#define PEM_SIZE    (sizeof(PEM_BEGIN) - 1 + BASE64_SIZE + sizeof(PEM_END) - 1)

static const uint8_t der_prefix[DER_PREFIX] = {
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};

#define URI_MAX 1024 /* of a key file that names a key in a token */

/* Lives in libsodium's guarded memory: never swapped, wiped when freed. */
struct slk_key {
    uint8_t secret[crypto_sign_SECRETKEYBYTES]; /* seed || public key; zero when it is held elsewhere */
    uint8_t public_key[SLK_KEY_SIZE];
    const struct slk_key_holder *holder; /* NULL: the secret is here */
    void *held;
    struct slk_key *self; /* for whoever keeps it, as something he does not change */
    atomic_uint *users;
};

static enum slk_err fail(struct slk_fault *fault, enum slk_err err, const char *file, const char *why)
{
    fault->line = 0;
    snprintf(fault->text, sizeof(fault->text), "%.140s: %s", file, why);
    return err;
}

static struct slk_key *allocate(void)
{
    struct slk_key *key;

    if (sodium_init() < 0)
        return NULL;
    key = sodium_malloc(sizeof(*key));
    if (key == NULL)
        return NULL;
    memset(key, 0, sizeof(*key));
    key->self = key;
    key->users = malloc(sizeof(*key->users));
    if (key->users == NULL) {
        sodium_free(key);
        return NULL;
    }
    atomic_init(key->users, 1);
    return key;
}

enum slk_err slk_key_from_seed(struct slk_key **out, const uint8_t seed[32])
{
    *out = allocate();
    if (*out == NULL)
        return SLK_E_NOMEM;
    if (crypto_sign_seed_keypair((*out)->public_key, (*out)->secret, seed) != 0) {
        slk_key_free(*out);
        *out = NULL;
        return SLK_E_KEY;
    }
    return SLK_OK;
}

enum slk_err slk_key_held(struct slk_key **out, const uint8_t public_key[SLK_KEY_SIZE],
    const struct slk_key_holder *holder, void *held)
{
    *out = allocate();
    if (*out == NULL)
        return SLK_E_NOMEM;
    memcpy((*out)->public_key, public_key, SLK_KEY_SIZE);
    (*out)->holder = holder;
    (*out)->held = held;
    return SLK_OK;
}

struct slk_key *slk_key_keep(const struct slk_key *key)
{
    atomic_fetch_add(key->users, 1);
    return key->self;
}

void slk_key_free(struct slk_key *key)
{
    if (key == NULL || atomic_fetch_sub(key->users, 1) > 1)
        return;
    if (key->holder != NULL)
        key->holder->close(key->held);
    free(key->users);
    sodium_free(key);
}

bool slk_key_is_held_elsewhere(const struct slk_key *key)
{
    return key->holder != NULL;
}

const uint8_t *slk_key_public(const struct slk_key *key)
{
    return key->public_key;
}

bool slk_key_is_same(const struct slk_key *a, const struct slk_key *b)
{
    return a != NULL && b != NULL && memcmp(a->public_key, b->public_key, SLK_KEY_SIZE) == 0;
}

const uint8_t *slk_key_seed(const struct slk_key *key)
{
    return key->holder == NULL ? key->secret : NULL;
}

enum slk_err slk_key_sign_or_say(const struct slk_key *key, uint8_t sig[SLK_SIGNATURE_SIZE],
    const void *message, size_t size, struct slk_fault *fault)
{
    *fault = (struct slk_fault){0};
    if (key->holder != NULL)
        return key->holder->sign(key->held, sig, message, size, fault);
    return crypto_sign_detached(sig, NULL, message, size, key->secret) == 0 ? SLK_OK : SLK_E_KEY;
}

enum slk_err slk_key_sign(
    const struct slk_key *key, uint8_t sig[SLK_SIGNATURE_SIZE], const void *message, size_t size)
{
    struct slk_fault fault;

    return slk_key_sign_or_say(key, sig, message, size, &fault);
}

/* ---- in a token ---- */

static enum slk_err sign_in_token(
    void *held, uint8_t sig[SLK_SIGNATURE_SIZE], const void *message, size_t size, struct slk_fault *fault)
{
    return slk_token_sign(held, sig, message, size, fault);
}

static void close_token(void *held)
{
    slk_token_close(held);
}

static const struct slk_key_holder token_holder = {.sign = sign_in_token, .close = close_token};

typedef enum slk_err load_token_fn(struct slk_key **out, const char *uri, struct slk_fault *fault);

static enum slk_err load_from_token(struct slk_key **out, const char *uri, struct slk_fault *fault)
{
    uint8_t public_key[SLK_KEY_SIZE];
    struct slk_token_key *held;
    enum slk_err err = slk_token_open(&held, public_key, uri, fault);

    if (err == SLK_OK)
        err = slk_key_held(out, public_key, &token_holder, held);
    if (err != SLK_OK)
        slk_token_close(held);
    return err;
}

bool slk_key_is_uri(const char *name)
{
    return strncmp(name, SLK_TOKEN_SCHEME, sizeof(SLK_TOKEN_SCHEME) - 1) == 0;
}

/* ---- in a file ---- */

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

static bool write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

static void format_pem(char pem[PEM_SIZE], const struct slk_key *key)
{
    uint8_t der[DER_SIZE];

    memcpy(der, der_prefix, DER_PREFIX);
    memcpy(der + DER_PREFIX, key->secret, crypto_sign_SEEDBYTES);
    memcpy(pem, PEM_BEGIN, sizeof(PEM_BEGIN) - 1);
    pem += sizeof(PEM_BEGIN) - 1;
    assert(slk_base64_size(DER_SIZE) == BASE64_SIZE);
    slk_base64_format(pem, der, DER_SIZE);
    memcpy(pem + BASE64_SIZE, PEM_END, sizeof(PEM_END) - 1);
    sodium_memzero(der, sizeof(der));
}

/* The last line break may be missing. */
static bool parse_pem(uint8_t seed[crypto_sign_SEEDBYTES], const char *pem, size_t size)
{
    const char *text = pem + sizeof(PEM_BEGIN) - 1;
    uint8_t der[DER_SIZE];
    size_t der_size;
    bool good;

    if ((size != PEM_SIZE && size != PEM_SIZE - 1) || memcmp(pem, PEM_BEGIN, sizeof(PEM_BEGIN) - 1) != 0 ||
        memcmp(text + BASE64_SIZE, PEM_END, sizeof(PEM_END) - 1 - (PEM_SIZE - size)) != 0)
        return false;
    good = slk_base64_parse(der, sizeof(der), &der_size, text, BASE64_SIZE) && der_size == DER_SIZE &&
           memcmp(der, der_prefix, DER_PREFIX) == 0;
    if (good)
        memcpy(seed, der + DER_PREFIX, crypto_sign_SEEDBYTES);
    sodium_memzero(der, sizeof(der));
    return good;
}

static enum slk_err write_new(const char *file, const char *text, size_t size, struct slk_fault *fault)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good;

    if (fd < 0)
        return errno == EEXIST ? fail(fault, SLK_E_EXISTS, file,
                                     "exists already; a key is never overwritten: choose another name")
                               : fail(fault, SLK_E_IO, file, strerror(errno));
    good = write_all(fd, text, size) && fsync(fd) == 0;
    good = close(fd) == 0 && good && sync_parent(file);
    if (!good) {
        unlink(file);
        return fail(fault, SLK_E_IO, file, "the key could not be written");
    }
    return SLK_OK;
}

enum slk_err slk_key_save(const struct slk_key *key, const char *file, struct slk_fault *fault)
{
    char pem[PEM_SIZE];
    enum slk_err err;

    assert(key->holder == NULL);
    format_pem(pem, key);
    err = write_new(file, pem, sizeof(pem), fault);
    sodium_memzero(pem, sizeof(pem));
    return err;
}

enum slk_err slk_key_save_uri(const char *uri, const char *file, struct slk_fault *fault)
{
    char line[URI_MAX];
    int n = snprintf(line, sizeof(line), "%s\n", uri);

    if (n < 0 || (size_t)n >= sizeof(line))
        return fail(fault, SLK_E_TOO_LARGE, file, "a URI this long has no place in a key file");
    return write_new(file, line, (size_t)n, fault);
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

/* The whole file when it is shorter than `cap` bytes. */
static bool read_all(int fd, char *out, size_t cap, size_t *size)
{
    *size = 0;
    while (*size < cap) {
        ssize_t n = read(fd, out + *size, cap - *size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0;
        *size += (size_t)n;
    }
    return true;
}

/* One line of text, which says where the key is. */
static bool parse_uri(char *text, size_t size)
{
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    text[size] = '\0';
    return strlen(text) == size && strcspn(text, " \t\r\n") == size && slk_key_is_uri(text);
}

/* `token` is given the URI that the file holds; it may be NULL. */
static enum slk_err load_from(
    struct slk_key **out, int fd, const char *file, load_token_fn *token, struct slk_fault *fault)
{
    uint8_t seed[crypto_sign_SEEDBYTES];
    char pem[URI_MAX + 1]; /* longer than a key is: a longer file is seen to be longer */
    struct stat st;
    size_t size;
    enum slk_err err;

    static_assert(PEM_SIZE < URI_MAX, "a key fits");
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return fail(fault, SLK_E_KEY, file, "not a file: name the key's");
    if ((st.st_mode & 077) != 0)
        return fail(fault, SLK_E_KEY, file, "others may read this key: run `chmod 600` on it");
    if (!read_all(fd, pem, URI_MAX, &size)) {
        err = fail(fault, SLK_E_IO, file, strerror(errno));
    } else if (size >= PEM_SIZE - 1 && parse_pem(seed, pem, size)) {
        err = slk_key_from_seed(out, seed);
        if (err != SLK_OK)
            err = fail(fault, err, file, slk_err_text(err));
    } else if (parse_uri(pem, size)) {
        err = token != NULL ? token(out, pem, fault) : SLK_OK;
    } else {
        err = fail(fault, SLK_E_KEY, file,
            "not an unencrypted Ed25519 private key in PEM: make one with `sillok keygen`");
    }
    sodium_memzero(seed, sizeof(seed));
    sodium_memzero(pem, sizeof(pem));
    return err;
}

static enum slk_err load(
    struct slk_key **out, const char *file, load_token_fn *token, struct slk_fault *fault)
{
    enum slk_err err;
    int fd;

    *out = NULL;
    if (slk_key_is_uri(file))
        return token != NULL ? token(out, file, fault) : SLK_OK;
    fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is refused later, not waited for */
    if (fd < 0)
        return fail(fault, errno == ENOENT ? SLK_E_NOT_FOUND : SLK_E_IO, file, strerror(errno));
    err = load_from(out, fd, file, token, fault);
    close(fd);
    return err;
}

enum slk_err slk_key_load(struct slk_key **out, const char *file, struct slk_fault *fault)
{
    return load(out, file, load_from_token, fault);
}

enum slk_err slk_key_look(struct slk_key **out, const char *file, struct slk_fault *fault)
{
    return load(out, file, NULL, fault);
}
