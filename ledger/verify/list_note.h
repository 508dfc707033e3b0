/* list_note.h: what a quorum says of a ledger's status lists: one C2SP signed note over all of them, and the proof that a list is
 * among them.
 *
 *   sillok.example/residents/status-lists     the log's origin, and the suffix
 *   size 123456                               of the log: the lists are those of all blocks up to there
 *   root <base64>                             of the log at that size
 *   time 1767225600                           Unix seconds: entries that are past their end then are expired
 *   lists 12 <base64>                         how many lines, and the RFC 6962 root of the tree of them
 *
 * The lines stand by type, list and form, ascending: "1 0 token <base64 SHA-256 of the list's bytes>". Only lists in which something
 * was issued have lines, one for each form. All of that follows from the ledger, so every member makes the same bytes.
 *
 * It can be read as no checkpoint: the second line of one is a bare number (C2SP tlog-checkpoint), its origin has not the suffix,
 * and no log key signs this one. Members sign it as they sign checkpoints, by cosignature/v1 with their cosign key under
 * their name: what is signed begins with that header, a time and the origin, so the witnesses of a policy and its quorum serve for both.
 */
#ifndef SLK_VERIFY_LIST_NOTE_H
#define SLK_VERIFY_LIST_NOTE_H

#include "ledger/verify/policy.h"

#define SLK_LISTS_SUFFIX   "/status-lists"
#define SLK_LISTS_TEXT_MAX (SLK_NAME_MAX + 200) /* five lines */
#define SLK_LIST_FORMS_N   3                    /* token, revocation, suspension */
#define SLK_LIST_LINE_MAX  80
#define SLK_LIST_PROOF_MAX (SLK_NOTE_MAX + 64 * 46)

struct slk_lists_statement {
    struct slk_span origin; /* the log's, without the suffix; borrowed from the text */
    uint64_t size;
    struct slk_hash root;
    uint64_t time_s;
    struct slk_tree_head lists;
};
/* A note's text. What is parsed is printed again and compared. SLK_OK or SLK_E_MALFORMED; *out is zeroed then. */
SLK_MUST_CHECK enum slk_err slk_lists_statement_parse(struct slk_lists_statement *out, struct slk_span text);
/* The length. The origin has 1 to SLK_NAME_MAX bytes. */
size_t slk_lists_statement_format(char out[SLK_LISTS_TEXT_MAX], const struct slk_lists_statement *statement);

struct slk_list_leaf {
    uint32_t type, n;
    uint32_t form; /* 1 token, 2 revocation, 3 suspension */
    struct slk_hash hash;
};
/* "token"; NULL: there is no such form. */
const char *slk_list_form_name(uint32_t form);
size_t slk_list_leaf_format(char out[SLK_LIST_LINE_MAX], const struct slk_list_leaf *leaf); /* the line, LF */
void slk_list_leaf_hash(struct slk_hash *out, const struct slk_list_leaf *leaf);            /* in the tree */

/* A file for who has one list:
 *
 *   sillok/status-list-proof/1
 *   1 0 token <base64>
 *   index 3
 *   <base64>                  the inclusion path, the leaf's sibling first
 *   (an empty line, then the note)
 */
struct slk_list_proof {
    struct slk_list_leaf leaf;
    uint64_t index;
    size_t path_n;
    struct slk_hash path[SLK_PATH_MAX];
    struct slk_span note; /* borrowed */
};
/* The form alone; what is parsed prints back to the same bytes. SLK_OK or SLK_E_MALFORMED; *out is zeroed then. */
SLK_MUST_CHECK enum slk_err slk_list_proof_parse(struct slk_list_proof *out, struct slk_span text);
void slk_list_proof_write(struct slk_writer *w, const struct slk_list_proof *proof);

struct slk_lists_verdict {
    struct slk_lists_statement statement; /* borrowed from the note */
    struct slk_policy_verdict quorum;
};
/* Does a quorum of the policy sign this note? SLK_OK; SLK_E_NOTE; SLK_E_MALFORMED: no statement about lists; what
 * slk_policy_check_statement answers. */
SLK_MUST_CHECK enum slk_err slk_lists_note_check(struct slk_lists_verdict *out, struct slk_span note,
    const struct slk_policy *policy, const struct slk_verify_options *options);
/* And is this list under it? As above; SLK_E_PROOF, SLK_E_RANGE: it is not. */
SLK_MUST_CHECK enum slk_err slk_list_proof_check(struct slk_lists_verdict *out,
    const struct slk_list_proof *proof, const struct slk_policy *policy,
    const struct slk_verify_options *options);

#endif
