/* mesh_queue.h: what waits to be sent to one peer, and what goes next. Source: protocol §3.4, §3.5. Pure.
 *
 * P0 goes before everything; P1, P2 and P3 take turns by bytes (deficit round robin). Every queue is bounded in messages and
 * bytes. A message under way is never dropped: the peer has a part of it.
 */
#ifndef SLK_NET_MESH_QUEUE_H
#define SLK_NET_MESH_QUEUE_H

#include "net/frame.h"

#define SLK_QUEUE_RING 256

/* One message, kept once for all queues it stands in. One thread counts. */
struct slk_mesh_message {
    unsigned refs;
    enum slk_frame_type type;
    size_t size;
    uint8_t bytes[];
};
/* A copy, with one reference for the caller; NULL: out of memory. */
struct slk_mesh_message *slk_mesh_message_new(enum slk_frame_type type, struct slk_span bytes);
void slk_mesh_message_release(struct slk_mesh_message *message);

struct slk_mesh_lane {
    struct slk_mesh_message *ring[SLK_QUEUE_RING];
    size_t first, n;
    size_t bytes;   /* of all messages in it, whole */
    size_t sent;    /* of the first one */
    size_t deficit; /* bytes that may go in this lane's turn */
};
/* Zero-initialise, close at the end. */
struct slk_mesh_queue {
    struct slk_mesh_lane lanes[SLK_FRAME_P_N];
    size_t turn; /* among P1..P3 */
};

/* Takes a reference. How many messages it cost: 0, in P0 and P1 the oldest that had to make room. False: a full queue of P2 or P3, and
 * nothing happened. */
SLK_MUST_CHECK bool slk_mesh_queue_push(
    struct slk_mesh_queue *queue, struct slk_mesh_message *message, size_t *dropped);
/* As many pieces as fit into out[SLK_FRAME_PIECE_MAX]; 0 when nothing waits. done[type] grows with each message that is complete. */
size_t slk_mesh_queue_take(
    struct slk_mesh_queue *queue, uint8_t out[SLK_FRAME_PIECE_MAX], uint64_t done[SLK_FRAME_TYPE_N]);
size_t slk_mesh_queue_bytes(const struct slk_mesh_queue *queue);
/* The most bytes that ever wait in one queue. */
size_t slk_mesh_queue_bound(void);
void slk_mesh_queue_close(struct slk_mesh_queue *queue);

#endif
