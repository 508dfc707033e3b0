/* daemon_metrics.c: see daemon_metrics.h. */
#include "net/daemon_metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "net/node_figures.h"

typedef unsigned long long ull;

/* ---- the node ---- */

/* The charter's names are UTF-8 and may hold what ends a label. */
static void print_name(struct slk_api_text *t, const char *name)
{
    for (; *name != '\0'; name++)
        slk_api_print(t, *name == '"' || *name == '\\' ? "\\%c" : "%c", *name);
}

typedef uint64_t member_fn(const struct slk_node_figures *f, const struct slk_node_member *m);

static uint64_t is_up(const struct slk_node_figures *f, const struct slk_node_member *m)
{
    (void)f;
    return m->is_up;
}

static uint64_t height(const struct slk_node_figures *f, const struct slk_node_member *m)
{
    (void)f;
    return m->height;
}

static uint64_t cosigned_height(const struct slk_node_figures *f, const struct slk_node_member *m)
{
    (void)f;
    return m->cosigned_height;
}

static uint64_t cosigned_age_s(const struct slk_node_figures *f, const struct slk_node_member *m)
{
    (void)f;
    return m->cosigned_age_ms / 1000;
}

static void print_each(struct slk_api_text *t, const struct slk_node_figures *f, const char *name,
    const char *help, member_fn *value)
{
    slk_api_family(t, name, "gauge", help);
    for (size_t i = 0; i < f->members_n; i++) {
        const struct slk_node_member *m = &f->members[i];

        slk_api_print(t, "sillok_%s{agency=\"%u\",member=\"", name, m->agency);
        print_name(t, m->name);
        slk_api_print(t, "\",votes=\"%s\",self=\"%s\"} %llu\n", m->votes ? "yes" : "no",
            m->is_self ? "yes" : "no", (ull)value(f, m));
    }
}

static void print_members(struct slk_api_text *t, const struct slk_node_figures *f)
{
    print_each(t, f, "member_up", "1: this member is connected.", is_up);
    print_each(t, f, "member_height",
        "Height that this member has, by its last vote or STATUS: its own word; 0: not known.", height);
    print_each(t, f, "member_cosigned_height",
        "Height of its newest cosignature that came before the next block; 0: none since the start.",
        cosigned_height);
    print_each(t, f, "member_cosigned_age_seconds", "Time since that cosignature came; 0 without one.",
        cosigned_age_s);
}

static void print_pool(struct slk_api_text *t, const struct slk_node_figures *f)
{
    slk_api_one(t, "pool_bytes", "gauge",
        "Bytes of submissions that wait, as the agencies' quotas count them.", f->pool_bytes);
    slk_api_seconds(t, "pool_oldest_seconds", "How long the oldest of them has waited; 0: none does.",
        (int64_t)f->pool_oldest_ms);
    slk_api_family(t, "submissions_refused_total", "counter",
        "Submissions of clients and peers that broke a rule, by rule.");
    for (unsigned i = SLK_RULE_OK + 1; i < SLK_RULE_N; i++)
        slk_api_print(t, "sillok_submissions_refused_total{rule=\"%s\"} %llu\n",
            slk_rule_name((enum slk_rule)i), (ull)f->refused[i]);
    slk_api_one(
        t, "receipts_given_total", "counter", "Receipts signed for clients and peers.", f->receipts_given);
    slk_api_one(t, "receipts_taken_total", "counter", "Good receipts of other members.", f->receipts_taken);
    slk_api_family(t, "submission_finality_seconds", "histogram",
        "From a client's submission to its block's commit here, of those that wait.");
    slk_api_histogram(t, "submission_finality_seconds", "", &f->submission_finality);
    slk_api_family(t, "block_finality_seconds", "histogram",
        "From a block's own time to its commit here, while this node keeps up.");
    slk_api_histogram(t, "block_finality_seconds", "", &f->block_finality);
}

