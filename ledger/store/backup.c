/* backup.c: a consistent copy while a writer goes on. */
#include "ledger/store/internal.h"
#include "ledger/store/lmdb_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TELL_EACH_NS 200000000L

/* LMDB's copy is one long call: it runs on a thread, and this one looks how far the file has got. */
struct copying {
    struct slk_env *env;
    int fd;
    int rc;
    bool done;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static void *copy_main(void *arg)
{
    struct copying *c = arg;
    int rc = mdb_env_copyfd2(c->env->mdb, c->fd, 0);

    if (rc == 0 && fsync(c->fd) != 0)
        rc = errno;
    pthread_mutex_lock(&c->lock);
    c->rc = rc;
    c->done = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

static void wait_and_tell(struct copying *c, uint64_t total, slk_progress_fn *progress, void *progress_ctx)
{
    pthread_mutex_lock(&c->lock);
    while (!c->done) {
        struct timespec until;
        struct stat st;

        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += TELL_EACH_NS;
        if (until.tv_nsec >= 1000000000L) {
            until.tv_nsec -= 1000000000L;
            until.tv_sec++;
        }
        if (pthread_cond_timedwait(&c->changed, &c->lock, &until) == ETIMEDOUT && progress != NULL &&
            fstat(c->fd, &st) == 0)
            progress(
                progress_ctx, "bytes", (uint64_t)st.st_size < total ? (uint64_t)st.st_size : total, total);
    }
    pthread_mutex_unlock(&c->lock);
}

/* The map must not move while LMDB copies it: a read transaction of ours holds it still. */
static enum slk_err copy_env(struct slk_env *env, int fd, slk_progress_fn *progress, void *progress_ctx)
{
    struct copying c = {.env = env, .fd = fd};
    pthread_t thread;
    MDB_envinfo info;
    MDB_txn *txn = NULL;
    enum slk_err err = slk_env_read(env, &txn);

    if (err != SLK_OK)
        return err;
    pthread_mutex_init(&c.lock, NULL);
    pthread_cond_init(&c.changed, NULL);
    err = slk_env_err(mdb_env_info(env->mdb, &info));
    if (err == SLK_OK && pthread_create(&thread, NULL, copy_main, &c) != 0)
        err = SLK_E_NOMEM;
    if (err == SLK_OK) {
        wait_and_tell(&c, (info.me_last_pgno + 1) * env->page_size, progress, progress_ctx);
        pthread_join(thread, NULL);
        err = slk_env_err(c.rc);
    }
    pthread_cond_destroy(&c.changed);
    pthread_mutex_destroy(&c.lock);
    slk_env_read_end(env, txn);
    return err;
}

static void remove_partial(const char *partial)
{
    static const char *const ours[] = {"data.mdb", "lock.mdb"};
    char path[SLK_PATH_SIZE];

    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (slk_store_path(path, partial, ours[i]))
            (void)unlink(path);
    (void)rmdir(partial);
}

/* A copy is a backup once it has been opened: its end of the chain is checked as at every start. */
static enum slk_err try_it(const char *partial, struct slk_fault *fault)
{
    struct slk_store_options options = {.read_only = true};
    char path[SLK_PATH_SIZE];
    struct slk_store *store;
    enum slk_err err = slk_store_open(&store, partial, &options, fault);

    slk_store_close(store);
    if (slk_store_path(path, partial, "lock.mdb"))
        (void)unlink(path);
    return err;
}

static enum slk_err copy_to(struct slk_env *env, const char *partial, slk_progress_fn *progress,
    void *progress_ctx, struct slk_fault *fault)
{
    char path[SLK_PATH_SIZE];
    enum slk_err err;
    int fd;

    if (!slk_store_path(path, partial, "data.mdb"))
        return SLK_E_IO;
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return slk_store_errno(errno);
    err = copy_env(env, fd, progress, progress_ctx);
    if (close(fd) != 0 && err == SLK_OK)
        err = slk_store_errno(errno);
    if (err == SLK_OK)
        err = try_it(partial, fault);
    return err == SLK_OK ? slk_fsync_dir(partial) : err;
}

/* The directory that holds `path`. */
static enum slk_err sync_parent(const char *path)
{
    char parent[SLK_PATH_SIZE];
    size_t n = strlen(path);

    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    if (n == 0)
        return slk_fsync_dir(".");
    if (n >= sizeof parent)
        return SLK_E_IO;
    memcpy(parent, path, n);
    parent[n] = '\0';
    return slk_fsync_dir(parent);
}

enum slk_err slk_store_backup(
    const char *dir, const char *to, slk_progress_fn *progress, void *progress_ctx, struct slk_fault *fault)
{
    struct slk_env_options options = {.read_only = true};
    char partial[SLK_PATH_SIZE];
    struct slk_env *env;
    struct stat st;
    enum slk_err err;
    int n = (int)strlen(to);

    if (fault != NULL)
        fault->text[0] = '\0';
    while (n > 1 && to[n - 1] == '/')
        n--;
    n = snprintf(partial, sizeof partial, "%.*s.partial-%ld", n, to, (long)getpid());
    if (n < 0 || n >= (int)sizeof partial)
        return SLK_E_IO;
    if (lstat(to, &st) == 0) {
        slk_fault_set(fault, "%s exists: name a new directory", to);
        return SLK_E_EXISTS;
    }
    err = slk_lmdb_check_head(dir, fault);
    if (err == SLK_OK)
        err = slk_env_open(&env, dir, &options, fault);
    if (err != SLK_OK)
        return err;
    if (mkdir(partial, 0700) != 0) {
        slk_fault_set(fault, "%s cannot be made: %s", partial, strerror(errno));
        err = slk_store_errno(errno);
    } else {
        err = copy_to(env, partial, progress, progress_ctx, fault);
        if (err == SLK_OK && rename(partial, to) != 0)
            err = slk_store_errno(errno);
        if (err != SLK_OK)
            remove_partial(partial);
        else
            err = sync_parent(to);
    }
    slk_env_close(env);
    if (err != SLK_OK && fault != NULL && fault->text[0] == '\0')
        slk_fault_set(fault, "%s cannot be written: %s", to, slk_err_text(err));
    return err;
}
