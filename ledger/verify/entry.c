/* entry.c: the strict reader and the printer of log entries and events.
 *
 * Canonical form leaves no choice: fields in number order, each at most once, none at its default value. So the
 * reader walks the fields in order and asks "is the next byte this field's tag?"; whatever is left over at the
 * end is a field that is unknown, repeated or out of order. Every field number here is below 16, so a tag is one
 * byte. The reader is local to this file because it is on the ingest path: bytes.h's is not inlined.
 */
#include "ledger/verify/entry.h"

#include "ledger/verify/bytes.h"

#include <string.h>

/* Protobuf encoding: field number << 3 | wire type. */
#define NUMBER(field) ((uint8_t)((field) << 3 | SLK_WIRE_VARINT))
#define BYTES(field)  ((uint8_t)((field) << 3 | SLK_WIRE_BYTES))
#define VARINT_MAX    10 /* bytes of a 64-bit varint */

struct cursor {
    const uint8_t *at;
    const uint8_t *end;
    enum slk_err err; /* the first thing wrong; it sticks */
};

static struct cursor cursor_of(struct slk_span bytes)
{
    /* An empty span may hold NULL, to which nothing may be added. */
    const uint8_t *end = bytes.size == 0 ? bytes.at : bytes.at + bytes.size;

    return (struct cursor){.at = bytes.at, .end = end, .err = SLK_OK};
}

/* Gives up: nothing is left, so no later field is found. */
static void refuse(struct cursor *c, enum slk_err err)
{
    if (c->err == SLK_OK)
        c->err = err;
    c->at = c->end;
}

static inline bool take_tag(struct cursor *c, uint8_t tag)
{
    if (c->at == c->end || *c->at != tag)
        return false;
    c->at++;
    return true;
}

static uint64_t long_varint(struct cursor *c)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < VARINT_MAX; i++) {
        if (c->at == c->end)
            break;
        uint8_t b = *c->at++;
        if (i == VARINT_MAX - 1 && b > 1) /* the tenth byte holds bit 63 alone */
            break;
        v |= (uint64_t)(b & 0x7f) << (7 * i);
        if (b < 0x80) {
            if (b == 0 && i > 0) /* a shorter spelling exists */
                refuse(c, SLK_E_NOT_CANONICAL);
            return v;
        }
    }
    refuse(c, SLK_E_MALFORMED);
    return 0;
}

static inline uint64_t varint(struct cursor *c)
{
    if (c->at != c->end && *c->at < 0x80)
        return *c->at++;
    return long_varint(c);
}

/* A number field, 0 when it is not there; when there, it is at least 1 and at most `max`. */
static inline uint64_t number(struct cursor *c, uint8_t tag, uint64_t max)
{
    if (!take_tag(c, tag))
        return 0;
    uint64_t v = varint(c);
    if (v == 0)
        refuse(c, SLK_E_NOT_CANONICAL);
    if (v > max)
        refuse(c, SLK_E_MALFORMED);
    return v;
}

/* A bytes field, empty when it is not there; when there, it is not empty. */
static inline struct slk_span field(struct cursor *c, uint8_t tag)
{
    if (!take_tag(c, tag))
        return (struct slk_span){0};
    uint64_t size = varint(c);
    if (size > (uint64_t)(c->end - c->at)) {
        refuse(c, SLK_E_MALFORMED);
        return (struct slk_span){0};
    }
    if (size == 0)
        refuse(c, SLK_E_NOT_CANONICAL);
    struct slk_span span = {.at = c->at, .size = (size_t)size};
    c->at += size;
    return span;
}

/* A bytes field of one fixed size below 128, so its length is one byte. False when it is not there. */
static inline bool fixed(struct cursor *c, uint8_t tag, uint8_t *out, size_t size)
{
    if (!take_tag(c, tag))
        return false;
    if ((size_t)(c->end - c->at) <= size || *c->at != size) {
        refuse(c, SLK_E_MALFORMED);
        return false;
    }
    memcpy(out, c->at + 1, size);
    c->at += 1 + size;
    return true;
}

/* What is left over is a field of this message in the wrong place (not canonical), or none (malformed).
 * `numbers` and `spans` have bit f set when field f is a number, or bytes. */
