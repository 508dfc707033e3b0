#include "tests/unit/ledger_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/embed/ledger_private.h"
#include "tests/scratch.h"

#define AGENCIES_N 3u

/* A fixture that cannot be made is a broken test, not a failing one. */
static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "fixture: %s\n", what);
    abort();
}

/* ---- charter and keys ---- */

static void seed_of(uint8_t seed[32], const char *what, uint64_t number)
{
    struct slk_sha sha;
    struct slk_hash hash;
    uint8_t bytes[8];

    slk_put_u64(bytes, number);
    slk_sha_init(&sha);
    slk_sha_add(&sha, what, strlen(what));
    slk_sha_add(&sha, bytes, sizeof(bytes));
    slk_sha_final(&sha, &hash);
    memcpy(seed, hash.b, 32);
}

struct slk_key *fixture_key(unsigned number)
{
    struct slk_key *key;
    uint8_t seed[32];

    seed_of(seed, "fixture/key", number);
    must(slk_key_from_seed(&key, seed) == SLK_OK, "no key");
    return key;
}

static void put_public(uint8_t out[SLK_KEY_SIZE], unsigned number)
{
    struct slk_key *key = fixture_key(number);

    memcpy(out, slk_key_public(key), SLK_KEY_SIZE);
    slk_key_free(key);
}

static void add_members(struct slk_charter *c, unsigned voting_n, unsigned observers_n)
{
    for (unsigned i = 0; i < AGENCIES_N || i < voting_n + observers_n; i++) {
        struct slk_member *m = &c->members[c->members_n++];

        m->agency = (uint16_t)(i + 1);
        m->role = i < voting_n ? SLK_VOTING : SLK_OBSERVER;
        snprintf(m->name, sizeof(m->name), "agency-%u.example", i + 1);
        put_public(m->vote_key, 4 * i + KEY_VOTE);
        put_public(m->cosign_key, 4 * i + KEY_COSIGN);
        put_public(m->log_key, 4 * i + KEY_LOG);
        put_public(m->node_key, 4 * i + KEY_NODE);
    }
}

static void add_issuers(struct slk_charter *c)
{
    const uint32_t all = SLK_KINDS_ALL, lock = 1u << SLK_LOCK;
    const struct {
        const char *name;
        uint16_t agency;
        uint32_t kinds;
        bool any_agency, cards;
    } rights[] = {
        [MINISTRY] = {"ministry-office", 1, all, false, true},
        [MINT] = {"mint", 2, all, false, true},
        [REGULATOR] = {"carrier-regulator", 3, lock, true, false},
        [POLICE] = {"police", 3, lock | 1u << SLK_REVOKE, true, true},
    };

    for (unsigned i = 0; i < STRANGER; i++) {
        struct slk_issuer *issuer = &c->issuers[c->issuers_n++];

        put_public(issuer->public_key, KEY_ISSUER + i);
        snprintf(issuer->name, sizeof(issuer->name), "%s", rights[i].name);
        issuer->agency = rights[i].agency;
        issuer->kinds = rights[i].kinds;
        issuer->any_agency = rights[i].any_agency;
        issuer->not_before_s = FIXTURE_START_MS / 1000;
        issuer->not_after_s = FIXTURE_START_MS / 1000 + 20 * 366 * FIXTURE_DAY_S;
        if (rights[i].cards)
            issuer->types[issuer->types_n++] = FIXTURE_CARD;
        if (i != MINT)
            issuer->types[issuer->types_n++] = FIXTURE_PHONE;
    }
}

static struct slk_charter *draft(const struct fixture_shape *shape)
{
    static const char *const reasons[] = {
        "LOST", "STOLEN", "HOLDER_REQUEST", "REPLACED", "ISSUED_IN_ERROR", "ENDED", "INTEGRITY"};
    struct slk_charter *c = calloc(1, sizeof(*c));

