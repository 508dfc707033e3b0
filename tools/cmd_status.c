/* cmd_status.c: `sillok status`: how several nodes are, in one table, and where they disagree. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cli_nodes.h"

#define STATUS_MAX ((size_t)64 << 10)

struct row {
    const char *url;
    json_t *status; /* NULL: it did not answer, or not with a status */
    char error[HTTP_ERROR_MAX];
    size_t cosignatures_n; /* lines of that type on its checkpoint: counted, not verified */
    uint64_t ms;
};

struct table {
    struct cli *cli;
    struct cli_nodes nodes;
    struct row *rows;
    size_t n;
    uint64_t top; /* the highest height anybody has */
    json_t *disagreements;
    bool json;
};

static uint64_t number_of(const struct row *row, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(row->status, name));

    return n > 0 ? (uint64_t)n : 0;
}

/* Text of a node's, fit for a terminal: what is not printable ASCII is left out. */
static const char *text_of(const struct row *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row->status, name));

    for (const char *c = text; c != NULL && *c != '\0'; c++)
        if (*c < 0x20 || *c > 0x7e)
            return "?";
    return text != NULL ? text : "";
}

static size_t count_cosignatures(const struct http_answer *answer)
{
    struct slk_note *note = malloc(sizeof(*note));
    size_t n = 0;

    if (note != NULL && answer->status == 200 &&
        slk_note_parse(note, (const char *)answer->body, answer->size) == SLK_OK)
        for (size_t i = 0; i < note->sigs_n; i++)
            n += note->sigs[i].blob_size == 4 + 8 + SLK_SIGNATURE_SIZE;
    free(note);
    return n;
}

static bool ask(struct table *t)
{
    const struct http_request status = {
        .path = "/v1/status", .accept = "application/json", .max = STATUS_MAX};
    const struct http_request checkpoint = {
        .path = "/checkpoint", .accept = "text/plain", .max = SLK_NOTE_MAX};
    struct http_answer *answers = calloc(t->n, sizeof(*answers));

    if (answers == NULL)
        return false;
    (void)http_ask_all(t->nodes.client, &status, answers);
    for (size_t i = 0; i < t->n; i++) {
        struct row *row = &t->rows[i];

        row->url = http_node_name(t->nodes.client, i);
        row->ms = answers[i].ms;
        row->status = answers[i].status == 200 ? cli_answer_json(&answers[i]) : NULL;
        snprintf(row->error, sizeof(row->error), "%s",
            answers[i].error[0] != '\0' ? answers[i].error : "its answer is no status");
        if (row->status != NULL && number_of(row, "height") > t->top)
            t->top = number_of(row, "height");
        http_answer_clear(&answers[i]);
    }
    (void)http_ask_all(t->nodes.client, &checkpoint, answers);
    for (size_t i = 0; i < t->n; i++) {
        t->rows[i].cosignatures_n = count_cosignatures(&answers[i]);
        http_answer_clear(&answers[i]);
    }
    free(answers);
    return true;
}

/* ---- judging ---- */

static void disagree(struct table *t, const char *what, const struct row *a, const struct row *b)
{
    char text[3 * HTTP_URL_MAX];

    snprintf(text, sizeof(text), "%s: %s and %s", what, a->url, b->url);
    json_array_append_new(t->disagreements, json_string(text));
}

/* Every node against the first that answered of the same height: two blocks of one height are two histories. */
static void look_for_disagreement(struct table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct row *a = &t->rows[j], *b = &t->rows[i];

            if (a->status == NULL || b->status == NULL)
                continue;
            if (strcmp(text_of(a, "chain_id"), text_of(b, "chain_id")) != 0)
                disagree(t, "they serve different ledgers", a, b);
            else if (number_of(a, "height") == number_of(b, "height") &&
                     (strcmp(text_of(a, "block_hash"), text_of(b, "block_hash")) != 0 ||
                         strcmp(text_of(a, "root"), text_of(b, "root")) != 0))
                disagree(
                    t, "DIFFERENT BLOCKS OF ONE HEIGHT (`sillok watch` finds out who signed what)", a, b);
            else
                continue;
            break;
        }
    }
}

static int verdict(const struct table *t)
{
    int code = CLI_YES;

    for (size_t i = 0; i < t->n; i++) {
        const struct row *row = &t->rows[i];

        if (row->status == NULL)
            code = code == CLI_NO ? CLI_NO : CLI_UNSURE;
        else if (text_of(row, "alarm")[0] != '\0' || json_is_true(json_object_get(row->status, "muted")))
            code = CLI_NO;
    }
    return json_array_size(t->disagreements) > 0 ? CLI_NO : code;
}

/* ---- telling ---- */

static uint64_t age_s(const struct row *row)
{
    uint64_t now = cli_now_ms(), at = number_of(row, "cosigned_time_ms");

    return now > at ? (now - at) / 1000 : 0;
}

