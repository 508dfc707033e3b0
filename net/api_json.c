/* api_json.c: see api_json.h. */
#include "net/api_json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/proof.h"

/* ---- reading ---- */

static bool refuse(struct slk_fault *fault, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(struct slk_fault *fault, const char *format, ...)
{
    va_list args;

    fault->line = 0;
    va_start(args, format);
    vsnprintf(fault->text, sizeof(fault->text), format, args);
    va_end(args);
    return false;
}

struct input {
    struct slk_event *event;
    size_t number; /* of the event, from 1 */
    const char *field;
    struct slk_fault *fault;
};

static bool read_hex(const struct input *in, const json_t *value, uint8_t *out, size_t size)
{
    if (json_is_string(value) &&
        slk_hex_parse(out, size, json_string_value(value), json_string_length(value)))
        return true;
    return refuse(in->fault, "event %zu, %s: must be %zu hexadecimal digits in lower case", in->number,
        in->field, 2 * size);
}

static bool read_number(const struct input *in, const json_t *value, uint64_t max, uint64_t *out)
{
    if (json_is_integer(value) && json_integer_value(value) >= 0 &&
        (uint64_t)json_integer_value(value) <= max) {
        *out = (uint64_t)json_integer_value(value);
        return true;
    }
    return refuse(in->fault, "event %zu, %s: must be a whole number, 0 to %llu", in->number, in->field,
        (unsigned long long)max);
}

static bool read_u32(const struct input *in, const json_t *value, uint32_t *out)
{
    uint64_t n = 0;
    bool good = read_number(in, value, UINT32_MAX, &n);

    *out = (uint32_t)n;
    return good;
}

static const char *kind_name(unsigned i)
{
    return slk_kind_name((enum slk_kind)i);
}

static const char *carrier_name(unsigned i)
{
    return slk_carrier_name((enum slk_carrier)i);
}

static const char *channel_name(unsigned i)
{
    return slk_channel_name((enum slk_channel)i);
}

static bool read_name(
    const struct input *in, const json_t *value, unsigned n, const char *(*name)(unsigned), uint32_t *out)
{
    for (unsigned i = 1; json_is_string(value) && i < n; i++) {
        if (strcmp(name(i), json_string_value(value)) == 0) {
            *out = i;
            return true;
        }
    }
    return refuse(in->fault, "event %zu, %s: must be a name like \"%s\"", in->number, in->field, name(1));
}

static bool read_credential(const struct input *in, const json_t *value)
{
    return read_hex(in, value, in->event->credential, SLK_HANDLE_SIZE);
}

static bool read_sequence(const struct input *in, const json_t *value)
{
    return read_number(in, value, INT64_MAX, &in->event->sequence);
}

static bool read_previous(const struct input *in, const json_t *value)
{
    in->event->has_previous = true;
    return read_hex(in, value, in->event->previous.b, SLK_HASH_SIZE);
}

static bool read_kind(const struct input *in, const json_t *value)
{
    uint32_t kind = 0;
    bool good = read_name(in, value, SLK_KIND_N, kind_name, &kind);

    in->event->kind = (enum slk_kind)kind;
    return good;
}

static bool read_device(const struct input *in, const json_t *value)
{
    in->event->has_device = true;
    return read_hex(in, value, in->event->device.b, SLK_HASH_SIZE);
}

static bool read_carrier(const struct input *in, const json_t *value)
{
    return read_name(in, value, SLK_CARRIER_N, carrier_name, &in->event->carrier);
}

static bool read_channel(const struct input *in, const json_t *value)
{
    return read_name(in, value, SLK_CHANNEL_N, channel_name, &in->event->channel);
}

static bool read_type(const struct input *in, const json_t *value)
{
    return read_u32(in, value, &in->event->type);
}

static bool read_valid_until(const struct input *in, const json_t *value)
{
    return read_number(in, value, INT64_MAX, &in->event->valid_until_s);
}

static bool read_reason(const struct input *in, const json_t *value)
{
    return read_u32(in, value, &in->event->reason);
}

static bool read_commitment(const struct input *in, const json_t *value)
{
    in->event->has_commitment = true;
    return read_hex(in, value, in->event->commitment.b, SLK_HASH_SIZE);
}

static bool read_occurred_at(const struct input *in, const json_t *value)
{
    return read_number(in, value, INT64_MAX, &in->event->occurred_at_s);
}

static bool read_status_index(const struct input *in, const json_t *value)
{
    return read_u32(in, value, &in->event->status_index);
}

static bool read_event(struct input *in, json_t *object)
{
    static const struct {
        const char *name;
        bool (*read)(const struct input *in, const json_t *value);
        bool required; /* without these two not even a rule can be named */
    } fields[] = {{"credential", read_credential, true}, {"sequence", read_sequence, false},
        {"previous", read_previous, false}, {"kind", read_kind, true}, {"device", read_device, false},
        {"carrier", read_carrier, false}, {"channel", read_channel, false}, {"type", read_type, false},
        {"valid_until", read_valid_until, false}, {"reason", read_reason, false},
        {"commitment", read_commitment, false}, {"occurred_at", read_occurred_at, false},
        {"status_index", read_status_index, false}};
    size_t known_n = 0;

    if (!json_is_object(object))
        return refuse(in->fault, "event %zu: must be an object", in->number);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const json_t *value = json_object_get(object, fields[i].name);

        in->field = fields[i].name;
        if (value == NULL && fields[i].required)
            return refuse(in->fault, "event %zu, %s: missing", in->number, in->field);
        if (value == NULL)
            continue;
        known_n++;
        if (!fields[i].read(in, value))
            return false;
    }
    if (known_n != json_object_size(object))
        return refuse(in->fault, "event %zu: has a member that is no field of an event", in->number);
    return true;
}

