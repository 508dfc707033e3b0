/* full.h: the real ledger in the simulated world: the production machine, blocks, pool and receipts at every process.
 *
 *   full_main.c    command line: `full`, as `sim`; the idle network
 *   full_run.c     one seed
 *   full_lmdb.c    `full_lmdb`: each process's disk is a real store, whose power is cut; full_lmdb_main.c its command line
 *   full.c         the world's ledger functions (world.h): real blocks; what a crash leaves
 *   full_pool.c    submissions on their way: admission, gossip, receipts; promises
 *   full_change.c  charters that change
 *   full_make.c    a charter, keys, issuers and what they send; Byzantine ones
 *   full_judge.c   the invariants of the ledger, by code that shares nothing with the core but its readers (naive.c)
 *
 * The body of a block is its charter change, if it has one, and its submissions, one after another: u32 size || bytes. Entries, seal and roots follow from
 * executing them; the header binds them by its body hash, so a false body under a true header is no block at all.
 */
#ifndef SLK_TESTS_SIM_FULL_H
#define SLK_TESTS_SIM_FULL_H

#include "ledger/core/pool.h"
#include "tests/sim/platter.h"

#define FULL_BODY_MAX    70000
#define FULL_EVENTS_MAX  6     /* of one submission here */
#define FULL_CREDENTIALS 300   /* that are ever issued; naive.c holds 512 */
#define FULL_EMPTY_MS    60000 /* protocol §2.9: a block without events before that is not valid */

enum full_lie {
    LIE_FLOOD = 1 << 16,  /* its issuer sends what contradicts itself, without end */
    LIE_SPOIL = 1 << 17,  /* as a leader: blocks that are not valid */
    LIE_PROMISE = 1 << 18 /* receipts for what it does not hold; its blocks leave locks out */
};

_Static_assert((int)LIE_FLOOD > (int)LIE_DRIP, "the lies of the ledger stand above those of the world");

/* A submission as the world knows it: number `id` of world.h. */
struct thing {
    uint8_t *bytes;
    size_t size;
    struct slk_hash id;
    uint8_t key_id[SLK_KEY_ID_SIZE];
    uint16_t agency;
    bool is_lock;
    size_t events_n;
    struct {
        uint8_t handle[SLK_HANDLE_SIZE];
        uint64_t sequence;
        bool is_issue;
        uint32_t status_index;
    } events[FULL_EVENTS_MAX];
    size_t receipts_n;
    struct slk_receipt receipts[2 * MEMBERS_MAX]; /* the first of each member, and of each liar */
    uint64_t received_us[2 * MEMBERS_MAX];
};

/* What executing a block left behind: of the first process that did it; the others are held against it. */
struct executed {
    struct slk_tip tip;
    uint64_t first_index, first_row;
    size_t entries_n, rows_n, entries_size;
    uint8_t *entries;
    uint32_t *offsets;
    uint8_t *rows;
};

/* A process's ledger. The machine outlives a crash only where the disk says the same. */
struct ledger {
    struct world *w;
    struct process *p;
    struct slk_machine machine;
    struct slk_block block;
    struct slk_pool *pool;                /* NULL: the process is down */
    uint64_t refused_at[SUBMISSIONS_MAX]; /* 1 + height of the machine that said no */
    size_t doubts_n;
    uint64_t doubts[64]; /* tickets that a builder refused: to be judged alone */
};

#define FULL_REIGNS_MAX  8 /* as many charters as the oracle holds */
#define FULL_CHANGES_MAX 32
#define FULL_KEYS_MAX    (MEMBERS_MAX + 2 * FULL_CHANGES_MAX)
#define FULL_CHANGE_MARK 0x80000000u /* in the size of what stands first in a body */
struct reign {
    struct charter members; /* with the height from which they decide */
    struct slk_charter *charter;
    struct slk_council council;
};
/* As an operator made it. */
struct change {
    bool is_good;
    uint64_t activation;
    struct slk_hash old_hash; /* of the charter that it follows */
    uint8_t *entry;
    size_t size;
};

struct full {
    bool is_changing;
    unsigned reigns_n, changes_n, keys_n;
    struct reign reigns[FULL_REIGNS_MAX];
    struct change changes[FULL_CHANGES_MAX];
    struct {
        uint8_t public[SLK_KEY_SIZE], secret[SLK_SIGNATURE_SIZE];
    } keys[FULL_KEYS_MAX];       /* that members vote with */
    uint64_t changed_at;         /* the last block with a change */
    struct slk_charter *charter; /* the first */
    uint8_t *charter_bytes;
    size_t charter_size;
    bool is_real;                                            /* votes and receipts are Ed25519 */
    uint8_t issuer_secrets[MEMBERS_MAX][SLK_SIGNATURE_SIZE]; /* one issuer for each agency */
    uint8_t police_secret[SLK_SIGNATURE_SIZE];               /* locks any agency's credentials; agency 1's */
    size_t lock_quota, normal_quota; /* of the pools; in half of the seeds so small that they are used up */
    struct random random;
    struct thing *things[SUBMISSIONS_MAX];
    unsigned credentials_n;
    struct ledger *ledgers[PROCESSES_MAX];
    unsigned ledgers_n;
    struct judge *judge;
    uint64_t promised; /* the highest block whose proposer's promises were looked at */
    /* what was seen, for the summary */
    uint64_t events_n, refused_n, stale_n, conflicts_n, safe_n, broken_n, invalid_n, full_n, accepted_n;
};
extern struct full full;

