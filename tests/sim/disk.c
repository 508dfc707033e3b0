/* disk.c: a process's store: transactions in order, each whole or not at all; a crash keeps a prefix of them. */
#include <assert.h>
#include <string.h>

#include "tests/sim/platter.h"

void disk_init(struct disk *d, const struct blob *genesis)
{
    memset(d, 0, offsetof(struct disk, chain));
    d->chain[0] = genesis;
}

struct slk_cert *disk_cert(struct world *w, const struct slk_cert *cert)
{
    size_t sigs = (size_t)slk_bits_n(cert->signers) * SLK_SIGNATURE_SIZE;
    struct slk_cert *copy = world_alloc(w, offsetof(struct slk_cert, sigs) + sigs);

    slk_cert_copy(copy, cert);
    return copy;
}

static const struct blob *find(const struct process *p, const struct slk_hash *hash)
{
    for (size_t i = 0; i < p->bodies_n; i++)
        if (slk_hash_equal(&p->bodies[i]->hash, hash))
            return p->bodies[i];
    for (size_t i = 0; i < p->disk.blobs_n; i++)
        if (slk_hash_equal(&p->disk.blobs[i]->hash, hash))
            return p->disk.blobs[i];
    return NULL;
}

/* One transaction for all that waits; what comes meanwhile goes into the next. */
static void work(struct world *w, struct process *p)
{
    struct disk *d = &p->disk;
    struct event event = {.kind = EVENT_DISK, .process = p->index, .boot = p->boot};
    enum { SLOWER = 50 };
    uint64_t in_us;

    if (d->is_busy || d->first == NULL)
        return;
    d->is_busy = true;
    d->in_flight = d->first;
    d->first = d->last = NULL;
    in_us = w->swarm.disk_us + random_exponential(&w->disk, w->swarm.disk_spread_us);
    if (!w->is_live && p->member < 32 && (w->swarm.slow_disks >> p->member & 1) != 0)
        in_us *= SLOWER;
    world_at(w, w->now_us + in_us, &event);
}

static void enqueue(struct world *w, struct process *p, struct transaction *t)
{
    struct disk *d = &p->disk;

    if (d->last == NULL)
        d->first = t;
    else
        d->last->next = t;
    d->last = t;
    work(w, p);
}

void disk_persist(struct world *w, struct process *p, const struct slk_bft_effects *out,
    const struct slk_bft_effect *effect)
{
    struct transaction *t = world_alloc(w, sizeof(*t));

    t->seq = effect->seq;
    t->votes = world_alloc(w, effect->n * sizeof(*t->votes));
    t->certs = world_alloc(w, effect->n * sizeof(*t->certs));
    t->blobs = world_alloc(w, effect->n * sizeof(*t->blobs));
    for (size_t i = effect->first; i < effect->first + effect->n; i++) {
        const struct slk_bft_record *r = &out->records[i];

        switch (r->kind) {
        case SLK_RECORD_VOTE:
            t->votes[t->votes_n++] = r->vote;
            break;
        case SLK_RECORD_CERT:
            t->certs[t->certs_n++] = disk_cert(w, r->cert);
            break;
        case SLK_RECORD_BLOCK:
            t->blobs[t->blobs_n] = find(p, &r->hash);
            assert(t->blobs[t->blobs_n] != NULL);
            t->blobs_n++;
            break;
        case SLK_RECORD_MUTED:
            t->muted = true;
            break;
        }
    }
    enqueue(w, p, t);
}

void disk_commit(struct world *w, struct process *p, const struct blob *blob, const struct slk_cert *final)
{
    struct transaction *t = world_alloc(w, sizeof(*t));

    t->commit = blob;
    t->final = disk_cert(w, final);
    enqueue(w, p, t);
}

