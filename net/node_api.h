/* node_api.h: what a running node offers to those who serve clients (HTTP): submitting, proofs, reading, news.
 *
 * One thread, the node's loop thread, calls everything here. Nothing here blocks for the network, nothing calls back from inside:
 * answers and news come out of slk_node_run (node.h), which the loop calls once per turn. The order that matters is the
 * node's: an answer that says RECEIVED comes after the submission is durable here, one that says FINAL after its block is.
 *
 * Reading needs no function of its own: slk_node_ledger is the open ledger, with slk_ledger_prove, slk_ledger_crowd,
 * slk_ledger_history, slk_ledger_charter and, through slk_ledger_store, views of blocks, tiles and charter changes.
 */
#ifndef SLK_NET_NODE_API_H
#define SLK_NET_NODE_API_H

#include "ledger/core/receipt.h"
#include "ledger/embed/ledger.h"

struct slk_node;

/* ---- submitting ---- */

/* How far a submission must have come before its client hears of it. */
enum slk_node_stage {
    SLK_STAGE_RECEIVED = 1, /* durable in this node's pool; one receipt */
    SLK_STAGE_SAFE,         /* receipts of f + 1 voting members */
    SLK_STAGE_FINAL,        /* in a block that is committed here */
    SLK_STAGE_COSIGNED /* a quorum of members has cosigned a checkpoint that covers the block: a proof can be had */
};

enum slk_node_outcome {
    SLK_NODE_ACCEPTED = 1, /* `stage` is reached */
    SLK_NODE_DUPLICATE,    /* the same batch is in a block already: `height`, `first_index`; stage FINAL */
    SLK_NODE_REFUSED, /* a rule is broken: `verdict`; a stale SEQUENCE or PREVIOUS has the credential's head */
    SLK_NODE_MALFORMED, /* the bytes are no Submission: `err` */
    SLK_NODE_OVERTAKEN, /* it was received, and then a block made it impossible: `verdict.rule` */
    SLK_NODE_FULL,      /* its agency's share of the pool is used up: again after the next block */
    SLK_NODE_BUSY,      /* this node has too much on its hands: again in `retry_ms` */
    SLK_NODE_OBSERVER,  /* this node has no vote: its word would be no promise; submit to a member */
    SLK_NODE_BEHIND,  /* this node is catching up and cannot judge: again in `retry_ms`, or at another node */
    SLK_NODE_STOPPING /* the node is being stopped: whether it will be final is not known */
};

struct slk_node_answer {
    enum slk_node_outcome outcome;
    enum slk_node_stage stage; /* ACCEPTED, DUPLICATE: reached; at least the one that was asked for */
    enum slk_err err;          /* MALFORMED */
    struct slk_hash id;        /* all but MALFORMED, BUSY, BEHIND */
    size_t events_n;
    struct slk_verdict verdict; /* REFUSED, OVERTAKEN; verdict.events[events_n] is NULL when OVERTAKEN */
    const struct slk_receipt *receipts; /* this node's own first; none when this node has no vote */
    size_t receipts_n;
    uint64_t height, first_index; /* FINAL and COSIGNED */
    uint32_t retry_ms;
};
/* What the answer points to holds during the call. May call anything here. */
typedef void slk_node_answer_fn(void *ctx, const struct slk_node_answer *answer);

/* Copies the bytes. `answer` is called exactly once, later, out of slk_node_run, unless slk_node_forget comes before.
 * Returns a ticket; 0: there are 16,384 who wait already, and `answer` will not be called. There is no time limit here: who
 * waits for SAFE or FINAL brings his own, and forgets. */
uint64_t slk_node_submit(struct slk_node *node, struct slk_span submission, enum slk_node_stage stage,
    slk_node_answer_fn *answer, void *ctx);
/* The client has gone, or has waited long enough: `answer` will not be called. The submission goes its way all the same. */
void slk_node_forget(struct slk_node *node, uint64_t ticket);

/* Where is a submission? Answered from memory: the pool, and most of the newest 65,536 that became final since this node started. */
enum slk_node_where { SLK_NODE_UNKNOWN = 1, SLK_NODE_WAITING, SLK_NODE_FINAL };
enum slk_node_where slk_node_find(
    struct slk_node *node, const struct slk_hash *id, uint64_t *height, uint64_t *first_index);

/* ---- charter changes ---- */

/* Offers the entry of a charter change (ledger/core/change.h) to all members, who put it into a block. It is judged against the
 * committed state first: anything but SLK_CHANGE_OK, and the fault says why. It is forgotten when the process ends. */
enum slk_change_rule slk_node_change(struct slk_node *node, struct slk_span entry, struct slk_fault *fault);

/* ---- reading ---- */

/* The ledger at the last committed block, for reading alone. Borrowed until the next slk_node_run: ask again each time. */
struct slk_ledger *slk_node_ledger(struct slk_node *node);
/* The store beneath it: committed blocks, tiles, charter changes; asked for alone it disturbs no block that is being decided. */
struct slk_store *slk_node_store(struct slk_node *node);
/* As slk_ledger_prove, but never with fewer cosignatures than the charter's quorum: SLK_E_UNSIGNED while they are not here (some ten
 * milliseconds after each block): wait for SLK_NEWS_COSIGNED and ask again. *out is malloc'ed. */
