/* crash_stream.h: an endless stream of submissions made from a seed and a number, so that the process that dies and the one
 * that watches it know the same one.
 */
#ifndef SLK_TESTS_CRASH_STREAM_H
#define SLK_TESTS_CRASH_STREAM_H

#include "tests/unit/ledger_fixture.h"

#define CRASH_LIVES_N      500
#define CRASH_BLOCK_EVENTS 40 /* small blocks: many commits, many places to die */
#define CRASH_SNAPSHOT     90 /* a snapshot is nearly always being written */

struct crash_stream {
    const struct fixture *f;
    uint64_t random;
    uint32_t next; /* number of the submission that crash_stream_step makes */
    struct fixture_batch batch;
    struct fixture_life lives[CRASH_LIVES_N];
};

struct crash_submission {
    uint32_t number;
    size_t events_n;
    bool good;             /* else it must be refused, by its signature */
    struct slk_span bytes; /* signed; fixture_free. Empty when not asked for */
};

struct crash_stream *crash_stream_new(const struct fixture *f, uint64_t seed);
void crash_stream_free(struct crash_stream *stream);
void crash_stream_step(struct crash_stream *stream, bool sign, struct crash_submission *out);

/* What the child tells the parent through a pipe, once it is so. */
enum crash_word { CRASH_OPENED = 1, CRASH_ANSWERED, CRASH_SIGNED, CRASH_DONE };
struct crash_message {
    uint32_t word;
    uint32_t number;  /* ANSWERED: of the submission */
    uint32_t outcome; /* ANSWERED: enum slk_outcome */
    uint32_t zero;
    uint64_t height;      /* ANSWERED: accepted or duplicate */
    uint64_t first_index; /* ANSWERED; SIGNED: tree size */
    struct slk_hash root; /* SIGNED */
};

#endif
