/* lmdb_file.h: the file format of LMDB 0.9, read without LMDB: every number in the file is checked before it is used.
 *
 * LMDB trusts its file: a damaged page number there ends in a crash. This reader follows the same pointers by
 * pread(), with bounds, so that damage becomes a sentence. Source: the structures MDB_meta, MDB_db, MDB_page and
 * MDB_node of LMDB's mdb.c; data format 1, 64-bit page numbers, host byte order.
 *
 *   page 0, 1   meta pages: transaction N writes page N % 2; each holds two roots: free pages, main data base
 *   branch      sorted nodes: key, page number below
 *   leaf        sorted nodes: key, value; or key, number of the first overflow page; or name, a data base's root
 *   overflow    one header, then the value over as many pages as it takes
 */
#ifndef SLK_STORE_LMDB_FILE_H
#define SLK_STORE_LMDB_FILE_H

#include "ledger/verify/sillok.h"

#define SLK_LMDB_DEPTH_MAX 32  /* LMDB's CURSOR_STACK */
#define SLK_LMDB_KEY_MAX   511 /* LMDB's MDB_MAXKEYSIZE */

struct slk_lmdb_tree {
    uint16_t flags;
    uint16_t depth;
    uint64_t branches_n, leaves_n, overflows_n; /* pages */
    uint64_t items_n;
    uint64_t root; /* UINT64_MAX: empty */
};

struct slk_lmdb_meta {
    struct slk_lmdb_tree free_pages, main;
    uint64_t last_page;
    uint64_t txn_id;
};

/* One finding: the page it is on and what is wrong there. */
typedef void slk_lmdb_finding_fn(void *ctx, uint64_t page, const char *what);

struct slk_lmdb_file {
    int fd;
    uint64_t size; /* bytes, when opened */
    size_t page_size;
    struct slk_lmdb_meta metas[2];
    const struct slk_lmdb_meta *meta; /* the one that is read */
    uint8_t *used;                    /* a bit per page */
    slk_lmdb_finding_fn *finding;
    void *finding_ctx;
    uint64_t findings_n;
};

/* Reads the meta pages; file->meta is the newest. Returns SLK_OK, SLK_E_NOT_FOUND (no file), SLK_E_CORRUPT (told to
 * `finding`; file->meta is then the sane one, or NULL), SLK_E_NOMEM, SLK_E_IO. Close it in any case. */
SLK_MUST_CHECK enum slk_err slk_lmdb_open(
    struct slk_lmdb_file *file, const char *dir, slk_lmdb_finding_fn *finding, void *ctx);
void slk_lmdb_close(struct slk_lmdb_file *file);
/* Chooses the picture of one transaction, which a reader pins. SLK_E_RANGE: no meta page holds it any more. */
SLK_MUST_CHECK enum slk_err slk_lmdb_choose(struct slk_lmdb_file *file, uint64_t txn_id);

/* Where a value is. */
struct slk_lmdb_value {
    size_t size;
    uint64_t offset;   /* of its bytes in the file */
    uint64_t page;     /* its leaf, or its first overflow page */
    const uint8_t *at; /* on its leaf: until the next step; NULL: on overflow pages */
    uint16_t flags;    /* of its node */
};

/* Walks one tree in key order. Damaged pages are told to `finding` and left out. */
struct slk_lmdb_cursor {
    struct slk_lmdb_file *file;
    const char *name;
    struct slk_lmdb_tree tree;
    bool integer_keys;
    bool look_at_overflows; /* read their headers too: one more read per value */
    bool counted;
    unsigned depth; /* pages on the stack */
    struct {
        uint8_t *page;
        uint64_t number;
        unsigned next, n; /* nodes */
    } stack[SLK_LMDB_DEPTH_MAX];
    uint64_t branches_n, leaves_n, overflows_n, items_n; /* seen */
    size_t key_size, bound_size;                         /* last key; lower bound from the branch above */
    uint8_t key[SLK_LMDB_KEY_MAX], bound[SLK_LMDB_KEY_MAX];
};
SLK_MUST_CHECK enum slk_err slk_lmdb_cursor_init(struct slk_lmdb_cursor *cursor, struct slk_lmdb_file *file,
    const char *name, const struct slk_lmdb_tree *tree);
void slk_lmdb_cursor_close(struct slk_lmdb_cursor *cursor);
/* The next item; cursor->key is its key. False at the end. */
bool slk_lmdb_next(struct slk_lmdb_cursor *cursor, struct slk_lmdb_value *value);
/* Copies bytes of the file. */
SLK_MUST_CHECK bool slk_lmdb_read(
    const struct slk_lmdb_file *file, uint64_t offset, uint8_t *out, size_t size);
/* The root of a named data base. SLK_OK, SLK_E_NOT_FOUND, SLK_E_NOMEM. Marks no page as used. */
SLK_MUST_CHECK enum slk_err slk_lmdb_find(
    struct slk_lmdb_file *file, const char *name, struct slk_lmdb_tree *out);
/* Walks the main data base, every named one and the list of free pages: every page in bounds, used exactly once, keys
 * ascending, counts right. Trees of more than tree_pages_max pages are left out (0: none is). */
SLK_MUST_CHECK enum slk_err slk_lmdb_walk_all(
    struct slk_lmdb_file *file, uint64_t tree_pages_max, bool look_at_overflows);

/* ---- what slk_store_open asks ---- */

/* Before LMDB maps dir/data.mdb: both meta pages are sane and follow each other. SLK_OK, SLK_E_NOT_FOUND (no
 * file), SLK_E_CORRUPT, SLK_E_IO, SLK_E_NOMEM. */
SLK_MUST_CHECK enum slk_err slk_lmdb_check_head(const char *dir, struct slk_fault *fault);
/* slk_lmdb_walk_all over the picture of a pinned transaction. Within bounds that keep a start fast, unless `whole`: how
 * large a tree is, the file itself says, so a hostile one can keep out of bounds whatever it likes. Also SLK_E_RANGE. */
SLK_MUST_CHECK enum slk_err slk_lmdb_check(
    const char *dir, uint64_t txn_id, bool whole, struct slk_fault *fault);
/* Of the newest transaction; 0: none was ever committed. */
SLK_MUST_CHECK enum slk_err slk_lmdb_newest(const char *dir, uint64_t *txn_id);

#endif
