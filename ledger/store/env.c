/* env.c: LMDB's environment: opened once per directory and process, its map growing under the feet of readers. */
#include "ledger/store/internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "ledger/store/lmdb_file.h"

/* Only address space: LMDB without MDB_WRITEMAP neither extends the file nor touches pages beyond its end. */
#define MAP_SIZE     (sizeof(size_t) > 4 ? (size_t)1 << 20 << 20 : (size_t)1 << 30)
#define MAP_HEADROOM ((size_t)64 << 20)
#define MAP_SIZE_MIN ((size_t)1 << 20)
#define MAP_GRAIN    ((size_t)1 << 20)
#define READERS_MAX  1022 /* slots in lock.mdb: one per view, 64 bytes each */
#define GROW_WAIT_S  30   /* how long a commit waits for views to end when the map must grow */

const char *const slk_base_names[SLK_BASE_N] = {
    "meta", "block", "entries", "rows", "leaves", "tiles", "fcert", "cons", "cand", "pool", "evidence"};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct slk_env *registry;

enum slk_err slk_env_err(int rc)
{
    if (rc == 0)
        return SLK_OK;
    if (rc == MDB_NOTFOUND)
        return SLK_E_NOT_FOUND;
    if (rc == MDB_MAP_FULL)
        return SLK_E_NO_SPACE;
    if (rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND || rc == MDB_INVALID || rc == MDB_BAD_TXN ||
        rc == MDB_INCOMPATIBLE || rc == MDB_VERSION_MISMATCH)
        return SLK_E_CORRUPT;
    return rc > 0 ? slk_store_errno(rc) : SLK_E_IO;
}

/* For /metrics alone: nothing that is stored depends on it. */
static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int slk_env_commit(struct slk_env *env, MDB_txn *txn)
{
    uint8_t stamp[8];
    uint64_t begun_us = now_us();
    int rc;

    slk_put_u64(stamp, mdb_txn_id(txn));
    rc = slk_env_put(
        txn, env->base[SLK_BASE_META], SLK_META_STAMP, sizeof SLK_META_STAMP - 1, stamp, sizeof stamp);
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    rc = mdb_txn_commit(txn); /* frees it, also when it fails */
    slk_histogram_add(&env->commits, now_us() - begun_us);
    return rc;
}

int slk_env_put(MDB_txn *txn, MDB_dbi base, const void *key, size_t key_size, const void *value, size_t size)
{
    MDB_val k = {key_size, (void *)(uintptr_t)key};
    MDB_val v = {size, (void *)(uintptr_t)value};

    return mdb_put(txn, base, &k, &v, 0);
}

/* ---- read transactions ---- */

static void reader_leave(struct slk_env *env)
{
    pthread_mutex_lock(&env->lock);
    assert(env->readers_n > 0);
    env->readers_n--;
    if (env->readers_n == 0)
        pthread_cond_broadcast(&env->changed);
    pthread_mutex_unlock(&env->lock);
}

static bool reader_enter(struct slk_env *env)
{
    bool dead;

    pthread_mutex_lock(&env->lock);
    while (env->growing)
        pthread_cond_wait(&env->changed, &env->lock);
    dead = env->dead;
    if (!dead)
        env->readers_n++;
    pthread_mutex_unlock(&env->lock);
    return !dead;
}

/* Waits, at most `wait_s`, until no transaction of this process reads the map; new ones then wait for us. */
static bool stop_readers(struct slk_env *env, int wait_s)
{
    struct timespec until;
    int rc = 0;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += wait_s;
    pthread_mutex_lock(&env->lock);
    while (env->growing)
        pthread_cond_wait(&env->changed, &env->lock);
    env->growing = true;
    while (env->readers_n > 0 && rc == 0)
        rc = wait_s > 0 ? pthread_cond_timedwait(&env->changed, &env->lock, &until) : ETIMEDOUT;
    if (env->readers_n > 0) {
        env->growing = false;
        pthread_cond_broadcast(&env->changed);
    }
    rc = env->readers_n > 0;
    pthread_mutex_unlock(&env->lock);
    return rc == 0;
}

