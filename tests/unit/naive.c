/* naive.c: see naive.h. Slow on purpose. */
#include "tests/unit/naive.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* ---- the rules, one predicate for each, true when it is broken ---- */

static bool issues(const struct naive_case *c)
{
    return c->event->kind == SLK_ISSUE;
}

static bool binds(const struct naive_case *c)
{
    return c->event->kind == SLK_ISSUE || c->event->kind == SLK_REBIND;
}

static bool extends(const struct naive_case *c)
{
    return c->event->kind == SLK_ISSUE || c->event->kind == SLK_RENEW;
}

static bool stops(const struct naive_case *c)
{
    return c->event->kind == SLK_LOCK || c->event->kind == SLK_REVOKE;
}

static uint64_t now_s(const struct naive_case *c)
{
    return c->time_ms / 1000;
}

static bool field_missing(const struct naive_case *c)
{
    const struct slk_event *e = c->event;

    return e->channel == 0 || e->occurred_at_s == 0 || (e->sequence != 0 && !e->has_previous) ||
           (binds(c) && (!e->has_device || e->carrier == 0)) || (issues(c) && e->type == 0) ||
           (extends(c) && e->valid_until_s == 0) || (stops(c) && e->reason == 0);
}

static bool field_not_allowed(const struct naive_case *c)
{
    const struct slk_event *e = c->event;

    return (e->sequence == 0 && e->has_previous) || (!binds(c) && (e->has_device || e->carrier != 0)) ||
           (!issues(c) && (e->type != 0 || e->status_index != 0)) || (!extends(c) && e->valid_until_s != 0) ||
           (!stops(c) && e->reason != 0);
}

static bool issuer_time(const struct naive_case *c)
{
    return !(c->issuer->not_before_s <= now_s(c) && now_s(c) <= c->issuer->not_after_s);
}

static bool right_kind(const struct naive_case *c)
{
    return !(c->issuer->kinds >> c->event->kind & 1);
}

static const struct slk_credential_type *declared(const struct naive_case *c, uint32_t code)
{
    for (size_t i = 0; i < c->charter->types_n; i++)
        if (c->charter->types[i].code == code)
            return &c->charter->types[i];
    return NULL;
}

static bool type_unknown(const struct naive_case *c)
{
    return issues(c) && declared(c, c->event->type) == NULL;
}

static bool right_type(const struct naive_case *c)
{
    uint32_t type = issues(c) ? c->event->type : c->credential != NULL ? c->credential->type : 0;

    for (size_t i = 0; i < c->issuer->types_n; i++)
        if (c->issuer->types[i] == type)
            return false;
    return type != 0;
}

static bool reason_unknown(const struct naive_case *c)
{
    for (size_t i = 0; i < c->charter->reasons_n; i++)
        if (c->charter->reasons[i].code == c->event->reason)
            return false;
    return stops(c);
}

static bool occurred_in_future(const struct naive_case *c)
{
    return c->event->occurred_at_s > now_s(c) + 300;
}

static bool sequence(const struct naive_case *c)
{
    return c->event->sequence != (c->credential != NULL ? c->credential->count : 0);
}

static bool previous(const struct naive_case *c)
{
    return c->credential != NULL && memcmp(c->event->previous.b, c->credential->last_id, 32) != 0;
}

static bool not_issued(const struct naive_case *c)
{
    return c->credential == NULL && !issues(c);
}

static bool wrong_state(const struct naive_case *c)
{
    static const char *const from[] = {[SLK_ISSUE] = "R",
        [SLK_REBIND] = "AL",
        [SLK_LOCK] = "A",
        [SLK_UNLOCK] = "L",
        [SLK_RENEW] = "AL",
        [SLK_REVOKE] = "AL"};
    _Static_assert(sizeof(from) / sizeof(from[0]) == SLK_KIND_N, "a kind without a row");

    return c->credential != NULL && strchr(from[c->event->kind], "?ALR"[c->credential->state]) == NULL;
}

static bool not_owner(const struct naive_case *c)
{
    return !issues(c) && c->credential->owner != c->issuer->agency && !(stops(c) && c->issuer->any_agency);
}

