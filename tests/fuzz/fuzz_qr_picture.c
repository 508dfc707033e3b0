/* fuzz_qr_picture.c: pictures of QR codes: the first byte is the modules of a side, the bits behind it are the modules. */
#include "tests/fuzz/fuzz.h"
#include "tools/explorer/verifier/qr_read.h"

#define SIDE_MAX 57 /* version 10; larger ones are the unit test's, they take long */
#define QUIET    2
#define SCALE    2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t modules[SIDE_MAX * SIDE_MAX];
    uint32_t side = size > 0 && data[0] <= SIDE_MAX ? data[0] : SIDE_MAX, width = (side + 2 * QUIET) * SCALE;
    size_t n = (size_t)width * width, text_n = 0;
    char *text = malloc(QR_TEXT_MAX);
    uint8_t *grey = malloc(n);
    enum qr_result result;

    FUZZ_CHECK(text != NULL && grey != NULL);
    for (size_t i = 0; i < (size_t)side * side; i++)
        modules[i] = 1 + i / 8 < size && (data[1 + i / 8] >> i % 8 & 1) != 0;
    for (size_t i = 0; i < n; i++) {
        size_t x = i % width / SCALE, y = i / width / SCALE;
        bool inside = x >= QUIET && y >= QUIET && x < QUIET + side && y < QUIET + side;

        grey[i] = inside && modules[(y - QUIET) * side + x - QUIET] != 0 ? 20 : 235;
    }
    result = qr_read_modules(text, &text_n, modules, side);
    FUZZ_CHECK(text_n <= QR_TEXT_MAX && (text_n == 0 || result == QR_READ));
    result = qr_read(text, &text_n, grey, width, width);
    FUZZ_CHECK(text_n <= QR_TEXT_MAX && (text_n == 0 || result == QR_READ));
    free(grey);
    free(text);
    return 0;
}
