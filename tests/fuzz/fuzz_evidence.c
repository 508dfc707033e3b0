/* fuzz_evidence.c: what is said to convict members: refused with a sentence, or printed and read again as the same, and judged. */
#include <sodium.h>

#include "tests/fuzz/fuzz.h"
#include "tools/evidence.h"

/* One log key and one witness that have signed nothing: nobody is convicted, whatever the file says. */
static struct slk_policy *policy_of_strangers(void)
{
    static const uint8_t seed[crypto_sign_SEEDBYTES] = {9};
    uint8_t key[SLK_KEY_SIZE], secret[crypto_sign_SECRETKEYBYTES];
    char text[1024], log[SLK_VKEY_MAX], witness[SLK_VKEY_MAX];
    struct slk_policy *policy = NULL;
    struct slk_fault fault;
    struct slk_vkey vkey;
    int size;

    crypto_sign_seed_keypair(key, secret, seed);
    FUZZ_CHECK(slk_vkey_init(&vkey, "sim.example/ledger", SLK_SIG_ED25519, key) == SLK_OK);
    slk_vkey_format(log, &vkey);
    FUZZ_CHECK(slk_vkey_init(&vkey, "stranger", SLK_SIG_COSIGNATURE_V1, key) == SLK_OK);
    slk_vkey_format(witness, &vkey);
    size = snprintf(text, sizeof(text), "log %s\nwitness w %s\nquorum w\n", log, witness);
    FUZZ_CHECK(slk_policy_new(&policy, text, (size_t)size, &fault) == SLK_OK);
    return policy;
}

static void check_judged(const struct evidence *e)
{
    static struct conviction out[EVIDENCE_CONVICTED_MAX];
    static struct slk_policy *policy;
    struct slk_fault fault = {0};
    size_t n = 1;

    if (policy == NULL)
        policy = policy_of_strangers();
    if (e->kind == EVIDENCE_SPLIT) {
        FUZZ_CHECK(
            evidence_judge_split(e, policy, out, &n, &fault) != SLK_OK && n == 0 && fault.text[0] != 0);
    } else if (evidence_judge_votes(e, &fault) == SLK_OK) {
        FUZZ_CHECK(slk_statements_contradict(&e->second.statement, &e->first.statement));
    } else {
        FUZZ_CHECK(fault.text[0] != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *exact = fuzz_exact(data, size);
    struct slk_fault fault = {0};
    struct evidence e, again;
    size_t printed_n, twice_n;
    char *printed, *twice;

    memset(&e, 0xa5, sizeof(e));
    if (evidence_parse(&e, (const char *)exact, size, &fault) == SLK_OK) {
        printed = evidence_format(&e, &printed_n);
        FUZZ_CHECK(printed != NULL && printed_n <= EVIDENCE_LINE_MAX && printed[printed_n - 1] == '\n');
        FUZZ_CHECK(evidence_parse(&again, printed, printed_n, &fault) == SLK_OK);
        twice = evidence_format(&again, &twice_n);
        FUZZ_CHECK(twice != NULL && twice_n == printed_n && memcmp(twice, printed, twice_n) == 0);
        check_judged(&e);
        free(printed);
        free(twice);
        evidence_clear(&again);
        evidence_clear(&e);
    } else {
        FUZZ_CHECK(fault.text[0] != 0 && fuzz_is_zero(&e, sizeof(e)));
        fuzz_check_fault(&fault, exact, size);
    }
    free(exact);
    return 0;
}
