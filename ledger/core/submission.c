/* submission.c: a batch of events, taken apart without copying and judged as far as no state is needed. */
#include "ledger/core/submission.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/fastsig.h"
#include "ledger/core/multihash.h"
#include "ledger/core/proven.h"

#define TAG_KEY_ID    1 /* proto/ledger.proto: Submission */
#define TAG_SIGNATURE 2
#define TAG_EVENT     3
#define HASH_CHUNK    32 /* events hashed at a time: their tagged copies stay in the first-level cache */

/* One allocation holds the four arrays, in this order; each element is a multiple of 8 bytes. */
static size_t arena_need(size_t events_n)
{
    return events_n * (sizeof(struct slk_span) + sizeof(struct slk_event) + 2 * sizeof(struct slk_hash));
}

_Static_assert(sizeof(struct slk_span) % 8 == 0 && sizeof(struct slk_event) % 8 == 0, "arrays stay aligned");

static enum slk_err arena_lay(struct slk_submission *s, size_t events_n)
{
    size_t need = arena_need(events_n);
    uint8_t *at;

    if (need > s->arena_size) {
        void *grown = malloc(need); /* not realloc: nothing in there is worth copying */

        if (grown == NULL)
            return SLK_E_NOMEM;
        free(s->arena);
        s->arena = grown;
        s->arena_size = need;
    }
    at = s->arena;
    s->event_bytes = (void *)at;
    at += events_n * sizeof(struct slk_span);
    s->events = (void *)at;
    at += events_n * sizeof(struct slk_event);
    s->event_ids = (void *)at;
    at += events_n * sizeof(struct slk_hash);
    s->paths = (void *)at;
    s->events_n = events_n;
    return SLK_OK;
}

/* Leaves the arena, takes away what could be mistaken for a submission. */
static void forget(struct slk_submission *s)
{
    void *arena = s->arena;
    size_t arena_size = s->arena_size;

    memset(s, 0, sizeof(*s));
    s->arena = arena;
    s->arena_size = arena_size;
    s->rule = SLK_RULE_NOT_JUDGED;
    s->rule_event = SIZE_MAX;
}

static struct slk_span read_event(struct slk_reader *r)
{
    uint32_t last = TAG_EVENT - 1;
    enum slk_wire wire;

    if (slk_read_field(r, &last, &wire) != TAG_EVENT || wire != SLK_WIRE_BYTES)
        r->bad = true;
    return slk_read_delimited(r);
}

/* How many events `r` (a copy) still holds; one more than the limit is as good as any larger number. */
static size_t count_events(struct slk_reader r)
{
    size_t n = 0;

    while (!r.bad && r.rest.size > 0 && n <= SLK_SUBMISSION_EVENTS_MAX) {
        if (read_event(&r).size == 0)
            r.bad = true; /* an empty event is none */
        n++;
    }
    return r.bad ? 0 : n;
}

static void read_fixed(struct slk_reader *r, uint32_t *last, uint32_t field, void *out, size_t size)
{
    enum slk_wire wire;
    struct slk_span bytes;

    if (slk_read_field(r, last, &wire) != field || wire != SLK_WIRE_BYTES)
        r->bad = true;
    bytes = slk_read_delimited(r);
    if (r->bad || bytes.size != size)
        r->bad = true;
    else
        memcpy(out, bytes.at, size);
}

enum slk_err slk_submission_parse(struct slk_submission *out, struct slk_span bytes)
{
    struct slk_reader r = {.rest = bytes};
    uint32_t last = 0;
    enum slk_err err;
    size_t events_n;

    forget(out);
    if (bytes.size > SLK_SUBMISSION_BYTES_MAX)
        return SLK_E_TOO_LARGE;
    read_fixed(&r, &last, TAG_KEY_ID, out->key_id, sizeof(out->key_id));
    read_fixed(&r, &last, TAG_SIGNATURE, out->signature, sizeof(out->signature));
    if (!r.bad && r.rest.size == 0) {
        forget(out);
        return SLK_E_TOO_LARGE; /* no event at all */
    }
    events_n = r.bad ? 0 : count_events(r);
    if (events_n == 0 || events_n > SLK_SUBMISSION_EVENTS_MAX) {
        forget(out);
        return events_n == 0 ? SLK_E_MALFORMED : SLK_E_TOO_LARGE;
    }
    err = arena_lay(out, events_n);
    if (err != SLK_OK) {
        forget(out);
        return err;
    }
    for (size_t i = 0; i < events_n; i++)
        out->event_bytes[i] = read_event(&r);
    assert(slk_read_done(&r)); /* count_events walked the same bytes */
    return SLK_OK;
}

void slk_submission_free(struct slk_submission *submission)
{
    if (submission == NULL)
        return;
    free(submission->arena);
    memset(submission, 0, sizeof(*submission));
}

size_t slk_submission_format(uint8_t *out, size_t cap, const struct slk_submission *submission)
{
    struct slk_writer w = {.at = out, .cap = cap};

    assert(submission->events_n >= 1 && submission->events_n <= SLK_SUBMISSION_EVENTS_MAX);
    slk_write_field_bytes(&w, TAG_KEY_ID, submission->key_id, sizeof(submission->key_id));
    slk_write_field_bytes(&w, TAG_SIGNATURE, submission->signature, sizeof(submission->signature));
    for (size_t i = 0; i < submission->events_n; i++) {
        assert(submission->event_bytes[i].size > 0);
        slk_write_field_bytes(&w, TAG_EVENT, submission->event_bytes[i].at, submission->event_bytes[i].size);
    }
    return w.bad ? 0 : w.size;
}

