/* submit.c: the writing side: batches of submissions become blocks, committed by a thread while the next one is built. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/block_scratch.h"
#include "ledger/embed/ledger_private.h"

#define RECORDED_ROOM 26 /* what a Recorded entry adds to its event in a bundle, at most (entry.h) */

/* ---- the thread that commits ---- */

static void *commit_main(void *arg)
{
    struct slk_ledger *ledger = arg;
    struct slk_committer *c = &ledger->committer;

    pthread_mutex_lock(&c->lock);
    for (;;) {
        while (c->block == NULL && !c->stop)
            pthread_cond_wait(&c->changed, &c->lock);
        if (c->block == NULL)
            break;
        pthread_mutex_unlock(&c->lock);
        c->err = slk_driver_decide(ledger->driver, c->block, &c->next, &c->fault);
        pthread_mutex_lock(&c->lock);
        c->block = NULL;
        pthread_cond_broadcast(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

enum slk_err slk_committer_start(struct slk_ledger *ledger)
{
    struct slk_committer *c = &ledger->committer;

    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    c->started = pthread_create(&c->thread, NULL, commit_main, ledger) == 0;
    return c->started ? SLK_OK : SLK_E_NOMEM;
}

void slk_committer_stop(struct slk_ledger *ledger)
{
    struct slk_committer *c = &ledger->committer;

    if (!c->started)
        return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    c->started = false;
}

static void hand_over(struct slk_committer *c, const struct slk_block *block, const struct slk_council *next)
{
    pthread_mutex_lock(&c->lock);
    assert(c->block == NULL);
    c->err = SLK_OK;
    c->next = *next;
    c->block = block;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static enum slk_err wait_for_commit(struct slk_committer *c, struct slk_fault *fault)
{
    enum slk_err err;

    pthread_mutex_lock(&c->lock);
    while (c->block != NULL)
        pthread_cond_wait(&c->changed, &c->lock);
    err = c->err;
    pthread_mutex_unlock(&c->lock);
    if (err != SLK_OK)
        *fault = c->fault;
    return err;
}

/* ---- results ---- */

void slk_batch_free(struct slk_batch *batch)
{
    for (size_t i = 0; i < batch->slots_cap; i++) {
        slk_submission_free(&batch->slots[i].submission);
        free(batch->slots[i].bytes);
    }
    free(batch->slots);
    free(batch->list);
    free(batch->verdicts);
    free(batch->rules);
    slk_block_free(&batch->block);
}

/* A ledger that could not commit has a state in memory that is not on disk: nothing more may be built on it. */
static enum slk_err break_off(struct slk_ledger *ledger, enum slk_err err, struct slk_fault *fault)
{
    if (fault->text[0] == '\0')
        slk_ledger_fail(fault, err, NULL);
    ledger->broken = err;
    ledger->broken_fault = *fault;
    return err;
}

static void deliver_one(struct slk_ledger *ledger, struct slk_batch *batch, size_t i)
{
    struct slk_slot *slot = &batch->slots[i];
    struct slk_result result = {.id = slot->submission.id, .verdict = batch->verdicts[i]};

    assert(!result.verdict.deferred);
    if (result.verdict.rule == SLK_RULE_OK) {
        result.outcome = SLK_ACCEPTED;
        result.height = batch->block.header.height;
        result.first_index = result.verdict.first_index;
    } else if (slot->submission.rule == SLK_RULE_OK && slk_ledger_find_duplicate(ledger, &slot->submission, &result)) {
        result.outcome = SLK_DUPLICATE;
    } else {
        result.outcome = SLK_REFUSED;
    }
    slot->done(slot->ctx, slot->tag, &result);
}

/* Everything of the batch is decided and on disk: tell it, in order of submission, and make the batch empty. */
static void deliver(struct slk_ledger *ledger, struct slk_batch *batch)
{
    for (size_t i = 0; i < batch->slots_n; i++)
        deliver_one(ledger, batch, i);
    batch->slots_n = batch->events_n = batch->bytes_n = 0;
    batch->built = false;
}

/* Waits for the block in flight, then answers its submissions. `next`: built on top of it already, or NULL: the map speaks of
 * its rows, so looking for duplicates must find them. */
static enum slk_err land(struct slk_ledger *ledger, const struct slk_block *next, struct slk_fault *fault)
{
    struct slk_batch *batch = &ledger->batches[1 - ledger->filling];
    enum slk_err err;

    if (!ledger->in_flight) {
        ledger->source.in_flight = next;
        return SLK_OK;
    }
    err = batch->built ? wait_for_commit(&ledger->committer, fault) : SLK_OK;
    ledger->in_flight = false;
    ledger->source.in_flight = next;
    if (err == SLK_OK)
        err = slk_source_renew(&ledger->source);
    if (err == SLK_OK)
        err = slk_view_renew(ledger->view);
    if (err != SLK_OK)
        return break_off(ledger, err, fault);
    deliver(ledger, batch);
    return SLK_OK;
}

/* ---- snapshots, a little between any two blocks ---- */

/* Writing a snapshot costs as much as there are credentials, replaying a tail as much as it is long: the one pays for
 * itself after a share of the other. */
uint64_t slk_ledger_snapshot_interval(const struct slk_ledger *ledger)
{
    uint64_t share = slk_ledger_credentials_n(ledger) / 5;

    if (ledger->options.snapshot_events > 0)
        return ledger->options.snapshot_events;
    return share > SLK_SNAPSHOT_EVENTS ? share : SLK_SNAPSHOT_EVENTS;
}

static enum slk_err begin_snapshot(struct slk_ledger *ledger)
{
    ledger->snapshot_next = ledger->machine.tip.events_n + slk_ledger_snapshot_interval(ledger); /* also when it fails: no hurry */
    ledger->snapshot_begun = ledger->machine.tip.events_n;
    return slk_snapshot_begin(&ledger->snapshot, ledger->store, &ledger->machine);
}

static enum slk_err finish_snapshot(struct slk_ledger *ledger)
{
    struct slk_snapshot *snapshot = ledger->snapshot;
    enum slk_err err;

    ledger->snapshot = NULL;
    err = slk_snapshot_finish(snapshot, &ledger->machine);
    if (err == SLK_OK)
        ledger->snapshot_at = ledger->snapshot_begun;
    return err;
}

/* Copies the next part of the map, if a snapshot is due or under way. True: all is copied, and it may be finished. */
static bool work_on_snapshot(struct slk_ledger *ledger)
{
    bool done = false;

    if (ledger->snapshot == NULL) {
        if (ledger->machine.tip.events_n < ledger->snapshot_next || begin_snapshot(ledger) != SLK_OK)
            return false;
    }
    if (slk_snapshot_step(ledger->snapshot, &ledger->machine, SLK_SNAPSHOT_BUDGET, &done) != SLK_OK) {
        slk_snapshot_abort(ledger->snapshot);
        ledger->snapshot = NULL;
        return false;
    }
    return done;
}

/* A snapshot may hold what the block in flight did: it must not become valid before that block is on disk. */
enum slk_err slk_ledger_snapshot_between(struct slk_ledger *ledger, struct slk_fault *fault)
{
    enum slk_err err = SLK_OK;

    if (work_on_snapshot(ledger)) {
        err = land(ledger, NULL, fault);
        if (err == SLK_OK)
            (void)!finish_snapshot(ledger); /* failing leaves the older one in force; the next is tried in its time */
    }
    return err;
}

enum slk_err slk_ledger_snapshot_now(struct slk_ledger *ledger, struct slk_fault *fault)
{
    bool done = false;
    enum slk_err err;

    slk_snapshot_abort(ledger->snapshot);
    ledger->snapshot = NULL;
    err = begin_snapshot(ledger);
    if (err == SLK_OK)
        err = slk_snapshot_step(ledger->snapshot, &ledger->machine, SIZE_MAX, &done);
    if (err == SLK_OK) {
        assert(done);
        err = finish_snapshot(ledger);
    } else {
        slk_snapshot_abort(ledger->snapshot);
        ledger->snapshot = NULL;
    }
    return err == SLK_OK ? SLK_OK : slk_ledger_fail(fault, err, NULL);
}

/* ---- blocks ---- */

struct admission {
    struct slk_ledger *ledger;
    struct slk_batch *batch;
};

static void admit_one(void *arg, size_t i)
{
    const struct admission *a = arg;

    slk_submission_admit(&a->batch->slots[i].submission, a->ledger->machine.charter, &a->ledger->machine.chain_id);
}

static enum slk_err prepare(struct slk_batch *batch)
{
    size_t rules = 0;

    if (!slk_block_grow(&batch->list, &batch->list_cap, batch->slots_n, sizeof(struct slk_submission *)) ||
        !slk_block_grow(&batch->verdicts, &batch->verdicts_cap, batch->slots_n, sizeof(*batch->verdicts)) ||
        !slk_block_grow(&batch->rules, &batch->rules_cap, batch->events_n, sizeof(*batch->rules)))
        return SLK_E_NOMEM;
    for (size_t i = 0; i < batch->slots_n; i++) {
        batch->list[i] = &batch->slots[i].submission;
        batch->verdicts[i].events = batch->rules + rules;
        rules += batch->list[i]->events_n;
    }
    return SLK_OK;
}

/* The store's map grows only while nobody in this process reads it. Called between two commits. */
enum slk_err slk_ledger_give_room(struct slk_ledger *ledger)
{
    const struct slk_block *next = ledger->source.in_flight;
    unsigned views_n = ledger->source.views_n;
    enum slk_err err;

    if (!slk_store_is_cramped(ledger->store))
        return SLK_OK;
    slk_view_end(ledger->view);
    ledger->view = NULL;
    slk_source_close(&ledger->source);
    err = slk_store_grow(ledger->store);
    if (err == SLK_OK)
        err = slk_source_open(&ledger->source, ledger->store, views_n);
    if (err == SLK_OK)
        err = slk_view_begin(&ledger->view, ledger->store);
    ledger->source.in_flight = next;
    return err;
}

/* Builds a block of the batch that was filling, while the one before it is being committed; then lets that one land,
 * hands the new one to the committer and turns to the other batch. */
static enum slk_err close_batch(struct slk_ledger *ledger, struct slk_fault *fault)
{
    struct slk_batch *batch = &ledger->batches[ledger->filling];
    struct admission admission = {.ledger = ledger, .batch = batch};
    struct slk_block_params params = {.origin_view = ledger->origin_view, .par = slk_workers_par(ledger->workers), .change = batch->change};
    struct slk_council next = {.n = 0};
    uint64_t now = ledger->options.clock_ms(ledger->options.clock_ctx);
    enum slk_err err = slk_ledger_check_voter(ledger, fault);

    if (err != SLK_OK)
        return err;

    params.time_ms = now > ledger->machine.tip.time_ms ? now : ledger->machine.tip.time_ms + 1;
    if (params.time_ms >= SLK_TIME_MS_MAX)
        return slk_ledger_fail(fault, SLK_E_RANGE, "the clock is beyond the year 287,000: set it right");
    slk_par_run(params.par, admit_one, &admission, batch->slots_n);
    err = prepare(batch);
    if (err == SLK_OK)
        err = slk_block_build(&batch->block, &ledger->machine, &ledger->source.reads, &params, batch->list, batch->verdicts,
            batch->slots_n, fault);
    batch->built = err == SLK_OK;
    batch->change = (struct slk_span){0};
    if (err == SLK_OK)
        err = slk_council_of(&next, ledger->machine.charter, &ledger->machine.chain_id);
    if (err != SLK_OK && err != SLK_E_NOT_FOUND)
        return break_off(ledger, err, fault);
    err = land(ledger, batch->built ? &batch->block : NULL, fault);
    if (err != SLK_OK)
        return err;
    err = slk_ledger_give_room(ledger);
    if (err != SLK_OK)
        return break_off(ledger, err, fault);
    if (batch->built) {
        hand_over(&ledger->committer, &batch->block, &next);
        ledger->origin_view = 1; /* the height after it begins there */
    }
    ledger->in_flight = true;
    ledger->filling = 1 - ledger->filling;
    return SLK_OK;
}

static enum slk_err may_write(const struct slk_ledger *ledger, struct slk_fault *fault)
{
    fault->line = 0;
    fault->text[0] = '\0';
    if (ledger->options.read_only)
        return slk_ledger_fail(fault, SLK_E_READ_ONLY, NULL);
    if (ledger->broken != SLK_OK)
        *fault = ledger->broken_fault;
    return ledger->broken;
}

enum slk_err slk_ledger_may_submit(struct slk_ledger *ledger, struct slk_fault *fault)
{
    enum slk_err err = may_write(ledger, fault);

    if (err == SLK_OK && ledger->driver == NULL)
        return slk_ledger_fail(fault, SLK_E_KEY,
            "a block is voted on, also by a single member: give the vote key that the charter names (--vote-key "
            "NAME.vote.pem, made by `sillok keygen --member`)");
    if (err == SLK_OK && ledger->stopped != SLK_OK) {
        *fault = ledger->stopped_fault;
        return ledger->stopped;
    }
    return err == SLK_OK ? slk_ledger_check_voter(ledger, fault) : err;
}

enum slk_err slk_ledger_settle(struct slk_ledger *ledger, struct slk_fault *fault)
{
    enum slk_err err = may_write(ledger, fault);

    if (err != SLK_OK)
        return err;
    if (ledger->batches[ledger->filling].slots_n > 0 || ledger->batches[ledger->filling].change.size > 0)
        err = close_batch(ledger, fault);
    if (err == SLK_OK)
        err = land(ledger, NULL, fault);
    return err == SLK_OK ? slk_ledger_snapshot_between(ledger, fault) : err;
}

enum slk_err slk_ledger_cut(struct slk_ledger *ledger, struct slk_fault *fault)
{
    enum slk_err err = may_write(ledger, fault);

    if (err == SLK_OK && ledger->batches[ledger->filling].slots_n > 0) {
        err = close_batch(ledger, fault);
        if (err == SLK_OK)
            err = slk_ledger_snapshot_between(ledger, fault);
    }
    return err;
}

enum slk_err slk_ledger_flush(struct slk_ledger *ledger, struct slk_fault *fault)
{
    enum slk_err err = slk_ledger_settle(ledger, fault);

    if (err != SLK_OK || ledger->options.by_node || ledger->options.log_key == NULL ||
        ledger->signed_size == ledger->machine.tip.log_size)
        return err; /* a node has its own checkpoint, which a quorum may have joined */
    return slk_ledger_sign_tip(ledger, fault);
}

enum slk_err slk_ledger_change(struct slk_ledger *ledger, struct slk_span entry, enum slk_change_rule *rule,
    uint64_t *height, struct slk_fault *fault)
{
    struct slk_batch *batch;
    enum slk_err err = slk_ledger_may_submit(ledger, fault);

    *rule = SLK_CHANGE_MALFORMED;
    *height = 0;
    if (err == SLK_OK)
        err = slk_ledger_settle(ledger, fault); /* what was handed in before comes before it */
    if (err != SLK_OK)
        return err;
    batch = &ledger->batches[ledger->filling];
    batch->change = entry;
    err = slk_ledger_settle(ledger, fault);
    batch->change = (struct slk_span){0};
    if (err != SLK_OK)
        return err;
    *rule = batch->block.change_rule;
    if (*rule != SLK_CHANGE_OK) {
        *fault = batch->block.change_fault;
        return SLK_E_REFUSED;
    }
    *height = batch->block.header.height;
    return slk_ledger_flush(ledger, fault);
}

/* ---- taking submissions in ---- */

static size_t room_of(const struct slk_submission *submission)
{
    size_t bytes = SLK_AUTHORIZATION_MAX + 2;

    for (size_t i = 0; i < submission->events_n; i++)
        bytes += submission->event_bytes[i].size + RECORDED_ROOM;
    return bytes;
}

static bool is_full(const struct slk_ledger *ledger, const struct slk_batch *batch, size_t events_n, size_t bytes)
{
    const struct slk_charter *charter = ledger->machine.charter;
    size_t limit = ledger->options.block_events;

    if (limit == 0 || limit > charter->block_events)
        limit = charter->block_events;
    return batch->slots_n > 0 && (batch->events_n + events_n > limit || batch->bytes_n + bytes + SLK_SEAL_MAX + 2 > charter->block_bytes);
}

static enum slk_err answer_unparsed(enum slk_err err, void *tag, slk_result_fn *done, void *ctx)
{
    struct slk_result result = {.outcome = SLK_REFUSED, .err = err,
        .verdict = {.rule = err == SLK_E_TOO_LARGE ? SLK_RULE_SUBMISSION_SIZE : SLK_RULE_EVENT_MALFORMED, .rule_event = SIZE_MAX}};

    done(ctx, tag, &result);
    return SLK_OK;
}

static enum slk_err fill_slot(struct slk_batch *batch, struct slk_span bytes, struct slk_slot **out)
{
    struct slk_slot *slot;

    if (!slk_block_grow(&batch->slots, &batch->slots_cap, batch->slots_n + 1, sizeof(*batch->slots)))
        return SLK_E_NOMEM;
    slot = &batch->slots[batch->slots_n];
    if (bytes.size > SLK_SUBMISSION_BYTES_MAX)
        return SLK_E_TOO_LARGE;
    if (!slk_block_grow(&slot->bytes, &slot->bytes_cap, bytes.size, 1))
        return SLK_E_NOMEM;
    if (bytes.size > 0)
        memcpy(slot->bytes, bytes.at, bytes.size);
    *out = slot;
    return slk_submission_parse(&slot->submission, slk_span_of(slot->bytes, bytes.size));
}

static void swap_slots(struct slk_slot *a, struct slk_slot *b)
{
    struct slk_slot t = *a;

    *a = *b;
    *b = t;
}

enum slk_err slk_ledger_push(struct slk_ledger *ledger, struct slk_span submission, void *tag, slk_result_fn *done, void *ctx,
    struct slk_fault *fault)
{
    struct slk_batch *batch = &ledger->batches[ledger->filling];
    struct slk_slot *slot;
    size_t bytes, at;
    enum slk_err err = slk_ledger_may_submit(ledger, fault);

    if (err != SLK_OK)
        return err;
    err = fill_slot(batch, submission, &slot);
    if (err == SLK_E_NOMEM)
        return break_off(ledger, err, fault);
    if (err != SLK_OK) {
        /* Answers keep their order: what was handed in before is answered first. */
        enum slk_err settled = slk_ledger_settle(ledger, fault);
        return settled != SLK_OK ? settled : answer_unparsed(err, tag, done, ctx);
    }
    bytes = room_of(&slot->submission);
    at = batch->slots_n;
    if (is_full(ledger, batch, slot->submission.events_n, bytes)) {
        struct slk_batch *full = batch;

        err = close_batch(ledger, fault);
        if (err == SLK_OK)
            err = slk_ledger_snapshot_between(ledger, fault);
        if (err != SLK_OK)
            return err;
        batch = &ledger->batches[ledger->filling];
        if (!slk_block_grow(&batch->slots, &batch->slots_cap, 1, sizeof(*batch->slots)))
            return break_off(ledger, SLK_E_NOMEM, fault);
        swap_slots(&batch->slots[0], &full->slots[at]);
        slot = &batch->slots[0];
    }
    slot->tag = tag;
    slot->done = done;
    slot->ctx = ctx;
    batch->slots_n++;
    batch->events_n += slot->submission.events_n;
    batch->bytes_n += bytes;
    return SLK_OK;
}

static void collect(void *ctx, void *tag, const struct slk_result *result)
{
    struct slk_result *out = tag;

    (void)ctx;
    *out = *result;
    out->verdict.events = NULL; /* held only during the call */
}

enum slk_err slk_ledger_submit(struct slk_ledger *ledger, const struct slk_span *submissions, struct slk_result *results, size_t n,
    struct slk_fault *fault)
{
    if (n > 0)
        memset(results, 0, n * sizeof(*results));
    for (size_t i = 0; i < n; i++) {
        enum slk_err err = slk_ledger_push(ledger, submissions[i], &results[i], collect, NULL, fault);

        if (err != SLK_OK)
            return err;
    }
    return slk_ledger_flush(ledger, fault);
}
