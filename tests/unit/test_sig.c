/* Ed25519: our rule is what libsodium accepts. Every case is judged by both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "ledger/verify/bytes.h"
#include "ledger/verify/sig.h"
#include "tools/explorer/verifier/ed25519.h"
#include "vectors.h"

#define MESSAGE_MAX 4096

/* y of the points of small order, canonical and not, without the sign bit. */
static const char *const small_order_y[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p: 0 again */
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p + 1 */
};
#define SMALL_N (2 * sizeof(small_order_y) / sizeof(small_order_y[0])) /* with either sign */

static const uint8_t group_order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
    0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10};

struct keys {
    uint8_t public_key[32];
    uint8_t secret[64];
};

static void make_keys(struct keys *keys, uint8_t n)
{
    uint8_t seed[32] = {n, 1};

    assert_int_equal(crypto_sign_seed_keypair(keys->public_key, keys->secret, seed), 0);
}

static int start_sodium(void **state)
{
    (void)state;
    return sodium_init() < 0 ? -1 : 0;
}

static void read_hex(uint8_t out[32], const char *hex)
{
    assert_true(slk_hex_parse(out, 32, hex, strlen(hex)));
}

static void small_point(uint8_t out[32], size_t i)
{
    read_hex(out, small_order_y[i / 2]);
    if (i % 2 == 1)
        out[31] |= 0x80;
}

/* Asks both and insists that they agree. */
static bool verify(const uint8_t sig[64], const void *message, size_t size, const uint8_t key[32])
{
    bool good = slk_sig_verify(sig, message, size, key);
    bool page = slk_sig_is_canonical(sig, key) && ed25519_verify(sig, message, size, key);
    bool sodium = crypto_sign_verify_detached(sig, message, size, key) == 0;

    assert_int_equal(good, sodium);
    if (good)
        assert_true(slk_sig_is_canonical(sig, key) && slk_key_is_sound(key));
    assert_int_equal(page, good); /* the verifier in the browser */
    return good;
}

static void knows_the_first_test_of_rfc_8032(void **state)
{
    static const char *const key_hex = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    static const char *const r_hex = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155";
    static const char *const s_hex = "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";
    uint8_t key[32], sig[64];

    (void)state;
    read_hex(key, key_hex);
    read_hex(sig, r_hex);
    read_hex(sig + 32, s_hex);
    assert_true(verify(sig, NULL, 0, key));
    assert_false(verify(sig, "x", 1, key));
}

static void good_signatures_of_every_length_pass(void **state)
{
    uint8_t message[300] = {0}, sig[64];
    struct keys keys;

    (void)state;
    for (size_t size = 0; size <= sizeof(message); size++) {
        make_keys(&keys, (uint8_t)size);
        crypto_sign_detached(sig, NULL, message, size, keys.secret);
        assert_true(verify(sig, message, size, keys.public_key));
    }
}

