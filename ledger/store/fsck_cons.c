/* fsck_cons.c: finality certificates, and what agreement keeps for the height after the tip (cons.h). */
#include "ledger/store/fsck.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- finality certificates ---- */

enum slk_err slk_fsck_finality(struct slk_fsck *f, const char *where, uint64_t height,
    const struct slk_hash *block_hash, const struct slk_council *council, struct slk_buffer *buffer)
{
    const struct slk_place *place = slk_fsck_find(f, SLK_BASE_FCERT, height);
    const char *what = NULL;
    struct slk_cert cert;
    enum slk_err err;

    if (height == 0) {
        if (place != NULL)
            slk_fsck_tell(f, where, "it has a finality certificate, which no charter's members could give");
        return SLK_OK;
    }
    if (place == NULL || place->size > SLK_CERT_FORM_MAX) {
        slk_fsck_tell(f, where, "its finality certificate is missing");
        return SLK_OK;
    }
    err = slk_fsck_read(f, place, buffer);
    if (err == SLK_E_NOMEM)
        return err;
    if (err != SLK_OK || !slk_cert_unform(&cert, slk_span_of(buffer->at, (size_t)place->size)) ||
        cert.kind != SLK_VOTE_FINALIZE || cert.height != height)
        what = "its finality certificate cannot be read";
    else if (!slk_hash_equal(&cert.hash, block_hash))
        what = "its finality certificate is of another block";
    else if (council != NULL && !slk_cert_check(&cert, council, &slk_verifier_ed25519))
        what = "its finality certificate is not signed by a quorum of the charter's members";
    if (what != NULL)
        slk_fsck_tell(f, where, "%s", what);
    return SLK_OK;
}

/* ---- the height after the tip ---- */

struct after {
    struct slk_fsck *f;
    const struct slk_council *council;
    const struct slk_log *log;
    uint64_t height;
    size_t candidates_n;
    struct slk_hash candidates[SLK_BFT_RECORDS];
    struct slk_submission scratch;
    struct slk_cert cert;
    uint8_t *value;
    size_t value_cap;
};

typedef enum slk_err check_fn(struct after *a, struct slk_span key, struct slk_span value);

static void tell(struct after *a, enum slk_base base, struct slk_span key, const char *what)
{
    char hex[2 * SLK_HASH_SIZE + 1];
    size_t n = key.size < SLK_HASH_SIZE ? key.size : SLK_HASH_SIZE;

    slk_hex_format(hex, key.at, n);
    hex[2 * n] = '\0';
    slk_fsck_tell(a->f, slk_base_names[base], "key %s %s", hex, what);
}

/* The entries of a candidate, appended to the log as it is, must lead to the root in its header. */
static bool leads_to_root(
    const struct after *a, const struct slk_block_header *header, struct slk_span body, enum slk_err *err)
{
    struct slk_log *log = malloc(sizeof(*log));
    struct slk_reader r = {.rest = body};
    struct slk_hash leaf, root = slk_hash_zero;

    if (log == NULL) {
        *err = SLK_E_NOMEM;
        return true;
    }
    *log = *a->log;
    while (!r.bad && r.rest.size > 0) {
        struct slk_span entry = slk_read_span(&r, slk_read_u16(&r));

        slk_hash_leaf(&leaf, entry.at, entry.size);
        slk_log_append(log, &leaf, 1, NULL, NULL);
    }
    if (!r.bad && log->size == header->log_size)
        slk_log_root(log, &root);
    free(log);
    return slk_hash_equal(&root, &header->log_root);
}

static enum slk_err check_candidate(struct after *a, struct slk_span key, struct slk_span value)
{
    struct slk_block_header header;
    enum slk_err err = SLK_OK;
    struct slk_span body;

    if (!slk_candidate_unform(&header, &body, key, value)) {
        tell(a, SLK_BASE_CAND, key, "is not the hash of what is stored there");
        return SLK_OK;
    }
    if (header.height != a->height || !slk_hash_equal(&header.previous, &a->f->tip.block_hash))
        tell(a, SLK_BASE_CAND, key, "is a block that does not follow the tip");
    else if (a->log != NULL && !leads_to_root(a, &header, body, &err))
        tell(a, SLK_BASE_CAND, key, "holds entries that do not lead to the log root in its header");
    if (a->candidates_n < SLK_BFT_RECORDS)
        memcpy(a->candidates[a->candidates_n++].b, key.at, SLK_HASH_SIZE);
    return err;
}

static bool is_candidate(const struct after *a, const struct slk_hash *hash)
{
    for (size_t i = 0; i < a->candidates_n; i++)
        if (slk_hash_equal(&a->candidates[i], hash))
            return true;
    return false;
}

/* Rule P: who voted for a block has it. */
static enum slk_err check_record(struct after *a, struct slk_span key, struct slk_span value)
{
    struct slk_bft_record record;
    const struct slk_statement *s = &record.vote;

