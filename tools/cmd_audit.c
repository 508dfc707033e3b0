/* cmd_audit.c: `sillok audit`: the whole ledger again, from its first entry, believing nothing. */
#include <string.h>

#include "tools/audit_url.h"

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

/* The records were just found to be those that the events lead to. */
static int compare_list(struct cli *cli, const char *list, bool json)
{
    struct slk_store *store = cli_open_store(cli, cli->args[0]);
    int code = store != NULL ? cli_status_compare(cli, store, list, NULL, json) : cli->exit_code;

    slk_store_close(store);
    return code;
}

static int run(struct cli *cli)
{
    struct cli_nodes nodes = {0};
    const char *chain = NULL, *keep = NULL, *list = NULL;
    uint64_t threads = 0, events_n = 0, started;
    bool json = false;
    struct slk_hash expected;
    struct slk_tip tip;
    struct slk_fault fault = {0};
    enum slk_err err;
    const struct cli_option options[] = {
        CLI_TEXT("chain", "HEX", &chain,
            "the chain id it must have: whose ledger this is, from somebody you trust"),
        CLI_NUMBER("threads", "N", &threads, "default: one per core, at most 8"),
        CLI_NODE_OPTIONS(&nodes),
        CLI_TEXT(
            "keep", "DIR", &keep, "with --url: keep the audited ledger; the next audit goes on from there"),
        CLI_TEXT("status-list", "TOKEN", &list,
            "of a directory: then make this status list, which a node signed, and compare"),
        CLI_FLAG("json", &json, "the result as a JSON object"),
        {0},
    };

    if (!cli_parse(cli, options, 0, 1))
        return cli->exit_code;
    if (chain != NULL && !text_hash_parse(expected.b, chain, strlen(chain)))
        return cli_fail(cli, CLI_UNSURE, "--chain: a chain id is 64 hexadecimal digits");
    if (cli_nodes_wanted(cli, &nodes) == (cli->args_n == 1) || (keep != NULL && cli->args_n == 1))
        return cli_fail(
            cli, CLI_UNSURE, "which ledger? a directory, or nodes with --url (and --keep): one of them");
    if (list != NULL && cli->args_n == 0)
        return cli_fail(cli, CLI_UNSURE,
            "--status-list is for a directory: audit with --keep DIR, then `sillok status-list DIR --compare "
            "TOKEN`");
    if (cli->args_n == 0) {
        const struct audit_url by_url = {.nodes = &nodes,
            .chain = chain != NULL ? &expected : NULL,
            .keep = keep,
            .threads = (unsigned)(threads < 256 ? threads : 256),
            .json = json};

        return audit_nodes(cli, &by_url, chain);
    }
    started = cli_tick_ms();
    err = slk_ledger_audit(cli->args[0], chain != NULL ? &expected : NULL,
        (unsigned)(threads < 256 ? threads : 256), &tip, &events_n, cli_progress_step, &cli->progress,
        &fault);
    cli_progress_end(&cli->progress);
    if (err == SLK_OK) {
        int code = sound(cli->args[0], &tip, events_n, cli_tick_ms() - started, json);

        return list != NULL ? compare_list(cli, list, json) : code;
    }
    if (json)
        cli_json(json_pack("{s:s, s:s, s:s, s:s}", "result",
            cli_code_of(err) == CLI_NO ? "unsound" : "unknown", "dir", cli->args[0], "error",
            slk_err_name(err), "text", fault.text[0] != '\0' ? fault.text : slk_err_text(err)));
    return cli_fault(cli, cli_code_of(err), cli->args[0], err, &fault);
}

const struct cli_command cmd_audit = {
    .name = "audit",
    .usage = "DIR | --url URL... [--keep DIR], [--chain HEX]",
    .summary = "Replay a whole ledger and check every signature, rule, hash and root",
    .about = "Starts from the charter in entry 0. Without --chain it says that the ledger is consistent, not "
             "whose it is.\n"
             "From nodes all blocks are fetched (from one of them, from the others if it fails), finality "
             "certificates are\n"
             "checked, everything is executed again, and the checkpoint of every node must be of this "
             "log.\n" CLI_NODES_ABOUT "\n"
             "\n"
             "Exit: 0 sound, 1 not (the message names block, entry and reason), 2 could not tell.",
    .run = run,
};
