/* world.c: see world.h. */
#include "tests/fuzz/world.h"

#include <sodium.h>

#include "ledger/verify/proof.h"
#include "tests/fuzz/fuzz.h"

enum key_use { VOTE_KEY = 1, COSIGN_KEY, LOG_KEY, NODE_KEY, ISSUER_KEY };

static void must(bool claim)
{
    if (!claim)
        abort();
}

static void key_pair(uint8_t public_key[SLK_KEY_SIZE], uint8_t secret[crypto_sign_SECRETKEYBYTES],
    enum key_use use, unsigned member)
{
    uint8_t seed[crypto_sign_SEEDBYTES];

    memset(seed, (int)use, sizeof(seed));
    seed[0] = (uint8_t)member;
    must(crypto_sign_seed_keypair(public_key, secret, seed) == 0);
}

static void sign(
    uint8_t sig[SLK_SIGNATURE_SIZE], enum key_use use, unsigned member, const void *message, size_t size)
{
    uint8_t public_key[SLK_KEY_SIZE], secret[crypto_sign_SECRETKEYBYTES];

    key_pair(public_key, secret, use, member);
    must(crypto_sign_detached(sig, NULL, message, size, secret) == 0);
}

static void fill_member(struct slk_member *m, unsigned number)
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];

    m->agency = (uint16_t)(number + 1);
    m->role = SLK_VOTING;
    snprintf(m->name, sizeof(m->name), "agency%u.example/witness", number + 1);
    key_pair(m->vote_key, secret, VOTE_KEY, number);
    key_pair(m->cosign_key, secret, COSIGN_KEY, number);
    key_pair(m->log_key, secret, LOG_KEY, number);
    key_pair(m->node_key, secret, NODE_KEY, number);
    snprintf(m->addresses[0], sizeof(m->addresses[0]), "node%u.example:7000", number + 1);
    m->addresses_n = 1;
}

static void fill_charter(struct slk_charter *c)
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    struct slk_issuer *issuer = &c->issuers[0];

    snprintf(c->origin, sizeof(c->origin), "%s", WORLD_ORIGIN);
    c->version = 1;
    c->created_at_ms = WORLD_START_S * 1000;
    for (unsigned i = 0; i < WORLD_MEMBERS; i++)
        fill_member(&c->members[i], i);
    c->members_n = WORLD_MEMBERS;
    *issuer = (struct slk_issuer){.agency = 1,
        .kinds = 0x7e, /* ISSUE to REVOKE; a number, for a new kind must not change the corpus */
        .any_agency = true,
        .not_before_s = WORLD_START_S,
        .not_after_s = WORLD_START_S + WORLD_YEARS_3_S,
        .types_n = 2,
        .types = {1, 2},
        .name = "office"};
    key_pair(issuer->public_key, secret, ISSUER_KEY, 0);
    c->issuers_n = 1;
    c->types[0] = (struct slk_credential_type){
        .code = 1, .name = "resident-card", .max_validity_s = WORLD_YEARS_3_S, .status_list_size = 65536};
    c->types[1] = (struct slk_credential_type){
        .code = 2, .name = "resident-phone", .max_validity_s = WORLD_YEARS_3_S, .status_list_size = 65536};
    c->types_n = 2;
    c->reasons[0] = (struct slk_reason){.code = 1, .name = "LOST"};
    c->reasons[1] = (struct slk_reason){.code = 2, .name = "STOLEN"};
    c->reasons_n = 2;
    c->block_events = 4096;
    c->block_bytes = 1u << 20;
    c->submission_events = 1000;
    c->delta_ms = 300;
    c->fresh_s = 3600;
    slk_charter_sort(c);
}

static bool read_row(void *ctx, uint64_t row, struct slk_row *out)
{
    const struct world *w = ctx;

    if (row >= w->rows_n)
        return false;
    *out = w->rows[row];
    return true;
}

static bool read_entry(void *ctx, uint64_t log_index, struct slk_span *out)
{
    const struct world *w = ctx;

    if (log_index >= w->entries_n)
        return false;
    *out = w->entries[log_index];
    return true;
}

struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof(*w));
    struct slk_charter *drawn = calloc(1, sizeof(*drawn));
    struct slk_fault fault = {0};

    must(w != NULL && drawn != NULL && sodium_init() >= 0);
    fill_charter(drawn);
    w->charter_size = slk_charter_format(w->charter_bytes, sizeof(w->charter_bytes), drawn);
    must(slk_charter_parse(&w->charter, slk_span_of(w->charter_bytes, w->charter_size)) == SLK_OK);
    must(slk_charter_validate_genesis(&w->charter, &fault) == SLK_OK);
    free(drawn);
    w->machine.charter = &w->charter;
    slk_charter_chain_id(&w->machine.chain_id, slk_span_of(w->charter_bytes, w->charter_size));
    must(slk_map_new(&w->machine.map, NULL) == SLK_OK);
    must(slk_index_set_new(&w->machine.indexes, &w->charter) == SLK_OK);
    must(slk_charters_new(&w->machine.charters, &w->charter) == SLK_OK);
    slk_log_init(&w->machine.log);
    w->source = (struct slk_block_source){.ctx = w, .row = read_row, .entry = read_entry};
    must(slk_block_genesis(&w->block, &w->machine, slk_span_of(w->charter_bytes, w->charter_size)) == SLK_OK);
    world_keep(w);
    return w;
}

void world_free(struct world *world)
{
    if (world == NULL)
        return;
    for (size_t i = 0; i < world->entries_n; i++)
        free((void *)(uintptr_t)world->entries[i].at);
    slk_block_free(&world->block);
    slk_map_free(world->machine.map);
    slk_index_set_free(world->machine.indexes);
    slk_charters_free(world->machine.charters);
    free(world);
}

struct life life_of(unsigned number)
{
    struct life life = {0};
    char text[32];

    snprintf(text, sizeof(text), "credential %u", number);
    crypto_hash_sha256(life.handle, (const unsigned char *)text, strlen(text));
    return life;
}

static void fill_event(struct slk_event *e, const struct life *life, enum slk_kind kind)
{
    if (kind == SLK_ISSUE || kind == SLK_REBIND) {
        e->has_device = true;
        memset(e->device.b, (int)(0x40 + life->sequence), sizeof(e->device.b));
        e->carrier = kind == SLK_ISSUE ? SLK_CHIP_CARD : SLK_PHONE;
    }
    if (kind == SLK_ISSUE) {
        e->type = 1;
        e->status_index = (uint32_t)life->handle[0] << 8 | (life->handle[1] ^ (uint32_t)life->sequence);
    }
    if (kind == SLK_ISSUE || kind == SLK_RENEW)
        e->valid_until_s = WORLD_START_S + WORLD_YEARS_3_S - 1000 + life->sequence;
    if (kind == SLK_LOCK || kind == SLK_REVOKE)
        e->reason = 1;
    if (kind == SLK_LOCK) {
        e->has_commitment = true;
        memset(e->commitment.b, 0x77, sizeof(e->commitment.b));
    }
}

size_t life_event(uint8_t out[SLK_EVENT_MAX], struct life *life, enum slk_kind kind)
{
    struct slk_event e = {.sequence = life->sequence,
        .has_previous = life->sequence > 0,
        .previous = life->last_id,
        .kind = kind,
        .channel = kind == SLK_LOCK ? SLK_CARRIER_REPORT : SLK_OFFICE_QR,
        .occurred_at_s = WORLD_START_S};
    size_t size;

    memcpy(e.credential, life->handle, sizeof(e.credential));
    fill_event(&e, life, kind);
    size = slk_event_format(out, SLK_EVENT_MAX, &e);
    must(size > 0);
    slk_event_id(&life->last_id, slk_span_of(out, size));
    life->sequence++;
    return size;
}

struct slk_span world_submission(const struct world *world, const struct slk_span *events, size_t n)
{
    struct slk_submission s = {.events_n = n};
    struct slk_span *spans = calloc(n + 1, sizeof(*spans));
    struct slk_hash *ids = calloc(n + 1, sizeof(*ids));
    uint8_t statement[SLK_SUBMIT_STATEMENT_SIZE], secret[crypto_sign_SECRETKEYBYTES],
        public_key[SLK_KEY_SIZE];
    size_t cap = 128;
    uint8_t *out;

