/* quiet.c: hours without work: an idle healthy network says nothing but STATUS, makes a block when a heartbeat is due and
 * not before (I16); and one event after that is final as fast as ever (protocol §2.9).
 */
#include "tests/sim/world.h"

static const uint64_t second_us = 1000 * MS;
enum { SETTLE_S = 180, HEARTBEAT_S = 600 };

static uint64_t lowest(const struct world *w)
{
    uint64_t height = UINT64_MAX;

    for (unsigned i = 0; i < w->processes_n; i++)
        if (w->processes[i]->member < w->n && w->processes[i]->disk.height < height)
            height = w->processes[i]->disk.height;
    return height;
}

static void begin(struct world *w)
{
    w->quiet = QUIET_NOW;
    w->quiet_until_us = w->now_us + w->swarm.quiet_us;
    w->quiet_height = lowest(w);
    w->quiet_words = w->words_n;
}

/* Proposal, votes, and what STATUS answers repeat of them: about ten per pair and block. */
static void judge(struct world *w)
{
    enum { WORDS = 10 };
    uint64_t blocks = lowest(w) - w->quiet_height, words = w->words_n - w->quiet_words;

    if (blocks > w->swarm.quiet_us / (HEARTBEAT_S * second_us) + 1)
        oracle_fail(w->oracle, "I16: %llu blocks in %llu quiet s", (unsigned long long)blocks,
            (unsigned long long)(w->swarm.quiet_us / second_us));
    if (words > WORDS * (blocks + 1) * w->n * w->n)
        oracle_fail(w->oracle, "I16: %llu messages about %llu quiet blocks", (unsigned long long)words,
            (unsigned long long)blocks);
}

/* One event at one process, which nobody else hears of by gossip. */
static void wake_one(struct world *w)
{
    enum { LATENCY_S = 5, DELTAS = 20 };
    struct process *p = w->processes[random_below(&w->random, w->n)];

    if (w->rival[w->submissions_n] != 0 && w->submissions_n + 1 < SUBMISSIONS_MAX)
        w->submissions_n++; /* that one may be excluded already */
    w->quiet = QUIET_OVER;
    w->quiet_height = lowest(w) + 1;
    w->quiet_until_us = w->now_us + LATENCY_S * second_us + DELTAS * w->swarm.delta_ms * MS;
    p->disk.pool[w->submissions_n / 64] |= 1ull << (w->submissions_n % 64);
    w->submissions_n++;
    process_pool(w, p);
}

bool quiet_judge(struct world *w)
{
    if (w->quiet == QUIET_NOT) {
        w->quiet = QUIET_SETTLING;
        w->quiet_until_us = w->now_us + SETTLE_S * second_us;
        return false;
    }
    if (w->quiet == QUIET_OVER && lowest(w) >= w->quiet_height)
        return true;
    if (w->now_us < w->quiet_until_us)
        return false;
    if (w->quiet == QUIET_SETTLING) {
        begin(w);
    } else if (w->quiet == QUIET_NOW) {
        judge(w);
        if (w->submissions_n == SUBMISSIONS_MAX)
            return true;
        wake_one(w);
    } else {
        oracle_fail(w->oracle, "I16: an event after quiet times is not final in time");
        return true;
    }
    return false;
}
