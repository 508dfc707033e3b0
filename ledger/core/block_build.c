/* block_build.c: executes submissions on the machine. Three passes: look up (parallel), judge (serial, in order), hash
 * and apply (parallel). Only the middle one decides anything. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/block_scratch.h"
#include "ledger/core/multihash.h"
#include "ledger/verify/bytes.h"

#define CHUNK 64 /* events looked up together: enough to hide memory latency, small enough for the stack */

struct build {
    struct slk_block *block;
    struct slk_block_scratch *s;
    struct slk_machine *machine;
    const struct slk_block_source *source;
    const struct slk_block_params *params;
    size_t items_n;
};

/* ---- the charter change ---- */

static enum slk_change_rule refuse_change(struct slk_fault *fault, enum slk_change_rule rule)
{
    snprintf(fault->text, sizeof(fault->text), "%s",
        slk_change_rule_text(rule)); /* discouraged: formats in memory only */
    return rule;
}

/* Needs nothing of the block but its height. OK: s->change and s->next are what it is and brings. */
static enum slk_err judge_change(struct build *b)
{
    struct slk_block_scratch *s = b->s;
    struct slk_span bytes = b->params->change;
    struct slk_fault *fault = &b->block->change_fault;

    assert(b->machine->charters != NULL);
    *fault = (struct slk_fault){0};
    if (s->change == NULL)
        s->change = malloc(sizeof(*s->change));
    if (s->next == NULL)
        s->next = malloc(sizeof(*s->next));
    if (s->change == NULL || s->next == NULL)
        return SLK_E_NOMEM;
    if (slk_change_parse(s->change, bytes) != SLK_OK)
        b->block->change_rule = refuse_change(fault, SLK_CHANGE_MALFORMED);
    else if (bytes.size + 2 + SLK_SEAL_MAX + 2 > b->machine->charter->block_bytes)
        b->block->change_rule = refuse_change(fault, SLK_CHANGE_TOO_LARGE);
    else
        b->block->change_rule = slk_charters_judge(b->machine->charters, &b->machine->chain_id,
            b->machine->tip.height + 1, s->change, s->next, fault);
    b->block->has_change = b->block->change_rule == SLK_CHANGE_OK;
    return SLK_OK;
}

/* First in the block, so that whoever looks for charters reads one entry of it. */
static void put_change(struct build *b)
{
    struct slk_span bytes = b->params->change;
    struct slk_hash *leaf = &b->block->leaves[0];

    assert(b->block->entries_n == 0);
    slk_hash_leaf(leaf, bytes.at, bytes.size);
    slk_block_put_entry(b->block, bytes.at, bytes.size);
    slk_sha_add(&b->s->body, leaf->b, SLK_HASH_SIZE);
}

static enum slk_err accept_change(struct build *b)
{
    enum slk_err err = slk_charters_accept(b->machine->charters, b->s->next, b->s->change->activation);

    if (err == SLK_OK)
        b->s->next = NULL; /* theirs now */
    return err;
}

/* ---- pass 1: look up ---- */

/* The map's leaf is not this path with this record. Either another credential shares the fingerprint, which its own
 * entry proves, or the store is damaged. */
static void judge_rival(const struct build *b, struct slk_block_item *item, const struct slk_map_found *found,
    const struct slk_row *row, const struct slk_hash *value_hash)
{
    struct slk_span bytes;
    struct slk_entry entry;
    struct slk_event event;
    struct slk_hash leaf;

    item->err = SLK_E_CORRUPT;
    if (found->certain || !b->source->entry(b->source->ctx, row->log_index, &bytes))
        return;
    if (slk_entry_parse(&entry, bytes) != SLK_OK || entry.type != SLK_ENTRY_RECORDED ||
        slk_event_parse(&event, entry.event) != SLK_OK)
        return;
    slk_hash_bytes(&item->rival, event.credential, SLK_HANDLE_SIZE);
    slk_hash_map_leaf(&leaf, &item->rival, value_hash);
    if (!slk_hash_equal(&leaf, &found->leaf) || slk_hash_equal(&item->rival, item->path))
        return;
    item->has_rival = true;
    item->err = SLK_OK;
}

