/* bench_ledger.c: what one ledger on this machine does: ingest, proofs, audit, start, memory, disk. fsync is always on.
 *
 *   bench_ledger [--credentials N] [--dir DIR] [--csv FILE] [--growth FILE] [--audit-all]
 *
 * Events are made and signed before each timed piece; parsing, signature checks, rules, hashing and the commit are timed. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/machine.h"
#include "bench/stream.h"
#include "ledger/core/fastsig.h"
#include "ledger/core/multihash.h"
#include "ledger/embed/ledger.h"
#include "ledger/verify/policy.h"

#define HISTORY_CREDENTIALS 2000 /* get a history of exactly five events */
#define COSIGNERS           4

static double now(void)
{
    return bench_now();
}

static void die(const char *what, const struct slk_fault *fault)
{
    bench_die(what, fault == NULL ? NULL : fault->text);
}

static void row(const char *what, double value, const char *unit, double target, bool at_least)
{
    bench_row(what, value, unit, target, at_least);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void probe(const char *dir, const struct stream *s)
{
    uint8_t message[84] = {0}, sig[64];
    static struct slk_hash pairs[2048], out[1024];
    double start;
    int good = 0;

    printf("probes\n");
    bench_disk(dir);
    if (slk_key_sign(s->issuer, sig, message, sizeof(message)) != SLK_OK)
        exit(2);
    start = now();
    for (int i = 0; i < 2000; i++)
        good += slk_fastsig_verify(sig, message, sizeof(message), slk_key_public(s->issuer));
    row("Ed25519 check, libsodium", (now() - start) / good * 1e6, "us", 0, false);
    start = now();
    for (int i = 0; i < 200; i++)
        slk_multihash_nodes(out, pairs, 1024);
    row("SHA-256 of a tree node, batched", (now() - start) / (200 * 1024) * 1e9, "ns", 0, false);
}

/* ---- ingest ---- */

struct tally {
    uint64_t accepted, other;
};

static void count(void *ctx, void *tag, const struct slk_result *result)
{
    struct tally *tally = ctx;

    (void)tag;
    if (result->outcome == SLK_ACCEPTED)
        tally->accepted++;
    else
        tally->other++;
}

/* Ingests events_n events and returns the seconds it took, flush included. */
static double ingest(struct slk_ledger *ledger, struct stream *s, size_t submissions_n, size_t per, unsigned existing)
{
    size_t *ends = malloc(submissions_n * sizeof(*ends));
    struct tally tally = {0};
    struct slk_fault fault;
    uint8_t *bytes;
    double start, took;

    stream_make(s, &bytes, ends, submissions_n, per, existing);
    start = now();
    for (size_t i = 0, at = 0; i < submissions_n; at = ends[i++]) {
        if (slk_ledger_push(ledger, slk_span_of(bytes + at, ends[i] - at), NULL, count, &tally, &fault) != SLK_OK)
            die("push", &fault);
    }
    if (slk_ledger_flush(ledger, &fault) != SLK_OK)
        die("flush", &fault);
    took = now() - start;
    if (tally.other != 0 || tally.accepted != submissions_n) {
        fprintf(stderr, "bench_ledger: %llu submissions were refused\n", (unsigned long long)tally.other);
        exit(2);
    }
    free(bytes);
    free(ends);
    return took;
}

static double rate(struct slk_ledger *ledger, struct stream *s, size_t events_n, size_t per)
{
    return (double)events_n / ingest(ledger, s, events_n / per, per, 30);
}

/* A million events in `CHUNKS` parts; the rate of all of it, and the median cost of an event: what growth is judged by,
 * since one slow second of a shared disk is not growth. */
static double rate_of_chunks(struct slk_ledger *ledger, struct stream *s, double *median_s)
{
    enum { CHUNKS = 8, EVENTS = 125000, PER = 1000 };
    double costs[CHUNKS], sum = 0;

    for (int i = 0; i < CHUNKS; i++) {
        double took = ingest(ledger, s, EVENTS / PER, PER, 30);

        costs[i] = took / EVENTS;
        sum += took;
    }
    qsort(costs, CHUNKS, sizeof(costs[0]), by_size);
    *median_s = (costs[CHUNKS / 2 - 1] + costs[CHUNKS / 2]) / 2;
    return CHUNKS * EVENTS / sum;
}

static void grow_to(struct slk_ledger *ledger, struct stream *s, uint64_t credentials, FILE *growth)
{
    const size_t chunk = 250000;

    while (s->issued_n < credentials) {
        double took = ingest(ledger, s, chunk / 1000, 1000, 30);

        if (growth != NULL) {
            fprintf(growth, "%llu,%.1f\n", (unsigned long long)slk_ledger_credentials_n(ledger), took / (double)chunk * 1e9);
            fflush(growth);
        }
        if (isatty(2))
            fprintf(stderr, "\r%llu credentials ", (unsigned long long)s->issued_n);
    }
    if (isatty(2))
        fprintf(stderr, "\r%40s\r", "");
}

/* The first HISTORY_CREDENTIALS credentials get a history of five events or a little more. */
static void make_histories(struct slk_ledger *ledger, struct stream *s)
{
    struct tally tally = {0};
    struct slk_fault fault;
    uint8_t bytes[1024];
    size_t size;

    for (uint64_t i = 0; i < HISTORY_CREDENTIALS; i++) {
        while (s->counts[i] < 5) {
            stream_make_for(s, i, bytes, sizeof(bytes), &size);
            if (slk_ledger_push(ledger, slk_span_of(bytes, size), NULL, count, &tally, &fault) != SLK_OK)
                die("push", &fault);
        }
    }
    if (slk_ledger_flush(ledger, &fault) != SLK_OK || tally.other != 0)
        die("flush", &fault);
}

/* ---- proofs ---- */

static double prove_rate(struct slk_ledger *ledger, struct stream *s, bool history, size_t n)
{
    struct slk_fault fault;
    uint8_t handle[SLK_HANDLE_SIZE], *proof;
    size_t size;
    double start = now();

    for (size_t i = 0; i < n; i++) {
        stream_handle(handle, history ? i % HISTORY_CREDENTIALS : (stream_random(s) >> 8) % s->issued_n);
        if (slk_ledger_prove(ledger, handle, history, SLK_BINARY, &proof, &size, &fault) != SLK_OK)
            die("prove", &fault);
        free(proof);
    }
    return (double)n / (now() - start);
}

static struct slk_key *cosigner(unsigned i)
{
    uint8_t seed[32] = {(uint8_t)(i + 1), 0xc0};
    struct slk_key *key;

    if (slk_key_from_seed(&key, seed) != SLK_OK)
        exit(2);
    return key;
}

/* A note over the proof's tree head, signed by the log and `n` cosigners; the policy asks for all of them. */
static size_t make_note(const struct stream *s, const struct slk_proof *proof, unsigned n, uint8_t *out, size_t cap, char *policy, size_t policy_cap)
{
    struct slk_writer w = {.at = out, .cap = cap};
    struct slk_checkpoint checkpoint = {.origin = proof->origin, .head = proof->head};
    uint8_t blob[SLK_NOTE_BLOB_MAX], message[1024];
    char vkey_text[SLK_VKEY_MAX], name[32], group[256] = "";
    struct slk_vkey vkey;
    struct slk_span text;
    uint64_t time_s = (uint64_t)time(NULL);
    int used;

    w.size = slk_checkpoint_format((char *)out, &checkpoint);
    text = slk_span_of(out, w.size);
    slk_write_u8(&w, '\n');
    if (slk_vkey_init(&vkey, s->charter->origin, SLK_SIG_ED25519, slk_key_public(s->log)) != SLK_OK)
        exit(2);
    slk_put_u32(blob, vkey.key_hash);
    if (slk_key_sign(s->log, blob + 4, text.at, text.size) != SLK_OK)
        exit(2);
    slk_note_write_sig(&w, vkey.name, strlen(vkey.name), blob, 68);
    slk_vkey_format(vkey_text, &vkey);
    used = snprintf(policy, policy_cap, "log %s\n", vkey_text);
    for (unsigned i = 0; i < n; i++) {
        struct slk_key *key = cosigner(i);
        size_t size = slk_cosign_message(message, sizeof(message), time_s, text);

        snprintf(name, sizeof(name), "agency-%u.example", i);
        if (slk_vkey_init(&vkey, name, SLK_SIG_COSIGNATURE_V1, slk_key_public(key)) != SLK_OK)
            exit(2);
        slk_put_u32(blob, vkey.key_hash);
        slk_put_u64(blob + 4, time_s);
        if (slk_key_sign(key, blob + 12, message, size) != SLK_OK)
            exit(2);
        slk_note_write_sig(&w, name, strlen(name), blob, 76);
        slk_vkey_format(vkey_text, &vkey);
        used += snprintf(policy + used, policy_cap - (size_t)used, "witness a%u %s\n", i, vkey_text);
        snprintf(group + strlen(group), sizeof(group) - strlen(group), " a%u", i);
        slk_key_free(key);
    }
    snprintf(policy + used, policy_cap - (size_t)used, "group all-agencies all%s\nquorum all-agencies\n", group);
    return w.size;
}

/* The same proof with `n` cosignatures; its size. */
static size_t cosign_proof(const struct stream *s, const uint8_t *proof, size_t proof_size, unsigned n, uint8_t *out, size_t cap, char *policy,
    size_t policy_cap)
{
    static struct slk_proof parsed;
    static struct slk_span events[SLK_PROOF_EVENTS_MAX];
    static uint8_t note[8192];
    struct slk_proof_parts parts = {0};
    struct slk_span rest;

    if (slk_proof_parse(&parsed, slk_span_of(proof, proof_size), NULL, 0) != SLK_OK)
        exit(2);
    rest = parsed.events;
    while (slk_proof_next_event(&events[parts.events_n], &rest))
        parts.events_n++;
    parts.note = slk_span_of(note, make_note(s, &parsed, n, note, sizeof(note), policy, policy_cap));
    parts.path = parsed.path;
    parts.path_n = parsed.path_n;
    parts.seal = parsed.seal;
    parts.map_proof = parsed.map_proof;
    parts.events = events;
    return slk_proof_format_binary(out, cap, &parts);
}

static void proof_sizes(struct slk_ledger *ledger, struct stream *s)
{
    static uint8_t out[1u << 20];
    char policy[4096];
    double sum = 0, most = 0;
    const int n = 500;

    for (int i = 0; i < n; i++) {
        uint8_t handle[SLK_HANDLE_SIZE], *proof;
        struct slk_fault fault;
        size_t size;

        stream_handle(handle, (stream_random(s) >> 8) % s->issued_n);
        if (slk_ledger_prove(ledger, handle, false, SLK_BINARY, &proof, &size, &fault) != SLK_OK)
            die("prove", &fault);
        size = cosign_proof(s, proof, size, 3, out, sizeof(out), policy, sizeof(policy));
        sum += (double)size;
        most = (double)size > most ? (double)size : most;
        free(proof);
    }
    row("status proof, binary, 3 cosignatures, no history: mean", sum / n, "bytes", 2600, false);
    row("status proof, binary, 3 cosignatures, no history: largest", most, "bytes", 2600, false);
}

static void verify_times(struct slk_ledger *ledger, struct stream *s)
{
    static uint8_t out[1u << 20], message[512];
    struct slk_verify_options options = {.now_s = (uint64_t)time(NULL)};
    uint8_t handle[SLK_HANDLE_SIZE], *proof, sig[64];
    struct slk_policy *policy;
    struct slk_answer answer;
    struct slk_fault fault;
    char text[4096];
    size_t size;
    double whole = 1e9, alone = 1e9;
    bool good = true;

    stream_handle(handle, 7);
    if (slk_ledger_prove(ledger, handle, true, SLK_BINARY, &proof, &size, &fault) != SLK_OK)
        die("prove", &fault);
    size = cosign_proof(s, proof, size, COSIGNERS, out, sizeof(out), text, sizeof(text));
    free(proof);
    if (slk_policy_new(&policy, text, strlen(text), &fault) != SLK_OK || slk_key_sign(s->log, sig, message, 220) != SLK_OK)
        die("policy", &fault);
    for (int turn = 0; turn < 9; turn++) { /* in turn, least of each: the machine's noise hits both */
        const int n = 100;
        double start = now(), took;

        for (int i = 0; i < n; i++) {
            if (slk_verify_status(&answer, slk_span_of(out, size), handle, policy, &options) != SLK_OK) {
                fprintf(stderr, "bench_ledger: %s %s\n", slk_err_text(answer.why), answer.detail);
                exit(2);
            }
            slk_answer_clear(&answer);
        }
        took = (now() - start) / n;
        whole = took < whole ? took : whole;
        start = now();
        for (int i = 0; i < n * (COSIGNERS + 1); i++)
            good &= slk_sig_verify(sig, message, 220, slk_key_public(s->log));
        took = (now() - start) / n;
        alone = took < alone ? took : alone;
    }
    assert(good);
    row("status proof check, 4 cosignatures + log, 5 events", whole * 1e6, "us", 0, false);
    row("the same: ratio to its 5 signature checks alone", whole / alone, "x", 1.15, false);
    slk_policy_free(policy);
}

static void map_rates(struct slk_ledger *ledger, struct stream *s, const struct slk_map *map)
{
    uint8_t handle[SLK_HANDLE_SIZE], out[SLK_MAP_PROOF_MAX], tail[SLK_RECORD_SIZE] = {1};
    struct slk_map_walk walk;
    struct slk_hash path;
    const int n = 400000;
    double start = now();

    for (int i = 0; i < n; i++) {
        stream_handle(handle, (stream_random(s) >> 8) % s->issued_n);
        slk_hash_bytes(&path, handle, sizeof(handle));
        slk_map_walk(map, &path, &walk);
        if (slk_map_proof_format(out, sizeof(out), &walk, slk_span_of(tail, sizeof(tail))) == 0)
            exit(2);
    }
    row("map proofs built in process", n / (now() - start), "/s", 200000, true);
    row("status proofs built, with the record", prove_rate(ledger, s, false, 100000), "/s", 50000, true);
    row("status proofs built, with a history of 5", prove_rate(ledger, s, true, 50000), "/s", 25000, true);
}

/* ---- start, memory, audit: in processes of their own ---- */

static double status_kib(const char *key)
{
    char line[256];
    double kib = 0;
    FILE *f = fopen("/proc/self/status", "r");

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0)
            kib = strtod(line + strlen(key) + 1, NULL);
    }
    if (f != NULL)
        fclose(f);
    return kib;
}

