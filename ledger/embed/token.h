/* token.h: Ed25519 keys inside a PKCS#11 token (an HSM, a smart card), named by an RFC 7512 URI.
 *
 *   pkcs11:token=agency-1;object=vote?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/sillok/pin
 *
 * `object` or `id` must be there; what else the URI says narrows the choice down to one key, and two that fit are refused. Without
 * module-path every module is looked at that p11-kit knows of. The PIN is read anew for each login and wiped: from
 * pin-source (`file:/path`, a path, or the name of a file in $CREDENTIALS_DIRECTORY), else from $CREDENTIALS_DIRECTORY/pkcs11-pin.
 * A pin-value is refused: it would stand in the process list and in configurations.
 *
 * Calls block for as long as the module does, and are made one at a time in this process. Whoever may not wait calls from a thread
 * of its own (net/signer.h).
 */
#ifndef SLK_EMBED_TOKEN_H
#define SLK_EMBED_TOKEN_H

#include "ledger/verify/note.h"

#define SLK_TOKEN_SCHEME "pkcs11:" /* RFC 7512 §2.3 */

struct slk_token_key;

/* Finds the key, logs in, and makes one signature to see that private and public key belong together.
 * SLK_OK; SLK_E_SIGNER: the module failed, or the token is not there; SLK_E_NOT_FOUND: no such key in it; SLK_E_KEY: not a key that can be
 * used, or the PIN is wrong. A wrong PIN is not tried again while a key of this module is open: tokens lock themselves. The fault says
 * it in words. */
SLK_MUST_CHECK enum slk_err slk_token_open(
    struct slk_token_key **out, uint8_t public_key[SLK_KEY_SIZE], const char *uri, struct slk_fault *fault);
/* As slk_key_sign. When the session is lost (the token was pulled, the HSM restarted) it is opened again, once within a call; from the
 * second call in a row on the module is started anew as well. SLK_E_SIGNER, SLK_E_NOT_FOUND, SLK_E_KEY: as above. A signature is handed out only when slk_sig_verify accepts it. */
SLK_MUST_CHECK enum slk_err slk_token_sign(struct slk_token_key *key, uint8_t sig[SLK_SIGNATURE_SIZE],
    const void *message, size_t size, struct slk_fault *fault);
/* NULL is fine. Does not wait for a module that hangs in another thread. */
void slk_token_close(struct slk_token_key *key);

/* Makes a key pair in the token: not extractable, `object` its label. SLK_E_EXISTS: there is an object with that label. */
SLK_MUST_CHECK enum slk_err slk_token_generate(
    uint8_t public_key[SLK_KEY_SIZE], const char *uri, struct slk_fault *fault);

#endif
