/* cmd_fsck.c: `sillok fsck`, `backup`, `restore`: keeping a ledger's directory healthy. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/cli.h"

#define SHOWN_MAX 20 /* findings as text: a truncated ledger has a thousand, which tell no more */

struct findings {
    const struct cli *cli;
    bool json;
    uint64_t n;
};

static void finding(void *ctx, const char *where, const char *what)
{
    struct findings *f = ctx;

    f->n++;
    if (f->json)
        cli_json(json_pack("{s:s, s:s}", "where", where, "what", what));
    else if (f->n <= SHOWN_MAX)
        cli_fail(f->cli, 0, "%s: %s", where, what);
}

static enum slk_err check(
    struct cli *cli, const char *dir, struct findings *findings, struct slk_fault *fault)
{
    enum slk_err err = slk_store_fsck(dir, finding, findings, cli_progress_step, &cli->progress, fault);

    cli_progress_end(&cli->progress);
    if (!findings->json && findings->n > SHOWN_MAX)
        cli_fail(cli, 0, "and %" PRIu64 " more: `sillok fsck --json %s` lists them all",
            findings->n - SHOWN_MAX, dir);
    return err;
}

static int run_fsck(struct cli *cli)
{
    struct findings findings = {.cli = cli};
    struct slk_fault fault = {0};
    enum slk_err err;
    const struct cli_option options[] = {
        CLI_FLAG("json", &findings.json, "one JSON object a finding, and the result"),
        {0},
    };

    if (!cli_parse(cli, options, 1, 1))
        return cli->exit_code;
    err = check(cli, cli->args[0], &findings, &fault);
    if (findings.json)
        cli_json(json_pack("{s:s, s:I}", "result", err == SLK_OK ? "sound" : slk_err_name(err), "findings",
            (json_int_t)findings.n));
    if (err == SLK_OK && !findings.json)
        printf("%s: sound\n", cli->args[0]);
    if (err != SLK_OK)
        (void)cli_no_ledger(cli, cli->args[0], err, &fault);
    return cli_code_of(err);
}

const struct cli_command cmd_fsck = {
    .name = "fsck",
    .usage = "DIR",
    .summary = "Check that a ledger's files are what was written",
    .about = "Checks pages, entries, records, tiles, headers and snapshots against each other, also in a "
             "directory that does\n"
             "not open any more, and names what it finds: the first 20, or all with --json. It never "
             "repairs: a damaged\n"
             "ledger is replaced by a backup or by another copy. Whether the rules were kept is for `sillok "
             "audit`.\n"
             "\n"
             "Exit: 0 sound, 1 damaged, 2 could not tell.",
    .run = run_fsck,
};

/* ---- backup and restore ---- */

static bool exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 || errno != ENOENT;
}

static int copy(struct cli *cli, const char *from, const char *to, bool json, const char *done)
{
    struct slk_fault fault = {0};
    enum slk_err err;

    if (exists(to))
        return cli_fail(cli, CLI_UNSURE, "%s: exists already; name a directory that does not", to);
    err = slk_store_backup(from, to, cli_progress_step, &cli->progress, &fault);
    cli_progress_end(&cli->progress);
    if (err != SLK_OK)
        return cli_no_ledger(cli, from, err, &fault);
    if (json)
        cli_json(json_pack("{s:s, s:s, s:s}", "result", done, "from", from, "to", to));
    else
        printf("%s: %s %s\n", to, done, from);
    return CLI_YES;
}

static int run_backup(struct cli *cli)
{
    bool json = false;
    const struct cli_option options[] = {
        CLI_FLAG("json", &json, "the result as a JSON object"),
        {0},
    };

    if (!cli_parse(cli, options, 2, 2))
        return cli->exit_code;
    return copy(cli, cli->args[0], cli->args[1], json, "backup of");
}

const struct cli_command cmd_backup = {
    .name = "backup",
    .usage = "DIR TO",
    .summary = "Copy a ledger while it is in use",
    .about = "The copy is of one moment, complete and on disk when the command ends; TO must not exist. It "
             "holds no keys:\n"
             "keep those apart. A backup is a ledger: every reading command works on it.",
    .run = run_backup,
};

static int run_restore(struct cli *cli)
{
    struct slk_ledger_options ledger_options = {.read_only = true};
    struct findings findings = {.cli = cli};
    struct slk_fault fault = {0};
    struct slk_ledger *ledger;
    enum slk_err err;
    const struct cli_option options[] = {
        CLI_FLAG("json", &findings.json, "findings and result as JSON objects"),
        {0},
    };

    if (!cli_parse(cli, options, 2, 2))
        return cli->exit_code;
    if (exists(cli->args[1]))
        return cli_fail(cli, CLI_UNSURE, "%s: exists already; move it away first: restore never overwrites",
            cli->args[1]);
    err = check(cli, cli->args[0], &findings, &fault);
    if (err != SLK_OK)
        return cli_fault(cli, cli_code_of(err), cli->args[0], err, &fault);
    ledger = cli_open(
        cli, cli->args[0], &ledger_options); /* loads the map and compares its root with the last seal */
    if (ledger == NULL)
        return cli->exit_code;
    slk_ledger_close(ledger);
    return copy(cli, cli->args[0], cli->args[1], findings.json, "restored from");
}

const struct cli_command cmd_restore = {
    .name = "restore",
    .usage = "BACKUP DIR",
    .summary = "Check a backup and put it in place as a ledger",
    .about = "The backup is checked like `sillok fsck` does and loaded up to its last root before anything "
             "is written.\n"
             "A backup ends where it was made: events submitted after that are missing and must be submitted "
             "again.\n"
             "Never cosign with a restored ledger what was cosigned differently before.",
    .run = run_restore,
};
