/* test_qr_image.c: the codes that `sillok prove --qr` draws come back from a scanner (zbarimg), up to the largest there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/verify/sillok.h"
#include "tests/scratch.h"
#include "tools/qr_image.h"

#define PROOF_20_MILLION 2107 /* bench/README.md: of 20 million credentials, 3 cosignatures, at most */

static char dir[300], file[320];

static int set_up(void **state)
{
    (void)state;
    if (!scratch_make(dir, sizeof(dir), "qr-image"))
        return 1;
    snprintf(file, sizeof(file), "%s/code.png", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scratch_remove(dir);
    return 0;
}

/* What the scanner reads in the picture, without the line feed it adds. */
static size_t scan(char *out, size_t cap)
{
    char command[400];
    size_t n;
    FILE *in;

    snprintf(command, sizeof(command), "zbarimg --raw -q '%s' 2>/dev/null", file);
    in = popen(command, "r"); /* NOLINT(cert-env33-c): the scanner is a program */
    assert_non_null(in);
    n = fread(out, 1, cap, in);
    assert_int_equal(pclose(in), 0);
    return n > 0 && out[n - 1] == '\n' ? n - 1 : n;
}

static void a_proof_of_any_size_that_fits_scans_back(void **state)
{
    static const size_t sizes[] = {1, 700, PROOF_20_MILLION, SLK_QR_BYTES_MAX - SLK_HANDLE_SIZE};
    static char text[SLK_QR_TEXT_MAX + 1], got[SLK_QR_TEXT_MAX + 2];
    uint8_t bytes[SLK_QR_BYTES_MAX];

    (void)state;
    if (system("command -v zbarimg >/dev/null") != 0) /* NOLINT(cert-env33-c) */
        skip();
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 167 + (i >> 8));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct slk_span proof = {bytes + SLK_HANDLE_SIZE, sizes[i]};
        size_t n = slk_qr_format(text, sizeof(text), bytes, proof), size;
        char *picture = qr_draw(text, QR_PNG, &size);
        FILE *out = fopen(file, "wb");

        assert_true(n > 0 && picture != NULL && out != NULL);
        assert_int_equal(fwrite(picture, 1, size, out), size);
        assert_int_equal(fclose(out), 0);
        free(picture);
        assert_int_equal(scan(got, sizeof(got)), n);
        assert_memory_equal(got, text, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_proof_of_any_size_that_fits_scans_back, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
