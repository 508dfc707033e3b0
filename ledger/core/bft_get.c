/* bft_get.c: R10: questions. One open per object, the next peer after T_get, twice as long each time.
 *
 * No message, however it looks, makes a question be asked again: only time does.
 */
#include "ledger/core/bft_private.h"

enum { ASKS_MAX = 3 }; /* for a vote of mine that somebody claims to hold */

struct question {
    enum slk_get_what what;
    bool is_wanted;
    uint64_t key;
    struct slk_hash hash;
    uint64_t peers; /* whom it makes sense to ask */
    uint16_t first;
    struct slk_get get;
};

static uint16_t next_peer(uint64_t peers, uint16_t from)
{
    for (unsigned i = 0; i < 64; i++) {
        uint16_t peer = (uint16_t)((from + i) % 64);

        if ((peers >> peer & 1) != 0)
            return peer;
    }
    return 0; /* callers make sure that there is one */
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
        r->peer = next_peer(q->peers, q->first);
    } else {
        r->wait_ms = 2 * r->wait_ms < core->config.get_max_ms ? 2 * r->wait_ms : core->config.get_max_ms;
        r->peer = next_peer(q->peers, (uint16_t)(r->peer + 1));
    }
    r->due_ms = core->now_ms + r->wait_ms;
    slk_bft_wake(core, r->due_ms);
    msg = slk_bft_msg(core, SLK_MSG_GET, r->peer);
    if (msg != NULL)
        msg->get = q->get;
    return msg != NULL;
}

static uint64_t everybody_else(const struct slk_bft *core)
{
    uint64_t all = (1ull << core->n) - 1;

    return core->me < core->n ? all & ~(1ull << core->me) : all;
}

static void ask_justification(struct slk_bft *core)
{
    struct question q = {.what = SLK_GET_JUST};
    uint32_t carried, gap = 0;

    q.is_wanted = !core->is_decided && !slk_bft_justify(core, core->view, &carried, &gap);
    q.key = gap;
    q.peers = everybody_else(core);
    q.first = slk_council_leader(&core->tip.council, core->height, core->view);
    q.get = (struct slk_get){.what = SLK_GET_JUST, .height = core->height, .view = gap + 1};
    (void)ask(core, &q);
}

static void ask_body(struct slk_bft *core)
{
    struct question q = {.what = SLK_GET_BODY};
    size_t at = slk_bft_missing_block(core);

    q.is_wanted = at < SLK_BFT_BLOCKS;
    q.key = core->height;
    q.peers = everybody_else(core);
    if (q.is_wanted) {
        q.hash = core->blocks[at].hash;
        q.first = core->blocks[at].has_header
                      ? core->blocks[at].fields.proposer
                      : slk_council_leader(&core->tip.council, core->height, core->view);
    }
    q.get = (struct slk_get){.what = SLK_GET_BODY, .height = core->height, .hash = q.hash};
    (void)ask(core, &q);
}

static void ask_commit(struct slk_bft *core)
{
    struct question q = {.what = SLK_GET_COMMIT, .key = core->height};

    for (size_t peer = 0; peer < core->n; peer++)
        if (core->claimed[peer] > core->height)
            q.peers |= 1ull << peer;
    q.peers &= everybody_else(core);
    q.is_wanted = !core->is_decided && q.peers != 0;
    q.get = (struct slk_get){.what = SLK_GET_COMMIT, .height = core->height};
    (void)ask(core, &q);
}

static void ask_own_vote(struct slk_bft *core)
{
    struct question q = {.what = SLK_GET_VOTE, .key = core->ask_height};

    if (core->ask_height < core->height)
        core->ask_kind = 0;
    q.is_wanted = core->ask_kind != 0 && !core->is_muted;
    q.peers = everybody_else(core);
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
    ask_body(core);
    ask_commit(core);
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
    case SLK_GET_COMMIT:
    case SLK_GET_HEADERS:
    case SLK_GET_EPOCHS:
        effect = slk_bft_effect(core, SLK_OUT_SERVE);
        effect->peer = peer;
        effect->get = *get;
        return;
    case SLK_GET_N:
        break;
    }
}

/* A body that was asked for; what was not is a violation (protocol §3.4). Whether it is the right body for this header
 * the driver says, as with any other. */
void slk_bft_on_data(struct slk_bft *core, const struct slk_msg *msg, uint16_t peer)
{
    struct slk_bft_effect *effect;
    struct block *block;
    size_t at = slk_bft_missing_block(core);

    if (!core->get[SLK_GET_BODY].is_open || at == SLK_BFT_BLOCKS ||
        !slk_hash_equal(&core->blocks[at].hash, &msg->hash)) {
        core->dropped++; /* late, or never wanted */
        (void)peer;
        return;
    }
    block = &core->blocks[slk_bft_block_header(core, msg->header.at, &msg->hash)];
    block->state = BLOCK_UNKNOWN;
    effect = slk_bft_effect(core, SLK_OUT_BODY);
    effect->hash = block->hash;
    effect->header = block->header;
    effect->body = msg->body;
}
