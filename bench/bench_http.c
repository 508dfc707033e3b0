/* bench_http.c: what one node serves to readers of its log: tiles, bundles and checkpoints, to wrk, on this machine.
 *
 *   bench_http [options]
 *
 * One member's ledger is made in this process, fsync on, then sillokd serves it on loopback. What is measured is reading: the node
 * writes nothing meanwhile but its own checkpoint, once a minute. Clients burn the other core, so beside requests a second there are
 * requests in a second of the node's processor, all its threads, from /proc: on a busy machine that alone means something. */
#define _XOPEN_SOURCE 700
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench/net.h"
#include "ledger/embed/ledger.h"

static const char usage[] =
    "usage: bench_http [options]\n"
    "\n"
    "  --tools DIR      where sillokd is: a release build (default: tools beside this program's directory)\n"
    "  --dir DIR        where the ledger goes; must not exist, is removed at the end (default: bench.http)\n"
    "  --entries N      in the log, at least (default: 1000000)\n"
    "  --seconds N      of each case (default: 10)\n"
    "  --connections N  that wrk keeps open (default: 64)\n"
    "  --csv FILE       appends the rows as what,value,unit,target,verdict\n"
    "  --smoke          a small ledger, a second: does it work? Nothing is measured\n"
    "\n"
    "It needs wrk, and openssl(1) for its last rows; without wrk it ends with exit status 77.\n"
    "Exit status: 0 every answer was right, 1 some were not, 2 it could not be tried.\n";

enum { TARGET = 30000, PER_SUBMISSION = 1000 };

struct bench {
    struct net net; /* of its nodes the first alone */
    uint16_t tls_port;
    uint64_t entries_n, full_n; /* in the log; full tiles of level 0 */
    unsigned seconds, connections;
    bool smoke;
};

static struct bench bench = {.entries_n = 1000000, .seconds = 10, .connections = 64};

/* ---- the ledger ---- */

static void count(void *ctx, void *tag, const struct slk_result *result)
{
    (void)tag;
    *(uint64_t *)ctx += result->outcome == SLK_ACCEPTED;
}

static void must(enum slk_err err, const char *what, const struct slk_fault *fault)
{
    if (err != SLK_OK)
        bench_die(what, fault->text[0] != '\0' ? fault->text : slk_err_text(err));
}

/* Until the log has enough entries: events of the other benchmarks, 30 % on existing credentials. */
static void fill(struct slk_ledger *ledger, struct stream *s)
{
    while (slk_ledger_tip(ledger)->log_size < bench.entries_n) {
        size_t ends[50], n = bench.smoke ? 3 : sizeof(ends) / sizeof(ends[0]);
        struct slk_fault fault = {0};
        uint64_t accepted = 0;
        uint8_t *bytes;

        stream_make(s, &bytes, ends, n, PER_SUBMISSION, 30);
        for (size_t i = 0, at = 0; i < n; at = ends[i++])
            must(slk_ledger_push(
                     ledger, slk_span_of(bytes + at, ends[i] - at), NULL, count, &accepted, &fault),
                "push", &fault);
        must(slk_ledger_flush(ledger, &fault), "flush", &fault);
        if (accepted != n)
            bench_die("ledger", "submissions were refused");
        free(bytes);
    }
}

static void save_key(const char *use, struct slk_key *key)
{
    char file[NET_PATH + 16];
    struct slk_fault fault = {0};

    snprintf(file, sizeof(file), "%s/%s.pem", bench.net.root, use);
    must(slk_key_save(key, file, &fault), file, &fault);
}

static void make_ledger(void)
{
    const char *dir = bench.net.nodes[0].dir;
    struct stream s;
    struct slk_ledger_options options = {0};
    struct slk_fault fault = {0};
    struct slk_key *node = stream_key("node");
    struct slk_ledger *ledger;
    double start = bench_now();

    stream_open(&s, 2 * bench.entries_n + 100000);
    options.vote_key = s.vote;
    options.log_key = s.log;
    options.cosign_key = s.cosign;
    must(slk_ledger_init(dir, slk_span_of(s.charter_bytes, s.charter_size), &options, &fault), dir, &fault);
    must(slk_ledger_open(&ledger, dir, &options, &fault), dir, &fault);
    fill(ledger, &s);
    bench.entries_n = slk_ledger_tip(ledger)->log_size;
    bench.full_n = bench.entries_n / 256;
    slk_ledger_close(ledger);
    save_key("vote", s.vote);
    save_key("log", s.log);
    save_key("cosign", s.cosign);
    save_key("node", node);
    slk_key_free(node);
    stream_close(&s);
    printf("ledger: %llu entries, made in %.1f s, full sync\n", (unsigned long long)bench.entries_n,
        bench_now() - start);
}

