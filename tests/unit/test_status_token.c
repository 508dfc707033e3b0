/* test_status_token.c: signed status lists: the specifications' vectors, and what is read is what was made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/hash.h"
#include "net/deflate.h"
#include "net/status_token.h"

#define BASE   "https://status.example/v1/status-lists"
#define PLACES 4096u

/* RFC 8037, A.1: the key of its examples. */
static const uint8_t seed[32] = {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92,
    0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae,
    0x7f, 0x60};

static struct slk_key *key;

static int set_up(void **state)
{
    (void)state;
    return slk_key_from_seed(&key, seed) == SLK_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    slk_key_free(key);
    return 0;
}

/* ---- vectors ---- */

static uint8_t *from_base64url(const char *text, size_t *size)
{
    size_t n = strlen(text), padded = (n + 3) / 4 * 4;
    char *standard = malloc(padded + 1);
    uint8_t *bytes = malloc(padded + 1);

    assert_true(standard != NULL && bytes != NULL);
    for (size_t i = 0; i < padded; i++)
        standard[i] = i >= n ? '=' : text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
    assert_true(slk_base64_parse(bytes, padded, size, standard, padded));
    free(standard);
    return bytes;
}

static json_t *vectors(void)
{
    json_t *value = json_load_file(SLK_OWN_VECTORS "/status_list.json", 0, NULL);

    assert_non_null(value);
    return value;
}

/* The entries of a vector through our own lists; value 3, which no credential has, is put in by hand. */
static void print_entries(const json_t *set, uint32_t size, uint8_t *out)
{
    static struct slk_charter charter = {.types_n = 1};
    struct slk_status_lists *lists;
    const char *name;
    json_t *value;

    charter.types[0] = (struct slk_credential_type){.code = 1, .status_list_size = size};
    assert_int_equal(slk_status_lists_new(&lists), SLK_OK);
    slk_status_lists_grow(lists, &charter);
    json_object_foreach((json_t *)(uintptr_t)set, name, value)
    {
        uint32_t index = (uint32_t)strtoul(name, NULL, 10);
        const struct slk_row_status row = {
            .type = 1, .index = index, .state = json_integer_value(value) == 2 ? SLK_LOCKED : SLK_REVOKED};

        if (json_integer_value(value) != 3)
            assert_int_equal(slk_status_lists_put(lists, &row), SLK_OK);
    }
    slk_status_list_print(lists, 1, 0, SLK_STATUS_TOKEN, 0, out);
    slk_status_lists_free(lists);
    json_object_foreach((json_t *)(uintptr_t)set, name, value)
    {
        uint32_t index = (uint32_t)strtoul(name, NULL, 10);

        if (json_integer_value(value) == 3)
            out[index / 4] |= (uint8_t)(3u << 2 * (index % 4));
    }
}

/* Each value where the draft's 4.1 puts it, from the least significant bit up, and no other bit. */
static void assert_values(const json_t *vector, const uint8_t *list, size_t size)
{
    size_t bits = (size_t)json_integer_value(json_object_get(vector, "bits")), set_n = 0, found_n = 0;
    const char *name;
    json_t *value;

    json_object_foreach(json_object_get(vector, "set"), name, value)
    {
        size_t at = strtoul(name, NULL, 10) * bits;
        unsigned wanted = (unsigned)json_integer_value(value);

        assert_true(at / 8 < size);
        assert_int_equal((unsigned)list[at / 8] >> at % 8 & ((1u << bits) - 1), wanted);
        for (; wanted != 0; wanted &= wanted - 1)
            set_n++;
    }
    for (size_t i = 0; i < 8 * size; i++)
        found_n += (unsigned)list[i / 8] >> i % 8 & 1u;
    assert_int_equal(found_n, set_n);
}

