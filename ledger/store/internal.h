/* internal.h: what the files of ledger/store share. Nobody outside this folder includes it.
 *
 *   data base  key (big-endian)   value
 *   meta       name               format, chain_id, charter, changes, tip, checkpoint, transaction
 *   block      u64 height         header[266] || u64 first_index || u64 first_row || u32 entries_n || u32 rows_n
 *   entries    u64 first_index    bundle || u32 offset[entries_n] || u64 height || u32 entries_n
 *   rows       u64 first_row      u64 time_ms || u64 first_index || row[129][rows_n]; none when the block has no row
 *   leaves     u64 group          leaf hashes of 16 full tiles of level 0: 4,096 hashes
 *   tiles      u32 level, u64 index   256 hashes of a full tile of level 1 and above
 *   fcert, cons, cand, pool, evidence: cons.h
 *
 * One value per block, on overflow pages of its own: what a block adds is written once, in order, and never moved.
 * The hashes of the unfinished group of leaves are not stored: they are computed from the entries when needed.
 */
#ifndef SLK_STORE_INTERNAL_H
#define SLK_STORE_INTERNAL_H

#include <lmdb.h>
#include <pthread.h>
#include <sys/types.h>

#include "ledger/store/cons.h"
#include "ledger/store/histogram.h"
#include "ledger/verify/bytes.h"

#define SLK_GROUP_TILES  16 /* 131,072 bytes of hashes: the 33rd page, for LMDB's page header, is 3 % */
#define SLK_GROUP_LEAVES (SLK_GROUP_TILES * SLK_TILE_WIDTH)
#define SLK_TIP_SIZE     (5 * 8 + 4 * SLK_HASH_SIZE)
#define SLK_BLOCK_ROW    (SLK_BLOCK_HEADER_SIZE + 8 + 8 + 4 + 4)
#define SLK_ENTRIES_TAIL (8 + 4) /* height, entries_n: after the offsets */
/* One entry in 16 has its offset stored; the others are found by walking their lengths from there. */
#define SLK_ENTRIES_PER_MARK 16
#define SLK_ENTRY_MARKS(n)   (((size_t)(n) + SLK_ENTRIES_PER_MARK - 1) / SLK_ENTRIES_PER_MARK)
#define SLK_TILE_KEY_SIZE    (4 + 8)
#define SLK_OPEN_BLOCKS      64u    /* design §7: blocks checked again at start */
#define SLK_OPEN_ENTRIES     65536u /* of which at most this many entries are hashed again: about 20 ms */

#define SLK_META_FORMAT   "format"
#define SLK_META_CHAIN_ID "chain_id"
#define SLK_META_CHARTER  "charter"
#define SLK_CHANGES_MAX   ((size_t)1 << 19) /* bytes of the list below: one change each day for 180 years */
#define SLK_META_CHANGES                                                                                     \
    "changes" /* u64 height of each block with a charter change, ascending; absent: none */
#define SLK_META_TIP        "tip"
#define SLK_META_CHECKPOINT "checkpoint"
#define SLK_META_STAMP      "transaction" /* number of the last one: newest.c says why */

enum slk_base {
    SLK_BASE_META,
    SLK_BASE_BLOCK,
    SLK_BASE_ENTRIES,
    SLK_BASE_ROWS,
    SLK_BASE_LEAVES,
    SLK_BASE_TILES,
    SLK_BASE_FCERT,
    SLK_BASE_CONS,
    SLK_BASE_CAND,
    SLK_BASE_POOL,
    SLK_BASE_EVIDENCE,
    SLK_BASE_N
};
extern const char *const slk_base_names[SLK_BASE_N];

/* ---- env.c: LMDB's environment ---- */

