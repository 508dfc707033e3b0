/* bench_map.c: how fast the map is, and how much memory it takes, at several sizes.
 *
 *   bench_map [credentials ...]      default 1000000 10000000 20000000
 *
 * Paths and leaf hashes are random bits: what is timed is slk_map_apply and its like, not the hashing of records,
 * which has a line of its own. Each rate is the median of several runs. Two threads: the caller and one more.
 */
#define _DEFAULT_SOURCE /* madvise */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "ledger/core/map.h"
#include "ledger/core/multihash.h"

#define RUNS      9
#define BLOCK_MAX 100000
#define PROOFS    100000
#define AHEAD     16

static void advise(void *at, size_t bytes);
static const struct slk_map_options options = {.advise = advise};
static uint64_t *rows; /* of each credential */
static struct slk_map_update *updates;
static uint64_t next_row, next_pick;

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what)
{
    fprintf(stderr, "bench_map: %s\n", what);
    exit(1);
}

static void advise(void *at, size_t bytes)
{
    (void)madvise(at, bytes, MADV_HUGEPAGE); /* a hint: small pages do as well */
}

/* splitmix64 */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void random_hash(struct slk_hash *out, uint64_t seed)
{
    uint64_t words[4];

    for (uint64_t i = 0; i < 4; i++)
        words[i] = mix(seed * 4 + i);
    memcpy(out->b, words, sizeof(words));
}

static void path_of(struct slk_hash *out, uint64_t credential)
{
    random_hash(out, credential);
}

/* ---- a second thread ---- */

struct helper {
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    void (*job)(void *arg, size_t i);
    void *arg;
    size_t next, n;
    unsigned busy;
    bool stop;
};

static void work(struct helper *h)
{
    while (h->next < h->n) {
        size_t i = h->next++;

        h->busy++;
        pthread_mutex_unlock(&h->lock);
        h->job(h->arg, i);
        pthread_mutex_lock(&h->lock);
        h->busy--;
    }
}

static void *helper_main(void *arg)
{
    struct helper *h = arg;

    pthread_mutex_lock(&h->lock);
    while (!h->stop) {
        work(h);
        if (h->busy == 0)
            pthread_cond_broadcast(&h->idle);
        pthread_cond_wait(&h->wake, &h->lock);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

static void run_two(void *ctx, void (*job)(void *arg, size_t i), void *arg, size_t n)
{
    struct helper *h = ctx;

    pthread_mutex_lock(&h->lock);
    h->job = job;
    h->arg = arg;
    h->next = 0;
    h->n = n;
    pthread_cond_broadcast(&h->wake);
    work(h);
    while (h->busy > 0)
        pthread_cond_wait(&h->idle, &h->lock);
    pthread_mutex_unlock(&h->lock);
}

/* ---- blocks ---- */

/* Every pick is another credential until all have been taken. */
static uint64_t pick(uint64_t count)
{
    return next_pick++ * 1000003 % count;
}

static void draw_updates(uint64_t count, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t credential = pick(count);

        path_of(&updates[i].path, credential);
        random_hash(&updates[i].leaf, ~next_row);
        updates[i].old_row = rows[credential];
        updates[i].row = rows[credential] = next_row++;
        updates[i].rival = NULL;
    }
}

static void draw_inserts(uint64_t count, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        path_of(&updates[i].path, count + i);
        random_hash(&updates[i].leaf, ~next_row);
        updates[i].old_row = SLK_MAP_ROW_NONE;
        updates[i].row = rows[count + i] = next_row++;
        updates[i].rival = NULL;
    }
}

static double apply(struct slk_map *map, size_t n, const struct slk_par *par)
{
    double start = now_s();

    if (slk_map_apply(map, updates, n, par) != SLK_OK)
        die("slk_map_apply failed");
    return now_s() - start;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *times, size_t n)
{
    qsort(times, n, sizeof(times[0]), ascending);
    return times[n / 2];
}

/* Updates of random credentials; a run is at least 100,000 of them. */
static double update_rate(struct slk_map *map, uint64_t count, size_t block, const struct slk_par *par)
{
    double times[RUNS];
    size_t blocks = block < BLOCK_MAX ? BLOCK_MAX / block : 1;

    for (size_t run = 0; run < RUNS; run++) {
        times[run] = 0;
        for (size_t i = 0; i < blocks; i++) {
            draw_updates(count, block);
            times[run] += apply(map, block, par);
        }
    }
    return (double)(block * blocks) / median(times, RUNS);
}

