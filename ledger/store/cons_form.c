/* cons_form.c: how votes, certificates, candidates, pooled submissions and evidence are written, and read back strictly. The forms
 * are in cons.h. */
#include "ledger/store/internal.h"

#include <assert.h>
#include <string.h>

/* ---- checks ---- */

static void check_of(struct slk_hash *out, struct slk_span key, const uint8_t *value, size_t size)
{
    struct slk_sha sha;

    slk_sha_init(&sha);
    slk_sha_add(&sha, key.at, key.size);
    slk_sha_add(&sha, value, size);
    slk_sha_final(&sha, out);
}

size_t slk_check_form(struct slk_span key, uint8_t *value, size_t size)
{
    struct slk_hash check;

    check_of(&check, key, value, size);
    memcpy(value + size, check.b, SLK_HASH_SIZE);
    return size + SLK_HASH_SIZE;
}

/* Takes the check off; false when it is wrong. */
static bool take_check(struct slk_span key, struct slk_span *value)
{
    struct slk_hash check;

    if (value->size < SLK_HASH_SIZE)
        return false;
    value->size -= SLK_HASH_SIZE;
    check_of(&check, key, value->at, value->size);
    return memcmp(check.b, value->at + value->size, SLK_HASH_SIZE) == 0;
}

/* ---- statements ---- */

/* What the core may be handed back: it indexes its views with it. */
static bool statement_sound(const struct slk_statement *s, uint32_t view_max)
{
    return s->kind >= SLK_VOTE_PROPOSE && s->kind < SLK_VOTE_KIND_N && s->view > 0 && s->view <= view_max &&
           (s->kind == SLK_VOTE_PROPOSE ? s->aux < s->view : s->aux == 0) &&
           slk_hash_is_zero(&s->hash) == (s->kind == SLK_VOTE_NULLIFY);
}

/* ---- certificates ---- */

static struct slk_statement statement_of(const struct slk_cert *cert)
{
    return (struct slk_statement){
        .kind = cert->kind, .height = cert->height, .view = cert->view, .hash = cert->hash};
}

static bool signers_sound(const struct slk_cert *cert)
{
    return cert->bitmap_bytes > 0 && cert->bitmap_bytes <= SLK_BITMAP_MAX && cert->signers != 0 &&
           (cert->signers >> (8 * cert->bitmap_bytes)) == 0 &&
           slk_bits_n(cert->signers) <= SLK_CHARTER_VOTING_MAX;
}

size_t slk_cert_form(uint8_t out[SLK_CERT_FORM_MAX], const struct slk_cert *cert)
{
    struct slk_writer w = {.at = out, .cap = SLK_CERT_FORM_MAX};
    struct slk_statement statement = statement_of(cert);

    assert(
        cert->kind != SLK_VOTE_PROPOSE && statement_sound(&statement, SLK_VIEW_MAX) && signers_sound(cert));
    slk_write_u8(&w, (uint8_t)cert->kind);
    slk_write_u64(&w, cert->height);
    slk_write_u32(&w, cert->view);
    slk_write_bytes(&w, cert->hash.b, SLK_HASH_SIZE);
    slk_write_u8(&w, cert->bitmap_bytes);
    slk_write_u64(&w, cert->signers);
    slk_write_bytes(&w, cert->sigs, (size_t)slk_bits_n(cert->signers) * SLK_SIGNATURE_SIZE);
    assert(!w.bad);
    return w.size;
}

bool slk_cert_unform(struct slk_cert *out, struct slk_span bytes)
{
    struct slk_reader r = {.rest = bytes};
    struct slk_statement statement;

    memset(out, 0, sizeof(*out));
    out->kind = (enum slk_vote_kind)slk_read_u8(&r);
    out->height = slk_read_u64(&r);
    out->view = slk_read_u32(&r);
    slk_read_bytes(&r, out->hash.b, SLK_HASH_SIZE);
    out->bitmap_bytes = slk_read_u8(&r);
    out->signers = slk_read_u64(&r);
    statement = statement_of(out);
    if (r.bad || out->kind == SLK_VOTE_PROPOSE || !statement_sound(&statement, SLK_VIEW_MAX) ||
        !signers_sound(out))
        return false;
    slk_read_bytes(&r, out->sigs, (size_t)slk_bits_n(out->signers) * SLK_SIGNATURE_SIZE);
    return slk_read_done(&r);
}

/* ---- records of `cons` ---- */

