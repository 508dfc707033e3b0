/* lmdb_file.c: walks LMDB's file without LMDB. See lmdb_file.h for the format. */
#include "ledger/store/lmdb_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ledger/store/internal.h"

/* mdb.c, LMDB 0.9 */
#define MAGIC         0xBEEFC0DEu
#define DATA_VERSION  1
#define NO_PAGE       UINT64_MAX /* P_INVALID */
#define PAGE_HEADER   16
#define PAGE_BRANCH   0x01
#define PAGE_LEAF     0x02
#define PAGE_OVERFLOW 0x04
#define PAGE_META     0x08
#define NODE_HEADER   8
#define NODE_BIG      0x01
#define NODE_TREE     0x02
#define INTEGER_KEY   0x08
#define META_SIZE     136
#define TREE_SIZE     48
#define PAGE_SIZE_MIN 512u
#define PAGE_SIZE_MAX 65536u
#define START_PAGES   20000u /* tree pages walked at start: 80 MB; a ledger of 20 million events has 2,000 */
#define BEYOND_END_MAX                                                                                       \
    ((uint64_t)1 << 20) /* free pages past the end of the file: never written, listed as free */

/* Host byte order, no alignment assumed. */
static uint16_t host16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint32_t host32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t host64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static void found(struct slk_lmdb_file *file, uint64_t page, const char *what)
{
    file->findings_n++;
    file->finding(file->finding_ctx, page, what);
}

static void no_finding(void *ctx, uint64_t page, const char *what)
{
    (void)ctx, (void)page, (void)what;
}

bool slk_lmdb_read(const struct slk_lmdb_file *file, uint64_t offset, uint8_t *out, size_t size)
{
    return slk_store_read(file->fd, offset, out, size);
}

static uint64_t pages_in_file(const struct slk_lmdb_file *file)
{
    assert(file->page_size > 0);
    return file->size / file->page_size;
}

/* ---- meta pages ---- */

static void parse_tree(struct slk_lmdb_tree *out, const uint8_t *p)
{
    out->flags = host16(p + 4);
    out->depth = host16(p + 6);
    out->branches_n = host64(p + 8);
    out->leaves_n = host64(p + 16);
    out->overflows_n = host64(p + 24);
    out->items_n = host64(p + 32);
    out->root = host64(p + 40);
}

static const char *parse_meta(struct slk_lmdb_file *file, unsigned slot, const uint8_t *p)
{
    struct slk_lmdb_meta *meta = &file->metas[slot];
    const uint8_t *m = p + PAGE_HEADER;
    uint32_t page_size = host32(m + 24);

    if (host64(p) != slot || host16(p + 10) != PAGE_META)
        return "is not a meta page";
    if (host32(m) != MAGIC)
        return "has another magic number than LMDB's";
    if (host32(m + 4) != DATA_VERSION)
        return "names another version of LMDB's format";
    if (page_size < PAGE_SIZE_MIN || page_size > PAGE_SIZE_MAX || (page_size & (page_size - 1)) != 0)
        return "names a page size that cannot be";
    if (file->page_size != 0 && file->page_size != page_size)
        return "names another page size than page 0";
    file->page_size = page_size;
    parse_tree(&meta->free_pages, m + 24);
    parse_tree(&meta->main, m + 24 + TREE_SIZE);
    meta->last_page = host64(m + 24 + 2 * TREE_SIZE);
    meta->txn_id = host64(m + 32 + 2 * TREE_SIZE);
    if (meta->free_pages.flags != INTEGER_KEY || meta->main.flags != 0)
        return "names flags this program does not use";
    if (meta->last_page < 1)
        return "names no last page";
    return NULL;
}

/* Transactions write the two pages in turn: their numbers follow each other, or both are 0 in a new file. A damaged
 * number would otherwise make an older picture look like the newest. */
static const char *check_order(const struct slk_lmdb_file *file)
{
    uint64_t a = file->metas[0].txn_id, b = file->metas[1].txn_id;

    if ((a == 0 && b == 0) || (a % 2 == 0 && b % 2 == 1 && (a + 1 == b || b + 1 == a)))
        return NULL;
    return "and page 1 are not of two transactions that follow each other";
}