static bool expired(const struct naive_case *c)
{
    return (c->event->kind == SLK_REBIND || c->event->kind == SLK_UNLOCK) &&
           now_s(c) >= c->credential->valid_until_s;
}

static bool validity_past(const struct naive_case *c)
{
    return extends(c) && !(now_s(c) < c->event->valid_until_s);
}

static bool validity_not_longer(const struct naive_case *c)
{
    return c->event->kind == SLK_RENEW && !(c->event->valid_until_s > c->credential->valid_until_s);
}

static bool same_device(const struct naive_case *c)
{
    return binds(c) && c->credential != NULL && memcmp(c->event->device.b, c->credential->device, 32) == 0;
}

static bool validity_long(const struct naive_case *c)
{
    const struct slk_credential_type *type = declared(c, issues(c) ? c->event->type : c->credential->type);

    return extends(c) && c->event->valid_until_s > now_s(c) + type->max_validity_s;
}

static bool status_index_range(const struct naive_case *c)
{
    return issues(c) && !(c->event->status_index < declared(c, c->event->type)->status_list_size);
}

static bool status_index_used(const struct naive_case *c)
{
    return issues(c) && c->index_used;
}

enum slk_rule naive_judge(const struct naive_case *c)
{
    static const struct {
        enum slk_rule rule;
        bool (*broken)(const struct naive_case *);
    } rules[] = {
        {SLK_RULE_FIELD_MISSING, field_missing},
        {SLK_RULE_FIELD_NOT_ALLOWED, field_not_allowed},
        {SLK_RULE_ISSUER_TIME, issuer_time},
        {SLK_RULE_RIGHT_KIND, right_kind},
        {SLK_RULE_TYPE_UNKNOWN, type_unknown},
        {SLK_RULE_RIGHT_TYPE, right_type},
        {SLK_RULE_REASON_UNKNOWN, reason_unknown},
        {SLK_RULE_OCCURRED_IN_FUTURE, occurred_in_future},
        {SLK_RULE_SEQUENCE, sequence},
        {SLK_RULE_PREVIOUS, previous},
        {SLK_RULE_NOT_ISSUED, not_issued},
        {SLK_RULE_STATE, wrong_state},
        {SLK_RULE_NOT_OWNER, not_owner},
        {SLK_RULE_EXPIRED, expired},
        {SLK_RULE_VALIDITY_PAST, validity_past},
        {SLK_RULE_VALIDITY_NOT_LONGER, validity_not_longer},
        {SLK_RULE_SAME_DEVICE, same_device},
        {SLK_RULE_VALIDITY_LONG, validity_long},
        {SLK_RULE_STATUS_INDEX_RANGE, status_index_range},
        {SLK_RULE_STATUS_INDEX_USED, status_index_used},
    };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (rules[i].broken(c))
            return rules[i].rule;
    return SLK_RULE_OK;
}

/* ---- bytes ---- */

struct bytes {
    uint8_t at[140000]; /* the ids of 4,096 events */
    size_t n;
};

static void put(struct bytes *b, const void *at, size_t n)
{
    assert(n <= sizeof(b->at) - b->n);
    memcpy(b->at + b->n, at, n);
    b->n += n;
}

static void put_be(struct bytes *b, uint64_t v, int size)
{
    for (int i = size - 1; i >= 0; i--)
        put(b, &(uint8_t){(uint8_t)(v >> 8 * i)}, 1);
}

static void put_varint(struct bytes *b, uint64_t v)
{
    for (; v > 127; v >>= 7)
        put(b, &(uint8_t){(uint8_t)(v | 128)}, 1);
    put(b, &(uint8_t){(uint8_t)v}, 1);
}

static void put_number(struct bytes *b, unsigned field, uint64_t v)
{
    if (v == 0)
        return;
    put_varint(b, field * 8);
    put_varint(b, v);
}

static void put_field(struct bytes *b, unsigned field, const void *at, size_t n)
{
    put_varint(b, field * 8 + 2);
    put_varint(b, n);
    put(b, at, n);
}

