/* fuzz_submission.c: submissions: one reader accepts what protobuf-c calls canonical, and prints it back. */
#include "ledger.pb-c.h"
#include "ledger/core/submission.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/opinion.h"

static bool opinion_submission(struct slk_span bytes)
{
    ProtobufCMessage *message = opinion_canonical(&sillok__submission__descriptor, bytes);
    const Sillok__Submission *s = (const Sillok__Submission *)message;
    bool good;

    if (message == NULL)
        return false;
    good = bytes.size <= SLK_SUBMISSION_BYTES_MAX && s->key_id.len == SLK_KEY_ID_SIZE &&
           s->signature.len == SLK_SIGNATURE_SIZE && s->n_event > 0 &&
           s->n_event <= SLK_SUBMISSION_EVENTS_MAX;
    for (size_t i = 0; good && i < s->n_event; i++)
        good = s->event[i].len > 0;
    protobuf_c_message_free_unpacked(message, NULL);
    return good;
}

/* A charter without issuers: nothing can be admitted, every event is still taken apart and judged. */
static void admit(struct slk_submission *submission)
{
    static struct slk_charter charter;
    static const struct slk_hash chain_id;

    charter.submission_events = SLK_SUBMISSION_EVENTS_MAX;
    slk_submission_admit(submission, &charter, &chain_id);
    FUZZ_CHECK(submission->rule != SLK_RULE_OK && submission->issuer == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct slk_submission submission; /* its arena is reused, as in the ledger */
    uint8_t *exact = fuzz_exact(data, size);
    uint8_t *printed = malloc(size + 1);
    struct slk_span bytes = slk_span_of(exact, size);
    enum slk_err err;

    if (printed == NULL)
        abort();
    err = slk_submission_parse(&submission, bytes);
    FUZZ_CHECK((err == SLK_OK) == opinion_submission(bytes));
    if (err == SLK_OK) {
        FUZZ_CHECK(slk_submission_format(printed, size, &submission) == size);
        FUZZ_CHECK(memcmp(printed, exact, size) == 0);
        FUZZ_CHECK(slk_submission_format(printed, size - 1, &submission) == 0);
        admit(&submission);
    } else {
        FUZZ_CHECK(submission.events_n == 0);
    }
    free(printed);
    free(exact);
    return 0;
}