/* Inserts, each block taken back after it was timed. */
static double insert_rate(
    struct slk_map *map, uint64_t count, size_t block, const struct slk_par *par, double *revert)
{
    double times[RUNS], back[RUNS];
    size_t blocks = block < BLOCK_MAX ? BLOCK_MAX / block / 4 : 1;

    for (size_t run = 0; run < RUNS; run++) {
        times[run] = back[run] = 0;
        for (size_t i = 0; i < blocks; i++) {
            double start;

            draw_inserts(count, block);
            times[run] += apply(map, block, par);
            start = now_s();
            slk_map_revert(map, par);
            back[run] += now_s() - start;
        }
    }
    *revert = (double)(block * blocks) / median(back, RUNS);
    return (double)(block * blocks) / median(times, RUNS);
}

static void grow_to(struct slk_map *map, uint64_t from, uint64_t to, const struct slk_par *par)
{
    double start = now_s(), spent = 0, worst = 0;

    for (uint64_t count = from; count < to;) {
        size_t n = to - count < 10000 ? (size_t)(to - count) : 10000;
        double one;

        draw_inserts(count, n);
        one = apply(map, n, par);
        spent += one;
        worst = one > worst ? one : worst;
        count += n;
    }
    printf("%" PRIu64
           " credentials: filled in blocks of 10,000 in %.1f s (%.0f inserts/s, slowest block %.1f ms)\n",
        to, now_s() - start, (double)(to - from) / spent, worst * 1e3);
    printf("  memory %.1f MB, %.1f bytes per credential\n", (double)slk_map_memory(map) / 1e6,
        (double)slk_map_memory(map) / (double)to);
}

static void bench_blocks(struct slk_map *map, uint64_t count, const struct slk_par *two)
{
    printf("  %-28s %12s %12s\n", "per second", "1 thread", "2 threads");
    for (size_t block = 1; block <= BLOCK_MAX; block *= 10) {
        double one = update_rate(map, count, block, NULL);

        printf("  update, blocks of %-10zu %12.0f %12.0f\n", block, one, update_rate(map, count, block, two));
        fflush(stdout);
    }
    for (size_t block = 1000; block <= 10000; block *= 10) {
        double back, back_two, one = insert_rate(map, count, block, NULL, &back);

        printf("  insert, blocks of %-10zu %12.0f %12.0f\n", block, one,
            insert_rate(map, count, block, two, &back_two));
        printf("  revert, blocks of %-10zu %12.0f %12.0f\n", block, back, back_two);
    }
}

static void bench_reading(const struct slk_map *map, uint64_t count)
{
    static struct slk_hash paths[PROOFS];
    static uint8_t record[SLK_RECORD_SIZE], proof[SLK_MAP_PROOF_MAX];
    struct slk_map_walk walk;
    struct slk_map_found found;
    double start, prove, absent, find;
    size_t bytes = 0, seen = 0;

    for (size_t i = 0; i < PROOFS; i++)
        path_of(&paths[i], pick(count));
    start = now_s();
    for (size_t i = 0; i < PROOFS; i++) {
        slk_map_walk(map, &paths[i], &walk);
        bytes += slk_map_proof_format(proof, sizeof(proof), &walk, slk_span_of(record, sizeof(record)));
    }
    prove = now_s() - start;
    start = now_s();
    for (size_t i = 0; i < PROOFS; i++) {
        slk_map_prefetch(map, &paths[i + AHEAD < PROOFS ? i + AHEAD : i]);
        seen += slk_map_find(map, &paths[i], &found);
    }
    find = now_s() - start;
    for (size_t i = 0; i < PROOFS; i++)
        path_of(&paths[i], (uint64_t)1 << 40 | i);
    start = now_s();
    for (size_t i = 0; i < PROOFS; i++) {
        slk_map_walk(map, &paths[i], &walk);
        seen += walk.end != SLK_MAP_RECORD;
    }
    absent = now_s() - start;
    if (seen != 2 * PROOFS)
        die("paths were lost");
    printf("  walk and format %.0f/s (%.0f bytes a proof), walk to nothing %.0f/s, find %.0f/s\n",
        PROOFS / prove, (double)bytes / PROOFS, PROOFS / absent, PROOFS / find);
}

