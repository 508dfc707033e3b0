/* Frames and HELLO: what is written is read, however it is cut; what no writer writes is refused before memory is spent on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/mesh_hello.h"

static uint8_t message[SLK_PROPOSAL_BYTES_MAX], wire[2 * SLK_PROPOSAL_BYTES_MAX];

static size_t write_message(uint8_t *out, enum slk_frame_type type, struct slk_span bytes)
{
    size_t sent = 0, size = 0;

    while (sent < bytes.size)
        size += slk_frame_piece(out + size, SLK_FRAME_PIECE_MAX, type, bytes, &sent);
    return size;
}

static enum slk_err read_all(
    struct slk_frame_reader *reader, struct slk_span bytes, size_t step, struct slk_frame *out)
{
    while (bytes.size > 0) {
        struct slk_span part = slk_span_of(bytes.at, step < bytes.size ? step : bytes.size);
        size_t size = part.size;
        enum slk_err err = slk_frame_feed(reader, &part, out);

        if (err != SLK_OK)
            return err;
        bytes.at += size - part.size;
        bytes.size -= size - part.size;
        if (out->payload.at != NULL)
            return bytes.size == 0 ? SLK_OK : SLK_E_RANGE;
    }
    return SLK_OK;
}

static void every_type_has_its_row(void **state)
{
    unsigned known = 0;

    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        bool is_known = slk_frame_type_known(type);

        assert_int_equal(is_known, type >= 1 && type < SLK_FRAME_TYPE_N);
        known += is_known;
        if (!is_known)
            continue;
        assert_string_not_equal(slk_frame_type_name((enum slk_frame_type)type), "?");
        assert_in_range(slk_frame_cap((enum slk_frame_type)type), 256, SLK_PROPOSAL_BYTES_MAX);
        assert_true(slk_frame_class_of((enum slk_frame_type)type) < SLK_FRAME_P_N);
        assert_true(slk_frame_rate((enum slk_frame_type)type) > 0);
        assert_true(slk_frame_is_said_by((enum slk_frame_type)type, SLK_FRAME_VOTERS));
        assert_true(slk_frame_is_heard_by((enum slk_frame_type)type, SLK_FRAME_VOTERS));
    }
    assert_int_equal(known, 17);
    assert_int_equal(slk_frame_cap(SLK_FRAME_TYPE_N), 0);
    assert_string_equal(slk_frame_type_name(SLK_FRAME_TYPE_N), "?");
    assert_true(slk_frame_is_bulk(SLK_FRAME_DATA) && !slk_frame_is_bulk(SLK_FRAME_VOTE));
}

/* Types by their number, in what they are told of. */
static void assert_types(bool (*is_told)(enum slk_frame_type, enum slk_frame_circle),
    enum slk_frame_circle who, const enum slk_frame_type *types, size_t n)
{
    size_t found = 0;

    for (unsigned type = 1; type < SLK_FRAME_TYPE_N; type++) {
        if (!is_told((enum slk_frame_type)type, who))
            continue;
        assert_true(found < n);
        assert_int_equal(type, types[found++]);
    }
    assert_int_equal(found, n);
}

/* Who has no vote says nothing about blocks, and a guest offers nothing: a row more here is a decision. */
static void guests_ask_and_hear_what_is_final(void **state)
{
    static const enum slk_frame_type said[] = {SLK_FRAME_STATUS, SLK_FRAME_GET, SLK_FRAME_HELLO},
                                     heard[] = {SLK_FRAME_CERT, SLK_FRAME_STATUS, SLK_FRAME_COMMIT,
                                         SLK_FRAME_DATA, SLK_FRAME_HEADERS, SLK_FRAME_EPOCHS, SLK_FRAME_HELLO,
                                         SLK_FRAME_COSIG};

    (void)state;
    assert_types(slk_frame_is_said_by, SLK_FRAME_GUESTS, said, 3);
    assert_types(slk_frame_is_heard_by, SLK_FRAME_GUESTS, heard, 8);
    assert_false(slk_frame_is_said_by(SLK_FRAME_PROPOSAL, SLK_FRAME_OBSERVERS));
    assert_false(slk_frame_is_said_by(SLK_FRAME_VOTE, SLK_FRAME_OBSERVERS));
    assert_false(slk_frame_is_said_by(SLK_FRAME_CERT, SLK_FRAME_OBSERVERS));
    assert_false(slk_frame_is_heard_by(SLK_FRAME_INV, SLK_FRAME_OBSERVERS));
    assert_false(slk_frame_is_heard_by(SLK_FRAME_DIGEST, SLK_FRAME_OBSERVERS));
}

