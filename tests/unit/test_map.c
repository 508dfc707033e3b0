/* map.h against the recursive definition (design §5) over a plain sorted array: random streams of blocks, every D,
 * fingerprints cut short so that they collide, paths that share nearly all of their bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "ledger/core/map.h"
#include "ledger/core/multihash.h"
#include "tests/unit/vectors.h"

#define ITEMS_MAX 4096
#define BLOCK_MAX 1024

/* ---- the definition ---- */

struct item {
    struct slk_hash path, leaf;
    uint64_t row;
};

struct model {
    struct item items[ITEMS_MAX]; /* ascending by path */
    size_t n;
};

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

static void model_apply(struct model *model, const struct slk_map_update *update)
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

struct world {
    struct slk_map *map;
    struct model now, before;
    unsigned bits; /* of a fingerprint */
    uint64_t seed;
    uint64_t next_row;
    unsigned deep; /* of 8 new paths, how many share most bits with one that is there */
    struct slk_map_update updates[BLOCK_MAX];
    struct slk_hash rivals[BLOCK_MAX];
};

static uint64_t draw(struct world *w, uint64_t below)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return w->seed % below;
}

static void draw_hash(struct world *w, struct slk_hash *out)
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

static bool share_fingerprint(const struct world *w, const struct slk_hash *a, const struct slk_hash *b)
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

static void open_world(struct world *w, unsigned bits, unsigned min_depth, uint64_t seed)
{
    struct slk_map_options options = {.fingerprint_bits = bits, .min_depth = min_depth};

    memset(w, 0, sizeof(*w));
    w->bits = bits == 0 ? SLK_MAP_FINGERPRINT_BITS : bits;
    w->seed = seed * 0x9e3779b97f4a7c15u + 1;
    assert_int_equal(slk_map_new(&w->map, &options), SLK_OK);
}

static void assert_hash(const struct slk_hash *got, const struct slk_hash *want)
{
    assert_memory_equal(got->b, want->b, SLK_HASH_SIZE);
}

static void assert_root(const struct slk_map *map, const struct model *model)
{
    struct slk_hash got, want;

    slk_map_root(map, &got);
    naive_root(&want, model->items, model->n, 0);
    assert_hash(&got, &want);
    assert_int_equal(slk_map_count(map), model->n);
}

static void close_world(struct world *w)
{
    slk_map_free(w->map);
    free(w);
}

/* One update of a random block: of a leaf that is there, or a new one; paths differ within a block. */
static void draw_update(struct world *w, size_t i)
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

static void play_block(struct world *w, size_t n, const struct slk_par *par)
{
    for (size_t i = 0; i < n; i++)
        draw_update(w, i);
    w->before = w->now;
    assert_int_equal(slk_map_apply(w->map, w->updates, n, par), SLK_OK);
    for (size_t i = 0; i < n; i++)
        model_apply(&w->now, &w->updates[i]);
    assert_root(w->map, &w->now);
}

static void revert_block(struct world *w, const struct slk_par *par)
{
    slk_map_revert(w->map, par);
    w->now = w->before;
    assert_root(w->map, &w->now);
}

/* ---- what must hold for every path ---- */

static void check_find(const struct world *w, const struct slk_hash *path)
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

static void check_walk(const struct world *w, const struct slk_hash *path)
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

static void check_paths(struct world *w, size_t n)
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

/* ---- streams ---- */

static const unsigned bits_of[] = {88, 4, 8, 16, 1, 64, 65, 87};
static const unsigned deep_of[] = {0, 1, 4, 7};

static void blocks_lead_to_the_defined_root(void **state)
{
    (void)state;
    for (unsigned config = 0; config < 48; config++) {
        struct world *w = malloc(sizeof(*w));

        open_world(w, bits_of[config % 8], 1 + config % 6, config);
        w->deep = deep_of[config / 8 % 4];
        assert_root(w->map, &w->now);
        check_paths(w, 3);
        for (unsigned block = 0; block < 25; block++) {
            play_block(w, 1 + draw(w, block % 5 == 4 ? 60 : 9), NULL);
            check_paths(w, 3);
            if (draw(w, 3) != 0)
                continue;
            revert_block(w, NULL);
            check_paths(w, 3);
        }
        close_world(w);
    }
}

