/* ndjson.c: see ndjson.h. */
#include "tools/ndjson.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tools/text.h"

/* One line being read. */
struct input {
    struct ndjson_event *out;
    const struct slk_charter *charter;
    struct slk_fault *fault;
    const char *field;
    bool has_sequence;
};

static bool refuse(const struct input *in, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(const struct input *in, const char *format, ...)
{
    char what[160];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    snprintf(in->fault->text, sizeof(in->fault->text), "field \"%s\": %s", in->field, what);
    return false;
}

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "a whole number";
    case JSON_REAL:
        return "a number with a fraction or exponent";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        return "null (leave the field out instead)";
    }
    return "something else";
}

static bool read_number(const struct input *in, const json_t *value, uint64_t max, uint64_t *out)
{
    json_int_t number;

    if (!json_is_integer(value))
        return refuse(in, "must be a whole number, not %s", type_name(value));
    number = json_integer_value(value);
    if (number < 0)
        return refuse(in, "must not be negative");
    if ((uint64_t)number > max)
        return refuse(in, "must be at most %" PRIu64, max);
    *out = (uint64_t)number;
    return true;
}

static bool read_u32(const struct input *in, const json_t *value, uint32_t *out)
{
    uint64_t number = 0;

    if (!read_number(in, value, UINT32_MAX, &number))
        return false;
    *out = (uint32_t)number;
    return true;
}

static bool read_time(const struct input *in, const json_t *value, uint64_t *out)
{
    if (!json_is_string(value))
        return read_number(in, value, INT64_MAX, out);
    if (!text_time_parse(out, json_string_value(value), json_string_length(value)))
        return refuse(in, "not a time: write Unix seconds, or like \"2026-07-01T09:00:00Z\"");
    return true;
}

static bool read_hex(const struct input *in, const json_t *value, uint8_t out[SLK_HASH_SIZE])
{
    if (!json_is_string(value))
        return refuse(in, "must be a string of 64 hexadecimal digits, not %s", type_name(value));
    if (json_string_length(value) != 2 * SLK_HASH_SIZE)
        return refuse(
            in, "has %zu characters: 64 hexadecimal digits (32 bytes) are needed", json_string_length(value));
    if (!text_hash_parse(out, json_string_value(value), json_string_length(value)))
        return refuse(in, "holds a character that is not a hexadecimal digit");
    return true;
}

/* A name out of the enumeration 1..n-1; the refusal lists them all. */
static bool read_name(
    const struct input *in, const json_t *value, unsigned n, const char *(*name)(unsigned), unsigned *out)
{
    char all[120] = "";

    for (unsigned i = 1; json_is_string(value) && i < n; i++) {
        if (strcmp(name(i), json_string_value(value)) == 0) {
            *out = i;
            return true;
        }
    }
    for (unsigned i = 1; i < n; i++)
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i > 1 ? ", " : "", name(i));
    return refuse(in, "must be one of %s", all);
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

static bool read_issuer(struct input *in, const json_t *value)
{
    size_t size = json_is_string(value) ? json_string_length(value) : 0;

    if (size == 0 || size > SLK_CHARTER_NAME_MAX)
        return refuse(in, "must be the name or key id of an issuer in the charter");
    memcpy(in->out->issuer, json_string_value(value), size + 1);
    return true;
}

static bool read_expect(struct input *in, const json_t *value)
{
    for (unsigned i = 1; json_is_string(value) && i < SLK_RULE_N; i++) {
        if (strcmp(slk_rule_name((enum slk_rule)i), json_string_value(value)) == 0) {
            in->out->expect = (enum slk_rule)i;
            return true;
        }
    }
    return refuse(in, "must be the name of a rule, like \"PREVIOUS\"");
}

static bool read_credential(struct input *in, const json_t *value)
{
    return read_hex(in, value, in->out->event.credential);
}

static bool read_sequence(struct input *in, const json_t *value)
{
    in->has_sequence = true;
    return read_number(in, value, INT64_MAX, &in->out->event.sequence);
}

static bool read_previous(struct input *in, const json_t *value)
{
    in->out->event.has_previous = true;
    return read_hex(in, value, in->out->event.previous.b);
}

static bool read_kind(struct input *in, const json_t *value)
{
    unsigned kind = 0;
    bool good = read_name(in, value, SLK_KIND_N, kind_name, &kind);

    in->out->event.kind = (enum slk_kind)kind;
    return good;
}

static bool read_device(struct input *in, const json_t *value)
{
    in->out->event.has_device = true;
    return read_hex(in, value, in->out->event.device.b);
}

