/* cli_file.c: see cli.h. Files, keys and ledgers that commands open. */
#include "tools/cli.h"

#include "tools/charter_text.h"
#include "tools/tree_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HANDLE_FILE_MAX 4096

/* Grows the buffer as it goes: standard input and pipes have no size to ask for. */
static uint8_t *slurp(FILE *file, size_t max, size_t *size)
{
    size_t cap = 65536, used = 0;
    uint8_t *bytes = malloc(cap);

    while (bytes != NULL && used <= max) {
        uint8_t *more;
        size_t n = fread(bytes + used, 1, cap - used - 1, file);

        used += n;
        if (n == 0)
            break;
        if (cap - used > 1)
            continue;
        cap *= 2;
        more = realloc(bytes, cap);
        if (more == NULL) {
            free(bytes);
            return NULL;
        }
        bytes = more;
    }
    if (bytes != NULL)
        bytes[used] = 0;
    *size = used;
    return bytes;
}

bool cli_read(const struct cli *cli, const char *path, size_t max, uint8_t **out, size_t *size)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "rb");
    bool good = false;

    *out = NULL;
    if (file == NULL) {
        cli_fail(cli, CLI_UNSURE, "%s: %s", path, strerror(errno));
        return false;
    }
    *out = slurp(file, max, size);
    if (*out == NULL)
        cli_fail(cli, CLI_UNSURE, "%s: %s", path, slk_err_text(SLK_E_NOMEM));
    else if (ferror(file))
        cli_fail(cli, CLI_UNSURE, "%s: %s", path, strerror(errno));
    else if (*size > max)
        cli_fail(
            cli, CLI_UNSURE, "%s: larger than %zu bytes, which is the most that makes sense here", path, max);
    else
        good = true;
    if (!is_stdin)
        fclose(file);
    if (!good) {
        free(*out);
        *out = NULL;
    }
    return good;
}

bool cli_write(const struct cli *cli, const char *path, const void *bytes, size_t size)
{
    bool is_stdout = path == NULL || strcmp(path, "-") == 0;
    FILE *file = is_stdout ? stdout : fopen(path, "wb");
    bool good;

    if (file == NULL) {
        cli_fail(cli, CLI_UNSURE, "%s: %s", path, strerror(errno));
        return false;
    }
    good = fwrite(bytes, 1, size, file) == size;
    good = (is_stdout ? fflush(file) : fclose(file)) == 0 && good;
    if (!good)
        cli_fail(cli, CLI_UNSURE, "%s: %s", is_stdout ? "standard output" : path, strerror(errno));
    return good;
}

/* The directory holds the name: it is synced too, or the old file could be back after a power cut. */
static bool sync_directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char dir[4096] = ".";
    int fd;
    bool good;

    if (slash != NULL)
        snprintf(dir, sizeof(dir), "%.*s", (int)(slash == path ? 1 : slash - path), path);
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return good;
}

bool cli_write_safely(const struct cli *cli, const char *path, const void *bytes, size_t size)
{
    char temporary[4096];
    int n = snprintf(temporary, sizeof(temporary), "%s.new", path);
    FILE *file = n > 0 && (size_t)n < sizeof(temporary) ? fopen(temporary, "wb") : NULL;
    bool good =
        file != NULL && fwrite(bytes, 1, size, file) == size && fflush(file) == 0 && fsync(fileno(file)) == 0;

    if (file != NULL)
        good = fclose(file) == 0 && good;
    good = good && rename(temporary, path) == 0 && sync_directory_of(path);
    if (!good)
        cli_fail(cli, CLI_UNSURE, "%s: %s", path, strerror(errno));
    return good;
}

bool cli_policy_load(struct cli *cli, const char *path, struct slk_policy **out)
{
    struct slk_fault fault = {0};
    uint8_t *text = NULL;
    size_t size = 0;
    enum slk_err err;

    *out = NULL;
    cli->exit_code = CLI_UNSURE;
    if (!cli_read(cli, path, SLK_POLICY_TEXT_MAX, &text, &size))
        return false;
    err = slk_policy_new(out, (const char *)text, size, &fault);
    free(text);
    if (err != SLK_OK)
        cli_fault(cli, CLI_UNSURE, path, err, &fault);
    return err == SLK_OK;
}

bool cli_handle(const struct cli *cli, const struct cli_handle_args *args, uint8_t handle[SLK_HANDLE_SIZE])
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    bool good;

    if ((args->hex == NULL) == (args->file == NULL)) {
        cli_fail(cli, CLI_UNSURE, "say which credential: --handle HEX or --handle-file FILE (one of them)");
        return false;
    }
    if (args->hex != NULL) {
        good = text_hash_parse(handle, args->hex, strlen(args->hex));
    } else {
        if (!cli_read(cli, args->file, HANDLE_FILE_MAX, &bytes, &size))
            return false;
        good = text_hash_parse(handle, (const char *)bytes, strcspn((const char *)bytes, "\r\n"));
        free(bytes);
    }
    if (!good)
        cli_fail(cli, CLI_UNSURE, "%s: a handle is 64 hexadecimal digits",
            args->hex != NULL ? "--handle" : args->file);
    return good;
}

