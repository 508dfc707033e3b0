/* scenario_lines.c: scenarios 12, 16 to 18, 38, 53 and 54: lines that are missing, leaders that are dead, pauses, restarts.
 *
 * Each is a whole network over minutes, with work all the time: what a rule forgets to repeat is found by those who never get it.
 */
#include <stdio.h>
#include <string.h>

#include "tests/sim/scenario.h"

/* A submission at all every `every_ms`, for `ms`. */
static void keep_busy(uint64_t ms, uint64_t every_ms)
{
    for (uint64_t passed = 0; passed < ms; passed += every_ms) {
        submit(EVERYBODY);
        pass_ms(every_ms);
    }
}

static uint64_t views_lost(unsigned i)
{
    uint64_t lost = 0;

    for (uint64_t h = 1; h <= process(i)->disk.height; h++)
        lost += final_view(i, h) - 1;
    return lost;
}

/* ---- 12 ---- */

static unsigned bodies_asked;

/* The leader's proposal and body wait until all have given view 1 up; that they have, nobody hears. */
static bool slow_body(unsigned from, unsigned to, const struct slk_msg *msg)
{
    unsigned gave_up = 0;

    (void)from;
    (void)to;
    bodies_asked += msg->kind == SLK_MSG_GET && msg->get.what == SLK_GET_BODY;
    if (msg->kind == SLK_MSG_VOTE && msg->vote.statement.kind == SLK_VOTE_NULLIFY)
        return msg->vote.statement.height == 1 && msg->vote.statement.view == 1;
    if (msg->kind != SLK_MSG_PROPOSAL && msg->kind != SLK_MSG_DATA)
        return false;
    for (unsigned i = 0; i < 4; i++)
        gave_up += times_said(i, SLK_VOTE_NULLIFY, 1, 1, NULL) > 0;
    return gave_up < 4;
}

static void late_body(void)
{
    enum { BODIES_MAX_ASKED = 8 };

    scene_new(4);
    scene.loses = slow_body;
    bodies_asked = 0;
    scene_start();
    submit(EVERYBODY);
    expect(pass_until_all_at(EVERYBODY, 1, 30000), "height 1 is decided");
    for (unsigned i = 0; i < 4; i++) {
        expect(times_said(i, SLK_VOTE_NULLIFY, 1, 1, NULL) == 1, "%u gave view 1 up", i);
        expect(times_said(i, SLK_VOTE_FINALIZE, 1, 1, NULL) == 0, "%u did not finalise it there", i);
        expect(scene.validated[i] <= 1, "%u validates the block once", i);
    }
    expect(times_said(ANY, SLK_VOTE_NOTARIZE, 1, 1, NULL) >= 3, "a quorum voted for its block after that");
    expect(origin_view(0, 1) == 1 && final_view(0, 1) == 2, "leader 2 carries the same block");
    expect(bodies_asked <= BODIES_MAX_ASKED, "%u questions for bodies", bodies_asked);
    expect(one_chain(EVERYBODY), "one chain");
}

/* ---- 16 ---- */

static bool is_held;

static bool loses_nullify(unsigned from, unsigned to, const struct slk_msg *msg)
{
    (void)from;
    (void)to;
    return is_held && msg->kind == SLK_MSG_VOTE && msg->vote.statement.kind == SLK_VOTE_NULLIFY;
}

/* Leader 1 is silent. All NULLIFYs are lost for 5 s; `restarts` of the three stop meanwhile and start again. */
static void lost_nullifies(unsigned restarts)
{
    scene_new(4);
    scene_puppet(1);
    scene.loses = loses_nullify;
    is_held = true;
    scene_start();
    submit(EVERYBODY);
    pass_ms(4000);
    for (unsigned i = 0; i < 4; i++)
        expect(i == 1 || times_said(i, SLK_VOTE_NULLIFY, 1, 1, NULL) == 1, "%u gives view 1 up", i);
    for (unsigned i = 0, stopped = 0; i < 4 && stopped < restarts; i++) {
        if (i == 1)
            continue;
        stop(i);
        start(i);
        stopped++;
    }
    pass_ms(1000);
    expect(view_of(0) == 1 && view_of(2) == 1 && view_of(3) == 1, "nobody has heard it");
    is_held = false;
    expect(pass_until_all_at(EVERYBODY, 1, 20000), "%u restarts: the votes are sent again", restarts);
    expect(final_view(0, 1) == 2, "view 1 ended by K");
}

