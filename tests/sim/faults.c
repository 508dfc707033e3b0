/* faults.c: what happens to the processes and their lines, until the bad times end; and what must be true then. */
#include <string.h>

#include "tests/sim/world.h"

enum { RATE_SPAN_S = 100, LIVENESS_S = 1800 };

uint64_t faults_s(const struct world *w, uint64_t n)
{
    return n * w->swarm.second_us;
}

uint64_t faults_down(struct world *w)
{
    enum { MEAN_MS = 300 };

    return random_exponential(&w->random, MEAN_MS * w->swarm.second_us / 1000);
}

/* The next time something with `rate` per 100 s happens. */
static void next(struct world *w, enum event_kind kind, unsigned rate, uint64_t number)
{
    struct event event = {.kind = kind, .u.number = number};

    if (rate > 0)
        world_at(w, w->now_us + 1 + random_exponential(&w->random, faults_s(w, RATE_SPAN_S) / rate), &event);
}

void faults_plan(struct world *w)
{
    const struct swarm *s = &w->swarm;

    next(w, EVENT_CRASH, s->crashes * w->processes_n, 0);
    next(w, EVENT_CUT, s->cuts, 0);
    next(w, EVENT_PARTITION, s->partitions, 0);
    next(w, EVENT_PAUSE, s->pauses * w->processes_n, 0);
    next(w, EVENT_CLOCK, s->clocks * w->processes_n, 0);
    next(w, EVENT_SUBMIT, s->submissions * 10, 0);
    next(w, EVENT_GOSSIP, 200 * w->n, 0);
    next(w, EVENT_BREAK, (s->errors + s->fulls) * w->processes_n, 0);
    next(w, EVENT_STORM, s->storms, 0);
    next(w, EVENT_CLOG, s->clogs, 0);
    for (unsigned a = 0; a < w->n && s->one_way > 0; a++)
        for (unsigned b = 0; b < w->n; b++)
            w->one_way[a][b] =
                (uint16_t)(random_chance(&w->random, 300) ? random_below(&w->random, s->one_way) : 0);
    for (unsigned i = 0; i < w->processes_n; i++) {
        struct event event = {.kind = EVENT_LIE, .process = (uint16_t)i};

        if ((w->processes[i]->lies & (LIE_REPLAY | LIE_GARBAGE | LIE_FORGE)) != 0)
            world_at(w, w->now_us + 1, &event);
        event.kind = EVENT_BACKUP;
        if ((w->processes[i]->lies & LIE_BACKUP) != 0)
            world_at(w, w->now_us + random_below(&w->random, s->safety_us), &event);
        w->met[MET_LATE] += faults_late(w, w->processes[i]);
        if (faults_late(w, w->processes[i]))
            faults_start_later(w, w->processes[i], random_below(&w->random, s->safety_us));
    }
}

bool faults_late(const struct world *w, const struct process *p)
{
    return process_honest(p) && p->index < w->n && p->index + w->swarm.late >= w->n;
}

static struct process *any(struct world *w)
{
    return w->processes[random_below(&w->random, w->processes_n)];
}

void faults_start_later(struct world *w, const struct process *p, uint64_t in_us)
{
    struct event event = {.kind = EVENT_START, .process = p->index};

    world_at(w, w->now_us + 1 + in_us, &event);
}

static void crash(struct world *w)
{
    struct process *p = any(w);
    uint64_t down =
        random_chance(&w->random, 300) ? random_below(&w->random, faults_s(w, 20)) : faults_down(w);

    if (!p->is_up)
        return;
    w->met[MET_CRASH]++;
    process_stop(w, p);
    faults_start_later(w, p, down);
}

static void cut(struct world *w)
{
    w->met[MET_CUT]++;
    for (unsigned i = 0; i < w->processes_n; i++) {
        if (!w->processes[i]->is_up)
            continue;
        process_stop(w, w->processes[i]);
        faults_start_later(w, w->processes[i], faults_down(w));
    }
}

static void partition(struct world *w)
{
    uint64_t kind = random_below(&w->random, 5), side = random_bits(&w->random);
    unsigned lone = (unsigned)random_below(&w->random, w->n),
             other = (unsigned)random_below(&w->random, w->n);
    struct event heal = {.kind = EVENT_HEAL};

    for (unsigned a = 0; a < w->n; a++) {
        for (unsigned b = 0; b < w->n; b++) {
            bool apart = (side >> a & 1) != (side >> b & 1);

            w->blocked[a][b] = kind == 0   ? apart                      /* two groups */
                               : kind == 1 ? (a == lone) != (b == lone) /* one alone */
                               : kind == 2 ? a == lone && b != lone     /* hears, is not heard */
                               : kind == 3
                                   ? b == lone && a != lone             /* is heard, hears nothing */
                                   : apart && a != other && b != other; /* a bridge between two groups */
        }
    }
    w->met[MET_PARTITION]++;
    world_trace(w, "lines are cut, kind %u", (unsigned)kind);
    world_at(w, w->now_us + random_exponential(&w->random, w->swarm.apart_us), &heal);
}

