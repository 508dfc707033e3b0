/* net_watch.c: what the nodes say about themselves, and the kernel about them, at intervals. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/net.h"

enum { TELL_S = 10 };

/* ---- what a node says ---- */

/* The number after `key`, which stands in the text at most once in this form. */
static uint64_t number_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);

    return at != NULL ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* `text` is the metrics', which say all of it at one moment. */
static void read_metrics(struct net_said *out, const char *text)
{
    out->is_up = true;
    out->height = number_after(text, "\nsillok_height ");
    out->events_n = number_after(text, "\nsillok_events_total ");
    out->pool = number_after(text, "\nsillok_pool_submissions ");
    out->owed = number_after(text, "\nsillok_answers_owed ");
    out->peers = number_after(text, "\nsillok_peers ");
    out->behind = number_after(text, "\nsillok_behind ") != 0;
    out->queued = number_after(text, "\nsillok_peer_queued_bytes ");
    out->bytes_in = number_after(text, "\nsillok_peer_bytes_total{direction=\"in\"} ");
    out->bytes_out = number_after(text, "\nsillok_peer_bytes_total{direction=\"out\"} ");
}

void net_ask_node(const struct net *net, unsigned node, struct net_said *out)
{
    uint8_t *text;
    size_t n;

    memset(out, 0, sizeof(*out));
    if (net->nodes[node].pid == 0)
        return;
    if (net_ask(net->nodes[node].http_port, "GET /metrics", "", (struct slk_span){0}, &text, &n) == 200)
        read_metrics(out, (const char *)text);
    free(text);
}

static bool is_settled(struct net *net)
{
    struct net_said said;
    uint64_t height = 0, up = 0, seen = 0;

    for (unsigned i = 0; i < NET_NODES; i++)
        up += net->nodes[i].pid != 0;
    for (unsigned i = 0; i < NET_NODES; i++) {
        if (!net_alive(net, i))
            bench_die("a node", "it ended by itself");
        if (net->nodes[i].pid == 0)
            continue;
        net_ask_node(net, i, &said);
        if (!said.is_up || said.peers != up - 1 || said.behind || said.pool != 0 ||
            (seen > 0 && said.height != height))
            return false;
        height = said.height;
        seen++;
    }
    return true;
}

static void say_all(const struct net *net)
{
    for (unsigned i = 0; i < NET_NODES; i++) {
        struct net_said said;

        net_ask_node(net, i, &said);
        fprintf(stderr, "bench_network: node %u: %s, height %llu, pool %llu, peers %llu%s\n", i + 1,
            said.is_up ? "up" : "down", (unsigned long long)said.height, (unsigned long long)said.pool,
            (unsigned long long)said.peers, said.behind ? ", behind" : "");
    }
}

void net_settle(struct net *net, double seconds)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    double end = bench_now() + seconds;
    bool is_told = false;

    while (!is_settled(net)) {
        if (!is_told && bench_now() > end - seconds + TELL_S) {
            fprintf(stderr, "bench_network: the nodes have not come to agree for %d s:\n", TELL_S);
            say_all(net);
            is_told = true;
        }
        if (bench_now() > end)
            bench_die("the nodes", "they did not come to agree");
        nanosleep(&pause, NULL);
    }
    if (is_told)
        fprintf(stderr, "bench_network: after %.0f s they do\n", bench_now() - end + seconds);
}

/* ---- samples ---- */

static void keep(struct net_watch *w)
{
    if (w->n == w->cap) {
        w->cap = w->cap > 0 ? 2 * w->cap : 64;
        w->samples = realloc(w->samples, w->cap * sizeof(*w->samples));
        if (w->samples == NULL)
            abort();
    }
    w->samples[w->n++] = w->now;
}

static void on_metrics(struct net_client *c, int status, struct slk_span body)
{
    struct net_watch *w = c->owner;
    unsigned node = (unsigned)(c - w->clients);

    if (status == 200) {
        c->in[c->head_n + body.size] = '\0'; /* there is room for it */
        read_metrics(&w->now.node[node].said, (const char *)body.at);
    }
    if (--w->pending == 0)
        keep(w);
}

static void take(struct net_watch *w, double now)
{
    memset(&w->now, 0, sizeof(w->now));
    w->now.at = now;
    for (unsigned i = 0; i < NET_NODES; i++) {
        net_look(w->net, i, &w->now.node[i].proc);
        w->pending += w->net->nodes[i].pid != 0;
    }
    for (unsigned i = 0; i < NET_NODES; i++)
        if (w->net->nodes[i].pid != 0)
            net_client_ask(&w->clients[i], "GET /metrics", "", (struct slk_span){0});
}

/* A node that does not answer (it is stopped) is left out of the sample after a while. */
static void give_up(struct net_watch *w, double now)
{
    if (w->pending == 0 || now < w->now.at + 2)
        return;
    for (unsigned i = 0; i < NET_NODES; i++) {
        if (!w->clients[i].is_busy)
            continue;
        net_client_close(&w->clients[i]);
        net_client_init(&w->clients[i], w->clients[i].loop, w->net->nodes[i].http_port, on_metrics, w);
    }
    w->pending = 0;
    keep(w);
}

static double turn(void *self, double now)
{
    struct net_watch *w = self;

    give_up(w, now);
    for (unsigned i = 0; i < NET_NODES; i++)
        if (!net_alive(w->net, i))
            bench_die("a node", "it ended by itself");
    if (w->pending > 0)
        return now + 0.1;
    if (now >= w->due) {
        w->due = now + w->every_s;
        take(w, now);
    }
    return w->due;
}

