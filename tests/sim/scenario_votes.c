/* scenario_votes.c: scenarios 1 to 9 and 52: contradicting leaders, power cuts between the steps of a vote, split votes.
 *
 * Most are about height 1 of four members: member 1 leads view 1, member 2 view 2, and so on.
 */
#include <string.h>

#include "tests/sim/scenario.h"

static bool is_held; /* lines of the story are closed */
static unsigned lone;

static void two_blocks(unsigned split, unsigned votes)
{
    const struct blob *blob[2];
    uint64_t given[2] = {0, 0};
    unsigned bit = 0;

    scene_new(4);
    scene_puppet(1);
    scene_start();
    submit(EVERYBODY);
    pass_ms(30);
    blob[0] = puppet_block(1, 1, 1);
    blob[1] = another(blob[0], 7);
    for (unsigned i = 0; i < 4; i++)
        if (i != 1)
            given[split >> bit++ & 1] |= ONLY(i);
    for (int k = 0; k < 2; k++)
        puppet_proposes(1, blob[k], 1, 0, NULL, 0, given[k]);
    for (int k = 0; k < 2; k++)
        puppet_proposes(1, blob[k], 1, 0, NULL, 0, given[1 - k]);
    for (int k = 0; k < 2 && votes > 0; k++) {
        puppet_votes(1, SLK_VOTE_NOTARIZE, 1, 1, &blob[k]->hash, votes == 1 ? given[k] : EVERYBODY);
        puppet_votes(1, SLK_VOTE_FINALIZE, 1, 1, &blob[k]->hash, votes == 1 ? given[k] : EVERYBODY);
    }
    expect(pass_until_all_at(EVERYBODY, 1, 10000), "split %u, votes %u: height 1 is decided", split, votes);
    for (unsigned i = 0; i < 4; i++)
        if (i != 1)
            expect(times_accused(i, 1) == 1, "split %u, votes %u: %u has evidence", split, votes, i);
    expect(final_view(0, 1) >= 1 && final_view(0, 1) <= 2, "the next honest leader finalises");
    expect(one_chain(EVERYBODY), "one block");
}

/* Member 3 leads nothing here; what it votes contradicts itself. Everybody hears both, or one hears and tells the others. */
static void two_faced(enum slk_vote_kind first, enum slk_vote_kind second, bool is_told)
{
    static struct slk_msg msg;
    const struct slk_hash a = {{1}}, b = {{2}};

    scene_new(4);
    scene_puppet(3);
    scene_start();
    pass_ms(30);
    puppet_votes(3, first, 1, 1, &a, is_told ? 1 : EVERYBODY);
    puppet_votes(3, second, 1, 1, &b, is_told ? 1 : EVERYBODY);
    pass_ms(20);
    expect(times_accused(0, 3) == 1, "kinds %d and %d: 0 has evidence", (int)first, (int)second);
    expect(scene.accusations[0].votes[0].statement.kind == first &&
               scene.accusations[0].votes[1].statement.kind == second,
        "of these kinds");
    if (is_told) {
        expect(scene.accusations_n == 1, "nobody else has");
        memset(&msg, 0, sizeof(msg));
        msg.kind = SLK_MSG_EVIDENCE;
        msg.vote = scene.accusations[0].votes[0];
        msg.other = scene.accusations[0].votes[1];
        puppet_sends(3, &msg, EVERYBODY); /* whoever says so: it proves itself */
        pass_ms(20);
    }
    expect(scene.accusations_n == 3, "kinds %d and %d: all three have evidence", (int)first, (int)second);
    submit(EVERYBODY);
    expect(pass_until_all_at(EVERYBODY, 1, 10000), "height 1 is decided");
}

static void leader_splits(void)
{
    for (unsigned split = 0; split < 8; split++)
        for (unsigned votes = 0; votes < 3; votes++)
            two_blocks(split, votes);
    for (int is_told = 0; is_told <= 1; is_told++) {
        two_faced(SLK_VOTE_NOTARIZE, SLK_VOTE_NOTARIZE, is_told != 0);
        two_faced(SLK_VOTE_FINALIZE, SLK_VOTE_FINALIZE, is_told != 0);
        two_faced(SLK_VOTE_NULLIFY, SLK_VOTE_FINALIZE, is_told != 0);
        two_faced(SLK_VOTE_FINALIZE, SLK_VOTE_NULLIFY, is_told != 0);
    }
}

