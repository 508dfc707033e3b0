/* http_client.c: see http_client.h: libcurl's multi interface, driven until the answer that is waited for is there. */
#include "tools/http_client.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_AFTER_MAX_S 30
#define RETRY_LEAST_MS    100

/* One request under way, or waiting to be asked again. */
struct transfer {
    struct transfer *next;
    struct http_client *client;
    CURL *curl;
    struct curl_slist *fields;
    struct http_request request;
    struct http_answer answer;
    size_t cap;
    void *tag;
    char url[2 * HTTP_URL_MAX];
    char curl_error[CURL_ERROR_SIZE];
    uint64_t started_ms, again_ms, give_up_ms; /* again_ms != 0: parked until then */
    uint64_t retry_after_s;
    bool too_large, done;
};

struct http_client {
    CURLM *multi;
    struct http_options options;
    struct transfer *transfers;
    size_t in_flight;
    size_t favourite; /* the node that answered last */
    size_t nodes_n;
    struct http_url nodes[HTTP_NODES_MAX];
};

static uint64_t tick_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void http_answer_clear(struct http_answer *answer)
{
    free(answer->body);
    *answer = (struct http_answer){0};
}

size_t http_nodes_n(const struct http_client *client)
{
    return client->nodes_n;
}

const char *http_node_name(const struct http_client *client, size_t node)
{
    return client->nodes[node].name;
}

size_t http_in_flight(const struct http_client *client)
{
    return client->in_flight;
}

/* ---- what comes in ---- */

static size_t on_body(char *bytes, size_t one, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    struct http_answer *answer = &t->answer;
    size_t size = one * n;

    if (size > t->request.max - answer->size) {
        t->too_large = true;
        return 0;
    }
    if (size + 1 > t->cap - answer->size) {
        size_t cap = t->cap == 0 ? 4096 : t->cap;
        uint8_t *body;

        while (cap - answer->size < size + 1)
            cap *= 2;
        body = realloc(answer->body, cap);
        if (body == NULL)
            return 0;
        answer->body = body;
        t->cap = cap;
    }
    if (size > 0)
        memcpy(answer->body + answer->size, bytes, size);
    answer->size += size;
    answer->body[answer->size] = 0;
    return size;
}

static size_t on_field(char *line, size_t one, size_t n, void *ctx)
{
    static const char name[] = "retry-after:";
    struct transfer *t = ctx;
    size_t size = one * n, i = 0;

    while (i < size && name[i] != '\0' && (line[i] | 0x20) == (name[i] | 0x20))
        i++;
    if (name[i] == '\0')
        t->retry_after_s = http_retry_after(line + i, size - i, RETRY_AFTER_MAX_S);
    return size;
}

/* ---- what goes out ---- */

static bool set_tls(const struct transfer *t)
{
    const struct http_options *o = &t->client->options;
    CURLcode rc = curl_easy_setopt(t->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);

    if (rc == CURLE_OK && o->ca_file != NULL)
        rc = curl_easy_setopt(t->curl, CURLOPT_CAINFO, o->ca_file);
    if (rc == CURLE_OK && o->cert_file != NULL)
        rc = curl_easy_setopt(t->curl, CURLOPT_SSLCERT, o->cert_file);
    if (rc == CURLE_OK && o->key_file != NULL)
        rc = curl_easy_setopt(t->curl, CURLOPT_SSLKEY, o->key_file);
    if (rc == CURLE_OK && o->pin != NULL)
        rc = curl_easy_setopt(t->curl, CURLOPT_PINNEDPUBLICKEY, o->pin);
    return rc == CURLE_OK;
}

static bool set_fields(struct transfer *t)
{
    char line[160];
    struct curl_slist *list = curl_slist_append(NULL, "Expect:"); /* a node reads the body anyhow */

    t->fields = list;
    if (list == NULL)
        return false;
    snprintf(line, sizeof(line), "Accept: %s", t->request.accept != NULL ? t->request.accept : "*/*");
    if (curl_slist_append(list, line) == NULL)
        return false;
    snprintf(line, sizeof(line), "Content-Type: %s",
        t->request.content_type != NULL ? t->request.content_type : "application/octet-stream");
    return !t->request.is_post || curl_slist_append(list, line) != NULL;
}

