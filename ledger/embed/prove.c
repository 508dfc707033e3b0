/* prove.c: the reading side: look-ups, histories, proofs. Everything read is checked against what the map commits to. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/block_scratch.h"
#include "ledger/core/multihash.h"
#include "ledger/embed/ledger_private.h"

static enum slk_err corrupt(struct slk_fault *fault, const char *what, uint64_t number)
{
    fault->line = 0;
    snprintf(fault->text, sizeof(fault->text), "%s %llu is damaged: run fsck, then restore a backup or audit a copy", what,
        (unsigned long long)number);
    return SLK_E_CORRUPT;
}

static void leaf_of(struct slk_hash *out, struct slk_hash *value_hash, const struct slk_hash *path, const struct slk_row *row)
{
    slk_hash_bytes(value_hash, row->record, SLK_RECORD_SIZE);
    slk_hash_map_leaf(out, path, value_hash);
}

/* Rows and entries come through the source: while answers are delivered, the map speaks of a block that is not on disk yet. */
static bool read_row(struct slk_ledger *ledger, uint64_t number, struct slk_row *out)
{
    return ledger->source.reads.row(ledger->source.reads.ctx, number, out);
}

static bool read_entry(struct slk_ledger *ledger, uint64_t log_index, struct slk_span *out)
{
    return ledger->source.reads.entry(ledger->source.reads.ctx, log_index, out);
}

/* The path of the credential a row is about, from its entry. */
static enum slk_err path_of_row(struct slk_ledger *ledger, const struct slk_row *row, struct slk_hash *path, struct slk_fault *fault)
{
    struct slk_span bytes;
    struct slk_entry entry;
    struct slk_event event;

    if (!read_entry(ledger, row->log_index, &bytes) || slk_entry_parse(&entry, bytes) != SLK_OK ||
        entry.type != SLK_ENTRY_RECORDED || slk_event_parse(&event, entry.event) != SLK_OK)
        return corrupt(fault, "log entry", row->log_index);
    slk_hash_bytes(path, event.credential, SLK_HANDLE_SIZE);
    return SLK_OK;
}

enum slk_err slk_ledger_find(struct slk_ledger *ledger, const struct slk_hash *path, uint64_t *row_number, struct slk_row *row,
    struct slk_fault *fault)
{
    struct slk_map_found found;
    struct slk_hash leaf, value_hash, rival;
    enum slk_err err;

    if (!slk_map_find(ledger->machine.map, path, &found))
        return SLK_E_NOT_FOUND;
    if (!read_row(ledger, found.row, row))
        return corrupt(fault, "status record", found.row);
    leaf_of(&leaf, &value_hash, path, row);
    if (slk_hash_equal(&leaf, &found.leaf)) {
        *row_number = found.row;
        return SLK_OK;
    }
    if (found.certain)
        return corrupt(fault, "status record", found.row);
    err = path_of_row(ledger, row, &rival, fault);
    if (err != SLK_OK)
        return err;
    slk_hash_map_leaf(&leaf, &rival, &value_hash);
    return slk_hash_equal(&leaf, &found.leaf) ? SLK_E_NOT_FOUND : corrupt(fault, "status record", found.row);
}

/* ---- duplicates ---- */

/* Log index of the event `sequence` of the credential at `path`, if its id is `event_id`. */
static bool find_event(struct slk_ledger *ledger, const struct slk_hash *path, uint64_t sequence, const struct slk_hash *event_id,
    uint64_t *log_index)
{
    struct slk_fault fault;
    struct slk_record record;
    struct slk_row row;
    uint64_t number;

    if (slk_ledger_find(ledger, path, &number, &row, &fault) != SLK_OK || slk_record_parse(&record, row.record) != SLK_OK)
        return false;
    while (record.count > sequence + 1) {
        if (!read_row(ledger, row.previous_row, &row) || slk_record_parse(&record, row.record) != SLK_OK)
            return false;
    }
    *log_index = row.log_index;
    return record.count == sequence + 1 && slk_hash_equal(&record.last_event_id, event_id);
}

