/* store.c: making, opening and closing a ledger directory; what is checked again at every start. */
#include "ledger/store/internal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/store/lmdb_file.h"

/* ---- small things ---- */

void slk_fault_set(struct slk_fault *fault, const char *format, ...)
{
    va_list args;

    if (fault == NULL)
        return;
    fault->line = 0;
    va_start(args, format);
    (void)vsnprintf(fault->text, sizeof fault->text, format, args);
    va_end(args);
}

bool slk_store_path(char out[SLK_PATH_SIZE], const char *dir, const char *name)
{
    int n = snprintf(out, SLK_PATH_SIZE, "%s/%s", dir, name);

    return n > 0 && n < SLK_PATH_SIZE;
}

bool slk_store_read(int fd, uint64_t offset, uint8_t *out, size_t size)
{
    while (size > 0) {
        ssize_t n = pread(fd, out, size, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        out += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return true;
}

enum slk_err slk_store_errno(int error_number)
{
    switch (error_number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return SLK_E_NO_SPACE;
    case ENOMEM:
        return SLK_E_NOMEM;
    case ENOENT:
    case ENOTDIR:
        return SLK_E_NOT_FOUND;
    default: /* discouraged: errno is a plain number */
        return SLK_E_IO;
    }
}

void slk_tip_format(uint8_t out[SLK_TIP_SIZE], const struct slk_tip *tip)
{
    struct slk_writer w = {.at = out, .cap = SLK_TIP_SIZE};

    slk_write_u64(&w, tip->height);
    slk_write_u64(&w, tip->time_ms);
    slk_write_u64(&w, tip->log_size);
    slk_write_u64(&w, tip->rows_n);
    slk_write_u64(&w, tip->events_n);
    slk_write_bytes(&w, tip->block_hash.b, SLK_HASH_SIZE);
    slk_write_bytes(&w, tip->seal_hash.b, SLK_HASH_SIZE);
    slk_write_bytes(&w, tip->log_root.b, SLK_HASH_SIZE);
    slk_write_bytes(&w, tip->map_root.b, SLK_HASH_SIZE);
    assert(!w.bad && w.size == SLK_TIP_SIZE);
}

bool slk_tip_parse(struct slk_tip *out, struct slk_span bytes)
{
    struct slk_reader r = {.rest = bytes};

    out->height = slk_read_u64(&r);
    out->time_ms = slk_read_u64(&r);
    out->log_size = slk_read_u64(&r);
    out->rows_n = slk_read_u64(&r);
    out->events_n = slk_read_u64(&r);
    slk_read_bytes(&r, out->block_hash.b, SLK_HASH_SIZE);
    slk_read_bytes(&r, out->seal_hash.b, SLK_HASH_SIZE);
    slk_read_bytes(&r, out->log_root.b, SLK_HASH_SIZE);
    slk_read_bytes(&r, out->map_root.b, SLK_HASH_SIZE);
    return slk_read_done(&r) && out->log_size > 0;
}

enum slk_err slk_fsync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc;

    if (fd < 0)
        return slk_store_errno(errno);
    rc = fsync(fd);
    (void)close(fd);
    return rc == 0 ? SLK_OK : SLK_E_IO;
}

/* ---- the writer's lock ---- */

static enum slk_err refuse_second_writer(int fd, struct slk_fault *fault)
{
    char pid[24];
    ssize_t n = pread(fd, pid, sizeof pid - 1, 0);

    pid[n > 0 ? n : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    slk_fault_set(fault, "process %s is writing to this ledger; stop it first", pid[0] != '\0' ? pid : "?");
    return SLK_E_IN_USE;
}

/* flock() and not a file's existence: it goes when its process goes, however it goes. */
static enum slk_err lock_writer(int *out, const char *dir, struct slk_fault *fault)
{
    char path[SLK_PATH_SIZE], pid[24];
    enum slk_err err;
    int fd, n;

    *out = -1;
    if (!slk_store_path(path, dir, "writer.lock"))
        return SLK_E_IO;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        slk_fault_set(fault, "%s cannot be opened: %s", path, strerror(errno));
        return slk_store_errno(errno);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        err = errno == EWOULDBLOCK ? refuse_second_writer(fd, fault) : SLK_E_IO;
        (void)close(fd);
        return err;
    }
    /* The number is for people only: losing it costs nothing, so its write is not checked hard. */
    n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) == 0 && n > 0 && pwrite(fd, pid, (size_t)n, 0) != n)
        (void)ftruncate(fd, 0);
    *out = fd;
    return SLK_OK;
}

