/* msg_wire.c: messages as canonical protobuf. Source: protocol §2.3; caps: msg.h.
 *
 * One reader for every message: a shape says which fields are numbers, which are bytes and which one may repeat.
 * Fields come in ascending order, none holds its default value, none is unknown.
 */
#include "ledger/core/msg.h"

#include <assert.h>
#include <string.h>

#define FIELDS_MAX 24 /* above the number of any field */

struct shape {
    uint32_t numbers;  /* bit i: field i is a varint */
    uint32_t bytes;    /* bit i: field i is length-delimited, once */
    uint32_t repeated; /* the field that may repeat; 0: none */
    size_t repeated_max;
};

struct fields {
    uint64_t number[FIELDS_MAX];
    struct slk_span bytes[FIELDS_MAX];
    size_t items_n;
    struct slk_span items[SLK_JUST_MAX];
};

#define F(n) (1u << (n))

static const struct shape vote_shape = {F(1) | F(2) | F(3) | F(5) | F(7), F(4) | F(6), 0, 0};
static const struct shape cert_shape = {F(1) | F(2) | F(3), F(4) | F(5) | F(6), 0, 0};
static const struct shape proposal_shape = {F(1) | F(2) | F(3) | F(7), F(4) | F(5) | F(8), 6, SLK_JUST_MAX};
static const struct shape certs_shape = {F(1), 0, 2, SLK_JUST_MAX};
static const struct shape status_shape = {
    F(2) | F(4) | F(5) | F(6) | F(8) | F(9) | F(10) | F(11) | F(12) | F(13) | F(14), F(1) | F(3), 7,
    SLK_TALLIES_MAX};
static const struct shape tally_shape = {F(1) | F(2), F(3) | F(4), 0, 0};
static const struct shape commit_shape = {0, F(1) | F(2), 0, 0};
static const struct shape get_shape = {F(1) | F(2) | F(3) | F(4) | F(6) | F(7), F(5), 0, 0};
static const struct shape data_shape = {F(3) | F(4), F(1) | F(2), 0, 0};
static const struct shape headers_shape = {0, F(1), 2, SLK_RANGE_MAX};
static const struct shape epochs_shape = {0, 0, 1, SLK_EPOCHS_MAX};
static const struct shape epoch_shape = {0, F(1) | F(2) | F(3), 0, 0};
static const struct shape evidence_shape = {0, F(1) | F(2), 0, 0};

static size_t cap_of(enum slk_msg_kind kind)
{
    switch (kind) {
    case SLK_MSG_PROPOSAL:
        return SLK_PROPOSAL_BYTES_MAX;
    case SLK_MSG_VOTE:
        return SLK_MSG_VOTE_MAX;
    case SLK_MSG_CERT:
        return SLK_MSG_CERT_MAX;
    case SLK_MSG_STATUS:
        return SLK_MSG_STATUS_MAX;
    case SLK_MSG_COMMIT:
        return SLK_MSG_COMMIT_MAX;
    case SLK_MSG_GET:
        return SLK_MSG_GET_MAX;
    case SLK_MSG_DATA:
        return SLK_MSG_DATA_MAX;
    case SLK_MSG_EVIDENCE:
        return SLK_MSG_EVIDENCE_MAX;
    case SLK_MSG_HEADERS:
        return SLK_MSG_HEADERS_MAX;
    case SLK_MSG_EPOCHS:
        return SLK_PROPOSAL_BYTES_MAX;
    case SLK_MSG_KIND_N:
        break;
    }
    return 0;
}

static bool read_fields(struct fields *out, const struct shape *shape, struct slk_span bytes)
{
    struct slk_reader r = {.rest = bytes};
    uint32_t last = 0, field;
    enum slk_wire wire;

    memset(out->number, 0, sizeof(out->number));
    memset(out->bytes, 0, sizeof(out->bytes));
    out->items_n = 0;
    while ((field = slk_read_field(&r, &last, &wire)) != 0) {
        if (field >= FIELDS_MAX)
            return false;
        if (wire == SLK_WIRE_VARINT && (shape->numbers & F(field)) != 0) {
            out->number[field] = slk_read_number(&r, UINT64_MAX);
        } else if (wire == SLK_WIRE_BYTES && (shape->bytes & F(field)) != 0) {
            out->bytes[field] = slk_read_delimited(&r);
            if (out->bytes[field].size == 0)
                return false;
        } else if (wire == SLK_WIRE_BYTES && field == shape->repeated && out->items_n < shape->repeated_max) {
            out->items[out->items_n++] = slk_read_delimited(&r);
            last = field - 1;
        } else {
            return false;
        }
    }
    return slk_read_done(&r);
}

