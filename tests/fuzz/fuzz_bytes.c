/* fuzz_bytes.c: base64, hex, decimals and varints: one spelling each. The first byte chooses. */
#include "ledger/verify/bytes.h"
#include "tests/fuzz/fuzz.h"

static void base64(const char *text, size_t text_n)
{
    size_t cap = text_n + 1, n = 99;
    uint8_t *bytes = malloc(cap);
    char *again = malloc(text_n + 1);

    if (bytes == NULL || again == NULL)
        abort();
    if (slk_base64_parse(bytes, cap, &n, text, text_n)) {
        FUZZ_CHECK(slk_base64_size(n) == text_n);
        slk_base64_format(again, bytes, n);
        FUZZ_CHECK(memcmp(again, text, text_n) == 0);
        FUZZ_CHECK(n == 0 || !slk_base64_parse(bytes, n - 1, &n, text, text_n));
    } else {
        FUZZ_CHECK(n == 0);
    }
    free(bytes);
    free(again);
}

static void hex(const char *text, size_t text_n)
{
    uint8_t *bytes = malloc(text_n / 2 + 1);
    char *again = malloc(text_n + 1);

    if (bytes == NULL || again == NULL)
        abort();
    if (slk_hex_parse(bytes, text_n / 2, text, text_n)) {
        slk_hex_format(again, bytes, text_n / 2);
        FUZZ_CHECK(text_n % 2 == 0 && memcmp(again, text, text_n) == 0);
    }
    FUZZ_CHECK(!slk_hex_parse(bytes, text_n / 2 + 1, text, text_n));
    free(bytes);
    free(again);
}

static void decimal(const char *text, size_t text_n)
{
    char again[32];
    uint64_t value = 7;

    if (slk_decimal_parse(&value, UINT64_MAX, text, text_n)) {
        FUZZ_CHECK((size_t)snprintf(again, sizeof(again), "%llu", (unsigned long long)value) == text_n);
        FUZZ_CHECK(memcmp(again, text, text_n) == 0);
        FUZZ_CHECK(value == 0 || !slk_decimal_parse(&value, value - 1, text, text_n));
    }
}

static void varint(const uint8_t *at, size_t size)
{
    struct slk_reader r = {.rest = {.at = at, .size = size}};
    uint64_t value = slk_read_varint(&r);
    uint8_t again[16];
    struct slk_writer w = {.at = again, .cap = sizeof(again)};

    if (r.bad) {
        FUZZ_CHECK(value == 0 && !slk_read_done(&r));
        return;
    }
    slk_write_varint(&w, value);
    FUZZ_CHECK(!w.bad && w.size == size - r.rest.size && w.size == slk_varint_size(value));
    FUZZ_CHECK(memcmp(again, at, w.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *exact;

    if (size == 0)
        return 0;
    exact = fuzz_exact(data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        base64((const char *)exact, size - 1);
        break;
    case 1:
        hex((const char *)exact, size - 1);
        break;
    case 2:
        decimal((const char *)exact, size - 1);
        break;
    default:
        varint(exact, size - 1);
    }
    free(exact);
    return 0;
}
