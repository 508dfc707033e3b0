#define _XOPEN_SOURCE 700 /* nftw */
#include "bench/net.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ledger/embed/ledger.h"

#define START_S 1767225600u /* 2026-01-01, as stream.c */
#define YEAR_S  (365u * 86400u)

static const char *const names[NET_NODES] = {"interior", "police", "mint", "carrier"};
static const char *const uses[] = {"node", "vote", "log", "cosign"};
enum { USES = 4 };

static void path_of(char out[NET_PATH], const char *root, const char *name)
{
    if (snprintf(out, NET_PATH, "%s/%s", root, name) >= NET_PATH)
        bench_die(root, "the path is too long");
}

static void make_dir(const char *path)
{
    if (mkdir(path, 0700) != 0)
        bench_die(path, NULL);
}

/* ---- keys, charter, directories ---- */

static void key_file(char out[NET_PATH], const struct net *net, unsigned node, unsigned use)
{
    char name[64];

    snprintf(name, sizeof(name), "%s.%s.pem", names[node], uses[use]);
    path_of(out, net->root, name);
}

static void make_key(const struct net *net, unsigned node, unsigned use, uint8_t public[SLK_KEY_SIZE])
{
    char name[64], file[NET_PATH];
    struct slk_fault fault;
    struct slk_key *key;

    snprintf(name, sizeof(name), "%s %s", names[node], uses[use]);
    key = stream_key(name);
    key_file(file, net, node, use);
    if (slk_key_save(key, file, &fault) != SLK_OK)
        bench_die(file, fault.text);
    memcpy(public, slk_key_public(key), SLK_KEY_SIZE);
    slk_key_free(key);
}

/* Each agency votes, and has one issuer. */
static void make_agency(const struct net *net, unsigned node)
{
    struct slk_member *m = &net->charter->members[node];
    struct slk_issuer *i = &net->charter->issuers[node];
    struct slk_key *issuer = stream_key(names[node]);

    m->agency = i->agency = (uint16_t)(node + 1);
    m->role = SLK_VOTING;
    snprintf(m->name, sizeof(m->name), "%s.example", names[node]);
    make_key(net, node, 0, m->node_key);
    make_key(net, node, 1, m->vote_key);
    make_key(net, node, 2, m->log_key);
    make_key(net, node, 3, m->cosign_key);
    memcpy(i->public_key, slk_key_public(issuer), SLK_KEY_SIZE);
    slk_key_free(issuer);
    snprintf(i->name, sizeof(i->name), "%s-office", names[node]);
    i->kinds = SLK_KINDS_ALL;
    i->not_after_s = START_S + 20ull * YEAR_S;
    i->types_n = 1;
    i->types[0] = 1;
}

static void make_charter(struct net *net)
{
    struct slk_charter *c = net->charter = calloc(1, sizeof(*net->charter));
    char policy[8192];
    struct slk_fault fault;
    size_t n;

    net->charter_bytes = malloc(SLK_CHARTER_BYTES_MAX);
    if (c == NULL || net->charter_bytes == NULL)
        abort();
    snprintf(c->origin, sizeof(c->origin), "bench.example/ledger");
    c->version = 1;
    c->created_at_ms = (uint64_t)START_S * 1000;
    c->members_n = c->issuers_n = NET_NODES;
    c->types_n = c->reasons_n = 1;
    for (unsigned i = 0; i < NET_NODES; i++)
        make_agency(net, i);
    c->types[0] = (struct slk_credential_type){.code = 1,
        .name = "resident",
        .max_validity_s = 10ull * YEAR_S,
        .status_list_size = SLK_STATUS_LIST_MAX};
    c->reasons[0] = (struct slk_reason){.code = 1, .name = "LOST"};
    c->block_events = 16384; /* limits and timers as `sillok charter new` proposes them */
    c->block_bytes = 4u << 20;
    c->submission_events = SLK_SUBMISSION_EVENTS_MAX;
    c->delta_ms = 200;
    c->heartbeat_s = 300;
    c->fresh_s = 60;
    slk_charter_sort(c);
    net->charter_size = slk_charter_format(net->charter_bytes, SLK_CHARTER_BYTES_MAX, c);
    if (net->charter_size == 0 ||
        slk_charter_parse(c, slk_span_of(net->charter_bytes, net->charter_size)) != SLK_OK ||
        slk_charter_validate_genesis(c, &fault) != SLK_OK)
        bench_die("charter", "it is not valid");
    slk_charter_chain_id(&net->chain_id, slk_span_of(net->charter_bytes, net->charter_size));
    n = slk_charter_policy(policy, sizeof(policy), c);
    if (n == 0 || slk_policy_new(&net->policy, policy, strlen(policy), &fault) != SLK_OK)
        bench_die("policy", "it is not valid");
}

