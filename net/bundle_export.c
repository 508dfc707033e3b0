/* bundle_export.c: blocks out of a source into files. A part's name appears when the part is whole and on disk. */
#include "net/bundle.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    RENEW_EVERY = 256
}; /* blocks: a reader that holds its picture for long keeps the writer from reusing pages */

struct out {
    const struct slk_bundle_source *source;
    const struct slk_bundle_export *what;
    struct slk_bundle_sizes *sizes;
    struct slk_fault *fault;
    FILE *file; /* NULL: no part is open */
    char path[4096], partial[4096 + 16];
    struct slk_sha sha;
    uint64_t used; /* bytes of this part */
    uint64_t part_blocks_n;
    struct slk_span note;
};

__attribute__((format(printf, 3, 4))) static enum slk_err fail(
    struct out *o, enum slk_err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(o->fault->text, sizeof(o->fault->text), format, args);
    va_end(args);
    return err;
}

static enum slk_err fail_errno(struct out *o)
{
    int why = errno;

    return fail(o, why == ENOSPC || why == EDQUOT || why == EFBIG ? SLK_E_NO_SPACE : SLK_E_IO, "%.200s: %s",
        o->partial, strerror(why));
}

/* ---- one part ---- */

static enum slk_err put(struct out *o, const void *bytes, size_t size)
{
    if (size > 0 && fwrite(bytes, 1, size, o->file) != size)
        return fail_errno(o);
    slk_sha_add(&o->sha, bytes, size);
    o->used += size;
    return SLK_OK;
}

static enum slk_err put_frame(struct out *o, enum slk_bundle_kind kind, struct slk_span payload)
{
    uint8_t frame[SLK_BUNDLE_FRAME];
    enum slk_err err;

    slk_bundle_frame_format(frame, kind, payload.size);
    err = put(o, frame, sizeof(frame));
    return err == SLK_OK ? put(o, payload.at, payload.size) : err;
}

static enum slk_err name_part(struct out *o, unsigned part)
{
    int n = o->what->max_bytes == 0 ? snprintf(o->path, sizeof(o->path), "%s", o->what->file)
                                    : snprintf(o->path, sizeof(o->path), "%s.%03u", o->what->file, part);

    if (n < 0 || (size_t)n >= sizeof(o->path))
        return fail(o, SLK_E_TOO_LARGE, "the file's name is too long");
    snprintf(o->partial, sizeof(o->partial), "%s.partial", o->path);
    return part < SLK_BUNDLE_PARTS_MAX ? SLK_OK
                                       : fail(o, SLK_E_TOO_LARGE, "more than %u parts: allow larger ones",
                                             (unsigned)SLK_BUNDLE_PARTS_MAX);
}

/* `payload` is the first block's: its header says what comes before it. */
static enum slk_err begin_part(struct out *o, uint64_t height, struct slk_span payload)
{
    struct slk_bundle_head head = {
        .part = o->sizes->parts_n, .chain_id = o->source->chain_id, .from = height, .to = o->sizes->to};
    uint8_t bytes[SLK_BUNDLE_HEAD_SIZE];
    struct slk_block_header fields;
    enum slk_err err = name_part(o, o->sizes->parts_n);

    if (err != SLK_OK)
        return err;
    if (payload.size < SLK_BLOCK_HEADER_SIZE || slk_block_header_parse(&fields, payload.at) != SLK_OK)
        return fail(o, SLK_E_CORRUPT, "block %" PRIu64 ": its header does not parse", height);
    head.previous = fields.previous;
    o->file = fopen(o->partial, "wbe");
    if (o->file == NULL)
        return fail_errno(o);
    o->used = o->part_blocks_n = 0;
    slk_sha_init(&o->sha);
    slk_bundle_head_format(bytes, &head);
    err = put(o, bytes, sizeof(bytes));
    if (err == SLK_OK && head.part == 0)
        err = put_frame(o, SLK_BUNDLE_CHARTER, o->source->charter);
    return err;
}

static enum slk_err sync_folder(struct out *o)
{
    char folder[sizeof(o->path)];
    char *slash;
    int fd, rc;

    memcpy(folder, o->path, sizeof(folder));
    slash = strrchr(folder, '/');
    if (slash == NULL)
        memcpy(folder, ".", 2);
    else
        slash[slash == folder] = '\0';
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(o);
    rc = fsync(fd);
    if (rc != 0 && errno == EINVAL)
        rc = 0; /* a file system without it, as on USB sticks */
    close(fd);
    return rc == 0 ? SLK_OK : fail_errno(o);
}

