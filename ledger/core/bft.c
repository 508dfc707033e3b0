/* bft.c: the consensus core's frame: one input in, rules until nothing fires, effects out.
 *
 *   bft.c          step: dispatch, effects, the look from outside
 *   bft_msg.c      messages, as they come
 *   bft_tally.c    votes, certificates, blocks that are known, evidence
 *   bft_rules.c    R2 to R8
 *   bft_status.c   R9: STATUS and its answers
 *   bft_get.c      R10: questions
 *   bft_body.c     R10: bodies
 *   bft_sync.c     catching up: finalised blocks above the tip
 *   bft_recover.c  a new height, a new boot
 */
#include "ledger/core/bft.h"

#include <stdlib.h>

#include "ledger/core/bft_private.h"

enum { EFFECTS_SENT_MAX = 256 };         /* room for everything else remains */
enum { ROUNDS_MAX = 4 * SLK_BFT_VIEWS }; /* of the rules in one step: each fires a bounded number of times */

void slk_bft_config_default(struct slk_bft_config *out, uint64_t delta_ms)
{
    *out = (struct slk_bft_config){
        .verifier = slk_verifier_ed25519,
        .delta_ms = delta_ms,
        .body_ms = 2 * delta_ms,
        .batch_ms = delta_ms / 4,
        .gap_ms = delta_ms / 2,
        .heartbeat_ms = 600 * 1000,
        .empty_ms = SLK_BLOCK_EMPTY_MS,
        .ahead_ms = 30 * 1000,
        .guard_ms = 5000,
        .get_ms = 1000,
        .get_max_ms = 10 * 1000,
        .status_ms = 250,
        .status_max_ms = 2000,
        .status_idle_ms = 10 * 1000,
        .status_gap_ms = 100,
        .view_max_ms = 60 * 1000,
        .silent_ms = 40 * 1000, /* max(10 s, 4 status_idle_ms) */
        .chunk_bytes = SLK_CHUNK_BYTES,
    };
}

static void configure(struct slk_bft *core, const struct slk_bft_config *config)
{
    assert(config->delta_ms > 0 && config->verifier.verify != NULL);
    assert(config->chunk_bytes > 0 && config->chunk_bytes <= SLK_CHUNK_BYTES);
    core->config = *config;
}

struct slk_bft *slk_bft_new(const struct slk_bft_config *config)
{
    struct slk_bft *core = calloc(1, sizeof(*core));

    if (core == NULL)
        return NULL;
    configure(core, config);
    return core;
}

/* What lies beyond a count is as stale as after a height that was committed. */
void slk_bft_reset(struct slk_bft *core, const struct slk_bft_config *config)
{
    slk_bft_forget(core);
    memset(core, 0, offsetof(struct slk_bft, sync));
    core->sync.first = core->sync.certain = 0;
    core->sync.n = core->sync.epochs_n = 0;
    configure(core, config);
}

void slk_bft_free(struct slk_bft *core)
{
    free(core);
}

struct slk_bft_effect *slk_bft_effect(struct slk_bft *core, enum slk_bft_effect_kind kind)
{
    struct slk_bft_effect *effect;

    assert(core->out->n < SLK_BFT_EFFECTS);
    effect = &core->out->at[core->out->n++];
    memset(effect, 0, sizeof(*effect));
    effect->kind = kind;
    return effect;
}

/* A message to `peer`; when too many are under way this one is lost, as the network may lose any. */
struct slk_msg *slk_bft_msg(struct slk_bft *core, enum slk_msg_kind kind, uint16_t peer)
{
    static const struct slk_msg empty;
    struct slk_msg *msg;
    struct slk_bft_effect *effect;

    if (core->out->msgs_n == SLK_BFT_MSGS || core->out->n >= EFFECTS_SENT_MAX)
        return NULL;
    msg = &core->out->msgs[core->out->msgs_n++];
    *msg = empty;
    msg->kind = kind;
    effect = slk_bft_effect(core, SLK_OUT_SEND);
    effect->peer = peer;
    effect->msg = msg;
    return msg;
}

struct slk_bft_record *slk_bft_record(struct slk_bft *core, enum slk_bft_record_kind kind)
{
    struct slk_bft_record *record;

