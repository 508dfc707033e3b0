/* test_ndjson.c: events as JSON lines: what is read, and every way in which a line is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/ndjson.h"
#include "tools/simulate.h"

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static enum slk_err parse(struct ndjson_event *out, const char *line, struct slk_fault *fault)
{
    memset(fault, 0, sizeof(*fault));
    return ndjson_parse(out, line, strlen(line), NULL, fault);
}

static void every_field_arrives(void **state)
{
    struct ndjson_event e;
    struct slk_fault fault;

    (void)state;
    assert_int_equal(
        parse(&e,
            "{\"issuer\":\"sejong\",\"credential\":\"" HASH "\",\"sequence\":7,\"previous\":\"" HASH
            "\",\"kind\":\"ISSUE\","
            "\"device\":\"" HASH
            "\",\"carrier\":\"PHONE\",\"channel\":\"CHIP_CARD_TAP\",\"type\":2,\"valid_until\":1893456000,"
            "\"reason\":3,\"commitment\":\"" HASH
            "\",\"occurred_at\":\"2026-07-01T00:00:00Z\",\"status_index\":5,"
            "\"expect\":\"STATE\"}",
            &fault),
        SLK_OK);
    assert_string_equal(e.issuer, "sejong");
    assert_int_equal(e.event.credential[1], 0x11);
    assert_int_equal(e.event.sequence, 7);
    assert_true(e.event.has_previous && e.event.has_device && e.event.has_commitment);
    assert_int_equal(e.event.kind, SLK_ISSUE);
    assert_int_equal(e.event.carrier, SLK_PHONE);
    assert_int_equal(e.event.channel, SLK_CHIP_CARD_TAP);
    assert_int_equal(e.event.type, 2);
    assert_int_equal(e.event.valid_until_s, 1893456000);
    assert_int_equal(e.event.reason, 3);
    assert_int_equal(e.event.occurred_at_s, 1782864000);
    assert_int_equal(e.event.status_index, 5);
    assert_int_equal(e.expect, SLK_RULE_STATE);
    assert_false(e.fill_head);
}

static void head_is_filled_only_when_both_are_left_out(void **state)
{
    struct ndjson_event e;
    struct slk_fault fault;

    (void)state;
    assert_int_equal(parse(&e, "{\"kind\":\"LOCK\",\"credential\":\"" HASH "\"}", &fault), SLK_OK);
    assert_true(e.fill_head);
    assert_int_equal(
        parse(&e, "{\"kind\":\"LOCK\",\"credential\":\"" HASH "\",\"sequence\":0}", &fault), SLK_OK);
    assert_false(e.fill_head);
    assert_int_equal(
        parse(&e, "{\"kind\":\"LOCK\",\"credential\":\"" HASH "\",\"previous\":\"" HASH "\"}", &fault),
        SLK_E_MALFORMED);
    assert_non_null(strstr(fault.text, "\"sequence\""));
}

static void names_need_a_charter(void **state)
{
    struct slk_charter *charter = calloc(1, sizeof(*charter));
    const char *line =
        "{\"kind\":\"LOCK\",\"credential\":\"" HASH "\",\"reason\":\"LOST\",\"type\":\"CARD\"}";
    struct ndjson_event e;
    struct slk_fault fault = {0};

    (void)state;
    assert_non_null(charter);
    assert_int_equal(parse(&e, line, &fault), SLK_E_MALFORMED);
    charter->types_n = charter->reasons_n = 1;
    charter->types[0].code = 4;
    charter->reasons[0].code = 9;
    snprintf(charter->types[0].name, sizeof(charter->types[0].name), "CARD");
    snprintf(charter->reasons[0].name, sizeof(charter->reasons[0].name), "LOST");
    assert_int_equal(ndjson_parse(&e, line, strlen(line), charter, &fault), SLK_OK);
    assert_int_equal(e.event.type, 4);
    assert_int_equal(e.event.reason, 9);
    snprintf(charter->reasons[0].name, sizeof(charter->reasons[0].name), "OTHER");
    assert_int_equal(ndjson_parse(&e, line, strlen(line), charter, &fault), SLK_E_MALFORMED);
    assert_non_null(strstr(fault.text, "\"reason\""));
    free(charter);
}

#define C "\"credential\":\"" HASH "\""
#define L "{\"kind\":\"LOCK\"," C

static void bad_lines_are_refused_by_name(void **state)
{
    static const struct {
        const char *line, *says;
    } bad[] = {
        {"", "JSON"},
        {"{", "JSON"},
        {"[]", "one JSON object"},
        {"null", "JSON"},
        {L "} x", "JSON"},
        {L "}{}", "JSON"},
        {"{" C "}", "\"kind\": missing"},
        {"{\"kind\":\"LOCK\"}", "\"credential\": missing"},
        {"{\"kind\":\"LOCK\",\"kind\":\"LOCK\"," C "}", "duplicate"},
        {"{\"kind\":\"lock\"," C "}", "\"kind\": must be one of ISSUE, REBIND, LOCK, UNLOCK, RENEW, REVOKE"},
        {"{\"kind\":3," C "}", "\"kind\""},
        {L ",\"name\":\"A. Person\"}", "\"name\": no such field"},
        {L ",\"Kind\":\"LOCK\"}", "\"Kind\": no such field"},
        {L ",\"\":1}", "no such field"},
        {"{\"kind\":\"LOCK\",\"credential\":\"00\"}", "64 hexadecimal"},
        {"{\"kind\":\"LOCK\",\"credential\":12}", "not a whole number"},
        {"{\"kind\":\"LOCK\",\"credential\":null}", "leave the field out"},
        {"{\"kind\":\"LOCK\",\"credential\":\"" HASH "0\"}", "65 characters"},
        {"{\"kind\":\"LOCK\",\"credential\":"
         "\"g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"}",
            "not a hexadecimal"},
        {L ",\"sequence\":-1}", "\"sequence\": must not be negative"},
        {L ",\"sequence\":1.0}", "fraction or exponent"},
        {L ",\"sequence\":1e3}", "fraction or exponent"},
        {L ",\"sequence\":\"1\"}", "not a string"},
        {L ",\"sequence\":true}", "true or false"},
        {L ",\"sequence\":9223372036854775808}", "JSON"},
        {L ",\"reason\":4294967296}", "\"reason\": must be at most 4294967295"},
        {L ",\"type\":[2]}", "an array"},
        {L ",\"status_index\":{}}", "an object"},
        {L ",\"carrier\":\"SIM\"}", "CHIP_CARD, PHONE"},
        {L ",\"channel\":\"MAIL\"}", "OFFICE_QR"},
        {L ",\"valid_until\":\"tomorrow\"}", "\"valid_until\": not a time"},
        {L ",\"occurred_at\":1.5}", "\"occurred_at\""},
        {L ",\"issuer\":\"\"}", "\"issuer\""},
        {L ",\"issuer\":7}", "\"issuer\""},
        {L ",\"expect\":\"OK\"}", "\"expect\""},
        {L ",\"expect\":\"NO_SUCH_RULE\"}", "\"expect\""},
        {L ",\"issuer\":\"a\\u0000b\"}", "JSON"},
        {L ",\"issuer\":\"\xff\"}", "JSON"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct ndjson_event e;
        struct slk_fault fault;

        if (parse(&e, bad[i].line, &fault) != SLK_E_MALFORMED)
            fail_msg("accepted: %s", bad[i].line);
        if (strstr(fault.text, bad[i].says) == NULL)
            fail_msg("%s: says \"%s\", not \"%s\"", bad[i].line, fault.text, bad[i].says);
        assert_int_equal(e.event.kind, 0);
    }
}

static void too_long_a_line_is_refused_unread(void **state)
{
    char *line = malloc(NDJSON_LINE_MAX + 2);
    struct ndjson_event e;
    struct slk_fault fault = {0};

    (void)state;
    assert_non_null(line);
    memset(line, ' ', NDJSON_LINE_MAX + 1);
    memcpy(line, L "}", strlen(L "}"));
    assert_int_equal(ndjson_parse(&e, line, NDJSON_LINE_MAX, NULL, &fault), SLK_OK);
    assert_int_equal(ndjson_parse(&e, line, NDJSON_LINE_MAX + 1, NULL, &fault), SLK_E_MALFORMED);
    free(line);
}

/* What a simulation prints is read back as the same canonical bytes. */
static void printing_and_reading_agree(void **state)
{
    const struct slk_sim_options options = {.seed = 3,
        .start_s = SLK_SIM_START_S,
        .days = 20,
        .credentials = 2000,
        .existing_percent = 40,
        .fault_percent = 30,
        .burst = true};
    struct slk_sim *sim = slk_sim_new(&options);
    struct slk_sim_item item;
    char line[NDJSON_FORMAT_MAX], name[SLK_CHARTER_NAME_MAX + 1];
    uint8_t bytes[SLK_EVENT_MAX];
    struct ndjson_event e;
    struct slk_fault fault;

    (void)state;
    assert_non_null(sim);
    while (slk_sim_next(sim, &item)) {
        size_t size = ndjson_format(
            line, sizeof(line), &item.event, slk_sim_issuer_name(name, item.issuer), item.expect);

        assert_true(size > 0 && line[size - 1] == '\n');
        assert_int_equal(ndjson_parse(&e, line, size - 1, NULL, &fault), SLK_OK);
        assert_string_equal(e.issuer, name);
        assert_int_equal(e.expect, item.expect);
        assert_int_equal(slk_event_format(bytes, sizeof(bytes), &e.event), item.size);
        assert_memory_equal(bytes, item.bytes, item.size);
    }
    slk_sim_free(sim);
}

