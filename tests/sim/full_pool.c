/* full_pool.c: the production pool at every process, between clients, gossip, the disk and the builder. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/full.h"

enum { ITEMS = 600, LIST = 64, FLOOD = 12, PROMISES = 16 };

static bool has_bit(const uint64_t *bits, unsigned i)
{
    return (bits[i / 64] >> (i % 64) & 1) != 0;
}

void full_admit(struct ledger *l, struct slk_submission *out, struct slk_span bytes)
{
    if (slk_submission_parse(out, bytes) != SLK_OK)
        abort(); /* only what an issuer made is sent here */
    slk_submission_admit(out, l->machine.charter, &l->machine.chain_id);
}

static uint64_t wall(const struct ledger *l)
{
    uint64_t now = process_wall_ms(l->w, l->p);

    return now > l->machine.tip.time_ms ? now : l->machine.tip.time_ms + 1;
}

static void drop(struct ledger *l, uint64_t ticket)
{
    struct slk_pool_item item;
    int id;

    if (!slk_pool_get(l->pool, ticket, &item))
        return;
    id = full_find(&item.id, item.key_id);
    l->p->disk.pool[id / 64] &= ~(1ull << (id % 64));
    slk_pool_drop(l->pool, &ticket, 1);
    if (full_disks != NULL)
        full_disks->pool_drop(l, (unsigned)id);
}

/* ---- coming in ---- */

static void offer(struct ledger *l, unsigned id)
{
    static struct slk_submission s;
    const struct thing *t = full.things[id];
    struct event event = {.kind = EVENT_LEDGER, .process = l->p->index, .boot = l->p->boot, .u.number = id};
    const struct swarm *swarm = &l->w->swarm;
    enum slk_pool_answer answer;
    struct slk_pool_item item;
    struct slk_verdict verdict;
    uint64_t ticket;

    if (l->pool == NULL || full_spent(&l->p->disk, id) || l->refused_at[id] == l->machine.tip.height + 1 ||
        slk_pool_find(l->pool, &t->id, t->key_id, &item))
        return;
    full_admit(l, &s, slk_span_of(t->bytes, t->size));
    assert(s.rule == SLK_RULE_OK);
    full_probe(l, &s, wall(l), &verdict);
    answer = verdict.rule != SLK_RULE_OK
                 ? SLK_POOL_REFUSED
                 : slk_pool_offer(l->pool, &s, slk_span_of(t->bytes, t->size), &ticket);
    if (answer != SLK_POOL_ADMIT) {
        l->refused_at[id] = l->machine.tip.height + 1;
        full.refused_n += answer == SLK_POOL_REFUSED;
        full.full_n += answer == SLK_POOL_FULL;
        return;
    }
    world_at(
        l->w, l->w->now_us + swarm->disk_us + random_exponential(&l->w->disk, swarm->disk_spread_us), &event);
}

/* What a member signed reaches the client, who counts. */
static void hand_out(struct ledger *l, unsigned id, struct slk_receipt *receipt)
{
    struct thing *t = full.things[id];
    struct world *w = l->w;
    const struct slk_charter *charter = l->machine.charter;
    size_t members_n, f = (slk_charter_voting_n(charter) - 1) / 3;
    uint8_t bytes[SLK_RECEIPT_BYTES];

    if (process_honest(l->p) && !has_bit(l->p->disk.pool, id))
        full_fail(l, "a receipt was signed for what is not on the disk");
    if (!full_votes(charter, l->p->member))
        return; /* an observer's word counts for nothing */
    for (size_t i = 0; i < t->receipts_n; i++)
        if (t->receipts[i].agency == receipt->agency)
            return;
    slk_receipt_bytes(bytes, &w->council.chain_id, receipt);
    full_sign(charter, l->p->member, bytes, sizeof(bytes), receipt->sig);
    t->received_us[t->receipts_n] = w->now_us;
    t->receipts[t->receipts_n++] = *receipt;
    members_n = slk_receipts_count(
        t->receipts, t->receipts_n, &t->id, receipt->key_id, charter, &w->council.chain_id, &full_verifier);
    /* Those by a key that was replaced, or by who votes no more, count no more. */
    if (!slk_receipt_check(receipt, charter, &w->council.chain_id, &full_verifier) ||
        members_n > t->receipts_n || (full.reigns_n == 1 && members_n != t->receipts_n))
        full_fail(l, "a receipt does not count");
    full.safe_n += members_n == f + 1;
    if (slk_receipts_are_safe(members_n, charter) != (members_n > f))
        full_fail(l, "SAFE is not f + 1");
}

