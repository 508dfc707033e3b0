/* tree_write.c: see tree_write.h. */
#include "tools/tree_write.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_ROOM   4096
#define FOLDERS_MAX (2 * TREE_WRITE_MAX) /* those of a list's files, and what had to be made for them */
#define NEW         ".new"
#define LOCK        ".lock"

struct item {
    char path[TREE_PATH_MAX];
    uint8_t *bytes;
    size_t size;
    bool ends_parts; /* a full tile: what is in PATH.p goes */
    bool is_there;   /* with these very bytes */
    int fd;
};

struct tree_writer {
    char dir[PATH_ROOM / 2];
    int fd, new_fd, lock;               /* of dir, of .new in it, of .lock */
    bool made_dir, made_new, made_lock; /* by this writer: they go again when nothing was written */
    size_t items_n, bytes_n;
    struct item items[TREE_WRITE_MAX];
    size_t folders_n;
    char folders[FOLDERS_MAX][TREE_PATH_MAX]; /* to be synced */
    struct tree_written counts;
};

static enum slk_err fail(struct slk_fault *fault, const char *path)
{
    int why = errno;

    snprintf(fault->text, sizeof(fault->text), "%.180s: %s", path, strerror(why));
    return why == ENOSPC || why == EDQUOT ? SLK_E_NO_SPACE : SLK_E_IO;
}

static void whole_path(const struct tree_writer *w, char out[PATH_ROOM], const char *path)
{
    snprintf(out, PATH_ROOM, "%s/%s", w->dir, path);
}

/* ---- directories ---- */

static bool note_folder(struct tree_writer *w, const char *folder)
{
    for (size_t i = 0; i < w->folders_n; i++)
        if (strcmp(w->folders[i], folder) == 0)
            return true;
    if (w->folders_n == FOLDERS_MAX)
        return false;
    snprintf(w->folders[w->folders_n++], sizeof(w->folders[0]), "%s", folder);
    return true;
}

static enum slk_err fail_in(const struct tree_writer *w, const char *path, struct slk_fault *fault)
{
    int why = errno;
    char whole[PATH_ROOM];

    whole_path(w, whole, path);
    errno = why;
    return fail(fault, whole);
}

/* Whoever can write into a tree could plant a link in it: none is followed, or its files would land, and go, elsewhere. */
static enum slk_err fail_at(
    const struct tree_writer *w, int folder, const char *name, const char *path, struct slk_fault *fault)
{
    int why = errno;
    char whole[PATH_ROOM];
    struct stat st;

    whole_path(w, whole, path);
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode)) {
        snprintf(fault->text, sizeof(fault->text),
            "%.150s: a symbolic link, and a mirror writes through none: remove it", whole);
        return SLK_E_IO;
    }
    errno = why;
    return fail_in(w, path, fault);
}

