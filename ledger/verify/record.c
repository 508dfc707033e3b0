/* record.c: the status record and the half of the rules that needs no charter. Source: design §4. */
#include "ledger/verify/record.h"

#include "ledger/verify/bytes.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MS_PER_S      1000
#define PADDING_BYTES 8 /* design §4: zero[8] at the end of a record */

const char *slk_rule_text(enum slk_rule rule)
{
    switch (rule) {
#define SLK_X(name, code, text)                                                                              \
    case SLK_RULE_##name:                                                                                    \
        return text;
        SLK_RULES(SLK_X)
#undef SLK_X
    case SLK_RULE_N:
        break;
    }
    return "no rule of this ledger";
}

const char *slk_rule_name(enum slk_rule rule)
{
    switch (rule) {
#define SLK_X(name, code, text)                                                                              \
    case SLK_RULE_##name:                                                                                    \
        return #name;
        SLK_RULES(SLK_X)
#undef SLK_X
    case SLK_RULE_N:
        break;
    }
    return "?";
}

/* ---- the record's 144 bytes ---- */

static bool is_stored_state(uint8_t state)
{
    return state == SLK_ACTIVE || state == SLK_LOCKED || state == SLK_REVOKED;
}

enum slk_err slk_record_parse(struct slk_record *out, const uint8_t bytes[SLK_RECORD_SIZE])
{
    static const uint8_t zero[PADDING_BYTES];
    struct slk_reader r = {.rest = slk_span_of(bytes, SLK_RECORD_SIZE)};
    uint8_t padding[PADDING_BYTES];

    memset(out, 0, sizeof(*out));
    slk_read_bytes(&r, out->history.b, SLK_HASH_SIZE);
    slk_read_bytes(&r, out->last_event_id.b, SLK_HASH_SIZE);
    out->count = slk_read_u64(&r);
    uint8_t state = slk_read_u8(&r);
    out->carrier = slk_read_u8(&r);
    out->type = slk_read_u32(&r);
    out->owner_agency = slk_read_u16(&r);
    out->valid_until_s = slk_read_u64(&r);
    out->recorded_at_ms = slk_read_u64(&r);
    out->status_index = slk_read_u32(&r);
    out->reason = slk_read_u32(&r);
    slk_read_bytes(&r, out->device.b, SLK_HASH_SIZE);
    slk_read_bytes(&r, padding, sizeof(padding));
    if (!slk_read_done(&r) || out->count == 0 || !is_stored_state(state) || out->carrier == 0 ||
        out->carrier >= SLK_CARRIER_N || memcmp(padding, zero, sizeof(zero)) != 0) {
        memset(out, 0, sizeof(*out)); /* count 0 and NEVER_ISSUED: no record says that */
        return SLK_E_RECORD;
    }
    out->state = (enum slk_state)state;
    return SLK_OK;
}

void slk_record_format(uint8_t out[SLK_RECORD_SIZE], const struct slk_record *record)
{
    static const uint8_t zero[PADDING_BYTES];
    struct slk_writer w = {.at = out, .cap = SLK_RECORD_SIZE};

    slk_write_bytes(&w, record->history.b, SLK_HASH_SIZE);
    slk_write_bytes(&w, record->last_event_id.b, SLK_HASH_SIZE);
    slk_write_u64(&w, record->count);
    slk_write_u8(&w, (uint8_t)record->state);
    slk_write_u8(&w, (uint8_t)record->carrier);
    slk_write_u32(&w, record->type);
    slk_write_u16(&w, record->owner_agency);
    slk_write_u64(&w, record->valid_until_s);
    slk_write_u64(&w, record->recorded_at_ms);
    slk_write_u32(&w, record->status_index);
    slk_write_u32(&w, record->reason);
    slk_write_bytes(&w, record->device.b, SLK_HASH_SIZE);
    slk_write_bytes(&w, zero, sizeof(zero));
    assert(!w.bad && w.size == SLK_RECORD_SIZE);
}

