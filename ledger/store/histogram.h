/* histogram.h: how long something took, counted by bounds: for /metrics. Zero-initialise; one thread at a time. */
#ifndef SLK_STORE_HISTOGRAM_H
#define SLK_STORE_HISTOGRAM_H

#include <stdint.h>

/* 100 us is one answer from memory, 30 s the longest that a client waits. */
#define SLK_HISTOGRAM_N 15
extern const uint32_t slk_histogram_bounds_us[SLK_HISTOGRAM_N];

struct slk_histogram {
    uint64_t n[SLK_HISTOGRAM_N + 1]; /* at most the bound and above the one before; the last: above all */
    uint64_t sum_us;
};

void slk_histogram_add(struct slk_histogram *histogram, uint64_t us);
uint64_t slk_histogram_count(const struct slk_histogram *histogram);

#endif
