/* change_world.c: see change_world.h. */
#include "tests/unit/change_world.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/bytes.h"

#define SAMPLE_KEYS 2000

static bool read_row(void *ctx, uint64_t row, struct slk_row *out)
{
    const struct change_world *w = ctx;

    if (row >= w->rows_n)
        return false;
    *out = w->rows[row];
    return true;
}

static bool read_entry(void *ctx, uint64_t log_index, struct slk_span *out)
{
    const struct change_world *w = ctx;

    if (log_index >= w->entries_n)
        return false;
    *out = w->entries[log_index];
    return true;
}

/* What a store does when it commits a block. */
static void keep(struct change_world *w)
{
    const struct slk_block *b = &w->block;
    uint8_t *bundle = malloc(b->entries_size);

    assert(bundle != NULL && w->blocks_n < WORLD_BLOCKS_MAX && b->first_index == w->entries_n);
    assert(w->rows_n + b->rows_n <= WORLD_BLOCKS_MAX);
    memcpy(bundle, b->entries, b->entries_size);
    memcpy(w->headers[w->blocks_n], b->header_bytes, SLK_BLOCK_HEADER_SIZE);
    w->bundles[w->blocks_n++] = slk_span_of(bundle, b->entries_size);
    for (size_t i = 0; i < b->rows_n; i++)
        slk_row_parse(&w->rows[w->rows_n++], b->rows, i);
    for (size_t i = 0; i < b->entries_n; i++) {
        const uint8_t *at = bundle + b->offsets[i];

        w->entries[w->entries_n++] = slk_span_of(at + 2, (size_t)at[0] << 8 | at[1]);
    }
}

static struct slk_charter *parse_again(
    const struct slk_charter *c, uint8_t bytes[SLK_CHARTER_BYTES_MAX], size_t *size)
{
    struct slk_charter *parsed = malloc(sizeof(*parsed));
    enum slk_err err;

    assert(parsed != NULL);
    *size = slk_charter_format(bytes, SLK_CHARTER_BYTES_MAX, c);
    assert(*size > 0);
    err = slk_charter_parse(parsed, slk_span_of(bytes, *size));
    assert(err == SLK_OK);
    return parsed;
}

struct change_world *change_world_new(size_t voting_n)
{
    struct change_world *w = calloc(1, sizeof(*w));
    struct slk_charter *c = sample_charter();
    size_t kept = 0;
    enum slk_err err;

    assert(w != NULL && voting_n >= 1 && voting_n <= 3);
    c->members_n = voting_n;
    for (size_t i = 0; i < c->issuers_n; i++)
        if (c->issuers[i].agency == 1)
            c->issuers[kept++] = c->issuers[i];
    c->issuers_n = kept;
    slk_charter_sort(c);
    w->genesis = parse_again(c, w->genesis_bytes, &w->genesis_size);
    free(c);
    w->source = (struct slk_block_source){.ctx = w, .row = read_row, .entry = read_entry};
    w->machine.charter = w->genesis;
    slk_charter_chain_id(&w->machine.chain_id, slk_span_of(w->genesis_bytes, w->genesis_size));
    slk_log_init(&w->machine.log);
    err = slk_map_new(&w->machine.map, NULL);
    if (err == SLK_OK)
        err = slk_index_set_new(&w->machine.indexes, w->genesis);
    if (err == SLK_OK)
        err = slk_charters_new(&w->machine.charters, w->genesis);
    if (err == SLK_OK)
        err = slk_block_genesis(&w->block, &w->machine, slk_span_of(w->genesis_bytes, w->genesis_size));
    assert(err == SLK_OK);
    keep(w);
    return w;
}

void change_world_free(struct change_world *w)
{
    for (size_t i = 0; i < w->blocks_n; i++)
        free((void *)(uintptr_t)w->bundles[i].at);
    slk_block_free(&w->block);
    slk_map_free(w->machine.map);
    slk_index_set_free(w->machine.indexes);
    slk_charters_free(w->machine.charters);
    free(w->genesis);
    free(w);
}

void change_drop(struct slk_span s)
{
    free((void *)(uintptr_t)s.at);
}

/* ---- charters ---- */

struct slk_charter *change_world_successor(const struct change_world *w)
{
    struct slk_charter *c = malloc(sizeof(*c));

    assert(c != NULL);
    *c = *w->machine.charter;
    c->version++;
    c->has_previous = true;
    c->previous = w->machine.charter->hash;
    c->created_at_ms++;
    return c;
}