static void an_empty_block_changes_nothing(void **state)
{
    struct world *w = malloc(sizeof(*w));

    (void)state;
    open_world(w, 0, 0, 5);
    play_block(w, 0, NULL);
    revert_block(w, NULL);
    play_block(w, 7, NULL);
    play_block(w, 0, NULL);
    revert_block(w, NULL);
    close_world(w);
}

static void growing_over_several_depths_keeps_the_root(void **state)
{
    (void)state;
    for (unsigned deep = 0; deep < 2; deep++) {
        struct world *w = malloc(sizeof(*w));

        open_world(w, 88, 1, 77 + deep);
        w->deep = deep;
        while (w->now.n < ITEMS_MAX - BLOCK_MAX) {
            play_block(w, 1 + draw(w, w->now.n < 300 ? 5 : 400), NULL);
            if (draw(w, 4) == 0)
                revert_block(w, NULL);
            check_paths(w, 2);
        }
        close_world(w);
    }
}

static void one_large_block_grows_at_once(void **state)
{
    struct world *w = malloc(sizeof(*w));

    (void)state;
    open_world(w, 88, 1, 3);
    w->deep = 1;
    play_block(w, BLOCK_MAX, NULL);
    revert_block(w, NULL);
    assert_int_equal(slk_map_count(w->map), 0);
    play_block(w, BLOCK_MAX, NULL);
    play_block(w, BLOCK_MAX, NULL);
    check_paths(w, 50);
    close_world(w);
}

/* Jobs in another order than asked: results must not depend on it. */
static void run_backwards(void *ctx, void (*job)(void *arg, size_t i), void *arg, size_t n)
{
    (*(unsigned *)ctx)++;
    while (n-- > 0)
        job(arg, n);
}

static void parallel_jobs_lead_to_the_same_root(void **state)
{
    unsigned runs = 0;
    struct slk_par par = {.ctx = &runs, .width = 3, .run = run_backwards};
    struct world *w = malloc(sizeof(*w));

    (void)state;
    open_world(w, 16, 3, 4);
    w->deep = 1;
    for (unsigned i = 0; i < 4; i++) {
        play_block(w, 700, &par);
        revert_block(w, &par);
        play_block(w, 650, &par);
        check_paths(w, 10);
    }
    assert_int_equal(runs, 12);
    close_world(w);
}

static void both_hash_engines_lead_to_the_same_root(void **state)
{
    struct world *w = malloc(sizeof(*w));

    (void)state;
    slk_multihash_force_portable(true);
    open_world(w, 88, 4, 9);
    w->deep = 3;
    play_block(w, 300, NULL);
    check_paths(w, 20);
    slk_multihash_force_portable(false);
    play_block(w, 300, NULL);
    check_paths(w, 20);
    close_world(w);
}

