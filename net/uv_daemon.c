/* uv_daemon.c: see daemon.h. Everything happens on the loop's thread. Before each wait for events the node does what is due
 * (slk_node_run) and says when it wants to be called again. */
#include "net/daemon.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "ledger/core/bft.h"
#include "net/api.h"
#include "net/daemon_metrics.h"
#include "net/node.h"
#include "net/notify.h"
#include "net/peers.h"
#include "net/tls_web.h"
#include "net/status_token.h"
#include "net/witnesses.h"

enum { SIGNALS = 3 };
/* A key, and behind it the one of a charter to come. */
enum { NODE_KEY, VOTE_KEY = 2, LOG_KEY = 4, COSIGN_KEY = 6, KEYS_N = 8 };

struct keys {
    struct slk_key *at[KEYS_N];
};

struct daemon {
    struct slk_config config;
    const char *file;
    const struct slk_daemon_between *between; /* NULL in sillokd */
    struct slk_logger log;
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_timer_t wake, watchdog;
    uv_signal_t signals[SIGNALS];
    uv_async_t signatures; /* there are some: the loop turns */
    struct keys keys;
    struct slk_key *list_key;
    struct slk_signer *signer;
    struct slk_node *node;
    struct slk_mesh *mesh;
    struct slk_api *api;
    struct slk_http_server *http;
    struct slk_witnesses *witnesses;
    bool http_stopped, mesh_started, mesh_stopped;
    bool is_stopping;
    uint64_t charter_turns; /* of the charters by which the mesh knows its peers */
    bool is_renumbering;
    uint64_t started_s;
    struct slk_mesh_peer peers[SLK_MESH_PEERS_MAX];
    int code;
};

static uint64_t now_ms(void *ctx)
{
    (void)ctx;
    return uv_hrtime() / 1000000;
}

