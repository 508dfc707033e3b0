/* scenario_disk.c: scenarios 29, 31 to 34, 57 and 58: what a disk may do to a vote. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/scenario.h"

/* ---- 29 ---- */

static bool is_held;

static bool no_finalize(unsigned from, unsigned to, const struct slk_msg *msg)
{
    (void)from;
    (void)to;
    return is_held && msg->kind == SLK_MSG_VOTE && msg->vote.statement.kind == SLK_VOTE_FINALIZE;
}

static void counts_as_liar(unsigned i)
{
    process(i)->lies |= LIE_BACKUP;
    scene.w.swarm.lies[i] |= LIE_BACKUP;
}

static bool all_finalized(void)
{
    for (unsigned i = 0; i < 4; i++)
        if (times_said(i, SLK_VOTE_FINALIZE, 1, 1, NULL) == 0)
            return false;
    return true;
}

/* Its votes at the open height are gone with the disk: the others remember. */
static void backup_of_an_open_height(void)
{
    static struct disk backup;
    unsigned said;

    scene_new(4);
    scene.loses = no_finalize;
    is_held = true;
    scene_start();
    pass_ms(30);
    backup = process(3)->disk;
    submit(EVERYBODY);
    expect(pass_until(all_finalized, 2000), "all have voted at height 1");
    stop(3);
    counts_as_liar(3);
    process(3)->disk = backup;
    said = (unsigned)scene.said_n;
    start(3);
    pass_ms(3000);
    expect(has_alarm(3, SLK_ALARM_AMNESIA), "it learns that it forgot");
    is_held = false;
    for (unsigned i = 0; i < 5; i++) {
        submit(EVERYBODY);
        pass_ms(2000);
    }
    for (size_t i = said; i < scene.said_n; i++)
        expect(scene.said[i].process != 3, "it signs nothing any more");
    expect(all_at(7, 3), "the others go on");
    stop(3);
    start(3);
    submit(EVERYBODY);
    pass_ms(3000);
    for (size_t i = said; i < scene.said_n; i++)
        expect(scene.said[i].process != 3, "not after a restart either");
    expect(all_at(EVERYBODY, 4) && one_chain(EVERYBODY), "it follows the chain");
}

/* A day and many blocks: it catches up, the others do not wait. */
static void backup_of_yesterday(void)
{
    static struct disk backup;
    uint64_t height;

    scene_new(4);
    scene_start();
    backup = process(3)->disk;
    for (unsigned i = 0; i < 40; i++) {
        submit(EVERYBODY);
        pass_ms(1000);
    }
    pass_ms(24ull * 3600 * 1000);
    height = process(0)->disk.height;
    expect(height >= 40, "there are 40 blocks");
    stop(3);
    counts_as_liar(3);
    process(3)->disk = backup;
    start(3);
    submit(7);
    expect(pass_until_all_at(7, height + 1, 3000), "the others go on");
    expect(pass_until_all_at(EVERYBODY, height + 1, 60000), "it catches up");
    expect(one_chain(EVERYBODY), "one chain");
}

/* The same key on two machines: the one that did not hear the leader gives view 1 up, and learns later what the other signed. */
static void two_machines(void)
{
    unsigned second;
    size_t said;

    scene_new(4);
    scene.w.swarm.lies[3] = LIE_TWIN;
    counts_as_liar(3);
    second = world_twin(&scene.w, 3);
    scene.loses = no_finalize;
    is_held = true;
    scene_start();
    pass_ms(30);
    cut_off(second);
    submit(EVERYBODY);
    pass_ms(8000);
    expect(times_said(3, SLK_VOTE_NOTARIZE, 1, 1, NULL) == 1, "one machine votes");
    expect(times_said(second, SLK_VOTE_NOTARIZE, 1, 1, NULL) == 0, "the other hears nothing");
    expect(times_said(second, SLK_VOTE_NULLIFY, 1, 1, NULL) == 1, "and gives the view up");
    heal();
    pass_ms(3000);
    expect(has_alarm(second, SLK_ALARM_AMNESIA), "it learns that its key has signed");
    said = scene.said_n;
    stop(second);
    start(second);
    pass_ms(3000);
    expect(is_durable_vote(second, SLK_VOTE_NULLIFY, 1), "the vote is on its disk");
    for (size_t i = said; i < scene.said_n; i++)
        expect(scene.said[i].process != second, "after a restart it signs nothing, not even that again");
    is_held = false;
    submit(EVERYBODY);
    expect(pass_until_all_at(7, 2, 60000), "the network goes on");
    expect(one_chain(EVERYBODY), "one chain");
}

