/* kill -9 while a bundle is imported: opening, executing, committing, between two parts.
 *
 * A child imports a bundle in parts and tells each height that it calls imported through a pipe. We kill it, open what it left behind, and
 * import again, until all is there:
 *   - Every height that was told is there; at most one more is.
 *   - What is there are the chain's blocks, byte for byte, and a start finds them sound.
 *   - In the end an audit replays it from the first entry.
 *
 *   import_kill       SLK_KILLS=n (20)  SLK_SEED=n
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "net/bundle.h"
#include "tests/scratch.h"
#include "tests/unit/ledger_fixture.h"

#define BLOCKS_PER_KILL 8 /* so many blocks more than kills: each run gets somewhere */

extern char **environ;

struct loop {
    struct fixture f;
    char to[320], bundle[320];
    uint64_t random, blocks_n, told, killed_n, unfinished_n;
};

__attribute__((format(printf, 2, 3), noreturn)) static void fail(
    const struct loop *l, const char *format, ...)
{
    va_list args;

    printf("not ok 1 - kill -9 while a bundle is imported\n");
    fprintf(stderr, "import_kill: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, " (after %" PRIu64 " kills; left in %s)\n", l->killed_n, l->f.root);
    exit(1);
}

/* ---- the child ---- */

static void tell(void *ctx, uint64_t height)
{
    if (write(*(int *)ctx, &height, sizeof(height)) != sizeof(height))
        exit(3); /* the parent is gone */
}

static int child(const char *dir, const char *bundle, int fd)
{
    struct slk_bundle_import what = {.dir = dir, .file = bundle, .threads = 1, .imported = tell, .ctx = &fd};
    struct slk_bundle_result result;
    struct slk_fault fault;
    enum slk_err err = slk_bundle_import(&what, &result, &fault);

    if (err != SLK_OK)
        fprintf(stderr, "import: %s\n", fault.text);
    return err == SLK_OK ? 0 : 4;
}

/* ---- the parent ---- */

static void make_chain(struct loop *l)
{
    struct slk_bundle_export what = {.file = l->bundle, .to = UINT64_MAX, .max_bytes = 30000};
    struct slk_ledger_options options;
    struct slk_bundle_sizes sizes;
    struct slk_bundle_store from;
    struct slk_ledger *ledger;
    struct slk_fault fault = {0};

    fixture_init(&l->f);
    l->f.step_ms = 1;
    options = fixture_options(&l->f);
    ledger = fixture_ledger(&l->f, &options);
    for (uint32_t i = 0; i < l->blocks_n; i++) {
        struct fixture_life life = fixture_life(FIXTURE_CARD, i);

        (void)fixture_accept(ledger, fixture_single(&l->f, MINISTRY, &life, SLK_ISSUE));
    }
    slk_ledger_close(ledger);
    options = (struct slk_ledger_options){.threads = 1};
    if (slk_ledger_init(l->to, slk_span_of(l->f.charter_bytes, l->f.charter_size), &options, &fault) !=
            SLK_OK ||
        slk_bundle_store_open(&from, l->f.dir, &fault) != SLK_OK)
        fail(l, "%s", fault.text);
    if (slk_bundle_export(&from.source, &what, &sizes, &fault) != SLK_OK || sizes.parts_n < 3)
        fail(l, "export: %s", fault.text);
    slk_bundle_store_close(&from);
}

static pid_t start(struct loop *l, const char *self, int *fd)
{
    char number[16];
    char *argv[] = {(char *)(uintptr_t)self, (char *)(uintptr_t) "import", l->to, l->bundle, number, NULL};
    posix_spawn_file_actions_t actions;
    int ends[2];
    pid_t pid;

    if (pipe(ends) != 0)
        fail(l, "pipe: %s", strerror(errno));
    snprintf(number, sizeof(number), "%d", ends[1]);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    if (posix_spawn(&pid, self, &actions, NULL, argv, environ) != 0)
        fail(l, "%s cannot be started", self);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    *fd = ends[0];
    return pid;
}

/* Kills after some heights were told and a moment more, or right at the start. True: it came to its end before. */
static bool run(struct loop *l, const char *self)
{
    uint64_t until = fixture_below(&l->random, 2 * BLOCKS_PER_KILL), height, n = 0;
    struct timespec nap = {.tv_nsec = (long)fixture_below(&l->random, until == 0 ? 8000000 : 600000)};
    int fd, status;
    pid_t pid = start(l, self, &fd);

    while (n < until && read(fd, &height, sizeof(height)) == sizeof(height)) {
        l->told = height;
        n++;
    }
    nanosleep(&nap, NULL);
    kill(pid, SIGKILL);
    while (read(fd, &height, sizeof(height)) == sizeof(height))
        l->told = height; /* said before it died */
    close(fd);
    if (waitpid(pid, &status, 0) != pid)
        fail(l, "waitpid: %s", strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        fail(l, "the import ended with %d", WEXITSTATUS(status));
    l->killed_n += !WIFEXITED(status);
    return WIFEXITED(status);
}

static void look(struct loop *l, struct slk_view *chain)
{
    struct slk_store_options options = {0};
    struct slk_fault fault = {0};
    struct slk_store *store;
    struct slk_view *view;
    uint64_t tip;

    if (slk_store_open(&store, l->to, &options, &fault) != SLK_OK || slk_view_begin(&view, store) != SLK_OK)
        fail(l, "what it left does not open: %s", fault.text);
    tip = slk_view_tip(view)->height;
    if (tip < l->told || tip > l->told + 1)
        fail(l, "it said that %" PRIu64 " is imported, and %" PRIu64 " is there", l->told, tip);
    l->unfinished_n += tip > l->told;
    for (uint64_t height = 1; height <= tip; height++) {
        struct slk_view_block is, should;
        struct slk_cert final;

        if (slk_view_block(view, height, &is) != SLK_OK || slk_view_block(chain, height, &should) != SLK_OK ||
            slk_view_finality(view, height, &final) != SLK_OK ||
            memcmp(is.header, should.header, SLK_BLOCK_HEADER_SIZE) != 0 ||
            !slk_span_equal(is.entries, should.entries) || !slk_span_equal(is.rows, should.rows))
            fail(l, "block %" PRIu64 " is not the chain's", height);
    }
    l->told = tip;
    slk_view_end(view);
    slk_store_close(store);
}

static void kill_and_look(struct loop *l, const char *self)
{
    struct slk_store_options options = {.read_only = true};
    struct slk_fault fault = {0};
    struct slk_store *store;
    struct slk_view *chain;
    struct slk_tip tip;
    uint64_t events_n;
    bool is_over = false;

    if (slk_store_open(&store, l->f.dir, &options, &fault) != SLK_OK ||
        slk_view_begin(&chain, store) != SLK_OK)
        fail(l, "%s", fault.text);
    while (!is_over || l->told < l->blocks_n) {
        is_over = run(l, self);
        look(l, chain);
    }
    slk_view_end(chain);
    slk_store_close(store);
    if (slk_ledger_audit(l->to, &l->f.chain_id, 1, &tip, &events_n, NULL, NULL, &fault) != SLK_OK)
        fail(l, "audit: %s", fault.text);
    if (tip.height != l->blocks_n)
        fail(l, "the audit ends at block %" PRIu64, tip.height);
}

static uint64_t of_environment(const char *name, uint64_t usual)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 10) : usual;
}

int main(int argc, char **argv)
{
    static struct loop l;

    if (argc == 5 && strcmp(argv[1], "import") == 0)
        return child(argv[2], argv[3], (int)strtol(argv[4], NULL, 10));
    l.random = of_environment("SLK_SEED", 1) * 2 + 1;
    l.blocks_n = of_environment("SLK_KILLS", 20) * BLOCKS_PER_KILL;
    fixture_open(&l.f, NULL);
    snprintf(l.to, sizeof(l.to), "%s/to", l.f.root);
    snprintf(l.bundle, sizeof(l.bundle), "%s/bundle", l.f.root);
    make_chain(&l);
    kill_and_look(&l, argv[0]);
    printf("1..1\nok 1 - kill -9 while a bundle is imported: %" PRIu64 " kills, %" PRIu64
           " of them between a commit and its being told\n",
        l.killed_n, l.unfinished_n);
    fixture_close(&l.f);
    return 0;
}