static void ten_thousand_proposals(void)
{
    enum { FLOOD = 10000, CHECKS_MAX = 100 };
    const struct blob *first;
    uint64_t checks;

    scene_new(4);
    scene_puppet(1);
    scene_start();
    submit(EVERYBODY);
    pass_ms(30);
    first = puppet_block(1, 1, 1);
    puppet_proposes(1, first, 1, 0, NULL, 0, EVERYBODY);
    checks = scene.w.checks_n;
    for (unsigned i = 1; i <= FLOOD; i++)
        puppet_proposes(1, another(first, i), 1, 0, NULL, 0, EVERYBODY);
    pass_ms(20);
    for (unsigned i = 0; i < 4; i++) {
        if (i == 1)
            continue;
        expect(times_said(i, SLK_VOTE_NOTARIZE, 1, 1, &first->hash) == 1, "%u votes for the true one", i);
        expect(scene.validated[i] == 1, "%u validates one block, not %u", i, scene.validated[i]);
        expect(times_accused(i, 1) == 1, "%u keeps one piece of evidence", i);
    }
    expect(scene.w.checks_n - checks < CHECKS_MAX, "%llu signatures were checked",
        (unsigned long long)(scene.w.checks_n - checks));
    expect(pass_until_all_at(EVERYBODY, 1, 10000), "height 1 is decided");
}

/* ---- 3 ---- */

static bool late_n(unsigned from, unsigned to, const struct slk_msg *msg)
{
    (void)from;
    if (msg->kind == SLK_MSG_VOTE && msg->vote.statement.kind == SLK_VOTE_FINALIZE)
        return is_held;
    return to == 3 && msg->kind != SLK_MSG_STATUS && times_said(3, SLK_VOTE_NULLIFY, 1, 1, NULL) == 0;
}

static bool has_entered_view_2(void)
{
    return view_of(3) >= 2;
}

static void finalize_after_nullify(void)
{
    scene_new(4);
    scene.loses = late_n;
    is_held = true;
    scene_start();
    submit(EVERYBODY);
    expect(pass_until(has_entered_view_2, 10000), "N(1) reaches member 3");
    expect(times_said(3, SLK_VOTE_NULLIFY, 1, 1, NULL) == 1, "it had given up before");
    expect(times_said(0, SLK_VOTE_FINALIZE, 1, 1, NULL) == 1, "others finalise the view");
    pass_ms(1000);
    stop(3);
    start(3);
    pass_ms(20000); /* view changes, STATUS answers */
    is_held = false;
    expect(pass_until_all_at(EVERYBODY, 1, 90000), "height 1 is decided");
    expect(times_said(3, SLK_VOTE_FINALIZE, 1, 1, NULL) == 0, "member 3 never finalises view 1");
    expect(one_chain(EVERYBODY), "one block");
}

/* ---- 4 ---- */

static bool misses_the_block;

/* Member 3 hears neither the proposal nor the body. */
static bool one_misses_the_block(unsigned from, unsigned to, const struct slk_msg *msg)
{
    (void)from;
    return misses_the_block && to == 3 && (msg->kind == SLK_MSG_PROPOSAL || msg->kind == SLK_MSG_DATA);
}

/* All four lose power after `steps` events; the number of members whose FINALIZE had left. When leader 1 stays `down` and
 * member 3 had not heard of the block, 0 and 2 have to show their certificates: the votes alone make none any more. */
