/* load.c: from the disk to a state that can execute blocks: newest sound snapshot, replay of the blocks after it, and
 * the one question that decides: does the map's root equal the one in the last seal? */
#include "ledger/store/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/multihash.h"

#define CHUNK_ROWS     512 /* rows one job prepares */
#define WINDOW         64  /* chunks prepared side by side, then applied in order */
#define PREFETCH_AHEAD 16
#define BATCH_PIECES   64
#define BATCH_BYTES    ((size_t)32 << 20)

struct loader {
    struct slk_view *view;
    struct slk_machine *state;
    const struct slk_par *par;
    slk_progress_fn *progress;
    void *progress_ctx;
    struct slk_fault *fault;
    uint64_t replayed_n; /* rows of this attempt */
    /* first block each partition of the map still has to see; what came before is in the snapshot */
    uint64_t from[SLK_MAP_PARTITIONS];
};

static void tell(const struct loader *l, const char *what, uint64_t done, uint64_t total)
{
    if (l->progress != NULL)
        l->progress(l->progress_ctx, what, done, total);
}

/* ---- pieces of a snapshot ---- */

/* Some pieces, read and checked in parallel while those before are taken into the map. */
struct batch {
    size_t n;
    const struct slk_piece *pieces[BATCH_PIECES];
    uint8_t *bytes[BATCH_PIECES];
    enum slk_err errs[BATCH_PIECES];
};

struct import {
    struct loader *l;
    const struct slk_snapshot_head *head;
    struct batch *taking, *reading;
    enum slk_err err;
    const struct slk_piece *bad; /* the piece err is about */
};

static enum slk_err take_piece(struct slk_machine *state, const struct slk_piece *piece, const uint8_t *bytes)
{
    if (piece->kind == SLK_PIECE_PARTITION)
        return slk_map_import(state->map, piece->number, bytes, (size_t)piece->size);
    if (slk_charter_type(state->charter, piece->number) == NULL)
        return SLK_E_CORRUPT;
    return slk_index_set_load(state->indexes, piece->number, bytes, (size_t)piece->size);
}

/* Job 0 is the only one that touches the state. */
static void import_job(void *arg, size_t i)
{
    struct import *import = arg;

    if (i > 0) {
        struct batch *b = import->reading;
        b->errs[i - 1] = slk_snapshot_read(import->head, b->pieces[i - 1], b->bytes[i - 1]);
        return;
    }
    for (size_t k = 0; import->err == SLK_OK && k < import->taking->n; k++) {
        const struct slk_piece *piece = import->taking->pieces[k];

        import->err = import->taking->errs[k];
        if (import->err == SLK_OK && piece->size > 0)
            import->err = take_piece(import->l->state, piece, import->taking->bytes[k]);
        if (import->err != SLK_OK)
            import->bad = piece;
    }
}

static void batch_clear(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        free(b->bytes[i]);
    b->n = 0;
}

static enum slk_err batch_fill(struct batch *b, const struct slk_snapshot_head *head, size_t *next)
{
    size_t bytes = 0;

    assert(b->n == 0);
    while (b->n < BATCH_PIECES && *next < head->pieces_n && bytes < BATCH_BYTES) {
        const struct slk_piece *piece = &head->pieces[*next];

        b->bytes[b->n] = malloc((size_t)piece->size + 1);
        if (b->bytes[b->n] == NULL)
            return SLK_E_NOMEM;
        b->pieces[b->n++] = piece;
        bytes += (size_t)piece->size;
        (*next)++;
    }
    return SLK_OK;
}

static enum slk_err import_pieces(struct loader *l, const struct slk_snapshot_head *head, const char *name)
{
    struct batch *batches = calloc(2, sizeof(*batches));
    struct import import = {.l = l, .head = head};
    size_t next = 0;