static uint64_t wall_ms(void *ctx)
{
    struct timespec now;

    (void)ctx;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int refuse(struct daemon *d, const char *what, enum slk_err err, const struct slk_fault *fault)
{
    SLK_SAY(&d->log, SLK_SAY_ERROR, "cannot_start", SLK_SAY_TEXT("what", what),
        SLK_SAY_TEXT("code", slk_err_name(err)),
        SLK_SAY_TEXT("why", fault->text[0] != '\0' ? fault->text : slk_err_text(err)));
    return err == SLK_E_SIGNER ? 1 : 2; /* 1: the service manager tries again, until the token is there */
}

/* ---- stopping ---- */

static void close_handle(uv_handle_t *handle, void *ctx)
{
    (void)ctx;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void finish_if_stopped(struct daemon *d)
{
    if (!d->http_stopped || !d->mesh_stopped)
        return;
    slk_signer_hush(d->signer);            /* it wakes the loop no more */
    slk_witnesses_hush(d->witnesses);      /* nor they */
    uv_walk(&d->loop, close_handle, NULL); /* the loop ends when they are closed */
}

static void stop_mesh(struct daemon *d)
{
    if (d->mesh == NULL)
        d->mesh_stopped = true;
    else if (!d->mesh_stopped)
        slk_mesh_stop(d->mesh);
    finish_if_stopped(d);
}

static void on_mesh_stopped(void *ctx)
{
    struct daemon *d = ctx;

    d->mesh_stopped = true;
    finish_if_stopped(d);
}

static void on_http_stopped(void *ctx)
{
    struct daemon *d = ctx;

    d->http_stopped = true;
    stop_mesh(d);
}

/* Clients first: what they wait for needs the other nodes. */
static void stop(struct daemon *d, int code)
{
    if (d->is_stopping) { /* asked twice: nobody is waited for */
        if (d->http != NULL && !d->http_stopped)
            slk_http_server_stop(d->http, on_http_stopped, d);
        stop_mesh(d);
        return;
    }
    d->is_stopping = true;
    d->code = code;
    (void)slk_notify("STOPPING=1");
    SLK_SAY(&d->log, SLK_SAY_INFO, "stopping", SLK_SAY_END);
    if (d->http != NULL) { /* also when it could not listen: its clock runs */
        slk_http_server_stop(d->http, on_http_stopped, d);
    } else {
        d->http_stopped = true;
        stop_mesh(d);
    }
}

/* ---- peers ---- */

static const struct slk_charter *charter_now(struct daemon *d)
{
    return slk_ledger_charter(slk_node_ledger(d->node));
}

static uint16_t own_index(const struct daemon *d, const struct slk_charter *charter)
{
    return slk_node_index(charter, (uint16_t)d->config.agency);
}

/* Guests have the last of the node's numbers; mesh and node count them differently. */
static uint16_t number_in_node(uint16_t peer)
{
    return peer >= SLK_MESH_GUEST && peer < SLK_MESH_GUEST + SLK_MESH_GUESTS_MAX
               ? (uint16_t)(SLK_BFT_PEERS - 1 - (peer - SLK_MESH_GUEST))
               : peer;
}

static uint16_t number_in_mesh(const struct daemon *d, uint16_t peer)
{
    return peer + d->config.guests >= SLK_BFT_PEERS && peer < SLK_BFT_PEERS
               ? (uint16_t)(SLK_MESH_GUEST + SLK_BFT_PEERS - 1 - peer)
               : peer;
}

static size_t list_peers(struct daemon *d)
{
    uint64_t activation;
    struct slk_ledger *ledger = slk_node_ledger(d->node);

    return slk_peers_list(d->peers, &d->config, slk_ledger_charter(ledger),
        slk_ledger_pending(ledger, &activation), (uint16_t)(SLK_BFT_PEERS - d->config.guests));
}

/* The one that the charter names; else the present one, which others may know better than this node does. */
static const struct slk_key *own_node_key(struct daemon *d)
{
    const struct slk_member *me = slk_charter_member(charter_now(d), (uint16_t)d->config.agency);

    for (size_t i = NODE_KEY; me != NULL && i < NODE_KEY + 2; i++)
        if (d->keys.at[i] != NULL && memcmp(slk_key_public(d->keys.at[i]), me->node_key, SLK_KEY_SIZE) == 0)
            return d->keys.at[i];
    if (me != NULL)
        SLK_SAY(&d->log, SLK_SAY_WARN, "key_missing", SLK_SAY_TEXT("key", "node_key"),
            SLK_SAY_NUMBER("charter", charter_now(d)->version),
            SLK_SAY_TEXT("why", "the charter in force names another node key for this agency: nodes under it "
                                "refuse this one"));
    else
        SLK_SAY(&d->log, SLK_SAY_INFO, "not_a_member", SLK_SAY_NUMBER("charter", charter_now(d)->version),
            SLK_SAY_TEXT(
                "why", "the charter in force does not name this agency: the node follows the chain"));
    return d->keys.at[NODE_KEY];
}

/* The node forgets all peers and is told anew who is up: their numbers may have changed places. */
static void set_peers(struct daemon *d)
{
    const struct slk_charter *charter = charter_now(d);
    size_t n = list_peers(d);
    enum slk_err err;

    d->is_renumbering = true;
    err = slk_mesh_set_key(d->mesh, own_node_key(d));
    if (err == SLK_OK)
        err = slk_mesh_set_peers(d->mesh, own_index(d, charter), d->peers, n, &charter->hash);
    d->is_renumbering = false;
    if (err != SLK_OK)
        SLK_SAY(&d->log, SLK_SAY_ERROR, "peers", SLK_SAY_TEXT("why", slk_err_text(err)));
    for (uint16_t i = 0; i < SLK_BFT_PEERS; i++)
        slk_node_peer_down(d->node, i);
    for (uint16_t i = 0; i < SLK_BFT_PEERS; i++)
        if (slk_mesh_is_up(d->mesh, number_in_mesh(d, i)))
            slk_node_peer_up(d->node, i);
}

/* With another charter peers have other numbers: from the very next message on. One that waits brings new ones. */
static void follow_charter(struct daemon *d)
{
    const struct slk_charter *pending;
    uint64_t activation = 0;

    if (d->mesh == NULL || d->charter_turns == slk_node_charter_turns(d->node))
        return;
    d->charter_turns = slk_node_charter_turns(d->node);
    pending = slk_ledger_pending(slk_node_ledger(d->node), &activation);
    SLK_SAY(&d->log, SLK_SAY_INFO, "charter", SLK_SAY_NUMBER("version", charter_now(d)->version),
        SLK_SAY_NUMBER("members", charter_now(d)->members_n),
        SLK_SAY_NUMBER("next_from", pending != NULL ? activation : 0));
    set_peers(d);
}

/* ---- the mesh ---- */

static void on_up(void *ctx, uint16_t peer, const struct slk_hello *hello)
{
    struct daemon *d = ctx;

    SLK_SAY(&d->log, SLK_SAY_INFO, "peer_up", SLK_SAY_NUMBER("peer", peer),
        SLK_SAY_NUMBER("height", hello->height), SLK_SAY_NUMBER("version", hello->version));
    if (!d->is_renumbering)
        slk_node_peer_up(d->node, number_in_node(peer));
}

static void on_down(void *ctx, uint16_t peer, enum slk_mesh_end reason)
{
    struct daemon *d = ctx;

    SLK_SAY(&d->log, SLK_SAY_INFO, "peer_down", SLK_SAY_NUMBER("peer", peer),
        SLK_SAY_TEXT("why", slk_mesh_end_text(reason)));
    if (!d->is_renumbering)
        slk_node_peer_down(d->node, number_in_node(peer));
}

static enum slk_mesh_verdict on_frame(
    void *ctx, uint16_t peer, enum slk_frame_type type, struct slk_span payload)
{
    struct daemon *d = ctx;
    enum slk_mesh_verdict verdict;

    if (d->between != NULL && !d->between->hear(d->between->ctx, d->node, d->mesh, peer, type, payload))
        return SLK_MESH_OK;
    verdict = slk_node_received(d->node, number_in_node(peer), type, payload);
    follow_charter(d);
    return verdict;
}

static void on_ended(
    void *ctx, uint16_t peer, const char *address, enum slk_mesh_end reason, const char *detail)
{
    struct daemon *d = ctx;

    SLK_SAY(&d->log, SLK_SAY_DEBUG, "connection_ended", SLK_SAY_NUMBER("peer", peer),
        SLK_SAY_TEXT("address", address), SLK_SAY_TEXT("reason", slk_mesh_end_name(reason)),
        SLK_SAY_TEXT("detail", detail));
}

static bool wire_send(void *ctx, uint16_t peer, enum slk_frame_type type, struct slk_span message)
{
    struct daemon *d = ctx;

    peer = number_in_mesh(d, peer);
    if (d->between != NULL && d->mesh != NULL)
        return d->between->send(d->between->ctx, d->node, d->mesh, peer, type, message);
    return d->mesh != NULL && slk_mesh_send(d->mesh, peer, type, message) == SLK_OK;
}

static void wire_charge(void *ctx, uint16_t peer, enum slk_mesh_verdict verdict)
{
    struct daemon *d = ctx;

    if (d->mesh != NULL)
        slk_mesh_charge(d->mesh, number_in_mesh(d, peer), verdict);
}

static int open_mesh(struct daemon *d)
{
    const struct slk_charter *charter = charter_now(d);
    struct slk_mesh_options options = {.loop = &d->loop,
        .listen_host = d->config.listen.host[0] != '\0' ? d->config.listen.host : NULL,
        .listen_port = (uint16_t)d->config.listen.port,
        .index = own_index(d, charter),
        .node_key = own_node_key(d),
        .peers = d->peers,
        .guests_max = (uint16_t)d->config.guests,
        .chain_id = *slk_ledger_chain_id(slk_node_ledger(d->node)),
        .charter_hash = charter->hash,
        .height = slk_ledger_tip(slk_node_ledger(d->node))->height,
        .timing = {.delta_ms = d->config.delta_ms > 0 ? d->config.delta_ms : charter->delta_ms},
        .callbacks = {.ctx = d,
            .up = on_up,
            .down = on_down,
            .frame = on_frame,
            .stopped = on_mesh_stopped,
            .ended = on_ended}};
    struct slk_fault fault = {0};
    enum slk_err err;

    options.peers_n = list_peers(d);
    d->charter_turns = slk_node_charter_turns(d->node);
    err = slk_mesh_new(&d->mesh, &options);
    if (err != SLK_OK)
        return refuse(d, "peers", err, &fault);
    err = slk_mesh_start(d->mesh, &fault);
    if (err != SLK_OK)
        return refuse(d, "peers.listen", err, &fault);
    if (options.listen_host != NULL)
        SLK_SAY(&d->log, SLK_SAY_INFO, "listening", SLK_SAY_TEXT("for", "peers"),
            SLK_SAY_NUMBER("port", slk_mesh_port(d->mesh)));
    return 0;
}

/* ---- HTTP ---- */

static void print_metrics(void *ctx, struct slk_api_text *text)
{
    const struct daemon *d = ctx;

    slk_print_node_metrics(text, d->node);
    slk_print_mesh_metrics(text, d->mesh);
    slk_print_process_metrics(text, d->started_s);
    slk_witnesses_metrics(d->witnesses, text);
}

static enum slk_err read_tls(
    struct slk_tls_context **out, const struct slk_config *c, struct slk_fault *fault)
{
    const struct slk_web_files files = {
        c->https_certificate, c->https_key, c->https_readers, c->https_submitters};

    return slk_tls_web_new(out, &files, fault);
}

static enum slk_err listen_https(struct daemon *d, struct slk_fault *fault)
{
    struct slk_tls_context *tls;
    enum slk_err err = read_tls(&tls, &d->config, fault);

    if (err != SLK_OK)
        return err;
    slk_http_set_tls(d->http, tls);
    slk_tls_context_free(tls);
    err = slk_http_listen_tls(d->http, d->config.https.host, (uint16_t)d->config.https.port, fault);
    if (err == SLK_OK)
        SLK_SAY(&d->log, SLK_SAY_INFO, "listening", SLK_SAY_TEXT("for", "clients over TLS"),
            SLK_SAY_NUMBER("port", slk_http_tls_port(d->http)));
    return err;
}

static enum slk_err listen_http(struct daemon *d, struct slk_fault *fault)
{
    enum slk_err err = SLK_OK;

    if (d->config.http.host[0] != '\0')
        err = slk_http_listen_tcp(
            d->http, d->config.http.host, (uint16_t)d->config.http.port, d->config.http_anywhere != 0, fault);
    if (d->config.http.host[0] != '\0' && err == SLK_OK)
        SLK_SAY(&d->log, SLK_SAY_INFO, "listening", SLK_SAY_TEXT("for", "clients"),
            SLK_SAY_NUMBER("port", slk_http_port(d->http)));
    if (err == SLK_OK && d->config.http_socket[0] != '\0')
        err = slk_http_listen_unix(d->http, d->config.http_socket, fault);
    if (err == SLK_OK && d->config.https.host[0] != '\0')
        err = listen_https(d, fault);
    return err;
}

/* The key of the status lists: signed with while a client waits, so a file. */
static enum slk_err load_list_key(struct daemon *d, struct slk_fault *fault)
{
    enum slk_err err;

    if (!slk_status_base_is_good(d->config.list_uri)) {
        snprintf(fault->text, sizeof(fault->text),
            "uri in [status] must be http://HOST/PATH or https://HOST/PATH, up to %d bytes, without a query "
            "and without a slash at its end",
            SLK_STATUS_BASE_MAX);
        return SLK_E_MALFORMED;
    }
    err = slk_key_load(&d->list_key, d->config.list_key, fault);
    if (err != SLK_OK)
        return err;
    for (size_t i = 0; i < KEYS_N; i++)
        if (slk_key_is_same(d->keys.at[i], d->list_key))
            err = SLK_E_KEY;
    if (err == SLK_OK && slk_key_seed(d->list_key) != NULL)
        return SLK_OK;
    snprintf(fault->text, sizeof(fault->text),
        "list_key in [status] must be a key file of its own: not a key of [node], and not in a token, whose "
        "answer nobody could wait for");
    return SLK_E_KEY;
}

static int open_http(struct daemon *d)
{
    struct slk_api_options options = {
        .backend = slk_api_backend_of(d->node), .metrics = print_metrics, .metrics_ctx = d};
    struct slk_http_options http = {.loop = &d->loop,
        .tick = slk_api_tick,
        .work = slk_api_work,
        .limits.connections_max = d->config.http_connections,
        .limits.site_streams = d->config.http_address_streams};
    struct slk_fault fault = {0};
    enum slk_err err;

    if (d->config.http.host[0] == '\0' && d->config.http_socket[0] == '\0' && d->config.https.host[0] == '\0')
        return 0;
    if (d->config.list_key[0] != '\0') {
        err = load_list_key(d, &fault);
        if (err != SLK_OK)
            return refuse(d, "status.list_key", err, &fault);
        options.status = (struct slk_api_status_options){.key = d->list_key,
            .base = d->config.list_uri,
            .ttl_s = d->config.list_ttl_s,
            .lifetime_s = d->config.list_lifetime_s,
            .has_history = d->config.list_history != 0};
    }
    options.status.cosign_s = d->config.list_cosign_s;
    err = slk_api_new(&d->api, &options);
    if (err == SLK_OK) {
        http.routes = slk_api_routes(&http.routes_n);
        http.ctx = d->api;
        err = slk_http_server_new(&d->http, &http);
    }
    if (err == SLK_OK) {
        slk_api_serve(d->api, d->http);
        err = listen_http(d, &fault);
    }
    return err == SLK_OK ? 0 : refuse(d, "http", err, &fault);
}

/* ---- the node ---- */

static void on_news(void *ctx, enum slk_node_news news, uint64_t height)
{
    struct daemon *d = ctx;

    if (news == SLK_NEWS_COMMITTED && d->mesh != NULL)
        slk_mesh_set_height(d->mesh, height);
}

static void free_keys(struct keys *keys)
{
    for (size_t i = 0; i < KEYS_N; i++) {
        slk_key_free(keys->at[i]);
        keys->at[i] = NULL;
    }
}

static enum slk_err load_key(
    struct keys *out, const struct keys *before, size_t i, const char *file, struct slk_fault *fault)
{
    enum slk_err err = SLK_OK;

    if (before != NULL)
        out->at[i] = slk_key_keep(before->at[i]);
    else
        err = slk_key_load(&out->at[i], file, fault);
    if (err != SLK_OK)
        return err;
    if (i < VOTE_KEY && slk_key_is_held_elsewhere(out->at[i])) {
        snprintf(fault->text, sizeof(fault->text),
            "a node key is for TLS and stays in a file: what counts, votes and checkpoints, has keys of its "
            "own");
        return SLK_E_KEY;
    }
    for (size_t k = 0; k < i; k++)
        if (slk_key_is_same(out->at[k], out->at[i])) {
            snprintf(fault->text, sizeof(fault->text),
                "another key of [node] holds the same key: each is for one thing, make another with sillok "
                "keygen");
            return SLK_E_KEY;
        }
    return SLK_OK;
}

/* A start refuses it as well. */
static enum slk_err check_is_no_list_key(
    const struct daemon *d, const struct slk_key *key, struct slk_fault *fault)
{
    if (!slk_key_is_same(key, d->list_key))
        return SLK_OK;
    snprintf(fault->text, sizeof(fault->text),
        "is list_key of [status], too, which signs status lists and nothing else: make another with sillok "
        "keygen");
    return SLK_E_KEY;
}

static void name_keys(const char *out[KEYS_N], const struct slk_config *c)
{
    const char *const files[KEYS_N] = {c->node_key, c->next_node_key, c->vote_key, c->next_vote_key,
        c->log_key, c->next_log_key, c->cosign_key, c->next_cosign_key};

    memcpy(out, files, sizeof(files));
}

/* SLK_OK, or *what is the one that is no good. A key in a token whose name has not changed is kept as it is: asking its token, which may
 * be away, would make the loop wait. `before` is NULL at the start. */
static enum slk_err load_keys(struct daemon *d, struct keys *out, const struct slk_config *c,
    const struct keys *before, const char **what, struct slk_fault *fault)
{
    static const char *const names[KEYS_N] = {"node.node_key", "node.next_node_key", "node.vote_key",
        "node.next_vote_key", "node.log_key", "node.next_log_key", "node.cosign_key", "node.next_cosign_key"};
    const char *files[KEYS_N], *old[KEYS_N];
    enum slk_err err = SLK_OK;

    *out = (struct keys){0};
    name_keys(files, c);
    name_keys(old, &d->config);
    for (size_t i = 0; err == SLK_OK && i < KEYS_N; i++) {
        bool is_kept = before != NULL && before->at[i] != NULL && slk_key_is_held_elsewhere(before->at[i]) &&
                       strcmp(files[i], old[i]) == 0;

        *what = names[i];
        if (files[i][0] != '\0')
            err = load_key(out, is_kept ? before : NULL, i, files[i], fault);
        if (err == SLK_OK)
            err = check_is_no_list_key(d, out->at[i], fault);
    }
    if (err != SLK_OK)
        free_keys(out);
    return err;
}

static void give_keys(struct slk_node_options *options, const struct keys *keys)
{
    options->vote_key = keys->at[VOTE_KEY];
    options->next_vote_key = keys->at[VOTE_KEY + 1];
    options->log_key = keys->at[LOG_KEY];
    options->next_log_key = keys->at[LOG_KEY + 1];
    options->cosign_key = keys->at[COSIGN_KEY];
    options->next_cosign_key = keys->at[COSIGN_KEY + 1];
}

/* From the signer's thread. */
static void wake_loop(void *ctx)
{
    struct daemon *d = ctx;

    (void)uv_async_send(&d->signatures);
}

static int open_node(struct daemon *d)
{
    struct slk_node_options options = {.dir = d->config.dir,
        .agency = (uint16_t)d->config.agency,
        .now_ms = now_ms,
        .wall_ms = wall_ms,
        .delta_ms = d->config.delta_ms,
        .threads = d->config.threads,
        .is_vouched = d->config.vouched != 0,
        .guests = (uint16_t)d->config.guests,
        .wire = {.ctx = d, .send = wire_send, .charge = wire_charge},
        .log = &d->log};
    struct slk_fault fault = {0};
    const char *what = "signer";
    enum slk_err err = slk_signer_new(&d->signer, true, wake_loop, d);

    if (err == SLK_OK)
        err = load_keys(d, &d->keys, &d->config, NULL, &what, &fault);
    if (err != SLK_OK)
        return refuse(d, what, err, &fault);
    options.signer = d->signer;
    give_keys(&options, &d->keys);
    if (getrandom(&options.seed, sizeof(options.seed), GRND_NONBLOCK) < 0)
        options.seed = uv_hrtime(); /* it spreads messages in time, nothing else */
    err = slk_node_open(&d->node, &options, &fault);
    if (err != SLK_OK)
        return refuse(d, d->config.dir, err, &fault);
    return slk_node_watch(d->node, on_news, d) ? 0 : 2;
}

/* ---- the loop ---- */

static void on_wake(uv_timer_t *timer)
{
    (void)timer; /* the loop turns, and on_prepare does what is due */
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct daemon *d = prepare->data;
    struct slk_fault fault;
    uint64_t wake, witnesses_wake, now;

    if (d->is_stopping && d->http_stopped && d->mesh_stopped)
        return;
    slk_node_run(d->node);
    follow_charter(d);
    witnesses_wake = slk_witnesses_run(d->witnesses);
    if (slk_node_failed(d->node, &fault) != SLK_OK) {
        if (!d->is_stopping) {
            stop(d, 1);
            stop(d, 1); /* nobody is waited for: nothing will be decided here any more */
        }
        return;
    }
    wake = slk_node_wake_ms(d->node);
    wake = witnesses_wake < wake ? witnesses_wake : wake;
    now = now_ms(NULL);
    uv_update_time(&d->loop);
    if (wake == UINT64_MAX)
        uv_timer_stop(&d->wake);
    else
        uv_timer_start(&d->wake, on_wake, wake > now ? wake - now : 0, 0);
}

static void on_signatures(uv_async_t *async)
{
    (void)async; /* the loop turns, and the node takes them */
}

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    (void)slk_notify("WATCHDOG=1"); /* the loop turns: that is what is watched */
}

static void set_log(struct daemon *d)
{
    d->log.level = d->config.log_level;
    d->log.json = d->config.log_json != 0;
    d->log.plain = !d->log.json && getenv("JOURNAL_STREAM") != NULL;
}

/* ---- SIGHUP ---- */

struct anew {
    struct slk_config config;
    struct slk_tls_context *tls; /* NULL: there is none */
    struct keys keys;
};

/* SLK_OK: all is good, and the node has its keys, which it takes all or none: nothing after it fails. Else nothing has changed, and *what is
 * no good. Files of TLS may have changed under the same names: they are read whenever there is TLS, and before any token is asked. */
static enum slk_err read_anew(struct daemon *d, struct anew *anew, const char **what, struct slk_fault *fault)
{
    struct slk_node_options options = {0};
    enum slk_err err;

    anew->tls = NULL;
    *what = d->file;
    err = slk_config_load(&anew->config, d->file, fault);
    if (err != SLK_OK)
        return err;
    *what = "[http]";
    if (d->config.https.host[0] != '\0' && anew->config.https.host[0] != '\0')
        err = read_tls(&anew->tls, &anew->config, fault);
    if (err != SLK_OK)
        return err;
    err = load_keys(d, &anew->keys, &anew->config, &d->keys, what, fault);
    if (err == SLK_OK) {
        *what = "[node]";
        give_keys(&options, &anew->keys);
        err = slk_node_set_keys(d->node, &options, fault);
        if (err != SLK_OK)
            free_keys(&anew->keys);
    }
    if (err != SLK_OK)
        slk_tls_context_free(anew->tls);
    return err;
}

static void take_over(struct daemon *d, struct anew *anew)
{
    const char *key = slk_config_needs_start(&d->config, &anew->config);

    free_keys(&d->keys);
    d->keys = anew->keys;
    if (anew->tls != NULL)
        slk_http_set_tls(d->http, anew->tls);
    slk_tls_context_free(anew->tls);
    slk_config_take_reloaded(&d->config, &anew->config);
    set_log(d);
    set_peers(d);
    SLK_SAY(&d->log, SLK_SAY_INFO, "reloaded", SLK_SAY_TEXT("file", d->file));
    if (key != NULL)
        SLK_SAY(&d->log, SLK_SAY_WARN, "needs_restart", SLK_SAY_TEXT("key", key));
}

static void reload(struct daemon *d)
{
    static struct anew anew;
    struct slk_fault fault = {0};
    const char *what;
    char text[80];
    enum slk_err err;

    snprintf(
        text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)(uv_hrtime() / 1000));
    (void)slk_notify(text);
    err = read_anew(d, &anew, &what, &fault);
    if (err == SLK_OK)
        take_over(d, &anew);
    else
        SLK_SAY(&d->log, SLK_SAY_ERROR, "not_reloaded", SLK_SAY_TEXT("file", what),
            SLK_SAY_NUMBER("line", fault.line),
            SLK_SAY_TEXT("why", fault.text[0] != '\0' ? fault.text : slk_err_text(err)),
            SLK_SAY_TEXT("kept", "all of it: keys, certificates, lists, addresses and log are as before"));
    (void)slk_notify("READY=1");
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct daemon *d = handle->data;

    if (number == SIGHUP) {
        if (!d->is_stopping)
            reload(d);
        return;
    }
    stop(d, 0);
}