/* Three paths that share 88 bits, by hand. */
static void colliding_fingerprints_are_told_apart(void **state)
{
    struct world *w = malloc(sizeof(*w));
    struct slk_map_update u[3];
    struct slk_map_found found;
    struct slk_hash other;

    (void)state;
    open_world(w, 0, 0, 11);
    memset(u, 0, sizeof(u));
    draw_hash(w, &u[0].path);
    for (unsigned i = 0; i < 3; i++) {
        u[i].path = u[0].path;
        u[i].path.b[11 + i] ^= 1;
        draw_hash(w, &u[i].leaf);
        u[i].row = i;
        u[i].old_row = SLK_MAP_ROW_NONE;
    }
    assert_int_equal(slk_map_apply(w->map, &u[0], 1, NULL), SLK_OK);
    model_apply(&w->now, &u[0]);
    assert_true(slk_map_find(w->map, &u[1].path, &found));
    assert_false(found.certain);
    u[1].rival = &u[0].path;
    assert_int_equal(slk_map_apply(w->map, &u[1], 1, NULL), SLK_OK);
    model_apply(&w->now, &u[1]);
    assert_root(w->map, &w->now);
    assert_true(slk_map_find(w->map, &u[1].path, &found) && found.certain && found.row == 1);
    assert_true(slk_map_find(w->map, &u[0].path, &found) && found.certain && found.row == 0);
    assert_false(slk_map_find(w->map, &u[2].path, &found)); /* both are known: none of them */
    assert_int_equal(slk_map_apply(w->map, &u[2], 1, NULL), SLK_OK);
    model_apply(&w->now, &u[2]);
    assert_root(w->map, &w->now);
    for (unsigned i = 0; i < 3; i++)
        check_walk(w, &u[i].path);
    other = u[0].path;
    other.b[20] ^= 1;
    check_walk(w, &other);
    slk_map_revert(w->map, NULL);
    for (unsigned i = 0; i < 2; i++) { /* updates find the right one */
        u[i].old_row = u[i].row;
        u[i].row += 10;
        draw_hash(w, &u[i].leaf);
        u[i].rival = NULL;
    }
    w->now.n = 0;
    assert_int_equal(slk_map_apply(w->map, u, 2, NULL), SLK_OK);
    model_apply(&w->now, &u[0]);
    model_apply(&w->now, &u[1]);
    assert_root(w->map, &w->now);
    close_world(w);
}

static void out_of_memory_leaves_the_map_as_it_was(void **state)
{
    struct slk_map_options options = {.min_depth = 1, .leaf_bytes_max = 200000};
    struct world *w = malloc(sizeof(*w));
    unsigned refused = 0;
    enum slk_err err;

    (void)state;
    open_world(w, 88, 1, 13);
    w->deep = 1;
    slk_map_free(w->map);
    assert_int_equal(slk_map_new(&w->map, &options), SLK_OK);
    while (refused < 40) {
        size_t n = 1 + draw(w, 200);

        for (size_t i = 0; i < n; i++)
            draw_update(w, i);
        err = slk_map_apply(w->map, w->updates, n, NULL);
        assert_true(err == SLK_OK || err == SLK_E_NOMEM);
        refused += err == SLK_E_NOMEM;
        for (size_t i = 0; i < n && err == SLK_OK; i++)
            model_apply(&w->now, &w->updates[i]);
        assert_root(w->map, &w->now);
        check_paths(w, 3);
    }
    assert_true(w->now.n > 500);
    close_world(w);
}

/* ---- snapshots ---- */

/* Partitions in a scrambled order into a fresh map; the log's tail is replayed by the caller. */
static void copy_leaves(struct slk_map *to, const struct slk_map *from, uint64_t expected_n)
{
    assert_int_equal(slk_map_import_begin(to, expected_n), SLK_OK);
    for (unsigned i = 0; i < SLK_MAP_PARTITIONS; i++) {
        unsigned partition = i * 389 % SLK_MAP_PARTITIONS;
        size_t size = slk_map_export_size(from, partition);
        uint8_t *bytes = malloc(size);

        assert_int_equal(slk_map_export(from, partition, bytes, size - 1), 0);
        assert_int_equal(slk_map_export(from, partition, bytes, size), size);
        assert_int_equal(slk_map_import(to, partition, bytes, size), SLK_OK);
        assert_int_equal(slk_map_import(to, partition, bytes, size), SLK_E_CORRUPT); /* each at most once */
        free(bytes);
    }
}

