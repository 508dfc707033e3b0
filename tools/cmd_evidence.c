/* cmd_evidence.c: `sillok evidence`: who is convicted by a file, judged offline; `sillok evidence export`: what a ledger has kept. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/embed/evidence.h"
#include "tools/cli_nodes.h"
#include "tools/evidence.h"

#define FILE_MAX_BYTES ((size_t)64 << 20)
#define POLICY_ROOM    65536

/* ---- judging ---- */

struct court {
    struct cli *cli;
    const char *file;
    struct slk_policy *policy;
    struct cli_charter charter; /* .charter NULL: none was given */
    bool json;
    uint64_t line, convicting_n;
    int code;
};

static const char *key_id(char out[9], const struct slk_vkey *key)
{
    snprintf(out, 9, "%08" PRIx32, key->key_hash);
    return out;
}

/* Whose log or cosigning key it is; NULL: the charter does not say, or there is none. */
static const struct slk_member *member_by_key(const struct court *c, const struct slk_vkey *key)
{
    for (size_t i = 0; c->charter.charter != NULL && i < c->charter.charter->members_n; i++) {
        const struct slk_member *m = &c->charter.charter->members[i];

        if (memcmp(key->type == SLK_SIG_ED25519 ? m->log_key : m->cosign_key, key->key, SLK_KEY_SIZE) == 0)
            return m;
    }
    return NULL;
}

static int nothing_proven(struct court *c, enum slk_err err, const struct slk_fault *fault)
{
    char where[512];

    snprintf(where, sizeof(where), "%s:%" PRIu64, c->file, c->line);
    if (c->json)
        cli_json(json_pack("{s:s, s:I, s:s, s:s}", "result", "unproven", "line", (json_int_t)c->line, "error",
            slk_err_name(err), "text", fault->text));
    cli_fail(c->cli, CLI_NO, "%s: proves nothing: %s", where, fault->text);
    return err == SLK_E_NOMEM ? CLI_UNSURE : CLI_NO;
}

static void show_split_json(const struct court *c, const struct evidence *e,
    const struct slk_checkpoint cp[2], const struct conviction *convicted, size_t n)
{
    char roots[2][TEXT_HEX_SIZE], id[9];
    json_t *keys = json_array();

    for (size_t i = 0; i < n; i++) {
        const struct slk_vkey *key = convicted[i].key;
        const struct slk_member *m = member_by_key(c, key);
        json_t *one = json_pack("{s:s, s:s, s:s}", "name", key->name, "use",
            key->type == SLK_SIG_ED25519 ? "log" : "cosign", "key", key_id(id, key));

        if (key->type == SLK_SIG_COSIGNATURE_V1)
            json_object_set_new(one, "signed_at",
                json_pack("[I, I]", (json_int_t)convicted[i].time_s[0], (json_int_t)convicted[i].time_s[1]));
        if (m != NULL)
            json_object_set_new(one, "member", json_string(m->name));
        json_array_append_new(keys, one);
    }
    cli_json(json_pack("{s:s, s:I, s:s, s:s%, s:[I, I], s:[s, s], s:[s, s], s:o}", "result", "convicted",
        "line", (json_int_t)c->line, "evidence", "split-view", "origin", (const char *)cp[0].origin.at,
        cp[0].origin.size, "sizes", (json_int_t)cp[0].head.tree_size, (json_int_t)cp[1].head.tree_size,
        "roots", text_hex(roots[0], cp[0].head.root_hash.b, SLK_HASH_SIZE),
        text_hex(roots[1], cp[1].head.root_hash.b, SLK_HASH_SIZE), "from", e->from[0], e->from[1], "keys",
        keys));
}

static void show_split(const struct court *c, const struct evidence *e, const struct slk_checkpoint cp[2],
    const struct conviction *convicted, size_t n)
{
    char hex[TEXT_HEX_SIZE], count[TEXT_HUMAN_SIZE], a[TEXT_TIME_SIZE], b[TEXT_TIME_SIZE], id[9];

    printf("convicted: %zu key%s signed two checkpoints of %.*s that no one log can have had\n", n,
        n == 1 ? "" : "s", (int)cp[0].origin.size, (const char *)cp[0].origin.at);
    for (size_t i = 0; i < 2; i++)
        printf("  %s  %s entries, root %s, from %s\n", i == 0 ? "one" : "two",
            text_count(count, cp[i].head.tree_size), text_hex(hex, cp[i].head.root_hash.b, SLK_HASH_SIZE),
            e->from[i]);
    for (size_t i = 0; i < n; i++) {
        const struct slk_vkey *key = convicted[i].key;
        const struct slk_member *m = member_by_key(c, key);

        if (key->type == SLK_SIG_ED25519)
            printf("  %s: log key %s\n", m != NULL ? m->name : "a log of the policy", key_id(id, key));
        else
            printf("  %s: cosigning key %s, signed one at %s, two at %s\n", key->name, key_id(id, key),
                text_time(a, convicted[i].time_s[0]), text_time(b, convicted[i].time_s[1]));
    }
}