static bool read_carrier(struct input *in, const json_t *value)
{
    return read_name(in, value, SLK_CARRIER_N, carrier_name, &in->out->event.carrier);
}

static bool read_channel(struct input *in, const json_t *value)
{
    return read_name(in, value, SLK_CHANNEL_N, channel_name, &in->out->event.channel);
}

static bool read_type(struct input *in, const json_t *value)
{
    const struct slk_charter *charter = in->charter;

    if (!json_is_string(value))
        return read_u32(in, value, &in->out->event.type);
    for (size_t i = 0; charter != NULL && i < charter->types_n; i++) {
        if (strcmp(charter->types[i].name, json_string_value(value)) == 0) {
            in->out->event.type = charter->types[i].code;
            return true;
        }
    }
    return refuse(in, charter != NULL
                          ? "the charter declares no credential type of this name"
                          : "without a charter at hand, write the type's code instead of its name");
}

static bool read_reason(struct input *in, const json_t *value)
{
    const struct slk_charter *charter = in->charter;

    if (!json_is_string(value))
        return read_u32(in, value, &in->out->event.reason);
    for (size_t i = 0; charter != NULL && i < charter->reasons_n; i++) {
        if (strcmp(charter->reasons[i].name, json_string_value(value)) == 0) {
            in->out->event.reason = charter->reasons[i].code;
            return true;
        }
    }
    return refuse(in, charter != NULL
                          ? "the charter declares no reason of this name"
                          : "without a charter at hand, write the reason's code instead of its name");
}

static bool read_valid_until(struct input *in, const json_t *value)
{
    return read_time(in, value, &in->out->event.valid_until_s);
}

static bool read_commitment(struct input *in, const json_t *value)
{
    in->out->event.has_commitment = true;
    return read_hex(in, value, in->out->event.commitment.b);
}

static bool read_occurred_at(struct input *in, const json_t *value)
{
    return read_time(in, value, &in->out->event.occurred_at_s);
}

static bool read_status_index(struct input *in, const json_t *value)
{
    return read_u32(in, value, &in->out->event.status_index);
}

static const struct {
    const char *name;
    bool (*read)(struct input *in, const json_t *value);
    bool required; /* without these two not even a rule can be named */
} fields[] = {
    {"issuer", read_issuer, false},
    {"credential", read_credential, true},
    {"sequence", read_sequence, false},
    {"previous", read_previous, false},
    {"kind", read_kind, true},
    {"device", read_device, false},
    {"carrier", read_carrier, false},
    {"channel", read_channel, false},
    {"type", read_type, false},
    {"valid_until", read_valid_until, false},
    {"reason", read_reason, false},
    {"commitment", read_commitment, false},
    {"occurred_at", read_occurred_at, false},
    {"status_index", read_status_index, false},
    {"expect", read_expect, false},
};
#define FIELDS_N (sizeof(fields) / sizeof(fields[0]))

static bool read_fields(struct input *in, json_t *object)
{
    size_t known_n = 0;
    const char *key;
    json_t *value;

    for (size_t i = 0; i < FIELDS_N; i++) {
        in->field = fields[i].name;
        value = json_object_get(object, in->field);
        if (value == NULL && fields[i].required)
            return refuse(in, "missing");
        if (value == NULL)
            continue;
        known_n++;
        if (!fields[i].read(in, value))
            return false;
    }
    if (known_n == json_object_size(object))
        return true;
    json_object_foreach(object, key, value)
    {
        bool known = false;

        for (size_t i = 0; i < FIELDS_N; i++)
            known |= strcmp(fields[i].name, key) == 0;
        in->field = key;
        if (!known)
            return refuse(in, "no such field in an event");
    }
    return true;
}

static bool settle_head(struct input *in)
{
    if (!in->has_sequence && in->out->event.has_previous) {
        in->field = "sequence";
        return refuse(in, "missing beside \"previous\": give both, or neither to have them filled in");
    }
    in->out->fill_head = !in->has_sequence;
    return true;
}

/* jansson's message may quote the input: keep it short and printable. */
static void json_fault(struct slk_fault *fault, const json_error_t *error)
{
    snprintf(fault->text, sizeof(fault->text), "not a JSON object (column %d): %.120s", error->column,
        error->text);
    for (char *p = fault->text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p == 0x7f)
            *p = ' ';
}