/* A number that must fit; 0 when absent. */
static bool narrow(uint32_t *out, uint64_t v, uint32_t max)
{
    *out = v <= max ? (uint32_t)v : 0;
    return v <= max;
}

static bool fixed(void *out, struct slk_span bytes, size_t size)
{
    if (bytes.size != size)
        return false;
    memcpy(out, bytes.at, size);
    return true;
}

/* A hash that is either absent (zero) or 32 bytes that are not all zero. */
static bool optional_hash(struct slk_hash *out, struct slk_span bytes)
{
    *out = slk_hash_zero;
    return bytes.size == 0 || (fixed(out->b, bytes, SLK_HASH_SIZE) && !slk_hash_is_zero(out));
}

static bool bitmap(uint64_t *out, uint8_t *bytes_n, struct slk_span bytes)
{
    *out = 0;
    *bytes_n = 0;
    if (bytes.size > SLK_BITMAP_MAX)
        return false;
    for (size_t i = 0; i < bytes.size; i++)
        *out |= (uint64_t)bytes.at[i] << (8 * i);
    *bytes_n = (uint8_t)bytes.size;
    return true;
}

static bool parse_vote(struct slk_vote *out, struct slk_span bytes)
{
    struct fields f;
    uint32_t kind, signer;

    if (!read_fields(&f, &vote_shape, bytes) || !narrow(&kind, f.number[1], SLK_VOTE_KIND_N - 1) ||
        kind == 0 || !narrow(&out->statement.view, f.number[3], SLK_VIEW_MAX) || out->statement.view == 0 ||
        !narrow(&signer, f.number[5], SLK_CHARTER_VOTING_MAX - 1) ||
        !narrow(&out->statement.aux, f.number[7], SLK_VIEW_MAX) ||
        !fixed(out->sig, f.bytes[6], SLK_SIGNATURE_SIZE) || !optional_hash(&out->statement.hash, f.bytes[4]))
        return false;
    out->statement.kind = (enum slk_vote_kind)kind;
    out->statement.height = f.number[2];
    out->signer = (uint16_t)signer;
    return (kind == SLK_VOTE_NULLIFY) == (f.bytes[4].size == 0) &&
           (kind == SLK_VOTE_PROPOSE || f.number[7] == 0);
}

enum slk_err slk_cert_parse(struct slk_cert *out, struct slk_span bytes)
{
    struct fields f;
    uint32_t kind;
    size_t sigs_n;

    if (!read_fields(&f, &cert_shape, bytes) || !narrow(&kind, f.number[1], SLK_VOTE_KIND_N - 1) ||
        kind < SLK_VOTE_NOTARIZE || !narrow(&out->view, f.number[3], SLK_VIEW_MAX) || out->view == 0 ||
        !optional_hash(&out->hash, f.bytes[4]) || (kind == SLK_VOTE_NULLIFY) != (f.bytes[4].size == 0) ||
        !bitmap(&out->signers, &out->bitmap_bytes, f.bytes[5]))
        return SLK_E_MALFORMED;
    out->kind = (enum slk_vote_kind)kind;
    out->height = f.number[2];
    sigs_n = slk_bits_n(out->signers);
    if (sigs_n == 0 || sigs_n > SLK_CHARTER_VOTING_MAX || f.bytes[6].size != sigs_n * SLK_SIGNATURE_SIZE)
        return SLK_E_MALFORMED;
    memcpy(out->sigs, f.bytes[6].at, f.bytes[6].size);
    return SLK_OK;
}

static bool parse_certs(struct slk_msg *out, struct slk_cert_pool *pool, const struct fields *f)
{
    out->certs_n = f->items_n;
    for (size_t i = 0; i < f->items_n; i++) {
        if (slk_cert_parse(&pool->at[i], f->items[i]) != SLK_OK)
            return false;
        out->certs[i] = &pool->at[i];
    }
    return true;
}

static bool parse_header(struct slk_msg *out, struct slk_span bytes)
{
    if (bytes.size != SLK_BLOCK_HEADER_SIZE)
        return false;
    out->header = bytes;
    slk_block_hash(&out->hash, bytes.at);
    return true;
}

