/* node_block.c: blocks on this node's machine. A block that was built or checked stays executed until it is committed, or somebody
 * needs the committed state: then it is taken back, and executed again should it become final. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/block_scratch.h"
#include "net/node_private.h"

enum {
    SLOW_MS = 2000
}; /* a block of mine that takes longer was too large for these lines (protocol §2.11) */

static const struct slk_par *par(const struct slk_node *node)
{
    return slk_workers_par(node->ledger->workers);
}

void slk_node_settle(struct slk_node *node)
{
    if (!node->is_executed)
        return;
    slk_block_undo(&node->ledger->machine, &node->block, par(node));
    node->is_executed = false;
}

void slk_node_fill_tip(struct slk_node *node)
{
    const struct slk_tip *tip = slk_store_tip(node->ledger->store);
    const struct slk_charter *charter = slk_node_charter(node);
    enum slk_err err = slk_council_of(&node->council, charter, slk_ledger_chain_id(node->ledger));

    if (err != SLK_OK)
        slk_node_fail(node, err, NULL);
    node->me = SLK_BFT_NOBODY;
    slk_node_choose_vote_key(node);
    for (size_t i = 0; node->vote_key != NULL && i < node->council.n; i++)
        if (memcmp(node->council.keys[i], slk_key_public(node->vote_key), SLK_KEY_SIZE) == 0)
            node->me = (uint16_t)i;
    node->my_peer = slk_node_index(charter, node->options.agency);
    node->tip.height = tip->height;
    node->tip.time_ms = tip->time_ms;
    node->tip.hash = tip->block_hash;
    node->tip.council = node->council;
    node->tip.me = node->me;
}

/* ---- bodies ---- */

static struct slk_node_body *in_memory(struct slk_node *node, const struct slk_hash *hash)
{
    for (size_t i = 0; i < NODE_BODIES_MAX; i++)
        if (node->bodies[i].bytes != NULL && slk_hash_equal(&node->bodies[i].hash, hash))
            return &node->bodies[i];
    return NULL;
}

bool slk_node_body(struct slk_node *node, const struct slk_hash *hash, struct slk_span *body)
{
    const struct slk_node_body *b = in_memory(node, hash);
    struct slk_fault fault = {0};
    const uint8_t *header;
    enum slk_err err;

    if (b != NULL) {
        *body = slk_span_of(b->bytes, b->size);
        return true;
    }
    err = slk_view_renew(node->ledger->view);
    if (err == SLK_OK)
        err = slk_view_candidate(node->ledger->view, hash, &header, body, &fault);
    if (err != SLK_OK && err != SLK_E_NOT_FOUND)
        slk_node_fail(node, err, &fault);
    return err == SLK_OK;
}

static void drop_body(struct slk_node_body *b)
{
    free(b->bytes);
    memset(b, 0, sizeof(*b));
}

/* Takes the bytes for its own. The oldest makes room: what is on disk is found there, the rest is asked for again. */
static void keep(
    struct slk_node *node, const struct slk_hash *hash, const uint8_t *header, uint8_t *bytes, size_t size)
{
    struct slk_node_body *b = in_memory(node, hash);
    struct slk_block_header h;

    if (b == NULL)
        b = &node->bodies[node->bodies_next++ % NODE_BODIES_MAX];
    drop_body(b);
    if (slk_block_header_parse(&h, header) != SLK_OK) {
        free(bytes);
        return; /* no header of ours: VALIDATE will find no body, and nobody's block has it */
    }
    b->hash = *hash;
    memcpy(b->header, header, SLK_BLOCK_HEADER_SIZE);
    b->height = h.height;
    b->bytes = bytes;
    b->size = size;
}

static uint8_t *copy(struct slk_node *node, const uint8_t *bytes, size_t size)
{
    uint8_t *mine = malloc(size + 1);

    if (mine == NULL)
        slk_node_fail(node, SLK_E_NOMEM, NULL);
    else if (size > 0)
        memcpy(mine, bytes, size);
    return mine;
}

