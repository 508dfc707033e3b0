/* bft_get.c: R10: questions, but for bodies (bft_body.c). One open per object, the next peer after T_get, twice as long
 * each time.
 *
 * No message, however it looks, makes a question be asked again: only time does.
 */
#include "ledger/core/bft_private.h"

enum { ASKS_MAX = 3 }; /* for a vote of mine that somebody claims to hold */

struct question {
    enum slk_get_what what;
    bool is_wanted;
    bool is_bulk; /* who is asked says to have it: silence is a failure. Others may have nothing to say */
    uint64_t key;
    struct slk_hash hash;
    uint64_t peers; /* whom it makes sense to ask */
    uint16_t first;
    struct slk_get get;
};

/* When all have failed that says nothing any more: all begin anew, or the one that is first in order would be asked for ever. */
static uint64_t useful(struct slk_bft *core, uint64_t peers)
{
    if ((peers & ~core->useless) == 0)
        core->useless &= ~peers;
    return peers & ~core->useless;
}

uint16_t slk_bft_next_peer(struct slk_bft *core, uint64_t peers, uint16_t from)
{
    peers = useful(core, peers);
    for (unsigned i = 0; i < SLK_BFT_PEERS; i++) {
        uint16_t peer = (uint16_t)((from + i) % SLK_BFT_PEERS);

        if ((peers >> peer & 1) != 0)
            return peer;
    }
    return 0; /* callers make sure that there is one */
}

/* They take turns: the questions for heights that follow each other go to different ones. */
uint16_t slk_bft_turn(struct slk_bft *core, uint64_t peers, uint64_t turn)
{
    peers = useful(core, peers);
    if (peers == 0)
        return 0;
    for (turn %= slk_bits_n(peers); turn > 0; turn--)
        peers &= peers - 1;
    return slk_bft_next_peer(core, peers, 0);
}

/* True when a message left. */
static bool ask(struct slk_bft *core, const struct question *q)
{
    struct request *r = &core->get[q->what];
    bool is_new = !r->is_open || r->key != q->key || !slk_hash_equal(&r->hash, &q->hash);
    struct slk_msg *msg;

    if (!q->is_wanted || q->peers == 0) {
        r->is_open = false;
        return false;
    }
    if (!is_new && core->now_ms < r->due_ms && !MUTATED(GET_STORM)) {
        slk_bft_wake(core, r->due_ms);
        return false;
    }
    if (is_new) {
        *r =
            (struct request){.is_open = true, .key = q->key, .hash = q->hash, .wait_ms = core->config.get_ms};
        r->peer = slk_bft_next_peer(core, q->peers, q->first);
    } else {
        if (q->is_bulk)
            slk_bft_drop(core, SLK_DROP_SILENT, r->peer);
        r->wait_ms = 2 * r->wait_ms < core->config.get_max_ms ? 2 * r->wait_ms : core->config.get_max_ms;
        r->peer = slk_bft_next_peer(core, q->peers, (uint16_t)(r->peer + 1));
    }
    core->asked |= 1ull << r->peer;
    r->due_ms = core->now_ms + r->wait_ms;
    slk_bft_wake(core, r->due_ms);
    msg = slk_bft_msg(core, SLK_MSG_GET, r->peer);
    if (msg != NULL)
        msg->get = q->get;
    return msg != NULL;
}

uint64_t slk_bft_everybody_else(const struct slk_bft *core)
{
    uint64_t all = (1ull << core->n) - 1;

    return core->me < core->n ? all & ~(1ull << core->me) : all;
}

/* Who says to have committed `height`. */
uint64_t slk_bft_claimers(const struct slk_bft *core, uint64_t height)
{
    uint64_t peers = 0;

    for (size_t peer = 0; peer < SLK_BFT_PEERS; peer++)
        if (core->claimed[peer] > height)
            peers |= 1ull << peer;
    return peers;
}

/* The highest certificate that the view's proposal rests on and that is not here; 0: none. A proposal shows 32 of them, and its leader
 * may carry what was notarized in a view that was nullified here. */
static uint32_t proposal_gap(const struct slk_bft *core)
{
    const struct view *view = &core->views[core->view];
    uint32_t carried = view->proposal.statement.aux;

    if (!view->has_proposal || view->is_bad)
        return 0;
    for (uint32_t w = core->view - 1; w > carried; w--)
        if (!core->views[w].k.is_held)
            return w;
    return carried > 0 && !core->views[carried].n.is_held ? carried : 0;
}

static void ask_justification(struct slk_bft *core)
{
    struct question q = {.what = SLK_GET_JUST};
    uint32_t carried, gap = 0;

    if (slk_bft_justify(core, core->view, &carried, &gap))
        gap = proposal_gap(core);
    q.is_wanted = !core->is_decided && gap > 0;
    q.key = gap;
    q.peers = slk_bft_everybody_else(core);
    q.first = slk_council_leader(&core->tip.council, core->height, core->view);
    q.get = (struct slk_get){.what = SLK_GET_JUST, .height = core->height, .view = gap + 1};
    (void)ask(core, &q);
}

