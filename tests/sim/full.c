/* full.c: the world's ledger functions over the production machine: blocks are built, executed, committed and lost. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/full.h"

struct full full;

static struct ledger *ledger_of(const struct process *p)
{
    assert(p->ledger != NULL);
    return p->ledger;
}

void full_fail(const struct ledger *l, const char *what)
{
    oracle_fail(l->w->oracle, "process %u at height %llu: %s", l->p->index,
        (unsigned long long)l->machine.tip.height, what);
}

static bool bit(const uint64_t *bits, uint64_t i)
{
    return (bits[i / 64] >> (i % 64) & 1) != 0;
}

bool full_spent(const struct disk *d, unsigned id)
{
    return bit(d->included, id) || bit(d->stale, id);
}

int full_find(const struct slk_hash *id, const uint8_t *key_id)
{
    for (unsigned i = 0; i < SUBMISSIONS_MAX; i++)
        if (full.things[i] != NULL && slk_hash_equal(&full.things[i]->id, id) &&
            memcmp(full.things[i]->key_id, key_id, SLK_KEY_ID_SIZE) == 0)
            return (int)i;
    return -1;
}

/* ---- blobs ---- */

static const struct blob *add(struct world *w, struct blob *blob, const uint8_t *header)
{
    struct slk_block_header h;

    if (slk_block_header_parse(&h, header) != SLK_OK)
        abort();
    memcpy(blob->header, header, SLK_BLOCK_HEADER_SIZE);
    slk_block_hash(&blob->hash, header);
    blob->height = h.height;
    blob->time_ms = h.time_ms;
    blob->previous = h.previous;
    for (size_t i = w->blobs_n; i > 0; i--) /* the same block twice is one */
        if (slk_hash_equal(&w->blobs[i - 1]->hash, &blob->hash))
            return w->blobs[i - 1];
    if (w->blobs_n == w->blobs_cap) {
        w->blobs_cap = w->blobs_cap == 0 ? 256 : 2 * w->blobs_cap;
        w->blobs = realloc(w->blobs, w->blobs_cap * sizeof(struct blob *));
        if (w->blobs == NULL)
            abort();
    }
    w->blobs[w->blobs_n++] = blob;
    return blob;
}

static const struct blob *make_blob(
    struct world *w, const uint8_t *header, const uint8_t *body, size_t body_n)
{
    struct blob *blob = world_alloc(w, sizeof(*blob));

    blob->body = world_alloc(w, body_n + 1);
    blob->body_n = body_n;
    if (body_n > 0)
        memcpy(blob->body, body, body_n);
    return add(w, blob, header);
}

/* ---- bodies: u32 size || Submission, again and again ---- */

static bool next_submission(struct slk_reader *r, struct slk_span *out)
{
    if (r->bad || r->rest.size == 0)
        return false;
    *out = slk_read_span(r, slk_read_u32(r));
    return !r->bad;
}

/* The hash that the header has of it: submission id, key id and signature of each. False: not a body. */
static bool body_hash(const struct slk_hash *chain_id, struct slk_span body, struct slk_hash *out)
{
    static struct slk_submission s;
    struct slk_span bytes, change = full_change_of(body);
    struct slk_reader r = {.rest = full_rest_of(body)};
    struct slk_hash leaf;
    struct slk_sha sha;

    slk_sha_init(&sha);
    slk_sha_add(&sha, SLK_TAG_BODY, SLK_TAG_SIZE);
    if (change.size > 0) {
        slk_hash_leaf(&leaf, change.at, change.size);
        slk_sha_add(&sha, leaf.b, SLK_HASH_SIZE);
    }
    while (next_submission(&r, &bytes)) {
        struct slk_hash ids[FULL_EVENTS_MAX], id;
        uint8_t statement[SLK_SUBMIT_STATEMENT_SIZE];

        if (slk_submission_parse(&s, bytes) != SLK_OK || s.events_n > FULL_EVENTS_MAX)
            return false;
        for (size_t i = 0; i < s.events_n; i++)
            slk_event_id(&ids[i], s.event_bytes[i]);
        slk_submission_statement(statement, chain_id, ids, s.events_n);
        slk_hash_bytes(&id, statement, sizeof(statement));
        slk_sha_add(&sha, id.b, SLK_HASH_SIZE);
        slk_sha_add(&sha, s.key_id, SLK_KEY_ID_SIZE);
        slk_sha_add(&sha, s.signature, SLK_SIGNATURE_SIZE);
    }
    slk_sha_final(&sha, out);
    return slk_read_done(&r);
}

