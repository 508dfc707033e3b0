/* shim.c: preloaded into a process that writes a ledger, or linked into one with many disks (shim.h): stands between it and
 * its disk, and lets the disk fail.
 *
 * Power cut: what a file held at its last barrier (fdatasync, fsync; for O_DSYNC each write, for what it wrote) is certain;
 * what was written since is not. The shim lets every write through (LMDB reads by mmap) but keeps the old content of each
 * 512-byte sector written since; at the chosen call it puts a random part of them back (sectors, pages, or what was written
 * last), cuts unsynced growth off, forgets names of files whose directory was not synced, and the process is gone. A sector
 * is written whole or not at all: LMDB counts on that for its meta page.
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

#include "tests/crash/shim.h"

#define SECTOR    512
#define PAGE      8 /* sectors */
#define FILES_MAX 16
#define NAMES_MAX 64
#define DISKS_MAX 64
#define EXIT_CUT  99

#define EXPORT __attribute__((visibility("default")))

struct sector {
    uint64_t number;
    uint64_t call; /* that wrote it first since the last barrier */
    bool held;     /* false: the slot is free */
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

struct disk {
    char dir[256];
    size_t dir_size; /* 0: no disk */
    struct file files[FILES_MAX];
    size_t files_n;
    char names[NAMES_MAX][256]; /* that are certain to be in the directory */
    size_t names_n;
    uint64_t cut_at, fail_at, calls, random_state;
    int fail_errno;
    bool sticky, no_sync, failed;
    bool off; /* cut, in a process that goes on */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct disk disks[DISKS_MAX];
static size_t disks_n; /* at most so many are in use */
static bool is_alone;  /* the environment's disk: with its power the process goes, too */

static uint64_t number_of(const char *name)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 10) : 0;
}

static uint64_t next_random(struct disk *disk)
{
    disk->random_state ^= disk->random_state >> 12;
    disk->random_state ^= disk->random_state << 25;
    disk->random_state ^= disk->random_state >> 27;
    return disk->random_state * UINT64_C(0x2545f4914f6cdd1d);
}

static void set_random(struct disk *disk, uint64_t seed)
{
    disk->random_state = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
    if (disk->random_state == 0)
        disk->random_state = 1;
}

static void list_names(struct disk *disk)
{
    DIR *d = opendir(disk->dir);
    struct dirent *e;

    disk->names_n = 0;
    while (d != NULL && (e = readdir(d)) != NULL && disk->names_n < NAMES_MAX)
        (void)snprintf(disk->names[disk->names_n++], sizeof disk->names[0], "%s", e->d_name);
    if (d != NULL)
        (void)closedir(d);
}

static void forget_files(struct disk *disk)
{
    for (size_t i = 0; i < disk->files_n; i++)
        free(disk->files[i].sectors);
    disk->files_n = 0;
}

/* NULL: there is no such disk. */
static struct disk *disk_of(const char *dir)
{
    for (size_t i = 0; i < disks_n; i++)
        if (disks[i].dir_size > 0 && strcmp(disks[i].dir, dir) == 0)
            return &disks[i];
    return NULL;
}

static struct disk *add_disk(const char *dir)
{
    struct disk *disk;
    size_t i = 0;

    while (i < disks_n && disks[i].dir_size > 0)
        i++;
    if (i == DISKS_MAX || strlen(dir) == 0 || strlen(dir) >= sizeof disks[0].dir)
        abort();
    disk = &disks[i];
    disks_n = i == disks_n ? i + 1 : disks_n;
    memset(disk, 0, sizeof(*disk));
    memcpy(disk->dir, dir, strlen(dir) + 1);
    disk->dir_size = strlen(dir);
    set_random(disk, 0);
    list_names(disk);
    return disk;
}

__attribute__((constructor)) static void start(void)
{
    const char *dir = getenv("SLK_SHIM_DIR");
    struct disk *disk;

    if (dir == NULL)
        return;
    is_alone = true;
    disk = add_disk(dir);
    disk->cut_at = number_of("SLK_SHIM_CUT");
    disk->fail_at = number_of("SLK_SHIM_FAIL");
    disk->fail_errno = (int)number_of("SLK_SHIM_ERRNO");
    disk->sticky = number_of("SLK_SHIM_STICKY") != 0;
    disk->no_sync = number_of("SLK_SHIM_NO_SYNC") != 0;
    set_random(disk, number_of("SLK_SHIM_SEED"));
}

