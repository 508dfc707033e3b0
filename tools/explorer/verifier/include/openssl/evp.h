/* What ledger/verify/sig.c uses of libcrypto, on ed25519.h and on what the browser checked before (crypto.c). */
#ifndef SLK_WASM_EVP_H
#define SLK_WASM_EVP_H
#include <stddef.h>
#include <stdint.h>
#define EVP_PKEY_ED25519 1
typedef struct wasm_key EVP_PKEY;
typedef struct wasm_key EVP_MD_CTX;
EVP_PKEY *EVP_PKEY_new_raw_public_key(int type, void *engine, const uint8_t *key, size_t size);
void EVP_PKEY_free(EVP_PKEY *key);
EVP_MD_CTX *EVP_MD_CTX_new(void);
void EVP_MD_CTX_free(EVP_MD_CTX *ctx);
int EVP_DigestVerifyInit(EVP_MD_CTX *ctx, void *pctx, const void *md, void *engine, EVP_PKEY *key);
int EVP_DigestVerify(EVP_MD_CTX *ctx, const uint8_t *sig, size_t sig_size, const void *message, size_t size);
#endif