static int child_open(const char *dir)
{
    struct slk_ledger_options options = {.read_only = true};
    struct slk_ledger *ledger;
    struct slk_fault fault;
    double start = now();

    if (slk_ledger_open(&ledger, dir, &options, &fault) != SLK_OK)
        die(dir, &fault);
    printf("%f %f %f\n", now() - start, status_kib("RssAnon"), (double)slk_ledger_memory(ledger));
    slk_ledger_close(ledger);
    return 0;
}

static int child_audit(const char *dir)
{
    struct slk_fault fault;
    struct slk_tip tip;
    uint64_t events_n;
    double start = now();

    if (slk_ledger_audit(dir, NULL, 0, &tip, &events_n, NULL, NULL, &fault) != SLK_OK)
        die(dir, &fault);
    printf("%f %f 0\n", now() - start, (double)events_n);
    return 0;
}

static void run_child(const char *self, const char *what, const char *dir, double figures[3])
{
    char command[8400];
    FILE *p;

    snprintf(command, sizeof(command), "'%s' %s '%s'", self, what, dir);
    fflush(stdout);
    p = popen(command, "r");
    if (p == NULL || fscanf(p, "%lf %lf %lf", &figures[0], &figures[1], &figures[2]) != 3 || pclose(p) != 0)
        die(command, NULL);
}