/* ---- checks at start ---- */

static enum slk_err damaged(struct slk_fault *fault, uint64_t height, const char *what)
{
    slk_fault_set(fault, "block %llu: %s; run `sillok fsck`", (unsigned long long)height, what);
    return SLK_E_CORRUPT;
}

/* The seal stands for its block in the log: it must say what the header says. */
static const char *compare_seal(const struct slk_block_header *header, struct slk_span bytes)
{
    struct slk_entry seal;

    if (slk_entry_parse(&seal, bytes) != SLK_OK || seal.type != SLK_ENTRY_SEAL)
        return "its last entry is not a seal";
    if (seal.seal.height != header->height || seal.seal.time_ms != header->time_ms ||
        seal.seal.proposer != header->proposer || seal.seal.origin_view != header->origin_view ||
        !slk_hash_equal(&seal.seal.map_root, &header->map_root) ||
        !slk_hash_equal(&seal.seal.charter_hash, &header->charter_hash) ||
        !slk_hash_equal(&seal.seal.next_charter_hash, &header->next_charter_hash))
        return "its seal differs from its header";
    return NULL;
}

/* Entries hashed again, compared with the stored hashes (those of the unfinished group are made from the entries
 * anyway: the log root at the tip covers them). */
static enum slk_err check_leaves(
    struct slk_view *view, const struct slk_view_block *block, uint64_t height, struct slk_fault *fault)
{
    struct slk_hash stored[SLK_TILE_WIDTH], again;
    uint64_t end = block->first_index + block->entries_n;

    for (uint64_t i = block->first_index; i < end; i++) {
        uint32_t at = (uint32_t)(i % SLK_TILE_WIDTH);
        if (at == 0 || i == block->first_index) {
            uint32_t width = slk_tile_width(0, i / SLK_TILE_WIDTH, view->tip.log_size);
            if (!slk_view_tile(view, 0, i / SLK_TILE_WIDTH, width, stored))
                return damaged(fault, height, "a tile of its hashes cannot be read");
        }
        if (slk_view_hash_leaves(view, i, 1, &again) != SLK_OK)
            return damaged(fault, height, "an entry cannot be read");
        if (!slk_hash_equal(&again, &stored[at])) {
            slk_fault_set(fault, "block %llu: entry %llu is not the one the log holds; run `sillok fsck`",
                (unsigned long long)height, (unsigned long long)i);
            return SLK_E_CORRUPT;
        }
    }
    return SLK_OK;
}

/* What block `height` must lead to: the tip's values, or those of the block after it. */
struct chain_end {
    struct slk_hash block_hash;
    uint64_t log_size;
    uint64_t rows_n;
};

static enum slk_err check_block(const struct slk_store *store, struct slk_view *view, uint64_t height,
    struct chain_end *end, size_t *budget, struct slk_fault *fault)
{
    struct slk_view_block block;
    struct slk_block_header header;
    struct slk_cert cert;
    struct slk_hash hash;
    struct slk_span seal;
    const char *what;

    if (slk_view_block(view, height, &block) != SLK_OK)
        return damaged(fault, height, "it cannot be read");
    if (slk_block_header_parse(&header, block.header) != SLK_OK || header.height != height)
        return damaged(fault, height, "its header cannot be read");
    if (!slk_hash_equal(&header.chain_id, &store->chain_id)) {
        slk_fault_set(fault, "block %llu is of another ledger than the charter", (unsigned long long)height);
        return SLK_E_CHAIN;
    }
    slk_block_hash(&hash, block.header);
    if (!slk_hash_equal(&hash, &end->block_hash))
        return damaged(fault, height, "its hash is not the one that follows from the tip");
    if (block.entries_n > end->log_size || block.first_index != end->log_size - block.entries_n ||
        header.log_size != end->log_size || block.rows_n > end->rows_n ||
        block.first_row != end->rows_n - block.rows_n)
        return damaged(fault, height, "its place in the log does not fit its neighbours");
    if (slk_view_entry(view, header.log_size - 1, &seal) != SLK_OK)
        return damaged(fault, height, "its seal cannot be read");
    what = compare_seal(&header, seal);
    if (what != NULL)
        return damaged(fault, height, what);
    if (height > 0 && slk_view_finality(view, height, &cert) != SLK_OK)
        return damaged(fault, height, "its finality certificate is missing, damaged, or of another block");
    end->block_hash = header.previous;
    end->log_size = block.first_index;
    end->rows_n = block.first_row;
    if (block.entries_n > *budget)
        return SLK_OK;
    *budget -= block.entries_n;
    return check_leaves(view, &block, height, fault);
}