static void look_up_chunk(const struct build *b, struct slk_block_item *items, size_t n)
{
    struct slk_map_found found[CHUNK];
    struct slk_row rows[CHUNK];
    struct slk_span spans[CHUNK] = {{NULL, 0}};
    struct slk_hash values[CHUNK];
    size_t at[CHUNK], found_n = 0;

    for (size_t i = 0; i < n; i++)
        slk_map_prefetch(b->machine->map, items[i].path);
    for (size_t i = 0; i < n; i++) {
        items[i].row = SLK_MAP_ROW_NONE;
        items[i].has_rival = false;
        items[i].err = SLK_OK;
        if (!slk_map_find(b->machine->map, items[i].path, &found[found_n]))
            continue;
        if (!b->source->row(b->source->ctx, found[found_n].row, &rows[found_n])) {
            items[i].err = SLK_E_CORRUPT;
            continue;
        }
        spans[found_n] = slk_span_of(rows[found_n].record, SLK_RECORD_SIZE);
        at[found_n++] = i;
    }
    slk_multihash_spans(values, spans, found_n);
    for (size_t k = 0; k < found_n; k++) {
        struct slk_block_item *item = &items[at[k]];
        struct slk_hash leaf;

        slk_hash_map_leaf(&leaf, item->path, &values[k]);
        if (!slk_hash_equal(&leaf, &found[k].leaf))
            judge_rival(b, item, &found[k], &rows[k], &values[k]);
        else if (slk_record_parse(&item->record, rows[k].record) != SLK_OK)
            item->err = SLK_E_CORRUPT;
        else
            item->row = found[k].row;
    }
}

/* Prints the entries where they will stand if nothing before them is refused, and hashes them as log leaves. */
static void print_chunk(const struct build *b, struct slk_block_item *items, size_t n)
{
    uint8_t leaves[CHUNK][1 + SLK_RECORDED_MAX];
    struct slk_span spans[CHUNK] = {{NULL, 0}};
    struct slk_hash hashes[CHUNK];

    for (size_t i = 0; i < n; i++) {
        leaves[i][0] = SLK_LEAF_PREFIX;
        size_t size =
            slk_entry_format_recorded(leaves[i] + 1, SLK_RECORDED_MAX, b->params->time_ms, items[i].bytes);

        assert(size > 0 && size == items[i].entry_size);
        memcpy(b->block->entries + items[i].offset + 2, leaves[i] + 1, items[i].entry_size);
        spans[i] = slk_span_of(leaves[i], 1 + items[i].entry_size);
    }
    slk_multihash_spans(hashes, spans, n);
    for (size_t i = 0; i < n; i++)
        items[i].leaf_hash = hashes[i];
}

static void prepare_chunk(void *arg, size_t chunk)
{
    const struct build *b = arg;
    size_t first = chunk * CHUNK;
    size_t n = b->items_n - first < CHUNK ? b->items_n - first : CHUNK;

    look_up_chunk(b, b->s->items + first, n);
    print_chunk(b, b->s->items + first, n);
}

/* ---- pass 2: judge ---- */

static size_t slot_of(const struct slk_block_scratch *s, const struct slk_hash *path)
{
    uint64_t mixed;

    /* SHA-256 output: its own bytes are the hash. An issuer who grinds for one slot gains a longer probe, no more. */
    memcpy(&mixed, path->b + 8, sizeof(mixed));
    return (size_t)mixed & (s->slots_n - 1);
}

static struct slk_block_touched *touch(struct slk_block_scratch *s, const struct slk_block_item *item)
{
    size_t slot = slot_of(s, item->path);
    struct slk_block_touched *t;

    for (; s->slots[slot] != 0; slot = (slot + 1) & (s->slots_n - 1)) {
        t = &s->touched[s->slots[slot] - 1];
        if (slk_hash_equal(t->item->path, item->path))
            return t;
    }
    assert(s->touched_n < s->touched_cap);
    t = &s->touched[s->touched_n++];
    s->slots[slot] = (uint32_t)s->touched_n;
    t->item = item;
    t->record = item->record;
    t->row = item->row;
    return t;
}

static void append_row(
    struct slk_block *block, const struct slk_block_touched *t, uint64_t log_index, uint64_t previous_row)
{
    struct slk_row row = {.log_index = log_index, .previous_row = previous_row};

    if (block->rows_n == 0)
        slk_rows_begin(block->rows, t->record.recorded_at_ms, block->first_index);
    slk_record_format(row.record, &t->record);
    slk_row_format(block->rows, block->rows_n, &row);
    block->rows_n++;
}