static unsigned power_cut_after(unsigned steps, enum fate in_flight, uint64_t down, bool *was_decided)
{
    unsigned finalized = 0;

    scene_new(4);
    scene.script.in_flight = in_flight;
    scene.loses = one_misses_the_block;
    misses_the_block = down != 0;
    scene_start();
    submit(EVERYBODY);
    for (unsigned i = 0; i < steps; i++)
        (void)world_step(&scene.w);
    *was_decided = all_at(down != 0 ? 7 : EVERYBODY, 1);
    for (unsigned i = 0; i < 4; i++) {
        bool is_open = process(i)->disk.height == 0;

        stop(i);
        if (is_open && times_said(i, SLK_VOTE_FINALIZE, 1, 1, NULL) > 0 && process(i)->disk.height == 0) {
            finalized++;
            expect(is_durable_cert(i, SLK_VOTE_NOTARIZE, 1), "step %u: N(1) is on the disk of %u", steps, i);
        }
    }
    misses_the_block = false;
    pass_ms(100);
    for (unsigned i = 0; i < 4; i++)
        if ((down >> i & 1) == 0)
            start(i);
    expect(pass_until_all_at(EVERYBODY & ~down, 1, 30000),
        "power cut after step %u, %llx stay down: height 1 is decided", steps, (unsigned long long)down);
    expect(one_chain(EVERYBODY), "step %u: one block", steps);
    return finalized;
}

static void power_cut_everywhere(void)
{
    enum { STEPS_MAX = 2000 };

    for (uint64_t down = 0; down <= ONLY(1); down += ONLY(1)) {
        unsigned all_finalized = 0;
        bool is_decided = false;

        for (unsigned steps = 0; steps < STEPS_MAX && !is_decided; steps++) {
            all_finalized += power_cut_after(steps, FATE_LOST, down, &is_decided) >= (down == 0 ? 4 : 2);
            (void)power_cut_after(steps, FATE_KEPT, down, &is_decided);
        }
        expect(is_decided, "the last cut comes after the decision");
        expect(all_finalized > 0, "some come after all FINALIZEs have left");
    }
}

/* ---- 5 ---- */

static bool no_nullify(unsigned from, unsigned to, const struct slk_msg *msg)
{
    (void)from;
    (void)to;
    return is_held && msg->kind == SLK_MSG_VOTE;
}

static bool all_nullified(void)
{
    for (unsigned i = 0; i < 4; i++)
        if (i != 1 && !is_durable_vote(i, SLK_VOTE_NULLIFY, 1))
            return false;
    return true;
}

static void nullify_survives(void)
{
    scene_new(4);
    scene_puppet(1);
    scene.loses = no_nullify;
    is_held = true;
    scene_start();
    submit(EVERYBODY);
    expect(pass_until(all_nullified, 5000), "all give view 1 up");
    pass_ms(5);
    for (unsigned i = 0; i < 4; i++) {
        expect(i == 1 || view_of(i) == 1, "K(1) is nowhere yet");
        stop(i);
    }
    is_held = false;
    pass_ms(50);
    scene_start();
    expect(pass_until_all_at(EVERYBODY, 1, 10000), "height 1 is decided");
    expect(times_said(ANY, SLK_VOTE_NULLIFY, 1, 1, NULL) >= 6, "the votes were repeated");
    expect(final_view(0, 1) == 2, "in view 2, not %u", final_view(0, 1));
}

/* ---- 6 ---- */

static void alone(void)
{
    for (unsigned steps = 0; steps < 40; steps++) {
        for (int fate = FATE_KEPT; fate <= FATE_LOST; fate++) {
            scene_new(1);
            scene.script.in_flight = (enum fate)fate;
            scene_start();
            submit(EVERYBODY);
            for (unsigned i = 0; i < steps && process(0)->disk.height == 0; i++)
                (void)world_step(&scene.w);
            stop(0);
            start(0);
            expect(pass_until_all_at(EVERYBODY, 1, 2000), "stopped at step %u: height 1 is decided", steps);
            expect(scene.votes_sent + scene.others_sent == 0, "nothing is sent to anybody");
        }
    }
}

/* ---- 7 ---- */

static unsigned crashing, crashed;
static enum slk_vote_kind crash_kind;

