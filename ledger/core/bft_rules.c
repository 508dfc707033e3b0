/* bft_rules.c: the rules R2 to R8 of protocol §2.5. Each looks at the whole state, fires at most once, and says so.
 *
 * A rule that only waits for a time says when it wants to be asked again (bft_wake).
 */
#include "ledger/core/bft_private.h"

bool slk_bft_justify(const struct slk_bft *core, uint32_t view, uint32_t *carried, uint32_t *gap)
{
    for (uint32_t w = view - 1; w > 0; w--) {
        if (core->views[w].n.is_held) {
            *carried = w;
            return true;
        }
        if (!core->views[w].k.is_held) {
            *gap = w;
            return false;
        }
    }
    *carried = 0;
    return true;
}

size_t slk_bft_justification(
    const struct slk_bft *core, uint32_t view, uint32_t carried, const struct slk_cert *out[], size_t out_max)
{
    size_t n = 0;

    assert(out_max > 1);
    if (carried > 0 && core->views[carried].n.is_held)
        out[n++] = &core->views[carried].n.cert;
    for (uint32_t w = view - 1; w > carried && n < out_max; w--)
        if (core->views[w].k.is_held)
            out[n++] = &core->views[w].k.cert;
    return n;
}

/* ---- records: what becomes durable with a vote (rule P) ---- */

static void save_cert(struct slk_bft *core, struct held *held)
{
    if (MUTATED(CERTS_NOT_STORED) || !held->is_held || held->is_saved)
        return;
    held->is_saved = true;
    slk_bft_record(core, SLK_RECORD_CERT)->cert = &held->cert;
}

static void save_block(struct slk_bft *core, size_t at)
{
    struct block *block = &core->blocks[at];
    struct slk_bft_record *record;

    assert(at < core->blocks_n && block->has_header);
    if (block->is_saved)
        return;
    block->is_saved = true;
    record = slk_bft_record(core, SLK_RECORD_BLOCK);
    record->hash = block->hash;
    record->header = block->header;
}

static void save_justification(struct slk_bft *core, uint32_t view, uint32_t carried)
{
    for (uint32_t w = carried + 1; w < view; w++)
        save_cert(core, &core->views[w].k);
    if (carried > 0)
        save_cert(core, &core->views[carried].n);
}

static void record_own(
    struct slk_bft *core, enum slk_vote_kind kind, uint32_t view, const struct slk_hash *hash, uint32_t aux)
{
    struct own *own = &slk_bft_view(core, view)->own[kind];
    struct slk_statement *s = &own->vote.statement;

    assert(own->state == OWN_NONE && slk_bft_may_vote(core));
    assert(slk_hash_is_zero(hash) == (kind == SLK_VOTE_NULLIFY));
    *s =
        (struct slk_statement){.kind = kind, .height = core->height, .view = view, .aux = aux, .hash = *hash};
    own->vote.signer = core->me;
    own->seq = core->seq;
    own->state = OWN_SAVING;
    slk_bft_record(core, SLK_RECORD_VOTE)->vote = *s;
    if (MUTATED(VOTE_BEFORE_FSYNC)) {
        own->state = OWN_SAVED;
        slk_bft_effect(core, SLK_OUT_SIGN)->statement = *s;
    }
}

/* ---- when there is something to agree on (protocol §2.9): recomputed, never latched ---- */

static bool armed(struct slk_bft *core)
{
    uint64_t due = core->tip.time_ms + core->config.heartbeat_ms;

    if (core->config.heartbeat_ms > 0 && core->wall_ms < due)
        slk_bft_wake_wall(core, due);
    else if (core->config.heartbeat_ms > 0)
        return true;
    if (core->pool_count > 0 || core->view > 1 || slk_bits_n(core->voters) > core->f)
        return true;
    for (uint32_t w = 1; w <= core->top; w++)
        if (core->views[w].has_proposal && core->blocks[core->views[w].block].is_sound)
            return true;
    return false;
}

static void arm(struct slk_bft *core)
{
    bool now = armed(core);

    if (now && !core->is_armed) {
        core->armed_ms = core->now_ms;
        slk_bft_status_soon(core, core->config.status_ms);
    }
    core->is_armed = now;
}

