/* SHA-256 and the ledger's tagged hashes. */
#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/verify/bytes.h"
#include "ledger/verify/hash.h"

/* A literal is at least the 16 bytes that slk_hash_tagged reads, and the tag's length is 16 exactly. */
static_assert(sizeof(SLK_TAG_EVENT) == SLK_TAG_SIZE, "tag");
static_assert(sizeof(SLK_TAG_SUBMIT) == SLK_TAG_SIZE, "tag");
static_assert(sizeof(SLK_TAG_DEVICE) == SLK_TAG_SIZE, "tag");
static_assert(sizeof(SLK_TAG_GENESIS) == SLK_TAG_SIZE + 1, "tag");
static_assert(sizeof(SLK_TAG_CHARTER) == SLK_TAG_SIZE + 1, "tag");
static_assert(sizeof(SLK_TAG_BLOCK) == SLK_TAG_SIZE, "tag");
static_assert(sizeof(SLK_TAG_BODY) == SLK_TAG_SIZE, "tag");

static void assert_hash(const struct slk_hash *hash, const char *hex)
{
    struct slk_hash wanted;

    assert_true(slk_hex_parse(wanted.b, sizeof(wanted.b), hex, strlen(hex)));
    assert_true(slk_hash_equal(hash, &wanted));
}

static void knows_the_examples_of_fips_180(void **state)
{
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    struct slk_hash hash;
    struct slk_sha sha;
    char a[1000];

    (void)state;
    slk_hash_bytes(&hash, "abc", 3);
    assert_hash(&hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    slk_hash_bytes(&hash, two_blocks, strlen(two_blocks));
    assert_hash(&hash, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    memset(a, 'a', sizeof(a));
    slk_sha_init(&sha);
    for (unsigned i = 0; i < 1000; i++)
        slk_sha_add(&sha, a, sizeof(a));
    slk_sha_final(&sha, &hash);
    assert_hash(&hash, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void the_empty_tree_is_the_hash_of_nothing(void **state)
{
    struct slk_hash hash;

    (void)state;
    slk_hash_bytes(&hash, NULL, 0);
    assert_true(slk_hash_equal(&hash, &slk_hash_empty_tree));
    assert_true(slk_hash_is_zero(&slk_hash_zero));
    assert_false(slk_hash_is_zero(&hash));
}

static void streaming_is_independent_of_the_split(void **state)
{
    uint8_t bytes[200];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        struct slk_hash whole, parts;

        slk_hash_bytes(&whole, bytes, size);
        for (size_t cut = 0; cut <= size; cut++) {
            struct slk_sha sha;

            slk_sha_init(&sha);
            slk_sha_add(&sha, bytes, cut);
            slk_sha_add(&sha, bytes + cut, size - cut);
            slk_sha_final(&sha, &parts);
            assert_true(slk_hash_equal(&whole, &parts));
        }
    }
}

static void every_hash_is_its_definition(void **state)
{
    struct slk_hash a, b, hash, wanted;
    uint8_t bytes[65];

    (void)state;
    slk_hash_bytes(&a, "a", 1);
    slk_hash_bytes(&b, "b", 1);
    memcpy(bytes + 1, a.b, 32);
    memcpy(bytes + 33, b.b, 32);
    bytes[0] = 1;
    slk_hash_bytes(&wanted, bytes, 65);
    slk_hash_node(&hash, &a, &b);
    assert_true(slk_hash_equal(&hash, &wanted));
    bytes[0] = 2;
    slk_hash_bytes(&wanted, bytes, 65);
    slk_hash_history(&hash, &a, &b);
    assert_true(slk_hash_equal(&hash, &wanted));
    bytes[0] = 0;
    slk_hash_bytes(&wanted, bytes, 65);
    slk_hash_map_leaf(&hash, &a, &b);
    assert_true(slk_hash_equal(&hash, &wanted));
    slk_hash_leaf(&hash, bytes + 1, 64);
    assert_true(slk_hash_equal(&hash, &wanted));
    slk_hash_leaf(&hash, NULL, 0);
    assert_hash(&hash, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
}

static void a_node_may_be_hashed_onto_its_own_child(void **state)
{
    struct slk_hash a, b, fresh, in_place;

    (void)state;
    slk_hash_bytes(&a, "a", 1);
    slk_hash_bytes(&b, "b", 1);
    slk_hash_node(&fresh, &a, &b);
    in_place = a;
    slk_hash_node(&in_place, &in_place, &b);
    assert_true(slk_hash_equal(&fresh, &in_place));
    in_place = b;
    slk_hash_node(&in_place, &a, &in_place);
    assert_true(slk_hash_equal(&fresh, &in_place));
}

static void tags_are_sixteen_bytes_padded_with_zeros(void **state)
{
    static const char *const tags[] = {SLK_TAG_EVENT, SLK_TAG_SUBMIT, SLK_TAG_DEVICE, SLK_TAG_GENESIS,
        SLK_TAG_CHARTER, SLK_TAG_BLOCK, SLK_TAG_BODY};
    static const char *const names[] = {"sillok/event/1", "sillok/submit/1", "sillok/device/1",
        "sillok/genesis/1", "sillok/charter/1", "sillok/block/1", "sillok/body/1"};

    (void)state;
    for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
        uint8_t bytes[SLK_TAG_SIZE + 3] = {0};
        struct slk_hash hash, wanted;

        memcpy(bytes, names[i], strlen(names[i]));
        memcpy(bytes + SLK_TAG_SIZE, "xyz", 3);
        slk_hash_bytes(&wanted, bytes, sizeof(bytes));
        slk_hash_tagged(&hash, tags[i], "xyz", 3);
        assert_true(slk_hash_equal(&hash, &wanted));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_examples_of_fips_180),
        cmocka_unit_test(the_empty_tree_is_the_hash_of_nothing),
        cmocka_unit_test(streaming_is_independent_of_the_split),
        cmocka_unit_test(every_hash_is_its_definition),
        cmocka_unit_test(a_node_may_be_hashed_onto_its_own_child),
        cmocka_unit_test(tags_are_sixteen_bytes_padded_with_zeros),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
