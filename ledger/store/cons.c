/* cons.c: see cons.h. */
#include "ledger/store/internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_EACH ((size_t)4096) /* a small value, with what its page costs at worst */

/* "cons, key 01000000...: does not ..." */
static enum slk_err damaged(
    struct slk_fault *fault, enum slk_base base, struct slk_span key, const char *what)
{
    char hex[2 * SLK_HASH_SIZE + 1];
    size_t n = key.size < SLK_HASH_SIZE ? key.size : SLK_HASH_SIZE;

    slk_hex_format(hex, key.at, n);
    hex[2 * n] = '\0';
    slk_fault_set(fault, "%s, key %s: %s; run `sillok fsck`", slk_base_names[base], hex, what);
    return SLK_E_CORRUPT;
}

/* ---- writing records ---- */

struct persist {
    const struct slk_bft_record *records;
    size_t n;
    slk_body_fn *body;
    void *body_ctx;
};

/* Writes what is not there; what is there must be the same: a vote is given once. */
static int put_once(
    MDB_txn *txn, MDB_dbi base, const uint8_t *key, size_t key_size, const uint8_t *value, size_t size)
{
    MDB_val k = {key_size, (void *)(uintptr_t)key};
    MDB_val v = {size, (void *)(uintptr_t)value};
    int rc = mdb_put(txn, base, &k, &v, MDB_NOOVERWRITE);

    if (rc != MDB_KEYEXIST)
        return rc;
    return v.mv_size == size && memcmp(v.mv_data, value, size) == 0 ? 0 : MDB_KEYEXIST;
}

static int put_candidate(
    struct slk_env *env, MDB_txn *txn, const struct slk_bft_record *record, struct slk_span body)
{
    MDB_val k = {SLK_HASH_SIZE, (void *)(uintptr_t)record->hash.b};
    MDB_val v = {SLK_BLOCK_HEADER_SIZE + body.size, NULL};
    int rc = mdb_put(txn, env->base[SLK_BASE_CAND], &k, &v, MDB_RESERVE | MDB_NOOVERWRITE);

    if (rc == MDB_KEYEXIST)
        return 0; /* the key is the hash of all of it */
    if (rc != 0)
        return rc;
    memcpy(v.mv_data, record->header, SLK_BLOCK_HEADER_SIZE);
    if (body.size > 0)
        memcpy((uint8_t *)v.mv_data + SLK_BLOCK_HEADER_SIZE, body.at, body.size);
    return 0;
}

static void check_candidate(
    const struct slk_store *store, const struct slk_bft_record *record, struct slk_span body)
{
    struct slk_block_header header;
    struct slk_hash hash;
    enum slk_err err = slk_block_header_parse(&header, record->header);

    slk_block_hash(&hash, record->header);
    assert(err == SLK_OK && slk_hash_equal(&hash, &record->hash));
    assert(header.height == store->tip.height + 1 && header.body_bytes == body.size);
    (void)store, (void)err;
}

static int put_record(
    struct slk_store *store, MDB_txn *txn, const struct persist *p, const struct slk_bft_record *record)
{
    uint8_t key[SLK_CONS_KEY_MAX], value[SLK_CONS_FORM_MAX];
    struct slk_span body;
    size_t key_size, size;
    bool is_there;
    int rc;

    if (record->kind == SLK_RECORD_BLOCK) {
        is_there = p->body(p->body_ctx, &record->hash, &body);
        assert(is_there); /* nobody votes for a block that he has not executed */
        (void)is_there;
        check_candidate(store, record, body);
        return put_candidate(store->env, txn, record, body);
    }
    assert(record->kind != SLK_RECORD_VOTE || record->vote.height == store->tip.height + 1);
    assert(record->kind != SLK_RECORD_CERT || record->cert->height == store->tip.height + 1);
    key_size = slk_cons_form(key, value, &size, record);
    if (record->kind == SLK_RECORD_MUTED) /* another key, or all of them */
        return slk_env_put(txn, store->env->base[SLK_BASE_CONS], key, key_size, value, size);
    rc = put_once(txn, store->env->base[SLK_BASE_CONS], key, key_size, value, size);
    /* The same certificate with other signers says the same. */
    return rc == MDB_KEYEXIST && record->kind == SLK_RECORD_CERT ? 0 : rc;
}

static int write_records(struct slk_store *store, MDB_txn *txn, const void *what)
{
    const struct persist *p = what;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < p->n; i++)
        rc = put_record(store, txn, p, &p->records[i]);
    return rc;
}