    if (batches == NULL)
        return SLK_E_NOMEM;
    import.taking = &batches[0];
    import.reading = &batches[1];
    do {
        struct batch *read;

        import.err = batch_fill(import.reading, head, &next);
        if (import.err != SLK_OK)
            break;
        slk_par_run(l->par, import_job, &import, 1 + import.reading->n);
        batch_clear(import.taking);
        read = import.reading;
        import.reading = import.taking;
        import.taking = read;
        tell(l, "snapshot", next, head->pieces_n);
    } while (import.err == SLK_OK && import.taking->n > 0);
    if (import.err != SLK_OK && import.bad != NULL)
        slk_fault_set(l->fault, "%s: %s %u is damaged", name,
            import.bad->kind == SLK_PIECE_PARTITION ? "partition" : "the status indexes of type",
            import.bad->number);
    batch_clear(import.taking);
    batch_clear(import.reading);
    free(batches);
    return import.err;
}

/* ---- replay ---- */

/* Some rows of one block, made ready for the map: no look-up, no state, so many at a time. */
struct chunk {
    uint64_t height;
    struct slk_bundle bundle;
    const uint8_t *rows; /* of the whole block */
    size_t rows_at;      /* the first of ours */
    uint64_t first_row;
    size_t n;
    enum slk_err err;
    uint64_t bad_index; /* err: the entry it is about */
    struct slk_map_update updates[CHUNK_ROWS];
    uint32_t types[CHUNK_ROWS], indexes[CHUNK_ROWS]; /* type 0: not an ISSUE */
};

/* The event a row is of. */
static enum slk_err read_event(const struct slk_bundle *bundle, uint64_t log_index, struct slk_event *out)
{
    struct slk_span bytes;
    struct slk_entry entry;

    if (log_index < bundle->first_index || log_index - bundle->first_index >= bundle->entries_n ||
        !slk_bundle_entry(bundle, (size_t)(log_index - bundle->first_index), &bytes) ||
        slk_entry_parse(&entry, bytes) != SLK_OK || entry.type != SLK_ENTRY_RECORDED)
        return SLK_E_CORRUPT;
    return slk_event_parse(out, entry.event);
}

struct scratch {
    struct slk_event events[CHUNK_ROWS];
    uint8_t records[CHUNK_ROWS][SLK_RECORD_SIZE];
    struct slk_span spans[CHUNK_ROWS];
    struct slk_hash paths[CHUNK_ROWS], values[CHUNK_ROWS], pairs[2 * CHUNK_ROWS];
};

static void hash_chunk(struct chunk *c, struct scratch *s)
{
    for (size_t i = 0; i < c->n; i++)
        s->spans[i] = slk_span_of(s->events[i].credential, SLK_HANDLE_SIZE);
    slk_multihash_spans(s->paths, s->spans, c->n);
    for (size_t i = 0; i < c->n; i++)
        s->spans[i] = slk_span_of(s->records[i], SLK_RECORD_SIZE);
    slk_multihash_spans(s->values, s->spans, c->n);
    for (size_t i = 0; i < c->n; i++) {
        s->pairs[2 * i] = s->paths[i];
        s->pairs[2 * i + 1] = s->values[i];
    }
    /* A map leaf is SHA-256(0x00 || path || value hash) (design §5). */
    slk_multihash_equal(s->values, 0x00, s->pairs[0].b, 2 * SLK_HASH_SIZE, 2 * SLK_HASH_SIZE, c->n);
    for (size_t i = 0; i < c->n; i++) {
        c->updates[i].path = s->paths[i];
        c->updates[i].leaf = s->values[i];
    }
}

static void prepare_chunk(struct chunk *c, struct scratch *s)
{
    for (size_t i = 0; i < c->n; i++) {
        struct slk_row row;

        slk_row_parse(&row, c->rows, c->rows_at + i);
        memcpy(s->records[i], row.record, SLK_RECORD_SIZE);
        c->bad_index = row.log_index;
        c->err = read_event(&c->bundle, row.log_index, &s->events[i]);
        if (c->err != SLK_OK)
            return;
        c->updates[i] = (struct slk_map_update){.row = c->first_row + i, .old_row = row.previous_row};
        c->types[i] = s->events[i].kind == SLK_ISSUE ? s->events[i].type : 0;
        c->indexes[i] = s->events[i].status_index;
    }
    hash_chunk(c, s);
}

static void prepare_job(void *arg, size_t i)
{
    struct chunk *c = (struct chunk *)arg + i;
    struct scratch *s = malloc(sizeof(*s));

    c->err = s != NULL ? SLK_OK : SLK_E_NOMEM;
    if (s != NULL)
        prepare_chunk(c, s);
    free(s);
}

