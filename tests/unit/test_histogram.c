/* test_histogram.c: what /metrics is counted with: each duration in the first bound that holds it, none lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "ledger/store/histogram.h"

static void a_duration_counts_under_the_first_bound_that_holds_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < SLK_HISTOGRAM_N; i++) {
        struct slk_histogram h = {0};

        slk_histogram_add(&h, slk_histogram_bounds_us[i]);
        assert_int_equal(h.n[i], 1);
        slk_histogram_add(&h, slk_histogram_bounds_us[i] + 1);
        assert_int_equal(h.n[i + 1], 1);
        assert_int_equal(slk_histogram_count(&h), 2);
        assert_int_equal(h.sum_us, 2 * (uint64_t)slk_histogram_bounds_us[i] + 1);
    }
}

static void bounds_ascend(void **state)
{
    (void)state;
    for (size_t i = 1; i < SLK_HISTOGRAM_N; i++)
        assert_true(slk_histogram_bounds_us[i] > slk_histogram_bounds_us[i - 1]);
}

static void what_is_above_all_bounds_is_counted(void **state)
{
    struct slk_histogram h = {0};

    (void)state;
    slk_histogram_add(&h, UINT64_MAX / 2);
    slk_histogram_add(&h, 0);
    assert_int_equal(h.n[SLK_HISTOGRAM_N], 1);
    assert_int_equal(h.n[0], 1);
    assert_int_equal(slk_histogram_count(&h), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_duration_counts_under_the_first_bound_that_holds_it),
        cmocka_unit_test(bounds_ascend),
        cmocka_unit_test(what_is_above_all_bounds_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
