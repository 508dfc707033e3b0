/* cmd_mirror.c: `sillok mirror`: a ledger's log as files that any web server can hand out. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/mirror.h"
#include "tools/url_blocks.h"

#define INTERVAL_S 10

struct args {
    struct cli *cli;
    struct cli_nodes nodes;
    struct mirror_options what;
    const char *from; /* a ledger's directory; NULL: nodes */
    const char *policy_file, *chain;
    struct slk_hash expected;
    uint64_t interval_s;
    bool follow, json;
};

static int told(const struct args *args, const char *source, const struct mirror_result *r)
{
    char hex[2][TEXT_HEX_SIZE], a[TEXT_HUMAN_SIZE], b[TEXT_HUMAN_SIZE], c[TEXT_HUMAN_SIZE],
        time[TEXT_TIME_SIZE];
    const struct tree_written *w = &r->written;

    if (args->json) {
        json_t *value = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:I, s:I, s:I}", "result", "mirrored",
            "dir", args->what.dir, "source", source, "chain_id",
            text_hex(hex[0], r->chain_id.b, SLK_HASH_SIZE), "size", (json_int_t)r->head.tree_size, "height",
            (json_int_t)r->height, "root", text_hex(hex[1], r->head.root_hash.b, SLK_HASH_SIZE),
            "cosigned_at", (json_int_t)r->cosigned_at_s, "new_entries", (json_int_t)r->entries_n,
            "new_blocks", (json_int_t)r->blocks_n);

        json_object_set_new(value, "files_written", json_integer((json_int_t)w->files_n));
        json_object_set_new(value, "files_removed", json_integer((json_int_t)w->removed_n));
        json_object_set_new(value, "bytes_written", json_integer((json_int_t)w->bytes_n));
        json_object_set_new(value, "syncs", json_integer((json_int_t)w->syncs_n));
        cli_json(value);
    } else if (w->files_n > 0 || !args->follow) {
        printf("%s: %s entries in %s blocks, cosigned %s; %s new, %s files written\n", args->what.dir,
            text_count(a, r->head.tree_size), text_count(b, r->height + 1), text_time(time, r->cosigned_at_s),
            text_count(c, r->entries_n), text_count(hex[0], w->files_n));
    }
    fflush(stdout); /* who follows reads line by line */
    return CLI_YES;
}

/* The fault is a sentence of its own: what the code alone says is of files and proofs, not of nodes. */
static int refuse(const struct args *args, const char *where, enum slk_err err, const struct slk_fault *fault)
{
    const char *why = fault->text[0] != '\0' ? fault->text : slk_err_text(err);

    if (args->json)
        cli_json(json_pack("{s:s, s:s, s:s, s:s, s:s}", "result",
            cli_code_of(err) == CLI_NO ? "refused" : "unknown", "dir", args->what.dir, "source", where,
            "error", slk_err_name(err), "text", why));
    fflush(stdout);
    return strncmp(why, where, strlen(where)) == 0
               ? cli_fail(args->cli, cli_code_of(err), "%s", why)
               : cli_fail(args->cli, cli_code_of(err), "%s: %s", where, why);
}

/* The mirror and one source of it. */
static int take(const struct args *args, const char *name, const struct mirror_source *source)
{
    struct slk_fault fault = {0};
    struct mirror_result result;
    struct mirror *mirror = NULL;
    enum slk_err err = mirror_open(&mirror, &args->what, &fault);
    const char *where = err == SLK_OK ? name : args->what.dir;

    if (err == SLK_OK)
        err = mirror_take(mirror, source, &result, &fault);
    cli_progress_end(&args->cli->progress);
    mirror_close(mirror);
    return err == SLK_OK ? told(args, name, &result) : refuse(args, where, err, &fault);
}

/* ---- from a directory ---- */

static enum slk_err store_begins_with(
    void *ctx, const struct slk_tree_head *old, const struct slk_tree_head *now)
{
    const struct slk_bundle_store *store = ctx;
    struct slk_hash path[2 * SLK_PATH_MAX];
    size_t n;
    enum slk_err err =
        slk_log_consistency_path(path, &n, old->tree_size, now->tree_size, slk_view_tile, store->view);

    return err == SLK_OK ? slk_tree_check_consistency(old, now, path, n) : err;
}

static int mirror_directory(const struct args *args)
{
    struct slk_bundle_store store;
    struct slk_fault fault;
    enum slk_err err = slk_bundle_store_open(&store, args->from, &fault);
    int code;

    if (err != SLK_OK)
        return cli_no_ledger(args->cli, args->from, err, &fault);
    if (store.note_n == 0) {
        code = cli_fail(
            args->cli, CLI_UNSURE, "%s: it has no signed checkpoint yet: `sillok head --sign`", args->from);
    } else {
        const struct mirror_source source = {.blocks = &store.source,
            .note = slk_span_of(store.note, store.note_n),
            .ctx = &store,
            .begins_with = store_begins_with};

        code = take(args, args->from, &source);
    }
    slk_bundle_store_close(&store);
    return code;
}