static void lose_power(struct disk *disk);

__attribute__((destructor)) static void end(void)
{
    const char *path = is_alone ? getenv("SLK_SHIM_COUNT") : NULL;
    FILE *f = path != NULL ? fopen(path, "w") : NULL;

    if (f != NULL) {
        (void)fprintf(f, "%llu\n", (unsigned long long)disks[0].calls);
        (void)fclose(f);
    }
    /* A disk that failed is followed by a restart: what no barrier made certain may be gone. */
    if (is_alone && disks[0].failed)
        lose_power(&disks[0]);
}

/* ---- files ---- */

static ssize_t write_real(int fd, const void *at, size_t size, off_t offset)
{
    return syscall(SYS_pwrite64, fd, at, size, offset);
}

static struct file *add_file(struct disk *disk, const struct stat *st)
{
    for (size_t i = 0; i < disk->files_n; i++)
        if (disk->files[i].device == st->st_dev && disk->files[i].inode == st->st_ino)
            return &disk->files[i];
    if (disk->files_n == FILES_MAX)
        abort();
    disk->files[disk->files_n] =
        (struct file){.device = st->st_dev, .inode = st->st_ino, .certain_size = (uint64_t)st->st_size};
    return &disk->files[disk->files_n++];
}

/* The watched file behind a descriptor and its disk, or NULL. */
static struct file *file_of(int fd, struct disk **disk)
{
    char link[64], path[512];
    struct stat st;
    ssize_t n;

    if (disks_n == 0)
        return NULL;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n <= 0)
        return NULL;
    path[n] = '\0';
    for (size_t i = 0; i < disks_n; i++) {
        struct disk *d = &disks[i];

        if (d->dir_size > 0 && strncmp(path, d->dir, d->dir_size) == 0 && path[d->dir_size] == '/' &&
            fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
            *disk = d;
            return add_file(d, &st);
        }
    }
    return NULL;
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
static void remember(struct disk *disk, struct file *f, int fd, uint64_t offset, uint64_t size)
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
        s->call = disk->calls;
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
static void barrier(const struct disk *disk, struct file *f, int fd)
{
    if (disk->no_sync)
        return;
    for (size_t i = 0; i < f->slots_n && f->sectors_n > 0; i++)
        if (f->sectors[i].held) {
            f->sectors[i].held = false;
            f->sectors_n--;
        }
    f->certain_size = size_of(fd);
}