static void sha256(uint8_t out[32], const void *at, size_t n)
{
    int ok = EVP_Digest(at, n, out, NULL, EVP_sha256(), NULL);

    assert(ok == 1);
}

/* SHA-256(prefix || a || b) */
static void hash_two(uint8_t out[32], uint8_t prefix, const uint8_t a[32], const uint8_t b[32])
{
    uint8_t all[65] = {prefix};

    memcpy(all + 1, a, 32);
    memcpy(all + 33, b, 32);
    sha256(out, all, sizeof(all));
}

static bool signature_is_good(const uint8_t sig[64], const uint8_t *message, size_t n, const uint8_t key[32])
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, 32);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = pkey != NULL && ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
                EVP_DigestVerify(ctx, sig, 64, message, n) == 1;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return good;
}

/* ---- records ---- */

void naive_apply(struct naive_credential *c, const struct slk_event *e, uint16_t agency, uint64_t time_ms,
    const uint8_t id[32], const uint8_t leaf[32])
{
    static const int to[] = {[SLK_ISSUE] = 1,
        [SLK_REBIND] = 1,
        [SLK_LOCK] = 2,
        [SLK_UNLOCK] = 1,
        [SLK_RENEW] = 0, /* stays */
        [SLK_REVOKE] = 3};
    _Static_assert(sizeof(to) / sizeof(to[0]) == SLK_KIND_N, "a kind without a row");

    if (e->kind == SLK_ISSUE) {
        c->type = e->type;
        c->owner = agency;
        c->status_index = e->status_index;
    }
    if (e->has_device) {
        memcpy(c->device, e->device.b, 32);
        c->carrier = e->carrier;
    }
    if (e->valid_until_s != 0)
        c->valid_until_s = e->valid_until_s;
    if (to[e->kind] != 0) {
        c->state = to[e->kind];
        c->reason = e->reason;
    }
    memcpy(c->handle, e->credential, 32);
    memcpy(c->last_id, id, 32);
    hash_two(c->history, 2, c->history, leaf);
    c->recorded_at_ms = time_ms;
    c->count++;
}

void naive_record(uint8_t out[144], const struct naive_credential *c)
{
    struct bytes b;

    b.n = 0;
    put(&b, c->history, 32);
    put(&b, c->last_id, 32);
    put_be(&b, c->count, 8);
    put_be(&b, (uint64_t)c->state, 1);
    put_be(&b, c->carrier, 1);
    put_be(&b, c->type, 4);
    put_be(&b, c->owner, 2);
    put_be(&b, c->valid_until_s, 8);
    put_be(&b, c->recorded_at_ms, 8);
    put_be(&b, c->status_index, 4);
    put_be(&b, c->reason, 4);
    put(&b, c->device, 32);
    put_be(&b, 0, 8);
    assert(b.n == 144);
    memcpy(out, b.at, 144);
}

/* ---- the ledger ---- */

#define CREDENTIALS_MAX 512
#define LEAVES_MAX      32768

struct naive {
    const struct slk_charter *charter;
    uint8_t charter_hash[32], next_charter_hash[32], chain_id[32], seal_hash[32];
    uint64_t height, time_ms, previous_time_ms;
    size_t credentials_n, leaves_n;
    struct naive_credential credentials[CREDENTIALS_MAX];
    uint8_t leaves[LEAVES_MAX][32];
    size_t used_n; /* status indexes */
    struct {
        uint32_t type, index;
    } used[LEAVES_MAX];
};

static struct naive_credential *find(struct naive *n, const uint8_t handle[32])
{
    for (size_t i = 0; i < n->credentials_n; i++)
        if (memcmp(n->credentials[i].handle, handle, 32) == 0)
            return &n->credentials[i];
    return NULL;
}

const struct naive_credential *naive_find(const struct naive *n, const uint8_t handle[32])
{
    for (size_t i = 0; i < n->credentials_n; i++)
        if (memcmp(n->credentials[i].handle, handle, 32) == 0)
            return &n->credentials[i];
    return NULL;
}

