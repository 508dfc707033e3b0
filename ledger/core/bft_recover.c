/* bft_recover.c: R1: a new height; and a boot, from what was durable (protocol §2.6). */
#include "ledger/core/bft_private.h"

void slk_bft_forget(struct slk_bft *core)
{
    for (uint32_t w = 1; w <= core->top; w++) {
        struct view *view = &core->views[w];

        memset(view, 0, offsetof(struct view, n));
        view->n.is_held = view->k.is_held = false;
        for (int i = 0; i < VOTES_N; i++)
            view->votes[i].have = 0;
    }
    core->top = 0;
    core->blocks_n = 0;
}

/* The charter changed: who was known under one index is known under another now. What was told by those who are no members
 * any more is forgotten: they have new indexes, too, which only the driver knows. */
static void know_again(struct slk_bft *core, const struct slk_council *now)
{
    const struct slk_council *before = &core->tip.council;
    uint64_t claimed[SLK_BFT_PEERS] = {0}, heard_ms[SLK_BFT_PEERS], asked = 0, useless = 0;

    for (size_t i = 0; i < SLK_BFT_PEERS; i++)
        heard_ms[i] = core->now_ms;
    core->claimed_max = 0;
    for (size_t i = 0; i < now->n; i++) {
        for (size_t k = 0; k < before->n; k++) {
            if (memcmp(now->keys[i], before->keys[k], SLK_KEY_SIZE) != 0)
                continue;
            claimed[i] = core->claimed[k];
            heard_ms[i] = core->heard_ms[k];
            asked |= (core->asked >> k & 1) << i;
            useless |= (core->useless >> k & 1) << i;
            if (claimed[i] > core->claimed_max)
                core->claimed_max = claimed[i];
        }
    }
    memcpy(core->claimed, claimed, sizeof(claimed));
    memcpy(core->heard_ms, heard_ms, sizeof(heard_ms));
    core->asked = asked;
    core->amnesty_ms = core->now_ms + core->config.get_max_ms;
    core->useless = useless;
}

/* A new key has signed nothing that could be forgotten. */
static void speak_again(struct slk_bft *core)
{
    if (core->is_muted && !slk_hash_is_zero(&core->muted_key) && core->me < core->n &&
        memcmp(core->muted_key.b, core->tip.council.keys[core->me], SLK_KEY_SIZE) != 0)
        core->is_muted = false;
}

void slk_bft_start_height(struct slk_bft *core, const struct slk_bft_tip *tip)
{
    assert(tip->council.n > 0 && tip->council.n <= SLK_CHARTER_VOTING_MAX);
    assert(tip->height < UINT64_MAX);
    slk_bft_forget(core);
    if (!slk_hash_equal(&core->tip.council.charter_hash, &tip->council.charter_hash)) {
        memset(core->seen, 0, sizeof(core->seen)); /* indexes may mean others now */
        know_again(core, &tip->council);
        core->has_next_proposal = false; /* whose it was by index is somebody else's now */
        memset(core->next_have, 0, sizeof(core->next_have));
        core->heard = 0;
        core->guard_ms = core->now_ms;
    }
    core->is_last_known = core->height > 0;
    core->last = core->is_last_known ? core->tip.council : tip->council;
    core->tip = *tip;
    core->n = tip->council.n;
    core->f = slk_council_faults(&tip->council);
    core->q = slk_council_quorum(&tip->council);
    core->me = tip->me < core->n ? tip->me : SLK_BFT_NOBODY;
    speak_again(core);
    core->height = tip->height + 1;
    core->view = 1;
    (void)slk_bft_view(core, 1);
    core->entered_ms = core->committed_ms = core->now_ms;
    core->is_armed = core->must_push = core->is_building = core->is_build_refused = false;
    core->is_decided = core->is_commit_asked = false;
    core->voters = core->accused = 0;
    slk_bft_status_soon(core, core->config.status_ms);
    slk_bft_sync_slide(core);
}

/* What came for this height while the one before it was being committed. */
void slk_bft_replay_next(struct slk_bft *core)
{
    static const struct slk_msg empty;
    struct slk_msg msg = empty;

    if (core->has_next_proposal) {
        core->has_next_proposal = false;
        msg.kind = SLK_MSG_PROPOSAL;
        msg.vote = core->next_proposal;
        msg.header = slk_span_of(core->next_header, sizeof(core->next_header));
        msg.hash = core->next_proposal.statement.hash;
        slk_bft_on_proposal(core, &msg, core->next_proposal.signer, false);
    }
    for (int view = 0; view < NEXT_VIEWS; view++) {
        for (int index = 0; index < VOTES_N; index++) {
            uint64_t have = core->next_have[view][index];

            core->next_have[view][index] = 0;
            for (size_t signer = 0; signer < core->n; signer++)
                if ((have >> signer & 1) != 0)
                    (void)slk_bft_vote(core, &core->next_votes[view][index][signer], (uint16_t)signer);
        }
    }
}

