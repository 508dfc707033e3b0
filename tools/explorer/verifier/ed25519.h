/* ed25519.h: checks an Ed25519 signature without any library. Source: RFC 8032 §5.1.7.
 *
 * Public data alone goes in: nothing here runs in constant time.
 */
#ifndef SLK_EXPLORER_ED25519_H
#define SLK_EXPLORER_ED25519_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True iff [S]B - [h]A, encoded, is R byte for byte, h being SHA-512(R || A || message) modulo the group's order, and A
 * is a point. That S is below the order, and that A and R are of no small order, is for the caller to see before (slk_sig_is_canonical). */
bool ed25519_verify(const uint8_t sig[64], const void *message, size_t size, const uint8_t key[32]);

#endif
