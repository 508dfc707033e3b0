/* cli.c: see cli.h. Options and --help, messages, the progress bar. */
#include "tools/cli.h"

#include <assert.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_AFTER_MS 1000 /* shorter work needs no bar */
#define PROGRESS_EVERY_MS 100
#define PROGRESS_WIDTH    40
#define HELP_COLUMN       26
#define MESSAGE_MAX       8192 /* a path and a sentence */

static void print_option(const struct cli_option *option)
{
    char left[80];

    snprintf(left, sizeof(left), "  --%s%s%s%s%c", option->name, option->value != NULL ? " " : "",
        option->value != NULL ? option->value : "", option->letter != 0 ? ", -" : "", option->letter);
    if (strlen(left) < HELP_COLUMN)
        printf("%-*s%s\n", HELP_COLUMN, left, option->help);
    else
        printf("%s\n%*s%s\n", left, HELP_COLUMN, "", option->help);
}

static void print_help(const struct cli *cli, const struct cli_option *options)
{
    const struct cli_command *command = cli->command;

    printf("Usage: sillok %s %s\n\n%s.\n\n", command->name, command->usage, command->summary);
    for (size_t i = 0; options[i].name != NULL; i++)
        print_option(&options[i]);
    printf("%-*s%s\n", HELP_COLUMN, "  --help", "this text");
    if (command->about[0] != '\0')
        printf("\n%s\n", command->about);
}

static bool take_number(const struct cli *cli, const struct cli_option *option, const char *text)
{
    uint64_t number;

    assert(option->max > 0);
    if (slk_decimal_parse(&number, option->max, text, strlen(text)) && number >= option->min) {
        *option->number = number;
        return true;
    }
    cli_fail(cli, CLI_UNSURE, "--%s: give a whole number from %" PRIu64 " to %" PRIu64 ", not \"%.40s\"",
        option->name, option->min, option->max, text);
    return false;
}

static bool take_value(const struct cli *cli, const struct cli_option *option, const char *text)
{
    if (option->flag != NULL)
        *option->flag = true;
    if (option->text != NULL)
        *option->text = text;
    if (option->list != NULL) {
        if (option->list->n == CLI_LIST_MAX) {
            cli_fail(cli, CLI_UNSURE, "--%s: given more than %d times", option->name, CLI_LIST_MAX);
            return false;
        }
        option->list->at[option->list->n++] = text;
    }
    return option->number == NULL || take_number(cli, option, text);
}

static const struct cli_option *option_by_letter(const struct cli_option *options, int letter)
{
    for (size_t i = 0; options[i].name != NULL; i++)
        if (options[i].letter == letter)
            return &options[i];
    return NULL;
}

/* getopt's tables from ours; long options come back as their index plus one, shifted above any letter. */
#define LONG_BASE 1000
#define LONG_HELP 999
static void getopt_tables(const struct cli_option *options, struct option *longs, char *letters)
{
    size_t n = 0;

    *letters++ = ':'; /* we print the messages */
    for (; options[n].name != NULL; n++) {
        assert(n < CLI_OPTIONS_MAX);
        longs[n] = (struct option){options[n].name, options[n].value != NULL, NULL, LONG_BASE + (int)n};
        if (options[n].letter != 0) {
            *letters++ = options[n].letter;
            if (options[n].value != NULL)
                *letters++ = ':';
        }
    }
    longs[n] = (struct option){"help", 0, NULL, LONG_HELP};
    longs[n + 1] = (struct option){NULL, 0, NULL, 0};
    *letters = '\0';
}

static int usage_error(const struct cli *cli, const char *what, const char *word)
{
    return cli_fail(cli, CLI_UNSURE, "%s%s%s; see `sillok %s --help`", what, word[0] != '\0' ? " " : "", word,
        cli->command->name);
}

