/* Entries and events: round trips, every bit flipped, every strictness by name, and protobuf-c as the second opinion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ledger.pb-c.h"
#include "ledger/verify/bytes.h"
#include "ledger/verify/entry.h"

#define OPTIONAL_N 11 /* fields of an event besides credential and kind */
#define MUTATIONS  300000
#define BYTES_CAP  1024

static uint64_t chance_state = 88172645463325252u;

/* xorshift64 (Marsaglia, 2003): the same numbers in every run. */
static uint64_t chance(uint64_t below)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return chance_state % below;
}

static void fill(uint8_t *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        at[i] = (uint8_t)chance(256);
}

/* A number whose size in bits is as likely as any other, at least 1. */
static uint64_t any_number(unsigned bits)
{
    uint64_t v = (uint64_t)chance(UINT64_MAX) >> (64 - bits + chance(bits));

    return v == 0 ? 1 : v;
}

static void set_optional(struct slk_event *e, unsigned i)
{
    switch (i) {
    case 0:
        e->sequence = any_number(64);
        break;
    case 1:
        e->has_previous = true;
        fill(e->previous.b, SLK_HASH_SIZE);
        break;
    case 2:
        e->has_device = true;
        fill(e->device.b, SLK_HASH_SIZE);
        break;
    case 3:
        e->carrier = (uint32_t)chance(SLK_CARRIER_N - 1) + 1;
        break;
    case 4:
        e->channel = (uint32_t)chance(SLK_CHANNEL_N - 1) + 1;
        break;
    case 5:
        e->type = (uint32_t)any_number(32);
        break;
    case 6:
        e->valid_until_s = any_number(64);
        break;
    case 7:
        e->reason = (uint32_t)any_number(32);
        break;
    case 8:
        e->has_commitment = true;
        fill(e->commitment.b, SLK_HASH_SIZE);
        break;
    case 9:
        e->occurred_at_s = any_number(64);
        break;
    case 10:
        e->status_index = (uint32_t)any_number(32);
        break;
    }
}

/* An event with the optional fields of `mask`. */
static struct slk_event event_with(unsigned mask)
{
    struct slk_event e;

    memset(&e, 0, sizeof(e));
    fill(e.credential, SLK_HANDLE_SIZE);
    e.kind = (enum slk_kind)(chance(SLK_KIND_N - 1) + 1);
    for (unsigned i = 0; i < OPTIONAL_N; i++)
        if (mask >> i & 1)
            set_optional(&e, i);
    return e;
}

static bool events_equal(const struct slk_event *a, const struct slk_event *b)
{
    return memcmp(a->credential, b->credential, SLK_HANDLE_SIZE) == 0 && a->sequence == b->sequence &&
           a->has_previous == b->has_previous && slk_hash_equal(&a->previous, &b->previous) &&
           a->kind == b->kind && a->has_device == b->has_device && slk_hash_equal(&a->device, &b->device) &&
           a->carrier == b->carrier && a->channel == b->channel && a->type == b->type &&
           a->valid_until_s == b->valid_until_s && a->reason == b->reason &&
           a->has_commitment == b->has_commitment && slk_hash_equal(&a->commitment, &b->commitment) &&
           a->occurred_at_s == b->occurred_at_s && a->status_index == b->status_index;
}

static bool all_zero(const void *at, size_t size)
{
    const uint8_t *p = at;

    for (size_t i = 0; i < size; i++)
        if (p[i] != 0)
            return false;
    return true;
}

/* ---- entries of every type ---- */

static size_t random_seal(uint8_t *out, size_t cap)
{
    struct slk_seal seal;

    memset(&seal, 0, sizeof(seal));
    seal.height = chance(2) ? any_number(64) : 0;
    seal.time_ms = chance(5) ? any_number(64) : 0;
    seal.has_previous = seal.height > 0;
    fill(seal.previous.b, SLK_HASH_SIZE);
    fill(seal.map_root.b, SLK_HASH_SIZE);
    fill(seal.charter_hash.b, SLK_HASH_SIZE);
    fill(seal.next_charter_hash.b, SLK_HASH_SIZE);
    seal.proposer = chance(2) ? (uint32_t)any_number(32) : 0;
    seal.origin_view = chance(2) ? (uint32_t)any_number(32) : 0;
    return slk_entry_format_seal(out, cap, &seal);
}