static void tell(struct ledger *l)
{
    struct world *w = l->w;

    for (unsigned i = 0; i < w->processes_n; i++) {
        struct process *to = w->processes[i];
        struct event event = {.kind = EVENT_POOL, .process = to->index, .u.number = l->p->member};

        if (to == l->p ||
            (!w->is_live && (w->blocked[l->p->member][to->member] || random_chance(&w->net, w->swarm.loss))))
            continue;
        world_at(w, w->now_us + w->swarm.delay_us + random_exponential(&w->net, w->swarm.spread_us), &event);
    }
}

/* The submission is on the disk. */
void ledger_event(struct world *w, struct process *p, const struct event *event)
{
    struct ledger *l = p->ledger;
    unsigned id = (unsigned)event->u.number;
    const struct thing *t = full.things[id];
    struct slk_receipt receipt;
    struct slk_pool_item item;

    if (!slk_pool_find(l->pool, &t->id, t->key_id, &item) || item.is_stored)
        return;
    if (full_disks != NULL)
        full_disks->pool_put(l, id);
    p->disk.pool[id / 64] |= 1ull << (id % 64);
    if (!slk_pool_stored(l->pool, item.ticket, &receipt))
        return;
    hand_out(l, id, &receipt);
    full_judge_quota(l);
    process_pool(w, p);
    tell(l);
}

static unsigned new_number(struct world *w)
{
    w->injected_at[w->submissions_n] = w->now_us;
    return w->submissions_n++;
}

static void send_rivals(struct world *w, struct process *p, unsigned id)
{
    struct process *other = w->processes[random_below(&full.random, w->processes_n)];
    unsigned n = (p->lies & LIE_FLOOD) != 0 ? FLOOD : random_chance(&full.random, 150);

    for (unsigned i = 0; i < n && w->submissions_n < SUBMISSIONS_MAX; i++) {
        unsigned rival = new_number(w);

        full_make_rival(id, rival);
        full_place(w, rival);
        full.conflicts_n++;
        if ((p->lies & LIE_FLOOD) != 0)
            offer(p->ledger, rival);
        else if (other->is_up && !other->is_frozen &&
                 !other->is_paused) /* scenario 40: the other half hears this one */
            offer(other->ledger, rival);
    }
}

void ledger_submit(struct world *w, struct process *p, unsigned id)
{
    enum { TRIES = 30 };
    bool is_made = false;

    for (unsigned i = 0; i < TRIES && !is_made; i++)
        is_made = full_make_thing(p->ledger, id);
    if (!is_made) {
        w->submissions_n--;
        return;
    }
    full_place(w, id);
    offer(p->ledger, id);
    full_make_change(p->ledger);
    send_rivals(w, p, id);
}

/* A promise for what is held by somebody else only. */
static void lie_about(struct ledger *l, const struct slk_pool_item *item, unsigned id)
{
    struct slk_receipt receipt = {.submission_id = item->id,
        .tip_height = l->machine.tip.height,
        .agency = (uint16_t)(l->p->member + 1),
        .class = item->class};

    memcpy(receipt.key_id, item->key_id, SLK_KEY_ID_SIZE);
    hand_out(l, id, &receipt);
}