static int judge_split(struct court *c, const struct evidence *e)
{
    struct conviction *convicted = calloc(EVIDENCE_CONVICTED_MAX, sizeof(*convicted));
    struct slk_note *note = malloc(sizeof(*note));
    struct slk_checkpoint checkpoints[2];
    struct slk_fault fault = {0};
    size_t n = 0;
    enum slk_err err = convicted == NULL || note == NULL ? SLK_E_NOMEM : SLK_OK;
    int code = CLI_YES;

    if (err == SLK_OK)
        err = evidence_judge_split(e, c->policy, convicted, &n, &fault);
    for (size_t i = 0; err == SLK_OK && i < 2; i++) {
        err = slk_note_parse(note, e->notes[i], e->notes_n[i]);
        if (err == SLK_OK)
            err = slk_checkpoint_parse(&checkpoints[i], note->text);
    }
    if (err != SLK_OK)
        code = nothing_proven(c, err, &fault);
    else if (c->json)
        show_split_json(c, e, checkpoints, convicted, n);
    else
        show_split(c, e, checkpoints, convicted, n);
    free(convicted);
    free(note);
    return code;
}

static const struct slk_member *voter_by_key(const struct court *c, const uint8_t key[SLK_KEY_SIZE])
{
    for (size_t i = 0; i < c->charter.charter->members_n; i++)
        if (memcmp(c->charter.charter->members[i].vote_key, key, SLK_KEY_SIZE) == 0)
            return &c->charter.charter->members[i];
    return NULL;
}

static int show_votes(const struct court *c, const struct evidence *e, const struct slk_member *m)
{
    const struct slk_statement *a = &e->first.statement, *b = &e->second.statement;
    char x[TEXT_HEX_SIZE], y[TEXT_HEX_SIZE], chain[TEXT_HEX_SIZE], key[TEXT_HEX_SIZE], count[TEXT_HUMAN_SIZE];

    text_hex(x, a->hash.b, SLK_HASH_SIZE);
    text_hex(y, b->hash.b, SLK_HASH_SIZE);
    text_hex(chain, e->chain_id.b, SLK_HASH_SIZE);
    text_hex(key, e->key, SLK_KEY_SIZE);
    if (c->json) {
        cli_json(json_pack("{s:s, s:I, s:s, s:s, s:I, s:s, s:s, s:I, s:I, s:[{s:s, s:s}, {s:s, s:s}]}",
            "result", "convicted", "line", (json_int_t)c->line, "evidence", "votes", "member", m->name,
            "agency", (json_int_t)m->agency, "key", key, "chain_id", chain, "height", (json_int_t)a->height,
            "view", (json_int_t)a->view, "votes", "kind", evidence_vote_name(a->kind), "hash", x, "kind",
            evidence_vote_name(b->kind), "hash", y));
        return CLI_YES;
    }
    printf(
        "convicted: %s (agency %u) signed two votes that exclude each other\n", m->name, (unsigned)m->agency);
    printf("  of ledger %s, height %s, view %" PRIu32 "\n", chain, text_count(count, a->height), a->view);
    printf("  %-8s  %s\n  %-8s  %s\n  vote key %s\n", evidence_vote_name(a->kind), x,
        evidence_vote_name(b->kind), y, key);
    return CLI_YES;
}

static int judge_votes(struct court *c, const struct evidence *e)
{
    const struct slk_member *m;
    struct slk_fault fault = {0};
    char key[TEXT_HEX_SIZE];
    enum slk_err err = evidence_judge_votes(e, &fault);

    if (err != SLK_OK)
        return nothing_proven(c, err, &fault);
    if (c->charter.charter == NULL)
        return cli_fail(c->cli, CLI_UNSURE,
            "%s:%" PRIu64 ": these are two votes, and a policy names no vote keys: give --charter, which "
            "says whose they are",
            c->file, c->line);
    m = voter_by_key(c, e->key);
    if (m != NULL)
        return show_votes(c, e, m);
    snprintf(fault.text, sizeof(fault.text),
        "key %s signed both votes, but it is no member's of this charter: an earlier or later version may "
        "name it",
        text_hex(key, e->key, SLK_KEY_SIZE));
    return nothing_proven(c, SLK_E_NO_LOG, &fault);
}

