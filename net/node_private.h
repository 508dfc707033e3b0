/* node_private.h: the inside of a node.
 *
 *   node.c          opening, the core's effects and their answers, run
 *   node_block.c    blocks: bodies, executing, building, committing
 *   node_serve.c    answers to questions of peers, from the store
 *   node_pool.c     submissions: coming in, judged, stored, promised
 *   node_gossip.c   submissions from node to node
 *   node_client.c   who waits for an answer, news, the look from outside
 *   node_cosign.c   checkpoints
 *   node_lists.c    what members say of the status lists
 *   node_witness.c  outside witnesses' cosignatures on them
 *   node_sign.c     signatures by keys in tokens
 *   node_guest.c    peers without a vote
 *   node_keys.c     which of the keys count
 *   node_body.c     which bytes are a block's body
 *   node_figures.c  what is counted, for /metrics
 */
#ifndef SLK_NET_NODE_PRIVATE_H
#define SLK_NET_NODE_PRIVATE_H

#include "ledger/core/pool.h"
#include "ledger/embed/ledger_private.h"
#include "ledger/store/histogram.h"
#include "ledger/verify/list_note.h"
#include "net/node.h"
#include "net/node_body.h"

#define NODE_BODIES_MAX                                                                                      \
    96 /* in memory: the window of 64, candidates of the open height; older ones are on disk */
#define NODE_PARTS_MAX   16   /* bodies of which not all has come */
#define NODE_QUEUE_MAX   8192 /* submissions that nobody has looked at yet, and their bytes: */
#define NODE_QUEUE_BYTES (16u << 20)
#define NODE_WAITING_MAX 16384 /* clients that are owed an answer */
#define NODE_NAMES_MAX   1024  /* submissions to tell a peer of, or to ask it for */
#define NODE_FINALS      65536 /* submissions that became final, remembered */
#define NODE_NOTE_MAX    16384 /* a checkpoint with 50 cosignatures */
#define NODE_BASE_MAX    1024  /* a checkpoint, or a text about lists, and one signature */
#define NODE_LOG_BLOB    (SLK_NOTE_KEY_HASH_SIZE + SLK_SIGNATURE_SIZE) /* payload of a log's signature line */
#define NODE_NAME_SIZE   (SLK_HASH_SIZE + SLK_KEY_ID_SIZE) /* of a submission, on the wire */
#define NODE_EARLY_MAX   2048  /* a member's own checkpoint, kept until its block is here */
#define NODE_PROVEN_N    65536 /* signatures known to be good: four blocks of single events, 2 MiB */
#define NODE_RETRY_MS    1000
#define NODE_MARKS       64 /* of when submissions came */

/* An input for the core on its way, with what it points to. */
struct slk_node_input {
    struct slk_bft_input in;
    struct slk_vote vote;
};

struct slk_node_body {
    struct slk_hash hash;
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    uint64_t height;
    uint8_t *bytes;
    size_t size;
};

/* A body of which parts have come. */
struct slk_node_part {
    struct slk_hash hash;
    uint8_t *bytes; /* NULL: free */
    size_t n, size;
};

struct slk_node_incoming {
    uint8_t *bytes;
    size_t size;
    uint64_t ticket; /* of the client that waits; 0: it came from a peer */
    uint16_t peer;   /* SLK_MESH_NOBODY: it came from a client */
    bool is_owed;    /* the peer wants our receipt */
};

struct slk_node_name {
    struct slk_pooled_id id;
    bool is_owed; /* it wants our receipt */
};

