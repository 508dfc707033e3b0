/* deflate.h: zlib's compression of a whole span of bytes. */
#ifndef SLK_NET_DEFLATE_H
#define SLK_NET_DEFLATE_H

#include "ledger/verify/bytes.h"

enum slk_deflate_form { SLK_ZLIB = 15 /* RFC 1950 */, SLK_GZIP = 15 + 16 /* RFC 1952 */ };

/* *out is malloc'ed. Level 1 (fast) to 9 (small). SLK_E_NOMEM; SLK_E_TOO_LARGE: 2 GiB and more. */
SLK_MUST_CHECK enum slk_err slk_deflate(
    uint8_t **out, size_t *out_size, struct slk_span bytes, enum slk_deflate_form form, int level);
/* *out is malloc'ed. SLK_E_MALFORMED: damaged, cut off, or followed by something; SLK_E_TOO_LARGE: more than `max` bytes come out. */
SLK_MUST_CHECK enum slk_err slk_inflate(
    uint8_t **out, size_t *out_size, struct slk_span bytes, enum slk_deflate_form form, size_t max);

#endif
