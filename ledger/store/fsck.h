/* fsck.h: what the two halves of fsck share. */
#ifndef SLK_STORE_FSCK_H
#define SLK_STORE_FSCK_H

#include "ledger/store/internal.h"
#include "ledger/store/lmdb_file.h"

/* Where the value of one key is in the file. */
struct slk_place {
    uint64_t key; /* for tiles: level << 56 | index */
    uint64_t offset;
    uint64_t size;
};

struct slk_fsck {
    const char *dir;
    slk_finding_fn *finding;
    void *finding_ctx;
    slk_progress_fn *progress;
    void *progress_ctx;
    uint64_t findings_n;
    uint64_t newest;           /* transaction that data.mdb must at least be at */
    struct slk_lmdb_file file; /* read quietly: its structure has been told already */
    struct {
        bool there;
        size_t n, cap;
        struct slk_place *places; /* ascending keys */
    } base[SLK_BASE_N];           /* not of meta, nor of what fsck_cons.c reads by itself */
    struct slk_hash chain_id;
    struct slk_charter *charter; /* the genesis charter */
    size_t later_n;
    struct slk_charter **later;  /* those of the changes met so far, oldest first */
    struct slk_span charter_bytes, changes_bytes, tip_bytes, checkpoint; /* malloc'ed */
    bool has_tip;
    struct slk_tip tip;
    struct slk_tree_head signed_head; /* of the checkpoint; tree_size 0: none */
};

void slk_fsck_tell(struct slk_fsck *f, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const struct slk_place *slk_fsck_find(const struct slk_fsck *f, enum slk_base base, uint64_t key);
/* A charter of the chain, 0 the first; NULL: there are no more. A key has one use and one agency in all of them. */
const struct slk_charter *slk_fsck_charter(const struct slk_fsck *f, size_t i);
/* The place with the greatest key at or below `key`. */
const struct slk_place *slk_fsck_seek(const struct slk_fsck *f, enum slk_base base, uint64_t key);
/* Reads a value into *buffer, which grows. SLK_OK, SLK_E_CORRUPT (cannot be read), SLK_E_NOMEM. */
struct slk_buffer {
    uint8_t *at;
    size_t cap;
};
enum slk_err slk_fsck_read(
    const struct slk_fsck *f, const struct slk_place *place, struct slk_buffer *buffer);

/* fsck_cons.c: what agreement left. `council` decides the height after the tip, NULL: not known; `log` ends at the tip,
 * NULL: it is damaged. SLK_OK (findings were told) or SLK_E_NOMEM. */
enum slk_err slk_fsck_cons(struct slk_fsck *f, const struct slk_council *council, const struct slk_log *log);
/* The finality certificate of the block of this header and hash; NULL for genesis: none. */
enum slk_err slk_fsck_finality(struct slk_fsck *f, const char *where, uint64_t height,
    const struct slk_hash *block_hash, const struct slk_council *council, struct slk_buffer *buffer);

/* fsck_blocks.c: every block, entry, row and tile. SLK_OK (findings were told) or SLK_E_NOMEM. */
enum slk_err slk_fsck_blocks(struct slk_fsck *f);

#endif