static bool set_options(struct transfer *t, const struct http_url *node)
{
    uint64_t timeout = t->client->options.timeout_ms != 0 ? t->client->options.timeout_ms : HTTP_TIMEOUT_MS;
    uint64_t connect = timeout < HTTP_CONNECT_MS ? timeout : HTTP_CONNECT_MS;
    CURL *c = t->curl;
    bool good = curl_easy_setopt(c, CURLOPT_URL, t->url) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_USERAGENT, "sillok/" SLK_VERSION) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)timeout) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)connect) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->curl_error) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_WRITEDATA, t) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_field) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_HEADERDATA, t) == CURLE_OK &&
                curl_easy_setopt(c, CURLOPT_PRIVATE, t) == CURLE_OK && set_tls(t) && set_fields(t) &&
                curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->fields) == CURLE_OK;

    if (good && node->socket[0] != '\0')
        good = curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, node->socket) == CURLE_OK;
    if (good && t->request.is_post)
        good =
            curl_easy_setopt(c, CURLOPT_POST, 1L) == CURLE_OK &&
            curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->request.body.size) == CURLE_OK &&
            curl_easy_setopt(c, CURLOPT_POSTFIELDS,
                t->request.body.at != NULL ? (const char *)t->request.body.at : "") == CURLE_OK;
    return good;
}

static void transfer_free(struct transfer *t)
{
    if (t == NULL)
        return;
    if (t->curl != NULL)
        curl_easy_cleanup(t->curl);
    curl_slist_free_all(t->fields);
    free(t->answer.body);
    free(t);
}

bool http_start(struct http_client *client, size_t node, const struct http_request *request, void *tag)
{
    struct transfer *t = client->in_flight < HTTP_IN_FLIGHT_MAX ? calloc(1, sizeof(*t)) : NULL;
    int n;

    if (t == NULL)
        return false;
    t->client = client;
    t->request = *request;
    t->tag = tag;
    t->answer.node = node;
    t->started_ms = tick_ms();
    t->give_up_ms = t->started_ms + request->patience_ms;
    n = snprintf(t->url, sizeof(t->url), "%s%s", client->nodes[node].base, request->path);
    t->curl = curl_easy_init();
    if (n < 0 || (size_t)n >= sizeof(t->url) || t->curl == NULL || !set_options(t, &client->nodes[node]) ||
        curl_multi_add_handle(client->multi, t->curl) != CURLM_OK) {
        transfer_free(t);
        return false;
    }
    t->next = client->transfers;
    client->transfers = t;
    client->in_flight++;
    return true;
}

/* ---- waiting ---- */

/* What the answer says of itself when it is no 2xx: the code and the sentence of a problem document (RFC 9457). */
static void explain(struct http_answer *answer)
{
    json_t *problem = json_loadb((const char *)answer->body, answer->size, 0, NULL);
    const char *code = json_string_value(json_object_get(problem, "code"));
    const char *detail = json_string_value(json_object_get(problem, "detail"));

    if (code != NULL && detail != NULL)
        snprintf(
            answer->error, sizeof(answer->error), "answered %u %.40s: %.220s", answer->status, code, detail);
    else
        snprintf(answer->error, sizeof(answer->error), "answered %u%s", answer->status,
            answer->status == 404 ? ": is this a node?" : "");
    json_decref(problem);
}

static void take_answer(struct transfer *t, CURLcode rc)
{
    struct http_answer *answer = &t->answer;
    const char *type = NULL;
    long status = 0;

    answer->ms = tick_ms() - t->started_ms;
    answer->retry_after_ms = t->retry_after_s * 1000;
    t->done = true;
    if (t->too_large) {
        snprintf(answer->error, sizeof(answer->error),
            "its answer is larger than %zu bytes, which is the most that makes sense", t->request.max);
    } else if (rc != CURLE_OK) {
        snprintf(answer->error, sizeof(answer->error), "%.240s",
            t->curl_error[0] != '\0' ? t->curl_error : curl_easy_strerror(rc));
    } else if (answer->body == NULL && on_body(NULL, 0, 0, t) != 0) {
        abort(); /* nothing to copy cannot fill anything */
    }
    if (answer->error[0] != '\0' || answer->body == NULL) {
        if (answer->error[0] == '\0')
            snprintf(answer->error, sizeof(answer->error), "out of memory");
        free(answer->body);
        answer->body = NULL;
        answer->size = 0;
        t->cap = 0;
        return;
    }
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(t->curl, CURLINFO_CONTENT_TYPE, &type);
    answer->status = (unsigned)status;
    if (type != NULL)
        snprintf(answer->type, sizeof(answer->type), "%.*s", (int)strcspn(type, "; "), type);
    if (status < 200 || status > 299)
        explain(answer);
}