/* Twice, until both are the same: a writer in another process may be at it. */
static bool read_metas(struct slk_lmdb_file *file, uint8_t out[2][PAGE_HEADER + META_SIZE])
{
    uint8_t again[PAGE_HEADER + META_SIZE];
    size_t size = PAGE_HEADER + META_SIZE;
    uint32_t page_size;

    for (int tries = 0; tries < 1000; tries++) {
        if (!slk_lmdb_read(file, 0, out[0], size))
            return false;
        page_size = host32(out[0] + PAGE_HEADER + 24);
        if (page_size < PAGE_SIZE_MIN || page_size > PAGE_SIZE_MAX)
            page_size = (uint32_t)sysconf(_SC_PAGESIZE); /* parse_meta will tell */
        if (!slk_lmdb_read(file, page_size, out[1], size) || !slk_lmdb_read(file, 0, again, size))
            return false;
        if (memcmp(again, out[0], size) == 0 && slk_lmdb_read(file, page_size, again, size) &&
            memcmp(again, out[1], size) == 0)
            return true;
    }
    return true;
}

static enum slk_err parse_metas(struct slk_lmdb_file *file)
{
    uint8_t metas[2][PAGE_HEADER + META_SIZE];
    enum slk_err err = SLK_OK;
    bool sane[2];
    struct stat st;
    const char *what;

    if (!read_metas(file, metas)) {
        found(file, 0, "cannot be read: the file is truncated");
        return SLK_E_CORRUPT;
    }
    for (unsigned slot = 0; slot < 2; slot++) {
        what = parse_meta(file, slot, metas[slot]);
        sane[slot] = what == NULL;
        if (what != NULL) {
            found(file, slot, what);
            err = SLK_E_CORRUPT;
        }
    }
    if (fstat(file->fd, &st) != 0) /* after the meta pages: a writer extends the file first */
        return SLK_E_IO;
    file->size = (uint64_t)st.st_size;
    if (sane[0] && sane[1]) {
        file->meta = &file->metas[file->metas[0].txn_id < file->metas[1].txn_id];
        what = check_order(file);
        if (what != NULL) {
            found(file, 0, what);
            err = SLK_E_CORRUPT;
        }
    } else if (sane[0] || sane[1]) {
        file->meta = &file->metas[sane[1]];
    }
    return err;
}

static enum slk_err new_used(struct slk_lmdb_file *file)
{
    uint64_t last = file->meta->last_page;

    free(file->used);
    file->used = NULL;
    if (last >= pages_in_file(file) + BEYOND_END_MAX) {
        found(
            file, last, "is the last page of the ledger, but the file ends long before it: it is truncated");
        return SLK_E_CORRUPT;
    }
    file->used = calloc(1, (size_t)(last / 8 + 1));
    return file->used != NULL ? SLK_OK : SLK_E_NOMEM;
}

enum slk_err slk_lmdb_open(
    struct slk_lmdb_file *file, const char *dir, slk_lmdb_finding_fn *finding, void *ctx)
{
    char path[SLK_PATH_SIZE];
    enum slk_err err;

    memset(file, 0, sizeof(*file));
    file->finding = finding;
    file->finding_ctx = ctx;
    file->fd = -1;
    if (!slk_store_path(path, dir, "data.mdb"))
        return SLK_E_IO;
    file->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0)
        return slk_store_errno(errno);
    err = parse_metas(file);
    if (file->meta != NULL) {
        enum slk_err again = new_used(file);
        if (again != SLK_OK)
            file->meta = NULL;
        err = err == SLK_OK ? again : err;
    }
    assert(err != SLK_OK || file->meta != NULL);
    return err;
}

void slk_lmdb_close(struct slk_lmdb_file *file)
{
    if (file->fd >= 0)
        (void)close(file->fd);
    free(file->used);
    file->fd = -1;
    file->used = NULL;
}

enum slk_err slk_lmdb_choose(struct slk_lmdb_file *file, uint64_t txn_id)
{
    for (int i = 0; i < 2; i++)
        if (file->metas[i].txn_id == txn_id) {
            file->meta = &file->metas[i];
            return new_used(file);
        }
    return SLK_E_RANGE;
}

/* ---- pages ---- */

