/* node_pool.c: submissions that come in: judged together against the committed state, stored in one transaction, then promised.
 *
 * What came since the last look is judged at once, when no block is executed on the machine; a block that is not decided within HOLD_MS
 * is taken back for it. So one synced transaction serves all that arrived during a block. Only what is promised is stored: to a client here, or
 * to a peer whose client waits for it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/block_scratch.h"
#include "net/node_private.h"

enum {
    HOLD_MS = 50,
    GATHER_MS = 10 /* from one transaction to the next: what comes in between goes together */
};

static const struct slk_par *par(const struct slk_node *node)
{
    return slk_workers_par(node->ledger->workers);
}

/* ---- the queue ---- */

static struct slk_node_incoming *incoming(struct slk_node *node, size_t i)
{
    return &node->queue[(node->queue_first + i) % NODE_QUEUE_MAX];
}

bool slk_node_enqueue(struct slk_node *node, const struct slk_node_incoming *in)
{
    if (node->queue_n == NODE_QUEUE_MAX || in->size > NODE_QUEUE_BYTES - node->queue_bytes)
        return false;
    if (node->queue_n == 0)
        node->queue_since_ms = slk_node_now(node);
    *incoming(node, node->queue_n++) = *in;
    node->queue_bytes += in->size;
    return true;
}

static void dequeue(struct slk_node *node, size_t n)
{
    assert(n <= node->queue_n);
    for (size_t i = 0; i < n; i++) {
        node->queue_bytes -= incoming(node, i)->size;
        free(incoming(node, i)->bytes);
    }
    node->queue_first = (node->queue_first + n) % NODE_QUEUE_MAX;
    node->queue_n -= n;
    node->queue_since_ms = slk_node_now(node);
}

uint64_t slk_node_pool_wake(const struct slk_node *node)
{
    if (node->queue_n == 0)
        return UINT64_MAX;
    return node->is_executed ? node->queue_since_ms + HOLD_MS : node->stored_ms + GATHER_MS;
}

/* ---- judging ---- */

/* Executes `n` of the trial's submissions from `first` on the committed state and takes them back: their verdicts. */
static void try_them(struct slk_node *node, size_t first, size_t n)
{
    struct slk_node_choice *t = &node->trial;
    const struct slk_tip *tip = slk_store_tip(node->ledger->store);
    uint64_t wall = slk_node_wall(node);
    struct slk_block_params params = {.time_ms = wall > tip->time_ms ? wall : tip->time_ms + 1,
        .proposer = node->me,
        .origin_view = 1,
        .par = par(node)};
    struct slk_fault fault = {0};
    enum slk_err err;

    assert(!node->is_executed);
    err = slk_block_build(&node->probe, &node->ledger->machine, &node->ledger->source.reads, &params,
        t->list + first, t->verdicts + first, n, &fault);
    if (err == SLK_OK)
        slk_block_undo(&node->ledger->machine, &node->probe, par(node));
    else if (err != SLK_E_NOT_FOUND)
        slk_node_fail(node, err, &fault);
}

static void admit_one(void *arg, size_t i)
{
    struct slk_node *node = arg;
    const struct slk_machine *machine = &node->ledger->machine;

    if (node->trial.subs[i].events_n > 0)
        slk_submission_admit_with(
            &node->trial.subs[i], machine->charter, &machine->chain_id, machine->proven);
}

/* Room for each event's own verdict. */
static bool give_rules(struct slk_node_choice *t, size_t events_n)
{
    size_t used = 0;

    if (!slk_block_grow(&t->rules, &t->rules_cap, events_n + 1, sizeof(*t->rules)))
        return false;
    for (size_t i = 0; i < t->n; i++) {
        t->verdicts[i] = (struct slk_verdict){.events = t->rules + used};
        used += t->subs[i].events_n;
    }
    return true;
}

static void answer_malformed(struct slk_node *node, const struct slk_node_incoming *in, enum slk_err err)
{
    struct slk_node_waiting *w = slk_node_waiting(node, in->ticket);

    if (w == NULL)
        return;
    w->answer.err = err;
    slk_node_ended(node, w, SLK_NODE_MALFORMED);
}

/* Takes apart and admits from the front of the queue as many as fit one block. What does not parse is the trial's, too, with no
 * events. False: out of memory. */
