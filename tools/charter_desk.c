#include "tools/charter_desk.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void desk_close(struct desk *d)
{
    slk_charters_free(d->charters);
    slk_store_close(d->store);
    free(d->base);
    free(d->next);
    free(d->change);
    free(d->bytes);
}

static bool give_up(struct desk *d, int code, enum slk_err err, const struct slk_fault *fault)
{
    d->cli->exit_code = cli_fault(d->cli, code, d->where, err, fault);
    return false;
}

static bool begin(struct desk *d, struct cli *cli, const char *where)
{
    *d = (struct desk){.cli = cli,
        .where = where,
        .base = malloc(sizeof(*d->base)),
        .next = malloc(sizeof(*d->next)),
        .change = calloc(1, sizeof(*d->change))};
    return (d->base != NULL && d->next != NULL && d->change != NULL) ||
           give_up(d, CLI_UNSURE, SLK_E_NOMEM, NULL);
}

bool desk_open(struct desk *d, struct cli *cli, const char *dir)
{
    struct slk_fault fault = {0};
    enum slk_err err;

    if (!begin(d, cli, dir))
        return false;
    d->store = cli_open_store(cli, dir);
    if (d->store == NULL)
        return false;
    if (!slk_store_has_tip(d->store))
        return give_up(d, CLI_UNSURE, SLK_E_NOT_FOUND, NULL);
    err = slk_charter_parse(d->base, slk_store_charter(d->store));
    if (err == SLK_OK)
        err = slk_charters_new(&d->charters, d->base);
    if (err == SLK_OK)
        err = slk_store_load_charters(d->store, d->charters, &fault);
    if (err != SLK_OK)
        return give_up(d, cli_code_of(err), err, &fault);
    d->place = (struct slk_change_place){.chain_id = *slk_store_chain_id(d->store),
        .old = slk_charters_now(d->charters),
        .next = d->next,
        .height = slk_store_tip(d->store)->height,
        .block_hash = slk_store_tip(d->store)->block_hash};
    return true;
}

/* ---- a node's desk ---- */

static bool read_hash(struct slk_hash *out, const json_t *value)
{
    const char *text = json_string_value(value);

    return text != NULL && slk_hex_parse(out->b, SLK_HASH_SIZE, text, strlen(text));
}

static bool read_status(struct desk *d, const struct http_answer *answer)
{
    json_t *status = cli_answer_json(answer);
    const json_t *height = json_object_get(status, "height");
    bool good = read_hash(&d->place.chain_id, json_object_get(status, "chain_id")) &&
                read_hash(&d->place.block_hash, json_object_get(status, "block_hash")) &&
                json_is_integer(height) && json_integer_value(height) >= 0;

    d->place.height = good ? (uint64_t)json_integer_value(height) : 0;
    json_decref(status);
    return good;
}

static bool read_pending(struct desk *d, const struct http_answer *answer)
{
    json_t *value = cli_answer_json(answer);
    const json_t *pending = json_object_get(value, "pending");
    json_int_t activation = json_integer_value(json_object_get(pending, "activation"));
    json_int_t version = json_integer_value(json_object_get(json_object_get(pending, "charter"), "version"));
    bool good = value != NULL && (pending == NULL || (activation > 0 && version > 0));

    d->activation = good && pending != NULL ? (uint64_t)activation : 0;
    d->pending_version = good && pending != NULL ? (uint64_t)version : 0;
    json_decref(value);
    return good;
}

/* The node that answered first is asked for the rest, too: one state of one node. */
static bool ask_rest(struct desk *d, struct cli_nodes *nodes, size_t node, struct http_answer *answer)
{
    struct http_request request = {.path = "/v1/charter",
        .accept = "application/json",
        .max = 1u << 20,
        .patience_ms = HTTP_PATIENCE_MS};

    http_answer_clear(answer);
    if (!http_ask(nodes->client, node, &request, answer) || !read_pending(d, answer))
        return false;
    request.accept = "application/octet-stream";
    http_answer_clear(answer);
    return http_ask(nodes->client, node, &request, answer) &&
           slk_charter_parse(d->base, slk_span_of(answer->body, answer->size)) == SLK_OK;
}