static void accept_event(struct build *b, const struct slk_block_item *item, struct slk_block_touched *t,
    const struct slk_issuer *issuer, uint64_t log_index)
{
    struct slk_block_scratch *s = b->s;
    bool present = t->row != SLK_MAP_ROW_NONE;
    struct slk_step step = {
        .recorded_at_ms = b->params->time_ms,
        .agency = issuer->agency,
        .event_id = *item->event_id,
        .leaf_hash = item->leaf_hash,
    };
    uint64_t previous_row = t->row;

    assert(s->steps_n < s->steps_cap && s->marks_n < s->marks_cap);
    s->steps[s->steps_n++] =
        (struct slk_block_step){.touched = (uint32_t)(t - s->touched), .row = t->row, .record = t->record};
    if (item->event->kind == SLK_ISSUE) {
        slk_index_set_put(b->machine->indexes, item->event->type, item->event->status_index, true);
        s->marks[s->marks_n++] =
            (struct slk_block_mark){.type = item->event->type, .index = item->event->status_index};
    }
    slk_record_next(&t->record, present ? &t->record : NULL, item->event, &step);
    t->row = b->block->first_row + b->block->rows_n;
    append_row(b->block, t, log_index, previous_row);
}

struct bookmark {
    size_t rows_n, marks_n;
};

static void take_back(struct build *b, struct bookmark mark)
{
    struct slk_block_scratch *s = b->s;

    while (s->steps_n > 0) {
        const struct slk_block_step *step = &s->steps[--s->steps_n];

        s->touched[step->touched].record = step->record;
        s->touched[step->touched].row = step->row;
    }
    while (s->marks_n > mark.marks_n) {
        s->marks_n--;
        slk_index_set_put(b->machine->indexes, s->marks[s->marks_n].type, s->marks[s->marks_n].index, false);
    }
    b->block->rows_n = mark.rows_n;
}

static void refuse(struct slk_verdict *verdict, enum slk_rule rule, size_t event)
{
    verdict->rule = rule;
    verdict->rule_event = event;
}

static void name_head(struct slk_verdict *verdict, const struct slk_block_touched *t)
{
    verdict->has_head = true;
    verdict->head_sequence = t->row == SLK_MAP_ROW_NONE ? 0 : t->record.count;
    verdict->head_event_id = t->row == SLK_MAP_ROW_NONE ? slk_hash_zero : t->record.last_event_id;
}

/* Every event gets its own verdict, so that a submitter sees all that is wrong at once; one bad event refuses the whole. */
static void judge_events(struct build *b, const struct slk_submission *sub,
    const struct slk_block_item *items, struct slk_verdict *verdict)
{
    struct slk_rules_context context = {.charter = b->machine->charter,
        .issuer = sub->issuer,
        .indexes = b->machine->indexes,
        .time_ms = b->params->time_ms};
    uint64_t first = b->block->first_index + b->block->entries_n;

    for (size_t j = 0; j < sub->events_n; j++) {
        struct slk_block_touched *t = touch(b->s, &items[j]);
        const struct slk_record *record = t->row == SLK_MAP_ROW_NONE ? NULL : &t->record;
        enum slk_rule rule = slk_rules_check(&context, record, items[j].event);

        if (verdict->events != NULL)
            verdict->events[j] = rule;
        if (rule == SLK_RULE_OK) {
            accept_event(b, &items[j], t, sub->issuer, first + j);
        } else if (verdict->rule == SLK_RULE_OK) {
            refuse(verdict, rule, j);
            if (rule == SLK_RULE_SEQUENCE || rule == SLK_RULE_PREVIOUS)
                name_head(verdict, t);
        }
    }
}

static void put_submission(
    struct build *b, const struct slk_submission *sub, const struct slk_block_item *items)
{
    struct slk_block *block = b->block;
    struct slk_authorization authorization = {.count = (uint32_t)sub->events_n};
    uint8_t bytes[SLK_AUTHORIZATION_MAX];
    size_t size;

    for (size_t j = 0; j < sub->events_n; j++) {
        block->leaves[block->entries_n] = items[j].leaf_hash;
        slk_block_put_entry(block, block->entries + items[j].offset + 2, items[j].entry_size);
    }
    memcpy(authorization.key_id, sub->key_id, SLK_KEY_ID_SIZE);
    memcpy(authorization.signature, sub->signature, SLK_SIGNATURE_SIZE);
    size = slk_entry_format_authorization(bytes, sizeof(bytes), &authorization);
    assert(size > 0);
    slk_hash_leaf(&block->leaves[block->entries_n], bytes, size);
    slk_block_put_entry(block, bytes, size);
    slk_sha_add(&b->s->body, sub->id.b, SLK_HASH_SIZE);
    slk_sha_add(&b->s->body, sub->key_id, SLK_KEY_ID_SIZE);
    slk_sha_add(&b->s->body, sub->signature, SLK_SIGNATURE_SIZE);
}

