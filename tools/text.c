/* text.c: see text.h. */
#include "tools/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DAY_S        86400
#define DAYS_PER_400 146097 /* days in 400 Gregorian years */
#define YEAR_FIRST   1970
#define YEAR_LAST    9999
#define AGE_MAX_S    UINT64_C(1099511627776)

/* Days since 1970-01-01 of a Gregorian date; the year starts in March so that the leap day comes last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t of_400 = y % 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return y / 400 * DAYS_PER_400 + of_400 * 365 + of_400 / 4 - of_400 / 100 + of_year - 719468;
}

static void date_of(int64_t days, int *year, int *month, int *day)
{
    int64_t z = days + 719468;
    int64_t of_400 = z % DAYS_PER_400;
    int64_t y = (of_400 - of_400 / 1460 + of_400 / 36524 - of_400 / (DAYS_PER_400 - 1)) / 365;
    int64_t of_year = of_400 - (365 * y + y / 4 - y / 100);
    int64_t m = (5 * of_year + 2) / 153;

    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(y + z / DAYS_PER_400 * 400 + (*month <= 2));
}

const char *text_time(char out[TEXT_TIME_SIZE], uint64_t unix_s)
{
    int year, month, day;
    unsigned of_day = (unsigned)(unix_s % DAY_S);

    if (unix_s / DAY_S > (uint64_t)days_of(YEAR_LAST, 12, 31)) {
        snprintf(out, TEXT_TIME_SIZE, "%" PRIu64, unix_s); /* no calendar that far: the number itself */
        return out;
    }
    date_of((int64_t)(unix_s / DAY_S), &year, &month, &day);
    snprintf(out, TEXT_TIME_SIZE, "%04d-%02d-%02dT%02u:%02u:%02uZ", year, month, day, of_day / 3600,
        of_day / 60 % 60, of_day % 60);
    return out;
}

const char *text_time_ms(char out[TEXT_TIME_SIZE], uint64_t unix_ms)
{
    size_t size;

    text_time(out, unix_ms / 1000);
    size = strlen(out);
    if (out[size - 1] == 'Z')
        snprintf(out + size - 1, TEXT_TIME_SIZE - size + 1, ".%03uZ", (unsigned)(unix_ms % 1000));
    return out;
}

/* `n` digits at *text; false when one is missing or the value is outside [low, high]. */
static bool take_digits(const char **text, const char *end, int n, int low, int high, int *out)
{
    int value = 0;

    for (int i = 0; i < n; i++, (*text)++) {
        if (*text == end || **text < '0' || **text > '9')
            return false;
        value = value * 10 + (**text - '0');
    }
    *out = value;
    return value >= low && value <= high;
}

static bool take_char(const char **text, const char *end, const char *set)
{
    if (*text == end || **text == '\0' || strchr(set, **text) == NULL)
        return false;
    (*text)++;
    return true;
}

