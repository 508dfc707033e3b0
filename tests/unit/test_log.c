/* log.h against the recursive definitions of RFC 9162 §2.1, for every size up to 600 and around 65,536. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/core/log.h"

#define SMALL   600
#define LARGE   (65536 + 700)
#define TILES_0 (LARGE / SLK_TILE_WIDTH + 1)

static struct slk_hash leaves[LARGE];

/* All that was handed out, and what a store would answer with. */
static struct slk_hash tiles[2][TILES_0 * SLK_TILE_WIDTH];
static size_t tiles_n[2];
static const struct slk_log *current; /* its unfinished tiles */

static void make_leaves(void)
{
    for (uint32_t i = 0; i < LARGE; i++)
        slk_hash_bytes(&leaves[i], &i, sizeof(i));
}

/* RFC 9162 §2.1.1 */
static struct slk_hash naive_root(const struct slk_hash *at, size_t n)
{
    struct slk_hash left, right, out = slk_hash_empty_tree;
    size_t k = 1;

    if (n == 1)
        return at[0];
    if (n == 0)
        return out;
    while (2 * k < n)
        k *= 2;
    left = naive_root(at, k);
    right = naive_root(at + k, n - k);
    slk_hash_node(&out, &left, &right);
    return out;
}

/* RFC 9162 §2.1.3.1 */
static size_t naive_path(struct slk_hash *path, size_t leaf, const struct slk_hash *at, size_t n)
{
    size_t k = 1, used;

    if (n == 1)
        return 0;
    while (2 * k < n)
        k *= 2;
    if (leaf < k) {
        used = naive_path(path, leaf, at, k);
        path[used] = naive_root(at + k, n - k);
    } else {
        used = naive_path(path, leaf - k, at + k, n - k);
        path[used] = naive_root(at, k);
    }
    return used + 1;
}

/* RFC 9162 §2.1.4.1 */
static size_t naive_subproof(struct slk_hash *path, size_t m, const struct slk_hash *at, size_t n, bool whole)
{
    size_t k = 1, used;

    if (m == n && whole)
        return 0;
    if (m == n) {
        path[0] = naive_root(at, n);
        return 1;
    }
    while (2 * k < n)
        k *= 2;
    if (m <= k) {
        used = naive_subproof(path, m, at, k, whole);
        path[used] = naive_root(at + k, n - k);
    } else {
        used = naive_subproof(path, m - k, at + k, n - k, false);
        path[used] = naive_root(at, k);
    }
    return used + 1;
}

static void keep_tile(void *ctx, uint32_t level, uint64_t index, const struct slk_hash *hashes)
{
    (void)ctx;
    assert_true(level < 2);
    assert_int_equal(index, tiles_n[level]);
    memcpy(&tiles[level][tiles_n[level]++ * SLK_TILE_WIDTH], hashes, SLK_TILE_WIDTH * sizeof(*hashes));
}

static bool read_tile(void *ctx, uint32_t level, uint64_t index, uint32_t width, struct slk_hash *out)
{
    const struct slk_hash *from;

    (void)ctx;
    assert_true(width >= 1 && width <= slk_tile_width(level, index, current->size));
    if (level < 2 && index < tiles_n[level])
        from = &tiles[level][index * SLK_TILE_WIDTH];
    else
        from = current->edge[level];
    memcpy(out, from, width * sizeof(*out));
    return true;
}

static bool read_nothing(void *ctx, uint32_t level, uint64_t index, uint32_t width, struct slk_hash *out)
{
    (void)ctx, (void)level, (void)index, (void)width, (void)out;
    return false;
}

static void begin(struct slk_log *log)
{
    tiles_n[0] = tiles_n[1] = 0;
    slk_log_init(log);
    current = log;
}

static void assert_hash(const struct slk_hash *got, const struct slk_hash *want)
{
    assert_memory_equal(got->b, want->b, SLK_HASH_SIZE);
}

static void assert_last_path(const struct slk_log *log)
{
    struct slk_hash path[SLK_PATH_MAX];
    struct slk_tree_head head = {.tree_size = log->size};
    size_t n = slk_log_last_path(log, path);

    slk_log_root(log, &head.root_hash);
    assert_int_equal(slk_tree_check_inclusion(&head, log->size - 1, &leaves[log->size - 1], path, n), SLK_OK);
}

static void root_and_last_path_follow_the_definition(void **state)
{
    static struct slk_log log;
    struct slk_hash got, want, path[SLK_PATH_MAX], naive[SLK_PATH_MAX];

    (void)state;
    begin(&log);
    for (size_t n = 0; n <= SMALL; n++) {
        slk_log_root(&log, &got);
        want = naive_root(leaves, n);
        assert_hash(&got, &want);
        if (n > 0) {
            size_t path_n = slk_log_last_path(&log, path);

            assert_int_equal(path_n, naive_path(naive, n - 1, leaves, n));
            assert_memory_equal(path, naive, path_n * sizeof(path[0]));
            assert_last_path(&log);
        }
        slk_log_append(&log, &leaves[n], 1, keep_tile, NULL);
    }
}