static bool crash_after_saving(struct world *w, struct process *p, const struct transaction *first)
{
    (void)w;
    for (const struct transaction *t = first; t != NULL && p->index == crashing && crashed == 0; t = t->next)
        for (size_t i = 0; i < t->votes_n; i++)
            if (t->votes[i].kind == crash_kind) {
                crashed++;
                return true;
            }
    return false;
}

static bool crash_after_signing(unsigned i, const struct slk_statement *s)
{
    if (i != crashing || s->kind != crash_kind || crashed > 0)
        return false;
    crashed++;
    return true;
}

static bool has_crashed(void)
{
    return crashed > 0;
}

static void crash_at(enum slk_vote_kind kind, bool is_signed)
{
    scene_new(4);
    crash_kind = kind;
    crashing = kind == SLK_VOTE_PROPOSE ? 1 : 2;
    crashed = 0;
    scene.script.in_flight = FATE_KEPT;
    if (is_signed)
        scene.signs = crash_after_signing;
    else
        scene.script.writes = crash_after_saving;
    scene_start();
    if (kind == SLK_VOTE_NULLIFY)
        stop(1);
    submit(EVERYBODY);
    expect(pass_until(has_crashed, 5000), "kind %d is saved", (int)kind);
    pass_ms(50);
    expect(!process(crashing)->is_up, "and the process stops");
    start(crashing);
    expect(pass_until_all_at(EVERYBODY & ~(kind == SLK_VOTE_NULLIFY ? ONLY(1) : 0), 1, 20000),
        "kind %d: height 1 is decided", (int)kind);
    expect(times_said(crashing, kind, 1, 1, NULL) == (is_signed ? 2 : 1), "kind %d is repeated", (int)kind);
    for (size_t i = 0; i < scene.said_n; i++)
        for (size_t k = 0; k < i; k++)
            expect(scene.said[i].process != crashing || scene.said[k].process != crashing ||
                       scene.said[i].s.kind != kind || scene.said[k].s.kind != kind ||
                       scene.said[i].s.view != scene.said[k].s.view || scene.said[i].s.height != 1 ||
                       scene.said[k].s.height != 1 ||
                       slk_hash_equal(&scene.said[i].s.hash, &scene.said[k].s.hash),
                "kind %d is said the same way", (int)kind);
}

static void between_saving_and_sending(void)
{
    for (int kind = SLK_VOTE_PROPOSE; kind < SLK_VOTE_KIND_N; kind++) {
        crash_at((enum slk_vote_kind)kind, false);
        crash_at((enum slk_vote_kind)kind, true);
    }
}

/* ---- 8 ---- */

static struct slk_hash built;
static unsigned proposals_left;

static bool crash_before_proposing(struct world *w, struct process *p, const struct transaction *first)
{
    bool is_now = crash_after_saving(w, p, first);

    for (const struct transaction *t = first; t != NULL && is_now; t = t->next)
        for (size_t i = 0; i < t->votes_n; i++)
            if (t->votes[i].kind == SLK_VOTE_PROPOSE)
                built = t->votes[i].hash;
    return is_now;
}

static bool count_proposals(unsigned from, unsigned to, const struct slk_msg *msg)
{
    (void)to;
    proposals_left += from == 1 && msg->kind == SLK_MSG_PROPOSAL;
    return false;
}

static void crash_of_a_builder(enum fate fate)
{
    unsigned second;

    scene_new(4);
    crash_kind = SLK_VOTE_PROPOSE;
    crashing = 1;
    crashed = proposals_left = 0;
    scene.script.in_flight = fate;
    scene.script.writes = crash_before_proposing;
    scene.loses = count_proposals;
    scene_start();
    pass_ms(30);
    submit(ONLY(1));
    expect(pass_until(has_crashed, 1000), "member 1 builds a block");
    pass_ms(1);
    expect(!process(1)->is_up && proposals_left == 0, "and stops; no proposal has left");
    second = submit(ONLY(1));
    start(1);
    expect(pass_until_all_at(EVERYBODY, 1, 10000), "height 1 is decided");
    expect(final_view(0, 1) == 1, "in view 1");
    expect(slk_hash_equal(&process(0)->disk.chain[1]->hash, &built) == (fate == FATE_KEPT),
        fate == FATE_KEPT ? "the block that was saved" : "another block than the one that was lost");
    expect((process(0)->disk.included[0] >> second & 1) == (fate == FATE_LOST), "with what came meanwhile");
}

