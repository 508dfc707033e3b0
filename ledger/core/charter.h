/* charter.h: who the agencies and issuers are and what they may do. Source: design §3, proto/ledger.proto. */
#ifndef SLK_CORE_CHARTER_H
#define SLK_CORE_CHARTER_H

#include "ledger/verify/entry.h"
#include "ledger/verify/note.h"

#define SLK_CHARTER_BYTES_MAX    60000 /* fits one log entry */
#define SLK_CHARTER_MEMBERS_MAX  64    /* voting members and observers; protocol §3.5: at most 50 vote */
#define SLK_CHARTER_VOTING_MAX   50
#define SLK_CHARTER_ISSUERS_MAX  512
#define SLK_CHARTER_TYPES_MAX    64
#define SLK_CHARTER_REASONS_MAX  64
#define SLK_CHARTER_NAME_MAX     64
#define SLK_CHARTER_ORIGIN_MAX   128   /* stands in every checkpoint; C2SP would allow 255 */
#define SLK_CHARTER_ADDRESS_MAX  128
#define SLK_CHARTER_ADDRESSES_MAX 4
#define SLK_STATUS_LIST_MAX      (1u << 28) /* places in one status list: 32 MiB of bits */
#ifndef SLK_RULES_NEWEST
#define SLK_RULES_NEWEST 0 /* the newest version of the rules this program knows (rules.h) */
#endif
#define SLK_KINDS_ALL            ((1u << SLK_KIND_N) - (1u << SLK_ISSUE)) /* a right to every kind of event */

enum slk_role { SLK_VOTING = 1, SLK_OBSERVER = 2 };

struct slk_member {
    uint16_t agency;
    enum slk_role role;
    char name[SLK_CHARTER_NAME_MAX + 1]; /* a C2SP key name: also the name of its cosigning key */
    uint8_t vote_key[SLK_KEY_SIZE];
    uint8_t cosign_key[SLK_KEY_SIZE];
    uint8_t log_key[SLK_KEY_SIZE];
    uint8_t node_key[SLK_KEY_SIZE];
    size_t addresses_n;
    char addresses[SLK_CHARTER_ADDRESSES_MAX][SLK_CHARTER_ADDRESS_MAX + 1];
};

struct slk_issuer {
    uint8_t public_key[SLK_KEY_SIZE];
    uint8_t key_id[SLK_KEY_ID_SIZE]; /* computed */
    uint16_t agency;
    uint32_t kinds; /* bit (1 << enum slk_kind) */
    bool any_agency;
    uint64_t not_before_s;
    uint64_t not_after_s;
    size_t types_n;
    uint32_t types[SLK_CHARTER_TYPES_MAX]; /* ascending */
    char name[SLK_CHARTER_NAME_MAX + 1];
};

struct slk_credential_type {
    uint32_t code;
    char name[SLK_CHARTER_NAME_MAX + 1];
    uint64_t max_validity_s;
    uint32_t status_list_size;
};

struct slk_reason {
    uint32_t code;
    char name[SLK_CHARTER_NAME_MAX + 1];
};

struct slk_charter {
    char origin[SLK_NAME_MAX + 1];
    uint64_t version;
    bool has_previous;
    struct slk_hash previous;
    uint64_t created_at_ms;
    size_t members_n, issuers_n, types_n, reasons_n;
    struct slk_member members[SLK_CHARTER_MEMBERS_MAX];         /* ascending agency */
    struct slk_issuer issuers[SLK_CHARTER_ISSUERS_MAX];         /* ascending public key */
    struct slk_credential_type types[SLK_CHARTER_TYPES_MAX];    /* ascending code */
    struct slk_reason reasons[SLK_CHARTER_REASONS_MAX];         /* ascending code */
    uint32_t block_events, block_bytes, submission_events;      /* limits */
    uint32_t delta_ms, heartbeat_s, fresh_s;                    /* timers */
    uint32_t rules;                                             /* version of the rules it begins: rules.h */
    uint16_t by_key_id[SLK_CHARTER_ISSUERS_MAX];                /* computed: issuers in order of key_id */
    struct slk_hash hash;                                       /* computed: SHA-256("sillok/charter/1" || bytes) */
};
/* A struct slk_charter is about 300 KiB: allocate it, never put it on the stack. */

/* Reads canonical Charter bytes; form only (lengths, ranges, order). What parses, format prints again.
 * Returns SLK_OK; SLK_E_MALFORMED; SLK_E_NOT_CANONICAL (a list out of order or with a duplicate);
 * SLK_E_TOO_LARGE (above SLK_CHARTER_BYTES_MAX). On refusal *out is zeroed. */
SLK_MUST_CHECK enum slk_err slk_charter_parse(struct slk_charter *out, struct slk_span bytes);
/* For whoever fills the struct by hand: puts the lists in canonical order, computes key_id and by_key_id. Duplicates
 * stay, for slk_charter_validate to name. `hash` is computed by slk_charter_parse alone. */
void slk_charter_sort(struct slk_charter *charter);
/* The canonical bytes; length, or 0 when they do not fit, or parse would refuse them (order, a missing field). */
size_t slk_charter_format(uint8_t *out, size_t cap, const struct slk_charter *charter);
/* Sense: at least one voting member; every key sound, none used twice anywhere in the charter; agencies,
 * names, codes unique; issuers of member agencies; windows not empty; kinds, types, limits and timers in
 * range; names valid. The charter comes from slk_charter_parse or has been through slk_charter_sort.
 * SLK_OK or SLK_E_CHARTER, fault (may be NULL) saying which member, issuer, field and what to do. */
SLK_MUST_CHECK enum slk_err slk_charter_validate(const struct slk_charter *charter, struct slk_fault *fault);
/* The rules above, and what only a first charter must satisfy: version 1, no previous. */
SLK_MUST_CHECK enum slk_err slk_charter_validate_genesis(const struct slk_charter *charter, struct slk_fault *fault);

/* SHA-256("sillok/genesis/1" || genesis charter bytes) (protocol §2.2). */
void slk_charter_chain_id(struct slk_hash *out, struct slk_span genesis_bytes);
void slk_charter_hash(struct slk_hash *out, struct slk_span bytes);

/* NULL when there is none. A binary search: asked once per submission. */
const struct slk_issuer *slk_charter_issuer(const struct slk_charter *charter, const uint8_t key_id[SLK_KEY_ID_SIZE]);
const struct slk_credential_type *slk_charter_type(const struct slk_charter *charter, uint32_t code);
const struct slk_reason *slk_charter_reason(const struct slk_charter *charter, uint32_t code);
const struct slk_member *slk_charter_member(const struct slk_charter *charter, uint16_t agency);
size_t slk_charter_voting_n(const struct slk_charter *charter);
/* q = n - floor((n - 1) / 3) (protocol §2.1); 0 voting members have no quorum: SLK_CHARTER_NO_QUORUM. */
size_t slk_charter_quorum(const struct slk_charter *charter);
#define SLK_CHARTER_NO_QUORUM SIZE_MAX

/* The C2SP tlog-policy that follows from the charter: every member's log key and cosigning key, a group of
 * the voting members with threshold q, `quorum` naming it. Length (NUL-terminated), or 0 when it does not fit. */
size_t slk_charter_policy(char *out, size_t cap, const struct slk_charter *charter);

#endif