static bool entry_is_event(struct slk_ledger *ledger, uint64_t log_index, const struct slk_hash *event_id)
{
    struct slk_span bytes;
    struct slk_entry entry;
    struct slk_hash id;

    if (!read_entry(ledger, log_index, &bytes) || slk_entry_parse(&entry, bytes) != SLK_OK ||
        entry.type != SLK_ENTRY_RECORDED)
        return false;
    slk_event_id(&id, entry.event);
    return slk_hash_equal(&id, event_id);
}

/* The batch as a whole, in order, under the same issuer's authorization: then it is the one submitted before. */
bool slk_ledger_find_duplicate(struct slk_ledger *ledger, const struct slk_submission *submission, struct slk_result *result)
{
    uint64_t first;
    struct slk_span bytes;
    struct slk_entry entry;

    if (submission->events_n == 0 || submission->events == NULL ||
        !find_event(ledger, &submission->paths[0], submission->events[0].sequence, &submission->event_ids[0], &first))
        return false;
    for (size_t i = 1; i < submission->events_n; i++) {
        if (!entry_is_event(ledger, first + i, &submission->event_ids[i]))
            return false;
    }
    if (!read_entry(ledger, first + submission->events_n, &bytes) || slk_entry_parse(&entry, bytes) != SLK_OK ||
        entry.type != SLK_ENTRY_AUTHORIZATION || entry.authorization.count != submission->events_n ||
        memcmp(entry.authorization.key_id, submission->key_id, SLK_KEY_ID_SIZE) != 0)
        return false;
    result->first_index = first;
    return slk_view_height_of(ledger->view, first, &result->height) == SLK_OK; /* not found: not on disk, so no answer yet */
}

/* ---- look-ups ---- */

/* A reader that stays open sees what was committed since it was opened only by opening again: its map is of the tip it
 * loaded. Writers see their own blocks once flushed. */
static enum slk_err ready(struct slk_ledger *ledger, struct slk_fault *fault)
{
    enum slk_err err;

    fault->line = 0;
    fault->text[0] = '\0';
    if (ledger->broken != SLK_OK) {
        *fault = ledger->broken_fault;
        return ledger->broken;
    }
    if (ledger->in_flight || ledger->batches[ledger->filling].slots_n > 0) {
        err = slk_ledger_flush(ledger, fault);
        if (err != SLK_OK)
            return err;
    }
    return SLK_OK;
}

/* The newest row of a credential that was issued. */
static enum slk_err find_issued(struct slk_ledger *ledger, const uint8_t handle[SLK_HANDLE_SIZE], uint64_t *number,
    struct slk_row *row, struct slk_fault *fault)
{
    struct slk_hash path;
    enum slk_err err = ready(ledger, fault);

    if (err != SLK_OK)
        return err;
    slk_hash_bytes(&path, handle, SLK_HANDLE_SIZE);
    err = slk_ledger_find(ledger, &path, number, row, fault);
    if (err == SLK_E_NOT_FOUND)
        (void)slk_ledger_fail(fault, err, "the credential was never issued");
    return err;
}

enum slk_err slk_ledger_lookup(struct slk_ledger *ledger, const uint8_t handle[SLK_HANDLE_SIZE], struct slk_record *record,
    struct slk_fault *fault)
{
    struct slk_row row;
    uint64_t number;
    enum slk_err err = find_issued(ledger, handle, &number, &row, fault);

    if (err != SLK_OK)
        return err;
    return slk_record_parse(record, row.record) == SLK_OK ? SLK_OK : corrupt(fault, "status record", number);
}

/* A credential's entries, oldest first, borrowed from the view; checked against the record's history hash. */
struct history {
    struct slk_span *entries;
    uint64_t *indexes;
    size_t n;
};

static void history_free(struct history *history)
{
    free(history->entries);
    free(history->indexes);
}

