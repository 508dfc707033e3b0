/* cmd_charter_change.c: `sillok charter propose|sign|apply`: one charter after another, by the rules of ledger/core/change.h. */
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/charter_desk.h"
#include "tools/charter_edit.h"
#include "tools/charter_text.h"

#define PATH_ROOM 4096

static bool give_up(
    struct desk *d, int code, const char *where, enum slk_err err, const struct slk_fault *fault)
{
    d->cli->exit_code = cli_fault(d->cli, code, where, err, fault);
    return false;
}

/* Beside a node when one is named, else beside the directory that is the first argument. */
static bool open_either(struct desk *d, struct cli *cli, struct cli_nodes *nodes, bool at_node)
{
    return at_node ? desk_open_node(d, cli, nodes) : desk_open(d, cli, cli->args[0]);
}

/* The change that desk->bytes hold. */
static bool desk_take(struct desk *d, const char *file)
{
    struct slk_fault fault = {0};
    enum slk_err err = slk_change_parse(d->change, slk_span_of(d->bytes, d->size));

    if (err == SLK_OK)
        err = slk_charter_parse(d->next, d->change->charter);
    if (err == SLK_OK)
        err = slk_charter_validate(d->next, &fault);
    return err == SLK_OK || give_up(d, CLI_NO, file, err, &fault);
}

static bool desk_read(struct desk *d, const char *file)
{
    d->cli->exit_code = CLI_UNSURE;
    if (!cli_read(d->cli, file, SLK_ENTRY_MAX, &d->bytes, &d->size) || !desk_take(d, file))
        return false;
    charter_say_unseen(d->next); /* before it is signed */
    return true;
}

/* Beside the file, then renamed: signatures that were gathered are not lost half-way. */
static bool desk_write(struct desk *d, const char *file)
{
    char aside[PATH_ROOM];
    uint8_t *bytes = malloc(SLK_ENTRY_MAX);
    size_t size = bytes != NULL ? slk_change_format(bytes, SLK_ENTRY_MAX, d->change) : 0;
    bool good = false;

    d->cli->exit_code = CLI_UNSURE;
    if (size == 0)
        cli_fail(d->cli, CLI_UNSURE, "%s: larger than %d bytes: bring the new keys in several changes", file,
            SLK_ENTRY_MAX);
    else if (snprintf(aside, sizeof(aside), "%s.new", file) >= (int)sizeof(aside))
        cli_fail(d->cli, CLI_UNSURE, "%s: too long a name", file);
    else if (cli_write(d->cli, aside, bytes, size)) {
        good = rename(aside, file) == 0;
        if (!good)
            cli_fail(d->cli, CLI_UNSURE, "%s: cannot be replaced", file);
    }
    free(bytes);
    return good;
}

/* ---- what there is to say about a change ---- */

static void say_said(const char *file, unsigned said)
{
    static const struct {
        unsigned what;
        const char *text;
    } all[] = {
        {SLK_SAID_APPROVAL, "approves"}, {SLK_SAID_POSSESSION, "is held"}, {SLK_SAID_READY, "is ready"}};
    const char *between = " ";

    printf("%s:", file);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if ((said & all[i].what) == 0)
            continue;
        printf("%s%s", between, all[i].text);
        between = ", ";
    }
    printf("\n");
}

/* The first thing that keeps the next block from taking it. */
static void say_state(struct desk *d, const char *file)
{
    struct slk_fault fault = {0};
    enum slk_change_rule rule = desk_judge(d, &fault);

    if (rule == SLK_CHANGE_OK)
        printf("%s: complete: version %" PRIu64 " can govern from block %" PRIu64
               " on; `sillok charter apply` puts it into the ledger\n",
            file, d->next->version, d->change->activation);
    else
        printf("%s: not yet: %s: %s\n", file, slk_change_rule_name(rule), fault.text);
}