void net_watch_begin(
    struct net_watch *w, struct net *net, struct net_loop *loop, double every_s, const char *file)
{
    memset(w, 0, sizeof(*w));
    w->net = net;
    w->every_s = every_s;
    w->file = file;
    for (unsigned i = 0; i < NET_NODES; i++)
        net_client_init(&w->clients[i], loop, net->nodes[i].http_port, on_metrics, w);
    net_loop_act(loop, turn, w);
}

static void write_samples(const struct net_watch *w, const char *row)
{
    FILE *f = fopen(w->file, "a");

    if (f == NULL)
        bench_die(w->file, NULL);
    if (fseek(f, 0, SEEK_END) == 0 && ftell(f) == 0)
        fprintf(f,
            "row,seconds,node,up,height,events,pool,answers_owed,queued_to_peers,bytes_in,bytes_out,cpu_s,"
            "rss_mib,anon_mib,disk_bytes\n");
    for (size_t i = 0; i < w->n; i++)
        for (unsigned j = 0; j < NET_NODES; j++) {
            const struct net_said *s = &w->samples[i].node[j].said;
            const struct net_proc *p = &w->samples[i].node[j].proc;

            fprintf(f, "%s,%.2f,%u,%d,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%.2f,%.1f,%.1f,%.0f\n", row,
                w->samples[i].at - w->samples[0].at, j + 1, s->is_up, (unsigned long long)s->height,
                (unsigned long long)s->events_n, (unsigned long long)s->pool, (unsigned long long)s->owed,
                (unsigned long long)s->queued, (unsigned long long)s->bytes_in,
                (unsigned long long)s->bytes_out, p->cpu_s, p->rss_mib, p->anon_mib, p->written);
        }
    fclose(f);
}

void net_watch_end(struct net_watch *w, const char *row)
{
    if (w->file != NULL && w->n > 0)
        write_samples(w, row);
    for (unsigned i = 0; i < NET_NODES; i++)
        net_client_close(&w->clients[i]);
}

void net_watch_free(struct net_watch *w)
{
    free(w->samples);
    w->samples = NULL;
    w->n = w->cap = 0;
}

/* ---- rows ---- */

/* The mean of the largest pool in the third `part` (0, 1, 2) of the samples. */
static double pool_in(const struct net_watch *w, size_t part)
{
    size_t from = w->n * part / 3, to = w->n * (part + 1) / 3;
    double sum = 0;

    for (size_t i = from; i < to; i++) {
        uint64_t most = 0;

        for (unsigned j = 0; j < NET_NODES; j++)
            most = w->samples[i].node[j].said.pool > most ? w->samples[i].node[j].said.pool : most;
        sum += (double)most;
    }
    return to > from ? sum / (double)(to - from) : 0;
}

static void queue_rows(const struct net_watch *w)
{
    uint64_t queued = 0;

    for (size_t i = 0; i < w->n; i++)
        for (unsigned j = 0; j < NET_NODES; j++)
            queued = w->samples[i].node[j].said.queued > queued ? w->samples[i].node[j].said.queued : queued;
    bench_row("  largest pool, mean of the first third", pool_in(w, 0), "submissions", 0, false);
    bench_row("  of the second", pool_in(w, 1), "submissions", 0, false);
    bench_row("  of the last", pool_in(w, 2), "submissions", 0, false);
    bench_row("  queued to peers, most", (double)queued / 1024, "KiB", 0, false);
}

/* Counters of a node that started again begin at zero: what it counted before is lost with it, and left out. */
static double grown(const struct net_watch *w, unsigned node)
{
    double sum = 0;
    uint64_t last = w->samples[0].node[node].said.bytes_out;

    for (size_t i = 1; i < w->n; i++) {
        const struct net_said *s = &w->samples[i].node[node].said;

        if (!s->is_up)
            continue;
        sum += s->bytes_out >= last ? (double)(s->bytes_out - last) : 0;
        last = s->bytes_out;
    }
    return sum;
}

void net_watch_rows(const struct net_watch *w, double own_cpu_s)
{
    const struct net_sample *a = &w->samples[0], *b = &w->samples[w->n - 1];
    double seconds, events = 0, cpu = 0, most_cpu = 0, bytes = 0, written = 0, peak = 0;

    if (w->n < 2)
        return;
    seconds = b->at - a->at;
    for (unsigned i = 0; i < NET_NODES; i++) {
        double used = b->node[i].proc.cpu_s - a->node[i].proc.cpu_s;
        double grew = (double)b->node[i].said.events_n - (double)a->node[i].said.events_n;

        events = grew > events ? grew : events;
        cpu += used;
        most_cpu = used > most_cpu ? used : most_cpu;
        bytes += grown(w, i);
        written += b->node[i].proc.written > a->node[i].proc.written
                       ? b->node[i].proc.written - a->node[i].proc.written
                       : 0;
        peak = b->node[i].proc.peak_mib > peak ? b->node[i].proc.peak_mib : peak;
    }
    bench_row("  processor of a node, mean, of one core", 100 * cpu / NET_NODES / seconds, "%", 0, false);
    bench_row("  of the busiest one", 100 * most_cpu / seconds, "%", 0, false);
    bench_row("  of the load generator", 100 * own_cpu_s / seconds, "%", 0, false);
    if (events > 0) {
        bench_row("  a node's processor for an event", cpu / NET_NODES / events * 1e6, "us", 0, false);
        bench_row(
            "  bytes a node sends to its peers for an event", bytes / NET_NODES / events, "bytes", 0, false);
        bench_row("  bytes a node writes to its disk for an event", written / NET_NODES / events, "bytes", 0,
            false);
    }
    bench_row(
        "  blocks", (double)(b->node[0].said.height - a->node[0].said.height) / seconds, "/s", 0, false);
    bench_row("  memory of a process at its peak", peak, "MiB", 0, false);
    queue_rows(w);
}