static enum slk_err collect_entries(struct slk_ledger *ledger, struct slk_row row, struct history *out, struct slk_fault *fault)
{
    for (size_t i = out->n; i-- > 0;) {
        out->indexes[i] = row.log_index;
        if (slk_view_entry(ledger->view, row.log_index, &out->entries[i]) != SLK_OK)
            return corrupt(fault, "log entry", row.log_index);
        if (i > 0 && (row.previous_row == SLK_MAP_ROW_NONE || slk_view_row(ledger->view, row.previous_row, &row) != SLK_OK))
            return corrupt(fault, "the record before log entry", row.log_index);
    }
    return SLK_OK;
}

static enum slk_err history_load(struct slk_ledger *ledger, const struct slk_row *row, struct history *out, struct slk_fault *fault)
{
    struct slk_record record;
    struct slk_hash chain = slk_hash_zero, leaf;
    enum slk_err err;

    memset(out, 0, sizeof(*out));
    if (slk_record_parse(&record, row->record) != SLK_OK)
        return corrupt(fault, "the record of log entry", row->log_index);
    if (record.count > SLK_PROOF_EVENTS_MAX)
        return slk_ledger_fail(fault, SLK_E_TOO_LARGE, "the credential has more than 65,536 events: ask for a proof without history");
    out->n = (size_t)record.count;
    out->entries = malloc(out->n * sizeof(*out->entries));
    out->indexes = malloc(out->n * sizeof(*out->indexes));
    if (out->entries == NULL || out->indexes == NULL) {
        history_free(out);
        memset(out, 0, sizeof(*out));
        return slk_ledger_fail(fault, SLK_E_NOMEM, NULL);
    }
    err = collect_entries(ledger, *row, out, fault);
    for (size_t i = 0; err == SLK_OK && i < out->n; i++) {
        slk_hash_leaf(&leaf, out->entries[i].at, out->entries[i].size);
        slk_hash_history(&chain, &chain, &leaf);
    }
    if (err == SLK_OK && !slk_hash_equal(&chain, &record.history))
        err = corrupt(fault, "the history that ends at log entry", row->log_index);
    if (err != SLK_OK) {
        history_free(out);
        memset(out, 0, sizeof(*out));
    }
    return err;
}

enum slk_err slk_ledger_history(struct slk_ledger *ledger, const uint8_t handle[SLK_HANDLE_SIZE], slk_history_fn *item, void *ctx,
    struct slk_fault *fault)
{
    struct history history;
    struct slk_row row;
    uint64_t number;
    enum slk_err err = find_issued(ledger, handle, &number, &row, fault);

    if (err == SLK_OK)
        err = history_load(ledger, &row, &history, fault);
    if (err != SLK_OK)
        return err;
    for (size_t i = 0; i < history.n; i++)
        item(ctx, history.indexes[i], history.entries[i]);
    history_free(&history);
    return SLK_OK;
}

/* ---- proofs ---- */

/* What stands at the end of the walk: the record, or another leaf's path and value hash. */
struct ending {
    uint8_t tail[SLK_RECORD_SIZE];
    size_t tail_size;
    struct slk_row row;
};

static enum slk_err fetch_ending(struct slk_ledger *ledger, const struct slk_hash *path, struct slk_map_walk *walk, struct ending *out,
    struct slk_fault *fault)
{
    struct slk_hash value_hash, other, leaf;
    struct slk_map_found found;
    enum slk_err err;