/* jansson makes some hundred bytes of the three of "[],": a body has no more parts than a submission can have. */
#define OBJECTS_MAX (SLK_SUBMISSION_EVENTS_MAX + 1u)
#define COMMAS_MAX  (SLK_SUBMISSION_EVENTS_MAX * 13u + 2u)

static bool has_few_parts(struct slk_span json)
{
    size_t objects_n = 0, lists_n = 0, commas_n = 0;

    for (size_t i = 0; i < json.size; i++) {
        objects_n += json.at[i] == '{';
        lists_n += json.at[i] == '[';
        commas_n += json.at[i] == ',';
    }
    return objects_n <= OBJECTS_MAX && lists_n <= 1 && commas_n <= COMMAS_MAX;
}

static json_t *load(struct slk_span json, struct slk_fault *fault, enum slk_err *err)
{
    json_error_t error;
    json_t *value;

    *err = SLK_E_MALFORMED;
    (void)refuse(fault, "the body must be one JSON object"); /* jansson's own words would quote the input */
    if (json.size == 0 || !has_few_parts(json))
        return NULL;
    value = json_loadb((const char *)json.at, json.size, JSON_REJECT_DUPLICATES, &error);
    *err = SLK_OK;
    if (value != NULL && json_is_object(value))
        return value;
    json_decref(value);
    *err =
        value == NULL && json_error_code(&error) == json_error_out_of_memory ? SLK_E_NOMEM : SLK_E_MALFORMED;
    return NULL;
}

/* The events, printed one behind the other into bytes[], SLK_EVENT_MAX each. */
static bool read_events(
    struct slk_submission *submission, uint8_t *bytes, const json_t *list, struct slk_fault *fault)
{
    for (size_t i = 0; i < submission->events_n; i++) {
        struct slk_event event = {0};
        struct input in = {.event = &event, .number = i + 1, .fault = fault};
        uint8_t *at = bytes + i * SLK_EVENT_MAX;
        size_t size;

        if (!read_event(&in, json_array_get(list, i)))
            return false;
        size = slk_event_format(at, SLK_EVENT_MAX, &event);
        if (size == 0)
            return refuse(fault, "event %zu: a field is missing without which it cannot be written", i + 1);
        submission->event_bytes[i] = slk_span_of(at, size);
    }
    return true;
}

static enum slk_err read_submission(
    struct slk_submission *s, uint8_t *bytes, const json_t *object, struct slk_fault *fault)
{
    const json_t *id = json_object_get(object, "key_id"), *sig = json_object_get(object, "signature");

    if (json_object_size(object) != 3 || !json_is_string(id) || !json_is_string(sig) ||
        !slk_hex_parse(s->key_id, SLK_KEY_ID_SIZE, json_string_value(id), json_string_length(id)) ||
        !slk_hex_parse(s->signature, SLK_SIGNATURE_SIZE, json_string_value(sig), json_string_length(sig))) {
        (void)refuse(
            fault, "a submission is key_id (16 digits), signature (128 digits) and events, nothing else");
        return SLK_E_MALFORMED;
    }
    return read_events(s, bytes, json_object_get(object, "events"), fault) ? SLK_OK : SLK_E_MALFORMED;
}

