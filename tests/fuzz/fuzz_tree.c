/* fuzz_tree.c: the files of a tree (tools/tree.h). Input: u8 items, u8 height, a bundle of certificates or entries.
 *
 * What is split prints back to the same bytes; a certificate that is taken, too; what is refused leaves nothing behind. */
#include "tests/fuzz/fuzz.h"
#include "tools/tree.h"

static void check_item(uint64_t height, struct slk_span item)
{
    uint8_t printed[SLK_CERT_BYTES_MAX], sealed[SLK_SEAL_MAX];
    struct slk_seal seal;
    struct slk_cert cert;

    memset(&cert, 0xa5, sizeof(cert));
    if (tree_cert_parse(&cert, height, item) == SLK_OK) {
        FUZZ_CHECK(cert.kind == SLK_VOTE_FINALIZE && cert.height == height);
        FUZZ_CHECK(slk_cert_format(printed, sizeof(printed), &cert) == item.size &&
                   memcmp(printed, item.at, item.size) == 0);
    } else {
        FUZZ_CHECK(fuzz_is_zero(&cert, sizeof(cert)));
    }
    memset(&seal, 0xa5, sizeof(seal));
    if (tree_seal_parse(&seal, item) == SLK_OK)
        FUZZ_CHECK(slk_entry_format_seal(sealed, sizeof(sealed), &seal) == item.size &&
                   memcmp(sealed, item.at, item.size) == 0);
    else
        FUZZ_CHECK(fuzz_is_zero(&seal, sizeof(seal)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slk_span items[SLK_TILE_WIDTH];
    uint8_t *exact, *at;
    size_t n, height;

    if (size < 2)
        return 0;
    n = data[0] + (size_t)1;
    height = data[1];
    exact = fuzz_exact(data + 2, size - 2);
    at = exact;
    memset(items, 0xa5, sizeof(items));
    if (tree_split(items, n, slk_span_of(exact, size - 2)) == SLK_OK) {
        for (size_t i = 0; i < n; i++) {
            FUZZ_CHECK(((size_t)at[0] << 8 | at[1]) == items[i].size && items[i].at == at + 2);
            at += 2 + items[i].size;
            check_item(height + i, items[i]);
        }
        FUZZ_CHECK(at == exact + size - 2);
    } else {
        FUZZ_CHECK(fuzz_is_zero(items, sizeof(items)));
    }
    free(exact);
    return 0;
}
