/* The map's leaves, exported and imported again: the same map; damaged, refused or another root. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/map_world.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reverted_collision_leaves_nothing_behind),
        cmocka_unit_test(snapshots_lead_to_the_same_map),
        cmocka_unit_test(replay_over_any_snapshot_is_safe_to_repeat),
        cmocka_unit_test(a_map_made_by_replay_alone_is_the_same),
        cmocka_unit_test(damaged_partitions_are_refused_or_change_the_root),
        cmocka_unit_test(a_known_path_of_no_leaf_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
