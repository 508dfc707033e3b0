/* url_blocks.h: the blocks of a ledger, asked of nodes: a source for bundles (net/bundle.h). Several blocks are under way at once, all
 * from one node; when it fails, the others are asked. Nothing is believed here: who imports verifies. */
#ifndef SLK_TOOLS_URL_BLOCKS_H
#define SLK_TOOLS_URL_BLOCKS_H

#include "net/bundle.h"
#include "tools/cli_nodes.h"

#define URL_BLOCKS_AHEAD 8

struct url_blocks {
    struct slk_bundle_source source;
    struct cli *cli;
    struct cli_nodes *nodes;
    struct http_answer genesis; /* the charter in `source` is borrowed from it */
    char *note;                 /* the newest signed checkpoint; NULL: none */
    size_t note_n;
    size_t giver;   /* the node that gives the blocks */
    bool is_broken; /* it failed once: one block at a time, from whoever has it */
    struct url_block {
        uint64_t height; /* 0: the place is free */
        bool is_here;
        struct http_answer answer;
    } ahead[URL_BLOCKS_AHEAD]; /* block h is in place h % URL_BLOCKS_AHEAD */
};
/* The nodes are open. Reads block 0 and where the tip is: the newest block that a quorum has cosigned. False after a message, with
 * cli->exit_code set; url_blocks_close follows all the same. */
bool url_blocks_open(struct url_blocks *out, struct cli *cli, struct cli_nodes *nodes);
/* The same, and blocks come from this node as long as it gives them; no checkpoint is read. */
bool url_blocks_open_at(struct url_blocks *out, struct cli *cli, struct cli_nodes *nodes, size_t node);
void url_blocks_close(struct url_blocks *blocks);
/* Waits for what is on its way: after it other things may be asked between two blocks. */
void url_blocks_settle(struct url_blocks *blocks);

/* Does a node's consistency proof show that the log `now` begins with `old`? SLK_OK; SLK_E_PROOF: it does not, or it has none;
 * SLK_E_IO: the node could not be asked. */
enum slk_err url_begins_with(
    struct cli_nodes *nodes, size_t node, const struct slk_tree_head *old, const struct slk_tree_head *now);

#endif
