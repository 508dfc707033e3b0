/* test_text.c: times and numbers as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tools/text.h"

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Every day of 230 years, counted one by one. */
static void every_day_prints_and_parses(void **state)
{
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    uint64_t day = 0;

    (void)state;
    for (int year = 1970; year < 2200; year++)
        for (int month = 1; month <= 12; month++) {
            int days = month_days[month - 1] + (month == 2 && is_leap(year));

            for (int d = 1; d <= days; d++, day++) {
                char expected[40], got[TEXT_TIME_SIZE];
                uint64_t at = day * 86400 + day % 86400, back;

                snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02u:%02u:%02uZ", year, month, d,
                    (unsigned)(at % 86400 / 3600), (unsigned)(at % 3600 / 60), (unsigned)(at % 60));
                assert_string_equal(text_time(got, at), expected);
                assert_true(text_time_parse(&back, got, strlen(got)));
                assert_int_equal(back, at);
                assert_true(text_time_parse(&back, got, 10));
                assert_int_equal(back, day * 86400);
            }
        }
}

static void zones_and_fractions_are_understood(void **state)
{
    uint64_t utc, other;

    (void)state;
    assert_true(text_time_parse(&utc, "2026-07-01T00:30:00Z", 20));
    assert_true(text_time_parse(&other, "2026-07-01T09:30:00+09:00", 25));
    assert_int_equal(utc, other);
    assert_true(text_time_parse(&other, "2026-06-30T19:00:00.987-05:30", 29));
    assert_int_equal(utc, other);
}

static void what_is_no_time_is_refused(void **state)
{
    static const char *const bad[] = {"", "2026", "2026-13-01", "2026-00-10", "2026-02-29", "2100-02-29",
        "2026-04-31", "1969-12-31", "2026-07-01T", "2026-07-01T24:00:00Z", "2026-07-01T10:00:60Z",
        "2026-07-01T10:00:00", "2026-07-01T10:00:00Zx", "2026-07-01T10:00:00+9:00", "2026-7-1", "26-07-01",
        "1970-01-01T00:00:00+01:00", " 2026-07-01", "2026-07-01T10:00:00+09:60"};
    uint64_t at;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (text_time_parse(&at, bad[i], strlen(bad[i])))
            fail_msg("accepted: %s", bad[i]);
}

static void far_times_print_as_numbers(void **state)
{
    char out[TEXT_TIME_SIZE];

    (void)state;
    assert_string_equal(text_time(out, UINT64_C(253402300799)), "9999-12-31T23:59:59Z");
    assert_string_equal(text_time(out, UINT64_C(253402300800)), "253402300800");
    assert_string_equal(text_time(out, UINT64_MAX), "18446744073709551615");
    assert_string_equal(text_time_ms(out, 1234), "1970-01-01T00:00:01.234Z");
    assert_string_equal(text_time_ms(out, UINT64_MAX), "18446744073709551");
}

static void options_take_times_and_ages(void **state)
{
    static const char *const no_age[] = {
        "", "0", "0h", "m", "1w", "-5", "1.5h", "15 m", "01", "1099511627777", "12725830d"};
    uint64_t s;

    (void)state;
    assert_true(text_now_parse(&s, "1767225600") && s == 1767225600);
    assert_true(text_now_parse(&s, "2026-01-01") && s == 1767225600);
    assert_true(text_now_parse(&s, "253402300799"));
    assert_false(text_now_parse(&s, "253402300800"));
    assert_false(text_now_parse(&s, "yesterday"));
    assert_true(text_age_parse(&s, "90") && s == 90);
    assert_true(text_age_parse(&s, "90s") && s == 90);
    assert_true(text_age_parse(&s, "15m") && s == 900);
    assert_true(text_age_parse(&s, "24h") && s == 86400);
    assert_true(text_age_parse(&s, "7d") && s == 604800);
    for (size_t i = 0; i < sizeof(no_age) / sizeof(no_age[0]); i++)
        if (text_age_parse(&s, no_age[i]))
            fail_msg("accepted: %s", no_age[i]);
}

static void counts_and_sizes_read_well(void **state)
{
    char out[TEXT_HUMAN_SIZE];

    (void)state;
    assert_string_equal(text_count(out, 0), "0");
    assert_string_equal(text_count(out, 999), "999");
    assert_string_equal(text_count(out, 1000), "1,000");
    assert_string_equal(text_count(out, UINT64_MAX), "18,446,744,073,709,551,615");
    assert_string_equal(text_size(out, 1023), "1023 bytes");
    assert_string_equal(text_size(out, 1024), "1.0 KiB");
    assert_string_equal(text_size(out, 1536), "1.5 KiB");
    assert_string_equal(text_size(out, UINT64_C(5) << 40), "5.0 TiB");
    assert_string_equal(text_size(out, UINT64_MAX), "15.9 EiB");
}

static void hashes_parse_in_either_case(void **state)
{
    char text[65] = "00112233445566778899aabbccddeeffFFEEDDCCBBAA99887766554433221100";
    uint8_t out[32];

    (void)state;
    assert_true(text_hash_parse(out, text, 64));
    assert_int_equal(out[15], 0xff);
    assert_int_equal(out[16], 0xff);
    assert_false(text_hash_parse(out, text, 63));
    for (size_t i = 0; i < 64; i++) {
        char keep = text[i];

        text[i] = 'g';
        assert_false(text_hash_parse(out, text, 64));
        text[i] = '\0';
        assert_false(text_hash_parse(out, text, 64));
        text[i] = keep;
    }
}

static void what_is_not_seen_is_found(void **state)
{
    static const struct {
        const char *name, *shown; /* NULL: as it is */
    } names[] = {{"city", NULL}, {"", NULL}, {"\u00e9t\u00e9", NULL}, {"\uc11c\uc6b8", NULL},
        {"\U0001f3db", NULL}, {"pol\u202eeci", "pol\\u{202e}eci"}, {"\u00ad", "\\u{ad}"},
        {"a\u200bb\u2060", "a\\u{200b}b\\u{2060}"}, {"\ufeff\uc11c", "\\u{feff}\uc11c"},
        {"\U000e0041x", "\\u{e0041}x"}, {"\u2029", NULL}, {"\u2070", NULL}, {"\xe2\x80", NULL},
        {"\xe2", NULL}, {"\xf0\x82\x80\xae", "\\u{202e}"}, {"\xff\xae", NULL},
        {"\xae\xe2\x80\xae", "\xae\\u{202e}"}};
    char out[64];

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(text_reveal(out, sizeof(out), names[i].name), names[i].shown != NULL);
        if (names[i].shown != NULL)
            assert_string_equal(out, names[i].shown);
    }
    for (size_t cap = 11; cap < 40; cap++) {
        assert_true(text_reveal(out, cap, "a\u202eb\u202ec\u202ed\u202e"));
        assert_true(strlen(out) < cap);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_prints_and_parses),
        cmocka_unit_test(zones_and_fractions_are_understood),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(far_times_print_as_numbers),
        cmocka_unit_test(options_take_times_and_ages),
        cmocka_unit_test(counts_and_sizes_read_well),
        cmocka_unit_test(hashes_parse_in_either_case),
        cmocka_unit_test(what_is_not_seen_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
