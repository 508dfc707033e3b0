/* bft_private.h: the consensus core's state, shared by bft*.c. */
#ifndef SLK_CORE_BFT_PRIVATE_H
#define SLK_CORE_BFT_PRIVATE_H

#include <assert.h>
#include <string.h>

#include "ledger/core/bft.h"

/* Each is a way to be wrong that the simulator must notice: tests/sim builds the core once per mutation. */
#define SLK_MUTATE_NOTHING           0
#define SLK_MUTATE_CERTS_NOT_STORED  1
#define SLK_MUTATE_LATE_FINALIZE     2 /* FINALIZE after NULLIFY */
#define SLK_MUTATE_VOTE_BEFORE_FSYNC 3
#define SLK_MUTATE_AMNESIA           4
#define SLK_MUTATE_NOT_RETALLIED     5
#define SLK_MUTATE_GET_STORM         6
#define SLK_MUTATE_NO_JUSTIFICATION  7 /* NOTARIZE without looking at K */
#ifndef SLK_MUTATE
#define SLK_MUTATE SLK_MUTATE_NOTHING
#endif
#define MUTATED(what) (SLK_MUTATE == SLK_MUTATE_##what)

enum { VIEWS_AHEAD = 8, VIEWS_BEHIND = 32 }; /* protocol §2.10: votes accepted around the current view */
enum {
    VIEWS_PATIENT = SLK_BFT_VIEWS / 4 * 3
};                       /* from here on each view may take longer than the one before */
enum { NEXT_VIEWS = 2 }; /* of h + 1, kept until h is committed */
enum { VOTES_NOTARIZE, VOTES_NULLIFY, VOTES_FINALIZE, VOTES_N };

/* My own vote: written, then durable, then signed and sent. */
enum own_state { OWN_NONE, OWN_SAVING, OWN_SAVED, OWN_SIGNED };
struct own {
    enum own_state state;
    uint64_t seq; /* SAVING: of the transaction */
    struct slk_vote vote;
};

struct held {
    bool is_held;
    bool is_saved; /* in a transaction that was handed out */
    struct slk_cert cert;
};

struct votes {
    uint64_t have;
    struct slk_hash hash[SLK_CHARTER_VOTING_MAX];
    uint8_t sig[SLK_CHARTER_VOTING_MAX][SLK_SIGNATURE_SIZE];
};

/* Everything about one view of the height being decided. */
struct view {
    bool has_proposal; /* the first that its leader signed */
    bool is_equivocated;
    bool is_bad; /* the proposal breaks a rule */
    size_t block;
    struct slk_vote proposal;
    struct own own[SLK_VOTE_KIND_N];
    struct held n, k;
    struct votes votes[VOTES_N];
};

enum block_state { BLOCK_UNKNOWN, BLOCK_VALIDATING, BLOCK_VALID, BLOCK_INVALID, BLOCK_MISSING };
struct block {
    enum block_state state;
    bool has_header;
    bool is_sound; /* its header fits the tip */
    bool is_saved;
    bool was_given, was_false; /* its body came as an answer; was not this header's */
    uint16_t giver;
    struct slk_hash hash;
    struct slk_block_header fields;
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
};

enum { SYNC_WINDOW = 64, SYNC_EPOCHS = 4 }; /* protocol §3.5: 64 blocks */
enum {
    FETCHES_MAX = 8,
    PEER_FETCHES_MAX = 4
};                                 /* bodies on their way, of them from one peer (protocol §3.4) */
#define SYNC_BYTES_MAX (16u << 20) /* protocol §3.5: of bodies in the window, here or asked for */

/* A finalised block that is not committed yet. In the window only with a checked certificate, linked to the one before. */
struct ahead {
    struct slk_hash hash;
    struct slk_block_header fields;
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    bool is_here;   /* its body */
    uint32_t size;  /* of that */
    uint16_t giver; /* who sent the last of it */
    struct slk_cert final;
};

/* The window: without gaps from `first`, which is `height`, or height + 1 while that one is being committed. */
struct sync {
    uint64_t first;
    size_t n;
    struct ahead at[SYNC_WINDOW]; /* by height modulo SYNC_WINDOW */
    uint64_t certain;
    size_t epochs_n; /* charters to come, in the chain's order */
    struct slk_council epochs[SYNC_EPOCHS];
    uint64_t epoch_from[SYNC_EPOCHS];
};

/* A body on its way: part after part, from one peer while it answers. */
struct fetch {
    bool is_open;
    bool is_new; /* not asked yet, or to be asked for the next part */
    struct slk_hash hash;
    uint64_t height;
    uint32_t chunk; /* the next */
    uint32_t size;  /* of the whole body, as the first part says */
    uint16_t peer;
    uint64_t due_ms, wait_ms;
};

/* A question that is open (R10): one per object, asked of one peer after the other. */
struct request {
    bool is_open;
    uint64_t key;
    struct slk_hash hash;
    uint16_t peer;
    uint64_t due_ms, wait_ms;
};

