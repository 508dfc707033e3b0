/* opinion.c: see opinion.h. */
#include "tests/fuzz/opinion.h"

#include "ledger.pb-c.h"
#include "ledger/verify/entry.h"

/* Where a field's value, or the count of a repeated one, is in a generated struct. */
static const void *value_at(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return (const uint8_t *)message + field->offset;
}

static size_t count_of(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    size_t n = 1;
    uint32_t which = field->id;

    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        memcpy(&n, (const uint8_t *)message + field->quantifier_offset, sizeof(n));
    else if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
        memcpy(&which, (const uint8_t *)message + field->quantifier_offset, sizeof(which));
    return which == field->id ? n : 0;
}

/* Recursive, as messages are; the schema is four deep. */
static bool has_unknown(const ProtobufCMessage *message)
{
    if (message->n_unknown_fields > 0)
        return true;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const ProtobufCMessage *const *inner = value_at(message, field);
        size_t n = count_of(message, field);

        if (field->type != PROTOBUF_C_TYPE_MESSAGE || n == 0)
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            inner = *(const ProtobufCMessage *const *const *)value_at(message, field);
        for (size_t k = 0; k < n; k++) {
            if (inner[k] != NULL && has_unknown(inner[k]))
                return true;
        }
    }
    return false;
}

ProtobufCMessage *opinion_canonical(const ProtobufCMessageDescriptor *type, struct slk_span bytes)
{
    ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, bytes.size, bytes.at);
    uint8_t *packed = NULL;
    bool same = false;

    if (message == NULL)
        return NULL;
    if (!has_unknown(message) && protobuf_c_message_get_packed_size(message) == bytes.size) {
        packed = malloc(bytes.size + 1);
        if (packed == NULL)
            abort();
        same = protobuf_c_message_pack(message, packed) == bytes.size &&
               (bytes.size == 0 || memcmp(packed, bytes.at, bytes.size) == 0);
        free(packed);
    }
    if (same)
        return message;
    protobuf_c_message_free_unpacked(message, NULL);
    return NULL;
}

static bool is_size(const ProtobufCBinaryData *bytes, size_t size)
{
    return bytes->len == size;
}

static bool is_size_or_absent(const ProtobufCBinaryData *bytes, size_t size)
{
    return bytes->len == size || bytes->len == 0;
}

static bool in_range(int value, int least, int below)
{
    return value >= least && value < below;
}

static bool event_obeys(const Sillok__Event *e)
{
    return is_size(&e->credential, SLK_HANDLE_SIZE) && is_size_or_absent(&e->previous, SLK_HASH_SIZE) &&
           is_size_or_absent(&e->device, SLK_HASH_SIZE) && is_size_or_absent(&e->commitment, SLK_HASH_SIZE) &&
           in_range((int)e->kind, SLK_ISSUE, SLK_KIND_N) && in_range((int)e->carrier, 0, SLK_CARRIER_N) &&
           in_range((int)e->channel, 0, SLK_CHANNEL_N);
}

bool opinion_event(struct slk_span bytes)
{
    ProtobufCMessage *message = opinion_canonical(&sillok__event__descriptor, bytes);
    bool good;

    if (message == NULL)
        return false;
    good = event_obeys((const Sillok__Event *)message);
    protobuf_c_message_free_unpacked(message, NULL);
    return good;
}

static bool seal_obeys(const Sillok__Seal *s)
{
    return is_size(&s->previous, s->height > 0 ? SLK_HASH_SIZE : 0) && is_size(&s->map_root, SLK_HASH_SIZE) &&
           is_size(&s->charter_hash, SLK_HASH_SIZE) && is_size(&s->next_charter_hash, SLK_HASH_SIZE);
}

static bool entry_obeys(const Sillok__Entry *e)
{
    switch (e->entry_case) {
    case SILLOK__ENTRY__ENTRY_RECORDED:
        return e->recorded->event.len > 0 && e->recorded->event.len <= SLK_EVENT_MAX;
    case SILLOK__ENTRY__ENTRY_AUTHORIZATION:
        return is_size(&e->authorization->key_id, SLK_KEY_ID_SIZE) &&
               is_size(&e->authorization->signature, SLK_SIGNATURE_SIZE) && e->authorization->count > 0 &&
               e->authorization->count <= SLK_SUBMISSION_EVENTS_MAX;
    case SILLOK__ENTRY__ENTRY_CHARTER:
        return e->charter->charter.len > 0;
    case SILLOK__ENTRY__ENTRY_SEAL:
        return seal_obeys(e->seal);
    case SILLOK__ENTRY__ENTRY_EVIDENCE:
        return e->evidence->first.len > 0 && e->evidence->second.len > 0;
    case SILLOK__ENTRY__ENTRY__NOT_SET:
    case _SILLOK__ENTRY__ENTRY__CASE_IS_INT_SIZE:
        return false;
    }
    return false;
}

bool opinion_entry(struct slk_span bytes)
{
    ProtobufCMessage *message = opinion_canonical(&sillok__entry__descriptor, bytes);
    bool good;

    if (message == NULL)
        return false;
    good = bytes.size <= SLK_ENTRY_MAX && entry_obeys((const Sillok__Entry *)message);
    protobuf_c_message_free_unpacked(message, NULL);
    return good;
}