    out->tail_size = 0;
    if (walk->end == SLK_MAP_EMPTY)
        return SLK_OK;
    if (slk_view_row(ledger->view, walk->row, &out->row) != SLK_OK)
        return corrupt(fault, "status record", walk->row);
    leaf_of(&leaf, &value_hash, path, &out->row);
    if (walk->end == SLK_MAP_RECORD) {
        if (!slk_map_find(ledger->machine.map, path, &found) || found.row != walk->row)
            return corrupt(fault, "status record", walk->row);
        if (slk_hash_equal(&leaf, &found.leaf)) {
            memcpy(out->tail, out->row.record, SLK_RECORD_SIZE);
            out->tail_size = SLK_RECORD_SIZE;
            return SLK_OK;
        }
    }
    /* Another credential's leaf ends the walk (or one that shares our whole fingerprint). */
    err = path_of_row(ledger, &out->row, &other, fault);
    if (err != SLK_OK)
        return err;
    if (slk_hash_equal(&other, path))
        return corrupt(fault, "status record", walk->row);
    slk_hash_map_leaf(&leaf, &other, &value_hash);
    if (!slk_map_find(ledger->machine.map, &other, &found) || !slk_hash_equal(&leaf, &found.leaf))
        return corrupt(fault, "status record", walk->row);
    walk->end = SLK_MAP_OTHER;
    memcpy(out->tail, other.b, SLK_HASH_SIZE);
    memcpy(out->tail + SLK_HASH_SIZE, value_hash.b, SLK_HASH_SIZE);
    out->tail_size = 2 * SLK_HASH_SIZE;
    return SLK_OK;
}

/* The siblings come from memory, the ending from disk: fetch_ending held it against the leaf hash in memory, so that no
 * damage on disk ever leaves as a proof. */
static enum slk_err prove_map(struct slk_ledger *ledger, const uint8_t handle[SLK_HANDLE_SIZE], uint8_t *out, size_t cap, size_t *size,
    struct ending *ending, bool *present, struct slk_fault *fault)
{
    struct slk_map_walk walk;
    struct slk_hash path;
    enum slk_err err;

    slk_hash_bytes(&path, handle, SLK_HANDLE_SIZE);
    slk_map_walk(ledger->machine.map, &path, &walk);
    err = fetch_ending(ledger, &path, &walk, ending, fault);
    if (err != SLK_OK)
        return err;
    *size = slk_map_proof_format(out, cap, &walk, slk_span_of(ending->tail, ending->tail_size));
    assert(*size > 0);
    *present = walk.end == SLK_MAP_RECORD;
    return SLK_OK;
}

static enum slk_err signed_head(struct slk_ledger *ledger, struct slk_span *note, struct slk_fault *fault)
{
    struct slk_tree_head head;
    enum slk_err err;

    if (ledger->held.size > 0 && ledger->held_size == ledger->machine.tip.log_size) {
        *note = ledger->held;
        return SLK_OK;
    }
    err = slk_view_checkpoint(ledger->view, &head, note);
    if (err == SLK_E_NOT_FOUND || (err == SLK_OK && head.tree_size != ledger->machine.tip.log_size))
        return slk_ledger_fail(fault, SLK_E_UNSIGNED, NULL);
    if (err == SLK_OK && !slk_hash_equal(&head.root_hash, &ledger->machine.tip.log_root))
        return slk_ledger_fail(fault, SLK_E_CORRUPT, "the signed checkpoint is not of this log: the store is damaged, run fsck");
    return err == SLK_OK ? SLK_OK : slk_ledger_fail(fault, err, NULL);
}

/* Reads note and seal, and folds the log's right edge into the seal's path, unless they are those of the proof before:
 * the same for all proofs of a block. */
static enum slk_err note_once(struct slk_ledger *ledger, struct slk_span note, struct slk_fault *fault)
{
    uint64_t seal_index = ledger->machine.tip.log_size - 1;
    struct slk_span seal;
    struct slk_hash leaf;
    uint8_t *bytes;

