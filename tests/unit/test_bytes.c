/* Bounded reading and writing, base64, hex, decimal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/verify/bytes.h"

/* Every power of two and its neighbours: where lengths and overflows change. */
static uint64_t edge(unsigned i)
{
    uint64_t power = i / 3 < 64 ? (uint64_t)1 << (i / 3) : 0;

    return i % 3 == 0 ? power - 1 : i % 3 == 1 ? power : power + 1;
}
#define EDGES_N (3 * 65)

static struct slk_reader reader_of(const void *at, size_t size)
{
    return (struct slk_reader){.rest = slk_span_of(at, size)};
}

static void integers_are_big_endian_both_ways(void **state)
{
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    uint8_t out[sizeof(bytes)];
    struct slk_reader r = reader_of(bytes, sizeof(bytes));
    struct slk_writer w = {.at = out, .cap = sizeof(out)};

    (void)state;
    assert_int_equal(slk_read_u8(&r), 0x01);
    assert_int_equal(slk_read_u16(&r), 0x0203);
    assert_int_equal(slk_read_u32(&r), 0x04050607);
    assert_false(slk_read_done(&r));
    assert_true(slk_read_u64(&r) == 0x08090a0b0c0d0e0f);
    assert_true(slk_read_done(&r));
    slk_write_u8(&w, 0x01);
    slk_write_u16(&w, 0x0203);
    slk_write_u32(&w, 0x04050607);
    slk_write_u64(&w, 0x08090a0b0c0d0e0f);
    assert_false(w.bad);
    assert_int_equal(w.size, sizeof(bytes));
    assert_memory_equal(out, bytes, sizeof(bytes));
}

static void copies_are_exact(void **state)
{
    uint8_t copy[3] = {9, 9, 9};
    struct slk_reader r = reader_of("abc", 3);

    (void)state;
    slk_read_bytes(&r, copy, 2);
    assert_memory_equal(copy, "ab\x09", 3);
    slk_read_bytes(&r, copy, 2); /* one is left: zeros, not half */
    assert_memory_equal(copy, "\0\0\x09", 3);
    assert_false(slk_read_done(&r));
}

static void a_short_read_spoils_every_later_read(void **state)
{
    static const uint8_t bytes[7] = {1, 2, 3, 4, 5, 6, 7};
    uint8_t copy[8];
    struct slk_reader r = reader_of(bytes, sizeof(bytes));

    (void)state;
    memset(copy, 0xaa, sizeof(copy));
    assert_true(slk_read_u64(&r) == 0);
    assert_true(r.bad);
    assert_int_equal(slk_read_u8(&r), 0);
    assert_int_equal(slk_read_u16(&r), 0);
    assert_int_equal(slk_read_u32(&r), 0);
    assert_int_equal(slk_read_span(&r, 0).size, 0);
    slk_read_bytes(&r, copy, sizeof(copy));
    for (size_t i = 0; i < sizeof(copy); i++)
        assert_int_equal(copy[i], 0);
    assert_true(slk_read_varint(&r) == 0);
    assert_false(slk_read_done(&r));
}

static void an_empty_reader_reads_nothing_and_is_done(void **state)
{
    struct slk_reader r = {.rest = {NULL, 0}};
    uint32_t last = 0;
    enum slk_wire wire;

    (void)state;
    assert_int_equal(slk_read_span(&r, 0).size, 0);
    assert_int_equal(slk_read_field(&r, &last, &wire), 0);
    slk_read_bytes(&r, NULL, 0);
    assert_true(slk_read_done(&r));
}

static void varints_round_trip(void **state)
{
    (void)state;
    for (unsigned i = 0; i < EDGES_N; i++) {
        uint8_t bytes[10];
        struct slk_writer w = {.at = bytes, .cap = sizeof(bytes)};
        struct slk_reader r;

        slk_write_varint(&w, edge(i));
        assert_false(w.bad);
        assert_int_equal(w.size, slk_varint_size(edge(i)));
        r = reader_of(bytes, w.size);
        assert_true(slk_read_varint(&r) == edge(i));
        assert_true(slk_read_done(&r));
        for (size_t cut = 0; cut < w.size; cut++) {
            r = reader_of(bytes, cut);
            assert_true(slk_read_varint(&r) == 0);
            assert_true(r.bad);
        }
    }
}