static void builder_stops(void)
{
    crash_of_a_builder(FATE_LOST);
    crash_of_a_builder(FATE_KEPT);
}

/* ---- 9 and 52 ---- */

/* Until is_held ends: `lone` hears all and is not heard; the others miss each other's NOTARIZE. */
static bool one_sees_n(unsigned from, unsigned to, const struct slk_msg *msg)
{
    if (!is_held)
        return false;
    if (from == lone)
        return msg->kind != SLK_MSG_STATUS && !(msg->kind == SLK_MSG_PROPOSAL && from == 1);
    return to != lone && msg->kind == SLK_MSG_VOTE && msg->vote.statement.kind == SLK_VOTE_NOTARIZE;
}

static bool group_has_k(void)
{
    for (unsigned i = 0; i < 3; i++)
        if (i != lone && (times_said(i, SLK_VOTE_NULLIFY, 1, 1, NULL) == 0))
            return false;
    return times_said(lone, SLK_VOTE_FINALIZE, 1, 1, NULL) == 1;
}

/* `one` holds N(1, 1) and has finalised; members among 0 to 2 besides it hold K(1, 1). Member 3 lies for that. */
static void split_votes(unsigned one)
{
    scene_new(4);
    scene_puppet(3);
    lone = one;
    is_held = true;
    scene.loses = one_sees_n;
    scene_start();
    submit(EVERYBODY);
    expect(pass_until(group_has_k, 10000), "member %u sees N(1), the others give up", one);
    pass_ms(20);
    puppet_votes(3, SLK_VOTE_NULLIFY, 1, 1, NULL, 7 & ~ONLY(one));
    pass_ms(15);
    for (unsigned i = 0; i < 3; i++)
        expect(view_of(i) == 2, "%u is in view 2", i);
    expect(times_said(one, SLK_VOTE_NULLIFY, 1, 1, NULL) == 0, "%u cannot have given up", one);
}

static void lone_leader_then_group_leader(void)
{
    for (unsigned one = 0; one <= 2; one += 2) {
        split_votes(one);
        is_held = false;
        expect(pass_until_all_at(EVERYBODY, 1, 10000), "height 1 is decided");
        expect(origin_view(0, 1) == (one == 0 ? 2 : 1), "the block that leader 2 proposes, carried or fresh");
        expect(one == 0 || final_view(0, 1) == 2, "in its view");
        expect(one_chain(EVERYBODY), "one block");
    }
}

static struct slk_hash cosigned_hash[PROCESSES_MAX];

static void note_cosigned(unsigned i, const struct slk_bft_effect *e)
{
    if (e->kind == SLK_OUT_COSIGN)
        cosigned_hash[i] = process(i)->disk.chain[e->seq]->hash;
}

static void finalize_of_a_loser(void)
{
    struct slk_hash loser = slk_hash_zero;

    memset(cosigned_hash, 0, sizeof(cosigned_hash));
    split_votes(0);
    scene.sees = note_cosigned;
    for (size_t i = 0; i < scene.said_n; i++)
        if (scene.said[i].process == 0 && scene.said[i].s.kind == SLK_VOTE_FINALIZE)
            loser = scene.said[i].s.hash;
    expect(!slk_hash_is_zero(&loser), "member 0 has finalised a block");
    is_held = false;
    expect(pass_until_all_at(EVERYBODY, 1, 10000), "height 1 is decided");
    pass_ms(10);
    expect(!slk_hash_equal(&process(0)->disk.chain[1]->hash, &loser), "for another block");
    for (unsigned i = 0; i < 3; i++) {
        expect(scene.cosigned[i] == 1, "%u cosigns height 1", i);
        expect(!slk_hash_equal(&cosigned_hash[i], &loser), "not the one that lost");
    }
}

