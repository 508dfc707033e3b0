/* wasm.h: between the files of the verifier in the browser: memory, signatures that the browser checks, text.
 *
 * One thread, one question at a time. What a question allocates is let go of when the next one begins (wasm_forget).
 */
#ifndef SLK_EXPLORER_WASM_H
#define SLK_EXPLORER_WASM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WASM_EXPORT(name) __attribute__((export_name(name)))

/* ---- libc.c: memory grows at its end alone ---- */

/* What is allocated from here on stays. */
void wasm_keep(void);
/* Lets go of all that was not kept. */
void wasm_forget(void);

/* ---- crypto.c ---- */

enum wasm_mode { WASM_JUDGE, WASM_COLLECT };
/* COLLECT: every signature is taken for good, and written down for the browser to check. JUDGE: what the browser said counts,
 * and what it was not asked is computed here. The verdict of a question asked under COLLECT means nothing. */
void wasm_set_mode(enum wasm_mode mode);
void wasm_forget_signatures(void);

/* ---- json.c: one answer, growing at the end of memory; nothing else may be allocated until it is finished ---- */

void json_begin(void);
void json_put(const char *format, ...);
void json_text(const char *text, size_t size); /* quoted */
void json_hex(const uint8_t *bytes, size_t n); /* quoted */
/* The answer's place; its length is wasm_answer_size(). */
const char *json_end(void);

#endif