static bool parse_proposal(struct slk_msg *out, struct slk_cert_pool *pool, struct slk_span bytes)
{
    struct slk_statement *s = &out->vote.statement;
    struct fields f;
    uint32_t leader;

    if (!read_fields(&f, &proposal_shape, bytes) || !narrow(&s->view, f.number[2], SLK_VIEW_MAX) ||
        s->view == 0 || !narrow(&s->aux, f.number[3], SLK_VIEW_MAX) || s->aux >= s->view ||
        !parse_header(out, f.bytes[4]) || !narrow(&leader, f.number[7], SLK_CHARTER_VOTING_MAX - 1) ||
        !fixed(out->vote.sig, f.bytes[8], SLK_SIGNATURE_SIZE) || !parse_certs(out, pool, &f))
        return false;
    s->kind = SLK_VOTE_PROPOSE;
    s->height = f.number[1];
    s->hash = out->hash;
    out->vote.signer = (uint16_t)leader;
    out->body = f.bytes[5];
    return true;
}

static bool parse_tally(struct slk_tally *out, struct slk_span bytes)
{
    struct fields f;
    uint32_t kind;
    uint8_t bitmap_n;

    if (!read_fields(&f, &tally_shape, bytes) || !narrow(&kind, f.number[1], SLK_VOTE_KIND_N - 1) ||
        kind == 0 || !narrow(&out->view, f.number[2], SLK_VIEW_MAX) ||
        !optional_hash(&out->hash, f.bytes[3]) || !bitmap(&out->signers, &bitmap_n, f.bytes[4]) ||
        (bitmap_n > 0 && f.bytes[4].at[bitmap_n - 1] == 0))
        return false;
    out->kind = (enum slk_vote_kind)kind;
    return true;
}

static bool parse_status(struct slk_status *out, struct slk_span bytes)
{
    struct fields f;
    uint32_t flag;

    if (!read_fields(&f, &status_shape, bytes) || !fixed(out->charter_hash.b, f.bytes[1], SLK_HASH_SIZE) ||
        !fixed(out->tip_hash.b, f.bytes[3], SLK_HASH_SIZE) ||
        !narrow(&out->view, f.number[4], SLK_VIEW_MAX) ||
        !narrow(&out->your_view, f.number[9], SLK_VIEW_MAX) ||
        !narrow(&out->your_kind, f.number[10], SLK_VOTE_KIND_N - 1) || !narrow(&flag, f.number[14], 1))
        return false;
    out->height = f.number[2];
    out->n_bits = f.number[5];
    out->k_bits = f.number[6];
    out->your_height = f.number[8];
    out->pool_count = f.number[11];
    out->pool_xor = f.number[12];
    out->seq = f.number[13];
    out->has_proposal = flag == 1;
    out->tallies_n = f.items_n;
    for (size_t i = 0; i < f.items_n; i++)
        if (!parse_tally(&out->tallies[i], f.items[i]))
            return false;
    return true;
}

static bool parse_get(struct slk_get *out, struct slk_span bytes)
{
    struct fields f;
    uint32_t what;

    if (!read_fields(&f, &get_shape, bytes) || !narrow(&what, f.number[1], SLK_GET_N - 1) || what == 0 ||
        !narrow(&out->view, f.number[3], SLK_VIEW_MAX) ||
        !narrow(&out->kind, f.number[4], SLK_VOTE_KIND_N - 1) || !optional_hash(&out->hash, f.bytes[5]) ||
        !narrow(&out->count, f.number[6], SLK_RANGE_MAX) || !narrow(&out->chunk, f.number[7], SLK_BODY_MAX) ||
        (what == SLK_GET_HEADERS) != (out->count > 0))
        return false;
    out->what = (enum slk_get_what)what;
    out->height = f.number[2];
    return true;
}

static bool parse_commit(struct slk_msg *out, struct slk_cert_pool *pool, struct slk_span bytes)
{
    struct fields f;

    if (!read_fields(&f, &commit_shape, bytes) || !parse_header(out, f.bytes[1]) ||
        slk_cert_parse(&pool->at[0], f.bytes[2]) != SLK_OK)
        return false;
    out->certs[0] = &pool->at[0];
    out->certs_n = 1;
    return true;
}