/* Marks pages as used; tells when one is out of range, past the end, or used before. */
static bool use_pages(struct slk_lmdb_file *file, uint64_t first, uint64_t n, bool must_exist)
{
    uint64_t end = pages_in_file(file);

    if (first < 2 || first > file->meta->last_page || n > file->meta->last_page - first + 1) {
        found(file, first, "is named, but is not a page of the ledger");
        return false;
    }
    if (must_exist && (first >= end || n > end - first)) {
        found(file, first, "lies beyond the end of the file: it is truncated");
        return false;
    }
    for (uint64_t i = first; i < first + n; i++) {
        if (file->used[i / 8] >> (i % 8) & 1) {
            found(file, i, "is used twice");
            return false;
        }
        file->used[i / 8] = (uint8_t)(file->used[i / 8] | 1u << (i % 8));
    }
    return true;
}

static unsigned nodes_on(const uint8_t *page)
{
    return (host16(page + 12) - PAGE_HEADER) / 2u;
}

static size_t node_size(const uint8_t *node, bool leaf)
{
    size_t size = NODE_HEADER + (size_t)host16(node + 6);

    if (leaf)
        size += host16(node + 4) & NODE_BIG ? 8 : (size_t)(host16(node) | (uint32_t)host16(node + 2) << 16);
    return size + size % 2;
}

/* All that is needed to read its nodes without looking again. */
static const char *check_page(
    const struct slk_lmdb_file *file, const uint8_t *page, uint64_t number, bool leaf)
{
    size_t lower = host16(page + 12), upper = host16(page + 14), sum = 0;

    if (host64(page) != number)
        return "holds another page's number";
    if (host16(page + 10) != (leaf ? PAGE_LEAF : PAGE_BRANCH))
        return leaf ? "is not a leaf page" : "is not a branch page";
    if (lower < PAGE_HEADER + 2 || lower % 2 != 0 || lower > upper || upper > file->page_size)
        return "has bounds that cannot be";
    for (size_t i = PAGE_HEADER; i < lower; i += 2) {
        size_t at = host16(page + i);

        if (at < upper || at % 2 != 0 || at > file->page_size - NODE_HEADER)
            return "has a node outside its bounds";
        if (host16(page + at + 6) > SLK_LMDB_KEY_MAX || node_size(page + at, leaf) > file->page_size - at)
            return "has a node that runs over its end";
        sum += node_size(page + at, leaf);
    }
    return sum == file->page_size - upper ? NULL : "has nodes that do not fill it";
}

/* ---- cursor ---- */

static int compare_keys(
    const struct slk_lmdb_cursor *c, const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    int rc;

    if (c->integer_keys) { /* sizes were checked */
        uint64_t x = host64(a), y = host64(b);
        return (x > y) - (x < y);
    }
    rc = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return rc != 0 ? rc : (a_size > b_size) - (a_size < b_size);
}

/* Reads a page onto the stack. */
static bool push(struct slk_lmdb_cursor *c, uint64_t number)
{
    struct slk_lmdb_file *file = c->file;
    bool leaf = c->depth + 1 == c->tree.depth;
    uint8_t *page = c->stack[c->depth].page;
    const char *what;

    if (!use_pages(file, number, 1, true))
        return false;
    if (page == NULL)
        page = c->stack[c->depth].page = malloc(file->page_size);
    if (page == NULL || !slk_lmdb_read(file, number * file->page_size, page, file->page_size)) {
        found(file, number, "cannot be read");
        return false;
    }
    what = check_page(file, page, number, leaf);
    if (what != NULL) {
        found(file, number, what);
        return false;
    }
    c->stack[c->depth].number = number;
    c->stack[c->depth].next = 0;
    c->stack[c->depth].n = nodes_on(page);
    c->depth++;
    if (leaf)
        c->leaves_n++;
    else
        c->branches_n++;
    return true;
}

enum slk_err slk_lmdb_cursor_init(
    struct slk_lmdb_cursor *c, struct slk_lmdb_file *file, const char *name, const struct slk_lmdb_tree *tree)
{
    memset(c, 0, sizeof(*c));
    c->file = file;
    c->name = name;
    c->tree = *tree;
    c->integer_keys = (tree->flags & INTEGER_KEY) != 0;
    if (tree->root == NO_PAGE)
        return SLK_OK;
    if (tree->depth == 0 || tree->depth > SLK_LMDB_DEPTH_MAX) {
        found(file, tree->root, "is the root of a tree of a depth that cannot be");
        return SLK_E_CORRUPT;
    }
    return push(c, tree->root) ? SLK_OK : SLK_E_CORRUPT;
}