/* Every partition out and into a new map; the roots must be equal. */
static void bench_snapshot(const struct slk_map *map, const struct slk_par *two)
{
    struct slk_map *copy = NULL;
    uint8_t *bytes = NULL;
    double start, out = 0, in = 0, rebuild[2];
    struct slk_hash want, got;
    uint64_t total = 0;

    if (slk_map_new(&copy, &options) != SLK_OK || slk_map_import_begin(copy, slk_map_count(map)) != SLK_OK)
        die("out of memory");
    for (unsigned i = 0; i < SLK_MAP_PARTITIONS; i++) {
        size_t size = slk_map_export_size(map, i);

        bytes = realloc(bytes, size);
        if (bytes == NULL)
            die("out of memory");
        start = now_s();
        total += slk_map_export(map, i, bytes, size);
        out += now_s() - start;
        start = now_s();
        if (slk_map_import(copy, i, bytes, size) != SLK_OK)
            die("slk_map_import failed");
        in += now_s() - start;
    }
    free(bytes);
    for (unsigned i = 0; i < 2; i++) {
        start = now_s();
        if (slk_map_rebuild(copy, i == 0 ? two : NULL) != SLK_OK)
            die("slk_map_rebuild failed");
        rebuild[i] = now_s() - start;
    }
    slk_map_root(map, &want);
    slk_map_root(copy, &got);
    if (!slk_hash_equal(&want, &got))
        die("a copy has another root");
    printf("  export %.2f s (%.0f MB), import %.2f s, rebuild %.2f s with 2 threads, then %.2f s with 1; "
           "a copy takes %.1f bytes per credential\n",
        out, (double)total / 1e6, in, rebuild[0], rebuild[1],
        (double)slk_map_memory(copy) / (double)slk_map_count(copy));
    slk_map_free(copy);
}

/* What a block hashes besides: path, old and new record, old and new leaf. */
static void bench_hashing(void)
{
    enum { N = 10000 };
    static uint8_t records[N * SLK_RECORD_SIZE];
    static struct slk_hash hashes[2 * N];
    static struct slk_span spans[N];
    double times[RUNS], nodes[RUNS];

    for (size_t i = 0; i < N; i++)
        spans[i] = slk_span_of(records + i * SLK_RECORD_SIZE, SLK_RECORD_SIZE);
    for (size_t run = 0; run < RUNS; run++) {
        double start = now_s();

        for (unsigned twice = 0; twice < 2; twice++) {
            slk_multihash_spans(hashes, spans, N);
            slk_multihash_equal(hashes, SLK_LEAF_PREFIX, records, 2 * SLK_HASH_SIZE, SLK_RECORD_SIZE, N);
        }
        for (size_t i = 0; i < N; i++)
            spans[i].size = SLK_HANDLE_SIZE;
        slk_multihash_spans(hashes, spans, N);
        times[run] = now_s() - start;
        for (size_t i = 0; i < N; i++)
            spans[i].size = SLK_RECORD_SIZE;
        start = now_s();
        slk_multihash_nodes(hashes, hashes, N);
        nodes[run] = now_s() - start;
    }
    printf("engine %s: a node %.0f ns; path, two records and two leaves %.0f ns\n", slk_multihash_engine(),
        median(nodes, RUNS) / N * 1e9, median(times, RUNS) / N * 1e9);
}

int main(int argc, char **argv)
{
    static const char *const defaults[] = {"1000000", "10000000", "20000000"};
    struct helper helper = {.lock = PTHREAD_MUTEX_INITIALIZER,
        .wake = PTHREAD_COND_INITIALIZER,
        .idle = PTHREAD_COND_INITIALIZER};
    struct slk_par two = {.ctx = &helper, .width = 2, .run = run_two};
    struct slk_map *map = NULL;
    uint64_t count = 0;
    pthread_t thread;

    if (pthread_create(&thread, NULL, helper_main, &helper) != 0)
        die("cannot start a thread");
    updates = calloc(BLOCK_MAX, sizeof(*updates));
    if (updates == NULL || slk_map_new(&map, &options) != SLK_OK)
        die("out of memory");
    bench_hashing();
    for (int i = 0; i < (argc > 1 ? argc - 1 : 3); i++) {
        uint64_t to = strtoull(argc > 1 ? argv[i + 1] : defaults[i], NULL, 10);

        if (to <= count || to > UINT32_MAX)
            die("sizes must ascend");
        rows = realloc(rows, (to + BLOCK_MAX) * sizeof(*rows));
        if (rows == NULL)
            die("out of memory");
        grow_to(map, count, to, NULL);
        count = to;
        bench_blocks(map, count, &two);
        bench_reading(map, count);
        bench_snapshot(map, &two);
        fflush(stdout);
    }
    pthread_mutex_lock(&helper.lock);
    helper.stop = true;
    pthread_cond_broadcast(&helper.wake);
    pthread_mutex_unlock(&helper.lock);
    pthread_join(thread, NULL);
    slk_map_free(map);
    free(updates);
    free(rows);
    return 0;
}
