/* block_check.c: takes a block's entries apart into the submissions they came from, builds the block again from them, and
 * compares the two byte for byte. There is no second set of rules that could disagree with the builder's. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/block_scratch.h"
#include "ledger/verify/bytes.h"

struct check {
    struct slk_block *block;
    struct slk_block_scratch *s;
    struct slk_machine *machine;
    struct slk_fault *fault;
    uint64_t first_index;
    struct slk_span change; /* the charter change at the front; empty: none */
    size_t subs_n;
};

__attribute__((format(printf, 3, 4))) static enum slk_err refuse(
    struct slk_fault *fault, enum slk_err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(fault->text, sizeof(fault->text), format, args); /* discouraged: formats in memory only */
    va_end(args);
    return err;
}

/* The events before one authorization become a submission again. */
static enum slk_err take_submission(
    struct check *c, const struct slk_authorization *authorization, size_t spans_n, uint64_t first)
{
    struct slk_block_scratch *s = c->s;
    struct slk_submission whole = {.events_n = spans_n, .event_bytes = s->spans};
    size_t room = 128, size;
    enum slk_err err;

    if (authorization->count != spans_n)
        return refuse(c->fault, SLK_E_CORRUPT,
            "the authorization after entry %llu covers %u events, but %zu stand before it",
            (unsigned long long)first, authorization->count, spans_n);
    for (size_t i = 0; i < spans_n; i++)
        room += s->spans[i].size + 4;
    if (!slk_block_grow(&s->bytes, &s->bytes_cap, s->bytes_cap > room ? 0 : room, 1) ||
        !slk_block_grow(&s->subs, &s->subs_cap, c->subs_n + 1, sizeof(*s->subs)) ||
        !slk_block_grow(&s->entry_of, &s->entry_of_cap, c->subs_n + 1, sizeof(*s->entry_of)))
        return SLK_E_NOMEM;
    memcpy(whole.key_id, authorization->key_id, SLK_KEY_ID_SIZE);
    memcpy(whole.signature, authorization->signature, SLK_SIGNATURE_SIZE);
    size = slk_submission_format(s->bytes, s->bytes_cap, &whole);
    assert(size > 0);
    err = slk_submission_parse(&s->subs[c->subs_n], slk_span_of(s->bytes, size));
    if (err != SLK_OK)
        return err == SLK_E_NOMEM ? err
                                  : refuse(c->fault, SLK_E_CORRUPT, "the submission at entry %llu: %s",
                                        (unsigned long long)first, slk_err_text(err));
    /* The parsed submission borrows from the bytes just printed, which the next one overwrites: point it at the block's. */
    for (size_t i = 0; i < spans_n; i++)
        s->subs[c->subs_n].event_bytes[i] = s->spans[i];
    s->entry_of[c->subs_n++] = first;
    return SLK_OK;
}

/* Walks the bundle: perhaps a charter change, then Recorded entries, their Authorization, ..., the Seal at the very end. */
static enum slk_err take_apart(struct check *c, struct slk_span entries, uint64_t time_ms)
{
    struct slk_reader r = {.rest = entries};
    uint64_t index = c->first_index;
    size_t spans_n = 0;
    bool sealed = false;