struct seen {
    uint64_t height;
    uint32_t view;
    enum slk_vote_kind kind;
};

struct slk_bft {
    struct slk_bft_config config;
    struct slk_bft_tip tip;
    struct slk_council last; /* who decided the tip; after a boot: who decides now, mostly the same: */
    bool is_last_known;      /* if not, nobody is charged for what does not hold under it */
    size_t n, q, f;
    uint16_t me;
    uint64_t height; /* being decided */
    uint32_t view;
    uint32_t top; /* the highest view that holds anything */
    uint64_t now_ms, wall_ms;
    uint32_t random;
    uint64_t wake_ms;

    uint64_t entered_ms, committed_ms;
    bool is_armed;
    uint64_t armed_ms;
    uint32_t backoff;
    bool must_push; /* the certificate of view - 1 */
    uint64_t push_ms;

    bool is_building;
    bool is_build_refused; /* until the pool changes or `build_retry_ms` */
    uint64_t build_retry_ms;
    uint64_t pool_count, pool_xor, pool_since_ms;
    bool pool_urgent;

    bool is_decided, is_commit_asked;
    size_t decided_block;
    struct slk_cert decided;

    bool is_muted;    /* signs nothing any more */
    bool is_mute_new; /* and the store does not know yet */
    struct slk_hash
        muted_key; /* the key that may have signed what is forgotten: another may sign. Zero: none may */
    bool is_clock_told;
    uint64_t guard_ms;
    uint64_t heard;   /* peers whose STATUS came since the start */
    uint64_t voters;  /* members with a valid vote at this height */
    uint64_t accused; /* members with evidence at this height */
    struct seen seen[SLK_CHARTER_VOTING_MAX];

    uint64_t status_ms, status_wait_ms, status_last_ms, status_seq;
    struct request get[SLK_GET_N];
    struct fetch fetches[FETCHES_MAX];
    uint64_t claimed[SLK_BFT_PEERS];  /* height each peer says to be deciding: a hint, nothing more */
    uint64_t claimed_max;             /* of these */
    uint64_t heard_ms[SLK_BFT_PEERS]; /* when anything came from it last */
    uint64_t asked;                   /* peers that were asked for bulk */
    uint64_t amnesty_ms; /* until then an answer may be to a question of somebody who had another index */
    uint64_t useless;    /* peers that answered late or wrong: others are asked first */
    uint64_t ask_height; /* a vote of mine that somebody says to hold */
    uint32_t ask_view, ask_kind;

    uint64_t seq; /* of the next PERSIST */
    uint64_t dropped[SLK_DROP_N], dropped_n;

    bool has_next_proposal;
    struct slk_vote next_proposal;
    uint8_t next_header[SLK_BLOCK_HEADER_SIZE];
    uint64_t next_have[NEXT_VIEWS][VOTES_N];
    struct slk_vote next_votes[NEXT_VIEWS][VOTES_N][SLK_CHARTER_VOTING_MAX];

    struct slk_bft_effects *out;
    struct sync sync;
    size_t blocks_n;
    struct block blocks[SLK_BFT_BLOCKS];
    struct view views[SLK_BFT_VIEWS + 1]; /* [0] is not used */
};

/* bft.c */
struct slk_bft_effect *slk_bft_effect(struct slk_bft *core, enum slk_bft_effect_kind kind);
struct slk_msg *slk_bft_msg(struct slk_bft *core, enum slk_msg_kind kind, uint16_t peer);
struct slk_bft_record *slk_bft_record(struct slk_bft *core, enum slk_bft_record_kind kind);
void slk_bft_wake(struct slk_bft *core, uint64_t at_ms);
void slk_bft_wake_wall(struct slk_bft *core, uint64_t at_wall_ms);
void slk_bft_alarm(struct slk_bft *core, enum slk_bft_alarm alarm);
void slk_bft_was_useful(struct slk_bft *core, uint16_t peer);
/* Counts it, and charges `peer` as the table says. */
void slk_bft_drop(struct slk_bft *core, enum slk_bft_drop drop, uint16_t peer);
struct view *slk_bft_view(struct slk_bft *core, uint32_t view);
bool slk_bft_may_vote(const struct slk_bft *core);

/* bft_tally.c: votes, certificates, blocks that are known; evidence */
size_t slk_bft_block(struct slk_bft *core, const struct slk_hash *hash);
size_t slk_bft_block_header(struct slk_bft *core, const uint8_t *header, const struct slk_hash *hash);
bool slk_bft_vote(struct slk_bft *core, const struct slk_vote *vote, uint16_t peer);
void slk_bft_tally(struct slk_bft *core, const struct slk_vote *vote);
void slk_bft_cert(struct slk_bft *core, const struct slk_cert *cert, uint16_t peer);
void slk_bft_hold(struct slk_bft *core, const struct slk_cert *cert);
void slk_bft_evidence(struct slk_bft *core, const struct slk_vote *first, const struct slk_vote *second);
void slk_bft_forgetful(struct slk_bft *core);
void slk_bft_forked(struct slk_bft *core, const struct slk_cert *other);
int slk_bft_votes_index(enum slk_vote_kind kind);
enum slk_vote_kind slk_bft_votes_kind(int index);

