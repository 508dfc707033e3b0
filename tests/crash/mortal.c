/* mortal.c: preloaded into a node: lets it die, as by kill -9, at a place that is named, whatever the program is.
 *
 *   SLK_DIE=unsaved:n   before the n-th commit of the store reaches the disk: what was about to be signed was not saved
 *   SLK_DIE=saved:n     right after it: what was saved is not signed yet, nothing of it has been sent, nobody was answered
 *   SLK_DIE=sent:n      before the n-th write to a socket: what was signed is not sent, or to some and not to others; what was
 *                       committed is not answered
 *
 * A commit is LMDB's write of its meta page, by a file that is open with O_DSYNC. n counts from 1.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum place { NOWHERE, UNSAVED, SAVED, SENT };

static enum place place;
static uint64_t wanted;
static atomic_uint_fast64_t commits, sends;

__attribute__((constructor)) static void read_place(void)
{
    static const struct {
        const char *name;
        enum place place;
    } names[] = {{"unsaved:", UNSAVED}, {"saved:", SAVED}, {"sent:", SENT}};
    const char *text = getenv("SLK_DIE");

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
