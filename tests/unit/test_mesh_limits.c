/* The mesh's queues and limits without a socket: bounds, order, turns, tokens, addresses, cooling down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/mesh_queue.h"
#include "net/mesh_rate.h"

static uint8_t bytes[SLK_PROPOSAL_BYTES_MAX];

/* How many were dropped for it; SIZE_MAX: refused. */
static size_t push(struct slk_mesh_queue *queue, enum slk_frame_type type, size_t size, uint8_t mark)
{
    struct slk_mesh_message *message;
    size_t dropped;
    bool good;

    bytes[0] = mark;
    message = slk_mesh_message_new(type, slk_span_of(bytes, size));
    assert_non_null(message);
    good = slk_mesh_queue_push(queue, message, &dropped);
    slk_mesh_message_release(message);
    assert_true(slk_mesh_queue_bytes(queue) <= slk_mesh_queue_bound());
    return good ? dropped : SIZE_MAX;
}

/* Takes all of it; the order in which messages are complete goes to `order` as "V3P1...". */
static void drain(struct slk_mesh_queue *queue, char *order, size_t cap)
{
    static uint8_t record[SLK_FRAME_PIECE_MAX];
    struct slk_frame_reader reader = {.greeted = true};
    uint64_t done[SLK_FRAME_TYPE_N] = {0};
    size_t size, n = 0;

    while ((size = slk_mesh_queue_take(queue, record, done)) > 0) {
        struct slk_span rest = slk_span_of(record, size);
        struct slk_frame frame;

        assert_true(size <= SLK_FRAME_PIECE_MAX);
        while (rest.size > 0) {
            assert_int_equal(slk_frame_feed(&reader, &rest, &frame), SLK_OK);
            if (frame.payload.at != NULL && n + 2 < cap) {
                order[n++] = slk_frame_type_name(frame.type)[0];
                order[n++] = (char)('0' + frame.payload.at[0]);
            }
        }
    }
    order[n] = '\0';
    assert_int_equal(slk_mesh_queue_bytes(queue), 0);
    slk_frame_close(&reader);
}

static void the_urgent_goes_first_and_order_is_kept(void **state)
{
    struct slk_mesh_queue queue = {0};
    char order[64];

    (void)state;
    assert_int_equal(push(&queue, SLK_FRAME_INV, 100, 1), 0);
    assert_int_equal(push(&queue, SLK_FRAME_DATA, 60000, 1), 0);
    assert_int_equal(push(&queue, SLK_FRAME_VOTE, 100, 1), 0);
    assert_int_equal(push(&queue, SLK_FRAME_STATUS, 100, 2), 0);
    assert_int_equal(push(&queue, SLK_FRAME_VOTE, 100, 3), 0);
    drain(&queue, order, sizeof(order));
    assert_memory_equal(order, "V1S2V3", 6);
    assert_int_equal(strlen(order), 10);
    slk_mesh_queue_close(&queue);
}

/* A vote that comes while a proposal is under way waits for no more than the record that is being filled. */
static void a_vote_waits_for_one_record_at_most(void **state)
{
    static uint8_t record[SLK_FRAME_PIECE_MAX];
    struct slk_mesh_queue queue = {0};
    uint64_t done[SLK_FRAME_TYPE_N] = {0};

    (void)state;
    assert_int_equal(push(&queue, SLK_FRAME_PROPOSAL, sizeof(bytes), 1), 0);
    for (unsigned i = 0; i < 14; i++) {
        assert_int_equal(slk_mesh_queue_take(&queue, record, done), SLK_FRAME_PIECE_MAX);
        assert_int_equal(push(&queue, SLK_FRAME_VOTE, 100, 1), 0);
        assert_true(slk_mesh_queue_take(&queue, record, done) >= 108);
        assert_int_equal(done[SLK_FRAME_VOTE], i + 1);
        assert_int_equal(record[4], SLK_FRAME_VOTE);
    }
    assert_int_equal(done[SLK_FRAME_PROPOSAL], 0);
    slk_mesh_queue_close(&queue); /* with a message under way */
}