static size_t random_entry(uint8_t *out, size_t cap, enum slk_entry_type type)
{
    uint8_t bytes[SLK_EVENT_MAX];
    struct slk_authorization a;
    size_t n;

    switch (type) {
    case SLK_ENTRY_RECORDED: {
        struct slk_event e = event_with((unsigned)chance(1u << OPTIONAL_N));
        n = slk_event_format(bytes, sizeof(bytes), &e);
        return slk_entry_format_recorded(out, cap, chance(5) ? any_number(64) : 0, slk_span_of(bytes, n));
    }
    case SLK_ENTRY_AUTHORIZATION:
        fill(a.key_id, sizeof(a.key_id));
        a.count = (uint32_t)chance(SLK_SUBMISSION_EVENTS_MAX) + 1;
        fill(a.signature, sizeof(a.signature));
        return slk_entry_format_authorization(out, cap, &a);
    case SLK_ENTRY_CHARTER:
        n = chance(120) + 1;
        fill(bytes, 2 * n);
        return slk_entry_format_charter(
            out, cap, slk_span_of(bytes, n), slk_span_of(bytes + n, chance(2) ? n : 0));
    case SLK_ENTRY_SEAL:
        return random_seal(out, cap);
    case SLK_ENTRY_EVIDENCE:
        n = chance(100) + 1;
        fill(bytes, 2 * n);
        return slk_entry_format_evidence(out, cap, slk_span_of(bytes, n), slk_span_of(bytes + n, n));
    }
    return 0;
}

static size_t print_entry(uint8_t *out, size_t cap, const struct slk_entry *e)
{
    switch (e->type) {
    case SLK_ENTRY_RECORDED:
        return slk_entry_format_recorded(out, cap, e->recorded_at_ms, e->event);
    case SLK_ENTRY_AUTHORIZATION:
        return slk_entry_format_authorization(out, cap, &e->authorization);
    case SLK_ENTRY_CHARTER:
        return slk_entry_format_charter(out, cap, e->charter, e->change);
    case SLK_ENTRY_SEAL:
        return slk_entry_format_seal(out, cap, &e->seal);
    case SLK_ENTRY_EVIDENCE:
        return slk_entry_format_evidence(out, cap, e->first, e->second);
    }
    return 0;
}

/* Either refused, leaving nothing, or read so that it prints back. */
static void check_event_bytes(const uint8_t *bytes, size_t n)
{
    uint8_t again[SLK_EVENT_MAX];
    struct slk_event e;

    memset(&e, 0xa5, sizeof(e));
    if (slk_event_parse(&e, slk_span_of(bytes, n)) != SLK_OK) {
        assert_true(all_zero(&e, sizeof(e)));
        return;
    }
    assert_true(slk_event_format(again, sizeof(again), &e) == n);
    assert_memory_equal(again, bytes, n);
}

static void check_entry_bytes(const uint8_t *bytes, size_t n)
{
    uint8_t again[BYTES_CAP];
    struct slk_entry e;

    memset(&e, 0xa5, sizeof(e));
    if (slk_entry_parse(&e, slk_span_of(bytes, n)) != SLK_OK) {
        assert_true(all_zero(&e, sizeof(e)));
        return;
    }
    assert_true(print_entry(again, sizeof(again), &e) == n);
    assert_memory_equal(again, bytes, n);
}

/* ---- tests ---- */

static void every_set_of_fields_comes_back(void **state)
{
    uint8_t bytes[SLK_EVENT_MAX];
    struct slk_event e, back;

    (void)state;
    for (unsigned mask = 0; mask < 1u << OPTIONAL_N; mask++) {
        e = event_with(mask);
        size_t n = slk_event_format(bytes, sizeof(bytes), &e);
        assert_true(n > 0);
        assert_int_equal(slk_event_parse(&back, slk_span_of(bytes, n)), SLK_OK);
        assert_true(events_equal(&e, &back));
        assert_int_equal(slk_event_format(bytes, n - 1, &e), 0);
    }
}

