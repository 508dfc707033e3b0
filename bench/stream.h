/* stream.h: an endless stream of signed submissions for the benchmarks, made from nothing but an index.
 *
 * Event k of credential i is a function of (i, k): ISSUE, LOCK, REBIND, LOCK, UNLOCK, LOCK, REBIND, ... so a previous
 * event's id can be made again instead of being remembered: one byte of state per credential. */
#ifndef SLK_BENCH_STREAM_H
#define SLK_BENCH_STREAM_H

#include "ledger/core/charter.h"
#include "ledger/embed/keys.h"

#define STREAM_EVENTS_PER_CREDENTIAL_MAX 200

/* One submitter's part of a ledger that several submit to, side by side: credentials first, first + stride, ...; and what lies
 * between two events of one credential, so that the earlier one is final when the later one is sent. */
struct stream_share {
    const char *issuer; /* its key is made from this name */
    struct slk_hash chain_id;
    uint64_t first, stride;
    uint64_t lag; /* events */
};

struct stream {
    struct slk_charter *charter;
    uint8_t *charter_bytes;
    size_t charter_size;
    struct slk_hash chain_id;
    struct slk_key *issuer, *vote, *log, *cosign;
    uint64_t random; /* xorshift64* */
    uint64_t issued_n;
    uint64_t capacity;
    uint8_t *counts; /* events so far, per credential */
    /* of a share alone */
    uint64_t first, stride, lag, made_n;
    struct slk_hash *previous; /* id of each credential's last event; NULL: they are made again */
    uint64_t *touched;         /* made_n as it was then */
};

void stream_open(struct stream *stream, uint64_t capacity);
void stream_open_share(struct stream *stream, uint64_t capacity, const struct stream_share *share);
void stream_close(struct stream *stream);
struct slk_key *stream_key(const char *name); /* always the same one for a name */
uint64_t stream_number(const struct stream *stream, uint64_t credential); /* in the ledger: of its handle */
void stream_handle(uint8_t out[SLK_HANDLE_SIZE], uint64_t credential);
/* `submissions_n` submissions of `events_n` events each, one after another in *bytes (malloc'ed), their ends in ends[].
 * `existing_percent` of the events are on credentials issued before, the rest issue new ones. */
void stream_make(struct stream *stream, uint8_t **bytes, size_t *ends, size_t submissions_n, size_t events_n, unsigned existing_percent);
/* One submission of `n` further events on credential `i`. */
void stream_make_for(struct stream *stream, uint64_t credential, uint8_t *out, size_t cap, size_t *size);
uint64_t stream_random(struct stream *stream);

#endif
