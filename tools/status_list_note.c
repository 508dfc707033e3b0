/* status_list_note.c: see status_list_note.h. */
#include "tools/status_list_note.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/embed/status_lists.h"
#include "ledger/verify/hash.h"
#include "net/status_epoch.h"
#include "net/status_token.h"

#define TOKEN_MAX ((size_t)8 << 20)
#define STEP_ROWS ((uint64_t)1 << 18)

#define AHEAD_S 300 /* of the clocks of who signs, as sillok.h tolerates it */

/* A file that was read. */
struct note_file {
    uint8_t *bytes;
    bool is_proof;
    struct slk_list_proof proof; /* of a bare note only `note` is set */
};

/* When the caller asks, and how old an answer may be; 0: of any age. */
struct moment {
    uint64_t now_s, max_age_s;
};

static bool read_note(struct cli *cli, const char *path, struct note_file *out)
{
    size_t size = 0;

    *out = (struct note_file){0};
    if (!cli_read(cli, path, SLK_LIST_PROOF_MAX, &out->bytes, &size)) {
        cli->exit_code = CLI_UNSURE;
        return false;
    }
    out->is_proof = slk_list_proof_parse(&out->proof, slk_span_of(out->bytes, size)) == SLK_OK;
    if (!out->is_proof)
        out->proof.note = slk_span_of(out->bytes, size);
    return true;
}

/* The quorum's word; without a policy only what is said. False after a message. */
static bool read_verdict(struct cli *cli, const char *path, const struct note_file *file,
    const char *policy_file, uint64_t now_s, struct slk_lists_verdict *out)
{
    const struct slk_verify_options options = {.now_s = now_s};
    struct slk_policy *policy = NULL;
    struct slk_note note;
    enum slk_err err;

    if (policy_file == NULL) {
        memset(out, 0, sizeof(*out));
        err = slk_note_parse(&note, (const char *)file->proof.note.at, file->proof.note.size);
        if (err == SLK_OK)
            err = slk_lists_statement_parse(&out->statement, note.text);
    } else {
        if (!cli_policy_load(cli, policy_file, &policy))
            return false;
        err = file->is_proof ? slk_list_proof_check(out, &file->proof, policy, &options)
                             : slk_lists_note_check(out, file->proof.note, policy, &options);
        slk_policy_free(policy);
    }
    if (err == SLK_E_MALFORMED)
        cli->exit_code = cli_fail(
            cli, CLI_NO, "%s: a signed note, but not about status lists (a checkpoint, perhaps)", path);
    else if (err == SLK_E_QUORUM)
        cli->exit_code = cli_fail(cli, CLI_NO,
            "%s: too few cosignatures for the quorum of the policy; members sign lists, outside witnesses "
            "do not",
            path);
    else if (err != SLK_OK)
        cli->exit_code = cli_fault(cli, err == SLK_E_NOTE ? CLI_UNSURE : cli_code_of(err), path, err, NULL);
    return err == SLK_OK;
}

/* ---- offline ---- */

static const char *word_of(enum slk_token_kind kind, unsigned value)
{
    static const char *const token[] = {"VALID, or never issued", "INVALID: revoked or expired",
        "SUSPENDED: locked", "a value that is never given"};
    static const char *const revocation[] = {"not revoked, or never issued", "REVOKED"};
    static const char *const suspension[] = {
        "not suspended, or never issued", "SUSPENDED: locked, or expired and not renewed"};

    switch (kind) {
    case SLK_TOKEN_JWT:
    case SLK_TOKEN_CWT:
        return token[value & 3u];
    case SLK_TOKEN_VC_REVOCATION:
        return revocation[value & 1u];
    case SLK_TOKEN_VC_SUSPENSION:
        return suspension[value & 1u];
    }
    return "";
}

static unsigned value_at(const struct slk_status_token *token, uint64_t i)
{
    return slk_token_form(token->kind) == SLK_STATUS_TOKEN ? (unsigned)token->list[i / 4] >> 2 * (i % 4) & 3u
                                                           : (unsigned)token->list[i / 8] >> (7 - i % 8) & 1u;
}

/* By its bytes; the last byte may have places to spare, which read 0. */
static uint64_t places_of(const struct slk_status_token *token)
{
    return (uint64_t)token->list_size * (slk_token_form(token->kind) == SLK_STATUS_TOKEN ? 4 : 8);
}