static bool parse_headers(struct slk_msg *out, struct slk_cert_pool *pool, struct slk_span bytes)
{
    struct fields f;

    if (!read_fields(&f, &headers_shape, bytes) || f.items_n == 0 ||
        f.bytes[1].size != f.items_n * SLK_BLOCK_HEADER_SIZE)
        return false;
    out->header = f.bytes[1];
    return parse_certs(out, pool, &f);
}

static bool parse_epochs(struct slk_msg *out, struct slk_cert_pool *pool, struct slk_span bytes)
{
    struct fields list, f;

    if (!read_fields(&list, &epochs_shape, bytes) || list.items_n == 0)
        return false;
    out->certs_n = list.items_n;
    for (size_t i = 0; i < list.items_n; i++) {
        struct slk_epoch *epoch = &out->epochs[i];

        if (!read_fields(&f, &epoch_shape, list.items[i]) || f.bytes[1].size != SLK_BLOCK_HEADER_SIZE ||
            slk_cert_parse(&pool->at[i], f.bytes[2]) != SLK_OK || f.bytes[3].size == 0 ||
            f.bytes[3].size > SLK_CHARTER_BYTES_MAX)
            return false;
        epoch->header = f.bytes[1];
        epoch->charter = f.bytes[3];
        out->certs[i] = &pool->at[i];
    }
    return true;
}

static bool parse_rest(struct slk_msg *out, struct slk_cert_pool *pool, struct slk_span bytes)
{
    struct fields f;

    switch (out->kind) {
    case SLK_MSG_HEADERS:
        return parse_headers(out, pool, bytes);
    case SLK_MSG_EPOCHS:
        return parse_epochs(out, pool, bytes);
    case SLK_MSG_CERT:
        if (!read_fields(&f, &certs_shape, bytes) || f.items_n == 0)
            return false;
        out->height = f.number[1];
        return parse_certs(out, pool, &f);
    case SLK_MSG_DATA:
        if (!read_fields(&f, &data_shape, bytes) || !parse_header(out, f.bytes[1]) ||
            !narrow(&out->chunk, f.number[3], SLK_BODY_MAX) ||
            !narrow(&out->body_size, f.number[4], SLK_BODY_MAX + SLK_BODY_SLACK))
            return false;
        out->body = f.bytes[2];
        return true;
    case SLK_MSG_EVIDENCE:
        return read_fields(&f, &evidence_shape, bytes) && parse_vote(&out->vote, f.bytes[1]) &&
               parse_vote(&out->other, f.bytes[2]);
    case SLK_MSG_PROPOSAL:
    case SLK_MSG_VOTE:
    case SLK_MSG_STATUS:
    case SLK_MSG_COMMIT:
    case SLK_MSG_GET:
    case SLK_MSG_KIND_N:
        break;
    }
    return false;
}

enum slk_err slk_msg_parse(
    struct slk_msg *out, struct slk_cert_pool *pool, enum slk_msg_kind kind, struct slk_span bytes)
{
    bool good = false;

    if (bytes.size > cap_of(kind))
        return SLK_E_TOO_LARGE;
    out->kind = kind;
    out->certs_n = 0;
    out->body = slk_span_of(NULL, 0);
    switch (kind) {
    case SLK_MSG_PROPOSAL:
        good = parse_proposal(out, pool, bytes);
        break;
    case SLK_MSG_VOTE:
        good = parse_vote(&out->vote, bytes);
        break;
    case SLK_MSG_STATUS:
        good = parse_status(&out->status, bytes);
        break;
    case SLK_MSG_GET:
        good = parse_get(&out->get, bytes);
        break;
    case SLK_MSG_COMMIT:
        good = parse_commit(out, pool, bytes);
        break;
    case SLK_MSG_CERT:
    case SLK_MSG_DATA:
    case SLK_MSG_EVIDENCE:
    case SLK_MSG_HEADERS:
    case SLK_MSG_EPOCHS:
        good = parse_rest(out, pool, bytes);
        break;
    case SLK_MSG_KIND_N:
        break;
    }
    return good ? SLK_OK : SLK_E_MALFORMED;
}

/* ---- printing ---- */

static void put_hash(struct slk_writer *w, uint32_t field, const struct slk_hash *hash)
{
    if (!slk_hash_is_zero(hash))
        slk_write_field_bytes(w, field, hash->b, SLK_HASH_SIZE);
}