static void lists_are_those_of_the_specification(void **state)
{
    json_t *all = vectors(), *one;
    size_t i, checked = 0;

    (void)state;
    json_array_foreach(json_object_get(all, "token"), i, one)
    {
        size_t size = (size_t)json_integer_value(json_object_get(one, "size")), packed_size, list_size;
        uint8_t *packed = from_base64url(json_string_value(json_object_get(one, "lst")), &packed_size);
        uint8_t *list, *own;

        assert_int_equal(
            slk_inflate(&list, &list_size, slk_span_of(packed, packed_size), SLK_ZLIB, size), SLK_OK);
        assert_values(one, list, list_size);
        if (json_integer_value(json_object_get(one, "bits")) == 2) {
            assert_int_equal(list_size, slk_status_list_size((uint32_t)size, SLK_STATUS_TOKEN));
            own = malloc(list_size);
            assert_non_null(own);
            print_entries(json_object_get(one, "set"), (uint32_t)size, own);
            assert_memory_equal(own, list, list_size);
            free(own);
            checked++;
        }
        free(list);
        free(packed);
    }
    assert_int_equal(checked, 2);
    assert_int_equal(i, 6); /* of 1, 2, 4 and 8 bits */
    json_decref(all);
}

/* Type, times and list stand under the labels of the draft's example. Ours has the key's name under its signature, too, claims of its own,
 * and the labels ascending. */
static void a_cwt_is_laid_out_as_that_of_the_specification(void **state)
{
    json_t *all = vectors();
    const char *hex = json_string_value(json_object_get(all, "cwt"));
    size_t size = strlen(hex) / 2, own_size;
    uint8_t example[512], list[64] = {0}, *own;
    struct slk_status_claims claims = {
        .size = 1, .type = 1, .iat_s = 1686920170, .exp_s = 2291720170, .ttl_s = 43200};

    (void)state;
    assert_true(size <= sizeof(example) && slk_hex_parse(example, size, hex, 2 * size));
    snprintf(claims.base, sizeof(claims.base), "%s", BASE);
    assert_int_equal(
        slk_status_token_make(&own, &own_size, SLK_TOKEN_CWT, &claims, slk_span_of(list, sizeof(list)), key),
        SLK_OK);
    assert_memory_equal(own, example, 3); /* COSE_Sign1 of four */
    for (size_t i = 0; i < 2; i++) {      /* labels and values */
        static const struct {
            uint8_t bytes[9];
            size_t n;
        } labels[] = {{{0x10, 0x78, 0x1a, 'a', 'p', 'p', 'l', 'i', 'c'}, 9},
            {{0x06, 0x1a, 0x64, 0x8c, 0x5b, 0xea}, 6}, {{0x04, 0x1a, 0x88, 0x98, 0xdf, 0xea}, 6},
            {{0x19, 0xff, 0xfe, 0x19, 0xa8, 0xc0}, 6}, {{0x19, 0xff, 0xfd}, 3},
            {{0x64, 'b', 'i', 't', 's'}, 5}, {{0x63, 'l', 's', 't'}, 4}};

        for (size_t k = 0; k < sizeof(labels) / sizeof(labels[0]); k++) {
            struct slk_span rest = i == 0 ? slk_span_of(example, size) : slk_span_of(own, own_size);

            while (rest.size >= labels[k].n && memcmp(rest.at, labels[k].bytes, labels[k].n) != 0)
                rest = slk_span_of(rest.at + 1, rest.size - 1);
            assert_true(rest.size >= labels[k].n);
        }
    }
    free(own);
    json_decref(all);
}

/* One bit of 100,000; who reads least significant first finds it in place 50,000. */
static void a_bit_is_where_others_put_it(void **state)
{
    static struct slk_charter charter = {.types_n = 1, .types = {{.code = 1, .status_list_size = 100000}}};
    json_t *all = vectors();
    const json_t *one = json_object_get(all, "bitstring_one");
    const char *text = json_string_value(json_object_get(one, "encodedList"));
    size_t places = (size_t)json_integer_value(json_object_get(one, "size")), packed_size, size;
    const struct slk_row_status row = {.type = 1,
        .index = (uint32_t)json_integer_value(json_object_get(one, "place")),
        .state = SLK_REVOKED};
    uint8_t *packed = from_base64url(text + 1, &packed_size), *list, own[SLK_BITSTRING_MIN / 8];
    struct slk_status_lists *lists;

    (void)state;
    assert_int_equal(slk_inflate(&list, &size, slk_span_of(packed, packed_size), SLK_GZIP, 1 << 20), SLK_OK);
    assert_int_equal(size, places / 8);
    assert_int_equal(slk_status_lists_new(&lists), SLK_OK);
    slk_status_lists_grow(lists, &charter);
    assert_int_equal(slk_status_lists_put(lists, &row), SLK_OK);
    assert_int_equal(slk_status_list_size(100000, SLK_STATUS_REVOCATION), sizeof(own)); /* the floor */
    slk_status_list_print(lists, 1, 0, SLK_STATUS_REVOCATION, 0, own);
    assert_memory_equal(own, list, size);
    for (size_t i = size; i < sizeof(own); i++)
        assert_int_equal(own[i], 0);
    slk_status_lists_free(lists);
    free(list);
    free(packed);
    json_decref(all);
}

