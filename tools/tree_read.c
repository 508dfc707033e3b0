/* tree_read.c: see tree_read.h. */
#include "tools/tree_read.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_ROOM 4096
#define TRIES     3 /* of one file: a connection may break */

struct place {
    char path[TREE_PATH_MAX]; /* empty: free */
    size_t max;
    bool is_here;
    struct http_answer answer;
};

struct tree {
    const char *dir; /* NULL: at a URL */
    struct http_client *client;
    size_t node;
    struct place places[TREE_AHEAD_MAX];
};

__attribute__((format(printf, 3, 4))) static enum slk_err fail(
    struct slk_fault *fault, enum slk_err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(fault->text, sizeof(fault->text), format, args);
    va_end(args);
    return err;
}

struct tree *tree_of_dir(const char *dir)
{
    struct tree *tree = calloc(1, sizeof(*tree));

    if (tree != NULL)
        tree->dir = dir;
    return tree;
}

struct tree *tree_of_url(struct http_client *client, size_t node)
{
    struct tree *tree = calloc(1, sizeof(*tree));

    if (tree != NULL) {
        tree->client = client;
        tree->node = node;
    }
    return tree;
}

bool tree_is_dir(const char *path)
{
    char file[PATH_ROOM];
    struct stat st;
    int n = snprintf(file, sizeof(file), "%s/data.mdb", path);

    if (n < 0 || (size_t)n >= sizeof(file) || stat(file, &st) == 0)
        return false;
    snprintf(file, sizeof(file), "%s/%s", path, TREE_CHECKPOINT);
    return stat(file, &st) == 0 && S_ISREG(st.st_mode);
}

/* ---- a directory ---- */

static enum slk_err read_all(
    FILE *file, const char *path, size_t max, struct tree_file *out, struct slk_fault *fault)
{
    struct stat st;
    bool is_whole;

    if (fstat(fileno(file), &st) != 0 || !S_ISREG(st.st_mode))
        return fail(fault, SLK_E_IO, "%s: not a file that can be read", path);
    if (st.st_size < 0 || (uintmax_t)st.st_size > max)
        return fail(
            fault, SLK_E_TOO_LARGE, "%s: larger than %zu bytes, which is the most it can be", path, max);
    out->size = (size_t)st.st_size;
    out->bytes = malloc(out->size + 1);
    if (out->bytes == NULL)
        return fail(fault, SLK_E_NOMEM, "%s", slk_err_text(SLK_E_NOMEM));
    is_whole = fread(out->bytes, 1, out->size, file) == out->size;
    out->bytes[out->size] = 0;
    return is_whole ? SLK_OK : fail(fault, SLK_E_IO, "%s: cannot be read to its end", path);
}

/* A pipe is refused later, not waited for. */
static FILE *open_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = fd >= 0 ? fdopen(fd, "rb") : NULL;

    if (file == NULL && fd >= 0)
        close(fd);
    return file;
}

static enum slk_err get_file(
    struct tree *tree, const char *path, size_t max, struct tree_file *out, struct slk_fault *fault)
{
    char whole[PATH_ROOM];
    int n = snprintf(whole, sizeof(whole), "%s/%s", tree->dir, path);
    FILE *file = n > 0 && (size_t)n < sizeof(whole) ? open_file(whole) : NULL;
    enum slk_err err;

    if (file == NULL)
        return fail(fault, errno == ENOENT || errno == ENOTDIR ? SLK_E_NOT_FOUND : SLK_E_IO, "%s: %s", path,
            errno == ENOENT || errno == ENOTDIR ? "is missing" : strerror(errno));
    err = read_all(file, path, max, out, fault);
    fclose(file);
    return err;
}

/* ---- a server ---- */

static struct place *place_of(struct tree *tree, const char *path)
{
    for (size_t i = 0; i < TREE_AHEAD_MAX; i++)
        if (strcmp(tree->places[i].path, path) == 0)
            return &tree->places[i];
    return NULL;
}

static bool start(struct tree *tree, struct place *place, const char *path, size_t max)
{
    char whole[TREE_PATH_MAX + 1];
    const struct http_request request = {.path = whole, .max = max, .patience_ms = HTTP_PATIENCE_MS};

    http_answer_clear(&place->answer);
    snprintf(whole, sizeof(whole), "/%s", path);
    *place = (struct place){.max = max};
    if (!http_start(tree->client, tree->node, &request, place))
        return false;
    snprintf(place->path, sizeof(place->path), "%s", path);
    return true;
}

static bool take_one(struct tree *tree)
{
    struct http_answer answer;
    struct place *place;
    void *tag;

    if (!http_next(tree->client, UINT64_MAX, &tag, &answer))
        return false;
    place = tag;
    place->answer = answer;
    place->is_here = true;
    return true;
}

/* One that nobody will ask for any more gives way: of what is here, any. */
static struct place *free_place(struct tree *tree)
{
    struct place *place = place_of(tree, "");

    for (size_t i = 0; place == NULL && i < TREE_AHEAD_MAX; i++)
        if (tree->places[i].is_here)
            place = &tree->places[i];
    return place;
}