/* Entry { field: body }, its leaf hash appended and returned. */
static const uint8_t *add_entry(struct naive *n, unsigned field, const struct bytes *body)
{
    static struct bytes leaf;

    leaf.n = 0;
    put_be(&leaf, 0, 1);
    put_field(&leaf, field, body->at, body->n);
    assert(n->leaves_n < LEAVES_MAX);
    sha256(n->leaves[n->leaves_n], leaf.at, leaf.n);
    return n->leaves[n->leaves_n++];
}

static void tagged_hash(uint8_t out[32], const char tag[16], struct slk_span bytes)
{
    static struct bytes all;

    all.n = 0;
    put(&all, tag, 16);
    put(&all, bytes.at, bytes.size);
    sha256(out, all.at, all.n);
}

static void add_seal(struct naive *n, uint32_t proposer, uint32_t origin_view)
{
    struct bytes seal;
    uint8_t root[32];

    naive_map_root(n, root);
    seal.n = 0;
    put_number(&seal, 1, n->height);
    put_number(&seal, 2, n->time_ms);
    if (n->height > 0)
        put_field(&seal, 3, n->seal_hash, 32);
    put_field(&seal, 4, root, 32);
    put_field(&seal, 5, n->charter_hash, 32);
    put_field(&seal, 6, n->next_charter_hash, 32);
    put_number(&seal, 7, proposer);
    put_number(&seal, 8, origin_view);
    memcpy(n->seal_hash, add_entry(n, 4, &seal), 32);
}

struct naive *naive_new(const struct slk_charter *charter, struct slk_span bytes)
{
    struct naive *n = calloc(1, sizeof(*n));
    struct bytes body;

    assert(n != NULL);
    n->charter = charter;
    n->time_ms = charter->created_at_ms;
    tagged_hash(n->charter_hash, "sillok/charter/1", bytes);
    memcpy(n->next_charter_hash, n->charter_hash, 32);
    tagged_hash(n->chain_id, "sillok/genesis/1", bytes);
    body.n = 0;
    put_field(&body, 1, bytes.at, bytes.size);
    (void)add_entry(n, 3, &body);
    add_seal(n, 0, 0);
    return n;
}

void naive_free(struct naive *n)
{
    free(n);
}

void naive_begin(struct naive *n, uint64_t time_ms)
{
    n->height++;
    n->previous_time_ms = n->time_ms;
    n->time_ms = time_ms;
}

void naive_cancel(struct naive *n)
{
    n->height--;
    n->time_ms = n->previous_time_ms;
}

void naive_change(struct naive *n, struct slk_span entry)
{
    static struct bytes leaf;

    leaf.n = 0;
    put_be(&leaf, 0, 1);
    assert(entry.size < sizeof(leaf.at) && n->leaves_n < LEAVES_MAX);
    memcpy(leaf.at + leaf.n, entry.at, entry.size);
    sha256(n->leaves[n->leaves_n++], leaf.at, leaf.n + entry.size);
}

void naive_next(struct naive *n, const uint8_t charter_hash[32])
{
    memcpy(n->next_charter_hash, charter_hash, 32);
}

void naive_govern(struct naive *n, const struct slk_charter *charter, const uint8_t charter_hash[32])
{
    n->charter = charter;
    memcpy(n->charter_hash, charter_hash, 32);
}

void naive_end(struct naive *n, uint32_t proposer, uint32_t origin_view)
{
    add_seal(n, proposer, origin_view);
}

static bool index_used(const struct naive *n, const struct slk_event *e)
{
    for (size_t i = 0; i < n->used_n; i++)
        if (n->used[i].type == e->type && n->used[i].index == e->status_index)
            return true;
    return false;
}

/* Judges one event and, when it is good, makes it part of the ledger. The head goes to the verdict, if there is one. */
static enum slk_rule take_event(
    struct naive *n, const struct slk_issuer *issuer, struct slk_span bytes, struct naive_verdict *verdict)
{
    struct slk_event event;
    enum slk_err err = slk_event_parse(&event, bytes);
    struct naive_credential *credential = find(n, event.credential);
    struct naive_case c = {n->charter, issuer, credential, &event, index_used(n, &event), n->time_ms};
    enum slk_rule rule = naive_judge(&c);
    struct bytes recorded;
    uint8_t id[32];