static enum slk_err convert(uint8_t **out, size_t *out_size, const json_t *object, struct slk_fault *fault)
{
    struct slk_submission submission = {.events_n = json_array_size(json_object_get(object, "events"))};
    size_t n = submission.events_n, cap = n * (SLK_EVENT_MAX + 4) + 128;
    uint8_t *events = NULL, *bytes = NULL;
    enum slk_err err = SLK_E_NOMEM;

    if (n == 0 || n > SLK_SUBMISSION_EVENTS_MAX) {
        (void)refuse(fault, "events: must be a list of 1 to %d events", SLK_SUBMISSION_EVENTS_MAX);
        return SLK_E_TOO_LARGE;
    }
    submission.event_bytes = calloc(n, sizeof(*submission.event_bytes));
    events = malloc(n * SLK_EVENT_MAX);
    bytes = malloc(cap);
    if (submission.event_bytes != NULL && events != NULL && bytes != NULL)
        err = read_submission(&submission, events, object, fault);
    if (err == SLK_OK) {
        *out_size = slk_submission_format(bytes, cap, &submission);
        if (*out_size == 0) {
            (void)refuse(fault, "the submission cannot be written");
            err = SLK_E_MALFORMED;
        }
    }
    free(events);
    free(submission.event_bytes);
    if (err != SLK_OK)
        free(bytes);
    *out = err == SLK_OK ? bytes : NULL;
    return err;
}

enum slk_err slk_api_submission_parse(
    uint8_t **out, size_t *out_size, struct slk_span json, struct slk_fault *fault)
{
    enum slk_err err;
    json_t *object = load(json, fault, &err);

    *out = NULL;
    *out_size = 0;
    if (object == NULL)
        return err;
    err = convert(out, out_size, object, fault);
    json_decref(object);
    return err;
}

enum slk_err slk_api_proof_request_parse(
    uint8_t handle[SLK_HANDLE_SIZE], bool *history, struct slk_span json, struct slk_fault *fault)
{
    enum slk_err err;
    json_t *object = load(json, fault, &err);
    const json_t *credential, *wanted;

    memset(handle, 0, SLK_HANDLE_SIZE);
    *history = false;
    if (object == NULL)
        return err;
    credential = json_object_get(object, "credential");
    wanted = json_object_get(object, "history");
    if (json_object_size(object) != (wanted != NULL ? 2u : 1u) || !json_is_string(credential) ||
        (wanted != NULL && !json_is_boolean(wanted)) ||
        !slk_hex_parse(
            handle, SLK_HANDLE_SIZE, json_string_value(credential), json_string_length(credential))) {
        (void)refuse(fault, "the body must be {\"credential\": 64 hexadecimal digits in lower case, "
                            "\"history\": true or false}");
        err = SLK_E_MALFORMED;
    }
    *history = json_is_true(wanted);
    json_decref(object);
    return err;
}

/* ---- writing ---- */

json_t *slk_api_hex(const uint8_t *at, size_t size)
{
    char text[2 * SLK_SIGNATURE_SIZE + 1];

    if (size > SLK_SIGNATURE_SIZE)
        return NULL;
    slk_hex_format(text, at, size);
    return json_stringn(text, 2 * size);
}

json_t *slk_api_hash(const struct slk_hash *hash)
{
    return slk_api_hex(hash->b, SLK_HASH_SIZE);
}

json_t *slk_api_base64(struct slk_span bytes)
{
    size_t size = slk_base64_size(bytes.size);
    char *text = malloc(size + 1);
    json_t *value = NULL;

    if (text != NULL) {
        slk_base64_format(text, bytes.at, bytes.size);
        value = json_stringn(text, size);
    }
    free(text);
    return value;
}

