#include "ledger/core/block.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/block_scratch.h"
#include "ledger/verify/bytes.h"

void slk_block_header_format(uint8_t out[SLK_BLOCK_HEADER_SIZE], const struct slk_block_header *header)
{
    struct slk_writer w = {.at = out, .cap = SLK_BLOCK_HEADER_SIZE};

    slk_write_u16(&w, header->version);
    slk_write_u16(&w, header->flags);
    slk_write_u64(&w, header->height);
    slk_write_bytes(&w, header->chain_id.b, SLK_HASH_SIZE);
    slk_write_bytes(&w, header->charter_hash.b, SLK_HASH_SIZE);
    slk_write_bytes(&w, header->next_charter_hash.b, SLK_HASH_SIZE);
    slk_write_bytes(&w, header->previous.b, SLK_HASH_SIZE);
    slk_write_u64(&w, header->time_ms);
    slk_write_u16(&w, header->proposer);
    slk_write_u32(&w, header->origin_view);
    slk_write_u32(&w, header->event_count);
    slk_write_u32(&w, header->body_bytes);
    slk_write_bytes(&w, header->body_hash.b, SLK_HASH_SIZE);
    slk_write_u64(&w, header->log_size);
    slk_write_bytes(&w, header->log_root.b, SLK_HASH_SIZE);
    slk_write_bytes(&w, header->map_root.b, SLK_HASH_SIZE);
    assert(!w.bad && w.size == SLK_BLOCK_HEADER_SIZE);
}

enum slk_err slk_block_header_parse(struct slk_block_header *out, const uint8_t bytes[SLK_BLOCK_HEADER_SIZE])
{
    struct slk_reader r = {.rest = slk_span_of(bytes, SLK_BLOCK_HEADER_SIZE)};

    out->version = slk_read_u16(&r);
    out->flags = slk_read_u16(&r);
    out->height = slk_read_u64(&r);
    slk_read_bytes(&r, out->chain_id.b, SLK_HASH_SIZE);
    slk_read_bytes(&r, out->charter_hash.b, SLK_HASH_SIZE);
    slk_read_bytes(&r, out->next_charter_hash.b, SLK_HASH_SIZE);
    slk_read_bytes(&r, out->previous.b, SLK_HASH_SIZE);
    out->time_ms = slk_read_u64(&r);
    out->proposer = slk_read_u16(&r);
    out->origin_view = slk_read_u32(&r);
    out->event_count = slk_read_u32(&r);
    out->body_bytes = slk_read_u32(&r);
    slk_read_bytes(&r, out->body_hash.b, SLK_HASH_SIZE);
    out->log_size = slk_read_u64(&r);
    slk_read_bytes(&r, out->log_root.b, SLK_HASH_SIZE);
    slk_read_bytes(&r, out->map_root.b, SLK_HASH_SIZE);
    if (!slk_read_done(&r) || out->version != SLK_BLOCK_VERSION ||
        (out->flags & ~SLK_BLOCK_FLAG_HEARTBEAT) != 0 || out->event_count > SLK_BLOCK_EVENTS_MAX ||
        out->log_size == 0) {
        memset(out, 0, sizeof(*out)); /* version 0 is no version: harmless if we are ignored */
        return SLK_E_MALFORMED;
    }
    return SLK_OK;
}

void slk_block_hash(struct slk_hash *out, const uint8_t header[SLK_BLOCK_HEADER_SIZE])
{
    slk_hash_tagged(out, SLK_TAG_BLOCK, header, SLK_BLOCK_HEADER_SIZE);
}

#define ROW_NONE (((uint64_t)1 << 40) - 1) /* above SLK_MAP_ROW_MAX */

static void put_bytes(uint8_t *at, uint64_t value, unsigned bytes_n)
{
    assert(bytes_n == 8 || value >> (8 * bytes_n) == 0);
    for (unsigned i = bytes_n; i-- > 0; value >>= 8)
        at[i] = (uint8_t)value;
}

static uint64_t get_bytes(const uint8_t *at, unsigned bytes_n)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes_n; i++)
        value = value << 8 | at[i];
    return value;
}

