/* ledger.c: a stand-in ledger behind the core: a block is a list of submission numbers, its root a running hash.
 *
 * Real enough for agreement: a block is valid on one tip alone, no submission enters twice, and what is in a block
 * depends on who built it and when.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/platter.h"

static const uint64_t genesis_ms = 1000000000000ull;

static bool bit(const uint64_t *bits, uint64_t i)
{
    return (bits[i / 64] >> (i % 64) & 1) != 0;
}

static const struct blob *add(struct world *w, struct blob *blob)
{
    if (w->blobs_n == w->blobs_cap) {
        w->blobs_cap = w->blobs_cap == 0 ? 256 : 2 * w->blobs_cap;
        w->blobs = realloc(w->blobs, w->blobs_cap * sizeof(struct blob *));
        if (w->blobs == NULL)
            abort();
    }
    w->blobs[w->blobs_n++] = blob;
    return blob;
}

static void body_root(
    struct slk_hash *out, const struct slk_hash *previous, const uint8_t *body, size_t body_n)
{
    struct slk_sha sha;

    slk_sha_init(&sha);
    slk_sha_add(&sha, previous->b, SLK_HASH_SIZE);
    slk_sha_add(&sha, body, body_n);
    slk_sha_final(&sha, out);
}

void ledger_root(struct slk_hash *out, const struct blob *tip, const uint8_t *body, size_t body_n)
{
    struct slk_block_header before;

    if (slk_block_header_parse(&before, tip->header) != SLK_OK)
        abort();
    body_root(out, &before.log_root, body, body_n);
}

static void seal(struct blob *blob, struct slk_block_header *h)
{
    h->version = SLK_BLOCK_VERSION;
    h->body_bytes = (uint32_t)blob->body_n;
    h->event_count = (uint32_t)blob->body_n / 4;
    slk_hash_tagged(&h->body_hash, SLK_TAG_BODY, blob->body, blob->body_n);
    slk_block_header_format(blob->header, h);
    slk_block_hash(&blob->hash, blob->header);
    blob->height = h->height;
    blob->time_ms = h->time_ms;
    blob->previous = h->previous;
}

const struct blob *ledger_genesis(struct world *w)
{
    struct blob *blob = world_alloc(w, sizeof(*blob));
    struct slk_block_header h = {.height = 0, .time_ms = genesis_ms, .log_size = 1};

    h.chain_id = w->council.chain_id;
    h.charter_hash = h.next_charter_hash = w->council.charter_hash;
    seal(blob, &h);
    return add(w, blob);
}

static const struct blob *tip_of(const struct process *p)
{
    return p->disk.chain[p->disk.height];
}

static void next_header(
    const struct world *w, const struct blob *tip, struct slk_block_header *h, const struct blob *blob)
{
    struct slk_block_header before;
    static struct slk_council council;

    if (slk_block_header_parse(&before, tip->header) != SLK_OK)
        abort();
    h->height = tip->height + 1;
    h->previous = tip->hash;
    h->chain_id = w->council.chain_id;
    world_council(w, h->height, &council);
    h->charter_hash = council.charter_hash;
    world_council(w, h->height + 1, &council);
    h->next_charter_hash = council.charter_hash;
    h->log_size = before.log_size + blob->body_n / 4 + 1;
    body_root(&h->log_root, &before.log_root, blob->body, blob->body_n);
}

static bool spent(const struct disk *d, unsigned id)
{
    return bit(d->included, id) || bit(d->stale, id);
}

static bool censored(const struct process *p, unsigned id)
{
    return (p->lies & LIE_CENSOR) != 0 && id % 3 == 0;
}

/* Is the rival of `id` among the numbers in this body? */
static bool rivalled(const struct world *w, const struct blob *blob, unsigned id)
{
    for (size_t i = 0; w->rival[id] != 0 && i < blob->body_n; i += 4)
        if (slk_get_u32(blob->body + i) == w->rival[id] - 1u)
            return true;
    return false;
}