    must(c != NULL, "out of memory");
    snprintf(c->origin, sizeof(c->origin), "%s", FIXTURE_ORIGIN);
    c->version = 1;
    c->created_at_ms = FIXTURE_START_MS;
    add_members(c, shape->voting_n, shape->observers_n);
    add_issuers(c);
    c->types_n = 2;
    c->types[0] =
        (struct slk_credential_type){FIXTURE_CARD, "resident-card", FIXTURE_YEARS_3_S, FIXTURE_PLACES};
    c->types[1] =
        (struct slk_credential_type){FIXTURE_PHONE, "resident-phone", FIXTURE_YEARS_3_S, FIXTURE_PLACES};
    for (uint32_t i = 0; i + 1 < FIXTURE_REASON_N; i++) {
        c->reasons[i].code = i + 1;
        snprintf(c->reasons[i].name, sizeof(c->reasons[i].name), "%s", reasons[i]);
        c->reasons_n++;
    }
    c->block_events = shape->block_events;
    c->block_bytes = SLK_BLOCK_BYTES_MAX;
    c->submission_events = shape->submission_events;
    c->delta_ms = 500;
    c->heartbeat_s = 60;
    c->fresh_s = 300;
    slk_charter_sort(c);
    return c;
}

static void make_charter(struct fixture *f, const struct fixture_shape *shape)
{
    struct slk_charter *c = draft(shape);
    struct slk_fault fault = {0};

    f->charter_bytes = malloc(SLK_CHARTER_BYTES_MAX);
    must(f->charter_bytes != NULL, "out of memory");
    f->charter_size = slk_charter_format(f->charter_bytes, SLK_CHARTER_BYTES_MAX, c);
    must(f->charter_size > 0, "the charter cannot be printed");
    must(slk_charter_parse(c, slk_span_of(f->charter_bytes, f->charter_size)) == SLK_OK,
        "the charter does not parse");
    must(slk_charter_validate_genesis(c, &fault) == SLK_OK, fault.text);
    slk_charter_chain_id(&f->chain_id, slk_span_of(f->charter_bytes, f->charter_size));
    f->charter = c;
}

void fixture_open_without_dir(struct fixture *f, const struct fixture_shape *shape)
{
    const struct fixture_shape usual = {.voting_n = 1, .block_events = 4096, .submission_events = 4096};

    memset(f, 0, sizeof(*f));
    make_charter(f, shape != NULL ? shape : &usual);
    f->vote_key = fixture_key(KEY_VOTE);
    f->log_key = fixture_key(KEY_LOG);
    f->cosign_key = fixture_key(KEY_COSIGN);
    for (unsigned i = 0; i < FIXTURE_ISSUERS_N; i++)
        f->issuers[i] = fixture_key(KEY_ISSUER + i);
    f->now_ms = FIXTURE_START_MS + 1000;
}

void fixture_open(struct fixture *f, const struct fixture_shape *shape)
{
    fixture_open_without_dir(f, shape);
    must(scratch_make(f->root, sizeof(f->root), "test"), "no temporary directory");
    snprintf(f->dir, sizeof(f->dir), "%s/ledger", f->root);
}

void fixture_close(struct fixture *f)
{
    if (f->root[0] != '\0')
        scratch_remove(f->root);
    for (unsigned i = 0; i < FIXTURE_ISSUERS_N; i++)
        slk_key_free(f->issuers[i]);
    slk_key_free(f->vote_key);
    slk_key_free(f->log_key);
    slk_key_free(f->cosign_key);
    free(f->charter_bytes);
    free(f->charter);
    memset(f, 0, sizeof(*f));
}

uint64_t fixture_clock(void *fixture)
{
    struct fixture *f = fixture;

    f->now_ms += f->step_ms;
    return f->now_ms;
}

struct slk_ledger_options fixture_options(struct fixture *f)
{
    return (struct slk_ledger_options){.vote_key = f->vote_key,
        .log_key = f->log_key,
        .cosign_key = f->cosign_key,
        .clock_ms = fixture_clock,
        .clock_ctx = f,
        .threads = 1};
}

/* ---- directories ---- */

