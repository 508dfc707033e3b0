/* cmd_stat.c: `sillok stat`: how large a ledger is, on disk and in memory. */
#include <stdio.h>
#include <sys/stat.h>

#include "tools/cli.h"

static uint64_t file_size(const char *dir, const char *name)
{
    char path[4096];
    struct stat st;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return stat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0; /* LMDB's file may have holes */
}

static int run(struct cli *cli)
{
    static const char *const files[] = {"data.mdb", "snapshot.0", "snapshot.1"};
    struct slk_ledger_options ledger_options = {.read_only = true};
    struct slk_ledger *ledger;
    const struct slk_tip *tip;
    bool json = false;
    uint64_t sizes[3], total = 0, started = cli_tick_ms();
    char a[TEXT_HUMAN_SIZE];
    const struct cli_option options[] = {
        CLI_FLAG("json", &json, "as a JSON object"),
        {0},
    };

    if (!cli_parse(cli, options, 1, 1))
        return cli->exit_code;
    ledger = cli_open(cli, cli->args[0], &ledger_options);
    if (ledger == NULL)
        return cli->exit_code;
    started = cli_tick_ms() - started;
    for (size_t i = 0; i < 3; i++)
        total += sizes[i] = file_size(cli->args[0], files[i]);
    tip = slk_ledger_tip(ledger);
    if (json) {
        cli_json(json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "height", (json_int_t)tip->height,
            "entries", (json_int_t)tip->log_size, "events", (json_int_t)tip->events_n, "credentials",
            (json_int_t)slk_ledger_credentials_n(ledger), "disk_bytes", (json_int_t)total, "log_bytes",
            (json_int_t)sizes[0], "map_memory_bytes", (json_int_t)slk_ledger_memory(ledger),
            "load_milliseconds", (json_int_t)started));
    } else {
        printf("blocks       %14s\n", text_count(a, tip->height + 1));
        printf("entries      %14s\n", text_count(a, tip->log_size));
        printf("events       %14s\n", text_count(a, tip->events_n));
        printf("credentials  %14s\n", text_count(a, slk_ledger_credentials_n(ledger)));
        printf("on disk      %14s", text_size(a, total));
        if (tip->events_n > 0)
            printf("  (%llu bytes per event)", (unsigned long long)(total / tip->events_n));
        for (size_t i = 0; i < 3; i++)
            printf("\n  %-10s %14s", files[i], text_size(a, sizes[i]));
        printf("\nmap memory   %14s\n", text_size(a, slk_ledger_memory(ledger)));
        printf("load time    %11llu ms\n", (unsigned long long)started);
    }
    slk_ledger_close(ledger);
    return CLI_YES;
}

const struct cli_command cmd_stat = {
    .name = "stat",
    .usage = "DIR",
    .summary = "Show how much a ledger holds and what it costs",
    .about = "",
    .run = run,
};
