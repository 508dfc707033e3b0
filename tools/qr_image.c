/* qr_image.c: see qr_image.h. */
#include "tools/qr_image.h"

#include <png.h>
#include <qrencode.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tools/explorer/verifier/qr_read.h"

#define QUIET     4 /* modules around the code */
#define PNG_SCALE 4 /* pixels a module */

static bool is_dark(const QRcode *code, int x, int y)
{
    x -= QUIET;
    y -= QUIET;
    return x >= 0 && y >= 0 && x < code->width && y < code->width &&
           (code->data[y * code->width + x] & 1) != 0;
}

/* Two rows of modules a line, in half blocks; black on white whatever the terminal's colours are. */
static void draw_terminal(FILE *out, const QRcode *code)
{
    int side = code->width + 2 * QUIET;

    for (int y = 0; y < side; y += 2) {
        fprintf(out, "\033[38;5;16;48;5;231m");
        for (int x = 0; x < side; x++) {
            bool upper = is_dark(code, x, y), lower = is_dark(code, x, y + 1);

            fprintf(out, "%s",
                upper && lower ? "\xe2\x96\x88"
                : upper        ? "\xe2\x96\x80"
                : lower        ? "\xe2\x96\x84"
                               : " ");
        }
        fprintf(out, "\033[0m\n");
    }
}

static void draw_svg(FILE *out, const QRcode *code)
{
    int side = code->width + 2 * QUIET;

    fprintf(out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
        "shape-rendering=\"crispEdges\">\n<path fill=\"#fff\" d=\"M0 0h%dv%dH0z\"/>\n<path d=\"",
        side, side, 4 * side, 4 * side, side, side);
    for (int y = 0; y < side; y++)
        for (int x = 0, n = 1; x < side; x += n, n = 1) {
            if (!is_dark(code, x, y))
                continue;
            while (is_dark(code, x + n, y))
                n++;
            fprintf(out, "M%d %dh%dv1h-%dz", x, y, n, n);
        }
    fprintf(out, "\"/>\n</svg>\n");
}

static void draw_png(FILE *out, const QRcode *code)
{
    png_image image = {.version = PNG_IMAGE_VERSION, .format = PNG_FORMAT_GRAY};
    size_t side = (size_t)(code->width + 2 * QUIET) * PNG_SCALE;
    uint8_t *pixels = malloc(side * side + 1);

    if (pixels == NULL)
        return;
    image.width = image.height = (png_uint_32)side;
    for (size_t i = 0; i < side * side; i++)
        pixels[i] = is_dark(code, (int)(i % side / PNG_SCALE), (int)(i / side / PNG_SCALE)) ? 0 : 255;
    (void)png_image_write_to_stdio(&image, out, 0, pixels, 0, NULL); /* nothing is written when it fails */
    free(pixels);
}

enum qr_form qr_form_of(const char *path)
{
    size_t n = path == NULL ? 0 : strlen(path);

    if (n > 4 && strcasecmp(path + n - 4, ".png") == 0)
        return QR_PNG;
    return n > 4 && strcasecmp(path + n - 4, ".svg") == 0 ? QR_SVG : QR_TERMINAL;
}

bool qr_is_foreign(const char *path)
{
    static const char *const endings[] = {
        ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".pdf", ".eps"};
    const char *dot = path != NULL ? strrchr(path, '.') : NULL;

    for (size_t i = 0; dot != NULL && i < sizeof(endings) / sizeof(endings[0]); i++)
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    return false;
}

static int version_of(const char *text, QRecLevel level)
{
    QRcode *code = QRcode_encodeString(text, 0, level, QR_MODE_8, 1);
    int version = code != NULL ? code->version : 0;

    QRcode_free(code);
    return version;
}

/* The highest correction of errors that needs no larger code. */
static QRecLevel level_of(const char *text)
{
    int smallest = version_of(text, QR_ECLEVEL_L);
    QRecLevel level = QR_ECLEVEL_H;

    while (level > QR_ECLEVEL_L && version_of(text, level) != smallest)
        level--;
    return level;
}

char *qr_draw(const char *text, enum qr_form form, size_t *size)
{
    QRcode *code = QRcode_encodeString(text, 0, level_of(text), QR_MODE_8, 1);
    char *drawn = NULL;
    FILE *out = code != NULL ? open_memstream(&drawn, size) : NULL;

    *size = 0;
    if (out != NULL) {
        if (form == QR_PNG)
            draw_png(out, code);
        else if (form == QR_SVG)
            draw_svg(out, code);
        else
            draw_terminal(out, code);
        bool failed = ferror(out) != 0;
        if (fclose(out) != 0 || failed || *size == 0) {
            free(drawn);
            drawn = NULL;
        }
    }
    QRcode_free(code);
    return drawn;
}

bool qr_is_png(const char *path)
{
    static const unsigned char mark[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    unsigned char begin[sizeof(mark)];
    FILE *in = fopen(path, "rb");
    bool is = in != NULL && fread(begin, sizeof(begin), 1, in) == 1 && memcmp(begin, mark, sizeof(mark)) == 0;

    if (in != NULL)
        (void)fclose(in);
    return is;
}

/* Grey, what is transparent on white; NULL: *why. */
static uint8_t *read_png(png_image *image, const char *path, const char **why)
{
    const png_color white = {255, 255, 255};
    uint8_t *grey = NULL;

    *why = "not a PNG that can be read";
    if (png_image_begin_read_from_file(image, path) == 0)
        return NULL;
    image->format = PNG_FORMAT_GRAY;
    if (image->width == 0 || image->height == 0 || image->width > QR_PIXELS_MAX / image->height)
        *why = "more than four million pixels: scale it down, or cut out the code";
    else if ((grey = malloc((size_t)image->width * image->height)) == NULL)
        *why = "no memory";
    else if (png_image_finish_read(image, &white, grey, (png_int_32)image->width, NULL) == 0) {
        free(grey);
        grey = NULL;
    }
    png_image_free(image);
    return grey;
}

char *qr_from_png(const char *path, size_t *size, const char **why)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    uint8_t *grey = read_png(&image, path, why);
    char *text = grey != NULL ? malloc(QR_TEXT_MAX) : NULL;
    enum qr_result result = QR_NO_MEMORY;

    if (text != NULL)
        result = qr_read(text, size, grey, image.width, image.height);
    free(grey);
    if (result == QR_READ)
        return text;
    if (text != NULL)
        *why = result == QR_NONE
                   ? "no QR code is found in it: let all of the code be in the picture, sharp and flat"
               : result == QR_DAMAGED ? "too much of the code is damaged: scan it again"
               : result == QR_FOREIGN ? "its QR code is not one of Sillok"
                                      : "no memory";
    free(text);
    return NULL;
}
