/* audit_url.h: `sillok audit --url`: a whole ledger from a node, verified and executed again, and held against all nodes. */
#ifndef SLK_TOOLS_AUDIT_URL_H
#define SLK_TOOLS_AUDIT_URL_H

#include "tools/cli_nodes.h"

struct audit_url {
    struct cli_nodes *nodes;      /* open or not; closed at the end */
    const struct slk_hash *chain; /* NULL: whichever it is */
    const char *keep; /* a directory for the ledger, of now or of an earlier audit; NULL: it is thrown away */
    unsigned threads;
    bool json;
};
struct audit_url_result {
    char giver[HTTP_URL_MAX];
    struct slk_hash chain_id;
    struct slk_tip tip; /* height 0 when the audit did not come to its end */
    enum slk_err err;   /* why it did not; SLK_OK: it did, or no node gave blocks */
    struct slk_fault fault;
    json_t *nodes; /* [{"url","result","text"}]: what became of each one's checkpoint; the caller's */
};
/* CLI_YES: sound, and every node agrees; CLI_NO: not, or one contradicts; CLI_UNSURE. Messages are printed. */
int audit_url(struct cli *cli, const struct audit_url *options, struct audit_url_result *out);

#endif