/* ---- R2 ---- */

static bool enter(struct slk_bft *core)
{
    uint32_t target = core->view;

    for (uint32_t w = core->view; w <= core->top && w < SLK_BFT_VIEWS; w++)
        if (core->views[w].n.is_held || core->views[w].k.is_held)
            target = w + 1;
    if (target == core->view)
        return false;
    core->view = target;
    (void)slk_bft_view(core, target);
    core->entered_ms = core->now_ms;
    core->is_building = core->is_build_refused = false;
    core->must_push = core->n > 1;
    core->push_ms = core->now_ms;
    if (!core->views[target - 1].k.is_held)
        core->push_ms += core->config.delta_ms / 2; /* usually the height is decided by then */
    slk_bft_status_soon(core, core->config.status_ms);
    if (target == SLK_BFT_VIEWS)
        slk_bft_alarm(core, SLK_ALARM_VIEWS);
    return true;
}

static bool push(struct slk_bft *core)
{
    const struct view *last;
    struct slk_msg *msg;

    if (!core->must_push || core->is_decided)
        return false;
    if (core->now_ms < core->push_ms) {
        slk_bft_wake(core, core->push_ms);
        return false;
    }
    core->must_push = false;
    last = &core->views[core->view - 1];
    msg = slk_bft_msg(core, SLK_MSG_CERT, SLK_BFT_ALL);
    if (msg == NULL)
        return true;
    msg->height = core->height;
    msg->certs[msg->certs_n++] = last->k.is_held ? &last->k.cert : &last->n.cert;
    return true;
}

/* ---- R3 ---- */

/* Mine, or another's that goes from hand to hand. */
void slk_bft_send_proposal(struct slk_bft *core, uint32_t view, uint16_t peer)
{
    const struct slk_vote *proposal = &core->views[view].proposal;
    const struct block *block = &core->blocks[core->views[view].block];
    uint32_t carried = proposal->statement.aux;
    struct slk_msg *msg;

    assert(core->views[view].has_proposal && slk_hash_equal(&block->hash, &proposal->statement.hash));
    if (core->n == 1 || !block->has_header || (msg = slk_bft_msg(core, SLK_MSG_PROPOSAL, peer)) == NULL)
        return;
    msg->vote = *proposal;
    msg->header = slk_span_of(block->header, sizeof(block->header));
    msg->hash = block->hash;
    msg->certs_n = slk_bft_justification(core, view, carried, msg->certs, SLK_JUST_MAX);
    core->out->at[core->out->n - 1].with_body = carried == 0 && block->state == BLOCK_VALID;
    core->out->at[core->out->n - 1].hash = block->hash;
}

static void record_proposal(struct slk_bft *core, size_t at, uint32_t carried)
{
    struct view *view = slk_bft_view(core, core->view);

    record_own(core, SLK_VOTE_PROPOSE, core->view, &core->blocks[at].hash, carried);
    save_block(core, at);
    save_justification(core, core->view, carried);
    view->has_proposal = true;
    view->block = at;
    view->proposal = view->own[SLK_VOTE_PROPOSE].vote; /* its signature comes later */
}

static bool carry(struct slk_bft *core, uint32_t carried)
{
    size_t at = slk_bft_block(core, &core->views[carried].n.cert.hash);
    uint64_t due = core->entered_ms + core->config.delta_ms; /* T_carry: finality is usually in flight */

    if (at == SLK_BFT_BLOCKS || core->blocks[at].state != BLOCK_VALID)
        return false; /* rule P: its body has to be durable here before anybody is told to vote for it */
    if (carried == core->view - 1 && core->now_ms < due) {
        slk_bft_wake(core, due);
        return false;
    }
    record_proposal(core, at, carried);
    return true;
}

