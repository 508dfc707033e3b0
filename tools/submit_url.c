/* submit_url.c: see submit_url.h. */
#include "tools/submit_url.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ANSWER_MAX      ((size_t)1 << 20) /* the verdicts of 4,096 events, or a proof */
#define DOWN_MS         2000 /* a node that did not answer is left alone for so long, if there are others */
#define EARLY_MS        200 /* what it follows is final elsewhere, and on its way to the node that was asked */
#define EARLY_TRIES     25
#define RESIGN_TRIES    5
#define LINE_ANSWER_MAX ((size_t)64 << 10)

/* A submission without an answer. */
struct flight {
    struct flight *next;
    struct batch *batch;
    uint8_t *bytes;
    size_t size;
    uint64_t not_before_ms, give_up_ms;
    unsigned sent_n, early_n;
    bool in_air;
    bool is_stale; /* to be signed again, when all older ones are answered */
};

struct submit_url {
    struct submit_url_options options;
    struct cli_nodes asking; /* for look-ups: a client of its own */
    struct batcher again;    /* signs again */
    struct flight *flights;  /* by number of the batch */
    size_t flights_n;
    uint64_t newest; /* number of the last one that flew */
    size_t turn;
    uint64_t down_until_ms[HTTP_NODES_MAX], busy_until_ms[HTTP_NODES_MAX];
    bool told_down[HTTP_NODES_MAX];
    char path[64];
    bool is_final; /* an answer means: in the ledger */
    enum slk_err err;
    struct slk_fault fault; /* why everything has to stop */
};

/* ---- flights ---- */

static void flight_free(struct flight *f)
{
    batch_free(f->batch);
    free(f->bytes);
    free(f);
}

static void add_flight(struct submit_url *u, struct flight *f)
{
    struct flight **at = &u->flights;

    while (*at != NULL && (*at)->batch->number <= f->batch->number)
        at = &(*at)->next;
    f->next = *at;
    *at = f;
    u->flights_n++;
    if (f->batch->number > u->newest)
        u->newest = f->batch->number;
}

static void drop_flight(struct submit_url *u, struct flight *f)
{
    struct flight **at = &u->flights;

    while (*at != f) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = f->next;
    u->flights_n--;
    if (u->is_final) /* before, its events are no ledger's yet, and what follows them is not to be looked up there */
        batcher_answered(u->options.batcher, u->flights != NULL ? u->flights->batch->number - 1 : u->newest);
    flight_free(f);
}

static enum slk_err stop(struct submit_url *u, enum slk_err err, const char *url, const char *why)
{
    if (u->err == SLK_OK) {
        u->err = err;
        snprintf(u->fault.text, sizeof(u->fault.text), "%.80s%s%.150s", url, url[0] != '\0' ? ": " : "", why);
    }
    return u->err;
}

static void report(struct submit_url *u, struct flight *f, const struct slk_result *result)
{
    report_result(u->options.report, f->batch, result);
    drop_flight(u, f);
}

/* ---- verdicts ---- */

static enum slk_rule rule_by_name(const char *name)
{
    for (int i = 0; name != NULL && i < SLK_RULE_N; i++)
        if (strcmp(slk_rule_name((enum slk_rule)i), name) == 0)
            return (enum slk_rule)i;
    return SLK_RULE_N; /* a newer node's */
}

/* A refusal in the ledger's own words. `rules` has room for the batch's events. False: it is none. */
static bool read_refusal(struct slk_result *out, const json_t *object, enum slk_rule *rules, size_t events_n)
{
    const json_t *event = json_object_get(object, "event"), *head = json_object_get(object, "head"),
                 *events = json_object_get(object, "events");
    const char *previous = json_string_value(json_object_get(head, "previous"));
    struct slk_verdict *v = &out->verdict;

    *out = (struct slk_result){.outcome = SLK_REFUSED};
    v->rule = rule_by_name(json_string_value(json_object_get(object, "code")));
    v->rule_event = SIZE_MAX;
    if (v->rule == SLK_RULE_N || v->rule == SLK_RULE_OK)
        return false;
    if (json_is_integer(event) && json_integer_value(event) >= 0)
        v->rule_event = (size_t)json_integer_value(event);
    if (head != NULL) {
        v->has_head = true;
        v->head_sequence = (uint64_t)json_integer_value(json_object_get(head, "sequence"));
        if (v->head_sequence > 0 &&
            (previous == NULL || !text_hash_parse(v->head_event_id.b, previous, strlen(previous))))
            return false;
    }
    if (rules != NULL && json_array_size(events) == events_n) {
        v->events = rules;
        for (size_t i = 0; i < events_n; i++)
            rules[i] = rule_by_name(json_string_value(json_array_get(events, i)));
    }
    return true;
}

