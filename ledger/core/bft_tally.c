/* bft_tally.c: what is known of a height: votes, certificates, blocks; and who contradicted himself. */
#include "ledger/core/bft_private.h"

int slk_bft_votes_index(enum slk_vote_kind kind)
{
    switch (kind) {
    case SLK_VOTE_NOTARIZE:
        return VOTES_NOTARIZE;
    case SLK_VOTE_NULLIFY:
        return VOTES_NULLIFY;
    case SLK_VOTE_FINALIZE:
        return VOTES_FINALIZE;
    case SLK_VOTE_PROPOSE:
    case SLK_VOTE_KIND_N:
        break;
    }
    return -1;
}

enum slk_vote_kind slk_bft_votes_kind(int index)
{
    return index == VOTES_NOTARIZE  ? SLK_VOTE_NOTARIZE
           : index == VOTES_NULLIFY ? SLK_VOTE_NULLIFY
                                    : SLK_VOTE_FINALIZE;
}

/* The place of a block; SLK_BFT_BLOCKS when there is no room, which two per view never need. */
size_t slk_bft_block(struct slk_bft *core, const struct slk_hash *hash)
{
    struct block *block;

    for (size_t i = 0; i < core->blocks_n; i++)
        if (slk_hash_equal(&core->blocks[i].hash, hash))
            return i;
    if (core->blocks_n == SLK_BFT_BLOCKS)
        return SLK_BFT_BLOCKS;
    block = &core->blocks[core->blocks_n];
    memset(block, 0, sizeof(*block));
    block->hash = *hash;
    return core->blocks_n++;
}

/* Does the header stand on the tip? What it says of the view it is proposed in, bft_rules.c judges. */
static bool header_sound(const struct slk_bft *core, const struct block *block)
{
    const struct slk_block_header *h = &block->fields;

    return h->height == core->height && slk_hash_equal(&h->chain_id, &core->tip.council.chain_id) &&
           slk_hash_equal(&h->charter_hash, &core->tip.council.charter_hash) &&
           slk_hash_equal(&h->previous, &core->tip.hash) && h->time_ms > core->tip.time_ms &&
           h->origin_view > 0 && h->origin_view <= SLK_BFT_VIEWS && h->body_bytes <= SLK_BODY_MAX &&
           h->proposer == slk_council_leader(&core->tip.council, core->height, h->origin_view);
}

size_t slk_bft_block_header(struct slk_bft *core, const uint8_t *header, const struct slk_hash *hash)
{
    size_t at = slk_bft_block(core, hash);
    struct block *block = &core->blocks[at];

    if (at == SLK_BFT_BLOCKS || block->has_header)
        return at;
    memcpy(block->header, header, SLK_BLOCK_HEADER_SIZE);
    block->has_header = true;
    block->is_sound = slk_block_header_parse(&block->fields, header) == SLK_OK && header_sound(core, block);
    return at;
}

void slk_bft_evidence(struct slk_bft *core, const struct slk_vote *first, const struct slk_vote *second)
{
    struct slk_bft_effect *effect;
    struct slk_msg *msg;

    assert(first->signer == second->signer);
    if ((core->accused >> first->signer & 1) != 0 || core->out->msgs_n == SLK_BFT_MSGS)
        return; /* one pair per member and height */
    core->accused |= 1ull << first->signer;
    msg = &core->out->msgs[core->out->msgs_n++];
    msg->kind = SLK_MSG_EVIDENCE;
    msg->vote = *first;
    msg->other = *second;
    effect = slk_bft_effect(core, SLK_OUT_EVIDENCE);
    effect->peer = first->signer;
    effect->msg = msg;
}

static void vote_of(
    struct slk_vote *out, const struct slk_bft *core, uint32_t view, int index, uint16_t signer)
{
    const struct votes *votes = &core->views[view].votes[index];

    memset(out, 0, sizeof(*out));
    out->statement.kind = slk_bft_votes_kind(index);
    out->statement.height = core->height;
    out->statement.view = view;
    out->statement.hash = votes->hash[signer];
    out->signer = signer;
    memcpy(out->sig, votes->sig[signer], SLK_SIGNATURE_SIZE);
}

/* E1, E2 and E4 of protocol §2.12: does this verified vote contradict one that is held? */
static void look_for_evidence(struct slk_bft *core, const struct slk_vote *vote)
{
    const struct view *view = &core->views[vote->statement.view];
    int index = slk_bft_votes_index(vote->statement.kind);
    int against = index == VOTES_NULLIFY ? VOTES_FINALIZE : index == VOTES_FINALIZE ? VOTES_NULLIFY : index;
    struct slk_vote held;

    assert(index >= 0);
    if ((view->votes[index].have >> vote->signer & 1) != 0 &&
        !slk_hash_equal(&view->votes[index].hash[vote->signer], &vote->statement.hash))
        against = index;
    else if (against == index || (view->votes[against].have >> vote->signer & 1) == 0)
        return;
    vote_of(&held, core, vote->statement.view, against, vote->signer);
    slk_bft_evidence(core, &held, vote);
}