enum slk_state slk_state_at(enum slk_state stored, uint64_t valid_until_s, uint64_t at_s)
{
    return stored == SLK_ACTIVE && valid_until_s <= at_s ? SLK_EXPIRED : stored;
}

/* ---- the rules ---- */

/* Fields whose presence depends on the kind. `previous` depends on the sequence instead. */
enum {
    DEVICE = 1 << 0,
    CARRIER = 1 << 1,
    CHANNEL = 1 << 2,
    TYPE = 1 << 3,
    VALID_UNTIL = 1 << 4,
    REASON = 1 << 5,
    STATUS_INDEX = 1 << 6,
    COMMITMENT = 1 << 7,
    OCCURRED_AT = 1 << 8
};

struct kind_fields {
    unsigned needs;
    unsigned may; /* beyond what it needs */
};

#define ALWAYS (CHANNEL | OCCURRED_AT)

/* Design §4. status_index is free to be 0, and 0 is not written: ISSUE may have it. */
static const struct kind_fields fields_of[] = {
    [SLK_ISSUE] = {ALWAYS | DEVICE | CARRIER | TYPE | VALID_UNTIL, COMMITMENT | STATUS_INDEX},
    [SLK_REBIND] = {ALWAYS | DEVICE | CARRIER, COMMITMENT},
    [SLK_LOCK] = {ALWAYS | REASON, COMMITMENT},
    [SLK_UNLOCK] = {ALWAYS, COMMITMENT},
    [SLK_RENEW] = {ALWAYS | VALID_UNTIL, COMMITMENT},
    [SLK_REVOKE] = {ALWAYS | REASON, COMMITMENT},
};
_Static_assert(sizeof(fields_of) / sizeof(fields_of[0]) == SLK_KIND_N, "a kind without a row");

static unsigned fields_present(const struct slk_event *event)
{
    return (event->has_device ? DEVICE : 0u) | (event->carrier != 0 ? CARRIER : 0u) |
           (event->channel != 0 ? CHANNEL : 0u) | (event->type != 0 ? TYPE : 0u) |
           (event->valid_until_s != 0 ? VALID_UNTIL : 0u) | (event->reason != 0 ? REASON : 0u) |
           (event->status_index != 0 ? STATUS_INDEX : 0u) | (event->has_commitment ? COMMITMENT : 0u) |
           (event->occurred_at_s != 0 ? OCCURRED_AT : 0u);
}

enum slk_rule slk_rule_fields(const struct slk_event *event)
{
    if (event->kind < SLK_ISSUE || event->kind >= SLK_KIND_N)
        return SLK_RULE_FIELD_MISSING; /* no kind: slk_event_parse lets none through */

    const struct kind_fields *kind = &fields_of[event->kind];
    unsigned present = fields_present(event);

    if ((kind->needs & ~present) != 0 || (event->sequence > 0 && !event->has_previous))
        return SLK_RULE_FIELD_MISSING;
    if ((present & ~(kind->needs | kind->may)) != 0 || (event->sequence == 0 && event->has_previous))
        return SLK_RULE_FIELD_NOT_ALLOWED;
    return SLK_RULE_OK;
}

/* In whole seconds, rounded down: occurred_at * 1000 <= recorded_at_ms + 300,000 says the same and may overflow. */
enum slk_rule slk_rule_time(const struct slk_event *event, uint64_t recorded_at_ms)
{
    if (event->occurred_at_s > recorded_at_ms / MS_PER_S + SLK_OCCURRED_AHEAD_S)
        return SLK_RULE_OCCURRED_IN_FUTURE;
    return SLK_RULE_OK;
}

