/* node_gossip.c: submissions from node to node, receipts back. Big-endian, fixed width:
 *
 *   INV      (name[40] ‖ u8 1: send me your receipt, else 0) of each; a name is submission id ‖ key id: I hold these
 *   WANT     u32 offset ‖ name[40] of each: send me the first from its offset on, and what fits of the others
 *   EVENTS   (name[40] ‖ u32 size of all ‖ u32 offset ‖ u32 n ‖ bytes[n]) of each; size 0: I do not hold it
 *   RECEIPT  (name[40] ‖ u64 tip height ‖ u16 agency ‖ u8 class ‖ signature[64]) of each
 *   DIGEST   u64 fingerprint of each of 256 buckets of my pool: name to me what you hold in those that differ
 *
 * Who takes a submission in from a client names it to everybody; a DIGEST finds what a lost message left out. One WANT to a peer
 * is open at a time, and every WANT has one EVENTS as its answer. Receipts are asked for when a client waits until its submission is
 * SAFE: nobody else reads them. A charter change travels the same way; its name is the hash of its entry and a key id of zeros. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/node_private.h"

enum {
    INV_ITEM = NODE_NAME_SIZE + 1,
    NAMES_PER_INV = 390, /* 15,990 bytes */
    NAMES_PER_WANT = 128,
    EVENTS_BYTES = 48 * 1024,
    ITEM_HEAD = NODE_NAME_SIZE + 12,
    RECEIPT_SIZE = SLK_HASH_SIZE + SLK_KEY_ID_SIZE + 8 + 2 + 1 + SLK_SIGNATURE_SIZE,
    RECEIPTS_MAX = 140, /* in one message: 16,100 bytes */
    DIGEST_SIZE = 8 * SLK_POOL_BUCKETS,
    DIGEST_MS = 1000, /* between two of ours to one peer; and what a peer may ask */
    ASK_MS = 10000,   /* then somebody else may be asked */
    FALSE_MAX =
        10, /* receipts a second of one peer whose signature is not good: the others are not looked at */
    AGAIN_MAX =
        1000, /* receipts a second to one peer for what is here already: a name costs it less than a signature us */
    LIST = 64
};

static void put_name(uint8_t *out, const struct slk_hash *id, const uint8_t *key_id)
{
    memcpy(out, id->b, SLK_HASH_SIZE);
    memcpy(out + SLK_HASH_SIZE, key_id, SLK_KEY_ID_SIZE);
}

static void get_name(struct slk_pooled_id *out, const uint8_t *at)
{
    memcpy(out->id.b, at, SLK_HASH_SIZE);
    memcpy(out->key_id, at + SLK_HASH_SIZE, SLK_KEY_ID_SIZE);
}

static bool same_name(const struct slk_pooled_id *a, const struct slk_pooled_id *b)
{
    return slk_hash_equal(&a->id, &b->id) && memcmp(a->key_id, b->key_id, SLK_KEY_ID_SIZE) == 0;
}

static bool is_change(const struct slk_pooled_id *id)
{
    static const uint8_t zeros[SLK_KEY_ID_SIZE];

    return memcmp(id->key_id, zeros, SLK_KEY_ID_SIZE) == 0;
}

/* ---- telling ---- */

static void put_told(struct slk_node *node, uint8_t *out, const struct slk_pool_item *item)
{
    struct slk_pooled_id id = {.id = item->id};

    memcpy(id.key_id, item->key_id, SLK_KEY_ID_SIZE);
    put_name(out, &id.id, id.key_id);
    out[NODE_NAME_SIZE] = slk_node_is_safe_awaited(node, &id);
}

static void flush_names(struct slk_node *node, uint16_t index)
{
    struct slk_node_peer *peer = &node->peers[index];
    struct slk_pool_item item;
    size_t n = 0;

    for (size_t i = 0; i < peer->told_n; i++) {
        if (slk_pool_get(node->pool, peer->told[i], &item))
            put_told(node, node->out + n++ * INV_ITEM, &item);
        if (n == NAMES_PER_INV) {
            (void)slk_node_send(node, index, SLK_FRAME_INV, slk_span_of(node->out, n * INV_ITEM));
            n = 0;
        }
    }
    if (n > 0)
        (void)slk_node_send(node, index, SLK_FRAME_INV, slk_span_of(node->out, n * INV_ITEM));
    peer->told_n = 0;
}

