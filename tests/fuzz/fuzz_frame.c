/* fuzz_frame.c: what a connection between nodes brings: pieces of messages, and HELLO.
 *
 * The first byte says whether HELLO is behind, the rest is the connection's bytes. They are read in one go and byte by byte, which
 * must come to the same; what is read is in its cap, memory is in the classes' caps, and what is written again is read again.
 */
#include "net/mesh_hello.h"
#include "tests/fuzz/fuzz.h"

static uint8_t written[2 * SLK_PROPOSAL_BYTES_MAX];

static size_t most_held(void)
{
    size_t most[SLK_FRAME_P_N] = {0}, sum = 0;

    for (unsigned type = 1; type < SLK_FRAME_TYPE_N; type++) {
        size_t cap = slk_frame_cap((enum slk_frame_type)type);
        enum slk_frame_class class = slk_frame_class_of((enum slk_frame_type)type);

        most[class] = cap > most[class] ? cap : most[class];
    }
    for (size_t i = 0; i < SLK_FRAME_P_N; i++)
        sum += most[i];
    return sum;
}

static void check_hello(struct slk_span payload)
{
    struct slk_hello hello;
    uint8_t printed[SLK_HELLO_MAX];

    memset(&hello, 0xa5, sizeof(hello));
    if (slk_hello_parse(&hello, payload) != SLK_OK) {
        FUZZ_CHECK(hello.version == 0 && fuzz_is_zero(&hello.chain_id, sizeof(hello.chain_id)));
        return;
    }
    FUZZ_CHECK(hello.oldest != 0 && hello.oldest <= hello.version && hello.asks > 0 && hello.asks <= SLK_MESH_WAIT_MAX);
    FUZZ_CHECK(slk_hello_format(printed, &hello) == payload.size);
    FUZZ_CHECK(memcmp(printed, payload.at, payload.size) == 0);
}

static void check_written_again(const struct slk_frame *frame)
{
    struct slk_frame_reader reader = {.greeted = frame->type != SLK_FRAME_HELLO};
    struct slk_frame again;
    struct slk_span rest;
    size_t sent = 0, size = 0;

    while (sent < frame->payload.size) {
        size_t n =
            slk_frame_piece(written + size, sizeof(written) - size, frame->type, frame->payload, &sent);

        FUZZ_CHECK(n > SLK_FRAME_HEADER && n <= SLK_FRAME_PIECE_MAX);
        size += n;
    }
    rest = slk_span_of(written, size);
    FUZZ_CHECK(slk_frame_feed(&reader, &rest, &again) == SLK_OK && rest.size == 0);
    FUZZ_CHECK(again.type == frame->type && again.payload.size == frame->payload.size);
    FUZZ_CHECK(memcmp(again.payload.at, frame->payload.at, again.payload.size) == 0);
    slk_frame_close(&reader);
}

/* Returns how many messages came before the end or the refusal; *err says which. */
static size_t read_all(struct slk_span bytes, bool greeted, size_t step, enum slk_err *err, size_t *sum)
{
    struct slk_frame_reader reader = {.greeted = greeted};
    size_t n = 0, most = most_held();

    *err = SLK_OK;
    *sum = 0;
    while (bytes.size > 0 && *err == SLK_OK) {
        struct slk_span part = slk_span_of(bytes.at, step < bytes.size ? step : bytes.size);
        size_t size = part.size;
        struct slk_frame frame;

        *err = slk_frame_feed(&reader, &part, &frame);
        bytes.at += size - part.size;
        bytes.size -= size - part.size;
        FUZZ_CHECK(slk_frame_held(&reader) <= most);
        FUZZ_CHECK(*err == SLK_OK || frame.payload.at == NULL);
        if (frame.payload.at == NULL)
            continue;
        FUZZ_CHECK(frame.payload.size > 0 && frame.payload.size <= slk_frame_cap(frame.type));
        FUZZ_CHECK((frame.type == SLK_FRAME_HELLO) != reader.greeted);
        n++;
        *sum = *sum * 31 + frame.payload.size + frame.type;
        if (frame.type == SLK_FRAME_HELLO) {
            check_hello(frame.payload);
            reader.greeted = true;
        }
        if (step > 1)
            check_written_again(&frame);
    }
    slk_frame_close(&reader);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *exact = fuzz_exact(size == 0 ? data : data + 1, size == 0 ? 0 : size - 1);
    struct slk_span bytes = slk_span_of(exact, size == 0 ? 0 : size - 1);
    bool greeted = size > 0 && (data[0] & 1) != 0;
    enum slk_err err, err_bytewise;
    size_t sum, sum_bytewise, n = read_all(bytes, greeted, SIZE_MAX, &err, &sum);

    FUZZ_CHECK(err == SLK_OK || err == SLK_E_MALFORMED || err == SLK_E_TOO_LARGE);
    FUZZ_CHECK(read_all(bytes, greeted, 1, &err_bytewise, &sum_bytewise) == n);
    FUZZ_CHECK(err == err_bytewise && sum == sum_bytewise);
    free(exact);
    return 0;
}