static void start_readers(struct slk_env *env, bool dead)
{
    pthread_mutex_lock(&env->lock);
    assert(env->growing);
    env->growing = false;
    env->dead = env->dead || dead;
    pthread_cond_broadcast(&env->changed);
    pthread_mutex_unlock(&env->lock);
}

/* LMDB unmaps before it maps anew: find out first that there is room, or we lose the map. */
static bool have_addresses(struct slk_env *env, size_t more)
{
    int fd;
    void *at;

    if (mdb_env_get_fd(env->mdb, &fd) != 0)
        return false;
    at = mmap(NULL, more, PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return false;
    (void)munmap(at, more);
    return true;
}

/* size 0: what another process has set. */
static enum slk_err set_map_size(struct slk_env *env, size_t size, int wait_s)
{
    int rc;

    if (!stop_readers(env, wait_s))
        return SLK_E_IN_USE;
    rc = mdb_env_set_mapsize(env->mdb, size);
    start_readers(env, rc != 0);
    return slk_env_err(rc);
}

enum slk_err slk_env_read(struct slk_env *env, MDB_txn **txn)
{
    for (;;) {
        enum slk_err err;
        int rc;

        if (!reader_enter(env))
            return SLK_E_NOMEM;
        rc = *txn != NULL ? mdb_txn_renew(*txn) : mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, txn);
        if (rc == 0)
            return SLK_OK;
        reader_leave(env);
        if (rc == MDB_READERS_FULL)
            return SLK_E_NOMEM;
        if (rc != MDB_MAP_RESIZED)
            return slk_env_err(rc);
        err = set_map_size(env, 0, GROW_WAIT_S);
        if (err != SLK_OK)
            return err;
    }
}

void slk_env_read_end(struct slk_env *env, MDB_txn *txn)
{
    mdb_txn_abort(txn);
    reader_leave(env);
}

void slk_env_read_reset(struct slk_env *env, MDB_txn *txn)
{
    mdb_txn_reset(txn);
    reader_leave(env);
}

enum slk_err slk_env_make_room(struct slk_env *env, size_t need)
{
    MDB_envinfo info;
    size_t used, size;
    enum slk_err err;
    bool must;
    int rc = mdb_env_info(env->mdb, &info);

    env->cramped = false;
    if (rc != 0)
        return slk_env_err(rc);
    used = (info.me_last_pgno + 1) * env->page_size;
    assert(used <= info.me_mapsize);
    size = info.me_mapsize;
    if (need <= size - used && env->map_headroom <= size - used - need)
        return SLK_OK;
    must = need == SIZE_MAX;
    if (size > SIZE_MAX / 4 || env->map_headroom > SIZE_MAX / 4)
        return must ? SLK_E_NO_SPACE : SLK_OK;
    size *= 2;
    if (need <= SIZE_MAX / 4 && size < used + need + env->map_headroom)
        size = used + need + env->map_headroom;
    size += MAP_GRAIN - 1 - (size - 1) % MAP_GRAIN;
    if (env->map_max != 0 && size > env->map_max)
        size = env->map_max;
    if (size <= info.me_mapsize)
        return SLK_OK; /* at the limit: LMDB says so when it is really full */
    if (!have_addresses(env, size - info.me_mapsize))
        return must ? SLK_E_NOMEM : SLK_OK;
    /* Early growth is tried at every commit and gives way to readers; the headroom is many blocks wide. */
    err = set_map_size(env, size, must ? GROW_WAIT_S : 0);
    env->cramped = err == SLK_E_IN_USE;
    return env->cramped && !must ? SLK_OK : err;
}

/* ---- opening ---- */

static struct slk_env *registry_find(const struct stat *st)
{
    for (struct slk_env *e = registry; e != NULL; e = e->next)
        if (e->device == st->st_dev && e->inode == st->st_ino && e->pid == getpid())
            return e;
    return NULL;
}

/* Without the right to write lock.mdb, pages we read could be reused by a writer: keep writers out by flock instead. */
static enum slk_err hold_writers(struct slk_env *env, const char *dir, struct slk_fault *fault)
{
    char path[SLK_PATH_SIZE];

