/* full_make.c: who there is, and what they send. */
#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/checkpoint.h"
#include "ledger/verify/note.h"
#include "tests/sim/full.h"

enum { TYPE = 1, REASON = 1, POLICE = 100, ISSUER_NUMBERS = 200, LOG_NUMBERS = 1002 };
enum { INDEXES = 150 }; /* few: two credentials often want the same place */

static const uint64_t genesis_ms = 1000000000000ull; /* the world's clocks begin there */
static const uint64_t year_s = 31622400;

/* Keys from numbers: every run of every seed has the same ones. */
void full_make_key(unsigned number, uint8_t public[SLK_KEY_SIZE], uint8_t secret[SLK_SIGNATURE_SIZE])
{
    uint8_t seed[crypto_sign_SEEDBYTES] = {0x5e, (uint8_t)(number >> 8), (uint8_t)number};

    if (crypto_sign_seed_keypair(public, secret, seed) != 0)
        abort();
}

static void add_issuer(
    struct slk_charter *c, uint16_t agency, unsigned number, uint8_t secret[SLK_SIGNATURE_SIZE])
{
    struct slk_issuer *issuer = &c->issuers[c->issuers_n++];

    full_make_key(number, issuer->public_key, secret);
    issuer->agency = agency;
    issuer->any_agency = number == POLICE;
    issuer->kinds = number == POLICE ? 1u << SLK_LOCK : SLK_KINDS_ALL;
    issuer->not_before_s = genesis_ms / 1000 - 86400;
    issuer->not_after_s = genesis_ms / 1000 + 10 * year_s;
    issuer->types_n = 1;
    issuer->types[0] = TYPE;
    (void)snprintf(issuer->name, sizeof(issuer->name), "issuer-%u", number);
}

static void add_member(struct slk_charter *c, unsigned member)
{
    struct slk_member *m = &c->members[c->members_n++];
    uint8_t secret[SLK_SIGNATURE_SIZE];

    m->agency = (uint16_t)(member + 1);
    m->role = SLK_VOTING;
    (void)snprintf(m->name, sizeof(m->name), "agency-%u.example", member);
    full_make_key(1000 + 4 * member, m->vote_key, secret);
    full_add_key(m->vote_key, secret);
    full_make_key(1001 + 4 * member, m->cosign_key, secret);
    full_make_key(LOG_NUMBERS + 4 * member, m->log_key, secret);
    full_make_key(1003 + 4 * member, m->node_key, secret);
    add_issuer(c, m->agency, ISSUER_NUMBERS + member, full.issuer_secrets[member]);
}

static void fill_charter(struct slk_charter *c, unsigned members)
{
    (void)snprintf(c->origin, sizeof(c->origin), "ledger.example/sim");
    c->version = 1;
    c->created_at_ms = genesis_ms;
    c->block_events = 512;
    c->block_bytes = 65536;
    c->submission_events = FULL_EVENTS_MAX;
    c->delta_ms = 100;
    c->heartbeat_s = 600;
    c->fresh_s = 60;
    c->types_n = c->reasons_n = 1;
    c->types[0] = (struct slk_credential_type){
        .code = TYPE, .name = "card", .max_validity_s = 3 * year_s, .status_list_size = 4096};
    c->reasons[0] = (struct slk_reason){.code = REASON, .name = "LOST"};
    for (unsigned i = 0; i < members; i++)
        add_member(c, i);
    if (full.is_changing && members > 1 && random_chance(&full.random, 500))
        c->members[members - 1].role = SLK_OBSERVER; /* until a change lets it vote */
    add_issuer(c, 1, POLICE, full.police_secret);
}

void full_make_charter(struct world *w)
{
    struct slk_charter *c = calloc(1, sizeof(*c));
    struct slk_fault fault;

    full.charter = calloc(1, sizeof(*full.charter));
    full.charter_bytes = malloc(SLK_CHARTER_BYTES_MAX);
    if (c == NULL || full.charter == NULL || full.charter_bytes == NULL || sodium_init() < 0)
        abort();
    fill_charter(c, w->n);
    slk_charter_sort(c);
    full.charter_size = slk_charter_format(full.charter_bytes, SLK_CHARTER_BYTES_MAX, c);
    if (full.charter_size == 0 ||
        slk_charter_parse(full.charter, slk_span_of(full.charter_bytes, full.charter_size)) != SLK_OK ||
        slk_charter_validate_genesis(full.charter, &fault) != SLK_OK)
        abort();
    free(c);
}

