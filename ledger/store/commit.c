/* commit.c: every write to a ledger is one transaction; here are the two that make it one: a block, and the signature over it. */
#include "ledger/store/internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

/* Pages that a commit rewrites: branches, leaves, the list of free pages. */
#define TREE_SLACK        ((size_t)256 << 10)
#define READER_CHECK_EACH 1024 /* commits between looks for readers that died */

/* ---- commit ---- */

static enum slk_err is_writable(const struct slk_store *store, struct slk_fault *fault)
{
    if (store->read_only)
        return SLK_E_READ_ONLY;
    if (store->dead) {
        slk_fault_set(fault, "a write failed before: stop this process, then open the ledger again");
        return SLK_E_IO;
    }
    return SLK_OK;
}

/* From here on nothing is certain but what the disk says: only a new process may look. */
static enum slk_err die(struct slk_store *store, enum slk_err err, struct slk_fault *fault)
{
    struct statvfs fs;

    /* A full disk shows as a short write, which LMDB reports as EIO. */
    if (err == SLK_E_IO && statvfs(store->dir, &fs) == 0 && fs.f_bavail < 256)
        err = SLK_E_NO_SPACE;
    store->dead = true;
    slk_fault_set(fault, "%s: %s; nothing of this write is acknowledged", store->dir,
        err == SLK_E_IN_USE ? "the map cannot grow while views stay open" : slk_err_text(err));
    return err;
}

static int write_once(struct slk_store *store, slk_write_fn *write, const void *what)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(store->env->mdb, NULL, 0, &txn);

    if (rc == 0)
        rc = write(store, txn, what);
    if (rc == 0)
        return slk_env_commit(store->env, txn); /* takes the transaction, also when it fails */
    mdb_txn_abort(txn);                         /* NULL is fine */
    return rc;
}

enum slk_err slk_store_write(
    struct slk_store *store, size_t room, slk_write_fn *write, const void *what, struct slk_fault *fault)
{
    enum slk_err err = is_writable(store, fault);
    int rc;

    if (err != SLK_OK)
        return err;
    pthread_mutex_lock(&store->env->writer);
    err = slk_env_make_room(store->env, TREE_SLACK + room);
    if (err == SLK_OK) {
        rc = write_once(store, write, what);
        if (rc == MDB_MAP_FULL) { /* the estimate was short: nothing was written yet, so grow and try again */
            err = slk_env_make_room(store->env, SIZE_MAX);
            rc = err == SLK_OK ? write_once(store, write, what) : rc;
        }
        err = rc == MDB_KEYEXIST ? SLK_E_CHAIN : slk_env_err(rc);
    }
    pthread_mutex_unlock(&store->env->writer);
    if (err != SLK_OK)
        return die(store, err == SLK_E_NOT_FOUND ? SLK_E_CORRUPT : err, fault);
    slk_newest_write(store);
    return SLK_OK;
}

static void check_follows(const struct slk_store *store, const struct slk_block *block)
{
    uint64_t end = block->first_index + block->entries_n;
    size_t full = 0, given = 0;

    assert(block->entries_n > 0 && block->entries_n <= UINT32_MAX && block->rows_n <= UINT32_MAX);
    assert(block->entries_size <= UINT32_MAX);
    assert(block->header.height == block->tip.height && block->header.log_size == block->tip.log_size);
    assert(block->tip.log_size == end && block->tip.rows_n == block->first_row + block->rows_n);
    if (store->has_tip) {
        assert(block->header.height == store->tip.height + 1);
        assert(slk_hash_equal(&block->header.previous, &store->tip.block_hash));
        assert(block->first_index == store->tip.log_size && block->first_row == store->tip.rows_n);
    } else {
        assert(block->header.height == 0 && block->first_index == 0 && block->first_row == 0);
    }
    for (uint32_t shift = 2 * SLK_TILE_HEIGHT; shift < 64; shift += SLK_TILE_HEIGHT)
        full += (size_t)((end >> shift) - (block->first_index >> shift));
    for (size_t i = 0; i < block->tiles_n; i++)
        given += block->tiles[i].level > 0;
    assert(full == given);
}

/* Its place; what its signatures are worth, the caller knows. */
static void check_finality(const struct slk_decision *d)
{
    assert((d->finality == NULL) == (d->block->header.height == 0));
    if (d->finality == NULL)
        return;
    assert(d->finality->kind == SLK_VOTE_FINALIZE && d->finality->height == d->block->header.height);
    assert(slk_hash_equal(&d->finality->hash, &d->block->tip.block_hash));
}

