/* node_client.c: who waits for an answer, what became final, news, the look from outside. Answers leave with slk_node_run, never out of the
 * middle of something. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/node_private.h"

enum { CHAINS = sizeof(((struct slk_node *)0)->by_id) / sizeof(uint32_t), BEHIND = 3 };

static uint32_t chain_of(const struct slk_hash *id)
{
    return slk_get_u32(id->b) % CHAINS;
}

/* ---- places ---- */

struct slk_node_waiting *slk_node_waiting(struct slk_node *node, uint64_t ticket)
{
    struct slk_node_waiting *w = &node->waiting[ticket % NODE_WAITING_MAX];

    return ticket != 0 && w->ticket == ticket && !w->is_ready ? w : NULL;
}

static void unname(struct slk_node *node, struct slk_node_waiting *w)
{
    uint32_t *at = &node->by_id[chain_of(&w->id.id)];

    if (!w->is_named)
        return;
    while (&node->waiting[*at - 1] != w)
        at = &node->waiting[*at - 1].next;
    *at = w->next;
    w->is_named = false;
}

static void release(struct slk_node *node, struct slk_node_waiting *w)
{
    unname(node, w);
    node->ready -= w->is_ready;
    free(w->receipts);
    free(w->rules);
    memset(w, 0, sizeof(*w));
    w->next = node->free_waiting;
    node->free_waiting = (uint32_t)(w - node->waiting) + 1;
    node->status.waiting_n--;
}

void slk_node_name(struct slk_node *node, struct slk_node_waiting *w, const struct slk_submission *submission)
{
    uint32_t *head = &node->by_id[chain_of(&submission->id)];

    assert(!w->is_named);
    w->id.id = w->answer.id = submission->id;
    memcpy(w->id.key_id, submission->key_id, SLK_KEY_ID_SIZE);
    w->answer.events_n = submission->events_n;
    w->next = *head;
    w->is_named = true;
    *head = (uint32_t)(w - node->waiting) + 1;
}

void slk_node_each(struct slk_node *node, const struct slk_hash *id, const uint8_t *key_id,
    slk_node_each_fn *each, const void *ctx)
{
    uint32_t next = node->by_id[chain_of(id)];

    while (next != 0) {
        struct slk_node_waiting *w = &node->waiting[next - 1];

        next = w->next;
        if (!w->is_ready && slk_hash_equal(&w->id.id, id) &&
            (key_id == NULL || memcmp(w->id.key_id, key_id, SLK_KEY_ID_SIZE) == 0))
            each(node, w, ctx);
    }
}

static void note_awaited(struct slk_node *node, struct slk_node_waiting *w, const void *ctx)
{
    bool *is_awaited = (bool *)(uintptr_t)ctx;

    (void)node;
    (void)w;
    *is_awaited = true;
}

static void note_safe_awaited(struct slk_node *node, struct slk_node_waiting *w, const void *ctx)
{
    bool *is_awaited = (bool *)(uintptr_t)ctx;

    (void)node;
    *is_awaited |= w->wants == SLK_STAGE_SAFE;
}

bool slk_node_is_awaited(struct slk_node *node, const struct slk_pooled_id *id)
{
    bool is_awaited = false;

    slk_node_each(node, &id->id, id->key_id, note_awaited, &is_awaited);
    return is_awaited;
}

bool slk_node_is_safe_awaited(struct slk_node *node, const struct slk_pooled_id *id)
{
    bool is_awaited = false;

    slk_node_each(node, &id->id, id->key_id, note_safe_awaited, &is_awaited);
    return is_awaited;
}

/* ---- answers ---- */

static void make_ready(struct slk_node *node, struct slk_node_waiting *w)
{
    assert(!w->is_ready);
    w->is_ready = true;
    node->ready++;
}

void slk_node_reached(struct slk_node *node, struct slk_node_waiting *w, enum slk_node_stage stage)
{
    if (stage > w->answer.stage)
        w->answer.stage = stage;
    if (w->answer.stage < w->wants)
        return;
    w->answer.outcome = SLK_NODE_ACCEPTED;
    make_ready(node, w);
}

void slk_node_ended(struct slk_node *node, struct slk_node_waiting *w, enum slk_node_outcome outcome)
{
    w->answer.outcome = outcome;
    make_ready(node, w);
}

void slk_node_refused(struct slk_node *node, struct slk_node_waiting *w, enum slk_node_outcome outcome,
    const struct slk_verdict *verdict)
{
    size_t size = w->answer.events_n * sizeof(*w->rules);

    w->answer.verdict = *verdict;
    w->answer.verdict.events = NULL;
    if (verdict->events != NULL && size > 0 && outcome == SLK_NODE_REFUSED) {
        w->rules = malloc(size);
        if (w->rules != NULL)
            memcpy(w->rules, verdict->events, size);
        w->answer.verdict.events = w->rules;
    }
    slk_node_ended(node, w, outcome);
}

