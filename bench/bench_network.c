/* bench_network.c: what four agencies' nodes on this machine do: real processes, real stores, TLS between them, and
 * this program that loads them. fsync is always on.
 *
 *   bench_network [options] ROW...
 *
 * Nothing is taken on trust: at the end of each row all nodes must hold the same log, with every submission that was
 * acknowledged. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/net_rows.h"

static const char usage[] =
    "usage: bench_network [options] ROW...\n"
    "\n"
    "rows: batch single latency catchup proofs idle memory kill wan, or all; they share one ledger, in this "
    "order\n"
    "\n"
    "  --tools DIR      where sillokd is: a release build (default: tools beside this program's directory)\n"
    "  --dir DIR        where four ledgers go; must not exist, is removed at the end (default: "
    "bench.network)\n"
    "  --seconds N      how long a row is measured (default: as its target says)\n"
    "  --clients N      submissions under way from each submitter (default: the fewest that do best; short "
    "runs take some)\n"
    "  --fill N         catchup: events in the ledger (default: 1000000)\n"
    "  --delta N        milliseconds in which a message reaches everybody: [peers] delta_ms (default: 50)\n"
    "  --line-delta N   the same in the row wan (default: 400)\n"
    "  --line-rate N    single events submitted a second in the row wan (default: 4)\n"
    "  --csv FILE       appends the rows as what,value,unit,target,verdict\n"
    "  --samples FILE   appends what the nodes said and used meanwhile\n"
    "  --smoke          every row for a second or less: does it work? Nothing is measured\n"
    "  --keep           leaves the directory\n"
    "\n"
    "Exit status: 0 all that was acknowledged is there, 1 something is missing or wrong, 2 it could not be "
    "tried.\n";

static const struct {
    const char *name;
    bench_row_fn *fn;
    double smoke_s;
} rows[] = {{"batch", row_batch, 0.5}, {"single", row_single, 0.4}, {"latency", row_latency, 0.4},
    {"catchup", row_catchup, 1}, {"proofs", row_proofs, 0.3}, {"idle", row_idle, 0.3},
    {"memory", row_memory, 0.6}, {"kill", row_kill, 1.6}, {"wan", row_wan, 0.6}};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

enum {
    TOOLS = 1,
    DIR_OPTION,
    SECONDS,
    CLIENTS,
    FILL,
    DELTA,
    LINE_DELTA,
    LINE_RATE,
    CSV,
    SAMPLES,
    SMOKE,
    KEEP,
    HELP
};

struct settings {
    const char *tools, *dir, *csv;
    unsigned delta_ms;
    bool smoke, keep, wanted[ROWS];
};

static double number(const char *text, double min, double max)
{
    char *end;
    double value = strtod(text, &end);

    if (*text == '\0' || *end != '\0' || !(value >= min && value <= max)) {
        fprintf(stderr, "bench_network: %s: write a number from %.0f to %.0f\n", text, min, max);
        exit(2);
    }
    return value;
}

static void want(struct settings *set, const char *name)
{
    bool known = false;

    for (size_t i = 0; i < ROWS; i++) {
        if (strcmp(name, "all") == 0 || strcmp(name, rows[i].name) == 0)
            set->wanted[i] = known = true;
    }
    if (!known) {
        fprintf(stderr, "bench_network: %s is no row; see --help\n", name);
        exit(2);
    }
}

static void take_option(struct bench *b, struct settings *set, int option)
{
    switch (option) {
    case TOOLS:
        set->tools = optarg;
        break;
    case DIR_OPTION:
        set->dir = optarg;
        break;
    case SECONDS:
        b->seconds = number(optarg, 0.1, 86400);
        break;
    case CLIENTS:
        b->clients = (size_t)number(optarg, 1, NET_CLIENTS_MAX);
        break;
    case FILL:
        b->fill = (uint64_t)number(optarg, 1000, 5e6);
        break;
    case DELTA:
        set->delta_ms = (unsigned)number(optarg, 10, 60000);
        break;
    case LINE_DELTA:
        b->line_delta_ms = (unsigned)number(optarg, 10, 60000);
        break;
    case LINE_RATE:
        b->line_events_per_s = number(optarg, 0.1, 1000);
        break;
    case CSV:
        set->csv = optarg;
        break;
    case SAMPLES:
        b->samples = optarg;
        break;
    case SMOKE:
        set->smoke = true;
        break;
    case KEEP:
        set->keep = true;
        break;
    case HELP:
        fputs(usage, stdout);
        exit(0);
    default:
        fputs("bench_network --help says what it takes\n", stderr);
        exit(2);
    }
}

static void parse_args(struct bench *b, struct settings *set, int argc, char **argv)
{
    static const struct option options[] = {{"tools", required_argument, NULL, TOOLS},
        {"dir", required_argument, NULL, DIR_OPTION}, {"seconds", required_argument, NULL, SECONDS},
        {"clients", required_argument, NULL, CLIENTS}, {"fill", required_argument, NULL, FILL},
        {"delta", required_argument, NULL, DELTA}, {"line-delta", required_argument, NULL, LINE_DELTA},
        {"line-rate", required_argument, NULL, LINE_RATE}, {"csv", required_argument, NULL, CSV},
        {"samples", required_argument, NULL, SAMPLES}, {"smoke", no_argument, NULL, SMOKE},
        {"keep", no_argument, NULL, KEEP}, {"help", no_argument, NULL, HELP}, {0}};
    static char tools[NET_PATH];
    char *slash = strrchr(argv[0], '/');
    int option;

    snprintf(tools, sizeof(tools), "%.*s/../tools", slash == NULL ? 1 : (int)(slash - argv[0]),
        slash == NULL ? "." : argv[0]);
    set->tools = tools;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        take_option(b, set, option);
    for (int i = optind; i < argc; i++)
        want(set, argv[i]);
    if (optind == argc && set->smoke)
        want(set, "all");
    else if (optind == argc) {
        fputs(usage, stderr);
        exit(2);
    }
}

static void more_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool run_rows(struct bench *b, const struct settings *set)
{
    bool good = true;

    for (size_t i = 0; i < ROWS; i++) {
        double start = bench_now();
        bool row_good;

        if (!set->wanted[i])
            continue;
        if (set->smoke)
            b->seconds = rows[i].smoke_s;
        if (bench_csv != NULL)
            fprintf(bench_csv, "\"%s\",,,,\n", rows[i].name); /* what follows is of this row */
        row_good = rows[i].fn(b);
        printf("%s: %s in %.1f s, with all that was prepared and checked\n", rows[i].name,
            row_good ? "done" : "WRONG", bench_now() - start);
        good &= row_good;
    }
    return good;
}