/* Two of four stop hearing the leader; the two others finalise nothing without them. The view ends by N or by K. */
static bool unheard_leader(unsigned from, unsigned to, const struct slk_msg *msg)
{
    (void)msg;
    return is_held && from == 1 && (to == 2 || to == 3);
}

static void half_gives_up(void)
{
    scene_new(4);
    scene.loses = unheard_leader;
    is_held = true;
    scene_start();
    pass_ms(6000);
    submit(EVERYBODY);
    expect(pass_until_all_at(ONLY(0) | ONLY(1), 1, 30000),
        "the view ends, with half of them not hearing its leader");
    is_held = false;
    keep_busy(3000, 300);
    expect(all_at(EVERYBODY, 3) && one_chain(EVERYBODY), "all go on together");
}

static void a_few_give_up(void)
{
    for (unsigned restarts = 0; restarts <= 3; restarts++)
        lost_nullifies(restarts);
    half_gives_up();
}

/* ---- 17 ---- */

/* Member 3 sends and does not hear, for ten minutes: it gives view after view up, alone. */
static void one_is_deaf(void)
{
    enum { SECONDS = 600 };
    uint64_t height;

    scene_new(4);
    for (unsigned i = 0; i < 3; i++)
        scene.cut[i] = ONLY(3);
    scene_start();
    keep_busy(SECONDS * 1000, 1000);
    height = process(0)->disk.height;
    expect(all_at(7, SECONDS * 2 / 3), "the others decide %llu blocks", (unsigned long long)height);
    expect(times_said(3, SLK_VOTE_NULLIFY, 1, 1, NULL) == 1 && view_of(3) == 1, "it has given up, alone");
    expect(views_lost(0) <= height / 4 + 1, "no views are lost but those that it leads: %llu of %llu",
        (unsigned long long)views_lost(0), (unsigned long long)height);
    heal();
    submit(EVERYBODY);
    expect(pass_until_all_at(EVERYBODY, height + 1, 60000), "healed, it follows");
    expect(one_chain(EVERYBODY), "one chain");
}

/* ---- 18 ---- */

/* `n` members in a row, or in a ring, hear their neighbours alone; the last `silent` of them nobody hears. */
static void neighbours(unsigned n, unsigned silent, bool is_ring)
{
    enum { MINUTES = 10, BLOCKS = 50 };
    unsigned well = n - silent;
    uint64_t height;

    scene_new(n);
    for (unsigned i = well; i < n; i++)
        scene_puppet(i);
    for (unsigned i = 0; i < well; i++) {
        scene.cut[i] = EVERYBODY & ~ONLY(i + 1) & ~(i > 0 ? ONLY(i - 1) : 0);
        if (is_ring && i == 0)
            scene.cut[i] &= ~ONLY(well - 1);
        if (is_ring && i == well - 1)
            scene.cut[i] &= ~ONLY(0);
    }
    scene_start();
    keep_busy(MINUTES * 60 * 1000, 10000);
    height = process(0)->disk.height;
    printf("# %u in a %s: %llu blocks, %llu views lost\n", n, is_ring ? "ring" : "row",
        (unsigned long long)height, (unsigned long long)views_lost(0));
    expect(all_at(EVERYBODY, BLOCKS),
        "%u members in a %s: %llu blocks in ten minutes at the first, %llu at the last", n,
        is_ring ? "ring" : "row", (unsigned long long)height,
        (unsigned long long)process(well - 1)->disk.height);
    heal();
    submit(EVERYBODY);
    expect(pass_until_all_at(EVERYBODY, height + 1, 200000), "with all lines it goes on");
    expect(one_chain(EVERYBODY), "one chain");
}

static void missing_lines(void)
{
    neighbours(3, 0, false);
    neighbours(4, 1, false);
    neighbours(5, 0, false);
    neighbours(7, 0, true);
}

/* ---- 38 ---- */