/* ---- signatures of votes and receipts: real ones, or sums that only full_sign can make ---- */

static void keyed_sum(
    const uint8_t *secret, const uint8_t *bytes, size_t size, uint8_t sig[SLK_SIGNATURE_SIZE])
{
    struct slk_sha sha;
    struct slk_hash sum;

    slk_sha_init(&sha);
    slk_sha_add(&sha, secret, SLK_SIGNATURE_SIZE);
    slk_sha_add(&sha, bytes, size);
    slk_sha_final(&sha, &sum);
    memset(sig, 0x55, SLK_SIGNATURE_SIZE);
    memcpy(sig, sum.b, SLK_HASH_SIZE);
}

void full_sign(const struct slk_charter *charter, unsigned member, const uint8_t *bytes, size_t size,
    uint8_t sig[SLK_SIGNATURE_SIZE])
{
    const struct slk_member *m = slk_charter_member(charter, (uint16_t)(member + 1));
    const uint8_t *secret = m != NULL ? full_secret(m->vote_key) : NULL;

    if (secret == NULL)
        memset(sig, 0, SLK_SIGNATURE_SIZE); /* an observer for ever */
    else if (!full.is_real)
        keyed_sum(secret, bytes, size, sig);
    else if (crypto_sign_detached(sig, NULL, bytes, size, secret) != 0)
        abort();
}

static bool verify(void *ctx, const uint8_t sig[SLK_SIGNATURE_SIZE], const uint8_t *message, size_t size,
    const uint8_t key[SLK_KEY_SIZE])
{
    uint8_t expected[SLK_SIGNATURE_SIZE];
    const uint8_t *secret;

    (void)ctx;
    if (full.is_real)
        return slk_verifier_ed25519.verify(slk_verifier_ed25519.ctx, sig, message, size, key);
    secret = full_secret(key);
    if (secret == NULL)
        return false;
    keyed_sum(secret, message, size, expected);
    return memcmp(expected, sig, sizeof(expected)) == 0;
}

const struct slk_verifier full_verifier = {.verify = verify};

size_t full_make_note(
    const struct world *w, unsigned member, const struct slk_tree_head *head, uint8_t out[FULL_NOTE_MAX])
{
    const char *origin = full.charter->origin;
    struct slk_checkpoint checkpoint = {
        .origin = slk_span_of((const uint8_t *)origin, strlen(origin)), .head = *head};
    struct slk_writer note = {.at = out, .cap = FULL_NOTE_MAX};
    uint8_t key[SLK_KEY_SIZE], secret[SLK_SIGNATURE_SIZE], blob[4 + SLK_SIGNATURE_SIZE];
    struct slk_vkey log;

    if (member >= w->n)
        return 0;
    full_make_key(LOG_NUMBERS + 4 * member, key, secret);
    if (slk_vkey_init(&log, origin, SLK_SIG_ED25519, key) != SLK_OK)
        abort();
    note.size = slk_checkpoint_format((char *)out, &checkpoint);
    slk_put_u32(blob, log.key_hash);
    if (crypto_sign_detached(blob + 4, NULL, out, note.size, secret) != 0)
        abort();
    slk_write_bytes(&note, "\n", 1);
    slk_note_write_sig(&note, origin, strlen(origin), blob, sizeof(blob));
    assert(!note.bad);
    return note.size;
}

/* ---- what issuers send ---- */

static void handle_of(unsigned credential, uint8_t out[SLK_HANDLE_SIZE])
{
    uint8_t number[4];
    struct slk_hash hash;

    slk_put_u32(number, credential);
    slk_hash_bytes(&hash, number, sizeof(number));
    memcpy(out, hash.b, SLK_HANDLE_SIZE);
}

