/* notify.c: see notify.h. */
#include "net/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

bool slk_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t size = path != NULL ? strlen(path) : 0, n = strlen(state);
    bool is_sent;
    int fd;

    if (size < 2 || size >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
        return false;
    memcpy(to.sun_path, path, size);
    if (path[0] == '@')
        to.sun_path[0] = '\0'; /* the abstract name space */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    is_sent = sendto(fd, state, n, MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&to,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size)) == (ssize_t)n;
    close(fd);
    return is_sent;
}

static bool read_number(const char *text, uint64_t *out)
{
    char *end;

    if (text == NULL || *text < '0' || *text > '9')
        return false;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

uint64_t slk_notify_watchdog_ms(void)
{
    const char *pid = getenv("WATCHDOG_PID");
    uint64_t us, number;

    if (!read_number(getenv("WATCHDOG_USEC"), &us) || getenv("NOTIFY_SOCKET") == NULL)
        return 0;
    if (pid != NULL && (!read_number(pid, &number) || number != (uint64_t)getpid()))
        return 0; /* it is another process that is watched */
    return us / 1000;
}