void slk_node_tell_change(struct slk_node *node)
{
    static const uint8_t zeros[SLK_KEY_ID_SIZE];

    if (node->change == NULL)
        return;
    for (uint16_t i = 0; i < SLK_BFT_PEERS; i++) {
        put_name(node->out, &node->change_hash, zeros);
        node->out[NODE_NAME_SIZE] = 0;
        (void)slk_node_send(node, i, SLK_FRAME_INV, slk_span_of(node->out, INV_ITEM));
    }
}

void slk_node_tell(struct slk_node *node, uint64_t ticket)
{
    for (uint16_t i = 0; i < SLK_BFT_PEERS; i++) {
        struct slk_node_peer *peer = &node->peers[i];

        if (!peer->is_up)
            continue;
        if (peer->told_n == NODE_NAMES_MAX)
            flush_names(node, i);
        peer->told[peer->told_n++] = ticket;
    }
}

/* ---- asking ---- */

static bool is_wanted(const struct slk_node *node, const struct slk_pooled_id *id)
{
    for (size_t i = 0; i < SLK_BFT_PEERS; i++)
        for (size_t k = 0; k < node->peers[i].want_n; k++)
            if (same_name(&node->peers[i].want[k].id, id))
                return true;
    return false;
}

static bool is_final(const struct slk_node *node, const struct slk_hash *id)
{
    const struct slk_node_final *f = &node->finals[slk_get_u32(id->b) % NODE_FINALS];

    return f->height > 0 && slk_hash_equal(&f->id, id);
}

static void forget_part(struct slk_node_peer *peer)
{
    free(peer->part);
    peer->part = NULL;
    peer->part_n = peer->part_size = 0;
}

static void forget_wants(struct slk_node_peer *peer)
{
    forget_part(peer);
    peer->want_n = 0;
    peer->is_asked = false;
}

static void ask(struct slk_node *node, uint16_t index)
{
    struct slk_node_peer *peer = &node->peers[index];
    size_t n = peer->want_n < NAMES_PER_WANT ? peer->want_n : NAMES_PER_WANT;
    uint8_t *at = node->out;

    if (peer->is_asked || n == 0)
        return;
    slk_put_u32(at, (uint32_t)peer->part_n);
    at += 4;
    for (size_t i = 0; i < n; i++, at += NODE_NAME_SIZE)
        put_name(at, &peer->want[i].id.id, peer->want[i].id.key_id);
    if (slk_node_send(node, index, SLK_FRAME_WANT, slk_span_of(node->out, (size_t)(at - node->out)))) {
        peer->is_asked = true;
        peer->asked_ms = slk_node_now(node);
    } else {
        forget_wants(peer);
    }
}

static bool asks_too_much(const struct slk_node *node, struct slk_node_peer *peer)
{
    uint64_t now = slk_node_now(node);

    if (now - peer->again_ms >= 1000) {
        peer->again_ms = now;
        peer->again_n = 0;
    }
    return ++peer->again_n > AGAIN_MAX;
}

static enum slk_mesh_verdict on_inv(struct slk_node *node, uint16_t index, struct slk_span message)
{
    struct slk_node_peer *peer = &node->peers[index];

    if (message.size % INV_ITEM != 0)
        return SLK_MESH_BAD;
    for (size_t i = 0; i < message.size / INV_ITEM && peer->want_n < NODE_NAMES_MAX; i++) {
        const uint8_t *at = message.at + i * INV_ITEM;
        struct slk_node_name name = {.is_owed = at[NODE_NAME_SIZE] == 1};

        get_name(&name.id, at);
        if (at[NODE_NAME_SIZE] > 1 || (name.is_owed && is_change(&name.id)))
            return SLK_MESH_BAD;
        if (is_change(&name.id) && slk_hash_equal(&name.id.id, &node->change_hash))
            continue; /* judged already */
        if (!is_change(&name.id) && slk_node_has(node, &name.id)) {
            if (name.is_owed && !asks_too_much(node, peer))
                slk_node_promise_again(node, index, &name.id);
            continue;
        }
        if (!is_final(node, &name.id.id) && !is_wanted(node, &name.id))
            peer->want[peer->want_n++] = name;
    }
    ask(node, index);
    return SLK_MESH_OK;
}

/* ---- giving ---- */

