/* bytes.c: see bytes.h. */
#include <assert.h>
#include <string.h>

#include "ledger/verify/bytes.h"

#define VARINT_MAX       10         /* protobuf encoding guide: 64 bits, 7 a byte */
#define FIELD_NUMBER_MAX 0x1fffffff /* protobuf encoding guide: 29 bits */

bool slk_span_equal(struct slk_span a, struct slk_span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

bool slk_span_take(struct slk_span *item, struct slk_span *rest, uint8_t end)
{
    const uint8_t *at = rest->size == 0 ? NULL : memchr(rest->at, end, rest->size);

    if (at == NULL)
        return false;
    *item = slk_span_of(rest->at, (size_t)(at - rest->at));
    *rest = slk_span_of(at + 1, rest->size - item->size - 1);
    return true;
}

/* ---- reading ---- */

/* Drops what is left, so that every later read is short, too. */
static void spoil(struct slk_reader *r)
{
    r->bad = true;
    r->rest = (struct slk_span){.at = NULL, .size = 0};
}

struct slk_span slk_read_span(struct slk_reader *r, size_t size)
{
    struct slk_span taken = {.at = r->rest.at, .size = size};

    if (r->bad || size > r->rest.size) {
        spoil(r);
        return (struct slk_span){.at = NULL, .size = 0};
    }
    if (size > 0) { /* an empty reader may hold NULL, to which nothing may be added */
        r->rest.at += size;
        r->rest.size -= size;
    }
    return taken;
}

uint8_t slk_read_u8(struct slk_reader *r)
{
    struct slk_span s = slk_read_span(r, 1);

    return s.size == 1 ? s.at[0] : 0;
}

uint16_t slk_read_u16(struct slk_reader *r)
{
    struct slk_span s = slk_read_span(r, 2);

    if (s.size != 2)
        return 0;
    return (uint16_t)((uint32_t)s.at[0] << 8 | s.at[1]);
}

uint32_t slk_read_u32(struct slk_reader *r)
{
    struct slk_span s = slk_read_span(r, 4);

    return s.size == 4 ? slk_get_u32(s.at) : 0;
}

uint64_t slk_read_u64(struct slk_reader *r)
{
    struct slk_span s = slk_read_span(r, 8);

    return s.size == 8 ? slk_get_u64(s.at) : 0;
}

void slk_read_bytes(struct slk_reader *r, void *out, size_t size)
{
    struct slk_span s = slk_read_span(r, size);

    if (size == 0)
        return;
    if (s.size == size)
        memcpy(out, s.at, size);
    else
        memset(out, 0, size);
}

bool slk_read_done(const struct slk_reader *r)
{
    return !r->bad && r->rest.size == 0;
}

uint64_t slk_read_varint(struct slk_reader *r)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < VARINT_MAX; i++) {
        uint8_t byte = slk_read_u8(r);

        if (i == VARINT_MAX - 1 && byte > 1) /* 9 * 7 bits are in; only bit 63 is left */
            break;
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            if (byte == 0 && i > 0) /* a last byte of zero adds nothing: a shorter form exists */
                break;
            return v;
        }
    }
    spoil(r);
    return 0;
}

uint32_t slk_read_field(struct slk_reader *r, uint32_t *last, enum slk_wire *wire)
{
    uint64_t tag, field;

    *wire = SLK_WIRE_VARINT;
    if (r->rest.size == 0)
        return 0;
    tag = slk_read_varint(r);
    field = tag >> 3;
    if (field <= *last || field > FIELD_NUMBER_MAX ||
        ((tag & 7) != SLK_WIRE_VARINT && (tag & 7) != SLK_WIRE_BYTES)) {
        spoil(r);
        return 0;
    }
    *wire = (tag & 7) == SLK_WIRE_BYTES ? SLK_WIRE_BYTES : SLK_WIRE_VARINT;
    *last = (uint32_t)field;
    return (uint32_t)field;
}

struct slk_span slk_read_delimited(struct slk_reader *r)
{
    uint64_t size = slk_read_varint(r);

    if (size > r->rest.size) {
        spoil(r);
        return (struct slk_span){.at = NULL, .size = 0};
    }
    return slk_read_span(r, (size_t)size);
}

uint64_t slk_read_number(struct slk_reader *r, uint64_t max)
{
    uint64_t v = slk_read_varint(r);

    if (v == 0 || v > max) {
        spoil(r);
        return 0;
    }
    return v;
}

/* ---- writing ---- */

void slk_write_bytes(struct slk_writer *w, const void *at, size_t size)
{
    assert(w->size <= w->cap);
    if (w->bad || size > w->cap - w->size) {
        w->bad = true;
        return;
    }
    if (size > 0)
        memcpy(w->at + w->size, at, size);
    w->size += size;
}

void slk_write_u8(struct slk_writer *w, uint8_t v)
{
    slk_write_bytes(w, &v, 1);
}

void slk_write_u16(struct slk_writer *w, uint16_t v)
{
    uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)(v & 0xff)};

    slk_write_bytes(w, b, sizeof(b));
}

void slk_write_u32(struct slk_writer *w, uint32_t v)
{
    uint8_t b[4];

    slk_put_u32(b, v);
    slk_write_bytes(w, b, sizeof(b));
}

void slk_write_u64(struct slk_writer *w, uint64_t v)
{
    uint8_t b[8];

    slk_put_u64(b, v);
    slk_write_bytes(w, b, sizeof(b));
}