/* A pair taken back leaves its first one alone; another pair is then made of that. */
static void a_reverted_collision_leaves_nothing_behind(void **state)
{
    struct world *w = malloc(sizeof(*w));
    struct slk_map_update u = {.old_row = SLK_MAP_ROW_NONE};
    struct slk_hash first;
    struct slk_map *copy;

    (void)state;
    open_world(w, 0, 0, 12);
    draw_hash(w, &first);
    u.path = first;
    draw_hash(w, &u.leaf);
    assert_int_equal(slk_map_apply(w->map, &u, 1, NULL), SLK_OK);
    model_apply(&w->now, &u);
    u.rival = &first;
    for (unsigned i = 0; i < 20; i++) {
        u.path.b[11 + i] ^= (uint8_t)(1 + i);
        u.row = i + 1;
        assert_int_equal(slk_map_apply(w->map, &u, 1, NULL), SLK_OK);
        w->before = w->now;
        model_apply(&w->now, &u);
        assert_root(w->map, &w->now);
        check_find(w, &first);
        check_find(w, &u.path);
        check_walk(w, &first);
        check_walk(w, &u.path);
        revert_block(w, NULL);
        check_find(w, &first);
        check_find(w, &u.path);
    }
    assert_int_equal(slk_map_new(&copy, NULL), SLK_OK);
    copy_leaves(copy, w->map, 0); /* refused if the path of a leaf that is gone were still known */
    assert_int_equal(slk_map_rebuild(copy, NULL), SLK_OK);
    assert_root(copy, &w->now);
    slk_map_free(copy);
    close_world(w);
}

static void snapshots_lead_to_the_same_map(void **state)
{
    (void)state;
    for (unsigned config = 0; config < 24; config++) {
        struct slk_map_options options = {
            .fingerprint_bits = bits_of[config % 8], .min_depth = 1 + config % 7};
        struct world *w = malloc(sizeof(*w));
        struct slk_map *copy;

        open_world(w, bits_of[config % 8], 1 + config % 6, config + 100);
        w->deep = config % 4;
        for (unsigned block = 0; block < 3; block++)
            play_block(w, 1 + draw(w, 250), NULL);
        assert_int_equal(slk_map_new(&copy, &options), SLK_OK);
        copy_leaves(copy, w->map, config % 3 == 0 ? 0 : config * 50);
        assert_int_equal(slk_map_rebuild(copy, NULL), SLK_OK);
        assert_root(copy, &w->now);
        slk_map_free(w->map);
        w->map = copy; /* and it goes on as the old one would */
        check_paths(w, 5);
        play_block(w, 100, NULL);
        revert_block(w, NULL);
        play_block(w, 100, NULL);
        close_world(w);
    }
}

/* Two inserts of one block that collide: replay tells the second one that the first is its rival. */
static void name_rivals(
    const struct world *w, struct slk_map_update *updates, struct slk_hash *rivals, size_t n, size_t block)
{
    for (size_t i = 0; i < n; i++) {
        if (updates[i].rival != NULL || updates[i].old_row != SLK_MAP_ROW_NONE)
            continue;
        for (size_t j = i - i % block; j < i; j++) {
            if (!share_fingerprint(w, &updates[j].path, &updates[i].path))
                continue;
            rivals[i] = updates[j].path;
            updates[i].rival = &rivals[i];
        }
    }
}

static void replay_over_any_snapshot_is_safe_to_repeat(void **state)
{
    (void)state;
    for (unsigned config = 0; config < 16; config++) {
        struct slk_map_options options = {.fingerprint_bits = bits_of[config % 8]};
        struct world *w = malloc(sizeof(*w));
        struct slk_map *copy;
        struct slk_map_update kept[600];
        struct slk_hash rivals[600];
        size_t kept_n = 0;

        open_world(w, bits_of[config % 8], 2, config + 300);
        w->deep = config % 4;
        play_block(w, 100, NULL);
        assert_int_equal(slk_map_new(&copy, &options), SLK_OK);
        copy_leaves(copy, w->map, 0);
        for (unsigned block = 0; block < 4; block++) {
            play_block(w, 120, NULL);
            for (size_t i = 0; i < 120;
                 i++) { /* as the log's tail tells it: an insert's rival as it was then */
                kept[kept_n] = w->updates[i];
                rivals[kept_n] = w->rivals[i];
                if (kept[kept_n].rival != NULL)
                    kept[kept_n].rival = &rivals[kept_n];
                kept_n++;
            }
        }
        name_rivals(w, kept, rivals, kept_n, 120);
        for (size_t i = 0; i < kept_n; i++)
            assert_int_equal(slk_map_replay(copy, &kept[i]), SLK_OK);
        for (size_t i = kept_n; i-- > 0;) /* older rows change nothing */
            assert_int_equal(slk_map_replay(copy, &kept[i]), SLK_OK);
        assert_int_equal(slk_map_rebuild(copy, NULL), SLK_OK);
        assert_root(copy, &w->now);
        slk_map_free(copy);
        close_world(w);
    }
}