void slk_submission_statement(uint8_t out[SLK_SUBMIT_STATEMENT_SIZE], const struct slk_hash *chain_id,
    const struct slk_hash *event_ids, size_t events_n)
{
    struct slk_hash digest;

    assert(events_n >= 1 && events_n <= SLK_SUBMISSION_EVENTS_MAX);
    slk_hash_bytes(&digest, event_ids, events_n * sizeof(*event_ids));
    memcpy(out, SLK_TAG_SUBMIT, SLK_TAG_SIZE); /* 15 letters and the literal's own zero */
    memcpy(out + SLK_TAG_SIZE, chain_id->b, SLK_HASH_SIZE);
    slk_put_u32(out + SLK_TAG_SIZE + SLK_HASH_SIZE, (uint32_t)events_n);
    memcpy(out + SLK_TAG_SIZE + SLK_HASH_SIZE + 4, digest.b, SLK_HASH_SIZE);
}

/* ids[i] = slk_event_id(events[i]), several at once. The tag has to stand before the event in memory, so
 * events of the usual size are copied; a longer one cannot be an event, but it has an id all the same. */
static void hash_ids(struct slk_hash *ids, const struct slk_span *events, size_t n)
{
    uint8_t copies[HASH_CHUNK][SLK_TAG_SIZE + SLK_EVENT_MAX];
    struct slk_span spans[HASH_CHUNK];

    assert(n <= HASH_CHUNK);
    for (size_t i = 0; i < n; i++) {
        size_t size = events[i].size <= SLK_EVENT_MAX ? events[i].size : 0;

        memcpy(copies[i], SLK_TAG_EVENT, SLK_TAG_SIZE);
        memcpy(copies[i] + SLK_TAG_SIZE, events[i].at, size);
        spans[i] = slk_span_of(copies[i], SLK_TAG_SIZE + size);
    }
    slk_multihash_spans(ids, spans, n);
    for (size_t i = 0; i < n; i++)
        if (events[i].size > SLK_EVENT_MAX)
            slk_event_id(&ids[i], events[i]);
}

static void hash_paths(struct slk_hash *paths, const struct slk_event *events, size_t n)
{
    struct slk_span spans[HASH_CHUNK];

    assert(n <= HASH_CHUNK);
    for (size_t i = 0; i < n; i++)
        spans[i] = slk_span_of(events[i].credential, SLK_HANDLE_SIZE);
    slk_multihash_spans(paths, spans, n);
}

/* Parses and hashes every event, the good and the bad: a refused submission has an id too. The first event
 * that is malformed or has wrong fields is the one that is reported. */
static void take_apart(struct slk_submission *s)
{
    for (size_t first = 0; first < s->events_n; first += HASH_CHUNK) {
        size_t n = s->events_n - first < HASH_CHUNK ? s->events_n - first : HASH_CHUNK;

        for (size_t i = first; i < first + n; i++) {
            enum slk_rule rule = SLK_RULE_EVENT_MALFORMED;

            if (slk_event_parse(&s->events[i], s->event_bytes[i]) == SLK_OK)
                rule = slk_rule_fields(&s->events[i]);
            if (rule != SLK_RULE_OK && s->rule == SLK_RULE_OK) {
                s->rule = rule;
                s->rule_event = i;
            }
        }
        hash_ids(s->event_ids + first, s->event_bytes + first, n);
        hash_paths(s->paths + first, s->events + first, n);
    }
}

static void admit(struct slk_submission *submission, const struct slk_charter *charter,
    const struct slk_hash *chain_id, bool is_vouched, const struct slk_proven *proven)
{
    uint8_t statement[SLK_SUBMIT_STATEMENT_SIZE];

    assert(submission->events_n >= 1 && submission->events_n <= SLK_SUBMISSION_EVENTS_MAX);
    submission->rule = SLK_RULE_OK;
    submission->rule_event = SIZE_MAX;
    if (submission->events_n > charter->submission_events)
        submission->rule = SLK_RULE_SUBMISSION_SIZE;
    take_apart(submission);
    slk_submission_statement(statement, chain_id, submission->event_ids, submission->events_n);
    slk_hash_bytes(&submission->id, statement, sizeof(statement));
    submission->issuer = slk_charter_issuer(charter, submission->key_id);
    submission->charter_version = charter->version;
    if (submission->rule != SLK_RULE_OK)
        return;
    if (submission->issuer == NULL)
        submission->rule = SLK_RULE_ISSUER_UNKNOWN;
    else if (!is_vouched &&
             !slk_proven_has(
                 proven, &submission->id, submission->signature, submission->issuer->public_key) &&
             !slk_fastsig_verify(
                 submission->signature, statement, sizeof(statement), submission->issuer->public_key))
        submission->rule = SLK_RULE_SIGNATURE;
}

void slk_submission_admit(
    struct slk_submission *submission, const struct slk_charter *charter, const struct slk_hash *chain_id)
{
    admit(submission, charter, chain_id, false, NULL);
}

void slk_submission_admit_with(struct slk_submission *submission, const struct slk_charter *charter,
    const struct slk_hash *chain_id, const struct slk_proven *proven)
{
    admit(submission, charter, chain_id, false, proven);
}

void slk_submission_admit_vouched(
    struct slk_submission *submission, const struct slk_charter *charter, const struct slk_hash *chain_id)
{
    admit(submission, charter, chain_id, true, NULL);
}
