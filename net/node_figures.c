/* node_figures.c: see node_figures.h. */
#include "net/node_figures.h"

#include <string.h>

#include "net/node_private.h"

enum { MARK_MS = 1000, SECOND_MS = 1000 };

/* ---- how long the oldest submission waits ---- */

/* Tickets ascend: a few of them, with their times, tell the age of any. When there is no more room every second one goes: the longer
 * back, the coarser. */
void slk_node_mark(struct slk_node *node, uint64_t ticket)
{
    struct slk_node_counts *c = &node->counts;
    uint64_t now = slk_node_now(node);

    if (c->marks_n > 0 && now - c->marks[c->marks_n - 1].ms < MARK_MS)
        return;
    if (c->marks_n == NODE_MARKS) {
        for (size_t i = 0; i < NODE_MARKS / 2; i++)
            c->marks[i] = c->marks[2 * i];
        c->marks_n = NODE_MARKS / 2;
    }
    c->marks[c->marks_n++] = (struct slk_node_mark){.ticket = ticket, .ms = now};
}

static uint64_t age_of(struct slk_node *node, uint64_t ticket)
{
    struct slk_node_counts *c = &node->counts;
    uint64_t ms = 0; /* before the first mark: since the start, as restored ones are */
    size_t gone = 0;

    if (ticket == 0)
        return 0;
    while (gone + 1 < c->marks_n && c->marks[gone + 1].ticket <= ticket)
        gone++;
    if (gone > 0) {
        c->marks_n -= gone;
        memmove(c->marks, c->marks + gone, c->marks_n * sizeof(c->marks[0]));
    }
    if (c->marks_n > 0 && c->marks[0].ticket <= ticket)
        ms = c->marks[0].ms;
    return slk_node_now(node) - (ms > 0 ? ms : c->opened_ms);
}

/* ---- members ---- */

void slk_node_cosigned_by(struct slk_node *node, const struct slk_member *member, uint64_t time_s)
{
    const struct slk_charter *charter = slk_charters_now(node->ledger->machine.charters);
    struct slk_node_seen *seen = &node->counts.seen[member - charter->members];
    uint64_t now = slk_node_wall(node);

    /* A cosignature's time is cut to the second: half of one later it is right on the average. */
    *seen = (struct slk_node_seen){.agency = member->agency,
        .height = slk_store_tip(node->ledger->store)->height,
        .heard_ms = now,
        .offset_ms = (int64_t)now - (int64_t)(time_s * SECOND_MS + SECOND_MS / 2)};
}

static void look_at_member(
    struct slk_node *node, const struct slk_charter *charter, size_t place, struct slk_node_member *out)
{
    const struct slk_member *member = &charter->members[place];
    const struct slk_node_seen *seen = &node->counts.seen[place];
    uint16_t peer = slk_node_index(charter, member->agency);
    uint64_t now = slk_node_wall(node), heard_ms = 0;

    *out = (struct slk_node_member){.agency = member->agency,
        .name = member->name,
        .is_self = member->agency == node->options.agency,
        .votes = member->role == SLK_VOTING};
    if (out->is_self) {
        out->is_up = true;
        out->height = slk_store_tip(node->ledger->store)->height;
        out->cosigned_height = node->own_height;
        heard_ms = node->own_ms;
    } else {
        out->is_up = peer < SLK_BFT_PEERS && node->peers[peer].is_up;
        out->height = peer < SLK_BFT_PEERS ? node->peers[peer].height : 0;
        if (seen->agency == member->agency) {
            out->cosigned_height = seen->height;
            heard_ms = seen->heard_ms;
        }
    }
    out->cosigned_age_ms = heard_ms > 0 && now > heard_ms ? now - heard_ms : 0;
}

/* The middle one: less than half of the clocks may be wrong, or lie. */
static void compare_clocks(struct slk_node *node, struct slk_node_figures *out)
{
    int64_t sorted[SLK_CHARTER_MEMBERS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < out->members_n; i++) {
        const struct slk_node_seen *seen = &node->counts.seen[i];
        size_t at = n;

        if (out->members[i].is_self || !out->members[i].votes || seen->agency != out->members[i].agency)
            continue;
        for (; at > 0 && sorted[at - 1] > seen->offset_ms; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = seen->offset_ms;
        n++;
    }
    out->has_clock_offset = n > 0;
    out->clock_offset_ms = n > 0 ? sorted[n / 2] : 0;
}

/* ---- all of it ---- */

static void look_at_charter(struct slk_node *node, struct slk_node_figures *out)
{
    const struct slk_charter *charter = slk_charters_now(node->ledger->machine.charters);
    const struct slk_charter *pending = slk_ledger_pending(node->ledger, &out->charter_activation);

    out->charter_version = charter->version;
    out->charter_pending = pending != NULL ? pending->version : 0;
    out->charter_activation = pending != NULL ? out->charter_activation : 0;
    out->fresh_s = charter->fresh_s;
    out->members_n = charter->members_n;
    for (size_t i = 0; i < charter->members_n; i++)
        look_at_member(node, charter, i, &out->members[i]);
    compare_clocks(node, out);
}

void slk_node_figures(struct slk_node *node, struct slk_node_figures *out)
{
    const struct slk_tip *tip;
    struct slk_signer_state signer;
    uint64_t oldest;

    memset(out, 0, sizeof(*out));
    slk_node_settle(node); /* what is read below is the committed state's */
    tip = slk_store_tip(node->ledger->store);
    memcpy(out->refused, node->counts.refused, sizeof(out->refused));
    out->receipts_given = node->counts.receipts_given;
    out->receipts_taken = node->counts.receipts_taken;
    out->block_finality = node->counts.block_finality;
    out->submission_finality = node->counts.submission_finality;
    slk_pool_measure(node->pool, &out->pool_bytes, &oldest);
    out->pool_oldest_ms = age_of(node, oldest);
    if (node->options.signer != NULL) {
        slk_signer_state(node->options.signer, &signer);
        out->signatures = signer.latency;
    }
    look_at_charter(node, out);
    out->snapshot_behind = tip->events_n - node->ledger->snapshot_at;
    out->snapshot_interval = slk_ledger_snapshot_interval(node->ledger);
    out->credentials_n = slk_ledger_credentials_n(node->ledger);
    out->map_bytes = slk_ledger_memory(node->ledger);
    slk_store_figures(node->ledger->store, &out->store);
}