void net_init_dir(const struct net *net, unsigned node)
{
    const struct slk_ledger_options options = {0};
    struct slk_fault fault = {0};

    if (slk_ledger_init(net->nodes[node].dir, slk_span_of(net->charter_bytes, net->charter_size), &options,
            &fault) != SLK_OK)
        bench_die(net->nodes[node].dir, fault.text);
}

uint16_t net_free_port(int *fd)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);

    *fd = socket(AF_INET, SOCK_STREAM, 0);
    if (*fd < 0 || bind(*fd, (struct sockaddr *)&at, size) != 0 ||
        getsockname(*fd, (struct sockaddr *)&at, &size) != 0)
        bench_die("a port of 127.0.0.1", NULL);
    return ntohs(at.sin_port);
}

static void choose_ports(struct net *net)
{
    int held[2 * NET_NODES]; /* until all are chosen: none twice */

    for (unsigned i = 0; i < NET_NODES; i++) {
        net->nodes[i].peer_port = net_free_port(&held[2 * i]);
        net->nodes[i].http_port = net_free_port(&held[2 * i + 1]);
    }
    for (unsigned i = 0; i < 2 * NET_NODES; i++)
        close(held[i]);
    for (unsigned i = 0; i < NET_NODES; i++)
        for (unsigned j = 0; j < NET_NODES; j++)
            net->nodes[i].dialled[j] = net->nodes[j].peer_port;
}

void net_configure(const struct net *net, unsigned node)
{
    const struct net_node *n = &net->nodes[node];
    FILE *f = fopen(n->config, "w");

    if (f == NULL)
        bench_die(n->config, NULL);
    fprintf(f, "[node]\ndir = %s\nagency = %u\nthreads = %u\n", n->dir, node + 1, net->threads);
    for (unsigned use = 0; use < USES; use++) {
        char file[NET_PATH];

        key_file(file, net, node, use);
        fprintf(f, "%s_key = %s\n", uses[use], file);
    }
    fprintf(f, "[peers]\nlisten = 127.0.0.1:%u\ndelta_ms = %u\n[http]\nlisten = 127.0.0.1:%u\n[addresses]\n",
        n->peer_port, net->delta_ms, n->http_port);
    for (unsigned i = 0; i < NET_NODES; i++)
        if (i != node)
            fprintf(f, "%u = 127.0.0.1:%u\n", i + 1, n->dialled[i]);
    if (fclose(f) != 0)
        bench_die(n->config, NULL);
}

void net_make(struct net *net, const char *root, const char *tools)
{
    static char sillokd[NET_PATH];

    memset(net, 0, sizeof(*net));
    snprintf(net->root, sizeof(net->root), "%s", root);
    path_of(sillokd, tools, "sillokd");
    if (access(sillokd, X_OK) != 0)
        bench_die(sillokd, NULL);
    net->sillokd = sillokd;
    net->threads = 1;
    make_dir(root);
    make_charter(net);
    choose_ports(net);
    for (unsigned i = 0; i < NET_NODES; i++) {
        char name[64];

        path_of(net->nodes[i].dir, root, names[i]);
        snprintf(name, sizeof(name), "%s.ini", names[i]);
        path_of(net->nodes[i].config, root, name);
        snprintf(name, sizeof(name), "%s.log", names[i]);
        path_of(net->nodes[i].log, root, name);
        net_init_dir(net, i);
    }
}

void net_free(struct net *net)
{
    for (unsigned i = 0; i < NET_NODES; i++) {
        if (net->nodes[i].pid > 0) {
            kill(net->nodes[i].pid, SIGKILL);
            waitpid(net->nodes[i].pid, NULL, 0);
        }
    }
    slk_policy_free(net->policy);
    free(net->charter_bytes);
    free(net->charter);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_tree(const char *path)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0)
        bench_die(path, NULL);
}

