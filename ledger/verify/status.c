/* status.c: slk_verify_status and what is read from its answer. Source: design §6.
 *
 *   policy --signatures--> checkpoint --last leaf--> seal --map root--> record <--replay-- events
 *
 * Each arrow is one function below, in this order; nothing is believed before the arrow that leads to it.
 * What a proof cannot show without the charter in force at each event (issuers' rights, owner, longest validity,
 * status indexes) was checked by the agencies that cosigned; the replay checks all the rest again.
 */
#include "ledger/verify/policy.h"
#include "ledger/verify/proof.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS_PER_S 1000
#define AHEAD_S  300 /* sillok.h: max_ahead_s when the caller says 0 */

struct job {
    struct slk_answer *out;
    const uint8_t *handle;
    const struct slk_policy *policy;
    const struct slk_verify_options *options;
    struct slk_proof proof;
    struct slk_policy_verdict verdict;
    struct slk_seal seal;
    struct slk_span record_bytes; /* empty: absent */
    struct slk_record record;
};

#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static enum slk_err
refuse(struct job *job, enum slk_err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(job->out->detail, sizeof(job->out->detail), format, args);
    va_end(args);
    return err;
}

static unsigned long long number(uint64_t v)
{
    return v;
}

/* ---- the arrows ---- */

/* Text scratch: one allocation of the proof's size, which nothing in it can exceed. */
static enum slk_err parse(struct job *job, struct slk_span proof)
{
    enum slk_err err;

    if (proof.size > SLK_PROOF_MAX)
        return refuse(job, SLK_E_TOO_LARGE, "the proof has %zu bytes, at most %u are read", proof.size,
            (unsigned)SLK_PROOF_MAX);
    if (slk_proof_is_text(proof)) {
        job->out->decoded = malloc(proof.size);
        if (job->out->decoded == NULL)
            return SLK_E_NOMEM;
    }
    err = slk_proof_parse(&job->proof, proof, job->out->decoded, proof.size);
    if (err == SLK_E_MALFORMED)
        return refuse(job, err, "these bytes are no status proof, or one that was cut or altered");
    if (err == SLK_E_NOTE || err == SLK_E_CHECKPOINT)
        return refuse(job, err, "the signed checkpoint at the end of the proof was cut or altered");
    if (err == SLK_E_TOO_LARGE)
        return refuse(job, err, "it carries more than %d events", SLK_PROOF_EVENTS_MAX);
    return err;
}

static uint64_t ahead_s(const struct slk_verify_options *options)
{
    return options->max_ahead_s == 0 ? AHEAD_S : options->max_ahead_s;
}

/* The note is put together again from what was read: the same bytes in both encodings. */
static enum slk_err check_signatures(struct job *job)
{
    struct slk_checkpoint checkpoint = {.origin = job->proof.origin, .head = job->proof.head};
    char text[SLK_CHECKPOINT_TEXT_MAX];
    struct slk_note note = {.sigs_n = job->proof.sigs_n};

    note.text = slk_span_of(text, slk_checkpoint_format(text, &checkpoint));
    memcpy(note.sigs, job->proof.sigs, sizeof(note.sigs));
    enum slk_err err = slk_policy_check(&job->verdict, job->policy, &note, &checkpoint, job->options);
    if (err == SLK_E_NO_LOG && slk_name_is_valid((const char *)checkpoint.origin.at, checkpoint.origin.size))
        return refuse(job, err, "the proof is of the log \"%.*s\"", (int)checkpoint.origin.size,
            (const char *)checkpoint.origin.at);
    return err;
}

static enum slk_err check_seal(struct job *job)
{
    uint64_t tree_size = job->proof.head.tree_size;
    struct slk_entry entry;
    struct slk_hash leaf;
    enum slk_err err;