json_t *slk_api_number(uint64_t n)
{
    return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

json_t *slk_api_record(const struct slk_record *r)
{
    json_t *value = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "state",
        slk_state_name(r->state), "events_n", slk_api_number(r->count), "type", slk_api_number(r->type),
        "owner", slk_api_number(r->owner_agency), "valid_until", slk_api_number(r->valid_until_s),
        "recorded_at_ms", slk_api_number(r->recorded_at_ms), "status_index", slk_api_number(r->status_index),
        "reason", slk_api_number(r->reason), "device", slk_api_hash(&r->device), "last_event_id",
        slk_api_hash(&r->last_event_id));

    if (r->carrier != 0)
        json_object_set_new(value, "carrier", json_string(slk_carrier_name((enum slk_carrier)r->carrier)));
    return value;
}

static json_t *member_json(const struct slk_member *m)
{
    json_t *addresses = json_array();

    for (size_t i = 0; i < m->addresses_n; i++)
        json_array_append_new(addresses, json_string(m->addresses[i]));
    return json_pack("{s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "agency", slk_api_number(m->agency), "name",
        m->name, "role", m->role == SLK_VOTING ? "VOTING" : "OBSERVER", "vote_key",
        slk_api_hex(m->vote_key, SLK_KEY_SIZE), "cosign_key", slk_api_hex(m->cosign_key, SLK_KEY_SIZE),
        "log_key", slk_api_hex(m->log_key, SLK_KEY_SIZE), "node_key", slk_api_hex(m->node_key, SLK_KEY_SIZE),
        "addresses", addresses);
}

static json_t *issuer_json(const struct slk_issuer *issuer)
{
    json_t *kinds = json_array(), *types = json_array();

    for (unsigned kind = SLK_ISSUE; kind < SLK_KIND_N; kind++) {
        if ((issuer->kinds & (1u << kind)) != 0)
            json_array_append_new(kinds, json_string(kind_name(kind)));
    }
    for (size_t i = 0; i < issuer->types_n; i++)
        json_array_append_new(types, slk_api_number(issuer->types[i]));
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o}", "name", issuer->name, "agency",
        slk_api_number(issuer->agency), "key_id", slk_api_hex(issuer->key_id, SLK_KEY_ID_SIZE), "public_key",
        slk_api_hex(issuer->public_key, SLK_KEY_SIZE), "kinds", kinds, "types", types, "any_agency",
        issuer->any_agency, "not_before", slk_api_number(issuer->not_before_s), "not_after",
        slk_api_number(issuer->not_after_s));
}

json_t *slk_api_charter(const struct slk_charter *c)
{
    json_t *members = json_array(), *issuers = json_array(), *types = json_array(), *reasons = json_array();
    json_t *value;

    for (size_t i = 0; i < c->members_n; i++)
        json_array_append_new(members, member_json(&c->members[i]));
    for (size_t i = 0; i < c->issuers_n; i++)
        json_array_append_new(issuers, issuer_json(&c->issuers[i]));
    for (size_t i = 0; i < c->types_n; i++)
        json_array_append_new(
            types, json_pack("{s:o, s:s, s:o, s:o}", "code", slk_api_number(c->types[i].code), "name",
                       c->types[i].name, "max_validity_s", slk_api_number(c->types[i].max_validity_s),
                       "status_list_size", slk_api_number(c->types[i].status_list_size)));
    for (size_t i = 0; i < c->reasons_n; i++)
        json_array_append_new(reasons,
            json_pack("{s:o, s:s}", "code", slk_api_number(c->reasons[i].code), "name", c->reasons[i].name));
    value = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "origin", c->origin, "version",
        slk_api_number(c->version), "hash", slk_api_hash(&c->hash), "created_at_ms",
        slk_api_number(c->created_at_ms), "members", members, "issuers", issuers, "types", types, "reasons",
        reasons);
    json_object_set_new(value, "limits",
        json_pack("{s:o, s:o, s:o}", "block_events", slk_api_number(c->block_events), "block_bytes",
            slk_api_number(c->block_bytes), "submission_events", slk_api_number(c->submission_events)));
    json_object_set_new(value, "timers",
        json_pack("{s:o, s:o, s:o}", "delta_ms", slk_api_number(c->delta_ms), "heartbeat_s",
            slk_api_number(c->heartbeat_s), "fresh_s", slk_api_number(c->fresh_s)));
    return value;
}

