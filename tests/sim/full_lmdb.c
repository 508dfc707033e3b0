/* full_lmdb.c: each process's durable state is a real store on a disk of its own (tests/crash/shim.h).
 *
 * disk.c keeps the account: what was told to be durable. When a process stops, its store may be in the middle of a
 * transaction: all calls from a random one on fail, then everything is closed, and the disk loses what no barrier has made
 * certain. What is found there, through the production's way to open and load it, must be the account, or the account and
 * the next few of the transactions that were in flight, each whole. The process starts from what is found, never from the
 * account. Votes are judged by what the store holds at the moment they are signed.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/store/cons.h"
#include "tests/crash/shim.h"
#include "tests/scratch.h"
#include "tests/sim/full_lmdb.h"

struct medium {
    char dir[240];
    struct slk_store *store; /* NULL: the process was never started, or the store does not open */
    struct slk_view *view;   /* what the machine reads; ended before each write, so that the map may grow */
    struct slk_cons boot;
    uint64_t order;       /* of arrival in the pool */
    uint64_t noted_size;  /* of the last checkpoint that was written; an observer writes none */
    uint64_t signed_size; /* of the last one that was told to be durable */
    size_t evidence_n;
    const struct transaction *late; /* LMDB_LATE_VOTES: told to be durable, not yet written */
};

enum lmdb_control lmdb_control;
struct lmdb_seen lmdb_seen;

static struct medium media[PROCESSES_MAX];
static char base[200];
static struct random chance;

static struct medium *medium_of(const struct process *p)
{
    return &media[p->index];
}

static void fail(const struct ledger *l, const char *what, const struct slk_fault *fault)
{
    oracle_fail(l->w->oracle, "process %u, its store at height %llu: %s%s%s", l->p->index,
        (unsigned long long)l->p->disk.height, what, fault != NULL ? ": " : "",
        fault != NULL ? fault->text : "");
}

/* ---- reading ---- */

static struct slk_view *view_of(struct medium *m)
{
    if (m->view == NULL && slk_view_begin(&m->view, m->store) != SLK_OK)
        abort();
    return m->view;
}

static void end_view(struct medium *m)
{
    slk_view_end(m->view);
    m->view = NULL;
}

static bool read_row(void *ctx, uint64_t number, struct slk_row *out)
{
    return slk_view_row(view_of(ctx), number, out) == SLK_OK;
}

static bool read_entry(void *ctx, uint64_t index, struct slk_span *out)
{
    return slk_view_entry(view_of(ctx), index, out) == SLK_OK;
}

static struct slk_block_source source(struct ledger *l)
{
    return (struct slk_block_source){.ctx = medium_of(l->p), .row = read_row, .entry = read_entry};
}

/* ---- writing: false when the disk did not take it ---- */

static bool body_of(void *ctx, const struct slk_hash *hash, struct slk_span *body)
{
    static uint8_t entries[FULL_ENTRIES_MAX];
    const struct ledger *l = ctx;
    const struct blob *blob = NULL;

    for (size_t i = l->w->blobs_n; i > 0 && blob == NULL; i--)
        if (slk_hash_equal(&l->w->blobs[i - 1]->hash, hash))
            blob = l->w->blobs[i - 1];
    if (blob == NULL)
        return false;
    *body = slk_span_of(entries, full_entries(l, blob, entries));
    return true;
}

static bool write_records(
    struct ledger *l, struct medium *m, const struct transaction *t, struct slk_fault *fault)
{
    static struct slk_bft_record records[SLK_BFT_RECORDS];
    size_t n = 0;

    for (size_t i = 0; i < t->blobs_n; i++)
        records[n++] = (struct slk_bft_record){
            .kind = SLK_RECORD_BLOCK, .hash = t->blobs[i]->hash, .header = t->blobs[i]->header};
    for (size_t i = 0; i < t->certs_n; i++)
        records[n++] = (struct slk_bft_record){.kind = SLK_RECORD_CERT, .cert = t->certs[i]};
    for (size_t i = 0; i < t->votes_n; i++)
        records[n++] = (struct slk_bft_record){.kind = SLK_RECORD_VOTE, .vote = t->votes[i]};
    if (t->muted)
        records[n++] = (struct slk_bft_record){.kind = SLK_RECORD_MUTED};
    lmdb_seen.records += n;
    end_view(m);
    return slk_store_persist(m->store, records, n, body_of, l, fault) == SLK_OK;
}