static void reach(struct slk_bft *core, uint32_t view)
{
    if (view > core->view && view <= SLK_BFT_VIEWS)
        core->view = view;
}

static void load_vote(struct slk_bft *core, const struct slk_statement *s)
{
    struct view *view;
    struct own *own;

    if (MUTATED(AMNESIA))
        return;
    view = slk_bft_view(core, s->view);
    own = &view->own[s->kind];
    own->vote.statement = *s;
    own->vote.signer = core->me;
    own->state = OWN_SAVED;
    reach(core, s->view);
    if (s->kind == SLK_VOTE_PROPOSE) {
        view->has_proposal = true;
        view->block = slk_bft_block(core, &s->hash);
        view->proposal = own->vote;
        assert(view->block < SLK_BFT_BLOCKS);
    }
}

/* Signed anew (Ed25519 gives the same bytes), counted and sent as at the first time; but not by one who has to be silent. */
static void sign_again(struct slk_bft *core)
{
    for (uint32_t w = 1; w <= core->top && !core->is_muted && !MUTATED(NOT_RETALLIED); w++)
        for (int kind = SLK_VOTE_PROPOSE; kind < SLK_VOTE_KIND_N; kind++)
            if (core->views[w].own[kind].state == OWN_SAVED)
                slk_bft_effect(core, SLK_OUT_SIGN)->statement = core->views[w].own[kind].vote.statement;
}

static void load(struct slk_bft *core, const struct slk_bft_record *record)
{
    size_t at;

    switch (record->kind) {
    case SLK_RECORD_VOTE:
        assert(record->vote.height == core->height && record->vote.view > 0 &&
               record->vote.view <= SLK_BFT_VIEWS);
        if (core->me < core->n)
            load_vote(core, &record->vote);
        return;
    case SLK_RECORD_CERT:
        assert(record->cert->height == core->height && record->cert->view <= SLK_BFT_VIEWS);
        slk_bft_hold(core, record->cert);
        if (record->cert->kind == SLK_VOTE_NULLIFY)
            core->views[record->cert->view].k.is_saved = true;
        else
            core->views[record->cert->view].n.is_saved = true;
        reach(core, record->cert->view + 1);
        return;
    case SLK_RECORD_BLOCK:
        at = slk_bft_block_header(core, record->header, &record->hash);
        assert(at < SLK_BFT_BLOCKS);
        core->blocks[at].is_saved = true;
        return;
    case SLK_RECORD_MUTED:
        core->is_muted = true;
        core->muted_key = record->hash;
        speak_again(core);
        return;
    }
}

static bool is_loaded_cert(const struct slk_bft *core, const struct slk_cert *cert)
{
    const struct view *view = &core->views[cert->view];

    if (cert->kind == SLK_VOTE_NULLIFY)
        return view->k.is_held && view->k.is_saved && core->view > cert->view;
    return cert->kind == SLK_VOTE_NOTARIZE && view->n.is_held && view->n.is_saved &&
           slk_hash_equal(&view->n.cert.hash, &cert->hash) && core->view > cert->view;
}

bool slk_bft_loaded(const struct slk_bft *core, const struct slk_bft_record *record)
{
    struct slk_hash hash;

    switch (record->kind) {
    case SLK_RECORD_VOTE:
        return core->me >= core->n ||
               (record->vote.view <= core->view &&
                   slk_bft_recorded(core, record->vote.kind, record->vote.view, &hash) &&
                   slk_hash_equal(&hash, &record->vote.hash));
    case SLK_RECORD_CERT:
        return is_loaded_cert(core, record->cert);
    case SLK_RECORD_BLOCK:
        for (size_t i = 0; i < core->blocks_n; i++)
            if (slk_hash_equal(&core->blocks[i].hash, &record->hash))
                return core->blocks[i].has_header && core->blocks[i].is_saved;
        return false;
    case SLK_RECORD_MUTED: /* of a key that is not mine any more it says nothing */
        return core->is_muted ||
               (!slk_hash_is_zero(&record->hash) && core->me < core->n &&
                   memcmp(record->hash.b, core->tip.council.keys[core->me], SLK_KEY_SIZE) != 0);
    }
    return false;
}

void slk_bft_boot(struct slk_bft *core, const struct slk_bft_tip *tip, const struct slk_bft_record *records,
    size_t records_n)
{
    core->status_ms = UINT64_MAX;
    core->seq = 1;
    slk_bft_start_height(core, tip);
    core->guard_ms = core->now_ms + core->config.guard_ms;
    core->status_ms = core->now_ms;
    for (size_t i = 0; i < SLK_BFT_PEERS; i++)
        core->heard_ms[i] = core->now_ms;
    for (size_t i = 0; i < records_n; i++)
        load(core, &records[i]);
    sign_again(core);
    (void)slk_bft_view(core, core->view);
}