static void clear(struct place *place)
{
    http_answer_clear(&place->answer);
    *place = (struct place){0};
}

static struct place *ask(struct tree *tree, const char *path, size_t max)
{
    struct place *place = place_of(tree, path);

    while (place == NULL && (place = free_place(tree)) == NULL && take_one(tree))
        ;
    if (place != NULL && strcmp(place->path, path) != 0 && !start(tree, place, path, max))
        return NULL;
    while (place != NULL && !place->is_here && take_one(tree))
        ;
    return place;
}

static enum slk_err get_url(
    struct tree *tree, const char *path, size_t max, struct tree_file *out, struct slk_fault *fault)
{
    enum slk_err err = SLK_E_IO;

    for (int i = 0; err == SLK_E_IO && i < TRIES; i++) {
        struct place *place = ask(tree, path, max);

        if (place == NULL)
            return fail(fault, SLK_E_NOMEM, "%s", slk_err_text(SLK_E_NOMEM));
        if (place->answer.status >= 200 && place->answer.status <= 299) {
            *out = (struct tree_file){place->answer.body, place->answer.size};
            place->answer.body = NULL;
            err = SLK_OK;
        } else if (place->answer.status == 404 || place->answer.status == 410) {
            err = fail(
                fault, SLK_E_NOT_FOUND, "%s: is missing: the server answered %u", path, place->answer.status);
        } else {
            err = fail(fault, SLK_E_IO, "%s: %.150s", path, place->answer.error);
        }
        clear(place);
    }
    return err;
}

/* ---- either ---- */

void tree_free(struct tree *tree)
{
    if (tree == NULL)
        return;
    while (tree->client != NULL && take_one(tree))
        ;
    for (size_t i = 0; i < TREE_AHEAD_MAX; i++)
        http_answer_clear(&tree->places[i].answer);
    free(tree);
}

enum slk_err tree_get(
    struct tree *tree, const char *path, size_t max, struct tree_file *out, struct slk_fault *fault)
{
    enum slk_err err;

    *out = (struct tree_file){0};
    err = tree->dir != NULL ? get_file(tree, path, max, out, fault) : get_url(tree, path, max, out, fault);
    if (err != SLK_OK) {
        free(out->bytes);
        *out = (struct tree_file){0};
    }
    return err;
}

void tree_ahead(struct tree *tree, const struct tree_part *part)
{
    char path[TREE_PATH_MAX];
    struct place *place;

    if (tree->dir != NULL)
        return;
    tree_path(path, part);
    place = place_of(tree, path) == NULL ? place_of(tree, "") : NULL;
    if (place != NULL)
        (void)start(tree, place, path, tree_part_max(part));
}

/* *found is the part that the bytes are of: this one, or the full one. */
static enum slk_err get_part(struct tree *tree, const struct tree_part *part, struct tree_part *found,
    struct tree_file *out, struct slk_fault *fault)
{
    char path[TREE_PATH_MAX];
    struct slk_fault of_full = {0};
    enum slk_err err;

    *found = *part;
    tree_path(path, found);
    err = tree_get(tree, path, tree_part_max(found), out, fault);
    if (err != SLK_E_NOT_FOUND || part->width == SLK_TILE_WIDTH)
        return err;
    found->width = SLK_TILE_WIDTH;
    tree_path(path, found);
    err = tree_get(tree, path, tree_part_max(found), out, &of_full);
    if (err != SLK_E_NOT_FOUND) /* otherwise the partial one is what is missing */
        *fault = of_full;
    return err;
}

enum slk_err tree_hashes(
    struct tree *tree, const struct tree_part *part, struct slk_hash *out, struct slk_fault *fault)
{
    char path[TREE_PATH_MAX];
    struct tree_part found;
    struct tree_file file;
    enum slk_err err = get_part(tree, part, &found, &file, fault);

    if (err == SLK_OK && file.bytes != NULL && file.size == found.width * sizeof(*out)) {
        memcpy(out, file.bytes, part->width * sizeof(*out));
    } else if (err == SLK_OK) {
        tree_path(path, &found);
        err = fail(fault, SLK_E_MALFORMED, "%s: %zu bytes instead of %zu", path, file.size,
            found.width * sizeof(*out));
    }
    free(file.bytes);
    return err;
}

enum slk_err tree_bundle(
    struct tree *tree, const struct tree_part *part, struct tree_bundle *out, struct slk_fault *fault)
{
    char path[TREE_PATH_MAX];
    struct tree_part found;
    enum slk_err err;

    memset(out, 0, sizeof(*out));
    err = get_part(tree, part, &found, &out->file, fault);
    if (err == SLK_OK &&
        tree_split(out->items, found.width, slk_span_of(out->file.bytes, out->file.size)) != SLK_OK) {
        tree_path(path, &found);
        err = fail(
            fault, SLK_E_MALFORMED, "%s: not a bundle of exactly %" PRIu32 " entries", path, found.width);
    }
    if (err != SLK_OK)
        tree_bundle_clear(out);
    return err;
}

void tree_bundle_clear(struct tree_bundle *bundle)
{
    free(bundle->file.bytes);
    memset(bundle, 0, sizeof(*bundle));
}