struct slk_node_peer {
    bool is_up;
    uint64_t height; /* committed, by its last STATUS or vote: a hint; 0: not known */
    bool has_status;
    uint64_t pool_count, pool_xor; /* as its last STATUS said */
    uint64_t told[NODE_NAMES_MAX]; /* tickets that the next INV names */
    size_t told_n;
    uint64_t told_ms, promised_ms; /* when the last INV and RECEIPT left: the peer reads so many a second */
    struct slk_node_name
        want[NODE_NAMES_MAX]; /* what it said to have and we lack, the next to be asked for first */
    size_t want_n;
    bool is_asked;
    uint64_t asked_ms;
    uint8_t *part; /* of want[0], which takes several answers */
    size_t part_n, part_size;
    uint64_t digest_ms;  /* when it was last sent ours */
    uint64_t digests_ms; /* when it was last given an answer to its own: a bound on what it can ask */
    uint64_t
        again_ms; /* since when receipts for what is here already are counted, and how many it asked for: a bound, too */
    unsigned again_n;
    uint64_t false_ms; /* since when its receipts that were not good are counted: a bound as well */
    unsigned false_n;
    uint8_t *receipts; /* for the submissions it brought; sent at the end of a run */
    size_t receipts_n;
    size_t early_n;        /* its newest checkpoint, above our tip, */
    uint16_t early_agency; /* and whose it is: with another charter the peer may have another number */
    uint8_t early[NODE_EARLY_MAX];
    size_t early_lists_n; /* the same, of what it says of status lists that are not made here yet */
    uint16_t early_lists_agency;
    uint8_t early_lists[NODE_BASE_MAX];
};

struct slk_node_waiting {
    uint64_t ticket; /* 0: free */
    uint32_t next;   /* in its chain of `by_id`, or in the free list; index + 1 */
    bool is_named;   /* in `by_id` */
    bool is_ready;   /* its answer goes out with the next run */
    enum slk_node_stage wants;
    uint64_t since_ms;
    slk_node_answer_fn *fn;
    void *ctx;
    struct slk_pooled_id id;
    struct slk_node_answer answer; /* its receipts and verdict.events are its own memory */
    struct slk_receipt *receipts;
    size_t receipts_cap;
    enum slk_rule *rules;
};

struct slk_node_final {
    struct slk_hash id;
    uint64_t height, first_index;
};

/* What is being put into a block, or judged. */
struct slk_node_choice {
    size_t n, cap;
    struct slk_pool_item *items;
    struct slk_submission *subs;
    struct slk_submission **list;
    struct slk_verdict *verdicts;
    enum slk_rule *rules; /* one per event */
    size_t rules_cap;
};

struct slk_node_cosig {
    bool is_here;
    uint64_t time_s;
    uint64_t heard_ms; /* by our clock on the wall: how old a cosignature is must not be its signer's word */
    uint8_t blob[SLK_NOTE_BLOB_MAX];
    bool has_log; /* its note had a line by the log, which nobody has checked */
    uint8_t log_blob[NODE_LOG_BLOB];
};

/* An outside witness's newest cosignature. */
struct slk_node_outside {
    bool is_here;
    struct slk_tree_head head;
    char name[SLK_NAME_MAX + 1];
    uint8_t blob[SLK_NOTE_BLOB_MAX];
};

/* A quorum's note, kept while the chain goes on. */
struct slk_node_held {
    size_t n; /* 0: none */
    struct slk_tree_head head;
    uint64_t overtaken_ms; /* when a quorum had cosigned a larger tree; 0: not yet */
    uint8_t note[NODE_NOTE_MAX];
};

/* Up to this ticket submissions had come by then. */
struct slk_node_mark {
    uint64_t ticket, ms;
};

/* A member's newest cosignature. */
struct slk_node_seen {
    uint16_t agency; /* 0: none yet */
    uint64_t height, heard_ms;
    int64_t offset_ms; /* our clock when it came, less its own time */
};

/* What only slk_node_figures shows. */
struct slk_node_counts {
    uint64_t refused[SLK_RULE_N];
    uint64_t receipts_given, receipts_taken;
    struct slk_histogram block_finality, submission_finality;
    uint64_t opened_ms;
    size_t marks_n;
    struct slk_node_mark marks[NODE_MARKS];
    struct slk_node_seen seen[SLK_CHARTER_MEMBERS_MAX]; /* by place in the charter in force */
};

