/* witness_desk.c: whose turn it is to cosign, and from which size: see witness.h.
 *
 * A round begins when there is a newer checkpoint than that of the last one, or when that has become old, every_ms after the last at the
 * soonest; it ends when everybody who was asked has answered. A witness that stores another size than we thought (other members of
 * the same log ask it, too) is asked again from there, ASKS_MAX times a round. Who fails rests. Nothing is kept over a restart: the first
 * question, from size 0, is answered with the size that the witness stores.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/witness.h"

enum { ASKS_MAX = 4, OVERTAKEN_MAX = 3 };

struct place {
    struct slk_witness is;
    struct slk_witness_stats stats;
    uint64_t stored_size; /* as far as we know */
    uint64_t rest_until_ms;
    unsigned failures;  /* in succession */
    unsigned asks;      /* in this round */
    unsigned overtaken; /* rounds since its last cosignature in which it stored more than we had to show */
    bool is_asked;
};

struct slk_witness_desk {
    struct slk_witness_options options;
    struct slk_witness_world world;
    size_t n, asked_n;
    struct place at[SLK_WITNESSES_MAX];
    bool has_begun;            /* ever: began_ms counts */
    struct slk_tree_head head; /* of the round's checkpoint */
    uint64_t began_ms;
    size_t note_n, text_n;
    uint8_t note[SLK_WITNESS_REQUEST_MAX];
    uint8_t body[SLK_WITNESS_REQUEST_MAX];
};

struct slk_witness_desk *slk_witness_desk_new(const struct slk_witness *witnesses, size_t n,
    const struct slk_witness_options *options, const struct slk_witness_world *world)
{
    struct slk_witness_desk *desk = calloc(1, sizeof(*desk));

    assert(n > 0 && n <= SLK_WITNESSES_MAX && options->every_ms > 0 &&
           options->rest_max_ms >= options->every_ms);
    if (desk == NULL)
        return NULL;
    desk->options = *options;
    desk->world = *world;
    desk->n = n;
    for (size_t i = 0; i < n; i++)
        desk->at[i].is = witnesses[i];
    return desk;
}

void slk_witness_desk_free(struct slk_witness_desk *desk)
{
    free(desk);
}

size_t slk_witness_desk_n(const struct slk_witness_desk *desk)
{
    return desk->n;
}

const struct slk_witness *slk_witness_desk_at(const struct slk_witness_desk *desk, size_t i)
{
    assert(i < desk->n);
    return &desk->at[i].is;
}

const struct slk_witness_stats *slk_witness_desk_stats(const struct slk_witness_desk *desk, size_t i)
{
    assert(i < desk->n);
    return &desk->at[i].stats;
}

size_t slk_witness_desk_sound(const struct slk_witness_desk *desk)
{
    size_t n = 0;

    for (size_t i = 0; i < desk->n; i++)
        n += !desk->at[i].stats.is_failing;
    return n;
}

/* ---- a question ---- */

static void fail(struct slk_witness_desk *desk, struct place *p, uint64_t now_ms)
{
    uint64_t rest = desk->options.every_ms;

    for (unsigned i = 0; i < p->failures && rest < desk->options.rest_max_ms; i++)
        rest *= 2;
    p->failures += p->failures < 32;
    p->rest_until_ms = now_ms + (rest < desk->options.rest_max_ms ? rest : desk->options.rest_max_ms);
    p->stats.is_failing = true;
}

/* False: it is not asked in this round any more. */
static bool ask(struct slk_witness_desk *desk, size_t i)
{
    struct place *p = &desk->at[i];
    struct slk_hash path[SLK_WITNESS_PATH_MAX];
    size_t path_n = 0, n;

    assert(!p->is_asked && p->stored_size <= desk->head.tree_size);
    if (p->stored_size > 0 && p->stored_size < desk->head.tree_size &&
        !desk->world.path(desk->world.ctx, p->stored_size, desk->head.tree_size, path, &path_n))
        return false;
    n = slk_witness_request(
        desk->body, sizeof(desk->body), p->stored_size, path, path_n, slk_span_of(desk->note, desk->note_n));
    if (n == 0 || !desk->world.ask(desk->world.ctx, i, slk_span_of(desk->body, n)))
        return false;
    p->is_asked = true;
    p->asks++;
    p->stats.asked_n++;
    desk->asked_n++;
    return true;
}

/* ---- rounds ---- */