static void a_flipped_bit_of_signature_key_or_message_is_refused(void **state)
{
    uint8_t message[33] = "thirty-three bytes of a statement", sig[64];
    struct keys keys;

    (void)state;
    make_keys(&keys, 1);
    crypto_sign_detached(sig, NULL, message, sizeof(message), keys.secret);
    for (size_t bit = 0; bit < 8 * sizeof(sig); bit++) {
        sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(verify(sig, message, sizeof(message), keys.public_key));
        sig[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * sizeof(keys.public_key); bit++) {
        keys.public_key[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(verify(sig, message, sizeof(message), keys.public_key));
        keys.public_key[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * sizeof(message); bit++) {
        message[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(verify(sig, message, sizeof(message), keys.public_key));
        message[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(verify(sig, message, sizeof(message), keys.public_key));
}

/* Under A = R = identity and S = 0 any message verifies without the checks. */
static void small_order_keys_and_points_are_refused(void **state)
{
    uint8_t good_s[64];
    struct keys keys;

    (void)state;
    make_keys(&keys, 2);
    crypto_sign_detached(good_s, NULL, (const uint8_t *)"m", 1, keys.secret);
    for (size_t a = 0; a <= SMALL_N; a++) {
        for (size_t r = 0; r <= SMALL_N; r++) {
            for (unsigned s = 0; s < 4; s++) {
                uint8_t key[32], sig[64] = {0};

                memcpy(key, keys.public_key, 32);
                memcpy(sig, good_s, 32);
                if (a < SMALL_N)
                    small_point(key, a);
                if (r < SMALL_N)
                    small_point(sig, r);
                if (s == 1)
                    sig[32] = 1;
                if (s == 2)
                    memcpy(sig + 32, group_order, 32);
                if (s == 3)
                    memcpy(sig + 32, good_s + 32, 32);
                assert_int_equal(verify(sig, "m", 1, key), a == SMALL_N && r == SMALL_N && s == 3);
                if (a < SMALL_N)
                    assert_false(slk_key_is_sound(key));
                if (a < SMALL_N || r < SMALL_N)
                    assert_false(slk_sig_is_canonical(sig, key));
            }
        }
    }
}

/* The 19 values from p to 2^255 - 1, with either sign, are second spellings. */
static void keys_not_canonical_are_not_sound(void **state)
{
    uint8_t key[32];

    (void)state;
    for (unsigned low = 0; low < 256; low++) {
        for (unsigned sign = 0; sign < 2; sign++) {
            uint8_t sig[64] = {2};

            memset(key, 0xff, sizeof(key));
            key[0] = (uint8_t)low;
            key[31] = sign ? 0xff : 0x7f;
            assert_int_equal(slk_key_is_sound(key), low < 0xec); /* 0xec is p - 1: small order */
            sig[32] = 1;
            (void)verify(sig, "m", 1, key);
            memcpy(sig, key, 32);
            (void)verify(sig, "m", 1, key);
        }
    }
}

/* S + L verifies under the equation, and is another spelling of S. */
static void s_not_below_the_group_order_is_refused(void **state)
{
    uint8_t sig[64], message[1];
    struct keys keys;

    (void)state;
    make_keys(&keys, 3);
    for (unsigned i = 0; i < 64; i++) {
        unsigned carry = 0;

        message[0] = (uint8_t)i;
        crypto_sign_detached(sig, NULL, message, 1, keys.secret);
        assert_true(verify(sig, message, 1, keys.public_key));
        for (size_t k = 0; k < 32; k++) {
            carry += (unsigned)sig[32 + k] + group_order[k];
            sig[32 + k] = (uint8_t)(carry & 0xff);
            carry >>= 8;
        }
        assert_false(slk_sig_is_canonical(sig, keys.public_key));
        assert_false(verify(sig, message, 1, keys.public_key));
    }
    memcpy(sig + 32, group_order, 32);
    assert_false(slk_sig_is_canonical(sig, keys.public_key));
    sig[32]--;
    assert_true(slk_sig_is_canonical(sig, keys.public_key));
}

/* A key with a small-order part: A = aB + T. Cofactorless verification accepts what is signed with a only
 * when the challenge h makes hT vanish; all of us must agree when. */
static void keys_of_mixed_order_are_judged_alike(void **state)
{
    unsigned accepted_n = 0;

    (void)state;
    for (unsigned i = 0; i < 400; i++) {
        uint8_t a[32], r[32], wide[64], h[32], key[32], torsion[32], sig[64], message[2];
        uint8_t seed[32] = {9, (uint8_t)i, (uint8_t)(i >> 8)};
        crypto_hash_sha512_state sha;

        message[0] = (uint8_t)(i & 0xff);
        message[1] = (uint8_t)(i >> 8);
        crypto_hash_sha512(wide, seed, sizeof(seed));
        crypto_core_ed25519_scalar_reduce(a, wide);
        crypto_hash_sha512(wide, wide, sizeof(wide));
        crypto_core_ed25519_scalar_reduce(r, wide);
        assert_int_equal(crypto_scalarmult_ed25519_base_noclamp(key, a), 0);
        read_hex(torsion, small_order_y[i % 2 ? 3 : 0]); /* order 8, order 4 */
        assert_int_equal(crypto_core_ed25519_add(key, key, torsion), 0);
        assert_int_equal(crypto_scalarmult_ed25519_base_noclamp(sig, r), 0);
        crypto_hash_sha512_init(&sha);
        crypto_hash_sha512_update(&sha, sig, 32);
        crypto_hash_sha512_update(&sha, key, 32);
        crypto_hash_sha512_update(&sha, message, sizeof(message));
        crypto_hash_sha512_final(&sha, wide);
        crypto_core_ed25519_scalar_reduce(h, wide);
        crypto_core_ed25519_scalar_mul(h, h, a);
        crypto_core_ed25519_scalar_add(sig + 32, r, h);
        assert_true(slk_key_is_sound(key));
        accepted_n += verify(sig, message, sizeof(message), key);
    }
    assert_true(accepted_n > 20 && accepted_n < 200); /* 1/8 and 1/4 of 200 each are expected */
}

static void random_mutations_are_judged_alike(void **state)
{
    uint8_t random[2000 * 8], seed[randombytes_SEEDBYTES] = {7};
    struct keys keys;

    (void)state;
    randombytes_buf_deterministic(random, sizeof(random), seed);
    for (size_t i = 0; i < sizeof(random); i += 8) {
        uint8_t bytes[64 + 32 + 16] = {random[i]};
        size_t changes_n = (size_t)random[i + 1] % 3;

        make_keys(&keys, random[i]);
        crypto_sign_detached(bytes, NULL, bytes + 96, 16, keys.secret);
        memcpy(bytes + 64, keys.public_key, 32);
        for (size_t k = 0; k < changes_n; k++)
            bytes[random[i + 2 + 2 * k] % sizeof(bytes)] ^= random[i + 3 + 2 * k];
        (void)verify(bytes, bytes + 96, 16, bytes + 64);
    }
}

static void the_key_id_is_the_start_of_the_keys_hash(void **state)
{
    uint8_t key[32] = {5}, hash[32], id[SLK_KEY_ID_SIZE];

    (void)state;
    crypto_hash_sha256(hash, key, sizeof(key));
    slk_key_id(id, key);
    assert_memory_equal(id, hash, sizeof(id));
}

/* ---- Wycheproof ---- */

static size_t read_vector_hex(uint8_t *out, size_t cap, const char *hex)
{
    size_t n = strlen(hex) / 2;

    assert_true(n <= cap && slk_hex_parse(out, n, hex, strlen(hex)));
    return n;
}

static void run_wycheproof_case(const json_t *c, const uint8_t key[32])
{
    uint8_t sig[256], message[MESSAGE_MAX];
    size_t sig_n = read_vector_hex(sig, sizeof(sig), vector_text(c, "sig"));
    size_t message_n = read_vector_hex(message, sizeof(message), vector_text(c, "msg"));
    const char *result = vector_text(c, "result");
    bool good = sig_n == SLK_SIGNATURE_SIZE && verify(sig, message, message_n, key);

    if (strcmp(result, "acceptable") == 0) /* libsodium's word, which verify() compares, is the rule */
        return;
    if (good != (strcmp(result, "valid") == 0))
        fail_msg("case %.0f, %s: %s", json_real_value(json_object_get(c, "tcId")), vector_text(c, "comment"),
            good ? "accepted" : "refused");
}

static void wycheproof_vectors(void **state)
{
    json_t *root = load_vectors("wycheproof_ed25519.json");
    const json_t *groups = json_object_get(root, "testGroups");
    size_t cases_n = 0;

    (void)state;
    if (root == NULL)
        return;
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const json_t *group = json_array_get(groups, i), *tests = json_object_get(group, "tests");
        uint8_t key[32];

        read_hex(key, vector_text(json_object_get(group, "publicKey"), "pk"));
        for (size_t k = 0; k < json_array_size(tests); k++, cases_n++)
            run_wycheproof_case(json_array_get(tests, k), key);
    }
    assert_true(cases_n >= 100);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_first_test_of_rfc_8032),
        cmocka_unit_test(good_signatures_of_every_length_pass),
        cmocka_unit_test(a_flipped_bit_of_signature_key_or_message_is_refused),
        cmocka_unit_test(small_order_keys_and_points_are_refused),
        cmocka_unit_test(keys_not_canonical_are_not_sound),
        cmocka_unit_test(s_not_below_the_group_order_is_refused),
        cmocka_unit_test(keys_of_mixed_order_are_judged_alike),
        cmocka_unit_test(random_mutations_are_judged_alike),
        cmocka_unit_test(the_key_id_is_the_start_of_the_keys_hash),
        cmocka_unit_test(wycheproof_vectors),
    };

    return cmocka_run_group_tests(tests, start_sodium, NULL);
}