/* Full path of the credential that owns a row: for the one in 2^44 whose path begins like another's. */
static enum slk_err path_of_row(struct loader *l, uint64_t number, struct slk_hash *out)
{
    struct slk_row row;
    struct slk_bundle bundle;
    struct slk_event event;
    enum slk_err err = slk_view_row(l->view, number, &row);

    if (err == SLK_OK)
        err = slk_view_bundle(l->view, row.log_index, &bundle);
    if (err == SLK_OK)
        err = read_event(&bundle, row.log_index, &event);
    if (err == SLK_OK)
        slk_hash_bytes(out, event.credential, SLK_HANDLE_SIZE);
    return err;
}

static unsigned partition_of(const struct slk_hash *path)
{
    return ((unsigned)path->b[0] << 8 | path->b[1]) >> (16 - SLK_MAP_PARTITION_BITS);
}

static enum slk_err apply_update(struct loader *l, struct slk_map_update *update)
{
    struct slk_map_found found;
    struct slk_hash rival;
    enum slk_err err;

    if (slk_map_find(l->state->map, &update->path, &found) && !found.certain &&
        found.row != update->old_row) {
        err = path_of_row(l, found.row, &rival);
        if (err != SLK_OK)
            return err;
        if (slk_hash_equal(&rival, &update->path))
            return SLK_E_CORRUPT; /* the row before this one is not the one it names */
        update->rival = &rival;
    }
    err = slk_map_replay(l->state->map, update);
    update->rival = NULL;
    return err;
}

static enum slk_err mark_index(struct loader *l, uint32_t code, uint32_t index)
{
    const struct slk_credential_type *type = slk_charter_type(l->state->charter, code);

    if (type == NULL || index >= type->status_list_size)
        return SLK_E_CORRUPT;
    slk_index_set_put(l->state->indexes, code, index, true);
    return SLK_OK;
}

static enum slk_err apply_chunk(struct loader *l, struct chunk *c)
{
    enum slk_err err = c->err;

    if (err == SLK_E_NOMEM)
        return err;
    if (err != SLK_OK) {
        slk_fault_set(l->fault, "block %llu: a status record belongs to entry %llu, which is not an event",
            (unsigned long long)c->height, (unsigned long long)c->bad_index);
        return SLK_E_CORRUPT;
    }
    for (size_t i = 0; i < c->n; i++) {
        struct slk_map_update *update = &c->updates[i];

        if (i + PREFETCH_AHEAD < c->n)
            slk_map_prefetch(l->state->map, &c->updates[i + PREFETCH_AHEAD].path);
        if (c->types[i] != 0)
            err = mark_index(l, c->types[i], c->indexes[i]);
        if (err == SLK_OK && c->height >= l->from[partition_of(&update->path)])
            err = apply_update(l, update);
        if (err != SLK_OK) {
            slk_fault_set(l->fault, "block %llu: status record %llu does not follow from those before it",
                (unsigned long long)c->height, (unsigned long long)update->row);
            return err;
        }
    }
    return SLK_OK;
}

/* Whether a block's records have numbers below the end, which the map can hold. The start checks only the last blocks. */
static bool rows_are_within(const struct slk_view_block *block, uint64_t rows_n)
{
    return rows_n <= SLK_MAP_ROW_MAX + 1 && block->rows_n <= rows_n &&
           block->first_row <= rows_n - block->rows_n;
}