json_t *slk_api_status(const struct slk_node_status *s, struct slk_ledger *ledger)
{
    const struct slk_charter *charter = slk_ledger_charter(ledger);

    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, "
                     "s:b, s:o, s:o, s:s}",
        "origin", charter->origin, "chain_id", slk_api_hash(slk_ledger_chain_id(ledger)), "charter_version",
        slk_api_number(charter->version), "height", slk_api_number(s->height), "time_ms",
        slk_api_number(s->time_ms), "size", slk_api_number(s->log_size), "events",
        slk_api_number(s->events_n), "credentials", slk_api_number(slk_ledger_credentials_n(ledger)),
        "block_hash", slk_api_hash(&s->block_hash), "root", slk_api_hash(&s->log_root), "agency",
        slk_api_number(s->agency), "members", slk_api_number(s->members_n), "quorum",
        slk_api_number(s->quorum), "peers", slk_api_number(s->peers_n), "pool", slk_api_number(s->pool_count),
        "votes", s->has_vote, "muted", s->muted, "behind", s->is_behind, "cosigned_height",
        slk_api_number(s->cosigned_height), "cosigned_time_ms", slk_api_number(s->cosigned_time_ms), "alarm",
        s->alarm);
}

/* ---- answers to submissions ---- */

static const char *stage_name(enum slk_node_stage stage)
{
    switch (stage) {
    case SLK_STAGE_RECEIVED:
        return "received";
    case SLK_STAGE_SAFE:
        return "safe";
    case SLK_STAGE_FINAL:
        return "final";
    case SLK_STAGE_COSIGNED:
        return "cosigned";
    }
    return "?";
}

static json_t *receipts_json(const struct slk_node_answer *a)
{
    json_t *list = json_array();

    for (size_t i = 0; i < a->receipts_n; i++) {
        const struct slk_receipt *r = &a->receipts[i];

        json_array_append_new(list,
            json_pack("{s:o, s:o, s:o, s:o, s:o}", "agency", slk_api_number(r->agency), "key_id",
                slk_api_hex(r->key_id, SLK_KEY_ID_SIZE), "tip_height", slk_api_number(r->tip_height), "class",
                slk_api_number((uint64_t)r->class), "signature", slk_api_hex(r->sig, SLK_SIGNATURE_SIZE)));
    }
    return list;
}

static json_t *verdicts_json(const struct slk_node_answer *a)
{
    json_t *list = json_array();

    for (size_t i = 0; a->verdict.events != NULL && i < a->events_n; i++)
        json_array_append_new(list, json_string(slk_rule_name(a->verdict.events[i])));
    return list;
}

static json_t *refused_json(const struct slk_node_answer *a)
{
    json_t *value = json_pack("{s:s, s:o, s:s, s:s}", "state",
        a->outcome == SLK_NODE_REFUSED ? "refused" : "overtaken", "id", slk_api_hash(&a->id), "code",
        slk_rule_name(a->verdict.rule), "detail", slk_rule_text(a->verdict.rule));

    if (a->verdict.rule_event != SIZE_MAX && a->outcome == SLK_NODE_REFUSED)
        json_object_set_new(value, "event", slk_api_number(a->verdict.rule_event));
    if (a->verdict.has_head && a->verdict.head_sequence > 0)
        json_object_set_new(value, "head",
            json_pack("{s:o, s:o}", "sequence", slk_api_number(a->verdict.head_sequence), "previous",
                slk_api_hash(&a->verdict.head_event_id)));
    else if (a->verdict.has_head)
        json_object_set_new(value, "head", json_pack("{s:i}", "sequence", 0));
    if (a->verdict.events != NULL)
        json_object_set_new(value, "events", verdicts_json(a));
    return value;
}

json_t *slk_api_answer(const struct slk_node_answer *a)
{
    json_t *value;

    if (a->outcome == SLK_NODE_REFUSED || a->outcome == SLK_NODE_OVERTAKEN)
        return refused_json(a);
    value = json_pack("{s:s, s:o, s:o}", "state", stage_name(a->stage), "id", slk_api_hash(&a->id),
        "events_n", slk_api_number(a->events_n));
    if (a->outcome == SLK_NODE_DUPLICATE)
        json_object_set_new(value, "duplicate", json_true());
    if (a->stage >= SLK_STAGE_FINAL) {
        json_object_set_new(value, "height", slk_api_number(a->height));
        json_object_set_new(value, "first_index", slk_api_number(a->first_index));
    }
    if (a->receipts_n > 0)
        json_object_set_new(value, "receipts", receipts_json(a));
    return value;
}
