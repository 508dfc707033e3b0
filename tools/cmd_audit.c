/* cmd_audit.c: `sillok audit`: the whole ledger again, from its first entry, believing nothing. */
#include <string.h>

#include "tools/audit_tree.h"
#include "tools/audit_url.h"
#include "tools/status_list_note.h"

static int sound(const char *dir, const struct slk_tip *tip, uint64_t events_n, uint64_t ms, bool json)
{
    char log_root[TEXT_HEX_SIZE], map_root[TEXT_HEX_SIZE], time[TEXT_TIME_SIZE];
    char a[TEXT_HUMAN_SIZE], b[TEXT_HUMAN_SIZE], c[TEXT_HUMAN_SIZE];
    uint64_t rate = events_n * 1000 / (ms > 0 ? ms : 1);

    text_hex(log_root, tip->log_root.b, SLK_HASH_SIZE);
    text_hex(map_root, tip->map_root.b, SLK_HASH_SIZE);
    if (json) {
        cli_json(
            json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:I}", "result", "sound", "dir", dir, "height",
                (json_int_t)tip->height, "size", (json_int_t)tip->log_size, "events", (json_int_t)events_n,
                "log_root", log_root, "map_root", map_root, "milliseconds", (json_int_t)ms));
        return CLI_YES;
    }
    printf("sound: %s events in %s blocks replayed, up to %s\n", text_count(a, events_n),
        text_count(b, tip->height + 1), text_time(time, tip->time_ms / 1000));
    printf("every signature, rule, hash and root is right (%s events/s)\n", text_count(c, rate));
    printf("log root  %s\nmap root  %s\n", log_root, map_root);
    return CLI_YES;
}

static int audit_nodes(struct cli *cli, const struct audit_url *options, const char *chain)
{
    uint64_t started = cli_tick_ms();
    struct audit_url_result r;
    int code = audit_url(cli, options, &r);
    char hex[TEXT_HEX_SIZE];

    if (r.tip.height > 0 && !options->json) {
        (void)sound(r.giver, &r.tip, r.tip.events_n, cli_tick_ms() - started, false);
        printf("chain     %s%s\n", text_hex(hex, r.chain_id.b, SLK_HASH_SIZE),
            chain != NULL ? "" : "  (the node's word: --chain says which it must be)");
    } else if (options->json) {
        json_t *value = json_pack("{s:s, s:s, s:s, s:b, s:O}", "result",
            r.tip.height > 0 ? (code == CLI_NO ? "contradicted" : "sound")
            : code == CLI_NO ? "unsound"
                             : "unknown",
            "url", r.giver, "chain_id", text_hex(hex, r.chain_id.b, SLK_HASH_SIZE), "pinned", chain != NULL,
            "nodes", r.nodes);

        if (r.tip.height > 0) {
            json_object_set_new(value, "height", json_integer((json_int_t)r.tip.height));
            json_object_set_new(value, "size", json_integer((json_int_t)r.tip.log_size));
            json_object_set_new(value, "events", json_integer((json_int_t)r.tip.events_n));
            json_object_set_new(
                value, "log_root", json_string(text_hex(hex, r.tip.log_root.b, SLK_HASH_SIZE)));
            json_object_set_new(
                value, "map_root", json_string(text_hex(hex, r.tip.map_root.b, SLK_HASH_SIZE)));
        } else if (r.err != SLK_OK) {
            json_object_set_new(value, "error", json_string(slk_err_name(r.err)));
            json_object_set_new(value, "text", json_string(r.fault.text));
        }
        json_object_set_new(value, "milliseconds", json_integer((json_int_t)(cli_tick_ms() - started)));
        cli_json(value);
    }
    json_decref(r.nodes);
    return code;
}

/* ---- a tree of tiles ---- */

struct tree_args {
    const char *where;
    const char *policy_file;
    const char *chain; /* as typed; NULL: none was given */
    const struct slk_hash *expected;
    unsigned threads;
    bool json;
};