/* Cuts blocks from *height on, *row within it, into chunks until the window is full. */
static enum slk_err fill_window(
    struct loader *l, struct chunk *chunks, size_t *n, uint64_t *height, size_t *row)
{
    *n = 0;
    while (*n < WINDOW && *height <= l->view->tip.height) {
        struct slk_view_block block;
        struct slk_bundle bundle;
        enum slk_err err = slk_view_block(l->view, *height, &block);

        if (err == SLK_OK)
            err = slk_view_bundle(l->view, block.first_index, &bundle);
        if (err == SLK_OK && !rows_are_within(&block, l->view->tip.rows_n))
            err = SLK_E_CORRUPT;
        if (err != SLK_OK) {
            slk_fault_set(
                l->fault, "block %llu cannot be read; run `sillok fsck`", (unsigned long long)*height);
            return err;
        }
        for (; *n < WINDOW && *row < block.rows_n; (*n)++) {
            struct chunk *c = &chunks[*n];

            c->height = *height;
            c->bundle = bundle;
            c->rows = block.rows.at;
            c->rows_at = *row;
            c->first_row = block.first_row + *row;
            c->n = block.rows_n - *row < CHUNK_ROWS ? block.rows_n - *row : CHUNK_ROWS;
            *row += c->n;
        }
        if (*row == block.rows_n) {
            *row = 0;
            (*height)++;
        }
    }
    return SLK_OK;
}

static enum slk_err replay(struct loader *l, uint64_t from)
{
    struct chunk *chunks = malloc(WINDOW * sizeof(*chunks));
    enum slk_err err = chunks != NULL ? SLK_OK : SLK_E_NOMEM;
    uint64_t height = from;
    size_t row = 0, n = 1;

    l->replayed_n = 0;
    while (err == SLK_OK && (n > 0 || height <= l->view->tip.height)) {
        err = fill_window(l, chunks, &n, &height, &row);
        if (err != SLK_OK)
            break;
        slk_par_run(l->par, prepare_job, chunks, n);
        for (size_t i = 0; err == SLK_OK && i < n; i++)
            err = apply_chunk(l, &chunks[i]);
        for (size_t i = 0; i < n; i++)
            l->replayed_n += chunks[i].n;
        tell(l, "blocks", height - from, l->view->tip.height + 1 - from);
    }
    free(chunks);
    return err;
}

/* ---- one attempt, then the next best ---- */

static enum slk_err finish(struct loader *l)
{
    struct slk_hash root;
    enum slk_err err;

    tell(l, "map", 0, 1);
    err = slk_map_rebuild(l->state->map, l->par);
    if (err != SLK_OK)
        return err;
    slk_map_root(l->state->map, &root);
    if (!slk_hash_equal(&root, &l->view->tip.map_root)) {
        slk_fault_set(l->fault, "the status records do not lead to the map root in the seal of block %llu",
            (unsigned long long)l->view->tip.height);
        return SLK_E_CORRUPT;
    }
    tell(l, "map", 1, 1);
    return SLK_OK;
}

static enum slk_err load_snapshot(struct loader *l, const struct slk_snapshot_head *head, const char *name)
{
    uint64_t from = head->highest + 1;
    enum slk_err err = slk_map_import_begin(l->state->map, head->credentials_n);

    for (size_t i = 0; i < head->pieces_n; i++) {
        if (head->pieces[i].kind == SLK_PIECE_PARTITION)
            l->from[head->pieces[i].number] = head->pieces[i].height + 1;
        from = head->pieces[i].height + 1 < from ? head->pieces[i].height + 1 : from;
    }
    if (err == SLK_OK)
        err = import_pieces(l, head, name);
    if (err == SLK_OK)
        err = replay(l, from);
    return err == SLK_OK ? finish(l) : err;
}

/* How many credentials there are: rows that follow no other. */
static enum slk_err count_credentials(struct loader *l, uint64_t *out)
{
    *out = 0;
    for (uint64_t height = 0; height <= l->view->tip.height; height++) {
        struct slk_view_block block;
        enum slk_err err = slk_view_block(l->view, height, &block);

        if (err != SLK_OK) {
            slk_fault_set(
                l->fault, "block %llu cannot be read; run `sillok fsck`", (unsigned long long)height);
            return err;
        }
        for (size_t i = 0; i < block.rows_n; i++) {
            struct slk_row row;
            slk_row_parse(&row, block.rows.at, i);
            *out += row.previous_row == SLK_MAP_ROW_NONE;
        }
    }
    return SLK_OK;
}

static enum slk_err load_blocks(struct loader *l)
{
    uint64_t credentials_n;
    enum slk_err err = count_credentials(l, &credentials_n);

    memset(l->from, 0, sizeof l->from);
    if (err == SLK_OK)
        err = slk_map_import_begin(l->state->map, credentials_n);
    if (err == SLK_OK)
        err = replay(l, 0);
    return err == SLK_OK ? finish(l) : err;
}