/* Three classes that always have something to send get a third each, by bytes, whatever the sizes of their messages. */
static void the_others_take_turns_by_bytes(void **state)
{
    static const enum slk_frame_type types[] = {SLK_FRAME_PROPOSAL, SLK_FRAME_DATA, SLK_FRAME_RECEIPT};
    static const size_t sizes[] = {200000, 65000, 120};
    static uint8_t record[SLK_FRAME_PIECE_MAX];
    struct slk_mesh_queue queue = {0};
    uint64_t done[SLK_FRAME_TYPE_N] = {0}, sent[3] = {0};

    (void)state;
    for (unsigned i = 0; i < 1200; i++) {
        size_t size, at = 0;

        if (queue.lanes[SLK_FRAME_P1].n < 2)
            assert_int_equal(push(&queue, types[0], sizes[0], 0), 0);
        if (queue.lanes[SLK_FRAME_P2].n < 2)
            assert_int_equal(push(&queue, types[1], sizes[1], 0), 0);
        while (queue.lanes[SLK_FRAME_P3].n < 200)
            assert_int_equal(push(&queue, types[2], sizes[2], 0), 0);
        size = slk_mesh_queue_take(&queue, record, done);
        while (at < size) {
            size_t piece = SLK_FRAME_HEADER + slk_get_u32(record + at);

            sent[slk_frame_class_of((enum slk_frame_type)record[at + 4]) - SLK_FRAME_P1] += piece;
            at += piece;
        }
    }
    for (size_t i = 0; i < 3; i++)
        assert_in_range(
            sent[i] * 3 * 20, (sent[0] + sent[1] + sent[2]) * 19, (sent[0] + sent[1] + sent[2]) * 21);
    slk_mesh_queue_close(&queue);
}

static void a_full_queue_drops_as_its_class_says(void **state)
{
    struct slk_mesh_queue queue = {0};
    char order[1200];

    (void)state;
    for (unsigned i = 0; i < 256; i++)
        assert_int_equal(push(&queue, SLK_FRAME_VOTE, 100, (uint8_t)(i % 10)), 0);
    assert_int_equal(push(&queue, SLK_FRAME_VOTE, 100, 9), 1); /* P0: the oldest */
    assert_int_equal(push(&queue, SLK_FRAME_CERT, 110 * 1024, 1), 0 + 1);
    assert_int_equal(push(&queue, SLK_FRAME_CERT, 110 * 1024, 2), 1);
    assert_true(push(&queue, SLK_FRAME_CERT, 110 * 1024, 3) > 200); /* by bytes */
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(push(&queue, SLK_FRAME_PROPOSAL, 1000, (uint8_t)i), 0);
    assert_int_equal(push(&queue, SLK_FRAME_COMMIT, 1000, 4), 1); /* P1: the oldest */
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(push(&queue, SLK_FRAME_DATA, 66000, (uint8_t)i), 0);
    assert_int_equal(
        push(&queue, SLK_FRAME_DATA, 10, 5), SIZE_MAX); /* P2: not taken, it will be asked for again */
    assert_int_equal(push(&queue, SLK_FRAME_EVENTS, 66000, 0), 0);
    assert_int_equal(push(&queue, SLK_FRAME_EVENTS, 66000, 1), 0);
    assert_int_equal(push(&queue, SLK_FRAME_EVENTS, 66000, 2), SIZE_MAX);
    drain(&queue, order, sizeof(order));
    assert_memory_equal(order, "C2C3", 4);
    assert_non_null(strstr(order, "P1"));
    assert_null(strstr(order, "P0"));
    assert_null(strstr(order, "D5"));
    slk_mesh_queue_close(&queue);
}

/* What has begun is finished: the peer has a part of it. */
static void a_message_under_way_is_never_dropped(void **state)
{
    static uint8_t record[SLK_FRAME_PIECE_MAX];
    struct slk_mesh_queue queue = {0};
    struct slk_frame_reader reader = {.greeted = true};
    uint64_t done[SLK_FRAME_TYPE_N] = {0};
    struct slk_frame frame;
    unsigned messages = 0;
    size_t size;

    (void)state;
    assert_int_equal(push(&queue, SLK_FRAME_PROPOSAL, sizeof(bytes), 1), 0);
    size = slk_mesh_queue_take(&queue, record, done);
    for (unsigned i = 0; i < 50; i++)
        assert_in_range(push(&queue, SLK_FRAME_PROPOSAL, sizeof(bytes), (uint8_t)(2 + i)), 0, 1);
    do {
        struct slk_span rest = slk_span_of(record, size);

        assert_int_equal(slk_frame_feed(&reader, &rest, &frame), SLK_OK);
        if (frame.payload.at == NULL)
            continue;
        assert_int_equal(frame.payload.size, sizeof(bytes));
        assert_int_equal(frame.payload.at[0], messages == 0 ? 1 : 51);
        messages++;
    } while ((size = slk_mesh_queue_take(&queue, record, done)) > 0);
    assert_int_equal(messages, 2);
    slk_frame_close(&reader);
    slk_mesh_queue_close(&queue);
}

