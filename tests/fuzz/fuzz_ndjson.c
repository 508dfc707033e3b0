/* fuzz_ndjson.c: events as one JSON line: refused with a sentence, or printed and read again as the same event. */
#include "tools/ndjson.h"

#include "tests/fuzz/fuzz.h"

static void check_same(const struct ndjson_event *a, const struct ndjson_event *b)
{
    uint8_t a_bytes[SLK_EVENT_MAX], b_bytes[SLK_EVENT_MAX];
    size_t size = slk_event_format(a_bytes, sizeof(a_bytes), &a->event);

    FUZZ_CHECK(size > 0 && slk_event_format(b_bytes, sizeof(b_bytes), &b->event) == size);
    FUZZ_CHECK(memcmp(a_bytes, b_bytes, size) == 0);
    FUZZ_CHECK(strcmp(a->issuer, b->issuer) == 0 && a->expect == b->expect);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *exact = fuzz_exact(data, size);
    char printed[NDJSON_FORMAT_MAX];
    struct ndjson_event event, again;
    struct slk_fault fault = {0};
    size_t printed_size;

    memset(&event, 0xa5, sizeof(event));
    if (ndjson_parse(&event, (const char *)exact, size, NULL, &fault) == SLK_OK) {
        FUZZ_CHECK(size <= NDJSON_LINE_MAX && strlen(event.issuer) <= SLK_CHARTER_NAME_MAX);
        printed_size = ndjson_format(
            printed, sizeof(printed), &event.event, event.issuer[0] != 0 ? event.issuer : NULL, event.expect);
        FUZZ_CHECK(printed_size <= sizeof(printed));
        if (printed_size > 0) { /* 0: the issuer's name needs escapes */
            FUZZ_CHECK(printed[printed_size - 1] == '\n');
            FUZZ_CHECK(ndjson_parse(&again, printed, printed_size - 1, NULL, &fault) == SLK_OK);
            check_same(&event, &again);
        }
    } else {
        FUZZ_CHECK(fault.text[0] != 0 && event.event.kind == 0);
        fuzz_check_fault(&fault, exact, size);
    }
    free(exact);
    return 0;
}
