/* kill -9 at random moments: opening, replaying, building, committing, answering, signing, writing a snapshot.
 *
 * A child feeds a ledger from a stream that both know and tells every answer through a pipe. We kill it, open what it left
 * behind, and hold it against a reference: a second ledger that nobody kills, fed with the same submissions at the same times.
 *   - Every answered submission is there, at the place that was told; every signed head is a head of this log.
 *   - What is there is a beginning of the stream, in whole blocks, byte for byte the reference's: at most one block more
 *     than was answered.
 *   - The next child starts at the first submission without an answer: what was in is a duplicate, with its true place.
 *
 *   kill_loop CHILD        SLK_KILLS=n (60)  SLK_SEED=n
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/crash/crash_stream.h"
#include "tests/scratch.h"

#define RUN_SUBMISSIONS 400 /* a run that is not killed in time ends by itself */
#define INIT_KILLS      12
#define FULL_CHECK_EACH 15 /* kills between audits */

extern char **environ;

/* Where a submission stands, by the reference. */
struct place {
    uint64_t height;
    uint64_t first_index;
    bool good;
};

struct loop {
    const char *child;
    uint64_t seed, random;
    struct fixture f;    /* dir: the ledger that suffers */
    struct fixture calm; /* dir: the reference */
    struct slk_ledger *reference;
    struct crash_stream *stream; /* at the first submission that is not in the reference */
    struct place *places;        /* of all before it */
    size_t places_n, places_cap;
    struct slk_tree_head *heads; /* by height */
    size_t heads_n, heads_cap;
    struct crash_message *told; /* by the child of this run */
    size_t told_n, told_cap;
    struct crash_message *untested; /* told since we last looked */
    size_t untested_n, untested_cap;
    unsigned runs_since_look;
    uint32_t next;            /* first submission without an answer */
    uint64_t answered_height; /* highest block of an answer */
    uint64_t seen_height;     /* tip when we last looked */
    uint64_t answers_n, duplicates_n, killed_n, killed_opening_n, unanswered_blocks_n;
};

__attribute__((format(printf, 2, 3), noreturn)) static void fail(
    const struct loop *l, const char *format, ...)
{
    va_list args;

    printf("not ok 1 - kill -9 at random moments\n");
    fprintf(stderr, "kill_loop: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, " (seed=%" PRIu64 ", after %" PRIu64 " kills; left in %s)\n", l->seed, l->killed_n,
        l->f.root);
    exit(1);
}

static void *grow(void *array, size_t *cap, size_t n, size_t element)
{
    if (n <= *cap)
        return array;
    *cap = n > 2 * *cap ? n + 64 : 2 * *cap;
    array = realloc(array, *cap * element);
    if (array == NULL)
        abort();
    return array;
}

/* ---- the child ---- */

static pid_t start(struct loop *l, char *const argv[])
{
    pid_t pid;
    int rc = posix_spawn(&pid, l->child, NULL, NULL, argv, environ);

    if (rc != 0)
        fail(l, "%s: %s", l->child, strerror(rc));
    return pid;
}

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* When to kill: so long after the start, or after the child said that the ledger is open. */
struct moment {
    bool never, once_open;
    int64_t delay_us;
};

/* Waits for something to read, at most until `until_us`. False: nothing came. */
static bool wait_for_word(int fd, int64_t until_us)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int64_t left = until_us - now_us();
    struct timespec nap = {.tv_nsec = left < 1000 ? (long)left * 1000 : 0};

    if (left <= 0)
        return false;
    if (left >= 1000) /* poll counts milliseconds: the last one is slept exactly */
        return poll(&p, 1, (int)(left / 1000)) > 0;
    (void)nanosleep(&nap, NULL);
    return poll(&p, 1, 0) > 0;
}

