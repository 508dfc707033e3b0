/* cmd_verify.c: `sillok verify`: hands over to sillok-verify, so that there is one verifier and one way it speaks. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tools/cli.h"

#define PROGRAM "sillok-verify"

/* The program beside this one, if there is one: the two belong to the same build. */
static bool beside_us(char *path, size_t cap)
{
    ssize_t n = readlink("/proc/self/exe", path, cap - 1);
    char *slash;

    if (n <= 0)
        return false;
    path[n] = '\0';
    slash = strrchr(path, '/');
    if (slash == NULL || (size_t)(slash + 1 - path) + sizeof(PROGRAM) > cap)
        return false;
    memcpy(slash + 1, PROGRAM, sizeof(PROGRAM));
    return access(path, X_OK) == 0;
}

static int run(struct cli *cli)
{
    char program[] = PROGRAM, path[4096];

    cli->argv[0] = program;
    if (beside_us(path, sizeof(path)))
        execv(path, cli->argv);
    else
        execvp(PROGRAM, cli->argv);
    return cli_fail(cli, CLI_UNSURE, "%s: %s: it is part of the same installation", PROGRAM, strerror(errno));
}

const struct cli_command cmd_verify = {
    .name = "verify",
    .usage = "...",
    .summary = "Check a status proof offline (the same as sillok-verify)",
    .about = "",
    .run = run,
};