/* bft_rules.c: R2 to R8; each says whether it fired */
bool slk_bft_rules(struct slk_bft *core);
/* Steps of backoff that still make a timer longer: more would only have to be paid back. */
uint32_t slk_bft_backoff_max(const struct slk_bft *core);
/* True when the certificates that justify a proposal in `view` are all here, for the highest *carried; else *gap is
 * the highest view without any. */
bool slk_bft_justify(const struct slk_bft *core, uint32_t view, uint32_t *carried, uint32_t *gap);
/* N(carried), then K(view - 1) down to K(carried + 1): as many as fit and are held. */
size_t slk_bft_justification(const struct slk_bft *core, uint32_t view, uint32_t carried,
    const struct slk_cert *out[], size_t out_max);
/* A block that has to be here for something to go on: SLK_BFT_BLOCKS when there is none that is missing. */
size_t slk_bft_missing_block(const struct slk_bft *core);
void slk_bft_send_proposal(struct slk_bft *core, uint32_t view, uint16_t peer);
void slk_bft_built(struct slk_bft *core, const struct slk_bft_input *in);

/* bft_sync.c: finalised blocks above the tip */
const struct slk_council *slk_bft_council(const struct slk_bft *core, const struct slk_hash *charter_hash);
/* The height after the last in the window; false when nothing can be put there yet. */
struct sync_end {
    uint64_t height;
    const struct slk_hash *previous;
    const struct slk_hash *charter_hash;
    const struct slk_council *council; /* NULL: not known yet */
};
bool slk_bft_sync_end(const struct slk_bft *core, struct sync_end *out);
struct ahead *slk_bft_ahead(struct slk_bft *core, const struct slk_hash *hash);
void slk_bft_sync_slide(struct slk_bft *core);
/* Was `peer` asked for bulk? What it sends otherwise is a violation (protocol §3.4). */
bool slk_bft_was_asked(const struct slk_bft *core, uint16_t peer);
enum slk_bft_drop slk_bft_sync_take(
    struct slk_bft *core, const uint8_t *header, const struct slk_cert *final);
void slk_bft_on_headers(struct slk_bft *core, const struct slk_msg *msg, uint16_t peer);
void slk_bft_on_epochs(struct slk_bft *core, const struct slk_msg *msg, uint16_t peer);

/* bft_body.c: bodies, part after part */
void slk_bft_bodies(struct slk_bft *core);
bool slk_bft_is_fetched(const struct slk_bft *core, const struct slk_hash *hash);
void slk_bft_on_data(struct slk_bft *core, const struct slk_msg *msg, uint16_t peer);
void slk_bft_body_missing(struct slk_bft *core, const struct slk_hash *hash);

/* bft_status.c: R9; bft_get.c: R10 */
bool slk_bft_status_due(struct slk_bft *core);
void slk_bft_status_soon(struct slk_bft *core, uint64_t in_ms);
void slk_bft_on_status(struct slk_bft *core, const struct slk_status *s, uint16_t peer);
bool slk_bft_requests(struct slk_bft *core);
void slk_bft_on_get(struct slk_bft *core, const struct slk_get *get, uint16_t peer);
uint64_t slk_bft_everybody_else(const struct slk_bft *core);
uint64_t slk_bft_claimers(const struct slk_bft *core, uint64_t height);
/* The next of `peers` from `from` on, rather one that is useful. */
uint16_t slk_bft_next_peer(struct slk_bft *core, uint64_t peers, uint16_t from);
/* They take turns. */
uint16_t slk_bft_turn(struct slk_bft *core, uint64_t peers, uint64_t turn);
bool slk_bft_wanted(const struct slk_bft *core, size_t at);

/* bft_recover.c: starting a height, a boot */
void slk_bft_forget(struct slk_bft *core); /* views and blocks */
void slk_bft_start_height(struct slk_bft *core, const struct slk_bft_tip *tip);
void slk_bft_replay_next(struct slk_bft *core);
void slk_bft_boot(struct slk_bft *core, const struct slk_bft_tip *tip, const struct slk_bft_record *records,
    size_t records_n);

/* bft_msg.c */
/* has_body: msg->body is the body of a fresh block, perhaps empty; else it was kept before. */
void slk_bft_on_proposal(struct slk_bft *core, const struct slk_msg *msg, uint16_t peer, bool has_body);
void slk_bft_on_msg(struct slk_bft *core, const struct slk_msg *msg, uint16_t peer);

#endif
