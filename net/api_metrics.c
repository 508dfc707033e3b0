/* api_metrics.c: GET /metrics, in Prometheus' text format 0.0.4. net/operations/METRICS.md lists every name; a test holds the two together. */
#include <stdio.h>
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

/* ---- forms ---- */

void slk_api_family(struct slk_api_text *t, const char *name, const char *type, const char *help)
{
    slk_api_print(t, "# HELP sillok_%s %s\n# TYPE sillok_%s %s\n", name, help, name, type);
}

void slk_api_one(struct slk_api_text *t, const char *name, const char *type, const char *help, uint64_t value)
{
    slk_api_family(t, name, type, help);
    slk_api_print(t, "sillok_%s %llu\n", name, (unsigned long long)value);
}

void slk_api_seconds(struct slk_api_text *t, const char *name, const char *help, int64_t ms)
{
    uint64_t size = ms < 0 ? (uint64_t)-ms : (uint64_t)ms;

    slk_api_family(t, name, "gauge", help);
    slk_api_print(t, "sillok_%s %s%llu.%03llu\n", name, ms < 0 ? "-" : "", (unsigned long long)size / 1000,
        (unsigned long long)size % 1000);
}

/* Seconds without floats; no zeros at the end, which Prometheus' own libraries do not print either. */
static void print_bound(char out[24], uint32_t us)
{
    size_t n = (size_t)snprintf(out, 24, "%u.%06u", us / 1000000, us % 1000000);

    while (n > 2 && out[n - 1] == '0' && out[n - 2] != '.')
        out[--n] = '\0';
}

void slk_api_histogram(
    struct slk_api_text *t, const char *name, const char *labels, const struct slk_histogram *histogram)
{
    const char *comma = labels[0] != '\0' ? "," : "";
    uint64_t sum = 0;
    char bound[24];

