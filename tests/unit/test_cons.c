/* test_cons.c: what agreement keeps on disk: records, candidates, pool, evidence, finality certificates. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/store_fixture.h"

#define HEIGHT 3 /* being decided in the ledgers below */

/* A ledger whose next block exists, but is not committed. */
struct open_height {
    char dir[256];
    struct maker *m; /* its last block is the next one */
    struct slk_store *store;
};

static void open_height(struct open_height *o, const char *name)
{
    memset(o, 0, sizeof *o);
    (void)snprintf(o->dir, sizeof o->dir, "%s", in_base(name));
    o->m = maker_new(7, SMALL);
    o->store = create(o->dir, o->m, NULL);
    for (int i = 0; i < HEIGHT; i++)
        commit(o->store, maker_next(o->m));
    (void)maker_next(o->m);
    assert_int_equal(o->m->block.header.height, HEIGHT);
}

static void close_height(struct open_height *o)
{
    slk_store_close(o->store);
    maker_free(o->m);
}

static void open_again(struct open_height *o)
{
    slk_store_close(o->store);
    o->store = reopen(o->dir, false);
}

static bool body_of(void *ctx, const struct slk_hash *hash, struct slk_span *body)
{
    const struct maker *m = ctx;

    *body = slk_span_of(m->block.entries, m->block.entries_size);
    return slk_hash_equal(hash, &m->tip.block_hash);
}

static enum slk_err persist(struct open_height *o, const struct slk_bft_record *records, size_t n)
{
    struct slk_fault fault = {0};

    return slk_store_persist(o->store, records, n, body_of, o->m, &fault);
}

static struct slk_bft_record vote(enum slk_vote_kind kind, uint32_t view, const struct slk_hash *hash)
{
    return (struct slk_bft_record){
        .kind = SLK_RECORD_VOTE, .vote = {.kind = kind, .height = HEIGHT, .view = view, .hash = *hash}};
}

static struct slk_bft_record certificate(const struct slk_cert *cert)
{
    return (struct slk_bft_record){.kind = SLK_RECORD_CERT, .cert = cert};
}

static struct slk_bft_record block_of(const struct maker *m)
{
    return (struct slk_bft_record){
        .kind = SLK_RECORD_BLOCK, .hash = m->tip.block_hash, .header = m->block.header_bytes};
}

static struct slk_cons load(struct slk_store *store)
{
    struct slk_view *view = view_of(store);
    struct slk_fault fault = {0};
    struct slk_cons cons;
    enum slk_err err = slk_view_cons(view, &cons, &fault);

    slk_view_end(view);
    if (err != SLK_OK)
        fail_msg("load: %s: %s", slk_err_name(err), fault.text);
    return cons;
}

static bool same_record(const struct slk_bft_record *a, const struct slk_bft_record *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case SLK_RECORD_VOTE:
        return a->vote.kind == b->vote.kind && a->vote.height == b->vote.height &&
               a->vote.view == b->vote.view && a->vote.aux == b->vote.aux &&
               slk_hash_equal(&a->vote.hash, &b->vote.hash);
    case SLK_RECORD_CERT:
        return memcmp(a->cert, b->cert, offsetof(struct slk_cert, sigs)) == 0 &&
               memcmp(a->cert->sigs, b->cert->sigs,
                   slk_bits_n(a->cert->signers) * (size_t)SLK_SIGNATURE_SIZE) == 0;
    case SLK_RECORD_BLOCK:
        return slk_hash_equal(&a->hash, &b->hash) && memcmp(a->header, b->header, SLK_BLOCK_HEADER_SIZE) == 0;
    case SLK_RECORD_MUTED:
        return slk_hash_equal(&a->hash, &b->hash);
    }
    return false;
}

