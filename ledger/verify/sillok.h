/* sillok.h: check a credential's status proof, offline, trusting no server.
 *
 * Needs libcrypto and nothing else. No function here reads a clock, a file, the locale or the network,
 * and none keeps state: all may be called from any thread. Every length is checked before it is used.
 */
#ifndef SILLOK_H
#define SILLOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SLK_PUBLIC     __attribute__((visibility("default")))
#define SLK_MUST_CHECK __attribute__((warn_unused_result))
#else
#define SLK_PUBLIC
#define SLK_MUST_CHECK
#endif

#define SLK_HASH_SIZE   32 /* RFC 6962 §2.1: SHA-256 */
#define SLK_HANDLE_SIZE 32 /* design §1: HMAC-SHA-256 */

/* Every reason a caller could act on, with the sentence slk_err_text() returns for it. */
#define SLK_ERRORS(X)                                                                                \
    X(OK, 0, "ok")                                                                                   \
    /* the environment */                                                                            \
    X(E_NOMEM, 1, "out of memory")                                                                   \
    X(E_IO, 2, "the disk or the file system failed")                                                 \
    X(E_NO_SPACE, 3, "no space left on the disk: free some, then try again")                         \
    /* bytes that do not parse */                                                                    \
    X(E_MALFORMED, 10, "the bytes are not in the expected format")                                   \
    X(E_NOT_CANONICAL, 11, "the bytes are not in canonical form")                                    \
    X(E_TOO_LARGE, 12, "larger than the format allows")                                              \
    X(E_RANGE, 13, "a number is outside its range")                                                  \
    /* Merkle proofs */                                                                              \
    X(E_PROOF, 20, "the inclusion or consistency proof does not lead to the root")                   \
    X(E_MAP_PROOF, 21, "the map proof does not lead to the map root in the seal")                    \
    /* notes, checkpoints, policies */                                                               \
    X(E_NOTE, 30, "not a signed note")                                                               \
    X(E_CHECKPOINT, 31, "not a checkpoint")                                                          \
    X(E_VKEY, 32, "not a verifier key this program knows")                                           \
    X(E_POLICY, 33, "the trust policy is not valid")                                                 \
    X(E_SIGNATURE, 34, "a signature by a key of the policy is wrong: the checkpoint was altered")    \
    X(E_NO_LOG, 35, "no signature by a log of the policy: a proof of another ledger, or forged")     \
    X(E_QUORUM, 36, "too few cosignatures for the quorum of the policy")                             \
    X(E_NO_QUORUM, 37, "the policy asks for no cosignature; only an explicit permission accepts it") \
    X(E_FUTURE, 38, "cosigned in the future: check this machine's clock")                            \
    X(E_TOO_OLD, 39, "the proof is older than the caller allows: ask for a fresh one")               \
    /* status proofs */                                                                              \
    X(E_SEAL, 50, "the last entry of the checkpointed log is not a seal")                            \
    X(E_RECORD, 51, "the status record is not valid")                                                \
    X(E_HISTORY, 52, "the events shown do not lead to the status record: one is missing or altered") \
    X(E_HANDLE, 53, "an event of another credential is among the history")                           \
    X(E_RULE, 54, "an event in the history breaks a rule of the ledger")                             \
    X(E_NO_HISTORY, 55, "the proof carries no history: ask for one with history")                    \
    X(E_TIME, 56, "the ledger says nothing about that time")                                         \
    /* charters */                                                                                   \
    X(E_CHARTER, 60, "the charter is not valid")                                                     \
    /* a ledger's directory */                                                                       \
    X(E_EXISTS, 70, "it exists already and is never overwritten")                                    \
    X(E_NOT_FOUND, 71, "not found")                                                                  \
    X(E_IN_USE, 72, "another process is writing to this ledger")                                     \
    X(E_FORMAT, 73, "written by a newer version of this program: upgrade it")                        \
    X(E_CHAIN, 74, "belongs to another ledger")                                                      \
    X(E_CORRUPT, 75, "damaged: what is stored is not what was written")                              \
    X(E_READ_ONLY, 76, "the ledger is open for reading only")                                        \
    X(E_KEY, 77, "the key is missing, damaged or not the one the charter names")                     \
    X(E_REFUSED, 78, "refused by the rules")                                                         \
    X(E_UNSIGNED, 79, "the newest block is not signed yet: let the writer finish, or run `sillok head --sign` with the keys") \
    X(E_SIGNER, 80, "the token that holds the key does not answer: is it connected?")

enum slk_err {
#define SLK_X(name, code, text) SLK_##name = code,
    SLK_ERRORS(SLK_X)
#undef SLK_X
};

/* A sentence for people; never NULL. slk_err_name gives "E_PROOF" and the like, for programs. */
SLK_PUBLIC const char *slk_err_text(enum slk_err err);
SLK_PUBLIC const char *slk_err_name(enum slk_err err);

/* Borrowed bytes; who lends them says until when. */
struct slk_span {
    const uint8_t *at;
    size_t size;
};