static enum slk_err finish(const struct cursor *c, unsigned numbers, unsigned spans)
{
    if (c->err != SLK_OK)
        return c->err;
    if (c->at == c->end)
        return SLK_OK;
    unsigned f = *c->at >> 3;
    unsigned wire = *c->at & 7;
    unsigned known = wire == SLK_WIRE_VARINT ? numbers : wire == SLK_WIRE_BYTES ? spans : 0;
    return known >> f & 1 ? SLK_E_NOT_CANONICAL : SLK_E_MALFORMED;
}

#define EVENT_SPANS   (1u << 1 | 1u << 3 | 1u << 5 | 1u << 11)
#define EVENT_NUMBERS (0x3ffeu & ~EVENT_SPANS) /* fields 1..13 */

enum slk_err slk_event_parse(struct slk_event *out, struct slk_span bytes)
{
    struct cursor c = cursor_of(bytes);
    enum slk_err err;

    if (bytes.size > SLK_EVENT_MAX) {
        memset(out, 0, sizeof(*out));
        return SLK_E_TOO_LARGE;
    }
    memset(out, 0, sizeof(*out));
    bool has_credential = fixed(&c, BYTES(1), out->credential, SLK_HANDLE_SIZE);
    out->sequence = number(&c, NUMBER(2), UINT64_MAX);
    out->has_previous = fixed(&c, BYTES(3), out->previous.b, SLK_HASH_SIZE);
    out->kind = (enum slk_kind)number(&c, NUMBER(4), SLK_KIND_N - 1);
    out->has_device = fixed(&c, BYTES(5), out->device.b, SLK_HASH_SIZE);
    out->carrier = (uint32_t)number(&c, NUMBER(6), SLK_CARRIER_N - 1);
    out->channel = (uint32_t)number(&c, NUMBER(7), SLK_CHANNEL_N - 1);
    out->type = (uint32_t)number(&c, NUMBER(8), UINT32_MAX);
    out->valid_until_s = number(&c, NUMBER(9), UINT64_MAX);
    out->reason = (uint32_t)number(&c, NUMBER(10), UINT32_MAX);
    out->has_commitment = fixed(&c, BYTES(11), out->commitment.b, SLK_HASH_SIZE);
    out->occurred_at_s = number(&c, NUMBER(12), UINT64_MAX);
    out->status_index = (uint32_t)number(&c, NUMBER(13), UINT32_MAX);
    err = finish(&c, EVENT_NUMBERS, EVENT_SPANS);
    if (err == SLK_OK && (!has_credential || out->kind == 0))
        err = SLK_E_MALFORMED;
    if (err != SLK_OK)
        memset(out, 0, sizeof(*out)); /* kind 0 is no kind */
    return err;
}

static enum slk_err parse_recorded(struct slk_entry *out, struct slk_span bytes)
{
    struct cursor c = cursor_of(bytes);

    out->recorded_at_ms = number(&c, NUMBER(1), UINT64_MAX);
    out->event = field(&c, BYTES(2));
    enum slk_err err = finish(&c, 1u << 1, 1u << 2);
    if (err == SLK_OK && out->event.size == 0)
        err = SLK_E_MALFORMED;
    if (err == SLK_OK && out->event.size > SLK_EVENT_MAX)
        err = SLK_E_TOO_LARGE;
    return err;
}

static enum slk_err parse_authorization(struct slk_authorization *out, struct slk_span bytes)
{
    struct cursor c = cursor_of(bytes);

    bool has_key = fixed(&c, BYTES(1), out->key_id, SLK_KEY_ID_SIZE);
    out->count = (uint32_t)number(&c, NUMBER(2), SLK_SUBMISSION_EVENTS_MAX);
    bool has_signature = fixed(&c, BYTES(3), out->signature, SLK_SIGNATURE_SIZE);
    enum slk_err err = finish(&c, 1u << 2, 1u << 1 | 1u << 3);
    if (err == SLK_OK && (!has_key || out->count == 0 || !has_signature))
        err = SLK_E_MALFORMED;
    return err;
}

static enum slk_err parse_charter(struct slk_entry *out, struct slk_span bytes)
{
    struct cursor c = cursor_of(bytes);

    out->charter = field(&c, BYTES(1));
    out->change = field(&c, BYTES(2));
    enum slk_err err = finish(&c, 0, 1u << 1 | 1u << 2);
    return err == SLK_OK && out->charter.size == 0 ? SLK_E_MALFORMED : err;
}