static bool write_block(
    struct ledger *l, struct medium *m, const struct transaction *t, struct slk_fault *fault)
{
    static struct slk_pooled_id included[FULL_LIST_MAX];
    unsigned ids[FULL_LIST_MAX];
    struct slk_decision decision = {.block = &l->block, .finality = t->final, .included = included};

    full_follow(l, t->commit);
    if (oracle_verdict(l->w->oracle) != NULL)
        return false;
    decision.included_n = full_list(t->commit, ids);
    assert(decision.included_n != SIZE_MAX);
    for (size_t i = 0; i < decision.included_n; i++) {
        included[i].id = full.things[ids[i]]->id;
        memcpy(included[i].key_id, full.things[ids[i]]->key_id, SLK_KEY_ID_SIZE);
    }
    end_view(m);
    return slk_store_commit(m->store, &decision, fault) == SLK_OK;
}

static bool write_one(
    struct ledger *l, struct medium *m, const struct transaction *t, struct slk_fault *fault)
{
    lmdb_seen.writes++;
    return t->commit != NULL ? write_block(l, m, t, fault) : write_records(l, m, t, fault);
}

static bool write_pooled(struct medium *m, unsigned id, struct slk_fault *fault)
{
    const struct thing *t = full.things[id];
    struct slk_pooled item = {
        .order = m->order++, .submission = slk_span_of(t->bytes, t->size), .id = {.id = t->id}};

    memcpy(item.id.key_id, t->key_id, SLK_KEY_ID_SIZE);
    lmdb_seen.writes++;
    end_view(m);
    return slk_store_pool_put(m->store, &item, 1, fault) == SLK_OK;
}

static bool write_checkpoint(struct ledger *l, struct medium *m, uint64_t height)
{
    const struct slk_tip *tip = &full_executed(l->p->disk.chain[height])->tip;
    struct slk_tree_head head = {.tree_size = tip->log_size, .root_hash = tip->log_root};
    uint8_t note[FULL_NOTE_MAX];
    size_t size = full_make_note(l->w, l->p->member, &head, note);

    if (size == 0)
        return true; /* an observer signs nothing */
    lmdb_seen.writes++;
    end_view(m);
    if (slk_store_put_checkpoint(m->store, &head, slk_span_of(note, size)) != SLK_OK)
        return false;
    m->noted_size = head.tree_size;
    return true;
}

static bool write_snapshot(struct ledger *l, struct medium *m)
{
    struct slk_snapshot *snapshot;
    bool is_done = false;

    end_view(m);
    if (slk_snapshot_begin(&snapshot, m->store, &l->machine) != SLK_OK)
        return false;
    if (slk_snapshot_step(snapshot, &l->machine, SIZE_MAX, &is_done) != SLK_OK || !is_done) {
        slk_snapshot_abort(snapshot);
        return false;
    }
    lmdb_seen.snapshots++;
    return slk_snapshot_finish(snapshot, &l->machine) == SLK_OK;
}

/* ---- a sound disk ---- */

/* False: it waits for the next one. */
static bool is_written_late(struct ledger *l, struct medium *m, const struct transaction *t)
{
    const struct transaction *before = m->late;
    struct slk_fault fault;

    if (lmdb_control != LMDB_LATE_VOTES)
        return false;
    m->late = t->commit == NULL ? t : NULL; /* a commit takes the height's votes with it */
    if (before != NULL && t->commit == NULL && !write_records(l, m, before, &fault))
        fail(l, "does not take records", &fault);
    return t->commit == NULL;
}

static void on_write(struct world *w, struct process *p, const struct transaction *t)
{
    enum { SNAPSHOT_PER_MILLE = 60 };
    struct medium *m = medium_of(p);
    struct ledger *l = p->ledger;
    struct slk_fault fault;

    (void)w;
    if (m->store == NULL || is_written_late(l, m, t))
        return;
    if (t->commit != NULL)
        full_promises_before(l, t->commit);
    if (!write_one(l, m, t, &fault))
        fail(l, "does not take a transaction", &fault);
    else if (t->commit != NULL && random_chance(&chance, SNAPSHOT_PER_MILLE) && !write_snapshot(l, m))
        fail(l, "does not take a snapshot", NULL);
}

