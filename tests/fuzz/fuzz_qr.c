/* fuzz_qr.c: texts of QR codes: one text per handle and proof. */
#include "ledger/verify/sillok.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *exact = fuzz_exact(data, size);
    uint8_t scratch[SLK_QR_BYTES_MAX], handle[SLK_HANDLE_SIZE];
    char printed[SLK_QR_TEXT_MAX + 1];
    struct slk_span proof = {exact, size};

    if (slk_qr_parse(handle, &proof, scratch, sizeof(scratch), (const char *)exact, size) == SLK_OK) {
        FUZZ_CHECK(proof.size > 0 && proof.size <= sizeof(scratch) - SLK_HANDLE_SIZE);
        FUZZ_CHECK(slk_qr_format(printed, sizeof(printed), handle, proof) == size);
        FUZZ_CHECK(memcmp(printed, exact, size) == 0);
    } else {
        FUZZ_CHECK(proof.size == 0);
    }
    free(exact);
    return 0;
}