/* When the next round may begin, and whether anything wants one: UINT64_MAX: nothing that time alone brings. */
static uint64_t next_round(const struct slk_witness_desk *desk)
{
    struct slk_tree_head newest;
    uint64_t soonest = desk->has_begun ? desk->began_ms + desk->options.every_ms : 0, due = soonest,
             first = UINT64_MAX;

    if (desk->asked_n > 0 || !desk->world.newest(desk->world.ctx, &newest))
        return UINT64_MAX;
    if (desk->has_begun && newest.tree_size == desk->head.tree_size)
        due = desk->began_ms + desk->options.refresh_ms;
    for (size_t i = 0; i < desk->n;
         i++) { /* who failed is asked again when it has rested, also about the same */
        uint64_t from = desk->at[i].stats.is_failing ? desk->at[i].rest_until_ms : due;

        first = from < first ? from : first;
    }
    return first < soonest ? soonest : first;
}

/* The node's own checkpoint: what is signed of it is its text. */
static size_t text_size(struct slk_span note)
{
    size_t n = note.size;

    while (n >= 2 && !(note.at[n - 1] == '\n' && note.at[n - 2] == '\n'))
        n--;
    assert(n >= 2);
    return n - 1;
}

static void begin_round(struct slk_witness_desk *desk, uint64_t now_ms)
{
    desk->began_ms = now_ms;
    desk->has_begun = true;
    desk->note_n = desk->world.target(desk->world.ctx, &desk->head, desk->note, sizeof(desk->note));
    if (desk->note_n == 0)
        return;
    desk->text_n = text_size(slk_span_of(desk->note, desk->note_n));
    for (size_t i = 0; i < desk->n; i++) {
        struct place *p = &desk->at[i];

        p->asks = 0;
        if (now_ms < p->rest_until_ms)
            continue;
        if (p->stored_size > desk->head.tree_size)
            p->overtaken++; /* what it stores is newer still: next time */
        else if (!ask(desk, i))
            fail(desk, p, now_ms);
        if (p->overtaken >= OVERTAKEN_MAX) { /* nobody has that many entries: what it said was not so */
            p->overtaken = 0;
            p->stored_size = 0;
            fail(desk, p, now_ms);
        }
    }
}

void slk_witness_desk_run(struct slk_witness_desk *desk, uint64_t now_ms)
{
    if (next_round(desk) <= now_ms)
        begin_round(desk, now_ms);
}

uint64_t slk_witness_desk_wake(const struct slk_witness_desk *desk)
{
    return next_round(desk);
}

/* ---- answers ---- */

static void take_cosignature(struct slk_witness_desk *desk, size_t i, const struct slk_witness_word *word)
{
    struct place *p = &desk->at[i];

    p->failures = p->overtaken = 0;
    p->rest_until_ms = 0;
    p->stats.is_failing = false;
    p->stored_size = desk->head.tree_size;
    p->stats.cosigned_size = desk->head.tree_size;
    p->stats.cosigned_s = word->time_s;
    desk->world.cosigned(desk->world.ctx, i, &desk->head, word);
}

/* It stores another size: asked again from there, if that can be. Ahead of our checkpoint it is no failure: another member was
 * quicker, and the next round brings a newer one. */
static enum slk_witness_says take_size(
    struct slk_witness_desk *desk, size_t i, uint64_t stored_size, uint64_t now_ms)
{
    struct place *p = &desk->at[i];
    bool is_news = stored_size != p->stored_size;

    p->stored_size = stored_size;
    if (stored_size > desk->head.tree_size) {
        p->overtaken++;
        return SLK_WITNESS_OTHER_SIZE;
    }
    if (is_news && p->asks < ASKS_MAX && ask(desk, i))
        return SLK_WITNESS_OTHER_SIZE;
    fail(desk, p, now_ms);
    return SLK_WITNESS_CONFLICT;
}

enum slk_witness_says slk_witness_desk_hear(struct slk_witness_desk *desk, size_t i,
    const struct slk_witness_answer *answer, uint64_t now_ms, uint64_t now_s)
{
    struct slk_witness_word word;
    struct place *p = &desk->at[i];

    assert(i < desk->n && p->is_asked && desk->asked_n > 0);
    p->is_asked = false;
    desk->asked_n--;
    slk_witness_read(&word, &p->is, answer, slk_span_of(desk->note, desk->text_n), now_s);
    if (word.says == SLK_WITNESS_COSIGNED)
        take_cosignature(desk, i, &word);
    else if (word.says == SLK_WITNESS_OTHER_SIZE)
        word.says = take_size(desk, i, word.stored_size, now_ms);
    else
        fail(desk, p, now_ms);
    p->stats.says_n[word.says]++;
    return word.says;
}