/* Member 1 is dead, for 200 heights. Each of its turns costs one short timeout, and nothing else gets slower. */
static void one_is_dead(void)
{
    enum { HEIGHTS = 200, MEAN_MS = 400 };
    uint64_t height, from_us;

    scene_new(4);
    scene_start();
    stop(1);
    submit(EVERYBODY);
    expect(pass_until_all_at(EVERYBODY & ~ONLY(1), 1, 10000), "it begins");
    from_us = scene.w.now_us;
    while (process(0)->disk.height < HEIGHTS && scene.w.now_us < 600000 * MS)
        keep_busy(100, 100);
    height = process(0)->disk.height;
    printf("# %llu ms a block\n", (unsigned long long)((scene.w.now_us - from_us) / MS / height));
    expect(height >= HEIGHTS, "%u heights, not %llu", (unsigned)HEIGHTS, (unsigned long long)height);
    expect((scene.w.now_us - from_us) / MS / height <= MEAN_MS, "%llu ms a block",
        (unsigned long long)((scene.w.now_us - from_us) / MS / height));
    expect(views_lost(0) <= height / 4 + 2, "one view for each of its turns: %llu of %llu",
        (unsigned long long)views_lost(0), (unsigned long long)height);
}

/* ---- 53 ---- */

static bool is_saving_its_vote(void)
{
    return process(3)->disk.is_busy && process(3)->disk.height == 0;
}

/* Member 3's machine stands still for ten minutes, with a vote on its way to the disk; then all that came meanwhile comes at once. */
static void ten_minutes_pause(void)
{
    enum { PAUSE_MS = 600000 };
    uint64_t height;
    size_t said;

    scene_new(4);
    scene_start();
    pass_ms(30);
    submit(EVERYBODY);
    expect(pass_until(is_saving_its_vote, 2000), "member 3 saves a vote");
    process(3)->is_paused = true;
    process(3)->resume_us = scene.w.now_us + PAUSE_MS * MS;
    said = scene.said_n;
    keep_busy(PAUSE_MS - 1000, 3000);
    height = process(0)->disk.height;
    expect(all_at(7, PAUSE_MS / 3000 / 2) && process(3)->disk.height == 0, "the others go on to %llu",
        (unsigned long long)height);
    for (size_t i = said; i < scene.said_n; i++)
        expect(scene.said[i].process != 3, "and it says nothing");
    pass_ms(2000);
    process(3)->is_paused = false;
    expect(pass_until_all_at(EVERYBODY, height, 60000), "it catches up");
    expect(times_said(3, SLK_VOTE_NOTARIZE, 1, 1, NULL) == 1, "its vote of then is late, and harms nobody");
    submit(EVERYBODY);
    expect(pass_until_all_at(EVERYBODY, process(0)->disk.height + 1, 10000), "and votes with the others");
    expect(one_chain(EVERYBODY) && scene.accusations_n == 0, "one chain, nobody is accused");
    for (unsigned i = 0; i < 4; i++)
        expect(scene.alarms[i] == 0, "%u raises nothing", i);
}

/* ---- 54 ---- */

/* `silent`: member 3 is, and the three others must all be up to decide. */
static void restarts(bool is_one_silent)
{
    enum { TENTHS = 6000, VIEW_MAX = 20 };
    uint32_t highest = 0;
    uint64_t height;

    scene_new(4);
    if (is_one_silent)
        scene_puppet(3);
    scene_start();
    for (unsigned t = 1; t <= TENTHS; t++) {
        if (t % 10 == 0)
            submit(EVERYBODY);
        pass_ms(100);
        for (unsigned i = 0; i < 4; i++) {
            highest = view_of(i) > highest ? view_of(i) : highest;
            if (t % (20 + 9 * i) == 0) { /* every 2 s to 4.7 s, each at its own pace */
                stop(i);
                start(i);
            }
        }
    }
    height = process(0)->disk.height;
    printf("# %llu heights, view %u\n", (unsigned long long)height, highest);
    expect(highest < VIEW_MAX, "the highest view was %u", highest);
    submit(EVERYBODY);
    expect(pass_until_all_at(EVERYBODY, height + 1, 30000), "stable again, it goes on");
    expect(one_chain(EVERYBODY), "one chain");
}

static void restart_loop(void)
{
    restarts(false);
    restarts(true);
}

const struct story stories_lines[] = {
    {12, "a body is slow and a quorum gives the view up: the next leader carries it", late_body},
    {16, "NULLIFYs are lost, and members restart: they are sent for ever", a_few_give_up},
    {17, "a member sends and does not hear", one_is_deaf},
    {18, "lines are missing: rows and rings of neighbours", missing_lines},
    {38, "a leader is dead for 200 heights", one_is_dead},
    {53, "a machine stands still for ten minutes while it saves a vote", ten_minutes_pause},
    {54, "all restart every few seconds for ten minutes, then no more", restart_loop}, {0, NULL, NULL}};
