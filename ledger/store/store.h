/* store.h: one ledger directory: an LMDB environment, one writer, full sync; the map's snapshots beside it.
 *
 * Decides nothing. Who can write to the directory can destroy it, but cannot alter it unseen: every entry is under
 * the log root, every record under the map root, every header in the chain of block hashes.
 *
 *   data.mdb, lock.mdb      LMDB
 *   writer.lock             flock()ed by the one writer
 *   newest                  number of the last transaction: a data.mdb that ends before it is refused
 *   snapshot.0, snapshot.1  leaves of the map and used status indexes, overwritten in turn
 */
#ifndef SLK_STORE_STORE_H
#define SLK_STORE_STORE_H

#include "ledger/core/msg.h"

#define SLK_STORE_FORMAT 2 /* 1 had no finality certificates */

struct slk_store;

struct slk_store_options {
    bool read_only;
    bool
        unchecked; /* do not look at the newest blocks again: for who replays every block anyway; but at all pages */
    size_t map_size;     /* LMDB's, at start; 0: the default. It grows by itself */
    size_t map_headroom; /* grow when less than this is free; 0: the default */
    size_t map_max;      /* never above this: SLK_E_NO_SPACE then; 0: no limit */
};

/* Makes an empty ledger directory (mode 0700, created if missing; refused with SLK_E_EXISTS when it is a ledger already,
 * and when it is not empty). */
SLK_MUST_CHECK enum slk_err slk_store_create(struct slk_store **out, const char *dir,
    struct slk_span genesis_charter, const struct slk_store_options *options, struct slk_fault *fault);
/* Opens one. SLK_E_NOT_FOUND, SLK_E_IN_USE, SLK_E_FORMAT (newer, or older), SLK_E_CORRUPT (truncated, damaged meta), SLK_E_IO. */
SLK_MUST_CHECK enum slk_err slk_store_open(struct slk_store **out, const char *dir,
    const struct slk_store_options *options, struct slk_fault *fault);
void slk_store_close(struct slk_store *store);
const char *slk_store_dir(const struct slk_store *store);

/* Meta, read at open and kept up by commits. */
struct slk_span slk_store_charter(const struct slk_store *store); /* genesis charter bytes; until close */
const struct slk_hash *slk_store_chain_id(const struct slk_store *store);
bool slk_store_has_tip(const struct slk_store *store); /* false before the genesis block */
const struct slk_tip *slk_store_tip(const struct slk_store *store);

/* A submission that waits for a block: another issuer's signature under the same events is another one. */
struct slk_pooled_id {
    struct slk_hash id;
    uint8_t key_id[SLK_KEY_ID_SIZE];
};
/* A block and why it is final. */
struct slk_decision {
    const struct slk_block *block;
    const struct slk_cert *finality; /* NULL for the genesis block, which nobody votes on, and for no other */
    const struct slk_pooled_id *included; /* submissions that leave the pool with it */
    size_t included_n;
};
/* One transaction: entries, rows, tiles, header, tip, finality certificate; the height's votes, certificates and candidates and
 * the included submissions go (cons.h). When it returns SLK_OK the block is on disk (fdatasync done).
 * Any other answer: the store is dead (every later commit fails): stop the process, reopen, look.
 * SLK_E_NO_SPACE and SLK_E_IO are told apart. Asserts that the block follows the tip, and the certificate's form; whether
 * its signatures are good is for who hands it in to know. */
SLK_MUST_CHECK enum slk_err slk_store_commit(
    struct slk_store *store, const struct slk_decision *decision, struct slk_fault *fault);

/* The map should grow, and views that are open in this process stand in the way: end them all, grow, begin them again. A
 * commit that finds no room at all waits 30 s for that and then fails. Only where address space is scarce (ulimit -v, 32
 * bits): elsewhere the map starts at 1 TiB. To be asked between commits. */
bool slk_store_is_cramped(const struct slk_store *store);
SLK_MUST_CHECK enum slk_err slk_store_grow(struct slk_store *store);