/* The sequence that the submission's i-th event claims. */
static bool claimed_sequence(const struct flight *f, size_t i, uint64_t *sequence)
{
    struct slk_submission s = {0};
    struct slk_event event;
    bool good = slk_submission_parse(&s, slk_span_of(f->bytes, f->size)) == SLK_OK && i < s.events_n &&
                slk_event_parse(&event, s.event_bytes[i]) == SLK_OK;

    if (good)
        *sequence = event.sequence;
    slk_submission_free(&s);
    return good;
}

/* Did the input leave sequence and previous of this event to us? */
static bool was_left_to_us(const struct submit_url *u, const struct flight *f, size_t i)
{
    const struct batch_event *at = &f->batch->events[i];
    size_t size = at->size;
    struct ndjson_event event;
    struct slk_fault fault;

    while (size > 0 && strchr("\r\n", f->batch->text[at->start + size - 1]) != NULL)
        size--;
    return ndjson_parse(&event, f->batch->text + at->start, size, u->options.charter, &fault) == SLK_OK &&
           event.fill_head;
}

/* What to do about a head that is not the one the event follows. True: it is done, and the answer is none yet. */
static bool try_again(struct submit_url *u, struct flight *f, const struct slk_result *refusal)
{
    const struct slk_verdict *v = &refusal->verdict;
    uint64_t claimed = 0;
    bool older = u->flights != f;

    if ((v->rule != SLK_RULE_SEQUENCE && v->rule != SLK_RULE_PREVIOUS) || f->batch->expect != SLK_RULE_OK)
        return false;
    if (v->has_head && v->rule_event != SIZE_MAX && claimed_sequence(f, v->rule_event, &claimed) &&
        v->head_sequence < claimed && (older || f->early_n < EARLY_TRIES)) {
        f->early_n++;
        f->not_before_ms = cli_tick_ms() + EARLY_MS;
        return true;
    }
    if (f->batch->events_n == 0 || f->batch->signed_again >= RESIGN_TRIES)
        return false;
    if (v->rule_event != SIZE_MAX &&
        (v->rule_event >= f->batch->events_n || !was_left_to_us(u, f, v->rule_event)))
        return false;
    f->is_stale = true;
    return true;
}

static void take_refusal(struct submit_url *u, struct flight *f, const json_t *object, const char *url)
{
    size_t events_n = f->batch->events_n;
    enum slk_rule *rules = events_n > 0 ? calloc(events_n, sizeof(*rules)) : NULL;
    struct slk_result refusal;

    if (events_n > 0 && rules == NULL)
        (void)stop(u, SLK_E_NOMEM, "", slk_err_text(SLK_E_NOMEM));
    else if (!read_refusal(&refusal, object, rules, events_n))
        (void)stop(u, SLK_E_FORMAT, url, "it refuses by a rule that this program does not know");
    else if (!try_again(u, f, &refusal))
        report(u, f, &refusal);
    free(rules);
}

static void take_acceptance(struct submit_url *u, struct flight *f, const json_t *object, unsigned status)
{
    struct slk_result result = {.outcome = SLK_ACCEPTED};

    if (u->is_final && status != 200) { /* it waits there, and we for it: the same question again */
        f->not_before_ms = cli_tick_ms() + EARLY_MS;
        return;
    }
    /* What an earlier asking of ours brought in is not somebody else's. */
    if (json_is_true(json_object_get(object, "duplicate")) && f->sent_n == 1)
        result.outcome = SLK_DUPLICATE;
    result.height = (uint64_t)json_integer_value(json_object_get(object, "height"));
    report(u, f, &result);
}

/* ---- answers ---- */

