/* sample.c: see sample.h. */
#include "tests/unit/sample.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ISSUER_KEYS 1000 /* numbers of the issuers' keys start here */

static void number_hash(uint8_t out[32], const char *what, unsigned number)
{
    char text[64];
    struct slk_hash hash;
    int n = snprintf(text, sizeof(text), "%s %u", what, number);

    slk_hash_bytes(&hash, text, (size_t)n);
    memcpy(out, hash.b, sizeof(hash.b));
}

void sample_key(struct sample_key *out, unsigned number)
{
    uint8_t seed[32];
    int rc;

    number_hash(seed, "sample key", number);
    rc = crypto_sign_seed_keypair(out->public, out->secret, seed);
    assert(rc == 0);
}

void sample_issuer_key(struct sample_key *out, enum sample_issuer issuer)
{
    sample_key(out, ISSUER_KEYS + (unsigned)issuer);
}

static void add_member(struct slk_charter *c, const char *name, enum slk_role role)
{
    struct slk_member *m = &c->members[c->members_n++];
    uint8_t *keys[] = {m->vote_key, m->cosign_key, m->log_key, m->node_key};

    m->agency = (uint16_t)c->members_n;
    m->role = role;
    (void)snprintf(m->name, sizeof(m->name), "%s", name);
    for (unsigned i = 0; i < 4; i++) {
        struct sample_key key;

        sample_key(&key, m->agency * 4u + i);
        memcpy(keys[i], key.public, sizeof(key.public));
    }
    m->addresses_n = c->members_n % 3;
    for (size_t i = 0; i < m->addresses_n; i++)
        (void)snprintf(m->addresses[i], sizeof(m->addresses[i]), "[::1]:%zu", 7000 + 10 * c->members_n + i);
}

static void add_type(struct slk_charter *c, uint32_t code, const char *name)
{
    struct slk_credential_type *t = &c->types[c->types_n++];

    t->code = code;
    (void)snprintf(t->name, sizeof(t->name), "%s", name);
    t->max_validity_s = 3 * SAMPLE_YEAR_S;
    t->status_list_size = SAMPLE_PLACES;
}

static void add_reason(struct slk_charter *c, const char *name)
{
    struct slk_reason *reason = &c->reasons[c->reasons_n++];

    reason->code = (uint32_t)c->reasons_n;
    (void)snprintf(reason->name, sizeof(reason->name), "%s", name);
}

struct rights {
    const char *name;
    uint16_t agency;
    bool any_agency;
    uint32_t kinds;
    uint32_t type; /* 0: both */
    uint64_t days;
};

static const struct rights rights_of[SAMPLE_ISSUERS_N] = {
    [OFFICE] = {"office", 1, false, SLK_KINDS_ALL, 0, 36500},
    [MINT] = {"mint", 2, false, SLK_KINDS_ALL, SAMPLE_CARD, 36500},
    [POLICE] = {"police-desk", 3, true, 1u << SLK_LOCK | 1u << SLK_REVOKE, 0, 36500},
    [CARRIER] = {"carrier", 3, true, 1u << SLK_LOCK, SAMPLE_PHONE, 36500},
    [REGISTRY] = {"registry", 2, false, 1u << SLK_ISSUE | 1u << SLK_RENEW, 0, 36500},
    [TRAINEE] = {"trainee", 1, false, SLK_KINDS_ALL, 0, 100},
};

static void add_issuer(struct slk_charter *c, enum sample_issuer which)
{
    const struct rights *rights = &rights_of[which];
    struct slk_issuer *issuer = &c->issuers[c->issuers_n++];
    struct sample_key key;

    sample_issuer_key(&key, which);
    memcpy(issuer->public_key, key.public, sizeof(key.public));
    issuer->agency = rights->agency;
    issuer->kinds = rights->kinds;
    issuer->any_agency = rights->any_agency;
    issuer->not_before_s = SAMPLE_START_S - 86400;
    issuer->not_after_s = SAMPLE_START_S + rights->days * 86400;
    (void)snprintf(issuer->name, sizeof(issuer->name), "%s", rights->name);
    for (uint32_t type = SAMPLE_CARD; type <= SAMPLE_PHONE; type++)
        if (rights->type == 0 || rights->type == type)
            issuer->types[issuer->types_n++] = type;
}

