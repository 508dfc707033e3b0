/* fuzz_crowd.c: crowd answers. Input: root[32] || bits u8 || prefix[ceil(bits/8)] || proof. */
#include "ledger/verify/map_proof.h"
#include "tests/fuzz/fuzz.h"

#define ITEMS_MAX 64

static bool starts_with(const uint8_t *path, const uint8_t *prefix, unsigned bits)
{
    for (unsigned i = 0; i < bits; i++) {
        if ((path[i / 8] >> (7 - i % 8) & 1) != (prefix[i / 8] >> (7 - i % 8) & 1))
            return false;
    }
    return true;
}

static void check_items(
    const struct slk_map_crowd_item *items, size_t n, const uint8_t *prefix, unsigned bits)
{
    for (size_t i = 0; i < n; i++) {
        FUZZ_CHECK(starts_with(items[i].path, prefix, bits));
        FUZZ_CHECK(i == 0 || memcmp(items[i - 1].path, items[i].path, SLK_HASH_SIZE) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slk_map_crowd_item items[ITEMS_MAX];
    size_t n = 1, prefix_size;
    struct slk_hash root;
    struct slk_span proof;
    uint8_t *exact;
    unsigned bits;

    if (size < SLK_HASH_SIZE + 1)
        return 0;
    bits = data[SLK_HASH_SIZE];
    prefix_size = (bits + 7) / 8;
    if (size - SLK_HASH_SIZE - 1 < prefix_size)
        return 0;
    memcpy(root.b, data, SLK_HASH_SIZE);
    exact = fuzz_exact(data + SLK_HASH_SIZE + 1, size - SLK_HASH_SIZE - 1);
    proof = slk_span_of(exact + prefix_size, size - SLK_HASH_SIZE - 1 - prefix_size);
    if (slk_map_crowd_check(items, ITEMS_MAX, &n, &root, exact, bits, proof) == SLK_OK) {
        FUZZ_CHECK(n <= ITEMS_MAX);
        check_items(items, n, exact, bits);
        root.b[0] ^= 1;
        FUZZ_CHECK(slk_map_crowd_check(items, ITEMS_MAX, &n, &root, exact, bits, proof) == SLK_E_MAP_PROOF);
    }
    FUZZ_CHECK(n == 0 || n <= ITEMS_MAX);
    free(exact);
    return 0;
}
