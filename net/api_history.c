/* api_history.c: proofs with a long history: made in steps, one of them in each turn of the loop, so that nobody waits for them longer than
 * for a handler. Two at a time take turns; who comes then waits, and holds what a proof without a history does. Who waits keeps his
 * place among the connections, even if he has left: not many may.
 */
#include <stdlib.h>

#include "net/api_private.h"

#define STEP_EVENTS   SLK_PROVING_AT_ONCE /* read in one step: 0.2 ms, all being in memory */
#define HISTORIES_MAX 64u                 /* being made or waiting: some seconds of work */

struct api_history {
    struct api_history *next;
    struct slk_http_exchange *exchange;
    int type; /* of the answer: slk_api_proof_made */
    struct slk_proving *proving;
    struct slk_span proof; /* malloc'ed, when it is made */
    struct slk_api_proof_text json;
};

static void history_free(struct api_history *h)
{
    slk_proving_free(h->proving);
    free((void *)(uintptr_t)h->proof.at);
    free(h->json.text.at);
    free(h);
}

void slk_api_history_add(
    struct slk_api *api, struct slk_http_exchange *x, int type, struct slk_proving *proving)
{
    struct api_history *h = NULL, **at = &api->histories;
    const struct slk_fault fault = {0};
    size_t n = 0;

    for (; *at != NULL; at = &(*at)->next)
        n++;
    if (n >= HISTORIES_MAX) {
        slk_proving_free(proving);
        slk_api_proof_refused(
            api, x, SLK_HTTP_FULL, "too many long histories are asked for: again in a moment, or without it");
        return;
    }
    h = calloc(1, sizeof(*h));
    if (h == NULL) {
        slk_proving_free(proving);
        slk_api_proof_failed(api, x, SLK_E_NOMEM, &fault);
        return;
    }
    *h = (struct api_history){.exchange = x, .type = type, .proving = proving};
    *at = h;
    if (api->server != NULL)
        slk_http_server_work(api->server);
}

bool slk_api_history_drop(struct slk_api *api, const struct slk_http_exchange *x)
{
    for (struct api_history **at = &api->histories, *h; (h = *at) != NULL; at = &h->next) {
        if (h->exchange != x)
            continue;
        *at = h->next;
        history_free(h);
        return true;
    }
    return false;
}

/* Those whose client has gone, or all. */
static void drop(struct slk_api *api, bool all)
{
    const struct slk_http_answer nothing = {.status = 503};
    struct api_history **at = &api->histories, *h;

    while ((h = *at) != NULL) {
        if (!all && !slk_http_is_gone(h->exchange)) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        slk_http_answer(h->exchange, &nothing); /* only frees it */
        history_free(h);
    }
}

void slk_api_history_free(struct slk_api *api)
{
    drop(api, true);
}

void slk_api_history_figures(const struct slk_api *api, uint64_t *n, uint64_t *bytes)
{
    *n = *bytes = 0;
    for (const struct api_history *h = api->histories; h != NULL; h = h->next) {
        ++*n;
        *bytes += slk_proving_bytes(h->proving) + h->proof.size + h->json.text.size;
    }
}

/* ---- steps ---- */

static enum slk_err prove_on(struct slk_api *api, struct api_history *h, struct slk_fault *fault)
{
    const struct slk_api_backend *backend = &api->options.backend;
    struct slk_view *view;
    uint8_t *proof;
    size_t size;
    enum slk_err err = slk_view_begin(&view, backend->store(backend->ctx)); /* ends with the step: pages that
                                                                              a reader holds make the file grow */

    if (err != SLK_OK)
        return err;
    err = slk_proving_step(h->proving, view, STEP_EVENTS, fault);
    slk_view_end(view);
    if (err == SLK_OK && slk_proving_take(h->proving, &proof, &size))
        h->proof = slk_span_of(proof, size);
    return err;
}

/* True: there is more to do. Else it is answered, and gone. */
static bool go_on(struct slk_api *api, struct api_history *h)
{
    struct slk_fault fault = {0};
    bool is_json = h->type == SLK_API_PROOF_JSON, is_done = false;
    enum slk_err err;

    api->steps_n++;
    if (h->proof.size == 0)
        err = prove_on(api, h, &fault);
    else if (h->json.text.at == NULL)
        err = slk_api_proof_begin(&h->json, h->proof);
    else
        err = slk_api_proof_go_on(&h->json, 4 * STEP_EVENTS); /* from memory, like what is hashed */
    is_done = is_json ? h->json.done : h->proof.size > 0;
    if (err == SLK_OK && !is_done)
        return true;
    if (err != SLK_OK) {
        slk_api_proof_failed(api, h->exchange, err, &fault);
    } else if (is_json) {
        slk_api_proof_made(api, h->exchange, h->type, slk_span_of(h->json.text.at, h->json.text.size));
        h->json.text.at = NULL;
    } else {
        slk_api_proof_made(api, h->exchange, h->type, h->proof);
        h->proof = slk_span_of(NULL, 0);
    }
    history_free(h);
    return false;
}

bool slk_api_work(void *ctx)
{
    struct slk_api *api = ctx;
    struct api_history *first;

    slk_api_answer_ready(api);
    drop(api, false);
    first = api->histories;
    if (first == NULL)
        return api->ready != NULL;
    api->histories = first->next;
    if (go_on(api, first)) { /* behind the second, whose turn it is then */
        struct api_history *second = api->histories;

        first->next = second != NULL ? second->next : NULL;
        if (second != NULL)
            second->next = first;
        else
            api->histories = first;
    }
    return api->histories != NULL || api->ready != NULL;
}
