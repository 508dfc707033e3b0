/* msg.h: what members sign to agree on a block, and the messages that carry it. Source: protocol §2.1 to §2.3.
 *
 * A signature covers 132 fixed bytes (a statement), never protobuf. Messages are canonical protobuf, read strictly
 * into the structs below; nothing a message says counts before slk_vote_check or slk_cert_check said yes.
 */
#ifndef SLK_CORE_MSG_H
#define SLK_CORE_MSG_H

#include "ledger/core/block.h"
#include "ledger/verify/bytes.h"

#define SLK_TAG_VOTE     "sillok/vote/1\0\0" /* + the literal's own zero = 16 */
#define SLK_VOTE_BYTES   132                 /* protocol §2.2 */
#define SLK_VIEW_MAX     0x7fffffffu         /* far above any view that can be reached */
#define SLK_JUST_MAX     32                  /* protocol §2.3: certificates inline */
#define SLK_TALLIES_MAX  6                   /* protocol §2.3: STATUS */
#define SLK_STATUS_VIEWS 64 /* protocol §2.3: n_bits and k_bits speak of views view-1 .. view-64 */
#define SLK_BITMAP_MAX   ((SLK_CHARTER_VOTING_MAX + 7) / 8)
#define SLK_INLINE_BODY_MAX                                                                                  \
    (128u * 1024)                    /* beside 32 certificates of 50 members; larger ones are asked for */
#define SLK_CHUNK_BYTES (64u * 1024) /* protocol, head: chunks of 64 KiB; §3.4: at most that per answer */
#define SLK_BODY_MAX    (8u << 20)   /* twice the largest block: no header that says more is believed */
#define SLK_BODY_SLACK                                                                                       \
    (64u * 1024) /* on its way a body may be so much larger than its header says of its entries */
#define SLK_RANGE_MAX  SLK_JUST_MAX /* headers in one answer, each with its finality certificate */
#define SLK_EPOCHS_MAX 3            /* charters in one answer: the largest still fit 240 KiB */

/* Bytes of a whole message, protocol §3.3: what the core prints and reads, and what the wire between nodes takes (net/frame.c). */
#define SLK_PROPOSAL_BYTES_MAX (240u * 1024) /* and EPOCHS */
#define SLK_MSG_VOTE_MAX       256u
#define SLK_MSG_CERT_MAX       (110u * 1024) /* 32 certificates of 50 signatures */
#define SLK_MSG_STATUS_MAX     640u          /* six tallies of 50 members and two hashes */
#define SLK_MSG_COMMIT_MAX     (4096u + 66 * SLK_CHARTER_VOTING_MAX)
#define SLK_MSG_GET_MAX        256u
#define SLK_MSG_DATA_MAX       (SLK_CHUNK_BYTES + 1024)
#define SLK_MSG_EVIDENCE_MAX   512u
#define SLK_MSG_HEADERS_MAX    (116u * 1024) /* 32 headers, each with a certificate of 50 signatures */

enum slk_vote_kind {
    SLK_VOTE_PROPOSE = 1,
    SLK_VOTE_NOTARIZE,
    SLK_VOTE_NULLIFY,
    SLK_VOTE_FINALIZE,
    SLK_VOTE_KIND_N
};

/* Who may vote at a height: the voting members of its charter, in the charter's order. */
struct slk_council {
    struct slk_hash chain_id;
    struct slk_hash charter_hash;
    size_t n; /* 1..SLK_CHARTER_VOTING_MAX */
    uint8_t keys[SLK_CHARTER_VOTING_MAX][SLK_KEY_SIZE];
};
/* Of the heights that this charter governs. SLK_E_CHARTER when nobody votes. */
SLK_MUST_CHECK enum slk_err slk_council_of(
    struct slk_council *out, const struct slk_charter *charter, const struct slk_hash *chain_id);
/* f = floor((n - 1) / 3), q = n - f (protocol §2.1). */
size_t slk_council_faults(const struct slk_council *council);
size_t slk_council_quorum(const struct slk_council *council);
/* (height + view - 1) mod n (protocol §2.7); view from 1. */
uint16_t slk_council_leader(const struct slk_council *council, uint64_t height, uint32_t view);

struct slk_statement {
    enum slk_vote_kind kind;
    uint64_t height;
    uint32_t view;
    uint32_t aux;         /* PROPOSE: the carried view, 0 when fresh; else 0 */
    struct slk_hash hash; /* of the block; zero iff NULLIFY */
};
void slk_statement_bytes(
    uint8_t out[SLK_VOTE_BYTES], const struct slk_council *council, const struct slk_statement *statement);

/* E1 to E4 of protocol §2.12: no honest member signs both. */
bool slk_statements_contradict(const struct slk_statement *a, const struct slk_statement *b);

/* How signatures are checked: slk_fastsig_verify behind it in a node, a registry in the simulator. */
struct slk_verifier {
    void *ctx;
    bool (*verify)(void *ctx, const uint8_t sig[SLK_SIGNATURE_SIZE], const uint8_t *message, size_t size,
        const uint8_t key[SLK_KEY_SIZE]);
};
extern const struct slk_verifier slk_verifier_ed25519; /* the strict rule of ledger/verify/sig.h */

struct slk_vote {
    struct slk_statement statement;
    uint16_t signer; /* index among the voting members */
    uint8_t sig[SLK_SIGNATURE_SIZE];
};