static bool sign_with(struct desk *d, const char *file, bool quiet, size_t *signed_n)
{
    struct slk_fault fault = {0};
    struct slk_key *key = NULL;
    unsigned said = 0;
    enum slk_err err = slk_key_load(&key, file, &fault);

    if (err != SLK_OK)
        return give_up(d, CLI_UNSURE, NULL, err, &fault); /* names the file itself */
    err = slk_change_sign(d->change, &d->place, key, &said);
    slk_key_free(key);
    if (err != SLK_OK)
        return give_up(d, CLI_UNSURE, file, err, NULL);
    if (said != 0)
        say_said(file, said);
    else if (!quiet)
        printf("%s: has no say in this change\n", file);
    *signed_n += said != 0;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every *.pem of a directory, in order of their names. */
static bool sign_with_all(struct desk *d, const char *dir, size_t *signed_n)
{
    struct dirent *entry;
    char **names = NULL;
    size_t n = 0;
    bool good = true;
    DIR *open = opendir(dir);

    if (open == NULL) {
        d->cli->exit_code = cli_fail(d->cli, CLI_UNSURE, "%s: cannot be read", dir);
        return false;
    }
    while (good && (entry = readdir(open)) != NULL) {
        size_t size = strlen(entry->d_name);
        char **grown = size > 4 && strcmp(entry->d_name + size - 4, ".pem") == 0
                           ? realloc(names, (n + 1) * sizeof(*names))
                           : NULL;

        if (grown == NULL)
            continue;
        names = grown;
        size += strlen(dir) + 2;
        names[n] = malloc(size);
        good = names[n] != NULL;
        if (good)
            (void)snprintf(names[n++], size, "%s/%s", dir, entry->d_name);
    }
    (void)closedir(open);
    if (n > 0)
        qsort(names, n, sizeof(*names), by_name);
    for (size_t i = 0; good && i < n; i++)
        good = sign_with(d, names[i], true, signed_n);
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return good;
}

/* ---- propose ---- */

/* The charter of the text, or else the one in force, edited. */
static bool load_next(struct desk *d, const char *text, const struct charter_edit *edit)
{
    struct cli_charter c;

    *d->next = *d->place.old;
    if (text != NULL) {
        if (!cli_charter_load(d->cli, text, &c))
            return false;
        *d->next = *c.charter;
        cli_charter_free(&c);
    }
    d->next->created_at_ms = cli_now_ms() / 1000 * 1000;
    if (d->next->created_at_ms < d->place.old->created_at_ms)
        d->next->created_at_ms = d->place.old->created_at_ms;
    return charter_edit(d->cli, edit, d->next);
}

/* As the successor of the charter in force. */
static bool draft(struct desk *d, const char *text, const struct charter_edit *edit, uint64_t activation)
{
    struct slk_fault fault = {0};
    enum slk_err err;

    if (!load_next(d, text, edit))
        return false;
    d->next->version = d->place.old->version + 1;
    d->next->has_previous = true;
    d->next->previous = d->place.old->hash;
    err = slk_charter_validate(d->next, &fault);
    if (err != SLK_OK)
        return give_up(d, CLI_NO, text != NULL ? text : "the new charter", err, &fault);
    d->bytes = malloc(SLK_CHARTER_BYTES_MAX);
    d->size = d->bytes != NULL ? slk_charter_format(d->bytes, SLK_CHARTER_BYTES_MAX, d->next) : 0;
    if (d->size == 0)
        return give_up(d, CLI_UNSURE, text, d->bytes == NULL ? SLK_E_NOMEM : SLK_E_TOO_LARGE, NULL);
    d->change->charter = slk_span_of(d->bytes, d->size);
    d->change->activation = activation;
    charter_say_unseen(d->next);
    return true;
}

/* Whoever decides alone need not warn anybody: from the block after the change's. Others see it coming (protocol §2.14). */
static uint64_t usual_activation(const struct desk *d)
{
    return d->place.height + 1 + (slk_charter_voting_n(d->place.old) == 1 ? 1 : 10);
}

static int run_propose(struct cli *cli)
{
    const char *text = NULL, *out = NULL, *keys_dir = NULL;
    struct charter_edit edit = {.keys_dir = "."};
    uint64_t activation = 0;
    size_t signed_n = 0;
    struct cli_nodes nodes = {0};
    struct desk d = {0};
    bool at_node;
    int code = CLI_UNSURE;
    const struct cli_option options[] = {
        CLI_NODE_OPTIONS(&nodes),
        CLI_TEXT("charter", "FILE", &text, "the new charter's text; version and previous are set for you"),
        CLI_LIST("member", "NAME=AGENCY", &edit.members, "a new member with a vote and its number"),
        CLI_LIST("observer", "NAME=AGENCY", &edit.observers, "a new member without one"),
        CLI_LIST("issuer", "NAME=AGENCY", &edit.issuers, "a new office, as in `sillok charter new`"),
        CLI_LIST("desk", "NAME=AGENCY", &edit.desks, "a new desk that may LOCK"),
        CLI_LIST(
            "rotate", "NAME", &edit.rotated, "new keys for a member or issuer: those that are in --new-keys"),
        CLI_LIST("remove", "NAME", &edit.removed, "a member or issuer that goes"),
        CLI_TEXT("new-keys", "DIR", &edit.keys_dir, "where keygen put the new keys (default: here)"),
        CLI_NUMBER("activation", "HEIGHT", &activation, 1, CLI_NUMBER_MAX,
            "the block from which it governs (default: 10 after the next; the one after it where one member "
            "votes)"),
        CLI_TEXT("keys", "DIR", &keys_dir,
            "sign with every key in DIR that has a say, like `sillok charter sign`"),
        CLI_OUT(&out, "where the change goes"),
        {0},
    };

    if (!cli_parse(cli, options, 0, 1))
        return cli->exit_code;
    at_node = cli_nodes_wanted(cli, &nodes);
    if (at_node == (cli->args_n == 1))
        return cli_fail(cli, CLI_UNSURE, "of which ledger? Give its directory, or a node with --url");
    if (out == NULL)
        return cli_fail(cli, CLI_UNSURE, "give -o FILE, where the change goes");
    if (text == NULL &&
        edit.members.n + edit.observers.n + edit.issuers.n + edit.desks.n + edit.rotated.n + edit.removed.n ==
            0)
        return cli_fail(cli, CLI_UNSURE,
            "what changes? --member, --issuer, --rotate, --remove and the like, or --charter FILE, the whole "
            "new text");
    if (open_either(&d, cli, &nodes, at_node) &&
        draft(&d, text, &edit, activation != 0 ? activation : usual_activation(&d)) &&
        (keys_dir == NULL || sign_with_all(&d, keys_dir, &signed_n)) && desk_write(&d, out)) {
        say_state(&d, out);
        code = CLI_YES;
    } else {
        code = cli->exit_code;
    }
    desk_close(&d);
    cli_nodes_close(&nodes);
    return code;
}

/* ---- sign ---- */

static int run_sign(struct cli *cli)
{
    struct cli_list keys = {0};
    const char *keys_dir = NULL;
    size_t signed_n = 0;
    struct cli_nodes nodes = {0};
    struct desk d = {0};
    struct cli without_args = *cli;
    const char *file;
    bool good, at_node;
    int code = CLI_UNSURE;
    const struct cli_option options[] = {
        CLI_NODE_OPTIONS(&nodes),
        CLI_LIST("key", "FILE", &keys,
            "a key that has a say: vote keys approve, new keys show that they are held"),
        CLI_TEXT("keys", "DIR", &keys_dir, "every key in DIR that has a say"),
        {0},
    };

    if (!cli_parse(cli, options, 1, 2))
        return cli->exit_code;
    at_node = cli->args_n == 1;
    file = cli->args[cli->args_n - 1];
    if (keys.n == 0 && keys_dir == NULL)
        return cli_fail(cli, CLI_UNSURE, "with which key? --key FILE or --keys DIR");
    without_args.args_n = 0;
    if (at_node && !cli_nodes_wanted(&without_args, &nodes))
        return cli_fail(
            cli, CLI_UNSURE, "of which ledger? Name its directory before %s, or nodes with --url", file);
    good = open_either(&d, cli, &nodes, at_node) && desk_read(&d, file);
    for (size_t i = 0; good && i < keys.n; i++)
        good = sign_with(&d, keys.at[i], false, &signed_n);
    if (good && keys_dir != NULL)
        good = sign_with_all(&d, keys_dir, &signed_n);
    if (good && signed_n == 0)
        code = cli_fail(cli, CLI_NO, "%s: none of these keys has a say in it", file);
    else if (good && desk_write(&d, file)) {
        say_state(&d, file);
        code = CLI_YES;
    } else {
        code = cli->exit_code;
    }
    desk_close(&d);
    cli_nodes_close(&nodes);
    return code;
}

/* ---- apply ---- */

static int report(struct cli *cli, const struct slk_change *change, const struct slk_charter *next,
    uint64_t height, bool json)
{
    if (json)
        cli_json(json_pack("{s:I, s:I, s:I}", "height", (json_int_t)height, "activation",
            (json_int_t)change->activation, "version", (json_int_t)next->version));
    else
        printf("%s: version %" PRIu64 " of the charter is in block %" PRIu64
               " and governs from block %" PRIu64 " on\n",
            cli->args[0], next->version, height, change->activation);
    return CLI_YES;
}

static int apply(struct cli *cli, struct cli_signers *signers, const uint8_t *bytes, size_t size, bool json)
{
    struct slk_change *change = malloc(sizeof(*change));
    struct slk_charter *next = malloc(sizeof(*next));
    struct slk_ledger_options options = {0};
    enum slk_change_rule rule;
    struct slk_ledger *ledger = NULL;
    struct slk_fault fault = {0};
    uint64_t height;
    enum slk_err err;
    int code = CLI_UNSURE;

    if (change == NULL || next == NULL)
        code = cli_fault(cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
    else if (slk_change_parse(change, slk_span_of(bytes, size)) != SLK_OK ||
             slk_charter_parse(next, change->charter) != SLK_OK)
        code = cli_fail(
            cli, CLI_NO, "%s: MALFORMED: %s", cli->args[1], slk_change_rule_text(SLK_CHANGE_MALFORMED));
    else if (cli_signers_load(cli, signers, &options)) {
        ledger = cli_open(cli, cli->args[0], &options);
        code = cli->exit_code;
    }
    if (ledger != NULL && cli_vote(cli, signers, ledger, NULL, NULL)) {
        err = slk_ledger_change(ledger, slk_span_of(bytes, size), &rule, &height, &fault);
        if (err == SLK_OK)
            code = report(cli, change, next, height, json);
        else if (err == SLK_E_REFUSED)
            code = cli_fail(
                cli, CLI_NO, "%s: refused: %s: %s", cli->args[1], slk_change_rule_name(rule), fault.text);
        else
            code = cli_fault(cli, cli_code_of(err), cli->args[0], err, &fault);
    } else if (ledger != NULL) {
        code = cli->exit_code;
    }
    slk_ledger_close(ledger);
    free(next);
    free(change);
    return code;
}

static int run_apply(struct cli *cli)
{
    struct cli_signers signers = {0};
    struct cli_nodes nodes = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    bool json = false;
    int code = CLI_UNSURE;
    const struct cli_option options[] = {
        CLI_NODE_OPTIONS(&nodes),
        CLI_SIGNER_OPTIONS(&signers),
        CLI_TEXT(
            "vote-key", "FILE", &signers.vote_file, "this member's vote key (default: beside --log-key)"),
        CLI_FLAG("json", &json, "as a JSON object"),
        {0},
    };

    if (!cli_parse(cli, options, 1, 2))
        return cli->exit_code;
    if (cli->args_n == 1) {
        code = charter_apply_at_nodes(cli, &nodes, cli->args[0], json);
        cli_nodes_close(&nodes);
        return code;
    }
    if (nodes.urls.n > 0)
        return cli_fail(cli, CLI_UNSURE, "into a directory, or to nodes with --url: not both");
    if (cli_read(cli, cli->args[1], SLK_ENTRY_MAX, &bytes, &size))
        code = apply(cli, &signers, bytes, size, json);
    cli_signers_free(&signers);
    free(bytes);
    return code;
}

const struct cli_command cmd_charter_propose = {
    .name = "charter propose",
    .usage = "LEDGER|--url URL [--member NAME=AGENCY|--rotate NAME|--remove NAME...] -o CHANGE",
    .summary = "Make a change to the charter of a ledger, to be signed",
    .about = "What is not an option is changed in the text: `sillok charter show LEDGER >FILE`, then "
             "--charter FILE. The origin cannot change; types "
             "and reasons can "
             "be added,\n"
             "not removed or renamed; a key or an agency's number that was used once is never used again.\n"
             "What is printed says what is missing still.",
    .run = run_propose,
};
const struct cli_command cmd_charter_sign = {
    .name = "charter sign",
    .usage = "LEDGER|--url URL CHANGE --key FILE... | --keys DIR",
    .summary = "Sign a charter change, each key for what it has to say",
    .about = "The vote key of a member that votes approves; a quorum of them must. Every key that is new "
             "signs that it is "
             "held. The\n"
             "vote key of a member that joins also signs that it follows the chain, up to 1,000 blocks "
             "before the change.\n"
             "CHANGE is rewritten with the signatures; send it on to whoever signs next.",
    .run = run_sign,
};
const struct cli_command cmd_charter_apply = {
    .name = "charter apply",
    .usage = "--url URL CHANGE | LEDGER CHANGE [--log-key FILE --cosign-key FILE] [--vote-key FILE]",
    .summary = "Put a signed charter change into a ledger",
    .about =
        "Exit: 0 it is in, 1 it is refused (the rule and its sentence say why; nothing is written), 2 it "
        "could not be "
        "tried.\n"
        "A network's nodes are given it with --url: one is enough, it tells the others, and any that is "
        "asked may "
        "answer. What is printed then is what that node has in its chain.\n"
        "Where the new charter names other keys, the ledger is written with those from its first block on.",
    .run = run_apply,
};