static void a_map_made_by_replay_alone_is_the_same(void **state)
{
    struct world *w = malloc(sizeof(*w));
    struct slk_map *copy;

    (void)state;
    open_world(w, 0, 0, 500);
    play_block(w, 1000, NULL);
    assert_int_equal(slk_map_new(&copy, NULL), SLK_OK);
    for (size_t i = 1000; i-- > 0;)
        assert_int_equal(slk_map_replay(copy, &w->updates[i]), SLK_OK);
    assert_int_equal(slk_map_rebuild(copy, NULL), SLK_OK);
    assert_root(copy, &w->now);
    slk_map_free(copy);
    close_world(w);
}

static struct slk_map *importing_map(unsigned bits)
{
    struct slk_map_options options = {.fingerprint_bits = bits};
    struct slk_map *map;

    assert_int_equal(slk_map_new(&map, &options), SLK_OK);
    assert_int_equal(slk_map_import_begin(map, 0), SLK_OK);
    return map;
}

/* Every flipped bit is refused or leads to another root, and nothing reads out of bounds (ASan). */
static void damaged_partitions_are_refused_or_change_the_root(void **state)
{
    struct world *w = malloc(sizeof(*w));
    struct slk_hash root, damaged;
    uint8_t *bytes, *copy;
    size_t size;
    unsigned partition = 0, refused = 0;

    (void)state;
    open_world(w, 12, 4, 900);
    w->deep = 7;
    while (w->now.n < 30)
        play_block(w, 3, NULL);
    for (unsigned i = 0; i < SLK_MAP_PARTITIONS; i++) { /* the one that holds most */
        if (slk_map_export_size(w->map, i) > slk_map_export_size(w->map, partition))
            partition = i;
    }
    size = slk_map_export_size(w->map, partition);
    bytes = malloc(size);
    copy = malloc(size + 1);
    assert_int_equal(slk_map_export(w->map, partition, bytes, size), size);
    assert_true(size > 8 + 2 * (SLK_MAP_ROW_BYTES + SLK_HASH_SIZE)); /* a known pair is in it */
    for (size_t cut = 0; cut <= size; cut++) {
        struct slk_map *map = importing_map(12);
        uint8_t *exact = malloc(cut == 0 ? 1 : cut);

        memcpy(exact, bytes, cut);
        assert_int_equal(slk_map_import(map, partition, exact, cut), cut == size ? SLK_OK : SLK_E_CORRUPT);
        if (cut == size) {
            assert_int_equal(slk_map_rebuild(map, NULL), SLK_OK);
            slk_map_root(map, &root);
        }
        free(exact);
        slk_map_free(map);
    }
    for (size_t bit = 0; bit < 8 * size; bit += 3) {
        struct slk_map *map = importing_map(12);

        memcpy(copy, bytes, size);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (slk_map_import(map, partition, copy, size) != SLK_OK) {
            refused++;
        } else {
            size_t in_leaf = (bit / 8 - 8) % SLK_MAP_ROW_BYTES;

            assert_int_equal(slk_map_rebuild(map, NULL), SLK_OK);
            slk_map_root(map, &damaged);
            if (bit / 8 < 8 + slk_map_count(map) * SLK_MAP_ROW_BYTES && in_leaf >= 16)
                assert_memory_not_equal(root.b, damaged.b, SLK_HASH_SIZE);
        }
        slk_map_free(map);
    }
    assert_true(refused > 0);
    free(bytes);
    free(copy);
    close_world(w);
}

