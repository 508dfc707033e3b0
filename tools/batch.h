/* batch.h: from a stream of events to signed submissions: one open batch per issuer, in stream order.
 *
 * Events keep their order where it matters: an event on a credential that has one waiting in another issuer's batch
 * closes that batch first. An event with an expected refusal goes alone, after everything before it.
 */
#ifndef SLK_TOOLS_BATCH_H
#define SLK_TOOLS_BATCH_H

#include "tools/heads.h"
#include "tools/keyring.h"
#include "tools/ndjson.h"

/* Where an event came from, for messages. */
struct batch_event {
    uint64_t line;
    uint32_t start, size; /* of its text in `text` */
    uint32_t offset;      /* of its bytes in `bytes` */
    uint32_t bytes_n;
    struct slk_hash id;
    uint8_t handle[SLK_HANDLE_SIZE];
};

struct batch {
    const struct signer *signer;
    size_t events_n, events_cap;
    struct batch_event *events;
    uint8_t *bytes; /* canonical events, one after another */
    size_t bytes_n, bytes_cap;
    char *text; /* their input lines, newlines included */
    size_t text_n, text_cap;
    enum slk_rule expect; /* of its only event */
    uint64_t number;      /* when sent: 1, 2, ... */
    uint64_t after; /* the last submission with an event that one of these follows; 0: none on its way */
    unsigned signed_again; /* how often, because a credential's head had moved */
    size_t signed_n;       /* submissions signed elsewhere: their events, which are not in `events` */
};
void batch_free(struct batch *batch); /* NULL is fine */

/* Takes a signed submission; the batch is the receiver's from now on. */
typedef enum slk_err batch_send_fn(
    void *ctx, struct batch *batch, struct slk_span submission, struct slk_fault *fault);
/* The credential's head in the ledger: *sequence 0 when it was never issued. */
typedef enum slk_err batch_lookup_fn(void *ctx, const uint8_t handle[SLK_HANDLE_SIZE], uint64_t *sequence,
    struct slk_hash *event_id, struct slk_fault *fault);

struct batcher {
    struct keyring *ring;
    struct slk_hash chain_id;
    size_t batch_events;
    batch_send_fn *send;
    batch_lookup_fn *lookup; /* NULL: sequence and previous must be given */
    void *ctx;
    struct heads heads;
    struct batch *open[KEYRING_MAX]; /* by signer */
    uint64_t sent_n;
    uint8_t *submission; /* scratch of SLK_SUBMISSION_BYTES_MAX */
};

SLK_MUST_CHECK enum slk_err batcher_init(struct batcher *batcher);
void batcher_clear(struct batcher *batcher); /* what is still open is dropped */
/* Takes one event with its input line. SLK_E_MALFORMED when it cannot be signed (fault says why), or what `send` answered. */
SLK_MUST_CHECK enum slk_err batcher_add(struct batcher *batcher, struct ndjson_event *event, uint64_t line,
    struct slk_span text, struct slk_fault *fault);
/* Sends every open batch. */
SLK_MUST_CHECK enum slk_err batcher_flush(struct batcher *batcher, struct slk_fault *fault);
/* Submission `number` and all before it have their answers. */
void batcher_answered(struct batcher *batcher, uint64_t number);

#endif