    assert(err == SLK_OK);
    if (rule != SLK_RULE_OK && verdict == NULL)
        return rule;
    if (rule != SLK_RULE_OK) {
        verdict->head_count = credential != NULL ? credential->count : 0;
        if (credential != NULL)
            memcpy(verdict->head_id, credential->last_id, 32);
        return rule;
    }
    if (credential == NULL) {
        assert(n->credentials_n < CREDENTIALS_MAX);
        credential = &n->credentials[n->credentials_n++];
    }
    tagged_hash(id, "sillok/event/1\0", bytes);
    recorded.n = 0;
    put_number(&recorded, 1, n->time_ms);
    put_field(&recorded, 2, bytes.at, bytes.size);
    naive_apply(credential, &event, issuer->agency, n->time_ms, id, add_entry(n, 1, &recorded));
    if (event.kind == SLK_ISSUE) {
        n->used[n->used_n].type = event.type;
        n->used[n->used_n].index = event.status_index;
        n->used_n++;
    }
    return SLK_RULE_OK;
}

/* The parts of a canonical Submission: 0a 08 key id, 12 40 signature, then 1a length event. */
struct parts {
    const uint8_t *key_id, *signature;
    struct slk_span events[SLK_SUBMISSION_EVENTS_MAX];
    size_t events_n;
};

static void take_apart(struct parts *p, struct slk_span s)
{
    size_t at = 2 + 8 + 2 + 64;

    p->key_id = s.at + 2;
    p->signature = s.at + 2 + 8 + 2;
    p->events_n = 0;
    while (at < s.size) {
        size_t size = s.at[++at];

        if (size >= 128)
            size = size - 128 + (size_t)s.at[++at] * 128;
        at++;
        p->events[p->events_n++] = (struct slk_span){s.at + at, size};
        at += size;
    }
}

static const struct slk_issuer *issuer_of(const struct naive *n, const uint8_t key_id[8])
{
    for (size_t i = 0; i < n->charter->issuers_n; i++) {
        uint8_t hash[32];

        sha256(hash, n->charter->issuers[i].public_key, 32);
        if (memcmp(hash, key_id, 8) == 0)
            return &n->charter->issuers[i];
    }
    return NULL;
}

/* What is checked before the ledger's state is looked at. */
static enum slk_rule admit(
    const struct naive *n, const struct parts *p, const struct slk_issuer *issuer, size_t *at)
{
    static struct bytes ids;
    struct bytes statement;
    uint8_t hash[32];

    *at = SIZE_MAX;
    if (p->events_n > n->charter->submission_events)
        return SLK_RULE_SUBMISSION_SIZE;
    ids.n = 0;
    for (size_t i = 0; i < p->events_n; i++) {
        struct slk_event event;
        struct naive_case c = {.event = &event};

        *at = i;
        if (slk_event_parse(&event, p->events[i]) != SLK_OK)
            return SLK_RULE_EVENT_MALFORMED;
        if (field_missing(&c))
            return SLK_RULE_FIELD_MISSING;
        if (field_not_allowed(&c))
            return SLK_RULE_FIELD_NOT_ALLOWED;
        tagged_hash(hash, "sillok/event/1\0", p->events[i]);
        put(&ids, hash, 32);
    }
    *at = SIZE_MAX;
    if (issuer == NULL)
        return SLK_RULE_ISSUER_UNKNOWN;
    sha256(hash, ids.at, ids.n);
    statement.n = 0;
    put(&statement, "sillok/submit/1", 16);
    put(&statement, n->chain_id, 32);
    put_be(&statement, p->events_n, 4);
    put(&statement, hash, 32);
    return signature_is_good(p->signature, statement.at, statement.n, issuer->public_key)
               ? SLK_RULE_OK
               : SLK_RULE_SIGNATURE;
}

