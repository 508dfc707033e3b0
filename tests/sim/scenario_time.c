/* scenario_time.c: scenarios 14, 15, 35 to 37 and 49: clocks, idle chains, lost packets. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/scenario.h"

static const uint64_t hour_ms = 3600 * 1000;

/* A submission at all every `every_ms`, for `ms`. */
static void keep_busy(uint64_t ms, uint64_t every_ms)
{
    for (uint64_t passed = 0; passed < ms; passed += every_ms) {
        submit(EVERYBODY);
        pass_ms(every_ms);
    }
}

/* ---- 14 ---- */

static void dead_clock_batteries(void)
{
    uint64_t height;

    scene_new(4);
    scene_start();
    keep_busy(2000, 200);
    for (unsigned i = 0; i < 4; i++)
        stop(i);
    for (unsigned i = 0; i < 2; i++)
        process(i)->skew_ms = -1000000000000; /* 1970 */
    pass_ms(500);
    scene_start();
    height = process(3)->disk.height;
    expect(height >= 5, "there is a chain");
    keep_busy(4000, 200);
    expect(all_at(EVERYBODY, height + 8), "the chain continues");
    for (unsigned i = 0; i < 4; i++) {
        expect(has_alarm(i, SLK_ALARM_CLOCK) == (i < 2), "%u %s", i,
            i < 2 ? "raises CLOCK" : "has no reason to");
        expect(times_grow(i), "the times of blocks grow");
    }
    for (uint64_t h = height + 1; h <= height + 8; h++)
        expect(final_view(3, h) == 1, "no view is lost at height %llu", (unsigned long long)h);
}

/* ---- 15 ---- */

static uint64_t most_ahead_ms;

static void note_ahead(unsigned i, const struct slk_bft_effect *e)
{
    uint64_t honest_ms = process_wall_ms(&scene.w, process(0)), time_ms;

    if (e->kind != SLK_OUT_COSIGN)
        return;
    time_ms = process(i)->disk.chain[e->seq]->time_ms;
    if (time_ms > honest_ms && time_ms - honest_ms > most_ahead_ms)
        most_ahead_ms = time_ms - honest_ms;
}

/* Member 1 sets the time as far ahead as `skew_ms` in each of its blocks; the largest lead that was committed. */
static uint64_t fast_clock(int64_t skew_ms)
{
    enum { BLOCKS = 100 };

    scene_new(4);
    scene.sees = note_ahead;
    most_ahead_ms = 0;
    process(1)->skew_ms = skew_ms;
    scene_start();
    while (process(0)->disk.height < BLOCKS && scene.w.now_us < 2000000 * MS)
        keep_busy(200, 200);
    expect(all_at(EVERYBODY, BLOCKS - 2), "%u blocks in good time", (unsigned)BLOCKS);
    for (unsigned i = 0; i < 4; i++)
        expect(times_grow(i), "the times of blocks grow");
    return most_ahead_ms;
}

static void time_runs_ahead(void)
{
    enum { AHEAD_MS = 30000 };
    uint64_t lead = fast_clock(29000);

    expect(
        lead > 20000 && lead <= AHEAD_MS, "29 s ahead are accepted, %llu ms were", (unsigned long long)lead);
    lead = fast_clock(45000);
    expect(lead <= AHEAD_MS, "45 s ahead are not, %llu ms were", (unsigned long long)lead);
}

/* ---- 19 and 20 ---- */

static void halves_for_six_hours(void)
{
    enum { HOURS = 6, AFTER = 20 };
    struct slk_bft_view_of look;
    uint64_t height;

    scene_new(4);
    scene_start();
    keep_busy(2000, 200);
    pass_ms(1000);
    height = process(0)->disk.height;
    expect(height >= 5 && all_at(EVERYBODY, height), "there is a chain");
    for (unsigned i = 0; i < 4; i++)
        scene.cut[i] = i < 2 ? 12 : 3;
    keep_busy(HOURS * hour_ms, 60 * 1000);
    for (unsigned i = 0; i < 4; i++)
        expect(process(i)->disk.height == height, "nothing is final on either side");
    heal();
    expect(pass_until_all_at(EVERYBODY, height + 1, 15000), "healed, the first honest leader finalises");
    for (uint64_t h = height + 1; h < height + AFTER; h++) {
        submit(EVERYBODY);
        expect(
            pass_until_all_at(EVERYBODY, h + 1, 30000), "height %llu is decided", (unsigned long long)h + 1);
    }
    for (unsigned i = 0; i < 4; i++) {
        look_at(i, &look);
        expect(look.backoff == 0, "%u has no backoff left over", i);
    }
    expect(one_chain(EVERYBODY), "one chain");
}