static bool take_apart(struct slk_node *node)
{
    const struct slk_charter *charter = slk_node_charter(node);
    struct slk_node_choice *t = &node->trial;
    size_t events = 0, bytes = 0;

    t->n = 0;
    if (!slk_node_choice_room(t, node->queue_n))
        return false;
    for (; t->n < node->queue_n; t->n++) {
        const struct slk_node_incoming *in = incoming(node, t->n);
        struct slk_submission *s = &t->subs[t->n];
        enum slk_err err;

        if (t->n > 0 && (bytes > charter->block_bytes / 2 || events > charter->block_events / 2))
            break;
        err = slk_submission_parse(s, slk_span_of(in->bytes, in->size));
        if (err == SLK_E_NOMEM)
            return false;
        t->list[t->n] = s;
        if (err != SLK_OK) { /* admitted, as it were, and refused */
            s->events_n = 0;
            s->rule = SLK_RULE_EVENT_MALFORMED;
            s->rule_event = SIZE_MAX;
            s->charter_version = charter->version;
            answer_malformed(node, in, err);
            continue;
        }
        s->charter_version = 0;
        events += s->events_n;
        bytes += in->size + 32 * s->events_n;
    }
    slk_par_run(par(node), admit_one, node, t->n);
    for (size_t i = 0; i < t->n; i++)
        if (t->subs[i].events_n > 0)
            slk_proven_add(node->ledger->machine.proven, &t->subs[i]);
    return give_rules(t, events);
}

/* ---- what becomes of each ---- */

static void add_own_receipt(struct slk_node *node, struct slk_node_waiting *w, const void *ctx)
{
    slk_node_add_receipt(node, w, ctx);
    slk_node_reached(node, w, SLK_STAGE_RECEIVED);
}

static void received_without(struct slk_node *node, struct slk_node_waiting *w, const void *ctx)
{
    (void)ctx;
    slk_node_reached(node, w, SLK_STAGE_RECEIVED);
}

static bool sign_receipt(struct slk_node *node, struct slk_receipt *receipt)
{
    uint8_t bytes[SLK_RECEIPT_BYTES];

    slk_receipt_bytes(bytes, slk_ledger_chain_id(node->ledger), receipt);
    if (slk_key_sign(node->vote_key, receipt->sig, bytes, sizeof(bytes)) == SLK_OK)
        return true;
    slk_node_fail(node, SLK_E_KEY, NULL);
    return false;
}

void slk_node_receipt_signed(
    struct slk_node *node, const struct slk_receipt *receipt, const struct slk_pooled_id *id, uint16_t peer)
{
    if (receipt == NULL) {
        slk_node_each(node, &id->id, id->key_id, received_without, NULL);
        return;
    }
    node->counts.receipts_given++;
    slk_node_each(node, &id->id, id->key_id, add_own_receipt, receipt);
    if (peer != SLK_MESH_NOBODY)
        slk_node_promise(node, peer, receipt);
}

/* By a token later; one that is away or has too much to do costs the client the receipt, nothing else. */
static void sign_and_tell(
    struct slk_node *node, struct slk_receipt *receipt, const struct slk_pooled_id *id, uint16_t peer)
{
    if (!slk_node_signs_later(node, node->vote_key)) {
        if (sign_receipt(node, receipt))
            slk_node_receipt_signed(node, receipt, id, peer);
    } else if (!slk_node_ask_receipt(node, receipt, id, peer)) {
        slk_node_receipt_signed(node, NULL, id, peer);
    }
}

/* The promise: to the clients that wait, and to a peer whose client waits for it. A signature that nobody reads is not made: it costs
 * half as much as checking a submission. */
static void hand_out(struct slk_node *node, const struct slk_submission *s, struct slk_receipt *receipt,
    const struct slk_node_incoming *in)
{
    struct slk_pooled_id id = {.id = s->id};

    if (node->me == SLK_BFT_NOBODY) { /* an observer's word counts for nothing */
        slk_node_each(node, &s->id, s->key_id, received_without, NULL);
        return;
    }
    memcpy(id.key_id, s->key_id, SLK_KEY_ID_SIZE);
    if (in->is_owed || slk_node_is_awaited(node, &id))
        sign_and_tell(node, receipt, &id, in->is_owed ? in->peer : SLK_MESH_NOBODY);
}

