/* change.h: a charter change: its bytes, what is signed, and whether it may follow the charter in force.
 *
 * Source: protocol §2.14. A change stands in a block as the entry before its submissions: CharterEntry of
 * proto/ledger.proto, the new charter's bytes and, beside them, who agreed to it. The same bytes travel from member to
 * member while signatures are gathered. */
#ifndef SLK_CORE_CHANGE_H
#define SLK_CORE_CHANGE_H

#include "ledger/core/charter.h"

#define SLK_CHANGE_AHEAD_MAX       10000 /* protocol §2.14: blocks from a change to its activation */
#define SLK_CHANGE_READY_MAX       1000  /* protocol §2.14: blocks a READY may lie back */
#define SLK_CHANGE_POSSESSIONS_MAX 640   /* of 102 bytes each: more do not fit into an entry */

/* Every way a change can be wrong, in the order in which they are checked: the first one wins. */
#define SLK_CHANGE_RULES(X)                                                                                  \
    X(OK, "accepted")                                                                                        \
    X(MALFORMED, "not a charter change in canonical form")                                                   \
    X(TOO_LARGE,                                                                                             \
        "the change and its seal are larger than a block may be: bring the new keys in several changes")     \
    X(PENDING, "another change waits for its height: wait for it, too")                                      \
    X(CHARTER, "the new charter is not valid")                                                               \
    X(VERSION, "the new charter's version is not one more than that of the charter in force")                \
    X(PREVIOUS, "the new charter's previous is not the hash of the charter in force")                        \
    X(CREATED, "the new charter is older than the one in force: set created")                                \
    X(RULES, "the version of the rules goes back: rules that began stay")                                    \
    X(ORIGIN, "the origin cannot change: checkpoints and policies know the ledger by it")                    \
    X(TYPE_FIXED,                                                                                            \
        "a credential type can be added, never removed, renamed or given another status list size")          \
    X(REASON_FIXED, "a reason can be added, never removed or renamed: events of the past name it")           \
    X(AGENCY_REUSED, "an agency that was removed cannot come back under its number: give it another one")    \
    X(KEY_REUSED, "a key was used before, or for something else, or by another agency: make another")        \
    X(ACTIVATION, "the activation height is not 1 to 10,000 blocks after the block of the change")           \
    X(APPROVER, "an approval is by none of the voting members of the charter in force")                      \
    X(APPROVALS, "too few voting members of the charter in force approve")                                   \
    X(APPROVAL_SIGNATURE, "the signature of an approval is wrong, or of another change")                     \
    X(POSSESSION_MISSING, "a new key has not signed that its owner holds it")                                \
    X(POSSESSION_UNNEEDED, "a possession is shown of a key that is not new")                                 \
    X(POSSESSION_SIGNATURE, "the signature of a new key is wrong, or for another use or agency")             \
    X(READY_MISSING, "a joining member has not signed that it follows the chain")                            \
    X(READY_UNNEEDED, "a member signed to be ready that does not join")                                      \
    X(READY_HEIGHT, "a joining member names a block that is not among the last 1,000")                       \
    X(READY_BLOCK, "a joining member names a block of another history")                                      \
    X(READY_SIGNATURE, "the signature of a joining member is wrong")

enum slk_change_rule {
#define SLK_X(name, text) SLK_CHANGE_##name,
    SLK_CHANGE_RULES(SLK_X)
#undef SLK_X
        SLK_CHANGE_RULE_N
};
const char *slk_change_rule_name(enum slk_change_rule rule); /* "KEY_REUSED"; "?" out of range */
const char *slk_change_rule_text(enum slk_change_rule rule); /* a sentence; never NULL */

/* What a key of a charter is for. */
enum slk_key_use { SLK_USE_VOTE = 1, SLK_USE_COSIGN, SLK_USE_LOG, SLK_USE_NODE, SLK_USE_ISSUE };

struct slk_approval {
    uint16_t agency;
    uint8_t signature[SLK_SIGNATURE_SIZE];
};
struct slk_possession {
    uint8_t key[SLK_KEY_SIZE];
    uint8_t signature[SLK_SIGNATURE_SIZE];
};
struct slk_ready {
    uint16_t agency;
    uint64_t height;
    struct slk_hash block_hash;
    uint8_t signature[SLK_SIGNATURE_SIZE];
};

struct slk_change {
    struct slk_span charter; /* Charter bytes, borrowed */
    uint64_t activation;
    size_t approvals_n, possessions_n, readies_n;
    struct slk_approval approvals[SLK_CHARTER_VOTING_MAX];         /* ascending agency */
    struct slk_possession possessions[SLK_CHANGE_POSSESSIONS_MAX]; /* ascending key */
    struct slk_ready readies[SLK_CHARTER_VOTING_MAX];              /* ascending agency */
};
/* A struct slk_change is about 70 KiB: allocate it, never put it on the stack. */