static void a_known_path_of_no_leaf_is_refused(void **state)
{
    struct slk_map *map = importing_map(88);
    uint8_t bytes[8 + SLK_HASH_SIZE] = {0};

    (void)state;
    bytes[7] = 1;
    assert_int_equal(slk_map_import(map, 0, bytes, sizeof(bytes)), SLK_E_CORRUPT);
    bytes[7] = 0;
    assert_int_equal(slk_map_import(map, 0, bytes, 8), SLK_OK);
    slk_map_free(map);
}

static void a_small_map_is_small(void **state)
{
    struct world *w = malloc(sizeof(*w));

    (void)state;
    open_world(w, 0, 0, 1);
    assert_true(slk_map_memory(w->map) < 200000);
    play_block(w, 1000, NULL);
    assert_true(slk_map_memory(w->map) < 700000);
    close_world(w);
}

/* ---- outside vectors ---- */

static void vector_key(struct slk_hash *out, unsigned i)
{
    char text[64];
    int n = snprintf(text, sizeof(text), "sillok map vector key %u", i);

    slk_hash_bytes(out, text, (size_t)n);
}

static void vector_value(uint8_t out[SLK_RECORD_SIZE], unsigned i)
{
    char text[64];
    struct slk_hash hash;
    int n = snprintf(text, sizeof(text), "sillok map vector value %u", i);

    slk_hash_bytes(&hash, text, (size_t)n);
    for (size_t at = 0; at < SLK_RECORD_SIZE; at++)
        out[at] = hash.b[at % SLK_HASH_SIZE];
}

static void put_vector(struct slk_map *map, unsigned i)
{
    struct slk_map_update update = {.row = i, .old_row = SLK_MAP_ROW_NONE};
    struct slk_hash key, value_hash;
    uint8_t value[SLK_RECORD_SIZE];

    vector_key(&key, i);
    vector_value(value, i);
    slk_hash_bytes(&update.path, key.b, SLK_HASH_SIZE);
    slk_hash_bytes(&value_hash, value, sizeof(value));
    slk_hash_map_leaf(&update.leaf, &update.path, &value_hash);
    assert_int_equal(slk_map_apply(map, &update, 1, NULL), SLK_OK);
}

static void hex_hash(struct slk_hash *out, const char *text)
{
    assert_int_equal(strlen(text), 2 * SLK_HASH_SIZE);
    assert_true(slk_hex_parse(out->b, SLK_HASH_SIZE, text, 2 * SLK_HASH_SIZE));
}

/* Walk, print, check: the proof must hold, and the siblings be the vector's. */
static void check_vector_proof(const struct slk_map *map, unsigned i, bool present, const json_t *siblings)
{
    struct slk_map_walk walk;
    struct slk_hash key, path, root, want;
    uint8_t tail[SLK_RECORD_SIZE], proof[SLK_MAP_PROOF_MAX];
    struct slk_span record, tail_span = {.at = tail};
    size_t size;

    vector_key(&key, i);
    slk_hash_bytes(&path, key.b, SLK_HASH_SIZE);
    slk_map_root(map, &root);
    slk_map_walk(map, &path, &walk);
    assert_int_equal(walk.end == SLK_MAP_RECORD, present);
    if (walk.end == SLK_MAP_RECORD) {
        vector_value(tail, i);
        tail_span.size = SLK_RECORD_SIZE;
    } else if (walk.end == SLK_MAP_OTHER) {
        uint8_t value[SLK_RECORD_SIZE];
        struct slk_hash other[2];

        vector_key(&key, (unsigned)walk.row);
        vector_value(value, (unsigned)walk.row);
        slk_hash_bytes(&other[0], key.b, SLK_HASH_SIZE);
        slk_hash_bytes(&other[1], value, sizeof(value));
        memcpy(tail, other, sizeof(other));
        tail_span.size = sizeof(other);
        vector_key(&key, i);
    }
    assert_int_equal(json_array_size(siblings), walk.n);
    for (unsigned depth = 0; depth < walk.n; depth++) {
        hex_hash(&want, json_string_value(json_array_get(siblings, walk.n - 1 - depth)));
        assert_hash(&walk.siblings[depth], &want);
    }
    size = slk_map_proof_format(proof, sizeof(proof), &walk, tail_span);
    assert_true(size > 0);
    assert_int_equal(slk_map_proof_check(&record, &root, key.b, slk_span_of(proof, size)), SLK_OK);
    assert_int_equal(record.size, present ? SLK_RECORD_SIZE : 0);
}