    assert(core->out->records_n < SLK_BFT_RECORDS);
    record = &core->out->records[core->out->records_n++];
    memset(record, 0, sizeof(*record));
    record->kind = kind;
    return record;
}

void slk_bft_wake(struct slk_bft *core, uint64_t at_ms)
{
    if (at_ms < core->wake_ms)
        core->wake_ms = at_ms;
}

void slk_bft_wake_wall(struct slk_bft *core, uint64_t at_wall_ms)
{
    uint64_t in_ms = at_wall_ms > core->wall_ms ? at_wall_ms - core->wall_ms : 0;

    if (in_ms <= UINT64_MAX - core->now_ms)
        slk_bft_wake(core, core->now_ms + in_ms);
}

void slk_bft_alarm(struct slk_bft *core, enum slk_bft_alarm alarm)
{
    slk_bft_effect(core, SLK_OUT_ALARM)->alarm = alarm;
}

struct reason {
    const char *name;
    enum slk_bft_charge charge;
};

/* Protocol §3.7. False is what any honest member would have found out before it sent or relayed it. */
static const struct reason reasons[SLK_DROP_N] = {
    [SLK_DROP_NONE] = {"none", SLK_CHARGE_NOTHING},
    [SLK_DROP_OLD] = {"old", SLK_CHARGE_NOTHING},
    [SLK_DROP_EARLY] = {"early", SLK_CHARGE_NOTHING},
    [SLK_DROP_NO_SAY] = {"no_say", SLK_CHARGE_NOTHING},
    [SLK_DROP_NOT_LEADER] = {"not_leader", SLK_CHARGE_NOTHING},
    [SLK_DROP_AGAIN] = {"again", SLK_CHARGE_NOTHING},
    [SLK_DROP_SIGNATURE] = {"signature", SLK_CHARGE_FALSE},
    [SLK_DROP_CERTIFICATE] = {"certificate", SLK_CHARGE_FALSE},
    [SLK_DROP_EVIDENCE] = {"evidence", SLK_CHARGE_FALSE},
    [SLK_DROP_HEADER] = {"header", SLK_CHARGE_FALSE},
    [SLK_DROP_CHARTER] = {"charter", SLK_CHARGE_FALSE},
    [SLK_DROP_UNREADABLE] = {"unreadable", SLK_CHARGE_NOTHING},
    [SLK_DROP_UNASKED] = {"unasked", SLK_CHARGE_FALSE},
    [SLK_DROP_LATE] = {"late", SLK_CHARGE_NOTHING},
    [SLK_DROP_CHUNK] = {"chunk", SLK_CHARGE_USELESS},
    [SLK_DROP_BODY] = {"body", SLK_CHARGE_USELESS},
    [SLK_DROP_SILENT] = {"silent", SLK_CHARGE_USELESS},
};

const char *slk_bft_drop_name(enum slk_bft_drop drop)
{
    assert(drop < SLK_DROP_N);
    return reasons[drop].name;
}

enum slk_bft_charge slk_bft_drop_charge(enum slk_bft_drop drop)
{
    assert(drop < SLK_DROP_N);
    return reasons[drop].charge;
}

void slk_bft_was_useful(struct slk_bft *core, uint16_t peer)
{
    if (peer < SLK_BFT_PEERS)
        core->useless &= ~(1ull << peer);
}

void slk_bft_drop(struct slk_bft *core, enum slk_bft_drop drop, uint16_t peer)
{
    struct slk_bft_effect *effect;

    core->dropped[drop]++;
    core->dropped_n += drop != SLK_DROP_SILENT;
    switch (slk_bft_drop_charge(drop)) {
    case SLK_CHARGE_NOTHING:
        return;
    case SLK_CHARGE_USELESS:
        if (peer < SLK_BFT_PEERS)
            core->useless |= 1ull << peer;
        return;
    case SLK_CHARGE_FALSE:
        effect = slk_bft_effect(core, SLK_OUT_CHARGE);
        effect->peer = peer;
        effect->drop = drop;
        return;
    }
}