/* Reads the canonical Entry bytes of a change; form only, the charter in it is not looked at. What parses, format prints
 * again. Returns SLK_OK, SLK_E_MALFORMED, SLK_E_NOT_CANONICAL (a list out of order or with a duplicate), SLK_E_TOO_LARGE.
 * On refusal *out is zeroed. */
SLK_MUST_CHECK enum slk_err slk_change_parse(struct slk_change *out, struct slk_span entry);
/* The canonical Entry bytes; length, or 0 when they do not fit, or parse would refuse them. */
size_t slk_change_format(uint8_t *out, size_t cap, const struct slk_change *change);

/* For whoever gathers signatures: puts one at its place, instead of the one that was there. False: there is no room. */
bool slk_change_put_approval(struct slk_change *change, const struct slk_approval *approval);
bool slk_change_put_possession(struct slk_change *change, const struct slk_possession *possession);
bool slk_change_put_ready(struct slk_change *change, const struct slk_ready *ready);

/* ---- signed bytes: fixed width, big-endian ---- */

#define SLK_TAG_APPROVE "sillok/approve/1" /* 16 without the literal's zero */
#define SLK_TAG_POSSESS "sillok/pop/1\0\0\0"
#define SLK_TAG_READY   "sillok/ready/1\0"

/* tag || chain_id || hash of the charter in force || hash of the new one || u64 activation: by the vote key of an approver. */
#define SLK_APPROVE_STATEMENT_SIZE (16 + 3 * 32 + 8)
void slk_approve_statement(uint8_t out[SLK_APPROVE_STATEMENT_SIZE], const struct slk_hash *chain_id,
    const struct slk_hash *old_hash, const struct slk_hash *new_hash, uint64_t activation);
/* tag || chain_id || key || u32 agency || u32 use: by the key itself. Not bound to one charter: an office signs once,
 * however often the text around its key is edited; a key is never new twice. */
#define SLK_POSSESS_STATEMENT_SIZE (16 + 2 * 32 + 8)
void slk_possess_statement(uint8_t out[SLK_POSSESS_STATEMENT_SIZE], const struct slk_hash *chain_id,
    const uint8_t key[SLK_KEY_SIZE], uint16_t agency, enum slk_key_use use);
/* tag || chain_id || u32 agency || u64 height || block_hash: by the vote key that the new charter names for it. */
#define SLK_READY_STATEMENT_SIZE (16 + 32 + 4 + 8 + 32)
void slk_ready_statement(
    uint8_t out[SLK_READY_STATEMENT_SIZE], const struct slk_hash *chain_id, const struct slk_ready *ready);

/* ---- what a change brings ---- */

/* One key of a charter. */
struct slk_charter_key {
    uint8_t key[SLK_KEY_SIZE];
    uint16_t agency;
    enum slk_key_use use;
};
#define SLK_CHARTER_KEYS_MAX (4 * SLK_CHARTER_MEMBERS_MAX + SLK_CHARTER_ISSUERS_MAX)
/* All keys of a charter, ascending; their number. */
size_t slk_charter_keys(struct slk_charter_key out[SLK_CHARTER_KEYS_MAX], const struct slk_charter *charter);
/* Those of `next` that `old` does not hold for the same use and agency, ascending; their number. */
size_t slk_charter_new_keys(struct slk_charter_key out[SLK_CHARTER_KEYS_MAX], const struct slk_charter *old,
    const struct slk_charter *next);
/* Does the member of `next` vote there and not in `old`? */
bool slk_member_joins(const struct slk_member *member, const struct slk_charter *old);

/* ---- the judge ---- */

/* What a change is judged against: all of it follows from the blocks before. */
struct slk_change_context {
    const struct slk_hash *chain_id;
    const struct slk_charter *charter; /* in force at `height` */
    uint64_t height;                   /* of the block that is to hold the change */
    bool pending;                      /* another change waits for its height */
    void *ctx;
    bool (*key_was_used)(void *ctx, const uint8_t key[SLK_KEY_SIZE]); /* by any charter of this chain */
    bool (*agency_was_used)(void *ctx, uint16_t agency);
    const struct slk_hash *(*block_hash)(
        void *ctx, uint64_t height); /* one of the last SLK_CHANGE_READY_MAX */
};

/* Judges a parsed change. SLK_CHANGE_OK: `next` is the new charter. Otherwise fault says which agency, key or number; the
 * sentence of the rule is its beginning. `next` is the caller's memory either way. Never TOO_LARGE, which is the block's
 * to say. About 0.1 ms per signature; nothing is signature-checked before everything cheaper has passed. */
enum slk_change_rule slk_change_judge(const struct slk_change_context *context,
    const struct slk_change *change, struct slk_charter *next, struct slk_fault *fault);

#endif