/* The tip against its header, its seal and the right edge of the log. */
static enum slk_err check_tip(struct slk_view *view, struct slk_fault *fault)
{
    const struct slk_tip *tip = &view->tip;
    struct slk_log *log = malloc(sizeof(*log));
    struct slk_view_block block;
    struct slk_block_header header;
    struct slk_hash root, seal;
    enum slk_err err;

    if (log == NULL)
        return SLK_E_NOMEM;
    err = slk_view_load_log(view, log);
    if (err == SLK_OK)
        slk_log_root(log, &root);
    free(log);
    if (err != SLK_OK)
        return damaged(fault, tip->height, "the right edge of the log cannot be read");
    if (slk_view_block(view, tip->height, &block) != SLK_OK ||
        slk_block_header_parse(&header, block.header) != SLK_OK)
        return damaged(fault, tip->height, "it cannot be read");
    if (slk_view_hash_leaves(view, tip->log_size - 1, 1, &seal) != SLK_OK ||
        !slk_hash_equal(&seal, &tip->seal_hash))
        return damaged(fault, tip->height, "its seal is not the one of the tip");
    if (!slk_hash_equal(&header.log_root, &tip->log_root) ||
        !slk_hash_equal(&header.map_root, &tip->map_root) || header.time_ms != tip->time_ms)
        return damaged(fault, tip->height, "its header is not the one of the tip");
    if (!slk_hash_equal(&root, &tip->log_root))
        return damaged(fault, tip->height, "the entries do not lead to its log root");
    return SLK_OK;
}

static enum slk_err check_end_of_chain(
    const struct slk_store *store, struct slk_view *view, struct slk_fault *fault)
{
    struct chain_end end = {view->tip.block_hash, view->tip.log_size, view->tip.rows_n};
    size_t budget = SLK_OPEN_ENTRIES;
    uint64_t height = view->tip.height;
    enum slk_err err = SLK_OK;

    for (uint32_t i = 0; err == SLK_OK && i < SLK_OPEN_BLOCKS; i++, height--) {
        err = check_block(store, view, height, &end, &budget, fault);
        if (height == 0)
            break;
    }
    return err == SLK_OK ? check_tip(view, fault) : err;
}

/* ---- open, create, close ---- */

static enum slk_err read_meta(struct slk_store *store, struct slk_view *view, struct slk_fault *fault)
{
    struct slk_span charter, chain_id;
    struct slk_hash computed;

    if (slk_view_get(view, SLK_BASE_META, SLK_META_CHARTER, sizeof SLK_META_CHARTER - 1, &charter) !=
            SLK_OK ||
        slk_view_get(view, SLK_BASE_META, SLK_META_CHAIN_ID, sizeof SLK_META_CHAIN_ID - 1, &chain_id) !=
            SLK_OK ||
        chain_id.size != SLK_HASH_SIZE || charter.size == 0 || charter.size > SLK_CHARTER_BYTES_MAX) {
        slk_fault_set(fault, "the genesis charter cannot be read; run `sillok fsck`");
        return SLK_E_CORRUPT;
    }
    slk_charter_chain_id(&computed, charter);
    memcpy(store->chain_id.b, chain_id.at, SLK_HASH_SIZE);
    if (!slk_hash_equal(&computed, &store->chain_id)) {
        slk_fault_set(fault, "the genesis charter is not the one this ledger was made with");
        return SLK_E_CHAIN;
    }
    store->charter = malloc(charter.size);
    if (store->charter == NULL)
        return SLK_E_NOMEM;
    memcpy(store->charter, charter.at, charter.size);
    store->charter_size = charter.size;
    store->has_tip = view->has_tip;
    store->tip = view->tip;
    return SLK_OK;
}

/* Is this the newest picture, and what LMDB takes it for? See newest.c. */
static enum slk_err check_newest(struct slk_view *view, uint64_t newest, struct slk_fault *fault)
{
    uint64_t txn_id = mdb_txn_id(view->txn);
    struct slk_span stamp;

