/* bundle.c: the format of a bundle's files, read and written. No file is opened here: the fuzz target feeds it bytes. */
#include "net/bundle.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char magic[16] = "sillok/bundle/1"; /* with the literal's own zero */

__attribute__((format(printf, 3, 4))) static enum slk_err fail(
    struct slk_fault *fault, enum slk_err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(fault->text, sizeof(fault->text), format, args);
    va_end(args);
    return err;
}

/* ---- writing ---- */

void slk_bundle_head_format(uint8_t out[SLK_BUNDLE_HEAD_SIZE], const struct slk_bundle_head *head)
{
    struct slk_writer w = {.at = out, .cap = SLK_BUNDLE_HEAD_SIZE};
    struct slk_hash hash;

    slk_write_bytes(&w, magic, sizeof(magic));
    slk_write_u32(&w, SLK_BUNDLE_FORMAT);
    slk_write_u32(&w, head->part);
    slk_write_bytes(&w, head->chain_id.b, SLK_HASH_SIZE);
    slk_write_u64(&w, head->from);
    slk_write_u64(&w, head->to);
    slk_write_bytes(&w, head->previous.b, SLK_HASH_SIZE);
    slk_hash_bytes(&hash, out, w.size);
    slk_write_bytes(&w, hash.b, SLK_HASH_SIZE);
    assert(!w.bad && w.size == SLK_BUNDLE_HEAD_SIZE);
}

void slk_bundle_frame_format(uint8_t out[SLK_BUNDLE_FRAME], enum slk_bundle_kind kind, size_t size)
{
    assert(size <= SLK_BUNDLE_BLOCK_MAX);
    out[0] = (uint8_t)kind;
    slk_put_u32(out + 1, (uint32_t)size);
}

void slk_bundle_end_format(
    uint8_t out[SLK_BUNDLE_END_SIZE], const struct slk_sha *file, uint64_t next, bool is_last)
{
    struct slk_sha sha = *file;
    struct slk_hash hash;

    slk_put_u64(out, next);
    out[8] = is_last;
    slk_sha_add(&sha, out, 9);
    slk_sha_final(&sha, &hash);
    memcpy(out + 9, hash.b, SLK_HASH_SIZE);
}

size_t slk_bundle_block_format(uint8_t *out, size_t cap, const uint8_t header[SLK_BLOCK_HEADER_SIZE],
    const struct slk_cert *final, struct slk_span entries)
{
    struct slk_writer w = {.at = out, .cap = cap};
    uint8_t cert[SLK_CERT_BYTES_MAX];
    size_t n = slk_cert_format(cert, sizeof(cert), final);

    slk_write_bytes(&w, header, SLK_BLOCK_HEADER_SIZE);
    slk_write_u16(&w, (uint16_t)n);
    slk_write_bytes(&w, cert, n);
    slk_write_bytes(&w, entries.at, entries.size);
    return w.bad || n == 0 ? 0 : w.size;
}

/* ---- reading ---- */

/* False: the file ends before, or cannot be read: *err and the fault say which. */
static bool take(
    struct slk_bundle_reader *r, uint8_t *out, size_t size, enum slk_err *err, struct slk_fault *fault)
{
    for (size_t n = 0; n < size;) {
        size_t got = r->fill(r->ctx, out + n, size - n);

        if (got == 0 || got == SIZE_MAX) {
            *err = got == 0
                       ? fail(fault, SLK_E_MALFORMED, "the file is cut off before block %" PRIu64, r->next)
                       : fail(fault, SLK_E_IO, "the file cannot be read at block %" PRIu64, r->next);
            return false;
        }
        assert(got <= size - n);
        n += got;
    }
    return true;
}

enum slk_err slk_bundle_open(
    struct slk_bundle_reader *r, slk_bundle_fill_fn *fill, void *ctx, struct slk_fault *fault)
{
    uint8_t bytes[SLK_BUNDLE_HEAD_SIZE];
    struct slk_reader in = {.rest = slk_span_of(bytes, sizeof(bytes))};
    struct slk_hash hash, is;
    enum slk_err err = SLK_OK;
    uint32_t format;

