/* test_tile_cache.c: what is kept is what was put, never more than may be, and the oldest goes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "net/tile_cache.h"

#define OVERHEAD_MAX 128u /* of one that is kept */

static struct slk_tile tile_of(enum slk_tile_kind kind, uint32_t level, uint64_t index, uint32_t width)
{
    return (struct slk_tile){.kind = kind, .level = level, .index = index, .width = width};
}

static void put(struct slk_tile_cache *cache, const struct slk_tile *tile, bool is_packed, const char *text)
{
    slk_tile_cache_put(cache, tile, is_packed, slk_span_of(text, strlen(text)));
}

static void must_hold(
    struct slk_tile_cache *cache, const struct slk_tile *tile, bool is_packed, const char *text)
{
    struct slk_span found;

    assert_true(slk_tile_cache_get(cache, tile, is_packed, &found));
    assert_int_equal(found.size, strlen(text));
    if (found.size > 0)
        assert_memory_equal(found.at, text, found.size);
}

static void must_lack(struct slk_tile_cache *cache, const struct slk_tile *tile, bool is_packed)
{
    struct slk_span found = slk_span_of("x", 1);

    assert_false(slk_tile_cache_get(cache, tile, is_packed, &found));
    assert_int_equal(found.size, 0);
}

static void every_part_of_a_name_counts(void **state)
{
    struct slk_tile_cache *cache = slk_tile_cache_new(10000);
    const struct slk_tile tile = tile_of(SLK_TILE_HASHES, 1, 7, 256);
    const struct slk_tile others[] = {tile_of(SLK_TILE_HASHES, 2, 7, 256),
        tile_of(SLK_TILE_HASHES, 1, 8, 256), tile_of(SLK_TILE_HASHES, 1, 7, 255),
        tile_of(SLK_TILE_ENTRIES, 0, 7, 256)};

    (void)state;
    assert_non_null(cache);
    put(cache, &tile, false, "this");
    must_lack(cache, &tile, true);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        must_lack(cache, &others[i], false);
    put(cache, &tile, true, "packed");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        put(cache, &others[i], false, "another");
    must_hold(cache, &tile, false, "this");
    must_hold(cache, &tile, true, "packed");
    put(cache, &tile, true, ""); /* nothing is something, too; and what is put again replaces */
    must_hold(cache, &tile, true, "");
    must_hold(cache, &tile, false, "this");
    slk_tile_cache_free(cache);
    slk_tile_cache_free(NULL);
}

static void what_was_asked_for_longest_ago_goes(void **state)
{
    enum { MANY = 5000, SIZE = 100 };
    const size_t room = 50 * (size_t)(SIZE + OVERHEAD_MAX);
    struct slk_tile_cache *cache = slk_tile_cache_new(room);
    const struct slk_tile kept = tile_of(SLK_TILE_ENTRIES, 0, 0, 256);
    struct slk_span found;
    size_t found_n = 0;
    char text[SIZE + 1];

    (void)state;
    assert_non_null(cache);
    memset(text, 'a', SIZE);
    text[SIZE] = '\0';
    for (uint64_t i = 0; i < MANY; i++) {
        struct slk_tile tile = tile_of(SLK_TILE_ENTRIES, 0, i, 256);

        put(cache, &tile, true, text);
        assert_true(slk_tile_cache_bytes(cache) <= room);
        must_hold(cache, &kept, true, text); /* asked for again and again */
    }
    for (uint64_t i = 1; i < MANY; i++) {
        struct slk_tile tile = tile_of(SLK_TILE_ENTRIES, 0, i, 256);
        bool is_there = slk_tile_cache_get(cache, &tile, true, &found);

        assert_true(is_there || found_n == 0); /* the newest are there, without a gap */
        found_n += is_there;
    }
    assert_true(found_n >= 49 && found_n < 120);
    slk_tile_cache_free(cache);
}

static void what_is_larger_than_all_of_it_is_not_kept(void **state)
{
    static const char large[1000] = {0};
    struct slk_tile_cache *cache = slk_tile_cache_new(sizeof(large)), *none = slk_tile_cache_new(0);
    const struct slk_tile tile = tile_of(SLK_TILE_ENTRIES, 0, 5, 9),
                          other = tile_of(SLK_TILE_ENTRIES, 0, 6, 9);

    (void)state;
    assert_non_null(cache);
    assert_non_null(none);
    put(cache, &tile, false, "small");
    slk_tile_cache_put(cache, &other, false, slk_span_of(large, sizeof(large)));
    must_lack(cache, &other, false);
    must_hold(cache, &tile, false, "small"); /* nothing went for it */
    slk_tile_cache_put(cache, &other, false, slk_span_of(large, sizeof(large) - OVERHEAD_MAX));
    must_lack(cache, &tile, false);
    put(none, &tile, false, "");
    must_lack(none, &tile, false);
    assert_int_equal(slk_tile_cache_bytes(none), 0);
    slk_tile_cache_free(cache);
    slk_tile_cache_free(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_of_a_name_counts),
        cmocka_unit_test(what_was_asked_for_longest_ago_goes),
        cmocka_unit_test(what_is_larger_than_all_of_it_is_not_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
