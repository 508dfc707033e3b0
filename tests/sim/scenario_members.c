/* scenario_members.c: scenarios 42, 44 and 58: the members change. The rules of a valid change are the ledger's
 * (ledger/core/README.md); here is what they mean to agreement.
 */
#include <string.h>

#include "tests/sim/scenario.h"

/* Submissions at all until `processes` are at `height`; false when that takes more than `seconds`. */
static bool grow_to(uint64_t processes, uint64_t height, unsigned seconds)
{
    for (unsigned i = 0; i < 4 * seconds && !all_at(processes, height); i++) {
        submit(EVERYBODY);
        pass_ms(250);
    }
    return all_at(processes, height);
}

/* ---- 42 ---- */

static unsigned signed_between(unsigned i, uint64_t from, uint64_t to)
{
    unsigned n = 0;

    for (size_t k = 0; k < scene.said_n; k++)
        n += scene.said[k].process == i && scene.said[k].s.height >= from && scene.said[k].s.height < to;
    return n;
}

static void change_members(unsigned all, uint64_t before, uint64_t after)
{
    enum { CHANGE = 4, LAST = 12 };

    scene_new(all);
    scene_charter(0, before);
    scene_charter(CHANGE, after);
    scene_start();
    expect(grow_to(before & after, LAST, 120), "from %llx to %llx: the chain grows",
        (unsigned long long)before, (unsigned long long)after);
    expect(pass_until_all_at(EVERYBODY, LAST, 120000), "and everybody follows");
    for (unsigned i = 0; i < all; i++) {
        expect((signed_between(i, 1, CHANGE) > 0) == ((before >> i & 1) != 0), "%u votes before, or does not",
            i);
        expect((signed_between(i, CHANGE, LAST) > 0) == ((after >> i & 1) != 0),
            "%u votes after, or does not", i);
    }
    expect(one_chain(EVERYBODY), "one chain");
    for (uint64_t h = 1; h <= LAST; h++)
        expect(process(0)->disk.chain[h]->height == h, "no height is skipped");
}

/* Says `kind` at `height` as every index and under both charters, itself and through a liar among the members. */
static void removed_member_votes(
    unsigned member, unsigned relay, enum slk_vote_kind kind, uint64_t height, const struct slk_hash *hash)
{
    static struct slk_msg msg;
    static struct slk_council council;
    uint8_t bytes[SLK_VOTE_BYTES];

    for (uint16_t index = 0; index < 5; index++) {
        for (uint64_t charter_of = height - 1; charter_of <= height; charter_of++) {
            memset(&msg, 0, sizeof(msg));
            msg.kind = SLK_MSG_VOTE;
            msg.vote.signer = index;
            msg.vote.statement =
                (struct slk_statement){.kind = kind, .height = height, .view = 1, .hash = *hash};
            world_council(&scene.w, charter_of, &council);
            slk_statement_bytes(bytes, &council, &msg.vote.statement);
            world_sign(&scene.w, member, bytes, msg.vote.sig);
            puppet_sends(member, &msg, EVERYBODY);
            puppet_sends(relay, &msg, EVERYBODY);
        }
    }
}

/* Two of four members, and one who was removed: three voices, but no quorum. */
static void removed_member_is_not_counted(void)
{
    enum { CHANGE = 5 };
    const struct blob *block = NULL;

    scene_new(5);
    scene_charter(0, 0x1f);
    scene_charter(CHANGE, 0x1e);
    scene_puppet(0);
    scene_start();
    expect(grow_to(0x1e, CHANGE - 1, 30), "four of five decide");
    stop(3);
    process(4)->lies |= LIE_SILENT; /* and 4 is silent from now on */
    scene.w.swarm.lies[4] |= LIE_SILENT;
    stop(4);
    submit(EVERYBODY);
    pass_ms(500);
    for (size_t i = 0; i < scene.said_n; i++)
        for (unsigned k = 0; k < scene.w.blobs_n && scene.said[i].s.height == CHANGE; k++)
            if (slk_hash_equal(&scene.w.blobs[k]->hash, &scene.said[i].s.hash))
                block = scene.w.blobs[k];
    if (!expect(block != NULL, "a block of height 5 is proposed"))
        return;
    for (int kind = SLK_VOTE_NOTARIZE; kind <= SLK_VOTE_FINALIZE; kind++)
        removed_member_votes(
            0, 4, (enum slk_vote_kind)kind, CHANGE, kind == SLK_VOTE_NULLIFY ? &slk_hash_zero : &block->hash);
    pass_ms(5000);
    expect(
        process(1)->disk.height == CHANGE - 1 && process(2)->disk.height == CHANGE - 1, "nothing is decided");
    expect(view_of(1) == 1 && view_of(2) == 1, "no view has ended");
    start(3);
    expect(grow_to(0xe, CHANGE + 2, 60), "with a third member it goes on");
}