static struct slk_node_part *part_of(struct slk_node *node, const struct slk_hash *hash)
{
    for (size_t i = 0; i < NODE_PARTS_MAX; i++)
        if (node->parts[i].bytes != NULL && slk_hash_equal(&node->parts[i].hash, hash))
            return &node->parts[i];
    return NULL;
}

static struct slk_node_part *begin_part(struct slk_node *node, const struct slk_hash *hash, size_t size)
{
    struct slk_node_part *part = part_of(node, hash);

    if (part == NULL)
        part = &node->parts[node->parts_next++ % NODE_PARTS_MAX];
    free(part->bytes);
    part->bytes = malloc(size + 1);
    part->hash = *hash;
    part->n = 0;
    part->size = size;
    if (part->bytes == NULL)
        slk_node_fail(node, SLK_E_NOMEM, NULL);
    return part->bytes != NULL ? part : NULL;
}

void slk_node_take_body(struct slk_node *node, const struct slk_bft_effect *e)
{
    struct slk_node_part *part =
        e->offset == 0 ? begin_part(node, &e->hash, (size_t)e->size) : part_of(node, &e->hash);

    if (part == NULL || part->n != e->offset || e->body.size > part->size - part->n)
        return; /* its beginning had to make room: VALIDATE finds no body, and it is asked for again */
    if (e->body.size > 0)
        memcpy(part->bytes + part->n, e->body.at, e->body.size);
    part->n += e->body.size;
    if (part->n < part->size)
        return;
    keep(node, &e->hash, e->header, part->bytes, part->n);
    memset(part, 0, sizeof(*part));
}

void slk_node_blocks_free(struct slk_node *node)
{
    for (size_t i = 0; i < NODE_BODIES_MAX; i++)
        drop_body(&node->bodies[i]);
    for (size_t i = 0; i < NODE_PARTS_MAX; i++)
        free(node->parts[i].bytes);
    slk_block_free(&node->block);
    slk_block_free(&node->probe);
    slk_body_items_free(&node->items);
    slk_node_choice_free(&node->choice);
    free(node->change);
}

/* ---- executing ---- */

static enum slk_bft_verdict execute(
    struct slk_node *node, const struct slk_hash *hash, const uint8_t *header, struct slk_fault *fault)
{
    struct slk_machine *machine = &node->ledger->machine;
    struct slk_block_header h;
    struct slk_span body;
    enum slk_err err;

    if (node->is_executed && slk_hash_equal(&node->block.tip.block_hash, hash))
        return SLK_BLOCK_VALID;
    slk_node_settle(node);
    if (!slk_node_body(node, hash, &body))
        return SLK_BLOCK_MISSING;
    if (slk_block_header_parse(&h, header) != SLK_OK)
        return SLK_BLOCK_INVALID;
    if (!slk_body_is(&node->items, &h, &machine->tip.seal_hash, body)) {
        if (in_memory(node, hash) != NULL)
            drop_body(in_memory(node, hash));
        return SLK_BLOCK_MISSING; /* what came under this name is another block's body */
    }
    machine->is_vouched = node->options.is_vouched && slk_bft_is_final(node->core, hash);
    err = slk_block_check(&node->block, machine, &node->ledger->source.reads, header, body, par(node), fault);
    machine->is_vouched = false;
    if (err == SLK_E_NOMEM)
        slk_node_fail(node, err, NULL);
    node->is_executed = err == SLK_OK;
    return err == SLK_OK ? SLK_BLOCK_VALID : SLK_BLOCK_INVALID;
}

void slk_node_validate(struct slk_node *node, const struct slk_bft_effect *effect)
{
    struct slk_node_input *input = slk_node_input(node, SLK_IN_VALIDATED);
    struct slk_fault fault = {0};

    input->in.hash = effect->hash;
    input->in.verdict = execute(node, &effect->hash, effect->header, &fault);
    if (input->in.verdict == SLK_BLOCK_INVALID)
        SLK_SAY(node->options.log, SLK_SAY_WARN, "invalid_block",
            SLK_SAY_NUMBER("height", slk_store_tip(node->ledger->store)->height + 1),
            SLK_SAY_TEXT("why", fault.text));
}