bool cli_parse(struct cli *cli, const struct cli_option *options, size_t args_min, size_t args_max)
{
    struct option longs[CLI_OPTIONS_MAX + 2];
    char letters[2 * CLI_OPTIONS_MAX + 2];
    int c;

    getopt_tables(options, longs, letters);
    optind = 1;
    cli->exit_code = CLI_UNSURE;
    while ((c = getopt_long(cli->argc, cli->argv, letters, longs, NULL)) != -1) {
        const struct cli_option *option =
            c >= LONG_BASE ? &options[c - LONG_BASE] : option_by_letter(options, c);

        if (c == LONG_HELP) {
            print_help(cli, options);
            cli->exit_code = CLI_YES;
            return false;
        }
        if (c == '?' || c == ':' || option == NULL) {
            usage_error(
                cli, c == ':' ? "this option needs an argument:" : "unknown option", cli->argv[optind - 1]);
            return false;
        }
        if (!take_value(cli, option, optarg))
            return false;
    }
    cli->args = cli->argv + optind;
    cli->args_n = (size_t)(cli->argc - optind);
    if (cli->args_n < args_min)
        usage_error(cli, "something is missing: usage is", cli->command->usage);
    else if (cli->args_n > args_max)
        usage_error(cli, "too many arguments, from", cli->args[args_max]);
    else
        cli->exit_code = CLI_YES;
    return cli->exit_code == CLI_YES;
}

int cli_run_sub(struct cli *cli, const struct cli_command *const *commands)
{
    const struct cli_command *parent = cli->command;
    const char *name = cli->argc > 1 ? cli->argv[1] : "";
    size_t skip = strlen(parent->name) + 1; /* sub-commands are named "charter new" */

    for (size_t i = 0; commands[i] != NULL; i++) {
        if (strcmp(commands[i]->name + skip, name) == 0) {
            cli->command = commands[i];
            cli->argc--;
            cli->argv++;
            return commands[i]->run(cli);
        }
    }
    if (strcmp(name, "--help") != 0)
        return usage_error(cli, name[0] != '\0' ? "no such command:" : "which one? usage is",
            name[0] != '\0' ? name : parent->usage);
    printf("Usage: sillok %s %s\n\n%s.\n\n", parent->name, parent->usage, parent->summary);
    for (size_t i = 0; commands[i] != NULL; i++)
        printf("  %-16s %s\n", commands[i]->name, commands[i]->summary);
    printf("\n`sillok %s COMMAND --help` tells more.\n", parent->name);
    return CLI_YES;
}

/* Messages quote names out of files that others wrote: nothing in them may steer a terminal (ASCII's control characters,
 * and U+0080 to U+009F in UTF-8), or be read as what it is not. */
static void disarm(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c != '\0';) {
        uint32_t code;
        size_t n = text_unseen(&code, (const char *)c);

        if (n == 0 && (*c < 0x20 || *c == 0x7f))
            n = 1;
        else if (n == 0 && c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
            n = 2;
        c += n == 0;
        for (; n > 0; n--)
            *c++ = '?';
    }
}

