/* ledger.h: the embedded ledger: one agency, one process, no daemon, no network.
 *
 * The one place where the pure core, the store and the keys meet. Order is contract: a block is built, then agreed on by the
 * consensus core (driver.h) and saved with its finality certificate (fsync), then answered; a checkpoint is signed only
 * after its block is on disk.
 */
#ifndef SLK_EMBED_LEDGER_H
#define SLK_EMBED_LEDGER_H

#include "ledger/embed/keys.h"
#include "ledger/store/store.h"
#include "ledger/verify/proof.h"

struct slk_ledger;

struct slk_ledger_options {
    bool read_only;
    bool by_node; /* a node decides its blocks, with others (net/node.h): opened for writing, but nothing is submitted here */
    const struct slk_key *vote_key;   /* NULL: nothing can be submitted (SLK_E_KEY), everything else works */
    const struct slk_key *log_key;    /* both NULL: blocks are not signed (SLK_E_UNSIGNED when proving) */
    const struct slk_key *cosign_key;
    uint64_t (*clock_ms)(void *ctx);  /* NULL: the machine's clock */
    void *clock_ctx;
    unsigned threads;                 /* 0: as many as there are cores, at most 8 */
    uint32_t block_events;            /* most events in a block; 0: the charter's limit */
    uint64_t snapshot_events;         /* a snapshot of the map after this many events; 0: a fifth of the
                                         credentials, at least 2 million */
    size_t map_size;                  /* of the store at its start, which grows by itself; 0: the default */
    unsigned fingerprint_bits;        /* of the map; 0: the default. Tests cut it down to force collisions */
    slk_progress_fn *progress;
    void *progress_ctx;
};

/* A ledger with exactly one voting member is this one's to write; with more, their nodes must agree first: read_only.
 *
 * Makes a ledger in `dir` and its genesis block, which every member makes for itself from the same charter; signs the first
 * checkpoint when keys are given. */
SLK_MUST_CHECK enum slk_err slk_ledger_init(const char *dir, struct slk_span charter, const struct slk_ledger_options *options,
    struct slk_fault *fault);
/* SLK_OK: fault->text is empty, or tells of a damaged snapshot that was left out (slk_store_load_state): worth a warning. */
SLK_MUST_CHECK enum slk_err slk_ledger_open(struct slk_ledger **out, const char *dir, const struct slk_ledger_options *options,
    struct slk_fault *fault);
/* Writes what is pending (a snapshot when the tail is long) and closes. NULL is fine. */
void slk_ledger_close(struct slk_ledger *ledger);

/* In force for the next block; holds until a block is pushed. */
const struct slk_charter *slk_ledger_charter(const struct slk_ledger *ledger);
/* The one that waits, and the height from which it governs; NULL when none does. */
const struct slk_charter *slk_ledger_pending(const struct slk_ledger *ledger, uint64_t *activation);
const struct slk_hash *slk_ledger_chain_id(const struct slk_ledger *ledger);
const struct slk_tip *slk_ledger_tip(const struct slk_ledger *ledger);
struct slk_store *slk_ledger_store(struct slk_ledger *ledger);
const struct slk_map *slk_ledger_map(const struct slk_ledger *ledger);
uint64_t slk_ledger_credentials_n(const struct slk_ledger *ledger);
uint64_t slk_ledger_memory(const struct slk_ledger *ledger);

enum slk_outcome { SLK_ACCEPTED = 1, SLK_DUPLICATE, SLK_REFUSED };
struct slk_result {
    enum slk_outcome outcome;
    enum slk_err err;        /* REFUSED because the bytes do not parse: why; else SLK_OK */
    struct slk_verdict verdict;
    uint64_t height;         /* ACCEPTED, DUPLICATE: its block and the log index of its first event */
    uint64_t first_index;
    struct slk_hash id;
};

/* The same as options.vote_key, for who needs the open ledger's charter to know which key that is. Borrowed until it is closed.
 * A block that was voted for when the last process ended becomes final here. Once; fails as slk_ledger_open would. */
SLK_MUST_CHECK enum slk_err slk_ledger_vote_with(
    struct slk_ledger *ledger, const struct slk_key *vote_key, struct slk_fault *fault);
/* SLK_OK: this ledger can be submitted to; else why not: opened for reading, no vote key, a member that stopped signing. */
SLK_MUST_CHECK enum slk_err slk_ledger_may_submit(struct slk_ledger *ledger, struct slk_fault *fault);
/* Submits `n` Submission byte strings; returns when every one of them has its result and every accepted one is on
 * disk. Blocks are cut as the limits ask. A submission submitted before is DUPLICATE with its positions.
 * results[i].verdict.events is NULL here: each event's own verdict comes through slk_ledger_push.
 * Returns SLK_OK (read the results), or why the ledger had to stop: then results with outcome 0 are unknown: reopen, submit again. */
SLK_MUST_CHECK enum slk_err slk_ledger_submit(struct slk_ledger *ledger, const struct slk_span *submissions, struct slk_result *results,
    size_t n, struct slk_fault *fault);