static bool load_key(const struct cli *cli, const char *file, struct slk_key **out)
{
    struct slk_fault fault = {0};
    enum slk_err err = file == NULL ? SLK_OK : slk_key_load(out, file, &fault);

    if (err != SLK_OK)
        cli_fault(cli, CLI_UNSURE, NULL, err, &fault); /* names the file itself */
    return err == SLK_OK;
}

bool cli_signers_load(const struct cli *cli, struct cli_signers *signers, struct slk_ledger_options *options)
{
    if ((signers->log_file == NULL) != (signers->cosign_file == NULL)) {
        cli_fail(cli, CLI_UNSURE, "give both --log-key and --cosign-key, or neither");
        return false;
    }
    if (!load_key(cli, signers->log_file, &signers->log_key) ||
        !load_key(cli, signers->cosign_file, &signers->cosign_key)) {
        cli_signers_free(signers);
        return false;
    }
    options->log_key = signers->log_key;
    options->cosign_key = signers->cosign_key;
    return true;
}

void cli_signers_free(struct cli_signers *signers)
{
    slk_key_free(signers->log_key);
    slk_key_free(signers->cosign_key);
    slk_key_free(signers->vote_key);
    signers->log_key = NULL;
    signers->cosign_key = NULL;
    signers->vote_key = NULL;
}

static const struct slk_member *sole_voter(const struct slk_charter *charter)
{
    for (size_t i = 0; slk_charter_voting_n(charter) == 1 && i < charter->members_n; i++)
        if (charter->members[i].role == SLK_VOTING)
            return &charter->members[i];
    return NULL;
}

/* DIR/NAME.vote.pem into `out`, DIR being `dir`, or where `file` is. False when there is no such file. */
static bool beside(char *out, size_t cap, const char *dir, const char *file, const char *name)
{
    const char *slash = file != NULL ? strrchr(file, '/') : NULL;
    int n;

    if ((dir == NULL && file == NULL) || strchr(name, '/') != NULL || name[0] == '.')
        return false;
    if (dir != NULL)
        n = snprintf(out, cap, "%s/%s.vote.pem", dir, name);
    else if (slash != NULL)
        n = snprintf(out, cap, "%.*s/%s.vote.pem", (int)(slash - file), file, name);
    else
        n = snprintf(out, cap, "%s.vote.pem", name);
    return n > 0 && (size_t)n < cap && access(out, F_OK) == 0;
}

bool cli_vote(struct cli *cli, struct cli_signers *signers, struct slk_ledger *ledger, const char *keys_dir,
    const char *key_file)
{
    const struct slk_member *member = sole_voter(slk_ledger_charter(ledger));
    const char *file = signers->vote_file, *name = member != NULL ? member->name : "";
    struct slk_fault fault = {0};
    char path[4096];
    enum slk_err err;

    if (file == NULL && (beside(path, sizeof(path), NULL, signers->log_file, name) ||
                            beside(path, sizeof(path), keys_dir, NULL, name) ||
                            beside(path, sizeof(path), NULL, key_file, name)))
        file = path;
    if (file == NULL) {
        cli->exit_code = cli_fail(cli, CLI_UNSURE,
            "a block is voted on, also by a single member: give --vote-key FILE, the vote key of %s (`sillok "
            "keygen --member DIR "
            "%s` called it DIR/%s.vote.pem)",
            name, name, name);
        return false;
    }
    cli->exit_code = CLI_UNSURE;
    if (!load_key(cli, file, &signers->vote_key))
        return false;
    err = slk_ledger_vote_with(ledger, signers->vote_key, &fault);
    if (err == SLK_OK)
        err = slk_ledger_may_submit(ledger, &fault);
    if (err != SLK_OK)
        cli->exit_code = cli_fault(cli, cli_code_of(err), file, err, &fault);
    return err == SLK_OK;
}

int cli_no_ledger(const struct cli *cli, const char *dir, enum slk_err err, const struct slk_fault *fault)
{
    struct stat st;

    if (err == SLK_E_NOT_FOUND && tree_is_dir(dir))
        return cli_fail(cli, CLI_UNSURE,
            "%s is a tree of tiles (`sillok mirror`), no ledger: `sillok audit` and `sillok prove --entry` "
            "read "
            "it; else name a ledger's directory, or ask a node",
            dir);
    if (err == SLK_E_NOT_FOUND && stat(dir, &st) == 0 && !S_ISDIR(st.st_mode))
        return cli_fail(
            cli, CLI_UNSURE, "%s is a file: a ledger is a directory; `sillok init` makes one", dir);
    return cli_fault(cli, cli_code_of(err), dir, err, fault);
}