bool ledger_hear(struct world *w, struct process *p, const struct process *from)
{
    struct ledger *l = p->ledger, *other = from->ledger;
    uint64_t mine[SLK_POOL_BUCKETS], theirs[SLK_POOL_BUCKETS];
    struct slk_pool_item items[LIST];

    (void)w;
    if (other == NULL || other->pool == NULL || l->pool == NULL)
        return false;
    slk_pool_buckets(l->pool, mine);
    slk_pool_buckets(other->pool, theirs);
    for (unsigned b = 0; b < SLK_POOL_BUCKETS; b++) {
        size_t n = mine[b] == theirs[b] ? 0 : slk_pool_list(other->pool, (uint8_t)b, 0, items, LIST);

        for (size_t i = 0; i < n; i++) {
            int id = full_find(&items[i].id, items[i].key_id);

            assert(id >= 0);
            if ((p->lies & LIE_PROMISE) != 0)
                lie_about(l, &items[i], (unsigned)id);
            else
                offer(l, (unsigned)id);
        }
    }
    return false; /* told when it is on the disk */
}

uint64_t ledger_pool(const struct world *w, const struct process *p, uint64_t *fingerprint, bool *is_urgent)
{
    const struct ledger *l = p->ledger;
    struct slk_pool_state state;

    (void)w;
    slk_pool_look(l->pool, &state);
    *fingerprint = state.xor ;
    *is_urgent = state.urgent;
    return state.count;
}

/* ---- going out ---- */

static void settle_doubts(struct ledger *l, uint64_t time_ms)
{
    static struct slk_submission s;
    struct slk_pool_item item;
    struct slk_verdict verdict;

    for (size_t i = 0; i < l->doubts_n; i++) {
        if (!slk_pool_get(l->pool, l->doubts[i], &item))
            continue;
        full_admit(l, &s, item.bytes);
        full_probe(l, &s, time_ms, &verdict);
        if (slk_pool_is_over(&s, &verdict, l->machine.tip.time_ms))
            drop(l, l->doubts[i]);
    }
    l->doubts_n = 0;
}

struct choice {
    struct slk_pool_extent target;
    size_t n;
    struct slk_pool_item items[ITEMS];
    struct slk_submission subs[ITEMS], *list[ITEMS];
    struct slk_verdict verdicts[ITEMS];
};

/* The next selection, on top of what was accepted, beside a charter change of so many bytes. */
static void choose(struct ledger *l, struct choice *c, size_t change)
{
    struct slk_pool_extent limit = {
        l->machine.charter->block_events, l->machine.charter->block_bytes - (change > 0 ? 2 + change : 0)};
    size_t n = slk_pool_select(l->pool, c->target, limit, c->items, c->n, ITEMS);

    c->n = 0;
    for (size_t i = 0; i < n; i++) {
        if ((l->p->lies & LIE_PROMISE) != 0 && c->items[i].class == SLK_CLASS_LOCK)
            continue;
        c->items[c->n] = c->items[i];
        full_admit(l, &c->subs[c->n], c->items[c->n].bytes);
        c->list[c->n] = &c->subs[c->n];
        c->n++;
    }
}

/* True: something was refused; it is passed over from now on, and the rest moves up. */
static bool doubt(struct ledger *l, struct choice *c)
{
    size_t n = c->n;

    c->n = 0;
    for (size_t i = 0; i < n; i++) {
        if (c->verdicts[i].deferred)
            full_fail(l, "what was selected does not fit into the block");
        if (c->verdicts[i].rule == SLK_RULE_OK) {
            c->items[c->n++] = c->items[i];
            continue;
        }
        slk_pool_pass_over(l->pool, c->items[i].ticket);
        if (l->doubts_n < sizeof(l->doubts) / sizeof(l->doubts[0]))
            l->doubts[l->doubts_n++] = c->items[i].ticket;
    }
    return c->n < n;
}

static void print_body(const struct choice *c, struct slk_span change, uint8_t *body, size_t *body_n)
{
    *body_n = 0;
    if (change.size > 0) {
        slk_put_u32(body, FULL_CHANGE_MARK | (uint32_t)change.size);
        memcpy(body + 4, change.at, change.size);
        *body_n = 4 + change.size;
    }
    for (size_t i = 0; i < c->n; i++) {
        assert(c->items[i].bytes.size + 4 <= FULL_BODY_MAX - *body_n);
        slk_put_u32(body + *body_n, (uint32_t)c->items[i].bytes.size);
        memcpy(body + *body_n + 4, c->items[i].bytes.at, c->items[i].bytes.size);
        *body_n += 4 + c->items[i].bytes.size;
    }
}

