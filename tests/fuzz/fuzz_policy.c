/* fuzz_policy.c: trust policies: refused with a sentence and a line of the file, or usable. */
#include "ledger/verify/policy.h"
#include "tests/fuzz/fuzz.h"

/* A note signed by nobody: whatever the policy, it must not be believed. */
static void check_nobody(const struct slk_policy *policy)
{
    static const char text[] = "nobody.example/log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    static const struct slk_verify_options options = {.now_s = 1700000000, .allow_no_quorum = true};
    static struct slk_note note;
    struct slk_checkpoint checkpoint;
    struct slk_policy_verdict verdict;

    memset(&note, 0, sizeof(note));
    note.text = slk_span_of(text, sizeof(text) - 1);
    FUZZ_CHECK(slk_checkpoint_parse(&checkpoint, note.text) == SLK_OK);
    FUZZ_CHECK(slk_policy_check(&verdict, policy, &note, &checkpoint, &options) != SLK_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *exact = fuzz_exact(data, size);
    struct slk_policy *policy = NULL;
    struct slk_fault fault = {0};

    if (slk_policy_new(&policy, (const char *)exact, size, &fault) == SLK_OK) {
        FUZZ_CHECK(policy != NULL && size <= SLK_POLICY_TEXT_MAX);
        check_nobody(policy);
    } else {
        FUZZ_CHECK(policy == NULL && fault.text[0] != 0);
        fuzz_check_fault(&fault, exact, size);
    }
    slk_policy_free(policy);
    free(exact);
    return 0;
}
