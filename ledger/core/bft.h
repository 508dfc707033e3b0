/* bft.h: agreement on the next block: Lockstep Simplex as a pure function. Source: protocol §2.
 *
 * step(core, input, effects): no I/O, no clock, no randomness, no keys; one allocation, at the beginning. The driver
 * does what the effects say, in their order, and answers with inputs. What must be durable before something leaves
 * is not the driver's to get wrong: the core asks for a signature only after it was told that the record is durable.
 * The block itself is opaque: a header, a hash, and a body that the driver builds, fetches, validates and commits.
 *
 *   PERSIST ... PERSISTED -> SIGN ... SIGNED -> SEND          a vote
 *   BUILD ... BUILT            VALIDATE ... VALIDATED         a block
 *   COMMIT ... COMMITTED -> COSIGN                            a decision
 */
#ifndef SLK_CORE_BFT_H
#define SLK_CORE_BFT_H

#include "ledger/core/msg.h"

#define SLK_BFT_VIEWS 256 /* views one height may take; the last one cannot be nullified */
#define SLK_BFT_BLOCKS                                                                                       \
    (2 * SLK_BFT_VIEWS + 2)             /* a proposal and a notarized one per view, a final one, mine */
#define SLK_BFT_NOBODY       UINT16_MAX /* an observer's index */
#define SLK_BFT_ALL          UINT16_MAX /* every member but me */
#define SLK_BFT_ANSWER_VOTES 64         /* protocol R9: votes in answer to one STATUS */
#define SLK_BFT_ANSWER_CERTS 8          /* protocol R9 */
#define SLK_BFT_PEERS        64         /* members and observers: indexes from council.n up are observers */

/* Who votes, as a charter's bytes say. Pure: the same bytes give the same council. */
struct slk_electors {
    void *ctx;
    /* False unless `bytes` are the charter with this hash. NULL: charters are learned from committed blocks alone. */
    bool (*council)(void *ctx, struct slk_span bytes, const struct slk_hash *hash, struct slk_council *out);
};

struct slk_bft_config {
    struct slk_verifier verifier;
    struct slk_electors electors;
    uint64_t delta_ms;     /* assumed bound of one message's delay */
    uint64_t body_ms;      /* T_body: to move the largest body over the slowest line */
    uint64_t batch_ms;     /* T_batch */
    uint64_t gap_ms;       /* T_min between blocks */
    uint64_t heartbeat_ms; /* 0: none */
    uint64_t empty_ms;     /* an empty block is valid this long after the one before */
    uint64_t ahead_ms;     /* a fresh block's clock may be this much ahead of mine */
    uint64_t guard_ms;     /* at start: wait this long for what the others remember of me */
    uint64_t get_ms, get_max_ms;
    uint64_t status_ms, status_max_ms, status_idle_ms, status_gap_ms;
    uint64_t view_max_ms; /* no view timer is longer, until a height is in trouble for hours (bft_rules.c) */
    uint64_t silent_ms;   /* a leader that was not heard for so long gets half the time (protocol §2.7) */
    uint32_t chunk_bytes; /* of a body in one answer: the same at all nodes, at most SLK_CHUNK_BYTES */
};
/* The values of protocol §2.8 for a given Δ. */
void slk_bft_config_default(struct slk_bft_config *out, uint64_t delta_ms);

/* What the last committed block left behind: who decides the next one. */
struct slk_bft_tip {
    uint64_t height;
    uint64_t time_ms;
    struct slk_hash hash;
    struct slk_council council; /* of height + 1 */
    uint16_t me;                /* my index in it, or SLK_BFT_NOBODY */
};

/* What the store keeps for the height being decided, and gives back at start. */
enum slk_bft_record_kind { SLK_RECORD_VOTE = 1, SLK_RECORD_CERT, SLK_RECORD_BLOCK, SLK_RECORD_MUTED };
struct slk_bft_record {
    enum slk_bft_record_kind kind;
    struct slk_statement vote;   /* VOTE: mine */
    const struct slk_cert *cert; /* CERT */
    struct slk_hash hash;        /* BLOCK: with the body the driver has under this hash. MUTED: the vote key that must be
                                    silent; zero: this node, whatever its key */
    const uint8_t *header;       /* BLOCK: SLK_BLOCK_HEADER_SIZE bytes */
};