/* Reads what the child tells until it is silent for good; kills it at its moment. */
static void listen_and_kill(struct loop *l, pid_t pid, int fd, struct moment moment)
{
    bool armed = !moment.never && !moment.once_open;
    int64_t until_us = now_us() + moment.delay_us;
    struct crash_message message;
    ssize_t n;

    l->told_n = 0;
    for (;;) {
        if (armed && !wait_for_word(fd, until_us)) {
            if (now_us() < until_us)
                continue;
            if (kill(pid, SIGKILL) != 0)
                fail(l, "kill: %s", strerror(errno));
            armed = false;
            moment.never = true;
        }
        n = read(fd, &message, sizeof(message));
        if (n == 0)
            return;
        if (n != (ssize_t)sizeof(message))
            fail(l, "the pipe gave %zd bytes", n);
        l->told = grow(l->told, &l->told_cap, l->told_n + 1, sizeof(*l->told));
        l->told[l->told_n++] = message;
        if (message.word == CRASH_OPENED && moment.once_open && !moment.never) {
            until_us = now_us() + moment.delay_us;
            armed = true;
        }
    }
}

/* True: it was killed; false: it ended well by itself. */
static bool end(struct loop *l, pid_t pid)
{
    int status;

    if (waitpid(pid, &status, 0) != pid)
        fail(l, "waitpid: %s", strerror(errno));
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return true;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail(l, "the child ended with status %#x", (unsigned)status);
    return false;
}

static void run_child(struct loop *l, uint32_t to, struct moment moment)
{
    char seed[32], from[32], until[32], fd[32], run[32];
    char name[] = "kill_child", mode[] = "run";
    char *argv[] = {name, mode, l->f.dir, seed, from, until, fd, run, NULL};
    int ends[2];
    pid_t pid;

    if (pipe(ends) != 0)
        fail(l, "pipe: %s", strerror(errno));
    snprintf(seed, sizeof(seed), "%" PRIu64, l->seed);
    snprintf(from, sizeof(from), "%" PRIu32, l->next);
    snprintf(until, sizeof(until), "%" PRIu32, to);
    snprintf(fd, sizeof(fd), "%d", ends[1]);
    snprintf(run, sizeof(run), "%" PRIu64, l->killed_n);
    pid = start(l, argv);
    close(ends[1]);
    listen_and_kill(l, pid, ends[0], moment);
    close(ends[0]);
    if (end(l, pid)) {
        l->killed_n++;
        l->killed_opening_n += l->told_n == 0 ? 1 : 0;
    } else if (l->told_n == 0 || l->told[l->told_n - 1].word != CRASH_DONE) {
        fail(l, "the child ended without saying so");
    }
}

/* ---- the reference ---- */

static void hear_nothing(void *ctx, void *tag, const struct slk_result *result)
{
    (void)ctx, (void)tag, (void)result;
}

static void remember(struct loop *l, bool good, uint64_t height, uint64_t first_index)
{
    l->places = grow(l->places, &l->places_cap, l->places_n + 1, sizeof(*l->places));
    l->places[l->places_n++] = (struct place){.height = height, .first_index = first_index, .good = good};
}

/* Feeds the reference with the submissions of one block of the other ledger, at that block's time. The refused ones among
 * them left no trace there and need none here. */
static void follow_block(
    struct loop *l, const struct slk_view_block *block, const struct slk_block_header *header)
{
    uint64_t index = block->first_index;
    struct slk_fault fault = {0};
    size_t events_n = 0;

    l->calm.now_ms = header->time_ms;
    while (events_n < header->event_count) {
        struct crash_submission s;

        crash_stream_step(l->stream, true, &s);
        remember(l, s.good, header->height, index);
        if (s.good && slk_ledger_push(l->reference, s.bytes, NULL, hear_nothing, NULL, &fault) != SLK_OK)
            fail(l, "the reference: %s", fault.text);
        if (s.good) {
            events_n += s.events_n;
            index += s.events_n + 1;
        }
        fixture_free(s.bytes);
    }
    if (events_n != header->event_count)
        fail(l, "block %" PRIu64 " does not end where a submission does", header->height);
    if (slk_ledger_flush(l->reference, &fault) != SLK_OK)
        fail(l, "the reference: %s", fault.text);
}