static enum slk_err end_part(struct out *o, uint64_t next)
{
    uint8_t end[SLK_BUNDLE_END_SIZE], frame[SLK_BUNDLE_FRAME];
    bool is_last = next == o->sizes->to + 1;
    enum slk_err err = SLK_OK;
    bool is_good;

    if (is_last && o->note.size > 0)
        err = put_frame(o, SLK_BUNDLE_CHECKPOINT, o->note);
    slk_bundle_frame_format(frame, SLK_BUNDLE_END, sizeof(end));
    if (err == SLK_OK)
        err = put(o, frame, sizeof(frame));
    slk_bundle_end_format(end, &o->sha, next, is_last);
    if (err == SLK_OK)
        err = put(o, end, sizeof(end));
    if (err != SLK_OK)
        return err;
    is_good = fflush(o->file) == 0 && fsync(fileno(o->file)) == 0;
    if (!is_good)
        return fail_errno(o);
    is_good = fclose(o->file) == 0;
    o->file = NULL;
    if (!is_good || rename(o->partial, o->path) != 0)
        return fail_errno(o);
    o->sizes->parts_n++;
    o->sizes->bytes += o->used;
    return sync_folder(o);
}

/* ---- all of them ---- */

static enum slk_err put_block(struct out *o, uint64_t height)
{
    const uint64_t tail = (uint64_t)2 * SLK_BUNDLE_FRAME + SLK_BUNDLE_END_SIZE + o->note.size;
    const uint64_t max = o->what->max_bytes;
    struct slk_span payload;
    enum slk_err err = o->source->block(o->source->ctx, height, &payload, o->fault);
    uint64_t need = SLK_BUNDLE_FRAME + payload.size + tail;

    if (err != SLK_OK)
        return err;
    if (max > 0 && o->file != NULL && o->part_blocks_n > 0 && (o->used > max || need > max - o->used))
        err = end_part(o, height);
    if (err == SLK_OK && o->file == NULL)
        err = begin_part(o, height, payload);
    if (err == SLK_OK && max > 0 && (o->used > max || need > max - o->used))
        err = fail(o, SLK_E_TOO_LARGE,
            "block %" PRIu64 " alone makes a part of %" PRIu64 " bytes: allow at least that", height,
            o->used + need);
    if (err == SLK_OK)
        err = put_frame(o, SLK_BUNDLE_BLOCK, payload);
    o->part_blocks_n++;
    return err;
}

static enum slk_err put_all(struct out *o)
{
    struct slk_bundle_sizes *sizes = o->sizes;
    enum slk_err err = SLK_OK;

    for (uint64_t height = sizes->from; err == SLK_OK && height <= sizes->to; height++) {
        err = put_block(o, height);
        sizes->blocks_n += err == SLK_OK;
        if (o->what->progress != NULL)
            o->what->progress(o->what->progress_ctx, "blocks", sizes->blocks_n, sizes->to - sizes->from + 1);
    }
    return err == SLK_OK ? end_part(o, sizes->to + 1) : err;
}

/* The size of the log after block `to`: its header's. */
static enum slk_err find_note(struct out *o)
{
    struct slk_block_header fields;
    struct slk_span payload;
    enum slk_err err;

    if (o->source->checkpoint == NULL)
        return SLK_OK;
    err = o->source->block(o->source->ctx, o->sizes->to, &payload, o->fault);
    if (err != SLK_OK)
        return err;
    if (payload.size < SLK_BLOCK_HEADER_SIZE || slk_block_header_parse(&fields, payload.at) != SLK_OK)
        return fail(o, SLK_E_CORRUPT, "block %" PRIu64 ": its header does not parse", o->sizes->to);
    o->note = o->source->checkpoint(o->source->ctx, fields.log_size);
    o->sizes->has_checkpoint = o->note.size > 0;
    return SLK_OK;
}

enum slk_err slk_bundle_export(const struct slk_bundle_source *source, const struct slk_bundle_export *what,
    struct slk_bundle_sizes *sizes, struct slk_fault *fault)
{
    struct out *o = calloc(1, sizeof(*o));
    enum slk_err err;