static void the_longest_event_fits(void **state)
{
    uint8_t bytes[SLK_EVENT_MAX], entry[SLK_RECORDED_MAX];
    struct slk_event e = event_with((1u << OPTIONAL_N) - 1);

    (void)state;
    e.sequence = e.valid_until_s = e.occurred_at_s = UINT64_MAX;
    e.type = e.reason = e.status_index = UINT32_MAX;
    size_t n = slk_event_format(bytes, sizeof(bytes), &e);
    assert_true(n == 4 * 34 + 3 * 11 + 3 * 6 + 3 * 2);
    assert_true(slk_entry_format_recorded(entry, sizeof(entry), UINT64_MAX, slk_span_of(bytes, n)) > n);
    assert_int_equal(slk_event_parse(&e, slk_span_of(bytes, n)), SLK_OK);
    assert_true(e.sequence == UINT64_MAX && e.status_index == UINT32_MAX);
}

static void every_flip_and_cut_of_an_event_is_refused_or_prints_back(void **state)
{
    uint8_t bytes[SLK_EVENT_MAX + 1];

    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        struct slk_event e =
            event_with(round < OPTIONAL_N ? 1u << round : (unsigned)chance(1u << OPTIONAL_N));
        size_t n = slk_event_format(bytes, SLK_EVENT_MAX, &e);
        for (size_t i = 0; i < 8 * n; i++) {
            bytes[i / 8] ^= (uint8_t)(1u << i % 8);
            check_event_bytes(bytes, n);
            bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        }
        for (size_t i = 0; i < n; i++)
            check_event_bytes(bytes, i);
        for (unsigned b = 0; b < 256; b++) {
            bytes[n] = (uint8_t)b;
            check_event_bytes(bytes, n + 1);
        }
    }
}

static void every_flip_and_cut_of_an_entry_is_refused_or_prints_back(void **state)
{
    uint8_t bytes[BYTES_CAP];

    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        size_t n = random_entry(bytes, sizeof(bytes), (enum slk_entry_type)(round % SLK_ENTRY_EVIDENCE + 1));
        struct slk_entry e;
        assert_true(n > 0);
        assert_int_equal(slk_entry_parse(&e, slk_span_of(bytes, n)), SLK_OK);
        assert_int_equal(print_entry(bytes, n - 1, &e), 0);
        for (size_t i = 0; i < 8 * n; i++) {
            bytes[i / 8] ^= (uint8_t)(1u << i % 8);
            check_entry_bytes(bytes, n);
            bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        }
        for (size_t i = 0; i < n; i++)
            assert_int_not_equal(slk_entry_parse(&e, slk_span_of(bytes, i)), SLK_OK);
        for (unsigned b = 0; b < 256; b++) {
            bytes[n] = (uint8_t)b;
            assert_int_not_equal(slk_entry_parse(&e, slk_span_of(bytes, n + 1)), SLK_OK);
        }
    }
}

/* A shortest event: credential of zeros, then `tail`. */
static enum slk_err parse_tail(const void *tail, size_t tail_n)
{
    uint8_t bytes[SLK_EVENT_MAX] = {0x0a, 32};
    struct slk_event e;

    memcpy(bytes + 34, tail, tail_n);
    return slk_event_parse(&e, slk_span_of(bytes, 34 + tail_n));
}
#define TAIL(text) parse_tail(text, sizeof(text) - 1)