    if (!slk_store_path(path, dir, "writer.lock"))
        return SLK_E_IO;
    env->hold_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (env->hold_fd < 0 || flock(env->hold_fd, LOCK_SH | LOCK_NB) == 0)
        return SLK_OK; /* no such file: nobody has ever been able to write here */
    slk_fault_set(
        fault, "a writer is active, and this user may not write lock.mdb, which reading beside it needs");
    return SLK_E_IN_USE;
}

static int open_mdb(struct slk_env *env, const char *dir, size_t map_size, unsigned flags)
{
    int rc = mdb_env_create(&env->mdb);

    if (rc == 0)
        rc = mdb_env_set_maxdbs(env->mdb, SLK_BASE_N);
    if (rc == 0)
        rc = mdb_env_set_maxreaders(env->mdb, READERS_MAX);
    if (rc == 0)
        rc = mdb_env_set_mapsize(env->mdb, map_size);
    if (rc == 0)
        rc = mdb_env_open(env->mdb, dir, flags, 0600);
    if (rc != 0) {
        mdb_env_close(env->mdb);
        env->mdb = NULL;
    }
    return rc;
}

static enum slk_err open_any_size(
    struct slk_env *env, const char *dir, const struct slk_env_options *options, struct slk_fault *fault)
{
    size_t size = options->map_size != 0 ? options->map_size : MAP_SIZE;
    /* MDB_NOTLS: a view belongs to whoever holds it, not to the thread that made it. */
    unsigned flags = MDB_NOTLS | (options->read_only ? MDB_RDONLY : 0);
    int rc;

    if (env->map_max != 0 && size > env->map_max)
        size = env->map_max;
    for (;;) {
        rc = open_mdb(env, dir, size, flags);
        if (rc == ENOMEM && size / 2 >= MAP_SIZE_MIN) {
            size /= 2; /* a limit on address space: start smaller and grow */
        } else if ((rc == EACCES || rc == EPERM) && options->read_only && (flags & MDB_NOLOCK) == 0) {
            enum slk_err err = hold_writers(env, dir, fault);
            if (err != SLK_OK)
                return err;
            flags |= MDB_NOLOCK;
        } else {
            break;
        }
    }
    if (rc != 0)
        slk_fault_set(fault, "%s/data.mdb cannot be opened: %s", dir, mdb_strerror(rc));
    return slk_env_err(rc);
}

static enum slk_err read_format(struct slk_env *env, MDB_txn *txn, struct slk_fault *fault)
{
    MDB_val key = {sizeof SLK_META_FORMAT - 1, (void *)(uintptr_t)SLK_META_FORMAT};
    MDB_val value;
    uint32_t format;
    int rc = mdb_get(txn, env->base[SLK_BASE_META], &key, &value);

    if (rc != 0 || value.mv_size != 4) {
        slk_fault_set(fault, "data.mdb names no format");
        return rc == MDB_NOTFOUND ? SLK_E_NOT_FOUND : SLK_E_CORRUPT;
    }
    format = slk_get_u32(value.mv_data);
    if (format > SLK_STORE_FORMAT) {
        slk_fault_set(fault, "the ledger's format is %u, this program knows %u", format, SLK_STORE_FORMAT);
        return SLK_E_FORMAT;
    }
    if (format == 0) {
        slk_fault_set(fault, "the ledger's format is 0, which never was");
        return SLK_E_CORRUPT;
    }
    if (format < SLK_STORE_FORMAT) {
        slk_fault_set(fault,
            "the ledger's format is %u, of an older program: its blocks carry no finality certificates, so "
            "this one "
            "(format %u) cannot vouch for it; read it with the program that wrote it, and submit its events "
            "to a new one",
            format, SLK_STORE_FORMAT);
        return SLK_E_FORMAT;
    }
    return SLK_OK;
}

