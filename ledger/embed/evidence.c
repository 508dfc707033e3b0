/* evidence.c: see evidence.h. */
#include "ledger/embed/evidence.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct walk {
    struct slk_store *store;
    struct slk_view *view;
    struct slk_charter *charter;
    struct slk_evidence evidence;
    slk_evidence_item_fn *item;
    void *ctx;
    bool stop;
};

/* Of the charter that governs `height`, which is committed, or the one being decided. */
static enum slk_err charter_hash_of(const struct walk *w, uint64_t height, struct slk_hash *out)
{
    const struct slk_tip *tip = slk_view_tip(w->view);
    struct slk_block_header header;
    struct slk_view_block block;
    bool is_open = tip != NULL && height == tip->height + 1;
    enum slk_err err = slk_view_block(w->view, is_open ? tip->height : height, &block);

    if (err == SLK_OK)
        err = slk_block_header_parse(&header, block.header);
    if (err == SLK_OK)
        *out = is_open ? header.next_charter_hash : header.charter_hash;
    return err;
}

/* The chain's charter with this hash, into w->charter. */
static enum slk_err find_charter(struct walk *w, const struct slk_hash *hash)
{
    enum slk_err err = slk_charter_parse(w->charter, slk_store_charter(w->store));

    for (size_t i = 0; err == SLK_OK && !slk_hash_equal(&w->charter->hash, hash); i++) {
        struct slk_entry entry;
        struct slk_span bytes;
        uint64_t height;

        err = slk_view_change(w->view, i, &height, &bytes);
        if (err == SLK_OK)
            err = slk_entry_parse(&entry, bytes);
        if (err == SLK_OK)
            err = slk_charter_parse(w->charter, entry.charter);
    }
    return err;
}

static enum slk_err each(void *ctx, const struct slk_vote *first, const struct slk_vote *second)
{
    struct walk *w = ctx;
    struct slk_evidence *e = &w->evidence;
    struct slk_council council;
    enum slk_err err;

    if (w->stop)
        return SLK_OK;
    err = charter_hash_of(w, first->statement.height, &e->charter_hash);
    if (err == SLK_OK)
        err = find_charter(w, &e->charter_hash);
    if (err == SLK_OK)
        err = slk_council_of(&council, w->charter, &e->chain_id);
    if (err != SLK_OK || first->signer >= council.n)
        return SLK_E_CORRUPT;
    memcpy(e->key, council.keys[first->signer], SLK_KEY_SIZE);
    e->first = *first;
    e->second = *second;
    w->stop = !w->item(w->ctx, e);
    return SLK_OK;
}

enum slk_err slk_evidence_each(
    struct slk_store *store, slk_evidence_item_fn *item, void *ctx, struct slk_fault *fault)
{
    struct walk w = {.store = store, .item = item, .ctx = ctx, .charter = malloc(sizeof(*w.charter))};
    enum slk_err err = w.charter != NULL ? slk_view_begin(&w.view, store) : SLK_E_NOMEM;

    w.evidence.chain_id = *slk_store_chain_id(store);
    if (err == SLK_OK)
        err = slk_view_evidence(w.view, each, &w, fault);
    slk_view_end(w.view);
    free(w.charter);
    if (err != SLK_OK && fault->text[0] == '\0')
        snprintf(
            fault->text, sizeof(fault->text), "the evidence kept here cannot be read: run `sillok fsck`");
    return err;
}
