/* charter.c: reading and printing charters, and finding things in them.
 *
 * One table per message says which fields it has, in order; the reader and the printer both walk it, so they
 * cannot disagree about the canonical form. Every field number of the schema is below 16: a tag is one byte.
 */
#include "ledger/core/charter.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum form {
    NUMBER_16,
    NUMBER_32,
    NUMBER_64,
    FLAG,    /* absent, or 1 */
    KEY,     /* SLK_KEY_SIZE bytes */
    HASH,    /* optional; the bool at count_offset says whether it is there */
    TEXT,    /* a name: char[limit + 1] */
    TEXTS,   /* repeated: char[max_n][limit + 1], count at count_offset */
    NUMBERS, /* packed, ascending: uint32_t[max_n], count at count_offset */
};

struct field {
    uint8_t number;
    enum form form;
    bool required;
    size_t offset;
    uint64_t limit; /* numbers: the largest; texts: the longest */
    size_t count_offset;
    size_t max_n;
};

#define AT(type, member) offsetof(struct slk_##type, member)

_Static_assert(sizeof(enum slk_role) == sizeof(uint32_t), "a role is read as a 32-bit number");

/* proto/ledger.proto: Member */
static const struct field member_fields[] = {
    {1, NUMBER_16, true, AT(member, agency), UINT16_MAX, 0, 0},
    {2, TEXT, true, AT(member, name), SLK_CHARTER_NAME_MAX, 0, 0},
    {3, KEY, true, AT(member, vote_key), 0, 0, 0},
    {4, KEY, true, AT(member, cosign_key), 0, 0, 0},
    {5, KEY, true, AT(member, log_key), 0, 0, 0},
    {6, KEY, true, AT(member, node_key), 0, 0, 0},
    {7, TEXTS, false, AT(member, addresses), SLK_CHARTER_ADDRESS_MAX, AT(member, addresses_n),
        SLK_CHARTER_ADDRESSES_MAX},
    {8, NUMBER_32, true, AT(member, role), SLK_OBSERVER, 0, 0},
};

/* proto/ledger.proto: Issuer */
static const struct field issuer_fields[] = {
    {1, KEY, true, AT(issuer, public_key), 0, 0, 0},
    {2, NUMBER_16, true, AT(issuer, agency), UINT16_MAX, 0, 0},
    {3, NUMBER_32, true, AT(issuer, kinds), UINT32_MAX, 0, 0},
    {4, NUMBERS, false, AT(issuer, types), UINT32_MAX, AT(issuer, types_n), SLK_CHARTER_TYPES_MAX},
    {5, FLAG, false, AT(issuer, any_agency), 1, 0, 0},
    {6, NUMBER_64, false, AT(issuer, not_before_s), UINT64_MAX, 0, 0},
    {7, NUMBER_64, true, AT(issuer, not_after_s), UINT64_MAX, 0, 0},
    {8, TEXT, true, AT(issuer, name), SLK_CHARTER_NAME_MAX, 0, 0},
};

/* proto/ledger.proto: CredentialType */
static const struct field type_fields[] = {
    {1, NUMBER_32, true, AT(credential_type, code), UINT32_MAX, 0, 0},
    {2, TEXT, true, AT(credential_type, name), SLK_CHARTER_NAME_MAX, 0, 0},
    {3, NUMBER_64, true, AT(credential_type, max_validity_s), UINT64_MAX, 0, 0},
    {4, NUMBER_32, true, AT(credential_type, status_list_size), SLK_STATUS_LIST_MAX, 0, 0},
};

/* proto/ledger.proto: Reason */
static const struct field reason_fields[] = {
    {1, NUMBER_32, true, AT(reason, code), UINT32_MAX, 0, 0},
    {2, TEXT, true, AT(reason, name), SLK_CHARTER_NAME_MAX, 0, 0},
};

/* proto/ledger.proto: Limits, Timers; their values stand in struct slk_charter itself */
static const struct field limits_fields[] = {
    {1, NUMBER_32, true, AT(charter, block_events), UINT32_MAX, 0, 0},
    {2, NUMBER_32, true, AT(charter, block_bytes), UINT32_MAX, 0, 0},
    {3, NUMBER_32, true, AT(charter, submission_events), UINT32_MAX, 0, 0},
};
static const struct field timers_fields[] = {
    {1, NUMBER_32, true, AT(charter, delta_ms), UINT32_MAX, 0, 0},
    {2, NUMBER_32, false, AT(charter, heartbeat_s), UINT32_MAX, 0, 0},
    {3, NUMBER_32, true, AT(charter, fresh_s), UINT32_MAX, 0, 0},
};

