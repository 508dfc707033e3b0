/* signer.c: see signer.h. The lock is never held during a call into a module. */
#include "net/signer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAUSE_MIN_MS = 250, PAUSE_MAX_MS = 2000, HANGS_MS = 5000, END_MS = 2000 };

struct line {
    struct slk_sign_job *first, *last;
};

struct slk_signer {
    pthread_mutex_t lock;
    pthread_cond_t work, end; /* on the monotonic clock */
    pthread_t thread;
    bool has_thread, is_stopping, has_ended;
    void (*wake)(void *ctx);
    void *ctx;
    struct line waiting[SLK_SIGN_KINDS], done;
    size_t receipts_n;
    uint64_t oldest;
    uint64_t started_ms; /* of the call under way; 0: none */
    uint64_t rest_until_ms;
    uint64_t pause_ms;
    struct slk_signer_state state;
};

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t now_ms(void)
{
    return now_us() / 1000;
}

static struct timespec at_ms(uint64_t ms)
{
    return (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
}

/* ---- lines ---- */

static void append(struct line *line, struct slk_sign_job *job)
{
    job->next = NULL;
    if (line->first == NULL)
        line->first = job;
    else
        line->last->next = job;
    line->last = job;
}

static void put_back(struct line *line, struct slk_sign_job *job)
{
    job->next = line->first;
    if (line->first == NULL)
        line->last = job;
    line->first = job;
}

static struct slk_sign_job *take_first(struct line *line)
{
    struct slk_sign_job *job = line->first;

    if (job != NULL)
        line->first = job->next;
    return job;
}

void slk_signer_job_free(struct slk_sign_job *job)
{
    if (job == NULL)
        return;
    for (size_t i = 0; i < job->parts_n; i++)
        slk_key_free(job->part[i].key);
    free(job);
}

static void free_line(struct line *line)
{
    struct slk_sign_job *job;

    while ((job = take_first(line)) != NULL)
        slk_signer_job_free(job);
}

/* ---- one job (locked) ---- */

static void finish(struct slk_signer *s, struct slk_sign_job *job, enum slk_err err)
{
    job->err = err;
    s->receipts_n -= job->kind == SLK_SIGN_RECEIPT;
    s->state.waiting_n--;
    append(&s->done, job);
}

static struct slk_sign_job *choose(struct slk_signer *s)
{
    for (int kind = 0; kind < SLK_SIGN_KINDS; kind++) {
        struct slk_sign_job *job;

        while ((job = take_first(&s->waiting[kind])) != NULL) {
            if (kind == SLK_SIGN_RECEIPT || job->height >= s->oldest)
                return job;
            finish(s, job, SLK_E_RANGE);
        }
    }
    return NULL;
}

static void settle(
    struct slk_signer *s, struct slk_sign_job *job, enum slk_err err, const struct slk_fault *fault)
{
    struct slk_sign_job *receipt;

    s->started_ms = 0;
    s->state.is_away = err != SLK_OK;
    if (err == SLK_OK) {
        s->pause_ms = PAUSE_MIN_MS;
        finish(s, job, SLK_OK);
        return;
    }
    s->state.failed_n++;
    snprintf(
        s->state.why, sizeof(s->state.why), "%s", fault->text[0] != '\0' ? fault->text : slk_err_text(err));
    s->rest_until_ms = now_ms() + s->pause_ms;
    s->pause_ms = 2 * s->pause_ms < PAUSE_MAX_MS ? 2 * s->pause_ms : PAUSE_MAX_MS;
    if (job->kind == SLK_SIGN_RECEIPT)
        finish(s, job, err);
    else
        put_back(&s->waiting[job->kind], job);
    while ((receipt = take_first(&s->waiting[SLK_SIGN_RECEIPT])) != NULL)
        finish(s, receipt, err);
}

/* Unlocks while the token works. */
static void work_on(struct slk_signer *s, struct slk_sign_job *job)
{
    struct slk_fault fault = {0};
    enum slk_err err = SLK_OK;
    uint64_t signed_n = 0, begun_us = now_us();

    s->started_ms = now_ms();
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; err == SLK_OK && i < job->parts_n; i++) {
        struct slk_sign_part *part = &job->part[i];

        if (part->is_signed)
            continue;
        err = slk_key_sign_or_say(part->key, part->sig, part->bytes, part->size, &fault);
        part->is_signed = err == SLK_OK;
        signed_n += part->is_signed;
    }
    pthread_mutex_lock(&s->lock);
    s->state.signed_n += signed_n;
    if (err == SLK_OK)
        slk_histogram_add(&s->state.latency, now_us() - begun_us);
    settle(s, job, err, &fault);
}

bool slk_signer_work(struct slk_signer *s)
{
    struct slk_sign_job *job;

    assert(!s->has_thread);
    pthread_mutex_lock(&s->lock);
    job = choose(s);
    if (job != NULL)
        work_on(s, job);
    pthread_mutex_unlock(&s->lock);
    return job != NULL;
}

/* ---- the thread ---- */