int cli_fail(const struct cli *cli, int code, const char *format, ...)
{
    char text[MESSAGE_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    disarm(text);
    fflush(stdout);
    fprintf(stderr, "sillok %s: %s\n", cli->command->name, text);
    return code;
}

/* "ledger holds ..." is a sentence of its own: it needs no "ledger: " before it. */
static bool names_itself(const char *text, const char *where)
{
    size_t n = where != NULL ? strlen(where) : 0;

    return n > 0 && strncmp(text, where, n) == 0 && (text[n] == ' ' || text[n] == ':');
}

int cli_fault(
    const struct cli *cli, int code, const char *where, enum slk_err err, const struct slk_fault *fault)
{
    const char *text = slk_err_text(err), *more = fault != NULL ? fault->text : "";
    size_t text_n = strlen(text), more_n = strlen(more);
    char line[24] = "";

    if (more_n >= text_n && strcmp(more + more_n - text_n, text) == 0) { /* nothing is said twice */
        text = more;
        more = "";
    }
    if (names_itself(more, where))
        return cli_fail(cli, code, "%s", more);

    if (fault != NULL && fault->line != 0)
        snprintf(line, sizeof(line), ":%zu", fault->line);
    return cli_fail(cli, code, "%s%s%s%s%s%s", where != NULL ? where : "", where != NULL ? line : "",
        where != NULL ? ": " : "", text, more[0] != '\0' ? ": " : "", more);
}

int cli_code_of(enum slk_err err)
{
    switch (err) {
    case SLK_OK:
        return CLI_YES;
    case SLK_E_NOMEM:
    case SLK_E_IO:
    case SLK_E_NO_SPACE:
    case SLK_E_IN_USE:
    case SLK_E_FORMAT:
    case SLK_E_READ_ONLY:
    case SLK_E_KEY:
    case SLK_E_SIGNER:
    case SLK_E_EXISTS:
    case SLK_E_NOT_FOUND:
    case SLK_E_UNSIGNED:
        return CLI_UNSURE;
    case SLK_E_MALFORMED:
    case SLK_E_NOT_CANONICAL:
    case SLK_E_TOO_LARGE:
    case SLK_E_RANGE:
    case SLK_E_PROOF:
    case SLK_E_MAP_PROOF:
    case SLK_E_NOTE:
    case SLK_E_CHECKPOINT:
    case SLK_E_VKEY:
    case SLK_E_POLICY:
    case SLK_E_SIGNATURE:
    case SLK_E_NO_LOG:
    case SLK_E_QUORUM:
    case SLK_E_NO_QUORUM:
    case SLK_E_FUTURE:
    case SLK_E_TOO_OLD:
    case SLK_E_SEAL:
    case SLK_E_RECORD:
    case SLK_E_HISTORY:
    case SLK_E_HANDLE:
    case SLK_E_RULE:
    case SLK_E_NO_HISTORY:
    case SLK_E_TIME:
    case SLK_E_CHARTER:
    case SLK_E_CHAIN:
    case SLK_E_CORRUPT:
    case SLK_E_REFUSED:
        return CLI_NO;
    }
    abort();
}

void cli_json(json_t *value)
{
    if (value == NULL)
        fputs("{\"error\":\"cannot be said in JSON: a name in it is not UTF-8\"}", stdout);
    else if (json_dumpf(value, stdout, JSON_COMPACT) != 0 && ferror(stdout) == 0)
        abort(); /* out of memory; a full disk is for main to see */
    putchar('\n');
    json_decref(value);
}

uint64_t cli_tick_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t cli_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void cli_progress_step(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    struct cli_progress *progress = ctx;
    uint64_t now = cli_tick_ms();
    char bar[PROGRESS_WIDTH + 1], a[TEXT_HUMAN_SIZE], b[TEXT_HUMAN_SIZE];
    int filled;

    if (progress->start_ms == 0)
        progress->start_ms = now;
    if (now - progress->start_ms < PROGRESS_AFTER_MS || now - progress->shown_ms < PROGRESS_EVERY_MS ||
        !isatty(STDERR_FILENO))
        return;
    progress->shown_ms = now;
    progress->shown = true;
    filled = total == 0 ? 0 : (int)((double)(done < total ? done : total) / (double)total * PROGRESS_WIDTH);
    memset(bar, '.', PROGRESS_WIDTH);
    memset(bar, '#', (size_t)filled);
    bar[PROGRESS_WIDTH] = '\0';
    fprintf(stderr, "\r%-18s [%s] %s", what, bar, text_count(a, done));
    if (total != 0)
        fprintf(stderr, " / %s", text_count(b, total));
    fprintf(stderr, "   ");
}

void cli_progress_end(struct cli_progress *progress)
{
    if (progress->shown)
        fprintf(stderr, "\r%100s\r", "");
    *progress = (struct cli_progress){0};
}