bool full_pool_build(
    struct ledger *l, struct slk_block_params *params, bool empty, uint8_t *body, size_t *body_n)
{
    static struct choice c;
    bool is_built;

    settle_doubts(l, params->time_ms);
    c.n = 0;
    c.target = (struct slk_pool_extent){
        random_between(&full.random, 1, 200), random_between(&full.random, 1, 40000)};
    for (;;) {
        choose(l, &c, params->change.size);
        is_built = (c.n > 0 || params->change.size > 0) && full_build(l, params, c.list, c.verdicts, c.n);
        if (!doubt(l, &c))
            break;
        if (is_built)
            slk_block_undo(&l->machine, &l->block, NULL);
    }
    if (params->change.size > 0 && !(is_built && l->block.has_change))
        params->change = (struct slk_span){NULL, 0}; /* the builder has left it out */
    print_body(&c, params->change, body, body_n);
    assert(is_built == (c.n > 0 || params->change.size > 0));
    if (is_built || !empty)
        return is_built;
    params->flags = SLK_BLOCK_FLAG_HEARTBEAT;
    return full_build(l, params, c.list, c.verdicts, 0);
}

struct telling {
    struct ledger *l;
    size_t gone_n;
};

static void on_gone(void *ctx, const struct slk_pool_item *item, enum slk_rule rule)
{
    struct telling *t = ctx;
    int id = full_find(&item->id, item->key_id);

    t->gone_n++;
    full.stale_n += rule != SLK_RULE_OK;
    if (id < 0 || (rule == SLK_RULE_OK) != has_bit(t->l->p->disk.included, (unsigned)id))
        full_fail(t->l, "the pool took out as included what is in no block, or the reverse");
    else if (rule != SLK_RULE_OK && !has_bit(t->l->p->disk.stale, (unsigned)id))
        full_fail(t->l, "the pool dropped what no block has overtaken");
    else if (rule != SLK_RULE_OK && full_disks != NULL)
        full_disks->pool_drop(t->l, (unsigned)id);
}

static bool issues(const struct thing *t)
{
    for (size_t i = 0; i < t->events_n; i++)
        if (t->events[i].is_issue)
            return true;
    return false;
}

void full_pool_commit(struct ledger *l, const struct blob *blob)
{
    const struct executed *x = full_executed(blob);
    struct telling telling = {.l = l};
    struct slk_pool_item item;

    slk_pool_commit(l->pool, blob->height, slk_span_of(x->entries, x->entries_size), on_gone, &telling);
    if (slk_charters_last(l->machine.charters) != l->machine.charter)
        slk_pool_recharter(l->pool, l->machine.charter, on_gone, &telling);
    for (unsigned id = 0; id < l->w->submissions_n; id++) {
        if (!full_spent(&l->p->disk, id) ||
            !slk_pool_find(l->pool, &full.things[id]->id, full.things[id]->key_id, &item))
            continue;
        if (has_bit(l->p->disk.included, id))
            full_fail(l, "I9: what is in a block waits for another one");
        else if (!issues(full.things[id])) /* a status index may have been used: the builder will notice */
            full_fail(l, "what a block has overtaken waits on");
    }
    settle_doubts(l, wall(l));
}