static size_t statement_key(
    uint8_t key[SLK_CONS_KEY_MAX], enum slk_bft_record_kind record, const struct slk_statement *s)
{
    struct slk_writer w = {.at = key, .cap = SLK_CONS_KEY_MAX};

    slk_write_u8(&w, (uint8_t)record);
    slk_write_u64(&w, s->height);
    slk_write_u32(&w, s->view);
    slk_write_u8(&w, (uint8_t)s->kind);
    assert(!w.bad && w.size == SLK_CONS_KEY_MAX);
    return w.size;
}

size_t slk_cons_form(uint8_t key[SLK_CONS_KEY_MAX], uint8_t value[SLK_CONS_FORM_MAX], size_t *value_size,
    const struct slk_bft_record *record)
{
    struct slk_statement statement;
    size_t key_size = 0, size = 0;

    switch (record->kind) {
    case SLK_RECORD_VOTE:
        assert(statement_sound(&record->vote, SLK_BFT_VIEWS));
        slk_put_u32(value, record->vote.aux);
        memcpy(value + 4, record->vote.hash.b, SLK_HASH_SIZE);
        size = 4 + SLK_HASH_SIZE;
        key_size = statement_key(key, SLK_RECORD_VOTE, &record->vote);
        break;
    case SLK_RECORD_CERT:
        statement = statement_of(record->cert);
        assert(statement_sound(&statement, SLK_BFT_VIEWS));
        size = slk_cert_form(value, record->cert);
        key_size = statement_key(key, SLK_RECORD_CERT, &statement);
        break;
    case SLK_RECORD_MUTED:
        key[0] = SLK_RECORD_MUTED;
        memcpy(value, record->hash.b, SLK_HASH_SIZE);
        key_size = 1;
        size = SLK_HASH_SIZE;
        break;
    case SLK_RECORD_BLOCK:
        break;
    }
    assert(key_size > 0);
    *value_size = slk_check_form(slk_span_of(key, key_size), value, size);
    return key_size;
}

bool slk_cons_unform(
    struct slk_bft_record *record, struct slk_cert *cert, struct slk_span key, struct slk_span value)
{
    struct slk_reader k = {.rest = key}, v;
    struct slk_statement s;

    memset(record, 0, sizeof(*record));
    memset(&s, 0, sizeof(s));
    if (!take_check(key, &value))
        return false;
    v = (struct slk_reader){.rest = value};
    record->kind = (enum slk_bft_record_kind)slk_read_u8(&k);
    if (record->kind == SLK_RECORD_MUTED) {
        slk_read_bytes(&v, record->hash.b, SLK_HASH_SIZE);
        return slk_read_done(&k) && slk_read_done(&v);
    }
    s.height = slk_read_u64(&k);
    s.view = slk_read_u32(&k);
    s.kind = (enum slk_vote_kind)slk_read_u8(&k);
    if (!slk_read_done(&k))
        return false;
    if (record->kind == SLK_RECORD_VOTE) {
        s.aux = slk_read_u32(&v);
        slk_read_bytes(&v, s.hash.b, SLK_HASH_SIZE);
        record->vote = s;
        return slk_read_done(&v) && statement_sound(&s, SLK_BFT_VIEWS);
    }
    record->cert = cert;
    return record->kind == SLK_RECORD_CERT && slk_cert_unform(cert, value) && cert->height == s.height &&
           cert->view == s.view && cert->view <= SLK_BFT_VIEWS && cert->kind == s.kind;
}

/* ---- candidates ---- */

bool slk_candidate_unform(
    struct slk_block_header *header, struct slk_span *body, struct slk_span key, struct slk_span value)
{
    struct slk_hash hash;

    if (key.size != SLK_HASH_SIZE || value.size < SLK_BLOCK_HEADER_SIZE ||
        slk_block_header_parse(header, value.at) != SLK_OK)
        return false;
    slk_block_hash(&hash, value.at);
    *body = slk_span_of(value.at + SLK_BLOCK_HEADER_SIZE, value.size - SLK_BLOCK_HEADER_SIZE);
    return memcmp(hash.b, key.at, SLK_HASH_SIZE) == 0 && body->size == header->body_bytes;
}

/* ---- the pool ---- */

void slk_pooled_key(uint8_t out[SLK_POOLED_KEY], const struct slk_pooled_id *id)
{
    memcpy(out, id->id.b, SLK_HASH_SIZE);
    memcpy(out + SLK_HASH_SIZE, id->key_id, SLK_KEY_ID_SIZE);
}

