/* net_faults.c: the rows in which something happens to a node. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "bench/net_rows.h"

enum { ALL = (1u << NET_NODES) - 1, BUT_LAST = ALL >> 1, LAST = NET_NODES - 1 };

/* ---- catching up ---- */

/* Asks a node again and again until it is at a height. */
struct catching {
    struct net_client client;
    struct net_loop *loop;
    struct net *net;
    uint64_t height; /* where the others were when it started; moving ones are met at their tip */
    double again, done_at;
};

static double catching_turn(void *self, double now)
{
    struct catching *c = self;

    if (c->done_at > 0 || c->client.is_busy)
        return now + 1;
    if (now >= c->again)
        net_client_ask(&c->client, "GET /metrics", "", (struct slk_span){0});
    return c->client.is_busy ? now + 1 : c->again;
}

static void on_height(struct net_client *client, int status, struct slk_span body)
{
    struct catching *c = client->owner;
    const char *at = NULL;

    c->again = bench_now() + 0.02;
    if (status != 200)
        return;
    client->in[client->head_n + body.size] = '\0'; /* there is room for it */
    at = strstr((const char *)body.at, "\nsillok_height ");
    if (at == NULL || strtoull(at + 15, NULL, 10) < c->height)
        return;
    c->done_at = bench_now();
    c->loop->is_over = true;
}

/* Empties the last node and lets it come to where the others are now; with `load` while they go on. */
static bool catch_up(struct bench *b, const char *what, const struct net_load_options *load, double seconds)
{
    struct catching c = {.net = &b->net};
    struct net_said tip;
    struct net_proc proc;
    struct run r;
    double start;

    memset(&r, 0, sizeof(r));
    net_stop(&b->net, LAST);
    net_empty(&b->net, LAST);
    b->net.nodes[LAST].cpu_before = 0;
    if (load != NULL)
        run_open(&r, b, load, seconds);
    else
        net_loop_init(&r.loop);
    c.loop = &r.loop;
    net_client_init(&c.client, &r.loop, b->net.nodes[LAST].http_port, on_height, &c);
    net_loop_act(&r.loop, catching_turn, &c);
    if (load != NULL) {
        net_load_start(&r.load, seconds);
        net_loop_run(&r.loop, bench_now() + 0.2);
    }
    net_ask_node(&b->net, 0, &tip);
    c.height = tip.height;
    start = bench_now();
    net_start(&b->net, LAST);
    while (c.done_at <= 0 && bench_now() < start + 1800)
        net_loop_run(&r.loop, start + 1800);
    if (c.done_at <= 0)
        bench_die("the new node", "it did not catch up in half an hour");
    net_look(&b->net, LAST, &proc);
    bench_row(what, (double)tip.events_n / (c.done_at - start), "events/s", 60000, true);
    bench_row("    from the start of its process", c.done_at - start, "s", 0, false);
    bench_row("    its processor for an event", proc.cpu_s / (double)tip.events_n * 1e6, "us", 0, false);
    bench_row("    memory", proc.rss_mib, "MiB", 0, false);
    if (load != NULL) { /* the load ends now, not at its time */
        r.load.end = bench_now();
        net_loop_run(&r.loop, bench_now() + 90);
    }
    net_client_close(&c.client);
    if (load != NULL)
        run_close(&r, "catchup");
    else
        net_loop_close(&r.loop);
    return net_check(&b->net, &b->acked, false);
}

bool row_catchup(struct bench *b)
{
    const struct net_load_options small = {.events_n = 1,
        .existing = 0,
        .clients = 32,
        .nodes = BUT_LAST,
        .events_per_s = 100,
        .prepare = 12000};
    struct net_said said;
    struct run fill;
    bool good;

    bench_up(b);
    net_ask_node(&b->net, 0, &said);
    if (said.events_n < b->fill) {
        run_fill(&fill, b, b->fill);
        run_close(&fill, "fill");
        net_ask_node(&b->net, 0, &said);
    }
    printf("catchup: an empty node, %llu events, every signature, rule and root checked\n",
        (unsigned long long)said.events_n);
    good = catch_up(b, "  the others idle", NULL, 0);
    good &= catch_up(b, "  while 100 single events a second are submitted", &small, 1800);
    return good;
}

/* ---- kill ---- */

