/* The one that is killed: opens the ledger, goes on with the stream from submission `from` until before `to`, and tells each
 * answer through the pipe the moment it has it. `init` makes the ledger instead.
 *
 *   kill_child init DIR
 *   kill_child run DIR SEED FROM TO FD RUN
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/crash/crash_stream.h"

static void stop(const char *what, const char *why)
{
    fprintf(stderr, "kill_child: %s: %s\n", what, why);
    exit(2);
}

static void tell(int fd, const struct crash_message *message)
{
    if (write(fd, message, sizeof(*message)) !=
        (ssize_t)sizeof(*message)) /* shorter than PIPE_BUF: whole or not at all */
        stop("pipe", "the parent is gone");
}

static void answered(void *ctx, void *tag, const struct slk_result *result)
{
    struct crash_message message = {.word = CRASH_ANSWERED,
        .number = (uint32_t)(uintptr_t)tag,
        .outcome = result->outcome,
        .height = result->height,
        .first_index = result->first_index};

    tell(*(int *)ctx, &message);
}

static void flush_and_tell(struct slk_ledger *ledger, int fd, bool sign_again)
{
    struct crash_message message = {.word = CRASH_SIGNED};
    struct slk_fault fault = {0};

    if (slk_ledger_flush(ledger, &fault) != SLK_OK ||
        (sign_again && slk_ledger_sign(ledger, &fault) != SLK_OK))
        stop("flush", fault.text);
    message.first_index = slk_ledger_tip(ledger)->log_size;
    message.root = slk_ledger_tip(ledger)->log_root;
    tell(fd, &message);
}

static void go_on(struct fixture *f, struct slk_ledger *ledger, struct crash_stream *stream, uint32_t to,
    int fd, uint64_t run)
{
    uint64_t random = run * 2 + 1;
    struct slk_fault fault = {0};
    struct crash_submission s;

    f->now_ms = slk_ledger_tip(ledger)->time_ms;
    f->step_ms = 1;
    while (stream->next < to) {
        crash_stream_step(stream, true, &s);
        if (slk_ledger_push(ledger, s.bytes, (void *)(uintptr_t)s.number, answered, &fd, &fault) != SLK_OK)
            stop("push", fault.text);
        fixture_free(s.bytes);
        if (fixture_below(&random, 20) == 0)
            flush_and_tell(ledger, fd, fixture_below(&random, 4) == 0);
    }
    flush_and_tell(ledger, fd, false);
}

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 10);
}

int main(int argc, char **argv)
{
    struct crash_message message = {.word = CRASH_OPENED};
    struct slk_ledger_options options;
    struct crash_stream *stream;
    struct crash_submission s;
    struct slk_ledger *ledger;
    struct fixture f;
    int fd;

    if (argc != 8 && !(argc == 3 && strcmp(argv[1], "init") == 0))
        stop("arguments", "init DIR, or run DIR SEED FROM TO FD RUN");
    fixture_open_without_dir(&f, NULL);
    snprintf(f.dir, sizeof(f.dir), "%s", argv[2]);
    if (argc == 3) {
        fixture_init(&f);
        return 0;
    }
    fd = (int)number(argv[6]);
    options = fixture_options(&f);
    options.threads = 2;
    options.block_events = CRASH_BLOCK_EVENTS;
    options.snapshot_events = CRASH_SNAPSHOT;
    ledger = fixture_ledger(&f, &options);
    tell(fd, &message);
    stream = crash_stream_new(&f, number(argv[3]));
    while (stream->next < number(argv[4]))
        crash_stream_step(stream, false, &s);
    go_on(&f, ledger, stream, (uint32_t)number(argv[5]), fd, number(argv[7]));
    slk_ledger_close(ledger);
    message.word = CRASH_DONE;
    tell(fd, &message);
    crash_stream_free(stream);
    fixture_close(&f);
    return 0;
}