static bool find(const struct slk_node *node, const struct slk_pooled_id *id, struct slk_span *bytes)
{
    struct slk_pool_item item;

    *bytes = slk_span_of(node->change, node->change_size);
    if (is_change(id))
        return node->change != NULL && slk_hash_equal(&id->id, &node->change_hash);
    if (!slk_pool_find(node->pool, &id->id, id->key_id, &item) || !item.is_counted)
        return false;
    *bytes = item.bytes;
    return true;
}

/* The item, or as much of it as fits; false: nothing more fits. */
static bool put_item(const struct slk_node *node, struct slk_writer *w, const struct slk_pooled_id *id,
    size_t offset, bool is_first)
{
    struct slk_span bytes;
    bool is_here = find(node, id, &bytes) && offset <= bytes.size;
    size_t room = w->cap - w->size, left = is_here ? bytes.size - offset : 0, n = left;

    if (room < ITEM_HEAD || (!is_first && left > room - ITEM_HEAD))
        return false;
    if (n > room - ITEM_HEAD)
        n = room - ITEM_HEAD;
    put_name(w->at + w->size, &id->id, id->key_id);
    w->size += NODE_NAME_SIZE;
    slk_write_u32(w, is_here ? (uint32_t)bytes.size : 0);
    slk_write_u32(w, is_here ? (uint32_t)offset : 0); /* it became final between two parts */
    slk_write_u32(w, (uint32_t)n);
    if (n > 0)
        slk_write_bytes(w, bytes.at + offset, n);
    return n == left;
}

static enum slk_mesh_verdict on_want(struct slk_node *node, uint16_t index, struct slk_span message)
{
    struct slk_writer w = {.at = node->out, .cap = EVENTS_BYTES};
    struct slk_reader r = {.rest = message};
    uint32_t offset = slk_read_u32(&r);
    size_t n = r.rest.size / NODE_NAME_SIZE;

    if (r.bad || n == 0 || n > NAMES_PER_WANT || r.rest.size % NODE_NAME_SIZE != 0)
        return SLK_MESH_BAD;
    for (size_t i = 0; i < n; i++) {
        struct slk_pooled_id id;

        get_name(&id, r.rest.at + i * NODE_NAME_SIZE);
        if (!put_item(node, &w, &id, i == 0 ? offset : 0, i == 0))
            break;
    }
    assert(!w.bad && w.size > 0);
    (void)slk_node_send(node, index, SLK_FRAME_EVENTS, slk_span_of(w.at, w.size));
    return SLK_MESH_OK;
}

/* ---- taking ---- */

struct item {
    struct slk_pooled_id id;
    size_t size, offset;
    struct slk_span bytes;
};

static bool read_item(struct slk_reader *r, struct item *item)
{
    struct slk_span name = slk_read_span(r, NODE_NAME_SIZE);

    if (r->bad)
        return false;
    get_name(&item->id, name.at);
    item->size = slk_read_u32(r);
    item->offset = slk_read_u32(r);
    item->bytes = slk_read_span(r, slk_read_u32(r));
    return !r->bad && item->size <= SLK_SUBMISSION_BYTES_MAX && item->offset <= item->size &&
           item->bytes.size <= item->size - item->offset;
}

/* The next of its bytes; true: it is whole, and peer->part holds it. */
static bool add_bytes(struct slk_node *node, struct slk_node_peer *peer, const struct item *item)
{
    if (item->offset == 0) {
        forget_part(peer);
        peer->part = malloc(item->size);
        peer->part_size = item->size;
        if (peer->part == NULL) {
            slk_node_fail(node, SLK_E_NOMEM, NULL);
            return false;
        }
    }
    if (peer->part == NULL || item->offset != peer->part_n || item->size != peer->part_size)
        return false;
    if (item->bytes.size > 0)
        memcpy(peer->part + peer->part_n, item->bytes.at, item->bytes.size);
    peer->part_n += item->bytes.size;
    return peer->part_n == peer->part_size;
}

