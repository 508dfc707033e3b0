/* fsck_blocks.c: block after block: entries to leaf hashes, leaf hashes to the log's root and tiles, events to records.
 *
 * Issuers' signatures and rules are not looked at: that is `audit`. What is looked at here, finality certificates with it,
 * is enough to find any changed bit, and to say where it is.
 */
#include "ledger/store/fsck.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHERE_SIZE 64

struct bad_tile {
    bool found, missing;
    uint32_t level;
    uint64_t index;
};

struct walk {
    struct slk_fsck *f;
    uint64_t height;
    char where[WHERE_SIZE]; /* "block 17" */
    struct slk_buffer head, entries, rows, group, finality;
    bool has_council, council_told; /* who decides the block is known; or told not to be */
    struct slk_council council;     /* of `charter_hash` */
    struct slk_hash charter_hash;   /* what governs this block, as the one before it says */
    struct slk_hash *leaves;        /* of this block */
    size_t leaves_cap;
    uint32_t *recorded; /* places of its Recorded entries */
    uint16_t *agencies; /* of their issuers; 0: not known */
    size_t recorded_n;
    struct slk_log log, before; /* before: at the end of the block before, to try again */
    bool log_lost;              /* an entry is damaged where no stored hash could take its place */
    uint64_t next_index, next_row, events_n;
    bool has_previous;
    struct slk_hash previous_hash, previous_seal;
    uint64_t group_in_buffer; /* UINT64_MAX: none */
    struct bad_tile bad_tile; /* of this block */
    bool signed_seen;
};

static void tell(struct walk *w, const char *what)
{
    slk_fsck_tell(w->f, w->where, "%s", what);
}

/* ---- tiles ---- */

/* The stored hash of a leaf; false when its group is not stored or cannot be read. */
static bool stored_leaf(struct walk *w, uint64_t index, struct slk_hash *out)
{
    uint64_t group = index / SLK_GROUP_LEAVES;

    if (w->group_in_buffer != group) {
        const struct slk_place *place = slk_fsck_find(w->f, SLK_BASE_LEAVES, group);

        w->group_in_buffer = UINT64_MAX;
        if (place == NULL || place->size != SLK_GROUP_LEAVES * SLK_HASH_SIZE ||
            slk_fsck_read(w->f, place, &w->group) != SLK_OK)
            return false;
        w->group_in_buffer = group;
    }
    memcpy(out->b, w->group.at + index % SLK_GROUP_LEAVES * SLK_HASH_SIZE, SLK_HASH_SIZE);
    return true;
}

/* A full tile of level 1 and above, as the log makes it, against the stored one. Noted, and told once it is certain that
 * the log is right. */
static void compare_tile(void *ctx, uint32_t level, uint64_t index, const struct slk_hash *hashes)
{
    struct walk *w = ctx;
    const struct slk_place *place;
    uint8_t stored[SLK_TILE_WIDTH * SLK_HASH_SIZE];
    bool missing;

    if (level == 0 || w->bad_tile.found)
        return;
    place = slk_fsck_find(w->f, SLK_BASE_TILES, (uint64_t)level << 56 | index);
    missing = place == NULL || place->size != sizeof stored ||
              !slk_lmdb_read(&w->f->file, place->offset, stored, sizeof stored);
    if (missing || memcmp(stored, hashes, sizeof stored) != 0)
        w->bad_tile = (struct bad_tile){.found = true, .missing = missing, .level = level, .index = index};
}

/* ---- entries ---- */

static bool grow(struct walk *w, size_t n)
{
    if (n > w->leaves_cap) {
        free(w->leaves);
        free(w->recorded);
        free(w->agencies);
        w->leaves_cap = n + n / 2;
        w->leaves = malloc(w->leaves_cap * sizeof(*w->leaves));
        w->recorded = malloc(w->leaves_cap * sizeof(*w->recorded));
        w->agencies = malloc(w->leaves_cap * sizeof(*w->agencies));
        if (w->leaves == NULL || w->recorded == NULL || w->agencies == NULL) {
            w->leaves_cap = 0;
            return false;
        }
    }
    return true;
}