    for (size_t i = 0; i < SLK_HISTOGRAM_N; i++) {
        sum += histogram->n[i];
        print_bound(bound, slk_histogram_bounds_us[i]);
        slk_api_print(
            t, "sillok_%s_bucket{%s%sle=\"%s\"} %llu\n", name, labels, comma, bound, (unsigned long long)sum);
    }
    sum += histogram->n[SLK_HISTOGRAM_N];
    slk_api_print(
        t, "sillok_%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, labels, comma, (unsigned long long)sum);
    if (labels[0] != '\0') {
        slk_api_print(t, "sillok_%s_sum{%s} %llu.%06llu\nsillok_%s_count{%s} %llu\n", name, labels,
            (unsigned long long)histogram->sum_us / 1000000, (unsigned long long)histogram->sum_us % 1000000,
            name, labels, (unsigned long long)sum);
        return;
    }
    slk_api_print(t, "sillok_%s_sum %llu.%06llu\nsillok_%s_count %llu\n", name,
        (unsigned long long)histogram->sum_us / 1000000, (unsigned long long)histogram->sum_us % 1000000,
        name, (unsigned long long)sum);
}

/* ---- metrics ---- */

static void print_alarms(struct slk_api_text *t, const char *alarm)
{
    static const char *const names[] = {"AMNESIA", "DIVERGED", "FORK", "CLOCK", "VIEWS", "KEYS", "STATUS_LIST"};

    slk_api_family(t, "alarm", "gauge", "1: the last alarm that was raised, by name; all 0: none was.");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        slk_api_print(t, "sillok_alarm{alarm=\"%s\"} %d\n", names[i], strcmp(names[i], alarm) == 0);
}

static void print_node(struct slk_api_text *t, const struct slk_api *api)
{
    struct slk_node_status s;
    uint64_t age_ms;

    memset(&s, 0, sizeof(s));
    api->options.backend.status(api->options.backend.ctx, &s);
    slk_api_family(t, "build_info", "gauge", "1; the program's version is a label.");
    slk_api_print(t, "sillok_build_info{version=\"%s\"} 1\n", SLK_VERSION);
    slk_api_one(t, "height", "gauge", "Height of the last committed block.", s.height);
    slk_api_one(t, "log_size", "gauge", "Entries of the log.", s.log_size);
    slk_api_one(t, "events_total", "counter", "Events in the ledger.", s.events_n);
    slk_api_one(t, "peers", "gauge", "Connected peers.", s.peers_n);
    slk_api_one(t, "view", "gauge", "View of the height being decided.", s.view);
    slk_api_one(t, "behind", "gauge", "1: final blocks are known that are not committed here.", s.is_behind);
    slk_api_one(
        t, "signer_away", "gauge", "1: the token with this node's keys does not answer.", s.signer_away);
    slk_api_one(t, "signer_waiting", "gauge", "What waits for signatures of tokens.", s.signer_waiting_n);
    slk_api_one(t, "signatures_total", "counter", "Signatures made by tokens.", s.signatures_n);
    slk_api_one(t, "signatures_failed_total", "counter", "Signatures that tokens failed to make.",
        s.signatures_failed_n);
    slk_api_one(t, "muted", "gauge", "1: this member signs nothing any more.", s.muted);
    slk_api_one(t, "pool_submissions", "gauge", "Submissions that wait for a block.", s.pool_count);
    slk_api_one(t, "answers_owed", "gauge", "Submissions whose clients wait.", s.waiting_n);
    slk_api_one(
        t, "cosigned_height", "gauge", "Height of the newest checkpoint of a quorum.", s.cosigned_height);
    print_alarms(t, s.alarm);
    slk_api_one(t, "tip_time_seconds", "gauge", "Time of the last committed block, in Unix seconds.",
        s.time_ms / 1000);
    slk_api_one(
        t, "claimed_height", "gauge", "The highest height that anybody says to have: a hint.", s.claimed);
    slk_api_one(t, "members", "gauge", "Voting members of the charter in force.", s.members_n);
    slk_api_one(t, "quorum", "gauge", "Members that make a quorum.", s.quorum);
    slk_api_one(t, "voting", "gauge", "1: this node has a vote.", s.has_vote);
    slk_api_one(t, "healthy", "gauge", "1: /health says so.", slk_api_ailment(api, &s, &age_ms) == NULL);
    slk_api_seconds(t, "cosigned_age_seconds", "Age of the quorum's newest word, by this node's clock.",
        s.cosigned_time_ms > 0 ? (int64_t)age_ms : 0);
    slk_api_one(t, "blocks_total", "counter", "Blocks committed since the start.", s.blocks_n);
    slk_api_one(t, "messages_total", "counter", "Messages from peers.", s.messages_n);
    slk_api_one(t, "malformed_total", "counter", "Messages from peers that are none.", s.malformed_n);
    slk_api_one(t, "false_receipts_total", "counter", "Receipts of peers with a signature that is not good.",
        s.false_receipts_n);
    slk_api_one(
        t, "charged_total", "counter", "Misbehaviour of peers that cost them the connection.", s.charged_n);
    slk_api_one(
        t, "evidence_total", "counter", "Contradictions of members that were recorded.", s.evidence_n);
    slk_api_one(t, "proofs_total", "counter", "Status proofs made.", s.proofs_n);
}

static void print_api(struct slk_api_text *t, const struct slk_api *api)
{
    uint64_t histories_n, histories_bytes;

    slk_api_family(t, "submissions_total", "counter", "Submissions over HTTP, by what became of them.");
    for (size_t i = 0; i < SLK_API_OUTCOMES_N; i++) {
        if (outcome_names[i] != NULL)
            slk_api_print(t, "sillok_submissions_total{outcome=\"%s\"} %llu\n", outcome_names[i],
                (unsigned long long)api->outcomes[i]);
    }
    slk_api_one(t, "submissions_late_total", "counter", "Clients that were told to ask again.", api->late_n);
    slk_api_one(t, "http_proofs_total", "counter", "Proofs asked for over HTTP.", api->proofs_n);
    slk_api_one(
        t, "http_proofs_failed_total", "counter", "Those that could not be given.", api->proofs_failed_n);
    slk_api_history_figures(api, &histories_n, &histories_bytes);
    slk_api_one(t, "http_histories", "gauge",
        "Proofs with a long history that are being made, or wait for that.", histories_n);
    slk_api_one(t, "http_histories_bytes", "gauge", "Memory that these hold.", histories_bytes);
    slk_api_one(t, "http_crowds_total", "counter", "Prefixes asked for.", api->crowds_n);
    slk_api_one(t, "http_streams", "gauge", "Streams that are open.", api->streams_n);
}

static void print_lists(struct slk_api_text *t, const struct slk_api *api)
{
    struct slk_api_lists_figures f;
    struct slk_node_status s = {0};

    api->options.backend.status(api->options.backend.ctx, &s);
    slk_api_lists_figures(api, &f);
    slk_api_one(t, "status_lists", "gauge", "1: this node signs status lists.", f.is_on);
    slk_api_one(t, "status_lists_height", "gauge", "Height up to which they follow the ledger; 0: not ready.",
        f.height);
    slk_api_one(t, "status_list_tokens", "gauge", "Signed lists that are kept.", f.tokens_n);
    slk_api_one(t, "status_list_bytes", "gauge", "Memory of these.", f.bytes);
    slk_api_one(t, "status_list_signed_total", "counter", "Lists signed.", f.signed_n);
    slk_api_one(t, "status_list_age_seconds", "gauge", "Age of the list served last, when it was.", f.age_s);
    slk_api_one(t, "status_lists_stated_size", "gauge",
        "Log size of the newest lists that this node made for members to sign.", s.lists_size);
    slk_api_one(t, "status_lists_cosigned_size", "gauge",
        "Log size of the newest lists that a quorum signed.", s.lists_cosigned_size);
    slk_api_one(t, "status_lists_differ_total", "counter",
        "Members' signed words about lists that are not this node's.", s.lists_differ_n);
}

static void print_answers(struct slk_api_text *t, const struct slk_http_stats *s)
{
    size_t routes_n;
    const struct slk_http_route *routes = slk_api_routes(&routes_n);

    slk_api_family(t, "http_requests_total", "counter", "Answers by route and status.");
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

static const char *label_of(char out[128], const struct slk_http_route *route)
{
    snprintf(out, 128, "method=\"%s\",route=\"%s%s\"", route->method == SLK_HTTP_POST ? "POST" : "GET",
        route->path, route->parameter ? "*" : "");
    return out;
}

static void print_latency(struct slk_api_text *t, const struct slk_http_stats *s)
{
    size_t routes_n;
    const struct slk_http_route *routes = slk_api_routes(&routes_n);
    char labels[128];

    slk_api_family(t, "http_request_duration_seconds", "histogram",
        "From a request's last byte to the first of its answer, by route; waiting that the client asked for "
        "included.");
    for (size_t r = 0; r < routes_n; r++)
        if (slk_histogram_count(&s->latency[r]) > 0)
            slk_api_histogram(
                t, "http_request_duration_seconds", label_of(labels, &routes[r]), &s->latency[r]);
}

static void print_http(struct slk_api_text *t, const struct slk_http_stats *s)
{
    print_answers(t, s);
    print_latency(t, s);
    slk_api_family(t, "http_refused_total", "counter", "Requests refused and connections ended, by reason.");
    for (unsigned i = 1; i < SLK_HTTP_REASON_N; i++)
        slk_api_print(t, "sillok_http_refused_total{reason=\"%s\"} %llu\n",
            slk_http_reason_name((enum slk_http_reason)i), (unsigned long long)s->reasons[i]);
    slk_api_one(t, "http_connections_total", "counter", "Connections accepted.", s->connections_n);
    slk_api_one(t, "http_handshakes_total", "counter", "Handshakes of TLS that began.", s->handshakes_n);
    slk_api_one(t, "http_connections", "gauge", "Connections that are open.", s->open);
    slk_api_one(t, "http_idle", "gauge", "Connections between two requests.", s->idle);
    slk_api_one(t, "http_handling", "gauge", "Requests whose answer is being made.", s->handling);
    slk_api_one(t, "http_writing", "gauge", "Answers being written.", s->writing);
    slk_api_one(t, "http_bodies_bytes", "gauge", "Bodies of requests in memory.", s->bodies_bytes);
    slk_api_one(t, "http_answers_bytes", "gauge", "Answers in memory.", s->answers_bytes);
    slk_api_one(t, "http_received_bytes_total", "counter", "Bytes received.", s->bytes_in);
    slk_api_one(t, "http_sent_bytes_total", "counter", "Bytes sent.", s->bytes_out);
}

void slk_api_get_metrics(void *ctx, struct slk_http_exchange *x)
{
    const struct slk_api *api = ctx;
    const struct api_reply reply = {200, SLK_API_NO_STORE};
    struct slk_api_text text = {0};
    struct slk_fault fault = {0};

    print_node(&text, api);
    print_api(&text, api);
    print_lists(&text, api);
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