enum slk_err ndjson_parse(struct ndjson_event *out, const char *line, size_t size,
    const struct slk_charter *charter, struct slk_fault *fault)
{
    struct input in = {.out = out, .charter = charter, .fault = fault};
    json_error_t error;
    json_t *object;
    bool good;

    memset(out, 0, sizeof(*out));
    if (size > NDJSON_LINE_MAX) {
        snprintf(fault->text, sizeof(fault->text), "the line has %zu bytes; an event needs less than %d",
            size, NDJSON_LINE_MAX);
        return SLK_E_MALFORMED;
    }
    object = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
    if (object == NULL && json_error_code(&error) == json_error_out_of_memory)
        return SLK_E_NOMEM;
    if (object == NULL) {
        json_fault(fault, &error);
        return SLK_E_MALFORMED;
    }
    if (!json_is_object(object))
        snprintf(
            fault->text, sizeof(fault->text), "a line must be one JSON object, not %s", type_name(object));
    good = json_is_object(object) && read_fields(&in, object) && settle_head(&in);
    json_decref(object);
    if (!good)
        memset(out, 0, sizeof(*out)); /* kind 0 is no kind: harmless if we are ignored */
    return good ? SLK_OK : SLK_E_MALFORMED;
}

/* ---- printing: by hand, because simulations write tens of millions of lines ---- */

struct output {
    char *at;
    size_t size;
};

static void put_text(struct output *o, const char *text)
{
    size_t size = strlen(text);

    memcpy(o->at + o->size, text, size);
    o->size += size;
}

/* Names end at the opening brace or comma: `,"name":`. */
static void put_name(struct output *o, const char *name)
{
    put_text(o, o->size == 1 ? "\"" : ",\"");
    put_text(o, name);
    put_text(o, "\":");
}

static void put_number(struct output *o, const char *name, uint64_t value)
{
    char digits[20];
    size_t n = sizeof(digits);

    put_name(o, name);
    do {
        digits[--n] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    memcpy(o->at + o->size, digits + n, sizeof(digits) - n);
    o->size += sizeof(digits) - n;
}

static void put_string(struct output *o, const char *name, const char *value)
{
    put_name(o, name);
    put_text(o, "\"");
    put_text(o, value);
    put_text(o, "\"");
}

static void put_hex(struct output *o, const char *name, const uint8_t bytes[SLK_HASH_SIZE])
{
    put_name(o, name);
    put_text(o, "\"");
    slk_hex_format(o->at + o->size, bytes, SLK_HASH_SIZE);
    o->size += 2 * SLK_HASH_SIZE;
    put_text(o, "\"");
}

static void put_optional(struct output *o, const struct slk_event *event)
{
    if (event->has_device)
        put_hex(o, "device", event->device.b);
    if (event->carrier != 0)
        put_string(o, "carrier", carrier_name(event->carrier));
    if (event->channel != 0)
        put_string(o, "channel", channel_name(event->channel));
    if (event->type != 0)
        put_number(o, "type", event->type);
    if (event->valid_until_s != 0)
        put_number(o, "valid_until", event->valid_until_s);
    if (event->reason != 0)
        put_number(o, "reason", event->reason);
    if (event->has_commitment)
        put_hex(o, "commitment", event->commitment.b);
    if (event->occurred_at_s != 0)
        put_number(o, "occurred_at", event->occurred_at_s);
    if (event->status_index != 0)
        put_number(o, "status_index", event->status_index);
}

/* JSON forbids quotes, backslashes and control characters inside a string (RFC 8259 section 7). */
static bool needs_escapes(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '"' || *text == '\\' || (unsigned char)*text < 0x20)
            return true;
    return false;
}

size_t ndjson_format(
    char *out, size_t cap, const struct slk_event *event, const char *issuer, enum slk_rule expect)
{
    struct output o = {.at = out};

    if (cap < NDJSON_FORMAT_MAX)
        return 0;
    if (issuer != NULL && (strlen(issuer) > SLK_CHARTER_NAME_MAX || needs_escapes(issuer)))
        return 0; /* a name that would need escapes: write the key id instead */
    put_text(&o, "{");
    if (issuer != NULL)
        put_string(&o, "issuer", issuer);
    put_string(&o, "kind", slk_kind_name(event->kind));
    put_hex(&o, "credential", event->credential);
    put_number(&o, "sequence", event->sequence);
    if (event->has_previous)
        put_hex(&o, "previous", event->previous.b);
    put_optional(&o, event);
    if (expect != SLK_RULE_OK)
        put_string(&o, "expect", slk_rule_name(expect));
    put_text(&o, "}\n");
    return o.size;
}