static void start_handles(struct daemon *d)
{
    static const int numbers[SIGNALS] = {SIGTERM, SIGINT, SIGHUP};
    uint64_t watchdog = slk_notify_watchdog_ms();

    for (int i = 0; i < SIGNALS; i++) {
        uv_signal_init(&d->loop, &d->signals[i]);
        d->signals[i].data = d;
        uv_signal_start(&d->signals[i], on_signal, numbers[i]);
    }
    uv_timer_init(&d->loop, &d->wake);
    uv_timer_init(&d->loop, &d->watchdog);
    if (watchdog > 0)
        uv_timer_start(&d->watchdog, on_watchdog, watchdog / 2, watchdog / 2);
    uv_prepare_init(&d->loop, &d->prepare);
    d->prepare.data = d;
    uv_prepare_start(&d->prepare, on_prepare);
}

static int open_witnesses(struct daemon *d)
{
    struct slk_fault fault = {0};
    enum slk_err err = slk_witnesses_new(&d->witnesses, &d->loop, d->node, &d->config, &d->log, &fault);

    return err == SLK_OK ? 0 : refuse(d, "witnesses", err, &fault);
}

static int open_all(struct daemon *d)
{
    int code = open_node(d);

    if (code == 0)
        code = open_mesh(d);
    if (code == 0)
        code = open_http(d);
    if (code == 0)
        code = open_witnesses(d);
    return code;
}