static void minority_accepts(void)
{
    enum { SUBMISSIONS = 30 };
    const struct disk *d;
    unsigned first, height;

    scene_new(4);
    scene_start();
    pass_ms(30);
    cut_off(3);
    first = scene.w.submissions_n;
    for (unsigned i = 0; i < SUBMISSIONS; i++) {
        submit(ONLY(3));
        submit(7);
        pass_ms(60 * 1000);
    }
    d = &process(3)->disk;
    height = (unsigned)process(0)->disk.height;
    expect(height >= SUBMISSIONS && d->height == 0, "the majority goes on, the one alone does not");
    for (unsigned i = 0; i < SUBMISSIONS; i++)
        expect((process(0)->disk.included[(first + 2 * i) / 64] >> (first + 2 * i) % 64 & 1) == 0,
            "what one alone received is not final");
    heal();
    expect(pass_until_all_at(EVERYBODY, height + 1, 60000), "healed, it goes on");
    submit(EVERYBODY);
    pass_ms(10000);
    for (unsigned i = 0; i < 2 * SUBMISSIONS; i++)
        for (unsigned k = 0; k < 4; k++)
            expect((process(k)->disk.included[(first + i) / 64] >> (first + i) % 64 & 1) == 1,
                "submission %u is final at %u", first + i, k);
}

/* ---- 35 ---- */

static void after_a_quiet_day(void)
{
    enum { HEARTBEATS_A_DAY = 24 * 6, LATENCY_MS = 600, VOTES_A_BLOCK = 2 * 4 * 3 };
    struct slk_bft_view_of look;
    uint64_t height, votes;
    unsigned far;

    scene_new(4);
    scene_start();
    pass_ms(24 * hour_ms);
    height = process(0)->disk.height;
    votes = scene.votes_sent;
    expect(height >= HEARTBEATS_A_DAY - 2 && height <= HEARTBEATS_A_DAY, "%llu heartbeats",
        (unsigned long long)height);
    expect(votes <= height * VOTES_A_BLOCK, "I16: %llu votes for them", (unsigned long long)votes);
    pass_ms(30 * 1000);
    far = (unsigned)(height + 3) % 4; /* leads neither the next view nor the one after */
    submit(ONLY(far));
    expect(pass_until_all_at(EVERYBODY, height + 1, LATENCY_MS), "one event at %u is final as fast as ever",
        far);
    for (unsigned i = 0; i < 4; i++) {
        look_at(i, &look);
        expect(look.backoff == 0, "%u has no backoff left over", i);
        expect(final_view(i, height + 1) == 1, "no view is lost");
    }
}

/* ---- 36 ---- */

static void nullify_at_rest(unsigned n)
{
    enum { VIEWS = 12 }; /* all that are counted, and some that are too early */
    unsigned f = (n - 1) / 3;
    struct slk_bft_view_of look;

    scene_new(n);
    for (unsigned i = n - f; i < n; i++)
        scene_puppet(i);
    scene_start();
    for (unsigned s = 0; s < 60; s++) {
        for (unsigned i = n - f; i < n; i++)
            for (uint32_t view = 1; view <= VIEWS; view++)
                puppet_votes(i, SLK_VOTE_NULLIFY, 1, view, NULL, EVERYBODY);
        pass_ms(1000);
    }
    for (unsigned i = 0; i < n - f; i++) {
        look_at(i, &look);
        expect(!look.armed && look.view == 1, "%u of %u is at rest", i, n);
    }
    expect(scene.said_n == 0, "nobody joins in");
}

static void nullify_on_an_idle_chain(void)
{
    nullify_at_rest(4);
    nullify_at_rest(7);
}

/* ---- 37 ---- */

static unsigned refused;

static enum slk_bft_verdict note_refused(
    const struct process *p, const struct blob *blob, enum slk_bft_verdict verdict)
{
    refused += p->index == 0 && blob->body_n == 0 && verdict == SLK_BLOCK_INVALID;
    return verdict;
}

