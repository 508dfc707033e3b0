#include "tests/crash/crash_stream.h"

#include <stdio.h>
#include <stdlib.h>

struct crash_stream *crash_stream_new(const struct fixture *f, uint64_t seed)
{
    struct crash_stream *s = calloc(1, sizeof(*s));

    if (s == NULL)
        abort();
    s->f = f;
    s->random = seed | 1;
    for (uint32_t i = 0; i < CRASH_LIVES_N; i++)
        s->lives[i] = fixture_life(i % 3 == 0 ? FIXTURE_PHONE : FIXTURE_CARD, i);
    return s;
}

void crash_stream_free(struct crash_stream *stream)
{
    if (stream == NULL)
        return;
    fixture_batch_free(&stream->batch);
    free(stream);
}

/* Mostly the interactive case; now and then one larger than a block should be. */
static size_t choose_size(uint64_t *random)
{
    switch (fixture_below(random, 12)) {
    case 0:
        return 60 + fixture_below(random, 200);
    case 1:
    case 2:
        return 5 + fixture_below(random, 30);
    }
    return 1 + fixture_below(random, 4);
}

void crash_stream_step(struct crash_stream *s, bool sign, struct crash_submission *out)
{
    size_t n = choose_size(&s->random);
    bool good = fixture_below(&s->random, 9) != 0;

    for (size_t i = 0; i < n; i++) {
        struct fixture_life *life = &s->lives[fixture_below(&s->random, CRASH_LIVES_N)], copy = *life;
        enum slk_kind kind = fixture_next_kind(life, fixture_random(&s->random));

        fixture_add(&s->batch, good ? life : &copy, kind, FIXTURE_START_MS);
    }
    *out = (struct crash_submission){.number = s->next++, .events_n = n, .good = good};
    if (sign)
        out->bytes = fixture_sign(s->f, good ? MINISTRY : STRANGER, &s->batch);
    fixture_batch_clear(&s->batch);
}