/* An authorization covers the events right before it. */
static void cover(struct walk *w, size_t at, const struct slk_authorization *authorization, size_t open_n)
{
    const struct slk_issuer *issuer = NULL;
    const struct slk_charter *charter;

    for (size_t i = 0; issuer == NULL && (charter = slk_fsck_charter(w->f, i)) != NULL; i++)
        issuer = slk_charter_issuer(charter, authorization->key_id);

    if (authorization->count != open_n)
        slk_fsck_tell(w->f, w->where, "entry %zu authorizes %u events, but %zu stand before it", at,
            authorization->count, open_n);
    for (size_t i = 0; i < open_n; i++)
        w->agencies[w->recorded_n - 1 - i] = issuer != NULL ? issuer->agency : 0;
}

/* A later charter: it stands first, the list in meta names its block, and its members may have signed the checkpoint. Without
 * memory it is left out, and what they signed is told to be of nobody. */
static void check_change(struct walk *w, size_t at, struct slk_span entry)
{
    struct slk_fsck *f = w->f;
    struct slk_change *change = malloc(sizeof(*change));
    struct slk_charter *charter = malloc(sizeof(*charter));
    struct slk_charter **grown = NULL;

    if (change == NULL || charter == NULL) {
        free(change);
        free(charter);
        return;
    }
    if (at != 0)
        slk_fsck_tell(f, w->where, "entry %zu is a charter change, but not its first entry", at);
    if (f->changes_bytes.size / 8 <= f->later_n ||
        slk_get_u64(f->changes_bytes.at + 8 * f->later_n) != w->height)
        slk_fsck_tell(f, w->where, "its charter change is not in the list of changes");
    if (slk_change_parse(change, entry) != SLK_OK || slk_charter_parse(charter, change->charter) != SLK_OK)
        slk_fsck_tell(f, w->where, "its charter change does not parse");
    else
        grown = realloc(f->later, (f->later_n + 1) * sizeof(void *));
    free(change);
    if (grown == NULL) {
        free(charter);
        return;
    }
    f->later = grown;
    f->later[f->later_n++] = charter;
}

static void check_entry(struct walk *w, size_t at, struct slk_span bytes, bool last, size_t *open_n)
{
    struct slk_entry entry;
    struct slk_event event;

    if (slk_entry_parse(&entry, bytes) != SLK_OK) {
        slk_fsck_tell(w->f, w->where, "entry %zu (index %" PRIu64 ") does not parse", at, w->next_index + at);
        return;
    }
    if ((entry.type == SLK_ENTRY_SEAL) != last)
        slk_fsck_tell(w->f, w->where,
            last ? "entry %zu, its last, is not a seal" : "entry %zu is a seal, but not its last", at);
    if (entry.type == SLK_ENTRY_RECORDED) {
        if (slk_event_parse(&event, entry.event) != SLK_OK)
            slk_fsck_tell(
                w->f, w->where, "entry %zu (index %" PRIu64 ") holds no event", at, w->next_index + at);
        w->agencies[w->recorded_n] = 0;
        w->recorded[w->recorded_n++] = (uint32_t)at;
        (*open_n)++;
    } else if (entry.type == SLK_ENTRY_AUTHORIZATION) {
        cover(w, at, &entry.authorization, *open_n);
        *open_n = 0;
    } else if (entry.type == SLK_ENTRY_CHARTER && w->height == 0) {
        if (!slk_span_equal(entry.charter, w->f->charter_bytes))
            slk_fsck_tell(w->f, w->where, "the charter in it is not the genesis charter");
    } else if (entry.type == SLK_ENTRY_CHARTER) {
        check_change(w, at, bytes);
    }
}