/* False: a thread hangs in a module. */
static bool free_all(struct daemon *d)
{
    bool has_ended;

    slk_http_server_free(d->http);
    slk_api_free(d->api);
    slk_key_free(d->list_key);
    slk_mesh_free(d->mesh);
    d->mesh = NULL; /* what the node says from here on goes nowhere */
    slk_node_close(d->node);
    has_ended = slk_signer_free(d->signer);
    has_ended = slk_witnesses_free(d->witnesses) && has_ended;
    if (has_ended)
        free_keys(&d->keys);
    return has_ended;
}

int slk_daemon_run(const struct slk_config *config, const char *file)
{
    return slk_daemon_run_between(config, file, NULL);
}

int slk_daemon_run_between(
    const struct slk_config *config, const char *file, const struct slk_daemon_between *between)
{
    struct daemon *d = calloc(1, sizeof(*d));
    bool has_ended;
    int code;

    if (d == NULL || uv_loop_init(&d->loop) != 0 ||
        uv_async_init(&d->loop, &d->signatures, on_signatures) != 0) {
        free(d);
        return 2;
    }
    d->config = *config;
    d->file = file;
    d->between = between;
    d->started_s = wall_ms(NULL) / 1000;
    set_log(d);
    signal(SIGPIPE, SIG_IGN);
    code = open_all(d);
    if (code == 0) {
        start_handles(d);
        (void)slk_notify("READY=1");
        SLK_SAY(&d->log, SLK_SAY_INFO, "ready", SLK_SAY_END);
    } else {
        stop(d, code);
    }
    uv_run(&d->loop, UV_RUN_DEFAULT);
    code = d->code;
    has_ended = free_all(d);
    SLK_SAY(&d->log, SLK_SAY_INFO, "stopped", SLK_SAY_NUMBER("code", (uint64_t)code));
    if (!has_ended)
        _exit(code);
    uv_loop_close(&d->loop);
    free(d);
    return code;
}
