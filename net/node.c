/* node.c: the core's effects are carried out in their order; what they are answered with waits in a ring, because the effects hold
 * only until the next step. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/node_private.h"

#define INPUTS_MAX (SLK_BFT_EFFECTS + 64)

uint64_t slk_node_now(const struct slk_node *node)
{
    return node->options.now_ms(node->options.clock_ctx);
}

uint64_t slk_node_wall(const struct slk_node *node)
{
    return node->options.wall_ms(node->options.clock_ctx);
}

const struct slk_charter *slk_node_charter(const struct slk_node *node)
{
    assert(!node->is_executed);
    return node->ledger->machine.charter;
}

/* Only the first reason counts: what follows is its consequence. */
void slk_node_fail(struct slk_node *node, enum slk_err err, const struct slk_fault *fault)
{
    assert(err != SLK_OK);
    if (node->err != SLK_OK)
        return;
    node->err = err;
    if (fault != NULL && fault->text[0] != '\0')
        node->fault = *fault;
    else
        snprintf(node->fault.text, sizeof(node->fault.text), "%s", slk_err_text(err));
    SLK_SAY(node->options.log, SLK_SAY_ERROR, "failed", SLK_SAY_TEXT("code", slk_err_name(err)),
        SLK_SAY_TEXT("why", node->fault.text));
}

enum slk_err slk_node_failed(const struct slk_node *node, struct slk_fault *fault)
{
    *fault = node->fault;
    return node->err;
}