static void print_charter(struct slk_api_text *t, const struct slk_node_figures *f)
{
    slk_api_one(t, "charter_version", "gauge", "Version of the charter in force.", f->charter_version);
    slk_api_one(t, "charter_pending_version", "gauge", "Version of the one that waits; 0: none does.",
        f->charter_pending);
    slk_api_one(t, "charter_activation_height", "gauge", "Height from which that one governs; 0: none waits.",
        f->charter_activation);
    slk_api_one(t, "fresh_seconds", "gauge", "How often members cosign an idle chain again, by the charter.",
        f->fresh_s);
    slk_api_seconds(t, "clock_offset_seconds",
        "This node's clock less the middle one of the other members', by their cosignatures: to about a "
        "second.",
        f->clock_offset_ms);
    slk_api_family(t, "signature_duration_seconds", "histogram",
        "Time that tokens take for the signatures of one vote, checkpoint or receipt.");
    slk_api_histogram(t, "signature_duration_seconds", "", &f->signatures);
}

static void print_store(struct slk_api_text *t, const struct slk_node_figures *f)
{
    const struct slk_store_figures *s = &f->store;

    slk_api_family(t, "sync_duration_seconds", "histogram",
        "Transactions of the store: written and synced to the disk, blocks and everything else.");
    slk_api_histogram(t, "sync_duration_seconds", "", &s->commits);
    slk_api_one(t, "snapshot_behind_events", "gauge", "Events that no snapshot holds: a start replays them.",
        f->snapshot_behind);
    slk_api_one(t, "snapshot_interval_events", "gauge", "Events from one snapshot to the next.",
        f->snapshot_interval);
    slk_api_one(t, "credentials", "gauge", "Credentials ever issued.", f->credentials_n);
    slk_api_one(t, "map_memory_bytes", "gauge", "Memory of the map of credentials.", f->map_bytes);
    slk_api_one(t, "store_file_bytes", "gauge", "What data.mdb takes on the disk.", s->file_bytes);
    slk_api_one(t, "store_used_bytes", "gauge", "Its length up to the last page in use.", s->used_bytes);
    slk_api_one(t, "store_free_bytes", "gauge", "Pages in it that wait to be used again.", s->free_bytes);
    slk_api_one(t, "store_map_bytes", "gauge", "Address space of it: so far it may grow.", s->map_bytes);
    slk_api_one(t, "store_readers", "gauge", "Places taken in its table of readers.", s->readers_n);
    slk_api_one(t, "store_readers_max", "gauge", "Places of that table.", s->readers_max);
    slk_api_one(t, "evidence_pairs", "gauge", "Pairs of contradicting votes on record.", s->evidence_n);
    slk_api_one(t, "disk_free_bytes", "gauge", "Room on the ledger's file system.", s->disk_free_bytes);
    slk_api_one(t, "disk_size_bytes", "gauge", "Size of that file system.", s->disk_all_bytes);
}

void slk_print_node_metrics(struct slk_api_text *t, struct slk_node *node)
{
    struct slk_node_figures *f = malloc(sizeof(*f));

    if (f == NULL) {
        t->broken = true;
        return;
    }
    slk_node_figures(node, f);
    print_members(t, f);
    print_pool(t, f);
    print_charter(t, f);
    print_store(t, f);
    free(f);
}

/* ---- connections ---- */

static void print_messages(struct slk_api_text *t, const struct slk_mesh_counts *c)
{
    slk_api_family(t, "peer_messages_total", "counter", "Whole messages to and from them, by type.");
    for (unsigned i = 1; i < SLK_FRAME_TYPE_N; i++) {
        const char *name = slk_frame_type_name((enum slk_frame_type)i);

        slk_api_print(t,
            "sillok_peer_messages_total{type=\"%s\",direction=\"in\"} %llu\n"
            "sillok_peer_messages_total{type=\"%s\",direction=\"out\"} %llu\n",
            name, (ull)c->frames_in[i], name, (ull)c->frames_out[i]);
    }
    slk_api_one(t, "peer_no_say_total", "counter",
        "Votes, proposals and certificates of nodes that have no vote: dropped.", c->no_say);
}

