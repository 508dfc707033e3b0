/* fuzz_event.c: our strict reader of events against protobuf-c: both accept exactly the same bytes. */
#include "ledger/verify/entry.h"
#include "ledger/verify/record.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/opinion.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *exact = fuzz_exact(data, size);
    struct slk_span bytes = slk_span_of(exact, size);
    struct slk_event event;
    uint8_t printed[SLK_EVENT_MAX];
    enum slk_err err;

    memset(&event, 0xa5, sizeof(event));
    err = slk_event_parse(&event, bytes);
    FUZZ_CHECK((err == SLK_OK) == opinion_event(bytes));
    if (err == SLK_OK) {
        enum slk_rule rule = slk_rule_fields(&event);

        FUZZ_CHECK(slk_event_format(printed, sizeof(printed), &event) == size);
        FUZZ_CHECK(memcmp(printed, exact, size) == 0);
        FUZZ_CHECK(slk_event_format(printed, size - 1, &event) == 0);
        FUZZ_CHECK(
            rule == SLK_RULE_OK || rule == SLK_RULE_FIELD_MISSING || rule == SLK_RULE_FIELD_NOT_ALLOWED);
    } else {
        FUZZ_CHECK(fuzz_is_zero(&event, sizeof(event)));
    }
    free(exact);
    return 0;
}