static void what_is_written_is_read_however_it_is_cut(void **state)
{
    static const size_t sizes[] = {1, 100, 16375, 16376, 16377, 32752, 50000, SLK_PROPOSAL_BYTES_MAX};
    static const size_t steps[] = {1, 3, 8, 9, 1000, 16384, SIZE_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(message); i++)
        message[i] = (uint8_t)(i * 31 + (i >> 9));
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        size_t size = write_message(wire, SLK_FRAME_PROPOSAL, slk_span_of(message, sizes[s]));

        for (size_t t = 0; t < sizeof(steps) / sizeof(steps[0]); t++) {
            struct slk_frame_reader reader = {.greeted = true};
            struct slk_frame frame;

            assert_int_equal(read_all(&reader, slk_span_of(wire, size), steps[t], &frame), SLK_OK);
            assert_int_equal(frame.type, SLK_FRAME_PROPOSAL);
            assert_int_equal(frame.payload.size, sizes[s]);
            assert_memory_equal(frame.payload.at, message, sizes[s]);
            slk_frame_close(&reader);
        }
    }
}

static void pieces_of_other_classes_may_stand_between(void **state)
{
    struct slk_frame_reader reader = {.greeted = true};
    struct slk_span rest;
    struct slk_frame frame;
    size_t sent = 0, size, votes = 0, headers_sent = 0;

    (void)state;
    size = slk_frame_piece(wire, sizeof(wire), SLK_FRAME_PROPOSAL, slk_span_of(message, 20000), &sent);
    size += slk_frame_piece(
        wire + size, sizeof(wire), SLK_FRAME_HEADERS, slk_span_of(message, 17000), &headers_sent);
    size += write_message(wire + size, SLK_FRAME_VOTE, slk_span_of(message, 200));
    size +=
        slk_frame_piece(wire + size, sizeof(wire), SLK_FRAME_PROPOSAL, slk_span_of(message, 20000), &sent);
    size += slk_frame_piece(
        wire + size, sizeof(wire), SLK_FRAME_HEADERS, slk_span_of(message, 17000), &headers_sent);
    rest = slk_span_of(wire, size);
    assert_int_equal(slk_frame_feed(&reader, &rest, &frame), SLK_OK);
    votes = frame.payload.size;
    assert_int_equal(frame.type, SLK_FRAME_VOTE);
    assert_int_equal(votes, 200);
    assert_int_equal(slk_frame_feed(&reader, &rest, &frame), SLK_OK);
    assert_int_equal(frame.type, SLK_FRAME_PROPOSAL);
    assert_memory_equal(frame.payload.at, message, 20000);
    assert_int_equal(slk_frame_feed(&reader, &rest, &frame), SLK_OK);
    assert_int_equal(frame.type, SLK_FRAME_HEADERS);
    assert_int_equal(frame.payload.size, 17000);
    slk_frame_close(&reader);
    /* but not those of another message of the same class */
    sent = 0;
    size = slk_frame_piece(wire, sizeof(wire), SLK_FRAME_PROPOSAL, slk_span_of(message, 20000), &sent);
    size += write_message(wire + size, SLK_FRAME_COMMIT, slk_span_of(message, 200));
    reader.greeted = true;
    rest = slk_span_of(wire, size);
    assert_int_equal(slk_frame_feed(&reader, &rest, &frame), SLK_E_MALFORMED);
    slk_frame_close(&reader);
}

static void a_length_costs_no_memory(void **state)
{
    (void)state;
    for (unsigned type = 1; type < SLK_FRAME_TYPE_N; type++) {
        struct slk_frame_reader reader = {.greeted = type != SLK_FRAME_HELLO};
        uint8_t header[SLK_FRAME_HEADER] = {0};
        struct slk_span rest = slk_span_of(header, sizeof(header));
        struct slk_frame frame;

        slk_put_u32(header, (uint32_t)slk_frame_cap((enum slk_frame_type)type) + 1);
        header[4] = (uint8_t)type;
        assert_int_equal(slk_frame_feed(&reader, &rest, &frame), SLK_E_TOO_LARGE);
        assert_null(frame.payload.at);
        assert_int_equal(slk_frame_held(&reader), 0);
        slk_frame_close(&reader);
    }
}

/* Full pieces one after another: the reader holds no more than the cap, and says so before it would. */
static void a_message_grows_no_further_than_its_cap(void **state)
{
    for (unsigned type = 1; type < SLK_FRAME_TYPE_N; type++) {
        size_t cap = slk_frame_cap((enum slk_frame_type)type), fed = 0;
        struct slk_frame_reader reader = {.greeted = type != SLK_FRAME_HELLO};
        enum slk_err err = SLK_OK;
        struct slk_frame frame;

        memset(wire, 0, SLK_FRAME_PIECE_MAX);
        slk_put_u32(wire, SLK_FRAME_PIECE_MAX - SLK_FRAME_HEADER);
        wire[4] = (uint8_t)type;
        wire[5] = SLK_FRAME_MORE;
        while (err == SLK_OK) {
            struct slk_span rest = slk_span_of(wire, SLK_FRAME_PIECE_MAX);

            err = slk_frame_feed(&reader, &rest, &frame);
            fed += SLK_FRAME_PIECE_MAX;
            assert_true(slk_frame_held(&reader) <= cap);
        }
        assert_int_equal(err, SLK_E_TOO_LARGE);
        assert_true(fed <= cap + 2 * SLK_FRAME_PIECE_MAX);
        slk_frame_close(&reader);
    }
    (void)state;
}