/* Not on disk yet: it goes there with what else came in, as if the peer had brought it now. */
static void bring_again(struct slk_node *node, uint16_t peer, const struct slk_pool_item *item)
{
    struct slk_node_incoming in = {
        .bytes = malloc(item->bytes.size), .size = item->bytes.size, .peer = peer, .is_owed = true};

    if (in.bytes == NULL)
        return;
    if (node->queue_n > NODE_QUEUE_MAX / 2 || node->queue_bytes > NODE_QUEUE_BYTES / 2) {
        free(in.bytes); /* clients come first; it may ask again */
        return;
    }
    memcpy(in.bytes, item->bytes.at, in.size);
    if (!slk_node_enqueue(node, &in))
        free(in.bytes);
}

void slk_node_promise_again(struct slk_node *node, uint16_t peer, const struct slk_pooled_id *id)
{
    struct slk_pool_item item;
    struct slk_receipt receipt;

    if (node->me == SLK_BFT_NOBODY || !slk_pool_find(node->pool, &id->id, id->key_id, &item))
        return;
    if (slk_pool_receipt(node->pool, item.ticket, &receipt))
        sign_and_tell(node, &receipt, id, peer);
    else
        bring_again(node, peer, &item);
}

/* A client, or a peer's client, acts upon our word: it must be on disk first. What a peer names to all of its own accord is on its disk, and
 * is kept in memory until it is in a block. */
static bool is_promised(const struct slk_node_incoming *in)
{
    return in->peer == SLK_MESH_NOBODY || in->is_owed;
}

/* It is in the pool already: the promise again, or its ticket, when it has to be stored for that. The others are told again when somebody
 * waits for theirs. */
static uint64_t take_held(struct slk_node *node, const struct slk_submission *s,
    const struct slk_node_incoming *in, const struct slk_pool_item *item)
{
    struct slk_pooled_id id = {.id = s->id};
    struct slk_receipt receipt;

    if (!is_promised(in))
        return 0;
    if (!slk_pool_receipt(node->pool, item->ticket, &receipt))
        return item->ticket;
    memcpy(id.key_id, s->key_id, SLK_KEY_ID_SIZE);
    hand_out(node, s, &receipt, in);
    if (in->peer == SLK_MESH_NOBODY && slk_node_is_safe_awaited(node, &id))
        slk_node_tell(node, item->ticket);
    return 0;
}

static void answer_duplicate(
    struct slk_node *node, struct slk_node_waiting *w, const struct slk_result *result)
{
    w->answer.height = result->height;
    w->answer.first_index = result->first_index;
    w->answer.stage = SLK_STAGE_FINAL;
    slk_node_ended(node, w, SLK_NODE_DUPLICATE);
}

static void refuse(struct slk_node *node, size_t i, const struct slk_node_incoming *in)
{
    const struct slk_submission *s = &node->trial.subs[i];
    struct slk_node_waiting *w = slk_node_waiting(node, in->ticket);
    struct slk_result result = {0};

    node->status.refused_n++;
    if (w != NULL && s->rule == SLK_RULE_OK && slk_ledger_find_duplicate(node->ledger, s, &result)) {
        answer_duplicate(node, w, &result);
        return;
    }
    node->counts.refused[node->trial.verdicts[i].rule]++;
    if (w != NULL)
        slk_node_refused(node, w, SLK_NODE_REFUSED, &node->trial.verdicts[i]);
}

static void answer_full(struct slk_node *node, const struct slk_node_incoming *in)
{
    struct slk_node_waiting *w = slk_node_waiting(node, in->ticket);

    if (w == NULL)
        return;
    w->answer.retry_ms = NODE_RETRY_MS;
    slk_node_ended(node, w, SLK_NODE_FULL);
}

/* Into the pool: the ticket of one that is to be counted, or stored, now; or 0. */
static uint64_t offer(struct slk_node *node, size_t i)
{
    const struct slk_node_incoming *in = incoming(node, i);
    const struct slk_submission *s = &node->trial.subs[i];
    const struct slk_verdict *v = &node->trial.verdicts[i];
    struct slk_node_waiting *w = slk_node_waiting(node, in->ticket);
    struct slk_pool_item item;
    uint64_t ticket = 0;

    if (s->events_n == 0)
        return 0; /* answered */
    if (w != NULL)
        slk_node_name(node, w, s);
    if (s->rule == SLK_RULE_OK && slk_pool_find(node->pool, &s->id, s->key_id, &item))
        return take_held(node, s, in, &item);
    if (v->rule != SLK_RULE_OK) {
        refuse(node, i, in);
        return 0;
    }
    switch (slk_pool_offer(node->pool, s, slk_span_of(in->bytes, in->size), &ticket)) {
    case SLK_POOL_ADMIT:
        slk_node_mark(node, ticket);
        return ticket;
    case SLK_POOL_PENDING: /* twice in this batch: answered with the other one */
    case SLK_POOL_HELD:
        return 0;
    case SLK_POOL_REFUSED:
        refuse(node, i, in);
        return 0;
    case SLK_POOL_FULL:
        answer_full(node, in);
        return 0;
    }
    return 0;
}