struct slk_hash {
    uint8_t b[SLK_HASH_SIZE];
};

/* Where and why something was refused, in words: `text` is empty or one sentence without a final dot,
 * `line` is 1-based, 0 when the input has no lines. */
struct slk_fault {
    size_t line;
    char text[240];
};

enum slk_kind { SLK_ISSUE = 1, SLK_REBIND, SLK_LOCK, SLK_UNLOCK, SLK_RENEW, SLK_REVOKE, SLK_KIND_N };
enum slk_carrier { SLK_CHIP_CARD = 1, SLK_PHONE, SLK_CARRIER_N };
enum slk_channel {
    SLK_OFFICE_QR = 1,
    SLK_CHIP_CARD_TAP,
    SLK_ONLINE,
    SLK_CARRIER_REPORT,
    SLK_HOLDER_REPORT,
    SLK_AUTHORITY,
    SLK_CHANNEL_N
};

/* What a reader is told. NEVER_ISSUED and EXPIRED are computed, not stored (design §4). A credential that is
 * several things at once is reported as the gravest: REVOKED, then LOCKED, then EXPIRED (so EXPIRED means
 * "ACTIVE past valid_until", and a locked one stays LOCKED whatever its date). */
enum slk_state {
    SLK_NEVER_ISSUED = 0,
    SLK_ACTIVE = 1,
    SLK_LOCKED = 2,
    SLK_REVOKED = 3,
    SLK_EXPIRED = 4
};

SLK_PUBLIC const char *slk_kind_name(enum slk_kind kind);          /* "ISSUE"; "?" out of range */
SLK_PUBLIC const char *slk_carrier_name(enum slk_carrier carrier); /* "PHONE" */
SLK_PUBLIC const char *slk_channel_name(enum slk_channel channel); /* "OFFICE_QR" */
SLK_PUBLIC const char *slk_state_name(enum slk_state state);       /* "ACTIVE", "NEVER_ISSUED" */

/* ---- trust policy (C2SP tlog-policy) ---- */

struct slk_policy;

/* Reads a C2SP tlog-policy file. Limits: 1 MiB of text, 64 logs, 64 witnesses, 64 groups.
 * Returns: SLK_OK, SLK_E_POLICY (fault says line and reason), SLK_E_NOMEM. *out is NULL on failure. */
SLK_PUBLIC SLK_MUST_CHECK enum slk_err slk_policy_new(struct slk_policy **out, const char *text,
    size_t text_size, struct slk_fault *fault);
SLK_PUBLIC void slk_policy_free(struct slk_policy *policy); /* NULL is fine */

/* ---- status proofs ---- */

struct slk_verify_options {
    uint64_t now_s;       /* Unix seconds: the caller's clock */
    uint64_t max_age_s;   /* refuse older proofs; 0: any age */
    uint64_t max_ahead_s; /* tolerated clock difference of cosigners; 0 means 300 */
    bool allow_no_quorum; /* accept a policy that says `quorum none` */
};

struct slk_answer {
    enum slk_state state;       /* at options.now_s */
    bool present;               /* false: proven never issued (absent from the map) */
    bool has_history;           /* every event is in the proof, replayed, and nothing is left out */
    enum slk_carrier carrier;   /* the fields from here to `reason` are zero when not present */
    uint32_t type;
    uint16_t owner_agency;
    uint32_t status_index;
    uint32_t reason;            /* of the LOCK or REVOKE in force, else 0 */
    uint64_t valid_until_s;
    uint64_t since_ms;          /* ledger time of the last event */
    uint64_t events_n;
    uint8_t device[SLK_HASH_SIZE];
    uint64_t tree_size;         /* of the checkpoint */
    uint64_t block_height;
    uint64_t block_time_ms;
    uint64_t quorum_time_s;     /* newest time by which a quorum of the policy had cosigned; 0 without quorum */
    uint64_t age_s;             /* now_s - quorum_time_s, 0 if negative */
    uint32_t cosignatures_n;    /* good ones, by witnesses of the policy */
    struct slk_span events;     /* private: the history inside `proof` or `decoded` */
    uint8_t *decoded;           /* private: freed by slk_answer_clear */
    enum slk_err why;           /* what slk_verify_status returned */
    char detail[240];           /* one sentence more about a refusal, or empty */
};

/* Checks a status proof, binary or .tlog-proof text, and says what it proves about `handle`.
 *
 * In:      proof    at most 4 MiB; must outlive `out` (the history is read from it later)
 *          handle   32 bytes
 * Returns: SLK_OK, or the first reason to refuse. On refusal `out` holds the reason and nothing else:
 *          state is NEVER_ISSUED only when SLK_OK is returned with present = false.
 * Cost:    the signature checks, plus about 1 us per hash. Text form: one allocation of at most the
 *          proof's size, released by slk_answer_clear; binary form: none of ours (libcrypto's own
 *          contexts aside). */
SLK_PUBLIC SLK_MUST_CHECK enum slk_err slk_verify_status(struct slk_answer *out, struct slk_span proof,
    const uint8_t handle[SLK_HANDLE_SIZE], const struct slk_policy *policy,
    const struct slk_verify_options *options);
