/* qr_read.h: reading a QR code from a picture, for browsers that do not, and for `sillok verify --qr`. Source: ISO/IEC 18004 (model 2, versions 1 to 40).
 *
 * Meant for pictures that programs made: files of `sillok prove --qr`, screenshots, scans lying flat. They may be turned, scaled,
 * light on dark, unevenly lit and somewhat damaged. Pictures come from outside: everything here is bounded by their size.
 */
#ifndef SLK_EXPLORER_QR_READ_H
#define SLK_EXPLORER_QR_READ_H

#include <stddef.h>
#include <stdint.h>

#define QR_SIDE_MAX   177                 /* modules: version 40 */
#define QR_PIXELS_MAX ((uint32_t)1 << 22) /* who has more scales it down */
#define QR_TEXT_MAX   7089                /* version 40-L holds so many digits */

enum qr_result {
    QR_READ,
    QR_NONE,    /* no code is in the picture, or it is too small, cut or bent to be found */
    QR_DAMAGED, /* there is one, and more of it is wrong than its Reed-Solomon code corrects */
    QR_FOREIGN, /* it was read, and is of a kind that none of our programs writes */
    QR_NO_MEMORY
};

/* One byte a pixel, 0 black, row by row. On QR_READ *size bytes of `out`, which has room for QR_TEXT_MAX. */
enum qr_result qr_read(char *out, size_t *size, const uint8_t *grey, uint32_t width, uint32_t height);

/* The modules of a code: side * side bytes, row by row, not 0 is dark. side: 17 + 4 * version, else QR_NONE. */
enum qr_result qr_read_modules(char *out, size_t *size, const uint8_t *modules, uint32_t side);

#endif