const struct blob *ledger_take(
    struct world *w, const uint8_t *header, const struct slk_hash *hash, struct slk_span body)
{
    struct slk_block_header h;
    struct slk_hash is;

    for (size_t i = w->blobs_n; i > 0; i--)
        if (slk_hash_equal(&w->blobs[i - 1]->hash, hash))
            return body.size == w->blobs[i - 1]->body_n &&
                           (body.size == 0 || memcmp(body.at, w->blobs[i - 1]->body, body.size) == 0)
                       ? w->blobs[i - 1]
                       : NULL;
    if (slk_block_header_parse(&h, header) != SLK_OK || body.size > FULL_BODY_MAX ||
        !body_hash(&w->council.chain_id, body, &is) || !slk_hash_equal(&is, &h.body_hash))
        return NULL;
    return make_blob(w, header, body.at, body.size);
}

/* ---- a process's store: the blocks of its disk, executed ---- */

const struct executed *full_executed(const struct blob *blob)
{
    assert(blob->executed != NULL);
    return blob->executed;
}

/* The block that holds row or entry `number`; heights ascend with both. */
static const struct executed *holder(const struct ledger *l, uint64_t number, bool is_row)
{
    uint64_t low = 0, high = l->machine.tip.height;

    while (low < high) {
        uint64_t middle = high - (high - low) / 2;
        const struct executed *x = full_executed(l->p->disk.chain[middle]);

        if ((is_row ? x->first_row : x->first_index) <= number)
            low = middle;
        else
            high = middle - 1;
    }
    return full_executed(l->p->disk.chain[low]);
}

static bool read_row(void *ctx, uint64_t number, struct slk_row *out)
{
    const struct executed *x = holder(ctx, number, true);

    if (number < x->first_row || number - x->first_row >= x->rows_n)
        return false;
    slk_row_parse(out, x->rows, number - x->first_row);
    return true;
}

static bool read_entry(void *ctx, uint64_t index, struct slk_span *out)
{
    const struct executed *x = holder(ctx, index, false);
    const uint8_t *at;

    if (index < x->first_index || index - x->first_index >= x->entries_n)
        return false;
    at = x->entries + x->offsets[index - x->first_index];
    *out = slk_span_of(at + 2, (size_t)at[0] << 8 | at[1]);
    return true;
}

static struct slk_block_source source_of(struct ledger *l)
{
    if (full_disks != NULL)
        return full_disks->source(l);
    return (struct slk_block_source){.ctx = l, .row = read_row, .entry = read_entry};
}

/* ---- executing ---- */

void full_machine_new(struct ledger *l)
{
    struct slk_map_options options = {
        .fingerprint_bits = l->p->index % 2 == 1 ? 12 : 0}; /* collisions at every other */
    struct slk_machine *m = &l->machine;

    slk_map_free(m->map);
    slk_index_set_free(m->indexes);
    slk_charters_free(m->charters);
    memset(m, 0, sizeof(*m));
    if (slk_charters_new(&m->charters, full.charter) != SLK_OK)
        abort();
    m->charter = slk_charters_now(m->charters);
    m->fingerprint_bits = options.fingerprint_bits;
    slk_charter_chain_id(&m->chain_id, slk_span_of(full.charter_bytes, full.charter_size));
    slk_log_init(&m->log);
    if (slk_map_new(&m->map, &options) != SLK_OK || slk_index_set_new(&m->indexes, full.charter) != SLK_OK)
        abort();
}

static void reset_machine(struct ledger *l)
{
    full_machine_new(l);
    if (slk_block_genesis(&l->block, &l->machine, slk_span_of(full.charter_bytes, full.charter_size)) !=
        SLK_OK)
        abort();
}

void full_probe(
    struct ledger *l, struct slk_submission *submission, uint64_t time_ms, struct slk_verdict *verdict)
{
    struct slk_block_source source = source_of(l);
    struct slk_block_params params = {
        .time_ms = time_ms > l->machine.tip.time_ms ? time_ms : l->machine.tip.time_ms + 1, .origin_view = 1};
    struct slk_fault fault;
    enum slk_err err;

