#include "bench/stream.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/submission.h"
#include "ledger/verify/bytes.h"

#define START_S 1767225600u /* 2026-01-01: the stream's time; the ledger's clock in the benchmarks is later */
#define YEAR_S  (365u * 86400u)

uint64_t stream_random(struct stream *stream)
{
    uint64_t x = stream->random;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    stream->random = x;
    return x * 0x2545f4914f6cdd1dull;
}

struct slk_key *stream_key(const char *role)
{
    struct slk_hash seed;
    struct slk_key *key;

    slk_hash_bytes(&seed, role, strlen(role));
    if (slk_key_from_seed(&key, seed.b) != SLK_OK)
        abort();
    return key;
}

static void put_key(uint8_t out[SLK_KEY_SIZE], const char *role)
{
    struct slk_key *key = stream_key(role);

    memcpy(out, slk_key_public(key), SLK_KEY_SIZE);
    slk_key_free(key);
}

static void make_charter(struct stream *s)
{
    struct slk_charter *c = s->charter;
    struct slk_member *m = &c->members[0];
    struct slk_issuer *i = &c->issuers[0];
    struct slk_fault fault;

    snprintf(c->origin, sizeof(c->origin), "bench.example/ledger");
    c->version = 1;
    c->created_at_ms = (uint64_t)START_S * 1000;
    c->members_n = c->issuers_n = c->types_n = c->reasons_n = 1;
    m->agency = 1;
    m->role = SLK_VOTING;
    snprintf(m->name, sizeof(m->name), "interior.example");
    put_key(m->vote_key, "vote");
    put_key(m->cosign_key, "cosign");
    put_key(m->log_key, "log");
    put_key(m->node_key, "node");
    put_key(i->public_key, "issuer");
    snprintf(i->name, sizeof(i->name), "office");
    i->agency = 1;
    i->kinds = SLK_KINDS_ALL;
    i->not_after_s = START_S + 20ull * YEAR_S;
    i->types_n = 1;
    i->types[0] = 1;
    c->types[0] = (struct slk_credential_type){.code = 1, .name = "resident", .max_validity_s = 10ull * YEAR_S,
        .status_list_size = SLK_STATUS_LIST_MAX};
    c->reasons[0] = (struct slk_reason){.code = 1, .name = "LOST"};
    c->block_events = 16384;
    c->block_bytes = 4u << 20;
    c->submission_events = SLK_SUBMISSION_EVENTS_MAX;
    c->delta_ms = 400;
    c->heartbeat_s = 600;
    c->fresh_s = 60;
    s->charter_bytes = malloc(SLK_CHARTER_BYTES_MAX);
    s->charter_size = slk_charter_format(s->charter_bytes, SLK_CHARTER_BYTES_MAX, c);
    if (s->charter_size == 0 || slk_charter_parse(c, slk_span_of(s->charter_bytes, s->charter_size)) != SLK_OK ||
        slk_charter_validate_genesis(c, &fault) != SLK_OK)
        abort();
    slk_charter_chain_id(&s->chain_id, slk_span_of(s->charter_bytes, s->charter_size));
}

void stream_open(struct stream *s, uint64_t capacity)
{
    memset(s, 0, sizeof(*s));
    s->charter = calloc(1, sizeof(*s->charter));
    s->counts = calloc(capacity, 1);
    s->capacity = capacity;
    s->random = 88172645463325252ull;
    s->issuer = stream_key("issuer");
    s->vote = stream_key("vote");
    s->log = stream_key("log");
    s->cosign = stream_key("cosign");
    if (s->charter == NULL || s->counts == NULL)
        abort();
    make_charter(s);
}

void stream_close(struct stream *s)
{
    slk_key_free(s->issuer);
    slk_key_free(s->vote);
    slk_key_free(s->log);
    slk_key_free(s->cosign);
    free(s->charter_bytes);
    free(s->charter);
    free(s->counts);
    free(s->previous);
    free(s->touched);
}

void stream_open_share(struct stream *s, uint64_t capacity, const struct stream_share *share)
{
    memset(s, 0, sizeof(*s));
    s->counts = calloc(capacity, 1);
    s->previous = calloc(capacity, sizeof(*s->previous));
    s->touched = calloc(capacity, sizeof(*s->touched));
    s->capacity = capacity;
    s->random = 88172645463325252ull ^ (share->first + 1) << 20;
    s->issuer = stream_key(share->issuer);
    s->chain_id = share->chain_id;
    s->first = share->first;
    s->stride = share->stride;
    s->lag = share->lag;
    if (s->counts == NULL || s->previous == NULL || s->touched == NULL)
        abort();
}

uint64_t stream_number(const struct stream *s, uint64_t credential)
{
    return s->stride > 0 ? s->first + credential * s->stride : credential;
}

void stream_handle(uint8_t out[SLK_HANDLE_SIZE], uint64_t credential)
{
    struct slk_hash hash;
    uint8_t bytes[8];

    slk_put_u64(bytes, credential);
    slk_hash_bytes(&hash, bytes, sizeof(bytes));
    memcpy(out, hash.b, SLK_HANDLE_SIZE);
}

static void spread(struct slk_hash *out, uint64_t a, uint64_t b, uint64_t salt)
{
    uint64_t words[4] = {a * 0x9e3779b97f4a7c15ull ^ salt, b + salt, a ^ (b << 32), salt * 0xbf58476d1ce4e5b9ull + a};

    for (unsigned i = 0; i < 4; i++)
        slk_put_u64(out->b + 8 * i, (words[i] ^ (words[i] >> 29)) * 0x94d049bb133111ebull | 1);
}