enum slk_bft_input_kind {
    SLK_IN_MSG = 1,
    SLK_IN_TICK,
    SLK_IN_PERSISTED, /* `seq` and all before it are durable */
    SLK_IN_SIGNED,    /* `vote` as asked for by SIGN */
    SLK_IN_VALIDATED,
    SLK_IN_BUILT,
    SLK_IN_COMMITTED, /* the COMMIT is durable: `tip` */
    SLK_IN_POOL       /* the pool changed */
};
enum slk_bft_verdict { SLK_BLOCK_VALID = 1, SLK_BLOCK_INVALID, SLK_BLOCK_MISSING };

struct slk_bft_input {
    enum slk_bft_input_kind kind;
    uint64_t now_ms;  /* monotonic */
    uint64_t wall_ms; /* the clock on the wall */
    uint32_t random;  /* spreads STATUS messages, nothing else */
    uint16_t peer;    /* MSG: who sent it; indexes from council.n up are observers */
    const struct slk_msg *msg;
    uint64_t seq;
    const struct slk_vote *vote;
    struct slk_hash hash; /* VALIDATED */
    enum slk_bft_verdict
        verdict;     /* VALIDATED; MISSING: the body is not here, or not this header's; MISSING may be
                                     said as soon as BODY is complete and false, without being asked */
    uint64_t height; /* BUILT: as BUILD said */
    uint32_t view;
    const uint8_t *header; /* BUILT: NULL when nothing could be built */
    const struct slk_bft_tip *tip;
    uint64_t pool_count, pool_xor; /* POOL: eligible submissions, their fingerprint */
    bool pool_urgent;              /* a lock waits */
};

enum slk_bft_alarm {
    SLK_ALARM_AMNESIA = 1,
    SLK_ALARM_DIVERGED,
    SLK_ALARM_FORK,
    SLK_ALARM_CLOCK,
    SLK_ALARM_VIEWS
};
enum slk_bft_effect_kind {
    SLK_OUT_PERSIST = 1, /* records[first .. first + n) in one transaction; then PERSISTED(seq) */
    SLK_OUT_SIGN,        /* `statement` with the vote key; then SIGNED */
    SLK_OUT_SEND, /* `msg` to `peer`; with_body: the driver adds the body of msg->hash, if it has at most
                            SLK_INLINE_BODY_MAX bytes */
    SLK_OUT_SERVE, /* answer `get` of `peer` from the store, or not at all. COMMIT, HEADERS, EPOCHS: the message of
                            that name, as far as the chain goes; BODY: DATA with the body's bytes from `offset`, at most `size` */
    SLK_OUT_BODY, /* `body` of the block `hash` with `header`, or the part of it at `offset` of `size` bytes: keep
                            it in memory until its height is committed. Parts come in order; offset 0 begins anew, but never replaces a
                            body that was found to be its header's */
    SLK_OUT_VALIDATE, /* `hash`, `header`; then VALIDATED */
    SLK_OUT_BUILD,    /* height, view; empty: a block without events is allowed; then BUILT */
    SLK_OUT_COMMIT,   /* `hash`, `header`, `cert`; drops the height's records; then COMMITTED */
    SLK_OUT_COSIGN,   /* height `seq` is durable: its checkpoint may be cosigned */
    SLK_OUT_EVIDENCE, /* msg->vote and msg->other contradict each other */
    SLK_OUT_PULL,     /* `peer` seems to know of work that this node does not */
    SLK_OUT_CHARGE,   /* `peer` sent something that no honest member sends: `drop` */
    SLK_OUT_ALARM     /* FORK: `cert`, the other finality certificate */
};

