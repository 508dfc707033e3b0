/* test_sha2.c: the browser's SHA-256 and SHA-512 against libcrypto's. (Its Ed25519 is in test_sig.c, beside the others.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "tools/explorer/verifier/sha2.h"

enum { LENGTHS = 700 };

static void every_length_in_every_cut_hashes_as_libcrypto_does(void **state)
{
    uint8_t bytes[LENGTHS], ours[64], theirs[64];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 131 + i / 251);
    for (size_t n = 0; n < sizeof(bytes); n++)
        for (size_t cut = 0; cut <= n; cut += n / 5 + 1) {
            struct sha256 a;
            struct sha512 b;

            sha256_init(&a);
            sha256_add(&a, bytes, cut);
            sha256_add(&a, bytes + cut, n - cut);
            sha256_end(&a, ours);
            assert_int_equal(EVP_Digest(bytes, n, theirs, NULL, EVP_sha256(), NULL), 1);
            assert_memory_equal(ours, theirs, 32);
            sha512_init(&b);
            sha512_add(&b, bytes, cut);
            sha512_add(&b, bytes + cut, n - cut);
            sha512_end(&b, ours);
            assert_int_equal(EVP_Digest(bytes, n, theirs, NULL, EVP_sha512(), NULL), 1);
            assert_memory_equal(ours, theirs, 64);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_length_in_every_cut_hashes_as_libcrypto_does)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
