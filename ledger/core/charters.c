#include "ledger/core/charters.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RECENT       1024 /* a power of two above SLK_CHANGE_READY_MAX */
#define AGENCIES     (UINT16_MAX + 1)
#define KEYS_AT_ONCE 64

_Static_assert(RECENT > SLK_CHANGE_READY_MAX, "every block that a READY may name is among the recent ones");

struct slk_charters {
    const struct slk_charter *genesis;
    const struct slk_charter *now;  /* governs the next block */
    const struct slk_charter *last; /* governed the last one */
    const struct slk_charter
        *old; /* before `now`, and the one before that; NULL: none. Kept for undo, and because */
    const struct slk_charter *older; /* submissions that were admitted name issuers in them */
    struct slk_charter *pending;     /* NULL: none waits */
    uint64_t activation;             /* of `pending`; of `now` right after it has begun */
    bool accepting;                  /* since the last block ended */
    /* what the last block did */
    bool accepted, begun;
    const struct slk_charter *last_before;
    /* What was ever used, of the pending charter, too. */
    size_t keys_n, keys_cap, keys_before; /* keys_before: without those that the last block brought */
    uint8_t (*keys)[SLK_KEY_SIZE];
    uint8_t agencies[AGENCIES / 8];
    struct slk_hash recent[RECENT]; /* block hashes, by height */
};

/* NULL is fine. */
static void discard(const struct slk_charters *c, const struct slk_charter *charter)
{
    if (charter != c->genesis)
        free((void *)(uintptr_t)charter);
}

/* ---- what was used ---- */

static bool agency_was_used(void *ctx, uint16_t agency)
{
    const struct slk_charters *c = ctx;

    return (c->agencies[agency / 8] >> (agency % 8) & 1) != 0;
}

static void mark_agency(struct slk_charters *c, uint16_t agency, bool used)
{
    uint8_t bit = (uint8_t)(1u << (agency % 8));

    if (used)
        c->agencies[agency / 8] |= bit;
    else
        c->agencies[agency / 8] &= (uint8_t)~bit;
}

/* A walk: charters change a few times a year, and everything that is cheaper was checked before. */
static bool key_was_used(void *ctx, const uint8_t key[SLK_KEY_SIZE])
{
    const struct slk_charters *c = ctx;

    for (size_t i = 0; i < c->keys_n; i++)
        if (memcmp(c->keys[i], key, SLK_KEY_SIZE) == 0)
            return true;
    return false;
}

static bool add_keys(struct slk_charters *c, const struct slk_charter_key *keys, size_t n)
{
    if (n > c->keys_cap - c->keys_n) {
        size_t cap = c->keys_n + n + KEYS_AT_ONCE;
        void *grown = realloc(c->keys, cap * sizeof(*c->keys));

        if (grown == NULL)
            return false;
        c->keys = grown;
        c->keys_cap = cap;
    }
    for (size_t i = 0; i < n; i++)
        memcpy(c->keys[c->keys_n++], keys[i].key, SLK_KEY_SIZE);
    return true;
}

/* ---- from block to block ---- */

enum slk_err slk_charters_new(struct slk_charters **out, const struct slk_charter *genesis)
{
    struct slk_charters *c = calloc(1, sizeof(*c));
    struct slk_charter_key keys[SLK_CHARTER_KEYS_MAX];

    *out = NULL;
    if (c == NULL)
        return SLK_E_NOMEM;
    c->genesis = c->now = c->last = c->last_before = genesis;
    if (!add_keys(c, keys, slk_charter_keys(keys, genesis))) {
        free(c);
        return SLK_E_NOMEM;
    }
    c->keys_before = c->keys_n;
    for (size_t i = 0; i < genesis->members_n; i++)
        mark_agency(c, genesis->members[i].agency, true);
    *out = c;
    return SLK_OK;
}

void slk_charters_free(struct slk_charters *charters)
{
    if (charters == NULL)
        return;
    discard(charters, charters->older);
    discard(charters, charters->old);
    discard(charters, charters->now);
    free(charters->pending);
    free(charters->keys);
    free(charters);
}

const struct slk_charter *slk_charters_now(const struct slk_charters *charters)
{
    return charters->now;
}

const struct slk_charter *slk_charters_last(const struct slk_charters *charters)
{
    return charters->last;
}

const struct slk_charter *slk_charters_pending(const struct slk_charters *charters, uint64_t *activation)
{
    *activation = charters->pending != NULL ? charters->activation : 0;
    return charters->pending;
}

const struct slk_charter *slk_charters_after(const struct slk_charters *charters, uint64_t height)
{
    return charters->pending != NULL && charters->activation == height + 1 ? charters->pending
                                                                           : charters->now;
}

static const struct slk_hash *recent_hash(void *ctx, uint64_t height)
{
    const struct slk_charters *c = ctx;

    return &c->recent[height % RECENT];
}