/* ---- limits ---- */

static void a_bucket_gives_its_burst_then_its_rate(void **state)
{
    struct slk_bucket bucket;
    unsigned given = 0;

    (void)state;
    slk_bucket_init(&bucket, 10, 40, 5000);
    while (slk_bucket_take(&bucket, 1, 5000))
        given++;
    assert_int_equal(given, 40);
    assert_false(slk_bucket_is_refilled(&bucket, 5100)); /* out of debt, and no more */
    assert_true(slk_bucket_is_refilled(&bucket, 5350));
    assert_true(slk_bucket_take(&bucket, 2, 5350));
    assert_false(slk_bucket_take(&bucket, 1, 5350));
    assert_false(slk_bucket_take(&bucket, 1, 5000)); /* a clock that goes back gives nothing */
    for (given = 0; slk_bucket_take(&bucket, 1, UINT64_MAX / 2);
         given++) /* for ever is not more than the burst */
        assert_true(given < 40);
    assert_int_equal(given, 40);
}

static void an_address_gets_one_each_while(void **state)
{
    static struct slk_ip_rate ips;
    uint8_t a[16] = {1}, b[16] = {2};

    (void)state;
    memset(&ips, 0, sizeof(ips));
    assert_true(slk_ip_rate_take(&ips, a, 5000, 2, 1000));
    assert_true(slk_ip_rate_take(&ips, a, 5000, 2, 1000));
    assert_false(slk_ip_rate_take(&ips, a, 5000, 2, 1000));
    assert_true(slk_ip_rate_take(&ips, b, 5000, 2, 1000));
    for (uint64_t t = 1000; t < 6000; t += 100) /* knocking all the time does not make it longer */
        assert_false(slk_ip_rate_take(&ips, a, 5000, 2, t));
    assert_true(slk_ip_rate_take(&ips, a, 5000, 2, 6000));
    assert_false(slk_ip_rate_take(&ips, a, 5000, 2, 6000));
    for (unsigned i = 0; i < SLK_IP_RATE_N - 1;
         i++) { /* many others: whoever was not seen for longest is forgotten */
        uint8_t other[16] = {9, (uint8_t)i, (uint8_t)(i >> 8)};

        assert_true(slk_ip_rate_take(&ips, other, 5000, 2, 7000 + i));
    }
    assert_false(slk_ip_rate_take(&ips, a, 5000, 2, 8000));
    assert_true(slk_ip_rate_take(&ips, b, 5000, 2, 8000));
    assert_true(slk_ip_rate_take(&ips, b, 5000, 2, 8000)); /* b was */
}

static void cooling_down_doubles_and_peace_heals(void **state)
{
    static const uint64_t away_ms[] = {60, 120, 240, 480, 960, 1000, 1000, 1000};
    struct slk_cool cool = {0};
    uint64_t now = 50;

    (void)state;
    assert_int_equal(slk_cool_left_ms(&cool, now), 0);
    for (size_t i = 0; i < sizeof(away_ms) / sizeof(away_ms[0]); i++) {
        slk_cool_down(&cool, 60, 1000, now);
        assert_int_equal(slk_cool_left_ms(&cool, now), away_ms[i]);
        now += away_ms[i];
        assert_int_equal(slk_cool_left_ms(&cool, now), 0);
        assert_int_equal(slk_cool_left_ms(&cool, now - 1), 1);
    }
    now += 2000; /* twice the longest: two doublings back from five */
    slk_cool_down(&cool, 60, 1000, now);
    assert_int_equal(slk_cool_left_ms(&cool, now), 480);
    now += 1000000;
    slk_cool_down(&cool, 60, 1000, now);
    assert_int_equal(slk_cool_left_ms(&cool, now), 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_urgent_goes_first_and_order_is_kept),
        cmocka_unit_test(a_vote_waits_for_one_record_at_most),
        cmocka_unit_test(the_others_take_turns_by_bytes),
        cmocka_unit_test(a_full_queue_drops_as_its_class_says),
        cmocka_unit_test(a_message_under_way_is_never_dropped),
        cmocka_unit_test(a_bucket_gives_its_burst_then_its_rate),
        cmocka_unit_test(an_address_gets_one_each_while),
        cmocka_unit_test(cooling_down_doubles_and_peace_heals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
