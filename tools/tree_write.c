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
    int lock;
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

/* Makes what is missing of the path of a file; every directory in which a name appears is noted. */
static enum slk_err make_folders(struct tree_writer *w, const char *path, struct slk_fault *fault)
{
    char part[TREE_PATH_MAX], whole[PATH_ROOM], above[TREE_PATH_MAX] = "";

    for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
        whole_path(w, whole, part);
        if (mkdir(whole, 0755) == 0) {
            if (!note_folder(w, above))
                return fail(fault, whole);
        } else if (errno != EEXIST) {
            return fail(fault, whole);
        }
        memcpy(above, part, sizeof(above));
    }
    errno = ENOSPC;
    return note_folder(w, above) ? SLK_OK : fail(fault, path);
}

static enum slk_err sync_folder(struct tree_writer *w, const char *folder, struct slk_fault *fault)
{
    char whole[PATH_ROOM];
    int fd, rc;

    whole_path(w, whole, folder);
    fd = open(whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(fault, whole);
    rc = fsync(fd);
    if (rc != 0 && errno == EINVAL)
        rc = 0; /* a file system that has no such thing */
    w->counts.syncs_n++;
    close(fd);
    return rc == 0 ? SLK_OK : fail(fault, whole);
}

/* Every file in it, and itself; a directory inside stays, and so does this one then. */
static uint64_t remove_folder(const char *folder)
{
    char path[2 * PATH_ROOM];
    struct dirent *entry;
    uint64_t n = 0;
    DIR *dir = opendir(folder);

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            n += unlink(path) == 0;
    }
    if (dir != NULL)
        closedir(dir);
    (void)rmdir(folder);
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

static bool is_there(const char *path, const struct item *item)
{
    FILE *file = fopen(path, "rbe");
    uint8_t *bytes = file != NULL ? malloc(item->size + 2) : NULL;
    bool is_same = bytes != NULL && fread(bytes, 1, item->size + 1, file) == item->size &&
                   memcmp(bytes, item->bytes, item->size) == 0;

    free(bytes);
    if (file != NULL)
        fclose(file);
    return is_same;
}

static void new_path(const struct tree_writer *w, char out[PATH_ROOM], size_t i)
{
    snprintf(out, PATH_ROOM, "%s/" NEW "/%zu", w->dir, i);
}

static enum slk_err put_bytes(struct tree_writer *w, size_t i, struct slk_fault *fault)
{
    struct item *item = &w->items[i];
    char path[PATH_ROOM];
    enum slk_err err = make_folders(w, item->path, fault);

    if (err != SLK_OK)
        return err;
    whole_path(w, path, item->path);
    item->is_there = is_there(path, item);
    if (item->is_there)
        return SLK_OK;
    new_path(w, path, i);
    item->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (item->fd < 0)
        return fail(fault, path);
    for (size_t n = 0; n < item->size;) {
        ssize_t got = write(item->fd, item->bytes + n, item->size - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fail(fault, path);
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
    return rc == 0 ? SLK_OK : fail(fault, item->path);
}

static enum slk_err give_name(struct tree_writer *w, size_t i, struct slk_fault *fault)
{
    const struct item *item = &w->items[i];
    char from[PATH_ROOM], to[PATH_ROOM];

    if (item->is_there)
        return SLK_OK;
    new_path(w, from, i);
    whole_path(w, to, item->path);
    if (rename(from, to) != 0)
        return fail(fault, to);
    w->counts.files_n++;
    w->counts.bytes_n += item->size;
    return SLK_OK;
}

static void end_parts(struct tree_writer *w, size_t i)
{
    char path[TREE_PATH_MAX + 2], whole[PATH_ROOM];

    if (!w->items[i].ends_parts)
        return;
    snprintf(path, sizeof(path), "%s.p", w->items[i].path);
    whole_path(w, whole, path);
    w->counts.removed_n += remove_folder(whole);
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
    char whole[PATH_ROOM];

    whole_path(w, whole, path);
    (void)unlink(whole);
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

static enum slk_err take_place(struct tree_writer *w, struct slk_fault *fault)
{
    enum slk_err err;
    char path[PATH_ROOM];

    if (mkdir(w->dir, 0755) == 0) {
        err = sync_folder(w, "..", fault);
        if (err != SLK_OK)
            return err;
    } else if (errno != EEXIST) {
        return fail(fault, w->dir);
    }
    whole_path(w, path, "data.mdb");
    if (access(path, F_OK) == 0) {
        snprintf(fault->text, sizeof(fault->text),
            "%.150s is a ledger's own directory: mirror it to another one", w->dir);
        return SLK_E_REFUSED;
    }
    err = check_strangers(w, fault);
    if (err != SLK_OK)
        return err;
    whole_path(w, path, ".lock");
    w->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (w->lock < 0)
        return fail(fault, path);
    if (flock(w->lock, LOCK_EX | LOCK_NB) != 0) {
        snprintf(fault->text, sizeof(fault->text), "another mirror writes to %.150s", w->dir);
        return SLK_E_IN_USE;
    }
    whole_path(w, path, NEW);
    (void)remove_folder(path); /* what a kill left */
    return mkdir(path, 0755) == 0 || errno == EEXIST ? SLK_OK : fail(fault, path);
}

enum slk_err tree_writer_open(struct tree_writer **out, const char *dir, struct slk_fault *fault)
{
    struct tree_writer *w = calloc(1, sizeof(*w));
    enum slk_err err;

    *out = NULL;
    if (w == NULL)
        return SLK_E_NOMEM;
    w->lock = -1;
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
    if (w->lock >= 0)
        close(w->lock);
    free(w);
}
