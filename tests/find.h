/* find.h: where some bytes stand in others. */
#ifndef SLK_TESTS_FIND_H
#define SLK_TESTS_FIND_H

#include <stdint.h>
#include <string.h>

/* The first place at or after `from`; NULL: nowhere. A memcmp at every offset would do, but a sanitizer looks at all of what it is
 * given each time, however early they differ: with a large needle that takes a minute. */
static inline const uint8_t *find_bytes(
    const uint8_t *from, const uint8_t *end, const void *needle, size_t needle_size)
{
    const uint8_t *first = needle;
    size_t begin = needle_size < 16 ? needle_size : 16;

    while ((size_t)(end - from) >= needle_size) {
        from = memchr(from, first[0], (size_t)(end - from) - needle_size + 1);
        if (from == NULL)
            return NULL;
        if (memcmp(from, needle, begin) == 0 && memcmp(from, needle, needle_size) == 0)
            return from;
        from++;
    }
    return NULL;
}

#endif