struct slk_ledger *cli_open(struct cli *cli, const char *dir, struct slk_ledger_options *options)
{
    struct slk_ledger *ledger = NULL;
    struct slk_fault fault = {0};
    enum slk_err err;

    options->progress = cli_progress_step;
    options->progress_ctx = &cli->progress;
    err = slk_ledger_open(&ledger, dir, options, &fault);
    cli_progress_end(&cli->progress);
    if (err != SLK_OK)
        cli->exit_code = cli_no_ledger(cli, dir, err, &fault);
    else if (fault.text[0] != '\0')
        cli_fail(cli, CLI_YES,
            "%s: warning: %s: left out, the blocks were replayed instead; run `sillok fsck %s`", dir,
            fault.text, dir);
    return err == SLK_OK ? ledger : NULL;
}

struct slk_store *cli_open_store(struct cli *cli, const char *dir)
{
    const struct slk_store_options options = {.read_only = true};
    struct slk_store *store = NULL;
    struct slk_fault fault = {0};
    enum slk_err err = slk_store_open(&store, dir, &options, &fault);

    if (err != SLK_OK)
        cli->exit_code = cli_no_ledger(cli, dir, err, &fault);
    return err == SLK_OK ? store : NULL;
}

static bool is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The one that governs the next block, and which one waits. */
static enum slk_err charter_of_store(
    struct slk_store *store, struct cli_charter *out, struct slk_fault *fault)
{
    struct slk_charter *genesis = malloc(sizeof(*genesis));
    struct slk_charters *charters = NULL;
    const struct slk_charter *pending;
    enum slk_err err = genesis != NULL ? slk_charter_parse(genesis, slk_store_charter(store)) : SLK_E_NOMEM;

    if (err == SLK_OK)
        err = slk_charters_new(&charters, genesis);
    if (err == SLK_OK)
        err = slk_store_load_charters(store, charters, fault);
    if (err == SLK_OK) {
        *out->charter = *slk_charters_now(charters);
        out->size = slk_charter_format(out->bytes, SLK_CHARTER_BYTES_MAX, out->charter);
        out->has_chain = true;
        out->chain_id = *slk_store_chain_id(store);
        pending = slk_charters_pending(charters, &out->activation);
        out->pending_version = pending != NULL ? pending->version : 0;
    }
    slk_charters_free(charters);
    free(genesis);
    return err;
}

static bool charter_from_ledger(struct cli *cli, const char *dir, struct cli_charter *out)
{
    struct slk_store *store = cli_open_store(cli, dir);
    struct slk_fault fault = {0};
    enum slk_err err;

    if (store == NULL)
        return false;
    err = charter_of_store(store, out, &fault);
    slk_store_close(store);
    if (err != SLK_OK)
        cli->exit_code = cli_fault(cli, cli_code_of(err), dir, err, &fault);
    return err == SLK_OK;
}

static bool charter_from_text(struct cli *cli, const char *path, struct cli_charter *out)
{
    struct slk_fault fault = {0};
    uint8_t *text;
    size_t size;
    enum slk_err err;

    cli->exit_code = CLI_UNSURE;
    if (!cli_read(cli, path, SLK_CHARTER_TEXT_MAX, &text, &size))
        return false;
    err = slk_charter_text_parse(out->charter, (const char *)text, size, &fault);
    free(text);
    if (err != SLK_OK) {
        cli->exit_code = cli_fault(cli, cli_code_of(err), path, err, &fault);
        return false;
    }
    out->size = slk_charter_format(out->bytes, SLK_CHARTER_BYTES_MAX, out->charter);
    if (out->size == 0)
        cli->exit_code =
            cli_fail(cli, CLI_NO, "%s: larger than %d bytes in canonical form: shorten names or drop issuers",
                path, SLK_CHARTER_BYTES_MAX);
    return out->size != 0;
}

bool cli_charter_load(struct cli *cli, const char *path, struct cli_charter *out)
{
    bool good;

    *out = (struct cli_charter){
        .charter = malloc(sizeof(*out->charter)), .bytes = malloc(SLK_CHARTER_BYTES_MAX)};
    if (out->charter == NULL || out->bytes == NULL) {
        cli->exit_code = cli_fault(cli, CLI_UNSURE, path, SLK_E_NOMEM, NULL);
        good = false;
    } else {
        good = is_directory(path) ? charter_from_ledger(cli, path, out) : charter_from_text(cli, path, out);
    }
    if (!good)
        cli_charter_free(out);
    return good;
}

void cli_charter_free(struct cli_charter *charter)
{
    free(charter->charter);
    free(charter->bytes);
    *charter = (struct cli_charter){0};
}