static bool same(struct slk_span a, struct slk_span b)
{
    return slk_span_equal(a, b);
}

static void compare_block(struct loop *l, uint64_t height, const struct slk_view_block *is)
{
    struct slk_view_block should;
    struct slk_view *view;

    if (slk_view_begin(&view, slk_ledger_store(l->reference)) != SLK_OK ||
        slk_view_block(view, height, &should) != SLK_OK)
        fail(l, "the reference has no block %" PRIu64, height);
    if (memcmp(is->header, should.header, SLK_BLOCK_HEADER_SIZE) != 0 ||
        is->first_index != should.first_index || is->first_row != should.first_row ||
        !same(is->entries, should.entries) || !same(is->rows, should.rows))
        fail(l, "block %" PRIu64 " is not the one the same submissions lead to elsewhere", height);
    slk_view_end(view);
}

/* Blocks that appeared since we last looked. */
static void follow(struct loop *l, struct slk_ledger *ledger)
{
    const struct slk_tip *tip = slk_ledger_tip(ledger);
    struct slk_view *view;

    if (slk_view_begin(&view, slk_ledger_store(ledger)) != SLK_OK)
        fail(l, "no view");
    if (tip->height + 1 < l->heads_n)
        fail(l, "block %zu was there and is gone", l->heads_n - 1);
    for (uint64_t height = l->heads_n; height <= tip->height; height++) {
        struct slk_view_block block;
        struct slk_block_header header;

        if (slk_view_block(view, height, &block) != SLK_OK ||
            slk_block_header_parse(&header, block.header) != SLK_OK)
            fail(l, "block %" PRIu64 " cannot be read", height);
        if (height > 0)
            follow_block(l, &block, &header);
        compare_block(l, height, &block);
        l->heads = grow(l->heads, &l->heads_cap, l->heads_n + 1, sizeof(*l->heads));
        l->heads[l->heads_n++] =
            (struct slk_tree_head){.tree_size = header.log_size, .root_hash = header.log_root};
    }
    slk_view_end(view);
}

/* ---- what was told must be so ---- */

static void check_answer(struct loop *l, const struct crash_message *m)
{
    const struct place *place;

    while (l->places_n <= m->number) { /* only refused ones may stand behind the last block */
        struct crash_submission s;

        crash_stream_step(l->stream, false, &s);
        if (s.good)
            fail(l, "submission %" PRIu32 " was answered and is gone", s.number);
        remember(l, false, 0, 0);
    }
    place = &l->places[m->number];
    if (m->outcome == SLK_REFUSED ? place->good : !place->good)
        fail(l, "submission %" PRIu32 " got outcome %" PRIu32, m->number, m->outcome);
    if (place->good && (place->height != m->height || place->first_index != m->first_index))
        fail(l,
            "submission %" PRIu32 " was told block %" PRIu64 ", entry %" PRIu64 "; it is in block %" PRIu64
            ", entry %" PRIu64,
            m->number, m->height, m->first_index, place->height, place->first_index);
    l->answers_n++;
    l->duplicates_n += m->outcome == SLK_DUPLICATE ? 1 : 0;
}

static void check_signed(struct loop *l, const struct slk_tree_head *head)
{
    for (size_t i = l->heads_n; i-- > 0;) {
        if (l->heads[i].tree_size == head->tree_size &&
            slk_hash_equal(&l->heads[i].root_hash, &head->root_hash))
            return;
    }
    fail(l, "a head of %" PRIu64 " entries was signed that is not of this log", head->tree_size);
}