    for (; r.rest.size > 0; index++) {
        struct slk_span bytes = slk_read_span(&r, slk_read_u16(&r));
        struct slk_entry entry;
        enum slk_err err;

        if (r.bad || sealed)
            return refuse(c->fault, SLK_E_CORRUPT, "entry %llu: %s", (unsigned long long)index,
                sealed ? "something follows the block's seal" : "the block ends in the middle of it");
        err = slk_entry_parse(&entry, bytes);
        if (err != SLK_OK)
            return refuse(
                c->fault, SLK_E_CORRUPT, "entry %llu: %s", (unsigned long long)index, slk_err_text(err));
        sealed = entry.type == SLK_ENTRY_SEAL;
        if (entry.type == SLK_ENTRY_RECORDED) {
            if (entry.recorded_at_ms != time_ms)
                return refuse(c->fault, SLK_E_CORRUPT, "entry %llu: its time is not the block's",
                    (unsigned long long)index);
            if (!slk_block_grow(&c->s->spans, &c->s->spans_cap, spans_n + 1, sizeof(*c->s->spans)))
                return SLK_E_NOMEM;
            c->s->spans[spans_n++] = entry.event;
        } else if (entry.type == SLK_ENTRY_AUTHORIZATION) {
            err = take_submission(c, &entry.authorization, spans_n, index - spans_n);
            if (err != SLK_OK)
                return err;
            spans_n = 0;
        } else if (entry.type == SLK_ENTRY_CHARTER && index == c->first_index &&
                   c->machine->charters != NULL) {
            c->change = bytes; /* genesis is not taken apart */
        } else if (!sealed || spans_n > 0) {
            return refuse(c->fault, SLK_E_CORRUPT, "entry %llu: %s", (unsigned long long)index,
                sealed ? "the events before the seal have no authorization"
                       : "an entry of this kind cannot stand here");
        }
    }
    if (!sealed || r.bad)
        return refuse(c->fault, SLK_E_CORRUPT, "the block has no seal");
    return SLK_OK;
}

static void admit_one(void *arg, size_t i)
{
    struct check *c = arg;

    if (c->machine->is_vouched)
        slk_submission_admit_vouched(&c->s->subs[i], c->machine->charter, &c->machine->chain_id);
    else
        slk_submission_admit_with(
            &c->s->subs[i], c->machine->charter, &c->machine->chain_id, c->machine->proven);
}

static enum slk_err check_header(
    const struct slk_machine *machine, const struct slk_block_header *header, struct slk_fault *fault)
{
    uint64_t height = machine->has_genesis ? machine->tip.height + 1 : 0;
    const struct slk_hash *previous = machine->has_genesis ? &machine->tip.block_hash : &slk_hash_zero;

    if (!slk_hash_equal(&header->chain_id, &machine->chain_id))
        return refuse(fault, SLK_E_CHAIN, "the block belongs to another ledger");
    if (header->height != height || !slk_hash_equal(&header->previous, previous))
        return refuse(fault, SLK_E_CHAIN, "the header does not follow block %llu",
            (unsigned long long)machine->tip.height);
    if (header->time_ms >= SLK_TIME_MS_MAX)
        return refuse(fault, SLK_E_CORRUPT, "the block's time is beyond what a ledger can hold");
    if (machine->has_genesis && header->time_ms <= machine->tip.time_ms)
        return refuse(fault, SLK_E_CORRUPT, "the block's time is not after the one before");
    return SLK_OK;
}

/* Which part of the header the re-made block disagrees with, most telling first. */
static const char *difference(const struct slk_block_header *is, const struct slk_block_header *should)
{
    if (!slk_hash_equal(&is->map_root, &should->map_root))
        return "the map root is not the one its events lead to";
    if (!slk_hash_equal(&is->log_root, &should->log_root) || is->log_size != should->log_size)
        return "the log root is not the one its entries lead to";
    if (!slk_hash_equal(&is->body_hash, &should->body_hash))
        return "the body hash is not that of its submissions";
    if (!slk_hash_equal(&is->charter_hash, &should->charter_hash) ||
        !slk_hash_equal(&is->next_charter_hash, &should->next_charter_hash))
        return "the charter hash is not the one in force";
    if (is->flags != should->flags)
        return "its flags do not fit its events";
    return "its counts are not those of its entries";
}

/* `header` NULL: there is none, and `parsed` holds what the seal says. */
static enum slk_err compare(const struct check *c, const uint8_t *header,
    const struct slk_block_header *parsed, struct slk_span entries)
{
    if (header == NULL && !slk_hash_equal(&parsed->map_root, &c->block->header.map_root))
        return refuse(c->fault, SLK_E_CORRUPT, "the map root in its seal is not the one its events lead to");
    if (header != NULL && memcmp(header, c->block->header_bytes, SLK_BLOCK_HEADER_SIZE) != 0)
        return refuse(
            c->fault, SLK_E_CORRUPT, "the header is wrong: %s", difference(parsed, &c->block->header));
    if (entries.size != c->block->entries_size || memcmp(entries.at, c->block->entries, entries.size) != 0)
        return refuse(c->fault, SLK_E_CORRUPT, "the seal is not the one its entries lead to");
    return SLK_OK;
}

