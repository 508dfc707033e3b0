/* cli_nodes.h: what commands that ask nodes share: --url and its company, messages about nodes that did not answer. */
#ifndef SLK_TOOLS_CLI_NODES_H
#define SLK_TOOLS_CLI_NODES_H

#include "tools/cli.h"
#include "tools/http_client.h"

#define CLI_URLS_VARIABLE "SILLOK_URLS" /* URLs, separated by spaces or commas */
#define CLI_TIMEOUT_MAX_S 3600

struct cli_nodes {
    struct cli_list urls;
    const char *ca, *cert, *cert_key, *pin;
    uint64_t timeout_s;
    struct http_client *client; /* after cli_nodes_open */
    char *variable;             /* private */
};
#define CLI_NODE_OPTIONS(n)                                                                                  \
    CLI_LIST("url", "URL", &(n)->urls,                                                                       \
        "a node: http://HOST:PORT, https://HOST:PORT or unix:/SOCKET; may be given many times"),             \
        CLI_TEXT("ca", "FILE", &(n)->ca, "https: whose certificates nodes show (default: the system's)"),    \
        CLI_TEXT("cert", "FILE", &(n)->cert, "https: a certificate to show to nodes that ask for one"),      \
        CLI_TEXT("cert-key", "FILE", &(n)->cert_key, "https: its private key"),                              \
        CLI_TEXT("pin", "PIN", &(n)->pin, "https: the node's key must be this: sha256//BASE64"),             \
        CLI_NUMBER("timeout", "S", &(n)->timeout_s, 1, CLI_TIMEOUT_MAX_S,                                    \
            "give a node S seconds to answer (default 45)")
#define CLI_NODES_ABOUT                                                                                      \
    "Nodes are named with --url, as many as you like, or in $" CLI_URLS_VARIABLE " (separated by spaces)."

/* Whether this command is to ask nodes: --url was given; or no directory was (args_n is 0) and the environment names some. */
bool cli_nodes_wanted(const struct cli *cli, const struct cli_nodes *nodes);
/* Makes the client. False after a message, with cli->exit_code set. */
bool cli_nodes_open(struct cli *cli, struct cli_nodes *nodes);
void cli_nodes_close(struct cli_nodes *nodes);

/* "URL: why" on stderr. */
int cli_node_fail(
    const struct cli *cli, const struct cli_nodes *nodes, int code, const struct http_answer *answer);
/* Asks the nodes in turn (http_ask_any). Who failed before another answered is told as a warning. False after a message that
 * names every node and why; then *answer is empty. */
bool cli_ask(struct cli *cli, struct cli_nodes *nodes, const struct http_request *request,
    http_good_fn *is_good, void *ctx, struct http_answer *answer);
/* A JSON object out of an answer; NULL when it is none. */
json_t *cli_answer_json(const struct http_answer *answer);

#endif
