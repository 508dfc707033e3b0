/* fuzz_charter_text.c: charters as people write them: what is accepted is valid, and its print reads as the same bytes. */
#include "tools/charter_text.h"

#include "tests/fuzz/fuzz.h"

static void check_again(const struct slk_charter *charter)
{
    static char text[SLK_CHARTER_TEXT_MAX];
    static struct slk_charter again;
    static uint8_t bytes[SLK_CHARTER_BYTES_MAX], again_bytes[SLK_CHARTER_BYTES_MAX];
    struct slk_fault fault = {0};
    size_t size = slk_charter_format(bytes, sizeof(bytes), charter), text_size;

    FUZZ_CHECK(size > 0 && slk_charter_validate(charter, &fault) == SLK_OK);
    text_size = slk_charter_text_format(text, sizeof(text), charter);
    FUZZ_CHECK(text_size > 0 && text[text_size] == 0);
    FUZZ_CHECK(slk_charter_text_parse(&again, text, text_size, &fault) == SLK_OK);
    FUZZ_CHECK(slk_charter_format(again_bytes, sizeof(again_bytes), &again) == size);
    FUZZ_CHECK(memcmp(bytes, again_bytes, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct slk_charter charter;
    uint8_t *exact = fuzz_exact(data, size);
    struct slk_fault fault = {0};

    memset(&charter, 0xa5, sizeof(charter));
    if (slk_charter_text_parse(&charter, (const char *)exact, size, &fault) == SLK_OK) {
        check_again(&charter);
    } else {
        FUZZ_CHECK(fault.text[0] != 0 && charter.version == 0 && charter.members_n == 0);
        fuzz_check_fault(&fault, exact, size);
    }
    free(exact);
    return 0;
}
