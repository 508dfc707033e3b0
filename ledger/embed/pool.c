#include "ledger/embed/pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct slk_pool {
    struct slk_par par;
    pthread_t threads[SLK_POOL_THREADS_MAX];
    unsigned started; /* threads[1 .. started] run */
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    /* one run at a time */
    uint64_t run_number;
    bool stop;
    void (*job)(void *arg, size_t i);
    void *arg;
    size_t n;
    atomic_size_t next;
    unsigned busy; /* threads still inside the run */
};

struct start {
    struct slk_pool *pool;
    unsigned self;
};

static _Thread_local unsigned self;

unsigned slk_pool_self(void)
{
    return self;
}

static void work_off(struct slk_pool *pool)
{
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);

        if (i >= pool->n)
            return;
        pool->job(pool->arg, i);
    }
}

static void *thread_main(void *arg)
{
    struct start *start = arg;
    struct slk_pool *pool = start->pool;
    uint64_t seen = 0;

    self = start->self;
    free(start);
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (!pool->stop && pool->run_number == seen)
            pthread_cond_wait(&pool->work, &pool->lock);
        if (pool->stop)
            break;
        seen = pool->run_number;
        pthread_mutex_unlock(&pool->lock);
        work_off(pool);
        pthread_mutex_lock(&pool->lock);
        if (--pool->busy == 0)
            pthread_cond_signal(&pool->idle);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void run(void *ctx, void (*job)(void *arg, size_t i), void *arg, size_t n)
{
    struct slk_pool *pool = ctx;

    pthread_mutex_lock(&pool->lock);
    assert(pool->busy == 0);
    pool->job = job;
    pool->arg = arg;
    pool->n = n;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    pool->busy = pool->started;
    pool->run_number++;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);

    work_off(pool);

    pthread_mutex_lock(&pool->lock);
    while (pool->busy > 0)
        pthread_cond_wait(&pool->idle, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

static unsigned core_count(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : n > 8 ? 8 : (unsigned)n;
}

enum slk_err slk_pool_new(struct slk_pool **out, unsigned threads)
{
    struct slk_pool *pool = calloc(1, sizeof(*pool));

    *out = NULL;
    if (pool == NULL)
        return SLK_E_NOMEM;
    if (threads == 0)
        threads = core_count();
    if (threads > SLK_POOL_THREADS_MAX)
        threads = SLK_POOL_THREADS_MAX;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->idle, NULL);
    for (unsigned i = 1; i < threads; i++) {
        struct start *start = malloc(sizeof(*start));

        if (start == NULL)
            break;
        *start = (struct start){.pool = pool, .self = i};
        if (pthread_create(&pool->threads[i], NULL, thread_main, start) != 0) {
            free(start); /* fewer threads are slower, not wrong */
            break;
        }
        pool->started = i;
    }
    pool->par = (struct slk_par){.ctx = pool, .width = pool->started + 1, .run = run};
    *out = pool;
    return SLK_OK;
}

void slk_pool_free(struct slk_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 1; i <= pool->started; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->idle);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

const struct slk_par *slk_pool_par(const struct slk_pool *pool)
{
    return &pool->par;
}

unsigned slk_pool_width(const struct slk_pool *pool)
{
    return pool->par.width;
}
