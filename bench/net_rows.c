/* net_rows.c: the rows in which nothing happens to the nodes but load. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bench/net_rows.h"

enum { ALL = (1u << NET_NODES) - 1, DRAIN_S = 90, SETTLE_S = 300, ASKERS = 32, PROOFS_CHECKED = 40 };

/* ---- a run ---- */

void bench_up(struct bench *b)
{
    for (unsigned i = 0; i < NET_NODES; i++) {
        if (b->net.nodes[i].pid == 0) {
            net_configure(&b->net, i);
            net_start(&b->net, i);
        }
    }
    net_settle(&b->net, SETTLE_S);
}

double bench_seconds(const struct bench *b, double own)
{
    return b->seconds > 0 ? b->seconds : own;
}

double run_own_cpu(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

void run_open(struct run *r, struct bench *b, const struct net_load_options *options, double seconds)
{
    double every = seconds / 20;

    memset(r, 0, sizeof(*r));
    r->bench = b;
    net_loop_init(&r->loop);
    net_watch_begin(&r->watch, &b->net, &r->loop, every < 0.2 ? 0.2 : every > 10 ? 10 : every, b->samples);
    net_load_open(&r->load, &b->net, &r->loop, options, &b->acked);
}

void run_for(struct run *r, double seconds)
{
    double before = run_own_cpu();

    net_watch_free(&r->watch);
    r->watch.due = 0;
    r->seconds = seconds;
    net_load_start(&r->load, seconds);
    if (!net_loop_run(&r->loop, r->load.end + DRAIN_S))
        bench_die("submissions", "some were not answered within a minute and a half");
    r->cpu_s = run_own_cpu() - before;
}

void run_close(struct run *r, const char *row)
{
    net_watch_end(&r->watch, row);
    net_watch_free(&r->watch);
    net_load_close(&r->load);
    net_loop_close(&r->loop);
}

static double rate_of(const struct run *r)
{
    return (double)r->load.events_n / r->seconds;
}

static bool check_run(struct run *r)
{
    bool good = net_check(&r->bench->net, &r->bench->acked, false);

    good &= net_check_proofs(&r->bench->net, &r->load, PROOFS_CHECKED);
    return good && r->load.refused_n == 0;
}

/* How many clients each submitter needs: the fewest of the powers of two that reach 97 % of the best rate. */
static size_t find_clients(
    struct bench *b, const struct net_load_options *like, size_t from, size_t to, double seconds)
{
    double rates[12], best = 0;
    size_t n = 0;

    for (size_t clients = from; clients <= to; clients *= 2, n++) {
        struct net_load_options o = *like;
        struct run r;
        char label[64];

        o.clients = clients;
        o.prepare = 0;
        run_open(&r, b, &o, seconds);
        run_for(&r, seconds);
        rates[n] = rate_of(&r);
        best = rates[n] > best ? rates[n] : best;
        snprintf(label, sizeof(label), "  %zu under way from each submitter", clients);
        bench_row(label, rates[n], "events/s", 0, false);
        run_close(&r, "find");
    }
    for (size_t i = 0; i < n; i++)
        if (rates[i] >= 0.97 * best)
            return from << i;
    return to;
}

/* As many events as the target asks for, and a fifth more, are signed beforehand. */
static bool row_of_load(
    struct bench *b, const char *name, const struct net_load_options *like, double seconds, double target)
{
    struct net_load_options o = *like;
    struct run r;
    bool good;

    o.prepare = target * seconds * 1.2;
    run_open(&r, b, &o, seconds);
    run_for(&r, seconds);
    bench_row("under way from each submitter", (double)o.clients, "", 0, false);
    bench_row("final events", rate_of(&r), "events/s", target, true);
    net_times_rows(&r.load.times, "  submission to final", 0, 0);
    net_load_rows(&r.load, r.seconds);
    net_watch_rows(&r.watch, r.cpu_s);
    good = check_run(&r);
    run_close(&r, name);
    return good;
}

bool row_batch(struct bench *b)
{
    struct net_load_options o = {.events_n = 500, .existing = 30, .clients = b->clients, .nodes = ALL};
    double seconds = bench_seconds(b, 300);

    printf("batch: submissions of 500 events, four submitters, one at each node, %.0f s\n", seconds);
    bench_up(b);
    if (o.clients == 0)
        o.clients = seconds >= 30 ? find_clients(b, &o, 1, 16, 5) : 4;
    return row_of_load(b, "batch", &o, seconds, 15000);
}

bool row_single(struct bench *b)
{
    struct net_load_options o = {.events_n = 1, .existing = 30, .clients = b->clients, .nodes = ALL};
    double seconds = bench_seconds(b, 60);

    printf("single: submissions of one event, four submitters, one at each node, %.0f s\n", seconds);
    bench_up(b);
    if (o.clients == 0)
        o.clients = seconds >= 30 ? find_clients(b, &o, 16, 512, 5) : 64;
    return row_of_load(b, "single", &o, seconds, 1500);
}

/* ---- latency ---- */

static bool latency_of(struct bench *b, const char *what, const struct net_load_options *o, double seconds)
{
    struct run r;
    bool good;

    run_open(&r, b, o, seconds);
    run_for(&r, seconds);
    bench_row("offered", o->events_per_s, "events/s", 0, false);
    bench_row("final within the time", rate_of(&r), "events/s", 0, false);
    net_times_rows(&r.load.times, what, 150, 600);
    net_load_rows(&r.load, r.seconds);
    net_watch_rows(&r.watch, r.cpu_s);
    good = check_run(&r);
    run_close(&r, "latency");
    return good;
}

bool row_latency(struct bench *b)
{
    const double batches = 3750, singles = 375;
    double seconds = bench_seconds(b, 60);
    struct net_load_options o = {.events_n = 500,
        .existing = 30,
        .clients = 16,
        .nodes = ALL,
        .events_per_s = batches,
        .prepare = batches * seconds * 1.3};
    bool good;

    printf("latency: a quarter of those loads, due at random times (Poisson), from when each was due, %.0f s "
           "each\n",
        seconds);
    bench_up(b);
    good = latency_of(b, "  batches of 500, due to final", &o, seconds);
    o = (struct net_load_options){.events_n = 1,
        .existing = 30,
        .clients = 128,
        .nodes = ALL,
        .events_per_s = singles,
        .prepare = singles * seconds * 1.3};
    return latency_of(b, "  single events, due to final", &o, seconds) && good;
}

/* ---- proofs ---- */

void run_fill(struct run *r, struct bench *b, uint64_t events_n)
{
    struct net_said said;
    struct net_load_options o = {.events_n = 500, .existing = 60, .clients = 4, .nodes = ALL};

    net_ask_node(&b->net, 0, &said);
    o.events_max = events_n > said.events_n ? events_n - said.events_n : 500;
    run_open(r, b, &o, 10);
    run_for(r, 3600);
    net_settle(&b->net, SETTLE_S);
}

static void take_handles(struct net_asker *a, struct net_load *load, size_t n)
{
    uint64_t random = 3;

    a->handles = malloc(n * sizeof(*a->handles));
    if (a->handles == NULL)
        abort();
    for (a->handles_n = 0; a->handles_n < n;) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        a->handles_n += net_load_pick(load, random >> 20, a->handles[a->handles_n]);
    }
}