void slk_print_mesh_metrics(struct slk_api_text *t, const struct slk_mesh *mesh)
{
    struct slk_mesh_stats stats;

    slk_mesh_stats(mesh, &stats);
    slk_api_one(t, "peers_up", "gauge", "Nodes that are connected, guests too.", stats.up);
    slk_api_one(
        t, "peers_unauthenticated", "gauge", "Connections in their handshake.", stats.unauthenticated);
    slk_api_one(t, "peer_queued_bytes", "gauge", "Bytes in the queues to them.", stats.queued_bytes);
    slk_api_family(t, "peer_bytes_total", "counter", "Bytes to and from them, sealed.");
    slk_api_print(t, "sillok_peer_bytes_total{direction=\"in\"} %llu\n", (ull)stats.total.bytes_in);
    slk_api_print(t, "sillok_peer_bytes_total{direction=\"out\"} %llu\n", (ull)stats.total.bytes_out);
    slk_api_family(
        t, "peer_connections_ended_total", "counter", "Connections that ended or never were, by reason.");
    for (unsigned i = 0; i < SLK_END_N; i++)
        slk_api_print(t, "sillok_peer_connections_ended_total{reason=\"%s\"} %llu\n",
            slk_mesh_end_name((enum slk_mesh_end)i), (ull)stats.total.ended[i]);
    slk_api_family(t, "peer_queue_dropped_total", "counter", "Messages that a full queue dropped, by class.");
    for (unsigned i = 0; i < SLK_FRAME_P_N; i++)
        slk_api_print(
            t, "sillok_peer_queue_dropped_total{class=\"P%u\"} %llu\n", i, (ull)stats.total.queue_dropped[i]);
    print_messages(t, &stats.total);
    slk_api_one(t, "peer_questions_lost_total", "counter",
        "Questions to them that were not answered in time.", stats.total.asks_lost);
    slk_api_one(t, "peer_throttled_total", "counter", "Times that one was not read, being above its rate.",
        stats.total.throttled);
    slk_api_one(
        t, "peer_useless_total", "counter", "Answers of theirs that were of no use.", stats.total.useless);
}

/* ---- the process ---- */

static void head(struct slk_api_text *t, const char *name, const char *type, const char *help)
{
    slk_api_print(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static uint64_t resident_bytes(void)
{
    FILE *in = fopen("/proc/self/statm", "r");
    char line[128], *end;
    uint64_t pages = 0;

    if (in == NULL)
        return 0;
    if (fgets(line, sizeof(line), in) != NULL) { /* proc(5): size, resident, ... in pages */
        (void)strtoull(line, &end, 10);
        pages = strtoull(end, NULL, 10);
    }
    fclose(in);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;
    uint64_t n = 0;

    if (dir == NULL)
        return 0;
    while ((entry = readdir(dir)) != NULL)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n > 0 ? n - 1 : 0; /* the one that looks */
}

void slk_print_process_metrics(struct slk_api_text *t, uint64_t started_s)
{
    struct rusage used = {0};
    struct rlimit files = {0};
    uint64_t us;

    (void)getrusage(RUSAGE_SELF, &used);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    us = ((uint64_t)used.ru_utime.tv_sec + (uint64_t)used.ru_stime.tv_sec) * 1000000 +
         (uint64_t)used.ru_utime.tv_usec + (uint64_t)used.ru_stime.tv_usec;
    head(t, "process_start_time_seconds", "gauge", "When this process began, in Unix seconds.");
    slk_api_print(t, "process_start_time_seconds %llu\n", (ull)started_s);
    head(t, "process_cpu_seconds_total", "counter", "Processor time of all its threads.");
    slk_api_print(t, "process_cpu_seconds_total %llu.%06llu\n", (ull)us / 1000000, (ull)us % 1000000);
    head(t, "process_resident_memory_bytes", "gauge",
        "Its memory, pages of the store that are mapped included.");
    slk_api_print(t, "process_resident_memory_bytes %llu\n", (ull)resident_bytes());
    head(t, "process_open_fds", "gauge", "Files and sockets that are open.");
    slk_api_print(t, "process_open_fds %llu\n", (ull)open_files());
    head(t, "process_max_fds", "gauge", "How many may be.");
    slk_api_print(t, "process_max_fds %llu\n", (ull)files.rlim_cur);
}
