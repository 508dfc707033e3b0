/* fuzz_map_proof.c: map proofs. Input: root[32] || handle[32] || proof.
 *
 * What is accepted, taken apart here by a second reader and printed by slk_map_proof_format, is the same bytes; and a
 * proof that was accepted is not accepted any more under another root. */
#include "ledger/verify/map_proof.h"
#include "tests/fuzz/fuzz.h"

static void print_again(const uint8_t *proof, size_t size)
{
    static struct slk_map_walk walk;
    static uint8_t printed[SLK_MAP_PROOF_MAX];
    struct slk_reader r = {.rest = {.at = proof, .size = size}};
    struct slk_span bitmap, tail;
    size_t printed_size;

    memset(&walk, 0, sizeof(walk));
    walk.end = (enum slk_map_end)slk_read_u8(&r);
    walk.n = slk_read_u16(&r);
    FUZZ_CHECK(walk.end <= SLK_MAP_OTHER && walk.n <= SLK_MAP_DEPTH);
    bitmap = slk_read_span(&r, (walk.n + 7) / 8);
    for (unsigned i = walk.n; i-- > 0;) {
        if ((bitmap.at[i / 8] >> (7 - i % 8) & 1) != 0)
            slk_read_bytes(&r, walk.siblings[i].b, SLK_HASH_SIZE);
    }
    tail = r.rest;
    if (size > sizeof(printed)) /* a record of another size than ours: nothing prints that */
        return;
    printed_size = slk_map_proof_format(printed, sizeof(printed), &walk, tail);
    FUZZ_CHECK(printed_size == size && memcmp(printed, proof, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *exact;
    struct slk_hash root;
    struct slk_span proof, record = {.at = data, .size = 1};

    if (size < SLK_HASH_SIZE + SLK_HANDLE_SIZE)
        return 0;
    memcpy(root.b, data, SLK_HASH_SIZE);
    exact = fuzz_exact(data + SLK_HASH_SIZE, size - SLK_HASH_SIZE);
    proof = slk_span_of(exact + SLK_HANDLE_SIZE, size - SLK_HASH_SIZE - SLK_HANDLE_SIZE);
    if (slk_map_proof_check(&record, &root, exact, proof) == SLK_OK) {
        FUZZ_CHECK((proof.at[0] == SLK_MAP_RECORD) == (record.size > 0));
        print_again(proof.at, proof.size);
        root.b[0] ^= 1;
        FUZZ_CHECK(slk_map_proof_check(&record, &root, exact, proof) == SLK_E_MAP_PROOF);
    }
    FUZZ_CHECK(record.size == 0 || record.at == proof.at + proof.size - record.size);
    free(exact);
    return 0;
}
