/* batch.c: see batch.h. */
#include "tools/batch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void batch_free(struct batch *batch)
{
    if (batch == NULL)
        return;
    free(batch->events);
    free(batch->bytes);
    free(batch->text);
    free(batch);
}

enum slk_err batcher_init(struct batcher *batcher)
{
    batcher->submission = malloc(SLK_SUBMISSION_BYTES_MAX);
    return batcher->submission != NULL ? SLK_OK : SLK_E_NOMEM;
}

void batcher_clear(struct batcher *batcher)
{
    for (size_t i = 0; i < KEYRING_MAX; i++) {
        batch_free(batcher->open[i]);
        batcher->open[i] = NULL;
    }
    heads_clear(&batcher->heads);
    free(batcher->submission);
    batcher->submission = NULL;
}

void batcher_answered(struct batcher *batcher, uint64_t number)
{
    batcher->heads.answered = number;
}

/* Room for `more` beyond used in *at; doubles. */
static bool grow(void *at_p, size_t *cap, size_t used, size_t more, size_t item)
{
    void **at = at_p;
    size_t want = *cap != 0 ? *cap : 64;
    void *next;

    if (more <= *cap - used)
        return true;
    while (want - used < more)
        want *= 2;
    next = realloc(*at, want * item);
    if (next == NULL)
        return false;
    *at = next;
    *cap = want;
    return true;
}

/* ---- closing a batch: statement, signature, submission ---- */

static enum slk_err sign(const struct batcher *batcher, const struct batch *batch, struct slk_span *events,
    struct slk_hash *ids, struct slk_submission *out)
{
    uint8_t statement[SLK_SUBMIT_STATEMENT_SIZE];

    for (size_t i = 0; i < batch->events_n; i++) {
        events[i] = slk_span_of(batch->bytes + batch->events[i].offset, batch->events[i].bytes_n);
        ids[i] = batch->events[i].id;
    }
    memset(out, 0, sizeof(*out));
    memcpy(out->key_id, batch->signer->key_id, SLK_KEY_ID_SIZE);
    out->events_n = batch->events_n;
    out->event_bytes = events;
    slk_submission_statement(statement, &batcher->chain_id, ids, batch->events_n);
    return slk_key_sign(batch->signer->key, out->signature, statement, sizeof(statement));
}

static enum slk_err format(struct batcher *batcher, const struct batch *batch, struct slk_span *out)
{
    struct slk_span *events = malloc(batch->events_n * sizeof(*events));
    struct slk_hash *ids = malloc(batch->events_n * sizeof(*ids));
    struct slk_submission submission;
    enum slk_err err = SLK_E_NOMEM;
    size_t size;

    if (events != NULL && ids != NULL)
        err = sign(batcher, batch, events, ids, &submission);
    if (err == SLK_OK) {
        size = slk_submission_format(batcher->submission, SLK_SUBMISSION_BYTES_MAX, &submission);
        *out = slk_span_of(batcher->submission, size);
        err = size > 0 ? SLK_OK : SLK_E_TOO_LARGE;
    }
    free(events);
    free(ids);
    return err;
}

/* Its events' heads now belong to a submission on its way. */
static void mark_sent(struct batcher *batcher, const struct batch *batch)
{
    for (size_t i = 0; i < batch->events_n; i++) {
        struct head *head = heads_find(&batcher->heads, batch->events[i].handle);

        if (head != NULL && head->sent == HEAD_OPEN)
            head->sent = batch->number;
    }
}

static enum slk_err send_batch(struct batcher *batcher, size_t owner, struct slk_fault *fault)
{
    struct batch *batch = batcher->open[owner];
    struct slk_span submission;
    enum slk_err err = format(batcher, batch, &submission);

    if (err != SLK_OK)
        return err;
    batch->number = ++batcher->sent_n;
    mark_sent(batcher, batch);
    batcher->open[owner] = NULL;
    return batcher->send(batcher->ctx, batch, submission, fault);
}

enum slk_err batcher_flush(struct batcher *batcher, struct slk_fault *fault)
{
    for (size_t i = 0; i < batcher->ring->signers_n; i++) {
        enum slk_err err = batcher->open[i] != NULL ? send_batch(batcher, i, fault) : SLK_OK;

        if (err != SLK_OK)
            return err;
    }
    return SLK_OK;
}

/* ---- taking an event in ---- */

static enum slk_err fill_head(struct batcher *batcher, struct slk_event *event, struct slk_fault *fault)
{
    const struct head *head = heads_find(&batcher->heads, event->credential);
    struct slk_hash last = {{0}};
    uint64_t sequence = 0;
    enum slk_err err;

