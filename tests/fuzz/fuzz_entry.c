/* fuzz_entry.c: our strict reader of log entries against protobuf-c: both accept exactly the same bytes. */
#include "ledger/verify/entry.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/opinion.h"

static size_t print_again(uint8_t *out, size_t cap, const struct slk_entry *entry)
{
    switch (entry->type) {
    case SLK_ENTRY_RECORDED:
        return slk_entry_format_recorded(out, cap, entry->recorded_at_ms, entry->event);
    case SLK_ENTRY_AUTHORIZATION:
        return slk_entry_format_authorization(out, cap, &entry->authorization);
    case SLK_ENTRY_CHARTER:
        return slk_entry_format_charter(out, cap, entry->charter, entry->change);
    case SLK_ENTRY_SEAL:
        return slk_entry_format_seal(out, cap, &entry->seal);
    case SLK_ENTRY_EVIDENCE:
        return slk_entry_format_evidence(out, cap, entry->first, entry->second);
    }
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t printed[SLK_ENTRY_MAX];
    uint8_t *exact = fuzz_exact(data, size);
    struct slk_span bytes = slk_span_of(exact, size);
    struct slk_entry entry;
    enum slk_err err;

    memset(&entry, 0xa5, sizeof(entry));
    err = slk_entry_parse(&entry, bytes);
    FUZZ_CHECK((err == SLK_OK) == opinion_entry(bytes));
    if (err == SLK_OK) {
        FUZZ_CHECK(print_again(printed, sizeof(printed), &entry) == size);
        FUZZ_CHECK(memcmp(printed, exact, size) == 0);
        FUZZ_CHECK(print_again(printed, size - 1, &entry) == 0);
    } else {
        FUZZ_CHECK(fuzz_is_zero(&entry, sizeof(entry)));
    }
    free(exact);
    return 0;
}