enum slk_err slk_store_persist(struct slk_store *store, const struct slk_bft_record *records, size_t n,
    slk_body_fn *body, void *body_ctx, struct slk_fault *fault)
{
    struct persist p = {.records = records, .n = n, .body = body, .body_ctx = body_ctx};
    size_t room = 0;

    assert(store->has_tip && n <= SLK_BFT_RECORDS);
    for (size_t i = 0; i < n; i++)
        room += ROOM_EACH + (records[i].kind == SLK_RECORD_BLOCK ? SLK_BLOCK_BYTES_MAX : 0);
    return slk_store_write(store, room, write_records, &p, fault);
}

int slk_cons_drop(struct slk_env *env, MDB_txn *txn)
{
    static const uint8_t key[] = {SLK_RECORD_MUTED};
    uint8_t value[SLK_CONS_FORM_MAX];
    MDB_val k = {sizeof(key), (void *)(uintptr_t)key}, v;
    MDB_stat stat;
    bool is_muted;
    int rc = mdb_stat(txn, env->base[SLK_BASE_CONS], &stat);

    if (rc == 0 && stat.ms_entries > 0) {
        rc = mdb_get(txn, env->base[SLK_BASE_CONS], &k, &v);
        is_muted = rc == 0 && v.mv_size <= sizeof(value);
        if (is_muted)
            memcpy(value, v.mv_data, v.mv_size); /* the page goes */
        if (rc == 0 || rc == MDB_NOTFOUND)
            rc = mdb_drop(txn, env->base[SLK_BASE_CONS], 0);
        if (rc == 0 && is_muted)
            rc = slk_env_put(txn, env->base[SLK_BASE_CONS], key, sizeof(key), value, v.mv_size);
    }
    if (rc == 0)
        rc = mdb_stat(txn, env->base[SLK_BASE_CAND], &stat);
    if (rc == 0 && stat.ms_entries > 0)
        rc = mdb_drop(txn, env->base[SLK_BASE_CAND], 0);
    return rc;
}

/* ---- reading them back ---- */

/* Steps through a data base; SLK_E_NOT_FOUND at its end. */
static enum slk_err next_item(MDB_cursor *cursor, bool *begun, struct slk_span *key, struct slk_span *value)
{
    MDB_val k, v;
    int rc = mdb_cursor_get(cursor, &k, &v, *begun ? MDB_NEXT : MDB_FIRST);

    *begun = true;
    if (rc == 0) {
        *key = slk_span_of(k.mv_data, k.mv_size);
        *value = slk_span_of(v.mv_data, v.mv_size);
    }
    return slk_env_err(rc);
}

typedef enum slk_err item_fn(void *ctx, struct slk_span key, struct slk_span value);

static enum slk_err for_each(struct slk_view *view, enum slk_base base, item_fn *item, void *ctx)
{
    struct slk_span key = {0}, value = {0};
    MDB_cursor *cursor;
    bool begun = false;
    enum slk_err err = slk_view_cursor(view, base, &cursor);

    while (err == SLK_OK && (err = next_item(cursor, &begun, &key, &value)) == SLK_OK)
        err = item(ctx, key, value);
    return err == SLK_E_NOT_FOUND ? SLK_OK : err;
}

struct load {
    struct slk_cons *out;
    uint64_t height;
    size_t certs_n, headers_n;
    struct slk_fault *fault;
};

static enum slk_err load_record(void *ctx, struct slk_span key, struct slk_span value)
{
    struct load *l = ctx;
    struct slk_bft_record *record = &l->out->records[l->out->n];
    struct slk_cert *cert = &l->out->certs[l->certs_n];

    if (!slk_cons_unform(record, cert, key, value))
        return damaged(l->fault, SLK_BASE_CONS, key, "is no record");
    if ((record->kind == SLK_RECORD_VOTE && record->vote.height != l->height) ||
        (record->kind == SLK_RECORD_CERT && cert->height != l->height))
        return damaged(l->fault, SLK_BASE_CONS, key, "is of another height than the one being decided");
    l->certs_n += record->kind == SLK_RECORD_CERT;
    l->out->n++;
    return SLK_OK;
}

static enum slk_err load_candidate(void *ctx, struct slk_span key, struct slk_span value)
{
    struct load *l = ctx;
    struct slk_bft_record *record = &l->out->records[l->out->n];
    struct slk_block_header header;
    struct slk_span body;

    if (!slk_candidate_unform(&header, &body, key, value))
        return damaged(l->fault, SLK_BASE_CAND, key, "is not the block of this hash");
    if (header.height != l->height)
        return damaged(l->fault, SLK_BASE_CAND, key, "is of another height than the one being decided");
    memcpy(l->out->headers[l->headers_n], value.at, SLK_BLOCK_HEADER_SIZE);
    memset(record, 0, sizeof(*record));
    record->kind = SLK_RECORD_BLOCK;
    record->header = l->out->headers[l->headers_n++];
    memcpy(record->hash.b, key.at, SLK_HASH_SIZE);
    l->out->n++;
    return SLK_OK;
}

