#include "tests/unit/node_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/bft.h"
#include "ledger/embed/change.h"
#include "ledger/verify/list_note.h"
#include "tests/scratch.h"

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "node_world: %s\n", what);
    abort();
}

/* ---- the wire, the clock ---- */

/* Guests have a node's last numbers. */
static uint16_t number_of(const struct node_world *w, unsigned i)
{
    return (uint16_t)(i < w->members_n ? i : SLK_BFT_PEERS - 1 - (i - w->members_n));
}

static uint16_t node_of(const struct node_world *w, uint16_t peer)
{
    return peer < w->members_n ? peer : (uint16_t)(w->members_n + SLK_BFT_PEERS - 1u - peer);
}

static bool send(void *ctx, uint16_t number, enum slk_frame_type type, struct slk_span message)
{
    const struct world_node *from = ctx;
    struct node_world *w = from->world;
    uint16_t peer = node_of(w, number);
    struct world_packet *p;

    if (peer >= w->n || w->nodes[peer].node == NULL || message.size > slk_frame_cap(type))
        return false;
    w->sent_n[type]++;
    if (w->cut[from->index][peer])
        return true;
    if (w->packets_n == w->packets_cap) {
        w->packets_cap = w->packets_cap == 0 ? 256 : 2 * w->packets_cap;
        w->packets = realloc(w->packets, w->packets_cap * sizeof(*w->packets));
        must(w->packets != NULL, "out of memory");
    }
    p = &w->packets[w->packets_n++];
    *p = (struct world_packet){from->index, peer, type, malloc(message.size + 1), message.size};
    must(p->bytes != NULL, "out of memory");
    memcpy(p->bytes, message.at, message.size);
    return true;
}

static void charge(void *ctx, uint16_t peer, enum slk_mesh_verdict verdict)
{
    struct world_node *node = ctx;

    node->world->nodes[node_of(node->world, peer)].bad_n += verdict == SLK_MESH_BAD;
}

static uint64_t now_ms(void *ctx)
{
    return ((const struct world_node *)ctx)->world->now_ms;
}

static uint64_t wall_ms(void *ctx)
{
    return FIXTURE_START_MS + 1000 + now_ms(ctx);
}

static void news(void *ctx, enum slk_node_news what, uint64_t height)
{
    struct world_node *node = ctx;

    if (what == SLK_NEWS_COSIGNED)
        node->cosigned = height;
}

/* ---- nodes ---- */

static bool runs(const struct node_world *w, unsigned i)
{
    return w->nodes[i].node != NULL;
}

static void init_dir(struct node_world *w, unsigned i)
{
    struct slk_ledger_options options = {.threads = 1};
    struct slk_fault fault = {0};

    must(slk_ledger_init(
             w->nodes[i].dir, slk_span_of(w->f.charter_bytes, w->f.charter_size), &options, &fault) == SLK_OK,
        fault.text);
}

void world_start(struct node_world *w, unsigned i)
{
    struct world_node *me = &w->nodes[i];
    struct slk_node_options options = {.dir = me->dir,
        .agency = (uint16_t)(i < w->members_n ? i + 1 : 0),
        .guests = (uint16_t)(w->n - w->members_n),
        .is_vouched = me->is_vouched,
        .vote_key = me->vote,
        .log_key = me->log,
        .cosign_key = me->cosign,
        .signer = me->signer,
        .now_ms = now_ms,
        .wall_ms = wall_ms,
        .clock_ctx = me,
        .seed = i,
        .delta_ms = 50,
        .threads = 1,
        .wire = {.ctx = me, .send = send, .charge = charge}};
    struct slk_fault fault;

    must(me->node == NULL, "started twice");
    must(slk_node_open(&me->node, &options, &fault) == SLK_OK, fault.text);
    must(slk_node_watch(me->node, news, me), "no watcher");
    for (unsigned k = 0; k < w->n; k++) {
        if (k == i || !runs(w, k))
            continue;
        if (i >= w->members_n && k >= w->members_n)
            continue; /* guests do not know of each other */
        slk_node_peer_up(me->node, number_of(w, k));
        slk_node_peer_up(w->nodes[k].node, number_of(w, i));
    }
}

void world_stop(struct node_world *w, unsigned i)
{
    slk_node_close(w->nodes[i].node);
    w->nodes[i].node = NULL;
    for (unsigned k = 0; k < w->n; k++)
        if (runs(w, k))
            slk_node_peer_down(w->nodes[k].node, number_of(w, i));
    for (size_t p = w->packets_at; p < w->packets_n; p++)
        if (w->packets[p].from == i || w->packets[p].to == i)
            w->packets[p].size = SIZE_MAX; /* lost with its connection */
}