static void pool_put(struct ledger *l, unsigned id)
{
    struct slk_fault fault;

    if (lmdb_control == LMDB_NO_POOL)
        return;
    if (medium_of(l->p)->store != NULL && !write_pooled(medium_of(l->p), id, &fault))
        fail(l, "does not take a submission", &fault);
}

static void pool_drop(struct ledger *l, unsigned id)
{
    struct medium *m = medium_of(l->p);
    struct slk_pooled_id gone = {.id = full.things[id]->id};
    struct slk_fault fault;

    memcpy(gone.key_id, full.things[id]->key_id, SLK_KEY_ID_SIZE);
    end_view(m);
    if (m->store != NULL && slk_store_pool_remove(m->store, &gone, 1, &fault) != SLK_OK)
        fail(l, "does not drop a submission", &fault);
}

static void on_evidence(struct world *w, struct process *p, const struct slk_msg *msg)
{
    struct medium *m = medium_of(p);
    struct slk_fault fault;
    enum slk_err err;

    (void)w;
    if (m->store == NULL)
        return;
    end_view(m);
    err = slk_store_put_evidence(m->store, &msg->vote, &msg->other, &fault);
    m->evidence_n += err == SLK_OK;
    if (err != SLK_OK && err != SLK_E_EXISTS)
        fail(p->ledger, "does not take evidence", &fault);
}

static void on_cosign(struct world *w, struct process *p, uint64_t height)
{
    struct medium *m = medium_of(p);

    (void)w;
    if (m->store == NULL || height > p->disk.height)
        return;
    if (!write_checkpoint(p->ledger, m, height))
        fail(p->ledger, "does not take a checkpoint", NULL);
    else
        m->signed_size = m->noted_size;
}

/* ---- what is found: against the account ---- */

static bool has_vote(const struct slk_cons *cons, const struct slk_statement *vote)
{
    for (size_t i = 0; i < cons->n; i++) {
        const struct slk_bft_record *r = &cons->records[i];

        if (r->kind == SLK_RECORD_VOTE && r->vote.kind == vote->kind && r->vote.height == vote->height &&
            r->vote.view == vote->view && r->vote.aux == vote->aux &&
            slk_hash_equal(&r->vote.hash, &vote->hash))
            return true;
    }
    return false;
}

static bool has_cert(const struct slk_cons *cons, const struct slk_cert *cert)
{
    for (size_t i = 0; i < cons->n; i++) {
        const struct slk_bft_record *r = &cons->records[i];

        if (r->kind == SLK_RECORD_CERT && r->cert->kind == cert->kind && r->cert->view == cert->view &&
            slk_hash_equal(&r->cert->hash, &cert->hash))
            return true;
    }
    return false;
}

static bool has_block(const struct slk_cons *cons, const struct slk_hash *hash)
{
    for (size_t i = 0; i < cons->n; i++)
        if (cons->records[i].kind == SLK_RECORD_BLOCK && slk_hash_equal(&cons->records[i].hash, hash))
            return true;
    return false;
}

/* The account may name a record twice. */
static bool account_has(const struct disk *d, const struct slk_bft_record *r)
{
    bool has = r->kind == SLK_RECORD_MUTED && d->muted;

    for (size_t i = 0; i < d->votes_n && r->kind == SLK_RECORD_VOTE; i++)
        has = has || (d->votes[i].kind == r->vote.kind && d->votes[i].view == r->vote.view);
    for (size_t i = 0; i < d->certs_n && r->kind == SLK_RECORD_CERT; i++)
        has = has || (d->certs[i]->kind == r->cert->kind && d->certs[i]->view == r->cert->view &&
                         slk_hash_equal(&d->certs[i]->hash, &r->cert->hash));
    for (size_t i = 0; i < d->blobs_n && r->kind == SLK_RECORD_BLOCK; i++)
        has = has || slk_hash_equal(&d->blobs[i]->hash, &r->hash);
    return has;
}

