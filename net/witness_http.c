/* witness_http.c: see witness_http.h. The lock is never held during a call into libcurl, but for the one that wakes its poll. */
#include "net/witness_http.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { POLL_MS = 60000, CONNECT_MS = 5000, END_MS = 2000 };

/* A place goes FREE -> ASKED -> SENT -> ANSWERED -> FREE: the loop's thread has it first and last, ours between. */
enum phase { FREE, ASKED, SENT, ANSWERED };

struct place {
    enum phase phase;
    char url[SLK_WITNESS_URL_MAX + sizeof("/add-checkpoint")];
    uint8_t *body;
    size_t body_n;
    CURL *curl;
    unsigned status;
    bool is_too_large;
    char type[sizeof(((struct slk_witness_answer *)0)->type)];
    uint8_t *answer; /* SLK_WITNESS_ANSWER_MAX */
    size_t answer_n;
};

struct slk_witness_http {
    pthread_mutex_t lock;
    pthread_cond_t end; /* on the monotonic clock */
    pthread_t thread;
    bool is_stopping, has_ended;
    void (*wake)(void *ctx);
    void *ctx;
    uint32_t timeout_ms;
    char *ca_file;
    CURLM *multi;
    struct curl_slist *fields;
    struct place at[SLK_WITNESSES_MAX];
};

/* ---- one question (of the thread) ---- */

static size_t on_body(char *bytes, size_t one, size_t n, void *ctx)
{
    struct place *p = ctx;
    size_t size = one * n;

    if (size > SLK_WITNESS_ANSWER_MAX - p->answer_n) {
        p->is_too_large = true;
        return 0;
    }
    if (size > 0)
        memcpy(p->answer + p->answer_n, bytes, size);
    p->answer_n += size;
    return size;
}

static bool set_options(const struct slk_witness_http *h, struct place *p)
{
    CURL *c = p->curl;
    long timeout = (long)h->timeout_ms, connect = timeout < CONNECT_MS ? timeout : CONNECT_MS;
    bool good = curl_easy_setopt(c, CURLOPT_URL, p->url) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_USERAGENT, "sillokd/" SLK_VERSION) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, timeout) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, connect) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_WRITEDATA, p) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_PRIVATE, p) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_HTTPHEADER, h->fields) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_POST, 1L) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)p->body_n) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_POSTFIELDS, (const char *)p->body) == CURLE_OK;

    if (good && h->ca_file != NULL)
        good = curl_easy_setopt(c, CURLOPT_CAINFO, h->ca_file) == CURLE_OK;
    return good;
}

static void give_answer(struct slk_witness_http *h, struct place *p)
{
    if (p->curl != NULL)
        curl_easy_cleanup(p->curl); /* its connection stays in the multi's cache */
    p->curl = NULL;
    pthread_mutex_lock(&h->lock);
    p->phase = ANSWERED;
    if (h->wake != NULL)
        h->wake(h->ctx);
    pthread_mutex_unlock(&h->lock);
}

static void send_question(struct slk_witness_http *h, struct place *p)
{
    p->curl = curl_easy_init();
    if (p->curl == NULL || !set_options(h, p) || curl_multi_add_handle(h->multi, p->curl) != CURLM_OK)
        give_answer(h, p); /* status 0: nobody was reached */
}

/* The media type without parameters, in lower case. */
static void copy_type(struct place *p, const char *type)
{
    size_t n = type != NULL ? strcspn(type, "; \t") : 0;

    n = n < sizeof(p->type) ? n : 0;
    for (size_t i = 0; i < n; i++)
        p->type[i] = (char)(type[i] >= 'A' && type[i] <= 'Z' ? type[i] + ('a' - 'A') : type[i]);
    p->type[n] = '\0';
}

static void finish(struct slk_witness_http *h, const CURLMsg *message)
{
    struct place *p = NULL;
    const char *type = NULL;
    long status = 0;

    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&p);
    if (message->data.result == CURLE_OK) {
        curl_easy_getinfo(p->curl, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(p->curl, CURLINFO_CONTENT_TYPE, &type);
    }
    p->status = (unsigned)status;
    copy_type(p, type);
    curl_multi_remove_handle(h->multi, p->curl);
    give_answer(h, p);
}

/* ---- the thread ---- */

/* Those that were asked since; false: it is time to end. */
static bool send_new(struct slk_witness_http *h)
{
    bool goes_on;

    pthread_mutex_lock(&h->lock);
    goes_on = !h->is_stopping;
    for (size_t i = 0; goes_on && i < SLK_WITNESSES_MAX; i++) {
        if (h->at[i].phase != ASKED)
            continue;
        h->at[i].phase = SENT;
        pthread_mutex_unlock(&h->lock);
        send_question(h, &h->at[i]);
        pthread_mutex_lock(&h->lock);
    }
    pthread_mutex_unlock(&h->lock);
    return goes_on;
}

static void drop_all(struct slk_witness_http *h)
{
    for (size_t i = 0; i < SLK_WITNESSES_MAX; i++)
        if (h->at[i].curl != NULL) {
            curl_multi_remove_handle(h->multi, h->at[i].curl); /* waits for a name that is being resolved */
            curl_easy_cleanup(h->at[i].curl);
            h->at[i].curl = NULL;
        }
    curl_multi_cleanup(h->multi);
    h->multi = NULL;
}

