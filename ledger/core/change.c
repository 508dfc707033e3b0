/* change.c: reading, printing and signing charter changes. Judging them: change_judge.c. */
#include "ledger/core/change.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/bytes.h"

#define PART_MAX 128 /* the longest part, a READY, is below 120 bytes */

const char *slk_change_rule_name(enum slk_change_rule rule)
{
    switch (rule) {
#define SLK_X(name, text)                                                                                    \
    case SLK_CHANGE_##name:                                                                                  \
        return #name;
        SLK_CHANGE_RULES(SLK_X)
#undef SLK_X
    case SLK_CHANGE_RULE_N:
        break;
    }
    return "?";
}

const char *slk_change_rule_text(enum slk_change_rule rule)
{
    switch (rule) {
#define SLK_X(name, text)                                                                                    \
    case SLK_CHANGE_##name:                                                                                  \
        return text;
        SLK_CHANGE_RULES(SLK_X)
#undef SLK_X
    case SLK_CHANGE_RULE_N:
        break;
    }
    return "?";
}

/* ---- reading ---- */

/* A field of this message, or nothing taken when the next one is another. Every number is below 16: a tag is one byte. */
static bool take(struct slk_reader *r, uint8_t field, enum slk_wire wire)
{
    if (r->bad || r->rest.size == 0 || r->rest.at[0] != ((unsigned)field << 3 | wire))
        return false;
    (void)slk_read_u8(r);
    return true;
}

static uint64_t read_number(struct slk_reader *r, uint8_t field, uint64_t max)
{
    return take(r, field, SLK_WIRE_VARINT) ? slk_read_number(r, max) : 0;
}

static void read_fixed(struct slk_reader *r, uint8_t field, void *out, size_t size)
{
    struct slk_span bytes = {0};

    if (take(r, field, SLK_WIRE_BYTES))
        bytes = slk_read_delimited(r);
    if (r->bad || bytes.size != size)
        r->bad = true;
    else
        memcpy(out, bytes.at, size);
}

static bool read_approval(struct slk_reader *r, struct slk_approval *out)
{
    out->agency = (uint16_t)read_number(r, 1, UINT16_MAX);
    read_fixed(r, 2, out->signature, sizeof(out->signature));
    return slk_read_done(r) && out->agency != 0;
}

static bool read_possession(struct slk_reader *r, struct slk_possession *out)
{
    read_fixed(r, 1, out->key, sizeof(out->key));
    read_fixed(r, 2, out->signature, sizeof(out->signature));
    return slk_read_done(r);
}

static bool read_ready(struct slk_reader *r, struct slk_ready *out)
{
    out->agency = (uint16_t)read_number(r, 1, UINT16_MAX);
    out->height = read_number(r, 2, UINT64_MAX);
    read_fixed(r, 3, out->block_hash.b, sizeof(out->block_hash.b));
    read_fixed(r, 4, out->signature, sizeof(out->signature));
    return slk_read_done(r) && out->agency != 0;
}

/* The three lists, in the order of the schema. Too long, or a part that does not read: bad. */
static void read_lists(struct slk_reader *r, struct slk_change *out)
{
    for (uint8_t field = 2; field <= 4; field++) {
        while (take(r, field, SLK_WIRE_BYTES)) {
            struct slk_reader part = {.rest = slk_read_delimited(r)};
            bool good = false;

            if (field == 2 && out->approvals_n < SLK_CHARTER_VOTING_MAX)
                good = read_approval(&part, &out->approvals[out->approvals_n++]);
            else if (field == 3 && out->possessions_n < SLK_CHANGE_POSSESSIONS_MAX)
                good = read_possession(&part, &out->possessions[out->possessions_n++]);
            else if (field == 4 && out->readies_n < SLK_CHARTER_VOTING_MAX)
                good = read_ready(&part, &out->readies[out->readies_n++]);
            if (!good)
                r->bad = true;
        }
    }
}

static bool is_ordered(const struct slk_change *c)
{
    for (size_t i = 1; i < c->approvals_n; i++)
        if (c->approvals[i - 1].agency >= c->approvals[i].agency)
            return false;
    for (size_t i = 1; i < c->possessions_n; i++)
        if (memcmp(c->possessions[i - 1].key, c->possessions[i].key, SLK_KEY_SIZE) >= 0)
            return false;
    for (size_t i = 1; i < c->readies_n; i++)
        if (c->readies[i - 1].agency >= c->readies[i].agency)
            return false;
    return true;
}