enum slk_err slk_pooled_unform(struct slk_pooled *out, struct slk_submission *scratch,
    const struct slk_hash *chain_id, struct slk_span key, struct slk_span value)
{
    uint8_t statement[SLK_SUBMIT_STATEMENT_SIZE], again[SLK_POOLED_KEY];
    struct slk_reader r;
    enum slk_err err;

    memset(out, 0, sizeof(*out));
    if (!take_check(key, &value))
        return SLK_E_CORRUPT;
    r = (struct slk_reader){.rest = value};
    out->order = slk_read_u64(&r);
    out->receipt = slk_read_span(&r, slk_read_u16(&r));
    out->submission = r.rest;
    if (r.bad || key.size != SLK_POOLED_KEY || out->receipt.size > SLK_RECEIPT_MAX)
        return SLK_E_CORRUPT;
    err = slk_submission_parse(scratch, out->submission);
    if (err != SLK_OK)
        return err == SLK_E_NOMEM ? err : SLK_E_CORRUPT;
    for (size_t i = 0; i < scratch->events_n; i++)
        slk_event_id(&scratch->event_ids[i], scratch->event_bytes[i]);
    slk_submission_statement(statement, chain_id, scratch->event_ids, scratch->events_n);
    slk_hash_bytes(&out->id.id, statement, sizeof(statement));
    memcpy(out->id.key_id, scratch->key_id, SLK_KEY_ID_SIZE);
    slk_pooled_key(again, &out->id);
    return memcmp(again, key.at, SLK_POOLED_KEY) == 0 ? SLK_OK : SLK_E_CORRUPT;
}

/* ---- evidence ---- */

/* E1 to E4 of protocol §2.12. */
static bool contradict(const struct slk_statement *a, const struct slk_statement *b)
{
    bool crossed = (a->kind == SLK_VOTE_NULLIFY && b->kind == SLK_VOTE_FINALIZE) ||
                   (a->kind == SLK_VOTE_FINALIZE && b->kind == SLK_VOTE_NULLIFY);

    return (crossed && a->view == b->view) ||
           (a->kind == b->kind && (a->view == b->view || a->kind == SLK_VOTE_FINALIZE) &&
               !slk_hash_equal(&a->hash, &b->hash));
}

static bool pair_sound(const struct slk_vote *a, const struct slk_vote *b)
{
    return statement_sound(&a->statement, SLK_VIEW_MAX) && statement_sound(&b->statement, SLK_VIEW_MAX) &&
           a->signer == b->signer && a->signer < SLK_CHARTER_VOTING_MAX &&
           a->statement.height == b->statement.height && contradict(&a->statement, &b->statement);
}

static void write_vote(struct slk_writer *w, const struct slk_vote *vote)
{
    slk_write_u8(w, (uint8_t)vote->statement.kind);
    slk_write_u32(w, vote->statement.view);
    slk_write_u32(w, vote->statement.aux);
    slk_write_bytes(w, vote->statement.hash.b, SLK_HASH_SIZE);
    slk_write_bytes(w, vote->sig, SLK_SIGNATURE_SIZE);
}

static void read_vote(struct slk_vote *out, struct slk_reader *r, uint64_t height, uint16_t signer)
{
    memset(out, 0, sizeof(*out));
    out->signer = signer;
    out->statement.height = height;
    out->statement.kind = (enum slk_vote_kind)slk_read_u8(r);
    out->statement.view = slk_read_u32(r);
    out->statement.aux = slk_read_u32(r);
    slk_read_bytes(r, out->statement.hash.b, SLK_HASH_SIZE);
    slk_read_bytes(r, out->sig, SLK_SIGNATURE_SIZE);
}

void slk_evidence_form(uint8_t key[SLK_EVIDENCE_KEY], uint8_t value[SLK_EVIDENCE_SIZE],
    const struct slk_vote *first, const struct slk_vote *second)
{
    struct slk_writer k = {.at = key, .cap = SLK_EVIDENCE_KEY}, v = {.at = value, .cap = SLK_EVIDENCE_SIZE};

    assert(pair_sound(first, second));
    slk_write_u64(&k, first->statement.height);
    slk_write_u16(&k, first->signer);
    write_vote(&v, first);
    write_vote(&v, second);
    assert(!k.bad && !v.bad && k.size == SLK_EVIDENCE_KEY && v.size + SLK_HASH_SIZE == SLK_EVIDENCE_SIZE);
    (void)slk_check_form(slk_span_of(key, k.size), value, v.size);
}

bool slk_evidence_unform(
    struct slk_vote *first, struct slk_vote *second, struct slk_span key, struct slk_span value)
{
    struct slk_reader k = {.rest = key}, v;
    uint64_t height = slk_read_u64(&k);
    uint16_t signer = slk_read_u16(&k);

    if (!take_check(key, &value))
        return false;
    v = (struct slk_reader){.rest = value};
    read_vote(first, &v, height, signer);
    read_vote(second, &v, height, signer);
    return slk_read_done(&k) && slk_read_done(&v) && pair_sound(first, second);
}
