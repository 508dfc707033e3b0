/* What ledger/verify/hash.c uses of libcrypto, on sha2.h. */
#ifndef SLK_WASM_SHA_H
#define SLK_WASM_SHA_H
#include "tools/explorer/verifier/sha2.h"
#define SHA256_DIGEST_LENGTH 32
typedef struct sha256 SHA256_CTX;
int SHA256_Init(SHA256_CTX *ctx);
int SHA256_Update(SHA256_CTX *ctx, const void *bytes, size_t size);
int SHA256_Final(unsigned char *out, SHA256_CTX *ctx);
#endif