    if (ledger->noted != NULL && slk_span_equal(ledger->noted->note, note))
        return SLK_OK;
    free(ledger->noted);
    ledger->noted = NULL;
    if (slk_view_entry(ledger->view, seal_index, &seal) != SLK_OK)
        return corrupt(fault, "log entry", seal_index);
    slk_hash_leaf(&leaf, seal.at, seal.size);
    if (!slk_hash_equal(&leaf, &ledger->machine.tip.seal_hash))
        return corrupt(fault, "log entry", seal_index);
    bytes = realloc(ledger->noted_bytes, note.size + seal.size);
    if (bytes == NULL)
        return slk_ledger_fail(fault, SLK_E_NOMEM, NULL);
    ledger->noted_bytes = bytes;
    memcpy(bytes, note.at, note.size);
    memcpy(bytes + note.size, seal.at, seal.size);
    ledger->noted_seal = slk_span_of(bytes + note.size, seal.size);
    ledger->noted_path_n = slk_log_last_path(&ledger->machine.log, ledger->noted_path);
    ledger->noted = malloc(sizeof(*ledger->noted));
    if (ledger->noted == NULL)
        return slk_ledger_fail(fault, SLK_E_NOMEM, NULL);
    if (slk_proof_read_note(ledger->noted, slk_span_of(bytes, note.size)) == SLK_OK)
        return SLK_OK;
    free(ledger->noted);
    ledger->noted = NULL;
    return slk_ledger_fail(fault, SLK_E_CORRUPT, "the signed checkpoint does not parse: the store is damaged, run fsck");
}

static enum slk_err format_proof(const struct slk_proof_parts *parts, enum slk_encoding encoding, uint8_t **out, size_t *out_size,
    struct slk_fault *fault)
{
    size_t room = slk_proof_room(parts);

    *out = malloc(room);
    if (*out == NULL)
        return slk_ledger_fail(fault, SLK_E_NOMEM, NULL);
    *out_size = encoding == SLK_TEXT ? slk_proof_format_text(*out, room, parts) : slk_proof_format_binary(*out, room, parts);
    if (*out_size == 0) {
        free(*out);
        *out = NULL;
        return slk_ledger_fail(fault, SLK_E_TOO_LARGE, NULL);
    }
    return SLK_OK;
}

/* What a proof has besides its history. */
struct plain {
    struct slk_proof_parts parts; /* `map_proof` lies here, the rest with the ledger */
    uint8_t map_proof[SLK_MAP_PROOF_MAX];
    struct slk_row row; /* of the record */
    bool present;
};

static enum slk_err prove_plainly(struct slk_ledger *ledger, const uint8_t handle[SLK_HANDLE_SIZE],
    struct plain *out, struct slk_fault *fault)
{
    struct slk_proof_parts *parts = &out->parts;
    struct ending ending;
    enum slk_err err = ready(ledger, fault);

    memset(parts, 0, sizeof(*parts));
    if (err == SLK_OK)
        err = signed_head(ledger, &parts->note, fault);
    if (err == SLK_OK)
        err = note_once(ledger, parts->note, fault);
    if (err == SLK_OK)
        err = prove_map(ledger, handle, out->map_proof, sizeof(out->map_proof), &parts->map_proof.size,
            &ending, &out->present, fault);
    if (err != SLK_OK)
        return err;
    out->row = ending.row;
    parts->noted = ledger->noted;
    parts->seal = ledger->noted_seal;
    parts->map_proof.at = out->map_proof;
    parts->path = ledger->noted_path;
    parts->path_n = ledger->noted_path_n;
    return SLK_OK;
}

static enum slk_err prove_at_once(struct slk_ledger *ledger, struct plain *plain, bool with_history,
    enum slk_encoding encoding, uint8_t **out, size_t *out_size, struct slk_fault *fault)
{
    struct history history = {0};
    enum slk_err err = SLK_OK;

    if (plain->present && with_history)
        err = history_load(ledger, &plain->row, &history, fault);
    if (err == SLK_OK) {
        plain->parts.events = history.entries;
        plain->parts.events_n = history.n;
        err = format_proof(&plain->parts, encoding, out, out_size, fault);
    }
    history_free(&history);
    return err;
}

enum slk_err slk_ledger_prove(struct slk_ledger *ledger, const uint8_t handle[SLK_HANDLE_SIZE],
    bool with_history, enum slk_encoding encoding, uint8_t **out, size_t *out_size, struct slk_fault *fault)
{
    struct plain plain;
    enum slk_err err = prove_plainly(ledger, handle, &plain, fault);

    *out = NULL;
    *out_size = 0;
    return err == SLK_OK ? prove_at_once(ledger, &plain, with_history, encoding, out, out_size, fault) : err;
}