    memset(verdict, 0, sizeof(*verdict));
    err = slk_block_build(&l->block, &l->machine, &source, &params, &submission, verdict, 1, &fault);
    if (err == SLK_OK)
        slk_block_undo(&l->machine, &l->block, NULL);
    else if (err != SLK_E_NOT_FOUND)
        full_fail(l, "a single submission cannot be executed");
}

static size_t put_entry(uint8_t *out, size_t at, size_t size)
{
    assert(size > 0 && at + 2 + size < FULL_ENTRIES_MAX);
    out[at] = (uint8_t)(size >> 8);
    out[at + 1] = (uint8_t)size;
    return at + 2 + size;
}

static size_t entries_of(
    const struct ledger *l, const struct slk_block_header *h, struct slk_span body, uint8_t *out)
{
    static struct slk_submission s;
    struct slk_span bytes, change = full_change_of(body);
    struct slk_reader r = {.rest = full_rest_of(body)};
    struct slk_seal seal = {.height = h->height,
        .time_ms = h->time_ms,
        .has_previous = true,
        .previous = l->machine.tip.seal_hash,
        .map_root = h->map_root,
        .charter_hash = h->charter_hash,
        .next_charter_hash = h->next_charter_hash,
        .proposer = h->proposer,
        .origin_view = h->origin_view};
    size_t n = 0;

    if (change.size > 0) {
        memcpy(out + 2, change.at, change.size);
        n = put_entry(out, n, change.size);
    }
    while (next_submission(&r, &bytes)) {
        struct slk_authorization a;

        if (slk_submission_parse(&s, bytes) != SLK_OK)
            return 0;
        for (size_t i = 0; i < s.events_n; i++)
            n = put_entry(out, n,
                slk_entry_format_recorded(out + n + 2, SLK_RECORDED_MAX, h->time_ms, s.event_bytes[i]));
        a.count = (uint32_t)s.events_n;
        memcpy(a.key_id, s.key_id, SLK_KEY_ID_SIZE);
        memcpy(a.signature, s.signature, SLK_SIGNATURE_SIZE);
        n = put_entry(out, n, slk_entry_format_authorization(out + n + 2, SLK_AUTHORIZATION_MAX, &a));
    }
    return put_entry(out, n, slk_entry_format_seal(out + n + 2, SLK_SEAL_MAX, &seal));
}

size_t full_entries(const struct ledger *l, const struct blob *blob, uint8_t out[FULL_ENTRIES_MAX])
{
    struct slk_block_header h;

    if (slk_block_header_parse(&h, blob->header) != SLK_OK)
        return 0;
    return entries_of(l, &h, slk_span_of(blob->body, blob->body_n), out);
}

/* Executes the block; the machine is at its end when it returns SLK_OK. */
static enum slk_err execute(struct ledger *l, const struct blob *blob, struct slk_fault *fault)
{
    static uint8_t entries[FULL_ENTRIES_MAX];
    struct slk_block_source source = source_of(l);
    struct slk_block_header h;
    size_t size;

    if (slk_block_header_parse(&h, blob->header) != SLK_OK)
        return SLK_E_CORRUPT;
    if (blob->body_n == 0 && h.time_ms < l->machine.tip.time_ms + FULL_EMPTY_MS)
        return SLK_E_REFUSED;
    size = entries_of(l, &h, slk_span_of(blob->body, blob->body_n), entries);
    if (size == 0)
        return SLK_E_CORRUPT;
    return slk_block_check(
        &l->block, &l->machine, &source, blob->header, slk_span_of(entries, size), NULL, fault);
}

enum slk_bft_verdict ledger_check(const struct world *w, const struct process *p, const struct blob *blob)
{
    struct ledger *l = ledger_of(p);
    struct slk_fault fault = {.line = 0};
    enum slk_err err = execute(l, blob, &fault);

    (void)w;
    if (err == SLK_E_NOMEM)
        abort();
    if (err != SLK_OK) {
        full.invalid_n++;
        world_trace(
            w, "process %u refuses %02x%02x: %s", p->index, blob->hash.b[0], blob->hash.b[1], fault.text);
        return SLK_BLOCK_INVALID;
    }
    slk_block_undo(&l->machine, &l->block, NULL);
    return SLK_BLOCK_VALID;
}

static void *copy(struct world *w, const void *from, size_t size)
{
    uint8_t *to;

    if (size == 0)
        return NULL;
    to = world_alloc(w, size);
    memcpy(to, from, size);
    return to;
}