/* An empty block of member 1 for the view where member 0 is, when it leads it, with all K that member 0 holds. */
static void flood(void)
{
    const struct slk_cert *certs[SLK_JUST_MAX];
    uint64_t height = process(0)->disk.height + 1;
    uint32_t view = view_of(0);
    size_t n = 0;

    if ((height + view - 1) % 4 != 1)
        return;
    puppet_learns(1, 0);
    for (size_t i = 0; i < process(0)->disk.certs_n && n < SLK_JUST_MAX; i++)
        if (process(0)->disk.certs[i]->kind == SLK_VOTE_NULLIFY)
            certs[n++] = process(0)->disk.certs[i];
    puppet_proposes(1, puppet_block(1, height, view), view, 0, certs, n, EVERYBODY);
}

static void empty_blocks(void)
{
    enum { MINUTES = 10, EMPTY_MS = 60000 };
    const struct disk *d;

    scene_new(4);
    scene_puppet(1);
    scene.script.judges = note_refused;
    refused = 0;
    scene_start();
    pass_ms(100);
    for (unsigned i = 0; i < MINUTES * 60 * 4; i++) {
        flood();
        pass_ms(250);
    }
    d = &process(0)->disk;
    expect(refused > 0, "empty blocks are refused");
    expect(
        d->height >= 1 && d->height <= MINUTES, "%llu blocks in ten minutes", (unsigned long long)d->height);
    for (uint64_t h = 1; h <= d->height; h++)
        expect(d->chain[h]->time_ms >= d->chain[h - 1]->time_ms + EMPTY_MS, "a minute lies between two");
    submit(EVERYBODY);
    expect(pass_until_all_at(EVERYBODY, d->height + 1, 120000), "and the chain is not stuck");
}

/* ---- 49 ---- */

/* Blocks in so many seconds; the members' chances are those of `seed`. */
static uint64_t lossy_lines(uint64_t seed, uint64_t seconds)
{
    enum { MEMBERS = 50, BYTES_A_SECOND = 4 << 20 };
    uint64_t every_ms = seconds <= 1000 ? 250 : 900; /* as many submissions as there is room for */

    scene_new_by_chance(MEMBERS, seed);
    scene.w.swarm.loss = 300;
    scene.w.swarm.delay_us = 2 * MS;
    scene.w.swarm.spread_us = 20 * MS;
    scene_start();
    while (scene.w.now_us < seconds * 1000 * MS && oracle_verdict(scene.w.oracle) == NULL) {
        if (scene.w.submissions_n < SUBMISSIONS_MAX)
            submit(EVERYBODY);
        pass_ms(every_ms);
    }
    expect(scene.w.bytes_n / MEMBERS / seconds < BYTES_A_SECOND, "%llu bytes a second and member",
        (unsigned long long)(scene.w.bytes_n / MEMBERS / seconds));
    expect(one_chain(EVERYBODY), "one chain");
    return process(0)->disk.height;
}

/* Some heights take ten seconds: one short world says little about the mean, three say more. SLK_SCENARIO_S: simulated seconds of each;
 * an hour takes half an hour of processor time. */
static void a_third_is_lost(void)
{
    enum { WORLDS = 3, SECONDS = 30, MEAN_MS = 2000 };
    const char *text = getenv("SLK_SCENARIO_S");
    uint64_t seconds = text != NULL ? strtoull(text, NULL, 10) : SECONDS, blocks = 0;

    for (uint64_t seed = 1; seed <= WORLDS; seed++)
        blocks += lossy_lines(seed, seconds);
    expect(blocks > 0 && WORLDS * seconds * 1000 / blocks < MEAN_MS, "%llu blocks in %u times %llu s",
        (unsigned long long)blocks, (unsigned)WORLDS, (unsigned long long)seconds);
}

const struct story stories_time[] = {{14, "the clocks of f + 1 members start in 1970", dead_clock_batteries},
    {15, "a leader sets the time 29 s ahead in each block", time_runs_ahead},
    {19, "two halves for six hours, then healed", halves_for_six_hours},
    {20, "a minority goes on receiving: all of it is included after", minority_accepts},
    {35, "one event after 24 idle hours is final as fast as ever", after_a_quiet_day},
    {36, "f members send NULLIFY on an idle chain", nullify_on_an_idle_chain},
    {37, "a leader floods empty blocks", empty_blocks},
    {49, "30 % loss on all lines, n = 50", a_third_is_lost}, {0, NULL, NULL}};
