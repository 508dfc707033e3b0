/* log.c: see log.h. */
#include "net/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024, TAIL = 8 };

static const char *const names[SLK_SAY_LEVEL_N] = {"error", "warn", "info", "debug"};

bool slk_say_level_parse(enum slk_say_level *out, const char *name)
{
    for (unsigned i = 0; i < SLK_SAY_LEVEL_N; i++)
        if (strcmp(names[i], name) == 0) {
            *out = (enum slk_say_level)i;
            return true;
        }
    return false;
}

/* A line that grows; `cut` once something did not fit. */
struct line {
    char at[LINE_MAX_BYTES];
    size_t n;
    bool cut;
};

static void put(struct line *line, const char *bytes, size_t size)
{
    if (line->cut || size > sizeof(line->at) - TAIL - line->n) {
        line->cut = true;
        return;
    }
    memcpy(line->at + line->n, bytes, size);
    line->n += size;
}

static void put_text(struct line *line, const char *text)
{
    put(line, text, strlen(text));
}

static void put_escaped(struct line *line, const char *text)
{
    for (; *text != '\0' && !line->cut; text++) {
        unsigned char c = (unsigned char)*text;
        char hex[8];

        if (c == '"' || c == '\\') {
            char pair[2] = {'\\', *text};

            put(line, pair, 2);
        } else if (c < 0x20 || c >= 0x7f) {
            put(line, hex, (size_t)snprintf(hex, sizeof(hex), "\\u%04x", c));
        } else {
            put(line, text, 1);
        }
    }
}

static void put_number(struct line *line, uint64_t number)
{
    char digits[24];

    put(line, digits, (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number));
}

static void put_quoted(struct line *line, const char *text)
{
    put_text(line, "\"");
    put_escaped(line, text);
    put_text(line, "\"");
}

static uint64_t machine_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* 2026-01-01T00:00:00.000Z */
static void put_time(struct line *line, const struct slk_logger *log)
{
    uint64_t ms = log->wall_ms != NULL ? log->wall_ms(log->ctx) : machine_ms();
    time_t s = (time_t)(ms / 1000);
    char text[40];
    struct tm tm;
    size_t n;

    if (gmtime_r(&s, &tm) == NULL)
        return;
    n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    put(line, text, n);
    put(line, text, (size_t)snprintf(text, sizeof(text), ".%03uZ", (unsigned)(ms % 1000)));
}

static void format_json(struct line *line, const struct slk_logger *log, enum slk_say_level level,
    const char *event, const struct slk_say_field *fields)
{
    put_text(line, "{");
    if (!log->plain) {
        put_text(line, "\"time\":\"");
        put_time(line, log);
        put_text(line, "\",");
    }
    put_text(line, "\"level\":");
    put_quoted(line, names[level]);
    put_text(line, ",\"event\":");
    put_quoted(line, event);
    for (const struct slk_say_field *f = fields; f->name != NULL; f++) {
        size_t before = line->n;

        put_text(line, ",");
        put_quoted(line, f->name);
        put_text(line, ":");
        if (f->text != NULL)
            put_quoted(line, f->text);
        else
            put_number(line, f->number);
        if (line->cut) { /* a line stays an object: the field that does not fit is left out */
            line->n = before;
            break;
        }
    }
    memcpy(line->at + line->n, "}\n", 2); /* TAIL is for this */
    line->n += 2;
}

static void format_text(struct line *line, const struct slk_logger *log, enum slk_say_level level,
    const char *event, const struct slk_say_field *fields)
{
    if (!log->plain) {
        put_time(line, log);
        put_text(line, " ");
    }
    put_text(line, names[level]);
    put_text(line, " ");
    put_text(line, event);
    for (const struct slk_say_field *f = fields; f->name != NULL; f++) {
        put_text(line, " ");
        put_text(line, f->name);
        put_text(line, "=");
        if (f->text == NULL)
            put_number(line, f->number);
        else
            put_quoted(line, f->text);
    }
    if (line->cut) {
        memcpy(line->at + line->n, " ...", 4);
        line->n += 4;
    }
    line->at[line->n++] = '\n';
}

void slk_say(const struct slk_logger *log, enum slk_say_level level, const char *event,
    const struct slk_say_field *fields)
{
    struct line line = {.n = 0};

    if (log == NULL || level > log->level)
        return;
    if (log->json)
        format_json(&line, log, level, event, fields);
    else
        format_text(&line, log, level, event, fields);
    if (log->write != NULL)
        log->write(log->ctx, line.at, line.n);
    else if (write(STDERR_FILENO, line.at, line.n) < 0)
        return; /* nobody reads: there is no other place to say so */
}