    if (slk_entry_parse(&entry, job->proof.seal) != SLK_OK || entry.type != SLK_ENTRY_SEAL)
        return refuse(job, SLK_E_SEAL, "what the proof shows as the last entry is not a seal");
    slk_hash_leaf(&leaf, job->proof.seal.at, job->proof.seal.size);
    err =
        slk_tree_check_inclusion(&job->proof.head, tree_size - 1, &leaf, job->proof.path, job->proof.path_n);
    if (err != SLK_OK)
        return refuse(job, SLK_E_PROOF, "the seal shown is not entry %llu of the log", number(tree_size - 1));
    job->seal = entry.seal;
    return SLK_OK;
}

static enum slk_err check_record(struct job *job)
{
    enum slk_err err;

    err = slk_map_proof_check(&job->record_bytes, &job->seal.map_root, job->handle, job->proof.map_proof);
    if (err == SLK_E_MAP_PROOF)
        return refuse(job, err, "it is about another credential, or was altered");
    if (err != SLK_OK)
        return refuse(job, err, "the map proof in it was cut or altered");
    if (job->record_bytes.size == 0)
        return SLK_OK;
    if (job->record_bytes.size != SLK_RECORD_SIZE)
        return refuse(
            job, SLK_E_RECORD, "it has %zu bytes instead of %d", job->record_bytes.size, SLK_RECORD_SIZE);
    err = slk_record_parse(&job->record, job->record_bytes.at);
    if (err != SLK_OK)
        return err;
    if (job->record.recorded_at_ms > job->seal.time_ms)
        return refuse(job, SLK_E_RECORD, "it is dated after the block that holds it");
    return SLK_OK;
}

/* ---- the history ---- */

struct replay {
    struct slk_record record; /* after `done` events */
    uint64_t done;
};

/* The rules in the order of SLK_RULES; `record` is NULL before the first event. */
static enum slk_rule first_broken_rule(
    const struct slk_record *record, const struct slk_event *event, uint64_t recorded_at_ms)
{
    enum slk_rule rule = slk_rule_fields(event);

    if (rule == SLK_RULE_OK)
        rule = slk_rule_time(event, recorded_at_ms);
    if (rule == SLK_RULE_OK)
        rule = slk_rule_head(record, event);
    if (rule == SLK_RULE_OK)
        rule = slk_rule_state(record, event);
    if (rule == SLK_RULE_OK)
        rule = slk_rule_transition(record, event, recorded_at_ms);
    return rule;
}

static enum slk_err read_event(struct slk_event *event, uint64_t *recorded_at_ms,
    struct slk_span *event_bytes, struct slk_span entry_bytes)
{
    struct slk_entry entry;
    enum slk_err err = slk_entry_parse(&entry, entry_bytes);

    if (err != SLK_OK)
        return err;
    if (entry.type != SLK_ENTRY_RECORDED)
        return SLK_E_MALFORMED;
    *recorded_at_ms = entry.recorded_at_ms;
    *event_bytes = entry.event;
    return slk_event_parse(event, entry.event);
}

static enum slk_err replay_event(struct job *job, struct replay *replay, struct slk_span entry_bytes)
{
    const struct slk_record *record = replay->done == 0 ? NULL : &replay->record;
    unsigned long long place = number(replay->done + 1);
    struct slk_step step = {.agency = job->record.owner_agency};
    struct slk_span event_bytes;
    struct slk_event event;
    enum slk_err err;

    err = read_event(&event, &step.recorded_at_ms, &event_bytes, entry_bytes);
    if (err != SLK_OK)
        return refuse(job, err, "event %llu of the history is not an event", place);
    if (memcmp(event.credential, job->handle, SLK_HANDLE_SIZE) != 0)
        return refuse(job, SLK_E_HANDLE, "event %llu of the history is of another credential", place);
    enum slk_rule rule = first_broken_rule(record, &event, step.recorded_at_ms);
    if (rule != SLK_RULE_OK)
        return refuse(job, SLK_E_RULE, "event %llu of the history (%s) breaks %s: %s", place,
            slk_kind_name(event.kind), slk_rule_name(rule), slk_rule_text(rule));
    if (step.recorded_at_ms < replay->record.recorded_at_ms || step.recorded_at_ms > job->seal.time_ms)
        return refuse(job, SLK_E_HISTORY, "event %llu of the history is dated out of order", place);
    slk_event_id(&step.event_id, event_bytes);
    slk_hash_leaf(&step.leaf_hash, entry_bytes.at, entry_bytes.size);
    slk_record_next(&replay->record, record, &event, &step);
    replay->done++;
    return SLK_OK;
}

