/* bft_status.c: R9: STATUS says what is held here; the answer to one is what its sender lacks.
 *
 * This is all there is of retransmission: nothing is ever taken for delivered, and what is known of a peer is what
 * it said last.
 */
#include "ledger/core/bft_private.h"

enum { HANDS = 3 }; /* of all members hand a leader's proposal on in answer to one STATUS */
enum { JITTER_MIN = 700, JITTER_SPAN = 601 }; /* per mille: plus or minus 30 % (protocol §2.8) */

void slk_bft_status_soon(struct slk_bft *core, uint64_t in_ms)
{
    uint64_t at = core->now_ms + in_ms;

    if (at < core->status_last_ms + core->config.status_gap_ms)
        at = core->status_last_ms + core->config.status_gap_ms;
    core->status_wait_ms = core->config.status_ms;
    if (at < core->status_ms)
        core->status_ms = at;
}

static void add_tally(
    struct slk_status *s, const struct slk_bft *core, uint32_t w, int index, const struct slk_hash *hash)
{
    const struct votes *votes = &core->views[w].votes[index];
    struct slk_tally *tally = &s->tallies[s->tallies_n];

    if (s->tallies_n == SLK_TALLIES_MAX)
        return;
    *tally = (struct slk_tally){.kind = slk_bft_votes_kind(index), .view = w, .hash = *hash};
    for (size_t i = 0; i < core->n; i++)
        if ((votes->have >> i & 1) != 0 && slk_hash_equal(&votes->hash[i], hash))
            tally->signers |= 1ull << i;
    if (tally->signers != 0)
        s->tallies_n++;
}

static bool has_tally(const struct slk_status *s, enum slk_vote_kind kind, const struct slk_hash *hash)
{
    for (size_t i = 0; i < s->tallies_n; i++)
        if (s->tallies[i].kind == kind && slk_hash_equal(&s->tallies[i].hash, hash))
            return true;
    return false;
}

static void fill_status(struct slk_status *s, const struct slk_bft *core)
{
    const struct view *view = &core->views[core->view];
    uint32_t last_n = 0;

    s->charter_hash = core->tip.council.charter_hash;
    s->height = core->height;
    s->tip_hash = core->tip.hash;
    s->view = core->view;
    for (uint32_t w = 1; w <= core->top; w++) {
        if (core->views[w].n.is_held)
            last_n = w;
        if (w >= core->view || core->view - 1 - w >= SLK_STATUS_VIEWS)
            continue;
        s->n_bits |= (uint64_t)core->views[w].n.is_held << (core->view - 1 - w);
        s->k_bits |= (uint64_t)core->views[w].k.is_held << (core->view - 1 - w);
    }
    add_tally(s, core, core->view, VOTES_NULLIFY, &slk_hash_zero);
    if (last_n > 0)
        add_tally(s, core, last_n, VOTES_FINALIZE, &core->views[last_n].n.cert.hash);
    for (size_t i = 0; i < core->n && s->tallies_n < SLK_TALLIES_MAX; i++)
        if ((view->votes[VOTES_NOTARIZE].have >> i & 1) != 0 &&
            !has_tally(s, SLK_VOTE_NOTARIZE, &view->votes[VOTES_NOTARIZE].hash[i]))
            add_tally(s, core, core->view, VOTES_NOTARIZE, &view->votes[VOTES_NOTARIZE].hash[i]);
    s->pool_count = core->pool_count;
    s->pool_xor = core->pool_xor;
    s->seq = core->status_seq;
    s->has_proposal = view->has_proposal;
}

static void tell(struct slk_bft *core, const struct slk_status *status, uint16_t peer)
{
    struct slk_msg *msg = slk_bft_msg(core, SLK_MSG_STATUS, peer);
    const struct seen *seen;

    if (msg == NULL)
        return;
    msg->status = *status;
    if (peer >= core->n)
        return; /* an observer has no votes to be reminded of */
    seen = &core->seen[peer];
    msg->status.your_height = seen->height;
    msg->status.your_view = seen->view;
    msg->status.your_kind = (uint32_t)seen->kind;
}

static void send_status(struct slk_bft *core)
{
    struct slk_status status = {.height = 0};

    core->status_seq++;
    fill_status(&status, core);
    for (size_t peer = 0; peer < core->n; peer++)
        if (peer != core->me)
            tell(core, &status, (uint16_t)peer);
}