    memset(r, 0, sizeof(*r));
    *fault = (struct slk_fault){0};
    r->fill = fill;
    r->ctx = ctx;
    slk_sha_init(&r->sha);
    if (!take(r, bytes, sizeof(bytes), &err, fault))
        return err == SLK_E_MALFORMED ? fail(fault, err, "this is no bundle: it is too short for one") : err;
    if (memcmp(slk_read_span(&in, sizeof(magic)).at, magic, sizeof(magic)) != 0)
        return fail(fault, SLK_E_MALFORMED, "this is no bundle");
    format = slk_read_u32(&in);
    if (format != SLK_BUNDLE_FORMAT)
        return fail(fault, SLK_E_FORMAT, "a bundle of format %u; this program reads format %d", format,
            SLK_BUNDLE_FORMAT);
    r->head.part = slk_read_u32(&in);
    slk_read_bytes(&in, r->head.chain_id.b, SLK_HASH_SIZE);
    r->head.from = slk_read_u64(&in);
    r->head.to = slk_read_u64(&in);
    slk_read_bytes(&in, r->head.previous.b, SLK_HASH_SIZE);
    slk_read_bytes(&in, is.b, SLK_HASH_SIZE);
    slk_hash_bytes(&hash, bytes, sizeof(bytes) - SLK_HASH_SIZE);
    if (!slk_read_done(&in) || !slk_hash_equal(&is, &hash) || r->head.from == 0 ||
        r->head.to < r->head.from || r->head.to > INT64_MAX || r->head.part >= SLK_BUNDLE_PARTS_MAX)
        return fail(fault, SLK_E_MALFORMED, "the bundle's first bytes are altered");
    slk_sha_add(&r->sha, bytes, sizeof(bytes));
    r->next = r->head.from;
    r->previous = r->head.previous;
    return SLK_OK;
}

static enum slk_err altered(const struct slk_bundle_reader *r, const char *what, struct slk_fault *fault)
{
    return fail(fault, SLK_E_MALFORMED, "block %" PRIu64 ": %s", r->next, what);
}

static enum slk_err read_block(
    struct slk_bundle_reader *r, struct slk_bundle_item *item, size_t size, struct slk_fault *fault)
{
    struct slk_reader in = {.rest = slk_span_of(r->bytes, size)};
    struct slk_span cert;

    item->header = slk_read_span(&in, SLK_BLOCK_HEADER_SIZE).at;
    cert = slk_read_span(&in, slk_read_u16(&in));
    item->bytes = in.rest;
    if (in.bad || slk_block_header_parse(&item->fields, item->header) != SLK_OK ||
        slk_cert_parse(&item->final, cert) != SLK_OK)
        return altered(r, "header or certificate do not parse: the bundle is damaged", fault);
    slk_block_hash(&item->hash, item->header);
    if (r->next > r->head.to || item->fields.height != r->next)
        return fail(fault, SLK_E_MALFORMED,
            "block %" PRIu64 " stands where block %" PRIu64 " should: the bundle is altered",
            item->fields.height, r->next);
    if (!slk_hash_equal(&item->fields.chain_id, &r->head.chain_id))
        return altered(r, "it is of another chain than the bundle", fault);
    if (!slk_hash_equal(&item->fields.previous, &r->previous))
        return altered(r, "it does not follow the block before it in the bundle", fault);
    if (item->final.kind != SLK_VOTE_FINALIZE || item->final.height != item->fields.height ||
        !slk_hash_equal(&item->final.hash, &item->hash))
        return altered(r, "its finality certificate is of another block", fault);
    if (item->fields.body_bytes > SLK_BODY_MAX || item->bytes.size != item->fields.body_bytes)
        return altered(r, "its entries are not as many bytes as its header says", fault);
    r->previous = item->hash;
    r->next++;
    return SLK_OK;
}