uint64_t ledger_pool(const struct world *w, const struct process *p, uint64_t *fingerprint, bool *is_urgent)
{
    uint64_t n = 0;

    *fingerprint = 0;
    for (unsigned i = 0; i <= w->submissions_n / 64 && i < SUBMISSIONS_MAX / 64; i++) {
        uint64_t open = p->disk.pool[i] & ~p->disk.included[i] & ~p->disk.stale[i];

        n += slk_bits_n(open);
        *fingerprint ^= open * (2 * i + 1);
    }
    *is_urgent = n % 3 == 1;
    return n;
}

const struct blob *ledger_build(
    struct world *w, const struct process *p, uint64_t height, uint32_t view, bool empty)
{
    const struct blob *tip = tip_of(p);
    struct blob *blob = world_alloc(w, sizeof(*blob));
    const size_t body_max = 4 * BODY_MAX;
    struct slk_block_header h = {.origin_view = view, .proposer = world_index(w, height, p->member)};
    uint64_t wall = process_wall_ms(w, p);

    if (height != tip->height + 1)
        return NULL;
    blob->body = world_alloc(w, body_max);
    for (unsigned i = 0; i < w->submissions_n && blob->body_n + 4 <= body_max; i++)
        if (bit(p->disk.pool, i) && !spent(&p->disk, i) && !censored(p, i) && !rivalled(w, blob, i)) {
            slk_put_u32(blob->body + blob->body_n, i);
            blob->body_n += 4;
        }
    if (blob->body_n == 0 && !empty)
        return NULL;
    next_header(w, tip, &h, blob);
    h.time_ms = wall > tip->time_ms ? wall : tip->time_ms + 1;
    seal(blob, &h);
    return add(w, blob);
}

/* Another block that is as valid, of the same view or of another: for liars. */
const struct blob *ledger_variant(struct world *w, const struct blob *blob, uint32_t view, uint16_t proposer)
{
    struct blob *other = world_alloc(w, sizeof(*other));
    struct slk_block_header h;

    *other = *blob;
    if (slk_block_header_parse(&h, blob->header) != SLK_OK)
        abort();
    h.time_ms += 1 + random_below(&w->lie, 3);
    if (view > 0) {
        h.origin_view = view;
        h.proposer = proposer;
    }
    seal(other, &h);
    return add(w, other);
}

/* A header and a body that belong together, or NULL. */
const struct blob *ledger_take(
    struct world *w, const uint8_t *header, const struct slk_hash *hash, struct slk_span body)
{
    struct slk_block_header h;
    struct slk_hash body_hash;
    struct blob *blob;

    for (size_t i = w->blobs_n; i > 0 && i + 400 > w->blobs_n; i--)
        if (slk_hash_equal(&w->blobs[i - 1]->hash, hash))
            return body.size == w->blobs[i - 1]->body_n &&
                           (body.size == 0 || memcmp(body.at, w->blobs[i - 1]->body, body.size) == 0)
                       ? w->blobs[i - 1]
                       : NULL;
    slk_hash_tagged(&body_hash, SLK_TAG_BODY, body.at, body.size);
    if (slk_block_header_parse(&h, header) != SLK_OK || !slk_hash_equal(&h.body_hash, &body_hash) ||
        body.size > 4 * BODY_MAX)
        return NULL;
    blob = world_alloc(w, sizeof(*blob));
    blob->body = world_alloc(w, 4 * BODY_MAX);
    blob->body_n = body.size;
    if (body.size > 0)
        memcpy(blob->body, body.at, body.size);
    memcpy(blob->header, header, SLK_BLOCK_HEADER_SIZE);
    blob->hash = *hash;
    blob->height = h.height;
    blob->time_ms = h.time_ms;
    blob->previous = h.previous;
    return add(w, blob);
}

