/* make_blocks.c: see make_blocks.h. */
#include "tests/unit/make_blocks.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/checkpoint.h"
#include "tests/unit/sample.h"

#define BLOCK_BYTES ((size_t)4 << 20)

struct slk_span maker_charter(const struct maker *maker)
{
    return slk_span_of(maker->charter_bytes, maker->charter_size);
}

struct maker *maker_new(uint64_t seed, unsigned events_max)
{
    struct maker *m = calloc(1, sizeof(*m));

    assert(m != NULL && events_max > 0 && events_max <= 4000);
    m->credentials = calloc(MAKER_CREDENTIALS_MAX, sizeof(*m->credentials));
    m->seed = seed;
    m->random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    m->events_max = events_max;
    m->charter = sample_charter();
    assert(m->credentials != NULL && m->charter != NULL);
    m->charter_size = slk_charter_format(m->charter_bytes, sizeof m->charter_bytes, m->charter);
    assert(m->charter_size > 0);
    slk_charter_chain_id(&m->chain_id, maker_charter(m));
    if (slk_council_of(&m->council, m->charter, &m->chain_id) != SLK_OK)
        abort();
    slk_log_init(&m->log);
    m->block.entries = malloc(BLOCK_BYTES);
    m->block.offsets = calloc(2 * 4096 + 8, sizeof(*m->block.offsets));
    m->block.leaves = calloc(2 * 4096 + 8, sizeof(*m->block.leaves));
    m->block.rows = calloc(4096 + 1, SLK_ROW_SIZE);
    m->block.tiles = calloc(64, sizeof(*m->block.tiles));
    assert(m->block.entries != NULL && m->block.offsets != NULL && m->block.leaves != NULL &&
           m->block.rows != NULL && m->block.tiles != NULL);
    return m;
}

void maker_free(struct maker *m)
{
    if (m == NULL)
        return;
    free(m->block.entries);
    free(m->block.offsets);
    free(m->block.leaves);
    free(m->block.rows);
    free(m->block.tiles);
    free(m->charter);
    free(m->credentials);
    free(m);
}

/* ---- votes ---- */

/* The secret key of a voting member: sample.c numbers them. */
static void vote_key(const struct maker *m, uint16_t signer, struct sample_key *out)
{
    for (size_t i = 0; i < m->charter->members_n; i++) {
        sample_key(out, m->charter->members[i].agency * 4u);
        if (memcmp(out->public, m->council.keys[signer], SLK_KEY_SIZE) == 0)
            return;
    }
    abort();
}

void maker_vote(
    const struct maker *m, struct slk_vote *out, uint16_t signer, const struct slk_statement *statement)
{
    uint8_t bytes[SLK_VOTE_BYTES];
    struct sample_key key;

    memset(out, 0, sizeof(*out));
    out->statement = *statement;
    out->signer = signer;
    vote_key(m, signer, &key);
    slk_statement_bytes(bytes, &m->council, statement);
    crypto_sign_detached(out->sig, NULL, bytes, sizeof bytes, key.secret);
}

void maker_certify(const struct maker *m, struct slk_cert *out, enum slk_vote_kind kind, uint64_t height,
    uint32_t view, const struct slk_hash *hash)
{
    struct slk_statement statement = {.kind = kind, .height = height, .view = view, .hash = *hash};
    size_t q = slk_council_quorum(&m->council);

    memset(out, 0, sizeof(*out));
    out->kind = kind;
    out->height = height;
    out->view = view;
    out->hash = *hash;
    out->bitmap_bytes = (uint8_t)((m->council.n + 7) / 8);
    out->signers = (UINT64_C(1) << q) - 1;
    for (size_t i = 0; i < q; i++) {
        struct slk_vote vote;

        maker_vote(m, &vote, (uint16_t)i, &statement);
        memcpy(out->sigs[i], vote.sig, SLK_SIGNATURE_SIZE);
    }
}

const struct slk_cert *maker_finality(const struct slk_block *block)
{
    const struct maker *m = (const void *)((const char *)block - offsetof(struct maker, block));

    return block->tip.height > 0 ? &m->finality : NULL;
}