static void amnesia(void)
{
    backup_of_an_open_height();
    backup_of_yesterday();
    two_machines();
}

/* ---- 31 and 32 ---- */

static unsigned broken, writes_n, broken_at;
static bool is_all; /* everybody's power fails with it */

static bool fails_once(struct world *w, struct process *p, const struct transaction *first)
{
    (void)first;
    if (p->index != broken || ++writes_n != broken_at)
        return false;
    for (unsigned i = 0; i < w->processes_n && is_all; i++)
        if (i != broken)
            process_doom(w, w->processes[i]);
    return true;
}

static bool has_broken(void)
{
    return writes_n >= broken_at || all_at(EVERYBODY, 2);
}

/* The k-th transaction of `who` fails. False: there were fewer. */
static bool fail_at(unsigned n, unsigned who, unsigned k, enum fate fate, bool everybody)
{
    size_t said;

    scene_new(n);
    broken = who;
    broken_at = k;
    writes_n = 0;
    is_all = everybody;
    scene.script.in_flight = fate;
    scene.script.writes = fails_once;
    scene_start();
    submit(EVERYBODY);
    pass_ms(100);
    submit(EVERYBODY);
    (void)pass_until(has_broken, 10000);
    if (writes_n < k)
        return false;
    said = scene.said_n;
    expect(!process(who)->is_up, "write %u of %u: it stops", k, who);
    pass_ms(1000);
    for (size_t i = said; i < scene.said_n; i++)
        expect(scene.said[i].process != who, "and signs nothing");
    for (unsigned i = 0; i < n; i++)
        start(i);
    (void)pass_until_all_at(EVERYBODY, 1, 30000);
    submit(EVERYBODY);
    expect(pass_until_all_at(EVERYBODY, 2, 30000), "write %u of %u of %u: goes on", k, who, n);
    expect(one_chain(EVERYBODY), "write %u of %u: one chain", k, who);
    return true;
}

static unsigned fail_everywhere(unsigned n, enum fate fate, bool everybody)
{
    unsigned all = 0;

    for (unsigned who = 0; who < n; who++)
        for (unsigned k = 1; fail_at(n, who, k, fate, everybody); k++)
            all++;
    return all;
}

static bool is_full;

static bool fails_when_full(struct world *w, struct process *p, const struct transaction *first)
{
    (void)w;
    (void)first;
    return is_full && p->index == 3;
}

static void disk_full(void)
{
    size_t said;

    scene_new(4);
    scene.script.writes = fails_when_full;
    is_full = true;
    scene_start();
    said = scene.said_n;
    for (unsigned i = 0; i < 10; i++) {
        submit(EVERYBODY);
        pass_ms(1000);
        start(3); /* somebody restarts it, again and again */
    }
    for (size_t i = said; i < scene.said_n; i++)
        expect(scene.said[i].process != 3, "a full disk, no vote");
    expect(all_at(7, 5), "the others go on");
    is_full = false;
    expect(pass_until_all_at(EVERYBODY, 5, 30000), "with room again it catches up");
    submit(EVERYBODY);
    pass_ms(1000);
    expect(scene.said[scene.said_n - 1].process == 3 ||
               times_said(3, SLK_VOTE_FINALIZE, process(0)->disk.height, 1, NULL) > 0,
        "and votes");
}

static void failing_disks(void)
{
    expect(fail_everywhere(1, FATE_LOST, false) >= 6, "n = 1: three commits a block");
    expect(fail_everywhere(4, FATE_LOST, false) >= 24, "n = 4: three commits a block and member");
    expect(fail_everywhere(4, FATE_KEPT, false) >= 24, "an error that was told after all was written");
    disk_full();
}

