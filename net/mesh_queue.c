#include "net/mesh_queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define QUANTUM SLK_FRAME_PIECE_MAX

/* Protocol §3.5. P1: two of the largest proposals; P2: four chunks of a body, or one answer of charters; P3: two of events. */
static const struct bound {
    size_t n, bytes;
    bool newest_wins;
} bounds[SLK_FRAME_P_N] = {
    [SLK_FRAME_P0] = {SLK_QUEUE_RING, 256u * 1024, true},
    [SLK_FRAME_P1] = {4, 484u * 1024, true},
    [SLK_FRAME_P2] = {4, 272u * 1024, false},
    [SLK_FRAME_P3] = {SLK_QUEUE_RING, 132u * 1024, false},
};

struct slk_mesh_message *slk_mesh_message_new(enum slk_frame_type type, struct slk_span bytes)
{
    struct slk_mesh_message *message = malloc(sizeof(*message) + bytes.size);

    if (message == NULL)
        return NULL;
    message->refs = 1;
    message->type = type;
    message->size = bytes.size;
    memcpy(message->bytes, bytes.at, bytes.size);
    return message;
}

void slk_mesh_message_release(struct slk_mesh_message *message)
{
    assert(message->refs > 0);
    if (--message->refs == 0)
        free(message);
}

static struct slk_mesh_message **place(struct slk_mesh_lane *lane, size_t i)
{
    return &lane->ring[(lane->first + i) % SLK_QUEUE_RING];
}

static bool has_room(const struct slk_mesh_lane *lane, const struct bound *bound, size_t size)
{
    return lane->n < bound->n && lane->bytes <= bound->bytes && size <= bound->bytes - lane->bytes;
}

/* The oldest that is not under way. False: there is none. */
static bool drop_oldest(struct slk_mesh_lane *lane)
{
    size_t at = lane->sent > 0 ? 1 : 0;
    struct slk_mesh_message *message;

    if (at >= lane->n)
        return false;
    message = *place(lane, at);
    if (at == 1)
        *place(lane, 1) = *place(lane, 0);
    lane->first = (lane->first + 1) % SLK_QUEUE_RING;
    lane->n--;
    lane->bytes -= message->size;
    slk_mesh_message_release(message);
    return true;
}

bool slk_mesh_queue_push(struct slk_mesh_queue *queue, struct slk_mesh_message *message, size_t *dropped)
{
    enum slk_frame_class class = slk_frame_class_of(message->type);
    struct slk_mesh_lane *lane = &queue->lanes[class];
    const struct bound *bound = &bounds[class];

    *dropped = 0;
    while (!has_room(lane, bound, message->size)) {
        if (!bound->newest_wins || !drop_oldest(lane))
            return false;
        ++*dropped;
    }
    *place(lane, lane->n) = message;
    lane->n++;
    lane->bytes += message->size;
    message->refs++;
    return true;
}

static size_t next_piece(struct slk_mesh_lane *lane)
{
    size_t left = (*place(lane, 0))->size - lane->sent;

    return left < SLK_FRAME_PIECE_MAX - SLK_FRAME_HEADER ? left + SLK_FRAME_HEADER : SLK_FRAME_PIECE_MAX;
}

/* Whose piece goes next; NULL when all is empty. A piece is never larger than the quantum, so three lanes and two visits suffice. */
static struct slk_mesh_lane *next_lane(struct slk_mesh_queue *queue)
{
    if (queue->lanes[SLK_FRAME_P0].n > 0)
        return &queue->lanes[SLK_FRAME_P0];
    for (size_t visit = 0; visit < 2 * (SLK_FRAME_P_N - 1) + 1; visit++) {
        struct slk_mesh_lane *lane = &queue->lanes[SLK_FRAME_P1 + queue->turn];

        if (lane->n > 0 && lane->deficit >= next_piece(lane))
            return lane;
        lane->deficit = lane->n > 0 ? lane->deficit + QUANTUM : 0;
        queue->turn = (queue->turn + 1) % (SLK_FRAME_P_N - 1);
    }
    return NULL;
}

static void finish_first(struct slk_mesh_lane *lane, uint64_t done[SLK_FRAME_TYPE_N])
{
    struct slk_mesh_message *message = *place(lane, 0);

    done[message->type]++;
    lane->first = (lane->first + 1) % SLK_QUEUE_RING;
    lane->n--;
    lane->bytes -= message->size;
    lane->sent = 0;
    slk_mesh_message_release(message);
}

size_t slk_mesh_queue_take(
    struct slk_mesh_queue *queue, uint8_t out[SLK_FRAME_PIECE_MAX], uint64_t done[SLK_FRAME_TYPE_N])
{
    struct slk_mesh_lane *lane;
    size_t used = 0;

    while ((lane = next_lane(queue)) != NULL) {
        struct slk_mesh_message *message = *place(lane, 0);
        size_t size = slk_frame_piece(out + used, SLK_FRAME_PIECE_MAX - used, message->type,
            slk_span_of(message->bytes, message->size), &lane->sent);

        if (size == 0)
            break;
        used += size;
        if (lane != &queue->lanes[SLK_FRAME_P0])
            lane->deficit -= size;
        if (lane->sent == message->size)
            finish_first(lane, done);
    }
    return used;
}

size_t slk_mesh_queue_bytes(const struct slk_mesh_queue *queue)
{
    size_t bytes = 0;

    for (size_t i = 0; i < SLK_FRAME_P_N; i++)
        bytes += queue->lanes[i].bytes;
    return bytes;
}

size_t slk_mesh_queue_bound(void)
{
    size_t bytes = 0;

    for (size_t i = 0; i < SLK_FRAME_P_N; i++)
        bytes += bounds[i].bytes;
    return bytes;
}

void slk_mesh_queue_close(struct slk_mesh_queue *queue)
{
    for (size_t i = 0; i < SLK_FRAME_P_N; i++) {
        struct slk_mesh_lane *lane = &queue->lanes[i];

        for (; lane->n > 0; lane->n--, lane->first = (lane->first + 1) % SLK_QUEUE_RING)
            slk_mesh_message_release(*place(lane, 0));
    }
    *queue = (struct slk_mesh_queue){0};
}
