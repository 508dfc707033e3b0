#include "ledger/embed/workers.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct slk_workers {
    struct slk_par par;
    pthread_t threads[SLK_WORKERS_MAX];
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
    struct slk_workers *workers;
    unsigned self;
};

static _Thread_local unsigned self;

unsigned slk_workers_self(void)
{
    return self;
}

static void work_off(struct slk_workers *workers)
{
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&workers->next, 1, memory_order_relaxed);

        if (i >= workers->n)
            return;
        workers->job(workers->arg, i);
    }
}

static void *thread_main(void *arg)
{
    struct start *start = arg;
    struct slk_workers *workers = start->workers;
    uint64_t seen = 0;

    self = start->self;
    free(start);
    pthread_mutex_lock(&workers->lock);
    for (;;) {
        while (!workers->stop && workers->run_number == seen)
            pthread_cond_wait(&workers->work, &workers->lock);
        if (workers->stop)
            break;
        seen = workers->run_number;
        pthread_mutex_unlock(&workers->lock);
        work_off(workers);
        pthread_mutex_lock(&workers->lock);
        if (--workers->busy == 0)
            pthread_cond_signal(&workers->idle);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

static void run(void *ctx, void (*job)(void *arg, size_t i), void *arg, size_t n)
{
    struct slk_workers *workers = ctx;

    if (n == 1) { /* waking the others would cost more than they could take over */
        job(arg, 0);
        return;
    }
    pthread_mutex_lock(&workers->lock);
    assert(workers->busy == 0);
    workers->job = job;
    workers->arg = arg;
    workers->n = n;
    atomic_store_explicit(&workers->next, 0, memory_order_relaxed);
    workers->busy = workers->started;
    workers->run_number++;
    pthread_cond_broadcast(&workers->work);
    pthread_mutex_unlock(&workers->lock);

    work_off(workers);

    pthread_mutex_lock(&workers->lock);
    while (workers->busy > 0)
        pthread_cond_wait(&workers->idle, &workers->lock);
    pthread_mutex_unlock(&workers->lock);
}

static unsigned core_count(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : n > 8 ? 8 : (unsigned)n;
}

enum slk_err slk_workers_new(struct slk_workers **out, unsigned threads)
{
    struct slk_workers *workers = calloc(1, sizeof(*workers));

    *out = NULL;
    if (workers == NULL)
        return SLK_E_NOMEM;
    if (threads == 0)
        threads = core_count();
    if (threads > SLK_WORKERS_MAX)
        threads = SLK_WORKERS_MAX;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->work, NULL);
    pthread_cond_init(&workers->idle, NULL);
    for (unsigned i = 1; i < threads; i++) {
        struct start *start = malloc(sizeof(*start));

        if (start == NULL)
            break;
        *start = (struct start){.workers = workers, .self = i};
        if (pthread_create(&workers->threads[i], NULL, thread_main, start) != 0) {
            free(start); /* fewer threads are slower, not wrong */
            break;
        }
        workers->started = i;
    }
    workers->par = (struct slk_par){.ctx = workers, .width = workers->started + 1, .run = run};
    *out = workers;
    return SLK_OK;
}

void slk_workers_free(struct slk_workers *workers)
{
    if (workers == NULL)
        return;
    pthread_mutex_lock(&workers->lock);
    workers->stop = true;
    pthread_cond_broadcast(&workers->work);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 1; i <= workers->started; i++)
        pthread_join(workers->threads[i], NULL);
    pthread_cond_destroy(&workers->idle);
    pthread_cond_destroy(&workers->work);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}

const struct slk_par *slk_workers_par(const struct slk_workers *workers)
{
    return &workers->par;
}

unsigned slk_workers_width(const struct slk_workers *workers)
{
    return workers->par.width;
}
