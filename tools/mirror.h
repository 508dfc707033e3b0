/* mirror.h: a ledger's log as a tree of tiles (tree.h) in a directory, kept up to date from blocks that somebody gives.
 *
 * Nothing that is given is believed. Each block's certificate is checked by the charter in force, its entries must lead to the root its
 * header names, and before anything gets its name on the disk the log up to there is proven to be the beginning of the one that the
 * signed checkpoint is of. `checkpoint` is written last: it is the state. Whatever a kill leaves beyond it counts for nothing until
 * the next run comes to the same bytes. A mirror never goes back, and never changes its history. */
#ifndef SLK_TOOLS_MIRROR_H
#define SLK_TOOLS_MIRROR_H

#include "net/bundle.h"
#include "tools/tree_write.h"

struct mirror_source {
    struct slk_bundle_source *blocks;
    struct slk_span note; /* the checkpoint that is mirrored, signed */
    void *ctx;
    /* Is the log `old` the beginning of `now`? SLK_OK; SLK_E_PROOF: nothing shows it; anything else: it could not be asked. Called
     * between two blocks. */
    enum slk_err (*begins_with)(void *ctx, const struct slk_tree_head *old, const struct slk_tree_head *now);
};
struct mirror_options {
    const char *dir;
    const struct slk_policy *policy; /* NULL: the checkpoint is held against the mirrored charter alone */
    const struct slk_hash *chain;    /* NULL: whichever it is */
    uint64_t now_s;
    bool repair; /* read everything again, and write what is missing or other than it should be */
    slk_progress_fn *progress;
    void *progress_ctx;
};
struct mirror_result {
    struct slk_hash chain_id;
    struct slk_tree_head head; /* of the checkpoint that is there now */
    uint64_t height, cosigned_at_s;
    uint64_t entries_n, blocks_n; /* that were new */
    struct tree_written written;
};

struct mirror;
/* Reads where the mirror is. The options must live as long. SLK_E_CORRUPT: its own files do not lead to its checkpoint (then `repair`);
 * what tree_writer_open answers. */
SLK_MUST_CHECK enum slk_err mirror_open(
    struct mirror **out, const struct mirror_options *options, struct slk_fault *fault);
void mirror_close(struct mirror *mirror); /* NULL is fine */

/* Could this note be the next checkpoint? SLK_OK, also when it is the same as ours or older cosignatures under it; SLK_E_REFUSED: it is
 * of a smaller log than ours; SLK_E_CHAIN: of another ledger or another history; what the policy refuses it for. *head is its,
 * *cosigned_at_s when a quorum of the policy, else of the charter, had signed it; 0: nobody here can tell. */
SLK_MUST_CHECK enum slk_err mirror_judge(struct mirror *mirror, const struct mirror_source *source,
    struct slk_tree_head *head, uint64_t *cosigned_at_s, struct slk_fault *fault);
/* Brings the mirror to this source's checkpoint. After anything but SLK_OK open it anew: what is on the disk is sound. */
SLK_MUST_CHECK enum slk_err mirror_take(struct mirror *mirror, const struct mirror_source *source,
    struct mirror_result *out, struct slk_fault *fault);

#endif