/* proto/ledger.proto: Charter, its fields 1 to 4 */
static const struct field head_fields[] = {
    {1, TEXT, true, AT(charter, origin), SLK_NAME_MAX, 0, 0},
    {2, NUMBER_64, true, AT(charter, version), UINT64_MAX, 0, 0},
    {3, HASH, false, AT(charter, previous), 0, AT(charter, has_previous), 0},
    {4, NUMBER_64, true, AT(charter, created_at_ms), UINT64_MAX, 0, 0},
};

/* Field 11, after the messages inside it */
static const struct field tail_fields[] = {
    {11, NUMBER_32, false, AT(charter, rules), UINT32_MAX, 0, 0},
};

/* Messages inside a charter: repeated ones have a count; max_n is 0 for those that stand once, in place. */
struct part {
    uint8_t number;
    const struct field *fields;
    size_t fields_n;
    size_t offset, stride;
    size_t count_offset;
    size_t max_n;
};

#define FIELDS(name) name##_fields, sizeof(name##_fields) / sizeof(name##_fields[0])

static const struct part parts[] = {
    {5, FIELDS(member), AT(charter, members), sizeof(struct slk_member), AT(charter, members_n),
        SLK_CHARTER_MEMBERS_MAX},
    {6, FIELDS(issuer), AT(charter, issuers), sizeof(struct slk_issuer), AT(charter, issuers_n),
        SLK_CHARTER_ISSUERS_MAX},
    {7, FIELDS(type), AT(charter, types), sizeof(struct slk_credential_type), AT(charter, types_n),
        SLK_CHARTER_TYPES_MAX},
    {8, FIELDS(reason), AT(charter, reasons), sizeof(struct slk_reason), AT(charter, reasons_n),
        SLK_CHARTER_REASONS_MAX},
    {9, FIELDS(limits), 0, 0, 0, 0},
    {10, FIELDS(timers), 0, 0, 0, 0},
};

#define PARTS_N  (sizeof(parts) / sizeof(parts[0]))
#define PART_MAX 2048 /* the longest part, a member with four addresses, is below 800 bytes */

/* The lists of a charter by place, for loads and stores through the tables. */
static size_t get_size(const void *base, size_t offset)
{
    size_t v;

    memcpy(&v, (const uint8_t *)base + offset, sizeof(v));
    return v;
}

static void put_size(void *base, size_t offset, size_t v)
{
    memcpy((uint8_t *)base + offset, &v, sizeof(v));
}

/* An address is printed to people and handed to a resolver: visible ASCII only. */
static bool address_is_valid(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return size > 0;
}

/* ---- reading ---- */

static bool next_is(const struct slk_reader *r, uint8_t number, enum slk_wire wire)
{
    return !r->bad && r->rest.size > 0 && r->rest.at[0] == ((unsigned)number << 3 | wire);
}

static enum slk_wire wire_of(enum form form)
{
    switch (form) {
    case NUMBER_16:
    case NUMBER_32:
    case NUMBER_64:
    case FLAG:
        return SLK_WIRE_VARINT;
    case KEY:
    case HASH:
    case TEXT:
    case TEXTS:
    case NUMBERS:
        return SLK_WIRE_BYTES;
    }
    abort();
}

static void read_bytes(struct slk_reader *r, uint8_t *out, size_t size)
{
    struct slk_span bytes = slk_read_delimited(r);

    if (r->bad || bytes.size != size)
        r->bad = true;
    else
        memcpy(out, bytes.at, size);
}

static void read_text(struct slk_reader *r, char *out, const struct field *f)
{
    struct slk_span text = slk_read_delimited(r);
    const char *at = (const char *)text.at;

    if (r->bad || text.size > f->limit ||
        !(f->form == TEXTS ? address_is_valid(at, text.size) : slk_name_is_valid(at, text.size))) {
        r->bad = true;
        return;
    }
    memcpy(out, at, text.size);
    out[text.size] = '\0';
}