/* One per directory and process, shared by the stores of that directory: LMDB's locks do not survive two. */
struct slk_env {
    struct slk_env *next; /* registry */
    dev_t device;         /* of data.mdb */
    ino_t inode;
    pid_t pid; /* who opened it: a forked child must not use it */
    unsigned users_n;
    bool read_only;
    bool pin_only; /* no data base is open: transactions only keep pages from being reused */
    bool dead;     /* the map is lost: every later transaction fails */
    int hold_fd;   /* keeps writers out while read without LMDB's locks; -1 */
    MDB_env *mdb;
    MDB_dbi base[SLK_BASE_N];
    bool cramped;                 /* wanted to grow, and readers stood in the way; the writer's */
    struct slk_histogram commits; /* the writer's, too */
    size_t page_size;
    size_t map_headroom;
    size_t map_max;       /* 0: no limit */
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    unsigned readers_n;     /* read transactions open in this process */
    bool growing;           /* new ones wait */
    pthread_mutex_t writer; /* one write transaction or growth at a time */
};

struct slk_env_options {
    bool read_only;
    bool pin_only; /* fsck: trusts nothing but the meta pages */
    bool walk_all; /* look at every page of the structure first, however long that takes */
    size_t map_size;
    size_t map_headroom;
    size_t map_max;
};
enum slk_err slk_env_open(
    struct slk_env **out, const char *dir, const struct slk_env_options *options, struct slk_fault *fault);
void slk_env_close(struct slk_env *env); /* NULL is fine */
/* Makes data.mdb: in a folder `making`, synced, then renamed: it is there whole or not at all. */
#define SLK_MAKING "making"
enum slk_err slk_env_make(const char *dir, struct slk_span charter, struct slk_fault *fault);
/* Begins a read transaction, or renews *txn when it is one that was reset. Waits while the map grows. */
enum slk_err slk_env_read(struct slk_env *env, MDB_txn **txn);
void slk_env_read_end(struct slk_env *env, MDB_txn *txn);   /* frees it */
void slk_env_read_reset(struct slk_env *env, MDB_txn *txn); /* keeps it for slk_env_read */
/* Makes sure that `need` bytes can be added (SIZE_MAX: LMDB said full, so at least double it); the caller holds
 * env->writer and no write transaction. Grows early when no reader stands in the way, waits for them when it must. */
enum slk_err slk_env_make_room(struct slk_env *env, size_t need);
/* Ends what a transaction writes: its own number, then the commit. Takes the transaction; an error of LMDB's or 0. */
int slk_env_commit(struct slk_env *env, MDB_txn *txn);
int slk_env_put(MDB_txn *txn, MDB_dbi base, const void *key, size_t key_size, const void *value, size_t size);
enum slk_err slk_env_err(int rc);

/* ---- store.c ---- */

struct slk_store {
    struct slk_env *env;
    char *dir;
    int lock_fd;   /* writer.lock; -1 when read only */
    int newest_fd; /* newest.c; -1: not open */
    bool read_only;
    bool dead;
    bool has_tip;
    bool has_leaves; /* the next two are filled */
    size_t leaves_n;
    struct slk_hash *leaves; /* hashes of the unfinished group */
    uint64_t commits_n;
    uint64_t replayed_n; /* by the last slk_store_load_state */
    uint8_t *charter;
    size_t charter_size;
    struct slk_hash chain_id;
    struct slk_tip tip;
};

