/* node_body.c: see node_body.h. */
#include "net/node_body.h"

#include <stdlib.h>
#include <string.h>

struct walk {
    struct slk_body_items *items;
    const struct slk_block_header *header;
    const struct slk_hash *previous_seal;
    struct slk_sha body;
    uint64_t place;    /* of the entry being read */
    uint32_t events_n; /* that no authorization covers yet */
    bool is_sealed;
};

static struct slk_body_item *add(struct slk_body_items *items)
{
    if (items->n == items->cap) {
        size_t cap = items->cap == 0 ? 64 : 2 * items->cap;
        struct slk_body_item *more = realloc(items->at, cap * sizeof(*more));

        if (more == NULL)
            return NULL;
        items->at = more;
        items->cap = cap;
    }
    return &items->at[items->n++];
}

static bool take_event(struct walk *w, const struct slk_entry *entry)
{
    if (w->events_n == SLK_SUBMISSION_EVENTS_MAX || entry->recorded_at_ms != w->header->time_ms)
        return false;
    slk_event_id(&w->items->ids[w->events_n++], entry->event);
    return true;
}

static bool take_authorization(struct walk *w, const struct slk_authorization *a)
{
    uint8_t statement[SLK_SUBMIT_STATEMENT_SIZE];
    struct slk_body_item *item;

    if (w->events_n == 0 || a->count != w->events_n)
        return false;
    item = add(w->items);
    if (item == NULL)
        return false;
    slk_submission_statement(statement, &w->header->chain_id, w->items->ids, w->events_n);
    slk_hash_bytes(&item->id.id, statement, sizeof(statement));
    memcpy(item->id.key_id, a->key_id, SLK_KEY_ID_SIZE);
    item->first = w->place - w->events_n;
    item->events_n = w->events_n;
    slk_sha_add(&w->body, item->id.id.b, SLK_HASH_SIZE);
    slk_sha_add(&w->body, a->key_id, SLK_KEY_ID_SIZE);
    slk_sha_add(&w->body, a->signature, SLK_SIGNATURE_SIZE);
    w->events_n = 0;
    return true;
}

static bool take_change(struct walk *w, const struct slk_entry *entry, struct slk_span bytes)
{
    struct slk_hash leaf;

    if (w->place != 0 || entry->change.size == 0)
        return false;
    slk_hash_leaf(&leaf, bytes.at, bytes.size);
    slk_sha_add(&w->body, leaf.b, SLK_HASH_SIZE);
    return true;
}

/* The one seal that this header can have. */
static bool take_seal(struct walk *w, struct slk_span bytes)
{
    const struct slk_block_header *h = w->header;
    struct slk_seal seal = {.height = h->height,
        .time_ms = h->time_ms,
        .has_previous = true,
        .previous = *w->previous_seal,
        .map_root = h->map_root,
        .charter_hash = h->charter_hash,
        .next_charter_hash = h->next_charter_hash,
        .proposer = h->proposer,
        .origin_view = h->origin_view};
    uint8_t is[SLK_SEAL_MAX];
    size_t n = slk_entry_format_seal(is, sizeof(is), &seal);

    w->is_sealed = true;
    return w->events_n == 0 && n == bytes.size && n > 0 && memcmp(is, bytes.at, n) == 0;
}

static bool take(struct walk *w, struct slk_span bytes)
{
    struct slk_entry entry;

    if (w->is_sealed || slk_entry_parse(&entry, bytes) != SLK_OK)
        return false;
    switch (entry.type) {
    case SLK_ENTRY_RECORDED:
        return take_event(w, &entry);
    case SLK_ENTRY_AUTHORIZATION:
        return take_authorization(w, &entry.authorization);
    case SLK_ENTRY_CHARTER:
        return take_change(w, &entry, bytes);
    case SLK_ENTRY_SEAL:
        return take_seal(w, bytes);
    case SLK_ENTRY_EVIDENCE:
        break;
    }
    return false;
}

bool slk_body_is(struct slk_body_items *items, const struct slk_block_header *header,
    const struct slk_hash *previous_seal, struct slk_span entries)
{
    struct walk w = {.items = items, .header = header, .previous_seal = previous_seal};
    struct slk_reader r = {.rest = entries};
    struct slk_hash hash;

    items->n = 0;
    if (items->ids == NULL)
        items->ids = malloc(SLK_SUBMISSION_EVENTS_MAX * sizeof(*items->ids));
    if (items->ids == NULL || entries.size != header->body_bytes)
        return false;
    slk_sha_init(&w.body);
    slk_sha_add(&w.body, SLK_TAG_BODY, SLK_TAG_SIZE);
    for (; r.rest.size > 0; w.place++) {
        struct slk_span bytes = slk_read_span(&r, slk_read_u16(&r));

        if (r.bad || !take(&w, bytes))
            return false;
    }
    slk_sha_final(&w.body, &hash);
    return w.is_sealed && slk_hash_equal(&hash, &header->body_hash);
}

void slk_body_items_free(struct slk_body_items *items)
{
    free(items->at);
    free(items->ids);
    memset(items, 0, sizeof(*items));
}
