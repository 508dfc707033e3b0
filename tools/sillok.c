/* sillok.c: everything operators, issuers and auditors type. One command per cmd_*.c; what they share is in cli.h.
 *
 * A new command is cmd_NAME.c with its `cmd_NAME`, a name at the end of cli.h, a line below, and a file in meson.build. Its --help, options by
 * the table and prose by hand, is its manual page (man.py; tests/e2e/man.py reads all of them); tests/e2e/cli.sh tries it on a
 * directory, cli_url.py on nodes. */
#include <stdio.h>
#include <string.h>

#include "tools/cli.h"

static const struct cli_command *const commands[] = {
    &cmd_keygen,
    &cmd_charter,
    &cmd_init,
    &cmd_submit,
    &cmd_head,
    &cmd_history,
    &cmd_prove,
    &cmd_proof,
    &cmd_verify,
    &cmd_crowd,
    &cmd_policy,
    &cmd_status,
    &cmd_watch,
    &cmd_evidence,
    &cmd_audit,
    &cmd_fsck,
    &cmd_stat,
    &cmd_status_list,
    &cmd_bundle,
    &cmd_mirror,
    &cmd_backup,
    &cmd_restore,
    &cmd_simulate,
    NULL,
};

static void help(FILE *to)
{
    fprintf(to, "Usage: sillok COMMAND ...\n\nAn append-only ledger of credential status events, with proofs "
                "that need no server.\n\n");
    for (size_t i = 0; commands[i] != NULL; i++)
        fprintf(to, "  %-11s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(to, "\n`sillok COMMAND --help` tells more; `sillok --version` the version.\n"
                "Exit codes everywhere: 0 yes, 1 no, 2 could not tell.\n");
}

static int run(int argc, char **argv)
{
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (strcmp(commands[i]->name, argv[0]) == 0) {
            struct cli cli = {.command = commands[i], .argc = argc, .argv = argv};
            int code = commands[i]->run(&cli);

            return fflush(stdout) == 0 && ferror(stdout) == 0
                       ? code
                       : CLI_UNSURE; /* a full disk must not pass for success */
        }
    }
    fprintf(stderr, "sillok: no such command: %s; `sillok --help` lists them\n", argv[0]);
    return CLI_UNSURE;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    char asks_help[] = "--help", *words[] = {NULL, asks_help, asks_help, NULL};

    if (strcmp(name, "--version") == 0) {
        printf("sillok %s\n", SLK_VERSION);
        return CLI_YES;
    }
    if (strcmp(name, "help") == 0 &&
        argc > 2) { /* `sillok help bundle export` is `sillok bundle export --help` */
        words[0] = argv[2];
        words[1] = argc > 3 ? argv[3] : asks_help;
        return run(argc > 3 ? 3 : 2, words);
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        help(stdout);
        return CLI_YES;
    }
    if (name[0] != '\0')
        return run(argc - 1, argv + 1);
    help(stderr);
    return CLI_UNSURE;
}