void change_add_member(struct slk_charter *c, uint16_t agency, enum slk_role role)
{
    struct slk_member *m = &c->members[c->members_n++];
    uint8_t *keys[] = {m->vote_key, m->cosign_key, m->log_key, m->node_key};

    assert(c->members_n <= SLK_CHARTER_MEMBERS_MAX);
    memset(m, 0, sizeof(*m));
    m->agency = agency;
    m->role = role;
    (void)snprintf(m->name, sizeof(m->name), "agency-%u.example", (unsigned)agency);
    for (unsigned i = 0; i < 4; i++) {
        struct sample_key key;

        sample_key(&key, agency * 4u + i);
        memcpy(keys[i], key.public, sizeof(key.public));
    }
    slk_charter_sort(c);
}

void change_remove_member(struct slk_charter *c, uint16_t agency)
{
    size_t kept = 0, issuers = 0;

    for (size_t i = 0; i < c->members_n; i++)
        if (c->members[i].agency != agency)
            c->members[kept++] = c->members[i];
    for (size_t i = 0; i < c->issuers_n; i++)
        if (c->issuers[i].agency != agency)
            c->issuers[issuers++] = c->issuers[i];
    c->members_n = kept;
    c->issuers_n = issuers;
    slk_charter_sort(c);
}

void change_add_issuer(struct slk_charter *c, const char *name, uint16_t agency, unsigned number)
{
    struct slk_issuer *issuer = &c->issuers[c->issuers_n++];
    struct sample_key key;

    sample_key(&key, number);
    memset(issuer, 0, sizeof(*issuer));
    memcpy(issuer->public_key, key.public, sizeof(key.public));
    issuer->agency = agency;
    issuer->kinds = SLK_KINDS_ALL;
    issuer->not_before_s = SAMPLE_START_S - 86400;
    issuer->not_after_s = SAMPLE_START_S + 10 * SAMPLE_YEAR_S;
    (void)snprintf(issuer->name, sizeof(issuer->name), "%s", name);
    for (size_t i = 0; i < c->types_n; i++)
        issuer->types[issuer->types_n++] = c->types[i].code;
    slk_charter_sort(c);
}

/* ---- signatures ---- */

void change_secret(struct sample_key *out, const uint8_t public_key[SLK_KEY_SIZE])
{
    static struct sample_key keys[SAMPLE_KEYS];
    static bool made;

    for (unsigned i = 0; i < SAMPLE_KEYS && !made; i++)
        sample_key(&keys[i], i);
    made = true;
    for (unsigned i = 0; i < SAMPLE_KEYS; i++) {
        if (memcmp(keys[i].public, public_key, SLK_KEY_SIZE) == 0) {
            *out = keys[i];
            return;
        }
    }
    abort();
}

static void sign(uint8_t out[SLK_SIGNATURE_SIZE], const uint8_t public_key[SLK_KEY_SIZE],
    const uint8_t *statement, size_t size)
{
    struct sample_key key;

    change_secret(&key, public_key);
    (void)crypto_sign_detached(out, NULL, statement, size, key.secret);
}

void change_approve(struct slk_change *change, const struct change_world *w)
{
    uint8_t statement[SLK_APPROVE_STATEMENT_SIZE];
    struct slk_hash hash;

    slk_charter_hash(&hash, change->charter);
    slk_approve_statement(
        statement, &w->machine.chain_id, &w->machine.charter->hash, &hash, change->activation);
    change->approvals_n = 0;
    for (size_t i = 0; i < w->machine.charter->members_n; i++) {
        const struct slk_member *m = &w->machine.charter->members[i];
        struct slk_approval a = {.agency = m->agency};

        if (m->role != SLK_VOTING)
            continue;
        sign(a.signature, m->vote_key, statement, sizeof(statement));
        if (!slk_change_put_approval(change, &a))
            abort();
    }
}

void change_sign_possession(
    struct slk_possession *p, const struct change_world *w, uint16_t agency, enum slk_key_use use)
{
    uint8_t statement[SLK_POSSESS_STATEMENT_SIZE];

    slk_possess_statement(statement, &w->machine.chain_id, p->key, agency, use);
    sign(p->signature, p->key, statement, sizeof(statement));
}

void change_sign_ready(
    struct slk_ready *ready, const struct change_world *w, const uint8_t vote_key[SLK_KEY_SIZE])
{
    uint8_t statement[SLK_READY_STATEMENT_SIZE];