static bool build(struct slk_bft *core)
{
    uint64_t empty_wall = core->tip.time_ms + core->config.empty_ms;
    uint64_t due = core->committed_ms + core->config.gap_ms;
    bool may_be_empty = core->wall_ms >= empty_wall;
    struct slk_bft_effect *effect;

    if (core->is_building || !core->is_armed)
        return false;
    if (core->pool_count == 0 && !may_be_empty) {
        slk_bft_wake_wall(core, empty_wall);
        return false;
    }
    if (core->pool_count > 0 && !core->pool_urgent && due < core->pool_since_ms + core->config.batch_ms)
        due = core->pool_since_ms + core->config.batch_ms;
    if (core->is_build_refused && due < core->build_retry_ms)
        due = core->build_retry_ms;
    if (core->now_ms < due) {
        slk_bft_wake(core, due);
        return false;
    }
    core->is_building = true;
    effect = slk_bft_effect(core, SLK_OUT_BUILD);
    effect->height = core->height;
    effect->view = core->view;
    effect->empty = may_be_empty;
    return true;
}

static bool propose(struct slk_bft *core)
{
    uint32_t carried, gap;

    if (!slk_bft_may_vote(core) ||
        slk_council_leader(&core->tip.council, core->height, core->view) != core->me ||
        core->views[core->view].own[SLK_VOTE_PROPOSE].state != OWN_NONE ||
        !slk_bft_justify(core, core->view, &carried, &gap))
        return false;
    return carried > 0 ? carry(core, carried) : build(core);
}

void slk_bft_built(struct slk_bft *core, const struct slk_bft_input *in)
{
    struct slk_hash hash;
    size_t at;

    if (!core->is_building || in->height != core->height || in->view != core->view)
        return;
    core->is_building = false;
    core->is_build_refused = in->header == NULL;
    core->build_retry_ms = core->now_ms + core->config.delta_ms;
    if (in->header == NULL || !slk_bft_may_vote(core) ||
        core->views[core->view].own[SLK_VOTE_PROPOSE].state != OWN_NONE)
        return;
    slk_block_hash(&hash, in->header);
    at = slk_bft_block_header(core, in->header, &hash);
    if (at == SLK_BFT_BLOCKS)
        return;
    assert(core->blocks[at].is_sound && core->blocks[at].fields.origin_view == core->view);
    core->blocks[at].state = BLOCK_VALID; /* built by executing it */
    record_proposal(core, at, 0);
}

/* ---- R4 ---- */

/* A block's own clock, for fresh ones only: not yet while it is ahead of mine (protocol §2.10). */
static bool clock_agrees(struct slk_bft *core, const struct block *block)
{
    static const uint64_t day_ms = 24ull * 3600 * 1000, blind_ms = 15ull * 60 * 1000;
    uint64_t ahead = core->config.ahead_ms;

    if (core->wall_ms < core->tip.time_ms && core->tip.time_ms - core->wall_ms > day_ms) {
        if (!core->is_clock_told)
            slk_bft_alarm(core, SLK_ALARM_CLOCK); /* a dead clock battery: mine is not worth asking */
        core->is_clock_told = true;
        /* But time must not run away with those whose clocks are dead: a chain that goes on has heartbeats. */
        return block->fields.time_ms - core->tip.time_ms <= blind_ms;
    }
    if (block->fields.time_ms < ahead || block->fields.time_ms - ahead <= core->wall_ms)
        return true;
    slk_bft_wake_wall(core, block->fields.time_ms - ahead);
    return false;
}

static bool justified(
    const struct slk_bft *core, uint32_t view, uint32_t carried, const struct slk_hash *hash)
{
    if (MUTATED(NO_JUSTIFICATION))
        return true;
    for (uint32_t w = carried + 1; w < view; w++)
        if (!core->views[w].k.is_held)
            return false;
    return carried == 0 ||
           (core->views[carried].n.is_held && slk_hash_equal(&core->views[carried].n.cert.hash, hash));
}

/* A proposal that no honest leader makes, whatever else is known: the block does not stand on the tip, or is not of
 * the view it says, or is invalid. */
static bool judge(struct slk_bft *core)
{
    struct view *view = &core->views[core->view];
    const struct block *block = &core->blocks[view->block];
    uint32_t carried = view->proposal.statement.aux;

    if (!view->has_proposal || view->is_bad)
        return false;
    assert(block->has_header);
    if (block->is_sound && block->state != BLOCK_INVALID &&
        (carried == 0 ? block->fields.origin_view == core->view : block->fields.origin_view <= carried))
        return false;
    view->is_bad = true;
    return true;
}