/* Only this range is. Removing from open addressing would break its chains, so the rest is put in anew. */
static void barrier_of_range(const struct disk *disk, struct file *f, int fd, uint64_t offset, uint64_t size)
{
    struct sector *old = f->sectors;

    if (disk->no_sync)
        return;
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
static int open_again(const struct disk *disk, const struct file *f)
{
    DIR *d = opendir(disk->dir);
    struct dirent *e;
    int fd = -1;

    while (d != NULL && fd < 0 && (e = readdir(d)) != NULL) {
        char path[600];
        struct stat st;

        (void)snprintf(path, sizeof path, "%s/%s", disk->dir, e->d_name);
        if (stat(path, &st) == 0 && st.st_ino == f->inode && st.st_dev == f->device)
            fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    }
    if (d != NULL)
        (void)closedir(d);
    return fd;
}

/* What a cut takes: each sector by itself, or each page; or what the last calls wrote, and nothing of what came before. */
struct loss {
    enum { LOSE_SECTORS, LOSE_PAGES, LOSE_LATEST } shape;
    unsigned percent;
    uint64_t page_key, first_call;
};

static bool takes(struct disk *disk, const struct loss *loss, const struct sector *s)
{
    uint64_t page = (s->number / PAGE ^ loss->page_key) * UINT64_C(0x9e3779b97f4a7c15);

    if (loss->shape == LOSE_LATEST)
        return s->call >= loss->first_call;
    return (loss->shape == LOSE_PAGES ? page >> 32 : next_random(disk)) % 100 < loss->percent;
}

static void lose_sectors(struct disk *disk, struct file *f, const struct loss *loss)
{
    int fd = open_again(disk, f);
    uint64_t size;
    bool shrink = next_random(disk) % 2 == 0;

    if (fd < 0)
        return;
    size = size_of(fd);
    for (size_t i = 0; i < f->slots_n; i++) {
        uint64_t offset = f->sectors[i].number * SECTOR;

        if (!f->sectors[i].held || !takes(disk, loss, &f->sectors[i]) || offset >= size)
            continue;
        (void)!write_real(fd, f->sectors[i].before, size - offset < SECTOR ? (size_t)(size - offset) : SECTOR,
            (off_t)offset);
    }
    if (size != f->certain_size && shrink && loss->percent > 0)
        (void)!syscall(SYS_ftruncate, fd, (off_t)f->certain_size);
    (void)close(fd);
}

static void lose_names(struct disk *disk, unsigned percent)
{
    DIR *d = opendir(disk->dir);
    struct dirent *e;

    while (d != NULL && (e = readdir(d)) != NULL) {
        char path[600];
        bool certain = false;

        for (size_t i = 0; i < disk->names_n; i++)
            certain = certain || strcmp(disk->names[i], e->d_name) == 0;
        (void)snprintf(path, sizeof path, "%s/%s", disk->dir, e->d_name);
        if (!certain && next_random(disk) % 100 < percent)
            (void)unlink(path);
    }
    if (d != NULL)
        (void)closedir(d);
}

/* Some cuts lose everything uncertain, some nothing, most a part. */
static void lose_power(struct disk *disk)
{
    static const unsigned percents[] = {0, 5, 50, 50, 50, 95, 100, 100};
    struct loss loss = {.percent = percents[next_random(disk) % (sizeof percents / sizeof percents[0])]};
    uint64_t back = next_random(disk) % 8;

    if (next_random(disk) % 4 == 0)
        loss.shape = LOSE_LATEST;
    else if (next_random(disk) % 2 == 0)
        loss.shape = LOSE_PAGES;
    loss.page_key = next_random(disk);
    loss.first_call = disk->calls > back ? disk->calls - back : 0;
    for (size_t i = 0; i < disk->files_n; i++)
        lose_sectors(disk, &disk->files[i], &loss);
    lose_names(disk, loss.percent);
}

/* Counts a call on a watched file. True: it has to fail, and nothing of it reaches the disk if that is off. */
static bool count_call(struct disk *disk)
{
    disk->calls++;
    if (disk->off)
        return true;
    if (disk->fail_at != 0 &&
        (disk->calls == disk->fail_at || (disk->sticky && disk->calls > disk->fail_at))) {
        disk->failed = true;
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

/* True: the power goes with this call, of which the process hears nothing good any more. */
static bool cut_here(struct disk *disk)
{
    if (disk->cut_at == 0 || disk->calls != disk->cut_at)
        return false;
    if (is_alone) {
        (void)signal(SIGBUS, park);
        (void)signal(SIGSEGV, park);
        (void)signal(SIGABRT, park);
        lose_power(disk);
        _exit(EXIT_CUT);
    }
    disk->off = true;
    errno = EIO;
    return true;
}

/* ---- many disks in one process (shim.h) ---- */

void shim_add(const char *dir)
{
    pthread_mutex_lock(&lock);
    if (is_alone || disk_of(dir) != NULL)
        abort();
    (void)add_disk(dir);
    pthread_mutex_unlock(&lock);
}

static struct disk *take_disk(const char *dir)
{
    struct disk *disk;

    pthread_mutex_lock(&lock);
    disk = disk_of(dir);
    if (disk == NULL)
        abort();
    return disk;
}

void shim_remove(const char *dir)
{
    struct disk *disk = take_disk(dir);

    forget_files(disk);
    disk->dir_size = 0;
    pthread_mutex_unlock(&lock);
}

void shim_cut(const char *dir, uint64_t k)
{
    struct disk *disk = take_disk(dir);

    disk->cut_at = k == 0 ? 0 : disk->calls + k;
    pthread_mutex_unlock(&lock);
}

void shim_ignore_barriers(const char *dir)
{
    take_disk(dir)->no_sync = true;
    pthread_mutex_unlock(&lock);
}

uint64_t shim_calls(const char *dir)
{
    uint64_t calls = take_disk(dir)->calls;

    pthread_mutex_unlock(&lock);
    return calls;
}

void shim_lose(const char *dir, uint64_t seed)
{
    struct disk *disk = take_disk(dir);

    set_random(disk, seed);
    lose_power(disk);
    forget_files(disk);
    list_names(disk);
    disk->cut_at = 0;
    disk->off = false;
    pthread_mutex_unlock(&lock);
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

static ssize_t watched_write(
    struct disk *disk, struct file *f, int fd, const struct iovec *iov, int n, off_t offset)
{
    size_t size = size_of_pieces(iov, n);
    bool fails = count_call(disk);
    ssize_t done;

    if (fails && (disk->off || disk->fail_errno != 0)) {
        errno = disk->off ? EIO : disk->fail_errno;
        return -1;
    }
    remember(disk, f, fd, (uint64_t)offset, size);
    done = write_pieces(fd, iov, n, offset, fails ? size / 2 : size);
    if (cut_here(disk)) /* in the middle of it, as far as the disk is concerned */
        return -1;
    if (done > 0 && (fcntl(fd, F_GETFL) & O_DSYNC) != 0)
        barrier_of_range(disk, f, fd, (uint64_t)offset, (uint64_t)done);
    return done;
}

EXPORT ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
    struct disk *disk;
    struct file *f;
    ssize_t done;

    pthread_mutex_lock(&lock);
    f = file_of(fd, &disk);
    done =
        f != NULL ? watched_write(disk, f, fd, iov, n, offset) : write_pieces(fd, iov, n, offset, SIZE_MAX);
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
    struct disk *disk;
    struct file *f;
    ssize_t done;

    pthread_mutex_lock(&lock);
    f = file_of(fd, &disk);
    if (f == NULL) {
        done = syscall(SYS_writev, fd, iov, n);
    } else {
        off_t offset = lseek(fd, 0, SEEK_CUR);
        done = watched_write(disk, f, fd, iov, n, offset);
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

/* The disk of which this is the directory: its names are certain now. NULL: of none. */
static struct disk *dir_of(int fd)
{
    struct stat a, b;

    if (disks_n == 0 || fstat(fd, &a) != 0 || !S_ISDIR(a.st_mode))
        return NULL;
    for (size_t i = 0; i < disks_n; i++)
        if (disks[i].dir_size > 0 && stat(disks[i].dir, &b) == 0 && a.st_ino == b.st_ino &&
            a.st_dev == b.st_dev)
            return &disks[i];
    return NULL;
}

/* No real sync: nothing is really lost when this process goes, so there is nothing to wait for. */
static int watched_sync(int fd)
{
    struct disk *disk = NULL;
    struct file *f;
    int rc = 0;

    pthread_mutex_lock(&lock);
    f = file_of(fd, &disk);
    if (f == NULL)
        disk = dir_of(fd);
    if (disk != NULL) {
        if (count_call(disk)) {
            errno = !disk->off && disk->fail_errno != 0 ? disk->fail_errno : EIO;
            rc = -1;
        } else if (cut_here(disk)) {
            rc = -1;
        } else if (f != NULL) {
            barrier(disk, f, fd);
        } else if (!disk->no_sync) {
            list_names(disk);
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
    struct disk *disk;
    struct file *f;
    int rc;

    pthread_mutex_lock(&lock);
    f = file_of(fd, &disk);
    if (f != NULL && count_call(disk) && (disk->off || disk->fail_errno != 0)) {
        errno = disk->off ? EIO : disk->fail_errno;
        rc = -1;
    } else {
        uint64_t now = size_of(fd);
        if (f != NULL && (uint64_t)size < now)
            remember(disk, f, fd, (uint64_t)size, now - (uint64_t)size);
        rc = (int)syscall(SYS_ftruncate, fd, size);
        if (f != NULL && cut_here(disk))
            rc = -1;
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
