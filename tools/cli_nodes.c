/* cli_nodes.c: see cli_nodes.h. */
#include "tools/cli_nodes.h"

#include <stdlib.h>
#include <string.h>

#define SEPARATORS " ,\t\n"

bool cli_nodes_wanted(const struct cli *cli, const struct cli_nodes *nodes)
{
    const char *variable = getenv(CLI_URLS_VARIABLE);

    return nodes->urls.n > 0 ||
           (cli->args_n == 0 && variable != NULL && variable[strspn(variable, SEPARATORS)] != '\0');
}

/* Cuts the variable's copy into URLs. */
static bool urls_of_variable(struct cli_nodes *nodes)
{
    const char *variable = getenv(CLI_URLS_VARIABLE);
    char *rest;

    nodes->variable = variable != NULL ? strdup(variable) : NULL;
    if (nodes->variable == NULL)
        return variable == NULL;
    for (char *url = strtok_r(nodes->variable, SEPARATORS, &rest);
         url != NULL && nodes->urls.n < CLI_LIST_MAX; url = strtok_r(NULL, SEPARATORS, &rest))
        nodes->urls.at[nodes->urls.n++] = url;
    return true;
}

bool cli_nodes_open(struct cli *cli, struct cli_nodes *nodes)
{
    struct http_options options = {
        .ca_file = nodes->ca, .cert_file = nodes->cert, .key_file = nodes->cert_key, .pin = nodes->pin};
    struct slk_fault fault = {0};

    cli->exit_code = CLI_UNSURE;
    options.timeout_ms = nodes->timeout_s * 1000;
    if (nodes->urls.n == 0 && !urls_of_variable(nodes)) {
        cli_fault(cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
        return false;
    }
    if (nodes->urls.n == 0) {
        cli_fail(cli, CLI_UNSURE, "which nodes? --url URL, or a list in $%s", CLI_URLS_VARIABLE);
        return false;
    }
    if (http_client_new(&nodes->client, &options, nodes->urls.at, nodes->urls.n, &fault))
        return true;
    cli_fail(cli, CLI_UNSURE, "%s", fault.text);
    return false;
}

void cli_nodes_close(struct cli_nodes *nodes)
{
    http_client_free(nodes->client);
    nodes->client = NULL;
    free(nodes->variable);
    nodes->variable = NULL;
}

int cli_node_fail(
    const struct cli *cli, const struct cli_nodes *nodes, int code, const struct http_answer *answer)
{
    return cli_fail(cli, code, "%s: %s", http_node_name(nodes->client, answer->node), answer->error);
}

bool cli_ask(struct cli *cli, struct cli_nodes *nodes, const struct http_request *request,
    http_good_fn *is_good, void *ctx, struct http_answer *answer)
{
    size_t n = http_nodes_n(nodes->client);
    char(*failed)[HTTP_ERROR_MAX] = calloc(n, sizeof(*failed));
    bool good = false;

    *answer = (struct http_answer){0};
    cli->exit_code = CLI_UNSURE;
    if (failed == NULL) {
        cli_fault(cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
        return false;
    }
    good = http_ask_any(nodes->client, request, is_good, ctx, answer, failed);
    for (size_t i = 0; i < n; i++)
        if (failed[i][0] != '\0' && !(good && i == answer->node))
            cli_fail(cli, CLI_UNSURE, "%s: %s", http_node_name(nodes->client, i), failed[i]);
    if (good && n > 1 && failed[answer->node][0] == '\0') {
        bool others = false;

        for (size_t i = 0; i < n; i++)
            others = others || failed[i][0] != '\0';
        if (others)
            cli_fail(cli, CLI_YES, "%s answered", http_node_name(nodes->client, answer->node));
    }
    if (!good) {
        if (n > 1)
            cli_fail(cli, CLI_UNSURE, "none of the %zu nodes could answer", n);
        http_answer_clear(answer);
    }
    free(failed);
    return good;
}

json_t *cli_answer_json(const struct http_answer *answer)
{
    json_t *value = answer->body != NULL
                        ? json_loadb((const char *)answer->body, answer->size, JSON_REJECT_DUPLICATES, NULL)
                        : NULL;

    if (json_is_object(value))
        return value;
    json_decref(value);
    return NULL;
}
