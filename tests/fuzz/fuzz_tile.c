/* fuzz_tile.c: tile paths: one spelling per tile. */
#include "ledger/verify/tile.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *exact = fuzz_exact(data, size);
    char printed[SLK_TILE_PATH_MAX];
    struct slk_tile tile;

    memset(&tile, 0xa5, sizeof(tile));
    if (slk_tile_parse(&tile, (const char *)exact, size) == SLK_OK) {
        FUZZ_CHECK(tile.level < SLK_TILE_LEVELS && tile.width >= 1 && tile.width <= SLK_TILE_WIDTH);
        FUZZ_CHECK(slk_tile_format(printed, &tile) == size && memcmp(printed, exact, size) == 0);
        FUZZ_CHECK(printed[size] == 0);
    } else {
        FUZZ_CHECK(tile.width == 0);
    }
    free(exact);
    return 0;
}