size_t maker_submission(const struct maker *m, unsigned number, uint8_t *out, size_t cap, struct slk_hash *id,
    uint8_t key_id[SLK_KEY_ID_SIZE])
{
    struct slk_event event = {.kind = SLK_LOCK,
        .channel = SLK_OFFICE_QR,
        .reason = SAMPLE_LOST,
        .sequence = 1 + number,
        .has_previous = true,
        .occurred_at_s = m->charter->created_at_ms / 1000};
    uint8_t bytes[SLK_EVENT_MAX], statement[SLK_SUBMIT_STATEMENT_SIZE];
    struct slk_submission submission = {.events_n = 1};
    struct slk_span span;
    struct slk_hash event_id;
    size_t size;

    slk_hash_bytes(&event.previous, &number, sizeof number);
    memcpy(event.credential, event.previous.b, SLK_HANDLE_SIZE);
    span = slk_span_of(bytes, slk_event_format(bytes, sizeof bytes, &event));
    memcpy(submission.key_id, sample_issuer(m->charter, OFFICE)->key_id, SLK_KEY_ID_SIZE);
    memset(submission.signature, (int)(number % 255), sizeof submission.signature);
    submission.event_bytes = &span;
    size = slk_submission_format(out, cap, &submission);
    assert(span.size > 0 && size > 0);
    slk_event_id(&event_id, span);
    slk_submission_statement(statement, &m->chain_id, &event_id, 1);
    slk_hash_bytes(id, statement, sizeof statement);
    memcpy(key_id, submission.key_id, SLK_KEY_ID_SIZE);
    return size;
}

/* ---- the map's root by its definition ---- */

static void map_root(const struct maker *m, size_t from, size_t to, unsigned depth, struct slk_hash *out)
{
    struct slk_hash left, right;
    size_t middle = from;

    if (from == to) {
        *out = slk_hash_zero;
        return;
    }
    if (to - from == 1) {
        const struct maker_credential *c = &m->credentials[m->order[from]];
        struct slk_hash value;
        slk_hash_bytes(&value, c->bytes, SLK_RECORD_SIZE);
        slk_hash_map_leaf(out, &c->path, &value);
        return;
    }
    while (middle < to && (m->credentials[m->order[middle]].path.b[depth / 8] >> (7 - depth % 8) & 1) == 0)
        middle++;
    map_root(m, from, middle, depth + 1, &left);
    map_root(m, middle, to, depth + 1, &right);
    slk_hash_node(out, &left, &right);
}

static void insert_in_order(struct maker *m, size_t which)
{
    size_t at = m->credentials_n;

    while (at > 0 &&
           memcmp(m->credentials[m->order[at - 1]].path.b, m->credentials[which].path.b, SLK_HASH_SIZE) > 0) {
        m->order[at] = m->order[at - 1];
        at--;
    }
    m->order[at] = which;
    m->credentials_n++;
}

/* ---- blocks ---- */

static void put_entry(struct slk_block *b, const uint8_t *bytes, size_t size)
{
    assert(size > 0 && size <= SLK_ENTRY_MAX && b->entries_size + size + 2 <= BLOCK_BYTES);
    b->offsets[b->entries_n] = (uint32_t)b->entries_size;
    b->entries[b->entries_size] = (uint8_t)(size >> 8);
    b->entries[b->entries_size + 1] = (uint8_t)size;
    memcpy(b->entries + b->entries_size + 2, bytes, size);
    slk_hash_leaf(&b->leaves[b->entries_n], bytes, size);
    b->entries_size += size + 2;
    b->entries_n++;
}

static void new_handle(const struct maker *m, struct maker_credential *c)
{
    uint8_t from[16];
    struct slk_hash h;

    slk_put_u64(from, m->seed);
    slk_put_u64(from + 8, m->credentials_n);
    slk_hash_bytes(&h, from, sizeof from);
    memcpy(c->handle, h.b, SLK_HANDLE_SIZE);
    slk_hash_bytes(&c->path, c->handle, SLK_HANDLE_SIZE);
}

/* An event that the credential's state allows. */
static void choose_event(
    struct maker *m, const struct maker_credential *c, struct slk_event *event, uint64_t time_ms)
{
    memset(event, 0, sizeof(*event));
    memcpy(event->credential, c->handle, SLK_HANDLE_SIZE);
    event->sequence = c->record.count;
    event->has_previous = event->sequence > 0;
    event->previous = c->record.last_event_id;
    event->channel = SLK_OFFICE_QR;
    event->occurred_at_s = time_ms / 1000;
    if (c->record.count == 0) {
        event->kind = SLK_ISSUE;
        event->has_device = true;
        slk_hash_bytes(&event->device, c->handle, SLK_HANDLE_SIZE);
        event->carrier = SLK_PHONE;
        event->type = m->credentials_n % 2 == 0 ? SAMPLE_CARD : SAMPLE_PHONE;
        event->valid_until_s = time_ms / 1000 + 86400;
        event->status_index = (uint32_t)(m->credentials_n / 2);
    } else if (c->record.state == SLK_ACTIVE) {
        event->kind = SLK_LOCK;
        event->reason = SAMPLE_LOST;
    } else {
        event->kind = SLK_UNLOCK;
    }
}