    if (head != NULL) {
        sequence = head->sequence;
        last = head->event_id;
    } else if (batcher->lookup == NULL) {
        snprintf(fault->text, sizeof(fault->text),
            "field \"sequence\": missing, and there is no ledger at hand to look it up");
        return SLK_E_MALFORMED;
    } else {
        err = batcher->lookup(batcher->ctx, event->credential, &sequence, &last, fault);
        if (err != SLK_OK)
            return err;
    }
    event->sequence = sequence;
    event->has_previous = sequence > 0;
    event->previous = last;
    return SLK_OK;
}

static struct batch *open_batch(struct batcher *batcher, size_t owner)
{
    if (batcher->open[owner] == NULL) {
        batcher->open[owner] = calloc(1, sizeof(struct batch));
        if (batcher->open[owner] != NULL)
            batcher->open[owner]->signer = &batcher->ring->signers[owner];
    }
    return batcher->open[owner];
}

static enum slk_err append(
    struct batch *batch, const struct slk_event *event, uint64_t line, struct slk_span text)
{
    struct batch_event *at;

    if (!grow(&batch->events, &batch->events_cap, batch->events_n, 1, sizeof(*batch->events)) ||
        !grow(&batch->bytes, &batch->bytes_cap, batch->bytes_n, SLK_EVENT_MAX, 1) ||
        !grow(&batch->text, &batch->text_cap, batch->text_n, text.size, 1))
        return SLK_E_NOMEM;
    at = &batch->events[batch->events_n];
    *at = (struct batch_event){.line = line,
        .start = (uint32_t)batch->text_n,
        .size = (uint32_t)text.size,
        .offset = (uint32_t)batch->bytes_n};
    at->bytes_n = (uint32_t)slk_event_format(batch->bytes + batch->bytes_n, SLK_EVENT_MAX, event);
    if (at->bytes_n == 0)
        return SLK_E_MALFORMED;
    slk_event_id(&at->id, slk_span_of(batch->bytes + batch->bytes_n, at->bytes_n));
    memcpy(at->handle, event->credential, SLK_HANDLE_SIZE);
    if (text.size > 0)
        memcpy(batch->text + batch->text_n, text.at, text.size);
    batch->events_n++;
    batch->bytes_n += at->bytes_n;
    batch->text_n += text.size;
    return SLK_OK;
}

static enum slk_err remember_head(
    struct batcher *batcher, size_t owner, const struct slk_event *event, const struct slk_hash *id)
{
    struct head *head = heads_put(&batcher->heads, event->credential);

    if (head == NULL)
        return SLK_E_NOMEM;
    head->event_id = *id;
    head->sequence = event->sequence + 1;
    head->sent = HEAD_OPEN;
    head->owner = (uint32_t)owner;
    return SLK_OK;
}

enum slk_err batcher_add(struct batcher *batcher, struct ndjson_event *in, uint64_t line,
    struct slk_span text, struct slk_fault *fault)
{
    struct signer *signer = keyring_find(batcher->ring, in->issuer, fault);
    size_t owner = signer != NULL ? (size_t)(signer - batcher->ring->signers) : 0;
    const struct head *head = heads_find(&batcher->heads, in->event.credential);
    struct batch *batch;
    uint64_t head_sent;
    enum slk_err err = SLK_OK;

    if (signer == NULL)
        return SLK_E_MALFORMED;
    if (in->expect != SLK_RULE_OK)
        err = batcher_flush(batcher, fault);
    else if (head != NULL && head->sent == HEAD_OPEN && head->owner != owner)
        err = send_batch(batcher, head->owner, fault);
    if (err == SLK_OK && in->fill_head)
        err = fill_head(batcher, &in->event, fault);
    if (err != SLK_OK)
        return err;
    head = heads_find(&batcher->heads, in->event.credential);
    head_sent = head != NULL ? head->sent : 0;
    batch = open_batch(batcher, owner);
    if (batch == NULL)
        return SLK_E_NOMEM;
    batch->expect = in->expect;
    if (head_sent != HEAD_OPEN && head_sent > batch->after)
        batch->after = head_sent;
    err = append(batch, &in->event, line, text);
    if (err == SLK_OK && in->expect == SLK_RULE_OK) /* what will be refused becomes nobody's head */
        err = remember_head(batcher, owner, &in->event, &batch->events[batch->events_n - 1].id);
    if (err == SLK_OK && (batch->events_n == batcher->batch_events || in->expect != SLK_RULE_OK))
        err = send_batch(batcher, owner, fault);
    return err;
}