static void node_failed(struct submit_url *u, struct flight *f, const struct http_answer *answer)
{
    uint64_t now = cli_tick_ms();

    u->down_until_ms[answer->node] = now + DOWN_MS;
    f->not_before_ms = now + (http_nodes_n(u->options.nodes->client) > 1 ? 0 : EARLY_MS);
    if (u->told_down[answer->node])
        return;
    u->told_down[answer->node] = true;
    cli_fail(u->options.cli, 0, "%s: %s: its submissions go to %s",
        http_node_name(u->options.nodes->client, answer->node), answer->error,
        http_nodes_n(u->options.nodes->client) > 1 ? "the other nodes" : "it again");
}

static void node_busy(struct submit_url *u, struct flight *f, const struct http_answer *answer)
{
    uint64_t now = cli_tick_ms(), wait = answer->retry_after_ms > 0 ? answer->retry_after_ms : EARLY_MS;

    u->busy_until_ms[answer->node] = now + wait;
    f->not_before_ms = now + (http_nodes_n(u->options.nodes->client) > 1 ? EARLY_MS : wait);
}

static void take_answer(struct submit_url *u, struct flight *f, const struct http_answer *answer)
{
    const char *url = http_node_name(u->options.nodes->client, answer->node);
    json_t *object = answer->status != 0 ? cli_answer_json(answer) : NULL;
    uint64_t give_up_ms = f->give_up_ms;
    size_t before = u->flights_n;

    f->in_air = false;
    if (answer->status != 0)
        u->told_down[answer->node] = false;
    if (answer->status == 200 || answer->status == 202)
        take_acceptance(u, f, object, answer->status);
    else if (answer->status == 429 || answer->status == 503)
        node_busy(u, f, answer);
    else if ((answer->status == 409 || answer->status == 422) && object != NULL)
        take_refusal(u, f, object, url);
    else if (answer->status == 400 || answer->status == 413)
        (void)stop(u, SLK_E_NOT_CANONICAL, url, answer->error);
    else
        node_failed(u, f, answer);
    if (u->err == SLK_OK && u->flights_n == before && cli_tick_ms() > give_up_ms)
        (void)stop(u, SLK_E_IO, url,
            answer->error[0] != '\0'
                ? answer->error
                : "it has the submission, but no quorum of members makes it final: `sillok status`");
    json_decref(object);
}

/* ---- sending ---- */

/* Whose turn it is: neither down nor busy, if there is such a one. */
static size_t choose_node(struct submit_url *u)
{
    size_t n = http_nodes_n(u->options.nodes->client), best = u->turn % n;
    uint64_t now = cli_tick_ms(), least = UINT64_MAX;

    for (size_t i = 0; i < n; i++) {
        size_t node = (u->turn + i) % n;
        uint64_t until =
            u->down_until_ms[node] > u->busy_until_ms[node] ? u->down_until_ms[node] : u->busy_until_ms[node];

        if (until <= now)
            until = 0;
        if (until < least) {
            least = until;
            best = node;
        }
    }
    u->turn = best + 1;
    return best;
}

static void launch(struct submit_url *u, struct flight *f)
{
    const struct http_request request = {.path = u->path,
        .accept = "application/json",
        .content_type = "application/x-protobuf",
        .body = slk_span_of(f->bytes, f->size),
        .is_post = true,
        .max = ANSWER_MAX};

    if (!http_start(u->options.nodes->client, choose_node(u), &request, f)) {
        (void)stop(
            u, SLK_E_NOMEM, "", "a request could not be made: check --ca, --cert, --cert-key and --pin");
        return;
    }
    f->in_air = true;
    f->sent_n++;
}

