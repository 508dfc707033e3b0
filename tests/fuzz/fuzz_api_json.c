/* fuzz_api_json.c: submissions as JSON: refused with a sentence, or canonical bytes that print and read as the same again. */
#include "net/api_json.h"

#include "tests/fuzz/fuzz.h"
#include "tools/ndjson.h"

/* The bytes as JSON, by the tools' printer of events. */
static char *print(const struct slk_submission *s)
{
    json_t *events = json_array(), *value;
    char *text;

    for (size_t i = 0; i < s->events_n; i++) {
        char line[NDJSON_FORMAT_MAX];
        struct slk_event event;
        size_t size;

        if (slk_event_parse(&event, s->event_bytes[i]) !=
            SLK_OK) { /* a name, but no sense: for the rules to refuse */
            json_decref(events);
            return NULL;
        }
        size = ndjson_format(line, sizeof(line), &event, NULL, SLK_RULE_OK);
        FUZZ_CHECK(size > 0);
        json_array_append_new(events, json_loadb(line, size, 0, NULL));
    }
    value = json_pack("{s:o, s:o, s:o}", "key_id", slk_api_hex(s->key_id, SLK_KEY_ID_SIZE), "signature",
        slk_api_hex(s->signature, SLK_SIGNATURE_SIZE), "events", events);
    text = json_dumps(value, 0);
    json_decref(value);
    FUZZ_CHECK(text != NULL);
    return text;
}

static void check_again(struct slk_span bytes)
{
    struct slk_submission s = {0};
    struct slk_fault fault = {0};
    uint8_t *again;
    size_t size;
    char *text;

    FUZZ_CHECK(slk_submission_parse(&s, bytes) == SLK_OK);
    text = print(&s);
    if (text != NULL) {
        FUZZ_CHECK(
            slk_api_submission_parse(&again, &size, slk_span_of(text, strlen(text)), &fault) == SLK_OK);
        FUZZ_CHECK(size == bytes.size && memcmp(again, bytes.at, size) == 0);
        free(again);
    }
    free(text);
    slk_submission_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *exact = fuzz_exact(data, size), *out, handle[SLK_HANDLE_SIZE];
    struct slk_fault fault = {0};
    size_t out_size;
    bool history;

    if (slk_api_submission_parse(&out, &out_size, slk_span_of(exact, size), &fault) == SLK_OK) {
        check_again(slk_span_of(out, out_size));
    } else {
        FUZZ_CHECK(out == NULL && out_size == 0 && fault.text[0] != 0);
        fuzz_check_fault(&fault, exact, size);
    }
    free(out);
    memset(&fault, 0, sizeof(fault));
    if (slk_api_proof_request_parse(handle, &history, slk_span_of(exact, size), &fault) != SLK_OK) {
        FUZZ_CHECK(fault.text[0] != 0);
        fuzz_check_fault(&fault, exact, size);
    }
    free(exact);
    return 0;
}