static double file_size(const char *dir, const char *name)
{
    char file[4200];
    struct stat st;

    snprintf(file, sizeof(file), "%s/%s", dir, name);
    return stat(file, &st) == 0 ? (double)st.st_blocks * 512 : 0;
}

static void disk(const char *dir, double entry_bytes)
{
    double snapshot = file_size(dir, "snapshot.0"), other = file_size(dir, "snapshot.1");

    row("disk: ledger file / bytes of its entries", file_size(dir, "data.mdb") / entry_bytes, "x", 2.2, false);
    row("disk: map snapshots, both", (snapshot + other) / 1048576, "MiB", 0, false);
}

static double entry_bytes(struct slk_ledger *ledger)
{
    struct slk_view *view;
    struct slk_view_block block;
    double sum = 0;

    if (slk_view_begin(&view, slk_ledger_store(ledger)) != SLK_OK)
        exit(2);
    for (uint64_t h = 0; h <= slk_view_tip(view)->height; h++) {
        if (slk_view_block(view, h, &block) != SLK_OK)
            exit(2);
        sum += (double)(block.entries.size - 2 * block.entries_n);
    }
    slk_view_end(view);
    return sum;
}

/* ---- all of it ---- */

struct settings {
    uint64_t credentials;
    const char *dir, *csv, *growth, *self;
    bool audit_all;
};