/* ---- from nodes ---- */

struct from_node {
    struct cli_nodes *nodes;
    size_t node;
    struct url_blocks blocks;
};

static enum slk_err node_begins_with(
    void *ctx, const struct slk_tree_head *old, const struct slk_tree_head *now)
{
    struct from_node *from = ctx;

    if (from->blocks.nodes != NULL)
        url_blocks_settle(&from->blocks);
    return url_begins_with(from->nodes, from->node, old, now);
}

/* Where a node stands among those that could be mirrored. */
struct candidate {
    size_t node;
    struct slk_tree_head head;
    uint64_t cosigned_at_s;
};

static int compare_candidates(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;

    if (a->head.tree_size != b->head.tree_size)
        return a->head.tree_size > b->head.tree_size ? -1 : 1;
    if (a->cosigned_at_s != b->cosigned_at_s)
        return a->cosigned_at_s > b->cosigned_at_s ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

/* Each node's checkpoint against the policy and the mirror; who is refused is named. Returns how many are left, the newest first;
 * *worst is the gravest reason of those that are not. SIZE_MAX: the mirror itself cannot be read. */
static size_t judge_nodes(const struct args *args, struct cli_nodes *nodes, const struct http_answer *answers,
    struct candidate *out, int *worst)
{
    struct slk_fault fault = {0};
    struct mirror *mirror = NULL;
    enum slk_err err = mirror_open(&mirror, &args->what, &fault);
    size_t n = 0;

    if (err != SLK_OK) {
        *worst = refuse(args, args->what.dir, err, &fault);
        return SIZE_MAX;
    }
    for (size_t i = 0; i < http_nodes_n(nodes->client); i++) {
        struct from_node from = {.nodes = nodes, .node = i};
        const struct mirror_source source = {.note = slk_span_of(answers[i].body, answers[i].size),
            .ctx = &from,
            .begins_with = node_begins_with};
        int code;

        out[n].node = i;
        err = SLK_E_IO;
        if (answers[i].status == 200)
            err = mirror_judge(mirror, &source, &out[n].head, &out[n].cosigned_at_s, &fault);
        else
            snprintf(fault.text, sizeof(fault.text), "%.200s", answers[i].error);
        if (err == SLK_OK) {
            n++;
            continue;
        }
        code = refuse(args, http_node_name(nodes->client, i), err, &fault);
        *worst = *worst == CLI_NO ? CLI_NO : code;
    }
    mirror_close(mirror);
    qsort(out, n, sizeof(*out), compare_candidates);
    return n;
}

/* Anybody can write a checkpoint: whether this one is signed as it must be is known by the policy, or by charters that are here. */
static bool is_vouched_for(const struct args *args, const struct candidate *c)
{
    return args->policy_file != NULL || c->cosigned_at_s > 0;
}

/* Two signed logs of one size with two roots: somebody shows two histories, whoever is right. */
static bool is_split(const struct args *args, struct cli_nodes *nodes, const struct candidate *list, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (list[i].head.tree_size == list[i - 1].head.tree_size && is_vouched_for(args, &list[i]) &&
            is_vouched_for(args, &list[i - 1]) &&
            !slk_hash_equal(&list[i].head.root_hash, &list[i - 1].head.root_hash)) {
            cli_fail(args->cli, CLI_NO,
                "ANOTHER HISTORY: %s and %s have two roots of %" PRIu64 " entries: run `sillok watch`",
                http_node_name(nodes->client, list[i - 1].node), http_node_name(nodes->client, list[i].node),
                list[i].head.tree_size);
            return true;
        }
    return false;
}

static int take_node(const struct args *args, struct cli_nodes *nodes, const struct candidate *c,
    const struct http_answer *note)
{
    struct from_node from = {.nodes = nodes, .node = c->node};
    const struct mirror_source source = {.blocks = &from.blocks.source,
        .note = slk_span_of(note->body, note->size),
        .ctx = &from,
        .begins_with = node_begins_with};
    int code;

    if (url_blocks_open_at(&from.blocks, args->cli, nodes, c->node))
        code = take(args, http_node_name(nodes->client, c->node), &source);
    else
        code = args->cli->exit_code;
    url_blocks_close(&from.blocks);
    return code;
}

static int take_nodes(
    const struct args *args, struct cli_nodes *nodes, struct http_answer *answers, struct candidate *list)
{
    const struct http_request request = {
        .path = "/checkpoint", .accept = "text/plain", .max = SLK_NOTE_MAX, .patience_ms = HTTP_PATIENCE_MS};
    int worst = CLI_UNSURE;
    size_t n;

    (void)http_ask_all(nodes->client, &request, answers);
    n = judge_nodes(args, nodes, answers, list, &worst);
    if (n == SIZE_MAX || (n > 0 && is_split(args, nodes, list, n)))
        return n == SIZE_MAX ? worst : CLI_NO;
    for (size_t i = 0; i < n; i++) {
        int code = take_node(args, nodes, &list[i], &answers[list[i].node]);

        if (code == CLI_YES)
            return CLI_YES;
        worst = worst == CLI_NO ? CLI_NO : code;
    }
    return worst;
}

static int mirror_nodes(struct args *args)
{
    struct cli_nodes *nodes = &args->nodes;
    struct http_answer *answers;
    struct candidate *list;
    size_t n;
    int code;

    if (nodes->client == NULL && !cli_nodes_open(args->cli, nodes))
        return args->cli->exit_code;
    n = http_nodes_n(nodes->client);
    answers = calloc(n, sizeof(*answers));
    list = calloc(n, sizeof(*list));
    if (answers != NULL && list != NULL)
        code = take_nodes(args, nodes, answers, list);
    else
        code = cli_fault(args->cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
    for (size_t i = 0; answers != NULL && i < n; i++)
        http_answer_clear(&answers[i]);
    free(answers);
    free(list);
    return code;
}

/* ---- the command ---- */

static int once(struct args *args)
{
    struct slk_policy *policy = NULL;
    int code;

    if (args->policy_file != NULL && !cli_policy_load(args->cli, args->policy_file, &policy))
        return args->cli->exit_code; /* read each time: who follows may be given a new one */
    args->what.policy = policy;
    args->what.now_s = cli_now_ms() / 1000;
    code = args->from != NULL ? mirror_directory(args) : mirror_nodes(args);
    slk_policy_free(policy);
    args->what.policy = NULL;
    return code;
}

static int run_all(struct args *args)
{
    const struct timespec pause = {.tv_sec = (time_t)args->interval_s};
    int code = once(args);

    while (args->follow && code != CLI_NO) { /* what nobody could tell now, somebody may tell later */
        (void)nanosleep(&pause, NULL);
        args->what.repair = false;
        code = once(args);
    }
    cli_nodes_close(&args->nodes);
    return code;
}

static int run(struct cli *cli)
{
    struct args a = {.cli = cli, .interval_s = INTERVAL_S};
    struct cli without_args = *cli;
    const struct cli_option options[] = {
        CLI_TEXT("policy", "FILE", &a.policy_file, "the checkpoint must satisfy this trust policy"),
        CLI_TEXT("chain", "HEX", &a.chain, "the chain id it must have"),
        CLI_FLAG("follow", &a.follow, "keep going: look again and again for what is new"),
        CLI_NUMBER(
            "interval", "S", &a.interval_s, 1, CLI_DAY_S, "with --follow: look every S seconds (default 10)"),
        CLI_FLAG(
            "repair", &a.what.repair, "read everything again, and write what is missing or damaged in TREE"),
        CLI_FLAG("json", &a.json, "the result as a JSON object, one line for each look"),
        CLI_NODE_OPTIONS(&a.nodes),
        {0},
    };

    if (!cli_parse(cli, options, 1, 2))
        return cli->exit_code;
    if (a.chain != NULL && !text_hash_parse(a.expected.b, a.chain, strlen(a.chain)))
        return cli_fail(cli, CLI_UNSURE, "--chain: a chain id is 64 hexadecimal digits");
    a.what.chain = a.chain != NULL ? &a.expected : NULL;
    a.what.dir = cli->args[cli->args_n - 1];
    a.what.progress = cli_progress_step;
    a.what.progress_ctx = &cli->progress;
    without_args.args_n = 0;
    a.from = cli->args_n == 2 ? cli->args[0] : NULL;
    if (a.from != NULL && a.nodes.urls.n > 0)
        return cli_fail(cli, CLI_UNSURE, "of a directory or of nodes? Name one of them");
    if (a.from == NULL && !cli_nodes_wanted(&without_args, &a.nodes))
        return cli_fail(
            cli, CLI_UNSURE, "of which ledger? Name its directory before TREE, or nodes with --url");
    return run_all(&a);
}

const struct cli_command cmd_mirror = {
    .name = "mirror",
    .usage = "LEDGER TREE | --url URL... TREE [--policy FILE] [--chain HEX] [--follow]",
    .summary = "Write a ledger's log as files that any web server can serve",
    .about =
        "TREE becomes, and stays, a log in the form of C2SP tlog-tiles: checkpoint, tile/..., "
        "tile/entries/...; "
        "beside them\n"
        "finality/... (why each block is final) and charter/... A second run reads and writes what is new. "
        "Nothing is\n"
        "written that is not shown to be under the signed checkpoint: each block's finality certificate, its "
        "entries, and the\n"
        "log up to it are checked. `checkpoint` comes last: a kill or a power cut at any moment leaves a "
        "tree "
        "that verifies.\n"
        "A node whose checkpoint is of a smaller log, of another history, or does not satisfy the policy is "
        "named and\n"
        "passed over; TREE never goes back. Without --policy the checkpoint is held against the charter that "
        "is mirrored.\n"
        "A TREE that is no mirror yet is new or empty: all that lies in it is handed out.\n"
        "With --follow it ends only when everybody who answers is refused.\n" CLI_NODES_ABOUT "\n"
        "\n"
        "Exit: 0 TREE is up to date, 1 refused (the message says who and why), 2 could not tell.",
    .run = run,
};
