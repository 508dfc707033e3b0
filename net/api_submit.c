/* api_submit.c: submissions and charter changes: what comes in. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/api_private.h"

/* ---- waiting clients ---- */

static struct api_wait *wait_new(struct slk_api *api, struct slk_http_exchange *exchange)
{
    struct api_wait *wait = calloc(1, sizeof(*wait));

    if (wait == NULL)
        return NULL;
    wait->api = api;
    wait->exchange = exchange;
    wait->next = api->waits;
    if (api->waits != NULL)
        api->waits->prev = wait;
    api->waits = wait;
    slk_http_set_user(exchange, wait);
    return wait;
}

static void wait_free(struct api_wait *wait)
{
    if (wait->prev != NULL)
        wait->prev->next = wait->next;
    else
        wait->api->waits = wait->next;
    if (wait->next != NULL)
        wait->next->prev = wait->prev;
    free(wait);
}

/* The name of a submission, which the client is told when the time to wait is over before the node has answered. */
static void name_it(struct api_wait *wait, struct slk_span bytes)
{
    struct slk_submission s = {0};
    uint8_t statement[SLK_SUBMIT_STATEMENT_SIZE];
    struct slk_hash *ids = NULL;
    struct slk_event event;

    if (slk_submission_parse(&s, bytes) == SLK_OK)
        ids = malloc(s.events_n * sizeof(*ids));
    if (ids != NULL) {
        for (size_t i = 0; i < s.events_n; i++)
            slk_event_id(&ids[i], s.event_bytes[i]);
        slk_submission_statement(statement, &wait->api->chain_id, ids, s.events_n);
        slk_hash_bytes(&wait->id, statement, sizeof(statement));
        wait->events_n = s.events_n;
        if (s.events_n == 1 && slk_event_parse(&event, s.event_bytes[0]) == SLK_OK)
            memcpy(wait->handle, event.credential, SLK_HANDLE_SIZE);
    }
    free(ids);
    slk_submission_free(&s);
}

/* ---- answers ---- */

/* Without a history that takes steps: all who wait for one block are answered in one turn of the loop. */
static enum slk_err prove_at_once(const struct slk_api_backend *backend,
    const uint8_t handle[SLK_HANDLE_SIZE], uint8_t **proof, size_t *size)
{
    struct slk_proving *proving;
    struct slk_fault fault = {0};
    enum slk_err err = backend->prove_begin(backend->ctx, handle, true, SLK_TEXT, &proving, &fault);
    bool is_made = err == SLK_OK && slk_proving_take(proving, proof, size);

    slk_proving_free(proving);
    if (is_made || (err != SLK_OK && err != SLK_E_TOO_LARGE))
        return err;
    return backend->prove(backend->ctx, handle, false, SLK_TEXT, proof, size, &fault);
}

/* What a client asked for that waits for a proof: the checkpoint, and for a single event the proof of its credential. */
static void add_proof(const struct api_wait *wait, json_t *value)
{
    const struct slk_api_backend *backend = &wait->api->options.backend;
    struct slk_span note = backend->checkpoint(backend->ctx);
    uint8_t *proof = NULL;
    size_t size = 0;

    if (note.size > 0)
        json_object_set_new(value, "checkpoint", json_stringn((const char *)note.at, note.size));
    if (wait->events_n == 1 && prove_at_once(backend, wait->handle, &proof, &size) == SLK_OK)
        json_object_set_new(value, "proof", json_stringn((const char *)proof, size));
    free(proof);
}

#define RETRY_MAX 128

static void retry_field(char out[RETRY_MAX], uint32_t retry_ms)
{
    snprintf(out, RETRY_MAX, "Retry-After: %u\r\n" SLK_API_NO_STORE, retry_ms / 1000 + 1);
}

static void reply_retry(
    struct slk_http_exchange *x, unsigned status, uint32_t retry_ms, const char *code, const char *detail)
{
    char fields[RETRY_MAX];
    const struct api_reply reply = {status, fields};

    retry_field(fields, retry_ms);
    slk_api_reply_problem(x, &reply, code, detail);
}

static void reply_malformed(struct slk_http_exchange *x, enum slk_err err, const char *detail)
{
    const struct api_reply reply = {400, SLK_API_NO_STORE};

    slk_api_reply_problem(x, &reply, slk_err_name(err), detail != NULL ? detail : slk_err_text(err));
}