/* Walks the bundle from end to end; the offsets must name each entry. False: the block's entries cannot be followed. */
static bool check_bundle(struct walk *w, const struct slk_bundle *bundle)
{
    struct slk_reader r = {.rest = bundle->entries};
    size_t open_n = 0;

    w->recorded_n = 0;
    for (size_t i = 0; i < bundle->entries_n; i++) {
        size_t offset = bundle->entries.size - r.rest.size;
        struct slk_span bytes = slk_read_span(&r, slk_read_u16(&r));

        if (r.bad || bytes.size == 0) {
            slk_fsck_tell(w->f, w->where, "entry %zu (index %" PRIu64 ") has a length that cannot be", i,
                w->next_index + i);
            return false;
        }
        if (i % SLK_ENTRIES_PER_MARK == 0 &&
            slk_get_u32(bundle->offsets + 4 * (i / SLK_ENTRIES_PER_MARK)) != offset)
            slk_fsck_tell(w->f, w->where, "the offset of entry %zu is wrong", i);
        slk_hash_leaf(&w->leaves[i], bytes.at, bytes.size);
        check_entry(w, i, bytes, i + 1 == bundle->entries_n, &open_n);
    }
    if (!slk_read_done(&r)) {
        tell(w, "bytes are left over after its last entry");
        return false;
    }
    if (open_n > 0)
        slk_fsck_tell(w->f, w->where, "its last %zu events are not authorized", open_n);
    return true;
}

/* ---- the log ---- */

static bool leads_to(struct walk *w, const struct slk_hash *leaves, size_t n, const struct slk_hash *root)
{
    struct slk_hash is;

    if (w->log.size != w->before.size) /* an attempt failed: the log is large to copy, so only then */
        w->log = w->before;
    w->bad_tile = (struct bad_tile){.found = false};
    slk_log_append(&w->log, leaves, n, compare_tile, w);
    slk_log_root(&w->log, &is);
    return slk_hash_equal(&is, root);
}

/* Where the computed hashes differ from the stored ones, the header's root decides which side is damaged. */
static void compare_leaves(struct walk *w, size_t n, bool computed, const struct slk_hash *root)
{
    struct slk_hash *stored = malloc((n + 1) * sizeof(*stored));
    size_t differs_n = 0, first = 0;
    bool complete = stored != NULL;

    for (size_t i = 0; complete && i < n; i++) {
        complete = stored_leaf(w, w->next_index + i, &stored[i]);
        if (!complete && computed) { /* the unfinished group, or a damaged page: told elsewhere */
            stored[i] = w->leaves[i];
            complete = true;
        }
        if (complete && (!computed || !slk_hash_equal(&stored[i], &w->leaves[i])) && differs_n++ == 0)
            first = i;
    }
    if (w->log_lost) {
        for (size_t i = 0; computed && differs_n > 0 && i < 1; i++)
            slk_fsck_tell(w->f, w->where, "entry %zu (index %" PRIu64 ") and its stored hash differ", first,
                w->next_index + first);
    } else if (computed && leads_to(w, w->leaves, n, root)) {
        if (differs_n > 0)
            slk_fsck_tell(w->f, "leaves", "the stored hash of entry %" PRIu64 " is not that of its entry",
                w->next_index + first);
    } else if (complete && differs_n > 0 && leads_to(w, stored, n, root)) {
        if (computed)
            slk_fsck_tell(w->f, w->where, "entry %zu (index %" PRIu64 ") is not the one the log holds", first,
                w->next_index + first);
        memcpy(w->leaves, stored, n * sizeof(*stored)); /* the log goes on with what was written once */
    } else {
        tell(w, "its entries do not lead to the log root in its header");
        w->log_lost = true;
    }
    free(stored);
}

static void append_to_log(struct walk *w, size_t n)
{
    if (w->log.size != w->before.size + n) { /* no attempt led to the root: nothing can be said about tiles */
        w->log = w->before;
        slk_log_append(&w->log, w->leaves, n, NULL, NULL);
    } else if (w->bad_tile.found && !w->log_lost) {
        slk_fsck_tell(w->f, "tiles", "tile %" PRIu64 " of level %u is %s", w->bad_tile.index,
            w->bad_tile.level, w->bad_tile.missing ? "missing" : "not what the entries lead to");
    }
    w->before = w->log;
}

/* ---- rows ---- */

