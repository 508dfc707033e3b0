/* cmd_charter.c: `sillok charter new|show`: who the agencies and issuers are, as one readable file. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/charter_desk.h"
#include "tools/charter_edit.h"
#include "tools/charter_text.h"

#define MAX_VALIDITY_S     (UINT64_C(1096) * 86400) /* three years with a leap day */
#define STATUS_LIST_PLACES (1u << 26)

/* ---- new ---- */

struct new_args {
    const char *origin, *created, *out;
    struct charter_edit edit;
};

static void set_defaults(struct slk_charter *c)
{
    static const char *const types[] = {"RESIDENT_CARD", "RESIDENT_PHONE"};
    static const char *const reasons[] = {
        "LOST", "STOLEN", "HOLDER_REQUEST", "REPLACED", "ISSUED_IN_ERROR", "ENDED", "INTEGRITY"};

    c->version = 1;
    for (uint32_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct slk_credential_type *type = &c->types[c->types_n++];

        type->code = i + 1;
        snprintf(type->name, sizeof(type->name), "%s", types[i]);
        type->max_validity_s = MAX_VALIDITY_S;
        type->status_list_size = STATUS_LIST_PLACES;
    }
    for (uint32_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        c->reasons[c->reasons_n].code = i + 1;
        snprintf(c->reasons[c->reasons_n].name, sizeof(c->reasons[0].name), "%s", reasons[i]);
        c->reasons_n++;
    }
    c->block_events = 16384; /* protocol, head: limits */
    c->block_bytes = 4u << 20;
    c->submission_events = SLK_SUBMISSION_EVENTS_MAX;
    c->delta_ms = 200;
    c->heartbeat_s = 300;
    c->fresh_s = 60;
}

static bool build(struct cli *cli, const struct new_args *a, struct slk_charter *c)
{
    uint64_t created_s = cli_now_ms() / 1000;

    if (strlen(a->origin) > SLK_CHARTER_ORIGIN_MAX) {
        cli_fail(cli, 0, "--origin: longer than %d bytes", SLK_CHARTER_ORIGIN_MAX);
        return false;
    }
    if (a->created != NULL && !text_time_parse(&created_s, a->created, strlen(a->created))) {
        cli_fail(cli, 0, "--created: not a time: write it like 2026-07-01T09:00:00Z");
        return false;
    }
    snprintf(c->origin, sizeof(c->origin), "%s", a->origin);
    c->created_at_ms = created_s * 1000;
    set_defaults(c);
    return charter_edit(cli, &a->edit, c);
}

static const char header[] =
    "# A charter: who the agencies and issuers of a ledger are and what they may do. Edit it, then look at "
    "it with\n"
    "# `sillok charter show FILE`; `sillok init DIR --charter FILE` makes it the first entry of a new "
    "ledger.\n"
    "#\n"
    "# member: an agency with its four public keys. role: voting (orders and cosigns) or observer (follows). "
    "An agency's\n"
    "#         number is never given to another one.\n"
    "# issuer: an office or service that may submit events. kinds: of ISSUE REBIND LOCK UNLOCK RENEW REVOKE; "
    "types: names\n"
    "#         of the types it may touch; any_agency = yes: LOCK and REVOKE also on other agencies' "
    "credentials.\n"
    "# type:   a kind of credential. max_validity like 3y, 90d, 12h; status_list_size: places in its public "
    "status list.\n"
    "# reason: codes for LOCK and REVOKE. Keep them coarse: none may tell a life event.\n\n";