/* The headers that the window has room for: a whole range of them, or all there are said to be. */
static void ask_headers(struct slk_bft *core)
{
    struct question q = {.what = SLK_GET_HEADERS, .is_bulk = true};
    struct sync_end end;

    if (core->claimed_max > core->height && slk_bft_sync_end(core, &end) && end.council != NULL &&
        core->claimed_max > end.height) {
        uint64_t room = SYNC_WINDOW - (end.height - core->height), left = core->claimed_max - end.height;

        q.peers = slk_bft_claimers(core, end.height);
        q.is_wanted = room >= SLK_RANGE_MAX || (room >= left && room > 0);
        q.key = end.height;
        q.first = slk_bft_turn(core, q.peers, end.height / SLK_RANGE_MAX);
        q.get = (struct slk_get){.what = SLK_GET_HEADERS, .height = end.height, .count = SLK_RANGE_MAX};
        if (left < q.get.count)
            q.get.count = (uint32_t)left;
        if (room < q.get.count)
            q.get.count = (uint32_t)room;
    }
    (void)ask(core, &q);
}

/* The window ends before a height whose charter is not known: which one is it? */
static void ask_epochs(struct slk_bft *core)
{
    struct question q = {.what = SLK_GET_EPOCHS, .is_bulk = true};
    struct sync_end end;

    if (core->config.electors.council != NULL && core->sync.n > 0 && slk_bft_sync_end(core, &end) &&
        end.council == NULL) {
        q.is_wanted = true;
        q.key = end.height - 1;
        q.peers = slk_bft_claimers(core, end.height - 1);
        q.first = slk_bft_turn(core, q.peers, end.height);
        q.get = (struct slk_get){.what = SLK_GET_EPOCHS, .height = end.height - 1};
    }
    (void)ask(core, &q);
}

static void ask_own_vote(struct slk_bft *core)
{
    struct question q = {.what = SLK_GET_VOTE, .key = core->ask_height};

    if (core->ask_height < core->height)
        core->ask_kind = 0;
    q.is_wanted = core->ask_kind != 0 && !core->is_muted;
    q.peers = slk_bft_everybody_else(core);
    q.get = (struct slk_get){
        .what = SLK_GET_VOTE, .height = core->ask_height, .view = core->ask_view, .kind = core->ask_kind};
    (void)ask(core, &q);
    if (core->get[SLK_GET_VOTE].is_open && core->get[SLK_GET_VOTE].wait_ms > core->config.get_ms << ASKS_MAX)
        core->ask_kind = 0; /* nobody shows it */
}

bool slk_bft_requests(struct slk_bft *core)
{
    if (core->n == 1 && core->me == 0)
        return false;
    ask_justification(core);
    ask_headers(core);
    ask_epochs(core);
    slk_bft_bodies(core);
    ask_own_vote(core);
    return false;
}

static void answer_justification(struct slk_bft *core, uint32_t view, uint16_t peer)
{
    uint32_t carried = 0, gap = 0;
    struct slk_msg *msg;

    if (view == 0 || view > core->view || (msg = slk_bft_msg(core, SLK_MSG_CERT, peer)) == NULL)
        return;
    if (!slk_bft_justify(core, view, &carried, &gap))
        carried = gap;
    msg->height = core->height;
    msg->certs_n = slk_bft_justification(core, view, carried, msg->certs, SLK_JUST_MAX);
    if (view > 1 && carried == view - 1 && core->views[carried].k.is_held)
        msg->certs[msg->certs_n++] = &core->views[carried].k.cert; /* whichever of the two is asked for */
    if (msg->certs_n == 0) { /* nothing to tell: take the message back */
        core->out->n--;
        core->out->msgs_n--;
    }
}

static void answer_vote(struct slk_bft *core, const struct slk_get *get, uint16_t peer)
{
    int index = slk_bft_votes_index((enum slk_vote_kind)get->kind);
    const struct votes *votes;
    struct slk_msg *msg;

    if (peer >= core->n || get->view == 0 || get->view > core->top || index < 0)
        return;
    votes = &core->views[get->view].votes[index];
    if ((votes->have >> peer & 1) == 0 || (msg = slk_bft_msg(core, SLK_MSG_VOTE, peer)) == NULL)
        return;
    msg->vote.statement = (struct slk_statement){.kind = slk_bft_votes_kind(index),
        .height = core->height,
        .view = get->view,
        .hash = votes->hash[peer]};
    msg->vote.signer = peer;
    memcpy(msg->vote.sig, votes->sig[peer], SLK_SIGNATURE_SIZE);
}

void slk_bft_on_get(struct slk_bft *core, const struct slk_get *get, uint16_t peer)
{
    struct slk_bft_effect *effect;

    switch (get->what) {
    case SLK_GET_JUST:
        if (get->height == core->height)
            answer_justification(core, get->view, peer);
        return;
    case SLK_GET_VOTE:
        if (get->height == core->height)
            answer_vote(core, get, peer);
        return;
    case SLK_GET_BODY:
        if (get->chunk > SLK_BODY_MAX / core->config.chunk_bytes)
            return;
        effect = slk_bft_effect(core, SLK_OUT_SERVE);
        effect->peer = peer;
        effect->get = *get;
        effect->offset = (uint64_t)get->chunk * core->config.chunk_bytes;
        effect->size = core->config.chunk_bytes;
        return;
    case SLK_GET_COMMIT:
    case SLK_GET_HEADERS:
    case SLK_GET_EPOCHS:
        if (get->height > core->tip.height)
            return;
        effect = slk_bft_effect(core, SLK_OUT_SERVE);
        effect->peer = peer;
        effect->get = *get;
        return;
    case SLK_GET_N:
        break;
    }
}