static void tree_json(const struct tree_args *args, const struct audit_tree_result *r, uint64_t ms)
{
    char hex[4][TEXT_HEX_SIZE];
    json_t *value = json_pack("{s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:s, s:s, s:s}", "result", "sound",
        "tree", args->where, "chain_id", text_hex(hex[0], r->chain_id.b, SLK_HASH_SIZE), "pinned",
        args->chain != NULL, "policy", args->policy_file != NULL, "height", (json_int_t)r->tip.height, "size",
        (json_int_t)r->tip.log_size, "events", (json_int_t)r->tip.events_n, "log_root",
        text_hex(hex[1], r->tip.log_root.b, SLK_HASH_SIZE), "map_root",
        text_hex(hex[2], r->tip.map_root.b, SLK_HASH_SIZE), "finality",
        r->finality_n > 0 ? "checked" : "not shown");

    json_object_set_new(value, "files", json_integer((json_int_t)r->files_n));
    json_object_set_new(value, "cosignatures", json_integer((json_int_t)r->cosignatures_n));
    json_object_set_new(value, "cosigned_at", json_integer((json_int_t)r->cosigned_at_s));
    json_object_set_new(value, "milliseconds", json_integer((json_int_t)ms));
    cli_json(value);
}

static void tree_text(const struct tree_args *args, const struct audit_tree_result *r)
{
    char hex[TEXT_HEX_SIZE], time[TEXT_TIME_SIZE], a[TEXT_HUMAN_SIZE], b[TEXT_HUMAN_SIZE];

    printf("sound: %s events in %s blocks replayed, up to %s\n", text_count(a, r->tip.events_n),
        text_count(b, r->tip.height + 1), text_time(time, r->tip.time_ms / 1000));
    printf("every tile and entry up to the checkpoint's root, every issuer's signature, rule, seal and map "
           "root is "
           "right (%s files)\n",
        text_count(a, r->files_n));
    if (r->finality_n > 0)
        printf("finality  the votes that made each block final are right, too\n");
    else
        printf("finality  not shown: the tree holds no votes (`sillok mirror` and nodes do); the "
               "checkpoint's cosigners "
               "stand for all blocks\n");
    printf("signed    %u cosignature%s of the members in its charter, %s\n", r->cosignatures_n,
        r->cosignatures_n == 1 ? "" : "s", text_time(time, r->cosigned_at_s));
    if (args->policy_file == NULL)
        printf("          as the charter in this tree asks: --policy FILE says what you ask\n");
    printf("log root  %s\n", text_hex(hex, r->tip.log_root.b, SLK_HASH_SIZE));
    printf("map root  %s\n", text_hex(hex, r->tip.map_root.b, SLK_HASH_SIZE));
    printf("chain     %s%s\n", text_hex(hex, r->chain_id.b, SLK_HASH_SIZE),
        args->chain != NULL || args->policy_file != NULL
            ? ""
            : "  (the tree's word: --chain says which it must be)");
}

