/* bytes.h: bounded reading and writing of bytes; base64 and hex.
 *
 * A reader holds what is left; the first short or wrong read makes it bad for good and every later
 * read returns zero, so a parser checks once, at the end, with slk_read_done().
 */
#ifndef SLK_VERIFY_BYTES_H
#define SLK_VERIFY_BYTES_H

#include "ledger/verify/sillok.h"

struct slk_reader {
    struct slk_span rest;
    bool bad;
};

static inline struct slk_span slk_span_of(const void *at, size_t size)
{
    return (struct slk_span){.at = at, .size = size};
}
bool slk_span_equal(struct slk_span a, struct slk_span b);
/* Takes what stands before the next `end` off the front of *rest, and the `end` with it. False, with nothing changed, when
 * there is none: a last line without its newline is no line. */
SLK_MUST_CHECK bool slk_span_take(struct slk_span *item, struct slk_span *rest, uint8_t end);

/* Big-endian integers. */
uint8_t slk_read_u8(struct slk_reader *r);
uint16_t slk_read_u16(struct slk_reader *r);
uint32_t slk_read_u32(struct slk_reader *r);
uint64_t slk_read_u64(struct slk_reader *r);
/* `size` bytes, borrowed from the input; an empty span when short. */
struct slk_span slk_read_span(struct slk_reader *r, size_t size);
/* Copies `size` bytes to `out`; zeroes when short. */
void slk_read_bytes(struct slk_reader *r, void *out, size_t size);
/* True when nothing failed and nothing is left over. */
bool slk_read_done(const struct slk_reader *r);

/* Protobuf, strictly canonical: a varint longer than it must be is bad. */
uint64_t slk_read_varint(struct slk_reader *r);
enum slk_wire { SLK_WIRE_VARINT = 0, SLK_WIRE_BYTES = 2 };
/* Next field tag, in strictly ascending field order: `last` is the field number read before (0 first),
 * updated. Returns the field number, or 0 at the end or when bad; *wire is VARINT or BYTES. A caller that
 * reads a repeated field passes `last` = field - 1 again. */
uint32_t slk_read_field(struct slk_reader *r, uint32_t *last, enum slk_wire *wire);
/* The payload of a length-delimited field; its length is checked against what is left. */
struct slk_span slk_read_delimited(struct slk_reader *r);
/* Varint fields never hold their default value 0 in canonical form: bad if 0 or above `max`. */
uint64_t slk_read_number(struct slk_reader *r, uint64_t max);

/* A writer never runs over: too little room makes it bad, and `size` is then meaningless. */
struct slk_writer {
    uint8_t *at;
    size_t size;
    size_t cap;
    bool bad;
};

void slk_write_u8(struct slk_writer *w, uint8_t v);
void slk_write_u16(struct slk_writer *w, uint16_t v);
void slk_write_u32(struct slk_writer *w, uint32_t v);
void slk_write_u64(struct slk_writer *w, uint64_t v);
void slk_write_bytes(struct slk_writer *w, const void *at, size_t size);
void slk_write_varint(struct slk_writer *w, uint64_t v);
size_t slk_varint_size(uint64_t v);
/* Canonical fields: the default (0, empty) is left out. */
void slk_write_field_number(struct slk_writer *w, uint32_t field, uint64_t v);
void slk_write_field_bytes(struct slk_writer *w, uint32_t field, const void *at, size_t size);

/* Big-endian integers at a known place. */
static inline uint32_t slk_get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint64_t slk_get_u64(const uint8_t *p)
{
    return (uint64_t)slk_get_u32(p) << 32 | slk_get_u32(p + 4);
}
static inline void slk_put_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}
static inline void slk_put_u64(uint8_t *p, uint64_t v)
{
    slk_put_u32(p, (uint32_t)(v >> 32));
    slk_put_u32(p + 4, (uint32_t)v);
}

/* Standard base64 with padding (RFC 4648 §4), canonical: spare bits zero, no white space.
 * slk_base64_size(n) is the text's length for n bytes, without a terminating zero. */
size_t slk_base64_size(size_t bytes_n);
void slk_base64_format(char *out, const uint8_t *bytes, size_t bytes_n);
/* Decodes text[text_n] into out[cap]. False when not canonical or too long; *out_n is then 0. */
SLK_MUST_CHECK bool slk_base64_parse(
    uint8_t *out, size_t cap, size_t *out_n, const char *text, size_t text_n);

/* Lower-case hex, out[2 * bytes_n] without a terminating zero; parse takes lower case only. */
void slk_hex_format(char *out, const uint8_t *bytes, size_t bytes_n);
SLK_MUST_CHECK bool slk_hex_parse(uint8_t *out, size_t bytes_n, const char *text, size_t text_n);

/* Decimal without sign or leading zero, at most `max`. */
SLK_MUST_CHECK bool slk_decimal_parse(uint64_t *out, uint64_t max, const char *text, size_t text_n);
#define SLK_DECIMAL_MAX 20                                        /* digits of 2^64 - 1 */
size_t slk_decimal_format(char out[SLK_DECIMAL_MAX], uint64_t v); /* length; no terminating zero */

#endif
