/* test_qr_read.c: the page's reader of QR pictures, on what libqrencode draws: every version and level, turned, scaled, damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <qrencode.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tools/explorer/verifier/qr_read.h"

static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
static char text[8192], out[QR_TEXT_MAX];

/* Letters as our codes have them, digits and bytes between them, so that there are segments of every kind. */
static void make_text(size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1103515245u + 12345u;
        text[i] = i / 20 % 4 == 1   ? (char)('0' + (seed >> 16) % 10)
                  : i / 20 % 4 == 3 ? (char)('a' + (seed >> 16) % 26)
                                    : letters[(seed >> 16) % 45];
    }
    text[n] = '\0';
}

/* About as much as fits this version at the highest level. */
static size_t length_for(int version)
{
    return (size_t)version * (size_t)version / 2 + 3;
}

static QRcode *encode(int version, QRecLevel level)
{
    QRcode *code = QRcode_encodeString(text, version, level, QR_MODE_8, 1);

    assert_non_null(code);
    assert_int_equal(code->version, version);
    for (int i = 0; i < code->width * code->width; i++)
        code->data[i] &= 1;
    return code;
}

static void assert_read(enum qr_result result, const size_t *n)
{
    assert_int_equal(result, QR_READ);
    assert_int_equal(*n, strlen(text));
    assert_memory_equal(out, text, *n);
}

/* How a picture is taken. */
struct shot {
    double scale, turn, tilt; /* pixels a module, radians, perspective */
    unsigned dark, light, slope;
};

/* Averages four places in each pixel. */
static uint8_t *draw(const QRcode *code, const struct shot *shot, uint32_t *side)
{
    double c = cos(shot->turn), s = sin(shot->turn), half;
    uint8_t *grey;

    *side = (uint32_t)((code->width + 8) * shot->scale * (fabs(c) + fabs(s)));
    grey = malloc((size_t)*side * *side);
    half = *side / 2.0;
    assert_non_null(grey);
    for (uint32_t y = 0; y < *side; y++)
        for (uint32_t x = 0; x < *side; x++) {
            unsigned sum = 0;

            for (unsigned i = 0; i < 4; i++) {
                double px = x + .25 + .5 * (i % 2) - half, py = y + .25 + .5 * (i > 1) - half,
                       w = 1 + shot->tilt * px / half;
                double u = (px * c + py * s) / shot->scale / w + code->width / 2.0,
                       v = (py * c - px * s) / shot->scale / w + code->width / 2.0;
                bool inside = u >= 0 && v >= 0 && u < code->width && v < code->width;

                sum += inside && code->data[(int)v * code->width + (int)u] != 0 ? shot->dark : shot->light;
            }
            grey[y * *side + x] = (uint8_t)(sum / 4 + shot->slope * x / *side);
        }
    return grey;
}

static void assert_read_from(const QRcode *code, const struct shot *shot)
{
    uint32_t side = 0;
    uint8_t *grey = draw(code, shot, &side);
    size_t n = 0;

    assert_read(qr_read(out, &n, grey, side, side), &n);
    free(grey);
}

static void modules_of_every_version_and_level(void **state)
{
    (void)state;
    for (int version = 1; version <= 40; version++)
        for (int level = 0; level < 4; level++) {
            size_t n = 0;
            QRcode *code;

            make_text(length_for(version), (uint32_t)(4 * version + level));
            code = encode(version, (QRecLevel)level);
            assert_read(qr_read_modules(out, &n, code->data, (uint32_t)code->width), &n);
            QRcode_free(code);
        }
}

static void the_fullest_code(void **state)
{
    size_t n = 0;
    QRcode *code;

    (void)state;
    for (size_t i = 0; i < 4296; i++) /* 40-L, ISO/IEC 18004 table 7 */
        text[i] = letters[(i * i + i / 7) % 45];
    text[4296] = '\0';
    code = encode(40, QR_ECLEVEL_L);
    assert_read(qr_read_modules(out, &n, code->data, (uint32_t)code->width), &n);
    QRcode_free(code);
}