static enum slk_err open_bases(struct slk_env *env, MDB_txn *txn, bool create, struct slk_fault *fault)
{
    for (int i = 0; i < SLK_BASE_N; i++) {
        int rc = mdb_dbi_open(txn, slk_base_names[i], create ? MDB_CREATE : 0, &env->base[i]);

        if (rc == MDB_NOTFOUND && i == SLK_BASE_META) {
            slk_fault_set(fault, "there is no ledger: its making was interrupted; make it again");
            return SLK_E_NOT_FOUND;
        }
        if (rc != 0) {
            slk_fault_set(fault, "data base `%s` cannot be opened: %s", slk_base_names[i], mdb_strerror(rc));
            return rc == MDB_NOTFOUND ? SLK_E_CORRUPT : slk_env_err(rc);
        }
        if (i == SLK_BASE_META && !create) {
            enum slk_err err = read_format(env, txn, fault);
            if (err != SLK_OK)
                return err;
        }
    }
    return SLK_OK;
}

/* Pins the newest picture by a read transaction, so that no writer reuses its pages; walks its structure without
 * LMDB; only then lets LMDB follow the pointers in it. */
static enum slk_err check_and_open_bases(
    struct slk_env *env, const char *dir, const struct slk_env_options *options, struct slk_fault *fault)
{
    MDB_txn *txn = NULL;
    enum slk_err err = slk_env_read(env, &txn);
    int rc;

    if (err != SLK_OK)
        return err;
    err = slk_lmdb_check(dir, mdb_txn_id(txn), options->walk_all, fault);
    while (err == SLK_E_RANGE) { /* two commits since: its meta page is gone; pin a newer one */
        slk_env_read_reset(env, txn);
        err = slk_env_read(env, &txn);
        if (err != SLK_OK) {
            mdb_txn_abort(txn);
            return err;
        }
        err = slk_lmdb_check(dir, mdb_txn_id(txn), options->walk_all, fault);
    }
    if (err == SLK_OK)
        err = open_bases(env, txn, false, fault);
    if (err == SLK_OK) { /* handles outlive a transaction only when it commits, also one that reads */
        rc = mdb_txn_commit(txn);
        txn = NULL;
        err = slk_env_err(rc);
    }
    mdb_txn_abort(txn); /* NULL is fine */
    reader_leave(env);
    return err;
}

/* Format, chain and charter. */
static int put_meta(struct slk_env *env, MDB_txn *txn, struct slk_span charter)
{
    MDB_dbi meta = env->base[SLK_BASE_META];
    struct slk_hash chain_id;
    uint8_t format[4];
    int rc;

    slk_put_u32(format, SLK_STORE_FORMAT);
    slk_charter_chain_id(&chain_id, charter);
    rc = slk_env_put(txn, meta, SLK_META_FORMAT, sizeof SLK_META_FORMAT - 1, format, sizeof format);
    if (rc == 0)
        rc = slk_env_put(
            txn, meta, SLK_META_CHAIN_ID, sizeof SLK_META_CHAIN_ID - 1, chain_id.b, sizeof chain_id.b);
    if (rc == 0)
        rc = slk_env_put(txn, meta, SLK_META_CHARTER, sizeof SLK_META_CHARTER - 1, charter.at, charter.size);
    return rc;
}

static enum slk_err fill_new(struct slk_env *env, struct slk_span charter, struct slk_fault *fault)
{
    MDB_txn *txn = NULL;
    enum slk_err err = slk_env_err(mdb_txn_begin(env->mdb, NULL, 0, &txn));

    if (err != SLK_OK)
        return err;
    err = open_bases(env, txn, true, fault);
    if (err == SLK_OK)
        err = slk_env_err(put_meta(env, txn, charter));
    if (err == SLK_OK)
        return slk_env_err(slk_env_commit(env, txn));
    mdb_txn_abort(txn);
    return err;
}

enum slk_err slk_env_make(const char *dir, struct slk_span charter, struct slk_fault *fault)
{
    char making[SLK_PATH_SIZE], from[SLK_PATH_SIZE], to[SLK_PATH_SIZE];
    struct slk_env env = {.mdb = NULL};
    enum slk_err err;