#define SEAL_SPANS   (1u << 3 | 1u << 4 | 1u << 5 | 1u << 6)
#define SEAL_NUMBERS (0x1feu & ~SEAL_SPANS) /* fields 1..8 */

static enum slk_err parse_seal(struct slk_seal *out, struct slk_span bytes)
{
    struct cursor c = cursor_of(bytes);

    out->height = number(&c, NUMBER(1), UINT64_MAX);
    out->time_ms = number(&c, NUMBER(2), UINT64_MAX);
    out->has_previous = fixed(&c, BYTES(3), out->previous.b, SLK_HASH_SIZE);
    bool complete = fixed(&c, BYTES(4), out->map_root.b, SLK_HASH_SIZE);
    complete &= fixed(&c, BYTES(5), out->charter_hash.b, SLK_HASH_SIZE);
    complete &= fixed(&c, BYTES(6), out->next_charter_hash.b, SLK_HASH_SIZE);
    out->proposer = (uint32_t)number(&c, NUMBER(7), UINT32_MAX);
    out->origin_view = (uint32_t)number(&c, NUMBER(8), UINT32_MAX);
    enum slk_err err = finish(&c, SEAL_NUMBERS, SEAL_SPANS);
    if (err == SLK_OK && (!complete || out->has_previous != (out->height > 0)))
        err = SLK_E_MALFORMED;
    return err;
}

static enum slk_err parse_evidence(struct slk_entry *out, struct slk_span bytes)
{
    struct cursor c = cursor_of(bytes);

    out->first = field(&c, BYTES(1));
    out->second = field(&c, BYTES(2));
    enum slk_err err = finish(&c, 0, 1u << 1 | 1u << 2);
    return err == SLK_OK && (out->first.size == 0 || out->second.size == 0) ? SLK_E_MALFORMED : err;
}

/* The one field of Entry's oneof, whole: nothing before it, nothing after it. */
static enum slk_err parse_choice(enum slk_entry_type *type, struct slk_span *message, struct slk_span bytes)
{
    struct cursor c = cursor_of(bytes);

    if (bytes.size == 0)
        return SLK_E_MALFORMED;
    unsigned f = bytes.at[0] >> 3;
    if (f < SLK_ENTRY_RECORDED || f > SLK_ENTRY_EVIDENCE)
        return SLK_E_MALFORMED;
    *message = field(&c, BYTES(f));
    *type = (enum slk_entry_type)f;
    return finish(&c, 0, 0);
}

enum slk_err slk_entry_parse(struct slk_entry *out, struct slk_span bytes)
{
    enum slk_entry_type type = 0;
    struct slk_span message;
    enum slk_err err;

    memset(out, 0, sizeof(*out));
    if (bytes.size > SLK_ENTRY_MAX)
        return SLK_E_TOO_LARGE;
    err = parse_choice(&type, &message, bytes);
    if (err != SLK_OK)
        return err;
    switch (type) {
    case SLK_ENTRY_RECORDED:
        err = parse_recorded(out, message);
        break;
    case SLK_ENTRY_AUTHORIZATION:
        err = parse_authorization(&out->authorization, message);
        break;
    case SLK_ENTRY_CHARTER:
        err = parse_charter(out, message);
        break;
    case SLK_ENTRY_SEAL:
        err = parse_seal(&out->seal, message);
        break;
    case SLK_ENTRY_EVIDENCE:
        err = parse_evidence(out, message);
        break;
    }
    if (err != SLK_OK)
        memset(out, 0, sizeof(*out)); /* type 0 is no type */
    else
        out->type = type;
    return err;
}

/* ---- printing ---- */

static struct slk_writer writer_of(uint8_t *out, size_t cap)
{
    return (struct slk_writer){.at = out, .cap = cap};
}

static size_t written(const struct slk_writer *w)
{
    return w->bad ? 0 : w->size;
}

static void write_hash(struct slk_writer *w, uint32_t f, bool present, const struct slk_hash *hash)
{
    if (present)
        slk_write_field_bytes(w, f, hash->b, SLK_HASH_SIZE);
}