/* Takes in what the run told: answers come in the order of the submissions, without a gap. */
static void take_in(struct loop *l)
{
    uint32_t expected = l->next;

    for (size_t i = 0; i < l->told_n; i++) {
        const struct crash_message *m = &l->told[i];

        if (m->word == CRASH_ANSWERED && m->number != expected++)
            fail(l, "submission %" PRIu32 " was answered instead of %" PRIu32, m->number, expected - 1);
        if (m->word == CRASH_ANSWERED && m->height > l->answered_height)
            l->answered_height = m->height;
        l->untested = grow(l->untested, &l->untested_cap, l->untested_n + 1, sizeof(*l->untested));
        l->untested[l->untested_n++] = *m;
    }
    l->next = expected;
    l->runs_since_look++;
}

static void check_checkpoint(struct loop *l, struct slk_ledger *ledger)
{
    struct slk_tree_head head;
    struct slk_view *view;
    struct slk_span note;

    if (slk_view_begin(&view, slk_ledger_store(ledger)) != SLK_OK ||
        slk_view_checkpoint(view, &head, &note) != SLK_OK)
        fail(l, "the checkpoint cannot be read");
    check_signed(l, &head);
    slk_view_end(view);
}

/* Opens what is left (which replays and compares the roots) and holds it against everything we know. */
static void look(struct loop *l)
{
    struct slk_ledger_options options = {.read_only = true, .threads = 1};
    uint64_t known = l->seen_height > l->answered_height ? l->seen_height : l->answered_height;
    struct slk_fault fault = {0};
    struct slk_ledger *ledger;
    uint64_t height;

    if (slk_ledger_open(&ledger, l->f.dir, &options, &fault) != SLK_OK)
        fail(l, "the ledger cannot be opened: %s", fault.text);
    follow(l, ledger);
    for (size_t i = 0; i < l->untested_n; i++) {
        struct slk_tree_head head = {
            .tree_size = l->untested[i].first_index, .root_hash = l->untested[i].root};

        if (l->untested[i].word == CRASH_ANSWERED)
            check_answer(l, &l->untested[i]);
        else if (l->untested[i].word == CRASH_SIGNED)
            check_signed(l, &head);
    }
    check_checkpoint(l, ledger);
    height = slk_ledger_tip(ledger)->height;
    if (height > known + l->runs_since_look)
        fail(l, "blocks up to %" PRIu64 " are there, but none above %" PRIu64 " was answered", height, known);
    l->unanswered_blocks_n += height > known ? height - known : 0;
    l->seen_height = height;
    l->untested_n = 0;
    l->runs_since_look = 0;
    slk_ledger_close(ledger);
}

static void tell_finding(void *ctx, const char *where, const char *what)
{
    (void)ctx;
    fprintf(stderr, "kill_loop: %s: %s\n", where, what);
}

/* Every signature, rule and root again, and every page. */
static void look_closely(struct loop *l)
{
    struct slk_fault fault = {0};
    uint64_t events_n;
    struct slk_tip tip;

    if (slk_ledger_audit(l->f.dir, &l->f.chain_id, 2, &tip, &events_n, NULL, NULL, &fault) != SLK_OK)
        fail(l, "audit: %s", fault.text);
    if (memcmp(&tip, slk_ledger_tip(l->reference), sizeof(tip)) != 0)
        fail(l, "the audit ends elsewhere than the reference");
    if (slk_store_fsck(l->f.dir, tell_finding, NULL, NULL, NULL, &fault) != SLK_OK)
        fail(l, "fsck: %s", fault.text);
}

/* ---- making a ledger ---- */