/* A view's place, remembered as touched. */
struct view *slk_bft_view(struct slk_bft *core, uint32_t view)
{
    assert(view > 0 && view <= SLK_BFT_VIEWS);
    if (view > core->top)
        core->top = view;
    return &core->views[view];
}

/* E.g. not before the others had a chance to say what they remember of me, and to show it (protocol §2.6, amnesia);
 * who claims without showing delays me by guard_ms, once after a start. */
bool slk_bft_may_vote(const struct slk_bft *core)
{
    return core->me < core->n && !core->is_muted && !core->is_decided &&
           (core->n == 1 || core->now_ms >= core->guard_ms ||
               (slk_bits_n(core->heard) >= core->q - 1 && core->ask_kind == 0));
}

static void on_persisted(struct slk_bft *core, uint64_t seq)
{
    if (core->is_commit_asked || core->is_muted)
        return; /* nothing is signed at a height that may be committed already, or by one who has to be silent */
    for (uint32_t w = 1; w <= core->top; w++) {
        for (int kind = SLK_VOTE_PROPOSE; kind < SLK_VOTE_KIND_N; kind++) {
            struct own *own = &core->views[w].own[kind];

            if (own->state != OWN_SAVING || own->seq > seq)
                continue;
            own->state = OWN_SAVED;
            slk_bft_effect(core, SLK_OUT_SIGN)->statement = own->vote.statement;
        }
    }
}

static bool same_statement(const struct slk_statement *a, const struct slk_statement *b)
{
    return a->kind == b->kind && a->height == b->height && a->view == b->view && a->aux == b->aux &&
           slk_hash_equal(&a->hash, &b->hash);
}

/* E2: only now, durable and signed, is my vote counted by me. */
static void on_signed(struct slk_bft *core, const struct slk_vote *vote)
{
    const struct slk_statement *s = &vote->statement;
    struct slk_msg *msg;
    struct own *own;

    if (s->height != core->height || s->view == 0 || s->view > SLK_BFT_VIEWS)
        return; /* the height was decided meanwhile */
    own = &core->views[s->view].own[s->kind];
    if (own->state != OWN_SAVED || !same_statement(&own->vote.statement, s))
        return;
    memcpy(own->vote.sig, vote->sig, sizeof(vote->sig));
    own->state = OWN_SIGNED;
    if (s->kind == SLK_VOTE_PROPOSE) {
        core->views[s->view].proposal = own->vote;
        slk_bft_send_proposal(core, s->view, SLK_BFT_ALL);
        return;
    }
    slk_bft_tally(core, &own->vote);
    if (core->n > 1 && (msg = slk_bft_msg(core, SLK_MSG_VOTE, SLK_BFT_ALL)) != NULL)
        msg->vote = own->vote;
}

static void on_validated(struct slk_bft *core, const struct slk_hash *hash, enum slk_bft_verdict verdict)
{
    for (size_t i = 0; i < core->blocks_n; i++) {
        struct block *block = &core->blocks[i];

        if (block->state != BLOCK_VALIDATING || !slk_hash_equal(&block->hash, hash))
            continue;
        block->state = verdict == SLK_BLOCK_VALID     ? BLOCK_VALID
                       : verdict == SLK_BLOCK_INVALID ? BLOCK_INVALID
                                                      : BLOCK_MISSING;
    }
    if (verdict == SLK_BLOCK_MISSING)
        slk_bft_body_missing(core, hash);
}

/* A decision in view w costs w - 1 steps of backoff and pays one back (protocol §2.8). */
static void on_committed(struct slk_bft *core, const struct slk_bft_tip *tip)
{
    uint32_t failed = core->decided.view - 1, most = slk_bft_backoff_max(core);

    assert(core->is_commit_asked && tip->height == core->height);
    assert(slk_hash_equal(&tip->hash, &core->decided.hash));
    assert(slk_hash_equal(
        &tip->council.charter_hash, &core->blocks[core->decided_block].fields.next_charter_hash));
    core->backoff += failed;
    if (core->backoff > most)
        core->backoff = most;
    if (core->backoff > 0)
        core->backoff--;
    slk_bft_effect(core, SLK_OUT_COSIGN)->seq = tip->height;
    slk_bft_start_height(core, tip);
    slk_bft_replay_next(core);
}