static int open_folder_at(int folder, const char *name)
{
    return openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The last part of a path. */
static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

/* The directory that this file is in, open; one part after the other. With `make` what is missing is made, and every directory in which a
 * name appears is noted. */
static enum slk_err enter(
    struct tree_writer *w, const char *path, bool make, int *out, struct slk_fault *fault)
{
    char part[TREE_PATH_MAX], above[TREE_PATH_MAX] = "";
    enum slk_err err = SLK_OK;
    int fd = fcntl(w->fd, F_DUPFD_CLOEXEC, 0), next;

    *out = -1;
    if (fd < 0)
        return fail(fault, w->dir);
    for (const char *slash = strchr(path, '/'); err == SLK_OK && slash != NULL;
         slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
        if (make && mkdirat(fd, name_of(part), 0755) == 0 && !note_folder(w, above)) {
            errno = ENOSPC;
            err = fail_in(w, part, fault);
            break;
        }
        next = open_folder_at(fd, name_of(part));
        if (next < 0)
            err = fail_at(w, fd, name_of(part), part, fault);
        close(fd);
        fd = next;
        memcpy(above, part, sizeof(above));
    }
    if (err == SLK_OK && make && !note_folder(w, above)) {
        errno = ENOSPC;
        err = fail_in(w, path, fault);
    }
    if (err == SLK_OK)
        *out = fd;
    else if (fd >= 0)
        close(fd);
    return err;
}

static enum slk_err sync_fd(struct tree_writer *w, int fd, const char *path, struct slk_fault *fault)
{
    int rc = fsync(fd);

    if (rc != 0 && errno == EINVAL)
        rc = 0; /* a file system that has no such thing */
    w->counts.syncs_n++;
    return rc == 0 ? SLK_OK : fail_in(w, path, fault);
}

static enum slk_err sync_folder(struct tree_writer *w, const char *folder, struct slk_fault *fault)
{
    char inside[TREE_PATH_MAX + 2];
    enum slk_err err;
    int fd;

    snprintf(inside, sizeof(inside), "%s%s", folder, folder[0] != '\0' ? "/" : "");
    err = enter(w, inside, false, &fd, fault);
    if (err == SLK_OK)
        err = sync_fd(w, fd, folder, fault);
    if (fd >= 0)
        close(fd);
    return err;
}

/* Every file in it, and itself; a directory inside stays, and so does this one then. */
static uint64_t remove_folder(int above, const char *name)
{
    int fd = open_folder_at(above, name);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL; /* takes it over */
    struct dirent *entry;
    uint64_t n = 0;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            n += unlinkat(fd, entry->d_name, 0) == 0;
    if (dir != NULL)
        closedir(dir);
    else if (fd >= 0)
        close(fd);
    (void)unlinkat(above, name, AT_REMOVEDIR);
    return n;
}

/* ---- the list ---- */

void tree_writer_drop(struct tree_writer *w)
{
    for (size_t i = 0; i < w->items_n; i++) {
        if (w->items[i].fd >= 0)
            close(w->items[i].fd);
        free(w->items[i].bytes);
    }
    w->items_n = w->bytes_n = w->folders_n = 0;
}

bool tree_writer_is_due(const struct tree_writer *w)
{
    return w->items_n >= TREE_WRITE_DUE || w->bytes_n >= TREE_WRITE_BYTES;
}

enum slk_err tree_write(struct tree_writer *w, const char *path, struct slk_span bytes)
{
    struct item *item;

    if (w->items_n == TREE_WRITE_MAX || strlen(path) >= sizeof(item->path))
        return SLK_E_NOMEM;
    item = &w->items[w->items_n];
    *item = (struct item){.bytes = malloc(bytes.size + 1), .size = bytes.size, .fd = -1};
    if (item->bytes == NULL)
        return SLK_E_NOMEM;
    snprintf(item->path, sizeof(item->path), "%s", path);
    if (bytes.size > 0)
        memcpy(item->bytes, bytes.at, bytes.size);
    w->bytes_n += bytes.size;
    w->items_n++;
    return SLK_OK;
}

enum slk_err tree_write_part(struct tree_writer *w, const struct tree_part *part, struct slk_span bytes)
{
    char path[TREE_PATH_MAX];
    enum slk_err err;

    tree_path(path, part);
    err = tree_write(w, path, bytes);
    if (err == SLK_OK)
        w->items[w->items_n - 1].ends_parts = part->width == SLK_TILE_WIDTH;
    return err;
}

/* ---- the disk ---- */

static bool is_there(int folder, const char *name, const struct item *item)
{
    int fd =
        openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); /* a pipe is not waited for */
    FILE *file = fd >= 0 ? fdopen(fd, "rb") : NULL;
    uint8_t *bytes = file != NULL ? malloc(item->size + 2) : NULL;
    bool is_same = bytes != NULL && fread(bytes, 1, item->size + 1, file) == item->size &&
                   memcmp(bytes, item->bytes, item->size) == 0;

    free(bytes);
    if (file != NULL)
        fclose(file);
    else if (fd >= 0)
        close(fd);
    return is_same;
}

#define NEW_NAME_SIZE 24
static const char *new_name(char out[NEW_NAME_SIZE], size_t i)
{
    snprintf(out, NEW_NAME_SIZE, "%zu", i);
    return out;
}

/* A file of its own, whatever had the name. */
static int open_new(const struct tree_writer *w, const char *name)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int fd = openat(w->new_fd, name, flags, 0644);

    if (fd < 0 && errno == EEXIST && unlinkat(w->new_fd, name, 0) == 0)
        fd = openat(w->new_fd, name, flags, 0644);
    return fd;
}

static enum slk_err put_bytes(struct tree_writer *w, size_t i, struct slk_fault *fault)
{
    struct item *item = &w->items[i];
    char name[NEW_NAME_SIZE];
    int folder;
    enum slk_err err = enter(w, item->path, true, &folder, fault);