static void varints_longer_than_they_must_be_are_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < EDGES_N; i++) {
        uint8_t bytes[11];
        struct slk_writer w = {.at = bytes, .cap = sizeof(bytes)};
        struct slk_reader r;

        slk_write_varint(&w, edge(i));
        bytes[w.size - 1] |= 0x80;
        bytes[w.size] = 0;
        r = reader_of(bytes, w.size + 1);
        (void)slk_read_varint(&r);
        assert_true(r.bad);
    }
}

static void varints_above_64_bits_are_refused(void **state)
{
    uint8_t bytes[11];
    struct slk_reader r;

    (void)state;
    memset(bytes, 0xff, sizeof(bytes));
    for (unsigned last = 2; last < 256; last++) {
        bytes[9] = (uint8_t)last;
        r = reader_of(bytes, 10);
        (void)slk_read_varint(&r);
        assert_true(r.bad);
    }
    bytes[9] = 1;
    r = reader_of(bytes, 10);
    assert_true(slk_read_varint(&r) == UINT64_MAX);
    assert_true(slk_read_done(&r));
}

/* The slow definition: two bytes are a canonical varint iff they print back. */
static void all_two_byte_inputs_that_parse_print_back(void **state)
{
    unsigned accepted_n = 0;

    (void)state;
    for (unsigned i = 0; i < 65536; i++) {
        uint8_t bytes[2] = {(uint8_t)(i >> 8), (uint8_t)(i & 0xff)}, again[10];
        struct slk_reader r = reader_of(bytes, 2);
        struct slk_writer w = {.at = again, .cap = sizeof(again)};
        uint64_t v = slk_read_varint(&r);

        if (!slk_read_done(&r))
            continue;
        accepted_n++;
        slk_write_varint(&w, v);
        assert_int_equal(w.size, 2);
        assert_memory_equal(again, bytes, 2);
    }
    assert_int_equal(accepted_n, 16384 - 128);
}

static void fields_come_in_ascending_order(void **state)
{
    static const uint8_t ascending[] = {0x08, 5, 0x12, 1, 'x', 0x28, 7};
    static const uint8_t twice[] = {0x08, 5, 0x08, 6};
    struct slk_reader r = reader_of(ascending, sizeof(ascending));
    uint32_t last = 0;
    enum slk_wire wire;

    (void)state;
    assert_int_equal(slk_read_field(&r, &last, &wire), 1);
    assert_int_equal(wire, SLK_WIRE_VARINT);
    assert_true(slk_read_number(&r, 5) == 5);
    assert_int_equal(slk_read_field(&r, &last, &wire), 2);
    assert_int_equal(wire, SLK_WIRE_BYTES);
    assert_int_equal(slk_read_delimited(&r).size, 1);
    assert_int_equal(slk_read_field(&r, &last, &wire), 5);
    assert_true(slk_read_number(&r, 6) == 0); /* above its maximum */
    assert_true(r.bad);
    r = reader_of(twice, sizeof(twice));
    last = 0;
    assert_int_equal(slk_read_field(&r, &last, &wire), 1);
    (void)slk_read_number(&r, 9);
    assert_int_equal(slk_read_field(&r, &last, &wire), 0);
    assert_true(r.bad);
}

static void a_repeated_field_is_read_by_stepping_back(void **state)
{
    static const uint8_t twice[] = {0x08, 5, 0x08, 6};
    struct slk_reader r = reader_of(twice, sizeof(twice));
    uint32_t last = 0;
    enum slk_wire wire;

    (void)state;
    assert_int_equal(slk_read_field(&r, &last, &wire), 1);
    assert_true(slk_read_number(&r, 9) == 5);
    last = 0;
    assert_int_equal(slk_read_field(&r, &last, &wire), 1);
    assert_true(slk_read_number(&r, 9) == 6);
    assert_int_equal(slk_read_field(&r, &last, &wire), 0);
    assert_true(slk_read_done(&r));
}