static enum slk_err items_n(struct slk_view *view, enum slk_base base, size_t *n)
{
    MDB_stat stat;
    int rc = mdb_stat(view->txn, view->env->base[base], &stat);

    *n = rc == 0 ? stat.ms_entries : 0;
    return slk_env_err(rc);
}

enum slk_err slk_view_cons(struct slk_view *view, struct slk_cons *out, struct slk_fault *fault)
{
    struct load l = {.out = out, .fault = fault};
    size_t records_n = 0, blocks_n = 0;
    enum slk_err err = items_n(view, SLK_BASE_CONS, &records_n);

    memset(out, 0, sizeof(*out));
    l.height = view->has_tip ? view->tip.height + 1 : 0;
    if (err == SLK_OK)
        err = items_n(view, SLK_BASE_CAND, &blocks_n);
    if (err == SLK_OK && (records_n > SLK_BFT_RECORDS || blocks_n > SLK_BFT_RECORDS - records_n)) {
        slk_fault_set(fault, "cons and cand hold more than one height can take; run `sillok fsck`");
        return SLK_E_CORRUPT;
    }
    if (err != SLK_OK)
        return err;
    out->records = calloc(records_n + blocks_n + 1, sizeof(*out->records));
    out->certs = calloc(records_n + 1, sizeof(*out->certs)); /* one place is tried for every item */
    out->headers = calloc(blocks_n + 1, sizeof(*out->headers));
    if (out->records == NULL || out->certs == NULL || out->headers == NULL)
        err = SLK_E_NOMEM;
    if (err == SLK_OK)
        err = for_each(view, SLK_BASE_CONS, load_record, &l);
    if (err == SLK_OK)
        err = for_each(view, SLK_BASE_CAND, load_candidate, &l);
    assert(out->n <= records_n + blocks_n);
    if (err != SLK_OK)
        slk_cons_free(out);
    return err;
}

void slk_cons_free(struct slk_cons *cons)
{
    free(cons->records);
    free(cons->certs);
    free(cons->headers);
    memset(cons, 0, sizeof(*cons));
}

enum slk_err slk_view_candidate(struct slk_view *view, const struct slk_hash *hash, const uint8_t **header,
    struct slk_span *body, struct slk_fault *fault)
{
    struct slk_span key = slk_span_of(hash->b, SLK_HASH_SIZE), value;
    struct slk_block_header fields;
    enum slk_err err = slk_view_get(view, SLK_BASE_CAND, hash->b, SLK_HASH_SIZE, &value);

    if (err == SLK_OK && !slk_candidate_unform(&fields, body, key, value))
        err = damaged(fault, SLK_BASE_CAND, key, "is not the block of this hash");
    *header = err == SLK_OK ? value.at : NULL;
    return err;
}

/* ---- the pool ---- */

struct pool_write {
    const struct slk_pooled *items;  /* to put, or */
    const struct slk_pooled_id *ids; /* to remove */
    size_t n;
};

static int put_pooled(struct slk_store *store, MDB_txn *txn, const void *what)
{
    const struct pool_write *p = what;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < p->n; i++) {
        const struct slk_pooled *item = &p->items[i];
        uint8_t key[SLK_POOLED_KEY];
        MDB_val k = {sizeof(key), key};
        size_t size = SLK_POOLED_HEAD + item->receipt.size + item->submission.size;
        MDB_val v = {size + SLK_HASH_SIZE, NULL};
        uint8_t *at;

        slk_pooled_key(key, &item->id);
        rc = mdb_put(txn, store->env->base[SLK_BASE_POOL], &k, &v, MDB_RESERVE);
        if (rc != 0)
            break;
        at = v.mv_data;
        slk_put_u64(at, item->order);
        at[8] = (uint8_t)(item->receipt.size >> 8);
        at[9] = (uint8_t)item->receipt.size;
        if (item->receipt.size > 0)
            memcpy(at + SLK_POOLED_HEAD, item->receipt.at, item->receipt.size);
        memcpy(at + SLK_POOLED_HEAD + item->receipt.size, item->submission.at, item->submission.size);
        (void)slk_check_form(slk_span_of(key, sizeof(key)), at, size);
    }
    return rc;
}

enum slk_err slk_store_pool_put(
    struct slk_store *store, const struct slk_pooled *items, size_t n, struct slk_fault *fault)
{
    struct pool_write p = {.items = items, .n = n};
    size_t room = 0;