SLK_PUBLIC void slk_answer_clear(struct slk_answer *answer);

/* One event of a verified history. */
struct slk_history_item {
    uint64_t sequence;
    uint64_t recorded_at_ms;
    uint64_t occurred_at_s;
    enum slk_kind kind;
    enum slk_channel channel;
    enum slk_carrier carrier; /* 0 unless the kind sets it */
    enum slk_state state;     /* after the event: ACTIVE, LOCKED or REVOKED */
    uint32_t reason;
    uint64_t valid_until_s; /* after the event */
    uint8_t device[SLK_HASH_SIZE];
    uint8_t event_id[SLK_HASH_SIZE];
};

/* Walks the history of an accepted proof, oldest first: zero-initialise the cursor, false ends the walk. */
struct slk_history_cursor {
    size_t at;                    /* private: bytes of the history behind us */
    struct slk_history_item last; /* private: what later events inherit */
};
SLK_PUBLIC bool slk_answer_next(const struct slk_answer *answer, struct slk_history_cursor *cursor,
    struct slk_history_item *out);

/* The state at a past time, from the ledger's own recorded times: what events recorded at or before the beginning
 * of second at_s had made of the credential.
 * Returns: SLK_OK; SLK_E_NO_HISTORY; SLK_E_TIME when at_s is later than the proof's block time.
 * NEVER_ISSUED is the answer for times before the first event, and for a credential proven absent at any time. */
SLK_PUBLIC SLK_MUST_CHECK enum slk_err slk_answer_at(const struct slk_answer *answer, uint64_t at_s,
    enum slk_state *state);

/* Converts between the two encodings; the input must parse, nothing is verified. There and back gives the same bytes.
 * `out` must hold 2 * proof.size + 1024 bytes. Returns SLK_OK or why it does not parse; SLK_E_TOO_LARGE also for a text
 * that the binary form cannot hold: a foreign signature line with a longer payload or name than any type we know. */
SLK_PUBLIC SLK_MUST_CHECK enum slk_err slk_proof_to_text(uint8_t *out, size_t out_cap, size_t *out_size,
    struct slk_span proof);
SLK_PUBLIC SLK_MUST_CHECK enum slk_err slk_proof_to_binary(uint8_t *out, size_t out_cap, size_t *out_size,
    struct slk_span proof);

/* ---- entries of any C2SP log ---- */

struct slk_entry_answer {
    uint64_t index;         /* the entry's place in the log */
    uint64_t tree_size;     /* of the checkpoint */
    bool has_quorum;        /* the policy asks for one: else nobody says how old this is, and the next two are 0 */
    uint64_t quorum_time_s; /* as in slk_answer */
    uint64_t age_s;
    uint32_t cosignatures_n;
    char origin[256];    /* the log */
    bool has_extra;      /* the proof carries data of its own, which nothing here vouches for */
    enum slk_err why;    /* what slk_verify_entry returned */
    char detail[240];    /* one sentence more about a refusal, or empty */
};

/* Checks a C2SP tlog-proof text: that a log of the policy holds `entry` (its leaf is SHA-256(0x00 || entry), RFC 6962), under a checkpoint that
 * the policy accepts. The log need not be one of ours. Returns SLK_OK, or the first reason to refuse; then `out` holds nothing else. */
SLK_PUBLIC SLK_MUST_CHECK enum slk_err slk_verify_entry(struct slk_entry_answer *out, struct slk_span proof,
    struct slk_span entry, const struct slk_policy *policy, const struct slk_verify_options *options);

/* ---- QR codes ---- */

/* A QR code's text: "SLK1:", then, in base 45 (RFC 9285), the credential's handle[32] and a proof in binary form. Who scans it learns
 * the handle from it: whether that is the handle of the card before him, he must see from the card. */
#define SLK_QR_PREFIX    "SLK1:"
#define SLK_QR_TEXT_MAX  4296 /* letters that the largest code holds (ISO/IEC 18004, 40-L, alphanumeric) */
#define SLK_QR_BYTES_MAX 2860 /* of handle and proof: two in three letters, behind the prefix */

/* Takes a text apart; verifies nothing. `scratch` receives the bytes, and `proof` points into it: SLK_QR_BYTES_MAX are
 * enough for any code. Returns SLK_OK, SLK_E_MALFORMED (not our text: scan it again), SLK_E_TOO_LARGE. */
SLK_PUBLIC SLK_MUST_CHECK enum slk_err slk_qr_parse(uint8_t handle[SLK_HANDLE_SIZE], struct slk_span *proof, uint8_t *scratch,
    size_t scratch_size, const char *text, size_t size);
/* Prints one, NUL-terminated; its length, or 0 when it does not fit `cap` or a code. */
SLK_PUBLIC size_t slk_qr_format(char *out, size_t cap, const uint8_t handle[SLK_HANDLE_SIZE], struct slk_span proof);

#ifdef __cplusplus
}
#endif
#endif