static void *work(void *ctx)
{
    struct slk_witness_http *h = ctx;
    const CURLMsg *message;
    int n;

    while (send_new(h)) {
        (void)curl_multi_perform(h->multi, &n);
        while ((message = curl_multi_info_read(h->multi, &n)) != NULL)
            if (message->msg == CURLMSG_DONE)
                finish(h, message);
        (void)curl_multi_poll(
            h->multi, NULL, 0, POLL_MS, NULL); /* or until one of them is due, or ask wakes us */
    }
    drop_all(h);
    pthread_mutex_lock(&h->lock);
    h->has_ended = true;
    pthread_cond_signal(&h->end);
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

/* ---- for the loop ---- */

static void free_parts(struct slk_witness_http *h)
{
    for (size_t i = 0; i < SLK_WITNESSES_MAX; i++) {
        free(h->at[i].body);
        free(h->at[i].answer);
    }
    if (h->multi != NULL)
        curl_multi_cleanup(h->multi);
    curl_slist_free_all(h->fields);
    free(h->ca_file);
    free(h);
    curl_global_cleanup();
}

static bool set_up(struct slk_witness_http *h, const struct slk_witness_http_options *options)
{
    struct curl_slist *more;

    h->multi = curl_multi_init();
    h->fields = curl_slist_append(NULL, "Expect:");
    more = h->fields != NULL ? curl_slist_append(h->fields, "Content-Type: text/plain; charset=utf-8") : NULL;
    if (options->ca_file != NULL)
        h->ca_file = strdup(options->ca_file);
    return h->multi != NULL && more != NULL && (options->ca_file == NULL || h->ca_file != NULL) &&
           curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)SLK_WITNESSES_MAX) == CURLM_OK;
}

static bool start_thread(struct slk_witness_http *h)
{
    pthread_condattr_t attr;
    bool good;

    if (pthread_condattr_init(&attr) != 0)
        return false;
    good = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0 && pthread_cond_init(&h->end, &attr) == 0 &&
           pthread_mutex_init(&h->lock, NULL) == 0 && pthread_create(&h->thread, NULL, work, h) == 0;
    pthread_condattr_destroy(&attr);
    return good;
}

enum slk_err slk_witness_http_new(
    struct slk_witness_http **out, const struct slk_witness_http_options *options, struct slk_fault *fault)
{
    struct slk_witness_http *h;

    *out = NULL;
    if (options->ca_file != NULL && access(options->ca_file, R_OK) != 0) {
        snprintf(fault->text, sizeof(fault->text), "ca_file in [witnesses] cannot be read: %.150s: %s",
            options->ca_file, strerror(errno));
        return SLK_E_IO;
    }
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return SLK_E_NOMEM;
    h = calloc(1, sizeof(*h));
    if (h == NULL) {
        curl_global_cleanup();
        return SLK_E_NOMEM;
    }
    h->wake = options->wake;
    h->ctx = options->ctx;
    h->timeout_ms = options->timeout_ms;
    if (!set_up(h, options) || !start_thread(h)) {
        free_parts(h);
        return SLK_E_NOMEM;
    }
    *out = h;
    return SLK_OK;
}

bool slk_witness_http_ask(struct slk_witness_http *h, size_t i, const char *url, struct slk_span body)
{
    struct place *p = &h->at[i];
    uint8_t *copy = malloc(body.size + 1), *answer = malloc(SLK_WITNESS_ANSWER_MAX);
    bool is_taken;

    assert(i < SLK_WITNESSES_MAX && strlen(url) < SLK_WITNESS_URL_MAX);
    if (copy != NULL)
        memcpy(copy, body.at, body.size);
    pthread_mutex_lock(&h->lock);
    is_taken = copy != NULL && answer != NULL && p->phase == FREE && !h->is_stopping;
    if (is_taken) {
        *p = (struct place){.phase = ASKED, .body = copy, .body_n = body.size, .answer = answer};
        snprintf(p->url, sizeof(p->url), "%s/add-checkpoint", url);
        (void)curl_multi_wakeup(h->multi);
    }
    pthread_mutex_unlock(&h->lock);
    if (!is_taken) {
        free(copy);
        free(answer);
    }
    return is_taken;
}

bool slk_witness_http_take(
    struct slk_witness_http *h, size_t *i, struct slk_witness_answer *answer, uint8_t **body)
{
    struct place *p = NULL;

    pthread_mutex_lock(&h->lock);
    for (*i = 0; *i < SLK_WITNESSES_MAX && p == NULL; (*i)++)
        if (h->at[*i].phase == ANSWERED)
            p = &h->at[*i];
    if (p != NULL) {
        (*i)--;
        *answer = (struct slk_witness_answer){.status = p->status,
            .is_too_large = p->is_too_large,
            .body = slk_span_of(p->answer, p->answer_n)};
        memcpy(answer->type, p->type, sizeof(p->type));
        *body = p->answer;
        free(p->body);
        *p = (struct place){.phase = FREE};
    }
    pthread_mutex_unlock(&h->lock);
    return p != NULL;
}

void slk_witness_http_hush(struct slk_witness_http *h)
{
    if (h == NULL)
        return;
    pthread_mutex_lock(&h->lock);
    h->wake = NULL;
    pthread_mutex_unlock(&h->lock);
}

bool slk_witness_http_free(struct slk_witness_http *h)
{
    struct timespec until;
    bool has_ended;

    if (h == NULL)
        return true;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += END_MS / 1000;
    pthread_mutex_lock(&h->lock);
    h->is_stopping = true;
    h->wake = NULL;
    if (h->multi != NULL)
        (void)curl_multi_wakeup(h->multi);
    while (!h->has_ended && pthread_cond_timedwait(&h->end, &h->lock, &until) == 0)
        ;
    has_ended = h->has_ended;
    pthread_mutex_unlock(&h->lock);
    if (!has_ended) {
        pthread_detach(h->thread);
        return false;
    }
    pthread_join(h->thread, NULL);
    pthread_cond_destroy(&h->end);
    pthread_mutex_destroy(&h->lock);
    free_parts(h);
    return true;
}