static void copy_file(const char *from, const char *to)
{
    static uint8_t buffer[1 << 16];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    size_t n;

    must(in != NULL && out != NULL, "a file cannot be copied");
    while ((n = fread(buffer, 1, sizeof(buffer), in)) > 0)
        must(fwrite(buffer, 1, n, out) == n, "a file cannot be copied");
    must(ferror(in) == 0 && fclose(out) == 0, "a file cannot be copied");
    fclose(in);
}

void fixture_copy(const char *from, const char *to)
{
    static const char *const names[] = {"data.mdb", "snapshot.0", "snapshot.1"};

    must(mkdir(to, 0700) == 0, "no directory for a copy");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char a[1024], b[1024];

        must(snprintf(a, sizeof(a), "%s/%s", from, names[i]) < (int)sizeof(a) &&
                 snprintf(b, sizeof(b), "%s/%s", to, names[i]) < (int)sizeof(b),
            "a path is too long");
        if (access(a, F_OK) == 0)
            copy_file(a, b);
    }
}

/* ---- credentials and their events ---- */

struct fixture_life fixture_life(uint32_t type, uint32_t number)
{
    struct fixture_life life = {.number = number, .type = type};

    seed_of(life.handle, "fixture/handle", (uint64_t)type << 32 | number);
    return life;
}

struct slk_event fixture_event(const struct fixture_life *life, enum slk_kind kind, uint64_t now_ms)
{
    struct slk_event e = {.sequence = life->sequence, .kind = kind, .occurred_at_s = now_ms / 1000};
    bool binds = kind == SLK_ISSUE || kind == SLK_REBIND;

    memcpy(e.credential, life->handle, SLK_HANDLE_SIZE);
    e.has_previous = life->sequence > 0;
    e.previous = life->last_id;
    e.channel = kind == SLK_LOCK ? SLK_CARRIER_REPORT : SLK_OFFICE_QR;
    if (binds) {
        e.has_device = true;
        seed_of(e.device.b, "fixture/device",
            (uint64_t)life->type << 60 | (uint64_t)life->number << 24 | life->devices_n);
        e.carrier = life->type == FIXTURE_CARD ? SLK_CHIP_CARD : SLK_PHONE;
    }
    if (kind == SLK_ISSUE) {
        e.type = life->type;
        e.status_index = (life->number * 8 + life->issues_n % 8) % FIXTURE_PLACES;
        e.valid_until_s = now_ms / 1000 + FIXTURE_YEARS_3_S - 30 * FIXTURE_DAY_S;
        e.has_commitment = true;
        seed_of(e.commitment.b, "fixture/commitment", life->number);
    }
    if (kind == SLK_RENEW)
        e.valid_until_s = life->valid_until_s + 1;
    if (kind == SLK_LOCK)
        e.reason = LOST;
    if (kind == SLK_REVOKE)
        e.reason = ENDED;
    return e;
}

/* Each credential has 8 status indexes (fixture_event): the last is not revoked. */
enum slk_kind fixture_next_kind(const struct fixture_life *life, uint64_t choice)
{
    static const enum slk_kind active[] = {SLK_LOCK, SLK_LOCK, SLK_REBIND, SLK_RENEW, SLK_REVOKE};
    static const enum slk_kind locked[] = {SLK_UNLOCK, SLK_UNLOCK, SLK_REBIND, SLK_RENEW, SLK_REVOKE};
    uint64_t n = life->issues_n < 8 ? 5 : 4;

    if (life->state == SLK_ACTIVE)
        return active[choice % n];
    return life->state == SLK_LOCKED ? locked[choice % n] : SLK_ISSUE;
}

static void move_on(struct fixture_life *life, const struct slk_event *event, const struct slk_hash *id)
{
    life->sequence++;
    life->last_id = *id;
    life->devices_n += event->has_device ? 1 : 0;
    life->issues_n += event->kind == SLK_ISSUE ? 1 : 0;
    if (event->valid_until_s != 0)
        life->valid_until_s = event->valid_until_s;
    switch (event->kind) {
    case SLK_ISSUE:
    case SLK_REBIND:
    case SLK_UNLOCK:
        life->state = SLK_ACTIVE;
        break;
    case SLK_LOCK:
        life->state = SLK_LOCKED;
        break;
    case SLK_REVOKE:
        life->state = SLK_REVOKED;
        break;
    case SLK_RENEW:
    case SLK_KIND_N:
        break;
    }
}