/* ---- the node ---- */

static bool run_command(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool run_command(const char *format, ...)
{
    char command[3 * NET_PATH];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof(command))
        bench_die("command", "it is too long");
    return system(command) == 0;
}

/* False: no openssl(1), so no TLS. */
static bool make_certificate(void)
{
    return run_command("umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
                       "-days 2 -subj /CN=localhost "
                       "-keyout '%s/tls.key' -out '%s/tls.crt' 2>/dev/null",
        bench.net.root, bench.net.root);
}

static void configure(bool has_tls)
{
    const struct net_node *node = &bench.net.nodes[0];
    const char *root = bench.net.root;
    FILE *f = fopen(node->config, "w");

    if (f == NULL)
        bench_die(node->config, NULL);
    fprintf(f, "[node]\ndir = %s\nagency = 1\nthreads = 1\n", node->dir);
    fprintf(f,
        "vote_key = %s/vote.pem\nlog_key = %s/log.pem\ncosign_key = %s/cosign.pem\nnode_key = %s/node.pem\n",
        root, root, root, root);
    fprintf(f, "[peers]\nlisten = 127.0.0.1:%u\n[http]\nlisten = 127.0.0.1:%u\n", node->peer_port,
        node->http_port);
    if (has_tls)
        fprintf(f, "tls_listen = 127.0.0.1:%u\ncertificate = %s/tls.crt\nkey = %s/tls.key\n", bench.tls_port,
            root, root);
    if (fclose(f) != 0)
        bench_die(node->config, NULL);
}

static void choose_ports(void)
{
    struct net_node *node = &bench.net.nodes[0];
    int held[3];

    node->peer_port = net_free_port(&held[0]);
    node->http_port = net_free_port(&held[1]);
    bench.tls_port = net_free_port(&held[2]);
    for (unsigned i = 0; i < 3; i++)
        close(held[i]);
}

static void start_node(void)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    uint8_t *answer;
    size_t size;
    int status = 0;

    net_start(&bench.net, 0);
    for (unsigned i = 0; i < 1200 && status != 200; i++) {
        if (!net_alive(&bench.net, 0))
            bench_die("sillokd", "it ended by itself");
        status =
            net_ask(bench.net.nodes[0].http_port, "GET /checkpoint", "", slk_span_of("", 0), &answer, &size);
        free(answer);
        nanosleep(&pause, NULL);
    }
    if (status != 200)
        bench_die("sillokd", "no checkpoint within a minute");
}

/* ---- one case ---- */

struct seen {
    double rate, p50_ms, p99_ms;
    unsigned long long requests;
    bool bad;
};

/* "1.23ms", "45.00us", "1.10s" */
static double ms_of(const char *text)
{
    char *unit;
    double value = strtod(text, &unit);

    return strncmp(unit, "us", 2) == 0 ? value / 1000 : unit[0] == 's' ? value * 1000 : value;
}

static void read_wrk(FILE *f, struct seen *seen)
{
    char line[256];
    double rate;

    memset(seen, 0, sizeof(*seen));
    while (fgets(line, sizeof(line), f) != NULL) {
        const char *at = line + strspn(line, " ");

        if (strncmp(at, "50%", 3) == 0)
            seen->p50_ms = ms_of(at + 3);
        else if (strncmp(at, "99%", 3) == 0)
            seen->p99_ms = ms_of(at + 3);
        else if (sscanf(at, "Requests/sec: %lf", &rate) == 1)
            seen->rate = rate;
        else if (strstr(at, "requests in") != NULL)
            seen->requests = strtoull(at, NULL, 10);
        else if (strncmp(at, "Non-2xx", 7) == 0 || strncmp(at, "Socket errors", 13) == 0)
            seen->bad = printf("  wrk: %s", at) > 0;
    }
}

static bool run_wrk(
    struct seen *seen, const char *base, const char *path, const char *options, unsigned connections)
{
    char command[2 * NET_PATH];
    FILE *f;

    snprintf(command, sizeof(command), "wrk -t1 -c%u -d%us --latency %s '%s%s' 2>&1", connections,
        bench.seconds, options, base, path);
    f = popen(command, "r");
    if (f == NULL)
        bench_die("wrk", NULL);
    read_wrk(f, seen);
    return pclose(f) == 0 && seen->requests > 0 && !seen->bad;
}