/* Every event is replayed and must arrive at the record, byte for byte. The record's `history` chains the leaf
 * hashes of all events in order, so not one can be left out, added, moved or redated. Its owner is taken over:
 * which agency an issuer belongs to stands in the charter. */
static enum slk_err check_history(struct job *job)
{
    struct slk_span rest = job->proof.events, entry_bytes;
    struct replay replay = {0};
    uint8_t arrived[SLK_RECORD_SIZE];

    if (job->proof.events_n == 0)
        return SLK_OK;
    if (job->record_bytes.size == 0)
        return refuse(job, SLK_E_HISTORY, "the credential is proven absent, yet the proof shows events");
    while (slk_proof_next_event(&entry_bytes, &rest)) {
        enum slk_err err = replay_event(job, &replay, entry_bytes);
        if (err != SLK_OK)
            return err;
    }
    slk_record_format(arrived, &replay.record);
    if (memcmp(arrived, job->record_bytes.at, SLK_RECORD_SIZE) != 0)
        return refuse(job, SLK_E_HISTORY, "the record counts %llu events, the proof shows %llu",
            number(job->record.count), number(replay.done));
    return SLK_OK;
}

/* ---- the answer ---- */

/* Age since a quorum last vouched for the record; without a quorum, since the block. No cosigner's clock makes up for a
 * block of a time to come: slk_answer_at answers for any time up to it. */
static enum slk_err check_age(struct job *job)
{
    const struct slk_verify_options *options = job->options;
    uint64_t block_s = job->seal.time_ms / MS_PER_S;
    uint64_t time_s = job->verdict.has_quorum ? job->verdict.quorum_time_s : block_s;

    if (block_s > options->now_s && block_s - options->now_s > ahead_s(options))
        return refuse(job, SLK_E_FUTURE, "the block is dated after this machine's clock");
    job->out->age_s = time_s < options->now_s ? options->now_s - time_s : 0;
    if (options->max_age_s != 0 && job->out->age_s > options->max_age_s)
        return refuse(job, SLK_E_TOO_OLD, "it is %llu s old, at most %llu s are allowed",
            number(job->out->age_s), number(options->max_age_s));
    return SLK_OK;
}

static void fill_answer(const struct job *job)
{
    const struct slk_record *record = &job->record;
    struct slk_answer *out = job->out;

    out->tree_size = job->proof.head.tree_size;
    out->block_height = job->seal.height;
    out->block_time_ms = job->seal.time_ms;
    out->quorum_time_s = job->verdict.quorum_time_s;
    out->cosignatures_n = job->verdict.cosignatures_n;
    out->present = job->record_bytes.size > 0;
    if (!out->present)
        return;
    out->state = slk_state_at(record->state, record->valid_until_s, job->options->now_s);
    out->has_history = job->proof.events_n > 0;
    out->carrier = (enum slk_carrier)record->carrier;
    out->type = record->type;
    out->owner_agency = record->owner_agency;
    out->status_index = record->status_index;
    out->reason = record->reason;
    out->valid_until_s = record->valid_until_s;
    out->since_ms = record->recorded_at_ms;
    out->events_n = record->count;
    memcpy(out->device, record->device.b, SLK_HASH_SIZE);
    out->events = job->proof.events;
}

static enum slk_err verify(struct job *job, struct slk_span proof)
{
    enum slk_err err = parse(job, proof);

    if (err == SLK_OK)
        err = check_signatures(job);
    if (err == SLK_OK)
        err = check_seal(job);
    if (err == SLK_OK)
        err = check_record(job);
    if (err == SLK_OK)
        err = check_history(job);
    if (err == SLK_OK)
        err = check_age(job);
    return err;
}

