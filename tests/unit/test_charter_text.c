/* test_charter_text.c: the readable form of a charter: round trips, and every refusal with its line. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/sample.h"
#include "tools/charter_text.h"

static char *text_of(const struct slk_charter *charter, size_t *size)
{
    char *text = malloc(SLK_CHARTER_TEXT_MAX);

    assert_non_null(text);
    *size = slk_charter_text_format(text, SLK_CHARTER_TEXT_MAX, charter);
    assert_true(*size > 0);
    assert_int_equal(strlen(text), *size);
    return text;
}

/* Print, read, and compare the canonical bytes and the hash. */
static void assert_round_trip(struct slk_charter *charter)
{
    struct slk_charter *again = malloc(sizeof(*again));
    uint8_t *bytes = malloc(SLK_CHARTER_BYTES_MAX), *twice = malloc(SLK_CHARTER_BYTES_MAX);
    struct slk_fault fault;
    size_t size, bytes_n = slk_charter_format(bytes, SLK_CHARTER_BYTES_MAX, charter);
    char *text = text_of(charter, &size);

    assert_true(bytes_n > 0);
    if (slk_charter_text_parse(again, text, size, &fault) != SLK_OK)
        fail_msg("line %zu: %s", fault.line, fault.text);
    assert_int_equal(slk_charter_format(twice, SLK_CHARTER_BYTES_MAX, again), bytes_n);
    assert_memory_equal(bytes, twice, bytes_n);
    struct slk_hash hash;
    slk_charter_hash(&hash, slk_span_of(bytes, bytes_n));
    assert_memory_equal(again->hash.b, hash.b, sizeof(hash));
    for (size_t cap = 1; cap <= size; cap += 101)
        assert_int_equal(slk_charter_text_format(text, cap, charter), 0);
    free(text);
    free(bytes);
    free(twice);
    free(again);
}

static void print_then_read_gives_the_same_bytes(void **state)
{
    struct slk_charter *c = sample_charter();

    (void)state;
    assert_round_trip(c);
    c->version = 7;
    c->has_previous = true;
    c->previous.b[31] = 0xfe;
    c->created_at_ms += 7;
    assert_round_trip(c);
    c->created_at_ms += 600;
    c->types[0].max_validity_s = 1;
    c->types[1].max_validity_s = 86400 * 90;
    c->issuers[0].not_before_s = 0;
    c->issuers[1].not_after_s = UINT64_C(253402300799); /* the last second of 9999 */
    assert_round_trip(c);
    c->created_at_ms = ((uint64_t)1 << 53) - 1;
    c->types[0].max_validity_s = 3600 * 5;
    c->issuers[1].not_after_s = UINT64_MAX;
    c->heartbeat_s = 0;
    assert_round_trip(c);
    free(c);
}

static void random_charters_survive_the_round_trip(void **state)
{
    struct slk_charter *c = sample_charter();
    uint64_t random = 42;

    (void)state;
    for (int round = 0; round < 60; round++) {
        c->created_at_ms = 1 + sample_below(&random, UINT64_C(253402300799999));
        c->block_events = 4096 + (uint32_t)sample_below(&random, 10000);
        c->fresh_s = 1 + (uint32_t)sample_below(&random, 86400);
        for (size_t i = 0; i < c->types_n; i++) {
            c->types[i].max_validity_s = 1 + sample_below(&random, 50 * 366 * 24) * 3600;
            c->types[i].status_list_size = 1 + (uint32_t)sample_below(&random, SLK_STATUS_LIST_MAX);
        }
        for (size_t i = 0; i < c->issuers_n; i++) {
            c->issuers[i].not_before_s = sample_below(&random, UINT64_C(200000000000));
            c->issuers[i].not_after_s =
                c->issuers[i].not_before_s + 1 + sample_below(&random, UINT64_C(10000000000));
            c->issuers[i].kinds = 1u << SLK_LOCK | ((uint32_t)sample_random(&random) & SLK_KINDS_ALL);
            c->issuers[i].any_agency = sample_below(&random, 2) == 0;
        }
        for (size_t i = 0; i < c->members_n; i++)
            c->members[i].role = i > 0 && sample_below(&random, 2) == 0 ? SLK_OBSERVER : SLK_VOTING;
        assert_round_trip(c);
    }
    free(c);
}