static void field_zero_and_foreign_wire_types_are_refused(void **state)
{
    (void)state;
    for (unsigned tag = 0; tag < 128; tag++) {
        uint8_t bytes[2] = {(uint8_t)tag, 1};
        struct slk_reader r = reader_of(bytes, 2);
        uint32_t last = 0, field;
        enum slk_wire wire;

        field = slk_read_field(&r, &last, &wire);
        if (tag >= 8 && (tag % 8 == 0 || tag % 8 == 2))
            assert_int_equal(field, tag / 8);
        else
            assert_true(field == 0 && r.bad);
    }
}

static void field_numbers_end_at_29_bits(void **state)
{
    uint8_t bytes[10];

    (void)state;
    for (unsigned over = 0; over < 2; over++) {
        struct slk_writer w = {.at = bytes, .cap = sizeof(bytes)};
        struct slk_reader r;
        uint32_t last = 0;
        enum slk_wire wire;

        slk_write_varint(&w, ((uint64_t)0x1fffffff + over) << 3);
        r = reader_of(bytes, w.size);
        assert_int_equal(slk_read_field(&r, &last, &wire), over ? 0 : 0x1fffffff);
        assert_int_equal(r.bad, over);
    }
}

static void lengths_are_compared_with_what_is_left(void **state)
{
    (void)state;
    for (unsigned i = 0; i < EDGES_N; i++) {
        uint8_t bytes[16] = {0};
        struct slk_writer w = {.at = bytes, .cap = sizeof(bytes)};
        struct slk_reader r;
        struct slk_span s;

        slk_write_varint(&w, edge(i));
        r = reader_of(bytes, sizeof(bytes));
        s = slk_read_delimited(&r);
        assert_int_equal(r.bad, edge(i) > sizeof(bytes) - w.size);
        assert_true(s.size == (r.bad ? 0 : edge(i)));
    }
}

static void numbers_are_never_zero(void **state)
{
    static const uint8_t zero[] = {0};
    struct slk_reader r = reader_of(zero, 1);

    (void)state;
    assert_true(slk_read_number(&r, UINT64_MAX) == 0);
    assert_true(r.bad);
}

static void fields_with_default_values_are_left_out(void **state)
{
    uint8_t bytes[16];
    struct slk_writer w = {.at = bytes, .cap = sizeof(bytes)};

    (void)state;
    slk_write_field_number(&w, 1, 0);
    slk_write_field_bytes(&w, 2, NULL, 0);
    assert_int_equal(w.size, 0);
    slk_write_field_number(&w, 1, 300);
    slk_write_field_bytes(&w, 2, "ab", 2);
    assert_int_equal(w.size, 7);
    assert_memory_equal(bytes,
        "\x08\xac\x02\x12\x02"
        "ab",
        7);
}

static void a_writer_never_runs_over(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 24; cap++) {
        uint8_t bytes[32];
        struct slk_writer w = {.at = bytes, .cap = cap};

        memset(bytes, 0xaa, sizeof(bytes));
        slk_write_u64(&w, 0);
        slk_write_varint(&w, UINT64_MAX);
        slk_write_u32(&w, 0);
        slk_write_u8(&w, 0);
        assert_int_equal(w.bad, cap < 23);
        for (size_t i = cap; i < sizeof(bytes); i++)
            assert_int_equal(bytes[i], 0xaa);
        slk_write_u8(&w, 0); /* bad for good, even where one more byte would fit */
        assert_int_equal(w.bad, cap < 24);
    }
}

static void base64_knows_the_vectors_of_rfc_4648(void **state)
{
    static const char *const vectors[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}}; /* RFC 4648 §10 */

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        size_t n = strlen(vectors[i][0]), text_n = strlen(vectors[i][1]), out_n = 99;
        char text[8];
        uint8_t out[6];

        assert_int_equal(slk_base64_size(n), text_n);
        slk_base64_format(text, (const uint8_t *)vectors[i][0], n);
        assert_memory_equal(text, vectors[i][1], text_n);
        assert_true(slk_base64_parse(out, sizeof(out), &out_n, vectors[i][1], text_n));
        assert_int_equal(out_n, n);
        assert_memory_equal(out, vectors[i][0], n);
    }
}