static void refuse_whole(const struct slk_submission *sub, struct slk_verdict *verdict)
{
    refuse(verdict, sub->rule, sub->rule_event);
    for (size_t j = 0; verdict->events != NULL && j < sub->events_n; j++)
        verdict->events[j] = j == sub->rule_event ? sub->rule : SLK_RULE_NOT_JUDGED;
}

/* Returns the number of events that entered the block. */
static size_t judge(
    struct build *b, struct slk_submission *const *subs, struct slk_verdict *verdicts, size_t n)
{
    const struct slk_block_item *items = b->s->items;
    size_t events_n = 0;

    for (size_t i = 0; i < n; i++) {
        struct bookmark mark = {.rows_n = b->block->rows_n, .marks_n = b->s->marks_n};

        if (subs[i]->rule != SLK_RULE_OK) {
            refuse_whole(subs[i], &verdicts[i]);
            continue;
        }
        b->s->steps_n = 0;
        judge_events(b, subs[i], items, &verdicts[i]);
        if (verdicts[i].rule != SLK_RULE_OK) {
            take_back(b, mark);
        } else {
            verdicts[i].first_index = b->block->first_index + b->block->entries_n;
            put_submission(b, subs[i], items);
            events_n += subs[i]->events_n;
        }
        items += subs[i]->events_n;
    }
    return events_n;
}

/* ---- pass 3: hash and apply ---- */

static void hash_updates(void *arg, size_t chunk)
{
    struct build *b = arg;
    struct slk_block_scratch *s = b->s;
    size_t first = chunk * CHUNK;
    size_t n = s->updates_n - first < CHUNK ? s->updates_n - first : CHUNK;
    struct slk_span spans[CHUNK] = {{NULL, 0}};
    struct slk_hash values[CHUNK], pairs[2 * CHUNK], leaves[CHUNK];

    for (size_t i = 0; i < n; i++)
        spans[i] = slk_span_of(s->records[first + i], SLK_RECORD_SIZE);
    slk_multihash_spans(values, spans, n);
    for (size_t i = 0; i < n; i++) {
        pairs[2 * i] = s->updates[first + i].path;
        pairs[2 * i + 1] = values[i];
    }
    slk_multihash_equal(leaves, SLK_LEAF_PREFIX, pairs[0].b, 2 * SLK_HASH_SIZE, 2 * SLK_HASH_SIZE, n);
    for (size_t i = 0; i < n; i++)
        s->updates[first + i].leaf = leaves[i];
}

static enum slk_err apply_updates(struct build *b)
{
    struct slk_block_scratch *s = b->s;
    enum slk_err err;

    s->updates_n = 0;
    for (size_t i = 0; i < s->touched_n; i++) {
        const struct slk_block_touched *t = &s->touched[i];

        if (t->row == t->item->row)
            continue; /* looked at, not changed: its submission was refused */
        slk_record_format(s->records[s->updates_n], &t->record);
        s->updates[s->updates_n++] = (struct slk_map_update){
            .path = *t->item->path,
            .row = t->row,
            .old_row = t->item->row,
            .rival = t->item->has_rival ? &t->item->rival : NULL,
        };
    }
    slk_par_run(b->params->par, hash_updates, b, (s->updates_n + CHUNK - 1) / CHUNK);
    err = slk_map_apply(b->machine->map, s->updates, s->updates_n, b->params->par);
    s->map_applied = err == SLK_OK;
    return err;
}

/* ---- all together ---- */

/* How many of the submissions, from the front, fit into one block if all are good. At least one, unless a charter change is
 * there: a submission is never larger than a block may be (charter limits). */
static size_t select_submissions(const struct slk_charter *charter, size_t change_bytes,
    struct slk_submission *const *subs, size_t n, size_t *events_n, size_t *bytes_n)
{
    size_t events = 0, bytes = SLK_SEAL_MAX + 2 + change_bytes, taken = 0;

