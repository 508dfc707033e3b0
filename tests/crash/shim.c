/* shim.c: preloaded into a process that writes a ledger: stands between it and its disk, and lets the disk fail.
 *
 * Power cut: what a file held at its last barrier (fdatasync, fsync; for O_DSYNC each write, for what it wrote) is certain;
 * what was written since is not. The shim lets every write through (LMDB reads by mmap) but keeps the old content of each
 * 512-byte sector written since; at the chosen call it puts a random part of them back, cuts unsynced growth off, forgets
 * names of files whose directory was not synced, and the process is gone. A sector is written whole or not at all: LMDB
 * counts on that for its meta page.
 *
 * Failure: the chosen call, or it and all later ones, fails with ENOSPC or EIO, or writes only half of what it should.
 *
 *   SLK_SHIM_DIR      files below it are watched
 *   SLK_SHIM_SEED     of the random part
 *   SLK_SHIM_CUT=k    cut at the k-th call (writes and barriers are counted, from 1)
 *   SLK_SHIM_FAIL=k   fail the k-th call
 *   SLK_SHIM_ERRNO=n  with this; 0: a short write
 *   SLK_SHIM_STICKY=1 and every later one
 *   SLK_SHIM_NO_SYNC=1  barriers do nothing: the control that shows that all this bites
 *   SLK_SHIM_COUNT=path the number of calls is written there at the end
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define SECTOR    512
#define FILES_MAX 16
#define NAMES_MAX 64
#define EXIT_CUT  99

#define EXPORT __attribute__((visibility("default")))

struct sector {
    uint64_t number;
    bool held; /* false: the slot is free */
    uint8_t before[SECTOR];
};

/* Sectors of one file that no barrier has made certain. */
struct file {
    dev_t device;
    ino_t inode;
    uint64_t certain_size;
    struct sector *sectors; /* open addressing */
    size_t sectors_n, slots_n;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file files[FILES_MAX];
static size_t files_n;
static char names[NAMES_MAX][256]; /* that are certain to be in the directory */
static size_t names_n;
static const char *dir;
static uint64_t cut_at, fail_at, calls, random_state;
static int fail_errno;
static bool sticky, no_sync, failed;

static uint64_t number_of(const char *name)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 10) : 0;
}

static uint64_t next_random(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

static void list_names(void)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    names_n = 0;
    while (d != NULL && (e = readdir(d)) != NULL && names_n < NAMES_MAX)
        (void)snprintf(names[names_n++], sizeof names[0], "%s", e->d_name);
    if (d != NULL)
        (void)closedir(d);
}

__attribute__((constructor)) static void start(void)
{
    dir = getenv("SLK_SHIM_DIR");
    cut_at = number_of("SLK_SHIM_CUT");
    fail_at = number_of("SLK_SHIM_FAIL");
    fail_errno = (int)number_of("SLK_SHIM_ERRNO");
    sticky = number_of("SLK_SHIM_STICKY") != 0;
    no_sync = number_of("SLK_SHIM_NO_SYNC") != 0;
    random_state = (number_of("SLK_SHIM_SEED") + 1) * UINT64_C(0x9e3779b97f4a7c15);
    if (dir != NULL)
        list_names();
}

static void lose_power(void);

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("SLK_SHIM_COUNT");
    FILE *f = path != NULL ? fopen(path, "w") : NULL;

    if (f != NULL) {
        (void)fprintf(f, "%llu\n", (unsigned long long)calls);
        (void)fclose(f);
    }
    /* A disk that failed is followed by a restart: what no barrier made certain may be gone. */
    if (failed)
        lose_power();
}

/* ---- files ---- */

static ssize_t write_real(int fd, const void *at, size_t size, off_t offset)
{
    return syscall(SYS_pwrite64, fd, at, size, offset);
}

/* The watched file behind a descriptor, or NULL. */
static struct file *file_of(int fd)
{
    char link[64], path[256];
    struct stat st;
    ssize_t n;

    if (dir == NULL)
        return NULL;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n <= 0)
        return NULL;
    path[n] = '\0';
    if (strncmp(path, dir, strlen(dir)) != 0 || path[strlen(dir)] != '/' || fstat(fd, &st) != 0 ||
        !S_ISREG(st.st_mode))
        return NULL;
    for (size_t i = 0; i < files_n; i++)
        if (files[i].device == st.st_dev && files[i].inode == st.st_ino)
            return &files[i];
    if (files_n == FILES_MAX)
        abort();
    files[files_n] =
        (struct file){.device = st.st_dev, .inode = st.st_ino, .certain_size = (uint64_t)st.st_size};
    return &files[files_n++];
}

