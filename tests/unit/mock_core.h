/* mock_core.h: signatures for tests of the consensus core, which nobody can tell from good ones: the signer's key and a hash of
 * the message. They cost nothing, and hold for nothing else: charter, height, kind and all are in what is hashed.
 */
#ifndef SLK_TESTS_MOCK_CORE_H
#define SLK_TESTS_MOCK_CORE_H

#include <string.h>

#include "ledger/core/msg.h"

static inline uint64_t mock_sum(const uint8_t *bytes, size_t size, uint8_t first)
{
    uint64_t h = UINT64_C(14695981039346656037) ^ first; /* FNV-1a */

    for (size_t i = 0; i < size; i++)
        h = (h ^ bytes[i]) * UINT64_C(1099511628211);
    return h;
}

static inline void mock_sign(
    uint8_t sig[SLK_SIGNATURE_SIZE], const uint8_t *bytes, size_t size, const uint8_t *key)
{
    memset(sig, 0, SLK_SIGNATURE_SIZE);
    slk_put_u64(sig, mock_sum(bytes, size, key[0]));
}

/* A slk_verifier's. */
static inline bool mock_verify(void *ctx, const uint8_t sig[SLK_SIGNATURE_SIZE], const uint8_t *bytes,
    size_t size, const uint8_t key[SLK_KEY_SIZE])
{
    uint8_t good[SLK_SIGNATURE_SIZE];

    (void)ctx;
    mock_sign(good, bytes, size, key);
    return memcmp(good, sig, SLK_SIGNATURE_SIZE) == 0;
}

/* As member `signer` of the council. */
static inline void mock_sign_statement(uint8_t sig[SLK_SIGNATURE_SIZE], const struct slk_council *council,
    const struct slk_statement *s, size_t signer)
{
    uint8_t bytes[SLK_VOTE_BYTES];

    slk_statement_bytes(bytes, council, s);
    mock_sign(sig, bytes, sizeof(bytes), council->keys[signer]);
}

#endif
