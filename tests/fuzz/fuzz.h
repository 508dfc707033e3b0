/* fuzz.h: what every fuzz target shares. See README.md in this folder. */
#ifndef SLK_FUZZ_FUZZ_H
#define SLK_FUZZ_FUZZ_H

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/bytes.h"

/* The entry point libFuzzer and replay_main.c call; always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A claim about the code under test; unlike assert it also says which one, and stays in every build. */
#define FUZZ_CHECK(claim)                                                                                    \
    do {                                                                                                     \
        if (!(claim)) {                                                                                      \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #claim);                        \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* Whether all bytes of *at are zero: what a refused out-parameter must be. */
static inline bool fuzz_is_zero(const void *at, size_t size)
{
    const uint8_t *p = at;

    for (size_t i = 0; i < size; i++) {
        if (p[i] != 0)
            return false;
    }
    return true;
}

/* A fault is empty or one sentence that ends inside its buffer, on a line the input has. */
static inline void fuzz_check_fault(const struct slk_fault *fault, const void *text, size_t size)
{
    size_t lines = 1;
    const uint8_t *p = text;

    for (size_t i = 0; i < size; i++)
        lines += p[i] == '\n';
    FUZZ_CHECK(memchr(fault->text, 0, sizeof(fault->text)) != NULL);
    FUZZ_CHECK(fault->line <= lines);
}

/* A copy that ends where the input ends, so that a read past it is seen by ASan; free() it. */
static inline uint8_t *fuzz_exact(const uint8_t *data, size_t size)
{
    uint8_t *copy = calloc(size == 0 ? 1 : size, 1);

    if (copy == NULL)
        abort();
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

#endif