void world_empty(struct node_world *w, unsigned i)
{
    must(w->nodes[i].node == NULL, "it runs");
    scratch_remove(w->nodes[i].dir);
    init_dir(w, i);
}

void world_open(struct node_world *w, unsigned n)
{
    world_open_with(w, n, 0, 0);
}

void world_open_with(struct node_world *w, unsigned voting_n, unsigned observers_n, unsigned guests_n)
{
    const struct fixture_shape shape = {
        .voting_n = voting_n, .block_events = 4096, .submission_events = 4096, .observers_n = observers_n};
    unsigned n = voting_n + observers_n + guests_n;

    memset(w, 0, sizeof(*w));
    fixture_open(&w->f, &shape);
    w->n = n;
    w->members_n = voting_n + observers_n;
    must(n <= WORLD_NODES_MAX, "too many nodes");
    w->now_ms = 1000000;
    for (unsigned i = 0; i < n; i++) {
        struct world_node *node = &w->nodes[i];

        node->world = w;
        node->index = i;
        if (i < voting_n) {
            node->vote = fixture_key(4 * i + KEY_VOTE);
            node->log = fixture_key(4 * i + KEY_LOG);
            node->cosign = fixture_key(4 * i + KEY_COSIGN);
        }
        snprintf(node->dir, sizeof(node->dir), "%s/node-%u", w->f.root, i);
        init_dir(w, i);
    }
    for (unsigned i = 0; i < n; i++)
        world_start(w, i);
}

void world_close(struct node_world *w)
{
    for (unsigned i = 0; i < w->n; i++) {
        slk_node_close(w->nodes[i].node);
        (void)slk_signer_free(w->nodes[i].signer);
        slk_key_free(w->nodes[i].vote);
        slk_key_free(w->nodes[i].log);
        slk_key_free(w->nodes[i].cosign);
    }
    for (size_t p = w->packets_at; p < w->packets_n; p++)
        free(w->packets[p].bytes);
    free(w->packets);
    fixture_close(&w->f);
}

/* ---- time ---- */

static void deliver(struct node_world *w)
{
    struct world_packet p = w->packets[w->packets_at++];

    if (w->packets_at == w->packets_n)
        w->packets_at = w->packets_n = 0;
    if (p.size != SIZE_MAX && runs(w, p.to)) {
        w->delivered_n++;
        if (slk_node_received(w->nodes[p.to].node, number_of(w, p.from), p.type,
                slk_span_of(p.bytes, p.size)) == SLK_MESH_BAD)
            w->nodes[p.from].bad_n++;
    }
    free(p.bytes);
}

static uint64_t run_all(struct node_world *w)
{
    uint64_t wake = UINT64_MAX;

    for (unsigned i = 0; i < w->n; i++) {
        struct slk_fault fault;
        uint64_t at;

        if (!runs(w, i))
            continue;
        if (w->nodes[i].signer != NULL)
            (void)slk_signer_work(w->nodes[i].signer);
        slk_node_run(w->nodes[i].node);
        must(slk_node_failed(w->nodes[i].node, &fault) == SLK_OK, fault.text);
        at = slk_node_wake_ms(w->nodes[i].node);
        wake = at < wake ? at : wake;
    }
    return wake;
}

bool world_run(struct node_world *w, world_done_fn *done, void *ctx, uint64_t most_ms)
{
    uint64_t end = w->now_ms + most_ms, wake;

    while (w->now_ms < end) {
        size_t n = w->packets_n - w->packets_at;

        for (size_t i = 0; i < n; i++)
            deliver(w);
        wake = run_all(w);
        if (done(w, ctx))
            return true;
        if (w->packets_n > w->packets_at)
            w->now_ms++; /* a millisecond on the line */
        else if (wake > w->now_ms)
            w->now_ms = wake < end ? wake : end;
        else
            w->now_ms++;
    }
    return false;
}

struct slk_node_status world_status(struct node_world *w, unsigned i)
{
    struct slk_node_status status;

    slk_node_status(w->nodes[i].node, &status);
    return status;
}

bool world_is_at(struct node_world *w, void *height)
{
    for (unsigned i = 0; i < w->n; i++)
        if (runs(w, i) && world_status(w, i).height < *(const uint64_t *)height)
            return false;
    return true;
}

bool world_is_cosigned(struct node_world *w, void *height)
{
    for (unsigned i = 0; i < w->n; i++)
        if (runs(w, i) && world_status(w, i).cosigned_height < *(const uint64_t *)height)
            return false;
    return true;
}

bool world_never(struct node_world *w, void *ctx)
{
    (void)w;
    (void)ctx;
    return false;
}

void world_settle(struct node_world *w, uint64_t height)
{
    must(world_run(w, world_is_cosigned, &height, 60000), "no quorum cosigns that height");
}