static void torn_writes(void)
{
    for (int fate = FATE_KEPT; fate <= FATE_LOST; fate++) {
        expect(fail_everywhere(1, (enum fate)fate, true) >= 6, "n = 1: every commit");
        expect(fail_everywhere(4, (enum fate)fate, true) >= 24, "n = 4: every commit, all lose power");
    }
}

/* ---- 33 ---- */

/* In a process of its own: does the core, or the oracle, notice before anything is signed? */
static bool is_noticed(void (*bend)(struct disk *d))
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        (void)freopen("/dev/null", "w", stderr);
        stop(2);
        bend(&process(2)->disk);
        start(2);
        pass_ms(5000);
        _exit(oracle_verdict(scene.w.oracle) != NULL ? 1 : 0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        abort();
    return WIFSIGNALED(status) || WEXITSTATUS(status) == 1;
}

static struct slk_statement old_vote;

static void keep_old_votes(struct disk *d)
{
    d->votes[d->votes_n++] = old_vote; /* of the height that is committed */
}

static void drop_new_votes(struct disk *d)
{
    d->votes_n = d->certs_n = d->blobs_n = 0; /* of the height that is open */
}

static void nothing(struct disk *d)
{
    (void)d;
}

static void stale_records(void)
{
    scene_new(4);
    scene.loses = no_finalize;
    is_held = false;
    scene_start();
    submit(EVERYBODY);
    expect(pass_until_all_at(EVERYBODY, 1, 5000), "height 1 is decided");
    for (size_t i = 0; i < scene.said_n; i++)
        if (scene.said[i].process == 2 && scene.said[i].s.kind == SLK_VOTE_FINALIZE)
            old_vote = scene.said[i].s;
    is_held = true;
    submit(EVERYBODY);
    pass_ms(1000);
    expect(process(2)->disk.votes_n > 0, "height 2 is open, with votes");
    expect(!is_noticed(nothing), "a sound disk is no finding");
    expect(is_noticed(keep_old_votes), "the ledger ahead of the votes is noticed");
    expect(is_noticed(drop_new_votes), "the votes ahead of the ledger are noticed");
}

/* ---- 57 and 58 ---- */

/* Charters change at height 4, where member 4 takes the place of member 0; one member stops at its k-th transaction. */
static bool change_with_stop(unsigned who, unsigned k, enum fate fate)
{
    enum { CHANGE = 4, LAST = 6 };

    scene_new(5);
    scene_charter(0, 0xf);
    scene_charter(CHANGE, 0x1e);
    broken = who;
    broken_at = k;
    writes_n = 0;
    is_all = false;
    scene.script.in_flight = fate;
    scene.script.writes = fails_once;
    scene_start();
    for (unsigned i = 0; i < LAST; i++) {
        submit(EVERYBODY);
        pass_ms(400);
        start(who);
    }
    if (writes_n < k)
        return false;
    while (process(1)->disk.height < LAST && scene.w.now_us < 60000 * MS) {
        submit(EVERYBODY);
        pass_ms(1000);
    }
    expect(pass_until_all_at(EVERYBODY, LAST, 60000), "stop of %u at its write %u: goes on", who, k);
    expect(one_chain(EVERYBODY), "one chain");
    return true;
}

static void stop_at_a_charter_switch(void)
{
    for (int fate = FATE_KEPT; fate <= FATE_LOST; fate++)
        for (unsigned who = 0; who < 5; who++)
            for (unsigned k = 1; change_with_stop(who, k, (enum fate)fate); k++)
                continue;
}

const struct story stories_disk[] = {
    {29, "a backup is restored, or a key runs twice: silence and AMNESIA", amnesia},
    {31, "EIO and ENOSPC at every commit: it stops before it says anything", failing_disks},
    {32, "power fails at every commit: the last or the previous transaction", torn_writes},
    {33, "ledger and votes out of step are noticed at once", stale_records},
    {57, "a stop at every commit around a charter switch", stop_at_a_charter_switch}, {0, NULL, NULL}};
