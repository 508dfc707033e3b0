/* tree_write.h: files of a tree (tree.h) onto a disk, so that a kill or a power cut at any moment leaves each of them whole or absent.
 *
 * Written under another name (.new/), synced, renamed, the directories synced: what has its name is whole, and what a flush returned
 * for is there for good. `.lock` keeps a second writer out. No symbolic link inside of the tree is written through, nor followed to what is
 * to be removed; the tree's own name may be one. */
#ifndef SLK_TOOLS_TREE_WRITE_H
#define SLK_TOOLS_TREE_WRITE_H

#include "ledger/verify/bytes.h"
#include "tools/tree.h"

#define TREE_WRITE_MAX   512 /* files on the list, each of them open in a flush; the largest block makes 260 */
#define TREE_WRITE_DUE   128 /* a list this long should be flushed, or one of so many bytes: */
#define TREE_WRITE_BYTES ((size_t)32 << 20)

struct tree_writer;
/* Makes the directory if there is none; one that nothing was written into is gone again, or as it was, after the close. SLK_E_IN_USE: another process writes to it; SLK_E_REFUSED: it is a ledger's own; SLK_E_IO. */
SLK_MUST_CHECK enum slk_err tree_writer_open(
    struct tree_writer **out, const char *dir, struct slk_fault *fault);
void tree_writer_close(struct tree_writer *writer); /* NULL is fine */

/* Puts a copy of the bytes on the list. `part` full: its partial files go once it is on the disk. SLK_E_NOMEM. */
SLK_MUST_CHECK enum slk_err tree_write(struct tree_writer *writer, const char *path, struct slk_span bytes);
SLK_MUST_CHECK enum slk_err tree_write_part(
    struct tree_writer *writer, const struct tree_part *part, struct slk_span bytes);
bool tree_writer_is_due(
    const struct tree_writer *writer); /* the list is long: flush it when it makes sense */

/* What is on the list gets its names, all of it durable when this returns SLK_OK; a file that is there with these very bytes is
 * left alone. SLK_E_IO, SLK_E_NO_SPACE: some may be there, each whole; the list is empty in every case. */
SLK_MUST_CHECK enum slk_err tree_writer_flush(struct tree_writer *writer, struct slk_fault *fault);
/* Forgets the list. */
void tree_writer_drop(struct tree_writer *writer);
/* Removes one file, if it is there. */
void tree_remove(struct tree_writer *writer, const char *path);

struct tree_written {
    uint64_t files_n, bytes_n, removed_n, syncs_n;
};
const struct tree_written *tree_writer_counts(const struct tree_writer *writer);

#endif