/* Busy or behind, and there is still patience: asked again a while later, over the same connection. */
static bool park(struct transfer *t)
{
    uint64_t now = tick_ms(), wait = t->retry_after_s * 1000;

    if (wait < RETRY_LEAST_MS)
        wait = RETRY_LEAST_MS;
    if ((t->answer.status != 503 && t->answer.status != 429) || now + wait > t->give_up_ms)
        return false;
    t->again_ms = now + wait;
    t->done = false;
    return true;
}

/* Whether anything is done. */
static bool take_messages(struct http_client *client)
{
    CURLMsg *message;
    bool done = false;
    int left;

    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        struct transfer *t = NULL;
        CURLcode rc = message->data.result;

        if (message->msg != CURLMSG_DONE ||
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t) != CURLE_OK)
            continue;
        curl_multi_remove_handle(client->multi, t->curl);
        take_answer(t, rc);
        done = !park(t) || done;
    }
    return done;
}

/* Asks those whose time has come; returns how long nothing has to be done, at most a second. */
static int wake(struct http_client *client)
{
    uint64_t now = tick_ms(), soonest = now + 1000;

    for (struct transfer *t = client->transfers; t != NULL; t = t->next) {
        if (t->again_ms != 0 && t->again_ms <= now) {
            uint8_t *body = t->answer.body;

            t->again_ms = 0;
            t->answer = (struct http_answer){.node = t->answer.node, .body = body};
            t->retry_after_s = 0;
            t->curl_error[0] = '\0';
            if (curl_multi_add_handle(client->multi, t->curl) != CURLM_OK) {
                snprintf(t->answer.error, sizeof(t->answer.error), "out of memory");
                t->done = true;
            }
        } else if (t->again_ms != 0 && t->again_ms < soonest) {
            soonest = t->again_ms;
        }
    }
    return (int)(soonest - now);
}

static struct transfer *take_done(struct http_client *client)
{
    for (struct transfer **at = &client->transfers; *at != NULL; at = &(*at)->next) {
        struct transfer *t = *at;

        if (!t->done)
            continue;
        *at = t->next;
        client->in_flight--;
        return t;
    }
    return NULL;
}

bool http_next(struct http_client *client, uint64_t wait_ms, void **tag, struct http_answer *answer)
{
    uint64_t started = tick_ms();
    struct transfer *t;
    int running;

    *answer = (struct http_answer){0};
    while ((t = take_done(client)) == NULL) {
        uint64_t waited = tick_ms() - started;
        int wait = wake(client);

        if (client->in_flight == 0 || waited >= wait_ms)
            return false;
        if (wait_ms - waited < (uint64_t)wait)
            wait = (int)(wait_ms - waited);
        if (curl_multi_perform(client->multi, &running) != CURLM_OK)
            abort(); /* only misuse makes it fail */
        if (!take_messages(client))
            (void)curl_multi_poll(client->multi, NULL, 0, wait, NULL);
    }
    *tag = t->tag;
    *answer = t->answer;
    t->answer.body = NULL;
    if (answer->status >= 200 && answer->status <= 299)
        client->favourite = answer->node;
    transfer_free(t);
    return true;
}

/* ---- the easy ways ---- */

static void cannot_start(struct http_answer *answer, size_t node)
{
    *answer = (struct http_answer){.node = node};
    snprintf(answer->error, sizeof(answer->error),
        "the request could not be made: check --ca, --cert, --cert-key and --pin");
}