void slk_node_add_receipt(
    struct slk_node *node, struct slk_node_waiting *w, const struct slk_receipt *receipt)
{
    if (w->receipts == NULL) {
        w->receipts_cap = node->council.n;
        w->receipts = calloc(w->receipts_cap, sizeof(*w->receipts));
        if (w->receipts == NULL) {
            slk_node_fail(node, SLK_E_NOMEM, NULL);
            return;
        }
        w->answer.receipts = w->receipts;
    }
    for (size_t i = 0; i < w->answer.receipts_n; i++)
        if (w->receipts[i].agency == receipt->agency)
            return;
    node->counts.receipts_taken += receipt->agency != node->options.agency;
    if (w->answer.receipts_n <
        w->receipts_cap) /* as many as voted when the first came: more than make it SAFE */
        w->receipts[w->answer.receipts_n++] = *receipt;
    if (w->answer.receipts_n > slk_council_faults(&node->council))
        slk_node_reached(node, w, SLK_STAGE_SAFE);
}

static void became_final(struct slk_node *node, struct slk_node_waiting *w, const void *ctx)
{
    const struct slk_node_final *f = ctx;

    w->answer.height = f->height;
    w->answer.first_index = f->first_index;
    slk_histogram_add(&node->counts.submission_finality, (slk_node_now(node) - w->since_ms) * 1000);
    slk_node_reached(node, w, SLK_STAGE_FINAL);
}

void slk_node_became_final(
    struct slk_node *node, const struct slk_pooled_id *id, uint64_t height, uint64_t first_index)
{
    struct slk_node_final *f = &node->finals[slk_get_u32(id->id.b) % NODE_FINALS];

    *f = (struct slk_node_final){.id = id->id, .height = height, .first_index = first_index};
    slk_node_each(node, &id->id, id->key_id, became_final, f);
}

void slk_node_cosigned_up_to(struct slk_node *node, uint64_t height)
{
    size_t left = node->status.waiting_n; /* their places are the first ones, mostly */

    for (size_t i = 0; left > 0 && i < NODE_WAITING_MAX; i++) {
        struct slk_node_waiting *w = &node->waiting[i];

        left -= w->ticket != 0;
        if (w->ticket != 0 && !w->is_ready && w->answer.stage == SLK_STAGE_FINAL &&
            w->answer.height <= height)
            slk_node_reached(node, w, SLK_STAGE_COSIGNED);
    }
}

static void give_answer(struct slk_node *node, struct slk_node_waiting *w)
{
    struct slk_node_waiting mine = *w;

    w->receipts = NULL; /* they are `mine` until the call is over; what it calls may use this place again */
    w->rules = NULL;
    release(node, w);
    mine.fn(mine.ctx, &mine.answer);
    free(mine.receipts);
    free(mine.rules);
}

static void give_news(struct slk_node *node)
{
    size_t n = node->news_n;

    node->news_n = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < SLK_NODE_WATCHERS; k++)
            if (node->watchers[k].fn != NULL)
                node->watchers[k].fn(node->watchers[k].ctx, node->news[i].news, node->news[i].height);
}

void slk_node_answer_all(struct slk_node *node)
{
    for (size_t i = 0; node->ready > 0 && i < NODE_WAITING_MAX; i++)
        if (node->waiting[i].ticket != 0 && node->waiting[i].is_ready)
            give_answer(node, &node->waiting[i]);
    give_news(node);
}

void slk_node_clients_free(struct slk_node *node)
{
    for (size_t i = 0; node->waiting != NULL && i < NODE_WAITING_MAX; i++) {
        struct slk_node_waiting *w = &node->waiting[i];

        if (w->ticket != 0 && !w->is_ready)
            slk_node_ended(node, w, SLK_NODE_STOPPING);
        if (w->ticket != 0)
            give_answer(node, w);
    }
}

/* ---- submitting ---- */

static enum slk_node_outcome why_not(struct slk_node *node, struct slk_span submission)
{
    struct slk_bft_view_of look;
    uint8_t *bytes;

    if (node->err != SLK_OK)
        return SLK_NODE_STOPPING;
    if (node->me == SLK_BFT_NOBODY)
        return SLK_NODE_OBSERVER;
    slk_bft_look(node->core, &look);
    if (look.certain >= slk_store_tip(node->ledger->store)->height + BEHIND)
        return SLK_NODE_BEHIND;
    if (submission.size > SLK_SUBMISSION_BYTES_MAX)
        return SLK_NODE_MALFORMED;
    bytes = malloc(submission.size + 1);
    if (bytes == NULL)
        return SLK_NODE_BUSY;
    if (submission.size > 0)
        memcpy(bytes, submission.at, submission.size);
    if (slk_node_enqueue(node,
            &(struct slk_node_incoming){
                .bytes = bytes, .size = submission.size, .ticket = node->tickets, .peer = SLK_MESH_NOBODY}))
        return SLK_NODE_ACCEPTED;
    free(bytes);
    return SLK_NODE_BUSY;
}