static bool ask_for(struct run *r, struct net_asker *a, bool history, double seconds, bool with_load)
{
    char label[96];
    struct net_proc before, after;
    double own = run_own_cpu();

    net_look(a->net, 0, &before);
    snprintf(label, sizeof(label), "  %s history, %s", history ? "with" : "no",
        with_load ? "under load" : "no load");
    net_asker_start(a, history, seconds);
    if (with_load)
        run_for(r, seconds + 0.5);
    else
        net_loop_run(&r->loop, bench_now() + seconds + DRAIN_S);
    while (a->in_flight > 0) /* the last answers */
        net_loop_run(&r->loop, bench_now() + 0.2);
    bench_row(label, (double)a->answers_n / seconds, "/s", 15000, true);
    net_times_rows(&a->times, "    asked to answered", 0, with_load ? 10 : 0);
    bench_row(
        "    bytes", a->answers_n > 0 ? (double)a->bytes_n / (double)a->answers_n : 0, "bytes", 0, false);
    bench_row("    told that it is not cosigned yet (503), for each answer",
        a->answers_n > 0 ? (double)a->unsigned_n / (double)a->answers_n : 0, "", 0, false);
    net_look(a->net, 0, &after);
    if (!with_load && a->answers_n > 0) {
        bench_row("    the node's processor for a proof",
            (after.cpu_s - before.cpu_s) / (double)a->answers_n * 1e6, "us", 0, false);
        bench_row("    the asker's", (run_own_cpu() - own) / (double)a->answers_n * 1e6, "us", 0, false);
    }
    if (a->failed_n > 0)
        bench_row("    FAILED", (double)a->failed_n, "", 0, false);
    if (with_load) {
        net_load_rows(&r->load, r->seconds);
        net_watch_rows(&r->watch, r->cpu_s);
    }
    return a->failed_n == 0 && a->answers_n > 0;
}