static void names_that_need_escapes_are_not_printed(void **state)
{
    struct slk_event event = {.kind = SLK_LOCK};
    char line[NDJSON_FORMAT_MAX];

    (void)state;
    assert_int_equal(ndjson_format(line, sizeof(line), &event, "a\"b", SLK_RULE_OK), 0);
    assert_int_equal(ndjson_format(line, sizeof(line), &event, "a\\b", SLK_RULE_OK), 0);
    assert_int_equal(ndjson_format(line, sizeof(line), &event, "a\tb", SLK_RULE_OK), 0);
    assert_int_equal(ndjson_format(line, sizeof(line) - 1, &event, NULL, SLK_RULE_OK), 0);
}

/* Every byte of a line replaced by every other: refused or read, never worse. */
static void no_altered_byte_does_harm(void **state)
{
    char line[] = L ",\"sequence\":1,\"previous\":\"" HASH
                    "\",\"reason\":1,\"channel\":\"ONLINE\",\"occurred_at\":1782896400}";
    struct ndjson_event e;
    struct slk_fault fault;

    (void)state;
    for (size_t i = 0; i < sizeof(line) - 1; i++) {
        char keep = line[i];

        for (int c = 0; c < 256; c++) {
            line[i] = (char)c;
            if (ndjson_parse(&e, line, sizeof(line) - 1, NULL, &fault) != SLK_OK)
                assert_int_equal(e.event.kind, 0);
        }
        line[i] = keep;
        assert_int_equal(ndjson_parse(&e, line, i, NULL, &fault), SLK_E_MALFORMED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_arrives),
        cmocka_unit_test(head_is_filled_only_when_both_are_left_out),
        cmocka_unit_test(names_need_a_charter),
        cmocka_unit_test(bad_lines_are_refused_by_name),
        cmocka_unit_test(too_long_a_line_is_refused_unread),
        cmocka_unit_test(printing_and_reading_agree),
        cmocka_unit_test(names_that_need_escapes_are_not_printed),
        cmocka_unit_test(no_altered_byte_does_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