static bool is_as_told(const struct disk *d, const struct slk_tip *tip, const struct slk_cons *cons)
{
    bool is_muted = false;

    if (tip->height != d->height || !slk_hash_equal(&tip->block_hash, &d->chain[d->height]->hash))
        return false;
    for (size_t i = 0; i < d->votes_n; i++)
        if (!has_vote(cons, &d->votes[i]))
            return false;
    for (size_t i = 0; i < d->certs_n; i++)
        if (!has_cert(cons, d->certs[i]))
            return false;
    for (size_t i = 0; i < d->blobs_n; i++)
        if (!has_block(cons, &d->blobs[i]->hash))
            return false;
    for (size_t i = 0; i < cons->n; i++) {
        if (!account_has(d, &cons->records[i]))
            return false;
        is_muted = is_muted || cons->records[i].kind == SLK_RECORD_MUTED;
    }
    return is_muted == d->muted;
}

static bool is_same_cert(const struct slk_cert *a, const struct slk_cert *b)
{
    return a->kind == b->kind && a->height == b->height && a->view == b->view && a->signers == b->signers &&
           slk_hash_equal(&a->hash, &b->hash) &&
           memcmp(a->sigs, b->sigs, (size_t)slk_bits_n(a->signers) * SLK_SIGNATURE_SIZE) == 0;
}

/* Every block byte for byte what it was, and its certificate. */
static void check_chain(const struct ledger *l, struct medium *m)
{
    static struct slk_cert cert;
    const struct disk *d = &l->p->disk;

    for (uint64_t h = 0; h <= d->height; h++) {
        const struct executed *x = full_executed(d->chain[h]);
        struct slk_view_block block;

        if (slk_view_block(view_of(m), h, &block) != SLK_OK ||
            memcmp(block.header, d->chain[h]->header, SLK_BLOCK_HEADER_SIZE) != 0 ||
            block.entries.size != x->entries_size ||
            memcmp(block.entries.at, x->entries, x->entries_size) != 0 ||
            block.rows.size != slk_rows_size(x->rows_n) ||
            (x->rows_n > 0 && memcmp(block.rows.at, x->rows, block.rows.size) != 0))
            fail(l, "a block is not what it was", NULL);
        if (h > 0 && (slk_view_finality(view_of(m), h, &cert) != SLK_OK || !is_same_cert(&cert, d->final[h])))
            fail(l, "a finality certificate is not what it was", NULL);
    }
}

/* The candidates' bodies: what is voted for again after this start. */
static void check_candidates(const struct ledger *l, struct medium *m)
{
    const uint8_t *header;
    struct slk_span body;
    struct slk_fault fault;

    for (size_t i = 0; i < l->p->disk.blobs_n; i++) {
        const struct blob *blob = l->p->disk.blobs[i];

        if (slk_view_candidate(view_of(m), &blob->hash, &header, &body, &fault) != SLK_OK ||
            memcmp(header, blob->header, SLK_BLOCK_HEADER_SIZE) != 0)
            fail(l, "a candidate's body is gone", NULL);
    }
}

struct reading {
    const struct ledger *l;
    uint64_t *bits;
    uint64_t order;
};

static enum slk_err on_pooled(void *ctx, const struct slk_pooled *item)
{
    struct reading *r = ctx;
    int id = full_find(&item->id.id, item->id.key_id);

    if (id < 0 || item->submission.size != full.things[id]->size ||
        memcmp(item->submission.at, full.things[id]->bytes, item->submission.size) != 0) {
        fail(r->l, "its pool holds what nobody sent", NULL);
        return SLK_OK;
    }
    r->bits[id / 64] |= 1ull << (id % 64);
    r->order = item->order >= r->order ? item->order + 1 : r->order;
    return SLK_OK;
}

static void pool_read(struct ledger *l, uint64_t bits[SUBMISSIONS_MAX / 64])
{
    struct medium *m = medium_of(l->p);
    struct reading r = {.l = l, .bits = bits, .order = m->order};
    struct slk_fault fault;

    memset(bits, 0, SUBMISSIONS_MAX / 8);
    if (m->store == NULL)
        return;
    if (slk_view_pool(view_of(m), on_pooled, &r, &fault) != SLK_OK)
        fail(l, "its pool cannot be read", &fault);
    m->order = r.order;
}

