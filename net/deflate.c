/* deflate.c: see deflate.h. */
#include "net/deflate.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#define MEMORY 8 /* zlib's default */

enum slk_err slk_deflate(
    uint8_t **out, size_t *out_size, struct slk_span bytes, enum slk_deflate_form form, int level)
{
    z_stream z = {.next_in = (z_const Bytef *)(uintptr_t)bytes.at, .avail_in = (uInt)bytes.size};
    enum slk_err err = SLK_OK;
    size_t cap;

    *out = NULL;
    *out_size = 0;
    if (bytes.size > INT_MAX)
        return SLK_E_TOO_LARGE;
    if (deflateInit2(&z, level, Z_DEFLATED, (int)form, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return SLK_E_NOMEM;
    cap = deflateBound(&z, (uLong)bytes.size);
    *out = cap <= UINT_MAX ? malloc(cap) : NULL;
    z.next_out = *out;
    z.avail_out = (uInt)cap;
    if (*out == NULL || deflate(&z, Z_FINISH) != Z_STREAM_END)
        err = SLK_E_NOMEM;
    *out_size = err == SLK_OK ? z.total_out : 0;
    deflateEnd(&z);
    if (err != SLK_OK) {
        free(*out);
        *out = NULL;
    }
    return err;
}

enum slk_err slk_inflate(
    uint8_t **out, size_t *out_size, struct slk_span bytes, enum slk_deflate_form form, size_t max)
{
    z_stream z = {.next_in = (z_const Bytef *)(uintptr_t)bytes.at, .avail_in = (uInt)bytes.size};
    enum slk_err err = SLK_OK;
    int rc;

    *out = NULL;
    *out_size = 0;
    if (bytes.size > INT_MAX || max >= INT_MAX)
        return SLK_E_TOO_LARGE;
    if (inflateInit2(&z, (int)form) != Z_OK)
        return SLK_E_NOMEM;
    *out = malloc(max + 1);
    z.next_out = *out;
    z.avail_out = (uInt)max + 1; /* one more: to see that there is more */
    rc = *out != NULL ? inflate(&z, Z_FINISH) : Z_MEM_ERROR;
    if (rc == Z_MEM_ERROR)
        err = SLK_E_NOMEM;
    else if (z.total_out > max)
        err = SLK_E_TOO_LARGE;
    else if (rc != Z_STREAM_END || z.avail_in != 0)
        err = SLK_E_MALFORMED;
    *out_size = err == SLK_OK ? z.total_out : 0;
    inflateEnd(&z);
    if (err != SLK_OK) {
        free(*out);
        *out = NULL;
    }
    return err;
}