static enum slk_kind kind_of(uint64_t k)
{
    static const enum slk_kind after[4] = {SLK_LOCK, SLK_REBIND, SLK_LOCK, SLK_UNLOCK};

    return k == 0 ? SLK_ISSUE : after[(k - 1) % 4];
}

/* Event k of the credential, whose bytes' length is returned. */
static size_t make_event(uint8_t *out, size_t cap, uint64_t credential, const uint8_t handle[SLK_HANDLE_SIZE], uint64_t k,
    const struct slk_hash *previous)
{
    struct slk_event e = {.sequence = k, .kind = kind_of(k), .channel = SLK_OFFICE_QR, .has_commitment = true,
        .occurred_at_s = START_S + k, .has_previous = k > 0};

    memcpy(e.credential, handle, SLK_HANDLE_SIZE);
    if (k > 0)
        e.previous = *previous;
    spread(&e.commitment, credential, k, 77);
    if (e.kind == SLK_ISSUE || e.kind == SLK_REBIND) {
        e.has_device = true;
        spread(&e.device, credential, k, 99);
        e.carrier = SLK_PHONE;
    }
    if (e.kind == SLK_ISSUE) {
        e.type = 1;
        e.valid_until_s = START_S + 8ull * YEAR_S;
        e.status_index = (uint32_t)credential;
    }
    if (e.kind == SLK_LOCK)
        e.reason = 1;
    return slk_event_format(out, cap, &e);
}

/* The next event of the credential: makes the ones before it again for their ids, unless they are kept. */
static size_t next_event(struct stream *s, uint64_t credential, uint8_t *out, size_t cap, struct slk_hash *id)
{
    uint64_t number = stream_number(s, credential), k = s->previous != NULL ? s->counts[credential] : 0;
    struct slk_hash previous = s->previous != NULL ? s->previous[credential] : (struct slk_hash){{0}};
    uint8_t handle[SLK_HANDLE_SIZE];
    size_t size = 0;

    stream_handle(handle, number);
    for (; k <= s->counts[credential]; k++) {
        size = make_event(out, cap, number, handle, k, &previous);
        assert(size > 0);
        slk_event_id(&previous, slk_span_of(out, size));
    }
    s->counts[credential]++;
    s->made_n++;
    if (s->previous != NULL) {
        s->previous[credential] = previous;
        s->touched[credential] = s->made_n;
    }
    *id = previous;
    return size;
}

static size_t sign_submission(struct stream *s, uint8_t *out, size_t cap, const struct slk_span *events, const struct slk_hash *ids,
    size_t n)
{
    struct slk_submission submission = {.events_n = n, .event_bytes = (struct slk_span *)(uintptr_t)events};
    uint8_t statement[SLK_SUBMIT_STATEMENT_SIZE];

    slk_key_id(submission.key_id, slk_key_public(s->issuer));
    slk_submission_statement(statement, &s->chain_id, ids, n);
    if (slk_key_sign(s->issuer, submission.signature, statement, sizeof(statement)) != SLK_OK)
        abort();
    return slk_submission_format(out, cap, &submission);
}

/* A few tries find one whose last event is long enough ago, if there are enough of them. */
static bool pick_existing(struct stream *s, uint64_t *credential)
{
    for (unsigned i = 0; i < 8; i++) {
        *credential = (stream_random(s) >> 8) % s->issued_n;
        if (s->counts[*credential] >= STREAM_EVENTS_PER_CREDENTIAL_MAX)
            continue;
        if (s->touched == NULL || s->made_n - s->touched[*credential] > s->lag)
            return true;
    }
    return false;
}

static uint64_t pick(struct stream *s, unsigned existing_percent)
{
    uint64_t i;

    if (s->issued_n > 0 && (stream_random(s) >> 32) % 100 < existing_percent && pick_existing(s, &i))
        return i;
    if (s->issued_n == s->capacity) {
        assert(s->touched == NULL); /* a share is opened large enough: an event that comes too soon would be refused */
        return (stream_random(s) >> 8) % s->issued_n;
    }
    return s->issued_n++;
}

void stream_make(struct stream *s, uint8_t **bytes, size_t *ends, size_t submissions_n, size_t events_n, unsigned existing_percent)
{
    size_t room = events_n * (SLK_EVENT_MAX + 4) + 128, used = 0, cap = submissions_n * (events_n * 180 + 128) + room;
    uint8_t *events = malloc(events_n * SLK_EVENT_MAX);
    struct slk_span *spans = malloc(events_n * sizeof(*spans));
    struct slk_hash *ids = malloc(events_n * sizeof(*ids));

    *bytes = malloc(cap);
    if (*bytes == NULL || events == NULL || spans == NULL || ids == NULL)
        abort();
    for (size_t i = 0; i < submissions_n; i++) {
        for (size_t j = 0; j < events_n; j++) {
            uint8_t *at = events + j * SLK_EVENT_MAX;

            spans[j] = slk_span_of(at, next_event(s, pick(s, existing_percent), at, SLK_EVENT_MAX, &ids[j]));
        }
        used += sign_submission(s, *bytes + used, cap - used, spans, ids, events_n);
        ends[i] = used;
    }
    free(events);
    free(spans);
    free(ids);
}

void stream_make_for(struct stream *s, uint64_t credential, uint8_t *out, size_t cap, size_t *size)
{
    uint8_t event[SLK_EVENT_MAX];
    struct slk_hash id;
    struct slk_span span = slk_span_of(event, next_event(s, credential, event, sizeof(event), &id));

    *size = sign_submission(s, out, cap, &span, &id, 1);
}