/* Packed: ascending, so no value is there twice. */
static void read_numbers(struct slk_reader *r, uint32_t *out, size_t *out_n, const struct field *f)
{
    struct slk_reader packed = {.rest = slk_read_delimited(r)};
    size_t n = 0;

    while (!packed.bad && packed.rest.size > 0) {
        uint32_t v = (uint32_t)slk_read_number(&packed, UINT32_MAX);

        if (n == f->max_n || (n > 0 && v <= out[n - 1])) {
            r->bad = true;
            return;
        }
        out[n++] = v;
    }
    if (packed.bad || n == 0)
        r->bad = true;
    *out_n = n;
}

/* The tag has been read; `base` is the struct the table describes. */
static void read_value(struct slk_reader *r, const struct field *f, void *base)
{
    uint8_t *at = (uint8_t *)base + f->offset;
    uint64_t number = 0;
    bool yes = true;
    size_t n;

    if (wire_of(f->form) == SLK_WIRE_VARINT)
        number = slk_read_number(r, f->limit);
    switch (f->form) {
    case NUMBER_16:
        memcpy(at, &(uint16_t){(uint16_t)number}, sizeof(uint16_t)); /* limit: UINT16_MAX */
        return;
    case NUMBER_32:
        memcpy(at, &(uint32_t){(uint32_t)number}, sizeof(uint32_t)); /* limit: at most UINT32_MAX */
        return;
    case NUMBER_64:
        memcpy(at, &number, sizeof(number));
        return;
    case FLAG:
        memcpy(at, &yes, sizeof(yes));
        return;
    case HASH:
        memcpy((uint8_t *)base + f->count_offset, &yes, sizeof(yes));
        read_bytes(r, at, SLK_HASH_SIZE);
        return;
    case KEY:
        read_bytes(r, at, SLK_KEY_SIZE);
        return;
    case TEXT:
        read_text(r, (char *)at, f);
        return;
    case TEXTS:
        n = get_size(base, f->count_offset);
        if (n == f->max_n) {
            r->bad = true;
            return;
        }
        read_text(r, (char *)at + n * (f->limit + 1), f);
        put_size(base, f->count_offset, n + 1);
        return;
    case NUMBERS:
        n = 0;
        read_numbers(r, (uint32_t *)(void *)at, &n, f);
        put_size(base, f->count_offset, n);
        return;
    }
}

/* Fields come in the order of the table or not at all; what the table does not know is left in `r`. */
static void read_message(struct slk_reader *r, const struct field *fields, size_t fields_n, void *base)
{
    for (size_t i = 0; i < fields_n; i++) {
        const struct field *f = &fields[i];
        bool found = false;

        while (next_is(r, f->number, wire_of(f->form)) && (!found || f->form == TEXTS)) {
            (void)slk_read_u8(r);
            read_value(r, f, base);
            found = true;
        }
        if (!found && f->required)
            r->bad = true;
    }
}

static void read_part(struct slk_reader *r, const struct part *part, struct slk_charter *charter)
{
    size_t n = 0, max_n = part->max_n > 0 ? part->max_n : 1;

    while (next_is(r, part->number, SLK_WIRE_BYTES)) {
        struct slk_reader inner;

        if (n == max_n) {
            r->bad = true;
            return;
        }
        (void)slk_read_u8(r);
        inner = (struct slk_reader){.rest = slk_read_delimited(r)};
        read_message(
            &inner, part->fields, part->fields_n, (uint8_t *)charter + part->offset + n * part->stride);
        if (!slk_read_done(&inner))
            r->bad = true;
        n++;
    }
    if (part->max_n > 0)
        put_size(charter, part->count_offset, n);
    else if (n == 0)
        r->bad = true;
}

/* ---- order ---- */

