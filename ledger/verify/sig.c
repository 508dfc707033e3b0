/* sig.c: see sig.h. */
#include <string.h>

#include <openssl/evp.h>

#include "ledger/verify/hash.h"
#include "ledger/verify/sig.h"

#define SIGN_BIT 0x80 /* RFC 8032 §5.1.2: of x, in the last byte of an encoded point */

/* Little-endian, as RFC 8032 §5.1 writes them. */
static const uint8_t field_prime[32] = {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0x7f};
static const uint8_t group_order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
    0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10};

/* The y of the eight points whose order divides 8; x and -x share a y, so five values cover them all.
 * The y = p and y = p + 1 that would alias the first two are refused before, as not canonical. */
static const uint8_t small_order_y[5][32] = {
    {0}, /* order 4 */
    {1}, /* order 1; with the sign bit: negative zero */
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0x7f}, /* -1: order 2; likewise */
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc,
        0x05}, /* order 8 */
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03,
        0x7a}, /* order 8 */
};

/* Compares two little-endian numbers of 32 bytes. */
static bool is_below(const uint8_t a[32], const uint8_t b[32])
{
    for (size_t i = 32; i > 0; i--) {
        if (a[i - 1] != b[i - 1])
            return a[i - 1] < b[i - 1];
    }
    return false;
}

bool slk_key_is_sound(const uint8_t key[SLK_KEY_SIZE])
{
    uint8_t y[32];

    memcpy(y, key, sizeof(y));
    y[31] &= (uint8_t)~SIGN_BIT;
    if (!is_below(y, field_prime))
        return false;
    for (size_t i = 0; i < sizeof(small_order_y) / sizeof(small_order_y[0]); i++) {
        if (memcmp(y, small_order_y[i], sizeof(y)) == 0)
            return false;
    }
    return true;
}

bool slk_sig_is_canonical(const uint8_t sig[SLK_SIGNATURE_SIZE], const uint8_t key[SLK_KEY_SIZE])
{
    /* R is the encoding of a point like A, and must meet the same rule. */
    return slk_key_is_sound(key) && slk_key_is_sound(sig) && is_below(sig + 32, group_order);
}

bool slk_sig_verify(
    const uint8_t sig[SLK_SIGNATURE_SIZE], const void *message, size_t size, const uint8_t key[SLK_KEY_SIZE])
{
    EVP_PKEY *pkey = NULL;
    EVP_MD_CTX *ctx = NULL;
    bool good = false;

    if (!slk_sig_is_canonical(sig, key))
        return false;
    pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, SLK_KEY_SIZE);
    ctx = EVP_MD_CTX_new();
    if (pkey == NULL || ctx == NULL || EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) != 1)
        goto out;
    good = EVP_DigestVerify(ctx, sig, SLK_SIGNATURE_SIZE, size == 0 ? "" : message, size) == 1;
out:
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return good;
}

void slk_key_id(uint8_t out[SLK_KEY_ID_SIZE], const uint8_t key[SLK_KEY_SIZE])
{
    struct slk_hash hash;

    slk_hash_bytes(&hash, key, SLK_KEY_SIZE);
    memcpy(out, hash.b, SLK_KEY_ID_SIZE);
}
