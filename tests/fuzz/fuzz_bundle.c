/* fuzz_bundle.c: the reader of bundles (net/bundle.h). Input: a file.
 *
 * Read twice: as it is, and with its digests made right, which a forger would do. What is accepted is printed again by the
 * writer's functions to the same bytes; blocks come in order, linked, of one chain; how the bytes are cut up makes no difference. */
#include "net/bundle.h"
#include "tests/fuzz/fuzz.h"

struct input {
    struct slk_span rest;
    size_t step;
};

static size_t fill(void *ctx, uint8_t *out, size_t cap)
{
    struct input *in = ctx;
    size_t n = in->rest.size < cap ? in->rest.size : cap;

    n = n < in->step ? n : in->step;
    if (n > 0)
        memcpy(out, in->rest.at, n);
    in->rest = slk_span_of(in->rest.at + n, in->rest.size - n);
    return n;
}

/* What was read, printed again. */
struct copy {
    uint8_t *at;
    size_t size;
    struct slk_sha sha;
};

static void put(struct copy *c, const void *bytes, size_t size)
{
    if (size > 0)
        memcpy(c->at + c->size, bytes, size);
    c->size += size;
    slk_sha_add(&c->sha, bytes, size);
}

static void print(struct copy *c, const struct slk_bundle_reader *r, const struct slk_bundle_item *item)
{
    uint8_t frame[SLK_BUNDLE_FRAME], end[SLK_BUNDLE_END_SIZE];
    size_t size = item->bytes.size;
    uint8_t *block;

    if (item->kind == SLK_BUNDLE_END) {
        slk_bundle_frame_format(frame, item->kind, sizeof(end));
        put(c, frame, sizeof(frame));
        slk_bundle_end_format(end, &c->sha, r->next, item->is_last);
        put(c, end, sizeof(end));
        return;
    }
    if (item->kind != SLK_BUNDLE_BLOCK) {
        slk_bundle_frame_format(frame, item->kind, size);
        put(c, frame, sizeof(frame));
        put(c, item->bytes.at, size);
        return;
    }
    block = malloc(SLK_BLOCK_HEADER_SIZE + 2 + SLK_CERT_BYTES_MAX + size);
    if (block == NULL)
        abort();
    size = slk_bundle_block_format(block, SLK_BLOCK_HEADER_SIZE + 2 + SLK_CERT_BYTES_MAX + size, item->header,
        &item->final, item->bytes);
    FUZZ_CHECK(size > 0);
    slk_bundle_frame_format(frame, item->kind, size);
    put(c, frame, sizeof(frame));
    put(c, block, size);
    free(block);
}

/* How many items were read; *err says why no more. `copy` holds the file's size. */
static size_t read_all(struct slk_span file, size_t step, struct copy *copy, enum slk_err *err)
{
    struct input in = {file, step};
    struct slk_bundle_reader r;
    struct slk_bundle_item item = {.kind = SLK_BUNDLE_CHARTER};
    struct slk_fault fault;
    uint8_t head[SLK_BUNDLE_HEAD_SIZE];
    uint64_t height;
    size_t n = 0;

    copy->size = 0;
    slk_sha_init(&copy->sha);
    *err = slk_bundle_open(&r, fill, &in, &fault);
    height = r.head.from;
    if (*err == SLK_OK) {
        slk_bundle_head_format(head, &r.head);
        put(copy, head, sizeof(head));
    }
    while (*err == SLK_OK && item.kind != SLK_BUNDLE_END) {
        *err = slk_bundle_next(&r, &item, &fault);
        if (*err != SLK_OK)
            break;
        n++;
        if (item.kind == SLK_BUNDLE_BLOCK) {
            FUZZ_CHECK(item.fields.height == height && item.final.height == height);
            FUZZ_CHECK(height++ <= r.head.to);
            FUZZ_CHECK(slk_hash_equal(&item.fields.chain_id, &r.head.chain_id));
            FUZZ_CHECK(item.bytes.size == item.fields.body_bytes);
        }
        print(copy, &r, &item);
        FUZZ_CHECK(copy->size <= file.size && memcmp(copy->at, file.at, copy->size) == 0);
    }
    FUZZ_CHECK((*err == SLK_OK) == (fault.text[0] == '\0'));
    FUZZ_CHECK(*err != SLK_OK || copy->size == file.size);
    fuzz_check_fault(&fault, "", 0);
    slk_bundle_close(&r);
    return n;
}

static void check(struct slk_span file, struct copy *copy)
{
    enum slk_err err, err_bytewise;
    size_t n = read_all(file, SIZE_MAX, copy, &err);

    FUZZ_CHECK(err == SLK_OK || err == SLK_E_MALFORMED || err == SLK_E_FORMAT);
    FUZZ_CHECK(read_all(file, 7, copy, &err_bytewise) == n && err == err_bytewise);
}

/* Head and end, as their digests should be. */
static void mend(uint8_t *at, size_t size)
{
    struct slk_hash hash;

    if (size < SLK_BUNDLE_HEAD_SIZE + SLK_BUNDLE_END_SIZE)
        return;
    slk_hash_bytes(&hash, at, SLK_BUNDLE_HEAD_SIZE - SLK_HASH_SIZE);
    memcpy(at + SLK_BUNDLE_HEAD_SIZE - SLK_HASH_SIZE, hash.b, SLK_HASH_SIZE);
    slk_hash_bytes(&hash, at, size - SLK_HASH_SIZE);
    memcpy(at + size - SLK_HASH_SIZE, hash.b, SLK_HASH_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct copy copy = {.at = malloc(size + SLK_BUNDLE_HEAD_SIZE + SLK_BUNDLE_BLOCK_MAX)};
    uint8_t *exact = fuzz_exact(data, size);

    if (copy.at == NULL)
        abort();
    check(slk_span_of(exact, size), &copy);
    mend(exact, size);
    check(slk_span_of(exact, size), &copy);
    free(exact);
    free(copy.at);
    return 0;
}
