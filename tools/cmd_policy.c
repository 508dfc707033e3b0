/* cmd_policy.c: `sillok policy`: the trust policy that follows from a charter. */
#include <stdlib.h>

#include "tools/cli.h"

#define POLICY_ROOM 65536

static int run(struct cli *cli)
{
    struct cli_charter c;
    const char *out = NULL;
    char *text;
    size_t size;
    int code = CLI_UNSURE;
    const struct cli_option options[] = {
        CLI_OUT(&out, "where the policy goes (default: standard output)"),
        {0},
    };

    if (!cli_parse(cli, options, 1, 1))
        return cli->exit_code;
    if (!cli_charter_load(cli, cli->args[0], &c))
        return cli->exit_code;
    text = malloc(POLICY_ROOM);
    size = text != NULL ? slk_charter_policy(text, POLICY_ROOM, c.charter) : 0;
    if (size == 0)
        cli_fault(cli, CLI_UNSURE, cli->args[0], text == NULL ? SLK_E_NOMEM : SLK_E_TOO_LARGE, NULL);
    else if (cli_write(cli, out, text, size))
        code = CLI_YES;
    free(text);
    cli_charter_free(&c);
    return code;
}

const struct cli_command cmd_policy = {
    .name = "policy",
    .usage = "LEDGER|CHARTER [-o FILE]",
    .summary = "Print the trust policy that verifiers need",
    .about = "A C2SP tlog-policy file: the members' log keys, their cosigning keys, and how many must agree. "
             "Verifiers may use\n"
             "stricter ones. Hand it out over a way that verifiers trust: it is what their trust rests on.",
    .run = run,
};
