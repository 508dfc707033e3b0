/* test_qr.c: the text of QR codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/sillok.h"

static enum slk_err parse(const char *text)
{
    uint8_t handle[SLK_HANDLE_SIZE], scratch[SLK_QR_BYTES_MAX];
    struct slk_span proof;

    return slk_qr_parse(handle, &proof, scratch, sizeof(scratch), text, strlen(text));
}

/* RFC 9285 §4.3 and §4.4: "AB" is BB8, "Hello!!" is %69 VD92EX0, "base-45" is UJCLQE7W581, "ietf!" is QED8WEX0. */
static void the_digits_are_those_of_the_rfc(void **state)
{
    static const struct {
        const char *bytes, *text;
    } vectors[] = {
        {"AB", "BB8"}, {"Hello!!", "%69 VD92EX0"}, {"base-45", "UJCLQE7W581"}, {"ietf!", "QED8WEX0"}};
    uint8_t handle[SLK_HANDLE_SIZE] = {0};
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct slk_span proof = {(const uint8_t *)vectors[i].bytes, strlen(vectors[i].bytes)};
        size_t n = slk_qr_format(text, sizeof(text), handle, proof);

        assert_int_equal(n, 5 + 48 + strlen(vectors[i].text)); /* a handle of zeros is 48 of them */
        assert_string_equal(text + 5 + 48, vectors[i].text);
    }
}

static void every_length_comes_back(void **state)
{
    uint8_t handle[SLK_HANDLE_SIZE], got[SLK_HANDLE_SIZE], bytes[SLK_QR_BYTES_MAX], scratch[SLK_QR_BYTES_MAX];
    static char text[SLK_QR_TEXT_MAX + 1];
    struct slk_span proof;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 167 + (i >> 8));
    memcpy(handle, bytes, sizeof(handle));
    for (size_t n = 1; n <= SLK_QR_BYTES_MAX - SLK_HANDLE_SIZE; n++) {
        struct slk_span in = {bytes, n};
        size_t size = slk_qr_format(text, sizeof(text), handle, in);

        assert_true(size > 0 && size <= SLK_QR_TEXT_MAX && text[size] == '\0');
        assert_int_equal(slk_qr_parse(got, &proof, scratch, sizeof(scratch), text, size), SLK_OK);
        assert_int_equal(proof.size, n);
        assert_memory_equal(proof.at, bytes, n);
        assert_memory_equal(got, handle, sizeof(handle));
        assert_int_equal(slk_qr_format(text, size, handle, in), 0); /* no room for the end */
    }
    proof = (struct slk_span){bytes, SLK_QR_BYTES_MAX - SLK_HANDLE_SIZE + 1};
    assert_int_equal(slk_qr_format(text, sizeof(text), handle, proof), 0);
    proof.size = 0;
    assert_int_equal(slk_qr_format(text, sizeof(text), handle, proof), 0);
}

/* A code of a handle of zeros, and this behind it. */
static enum slk_err parse_tail(const char *tail)
{
    char text[128] = "SLK1:";

    memset(text + 5, '0', 48);
    memcpy(text + 53, tail, strlen(tail) + 1);
    return parse(text);
}

static void what_is_no_code_is_refused(void **state)
{
    static const char *const bad[] = {"", "bB8", ":::" /* 91,124 */, "GGW" /* 65,536 */, "BB8::" /* 2,024 */,
        "BB8V5" /* 256 */, "BB8\n", "BB80", "B", "BB8\xc3\xa9"};
    char text[64] = "SLK1:";
    uint8_t handle[SLK_HANDLE_SIZE], scratch[33];
    struct slk_span proof;

    (void)state;
    assert_int_equal(parse_tail("BB8"), SLK_OK);
    assert_int_equal(parse_tail("FGW"), SLK_OK); /* 65,535 */
    assert_int_equal(parse_tail("U5"), SLK_OK);  /* 255 */
    assert_int_equal(parse_tail("V5"), SLK_E_MALFORMED);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(parse_tail(bad[i]), SLK_E_MALFORMED);
    assert_int_equal(parse(""), SLK_E_MALFORMED);
    assert_int_equal(parse("SLK1:"), SLK_E_MALFORMED);
    assert_int_equal(parse("slk1:BB8"), SLK_E_MALFORMED);
    memset(text + 5, '0', 51);
    for (size_t n = 0; n < 51; n++) /* of a code cut short nothing is left */
        assert_int_equal(slk_qr_parse(handle, &proof, scratch, sizeof(scratch), text, n), SLK_E_MALFORMED);
    assert_int_equal(slk_qr_parse(handle, &proof, scratch, sizeof(scratch), text, 55), SLK_OK);
    assert_int_equal(proof.size, 1);
    assert_int_equal(slk_qr_parse(handle, &proof, scratch, sizeof(scratch), text, 56), SLK_E_TOO_LARGE);
    assert_int_equal(proof.size, 0);
    text[20] = '\0';
    assert_int_equal(slk_qr_parse(handle, &proof, scratch, sizeof(scratch), text, 55), SLK_E_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_digits_are_those_of_the_rfc),
        cmocka_unit_test(every_length_comes_back),
        cmocka_unit_test(what_is_no_code_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