/* The items come in the order of the WANT. False: the peer does not keep to it, or has no more of this one. */
static bool take_item(struct slk_node *node, uint16_t index, const struct item *item)
{
    struct slk_node_peer *peer = &node->peers[index];
    size_t before = peer->part_n;

    if (peer->want_n == 0 || !same_name(&peer->want[0].id, &item->id))
        return false;
    if (item->size > 0 && !add_bytes(node, peer, item))
        return peer->part_n > before; /* more is to come */
    if (item->size > 0 && is_change(&item->id))
        slk_node_take_change(node, &item->id.id, slk_span_of(peer->part, peer->part_size));
    else if (item->size > 0 && slk_node_enqueue(node, &(struct slk_node_incoming){.bytes = peer->part,
                                                          .size = peer->part_size,
                                                          .peer = index,
                                                          .is_owed = peer->want[0].is_owed}))
        peer->part = NULL; /* the queue's; when it is full, this one is named again some time */
    forget_part(peer);
    memmove(peer->want, peer->want + 1, --peer->want_n * sizeof(peer->want[0]));
    return true;
}

static enum slk_mesh_verdict on_events(struct slk_node *node, uint16_t index, struct slk_span message)
{
    struct slk_node_peer *peer = &node->peers[index];
    struct slk_reader r = {.rest = message};
    bool is_good = message.size > 0;

    if (!peer->is_asked)
        return SLK_MESH_USELESS; /* too late */
    peer->is_asked = false;
    while (is_good && r.rest.size > 0) {
        struct item item;

        if (!read_item(&r, &item))
            return SLK_MESH_BAD;
        is_good = take_item(node, index, &item);
    }
    if (!is_good) {
        forget_wants(peer);
        return SLK_MESH_USELESS;
    }
    ask(node, index);
    return SLK_MESH_OK;
}

/* ---- receipts ---- */

static void flush_receipts(struct slk_node *node, uint16_t index)
{
    struct slk_node_peer *peer = &node->peers[index];

    if (peer->receipts_n > 0)
        (void)slk_node_send(
            node, index, SLK_FRAME_RECEIPT, slk_span_of(peer->receipts, peer->receipts_n * RECEIPT_SIZE));
    peer->receipts_n = 0;
}

void slk_node_promise(struct slk_node *node, uint16_t index, const struct slk_receipt *receipt)
{
    struct slk_node_peer *peer = &node->peers[index];
    struct slk_writer w;

    if (!peer->is_up)
        return;
    if (peer->receipts == NULL)
        peer->receipts = malloc((size_t)RECEIPTS_MAX * RECEIPT_SIZE);
    if (peer->receipts == NULL) {
        slk_node_fail(node, SLK_E_NOMEM, NULL);
        return;
    }
    if (peer->receipts_n == RECEIPTS_MAX)
        flush_receipts(node, index);
    w = (struct slk_writer){.at = peer->receipts + peer->receipts_n * RECEIPT_SIZE, .cap = RECEIPT_SIZE};
    slk_write_bytes(&w, receipt->submission_id.b, SLK_HASH_SIZE);
    slk_write_bytes(&w, receipt->key_id, SLK_KEY_ID_SIZE);
    slk_write_u64(&w, receipt->tip_height);
    slk_write_u16(&w, receipt->agency);
    slk_write_u8(&w, (uint8_t)receipt->class);
    slk_write_bytes(&w, receipt->sig, SLK_SIGNATURE_SIZE);
    assert(!w.bad && w.size == RECEIPT_SIZE);
    peer->receipts_n++;
}

struct heard {
    const struct slk_receipt *receipt;
    bool is_wanted;
};

/* Whom it would tell something new. */
static bool lacks(const struct slk_node_waiting *w, const struct slk_receipt *receipt)
{
    for (size_t i = 0; i < w->answer.receipts_n; i++)
        if (w->receipts[i].agency == receipt->agency)
            return false;
    return w->wants > SLK_STAGE_RECEIVED && w->answer.stage < SLK_STAGE_SAFE;
}

static void note_lacking(struct slk_node *node, struct slk_node_waiting *w, const void *ctx)
{
    struct heard *heard = (struct heard *)(uintptr_t)ctx;

    (void)node;
    heard->is_wanted |= lacks(w, heard->receipt);
}

static void count_receipt(struct slk_node *node, struct slk_node_waiting *w, const void *ctx)
{
    const struct heard *heard = ctx;

    if (lacks(w, heard->receipt))
        slk_node_add_receipt(node, w, heard->receipt);
}

/* A signature costs as much as many look-ups: it is checked only when somebody waits for it, once for all who do, and no more of them of a
 * peer that sends false ones. That is no reason to part from it: its vote key may be one that our charter does not name yet. */