static int tell(const struct list_check *check, const struct slk_status_token *token,
    const struct slk_lists_verdict *verdict)
{
    char as_of[TEXT_TIME_SIZE], signed_at[TEXT_TIME_SIZE], until[TEXT_TIME_SIZE];
    const char *word =
        check->place != UINT64_MAX ? word_of(token->kind, value_at(token, check->place)) : NULL;
    const struct slk_lists_statement *s = &verdict->statement;

    if (check->json) {
        json_t *value = json_pack("{s:s, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:I}", "result", "signed", "type",
            (json_int_t)token->claims.type, "list", (json_int_t)token->claims.n, "form",
            slk_list_form_name(slk_token_form(token->kind)), "size", (json_int_t)s->size, "time",
            (json_int_t)s->time_s, "cosignatures", (json_int_t)verdict->quorum.cosignatures_n, "cosigned_at",
            (json_int_t)verdict->quorum.quorum_time_s, "expires", (json_int_t)token->claims.exp_s);

        if (word != NULL) {
            json_object_set_new(value, "place", json_integer((json_int_t)check->place));
            json_object_set_new(value, "value", json_integer((json_int_t)value_at(token, check->place)));
        }
        cli_json(value);
        return CLI_YES;
    }
    printf("list      %u of type %u (%s): the one that %u member%s signed\n", token->claims.n,
        token->claims.type, slk_list_form_name(slk_token_form(token->kind)), verdict->quorum.cosignatures_n,
        verdict->quorum.cosignatures_n == 1 ? "" : "s");
    printf("as of     %s, log size %" PRIu64 "; until %s\n", text_time(as_of, s->time_s), s->size,
        text_time(until, token->claims.exp_s));
    printf("signed    %s; the token's own signature %s\n",
        text_time(signed_at, verdict->quorum.quorum_time_s),
        check->keys != NULL ? "is right, too" : "was not checked (--keys)");
    if (word != NULL)
        printf("place     %" PRIu64 " is %s\n", check->place, word);
    return CLI_YES;
}

/* Is the list in this token the one that was signed? CLI_YES, or another code after words. */
static int check_list(struct cli *cli, const struct list_check *check, const struct slk_status_token *token,
    const struct note_file *file, const struct slk_lists_verdict *verdict)
{
    const struct slk_list_leaf *leaf = &file->proof.leaf;
    uint32_t form = (uint32_t)slk_token_form(token->kind);
    struct slk_hash hash;

    if (!file->is_proof)
        return cli_fail(cli, CLI_UNSURE,
            "%s: the note is of all lists: fetch the proof of this one, the token's address with ?proof",
            check->note);
    if (leaf->type != token->claims.type || leaf->n != token->claims.n || leaf->form != form)
        return cli_fail(cli, CLI_NO,
            "the proof is of list %u of type %u (%s), the token of list %u of type %u (%s)", leaf->n,
            leaf->type, slk_list_form_name(leaf->form), token->claims.n, token->claims.type,
            slk_list_form_name(form));
    slk_hash_bytes(&hash, token->list, token->list_size);
    if (slk_hash_equal(&hash, &leaf->hash))
        return CLI_YES;
    if (token->claims.size == verdict->statement.size)
        return cli_fail(cli, CLI_NO,
            "the list is not what the quorum signed at log size %" PRIu64
            ": whoever made this token lies, or its ledger is damaged",
            verdict->statement.size);
    return cli_fail(cli, CLI_NO,
        "the token is of log size %" PRIu64 ", the quorum signed %" PRIu64
        ": fetch the token with ?cosigned, and its proof",
        token->claims.size, verdict->statement.size);
}

/* Is it of a time that this caller accepts? CLI_YES, or another code after words. What the quorum signed says how old the list is; when it
 * ends (exp, validUntil) its node says alone. */
static int check_times(struct cli *cli, const struct list_check *check, const struct moment *at,
    const struct slk_status_token *token, const struct slk_lists_statement *statement)
{
    uint64_t now_s = at->now_s, age_s = now_s > statement->time_s ? now_s - statement->time_s : 0;
    uint64_t from_s = token->claims.iat_s > statement->time_s ? token->claims.iat_s : statement->time_s;
    struct slk_fault fault = {0};
    char end[TEXT_TIME_SIZE];

    if (from_s > now_s && from_s - now_s > AHEAD_S)
        return cli_fail(cli, CLI_NO,
            "%s: dated after this machine's clock: set it, or give the time with --now", check->token);
    if (at->max_age_s > 0 && age_s > at->max_age_s) {
        snprintf(fault.text, sizeof(fault.text), "it is %" PRIu64 " s old, at most %" PRIu64 " s are allowed",
            age_s, at->max_age_s);
        return cli_fault(cli, CLI_NO, check->token, SLK_E_TOO_OLD, &fault);
    }
    if (now_s >= token->claims.exp_s)
        return cli_fail(cli, CLI_NO,
            "%s: the list has expired, at %s: fetch a newer one with its proof, or give the time to judge by "
            "with --now",
            check->token, text_time(end, token->claims.exp_s));
    return CLI_YES;
}

