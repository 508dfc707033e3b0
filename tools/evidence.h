/* evidence.h: what convicts members of having lied, as a file anybody can judge offline: one JSON object a line.
 *
 * A split view: two signed checkpoints that no one log can have had. Of one size with two roots they say so themselves; of two
 * sizes, the path shows that under the larger one's root the log began with another root than the smaller one says.
 *
 *   {"evidence":"split-view","notes":["...","..."],"from":["http://...","http://..."],"old_root":"..","path":["..",..]}
 *
 * The smaller note comes first; "old_root" and "path" are there when the sizes differ. "from" is where they came from: a
 * remark, which nothing signs. Two votes (protocol §2.12):
 *
 *   {"evidence":"votes","chain_id":"..","charter_hash":"..","key":"..","height":N,
 *    "first":{"kind":"NOTARIZE","view":N,"aux":N,"hash":"..","signature":".."},"second":{..}}
 */
#ifndef SLK_TOOLS_EVIDENCE_H
#define SLK_TOOLS_EVIDENCE_H

#include "ledger/core/msg.h"
#include "ledger/verify/policy.h"

#define EVIDENCE_LINE_MAX (512u << 10) /* two notes of 64 KiB, each byte of which JSON may write as six */
#define EVIDENCE_FROM_MAX 256
#define EVIDENCE_PATH_MAX (2 * SLK_PATH_MAX)

enum evidence_kind { EVIDENCE_SPLIT = 1, EVIDENCE_VOTES };

struct evidence {
    enum evidence_kind kind;
    /* SPLIT */
    char *notes[2]; /* malloc'ed */
    size_t notes_n[2];
    char from[2][EVIDENCE_FROM_MAX + 1];
    bool has_path;
    struct slk_hash old_root;
    size_t path_n;
    struct slk_hash path[EVIDENCE_PATH_MAX];
    /* VOTES */
    struct slk_hash chain_id, charter_hash;
    uint8_t key[SLK_KEY_SIZE];
    struct slk_vote first, second; /* signer 0: the key stands above */
};
void evidence_clear(struct evidence *evidence);

/* Reads one line, strictly. SLK_OK; SLK_E_MALFORMED with what is wrong; SLK_E_NOMEM. */
SLK_MUST_CHECK enum slk_err evidence_parse(
    struct evidence *out, const char *line, size_t size, struct slk_fault *fault);
/* The line, newline included, malloc'ed; NULL when out of memory, or a note is not UTF-8. */
char *evidence_format(const struct evidence *evidence, size_t *size);

/* Who is convicted: a key, and for cosignatures when it signed which. */
struct conviction {
    const struct slk_vkey *key; /* SPLIT: borrowed from the policy */
    uint64_t time_s[2];         /* 0: a log's signature has no time */
};
#define EVIDENCE_CONVICTED_MAX (SLK_POLICY_LOGS_MAX + SLK_POLICY_WITNESSES_MAX)

/* Judges a split view: which keys of the policy signed both. SLK_OK: at least one did; otherwise nothing is proven and the
 * fault says why: SLK_E_NOTE, SLK_E_CHECKPOINT (the notes do not say what they should), SLK_E_PROOF (they do not contradict each
 * other), SLK_E_NO_LOG (no key of the policy signed both), SLK_E_NOMEM. */
SLK_MUST_CHECK enum slk_err evidence_judge_split(const struct evidence *evidence,
    const struct slk_policy *policy, struct conviction out[EVIDENCE_CONVICTED_MAX], size_t *n,
    struct slk_fault *fault);
/* Judges two votes by the key they name: whether this key signed both, and no honest member signs both. Whose key it is, a charter
 * says. SLK_OK, SLK_E_PROOF, SLK_E_SIGNATURE. */
SLK_MUST_CHECK enum slk_err evidence_judge_votes(const struct evidence *evidence, struct slk_fault *fault);

const char *evidence_vote_name(enum slk_vote_kind kind);

#endif
