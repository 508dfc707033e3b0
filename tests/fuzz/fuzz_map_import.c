/* fuzz_map_import.c: a partition of a map snapshot. Input: u16 partition || bytes.
 *
 * What is accepted may be any set of leaves, but it is one set: rebuilt, exported, imported again, the root is the same. */
#include "ledger/core/map.h"
#include "tests/fuzz/fuzz.h"

static struct slk_map *import(unsigned partition, const uint8_t *bytes, size_t size)
{
    struct slk_map *map = NULL;

    if (slk_map_new(&map, NULL) != SLK_OK || slk_map_import_begin(map, 0) != SLK_OK)
        abort();
    if (slk_map_import(map, partition, bytes, size) == SLK_OK)
        return map;
    slk_map_free(map);
    return NULL;
}

static void check_again(struct slk_map *map, unsigned partition)
{
    struct slk_hash root, again_root;
    struct slk_map *again;
    uint8_t *bytes;
    size_t size;

    FUZZ_CHECK(slk_map_rebuild(map, NULL) == SLK_OK);
    size = slk_map_export_size(map, partition);
    bytes = malloc(size + 1);
    if (bytes == NULL)
        abort();
    FUZZ_CHECK(slk_map_export(map, partition, bytes, size) == size);
    again = import(partition, bytes, size);
    FUZZ_CHECK(again != NULL && slk_map_rebuild(again, NULL) == SLK_OK);
    slk_map_root(map, &root);
    slk_map_root(again, &again_root);
    FUZZ_CHECK(memcmp(&root, &again_root, sizeof(root)) == 0 && slk_map_count(map) == slk_map_count(again));
    slk_map_free(again);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slk_map *map;
    uint8_t *exact;
    unsigned partition;

    if (size < 2)
        return 0;
    partition = ((unsigned)data[0] << 8 | data[1]) % SLK_MAP_PARTITIONS;
    exact = fuzz_exact(data + 2, size - 2);
    map = import(partition, exact, size - 2);
    if (map != NULL)
        check_again(map, partition);
    slk_map_free(map);
    free(exact);
    return 0;
}