    for (; taken < n; taken++) {
        size_t more_bytes = SLK_AUTHORIZATION_MAX + 2;

        if (subs[taken]->rule != SLK_RULE_OK)
            continue; /* takes no room */
        for (size_t j = 0; j < subs[taken]->events_n; j++)
            more_bytes += subs[taken]->event_bytes[j].size + 24 + 2;
        if ((events > 0 || change_bytes > 0) && (subs[taken]->events_n > charter->block_events - events ||
                                                    more_bytes > charter->block_bytes - bytes))
            break;
        events += subs[taken]->events_n;
        bytes += more_bytes;
        if (events >= charter->block_events || bytes >= charter->block_bytes) {
            taken++;
            break;
        }
    }
    *events_n = events;
    *bytes_n = bytes;
    return taken;
}

static bool make_room(
    struct slk_block *block, struct slk_block_scratch *s, size_t subs_n, size_t events_n, size_t bytes_n)
{
    size_t entries_n = events_n + subs_n + 2;
    size_t slots_n = 64;

    while (slots_n < 2 * events_n)
        slots_n *= 2;
    if (slots_n > s->slots_n) {
        free(s->slots);
        s->slots = malloc(slots_n * sizeof(*s->slots));
        s->slots_n = s->slots == NULL ? 0 : slots_n;
    }
    return s->slots != NULL && slk_block_grow(&s->items, &s->items_cap, events_n, sizeof(*s->items)) &&
           slk_block_grow(&s->touched, &s->touched_cap, events_n, sizeof(*s->touched)) &&
           slk_block_grow(&s->steps, &s->steps_cap, events_n, sizeof(*s->steps)) &&
           slk_block_grow(&s->marks, &s->marks_cap, events_n, sizeof(*s->marks)) &&
           slk_block_grow(&s->updates, &s->updates_cap, events_n, sizeof(*s->updates)) &&
           slk_block_grow(&s->records, &s->records_cap, events_n, sizeof(*s->records)) &&
           slk_block_grow(&block->entries, &block->entries_cap, bytes_n, 1) &&
           slk_block_grow(&block->offsets, &block->offsets_cap, entries_n, sizeof(*block->offsets)) &&
           slk_block_grow(&block->rows, &block->rows_cap, slk_rows_size(events_n), 1) &&
           slk_block_grow(&block->leaves, &block->leaves_cap, entries_n, sizeof(*block->leaves));
}

static size_t recorded_size(uint64_t time_ms, size_t event_size)
{
    size_t inner = 1 + slk_varint_size(time_ms) + 1 + slk_varint_size(event_size) + event_size;

    return 1 + slk_varint_size(inner) + inner;
}

/* Lays the events of good submissions out as items, with the offsets their entries have when nothing is refused. */
static void lay_out(struct build *b, struct slk_submission *const *subs, size_t n)
{
    size_t offset = b->block->has_change ? b->params->change.size + 2 : 0, k = 0;

    for (size_t i = 0; i < n; i++) {
        if (subs[i]->rule != SLK_RULE_OK)
            continue;
        for (size_t j = 0; j < subs[i]->events_n; j++, k++) {
            struct slk_block_item *item = &b->s->items[k];

            item->event = &subs[i]->events[j];
            item->event_id = &subs[i]->event_ids[j];
            item->path = &subs[i]->paths[j];
            item->bytes = subs[i]->event_bytes[j];
            item->offset = offset;
            item->entry_size = recorded_size(b->params->time_ms, item->bytes.size);
            offset += 2 + item->entry_size;
        }
        offset += 2 + SLK_AUTHORIZATION_MAX;
    }
    b->items_n = k;
}

static enum slk_err first_error(const struct build *b, struct slk_fault *fault)
{
    for (size_t i = 0; i < b->items_n; i++) {
        if (b->s->items[i].err == SLK_OK)
            continue;
        snprintf(fault->text, sizeof(fault->text), /* discouraged: formats in memory only */
            "a stored status record is not the one the map commits to: the store is damaged, run fsck");
        return b->s->items[i].err;
    }
    return SLK_OK;
}