static void on_pool(struct slk_bft *core, const struct slk_bft_input *in)
{
    if (core->pool_count == 0 && in->pool_count > 0)
        core->pool_since_ms = core->now_ms;
    if (in->pool_count != core->pool_count || in->pool_xor != core->pool_xor)
        core->is_build_refused = false;
    core->pool_count = in->pool_count;
    core->pool_xor = in->pool_xor;
    core->pool_urgent = in->pool_urgent;
}

static void dispatch(struct slk_bft *core, const struct slk_bft_input *in)
{
    switch (in->kind) {
    case SLK_IN_MSG:
        slk_bft_on_msg(core, in->msg, in->peer);
        break;
    case SLK_IN_TICK:
        break;
    case SLK_IN_PERSISTED:
        on_persisted(core, in->seq);
        break;
    case SLK_IN_SIGNED:
        on_signed(core, in->vote);
        break;
    case SLK_IN_VALIDATED:
        on_validated(core, &in->hash, in->verdict);
        break;
    case SLK_IN_BUILT:
        slk_bft_built(core, in);
        break;
    case SLK_IN_COMMITTED:
        on_committed(core, in->tip);
        break;
    case SLK_IN_POOL:
        on_pool(core, in);
        break;
    }
}

/* E4: every rule again, until none fires; then what must become durable, in one transaction. */
static void settle(struct slk_bft *core)
{
    struct slk_bft_effect *effect;
    unsigned rounds = 0;
    bool fired;

    do {
        core->wake_ms = UINT64_MAX;
        fired = slk_bft_rules(core);
        fired |= slk_bft_requests(core);
        fired |= slk_bft_status_due(core);
        rounds++;
        assert(rounds <= ROUNDS_MAX);
    } while (fired);
    if (core->is_mute_new) {
        core->is_mute_new = false;
        slk_bft_record(core, SLK_RECORD_MUTED)->hash = core->muted_key;
    }
    if (core->out->records_n > 0) {
        effect = slk_bft_effect(core, SLK_OUT_PERSIST);
        effect->seq = core->seq++;
        effect->first = 0;
        effect->n = core->out->records_n;
    }
    core->out->wake_ms = core->wake_ms;
}

static void take(struct slk_bft *core, const struct slk_bft_input *in, struct slk_bft_effects *out)
{
    assert(in->now_ms >= core->now_ms);
    core->now_ms = in->now_ms;
    core->wall_ms = in->wall_ms;
    core->random = in->random;
    core->out = out;
    out->n = out->records_n = out->msgs_n = 0;
}

void slk_bft_start(struct slk_bft *core, const struct slk_bft_tip *tip, const struct slk_bft_record *records,
    size_t records_n, const struct slk_bft_input *at, struct slk_bft_effects *out)
{
    assert(core->height == 0);
    take(core, at, out);
    slk_bft_boot(core, tip, records, records_n);
    settle(core);
    core->out = NULL;
}

void slk_bft_step(struct slk_bft *core, const struct slk_bft_input *in, struct slk_bft_effects *out)
{
    assert(core->height > 0);
    take(core, in, out);
    dispatch(core, in);
    settle(core);
    core->out = NULL;
}

void slk_bft_look(const struct slk_bft *core, struct slk_bft_view_of *out)
{
    *out = (struct slk_bft_view_of){.height = core->height,
        .view = core->view,
        .me = core->me,
        .muted = core->is_muted,
        .armed = core->is_armed,
        .deciding = core->is_decided,
        .backoff = core->backoff,
        .dropped = core->dropped_n,
        .dropped_by = core->dropped,
        .certain = core->sync.certain,
        .claimed = core->claimed_max > 0 ? core->claimed_max - 1 : 0,
        .ahead_n = core->sync.n};
}

bool slk_bft_recorded(
    const struct slk_bft *core, enum slk_vote_kind kind, uint32_t view, struct slk_hash *hash)
{
    const struct own *own;

    if (view == 0 || view > SLK_BFT_VIEWS)
        return false;
    own = &core->views[view].own[kind];
    if (own->state == OWN_NONE)
        return false;
    *hash = own->vote.statement.hash;
    return true;
}
