/* cmd_init.c: `sillok init`: a new ledger in a new directory. */
#include "tools/cli.h"

static int made(const char *dir, const struct cli_charter *c, bool is_signed, bool json)
{
    char id[TEXT_HEX_SIZE], count[TEXT_HUMAN_SIZE];
    struct slk_hash chain_id;

    slk_charter_chain_id(&chain_id, slk_span_of(c->bytes, c->size));
    text_hex(id, chain_id.b, SLK_HASH_SIZE);
    if (json) {
        cli_json(json_pack("{s:s, s:s, s:s, s:b}", "dir", dir, "origin", c->charter->origin, "chain_id", id,
            "signed", is_signed));
        return CLI_YES;
    }
    printf("%s: a new ledger of %s\nchain id  %s\nissuers   %s\n", dir, c->charter->origin, id,
        text_count(count, c->charter->issuers_n));
    if (slk_charter_voting_n(c->charter) > 1)
        printf("its %zu voting members decide together: each runs `init` with the same charter, then a node "
               "(sillokd)\n",
            slk_charter_voting_n(c->charter));
    else if (!is_signed)
        printf("unsigned: run `sillok head %s --sign --log-key FILE --cosign-key FILE`, or give the keys to "
               "`sillok submit`\n",
            dir);
    return CLI_YES;
}

static int run(struct cli *cli)
{
    struct slk_ledger_options ledger_options = {0};
    struct cli_signers signers = {0};
    struct cli_charter charter;
    struct slk_fault fault = {0};
    const char *charter_file = NULL;
    bool json = false;
    enum slk_err err;
    int code;
    const struct cli_option options[] = {
        CLI_TEXT("charter", "FILE", &charter_file, "the charter's text (sillok charter new)"),
        CLI_SIGNER_OPTIONS(&signers),
        CLI_FLAG("json", &json, "the result as a JSON object"),
        {0},
    };

    if (!cli_parse(cli, options, 1, 1))
        return cli->exit_code;
    if (charter_file == NULL)
        return cli_fail(cli, CLI_UNSURE, "by which charter? --charter FILE");
    if (!cli_charter_load(cli, charter_file, &charter))
        return cli->exit_code;
    code = CLI_UNSURE;
    if (cli_signers_load(cli, &signers, &ledger_options)) {
        err =
            slk_ledger_init(cli->args[0], slk_span_of(charter.bytes, charter.size), &ledger_options, &fault);
        code = err == SLK_OK ? made(cli->args[0], &charter, signers.log_key != NULL, json)
                             : cli_fault(cli, cli_code_of(err), cli->args[0], err, &fault);
    }
    cli_signers_free(&signers);
    cli_charter_free(&charter);
    return code;
}

const struct cli_command cmd_init = {
    .name = "init",
    .usage = "DIR --charter FILE [--log-key FILE --cosign-key FILE]",
    .summary = "Make a new ledger by a charter",
    .about = "DIR is created, or must be empty. The charter becomes entry 0 and can never be changed "
             "silently: its hash\n"
             "is the ledger's identity (chain id). Of several voting members each makes the ledger for "
             "itself, from the "
             "same\n"
             "charter; their nodes (sillokd) write to it from then on.",
    .run = run,
};