static void a_large_message_leaves_no_memory_behind(void **state)
{
    struct slk_frame_reader reader = {.greeted = true};
    size_t size = write_message(wire, SLK_FRAME_PROPOSAL, slk_span_of(message, sizeof(message)));
    struct slk_span rest = slk_span_of(wire, size);
    struct slk_frame frame;

    (void)state;
    assert_int_equal(slk_frame_feed(&reader, &rest, &frame), SLK_OK);
    assert_non_null(frame.payload.at);
    assert_int_equal(slk_frame_held(&reader), sizeof(message));
    size = write_message(wire, SLK_FRAME_VOTE, slk_span_of(message, 1));
    rest = slk_span_of(wire, size);
    assert_int_equal(slk_frame_feed(&reader, &rest, &frame), SLK_OK);
    assert_int_equal(frame.type, SLK_FRAME_VOTE);
    assert_true(slk_frame_held(&reader) < SLK_FRAME_PIECE_MAX);
    slk_frame_close(&reader);
}

/* Every header of a small frame with one bit flipped: refused, or another frame that is in order. */
static void every_flipped_bit_of_a_header_is_judged(void **state)
{
    unsigned refused = 0;

    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        struct slk_frame_reader reader = {.greeted = true};
        size_t size = write_message(wire, SLK_FRAME_VOTE, slk_span_of(message, 100));
        struct slk_span rest = slk_span_of(wire, size);
        struct slk_frame frame;
        enum slk_err err;

        wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
        err = slk_frame_feed(&reader, &rest, &frame);
        refused += err != SLK_OK;
        if (err == SLK_OK && frame.payload.at != NULL)
            assert_true(frame.type != SLK_FRAME_VOTE || frame.payload.size != 100);
        slk_frame_close(&reader);
    }
    assert_in_range(refused, 24 + 8 + 16 - 8, 64);
}

static struct slk_hello some_hello(void)
{
    struct slk_hello hello = {.version = 3, .oldest = 2, .height = 77, .index = 3, .asks = 64};

    memset(hello.chain_id.b, 0x11, 32);
    memset(hello.charter_hash.b, 0x22, 32);
    memset(hello.instance, 0x33, sizeof(hello.instance));
    return hello;
}

static void hello_prints_back(void **state)
{
    struct slk_hello hello = some_hello(), back;
    uint8_t bytes[SLK_HELLO_MAX], again[SLK_HELLO_MAX];
    size_t size = slk_hello_format(bytes, &hello);

    (void)state;
    assert_int_equal(slk_hello_parse(&back, slk_span_of(bytes, size)), SLK_OK);
    assert_memory_equal(&back.chain_id, &hello.chain_id, 32);
    assert_int_equal(back.height, 77);
    assert_int_equal(back.index, 3);
    for (size_t i = 0; i < size; i++) { /* cut off anywhere */
        assert_int_equal(slk_hello_parse(&back, slk_span_of(bytes, i)), SLK_E_MALFORMED);
        assert_int_equal(back.version, 0);
    }
    for (size_t bit = 0; bit < 8 * size;
         bit++) { /* one bit wrong: refused, or another HELLO in its one form */
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (slk_hello_parse(&back, slk_span_of(bytes, size)) == SLK_OK) {
            assert_int_equal(slk_hello_format(again, &back), size);
            assert_memory_equal(again, bytes, size);
        }
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    hello.oldest = 3;
    size = slk_hello_format(bytes, &hello);
    bytes[size - 1] = 4; /* the oldest above the newest */
    assert_int_equal(slk_hello_parse(&back, slk_span_of(bytes, size)), SLK_E_MALFORMED);
    hello.height = 0; /* the first block is not there yet, and the first member says it */
    hello.index = 0;
    size = slk_hello_format(bytes, &hello);
    assert_int_equal(slk_hello_parse(&back, slk_span_of(bytes, size)), SLK_OK);
    assert_int_equal(back.index, 0);
}

static void every_end_has_a_name_and_a_sentence(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SLK_END_N; i++) {
        assert_string_not_equal(slk_mesh_end_name((enum slk_mesh_end)i), "?");
        assert_true(strlen(slk_mesh_end_text((enum slk_mesh_end)i)) > 5);
    }
    assert_string_equal(slk_mesh_end_name(SLK_END_N), "?");
    assert_string_equal(slk_mesh_end_name(SLK_END_IP_RATE), "IP_RATE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_has_its_row),
        cmocka_unit_test(guests_ask_and_hear_what_is_final),
        cmocka_unit_test(what_is_written_is_read_however_it_is_cut),
        cmocka_unit_test(pieces_of_other_classes_may_stand_between),
        cmocka_unit_test(a_length_costs_no_memory),
        cmocka_unit_test(a_message_grows_no_further_than_its_cap),
        cmocka_unit_test(a_large_message_leaves_no_memory_behind),
        cmocka_unit_test(every_flipped_bit_of_a_header_is_judged),
        cmocka_unit_test(hello_prints_back),
        cmocka_unit_test(every_end_has_a_name_and_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