/* What this node says of the status lists, and the others with it. */
struct slk_node_lists {
    uint64_t size; /* of the log, of the newest lists that were made here; 0: none */
    uint8_t text[SLK_LISTS_TEXT_MAX];
    size_t text_n;
    uint8_t own[NODE_BASE_MAX]; /* the text under our signature */
    size_t own_n;               /* 0: not signed */
    uint8_t own_blob[SLK_NOTE_BLOB_MAX];
    bool is_asked;    /* of a token */
    bool is_unsigned; /* to be signed in the next run */
    bool is_told;     /* the alarm, of this text */
    uint64_t again_ms;
    struct slk_node_cosig
        cosigs[SLK_CHARTER_MEMBERS_MAX];   /* of the same text; by place in the charter in force */
    bool differs[SLK_CHARTER_MEMBERS_MAX]; /* signed another text of the same size */
    uint8_t note[NODE_NOTE_MAX];           /* the newest of a quorum */
    size_t note_n;
    uint64_t note_size;
};

struct slk_node {
    struct slk_node_options options;
    struct slk_ledger *ledger;
    struct slk_proven *proven; /* the machine's */
    struct slk_bft *core;
    struct slk_bft_effects *effects;
    struct slk_council council;     /* of the height being decided */
    uint16_t me;                    /* my index in it, or SLK_BFT_NOBODY */
    uint16_t my_peer;               /* my index as a peer */
    const struct slk_key *vote_key; /* the one in use; NULL: the charter in force names none of mine */
    struct slk_hash keys_charter;   /* the charter for which missing keys were told of */
    bool is_key_warned;             /* and at the start */
    uint64_t charter_turns;
    struct slk_bft_tip tip; /* of the COMMITTED that is on its way */
    uint64_t random;
    enum slk_err err; /* why nothing goes on; SLK_OK: it does */
    struct slk_fault fault;
    size_t first, n; /* inputs: a ring */
    struct slk_node_input *inputs;
    struct slk_msg *msg; /* being read or made */
    struct slk_cert_pool *certs;
    struct slk_cert *served; /* SLK_RANGE_MAX of them */
    uint8_t headers[SLK_RANGE_MAX * SLK_BLOCK_HEADER_SIZE];
    uint8_t *out; /* a message being printed */
    size_t out_cap;
    uint64_t due_ms; /* the core's next TICK */
    bool wants_tick;

    /* blocks */
    struct slk_block block; /* built or checked last */
    bool is_executed;       /* the machine is at its end, not at the tip */
    struct slk_node_body bodies[NODE_BODIES_MAX];
    size_t bodies_next;
    struct slk_node_part parts[NODE_PARTS_MAX];
    size_t parts_next;
    struct slk_body_items items;
    struct slk_node_choice choice;
    struct slk_pool_extent target; /* what a block of mine is to hold */
    uint64_t built_ms;             /* when my newest block was built; 0: it was decided */
    uint8_t *change;               /* a charter change that waits for a block; NULL: none */
    size_t change_size;
    struct slk_hash
        change_hash; /* of `change`, also when it is in a block; without one, of the last that was judged here */

    /* submissions */
    struct slk_pool *pool;
    uint64_t order; /* of arrival, as the store keeps it */
    struct slk_node_incoming queue[NODE_QUEUE_MAX];
    size_t queue_first, queue_n, queue_bytes;
    uint64_t queue_since_ms;
    uint64_t stored_ms; /* the last transaction of submissions */
    uint64_t *doubts;   /* tickets that a builder refused */
    size_t doubts_n, doubts_cap;
    struct slk_node_choice trial;
    struct slk_block probe;     /* executes and takes back */
    struct slk_pooled_id *gone; /* to be taken out of the store */
    size_t gone_n, gone_cap;
    struct slk_node_peer peers[SLK_BFT_PEERS];
    struct slk_node_waiting *waiting; /* NODE_WAITING_MAX */
    uint32_t by_id[4096];
    uint32_t free_waiting;
    uint32_t ready; /* how many are */
    uint64_t tickets;
    struct slk_node_final *finals; /* NODE_FINALS */
    uint64_t digests_due_ms;