/* What this process's map says of a credential: an issuer asks before it signs. */
static bool look_up(const struct ledger *l, const uint8_t handle[SLK_HANDLE_SIZE], struct slk_record *out)
{
    struct slk_map_found found;
    struct slk_hash path;

    slk_hash_bytes(&path, handle, SLK_HANDLE_SIZE);
    if (!slk_map_find(l->machine.map, &path, &found))
        return false;
    for (uint64_t h = l->p->disk.height; h > 0; h--) {
        const struct executed *x = full_executed(l->p->disk.chain[h]);
        struct slk_row row;

        if (found.row < x->first_row)
            continue;
        slk_row_parse(&row, x->rows, found.row - x->first_row);
        return slk_record_parse(out, row.record) == SLK_OK;
    }
    return false;
}

static enum slk_kind next_kind(const struct slk_record *record)
{
    static const enum slk_kind active[] = {SLK_LOCK, SLK_LOCK, SLK_LOCK, SLK_REBIND, SLK_RENEW, SLK_REVOKE};
    static const enum slk_kind locked[] = {
        SLK_UNLOCK, SLK_UNLOCK, SLK_UNLOCK, SLK_REBIND, SLK_RENEW, SLK_REVOKE};

    if (random_chance(&full.random, 40)) /* a mistake */
        return (enum slk_kind)random_between(&full.random, SLK_ISSUE, SLK_REVOKE);
    if (record->state == SLK_ACTIVE)
        return active[random_below(&full.random, 6)];
    return record->state == SLK_LOCKED ? locked[random_below(&full.random, 6)] : SLK_ISSUE;
}

static void random_bytes(uint8_t out[SLK_HASH_SIZE])
{
    for (unsigned i = 0; i < SLK_HASH_SIZE; i += 8)
        slk_put_u64(out + i, random_bits(&full.random));
}

static void fill_event(
    struct slk_event *e, enum slk_kind kind, const struct slk_record *record, uint64_t now_s)
{
    e->kind = kind;
    e->channel = SLK_ONLINE;
    e->occurred_at_s = now_s - random_below(&full.random, 1000);
    if (record != NULL) {
        e->sequence = record->count;
        e->has_previous = true;
        e->previous = record->last_event_id;
    }
    if (kind == SLK_ISSUE || kind == SLK_REBIND) {
        e->has_device = true;
        random_bytes(e->device.b);
        e->carrier = SLK_PHONE;
    }
    if (kind == SLK_ISSUE) {
        e->type = TYPE;
        e->status_index = (uint32_t)random_below(&full.random, INDEXES);
    }
    if (kind == SLK_ISSUE || kind == SLK_RENEW)
        e->valid_until_s = now_s + year_s + random_below(&full.random, year_s);
    if (kind == SLK_LOCK || kind == SLK_REVOKE)
        e->reason = REASON;
}

struct draft {
    struct slk_event events[FULL_EVENTS_MAX];
    size_t events_n;
    unsigned member; /* whose issuer signs */
    bool by_police;
};

static void finish(const struct draft *d, unsigned id)
{
    uint8_t bytes[FULL_EVENTS_MAX][SLK_EVENT_MAX], statement[SLK_SUBMIT_STATEMENT_SIZE];
    struct slk_span spans[FULL_EVENTS_MAX];
    struct slk_hash ids[FULL_EVENTS_MAX], chain_id;
    struct slk_submission s = {.events_n = d->events_n, .event_bytes = spans};
    const uint8_t *secret = d->by_police ? full.police_secret : full.issuer_secrets[d->member];
    const size_t cap = FULL_EVENTS_MAX * (SLK_EVENT_MAX + 3) + 128;
    struct thing *t = calloc(1, sizeof(*t));

    if (t == NULL || (t->bytes = malloc(cap)) == NULL)
        abort();
    t->is_lock = true;
    t->events_n = d->events_n;
    for (size_t i = 0; i < d->events_n; i++) {
        const struct slk_event *e = &d->events[i];

        spans[i] = slk_span_of(bytes[i], slk_event_format(bytes[i], SLK_EVENT_MAX, e));
        slk_event_id(&ids[i], spans[i]);
        memcpy(t->events[i].handle, e->credential, SLK_HANDLE_SIZE);
        t->events[i].sequence = e->sequence;
        t->events[i].is_issue = e->kind == SLK_ISSUE;
        t->events[i].status_index = e->status_index;
        t->is_lock &= e->kind == SLK_LOCK;
    }
    slk_charter_chain_id(&chain_id, slk_span_of(full.charter_bytes, full.charter_size));
    slk_submission_statement(statement, &chain_id, ids, d->events_n);
    slk_hash_bytes(&t->id, statement, sizeof(statement));
    if (crypto_sign_detached(s.signature, NULL, statement, sizeof(statement), secret) != 0)
        abort();
    slk_key_id(s.key_id, secret + SLK_KEY_SIZE); /* libsodium: the public key stands behind the seed */
    memcpy(t->key_id, s.key_id, SLK_KEY_ID_SIZE);
    t->agency = (uint16_t)(d->by_police ? 1 : d->member + 1);
    t->size = slk_submission_format(t->bytes, cap, &s);
    assert(t->size > 0);
    full.things[id] = t;
    full.events_n += d->events_n;
}