static bool ask_all(struct run *r, struct net_asker *a, double seconds, bool with_load)
{
    bool good = ask_for(r, a, false, seconds, with_load);

    good &= ask_for(r, a, true, seconds, with_load);
    return good;
}

bool row_proofs(struct bench *b)
{
    double seconds = bench_seconds(b, 20);
    struct net_load_options o = {.events_n = 500,
        .existing = 30,
        .clients = 16,
        .nodes = ALL,
        .events_per_s = 3750,
        .prepare = 3750 * seconds * 2.6};
    struct net_asker asker = {.net = &b->net};
    struct run fill, idle, r;
    bool good;

    printf("proofs: POST /v1/proofs at one node over %u connections that stay, %.0f s each; binary\n", ASKERS,
        seconds);
    bench_up(b);
    run_fill(&fill, b, seconds < 10 ? 4000 : 200000);
    take_handles(&asker, &fill.load, seconds < 10 ? 500 : 20000);
    memset(&idle, 0, sizeof(idle));
    net_loop_init(&idle.loop);
    net_asker_open(&asker, &idle.loop, b->net.nodes[0].http_port, ASKERS);
    good = ask_all(&idle, &asker, seconds, false);
    net_asker_close_clients(&asker);
    net_loop_close(&idle.loop);
    run_open(&r, b, &o, seconds);
    net_asker_open(&asker, &r.loop, b->net.nodes[0].http_port, ASKERS);
    printf("  the same while blocks are committed, 3,750 events/s in batches of 500\n");
    good &= ask_all(&r, &asker, seconds, true);
    net_asker_close_clients(&asker);
    free(asker.handles);
    good &= check_run(&r);
    run_close(&r, "proofs");
    run_close(&fill, "fill");
    return good;
}

/* ---- idle ---- */

static void pause_for(double seconds)
{
    const struct timespec t = {
        .tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};

    nanosleep(&t, NULL);
}

bool row_idle(struct bench *b)
{
    double seconds = bench_seconds(b, 60), start, cpu = 0, in = 0, out = 0;
    struct net_said said[NET_NODES][2];
    struct net_proc proc[NET_NODES][2];

    printf("idle: four nodes, nothing submitted, nobody asks, %.0f s\n", seconds);
    bench_up(b);
    pause_for(seconds < 10 ? 0.2 : 5);
    for (unsigned when = 0; when < 2; when++) {
        if (when == 0)
            start = bench_now();
        else
            pause_for(seconds);
        for (unsigned i = 0; i < NET_NODES; i++) {
            net_ask_node(&b->net, i, &said[i][when]);
            net_look(&b->net, i, &proc[i][when]);
        }
    }
    seconds = bench_now() - start;
    for (unsigned i = 0; i < NET_NODES; i++) {
        double used = 100 * (proc[i][1].cpu_s - proc[i][0].cpu_s) / seconds;
        double came = (double)(said[i][1].bytes_in - said[i][0].bytes_in) / seconds / 1000;
        double went = (double)(said[i][1].bytes_out - said[i][0].bytes_out) / seconds / 1000;

        cpu = used > cpu ? used : cpu;
        in = came > in ? came : in;
        out = went > out ? went : out;
    }
    bench_row("processor of the busiest node, of one core", cpu, "%", 2, false);
    bench_row("bytes to peers, of the one that sends most", out, "kB/s", 5, false);
    bench_row("bytes from peers, of the one that gets most", in, "kB/s", 5, false);
    return true;
}