bool desk_open_node(struct desk *d, struct cli *cli, struct cli_nodes *nodes)
{
    const struct http_request status = {
        .path = "/v1/status", .accept = "application/json", .max = 65536, .patience_ms = HTTP_PATIENCE_MS};
    struct http_answer answer = {0};
    bool good;

    if (!begin(d, cli, NULL) || !cli_nodes_open(cli, nodes) ||
        !cli_ask(cli, nodes, &status, NULL, NULL, &answer))
        return false;
    d->where = http_node_name(nodes->client, answer.node);
    good = read_status(d, &answer) && ask_rest(d, nodes, answer.node, &answer);
    if (!good)
        cli->exit_code = cli_fail(cli, CLI_UNSURE, "%s: %s", d->where,
            answer.error[0] != '\0' ? answer.error : "this is not what a node of this version answers");
    http_answer_clear(&answer);
    d->place.old = d->base;
    d->place.next = d->next;
    return good;
}

/* ---- the judge ---- */

static bool never_used_key(void *ctx, const uint8_t key[SLK_KEY_SIZE])
{
    (void)ctx;
    (void)key;
    return false;
}

static bool never_used_agency(void *ctx, uint16_t agency)
{
    (void)ctx;
    (void)agency;
    return false;
}

/* Whatever block a READY names: only who holds the chain can say whether it is one of its blocks. */
static const struct slk_hash *named_block(void *ctx, uint64_t height)
{
    const struct desk *d = ctx;

    for (size_t i = 0; i < d->change->readies_n; i++)
        if (d->change->readies[i].height == height)
            return &d->change->readies[i].block_hash;
    return NULL;
}

enum slk_change_rule desk_judge(const struct desk *d, struct slk_fault *fault)
{
    struct slk_charter *scratch = malloc(sizeof(*scratch));
    struct slk_change_context context = {.chain_id = &d->place.chain_id,
        .charter = d->place.old,
        .height = d->place.height + 1,
        .pending = d->pending_version != 0,
        .ctx = (void *)(uintptr_t)d,
        .key_was_used = never_used_key,
        .agency_was_used = never_used_agency,
        .block_hash = named_block};
    enum slk_change_rule rule = SLK_CHANGE_CHARTER;

    if (scratch == NULL)
        snprintf(fault->text, sizeof(fault->text), "out of memory");
    else if (d->charters != NULL)
        rule = slk_charters_judge(
            d->charters, &d->place.chain_id, d->place.height + 1, d->change, scratch, fault);
    else
        rule = slk_change_judge(&context, d->change, scratch, fault);
    free(scratch);
    return rule;
}

static void say_unseen(const char *what, uint64_t number, const char *name)
{
    char text[8 * SLK_NAME_MAX];

    if (text_reveal(text, sizeof(text), name))
        fprintf(stderr,
            "beware: the name of %s %" PRIu64
            " has signs that are not seen, or that turn the text around: %s\n",
            what, number, text);
}

void charter_say_unseen(const struct slk_charter *c)
{
    say_unseen("the ledger, charter version", c->version, c->origin);
    for (size_t i = 0; i < c->members_n; i++)
        say_unseen("the member of agency", c->members[i].agency, c->members[i].name);
    for (size_t i = 0; i < c->issuers_n; i++)
        say_unseen("an issuer of agency", c->issuers[i].agency, c->issuers[i].name);
    for (size_t i = 0; i < c->types_n; i++)
        say_unseen("credential type", c->types[i].code, c->types[i].name);
    for (size_t i = 0; i < c->reasons_n; i++)
        say_unseen("reason", c->reasons[i].code, c->reasons[i].name);
}
