/* test_index_set.c: the bitmaps of used status indexes against an array of bools. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger/core/index_set.h"
#include "tests/unit/sample.h"

/* Two types with these many places; only what an index set reads is filled in. */
static struct slk_charter *charter_of(uint32_t places_a, uint32_t places_b)
{
    struct slk_charter *c = calloc(1, sizeof(*c));

    assert_non_null(c);
    c->types_n = 2;
    c->types[0] = (struct slk_credential_type){.code = 3, .status_list_size = places_a};
    c->types[1] = (struct slk_credential_type){.code = 70000, .status_list_size = places_b};
    return c;
}

static struct slk_index_set *set_of(uint32_t places_a, uint32_t places_b)
{
    struct slk_charter *c = charter_of(places_a, places_b);
    struct slk_index_set *set;

    assert_int_equal(slk_index_set_new(&set, c), SLK_OK);
    free(c);
    return set;
}

static void every_size_agrees_with_an_array_of_bools(void **state)
{
    (void)state;
    for (uint32_t places = 1; places <= 130; places++) {
        struct slk_index_set *set = set_of(places, 200);
        bool used[200] = {false}, other[200] = {false};
        uint64_t random = places;
        size_t bytes_n;

        for (int step = 0; step < 400; step++) {
            bool first = sample_below(&random, 2) == 0, value = sample_below(&random, 3) > 0;
            uint32_t index = (uint32_t)sample_below(&random, first ? places : 200);

            slk_index_set_put(set, first ? 3 : 70000, index, value);
            (first ? used : other)[index] = value;
        }
        uint64_t used_n = 0;
        const uint8_t *bits = slk_index_set_bits(set, 3, &bytes_n);
        assert_int_equal(bytes_n, (places + 7) / 8);
        for (uint32_t i = 0; i < places; i++) {
            assert_int_equal(slk_index_set_has(set, 3, i), used[i]);
            assert_int_equal(bits[i / 8] >> (7 - i % 8) & 1, used[i]);
            used_n += used[i];
        }
        for (uint32_t i = 0; i < 200; i++)
            assert_int_equal(slk_index_set_has(set, 70000, i), other[i]);
        assert_int_equal(slk_index_set_count(set, 3), used_n);
        slk_index_set_free(set);
    }
}

static void what_is_outside_is_not_used(void **state)
{
    struct slk_index_set *set = set_of(10, 10);
    size_t bytes_n = 9;

    (void)state;
    for (uint32_t i = 0; i < 10; i++)
        slk_index_set_put(set, 3, i, true);
    assert_false(slk_index_set_has(set, 3, 10));
    assert_false(slk_index_set_has(set, 3, UINT32_MAX));
    assert_false(slk_index_set_has(set, 4, 0));
    assert_null(slk_index_set_bits(set, 4, &bytes_n));
    assert_int_equal(bytes_n, 0);
    assert_int_equal(slk_index_set_count(set, 4), 0);
    slk_index_set_free(set);
}

static void bits_survive_a_snapshot(void **state)
{
    struct slk_index_set *a = set_of(1003, 64), *b = set_of(1003, 64);
    uint64_t random = 5;
    const uint8_t *bits;
    size_t bytes_n;

    (void)state;
    for (int i = 0; i < 300; i++)
        slk_index_set_put(a, 3, (uint32_t)sample_below(&random, 1003), true);
    bits = slk_index_set_bits(a, 3, &bytes_n);
    assert_int_equal(slk_index_set_load(b, 3, bits, bytes_n), SLK_OK);
    for (uint32_t i = 0; i < 1003; i++)
        assert_int_equal(slk_index_set_has(a, 3, i), slk_index_set_has(b, 3, i));
    slk_index_set_free(a);
    slk_index_set_free(b);
}

static void load_refuses_what_cannot_be_a_bitmap(void **state)
{
    struct slk_index_set *set = set_of(13, 16);
    uint8_t bits[3] = {0xff, 0xf8, 0};

    (void)state;
    assert_int_equal(slk_index_set_load(set, 3, bits, 1), SLK_E_CORRUPT);
    assert_int_equal(slk_index_set_load(set, 3, bits, 3), SLK_E_CORRUPT);
    assert_int_equal(slk_index_set_load(set, 9, bits, 2), SLK_E_CORRUPT);
    for (uint8_t spare = 1; spare < 8; spare++) {
        bits[1] = (uint8_t)(0xf8 | spare);
        assert_int_equal(slk_index_set_load(set, 3, bits, 2), SLK_E_CORRUPT);
        assert_int_equal(slk_index_set_count(set, 3), 0);
    }
    bits[1] = 0xf8;
    assert_int_equal(slk_index_set_load(set, 3, bits, 2), SLK_OK);
    assert_int_equal(slk_index_set_count(set, 3), 13);
    bits[1] = 0xff;
    assert_int_equal(slk_index_set_load(set, 70000, bits, 2), SLK_OK);
    assert_int_equal(slk_index_set_count(set, 70000), 16);
    slk_index_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_agrees_with_an_array_of_bools),
        cmocka_unit_test(what_is_outside_is_not_used),
        cmocka_unit_test(bits_survive_a_snapshot),
        cmocka_unit_test(load_refuses_what_cannot_be_a_bitmap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
