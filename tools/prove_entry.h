/* prove_entry.h: C2SP tlog-proofs of single entries of a log, out of a ledger's directory, a tree of tiles, or from a node. */
#ifndef SLK_TOOLS_PROVE_ENTRY_H
#define SLK_TOOLS_PROVE_ENTRY_H

#include "tools/cli_nodes.h"

struct prove_entry {
    const char *dir;                 /* a ledger or a tree of tiles; NULL: the first of `nodes` */
    struct cli_nodes *nodes;         /* open */
    const struct slk_policy *policy; /* NULL: the checkpoint's signatures are not looked at */
    uint64_t index;
    const char *out, *entry_out; /* NULL: standard output; not at all */
    bool json;
};
/* The exit code, after messages. */
int prove_entry(struct cli *cli, const struct prove_entry *wanted);

#endif