size_t slk_event_format(uint8_t *out, size_t cap, const struct slk_event *event)
{
    struct slk_writer w = writer_of(out, cap);

    slk_write_field_bytes(&w, 1, event->credential, SLK_HANDLE_SIZE);
    slk_write_field_number(&w, 2, event->sequence);
    write_hash(&w, 3, event->has_previous, &event->previous);
    slk_write_field_number(&w, 4, event->kind);
    write_hash(&w, 5, event->has_device, &event->device);
    slk_write_field_number(&w, 6, event->carrier);
    slk_write_field_number(&w, 7, event->channel);
    slk_write_field_number(&w, 8, event->type);
    slk_write_field_number(&w, 9, event->valid_until_s);
    slk_write_field_number(&w, 10, event->reason);
    write_hash(&w, 11, event->has_commitment, &event->commitment);
    slk_write_field_number(&w, 12, event->occurred_at_s);
    slk_write_field_number(&w, 13, event->status_index);
    return written(&w);
}

/* What slk_write_field_number and slk_write_field_bytes will take (tags are one byte). */
static size_t number_size(uint64_t v)
{
    return v == 0 ? 0 : 1 + slk_varint_size(v);
}

static size_t bytes_size(size_t size)
{
    return size == 0 ? 0 : 1 + slk_varint_size(size) + size;
}

static void write_choice(struct slk_writer *w, enum slk_entry_type type, size_t message_size)
{
    slk_write_u8(w, BYTES((unsigned)type));
    slk_write_varint(w, message_size);
}

size_t slk_entry_format_recorded(uint8_t *out, size_t cap, uint64_t recorded_at_ms, struct slk_span event)
{
    struct slk_writer w = writer_of(out, cap);

    write_choice(&w, SLK_ENTRY_RECORDED, number_size(recorded_at_ms) + bytes_size(event.size));
    slk_write_field_number(&w, 1, recorded_at_ms);
    slk_write_field_bytes(&w, 2, event.at, event.size);
    return written(&w);
}

size_t slk_entry_format_authorization(uint8_t *out, size_t cap, const struct slk_authorization *authorization)
{
    struct slk_writer w = writer_of(out, cap);

    write_choice(&w, SLK_ENTRY_AUTHORIZATION,
        bytes_size(SLK_KEY_ID_SIZE) + number_size(authorization->count) + bytes_size(SLK_SIGNATURE_SIZE));
    slk_write_field_bytes(&w, 1, authorization->key_id, SLK_KEY_ID_SIZE);
    slk_write_field_number(&w, 2, authorization->count);
    slk_write_field_bytes(&w, 3, authorization->signature, SLK_SIGNATURE_SIZE);
    return written(&w);
}

size_t slk_entry_format_charter(uint8_t *out, size_t cap, struct slk_span charter, struct slk_span change)
{
    struct slk_writer w = writer_of(out, cap);

    write_choice(&w, SLK_ENTRY_CHARTER, bytes_size(charter.size) + bytes_size(change.size));
    slk_write_field_bytes(&w, 1, charter.at, charter.size);
    slk_write_field_bytes(&w, 2, change.at, change.size);
    return written(&w);
}

size_t slk_entry_format_seal(uint8_t *out, size_t cap, const struct slk_seal *seal)
{
    struct slk_writer w = writer_of(out, cap);
    size_t hashes_n = seal->has_previous ? 4 : 3;

    write_choice(&w, SLK_ENTRY_SEAL,
        number_size(seal->height) + number_size(seal->time_ms) + hashes_n * bytes_size(SLK_HASH_SIZE) +
            number_size(seal->proposer) + number_size(seal->origin_view));
    slk_write_field_number(&w, 1, seal->height);
    slk_write_field_number(&w, 2, seal->time_ms);
    write_hash(&w, 3, seal->has_previous, &seal->previous);
    write_hash(&w, 4, true, &seal->map_root);
    write_hash(&w, 5, true, &seal->charter_hash);
    write_hash(&w, 6, true, &seal->next_charter_hash);
    slk_write_field_number(&w, 7, seal->proposer);
    slk_write_field_number(&w, 8, seal->origin_view);
    return written(&w);
}

size_t slk_entry_format_evidence(uint8_t *out, size_t cap, struct slk_span first, struct slk_span second)
{
    struct slk_writer w = writer_of(out, cap);

    write_choice(&w, SLK_ENTRY_EVIDENCE, bytes_size(first.size) + bytes_size(second.size));
    slk_write_field_bytes(&w, 1, first.at, first.size);
    slk_write_field_bytes(&w, 2, second.at, second.size);
    return written(&w);
}

void slk_event_id(struct slk_hash *out, struct slk_span event)
{
    slk_hash_tagged(out, SLK_TAG_EVENT, event.at, event.size);
}
