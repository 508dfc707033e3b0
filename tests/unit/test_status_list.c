/* test_status_list.c: what status lists say of a ledger's rows, and how they are printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/status_list.h"

#define CARD  1u
#define PHONE 7u
#define NOW   UINT64_C(1767225600)
#define LATER (NOW + 1000)

static struct slk_charter charter = {.types_n = 2,
    .types = {{.code = CARD, .status_list_size = 2 * SLK_STATUS_LIST_CUT + 5},
        {.code = PHONE, .status_list_size = 12}}};

static int set_up(void **state)
{
    struct slk_status_lists *lists;

    assert_int_equal(slk_status_lists_new(&lists), SLK_OK);
    slk_status_lists_grow(lists, &charter);
    *state = lists;
    return 0;
}

static int tear_down(void **state)
{
    slk_status_lists_free(*state);
    return 0;
}

static void put(struct slk_status_lists *lists, uint32_t type, uint32_t index, uint8_t st, uint64_t until)
{
    const struct slk_row_status row = {.type = type, .index = index, .state = st, .valid_until_s = until};

    assert_int_equal(slk_status_lists_put(lists, &row), SLK_OK);
}

/* The value of one entry, as a relying party reads it. */
static unsigned value(
    const struct slk_status_lists *lists, uint32_t index, enum slk_status_form form, uint64_t time_s)
{
    uint32_t n = index / SLK_STATUS_LIST_CUT, at = index % SLK_STATUS_LIST_CUT;
    uint8_t *bytes = malloc(slk_status_list_size(slk_status_list_places(lists, CARD, n), form));
    unsigned got;

    assert_non_null(bytes);
    slk_status_list_print(lists, CARD, n, form, time_s, bytes);
    got = form == SLK_STATUS_TOKEN ? (unsigned)bytes[at / 4] >> 2 * (at % 4) & 3u
                                   : (unsigned)bytes[at / 8] >> (7 - at % 8) & 1u;
    free(bytes);
    return got;
}

static void a_revoked_credential_is_invalid_and_a_locked_one_suspended(void **state)
{
    struct slk_status_lists *lists = *state;
    const uint32_t at[] = {
        0, 1, 2, 3, SLK_STATUS_LIST_CUT - 1, SLK_STATUS_LIST_CUT, 2 * SLK_STATUS_LIST_CUT + 4};

    for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        put(lists, CARD, at[i], SLK_ACTIVE, LATER);
        assert_int_equal(value(lists, at[i], SLK_STATUS_TOKEN, NOW), 0);
        put(lists, CARD, at[i], SLK_LOCKED, LATER);
        assert_int_equal(value(lists, at[i], SLK_STATUS_TOKEN, NOW), 2);
        assert_int_equal(value(lists, at[i], SLK_STATUS_REVOCATION, NOW), 0);
        assert_int_equal(value(lists, at[i], SLK_STATUS_SUSPENSION, NOW), 1);
        put(lists, CARD, at[i], SLK_REVOKED, LATER);
        assert_int_equal(value(lists, at[i], SLK_STATUS_TOKEN, NOW), 1);
        assert_int_equal(value(lists, at[i], SLK_STATUS_REVOCATION, NOW), 1);
        assert_int_equal(value(lists, at[i], SLK_STATUS_SUSPENSION, NOW), 0);
    }
}

static void expiry_needs_no_event_and_can_be_taken_back(void **state)
{
    struct slk_status_lists *lists = *state;
    uint8_t *bytes = malloc(slk_status_list_size(SLK_STATUS_LIST_CUT, SLK_STATUS_TOKEN));

    put(lists, CARD, 9, SLK_ACTIVE, LATER);
    put(lists, CARD, 10, SLK_ACTIVE, LATER + 5);
    assert_int_equal(value(lists, 9, SLK_STATUS_TOKEN, LATER - 1), 0);
    assert_int_equal(value(lists, 9, SLK_STATUS_TOKEN, LATER), 1); /* valid_until <= time, as in status.c */
    assert_int_equal(value(lists, 9, SLK_STATUS_REVOCATION, LATER), 0);
    assert_int_equal(value(lists, 9, SLK_STATUS_SUSPENSION, LATER), 1);
    assert_int_equal(slk_status_list_print(lists, CARD, 0, SLK_STATUS_TOKEN, NOW, bytes), LATER);
    assert_int_equal(slk_status_list_print(lists, CARD, 0, SLK_STATUS_TOKEN, LATER, bytes), LATER + 5);
    assert_true(slk_status_list_print(lists, CARD, 0, SLK_STATUS_TOKEN, LATER + 5, bytes) == UINT64_MAX);
    put(lists, CARD, 9, SLK_ACTIVE, LATER + 100); /* RENEW */
    assert_int_equal(value(lists, 9, SLK_STATUS_TOKEN, LATER), 0);
    put(lists, CARD, 9, SLK_LOCKED, LATER + 100);
    assert_int_equal(value(lists, 9, SLK_STATUS_TOKEN, LATER + 200), 2); /* a locked one stays locked */
    free(bytes);
}

static void an_expiry_in_thousands_of_years_is_none(void **state)
{
    struct slk_status_lists *lists = *state;

    put(lists, CARD, 9, SLK_ACTIVE, ((uint64_t)1 << 38) - 2);
    put(lists, CARD, 10, SLK_ACTIVE, ((uint64_t)1 << 48) - 1);
    assert_int_equal(value(lists, 9, SLK_STATUS_TOKEN, ((uint64_t)1 << 38) - 3), 0);
    assert_int_equal(value(lists, 9, SLK_STATUS_TOKEN, ((uint64_t)1 << 38) - 2), 1);
    assert_int_equal(value(lists, 10, SLK_STATUS_TOKEN, UINT64_MAX), 0);
}

