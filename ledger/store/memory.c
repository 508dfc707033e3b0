/* memory.c: what the kernel is told of the map's memory. */
#define _DEFAULT_SOURCE /* madvise */
#include "ledger/store/store.h"

#include <stdint.h>
#include <sys/mman.h>

#define HUGE_PAGE ((uintptr_t)2 << 20) /* of x86 and, with pages of 4 KiB, of ARM; with others this asks for less than it could */

void slk_store_huge_pages(void *at, size_t bytes)
{
    uintptr_t from = ((uintptr_t)at + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    uintptr_t to = ((uintptr_t)at + bytes) & ~(HUGE_PAGE - 1);

    if (from < to)
        (void)madvise((void *)from, to - from, MADV_HUGEPAGE); /* a hint: small pages do as well */
}