    /* checkpoints */
    struct slk_node_cosig cosigs[SLK_CHARTER_MEMBERS_MAX]; /* by place in the charter in force */
    uint8_t own[NODE_NOTE_MAX];                            /* the tip's checkpoint with our own signatures */
    size_t own_n;
    uint8_t base
        [NODE_BASE_MAX]; /* the tip's checkpoint with a member's log signature: for who signs none himself */
    size_t base_n;
    uint64_t own_height;
    uint64_t own_ms;   /* as heard_ms */
    bool is_tip_asked; /* of a token; it may be an older tip by now */
    uint64_t fresh_due_ms;
    bool is_note_stale; /* a cosignature came that is not in the quorum's note yet */
    uint64_t note_due_ms;
    uint8_t quorum_note[NODE_NOTE_MAX]; /* the newest that a quorum cosigned */
    size_t quorum_note_n;
    struct slk_tree_head quorum_head;
    bool is_own_unsaved, is_quorum_unsaved; /* not on disk yet */
    struct slk_node_outside outside[SLK_NODE_OUTSIDE_MAX];
    struct slk_node_held asked, shown; /* node_witness.c */
    size_t needed;
    uint64_t hold_ms;
    uint64_t save_due_ms;

    struct slk_node_lists lists;

    bool is_signer_away;           /* as it was said last */
    struct slk_node_status status; /* what is counted, and the last alarm */
    char standing_alarm[sizeof(((struct slk_node_status *)0)->alarm)]; /* shown again when a passing one is over */
    struct slk_node_counts counts;
    struct {
        slk_node_news_fn *fn;
        void *ctx;
    } watchers[SLK_NODE_WATCHERS];
    struct {
        enum slk_node_news news;
        uint64_t height;
    } news[64]; /* for the next run; the oldest are lost when there are more */
    size_t news_n;
};

/* ---- node.c ---- */
void slk_node_fail(struct slk_node *node, enum slk_err err, const struct slk_fault *fault);
/* An input that waits for its turn. */
struct slk_node_input *slk_node_input(struct slk_node *node, enum slk_bft_input_kind kind);
void slk_node_tell_pool(struct slk_node *node); /* POOL */
/* Feeds the core until nothing waits. */
void slk_node_pump(struct slk_node *node);
bool slk_node_send(struct slk_node *node, uint16_t peer, enum slk_frame_type type, struct slk_span message);
void slk_node_send_all(struct slk_node *node, enum slk_frame_type type, struct slk_span message);
uint64_t slk_node_now(const struct slk_node *node);
uint64_t slk_node_wall(const struct slk_node *node);
const struct slk_charter *slk_node_charter(const struct slk_node *node); /* in force */

/* ---- node_keys.c ---- */
/* Each key once, and no other agency's by the charter in force. */
SLK_MUST_CHECK enum slk_err slk_node_check_keys(
    const struct slk_node *node, const struct slk_node_options *keys, struct slk_fault *fault);
void slk_node_choose_vote_key(struct slk_node *node); /* for the height after the tip */
/* The ledger signs the tip with these. False: this node is no signer of it. */
bool slk_node_choose_signers(struct slk_node *node);
void slk_node_keys_run(struct slk_node *node); /* alarm for keys that the charter asks for and nobody gave */

/* ---- node_block.c ---- */
/* The machine back at the committed tip. */
void slk_node_settle(struct slk_node *node);
/* The body of a block of the open height or the window: in memory or among the candidates on disk; until the next call. */
bool slk_node_body(struct slk_node *node, const struct slk_hash *hash, struct slk_span *body);
void slk_node_take_body(struct slk_node *node, const struct slk_bft_effect *effect);
void slk_node_validate(struct slk_node *node, const struct slk_bft_effect *effect);
void slk_node_build(struct slk_node *node, const struct slk_bft_effect *effect);
void slk_node_commit(struct slk_node *node, const struct slk_bft_effect *effect);
void slk_node_fill_tip(struct slk_node *node);
bool slk_node_choice_room(struct slk_node_choice *choice, size_t n);
void slk_node_choice_free(struct slk_node_choice *choice);
void slk_node_blocks_free(struct slk_node *node);

/* ---- node_serve.c ---- */
void slk_node_serve(struct slk_node *node, const struct slk_bft_effect *effect);
void slk_node_serve_commit(struct slk_node *node, uint16_t peer, uint64_t height);