static void judge_line(struct court *c, const char *line, size_t size)
{
    struct slk_fault fault = {0};
    struct evidence e;
    enum slk_err err = evidence_parse(&e, line, size, &fault);
    int code;

    if (err != SLK_OK)
        code = nothing_proven(c, err, &fault);
    else
        code = e.kind == EVIDENCE_SPLIT ? judge_split(c, &e) : judge_votes(c, &e);
    evidence_clear(&e);
    c->convicting_n += code == CLI_YES;
    c->code = code > c->code ? code : c->code;
}

static int judge_file(struct court *c)
{
    uint8_t *text = NULL;
    size_t size = 0;

    if (!cli_read(c->cli, c->file, FILE_MAX_BYTES, &text, &size))
        return CLI_UNSURE;
    for (const char *at = (const char *)text; *at != '\0';) {
        size_t n = strcspn(at, "\n");

        c->line++;
        if (n > 0)
            judge_line(c, at, n);
        at += n + (at[n] == '\n');
    }
    free(text);
    if (c->convicting_n == 0 && c->code == CLI_YES)
        return cli_fail(c->cli, CLI_NO, "%s: proves nothing: it is empty", c->file);
    return c->code;
}

/* Without a policy the one that follows from the charter. */
static bool load_policy(struct court *c, const char *policy)
{
    struct slk_fault fault = {0};
    char *text;
    enum slk_err err;

    if (policy != NULL)
        return cli_policy_load(c->cli, policy, &c->policy);
    text = malloc(POLICY_ROOM);
    err = text == NULL ? SLK_E_NOMEM
                       : slk_policy_new(&c->policy, text,
                             slk_charter_policy(text, POLICY_ROOM, c->charter.charter), &fault);
    free(text);
    if (err != SLK_OK)
        c->cli->exit_code = cli_fault(c->cli, CLI_UNSURE, "the charter's policy", err, &fault);
    return err == SLK_OK;
}

static int judge(struct cli *cli)
{
    const char *policy = NULL, *charter = NULL;
    struct court c = {.cli = cli};
    int code;
    const struct cli_option options[] = {
        CLI_TEXT("policy", "FILE", &policy, "the trust policy whose keys are judged"),
        CLI_TEXT("charter", "CHARTER", &charter,
            "the charter (or a ledger's directory) that says whose the keys are"),
        CLI_FLAG("json", &c.json, "one JSON object for each piece of evidence"),
        {0},
    };

    if (!cli_parse(cli, options, 1, 1))
        return cli->exit_code;
    c.file = cli->args[0];
    if (policy == NULL && charter == NULL)
        return cli_fail(cli, CLI_UNSURE, "whose keys are judged? give --policy FILE, or --charter CHARTER");
    code = (charter == NULL || cli_charter_load(cli, charter, &c.charter)) && load_policy(&c, policy)
               ? judge_file(&c)
               : cli->exit_code;
    slk_policy_free(c.policy);
    cli_charter_free(&c.charter);
    return code;
}

/* ---- export ---- */

struct export
{
    FILE *out;
    uint64_t n;
    bool failed;
};

static bool write_one(struct export *x, const struct evidence *e)
{
    size_t size = 0;
    char *line = evidence_format(e, &size);

    x->failed = x->failed || line == NULL || fwrite(line, 1, size, x->out) != size;
    x->n++;
    free(line);
    return !x->failed;
}

static bool export_pair(void *ctx, const struct slk_evidence *kept)
{
    struct evidence e = {.kind = EVIDENCE_VOTES,
        .chain_id = kept->chain_id,
        .charter_hash = kept->charter_hash,
        .first = kept->first,
        .second = kept->second};

    memcpy(e.key, kept->key, SLK_KEY_SIZE);
    return write_one(ctx, &e);
}

static int export_directory(struct cli *cli, struct export *x)
{
    struct slk_store *store = cli_open_store(cli, cli->args[0]);
    struct slk_fault fault = {0};
    enum slk_err err;

    if (store == NULL)
        return cli->exit_code;
    err = slk_evidence_each(store, export_pair, x, &fault);
    slk_store_close(store);
    return err == SLK_OK ? CLI_YES : cli_fault(cli, cli_code_of(err), cli->args[0], err, &fault);
}

/* What a node says, read as strictly as a file. */
static int export_answer(
    struct cli *cli, const struct cli_nodes *nodes, const struct http_answer *answer, struct export *x)
{
    json_t *object = cli_answer_json(answer), *item;
    int code = json_is_array(json_object_get(object, "evidence")) ? CLI_YES : CLI_NO;
    struct slk_fault fault = {0, "its answer is no list of evidence"};
    size_t i;