uint64_t slk_node_submit(struct slk_node *node, struct slk_span submission, enum slk_node_stage stage,
    slk_node_answer_fn *answer, void *ctx)
{
    struct slk_node_waiting *w;
    enum slk_node_outcome outcome;
    uint32_t place = node->free_waiting;

    if (place == 0)
        return 0;
    w = &node->waiting[place - 1];
    node->free_waiting = w->next;
    node->tickets = (node->tickets / NODE_WAITING_MAX + 1) * NODE_WAITING_MAX + (place - 1);
    *w = (struct slk_node_waiting){
        .ticket = node->tickets, .wants = stage, .since_ms = slk_node_now(node), .fn = answer, .ctx = ctx};
    node->status.waiting_n++;
    outcome = why_not(node, submission);
    if (outcome != SLK_NODE_ACCEPTED) {
        w->answer.retry_ms = NODE_RETRY_MS;
        w->answer.err = outcome == SLK_NODE_MALFORMED ? SLK_E_TOO_LARGE : SLK_OK;
        slk_node_ended(node, w, outcome);
    }
    return w->ticket;
}

void slk_node_forget(struct slk_node *node, uint64_t ticket)
{
    struct slk_node_waiting *w = &node->waiting[ticket % NODE_WAITING_MAX];

    if (ticket != 0 && w->ticket == ticket)
        release(node, w);
}

static void note_waiting(struct slk_node *node, struct slk_node_waiting *w, const void *ctx)
{
    bool *is_waiting = (bool *)(uintptr_t)ctx;

    (void)node;
    *is_waiting = w->answer.stage > 0;
}

enum slk_node_where slk_node_find(
    struct slk_node *node, const struct slk_hash *id, uint64_t *height, uint64_t *first_index)
{
    const struct slk_node_final *f = &node->finals[slk_get_u32(id->b) % NODE_FINALS];
    bool is_waiting = false;

    if (f->height > 0 && slk_hash_equal(&f->id, id)) {
        *height = f->height;
        *first_index = f->first_index;
        return SLK_NODE_FINAL;
    }
    slk_node_each(node, id, NULL, note_waiting, &is_waiting);
    is_waiting |= slk_pool_holds(node->pool, id);
    return is_waiting ? SLK_NODE_WAITING : SLK_NODE_UNKNOWN;
}

/* ---- charter changes ---- */

static enum slk_change_rule judge_change(
    struct slk_node *node, struct slk_span entry, struct slk_fault *fault)
{
    struct slk_change *change = malloc(sizeof(*change));
    struct slk_charter *next = malloc(sizeof(*next));
    const struct slk_machine *machine = &node->ledger->machine;
    enum slk_change_rule rule = SLK_CHANGE_MALFORMED;

    slk_node_settle(node);
    if (change == NULL || next == NULL)
        slk_node_fail(node, SLK_E_NOMEM, NULL);
    else if (slk_change_parse(change, entry) == SLK_OK)
        rule = slk_charters_judge(
            machine->charters, &machine->chain_id, machine->tip.height + 1, change, next, fault);
    free(change);
    free(next);
    return rule;
}

enum slk_change_rule slk_node_change(struct slk_node *node, struct slk_span entry, struct slk_fault *fault)
{
    enum slk_change_rule rule;
    uint8_t *bytes;

    *fault = (struct slk_fault){0};
    if (node->err != SLK_OK) {
        *fault = node->fault;
        return SLK_CHANGE_MALFORMED;
    }
    rule = judge_change(node, entry, fault);
    if (rule == SLK_CHANGE_OK || node->change == NULL) /* else it is the name of the one that waits */
        slk_hash_bytes(&node->change_hash, entry.at, entry.size);
    if (rule != SLK_CHANGE_OK)
        return rule;
    bytes = malloc(entry.size);
    if (bytes == NULL) {
        slk_node_fail(node, SLK_E_NOMEM, NULL);
        return rule;
    }
    memcpy(bytes, entry.at, entry.size);
    free(node->change);
    node->change = bytes;
    node->change_size = entry.size;
    slk_node_tell_change(node);
    slk_node_tell_pool(node);
    return rule;
}