void world_state_lists(struct node_world *w, unsigned i, uint64_t size)
{
    const struct slk_lists_statement s = {
        .origin = slk_span_of(FIXTURE_ORIGIN, strlen(FIXTURE_ORIGIN)), .size = size, .time_s = 1};
    char text[SLK_LISTS_TEXT_MAX];
    size_t n = slk_lists_statement_format(text, &s);

    slk_node_state_lists(w->nodes[i].node, slk_span_of(text, n), size);
}

struct slk_charter *world_successor(struct node_world *w)
{
    struct slk_charter *next = malloc(sizeof(*next));

    must(next != NULL, "out of memory");
    *next = *w->f.charter;
    next->version++;
    next->has_previous = true;
    next->previous = w->f.charter->hash;
    next->created_at_ms = FIXTURE_START_MS + w->now_ms;
    return next;
}

struct slk_span world_change(struct node_world *w, struct slk_charter *next, uint64_t activation,
    const struct slk_key *const *signers, size_t signers_n)
{
    struct slk_change *change = calloc(1, sizeof(*change));
    uint8_t *bytes = malloc(SLK_CHARTER_BYTES_MAX), *entry = malloc(SLK_ENTRY_MAX);
    struct slk_change_place place = {.chain_id = w->f.chain_id, .old = w->f.charter, .next = next};
    unsigned said;
    size_t size;

    must(change != NULL && bytes != NULL && entry != NULL, "out of memory");
    size = slk_charter_format(bytes, SLK_CHARTER_BYTES_MAX, next);
    change->charter = slk_span_of(bytes, size);
    change->activation = activation;
    for (size_t i = 0; i < signers_n; i++)
        if (signers[i] != NULL)
            must(slk_change_sign(change, &place, signers[i], &said) == SLK_OK, "nobody's key signs a change");
    size = slk_change_format(entry, SLK_ENTRY_MAX, change);
    must(size > 0, "a change without a form");
    free(next);
    free(change);
    free(bytes);
    return slk_span_of(entry, size);
}

int world_set_up(void **state)
{
    static struct node_world world;

    *state = &world;
    world_open(&world, 4);
    return 0;
}

int world_tear_down(void **state)
{
    world_close(*state);
    return 0;
}

/* ---- clients ---- */

static void hear(void *ctx, const struct slk_node_answer *answer)
{
    struct world_client *client = ctx;

    must(answer->receipts_n <= WORLD_NODES_MAX, "more receipts than nodes");
    client->answers_n++;
    client->answer = *answer;
    client->answer.receipts = NULL;
    client->answer.verdict.events = NULL;
    for (size_t i = 0; i < answer->receipts_n; i++)
        client->receipts[i] = answer->receipts[i];
}

uint64_t world_ask(struct node_world *w, unsigned i, struct slk_span submission, enum slk_node_stage stage,
    struct world_client *client)
{
    uint64_t ticket;

    memset(client, 0, sizeof(*client));
    ticket = slk_node_submit(w->nodes[i].node, submission, stage, hear, client);
    must(ticket != 0, "too many clients wait");
    must(client->answers_n == 0, "an answer from inside the question");
    return ticket;
}

bool world_is_answered(struct node_world *w, void *client)
{
    (void)w;
    return ((const struct world_client *)client)->answers_n > 0;
}

void world_submit(struct node_world *w, unsigned i, struct slk_span submission, enum slk_node_stage stage,
    struct world_client *client)
{
    (void)world_ask(w, i, submission, stage, client);
    must(world_run(w, world_is_answered, client, 60000), "a client is not answered");
    must(client->answers_n == 1, "a client is answered twice");
}

struct slk_span world_event(struct node_world *w, struct fixture_life *life, enum slk_kind kind)
{
    w->f.now_ms = FIXTURE_START_MS + w->now_ms;
    return fixture_single(&w->f, MINISTRY, life, kind);
}

struct world_client world_submit_event(struct node_world *w, unsigned i, struct fixture_life *life,
    enum slk_kind kind, enum slk_node_stage stage)
{
    struct slk_span bytes = world_event(w, life, kind);
    struct world_client client;

    world_submit(w, i, bytes, stage, &client);
    fixture_free(bytes);
    return client;
}

uint64_t world_go_on(struct node_world *w, unsigned i, uint32_t number, unsigned n)
{
    uint64_t height = 0;

    for (unsigned k = 0; k < n; k++) {
        struct fixture_life life = fixture_life(FIXTURE_CARD, number + k);
        struct world_client client = world_submit_event(w, i, &life, SLK_ISSUE, SLK_STAGE_FINAL);

        must(client.answer.outcome == SLK_NODE_ACCEPTED, "a new credential is not accepted");
        height = client.answer.height;
    }
    return height;
}