/* What was promised is there; what is in a block is not; what was being stored may be. */
static void check_pool(struct ledger *l)
{
    uint64_t there[SUBMISSIONS_MAX / 64];
    struct disk *d = &l->p->disk;

    pool_read(l, there);
    for (unsigned k = 0; k < SUBMISSIONS_MAX / 64; k++) {
        if ((d->pool[k] & ~d->included[k] & ~d->stale[k] & ~there[k]) != 0)
            fail(l, "a submission that was promised is gone", NULL);
        if ((there[k] & d->included[k]) != 0)
            fail(l, "its pool holds what is in a block", NULL);
        d->pool[k] |= there[k];
    }
}

static enum slk_err on_pair(void *ctx, const struct slk_vote *first, const struct slk_vote *second)
{
    size_t *n = ctx;

    assert(first->signer == second->signer);
    (void)first, (void)second;
    (*n)++;
    return SLK_OK;
}

static void check_rest(const struct ledger *l, struct medium *m)
{
    struct slk_tree_head head = {.tree_size = 0};
    struct slk_span note;
    struct slk_fault fault;
    size_t pairs_n = 0;
    enum slk_err err = slk_view_checkpoint(view_of(m), &head, &note);

    if ((err != SLK_OK && err != SLK_E_NOT_FOUND) || head.tree_size < m->signed_size)
        fail(l, "a checkpoint that was signed is gone", NULL);
    m->signed_size = m->noted_size = head.tree_size;
    if (slk_view_evidence(view_of(m), on_pair, &pairs_n, &fault) != SLK_OK || pairs_n != m->evidence_n)
        fail(l, "its evidence is not what was found", NULL);
}

/* Signatures that are sums (full_make.c) fsck cannot know for good; what a liar's own block leads to is its own business. */
static void on_finding(void *ctx, const char *where, const char *what)
{
    const struct ledger *l = ctx;
    struct slk_fault fault;

    if (!process_honest(l->p) && strncmp(where, "cand", 4) == 0)
        return;
    if (!full.is_real && (strstr(what, "is not signed by a quorum") != NULL ||
                             strstr(what, "that no quorum of the charter's members signed") != NULL))
        return;
    (void)snprintf(fault.text, sizeof(fault.text), "%s: %s", where, what);
    fail(l, "fsck", &fault);
}

static void fsck(struct ledger *l, const struct medium *m)
{
    struct slk_fault fault;
    enum slk_err err = slk_store_fsck(m->dir, on_finding, l, NULL, NULL, &fault);

    lmdb_seen.fscks++;
    if (err != SLK_OK && err != SLK_E_CORRUPT) /* findings were told */
        fail(l, "fsck", &fault);
}

/* ---- the end of a process ---- */

static struct slk_store_options options_of(const struct process *p)
{
    const struct slk_store_options small = {.map_size = 1 << 20, .map_headroom = 1 << 16},
                                   usual = {.map_size = 1 << 26};

    return p->index % 2 == 0 ? small : usual; /* small ones must grow under way */
}

static bool open_store(struct ledger *l, struct medium *m, struct slk_cons *cons)
{
    struct slk_store_options options = options_of(l->p);
    struct slk_fault fault = {.line = 0};

    if (slk_store_open(&m->store, m->dir, &options, &fault) != SLK_OK) {
        m->store = NULL;
        fail(l, "does not open", &fault);
        return false;
    }
    if (slk_view_cons(view_of(m), cons, &fault) != SLK_OK) {
        fail(l, "its records cannot be read", &fault);
        return false;
    }
    return true;
}

/* Submissions that were admitted and are on their way to the disk. */
static bool put_pending(struct ledger *l, struct medium *m, struct slk_fault *fault)
{
    struct slk_pool_item item;

    for (unsigned id = 0; id < l->w->submissions_n && l->pool != NULL; id++)
        if (slk_pool_find(l->pool, &full.things[id]->id, full.things[id]->key_id, &item) && !item.is_stored &&
            !write_pooled(m, id, fault))
            return false;
    return true;
}