/* Together some may have been refused for what others did before them: alone they may be good. */
static void try_all(struct slk_node *node)
{
    struct slk_node_choice *t = &node->trial;
    bool is_any_good = false;

    try_them(node, 0, t->n);
    for (size_t i = 0; i < t->n; i++)
        is_any_good |= t->verdicts[i].rule == SLK_RULE_OK && !t->verdicts[i].deferred;
    for (size_t i = 0; node->err == SLK_OK && i < t->n; i++)
        if (t->n > 1 && t->subs[i].events_n > 0 && t->subs[i].rule == SLK_RULE_OK &&
            (t->verdicts[i].deferred || (is_any_good && t->verdicts[i].rule != SLK_RULE_OK))) {
            t->verdicts[i] = (struct slk_verdict){.events = t->verdicts[i].events};
            try_them(node, i, 1);
        }
}

/* Durable first, then promised. */
static void store(struct slk_node *node, const uint64_t *tickets)
{
    struct slk_pooled *items = calloc(node->trial.n, sizeof(*items));
    struct slk_fault fault = {0};
    enum slk_err err = items == NULL ? SLK_E_NOMEM : SLK_OK;
    size_t n = 0;

    for (size_t i = 0; items != NULL && i < node->trial.n; i++) {
        const struct slk_node_incoming *in = incoming(node, i);

        if (tickets[i] == 0 || !is_promised(in))
            continue;
        items[n].id.id = node->trial.subs[i].id;
        memcpy(items[n].id.key_id, node->trial.subs[i].key_id, SLK_KEY_ID_SIZE);
        items[n].order = ++node->order;
        items[n++].submission = slk_span_of(in->bytes, in->size);
    }
    if (err == SLK_OK && n > 0) {
        err = slk_store_pool_put(node->ledger->store, items, n, &fault);
        node->stored_ms = slk_node_now(node);
    }
    free(items);
    if (err != SLK_OK)
        slk_node_fail(node, err, &fault);
}

static void promise(struct slk_node *node, const uint64_t *tickets)
{
    for (size_t i = 0; node->err == SLK_OK && i < node->trial.n; i++) {
        const struct slk_node_incoming *in = incoming(node, i);
        struct slk_pool_item item;
        struct slk_receipt receipt;

        if (tickets[i] == 0 || !slk_pool_get(node->pool, tickets[i], &item))
            continue;
        node->status.submissions_n += !item.is_counted;
        if (!is_promised(in)) {
            (void)slk_pool_counted(node->pool, tickets[i]);
            continue;
        }
        if (!slk_pool_stored(node->pool, tickets[i], &receipt))
            continue;
        hand_out(node, &node->trial.subs[i], &receipt, in);
        if (in->peer == SLK_MESH_NOBODY)
            slk_node_tell(node, tickets[i]);
    }
}

static void judge_front(struct slk_node *node)
{
    uint64_t *tickets;
    bool is_any = false;

    if (!take_apart(node)) {
        slk_node_fail(node, SLK_E_NOMEM, NULL);
        return;
    }
    try_all(node);
    tickets = calloc(node->trial.n + 1, sizeof(*tickets));
    if (tickets == NULL) {
        slk_node_fail(node, SLK_E_NOMEM, NULL);
        return;
    }
    for (size_t i = 0; node->err == SLK_OK && i < node->trial.n; i++) {
        tickets[i] = offer(node, i);
        is_any |= tickets[i] != 0;
    }
    if (node->err == SLK_OK && is_any)
        store(node, tickets);
    if (node->err == SLK_OK && is_any)
        promise(node, tickets);
    free(tickets);
    dequeue(node, node->trial.n);
    if (is_any)
        slk_node_tell_pool(node);
}

