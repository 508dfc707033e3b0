/* tree_read.h: reads a tree of tiles (tree.h) from a directory or from a web server. Believes nothing, verifies nothing but form. */
#ifndef SLK_TOOLS_TREE_READ_H
#define SLK_TOOLS_TREE_READ_H

#include "tools/http_client.h"
#include "tools/tree.h"

#define TREE_AHEAD_MAX 32 /* files on their way at once */

struct tree;
/* `dir`, or node `node` of `client`, must outlive it. NULL: out of memory. */
struct tree *tree_of_dir(const char *dir);
struct tree *tree_of_url(struct http_client *client, size_t node);
void tree_free(struct tree *tree); /* NULL is fine */

/* Whether this path is a directory with a tree in it, and no ledger's own. */
bool tree_is_dir(const char *path);

struct tree_file {
    uint8_t *bytes; /* malloc'ed, the caller's */
    size_t size;
};
/* One file of at most `max` bytes. SLK_OK; SLK_E_NOT_FOUND; SLK_E_TOO_LARGE; SLK_E_IO, SLK_E_NOMEM. The fault names it. */
SLK_MUST_CHECK enum slk_err tree_get(
    struct tree *tree, const char *path, size_t max, struct tree_file *out, struct slk_fault *fault);
/* It will be asked for soon: a server is asked now. A hint, no more. */
void tree_ahead(struct tree *tree, const struct tree_part *part);

/* What a part holds. Where there is no partial file the full one is read, as clients of C2SP tlog-tiles must.
 * SLK_E_MALFORMED: not as long as its name says, or not in form; and what tree_get answers. */
SLK_MUST_CHECK enum slk_err tree_hashes(
    struct tree *tree, const struct tree_part *part, struct slk_hash *out, struct slk_fault *fault);
struct tree_bundle {
    struct tree_file file;
    struct slk_span items[SLK_TILE_WIDTH]; /* borrow from the file */
};
SLK_MUST_CHECK enum slk_err tree_bundle(
    struct tree *tree, const struct tree_part *part, struct tree_bundle *out, struct slk_fault *fault);
void tree_bundle_clear(struct tree_bundle *bundle);

#endif