static bool notarize(struct slk_bft *core)
{
    struct view *view = &core->views[core->view];
    const struct block *block = &core->blocks[view->block];
    uint32_t carried = view->proposal.statement.aux;

    if (!slk_bft_may_vote(core) || !view->has_proposal || view->is_bad ||
        view->own[SLK_VOTE_NOTARIZE].state != OWN_NONE || block->state != BLOCK_VALID ||
        !justified(core, core->view, carried, &block->hash) || (carried == 0 && !clock_agrees(core, block)))
        return false;
    record_own(core, SLK_VOTE_NOTARIZE, core->view, &block->hash, 0);
    save_block(core, view->block);
    save_justification(core, core->view, carried);
    return true;
}

/* ---- R5 ---- */

/* A leader that was not heard for long while a quorum was: it is down, or cut off, and gets half the time. Here alone, and
 * unsigned (protocol §2.7). Members that are idle send STATUS four times as often. */
static bool is_silent(const struct slk_bft *core, uint16_t leader)
{
    size_t heard = core->me < core->n ? 1 : 0;

    if (leader == core->me || core->now_ms - core->heard_ms[leader] < core->config.silent_ms)
        return false;
    for (size_t i = 0; i < core->n; i++)
        heard += i != core->me && core->now_ms - core->heard_ms[i] < core->config.silent_ms;
    return heard >= core->q;
}

/* The cap of view timers. Views are numbered to SLK_BFT_VIEWS and the last cannot be nullified, so they must not run out: from
 * three quarters of them on, which takes hours of 60 s each, the cap grows by a quarter per view. The last one would
 * be reached after years of lines that fail every honest leader; a height undecided for T waits at most about
 * T/4 for one view when the lines are good again. */
static uint64_t longest_view(const struct slk_bft *core)
{
    uint64_t longest = core->config.view_max_ms;

    for (uint32_t w = VIEWS_PATIENT; w < core->view; w++)
        longest += longest / 4;
    return longest;
}

static uint64_t first_view(const struct slk_bft *core)
{
    return 8 * core->config.delta_ms + core->config.body_ms;
}

uint32_t slk_bft_backoff_max(const struct slk_bft *core)
{
    uint64_t whole = first_view(core);
    uint32_t steps = 0;

    for (; whole + whole / 2 <= core->config.view_max_ms; steps++)
        whole += whole / 2;
    return steps;
}

/* Timers run from the later of entering the view and becoming armed; b grows with failed views (protocol §2.8). */
static bool timed_out(struct slk_bft *core, const struct view *view)
{
    uint64_t base = core->entered_ms > core->armed_ms ? core->entered_ms : core->armed_ms;
    uint64_t leader = 4 * core->config.delta_ms, whole = first_view(core);
    uint64_t longest = longest_view(core);
    uint32_t failed = core->backoff + core->view - 1;

    if (!core->is_armed)
        return false;
    if (is_silent(core, slk_council_leader(&core->tip.council, core->height, core->view)))
        leader /= 2;
    for (; failed > 0 && whole + whole / 2 <= longest; failed--) {
        leader += leader / 2;
        whole += whole / 2;
    }
    if (core->now_ms >= base + whole || (!view->has_proposal && core->now_ms >= base + leader))
        return true;
    slk_bft_wake(core, base + (view->has_proposal ? whole : leader));
    return false;
}

static bool nullify(struct slk_bft *core)
{
    const struct view *view = &core->views[core->view];
    uint16_t leader = slk_council_leader(&core->tip.council, core->height, core->view);

    if (!slk_bft_may_vote(core) || core->view == SLK_BFT_VIEWS ||
        view->own[SLK_VOTE_FINALIZE].state != OWN_NONE || view->own[SLK_VOTE_NULLIFY].state != OWN_NONE)
        return false;
    if (!view->is_bad && !view->is_equivocated && (view->votes[VOTES_NULLIFY].have >> leader & 1) == 0 &&
        !timed_out(core, view))
        return false;
    record_own(core, SLK_VOTE_NULLIFY, core->view, &slk_hash_zero, 0);
    if (core->view > 1) {
        struct view *last = &core->views[core->view - 1];

        save_cert(core, last->k.is_held ? &last->k : &last->n);
    }
    return true;
}