/* Until is_held ends: member 0 hears votes and STATUS alone, and the others miss each other's NOTARIZE; nobody hears its
 * votes. */
static bool no_body(unsigned from, unsigned to, const struct slk_msg *msg)
{
    if (!is_held)
        return false;
    if ((from == 0 && msg->kind != SLK_MSG_STATUS) ||
        (to == 0 && msg->kind != SLK_MSG_VOTE && msg->kind != SLK_MSG_STATUS))
        return true;
    return to != 0 && msg->kind == SLK_MSG_VOTE && msg->vote.statement.kind == SLK_VOTE_NOTARIZE &&
           msg->vote.statement.view == 1;
}

static bool two_gave_up(void)
{
    return times_said(1, SLK_VOTE_NULLIFY, 1, 1, NULL) == 1 &&
           times_said(2, SLK_VOTE_NULLIFY, 1, 1, NULL) == 1;
}

static bool two_have_proposed(void)
{
    return times_said(2, SLK_VOTE_NOTARIZE, 1, 2, NULL) == 1 &&
           times_said(1, SLK_VOTE_NOTARIZE, 1, 2, NULL) == 1;
}

static struct slk_hash hash_said(unsigned who, enum slk_vote_kind kind, uint32_t view)
{
    for (size_t i = 0; i < scene.said_n; i++)
        if (scene.said[i].process == who && scene.said[i].s.kind == kind && scene.said[i].s.view == view)
            return scene.said[i].s.hash;
    return slk_hash_zero;
}

/* Member 0 holds N(1) for a block that lost, and has not its body: it must not ask for that one for ever. */
static void body_of_a_loser(void)
{
    struct slk_hash lost, final;

    scene_new(4);
    scene_puppet(3);
    is_held = true;
    scene.loses = no_body;
    scene_start();
    submit(14);
    expect(pass_until(two_gave_up, 10000), "two give view 1 up");
    lost = hash_said(1, SLK_VOTE_NOTARIZE, 1);
    puppet_votes(3, SLK_VOTE_NOTARIZE, 1, 1, &lost, ONLY(0));
    pass_ms(15);
    expect(view_of(0) == 2 && times_said(0, SLK_VOTE_FINALIZE, 1, 1, NULL) == 0,
        "member 0 has N(1), and no body");
    puppet_votes(3, SLK_VOTE_NULLIFY, 1, 1, NULL, 6);
    expect(pass_until(two_have_proposed, 5000), "the others are in view 2");
    final = hash_said(2, SLK_VOTE_NOTARIZE, 2);
    puppet_votes(3, SLK_VOTE_NOTARIZE, 1, 2, &final, 6);
    puppet_votes(3, SLK_VOTE_FINALIZE, 1, 2, &final, 6);
    expect(pass_until_all_at(6, 1, 5000) && !slk_hash_equal(&final, &lost), "and decide another block");
    for (unsigned i = 1; i <= 2; i++) {
        stop(i);
        start(i);
    }
    is_held = false;
    expect(pass_until_all_at(7, 1, 30000), "member 0 follows");
}

static void losers(void)
{
    finalize_of_a_loser();
    body_of_a_loser();
}

const struct story stories_votes[] = {{1, "a leader sends block A to some and B to others", leader_splits},
    {2, "a leader sends one proposal, then 10,000 others", ten_thousand_proposals},
    {3, "NULLIFY, then N, a restart and view changes: no FINALIZE", finalize_after_nullify},
    {4, "all lose power at every step: FINALIZE never left without N on disk", power_cut_everywhere},
    {5, "all stop after NULLIFY is durable, before K exists", nullify_survives},
    {6, "n = 1 stops anywhere and goes on without a message", alone},
    {7, "a crash between saving and sending, for every kind of vote", between_saving_and_sending},
    {8, "a builder stops before and after its proposal is durable", builder_stops},
    {9, "one holds N, the others K; either leads next", lone_leader_then_group_leader},
    {52, "FINALIZE for a block that loses is never cosigned; its body is not asked for", losers},
    {0, NULL, NULL}};
