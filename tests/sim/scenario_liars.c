/* scenario_liars.c: scenarios 30, 39, 40, 47, 48, 50 and 51: twins, censors, storms, more liars than allowed. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/scenario.h"

static void counts_as(unsigned member, unsigned lie)
{
    for (unsigned i = 0; i < scene.w.processes_n; i++)
        if (process(i)->member == member)
            process(i)->lies |= lie;
    scene.w.swarm.lies[member] |= lie;
}

/* ---- 30 ---- */

static uint32_t round_view;
static uint64_t round_height;

static bool is_next_round(void)
{
    for (unsigned i = 0; i < scene.w.processes_n; i++) {
        uint64_t height = process(i)->disk.height;

        if (height > round_height || (height == round_height && view_of(i) > round_view))
            return true;
    }
    return false;
}

/* `groups`: two bits per process. Until some process is in a later view, or 2 s. */
static void play_round(uint64_t groups)
{
    round_view = 0;
    round_height = 0;
    for (unsigned i = 0; i < scene.w.processes_n; i++) {
        uint64_t height = process(i)->disk.height;
        uint32_t view = view_of(i);

        if (height > round_height || (height == round_height && view > round_view)) {
            round_height = height;
            round_view = view;
        }
        scene.cut[i] = 0;
        for (unsigned k = 0; k < scene.w.processes_n; k++)
            if ((groups >> 2 * i & 3) != (groups >> 2 * k & 3))
                scene.cut[i] |= ONLY(k);
    }
    submit(EVERYBODY);
    (void)pass_until(is_next_round, 2000);
}

static void twins_meet(unsigned n, unsigned f, const uint64_t *groups, unsigned rounds, uint64_t schedule)
{
    uint64_t honest, height = 0;

    scene_new(n);
    for (unsigned i = 0; i < f; i++) {
        (void)world_twin(&scene.w, i);
        counts_as(i, LIE_TWIN);
    }
    honest = (1ull << n) - (1ull << f);
    scene_start();
    pass_ms(30);
    for (unsigned i = 0; i < rounds; i++)
        play_round(groups[i]);
    heal();
    for (unsigned i = 0; i < n; i++)
        height = process(i)->disk.height > height ? process(i)->disk.height : height;
    for (unsigned i = 0; i < 240 && !all_at(honest, height + 3); i++) {
        submit(EVERYBODY);
        pass_ms(500);
    }
    expect(all_at(honest, height + 3), "n %u, schedule %llx: the healed network goes on", n,
        (unsigned long long)schedule);
    expect(one_chain(honest), "n %u, schedule %llx: one chain", n, (unsigned long long)schedule);
}

/* All ways to divide four members and a twin in two, twice; then chance, over 12 views, in up to three groups. */
static void twins(void)
{
    enum { ROUNDS = 12, BY_CHANCE_4 = 100, BY_CHANCE_7 = 30 };
    uint64_t groups[ROUNDS];

    for (uint64_t schedule = 0; schedule < 256; schedule++) {
        for (unsigned r = 0; r < 2; r++) {
            groups[r] = 0;
            for (unsigned i = 0; i < 4; i++)
                groups[r] |= (schedule >> (4 * r + i) & 1) << (2 * i + 2);
        }
        twins_meet(4, 1, groups, 2, schedule);
    }
    for (uint64_t seed = 1; seed <= BY_CHANCE_4 + BY_CHANCE_7; seed++) {
        struct random random = random_new(seed, 30);

        for (unsigned r = 0; r < ROUNDS; r++) {
            groups[r] = 0;
            for (unsigned i = 0; i < 9; i++)
                groups[r] |= random_below(&random, seed % 2 == 0 ? 2 : 3) << 2 * i;
        }
        if (seed <= BY_CHANCE_4)
            twins_meet(4, 1, groups, ROUNDS, seed);
        else
            twins_meet(7, 2, groups, ROUNDS, seed);
    }
}

/* ---- 39 ---- */

static bool includes(unsigned i, uint64_t height, unsigned id)
{
    const struct blob *blob = process(i)->disk.chain[height];

    for (size_t at = 0; at < blob->body_n; at += 4)
        if (slk_get_u32(blob->body + at) == id)
            return true;
    return false;
}