enum slk_change_rule slk_charters_judge(const struct slk_charters *charters, const struct slk_hash *chain_id,
    uint64_t height, const struct slk_change *change, struct slk_charter *next, struct slk_fault *fault)
{
    struct slk_change_context context = {
        .chain_id = chain_id,
        .charter = charters->now,
        .height = height,
        .pending = charters->pending != NULL,
        .ctx = (void *)(uintptr_t)charters,
        .key_was_used = key_was_used,
        .agency_was_used = agency_was_used,
        .block_hash = recent_hash,
    };

    return slk_change_judge(&context, change, next, fault);
}

enum slk_err slk_charters_accept(struct slk_charters *charters, struct slk_charter *next, uint64_t activation)
{
    struct slk_charter_key keys[SLK_CHARTER_KEYS_MAX];
    size_t before = charters->keys_n;

    assert(charters->pending == NULL && !slk_hash_equal(&next->hash, &charters->now->hash));
    if (!add_keys(charters, keys, slk_charter_new_keys(keys, charters->now, next)))
        return SLK_E_NOMEM;
    charters->keys_before = before;
    for (size_t i = 0; i < next->members_n; i++)
        mark_agency(charters, next->members[i].agency, true);
    charters->pending = next;
    charters->activation = activation;
    charters->accepting = true;
    return SLK_OK;
}

static void begin_pending(struct slk_charters *c)
{
    assert(c->pending != NULL && c->older != c->now && c->old != c->now);
    discard(c, c->older);
    c->older = c->old;
    c->old = c->now;
    c->now = c->pending;
    c->pending = NULL;
}

bool slk_charters_end(struct slk_charters *charters, uint64_t height, const struct slk_hash *block_hash)
{
    slk_charters_note(charters, height, block_hash);
    charters->last_before = charters->last;
    charters->last = charters->now;
    charters->accepted = charters->accepting;
    charters->accepting = false;
    charters->begun = charters->pending != NULL && charters->activation == height + 1;
    if (charters->begun)
        begin_pending(charters);
    return charters->begun;
}

static void drop_pending(struct slk_charters *c)
{
    assert(c->pending != NULL && c->keys_before <= c->keys_n);
    for (size_t i = 0; i < c->pending->members_n; i++) {
        uint16_t agency = c->pending->members[i].agency;

        if (slk_charter_member(c->now, agency) == NULL) /* it was never used before: the change was judged */
            mark_agency(c, agency, false);
    }
    free(c->pending);
    c->pending = NULL;
    c->keys_n = c->keys_before;
}

void slk_charters_undo(struct slk_charters *charters, bool ended)
{
    bool accepted = ended ? charters->accepted : charters->accepting;

    if (ended && charters->begun) {
        charters->pending = (struct slk_charter *)(uintptr_t)charters->now; /* it was pending: ours */
        charters->now = charters->old;
        charters->old = charters->older;
        charters->older = NULL; /* the one before that is gone, and nobody can ask for it */
    }
    if (accepted)
        drop_pending(charters);
    if (ended)
        charters->last = charters->last_before;
    charters->accepting = charters->accepted = charters->begun = false;
}

/* ---- from a store ---- */

enum slk_err slk_charters_restore(struct slk_charters *charters, uint64_t height, struct slk_span entry)
{
    struct slk_change *change = malloc(sizeof(*change));
    struct slk_charter *next = malloc(sizeof(*next));
    enum slk_err err = change != NULL && next != NULL ? SLK_OK : SLK_E_NOMEM;

    if (charters->pending != NULL && charters->activation <= height)
        begin_pending(charters);
    if (err == SLK_OK &&
        (slk_change_parse(change, entry) != SLK_OK || slk_charter_parse(next, change->charter) != SLK_OK))
        err = SLK_E_CORRUPT;
    if (err == SLK_OK &&
        (charters->pending != NULL || !next->has_previous ||
            !slk_hash_equal(&next->previous, &charters->now->hash) || change->activation <= height))
        err = SLK_E_CORRUPT;
    if (err == SLK_OK)
        err = slk_charters_accept(charters, next, change->activation);
    if (err != SLK_OK)
        free(next);
    free(change);
    return err;
}

void slk_charters_note(struct slk_charters *charters, uint64_t height, const struct slk_hash *block_hash)
{
    charters->recent[height % RECENT] = *block_hash;
}

void slk_charters_reach(struct slk_charters *charters, uint64_t height)
{
    bool begins = charters->pending != NULL && charters->activation <= height + 1;

    /* The charter of the last block is the one before, when the next block is the first under a new one. */
    if (begins)
        begin_pending(charters);
    charters->last = begins && charters->activation == height + 1 ? charters->old : charters->now;
    charters->last_before = charters->last;
    charters->accepting = charters->accepted = charters->begun = false;
}