enum slk_err slk_change_parse(struct slk_change *out, struct slk_span entry)
{
    struct slk_entry outer;
    struct slk_reader r;
    enum slk_err err = slk_entry_parse(&outer, entry);

    memset(out, 0, sizeof(*out));
    if (err != SLK_OK)
        return err;
    if (outer.type != SLK_ENTRY_CHARTER || outer.change.size == 0)
        return SLK_E_MALFORMED;
    if (outer.charter.size > SLK_CHARTER_BYTES_MAX)
        return SLK_E_TOO_LARGE;
    r = (struct slk_reader){.rest = outer.change};
    out->charter = outer.charter;
    out->activation = read_number(&r, 1, UINT64_MAX);
    read_lists(&r, out);
    if (!slk_read_done(&r) || out->activation == 0)
        err = SLK_E_MALFORMED;
    else if (!is_ordered(out))
        err = SLK_E_NOT_CANONICAL;
    if (err != SLK_OK)
        memset(out, 0, sizeof(*out)); /* activation 0 is none */
    return err;
}

/* ---- printing ---- */

static void write_part(struct slk_writer *w, uint8_t field, const struct slk_writer *part)
{
    assert(!part->bad && part->size <= PART_MAX);
    slk_write_field_bytes(w, field, part->at, part->size);
}

static void write_lists(struct slk_writer *w, const struct slk_change *c)
{
    uint8_t bytes[PART_MAX];

    for (size_t i = 0; i < c->approvals_n; i++) {
        struct slk_writer part = {.at = bytes, .cap = sizeof(bytes)};

        slk_write_field_number(&part, 1, c->approvals[i].agency);
        slk_write_field_bytes(&part, 2, c->approvals[i].signature, SLK_SIGNATURE_SIZE);
        write_part(w, 2, &part);
    }
    for (size_t i = 0; i < c->possessions_n; i++) {
        struct slk_writer part = {.at = bytes, .cap = sizeof(bytes)};

        slk_write_field_bytes(&part, 1, c->possessions[i].key, SLK_KEY_SIZE);
        slk_write_field_bytes(&part, 2, c->possessions[i].signature, SLK_SIGNATURE_SIZE);
        write_part(w, 3, &part);
    }
    for (size_t i = 0; i < c->readies_n; i++) {
        struct slk_writer part = {.at = bytes, .cap = sizeof(bytes)};

        slk_write_field_number(&part, 1, c->readies[i].agency);
        slk_write_field_number(&part, 2, c->readies[i].height);
        slk_write_field_bytes(&part, 3, c->readies[i].block_hash.b, SLK_HASH_SIZE);
        slk_write_field_bytes(&part, 4, c->readies[i].signature, SLK_SIGNATURE_SIZE);
        write_part(w, 4, &part);
    }
}

static bool is_complete(const struct slk_change *c)
{
    if (c->charter.size == 0 || c->charter.size > SLK_CHARTER_BYTES_MAX || c->activation == 0 ||
        c->approvals_n > SLK_CHARTER_VOTING_MAX || c->possessions_n > SLK_CHANGE_POSSESSIONS_MAX ||
        c->readies_n > SLK_CHARTER_VOTING_MAX)
        return false;
    for (size_t i = 0; i < c->approvals_n; i++)
        if (c->approvals[i].agency == 0)
            return false;
    for (size_t i = 0; i < c->readies_n; i++)
        if (c->readies[i].agency == 0)
            return false;
    return is_ordered(c);
}

size_t slk_change_format(uint8_t *out, size_t cap, const struct slk_change *change)
{
    uint8_t *bytes = is_complete(change) ? malloc(SLK_ENTRY_MAX) : NULL;
    struct slk_writer w = {.at = bytes, .cap = SLK_ENTRY_MAX};
    size_t size = 0;

    if (bytes == NULL)
        return 0;
    slk_write_field_number(&w, 1, change->activation);
    write_lists(&w, change);
    if (!w.bad)
        size = slk_entry_format_charter(
            out, cap < SLK_ENTRY_MAX ? cap : SLK_ENTRY_MAX, change->charter, slk_span_of(bytes, w.size));
    free(bytes);
    return size;
}

