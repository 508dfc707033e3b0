/* bft_msg.c: messages as they come: who may say what, in the order of protocol §2.10. */
#include "ledger/core/bft_private.h"

static void take_certs(struct slk_bft *core, const struct slk_msg *msg, uint16_t peer)
{
    for (size_t i = 0; i < msg->certs_n; i++)
        slk_bft_cert(core, msg->certs[i], peer);
}

static void keep_body(struct slk_bft *core, const struct slk_msg *msg)
{
    struct slk_bft_effect *effect = slk_bft_effect(core, SLK_OUT_BODY);

    effect->hash = msg->hash;
    effect->header = msg->header.at;
    effect->body = msg->body;
    effect->size = msg->body.size;
}

/* The first view of the next height, from its leader's own connection: kept until this height is committed. */
static void keep_next(struct slk_bft *core, const struct slk_msg *msg, uint16_t peer)
{
    const struct slk_statement *s = &msg->vote.statement;
    struct slk_block_header fields;

    if (s->height != core->height + 1 || s->view != 1 || peer != msg->vote.signer ||
        core->has_next_proposal || slk_council_leader(&core->tip.council, s->height, 1) != msg->vote.signer ||
        slk_block_header_parse(&fields, msg->header.at) != SLK_OK || fields.height != s->height ||
        !slk_vote_check(&msg->vote, &core->tip.council, &core->config.verifier)) {
        slk_bft_drop(
            core, SLK_DROP_EARLY, peer); /* its charter may be the next one: no charge for the signature */
        return;
    }
    core->has_next_proposal = true;
    core->next_proposal = msg->vote;
    memcpy(core->next_header, msg->header.at, sizeof(core->next_header));
    keep_body(core, msg);
}

/* A second, different proposal of one view (E3). */
static void second_proposal(struct slk_bft *core, const struct slk_msg *msg, uint16_t peer)
{
    struct view *view = &core->views[msg->vote.statement.view];

    if (slk_hash_equal(&view->proposal.statement.hash, &msg->hash)) {
        take_certs(core, msg, peer); /* the same, perhaps with another justification */
        return;
    }
    if (view->is_equivocated || view->own[SLK_VOTE_PROPOSE].state != OWN_NONE) {
        slk_bft_drop(core, SLK_DROP_AGAIN, peer);
        return;
    }
    if (!slk_vote_check(&msg->vote, &core->tip.council, &core->config.verifier)) {
        slk_bft_drop(core, SLK_DROP_SIGNATURE, peer);
        return;
    }
    view->is_equivocated = true;
    slk_bft_evidence(core, &view->proposal, &msg->vote);
}

static void own_proposal(struct slk_bft *core, const struct slk_msg *msg)
{
    const struct slk_statement *s = &msg->vote.statement;
    struct slk_hash hash;

    if ((s->height == core->height && slk_bft_recorded(core, SLK_VOTE_PROPOSE, s->view, &hash) &&
            slk_hash_equal(&hash, &s->hash)) ||
        core->is_muted || !slk_vote_check(&msg->vote, &core->tip.council, &core->config.verifier))
        return;
    slk_bft_forgetful(core);
}

void slk_bft_on_proposal(struct slk_bft *core, const struct slk_msg *msg, uint16_t peer, bool has_body)
{
    const struct slk_statement *s = &msg->vote.statement;
    struct view *view;
    size_t at;

    if (s->height < core->height) {
        slk_bft_drop(core, SLK_DROP_OLD, peer);
        return;
    }
    if (msg->vote.signer == core->me) {
        own_proposal(core, msg);
        return;
    }
    if (s->height > core->height) {
        keep_next(core, msg, peer);
        return;
    }
    if (s->view > SLK_BFT_VIEWS || s->view < core->view || s->view > core->view + VIEWS_AHEAD) {
        slk_bft_drop(core, s->view < core->view ? SLK_DROP_OLD : SLK_DROP_EARLY, peer);
        return;
    }
    if (slk_council_leader(&core->tip.council, s->height, s->view) != msg->vote.signer) {
        slk_bft_drop(core, SLK_DROP_NOT_LEADER, peer);
        return;
    }
    view = slk_bft_view(core, s->view);
    if (view->has_proposal) {
        second_proposal(core, msg, peer);
        return;
    }
    if (!slk_vote_check(&msg->vote, &core->tip.council, &core->config.verifier)) {
        slk_bft_drop(core, SLK_DROP_SIGNATURE, peer);
        return;
    }
    at = slk_bft_block_header(core, msg->header.at, &msg->hash);
    if (at == SLK_BFT_BLOCKS)
        return;
    view->has_proposal = true;
    view->proposal = msg->vote;
    view->block = at;
    if (s->aux == 0 && has_body && core->blocks[at].is_sound && core->blocks[at].state == BLOCK_UNKNOWN)
        keep_body(core, msg); /* never over one that was looked at */
    take_certs(core, msg, peer);
}