static void reply_good(
    const struct api_wait *wait, struct slk_http_exchange *x, const struct slk_node_answer *a)
{
    const struct api_reply reply = {a->stage >= SLK_STAGE_FINAL ? 200 : 202, SLK_API_NO_STORE};
    json_t *value = slk_api_answer(a);

    if (value != NULL && wait->wants_proof && a->stage >= SLK_STAGE_FINAL)
        add_proof(wait, value);
    slk_api_reply_json(x, &reply, value);
}

static void reply_refused(struct slk_http_exchange *x, const struct slk_node_answer *a)
{
    bool stale = a->verdict.rule == SLK_RULE_SEQUENCE || a->verdict.rule == SLK_RULE_PREVIOUS;
    const struct api_reply reply = {stale || a->outcome == SLK_NODE_OVERTAKEN ? 409 : 422, SLK_API_NO_STORE};

    slk_api_reply_json(x, &reply, slk_api_answer(a));
}

/* Not now and not later: the client has to know who else there is. */
static void reply_observer(const struct api_wait *wait, struct slk_http_exchange *x)
{
    const struct slk_api_backend *backend = &wait->api->options.backend;
    const struct slk_charter *charter = slk_ledger_charter(backend->ledger(backend->ctx));
    const struct api_reply reply = {421, SLK_API_NO_STORE};
    char detail[400];
    int n = snprintf(
        detail, sizeof(detail), "this node has no vote and takes no submissions: submit to a node of");
    bool is_first = true;

    for (size_t i = 0; i < charter->members_n && n > 0 && (size_t)n < sizeof(detail); i++) {
        const struct slk_member *m = &charter->members[i];

        if (m->role != SLK_VOTING)
            continue;
        n += snprintf(detail + n, sizeof(detail) - (size_t)n, "%s agency %u (%.40s)", is_first ? "" : ",",
            m->agency, m->name);
        is_first = false;
    }
    slk_api_reply_problem(x, &reply, "OBSERVER", detail);
}

static void answered(void *ctx, const struct slk_node_answer *a)
{
    struct api_wait *wait = ctx;
    struct slk_http_exchange *x = wait->exchange;

    wait->api->outcomes[a->outcome]++;
    switch (a->outcome) {
    case SLK_NODE_ACCEPTED:
    case SLK_NODE_DUPLICATE:
        reply_good(wait, x, a);
        break;
    case SLK_NODE_REFUSED:
    case SLK_NODE_OVERTAKEN:
        reply_refused(x, a);
        break;
    case SLK_NODE_MALFORMED:
        reply_malformed(x, a->err, NULL);
        break;
    case SLK_NODE_FULL:
        reply_retry(x, 429, a->retry_ms, "FULL",
            "the agency's share of the pool is used up: again after the next block");
        break;
    case SLK_NODE_BUSY:
        reply_retry(x, 503, a->retry_ms, "BUSY", "this node has too much on its hands: again a little later");
        break;
    case SLK_NODE_OBSERVER:
        reply_observer(wait, x);
        break;
    case SLK_NODE_BEHIND:
        reply_retry(
            x, 503, a->retry_ms, "BEHIND", "this node is catching up: again later, or at another node");
        break;
    case SLK_NODE_STOPPING:
        reply_retry(x, 503, a->retry_ms, "STOPPING",
            "this node is being stopped: ask another whether the submission is final");
        break;
    }
    wait_free(wait);
}

/* ---- handlers ---- */

static bool read_stage(struct slk_http_exchange *x, enum slk_node_stage *stage)
{
    static const struct {
        const char *name;
        enum slk_node_stage stage;
    } names[] = {{"received", SLK_STAGE_RECEIVED}, {"safe", SLK_STAGE_SAFE}, {"final", SLK_STAGE_FINAL},
        {"proof", SLK_STAGE_COSIGNED}};
    struct slk_span wait;

    *stage = SLK_STAGE_RECEIVED;
    if (!slk_http_query(slk_http_request(x), "wait", &wait))
        return true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (slk_span_equal(wait, slk_span_of(names[i].name, strlen(names[i].name)))) {
            *stage = names[i].stage;
            return true;
        }
    }
    return false;
}

/* The canonical bytes of the body; *owned is to be freed. False: refused already. */
static bool read_body(struct slk_http_exchange *x, struct slk_span *bytes, uint8_t **owned)
{
    struct slk_span type = {0};
    struct slk_fault fault = {0};
    enum slk_err err;

    *owned = NULL;
    *bytes = slk_http_body(x);
    (void)slk_http_field(slk_http_request(x), "content-type", &type);
    if (!slk_http_media_is(type, "application/json"))
        return true;
    err = slk_api_submission_parse(owned, &bytes->size, *bytes, &fault);
    bytes->at = *owned;
    if (err == SLK_OK)
        return true;
    if (err == SLK_E_NOMEM)
        slk_api_reply_err(x, err, &fault);
    else
        reply_malformed(x, err, fault.text);
    return false;
}