/* Whatever the process was about to write, until the disk takes no more. */
static void write_until_cut(struct ledger *l, struct medium *m, const struct transaction *t)
{
    enum { FIRST_POOL, FIRST_SNAPSHOT, FIRST_CHECKPOINT, FIRST_N = 8, CALLS_MOST = 12 };
    uint64_t first = random_below(&chance, FIRST_N), before = shim_calls(m->dir);
    struct slk_fault fault;
    bool goes_on = true;

    shim_cut(m->dir, 1 + random_below(&chance, CALLS_MOST));
    if (first == FIRST_POOL)
        goes_on = put_pending(l, m, &fault);
    else if (first == FIRST_SNAPSHOT)
        goes_on = write_snapshot(l, m);
    else if (first == FIRST_CHECKPOINT || t == NULL)
        goes_on = write_checkpoint(l, m, l->p->disk.height);
    if (goes_on && m->late != NULL)
        goes_on = write_one(l, m, m->late, &fault);
    for (; goes_on && t != NULL; t = t->next)
        goes_on = write_one(l, m, t, &fault);
    lmdb_seen.torn += !goes_on;
    lmdb_seen.finished += goes_on && shim_calls(m->dir) > before;
}

/* What is there now is what was told, or that and what was on its way, a whole transaction each. */
static void settle_account(struct ledger *l, const struct medium *m, const struct slk_cons *cons,
    const struct transaction *in_flight)
{
    const struct slk_tip *tip = slk_store_tip(m->store);

    for (const struct transaction *t = in_flight; !is_as_told(&l->p->disk, tip, cons); t = t->next) {
        if (t == NULL) {
            fail(l, "what was told to be durable is gone, or half a transaction is there", NULL);
            return;
        }
        lmdb_seen.in_flight++;
        disk_apply(l->w, l->p, t);
    }
}

static void on_stop(struct world *w, struct process *p, const struct transaction *in_flight)
{
    enum { BUSY_PER_MILLE = 800, FSCK_PER_MILLE = 60 };
    struct medium *m = medium_of(p);
    struct ledger *l = p->ledger;
    struct slk_cons cons = {0};

    if (m->store == NULL)
        return;
    lmdb_seen.stops++;
    if (random_chance(&chance, BUSY_PER_MILLE))
        write_until_cut(l, m, in_flight);
    m->late = NULL;
    end_view(m);
    slk_store_close(m->store);
    m->store = NULL;
    shim_lose(m->dir, random_bits(&chance));
    if (random_chance(&chance, FSCK_PER_MILLE))
        fsck(l, m);
    if (oracle_verdict(w->oracle) == NULL && open_store(l, m, &cons)) {
        settle_account(l, m, &cons, in_flight);
        if (oracle_verdict(w->oracle) == NULL) {
            check_chain(l, m);
            check_candidates(l, m);
            check_pool(l);
            check_rest(l, m);
        }
    }
    slk_cons_free(&cons);
    world_note(w, shim_calls(m->dir), p->disk.height);
}

/* ---- the start of one ---- */

static void create(struct ledger *l, struct medium *m)
{
    struct slk_store_options options = options_of(l->p);
    struct slk_span charter = slk_span_of(full.charter_bytes, full.charter_size);
    struct slk_fault fault = {.line = 0};

    (void)snprintf(m->dir, sizeof(m->dir), "%s/p%u", base, l->p->index);
    shim_add(m->dir);
    full_machine_new(l);
    if (slk_store_create(&m->store, m->dir, charter, &options, &fault) != SLK_OK ||
        slk_block_genesis(&l->block, &l->machine, charter) != SLK_OK ||
        slk_store_commit(m->store, &(struct slk_decision){.block = &l->block}, &fault) != SLK_OK)
        fail(l, "cannot be made", &fault);
    if (lmdb_control == LMDB_NO_BARRIERS)
        shim_ignore_barriers(m->dir);
}