static bool is_2xx(const struct http_answer *answer)
{
    return answer->status >= 200 && answer->status <= 299;
}

bool http_ask(
    struct http_client *client, size_t node, const struct http_request *request, struct http_answer *answer)
{
    void *tag;

    if (!http_start(client, node, request, NULL) || !http_next(client, UINT64_MAX, &tag, answer))
        cannot_start(answer, node);
    return is_2xx(answer);
}

size_t http_ask_all(
    struct http_client *client, const struct http_request *request, struct http_answer *answers)
{
    size_t good = 0;
    struct http_answer answer;
    void *tag;

    for (size_t i = 0; i < client->nodes_n; i++) {
        if (!http_start(client, i, request, NULL))
            cannot_start(&answers[i], i);
    }
    while (http_next(client, UINT64_MAX, &tag, &answer)) {
        answers[answer.node] = answer;
        good += is_2xx(&answer);
    }
    return good;
}

/* The request was understood and there is an answer to it, whoever is asked: 404 may be a node that is behind, 421 one that
 * observes. */
static bool is_final(const struct http_answer *answer)
{
    return is_2xx(answer) || (answer->status >= 400 && answer->status < 500 && answer->status != 404 &&
                                 answer->status != 421 && answer->status != 429);
}

static bool all_round(struct http_client *client, const struct http_request *request, http_good_fn *is_good,
    void *ctx, struct http_answer *answer, char (*failed)[HTTP_ERROR_MAX], bool *busy)
{
    size_t first = client->favourite;

    *busy = false;
    for (size_t i = 0; i < client->nodes_n; i++) {
        size_t node = (first + i) % client->nodes_n;
        struct http_answer one;

        (void)http_ask(client, node, request, &one);
        if (is_good != NULL ? is_good(ctx, &one) : is_final(&one)) {
            client->favourite = node;
            *answer = one;
            return true;
        }
        *busy = *busy || one.status == 503 || one.status == 429;
        if (failed != NULL)
            memcpy(failed[node], one.error, HTTP_ERROR_MAX);
        free(one.body);
    }
    return false;
}

bool http_ask_any(struct http_client *client, const struct http_request *request, http_good_fn *is_good,
    void *ctx, struct http_answer *answer, char (*failed)[HTTP_ERROR_MAX])
{
    struct http_request once = *request;
    uint64_t give_up = tick_ms() + request->patience_ms;
    const struct timespec pause = {.tv_nsec = 500 * 1000 * 1000};
    bool busy;

    once.patience_ms = 0;
    *answer = (struct http_answer){0};
    while (!all_round(client, &once, is_good, ctx, answer, failed, &busy)) {
        if (!busy || tick_ms() >= give_up)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

/* ---- the client itself ---- */

bool http_client_new(struct http_client **out, const struct http_options *options, const char *const *urls,
    size_t n, struct slk_fault *fault)
{
    struct http_client *client = calloc(1, sizeof(*client));
    bool good = client != NULL && curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;

    *out = NULL;
    if (!good || n == 0 || n > HTTP_NODES_MAX ||
        (options->cert_file == NULL) != (options->key_file == NULL)) {
        snprintf(fault->text, sizeof(fault->text), "%s",
            !good                          ? "out of memory"
            : n == 0 || n > HTTP_NODES_MAX ? "name 1 to 64 nodes"
                                           : "give both --cert and --cert-key, or neither");
        free(client);
        return false;
    }
    client->options = *options;
    client->nodes_n = n;
    for (size_t i = 0; good && i < n; i++)
        good = http_url_parse(&client->nodes[i], urls[i], fault);
    client->multi = good ? curl_multi_init() : NULL;
    if (client->multi == NULL) {
        if (good)
            snprintf(fault->text, sizeof(fault->text), "out of memory");
        free(client);
        return false;
    }
    *out = client;
    return true;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    while (client->transfers != NULL) {
        struct transfer *t = client->transfers;

        client->transfers = t->next;
        if (!t->done && t->again_ms == 0)
            curl_multi_remove_handle(client->multi, t->curl);
        transfer_free(t);
    }
    curl_multi_cleanup(client->multi);
    free(client);
    curl_global_cleanup();
}