/* Its lines once more, with the heads of now. The flight is gone; another has taken its place, unless it failed. */
static void sign_again(struct submit_url *u, struct flight *f)
{
    struct batch *old = f->batch;
    struct slk_fault *fault = &u->fault;
    enum slk_err err = SLK_OK;

    f->batch = calloc(1, sizeof(*f->batch)); /* what drop_flight is to free */
    if (f->batch == NULL) {
        f->batch = old;
        (void)stop(u, SLK_E_NOMEM, "", slk_err_text(SLK_E_NOMEM));
        return;
    }
    f->batch->number = old->number;
    heads_clear(&u->again.heads);
    u->again.batch_events = SLK_SUBMISSION_EVENTS_MAX;
    u->again.sent_n = old->number - 1;
    for (size_t i = 0; err == SLK_OK && i < old->events_n; i++) {
        const struct batch_event *at = &old->events[i];
        size_t size = at->size;
        struct ndjson_event event;

        while (size > 0 && strchr("\r\n", old->text[at->start + size - 1]) != NULL)
            size--;
        err = ndjson_parse(&event, old->text + at->start, size, u->options.charter, fault);
        if (err == SLK_OK)
            err =
                batcher_add(&u->again, &event, at->line, slk_span_of(old->text + at->start, at->size), fault);
    }
    for (size_t i = 0; err == SLK_OK && i < KEYRING_MAX; i++)
        if (u->again.open[i] != NULL)
            u->again.open[i]->signed_again = old->signed_again + 1;
    if (err == SLK_OK)
        err = batcher_flush(&u->again, fault);
    batch_free(old);
    drop_flight(u, f);
    if (err != SLK_OK && u->err == SLK_OK)
        u->err = err;
}

/* Starts whatever may start. Returns how long there is nothing to start, at most a second. */
static uint64_t start_due(struct submit_url *u)
{
    uint64_t now = cli_tick_ms(), soonest = now + 1000;
    uint64_t oldest = u->flights != NULL ? u->flights->batch->number : 0;

    if (u->flights != NULL && u->flights->is_stale) {
        sign_again(u, u->flights);
        return 0;
    }
    for (struct flight *f = u->flights; f != NULL && u->err == SLK_OK; f = f->next) {
        if (f->in_air || f->is_stale || f->batch->after >= oldest)
            continue;
        if (f->not_before_ms <= now)
            launch(u, f);
        else if (f->not_before_ms < soonest)
            soonest = f->not_before_ms;
    }
    return soonest - now;
}

/* Until at most `most` are without an answer. */
static enum slk_err settle(struct submit_url *u, size_t most)
{
    while (u->flights_n > most && u->err == SLK_OK) {
        uint64_t wait = start_due(u);
        struct http_answer answer;
        void *tag;

        if (u->err != SLK_OK || wait == 0)
            continue;
        if (http_next(u->options.nodes->client, wait, &tag, &answer)) {
            take_answer(u, tag, &answer);
            http_answer_clear(&answer);
        } else if (http_in_flight(u->options.nodes->client) == 0) {
            const struct timespec pause = {.tv_nsec = (long)(wait < 100 ? wait : 100) * 1000000};

            (void)nanosleep(&pause, NULL);
        }
    }
    return u->err;
}

static enum slk_err fly(struct submit_url *u, struct batch *batch, struct slk_span submission)
{
    struct flight *f = calloc(1, sizeof(*f));
    uint8_t *bytes = malloc(submission.size > 0 ? submission.size : 1);

    if (f == NULL || bytes == NULL) {
        free(f);
        free(bytes);
        batch_free(batch);
        return stop(u, SLK_E_NOMEM, "", slk_err_text(SLK_E_NOMEM));
    }
    memcpy(bytes, submission.at, submission.size);
    *f = (struct flight){.batch = batch,
        .bytes = bytes,
        .size = submission.size,
        .give_up_ms = cli_tick_ms() + u->options.patience_s * 1000};
    add_flight(u, f);
    return SLK_OK;
}

static enum slk_err send_again(
    void *ctx, struct batch *batch, struct slk_span submission, struct slk_fault *fault)
{
    (void)fault;
    return fly(ctx, batch, submission);
}

enum slk_err submit_url_send(
    void *ctx, struct batch *batch, struct slk_span submission, struct slk_fault *fault)
{
    struct submit_url *u = ctx;
    bool alone = batch->expect !=
                 SLK_RULE_OK; /* its refusal is expected after all that came before, and nothing else */
    enum slk_err err = settle(u, alone ? 0 : u->options.connections - 1);

    if (err == SLK_OK) {
        u->options.report->submissions_n++;
        err = fly(u, batch, submission);
        batch = NULL;
    }
    batch_free(batch);
    if (err == SLK_OK)
        err = settle(u, alone ? 0 : u->options.connections);
    if (err == SLK_OK)
        (void)start_due(u);
    if (u->err != SLK_OK)
        *fault = u->fault;
    return u->err;
}

enum slk_err submit_url_flush(struct submit_url *u, struct slk_fault *fault)
{
    enum slk_err err = settle(u, 0);