/* `size` is right; `before` is the digest's state before the frame. */
static enum slk_err read_end(struct slk_bundle_reader *r, struct slk_bundle_item *item,
    const struct slk_sha *before, struct slk_fault *fault)
{
    uint8_t should[SLK_BUNDLE_END_SIZE], more;
    size_t got;

    item->is_last = r->bytes[8] == 1;
    if (slk_get_u64(r->bytes) != r->next || r->bytes[8] > 1 || r->next == r->head.from ||
        item->is_last != (r->next == r->head.to + 1))
        return altered(
            r, "the bundle says that it ends here, and the head says otherwise: it is altered", fault);
    slk_bundle_end_format(should, before, r->next, item->is_last);
    if (memcmp(should, r->bytes, sizeof(should)) != 0)
        return fail(fault, SLK_E_MALFORMED,
            "the digest at the end, after block %" PRIu64 ", is not that of the file: it is damaged",
            r->next - 1);
    got = r->fill(r->ctx, &more, 1);
    if (got == SIZE_MAX)
        return fail(fault, SLK_E_IO, "the file cannot be read to its end");
    if (got != 0)
        return fail(fault, SLK_E_MALFORMED, "something follows the bundle's end");
    return SLK_OK;
}

/* What may stand here, and how large it may be; 0: nothing of this kind. */
static size_t size_max(const struct slk_bundle_reader *r, unsigned kind)
{
    switch (kind) {
    case SLK_BUNDLE_CHARTER:
        return r->last == 0 && r->head.part == 0 ? SLK_CHARTER_BYTES_MAX : 0;
    case SLK_BUNDLE_BLOCK:
        return r->last < SLK_BUNDLE_CHECKPOINT && r->next <= r->head.to ? SLK_BUNDLE_BLOCK_MAX : 0;
    case SLK_BUNDLE_CHECKPOINT:
        return r->last == SLK_BUNDLE_BLOCK && r->next == r->head.to + 1 ? SLK_BUNDLE_NOTE_MAX : 0;
    case SLK_BUNDLE_END:
        return r->last == SLK_BUNDLE_BLOCK || r->last == SLK_BUNDLE_CHECKPOINT ? SLK_BUNDLE_END_SIZE : 0;
    }
    return 0;
}

/* A frame's bytes come before its memory: what a file says of its own size costs nothing. */
static enum slk_err read_payload(struct slk_bundle_reader *r, size_t size, struct slk_fault *fault)
{
    enum { STEP = 1 << 16 };
    enum slk_err err = SLK_OK;

    for (size_t n = 0; n < size;) {
        size_t step = size - n < STEP ? size - n : STEP;

        if (n + step > r->cap) {
            size_t cap = r->cap < STEP ? STEP : 2 * r->cap;
            uint8_t *more = realloc(r->bytes, cap);

            if (more == NULL)
                return fail(fault, SLK_E_NOMEM, "%s", slk_err_text(SLK_E_NOMEM));
            r->bytes = more;
            r->cap = cap;
        }
        if (!take(r, r->bytes + n, step, &err, fault))
            return err;
        n += step;
    }
    return SLK_OK;
}

enum slk_err slk_bundle_next(
    struct slk_bundle_reader *r, struct slk_bundle_item *item, struct slk_fault *fault)
{
    uint8_t frame[SLK_BUNDLE_FRAME];
    struct slk_sha before;
    enum slk_err err = SLK_OK;
    size_t size, max;

    memset(item, 0, sizeof(*item));
    assert(r->last != SLK_BUNDLE_END);
    if (!take(r, frame, sizeof(frame), &err, fault))
        return err;
    size = slk_get_u32(frame + 1);
    max = size_max(r, frame[0]);
    if (max == 0 || size == 0 || size > max || (frame[0] == SLK_BUNDLE_END && size != max))
        return altered(r, "what stands here is no part of a bundle: it is altered or damaged", fault);
    slk_sha_add(&r->sha, frame, sizeof(frame));
    err = read_payload(r, size, fault);
    if (err != SLK_OK)
        return err;
    before = r->sha;
    slk_sha_add(&r->sha, r->bytes, size);
    item->kind = r->last = (enum slk_bundle_kind)frame[0];
    if (item->kind == SLK_BUNDLE_BLOCK)
        return read_block(r, item, size, fault);
    if (item->kind == SLK_BUNDLE_END)
        return read_end(r, item, &before, fault);
    item->bytes = slk_span_of(r->bytes, size);
    return SLK_OK;
}

void slk_bundle_close(struct slk_bundle_reader *r)
{
    free(r->bytes);
    memset(r, 0, sizeof(*r));
}