static struct sector *slot_of(struct file *f, uint64_t number)
{
    size_t i = (size_t)(number * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (f->slots_n - 1);

    while (f->sectors[i].held && f->sectors[i].number != number)
        i = (i + 1) & (f->slots_n - 1);
    return &f->sectors[i];
}

static void grow(struct file *f)
{
    struct sector *old = f->sectors;
    size_t n = f->slots_n;

    f->slots_n = n == 0 ? 1024 : 2 * n;
    f->sectors = calloc(f->slots_n, sizeof(*f->sectors));
    if (f->sectors == NULL)
        abort();
    for (size_t i = 0; i < n; i++)
        if (old[i].held)
            *slot_of(f, old[i].number) = old[i];
    free(old);
}

/* Keeps what a range held before its first write since the last barrier. */
static void remember(struct file *f, int fd, uint64_t offset, uint64_t size)
{
    char link[64];
    int reader;

    if (size == 0)
        return;
    (void)snprintf(
        link, sizeof link, "/proc/self/fd/%d", fd); /* the descriptor itself may be for writing only */
    reader = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC, 0);
    for (uint64_t n = offset / SECTOR; n <= (offset + size - 1) / SECTOR; n++) {
        struct sector *s;

        if (f->slots_n == 0 || f->sectors_n > f->slots_n / 2)
            grow(f);
        s = slot_of(f, n);
        if (s->held)
            continue;
        memset(s->before, 0, SECTOR);
        if (reader < 0 || pread(reader, s->before, SECTOR, (off_t)(n * SECTOR)) < 0)
            abort();
        s->held = true;
        s->number = n;
        f->sectors_n++;
    }
    (void)close(reader);
}

static uint64_t size_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* Everything written to the file is certain now. */
static void barrier(struct file *f, int fd)
{
    if (no_sync)
        return;
    if (f->sectors != NULL)
        memset(f->sectors, 0, f->slots_n * sizeof(*f->sectors));
    f->sectors_n = 0;
    f->certain_size = size_of(fd);
}

/* Only this range is. Removing from open addressing would break its chains, so the rest is put in anew. */
static void barrier_of_range(struct file *f, int fd, uint64_t offset, uint64_t size)
{
    struct sector *old = f->sectors;

    f->sectors = calloc(f->slots_n, sizeof(*f->sectors));
    if (f->sectors == NULL)
        abort();
    f->sectors_n = 0;
    for (size_t i = 0; i < f->slots_n; i++)
        if (old[i].held &&
            (old[i].number < offset / SECTOR || old[i].number > (offset + size - 1) / SECTOR)) {
            *slot_of(f, old[i].number) = old[i];
            f->sectors_n++;
        }
    free(old);
    if (offset + size > f->certain_size)
        f->certain_size = size_of(fd);
}

/* ---- the end ---- */

/* By its inode: it may have been renamed. */
static int open_again(const struct file *f)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    int fd = -1;

    while (d != NULL && fd < 0 && (e = readdir(d)) != NULL) {
        char path[512];
        struct stat st;

        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (stat(path, &st) == 0 && st.st_ino == f->inode && st.st_dev == f->device)
            fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    }
    if (d != NULL)
        (void)closedir(d);
    return fd;
}

static void lose_sectors(struct file *f, unsigned percent)
{
    int fd = open_again(f);
    uint64_t size;
    bool shrink = next_random() % 2 == 0;

    if (fd < 0)
        return;
    size = size_of(fd);
    for (size_t i = 0; i < f->slots_n; i++) {
        uint64_t offset = f->sectors[i].number * SECTOR;

        if (!f->sectors[i].held || next_random() % 100 >= percent || offset >= size)
            continue;
        (void)!write_real(fd, f->sectors[i].before, size - offset < SECTOR ? (size_t)(size - offset) : SECTOR,
            (off_t)offset);
    }
    if (size != f->certain_size && shrink && percent > 0)
        (void)!syscall(SYS_ftruncate, fd, (off_t)f->certain_size);
    (void)close(fd);
}

static void lose_names(unsigned percent)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL) {
        char path[512];
        bool certain = false;

        for (size_t i = 0; i < names_n; i++)
            certain = certain || strcmp(names[i], e->d_name) == 0;
        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (!certain && next_random() % 100 < percent)
            (void)unlink(path);
    }
    if (d != NULL)
        (void)closedir(d);
}

/* Some cuts lose everything uncertain, some nothing, most a part. */
static void lose_power(void)
{
    static const unsigned percents[] = {0, 5, 50, 50, 50, 95, 100, 100};
    unsigned percent = percents[next_random() % (sizeof percents / sizeof percents[0])];

    for (size_t i = 0; i < files_n; i++)
        lose_sectors(&files[i], percent);
    lose_names(percent);
}

/* Counts a call on a watched file. True: it has to fail. `done`: it has been let through already. */
static bool count_call(void)
{
    calls++;
    if (fail_at != 0 && (calls == fail_at || (sticky && calls > fail_at))) {
        failed = true;
        return true;
    }
    return false;
}

/* Another thread may be reading, by mmap, what is cut off under it: it waits for the end instead of making one of its own. */
static void park(int signal_number)
{
    (void)signal_number;
    for (;;)
        (void)pause();
}