void slk_node_judge(struct slk_node *node)
{
    if (node->queue_n == 0 || slk_node_now(node) < slk_node_pool_wake(node))
        return;
    slk_node_settle(node);
    while (node->err == SLK_OK && node->queue_n > 0)
        judge_front(node);
}

bool slk_node_has(const struct slk_node *node, const struct slk_pooled_id *id)
{
    struct slk_pool_item item;

    return slk_pool_find(node->pool, &id->id, id->key_id, &item);
}

/* ---- what a builder refused ---- */

void slk_node_doubt(struct slk_node *node, uint64_t ticket)
{
    if (slk_block_grow(&node->doubts, &node->doubts_cap, node->doubts_n + 1, sizeof(*node->doubts)))
        node->doubts[node->doubts_n++] = ticket; /* without memory it is doubted again with the next block */
}

static void note_gone(struct slk_node *node, const struct slk_pool_item *item)
{
    struct slk_pooled_id *gone;

    if (!slk_block_grow(&node->gone, &node->gone_cap, node->gone_n + 1, sizeof(*node->gone))) {
        slk_node_fail(node, SLK_E_NOMEM, NULL);
        return;
    }
    gone = &node->gone[node->gone_n++];
    gone->id = item->id;
    memcpy(gone->key_id, item->key_id, SLK_KEY_ID_SIZE);
}

static void overtake(struct slk_node *node, struct slk_node_waiting *w, const void *ctx)
{
    const struct slk_verdict *verdict = ctx;

    slk_node_refused(node, w, SLK_NODE_OVERTAKEN, verdict);
}

static void settle_doubt(struct slk_node *node, uint64_t ticket)
{
    struct slk_node_choice *t = &node->trial;
    struct slk_pool_item item;

    if (!slk_pool_get(node->pool, ticket, &item))
        return;
    t->n = 1;
    t->list[0] = &t->subs[0];
    t->verdicts[0] = (struct slk_verdict){.rule = SLK_RULE_OK};
    if (slk_submission_parse(&t->subs[0], item.bytes) != SLK_OK) {
        slk_node_fail(node, SLK_E_NOMEM, NULL); /* it parsed when it came in */
        return;
    }
    slk_submission_admit_with(
        &t->subs[0], slk_node_charter(node), slk_ledger_chain_id(node->ledger), node->ledger->machine.proven);
    try_them(node, 0, 1);
    if (node->err != SLK_OK ||
        !slk_pool_is_over(&t->subs[0], &t->verdicts[0], slk_store_tip(node->ledger->store)->time_ms))
        return;
    slk_node_each(node, &item.id, item.key_id, overtake, &t->verdicts[0]);
    note_gone(node, &item);
    slk_pool_drop(node->pool, &ticket, 1);
}

/* Alone, on the committed state: what can never enter leaves. */
static void settle_doubts(struct slk_node *node)
{
    if (node->doubts_n > 0 && !slk_node_choice_room(&node->trial, 1))
        slk_node_fail(node, SLK_E_NOMEM, NULL);
    for (size_t i = 0; node->err == SLK_OK && i < node->doubts_n; i++)
        settle_doubt(node, node->doubts[i]);
    node->doubts_n = 0;
}

/* ---- a block is committed ---- */

static void on_gone(void *ctx, const struct slk_pool_item *item, enum slk_rule rule)
{
    struct slk_node *node = ctx;
    struct slk_verdict verdict = {.rule = rule, .rule_event = SIZE_MAX};

    if (rule == SLK_RULE_OK)
        return; /* it is in the block: told with its place, and taken out by the commit */
    slk_node_each(node, &item->id, item->key_id, overtake, &verdict);
    note_gone(node, item);
}

void slk_node_pool_committed(struct slk_node *node, bool is_recharter)
{
    const struct slk_block *block = &node->block;
    struct slk_fault fault = {0};
    enum slk_err err = SLK_OK;

    for (size_t i = 0; i < node->items.n; i++)
        slk_node_became_final(
            node, &node->items.at[i].id, block->header.height, block->first_index + node->items.at[i].first);
    slk_pool_commit(
        node->pool, block->header.height, slk_span_of(block->entries, block->entries_size), on_gone, node);
    if (is_recharter)
        slk_pool_recharter(node->pool, slk_node_charter(node), on_gone, node);
    settle_doubts(node);
    if (node->err == SLK_OK && node->gone_n > 0)
        err = slk_store_pool_remove(node->ledger->store, node->gone, node->gone_n, &fault);
    node->gone_n = 0;
    if (err != SLK_OK)
        slk_node_fail(node, err, &fault);
}