/* ---- R7 ---- */

static bool finalize(struct slk_bft *core)
{
    for (uint32_t w = 1; w <= core->top; w++) {
        struct view *view = &core->views[w];
        size_t at;

        if (!view->n.is_held || view->own[SLK_VOTE_FINALIZE].state != OWN_NONE || !slk_bft_may_vote(core) ||
            (view->own[SLK_VOTE_NULLIFY].state != OWN_NONE && !MUTATED(LATE_FINALIZE)))
            continue;
        at = slk_bft_block(core, &view->n.cert.hash);
        if (at == SLK_BFT_BLOCKS || core->blocks[at].state != BLOCK_VALID)
            continue;
        record_own(core, SLK_VOTE_FINALIZE, w, &view->n.cert.hash, 0);
        save_cert(core, &view->n);
        save_block(core, at);
        return true;
    }
    return false;
}

/* ---- R8, and the validation that R4, R7 and R8 wait for ---- */

static bool decide(struct slk_bft *core)
{
    const struct block *block = &core->blocks[core->decided_block];
    struct slk_bft_effect *effect;

    if (!core->is_decided || core->is_commit_asked || block->state != BLOCK_VALID)
        return false;
    assert(block->is_sound && slk_hash_equal(&block->hash, &core->decided.hash));
    core->is_commit_asked = true;
    effect = slk_bft_effect(core, SLK_OUT_COMMIT);
    effect->height = core->height;
    effect->hash = block->hash;
    effect->header = block->header;
    effect->cert = &core->decided;
    return true;
}

/* Is the block at `at` notarized or final? Then nobody may find it invalid. */
static bool certified(const struct slk_bft *core, size_t at)
{
    if (core->is_decided && core->decided_block == at)
        return true;
    for (uint32_t w = 1; w <= core->top; w++)
        if (core->views[w].n.is_held && slk_hash_equal(&core->views[w].n.cert.hash, &core->blocks[at].hash))
            return true;
    return false;
}

/* Once the height is decided nothing but the final block: a notarized one that lost is on nobody's disk any more. */
bool slk_bft_wanted(const struct slk_bft *core, size_t at)
{
    const struct view *view = &core->views[core->view];

    if (core->is_decided)
        return core->decided_block == at;
    return (view->has_proposal && !view->is_bad && view->block == at) || certified(core, at);
}

static bool validate(struct slk_bft *core)
{
    bool fired = false;

    for (size_t at = 0; at < core->blocks_n; at++) {
        struct block *block = &core->blocks[at];
        struct slk_bft_effect *effect;

        if (block->state == BLOCK_UNKNOWN && block->has_header && slk_bft_wanted(core, at)) {
            block->state = block->is_sound ? BLOCK_VALIDATING : BLOCK_INVALID;
            fired = true;
            if (!block->is_sound)
                continue;
            effect = slk_bft_effect(core, SLK_OUT_VALIDATE);
            effect->hash = block->hash;
            effect->header = block->header;
        }
        if (block->state == BLOCK_INVALID && !core->is_muted && certified(core, at)) {
            core->is_muted =
                true; /* more than f members lie, or this node's state is wrong: never repaired here */
            core->muted_key = slk_hash_zero;
            slk_bft_alarm(core, SLK_ALARM_DIVERGED);
        }
    }
    return fired;
}

size_t slk_bft_missing_block(const struct slk_bft *core)
{
    for (size_t at = 0; at < core->blocks_n; at++)
        if ((core->blocks[at].state == BLOCK_MISSING || !core->blocks[at].has_header) &&
            slk_bft_wanted(core, at))
            return at;
    return SLK_BFT_BLOCKS;
}

bool slk_bft_rules(struct slk_bft *core)
{
    bool fired = enter(core);

    arm(core);
    fired |= push(core);
    fired |= validate(core);
    fired |= decide(core);
    if (core->is_decided)
        return fired;
    fired |= judge(core);
    fired |= propose(core);
    fired |= notarize(core);
    fired |= finalize(core);
    fired |= nullify(core);
    return fired;
}