    must(spans != NULL && ids != NULL);
    for (size_t i = 0; i < n; i++) {
        spans[i] = events[i];
        slk_event_id(&ids[i], events[i]);
        cap += events[i].size + 8;
    }
    key_pair(public_key, secret, ISSUER_KEY, 0);
    slk_key_id(s.key_id, public_key);
    slk_submission_statement(statement, &world->machine.chain_id, ids, n);
    sign(s.signature, ISSUER_KEY, 0, statement, sizeof(statement));
    s.event_bytes = spans;
    out = malloc(cap);
    must(out != NULL);
    cap = slk_submission_format(out, cap, &s);
    must(cap > 0);
    free(spans);
    free(ids);
    return slk_span_of(out, cap);
}

/* The charter in force with another member and its office. */
static void fill_successor(struct slk_charter *c, const struct world *w)
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    struct slk_issuer *issuer = &c->issuers[1];

    *c = *w->machine.charter;
    c->version++;
    c->has_previous = true;
    c->previous = w->machine.charter->hash;
    fill_member(&c->members[c->members_n++], WORLD_MEMBERS);
    *issuer = c->issuers[0];
    key_pair(issuer->public_key, secret, ISSUER_KEY, 1);
    issuer->agency = WORLD_MEMBERS + 1;
    snprintf(issuer->name, sizeof(issuer->name), "second-office");
    c->issuers_n = 2;
    slk_charter_sort(c);
}

static void fill_possessions(struct slk_change *change, const struct world *w, const struct slk_charter *next)
{
    struct slk_charter_key keys[SLK_CHARTER_KEYS_MAX];
    size_t n = slk_charter_new_keys(keys, w->machine.charter, next);

    for (size_t i = 0; i < n; i++) {
        uint8_t statement[SLK_POSSESS_STATEMENT_SIZE];
        struct slk_possession p;

        memcpy(p.key, keys[i].key, sizeof(p.key));
        slk_possess_statement(statement, &w->machine.chain_id, keys[i].key, keys[i].agency, keys[i].use);
        sign(p.signature, (enum key_use)keys[i].use, keys[i].use == SLK_USE_ISSUE ? 1 : WORLD_MEMBERS,
            statement, sizeof(statement));
        must(slk_change_put_possession(change, &p));
    }
}

struct slk_span world_change(const struct world *world)
{
    struct slk_charter *next = calloc(1, sizeof(*next));
    struct slk_change *change = calloc(1, sizeof(*change));
    uint8_t *bytes = malloc(SLK_CHARTER_BYTES_MAX), *out = malloc(SLK_ENTRY_MAX);
    uint8_t approve[SLK_APPROVE_STATEMENT_SIZE], statement[SLK_READY_STATEMENT_SIZE];
    struct slk_ready ready = {.agency = WORLD_MEMBERS + 1,
        .height = world->machine.tip.height,
        .block_hash = world->machine.tip.block_hash};
    struct slk_hash hash;
    size_t size;

    must(next != NULL && change != NULL && bytes != NULL && out != NULL);
    fill_successor(next, world);
    change->charter = slk_span_of(bytes, slk_charter_format(bytes, SLK_CHARTER_BYTES_MAX, next));
    change->activation = world->machine.tip.height + 10;
    slk_charter_hash(&hash, change->charter);
    slk_approve_statement(
        approve, &world->machine.chain_id, &world->machine.charter->hash, &hash, change->activation);
    for (unsigned i = 0; i < WORLD_MEMBERS; i++) {
        struct slk_approval a = {.agency = (uint16_t)(i + 1)};

        sign(a.signature, VOTE_KEY, i, approve, sizeof(approve));
        must(slk_change_put_approval(change, &a));
    }
    fill_possessions(change, world, next);
    slk_ready_statement(statement, &world->machine.chain_id, &ready);
    sign(ready.signature, VOTE_KEY, WORLD_MEMBERS, statement, sizeof(statement));
    must(slk_change_put_ready(change, &ready));
    size = slk_change_format(out, SLK_ENTRY_MAX, change);
    must(size > 0);
    free(bytes);
    free(change);
    free(next);
    return slk_span_of(out, size);
}