static void tiles_hold_the_leaves_and_the_roots_below(void **state)
{
    static struct slk_log log;
    struct slk_hash want;

    (void)state;
    begin(&log);
    slk_log_append(&log, leaves, LARGE, keep_tile, NULL);
    assert_int_equal(tiles_n[0], LARGE / SLK_TILE_WIDTH);
    assert_int_equal(tiles_n[1], 1);
    assert_memory_equal(tiles[0], leaves, tiles_n[0] * SLK_TILE_WIDTH * sizeof(leaves[0]));
    for (size_t i = 0; i < SLK_TILE_WIDTH; i++) {
        want = naive_root(&leaves[i * SLK_TILE_WIDTH], SLK_TILE_WIDTH);
        assert_hash(&tiles[1][i], &want);
    }
}

static void batches_change_nothing(void **state)
{
    static struct slk_log one, batch;
    struct slk_hash got, want;

    (void)state;
    for (size_t step = 1; step < 1500; step = step * 2 + 1) {
        slk_log_init(&one);
        slk_log_init(&batch);
        for (size_t at = 0; at + step <= 4000; at += step) {
            slk_log_append(&batch, &leaves[at], step, NULL, NULL);
            for (size_t i = 0; i < step; i++)
                slk_log_append(&one, &leaves[at + i], 1, NULL, NULL);
            slk_log_root(&one, &want);
            slk_log_root(&batch, &got);
            assert_hash(&got, &want);
            assert_last_path(&batch);
        }
        assert_memory_equal(&one, &batch, sizeof(one));
    }
}

static void a_jump_over_a_full_level_keeps_root_and_paths(void **state)
{
    static struct slk_log log, loaded;
    static const size_t stops[] = {65534, 65535, 65536, 65537, 65791, 65792, 65793, LARGE};
    struct slk_hash got, want;

    (void)state;
    begin(&log);
    for (size_t i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
        slk_log_append(&log, &leaves[log.size], stops[i] - log.size, keep_tile, NULL);
        slk_log_root(&log, &got);
        want = naive_root(leaves, stops[i]);
        assert_hash(&got, &want);
        assert_last_path(&log);
        assert_int_equal(slk_log_load(&loaded, log.size, read_tile, NULL), SLK_OK);
        slk_log_root(&loaded, &got);
        assert_hash(&got, &want);
        assert_last_path(&loaded);
    }
}

static void a_loaded_log_goes_on_as_the_old_one(void **state)
{
    static struct slk_log log, loaded;
    struct slk_hash got, want;

    (void)state;
    for (size_t n = 0; n <= SMALL; n++) {
        begin(&log);
        slk_log_append(&log, leaves, n, keep_tile, NULL);
        assert_int_equal(slk_log_load(&loaded, n, read_tile, NULL), SLK_OK);
        if (n > 0)
            assert_last_path(&loaded);
        slk_log_append(&loaded, &leaves[n], 300, NULL, NULL);
        slk_log_append(&log, &leaves[n], 300, NULL, NULL);
        slk_log_root(&loaded, &got);
        slk_log_root(&log, &want);
        assert_hash(&got, &want);
    }
    assert_int_equal(slk_log_load(&loaded, 5, read_nothing, NULL), SLK_E_CORRUPT);
    assert_int_equal(loaded.size, 0);
}

static void inclusion_paths_follow_the_definition(void **state)
{
    static struct slk_log log;
    struct slk_hash path[SLK_PATH_MAX], naive[SLK_PATH_MAX];
    struct slk_tree_head head;
    size_t n, naive_n;

    (void)state;
    begin(&log);
    slk_log_append(&log, leaves, SMALL + 50, keep_tile, NULL);
    for (head.tree_size = 1; head.tree_size <= SMALL; head.tree_size += head.tree_size < 70 ? 1 : 13) {
        assert_int_equal(slk_log_root_at(&head.root_hash, head.tree_size, read_tile, NULL), SLK_OK);
        for (uint64_t leaf = 0; leaf < head.tree_size; leaf++) {
            assert_int_equal(slk_log_inclusion_path(path, &n, leaf, head.tree_size, read_tile, NULL), SLK_OK);
            assert_int_equal(slk_tree_check_inclusion(&head, leaf, &leaves[leaf], path, n), SLK_OK);
            if (leaf % 7 != 0)
                continue;
            naive_n = naive_path(naive, leaf, leaves, head.tree_size);
            assert_int_equal(n, naive_n);
            assert_memory_equal(path, naive, n * sizeof(path[0]));
        }
        assert_int_equal(
            slk_log_inclusion_path(path, &n, head.tree_size, head.tree_size, read_tile, NULL), SLK_E_RANGE);
    }
}