static size_t bitmap_bytes(uint8_t out[SLK_BITMAP_MAX], uint64_t bits)
{
    size_t n = 0;

    for (size_t i = 0; i < SLK_BITMAP_MAX; i++) {
        out[i] = (uint8_t)(bits >> (8 * i));
        if (out[i] != 0)
            n = i + 1;
    }
    return n;
}

static void put_vote(struct slk_writer *w, const struct slk_vote *vote)
{
    slk_write_field_number(w, 1, (uint64_t)vote->statement.kind);
    slk_write_field_number(w, 2, vote->statement.height);
    slk_write_field_number(w, 3, vote->statement.view);
    put_hash(w, 4, &vote->statement.hash);
    slk_write_field_number(w, 5, vote->signer);
    slk_write_field_bytes(w, 6, vote->sig, SLK_SIGNATURE_SIZE);
    slk_write_field_number(w, 7, vote->statement.aux);
}

static void put_cert(struct slk_writer *w, const struct slk_cert *cert)
{
    uint8_t bits[SLK_BITMAP_MAX];

    assert(cert->bitmap_bytes <= SLK_BITMAP_MAX);
    (void)bitmap_bytes(bits, cert->signers);
    slk_write_field_number(w, 1, (uint64_t)cert->kind);
    slk_write_field_number(w, 2, cert->height);
    slk_write_field_number(w, 3, cert->view);
    put_hash(w, 4, &cert->hash);
    slk_write_field_bytes(w, 5, bits, cert->bitmap_bytes);
    slk_write_field_bytes(w, 6, cert->sigs, (size_t)slk_bits_n(cert->signers) * SLK_SIGNATURE_SIZE);
}

size_t slk_cert_format(uint8_t *out, size_t cap, const struct slk_cert *cert)
{
    struct slk_writer w = {.at = out, .cap = cap};

    put_cert(&w, cert);
    return w.bad ? 0 : w.size;
}

static void put_nested_cert(struct slk_writer *w, uint32_t field, const struct slk_cert *cert)
{
    uint8_t bytes[SLK_CERT_BYTES_MAX];
    size_t size = slk_cert_format(bytes, sizeof(bytes), cert);

    assert(size > 0);
    slk_write_field_bytes(w, field, bytes, size);
}

static void put_nested_vote(struct slk_writer *w, uint32_t field, const struct slk_vote *vote)
{
    uint8_t bytes[256];
    struct slk_writer inner = {.at = bytes, .cap = sizeof(bytes)};

    put_vote(&inner, vote);
    assert(!inner.bad);
    slk_write_field_bytes(w, field, bytes, inner.size);
}

static void put_tally(struct slk_writer *w, uint32_t field, const struct slk_tally *tally)
{
    uint8_t bytes[128], bits[SLK_BITMAP_MAX];
    struct slk_writer inner = {.at = bytes, .cap = sizeof(bytes)};
    size_t bits_n = bitmap_bytes(bits, tally->signers);

    slk_write_field_number(&inner, 1, (uint64_t)tally->kind);
    slk_write_field_number(&inner, 2, tally->view);
    put_hash(&inner, 3, &tally->hash);
    slk_write_field_bytes(&inner, 4, bits, bits_n);
    assert(!inner.bad);
    slk_write_field_bytes(w, field, bytes, inner.size);
}

static void put_proposal(struct slk_writer *w, const struct slk_msg *msg)
{
    slk_write_field_number(w, 1, msg->vote.statement.height);
    slk_write_field_number(w, 2, msg->vote.statement.view);
    slk_write_field_number(w, 3, msg->vote.statement.aux);
    slk_write_field_bytes(w, 4, msg->header.at, msg->header.size);
    slk_write_field_bytes(w, 5, msg->body.at, msg->body.size);
    for (size_t i = 0; i < msg->certs_n; i++)
        put_nested_cert(w, 6, msg->certs[i]);
    slk_write_field_number(w, 7, msg->vote.signer);
    slk_write_field_bytes(w, 8, msg->vote.sig, SLK_SIGNATURE_SIZE);
}