static enum slk_err first_refusal(const struct check *c, struct slk_submission *const *subs)
{
    if (c->change.size > 0 && !c->block->has_change)
        return refuse(c->fault, SLK_E_REFUSED, "entry %llu, a charter change, breaks the rule %s: %s",
            (unsigned long long)c->first_index, slk_change_rule_name(c->block->change_rule),
            c->block->change_fault.text);
    for (size_t i = 0; i < c->subs_n; i++) {
        const struct slk_verdict *v = &c->s->verdicts[i];
        uint64_t at = c->s->entry_of[i] + (v->rule_event == SIZE_MAX ? 0 : v->rule_event);

        if (v->deferred)
            return refuse(c->fault, SLK_E_CORRUPT, "the block is larger than the charter allows");
        if (v->rule != SLK_RULE_OK)
            return refuse(c->fault, SLK_E_REFUSED, "entry %llu%s breaks the rule %s: %s",
                (unsigned long long)at, v->rule_event == SIZE_MAX ? " (its submission)" : "",
                slk_rule_name(v->rule), slk_rule_text(v->rule));
        assert(subs[i]->rule == SLK_RULE_OK);
    }
    return SLK_OK;
}

static enum slk_err execute(struct check *c, const struct slk_block_source *source,
    const struct slk_block_header *header, const struct slk_par *par)
{
    struct slk_block_params params = {.time_ms = header->time_ms,
        .proposer = header->proposer,
        .origin_view = header->origin_view,
        .flags = header->flags,
        .par = par,
        .change = c->change};
    struct slk_block_scratch *s = c->s;
    enum slk_err err;

    if (!slk_block_grow(&s->sub_list, &s->sub_list_cap, c->subs_n, sizeof(struct slk_submission *)) ||
        !slk_block_grow(&s->verdicts, &s->verdicts_cap, c->subs_n, sizeof(*s->verdicts)))
        return SLK_E_NOMEM;
    for (size_t i = 0; i < c->subs_n; i++) {
        s->sub_list[i] = &s->subs[i];
        s->verdicts[i].events = NULL;
    }
    slk_par_run(par, admit_one, c, c->subs_n);
    for (size_t i = 0; !c->machine->is_vouched && i < c->subs_n; i++)
        slk_proven_add(c->machine->proven, &s->subs[i]); /* it may be taken back, and executed again */
    err =
        slk_block_build(c->block, c->machine, source, &params, s->sub_list, s->verdicts, c->subs_n, c->fault);
    if (err != SLK_OK && err != SLK_E_NOT_FOUND)
        return err;
    if (err == SLK_E_NOT_FOUND) {
        enum slk_err why = first_refusal(c, s->sub_list);
        return why != SLK_OK
                   ? why
                   : refuse(c->fault, SLK_E_CORRUPT,
                         "the block holds no event, and is no heartbeat at least %d s after the block before",
                         SLK_BLOCK_EMPTY_MS / 1000);
    }
    err = first_refusal(c, s->sub_list);
    if (err != SLK_OK)
        slk_block_undo(c->machine, c->block, par);
    return err;
}

/* Height 0 holds the charter the machine was given, and nothing else. */
static enum slk_err check_genesis(
    struct check *c, const uint8_t *header, const struct slk_block_header *parsed, struct slk_span entries)
{
    struct slk_reader r = {.rest = entries};
    struct slk_span bytes = slk_read_span(&r, slk_read_u16(&r));
    struct slk_log fresh_log = c->machine->log;
    struct slk_tip fresh_tip = c->machine->tip;
    struct slk_entry entry;
    struct slk_hash hash;
    enum slk_err err;

