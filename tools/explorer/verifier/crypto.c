/* crypto.c: libcrypto's place. Signatures may be checked by the browser's own cryptography, which answers later: a question is then
 * asked twice, once to learn which signatures it rests on (COLLECT), and once with the browser's answers (JUDGE). */
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "tools/explorer/verifier/ed25519.h"
#include "tools/explorer/verifier/wasm.h"

#define SIGNATURES_MAX 256

struct wasm_key {
    uint8_t key[32];
};

struct signature {
    uint8_t key[32], sig[64];
    const uint8_t *message;
    uint32_t size;
    bool is_good, is_checked;
};

static struct signature signatures[SIGNATURES_MAX];
static uint32_t signatures_n;
static enum wasm_mode mode;

void wasm_set_mode(enum wasm_mode wanted)
{
    mode = wanted;
}

void wasm_forget_signatures(void)
{
    signatures_n = 0;
}

/* ---- SHA-256 ---- */

int SHA256_Init(SHA256_CTX *ctx)
{
    sha256_init(ctx);
    return 1;
}

int SHA256_Update(SHA256_CTX *ctx, const void *bytes, size_t size)
{
    sha256_add(ctx, bytes, size);
    return 1;
}

int SHA256_Final(unsigned char *out, SHA256_CTX *ctx)
{
    sha256_end(ctx, out);
    return 1;
}

/* ---- Ed25519 ---- */

EVP_PKEY *EVP_PKEY_new_raw_public_key(int type, void *engine, const uint8_t *key, size_t size)
{
    EVP_PKEY *pkey = malloc(sizeof(*pkey));

    (void)type;
    (void)engine;
    if (pkey != NULL && size == sizeof(pkey->key))
        memcpy(pkey->key, key, size);
    return pkey;
}

void EVP_PKEY_free(EVP_PKEY *key)
{
    free(key);
}

EVP_MD_CTX *EVP_MD_CTX_new(void)
{
    return calloc(1, sizeof(EVP_MD_CTX));
}

void EVP_MD_CTX_free(EVP_MD_CTX *ctx)
{
    free(ctx);
}

int EVP_DigestVerifyInit(EVP_MD_CTX *ctx, void *pctx, const void *md, void *engine, EVP_PKEY *key)
{
    (void)pctx;
    (void)md;
    (void)engine;
    *ctx = *key;
    return 1;
}

static const struct signature *find(
    const uint8_t key[32], const uint8_t sig[64], const void *message, size_t size)
{
    for (uint32_t i = 0; i < signatures_n; i++)
        if (signatures[i].size == size && memcmp(signatures[i].key, key, 32) == 0 &&
            memcmp(signatures[i].sig, sig, 64) == 0 && memcmp(signatures[i].message, message, size) == 0)
            return &signatures[i];
    return NULL;
}

static void write_down(const uint8_t key[32], const uint8_t sig[64], const void *message, size_t size)
{
    struct signature *s = &signatures[signatures_n];
    uint8_t *copy = malloc(size + 1);

    if (copy == NULL || signatures_n == SIGNATURES_MAX)
        return; /* it will be computed here */
    memcpy(copy, message, size);
    memcpy(s->key, key, 32);
    memcpy(s->sig, sig, 64);
    s->message = copy;
    s->size = (uint32_t)size;
    s->is_good = s->is_checked = false;
    signatures_n++;
}

int EVP_DigestVerify(EVP_MD_CTX *ctx, const uint8_t *sig, size_t sig_size, const void *message, size_t size)
{
    const struct signature *known = find(ctx->key, sig, message, size);

    if (sig_size != 64)
        return 0;
    if (mode == WASM_COLLECT) {
        if (known == NULL)
            write_down(ctx->key, sig, message, size);
        return 1;
    }
    if (known != NULL && known->is_checked)
        return known->is_good;
    return ed25519_verify(sig, message, size, ctx->key);
}

/* ---- for the page ---- */

WASM_EXPORT("signatures") uint32_t wasm_signatures(void)
{
    return signatures_n;
}

/* key[32], signature[64], then the message's address and size. */
WASM_EXPORT("signature") const void *wasm_signature(uint32_t i)
{
    return i < signatures_n ? &signatures[i] : NULL;
}

/* What the browser found about one. Between that question and this answer others may have been asked, and all memory let go of: so it is
 * told anew, whole. The bytes stay where they are until the next question begins. */
WASM_EXPORT("known")
void wasm_known(const uint8_t *key, const uint8_t *sig, const uint8_t *message, uint32_t size, uint32_t is_good)
{
    struct signature *s = &signatures[signatures_n];

    if (signatures_n == SIGNATURES_MAX)
        return;
    memcpy(s->key, key, 32);
    memcpy(s->sig, sig, 64);
    s->message = message;
    s->size = size;
    s->is_checked = true;
    s->is_good = is_good == 1;
    signatures_n++;
}