/* R6 of my own and others' votes: q equal ones become a certificate. */
static void certify(struct slk_bft *core, uint32_t w, int index, const struct slk_hash *hash)
{
    const struct view *view = &core->views[w];
    const struct votes *votes = &view->votes[index];
    struct slk_cert cert;
    uint64_t equal = 0;
    size_t used = 0;

    if (index == VOTES_NOTARIZE  ? view->n.is_held
        : index == VOTES_NULLIFY ? view->k.is_held
                                 : core->is_decided)
        return;
    for (size_t i = 0; i < core->n; i++)
        if ((votes->have >> i & 1) != 0 && slk_hash_equal(&votes->hash[i], hash))
            equal |= 1ull << i;
    if (slk_bits_n(equal) < core->q)
        return;
    cert.kind = slk_bft_votes_kind(index);
    cert.height = core->height;
    cert.view = w;
    cert.hash = *hash;
    cert.signers = equal;
    cert.bitmap_bytes = (uint8_t)((core->n + 7) / 8);
    for (size_t i = 0; i < core->n; i++)
        if ((equal >> i & 1) != 0)
            memcpy(cert.sigs[used++], votes->sig[i], SLK_SIGNATURE_SIZE);
    slk_bft_hold(core, &cert);
}

/* Counts a vote whose signature is known to be good. */
void slk_bft_tally(struct slk_bft *core, const struct slk_vote *vote)
{
    const struct slk_statement *s = &vote->statement;
    int index = slk_bft_votes_index(s->kind);
    struct view *view = slk_bft_view(core, s->view);
    struct votes *votes;
    struct seen *seen = &core->seen[vote->signer];

    assert(index >= 0 && s->height == core->height && vote->signer < core->n);
    votes = &view->votes[index];
    if (vote->signer != core->me)
        look_for_evidence(core, vote);
    if ((votes->have >> vote->signer & 1) != 0)
        return; /* the first stays (protocol §2.10) */
    votes->have |= 1ull << vote->signer;
    votes->hash[vote->signer] = s->hash;
    memcpy(votes->sig[vote->signer], vote->sig, SLK_SIGNATURE_SIZE);
    core->voters |= 1ull << vote->signer;
    if (seen->height != s->height || s->view > seen->view || (s->view == seen->view && s->kind > seen->kind))
        *seen = (struct seen){.height = s->height, .view = s->view, .kind = s->kind};
    certify(core, s->view, index, &s->hash);
}

/* This key signed what this node does not remember: it is silent until a charter names another (protocol §2.6). */
void slk_bft_forgetful(struct slk_bft *core)
{
    if (core->is_muted)
        return;
    core->is_muted = core->is_mute_new = true;
    memcpy(core->muted_key.b, core->tip.council.keys[core->me], SLK_KEY_SIZE);
    slk_bft_alarm(core, SLK_ALARM_AMNESIA);
}

/* A vote of mine that I have no record of: my disk was rolled back, or my key is used twice (protocol §2.6). */
static void own_sighting(struct slk_bft *core, const struct slk_vote *vote)
{
    const struct slk_statement *s = &vote->statement;

    if (s->height == core->height && s->view <= SLK_BFT_VIEWS) {
        const struct own *own = &core->views[s->view].own[s->kind];

        if (own->state != OWN_NONE && slk_hash_equal(&own->vote.statement.hash, &s->hash))
            return;
    }
    if (core->is_muted || !slk_vote_check(vote, &core->tip.council, &core->config.verifier))
        return;
    slk_bft_forgetful(core);
}

/* A vote for the next height, from its signer's own connection; checked when its height starts. */
static bool keep_for_next(struct slk_bft *core, const struct slk_vote *vote, uint16_t peer)
{
    int index = slk_bft_votes_index(vote->statement.kind);
    uint32_t view = vote->statement.view;

    if (vote->statement.height != core->height + 1 || peer != vote->signer || view > NEXT_VIEWS || index < 0)
        return false;
    core->next_votes[view - 1][index][vote->signer] = *vote;
    core->next_have[view - 1][index] |= 1ull << vote->signer;
    return true;
}