/* ---- building ---- */

void slk_node_choice_free(struct slk_node_choice *choice)
{
    for (size_t i = 0; i < choice->cap; i++)
        slk_submission_free(&choice->subs[i]);
    free(choice->items);
    free(choice->subs);
    free(choice->list);
    free(choice->verdicts);
    free(choice->rules);
    memset(choice, 0, sizeof(*choice));
}

bool slk_node_choice_room(struct slk_node_choice *choice, size_t n)
{
    size_t cap = choice->cap, caps[4] = {cap, cap, cap, cap};

    if (n <= cap)
        return true;
    if (!slk_block_grow(&choice->items, &caps[0], n, sizeof(*choice->items)) ||
        !slk_block_grow(&choice->list, &caps[1], n, sizeof(struct slk_submission *)) ||
        !slk_block_grow(&choice->verdicts, &caps[2], n, sizeof(*choice->verdicts)) ||
        !slk_block_grow(&choice->subs, &caps[3], n, sizeof(*choice->subs)))
        return false;
    memset(choice->subs + cap, 0, (caps[3] - cap) * sizeof(*choice->subs));
    choice->cap = caps[3];
    for (size_t i = 0; i < 3; i++)
        choice->cap = caps[i] < choice->cap ? caps[i] : choice->cap;
    return true;
}

static void admit_one(void *arg, size_t i)
{
    struct slk_node *node = arg;
    const struct slk_machine *machine = &node->ledger->machine;

    if (node->choice.subs[i].charter_version == 0)
        slk_submission_admit_with(
            &node->choice.subs[i], machine->charter, &machine->chain_id, machine->proven);
}

/* The next selection, on top of what was accepted: choice.n of them, at the front. */
static bool choose(struct slk_node *node)
{
    struct slk_node_choice *c = &node->choice;
    const struct slk_charter *charter = slk_node_charter(node);
    struct slk_pool_extent limit = {charter->block_events, charter->block_bytes};
    struct slk_pool_state state;
    size_t kept = c->n, most;

    slk_pool_look(node->pool, &state);
    most = state.count < limit.events ? (size_t)state.count : limit.events;
    most = most > 0 ? most : 1;
    if (!slk_node_choice_room(c, most))
        return false;
    c->n = slk_pool_select(node->pool, node->target, limit, c->items, kept, most);
    for (size_t i = kept; i < c->n; i++) {
        if (slk_submission_parse(&c->subs[i], c->items[i].bytes) != SLK_OK)
            return false; /* it parsed when it came in: out of memory */
        c->subs[i].charter_version = 0;
    }
    slk_par_run(par(node), admit_one, node, c->n);
    for (size_t i = 0; i < c->n; i++) {
        c->list[i] = &c->subs[i];
        c->verdicts[i].events = NULL;
    }
    return true;
}

/* Those that were refused are passed over from now on, the others move up. True: there were some. */
static bool pass_over(struct slk_node *node)
{
    struct slk_node_choice *c = &node->choice;
    size_t n = c->n;

    c->n = 0;
    for (size_t i = 0; i < n; i++) {
        struct slk_submission sub = c->subs[i];

        if (c->verdicts[i].rule != SLK_RULE_OK || c->verdicts[i].deferred) {
            slk_pool_pass_over(node->pool, c->items[i].ticket);
            slk_node_doubt(node, c->items[i].ticket);
            continue;
        }
        c->subs[i] = c->subs[c->n]; /* each keeps its arena */
        c->subs[c->n] = sub;
        c->items[c->n++] = c->items[i];
    }
    return c->n < n;
}

static enum slk_err build_once(struct slk_node *node, const struct slk_block_params *params, size_t n)
{
    struct slk_fault fault = {0};
    enum slk_err err = slk_block_build(&node->block, &node->ledger->machine, &node->ledger->source.reads,
        params, node->choice.list, node->choice.verdicts, n, &fault);