/* ---- a long history, in steps ---- */

/* Entries are read from the newest to the oldest and hashed the other way round. They are copied: a view's pages are not held. */
struct unfinished {
    enum slk_encoding encoding;
    struct slk_row row; /* the one to be read next */
    size_t unread_n, hashed_n;
    struct history history; /* its entries lie in copies[]; no indexes */
    uint8_t *copies;        /* filled from its end */
    size_t copies_cap, copies_free;
    struct slk_hash chain, wanted; /* of what is hashed; what the record says */
    struct slk_hash path[SLK_PATH_MAX];
    size_t path_n, note_size, seal_size, map_proof_size;
    uint8_t fixed[]; /* note, seal, map proof, one behind the other */
};

struct slk_proving {
    uint8_t *bytes; /* the proof, when it is made */
    size_t size;
    struct unfinished *rest; /* NULL then */
};

static void unfinished_free(struct unfinished *u)
{
    if (u == NULL)
        return;
    history_free(&u->history);
    free(u->copies);
    free(u);
}

/* NULL: no memory. */
static struct unfinished *unfinished_new(
    const struct plain *plain, const struct slk_record *record, enum slk_encoding encoding)
{
    const struct slk_proof_parts *p = &plain->parts;
    struct unfinished *u = calloc(1, sizeof(*u) + p->note.size + p->seal.size + p->map_proof.size);

    if (u == NULL)
        return NULL;
    u->encoding = encoding;
    u->row = plain->row;
    u->history.n = u->unread_n = (size_t)record->count;
    u->wanted = record->history;
    u->path_n = p->path_n;
    memcpy(u->path, p->path, p->path_n * sizeof(u->path[0]));
    u->note_size = p->note.size;
    u->seal_size = p->seal.size;
    u->map_proof_size = p->map_proof.size;
    memcpy(u->fixed, p->note.at, p->note.size);
    memcpy(u->fixed + p->note.size, p->seal.at, p->seal.size);
    memcpy(u->fixed + p->note.size + p->seal.size, p->map_proof.at, p->map_proof.size);
    return u;
}

enum slk_err slk_ledger_prove_begin(struct slk_ledger *ledger, const uint8_t handle[SLK_HANDLE_SIZE],
    bool with_history, enum slk_encoding encoding, struct slk_proving **out, struct slk_fault *fault)
{
    struct plain plain;
    struct slk_record record = {0};
    enum slk_err err = prove_plainly(ledger, handle, &plain, fault);

    *out = NULL;
    if (err != SLK_OK)
        return err;
    if (with_history && plain.present && slk_record_parse(&record, plain.row.record) != SLK_OK)
        return corrupt(fault, "the record of log entry", plain.row.log_index);
    *out = calloc(1, sizeof(**out));
    if (*out == NULL)
        return slk_ledger_fail(fault, SLK_E_NOMEM, NULL);
    if (record.count > SLK_PROVING_AT_ONCE && record.count <= SLK_PROOF_EVENTS_MAX) {
        (*out)->rest = unfinished_new(&plain, &record, encoding);
        err = (*out)->rest != NULL ? SLK_OK : slk_ledger_fail(fault, SLK_E_NOMEM, NULL);
    } else {
        err = prove_at_once(ledger, &plain, with_history, encoding, &(*out)->bytes, &(*out)->size, fault);
    }
    if (err != SLK_OK) {
        slk_proving_free(*out);
        *out = NULL;
    }
    return err;
}

/* Room for what a proof can hold at most: pages in which nothing is written cost nothing. */
static bool make_room(struct unfinished *u)
{
    u->copies_cap = u->copies_free = u->encoding == SLK_TEXT ? SLK_PROOF_MAX / 4 * 3 : SLK_PROOF_MAX;
    u->copies = malloc(u->copies_cap);
    u->history.entries = malloc(u->history.n * sizeof(*u->history.entries));
    return u->copies != NULL && u->history.entries != NULL;
}