void slk_fault_set(struct slk_fault *fault, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* dir/name into out; false when too long. */
#define SLK_PATH_SIZE 4096
bool slk_store_path(char out[SLK_PATH_SIZE], const char *dir, const char *name);
/* All `size` bytes, through interruptions and short reads; false also when the file ends before. */
bool slk_store_read(int fd, uint64_t offset, uint8_t *out, size_t size);
enum slk_err slk_store_errno(int error_number);
void slk_tip_format(uint8_t out[SLK_TIP_SIZE], const struct slk_tip *tip);
bool slk_tip_parse(struct slk_tip *out, struct slk_span bytes);
enum slk_err slk_fsync_dir(const char *dir);

/* ---- commit.c: every write ---- */

/* One transaction under the writer's lock: makes room for about `room` bytes, calls `write` (again when the map was full),
 * commits with full sync. Whatever fails kills the store. MDB_KEYEXIST from `write` is SLK_E_CHAIN: something would be
 * contradicted. */
typedef int slk_write_fn(struct slk_store *store, MDB_txn *txn, const void *what);
enum slk_err slk_store_write(
    struct slk_store *store, size_t room, slk_write_fn *write, const void *what, struct slk_fault *fault);

/* ---- cons_form.c: the fixed forms of cons.h; parse accepts exactly what format prints ---- */

#define SLK_CERT_FORM_MAX (1 + 8 + 4 + SLK_HASH_SIZE + 1 + 8 + SLK_CHARTER_VOTING_MAX * SLK_SIGNATURE_SIZE)
#define SLK_CONS_KEY_MAX  (1 + 8 + 4 + 1)
#define SLK_CONS_FORM_MAX (SLK_CERT_FORM_MAX + SLK_HASH_SIZE)
#define SLK_EVIDENCE_KEY  (8 + 2)
#define SLK_EVIDENCE_SIZE (2 * (1 + 4 + 4 + SLK_HASH_SIZE + SLK_SIGNATURE_SIZE) + SLK_HASH_SIZE)
#define SLK_POOLED_KEY    (SLK_HASH_SIZE + SLK_KEY_ID_SIZE)
#define SLK_POOLED_HEAD   (8 + 2)
/* Writes the check behind `size` bytes of a value; the size with it. */
size_t slk_check_form(struct slk_span key, uint8_t *value, size_t size);
size_t slk_cert_form(uint8_t out[SLK_CERT_FORM_MAX], const struct slk_cert *cert);
bool slk_cert_unform(struct slk_cert *out, struct slk_span bytes);
/* A record of `cons`: the key's length; *value_size bytes at `value`. Not of a block. */
size_t slk_cons_form(uint8_t key[SLK_CONS_KEY_MAX], uint8_t value[SLK_CONS_FORM_MAX], size_t *value_size,
    const struct slk_bft_record *record);
/* Into *record, and *cert when it is one. */
bool slk_cons_unform(
    struct slk_bft_record *record, struct slk_cert *cert, struct slk_span key, struct slk_span value);
/* Header and body of a candidate, whose hash is the key. */
bool slk_candidate_unform(
    struct slk_block_header *header, struct slk_span *body, struct slk_span key, struct slk_span value);
void slk_pooled_key(uint8_t out[SLK_POOLED_KEY], const struct slk_pooled_id *id);
/* The submission's id and key id are those of its bytes under the chain. `scratch`: as for slk_submission_parse. SLK_OK, SLK_E_CORRUPT, SLK_E_NOMEM. */
enum slk_err slk_pooled_unform(struct slk_pooled *out, struct slk_submission *scratch,
    const struct slk_hash *chain_id, struct slk_span key, struct slk_span value);
void slk_evidence_form(uint8_t key[SLK_EVIDENCE_KEY], uint8_t value[SLK_EVIDENCE_SIZE],
    const struct slk_vote *first, const struct slk_vote *second);
bool slk_evidence_unform(
    struct slk_vote *first, struct slk_vote *second, struct slk_span key, struct slk_span value);
/* What a commit takes from `cons` and `cand`: all but that this member is muted. */
int slk_cons_drop(struct slk_env *env, MDB_txn *txn);
int slk_pool_take(struct slk_env *env, MDB_txn *txn, const struct slk_pooled_id *ids, size_t n);

/* ---- newest.c: the last transaction, noted beside data.mdb ---- */

/* SLK_OK, SLK_E_NOT_FOUND, SLK_E_CORRUPT, SLK_E_IO; *txn_id is 0 unless OK. To be read before data.mdb is. */
enum slk_err slk_newest_read(const char *dir, uint64_t *txn_id);
/* After a commit. Fails silently: then the note is old, which refuses nothing. */
void slk_newest_write(struct slk_store *store);

/* ---- view.c ---- */

/* Entries of one block as they stand in data base `entries`. */
struct slk_bundle {
    uint64_t first_index;
    uint64_t height;
    size_t entries_n;
    struct slk_span entries;
    const uint8_t *offsets;
};
/* Takes a value apart; false when it cannot be right. Entries themselves are checked when they are read. */
bool slk_bundle_parse(struct slk_bundle *out, uint64_t first_index, struct slk_span value);
bool slk_bundle_entry(const struct slk_bundle *bundle, size_t at, struct slk_span *out);

struct slk_view {
    struct slk_store *store;
    struct slk_env *env;
    MDB_txn *txn;
    MDB_cursor *cursors[SLK_BASE_N]; /* opened when first needed */
    bool is_resting;                 /* its transaction is reset */
    bool has_tip;
    struct slk_tip tip;
    struct slk_bundle bundle; /* of the last entry read; entries_n = 0: none */
    uint64_t rows_first;      /* of the last row read */
    struct slk_span rows;
    size_t rows_n;
};
enum slk_err slk_view_begin_env(struct slk_view **out, struct slk_env *env);
enum slk_err slk_view_cursor(struct slk_view *view, enum slk_base base, MDB_cursor **out);
/* The value of a key. */
enum slk_err slk_view_get(
    struct slk_view *view, enum slk_base base, const void *key, size_t key_size, struct slk_span *out);
/* The value whose u64 key is the greatest at or below *key; *key becomes that one. */
enum slk_err slk_view_seek(struct slk_view *view, enum slk_base base, uint64_t *key, struct slk_span *out);
enum slk_err slk_view_bundle(struct slk_view *view, uint64_t log_index, struct slk_bundle *out);
/* Leaf hashes computed from the entries, not read from the stored groups. */
enum slk_err slk_view_hash_leaves(
    struct slk_view *view, uint64_t first_index, size_t n, struct slk_hash *out);

/* ---- snapshot.c: files snapshot.0 and snapshot.1 ----
 *
 *   magic[16] || SHA-256 of the rest of the header
 *   u32 format || u32 pieces_n || chain_id || u64 credentials_n
 *   u64 lowest || its block hash || u64 highest || its block hash
 *   pieces_n times: u32 kind || u32 number || u64 offset || u64 size || u64 height || SHA-256 of its bytes
 *   from the next multiple of 4,096 on: the pieces
 *
 * A piece is one partition of the map's leaves, or the used status indexes of one credential type, as they were after
 * block `height`. Big-endian. */
#define SLK_SNAPSHOT_FILES 2
enum slk_piece_kind { SLK_PIECE_PARTITION = 1, SLK_PIECE_INDEXES = 2 };
struct slk_piece {
    uint32_t kind;   /* enum slk_piece_kind */
    uint32_t number; /* partition, or code of the type */
    uint64_t offset, size;
    uint64_t height;
    struct slk_hash hash;
};
struct slk_snapshot_head {
    int fd;
    struct slk_hash chain_id;
    uint64_t credentials_n;
    uint64_t lowest, highest;                  /* heights of its pieces */
    struct slk_hash lowest_hash, highest_hash; /* block hashes there */
    size_t pieces_n;
    struct slk_piece *pieces; /* the partitions in order, then the types */
};
const char *slk_snapshot_name(unsigned number); /* "snapshot.0" */
/* Reads and checks a header. SLK_OK; SLK_E_NOT_FOUND (no file, or being written); SLK_E_CORRUPT; SLK_E_NOMEM; SLK_E_IO. */
enum slk_err slk_snapshot_open(
    struct slk_snapshot_head *out, const char *dir, unsigned number, struct slk_fault *fault);
void slk_snapshot_close(struct slk_snapshot_head *head);
/* Reads a piece into out[piece->size] and compares its hash. SLK_OK, SLK_E_CORRUPT. */
enum slk_err slk_snapshot_read(
    const struct slk_snapshot_head *head, const struct slk_piece *piece, uint8_t *out);
/* Is it of this ledger and of its past, as seen by the view? SLK_OK; SLK_E_CHAIN: of another one; SLK_E_CORRUPT. */
enum slk_err slk_snapshot_belongs(
    const struct slk_snapshot_head *head, struct slk_view *view, const struct slk_hash *chain_id);

#endif