struct killer {
    struct net *net;
    double start, period, down, next, end;
    unsigned victim, kills;
    bool is_down;
};

static double killer_turn(void *self, double now)
{
    struct killer *k = self;

    if (now < k->next || (!k->is_down && now >= k->end))
        return now < k->next ? k->next : now + 1;
    if (k->is_down) {
        net_start(k->net, k->victim);
        k->next = k->start + k->period * (k->kills + 0.5);
    } else {
        k->victim = k->kills++ % NET_NODES;
        net_signal(k->net, k->victim, SIGKILL);
        net_wait(k->net, k->victim);
        k->next = now + k->down;
    }
    k->is_down = !k->is_down;
    return k->next;
}

bool row_kill(struct bench *b)
{
    double seconds = bench_seconds(b, 600), rate = seconds < 20 ? 200 : 400;
    const struct net_load_options o = {.events_n = 1,
        .existing = 0,
        .clients = 64,
        .nodes = ALL,
        .events_per_s = rate,
        .prepare = rate * seconds * 1.3,
        .receipts = true,
        .moves = true};
    struct killer k = {.net = &b->net, .period = seconds < 60 ? seconds / 2 : 20};
    struct run r;
    bool good;

    printf("kill: a node killed (SIGKILL) every %.0f s, started again %.1f s later, %.0f single events/s, "
           "%.0f s\n",
        k.period, k.period / 4, rate, seconds);
    bench_up(b);
    run_open(&r, b, &o, seconds);
    k.down = k.period / 4;
    k.start = bench_now();
    k.next = k.start + k.period / 2;
    k.end = k.start + seconds;
    net_loop_act(&r.loop, killer_turn, &k);
    run_for(&r, seconds);
    if (k.is_down)
        net_start(&b->net, k.victim);
    bench_row("kills", k.kills, "", 0, false);
    bench_row("final", (double)r.load.events_n / r.seconds, "events/s", 0, false);
    bench_row("longest time without any final answer", r.load.gap, "s", 5, false);
    bench_row("  which began at", r.load.gap_at, "s", 0, false);
    net_times_rows(&r.load.times, "  due to final", 0, 0);
    net_load_rows(&r.load, r.seconds);
    net_watch_rows(&r.watch, r.cpu_s);
    good = net_check(&b->net, &b->acked, true) && r.load.refused_n == 0;
    run_close(&r, "kill");
    return good;
}

/* ---- wan ---- */

bool row_wan(struct bench *b)
{
    double seconds = bench_seconds(b, 120);
    const struct net_load_options o = {.events_n = 1,
        .existing = 30,
        .clients = 64,
        .nodes = ALL,
        .events_per_s = b->line_events_per_s,
        .prepare = b->line_events_per_s * seconds * 2};
    unsigned delta_ms = b->net.delta_ms;
    struct net_lines lines;
    struct run r;
    bool good;

    printf("wan: %.0f ms round trip and %.0f %% of segments lost between all nodes, delta %u ms, %.0f single "
           "events/s, "
           "%.0f s\n",
        1000 * b->line_rtt_s, 100 * b->line_loss, b->line_delta_ms, b->line_events_per_s, seconds);
    for (unsigned i = 0; i < NET_NODES; i++)
        net_stop(&b->net, i);
    net_lines_start(&lines, &b->net, b->line_rtt_s, b->line_loss);
    b->net.delta_ms = b->line_delta_ms;
    bench_up(b);
    run_open(&r, b, &o, seconds);
    run_for(&r, seconds);
    bench_row("final", (double)r.load.events_n / r.seconds, "events/s", 0, false);
    net_times_rows(&r.load.times, "due to final", 2000, 0);
    bench_row("  segments", (double)lines.seen->segments / r.seconds, "/s", 0, false);
    bench_row("  of them lost at least once", 100 * (double)lines.seen->lost / (double)lines.seen->segments,
        "%", 0, false);
    net_load_rows(&r.load, r.seconds);
    net_watch_rows(&r.watch, r.cpu_s);
    good = net_check(&b->net, &b->acked, false) && r.load.refused_n == 0;
    run_close(&r, "wan");
    for (unsigned i = 0; i < NET_NODES; i++)
        net_stop(&b->net, i);
    net_lines_stop(&lines, &b->net);
    b->net.delta_ms = delta_ms;
    return good;
}