/* The hashes of the unfinished group: from the entries at the first commit, then kept up. */
static enum slk_err fill_leaves(struct slk_store *store)
{
    struct slk_view *view;
    enum slk_err err;

    store->leaves_n = store->has_tip ? (size_t)(store->tip.log_size % SLK_GROUP_LEAVES) : 0;
    if (store->leaves_n > 0) {
        err = slk_view_begin(&view, store);
        if (err == SLK_OK) {
            err = slk_view_hash_leaves(
                view, store->tip.log_size - store->leaves_n, store->leaves_n, store->leaves);
            slk_view_end(view);
        }
        if (err != SLK_OK)
            return err;
    }
    store->has_leaves = true;
    return SLK_OK;
}

/* Room for a value on the page itself, filled by the caller: saves a copy. */
static int reserve(MDB_txn *txn, MDB_dbi base, uint64_t key, size_t size, uint8_t **out)
{
    uint8_t bytes[8];
    MDB_val k = {sizeof bytes, bytes};
    MDB_val v = {size, NULL};
    int rc;

    slk_put_u64(bytes, key);
    rc = mdb_put(txn, base, &k, &v, MDB_RESERVE | MDB_APPEND);
    *out = v.mv_data;
    return rc == MDB_KEYEXIST ? MDB_CORRUPTED : rc; /* something is stored where the tip says the end is */
}

static int put_entries(struct slk_env *env, MDB_txn *txn, const struct slk_block *block)
{
    size_t marks_n = SLK_ENTRY_MARKS(block->entries_n);
    size_t size = block->entries_size + 4 * marks_n + SLK_ENTRIES_TAIL;
    uint8_t *at;
    int rc = reserve(txn, env->base[SLK_BASE_ENTRIES], block->first_index, size, &at);

    if (rc != 0)
        return rc;
    memcpy(at, block->entries, block->entries_size);
    at += block->entries_size;
    for (size_t i = 0; i < marks_n; i++)
        slk_put_u32(at + 4 * i, block->offsets[i * SLK_ENTRIES_PER_MARK]);
    at += 4 * marks_n;
    slk_put_u64(at, block->header.height);
    slk_put_u32(at + 8, (uint32_t)block->entries_n);
    return 0;
}

static int put_rows(struct slk_env *env, MDB_txn *txn, const struct slk_block *block)
{
    uint8_t *at;
    int rc;

    if (block->rows_n == 0)
        return 0;
    rc = reserve(txn, env->base[SLK_BASE_ROWS], block->first_row, slk_rows_size(block->rows_n), &at);
    if (rc == 0)
        memcpy(at, block->rows, slk_rows_size(block->rows_n));
    return rc;
}

/* Groups of leaf hashes that this block fills: the kept hashes first, then the block's. */
static int put_leaves(const struct slk_store *store, MDB_txn *txn, const struct slk_block *block)
{
    uint64_t group = block->first_index / SLK_GROUP_LEAVES;
    size_t kept = store->leaves_n, used = 0;

    while (kept + (block->entries_n - used) >= SLK_GROUP_LEAVES) {
        size_t take = SLK_GROUP_LEAVES - kept;
        uint8_t *at;
        int rc =
            reserve(txn, store->env->base[SLK_BASE_LEAVES], group, SLK_GROUP_LEAVES * SLK_HASH_SIZE, &at);

        if (rc != 0)
            return rc;
        memcpy(at, store->leaves, kept * SLK_HASH_SIZE);
        memcpy(at + kept * SLK_HASH_SIZE, block->leaves + used, take * SLK_HASH_SIZE);
        used += take;
        kept = 0;
        group++;
    }
    return 0;
}