/* The same, pipelined: hand in the next batch while the last one is being committed. slk_ledger_flush waits for everything,
 * then signs the tip if it is not signed yet. Each result is delivered through `done` in order of submission, from the calling
 * thread, only once on disk; `done` must not call the ledger. The bytes are copied; what a result points to holds during the
 * call. A submission whose bytes do not parse is answered at once, after those before it. */
typedef void slk_result_fn(void *ctx, void *tag, const struct slk_result *result);
SLK_MUST_CHECK enum slk_err slk_ledger_push(struct slk_ledger *ledger, struct slk_span submission, void *tag, slk_result_fn *done, void *ctx,
    struct slk_fault *fault);
/* Ends the block here: what was pushed so far goes into it (with the clock's time), without waiting for the disk. */
SLK_MUST_CHECK enum slk_err slk_ledger_cut(struct slk_ledger *ledger, struct slk_fault *fault);
SLK_MUST_CHECK enum slk_err slk_ledger_flush(struct slk_ledger *ledger, struct slk_fault *fault);

/* A charter change in a block of its own (ledger/core/change.h), after everything that was pushed; signed as by
 * slk_ledger_flush. From the activation on another charter governs; where its keys are others, the ledger must be opened
 * again with them. SLK_E_REFUSED: *rule and the fault say why, and nothing was written. `entry` is needed during the call. */
SLK_MUST_CHECK enum slk_err slk_ledger_change(struct slk_ledger *ledger, struct slk_span entry, enum slk_change_rule *rule,
    uint64_t *height, struct slk_fault *fault);

/* Commits what was pushed, signs (log key and cosigning key) the tip with the time of the clock and stores the checkpoint;
 * also when the tip is signed already: that is how a proof becomes fresh. */
SLK_MUST_CHECK enum slk_err slk_ledger_sign(struct slk_ledger *ledger, struct slk_fault *fault);

/* The current record; SLK_E_NOT_FOUND when the handle was never issued. */
SLK_MUST_CHECK enum slk_err slk_ledger_lookup(struct slk_ledger *ledger, const uint8_t handle[SLK_HANDLE_SIZE], struct slk_record *record,
    struct slk_fault *fault);
/* Calls `item` for each event, oldest first, with its Entry bytes and log index. */
typedef void slk_history_fn(void *ctx, uint64_t log_index, struct slk_span entry);
SLK_MUST_CHECK enum slk_err slk_ledger_history(struct slk_ledger *ledger, const uint8_t handle[SLK_HANDLE_SIZE], slk_history_fn *item,
    void *ctx, struct slk_fault *fault);

enum slk_encoding { SLK_TEXT, SLK_BINARY };
/* A status proof: present or absent. *out is malloc'ed, the caller frees it. */
SLK_MUST_CHECK enum slk_err slk_ledger_prove(struct slk_ledger *ledger, const uint8_t handle[SLK_HANDLE_SIZE], bool with_history,
    enum slk_encoding encoding, uint8_t **out, size_t *out_size, struct slk_fault *fault);

/* The same in steps, for who has other things to do meanwhile: what a history is made of is never written again, so nothing is held open
 * between two steps, and the proof is that of the moment it was begun, whatever is committed in between. */
struct slk_proving;
#define SLK_PROVING_AT_ONCE 128u /* a history of no more events needs no step */
SLK_MUST_CHECK enum slk_err slk_ledger_prove_begin(struct slk_ledger *ledger, const uint8_t handle[SLK_HANDLE_SIZE], bool with_history,
    enum slk_encoding encoding, struct slk_proving **out, struct slk_fault *fault);
/* Reads so many entries, or hashes four times as many, or prints the proof. `view` is of the ledger's store, at any time since. */
SLK_MUST_CHECK enum slk_err slk_proving_step(struct slk_proving *proving, struct slk_view *view, size_t events_n, struct slk_fault *fault);
/* False: another step is needed. Else *out is malloc'ed, the caller's. */
bool slk_proving_take(struct slk_proving *proving, uint8_t **out, size_t *out_size);
size_t slk_proving_bytes(const struct slk_proving *proving); /* of memory that it holds: some 5 MiB at most; twice that inside the last step */
void slk_proving_free(struct slk_proving *proving);          /* NULL is fine */
/* Crowd answer for a prefix (slk_map_crowd_check); malloc'ed. */
SLK_MUST_CHECK enum slk_err slk_ledger_crowd(struct slk_ledger *ledger, const uint8_t *prefix, unsigned bits, uint8_t **out, size_t *out_size,
    struct slk_fault *fault);

/* Replays the whole ledger in `dir` from the genesis charter: every signature, rule, root, and that q members finalised each
 * block. SLK_OK: sound, *tip is where it ends.
 * Otherwise the fault says at which block, entry and why. `expected_chain` may be NULL. */
SLK_MUST_CHECK enum slk_err slk_ledger_audit(const char *dir, const struct slk_hash *expected_chain, unsigned threads, struct slk_tip *tip,
    uint64_t *events_n, slk_progress_fn *progress, void *progress_ctx, struct slk_fault *fault);

#endif