static enum slk_err read_some(
    struct unfinished *u, struct slk_view *view, size_t events_n, struct slk_fault *fault)
{
    struct slk_span entry;

    if (u->copies == NULL && !make_room(u))
        return slk_ledger_fail(fault, SLK_E_NOMEM, NULL);
    for (; events_n > 0 && u->unread_n > 0; events_n--) {
        if (slk_view_entry(view, u->row.log_index, &entry) != SLK_OK)
            return corrupt(fault, "log entry", u->row.log_index);
        if (entry.size > u->copies_free)
            return slk_ledger_fail(fault, SLK_E_TOO_LARGE, NULL);
        u->copies_free -= entry.size;
        memcpy(u->copies + u->copies_free, entry.at, entry.size);
        u->history.entries[--u->unread_n] = slk_span_of(u->copies + u->copies_free, entry.size);
        if (u->unread_n > 0 && (u->row.previous_row == SLK_MAP_ROW_NONE ||
                                   slk_view_row(view, u->row.previous_row, &u->row) != SLK_OK))
            return corrupt(fault, "the record before log entry", u->row.log_index);
    }
    return SLK_OK;
}

static enum slk_err hash_some(struct unfinished *u, size_t events_n, struct slk_fault *fault)
{
    struct slk_hash leaf;

    for (; events_n > 0 && u->hashed_n < u->history.n; events_n--) {
        const struct slk_span *entry = &u->history.entries[u->hashed_n++];

        slk_hash_leaf(&leaf, entry->at, entry->size);
        slk_hash_history(&u->chain, &u->chain, &leaf);
    }
    if (u->hashed_n == u->history.n && !slk_hash_equal(&u->chain, &u->wanted))
        return corrupt(fault, "the history that begins at log entry", u->row.log_index);
    return SLK_OK;
}

static enum slk_err print_all(struct slk_proving *proving, struct slk_fault *fault)
{
    struct unfinished *u = proving->rest;
    const uint8_t *seal = u->fixed + u->note_size;
    const struct slk_proof_parts parts = {.note = slk_span_of(u->fixed, u->note_size),
        .path = u->path,
        .path_n = u->path_n,
        .seal = slk_span_of(seal, u->seal_size),
        .map_proof = slk_span_of(seal + u->seal_size, u->map_proof_size),
        .events = u->history.entries,
        .events_n = u->history.n};
    enum slk_err err = format_proof(&parts, u->encoding, &proving->bytes, &proving->size, fault);

    unfinished_free(u);
    proving->rest = NULL;
    return err;
}

enum slk_err slk_proving_step(
    struct slk_proving *proving, struct slk_view *view, size_t events_n, struct slk_fault *fault)
{
    struct unfinished *u = proving->rest;

    if (u == NULL)
        return SLK_OK;
    if (u->unread_n > 0)
        return read_some(u, view, events_n, fault);
    if (u->hashed_n < u->history.n)
        return hash_some(u, 4 * events_n, fault);
    return print_all(proving, fault);
}

bool slk_proving_take(struct slk_proving *proving, uint8_t **out, size_t *out_size)
{
    *out = proving->bytes;
    *out_size = proving->size;
    proving->bytes = NULL;
    proving->size = 0;
    return *out != NULL;
}

size_t slk_proving_bytes(const struct slk_proving *proving)
{
    const struct unfinished *u = proving->rest;

    if (u == NULL)
        return sizeof(*proving) + proving->size;
    return sizeof(*proving) + sizeof(*u) + u->note_size + u->seal_size + u->map_proof_size + u->copies_cap -
           u->copies_free + (u->copies != NULL ? u->history.n * sizeof(*u->history.entries) : 0);
}

void slk_proving_free(struct slk_proving *proving)
{
    if (proving == NULL)
        return;
    unfinished_free(proving->rest);
    free(proving->bytes);
    free(proving);
}

