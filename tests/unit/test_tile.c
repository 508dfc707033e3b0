/* Tile coordinates and paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/verify/tile.h"

static void assert_both_ways(
    const char *path, enum slk_tile_kind kind, uint32_t level, uint64_t index, uint32_t width)
{
    struct slk_tile tile = {.kind = kind, .level = level, .index = index, .width = width}, parsed;
    char out[SLK_TILE_PATH_MAX];

    assert_int_equal(slk_tile_format(out, &tile), strlen(path));
    assert_string_equal(out, path);
    assert_int_equal(slk_tile_parse(&parsed, path, strlen(path)), SLK_OK);
    assert_int_equal(parsed.kind, kind);
    assert_int_equal(parsed.level, level);
    assert_true(parsed.index == index);
    assert_int_equal(parsed.width, width);
}

static void known_paths_both_ways(void **state)
{
    (void)state;
    assert_both_ways("tile/0/000", SLK_TILE_HASHES, 0, 0, 256);
    assert_both_ways("tile/0/x001/x234/067", SLK_TILE_HASHES, 0, 1234067, 256); /* C2SP tlog-tiles */
    assert_both_ways("tile/0/x001/x234/067.p/112", SLK_TILE_HASHES, 0, 1234067, 112);
    assert_both_ways("tile/0/273.p/112", SLK_TILE_HASHES, 0, 273, 112);
    assert_both_ways("tile/2/000.p/1", SLK_TILE_HASHES, 2, 0, 1);
    assert_both_ways("tile/entries/999", SLK_TILE_ENTRIES, 0, 999, 256);
    assert_both_ways("tile/entries/x001/000.p/255", SLK_TILE_ENTRIES, 0, 1000, 255);
    assert_both_ways("tile/7/000.p/255", SLK_TILE_HASHES, 7, 0, 255);
    assert_both_ways("tile/0/x072/x057/x594/x037/x927/935", SLK_TILE_HASHES, 0, UINT64_MAX >> 8, 256);
}

static void every_index_and_width_round_trips(void **state)
{
    (void)state;
    for (uint64_t index = 0; index < 5000000; index = index * 3 / 2 + 1) {
        for (uint32_t width = 1; width <= 256; width++) {
            struct slk_tile tile = {.kind = width % 2 ? SLK_TILE_HASHES : SLK_TILE_ENTRIES,
                                .index = index,
                                .width = width},
                            parsed;
            char out[SLK_TILE_PATH_MAX];
            size_t n = slk_tile_format(out, &tile);

            assert_int_equal(slk_tile_parse(&parsed, out, n), SLK_OK);
            assert_true(parsed.kind == tile.kind && parsed.level == 0 && parsed.index == index &&
                        parsed.width == width);
        }
    }
}

static void other_spellings_are_refused(void **state)
{
    static const char *const wrong[] = {"", "tile", "tile/", "tile/0", "tile/0/", "tile/0/0", "tile/0/00",
        "tile/0/0000", "/tile/0/000", "tile/0/000/", "tile/00/000", "tile/0/x000/001", "tile/0/001/000",
        "tile/0/1/x001", "tile/0/x001/x000", "tile/0/001x", "tile/0/x1000", "tile/0/x01/000",
        "tile/0/xx001/000", "tile/0/x001//000", "tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/01",
        "tile/0/000.p/0x1", "tile/0/000.p/-1", "tile/0/000.p/1/", "tile/0/000.q/1", "tile/0/000.pp/1",
        "tile/0/000.p/1.p/1", "tile/0/000 ", "tile/ 0/000", "Tile/0/000", "tile/0/00a", "tile/-1/000",
        "tile/entry/000", "tile/entries/", "tile/data/000", "tile/0/000.p/256",
        "tile/0/x000000000000/x000000000000/x000000000000/000", "tile/0/99999999999999999999999"};
    struct slk_tile tile;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(slk_tile_parse(&tile, wrong[i], strlen(wrong[i])), SLK_E_MALFORMED);
        assert_int_equal(tile.width, 0);
    }
    assert_int_equal(slk_tile_parse(&tile, "tile/0/000\0", 11), SLK_E_MALFORMED);
}

