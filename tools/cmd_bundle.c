/* cmd_bundle.c: `sillok bundle export|import`: final blocks in files, for a node that has no network. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/url_blocks.h"

/* ---- export ---- */

struct export_args {
    struct slk_bundle_export what;
    const char *file;
    uint64_t from, to, max_bytes;
    bool json;
};

static int exported(const struct export_args *args, const struct slk_bundle_sizes *s)
{
    char n[TEXT_HUMAN_SIZE], bytes[TEXT_HUMAN_SIZE];

    if (args->json) {
        cli_json(json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:b}", "result", "exported", "file",
            args->file, "from", (json_int_t)s->from, "to", (json_int_t)s->to, "blocks",
            (json_int_t)s->blocks_n, "bytes", (json_int_t)s->bytes, "parts", (json_int_t)s->parts_n,
            "checkpoint", s->has_checkpoint));
        return CLI_YES;
    }
    printf("%s: %s blocks, %" PRIu64 " to %" PRIu64 ", %s bytes", args->file, text_count(n, s->blocks_n),
        s->from, s->to, text_count(bytes, s->bytes));
    if (args->max_bytes > 0)
        printf(" in %u parts, .000 to .%03u", s->parts_n, s->parts_n - 1);
    printf("\n%s\n", s->has_checkpoint ? "with the signed checkpoint of its last block"
                                       : "without a signed checkpoint: its last block's is not here (yet)");
    return CLI_YES;
}

static int run_source(
    struct cli *cli, struct export_args *args, const struct slk_bundle_source *source, const char *where)
{
    struct slk_bundle_export what = {.file = args->file,
        .from = args->from,
        .to = args->to > 0 ? args->to : UINT64_MAX,
        .max_bytes = args->max_bytes,
        .progress = cli_progress_step,
        .progress_ctx = &cli->progress};
    struct slk_bundle_sizes sizes;
    struct slk_fault fault;
    enum slk_err err = slk_bundle_export(source, &what, &sizes, &fault);

    cli_progress_end(&cli->progress);
    return err == SLK_OK ? exported(args, &sizes) : cli_fault(cli, cli_code_of(err), where, err, &fault);
}

static int export_dir(struct cli *cli, struct export_args *args)
{
    struct slk_bundle_store store;
    struct slk_fault fault;
    enum slk_err err = slk_bundle_store_open(&store, cli->args[0], &fault);
    int code;

    if (err != SLK_OK)
        return cli_no_ledger(cli, cli->args[0], err, &fault);
    code = run_source(cli, args, &store.source, cli->args[0]);
    slk_bundle_store_close(&store);
    return code;
}

static int export_nodes(struct cli *cli, struct export_args *args, struct cli_nodes *nodes)
{
    struct url_blocks blocks = {0};
    int code;

    if (cli_nodes_open(cli, nodes) && url_blocks_open(&blocks, cli, nodes))
        code = run_source(cli, args, &blocks.source, NULL);
    else
        code = cli->exit_code;
    url_blocks_close(&blocks);
    cli_nodes_close(nodes);
    return code;
}

static int run_export(struct cli *cli)
{
    struct export_args args = {0};
    struct cli_nodes nodes = {0};
    const struct cli_option options[] = {
        CLI_OUT(&args.file, "where to write"),
        CLI_NUMBER("from", "HEIGHT", &args.from, 1, CLI_NUMBER_MAX, "the first block (default 1)"),
        CLI_NUMBER("to", "HEIGHT", &args.to, 1, CLI_NUMBER_MAX, "the last block (default: the newest)"),
        CLI_NUMBER("max-bytes", "N", &args.max_bytes, 1, CLI_NUMBER_MAX,
            "of one file: then FILE.000, FILE.001 and so on are written"),
        CLI_FLAG("json", &args.json, "the result as a JSON object"),
        CLI_NODE_OPTIONS(&nodes),
        {0},
    };

    if (!cli_parse(cli, options, 0, 1))
        return cli->exit_code;
    if (args.file == NULL)
        return cli_fail(cli, CLI_UNSURE, "where to? -o FILE");
    if (cli_nodes_wanted(cli, &nodes))
        return cli->args_n == 0
                   ? export_nodes(cli, &args, &nodes)
                   : cli_fail(cli, CLI_UNSURE, "from a directory or from nodes? Name one of them");
    if (cli->args_n == 0)
        return cli_fail(cli, CLI_UNSURE, "of which ledger? Name its directory, or a node with --url");
    return export_dir(cli, &args);
}

/* ---- import ---- */

static void say_imported(void *ctx, uint64_t height)
{
    (void)ctx;
    printf("block %" PRIu64 "\n", height);
    fflush(stdout); /* who reads this may rely on it */
}