void disk_apply(struct world *w, struct process *p, const struct transaction *t)
{
    struct disk *d = &p->disk;

    assert(t->votes_n <= DISK_RECORDS - d->votes_n && t->certs_n <= DISK_RECORDS - d->certs_n &&
           t->blobs_n <= DISK_RECORDS - d->blobs_n);
    for (size_t i = 0; i < t->votes_n; i++)
        d->votes[d->votes_n++] = t->votes[i];
    for (size_t i = 0; i < t->certs_n; i++)
        d->certs[d->certs_n++] = t->certs[i];
    for (size_t i = 0; i < t->blobs_n; i++)
        d->blobs[d->blobs_n++] = t->blobs[i];
    d->muted |= t->muted;
    if (t->commit == NULL)
        return;
    if (d->height + 1 >= ORACLE_HEIGHTS) {
        oracle_fail(w->oracle, "the run is too long");
        return;
    }
    ledger_apply(w, d, t->commit);
    d->height++;
    d->chain[d->height] = t->commit;
    d->final[d->height] = t->final;
    d->votes_n = d->certs_n = d->blobs_n = 0;
    world_note(w, d->height, slk_get_u64(t->commit->hash.b));
    world_trace(w, "process %u commits height %llu", p->index, (unsigned long long)d->height);
    if (process_honest(p)) {
        const struct oracle_block block = {.hash = t->commit->hash.b,
            .header = t->commit->header,
            .numbers = w->ledger == NULL ? t->commit->body : NULL, /* a ledger of its own: other bodies */
            .numbers_n = t->commit->body_n / 4};

        (void)oracle_committed(w->oracle, p->index, d->height, &block);
        w->views_n += t->final->view;
        if (++w->committed_n == w->n) {
            w->final_us += w->now_us - w->built_us;
            w->final_n++;
        }
    }
}

/* The transaction in flight is durable: applies it; the caller tells the core. */
void disk_done(struct world *w, struct process *p)
{
    const struct platter *platter = ledger_platter(w);
    struct disk *d = &p->disk;

    assert(d->is_busy);
    for (const struct transaction *t = d->in_flight; t != NULL; t = t->next) {
        if (platter != NULL)
            platter->write(w, p, t);
        disk_apply(w, p, t);
    }
    d->is_busy = false;
    work(w, p);
}

/* What was in flight may have reached the disk as a whole, or not at all. */
void disk_crash(struct world *w, struct process *p)
{
    const struct platter *platter = ledger_platter(w);
    struct disk *d = &p->disk;
    enum fate fate = w->script != NULL ? w->script->in_flight : FATE_CHANCE;

    if (platter != NULL)
        platter->stop(w, p, d->is_busy ? d->in_flight : NULL);
    else if (d->is_busy && (fate == FATE_KEPT || (fate == FATE_CHANCE && random_chance(&w->disk, 500))))
        for (const struct transaction *t = d->in_flight; t != NULL; t = t->next)
            disk_apply(w, p, t);
    d->is_busy = false;
    d->first = d->last = d->in_flight = NULL;
}

size_t disk_records(struct world *w, struct process *p, struct slk_bft_record out[DISK_BOOT_RECORDS])
{
    const struct platter *platter = ledger_platter(w);
    const struct disk *d = &p->disk;
    size_t n = 0;

    if (platter != NULL)
        return platter->records(w, p, out);
    for (size_t i = 0; i < d->blobs_n; i++)
        out[n++] = (struct slk_bft_record){
            .kind = SLK_RECORD_BLOCK, .hash = d->blobs[i]->hash, .header = d->blobs[i]->header};
    for (size_t i = 0; i < d->certs_n; i++)
        out[n++] = (struct slk_bft_record){.kind = SLK_RECORD_CERT, .cert = d->certs[i]};
    for (size_t i = 0; i < d->votes_n; i++)
        out[n++] = (struct slk_bft_record){.kind = SLK_RECORD_VOTE, .vote = d->votes[i]};
    if (d->muted)
        out[n++] = (struct slk_bft_record){.kind = SLK_RECORD_MUTED};
    return n;
}

void disk_image(const struct process *p, struct oracle_image *out)
{
    const struct disk *d = &p->disk;

    out->height = d->height;
    out->votes_n = d->votes_n;
    out->certs_n = d->certs_n;
    out->blocks_n = d->blobs_n;
    for (size_t i = 0; i < d->votes_n; i++)
        out->votes[i] = (struct oracle_fact){.kind = (uint8_t)d->votes[i].kind,
            .height = d->votes[i].height,
            .view = d->votes[i].view,
            .hash = d->votes[i].hash.b};
    for (size_t i = 0; i < d->certs_n; i++)
        out->certs[i] = (struct oracle_fact){.kind = (uint8_t)d->certs[i]->kind,
            .height = d->certs[i]->height,
            .view = d->certs[i]->view,
            .hash = d->certs[i]->hash.b,
            .signers = d->certs[i]->signers};
    for (size_t i = 0; i < d->blobs_n; i++)
        out->blocks[i] = d->blobs[i]->hash.b;
}