/* Killed while it makes a ledger: what is left can be opened, or made again. */
static void kill_init(struct loop *l)
{
    for (unsigned i = 0; i < INIT_KILLS; i++) {
        struct slk_ledger_options options = fixture_options(&l->f);
        char dir[sizeof(l->f.dir)];
        char name[] = "kill_child", mode[] = "init";
        char *argv[] = {name, mode, dir, NULL};
        struct timespec nap = {.tv_nsec = (long)fixture_below(&l->random, 14000000)};
        struct slk_fault fault = {0};
        struct slk_ledger *ledger = NULL;
        pid_t pid;

        snprintf(dir, sizeof(dir), "%.200s/init%u", l->f.root, i);
        pid = start(l, argv);
        (void)nanosleep(&nap, NULL);
        (void)kill(pid, SIGKILL); /* it may have ended */
        (void)end(l, pid);
        if (slk_ledger_open(&ledger, dir, &options, &fault) != SLK_OK) {
            enum slk_err err =
                slk_ledger_init(dir, slk_span_of(l->f.charter_bytes, l->f.charter_size), &options, &fault);
            if (err != SLK_OK || slk_ledger_open(&ledger, dir, &options, &fault) != SLK_OK)
                fail(l, "a ledger whose making was cut short cannot be made again: %s", fault.text);
        }
        if (slk_ledger_tip(ledger)->height != 0 || slk_ledger_tip(ledger)->log_size != 2)
            fail(l, "a new ledger is not new");
        slk_ledger_close(ledger);
        scratch_remove(dir);
    }
}

/* ---- the loop ---- */

/* A third die while opening, the others while they work: early, or somewhere in a third of a second. */
static struct moment choose_moment(struct loop *l)
{
    static const struct {
        bool once_open;
        uint64_t span_us;
    } kinds[] = {{false, 25000}, {true, 20000}, {true, 350000}};
    unsigned kind = (unsigned)fixture_below(&l->random, 3);

    return (struct moment){.once_open = kinds[kind].once_open,
        .delay_us = (int64_t)fixture_below(&l->random, kinds[kind].span_us)};
}

static void set_up(struct loop *l)
{
    struct slk_ledger_options options;

    fixture_open(&l->f, NULL);
    fixture_open(&l->calm, NULL);
    fixture_init(&l->f);
    fixture_init(&l->calm);
    options = fixture_options(&l->calm);
    l->reference = fixture_ledger(&l->calm, &options);
    l->stream = crash_stream_new(&l->calm, l->seed);
}

static void tear_down(struct loop *l)
{
    slk_ledger_close(l->reference);
    crash_stream_free(l->stream);
    fixture_close(&l->f);
    fixture_close(&l->calm);
    free(l->places);
    free(l->heads);
    free(l->told);
    free(l->untested);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text != NULL && *text != '\0' ? strtoull(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    struct loop l = {.child = argc == 2 ? argv[1] : "./kill_child"};
    uint64_t kills = from_environment("SLK_KILLS", 60);

    l.seed = from_environment("SLK_SEED", (uint64_t)now_us());
    l.random = l.seed | 1;
    printf("1..1\n# seed=%" PRIu64 "\n", l.seed);
    fflush(stdout);
    set_up(&l);
    kill_init(&l);
    for (unsigned runs = 1; l.killed_n < kills; runs++) {
        run_child(&l, l.next + RUN_SUBMISSIONS, choose_moment(&l));
        take_in(&l);
        if (fixture_below(&l.random, 4) != 0) /* else it is killed again before anybody looks */
            look(&l);
        if (runs % FULL_CHECK_EACH == 0) {
            look(&l);
            look_closely(&l);
        }
    }
    run_child(&l, l.next + RUN_SUBMISSIONS, (struct moment){.never = true});
    take_in(&l);
    look(&l);
    look_closely(&l);
    printf("# %" PRIu64 " kills, %" PRIu64 " before the ledger was open; %" PRIu64 " answers held, %" PRIu64
           " of them duplicates; %" PRIu64 " blocks were on disk without an answer; %" PRIu64
           " blocks, %" PRIu64 " events\n",
        l.killed_n, l.killed_opening_n, l.answers_n, l.duplicates_n, l.unanswered_blocks_n,
        slk_ledger_tip(l.reference)->height, slk_ledger_tip(l.reference)->events_n);
    printf("ok 1 - kill -9 at random moments: what was answered is there\n");
    tear_down(&l);
    return 0;
}