static void clog_line(struct world *w)
{
    unsigned a = (unsigned)random_below(&w->random, w->n), b = (unsigned)random_below(&w->random, w->n);

    w->met[MET_CLOG]++;
    w->clogged_until[a][b] = w->now_us + random_below(&w->random, faults_s(w, 5));
}

static void pause_one(struct world *w)
{
    struct process *p = any(w);
    struct event event = {.kind = EVENT_RESUME, .process = p->index};

    if (!p->is_up || p->is_paused)
        return;
    w->met[MET_PAUSE]++;
    p->is_paused = true;
    p->resume_us = w->now_us + 1 + random_exponential(&w->random, faults_s(w, 3));
    world_at(w, p->resume_us, &event);
}

static void set_clock(struct world *w)
{
    enum { SKEW_MS = 40000 };
    struct process *p = any(w);

    w->met[MET_CLOCK]++;
    p->skew_ms = (int64_t)random_below(&w->random, SKEW_MS) - SKEW_MS / 2;
    if (random_chance(&w->random, 100))
        p->skew_ms = -1000000000000; /* the battery of its clock is dead */
}

static void spread(struct world *w, const struct process *from, struct process *to)
{
    struct event event = {.kind = EVENT_POOL, .process = to->index, .u.number = from->member};

    if (!w->is_live && (w->blocked[from->member][to->member] || random_chance(&w->net, w->swarm.loss)))
        return;
    world_at(w, w->now_us + w->swarm.delay_us + random_exponential(&w->net, w->swarm.spread_us), &event);
}

static void submit(struct world *w)
{
    struct process *p = any(w);
    unsigned id = w->submissions_n;

    if (!p->is_up || p->is_frozen || p->is_paused || id == SUBMISSIONS_MAX)
        return;
    w->submissions_n++;
    w->injected_at[id] = w->now_us;
    if (id + 1 < SUBMISSIONS_MAX && w->rival[id] == 0 && random_chance(&w->random, w->swarm.rivals)) {
        w->rival[id] = (uint16_t)(id + 2); /* the next one, before either can be in a block */
        w->rival[id + 1] = (uint16_t)(id + 1);
    }
    ledger_submit(w, p, id);
    for (unsigned i = 0; i < w->processes_n; i++)
        if (w->processes[i] != p)
            spread(w, p, w->processes[i]);
}

static void change(struct world *w, const struct event *event)
{
    unsigned rate = w->swarm.cuts;

    if (event->kind == EVENT_CRASH) {
        crash(w);
        rate = w->swarm.crashes * w->processes_n;
    } else if (event->kind == EVENT_CUT) {
        cut(w);
    } else if (event->kind == EVENT_PARTITION) {
        partition(w);
        rate = w->swarm.partitions;
    } else if (event->kind == EVENT_PAUSE) {
        pause_one(w);
        rate = w->swarm.pauses * w->processes_n;
    } else if (event->kind == EVENT_CLOCK) {
        set_clock(w);
        rate = w->swarm.clocks * w->processes_n;
    } else if (event->kind == EVENT_CLOG) {
        clog_line(w);
        rate = w->swarm.clogs;
    } else {
        faults_disk_event(w, event);
        rate = event->kind == EVENT_STORM   ? w->swarm.storms
               : event->kind == EVENT_BREAK ? (w->swarm.errors + w->swarm.fulls) * w->processes_n
                                            : 0;
    }
    next(w, event->kind, rate, 0);
}

void faults_event(struct world *w, const struct event *event)
{
    if (w->quiet != QUIET_NOT && (event->kind == EVENT_SUBMIT || event->kind == EVENT_GOSSIP)) {
        return;
    } else if (event->kind == EVENT_SUBMIT) {
        submit(w);
        next(w, EVENT_SUBMIT, w->swarm.submissions * 10, 0);
    } else if (event->kind == EVENT_GOSSIP) {
        struct process *from = any(w), *to = any(w);

        if (from != to)
            spread(w, from, to);
        next(w, EVENT_GOSSIP, 200 * w->n, 0);
    } else if (event->kind == EVENT_START) {
        process_start(w, w->processes[event->process]);
    } else if (event->kind == EVENT_RESUME) {
        w->processes[event->process]->is_paused = false;
    } else if (event->kind == EVENT_HEAL) {
        memset(w->blocked, 0, sizeof(w->blocked));
    } else if (!w->is_live) {
        change(w, event);
    }
}