static void outside_vectors_agree(void **state)
{
    json_t *all = load_vectors("map.json"), *tree, *proof;
    struct slk_map *map;
    struct slk_hash got, want;
    unsigned i = 0;
    size_t t, p;

    (void)state;
    if (all == NULL)
        return;
    assert_int_equal(slk_map_new(&map, NULL), SLK_OK);
    json_array_foreach(json_object_get(all, "trees"), t, tree)
    {
        while (i < vector_number(tree, "n"))
            put_vector(map, i++);
        slk_map_root(map, &got);
        hex_hash(&want, vector_text(tree, "root"));
        assert_hash(&got, &want);
        json_array_foreach(json_object_get(tree, "proofs"), p, proof)
        {
            check_vector_proof(map, (unsigned)vector_number(proof, "i"),
                json_is_true(json_object_get(proof, "present")),
                json_object_get(proof, "siblings_deepest_first"));
        }
    }
    slk_map_free(map);
    json_decref(all);
}

static void the_outside_deep_pair_agrees(void **state)
{
    json_t *all = load_vectors("map.json"), *deep, *pair;
    struct slk_map *map;
    struct slk_hash got, want;
    size_t d;

    (void)state;
    if (all == NULL)
        return;
    json_array_foreach(json_object_get(all, "deep"), d, deep)
    {
        assert_int_equal(slk_map_new(&map, NULL), SLK_OK);
        pair = json_object_get(deep, "i");
        for (size_t i = 0; i < json_array_size(pair); i++)
            put_vector(map, (unsigned)json_real_value(json_array_get(pair, i)));
        slk_map_root(map, &got);
        hex_hash(&want, vector_text(deep, "root"));
        assert_hash(&got, &want);
        slk_map_free(map);
    }
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_lead_to_the_defined_root),
        cmocka_unit_test(an_empty_block_changes_nothing),
        cmocka_unit_test(growing_over_several_depths_keeps_the_root),
        cmocka_unit_test(one_large_block_grows_at_once),
        cmocka_unit_test(parallel_jobs_lead_to_the_same_root),
        cmocka_unit_test(both_hash_engines_lead_to_the_same_root),
        cmocka_unit_test(colliding_fingerprints_are_told_apart),
        cmocka_unit_test(a_reverted_collision_leaves_nothing_behind),
        cmocka_unit_test(out_of_memory_leaves_the_map_as_it_was),
        cmocka_unit_test(snapshots_lead_to_the_same_map),
        cmocka_unit_test(replay_over_any_snapshot_is_safe_to_repeat),
        cmocka_unit_test(a_map_made_by_replay_alone_is_the_same),
        cmocka_unit_test(damaged_partitions_are_refused_or_change_the_root),
        cmocka_unit_test(a_known_path_of_no_leaf_is_refused),
        cmocka_unit_test(a_small_map_is_small),
        cmocka_unit_test(outside_vectors_agree),
        cmocka_unit_test(the_outside_deep_pair_agrees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
