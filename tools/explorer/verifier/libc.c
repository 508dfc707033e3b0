/* libc.c: the few functions of the C library that ledger/verify uses, without one.
 *
 * Memory: everything is taken from the end and given back together. ledger/verify allocates a policy and one copy of a
 * proof, so nothing is lost by that.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/explorer/verifier/wasm.h"

#define PAGE ((size_t)65536)

extern unsigned char __heap_base; /* by the linker: where data and stack end */
static size_t top, kept;

static size_t start(void)
{
    return ((size_t)&__heap_base + 15) & ~(size_t)15;
}

/* n more bytes from `top`: false, memory has reached its limit. */
static bool reach(size_t n)
{
    size_t have = __builtin_wasm_memory_size(0) * PAGE;

    if (top == 0)
        top = kept = start();
    if (n <= have - top)
        return true;
    n -= have - top;
    return __builtin_wasm_memory_grow(0, n / PAGE + 1) != (size_t)-1;
}

void *malloc(size_t size)
{
    void *at;

    if (size > (size_t)1 << 30 || !reach(size + 16))
        return NULL;
    at = (void *)top; /* NOLINT(performance-no-int-to-ptr): this is where pointers come from */
    top += (size + 15) & ~(size_t)15;
    return at;
}

void *calloc(size_t n, size_t size)
{
    void *at = size > 0 && n > ((size_t)1 << 30) / size ? NULL : malloc(n * size);

    return at == NULL ? NULL : memset(at, 0, n * size);
}

void free(void *at)
{
    (void)at;
}

void abort(void)
{
    __builtin_trap();
}

void wasm_keep(void)
{
    kept = top;
}

void wasm_forget(void)
{
    if (top != 0)
        top = kept;
}

/* ---- bytes ---- */

void *memcpy(void *to, const void *from, size_t n)
{
    unsigned char *a = to;
    const unsigned char *b = from;

    while (n-- > 0)
        *a++ = *b++;
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    unsigned char *a = to;
    const unsigned char *b = from;

    if (a <= b)
        return memcpy(to, from, n);
    while (n-- > 0)
        a[n] = b[n];
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    unsigned char *a = to;

    while (n-- > 0)
        *a++ = (unsigned char)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;

    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

void *memchr(const void *at, int byte, size_t n)
{
    const unsigned char *x = at;

    for (size_t i = 0; i < n; i++)
        if (x[i] == (unsigned char)byte)
            return (void *)(x + i);
    return NULL;
}

size_t strlen(const char *text)
{
    size_t n = 0;

    while (text[n] != '\0')
        n++;
    return n;
}

/* ---- text ---- */

struct text {
    char *out;
    size_t cap, n;
};

static void put(struct text *t, char c)
{
    if (t->n + 1 < t->cap)
        t->out[t->n] = c;
    t->n++;
}

static void put_number(struct text *t, unsigned long long value)
{
    char digits[20];
    unsigned n = 0;

    do
        digits[n++] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    while (n > 0)
        put(t, digits[--n]);
}

static void put_string(struct text *t, const char *s, size_t most)
{
    for (; most > 0 && *s != '\0'; s++, most--)
        put(t, *s);
}

/* %s %.*s %c %d %u %zu %llu %%, which is all that is used. */
int vsnprintf(char *out, size_t cap, const char *format, va_list args)
{
    struct text t = {out, cap, 0};

    for (; *format != '\0'; format++) {
        unsigned longs = 0;
        size_t most = SIZE_MAX;

        if (*format != '%') {
            put(&t, *format);
            continue;
        }
        format++;
        if (format[0] == '.' && format[1] == '*') {
            int n = va_arg(args, int);

            most = n < 0 ? SIZE_MAX : (size_t)n;
            format += 2;
        }
        for (; *format == 'l' || *format == 'z'; format++)
            longs += *format == 'l';
        if (*format == 's') {
            put_string(&t, va_arg(args, const char *), most);
        } else if (*format == 'c') {
            put(&t, (char)va_arg(args, int));
        } else if (*format == 'd') {
            int n = va_arg(args, int);

            if (n < 0)
                put(&t, '-');
            put_number(&t, n < 0 ? 0ull - (unsigned long long)n : (unsigned long long)n);
        } else if (*format == 'u') {
            put_number(&t, longs == 2 ? va_arg(args, unsigned long long)
                                      : va_arg(args, unsigned)); /* size_t has 32 bits */
        } else if (*format == '%') {
            put(&t, '%');
        } else {
            __builtin_trap();
        }
    }
    if (cap > 0)
        out[t.n < cap ? t.n : cap - 1] = '\0';
    return (int)t.n;
}

int snprintf(char *out, size_t cap, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(out, cap, format, args);
    va_end(args);
    return n;
}

/* By insertion: a charter's lists are short. */
void qsort(void *at, size_t n, size_t size, int (*compare)(const void *, const void *))
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0; k--) {
            uint8_t *a = (uint8_t *)at + (k - 1) * size, *b = a + size;

            if (compare(a, b) <= 0)
                break;
            for (size_t j = 0; j < size; j++) {
                uint8_t byte = a[j];

                a[j] = b[j];
                b[j] = byte;
            }
        }
}