static struct slk_ledger *open_ledger(const struct settings *set, const struct stream *s)
{
    struct slk_ledger_options options = {.vote_key = s->vote, .log_key = s->log, .cosign_key = s->cosign};
    struct slk_ledger *ledger;
    struct slk_fault fault;

    if (slk_ledger_open(&ledger, set->dir, &options, &fault) != SLK_OK)
        die(set->dir, &fault);
    return ledger;
}

static void audit(const struct settings *set, const char *label)
{
    double figures[3];

    run_child(set->self, "--child-audit", set->dir, figures);
    row(label, figures[1] / figures[0], "events/s", 120000, true);
}

static void bench(const struct settings *set, struct stream *s)
{
    FILE *growth = set->growth == NULL ? NULL : fopen(set->growth, "w");
    struct slk_ledger *ledger = open_ledger(set, s);
    uint64_t small = set->credentials < 1000000 ? set->credentials / 2 : 1000000;
    double at_small, at_large, cost_small, cost_large, figures[3], bytes;
    char label[128];

    printf("ingest: rules, signatures, hashing, durable commit; 30 %% of events on existing credentials\n");
    grow_to(ledger, s, small, growth);
    make_histories(ledger, s);
    at_small = rate_of_chunks(ledger, s, &cost_small);
    snprintf(label, sizeof(label), "submissions of 1,000, at %.1f million credentials", (double)small / 1e6);
    row(label, at_small, "events/s", 200000, true);
    slk_ledger_close(ledger);
    audit(set, "full audit of that ledger");
    ledger = open_ledger(set, s);
    grow_to(ledger, s, set->credentials, growth);
    at_large = rate_of_chunks(ledger, s, &cost_large);
    snprintf(label, sizeof(label), "submissions of 1,000, at %.1f million credentials", (double)set->credentials / 1e6);
    row(label, at_large, "events/s", 150000, true);
    row("  ratio to the prototype's 532,000/s (no parsing, no rules)", at_large / 532000, "x", 0, true);
    row("submissions of 100", rate(ledger, s, 400000, 100), "events/s", 120000, true);
    row("submissions of 1", rate(ledger, s, 50000, 1), "events/s", 15000, true);
    row("growth: median cost per event, large / small", cost_large / cost_small, "x", 1.5, false);
    printf("proofs, at %.1f million credentials\n", (double)slk_ledger_credentials_n(ledger) / 1e6);
    map_rates(ledger, s, slk_ledger_map(ledger));
    verify_times(ledger, s);
    proof_sizes(ledger, s);
    bytes = entry_bytes(ledger);
    printf("%llu events, %.0f bytes per event entry and its share of authorizations and seals\n",
        (unsigned long long)slk_ledger_tip(ledger)->events_n, bytes / (double)slk_ledger_tip(ledger)->events_n);
    slk_ledger_close(ledger);
    printf("at rest\n");
    disk(set->dir, bytes);
    run_child(set->self, "--child-open", set->dir, figures);
    row("start: snapshot, tail, root compared", figures[0], "s", 8, false);
    row("memory after start, less 256 MiB, per credential", (figures[1] * 1024 - (256u << 20)) / (double)s->issued_n, "bytes", 80, false);
    row("memory of the map itself, per credential", figures[2] / (double)s->issued_n, "bytes", 0, false);
    if (set->audit_all)
        audit(set, "full audit");
    if (growth != NULL)
        fclose(growth);
}