static int put_tiles(struct slk_env *env, MDB_txn *txn, const struct slk_block *block)
{
    for (size_t i = 0; i < block->tiles_n; i++) {
        uint8_t key[SLK_TILE_KEY_SIZE];
        int rc;

        if (block->tiles[i].level == 0)
            continue;
        slk_put_u32(key, block->tiles[i].level);
        slk_put_u64(key + 4, block->tiles[i].index);
        rc = slk_env_put(txn, env->base[SLK_BASE_TILES], key, sizeof key, block->tiles[i].hashes,
            SLK_TILE_WIDTH * SLK_HASH_SIZE);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int put_head(struct slk_env *env, MDB_txn *txn, const struct slk_block *block)
{
    uint8_t tip[SLK_TIP_SIZE];
    uint8_t *at;
    int rc = reserve(txn, env->base[SLK_BASE_BLOCK], block->header.height, SLK_BLOCK_ROW, &at);

    if (rc != 0)
        return rc;
    memcpy(at, block->header_bytes, SLK_BLOCK_HEADER_SIZE);
    at += SLK_BLOCK_HEADER_SIZE;
    slk_put_u64(at, block->first_index);
    slk_put_u64(at + 8, block->first_row);
    slk_put_u32(at + 16, (uint32_t)block->entries_n);
    slk_put_u32(at + 20, (uint32_t)block->rows_n);
    slk_tip_format(tip, &block->tip);
    return slk_env_put(txn, env->base[SLK_BASE_META], SLK_META_TIP, sizeof SLK_META_TIP - 1, tip, sizeof tip);
}

/* One more height at the end of the list: what a start needs to find the charter in force without reading every block. */
static int put_change(struct slk_env *env, MDB_txn *txn, uint64_t height)
{
    MDB_val k = {sizeof SLK_META_CHANGES - 1, (void *)(uintptr_t)SLK_META_CHANGES}, v = {0, NULL};
    uint8_t *list;
    size_t size;
    int rc = mdb_get(txn, env->base[SLK_BASE_META], &k, &v);

    if (rc != 0 && rc != MDB_NOTFOUND)
        return rc;
    size = rc == 0 ? v.mv_size : 0;
    list = malloc(size + sizeof(height));
    if (list == NULL)
        return ENOMEM;
    if (size > 0)
        memcpy(list, v.mv_data, size);
    slk_put_u64(list + size, height);
    rc = slk_env_put(txn, env->base[SLK_BASE_META], SLK_META_CHANGES, sizeof SLK_META_CHANGES - 1, list,
        size + sizeof(height));
    free(list);
    return rc;
}

static int put_finality(struct slk_env *env, MDB_txn *txn, const struct slk_cert *finality)
{
    uint8_t form[SLK_CERT_FORM_MAX];
    uint8_t *at;
    size_t size;
    int rc;

    if (finality == NULL)
        return 0;
    size = slk_cert_form(form, finality);
    rc = reserve(txn, env->base[SLK_BASE_FCERT], finality->height, size, &at);
    if (rc == 0)
        memcpy(at, form, size);
    return rc;
}

static int write_block(struct slk_store *store, MDB_txn *txn, const void *what)
{
    const struct slk_decision *d = what;
    struct slk_env *env = store->env;
    int rc = put_entries(env, txn, d->block);

    if (rc == 0)
        rc = put_rows(env, txn, d->block);
    if (rc == 0)
        rc = put_leaves(store, txn, d->block);
    if (rc == 0)
        rc = put_tiles(env, txn, d->block);
    if (rc == 0)
        rc = put_head(env, txn, d->block);
    if (rc == 0 && d->block->has_change)
        rc = put_change(env, txn, d->block->header.height);
    if (rc == 0)
        rc = put_finality(env, txn, d->finality);
    if (rc == 0)
        rc = slk_cons_drop(env, txn);
    return rc == 0 ? slk_pool_take(env, txn, d->included, d->included_n) : rc;
}

/* Bytes a commit may add to the file, pages rounded up. */
static size_t room_for(const struct slk_block *block)
{
    size_t page = 65536; /* LMDB's largest */
    size_t groups = block->entries_n / SLK_GROUP_LEAVES + 1;
    size_t n = SLK_CERT_FORM_MAX + page;

    n += block->entries_size + 4 * block->entries_n + SLK_ENTRIES_TAIL + page;
    n += slk_rows_size(block->rows_n) + page;
    n += groups * (SLK_GROUP_LEAVES * SLK_HASH_SIZE + page);
    n += block->has_change ? SLK_CHANGES_MAX + page : 0;
    return n + block->tiles_n * (SLK_TILE_WIDTH * SLK_HASH_SIZE + page);
}

static void advance(struct slk_store *store, const struct slk_block *block)
{
    size_t end = (size_t)(block->tip.log_size % SLK_GROUP_LEAVES);

    if (end >= block->entries_n && end - block->entries_n == store->leaves_n) {
        memcpy(store->leaves + store->leaves_n, block->leaves, block->entries_n * sizeof(*store->leaves));
    } else { /* a group became full on the way: what is left over is this block's */
        assert(end <= block->entries_n);
        memcpy(store->leaves, block->leaves + (block->entries_n - end), end * sizeof(*store->leaves));
    }
    store->leaves_n = end;
    store->tip = block->tip;
    store->has_tip = true;
    store->commits_n++;
    if (store->commits_n % READER_CHECK_EACH == 0)
        (void)mdb_reader_check(store->env->mdb, NULL);
}

enum slk_err slk_store_commit(
    struct slk_store *store, const struct slk_decision *decision, struct slk_fault *fault)
{
    enum slk_err err = is_writable(store, fault);

    if (err != SLK_OK)
        return err;
    check_follows(store, decision->block);
    check_finality(decision);
    if (!store->has_leaves) {
        err = fill_leaves(store);
        if (err != SLK_OK)
            return die(store, err, fault);
    }
    err = slk_store_write(store, room_for(decision->block), write_block, decision, fault);
    if (err == SLK_OK)
        advance(store, decision->block);
    return err;
}

bool slk_store_is_cramped(const struct slk_store *store)
{
    return store->env->cramped;
}

enum slk_err slk_store_grow(struct slk_store *store)
{
    enum slk_err err;

    if (store->read_only)
        return SLK_E_READ_ONLY;
    pthread_mutex_lock(&store->env->writer);
    err = slk_env_make_room(store->env, 0);
    pthread_mutex_unlock(&store->env->writer);
    return err;
}

/* ---- checkpoint ---- */

/* Is `head` a tree of this log? */
static enum slk_err check_head(
    struct slk_view *view, const struct slk_tree_head *head, struct slk_fault *fault)
{
    struct slk_hash root;
    enum slk_err err;

    if (!view->has_tip || head->tree_size == 0 || head->tree_size > view->tip.log_size) {
        slk_fault_set(fault, "the checkpoint is of a log of %llu entries, which is not stored here",
            (unsigned long long)head->tree_size);
        return SLK_E_CHAIN;
    }
    root = view->tip.log_root;
    if (head->tree_size < view->tip.log_size) {
        err = slk_log_root_at(&root, head->tree_size, slk_view_tile, view);
        if (err != SLK_OK)
            return err;
    }
    if (slk_hash_equal(&root, &head->root_hash))
        return SLK_OK;
    slk_fault_set(fault, "the checkpoint's root is not that of this log at %llu entries",
        (unsigned long long)head->tree_size);
    return SLK_E_CHAIN;
}

static enum slk_err check_not_older(
    struct slk_view *view, const struct slk_tree_head *head, struct slk_fault *fault)
{
    struct slk_tree_head last;
    struct slk_span note;
    enum slk_err err = slk_view_checkpoint(view, &last, &note);

    if (err == SLK_E_NOT_FOUND)
        return SLK_OK;
    if (err != SLK_OK)
        return err;
    if (head->tree_size > last.tree_size ||
        (head->tree_size == last.tree_size && slk_hash_equal(&head->root_hash, &last.root_hash)))
        return SLK_OK;
    slk_fault_set(fault, "a checkpoint of %llu entries was signed already; one of %llu would contradict it",
        (unsigned long long)last.tree_size, (unsigned long long)head->tree_size);
    return SLK_E_CHAIN;
}

struct signed_head {
    const struct slk_tree_head *head;
    struct slk_span note;
};

static int write_checkpoint(struct slk_store *store, MDB_txn *txn, const void *what)
{
    const struct signed_head *c = what;
    MDB_val k = {sizeof SLK_META_CHECKPOINT - 1, (void *)(uintptr_t)SLK_META_CHECKPOINT};
    MDB_val v = {8 + SLK_HASH_SIZE + c->note.size, NULL};
    int rc = mdb_put(txn, store->env->base[SLK_BASE_META], &k, &v, MDB_RESERVE);
    uint8_t *at = v.mv_data;

    if (rc != 0)
        return rc;
    slk_put_u64(at, c->head->tree_size);
    memcpy(at + 8, c->head->root_hash.b, SLK_HASH_SIZE);
    memcpy(at + 8 + SLK_HASH_SIZE, c->note.at, c->note.size);
    return 0;
}

enum slk_err slk_store_put_checkpoint(
    struct slk_store *store, const struct slk_tree_head *head, struct slk_span note)
{
    struct slk_view *view;
    enum slk_err err = is_writable(store, NULL);

    if (err != SLK_OK)
        return err;
    if (note.size == 0 || note.size > SLK_NOTE_MAX)
        return SLK_E_TOO_LARGE;
    err = slk_view_begin(&view, store);
    if (err != SLK_OK)
        return err;
    err = check_head(view, head, NULL);
    if (err == SLK_OK)
        err = check_not_older(view, head, NULL);
    slk_view_end(view);
    if (err != SLK_OK)
        return err;
    return slk_store_write(
        store, note.size, write_checkpoint, &(struct signed_head){.head = head, .note = note}, NULL);
}
