/* text.h: times, hex and numbers as people read and type them. No locale, no time zone, no environment. */
#ifndef SLK_TOOLS_TEXT_H
#define SLK_TOOLS_TEXT_H

#include "ledger/verify/bytes.h"

/* RFC 3339 in UTC. */
#define TEXT_TIME_SIZE 32
const char *text_time(char out[TEXT_TIME_SIZE], uint64_t unix_s);     /* "2026-07-01T09:00:00Z" */
const char *text_time_ms(char out[TEXT_TIME_SIZE], uint64_t unix_ms); /* "2026-07-01T09:00:00.123Z" */
/* The same back: "2026-07-01", "2026-07-01T09:00:00Z", with a fraction (cut off) or "+09:00"; years 1970..9999. */
bool text_time_parse(uint64_t *unix_s, const char *text, size_t size);
/* What options take. --now: a time as above, or Unix seconds, up to the year 9999: who gives milliseconds is told. --max-age: seconds, or
 * with a unit as 90s, 15m, 24h, 7d; at least one second, for 0 would mean any age to who verifies. */
#define TEXT_NOW_WANTED "expected Unix seconds up to the year 9999, or a time like 2026-07-01T09:00:00Z"
#define TEXT_AGE_WANTED "expected a number of seconds from 1 to 1099511627776, or like 15m, 24h, 7d"
#define TEXT_TIME_MAX_S UINT64_C(253402300799) /* 9999-12-31T23:59:59Z */
bool text_now_parse(uint64_t *unix_s, const char *text);
bool text_age_parse(uint64_t *s, const char *text);

#define TEXT_HEX_SIZE 65
const char *text_hex(char out[TEXT_HEX_SIZE], const uint8_t *bytes, size_t n); /* n <= 32 */
/* 64 hexadecimal digits, either case. */
bool text_hash_parse(uint8_t out[SLK_HASH_SIZE], const char *text, size_t size);

#define TEXT_HUMAN_SIZE 32
const char *text_count(char out[TEXT_HUMAN_SIZE], uint64_t n);    /* "1,234,567" */
const char *text_size(char out[TEXT_HUMAN_SIZE], uint64_t bytes); /* "1.2 MiB" */

/* The length of the UTF-8 sequence here when it is a code point that shows nothing, or turns the direction of the text around it (those that
 * Unicode's Default_Ignorable_Code_Point names, bidirectional controls among them); else 0. `text` ends with a zero byte. */
size_t text_unseen(uint32_t *code, const char *text);
/* The name with each of them as \u{202e}; false: there is none, and `out` is not written. Cut off at `cap`. */
bool text_reveal(char *out, size_t cap, const char *name);

#endif
