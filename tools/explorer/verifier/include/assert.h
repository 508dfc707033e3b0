/* assert.h: a broken promise stops the verifier: the page then says "could not tell". */
#ifndef assert
#define assert(what) ((what) ? (void)0 : __builtin_trap())
#define static_assert _Static_assert
#endif