    if (err != SLK_OK)
        return err;
    item->is_there = is_there(folder, name_of(item->path), item);
    close(folder);
    if (item->is_there)
        return SLK_OK;
    item->fd = open_new(w, new_name(name, i));
    if (item->fd < 0)
        return fail_in(w, NEW, fault);
    for (size_t n = 0; n < item->size;) {
        ssize_t got = write(item->fd, item->bytes + n, item->size - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fail_in(w, item->path, fault);
        n += (size_t)got;
    }
    return SLK_OK;
}

/* Synced one after the other when all are written: the first sync carries most of the others' bytes. */
static enum slk_err sync_bytes(struct tree_writer *w, size_t i, struct slk_fault *fault)
{
    struct item *item = &w->items[i];
    int rc;

    if (item->is_there)
        return SLK_OK;
    rc = fsync(item->fd);
    w->counts.syncs_n++;
    if (close(item->fd) != 0)
        rc = -1;
    item->fd = -1;
    return rc == 0 ? SLK_OK : fail_in(w, item->path, fault);
}

static enum slk_err give_name(struct tree_writer *w, size_t i, struct slk_fault *fault)
{
    const struct item *item = &w->items[i];
    char from[NEW_NAME_SIZE];
    enum slk_err err;
    int folder;

    if (item->is_there)
        return SLK_OK;
    err = enter(w, item->path, false, &folder, fault);
    if (err != SLK_OK)
        return err;
    if (renameat(w->new_fd, new_name(from, i), folder, name_of(item->path)) != 0)
        err = fail_in(w, item->path, fault);
    close(folder);
    if (err == SLK_OK) {
        w->counts.files_n++;
        w->counts.bytes_n += item->size;
    }
    return err;
}

static void end_parts(struct tree_writer *w, size_t i)
{
    char path[TREE_PATH_MAX + 2];
    struct slk_fault fault;
    int folder;

    if (!w->items[i].ends_parts || enter(w, w->items[i].path, false, &folder, &fault) != SLK_OK)
        return;
    snprintf(path, sizeof(path), "%s.p", name_of(w->items[i].path));
    w->counts.removed_n += remove_folder(folder, path);
    close(folder);
}

enum slk_err tree_writer_flush(struct tree_writer *w, struct slk_fault *fault)
{
    enum slk_err err = SLK_OK;

    for (size_t i = 0; err == SLK_OK && i < w->items_n; i++)
        err = put_bytes(w, i, fault);
    for (size_t i = 0; err == SLK_OK && i < w->items_n; i++)
        err = sync_bytes(w, i, fault);
    for (size_t i = 0; err == SLK_OK && i < w->items_n; i++)
        err = give_name(w, i, fault);
    for (size_t i = 0; err == SLK_OK && i < w->folders_n; i++)
        err = sync_folder(w, w->folders[i], fault);
    for (size_t i = 0; err == SLK_OK && i < w->items_n; i++)
        end_parts(w, i); /* only now: who is cut off here has the full tile */
    tree_writer_drop(w);
    return err;
}

void tree_remove(struct tree_writer *w, const char *path)
{
    struct slk_fault fault;
    int folder;

    if (enter(w, path, false, &folder, &fault) != SLK_OK)
        return;
    (void)unlinkat(folder, name_of(path), 0);
    close(folder);
}

const struct tree_written *tree_writer_counts(const struct tree_writer *w)
{
    return &w->counts;
}

/* ---- the whole ---- */

/* What lies in a tree is handed out to everybody. One that is begun is known by its own names; else nothing may be there that
 * somebody did not mean to hand out, keys for one. */
static enum slk_err check_strangers(const struct tree_writer *w, struct slk_fault *fault)
{
    static const char *const ours[] = {TREE_CHECKPOINT, "tile", NEW};
    DIR *dir = opendir(w->dir);
    struct dirent *entry;
    char stranger[64] = "";
    bool is_ours = false;

    if (dir == NULL)
        return fail(fault, w->dir);
    while (!is_ours && (entry = readdir(dir)) != NULL) {
        for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
            is_ours = is_ours || strcmp(entry->d_name, ours[i]) == 0;
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "lost+found") != 0)
            snprintf(stranger, sizeof(stranger), "%.63s", entry->d_name);
    }
    closedir(dir);
    if (is_ours || stranger[0] == '\0')
        return SLK_OK;
    snprintf(fault->text, sizeof(fault->text),
        "it holds `%s`, and a tree is handed out with all that lies in it: name an empty directory, or a new "
        "one",
        stranger);
    return SLK_E_EXISTS;
}

