/* driver.c: see driver.h. The core's effects are carried out in their order; what they are answered with waits in a queue, because
 * the effects hold only until the next step. */
#include "ledger/embed/driver.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_MAX SLK_BFT_EFFECTS
#define DELTA_MS  1 /* of timers that never run; T_carry alone is waited out, by saying so (resume) */

/* An input on its way, with what it points to. */
struct answer {
    struct slk_bft_input in;
    struct slk_vote vote;
};

struct slk_driver {
    struct slk_bft *core;
    struct slk_bft_effects *effects;
    struct slk_store *store;
    struct slk_council council; /* of the height being decided */
    const struct slk_key *vote_key;
    uint64_t now_ms, wall_ms;
    const struct slk_block *block; /* being decided; NULL: none */
    const struct slk_council *next;
    struct slk_bft_tip tip; /* of the COMMITTED that is on its way: one at a time */
    uint64_t cosign_height;
    bool has_alarm;
    enum slk_bft_alarm alarm;
    /* while resuming */
    const struct slk_driver_place *place;
    struct slk_block resumed;
    size_t first, n; /* the queue: a ring */
    struct answer queue[QUEUE_MAX];
};

static enum slk_err fail(struct slk_fault *fault, enum slk_err err, const char *why)
{
    fault->line = 0;
    snprintf(fault->text, sizeof(fault->text), "%s", why);
    return err;
}

/* ---- answers ---- */

static struct answer *answer(struct slk_driver *d, enum slk_bft_input_kind kind)
{
    struct answer *a = &d->queue[(d->first + d->n) % QUEUE_MAX];

    assert(d->n < QUEUE_MAX);
    d->n++;
    memset(&a->in, 0, sizeof(a->in));
    a->in.kind = kind;
    a->in.now_ms = d->now_ms;
    a->in.wall_ms = d->wall_ms;
    return a;
}

/* What waits for a block: the one at hand, or nothing. */
static void answer_pool(struct slk_driver *d, bool waits)
{
    struct answer *a = answer(d, SLK_IN_POOL);

    a->in.pool_count = waits;
    a->in.pool_xor = waits ? slk_get_u64(d->block->tip.block_hash.b) : 0;
    a->in.pool_urgent = waits;
}

static uint16_t index_of(const struct slk_council *council, const struct slk_key *key)
{
    for (size_t i = 0; i < council->n; i++)
        if (memcmp(council->keys[i], slk_key_public(key), SLK_KEY_SIZE) == 0)
            return (uint16_t)i;
    return SLK_BFT_NOBODY;
}

static void fill_tip(struct slk_driver *d)
{
    const struct slk_tip *tip = slk_store_tip(d->store);

    d->tip.height = tip->height;
    d->tip.time_ms = tip->time_ms;
    d->tip.hash = tip->block_hash;
    d->tip.council = d->council;
    d->tip.me = index_of(&d->council, d->vote_key);
}

/* ---- effects ---- */

static enum slk_err sign(struct slk_driver *d, const struct slk_statement *statement, struct slk_fault *fault)
{
    uint8_t bytes[SLK_VOTE_BYTES];
    struct answer *a = answer(d, SLK_IN_SIGNED);

    a->vote.statement = *statement;
    a->vote.signer = index_of(&d->council, d->vote_key);
    a->in.vote = &a->vote;
    slk_statement_bytes(bytes, &d->council, statement);
    if (slk_key_sign(d->vote_key, a->vote.sig, bytes, sizeof(bytes)) != SLK_OK)
        return fail(fault, SLK_E_KEY, "the vote key does not sign");
    return SLK_OK;
}

static void build(struct slk_driver *d, const struct slk_bft_effect *effect)
{
    struct answer *a = answer(d, SLK_IN_BUILT);

    assert(d->block != NULL && d->block->header.height == effect->height);
    a->in.height = effect->height;
    a->in.view = effect->view;
    if (d->block->header.origin_view == effect->view)
        a->in.header = d->block->header_bytes;
}

/* A block of an interrupted height: executed as if somebody else had proposed it. */
static enum slk_err validate(struct slk_driver *d, const struct slk_hash *hash, struct slk_fault *fault)
{
    struct answer *a = answer(d, SLK_IN_VALIDATED);
    struct slk_view *view;
    const uint8_t *header;
    struct slk_span body;
    enum slk_err err;