/* The largest of everything that fits: long names, long lists, lines at their longest. */
static void a_large_charter_survives_the_round_trip(void **state)
{
    struct slk_charter *c = sample_charter();
    struct sample_key key;

    (void)state;
    memset(c->origin, 'o', SLK_CHARTER_ORIGIN_MAX);
    c->types_n = SLK_CHARTER_TYPES_MAX;
    for (size_t i = 0; i < c->types_n; i++) {
        c->types[i] = (struct slk_credential_type){
            .code = (uint32_t)(i * i + 1), .max_validity_s = 5, .status_list_size = 9};
        memset(c->types[i].name, 'a', SLK_CHARTER_NAME_MAX);
        c->types[i].name[0] = (char)('A' + i % 26);
        c->types[i].name[1] = (char)('A' + i / 26);
    }
    c->issuers_n = 40;
    for (size_t i = 0; i < c->issuers_n; i++) {
        struct slk_issuer *issuer = &c->issuers[i];

        *issuer = (struct slk_issuer){.agency = 1, .kinds = 2, .not_after_s = 1, .types_n = c->types_n};
        memset(issuer->name, 'n', SLK_CHARTER_NAME_MAX);
        issuer->name[SLK_CHARTER_NAME_MAX - 1] = (char)('A' + i % 26);
        issuer->name[SLK_CHARTER_NAME_MAX - 2] = (char)('A' + i / 26);
        for (size_t k = 0; k < c->types_n; k++)
            issuer->types[k] = c->types[k].code;
        sample_key(&key, 3000 + (unsigned)i);
        memcpy(issuer->public_key, key.public, 32);
    }
    for (size_t i = 0; i < c->members_n; i++) {
        memset(c->members[i].name, 'm', SLK_CHARTER_NAME_MAX);
        c->members[i].name[3] = (char)('0' + i);
        c->members[i].addresses_n = SLK_CHARTER_ADDRESSES_MAX;
        for (size_t k = 0; k < SLK_CHARTER_ADDRESSES_MAX; k++)
            memset(c->members[i].addresses[k], 'h', SLK_CHARTER_ADDRESS_MAX);
    }
    slk_charter_sort(c);
    assert_round_trip(c);
    free(c);
}

/* ---- what a person may write ---- */

#define KEY(n) "00000000000000000000000000000000000000000000000000000000000000" n

/* Replaces the first `from` in the sample's text by `to`; malloc'ed. The line where `from` stood goes to *line. */
static char *edited(const char *from, const char *to, size_t *line)
{
    struct slk_charter *c = sample_charter();
    size_t size;
    char *text = text_of(c, &size), *at = strstr(text, from), *out = calloc(1, size + strlen(to) + 1);

    if (at == NULL)
        fail_msg("no \"%s\" in the sample", from);
    *line = 1;
    for (const char *p = text; p < at; p++)
        *line += *p == '\n';
    memcpy(out, text, (size_t)(at - text));
    memcpy(out + (at - text), to, strlen(to));
    memcpy(out + (at - text) + strlen(to), at + strlen(from), strlen(at + strlen(from)));
    free(text);
    free(c);
    return out;
}

static enum slk_err parse(const char *text, size_t size, struct slk_fault *fault)
{
    struct slk_charter *c = malloc(sizeof(*c));
    enum slk_err err = slk_charter_text_parse(c, text, size, fault);

    if (err != SLK_OK)
        assert_int_equal(c->version, 0);
    free(c);
    return err;
}

#define NO_LINE INT_MIN

/* `down`: lines from the start of the edit to the line that is blamed. */
static void refused(const char *from, const char *to, int down, const char *words)
{
    struct slk_fault fault;
    size_t line;
    char *text = edited(from, to, &line);

    assert_int_equal(parse(text, strlen(text), &fault), SLK_E_CHARTER);
    if (strstr(fault.text, words) == NULL)
        fail_msg("expected \"%s\" in: %s", words, fault.text);
    if ((int)fault.line != (down == NO_LINE ? 0 : (int)line + down))
        fail_msg("line %zu is blamed, not %d down from %zu: %s", fault.line, down, line, fault.text);
    free(text);
}

static void accepted(const char *from, const char *to)
{
    struct slk_fault fault;
    size_t line;
    char *text = edited(from, to, &line);

    if (parse(text, strlen(text), &fault) != SLK_OK)
        fail_msg("line %zu: %s", fault.line, fault.text);
    free(text);
}

