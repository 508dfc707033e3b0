#ifndef SLK_WASM_STDIO_H
#define SLK_WASM_STDIO_H
#include <stdarg.h>
#include <stddef.h>
int vsnprintf(char *out, size_t cap, const char *format, va_list args);
int snprintf(char *out, size_t cap, const char *format, ...);
#endif