/* ---- node_guest.c ---- */
bool slk_node_is_guest(const struct slk_node *node, uint16_t peer);
bool slk_node_may_hear(const struct slk_node *node, uint16_t peer, enum slk_frame_type type);
/* It claims more than this node has: perhaps a lie, and never a reason to ask it. */
bool slk_node_guest_is_ahead(const struct slk_node *node, const struct slk_status *status);
void slk_node_tell_commit(struct slk_node *node); /* the tip, to those who have no vote */

/* ---- node_pool.c ---- */
SLK_MUST_CHECK enum slk_err slk_node_pool_open(struct slk_node *node, struct slk_fault *fault);
/* False: the queue is full. Takes the bytes, which were malloc'ed, when it returns true. */
bool slk_node_enqueue(struct slk_node *node, const struct slk_node_incoming *in);
bool slk_node_has(const struct slk_node *node, const struct slk_pooled_id *id);
/* The promise for one that is in the pool, to a peer. */
void slk_node_promise_again(struct slk_node *node, uint16_t peer, const struct slk_pooled_id *id);
void slk_node_judge(struct slk_node *node); /* those in the queue, if it is time */
/* The block in node->block, with node->items, is committed. */
void slk_node_pool_committed(struct slk_node *node, bool is_recharter);
void slk_node_doubt(struct slk_node *node, uint64_t ticket);
uint64_t slk_node_pool_wake(const struct slk_node *node);
void slk_node_pool_free(struct slk_node *node);

/* ---- node_gossip.c ---- */
void slk_node_gossip_up(struct slk_node *node, uint16_t peer);
void slk_node_gossip_down(struct slk_node *node, uint16_t peer);
void slk_node_gossip_run(struct slk_node *node);
uint64_t slk_node_gossip_wake(const struct slk_node *node);
void slk_node_pull(struct slk_node *node, uint16_t peer);
void slk_node_tell(struct slk_node *node, uint64_t ticket); /* INV to everybody */
void slk_node_tell_change(struct slk_node *node);
void slk_node_promise(struct slk_node *node, uint16_t peer, const struct slk_receipt *receipt);
enum slk_mesh_verdict slk_node_gossip_received(
    struct slk_node *node, uint16_t peer, enum slk_frame_type type, struct slk_span message);

/* ---- node_client.c ---- */
struct slk_node_waiting *slk_node_waiting(
    struct slk_node *node, uint64_t ticket); /* NULL: it was forgotten */
void slk_node_name(
    struct slk_node *node, struct slk_node_waiting *w, const struct slk_submission *submission);
void slk_node_reached(struct slk_node *node, struct slk_node_waiting *w, enum slk_node_stage stage);
void slk_node_ended(struct slk_node *node, struct slk_node_waiting *w, enum slk_node_outcome outcome);
void slk_node_refused(struct slk_node *node, struct slk_node_waiting *w, enum slk_node_outcome outcome,
    const struct slk_verdict *verdict);
/* Does a client wait until it is SAFE? Then the others' receipts are asked for. */
bool slk_node_is_safe_awaited(struct slk_node *node, const struct slk_pooled_id *id);
bool slk_node_is_awaited(struct slk_node *node, const struct slk_pooled_id *id); /* by anybody */
void slk_node_add_receipt(
    struct slk_node *node, struct slk_node_waiting *w, const struct slk_receipt *receipt);
/* Calls `each` for those who wait for this submission; `key_id` NULL: whoever signed it. */
typedef void slk_node_each_fn(struct slk_node *node, struct slk_node_waiting *w, const void *ctx);
void slk_node_each(struct slk_node *node, const struct slk_hash *id, const uint8_t *key_id,
    slk_node_each_fn *each, const void *ctx);
void slk_node_became_final(
    struct slk_node *node, const struct slk_pooled_id *id, uint64_t height, uint64_t first_index);
