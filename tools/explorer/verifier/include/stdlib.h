#ifndef SLK_WASM_STDLIB_H
#define SLK_WASM_STDLIB_H
#include <stddef.h>
void *malloc(size_t size);
void *calloc(size_t n, size_t size);
void free(void *at);
_Noreturn void abort(void);
void qsort(void *at, size_t n, size_t size, int (*compare)(const void *, const void *));
#endif