static int imported(const char *dir, const struct slk_bundle_result *r, enum slk_err err,
    const struct slk_fault *fault, bool json)
{
    char n[TEXT_HUMAN_SIZE], events[TEXT_HUMAN_SIZE];

    if (json) {
        json_t *value =
            json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:b}", "result", err == SLK_OK ? "imported" : "stopped",
                "dir", dir, "height", (json_int_t)r->tip, "blocks", (json_int_t)r->blocks_n, "known",
                (json_int_t)r->known_n, "events", (json_int_t)r->events_n, "checkpoint", r->has_checkpoint);

        if (value != NULL && err != SLK_OK) {
            json_object_set_new(value, "error", json_string(slk_err_name(err)));
            json_object_set_new(value, "text", json_string(fault->text));
        }
        cli_json(value);
        return cli_code_of(err);
    }
    if (err == SLK_OK || r->blocks_n > 0)
        printf("%s: %s new blocks with %s events, now at block %" PRIu64 "%s\n", dir,
            text_count(n, r->blocks_n), text_count(events, r->events_n), r->tip,
            r->has_checkpoint ? ", cosigned by a quorum" : "");
    return cli_code_of(err);
}

static int run_import(struct cli *cli)
{
    struct slk_bundle_import what = {.progress = cli_progress_step, .progress_ctx = &cli->progress};
    struct slk_bundle_result result;
    struct slk_fault fault = {0};
    struct slk_hash expected;
    const char *chain = NULL;
    uint64_t threads = 0;
    bool json = false, verbose = false;
    enum slk_err err;
    int code;
    const struct cli_option options[] = {
        CLI_TEXT("chain", "HEX", &chain, "the chain id it must have; DIR is then made when it is not there"),
        CLI_FLAG("vouched", &what.is_vouched,
            "do not check issuers' signatures: the quorum that finalised a block has"),
        CLI_NUMBER("threads", "N", &threads, 1, CLI_THREADS_MAX, "default: one per core, at most 8"),
        CLI_FLAG("verbose", &verbose, "a line for each block that is on disk"),
        CLI_FLAG("json", &json, "the result as a JSON object"),
        {0},
    };

    if (!cli_parse(cli, options, 2, 2))
        return cli->exit_code;
    if (chain != NULL && !text_hash_parse(expected.b, chain, strlen(chain)))
        return cli_fail(cli, CLI_UNSURE, "--chain: a chain id is 64 hexadecimal digits");
    what.dir = cli->args[0];
    what.file = cli->args[1];
    what.chain = chain != NULL ? &expected : NULL;
    what.threads = (unsigned)threads;
    what.imported = verbose && !json ? say_imported : NULL;
    err = slk_bundle_import(&what, &result, &fault);
    cli_progress_end(&cli->progress);
    code = imported(what.dir, &result, err, &fault, json);
    if (err == SLK_E_NOT_FOUND && fault.text[0] != '\0')
        cli_fail(cli, code, "%s", fault.text); /* of the directory */
    else if (err != SLK_OK)
        cli_fault(cli, code, what.file, err, &fault);
    return code;
}

/* ---- the command ---- */

static const struct cli_command bundle_export = {
    .name = "bundle export",
    .usage = "DIR|--url URL -o FILE [--from HEIGHT] [--to HEIGHT] [--max-bytes N]",
    .summary = "Write final blocks with their certificates to a file",
    .about = "For a node without a network (a USB stick), or to keep. A node may be running on DIR. With "
             "--max-bytes the "
             "parts are\n"
             "FILE.000, FILE.001 and so on, each of them whole by itself.\n" CLI_NODES_ABOUT,
    .run = run_export,
};
static const struct cli_command bundle_import = {
    .name = "bundle import",
    .usage = "DIR FILE [--chain HEX] [--vouched]",
    .summary = "Verify the blocks of a bundle and add them to a ledger",
    .about = "No node may run on DIR. FILE is a file, or the name whose parts FILE.000, FILE.001 ... are "
             "there. Each block's "
             "finality\n"
             "certificate is checked by the charter in force, and everything in it is executed again, before "
             "it is stored. "
             "When it\n"
             "stops, what was imported stays; the same command again goes on.\n"
             "--vouched leaves out one check, the issuers' signatures, and takes the word of each block's "
             "quorum for them: "
             "`sillok audit`\n"
             "checks them later, and before a member's node starts on DIR: what it signs says that it has checked.\n"
             "\n"
             "Exit: 0 all of it is in the ledger, 1 refused (the message names the block), 2 could not tell.",
    .run = run_import,
};

static int run(struct cli *cli)
{
    static const struct cli_command *const commands[] = {&bundle_export, &bundle_import, NULL};

    return cli_run_sub(cli, commands);
}

const struct cli_command cmd_bundle = {
    .name = "bundle",
    .usage = "export|import ...",
    .summary = "Carry final blocks in files to a node without a network",
    .about = "",
    .run = run,
};