/* A path's row; `options` for wrk. */
static bool measure(const char *label, const char *base, const char *path, const char *options, double target)
{
    struct net_proc before, after;
    struct seen seen;
    char text[128];
    bool good;

    net_look(&bench.net, 0, &before);
    good = run_wrk(&seen, base, path, options, bench.connections);
    net_look(&bench.net, 0, &after);
    bench_row(label, seen.rate, "/s", 0, false);
    snprintf(text, sizeof(text), "  in a second of the node's processor");
    bench_row(text, (double)seen.requests / (after.cpu_s - before.cpu_s + 1e-9), "/s", target, true);
    snprintf(text, sizeof(text), "  p50, p99");
    printf("  %-58s %12.2f ms, %.2f ms\n", text, seen.p50_ms, seen.p99_ms);
    if (!good)
        printf("  %s: WRONG: errors, or answers that are no 200\n", label);
    return good;
}

/* Is there what is going to be asked for? Its size. */
static size_t look_at(const char *path, const char *fields)
{
    char target[256];
    uint8_t *answer;
    size_t size;

    snprintf(target, sizeof(target), "GET %s", path);
    if (net_ask(bench.net.nodes[0].http_port, target, fields, slk_span_of("", 0), &answer, &size) != 200)
        bench_die(path, "no such answer");
    free(answer);
    return size;
}

/* ---- the table ---- */

#define GZIP "Accept-Encoding: gzip"

static const char *write_script(void)
{
    static char file[NET_PATH + 16];
    FILE *f;

    snprintf(file, sizeof(file), "%s/random.lua", bench.net.root);
    f = fopen(file, "w");
    if (f == NULL)
        bench_die(file, NULL);
    fprintf(f,
        "local asks = {}\n"
        "for i = 0, %llu do\n"
        "  local name = i < 1000 and string.format('%%03d', i) or string.format('x%%03d/%%03d', i / 1000, i "
        "%% 1000)\n"
        "  asks[i + 1] = 'GET /tile/0/' .. name .. ' HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n'\n"
        "end\n"
        "request = function() return asks[math.random(#asks)] end\n",
        (unsigned long long)bench.full_n - 1);
    if (fclose(f) != 0)
        bench_die(file, NULL);
    return file;
}

static void tile_path(char out[80], const char *kind, uint64_t index, unsigned width)
{
    char part[16] = "";

    if (width > 0)
        snprintf(part, sizeof(part), ".p/%u", width);
    if (index < 1000)
        snprintf(out, 80, "/tile/%s/%03u%s", kind, (unsigned)index, part);
    else
        snprintf(out, 80, "/tile/%s/x%03u/%03u%s", kind, (unsigned)(index / 1000 % 1000),
            (unsigned)(index % 1000), part);
}

static bool measure_plain(void)
{
    char base[64], script[NET_PATH + 32], bundle[80], partial[80];
    bool good;

    snprintf(base, sizeof(base), "http://127.0.0.1:%u", bench.net.nodes[0].http_port);
    snprintf(script, sizeof(script), "-s %s", write_script());
    tile_path(bundle, "entries", bench.full_n / 2, 0);
    printf("one connection in turn over %u that stay, wrk with one thread, %u s each\n", bench.connections,
        bench.seconds);
    if (look_at("/tile/0/000", "") != 8192)
        bench_die("/tile/0/000", "it has not 8,192 bytes");
    good = measure("tile of level 0, 8,192 bytes", base, "/tile/0/000", "", TARGET);
    if (bench.smoke)
        return good;
    good &= measure("  any of them, at random", base, "/", script, TARGET);
    if (bench.entries_n >= 65536)
        good &= measure("  of level 1", base, "/tile/1/000", "", TARGET);
    if (bench.entries_n % 256 > 0) {
        tile_path(partial, "0", bench.full_n, (unsigned)(bench.entries_n % 256));
        good &= measure("  the newest, partial", base, partial, "", 0);
    }
    bench_row("bundle", (double)look_at(bundle, ""), "bytes", 0, false);
    good &= measure("bundle of 256 entries", base, bundle, "", TARGET);
    bench_row("bundle, gzip", (double)look_at(bundle, GZIP "\r\n"), "bytes", 0, false);
    good &= measure("bundle of 256 entries, gzip", base, bundle, "-H '" GZIP "'", TARGET);
    bench_row("checkpoint", (double)look_at("/checkpoint", ""), "bytes", 0, false);
    return measure("checkpoint", base, "/checkpoint", "", TARGET) && good;
}

static bool measure_tls(void)
{
    char base[64], bundle[80];
    bool good;

    snprintf(base, sizeof(base), "https://127.0.0.1:%u", bench.tls_port);
    tile_path(bundle, "entries", bench.full_n / 2, 0);
    good = measure("TLS: tile of level 0", base, "/tile/0/000", "", 0);
    good &= measure("TLS: bundle of 256 entries, gzip", base, bundle, "-H '" GZIP "'", 0);
    return measure("TLS: checkpoint", base, "/checkpoint", "", 0) && good;
}