/* Signed checkpoint of the newest signed size: one transaction, synced. Refused (SLK_E_CHAIN) when smaller than the last
 * one, or of the same size with another root: this is the guard against cosigning two histories. */
SLK_MUST_CHECK enum slk_err slk_store_put_checkpoint(
    struct slk_store *store, const struct slk_tree_head *head, struct slk_span note);

/* ---- reading: a view is a consistent picture; make one per thread, end it soon (LMDB keeps old pages for it) ---- */

struct slk_view;
SLK_MUST_CHECK enum slk_err slk_view_begin(struct slk_view **out, struct slk_store *store);
void slk_view_end(struct slk_view *view); /* NULL is fine */
SLK_MUST_CHECK enum slk_err slk_view_renew(
    struct slk_view *view); /* the newest picture; cheaper than end and begin */
/* Lets go of the picture and keeps the rest: no page is held back from being used again, and the next call is slk_view_renew or
 * slk_view_end. */
void slk_view_rest(struct slk_view *view);
const struct slk_tip *slk_view_tip(const struct slk_view *view); /* NULL before the genesis block */
/* All borrowed until the view ends or renews. SLK_E_NOT_FOUND; SLK_E_CORRUPT when what is there cannot be right. */
SLK_MUST_CHECK enum slk_err slk_view_entry(struct slk_view *view, uint64_t log_index, struct slk_span *out);
SLK_MUST_CHECK enum slk_err slk_view_row(struct slk_view *view, uint64_t row, struct slk_row *out);
struct slk_view_block {
    const uint8_t *header; /* SLK_BLOCK_HEADER_SIZE */
    uint64_t first_index, first_row;
    struct slk_span entries; /* bundle form, seal last */
    size_t entries_n, rows_n;
    struct slk_span rows; /* slk_rows_size(rows_n) bytes */
};
SLK_MUST_CHECK enum slk_err slk_view_block(
    struct slk_view *view, uint64_t height, struct slk_view_block *out);
/* Form, height and the block it names are compared, signatures are not: slk_cert_check does that. SLK_E_NOT_FOUND: the genesis
 * block, or above the tip. */
SLK_MUST_CHECK enum slk_err slk_view_finality(struct slk_view *view, uint64_t height, struct slk_cert *out);
/* The block that holds a log index. */
SLK_MUST_CHECK enum slk_err slk_view_height_of(struct slk_view *view, uint64_t log_index, uint64_t *height);
/* Hashes of a tile in the log at the view's size, full or partial; right edge included. An slk_log_read_fn with ctx = view. */
bool slk_view_tile(void *view, uint32_t level, uint64_t index, uint32_t width, struct slk_hash *out);
/* SLK_E_NOT_FOUND when nothing was signed yet. */
SLK_MUST_CHECK enum slk_err slk_view_checkpoint(
    struct slk_view *view, struct slk_tree_head *head, struct slk_span *note);
/* The i-th charter change of this chain, the oldest being 0: the height of its block and its entry (ledger/core/change.h).
 * SLK_E_NOT_FOUND: there are no more. */
SLK_MUST_CHECK enum slk_err slk_view_change(
    struct slk_view *view, size_t i, uint64_t *height, struct slk_span *entry);
/* The 8,192 bytes of a full tile where they lie in the map, good until the view is renewed, rests or ends. False: they lie nowhere,
 * the tile being near the right edge (slk_view_tile makes it), or not as they should. */
SLK_MUST_CHECK bool slk_view_tile_bytes(
    struct slk_view *view, uint32_t level, uint64_t index, struct slk_span *out);
/* The entries from first_index on, n of them, each behind its u16 length as in C2SP's bundles, where they lie in the map: one piece
 * of each block, at most n. Good as the bytes of a tile are. SLK_E_NOT_FOUND: beyond the tip; SLK_E_CORRUPT. */
SLK_MUST_CHECK enum slk_err slk_view_entries(
    struct slk_view *view, uint64_t first_index, size_t n, struct slk_span *pieces, size_t *pieces_n);
/* Rebuilds the log's right edge at the view's tip. */
SLK_MUST_CHECK enum slk_err slk_view_load_log(struct slk_view *view, struct slk_log *out);