/* Why a message, or a part of one, was not taken: each is counted (protocol §3.7). */
enum slk_bft_drop {
    SLK_DROP_NONE,
    SLK_DROP_OLD,    /* of a height or view that is over */
    SLK_DROP_EARLY,  /* of a height or view too far ahead to be kept */
    SLK_DROP_NO_SAY, /* what only members may say, from somebody else, or signed by nobody in this charter */
    SLK_DROP_NOT_LEADER, /* a proposal by somebody else than the view's leader */
    SLK_DROP_AGAIN, /* a second proposal of a view after its evidence, the second accusation of a member */
    SLK_DROP_SIGNATURE,   /* a vote or a proposal whose signature is false */
    SLK_DROP_CERTIFICATE, /* a certificate that does not hold */
    SLK_DROP_EVIDENCE,    /* an accusation that does not hold */
    SLK_DROP_HEADER, /* a header that its certificate, its place in the chain or its charter does not bear out */
    SLK_DROP_CHARTER, /* bytes that are not the charter which the header names */
    SLK_DROP_UNREADABLE, /* the charter which the header names, but this program cannot read it: install a newer one */
    SLK_DROP_UNASKED, /* bulk from a peer that was never asked for any */
    SLK_DROP_LATE,    /* an answer to a question that is closed */
    SLK_DROP_CHUNK,   /* a part of a body with another size than its header says */
    SLK_DROP_BODY,    /* a body that is not its header's */
    SLK_DROP_SILENT,  /* no answer in time */
    SLK_DROP_N
};
/* Protocol §3.7: what it costs the sender. Nothing of it touches votes, counting or leadership. */
enum slk_bft_charge {
    SLK_CHARGE_NOTHING,
    SLK_CHARGE_USELESS, /* class C: others are asked first, until it gives a good answer; the core does that */
    SLK_CHARGE_FALSE    /* class A: CHARGE, upon which the edge closes the connection */
};
const char *slk_bft_drop_name(enum slk_bft_drop drop);
enum slk_bft_charge slk_bft_drop_charge(enum slk_bft_drop drop);
struct slk_bft_effect {
    enum slk_bft_effect_kind kind;
    uint64_t seq;
    size_t first, n;
    struct slk_statement statement;
    uint16_t peer;
    const struct slk_msg *msg;
    bool with_body;
    bool empty;
    struct slk_hash hash;
    const uint8_t *header;
    const struct slk_cert *cert;
    struct slk_span body;
    uint64_t offset, size;  /* BODY, SERVE */
    enum slk_bft_drop drop; /* CHARGE */
    struct slk_get get;
    uint64_t height;
    uint32_t view;
    enum slk_bft_alarm alarm;
};

#define SLK_BFT_EFFECTS (4 * SLK_BFT_VIEWS + 512) /* every vote of mine signed anew, and the rest */
#define SLK_BFT_RECORDS (9 * SLK_BFT_VIEWS)       /* every vote, certificate and block of a height */
#define SLK_BFT_MSGS    192
/* Holds until the next step of the same core. Large: allocate it. */
struct slk_bft_effects {
    size_t n, records_n, msgs_n;
    uint64_t wake_ms; /* a TICK is due then, at the latest */
    struct slk_bft_effect at[SLK_BFT_EFFECTS];
    struct slk_bft_record records[SLK_BFT_RECORDS];
    struct slk_msg msgs[SLK_BFT_MSGS];
};

struct slk_bft;
/* NULL when out of memory. About 5 MiB, of which a small council touches little. */
struct slk_bft *slk_bft_new(const struct slk_bft_config *config);
void slk_bft_free(struct slk_bft *core);
/* As new, at the cost of what was used of it: for tests, which start a core thousands of times a second. */
void slk_bft_reset(struct slk_bft *core, const struct slk_bft_config *config);
/* Once, before the first step: the committed tip and the records the store holds for the height after it. `at` gives
 * the time as in a step. */
void slk_bft_start(struct slk_bft *core, const struct slk_bft_tip *tip, const struct slk_bft_record *records,
    size_t records_n, const struct slk_bft_input *at, struct slk_bft_effects *out);
void slk_bft_step(struct slk_bft *core, const struct slk_bft_input *in, struct slk_bft_effects *out);

/* What an operator and the tests may see. */
struct slk_bft_view_of {
    uint64_t height;
    uint32_t view;
    uint16_t me;
    bool muted, armed, deciding;
    uint32_t backoff;
    uint64_t
        dropped; /* messages that were not for us, too early, too late or false: the sum of these, but SILENT */
    const uint64_t *dropped_by; /* [SLK_DROP_N]: borrowed, and goes on counting */
    uint64_t certain;           /* the highest height whose finality certificate was checked here */
    uint64_t claimed; /* the highest height that anybody says to have committed: a hint, perhaps a lie */
    size_t ahead_n;   /* finalised blocks in the window above the committed ones */
};
void slk_bft_look(const struct slk_bft *core, struct slk_bft_view_of *out);
/* Is this the block of the open height, or of the window above it, whose finality certificate was checked here? Then nothing is signed
 * at its height any more. */
bool slk_bft_is_final(const struct slk_bft *core, const struct slk_hash *hash);
/* Does the core have this vote of its own on record, durable or being written? For tests. */
bool slk_bft_recorded(
    const struct slk_bft *core, enum slk_vote_kind kind, uint32_t view, struct slk_hash *hash);
/* Did the core take over this record, which the store gave to it at the start? For tests. */
bool slk_bft_loaded(const struct slk_bft *core, const struct slk_bft_record *record);

#endif