/* The record a row follows; false when it cannot be read (then its own block is told). */
static bool read_row(struct walk *w, uint64_t number, struct slk_row *out)
{
    const struct slk_place *place = slk_fsck_seek(w->f, SLK_BASE_ROWS, number);
    uint8_t bytes[SLK_ROWS_HEAD + SLK_ROW_SIZE]; /* the head of its block's rows, then itself alone */
    size_t n;

    if (place == NULL || !slk_rows_count(place->size, &n) || number - place->key >= n ||
        !slk_lmdb_read(&w->f->file, place->offset, bytes, SLK_ROWS_HEAD) ||
        !slk_lmdb_read(&w->f->file, place->offset + SLK_ROWS_HEAD + (number - place->key) * SLK_ROW_SIZE,
            bytes + SLK_ROWS_HEAD, SLK_ROW_SIZE))
        return false;
    slk_row_parse(out, bytes, 0);
    return true;
}

/* A row is what its event makes of the row before it: computed again, it must be the same to the last bit. */
static const char *check_row(
    struct walk *w, const struct slk_row *row, uint64_t number, const struct slk_bundle *bundle, size_t k)
{
    struct slk_step step = {.leaf_hash = w->leaves[w->recorded[k]]};
    uint8_t again[SLK_RECORD_SIZE];
    struct slk_record record, before;
    struct slk_row before_row;
    struct slk_event event;
    struct slk_entry entry;
    struct slk_span bytes;

    if (row->log_index != w->next_index + w->recorded[k])
        return "names another entry than its event's";
    if (slk_record_parse(&record, row->record) != SLK_OK)
        return "holds no status record";
    if (!slk_bundle_entry(bundle, w->recorded[k], &bytes) || slk_entry_parse(&entry, bytes) != SLK_OK ||
        slk_event_parse(&event, entry.event) != SLK_OK)
        return NULL; /* the entry was told */
    if ((event.sequence == 0) != (row->previous_row == SLK_MAP_ROW_NONE) ||
        (row->previous_row != SLK_MAP_ROW_NONE && row->previous_row >= number))
        return "names a row before it that cannot be";
    step.recorded_at_ms = entry.recorded_at_ms;
    slk_event_id(&step.event_id, entry.event);
    step.agency = w->agencies[k] != 0 ? w->agencies[k] : record.owner_agency;
    if (event.sequence > 0) {
        if (!read_row(w, row->previous_row, &before_row) ||
            slk_record_parse(&before, before_row.record) != SLK_OK)
            return NULL;
        if (!slk_hash_equal(&before.last_event_id, &event.previous) || before.count != event.sequence)
            return "does not follow from the row before it";
    }
    slk_record_next(&record, event.sequence > 0 ? &before : NULL, &event, &step);
    slk_record_format(again, &record);
    return memcmp(again, row->record, SLK_RECORD_SIZE) == 0 ? NULL : "is not what its event leads to";
}

static enum slk_err check_rows(struct walk *w, const struct slk_bundle *bundle, size_t rows_n, bool followed)
{
    const struct slk_place *place = slk_fsck_find(w->f, SLK_BASE_ROWS, w->next_row);
    enum slk_err err;

    if (rows_n == 0)
        return SLK_OK;
    if (place == NULL || place->size != slk_rows_size(rows_n)) {
        tell(w, "its status records are missing");
        return SLK_OK;
    }
    err = slk_fsck_read(w->f, place, &w->rows);
    if (err != SLK_OK) {
        tell(w, "its status records cannot be read");
        return err == SLK_E_NOMEM ? err : SLK_OK;
    }
    for (size_t k = 0; followed && k < rows_n && k < w->recorded_n; k++) {
        struct slk_row row;
        const char *what;

        slk_row_parse(&row, w->rows.at, k);
        what = check_row(w, &row, w->next_row + k, bundle, k);
        if (what != NULL)
            slk_fsck_tell(w->f, w->where, "status record %" PRIu64 " %s", w->next_row + k, what);
    }
    return SLK_OK;
}

/* ---- one block ---- */

static void compare_seal(
    struct walk *w, const struct slk_block_header *header, const struct slk_bundle *bundle)
{
    struct slk_span bytes;
    struct slk_entry seal;

