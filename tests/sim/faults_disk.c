/* faults_disk.c: what happens to a process with its disk: errors, no room, an old backup; and storms of restarts. */
#include <stdlib.h>

#include "tests/sim/world.h"

/* EIO or ENOSPC: nothing more is written, nothing said; somebody starts it again (protocol E3). */
bool faults_disk_fails(struct world *w, struct process *p)
{
    bool is_full = w->now_us < p->full_until_us;

    if (w->is_live || (!is_full && !p->is_disk_broken))
        return false;
    if (is_full)
        p->disk.in_flight = NULL; /* an error may come after all was written; this one does not */
    p->is_disk_broken = false;
    w->met[is_full ? MET_FULL : MET_ERROR]++;
    world_trace(w, "the disk of process %u %s", p->index, is_full ? "is full" : "fails");
    process_doom(w, p);
    faults_start_later(w, p, random_exponential(&w->random, faults_s(w, 1)));
    return true;
}

static void break_one(struct world *w)
{
    struct process *p = w->processes[random_below(&w->random, w->processes_n)];

    if (random_below(&w->random, w->swarm.errors + w->swarm.fulls) < w->swarm.errors)
        p->is_disk_broken = true;
    else
        p->full_until_us = w->now_us + random_exponential(&w->random, faults_s(w, 5));
}

/* Everybody restarts every 2 to 5 s, for half a minute. */
static void storm(struct world *w)
{
    enum { STORM_S = 30, LEAST_S = 2, MOST_S = 5 };

    w->met[MET_STORM]++;
    world_trace(w, "a storm of restarts");
    for (unsigned i = 0; i < w->processes_n; i++) {
        struct event event = {.kind = EVENT_STOP, .process = (uint16_t)i};
        uint64_t at_us = 0;

        while (at_us < faults_s(w, STORM_S)) {
            at_us += random_between(&w->random, faults_s(w, LEAST_S), faults_s(w, MOST_S));
            world_at(w, w->now_us + at_us, &event);
        }
    }
}

static void stop_one(struct world *w, struct process *p)
{
    if (!p->is_up)
        return;
    process_stop(w, p);
    faults_start_later(w, p, faults_down(w));
}

static void save(struct process *p)
{
    if (p->backup == NULL)
        p->backup = malloc(sizeof(*p->backup));
    if (p->backup == NULL)
        abort();
    *p->backup = p->disk;
    p->backup->first = p->backup->last = p->backup->in_flight = NULL;
    p->backup->is_busy = false;
}

/* Its operator saves a copy, or starts from the last one. */
static void back_up(struct world *w, struct process *p)
{
    struct event again = {.kind = EVENT_BACKUP, .process = p->index};

    world_at(w, w->now_us + 1 + random_exponential(&w->random, faults_s(w, 6)), &again);
    if (p->backup == NULL || random_chance(&w->random, 400)) {
        save(p);
        return;
    }
    w->met[MET_RESTORE]++;
    world_trace(w, "process %u is restored from a backup of height %llu", p->index,
        (unsigned long long)p->backup->height);
    process_stop(w, p);
    p->disk = *p->backup;
    faults_start_later(w, p, faults_down(w));
}

void faults_disk_event(struct world *w, const struct event *event)
{
    if (event->kind == EVENT_BREAK)
        break_one(w);
    else if (event->kind == EVENT_STORM)
        storm(w);
    else if (event->kind == EVENT_STOP)
        stop_one(w, w->processes[event->process]);
    else if (event->kind == EVENT_BACKUP)
        back_up(w, w->processes[event->process]);
}
