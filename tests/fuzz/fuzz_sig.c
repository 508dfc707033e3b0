/* fuzz_sig.c: the two Ed25519 verifiers, libcrypto's with our checks and libsodium's, give one verdict.
 *
 * Input: signature[64] || key[32] || message. */
#include "ledger/core/fastsig.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *exact;
    const uint8_t *key, *message;
    size_t message_size;
    bool good;

    if (size < SLK_SIGNATURE_SIZE + SLK_KEY_SIZE)
        return 0;
    exact = fuzz_exact(data, size);
    key = exact + SLK_SIGNATURE_SIZE;
    message = key + SLK_KEY_SIZE;
    message_size = size - SLK_SIGNATURE_SIZE - SLK_KEY_SIZE;
    good = slk_sig_verify(exact, message, message_size, key);
    FUZZ_CHECK(slk_fastsig_verify(exact, message, message_size, key) == good);
    if (good)
        FUZZ_CHECK(slk_sig_is_canonical(exact, key) && slk_key_is_sound(key));
    free(exact);
    return 0;
}