static void cut_here(void)
{
    if (cut_at != 0 && calls == cut_at) {
        (void)signal(SIGBUS, park);
        (void)signal(SIGSEGV, park);
        (void)signal(SIGABRT, park);
        lose_power();
        _exit(EXIT_CUT);
    }
}

/* ---- the calls ---- */

/* iov as one piece: a short write must be short somewhere in the middle of it. */
static ssize_t write_pieces(int fd, const struct iovec *iov, int n, off_t offset, size_t limit)
{
    ssize_t total = 0;

    for (int i = 0; i < n && limit > 0; i++) {
        size_t size = iov[i].iov_len < limit ? iov[i].iov_len : limit;
        ssize_t done = size > 0 ? write_real(fd, iov[i].iov_base, size, offset + total) : 0;

        if (done < 0)
            return total > 0 ? total : -1;
        total += done;
        limit -= (size_t)done;
        if ((size_t)done < size)
            break;
    }
    return total;
}

static size_t size_of_pieces(const struct iovec *iov, int n)
{
    size_t size = 0;

    for (int i = 0; i < n; i++)
        size += iov[i].iov_len;
    return size;
}

static ssize_t watched_write(struct file *f, int fd, const struct iovec *iov, int n, off_t offset)
{
    size_t size = size_of_pieces(iov, n);
    bool fails = count_call();
    ssize_t done;

    if (fails && fail_errno != 0) {
        errno = fail_errno;
        return -1;
    }
    remember(f, fd, (uint64_t)offset, size);
    done = write_pieces(fd, iov, n, offset, fails ? size / 2 : size);
    cut_here(); /* in the middle of it, as far as the disk is concerned */
    if (done > 0 && (fcntl(fd, F_GETFL) & O_DSYNC) != 0)
        barrier_of_range(f, fd, (uint64_t)offset, (uint64_t)done);
    return done;
}

EXPORT ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
    struct file *f;
    ssize_t done;

    pthread_mutex_lock(&lock);
    f = file_of(fd);
    done = f != NULL ? watched_write(f, fd, iov, n, offset) : write_pieces(fd, iov, n, offset, SIZE_MAX);
    pthread_mutex_unlock(&lock);
    return done;
}

EXPORT ssize_t pwrite(int fd, const void *at, size_t size, off_t offset)
{
    struct iovec iov = {(void *)(uintptr_t)at, size};

    return pwritev(fd, &iov, 1, offset);
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int n)
{
    struct file *f;
    ssize_t done;

    pthread_mutex_lock(&lock);
    f = file_of(fd);
    if (f == NULL) {
        done = syscall(SYS_writev, fd, iov, n);
    } else {
        off_t offset = lseek(fd, 0, SEEK_CUR);
        done = watched_write(f, fd, iov, n, offset);
        if (done > 0)
            (void)lseek(fd, offset + done, SEEK_SET);
    }
    pthread_mutex_unlock(&lock);
    return done;
}

EXPORT ssize_t write(int fd, const void *at, size_t size)
{
    struct iovec iov = {(void *)(uintptr_t)at, size};

    return writev(fd, &iov, 1);
}

/* A directory: its names are certain now. */
static bool is_dir(int fd)
{
    struct stat a, b;

    return dir != NULL && fstat(fd, &a) == 0 && S_ISDIR(a.st_mode) && stat(dir, &b) == 0 &&
           a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* No real sync: nothing is really lost when this process goes, so there is nothing to wait for. */
static int watched_sync(int fd)
{
    struct file *f;
    int rc = 0;

    pthread_mutex_lock(&lock);
    f = file_of(fd);
    if (f != NULL || is_dir(fd)) {
        if (count_call()) {
            errno = fail_errno != 0 ? fail_errno : EIO;
            rc = -1;
        } else {
            cut_here();
            if (f != NULL)
                barrier(f, fd);
            else if (!no_sync)
                list_names();
        }
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

EXPORT int fdatasync(int fd)
{
    return watched_sync(fd);
}

EXPORT int fsync(int fd)
{
    return watched_sync(fd);
}

EXPORT int ftruncate(int fd, off_t size)
{
    struct file *f;
    int rc;

    pthread_mutex_lock(&lock);
    f = file_of(fd);
    if (f != NULL && count_call() && fail_errno != 0) {
        errno = fail_errno;
        rc = -1;
    } else {
        uint64_t now = size_of(fd);
        if (f != NULL && (uint64_t)size < now)
            remember(f, fd, (uint64_t)size, now - (uint64_t)size);
        rc = (int)syscall(SYS_ftruncate, fd, size);
        if (f != NULL)
            cut_here();
    }
    pthread_mutex_unlock(&lock);
    return rc;
}

/* The same calls under the names that 64-bit file offsets give them. */
EXPORT ssize_t pwrite64(int fd, const void *at, size_t size, off64_t offset)
{
    return pwrite(fd, at, size, offset);
}

EXPORT ssize_t pwritev64(int fd, const struct iovec *iov, int n, off64_t offset)
{
    return pwritev(fd, iov, n, offset);
}

EXPORT int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}