    a->in.hash = *hash;
    a->in.verdict = SLK_BLOCK_MISSING;
    if (d->place == NULL || d->block != NULL)
        return SLK_OK; /* only one can be executed on the tip, and only one can be final */
    err = slk_view_begin(&view, d->store);
    if (err != SLK_OK)
        return err;
    err = slk_view_candidate(view, hash, &header, &body, fault);
    if (err == SLK_OK) {
        err = slk_block_check(&d->resumed, d->place->machine, d->place->source, header, body, d->place->par, fault);
        a->in.verdict = err == SLK_OK ? SLK_BLOCK_VALID : SLK_BLOCK_INVALID;
        d->block = err == SLK_OK ? &d->resumed : NULL;
        if (err == SLK_E_REFUSED || err == SLK_E_CHAIN || err == SLK_E_CORRUPT)
            err = SLK_OK; /* the verdict says it */
    }
    slk_view_end(view);
    return err == SLK_E_NOT_FOUND ? SLK_OK : err;
}

static enum slk_err commit(struct slk_driver *d, const struct slk_bft_effect *effect, struct slk_fault *fault)
{
    struct slk_decision decision = {.block = d->block, .finality = effect->cert};
    struct answer *a;
    enum slk_err err;

    assert(d->block != NULL && slk_hash_equal(&effect->hash, &d->block->tip.block_hash));
    err = slk_store_commit(d->store, &decision, fault);
    if (err != SLK_OK)
        return err;
    d->block = NULL;
    if (d->next != NULL)
        d->council = *d->next;
    else if (d->place != NULL)
        err = slk_council_of(&d->council, d->place->machine->charter, &d->place->machine->chain_id);
    if (err != SLK_OK)
        return err;
    answer_pool(d, false); /* before the next height begins, or it would be asked for a block at once */
    a = answer(d, SLK_IN_COMMITTED);
    fill_tip(d);
    a->in.tip = &d->tip;
    return SLK_OK;
}

static enum slk_err carry_out(struct slk_driver *d, const struct slk_bft_effect *effect, struct slk_fault *fault)
{
    switch (effect->kind) {
    case SLK_OUT_PERSIST:
        answer(d, SLK_IN_PERSISTED)->in.seq = effect->seq;
        return SLK_OK;
    case SLK_OUT_SIGN:
        return sign(d, &effect->statement, fault);
    case SLK_OUT_BUILD:
        build(d, effect);
        return SLK_OK;
    case SLK_OUT_VALIDATE:
        return validate(d, &effect->hash, fault);
    case SLK_OUT_COMMIT:
        return commit(d, effect, fault);
    case SLK_OUT_COSIGN:
        d->cosign_height = effect->seq;
        return SLK_OK;
    case SLK_OUT_ALARM:
        d->has_alarm = true;
        d->alarm = effect->alarm;
        return SLK_OK;
    case SLK_OUT_SEND:
    case SLK_OUT_SERVE:
    case SLK_OUT_BODY:
    case SLK_OUT_EVIDENCE:
    case SLK_OUT_PULL:
    case SLK_OUT_CHARGE:
        break; /* there is nobody else */
    }
    return SLK_OK;
}

static enum slk_err carry_out_all(struct slk_driver *d, struct slk_fault *fault)
{
    enum slk_err err = SLK_OK;

    for (size_t i = 0; err == SLK_OK && i < d->effects->n; i++)
        err = carry_out(d, &d->effects->at[i], fault);
    return err;
}

/* Until nothing is left to answer. */
static enum slk_err run(struct slk_driver *d, struct slk_fault *fault)
{
    enum slk_err err = SLK_OK;

    while (err == SLK_OK && d->n > 0) {
        const struct answer *a = &d->queue[d->first];

        slk_bft_step(d->core, &a->in, d->effects); /* copies what it keeps; the place is free from here on */
        d->first = (d->first + 1) % QUEUE_MAX;
        d->n--;
        err = carry_out_all(d, fault);
    }
    return err;
}

/* ---- opening ---- */

static enum slk_err start(struct slk_driver *d, size_t *records_n, struct slk_fault *fault)
{
    struct slk_bft_input at = {.kind = SLK_IN_TICK, .wall_ms = d->wall_ms};
    struct slk_cons cons = {0};
    struct slk_view *view = NULL;
    enum slk_err err = slk_view_begin(&view, d->store);

    if (err == SLK_OK)
        err = slk_view_cons(view, &cons, fault);
    slk_view_end(view);
    if (err == SLK_OK) {
        fill_tip(d);
        slk_bft_start(d->core, &d->tip, cons.records, cons.n, &at, d->effects);
        *records_n = cons.n;
    }
    slk_cons_free(&cons);
    return err;
}

/* What was voted for becomes final now, from the records alone. A block that has N in one view and was nullified in it, too, is
 * carried into the next after T_carry: nobody else's finality is on its way, so that time passes at once. */