static void an_empty_bitstring_is_that_of_the_specification(void **state)
{
    json_t *all = vectors();
    const char *text = json_string_value(json_object_get(json_object_get(all, "bitstring"), "encodedList"));
    size_t packed_size, size;
    uint8_t *packed = from_base64url(text + 1, &packed_size), *list;

    (void)state;
    assert_int_equal(text[0], 'u');
    assert_int_equal(slk_inflate(&list, &size, slk_span_of(packed, packed_size), SLK_GZIP, 1 << 20), SLK_OK);
    assert_int_equal(size, slk_status_list_size(1, SLK_STATUS_REVOCATION));
    for (size_t i = 0; i < size; i++)
        assert_int_equal(list[i], 0);
    free(list);
    free(packed);
    json_decref(all);
}

static void the_name_of_a_key_is_its_thumbprint(void **state)
{
    char kid[SLK_STATUS_KID_SIZE];

    (void)state;
    slk_status_kid(kid, slk_key_public(key));
    assert_string_equal(kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"); /* RFC 8037, A.3 */
}

static void cbor_heads_are_the_shortest(void **state)
{
    static const struct {
        uint64_t value;
        const char *hex;
    } cases[] = {{0, "00"}, {23, "17"}, {24, "1818"}, {255, "18ff"}, {256, "190100"}, {65535, "19ffff"},
        {65536, "1a00010000"}, {UINT32_MAX, "1affffffff"}, {(uint64_t)1 << 32, "1b0000000100000000"}};
    uint8_t bytes[16];
    char hex[33];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slk_writer w = {.at = bytes, .cap = sizeof(bytes)};

        slk_write_cbor(&w, SLK_CBOR_UINT, cases[i].value);
        slk_hex_format(hex, bytes, w.size);
        hex[2 * w.size] = '\0';
        assert_string_equal(hex, cases[i].hex);
    }
}

