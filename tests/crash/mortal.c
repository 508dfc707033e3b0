/* mortal.c: preloaded into a node: lets it die, as by kill -9, at a place that is named, whatever the program is.
 *
 *   SLK_DIE=unsaved:n   before the n-th commit of the store reaches the disk: what was about to be signed was not saved
 *   SLK_DIE=saved:n     right after it: what was saved is not signed yet, nothing of it has been sent, nobody was answered
 *   SLK_DIE=sent:n      before the n-th write to a socket: what was signed is not sent, or to some and not to others; what was
 *                       committed is not answered
 *
 *   SLK_DIE=names:n     before the n-th call of those that make names and bytes certain, or change names: fsync, rename, unlink, mkdir,
 *                       and those of them that take an open directory
 *   SLK_TELL=FILE       each of these calls is a line of FILE
 *
 * A commit is LMDB's write of its meta page, by a file that is open with O_DSYNC. n counts from 1.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum place { NOWHERE, UNSAVED, SAVED, SENT, NAMES };

static enum place place;
static uint64_t wanted;
static atomic_uint_fast64_t commits, sends, names_n;
static const char *tell;

__attribute__((constructor)) static void read_place(void)
{
    static const struct {
        const char *name;
        enum place place;
    } names[] = {{"unsaved:", UNSAVED}, {"saved:", SAVED}, {"sent:", SENT}, {"names:", NAMES}};
    const char *text = getenv("SLK_DIE");

    tell = getenv("SLK_TELL");

    for (size_t i = 0; text != NULL && i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(text, names[i].name, strlen(names[i].name)) == 0) {
            place = names[i].place;
            wanted = strtoull(text + strlen(names[i].name), NULL, 10);
        }
}

static void die(void)
{
    (void)kill(getpid(), SIGKILL);
    for (;;)
        (void)pause();
}

static bool is_meta(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && (flags & O_DSYNC) == O_DSYNC && (flags & O_ACCMODE) != O_RDONLY;
}

static bool is_socket(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

EXPORT ssize_t pwrite64(int fd, const void *at, size_t n, off_t offset)
{
    bool counts = place != NOWHERE && is_meta(fd);
    bool is_it = counts && atomic_fetch_add(&commits, 1) + 1 == wanted;
    ssize_t done;

    if (is_it && place == UNSAVED)
        die();
    done = syscall(SYS_pwrite64, fd, at, n, offset);
    if (is_it && place == SAVED)
        die();
    return done;
}

EXPORT ssize_t pwrite(int fd, const void *at, size_t n, off_t offset)
{
    return pwrite64(fd, at, n, offset);
}

static void count_send(int fd)
{
    if (place == SENT && is_socket(fd) && atomic_fetch_add(&sends, 1) + 1 == wanted)
        die();
}

EXPORT ssize_t write(int fd, const void *at, size_t n)
{
    count_send(fd);
    return syscall(SYS_write, fd, at, n);
}

EXPORT ssize_t writev(int fd, const struct iovec *at, int n)
{
    count_send(fd);
    return syscall(SYS_writev, fd, at, n);
}

EXPORT ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    count_send(fd);
    return syscall(SYS_sendmsg, fd, message, flags);
}

/* A call with names: told, counted, and perhaps the end. */
static void count_name(const char *what, const char *from, const char *to)
{
    char line[2600];
    int n, fd;

    if (tell == NULL && place != NAMES)
        return;
    n = snprintf(line, sizeof(line), "%s %s %s\n", what, from, to);
    fd = tell != NULL ? open(tell, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd >= 0 && n > 0)
        (void)syscall(SYS_write, fd, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
    if (fd >= 0)
        (void)close(fd);
    if (place == NAMES && atomic_fetch_add(&names_n, 1) + 1 == wanted)
        die();
}

EXPORT int fsync(int fd)
{
    char link[40], path[1000] = "?";
    ssize_t n;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    path[n > 0 ? n : 1] = '\0';
    count_name("fsync", path, "");
    return (int)syscall(SYS_fsync, fd);
}

/* The path that a name stands for in a directory that is open. */
static const char *path_in(char out[1200], int folder, const char *name)
{
    char link[40];
    ssize_t n = -1;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", folder);
    if (folder != AT_FDCWD && name[0] != '/')
        n = readlink(link, out, 1000);
    n = n > 0 ? n : 0;
    (void)snprintf(out + n, 1200 - (size_t)n, "%s%s", n > 0 ? "/" : "", name);
    return out;
}

EXPORT int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    char a[1200], b[1200];

    count_name("rename", path_in(a, from_folder, from), path_in(b, to_folder, to));
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, 0);
}

EXPORT int unlinkat(int folder, const char *path, int flags)
{
    char a[1200];

    count_name("unlink", path_in(a, folder, path), "");
    return (int)syscall(SYS_unlinkat, folder, path, flags);
}

EXPORT int mkdirat(int folder, const char *path, mode_t mode)
{
    char a[1200];

    count_name("mkdir", path_in(a, folder, path), "");
    return (int)syscall(SYS_mkdirat, folder, path, mode);
}

EXPORT int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

EXPORT int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

EXPORT int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}