void slk_node_take_change(struct slk_node *node, const struct slk_hash *name, struct slk_span entry)
{
    struct slk_fault fault;
    struct slk_hash hash;

    slk_hash_bytes(&hash, entry.at, entry.size);
    if (node->change != NULL || !slk_hash_equal(&hash, name))
        return; /* one at a time; the other is told of again when this one is through */
    if (slk_node_change(node, entry, &fault) != SLK_CHANGE_OK)
        SLK_SAY(node->options.log, SLK_SAY_WARN, "change_refused", SLK_SAY_TEXT("why", fault.text));
}

/* ---- looking ---- */

struct slk_ledger *slk_node_ledger(struct slk_node *node)
{
    slk_node_settle(node);
    return node->ledger;
}

struct slk_store *slk_node_store(struct slk_node *node)
{
    return slk_ledger_store(node->ledger);
}

/* A proof is to be made now, of the committed state. */
static enum slk_err ready_to_prove(struct slk_node *node, struct slk_fault *fault)
{
    if (node->err != SLK_OK) {
        *fault = node->fault;
        return node->err;
    }
    if (!slk_node_has_quorum(node))
        return slk_ledger_fail(
            fault, SLK_E_UNSIGNED, "the newest block is not cosigned by a quorum yet: ask again in a moment");
    node->status.proofs_n++;
    slk_node_settle(node);
    return SLK_OK;
}

enum slk_err slk_node_prove(struct slk_node *node, const uint8_t handle[SLK_HANDLE_SIZE], bool with_history,
    enum slk_encoding encoding, uint8_t **out, size_t *out_size, struct slk_fault *fault)
{
    enum slk_err err = ready_to_prove(node, fault);

    *out = NULL;
    *out_size = 0;
    if (err != SLK_OK)
        return err;
    return slk_ledger_prove(node->ledger, handle, with_history, encoding, out, out_size, fault);
}

enum slk_err slk_node_prove_begin(struct slk_node *node, const uint8_t handle[SLK_HANDLE_SIZE],
    bool with_history, enum slk_encoding encoding, struct slk_proving **out, struct slk_fault *fault)
{
    enum slk_err err = ready_to_prove(node, fault);

    *out = NULL;
    if (err != SLK_OK)
        return err;
    return slk_ledger_prove_begin(node->ledger, handle, with_history, encoding, out, fault);
}

void slk_node_status(const struct slk_node *node, struct slk_node_status *out)
{
    const struct slk_tip *tip = slk_store_tip(node->ledger->store);
    struct slk_pool_state state;
    struct slk_bft_view_of look;
    struct slk_signer_state signer;

    slk_bft_look(node->core, &look);
    slk_pool_look(node->pool, &state);
    *out = node->status;
    out->height = tip->height;
    out->time_ms = tip->time_ms;
    out->log_size = tip->log_size;
    out->events_n = tip->events_n;
    out->block_hash = tip->block_hash;
    out->log_root = tip->log_root;
    out->view = look.view;
    out->members_n = (uint32_t)node->council.n;
    out->quorum = (uint32_t)slk_council_quorum(&node->council);
    for (size_t i = 0; i < SLK_BFT_PEERS; i++)
        out->peers_n += node->peers[i].is_up;
    out->agency = node->options.agency;
    out->has_vote = node->me != SLK_BFT_NOBODY;
    out->muted = look.muted;
    out->is_behind = look.certain > tip->height;
    out->claimed = look.claimed;
    out->pool_count = state.count;
    if (node->options.signer != NULL) {
        slk_signer_state(node->options.signer, &signer);
        out->signer_away = signer.is_away;
        memcpy(out->signer_why, signer.why, sizeof(out->signer_why));
        out->signer_waiting_n = signer.waiting_n;
        out->signatures_n = signer.signed_n;
        out->signatures_failed_n = signer.failed_n;
    }
}

/* ---- news ---- */

void slk_node_tell_news(struct slk_node *node, enum slk_node_news news, uint64_t height)
{
    const size_t max = sizeof(node->news) / sizeof(node->news[0]);

    if (node->news_n == max)
        memmove(node->news, node->news + 1, --node->news_n * sizeof(node->news[0]));
    node->news[node->news_n].news = news;
    node->news[node->news_n++].height = height;
}

bool slk_node_watch(struct slk_node *node, slk_node_news_fn *fn, void *ctx)
{
    for (size_t i = 0; i < SLK_NODE_WATCHERS; i++)
        if (node->watchers[i].fn == NULL) {
            node->watchers[i].fn = fn;
            node->watchers[i].ctx = ctx;
            return true;
        }
    return false;
}

void slk_node_unwatch(struct slk_node *node, slk_node_news_fn *fn, void *ctx)
{
    for (size_t i = 0; i < SLK_NODE_WATCHERS; i++)
        if (node->watchers[i].fn == fn && node->watchers[i].ctx == ctx)
            node->watchers[i].fn = NULL;
}