static void an_address_is_plain_http(void **state)
{
    static const char *const bad[] = {"", "https://", "ftp://a/b", "status.example", "https:///x",
        "https://a/b/", "https://a/b?c", "https://a/b#c", "https://a/\"", "https://a/\\", "https://a/ b",
        "https://a/\x7f", "https://a/<", "HTTPS://a"};
    char text[SLK_STATUS_BASE_MAX + 2];

    (void)state;
    assert_true(slk_status_base_is_good("https://a"));
    assert_true(slk_status_base_is_good("http://[::1]:80/x%20y/~z"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(slk_status_base_is_good(bad[i]));
    memset(text, 'a', sizeof(text));
    memcpy(text, "https://", 8);
    text[SLK_STATUS_BASE_MAX] = '\0';
    assert_true(slk_status_base_is_good(text));
    text[SLK_STATUS_BASE_MAX] = 'a';
    text[SLK_STATUS_BASE_MAX + 1] = '\0';
    assert_false(slk_status_base_is_good(text));
}

/* ---- there and back ---- */

static struct slk_status_claims some_claims(void)
{
    struct slk_status_claims c = {.size = 123456789,
        .type = 7,
        .n = 255,
        .iat_s = 1767225600,
        .exp_s = 1767312000,
        .ttl_s = 300,
        .base = BASE};

    memset(c.chain_id.b, 0x5a, SLK_HASH_SIZE);
    memset(c.root.b, 0xc3, SLK_HASH_SIZE);
    return c;
}

static void make(enum slk_token_kind kind, uint8_t **out, size_t *size, uint8_t list[PLACES])
{
    struct slk_status_claims claims = some_claims();

    for (size_t i = 0; i < PLACES; i++)
        list[i] = i % 7 == 0 ? (uint8_t)(i / 7) : 0;
    assert_int_equal(slk_status_token_make(out, size, kind, &claims, slk_span_of(list, PLACES), key), SLK_OK);
}

static void what_is_read_is_what_was_made(void **state)
{
    (void)state;
    for (int kind = SLK_TOKEN_JWT; kind < SLK_TOKEN_KIND_N; kind++) {
        struct slk_status_claims is, was = some_claims();
        struct slk_status_token token;
        uint8_t list[PLACES], *bytes;
        struct slk_hash hash;
        struct slk_fault fault;
        size_t size;

        make((enum slk_token_kind)kind, &bytes, &size, list);
        assert_int_equal(slk_status_token_parse(&token, slk_span_of(bytes, size), &fault), SLK_OK);
        is = token.claims;
        assert_int_equal(token.kind, kind);
        assert_int_equal(is.size, was.size);
        assert_int_equal(is.type, was.type);
        assert_int_equal(is.n, was.n);
        assert_int_equal(is.iat_s, was.iat_s);
        assert_int_equal(is.exp_s, was.exp_s);
        assert_int_equal(is.ttl_s, was.ttl_s);
        assert_string_equal(is.base, BASE);
        assert_true(slk_hash_equal(&is.chain_id, &was.chain_id) && slk_hash_equal(&is.root, &was.root));
        assert_int_equal(token.list_size, PLACES);
        assert_memory_equal(token.list, list, PLACES);
        slk_hash_bytes(&hash, list, PLACES);
        assert_true(slk_hash_equal(&hash, &is.list_hash));
        assert_true(slk_status_token_is_signed_by(&token, slk_key_public(key)));
        slk_status_token_free(&token);
        free(bytes);
    }
}

static void a_changed_token_is_refused_or_not_signed(void **state)
{
    (void)state;
    for (int kind = SLK_TOKEN_JWT; kind < SLK_TOKEN_KIND_N; kind++) {
        uint8_t list[PLACES], *bytes;
        size_t size;

        make((enum slk_token_kind)kind, &bytes, &size, list);
        for (size_t i = 0; i < size; i += 1 + size / 150) {
            struct slk_status_token token;
            struct slk_fault fault;

            bytes[i] ^= 1;
            if (slk_status_token_parse(&token, slk_span_of(bytes, size), &fault) == SLK_OK)
                assert_false(slk_status_token_is_signed_by(&token, slk_key_public(key)));
            else
                assert_true(fault.text[0] != '\0');
            slk_status_token_free(&token);
            bytes[i] ^= 1;
            if (slk_status_token_parse(&token, slk_span_of(bytes, i), &fault) == SLK_OK)
                fail(); /* cut off */
        }
        free(bytes);
    }
}

static void what_unpacks_to_more_than_a_list_is_refused(void **state)
{
    size_t size = (size_t)SLK_STATUS_LIST_CUT / 4 + 1, token_size;
    struct slk_status_claims claims = some_claims();
    uint8_t *list = calloc(size, 1), *bytes;
    struct slk_status_token token;
    struct slk_fault fault;

    (void)state;
    assert_non_null(list);
    assert_int_equal(
        slk_status_token_make(&bytes, &token_size, SLK_TOKEN_CWT, &claims, slk_span_of(list, size), key),
        SLK_OK);
    assert_int_equal(slk_status_token_parse(&token, slk_span_of(bytes, token_size), &fault), SLK_E_MALFORMED);
    assert_non_null(strstr(fault.text, "larger than any"));
    free(bytes);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_those_of_the_specification),
        cmocka_unit_test(a_cwt_is_laid_out_as_that_of_the_specification),
        cmocka_unit_test(a_bit_is_where_others_put_it),
        cmocka_unit_test(an_empty_bitstring_is_that_of_the_specification),
        cmocka_unit_test(the_name_of_a_key_is_its_thumbprint),
        cmocka_unit_test(cbor_heads_are_the_shortest),
        cmocka_unit_test(an_address_is_plain_http),
        cmocka_unit_test(what_is_read_is_what_was_made),
        cmocka_unit_test(a_changed_token_is_refused_or_not_signed),
        cmocka_unit_test(what_unpacks_to_more_than_a_list_is_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