    for (size_t i = 0; i < n; i++) {
        assert(items[i].submission.size > 0 && items[i].submission.size <= SLK_SUBMISSION_BYTES_MAX);
        assert(items[i].receipt.size <= SLK_RECEIPT_MAX);
        room += ROOM_EACH + items[i].receipt.size + items[i].submission.size;
    }
    return slk_store_write(store, room, put_pooled, &p, fault);
}

int slk_pool_take(struct slk_env *env, MDB_txn *txn, const struct slk_pooled_id *ids, size_t n)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++) {
        uint8_t key[SLK_POOLED_KEY];
        MDB_val k = {sizeof(key), key};

        slk_pooled_key(key, &ids[i]);
        rc = mdb_del(txn, env->base[SLK_BASE_POOL], &k, NULL);
        if (rc == MDB_NOTFOUND)
            rc = 0;
    }
    return rc;
}

static int remove_pooled(struct slk_store *store, MDB_txn *txn, const void *what)
{
    const struct pool_write *p = what;

    return slk_pool_take(store->env, txn, p->ids, p->n);
}

enum slk_err slk_store_pool_remove(
    struct slk_store *store, const struct slk_pooled_id *ids, size_t n, struct slk_fault *fault)
{
    struct pool_write p = {.ids = ids, .n = n};

    return slk_store_write(store, ROOM_EACH, remove_pooled, &p, fault);
}

struct pool_read {
    const struct slk_hash *chain_id;
    struct slk_submission scratch;
    slk_pooled_fn *item;
    void *ctx;
    struct slk_fault *fault;
};

static enum slk_err read_pooled(void *ctx, struct slk_span key, struct slk_span value)
{
    struct pool_read *p = ctx;
    struct slk_pooled item;
    enum slk_err err = slk_pooled_unform(&item, &p->scratch, p->chain_id, key, value);

    if (err == SLK_E_CORRUPT)
        return damaged(p->fault, SLK_BASE_POOL, key, "is not the submission of this id");
    return err == SLK_OK ? p->item(p->ctx, &item) : err;
}

enum slk_err slk_view_pool(struct slk_view *view, slk_pooled_fn *item, void *ctx, struct slk_fault *fault)
{
    struct pool_read p = {.chain_id = &view->store->chain_id, .item = item, .ctx = ctx, .fault = fault};
    enum slk_err err = for_each(view, SLK_BASE_POOL, read_pooled, &p);

    slk_submission_free(&p.scratch);
    return err;
}

/* ---- evidence ---- */

struct pair {
    uint8_t key[SLK_EVIDENCE_KEY], value[SLK_EVIDENCE_SIZE];
};

static int put_pair(struct slk_store *store, MDB_txn *txn, const void *what)
{
    const struct pair *pair = what;

    return slk_env_put(txn, store->env->base[SLK_BASE_EVIDENCE], pair->key, sizeof(pair->key), pair->value,
        sizeof(pair->value));
}

enum slk_err slk_store_put_evidence(struct slk_store *store, const struct slk_vote *first,
    const struct slk_vote *second, struct slk_fault *fault)
{
    struct slk_view *view;
    struct slk_span value;
    struct pair pair;
    size_t n = 0;
    enum slk_err err;

    slk_evidence_form(pair.key, pair.value, first, second);
    err = slk_view_begin(&view, store);
    if (err != SLK_OK)
        return err;
    err = slk_view_get(view, SLK_BASE_EVIDENCE, pair.key, sizeof(pair.key), &value);
    if (err == SLK_OK)
        err = SLK_E_EXISTS;
    else if (err == SLK_E_NOT_FOUND)
        err = items_n(view, SLK_BASE_EVIDENCE, &n);
    slk_view_end(view);
    if (err == SLK_OK && n >= SLK_EVIDENCE_MAX)
        err = SLK_E_TOO_LARGE;
    return err == SLK_OK ? slk_store_write(store, ROOM_EACH, put_pair, &pair, fault) : err;
}

struct evidence_read {
    slk_evidence_fn *item;
    void *ctx;
    struct slk_fault *fault;
};

static enum slk_err read_pair(void *ctx, struct slk_span key, struct slk_span value)
{
    struct evidence_read *e = ctx;
    struct slk_vote first, second;

    if (!slk_evidence_unform(&first, &second, key, value))
        return damaged(e->fault, SLK_BASE_EVIDENCE, key, "is no pair that contradicts itself");
    return e->item(e->ctx, &first, &second);
}

enum slk_err slk_view_evidence(
    struct slk_view *view, slk_evidence_fn *item, void *ctx, struct slk_fault *fault)
{
    struct evidence_read e = {.item = item, .ctx = ctx, .fault = fault};

    return for_each(view, SLK_BASE_EVIDENCE, read_pair, &e);
}