/* The production's way: the state from the newest snapshot and the blocks after it. */
static void open_ledger(struct ledger *l)
{
    struct medium *m = medium_of(l->p);
    struct slk_fault fault = {.line = 0};

    if (m->dir[0] == '\0') {
        create(l, m);
        return;
    }
    if (m->store == NULL)
        return;
    full_machine_new(l);
    end_view(m);
    if (slk_store_load_charters(m->store, l->machine.charters, &fault) != SLK_OK) {
        fail(l, "its charters do not load", &fault);
        return;
    }
    l->machine.charter = slk_charters_now(l->machine.charters);
    if (slk_store_load_state(m->store, &l->machine, NULL, NULL, NULL, &fault) != SLK_OK ||
        fault.text[0] != '\0')
        fail(l, "its state does not load", &fault);
}

static size_t records(struct world *w, struct process *p, struct slk_bft_record *out)
{
    struct medium *m = medium_of(p);
    struct slk_fault fault;

    slk_cons_free(&m->boot);
    if (m->store == NULL || oracle_verdict(w->oracle) != NULL)
        return 0;
    if (slk_view_cons(view_of(m), &m->boot, &fault) != SLK_OK) {
        fail(p->ledger, "its records cannot be read", &fault);
        return 0;
    }
    assert(m->boot.n <= DISK_BOOT_RECORDS);
    if (m->boot.n > 0)
        memcpy(out, m->boot.records, m->boot.n * sizeof(*out));
    return m->boot.n;
}

/* ---- the image that votes are judged by ---- */

static void fill_fact(struct oracle_fact *f, uint8_t kind, uint64_t height, uint32_t view,
    const struct slk_hash *hash, uint64_t signers)
{
    *f = (struct oracle_fact){
        .kind = kind, .height = height, .view = view, .hash = hash->b, .signers = signers};
}

static void image(struct world *w, const struct process *p, struct oracle_image *out)
{
    static struct slk_cons cons;
    struct medium *m = medium_of(p);
    struct slk_fault fault;

    slk_cons_free(&cons);
    out->votes_n = out->certs_n = out->blocks_n = 0;
    if (m->store == NULL || oracle_verdict(w->oracle) != NULL)
        return;
    if (slk_view_cons(view_of(m), &cons, &fault) != SLK_OK) {
        fail(p->ledger, "its records cannot be read", &fault);
        return;
    }
    out->height = slk_view_tip(view_of(m))->height;
    for (size_t i = 0; i < cons.n; i++) {
        const struct slk_bft_record *r = &cons.records[i];

        if (r->kind == SLK_RECORD_VOTE)
            fill_fact(&out->votes[out->votes_n++], (uint8_t)r->vote.kind, r->vote.height, r->vote.view,
                &r->vote.hash, 0);
        else if (r->kind == SLK_RECORD_CERT)
            fill_fact(&out->certs[out->certs_n++], (uint8_t)r->cert->kind, r->cert->height, r->cert->view,
                &r->cert->hash, r->cert->signers);
        else if (r->kind == SLK_RECORD_BLOCK)
            out->blocks[out->blocks_n++] = r->hash.b;
    }
}

/* ---- a run ---- */

static void begin(const struct world *w)
{
    memset(media, 0, sizeof(media));
    chance = random_new(w->swarm.seed, 99);
}

static void end(struct world *w)
{
    for (unsigned i = 0; i < w->processes_n; i++) {
        struct medium *m = &media[i];

        if (m->dir[0] == '\0')
            continue;
        end_view(m);
        slk_store_close(m->store);
        slk_cons_free(&m->boot);
        if (oracle_verdict(w->oracle) == NULL)
            fsck(w->processes[i]->ledger, m);
        lmdb_seen.calls += shim_calls(m->dir);
        shim_remove(m->dir);
        scratch_remove(m->dir);
        memset(m, 0, sizeof(*m));
    }
}

bool lmdb_setup(void)
{
    return scratch_make(base, sizeof(base), "lmdb");
}

void lmdb_cleanup(void)
{
    scratch_remove(base);
}

static const struct platter platter = {.write = on_write,
    .stop = on_stop,
    .records = records,
    .image = image,
    .evidence = on_evidence,
    .cosign = on_cosign};
static const struct full_disks disks = {.platter = &platter,
    .begin = begin,
    .open = open_ledger,
    .source = source,
    .pool_put = pool_put,
    .pool_drop = pool_drop,
    .pool_read = pool_read,
    .end = end};
const struct full_disks *const full_disks = &disks;