/* Members 1 and 2 of seven lead heights 1 and 2 and leave submission 0 out. */
static void censors(void)
{
    enum { F = 2 };

    scene_new(7);
    counts_as(1, LIE_CENSOR);
    counts_as(2, LIE_CENSOR);
    scene_start();
    for (unsigned i = 0; i < 30 && !all_at(EVERYBODY, F + 1); i++) {
        submit(EVERYBODY);
        submit(EVERYBODY);
        pass_ms(300);
    }
    expect(all_at(EVERYBODY, F + 1), "three blocks");
    for (uint64_t h = 1; h <= F; h++)
        expect(!includes(0, h, 0) && process(0)->disk.chain[h]->body_n > 0, "block %llu leaves it out",
            (unsigned long long)h);
    expect(includes(0, F + 1, 0), "block %u has it", F + 1);
}

/* ---- 40 ---- */

/* Two submissions that exclude each other, one at either half; `order`: which half leads. */
static void two_of_one_number(unsigned order)
{
    unsigned first, second, n = 0;

    scene_new(4);
    scene_start();
    pass_ms(30);
    first = scene.w.submissions_n;
    second = first + 1;
    scene.w.rival[first] = (uint16_t)(second + 1);
    scene.w.rival[second] = (uint16_t)(first + 1);
    submit(order == 0 ? 3 : 12);
    submit(order == 0 ? 12 : 3);
    expect(pass_until_all_at(EVERYBODY, 1, 5000), "the chain does not stall");
    for (unsigned i = 0; i < 8; i++) { /* both reach everybody, again and again */
        for (unsigned k = 0; k < 4; k++) {
            process(k)->disk.pool[first / 64] |= 3ull << (first % 64);
            process_pool(&scene.w, process(k));
        }
        submit(EVERYBODY);
        pass_ms(300);
    }
    expect(all_at(EVERYBODY, 6) && one_chain(EVERYBODY), "it goes on, as one chain");
    for (uint64_t h = 1; h <= process(0)->disk.height; h++)
        n += (unsigned)includes(0, h, first) + (unsigned)includes(0, h, second);
    expect(n == 1, "one of the two is in it, not %u", n);
    expect(includes(0, 1, order == 0 ? first : second), "the one that the first leader had");
}

/* The liar proposes a block with both. */
static void both_in_one_block(void)
{
    const struct blob *blob;
    uint8_t body[8];
    struct slk_block_header h;
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct slk_hash hash;

    scene_new(4);
    scene_puppet(1);
    scene_start();
    scene.w.rival[0] = 2;
    scene.w.rival[1] = 1;
    submit(3);
    blob = puppet_block(1, 1, 1);
    submit(14);
    slk_put_u32(body, 0);
    slk_put_u32(body + 4, 1);
    if (slk_block_header_parse(&h, blob->header) != SLK_OK)
        abort();
    h.log_size++;
    h.event_count = 2;
    h.body_bytes = sizeof(body);
    slk_hash_tagged(&h.body_hash, SLK_TAG_BODY, body, sizeof(body));
    ledger_root(&h.log_root, scene.w.genesis, body, sizeof(body));
    slk_block_header_format(header, &h);
    slk_block_hash(&hash, header);
    blob = ledger_take(&scene.w, header, &hash, slk_span_of(body, sizeof(body)));
    if (!expect(blob != NULL, "there is a block with both"))
        return;
    pass_ms(30);
    puppet_proposes(1, blob, 1, 0, NULL, 0, EVERYBODY);
    expect(pass_until_all_at(EVERYBODY, 1, 5000), "the next leader goes on");
    expect(times_said(ANY, SLK_VOTE_NOTARIZE, 1, 1, NULL) == 0, "nobody votes for the block with both");
    expect(!(includes(0, 1, 0) && includes(0, 1, 1)), "one of the two is in");
}

static void double_numbers(void)
{
    two_of_one_number(0);
    two_of_one_number(1);
    both_in_one_block();
}

/* ---- 47 ---- */

enum { QUEUE_MAX = 256 }; /* protocol §3.5: P0 messages */
static struct packet *unread[4][QUEUE_MAX];
static size_t unread_n[4], dropped_n;
static bool is_deaf;

/* Member 3 does not read: its peers' queues fill, and drop their oldest. */
static bool queue_up(
    struct world *w, const struct process *from, const struct process *to, const struct packet *packet)
{
    struct packet *kept;

    (void)w;
    if (to->index != 3 || !is_deaf)
        return false;
    if (unread_n[from->index] == QUEUE_MAX) {
        packet_drop(unread[from->index][0]);
        memmove(unread[from->index], unread[from->index] + 1, (QUEUE_MAX - 1) * sizeof(unread[0][0]));
        unread_n[from->index]--;
        dropped_n++;
    }
    kept = packet_copy(packet);
    unread[from->index][unread_n[from->index]++] = kept;
    return true;
}

