/* ledger_private.h: the inside of the embedded ledger, shared by ledger.c, submit.c and prove.c,
 * and by net/node*.c, which decides the blocks of a ledger of several members. */
#ifndef SLK_EMBED_LEDGER_PRIVATE_H
#define SLK_EMBED_LEDGER_PRIVATE_H

#include <pthread.h>

#include "ledger/embed/driver.h"
#include "ledger/embed/ledger.h"
#include "ledger/embed/source.h"

#define SLK_SNAPSHOT_EVENTS   2000000u       /* a snapshot of the map no more often than this while writing */
#define SLK_SNAPSHOT_TAIL     200000u        /* closing with a longer tail writes one: keeps the next start short */
#define SLK_SNAPSHOT_BUDGET   (8u << 20)     /* bytes of map copied between two blocks */

/* One submission on its way. */
struct slk_slot {
    struct slk_submission submission;
    uint8_t *bytes;
    size_t bytes_cap;
    void *tag;
    slk_result_fn *done;
    void *ctx;
};

/* The submissions of one block, and the block. Two of them take turns: one is being committed while the other fills. */
struct slk_batch {
    struct slk_slot *slots;
    size_t slots_n, slots_cap;
    size_t events_n, bytes_n; /* if all are good: kept below the charter's limits, so that nothing is deferred */
    struct slk_submission **list;
    size_t list_cap;
    struct slk_verdict *verdicts;
    size_t verdicts_cap;
    enum slk_rule *rules; /* one per event */
    size_t rules_cap;
    struct slk_span change; /* a charter change for the front of the block; empty: none */
    struct slk_block block;
    bool built; /* there is a block to commit (else every submission was refused) */
};

/* The thread that runs the consensus core and commits: one block at a time. */
struct slk_committer {
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const struct slk_block *block; /* handed over; NULL when it is done */
    struct slk_council next;       /* who decides the height after it */
    bool stop;
    enum slk_err err;
    struct slk_fault fault;
};

struct slk_ledger {
    struct slk_ledger_options options;
    struct slk_store *store;
    struct slk_charter *charter; /* the genesis charter; in force is machine.charter */
    struct slk_machine machine;
    struct slk_driver *driver; /* the committing thread's while it runs; NULL: no vote key, or read only */
    const struct slk_key *vote_key;       /* the driver's */
    uint64_t voter_version; /* of the charter that was found to name that key as its only voter; 0: look */
    uint32_t origin_view;      /* in which the next block is fresh */
    struct slk_workers *workers;
    struct slk_source source;
    struct slk_span held;     /* slk_ledger_hold_note: borrowed; and of what tree size: */
    uint64_t held_size;
    struct slk_proof *noted;  /* the checkpoint proofs carry, read once; NULL before the first */
    uint8_t *noted_bytes;     /* its note, which `noted` borrows from, and the seal of its block: */
    struct slk_span noted_seal;
    struct slk_hash noted_path[SLK_PATH_MAX]; /* from the seal to the root: some hundred hashes to compute */
    size_t noted_path_n;
    struct slk_view *view; /* for proofs and duplicates */
    struct slk_batch batches[2];
    unsigned filling;      /* batches[filling] takes submissions; the other may be in flight */
    bool in_flight;
    struct slk_committer committer;
    struct slk_snapshot *snapshot;
    uint64_t snapshot_at;  /* events_n that the newest sound one covers: a start replays those after it */
    uint64_t snapshot_begun; /* events_n when the one under way began */
    uint64_t snapshot_next; /* events_n at which the next one is due */
    uint64_t signed_size;  /* tree size of the checkpoint on disk; 0: none */
    enum slk_err stopped;  /* why this member votes for nothing any more; SLK_OK: it does */
    struct slk_fault stopped_fault;
    enum slk_err broken;   /* why no more can be written; SLK_OK: fine */
    struct slk_fault broken_fault;
};