/* A finalised block: of this height, or the next in the window. From anybody: it proves itself. */
static void on_commit(struct slk_bft *core, const struct slk_msg *msg, uint16_t peer)
{
    const struct slk_cert *cert = msg->certs[0];
    enum slk_bft_drop drop;

    if (cert->kind != SLK_VOTE_FINALIZE || !slk_hash_equal(&cert->hash, &msg->hash)) {
        slk_bft_drop(core, SLK_DROP_CERTIFICATE, peer);
        return;
    }
    if (cert->height > core->height) {
        drop = slk_bft_sync_take(core, msg->header.at, cert);
        if (drop != SLK_DROP_NONE)
            slk_bft_drop(core, drop, peer);
        return;
    }
    slk_bft_cert(core, cert, peer);
    if (core->is_decided && slk_hash_equal(&core->decided.hash, &msg->hash))
        (void)slk_bft_block_header(core, msg->header.at, &msg->hash);
}

static void on_evidence(struct slk_bft *core, const struct slk_msg *msg, uint16_t peer)
{
    if (msg->vote.signer >= core->n || msg->vote.statement.height != core->height ||
        (core->accused >> msg->vote.signer & 1) != 0) {
        slk_bft_drop(core,
            msg->vote.signer >= core->n                 ? SLK_DROP_NO_SAY
            : msg->vote.statement.height < core->height ? SLK_DROP_OLD
            : msg->vote.statement.height > core->height ? SLK_DROP_EARLY
                                                        : SLK_DROP_AGAIN,
            peer);
        return;
    }
    if (msg->vote.signer != msg->other.signer || !slk_statements_contradict(&msg->vote.statement, &msg->other.statement) ||
        !slk_vote_check(&msg->vote, &core->tip.council, &core->config.verifier) ||
        !slk_vote_check(&msg->other, &core->tip.council, &core->config.verifier)) {
        slk_bft_drop(core, SLK_DROP_EVIDENCE, peer);
        return;
    }
    if (msg->vote.signer == core->me)
        slk_bft_forgetful(core); /* this node never contradicts itself: one of the two it does not remember */
    slk_bft_evidence(core, &msg->vote, &msg->other);
}

/* What an observer may not say (protocol §2.15). What remains proves itself, or asks. */
static bool needs_say(enum slk_msg_kind kind)
{
    return kind == SLK_MSG_PROPOSAL || kind == SLK_MSG_VOTE || kind == SLK_MSG_CERT ||
           kind == SLK_MSG_EVIDENCE;
}

void slk_bft_on_msg(struct slk_bft *core, const struct slk_msg *msg, uint16_t peer)
{
    if (peer < SLK_BFT_PEERS)
        core->heard_ms[peer] = core->now_ms;
    if (peer >= core->n && needs_say(msg->kind)) {
        slk_bft_drop(core, SLK_DROP_NO_SAY, peer);
        return;
    }
    switch (msg->kind) {
    case SLK_MSG_PROPOSAL:
        slk_bft_on_proposal(core, msg, peer, true);
        return;
    case SLK_MSG_VOTE:
        if (slk_bft_vote(core, &msg->vote, peer) && msg->vote.statement.kind == SLK_VOTE_NULLIFY &&
            !core->is_armed)
            slk_bft_effect(core, SLK_OUT_PULL)->peer = peer; /* does it know of work? (protocol §2.9) */
        return;
    case SLK_MSG_CERT:
        take_certs(core, msg, peer);
        return;
    case SLK_MSG_STATUS:
        slk_bft_on_status(core, &msg->status, peer);
        return;
    case SLK_MSG_COMMIT:
        on_commit(core, msg, peer);
        return;
    case SLK_MSG_GET:
        slk_bft_on_get(core, &msg->get, peer);
        return;
    case SLK_MSG_DATA:
        slk_bft_on_data(core, msg, peer);
        return;
    case SLK_MSG_EVIDENCE:
        on_evidence(core, msg, peer);
        return;
    case SLK_MSG_HEADERS:
        slk_bft_on_headers(core, msg, peer);
        return;
    case SLK_MSG_EPOCHS:
        slk_bft_on_epochs(core, msg, peer);
        return;
    case SLK_MSG_KIND_N:
        break;
    }
}