static int check_place(struct cli *cli, const struct list_check *check, const struct slk_status_token *token)
{
    if (check->place == UINT64_MAX || check->place < places_of(token))
        return CLI_YES;
    return cli_fail(cli, CLI_NO,
        "there is no place %" PRIu64 " in this list, which has places 0 to %" PRIu64
        ": the credential names another list, or is not one of this ledger",
        check->place, places_of(token) - 1);
}

static int check_binding(struct cli *cli, const struct list_check *check, const struct moment *at,
    const struct slk_status_token *token)
{
    struct slk_lists_verdict verdict = {0};
    struct note_file file;
    int code;

    if (!read_note(cli, check->note, &file) ||
        !read_verdict(cli, check->note, &file, check->policy, at->now_s, &verdict)) {
        free(file.bytes);
        return cli->exit_code != CLI_YES ? cli->exit_code : CLI_UNSURE;
    }
    code = check_list(cli, check, token, &file, &verdict);
    if (code == CLI_YES)
        code = check_times(cli, check, at, token, &verdict.statement);
    if (code == CLI_YES)
        code = check_place(cli, check, token);
    if (code == CLI_YES)
        code = tell(check, token, &verdict);
    free(file.bytes);
    return code;
}

/* False after a message. */
static bool read_moment(struct cli *cli, const struct list_check *check, struct moment *out)
{
    *out = (struct moment){.now_s = cli_now_ms() / 1000};
    cli->exit_code = CLI_UNSURE;
    if (check->max_age != NULL && !text_age_parse(&out->max_age_s, check->max_age))
        cli_fail(cli, CLI_UNSURE, "--max-age: " TEXT_AGE_WANTED ", not \"%s\"", check->max_age);
    else if (check->now != NULL && !text_now_parse(&out->now_s, check->now))
        cli_fail(cli, CLI_UNSURE, "--now: " TEXT_NOW_WANTED ", not \"%s\"", check->now);
    else
        return true;
    return false;
}

int cli_list_check(struct cli *cli, const struct list_check *check)
{
    struct slk_status_token token;
    struct moment at;
    struct slk_fault fault = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    enum slk_err err;
    int code;

    if (!read_moment(cli, check, &at) || !cli_read(cli, check->token, TOKEN_MAX, &bytes, &size))
        return CLI_UNSURE;
    err = slk_status_token_parse(&token, slk_span_of(bytes, size), &fault);
    if (err != SLK_OK)
        code = cli_fault(cli, CLI_UNSURE, check->token, err, &fault); /* no list, so no lie either */
    else if (check->keys != NULL && !cli_token_is_signed(cli, check->keys, &token))
        code = cli->exit_code;
    else
        code = check_binding(cli, check, &at, &token);
    slk_status_token_free(&token);
    free(bytes);
    return code;
}

/* ---- from a ledger ---- */

static enum slk_err make_all(struct cli *cli, struct slk_store *store, uint64_t size,
    struct slk_block_header *place, struct slk_status_epoch **out)
{
    const struct slk_status_until until = {UINT64_MAX, size};
    struct slk_status_reader *reader = NULL;
    struct slk_view *view = NULL;
    bool done = false;
    enum slk_err err = slk_status_reader_new(&reader);

    *out = NULL;
    if (err == SLK_OK)
        err = slk_view_begin(&view, store);
    while (err == SLK_OK && !done) {
        err = slk_status_reader_follow(reader, store, view, &until, STEP_ROWS, &done);
        if (slk_status_reader_place(reader, place))
            cli_progress_step(&cli->progress, "blocks", place->height + 1, slk_view_tip(view)->height + 1);
    }
    cli_progress_end(&cli->progress);
    if (err == SLK_OK && !slk_status_reader_place(reader, place))
        err = SLK_E_NOT_FOUND;
    if (err == SLK_OK)
        err = slk_status_epoch_new(out, slk_status_reader_lists(reader), place);
    for (done = false; err == SLK_OK && !done;)
        err = slk_status_epoch_step(*out, slk_status_reader_lists(reader), NULL, &done);
    slk_view_end(view);
    slk_status_reader_free(reader);
    return err;
}

static bool is_under(const struct slk_tree_head *lists, const struct slk_list_proof *proof)
{
    struct slk_hash leaf;

    slk_list_leaf_hash(&leaf, &proof->leaf);
    return slk_tree_check_inclusion(lists, proof->index, &leaf, proof->path, proof->path_n) == SLK_OK;
}