/* ---- gathering ---- */

bool slk_change_put_approval(struct slk_change *change, const struct slk_approval *approval)
{
    size_t at = 0, n = change->approvals_n;

    while (at < n && change->approvals[at].agency < approval->agency)
        at++;
    if (at == n || change->approvals[at].agency != approval->agency) {
        if (n == SLK_CHARTER_VOTING_MAX)
            return false;
        memmove(&change->approvals[at + 1], &change->approvals[at], (n - at) * sizeof(*approval));
        change->approvals_n++;
    }
    change->approvals[at] = *approval;
    return true;
}

bool slk_change_put_possession(struct slk_change *change, const struct slk_possession *possession)
{
    size_t at = 0, n = change->possessions_n;

    while (at < n && memcmp(change->possessions[at].key, possession->key, SLK_KEY_SIZE) < 0)
        at++;
    if (at == n || memcmp(change->possessions[at].key, possession->key, SLK_KEY_SIZE) != 0) {
        if (n == SLK_CHANGE_POSSESSIONS_MAX)
            return false;
        memmove(&change->possessions[at + 1], &change->possessions[at], (n - at) * sizeof(*possession));
        change->possessions_n++;
    }
    change->possessions[at] = *possession;
    return true;
}

bool slk_change_put_ready(struct slk_change *change, const struct slk_ready *ready)
{
    size_t at = 0, n = change->readies_n;

    while (at < n && change->readies[at].agency < ready->agency)
        at++;
    if (at == n || change->readies[at].agency != ready->agency) {
        if (n == SLK_CHARTER_VOTING_MAX)
            return false;
        memmove(&change->readies[at + 1], &change->readies[at], (n - at) * sizeof(*ready));
        change->readies_n++;
    }
    change->readies[at] = *ready;
    return true;
}

/* ---- signed bytes ---- */

void slk_approve_statement(uint8_t out[SLK_APPROVE_STATEMENT_SIZE], const struct slk_hash *chain_id,
    const struct slk_hash *old_hash, const struct slk_hash *new_hash, uint64_t activation)
{
    struct slk_writer w = {.at = out, .cap = SLK_APPROVE_STATEMENT_SIZE};

    slk_write_bytes(&w, SLK_TAG_APPROVE, SLK_TAG_SIZE);
    slk_write_bytes(&w, chain_id->b, SLK_HASH_SIZE);
    slk_write_bytes(&w, old_hash->b, SLK_HASH_SIZE);
    slk_write_bytes(&w, new_hash->b, SLK_HASH_SIZE);
    slk_write_u64(&w, activation);
    assert(!w.bad && w.size == SLK_APPROVE_STATEMENT_SIZE);
}

void slk_possess_statement(uint8_t out[SLK_POSSESS_STATEMENT_SIZE], const struct slk_hash *chain_id,
    const uint8_t key[SLK_KEY_SIZE], uint16_t agency, enum slk_key_use use)
{
    struct slk_writer w = {.at = out, .cap = SLK_POSSESS_STATEMENT_SIZE};

    slk_write_bytes(&w, SLK_TAG_POSSESS, SLK_TAG_SIZE);
    slk_write_bytes(&w, chain_id->b, SLK_HASH_SIZE);
    slk_write_bytes(&w, key, SLK_KEY_SIZE);
    slk_write_u32(&w, agency);
    slk_write_u32(&w, (uint32_t)use);
    assert(!w.bad && w.size == SLK_POSSESS_STATEMENT_SIZE);
}

void slk_ready_statement(
    uint8_t out[SLK_READY_STATEMENT_SIZE], const struct slk_hash *chain_id, const struct slk_ready *ready)
{
    struct slk_writer w = {.at = out, .cap = SLK_READY_STATEMENT_SIZE};

    slk_write_bytes(&w, SLK_TAG_READY, SLK_TAG_SIZE);
    slk_write_bytes(&w, chain_id->b, SLK_HASH_SIZE);
    slk_write_u32(&w, ready->agency);
    slk_write_u64(&w, ready->height);
    slk_write_bytes(&w, ready->block_hash.b, SLK_HASH_SIZE);
    assert(!w.bad && w.size == SLK_READY_STATEMENT_SIZE);
}