SLK_MUST_CHECK enum slk_err slk_node_prove(struct slk_node *node, const uint8_t handle[SLK_HANDLE_SIZE],
    bool with_history, enum slk_encoding encoding, uint8_t **out, size_t *out_size, struct slk_fault *fault);
/* As slk_ledger_prove_begin, and on the same terms. */
SLK_MUST_CHECK enum slk_err slk_node_prove_begin(struct slk_node *node, const uint8_t handle[SLK_HANDLE_SIZE],
    bool with_history, enum slk_encoding encoding, struct slk_proving **out, struct slk_fault *fault);
/* The checkpoint to serve, as a C2SP note: the newest that a quorum has cosigned, which may be one of a few blocks ago; where outside witnesses
 * are asked, one that is older by at most slk_node_hold's time. Borrowed until the next slk_node_run. Empty before the first. */
struct slk_span slk_node_checkpoint(struct slk_node *node);

/* This node has made the status lists at a block: the text that a quorum is to sign (ledger/verify/list_note.h), and its log size. It is
 * signed by this node's cosign key, if it has one, and sent to the others, whose signatures are gathered. A size that is
 * not above the last one's changes nothing. */
void slk_node_state_lists(struct slk_node *node, struct slk_span text, uint64_t size);
/* The newest such text that a quorum signed, as a note; *size: its log size, of lists that were stated here. Borrowed until the next
 * slk_node_run or slk_node_state_lists. Empty before the first. */
struct slk_span slk_node_lists_note(struct slk_node *node, uint64_t *size);

/* ---- outside witnesses (witness.h) ---- */

#define SLK_NODE_OUTSIDE_MAX 8
/* A served checkpoint may wait so long for the cosignatures of `needed` outside witnesses; 0 needed, as at the start: none is waited for. */
void slk_node_hold(struct slk_node *node, size_t needed, uint64_t hold_ms);
/* The size and root of the tip, if a quorum has cosigned it. */
bool slk_node_newest_quorum(const struct slk_node *node, struct slk_tree_head *head);
/* Its checkpoint with the log signatures of all members that have sent theirs, for witnesses to cosign; the node keeps it to be served with what
 * they answer. Returns its size; 0: no quorum for the tip yet, or it does not fit. */
size_t slk_node_witness_target(struct slk_node *node, struct slk_tree_head *head, uint8_t *out, size_t cap);
/* The consistency path between two sizes of the committed log, 1 <= old_size <= size. False: there is none, or it does not fit. */
bool slk_node_consistency(struct slk_node *node, uint64_t old_size, uint64_t size, struct slk_hash *path, size_t cap,
    size_t *path_n);
/* The good cosignature, by witness number `place` < SLK_NODE_OUTSIDE_MAX under this name, of a tree that was a target. */
void slk_node_witnessed(struct slk_node *node, size_t place, const struct slk_tree_head *head, const char *name,
    const uint8_t blob[SLK_NOTE_BLOB_MAX]);

struct slk_node_status {
    uint64_t height, time_ms, log_size, events_n; /* of the tip */
    struct slk_hash block_hash, log_root;
    uint32_t view; /* of the height being decided */
    uint32_t members_n, quorum, peers_n;
    uint16_t agency;      /* this node's; has_vote: its vote key is in the charter in force */
    bool has_vote, muted; /* muted: signs nothing any more, see `alarm` */
    bool is_behind;       /* it knows of final blocks that it has not committed yet */
    uint64_t claimed;     /* the highest height that anybody says to have: a hint */
    uint64_t pool_count;
    uint64_t waiting_n;       /* answers that are owed to clients */
    uint64_t cosigned_height; /* of slk_node_checkpoint; 0: none yet */
    uint64_t
        cosigned_time_ms; /* when a quorum had cosigned it, by this node's clock; health is the age of this */
    char alarm
        [16]; /* AMNESIA, DIVERGED, FORK, CLOCK, VIEWS, KEYS, STATUS_LIST: the last one raised; empty: none */
    uint64_t lists_size,
        lists_cosigned_size; /* log sizes of the newest status lists stated here, and of a quorum's */
    uint64_t lists_differ_n; /* members' signed texts about lists that differ from ours */
    bool signer_away;        /* the token with this node's keys does not sign: why */
    char signer_why[240];
    uint64_t signer_waiting_n, signatures_n, signatures_failed_n; /* asked of tokens */
    /* counted since the start */
    uint64_t blocks_n, submissions_n, refused_n, messages_n, malformed_n, evidence_n, charged_n, proofs_n;
    uint64_t false_receipts_n; /* of peers, and looked at */
};
void slk_node_status(const struct slk_node *node, struct slk_node_status *out);

/* ---- news ---- */

enum slk_node_news { SLK_NEWS_COMMITTED = 1, SLK_NEWS_COSIGNED, SLK_NEWS_CHARTER, SLK_NEWS_ALARM };
typedef void slk_node_news_fn(void *ctx, enum slk_node_news news, uint64_t height);
/* At most SLK_NODE_WATCHERS at a time; false: there are so many already. */
#define SLK_NODE_WATCHERS 8
bool slk_node_watch(struct slk_node *node, slk_node_news_fn *fn, void *ctx);
void slk_node_unwatch(struct slk_node *node, slk_node_news_fn *fn, void *ctx);

#endif