static bool has_work(const struct slk_signer *s)
{
    for (int kind = 0; kind < SLK_SIGN_KINDS; kind++)
        if (s->waiting[kind].first != NULL)
            return true;
    return false;
}

static void *work(void *ctx)
{
    struct slk_signer *s = ctx;
    struct slk_sign_job *job;

    pthread_mutex_lock(&s->lock);
    while (!s->is_stopping) {
        struct timespec until = at_ms(s->rest_until_ms);

        if (!has_work(s)) {
            pthread_cond_wait(&s->work, &s->lock);
            continue;
        }
        if (s->state.is_away && now_ms() < s->rest_until_ms) {
            (void)pthread_cond_timedwait(&s->work, &s->lock, &until);
            continue;
        }
        job = choose(s);
        if (job != NULL)
            work_on(s, job);
        if (s->done.first != NULL && s->wake != NULL && !s->is_stopping)
            s->wake(s->ctx);
    }
    s->has_ended = true;
    pthread_cond_signal(&s->end);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static bool init_conditions(struct slk_signer *s)
{
    pthread_condattr_t attr;
    bool good;

    if (pthread_condattr_init(&attr) != 0)
        return false;
    good = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 &&
           pthread_cond_init(&s->work, &attr) == 0 && pthread_cond_init(&s->end, &attr) == 0;
    pthread_condattr_destroy(&attr);
    return good;
}

enum slk_err slk_signer_new(struct slk_signer **out, bool has_thread, void (*wake)(void *ctx), void *ctx)
{
    struct slk_signer *s = calloc(1, sizeof(*s));

    *out = NULL;
    if (s == NULL)
        return SLK_E_NOMEM;
    s->wake = wake;
    s->ctx = ctx;
    s->pause_ms = PAUSE_MIN_MS;
    s->has_thread = has_thread;
    if (pthread_mutex_init(&s->lock, NULL) != 0 || !init_conditions(s) ||
        (has_thread && pthread_create(&s->thread, NULL, work, s) != 0)) {
        free(s);
        return SLK_E_NOMEM;
    }
    *out = s;
    return SLK_OK;
}

/* False: it hangs. */
static bool stop_thread(struct slk_signer *s)
{
    struct timespec until = at_ms(now_ms() + END_MS);
    bool has_ended;

    pthread_mutex_lock(&s->lock);
    s->is_stopping = true;
    s->wake = NULL;
    pthread_cond_signal(&s->work);
    while (!s->has_ended && pthread_cond_timedwait(&s->end, &s->lock, &until) == 0)
        ;
    has_ended = s->has_ended;
    pthread_mutex_unlock(&s->lock);
    if (has_ended)
        pthread_join(s->thread, NULL);
    else
        pthread_detach(s->thread);
    return has_ended;
}

void slk_signer_hush(struct slk_signer *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    s->wake = NULL;
    pthread_mutex_unlock(&s->lock);
}

bool slk_signer_free(struct slk_signer *s)
{
    if (s == NULL)
        return true;
    if (s->has_thread && !stop_thread(s))
        return false;
    for (int kind = 0; kind < SLK_SIGN_KINDS; kind++)
        free_line(&s->waiting[kind]);
    free_line(&s->done);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->end);
    pthread_mutex_destroy(&s->lock);
    free(s);
    return true;
}

/* ---- from the node's thread ---- */

bool slk_signer_ask(struct slk_signer *s, struct slk_sign_job *job)
{
    bool is_taken;

    assert(job->parts_n > 0 && job->parts_n <= 2);
    pthread_mutex_lock(&s->lock);
    is_taken = job->kind != SLK_SIGN_RECEIPT || (!s->state.is_away && s->receipts_n < SLK_SIGN_RECEIPTS);
    if (is_taken) {
        s->receipts_n += job->kind == SLK_SIGN_RECEIPT;
        s->state.waiting_n++;
        append(&s->waiting[job->kind], job);
        pthread_cond_signal(&s->work);
    }
    pthread_mutex_unlock(&s->lock);
    return is_taken;
}

struct slk_sign_job *slk_signer_take(struct slk_signer *s)
{
    struct slk_sign_job *job;

    pthread_mutex_lock(&s->lock);
    job = take_first(&s->done);
    pthread_mutex_unlock(&s->lock);
    return job;
}

void slk_signer_forget(struct slk_signer *s, uint64_t height)
{
    pthread_mutex_lock(&s->lock);
    s->oldest = height;
    pthread_mutex_unlock(&s->lock);
}

void slk_signer_state(struct slk_signer *s, struct slk_signer_state *out)
{
    uint64_t now = now_ms();

    pthread_mutex_lock(&s->lock);
    *out = s->state;
    if (s->started_ms > 0 && now - s->started_ms >= HANGS_MS) {
        out->is_away = true;
        snprintf(out->why, sizeof(out->why), "a signature has been under way for %llu seconds",
            (unsigned long long)(now - s->started_ms) / 1000);
    }
    pthread_mutex_unlock(&s->lock);
}
