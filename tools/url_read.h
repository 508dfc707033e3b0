/* url_read.h: head, history and proofs asked of nodes, instead of read from a directory. What a node says is verified wherever
 * a policy is at hand, and a node that lies is named and passed over. */
#ifndef SLK_TOOLS_URL_READ_H
#define SLK_TOOLS_URL_READ_H

#include "tools/cli_nodes.h"

int url_head(
    struct cli *cli, struct cli_nodes *nodes, const char *policy_file, bool json, bool checkpoint_only);

/* Without a policy the node's own is used, and that is said. */
int url_history(struct cli *cli, struct cli_nodes *nodes, const char *policy_file,
    const uint8_t handle[SLK_HANDLE_SIZE], bool json);

/* Proofs, each verified before it counts. */
struct url_prover {
    struct cli *cli;
    struct cli_nodes *nodes;
    struct slk_policy *policy;
    bool with_history;
    enum slk_encoding encoding;
    bool lied; /* some node gave a proof that does not verify */
};
/* A proof that verifies, in `answer`; what it says in `says` (clear both). CLI_YES, or after messages CLI_NO (only bad proofs came),
 * CLI_UNSURE. */
int url_prove(struct url_prover *prover, const uint8_t handle[SLK_HANDLE_SIZE], struct http_answer *answer,
    struct slk_answer *says);

#endif