static void reads_again(void)
{
    is_deaf = false;
    for (unsigned from = 0; from < 4; from++) {
        for (size_t i = 0; i < unread_n[from]; i++) {
            world_post(&scene.w, process(from), process(3), unread[from][i], 0);
            packet_drop(unread[from][i]);
        }
        unread_n[from] = 0;
    }
}

static void unread_link(void)
{
    enum { BLOCKS = 60 };
    uint64_t height;

    scene_new(4);
    scene.script.loses = queue_up;
    is_deaf = true;
    dropped_n = 0;
    scene_start();
    for (unsigned i = 0; i < 400 && !all_at(7, BLOCKS); i++) {
        submit(7);
        pass_ms(300);
    }
    expect(all_at(7, BLOCKS), "the others decide %u blocks", (unsigned)BLOCKS);
    expect(dropped_n > 0, "the queues were full");
    expect(process(3)->disk.height == 0, "who does not read knows nothing");
    height = process(0)->disk.height;
    reads_again();
    expect(pass_until_all_at(EVERYBODY, height, 60000), "reading again it is healed");
    submit(EVERYBODY);
    pass_ms(1000);
    expect(times_said(3, SLK_VOTE_FINALIZE, height + 1, 1, NULL) == 1, "and votes");
}

/* ---- 48 ---- */

static void ask_again(struct world *w, struct process *p, const struct slk_msg *heard)
{
    static struct slk_msg msg;

    (void)w;
    if (p->index != 0)
        return;
    memset(&msg, 0, sizeof(msg));
    msg.kind = SLK_MSG_GET;
    msg.get = (struct slk_get){.what = SLK_GET_COMMIT, .height = 1};
    (void)heard;
    puppet_sends(0, &msg, EVERYBODY & ~ONLY(0));
}

static bool no_data(unsigned from, unsigned to, const struct slk_msg *msg)
{
    (void)from;
    return to == 0 && (msg->kind == SLK_MSG_PROPOSAL || msg->kind == SLK_MSG_DATA);
}

static unsigned gets_n;

static bool no_data_but_count(unsigned from, unsigned to, const struct slk_msg *msg)
{
    gets_n += from == 0 && msg->kind == SLK_MSG_GET;
    return no_data(from, to, msg);
}

static void get_storm(void)
{
    enum { SECONDS = 60, GETS_MAX = 3 * SECONDS };

    for (int is_mutant = 0; is_mutant <= 1; is_mutant++) {
        scene_new(4);
        scene.loses = no_data_but_count;
        scene_start();
        for (unsigned i = 0; i < SECONDS * 2 && (i < 4 || is_mutant == 0); i++) {
            submit(EVERYBODY); /* member 0 has no body of any block, and asks */
            pass_ms(500);
        }
        expect(process(0)->disk.height == 0 && process(1)->disk.height > 1, "member 0 falls behind");
        if (is_mutant == 0)
            expect(gets_n > 4 && gets_n < GETS_MAX, "%u questions in a minute", gets_n);
        gets_n = 0;
        if (is_mutant == 1) {
            scene.script.hears = ask_again;
            scene.verdict = "I11";
            pass_ms(5000);
        }
    }
}

/* ---- 50 ---- */

static enum slk_bft_verdict wrong_map(
    const struct process *p, const struct blob *blob, enum slk_bft_verdict verdict)
{
    return p->index == 3 && blob->height == 4 ? SLK_BLOCK_INVALID : verdict;
}

static bool loses_finalize;

static bool no_finalize_at_4(unsigned from, unsigned to, const struct slk_msg *msg)
{
    (void)from;
    (void)to;
    return loses_finalize && msg->kind == SLK_MSG_VOTE && msg->vote.statement.kind == SLK_VOTE_FINALIZE &&
           msg->vote.statement.height == 4;
}

static bool has_diverged(void)
{
    return has_alarm(3, SLK_ALARM_DIVERGED);
}

static bool others_are_in_view_4(void)
{
    return view_of(0) >= 4 && view_of(1) >= 4;
}

/* Member 3 finds block 4 invalid, which a quorum has notarized. That this is not decided yet, and views time out, is no reason to say
 * anything more. */