struct slk_charter *sample_charter(void)
{
    struct slk_charter *c = calloc(1, sizeof(*c)), *parsed = calloc(1, sizeof(*c));
    uint8_t *bytes = malloc(SLK_CHARTER_BYTES_MAX);
    enum slk_err err;
    size_t size;

    assert(c != NULL && parsed != NULL && bytes != NULL);
    (void)snprintf(c->origin, sizeof(c->origin), "ledger.example/id");
    c->version = 1;
    c->created_at_ms = SAMPLE_START_S * 1000;
    c->block_events = 16384;
    c->block_bytes = 4u << 20;
    c->submission_events = 1000;
    c->delta_ms = 250;
    c->heartbeat_s = 600;
    c->fresh_s = 3600;
    add_member(c, "interior.example", SLK_VOTING);
    add_member(c, "mint.example", SLK_VOTING);
    add_member(c, "police.example", SLK_VOTING);
    add_member(c, "auditor.example", SLK_OBSERVER);
    add_type(c, SAMPLE_CARD, "resident-card");
    add_type(c, SAMPLE_PHONE, "phone-id");
    add_reason(c, "LOST");
    add_reason(c, "STOLEN");
    add_reason(c, "ENDED");
    for (int i = 0; i < SAMPLE_ISSUERS_N; i++)
        add_issuer(c, (enum sample_issuer)i);
    slk_charter_sort(c);
    size = slk_charter_format(bytes, SLK_CHARTER_BYTES_MAX, c);
    assert(size > 0);
    err = slk_charter_parse(parsed, slk_span_of(bytes, size));
    assert(err == SLK_OK);
    free(c);
    free(bytes);
    return parsed;
}

const struct slk_issuer *sample_issuer(const struct slk_charter *charter, enum sample_issuer issuer)
{
    const struct slk_issuer *found;
    struct sample_key key;
    uint8_t key_id[SLK_KEY_ID_SIZE];

    sample_issuer_key(&key, issuer);
    slk_key_id(key_id, key.public);
    found = slk_charter_issuer(charter, key_id);
    assert(found != NULL);
    return found;
}

struct slk_event sample_event(enum slk_kind kind, unsigned credential, unsigned device)
{
    struct slk_event e = {.kind = kind, .channel = SLK_OFFICE_QR, .occurred_at_s = SAMPLE_START_S};

    number_hash(e.credential, "sample credential", credential);
    if (kind == SLK_ISSUE || kind == SLK_REBIND) {
        e.has_device = true;
        number_hash(e.device.b, "sample device", device);
        e.carrier = device % 2 == 0 ? SLK_PHONE : SLK_CHIP_CARD;
    }
    if (kind == SLK_ISSUE) {
        e.type = SAMPLE_CARD;
        e.status_index = (uint32_t)(credential * 7 + device) % SAMPLE_PLACES;
    }
    if (kind == SLK_ISSUE || kind == SLK_RENEW)
        e.valid_until_s = SAMPLE_START_S + SAMPLE_YEAR_S;
    if (kind == SLK_LOCK || kind == SLK_REVOKE)
        e.reason = SAMPLE_LOST;
    return e;
}

struct slk_span sample_submission(
    const struct sample_key *key, const struct slk_hash *chain_id, const struct slk_span *events, size_t n)
{
    size_t cap = SLK_SUBMISSION_BYTES_MAX;
    struct slk_hash *ids = calloc(n, sizeof(*ids));
    struct slk_span *spans = calloc(n, sizeof(*spans));
    struct slk_submission s = {.events_n = n, .event_bytes = spans};
    uint8_t statement[SLK_SUBMIT_STATEMENT_SIZE], *out = malloc(cap);

    assert(ids != NULL && spans != NULL && out != NULL);
    for (size_t i = 0; i < n; i++) {
        slk_event_id(&ids[i], events[i]);
        spans[i] = events[i];
    }
    slk_key_id(s.key_id, key->public);
    slk_submission_statement(statement, chain_id, ids, n);
    (void)crypto_sign_detached(s.signature, NULL, statement, sizeof(statement), key->secret);
    cap = slk_submission_format(out, cap, &s);
    assert(cap > 0);
    free(ids);
    free(spans);
    return slk_span_of(out, cap);
}

uint64_t sample_random(uint64_t *state)
{
    uint64_t x = *state;

    assert(x != 0);
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(2685821657736338717);
}

uint64_t sample_below(uint64_t *state, uint64_t n)
{
    assert(n > 0);
    return (sample_random(state) >> 11) % n;
}