    if (r.bad || slk_entry_parse(&entry, bytes) != SLK_OK || entry.type != SLK_ENTRY_CHARTER ||
        entry.change.size > 0)
        return refuse(c->fault, SLK_E_CORRUPT, "entry 0 is not a genesis charter");
    slk_charter_hash(&hash, entry.charter);
    if (!slk_hash_equal(&hash, &c->machine->charter->hash))
        return refuse(c->fault, SLK_E_CHAIN, "entry 0 is the charter of another ledger");
    err = slk_block_genesis(c->block, c->machine, entry.charter);
    if (err == SLK_OK)
        err = compare(c, header, parsed, entries);
    if (err != SLK_OK) {
        c->machine->log = fresh_log;
        c->machine->tip = fresh_tip;
        c->machine->has_genesis = false;
    }
    return err;
}

static enum slk_err check_block(struct check *c, const struct slk_block_source *source, const uint8_t *header,
    const struct slk_block_header *parsed, struct slk_span entries, const struct slk_par *par)
{
    enum slk_err err;

    c->s = slk_block_scratch(c->block);
    if (c->s == NULL)
        return SLK_E_NOMEM;
    err = check_header(c->machine, parsed, c->fault);
    if (err != SLK_OK)
        return err;
    if (!c->machine->has_genesis)
        return check_genesis(c, header, parsed, entries);
    err = take_apart(c, entries, parsed->time_ms);
    if (err == SLK_OK)
        err = execute(c, source, parsed, par);
    if (err != SLK_OK)
        return err;
    err = compare(c, header, parsed, entries);
    if (err != SLK_OK)
        slk_block_undo(c->machine, c->block, par);
    return err;
}

enum slk_err slk_block_check(struct slk_block *out, struct slk_machine *machine,
    const struct slk_block_source *source, const uint8_t header[SLK_BLOCK_HEADER_SIZE],
    struct slk_span entries, const struct slk_par *par, struct slk_fault *fault)
{
    struct check c = {.block = out, .machine = machine, .fault = fault, .first_index = machine->log.size};
    struct slk_block_header parsed;

    *fault = (struct slk_fault){0};
    if (slk_block_header_parse(&parsed, header) != SLK_OK)
        return refuse(fault, SLK_E_CORRUPT, "the header does not parse");
    return check_block(&c, source, header, &parsed, entries, par);
}

/* What the seal says of the header; the rest follows from execution. */
static bool header_of_seal(
    struct slk_block_header *out, const struct slk_machine *machine, struct slk_span entries)
{
    struct slk_reader r = {.rest = entries};
    struct slk_span last = {0};
    struct slk_entry entry;

    while (!r.bad && r.rest.size > 0)
        last = slk_read_span(&r, slk_read_u16(&r));
    if (r.bad || slk_entry_parse(&entry, last) != SLK_OK || entry.type != SLK_ENTRY_SEAL ||
        entry.seal.proposer > UINT16_MAX)
        return false;
    *out = (struct slk_block_header){
        .flags = SLK_BLOCK_FLAG_HEARTBEAT, /* of an empty block; building drops it from any other */
        .height = entry.seal.height,
        .chain_id = machine->chain_id,
        .previous = machine->has_genesis ? machine->tip.block_hash : slk_hash_zero,
        .time_ms = entry.seal.time_ms,
        .proposer = (uint16_t)entry.seal.proposer,
        .origin_view = entry.seal.origin_view,
        .map_root = entry.seal.map_root,
    };
    return true;
}

enum slk_err slk_block_check_entries(struct slk_block *out, struct slk_machine *machine,
    const struct slk_block_source *source, struct slk_span entries, const struct slk_par *par,
    struct slk_fault *fault)
{
    struct check c = {.block = out, .machine = machine, .fault = fault, .first_index = machine->log.size};
    struct slk_block_header sealed;

    *fault = (struct slk_fault){0};
    if (!header_of_seal(&sealed, machine, entries))
        return refuse(fault, SLK_E_CORRUPT, "the block has no seal");
    return check_block(&c, source, NULL, &sealed, entries, par);
}