enum slk_err slk_verify_status(struct slk_answer *out, struct slk_span proof,
    const uint8_t handle[SLK_HANDLE_SIZE], const struct slk_policy *policy,
    const struct slk_verify_options *options)
{
    struct job job = {.out = out, .handle = handle, .policy = policy, .options = options};
    enum slk_err err;

    memset(out, 0, sizeof(*out));
    err = verify(&job, proof);
    if (err == SLK_OK) {
        fill_answer(&job);
    } else {
        slk_answer_clear(out);
        out->age_s = 0;
    }
    out->why = err;
    return err;
}

void slk_answer_clear(struct slk_answer *answer)
{
    free(answer->decoded);
    answer->decoded = NULL;
    answer->events = (struct slk_span){0};
    answer->has_history = false; /* it is gone with the bytes it was read from */
}

/* ---- reading the history ---- */

/* What slk_record_next does to the state, for a reader who has no record. */
static enum slk_state state_after(enum slk_state state, enum slk_kind kind)
{
    switch (kind) {
    case SLK_ISSUE:
    case SLK_REBIND:
    case SLK_UNLOCK:
        return SLK_ACTIVE;
    case SLK_LOCK:
        return SLK_LOCKED;
    case SLK_REVOKE:
        return SLK_REVOKED;
    case SLK_RENEW:
        return state;
    case SLK_KIND_N:
        break;
    }
    abort(); /* slk_event_parse lets no other kind through */
}

bool slk_answer_next(
    const struct slk_answer *answer, struct slk_history_cursor *cursor, struct slk_history_item *out)
{
    struct slk_history_item item =
        cursor->last; /* state, valid_until and device pass on until an event sets them */
    struct slk_span rest = answer->events, entry_bytes, event_bytes;
    struct slk_event event;
    struct slk_hash id;

    memset(out, 0, sizeof(*out));
    if (!answer->has_history || cursor->at >= rest.size)
        return false;
    rest = slk_span_of(rest.at + cursor->at, rest.size - cursor->at);
    if (!slk_proof_next_event(&entry_bytes, &rest) ||
        read_event(&event, &item.recorded_at_ms, &event_bytes, entry_bytes) != SLK_OK)
        return false; /* the bytes were changed after they were verified */
    slk_event_id(&id, event_bytes);
    memcpy(item.event_id, id.b, SLK_HASH_SIZE);
    item.sequence = event.sequence;
    item.occurred_at_s = event.occurred_at_s;
    item.kind = event.kind;
    item.channel = (enum slk_channel)event.channel;
    item.carrier = (enum slk_carrier)event.carrier;
    item.reason = event.reason;
    item.state = state_after(item.state, event.kind);
    if (event.valid_until_s != 0)
        item.valid_until_s = event.valid_until_s;
    if (event.has_device)
        memcpy(item.device, event.device.b, SLK_HASH_SIZE);
    cursor->at = answer->events.size - rest.size;
    cursor->last = item;
    *out = item;
    return true;
}

enum slk_err slk_answer_at(const struct slk_answer *answer, uint64_t at_s, enum slk_state *state)
{
    struct slk_history_cursor cursor = {0};
    struct slk_history_item item;
    uint64_t valid_until_s = 0;

    *state = SLK_REVOKED; /* on refusal: what opens no door, should somebody look */
    if (answer->why != SLK_OK || answer->tree_size == 0 || (answer->present && !answer->has_history))
        return SLK_E_NO_HISTORY;
    if (at_s > answer->block_time_ms / MS_PER_S)
        return SLK_E_TIME;
    *state = SLK_NEVER_ISSUED;
    while (slk_answer_next(answer, &cursor, &item) && item.recorded_at_ms <= at_s * MS_PER_S) {
        *state = item.state;
        valid_until_s = item.valid_until_s;
    }
    *state = slk_state_at(*state, valid_until_s, at_s);
    return SLK_OK;
}
