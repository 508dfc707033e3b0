/* The worker threads: every job runs once, in whatever order, and run returns after the last. Made for a TSan build. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/embed/workers.h"

#define JOBS_MAX 3000

struct sheet {
    unsigned width;
    unsigned runs[JOBS_MAX]; /* plain memory on purpose: a job run twice or a late one is a race TSan sees */
    unsigned selves[JOBS_MAX];
};

static void note(void *arg, size_t i)
{
    struct sheet *sheet = arg;

    sheet->runs[i]++;
    sheet->selves[i] = slk_workers_self();
}

static void every_job_runs_exactly_once(void **state)
{
    static const size_t sizes[] = {0, 1, 2, 3, 7, 64, JOBS_MAX};
    static struct sheet sheet;

    (void)state;
    for (unsigned threads = 1; threads <= 9; threads++) {
        struct slk_workers *workers;

        assert_int_equal(slk_workers_new(&workers, threads), SLK_OK);
        assert_int_equal(slk_workers_width(workers), threads);
        assert_int_equal(slk_workers_par(workers)->width, threads);
        for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
            memset(&sheet, 0, sizeof(sheet));
            slk_par_run(slk_workers_par(workers), note, &sheet, sizes[k]);
            for (size_t i = 0; i < JOBS_MAX; i++) {
                assert_int_equal(sheet.runs[i], i < sizes[k] ? 1 : 0);
                assert_true(sheet.selves[i] < threads);
            }
        }
        slk_workers_free(workers);
    }
    slk_workers_free(NULL);
}

static void runs_follow_each_other_closely(void **state)
{
    static struct sheet sheet;
    struct slk_workers *workers;

    (void)state;
    memset(&sheet, 0, sizeof(sheet));
    assert_int_equal(slk_workers_new(&workers, 4), SLK_OK);
    for (unsigned round = 1; round <= 2000; round++) {
        slk_par_run(slk_workers_par(workers), note, &sheet, 5);
        for (size_t i = 0; i < 5; i++) /* the results of a run are there when it returns */
            assert_int_equal(sheet.runs[i], round);
    }
    assert_int_equal(slk_workers_self(), 0);
    slk_workers_free(workers);
}

static void workers_live_side_by_side(void **state)
{
    static struct sheet sheets[2];
    struct slk_workers *a, *b;

    (void)state;
    memset(sheets, 0, sizeof(sheets));
    assert_int_equal(slk_workers_new(&a, 3), SLK_OK);
    assert_int_equal(slk_workers_new(&b, 2), SLK_OK);
    for (unsigned round = 1; round <= 200; round++) {
        slk_par_run(slk_workers_par(a), note, &sheets[0], 50);
        slk_par_run(slk_workers_par(b), note, &sheets[1], 50);
        for (size_t i = 0; i < 50; i++) {
            assert_int_equal(sheets[0].runs[i], round);
            assert_int_equal(sheets[1].runs[i], round);
            assert_true(sheets[0].selves[i] < 3 && sheets[1].selves[i] < 2);
        }
    }
    slk_workers_free(a);
    slk_workers_free(b);
}

static void the_number_of_threads_is_bounded(void **state)
{
    struct slk_workers *workers;

    (void)state;
    assert_int_equal(slk_workers_new(&workers, 0), SLK_OK);
    assert_in_range(slk_workers_width(workers), 1, 8);
    slk_workers_free(workers);
    assert_int_equal(slk_workers_new(&workers, 1000), SLK_OK);
    assert_int_equal(slk_workers_width(workers), SLK_WORKERS_MAX);
    slk_workers_free(workers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_runs_exactly_once),
        cmocka_unit_test(runs_follow_each_other_closely),
        cmocka_unit_test(workers_live_side_by_side),
        cmocka_unit_test(the_number_of_threads_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
