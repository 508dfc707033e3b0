/* cmd_policy.c: `sillok policy`: the trust policy that follows from a charter. */
#include <stdlib.h>

#include "tools/cli.h"

#define POLICY_ROOM 65536

/* From the charter in force, as the ledger or its text file says it. */
static bool policy_of(struct cli *cli, char *text, size_t *size)
{
    struct cli_charter c;

    if (!cli_charter_load(cli, cli->args[0], &c))
        return false;
    *size = slk_charter_policy(text, POLICY_ROOM, c.charter);
    cli_charter_free(&c);
    return true;
}

static int run(struct cli *cli)
{
    const char *out = NULL, *old = NULL, *checkpoint = NULL;
    char *text;
    size_t size = 0;
    int code;
    const struct cli_option options[] = {
        CLI_OUT(&out, "where the policy goes (default: standard output)"),
        CLI_TEXT("update", "POLICY", &old,
            "an old policy: follow the charters that came after it, checking who approved them"),
        CLI_TEXT("checkpoint", "FILE", &checkpoint,
            "with --update: any checkpoint of this ledger that the old policy accepts"),
        {0},
    };

    if (!cli_parse(cli, options, 1, 1))
        return cli->exit_code;
    if ((old != NULL) != (checkpoint != NULL))
        return cli_fail(cli, CLI_UNSURE,
            "--update and --checkpoint go together: the checkpoint ties the old policy to the ledger");
    text = malloc(POLICY_ROOM);
    if (text == NULL)
        return cli_fault(cli, CLI_UNSURE, cli->args[0], SLK_E_NOMEM, NULL);
    if (old != NULL ? !cli_policy_update(cli, cli->args[0], old, checkpoint, text, POLICY_ROOM, &size)
                    : !policy_of(cli, text, &size))
        code = cli->exit_code;
    else if (size == 0)
        code = cli_fault(cli, CLI_UNSURE, cli->args[0], SLK_E_TOO_LARGE, NULL);
    else
        code = cli_write(cli, out, text, size) ? CLI_YES : CLI_UNSURE;
    free(text);
    return code;
}

const struct cli_command cmd_policy = {
    .name = "policy",
    .usage = "LEDGER|CHARTER [-o FILE] [--update POLICY --checkpoint FILE]",
    .summary = "Print the trust policy that verifiers need",
    .about = "A C2SP tlog-policy file: the members' log keys, their cosigning keys, and how many must agree. "
             "Verifiers may use\n"
             "stricter ones. Hand it out over a way that verifiers trust: it is what their trust rests on.\n"
             "Who holds an old policy needs no such way: --update follows the changes since a checkpoint "
             "that it accepts.",
    .run = run,
};