    if (!slk_store_path(making, dir, SLK_MAKING) || !slk_store_path(from, dir, SLK_MAKING "/data.mdb") ||
        !slk_store_path(to, dir, "data.mdb"))
        return SLK_E_IO;
    if (mkdir(making, 0700) != 0)
        return slk_store_errno(errno);
    err = slk_env_err(open_mdb(&env, making, MAP_SIZE_MIN, MDB_NOTLS));
    if (err != SLK_OK)
        return err;
    err = fill_new(&env, charter, fault);
    mdb_env_close(env.mdb);
    if (err == SLK_OK && rename(from, to) != 0)
        err = slk_store_errno(errno);
    return err;
}

static void env_free(struct slk_env *env)
{
    if (env->mdb != NULL)
        mdb_env_close(env->mdb);
    if (env->hold_fd >= 0)
        (void)close(env->hold_fd);
    pthread_mutex_destroy(&env->writer);
    pthread_cond_destroy(&env->changed);
    pthread_mutex_destroy(&env->lock);
    free(env);
}

static enum slk_err env_new(
    struct slk_env **out, const char *dir, const struct slk_env_options *options, struct slk_fault *fault)
{
    struct slk_env *env = calloc(1, sizeof(*env));
    enum slk_err err;
    MDB_stat stat;
    struct stat st;
    int fd;

    if (env == NULL)
        return SLK_E_NOMEM;
    env->hold_fd = -1;
    env->read_only = options->read_only;
    env->pin_only = options->pin_only;
    env->pid = getpid();
    env->users_n = 1;
    env->map_headroom = options->map_headroom != 0 ? options->map_headroom : MAP_HEADROOM;
    env->map_max = options->map_max;
    pthread_mutex_init(&env->lock, NULL);
    pthread_cond_init(&env->changed, NULL);
    pthread_mutex_init(&env->writer, NULL);
    err = open_any_size(env, dir, options, fault);
    if (err == SLK_OK &&
        (mdb_env_stat(env->mdb, &stat) != 0 || mdb_env_get_fd(env->mdb, &fd) != 0 || fstat(fd, &st) != 0))
        err = SLK_E_IO;
    if (err == SLK_OK) {
        env->page_size = stat.ms_psize;
        env->device = st.st_dev;
        env->inode = st.st_ino;
        if (!options->pin_only)
            err = check_and_open_bases(env, dir, options, fault);
    }
    if (err == SLK_OK && !options->read_only) {
        (void)mdb_reader_check(env->mdb, NULL); /* forget readers that died: they would pin old pages */
        err = slk_env_make_room(env, 0);
    }
    if (err != SLK_OK) {
        env_free(env);
        return err;
    }
    *out = env;
    return SLK_OK;
}

enum slk_err slk_env_open(
    struct slk_env **out, const char *dir, const struct slk_env_options *options, struct slk_fault *fault)
{
    char path[SLK_PATH_SIZE];
    struct stat st;
    struct slk_env *env = NULL;
    enum slk_err err = SLK_OK;

    *out = NULL;
    if (!slk_store_path(path, dir, "data.mdb"))
        return SLK_E_IO;
    pthread_mutex_lock(&registry_lock);
    if (stat(path, &st) == 0)
        env = registry_find(&st);
    if (env != NULL && ((env->read_only && !options->read_only) || (env->pin_only && !options->pin_only))) {
        slk_fault_set(fault, "this process has the ledger open for %s; close that first",
            env->pin_only ? "checking" : "reading");
        err = SLK_E_IN_USE;
    } else if (env != NULL) {
        env->users_n++;
        *out = env;
    } else {
        err = env_new(out, dir, options, fault);
        if (err == SLK_OK) {
            (*out)->next = registry;
            registry = *out;
        }
    }
    pthread_mutex_unlock(&registry_lock);
    return err;
}

void slk_env_close(struct slk_env *env)
{
    if (env == NULL)
        return;
    pthread_mutex_lock(&registry_lock);
    assert(env->users_n > 0);
    if (--env->users_n == 0) {
        struct slk_env **link = &registry;

        while (*link != env)
            link = &(*link)->next;
        *link = env->next;
        assert(env->readers_n == 0);
        env_free(env);
    }
    pthread_mutex_unlock(&registry_lock);
}