static void diverges(void)
{
    size_t said;

    scene_new(7);
    scene.script.judges = wrong_map;
    scene.script.expected[3] = 1u << SLK_ALARM_DIVERGED;
    scene.loses = no_finalize_at_4;
    loses_finalize = true;
    scene_start();
    stop(2);
    for (unsigned i = 0; i < 60 && !has_diverged(); i++) {
        submit(EVERYBODY);
        (void)pass_until(has_diverged, 500);
    }
    expect(has_diverged() && process(3)->disk.height == 3, "member 3 finds block 4 invalid, and says so");
    expect(process(0)->disk.height == 3, "which is notarized, but not final");
    said = scene.said_n;
    expect(pass_until(others_are_in_view_4, 120000), "views pass");
    for (unsigned i = 0; i < 10; i++) {
        submit(EVERYBODY);
        pass_ms(2000);
    }
    loses_finalize = false;
    for (unsigned i = 0; i < 120 && !all_at(0x73, 13); i++) {
        submit(EVERYBODY);
        pass_ms(500);
    }
    expect(all_at(0x73, 13), "the others continue");
    for (size_t k = said; k < scene.said_n; k++)
        expect(scene.said[k].process != 3, "member 3 signs nothing any more");
    expect(process(3)->disk.height == 3, "it has not taken the block");
    for (unsigned i = 0; i < 7; i++)
        scene.cut[i] = i == 3 ? 0 : ONLY(2);
    start(2);
    expect(pass_until_all_at(ONLY(2), 3, 60000), "member 3 goes on serving what it has");
    heal();
    expect(pass_until_all_at(ONLY(2), 13, 60000), "the others serve the rest");
    for (unsigned i = 0; i < 7; i++)
        expect(i == 3 || !has_alarm(i, SLK_ALARM_DIVERGED), "nobody else diverges");
}

/* ---- 51 ---- */

static struct slk_hash shown[4];

static void note_fork(unsigned i, const struct slk_bft_effect *e)
{
    if (e->kind == SLK_OUT_ALARM && e->alarm == SLK_ALARM_FORK && e->cert != NULL &&
        e->cert->kind == SLK_VOTE_FINALIZE)
        shown[i] = e->cert->hash;
}

/* Members 1 and 2 lie, one more than may: 0 and 3 finalise different blocks. */
static void too_many_liars(void)
{
    const struct blob *blob[2];
    const unsigned honest[2] = {0, 3};
    size_t said;

    scene_new(4);
    oracle_beyond(scene.w.oracle);
    memset(shown, 0, sizeof(shown));
    scene.sees = note_fork;
    scene_puppet(1);
    scene_puppet(2);
    scene.cut[0] = ONLY(3);
    scene.cut[3] = ONLY(0);
    for (int k = 0; k < 2; k++)
        scene.script.expected[honest[k]] = 1u << SLK_ALARM_FORK;
    scene_start();
    pass_ms(6000);
    submit(EVERYBODY);
    blob[0] = puppet_block(1, 1, 1);
    blob[1] = another(blob[0], 5);
    for (int k = 0; k < 2; k++) {
        puppet_proposes(1, blob[k], 1, 0, NULL, 0, ONLY(honest[k]));
        for (unsigned liar = 1; liar <= 2; liar++) {
            puppet_votes(liar, SLK_VOTE_NOTARIZE, 1, 1, &blob[k]->hash, ONLY(honest[k]));
            puppet_votes(liar, SLK_VOTE_FINALIZE, 1, 1, &blob[k]->hash, ONLY(honest[k]));
        }
    }
    expect(pass_until_all_at(EVERYBODY, 1, 5000), "both finalise a block");
    expect(oracle_forked(scene.w.oracle) && !one_chain(EVERYBODY), "not the same one");
    heal();
    pass_ms(15000);
    for (int k = 0; k < 2; k++) {
        expect(has_alarm(honest[k], SLK_ALARM_FORK), "%u sees both and says so", honest[k]);
        expect(slk_hash_equal(&shown[honest[k]], &blob[1 - k]->hash), "with the other block's certificate");
    }
    for (int round = 0; round < 2; round++) {
        said = scene.said_n;
        submit(EVERYBODY);
        pass_ms(60000);
        for (size_t i = said; i < scene.said_n; i++)
            expect(false, "%u signs nothing more%s", scene.said[i].process,
                round == 0 ? "" : ", after a restart either");
        for (int k = 0; k < 2; k++) { /* alone from now on: what it saw once has to be enough */
            cut_off(honest[k]);
            stop(honest[k]);
            start(honest[k]);
        }
    }
}

const struct story stories_liars[] = {{30, "twins of f members under partitions, over 12 views", twins},
    {39, "f leaders leave a submission out: the next one includes it", censors},
    {40, "two submissions that exclude each other, at either half", double_numbers},
    {47, "a member does not read: its peers' queues drop, then it is healed", unread_link},
    {48, "a question for every message: I11 fires", get_storm},
    {50, "one member finds a final block invalid", diverges},
    {51, "two blocks are final: who sees both stops, and shows both", too_many_liars}, {0, NULL, NULL}};