bool slk_rows_count(size_t size, size_t *rows_n)
{
    *rows_n = size < SLK_ROWS_HEAD ? 0 : (size - SLK_ROWS_HEAD) / SLK_ROW_SIZE;
    return *rows_n > 0 && slk_rows_size(*rows_n) == size;
}

void slk_rows_begin(uint8_t *rows, uint64_t time_ms, uint64_t first_index)
{
    slk_put_u64(rows, time_ms);
    slk_put_u64(rows + 8, first_index);
}

/* Offsets in the 144-byte record (design §4) and in the row. */
void slk_row_format(uint8_t *rows, size_t i, const struct slk_row *row)
{
    uint8_t *at = rows + SLK_ROWS_HEAD + i * SLK_ROW_SIZE;
    const uint8_t *r = row->record;
    uint64_t previous = row->previous_row == SLK_MAP_ROW_NONE ? ROW_NONE : row->previous_row;

    assert(slk_get_u64(r + 88) == slk_get_u64(rows) && slk_get_u64(r + 136) == 0);
    assert(row->previous_row == SLK_MAP_ROW_NONE || row->previous_row <= SLK_MAP_ROW_MAX);
    memcpy(at, r, 64);            /* history, last_event_id */
    memcpy(at + 64, r + 104, 32); /* device */
    put_bytes(at + 96, slk_get_u64(r + 64), 5);
    assert(r[72] < 16 && r[73] < 16);
    at[101] = (uint8_t)(r[72] << 4 | r[73]);
    memcpy(at + 102, r + 74, 6); /* type, owner */
    put_bytes(at + 108, slk_get_u64(r + 80), 6);
    memcpy(at + 114, r + 96, 8); /* status_index, reason */
    put_bytes(at + 122, row->log_index - slk_get_u64(rows + 8), 2);
    put_bytes(at + 124, previous, 5);
}

void slk_row_parse(struct slk_row *out, const uint8_t *rows, size_t i)
{
    const uint8_t *at = rows + SLK_ROWS_HEAD + i * SLK_ROW_SIZE;
    uint8_t *r = out->record;
    uint64_t previous = get_bytes(at + 124, 5);

    memcpy(r, at, 64);
    slk_put_u64(r + 64, get_bytes(at + 96, 5));
    r[72] = at[101] >> 4;
    r[73] = at[101] & 15;
    memcpy(r + 74, at + 102, 6);
    slk_put_u64(r + 80, get_bytes(at + 108, 6));
    memcpy(r + 88, rows, 8);
    memcpy(r + 96, at + 114, 8);
    memcpy(r + 104, at + 64, 32);
    memset(r + 136, 0, 8);
    out->log_index = slk_get_u64(rows + 8) + get_bytes(at + 122, 2);
    out->previous_row = previous == ROW_NONE ? SLK_MAP_ROW_NONE : previous;
}

void slk_row_status(struct slk_row_status *out, const uint8_t *rows, size_t i)
{
    const uint8_t *at = rows + SLK_ROWS_HEAD + i * SLK_ROW_SIZE;

    out->state = at[101] >> 4;
    out->type = slk_get_u32(at + 102);
    out->valid_until_s = get_bytes(at + 108, 6);
    out->index = slk_get_u32(at + 114);
}

bool slk_block_grow(void *array, size_t *cap, size_t n, size_t element)
{
    void **at = array;
    size_t room = *cap < 64 ? 64 : *cap;
    void *grown;

    if (n <= *cap)
        return true;
    while (room < n) {
        if (room > SIZE_MAX / 2 / element)
            return false;
        room *= 2;
    }
    grown = realloc(*at, room * element);
    if (grown == NULL)
        return false;
    memset((uint8_t *)grown + *cap * element, 0, (room - *cap) * element);
    *at = grown;
    *cap = room;
    return true;
}

struct slk_block_scratch *slk_block_scratch(struct slk_block *block)
{
    if (block->scratch == NULL)
        block->scratch = calloc(1, sizeof(struct slk_block_scratch));
    return block->scratch;
}