void full_pool_open(struct ledger *l)
{
    static struct slk_submission s;
    struct slk_pool_options options = {.chain_id = l->machine.chain_id,
        .agency = (uint16_t)(l->p->member + 1),
        .height = l->machine.tip.height,
        .agencies = l->w->n,
        .lock_quota = full.lock_quota,
        .normal_quota = full.normal_quota};
    uint64_t kept[SUBMISSIONS_MAX / 64];
    struct slk_verdict verdict;

    memcpy(kept, l->p->disk.pool, sizeof(kept));
    if (full_disks != NULL)
        full_disks->pool_read(l, kept);
    slk_pool_free(l->pool);
    if (slk_pool_new(&l->pool, &options) != SLK_OK)
        abort();
    l->doubts_n = 0;
    memset(l->refused_at, 0, sizeof(l->refused_at));
    for (unsigned id = 0; id < l->w->submissions_n; id++) {
        const struct thing *t = full.things[id];

        if (!has_bit(kept, id) || has_bit(l->p->disk.included, id))
            continue;
        full_admit(l, &s, slk_span_of(t->bytes, t->size));
        full_probe(l, &s, wall(l), &verdict);
        if (verdict.rule != SLK_RULE_OK && slk_pool_is_over(&s, &verdict, l->machine.tip.time_ms)) {
            if (full_disks != NULL)
                full_disks->pool_drop(l, id);
            continue;
        }
        if (slk_pool_restore(l->pool, &s, slk_span_of(t->bytes, t->size)) != SLK_POOL_ADMIT)
            full_fail(l, "what was in the pool before the crash does not fit into it any more");
    }
}

/* ---- promises: of the proposer of a block, judged by the first who commits it ---- */

struct promise {
    unsigned id;
    const struct slk_receipt *receipt;
    struct slk_submission submission;
    enum slk_rule before;
};
static struct promise promises[PROMISES];
static size_t promises_n;

void full_promises_before(struct ledger *l, const struct blob *blob)
{
    struct slk_block_header h;
    struct slk_verdict verdict;

    promises_n = 0;
    if (!process_honest(l->p) || blob->height <= full.promised ||
        slk_block_header_parse(&h, blob->header) != SLK_OK)
        return;
    full.promised = blob->height;
    for (unsigned id = 0; id < l->w->submissions_n && promises_n < PROMISES; id++) {
        const struct thing *t = full.things[id];

        if (full_spent(&l->p->disk, id))
            continue;
        for (size_t i = 0; i < t->receipts_n && promises_n < PROMISES; i++) {
            struct promise *p = &promises[promises_n];

            if (t->receipts[i].agency != world_member(l->w, h.height, h.proposer) + 1 ||
                t->receipts[i].tip_height + 2 > blob->height)
                continue;
            p->id = id;
            p->receipt = &t->receipts[i];
            full_admit(l, &p->submission, slk_span_of(t->bytes, t->size));
            full_probe(l, &p->submission, blob->time_ms, &verdict);
            p->before = verdict.rule;
            promises_n++;
        }
    }
}

void full_promises_after(struct ledger *l, const struct blob *blob)
{
    const struct executed *x = full_executed(blob);
    struct slk_block_header h;
    struct slk_verdict verdict;

    if (slk_block_header_parse(&h, blob->header) != SLK_OK)
        abort();
    for (size_t i = 0; i < promises_n; i++) {
        struct promise *p = &promises[i];
        struct slk_promise promise = {.receipt = p->receipt,
            .submission = &p->submission,
            .charter = full_charter_at(blob->height),
            .chain_id = &l->w->council.chain_id,
            .header = &h,
            .entries = slk_span_of(x->entries, x->entries_size),
            .before = p->before};

        full_probe(l, &p->submission, blob->time_ms + 1, &verdict);
        promise.after = verdict.rule;
        if (slk_promise_judge(&promise) != SLK_PROMISE_BROKEN)
            continue;
        full.broken_n++;
        world_trace(l->w,
            "process %u: block %llu by %u lacks %u (%s, %zu events), promised at %llu; block %u events",
            l->p->index, (unsigned long long)h.height, h.proposer, p->id,
            p->receipt->class == SLK_CLASS_LOCK ? "lock" : "normal", full.things[p->id]->events_n,
            (unsigned long long)p->receipt->tip_height, h.event_count);
        if (l->w->swarm.lies[world_member(l->w, h.height, h.proposer)] == 0)
            full_fail(l, "an honest member is convicted of a broken promise");
    }
}
