/* cli.h: what every `sillok` command shares: options, messages, progress, times, files, opening a ledger.
 *
 * A command describes its options in one table; parsing and --help both come from it. Exit codes are the contract
 * with scripts: 0 yes (done, sound, accepted), 1 no (refused, unsound, not found), 2 could not tell (usage, I/O).
 */
#ifndef SLK_TOOLS_CLI_H
#define SLK_TOOLS_CLI_H

#include <jansson.h>
#include <stdio.h>

#include "ledger/embed/ledger.h"
#include "ledger/verify/policy.h"
#include "tools/text.h"

enum cli_exit { CLI_YES = 0, CLI_NO = 1, CLI_UNSURE = 2 };

struct cli;
struct cli_command {
    const char *name;
    const char *usage;   /* after "sillok NAME" */
    const char *summary; /* one line for `sillok --help` */
    const char *about;   /* what a user must know, printed by --help after the options; may be "" */
    int (*run)(struct cli *cli);
};

/* A bar on stderr, when that is a terminal and the work takes longer than a second. Zero-initialise. */
struct cli_progress {
    uint64_t start_ms, shown_ms;
    bool shown;
};
void cli_progress_step(
    void *progress, const char *what, uint64_t done, uint64_t total); /* an slk_progress_fn */
void cli_progress_end(struct cli_progress *progress);

struct cli {
    const struct cli_command *command;
    int argc;
    char **argv; /* argv[0] is the command's name */
    char **args; /* after cli_parse: what is not an option */
    size_t args_n;
    int exit_code;                /* set when cli_parse says stop */
    struct cli_progress progress; /* of the work at hand; ledgers opened by cli_open keep a pointer to it */
};

#define CLI_LIST_MAX 600
struct cli_list {
    size_t n;
    const char *at[CLI_LIST_MAX];
};

struct cli_option {
    const char *name;
    const char *value; /* what stands for its argument in --help; NULL for a flag */
    const char *help;
    char letter; /* 0: no short form */
    bool *flag;
    const char **text;
    uint64_t *number;
    uint64_t min, max;     /* of that number, both allowed */
    struct cli_list *list; /* may be given many times */
};
#define CLI_FLAG(n, to, h)                                                                                   \
    {                                                                                                        \
        .name = (n), .help = (h), .flag = (to)                                                               \
    }
#define CLI_TEXT(n, v, to, h)                                                                                \
    {                                                                                                        \
        .name = (n), .value = (v), .help = (h), .text = (to)                                                 \
    }
/* A number says itself what it may be: what is outside is refused by name, and never taken for "not given". */
#define CLI_NUMBER(n, v, to, low, high, h)                                                                   \
    {                                                                                                        \
        .name = (n), .value = (v), .help = (h), .number = (to), .min = (low), .max = (high)                  \
    }
#define CLI_NUMBER_MAX  ((uint64_t)INT64_MAX) /* no limit of its own: what JSON can say (json_int_t) */
#define CLI_THREADS_MAX 256
#define CLI_DAY_S       86400
#define CLI_LIST(n, v, to, h)                                                                                \
    {                                                                                                        \
        .name = (n), .value = (v), .help = (h), .list = (to)                                                 \
    }
#define CLI_OUT(to, h)                                                                                       \
    {                                                                                                        \
        .name = "out", .letter = 'o', .value = "FILE", .help = (h), .text = (to)                             \
    }
#define CLI_OPTIONS_MAX 40

/* Reads argv by the table (ended by a zero entry). False: stop with cli->exit_code (--help, or a message was printed). */
bool cli_parse(struct cli *cli, const struct cli_option *options, size_t args_min, size_t args_max);
/* Hands argv[1..] to the one of `commands` that is named there ("charter new"). */
int cli_run_sub(struct cli *cli, const struct cli_command *const *commands);