static bool is_ledgers(const struct slk_status_epoch *epoch, const struct slk_list_proof *proof)
{
    struct slk_list_proof own;
    enum slk_err err = slk_status_epoch_prove(
        &own, epoch, proof->leaf.type, proof->leaf.n, (enum slk_status_form)proof->leaf.form);

    return err == SLK_OK && slk_hash_equal(&own.leaf.hash, &proof->leaf.hash);
}

/* What does not fit, in words; CLI_YES: all does. */
static int hold_against(struct cli *cli, const struct slk_block_header *place,
    const struct slk_status_epoch *epoch, const struct slk_lists_statement *said,
    const struct note_file *file)
{
    struct slk_lists_statement made;

    slk_status_epoch_state(&made, epoch, said->origin);
    if (file->is_proof && !is_under(&said->lists, &file->proof))
        return cli_fail(cli, CLI_NO, "the proof's list is not among those that its note is about");
    if (place->log_size != said->size)
        return cli_fail(cli, CLI_NO,
            "no block ends at log size %" PRIu64 ": the one before it ends at %" PRIu64, said->size,
            place->log_size);
    if (!slk_hash_equal(&place->log_root, &said->root))
        return cli_fail(cli, CLI_NO,
            "the note claims another log root at size %" PRIu64 " than this ledger has: two histories",
            said->size);
    if (said->time_s != made.time_s)
        return cli_fail(cli, CLI_NO,
            "the note judges expiry at %" PRIu64 ", and not at its block's time, %" PRIu64, said->time_s,
            made.time_s);
    if (file->is_proof && !is_ledgers(epoch, &file->proof))
        return cli_fail(cli, CLI_NO, "list %u of type %u (%s) is not the ledger's: what was signed is false",
            file->proof.leaf.n, file->proof.leaf.type, slk_list_form_name(file->proof.leaf.form));
    if (made.lists.tree_size != said->lists.tree_size ||
        !slk_hash_equal(&made.lists.root_hash, &said->lists.root_hash))
        return cli_fail(cli, CLI_NO,
            "the lists are not the ledger's: what was signed is false (the ledger leads to %" PRIu64
            " lines, the note has %" PRIu64 ")",
            made.lists.tree_size, said->lists.tree_size);
    return CLI_YES;
}

static void tell_note(const struct slk_lists_verdict *verdict, bool has_policy, bool json)
{
    const struct slk_lists_statement *s = &verdict->statement;
    char hash[TEXT_HEX_SIZE], time[TEXT_TIME_SIZE];

    text_hex(hash, s->lists.root_hash.b, SLK_HASH_SIZE);
    if (json) {
        cli_json(json_pack("{s:s, s:I, s:I, s:I, s:s, s:b, s:I}", "result", "equal", "size",
            (json_int_t)s->size, "time", (json_int_t)s->time_s, "lines", (json_int_t)s->lists.tree_size,
            "root", hash, "quorum", has_policy, "cosignatures", (json_int_t)verdict->quorum.cosignatures_n));
        return;
    }
    printf(
        "lists     %" PRIu64 " of three forms each, root %s\n", s->lists.tree_size / SLK_LIST_FORMS_N, hash);
    printf("as of     %s, log size %" PRIu64 "\n", text_time(time, s->time_s), s->size);
    if (has_policy)
        printf("signed    by %u member%s, a quorum\n", verdict->quorum.cosignatures_n,
            verdict->quorum.cosignatures_n == 1 ? "" : "s");
    printf(
        "the lists are the ledger's%s\n", has_policy ? "" : "; who signed them was not checked (--policy)");
}

int cli_list_judge(
    struct cli *cli, struct slk_store *store, const char *note_file, const char *policy_file, bool json)
{
    struct slk_status_epoch *epoch = NULL;
    struct slk_block_header place = {0};
    struct slk_lists_verdict verdict = {0};
    struct note_file file;
    enum slk_err err;
    int code;

    if (!read_note(cli, note_file, &file) ||
        !read_verdict(cli, note_file, &file, policy_file, cli_now_ms() / 1000, &verdict)) {
        free(file.bytes);
        return cli->exit_code != CLI_YES ? cli->exit_code : CLI_UNSURE;
    }
    err = make_all(cli, store, verdict.statement.size, &place, &epoch);
    if (err == SLK_E_NOT_FOUND)
        code = cli_fail(cli, CLI_NO, "the ledger has no block that early");
    else if (err != SLK_OK)
        code = cli_fault(cli, cli_code_of(err), slk_store_dir(store), err, NULL);
    else
        code = hold_against(cli, &place, epoch, &verdict.statement, &file);
    if (code == CLI_YES)
        tell_note(&verdict, policy_file != NULL, json);
    slk_status_epoch_free(epoch);
    free(file.bytes);
    return code;
}