/* Who has just started waits for what the others remember of it. An answer to it alone: when many start, a STATUS to all from
 * each of us would be answered by all in turn. It never looks like a first STATUS, so it is not answered like one. */
static void welcome(struct slk_bft *core, uint16_t peer)
{
    struct slk_status status = {.height = 0};

    fill_status(&status, core);
    if (status.seq < 2)
        status.seq = 2;
    tell(core, &status, peer);
}

bool slk_bft_status_due(struct slk_bft *core)
{
    uint64_t longest = core->is_armed ? core->config.status_max_ms : core->config.status_idle_ms;

    if (core->n == 1 && core->me == 0)
        return false; /* observers ask for themselves */
    if (core->now_ms >= core->status_ms) {
        send_status(core);
        core->status_last_ms = core->now_ms;
        core->status_ms =
            core->now_ms + core->status_wait_ms * (JITTER_MIN + core->random % JITTER_SPAN) / 1000;
        if (core->status_ms < core->now_ms + core->config.status_gap_ms)
            core->status_ms = core->now_ms + core->config.status_gap_ms;
        core->status_wait_ms = 2 * core->status_wait_ms < longest ? 2 * core->status_wait_ms : longest;
    }
    slk_bft_wake(core, core->status_ms);
    return false;
}

/* ---- answers ---- */

struct answer {
    const struct slk_status *s;
    uint16_t peer;
    size_t votes_n;
};

static bool bit_of(const struct slk_status *s, uint64_t bits, uint32_t w)
{
    return w < s->view && s->view - 1 - w < SLK_STATUS_VIEWS && (bits >> (s->view - 1 - w) & 1) != 0;
}

static bool has_vote(const struct slk_status *s, const struct slk_statement *vote, size_t signer)
{
    for (size_t i = 0; i < s->tallies_n; i++) {
        const struct slk_tally *t = &s->tallies[i];

        if (t->kind == vote->kind && t->view == vote->view && slk_hash_equal(&t->hash, &vote->hash))
            return (t->signers >> signer & 1) != 0;
    }
    return false;
}

static void answer_vote(struct slk_bft *core, struct answer *a, uint32_t w, int index, size_t signer)
{
    const struct votes *votes = &core->views[w].votes[index];
    struct slk_vote vote;
    struct slk_msg *msg;

    if ((votes->have >> signer & 1) == 0 || a->votes_n == SLK_BFT_ANSWER_VOTES)
        return;
    memset(&vote, 0, sizeof(vote));
    vote.statement = (struct slk_statement){
        .kind = slk_bft_votes_kind(index), .height = core->height, .view = w, .hash = votes->hash[signer]};
    vote.signer = (uint16_t)signer;
    memcpy(vote.sig, votes->sig[signer], SLK_SIGNATURE_SIZE);
    if (has_vote(a->s, &vote.statement, signer) || (msg = slk_bft_msg(core, SLK_MSG_VOTE, a->peer)) == NULL)
        return;
    msg->vote = vote;
    a->votes_n++;
}

/* Votes matter to the peer until it has a certificate that ends the view; FINALIZE until the view is nullified. */
static void answer_votes(struct slk_bft *core, struct answer *a)
{
    const struct slk_status *s = a->s;

    for (uint32_t w = core->top; w > 0; w--) {
        bool over = bit_of(s, s->n_bits, w) || bit_of(s, s->k_bits, w);
        bool is_its_view = w == s->view;

        for (size_t signer = 0; signer < core->n; signer++) {
            bool mine = signer == core->me;

            if (signer == a->peer)
                continue;
            if (!bit_of(s, s->k_bits, w) && (mine || core->views[w].n.is_held))
                answer_vote(core, a, w, VOTES_FINALIZE, signer);
            if (!over && (mine || is_its_view)) {
                answer_vote(core, a, w, VOTES_NOTARIZE, signer);
                answer_vote(core, a, w, VOTES_NULLIFY, signer);
            }
        }
    }
}