void slk_lmdb_cursor_close(struct slk_lmdb_cursor *c)
{
    for (size_t i = 0; i < SLK_LMDB_DEPTH_MAX; i++)
        free(c->stack[i].page);
    memset(c, 0, sizeof(*c));
}

/* Goes below a branch's next node. The key beside it must lie between what was read and what comes. */
static void descend(struct slk_lmdb_cursor *c)
{
    unsigned top = c->depth - 1, i = c->stack[top].next++;
    const uint8_t *page = c->stack[top].page;
    const uint8_t *node = page + host16(page + PAGE_HEADER + 2 * i);
    uint64_t below = host16(node) | (uint64_t)host16(node + 2) << 16 | (uint64_t)host16(node + 4) << 32;
    size_t size = host16(node + 6);

    if (i > 0) { /* the first node's key is never read */
        if (c->integer_keys && size != 8) {
            found(c->file, c->stack[top].number, "has a key of a wrong size");
            return;
        }
        if (c->key_size > 0 && compare_keys(c, c->key, c->key_size, node + NODE_HEADER, size) >= 0)
            found(c->file, c->stack[top].number, "has a key that is not above those before it");
        memcpy(c->bound, node + NODE_HEADER, size);
        c->bound_size = size;
    }
    (void)push(c, below); /* damage was told: go on with the next */
}

static void check_key(struct slk_lmdb_cursor *c, const uint8_t *key, size_t size, uint64_t page)
{
    if (c->key_size > 0 && compare_keys(c, c->key, c->key_size, key, size) >= 0)
        found(c->file, page, "has keys that do not ascend");
    if (c->bound_size > 0 && compare_keys(c, key, size, c->bound, c->bound_size) < 0)
        found(c->file, page, "has a key below that of its branch");
    c->bound_size = 0;
}

static bool check_overflow(struct slk_lmdb_cursor *c, const struct slk_lmdb_value *value)
{
    struct slk_lmdb_file *file = c->file;
    uint64_t n = (PAGE_HEADER - 1 + (uint64_t)value->size) / file->page_size + 1;
    uint8_t header[PAGE_HEADER];

    if (!use_pages(file, value->page, n, true))
        return false;
    c->overflows_n += n;
    if (!c->look_at_overflows)
        return true;
    if (!slk_lmdb_read(file, value->page * file->page_size, header, sizeof header)) {
        found(file, value->page, "cannot be read");
        return false;
    }
    if (host64(header) != value->page || host16(header + 10) != PAGE_OVERFLOW || host32(header + 12) != n) {
        found(file, value->page, "is not the overflow page it should be");
        return false;
    }
    return true;
}

/* Takes the leaf's next node apart; false: damaged, told. */
static bool take(struct slk_lmdb_cursor *c, struct slk_lmdb_value *value)
{
    unsigned top = c->depth - 1, i = c->stack[top].next++;
    const uint8_t *page = c->stack[top].page;
    const uint8_t *node = page + host16(page + PAGE_HEADER + 2 * i);
    size_t key_size = host16(node + 6);

    c->items_n++;
    if (key_size == 0 || (c->integer_keys && key_size != 8)) {
        found(c->file, c->stack[top].number, "has a key of a wrong size");
        return false;
    }
    check_key(c, node + NODE_HEADER, key_size, c->stack[top].number);
    memcpy(c->key, node + NODE_HEADER, key_size);
    c->key_size = key_size;
    value->size = host16(node) | (uint32_t)host16(node + 2) << 16;
    value->flags = host16(node + 4);
    value->page = c->stack[top].number;
    value->at = node + NODE_HEADER + key_size;
    if ((value->flags & ~(NODE_BIG | NODE_TREE)) != 0 ||
        (value->flags & NODE_BIG && value->flags & NODE_TREE)) {
        found(c->file, value->page, "has a node of a kind this program does not use");
        return false;
    }
    value->offset = value->page * c->file->page_size + (uint64_t)(value->at - page);
    if ((value->flags & NODE_BIG) == 0)
        return true;
    value->page = host64(value->at);
    value->offset = value->page * c->file->page_size + PAGE_HEADER;
    value->at = NULL;
    return check_overflow(c, value);
}