    if (slk_view_get(view, SLK_BASE_META, SLK_META_STAMP, sizeof SLK_META_STAMP - 1, &stamp) != SLK_OK ||
        stamp.size != 8 || slk_get_u64(stamp.at) != txn_id) {
        slk_fault_set(fault,
            "data.mdb: a meta page names another transaction than the one it is of; run `sillok fsck`");
        return SLK_E_CORRUPT;
    }
    if (txn_id >= newest)
        return SLK_OK;
    slk_fault_set(fault,
        "data.mdb ends before what was committed here last (transaction %llu of %llu): it is damaged, or an "
        "older copy; if "
        "that is meant, remove the file `newest`",
        (unsigned long long)txn_id, (unsigned long long)newest);
    return SLK_E_CORRUPT;
}

static enum slk_err load(struct slk_store *store, bool unchecked, uint64_t newest, struct slk_fault *fault)
{
    struct slk_view *view;
    enum slk_err err = slk_view_begin(&view, store);

    if (err != SLK_OK) {
        slk_fault_set(fault, "the tip cannot be read");
        return err;
    }
    err = check_newest(view, newest, fault);
    if (err == SLK_OK)
        err = read_meta(store, view, fault);
    if (err == SLK_OK && view->has_tip && !unchecked)
        err = check_end_of_chain(store, view, fault);
    slk_view_end(view);
    return err;
}

static enum slk_err store_new(struct slk_store **out, const char *dir, bool read_only)
{
    struct slk_store *store = calloc(1, sizeof(*store));

    *out = store;
    if (store == NULL)
        return SLK_E_NOMEM;
    store->lock_fd = -1;
    store->newest_fd = -1;
    store->read_only = read_only;
    store->dir = strdup(dir);
    store->leaves = malloc(SLK_GROUP_LEAVES * sizeof(*store->leaves));
    return store->dir != NULL && store->leaves != NULL ? SLK_OK : SLK_E_NOMEM;
}

void slk_store_close(struct slk_store *store)
{
    if (store == NULL)
        return;
    slk_env_close(store->env);
    if (store->newest_fd >= 0)
        (void)close(store->newest_fd);
    if (store->lock_fd >= 0)
        (void)close(store->lock_fd); /* last: the next writer starts when LMDB is closed */
    free(store->charter);
    free(store->leaves);
    free(store->dir);
    free(store);
}

static struct slk_env_options env_options(const struct slk_store_options *options)
{
    struct slk_env_options e = {.read_only = false};

    if (options != NULL) {
        e.read_only = options->read_only;
        e.walk_all = options->unchecked; /* an auditor's: the file is somebody else's */
        e.map_size = options->map_size;
        e.map_headroom = options->map_headroom;
        e.map_max = options->map_max;
    }
    return e;
}

enum slk_err slk_store_open(
    struct slk_store **out, const char *dir, const struct slk_store_options *options, struct slk_fault *fault)
{
    struct slk_env_options env = env_options(options);
    struct slk_store *store;
    uint64_t newest;
    enum slk_err err;

    *out = NULL;
    (void)slk_newest_read(dir, &newest); /* before data.mdb: a writer may be at work */
    err = slk_lmdb_check_head(dir, fault);
    if (err != SLK_OK)
        return err;
    err = store_new(&store, dir, env.read_only);
    if (err == SLK_OK && !env.read_only)
        err = lock_writer(&store->lock_fd, dir, fault);
    if (err == SLK_OK)
        err = slk_env_open(&store->env, dir, &env, fault);
    if (err == SLK_OK)
        err = load(store, options != NULL && options->unchecked, newest, fault);
    if (err != SLK_OK) {
        slk_store_close(store);
        return err;
    }
    *out = store;
    return SLK_OK;
}

/* Nothing but what an interrupted slk_store_create leaves behind, and data.mdb, which has its own refusal. */
static enum slk_err check_empty(const char *dir, struct slk_fault *fault)
{
    static const char *const ours[] = {
        ".", "..", "data.mdb", SLK_MAKING, "lock.mdb", "writer.lock", "newest"};
    DIR *d = opendir(dir);
    enum slk_err err = SLK_OK;
    struct dirent *e;

    if (d == NULL) {
        slk_fault_set(fault, "%s cannot be read: %s", dir, strerror(errno));
        return errno == ENOTDIR ? SLK_E_EXISTS : slk_store_errno(errno);
    }
    while (err == SLK_OK && (e = readdir(d)) != NULL) {
        bool known = false;
        for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
            known = known || strcmp(e->d_name, ours[i]) == 0;
        if (!known) {
            slk_fault_set(fault, "%s is not empty (it holds `%s`): name a directory that is, or a new one",
                dir, e->d_name);
            err = SLK_E_EXISTS;
        }
    }
    (void)closedir(d);
    return err;
}