static struct bench bench = {
    .fill = 1000000, .line_delta_ms = 400, .line_events_per_s = 4, .line_rtt_s = 0.2, .line_loss = 0.1};
static struct settings settings = {.delta_ms = 50};

/* However this ends: no node runs on, no ledger stays behind. */
static void clean_up(void)
{
    if (bench.net.root[0] == '\0')
        return;
    net_free(&bench.net);
    if (!settings.keep)
        net_remove(&bench.net);
}

static const char *scratch_dir(void)
{
    static char dir[NET_PATH];
    const char *tmp = getenv("TMPDIR");

    snprintf(dir, sizeof(dir), "%s/bench-network-%ld", tmp != NULL ? tmp : "/tmp", (long)getpid());
    return dir;
}

static void begin(struct bench *b, const struct settings *set)
{
    if (set->smoke) {
        b->fill = 3000;
        b->line_rtt_s = 0.02;
        b->line_loss = 0.02;
        b->line_events_per_s = 20;
    }
    bench_csv = set->csv == NULL ? NULL : fopen(set->csv, "a");
    if (set->csv != NULL && bench_csv == NULL)
        bench_die(set->csv, NULL);
    more_files();
    bench_machine();
    printf("  network     four sillokd from %s on loopback, TLS between them, one thread for signatures, "
           "delta %u ms\n",
        set->tools, set->delta_ms);
    printf("probes\n");
    bench_disk(set->dir);
    net_make(&b->net, set->dir, set->tools);
    b->net.delta_ms = set->delta_ms;
    if (atexit(clean_up) != 0)
        bench_die("atexit", NULL);
}

int main(int argc, char **argv)
{
    bool good;

    bench_name = "bench_network";
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    parse_args(&bench, &settings, argc, argv);
    if (settings.dir == NULL)
        settings.dir = settings.smoke ? scratch_dir() : "bench.network";
    begin(&bench, &settings);
    good = run_rows(&bench, &settings);
    for (unsigned i = 0; i < NET_NODES; i++)
        net_stop(&bench.net, i);
    free(bench.acked.keys);
    free(bench.acked.found);
    if (bench_csv != NULL)
        fclose(bench_csv);
    return good ? 0 : 1;
}