static void expect_records(struct slk_store *store, const struct slk_bft_record *records, size_t n)
{
    struct slk_cons cons = load(store);
    size_t found = 0;

    assert_int_equal(cons.n, n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            found += same_record(&records[i], &cons.records[j]);
    assert_int_equal(found, n);
    slk_cons_free(&cons);
}

/* ---- records ---- */

#define ALL_N 8
static struct slk_cert notarized, nullified; /* what certificate() points to */

/* One of each kind, of two views. */
static void all_records(const struct open_height *o, struct slk_bft_record out[ALL_N])
{
    const struct slk_hash *hash = &o->m->tip.block_hash;

    maker_certify(o->m, &notarized, SLK_VOTE_NOTARIZE, HEIGHT, 1, hash);
    maker_certify(o->m, &nullified, SLK_VOTE_NULLIFY, HEIGHT, 1, &slk_hash_zero);
    out[0] = vote(SLK_VOTE_NOTARIZE, 1, hash);
    out[1] = vote(SLK_VOTE_NULLIFY, 1, &slk_hash_zero);
    out[2] = vote(SLK_VOTE_PROPOSE, 2, hash);
    out[2].vote.aux = 1;
    out[3] = vote(SLK_VOTE_FINALIZE, SLK_BFT_VIEWS, hash);
    out[4] = certificate(&notarized);
    out[5] = certificate(&nullified);
    out[6] = block_of(o->m);
    out[7] = (struct slk_bft_record){.kind = SLK_RECORD_MUTED, .hash = {{7}}};
}

static void records_come_back_as_they_were(void **state)
{
    struct slk_bft_record all[ALL_N];
    struct open_height o;
    struct slk_view *view;
    const uint8_t *header;
    struct slk_span body;

    (void)state;
    open_height(&o, "round");
    expect_records(o.store, NULL, 0);
    all_records(&o, all);
    assert_int_equal(persist(&o, all, 4), SLK_OK);
    expect_records(o.store, all, 4);
    assert_int_equal(persist(&o, all, ALL_N), SLK_OK); /* what is there already stays */
    expect_records(o.store, all, ALL_N);
    open_again(&o);
    expect_records(o.store, all, ALL_N);
    view = view_of(o.store);
    assert_int_equal(slk_view_candidate(view, &o.m->tip.block_hash, &header, &body, NULL), SLK_OK);
    assert_memory_equal(header, o.m->block.header_bytes, SLK_BLOCK_HEADER_SIZE);
    assert_true(slk_span_equal(body, slk_span_of(o.m->block.entries, o.m->block.entries_size)));
    assert_int_equal(slk_view_candidate(view, &o.m->chain_id, &header, &body, NULL), SLK_E_NOT_FOUND);
    slk_view_end(view);
    close_height(&o);
    expect_sound(o.dir);
}

static void a_vote_that_contradicts_one_on_record_is_refused(void **state)
{
    struct slk_bft_record first, other, again;
    struct open_height o;

    (void)state;
    open_height(&o, "twice");
    first = vote(SLK_VOTE_NOTARIZE, 1, &o.m->tip.block_hash);
    other = vote(SLK_VOTE_NOTARIZE, 1, &o.m->chain_id);
    again = vote(SLK_VOTE_NOTARIZE, 2, &o.m->chain_id);
    assert_int_equal(persist(&o, &first, 1), SLK_OK);
    assert_int_equal(persist(&o, &other, 1), SLK_E_CHAIN);
    assert_int_equal(persist(&o, &again, 1), SLK_E_IO); /* dead: whoever asks for that must stop */
    open_again(&o);
    expect_records(o.store, &first, 1);
    assert_int_equal(persist(&o, &again, 1), SLK_OK);
    close_height(&o);
}

/* One transaction: the second of its records is refused, and the first is not there either. */
static void one_persist_is_there_whole_or_not_at_all(void **state)
{
    struct slk_bft_record first, both[3];
    struct open_height o;

    (void)state;
    open_height(&o, "whole");
    first = vote(SLK_VOTE_NOTARIZE, 1, &o.m->tip.block_hash);
    both[0] = vote(SLK_VOTE_NULLIFY, 1, &slk_hash_zero);
    both[1] = block_of(o.m);
    both[2] = vote(SLK_VOTE_NOTARIZE, 1, &o.m->chain_id);
    assert_int_equal(persist(&o, &first, 1), SLK_OK);
    assert_int_equal(persist(&o, both, 3), SLK_E_CHAIN);
    open_again(&o);
    expect_records(o.store, &first, 1);
    close_height(&o);
}

static void the_commit_that_decides_a_height_drops_its_records_but_not_the_mute(void **state)
{
    struct slk_bft_record all[ALL_N], muted = {.kind = SLK_RECORD_MUTED, .hash = {{7}}};
    struct open_height o;
    struct slk_view *view;
    struct slk_cert cert;

    (void)state;
    open_height(&o, "drops");
    all_records(&o, all);
    assert_int_equal(persist(&o, all, ALL_N), SLK_OK);
    commit(o.store, &o.m->block);
    expect_records(o.store, &muted, 1);
    open_again(&o);
    expect_records(o.store, &muted, 1);
    commit(o.store, maker_next(o.m));
    expect_records(o.store, &muted, 1);
    muted.hash = slk_hash_zero; /* of one key, then of all */
    assert_int_equal(persist(&o, &muted, 1), SLK_OK);
    expect_records(o.store, &muted, 1);
    view = view_of(o.store);
    for (uint64_t h = 0; h <= HEIGHT + 2; h++) {
        enum slk_err err = slk_view_finality(view, h, &cert);

        assert_int_equal(err, h == 0 || h > HEIGHT + 1 ? SLK_E_NOT_FOUND : SLK_OK);
        if (err == SLK_OK)
            assert_true(slk_cert_check(&cert, &o.m->council, &slk_verifier_ed25519));
    }
    slk_view_end(view);
    close_height(&o);
    expect_sound(o.dir);
}

/* Every bit of every item: refused by the reader, by name, and found by fsck. */
static void flip_all_bits(struct open_height *o, enum slk_base base, const void *key, size_t key_size)
{
    struct slk_view *view = view_of(o->store);
    struct slk_span value;
    uint8_t *copy;
    size_t size;

    assert_int_equal(slk_view_get(view, base, key, key_size, &value), SLK_OK);
    size = value.size;
    copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, value.at, size);
    slk_view_end(view);
    slk_store_close(o->store);
    for (size_t bit = 0; bit<8 * size; bit += size> 200 ? 61 : 7) {
        struct slk_fault fault = {0};
        struct findings findings;
        struct slk_cons cons;

        copy[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        put_item(o->dir, slk_base_names[base], key, key_size, copy, size);
        assert_int_equal(fsck(o->dir, &findings), SLK_E_CORRUPT);
        o->store = reopen(o->dir, true);
        view = view_of(o->store);
        if (base == SLK_BASE_CONS) {
            assert_int_equal(slk_view_cons(view, &cons, &fault), SLK_E_CORRUPT);
            assert_true(strncmp(fault.text, "cons, key 0", 11) == 0);
        }
        slk_view_end(view);
        slk_store_close(o->store);
        copy[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    put_item(o->dir, slk_base_names[base], key, key_size, copy, size);
    free(copy);
    expect_sound(o->dir);
    o->store = reopen(o->dir, false);
}

static void a_flipped_bit_in_a_record_is_refused_and_found(void **state)
{
    struct slk_bft_record all[ALL_N];
    struct open_height o;

    (void)state;
    open_height(&o, "bits");
    all_records(&o, all);
    assert_int_equal(persist(&o, all, ALL_N), SLK_OK);
    for (size_t i = 0; i < ALL_N; i++) {
        uint8_t key[SLK_CONS_KEY_MAX], value[SLK_CONS_FORM_MAX];
        size_t size;

        if (all[i].kind == SLK_RECORD_BLOCK)
            flip_all_bits(&o, SLK_BASE_CAND, all[i].hash.b, SLK_HASH_SIZE);
        else
            flip_all_bits(&o, SLK_BASE_CONS, key, slk_cons_form(key, value, &size, &all[i]));
    }
    close_height(&o);
}

static void records_of_another_height_are_refused_and_found(void **state)
{
    uint8_t key[SLK_CONS_KEY_MAX], value[SLK_CONS_FORM_MAX];
    struct slk_bft_record stray;
    struct slk_fault fault = {0};
    struct findings findings;
    struct open_height o;
    struct slk_view *view;
    struct slk_cons cons;
    size_t size, key_size;

    (void)state;
    open_height(&o, "stray");
    stray = vote(SLK_VOTE_NOTARIZE, 1, &o.m->tip.block_hash);
    stray.vote.height = HEIGHT + 1;
    key_size = slk_cons_form(key, value, &size, &stray);
    slk_store_close(o.store);
    put_item(o.dir, "cons", key, key_size, value, size);
    assert_int_equal(fsck(o.dir, &findings), SLK_E_CORRUPT);
    o.store = reopen(o.dir, false);
    view = view_of(o.store);
    assert_int_equal(slk_view_cons(view, &cons, &fault), SLK_E_CORRUPT);
    assert_non_null(strstr(fault.text, "of another height"));
    slk_view_end(view);
    close_height(&o);
}

/* Rule P, seen by fsck: a vote without its block. */
static void fsck_misses_the_block_that_was_voted_for(void **state)
{
    struct slk_bft_record record;
    struct findings findings;
    struct open_height o;

    (void)state;
    open_height(&o, "missing");
    record = vote(SLK_VOTE_NOTARIZE, 1, &o.m->tip.block_hash);
    assert_int_equal(persist(&o, &record, 1), SLK_OK);
    close_height(&o);
    assert_int_equal(fsck(o.dir, &findings), SLK_E_CORRUPT);
    assert_true(strstr(findings.what[0], "a vote for a block that is not stored") != NULL);
}

/* ---- finality certificates ---- */

static void fsck_tells_what_is_wrong_with_a_finality_certificate(void **state)
{
    uint8_t key[8], value[SLK_CERT_FORM_MAX], good[SLK_CERT_FORM_MAX];
    struct slk_fault fault = {0};
    struct findings findings;
    struct open_height o;
    struct slk_cert cert;
    size_t size;

    (void)state;
    open_height(&o, "fcert");
    commit(o.store, &o.m->block);
    slk_put_u64(key, HEIGHT);
    size = slk_cert_form(good, &o.m->finality);
    close_height(&o);
    expect_sound(o.dir);

    put_item(o.dir, "fcert", key, sizeof key, NULL, 0);
    assert_int_equal(fsck(o.dir, &findings), SLK_E_CORRUPT);
    assert_true(has_finding(&findings, "block 3", "its finality certificate is missing"));
    assert_int_equal(slk_store_open(&o.store, o.dir, NULL, &fault), SLK_E_CORRUPT); /* a start looks, too */
    assert_non_null(strstr(fault.text, "block 3"));

    memcpy(value, good, size);
    value[size - 1] ^= 1;
    put_item(o.dir, "fcert", key, sizeof key, value, size);
    assert_int_equal(fsck(o.dir, &findings), SLK_E_CORRUPT);
    assert_true(has_finding(&findings, "block 3", "is not signed by a quorum"));

    put_item(o.dir, "fcert", key, sizeof key, good, size - 1);
    assert_int_equal(fsck(o.dir, &findings), SLK_E_CORRUPT);
    assert_true(has_finding(&findings, "block 3", "cannot be read"));

    assert_true(slk_cert_unform(&cert, slk_span_of(good, size)));
    cert.hash.b[0] ^= 1;
    put_item(o.dir, "fcert", key, sizeof key, value, slk_cert_form(value, &cert));
    assert_int_equal(fsck(o.dir, &findings), SLK_E_CORRUPT);
    assert_true(has_finding(&findings, "block 3", "of another block"));

    assert_true(slk_cert_unform(&cert, slk_span_of(good, size)));
    cert.signers &= cert.signers - 1; /* one good signature less than a quorum */
    memmove(cert.sigs[0], cert.sigs[1], 2 * SLK_SIGNATURE_SIZE);
    put_item(o.dir, "fcert", key, sizeof key, value, slk_cert_form(value, &cert));
    assert_int_equal(fsck(o.dir, &findings), SLK_E_CORRUPT);
    assert_true(has_finding(&findings, "block 3", "is not signed by a quorum"));

    put_item(o.dir, "fcert", key, sizeof key, good, size);
    slk_put_u64(key, HEIGHT + 1);
    put_item(o.dir, "fcert", key, sizeof key, good, size);
    assert_int_equal(fsck(o.dir, &findings), SLK_E_CORRUPT);
    assert_true(has_finding(&findings, "fcert", "after the tip"));
}

static void certificates_are_read_as_they_are_written_and_in_no_other_form(void **state)
{
    uint8_t form[SLK_CERT_FORM_MAX], again[SLK_CERT_FORM_MAX + 1];
    struct open_height o;
    struct slk_cert cert, read;
    size_t size;

    (void)state;
    open_height(&o, "forms");
    maker_certify(o.m, &cert, SLK_VOTE_NOTARIZE, HEIGHT, SLK_VIEW_MAX, &o.m->tip.block_hash);
    size = slk_cert_form(form, &cert);
    for (size_t n = 0; n < size; n++)
        assert_false(slk_cert_unform(&read, slk_span_of(form, n)));
    memcpy(again, form, size);
    again[size] = 0;
    assert_false(slk_cert_unform(&read, slk_span_of(again, size + 1)));
    for (size_t bit = 0; bit < 8 * size; bit++) {
        again[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        if (slk_cert_unform(&read, slk_span_of(again, size))) {
            uint8_t printed[SLK_CERT_FORM_MAX];

            assert_int_equal(slk_cert_form(printed, &read), size);
            assert_memory_equal(printed, again, size);
            assert_false(slk_cert_check(&read, &o.m->council, &slk_verifier_ed25519));
        }
        again[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    close_height(&o);
}

/* ---- the pool ---- */

#define POOLED 40

struct pool {
    struct slk_pooled items[POOLED];
    uint8_t bytes[POOLED][1024];
};

static struct pool *make_pool(const struct maker *m)
{
    static const uint8_t receipt[160] = {7};
    struct pool *p = calloc(1, sizeof *p);

    assert_non_null(p);
    for (unsigned i = 0; i < POOLED; i++) {
        struct slk_pooled *item = &p->items[i];
        size_t size = maker_submission(m, i, p->bytes[i], sizeof p->bytes[i], &item->id.id, item->id.key_id);

        item->submission = slk_span_of(p->bytes[i], size);
        item->order = 1000 - i;
        if (i % 2 == 0)
            item->receipt = slk_span_of(receipt, 1 + 4 * i);
    }
    return p;
}

struct seen {
    const struct pool *p;
    uint64_t bits;
    struct slk_hash last;
};

static enum slk_err see(void *ctx, const struct slk_pooled *item)
{
    struct seen *seen = ctx;

    assert_true(memcmp(seen->last.b, item->id.id.b, SLK_HASH_SIZE) < 0);
    seen->last = item->id.id;
    for (unsigned i = 0; i < POOLED; i++) {
        const struct slk_pooled *is = &seen->p->items[i];

        if (!slk_hash_equal(&is->id.id, &item->id.id))
            continue;
        assert_memory_equal(is->id.key_id, item->id.key_id, SLK_KEY_ID_SIZE);
        assert_int_equal(is->order, item->order);
        assert_true(slk_span_equal(is->submission, item->submission));
        assert_true(slk_span_equal(is->receipt, item->receipt));
        seen->bits |= UINT64_C(1) << i;
    }
    return SLK_OK;
}

static void expect_pool(struct slk_store *store, const struct pool *p, uint64_t bits)
{
    struct slk_view *view = view_of(store);
    struct seen seen = {.p = p};
    struct slk_fault fault = {0};

    assert_int_equal(slk_view_pool(view, see, &seen, &fault), SLK_OK);
    assert_int_equal(seen.bits, bits);
    slk_view_end(view);
}

static void the_pool_keeps_submissions_until_they_are_in_a_block(void **state)
{
    const uint64_t all = (UINT64_C(1) << POOLED) - 1;
    struct slk_pooled_id included[3];
    struct slk_decision decision;
    struct open_height o;
    struct pool *p;

    (void)state;
    open_height(&o, "pool");
    p = make_pool(o.m);
    assert_int_equal(slk_store_pool_put(o.store, p->items, POOLED, NULL), SLK_OK);
    expect_pool(o.store, p, all);
    open_again(&o);
    expect_pool(o.store, p, all);
    p->items[1].receipt = p->items[8].receipt; /* promised later */
    assert_int_equal(slk_store_pool_put(o.store, &p->items[1], 1, NULL), SLK_OK);
    expect_pool(o.store, p, all);
    assert_int_equal(slk_store_pool_remove(o.store, &p->items[5].id, 1, NULL), SLK_OK);
    assert_int_equal(slk_store_pool_remove(o.store, &p->items[5].id, 1, NULL), SLK_OK); /* gone is gone */
    included[0] = p->items[0].id;
    included[1] = p->items[5].id; /* was never here */
    included[2] = p->items[39].id;
    decision = (struct slk_decision){
        .block = &o.m->block, .finality = maker_finality(&o.m->block), .included = included, .included_n = 3};
    assert_int_equal(slk_store_commit(o.store, &decision, NULL), SLK_OK);
    open_again(&o);
    expect_pool(o.store, p, all & ~(UINT64_C(1) | UINT64_C(1) << 5 | UINT64_C(1) << 39));
    included[0].key_id[0] ^= 1; /* the same events under another issuer's signature */
    assert_int_equal(slk_store_pool_remove(o.store, &p->items[2].id, 1, NULL), SLK_OK);
    expect_pool(o.store, p, all & ~(UINT64_C(1) | UINT64_C(1) << 2 | UINT64_C(1) << 5 | UINT64_C(1) << 39));
    close_height(&o);
    expect_sound(o.dir);
    free(p);
}

static enum slk_err ignore(void *ctx, const struct slk_pooled *item)
{
    (void)ctx, (void)item;
    return SLK_OK;
}

static void a_flipped_bit_in_the_pool_is_refused_and_found(void **state)
{
    uint8_t key[SLK_POOLED_KEY];
    struct slk_fault fault = {0};
    struct slk_view *view;
    struct open_height o;
    struct pool *p;

    (void)state;
    open_height(&o, "pool-bits");
    p = make_pool(o.m);
    assert_int_equal(slk_store_pool_put(o.store, p->items, 3, NULL), SLK_OK);
    slk_pooled_key(key, &p->items[2].id);
    flip_all_bits(&o, SLK_BASE_POOL, key, sizeof key);
    slk_store_close(o.store);
    put_item(o.dir, "pool", key, sizeof key, p->bytes[1], 100);
    o.store = reopen(o.dir, false);
    view = view_of(o.store);
    assert_int_equal(slk_view_pool(view, ignore, NULL, &fault), SLK_E_CORRUPT);
    assert_true(strncmp(fault.text, "pool, key ", 10) == 0);
    slk_view_end(view);
    close_height(&o);
    free(p);
}

/* ---- evidence ---- */

struct pairs {
    size_t n;
    struct slk_vote first[4], second[4];
};

static enum slk_err take_pair(void *ctx, const struct slk_vote *first, const struct slk_vote *second)
{
    struct pairs *pairs = ctx;

    if (pairs->n < 4) {
        pairs->first[pairs->n] = *first;
        pairs->second[pairs->n] = *second;
    }
    pairs->n++;
    return SLK_OK;
}

static struct pairs evidence_in(struct slk_store *store)
{
    struct slk_view *view = view_of(store);
    struct pairs pairs = {0};
    struct slk_fault fault = {0};

    assert_int_equal(slk_view_evidence(view, take_pair, &pairs, &fault), SLK_OK);
    slk_view_end(view);
    return pairs;
}

static void make_pair(const struct maker *m, uint64_t height, uint16_t signer, struct slk_vote pair[2])
{
    struct slk_statement s = {.kind = SLK_VOTE_NULLIFY, .height = height, .view = 4};

    maker_vote(m, &pair[0], signer, &s);
    s.kind = SLK_VOTE_FINALIZE;
    s.hash = m->tip.block_hash;
    maker_vote(m, &pair[1], signer, &s);
}

static void evidence_is_kept_once_per_member_and_height_for_ever(void **state)
{
    struct slk_vote a[2], b[2];
    uint8_t key[SLK_EVIDENCE_KEY], value[SLK_EVIDENCE_SIZE];
    struct open_height o;
    struct pairs pairs;

    (void)state;
    open_height(&o, "evidence");
    make_pair(o.m, HEIGHT, 1, a);
    make_pair(o.m, HEIGHT, 2, b);
    assert_int_equal(slk_store_put_evidence(o.store, &a[0], &a[1], NULL), SLK_OK);
    assert_int_equal(slk_store_put_evidence(o.store, &a[1], &a[0], NULL), SLK_E_EXISTS);
    assert_int_equal(slk_store_put_evidence(o.store, &b[1], &b[0], NULL), SLK_OK);
    commit(o.store, &o.m->block);
    open_again(&o);
    pairs = evidence_in(o.store);
    assert_int_equal(pairs.n, 2);
    assert_memory_equal(&pairs.first[0], &a[0], sizeof a[0]);
    assert_memory_equal(&pairs.second[0], &a[1], sizeof a[1]);
    assert_true(slk_vote_check(&pairs.first[1], &o.m->council, &slk_verifier_ed25519));
    slk_evidence_form(key, value, &a[0], &a[1]);
    flip_all_bits(&o, SLK_BASE_EVIDENCE, key, sizeof key);
    close_height(&o);
}

/* All but one of the pairs that are kept, in one transaction. */
static int fill(struct slk_store *store, MDB_txn *txn, const void *what)
{
    const struct slk_vote *pair = what;
    int rc = 0;

    for (uint64_t i = 0; rc == 0 && i < SLK_EVIDENCE_MAX - 1; i++) {
        struct slk_vote first = pair[0], second = pair[1];
        uint8_t key[SLK_EVIDENCE_KEY], value[SLK_EVIDENCE_SIZE];

        first.statement.height = second.statement.height = 100 + i;
        slk_evidence_form(key, value, &first, &second);
        rc = slk_env_put(txn, store->env->base[SLK_BASE_EVIDENCE], key, sizeof key, value, sizeof value);
    }
    return rc;
}

static void evidence_is_bounded(void **state)
{
    struct slk_vote pair[2];
    struct open_height o;

    (void)state;
    open_height(&o, "bounded");
    make_pair(o.m, HEIGHT, 1, pair);
    assert_int_equal(slk_store_write(o.store, SLK_EVIDENCE_MAX * (size_t)512, fill, pair, NULL), SLK_OK);
    assert_int_equal(slk_store_put_evidence(o.store, &pair[0], &pair[1], NULL), SLK_OK);
    make_pair(o.m, HEIGHT, 2, pair);
    assert_int_equal(slk_store_put_evidence(o.store, &pair[0], &pair[1], NULL), SLK_E_TOO_LARGE);
    assert_int_equal(evidence_in(o.store).n, SLK_EVIDENCE_MAX);
    commit(o.store, &o.m->block); /* the store is none the worse */
    close_height(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back_as_they_were),
        cmocka_unit_test(a_vote_that_contradicts_one_on_record_is_refused),
        cmocka_unit_test(one_persist_is_there_whole_or_not_at_all),
        cmocka_unit_test(the_commit_that_decides_a_height_drops_its_records_but_not_the_mute),
        cmocka_unit_test(a_flipped_bit_in_a_record_is_refused_and_found),
        cmocka_unit_test(records_of_another_height_are_refused_and_found),
        cmocka_unit_test(fsck_misses_the_block_that_was_voted_for),
        cmocka_unit_test(fsck_tells_what_is_wrong_with_a_finality_certificate),
        cmocka_unit_test(certificates_are_read_as_they_are_written_and_in_no_other_form),
        cmocka_unit_test(the_pool_keeps_submissions_until_they_are_in_a_block),
        cmocka_unit_test(a_flipped_bit_in_the_pool_is_refused_and_found),
        cmocka_unit_test(evidence_is_kept_once_per_member_and_height_for_ever),
        cmocka_unit_test(evidence_is_bounded),
    };

    return cmocka_run_group_tests_name("cons", tests, make_base, remove_base);
}
