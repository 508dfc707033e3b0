/* checkpoint.h: C2SP tlog-checkpoint, the three-line body of a signed note. */
#ifndef SLK_VERIFY_CHECKPOINT_H
#define SLK_VERIFY_CHECKPOINT_H

#include "ledger/verify/note.h"
#include "ledger/verify/tree.h"

#define SLK_CHECKPOINT_TEXT_MAX (SLK_NAME_MAX + 1 + 20 + 1 + 44 + 1)

struct slk_checkpoint {
    struct slk_span origin; /* borrowed from the text */
    struct slk_tree_head head;
};

/* Parses a note's text; extension lines are refused (design §5), and what is parsed is printed again and compared.
 * Returns SLK_OK or SLK_E_CHECKPOINT. */
SLK_MUST_CHECK enum slk_err slk_checkpoint_parse(struct slk_checkpoint *out, struct slk_span text);
/* origin LF size LF base64(root) LF; returns the length. origin_size <= SLK_NAME_MAX. */
size_t slk_checkpoint_format(char out[SLK_CHECKPOINT_TEXT_MAX], const struct slk_checkpoint *checkpoint);

#endif
