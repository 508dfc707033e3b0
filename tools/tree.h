/* tree.h: a log as files: the tree of C2SP tlog-tiles, and what `sillok mirror` puts beside it: names and forms. Pure.
 *
 *   checkpoint                       C2SP tlog-checkpoint, signed
 *   tile/<L>/<N>[.p/<W>]             hashes
 *   tile/entries/<N>[.p/<W>]         entry bundles: u16 length, entry
 *   finality/<N>[.p/<W>]             not C2SP's: in the form of a bundle, why blocks 256 N and on are final, a certificate
 *                                    (ledger/core/msg.h) for each; block 0 has none and is empty
 *   charter/<I>                      not C2SP's: the I-th entry that holds a charter, so that nobody has to look for it
 */
#ifndef SLK_TOOLS_TREE_H
#define SLK_TOOLS_TREE_H

#include "ledger/core/msg.h"
#include "ledger/verify/checkpoint.h"
#include "ledger/verify/policy.h"
#include "ledger/verify/tile.h"

#define TREE_PATH_MAX       (SLK_TILE_PATH_MAX + 8)
#define TREE_BUNDLE_MAX     ((size_t)SLK_TILE_WIDTH * (2 + SLK_ENTRY_MAX))
#define TREE_CHECKPOINT     "checkpoint"
#define TREE_POLICY_ROOM    ((size_t)1 << 17) /* of the policy that follows from a charter */
#define TREE_HASH_TILE_SIZE ((size_t)SLK_TILE_WIDTH * SLK_HASH_SIZE)

/* A file of the tree that grows: at level and index, as wide as it was. */
enum tree_kind { TREE_HASHES, TREE_ENTRIES, TREE_FINALITY };
struct tree_part {
    enum tree_kind kind;
    uint32_t level; /* 0 unless HASHES */
    uint64_t index;
    uint32_t width; /* 1..256 */
};
/* Its path below the tree's root; the length, NUL-terminated. */
size_t tree_path(char out[TREE_PATH_MAX], const struct tree_part *part);
/* The largest that makes sense. */
size_t tree_part_max(const struct tree_part *part);

/* A bundle of exactly n <= 256 items, which borrow from it. SLK_OK; SLK_E_MALFORMED: fewer, more, or one is cut off. */
SLK_MUST_CHECK enum slk_err tree_split(
    struct slk_span items[SLK_TILE_WIDTH], size_t n, struct slk_span bundle);
/* The item for this height in a bundle of finality. SLK_E_MALFORMED: no certificate of FINALIZE for it. Signatures are not looked at. */
SLK_MUST_CHECK enum slk_err tree_cert_parse(struct slk_cert *out, uint64_t height, struct slk_span item);
/* An entry that is a seal. SLK_E_SEAL: it is none. */
SLK_MUST_CHECK enum slk_err tree_seal_parse(struct slk_seal *out, struct slk_span entry);

/* A signed checkpoint; both borrow from the bytes. */
SLK_MUST_CHECK enum slk_err tree_note_parse(
    struct slk_note *note, struct slk_checkpoint *checkpoint, struct slk_span bytes);
/* Is it signed as the policy of this charter asks? SLK_OK, or what slk_policy_check refused it for; SLK_E_NOMEM. */
SLK_MUST_CHECK enum slk_err tree_note_check(const struct slk_charter *charter, const struct slk_note *note,
    const struct slk_checkpoint *checkpoint, struct slk_policy_verdict *verdict);

#endif