/* "sillok NAME: ..." and a newline on stderr; returns `code`. */
int cli_fail(const struct cli *cli, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* "sillok NAME: where[:line]: sentence: detail". `where` and `fault` may be NULL. */
int cli_fault(
    const struct cli *cli, int code, const char *where, enum slk_err err, const struct slk_fault *fault);
/* NO for what the ledger or a file says about itself (damaged, refused), UNSURE when it could not be asked. */
int cli_code_of(enum slk_err err);

/* One JSON value and a newline on standard output; takes the reference. NULL, which json_pack gives for a name that is not
 * UTF-8, says so. */
void cli_json(json_t *value);

uint64_t cli_now_ms(void);  /* Unix time */
uint64_t cli_tick_ms(void); /* monotonic: for durations */

/* Reads a whole file ("-": standard input) of at most `max` bytes; malloc'ed, zero-terminated beyond *size. Prints on failure. */
bool cli_read(const struct cli *cli, const char *path, size_t max, uint8_t **out, size_t *size);
/* Writes a whole file ("-" or NULL: standard output). Prints on failure. */
bool cli_write(const struct cli *cli, const char *path, const void *bytes, size_t size);

/* Writes what must not be lost: to a new file beside `path`, synced, then renamed to it. Prints on failure. */
bool cli_write_safely(const struct cli *cli, const char *path, const void *bytes, size_t size);
/* A trust policy from its file. Prints on failure, and sets cli->exit_code. */
bool cli_policy_load(struct cli *cli, const char *path, struct slk_policy **out);

/* The handle from --handle or --handle-file; exactly one must be given. Prints on failure. */
struct cli_handle_args {
    const char *hex;
    const char *file;
};
#define CLI_HANDLE_OPTIONS(a)                                                                                \
    CLI_TEXT(                                                                                                \
        "handle", "HEX", &(a)->hex, "the credential's handle; it will show in process lists and history"),   \
        CLI_TEXT("handle-file", "FILE", &(a)->file,                                                          \
            "read the handle from the first line of FILE, - is standard input")
bool cli_handle(const struct cli *cli, const struct cli_handle_args *args, uint8_t handle[SLK_HANDLE_SIZE]);

/* The two keys a ledger's node signs checkpoints with, or neither. */
struct cli_signers {
    const char *log_file;
    const char *cosign_file;
    const char *vote_file; /* only who submits votes */
    struct slk_key *log_key;
    struct slk_key *cosign_key;
    struct slk_key *vote_key;
};
#define CLI_SIGNER_OPTIONS(s)                                                                                \
    CLI_TEXT("log-key", "FILE", &(s)->log_file, "this member's log key: signs each checkpoint"),             \
        CLI_TEXT("cosign-key", "FILE", &(s)->cosign_file, "this member's cosigning key")
bool cli_signers_load(const struct cli *cli, struct cli_signers *signers, struct slk_ledger_options *options);
void cli_signers_free(struct cli_signers *signers);
/* Gives an open ledger the key that votes for its blocks: --vote-key, else NAME.vote.pem, as `sillok keygen --member` calls it,
 * where the other keys are: beside --log-key, in `keys_dir`, beside `key_file` (each may be NULL). Prints on failure. */
bool cli_vote(struct cli *cli, struct cli_signers *signers, struct slk_ledger *ledger, const char *keys_dir,
    const char *key_file);

/* A ledger could not be opened: why, and what else lies there if it is none. Returns the exit code. */
int cli_no_ledger(const struct cli *cli, const char *dir, enum slk_err err, const struct slk_fault *fault);
/* Opens a ledger, with a progress bar while it loads. NULL after a message; then cli->exit_code says why. */
struct slk_ledger *cli_open(struct cli *cli, const char *dir, struct slk_ledger_options *options);
/* A charter from its text file, or the one in force in a ledger. Prints on failure. */
struct cli_charter {
    struct slk_charter *charter;
    uint8_t *bytes; /* canonical */
    size_t size;
    bool has_chain; /* it is a ledger's: */
    struct slk_hash chain_id;
    uint64_t pending_version, activation; /* of the one that waits; 0: none does */
};
bool cli_charter_load(struct cli *cli, const char *path, struct cli_charter *out);
void cli_charter_free(struct cli_charter *charter);
/* Only the store, read-only: fast whatever the ledger's size. */
struct slk_store *cli_open_store(struct cli *cli, const char *dir);

/* cmd_policy_update.c: the policy of the charter in force, to text[cap]; *size is 0 when it does not fit. False after a message. */
bool cli_policy_update(struct cli *cli, const char *dir, const char *policy_file, const char *checkpoint_file,
    char *text, size_t cap, size_t *size);

extern const struct cli_command cmd_keygen, cmd_charter, cmd_init, cmd_submit, cmd_head, cmd_history,
    cmd_proof, cmd_prove, cmd_verify, cmd_audit, cmd_policy, cmd_fsck, cmd_backup, cmd_restore, cmd_crowd,
    cmd_stat, cmd_simulate;
extern const struct cli_command cmd_status_list;
/* cmd_status_list.c: is this signed status list the one that the ledger's records lead to? Says so, or why not. `keys` may be NULL. */
int cli_status_compare(
    struct cli *cli, struct slk_store *store, const char *token_file, const char *keys, bool json);
extern const struct cli_command cmd_bundle, cmd_mirror;
extern const struct cli_command cmd_evidence, cmd_watch, cmd_status;
extern const struct cli_command cmd_charter_propose, cmd_charter_sign, cmd_charter_apply;

#endif