static void consistency_paths_follow_the_definition(void **state)
{
    static struct slk_log log;
    struct slk_hash path[2 * SLK_PATH_MAX], naive[2 * SLK_PATH_MAX];
    struct slk_tree_head old, now;
    size_t n;

    (void)state;
    begin(&log);
    slk_log_append(&log, leaves, SMALL, keep_tile, NULL);
    for (now.tree_size = 1; now.tree_size <= SMALL; now.tree_size += now.tree_size < 70 ? 1 : 29) {
        assert_int_equal(slk_log_root_at(&now.root_hash, now.tree_size, read_tile, NULL), SLK_OK);
        for (old.tree_size = 1; old.tree_size <= now.tree_size; old.tree_size++) {
            assert_int_equal(slk_log_root_at(&old.root_hash, old.tree_size, read_tile, NULL), SLK_OK);
            assert_int_equal(
                slk_log_consistency_path(path, &n, old.tree_size, now.tree_size, read_tile, NULL), SLK_OK);
            assert_int_equal(slk_tree_check_consistency(&old, &now, path, n), SLK_OK);
            if (old.tree_size % 5 != 0)
                continue;
            assert_int_equal(n, naive_subproof(naive, old.tree_size, leaves, now.tree_size, true));
            assert_memory_equal(path, naive, n * sizeof(path[0]));
        }
    }
}

static void paths_across_tile_levels_are_accepted(void **state)
{
    static struct slk_log log;
    static const uint64_t sizes[] = {
        255, 256, 257, 511, 512, 65280, 65535, 65536, 65537, 65792, 66000, LARGE};
    const size_t sizes_n = sizeof(sizes) / sizeof(sizes[0]);
    struct slk_hash path[2 * SLK_PATH_MAX];
    struct slk_tree_head old, now;
    size_t n;

    (void)state;
    begin(&log);
    slk_log_append(&log, leaves, LARGE, keep_tile, NULL);
    for (size_t i = 0; i < sizes_n; i++) {
        now.tree_size = sizes[i];
        assert_int_equal(slk_log_root_at(&now.root_hash, sizes[i], read_tile, NULL), SLK_OK);
        for (size_t j = 0; j <= i; j++) {
            uint64_t leaf = sizes[j] - 1;

            old.tree_size = sizes[j];
            assert_int_equal(slk_log_root_at(&old.root_hash, sizes[j], read_tile, NULL), SLK_OK);
            assert_int_equal(slk_log_inclusion_path(path, &n, leaf, sizes[i], read_tile, NULL), SLK_OK);
            assert_int_equal(slk_tree_check_inclusion(&now, leaf, &leaves[leaf], path, n), SLK_OK);
            assert_int_equal(slk_log_consistency_path(path, &n, sizes[j], sizes[i], read_tile, NULL), SLK_OK);
            assert_int_equal(slk_tree_check_consistency(&old, &now, path, n), SLK_OK);
        }
    }
}

static void refuses_sizes_that_cannot_be(void **state)
{
    struct slk_hash path[2 * SLK_PATH_MAX], root;
    size_t n = 77;

    (void)state;
    assert_int_equal(slk_log_inclusion_path(path, &n, 0, 0, read_nothing, NULL), SLK_E_RANGE);
    assert_int_equal(n, 0);
    assert_int_equal(slk_log_consistency_path(path, &n, 0, 7, read_nothing, NULL), SLK_E_RANGE);
    assert_int_equal(slk_log_consistency_path(path, &n, 8, 7, read_nothing, NULL), SLK_E_RANGE);
    assert_int_equal(slk_log_consistency_path(path, &n, 7, 7, read_nothing, NULL), SLK_OK);
    assert_int_equal(n, 0);
    assert_int_equal(slk_log_root_at(&root, 0, read_nothing, NULL), SLK_OK);
    assert_hash(&root, &slk_hash_empty_tree);
}

static void tells_when_the_reader_fails(void **state)
{
    struct slk_hash path[2 * SLK_PATH_MAX], root;
    size_t n;

    (void)state;
    assert_int_equal(slk_log_inclusion_path(path, &n, 3, 300, read_nothing, NULL), SLK_E_CORRUPT);
    assert_int_equal(slk_log_consistency_path(path, &n, 3, 300, read_nothing, NULL), SLK_E_CORRUPT);
    assert_int_equal(slk_log_root_at(&root, 300, read_nothing, NULL), SLK_E_CORRUPT);
    assert_int_equal(slk_log_root_at(&root, 256, read_nothing, NULL), SLK_E_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_and_last_path_follow_the_definition),
        cmocka_unit_test(tiles_hold_the_leaves_and_the_roots_below),
        cmocka_unit_test(batches_change_nothing),
        cmocka_unit_test(a_jump_over_a_full_level_keeps_root_and_paths),
        cmocka_unit_test(a_loaded_log_goes_on_as_the_old_one),
        cmocka_unit_test(inclusion_paths_follow_the_definition),
        cmocka_unit_test(consistency_paths_follow_the_definition),
        cmocka_unit_test(paths_across_tile_levels_are_accepted),
        cmocka_unit_test(refuses_sizes_that_cannot_be),
        cmocka_unit_test(tells_when_the_reader_fails),
    };

    make_leaves();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