void slk_block_free(struct slk_block *block)
{
    struct slk_block_scratch *s = block->scratch;

    if (s != NULL) {
        for (size_t i = 0; i < s->subs_cap; i++)
            slk_submission_free(&s->subs[i]);
        free(s->items);
        free(s->touched);
        free(s->slots);
        free(s->steps);
        free(s->marks);
        free(s->updates);
        free(s->records);
        free(s->subs);
        free(s->sub_list);
        free(s->verdicts);
        free(s->spans);
        free(s->bytes);
        free(s->entry_of);
        free(s->change);
        free(s->next);
        free(s);
    }
    free(block->entries);
    free(block->offsets);
    free(block->rows);
    free(block->leaves);
    free(block->tiles);
    memset(block, 0, sizeof(*block));
}

void slk_block_put_entry(struct slk_block *block, const uint8_t *entry, size_t size)
{
    uint8_t *at = block->entries + block->entries_size;

    assert(size > 0 && size <= SLK_ENTRY_MAX && block->entries_n < block->offsets_cap);
    assert(block->entries_size <= block->entries_cap && size + 2 <= block->entries_cap - block->entries_size);
    block->offsets[block->entries_n] = (uint32_t)block->entries_size;
    at[0] = (uint8_t)(size >> 8);
    at[1] = (uint8_t)size;
    memmove(at + 2, entry, size); /* an entry printed ahead may stand right there, or a little further on */
    block->entries_size += size + 2;
    block->entries_n++;
}

/* One full tile of the log, copied: the log's own array is filled anew at once. */
struct tile_sink {
    struct slk_block *block;
    bool no_memory;
};

static void collect_tile(void *ctx, uint32_t level, uint64_t index, const struct slk_hash *hashes)
{
    struct tile_sink *sink = ctx;
    struct slk_block *block = sink->block;
    struct slk_block_tile *tile;

    if (!slk_block_grow(&block->tiles, &block->tiles_cap, block->tiles_n + 1, sizeof(*block->tiles))) {
        sink->no_memory = true;
        return;
    }
    tile = &block->tiles[block->tiles_n++];
    tile->level = level;
    tile->index = index;
    memcpy(tile->hashes, hashes, sizeof(tile->hashes));
}

static void fill_header(struct slk_block *block, const struct slk_machine *machine,
    const struct slk_block_params *params, uint32_t events_n, const struct slk_hash *body_hash,
    const struct slk_seal *seal)
{
    /* The seal knows no flags: they must follow from the entries, or the same entries would have two headers. */
    bool is_empty = events_n == 0 && !block->has_change;
    uint16_t flags = is_empty ? params->flags : (uint16_t)(params->flags & ~SLK_BLOCK_FLAG_HEARTBEAT);

    block->header = (struct slk_block_header){
        .version = SLK_BLOCK_VERSION,
        .flags = flags,
        .height = seal->height,
        .chain_id = machine->chain_id,
        .charter_hash = seal->charter_hash,
        .next_charter_hash = seal->next_charter_hash,
        .previous = machine->has_genesis ? machine->tip.block_hash : slk_hash_zero,
        .time_ms = seal->time_ms,
        .proposer = params->proposer,
        .origin_view = params->origin_view,
        .event_count = events_n,
        .body_bytes = (uint32_t)block->entries_size,
        .body_hash = *body_hash,
        .log_size = machine->log.size,
        .map_root = seal->map_root,
    };
    slk_log_root(&machine->log, &block->header.log_root);
    slk_block_header_format(block->header_bytes, &block->header);
}

/* The charter that governs from the next block on, if another one begins, and the status lists it adds. */
static enum slk_err end_charters(struct slk_block *block, struct slk_machine *machine)
{
    struct slk_block_scratch *s = block->scratch;

    if (machine->charters == NULL)
        return SLK_OK;
    s->ended = true;
    if (!slk_charters_end(machine->charters, block->tip.height, &block->tip.block_hash))
        return SLK_OK;
    machine->charter = slk_charters_now(machine->charters);
    return slk_index_set_grow(machine->indexes, machine->charter);
}

