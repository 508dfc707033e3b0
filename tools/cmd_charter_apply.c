/* cmd_charter_apply.c: `sillok charter apply --url`: a change is given to one node of a network, and looked for in its chain. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/charter_desk.h"

#define ANSWER_MAX  (1u << 20)
#define POLL_MS     200
#define IN_CHAIN_MS 60000 /* idle members make a block for it within a second or two */

struct wanted {
    uint64_t version;
    char hash[2 * SLK_HASH_SIZE + 1];
    uint64_t activation;
};

static void wait_a_moment(void)
{
    struct timespec moment = {.tv_nsec = POLL_MS * 1000000L};

    (void)nanosleep(&moment, NULL);
}

static bool is_it(const json_t *charter, const struct wanted *w)
{
    const char *hash = json_string_value(json_object_get(charter, "hash"));

    return hash != NULL && strcmp(hash, w->hash) == 0;
}

/* 1: it is in force or waits for its height; 0: not yet; -1: another change of this version came first, or the node is silent. */
static int look(struct cli_nodes *nodes, size_t node, const struct wanted *w, struct http_answer *answer)
{
    const struct http_request request = {.path = "/v1/charter",
        .accept = "application/json",
        .max = ANSWER_MAX,
        .patience_ms = HTTP_PATIENCE_MS};
    const json_t *pending, *version;
    json_t *value;
    int result = 0;

    http_answer_clear(answer);
    if (!http_ask(nodes->client, node, &request, answer))
        return -1;
    value = cli_answer_json(answer);
    pending = json_object_get(json_object_get(value, "pending"), "charter");
    version = json_object_get(pending != NULL ? pending : value, "version");
    if (is_it(value, w) || is_it(pending, w))
        result = 1;
    else if (json_integer_value(version) >= (json_int_t)w->version)
        result = -1;
    json_decref(value);
    return result;
}

static int wait_for_it(
    struct cli *cli, struct cli_nodes *nodes, size_t node, const struct wanted *w, bool json)
{
    struct http_answer answer = {0};
    uint64_t end = cli_tick_ms() + IN_CHAIN_MS;
    int found = 0, code = CLI_YES;

    while (found == 0 && cli_tick_ms() < end) {
        found = look(nodes, node, w, &answer);
        if (found == 0)
            wait_a_moment();
    }
    if (found < 0 && answer.error[0] != '\0')
        code = cli_fail(cli, CLI_UNSURE, "%s: %s", http_node_name(nodes->client, node), answer.error);
    else if (found < 0)
        code = cli_fail(
            cli, CLI_NO, "another change came first: begin again from the charter that is there now");
    else if (found == 0)
        code = cli_fail(cli, CLI_UNSURE,
            "%s has it, but it is in no block after %d s: do enough members vote? Apply it again when they "
            "do",
            http_node_name(nodes->client, node), IN_CHAIN_MS / 1000);
    else if (json)
        cli_json(json_pack(
            "{s:I, s:I}", "activation", (json_int_t)w->activation, "version", (json_int_t)w->version));
    else
        printf("version %" PRIu64 " of the charter is in the chain and governs from block %" PRIu64 " on\n",
            w->version, w->activation);
    http_answer_clear(&answer);
    return code;
}

static bool read_wanted(struct wanted *w, struct slk_span entry)
{
    struct slk_change *change = malloc(sizeof(*change));
    struct slk_charter *next = malloc(sizeof(*next));
    bool good = change != NULL && next != NULL && slk_change_parse(change, entry) == SLK_OK &&
                slk_charter_parse(next, change->charter) == SLK_OK;

    if (good) {
        w->version = next->version;
        w->activation = change->activation;
        slk_hex_format(w->hash, next->hash.b, SLK_HASH_SIZE);
    }
    free(next);
    free(change);
    return good;
}

/* 422 is the node's judgement, and any other's: a NO. */
static bool is_judged(void *ctx, struct http_answer *answer)
{
    (void)ctx;
    return answer->status == 202 || answer->status == 422;
}

int charter_apply_at_nodes(struct cli *cli, struct cli_nodes *nodes, const char *file, bool json)
{
    struct http_request request = {.path = "/v1/charter",
        .accept = "application/json",
        .content_type = "application/octet-stream",
        .is_post = true,
        .max = ANSWER_MAX,
        .patience_ms = HTTP_PATIENCE_MS};
    struct http_answer answer = {0};
    struct wanted wanted = {0};
    uint8_t *bytes = NULL;
    size_t size = 0;
    int code = CLI_UNSURE;

    if (!cli_read(cli, file, SLK_ENTRY_MAX, &bytes, &size))
        return CLI_UNSURE;
    request.body = slk_span_of(bytes, size);
    if (!read_wanted(&wanted, request.body))
        code = cli_fail(cli, CLI_NO, "%s: MALFORMED: %s", file, slk_change_rule_text(SLK_CHANGE_MALFORMED));
    else if (!cli_nodes_open(cli, nodes) || !cli_ask(cli, nodes, &request, is_judged, NULL, &answer))
        code = cli->exit_code;
    else if (answer.status == 422)
        code = cli_fail(
            cli, CLI_NO, "%s: %s: %s", file, http_node_name(nodes->client, answer.node), answer.error);
    else
        code = wait_for_it(cli, nodes, answer.node, &wanted, json);
    http_answer_clear(&answer);
    free(bytes);
    return code;
}
