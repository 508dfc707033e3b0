/* fuzz_proof.c: status proofs in both encodings: taken apart, and converted there and back. */
#include "ledger/verify/proof.h"
#include "tests/fuzz/fuzz.h"

static void check_parts(const struct slk_proof *proof)
{
    struct slk_span rest = proof->events, event;
    size_t n = 0;

    FUZZ_CHECK(proof->path_n <= SLK_PATH_MAX && proof->sigs_n <= SLK_NOTE_SIGS_MAX);
    while (slk_proof_next_event(&event, &rest)) {
        FUZZ_CHECK(event.size > 0 && event.size <= SLK_ENTRY_MAX);
        n++;
    }
    FUZZ_CHECK(rest.size == 0 && n == proof->events_n && n <= SLK_PROOF_EVENTS_MAX);
}

typedef enum slk_err convert_fn(uint8_t *out, size_t out_cap, size_t *out_size, struct slk_span proof);

/* To the other encoding and back: the same bytes. A conversion may refuse what the other form cannot say (a signature
 * of an unknown type), but then says so. */
static void check_round_trip(struct slk_span proof, convert_fn *there, convert_fn *back)
{
    size_t other_cap = 2 * proof.size + 1024, again_cap = 2 * other_cap + 1024;
    size_t other_size = 1, again_size = 1;
    uint8_t *other = malloc(other_cap), *again = malloc(again_cap);

    if (other == NULL || again == NULL)
        abort();
    if (there(other, other_cap, &other_size, proof) == SLK_OK) {
        FUZZ_CHECK(back(again, again_cap, &again_size, slk_span_of(other, other_size)) == SLK_OK);
        FUZZ_CHECK(again_size == proof.size && memcmp(again, proof.at, proof.size) == 0);
    }
    free(other);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct slk_proof parsed;
    uint8_t *exact = fuzz_exact(data, size), *scratch = fuzz_exact(data, size);
    struct slk_span proof = slk_span_of(exact, size);

    memset(&parsed, 0xa5, sizeof(parsed));
    if (slk_proof_parse(&parsed, proof, scratch, size) == SLK_OK) {
        check_parts(&parsed);
        if (slk_proof_is_text(proof))
            check_round_trip(proof, slk_proof_to_binary, slk_proof_to_text);
        else
            check_round_trip(proof, slk_proof_to_text, slk_proof_to_binary);
    } else {
        FUZZ_CHECK(parsed.path_n == 0 && parsed.sigs_n == 0 && parsed.events_n == 0 && parsed.seal.size == 0);
    }
    free(scratch);
    free(exact);
    return 0;
}