enum slk_rule world_build(struct world *world, const struct slk_span *submissions, size_t n)
{
    struct slk_submission *subs = calloc(n + 1, sizeof(*subs)), **list = calloc(n + 1, sizeof(*list));
    struct slk_verdict *verdicts = calloc(n + 1, sizeof(*verdicts));
    struct slk_block_params params = {.time_ms = world->machine.tip.time_ms + 1000};
    struct slk_fault fault = {0};
    enum slk_rule rule = SLK_RULE_OK;
    enum slk_err err;

    must(subs != NULL && list != NULL && verdicts != NULL);
    for (size_t i = 0; i < n; i++) {
        must(slk_submission_parse(&subs[i], submissions[i]) == SLK_OK);
        slk_submission_admit(&subs[i], &world->charter, &world->machine.chain_id);
        list[i] = &subs[i];
    }
    err = slk_block_build(&world->block, &world->machine, &world->source, &params, list, verdicts, n, &fault);
    must(err == SLK_OK || err == SLK_E_NOT_FOUND);
    for (size_t i = n; i-- > 0;) {
        if (verdicts[i].rule != SLK_RULE_OK)
            rule = verdicts[i].rule;
    }
    must(err == SLK_OK || rule != SLK_RULE_OK);
    for (size_t i = 0; i < n; i++)
        slk_submission_free(&subs[i]);
    free(subs);
    free(list);
    free(verdicts);
    return rule;
}

void world_keep(struct world *world)
{
    const struct slk_block *b = &world->block;

    must(b->first_index == world->entries_n && b->entries_n <= WORLD_ENTRIES_MAX - world->entries_n);
    must(b->first_row == world->rows_n && b->rows_n <= WORLD_ROWS_MAX - world->rows_n);
    for (size_t i = 0; i < b->entries_n; i++) {
        const uint8_t *at = b->entries + b->offsets[i];
        size_t size = (size_t)at[0] << 8 | at[1];

        world->entries[world->entries_n++] = slk_span_of(fuzz_exact(at + 2, size), size);
    }
    for (size_t i = 0; i < b->rows_n; i++)
        slk_row_parse(&world->rows[world->rows_n++], b->rows, i);
}

void world_commit(struct world *world, const struct slk_span *events, size_t n)
{
    struct slk_span submission = world_submission(world, events, n);

    must(world_build(world, &submission, 1) == SLK_RULE_OK);
    world_keep(world);
    free((void *)(uintptr_t)submission.at);
}

static void add_signature(struct slk_writer *w, const struct slk_vkey *vkey, const uint8_t *time_be,
    const uint8_t sig[SLK_SIGNATURE_SIZE])
{
    uint8_t blob[SLK_NOTE_BLOB_MAX];
    struct slk_writer b = {.at = blob, .cap = sizeof(blob)};

    slk_write_u32(&b, vkey->key_hash);
    if (time_be != NULL)
        slk_write_bytes(&b, time_be, 8);
    slk_write_bytes(&b, sig, SLK_SIGNATURE_SIZE);
    must(!b.bad);
    slk_note_write_sig(w, vkey->name, strlen(vkey->name), blob, b.size);
}

static void cosign(struct slk_writer *w, const struct world *world, unsigned member, struct slk_span text)
{
    const struct slk_member *m = &world->charter.members[member];
    uint64_t time_s = world->machine.tip.time_ms / 1000 + member;
    uint8_t message[WORLD_NOTE_MAX], sig[SLK_SIGNATURE_SIZE], time_be[8];
    struct slk_vkey vkey;
    size_t size;

    must(slk_vkey_init(&vkey, m->name, SLK_SIG_COSIGNATURE_V1, m->cosign_key) == SLK_OK);
    size = slk_cosign_message(message, sizeof(message), time_s, text);
    must(size > 0);
    sign(sig, COSIGN_KEY, member, message, size);
    slk_put_u64(time_be, time_s);
    add_signature(w, &vkey, time_be, sig);
}

