/* api_health.c: how the node is: status, health, metrics. */
#include <stdlib.h>
#include <string.h>

#include "net/api_private.h"

static const char *const outcome_names[SLK_API_OUTCOMES_N] = {[SLK_NODE_ACCEPTED] = "accepted",
    [SLK_NODE_DUPLICATE] = "duplicate",
    [SLK_NODE_REFUSED] = "refused",
    [SLK_NODE_MALFORMED] = "malformed",
    [SLK_NODE_OVERTAKEN] = "overtaken",
    [SLK_NODE_FULL] = "full",
    [SLK_NODE_BUSY] = "busy",
    [SLK_NODE_OBSERVER] = "observer",
    [SLK_NODE_BEHIND] = "behind",
    [SLK_NODE_STOPPING] = "stopping"};

static void ask(const struct slk_api *api, struct slk_node_status *status)
{
    memset(status, 0, sizeof(*status));
    api->options.backend.status(api->options.backend.ctx, status);
}

void slk_api_get_status(void *ctx, struct slk_http_exchange *x)
{
    const struct slk_api *api = ctx;
    const struct api_reply reply = {200, SLK_API_NO_STORE};
    struct slk_node_status status;

    ask(api, &status);
    slk_api_reply_json(
        x, &reply, slk_api_status(&status, api->options.backend.ledger(api->options.backend.ctx)));
}

/* Members cosign an idle chain's tip again every fresh_s. */
const char *slk_api_ailment(const struct slk_api *api, const struct slk_node_status *status, uint64_t *age_ms)
{
    const struct slk_charter *charter =
        slk_ledger_charter(api->options.backend.ledger(api->options.backend.ctx));
    uint64_t now = slk_api_now_ms(api);

    *age_ms = now > status->cosigned_time_ms ? now - status->cosigned_time_ms : 0;
    if (status->cosigned_time_ms == 0)
        return "no quorum has cosigned a checkpoint yet";
    if (*age_ms > (uint64_t)charter->fresh_s * 2000)
        return "no quorum has cosigned a checkpoint lately";
    if (status->signer_away)
        return "the token with this node's keys does not answer: it signs nothing";
    return status->is_behind ? "the node is catching up" : NULL;
}

void slk_api_get_health(void *ctx, struct slk_http_exchange *x)
{
    const struct slk_api *api = ctx;
    struct api_reply reply = {200, SLK_API_NO_STORE};
    struct slk_node_status status;
    uint64_t age_ms;
    const char *why;
    json_t *value;

    ask(api, &status);
    why = slk_api_ailment(api, &status, &age_ms);
    if (why != NULL)
        reply = (struct api_reply){503, "Retry-After: 5\r\n" SLK_API_NO_STORE};
    value = json_pack("{s:b, s:o}", "healthy", why == NULL, "height", slk_api_number(status.height));
    if (status.cosigned_time_ms > 0)
        json_object_set_new(value, "cosigned_age_ms", slk_api_number(age_ms));
    if (why != NULL)
        json_object_set_new(value, "why", json_string(why));
    slk_api_reply_json(x, &reply, value);
}

/* ---- metrics ---- */

static void family(struct slk_api_text *t, const char *name, const char *type, const char *help)
{
    slk_api_print(t, "# HELP sillok_%s %s\n# TYPE sillok_%s %s\n", name, help, name, type);
}

static void one(struct slk_api_text *t, const char *name, const char *type, const char *help, uint64_t value)
{
    family(t, name, type, help);
    slk_api_print(t, "sillok_%s %llu\n", name, (unsigned long long)value);
}

static void print_node(struct slk_api_text *t, const struct slk_api *api)
{
    struct slk_node_status s;
    uint64_t age_ms;

    ask(api, &s);
    one(t, "height", "gauge", "Height of the last committed block.", s.height);
    one(t, "log_size", "gauge", "Entries of the log.", s.log_size);
    one(t, "events_total", "counter", "Events in the ledger.", s.events_n);
    one(t, "peers", "gauge", "Connected peers.", s.peers_n);
    one(t, "view", "gauge", "View of the height being decided.", s.view);
    one(t, "behind", "gauge", "1: final blocks are known that are not committed here.", s.is_behind);
    one(t, "signer_away", "gauge", "1: the token with this node's keys does not answer.", s.signer_away);
    one(t, "signer_waiting", "gauge", "What waits for signatures of tokens.", s.signer_waiting_n);
    one(t, "signatures_total", "counter", "Signatures made by tokens.", s.signatures_n);
    one(t, "signatures_failed_total", "counter", "Signatures that tokens failed to make.",
        s.signatures_failed_n);
    one(t, "muted", "gauge", "1: this member signs nothing any more.", s.muted);
    one(t, "pool_submissions", "gauge", "Submissions that wait for a block.", s.pool_count);
    one(t, "answers_owed", "gauge", "Submissions whose clients wait.", s.waiting_n);
    one(t, "cosigned_height", "gauge", "Height of the newest checkpoint of a quorum.", s.cosigned_height);
    one(t, "healthy", "gauge", "1: /health says so.", slk_api_ailment(api, &s, &age_ms) == NULL);
    one(t, "cosigned_age_milliseconds", "gauge", "Age of that checkpoint.", age_ms);
    one(t, "blocks_total", "counter", "Blocks committed since the start.", s.blocks_n);
    one(t, "refused_total", "counter", "Submissions that broke a rule.", s.refused_n);
    one(t, "messages_total", "counter", "Messages from peers.", s.messages_n);
    one(t, "malformed_total", "counter", "Messages from peers that are none.", s.malformed_n);
    one(t, "false_receipts_total", "counter", "Receipts of peers with a signature that is not good.",
        s.false_receipts_n);
    one(t, "charged_total", "counter", "Misbehaviour of peers that cost them the connection.", s.charged_n);
    one(t, "evidence_total", "counter", "Contradictions of members that were recorded.", s.evidence_n);
    one(t, "proofs_total", "counter", "Status proofs made.", s.proofs_n);
}