    node->is_executed = err == SLK_OK;
    if (err != SLK_OK && err != SLK_E_NOT_FOUND)
        slk_node_fail(node, err, &fault);
    return err;
}

/* A change that cannot enter any more would keep everybody awake. */
static void drop_bad_change(struct slk_node *node)
{
    if (node->change == NULL || node->block.change_rule == SLK_CHANGE_OK)
        return;
    SLK_SAY(node->options.log, SLK_SAY_WARN, "change_refused",
        SLK_SAY_TEXT("rule", slk_change_rule_name(node->block.change_rule)),
        SLK_SAY_TEXT("why", node->block.change_fault.text));
    free(node->change);
    node->change = NULL;
}

static bool build(struct slk_node *node, struct slk_block_params *params, bool empty)
{
    enum slk_err err;

    node->choice.n = 0;
    if (node->change != NULL)
        params->change = slk_span_of(node->change, node->change_size);
    for (;;) {
        slk_node_settle(node);
        if (!choose(node)) {
            slk_node_fail(node, SLK_E_NOMEM, NULL);
            return false;
        }
        err = build_once(node, params, node->choice.n);
        if ((err != SLK_OK && err != SLK_E_NOT_FOUND) || !pass_over(node))
            break;
    }
    if (params->change.size > 0)
        drop_bad_change(node);
    if (err != SLK_E_NOT_FOUND || !empty)
        return err == SLK_OK;
    params->flags = SLK_BLOCK_FLAG_HEARTBEAT;
    params->change = (struct slk_span){0};
    return build_once(node, params, 0) == SLK_OK;
}

void slk_node_build(struct slk_node *node, const struct slk_bft_effect *effect)
{
    struct slk_node_input *input = slk_node_input(node, SLK_IN_BUILT);
    const struct slk_tip *tip = slk_store_tip(node->ledger->store);
    uint64_t wall = slk_node_wall(node);
    struct slk_block_params params = {.time_ms = wall > tip->time_ms ? wall : tip->time_ms + 1,
        .proposer = node->me,
        .origin_view = effect->view,
        .par = par(node)};
    uint8_t *bytes;

    input->in.height = effect->height;
    input->in.view = effect->view;
    assert(effect->height == tip->height + 1);
    if (params.time_ms >= SLK_TIME_MS_MAX || !build(node, &params, effect->empty))
        return;
    bytes = copy(node, node->block.entries, node->block.entries_size);
    if (bytes == NULL)
        return;
    keep(node, &node->block.tip.block_hash, node->block.header_bytes, bytes, node->block.entries_size);
    node->built_ms = slk_node_now(node);
    input->in.header = in_memory(node, &node->block.tip.block_hash)->header;
}

/* The leader's own target: half after a slow block, a tenth more after others (protocol §2.11). */
static void adapt(struct slk_node *node)
{
    const struct slk_charter *charter = slk_node_charter(node);
    bool is_slow = node->built_ms > 0 && slk_node_now(node) - node->built_ms > SLOW_MS;
    struct slk_pool_extent *t = &node->target;

    if (node->built_ms == 0)
        return;
    node->built_ms = 0;
    t->events = is_slow ? t->events / 2 : t->events + t->events / 10 + 1;
    t->bytes = is_slow ? t->bytes / 2 : t->bytes + t->bytes / 10 + 1;
    t->events = t->events < SLK_TARGET_EVENTS_MIN ? SLK_TARGET_EVENTS_MIN : t->events;
    t->bytes = t->bytes < SLK_TARGET_BYTES_MIN ? SLK_TARGET_BYTES_MIN : t->bytes;
    t->events = t->events > charter->block_events ? charter->block_events : t->events;
    t->bytes = t->bytes > charter->block_bytes ? charter->block_bytes : t->bytes;
}

/* ---- committing ---- */

static enum slk_err save(struct slk_node *node, const struct slk_cert *cert, struct slk_fault *fault)
{
    const struct slk_block *block = &node->block;
    const struct slk_tip *tip = slk_store_tip(node->ledger->store);
    struct slk_pooled_id *included;
    struct slk_decision decision;
    enum slk_err err;