/* As many wrong codewords as each block corrects, and then no text but the right one comes out of more. */
static void damage_is_corrected_or_seen(void **state)
{
    size_t n = 0;
    QRcode *code;

    (void)state;
    make_text(60, 7);
    code = encode(5, QR_ECLEVEL_H); /* four blocks, 11 codewords corrected in each */
    for (int spot = 0; spot < 40; spot++) {
        int x = 9 + spot % 27, y = 10 + spot / 27 * 9;

        code->data[y * code->width + x] ^= 1;
    }
    assert_read(qr_read_modules(out, &n, code->data, (uint32_t)code->width), &n);
    for (int i = 9 * code->width; i < 28 * code->width; i++)
        code->data[i] ^= (unsigned char)(i * 7 / 3 % 2);
    assert_int_equal(qr_read_modules(out, &n, code->data, (uint32_t)code->width), QR_DAMAGED);
    assert_int_equal(n, 0);
    QRcode_free(code);
}

static void pictures_turned_scaled_and_unevenly_lit(void **state)
{
    static const struct shot shots[] = {{4, 0, 0, 0, 255, 0}, {2, 0, 0, 0, 255, 0}, {1, 0, 0, 0, 255, 0},
        {3.37, 0, 0, 30, 220, 0}, {5, .05, 0, 0, 255, 0}, {5, .35, 0, 10, 230, 0},
        {4, 1.5707963, 0, 0, 255, 0}, {4, 2.6, 0, 0, 255, 0}, {5, 0, .01, 0, 255, 0}, {4, 0, 0, 240, 20, 0},
        {5, 0, 0, 0, 60, 190}};
    static const int versions[] = {1, 2, 6, 7, 14, 25};

    (void)state;
    for (size_t v = 0; v < sizeof(versions) / sizeof(versions[0]); v++) {
        QRcode *code;

        make_text(length_for(versions[v]), (uint32_t)v);
        code = encode(versions[v], QR_ECLEVEL_M);
        for (size_t i = 0; i < sizeof(shots) / sizeof(shots[0]); i++)
            assert_read_from(code, &shots[i]);
        QRcode_free(code);
    }
}

static void the_largest_pictures(void **state)
{
    static const struct shot shots[] = {{4, 0, 0, 0, 255, 0}, {2.6, 0, 0, 0, 255, 0}, {4, .02, 0, 0, 255, 0}};
    QRcode *code;

    (void)state;
    make_text(1800, 3);
    code = encode(39, QR_ECLEVEL_L);
    for (size_t i = 0; i < sizeof(shots) / sizeof(shots[0]); i++)
        assert_read_from(code, &shots[i]);
    QRcode_free(code);
}

static void pictures_without_a_code(void **state)
{
    uint8_t *grey = malloc(300 * 200);
    uint32_t seed = 5;
    size_t n = 1;

    (void)state;
    memset(grey, 200, 300 * 200);
    assert_int_equal(qr_read(out, &n, grey, 300, 200), QR_NONE);
    for (size_t i = 0; i < 300 * 200; i++) {
        seed = seed * 1103515245u + 12345u;
        grey[i] = (uint8_t)(seed >> 24);
    }
    assert_int_not_equal(qr_read(out, &n, grey, 300, 200), QR_READ);
    assert_int_equal(n, 0);
    assert_int_equal(qr_read(out, &n, grey, 20, 200), QR_NONE);
    assert_int_equal(qr_read(out, &n, grey, 65536, 65536), QR_NONE);
    assert_int_equal(qr_read(out, &n, grey, UINT32_MAX, 21), QR_NONE);
    for (uint32_t side = 0; side < 300; side++)
        if (side < 21 || side > QR_SIDE_MAX || side % 4 != 1)
            assert_int_equal(qr_read_modules(out, &n, grey, side), QR_NONE);
    free(grey);
}

/* Rows that all look like the middle of a finder pattern, in the tallest picture there can be: work is by its size, not by its height squared. */
static void a_tall_picture_of_stripes(void **state)
{
    static const char stripes[] = "# ### # ";
    const uint32_t width = 32, height = QR_PIXELS_MAX / 32;
    uint8_t *grey = malloc(QR_PIXELS_MAX);
    size_t n = 1;

    (void)state;
    assert_non_null(grey);
    for (size_t i = 0; i < QR_PIXELS_MAX; i++)
        grey[i] = stripes[i % 8] == '#' ? 0 : 255;
    assert_int_not_equal(qr_read(out, &n, grey, width, height), QR_READ);
    assert_int_equal(n, 0);
    free(grey);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modules_of_every_version_and_level),
        cmocka_unit_test(the_fullest_code),
        cmocka_unit_test(damage_is_corrected_or_seen),
        cmocka_unit_test(pictures_turned_scaled_and_unevenly_lit),
        cmocka_unit_test(the_largest_pictures),
        cmocka_unit_test(pictures_without_a_code),
        cmocka_unit_test(a_tall_picture_of_stripes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