/* Real stores under the processes (full_lmdb.c); NULL: none. */
struct full_disks {
    const struct platter *platter;
    void (*begin)(const struct world *w);
    /* The machine, from what the store holds. */
    void (*open)(struct ledger *l);
    struct slk_block_source (*source)(struct ledger *l);
    /* The pool's table: durable when they return. Read: a bit for each submission. */
    void (*pool_put)(struct ledger *l, unsigned id);
    void (*pool_drop)(struct ledger *l, unsigned id);
    void (*pool_read)(struct ledger *l, uint64_t bits[SUBMISSIONS_MAX / 64]);
    /* The run is over: what is there must be sound. */
    void (*end)(struct world *w);
};
extern const struct full_disks *const full_disks;

/* full_run.c */
struct full_total {
    uint64_t seeds, failures, heights, virtual_us, steps, trace;
    uint64_t submissions, events, refused, stale, rivals, safe, broken, invalid, full, changes, accepted;
};
extern struct world full_world;
void full_setup(void);
/* NULL, or what was violated. */
const char *full_run(uint64_t seed, bool is_traced, struct full_total *t);
/* Seeds 1 to `seeds`, every tenth twice; what fails is printed. How many did not run the same way twice. */
uint64_t full_run_all(uint64_t seeds, struct full_total *t);
void full_report(const struct full_total *t);
struct full_range {
    uint64_t first, last; /* 0: none was asked for */
    bool is_traced;
};
bool full_option(struct full_range *range, int argc, char **argv, int *i);
int full_run_range(const struct full_range *range);

/* full.c */
void full_fail(const struct ledger *l, const char *what);
/* Executes the submissions on the committed state and takes them back: what would happen to them. */
void full_probe(
    struct ledger *l, struct slk_submission *submission, uint64_t time_ms, struct slk_verdict *verdict);
/* slk_block_build on this process's machine; true: there is a block, and the machine is at its end. */
bool full_build(struct ledger *l, const struct slk_block_params *params, struct slk_submission **list,
    struct slk_verdict *verdicts, size_t n);
/* A new submission: where it was overtaken before it was made. */
void full_place(struct world *w, unsigned id);
const struct executed *full_executed(const struct blob *blob);
/* A machine before the genesis block. */
void full_machine_new(struct ledger *l);
/* Executes a committed block; l->block is it, and the machine at its end. */
void full_follow(struct ledger *l, const struct blob *blob);
/* The entries that the next block's header and body stand for, in bundle form; their size, 0 when it is no body. */
#define FULL_ENTRIES_MAX (3 * FULL_BODY_MAX)
size_t full_entries(const struct ledger *l, const struct blob *blob, uint8_t out[FULL_ENTRIES_MAX]);
/* Numbers of the submissions in a block, in order; SIZE_MAX: nobody sent one of them. */
#define FULL_LIST_MAX 1024
size_t full_list(const struct blob *blob, unsigned ids[FULL_LIST_MAX]);
int full_find(const struct slk_hash *id, const uint8_t *key_id); /* number, or -1 */
bool full_spent(const struct disk *d, unsigned id);              /* in a block, or overtaken by one */

/* full_change.c */
void full_add_key(const uint8_t key[SLK_KEY_SIZE], const uint8_t secret[SLK_SIGNATURE_SIZE]);
const uint8_t *full_secret(const uint8_t key[SLK_KEY_SIZE]); /* NULL: nobody's */
const struct slk_charter *full_charter_at(uint64_t height);
void full_reign(struct world *w, struct slk_charter *charter, uint64_t from);
void full_reigns_free(void);
bool full_votes(const struct slk_charter *charter, unsigned member);
struct slk_span full_change_of(struct slk_span body); /* empty: there is none */
struct slk_span full_rest_of(struct slk_span body);   /* without it */
struct change *full_find_change(struct slk_span entry);
void full_change_seen(struct world *w, const struct blob *blob);
void full_make_change(const struct ledger *l);
struct slk_span full_next_change(const struct ledger *l);

/* full_pool.c */
void full_admit(struct ledger *l, struct slk_submission *out, struct slk_span bytes);
void full_pool_open(struct ledger *l);
void full_pool_commit(struct ledger *l, const struct blob *blob);
/* Did the proposer of this block break a promise? Around its execution. */
void full_promises_before(struct ledger *l, const struct blob *blob);
void full_promises_after(struct ledger *l, const struct blob *blob);
/* What a leader puts into a block: `out` of the machine is the block when it returns true; not taken back. */
bool full_pool_build(
    struct ledger *l, struct slk_block_params *params, bool empty, uint8_t *body, size_t *body_n);

/* full_make.c */
void full_make_charter(struct world *w);
/* Makes submission `id`, as an issuer would that asks this process for the state of things. False: none comes to mind. */
bool full_make_thing(struct ledger *l, unsigned id);
/* The same credentials at the same places, with other words. */
void full_make_rival(unsigned of, unsigned id);
void full_make_key(unsigned number, uint8_t public[SLK_KEY_SIZE], uint8_t secret[SLK_SIGNATURE_SIZE]);
/* By the member's key of this charter. */
void full_sign(const struct slk_charter *charter, unsigned member, const uint8_t *bytes, size_t size,
    uint8_t sig[SLK_SIGNATURE_SIZE]);
extern const struct slk_verifier full_verifier;
/* The head as a note with the log signature of a member; its size, 0 for an observer. */
#define FULL_NOTE_MAX 1024
size_t full_make_note(
    const struct world *w, unsigned member, const struct slk_tree_head *head, uint8_t out[FULL_NOTE_MAX]);

/* full_judge.c */
void full_judge_new(struct world *w, const struct blob *genesis);
void full_judge_free(void);
void full_judge_commit(const struct ledger *l, const struct blob *blob);
void full_judge_quota(const struct ledger *l);
/* At the end: everything that f + 1 members promised before the good times is settled everywhere; equal ledgers. */
bool full_judge_settled(const struct world *w);
void full_judge_end(struct world *w);

#endif