void slk_write_varint(struct slk_writer *w, uint64_t v)
{
    uint8_t b[VARINT_MAX];
    size_t n = 0;

    while (v >= 0x80) {
        b[n++] = (uint8_t)(0x80 | (v & 0x7f));
        v >>= 7;
    }
    b[n++] = (uint8_t)v;
    slk_write_bytes(w, b, n);
}

size_t slk_varint_size(uint64_t v)
{
    size_t n = 1;

    for (; v >= 0x80; v >>= 7)
        n++;
    return n;
}

void slk_write_field_number(struct slk_writer *w, uint32_t field, uint64_t v)
{
    assert(field > 0 && field <= FIELD_NUMBER_MAX);
    if (v == 0)
        return;
    slk_write_varint(w, (uint64_t)field << 3 | SLK_WIRE_VARINT);
    slk_write_varint(w, v);
}

void slk_write_field_bytes(struct slk_writer *w, uint32_t field, const void *at, size_t size)
{
    assert(field > 0 && field <= FIELD_NUMBER_MAX);
    if (size == 0)
        return;
    slk_write_varint(w, (uint64_t)field << 3 | SLK_WIRE_BYTES);
    slk_write_varint(w, size);
    slk_write_bytes(w, at, size);
}

/* ---- text forms ---- */

/* RFC 4648 §4, table 1. */
static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t slk_base64_size(size_t bytes_n)
{
    assert(bytes_n <= SIZE_MAX / 4 * 3 - 2);
    return (bytes_n + 2) / 3 * 4;
}

void slk_base64_format(char *out, const uint8_t *bytes, size_t bytes_n)
{
    uint32_t group;

    for (; bytes_n >= 3; bytes_n -= 3) {
        group = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
        out[0] = base64_digits[group >> 18];
        out[1] = base64_digits[group >> 12 & 63];
        out[2] = base64_digits[group >> 6 & 63];
        out[3] = base64_digits[group & 63];
        out += 4;
        bytes += 3;
    }
    if (bytes_n == 0)
        return;
    group = (uint32_t)bytes[0] << 16 | (bytes_n > 1 ? (uint32_t)bytes[1] << 8 : 0);
    out[0] = base64_digits[group >> 18];
    out[1] = base64_digits[group >> 12 & 63];
    out[2] = bytes_n > 1 ? base64_digits[group >> 6 & 63] : '=';
    out[3] = '=';
}

/* The value of a base64 digit, or 64. */
static uint32_t digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (uint32_t)(c - '0') + 52;
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

/* Reads the `digits_n` digits (2..4) at `text` into three bytes; false on a foreign character or when
 * bits that stand for no byte are set. */
static bool read_group(uint8_t bytes[3], const char *text, size_t digits_n)
{
    uint32_t group = 0;

    for (size_t i = 0; i < 4; i++) {
        uint32_t value = i < digits_n ? digit_value(text[i]) : 0;

        if (value == 64)
            return false;
        group = group << 6 | value;
    }
    bytes[0] = (uint8_t)(group >> 16);
    bytes[1] = (uint8_t)(group >> 8 & 0xff);
    bytes[2] = (uint8_t)(group & 0xff);
    return (digits_n != 2 || (group & 0xffff) == 0) && (digits_n != 3 || (group & 0xff) == 0);
}

bool slk_base64_parse(uint8_t *out, size_t cap, size_t *out_n, const char *text, size_t text_n)
{
    size_t used = 0;

    *out_n = 0;
    if (text_n % 4 != 0)
        return false;
    for (size_t i = 0; i < text_n; i += 4) {
        uint8_t bytes[3];
        size_t digits_n = 4;

        if (i == text_n - 4 && text[i + 3] == '=') /* only the last group may be padded */
            digits_n = text[i + 2] == '=' ? 2 : 3;
        if (!read_group(bytes, text + i, digits_n) || digits_n - 1 > cap - used)
            return false;
        memcpy(out + used, bytes, digits_n - 1);
        used += digits_n - 1;
    }
    *out_n = used;
    return true;
}

void slk_hex_format(char *out, const uint8_t *bytes, size_t bytes_n)
{
    static const char hex_digits[] = "0123456789abcdef";

    for (size_t i = 0; i < bytes_n; i++) {
        out[2 * i] = hex_digits[bytes[i] >> 4];
        out[2 * i + 1] = hex_digits[bytes[i] & 15];
    }
}

/* The value of a lower-case hex digit, or 16. */
static unsigned nibble_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

bool slk_hex_parse(uint8_t *out, size_t bytes_n, const char *text, size_t text_n)
{
    if (text_n % 2 != 0 || text_n / 2 != bytes_n)
        return false;
    for (size_t i = 0; i < bytes_n; i++) {
        unsigned high = nibble_value(text[2 * i]), low = nibble_value(text[2 * i + 1]);

        if (high == 16 || low == 16)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool slk_decimal_parse(uint64_t *out, uint64_t max, const char *text, size_t text_n)
{
    uint64_t v = 0;

    *out = 0;
    if (text_n == 0 || (text_n > 1 && text[0] == '0'))
        return false;
    for (size_t i = 0; i < text_n; i++) {
        uint64_t digit;

        if (text[i] < '0' || text[i] > '9')
            return false;
        digit = (uint64_t)(text[i] - '0');
        if (v > max / 10 || digit > max - v * 10)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

size_t slk_decimal_format(char out[SLK_DECIMAL_MAX], uint64_t v)
{
    char digits[SLK_DECIMAL_MAX];
    size_t n = 0;

    do {
        n++;
        digits[sizeof(digits) - n] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    memcpy(out, digits + sizeof(digits) - n, n);
    return n;
}
