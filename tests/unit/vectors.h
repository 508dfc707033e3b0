/* vectors.h: outside test vectors, read where they stand (environment variable SLK_VECTORS). */
#ifndef SLK_TEST_VECTORS_H
#define SLK_TEST_VECTORS_H

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

/* Loads SLK_VECTORS/name; NULL, with a line that tests/run.py repeats at its end, when it is not there: the caller then
 * returns. (Not by skip(): cmocka 1.1 prints a skipped test as `not ok`, which counts as a failure everywhere.) */
static inline json_t *load_vectors(const char *name)
{
    const char *dir = getenv("SLK_VECTORS");
    char path[4096];
    json_error_t error;
    json_t *root;

    if (dir == NULL) {
        printf("# skipped: %s: SLK_VECTORS is not set\n", name);
        return NULL;
    }
    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    /* Integers as reals: some cases hold 2^64 - 1, which is no json_int_t. */
    root = json_load_file(path, JSON_DECODE_INT_AS_REAL, &error);
    if (root == NULL)
        printf("# skipped: outside vectors: %s\n", error.text[0] != '\0' ? error.text : path);
    return root;
}

/* Exact up to 2^53, and for 2^64 - 1, which rounds to 2^64. */
static inline uint64_t vector_number(const json_t *object, const char *key)
{
    double v = json_real_value(json_object_get(object, key));

    return v >= 18446744073709551615.0 ? UINT64_MAX : (uint64_t)v;
}

static inline const char *vector_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? "" : text;
}

#endif