enum slk_err slk_ledger_fail(struct slk_fault *fault, enum slk_err err, const char *why);
SLK_MUST_CHECK enum slk_err slk_committer_start(struct slk_ledger *ledger);
void slk_committer_stop(struct slk_ledger *ledger);
uint64_t slk_ledger_snapshot_interval(const struct slk_ledger *ledger); /* events from one snapshot to the next */
void slk_batch_free(struct slk_batch *batch);
/* May a block be decided here under the charter in force? SLK_E_READ_ONLY: others vote, too; SLK_E_KEY: another key does. */
SLK_MUST_CHECK enum slk_err slk_ledger_check_voter(struct slk_ledger *ledger, struct slk_fault *fault);
/* A checkpoint of the tip: what is to be signed, and the signatures. */
struct slk_tip_note {
    struct slk_tree_head head;
    uint64_t time_s; /* of the cosignature */
    size_t text_n, message_n;
    uint8_t text[SLK_CHECKPOINT_TEXT_MAX];         /* for the log key */
    uint8_t message[SLK_CHECKPOINT_TEXT_MAX + 64]; /* for the cosigning key */
    uint8_t log_sig[SLK_SIGNATURE_SIZE], cosign_sig[SLK_SIGNATURE_SIZE];
};
/* The first half of signing the tip, which must be on disk, and the second, with the tip as it was: between them whoever has the keys
 * may take his time. SLK_E_KEY: this member has left. */
SLK_MUST_CHECK enum slk_err slk_ledger_word_tip(const struct slk_ledger *ledger, struct slk_tip_note *out);
SLK_MUST_CHECK enum slk_err slk_ledger_put_tip(struct slk_ledger *ledger, const struct slk_tip_note *note, struct slk_fault *fault);
/* Both halves, with the keys at hand. */
SLK_MUST_CHECK enum slk_err slk_ledger_sign_tip(struct slk_ledger *ledger, struct slk_fault *fault);
/* Its first part: signed with the keys at hand, not on disk. A node, whose checkpoints get other members' signatures, needs no more: that the
 * tip is on disk keeps this member from ever signing another of this size. */
SLK_MUST_CHECK enum slk_err slk_ledger_sign_words(
    struct slk_ledger *ledger, struct slk_tip_note *out, struct slk_fault *fault);
/* The signed note; bytes written, or 0: this member has left, or it does not fit. */
size_t slk_ledger_print_tip(const struct slk_ledger *ledger, const struct slk_tip_note *note, uint8_t *out, size_t cap);
/* Proofs carry this checkpoint of the committed tip from now on, on disk or not. Borrowed until the next one is held. */
void slk_ledger_hold_note(struct slk_ledger *ledger, struct slk_span note);
/* Commits everything and delivers the answers; signs nothing. */
SLK_MUST_CHECK enum slk_err slk_ledger_settle(struct slk_ledger *ledger, struct slk_fault *fault);
/* Is `submission`, just refused, one that the ledger holds already? */
bool slk_ledger_find_duplicate(struct slk_ledger *ledger, const struct slk_submission *submission, struct slk_result *result);
/* Row of a handle's current record, proven by the map; SLK_E_NOT_FOUND absent; SLK_E_CORRUPT. */
SLK_MUST_CHECK enum slk_err slk_ledger_find(struct slk_ledger *ledger, const struct slk_hash *path, uint64_t *row_number,
    struct slk_row *row, struct slk_fault *fault);
/* Between two commits: gives the store's map room when it is cramped; writes the next part of a snapshot when one is due. */
SLK_MUST_CHECK enum slk_err slk_ledger_give_room(struct slk_ledger *ledger);
SLK_MUST_CHECK enum slk_err slk_ledger_snapshot_between(struct slk_ledger *ledger, struct slk_fault *fault);
/* Writes a whole snapshot of the tip, which must be on disk. */
SLK_MUST_CHECK enum slk_err slk_ledger_snapshot_now(struct slk_ledger *ledger, struct slk_fault *fault);

/* slk_ledger_audit with options.threads, progress and fingerprint_bits. */
SLK_MUST_CHECK enum slk_err slk_ledger_audit_with(const char *dir, const struct slk_hash *expected_chain,
    const struct slk_ledger_options *options, struct slk_tip *tip, uint64_t *events_n, struct slk_fault *fault);

#endif