static void base64_of_every_byte_pair_round_trips_and_fits_exactly(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 65536; i++) {
        uint8_t bytes[5] = {
            (uint8_t)(i >> 8), (uint8_t)(i & 0xff), (uint8_t)(i & 0xff), (uint8_t)(i >> 8), 0x5a};
        uint8_t out[5];
        char text[8];
        size_t n = i % 6, out_n;

        slk_base64_format(text, bytes, n);
        assert_true(slk_base64_parse(out, n, &out_n, text, slk_base64_size(n)));
        assert_int_equal(out_n, n);
        assert_memory_equal(out, bytes, n);
        if (n > 0) {
            assert_false(slk_base64_parse(out, n - 1, &out_n, text, slk_base64_size(n)));
            assert_int_equal(out_n, 0);
        }
    }
}

/* The definition of canonical: what parses prints back. */
static void base64_that_parses_prints_back(void **state)
{
    static const char *const seeds[] = {"Zm9vYmFy", "Zm9vYmE=", "Zm9vYg==", "Zg==", "//+/"};
    unsigned accepted_n = 0;

    (void)state;
    for (size_t s = 0; s < sizeof(seeds) / sizeof(seeds[0]); s++) {
        size_t text_n = strlen(seeds[s]);

        for (size_t at = 0; at < text_n * 256; at++) {
            char text[8], again[8];
            uint8_t out[6];
            size_t out_n;

            memcpy(text, seeds[s], text_n);
            text[at / 256] = (char)(at % 256);
            if (!slk_base64_parse(out, sizeof(out), &out_n, text, text_n))
                continue;
            accepted_n++;
            assert_int_equal(slk_base64_size(out_n), text_n);
            slk_base64_format(again, out, out_n);
            assert_memory_equal(again, text, text_n);
        }
    }
    assert_true(accepted_n > 1000);
}

static void base64_refuses_other_spellings(void **state)
{
    static const char *const wrong[] = {"Zg", "Zg=", "Zg===", "=",
        "====", "Z===", "Zh==", "Zm9=", "Zg==Zg==", "Zg= ", "Zm9v\n", "Zm9-", "Zm9_", "Z=9v", "=m9v", "Zm=v",
        " Zm9v", "Zm9vY"};
    uint8_t out[16];
    size_t out_n;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(slk_base64_parse(out, sizeof(out), &out_n, wrong[i], strlen(wrong[i])));
        assert_int_equal(out_n, 0);
    }
}

static void hex_is_lower_case_and_exact(void **state)
{
    static const uint8_t bytes[] = {0x00, 0x1f, 0xa9, 0xff};
    uint8_t out[4];
    char text[8];

    (void)state;
    slk_hex_format(text, bytes, sizeof(bytes));
    assert_memory_equal(text, "001fa9ff", 8);
    assert_true(slk_hex_parse(out, 4, text, 8));
    assert_memory_equal(out, bytes, 4);
    assert_true(slk_hex_parse(out, 0, text, 0));
    assert_false(slk_hex_parse(out, 4, text, 7));
    assert_false(slk_hex_parse(out, 3, text, 8));
    assert_false(slk_hex_parse(out, 4, text, 6));
    for (unsigned c = 0; c < 256; c++) {
        bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');

        text[0] = '0';
        text[1] = (char)c;
        assert_int_equal(slk_hex_parse(out, 1, text, 2), digit);
        text[0] = (char)c;
        text[1] = '0';
        assert_int_equal(slk_hex_parse(out, 1, text, 2), digit);
    }
}

static void decimals_round_trip(void **state)
{
    (void)state;
    for (unsigned i = 0; i < EDGES_N + 2000; i++) {
        uint64_t v = i < EDGES_N ? edge(i) : i - EDGES_N, out;
        char text[SLK_DECIMAL_MAX];
        size_t n = slk_decimal_format(text, v);

        assert_true(n >= 1 && n <= SLK_DECIMAL_MAX);
        assert_true(slk_decimal_parse(&out, UINT64_MAX, text, n));
        assert_true(out == v);
        assert_true(slk_decimal_parse(&out, v, text, n));
        if (v > 0) {
            assert_false(slk_decimal_parse(&out, v - 1, text, n));
            assert_true(out == 0);
        }
    }
}