static void members_change(void)
{
    change_members(5, 0x1f, 0x1e); /* without the leader of the first height after */
    change_members(7, 0x0f, 0x7f); /* three more */
    change_members(4, 0x01, 0x0f);
    change_members(4, 0x0f, 0x01);
    removed_member_is_not_counted();
}

/* ---- 44 ---- */

/* Member 4 joins at height 4; q becomes 4. `down` are down before that. */
static void joins_and_fails(uint64_t down, bool goes_on)
{
    enum { CHANGE = 4 };
    const uint64_t well = 0x1f & ~down;

    scene_new(5);
    scene_charter(0, 0x0f);
    scene_charter(CHANGE, 0x1f);
    scene_start();
    expect(grow_to(0xf, CHANGE - 2, 20), "the chain grows");
    for (unsigned i = 0; i < 5; i++)
        if ((down >> i & 1) != 0)
            stop(i);
    expect(grow_to(well, CHANGE - 1, 20), "to the last height of the old charter");
    expect(grow_to(well, CHANGE + 1, 20) == goes_on, "without %llx it %s", (unsigned long long)down,
        goes_on ? "goes on" : "halts");
    expect(goes_on || all_at(well, CHANGE - 1), "at the change");
    start(4);
    expect(grow_to(well | ONLY(4), CHANGE + 3, 120), "the new member is back, it goes on");
    for (unsigned i = 0; i < 5; i++)
        start(i);
    expect(pass_until_all_at(EVERYBODY, CHANGE + 3, 60000), "all are back");
    expect(one_chain(EVERYBODY), "one chain");
}

static void newcomer_fails(void)
{
    joins_and_fails(0x10, true);
    joins_and_fails(0x18, false);
}

/* ---- 58 ---- */

static unsigned writes_n, fails_at;

static bool all_fail(struct world *w, struct process *p, const struct transaction *first)
{
    (void)first;
    if (p->index != 1 || ++writes_n != fails_at)
        return false;
    for (unsigned i = 0; i < w->processes_n; i++)
        process_doom(w, w->processes[i]);
    return true;
}

/* All lose power at the k-th commit of member 1. Member 0 leaves and 4 joins at height 5. False: there were fewer. */
static bool cut_before_activation(unsigned k, enum fate fate)
{
    enum { CHANGE = 5, LAST = 7 };

    scene_new(5);
    scene_charter(0, 0x0f);
    scene_charter(CHANGE, 0x1e);
    scene.script.in_flight = fate;
    scene.script.writes = all_fail;
    writes_n = 0;
    fails_at = k;
    scene_start();
    for (unsigned i = 0; i < 240 && !all_at(EVERYBODY, LAST); i++) {
        submit(EVERYBODY);
        pass_ms(400);
        scene_start();
    }
    expect(all_at(EVERYBODY, LAST), "a power cut at commit %u: it goes on", k);
    expect(one_chain(EVERYBODY), "one chain");
    expect(signed_between(0, CHANGE, LAST) == 0 && signed_between(4, 1, CHANGE) == 0,
        "nobody votes where it has no vote");
    return writes_n >= k;
}

static void cuts_before_activation(void)
{
    unsigned n = 0;

    for (int fate = FATE_KEPT; fate <= FATE_LOST; fate++)
        for (unsigned k = 1; cut_before_activation(k, (enum fate)fate); k++)
            n++;
    expect(n > 2 * 3 * 5, "every commit was tried, %u in all", n);
}

const struct story stories_members[] = {
    {42, "members leave and join: the next leader, three more, 1 to 4, 4 to 1", members_change},
    {44, "a member fails as it joins, and a quorum is just missing", newcomer_fails},
    {58, "power fails at every commit before and after a charter change", cuts_before_activation},
    {0, NULL, NULL}};