static void check_counts(struct slk_lmdb_cursor *c)
{
    if (c->counted)
        return;
    c->counted = true;
    if (c->branches_n != c->tree.branches_n || c->leaves_n != c->tree.leaves_n ||
        c->overflows_n != c->tree.overflows_n || c->items_n != c->tree.items_n)
        found(c->file, c->tree.root == NO_PAGE ? 0 : c->tree.root,
            "is the root of a tree whose counts are wrong");
}

bool slk_lmdb_next(struct slk_lmdb_cursor *c, struct slk_lmdb_value *value)
{
    while (c->depth > 0) {
        unsigned top = c->depth - 1;

        if (c->stack[top].next == c->stack[top].n)
            c->depth--;
        else if (c->depth < c->tree.depth)
            descend(c);
        else if (take(c, value))
            return true;
    }
    check_counts(c);
    return false;
}

/* ---- the whole file ---- */

enum slk_err slk_lmdb_find(struct slk_lmdb_file *file, const char *name, struct slk_lmdb_tree *out)
{
    struct slk_lmdb_file quiet = *file; /* what is wrong on the way is told by the walk over the whole file */
    struct slk_lmdb_cursor *c = malloc(sizeof(*c));
    struct slk_lmdb_value value;
    enum slk_err err = SLK_E_NOT_FOUND;

    quiet.finding = no_finding;
    quiet.used = calloc(1, (size_t)(file->meta->last_page / 8 + 1));
    if (c == NULL || quiet.used == NULL) {
        free(c);
        free(quiet.used);
        return SLK_E_NOMEM;
    }
    if (slk_lmdb_cursor_init(c, &quiet, "main", &file->meta->main) == SLK_OK) {
        while (err != SLK_OK && slk_lmdb_next(c, &value))
            if (c->key_size == strlen(name) && memcmp(c->key, name, c->key_size) == 0 &&
                value.flags == NODE_TREE && value.size == TREE_SIZE) {
                parse_tree(out, value.at);
                err = SLK_OK;
            }
    }
    slk_lmdb_cursor_close(c);
    free(c);
    free(quiet.used);
    return err;
}

/* The pages that one item of the list of free pages names: a count, then page numbers in descending order. */
static void take_free(
    struct slk_lmdb_file *file, const struct slk_lmdb_cursor *c, const struct slk_lmdb_value *value)
{
    uint8_t *bytes = malloc(value->size + 1);
    uint64_t n, last = UINT64_MAX;

    if (bytes == NULL || value->size < 8 || value->size % 8 != 0 ||
        !slk_lmdb_read(file, value->offset, bytes, value->size) || host64(bytes) > value->size / 8 - 1 ||
        host64(c->key) > file->meta->txn_id) {
        found(file, value->page, "holds a list of free pages that cannot be");
        free(bytes);
        return;
    }
    n = host64(bytes);
    for (uint64_t i = 1; i <= n; i++) {
        uint64_t page = host64(bytes + 8 * i);

        if (page >= last) {
            found(file, value->page, "holds a list of free pages out of order");
            break;
        }
        last = page;
        if (!use_pages(file, page, 1, false))
            break;
    }
    free(bytes);
}

/* An item of the main data base: the name of another one. */
static void take_name(
    struct slk_lmdb_file *file, const struct slk_lmdb_cursor *c, const struct slk_lmdb_value *value)
{
    for (int i = 0; i < SLK_BASE_N; i++)
        if (c->key_size == strlen(slk_base_names[i]) && memcmp(c->key, slk_base_names[i], c->key_size) == 0 &&
            value->flags == NODE_TREE && value->size == TREE_SIZE)
            return;
    found(file, value->page, "names a data base this program does not know");
}

/* One tree from end to end; `each` sees every item. */
typedef void each_fn(
    struct slk_lmdb_file *file, const struct slk_lmdb_cursor *c, const struct slk_lmdb_value *value);
static enum slk_err walk_tree(
    struct slk_lmdb_file *file, const char *name, const struct slk_lmdb_tree *tree, bool look, each_fn *each)
{
    struct slk_lmdb_cursor *c = malloc(sizeof(*c));
    struct slk_lmdb_value value;
    enum slk_err err;