/* Only a random quorum of honest members is made well; the rest stays as it is for ever, except that liars may go on. */
void faults_end(struct world *w)
{
    bool liars_go_on = random_chance(&w->random, 500);
    unsigned honest = 0, well = 0;

    w->is_live = true;
    memset(w->blocked, 0, sizeof(w->blocked));
    for (unsigned i = 0; i < w->processes_n; i++)
        honest += process_honest(w->processes[i]) && w->processes[i]->member < w->n;
    for (unsigned i = 0; i < w->processes_n; i++) {
        struct process *p = w->processes[i];

        if (!process_honest(p)) {
            p->is_frozen = !liars_go_on;
            continue;
        }
        p->is_frozen = p->member < w->n && w->swarm.epoch == 0 && w->swarm.quiet_us == 0 &&
                       random_below(&w->random, honest) >= w->q - well;
        honest -= p->member < w->n;
        if (p->is_frozen)
            continue;
        well += p->member < w->n;
        p->is_paused = false;
        p->skew_ms = 0;
        process_start(w, p);
    }
    w->live_from = w->now_us;
    w->live_height = oracle_decided(w->oracle) + w->swarm.liveness_heights;
    w->live_until_us = w->now_us + LIVENESS_S * 1000 * MS;
    world_trace(w, "the bad times are over; height %llu must be reached", (unsigned long long)w->live_height);
}

/* I8: what f + 1 honest members had on disk when the bad times ended is in every well member's chain. */
static bool nothing_lost(const struct world *w)
{
    uint64_t missing[SUBMISSIONS_MAX / 64] = {0};

    for (unsigned id = 0; id < w->submissions_n; id++) {
        unsigned holders = 0;

        for (unsigned i = 0; i < w->processes_n && w->injected_at[id] < w->live_from; i++)
            holders += process_honest(w->processes[i]) && w->processes[i]->member < w->n &&
                       (w->processes[i]->disk.pool[id / 64] >> (id % 64) & 1) != 0;
        if (holders > w->f)
            missing[id / 64] |= 1ull << (id % 64);
    }
    for (unsigned i = 0; i < w->processes_n; i++) {
        const struct process *p = w->processes[i];

        if (!process_honest(p) || p->is_frozen)
            continue;
        for (unsigned k = 0; k < SUBMISSIONS_MAX / 64; k++)
            if ((missing[k] & ~p->disk.included[k] & ~p->disk.stale[k]) != 0)
                return false;
    }
    return true;
}

static uint64_t fold(uint64_t digest, const void *at, size_t size)
{
    const uint8_t *bytes = at;

    for (size_t i = 0; i < size; i++)
        digest = (digest ^ bytes[i]) * 0x100000001b3u; /* FNV-1a */
    return digest;
}

/* I14: all that honest disks hold of the chain, and what follows from it. */
static void compare_contents(const struct world *w)
{
    for (unsigned i = 0; i < w->processes_n; i++) {
        const struct disk *d = &w->processes[i]->disk;
        uint64_t digest = 0xcbf29ce484222325u;

        if (!process_honest(w->processes[i]))
            continue;
        for (uint64_t h = 1; h <= d->height; h++) {
            digest = fold(digest, d->chain[h]->header, SLK_BLOCK_HEADER_SIZE);
            digest = fold(digest, d->chain[h]->body, d->chain[h]->body_n);
        }
        digest = fold(digest, d->included, sizeof(d->included));
        (void)oracle_content(w->oracle, i, d->height, fold(digest, d->stale, sizeof(d->stale)));
    }
}

/* True when the run is over: everybody who is well got there, or the time is up (I15). */
bool faults_judge(struct world *w)
{
    enum { EVERY = 64, BEYOND_S = 60 };
    uint64_t lowest = UINT64_MAX;

    if (w->quiet != QUIET_NOT)
        return quiet_judge(w);
    if (w->swarm.is_beyond) /* who saw two final blocks stopped at once (process.c); more cannot be asked */
        return w->now_us >= w->live_from + faults_s(w, BEYOND_S);
    if (w->seq % EVERY != 0 && w->now_us <= w->live_until_us)
        return false;
    for (unsigned i = 0; i < w->processes_n; i++)
        if (process_honest(w->processes[i]) && !w->processes[i]->is_frozen &&
            w->processes[i]->disk.height < lowest)
            lowest = w->processes[i]->disk.height;
    if (lowest >= w->live_height && nothing_lost(w)) {
        w->finished_us = w->now_us - w->live_from;
        compare_contents(w);
        return w->swarm.quiet_us == 0 || quiet_judge(w);
    }
    if (w->now_us <= w->live_until_us)
        return false;
    if (lowest >= w->live_height)
        oracle_fail(w->oracle, "I8: a submission that f+1 members held is in no block");
    else
        oracle_fail(w->oracle, "I15: height %llu, not %llu, in %u s of good times",
            (unsigned long long)lowest, (unsigned long long)w->live_height, (unsigned)LIVENESS_S);
    return true;
}