size_t world_note(char out[WORLD_NOTE_MAX], const struct world *world, unsigned cosigners)
{
    char text[SLK_CHECKPOINT_TEXT_MAX];
    struct slk_checkpoint checkpoint = {.origin = slk_span_of(WORLD_ORIGIN, strlen(WORLD_ORIGIN)),
        .head = {.tree_size = world->machine.tip.log_size, .root_hash = world->machine.tip.log_root}};
    size_t text_size = slk_checkpoint_format(text, &checkpoint);
    struct slk_writer w = {.at = (uint8_t *)out, .cap = WORLD_NOTE_MAX};
    uint8_t sig[SLK_SIGNATURE_SIZE];
    struct slk_vkey vkey;

    must(slk_vkey_init(&vkey, WORLD_ORIGIN, SLK_SIG_ED25519, world->charter.members[0].log_key) == SLK_OK);
    sign(sig, LOG_KEY, 0, text, text_size);
    slk_write_bytes(&w, text, text_size);
    slk_write_u8(&w, '\n');
    add_signature(&w, &vkey, NULL, sig);
    for (unsigned i = 0; i < cosigners; i++)
        cosign(&w, world, i, slk_span_of(text, text_size));
    must(!w.bad);
    return w.size;
}

size_t world_map_proof(
    uint8_t *out, size_t cap, const struct world *world, const uint8_t handle[SLK_HANDLE_SIZE])
{
    struct slk_map_walk walk;
    struct slk_hash path;
    struct slk_span tail = {0};
    uint8_t other[2 * SLK_HASH_SIZE];

    slk_hash_bytes(&path, handle, SLK_HANDLE_SIZE);
    slk_map_walk(world->machine.map, &path, &walk);
    if (walk.end == SLK_MAP_RECORD)
        tail = slk_span_of(world->rows[walk.row].record, SLK_RECORD_SIZE);
    if (walk.end == SLK_MAP_OTHER) {
        const struct slk_row *row = &world->rows[walk.row];
        struct slk_entry entry;
        struct slk_event event;

        must(slk_entry_parse(&entry, world->entries[row->log_index]) == SLK_OK &&
             slk_event_parse(&event, entry.event) == SLK_OK);
        crypto_hash_sha256(other, event.credential, SLK_HANDLE_SIZE);
        crypto_hash_sha256(other + SLK_HASH_SIZE, row->record, SLK_RECORD_SIZE);
        tail = slk_span_of(other, sizeof(other));
    }
    return slk_map_proof_format(out, cap, &walk, tail);
}

/* Entries of a credential's events, oldest first. */
static size_t history(struct slk_span *out, const struct world *world, const uint8_t handle[SLK_HANDLE_SIZE])
{
    size_t n = 0;

    for (size_t i = 0; i < world->entries_n; i++) {
        struct slk_entry entry;
        struct slk_event event;

        must(slk_entry_parse(&entry, world->entries[i]) == SLK_OK);
        if (entry.type == SLK_ENTRY_RECORDED && slk_event_parse(&event, entry.event) == SLK_OK &&
            memcmp(event.credential, handle, SLK_HANDLE_SIZE) == 0)
            out[n++] = world->entries[i];
    }
    return n;
}

struct slk_span world_proof(
    const struct world *world, const uint8_t handle[SLK_HANDLE_SIZE], bool text, bool with_history)
{
    char note[WORLD_NOTE_MAX];
    uint8_t map_proof[SLK_MAP_PROOF_MAX];
    struct slk_hash path[SLK_PATH_MAX];
    struct slk_span events[WORLD_ENTRIES_MAX];
    struct slk_proof_parts parts = {
        .path = path, .seal = world->entries[world->entries_n - 1], .events = events};
    size_t room, size;
    uint8_t *out;

    parts.note = slk_span_of(note, world_note(note, world, WORLD_MEMBERS - 1));
    parts.path_n = slk_log_last_path(&world->machine.log, path);
    parts.map_proof = slk_span_of(map_proof, world_map_proof(map_proof, sizeof(map_proof), world, handle));
    parts.events_n = with_history ? history(events, world, handle) : 0;
    room = slk_proof_room(&parts);
    out = malloc(room);
    must(out != NULL);
    size = text ? slk_proof_format_text(out, room, &parts) : slk_proof_format_binary(out, room, &parts);
    must(size > 0);
    return slk_span_of(out, size);
}