static void decimals_have_one_spelling(void **state)
{
    static const char *const wrong[] = {"", "00", "01", "+1", "-1", " 1", "1 ", "1_0", "0x1", "1.", "1e3",
        "18446744073709551616", "18446744073709551620", "28446744073709551615", "184467440737095516150"};
    uint64_t out;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(slk_decimal_parse(&out, UINT64_MAX, wrong[i], strlen(wrong[i])));
    assert_true(slk_decimal_parse(&out, UINT64_MAX, "18446744073709551615", 20));
    assert_true(out == UINT64_MAX);
}

static void spans_are_equal_by_content(void **state)
{
    (void)state;
    assert_true(slk_span_equal(slk_span_of(NULL, 0), slk_span_of("x", 0)));
    assert_true(slk_span_equal(slk_span_of("ab", 2), slk_span_of("abc", 2)));
    assert_false(slk_span_equal(slk_span_of("ab", 2), slk_span_of("abc", 3)));
    assert_false(slk_span_equal(slk_span_of("ab", 2), slk_span_of("ac", 2)));
}

static void items_are_taken_up_to_their_end(void **state)
{
    static const char text[] = "a\n\nbc\nd";
    static const char *const items[] = {"a", "", "bc"};
    struct slk_span rest = slk_span_of(text, sizeof(text) - 1), item = {NULL, 77};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_true(slk_span_take(&item, &rest, '\n'));
        assert_true(slk_span_equal(item, slk_span_of(items[i], strlen(items[i]))));
    }
    assert_true(slk_span_equal(rest, slk_span_of("d", 1)));
    assert_false(slk_span_take(&item, &rest, '\n')); /* no end: nothing changes */
    assert_true(slk_span_equal(item, slk_span_of("bc", 2)) && slk_span_equal(rest, slk_span_of("d", 1)));
    assert_true(slk_span_take(&item, &rest, 'd'));
    assert_true(item.size == 0 && rest.size == 0);
    assert_false(slk_span_take(&item, &rest, 'd'));
    rest = slk_span_of(NULL, 0);
    assert_false(slk_span_take(&item, &rest, '\n'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_big_endian_both_ways),
        cmocka_unit_test(copies_are_exact),
        cmocka_unit_test(a_short_read_spoils_every_later_read),
        cmocka_unit_test(an_empty_reader_reads_nothing_and_is_done),
        cmocka_unit_test(varints_round_trip),
        cmocka_unit_test(varints_longer_than_they_must_be_are_refused),
        cmocka_unit_test(varints_above_64_bits_are_refused),
        cmocka_unit_test(all_two_byte_inputs_that_parse_print_back),
        cmocka_unit_test(fields_come_in_ascending_order),
        cmocka_unit_test(a_repeated_field_is_read_by_stepping_back),
        cmocka_unit_test(field_zero_and_foreign_wire_types_are_refused),
        cmocka_unit_test(field_numbers_end_at_29_bits),
        cmocka_unit_test(lengths_are_compared_with_what_is_left),
        cmocka_unit_test(numbers_are_never_zero),
        cmocka_unit_test(fields_with_default_values_are_left_out),
        cmocka_unit_test(a_writer_never_runs_over),
        cmocka_unit_test(base64_knows_the_vectors_of_rfc_4648),
        cmocka_unit_test(base64_of_every_byte_pair_round_trips_and_fits_exactly),
        cmocka_unit_test(base64_that_parses_prints_back),
        cmocka_unit_test(base64_refuses_other_spellings),
        cmocka_unit_test(hex_is_lower_case_and_exact),
        cmocka_unit_test(decimals_round_trip),
        cmocka_unit_test(decimals_have_one_spelling),
        cmocka_unit_test(spans_are_equal_by_content),
        cmocka_unit_test(items_are_taken_up_to_their_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
