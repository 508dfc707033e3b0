/* qr_image.h: a QR code on a terminal, as SVG or as PNG (libqrencode, libpng), and out of a PNG again. */
#ifndef SLK_TOOLS_QR_IMAGE_H
#define SLK_TOOLS_QR_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

enum qr_form { QR_TERMINAL, QR_SVG, QR_PNG };

/* By the end of a file's name; a terminal's drawing for any other, and for NULL and "-". */
enum qr_form qr_form_of(const char *path);
bool qr_is_foreign(const char *path); /* the name promises a picture that is none of these */
/* Draws `text`, with the quiet zone of four modules that ISO/IEC 18004 asks for; the smallest code that holds it, error
 * correction as high as that one allows. malloc'ed; NULL: too long for any code, or no memory. */
char *qr_draw(const char *text, enum qr_form form, size_t *size);

bool qr_is_png(const char *path);
/* The text of the code in a PNG file, malloc'ed, `*size` bytes; NULL: *why says what is wrong and what to do. */
char *qr_from_png(const char *path, size_t *size, const char **why);

#endif