    *fault = (struct slk_fault){0};
    *sizes = (struct slk_bundle_sizes){
        .from = what->from > 0 ? what->from : 1, .to = what->to < source->tip ? what->to : source->tip};
    if (o == NULL)
        return SLK_E_NOMEM;
    *o = (struct out){.source = source, .what = what, .sizes = sizes, .fault = fault};
    if (sizes->from > sizes->to || (what->to != UINT64_MAX && what->to > source->tip)) {
        err = fail(o, SLK_E_RANGE, "there are blocks 1 to %" PRIu64 ": none from %" PRIu64 " to %" PRIu64,
            source->tip, sizes->from, what->to != UINT64_MAX ? what->to : sizes->to);
    } else {
        err = find_note(o);
        if (err == SLK_OK)
            err = put_all(o);
    }
    if (o->file != NULL) {
        (void)fclose(o->file);
        (void)unlink(o->partial);
    }
    free(o);
    return err;
}

/* ---- a directory as a source ---- */

static enum slk_err block_of_store(
    void *ctx, uint64_t height, struct slk_span *payload, struct slk_fault *fault)
{
    struct slk_bundle_store *s = ctx;
    struct slk_view_block block;
    size_t n;
    enum slk_err err = SLK_OK;

    *payload = (struct slk_span){0};
    if (++s->since_renewed == RENEW_EVERY) {
        s->since_renewed = 0;
        err = slk_view_renew(s->view);
    }
    if (err == SLK_OK)
        err = slk_view_block(s->view, height, &block);
    if (err == SLK_OK)
        err = slk_view_finality(s->view, height, &s->final);
    if (err != SLK_OK) {
        snprintf(
            fault->text, sizeof(fault->text), "block %" PRIu64 " cannot be read; run `sillok fsck`", height);
        return err;
    }
    n = slk_bundle_block_format(s->payload, SLK_BUNDLE_BLOCK_MAX, block.header, &s->final, block.entries);
    *payload = slk_span_of(s->payload, n);
    if (n > 0)
        return SLK_OK;
    snprintf(fault->text, sizeof(fault->text),
        "block %" PRIu64 " is larger than a block can be; run `sillok fsck`", height);
    return SLK_E_CORRUPT;
}

static struct slk_span checkpoint_of_store(void *ctx, uint64_t size)
{
    const struct slk_bundle_store *s = ctx;

    return slk_span_of(s->note, s->note_size == size ? s->note_n : 0);
}

static enum slk_err take_note(struct slk_bundle_store *s)
{
    struct slk_tree_head head;
    struct slk_span note;
    enum slk_err err = slk_view_checkpoint(s->view, &head, &note);

    if (err == SLK_E_NOT_FOUND || (err == SLK_OK && note.size > SLK_BUNDLE_NOTE_MAX))
        return SLK_OK;
    if (err != SLK_OK)
        return err;
    s->note = malloc(note.size + 1);
    if (s->note == NULL)
        return SLK_E_NOMEM;
    memcpy(s->note, note.at, note.size);
    s->note_n = note.size;
    s->note_size = head.tree_size;
    return SLK_OK;
}

enum slk_err slk_bundle_store_open(struct slk_bundle_store *out, const char *dir, struct slk_fault *fault)
{
    struct slk_store_options options = {.read_only = true};
    enum slk_err err;

    memset(out, 0, sizeof(*out));
    *fault = (struct slk_fault){0};
    err = slk_store_open(&out->store, dir, &options, fault);
    if (err == SLK_OK)
        err = slk_view_begin(&out->view, out->store);
    if (err == SLK_OK && slk_view_tip(out->view) == NULL) {
        snprintf(fault->text, sizeof(fault->text), "the ledger has no block yet");
        err = SLK_E_NOT_FOUND;
    }
    if (err == SLK_OK)
        err = take_note(out);
    if (err == SLK_OK && (out->payload = malloc(SLK_BUNDLE_BLOCK_MAX)) == NULL)
        err = SLK_E_NOMEM;
    if (err != SLK_OK) {
        slk_bundle_store_close(out);
        return err;
    }
    out->source = (struct slk_bundle_source){.ctx = out,
        .chain_id = *slk_store_chain_id(out->store),
        .charter = slk_store_charter(out->store),
        .tip = slk_view_tip(out->view)->height,
        .block = block_of_store,
        .checkpoint = checkpoint_of_store};
    return SLK_OK;
}

void slk_bundle_store_close(struct slk_bundle_store *store)
{
    slk_view_end(store->view);
    slk_store_close(store->store);
    free(store->payload);
    free(store->note);
    memset(store, 0, sizeof(*store));
}