/* "Z" or "+09:00"; seconds to subtract. */
static bool take_zone(const char **text, const char *end, int *offset_s)
{
    int hours, minutes, sign = *text < end && **text == '-' ? -1 : 1;

    *offset_s = 0;
    if (take_char(text, end, "Zz"))
        return true;
    if (!take_char(text, end, "+-") || !take_digits(text, end, 2, 0, 23, &hours) ||
        !take_char(text, end, ":") || !take_digits(text, end, 2, 0, 59, &minutes))
        return false;
    *offset_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool take_date(const char **text, const char *end, int64_t *days)
{
    static const int month_days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;

    if (!take_digits(text, end, 4, YEAR_FIRST, YEAR_LAST, &year) || !take_char(text, end, "-") ||
        !take_digits(text, end, 2, 1, 12, &month) || !take_char(text, end, "-") ||
        !take_digits(text, end, 2, 1, month_days[month - 1], &day))
        return false;
    *days = days_of(year, month, day);
    /* The 29th of February of a common year is the 1st of March. */
    return !(month == 2 && day == 29 && days_of(year, 3, 1) == *days);
}

bool text_time_parse(uint64_t *unix_s, const char *text, size_t size)
{
    const char *end = text + size;
    int hours = 0, minutes = 0, seconds = 0, offset_s = 0;
    int64_t days, total;

    if (!take_date(&text, end, &days))
        return false;
    if (text != end) {
        if (!take_char(&text, end, "Tt ") || !take_digits(&text, end, 2, 0, 23, &hours) ||
            !take_char(&text, end, ":") || !take_digits(&text, end, 2, 0, 59, &minutes) ||
            !take_char(&text, end, ":") || !take_digits(&text, end, 2, 0, 59, &seconds))
            return false;
        if (take_char(&text, end, "."))
            while (text != end && *text >= '0' && *text <= '9')
                text++;
        if (!take_zone(&text, end, &offset_s) || text != end)
            return false;
    }
    total = days * DAY_S + hours * 3600 + minutes * 60 + seconds - offset_s;
    if (total < 0)
        return false;
    *unix_s = (uint64_t)total;
    return true;
}

bool text_now_parse(uint64_t *unix_s, const char *text)
{
    size_t size = strlen(text);

    return slk_decimal_parse(unix_s, TEXT_TIME_MAX_S, text, size) || text_time_parse(unix_s, text, size);
}

bool text_age_parse(uint64_t *s, const char *text)
{
    static const char letters[] = "smhd";
    static const uint64_t units[] = {1, 60, 3600, DAY_S};
    size_t n = strlen(text);
    const char *unit = n > 0 ? strchr(letters, text[n - 1]) : NULL;
    uint64_t factor = unit == NULL ? 1 : units[unit - letters];

    if (!slk_decimal_parse(s, AGE_MAX_S / factor, text, unit == NULL ? n : n - 1))
        return false;
    *s *= factor;
    return *s > 0;
}

const char *text_hex(char out[TEXT_HEX_SIZE], const uint8_t *bytes, size_t n)
{
    slk_hex_format(out, bytes, n);
    out[2 * n] = '\0';
    return out;
}

const char *text_count(char out[TEXT_HUMAN_SIZE], uint64_t n)
{
    char digits[24];
    size_t size = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, n), at = 0;

    for (size_t i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

const char *text_size(char out[TEXT_HUMAN_SIZE], uint64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    uint64_t whole = bytes, rest = 0; /* of the unit, and 1,024ths of it */
    size_t unit = 0;

    for (; whole >= 1024; unit++) {
        rest = whole % 1024;
        whole /= 1024;
    }
    if (unit == 0)
        snprintf(out, TEXT_HUMAN_SIZE, "%" PRIu64 " bytes", bytes);
    else
        snprintf(out, TEXT_HUMAN_SIZE, "%" PRIu64 ".%" PRIu64 " %s", whole, rest * 10 / 1024, units[unit]);
    return out;
}

bool text_hash_parse(uint8_t out[SLK_HASH_SIZE], const char *text, size_t size)
{
    char lower[2 * SLK_HASH_SIZE];

    if (size != sizeof(lower))
        return false;
    for (size_t i = 0; i < size; i++)
        lower[i] = text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] - 'A' + 'a') : text[i];
    return slk_hex_parse(out, SLK_HASH_SIZE, lower, sizeof(lower));
}

/* ---- what is not seen ---- */

/* 0: no sequence of two to four bytes stands here. One that is longer than it must be says the same. */
static size_t take_code(uint32_t *code, const char *text)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t n = *at >= 0xf0 && *at < 0xf8 ? 4 : *at >= 0xe0 ? 3 : 2;

    if (*at < 0xc2 || *at >= 0xf8)
        return 0;
    *code = *at & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80) /* the end, too */
            return 0;
        *code = *code << 6 | (at[i] & 0x3fu);
    }
    return n;
}

size_t text_unseen(uint32_t *code, const char *text)
{
    static const uint32_t ranges[][2] = {{0xad, 0xad}, {0x34f, 0x34f}, {0x61c, 0x61c}, {0x115f, 0x1160},
        {0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x200b, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x206f},
        {0x3164, 0x3164}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfff8},
        {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}};
    size_t n = take_code(code, text);

    for (size_t i = 0; n > 0 && i < sizeof(ranges) / sizeof(ranges[0]); i++)
        if (*code >= ranges[i][0] && *code <= ranges[i][1])
            return n;
    return 0;
}

bool text_reveal(char *out, size_t cap, const char *name)
{
    size_t used = 0;
    bool found = false;
    uint32_t code;

    for (const char *c = name; *c != '\0' && !found; c++)
        found = text_unseen(&code, c) > 0;
    while (found && *name != '\0' && used + sizeof("\\u{123456}") <= cap) {
        size_t n = text_unseen(&code, name);

        if (n > 0)
            used += (size_t)snprintf(out + used, cap - used, "\\u{%" PRIx32 "}", code);
        else
            out[used++] = *name;
        name += n > 0 ? n : 1;
    }
    if (found)
        out[used] = '\0';
    return found;
}