/* Quorum of equal statements. Only the first popcount(signers) places of `sigs` are set, in index order. */
struct slk_cert {
    enum slk_vote_kind kind; /* NOTARIZE, NULLIFY or FINALIZE */
    uint64_t height;
    uint32_t view;
    uint8_t bitmap_bytes; /* as it came: must be ceil(n / 8) */
    struct slk_hash hash;
    uint64_t signers; /* bit i: member i */
    uint8_t sigs[SLK_CHARTER_VOTING_MAX][SLK_SIGNATURE_SIZE];
};
unsigned slk_bits_n(uint64_t bits);
void slk_cert_copy(struct slk_cert *out, const struct slk_cert *cert);

/* Form, signer below n, and the signature; votes and certificates pass through the same check of one signature. */
SLK_MUST_CHECK bool slk_vote_check(
    const struct slk_vote *vote, const struct slk_council *council, const struct slk_verifier *verifier);
/* Exactly n bits, none stray, at least q of them, every signature good, hash zero iff NULLIFY. */
SLK_MUST_CHECK bool slk_cert_check(
    const struct slk_cert *cert, const struct slk_council *council, const struct slk_verifier *verifier);

/* ---- messages ---- */

enum slk_msg_kind {
    SLK_MSG_PROPOSAL = 1,
    SLK_MSG_VOTE,
    SLK_MSG_CERT,
    SLK_MSG_STATUS,
    SLK_MSG_COMMIT,
    SLK_MSG_GET,
    SLK_MSG_DATA,
    SLK_MSG_EVIDENCE,
    SLK_MSG_HEADERS,
    SLK_MSG_EPOCHS,
    SLK_MSG_KIND_N
};

struct slk_tally {
    enum slk_vote_kind kind;
    uint32_t view;
    struct slk_hash hash;
    uint64_t signers;
};

/* Unsigned: who sent it is known from its connection, and nothing in it is believed about anybody else. */
struct slk_status {
    struct slk_hash charter_hash;
    uint64_t height; /* being decided */
    struct slk_hash tip_hash;
    uint32_t view;
    uint64_t n_bits, k_bits; /* bit i: a certificate of view - 1 - i is held */
    size_t tallies_n;
    struct slk_tally tallies[SLK_TALLIES_MAX];
    uint64_t your_height; /* the highest vote of the receiver that the sender holds; kind 0: none */
    uint32_t your_view;
    uint32_t your_kind;
    uint64_t pool_count, pool_xor;
    uint64_t seq;
    bool has_proposal; /* of `view` */
};

enum slk_get_what {
    SLK_GET_BODY = 1,
    SLK_GET_JUST,
    SLK_GET_COMMIT,
    SLK_GET_VOTE,
    SLK_GET_HEADERS, /* of `height` and those after it: HEADERS */
    SLK_GET_EPOCHS,  /* the changes of charter from `height` on: EPOCHS */
    SLK_GET_N
};
struct slk_get {
    enum slk_get_what what;
    uint64_t height;
    uint32_t view;        /* JUST, VOTE */
    uint32_t kind;        /* VOTE: of the receiver of the answer */
    struct slk_hash hash; /* BODY: of the block */
    uint32_t count;       /* HEADERS: at most so many, 1..SLK_RANGE_MAX */
    uint32_t chunk;       /* BODY: which 64 KiB of it, from 0 */
};

/* One message; which members count follows from `kind`. Spans and certificates are borrowed: from the bytes and the
 * pool it was parsed into, or from the core until its next step. */
struct slk_msg {
    enum slk_msg_kind kind;
    struct slk_vote vote;  /* VOTE; PROPOSAL: its PROPOSE statement; EVIDENCE: the first */
    struct slk_vote other; /* EVIDENCE: the second */
    struct slk_span
        header; /* PROPOSAL, COMMIT, DATA: SLK_BLOCK_HEADER_SIZE bytes; HEADERS: certs_n times that */
    struct slk_hash hash; /* of that header; HEADERS, EPOCHS: not set */
    struct slk_span
        body; /* PROPOSAL (fresh): what the ledger makes the block of, or nothing; DATA: one chunk of it */
    uint32_t chunk;     /* DATA */
    uint32_t body_size; /* DATA: of the whole body */
    uint64_t height;    /* CERT */
    size_t
        certs_n; /* PROPOSAL: its justification; CERT; COMMIT: one, the finality certificate; HEADERS, EPOCHS: one each */
    const struct slk_cert *certs[SLK_JUST_MAX];
    struct slk_epoch {           /* EPOCHS: certs_n changes of charter, in order */
        struct slk_span header;  /* of the last block under the old charter: it names the new one's hash */
        struct slk_span charter; /* the new charter's bytes */
    } epochs[SLK_EPOCHS_MAX];
    struct slk_status status;
    struct slk_get get;
};

struct slk_cert_pool {
    struct slk_cert at[SLK_JUST_MAX];
};

/* Reads canonical bytes of the given kind. SLK_OK; SLK_E_TOO_LARGE above the kind's cap; SLK_E_MALFORMED anything
 * else. What parses, format prints again. On refusal *out must not be used. */
SLK_MUST_CHECK enum slk_err slk_msg_parse(
    struct slk_msg *out, struct slk_cert_pool *pool, enum slk_msg_kind kind, struct slk_span bytes);
/* The canonical bytes; length, or 0 when they do not fit or exceed the kind's cap. */
size_t slk_msg_format(uint8_t *out, size_t cap, const struct slk_msg *msg);

/* A certificate alone, as the store keeps it: the message's bytes (protocol §2.3: Cert). */
#define SLK_CERT_BYTES_MAX (64 + SLK_BITMAP_MAX + SLK_CHARTER_VOTING_MAX * SLK_SIGNATURE_SIZE)
SLK_MUST_CHECK enum slk_err slk_cert_parse(struct slk_cert *out, struct slk_span bytes);
size_t slk_cert_format(uint8_t *out, size_t cap, const struct slk_cert *cert);

#endif
