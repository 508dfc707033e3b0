/* audit_tree.h: `sillok audit` of a tree of tiles (tree.h), from a directory or a web server: every hash up to the checkpoint, every
 * entry read strictly and executed again, and, where the tree holds them, the votes that made each block final. */
#ifndef SLK_TOOLS_AUDIT_TREE_H
#define SLK_TOOLS_AUDIT_TREE_H

#include "tools/cli.h"
#include "tools/tree_read.h"

struct audit_tree {
    struct tree *tree;
    const struct slk_hash *chain;    /* NULL: whichever it is */
    const struct slk_policy *policy; /* NULL: the checkpoint is held against the audited charter alone */
    unsigned threads;
};
struct audit_tree_result {
    struct slk_hash chain_id;
    struct slk_tip tip;
    struct slk_tree_head head; /* the checkpoint's */
    uint64_t files_n;          /* that were read */
    uint64_t finality_n;       /* blocks whose certificates were checked; 0: the tree has none */
    uint32_t cosignatures_n;   /* of members of the charter, on the checkpoint */
    uint64_t cosigned_at_s;    /* when its quorum was complete, as the cosigners say */
};
/* SLK_OK: sound. Else the fault says what is wrong, and where: SLK_E_CORRUPT also where a file is missing that the checkpoint commits
 * to; SLK_E_NOT_FOUND: there is no checkpoint. */
SLK_MUST_CHECK enum slk_err audit_tree(struct cli *cli, const struct audit_tree *options,
    struct audit_tree_result *out, struct slk_fault *fault);

#endif