enum slk_bft_verdict ledger_check(const struct world *w, const struct process *p, const struct blob *blob)
{
    enum { EMPTY_MS = 60000 };
    const struct blob *tip = tip_of(p);
    struct slk_block_header h, expected = {.height = 0};
    uint32_t last = 0;

    if (slk_block_header_parse(&h, blob->header) != SLK_OK)
        return SLK_BLOCK_INVALID;
    next_header(w, tip, &expected, blob);
    if (h.height != expected.height || !slk_hash_equal(&h.previous, &expected.previous) ||
        !slk_hash_equal(&h.log_root, &expected.log_root) || h.log_size != expected.log_size ||
        h.time_ms <= tip->time_ms || blob->body_n % 4 != 0 ||
        (blob->body_n == 0 && h.time_ms < tip->time_ms + EMPTY_MS))
        return SLK_BLOCK_INVALID;
    for (size_t i = 0; i < blob->body_n; i += 4) {
        uint32_t id = slk_get_u32(blob->body + i);

        if (id >= w->submissions_n || spent(&p->disk, id) || rivalled(w, blob, id) || (i > 0 && id <= last))
            return SLK_BLOCK_INVALID;
        last = id;
    }
    return SLK_BLOCK_VALID;
}

void ledger_apply(const struct world *w, struct disk *d, const struct blob *blob)
{
    assert(blob->height == d->height + 1);
    assert(slk_hash_equal(&blob->previous, &d->chain[d->height]->hash));
    for (size_t i = 0; i < blob->body_n; i += 4) {
        uint32_t id = slk_get_u32(blob->body + i);

        assert(!bit(d->included, id)); /* I9 */
        d->included[id / 64] |= 1ull << (id % 64);
        if (w->rival[id] != 0)
            d->stale[(w->rival[id] - 1u) / 64] |= 1ull << ((w->rival[id] - 1u) % 64);
    }
}

void ledger_tip(const struct world *w, const struct process *p, struct slk_bft_tip *out)
{
    const struct blob *tip = tip_of(p);

    out->height = tip->height;
    out->time_ms = tip->time_ms;
    out->hash = tip->hash;
    world_council(w, tip->height + 1, &out->council);
    out->me = world_index(w, tip->height + 1, p->member);
}

void ledger_submit(struct world *w, struct process *p, unsigned id)
{
    p->disk.pool[id / 64] |= 1ull << (id % 64);
    process_pool(w, p);
}

bool ledger_hear(struct world *w, struct process *p, const struct process *from)
{
    bool is_new = false;

    (void)w;
    for (unsigned k = 0; k < SUBMISSIONS_MAX / 64; k++) {
        is_new |= (from->disk.pool[k] & ~p->disk.pool[k]) != 0;
        p->disk.pool[k] |= from->disk.pool[k];
    }
    return is_new;
}

/* Nothing of this ledger is in memory, and its signatures and charters are the world's. */
void ledger_open(struct world *w, struct process *p)
{
    (void)w;
    (void)p;
}

void ledger_committed(struct world *w, struct process *p, const struct blob *blob)
{
    (void)w;
    (void)p;
    (void)blob;
}

void ledger_close(struct world *w, struct process *p)
{
    (void)w;
    (void)p;
}

void ledger_event(struct world *w, struct process *p, const struct event *event)
{
    (void)w;
    (void)p;
    (void)event;
    abort();
}

bool ledger_sign(
    const struct world *w, unsigned member, const uint8_t *bytes, uint8_t sig[SLK_SIGNATURE_SIZE])
{
    (void)w;
    (void)member;
    (void)bytes;
    (void)sig;
    return false;
}

const struct charter *ledger_charter(const struct world *w, uint64_t height, struct slk_council *out)
{
    (void)w;
    (void)height;
    (void)out;
    return NULL;
}

const struct platter *ledger_platter(const struct world *w)
{
    (void)w;
    return NULL;
}