enum slk_err slk_block_close(struct slk_block *block, struct slk_machine *machine,
    const struct slk_block_params *params, uint32_t events_n, const struct slk_hash *body_hash)
{
    struct tile_sink sink = {.block = block};
    struct slk_seal seal = {
        .height = machine->has_genesis ? machine->tip.height + 1 : 0,
        .time_ms = params->time_ms,
        .has_previous = machine->has_genesis,
        .previous = machine->tip.seal_hash,
        .charter_hash = machine->charter->hash,
        .next_charter_hash = machine->charter->hash,
        .proposer = params->proposer,
        .origin_view = params->origin_view,
    };
    uint8_t bytes[SLK_SEAL_MAX];
    enum slk_err err;
    size_t size;

    if (machine->charters != NULL)
        seal.next_charter_hash = slk_charters_after(machine->charters, seal.height)->hash;
    slk_map_root(machine->map, &seal.map_root);
    size = slk_entry_format_seal(bytes, sizeof(bytes), &seal);
    assert(size > 0);
    slk_hash_leaf(&block->leaves[block->entries_n], bytes, size);
    block->tip.seal_hash = block->leaves[block->entries_n];
    slk_block_put_entry(block, bytes, size);

    slk_log_append(&machine->log, block->leaves, block->entries_n, collect_tile, &sink);
    fill_header(block, machine, params, events_n, body_hash, &seal);
    slk_block_hash(&block->tip.block_hash, block->header_bytes);
    block->tip.height = seal.height;
    block->tip.time_ms = seal.time_ms;
    block->tip.log_size = machine->log.size;
    block->tip.rows_n = machine->tip.rows_n + block->rows_n;
    block->tip.events_n = machine->tip.events_n + events_n;
    block->tip.log_root = block->header.log_root;
    block->tip.map_root = seal.map_root;
    machine->tip = block->tip;
    machine->has_genesis = true;
    err = end_charters(block, machine);
    return sink.no_memory ? SLK_E_NOMEM : err;
}

enum slk_err slk_block_genesis(
    struct slk_block *out, struct slk_machine *machine, struct slk_span charter_bytes)
{
    struct slk_block_params params = {.time_ms = machine->charter->created_at_ms};
    struct slk_hash body_hash;
    uint8_t *entry;
    size_t size;

    assert(!machine->has_genesis && machine->log.size == 0);
    if (charter_bytes.size > SLK_CHARTER_BYTES_MAX)
        return SLK_E_TOO_LARGE;
    out->entries_size = out->entries_n = out->rows_n = out->tiles_n = 0;
    out->first_index = out->first_row = 0;
    out->has_change = false;
    entry = malloc(charter_bytes.size + 16);
    if (entry == NULL || slk_block_scratch(out) == NULL ||
        !slk_block_grow(&out->entries, &out->entries_cap, charter_bytes.size + 16 + SLK_SEAL_MAX + 4, 1) ||
        !slk_block_grow(&out->offsets, &out->offsets_cap, 2, sizeof(*out->offsets)) ||
        !slk_block_grow(&out->leaves, &out->leaves_cap, 2, sizeof(*out->leaves))) {
        free(entry);
        return SLK_E_NOMEM;
    }
    size = slk_entry_format_charter(entry, charter_bytes.size + 16, charter_bytes, (struct slk_span){0});
    assert(size > 0);
    slk_hash_leaf(&out->leaves[0], entry, size);
    slk_block_put_entry(out, entry, size);
    slk_hash_tagged(&body_hash, SLK_TAG_BODY, charter_bytes.at, charter_bytes.size);
    free(entry);
    return slk_block_close(out, machine, &params, 0, &body_hash);
}

void slk_block_undo(struct slk_machine *machine, struct slk_block *block, const struct slk_par *par)
{
    struct slk_block_scratch *s = block->scratch;

    assert(s != NULL && s->undoable);
    for (size_t i = 0; i < s->marks_n; i++)
        slk_index_set_put(machine->indexes, s->marks[i].type, s->marks[i].index, false);
    if (s->map_applied)
        slk_map_revert(machine->map, par);
    if (machine->charters != NULL) {
        slk_charters_undo(machine->charters, s->ended);
        machine->charter = s->old_charter;
        slk_index_set_shrink(machine->indexes, machine->charter);
    }
    machine->log = s->old_log;
    machine->tip = s->old_tip;
    s->undoable = false;
    s->map_applied = false;
}