static void what_was_never_issued_reads_as_valid(void **state)
{
    struct slk_status_lists *lists = *state;
    uint8_t bytes[SLK_STATUS_LIST_CUT / 4], zeros[SLK_STATUS_LIST_CUT / 4] = {0};

    memset(bytes, 0xff, sizeof(bytes));
    assert_true(slk_status_list_print(lists, CARD, 1, SLK_STATUS_TOKEN, NOW, bytes) == UINT64_MAX);
    assert_memory_equal(bytes, zeros, sizeof(bytes));
    put(lists, CARD, SLK_STATUS_LIST_CUT + 3, SLK_ACTIVE, LATER);
    memset(bytes, 0xff, sizeof(bytes));
    slk_status_list_print(lists, CARD, 1, SLK_STATUS_TOKEN, NOW, bytes);
    assert_memory_equal(bytes, zeros, sizeof(bytes));
    assert_true(slk_status_lists_is_used(lists, CARD, SLK_STATUS_LIST_CUT + 3)); /* the ledger tells them apart */
    assert_false(slk_status_lists_is_used(lists, CARD, SLK_STATUS_LIST_CUT + 4));
    assert_false(slk_status_lists_is_used(lists, CARD, 3));
    assert_false(slk_status_lists_is_used(lists, CARD, UINT32_MAX));
    assert_false(slk_status_lists_is_used(lists, 2, 0));
}

static void a_large_type_is_cut_and_a_small_bitstring_filled_up(void **state)
{
    struct slk_status_lists *lists = *state;
    const uint32_t *codes;

    assert_int_equal(slk_status_lists_types(lists, &codes), 2);
    assert_int_equal(codes[1], PHONE);
    assert_int_equal(slk_status_lists_count(lists, CARD), 3);
    assert_int_equal(slk_status_list_places(lists, CARD, 1), SLK_STATUS_LIST_CUT);
    assert_int_equal(slk_status_list_places(lists, CARD, 2), 5);
    assert_int_equal(slk_status_list_places(lists, CARD, 3), 0);
    assert_int_equal(slk_status_lists_count(lists, 2), 0);
    assert_int_equal(slk_status_list_places(lists, PHONE, 0), 12);
    assert_int_equal(slk_status_list_size(12, SLK_STATUS_TOKEN), 3);
    assert_int_equal(slk_status_list_size(5, SLK_STATUS_TOKEN), 2);
    assert_int_equal(slk_status_list_size(12, SLK_STATUS_REVOCATION), 16384);
    assert_int_equal(slk_status_list_size(131073, SLK_STATUS_SUSPENSION), 16385);
    slk_status_lists_grow(lists, &charter); /* known already */
    assert_int_equal(slk_status_lists_types(lists, &codes), 2);
}

static void a_row_that_cannot_be_is_refused(void **state)
{
    struct slk_status_lists *lists = *state;
    const struct slk_row_status bad[] = {{SLK_ACTIVE, 2, 0, LATER}, {SLK_ACTIVE, PHONE, 12, LATER},
        {SLK_NEVER_ISSUED, PHONE, 0, LATER}, {SLK_EXPIRED, PHONE, 0, LATER}};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(slk_status_lists_put(lists, &bad[i]), SLK_E_CORRUPT);
    assert_int_equal(slk_status_list_changes(lists, PHONE, 0), 0);
}

static void only_one_list_may_be_kept(void **state)
{
    struct slk_status_lists *lists = *state;
    uint64_t before = slk_status_lists_memory(lists);

    slk_status_lists_only(lists, PHONE, 0);
    put(lists, CARD, 1, SLK_REVOKED, LATER);
    assert_int_equal(slk_status_lists_memory(lists), before);
    assert_int_equal(slk_status_list_changes(lists, CARD, 0), 0);
    put(lists, PHONE, 11, SLK_REVOKED, LATER);
    assert_int_equal(slk_status_lists_memory(lists), before + 60);
    assert_int_equal(slk_status_list_changes(lists, PHONE, 0), 1);
}

static void a_row_is_read_as_the_whole_row_is(void **state)
{
    uint8_t rows[SLK_ROWS_HEAD + 2 * SLK_ROW_SIZE];
    struct slk_row row = {.previous_row = 5};
    struct slk_row_status got;

    (void)state;
    for (size_t i = 0; i < 136; i++)
        row.record[i] = (uint8_t)(0x30 + i);
    memset(row.record + 64, 0, 3); /* count */
    memset(row.record + 80, 0, 2); /* valid_until */
    row.record[72] = SLK_LOCKED;
    row.record[73] = 1;
    slk_rows_begin(rows, slk_get_u64(row.record + 88), 0);
    slk_row_format(rows, 1, &row);
    slk_row_status(&got, rows, 1);
    assert_int_equal(got.state, SLK_LOCKED);
    assert_int_equal(got.type, slk_get_u32(row.record + 74));
    assert_int_equal(got.valid_until_s, slk_get_u64(row.record + 80));
    assert_int_equal(got.index, slk_get_u32(row.record + 96));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_revoked_credential_is_invalid_and_a_locked_one_suspended),
        T(expiry_needs_no_event_and_can_be_taken_back),
        T(an_expiry_in_thousands_of_years_is_none),
        T(what_was_never_issued_reads_as_valid),
        T(a_large_type_is_cut_and_a_small_bitstring_filled_up),
        T(a_row_that_cannot_be_is_refused),
        T(only_one_list_may_be_kept),
        T(a_row_is_read_as_the_whole_row_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
