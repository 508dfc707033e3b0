/* log.h: structured lines on standard error: one event a line, as text or JSON. Never a handle, a key or a person's data: what
 * may stand in a line are heights, hashes of blocks, counts, addresses of peers, names of members, and sentences of this program.
 */
#ifndef SLK_NET_LOG_H
#define SLK_NET_LOG_H

#include "ledger/verify/bytes.h"

enum slk_say_level { SLK_SAY_ERROR, SLK_SAY_WARN, SLK_SAY_INFO, SLK_SAY_DEBUG, SLK_SAY_LEVEL_N };
bool slk_say_level_parse(enum slk_say_level *out, const char *name);

/* A value beside its name; names are [a-z_]+. */
struct slk_say_field {
    const char *name;
    const char *text; /* NULL: the number counts */
    uint64_t number;
};
#define SLK_SAY_TEXT(name, text)     ((struct slk_say_field){(name), (text), 0})
#define SLK_SAY_NUMBER(name, number) ((struct slk_say_field){(name), NULL, (number)})
#define SLK_SAY_END                  ((struct slk_say_field){NULL, NULL, 0})

struct slk_logger {
    enum slk_say_level level; /* and those above it */
    bool json;
    bool plain; /* no time: the journal writes its own */
    /* Where lines go, each with its LF: standard error when NULL. For tests. */
    void (*write)(void *ctx, const char *line, size_t size);
    void *ctx;
    uint64_t (*wall_ms)(void *ctx); /* NULL: the machine's clock */
};

/* One line; `event` is [a-z_]+, `fields` end with SLK_SAY_END. What is longer than 1,024 bytes is cut, and says so. Control
 * characters, quotes and bytes that are not ASCII are escaped: nobody writes two lines with one call. A NULL log is silent. */
void slk_say(const struct slk_logger *log, enum slk_say_level level, const char *event,
    const struct slk_say_field *fields);
/* slk_say(log, level, "committed", SLK_SAY_NUMBER("height", 7)); */
#define SLK_SAY(log, level, event, ...)                                                                      \
    slk_say((log), (level), (event), (const struct slk_say_field[]){__VA_ARGS__, SLK_SAY_END})

#endif