static void begin(struct build *b)
{
    struct slk_block *block = b->block;
    struct slk_block_scratch *s = b->s;

    block->entries_size = block->entries_n = block->rows_n = block->tiles_n = 0;
    block->first_index = b->machine->log.size;
    block->first_row = b->machine->tip.rows_n;
    s->touched_n = s->steps_n = s->marks_n = s->updates_n = 0;
    memset(s->slots, 0, s->slots_n * sizeof(*s->slots));
    s->old_tip = b->machine->tip;
    s->old_log = b->machine->log;
    s->old_charter = b->machine->charter;
    s->map_applied = s->ended = false;
    s->undoable = true;
    slk_sha_init(&s->body);
    slk_sha_add(&s->body, SLK_TAG_BODY, SLK_TAG_SIZE);
    if (block->has_change)
        put_change(b);
}

struct admission {
    const struct slk_machine *machine;
    struct slk_submission *const *submissions;
};

static bool is_stale(const struct admission *a, size_t i)
{
    return a->submissions[i]->charter_version != a->machine->charter->version;
}

static void admit_one(void *arg, size_t i)
{
    const struct admission *a = arg;

    if (is_stale(a, i))
        slk_submission_admit_with(
            a->submissions[i], a->machine->charter, &a->machine->chain_id, a->machine->proven);
}

/* What waited while the charter changed names an issuer with yesterday's rights. */
static void admit_again(const struct build *b, struct slk_submission *const *submissions, size_t n)
{
    struct admission a = {.machine = b->machine, .submissions = submissions};
    bool any = false;

    for (size_t i = 0; i < n && !any; i++)
        any = is_stale(&a, i);
    if (any)
        slk_par_run(b->params->par, admit_one, &a, n);
}

/* Is a block without events and without a charter change wanted, and may it be? A leader with nothing to say must not fill the
 * chain. */
static bool may_be_empty(const struct build *b)
{
    return (b->params->flags & SLK_BLOCK_FLAG_HEARTBEAT) != 0 &&
           b->params->time_ms - b->machine->tip.time_ms >= SLK_BLOCK_EMPTY_MS;
}

/* Passes 2 and 3, and the seal. */
static enum slk_err execute(
    struct build *b, struct slk_submission *const *submissions, struct slk_verdict *verdicts, size_t n)
{
    struct slk_hash body_hash;
    size_t good_n = judge(b, submissions, verdicts, n);
    enum slk_err err = SLK_OK;

    if (good_n == 0 && !b->block->has_change && !may_be_empty(b)) {
        b->s->undoable = false; /* judge() took everything back */
        return SLK_E_NOT_FOUND;
    }
    if (b->block->has_change)
        err = accept_change(b);
    if (err == SLK_OK)
        err = apply_updates(b);
    if (err == SLK_OK) {
        slk_sha_final(&b->s->body, &body_hash);
        err = slk_block_close(b->block, b->machine, b->params, (uint32_t)good_n, &body_hash);
    }
    if (err != SLK_OK)
        slk_block_undo(b->machine, b->block, b->params->par);
    return err;
}

enum slk_err slk_block_build(struct slk_block *out, struct slk_machine *machine,
    const struct slk_block_source *source, const struct slk_block_params *params,
    struct slk_submission *const *submissions, struct slk_verdict *verdicts, size_t n,
    struct slk_fault *fault)
{
    struct build b = {
        .block = out, .s = slk_block_scratch(out), .machine = machine, .source = source, .params = params};
    size_t events_n, bytes_n, taken_n;
    enum slk_err err = SLK_OK;

    assert(
        machine->has_genesis && params->time_ms > machine->tip.time_ms && params->time_ms < SLK_TIME_MS_MAX);
    out->has_change = false;
    out->change_rule = SLK_CHANGE_OK;
    if (b.s == NULL)
        return SLK_E_NOMEM;
    if (params->change.size > 0)
        err = judge_change(&b);
    if (err != SLK_OK)
        return err;
    admit_again(&b, submissions, n);
    taken_n = select_submissions(
        machine->charter, out->has_change ? params->change.size + 2 : 0, submissions, n, &events_n, &bytes_n);
    if (!make_room(out, b.s, n, events_n, bytes_n))
        return SLK_E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        verdicts[i] = (struct slk_verdict){
            .events = verdicts[i].events, .rule_event = SIZE_MAX, .deferred = i >= taken_n};
    }
    begin(&b);
    lay_out(&b, submissions, taken_n);
    slk_par_run(params->par, prepare_chunk, &b, (b.items_n + CHUNK - 1) / CHUNK);
    err = first_error(&b, fault);
    if (err != SLK_OK) {
        b.s->undoable = false; /* nothing was changed yet */
        return err;
    }
    return execute(&b, submissions, verdicts, taken_n);
}
