/* test_fastsig.c: libsodium behind our checks gives the verdicts of libcrypto behind our checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <sodium.h>

#include "ledger/core/fastsig.h"
#include "ledger/verify/bytes.h"
#include "tests/unit/sample.h"
#include "tests/unit/vectors.h"

/* Both engines, one verdict. */
static bool verdict(const uint8_t *sig, const void *message, size_t size, const uint8_t *key)
{
    bool fast = slk_fastsig_verify(sig, message, size, key);

    assert_int_equal(fast, slk_sig_verify(sig, message, size, key));
    return fast;
}

static size_t hex(uint8_t *out, size_t cap, const char *text)
{
    size_t n = strlen(text) / 2;

    assert_true(n <= cap && slk_hex_parse(out, n, text, strlen(text)));
    return n;
}

static void wycheproof_verdicts_are_equal(void **state)
{
    json_t *root = load_vectors("wycheproof_ed25519.json"), *group, *test;
    size_t i, k, n = 0;

    (void)state;
    if (root == NULL)
        return;
    json_array_foreach(json_object_get(root, "testGroups"), i, group)
    {
        uint8_t key[32], sig[512], message[8192];
        const char *pk = json_string_value(json_object_get(json_object_get(group, "publicKey"), "pk"));

        assert_non_null(pk);
        assert_int_equal(hex(key, sizeof(key), pk), sizeof(key));
        json_array_foreach(json_object_get(group, "tests"), k, test)
        {
            size_t sig_n = hex(sig, sizeof(sig), json_string_value(json_object_get(test, "sig")));
            size_t message_n = hex(message, sizeof(message), json_string_value(json_object_get(test, "msg")));
            bool valid = strcmp(json_string_value(json_object_get(test, "result")), "valid") == 0;

            if (sig_n != SLK_SIGNATURE_SIZE)
                continue; /* the type of our argument refuses these */
            assert_int_equal(verdict(sig, message, message_n, key), valid);
            n++;
        }
    }
    assert_true(n > 100);
    json_decref(root);
}

/* Encodings of all points whose order divides 8, the canonical and the others, with either sign bit
 * (hdevalence's and Monocypher's lists name the same ones; each is easily recomputed). */
static const char *const small_order[] = {
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};
#define SMALL_N (sizeof(small_order) / sizeof(small_order[0]))

static void small_order_points_are_refused(void **state)
{
    struct sample_key good;
    uint8_t key[32], sig[64], point[32];

    (void)state;
    sample_key(&good, 1);
    for (size_t i = 0; i < 2 * SMALL_N; i++) {
        hex(point, sizeof(point), small_order[i / 2]);
        point[31] |= (uint8_t)(i % 2 << 7);
        for (size_t k = 0; k < 2 * SMALL_N; k++) {
            /* R and S = 0: under the identity as key, R = identity "signs" every message */
            memset(sig, 0, sizeof(sig));
            hex(sig, 32, small_order[k / 2]);
            sig[31] |= (uint8_t)(k % 2 << 7);
            assert_false(verdict(sig, "message", 7, point));
            assert_false(verdict(sig, "message", 7, good.public));
        }
        (void)crypto_sign_detached(sig, NULL, (const uint8_t *)"message", 7, good.secret);
        memcpy(key, point, sizeof(key));
        assert_false(verdict(sig, "message", 7, key));
        memcpy(sig, point, 32);
        assert_false(verdict(sig, "message", 7, good.public));
    }
}

static void add_group_order(uint8_t s[32])
{
    static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2,
        0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10}; /* RFC 8032 §5.1 */
    unsigned carry = 0;

    for (int i = 0; i < 32; i++) {
        carry += (unsigned)s[i] + order[i];
        s[i] = (uint8_t)carry;
        carry >>= 8;
    }
}

static void a_large_s_is_refused(void **state)
{
    struct sample_key key;
    uint8_t sig[64];

    (void)state;
    sample_key(&key, 2);
    (void)crypto_sign_detached(sig, NULL, (const uint8_t *)"abc", 3, key.secret);
    assert_true(verdict(sig, "abc", 3, key.public));
    for (int i = 0; i < 7; i++) {
        add_group_order(sig + 32);
        assert_false(verdict(sig, "abc", 3, key.public));
    }
}

static void every_flipped_bit_is_refused(void **state)
{
    struct sample_key key;
    uint8_t sig[64], message[5] = {1, 2, 3, 4, 5};

    (void)state;
    sample_key(&key, 3);
    (void)crypto_sign_detached(sig, NULL, message, sizeof(message), key.secret);
    for (size_t bit = 0; bit < 8 * sizeof(sig); bit++) {
        sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(verdict(sig, message, sizeof(message), key.public));
        sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * sizeof(key.public); bit++) {
        key.public[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(verdict(sig, message, sizeof(message), key.public));
        key.public[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * sizeof(message); bit++) {
        message[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(verdict(sig, message, sizeof(message), key.public));
        message[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(verdict(sig, message, sizeof(message), key.public));
}

static void random_inputs_get_one_verdict(void **state)
{
    uint64_t random = 77;
    uint8_t message[300];
    size_t good_n = 0;

    (void)state;
    for (int round = 0; round < 4000; round++) {
        struct sample_key key;
        uint8_t sig[64];
        size_t size = sample_below(&random, sizeof(message));

        for (size_t i = 0; i < size; i++)
            message[i] = (uint8_t)sample_random(&random);
        sample_key(&key, (unsigned)sample_below(&random, 50));
        (void)crypto_sign_detached(sig, NULL, message, size, key.secret);
        switch (sample_below(&random, 5)) {
        case 0:
            for (size_t i = 0; i < sizeof(sig); i++)
                sig[i] = (uint8_t)sample_random(&random);
            sig[63] &= 0x1f; /* near the group order */
            break;
        case 1:
            for (size_t i = 0; i < sizeof(key.public); i++)
                key.public[i] = (uint8_t)sample_random(&random);
            break;
        case 2:
            sig[sample_below(&random, sizeof(sig))] ^= (uint8_t)(1u << sample_below(&random, 8));
            break;
        case 3:
            hex(key.public, 32, small_order[sample_below(&random, SMALL_N)]);
            break;
        default:
            break;
        }
        good_n += verdict(sig, message, size, key.public);
    }
    assert_true(good_n > 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wycheproof_verdicts_are_equal),
        cmocka_unit_test(small_order_points_are_refused),
        cmocka_unit_test(a_large_s_is_refused),
        cmocka_unit_test(every_flipped_bit_is_refused),
        cmocka_unit_test(random_inputs_get_one_verdict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
