/* policy.h: C2SP tlog-policy: whose signatures and cosignatures make a checkpoint believable. */
#ifndef SLK_VERIFY_POLICY_H
#define SLK_VERIFY_POLICY_H

#include "ledger/verify/checkpoint.h"

#define SLK_POLICY_TEXT_MAX      (1u << 20)
#define SLK_POLICY_LOGS_MAX      64 /* the specification asks for at least 32 of each */
#define SLK_POLICY_WITNESSES_MAX 64
#define SLK_POLICY_GROUPS_MAX    64

/* Every key the policy names, logs first, then witnesses: for who asks which key signed what. NULL: no more. */
const struct slk_vkey *slk_policy_key(const struct slk_policy *policy, size_t i);

struct slk_policy_verdict {
    uint64_t
        quorum_time_s; /* newest t such that the cosignatures with time >= t make the quorum; 0: no quorum asked */
    uint32_t cosignatures_n;
    bool has_quorum; /* one was asked for and made; its time may be 0, that of a cosigner without a clock */
};

/* Checks a checkpoint note against the policy.
 *
 * A known key with a wrong signature refuses the whole note (C2SP signed-note). A witness counts once.
 * Cosignatures later than now_s + max_ahead_s refuse it (SLK_E_FUTURE).
 * Returns: SLK_OK, SLK_E_NO_LOG, SLK_E_SIGNATURE, SLK_E_QUORUM, SLK_E_NO_QUORUM, SLK_E_FUTURE. */
SLK_MUST_CHECK enum slk_err slk_policy_check(struct slk_policy_verdict *out, const struct slk_policy *policy,
    const struct slk_note *note, const struct slk_checkpoint *checkpoint,
    const struct slk_verify_options *options);

/* After SLK_E_QUORUM: the witnesses whose cosignatures this note lacks, in the policy's order, and those alone that could still help the
 * quorum. *all_needed: it takes every one of them. Returns how many; 0 when the quorum is met, or none is asked for. */
size_t slk_policy_missing(const struct slk_vkey *out[SLK_POLICY_WITNESSES_MAX], bool *all_needed,
    const struct slk_policy *policy, const struct slk_note *note, const struct slk_checkpoint *checkpoint);

/* Checks a note about a log that is no checkpoint (list_note.h). No log signs it: the policy must name a log of this origin
 * (SLK_E_NO_LOG), and the cosignatures count as under a checkpoint. Returns as slk_policy_check. */
SLK_MUST_CHECK enum slk_err slk_policy_check_statement(struct slk_policy_verdict *out,
    const struct slk_policy *policy, const struct slk_note *note, struct slk_span origin,
    const struct slk_verify_options *options);

#endif