enum slk_rule slk_rule_head(const struct slk_record *record, const struct slk_event *event)
{
    if (event->sequence != (record == NULL ? 0 : record->count))
        return SLK_RULE_SEQUENCE;
    if (event->has_previous != (record != NULL))
        return SLK_RULE_PREVIOUS;
    if (record != NULL && !slk_hash_equal(&event->previous, &record->last_event_id))
        return SLK_RULE_PREVIOUS;
    return SLK_RULE_OK;
}

static bool state_allows(enum slk_state state, enum slk_kind kind)
{
    switch (kind) {
    case SLK_ISSUE:
        return state == SLK_REVOKED;
    case SLK_REBIND:
    case SLK_RENEW:
    case SLK_REVOKE:
        return state == SLK_ACTIVE || state == SLK_LOCKED;
    case SLK_LOCK:
        return state == SLK_ACTIVE;
    case SLK_UNLOCK:
        return state == SLK_LOCKED;
    case SLK_KIND_N:
        break;
    }
    return false;
}

enum slk_rule slk_rule_state(const struct slk_record *record, const struct slk_event *event)
{
    if (record == NULL)
        return event->kind == SLK_ISSUE ? SLK_RULE_OK : SLK_RULE_NOT_ISSUED;
    return state_allows(record->state, event->kind) ? SLK_RULE_OK : SLK_RULE_STATE;
}

enum slk_rule slk_rule_transition(
    const struct slk_record *record, const struct slk_event *event, uint64_t recorded_at_ms)
{
    uint64_t now_s = recorded_at_ms / MS_PER_S;
    bool binds = event->kind == SLK_ISSUE || event->kind == SLK_REBIND;
    bool extends = event->kind == SLK_ISSUE || event->kind == SLK_RENEW;
    bool needs_valid = event->kind == SLK_REBIND || event->kind == SLK_UNLOCK;

    if (record != NULL && needs_valid && record->valid_until_s <= now_s)
        return SLK_RULE_EXPIRED;
    if (extends && event->valid_until_s <= now_s)
        return SLK_RULE_VALIDITY_PAST;
    if (record != NULL && event->kind == SLK_RENEW && event->valid_until_s <= record->valid_until_s)
        return SLK_RULE_VALIDITY_NOT_LONGER;
    if (record != NULL && binds && slk_hash_equal(&event->device, &record->device))
        return SLK_RULE_SAME_DEVICE;
    return SLK_RULE_OK;
}

/* ---- one step ---- */

static void issue(struct slk_record *record, const struct slk_event *event, uint16_t agency)
{
    record->state = SLK_ACTIVE;
    record->carrier = event->carrier;
    record->type = event->type;
    record->owner_agency = agency;
    record->valid_until_s = event->valid_until_s;
    record->status_index = event->status_index;
    record->reason = 0;
    record->device = event->device;
}

void slk_record_next(struct slk_record *out, const struct slk_record *record, const struct slk_event *event,
    const struct slk_step *step)
{
    struct slk_record next = {0};

    if (record != NULL)
        next = *record;
    switch (event->kind) {
    case SLK_ISSUE:
        issue(&next, event, step->agency);
        break;
    case SLK_REBIND:
        next.state = SLK_ACTIVE;
        next.reason = 0;
        next.carrier = event->carrier;
        next.device = event->device;
        break;
    case SLK_LOCK:
        next.state = SLK_LOCKED;
        next.reason = event->reason;
        break;
    case SLK_UNLOCK:
        next.state = SLK_ACTIVE;
        next.reason = 0;
        break;
    case SLK_RENEW: /* a locked credential stays locked, for the same reason */
        next.valid_until_s = event->valid_until_s;
        break;
    case SLK_REVOKE:
        next.state = SLK_REVOKED;
        next.reason = event->reason;
        break;
    case SLK_KIND_N:
        abort();
    }
    slk_hash_history(&next.history, &next.history, &step->leaf_hash);
    next.last_event_id = step->event_id;
    next.count++;
    next.recorded_at_ms = step->recorded_at_ms;
    *out = next;
}