void fixture_put(struct fixture_batch *batch, const struct slk_event *event, struct slk_hash *id)
{
    uint8_t *at;

    must(batch->n < SLK_SUBMISSION_EVENTS_MAX, "a batch is full");
    if (batch->n == batch->cap) {
        batch->cap = batch->cap == 0 ? 64 : 2 * batch->cap;
        batch->bytes = realloc(batch->bytes, batch->cap * SLK_EVENT_MAX);
        batch->sizes = realloc(batch->sizes, batch->cap * sizeof(*batch->sizes));
        must(batch->bytes != NULL && batch->sizes != NULL, "out of memory");
    }
    at = batch->bytes + batch->n * SLK_EVENT_MAX;
    batch->sizes[batch->n] = slk_event_format(at, SLK_EVENT_MAX, event);
    must(batch->sizes[batch->n] > 0, "an event cannot be printed");
    if (id != NULL)
        slk_event_id(id, slk_span_of(at, batch->sizes[batch->n]));
    batch->n++;
}

void fixture_add(struct fixture_batch *batch, struct fixture_life *life, enum slk_kind kind, uint64_t now_ms)
{
    struct slk_event event = fixture_event(life, kind, now_ms);
    struct slk_hash id;

    fixture_put(batch, &event, &id);
    move_on(life, &event, &id);
}

void fixture_batch_clear(struct fixture_batch *batch)
{
    batch->n = 0;
}

void fixture_batch_free(struct fixture_batch *batch)
{
    free(batch->bytes);
    free(batch->sizes);
    memset(batch, 0, sizeof(*batch));
}

struct slk_span fixture_sign(const struct fixture *f, enum fixture_issuer issuer, struct fixture_batch *batch)
{
    struct slk_submission s = {.events_n = batch->n};
    struct slk_span *spans = malloc(batch->n * sizeof(*spans));
    struct slk_hash *ids = malloc(batch->n * sizeof(*ids));
    size_t cap = 128 + batch->n * (SLK_EVENT_MAX + 3);
    uint8_t statement[SLK_SUBMIT_STATEMENT_SIZE], *bytes = malloc(cap);

    must(spans != NULL && ids != NULL && bytes != NULL, "out of memory");
    for (size_t i = 0; i < batch->n; i++) {
        spans[i] = slk_span_of(batch->bytes + i * SLK_EVENT_MAX, batch->sizes[i]);
        slk_event_id(&ids[i], spans[i]);
    }
    slk_submission_statement(statement, &f->chain_id, ids, batch->n);
    slk_key_id(s.key_id, slk_key_public(f->issuers[issuer]));
    must(slk_key_sign(f->issuers[issuer], s.signature, statement, sizeof(statement)) == SLK_OK,
        "no signature");
    s.event_bytes = spans;
    cap = slk_submission_format(bytes, cap, &s);
    must(cap > 0, "a submission cannot be printed");
    free(spans);
    free(ids);
    fixture_batch_clear(batch);
    return slk_span_of(bytes, cap);
}

void fixture_free(struct slk_span bytes)
{
    free((void *)(uintptr_t)bytes.at);
}

struct slk_span fixture_single(
    struct fixture *f, enum fixture_issuer issuer, struct fixture_life *life, enum slk_kind kind)
{
    struct fixture_batch batch = {0};
    struct slk_span bytes;

    fixture_add(&batch, life, kind, f->now_ms);
    bytes = fixture_sign(f, issuer, &batch);
    fixture_batch_free(&batch);
    return bytes;
}

/* ---- ledgers ---- */

void fixture_init(struct fixture *f)
{
    struct slk_ledger_options options = fixture_options(f);
    struct slk_fault fault = {0};

    must(slk_ledger_init(f->dir, slk_span_of(f->charter_bytes, f->charter_size), &options, &fault) == SLK_OK,
        fault.text);
}