    slk_ready_statement(statement, &w->machine.chain_id, ready);
    sign(ready->signature, vote_key, statement, sizeof(statement));
}

void change_fill(struct slk_change *out, uint8_t bytes[SLK_CHARTER_BYTES_MAX], const struct change_world *w,
    const struct slk_charter *next, uint64_t activation)
{
    struct slk_charter_key keys[SLK_CHARTER_KEYS_MAX];
    size_t size = slk_charter_format(bytes, SLK_CHARTER_BYTES_MAX, next), n;

    assert(size > 0);
    memset(out, 0, sizeof(*out));
    out->charter = slk_span_of(bytes, size);
    out->activation = activation;
    change_approve(out, w);
    n = slk_charter_new_keys(keys, w->machine.charter, next);
    for (size_t i = 0; i < n; i++) {
        struct slk_possession p = {0};

        memcpy(p.key, keys[i].key, SLK_KEY_SIZE);
        change_sign_possession(&p, w, keys[i].agency, keys[i].use);
        if (!slk_change_put_possession(out, &p))
            abort();
    }
    for (size_t i = 0; i < next->members_n; i++) {
        struct slk_ready ready = {.agency = next->members[i].agency,
            .height = w->machine.tip.height,
            .block_hash = w->machine.tip.block_hash};

        if (!slk_member_joins(&next->members[i], w->machine.charter))
            continue;
        change_sign_ready(&ready, w, next->members[i].vote_key);
        if (!slk_change_put_ready(out, &ready))
            abort();
    }
}

struct slk_span change_print(const struct slk_change *change)
{
    uint8_t *out = malloc(SLK_ENTRY_MAX);
    size_t size;

    assert(out != NULL);
    size = slk_change_format(out, SLK_ENTRY_MAX, change);
    assert(size > 0);
    return slk_span_of(out, size);
}

struct slk_span change_entry(
    const struct change_world *w, const struct slk_charter *next, uint64_t activation)
{
    struct slk_change *change = malloc(sizeof(*change));
    uint8_t *bytes = malloc(SLK_CHARTER_BYTES_MAX);
    struct slk_span entry;

    assert(change != NULL && bytes != NULL);
    change_fill(change, bytes, w, next, activation);
    entry = change_print(change);
    free(bytes);
    free(change);
    return entry;
}

/* ---- blocks ---- */

static enum slk_err build(struct change_world *w, struct slk_span change, const struct slk_span *submissions,
    struct slk_verdict *verdicts, size_t n)
{
    struct slk_submission *subs = calloc(n + 1, sizeof(*subs)), **list = calloc(n + 1, sizeof(*list));
    struct slk_block_params params = {.time_ms = w->machine.tip.time_ms + 60000,
        .origin_view = 1,
        .flags = SLK_BLOCK_FLAG_HEARTBEAT,
        .change = change};
    struct slk_fault fault = {0};
    enum slk_err err;

    assert(subs != NULL && list != NULL);
    for (size_t i = 0; i < n; i++) {
        err = slk_submission_parse(&subs[i], submissions[i]);
        assert(err == SLK_OK);
        slk_submission_admit(&subs[i], w->machine.charter, &w->machine.chain_id);
        list[i] = &subs[i];
    }
    err = slk_block_build(&w->block, &w->machine, &w->source, &params, list, verdicts, n, &fault);
    for (size_t i = 0; i < n; i++)
        slk_submission_free(&subs[i]);
    free(subs);
    free(list);
    return err;
}

enum slk_change_rule change_world_block(
    struct change_world *w, struct slk_span change, const struct slk_span *submissions, size_t n)
{
    struct slk_verdict *verdicts = calloc(n + 1, sizeof(*verdicts));
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    enum slk_change_rule rule;
    struct slk_fault fault;
    struct slk_span again;
    uint8_t *bundle;
    enum slk_err err;

    assert(verdicts != NULL);
    err = build(w, change, submissions, verdicts, n);
    assert(err == SLK_OK);
    rule = w->block.change_rule;
    memcpy(header, w->block.header_bytes, sizeof(header));
    bundle = malloc(w->block.entries_size);
    assert(bundle != NULL);
    memcpy(bundle, w->block.entries, w->block.entries_size);
    again = slk_span_of(bundle, w->block.entries_size);
    slk_block_undo(&w->machine, &w->block, NULL);
    err = slk_block_check(&w->block, &w->machine, &w->source, header, again, NULL, &fault);
    if (err != SLK_OK)
        printf("# check: %s\n", fault.text);
    assert(err == SLK_OK);
    keep(w);
    free(bundle);
    free(verdicts);
    return rule;
}