static void people_may_write_as_they_like(void **state)
{
    (void)state;
    accepted("[charter]\n", "  [ charter ]  \r\n\r\n");
    accepted("origin = ", "# a comment\n; another\n\torigin=");
    accepted("origin = ledger.example/id", "origin:ledger.example/id ; where it is");
    accepted("# A charter", "\xef\xbb\xbf# A charter");
    accepted("version = 1\n", "");
    accepted("2026-01-01T00:00:00Z", "2026-01-01T09:00:00+09:00");
    accepted("created = 2026-01-01T00:00:00Z", "created = 1767225600123");
    accepted("created = 2026-01-01T00:00:00Z", "created = 2026-01-01T00:00:00.5Z");
    accepted("kinds = ISSUE REBIND", "kinds = REBIND, ISSUE");
    accepted("types = resident-card", "types = 1");
    accepted("types = resident-card phone-id", "types = 2\ntypes = resident-card");
    accepted("any_agency = no\n", "");
    accepted("max_validity = 3y", "max_validity = 94867200");
    accepted("[limits]",
        "# " /* a comment of any length */
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "\n[limits]");
}

static void parts_of_a_second_are_kept(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } cases[] = {
        {"00Z", 0}, {"00.5Z", 500}, {"00.05Z", 50}, {"00.123Z", 123}, {"00.1239Z", 123}, {"00.000Z", 0}};
    struct slk_charter *c = malloc(sizeof(*c));

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char to[64];
        size_t line;

        (void)snprintf(to, sizeof(to), "2026-01-01T00:00:%s", cases[i].text);
        char *text = edited("2026-01-01T00:00:00Z", to, &line);
        assert_int_equal(slk_charter_text_parse(c, text, strlen(text), NULL), SLK_OK);
        assert_int_equal(c->created_at_ms, SAMPLE_START_S * 1000 + cases[i].ms);
        free(text);
    }
    free(c);
}

static void wrong_sections_are_refused(void **state)
{
    (void)state;
    refused("[limits]", "[limit]", 0, "no such section");
    refused("[limits]", "[]", 0, "no such section");
    refused("[limits]", "[limits", 0, "must end with ]");
    refused("[limits]", "[limits] # x", 0, "must end with ]");
    refused("[limits]", "[limits here]", 0, "takes no name");
    refused("[limits]", "[timers]", 1, "no such key");
}

static void sections_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    refused("[member interior.example]", "[member]", 0, "needs a name");
    refused("[member mint.example]", "[member interior.example]", 0, "stands twice");
    refused("[type phone-id]", "[type resident-card]", 0, "stands twice");
    refused("[reason STOLEN]", "[reason LOST]", 0, "stands twice");
    refused("[timers]", "[limits]\n[timers]", 0, "section [limits] stands twice");
    refused("\n[limits]", "\n[limits]\n[timers]", 1, "section [limits] has no block_events");
    refused("[charter]\n", "x = 1\n[charter]\n", 0, "stands before any section");
    refused("[member mint.example]",
        "[member mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm]", 0,
        "longer than 64");
    refused("[member mint.example]", "[member mint example]", NO_LINE, "the name of agency 2 is not a name");
    refused(
        "[timers]\ndelta_ms = 250\nheartbeat_s = 600\nfresh_s = 3600\n", "", NO_LINE, "[timers] is missing");
}

static void wrong_keys_are_refused(void **state)
{
    (void)state;
    refused("block_bytes", "block_byte", 0,
        "no such key in [limits]: use block_events block_bytes submission_events");
    refused("origin = ledger", "origin = a\norigin = ledger", 1, "origin stands twice");
    refused("origin = ledger.example/id", "origin =", 0, "origin has no value");
    refused("origin = ledger.example/id", "origin", 0, "neither a [section]");
    refused("origin = ledger.example/id\n", "", -1, "[charter] has no origin");
    refused("fresh_s = 3600\n", "", -3, "[timers] has no fresh_s");
    refused("origin = ledger", "[\norigin = ledger", 0, "must end with ]");
    refused("origin = ",
        "origin = "
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "x",
        0, "the line is longer than");
    refused("origin = ",
        "origin = "
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        0, "origin is longer than 128");
}