static void numbers_out_of_range_are_refused(void **state)
{
    static const char *const wrong[] = {"tile/8/000", "tile/63/000", "tile/0/000.p/0", "tile/0/000.p/257",
        "tile/7/001", "tile/0/x072/x057/x594/x037/x927/936", "tile/6/256"};
    struct slk_tile tile;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_int_equal(slk_tile_parse(&tile, wrong[i], strlen(wrong[i])), SLK_E_RANGE);
        assert_int_equal(tile.width, 0);
    }
    assert_int_equal(slk_tile_parse(&tile, "tile/6/255", 10), SLK_OK);
}

static void a_changed_byte_is_refused_or_another_tile(void **state)
{
    static const char path[] = "tile/1/x001/067.p/112";

    (void)state;
    for (size_t at = 0; at < strlen(path); at++) {
        for (unsigned c = 0; c < 256; c++) {
            char changed[sizeof(path)], again[SLK_TILE_PATH_MAX];
            struct slk_tile tile;

            memcpy(changed, path, sizeof(path));
            changed[at] = (char)c;
            if (slk_tile_parse(&tile, changed, strlen(path)) != SLK_OK)
                continue;
            assert_int_equal(slk_tile_format(again, &tile), strlen(path));
            assert_memory_equal(again, changed, strlen(path));
        }
    }
}

/* C2SP tlog-tiles, Partial Tiles: its two examples. */
static void widths_of_the_examples(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 273; i++)
        assert_int_equal(slk_tile_width(0, i, 70000), 256);
    assert_int_equal(slk_tile_width(0, 273, 70000), 112);
    assert_int_equal(slk_tile_width(0, 274, 70000), 0);
    assert_int_equal(slk_tile_width(1, 0, 70000), 256);
    assert_int_equal(slk_tile_width(1, 1, 70000), 17);
    assert_int_equal(slk_tile_width(1, 2, 70000), 0);
    assert_int_equal(slk_tile_width(2, 0, 70000), 1);
    assert_int_equal(slk_tile_width(3, 0, 70000), 0);
    assert_int_equal(slk_tile_width(0, 0, 256), 256);
    assert_int_equal(slk_tile_width(0, 1, 256), 0);
    assert_int_equal(slk_tile_width(1, 0, 256), 1);
}

/* The slow definition: count, level by level, the full tiles below. */
static void widths_are_what_counting_gives(void **state)
{
    (void)state;
    for (uint64_t size = 0; size < 200000; size = size < 1100 ? size + 1 : size + 997) {
        uint64_t hashes_n = size;

        for (uint32_t level = 0; level < SLK_TILE_LEVELS; level++) {
            uint64_t left = hashes_n;

            for (uint64_t index = 0; index <= hashes_n / 256 + 1; index++) {
                uint32_t width = left < 256 ? (uint32_t)left : 256;

                assert_int_equal(slk_tile_width(level, index, size), width);
                left -= width;
            }
            hashes_n /= 256;
        }
    }
    assert_int_equal(slk_tile_width(7, 0, UINT64_MAX), 255);
    assert_int_equal(slk_tile_width(0, UINT64_MAX >> 8, UINT64_MAX), 255);
    assert_int_equal(slk_tile_width(0, UINT64_MAX, UINT64_MAX), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_paths_both_ways),
        cmocka_unit_test(every_index_and_width_round_trips),
        cmocka_unit_test(other_spellings_are_refused),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(a_changed_byte_is_refused_or_another_tile),
        cmocka_unit_test(widths_of_the_examples),
        cmocka_unit_test(widths_are_what_counting_gives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
