/* fuzz_status.c: the whole verifier. Input: handle[32] || u16 policy size || policy || proof.
 *
 * Whatever the bytes: an answer comes with SLK_OK only, a refusal leaves nothing that could be taken for one, and an
 * accepted history walks to its end. */
#include "ledger/verify/bytes.h"
#include "tests/fuzz/fuzz.h"

#define NOW_S 1900000000 /* after every seed's cosignatures */

static void check_history(const struct slk_answer *answer)
{
    struct slk_history_item item;
    enum slk_state state = SLK_EXPIRED;
    struct slk_history_cursor cursor = {0};
    uint64_t n = 0, before_ms = 0;

    while (slk_answer_next(answer, &cursor, &item)) {
        FUZZ_CHECK(item.sequence == n && item.recorded_at_ms >= before_ms);
        FUZZ_CHECK(item.kind >= SLK_ISSUE && item.kind < SLK_KIND_N);
        before_ms = item.recorded_at_ms;
        n++;
    }
    FUZZ_CHECK(n == (answer->has_history ? answer->events_n : 0));
    if (answer->has_history) {
        FUZZ_CHECK(slk_answer_at(answer, 0, &state) == SLK_OK && state == SLK_NEVER_ISSUED);
        FUZZ_CHECK(slk_answer_at(answer, answer->block_time_ms / 1000 + 1, &state) == SLK_E_TIME);
    }
}

static void check_answer(struct slk_answer *answer, enum slk_err err)
{
    FUZZ_CHECK(answer->why == err);
    FUZZ_CHECK(memchr(answer->detail, 0, sizeof(answer->detail)) != NULL);
    if (err == SLK_OK) {
        FUZZ_CHECK(answer->present == (answer->state != SLK_NEVER_ISSUED));
        FUZZ_CHECK(answer->present == (answer->events_n > 0));
        check_history(answer);
    } else {
        FUZZ_CHECK(
            !answer->present && answer->tree_size == 0 && answer->events.size == 0 && answer->events_n == 0);
        FUZZ_CHECK(answer->quorum_time_s == 0 && answer->cosignatures_n == 0);
    }
    slk_answer_clear(answer);
    slk_answer_clear(answer); /* twice is harmless */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct slk_verify_options options = {.now_s = NOW_S, .allow_no_quorum = true};
    struct slk_reader r = {.rest = {.at = data, .size = size}};
    uint8_t handle[SLK_HANDLE_SIZE];
    struct slk_policy *policy = NULL;
    struct slk_span policy_text;
    struct slk_answer answer;
    struct slk_fault fault;
    uint8_t *exact;

    slk_read_bytes(&r, handle, sizeof(handle));
    policy_text = slk_read_span(&r, slk_read_u16(&r));
    if (r.bad || slk_policy_new(&policy, (const char *)policy_text.at, policy_text.size, &fault) != SLK_OK)
        return 0;
    exact = fuzz_exact(r.rest.at, r.rest.size);
    memset(&answer, 0xa5, sizeof(answer));
    check_answer(
        &answer, slk_verify_status(&answer, slk_span_of(exact, r.rest.size), handle, policy, &options));
    slk_policy_free(policy);
    free(exact);
    return 0;
}