static int write_new(const struct cli *cli, const struct new_args *a, const struct slk_charter *c)
{
    struct slk_fault fault = {0};
    enum slk_err err = slk_charter_validate_genesis(c, &fault);
    char *text;
    size_t size;
    int code = CLI_UNSURE;

    if (err != SLK_OK)
        return cli_fault(cli, CLI_NO, NULL, err, &fault);
    text = malloc(sizeof(header) + SLK_CHARTER_TEXT_MAX);
    if (text == NULL)
        return cli_fault(cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
    memcpy(text, header, sizeof(header));
    size = slk_charter_text_format(text + sizeof(header) - 1, SLK_CHARTER_TEXT_MAX, c);
    charter_say_unseen(c);
    if (size > 0 && cli_write(cli, a->out, text, sizeof(header) - 1 + size))
        code = CLI_YES;
    free(text);
    return code;
}

static int run_new(struct cli *cli)
{
    struct new_args a = {.edit.keys_dir = "."};
    struct slk_charter *c;
    int code = CLI_UNSURE;
    const struct cli_option options[] = {
        CLI_TEXT("origin", "NAME", &a.origin, "the ledger's name, like sillok.example/residents"),
        CLI_TEXT("keys", "DIR", &a.edit.keys_dir,
            "where keygen --member and --issuer put the keys (default: here)"),
        CLI_LIST("member", "NAME=AGENCY", &a.edit.members, "a voting agency and its number"),
        CLI_LIST("observer", "NAME=AGENCY", &a.edit.observers, "an agency that follows without a vote"),
        CLI_LIST("issuer", "NAME=AGENCY", &a.edit.issuers,
            "an office: every kind of event, its agency's credentials"),
        CLI_LIST("desk", "NAME=AGENCY", &a.edit.desks, "a desk that may LOCK any agency's credentials"),
        CLI_TEXT("created", "TIME", &a.created, "time of the first block (default: now)"),
        CLI_OUT(&a.out, "where the text goes (default: standard output)"),
        {0},
    };

    if (!cli_parse(cli, options, 0, 0))
        return cli->exit_code;
    if (a.origin == NULL || a.edit.members.n == 0)
        return cli_fail(
            cli, CLI_UNSURE, "give --origin and at least one --member; see `sillok charter new --help`");
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        return cli_fault(cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
    if (build(cli, &a, c))
        code = write_new(cli, &a, c);
    free(c);
    return code;
}

/* ---- show ---- */

static void show_text(
    const struct cli_charter *c, const char *text, const char *chain_id, const char *hash, size_t quorum)
{
    size_t voting_n = slk_charter_voting_n(c->charter);

    printf("# chain id     %s\n",
        c->has_chain || c->charter->version == 1 ? chain_id : "(of the first charter)");
    if (c->pending_version != 0)
        printf("# waiting      version %" PRIu64 ", which governs from block %" PRIu64 " on\n",
            c->pending_version, c->activation);
    printf("# charter hash %s\n", hash);
    printf("# quorum       %zu of %zu voting member%s; %zu issuers; %zu bytes\n\n", quorum, voting_n,
        voting_n == 1 ? "" : "s", c->charter->issuers_n, c->size);
    fputs(text, stdout);
}

static int show(const struct cli *cli, const struct cli_charter *c, bool json)
{
    char chain_id[TEXT_HEX_SIZE], hash[TEXT_HEX_SIZE];
    size_t quorum = slk_charter_quorum(c->charter);
    struct slk_hash id;
    char *text = malloc(SLK_CHARTER_TEXT_MAX);

    if (text == NULL || slk_charter_text_format(text, SLK_CHARTER_TEXT_MAX, c->charter) == 0) {
        free(text);
        return cli_fault(cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
    }
    charter_say_unseen(c->charter);
    slk_charter_chain_id(&id, slk_span_of(c->bytes, c->size));
    if (c->has_chain)
        id = c->chain_id;
    text_hex(chain_id, id.b, SLK_HASH_SIZE);
    slk_charter_hash(&id, slk_span_of(c->bytes, c->size));
    text_hex(hash, id.b, SLK_HASH_SIZE);
    if (json)
        cli_json(json_pack("{s:s, s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:s}", "origin", c->charter->origin,
            "version", (json_int_t)c->charter->version, "chain_id", chain_id, "charter_hash", hash, "quorum",
            (json_int_t)quorum, "voting", (json_int_t)slk_charter_voting_n(c->charter), "members",
            (json_int_t)c->charter->members_n, "issuers", (json_int_t)c->charter->issuers_n, "text", text));
    else
        show_text(c, text, chain_id, hash, quorum);
    free(text);
    return CLI_YES;
}

/* The one in force at a node. */
static bool load_from_node(struct cli *cli, struct cli_nodes *nodes, struct desk *d, struct cli_charter *out)
{
    *out = (struct cli_charter){0};
    if (!desk_open_node(d, cli, nodes))
        return false;
    out->bytes = malloc(SLK_CHARTER_BYTES_MAX);
    out->size = out->bytes != NULL ? slk_charter_format(out->bytes, SLK_CHARTER_BYTES_MAX, d->base) : 0;
    if (out->size == 0) {
        cli->exit_code = cli_fault(cli, CLI_UNSURE, d->where, SLK_E_NOMEM, NULL);
        return false;
    }
    out->charter = d->base;
    d->base = NULL;
    out->has_chain = true;
    out->chain_id = d->place.chain_id;
    out->pending_version = d->pending_version;
    out->activation = d->activation;
    return true;
}

static int run_show(struct cli *cli)
{
    struct cli_nodes nodes = {0};
    struct cli_charter c = {0};
    struct desk d = {0};
    bool json = false, at_node;
    int code;
    const struct cli_option options[] = {
        CLI_NODE_OPTIONS(&nodes),
        CLI_FLAG("json", &json, "as a JSON object"),
        {0},
    };

    if (!cli_parse(cli, options, 0, 1))
        return cli->exit_code;
    at_node = cli_nodes_wanted(cli, &nodes);
    if (at_node == (cli->args_n == 1))
        return cli_fail(
            cli, CLI_UNSURE, "which charter? Give a file, a ledger's directory, or a node with --url");
    if (at_node ? load_from_node(cli, &nodes, &d, &c) : cli_charter_load(cli, cli->args[0], &c))
        code = show(cli, &c, json);
    else
        code = cli->exit_code;
    cli_charter_free(&c);
    desk_close(&d);
    cli_nodes_close(&nodes);
    return code;
}

static const struct cli_command charter_new = {
    .name = "charter new",
    .usage = "--origin NAME --keys DIR --member NAME=AGENCY... [--issuer NAME=AGENCY...] [-o FILE]",
    .summary = "Write the text of a first charter from key files",
    .about = "What comes out is a sound start with the usual types, reasons and limits, meant to be read and "
             "edited.\n"
             "Public keys are all that it takes from the key files.",
    .run = run_new,
};
static const struct cli_command charter_show = {
    .name = "charter show",
    .usage = "FILE|LEDGER|--url URL",
    .summary = "Check a charter and print it with its hashes and quorum",
    .about =
        "Exit: 0 it is valid, 1 it is not (the message says where and what to do), 2 it could not be read.",
    .run = run_show,
};

static int run(struct cli *cli)
{
    static const struct cli_command *const commands[] = {
        &charter_new, &charter_show, &cmd_charter_propose, &cmd_charter_sign, &cmd_charter_apply, NULL};

    return cli_run_sub(cli, commands);
}

const struct cli_command cmd_charter = {
    .name = "charter",
    .usage = "new|show|propose|sign|apply ...",
    .summary = "Write, check, print and change charters",
    .about = "",
    .run = run,
};