/* ---- snapshot of the map ---- */

/* Written partition by partition into the older of the two files, header last, fsynced: a crash leaves the other one.
 * Between slk_snapshot_begin and the end, the writer thread calls slk_snapshot_step between two blocks: it copies a few
 * partitions (with the height they are of) and hands them to a thread that writes. */
struct slk_snapshot;
SLK_MUST_CHECK enum slk_err slk_snapshot_begin(
    struct slk_snapshot **out, struct slk_store *store, const struct slk_machine *state);
/* SLK_E_RANGE: a charter with more credential types has begun since: abort it. Copies about `budget` bytes of partitions. *done when all are on their way. Copies nothing while 32 MiB wait for the disk;
 * with a budget of SIZE_MAX it waits instead and copies everything. */
SLK_MUST_CHECK enum slk_err slk_snapshot_step(
    struct slk_snapshot *snapshot, const struct slk_machine *state, size_t budget, bool *done);
/* Waits for the writing thread, then makes it valid (header, fsync). Frees. Anything but SLK_OK: the older one stays.
 * SLK_E_RANGE: the state is ahead of the last committed block; commit first. */
SLK_MUST_CHECK enum slk_err slk_snapshot_finish(
    struct slk_snapshot *snapshot, const struct slk_machine *state);
void slk_snapshot_abort(struct slk_snapshot *snapshot); /* NULL is fine */

/* Fills fresh charters, made from the genesis charter: all changes up to the tip, the one that waits included. They must lead
 * to the charter that the tip's header names: SLK_E_CORRUPT otherwise. Comes before slk_store_load_state, whose state needs
 * the charter in force. Does nothing before the genesis block. */
SLK_MUST_CHECK enum slk_err slk_store_load_charters(
    struct slk_store *store, struct slk_charters *charters, struct slk_fault *fault);

/* Fills a fresh state (map, indexes, log, tip) from the newest sound snapshot and the blocks after it; without a
 * snapshot from the first block. Compares the map root and log root with the tip's seal. progress may be NULL.
 * Returns SLK_OK (then fault->text is empty, or names a snapshot that is damaged and was left out); SLK_E_CORRUPT: what was
 * loaded does not lead to the last seal (fault names it); SLK_E_NOMEM; SLK_E_IO. A state->map and state->indexes that a damaged
 * snapshot spoilt are replaced by new ones. */
typedef void slk_progress_fn(void *ctx, const char *what, uint64_t done, uint64_t total);
SLK_MUST_CHECK enum slk_err slk_store_load_state(struct slk_store *store, struct slk_machine *state,
    const struct slk_par *par, slk_progress_fn *progress, void *progress_ctx, struct slk_fault *fault);
/* Rows that the last slk_store_load_state had to replay: what no snapshot holds yet, the price of the next start. */
uint64_t slk_store_replayed_n(const struct slk_store *store);

/* For slk_map_options.advise: asks the kernel for huge pages, which it may decline. At 20 million credentials an update touches
 * some twenty places that no cache and no TLB of small pages holds. */
void slk_store_huge_pages(void *at, size_t bytes);

/* ---- keeping it healthy ---- */

/* Checks the file's structure page by page (without LMDB), then every entry against the log root, rows against entries, headers
 * against the chain, tiles, snapshots. Each finding is told as one sentence; what is sound is still checked after one.
 * Returns SLK_OK (sound) or SLK_E_CORRUPT. Works on a directory that slk_store_open refuses. */
typedef void slk_finding_fn(void *ctx, const char *where, const char *what);
SLK_MUST_CHECK enum slk_err slk_store_fsck(const char *dir, slk_finding_fn *finding, void *finding_ctx,
    slk_progress_fn *progress, void *progress_ctx, struct slk_fault *fault);
/* A consistent copy while a writer goes on (LMDB's hot copy), made under a temporary name, fsynced, then renamed; `to` must not exist. */
SLK_MUST_CHECK enum slk_err slk_store_backup(
    const char *dir, const char *to, slk_progress_fn *progress, void *progress_ctx, struct slk_fault *fault);

#endif
