/* scratch.h: where tests put their files: one new directory in $TMPDIR, else in memory (hundreds of syncs then cost nothing),
 * else in /tmp. tests/run.py gives them a TMPDIR of its own and removes it, whatever became of them. */
#ifndef SLK_TESTS_SCRATCH_H
#define SLK_TESTS_SCRATCH_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* False: it could not be made. */
static inline bool scratch_make(char *out, size_t cap, const char *name)
{
    const char *tmp = getenv("TMPDIR");
    int n;

    if (tmp == NULL || tmp[0] == '\0')
        tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    n = snprintf(out, cap, "%s/sillok-%s-XXXXXX", tmp, name);
    return n > 0 && (size_t)n < cap && mkdtemp(out) != NULL;
}

/* A directory and everything in it; nothing when it is not there. */
static inline void scratch_remove(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    if (d == NULL)
        return;
    while ((e = readdir(d)) != NULL) {
        char path[1024];
        struct stat st;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) >= (int)sizeof(path))
            continue;
        if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
            scratch_remove(path);
        else
            (void)unlink(path);
    }
    (void)closedir(d);
    (void)rmdir(dir);
}

#endif