void net_remove(const struct net *net)
{
    remove_tree(net->root);
}

void net_empty(const struct net *net, unsigned node)
{
    remove_tree(net->nodes[node].dir);
    net_init_dir(net, node);
}

/* ---- processes ---- */

void net_start(struct net *net, unsigned node)
{
    struct net_node *n = &net->nodes[node];
    pid_t parent = getpid();
    int log;

    fflush(stdout);
    n->pid = fork();
    if (n->pid < 0)
        bench_die("fork", NULL);
    if (n->pid > 0)
        return;
    log = open(n->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (log < 0 || dup2(log, STDERR_FILENO) < 0)
        _exit(127);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* no node outlives the benchmark */
    if (getppid() != parent)
        _exit(127);
    execl(net->sillokd, "sillokd", "--config", n->config, (char *)NULL);
    _exit(127);
}

void net_signal(struct net *net, unsigned node, int number)
{
    struct net_proc proc;

    if (net->nodes[node].pid == 0)
        return;
    net_look(net, node, &proc); /* what it used is known for the last time */
    if (number == SIGKILL || number == SIGTERM)
        net->nodes[node].cpu_before = proc.cpu_s;
    kill(net->nodes[node].pid, number);
}

static void say_end(const struct net *net, unsigned node, int status)
{
    char command[NET_PATH + 32];

    fprintf(stderr, "bench_network: the node of %s ended (%s %d); the end of its log:\n", names[node],
        WIFSIGNALED(status) ? "signal" : "exit",
        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    snprintf(command, sizeof(command), "tail -n 12 '%s' >&2", net->nodes[node].log);
    if (system(command) != 0)
        fprintf(stderr, "bench_network: %s cannot be read\n", net->nodes[node].log);
}

void net_wait(struct net *net, unsigned node)
{
    waitpid(net->nodes[node].pid, NULL, 0);
    net->nodes[node].pid = 0;
}

void net_stop(struct net *net, unsigned node)
{
    int status = 0;

    if (net->nodes[node].pid == 0)
        return;
    net_signal(net, node, SIGTERM);
    waitpid(net->nodes[node].pid, &status, 0);
    net->nodes[node].pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        say_end(net, node, status);
        bench_die(names[node], "SIGTERM did not end it cleanly");
    }
}

bool net_alive(struct net *net, unsigned node)
{
    int status;

    if (net->nodes[node].pid == 0 || waitpid(net->nodes[node].pid, &status, WNOHANG) == 0)
        return true;
    net->nodes[node].pid = 0;
    say_end(net, node, status);
    return false;
}

/* ---- /proc ---- */

static FILE *proc_file(pid_t pid, const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    return fopen(path, "r");
}

/* The number after `key` at the beginning of a line. */
static double number_of(pid_t pid, const char *name, const char *key)
{
    char line[256];
    double value = 0;
    FILE *f = proc_file(pid, name);

    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (strncmp(line, key, strlen(key)) == 0)
            value = strtod(line + strlen(key), NULL);
    if (f != NULL)
        fclose(f);
    return value;
}

/* utime and stime of all its threads: fields 14 and 15 (proc(5)), in clock ticks. */
static double cpu_of(pid_t pid)
{
    char line[1024];
    double ticks = 0;
    FILE *f = proc_file(pid, "stat");

    if (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        char *at = strrchr(line, ')'); /* field 2 */

        for (unsigned field = 2; at != NULL && field < 14; field++)
            at = strchr(at + 1, ' ');
        if (at != NULL) {
            ticks = strtod(at, &at);
            ticks += strtod(at, NULL);
        }
    }
    if (f != NULL)
        fclose(f);
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

void net_look(const struct net *net, unsigned node, struct net_proc *out)
{
    pid_t pid = net->nodes[node].pid;

    memset(out, 0, sizeof(*out));
    out->cpu_s = net->nodes[node].cpu_before;
    if (pid == 0)
        return;
    out->cpu_s += cpu_of(pid);
    out->rss_mib = number_of(pid, "status", "VmRSS:") / 1024;
    out->anon_mib = number_of(pid, "status", "RssAnon:") / 1024;
    out->peak_mib = number_of(pid, "status", "VmHWM:") / 1024;
    out->written = number_of(pid, "io", "write_bytes:");
}
