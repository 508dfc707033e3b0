/* node_serve.c: answers to peers who catch up, or lack a body: from the store, as far as the chain goes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/node_private.h"

static void answer(struct slk_node *node, uint16_t peer, const struct slk_msg *msg)
{
    struct slk_span message = {.at = node->out, .size = slk_msg_format(node->out, node->out_cap, msg)};

    if (message.size > 0)
        (void)slk_node_send(node, peer, (enum slk_frame_type)msg->kind, message);
}

/* What is damaged is not served; whoever asked asks another. */
static bool final_block(
    struct slk_node *node, uint64_t height, struct slk_view_block *block, struct slk_cert *cert)
{
    return height > 0 && height <= slk_store_tip(node->ledger->store)->height &&
           slk_view_block(node->ledger->view, height, block) == SLK_OK &&
           slk_view_finality(node->ledger->view, height, cert) == SLK_OK;
}

static bool serve_commit(struct slk_node *node, const struct slk_get *get, struct slk_msg *msg)
{
    struct slk_view_block block;

    msg->kind = SLK_MSG_COMMIT;
    if (!final_block(node, get->height, &block, &node->served[0]))
        return false;
    msg->header = slk_span_of(block.header, SLK_BLOCK_HEADER_SIZE);
    msg->certs[msg->certs_n++] = &node->served[0];
    return true;
}

static bool serve_headers(struct slk_node *node, const struct slk_get *get, struct slk_msg *msg)
{
    static const size_t width = SLK_BLOCK_HEADER_SIZE;
    struct slk_view_block block;

    msg->kind = SLK_MSG_HEADERS;
    while (msg->certs_n < get->count && msg->certs_n < SLK_RANGE_MAX &&
           final_block(node, get->height + msg->certs_n, &block, &node->served[msg->certs_n])) {
        memcpy(node->headers + msg->certs_n * width, block.header, width);
        msg->certs[msg->certs_n] = &node->served[msg->certs_n];
        msg->certs_n++;
    }
    msg->header = slk_span_of(node->headers, msg->certs_n * width);
    return msg->certs_n > 0;
}

/* The last block under the charter before the i-th change; false: there is no such block yet, or no such change. */
static bool epoch(struct slk_node *node, size_t i, struct slk_change *change, struct slk_view_block *block,
    struct slk_cert *cert, bool *is_last)
{
    struct slk_span entry;
    uint64_t height;

    *is_last = slk_view_change(node->ledger->view, i, &height, &entry) != SLK_OK ||
               slk_change_parse(change, entry) != SLK_OK;
    return !*is_last && final_block(node, change->activation - 1, block, cert);
}

static bool serve_epochs(struct slk_node *node, const struct slk_get *get, struct slk_msg *msg)
{
    struct slk_change *change = malloc(sizeof(*change));
    struct slk_view_block block;
    bool is_last = change == NULL;

    msg->kind = SLK_MSG_EPOCHS;
    for (size_t i = 0; !is_last && msg->certs_n < SLK_EPOCHS_MAX; i++) {
        size_t n = msg->certs_n;

        if (!epoch(node, i, change, &block, &node->served[n], &is_last) || change->activation <= get->height)
            continue;
        msg->epochs[n].header = slk_span_of(block.header, SLK_BLOCK_HEADER_SIZE);
        msg->epochs[n].charter = change->charter; /* borrowed from the view, as the header */
        msg->certs[msg->certs_n++] = &node->served[n];
    }
    free(change);
    return msg->certs_n > 0;
}

static bool serve_body(struct slk_node *node, const struct slk_bft_effect *effect, struct slk_msg *msg)
{
    const struct slk_get *get = &effect->get;
    struct slk_view_block block;
    struct slk_fault fault;
    struct slk_hash hash;
    struct slk_span body;
    const uint8_t *header;

    msg->kind = SLK_MSG_DATA;
    if (get->height > 0 && get->height <= slk_store_tip(node->ledger->store)->height) {
        if (slk_view_block(node->ledger->view, get->height, &block) != SLK_OK)
            return false;
        header = block.header;
        body = block.entries;
        slk_block_hash(&hash, header);
        if (!slk_hash_equal(&hash, &get->hash))
            return false;
    } else if (slk_view_renew(node->ledger->view) != SLK_OK ||
               slk_view_candidate(node->ledger->view, &get->hash, &header, &body, &fault) != SLK_OK) {
        return false; /* only what is durable here is served: a vote of ours says so */
    }
    if (effect->offset > body.size)
        return false;
    msg->header = slk_span_of(header, SLK_BLOCK_HEADER_SIZE);
    msg->body_size = (uint32_t)body.size;
    msg->chunk = get->chunk;
    msg->body = slk_span_of(body.at + effect->offset, body.size - (size_t)effect->offset);
    if (msg->body.size > effect->size)
        msg->body.size = (size_t)effect->size;
    return true;
}

void slk_node_serve_commit(struct slk_node *node, uint16_t peer, uint64_t height)
{
    const struct slk_get get = {.what = SLK_GET_COMMIT, .height = height};
    struct slk_msg msg = {.kind = SLK_MSG_COMMIT};

    if (serve_commit(node, &get, &msg))
        answer(node, peer, &msg);
}

void slk_node_serve(struct slk_node *node, const struct slk_bft_effect *effect)
{
    struct slk_msg msg = {.kind = SLK_MSG_COMMIT};
    bool is_here = false;

    switch (effect->get.what) {
    case SLK_GET_COMMIT:
        is_here = serve_commit(node, &effect->get, &msg);
        break;
    case SLK_GET_HEADERS:
        is_here = serve_headers(node, &effect->get, &msg);
        break;
    case SLK_GET_EPOCHS:
        is_here = serve_epochs(node, &effect->get, &msg);
        break;
    case SLK_GET_BODY:
        is_here = serve_body(node, effect, &msg);
        break;
    case SLK_GET_JUST:
    case SLK_GET_VOTE:
    case SLK_GET_N:
        break; /* the core answers these itself */
    }
    if (is_here)
        answer(node, effect->peer, &msg);
}
