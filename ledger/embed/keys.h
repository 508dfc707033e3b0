/* keys.h: Ed25519 keys in PEM files (PKCS#8, RFC 8410), read and written without a copy left in memory. */
#ifndef SLK_EMBED_KEYS_H
#define SLK_EMBED_KEYS_H

#include "ledger/verify/note.h"

struct slk_key; /* a private key; wiped when freed */

/* Makes a key and writes it to a new file, mode 0600, fsynced; an existing file is never overwritten (SLK_E_EXISTS). */
SLK_MUST_CHECK enum slk_err slk_key_generate(struct slk_key **out, const char *file, struct slk_fault *fault);
/* From a 32-byte seed: for tests and simulations, whose keys must be reproducible. */
SLK_MUST_CHECK enum slk_err slk_key_from_seed(struct slk_key **out, const uint8_t seed[32]);
SLK_MUST_CHECK enum slk_err slk_key_save(
    const struct slk_key *key, const char *file, struct slk_fault *fault);
/* Refuses a file that others may read (mode & 077), one that is not Ed25519, and one that does not parse. */
SLK_MUST_CHECK enum slk_err slk_key_load(struct slk_key **out, const char *file, struct slk_fault *fault);
void slk_key_free(struct slk_key *key);
const uint8_t *slk_key_public(const struct slk_key *key);
/* 32 secret bytes, borrowed: for libcrypto, which signs TLS handshakes itself. */
const uint8_t *slk_key_seed(const struct slk_key *key);
SLK_MUST_CHECK enum slk_err slk_key_sign(
    const struct slk_key *key, uint8_t sig[SLK_SIGNATURE_SIZE], const void *message, size_t size);

#endif
