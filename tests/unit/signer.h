/* signer.h: Ed25519 keys made from a number, and signatures, for tests of notes and policies. */
#ifndef SLK_TEST_SIGNER_H
#define SLK_TEST_SIGNER_H

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "ledger/verify/note.h"

struct signer {
    struct slk_vkey vkey;
    uint8_t seed[32];
};

static inline void signer_sign(
    uint8_t sig[SLK_SIGNATURE_SIZE], const struct signer *s, const void *message, size_t size)
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, s->seed, sizeof(s->seed));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t sig_size = SLK_SIGNATURE_SIZE;

    if (pkey == NULL || ctx == NULL || EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) != 1 ||
        EVP_DigestSign(ctx, sig, &sig_size, message, size) != 1)
        abort();
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
}

static inline void signer_init(struct signer *s, const char *name, uint8_t type, uint8_t number)
{
    EVP_PKEY *pkey;
    uint8_t key[SLK_KEY_SIZE];
    size_t size = sizeof(key);

    memset(s, 0, sizeof(*s));
    s->seed[0] = number;
    s->seed[1] = 0x5e;
    pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, s->seed, sizeof(s->seed));
    if (pkey == NULL || EVP_PKEY_get_raw_public_key(pkey, key, &size) != 1 ||
        slk_vkey_init(&s->vkey, name, type, key) != SLK_OK)
        abort();
    EVP_PKEY_free(pkey);
}

/* Appends this signer's line over `text` to the note; time_s is for cosignatures. */
static inline void signer_add_line(
    struct slk_writer *note, const struct signer *s, uint64_t time_s, struct slk_span text)
{
    uint8_t blob[SLK_NOTE_BLOB_MAX], message[8192];
    bool cosign = s->vkey.type == SLK_SIG_COSIGNATURE_V1;
    size_t size;

    slk_put_u32(blob, s->vkey.key_hash);
    slk_put_u64(blob + 4, time_s);
    if (cosign) {
        size = slk_cosign_message(message, sizeof(message), time_s, text);
        signer_sign(blob + 12, s, message, size);
    } else {
        signer_sign(blob + 4, s, text.at, text.size);
    }
    slk_note_write_sig(note, s->vkey.name, strlen(s->vkey.name), blob, cosign ? 76 : 68);
}

#endif
