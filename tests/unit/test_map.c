/* map.h against its definition (map_world.h): random streams of blocks, every D, fingerprints cut short so that they
 * collide, paths that share nearly all of their bits; then outside vectors. */
#include <stdlib.h>
#include <string.h>

#include "ledger/core/multihash.h"
#include "tests/unit/map_world.h"
#include "tests/unit/vectors.h"

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
        cmocka_unit_test(out_of_memory_leaves_the_map_as_it_was),
        cmocka_unit_test(a_small_map_is_small),
        cmocka_unit_test(outside_vectors_agree),
        cmocka_unit_test(the_outside_deep_pair_agrees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