static enum slk_err open_dir(struct tree_writer *w, struct slk_fault *fault)
{
    enum slk_err err = SLK_OK;
    int above;

    w->made_dir = mkdir(w->dir, 0755) == 0;
    if (!w->made_dir && errno != EEXIST)
        return fail(fault, w->dir);
    w->fd =
        open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* the operator's own word: that may be a link */
    if (w->fd < 0)
        return fail(fault, w->dir);
    if (!w->made_dir)
        return SLK_OK;
    above = openat(w->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    err = above >= 0 ? sync_fd(w, above, "..", fault) : fail(fault, w->dir);
    if (above >= 0)
        close(above);
    return err;
}

/* Only one writer, by a lock on a file that still has its name: who wrote nothing takes it away again (undo). */
static enum slk_err take_lock(struct tree_writer *w, struct slk_fault *fault)
{
    const int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    struct stat st;

    w->lock = openat(w->fd, LOCK, flags | O_CREAT | O_EXCL, 0644);
    w->made_lock = w->lock >= 0;
    if (w->lock < 0 && errno == EEXIST)
        w->lock = openat(w->fd, LOCK, flags);
    if (w->lock < 0)
        return fail_at(w, w->fd, LOCK, LOCK, fault);
    if (flock(w->lock, LOCK_EX | LOCK_NB) == 0 && fstat(w->lock, &st) == 0 && st.st_nlink > 0)
        return SLK_OK;
    w->made_lock = false;
    snprintf(fault->text, sizeof(fault->text), "another mirror writes to %.150s", w->dir);
    return SLK_E_IN_USE;
}

static enum slk_err take_place(struct tree_writer *w, struct slk_fault *fault)
{
    enum slk_err err = open_dir(w, fault);

    if (err != SLK_OK)
        return err;
    if (faccessat(w->fd, "data.mdb", F_OK, 0) == 0) {
        snprintf(fault->text, sizeof(fault->text),
            "%.150s is a ledger's own directory: mirror it to another one", w->dir);
        return SLK_E_REFUSED;
    }
    err = check_strangers(w, fault);
    if (err == SLK_OK)
        err = take_lock(w, fault);
    if (err != SLK_OK)
        return err;
    w->made_new = faccessat(w->fd, NEW, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
    (void)remove_folder(w->fd, NEW); /* what a kill left */
    if (mkdirat(w->fd, NEW, 0755) != 0 && errno != EEXIST)
        return fail_in(w, NEW, fault);
    w->new_fd = open_folder_at(w->fd, NEW);
    return w->new_fd >= 0 ? SLK_OK : fail_at(w, w->fd, NEW, NEW, fault);
}

/* What was refused leaves nothing behind: the directory is as it was found. */
static void undo(const struct tree_writer *w)
{
    if (w->made_new && w->new_fd >= 0)
        (void)remove_folder(w->fd, NEW);
    if (w->made_lock)
        (void)unlinkat(w->fd, LOCK, 0);
    if (w->made_dir)
        (void)rmdir(w->dir); /* not if anybody put something there meanwhile */
}

enum slk_err tree_writer_open(struct tree_writer **out, const char *dir, struct slk_fault *fault)
{
    struct tree_writer *w = calloc(1, sizeof(*w));
    enum slk_err err;

    *out = NULL;
    if (w == NULL)
        return SLK_E_NOMEM;
    w->fd = w->new_fd = w->lock = -1;
    if (strlen(dir) >= sizeof(w->dir)) {
        errno = ENAMETOOLONG;
        err = fail(fault, "the directory's name");
    } else {
        snprintf(w->dir, sizeof(w->dir), "%s", dir);
        err = take_place(w, fault);
    }
    if (err != SLK_OK) {
        tree_writer_close(w);
        return err;
    }
    *out = w;
    return SLK_OK;
}

void tree_writer_close(struct tree_writer *w)
{
    if (w == NULL)
        return;
    tree_writer_drop(w);
    if (w->counts.files_n == 0)
        undo(w);
    if (w->new_fd >= 0)
        close(w->new_fd);
    if (w->lock >= 0)
        close(w->lock);
    if (w->fd >= 0)
        close(w->fd);
    free(w);
}
