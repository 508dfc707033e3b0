/* batch.c: many seeds in several processes. What is done is appended to a file, a block per range of seeds; a second
 * call with the same file goes on where the first one ended.
 *
 *   range 1 100 / lines of total_format / end        of brief seeds: brief 1 2000 / ...
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/sim.h"

enum { RANGE = 100, BRIEF_RANGE = 2000, JOBS_MAX = 64, BLOCK_BYTES = 1 << 15 };

struct range {
    uint64_t first, last;
};

static struct batch {
    const struct options *o;
    int file;
    struct total total;
    uint64_t next;      /* the first seed that nobody has */
    struct range *done; /* from the file */
    size_t done_n, done_cap;
    struct range again[JOBS_MAX]; /* the rest of ranges in which somebody died */
    size_t again_n;
    struct job {
        pid_t pid;
        struct range range;
    } jobs[JOBS_MAX];
    uint64_t *at; /* shared: the seed that each job runs */
} batch;

static const char *range_word(void)
{
    return batch.o->is_brief ? "brief " : "range ";
}

static void add_done(uint64_t first, uint64_t last)
{
    if (batch.done_n == batch.done_cap) {
        batch.done_cap = batch.done_cap == 0 ? 256 : 2 * batch.done_cap;
        batch.done = realloc(batch.done, batch.done_cap * sizeof(*batch.done));
        if (batch.done == NULL)
            abort();
    }
    batch.done[batch.done_n++] = (struct range){.first = first, .last = last};
}

/* Takes over every block that is whole. */
static void read_results(const char *path)
{
    static struct total block;
    char line[BAD_TEXT + 64];
    struct range range = {0};
    FILE *f = fopen(path, "r");

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "range ", 6) == 0 || strncmp(line, "brief ", 6) == 0) {
            char *end;

            memset(&block, 0, sizeof(block));
            range.first = strtoull(line + 6, &end, 10);
            range.last = strncmp(line, range_word(), 6) == 0 ? strtoull(end, NULL, 10) : 0;
        } else if (strcmp(line, "end") == 0) {
            if (range.first >= batch.o->first && range.last <= batch.o->last && range.last != 0) {
                total_add(&batch.total, &block);
                add_done(range.first, range.last);
            }
            range.last = 0;
        } else {
            (void)total_line(&block, line);
        }
    }
    if (f != NULL)
        (void)fclose(f);
}

/* In one write: blocks of several processes do not mix. */
static void append(const struct range *range, const struct total *total)
{
    static char block[BLOCK_BYTES];
    int n = snprintf(
        block, sizeof(block), "%s%" PRIu64 " %" PRIu64 "\n", range_word(), range->first, range->last);
    size_t used = (size_t)n + total_format(block + n, sizeof(block) - (size_t)n - 8, total);

    memcpy(block + used, "end\n", 4);
    used += 4;
    if (write(batch.file, block, used) != (ssize_t)used)
        perror("results");
}

static _Noreturn void work(const struct range *range, uint64_t *at)
{
    static struct total total;

    for (uint64_t seed = range->first; seed <= range->last; seed++) {
        const char *verdict;

        *at = seed;
        verdict = sim_run(seed, batch.o, &total);
        if (verdict != NULL)
            fprintf(stderr, "seed=%" PRIu64 " %s\n", seed, verdict);
    }
    append(range, &total);
    _exit(0);
}

/* The next range that nobody has; false when all are given away. */
static bool take(struct range *out)
{
    if (batch.again_n > 0) {
        *out = batch.again[--batch.again_n];
        return true;
    }
    for (size_t i = 0; i < batch.done_n; i++) /* they are in the order of their seeds, nearly */
        if (batch.done[i].first <= batch.next && batch.done[i].last >= batch.next) {
            batch.next = batch.done[i].last + 1;
            i = SIZE_MAX; /* from the beginning */
        }
    if (batch.next > batch.o->last)
        return false;
    out->first = batch.next;
    out->last = batch.next + (batch.o->is_brief ? BRIEF_RANGE : RANGE) - 1;
    if (out->last > batch.o->last)
        out->last = batch.o->last;
    for (size_t i = 0; i < batch.done_n; i++)
        if (batch.done[i].first > out->first && batch.done[i].first <= out->last)
            out->last = batch.done[i].first - 1;
    batch.next = out->last + 1;
    return true;
}

static void begin(struct job *job, unsigned slot)
{
    fflush(stdout);
    batch.at[slot] = job->range.first;
    job->pid = fork();
    if (job->pid == 0)
        work(&job->range, &batch.at[slot]);
    if (job->pid < 0)
        abort();
}

/* A job is over. One that died names its seed; what it had counted of its range is counted again without it. */
static void end(struct job *job, unsigned slot, int status)
{
    uint64_t seed = batch.at[slot];
    struct range bad = {.first = seed, .last = seed};
    static struct total total;

    job->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    memset(&total, 0, sizeof(total));
    total.seeds = 1;
    total_bad(&total, seed, "an assertion failed");
    append(&bad, &total);
    if (seed > job->range.first)
        batch.again[batch.again_n++] = (struct range){.first = job->range.first, .last = seed - 1};
    if (seed < job->range.last)
        batch.again[batch.again_n++] = (struct range){.first = seed + 1, .last = job->range.last};
}

static void run_all(unsigned jobs)
{
    unsigned busy = 0;
    bool is_more = true;

    while (is_more || busy > 0) {
        pid_t pid;
        int status;

        is_more = true;
        for (unsigned i = 0; i < jobs && is_more; i++) {
            if (batch.jobs[i].pid != 0)
                continue;
            is_more = take(&batch.jobs[i].range);
            busy += is_more;
            if (is_more)
                begin(&batch.jobs[i], i);
        }
        if (busy == 0)
            return;
        pid = wait(&status);
        if (pid < 0)
            abort();
        for (unsigned i = 0; i < jobs; i++)
            if (batch.jobs[i].pid == pid) {
                busy--;
                end(&batch.jobs[i], i, status);
            }
    }
}

/* One word per job that the job and we see: a file that has no name any more. */
static void share(void)
{
    static const size_t size = JOBS_MAX * sizeof(uint64_t);
    FILE *f = tmpfile();

    if (f == NULL || ftruncate(fileno(f), (off_t)size) != 0)
        abort();
    batch.at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
    if (batch.at == MAP_FAILED)
        abort();
}

int batch_run(const struct options *o)
{
    char path[] = "/tmp/sim-results-XXXXXX";
    const char *results = o->results;
    unsigned jobs = o->jobs == 0 ? 1 : o->jobs > JOBS_MAX / 2 ? JOBS_MAX / 2 : o->jobs;

    batch.o = o;
    batch.next = o->first;
    share();
    if (results != NULL) {
        read_results(results);
        batch.file = open(results, O_WRONLY | O_APPEND | O_CREAT, 0644);
    } else {
        batch.file = mkstemp(path);
        results = path;
    }
    if (batch.file < 0) {
        perror(results);
        return 2;
    }
    printf("# %" PRIu64 " seeds are done already\n", batch.total.seeds);
    run_all(jobs);
    memset(&batch.total, 0, sizeof(batch.total));
    batch.done_n = 0;
    read_results(results);
    if (o->results == NULL)
        (void)unlink(path);
    total_summary(&batch.total, o->is_brief, o->summary);
    return batch.total.failures > 0;
}