/* I14: whoever executes a block gets the same bytes as the first who did. */
static void keep_executed(struct ledger *l, const struct blob *blob)
{
    const struct slk_block *b = &l->block;
    struct executed *x = blob->executed;

    if (x == NULL) {
        x = world_alloc(l->w, sizeof(*x));
        *x = (struct executed){.tip = b->tip,
            .first_index = b->first_index,
            .first_row = b->first_row,
            .entries_n = b->entries_n,
            .rows_n = b->rows_n,
            .entries_size = b->entries_size};
        x->entries = copy(l->w, b->entries, b->entries_size);
        x->offsets = copy(l->w, b->offsets, b->entries_n * sizeof(*b->offsets));
        x->rows = copy(l->w, b->rows, slk_rows_size(b->rows_n));
        for (size_t i = l->w->blobs_n; i > 0; i--)
            if (l->w->blobs[i - 1] == blob) {
                l->w->blobs[i - 1]->executed = x;
                return;
            }
        abort();
    }
    if (memcmp(&x->tip, &b->tip, sizeof(b->tip)) != 0 || x->first_index != b->first_index ||
        x->first_row != b->first_row || x->entries_n != b->entries_n || x->rows_n != b->rows_n ||
        x->entries_size != b->entries_size || memcmp(x->entries, b->entries, b->entries_size) != 0 ||
        (b->rows_n > 0 && memcmp(x->rows, b->rows, slk_rows_size(b->rows_n)) != 0))
        full_fail(l, "I14: the same block became other bytes here");
}

void full_follow(struct ledger *l, const struct blob *blob)
{
    struct slk_fault fault = {.line = 0};

    if (execute(l, blob, &fault) != SLK_OK)
        full_fail(l, fault.text[0] != '\0' ? fault.text : "a committed block is not valid here");
    else
        keep_executed(l, blob);
}

/* ---- building ---- */

static const struct blob *finish(struct ledger *l, const uint8_t *body, size_t body_n)
{
    const struct blob *blob = make_blob(l->w, l->block.header_bytes, body, body_n);

    slk_block_undo(&l->machine, &l->block, NULL);
    return blob;
}

/* Behind it, what is in a block already. */
static size_t append_old(const struct ledger *l, uint8_t *body, size_t body_n)
{
    for (uint64_t at = l->p->disk.height; at > 0; at--) {
        const struct blob *blob = l->p->disk.chain[at];
        struct slk_span old = full_rest_of(slk_span_of(blob->body, blob->body_n));

        if (old.size == 0 || old.size > FULL_BODY_MAX - body_n)
            continue;
        memcpy(body + body_n, old.at, old.size);
        return body_n + old.size;
    }
    return body_n;
}

/* In front of it, any charter change that was ever made. */
static size_t put_change(struct world *w, uint8_t *body, const struct blob *blob)
{
    struct slk_span rest = full_rest_of(slk_span_of(blob->body, blob->body_n));
    const struct change *c = &full.changes[random_below(&w->lie, full.changes_n)];

    slk_put_u32(body, FULL_CHANGE_MARK | (uint32_t)c->size);
    memcpy(body + 4, c->entry, c->size);
    memcpy(body + 4 + c->size, rest.at, rest.size);
    return 4 + c->size + rest.size;
}

/* A leader's own idea of a block. */
static const struct blob *spoil(struct ledger *l, const struct blob *blob)
{
    struct slk_block_header h;
    static uint8_t entries[FULL_ENTRIES_MAX];
    uint8_t header[SLK_BLOCK_HEADER_SIZE], body[2 * FULL_BODY_MAX];
    size_t body_n = blob->body_n;
    struct slk_hash *roots[] = {&h.map_root, &h.log_root};
    struct world *w = l->w;

    if (slk_block_header_parse(&h, blob->header) != SLK_OK)
        abort();
    if (body_n > 0)
        memcpy(body, blob->body, body_n);
    switch (random_below(&w->lie, full.changes_n > 0 && body_n > 0 ? 5 : 4)) {
    case 0:
        roots[random_below(&w->lie, 2)]->b[0] ^= 1;
        break;
    case 1: /* the hash of the body is right */
        body_n = append_old(l, body, body_n);
        break;
    case 3:
        h.time_ms +=
            29000; /* scenario 15: bounded, and valid only if the roots are made for it; they are not */
        break;
    case 4:
        body_n = put_change(w, body, blob);
        break;
    default:
        h.log_size++;
    }
    if (!body_hash(&w->council.chain_id, slk_span_of(body, body_n), &h.body_hash))
        abort();
    h.body_bytes = (uint32_t)entries_of(l, &h, slk_span_of(body, body_n), entries);
    slk_block_header_format(header, &h);
    return make_blob(w, header, body, body_n);
}