static void answer_certs(struct slk_bft *core, const struct slk_status *s, uint16_t peer)
{
    const struct slk_cert *certs[SLK_BFT_ANSWER_CERTS];
    uint32_t carried = 0, gap = 0;
    struct slk_msg *msg;
    size_t n;

    if (s->view >= core->view)
        return;
    if (!slk_bft_justify(core, core->view, &carried, &gap))
        carried = gap; /* what there is above the gap */
    n = slk_bft_justification(core, core->view, carried, certs, SLK_BFT_ANSWER_CERTS);
    if (n == 0 || (msg = slk_bft_msg(core, SLK_MSG_CERT, peer)) == NULL)
        return;
    msg->height = core->height;
    for (size_t i = 0; i < n; i++)
        msg->certs[msg->certs_n++] = certs[i];
}

/* The leader answers at once. Where lines are missing its proposal goes from hand to hand (protocol §3.1): after a while, from three
 * members for each STATUS, others for the next, so that what many hold is not sent by all of them. */
static bool may_hand_on(const struct slk_bft *core, const struct slk_status *s)
{
    const struct view *view = &core->views[core->view];

    if (view->own[SLK_VOTE_PROPOSE].state != OWN_NONE)
        return view->own[SLK_VOTE_PROPOSE].state == OWN_SIGNED;
    return core->me < core->n && view->has_proposal && !view->is_bad &&
           core->now_ms >= core->entered_ms + 2 * core->config.delta_ms &&
           (s->seq + core->me) % core->n < HANDS;
}

/* What a peer remembers of me may be more than I do (protocol §2.6); it is a hint, so I ask for the vote itself. */
static void heed_memory(struct slk_bft *core, const struct slk_status *s)
{
    struct slk_hash hash;

    if (core->me >= core->n || s->your_kind < SLK_VOTE_NOTARIZE || s->your_height < core->height ||
        core->ask_kind != 0 || s->your_view == 0 ||
        (s->your_height == core->height &&
            slk_bft_recorded(core, (enum slk_vote_kind)s->your_kind, s->your_view, &hash)))
        return;
    core->ask_height = s->your_height;
    core->ask_view = s->your_view;
    core->ask_kind = s->your_kind;
}

static void claim(struct slk_bft *core, uint16_t peer, uint64_t height)
{
    uint64_t before = core->claimed[peer];

    core->claimed[peer] = height;
    if (height >= core->claimed_max) {
        core->claimed_max = height;
    } else if (before == core->claimed_max) {
        core->claimed_max = 0;
        for (size_t i = 0; i < SLK_BFT_PEERS; i++)
            if (core->claimed[i] > core->claimed_max)
                core->claimed_max = core->claimed[i];
    }
}

void slk_bft_on_status(struct slk_bft *core, const struct slk_status *s, uint16_t peer)
{
    struct answer answer = {.s = s, .peer = peer};
    struct slk_bft_effect *effect;

    if (peer < SLK_BFT_PEERS)
        claim(core, peer, s->height);
    if (peer < core->n) {
        core->heard |= 1ull << peer;
        heed_memory(core, s);
        if (s->seq <= 1 && peer != core->me)
            welcome(core, peer);
        if (core->pool_count == 0 && s->pool_count > 0)
            slk_bft_effect(core, SLK_OUT_PULL)->peer = peer;
    }
    if (s->height < core->height) {
        effect = slk_bft_effect(core, SLK_OUT_SERVE);
        effect->peer = peer;
        effect->get = (struct slk_get){.what = SLK_GET_COMMIT, .height = s->height};
        if (peer >= core->n)
            welcome(core, peer); /* no member hears STATUS unasked: it has to know where the chain is */
        return;
    }
    if (s->height == core->height && s->height > 1 && !slk_hash_equal(&s->tip_hash, &core->tip.hash)) {
        effect = slk_bft_effect(
            core, SLK_OUT_SERVE); /* it has another chain, or says so: here is the proof of mine */
        effect->peer = peer;
        effect->get = (struct slk_get){.what = SLK_GET_COMMIT, .height = s->height - 1};
        return;
    }
    if (s->height > core->height || peer >= core->n ||
        !slk_hash_equal(&s->charter_hash, &core->tip.council.charter_hash))
        return;
    answer_certs(core, s, peer);
    if (s->view == core->view && !s->has_proposal && may_hand_on(core, s))
        slk_bft_send_proposal(core, core->view, peer);
    answer_votes(core, &answer);
}