    if (err != SLK_OK)
        *fault = u->fault;
    return err;
}

void submit_url_rest(struct submit_url *u)
{
    for (const struct flight *f = u->flights; f != NULL; f = f->next) {
        u->options.report->unsent_n += f->batch->events_n + f->batch->signed_n;
        report_rest(u->options.report, f->batch->text, f->batch->text_n);
    }
    if (u->flights_n > 0)
        cli_fail(u->options.cli, 0,
            "%zu submission%s without an answer may be in the ledger, or come into it: submit them again "
            "with the same "
            "--batch, and they are recognised",
            u->flights_n, u->flights_n == 1 ? "" : "s");
}

/* ---- look-ups ---- */

enum slk_err submit_url_lookup(void *ctx, const uint8_t handle[SLK_HANDLE_SIZE], uint64_t *sequence,
    struct slk_hash *event_id, struct slk_fault *fault)
{
    struct submit_url *u = ctx;
    const struct http_request request = {.path = "/v1/proofs",
        .accept = "application/json",
        .content_type = "application/octet-stream",
        .body = slk_span_of(handle, SLK_HANDLE_SIZE),
        .is_post = true,
        .max = LINE_ANSWER_MAX,
        .patience_ms = u->options.patience_s * 1000};
    struct http_answer answer;
    json_t *object = NULL;
    const json_t *record;
    const char *last;
    bool good;

    *sequence = 0;
    good = http_ask_any(u->asking.client, &request, NULL, NULL, &answer, NULL) && answer.status == 200 &&
           (object = cli_answer_json(&answer)) != NULL;
    record = json_object_get(object, "record");
    last = json_string_value(json_object_get(record, "last_event_id"));
    if (good && record != NULL) {
        *sequence = (uint64_t)json_integer_value(json_object_get(record, "events_n"));
        good = *sequence > 0 && last != NULL && text_hash_parse(event_id->b, last, strlen(last));
    }
    if (!good)
        snprintf(fault->text, sizeof(fault->text), "no node could say where a credential stands%s%.100s",
            answer.error[0] != '\0' ? ": " : "", answer.error);
    json_decref(object);
    http_answer_clear(&answer);
    return good ? SLK_OK : SLK_E_IO;
}

/* ---- the whole ---- */

size_t submit_url_wait(const char *word)
{
    static const char *const waits[SUBMIT_WAITS_N] = {"received", "safe", "final", "proof"};
    size_t i = 0;

    while (i < SUBMIT_WAITS_N && strcmp(waits[i], word) != 0)
        i++;
    return i;
}

static bool begin(struct submit_url *u)
{
    const struct submit_url_options *o = &u->options;
    size_t i = submit_url_wait(o->wait);

    assert(o->connections > 0 && o->connections <= HTTP_IN_FLIGHT_MAX); /* cmd_submit.c's option says so */
    assert(i < SUBMIT_WAITS_N);
    u->is_final = i >= 2;
    snprintf(u->path, sizeof(u->path), "/v1/submissions?wait=%s", o->wait);
    u->asking = *o->nodes;
    u->asking.client = NULL;
    u->asking.variable = NULL;
    u->again.ring = o->batcher->ring;
    u->again.chain_id = o->batcher->chain_id;
    u->again.send = send_again;
    u->again.lookup = submit_url_lookup;
    u->again.ctx = u;
    return (o->nodes->client != NULL || cli_nodes_open(o->cli, o->nodes)) &&
           cli_nodes_open(o->cli, &u->asking) && batcher_init(&u->again) == SLK_OK;
}

struct submit_url *submit_url_new(const struct submit_url_options *options)
{
    struct submit_url *u = calloc(1, sizeof(*u));

    if (u == NULL) {
        cli_fault(options->cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
        return NULL;
    }
    u->options = *options;
    if (begin(u))
        return u;
    submit_url_free(u);
    return NULL;
}

void submit_url_free(struct submit_url *u)
{
    if (u == NULL)
        return;
    cli_nodes_close(u->options.nodes); /* first: its requests borrow what the flights hold */
    cli_nodes_close(&u->asking);
    while (u->flights != NULL) {
        struct flight *f = u->flights;

        u->flights = f->next;
        flight_free(f);
    }
    batcher_clear(&u->again);
    free(u);
}