static void one_event(struct maker *m, uint64_t time_ms)
{
    struct slk_block *b = &m->block;
    bool fresh = m->credentials_n == 0 ||
                 (m->credentials_n < MAKER_CREDENTIALS_MAX && sample_below(&m->random, 10) < 6);
    size_t which = fresh ? m->credentials_n : sample_below(&m->random, m->credentials_n);
    struct maker_credential *c = &m->credentials[which];
    struct slk_step step = {.recorded_at_ms = time_ms, .agency = 1};
    struct slk_row row = {
        .log_index = b->first_index + b->entries_n, .previous_row = fresh ? SLK_MAP_ROW_NONE : c->row};
    uint8_t bytes[SLK_EVENT_MAX], entry[SLK_RECORDED_MAX];
    struct slk_event event;
    size_t size;

    if (fresh)
        new_handle(m, c);
    choose_event(m, c, &event, time_ms);
    size = slk_event_format(bytes, sizeof bytes, &event);
    assert(size > 0);
    slk_event_id(&step.event_id, slk_span_of(bytes, size));
    put_entry(b, entry, slk_entry_format_recorded(entry, sizeof entry, time_ms, slk_span_of(bytes, size)));
    step.leaf_hash = b->leaves[b->entries_n - 1];
    slk_record_next(&c->record, fresh ? NULL : &c->record, &event, &step);
    slk_record_format(c->bytes, &c->record);
    if (fresh)
        insert_in_order(m, which);
    c->row = b->first_row + b->rows_n;
    memcpy(row.record, c->bytes, SLK_RECORD_SIZE);
    if (b->rows_n == 0)
        slk_rows_begin(b->rows, time_ms, b->first_index);
    slk_row_format(b->rows, b->rows_n, &row);
    b->rows_n++;
}

static void put_events(struct maker *m, unsigned events_n, uint64_t time_ms)
{
    struct slk_authorization authorization = {.count = 0};
    uint8_t entry[SLK_AUTHORIZATION_MAX + 16];

    memcpy(authorization.key_id, sample_issuer(m->charter, OFFICE)->key_id, SLK_KEY_ID_SIZE);
    for (unsigned left = events_n; left > 0; left -= authorization.count) {
        authorization.count = 1 + (uint32_t)sample_below(&m->random, left);
        for (uint32_t i = 0; i < authorization.count; i++)
            one_event(m, time_ms);
        for (size_t i = 0; i < sizeof authorization.signature; i++)
            authorization.signature[i] = (uint8_t)sample_random(&m->random);
        put_entry(&m->block, entry, slk_entry_format_authorization(entry, sizeof entry, &authorization));
    }
}

static void take_tile(void *ctx, uint32_t level, uint64_t index, const struct slk_hash *hashes)
{
    struct slk_block *b = ctx;

    assert(b->tiles_n < 64);
    b->tiles[b->tiles_n].level = level;
    b->tiles[b->tiles_n].index = index;
    memcpy(b->tiles[b->tiles_n].hashes, hashes, sizeof b->tiles[0].hashes);
    b->tiles_n++;
}

static void put_seal(struct maker *m, uint64_t time_ms)
{
    struct slk_block *b = &m->block;
    uint8_t entry[SLK_SEAL_MAX];
    struct slk_seal seal = {.height = m->has_tip ? m->tip.height + 1 : 0,
        .time_ms = time_ms,
        .has_previous = m->has_tip,
        .previous = m->tip.seal_hash,
        .charter_hash = m->charter->hash,
        .next_charter_hash = m->charter->hash,
        .proposer = 0,
        .origin_view = m->has_tip ? 1 : 0};

    map_root(m, 0, m->credentials_n, 0, &seal.map_root);
    put_entry(b, entry, slk_entry_format_seal(entry, sizeof entry, &seal));
    slk_log_append(&m->log, b->leaves, b->entries_n, take_tile, b);
    b->header = (struct slk_block_header){.version = SLK_BLOCK_VERSION,
        .height = seal.height,
        .chain_id = m->chain_id,
        .charter_hash = seal.charter_hash,
        .next_charter_hash = seal.next_charter_hash,
        .time_ms = time_ms,
        .origin_view = seal.origin_view,
        .event_count = (uint32_t)b->rows_n,
        .body_bytes = (uint32_t)b->entries_size,
        .log_size = m->log.size,
        .map_root = seal.map_root};
    if (m->has_tip)
        b->header.previous = m->tip.block_hash;
    slk_log_root(&m->log, &b->header.log_root);
}

static void finish(struct maker *m)
{
    struct slk_block *b = &m->block;

    slk_block_header_format(b->header_bytes, &b->header);
    b->tip = (struct slk_tip){.height = b->header.height,
        .time_ms = b->header.time_ms,
        .log_size = m->log.size,
        .rows_n = b->first_row + b->rows_n,
        .events_n = m->tip.events_n + b->rows_n,
        .seal_hash = b->leaves[b->entries_n - 1],
        .log_root = b->header.log_root,
        .map_root = b->header.map_root};
    slk_block_hash(&b->tip.block_hash, b->header_bytes);
    m->tip = b->tip;
    m->has_tip = true;
    if (m->tip.height > 0)
        maker_certify(m, &m->finality, SLK_VOTE_FINALIZE, m->tip.height, 1, &m->tip.block_hash);
}

