/* mirror_private.h: the inside of a mirror, shared by mirror.c and mirror_load.c. */
#ifndef SLK_TOOLS_MIRROR_PRIVATE_H
#define SLK_TOOLS_MIRROR_PRIVATE_H

#include "net/node_body.h"
#include "tools/mirror.h"
#include "tools/tree_read.h"

#define MIRROR_PROGRESS                                                                                      \
    ".progress" /* how far a run has come that wrote no checkpoint yet: the text of one, unsigned */

struct mirror_note {
    struct tree_file file; /* the others borrow from it */
    struct slk_note note;
    struct slk_checkpoint checkpoint;
};

/* A bundle that is not full yet. */
struct mirror_bundle {
    uint8_t *bytes;
    size_t size, cap;
};

/* An entry with a charter in it, under that charter's hash. */
struct mirror_charter {
    struct slk_hash hash;
    uint8_t *entry;
    size_t size;
};

struct mirror {
    const struct mirror_options *o;
    struct slk_fault *fault; /* of the call under way */
    struct tree_writer *writer;
    struct tree *own;        /* the mirror's directory, to be read */
    struct mirror_note base; /* the checkpoint on the disk */
    bool has_base;
    /* After block `height`; has_blocks is false before the first. */
    bool has_blocks;
    uint64_t height;
    struct slk_log log;
    struct slk_hash chain_id, block_hash, seal_hash, charter_hash, next_charter_hash;
    struct mirror_bundle entries, finality;
    size_t charters_n;
    struct mirror_charter *charters;
    struct slk_council council; /* of council.charter_hash; n 0: none yet */
    struct slk_body_items items;
    enum slk_err closing; /* of what a tile's callback met */
};

__attribute__((format(printf, 3, 4))) enum slk_err mirror_fail(
    struct mirror *m, enum slk_err err, const char *format, ...);
/* The charter with this hash among those that the log has shown so far, malloc'ed. NULL: there is none, or no memory. */
struct slk_charter *mirror_charter(const struct mirror *m, const struct slk_hash *hash);
/* Keeps a copy of an entry that holds a charter; false: no memory. */
bool mirror_keep_charter(struct mirror *m, struct slk_span entry, struct slk_span charter);
bool mirror_bundle_add(struct mirror_bundle *bundle, struct slk_span item);
/* The members who vote under this charter: m->council. */
enum slk_err mirror_find_council(struct mirror *m, const struct slk_hash *charter_hash);

/* mirror_load.c: where the disk is: at the checkpoint, or at what a run that was cut short has come to. */
SLK_MUST_CHECK enum slk_err mirror_load(struct mirror *m);
/* Back to the checkpoint. */
SLK_MUST_CHECK enum slk_err mirror_rewind(struct mirror *m);
/* The first block, which every ledger makes for itself from its first charter. */
SLK_MUST_CHECK enum slk_err mirror_genesis(struct mirror *m, struct slk_span charter, struct slk_block *out);

#endif