const struct blob *ledger_build(
    struct world *w, const struct process *p, uint64_t height, uint32_t view, bool empty)
{
    static uint8_t body[FULL_BODY_MAX];
    struct ledger *l = ledger_of(p);
    uint64_t wall = process_wall_ms(w, p);
    struct slk_block_params params = {.origin_view = view, .proposer = world_index(w, height, p->member)};
    size_t body_n = 0;
    bool is_flood = (p->lies & LIE_SPOIL) != 0 && random_chance(&w->lie, 200);
    const struct blob *blob;

    if (height != l->machine.tip.height + 1)
        return NULL;
    params.time_ms = wall > l->machine.tip.time_ms ? wall : l->machine.tip.time_ms + 1;
    params.change = full_next_change(l);
    if ((p->lies & LIE_SPOIL) != 0 && random_chance(&w->lie, 300))
        params.time_ms +=
            random_chance(&w->lie, 500) ? 29000 : 600000; /* scenario 15: 30 s are allowed, not more */
    if (!full_pool_build(l, &params, empty || is_flood, body, &body_n))
        return NULL;
    blob = finish(l, body, body_n);
    return (p->lies & LIE_SPOIL) != 0 && !is_flood && random_chance(&w->lie, 800) ? spoil(l, blob) : blob;
}

/* Another block with the same submissions, as valid as the first: for liars. */
const struct blob *ledger_variant(struct world *w, const struct blob *blob, uint32_t view, uint16_t proposer)
{
    static struct slk_submission subs[1024], *list[1024];
    static struct slk_verdict verdicts[1024];
    struct slk_block_params params = {.time_ms = blob->time_ms + 1 + random_below(&w->lie, 3)};
    struct slk_reader r = {.rest = full_rest_of(slk_span_of(blob->body, blob->body_n))};
    struct slk_block_source source;
    struct slk_block_header h;
    struct ledger *l = NULL;
    struct slk_fault fault;
    struct slk_span bytes;
    size_t n = 0;

    for (unsigned i = 0; i < full.ledgers_n && l == NULL; i++)
        if (slk_hash_equal(&full.ledgers[i]->machine.tip.block_hash, &blob->previous))
            l = full.ledgers[i];
    if (l == NULL || slk_block_header_parse(&h, blob->header) != SLK_OK)
        return blob;
    params.origin_view = view > 0 ? view : h.origin_view;
    params.proposer = view > 0 ? proposer : h.proposer;
    params.flags = h.flags;
    params.change = full_change_of(slk_span_of(blob->body, blob->body_n));
    for (; n < 1024 && next_submission(&r, &bytes); n++) {
        full_admit(l, &subs[n], bytes);
        list[n] = &subs[n];
    }
    source = source_of(l);
    if (slk_block_build(&l->block, &l->machine, &source, &params, list, verdicts, n, &fault) != SLK_OK)
        return blob;
    if (l->block.header.event_count != h.event_count || l->block.has_change != (params.change.size > 0)) {
        slk_block_undo(&l->machine, &l->block, NULL);
        return blob;
    }
    return finish(l, blob->body, blob->body_n);
}

bool full_build(struct ledger *l, const struct slk_block_params *params, struct slk_submission **list,
    struct slk_verdict *verdicts, size_t n)
{
    struct slk_block_source source = source_of(l);
    struct slk_fault fault;
    enum slk_err err;

    for (size_t i = 0; i < n; i++)
        verdicts[i].events = NULL;
    err = slk_block_build(&l->block, &l->machine, &source, params, list, verdicts, n, &fault);
    if (err != SLK_OK && err != SLK_E_NOT_FOUND)
        full_fail(l, "a block cannot be built");
    return err == SLK_OK;
}

/* ---- the disk, and what a boot makes of it ---- */