const struct slk_block *maker_next_of(struct maker *m, unsigned events_n)
{
    struct slk_block *b = &m->block;
    uint64_t time_ms = m->has_tip ? m->tip.time_ms + 1000 : m->charter->created_at_ms;

    b->entries_n = b->entries_size = b->rows_n = b->tiles_n = 0;
    b->first_index = m->tip.log_size;
    b->first_row = m->tip.rows_n;
    if (!m->has_tip) {
        size_t room = m->charter_size + 16;
        uint8_t *entry = malloc(room);

        assert(entry != NULL);
        put_entry(b, entry, slk_entry_format_charter(entry, room, maker_charter(m), (struct slk_span){0}));
        free(entry);
    } else {
        put_events(m, events_n, time_ms);
    }
    put_seal(m, time_ms);
    finish(m);
    return b;
}

const struct slk_block *maker_next(struct maker *m)
{
    return maker_next_of(m, 1 + (unsigned)sample_below(&m->random, m->events_max));
}

size_t maker_note(const struct maker *m, uint8_t *out, size_t cap)
{
    struct slk_checkpoint checkpoint = {.origin = slk_span_of(m->charter->origin, strlen(m->charter->origin)),
        .head = {.tree_size = m->tip.log_size, .root_hash = m->tip.log_root}};
    struct slk_writer w = {.at = out, .cap = cap};
    uint8_t blob[4 + SLK_SIGNATURE_SIZE];
    char text[SLK_CHECKPOINT_TEXT_MAX];
    size_t size = slk_checkpoint_format(text, &checkpoint);
    struct sample_key key;
    struct slk_vkey vkey;
    enum slk_err err;

    sample_key(&key, m->charter->members[0].agency * 4u + 2); /* its log key: sample.c */
    err = slk_vkey_init(&vkey, m->charter->origin, SLK_SIG_ED25519, m->charter->members[0].log_key);
    assert(err == SLK_OK);
    slk_put_u32(blob, vkey.key_hash);
    crypto_sign_detached(blob + 4, NULL, (const uint8_t *)text, size, key.secret);
    slk_write_bytes(&w, text, size);
    slk_write_u8(&w, '\n');
    slk_note_write_sig(&w, vkey.name, strlen(vkey.name), blob, sizeof blob);
    assert(!w.bad);
    return w.size;
}

void maker_machine_new(struct slk_machine *machine, const struct maker *m)
{
    memset(machine, 0, sizeof(*machine));
    machine->charter = m->charter;
    machine->chain_id = m->chain_id;
    slk_log_init(&machine->log);
    if (slk_map_new(&machine->map, NULL) != SLK_OK ||
        slk_index_set_new(&machine->indexes, m->charter) != SLK_OK ||
        slk_charters_new(&machine->charters, m->charter) != SLK_OK)
        abort();
}

void maker_machine_free(struct slk_machine *machine)
{
    slk_map_free(machine->map);
    slk_index_set_free(machine->indexes);
    slk_charters_free(machine->charters);
}

/* What the last block did to the map: credentials in it have their last row there. */
void maker_execute(const struct maker *m, struct slk_machine *machine)
{
    struct slk_map_update *updates = calloc(m->credentials_n + 1, sizeof(*updates));
    struct slk_hash root, value;
    size_t n = 0;

    assert(updates != NULL);
    for (size_t i = 0; i < m->credentials_n; i++) {
        const struct maker_credential *c = &m->credentials[i];
        struct slk_map_found found;

        if (c->row < m->block.first_row)
            continue;
        updates[n] = (struct slk_map_update){.path = c->path, .row = c->row, .old_row = SLK_MAP_ROW_NONE};
        if (slk_map_find(machine->map, &c->path, &found))
            updates[n].old_row = found.row;
        slk_hash_bytes(&value, c->bytes, SLK_RECORD_SIZE);
        slk_hash_map_leaf(&updates[n].leaf, &c->path, &value);
        slk_index_set_put(machine->indexes, c->record.type, c->record.status_index, true);
        n++;
    }
    if (slk_map_apply(machine->map, updates, n, NULL) != SLK_OK)
        abort();
    free(updates);
    slk_map_root(machine->map, &root);
    assert(slk_hash_equal(&root, &m->tip.map_root)); /* the map against its definition */
    machine->tip = m->tip;
    machine->has_genesis = true;
    machine->log = m->log;
}
