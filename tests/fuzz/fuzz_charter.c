/* fuzz_charter.c: charters: what parses prints back, protobuf-c agrees, and a valid one gives a policy that parses. */
#include "ledger.pb-c.h"
#include "ledger/core/charter.h"
#include "ledger/core/index_set.h"
#include "ledger/verify/policy.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/opinion.h"

static void check_policy(const struct slk_charter *charter)
{
    static char text[SLK_POLICY_TEXT_MAX];
    size_t size = slk_charter_policy(text, sizeof(text), charter);
    struct slk_policy *policy = NULL;
    struct slk_fault fault = {0};

    FUZZ_CHECK(size > 0 && strlen(text) == size);
    FUZZ_CHECK(slk_policy_new(&policy, text, size, &fault) == SLK_OK);
    slk_policy_free(policy);
}

static void check_look_ups(const struct slk_charter *charter)
{
    for (size_t i = 0; i < charter->issuers_n; i++) {
        FUZZ_CHECK(slk_charter_issuer(charter, charter->issuers[i].key_id) != NULL);
        FUZZ_CHECK(slk_charter_member(charter, charter->issuers[i].agency) != NULL);
    }
    for (size_t i = 0; i < charter->types_n; i++)
        FUZZ_CHECK(slk_charter_type(charter, charter->types[i].code) == &charter->types[i]);
    for (size_t i = 0; i < charter->reasons_n; i++)
        FUZZ_CHECK(slk_charter_reason(charter, charter->reasons[i].code) == &charter->reasons[i]);
    FUZZ_CHECK(slk_charter_voting_n(charter) > 0);
    FUZZ_CHECK(slk_charter_quorum(charter) <= slk_charter_voting_n(charter));
}

static void check_parsed(const struct slk_charter *charter, struct slk_span bytes)
{
    static uint8_t printed[SLK_CHARTER_BYTES_MAX];
    ProtobufCMessage *second = opinion_canonical(&sillok__charter__descriptor, bytes);
    struct slk_fault fault = {0};

    FUZZ_CHECK(second != NULL);
    protobuf_c_message_free_unpacked(second, NULL);
    FUZZ_CHECK(slk_charter_format(printed, sizeof(printed), charter) == bytes.size);
    FUZZ_CHECK(memcmp(printed, bytes.at, bytes.size) == 0);
    if (slk_charter_validate_genesis(charter, &fault) == SLK_OK) {
        check_look_ups(charter);
        check_policy(charter);
    } else {
        fuzz_check_fault(&fault, "", 0);
        FUZZ_CHECK(fault.text[0] != 0); /* a refusal says what to do */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct slk_charter charter;
    uint8_t *exact = fuzz_exact(data, size);
    struct slk_span bytes = slk_span_of(exact, size);

    memset(&charter, 0xa5, sizeof(charter));
    if (slk_charter_parse(&charter, bytes) == SLK_OK)
        check_parsed(&charter, bytes);
    else
        FUZZ_CHECK(charter.members_n == 0 && charter.issuers_n == 0 && charter.version == 0);
    free(exact);
    return 0;
}