static int compare_number(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_members(const void *a, const void *b)
{
    return compare_number(((const struct slk_member *)a)->agency, ((const struct slk_member *)b)->agency);
}

static int compare_issuers(const void *a, const void *b)
{
    return memcmp(
        ((const struct slk_issuer *)a)->public_key, ((const struct slk_issuer *)b)->public_key, SLK_KEY_SIZE);
}

static int compare_types(const void *a, const void *b)
{
    return compare_number(
        ((const struct slk_credential_type *)a)->code, ((const struct slk_credential_type *)b)->code);
}

static int compare_reasons(const void *a, const void *b)
{
    return compare_number(((const struct slk_reason *)a)->code, ((const struct slk_reason *)b)->code);
}

static int compare_codes(const void *a, const void *b)
{
    return compare_number(*(const uint32_t *)a, *(const uint32_t *)b);
}

/* Each list strictly ascending: the order of the proto file's comments, and no duplicate. */
static bool is_ordered(const struct slk_charter *c)
{
    for (size_t i = 1; i < c->members_n; i++)
        if (compare_members(&c->members[i - 1], &c->members[i]) >= 0)
            return false;
    for (size_t i = 1; i < c->issuers_n; i++)
        if (compare_issuers(&c->issuers[i - 1], &c->issuers[i]) >= 0)
            return false;
    for (size_t i = 1; i < c->types_n; i++)
        if (compare_types(&c->types[i - 1], &c->types[i]) >= 0)
            return false;
    for (size_t i = 1; i < c->reasons_n; i++)
        if (compare_reasons(&c->reasons[i - 1], &c->reasons[i]) >= 0)
            return false;
    return true;
}

/* Fills key_id and by_key_id. Insertion sort: charters are read rarely and hold some tens of issuers. */
static void index_issuers(struct slk_charter *c)
{
    assert(c->issuers_n <= SLK_CHARTER_ISSUERS_MAX);
    for (size_t i = 0; i < c->issuers_n; i++) {
        size_t at = i;

        slk_key_id(c->issuers[i].key_id, c->issuers[i].public_key);
        for (; at > 0; at--) {
            uint16_t before = c->by_key_id[at - 1];

            if (memcmp(c->issuers[before].key_id, c->issuers[i].key_id, SLK_KEY_ID_SIZE) <= 0)
                break;
            c->by_key_id[at] = before;
        }
        c->by_key_id[at] = (uint16_t)i;
    }
}

void slk_charter_sort(struct slk_charter *charter)
{
    assert(charter->members_n <= SLK_CHARTER_MEMBERS_MAX && charter->types_n <= SLK_CHARTER_TYPES_MAX);
    assert(charter->issuers_n <= SLK_CHARTER_ISSUERS_MAX && charter->reasons_n <= SLK_CHARTER_REASONS_MAX);
    qsort(charter->members, charter->members_n, sizeof(charter->members[0]), compare_members);
    qsort(charter->issuers, charter->issuers_n, sizeof(charter->issuers[0]), compare_issuers);
    qsort(charter->types, charter->types_n, sizeof(charter->types[0]), compare_types);
    qsort(charter->reasons, charter->reasons_n, sizeof(charter->reasons[0]), compare_reasons);
    for (size_t i = 0; i < charter->issuers_n; i++) {
        struct slk_issuer *issuer = &charter->issuers[i];

        assert(issuer->types_n <= SLK_CHARTER_TYPES_MAX);
        qsort(issuer->types, issuer->types_n, sizeof(issuer->types[0]), compare_codes);
    }
    index_issuers(charter);
}

enum slk_err slk_charter_parse(struct slk_charter *out, struct slk_span bytes)
{
    struct slk_reader r = {.rest = bytes};
    enum slk_err err = SLK_OK;

    memset(out, 0, sizeof(*out));
    if (bytes.size > SLK_CHARTER_BYTES_MAX)
        return SLK_E_TOO_LARGE;
    read_message(&r, FIELDS(head), out);
    for (size_t i = 0; i < PARTS_N; i++)
        read_part(&r, &parts[i], out);
    read_message(&r, FIELDS(tail), out);
    if (!slk_read_done(&r))
        err = SLK_E_MALFORMED;
    else if (!is_ordered(out))
        err = SLK_E_NOT_CANONICAL;
    if (err != SLK_OK) {
        memset(out, 0, sizeof(*out));
        return err;
    }
    index_issuers(out);
    slk_charter_hash(&out->hash, bytes);
    return SLK_OK;
}

/* ---- printing ---- */

static void write_text(struct slk_writer *w, const char *text, const struct field *f)
{
    const char *end = memchr(text, '\0', f->limit + 1);
    size_t size = end != NULL ? (size_t)(end - text) : 0;

    if (!(f->form == TEXTS ? address_is_valid(text, size) : slk_name_is_valid(text, size)))
        w->bad = true;
    slk_write_field_bytes(w, f->number, text, size);
}

static void write_numbers(struct slk_writer *w, const uint32_t *numbers, size_t n, const struct field *f)
{
    uint8_t bytes[SLK_CHARTER_TYPES_MAX * 5]; /* 5: the longest varint of 32 bits */
    struct slk_writer packed = {.at = bytes, .cap = sizeof(bytes)};

    if (n > f->max_n) {
        w->bad = true;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (numbers[i] == 0 || (i > 0 && numbers[i] <= numbers[i - 1]))
            w->bad = true;
        slk_write_varint(&packed, numbers[i]);
    }
    assert(!packed.bad);
    slk_write_field_bytes(w, f->number, bytes, packed.size);
}

static uint64_t load_number(enum form form, const uint8_t *at)
{
    uint16_t v16;
    uint32_t v32;
    uint64_t v64;
    bool flag;

    if (form == NUMBER_16)
        return memcpy(&v16, at, sizeof(v16)), v16;
    if (form == NUMBER_32)
        return memcpy(&v32, at, sizeof(v32)), v32;
    if (form == FLAG)
        return memcpy(&flag, at, sizeof(flag)), flag;
    assert(form == NUMBER_64);
    return memcpy(&v64, at, sizeof(v64)), v64;
}

static void write_value(struct slk_writer *w, const struct field *f, const void *base)
{
    const uint8_t *at = (const uint8_t *)base + f->offset;
    uint64_t number;
    bool there;
    size_t n;

    switch (f->form) {
    case NUMBER_16:
    case NUMBER_32:
    case NUMBER_64:
    case FLAG:
        number = load_number(f->form, at);
        if (number > f->limit || (number == 0 && f->required))
            w->bad = true;
        slk_write_field_number(w, f->number, number);
        return;
    case KEY:
        slk_write_field_bytes(w, f->number, at, SLK_KEY_SIZE);
        return;
    case HASH:
        memcpy(&there, (const uint8_t *)base + f->count_offset, sizeof(there));
        if (there)
            slk_write_field_bytes(w, f->number, at, SLK_HASH_SIZE);
        return;
    case TEXT:
        write_text(w, (const char *)at, f);
        return;
    case TEXTS:
        n = get_size(base, f->count_offset);
        if (n > f->max_n)
            w->bad = true;
        for (size_t i = 0; i < n && !w->bad; i++)
            write_text(w, (const char *)at + i * (f->limit + 1), f);
        return;
    case NUMBERS:
        write_numbers(w, (const uint32_t *)(const void *)at, get_size(base, f->count_offset), f);
        return;
    }
}

static void write_message(struct slk_writer *w, const struct field *fields, size_t fields_n, const void *base)
{
    for (size_t i = 0; i < fields_n; i++)
        write_value(w, &fields[i], base);
}

static void write_part(struct slk_writer *w, const struct part *part, const struct slk_charter *charter)
{
    size_t n = part->max_n > 0 ? get_size(charter, part->count_offset) : 1;

    for (size_t i = 0; i < n; i++) {
        uint8_t bytes[PART_MAX];
        struct slk_writer inner = {.at = bytes, .cap = sizeof(bytes)};

        write_message(
            &inner, part->fields, part->fields_n, (const uint8_t *)charter + part->offset + i * part->stride);
        if (inner.bad)
            w->bad = true;
        else
            slk_write_field_bytes(w, part->number, bytes, inner.size);
    }
}

size_t slk_charter_format(uint8_t *out, size_t cap, const struct slk_charter *charter)
{
    struct slk_writer w = {.at = out, .cap = cap < SLK_CHARTER_BYTES_MAX ? cap : SLK_CHARTER_BYTES_MAX};

    if (charter->members_n > SLK_CHARTER_MEMBERS_MAX || charter->issuers_n > SLK_CHARTER_ISSUERS_MAX ||
        charter->types_n > SLK_CHARTER_TYPES_MAX || charter->reasons_n > SLK_CHARTER_REASONS_MAX ||
        !is_ordered(charter))
        return 0;
    write_message(&w, FIELDS(head), charter);
    for (size_t i = 0; i < PARTS_N; i++)
        write_part(&w, &parts[i], charter);
    write_message(&w, FIELDS(tail), charter);
    return w.bad ? 0 : w.size;
}

/* ---- hashes and look-ups ---- */

void slk_charter_chain_id(struct slk_hash *out, struct slk_span genesis_bytes)
{
    slk_hash_tagged(out, SLK_TAG_GENESIS, genesis_bytes.at, genesis_bytes.size);
}

void slk_charter_hash(struct slk_hash *out, struct slk_span bytes)
{
    slk_hash_tagged(out, SLK_TAG_CHARTER, bytes.at, bytes.size);
}

const struct slk_issuer *slk_charter_issuer(
    const struct slk_charter *charter, const uint8_t key_id[SLK_KEY_ID_SIZE])
{
    size_t low = 0, high = charter->issuers_n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct slk_issuer *issuer = &charter->issuers[charter->by_key_id[middle]];
        int order = memcmp(issuer->key_id, key_id, SLK_KEY_ID_SIZE);

        if (order == 0)
            return issuer;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct slk_credential_type *slk_charter_type(const struct slk_charter *charter, uint32_t code)
{
    for (size_t i = 0; i < charter->types_n; i++)
        if (charter->types[i].code == code)
            return &charter->types[i];
    return NULL;
}

const struct slk_reason *slk_charter_reason(const struct slk_charter *charter, uint32_t code)
{
    for (size_t i = 0; i < charter->reasons_n; i++)
        if (charter->reasons[i].code == code)
            return &charter->reasons[i];
    return NULL;
}

const struct slk_member *slk_charter_member(const struct slk_charter *charter, uint16_t agency)
{
    for (size_t i = 0; i < charter->members_n; i++)
        if (charter->members[i].agency == agency)
            return &charter->members[i];
    return NULL;
}

size_t slk_charter_voting_n(const struct slk_charter *charter)
{
    size_t n = 0;

    for (size_t i = 0; i < charter->members_n; i++)
        n += charter->members[i].role == SLK_VOTING;
    return n;
}

size_t slk_charter_quorum(const struct slk_charter *charter)
{
    size_t n = slk_charter_voting_n(charter);

    return n > 0 ? n - (n - 1) / 3 : SLK_CHARTER_NO_QUORUM;
}

/* ---- trust policy ---- */

static void write_line(struct slk_writer *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void write_line(struct slk_writer *w, const char *format, ...)
{
    size_t room = w->cap - w->size;
    va_list args;
    int n;

    if (w->bad)
        return;
    va_start(args, format);
    n = vsnprintf((char *)w->at + w->size, room, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room)
        w->bad = true;
    else
        w->size += (size_t)n;
}

static void write_vkey(struct slk_writer *w, const char *name, uint8_t type, const uint8_t *key)
{
    struct slk_vkey vkey;
    char text[SLK_VKEY_MAX];

    if (slk_vkey_init(&vkey, name, type, key) != SLK_OK) {
        w->bad = true;
        return;
    }
    (void)slk_vkey_format(text, &vkey);
    write_line(w, " %s\n", text);
}

/* C2SP tlog-policy. Inside the policy a member is called agency-<id>: its own name might be one of the words
 * the format reserves; the verifier key carries the full name. */
size_t slk_charter_policy(char *out, size_t cap, const struct slk_charter *charter)
{
    struct slk_writer w = {.at = (uint8_t *)out, .cap = cap};
    size_t quorum = slk_charter_quorum(charter);

    if (quorum == SLK_CHARTER_NO_QUORUM)
        return 0;
    write_line(&w, "# Trust policy of the ledger %s, from version %llu of its charter.\n", charter->origin,
        (unsigned long long)charter->version);
    write_line(&w, "# A checkpoint counts when %zu of its %zu voting agencies have cosigned it.\n", quorum,
        slk_charter_voting_n(charter));
    for (size_t i = 0; i < charter->members_n; i++) {
        write_line(&w, "log");
        write_vkey(&w, charter->origin, SLK_SIG_ED25519, charter->members[i].log_key);
    }
    for (size_t i = 0; i < charter->members_n; i++) {
        const struct slk_member *member = &charter->members[i];

        write_line(&w, "witness agency-%u", (unsigned)member->agency);
        write_vkey(&w, member->name, SLK_SIG_COSIGNATURE_V1, member->cosign_key);
    }
    write_line(&w, "group voting-members %zu", quorum);
    for (size_t i = 0; i < charter->members_n; i++)
        if (charter->members[i].role == SLK_VOTING)
            write_line(&w, " agency-%u", (unsigned)charter->members[i].agency);
    write_line(&w, "\nquorum voting-members\n");
    return w.bad ? 0 : w.size;
}
