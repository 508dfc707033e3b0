/* fuzz_tlog_proof.c: C2SP tlog-proofs of any log: what parses prints back; whatever it is, no entry is believed that a policy's keys have not
 * signed, and a refusal leaves nothing. */
#include "ledger/verify/policy.h"
#include "ledger/verify/tlog_proof.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/signer.h"

#define NOW 1790000000u

static struct slk_policy *make_policy(void)
{
    static const char format[] = "log %s\nquorum none\n";
    char key[SLK_VKEY_MAX], text[SLK_VKEY_MAX + sizeof(format)];
    struct slk_policy *policy = NULL;
    struct signer log;
    int n;

    signer_init(&log, "log.example/a", SLK_SIG_ED25519, 1);
    slk_vkey_format(key, &log.vkey);
    n = snprintf(text, sizeof(text), format, key);
    FUZZ_CHECK(n > 0 && slk_policy_new(&policy, text, (size_t)n, NULL) == SLK_OK);
    return policy;
}

static void check_round_trip(const struct slk_tlog_proof *proof, struct slk_span text)
{
    uint8_t *again = malloc(text.size);

    FUZZ_CHECK(again != NULL && proof->path_n <= SLK_PATH_MAX && proof->note.size > 0);
    FUZZ_CHECK(slk_tlog_proof_format(again, text.size, proof) == text.size &&
               memcmp(again, text.at, text.size) == 0);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct slk_verify_options options = {.now_s = NOW, .allow_no_quorum = true};
    static struct slk_policy *policy;
    static struct slk_tlog_proof proof;
    uint8_t *exact = fuzz_exact(data, size);
    struct slk_span text = slk_span_of(exact, size);
    struct slk_entry_answer says;

    if (policy == NULL)
        policy = make_policy();
    if (slk_tlog_proof_parse(&proof, text) == SLK_OK)
        check_round_trip(&proof, text);
    else
        FUZZ_CHECK(fuzz_is_zero(&proof, sizeof(proof)));
    memset(&says, 0xa5, sizeof(says));
    if (slk_verify_entry(&says, text, slk_span_of((const uint8_t *)"entry", 5), policy, &options) == SLK_OK)
        FUZZ_CHECK(
            says.index < says.tree_size && strcmp(says.origin, "log.example/a") == 0 && !says.has_quorum);
    else
        FUZZ_CHECK(says.why != SLK_OK && says.tree_size == 0 && says.origin[0] == '\0');
    free(exact);
    return 0;
}
