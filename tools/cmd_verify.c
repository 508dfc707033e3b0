/* cmd_verify.c: `sillok verify`: hands over to sillok-verify, so that there is one verifier and one way it speaks. What it cannot do, for
 * it is linked to libcrypto alone, is done here before: pictures of QR codes become the texts in them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/cli.h"
#include "tools/qr_image.h"

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

/* Of one word of the command line: the open file that stands for it, kept open for sillok-verify; -1 after a message. */
static int text_of(const struct cli *cli, const char *path)
{
    const char *why;
    size_t size;
    char *text = qr_from_png(path, &size, &why);
    FILE *file = text != NULL ? tmpfile() : NULL;
    bool written = file != NULL && fwrite(text, 1, size, file) == size && fflush(file) == 0;

    free(text);
    if (text != NULL && !written)
        why = strerror(errno);
    if (!written) {
        (void)cli_fail(cli, CLI_UNSURE, "%s: %s", path, why);
        return -1;
    }
    rewind(file);
    return fileno(file);
}

/* Puts the texts in the place of the pictures; false after a message. */
static bool read_pictures(struct cli *cli)
{
    static char names[CLI_LIST_MAX][sizeof("/dev/fd/") + 10];
    bool is_qr = false;
    size_t n = 0;

    for (int i = 1; i < cli->argc; i++)
        is_qr |= strcmp(cli->argv[i], "--qr") == 0;
    for (int i = 1; is_qr && i < cli->argc; i++) {
        int fd;

        if (cli->argv[i][0] == '-' || !qr_is_png(cli->argv[i]))
            continue;
        if (n == CLI_LIST_MAX) {
            (void)cli_fail(cli, CLI_UNSURE, "at most %d pictures at once", CLI_LIST_MAX);
            return false;
        }
        fd = text_of(cli, cli->argv[i]);
        if (fd < 0)
            return false;
        snprintf(names[n], sizeof(names[n]), "/dev/fd/%d", fd);
        fprintf(stderr, "%s: a QR code, %s below\n", cli->argv[i], names[n]);
        cli->argv[i] = names[n++];
    }
    return true;
}

static int run(struct cli *cli)
{
    char program[] = PROGRAM, path[4096];

    if (!read_pictures(cli))
        return CLI_UNSURE;
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
    .about = "With --qr a file may also be a picture (PNG) of the code.\n",
    .run = run,
};