/* ---- memory ---- */

/* Stops the last node (SIGSTOP) and lets it go on, in turns: a peer that does not read, for longer than the mesh bears it. */
struct sleeper {
    struct net *net;
    double period, next;
    bool sleeps;
    unsigned times;
};

static double sleeper_turn(void *self, double now)
{
    struct sleeper *s = self;

    if (now < s->next)
        return s->next;
    s->sleeps = !s->sleeps;
    s->times += s->sleeps;
    net_signal(s->net, LAST, s->sleeps ? SIGSTOP : SIGCONT);
    s->next = now + s->period;
    return s->next;
}

/* MiB an hour: a straight line through the samples of the second half (least squares). */
static double slope(const struct net_watch *w, unsigned node)
{
    double n = 0, t = 0, y = 0, tt = 0, ty = 0;

    for (size_t i = w->n / 2; i < w->n; i++) {
        double at = w->samples[i].at - w->samples[0].at, value = w->samples[i].node[node].proc.anon_mib;

        n++;
        t += at;
        y += value;
        tt += at * at;
        ty += at * value;
    }
    return n * tt - t * t > 0 ? (n * ty - t * y) / (n * tt - t * t) * 3600 : 0;
}

static void memory_rows(const struct net_watch *w, double seconds)
{
    double most = 0, rss = 0, steepest = 0;

    for (unsigned i = 0; i < NET_NODES; i++) {
        double s = slope(w, i);

        for (size_t j = 0; j < w->n; j++) {
            const struct net_proc *p = &w->samples[j].node[i].proc;

            most = p->anon_mib > most ? p->anon_mib : most;
            rss = p->rss_mib > rss ? p->rss_mib : rss;
        }
        steepest = i == 0 || s > steepest ? s : steepest;
    }
    bench_row("memory of its own, of the largest node, at most", most, "MiB", 512, false);
    bench_row("  with the ledger's file, as far as the kernel holds it", rss, "MiB", 0, false);
    if (seconds >= 900) /* before that it fills what it will always have */
        bench_row("  grows, in the second half, where it grows fastest", steepest, "MiB/h", 16, false);
}

bool row_memory(struct bench *b)
{
    double seconds = bench_seconds(b, 3600);
    const struct net_load_options o = {.events_n = 100,
        .existing = 100,
        .clients = 8,
        .nodes = BUT_LAST,
        .events_per_s = 2000,
        .prepare = 20000};
    struct net_asker asker = {0};
    struct sleeper s = {.net = &b->net, .period = seconds < 540 ? seconds / 6 : 90};
    struct net_deaf *deaf;
    struct run fill, r;
    bool good;

    printf("memory: 2,000 events/s for %.0f s; 8 clients never read, and one node sleeps %.1f s of every "
           "%.1f s\n",
        seconds, s.period, 2 * s.period);
    bench_up(b);
    run_fill(&fill, b, 2000);
    asker.handles = calloc(1, sizeof(*asker.handles));
    asker.handles_n = 1;
    if (asker.handles == NULL || !net_load_pick(&fill.load, 4, asker.handles[0]))
        bench_die("a credential", "none is in the ledger");
    run_close(&fill, "fill");
    run_open(&r, b, &o, seconds);
    deaf = net_deaf_new(b->net.nodes[0].http_port, &asker);
    net_loop_act(&r.loop, net_deaf_turn, deaf);
    s.next = bench_now() + s.period;
    net_loop_act(&r.loop, sleeper_turn, &s);
    run_for(&r, seconds);
    if (s.sleeps)
        net_signal(&b->net, LAST, SIGCONT);
    bench_row("final", (double)r.load.events_n / r.seconds, "events/s", 0, false);
    memory_rows(&r.watch, seconds);
    bench_row("  connections of the deaf that the node ended", (double)net_deaf_free(deaf), "", 0, false);
    bench_row("  times that one node slept", s.times, "", 0, false);
    free(asker.handles);
    net_times_rows(&r.load.times, "  due to final", 0, 0);
    net_load_rows(&r.load, r.seconds);
    net_watch_rows(&r.watch, r.cpu_s);
    good = net_check(&b->net, &b->acked, false) && r.load.refused_n == 0;
    run_close(&r, "memory");
    return good;
}