static enum slk_err resume(struct slk_driver *d, struct slk_fault *fault)
{
    enum slk_err err = carry_out_all(d, fault);

    if (err == SLK_OK)
        err = run(d, fault);
    if (err == SLK_OK) {
        d->now_ms += DELTA_MS;
        (void)answer(d, SLK_IN_TICK);
        err = run(d, fault);
    }
    return err;
}

static struct slk_driver *driver_new(void)
{
    struct slk_driver *d = calloc(1, sizeof(*d));
    struct slk_bft_config config;

    if (d == NULL)
        return NULL;
    slk_bft_config_default(&config, DELTA_MS);
    config.batch_ms = config.gap_ms = config.heartbeat_ms = 0;
    config.empty_ms = SLK_TIME_MS_MAX; /* never */
    config.ahead_ms = SLK_TIME_MS_MAX; /* the block's clock is this member's own */
    d->core = slk_bft_new(&config);
    d->effects = calloc(1, sizeof(*d->effects));
    if (d->core == NULL || d->effects == NULL) {
        slk_driver_free(d);
        return NULL;
    }
    return d;
}

enum slk_err slk_driver_open(struct slk_driver **out, struct slk_store *store,
    const struct slk_council *council, const struct slk_key *vote_key, const struct slk_driver_place *place,
    struct slk_fault *fault)
{
    struct slk_driver *d;
    size_t records_n = 0;
    enum slk_err err;

    *out = NULL;
    assert(council->n == 1 && slk_store_has_tip(store));
    if (index_of(council, vote_key) == SLK_BFT_NOBODY)
        return fail(fault, SLK_E_KEY, "the vote key is not the one the charter names");
    d = driver_new();
    if (d == NULL)
        return SLK_E_NOMEM;
    d->store = store;
    d->council = *council;
    d->vote_key = vote_key;
    d->wall_ms = slk_store_tip(store)->time_ms;
    d->cosign_height = slk_store_tip(store)->height;
    err = start(d, &records_n, fault);
    if (err == SLK_OK && records_n > 0) {
        d->place = place;
        err = resume(d, fault);
        if (d->block != NULL) /* executed, and not decided */
            slk_block_undo(place->machine, &d->resumed, place->par);
        d->block = NULL;
        d->place = NULL;
    }
    if (err != SLK_OK) {
        slk_driver_free(d);
        return err;
    }
    *out = d;
    return SLK_OK;
}

void slk_driver_free(struct slk_driver *driver)
{
    if (driver == NULL)
        return;
    slk_bft_free(driver->core);
    slk_block_free(&driver->resumed);
    free(driver->effects);
    free(driver);
}

/* ---- deciding ---- */

static enum slk_err say_stuck(const struct slk_driver *d, struct slk_fault *fault)
{
    if (d->has_alarm && d->alarm == SLK_ALARM_DIVERGED)
        return fail(fault, SLK_E_CORRUPT,
            "a block that was voted for here does not pass the rules any more: its bytes or this ledger's state are "
            "damaged; run `sillok fsck`");
    return fail(fault, SLK_E_CORRUPT,
        "the votes on record for the next block name one that is not stored; run `sillok fsck`");
}

enum slk_err slk_driver_check(const struct slk_driver *driver, struct slk_fault *fault)
{
    struct slk_bft_view_of look;

    slk_bft_look(driver->core, &look);
    if (look.muted && !driver->has_alarm)
        return fail(fault, SLK_E_KEY,
            "this member signs nothing any more: votes of its key were seen that this ledger has no record of (a restored "
            "backup, or a key used twice); a charter with a new vote key is the way back");
    return look.muted ? say_stuck(driver, fault) : SLK_OK;
}

uint32_t slk_driver_view(const struct slk_driver *driver)
{
    struct slk_bft_view_of look;

    slk_bft_look(driver->core, &look);
    return look.view;
}

enum slk_err slk_driver_decide(struct slk_driver *driver, const struct slk_block *block,
    const struct slk_council *next, struct slk_fault *fault)
{
    enum slk_err err;

    assert(driver->block == NULL && driver->n == 0);
    driver->block = block;
    driver->next = next;
    driver->wall_ms = block->header.time_ms;
    answer_pool(driver, true);
    err = run(driver, fault);
    driver->next = NULL;
    if (err == SLK_OK && driver->block != NULL)
        err = say_stuck(driver, fault);
    driver->block = NULL;
    return err;
}

uint64_t slk_driver_cosign_height(const struct slk_driver *driver)
{
    return driver->cosign_height;
}