static bool is_true(struct slk_node *node, struct slk_node_peer *peer, const struct slk_receipt *receipt)
{
    uint64_t now = slk_node_now(node);

    if (now - peer->false_ms >= 1000) {
        peer->false_ms = now;
        peer->false_n = 0;
    }
    if (peer->false_n == FALSE_MAX)
        return false;
    if (slk_receipt_check(
            receipt, node->ledger->machine.charter, slk_ledger_chain_id(node->ledger), &slk_verifier_ed25519))
        return true;
    peer->false_n++;
    node->status.false_receipts_n++;
    return false;
}

static enum slk_mesh_verdict on_receipt(struct slk_node *node, uint16_t index, struct slk_span message)
{
    struct slk_reader r = {.rest = message};

    if (message.size % RECEIPT_SIZE != 0)
        return SLK_MESH_BAD;
    while (r.rest.size > 0) {
        struct slk_receipt receipt = {.tip_height = 0};
        struct heard heard = {.receipt = &receipt};
        uint8_t class;

        slk_read_bytes(&r, receipt.submission_id.b, SLK_HASH_SIZE);
        slk_read_bytes(&r, receipt.key_id, SLK_KEY_ID_SIZE);
        receipt.tip_height = slk_read_u64(&r);
        receipt.agency = slk_read_u16(&r);
        class = slk_read_u8(&r);
        slk_read_bytes(&r, receipt.sig, SLK_SIGNATURE_SIZE);
        if (class != SLK_CLASS_LOCK && class != SLK_CLASS_NORMAL)
            return SLK_MESH_BAD;
        receipt.class = (enum slk_class) class;
        slk_node_each(node, &receipt.submission_id, receipt.key_id, note_lacking, &heard);
        if (heard.is_wanted && is_true(node, &node->peers[index], &receipt))
            slk_node_each(node, &receipt.submission_id, receipt.key_id, count_receipt, &heard);
    }
    return SLK_MESH_OK;
}

/* ---- fingerprints ---- */

void slk_node_pull(struct slk_node *node, uint16_t index)
{
    uint64_t now = slk_node_now(node), buckets[SLK_POOL_BUCKETS];
    struct slk_node_peer *peer;

    if (index >= SLK_BFT_PEERS || !node->peers[index].is_up)
        return;
    peer = &node->peers[index];
    if (peer->digest_ms > 0 && now - peer->digest_ms < DIGEST_MS)
        return;
    peer->digest_ms = now;
    slk_pool_buckets(node->pool, buckets);
    for (size_t i = 0; i < SLK_POOL_BUCKETS; i++)
        slk_put_u64(node->out + 8 * i, buckets[i]);
    (void)slk_node_send(node, index, SLK_FRAME_DIGEST, slk_span_of(node->out, DIGEST_SIZE));
}

static void name_bucket(struct slk_node *node, struct slk_node_peer *peer, uint8_t bucket)
{
    struct slk_pool_item items[LIST];
    uint64_t from = 0;
    size_t n;

    do {
        n = slk_pool_list(node->pool, bucket, from, items, LIST);
        for (size_t i = 0; i < n && peer->told_n < NODE_NAMES_MAX; i++) {
            peer->told[peer->told_n++] = items[i].ticket;
            from = items[i].ticket + 1;
        }
    } while (n == LIST && peer->told_n < NODE_NAMES_MAX);
}

static enum slk_mesh_verdict on_digest(struct slk_node *node, uint16_t index, struct slk_span message)
{
    struct slk_node_peer *peer = &node->peers[index];
    uint64_t now = slk_node_now(node), mine[SLK_POOL_BUCKETS];

    if (message.size != DIGEST_SIZE)
        return SLK_MESH_BAD;
    if (peer->digests_ms > 0 && now - peer->digests_ms < DIGEST_MS / 2)
        return SLK_MESH_USELESS;
    peer->digests_ms = now;
    slk_pool_buckets(node->pool, mine);
    for (unsigned b = 0; b < SLK_POOL_BUCKETS && peer->told_n < NODE_NAMES_MAX; b++)
        if (mine[b] != slk_get_u64(message.at + (size_t)8 * b))
            name_bucket(node, peer, (uint8_t)b);
    return SLK_MESH_OK;
}

/* ---- the frame around it ---- */