/* The block has an event at the same or a later place of a credential, or used the same status index. */
static bool overtakes(const struct thing *a, const struct thing *b)
{
    for (size_t i = 0; i < a->events_n; i++)
        for (size_t k = 0; k < b->events_n; k++) {
            bool is_same = memcmp(a->events[i].handle, b->events[k].handle, SLK_HANDLE_SIZE) == 0;

            if (is_same && b->events[k].sequence <= a->events[i].sequence)
                return true;
            if (a->events[i].is_issue && b->events[k].is_issue &&
                a->events[i].status_index == b->events[k].status_index)
                return true;
        }
    return false;
}

static void mark_stale(struct disk *d, const struct blob *blob, unsigned id)
{
    struct slk_reader r = {.rest = full_rest_of(slk_span_of(blob->body, blob->body_n))};
    struct slk_span bytes;

    while (!full_spent(d, id) && next_submission(&r, &bytes))
        for (unsigned a = 0; a < SUBMISSIONS_MAX && full.things[a] != NULL; a++)
            if (full.things[a]->size == bytes.size &&
                memcmp(full.things[a]->bytes, bytes.at, bytes.size) == 0 &&
                overtakes(full.things[a], full.things[id]))
                d->stale[id / 64] |= 1ull << (id % 64);
}

/* A new one may be overtaken already, where somebody knows more than who made it. */
void full_place(struct world *w, unsigned id)
{
    for (unsigned i = 0; i < w->processes_n; i++)
        for (uint64_t h = 1; h <= w->processes[i]->disk.height; h++)
            mark_stale(&w->processes[i]->disk, w->processes[i]->disk.chain[h], id);
}

size_t full_list(const struct blob *blob, unsigned ids[FULL_LIST_MAX])
{
    struct slk_reader r = {.rest = full_rest_of(slk_span_of(blob->body, blob->body_n))};
    struct slk_span bytes;
    size_t n = 0;

    while (n < FULL_LIST_MAX && next_submission(&r, &bytes)) {
        unsigned id = 0;

        while (full.things[id] != NULL && (full.things[id]->size != bytes.size ||
                                              memcmp(full.things[id]->bytes, bytes.at, bytes.size) != 0))
            id++;
        if (full.things[id] == NULL)
            return SIZE_MAX;
        ids[n++] = id;
    }
    return n;
}

void ledger_apply(const struct world *w, struct disk *d, const struct blob *blob)
{
    unsigned in_block[FULL_LIST_MAX];
    size_t n = full_list(blob, in_block);

    full_change_seen(&full_world, blob);
    assert(blob->height == d->height + 1);
    assert(slk_hash_equal(&blob->previous, &d->chain[d->height]->hash));
    if (n == SIZE_MAX) {
        oracle_fail(
            w->oracle, "height %llu holds a submission that nobody sent", (unsigned long long)blob->height);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (bit(d->included, in_block[i]))
            oracle_fail(w->oracle, "I9: submission %u is in two blocks", in_block[i]);
        d->included[in_block[i] / 64] |= 1ull << (in_block[i] % 64);
    }
    for (unsigned id = 0; id < SUBMISSIONS_MAX && full.things[id] != NULL; id++)
        for (size_t k = 0; k < n && !full_spent(d, id); k++)
            if (overtakes(full.things[in_block[k]], full.things[id]))
                d->stale[id / 64] |= 1ull << (id % 64);
}

void ledger_tip(const struct world *w, const struct process *p, struct slk_bft_tip *out)
{
    const struct blob *tip = p->disk.chain[p->disk.height];

    out->height = tip->height;
    out->time_ms = tip->time_ms;
    out->hash = tip->hash;
    world_council(w, tip->height + 1, &out->council);
    out->me = world_index(w, tip->height + 1, p->member);
    if (!slk_hash_equal(&out->council.charter_hash, &ledger_of(p)->machine.charter->hash))
        full_fail(ledger_of(p), "I17: the machine is under another charter than the blocks lead to");
}

/* I13: now and then the whole ledger is executed again; otherwise the machine of the last boot must be at the disk's tip,
 * or goes there. */
void ledger_open(struct world *w, struct process *p)
{
    struct ledger *l = p->ledger;

    if (l == NULL) {
        l = p->ledger = calloc(1, sizeof(*l));
        if (l == NULL)
            abort();
        l->w = w;
        l->p = p;
        full.ledgers[full.ledgers_n++] = l;
        if (full_disks == NULL)
            reset_machine(l);
    } else if (full_disks == NULL && random_chance(&full.random, 100)) {
        reset_machine(l);
    }
    if (full_disks != NULL)
        full_disks->open(l);
    while (full_disks == NULL && l->machine.tip.height < p->disk.height)
        full_follow(l, p->disk.chain[l->machine.tip.height + 1]);
    if (!slk_hash_equal(&l->machine.tip.block_hash, &p->disk.chain[p->disk.height]->hash))
        full_fail(l, "I13: the machine is not where the disk is");
    full_pool_open(l);
}