static void tell_json(const struct table *t, int code)
{
    json_t *list = json_array();

    for (size_t i = 0; i < t->n; i++) {
        const struct row *row = &t->rows[i];
        json_t *one = json_pack("{s:s, s:b, s:I}", "url", row->url, "answered", row->status != NULL,
            "milliseconds", (json_int_t)row->ms);

        if (row->status != NULL) {
            json_object_set(one, "status", row->status);
            json_object_set_new(one, "lag", json_integer((json_int_t)(t->top - number_of(row, "height"))));
            json_object_set_new(one, "cosignatures", json_integer((json_int_t)row->cosignatures_n));
        } else {
            json_object_set_new(one, "error", json_string(row->error));
        }
        json_array_append_new(list, one);
    }
    cli_json(json_pack("{s:s, s:o, s:O}", "result",
        code == CLI_YES  ? "well"
        : code == CLI_NO ? "trouble"
                         : "unsure",
        "nodes", list, "disagreements", t->disagreements));
}

static void tell_row(const struct table *t, const struct row *row, int width)
{
    char height[TEXT_HUMAN_SIZE], size[TEXT_HUMAN_SIZE], cosigned[TEXT_HUMAN_SIZE + 16];

    if (row->status == NULL) {
        printf("%-*s  no answer: %s\n", width, row->url, row->error);
        return;
    }
    if (number_of(row, "cosigned_time_ms") > 0)
        snprintf(cosigned, sizeof(cosigned), "%zu, %" PRIu64 " s ago", row->cosignatures_n, age_s(row));
    else
        snprintf(cosigned, sizeof(cosigned), "not yet");
    printf("%-*s  %6" PRIu64 "  %10s  %5" PRIu64 "  %12s  %.8s  %-14s  %5" PRIu64 "  %5" PRIu64
           "  %s%s%s%s\n",
        width, row->url, number_of(row, "agency"), text_count(height, number_of(row, "height")),
        t->top - number_of(row, "height"), text_count(size, number_of(row, "size")), text_of(row, "root"),
        cosigned, number_of(row, "peers"), number_of(row, "pool"), text_of(row, "alarm"),
        json_is_true(json_object_get(row->status, "muted")) ? " MUTED" : "",
        json_is_true(json_object_get(row->status, "behind")) ? " behind" : "",
        json_is_false(json_object_get(row->status, "votes")) ? " observer" : "");
}

static void tell_text(const struct table *t)
{
    const json_t *line;
    int width = 4;
    size_t i;

    for (i = 0; i < t->n; i++)
        if ((int)strlen(t->rows[i].url) > width)
            width = (int)strlen(t->rows[i].url);
    printf("%-*s  %6s  %10s  %5s  %12s  %-8s  %-14s  %5s  %5s  %s\n", width, "node", "agency", "height",
        "lag", "entries", "root", "cosignatures", "peers", "pool", "alarm");
    for (i = 0; i < t->n; i++)
        tell_row(t, &t->rows[i], width);
    json_array_foreach(t->disagreements, i, line) cli_fail(t->cli, CLI_NO, "%s", json_string_value(line));
}

static int status(struct table *t)
{
    int code;

    if (!cli_nodes_open(t->cli, &t->nodes))
        return t->cli->exit_code;
    t->n = http_nodes_n(t->nodes.client);
    t->rows = calloc(t->n, sizeof(*t->rows));
    t->disagreements = json_array();
    if (t->rows == NULL || t->disagreements == NULL || !ask(t))
        return cli_fault(t->cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
    look_for_disagreement(t);
    code = verdict(t);
    if (t->json)
        tell_json(t, code);
    else
        tell_text(t);
    return code;
}

static int run(struct cli *cli)
{
    struct table t = {.cli = cli};
    int code;
    const struct cli_option options[] = {
        CLI_NODE_OPTIONS(&t.nodes),
        CLI_FLAG("json", &t.json, "one JSON object"),
        {0},
    };

    if (!cli_parse(cli, options, 0, 0))
        return cli->exit_code;
    code = status(&t);
    for (size_t i = 0; t.rows != NULL && i < t.n; i++)
        json_decref(t.rows[i].status);
    free(t.rows);
    json_decref(t.disagreements);
    cli_nodes_close(&t.nodes);
    return code;
}

const struct cli_command cmd_status = {
    .name = "status",
    .usage = "--url URL... [--json]",
    .summary = "Show how several nodes are, and where they disagree",
    .about = "What is shown is each node's word; `sillok watch` verifies.\n" CLI_NODES_ABOUT "\n\n"
             "Exit: 0 all answered, agree, and have no alarm, 1 an alarm or a disagreement, 2 a node did not "
             "answer.",
    .run = run,
};