void change_world_pass(struct change_world *w, size_t blocks)
{
    for (size_t i = 0; i < blocks; i++)
        (void)change_world_block(w, change_none, NULL, 0);
}

void change_world_pass_to(struct change_world *w, uint64_t height)
{
    assert(w->machine.tip.height <= height);
    change_world_pass(w, (size_t)(height - w->machine.tip.height));
}

void change_world_change(struct change_world *w, struct slk_charter *next, uint64_t ahead)
{
    struct slk_span entry = change_entry(w, next, w->machine.tip.height + 1 + ahead);
    enum slk_change_rule rule = change_world_block(w, entry, NULL, 0);

    if (rule != SLK_CHANGE_OK)
        printf("# change: %s\n", slk_change_rule_name(rule));
    assert(rule == SLK_CHANGE_OK && w->block.has_change);
    change_drop(entry);
    free(next);
}

enum slk_change_rule change_world_try(struct change_world *w, struct slk_span change)
{
    enum slk_change_rule rule;
    enum slk_err err = build(w, change, NULL, NULL, 0);

    assert(err == SLK_OK);
    rule = w->block.change_rule;
    slk_block_undo(&w->machine, &w->block, NULL);
    return rule;
}

enum slk_rule change_world_issue(
    struct change_world *w, const struct sample_key *key, uint32_t type, unsigned credential)
{
    struct slk_event event = sample_event(SLK_ISSUE, credential, 1);
    struct slk_verdict verdict = {0};
    uint8_t bytes[SLK_EVENT_MAX];
    struct slk_span span, submission;
    enum slk_err err;

    event.type = type;
    span = slk_span_of(bytes, slk_event_format(bytes, sizeof(bytes), &event));
    submission = sample_submission(key, &w->machine.chain_id, &span, 1);
    err = build(w, (struct slk_span){0}, &submission, &verdict, 1);
    assert(err == SLK_OK); /* a heartbeat, if nothing else */
    slk_block_undo(&w->machine, &w->block, NULL);
    free((void *)(uintptr_t)submission.at);
    return verdict.rule;
}

static void put(struct slk_writer *w, const void *entry, size_t size)
{
    slk_write_u16(w, (uint16_t)size);
    slk_write_bytes(w, entry, size);
}

enum slk_err change_world_offer_two(
    struct change_world *w, struct slk_span first, struct slk_span second, struct slk_fault *fault)
{
    struct slk_block_header header = {.version = SLK_BLOCK_VERSION,
        .flags = SLK_BLOCK_FLAG_HEARTBEAT,
        .height = w->machine.tip.height + 1,
        .chain_id = w->machine.chain_id,
        .charter_hash = w->machine.charter->hash,
        .next_charter_hash = w->machine.charter->hash,
        .previous = w->machine.tip.block_hash,
        .time_ms = w->machine.tip.time_ms + 60000,
        .origin_view = 1,
        .log_size = w->machine.tip.log_size + 2};
    struct slk_seal seal = {.height = header.height,
        .time_ms = header.time_ms,
        .has_previous = true,
        .previous = w->machine.tip.seal_hash,
        .map_root = w->machine.tip.map_root,
        .charter_hash = w->machine.charter->hash,
        .next_charter_hash = w->machine.charter->hash,
        .origin_view = 1};
    uint8_t header_bytes[SLK_BLOCK_HEADER_SIZE], seal_bytes[SLK_SEAL_MAX];
    struct slk_writer bundle = {.cap = first.size + second.size + SLK_SEAL_MAX + 6};
    enum slk_err err;

    bundle.at = malloc(bundle.cap);
    assert(bundle.at != NULL);
    put(&bundle, first.at, first.size);
    if (second.size > 0)
        put(&bundle, second.at, second.size);
    put(&bundle, seal_bytes, slk_entry_format_seal(seal_bytes, sizeof(seal_bytes), &seal));
    assert(!bundle.bad);
    slk_block_header_format(header_bytes, &header);
    err = slk_block_check(
        &w->block, &w->machine, &w->source, header_bytes, slk_span_of(bundle.at, bundle.size), NULL, fault);
    free(bundle.at);
    return err;
}

enum slk_err change_world_offer(struct change_world *w, struct slk_span entry, struct slk_fault *fault)
{
    return change_world_offer_two(w, entry, (struct slk_span){0}, fault);
}