void ledger_close(struct world *w, struct process *p)
{
    struct ledger *l = p->ledger;

    (void)w;
    if (l == NULL)
        return;
    slk_pool_free(l->pool);
    l->pool = NULL;
}

void ledger_committed(struct world *w, struct process *p, const struct blob *blob)
{
    struct ledger *l = ledger_of(p);

    if (l->machine.tip.height < blob->height) { /* a real disk has it executed already */
        full_promises_before(l, blob);
        full_follow(l, blob);
    }
    if (oracle_verdict(w->oracle) != NULL)
        return;
    full_promises_after(l, blob);
    if (process_honest(p))
        full_judge_commit(l, blob);
    full_pool_commit(l, blob);
}

/* ---- the world's beginning and end ---- */

static void forget(void)
{
    for (unsigned i = 0; i < full.ledgers_n; i++) {
        struct ledger *l = full.ledgers[i];

        slk_pool_free(l->pool);
        slk_block_free(&l->block);
        slk_map_free(l->machine.map);
        slk_index_set_free(l->machine.indexes);
        slk_charters_free(l->machine.charters);
        free(l);
    }
    for (unsigned i = 0; i < SUBMISSIONS_MAX && full.things[i] != NULL; i++) {
        free(full.things[i]->bytes);
        free(full.things[i]);
    }
    full_judge_free();
    full_reigns_free();
    free(full.charter);
    free(full.charter_bytes);
}

const struct blob *ledger_genesis(struct world *w)
{
    struct slk_machine m = {.has_genesis = false};
    struct slk_block block = {.rows_n = 0};
    struct slk_charter *first;
    const struct blob *blob;
    struct ledger l = {.w = w};

    forget();
    memset(&full, 0, sizeof(full));
    full.random = random_new(w->swarm.seed, 77);
    full.is_real = w->swarm.seed % (full_disks != NULL ? 10 : 100) == 7; /* fsck wants real ones */
    full.lock_quota = w->swarm.seed % 2 == 0 ? 4096 : 256 * random_between(&full.random, 2, 8);
    full.normal_quota = w->swarm.seed % 2 == 0 ? 16384 : 256 * random_between(&full.random, 4, 16);
    full.is_changing = w->swarm.epoch > 0;
    w->ledger = &full;
    full_make_charter(w);
    if (full_disks != NULL)
        full_disks->begin(w);
    slk_charter_chain_id(&w->council.chain_id, slk_span_of(full.charter_bytes, full.charter_size));
    w->council.charter_hash = full.charter->hash;
    w->verifier = full_verifier;
    first = malloc(sizeof(*first));
    if (first == NULL)
        abort();
    *first = *full.charter;
    full_reign(w, first, 0);

    m.charter = full.charter;
    m.chain_id = w->council.chain_id;
    slk_log_init(&m.log);
    if (slk_map_new(&m.map, &(struct slk_map_options){.fingerprint_bits = 0}) != SLK_OK ||
        slk_index_set_new(&m.indexes, full.charter) != SLK_OK ||
        slk_block_genesis(&block, &m, slk_span_of(full.charter_bytes, full.charter_size)) != SLK_OK)
        abort();
    blob = make_blob(w, block.header_bytes, NULL, 0);
    l.block = block;
    keep_executed(&l, blob);
    slk_block_free(&block);
    slk_map_free(m.map);
    slk_index_set_free(m.indexes);
    full_judge_new(w, blob);
    return blob;
}

bool ledger_sign(
    const struct world *w, unsigned member, const uint8_t *bytes, uint8_t sig[SLK_SIGNATURE_SIZE])
{
    enum { HEIGHT_AT = 80 }; /* in the signed bytes of a vote */

    (void)w;
    full_sign(full_charter_at(slk_get_u64(bytes + HEIGHT_AT)), member, bytes, SLK_VOTE_BYTES, sig);
    return true;
}

const struct platter *ledger_platter(const struct world *w)
{
    (void)w;
    return full_disks != NULL ? full_disks->platter : NULL;
}