/* ---- the program ---- */

static unsigned long number(const char *text, unsigned long min, unsigned long max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value < min || value > max) {
        fprintf(stderr, "bench_http: %s: write a number from %lu to %lu\n", text, min, max);
        exit(2);
    }
    return value;
}

enum { TOOLS = 1, DIR_OPTION, ENTRIES, SECONDS, CONNECTIONS, CSV, SMOKE, HELP };

static const char *csv, *tools, *dir;

static void take_option(int option)
{
    switch (option) {
    case TOOLS:
        tools = optarg;
        break;
    case DIR_OPTION:
        dir = optarg;
        break;
    case ENTRIES:
        bench.entries_n = number(optarg, 3000, 20000000);
        break;
    case SECONDS:
        bench.seconds = (unsigned)number(optarg, 1, 3600);
        break;
    case CONNECTIONS:
        bench.connections = (unsigned)number(optarg, 1, 1000);
        break;
    case CSV:
        csv = optarg;
        break;
    case SMOKE:
        bench.smoke = true;
        break;
    case HELP:
        fputs(usage, stdout);
        exit(0);
    default:
        fputs("bench_http --help says what it takes\n", stderr);
        exit(2);
    }
}

static void parse_args(int argc, char **argv)
{
    static const struct option options[] = {{"tools", required_argument, NULL, TOOLS},
        {"dir", required_argument, NULL, DIR_OPTION}, {"entries", required_argument, NULL, ENTRIES},
        {"seconds", required_argument, NULL, SECONDS}, {"connections", required_argument, NULL, CONNECTIONS},
        {"csv", required_argument, NULL, CSV}, {"smoke", no_argument, NULL, SMOKE},
        {"help", no_argument, NULL, HELP}, {0}};
    static char beside[NET_PATH], scratch[NET_PATH];
    const char *slash = strrchr(argv[0], '/'), *tmp = getenv("TMPDIR");
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        take_option(option);
    if (optind < argc) {
        fputs(usage, stderr);
        exit(2);
    }
    snprintf(beside, sizeof(beside), "%.*s/../tools", slash == NULL ? 1 : (int)(slash - argv[0]),
        slash == NULL ? "." : argv[0]);
    snprintf(scratch, sizeof(scratch), "%s/bench-http-%ld", tmp != NULL ? tmp : "/tmp", (long)getpid());
    tools = tools != NULL ? tools : beside;
    dir = dir != NULL ? dir : bench.smoke ? scratch : "bench.http";
    if (bench.smoke) {
        bench.entries_n = 3000;
        bench.seconds = 1;
        bench.connections = 8;
    }
}

/* However this ends: no node runs on, no ledger stays behind. */
static void clean_up(void)
{
    net_free(&bench.net);
    net_remove(&bench.net);
}

static void prepare(void)
{
    struct net_node *node = &bench.net.nodes[0];
    static char sillokd[NET_PATH];

    snprintf(sillokd, sizeof(sillokd), "%s/sillokd", tools);
    if (access(sillokd, X_OK) != 0)
        bench_die(sillokd, NULL);
    bench.net.sillokd = sillokd;
    if (mkdir(dir, 0700) != 0)
        bench_die(dir, NULL);
    if (strlen(dir) > NET_PATH - 32)
        bench_die(dir, "the path is too long");
    snprintf(bench.net.root, sizeof(bench.net.root), "%s", dir);
    snprintf(node->dir, sizeof(node->dir), "%.900s/ledger", dir);
    snprintf(node->config, sizeof(node->config), "%.900s/node.ini", dir);
    snprintf(node->log, sizeof(node->log), "%.900s/node.log", dir);
    if (atexit(clean_up) != 0)
        bench_die("atexit", NULL);
}

int main(int argc, char **argv)
{
    bool has_tls, good;

    bench_name = "bench_http";
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    parse_args(argc, argv);
    if (!run_command("command -v wrk >/dev/null")) {
        puts("bench_http: skipped: it needs wrk (apt install wrk)");
        return 77;
    }
    bench_csv = csv == NULL ? NULL : fopen(csv, "a");
    if (csv != NULL && bench_csv == NULL)
        bench_die(csv, NULL);
    bench_machine();
    prepare();
    make_ledger();
    choose_ports();
    has_tls = !bench.smoke && make_certificate();
    configure(has_tls);
    start_node();
    good = measure_plain();
    if (has_tls)
        good &= measure_tls();
    else if (!bench.smoke)
        puts("  no rows of TLS: openssl(1) made no certificate");
    net_stop(&bench.net, 0);
    if (bench_csv != NULL)
        fclose(bench_csv);
    return good ? 0 : 1;
}