/* splitmix64: spreads STATUS messages, nothing else. */
static uint32_t chance(struct slk_node *node)
{
    uint64_t z = (node->random += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(z >> 32);
}

/* ---- inputs ---- */

struct slk_node_input *slk_node_input(struct slk_node *node, enum slk_bft_input_kind kind)
{
    struct slk_node_input *input = &node->inputs[(node->first + node->n) % INPUTS_MAX];

    assert(node->n < INPUTS_MAX);
    node->n++;
    memset(&input->in, 0, sizeof(input->in));
    input->in.kind = kind;
    return input;
}

void slk_node_tell_pool(struct slk_node *node)
{
    struct slk_node_input *input = slk_node_input(node, SLK_IN_POOL);
    struct slk_pool_state state;

    slk_pool_look(node->pool, &state);
    input->in.pool_count = state.count + (node->change != NULL);
    input->in.pool_xor = state.xor ;
    input->in.pool_urgent = state.urgent;
}

/* ---- sending ---- */

bool slk_node_send(struct slk_node *node, uint16_t peer, enum slk_frame_type type, struct slk_span message)
{
    if (node->err != SLK_OK || peer >= SLK_BFT_PEERS || peer == node->my_peer || !node->peers[peer].is_up)
        return false;
    if (!slk_node_may_hear(node, peer, type))
        return false;
    return node->options.wire.send(node->options.wire.ctx, peer, type, message);
}

void slk_node_send_all(struct slk_node *node, enum slk_frame_type type, struct slk_span message)
{
    for (uint16_t peer = 0; peer < SLK_BFT_PEERS; peer++)
        (void)slk_node_send(node, peer, type, message);
}

static void send(struct slk_node *node, const struct slk_bft_effect *effect)
{
    struct slk_msg msg = *effect->msg;
    struct slk_span message = {.at = node->out};

    if (effect->with_body && !slk_node_body(node, &effect->msg->hash, &msg.body))
        return; /* it left memory and disk: the others ask for it */
    if (msg.body.size > SLK_INLINE_BODY_MAX)
        msg.body.size = 0;
    message.size = slk_msg_format(node->out, node->out_cap, &msg);
    assert(message.size > 0);
    if (effect->peer != SLK_BFT_ALL) {
        (void)slk_node_send(node, effect->peer, (enum slk_frame_type)msg.kind, message);
        return;
    }
    for (size_t peer = 0; peer < node->council.n; peer++)
        (void)slk_node_send(node, (uint16_t)peer, (enum slk_frame_type)msg.kind, message);
}

/* ---- effects ---- */

static bool body_of(void *ctx, const struct slk_hash *hash, struct slk_span *body)
{
    return slk_node_body(ctx, hash, body);
}

static void persist(struct slk_node *node, const struct slk_bft_effect *effect)
{
    struct slk_fault fault = {0};
    enum slk_err err = slk_store_persist(
        node->ledger->store, node->effects->records + effect->first, effect->n, body_of, node, &fault);

    if (err != SLK_OK)
        slk_node_fail(node, err, &fault);
    else
        slk_node_input(node, SLK_IN_PERSISTED)->in.seq = effect->seq;
}

static void sign(struct slk_node *node, const struct slk_statement *statement)
{
    const struct slk_vote vote = {.statement = *statement, .signer = node->me};
    struct slk_node_input *input;
    uint8_t bytes[SLK_VOTE_BYTES];

    assert(node->me != SLK_BFT_NOBODY);
    slk_statement_bytes(bytes, &node->council, statement);
    if (slk_node_signs_later(node, node->vote_key)) {
        slk_node_ask_vote(node, &vote, bytes, sizeof(bytes));
        return;
    }
    input = slk_node_input(node, SLK_IN_SIGNED);
    input->vote = vote;
    input->in.vote = &input->vote;
    if (slk_key_sign(node->vote_key, input->vote.sig, bytes, sizeof(bytes)) != SLK_OK)
        slk_node_fail(node, SLK_E_KEY, NULL);
}

static void keep_evidence(struct slk_node *node, const struct slk_bft_effect *effect)
{
    struct slk_fault fault = {0};
    struct slk_span message = {.at = node->out};
    enum slk_err err =
        slk_store_put_evidence(node->ledger->store, &effect->msg->vote, &effect->msg->other, &fault);

    node->status.evidence_n++;
    SLK_SAY(node->options.log, SLK_SAY_ERROR, "two_voices",
        SLK_SAY_NUMBER("height", effect->msg->vote.statement.height),
        SLK_SAY_NUMBER("view", effect->msg->vote.statement.view),
        SLK_SAY_NUMBER("member", effect->msg->vote.signer));
    if (err != SLK_OK && err != SLK_E_EXISTS && err != SLK_E_TOO_LARGE) {
        slk_node_fail(node, err, &fault);
        return;
    }
    message.size = slk_msg_format(node->out, node->out_cap, effect->msg);
    if (err == SLK_OK && message.size > 0)
        slk_node_send_all(node, SLK_FRAME_EVIDENCE, message);
}

void slk_node_raise_alarm(struct slk_node *node, const char *name, bool stands)
{
    snprintf(node->status.alarm, sizeof(node->status.alarm), "%s", name);
    if (stands)
        memcpy(node->standing_alarm, node->status.alarm, sizeof(node->standing_alarm));
    slk_node_tell_news(node, SLK_NEWS_ALARM, slk_store_tip(node->ledger->store)->height);
}

void slk_node_lower_alarm(struct slk_node *node, const char *name)
{
    if (strcmp(node->standing_alarm, name) == 0)
        node->standing_alarm[0] = '\0';
    if (strcmp(node->status.alarm, name) == 0)
        memcpy(node->status.alarm, node->standing_alarm, sizeof(node->status.alarm));
}

static void raise_alarm(struct slk_node *node, enum slk_bft_alarm alarm)
{
    static const char *const names[] = {"?", "AMNESIA", "DIVERGED", "FORK", "CLOCK", "VIEWS"};

    SLK_SAY(node->options.log, SLK_SAY_ERROR, "alarm", SLK_SAY_TEXT("alarm", names[alarm]),
        SLK_SAY_NUMBER("height", slk_store_tip(node->ledger->store)->height + 1));
    slk_node_raise_alarm(node, names[alarm], true);
}

static void charge(struct slk_node *node, const struct slk_bft_effect *effect)
{
    node->status.charged_n++;
    SLK_SAY(node->options.log, SLK_SAY_WARN, "false_message", SLK_SAY_NUMBER("peer", effect->peer),
        SLK_SAY_TEXT("what", slk_bft_drop_name(effect->drop)));
    if (node->options.wire.charge != NULL)
        node->options.wire.charge(node->options.wire.ctx, effect->peer, SLK_MESH_BAD);
}

static void carry_out(struct slk_node *node, const struct slk_bft_effect *effect)
{
    switch (effect->kind) {
    case SLK_OUT_PERSIST:
        persist(node, effect);
        return;
    case SLK_OUT_SIGN:
        sign(node, &effect->statement);
        return;
    case SLK_OUT_SEND:
        send(node, effect);
        return;
    case SLK_OUT_SERVE:
        slk_node_serve(node, effect);
        return;
    case SLK_OUT_BODY:
        slk_node_take_body(node, effect);
        return;
    case SLK_OUT_VALIDATE:
        slk_node_validate(node, effect);
        return;
    case SLK_OUT_BUILD:
        slk_node_build(node, effect);
        return;
    case SLK_OUT_COMMIT:
        slk_node_commit(node, effect);
        return;
    case SLK_OUT_COSIGN:
        slk_node_cosign(node, effect->seq);
        return;
    case SLK_OUT_EVIDENCE:
        keep_evidence(node, effect);
        return;
    case SLK_OUT_PULL:
        slk_node_pull(node, effect->peer);
        return;
    case SLK_OUT_CHARGE:
        charge(node, effect);
        return;
    case SLK_OUT_ALARM:
        raise_alarm(node, effect->alarm);
        return;
    }
}

static void carry_out_all(struct slk_node *node)
{
    node->due_ms = node->effects->wake_ms;
    for (size_t i = 0; node->err == SLK_OK && i < node->effects->n; i++)
        carry_out(node, &node->effects->at[i]);
}

static void step(struct slk_node *node, struct slk_bft_input *in)
{
    in->now_ms = slk_node_now(node);
    in->wall_ms = slk_node_wall(node);
    in->random = chance(node);
    slk_bft_step(node->core, in, node->effects); /* copies what it keeps */
    carry_out_all(node);
}

void slk_node_pump(struct slk_node *node)
{
    while (node->err == SLK_OK && node->n > 0) {
        struct slk_node_input *input = &node->inputs[node->first];

        node->first = (node->first + 1) % INPUTS_MAX; /* its place stays until the ring is full */
        node->n--;
        step(node, &input->in);
    }
}

/* ---- opening ---- */

static bool council_of(void *ctx, struct slk_span bytes, const struct slk_hash *hash, struct slk_council *out)
{
    const struct slk_node *node = ctx;
    struct slk_charter *charter = malloc(sizeof(*charter));
    bool is_it = charter != NULL && slk_charter_parse(charter, bytes) == SLK_OK &&
                 slk_hash_equal(&charter->hash, hash) &&
                 slk_council_of(out, charter, slk_ledger_chain_id(node->ledger)) == SLK_OK;

    free(charter);
    return is_it;
}

uint16_t slk_node_index(const struct slk_charter *charter, uint16_t agency)
{
    uint16_t voting = 0, others = (uint16_t)slk_charter_voting_n(charter);

    for (size_t i = 0; i < charter->members_n; i++) {
        bool votes = charter->members[i].role == SLK_VOTING;

        if (charter->members[i].agency == agency)
            return votes ? voting : others;
        voting = (uint16_t)(voting + votes);
        others = (uint16_t)(others + !votes);
    }
    return SLK_MESH_NOBODY;
}

static struct slk_node *allocate(const struct slk_node_options *options)
{
    struct slk_node *node = calloc(1, sizeof(*node));

    if (node == NULL)
        return NULL;
    node->options = *options;
    node->random = options->seed;
    node->due_ms = node->save_due_ms = UINT64_MAX;
    node->counts.opened_ms = slk_node_now(node);
    node->me = SLK_BFT_NOBODY;
    node->my_peer = SLK_MESH_NOBODY;
    node->out_cap = (size_t)256 << 10;
    node->out = malloc(node->out_cap);
    node->inputs = calloc(INPUTS_MAX, sizeof(*node->inputs));
    node->effects = calloc(1, sizeof(*node->effects));
    node->msg = calloc(1, sizeof(*node->msg));
    node->certs = calloc(1, sizeof(*node->certs));
    node->served = calloc(SLK_RANGE_MAX, sizeof(*node->served));
    node->waiting = calloc(NODE_WAITING_MAX, sizeof(*node->waiting));
    node->finals = calloc(NODE_FINALS, sizeof(*node->finals));
    if (node->out == NULL || node->inputs == NULL || node->effects == NULL || node->msg == NULL ||
        node->certs == NULL || node->served == NULL || node->waiting == NULL || node->finals == NULL) {
        slk_node_close(node);
        return NULL;
    }
    for (uint32_t i = 0; i < NODE_WAITING_MAX; i++)
        node->waiting[i].next = i + 1 < NODE_WAITING_MAX ? i + 2 : 0;
    node->free_waiting = 1;
    return node;
}

static enum slk_err open_ledger(struct slk_node *node, struct slk_fault *fault)
{
    const struct slk_node_options *o = &node->options;
    struct slk_ledger_options options = {.by_node = true,
        .clock_ms = o->wall_ms,
        .clock_ctx = o->clock_ctx,
        .threads = o->threads,
        .map_size = o->map_size,
        .progress = o->progress,
        .progress_ctx = o->progress_ctx};

    return slk_ledger_open(&node->ledger, o->dir, &options, fault);
}

static enum slk_err open_core(struct slk_node *node)
{
    const struct slk_charter *charter = slk_node_charter(node);
    struct slk_bft_config config;

    slk_bft_config_default(&config, node->options.delta_ms > 0 ? node->options.delta_ms : charter->delta_ms);
    config.heartbeat_ms = (uint64_t)charter->heartbeat_s * 1000;
    config.electors = (struct slk_electors){.ctx = node, .council = council_of};
    node->core = slk_bft_new(&config);
    node->target = (struct slk_pool_extent){charter->block_events, charter->block_bytes};
    return node->core == NULL ? SLK_E_NOMEM : SLK_OK;
}

/* The core takes up what was on record for the height after the tip. */
static enum slk_err start(struct slk_node *node, struct slk_fault *fault)
{
    struct slk_bft_input at = {.kind = SLK_IN_TICK,
        .now_ms = slk_node_now(node),
        .wall_ms = slk_node_wall(node),
        .random = chance(node)};
    struct slk_cons cons = {0};
    enum slk_err err = slk_view_renew(node->ledger->view);

    if (err == SLK_OK)
        err = slk_view_cons(node->ledger->view, &cons, fault);
    if (err == SLK_OK) {
        slk_node_fill_tip(node);
        slk_bft_start(node->core, &node->tip, cons.records, cons.n, &at, node->effects);
        carry_out_all(node);
        slk_node_tell_pool(node);
        slk_node_pump(node);
        err = node->err;
        *fault = node->fault;
    }
    slk_cons_free(&cons);
    return err;
}

static enum slk_err bring_up(struct slk_node *node, struct slk_fault *fault)
{
    enum slk_err err = open_ledger(node, fault);

    if (err == SLK_OK) {
        node->proven = slk_proven_new(NODE_PROVEN_N);
        node->ledger->machine.proven = node->proven;
        err = node->proven == NULL ? SLK_E_NOMEM : SLK_OK;
    }
    if (err == SLK_OK)
        err = slk_node_check_keys(node, &node->options, fault);
    if (err == SLK_OK)
        err = open_core(node);
    if (err == SLK_OK)
        err = slk_node_pool_open(node, fault);
    if (err == SLK_OK)
        err = start(node, fault);
    if (err == SLK_OK)
        slk_node_cosign_load(node);
    if (err == SLK_OK && node->err == SLK_OK)
        slk_node_cosign(node, slk_store_tip(node->ledger->store)->height);
    return err == SLK_OK ? node->err : err;
}

enum slk_err slk_node_open(
    struct slk_node **out, const struct slk_node_options *options, struct slk_fault *fault)
{
    struct slk_node *node = allocate(options);
    enum slk_err err;

    *out = NULL;
    *fault = (struct slk_fault){0};
    if (node == NULL)
        return SLK_E_NOMEM;
    err = bring_up(node, fault);
    if (err != SLK_OK) {
        if (fault->text[0] == '\0')
            snprintf(fault->text, sizeof(fault->text), "%s", slk_err_text(err));
        slk_node_close(node);
        return err;
    }
    *out = node;
    SLK_SAY(options->log, SLK_SAY_INFO, "opened",
        SLK_SAY_NUMBER("height", slk_store_tip(node->ledger->store)->height),
        SLK_SAY_NUMBER("members", node->council.n), SLK_SAY_NUMBER("agency", options->agency),
        SLK_SAY_TEXT("votes", node->me != SLK_BFT_NOBODY ? "yes" : "no"));
    return SLK_OK;
}

void slk_node_close(struct slk_node *node)
{
    if (node == NULL)
        return;
    if (node->ledger != NULL && node->err == SLK_OK)
        slk_node_settle(node);
    if (node->ledger != NULL && node->err == SLK_OK)
        slk_node_cosign_save(node);
    slk_node_drop_tokens(node);
    slk_node_clients_free(node);
    if (node->ledger != NULL && node->err != SLK_OK && node->ledger->broken == SLK_OK) {
        node->ledger->broken = node->err; /* nothing more is written */
        node->ledger->broken_fault = node->fault;
    }
    slk_node_pool_free(node);
    slk_node_blocks_free(node);
    slk_bft_free(node->core);
    slk_ledger_close(node->ledger);
    slk_proven_free(node->proven);
    free(node->effects);
    free(node->inputs);
    free(node->msg);
    free(node->certs);
    free(node->served);
    free(node->waiting);
    free(node->finals);
    free(node->out);
    free(node);
}

/* ---- from outside ---- */

uint64_t slk_node_charter_turns(const struct slk_node *node)
{
    return node->charter_turns;
}

void slk_node_peer_up(struct slk_node *node, uint16_t peer)
{
    if (peer >= SLK_BFT_PEERS || peer == node->my_peer || node->peers[peer].is_up)
        return;
    node->peers[peer].is_up = true;
    slk_node_gossip_up(node, peer);
    slk_node_cosign_up(node, peer);
    slk_node_lists_up(node, peer);
}

void slk_node_peer_down(struct slk_node *node, uint16_t peer)
{
    if (peer >= SLK_BFT_PEERS || !node->peers[peer].is_up)
        return;
    slk_node_gossip_down(node, peer);
    node->peers[peer].is_up = false;
    node->peers[peer].height = 0;
}

static enum slk_mesh_verdict hear(
    struct slk_node *node, uint16_t peer, enum slk_msg_kind kind, struct slk_span message)
{
    struct slk_bft_input in = {.kind = SLK_IN_MSG, .peer = peer, .msg = node->msg};

    if (slk_msg_parse(node->msg, node->certs, kind, message) != SLK_OK) {
        node->status.malformed_n++;
        return SLK_MESH_BAD;
    }
    if (kind == SLK_MSG_STATUS && slk_node_is_guest(node, peer) &&
        slk_node_guest_is_ahead(node, &node->msg->status))
        return SLK_MESH_OK;
    if (kind == SLK_MSG_STATUS) {
        node->peers[peer].has_status = true;
        node->peers[peer].pool_count = node->msg->status.pool_count;
        node->peers[peer].pool_xor = node->msg->status.pool_xor;
        node->peers[peer].height = node->msg->status.height > 0 ? node->msg->status.height - 1 : 0;
    }
    if (kind == SLK_MSG_VOTE && node->msg->vote.signer == peer &&
        node->msg->vote.statement.height > node->peers[peer].height)
        node->peers[peer].height = node->msg->vote.statement.height - 1;
    step(node, &in);
    slk_node_pump(node);
    return SLK_MESH_OK;
}

enum slk_mesh_verdict slk_node_received(
    struct slk_node *node, uint16_t peer, enum slk_frame_type type, struct slk_span message)
{
    enum slk_mesh_verdict verdict;

    if (node->err != SLK_OK || peer >= SLK_BFT_PEERS || !node->peers[peer].is_up)
        return SLK_MESH_OK; /* it was on its way when the connection ended */
    node->status.messages_n++;
    if (slk_node_is_guest(node, peer) && !slk_frame_is_said_by(type, SLK_FRAME_GUESTS))
        return SLK_MESH_USELESS;
    if (type < SLK_FRAME_HELLO)
        return hear(node, peer, (enum slk_msg_kind)type, message);
    verdict = type == SLK_FRAME_COSIG ? slk_node_cosign_received(node, peer, message)
                                      : slk_node_gossip_received(node, peer, type, message);
    node->status.malformed_n += verdict == SLK_MESH_BAD;
    return verdict;
}

void slk_node_run(struct slk_node *node)
{
    if (node->err == SLK_OK)
        slk_node_take_signatures(node);
    if (node->err == SLK_OK && slk_node_now(node) >= node->due_ms) {
        slk_node_input(node, SLK_IN_TICK);
        slk_node_pump(node);
    }
    if (node->err == SLK_OK)
        slk_node_judge(node);
    slk_node_pump(node);
    if (node->err == SLK_OK)
        slk_node_keys_run(node);
    if (node->err == SLK_OK)
        slk_node_gossip_run(node);
    if (node->err == SLK_OK)
        slk_node_cosign_run(node);
    if (node->err == SLK_OK)
        slk_node_lists_run(node);
    slk_node_answer_all(node);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t slk_node_wake_ms(const struct slk_node *node)
{
    if (node->ready > 0 || node->news_n > 0)
        return 0;
    if (node->err != SLK_OK)
        return UINT64_MAX;
    return least(least(node->due_ms, slk_node_pool_wake(node)),
        least(least(slk_node_cosign_wake(node), slk_node_lists_wake(node)), slk_node_gossip_wake(node)));
}