static int audit_of_tree(struct cli *cli, const struct tree_args *args, struct tree *tree)
{
    struct audit_tree options = {.tree = tree, .chain = args->expected, .threads = args->threads};
    uint64_t started = cli_tick_ms();
    struct slk_policy *policy = NULL;
    struct audit_tree_result r;
    struct slk_fault fault = {0};
    enum slk_err err;

    if (tree == NULL)
        return cli_fault(cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
    if (args->policy_file != NULL && !cli_policy_load(cli, args->policy_file, &policy))
        return cli->exit_code;
    options.policy = policy;
    err = audit_tree(cli, &options, &r, &fault);
    slk_policy_free(policy);
    if (err == SLK_OK && args->json)
        tree_json(args, &r, cli_tick_ms() - started);
    else if (err == SLK_OK)
        tree_text(args, &r);
    if (err == SLK_OK)
        return CLI_YES;
    if (args->json)
        cli_json(json_pack("{s:s, s:s, s:s, s:s}", "result",
            cli_code_of(err) == CLI_NO ? "unsound" : "unknown", "tree", args->where, "error",
            slk_err_name(err), "text", fault.text[0] != '\0' ? fault.text : slk_err_text(err)));
    if (err == SLK_E_IO && fault.text[0] != '\0') /* of a server, mostly, and no disk's */
        return cli_fail(cli, CLI_UNSURE, "%s: %s", args->where, fault.text);
    return cli_fault(cli, cli_code_of(err), args->where, err, &fault);
}

static int audit_tree_at_url(struct cli *cli, const struct tree_args *args, struct cli_nodes *nodes)
{
    struct tree *tree;
    int code;

    if (nodes->client == NULL && !cli_nodes_open(cli, nodes))
        return cli->exit_code;
    tree = tree_of_url(nodes->client, 0);
    code = audit_of_tree(cli, args, tree);
    tree_free(tree);
    return code;
}

static int audit_tree_in_dir(struct cli *cli, const struct tree_args *args)
{
    struct tree *tree = tree_of_dir(args->where);
    int code = audit_of_tree(cli, args, tree);

    tree_free(tree);
    return code;
}

/* What answers, and knows nothing of a node's numbers, is a web server. */
static bool is_plain_server(struct cli_nodes *nodes)
{
    const struct http_request request = {
        .path = "/v1/status", .accept = "application/json", .max = (size_t)1 << 16};
    struct http_answer answer = {0};
    bool is_node = http_ask(nodes->client, 0, &request, &answer);
    bool is_plain = !is_node && answer.status == 404;

    http_answer_clear(&answer);
    return is_plain;
}

/* ---- the command ---- */

/* The records were just found to be those that the events lead to. */
static int compare_lists(struct cli *cli, const char *list, const char *note, bool json)
{
    struct slk_store *store = cli_open_store(cli, cli->args[0]);
    int code = store != NULL ? CLI_YES : cli->exit_code;

    if (code == CLI_YES && list != NULL)
        code = cli_status_compare(cli, store, list, NULL, json);
    if (code == CLI_YES && note != NULL)
        code = cli_list_judge(cli, store, note, NULL, json);

    slk_store_close(store);
    return code;
}

struct args {
    struct cli_nodes nodes;
    struct tree_args tree; /* chain, policy, threads, json hold for all */
    const char *keep, *list, *list_note;
};

static bool is_url(const char *text)
{
    return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0 ||
           strncmp(text, "unix:", 5) == 0;
}

static int audit_ledger(struct cli *cli, const struct args *args)
{
    uint64_t events_n = 0, started = cli_tick_ms();
    const char *dir = cli->args[0];
    struct slk_tip tip;
    struct slk_fault fault = {0};
    enum slk_err err = slk_ledger_audit(dir, args->tree.expected, args->tree.threads, &tip, &events_n,
        cli_progress_step, &cli->progress, &fault);

    cli_progress_end(&cli->progress);
    if (err == SLK_OK) {
        int code = sound(dir, &tip, events_n, cli_tick_ms() - started, args->tree.json);

        return args->list != NULL || args->list_note != NULL
                   ? compare_lists(cli, args->list, args->list_note, args->tree.json)
                   : code;
    }
    if (args->tree.json)
        cli_json(json_pack("{s:s, s:s, s:s, s:s}", "result",
            cli_code_of(err) == CLI_NO ? "unsound" : "unknown", "dir", dir, "error", slk_err_name(err),
            "text", fault.text[0] != '\0' ? fault.text : slk_err_text(err)));
    return cli_no_ledger(cli, dir, err, &fault);
}

static int audit_urls(struct cli *cli, struct args *args)
{
    const struct audit_url by_url = {.nodes = &args->nodes,
        .chain = args->tree.expected,
        .keep = args->keep,
        .threads = args->tree.threads,
        .json = args->tree.json};

    if (!cli_nodes_open(cli, &args->nodes))
        return cli->exit_code;
    args->tree.where = http_node_name(args->nodes.client, 0);
    if (cli->args_n == 1 || (http_nodes_n(args->nodes.client) == 1 && is_plain_server(&args->nodes))) {
        if (args->keep != NULL)
            return cli_fail(cli, CLI_UNSURE, "--keep: %s is a tree of tiles: `sillok mirror` keeps one",
                args->tree.where);
        return audit_tree_at_url(cli, &args->tree, &args->nodes);
    }
    if (args->tree.policy_file != NULL)
        return cli_fail(cli, CLI_UNSURE,
            "--policy is for trees of tiles; nodes' checkpoints are held against the charter that was "
            "audited");
    return audit_nodes(cli, &by_url, args->tree.chain);
}

static int run(struct cli *cli)
{
    struct args a = {0};
    uint64_t threads = 0;
    struct slk_hash expected;
    int code;
    const struct cli_option options[] = {
        CLI_TEXT("chain", "HEX", &a.tree.chain,
            "the chain id it must have: whose ledger this is, from somebody you trust"),
        CLI_TEXT("policy", "FILE", &a.tree.policy_file,
            "of a tree: its checkpoint must satisfy this trust policy"),
        CLI_NUMBER("threads", "N", &threads, 1, CLI_THREADS_MAX, "default: one per core, at most 8"),
        CLI_NODE_OPTIONS(&a.nodes),
        CLI_TEXT(
            "keep", "DIR", &a.keep, "with --url: keep the audited ledger; the next audit goes on from there"),
        CLI_TEXT("status-list", "TOKEN", &a.list,
            "of a directory: then make this status list, which a node signed, and compare"),
        CLI_TEXT("list-note", "FILE", &a.list_note,
            "of a directory: then make all status lists, and compare with what members signed of them"),
        CLI_FLAG("json", &a.tree.json, "the result as a JSON object"),
        {0},
    };

    if (!cli_parse(cli, options, 0, 1))
        return cli->exit_code;
    if (a.tree.chain != NULL && !text_hash_parse(expected.b, a.tree.chain, strlen(a.tree.chain)))
        return cli_fail(cli, CLI_UNSURE, "--chain: a chain id is 64 hexadecimal digits");
    a.tree.expected = a.tree.chain != NULL ? &expected : NULL;
    a.tree.threads = (unsigned)threads;
    if (a.keep != NULL && cli->args_n == 1)
        return cli_fail(cli, CLI_UNSURE,
            "--keep goes with --url, and keeps what nodes sent; a tree of tiles is kept by `sillok mirror`");
    if (cli_nodes_wanted(cli, &a.nodes) == (cli->args_n == 1))
        return cli_fail(cli, CLI_UNSURE,
            "which ledger? its directory, a tree of tiles, or nodes with --url (and --keep): one of them");
    a.tree.where = cli->args_n == 1 ? cli->args[0] : NULL;
    if ((a.list != NULL || a.list_note != NULL) &&
        (a.tree.where == NULL || is_url(a.tree.where) || tree_is_dir(a.tree.where)))
        return cli_fail(cli, CLI_UNSURE,
            "--status-list and --list-note are for a directory: audit with --keep DIR, then `sillok "
            "status-list DIR --compare "
            "TOKEN`");
    if (a.tree.where != NULL && tree_is_dir(a.tree.where))
        return audit_tree_in_dir(cli, &a.tree);
    if (a.tree.where != NULL && !is_url(a.tree.where))
        return a.tree.policy_file == NULL
                   ? audit_ledger(cli, &a)
                   : cli_fail(cli, CLI_UNSURE, "--policy is for trees of tiles; %s is none", a.tree.where);
    if (a.tree.where != NULL)
        a.nodes.urls = (struct cli_list){.n = 1, .at = {a.tree.where}};
    code = audit_urls(cli, &a);
    cli_nodes_close(&a.nodes);
    return code;
}

const struct cli_command cmd_audit = {
    .name = "audit",
    .usage = "DIR | TREE [--policy FILE] | --url URL... [--keep DIR], [--chain HEX]",
    .summary = "Replay a whole ledger and check every signature, rule, hash and root",
    .about =
        "Starts from the charter in entry 0. Without --chain it says that the ledger is consistent, not "
        "whose it is.\n"
        "From nodes all blocks are fetched (from one of them, from the others if it fails), finality "
        "certificates are\n"
        "checked, everything is executed again, and the checkpoint of every node must be of this "
        "log.\n"
        "TREE is a tree of tiles (C2SP tlog-tiles) that `sillok mirror` wrote, or a node or another server "
        "serves: "
        "a directory\n"
        "with a checkpoint in it, or http://HOST/PREFIX. Every tile and entry up to the checkpoint's root is "
        "checked, and\n"
        "everything is executed again. Why blocks are final stands beside the tiles of a mirror alone; where "
        "it "
        "does not, that is said.\n"
        "Scratch files go to $TMPDIR: some 400 bytes for each event.\n" CLI_NODES_ABOUT "\n"
        "\n"
        "Exit: 0 sound, 1 not (the message names block, entry and reason), 2 could not tell.",
    .run = run,
};