static void put_status(struct slk_writer *w, const struct slk_status *s)
{
    slk_write_field_bytes(w, 1, s->charter_hash.b, SLK_HASH_SIZE);
    slk_write_field_number(w, 2, s->height);
    slk_write_field_bytes(w, 3, s->tip_hash.b, SLK_HASH_SIZE);
    slk_write_field_number(w, 4, s->view);
    slk_write_field_number(w, 5, s->n_bits);
    slk_write_field_number(w, 6, s->k_bits);
    for (size_t i = 0; i < s->tallies_n; i++)
        put_tally(w, 7, &s->tallies[i]);
    slk_write_field_number(w, 8, s->your_height);
    slk_write_field_number(w, 9, s->your_view);
    slk_write_field_number(w, 10, s->your_kind);
    slk_write_field_number(w, 11, s->pool_count);
    slk_write_field_number(w, 12, s->pool_xor);
    slk_write_field_number(w, 13, s->seq);
    slk_write_field_number(w, 14, s->has_proposal ? 1 : 0);
}

static void put_get(struct slk_writer *w, const struct slk_get *get)
{
    slk_write_field_number(w, 1, (uint64_t)get->what);
    slk_write_field_number(w, 2, get->height);
    slk_write_field_number(w, 3, get->view);
    slk_write_field_number(w, 4, get->kind);
    put_hash(w, 5, &get->hash);
    slk_write_field_number(w, 6, get->count);
    slk_write_field_number(w, 7, get->chunk);
}

static size_t field_size(size_t bytes)
{
    return 1 + slk_varint_size(bytes) + bytes; /* of a field below 16 */
}

/* Written in place, as large as it is: the length that stands before it is computed. */
static void put_epoch(struct slk_writer *w, const struct slk_epoch *epoch, const struct slk_cert *cert)
{
    uint8_t bytes[SLK_CERT_BYTES_MAX];
    size_t size = slk_cert_format(bytes, sizeof(bytes), cert);

    assert(size > 0 && epoch->header.size > 0 && epoch->charter.size > 0);
    slk_write_varint(w, 1u << 3 | SLK_WIRE_BYTES);
    slk_write_varint(w, field_size(epoch->header.size) + field_size(size) + field_size(epoch->charter.size));
    slk_write_field_bytes(w, 1, epoch->header.at, epoch->header.size);
    slk_write_field_bytes(w, 2, bytes, size);
    slk_write_field_bytes(w, 3, epoch->charter.at, epoch->charter.size);
}

size_t slk_msg_format(uint8_t *out, size_t cap, const struct slk_msg *msg)
{
    struct slk_writer w = {.at = out, .cap = cap};

    switch (msg->kind) {
    case SLK_MSG_PROPOSAL:
        put_proposal(&w, msg);
        break;
    case SLK_MSG_VOTE:
        put_vote(&w, &msg->vote);
        break;
    case SLK_MSG_CERT:
        slk_write_field_number(&w, 1, msg->height);
        for (size_t i = 0; i < msg->certs_n; i++)
            put_nested_cert(&w, 2, msg->certs[i]);
        break;
    case SLK_MSG_STATUS:
        put_status(&w, &msg->status);
        break;
    case SLK_MSG_COMMIT:
        slk_write_field_bytes(&w, 1, msg->header.at, msg->header.size);
        put_nested_cert(&w, 2, msg->certs[0]);
        break;
    case SLK_MSG_GET:
        put_get(&w, &msg->get);
        break;
    case SLK_MSG_DATA:
        slk_write_field_bytes(&w, 1, msg->header.at, msg->header.size);
        slk_write_field_bytes(&w, 2, msg->body.at, msg->body.size);
        slk_write_field_number(&w, 3, msg->chunk);
        slk_write_field_number(&w, 4, msg->body_size);
        break;
    case SLK_MSG_HEADERS:
        slk_write_field_bytes(&w, 1, msg->header.at, msg->header.size);
        for (size_t i = 0; i < msg->certs_n; i++)
            put_nested_cert(&w, 2, msg->certs[i]);
        break;
    case SLK_MSG_EPOCHS:
        for (size_t i = 0; i < msg->certs_n; i++)
            put_epoch(&w, &msg->epochs[i], msg->certs[i]);
        break;
    case SLK_MSG_EVIDENCE:
        put_nested_vote(&w, 1, &msg->vote);
        put_nested_vote(&w, 2, &msg->other);
        break;
    case SLK_MSG_KIND_N:
        break;
    }
    return w.bad || w.size > cap_of(msg->kind) ? 0 : w.size;
}