/* A vote as it came. True when it counted. */
bool slk_bft_vote(struct slk_bft *core, const struct slk_vote *vote, uint16_t peer)
{
    const struct slk_statement *s = &vote->statement;
    int index = slk_bft_votes_index(s->kind);
    const struct votes *votes;

    if (index < 0 || vote->signer >= core->n || s->view == 0) {
        slk_bft_drop(core, SLK_DROP_NO_SAY, peer);
        return false;
    }
    if (s->height < core->height) {
        slk_bft_drop(core, SLK_DROP_OLD, peer);
        return false;
    }
    if (vote->signer == core->me) {
        own_sighting(core, vote);
        return false;
    }
    if (s->height > core->height) {
        if (!keep_for_next(core, vote, peer))
            slk_bft_drop(core, SLK_DROP_EARLY, peer);
        return false;
    }
    if (s->view > SLK_BFT_VIEWS || s->view > core->view + VIEWS_AHEAD ||
        s->view + VIEWS_BEHIND < core->view) {
        slk_bft_drop(core, s->view < core->view ? SLK_DROP_OLD : SLK_DROP_EARLY, peer);
        return false;
    }
    votes = &core->views[s->view].votes[index];
    if ((votes->have >> vote->signer & 1) != 0 &&
        (slk_hash_equal(&votes->hash[vote->signer], &s->hash) || (core->accused >> vote->signer & 1) != 0))
        return false;
    if (!slk_vote_check(vote, &core->tip.council, &core->config.verifier)) {
        slk_bft_drop(core, SLK_DROP_SIGNATURE, peer);
        return false;
    }
    slk_bft_tally(core, vote);
    return true;
}

/* More than f members lie: two blocks of one height are final. Nothing is signed here any more; the other certificate
 * goes out with the alarm. */
void slk_bft_forked(struct slk_bft *core, const struct slk_cert *other)
{
    if (core->is_muted)
        return;
    core->is_muted = core->is_mute_new = true;
    core->muted_key = slk_hash_zero;
    slk_bft_alarm(core, SLK_ALARM_FORK);
    core->out->at[core->out->n - 1].cert = other;
}

/* Takes a certificate that is known to be good into the state. */
void slk_bft_hold(struct slk_bft *core, const struct slk_cert *cert)
{
    struct view *view = slk_bft_view(core, cert->view);
    struct held *held = cert->kind == SLK_VOTE_NULLIFY ? &view->k : &view->n;

    assert(cert->height == core->height);
    if (cert->kind == SLK_VOTE_FINALIZE) {
        if (core->is_decided) {
            if (!slk_hash_equal(&core->decided.hash, &cert->hash))
                slk_bft_forked(core, cert);
            return;
        }
        core->is_decided = true;
        slk_cert_copy(&core->decided, cert);
        core->decided_block = slk_bft_block(core, &cert->hash);
        assert(core->decided_block < SLK_BFT_BLOCKS);
        return;
    }
    if (held->is_held)
        return;
    held->is_held = true;
    held->is_saved = false;
    slk_cert_copy(&held->cert, cert);
    if (cert->kind == SLK_VOTE_NOTARIZE)
        (void)slk_bft_block(core, &cert->hash);
}

/* A certificate as it came: looked at only when it would change something (protocol §2.10). */
void slk_bft_cert(struct slk_bft *core, const struct slk_cert *cert, uint16_t peer)
{
    const struct view *view;
    struct slk_hash mine;

    if (cert->height + 1 == core->height && cert->kind == SLK_VOTE_FINALIZE &&
        !slk_hash_equal(&cert->hash, &core->tip.hash) && !core->is_muted) {
        if (slk_cert_check(cert, &core->last, &core->config.verifier))
            slk_bft_forked(core, cert);
        else
            slk_bft_drop(core, core->is_last_known ? SLK_DROP_CERTIFICATE : SLK_DROP_OLD, peer);
        return;
    }
    if (cert->height != core->height || cert->view > SLK_BFT_VIEWS || cert->kind == SLK_VOTE_PROPOSE) {
        slk_bft_drop(core,
            cert->height < core->height   ? SLK_DROP_OLD
            : cert->height > core->height ? SLK_DROP_EARLY
                                          : SLK_DROP_CERTIFICATE,
            peer);
        return;
    }
    view = &core->views[cert->view];
    if ((cert->kind == SLK_VOTE_NOTARIZE && view->n.is_held) ||
        (cert->kind == SLK_VOTE_NULLIFY && view->k.is_held) ||
        (cert->kind == SLK_VOTE_FINALIZE && core->is_decided &&
            slk_hash_equal(&core->decided.hash, &cert->hash)))
        return;
    if (!slk_cert_check(cert, &core->tip.council, &core->config.verifier)) {
        slk_bft_drop(core, SLK_DROP_CERTIFICATE, peer);
        return;
    }
    /* What is final is no open height any more: nothing can be signed there, whatever was forgotten. Members whose disk is new meet
     * their own old votes in it. */
    if (cert->kind != SLK_VOTE_FINALIZE && core->me < core->n && (cert->signers >> core->me & 1) != 0 &&
        !(slk_bft_recorded(core, cert->kind, cert->view, &mine) && slk_hash_equal(&mine, &cert->hash)))
        slk_bft_forgetful(core);
    slk_bft_hold(core, cert);
}