    if (!slk_bundle_entry(bundle, bundle->entries_n - 1, &bytes) || slk_entry_parse(&seal, bytes) != SLK_OK ||
        seal.type != SLK_ENTRY_SEAL)
        return; /* told */
    if (seal.seal.height != header->height || seal.seal.time_ms != header->time_ms ||
        seal.seal.proposer != header->proposer || seal.seal.origin_view != header->origin_view ||
        !slk_hash_equal(&seal.seal.map_root, &header->map_root) ||
        !slk_hash_equal(&seal.seal.charter_hash, &header->charter_hash) ||
        !slk_hash_equal(&seal.seal.next_charter_hash, &header->next_charter_hash))
        tell(w, "its seal differs from its header");
    if (seal.seal.has_previous != (w->height > 0) ||
        (w->has_previous && !slk_hash_equal(&seal.seal.previous, &w->previous_seal)))
        tell(w, "its seal does not follow the seal before it");
}

static void check_header(
    struct walk *w, const struct slk_block_header *header, const struct slk_bundle *bundle, size_t rows_n)
{
    if (header->height != w->height)
        slk_fsck_tell(w->f, w->where, "its header says height %" PRIu64, header->height);
    if (!slk_hash_equal(&header->chain_id, &w->f->chain_id))
        tell(w, "its header is of another ledger");
    if (w->has_previous && !slk_hash_equal(&header->previous, &w->previous_hash))
        slk_fsck_tell(
            w->f, w->where, "it names another hash for block %" PRIu64 " than that block has", w->height - 1);
    if (w->height == 0 && !slk_hash_is_zero(&header->previous))
        tell(w, "it names a block before the first");
    if (header->log_size != w->next_index + bundle->entries_n)
        tell(w, "its header names another log size");
    if (header->event_count != w->recorded_n || rows_n != w->recorded_n)
        slk_fsck_tell(w->f, w->where, "it counts %u events and %zu status records, but holds %zu events",
            header->event_count, rows_n, w->recorded_n);
    if (header->body_bytes != bundle->entries.size)
        tell(w, "its header names another size");
    if (w->has_previous && !slk_hash_equal(&header->charter_hash, &w->charter_hash))
        tell(w, "its header names another charter than the block before it said");
}

/* Who decides the block that this charter governs: one of the chain, since a change stands before it takes effect. */
static void find_council(struct walk *w, const struct slk_hash *charter_hash)
{
    const struct slk_charter *charter;

    if (w->has_council && slk_hash_equal(charter_hash, &w->council.charter_hash))
        return;
    w->has_council = false;
    for (size_t i = 0; !w->has_council && (charter = slk_fsck_charter(w->f, i)) != NULL; i++)
        if (slk_hash_equal(&charter->hash, charter_hash))
            w->has_council = slk_council_of(&w->council, charter, &w->f->chain_id) == SLK_OK;
    if (!w->has_council && !w->council_told)
        tell(w, "its header names a charter that the chain does not have");
    w->council_told =
        w->council_told || !w->has_council; /* of one damaged charter there may be many blocks */
}

/* Reads the header and the entries of the block. SLK_E_NOT_FOUND: it cannot go on with this block (told). */
static enum slk_err read_block(struct walk *w, struct slk_bundle *bundle, size_t *rows_n)
{
    const struct slk_place *place = slk_fsck_find(w->f, SLK_BASE_BLOCK, w->height);
    enum slk_err err;

    if (place == NULL || place->size != SLK_BLOCK_ROW ||
        (err = slk_fsck_read(w->f, place, &w->head)) == SLK_E_CORRUPT) {
        tell(w, "its header is missing");
        return SLK_E_NOT_FOUND;
    }
    if (err != SLK_OK)
        return err;
    if (slk_get_u64(w->head.at + SLK_BLOCK_HEADER_SIZE) != w->next_index ||
        slk_get_u64(w->head.at + SLK_BLOCK_HEADER_SIZE + 8) != w->next_row)
        tell(w, "it is filed under another place in the log than the one after its predecessor");
    *rows_n = slk_get_u32(w->head.at + SLK_BLOCK_HEADER_SIZE + 20);
    place = slk_fsck_find(w->f, SLK_BASE_ENTRIES, w->next_index);
    if (place == NULL || (err = slk_fsck_read(w->f, place, &w->entries)) == SLK_E_CORRUPT) {
        tell(w, "its entries are missing");
        return SLK_E_NOT_FOUND;
    }
    if (err != SLK_OK)
        return err;
    if (!slk_bundle_parse(bundle, w->next_index, slk_span_of(w->entries.at, (size_t)place->size))) {
        tell(w, "its entries cannot be read");
        return SLK_E_NOT_FOUND;
    }
    if (bundle->height != w->height ||
        bundle->entries_n != slk_get_u32(w->head.at + SLK_BLOCK_HEADER_SIZE + 16))
        tell(w, "its entries are filed under another height or number");
    return grow(w, bundle->entries_n) ? SLK_OK : SLK_E_NOMEM;
}

