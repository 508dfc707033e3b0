/* fastsig.c: libsodium's verification behind the checks of ledger/verify/sig.h. */
#include "ledger/core/fastsig.h"

#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>

_Static_assert(crypto_sign_BYTES == SLK_SIGNATURE_SIZE, "RFC 8032 §5.1.6");
_Static_assert(crypto_sign_PUBLICKEYBYTES == SLK_KEY_SIZE, "RFC 8032 §5.1.5");

/* sodium_init locks by itself and may be called by several threads at once; the flag only saves the call. */
static void start_sodium(void)
{
    static atomic_bool started;

    if (atomic_load_explicit(&started, memory_order_acquire))
        return;
    if (sodium_init() < 0)
        abort(); /* it fails only when the system gives no random bytes at all */
    atomic_store_explicit(&started, true, memory_order_release);
}

bool slk_fastsig_verify(
    const uint8_t sig[SLK_SIGNATURE_SIZE], const void *message, size_t size, const uint8_t key[SLK_KEY_SIZE])
{
    start_sodium();
    /* libsodium 1.0.18 refuses the same encodings by itself. That is a build option there (ED25519_COMPAT)
     * and a rule of the ledger here, so our own checks stand before it. */
    return slk_sig_is_canonical(sig, key) && crypto_sign_verify_detached(sig, message, size, key) == 0;
}