void naive_submit(struct naive *n, struct slk_span submission, struct naive_verdict *verdict)
{
    static struct parts p;
    struct naive *before = malloc(sizeof(*before));
    const struct slk_issuer *issuer;
    struct bytes authorization;

    assert(before != NULL);
    memcpy(before, n, sizeof(*n));
    take_apart(&p, submission);
    issuer = issuer_of(n, p.key_id);
    memset(verdict, 0, sizeof(*verdict));
    verdict->first_index = n->leaves_n;
    verdict->rule = admit(n, &p, issuer, &verdict->event);
    for (size_t i = 0; i < p.events_n; i++)
        verdict->events[i] = i == verdict->event ? verdict->rule : SLK_RULE_NOT_JUDGED;
    if (verdict->rule == SLK_RULE_OK) {
        for (size_t i = 0; i < p.events_n; i++) {
            struct naive_verdict *first = verdict->rule == SLK_RULE_OK ? verdict : NULL;

            verdict->events[i] = take_event(n, issuer, p.events[i], first);
            if (first != NULL && verdict->events[i] != SLK_RULE_OK) {
                verdict->rule = verdict->events[i];
                verdict->event = i;
            }
        }
    }
    if (verdict->rule != SLK_RULE_OK) {
        memcpy(n, before, sizeof(*n)); /* as if it had never come */
    } else {
        authorization.n = 0;
        put_field(&authorization, 1, p.key_id, 8);
        put_number(&authorization, 2, p.events_n);
        put_field(&authorization, 3, p.signature, 64);
        (void)add_entry(n, 2, &authorization);
    }
    free(before);
}

/* ---- roots ---- */

struct leaf {
    uint8_t path[32], hash[32];
};

/* design §5: the leaves all share the first `depth` bits of their paths. */
static void map_root(uint8_t out[32], const struct leaf *leaves, size_t n, unsigned depth)
{
    struct leaf *side[2];
    size_t side_n[2] = {0, 0};
    uint8_t child[2][32];

    if (n == 0) {
        memset(out, 0, 32);
        return;
    }
    if (n == 1) {
        memcpy(out, leaves[0].hash, 32);
        return;
    }
    for (int s = 0; s < 2; s++) {
        side[s] = malloc(n * sizeof(*leaves));
        assert(side[s] != NULL);
    }
    for (size_t i = 0; i < n; i++) {
        int bit = leaves[i].path[depth / 8] >> (7 - depth % 8) & 1;

        side[bit][side_n[bit]++] = leaves[i];
    }
    for (int s = 0; s < 2; s++) {
        map_root(child[s], side[s], side_n[s], depth + 1);
        free(side[s]);
    }
    hash_two(out, 1, child[0], child[1]);
}

void naive_map_root(const struct naive *n, uint8_t out[32])
{
    struct leaf *leaves = malloc((n->credentials_n + 1) * sizeof(*leaves));

    assert(leaves != NULL);
    for (size_t i = 0; i < n->credentials_n; i++) {
        uint8_t record[144], value[32];

        naive_record(record, &n->credentials[i]);
        sha256(value, record, sizeof(record));
        sha256(leaves[i].path, n->credentials[i].handle, 32);
        hash_two(leaves[i].hash, 0, leaves[i].path, value);
    }
    map_root(out, leaves, n->credentials_n, 0);
    free(leaves);
}

/* RFC 6962 §2.1: MTH(D[n]) = SHA-256(0x01 || MTH(D[0:k]) || MTH(D[k:n])), k the largest power of two below n */
static void log_root(uint8_t out[32], const uint8_t (*leaves)[32], size_t n)
{
    uint8_t left[32], right[32];
    size_t k = 1;

    if (n == 0) {
        sha256(out, "", 0);
        return;
    }
    if (n == 1) {
        memcpy(out, leaves[0], 32);
        return;
    }
    while (2 * k < n)
        k *= 2;
    log_root(left, leaves, k);
    log_root(right, leaves + k, n - k);
    hash_two(out, 1, left, right);
}

void naive_log_root(const struct naive *n, uint8_t out[32])
{
    log_root(out, (const uint8_t(*)[32])n->leaves, n->leaves_n);
}

size_t naive_log_size(const struct naive *n)
{
    return n->leaves_n;
}

const uint8_t *naive_chain_id(const struct naive *n)
{
    return n->chain_id;
}