/* ---- opening ---- */

struct held {
    uint64_t order;
    uint8_t *bytes;
    size_t size;
};
struct holding {
    struct held *at;
    size_t n, cap;
};

static enum slk_err hold(void *ctx, const struct slk_pooled *item)
{
    struct holding *h = ctx;
    struct held *held;

    if (!slk_block_grow(&h->at, &h->cap, h->n + 1, sizeof(*h->at)))
        return SLK_E_NOMEM;
    held = &h->at[h->n];
    *held = (struct held){
        .order = item->order, .size = item->submission.size, .bytes = malloc(item->submission.size + 1)};
    if (held->bytes == NULL)
        return SLK_E_NOMEM;
    memcpy(held->bytes, item->submission.at, held->size);
    h->n++;
    return SLK_OK;
}

static int by_order(const void *a, const void *b)
{
    const struct held *x = a, *y = b;

    return (x->order > y->order) - (x->order < y->order);
}

/* One that was promised and is in no block yet; what can never enter any more is forgotten. */
static enum slk_err restore(struct slk_node *node, const struct held *held)
{
    struct slk_node_choice *t = &node->trial;
    struct slk_pool_item item = {0};

    if (!slk_node_choice_room(t, 1))
        return SLK_E_NOMEM;
    t->n = 1;
    t->list[0] = &t->subs[0];
    t->verdicts[0] = (struct slk_verdict){.rule = SLK_RULE_OK};
    if (slk_submission_parse(&t->subs[0], slk_span_of(held->bytes, held->size)) != SLK_OK)
        return SLK_E_CORRUPT;
    slk_submission_admit_with(
        &t->subs[0], slk_node_charter(node), slk_ledger_chain_id(node->ledger), node->ledger->machine.proven);
    try_them(node, 0, 1);
    node->order = held->order > node->order ? held->order : node->order;
    if (!slk_pool_is_over(&t->subs[0], &t->verdicts[0], slk_store_tip(node->ledger->store)->time_ms) &&
        t->subs[0].rule == SLK_RULE_OK)
        (void)slk_pool_restore(node->pool, &t->subs[0], slk_span_of(held->bytes, held->size));
    else {
        item.id = t->subs[0].id;
        memcpy(item.key_id, t->subs[0].key_id, SLK_KEY_ID_SIZE);
        note_gone(node, &item);
    }
    return node->err;
}

static enum slk_err restore_all(struct slk_node *node, struct slk_fault *fault)
{
    struct holding holding = {0};
    enum slk_err err = slk_view_renew(node->ledger->view);

    if (err == SLK_OK)
        err = slk_view_pool(node->ledger->view, hold, &holding, fault);
    if (err == SLK_OK && holding.n > 1)
        qsort(holding.at, holding.n, sizeof(*holding.at), by_order);
    for (size_t i = 0; err == SLK_OK && i < holding.n; i++)
        err = restore(node, &holding.at[i]);
    if (err == SLK_OK && node->gone_n > 0)
        err = slk_store_pool_remove(node->ledger->store, node->gone, node->gone_n, fault);
    node->gone_n = 0;
    for (size_t i = 0; i < holding.n; i++)
        free(holding.at[i].bytes);
    free(holding.at);
    return err;
}

enum slk_err slk_node_pool_open(struct slk_node *node, struct slk_fault *fault)
{
    struct slk_pool_options options = {.chain_id = *slk_ledger_chain_id(node->ledger),
        .agency = node->options.agency,
        .height = slk_store_tip(node->ledger->store)->height};
    enum slk_err err = slk_pool_new(&node->pool, &options);

    return err == SLK_OK ? restore_all(node, fault) : err;
}

void slk_node_pool_free(struct slk_node *node)
{
    while (node->queue_n > 0)
        dequeue(node, node->queue_n);
    slk_node_choice_free(&node->trial);
    slk_pool_free(node->pool);
    free(node->doubts);
    free(node->gone);
    for (size_t i = 0; i < SLK_BFT_PEERS; i++) {
        free(node->peers[i].part);
        free(node->peers[i].receipts);
    }
}