    if (c == NULL)
        return SLK_E_NOMEM;
    err = slk_lmdb_cursor_init(c, file, name, tree);
    c->look_at_overflows = look;
    if (err == SLK_OK)
        while (slk_lmdb_next(c, &value))
            if (each != NULL)
                each(file, c, &value);
    slk_lmdb_cursor_close(c);
    free(c);
    return err == SLK_E_CORRUPT ? SLK_OK : err; /* told */
}

static bool too_large(const struct slk_lmdb_tree *tree, uint64_t max)
{
    return max != 0 && (tree->branches_n > max || tree->leaves_n > max - tree->branches_n);
}

static void tell_unused(struct slk_lmdb_file *file)
{
    for (uint64_t i = 2; i <= file->meta->last_page; i++)
        if ((file->used[i / 8] >> (i % 8) & 1) == 0) {
            found(file, i, "belongs to nothing: neither data nor free");
            return;
        }
}

enum slk_err slk_lmdb_walk_all(struct slk_lmdb_file *file, uint64_t tree_pages_max, bool look_at_overflows)
{
    uint64_t before = file->findings_n;
    bool whole = !too_large(&file->meta->free_pages, tree_pages_max);
    enum slk_err err = walk_tree(file, "main", &file->meta->main, look_at_overflows, take_name);

    for (int i = 0; err == SLK_OK && i < SLK_BASE_N; i++) {
        struct slk_lmdb_tree tree;

        err = slk_lmdb_find(file, slk_base_names[i], &tree);
        if (err == SLK_E_NOT_FOUND) { /* an unfinished ledger; slk_store_open tells */
            err = SLK_OK;
            continue;
        }
        if (err == SLK_OK && tree.flags != 0)
            found(file, file->meta->main.root, "names a data base with flags this program does not use");
        else if (err == SLK_OK && too_large(&tree, tree_pages_max))
            whole = false;
        else if (err == SLK_OK)
            err = walk_tree(file, slk_base_names[i], &tree, look_at_overflows, NULL);
    }
    if (err == SLK_OK && !too_large(&file->meta->free_pages, tree_pages_max))
        err = walk_tree(file, "free", &file->meta->free_pages, look_at_overflows, take_free);
    if (err == SLK_OK && whole && file->findings_n == before)
        tell_unused(file);
    return err;
}

/* ---- at start ---- */

static void first_finding(void *ctx, uint64_t page, const char *what)
{
    struct slk_fault *fault = ctx;

    if (fault != NULL && fault->text[0] == '\0')
        slk_fault_set(fault, "data.mdb: page %llu %s; run `sillok fsck`", (unsigned long long)page, what);
}

enum slk_err slk_lmdb_check_head(const char *dir, struct slk_fault *fault)
{
    struct slk_lmdb_file file;
    enum slk_err err;

    if (fault != NULL)
        fault->text[0] = '\0';
    err = slk_lmdb_open(&file, dir, first_finding, fault);
    slk_lmdb_close(&file);
    if (err == SLK_E_NOT_FOUND)
        slk_fault_set(fault, "%s holds no ledger; `sillok init` makes a new one", dir);
    else if (err == SLK_E_IO)
        slk_fault_set(fault, "%s/data.mdb cannot be read", dir);
    return err;
}

enum slk_err slk_lmdb_check(const char *dir, uint64_t txn_id, bool whole, struct slk_fault *fault)
{
    struct slk_lmdb_file file;
    enum slk_err err;

    if (fault != NULL)
        fault->text[0] = '\0';
    err = slk_lmdb_open(&file, dir, first_finding, fault);
    if (err == SLK_OK)
        err = slk_lmdb_choose(&file, txn_id);
    if (err == SLK_OK)
        err = slk_lmdb_walk_all(&file, whole ? 0 : START_PAGES, false);
    if (err == SLK_OK && file.findings_n > 0)
        err = SLK_E_CORRUPT;
    slk_lmdb_close(&file);
    return err;
}

enum slk_err slk_lmdb_newest(const char *dir, uint64_t *txn_id)
{
    struct slk_lmdb_file file;
    enum slk_err err = slk_lmdb_open(&file, dir, no_finding, NULL);

    *txn_id = err == SLK_OK && file.meta != NULL ? file.meta->txn_id : 0;
    slk_lmdb_close(&file);
    return err;
}