static void print_api(struct slk_api_text *t, const struct slk_api *api)
{
    family(t, "submissions_total", "counter", "Submissions over HTTP, by what became of them.");
    for (size_t i = 0; i < SLK_API_OUTCOMES_N; i++) {
        if (outcome_names[i] != NULL)
            slk_api_print(t, "sillok_submissions_total{outcome=\"%s\"} %llu\n", outcome_names[i],
                (unsigned long long)api->outcomes[i]);
    }
    one(t, "submissions_late_total", "counter", "Clients that were told to ask again.", api->late_n);
    one(t, "http_proofs_total", "counter", "Proofs asked for over HTTP.", api->proofs_n);
    one(t, "http_proofs_failed_total", "counter", "Those that could not be given.", api->proofs_failed_n);
    one(t, "http_crowds_total", "counter", "Prefixes asked for.", api->crowds_n);
    one(t, "http_streams", "gauge", "Streams that are open.", api->streams_n);
}

static void print_answers(struct slk_api_text *t, const struct slk_http_stats *s)
{
    size_t routes_n;
    const struct slk_http_route *routes = slk_api_routes(&routes_n);

    family(t, "http_requests_total", "counter", "Answers by route and status.");
    for (size_t r = 0; r <= SLK_HTTP_ROUTES_MAX; r++) {
        bool known = r < routes_n;

        for (size_t i = 0; i < SLK_HTTP_STATUSES_MAX; i++) {
            if (s->answers[r][i] > 0)
                slk_api_print(t,
                    "sillok_http_requests_total{method=\"%s\",route=\"%s%s\",status=\"%u\"} %llu\n",
                    !known                              ? ""
                    : routes[r].method == SLK_HTTP_POST ? "POST"
                                                        : "GET",
                    known ? routes[r].path : "", known && routes[r].parameter ? "*" : "", s->statuses[i],
                    (unsigned long long)s->answers[r][i]);
        }
    }
}

static void print_http(struct slk_api_text *t, const struct slk_http_stats *s)
{
    print_answers(t, s);
    family(t, "http_refused_total", "counter", "Requests refused and connections ended, by reason.");
    for (unsigned i = 1; i < SLK_HTTP_REASON_N; i++)
        slk_api_print(t, "sillok_http_refused_total{reason=\"%s\"} %llu\n",
            slk_http_reason_name((enum slk_http_reason)i), (unsigned long long)s->reasons[i]);
    one(t, "http_connections_total", "counter", "Connections accepted.", s->connections_n);
    one(t, "http_handshakes_total", "counter", "Handshakes of TLS that began.", s->handshakes_n);
    one(t, "http_connections", "gauge", "Connections that are open.", s->open);
    one(t, "http_idle", "gauge", "Connections between two requests.", s->idle);
    one(t, "http_handling", "gauge", "Requests whose answer is being made.", s->handling);
    one(t, "http_writing", "gauge", "Answers being written.", s->writing);
    one(t, "http_bodies_bytes", "gauge", "Bodies of requests in memory.", s->bodies_bytes);
    one(t, "http_answers_bytes", "gauge", "Answers in memory.", s->answers_bytes);
    one(t, "http_received_bytes_total", "counter", "Bytes received.", s->bytes_in);
    one(t, "http_sent_bytes_total", "counter", "Bytes sent.", s->bytes_out);
}

void slk_api_get_metrics(void *ctx, struct slk_http_exchange *x)
{
    const struct slk_api *api = ctx;
    const struct api_reply reply = {200, SLK_API_NO_STORE};
    struct slk_api_text text = {0};
    struct slk_fault fault = {0};

    print_node(&text, api);
    print_api(&text, api);
    if (api->server != NULL)
        print_http(&text, slk_http_server_stats(api->server));
    if (api->options.metrics != NULL)
        api->options.metrics(api->options.metrics_ctx, &text);
    if (text.broken) {
        free(text.at);
        slk_api_reply_err(x, SLK_E_NOMEM, &fault);
        return;
    }
    slk_api_reply_bytes(x, &reply, "text/plain; version=0.0.4; charset=utf-8",
        slk_span_of(text.at, text.size), (uint8_t *)text.at);
}