void slk_node_cosigned_up_to(struct slk_node *node, uint64_t height);
/* A change that a peer brought, by this name. */
void slk_node_take_change(struct slk_node *node, const struct slk_hash *name, struct slk_span entry);
void slk_node_tell_news(struct slk_node *node, enum slk_node_news news, uint64_t height);
/* The alarm that is shown. `stands`: until the node is started anew, or it is lowered; another that passes does not put it out. */
void slk_node_raise_alarm(struct slk_node *node, const char *name, bool stands);
void slk_node_lower_alarm(struct slk_node *node, const char *name); /* if it is raised */
void slk_node_answer_all(struct slk_node *node);
void slk_node_clients_free(struct slk_node *node);

/* ---- node_figures.c ---- */
void slk_node_mark(struct slk_node *node, uint64_t ticket); /* a submission has come into the pool */
void slk_node_cosigned_by(struct slk_node *node, const struct slk_member *member, uint64_t time_s);

/* ---- node_sign.c ---- */
/* Is this a key that only options.signer asks for signatures? */
bool slk_node_signs_later(const struct slk_node *node, const struct slk_key *key);
void slk_node_ask_vote(struct slk_node *node, const struct slk_vote *vote, const uint8_t *bytes, size_t size);
void slk_node_ask_tip(struct slk_node *node);
/* False: the token is away, or has too much to do. */
bool slk_node_ask_receipt(
    struct slk_node *node, const struct slk_receipt *receipt, const struct slk_pooled_id *id, uint16_t peer);
void slk_node_take_signatures(struct slk_node *node);
void slk_node_ask_lists(
    struct slk_node *node, const struct slk_key *key, uint64_t time_s, struct slk_span message);
void slk_node_drop_tokens(struct slk_node *node); /* before the ledger is closed, which would sign a tip */
/* A receipt that was asked for; NULL: it was not signed. */
void slk_node_receipt_signed(
    struct slk_node *node, const struct slk_receipt *receipt, const struct slk_pooled_id *id, uint16_t peer);
/* The tip that was asked for, by these keys; NULL: it was not signed. */
void slk_node_tip_signed(struct slk_node *node, const struct slk_tip_note *note,
    const struct slk_key *log_key, const struct slk_key *cosign_key);

/* ---- node_cosign.c ---- */
void slk_node_cosign(struct slk_node *node, uint64_t height);
void slk_node_cosign_load(struct slk_node *node); /* at start: what is on disk of the tip */
void slk_node_cosign_up(struct slk_node *node, uint16_t peer);
void slk_node_cosign_new_tip(struct slk_node *node, bool is_recharter);
void slk_node_cosign_run(struct slk_node *node);
void slk_node_cosign_save(struct slk_node *node); /* what is not on disk yet: before the end */
void slk_node_join_outside(struct slk_node *node); /* the tip's note is made anew, with what outside witnesses said */
bool slk_node_has_quorum(const struct slk_node *node); /* a quorum has cosigned the tip */
uint64_t slk_node_cosign_wake(const struct slk_node *node);
enum slk_mesh_verdict slk_node_cosign_received(struct slk_node *node, uint16_t peer, struct slk_span message);
/* The member's good cosignature in the note; NULL: it has none. */
const struct slk_note_sig *slk_node_find_sig(
    const struct slk_note *note, const struct slk_member *member, uint64_t *time_s);

/* ---- node_lists.c ---- */
enum slk_mesh_verdict slk_node_lists_received(struct slk_node *node, struct slk_node_peer *peer,
    const struct slk_member *member, const struct slk_note *note, struct slk_span message);
/* By this key, of the lists of that size; `sig` NULL: it was not signed. */
void slk_node_lists_signed(struct slk_node *node, uint64_t size, uint64_t time_s, const struct slk_key *by,
    const uint8_t sig[SLK_SIGNATURE_SIZE]);
void slk_node_lists_recharter(struct slk_node *node);
void slk_node_lists_up(struct slk_node *node, uint16_t peer);
void slk_node_lists_run(struct slk_node *node);
uint64_t slk_node_lists_wake(const struct slk_node *node);

/* ---- node_witness.c ---- */
/* Outside witnesses' lines for a note of this tree that has sigs_n lines; as many as fit. */
void slk_node_write_outside(
    const struct slk_node *node, struct slk_writer *w, const struct slk_tree_head *head, size_t sigs_n);
void slk_node_note_joined(struct slk_node *node);

#endif