void slk_node_gossip_up(struct slk_node *node, uint16_t index)
{
    slk_node_pull(node, index);
    slk_node_tell_change(node); /* who has it does not ask */
}

void slk_node_gossip_down(struct slk_node *node, uint16_t index)
{
    struct slk_node_peer *peer = &node->peers[index];

    forget_wants(peer);
    free(peer->receipts);
    memset(peer, 0, sizeof(*peer));
}

/* Whose pool is another than ours is asked what it has; who does not answer is not waited for. */
static void look_around(struct slk_node *node)
{
    uint64_t now = slk_node_now(node);
    struct slk_pool_state state;
    bool is_other = false;

    slk_pool_look(node->pool, &state);
    for (uint16_t i = 0; i < SLK_BFT_PEERS; i++) {
        struct slk_node_peer *peer = &node->peers[i];

        if (!peer->is_up)
            continue;
        if (peer->is_asked && now - peer->asked_ms >= ASK_MS)
            forget_wants(peer);
        is_other |= peer->is_asked;
        if (!peer->has_status || peer->pool_count == 0 || peer->pool_xor == state.xor)
            continue;
        is_other = true;
        peer->has_status = false; /* until it says so again */
        slk_node_pull(node, i);
    }
    node->digests_due_ms = is_other ? now + DIGEST_MS : UINT64_MAX;
}

/* The mesh reads 10 INV and 50 RECEIPT a second at a delta of 400 ms, and closes who keeps above that: three quarters of it. */
static uint64_t pace_ms(const struct slk_node *node, unsigned parts)
{
    uint32_t delta_ms = node->options.delta_ms > 0
                            ? node->options.delta_ms
                            : slk_charters_now(node->ledger->machine.charters)->delta_ms;

    return delta_ms / parts;
}

static uint64_t names_due(const struct slk_node *node, const struct slk_node_peer *peer)
{
    return peer->is_up && peer->told_n > 0 ? peer->told_ms + pace_ms(node, 3) : UINT64_MAX;
}

static uint64_t receipts_due(const struct slk_node *node, const struct slk_node_peer *peer)
{
    return peer->is_up && peer->receipts_n > 0 ? peer->promised_ms + pace_ms(node, 15) : UINT64_MAX;
}

uint64_t slk_node_gossip_wake(const struct slk_node *node)
{
    uint64_t due = node->digests_due_ms;

    for (size_t i = 0; i < SLK_BFT_PEERS; i++) {
        uint64_t names = names_due(node, &node->peers[i]), receipts = receipts_due(node, &node->peers[i]);

        due = names < due ? names : due;
        due = receipts < due ? receipts : due;
    }
    return due;
}

void slk_node_gossip_run(struct slk_node *node)
{
    uint64_t now = slk_node_now(node);

    for (uint16_t i = 0; i < SLK_BFT_PEERS; i++) {
        struct slk_node_peer *peer = &node->peers[i];

        if (names_due(node, peer) <= now) {
            flush_names(node, i);
            peer->told_ms = now;
        }
        if (receipts_due(node, peer) <= now) {
            flush_receipts(node, i);
            peer->promised_ms = now;
        }
    }
    look_around(node);
}

enum slk_mesh_verdict slk_node_gossip_received(
    struct slk_node *node, uint16_t peer, enum slk_frame_type type, struct slk_span message)
{
    switch (type) {
    case SLK_FRAME_INV:
        return on_inv(node, peer, message);
    case SLK_FRAME_WANT:
        return on_want(node, peer, message);
    case SLK_FRAME_EVENTS:
        return on_events(node, peer, message);
    case SLK_FRAME_RECEIPT:
        return on_receipt(node, peer, message);
    case SLK_FRAME_DIGEST:
        return on_digest(node, peer, message);
    case SLK_FRAME_PROPOSAL:
    case SLK_FRAME_VOTE:
    case SLK_FRAME_CERT:
    case SLK_FRAME_STATUS:
    case SLK_FRAME_COMMIT:
    case SLK_FRAME_GET:
    case SLK_FRAME_DATA:
    case SLK_FRAME_EVIDENCE:
    case SLK_FRAME_HEADERS:
    case SLK_FRAME_EPOCHS:
    case SLK_FRAME_HELLO:
    case SLK_FRAME_COSIG:
    case SLK_FRAME_TYPE_N:
        break;
    }
    return SLK_MESH_BAD;
}
