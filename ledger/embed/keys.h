/* keys.h: Ed25519 keys: in PEM files (PKCS#8, RFC 8410), read and written without a copy left in memory, or in a PKCS#11 token, named by
 * a URI (token.h). Wherever a key file is named, a URI may stand instead, or the name of a file that holds nothing but the URI. */
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
/* A file that names a key in a token, written as slk_key_save writes. */
SLK_MUST_CHECK enum slk_err slk_key_save_uri(const char *uri, const char *file, struct slk_fault *fault);
/* `file` is a path or a URI. Refuses a file that others may read (mode & 077), one that is not Ed25519, and one that does not
 * parse; of a URI, what slk_token_open refuses. */
SLK_MUST_CHECK enum slk_err slk_key_load(struct slk_key **out, const char *file, struct slk_fault *fault);
/* The same without asking a token: of a key in one, which is SLK_OK too, *out is NULL. */
SLK_MUST_CHECK enum slk_err slk_key_look(struct slk_key **out, const char *file, struct slk_fault *fault);
/* Gives it back: it is gone when all who keep it have. NULL is fine. */
void slk_key_free(struct slk_key *key);
/* The same key once more, for another thread, to be freed as well. */
struct slk_key *slk_key_keep(const struct slk_key *key);
const uint8_t *slk_key_public(const struct slk_key *key);
/* NULL is no key, and the same as none. */
bool slk_key_is_same(const struct slk_key *a, const struct slk_key *b);
bool slk_key_is_uri(const char *name);

/* A key of which only the holder has the secret: a token; a stand-in in tests. Its `sign` may take its time, fail and come back. */
struct slk_key_holder {
    enum slk_err (*sign)(void *held, uint8_t sig[SLK_SIGNATURE_SIZE], const void *message, size_t size,
        struct slk_fault *fault);
    void (*close)(void *held); /* by slk_key_free */
};
SLK_MUST_CHECK enum slk_err slk_key_held(struct slk_key **out, const uint8_t public_key[SLK_KEY_SIZE],
    const struct slk_key_holder *holder, void *held);
bool slk_key_is_held_elsewhere(const struct slk_key *key);

/* 32 secret bytes, borrowed: for libcrypto, which signs TLS handshakes itself. NULL: the secret is held elsewhere. */
const uint8_t *slk_key_seed(const struct slk_key *key);
/* SLK_OK; SLK_E_SIGNER: the token does not answer, try again later; SLK_E_KEY. */
SLK_MUST_CHECK enum slk_err slk_key_sign(
    const struct slk_key *key, uint8_t sig[SLK_SIGNATURE_SIZE], const void *message, size_t size);
/* The same, and the fault says why not. */
SLK_MUST_CHECK enum slk_err slk_key_sign_or_say(const struct slk_key *key, uint8_t sig[SLK_SIGNATURE_SIZE],
    const void *message, size_t size, struct slk_fault *fault);

#endif
