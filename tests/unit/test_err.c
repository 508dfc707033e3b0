/* Names and sentences of the enums in sillok.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/verify/sillok.h"

static const enum slk_err all[] = {
#define SLK_X(name, code, text) SLK_##name,
    SLK_ERRORS(SLK_X)
#undef SLK_X
};
#define ALL_N (sizeof(all) / sizeof(all[0]))

static void every_error_has_its_own_name_and_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < ALL_N; i++) {
        assert_true(strlen(slk_err_text(all[i])) > 1);
        assert_true(strlen(slk_err_name(all[i])) > 1);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(slk_err_text(all[i]), slk_err_text(all[k]));
            assert_string_not_equal(slk_err_name(all[i]), slk_err_name(all[k]));
        }
    }
    assert_string_equal(slk_err_name(SLK_E_PROOF), "E_PROOF");
    assert_string_equal(slk_err_name(SLK_OK), "OK");
}

static void every_sentence_is_without_a_final_dot(void **state)
{
    (void)state;
    for (size_t i = 0; i < ALL_N; i++) {
        const char *text = slk_err_text(all[i]);

        assert_true(text[strlen(text) - 1] != '.');
    }
}

static void names_of_kinds_carriers_channels_and_states(void **state)
{
    (void)state;
    assert_string_equal(slk_kind_name(SLK_ISSUE), "ISSUE");
    assert_string_equal(slk_kind_name(SLK_REVOKE), "REVOKE");
    assert_string_equal(slk_carrier_name(SLK_CHIP_CARD), "CHIP_CARD");
    assert_string_equal(slk_carrier_name(SLK_PHONE), "PHONE");
    assert_string_equal(slk_channel_name(SLK_OFFICE_QR), "OFFICE_QR");
    assert_string_equal(slk_channel_name(SLK_AUTHORITY), "AUTHORITY");
    assert_string_equal(slk_state_name(SLK_NEVER_ISSUED), "NEVER_ISSUED");
    assert_string_equal(slk_state_name(SLK_EXPIRED), "EXPIRED");
}

static void values_out_of_range_are_a_question_mark(void **state)
{
    (void)state;
    assert_string_equal(slk_kind_name(SLK_KIND_N), "?");
    assert_string_equal(slk_kind_name((enum slk_kind)0), "?");
    assert_string_equal(slk_carrier_name((enum slk_carrier)0), "?");
    assert_string_equal(slk_channel_name((enum slk_channel)7), "?");
    assert_string_equal(slk_state_name((enum slk_state)5), "?");
    assert_string_equal(slk_err_name((enum slk_err)99), "?");
    assert_true(strlen(slk_err_text((enum slk_err)99)) > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_own_name_and_sentence),
        cmocka_unit_test(every_sentence_is_without_a_final_dot),
        cmocka_unit_test(names_of_kinds_carriers_channels_and_states),
        cmocka_unit_test(values_out_of_range_are_a_question_mark),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
