/* sha2.h: SHA-256 and SHA-512 for the verifier in the browser, where there is no libcrypto. Source: FIPS 180-4. */
#ifndef SLK_EXPLORER_SHA2_H
#define SLK_EXPLORER_SHA2_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t h[8];
    uint64_t bytes;
    uint8_t block[64];
};
void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *bytes, size_t size);
void sha256_end(struct sha256 *s, uint8_t out[32]);

struct sha512 {
    uint64_t h[8];
    uint64_t bytes; /* messages below 2^61 bytes */
    uint8_t block[128];
};
void sha512_init(struct sha512 *s);
void sha512_add(struct sha512 *s, const void *bytes, size_t size);
void sha512_end(struct sha512 *s, uint8_t out[64]);

#endif