static void note_signed(struct walk *w)
{
    struct slk_hash root;

    if (w->f->signed_head.tree_size == 0 || w->log.size != w->f->signed_head.tree_size || w->log_lost)
        return;
    w->signed_seen = true;
    slk_log_root(&w->log, &root);
    if (!slk_hash_equal(&root, &w->f->signed_head.root_hash))
        slk_fsck_tell(
            w->f, "checkpoint", "its root is not that of the log at %" PRIu64 " entries", w->log.size);
}

static enum slk_err check_block(struct walk *w)
{
    struct slk_block_header header;
    struct slk_bundle bundle;
    bool followed, parsed;
    size_t rows_n;
    enum slk_err err = read_block(w, &bundle, &rows_n);

    if (err != SLK_OK)
        return err;
    parsed = slk_block_header_parse(&header, w->head.at) == SLK_OK;
    if (!parsed)
        tell(w, "its header does not parse");
    followed = check_bundle(w, &bundle);
    if (parsed) {
        compare_leaves(w, bundle.entries_n, followed, &header.log_root);
        check_header(w, &header, &bundle, followed ? rows_n : w->recorded_n);
        compare_seal(w, &header, &bundle);
    } else {
        w->log_lost = true;
    }
    append_to_log(w, bundle.entries_n);
    err = check_rows(w, &bundle, rows_n, followed);
    w->next_index += bundle.entries_n;
    w->next_row += rows_n;
    w->events_n += w->recorded_n;
    w->has_previous = parsed;
    slk_block_hash(&w->previous_hash, w->head.at);
    if (parsed) {
        find_council(w, &header.charter_hash);
        w->charter_hash = header.next_charter_hash;
    }
    if (err == SLK_OK && parsed)
        err = slk_fsck_finality(
            w->f, w->where, w->height, &w->previous_hash, w->has_council ? &w->council : NULL, &w->finality);
    w->previous_seal = w->leaves[bundle.entries_n - 1];
    note_signed(w);
    return err;
}

/* The next block that can be found after one that cannot: its place comes from its own filing. */
static bool skip_block(struct walk *w)
{
    const struct slk_place *place = slk_fsck_find(w->f, SLK_BASE_BLOCK, w->height + 1);

    w->has_previous = false;
    w->log_lost = true;
    if (place == NULL || place->size != SLK_BLOCK_ROW || slk_fsck_read(w->f, place, &w->head) != SLK_OK)
        return false;
    w->next_index = slk_get_u64(w->head.at + SLK_BLOCK_HEADER_SIZE);
    w->next_row = slk_get_u64(w->head.at + SLK_BLOCK_HEADER_SIZE + 8);
    return true;
}

/* ---- the end ---- */

static void compare_tip(struct walk *w, const struct slk_tip *tip)
{
    struct slk_block_header header;

    if (slk_block_header_parse(&header, w->head.at) != SLK_OK)
        return;
    if (tip->time_ms != header.time_ms || !slk_hash_equal(&tip->log_root, &header.log_root) ||
        !slk_hash_equal(&tip->map_root, &header.map_root) ||
        !slk_hash_equal(&tip->block_hash, &w->previous_hash) ||
        !slk_hash_equal(&tip->seal_hash, &w->previous_seal) || tip->log_size != w->next_index ||
        tip->rows_n != w->next_row || tip->events_n != w->events_n)
        slk_fsck_tell(w->f, "tip", "it is not what block %" PRIu64 " leads to", tip->height);
}