/* ---- a crowd ---- */

static int by_path(const void *a, const void *b)
{
    return memcmp(a, b, SLK_HASH_SIZE);
}

static enum slk_err fetch_crowd(struct slk_ledger *ledger, const uint64_t *rows, size_t n, uint8_t *leaves, struct slk_fault *fault)
{
    const size_t width = SLK_HASH_SIZE + SLK_RECORD_SIZE;

    for (size_t i = 0; i < n; i++) {
        struct slk_row row;
        struct slk_hash path;
        enum slk_err err;

        if (slk_view_row(ledger->view, rows[i], &row) != SLK_OK)
            return corrupt(fault, "status record", rows[i]);
        err = path_of_row(ledger, &row, &path, fault);
        if (err != SLK_OK)
            return err;
        memcpy(leaves + i * width, path.b, SLK_HASH_SIZE);
        memcpy(leaves + i * width + SLK_HASH_SIZE, row.record, SLK_RECORD_SIZE);
    }
    qsort(leaves, n, width, by_path); /* known fingerprint pairs apart, the rows come in order already */
    return SLK_OK;
}

/* As with single proofs: no damage on disk ever leaves as a proof. */
static enum slk_err check_crowd(struct slk_ledger *ledger, const uint8_t *prefix, unsigned bits, struct slk_span proof, size_t rows_n,
    struct slk_fault *fault)
{
    struct slk_map_crowd_item *items = malloc((rows_n + 1) * sizeof(*items));
    enum slk_err err;
    size_t n;

    if (items == NULL)
        return slk_ledger_fail(fault, SLK_E_NOMEM, NULL);
    err = slk_map_crowd_check(items, rows_n, &n, &ledger->machine.tip.map_root, prefix, bits, proof);
    free(items);
    return err == SLK_OK ? SLK_OK
                         : slk_ledger_fail(fault, SLK_E_CORRUPT,
                               "a status record under this prefix is damaged: run fsck, then restore a backup or audit a copy");
}

enum slk_err slk_ledger_crowd(struct slk_ledger *ledger, const uint8_t *prefix, unsigned bits, uint8_t **out, size_t *out_size,
    struct slk_fault *fault)
{
    const size_t width = SLK_HASH_SIZE + SLK_RECORD_SIZE, rows_max = 65536;
    struct slk_map_walk walk;
    struct slk_writer w = {0};
    uint64_t *rows = malloc(rows_max * sizeof(*rows));
    size_t rows_n = 0;
    enum slk_err err = ready(ledger, fault);

    *out = NULL;
    *out_size = 0;
    if (err == SLK_OK && rows == NULL)
        err = slk_ledger_fail(fault, SLK_E_NOMEM, NULL);
    if (err == SLK_OK && slk_map_crowd(ledger->machine.map, prefix, bits, &walk, rows, rows_max, &rows_n) != SLK_OK)
        err = slk_ledger_fail(fault, SLK_E_TOO_LARGE, "more than 65,536 credentials under this prefix: ask for a longer one");
    if (err == SLK_OK) {
        w.cap = SLK_MAP_PROOF_MAX + 4 + rows_n * width;
        w.at = malloc(w.cap);
        if (w.at == NULL)
            err = slk_ledger_fail(fault, SLK_E_NOMEM, NULL);
    }
    if (err == SLK_OK) {
        slk_map_walk_write(&w, &walk);
        slk_write_u32(&w, (uint32_t)rows_n);
        err = fetch_crowd(ledger, rows, rows_n, w.at + w.size, fault);
        w.size += rows_n * width;
    }
    if (err == SLK_OK)
        err = check_crowd(ledger, prefix, bits, slk_span_of(w.at, w.size), rows_n, fault);
    free(rows);
    if (err != SLK_OK) {
        free(w.at);
        return err;
    }
    *out = w.at;
    *out_size = w.size;
    return SLK_OK;
}
