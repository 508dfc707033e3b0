/* fuzz_checkpoint.c: checkpoint bodies: what parses prints back, and nothing else parses. */
#include "ledger/verify/checkpoint.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *exact = fuzz_exact(data, size);
    char printed[SLK_CHECKPOINT_TEXT_MAX];
    struct slk_checkpoint checkpoint;

    memset(&checkpoint, 0xa5, sizeof(checkpoint));
    if (slk_checkpoint_parse(&checkpoint, slk_span_of(exact, size)) == SLK_OK) {
        FUZZ_CHECK(checkpoint.origin.size > 0 && checkpoint.origin.size <= SLK_NAME_MAX);
        FUZZ_CHECK(memchr(checkpoint.origin.at, '\n', checkpoint.origin.size) == NULL);
        FUZZ_CHECK(slk_checkpoint_format(printed, &checkpoint) == size);
        FUZZ_CHECK(memcmp(printed, exact, size) == 0);
    } else {
        FUZZ_CHECK(checkpoint.origin.size == 0 && checkpoint.head.tree_size == 0);
    }
    free(exact);
    return 0;
}
