/* cmd_proof.c: `sillok proof`: status proofs from one encoding into the other. */
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/proof.h"
#include "tools/cli.h"

static int convert(struct cli *cli)
{
    const char *out = NULL, *format = NULL;
    uint8_t *bytes = NULL, *other;
    size_t size = 0, cap, other_size = 0;
    bool to_binary;
    enum slk_err err;
    const struct cli_option options[] = {
        CLI_OUT(&out, "where the proof goes (default: standard output)"),
        CLI_TEXT("format", "text|binary", &format, "what it becomes (default: what it is not)"),
        {0},
    };

    if (!cli_parse(cli, options, 1, 1))
        return cli->exit_code;
    if (format != NULL && strcmp(format, "text") != 0 && strcmp(format, "binary") != 0)
        return cli_fail(cli, CLI_UNSURE, "--format: text or binary");
    if (!cli_read(cli, cli->args[0], SLK_PROOF_MAX, &bytes, &size))
        return CLI_UNSURE;
    to_binary = format != NULL ? strcmp(format, "binary") == 0 : slk_proof_is_text(slk_span_of(bytes, size));
    cap = 2 * size + 1024;
    other = malloc(cap);
    if (other == NULL)
        err = SLK_E_NOMEM;
    else if (to_binary)
        err = slk_proof_to_binary(other, cap, &other_size, slk_span_of(bytes, size));
    else
        err = slk_proof_to_text(other, cap, &other_size, slk_span_of(bytes, size));
    if (err == SLK_E_MALFORMED)
        cli->exit_code = cli_fail(cli, CLI_UNSURE,
            "%s: not a status proof, neither the text of one (.tlog-proof) nor its binary form",
            cli->args[0]);
    else if (err != SLK_OK)
        cli->exit_code = cli_fault(cli, CLI_UNSURE, cli->args[0], err, NULL);
    else
        cli->exit_code = cli_write(cli, out, other, other_size) ? CLI_YES : CLI_UNSURE;
    free(other);
    free(bytes);
    return cli->exit_code;
}

static const struct cli_command cmd_convert = {
    .name = "proof convert",
    .usage = "PROOF [-o FILE] [--format text|binary]",
    .summary = "Turn a status proof from text into binary, or back",
    .about = "The two forms say the same, and there and back gives the same bytes. Nothing is verified: "
             "`sillok-verify` does that, "
             "with\n"
             "either form. A text with a cosignature of a kind that this program does not know stays a text.",
    .run = convert,
};

static int run(struct cli *cli)
{
    static const struct cli_command *const commands[] = {&cmd_convert, NULL};

    return cli_run_sub(cli, commands);
}

const struct cli_command cmd_proof = {
    .name = "proof",
    .usage = "convert ...",
    .summary = "Turn proofs from one form into the other",
    .about = "",
    .run = run,
};