/* What no block accounts for. */
static void check_rest(struct walk *w, uint64_t blocks_n)
{
    static const struct {
        enum slk_base base;
        const char *what;
    } all[] = {{SLK_BASE_BLOCK, "a block after the tip"},
        {SLK_BASE_ENTRIES, "entries that belong to no block"},
        {SLK_BASE_ROWS, "status records that belong to no block"},
        {SLK_BASE_LEAVES, "leaf hashes beyond the log"},
        {SLK_BASE_FCERT, "a finality certificate of a block after the tip"}};
    uint64_t ends[] = {blocks_n, w->next_index, w->next_row, w->next_index / SLK_GROUP_LEAVES, blocks_n};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        size_t n = w->f->base[all[i].base].n;
        if (n > 0 && w->f->base[all[i].base].places[n - 1].key >= ends[i])
            slk_fsck_tell(w->f, slk_base_names[all[i].base], "it holds %s", all[i].what);
    }
    for (uint64_t group = 0; group < ends[3]; group++)
        if (slk_fsck_find(w->f, SLK_BASE_LEAVES, group) == NULL)
            slk_fsck_tell(w->f, "leaves", "the hashes of entries %" PRIu64 " to %" PRIu64 " are missing",
                group * SLK_GROUP_LEAVES, (group + 1) * SLK_GROUP_LEAVES - 1);
    for (size_t i = 0; i < w->f->base[SLK_BASE_TILES].n; i++) {
        uint64_t key = w->f->base[SLK_BASE_TILES].places[i].key;
        if (slk_tile_width((uint32_t)(key >> 56), key & (((uint64_t)1 << 56) - 1), w->next_index) <
            SLK_TILE_WIDTH)
            slk_fsck_tell(w->f, "tiles", "it holds a tile beyond the log");
    }
    if (w->f->signed_head.tree_size != 0 && !w->signed_seen && !w->log_lost)
        slk_fsck_tell(w->f, "checkpoint", "no block ends at its size, %" PRIu64, w->f->signed_head.tree_size);
}

static enum slk_err walk_blocks(struct walk *w)
{
    struct slk_fsck *f = w->f;
    uint64_t blocks_n = f->has_tip ? f->tip.height + 1 : 0;

    if (f->has_tip && blocks_n > f->base[SLK_BASE_BLOCK].n + 1000000) {
        slk_fsck_tell(
            f, "tip", "it names height %" PRIu64 ", far beyond the blocks there are", f->tip.height);
        blocks_n = f->base[SLK_BASE_BLOCK].n;
    }
    for (w->height = 0; w->height < blocks_n; w->height++) {
        enum slk_err err;

        (void)snprintf(w->where, sizeof w->where, "block %" PRIu64, w->height);
        err = check_block(w);
        if (err == SLK_E_NOMEM)
            return err;
        if (err == SLK_E_NOT_FOUND && !skip_block(w) && w->height + 1 < blocks_n)
            continue; /* its header is told missing in its turn */
        if (f->progress != NULL)
            f->progress(f->progress_ctx, "blocks", w->height + 1, blocks_n);
    }
    if (blocks_n > 0 && w->has_previous)
        compare_tip(w, &f->tip);
    if (f->changes_bytes.size != 8 * f->later_n)
        slk_fsck_tell(f, "meta", "the list of charter changes names blocks without one");
    if (blocks_n == 0 || w->has_previous)
        check_rest(w, blocks_n);
    if (w->has_previous)
        find_council(w, &w->charter_hash);
    return slk_fsck_cons(f, w->has_previous && w->has_council ? &w->council : NULL,
        w->has_previous && !w->log_lost ? &w->log : NULL);
}

enum slk_err slk_fsck_blocks(struct slk_fsck *f)
{
    struct walk *w = calloc(1, sizeof(*w));
    enum slk_err err;

    if (w == NULL)
        return SLK_E_NOMEM;
    w->f = f;
    w->group_in_buffer = UINT64_MAX;
    slk_log_init(&w->log);
    slk_log_init(&w->before);
    err = walk_blocks(w);
    free(w->finality.at);
    free(w->head.at);
    free(w->entries.at);
    free(w->rows.at);
    free(w->group.at);
    free(w->leaves);
    free(w->recorded);
    free(w->agencies);
    free(w);
    return err;
}