    json_array_foreach(json_object_get(object, "evidence"), i, item)
    {
        char *line = json_dumps(item, JSON_COMPACT);
        struct evidence e = {0};

        if (line == NULL || evidence_parse(&e, line, strlen(line), &fault) != SLK_OK)
            code = CLI_NO;
        else
            (void)write_one(x, &e);
        evidence_clear(&e);
        free(line);
    }
    json_decref(object);
    return code == CLI_YES
               ? code
               : cli_fail(cli, code, "%s: %s", http_node_name(nodes->client, answer->node), fault.text);
}

static int export_nodes(struct cli *cli, struct cli_nodes *nodes, struct export *x)
{
    const struct http_request request = {
        .path = "/v1/evidence", .accept = "application/json", .max = (size_t)1 << 20};
    struct http_answer *answers;
    int code = CLI_YES;

    if (!cli_nodes_open(cli, nodes))
        return cli->exit_code;
    answers = calloc(http_nodes_n(nodes->client), sizeof(*answers));
    if (answers == NULL)
        return cli_fault(cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
    (void)http_ask_all(nodes->client, &request, answers);
    for (size_t i = 0; i < http_nodes_n(nodes->client); i++) {
        int one = answers[i].error[0] != '\0' ? cli_node_fail(cli, nodes, CLI_UNSURE, &answers[i])
                                              : export_answer(cli, nodes, &answers[i], x);

        code = one > code ? one : code;
        http_answer_clear(&answers[i]);
    }
    free(answers);
    return code;
}

static bool write_found(const struct cli *cli, const char *out, const char *text, size_t size, uint64_t n)
{
    bool good = cli_write(cli, out, text, size);

    if (good)
        fprintf(stderr, "%" PRIu64 " pair%s of contradicting votes\n", n, n == 1 ? "" : "s");
    return good;
}

static int export(struct cli *cli)
{
    struct cli_nodes nodes = {0};
    struct export x = {0};
    const char *out = NULL;
    char *text = NULL;
    size_t size = 0;
    int code;
    const struct cli_option options[] = {
        CLI_NODE_OPTIONS(&nodes),
        CLI_OUT(&out, "where the evidence goes (default: standard output)"),
        {0},
    };

    if (!cli_parse(cli, options, 0, 1))
        return cli->exit_code;
    if (cli->args_n == 0 && !cli_nodes_wanted(cli, &nodes))
        return cli_fail(cli, CLI_UNSURE, "whose? a ledger's directory, or --url");
    x.out = open_memstream(&text, &size);
    if (x.out == NULL)
        return cli_fault(cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
    code = cli->args_n == 1 ? export_directory(cli, &x) : export_nodes(cli, &nodes, &x);
    cli_nodes_close(&nodes);
    if (fclose(x.out) != 0 || x.failed)
        code = cli_fault(cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
    else if (code != CLI_UNSURE ||
             x.n > 0) /* none of who did not answer is no finding, and no reason to lose an older one */
        code = write_found(cli, out, text, size, x.n) ? code : CLI_UNSURE;
    free(text);
    return code;
}

static const struct cli_command cmd_evidence_export = {
    .name = "evidence export",
    .usage = "DIR | --url URL... [-o FILE]",
    .summary = "Write down what ledgers have kept of members that contradicted themselves",
    .about = "One JSON object a line, for `sillok evidence`. What several nodes know stands there several "
             "times.\n" CLI_NODES_ABOUT,
    .run = export,
};

static int run(struct cli *cli)
{
    static const struct cli_command *const commands[] = {&cmd_evidence_export, NULL};

    return cli->argc > 1 && strcmp(cli->argv[1], "export") == 0 ? cli_run_sub(cli, commands) : judge(cli);
}

const struct cli_command cmd_evidence = {
    .name = "evidence",
    .usage = "FILE --policy FILE | --charter CHARTER   (or: export DIR | --url URL...)",
    .summary = "Judge offline whom a file convicts of having lied",
    .about = "FILE holds one JSON object a line, as `sillok watch` writes it when two nodes show two "
             "histories, and as\n"
             "`sillok evidence export` takes it out of a ledger: members' votes that exclude each other. "
             "Nothing in it is\n"
             "believed but signatures by keys of the policy or charter you bring.\n"
             "\n"
             "Exit: 0 all of it convicts somebody, 1 some of it proves nothing (the message says why), 2 "
             "could not tell.",
    .run = run,
};