static void wrong_values_are_refused(void **state)
{
    (void)state;
    refused("block_bytes = 4194304", "block_bytes = 4M", 0, "block_bytes must be a whole number");
    refused("block_bytes = 4194304", "block_bytes = 4294967296", 0, "at most 4294967295");
    refused("block_bytes = 4194304", "block_bytes = -1", 0, "block_bytes must be a whole number");
    refused("block_bytes = 4194304", "block_bytes = 1", NO_LINE, "block_bytes is 1: it must be 65536");
    refused("agency = 1\n", "agency = 65536\n", 0, "agency must be a whole number");
    refused("role = voting", "role = boss", 0, "role must be voting or observer");
    refused("role = voting", "role = Voting", 0, "role must be voting or observer");
    refused("vote_key = ", "vote_key = 0", 0, "vote_key must be 64 hexadecimal digits");
    refused("version = 1\n", "version = 2\n", NO_LINE, "previous is missing");
    refused("version = 1\n", "version = 1\nprevious = " KEY("01") "\n", NO_LINE, "previous is set");
    refused("version = 1\n", "version = 2\nprevious = 12\n", 1, "previous must be 64");
    refused("created = 2026-01-01", "created = 2026-02-29", 0, "created must be a time");
    refused("created = 2026-01-01", "created = soon", 0, "created must be a time");
    refused("max_validity = 3y", "max_validity = 3w", 0, "max_validity must be a duration");
    refused("max_validity = 3y", "max_validity = y", 0, "max_validity must be a duration");
    refused("max_validity = 3y", "max_validity = 600000000000000000y", 0, "max_validity must be a duration");
    refused("kinds = ISSUE", "kinds = ISUE", 0, "no such kind");
    refused("kinds = ISSUE", "kinds = ISSUE ISSUE", 0, "ISSUE is listed twice");
    refused("types = resident-card", "types = nothing", 0, "no credential type nothing: declare it");
    refused("types = resident-card", "types = 0", 0, "no credential type 0");
    refused("types = resident-card", "types = 1 resident-card", 0, "resident-card is listed twice");
    refused("any_agency = no", "any_agency = true", 0, "any_agency must be yes or no");
    refused("not_after = ", "not_after = x", 0, "not_after must be a time");
    refused("address = [::1]:7010\n",
        "address = a1:1\naddress = a2:1\naddress = a3:1\naddress = a4:1\naddress = a5:1\n", 4,
        "more than 4 addresses");
    refused("address = [::1]:7010", "address = a;b", NO_LINE, "address number 1 is not an address");
}

static void text_that_is_none_is_refused(void **state)
{
    struct slk_fault fault;
    char *large = calloc(1, SLK_CHARTER_TEXT_MAX + 1);

    (void)state;
    assert_int_equal(parse("", 0, &fault), SLK_E_CHARTER);
    assert_non_null(strstr(fault.text, "section [charter] is missing"));
    assert_int_equal(parse("[charter]\n\0", 11, &fault), SLK_E_CHARTER);
    assert_non_null(strstr(fault.text, "zero byte"));
    assert_int_equal(parse(large, SLK_CHARTER_TEXT_MAX + 1, &fault), SLK_E_CHARTER);
    assert_non_null(strstr(fault.text, "larger than"));
    free(large);
}

/* Cut anywhere, or with any byte replaced, the text is refused or gives a charter that is valid. */
static void damaged_text_never_gives_an_invalid_charter(void **state)
{
    struct slk_charter *c = sample_charter(), *out = malloc(sizeof(*out));
    struct slk_fault fault;
    uint64_t random = 8;
    size_t size, good_n = 0;
    char *text = text_of(c, &size);

    (void)state;
    for (size_t cut = 0; cut < size; cut += 3)
        if (slk_charter_text_parse(out, text, cut, &fault) == SLK_OK)
            assert_int_equal(slk_charter_validate(out, &fault), SLK_OK);
    for (int round = 0; round < 3000; round++) {
        size_t at = sample_below(&random, size);
        char kept = text[at];

        text[at] = (char)sample_random(&random);
        if (slk_charter_text_parse(out, text, size, &fault) == SLK_OK) {
            assert_int_equal(slk_charter_validate(out, &fault), SLK_OK);
            good_n++;
        } else {
            assert_true(fault.text[0] != '\0');
        }
        text[at] = kept;
    }
    assert_true(good_n > 0);
    free(text);
    free(out);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(print_then_read_gives_the_same_bytes),
        cmocka_unit_test(random_charters_survive_the_round_trip),
        cmocka_unit_test(a_large_charter_survives_the_round_trip),
        cmocka_unit_test(people_may_write_as_they_like),
        cmocka_unit_test(parts_of_a_second_are_kept),
        cmocka_unit_test(wrong_sections_are_refused),
        cmocka_unit_test(sections_that_do_not_fit_are_refused),
        cmocka_unit_test(wrong_keys_are_refused),
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(text_that_is_none_is_refused),
        cmocka_unit_test(damaged_text_never_gives_an_invalid_charter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
