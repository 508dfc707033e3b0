/* histogram.c: see histogram.h. */
#include "ledger/store/histogram.h"

#include <stddef.h>

const uint32_t slk_histogram_bounds_us[SLK_HISTOGRAM_N] = {100, 500, 1000, 2500, 5000, 10000, 25000, 50000,
    100000, 250000, 500000, 1000000, 2500000, 10000000, 30000000};

void slk_histogram_add(struct slk_histogram *histogram, uint64_t us)
{
    size_t i = 0;

    while (i < SLK_HISTOGRAM_N && us > slk_histogram_bounds_us[i])
        i++;
    histogram->n[i]++;
    histogram->sum_us += us;
}

uint64_t slk_histogram_count(const struct slk_histogram *histogram)
{
    uint64_t count = 0;

    for (size_t i = 0; i <= SLK_HISTOGRAM_N; i++)
        count += histogram->n[i];
    return count;
}
