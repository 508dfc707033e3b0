/* cmd_audit.c: `sillok audit`: the whole ledger again, from its first entry, believing nothing. */
#include <string.h>

#include "tools/cli.h"

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

static int run(struct cli *cli)
{
    const char *chain = NULL;
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
        CLI_FLAG("json", &json, "the result as a JSON object"),
        {0},
    };

    if (!cli_parse(cli, options, 1, 1))
        return cli->exit_code;
    if (chain != NULL && !text_hash_parse(expected.b, chain, strlen(chain)))
        return cli_fail(cli, CLI_UNSURE, "--chain: a chain id is 64 hexadecimal digits");
    started = cli_tick_ms();
    err = slk_ledger_audit(cli->args[0], chain != NULL ? &expected : NULL,
        (unsigned)(threads < 256 ? threads : 256), &tip, &events_n, cli_progress_step, &cli->progress,
        &fault);
    cli_progress_end(&cli->progress);
    if (err == SLK_OK)
        return sound(cli->args[0], &tip, events_n, cli_tick_ms() - started, json);
    if (json)
        cli_json(json_pack("{s:s, s:s, s:s, s:s}", "result",
            cli_code_of(err) == CLI_NO ? "unsound" : "unknown", "dir", cli->args[0], "error",
            slk_err_name(err), "text", fault.text[0] != '\0' ? fault.text : slk_err_text(err)));
    return cli_fault(cli, cli_code_of(err), cli->args[0], err, &fault);
}

const struct cli_command cmd_audit = {
    .name = "audit",
    .usage = "DIR [--chain HEX]",
    .summary = "Replay a whole ledger and check every signature, rule, hash and root",
    .about = "Starts from the charter in entry 0. Without --chain it says that the ledger is consistent, not "
             "whose it is.\n"
             "\n"
             "Exit: 0 sound, 1 not (the message names block, entry and reason), 2 could not tell.",
    .run = run,
};
