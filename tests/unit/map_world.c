#include "tests/unit/map_world.h"

#include <stdlib.h>
#include <string.h>

const unsigned bits_of[8] = {88, 4, 8, 16, 1, 64, 65, 87};
const unsigned deep_of[4] = {0, 1, 4, 7};

/* ---- the definition ---- */

static void naive_root(struct slk_hash *out, const struct item *items, size_t n, unsigned depth)
{
    struct slk_hash left, right;
    size_t middle = 0;

    if (n < 2) {
        *out = n == 0 ? slk_hash_zero : items[0].leaf;
        return;
    }
    while (middle < n && slk_path_bit(&items[middle].path, depth) == 0)
        middle++;
    naive_root(&left, items, middle, depth + 1);
    naive_root(&right, items + middle, n - middle, depth + 1);
    slk_hash_node(out, &left, &right);
}

/* Siblings on the way to `path`, at most `limit`, and what is left at the end. */
static unsigned naive_walk(struct slk_hash *siblings, const struct item **items, size_t *n,
    const struct slk_hash *path, unsigned limit)
{
    unsigned depth = 0;

    for (; *n > 1 && depth < limit; depth++) {
        size_t middle = 0;

        while (middle < *n && slk_path_bit(&(*items)[middle].path, depth) == 0)
            middle++;
        if (slk_path_bit(path, depth) == 0) {
            naive_root(&siblings[depth], *items + middle, *n - middle, depth + 1);
            *n = middle;
        } else {
            naive_root(&siblings[depth], *items, middle, depth + 1);
            *items += middle;
            *n -= middle;
        }
    }
    return depth;
}

static size_t model_place(const struct model *model, const struct slk_hash *path, bool *found)
{
    size_t from = 0, to = model->n;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (memcmp(model->items[middle].path.b, path->b, SLK_HASH_SIZE) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    *found = from < model->n && slk_hash_equal(&model->items[from].path, path);
    return from;
}

void model_apply(struct model *model, const struct slk_map_update *update)
{
    bool found;
    size_t at = model_place(model, &update->path, &found);

    if (!found) {
        assert_true(model->n < ITEMS_MAX);
        memmove(&model->items[at + 1], &model->items[at], (model->n - at) * sizeof(model->items[0]));
        model->items[at].path = update->path;
        model->n++;
    }
    model->items[at].leaf = update->leaf;
    model->items[at].row = update->row;
}

/* ---- a world: a map, its model, and a source of chance ---- */

uint64_t draw(struct world *w, uint64_t below)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return w->seed % below;
}

void draw_hash(struct world *w, struct slk_hash *out)
{
    uint64_t words[4];

    for (unsigned i = 0; i < 4; i++)
        words[i] = draw(w, UINT64_MAX);
    memcpy(out->b, words, sizeof(words));
}

static void draw_path(struct world *w, struct slk_hash *out)
{
    const struct slk_hash *near;
    unsigned bit, byte;

    draw_hash(w, out);
    if (w->now.n == 0 || draw(w, 8) >= w->deep)
        return;
    /* The bits of another path up to a chosen one, which differs. */
    near = &w->now.items[draw(w, w->now.n)].path;
    bit = (unsigned)draw(w, 256);
    byte = bit / 8;
    if (draw(w, 2) == 0)
        memcpy(out->b + byte, near->b + byte, SLK_HASH_SIZE - byte);
    memcpy(out->b, near->b, byte);
    out->b[byte] = (uint8_t)((near->b[byte] & (0xff00u >> bit % 8)) | (out->b[byte] & (0xffu >> bit % 8)));
    out->b[byte] =
        (uint8_t)((out->b[byte] & ~(0x80u >> bit % 8)) | ((near->b[byte] ^ 0xffu) & (0x80u >> bit % 8)));
}

bool share_fingerprint(const struct world *w, const struct slk_hash *a, const struct slk_hash *b)
{
    for (unsigned i = 0; i < w->bits; i++) {
        if (slk_path_bit(a, i) != slk_path_bit(b, i))
            return false;
    }
    return true;
}

/* How many leaves of the model share the path's fingerprint; the first of them. */
static size_t sharing(const struct world *w, const struct slk_hash *path, const struct item **first)
{
    bool found;
    size_t at = model_place(&w->now, path, &found), n = 0;

    while (at > 0 && share_fingerprint(w, &w->now.items[at - 1].path, path))
        at--;
    *first = &w->now.items[at];
    while (at + n < w->now.n && share_fingerprint(w, &w->now.items[at + n].path, path))
        n++;
    return n;
}

void open_world(struct world *w, unsigned bits, unsigned min_depth, uint64_t seed)
{
    struct slk_map_options options = {.fingerprint_bits = bits, .min_depth = min_depth};

    memset(w, 0, sizeof(*w));
    w->bits = bits == 0 ? SLK_MAP_FINGERPRINT_BITS : bits;
    w->seed = seed * 0x9e3779b97f4a7c15u + 1;
    assert_int_equal(slk_map_new(&w->map, &options), SLK_OK);
}

void assert_hash(const struct slk_hash *got, const struct slk_hash *want)
{
    assert_memory_equal(got->b, want->b, SLK_HASH_SIZE);
}