static void each_way_to_be_uncanonical_is_refused(void **state)
{
    (void)state;
    assert_int_equal(TAIL("\x20\x01"), SLK_OK);                                  /* kind ISSUE */
    assert_int_equal(TAIL(""), SLK_E_MALFORMED);                                 /* no kind */
    assert_int_equal(TAIL("\x20\x00"), SLK_E_NOT_CANONICAL);                     /* a default value */
    assert_int_equal(TAIL("\x20\x07"), SLK_E_MALFORMED);                         /* no such kind */
    assert_int_equal(TAIL("\x20\x81\x00"), SLK_E_NOT_CANONICAL);                 /* a long spelling of 1 */
    assert_int_equal(TAIL("\x20\x01\x20\x01"), SLK_E_NOT_CANONICAL);             /* twice */
    assert_int_equal(TAIL("\x20\x01\x10\x05"), SLK_E_NOT_CANONICAL);             /* out of order */
    assert_int_equal(TAIL("\x20\x01\x70\x01"), SLK_E_MALFORMED);                 /* field 14 */
    assert_int_equal(TAIL("\x20\x01\x80\x01\x01"), SLK_E_MALFORMED);             /* field 16 */
    assert_int_equal(TAIL("\x20\x01\x42\x01\x01"), SLK_E_MALFORMED);             /* type as bytes */
    assert_int_equal(TAIL("\x20\x01\x30\x02"), SLK_OK);                          /* carrier PHONE */
    assert_int_equal(TAIL("\x20\x01\x30\x03"), SLK_E_MALFORMED);                 /* no such carrier */
    assert_int_equal(TAIL("\x20\x01\x38\x06"), SLK_OK);                          /* channel AUTHORITY */
    assert_int_equal(TAIL("\x20\x01\x38\x07"), SLK_E_MALFORMED);                 /* no such channel */
    assert_int_equal(TAIL("\x20\x01\x40\xff\xff\xff\xff\x0f"), SLK_OK);          /* type 2^32 - 1 */
    assert_int_equal(TAIL("\x20\x01\x40\x80\x80\x80\x80\x10"), SLK_E_MALFORMED); /* type 2^32 */
    assert_int_equal(TAIL("\x20\x01\x48\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), SLK_OK); /* 2^64 - 1 */
    assert_int_equal(
        TAIL("\x20\x01\x48\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), SLK_E_MALFORMED); /* 2^64 */
    assert_int_equal(TAIL("\x20\x01\x48\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00"), SLK_E_MALFORMED);
    assert_int_equal(TAIL("\x20"), SLK_E_MALFORMED);             /* cut after a tag */
    assert_int_equal(TAIL("\x20\x01\x48\xff"), SLK_E_MALFORMED); /* cut in a number */
    assert_int_equal(TAIL("\x20\x01\x5a\x1f"
                          "0123456789012345678901234567890"),
        SLK_E_MALFORMED); /* 31 bytes */
    assert_int_equal(TAIL("\x20\x01\x5a\x20"
                          "01234567890123456789012345678901"),
        SLK_OK); /* 32 */
    assert_int_equal(TAIL("\x20\x01\x5a\x21"
                          "012345678901234567890123456789012"),
        SLK_E_MALFORMED); /* 33 */
    assert_int_equal(TAIL("\x20\x01\x5a\x20"
                          "0123456789012345678901234567890"),
        SLK_E_MALFORMED);                                        /* cut */
    assert_int_equal(TAIL("\x20\x01\x5a\x00"), SLK_E_MALFORMED); /* empty */
}

static void nothing_and_too_much_are_refused(void **state)
{
    static uint8_t big[SLK_ENTRY_MAX + 16];
    struct slk_event event;
    struct slk_entry entry;
    size_t n;

    (void)state;
    assert_int_equal(slk_event_parse(&event, slk_span_of(NULL, 0)), SLK_E_MALFORMED);
    assert_int_equal(slk_entry_parse(&entry, slk_span_of(NULL, 0)), SLK_E_MALFORMED);
    assert_int_equal(slk_event_parse(&event, slk_span_of(big, SLK_EVENT_MAX + 1)), SLK_E_TOO_LARGE);
    assert_int_equal(slk_entry_parse(&entry, slk_span_of(big, SLK_ENTRY_MAX + 1)), SLK_E_TOO_LARGE);
    static uint8_t charter[SLK_ENTRY_MAX];
    n = slk_entry_format_charter(big, sizeof(big), slk_span_of(charter, SLK_ENTRY_MAX - 8), (struct slk_span){0});
    assert_int_equal(n, SLK_ENTRY_MAX);
    assert_int_equal(slk_entry_parse(&entry, slk_span_of(big, n)), SLK_OK);
    n = slk_entry_format_charter(big, sizeof(big), slk_span_of(charter, SLK_ENTRY_MAX - 7), (struct slk_span){0});
    assert_int_equal(slk_entry_parse(&entry, slk_span_of(big, n)), SLK_E_TOO_LARGE);
    n = slk_entry_format_recorded(big, sizeof(big), 1, slk_span_of(charter, SLK_EVENT_MAX + 1));
    assert_int_equal(slk_entry_parse(&entry, slk_span_of(big, n)), SLK_E_TOO_LARGE);
}

static void ranges_of_entries_are_held(void **state)
{
    uint8_t bytes[BYTES_CAP];
    struct slk_authorization a = {.count = SLK_SUBMISSION_EVENTS_MAX};
    struct slk_seal seal = {.height = 1, .has_previous = false};
    struct slk_entry e;
    size_t n;

    (void)state;
    n = slk_entry_format_authorization(bytes, sizeof(bytes), &a);
    assert_int_equal(slk_entry_parse(&e, slk_span_of(bytes, n)), SLK_OK);
    a.count++;
    n = slk_entry_format_authorization(bytes, sizeof(bytes), &a);
    assert_int_equal(slk_entry_parse(&e, slk_span_of(bytes, n)), SLK_E_MALFORMED);
    a.count = 0;
    n = slk_entry_format_authorization(bytes, sizeof(bytes), &a);
    assert_int_equal(slk_entry_parse(&e, slk_span_of(bytes, n)), SLK_E_MALFORMED);
    n = slk_entry_format_seal(bytes, sizeof(bytes), &seal);
    assert_int_equal(
        slk_entry_parse(&e, slk_span_of(bytes, n)), SLK_E_MALFORMED); /* block 1 follows something */
    seal.has_previous = true;
    n = slk_entry_format_seal(bytes, sizeof(bytes), &seal);
    assert_int_equal(slk_entry_parse(&e, slk_span_of(bytes, n)), SLK_OK);
    seal.height = 0;
    n = slk_entry_format_seal(bytes, sizeof(bytes), &seal);
    assert_int_equal(
        slk_entry_parse(&e, slk_span_of(bytes, n)), SLK_E_MALFORMED); /* block 0 follows nothing */
    seal = (struct slk_seal){.height = UINT64_MAX,
        .time_ms = UINT64_MAX,
        .has_previous = true,
        .proposer = UINT32_MAX,
        .origin_view = UINT32_MAX};
    assert_true(slk_entry_format_seal(bytes, SLK_SEAL_MAX, &seal) > 0);
    n = slk_entry_format_evidence(bytes, sizeof(bytes), slk_span_of("a", 1), slk_span_of(NULL, 0));
    assert_int_equal(slk_entry_parse(&e, slk_span_of(bytes, n)), SLK_E_MALFORMED);
    n = slk_entry_format_recorded(bytes, sizeof(bytes), 1, slk_span_of(NULL, 0));
    assert_int_equal(slk_entry_parse(&e, slk_span_of(bytes, n)), SLK_E_MALFORMED);
}

static void an_event_id_is_the_tagged_hash(void **state)
{
    uint8_t bytes[16 + 3] = "sillok/event/1\0\0abc";
    struct slk_hash expected, id;

    (void)state;
    slk_hash_bytes(&expected, bytes, sizeof(bytes));
    slk_event_id(&id, slk_span_of("abc", 3));
    assert_true(slk_hash_equal(&expected, &id));
}

/* ---- the second opinion ---- */

static void assert_same_names(const ProtobufCEnumDescriptor *schema, int n, const char *(*name)(int))
{
    assert_int_equal(schema->n_values, n);
    for (int i = 1; i < n; i++) {
        const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(schema, i);

        assert_non_null(value);
        assert_string_equal(value->name, name(i));
    }
}

static const char *kind_name(int i)
{
    return slk_kind_name((enum slk_kind)i);
}

static const char *carrier_name(int i)
{
    return slk_carrier_name((enum slk_carrier)i);
}

static const char *channel_name(int i)
{
    return slk_channel_name((enum slk_channel)i);
}

static void kinds_carriers_and_channels_are_the_schemas(void **state)
{
    (void)state;
    assert_same_names(&sillok__kind__descriptor, SLK_KIND_N, kind_name);
    assert_same_names(&sillok__carrier__descriptor, SLK_CARRIER_N, carrier_name);
    assert_same_names(&sillok__channel__descriptor, SLK_CHANNEL_N, channel_name);
}

static bool pack_gives(const ProtobufCMessage *message, const uint8_t *bytes, size_t n)
{
    uint8_t again[2 * BYTES_CAP];

    if (protobuf_c_message_get_packed_size(message) != n || n > sizeof(again))
        return false;
    return protobuf_c_message_pack(message, again) == n && memcmp(again, bytes, n) == 0;
}

static bool is_absent_or(const ProtobufCBinaryData *data, size_t size)
{
    return data->len == 0 || data->len == size;
}

static bool event_opinion(const uint8_t *bytes, size_t n)
{
    Sillok__Event *e = sillok__event__unpack(NULL, n, bytes);

    if (e == NULL)
        return false;
    bool good = pack_gives(&e->base, bytes, n) && e->base.n_unknown_fields == 0 && n <= SLK_EVENT_MAX &&
                e->credential.len == SLK_HANDLE_SIZE && is_absent_or(&e->previous, SLK_HASH_SIZE) &&
                is_absent_or(&e->device, SLK_HASH_SIZE) && is_absent_or(&e->commitment, SLK_HASH_SIZE) &&
                (int)e->kind >= 1 && (int)e->kind <= 6 && (int)e->carrier >= 0 && (int)e->carrier <= 2 &&
                (int)e->channel >= 0 && (int)e->channel <= 6;
    sillok__event__free_unpacked(e, NULL);
    return good;
}

static bool seal_opinion(const Sillok__Seal *s)
{
    return s->base.n_unknown_fields == 0 && s->map_root.len == SLK_HASH_SIZE &&
           s->charter_hash.len == SLK_HASH_SIZE && s->next_charter_hash.len == SLK_HASH_SIZE &&
           s->previous.len == (s->height > 0 ? SLK_HASH_SIZE : 0);
}

static bool choice_opinion(const Sillok__Entry *e)
{
    switch (e->entry_case) {
    case SILLOK__ENTRY__ENTRY_RECORDED:
        return e->recorded->base.n_unknown_fields == 0 && e->recorded->event.len > 0 &&
               e->recorded->event.len <= SLK_EVENT_MAX;
    case SILLOK__ENTRY__ENTRY_AUTHORIZATION:
        return e->authorization->base.n_unknown_fields == 0 &&
               e->authorization->key_id.len == SLK_KEY_ID_SIZE && e->authorization->count >= 1 &&
               e->authorization->count <= SLK_SUBMISSION_EVENTS_MAX &&
               e->authorization->signature.len == SLK_SIGNATURE_SIZE;
    case SILLOK__ENTRY__ENTRY_CHARTER:
        return e->charter->base.n_unknown_fields == 0 && e->charter->charter.len > 0;
    case SILLOK__ENTRY__ENTRY_SEAL:
        return seal_opinion(e->seal);
    case SILLOK__ENTRY__ENTRY_EVIDENCE:
        return e->evidence->base.n_unknown_fields == 0 && e->evidence->first.len > 0 &&
               e->evidence->second.len > 0;
    case SILLOK__ENTRY__ENTRY__NOT_SET:
    case _SILLOK__ENTRY__ENTRY__CASE_IS_INT_SIZE:
        break;
    }
    return false;
}

static bool entry_opinion(const uint8_t *bytes, size_t n)
{
    Sillok__Entry *e = sillok__entry__unpack(NULL, n, bytes);

    if (e == NULL)
        return false;
    bool good = pack_gives(&e->base, bytes, n) && e->base.n_unknown_fields == 0 && choice_opinion(e);
    sillok__entry__free_unpacked(e, NULL);
    return good;
}

/* Small damage: flips, replaced bytes, cuts, insertions, one part doubled or moved. */
static size_t mutate(uint8_t *bytes, size_t n)
{
    uint8_t copy[BYTES_CAP];
    size_t at = n == 0 ? 0 : chance(n), len = n == at ? 0 : chance(n - at < 40 ? n - at : 40),
           to = chance(n + 1);

    memcpy(copy, bytes, n);
    switch (chance(6)) {
    case 0:
        if (n > 0)
            bytes[at] ^= (uint8_t)(1u << chance(8));
        return n;
    case 1:
        if (n > 0)
            bytes[at] = (uint8_t)(chance(4) ? chance(16) : chance(256));
        return n;
    case 2: /* cut a part out */
        memmove(bytes + at, bytes + at + len, n - at - len);
        return n - len;
    case 3: /* put a copy of a part elsewhere */
    case 4:
        if (n + len > BYTES_CAP)
            return n;
        memmove(bytes + to + len, bytes + to, n - to);
        memcpy(bytes + to, copy + at, len);
        return n + len;
    default: /* put a byte in */
        if (n + 1 > BYTES_CAP)
            return n;
        memmove(bytes + to + 1, bytes + to, n - to);
        bytes[to] = (uint8_t)(chance(2) ? chance(128) : 0);
        return n + 1;
    }
}

static void events_agree_with_protobuf_c(void **state)
{
    uint8_t bytes[BYTES_CAP];
    struct slk_event out;
    size_t accepted = 0;

    (void)state;
    for (unsigned i = 0; i < MUTATIONS; i++) {
        struct slk_event e = event_with((unsigned)chance(1u << OPTIONAL_N));
        size_t n = slk_event_format(bytes, SLK_EVENT_MAX, &e);
        for (uint64_t m = chance(4); m > 0; m--)
            n = mutate(bytes, n);
        bool ours = slk_event_parse(&out, slk_span_of(bytes, n)) == SLK_OK;
        assert_true(ours == event_opinion(bytes, n));
        accepted += ours;
    }
    assert_in_range(accepted, MUTATIONS / 4, MUTATIONS * 3 / 4); /* the comparison sees both verdicts */
}

static void entries_agree_with_protobuf_c(void **state)
{
    uint8_t bytes[BYTES_CAP];
    struct slk_entry out;
    size_t accepted = 0;

    (void)state;
    for (unsigned i = 0; i < MUTATIONS; i++) {
        size_t n = random_entry(bytes, sizeof(bytes), (enum slk_entry_type)(i % SLK_ENTRY_EVIDENCE + 1));
        for (uint64_t m = chance(4); m > 0; m--)
            n = mutate(bytes, n);
        bool ours = slk_entry_parse(&out, slk_span_of(bytes, n)) == SLK_OK;
        assert_true(ours == entry_opinion(bytes, n));
        accepted += ours;
    }
    assert_in_range(accepted, MUTATIONS / 4, MUTATIONS * 3 / 4);
}

/* What protobuf-c prints is what we print. */
static void protobuf_c_prints_the_same_event(void **state)
{
    uint8_t bytes[SLK_EVENT_MAX];

    (void)state;
    for (unsigned mask = 0; mask < 1u << OPTIONAL_N; mask++) {
        struct slk_event e = event_with(mask);
        size_t n = slk_event_format(bytes, sizeof(bytes), &e);
        assert_true(event_opinion(bytes, n));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_of_fields_comes_back),
        cmocka_unit_test(the_longest_event_fits),
        cmocka_unit_test(every_flip_and_cut_of_an_event_is_refused_or_prints_back),
        cmocka_unit_test(every_flip_and_cut_of_an_entry_is_refused_or_prints_back),
        cmocka_unit_test(each_way_to_be_uncanonical_is_refused),
        cmocka_unit_test(nothing_and_too_much_are_refused),
        cmocka_unit_test(ranges_of_entries_are_held),
        cmocka_unit_test(an_event_id_is_the_tagged_hash),
        cmocka_unit_test(kinds_carriers_and_channels_are_the_schemas),
        cmocka_unit_test(events_agree_with_protobuf_c),
        cmocka_unit_test(entries_agree_with_protobuf_c),
        cmocka_unit_test(protobuf_c_prints_the_same_event),
    };
    return cmocka_run_group_tests_name("entry", tests, NULL, NULL);
}