void slk_api_submit(void *ctx, struct slk_http_exchange *x)
{
    struct slk_api *api = ctx;
    enum slk_node_stage stage;
    struct slk_span bytes;
    struct api_wait *wait;
    uint8_t *owned;

    if (!read_stage(x, &stage)) {
        slk_http_refuse(x, SLK_HTTP_BAD_REQUEST, "wait must be received, safe, final or proof");
        return;
    }
    if (!read_body(x, &bytes, &owned))
        return;
    wait = wait_new(api, x);
    if (wait == NULL) {
        const struct slk_fault fault = {0};

        free(owned);
        slk_api_reply_err(x, SLK_E_NOMEM, &fault);
        return;
    }
    wait->wants_proof = stage == SLK_STAGE_COSIGNED;
    if (stage > SLK_STAGE_RECEIVED)
        name_it(wait, bytes);
    wait->ticket = api->options.backend.submit(api->options.backend.ctx, bytes, stage, answered, wait);
    free(owned);
    if (wait->ticket == 0) { /* nobody will call back */
        wait_free(wait);
        reply_retry(x, 503, 1000, "BUSY", "too many clients wait for an answer here: submit again");
    }
}

/* The client has waited long enough: it is told how far it is and can ask again by the id. */
void slk_api_submit_late(void *ctx, struct slk_http_exchange *x)
{
    static const struct slk_hash nothing;
    struct slk_api *api = ctx;
    const struct slk_api_backend *backend = &api->options.backend;
    const struct api_reply reply = {202, SLK_API_NO_STORE};
    struct api_wait *wait = slk_http_user(x);
    struct slk_hash id = wait->id;
    size_t events_n = wait->events_n;

    api->late_n++;
    backend->forget(backend->ctx, wait->ticket);
    wait_free(wait);
    if (slk_hash_equal(&id, &nothing))
        reply_retry(
            x, 503, 1000, "BUSY", "the node did not answer in time: submit again, it is the same submission");
    else
        slk_api_reply_json(x, &reply,
            json_pack("{s:s, s:o, s:o}", "state", "waiting", "id", slk_api_hash(&id), "events_n",
                slk_api_number(events_n)));
}

void slk_api_submission(void *ctx, struct slk_http_exchange *x)
{
    const struct slk_api_backend *backend = &((struct slk_api *)ctx)->options.backend;
    const struct api_reply reply = {200, SLK_API_NO_STORE};
    struct slk_span text = slk_http_parameter(x);
    struct slk_hash id;
    uint64_t height = 0, first_index = 0;

    if (!slk_hex_parse(id.b, SLK_HASH_SIZE, (const char *)text.at, text.size)) {
        slk_http_refuse(x, SLK_HTTP_BAD_REQUEST, "an id is 64 hexadecimal digits in lower case");
        return;
    }
    switch (backend->find(backend->ctx, &id, &height, &first_index)) {
    case SLK_NODE_UNKNOWN:
        slk_http_refuse(x, SLK_HTTP_NOT_FOUND,
            "not waiting here, and not among those that became final lately: submit it again");
        return;
    case SLK_NODE_WAITING:
        slk_api_reply_json(x, &reply, json_pack("{s:s, s:o}", "state", "waiting", "id", slk_api_hash(&id)));
        return;
    case SLK_NODE_FINAL:
        slk_api_reply_json(x, &reply,
            json_pack("{s:s, s:o, s:o, s:o}", "state", "final", "id", slk_api_hash(&id), "height",
                slk_api_number(height), "first_index", slk_api_number(first_index)));
        return;
    }
    abort();
}

void slk_api_change(void *ctx, struct slk_http_exchange *x)
{
    const struct slk_api_backend *backend = &((struct slk_api *)ctx)->options.backend;
    const struct api_reply accepted = {202, SLK_API_NO_STORE}, refused = {422, SLK_API_NO_STORE};
    struct slk_fault fault = {0};
    enum slk_change_rule rule = backend->change(backend->ctx, slk_http_body(x), &fault);

    if (rule == SLK_CHANGE_OK)
        slk_api_reply_json(x, &accepted, json_pack("{s:s}", "state", "offered"));
    else
        slk_api_reply_problem(x, &refused, slk_change_rule_name(rule),
            fault.text[0] != '\0' ? fault.text : slk_change_rule_text(rule));
}