void assert_root(const struct slk_map *map, const struct model *model)
{
    struct slk_hash got, want;

    slk_map_root(map, &got);
    naive_root(&want, model->items, model->n, 0);
    assert_hash(&got, &want);
    assert_int_equal(slk_map_count(map), model->n);
}

void close_world(struct world *w)
{
    slk_map_free(w->map);
    free(w);
}

void draw_update(struct world *w, size_t i)
{
    struct slk_map_update *update = &w->updates[i];
    const struct item *first;
    bool found, again;
    size_t at;

    memset(update, 0, sizeof(*update));
    do {
        if (w->now.n > 0 && draw(w, 3) == 0)
            update->path = w->now.items[draw(w, w->now.n)].path;
        else
            draw_path(w, &update->path);
        again = false;
        for (size_t j = 0; j < i; j++)
            again |= slk_hash_equal(&w->updates[j].path, &update->path);
    } while (again);
    draw_hash(w, &update->leaf);
    update->row = w->next_row++;
    at = model_place(&w->now, &update->path, &found);
    update->old_row = found ? w->now.items[at].row : SLK_MAP_ROW_NONE;
    if (found || sharing(w, &update->path, &first) != 1)
        return;
    w->rivals[i] = first->path;
    update->rival = &w->rivals[i];
}

void play_block(struct world *w, size_t n, const struct slk_par *par)
{
    for (size_t i = 0; i < n; i++)
        draw_update(w, i);
    w->before = w->now;
    assert_int_equal(slk_map_apply(w->map, w->updates, n, par), SLK_OK);
    for (size_t i = 0; i < n; i++)
        model_apply(&w->now, &w->updates[i]);
    assert_root(w->map, &w->now);
}

void revert_block(struct world *w, const struct slk_par *par)
{
    slk_map_revert(w->map, par);
    w->now = w->before;
    assert_root(w->map, &w->now);
}

/* ---- what must hold for every path ---- */

void check_find(const struct world *w, const struct slk_hash *path)
{
    struct slk_map_found got;
    const struct item *first;
    bool found, want;
    size_t at = model_place(&w->now, path, &found), sharing_n = sharing(w, path, &first);

    slk_map_prefetch(w->map, path);
    want = sharing_n > 1 ? found : sharing_n == 1;
    assert_int_equal(slk_map_find(w->map, path, &got), want);
    if (!want)
        return;
    assert_int_equal(got.certain, sharing_n > 1);
    assert_int_equal(got.row, found ? w->now.items[at].row : first->row);
    assert_hash(&got.leaf, found ? &w->now.items[at].leaf : &first->leaf);
}

void check_walk(const struct world *w, const struct slk_hash *path)
{
    struct slk_map_walk got;
    struct slk_hash siblings[SLK_MAP_DEPTH];
    const struct item *items = w->now.items, *first;
    size_t n = w->now.n;
    unsigned depth = naive_walk(siblings, &items, &n, path, SLK_MAP_DEPTH);
    enum slk_map_end end = SLK_MAP_EMPTY;

    slk_map_walk(w->map, path, &got);
    assert_int_equal(got.n, depth);
    assert_memory_equal(got.siblings, siblings, depth * sizeof(siblings[0]));
    if (n == 1) {
        end = slk_hash_equal(&items->path, path) ? SLK_MAP_RECORD : SLK_MAP_OTHER;
        if (sharing(w, path, &first) == 1) /* the caller's to tell apart */
            end = SLK_MAP_RECORD;
        assert_int_equal(got.row, items->row);
    }
    assert_int_equal(got.end, end);
}

static void check_crowd(const struct world *w, const struct slk_hash *path, unsigned bits)
{
    static uint64_t rows[ITEMS_MAX];
    struct slk_map_walk got;
    struct slk_hash siblings[SLK_MAP_DEPTH], prefix = {{0}};
    const struct item *items = w->now.items;
    size_t n = w->now.n, rows_n = 77;
    unsigned depth;

    for (unsigned i = 0; i < bits; i++)
        prefix.b[i / 8] |= (uint8_t)(slk_path_bit(path, i) << (7 - i % 8));
    depth = naive_walk(siblings, &items, &n, &prefix, bits);
    if (n > 0) {
        assert_int_equal(slk_map_crowd(w->map, path->b, bits, &got, rows, n - 1, &rows_n), SLK_E_TOO_LARGE);
        assert_int_equal(rows_n, 0);
    }
    assert_int_equal(slk_map_crowd(w->map, path->b, bits, &got, rows, n, &rows_n), SLK_OK);
    assert_int_equal(got.n, depth);
    assert_memory_equal(got.siblings, siblings, depth * sizeof(siblings[0]));
    assert_int_equal(rows_n, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(rows[i], items[i].row);
}

void check_paths(struct world *w, size_t n)
{
    struct slk_hash path;

    for (size_t i = 0; i < n; i++) {
        draw_path(w, &path);
        if (w->now.n > 0 && draw(w, 2) == 0)
            path = w->now.items[draw(w, w->now.n)].path;
        check_find(w, &path);
        check_walk(w, &path);
        check_crowd(w, &path, (unsigned)draw(w, draw(w, 2) == 0 ? 12 : 257));
    }
}
