/* charter_desk.h: where a charter change is written, looked at and signed: beside a ledger's directory, or beside a node, which is asked over
 * HTTP. What a node says is believed for the drawing up only: whatever is signed names chain and charters by their hashes, and
 * a signature made from another answer is good for nothing. */
#ifndef SLK_TOOLS_CHARTER_DESK_H
#define SLK_TOOLS_CHARTER_DESK_H

#include "ledger/core/charters.h"
#include "ledger/embed/change.h"
#include "tools/cli_nodes.h"

struct desk {
    struct cli *cli;
    const char *where;        /* the directory, or the node that answered: for messages */
    struct slk_store *store;  /* NULL: a node is asked */
    struct slk_charter *base; /* the genesis charter; of a node, the one in force */
    struct slk_charters *charters;
    struct slk_change_place place;
    uint64_t pending_version, activation; /* of the one that waits at the node that was asked; 0: none does */
    struct slk_charter *next;
    struct slk_change *change;
    uint8_t *bytes; /* the change's: the charter in `change` is in here */
    size_t size;
};

/* False after a message, with cli->exit_code set; desk_close follows all the same. */
bool desk_open(struct desk *d, struct cli *cli, const char *dir);
bool desk_open_node(struct desk *d, struct cli *cli, struct cli_nodes *nodes);
void desk_close(struct desk *d);
/* SLK_CHANGE_OK: the next block could take it. Of a node it is not known which keys and agencies were used long ago: that is
 * judged when the change is applied. */
enum slk_change_rule desk_judge(const struct desk *d, struct slk_fault *fault);

/* Names that are not what they look like, to standard error: whoever signs is to know. The rules let them be. */
void charter_say_unseen(const struct slk_charter *charter);

/* cmd_charter_apply.c */
int charter_apply_at_nodes(struct cli *cli, struct cli_nodes *nodes, const char *file, bool json);

#endif