    if (!slk_cons_unform(&record, &a->cert, key, value))
        tell(a, SLK_BASE_CONS, key, "holds no record");
    else if (record.kind == SLK_RECORD_VOTE && s->height != a->height)
        tell(a, SLK_BASE_CONS, key, "holds a vote of another height than the one being decided");
    else if (record.kind == SLK_RECORD_VOTE && s->kind != SLK_VOTE_NULLIFY && !is_candidate(a, &s->hash))
        tell(a, SLK_BASE_CONS, key, "holds a vote for a block that is not stored");
    else if (record.kind == SLK_RECORD_CERT && a->cert.height != a->height)
        tell(a, SLK_BASE_CONS, key, "holds a certificate of another height than the one being decided");
    else if (record.kind == SLK_RECORD_CERT && a->council != NULL &&
             !slk_cert_check(&a->cert, a->council, &slk_verifier_ed25519))
        tell(a, SLK_BASE_CONS, key, "holds a certificate that no quorum of the charter's members signed");
    return SLK_OK;
}

static enum slk_err check_pooled(struct after *a, struct slk_span key, struct slk_span value)
{
    struct slk_pooled item;
    enum slk_err err = slk_pooled_unform(&item, &a->scratch, &a->f->chain_id, key, value);

    if (err == SLK_E_CORRUPT)
        tell(a, SLK_BASE_POOL, key, "is not the id of the submission stored there, or that is damaged");
    return err == SLK_E_NOMEM ? err : SLK_OK;
}

static enum slk_err check_pair(struct after *a, struct slk_span key, struct slk_span value)
{
    struct slk_vote first, second;

    if (!slk_evidence_unform(&first, &second, key, value))
        tell(a, SLK_BASE_EVIDENCE, key, "holds no two statements that contradict each other");
    return SLK_OK;
}

/* ---- walking a data base ---- */

static enum slk_err read_value(struct after *a, const struct slk_lmdb_value *value, bool *good)
{
    *good = value->size <= a->f->file.size;
    if (*good && (value->size > a->value_cap || a->value == NULL)) {
        free(a->value);
        a->value_cap = value->size + 64;
        a->value = malloc(a->value_cap);
        if (a->value == NULL) {
            a->value_cap = 0;
            return SLK_E_NOMEM;
        }
    }
    *good = *good && slk_lmdb_read(&a->f->file, value->offset, a->value, value->size);
    return SLK_OK;
}

static enum slk_err walk_items(
    struct after *a, enum slk_base base, check_fn *check, struct slk_lmdb_cursor *c)
{
    struct slk_lmdb_value value;
    enum slk_err err = SLK_OK;

    while (err == SLK_OK && slk_lmdb_next(c, &value)) {
        struct slk_span key = slk_span_of(c->key, c->key_size);
        bool good;

        err = read_value(a, &value, &good);
        if (err == SLK_OK && good)
            err = check(a, key, slk_span_of(a->value, value.size));
        else if (err == SLK_OK)
            tell(a, base, key, "cannot be read");
    }
    return err;
}

static enum slk_err walk_base(struct after *a, enum slk_base base, check_fn *check)
{
    struct slk_lmdb_tree tree;
    struct slk_lmdb_cursor *c;
    enum slk_err err = slk_lmdb_find(&a->f->file, slk_base_names[base], &tree);

    if (err == SLK_E_NOT_FOUND) {
        slk_fsck_tell(a->f, slk_base_names[base], "the data base is missing");
        return SLK_OK;
    }
    if (err != SLK_OK)
        return err;
    c = malloc(sizeof(*c));
    if (c == NULL)
        return SLK_E_NOMEM;
    err = slk_lmdb_cursor_init(c, &a->f->file, slk_base_names[base], &tree);
    if (err == SLK_OK)
        err = walk_items(a, base, check, c);
    else if (err == SLK_E_CORRUPT)
        err = SLK_OK; /* the walk over all pages told */
    slk_lmdb_cursor_close(c);
    free(c);
    return err;
}

enum slk_err slk_fsck_cons(struct slk_fsck *f, const struct slk_council *council, const struct slk_log *log)
{
    static const struct {
        enum slk_base base;
        check_fn *check;
    } all[] = {{SLK_BASE_CAND, check_candidate}, {SLK_BASE_CONS, check_record}, {SLK_BASE_POOL, check_pooled},
        {SLK_BASE_EVIDENCE, check_pair}};
    struct after *a = calloc(1, sizeof(*a));
    enum slk_err err = SLK_OK;

    if (a == NULL)
        return SLK_E_NOMEM;
    a->f = f;
    a->council = council;
    a->log = log;
    a->height = f->has_tip ? f->tip.height + 1 : 0;
    for (size_t i = 0; err == SLK_OK && i < sizeof all / sizeof all[0]; i++)
        err = walk_base(a, all[i].base, all[i].check);
    slk_submission_free(&a->scratch);
    free(a->value);
    free(a);
    return err;
}