/* An issuer of the credential's owner, or the police. Adds one event to the draft, if it fits the draft's signer. */
static void add_event(const struct ledger *l, struct draft *d, uint64_t now_s)
{
    bool is_new =
        full.credentials_n < FULL_CREDENTIALS && (full.credentials_n < 4 || random_chance(&full.random, 250));
    unsigned credential =
        is_new ? full.credentials_n : (unsigned)random_below(&full.random, full.credentials_n);
    struct slk_event *e = &d->events[d->events_n];
    struct slk_record record;
    bool is_there;

    memset(e, 0, sizeof(*e));
    handle_of(credential, e->credential);
    for (size_t i = 0; i < d->events_n; i++)
        if (memcmp(d->events[i].credential, e->credential, SLK_HANDLE_SIZE) == 0)
            return;
    is_there = look_up(l, e->credential, &record);
    if (d->events_n == 0 && is_there)
        d->member = record.owner_agency - 1u;
    if (is_there && record.owner_agency != d->member + 1 && !random_chance(&full.random, 20))
        return;
    if (d->by_police && (!is_there || record.state != SLK_ACTIVE))
        return;
    fill_event(e,
        d->by_police ? SLK_LOCK
        : is_there   ? next_kind(&record)
                     : SLK_ISSUE,
        is_there ? &record : NULL, now_s);
    d->events_n++;
    full.credentials_n += is_new;
}

bool full_make_thing(struct ledger *l, unsigned id)
{
    uint64_t now_s = process_wall_ms(l->w, l->p) / 1000, wanted = 1 + random_below(&full.random, 3);
    struct draft d = {.events_n = 0};

    if (now_s < genesis_ms / 1000)
        now_s = l->machine.tip.time_ms / 1000; /* an issuer has a clock of its own */
    d.member = (unsigned)random_below(&full.random, l->w->n);
    d.by_police = random_chance(&full.random, 150);
    for (uint64_t i = 0; i < wanted; i++)
        add_event(l, &d, now_s);
    if (d.events_n == 0)
        return false;
    finish(&d, id);
    return true;
}

void full_make_rival(unsigned of, unsigned id)
{
    const struct thing *t = full.things[of];
    struct slk_submission s = {.events_n = 0};
    struct draft d = {.events_n = t->events_n, .member = t->agency - 1u};

    if (slk_submission_parse(&s, slk_span_of(t->bytes, t->size)) != SLK_OK)
        abort();
    for (size_t i = 0; i < t->events_n; i++) {
        if (slk_event_parse(&d.events[i], s.event_bytes[i]) != SLK_OK)
            abort();
        d.events[i].occurred_at_s -= 1 + random_below(&full.random, 100000);
        if (d.events[i].kind == SLK_ISSUE && random_chance(&full.random, 500))
            d.events[i].status_index = (uint32_t)random_below(&full.random, INDEXES);
    }
    d.by_police = false;
    for (size_t i = 0; i < full.charter->issuers_n; i++)
        if (full.charter->issuers[i].any_agency &&
            memcmp(full.charter->issuers[i].key_id, t->key_id, SLK_KEY_ID_SIZE) == 0)
            d.by_police = true;
    slk_submission_free(&s);
    finish(&d, id);
}