static void parse_args(struct settings *set, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--audit-all") == 0)
            set->audit_all = true;
        else if (i + 1 < argc && strcmp(argv[i], "--credentials") == 0)
            set->credentials = strtoull(argv[++i], NULL, 10);
        else if (i + 1 < argc && strcmp(argv[i], "--dir") == 0)
            set->dir = argv[++i];
        else if (i + 1 < argc && strcmp(argv[i], "--csv") == 0)
            set->csv = argv[++i];
        else if (i + 1 < argc && strcmp(argv[i], "--growth") == 0)
            set->growth = argv[++i];
        else {
            fprintf(stderr, "usage: bench_ledger [--credentials N] [--dir DIR] [--csv FILE] [--growth FILE] [--audit-all]\n");
            exit(2);
        }
    }
    if (set->credentials < 20000 || set->credentials > 100000000) {
        fprintf(stderr, "bench_ledger: --credentials takes 20,000 to 100,000,000\n");
        exit(2);
    }
}

/* Where the ledger goes, before minutes are spent on making its events. */
static void check_dir(const char *dir)
{
    const char *slash = strrchr(dir, '/');
    char parent[4096] = ".";

    if (slash != NULL && (size_t)(slash - dir) < sizeof(parent))
        snprintf(parent, sizeof(parent), "%.*s", slash == dir ? 1 : (int)(slash - dir), dir);
    if (access(parent, W_OK | X_OK) == 0)
        return;
    fprintf(stderr, "bench_ledger: --dir %s: %s: %s: make it first, or choose another place\n", dir, parent, strerror(errno));
    exit(2);
}

