/* sillokd.c: the node's program: options and configuration; net/daemon.h does the rest. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "net/config_check.h"
#include "net/daemon.h"

static const char usage[] =
    "Usage: sillokd --config FILE [--check-config]\n"
    "       sillokd --print-config\n"
    "\n"
    "Runs one agency's node of a ledger: votes on blocks with the other agencies' nodes, stores them, "
    "answers clients.\n"
    "\n"
    "  --config FILE    the configuration\n"
    "  --check-config   only says whether the configuration is good, and the files that it names: keys, "
    "certificates,\n"
    "                   the ledger's directory. Writes nothing, opens no ledger, asks no token, and may run "
    "beside the\n"
    "                   node; what it cannot read with the rights that it has is a fault\n"
    "  --print-config   prints a configuration to start from\n"
    "  --version        prints the version\n"
    "  --help           prints this\n"
    "\n"
    "SIGTERM and SIGINT stop it cleanly; SIGHUP makes it read what --print-config says is read again.\n"
    "Exit status: 0 stopped as asked, 1 failed or its token is away, 2 could not start; its log says why.\n";

enum { CONFIG = 1, CHECK, PRINT, VERSION, HELP };

static int print_config(void)
{
    char *sample = slk_config_sample();

    if (sample == NULL)
        return 2;
    fputs(sample, stdout);
    free(sample);
    return fflush(stdout) == 0 ? 0 : 2;
}

/* Files for all connections, as far as the system lets this process have them. */
static void raise_files(const struct slk_config *config)
{
    const rlim_t wanted =
        config->http_connections + 512; /* 64 to be told 503, 128 peers and as many that come, the store */
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= wanted)
        return;
    files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur < wanted)
        fprintf(stderr,
            "sillokd: only %llu open files are allowed, %llu are wanted: raise the limit (LimitNOFILE, "
            "ulimit -n), or lower "
            "http.connections\n",
            (unsigned long long)files.rlim_cur, (unsigned long long)wanted);
}

/* Faults where errors go, the rest where "good" does. */
static void print_found(void *ctx, const struct slk_config_found *found)
{
    const char *file = ctx;
    FILE *out = found->is_unchecked ? stdout : stderr;

    if (found->line > 0)
        fprintf(out, "%s:%zu: %s: %s\n", file, found->line, found->key, found->text);
    else
        fprintf(out, "%s: %s: %s\n", file, found->key, found->text);
}

static int check_files(const struct slk_config *config, char *file)
{
    if (slk_config_check_files(config, print_found, file) > 0)
        return 1;
    printf("%s: good\n", file);
    return fflush(stdout) == 0 ? 0 : 2;
}

static int run(char *file, bool only_check)
{
    static struct slk_config config;
    struct slk_fault fault;

    if (file == NULL) {
        fputs(
            "sillokd: which configuration? --config FILE (sillokd --print-config prints one to start from)\n",
            stderr);
        return 2;
    }
    if (slk_config_load(&config, file, &fault) != SLK_OK) {
        if (fault.line > 0)
            fprintf(stderr, "%s:%zu: %s\n", file, fault.line, fault.text);
        else
            fprintf(stderr, "%s: %s\n", file, fault.text);
        return only_check ? 1 : 2;
    }
    if (only_check)
        return check_files(&config, file);
    raise_files(&config);
    return slk_daemon_run(&config, file);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, CONFIG},
        {"check-config", no_argument, NULL, CHECK}, {"print-config", no_argument, NULL, PRINT},
        {"version", no_argument, NULL, VERSION}, {"help", no_argument, NULL, HELP}, {0}};
    char *file = NULL;
    bool only_check = false;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == PRINT)
            return print_config();
        if (option == VERSION || option == HELP) {
            fputs(option == HELP ? usage : "sillokd " SLK_VERSION "\n", stdout);
            return 0;
        }
        if (option != CONFIG && option != CHECK) {
            fputs("sillokd --help says what it takes\n", stderr);
            return 2;
        }
        only_check |= option == CHECK;
        file = option == CONFIG ? optarg : file;
    }
    if (optind < argc) {
        fprintf(stderr, "sillokd: %s: it takes options alone; see --help\n", argv[optind]);
        return 2;
    }
    return run(file, only_check);
}