    if (!slk_body_is(
            &node->items, &block->header, &tip->seal_hash, slk_span_of(block->entries, block->entries_size)))
        return SLK_E_NOMEM; /* it was executed: only memory can lack */
    included = malloc((node->items.n + 1) * sizeof(*included));
    if (included == NULL)
        return SLK_E_NOMEM;
    for (size_t i = 0; i < node->items.n; i++)
        included[i] = node->items.at[i].id;
    decision = (struct slk_decision){
        .block = block, .finality = cert, .included = included, .included_n = node->items.n};
    err = slk_store_commit(node->ledger->store, &decision, fault);
    free(included);
    return err;
}

/* The committed block is what everybody reads from now on. */
static enum slk_err move_on(struct slk_node *node, struct slk_fault *fault)
{
    enum slk_err err = slk_source_renew(&node->ledger->source);

    if (err == SLK_OK)
        err = slk_view_renew(node->ledger->view);
    if (err == SLK_OK)
        err = slk_ledger_give_room(node->ledger);
    if (err == SLK_OK)
        err = slk_ledger_snapshot_between(node->ledger, fault);
    return err;
}

/* A node that catches up says nothing about how soon blocks are final. */
static void note_finality(struct slk_node *node, const struct slk_tip *tip)
{
    struct slk_bft_view_of look;
    uint64_t now = slk_node_wall(node);

    slk_bft_look(node->core, &look);
    if (look.certain <= tip->height)
        slk_histogram_add(&node->counts.block_finality, now > tip->time_ms ? (now - tip->time_ms) * 1000 : 0);
}

static void after_commit(struct slk_node *node)
{
    const struct slk_tip *tip = slk_store_tip(node->ledger->store);
    bool is_recharter = !slk_hash_equal(&node->council.charter_hash, &slk_node_charter(node)->hash);

    for (size_t i = 0; i < NODE_BODIES_MAX; i++)
        if (node->bodies[i].bytes != NULL && node->bodies[i].height <= tip->height)
            drop_body(&node->bodies[i]);
    if (node->change != NULL && node->block.has_change) {
        free(node->change); /* this one, or another that came before it: then it cannot enter any more */
        node->change = NULL;
    }
    adapt(node);
    node->charter_turns += is_recharter || node->block.has_change;
    slk_node_fill_tip(node);
    slk_node_cosign_new_tip(node, is_recharter);
    slk_node_pool_committed(node, is_recharter);
    node->status.blocks_n++;
    note_finality(node, tip);
    slk_node_tell_commit(node);
    slk_node_tell_news(node, SLK_NEWS_COMMITTED, tip->height);
    if (is_recharter)
        slk_node_tell_news(node, SLK_NEWS_CHARTER, tip->height);
    SLK_SAY(node->options.log, SLK_SAY_DEBUG, "committed", SLK_SAY_NUMBER("height", tip->height),
        SLK_SAY_NUMBER("events", node->block.header.event_count),
        SLK_SAY_NUMBER("view", node->block.header.origin_view));
}

void slk_node_commit(struct slk_node *node, const struct slk_bft_effect *effect)
{
    struct slk_fault fault = {0};
    enum slk_err err = SLK_OK;

    /* The core commits what it was told to be valid here. */
    if (execute(node, &effect->hash, effect->header, &fault) != SLK_BLOCK_VALID)
        err = SLK_E_CORRUPT;
    if (err == SLK_OK)
        err = save(node, effect->cert, &fault);
    if (err == SLK_OK) {
        node->is_executed = false; /* it is the tip */
        err = move_on(node, &fault);
    }
    if (err != SLK_OK) {
        slk_node_fail(node, err, &fault);
        return;
    }
    after_commit(node);
    if (node->err != SLK_OK)
        return;
    slk_node_tell_pool(node); /* before the next height begins, or it would be asked for what is gone */
    slk_node_input(node, SLK_IN_COMMITTED)->in.tip = &node->tip;
}