/* A failed attempt leaves half a map behind. */
static enum slk_err start_over(struct slk_machine *state)
{
    struct slk_map_options options = {.fingerprint_bits = state->fingerprint_bits, .advise = slk_store_huge_pages};

    slk_map_free(state->map);
    slk_index_set_free(state->indexes);
    state->map = NULL;
    state->indexes = NULL;
    if (slk_map_new(&state->map, &options) != SLK_OK)
        return SLK_E_NOMEM;
    return slk_index_set_new(&state->indexes, state->charter);
}

static bool is_final(enum slk_err err)
{
    return err == SLK_OK || err == SLK_E_NOMEM;
}

/* Tries the snapshots, newest first. SLK_E_NOT_FOUND: none is there or sound; the state is fresh again then. */
static enum slk_err try_snapshots(struct loader *l, struct slk_store *store)
{
    struct slk_snapshot_head heads[SLK_SNAPSHOT_FILES];
    bool there[SLK_SNAPSHOT_FILES];
    enum slk_err err = SLK_E_NOT_FOUND;
    unsigned first;

    for (unsigned i = 0; i < SLK_SNAPSHOT_FILES; i++) {
        there[i] = slk_snapshot_open(&heads[i], store->dir, i, l->fault) == SLK_OK;
        if (there[i] && slk_snapshot_belongs(&heads[i], l->view, &store->chain_id) != SLK_OK) {
            slk_fault_set(l->fault, "%s is not of this ledger's past", slk_snapshot_name(i));
            slk_snapshot_close(&heads[i]);
            there[i] = false;
        }
    }
    first = there[0] && (!there[1] || heads[0].highest >= heads[1].highest) ? 0 : 1;
    for (unsigned k = 0; k < SLK_SNAPSHOT_FILES && !is_final(err); k++) {
        unsigned i = k == 0 ? first : 1 - first;

        if (!there[i])
            continue;
        err = load_snapshot(l, &heads[i], slk_snapshot_name(i));
        if (!is_final(err) && start_over(l->state) != SLK_OK)
            err = SLK_E_NOMEM;
    }
    for (unsigned i = 0; i < SLK_SNAPSHOT_FILES; i++)
        if (there[i])
            slk_snapshot_close(&heads[i]);
    return is_final(err) ? err : SLK_E_NOT_FOUND;
}

static enum slk_err load_log(struct loader *l)
{
    struct slk_hash root;
    enum slk_err err = slk_view_load_log(l->view, &l->state->log);

    if (err == SLK_OK) {
        slk_log_root(&l->state->log, &root);
        if (!slk_hash_equal(&root, &l->view->tip.log_root))
            err = SLK_E_CORRUPT;
    }
    if (err == SLK_E_CORRUPT)
        slk_fault_set(l->fault, "the entries do not lead to the log root of block %llu",
            (unsigned long long)l->view->tip.height);
    return err;
}

enum slk_err slk_store_load_state(struct slk_store *store, struct slk_machine *state,
    const struct slk_par *par, slk_progress_fn *progress, void *progress_ctx, struct slk_fault *fault)
{
    struct loader *l = calloc(1, sizeof(*l));
    struct slk_fault none;
    enum slk_err err;

    if (l == NULL)
        return SLK_E_NOMEM;
    l->state = state;
    l->par = par;
    l->progress = progress;
    l->progress_ctx = progress_ctx;
    l->fault = fault != NULL ? fault : &none;
    l->fault->text[0] = '\0';
    err = slk_view_begin(&l->view, store);
    if (err == SLK_OK && l->view->has_tip) {
        err = load_log(l);
        if (err == SLK_OK)
            err = try_snapshots(l, store);
        if (err == SLK_E_NOT_FOUND)
            err = load_blocks(l);
        if (err == SLK_OK) {
            state->tip = l->view->tip;
            state->has_genesis = true;
            store->replayed_n = l->replayed_n;
        }
    }
    slk_view_end(l->view);
    free(l);
    return err;
}

uint64_t slk_store_replayed_n(const struct slk_store *store)
{
    return store->replayed_n;
}