int main(int argc, char **argv)
{
    struct settings set = {.credentials = 1000000, .dir = "bench.ledger", .self = argv[0]};
    struct slk_ledger_options options = {0};
    struct slk_fault fault;
    struct stream s;

    if (argc == 3 && strcmp(argv[1], "--child-open") == 0)
        return child_open(argv[2]);
    if (argc == 3 && strcmp(argv[1], "--child-audit") == 0)
        return child_audit(argv[2]);
    bench_name = "bench_ledger";
    parse_args(&set, argc, argv);
    check_dir(set.dir);
    bench_csv = set.csv == NULL ? NULL : fopen(set.csv, "w");
    if (set.csv != NULL && bench_csv == NULL)
        die(set.csv, NULL);
    if (bench_csv != NULL)
        fprintf(bench_csv, "what,value,unit,target,verdict\n");
    stream_open(&s, set.credentials + 4000000);
    options.log_key = s.log;
    options.cosign_key = s.cosign;
    bench_machine();
    probe(set.dir, &s);
    if (slk_ledger_init(set.dir, slk_span_of(s.charter_bytes, s.charter_size), &options, &fault) != SLK_OK)
        die(set.dir, &fault);
    bench(&set, &s);
    if (bench_csv != NULL)
        fclose(bench_csv);
    printf("the ledger stays in %s: remove it when you have looked\n", set.dir);
    stream_close(&s);
    return 0;
}