/* What a slk_store_create that was interrupted left, never data.mdb: that one is whole as soon as it has its name. */
static void remove_unfinished(const char *dir)
{
    static const char *const ours[] = {SLK_MAKING "/data.mdb", SLK_MAKING "/lock.mdb", "lock.mdb", "newest"};
    char path[SLK_PATH_SIZE];

    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (slk_store_path(path, dir, ours[i]))
            (void)unlink(path);
    if (slk_store_path(path, dir, SLK_MAKING))
        (void)rmdir(path);
}

/* LMDB syncs the file, nobody syncs the names: without this a power cut can take the whole directory. */
static enum slk_err sync_names(const char *dir)
{
    char parent[SLK_PATH_SIZE];
    enum slk_err err = slk_fsync_dir(dir);

    if (err == SLK_OK && !slk_store_path(parent, dir, ".."))
        err = SLK_E_IO;
    return err == SLK_OK ? slk_fsync_dir(parent) : err;
}

/* The writer's lock is held. */
static enum slk_err make_in(struct slk_store *store, const char *dir, struct slk_span charter,
    const struct slk_store_options *options, struct slk_fault *fault)
{
    struct slk_env_options env = env_options(options);
    char path[SLK_PATH_SIZE];
    enum slk_err err;

    if (!slk_store_path(path, dir, "data.mdb"))
        return SLK_E_IO;
    if (access(path, F_OK) == 0) {
        slk_fault_set(fault, "%s holds a ledger already", dir);
        return SLK_E_EXISTS;
    }
    env.read_only = false;
    remove_unfinished(dir);
    err = slk_env_make(dir, charter, fault);
    remove_unfinished(dir); /* its empty folder */
    if (err == SLK_OK)
        err = sync_names(dir);
    if (err == SLK_OK)
        err = slk_env_open(&store->env, dir, &env, fault);
    if (err == SLK_OK)
        err = load(store, false, 0, fault);
    if (err != SLK_OK) { /* nobody was told of it yet */
        slk_env_close(store->env);
        store->env = NULL;
        (void)unlink(path);
        remove_unfinished(dir);
    }
    return err;
}

static enum slk_err create_in(struct slk_store **out, const char *dir, struct slk_span charter,
    const struct slk_store_options *options, struct slk_fault *fault)
{
    char path[SLK_PATH_SIZE];
    struct slk_store *store;
    enum slk_err err = store_new(&store, dir, false);

    if (err == SLK_OK)
        err = lock_writer(&store->lock_fd, dir, fault);
    if (err == SLK_OK) {
        err = make_in(store, dir, charter, options, fault);
        if (err != SLK_OK && err != SLK_E_EXISTS && slk_store_path(path, dir, "writer.lock"))
            (void)unlink(path);
    }
    if (err != SLK_OK) {
        slk_store_close(store);
        return err;
    }
    *out = store;
    return SLK_OK;
}

enum slk_err slk_store_create(struct slk_store **out, const char *dir, struct slk_span genesis_charter,
    const struct slk_store_options *options, struct slk_fault *fault)
{
    bool made_dir = mkdir(dir, 0700) == 0;
    enum slk_err err;

    *out = NULL;
    if (fault != NULL)
        fault->text[0] = '\0';
    if (genesis_charter.size == 0 || genesis_charter.size > SLK_CHARTER_BYTES_MAX)
        return SLK_E_CHARTER;
    if (!made_dir && errno != EEXIST) {
        slk_fault_set(fault, "%s cannot be made: %s", dir, strerror(errno));
        return slk_store_errno(errno);
    }
    err = made_dir ? SLK_OK : check_empty(dir, fault);
    if (err == SLK_OK)
        err = create_in(out, dir, genesis_charter, options, fault);
    if (err != SLK_OK && made_dir)
        (void)rmdir(dir);
    if (err != SLK_OK && fault != NULL && fault->text[0] == '\0')
        slk_fault_set(fault, "%s: %s", dir, slk_err_text(err));
    return err;
}

const char *slk_store_dir(const struct slk_store *store)
{
    return store->dir;
}

struct slk_span slk_store_charter(const struct slk_store *store)
{
    return slk_span_of(store->charter, store->charter_size);
}

const struct slk_hash *slk_store_chain_id(const struct slk_store *store)
{
    return &store->chain_id;
}

bool slk_store_has_tip(const struct slk_store *store)
{
    return store->has_tip;
}

const struct slk_tip *slk_store_tip(const struct slk_store *store)
{
    return &store->tip;
}
