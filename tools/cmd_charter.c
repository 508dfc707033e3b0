/* cmd_charter.c: `sillok charter new|show`: who the agencies and issuers are, as one readable file. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/charter_text.h"
#include "tools/cli.h"

#define KEY_VALID_S        (UINT64_C(10) * 366 * 86400) /* issuers' keys, unless the text is edited */
#define MAX_VALIDITY_S     (UINT64_C(1096) * 86400)     /* three years with a leap day */
#define STATUS_LIST_PLACES (1u << 26)

/* ---- new ---- */

struct new_args {
    const char *origin, *keys_dir, *created, *out;
    struct cli_list members, observers, issuers, desks;
};

static bool public_key(
    const struct cli *cli, const char *dir, const char *name, const char *use, uint8_t out[SLK_KEY_SIZE])
{
    struct slk_fault fault = {0};
    struct slk_key *key = NULL;
    char path[4096];
    enum slk_err err;

    snprintf(path, sizeof(path), "%s/%s%s%s.pem", dir, name, use[0] != '\0' ? "." : "", use);
    err = slk_key_load(&key, path, &fault);
    if (err != SLK_OK)
        cli_fault(cli, CLI_UNSURE, NULL, err, &fault);
    else
        memcpy(out, slk_key_public(key), SLK_KEY_SIZE);
    slk_key_free(key);
    return err == SLK_OK;
}

/* "NAME=AGENCY". */
static bool split(
    const struct cli *cli, const char *text, char name[SLK_CHARTER_NAME_MAX + 1], uint16_t *agency)
{
    const char *equals = strrchr(text, '=');
    size_t size = equals != NULL ? (size_t)(equals - text) : 0;
    uint64_t number = 0;

    if (size == 0 || size > SLK_CHARTER_NAME_MAX ||
        !slk_decimal_parse(&number, UINT16_MAX, equals + 1, strlen(equals + 1)) || number == 0) {
        cli_fail(cli, 0, "%s: write NAME=AGENCY, the agency's number being 1 to %d", text, UINT16_MAX);
        return false;
    }
    memcpy(name, text, size);
    name[size] = '\0';
    *agency = (uint16_t)number;
    return true;
}

static bool add_members(const struct cli *cli, const struct new_args *a, const struct cli_list *list,
    enum slk_role role, struct slk_charter *c)
{
    for (size_t i = 0; i < list->n; i++) {
        struct slk_member *m = &c->members[c->members_n];

        if (c->members_n == SLK_CHARTER_MEMBERS_MAX) {
            cli_fail(cli, 0, "more than %d members", SLK_CHARTER_MEMBERS_MAX);
            return false;
        }
        m->role = role;
        if (!split(cli, list->at[i], m->name, &m->agency) ||
            !public_key(cli, a->keys_dir, m->name, "vote", m->vote_key) ||
            !public_key(cli, a->keys_dir, m->name, "cosign", m->cosign_key) ||
            !public_key(cli, a->keys_dir, m->name, "log", m->log_key) ||
            !public_key(cli, a->keys_dir, m->name, "node", m->node_key))
            return false;
        c->members_n++;
    }
    return true;
}

static bool add_issuers(const struct cli *cli, const struct new_args *a, const struct cli_list *list,
    bool any_agency, struct slk_charter *c)
{
    for (size_t i = 0; i < list->n; i++) {
        struct slk_issuer *issuer = &c->issuers[c->issuers_n];

        if (c->issuers_n == SLK_CHARTER_ISSUERS_MAX) {
            cli_fail(cli, 0, "more than %d issuers", SLK_CHARTER_ISSUERS_MAX);
            return false;
        }
        if (!split(cli, list->at[i], issuer->name, &issuer->agency) ||
            !public_key(cli, a->keys_dir, issuer->name, "", issuer->public_key))
            return false;
        issuer->kinds = any_agency ? 1u << SLK_LOCK : SLK_KINDS_ALL;
        issuer->any_agency = any_agency;
        issuer->not_before_s = c->created_at_ms / 1000;
        issuer->not_after_s = issuer->not_before_s + KEY_VALID_S;
        for (size_t t = 0; t < c->types_n; t++)
            issuer->types[issuer->types_n++] = c->types[t].code;
        c->issuers_n++;
    }
    return true;
}

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

static bool build(const struct cli *cli, const struct new_args *a, struct slk_charter *c)
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
    if (!add_members(cli, a, &a->members, SLK_VOTING, c) ||
        !add_members(cli, a, &a->observers, SLK_OBSERVER, c) || !add_issuers(cli, a, &a->issuers, false, c) ||
        !add_issuers(cli, a, &a->desks, true, c))
        return false;
    slk_charter_sort(c);
    return true;
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
    if (size > 0 && cli_write(cli, a->out, text, sizeof(header) - 1 + size))
        code = CLI_YES;
    free(text);
    return code;
}

static int run_new(struct cli *cli)
{
    struct new_args a = {.keys_dir = "."};
    struct slk_charter *c;
    int code = CLI_UNSURE;
    const struct cli_option options[] = {
        CLI_TEXT("origin", "NAME", &a.origin, "the ledger's name, like sillok.example/residents"),
        CLI_TEXT(
            "keys", "DIR", &a.keys_dir, "where keygen --member and --issuer put the keys (default: here)"),
        CLI_LIST("member", "NAME=AGENCY", &a.members, "a voting agency and its number"),
        CLI_LIST("observer", "NAME=AGENCY", &a.observers, "an agency that follows without a vote"),
        CLI_LIST(
            "issuer", "NAME=AGENCY", &a.issuers, "an office: every kind of event, its agency's credentials"),
        CLI_LIST("desk", "NAME=AGENCY", &a.desks, "a desk that may LOCK any agency's credentials"),
        CLI_TEXT("created", "TIME", &a.created, "time of the first block (default: now)"),
        CLI_OUT(&a.out, "where the text goes (default: standard output)"),
        {0},
    };

    if (!cli_parse(cli, options, 0, 0))
        return cli->exit_code;
    if (a.origin == NULL || a.members.n == 0)
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
        printf("# waiting      version %" PRIu64 ", which governs from block %" PRIu64 " on\n", c->pending_version,
            c->activation);
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

static int run_show(struct cli *cli)
{
    struct cli_charter c;
    bool json = false;
    int code;
    const struct cli_option options[] = {
        CLI_FLAG("json", &json, "as a JSON object"),
        {0},
    };

    if (!cli_parse(cli, options, 1, 1))
        return cli->exit_code;
    if (!cli_charter_load(cli, cli->args[0], &c))
        return cli->exit_code;
    code = show(cli, &c, json);
    cli_charter_free(&c);
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
    .usage = "FILE|LEDGER",
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
