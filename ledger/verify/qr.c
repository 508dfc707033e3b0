/* qr.c: the text of a QR code: a handle and a binary proof in base 45 (RFC 9285), whose letters QR codes pack densest. */
#include <assert.h>
#include <string.h>

#include "ledger/verify/sillok.h"

#define PREFIX_SIZE (sizeof(SLK_QR_PREFIX) - 1)

static const char digits[45] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";

/* The digit's value, or 45. */
static uint32_t digit_of(char c)
{
    const char *at = c == '\0' ? NULL : memchr(digits, c, sizeof(digits));

    return at == NULL ? 45 : (uint32_t)(at - digits);
}

/* Two or three digits, lowest first; false: no digit, or a number beyond `max`. */
static bool read_group(uint32_t *value, const char *text, size_t n, uint32_t max)
{
    uint32_t scale = 1;

    *value = 0;
    for (size_t i = 0; i < n; i++, scale *= 45) {
        uint32_t digit = digit_of(text[i]);

        if (digit == 45)
            return false;
        *value += digit * scale;
    }
    return *value <= max;
}

enum slk_err slk_qr_parse(uint8_t handle[SLK_HANDLE_SIZE], struct slk_span *proof, uint8_t *scratch,
    size_t scratch_size, const char *text, size_t size)
{
    size_t used = 0;
    uint32_t value;

    memset(handle, 0, SLK_HANDLE_SIZE);
    *proof = (struct slk_span){0};
    if (size < PREFIX_SIZE || memcmp(text, SLK_QR_PREFIX, PREFIX_SIZE) != 0)
        return SLK_E_MALFORMED;
    text += PREFIX_SIZE;
    size -= PREFIX_SIZE;
    if (size % 3 == 1)
        return SLK_E_MALFORMED;
    if (size / 3 * 2 + size % 3 / 2 > scratch_size)
        return SLK_E_TOO_LARGE;
    for (; size >= 3; text += 3, size -= 3) {
        if (!read_group(&value, text, 3, 0xffff))
            return SLK_E_MALFORMED;
        scratch[used++] = (uint8_t)(value >> 8);
        scratch[used++] = (uint8_t)value;
    }
    if (size == 2) {
        if (!read_group(&value, text, 2, 0xff))
            return SLK_E_MALFORMED;
        scratch[used++] = (uint8_t)value;
    }
    if (used <= SLK_HANDLE_SIZE)
        return SLK_E_MALFORMED;
    memcpy(handle, scratch, SLK_HANDLE_SIZE);
    *proof = (struct slk_span){scratch + SLK_HANDLE_SIZE, used - SLK_HANDLE_SIZE};
    return SLK_OK;
}

static void write_group(char *out, uint32_t value, size_t n)
{
    for (size_t i = 0; i < n; i++, value /= 45)
        out[i] = digits[value % 45];
}

static uint8_t byte_of(const uint8_t handle[SLK_HANDLE_SIZE], struct slk_span proof, size_t i)
{
    return i < SLK_HANDLE_SIZE ? handle[i] : proof.at[i - SLK_HANDLE_SIZE];
}

size_t slk_qr_format(char *out, size_t cap, const uint8_t handle[SLK_HANDLE_SIZE], struct slk_span proof)
{
    size_t n, at = PREFIX_SIZE, i = 0;

    if (proof.size == 0 || proof.size > SLK_QR_BYTES_MAX - SLK_HANDLE_SIZE)
        return 0;
    n = SLK_HANDLE_SIZE + proof.size;
    if (cap <= PREFIX_SIZE + n / 2 * 3 + n % 2 * 2)
        return 0;
    memcpy(out, SLK_QR_PREFIX, PREFIX_SIZE);
    for (; i + 1 < n; i += 2, at += 3)
        write_group(out + at, (uint32_t)byte_of(handle, proof, i) << 8 | byte_of(handle, proof, i + 1), 3);
    if (i < n) {
        write_group(out + at, byte_of(handle, proof, i), 2);
        at += 2;
    }
    out[at] = '\0';
    assert(at <= SLK_QR_TEXT_MAX);
    return at;
}
