/* sig.h: Ed25519, one strict rule everywhere. Source: RFC 8032 §5.1.7, and design §4.
 *
 * Accepted iff: S is canonical (below the group order), the encodings of A and R are canonical (y below
 * 2^255 - 19, and no negative zero), neither is of small order, and R equals the recomputed encoding byte for
 * byte. OpenSSL 3.0 alone accepts small-order keys, under which R = identity, S = 0 signs any message.
 */
#ifndef SLK_VERIFY_SIG_H
#define SLK_VERIFY_SIG_H

#include "ledger/verify/sillok.h"

#define SLK_KEY_SIZE       32 /* RFC 8032 §5.1.5 */
#define SLK_SIGNATURE_SIZE 64 /* RFC 8032 §5.1.6 */
#define SLK_KEY_ID_SIZE    8  /* design §3: first bytes of SHA-256 of an issuer's public key */

/* A canonical encoding, not of small order: fit to stand in a charter or a policy. */
bool slk_key_is_sound(const uint8_t key[SLK_KEY_SIZE]);
/* The checks above on A, R and S that need no curve arithmetic beyond table look-ups. */
bool slk_sig_is_canonical(const uint8_t sig[SLK_SIGNATURE_SIZE], const uint8_t key[SLK_KEY_SIZE]);
/* The whole rule, through libcrypto. About 110 us. */
SLK_MUST_CHECK bool slk_sig_verify(
    const uint8_t sig[SLK_SIGNATURE_SIZE], const void *message, size_t size, const uint8_t key[SLK_KEY_SIZE]);
void slk_key_id(uint8_t out[SLK_KEY_ID_SIZE], const uint8_t key[SLK_KEY_SIZE]);

#endif