struct slk_ledger *fixture_ledger(const struct fixture *f, const struct slk_ledger_options *options)
{
    struct slk_ledger *ledger = NULL;
    struct slk_fault fault = {0};

    must(slk_ledger_open(&ledger, f->dir, options, &fault) == SLK_OK, fault.text);
    return ledger;
}

struct slk_result fixture_submit(struct slk_ledger *ledger, struct slk_span bytes)
{
    struct slk_fault fault = {0};
    struct slk_result result;

    must(slk_ledger_submit(ledger, &bytes, &result, 1, &fault) == SLK_OK, fault.text);
    return result;
}

struct slk_result fixture_accept(struct slk_ledger *ledger, struct slk_span bytes)
{
    struct slk_result result = fixture_submit(ledger, bytes);

    must(result.outcome == SLK_ACCEPTED, slk_rule_text(result.verdict.rule));
    fixture_free(bytes);
    return result;
}

/* ---- reading ---- */

static void sign_final(const struct fixture *f, const struct slk_machine *machine, struct slk_cert *cert)
{
    struct slk_statement statement = {
        .kind = SLK_VOTE_FINALIZE, .height = cert->height, .view = cert->view, .hash = cert->hash};
    uint8_t bytes[SLK_VOTE_BYTES];
    struct slk_council council;

    must(slk_council_of(&council, machine->charter, &machine->chain_id) == SLK_OK, "a council");
    slk_statement_bytes(bytes, &council, &statement);
    must(slk_key_sign(f->vote_key, cert->sigs[0], bytes, sizeof(bytes)) == SLK_OK, "a vote");
}

void fixture_add_forged(struct fixture *f, struct slk_ledger *ledger)
{
    struct fixture_life life = fixture_life(FIXTURE_CARD, 9000);
    struct slk_span bytes = fixture_single(f, MINISTRY, &life, SLK_ISSUE);
    struct slk_submission submission = {0}, *list = &submission;
    struct slk_block_params params = {.time_ms = slk_ledger_tip(ledger)->time_ms + 1,
        .origin_view = 1,
        .par = slk_workers_par(ledger->workers)};
    struct slk_verdict verdict = {0};
    struct slk_block block = {0};
    struct slk_cert cert = {.kind = SLK_VOTE_FINALIZE, .view = 1, .bitmap_bytes = 1, .signers = 1};
    struct slk_fault fault = {0};

    must(slk_submission_parse(&submission, bytes) == SLK_OK, "a submission");
    submission.signature[5] ^= 1;
    slk_submission_admit_vouched(&submission, ledger->machine.charter, &ledger->machine.chain_id);
    must(slk_block_build(
             &block, &ledger->machine, &ledger->source.reads, &params, &list, &verdict, 1, &fault) == SLK_OK,
        fault.text);
    cert.height = block.header.height;
    cert.hash = block.tip.block_hash;
    sign_final(f, &ledger->machine, &cert);
    must(slk_store_commit(
             ledger->store, &(struct slk_decision){.block = &block, .finality = &cert}, &fault) == SLK_OK,
        fault.text);
    ledger->broken = SLK_E_IO; /* this was done behind its back */
    slk_block_free(&block);
    slk_submission_free(&submission);
    fixture_free(bytes);
}

struct slk_policy *fixture_policy(const struct fixture *f)
{
    size_t cap = 1u << 17, size;
    char *text = malloc(cap);
    struct slk_policy *policy = NULL;
    struct slk_fault fault = {0};

    must(text != NULL, "out of memory");
    size = slk_charter_policy(text, cap, f->charter);
    must(size > 0 && slk_policy_new(&policy, text, size, &fault) == SLK_OK, "the charter gives no policy");
    free(text);
    return policy;
}

uint64_t fixture_random(uint64_t *state)
{
    uint64_t x = *state;

    must(x != 0, "a generator of random numbers stands at 0");
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(2685821657736338717);
}

uint64_t fixture_below(uint64_t *state, uint64_t n)
{
    return fixture_random(state) % n;
}
