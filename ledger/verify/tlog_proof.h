/* tlog_proof.h: C2SP tlog-proof texts of any log: taken apart and printed. What `extra` means is its log's affair; ours: proof.h. */
#ifndef SLK_VERIFY_TLOG_PROOF_H
#define SLK_VERIFY_TLOG_PROOF_H

#include "ledger/verify/checkpoint.h"

#define SLK_TLOG_PROOF_HEADER "c2sp.org/tlog-proof@v1\n" /* C2SP tlog-proof */
#define SLK_TLOG_PROOF_MAX    (SLK_NOTE_MAX + 64 + SLK_PATH_MAX * 45) /* one without extra, printed */

/* Everything borrowed but the path. */
struct slk_tlog_proof {
    bool has_extra;
    struct slk_span extra; /* base64, canonical; nothing vouches for it */
    uint64_t index;
    size_t path_n;
    struct slk_hash path[SLK_PATH_MAX];
    struct slk_span note; /* the checkpoint, verbatim: not looked at */
};

/* Prints back what it was: one spelling. SLK_OK or SLK_E_MALFORMED. */
SLK_MUST_CHECK enum slk_err slk_tlog_proof_parse(struct slk_tlog_proof *out, struct slk_span text);
size_t slk_tlog_proof_format(uint8_t *out, size_t cap, const struct slk_tlog_proof *proof); /* 0: it does not fit */
/* A checkpoint of any log: lines behind the root are allowed, if none is empty (C2SP tlog-checkpoint). SLK_OK, SLK_E_CHECKPOINT. */
SLK_MUST_CHECK enum slk_err slk_checkpoint_parse_any(struct slk_checkpoint *out, struct slk_span text);

#endif
