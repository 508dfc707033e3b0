/* json.c: see wasm.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/explorer/verifier/wasm.h"

static char *at;
static size_t size, cap;
static bool failed;

void json_begin(void)
{
    at = NULL;
    size = cap = 0;
    failed = false;
}

/* A block that begins where the last one ends continues it: nothing else is allocated meanwhile. */
static bool room(size_t n)
{
    while (!failed && n > cap - size) {
        char *more = malloc(65536);

        if (at == NULL)
            at = more;
        failed = more == NULL || more != at + cap;
        cap += failed ? 0 : 65536;
    }
    return !failed;
}

static void put_bytes(const char *bytes, size_t n)
{
    if (!room(n))
        return;
    memcpy(at + size, bytes, n);
    size += n;
}

void json_put(const char *format, ...)
{
    char text[512];
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    put_bytes(text, n > 0 && (size_t)n < sizeof(text) ? (size_t)n : 0);
}

void json_text(const char *text, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    put_bytes("\"", 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        char escaped[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};

        if (c < 0x20 || c == 0x7f || c == '"' ||
            c == '\\') /* UTF-8 goes as it is: whoever reads it decodes it, and replaces what is none */
            put_bytes(escaped, sizeof(escaped));
        else
            put_bytes((const char *)&c, 1);
    }
    put_bytes("\"", 1);
}

void json_hex(const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    put_bytes("\"", 1);
    for (size_t i = 0; i < n; i++) {
        char two[2] = {digits[bytes[i] >> 4], digits[bytes[i] & 15]};

        put_bytes(two, 2);
    }
    put_bytes("\"", 1);
}

const char *json_end(void)
{
    return failed ? NULL : at;
}

WASM_EXPORT("answerSize") uint32_t wasm_answer_size(void)
{
    return failed ? 0 : (uint32_t)size;
}
