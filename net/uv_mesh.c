/* uv_mesh.c: the mesh as a whole: listening, dialling, the tick, who is a peer. */
#include "net/uv_mesh.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>

#include "net/address.h"

#define LISTEN_BACKLOG 128
#define LINKS_MAX      (SLK_MESH_PEERS_MAX + 2 * 64) /* up or leaving, and those that are not authenticated */
#define DIRTY_PASSES   16

uint64_t slk_mesh_now(const struct slk_mesh *mesh)
{
    return mesh->clock != NULL ? mesh->clock(mesh->callbacks.ctx) : uv_now(mesh->loop);
}

/* xorshift64*: for jitter alone; seeded by libcrypto. */
uint64_t slk_mesh_random(struct slk_mesh *mesh, uint64_t below)
{
    mesh->random ^= mesh->random >> 12;
    mesh->random ^= mesh->random << 25;
    mesh->random ^= mesh->random >> 27;
    return below == 0 ? 0 : (mesh->random * UINT64_C(2685821657736338717) >> 16) % below;
}

/* ---- who is who ---- */

struct slk_peer *slk_mesh_find(const struct slk_mesh *mesh, uint16_t index)
{
    if (index >= SLK_MESH_GUEST)
        return index - SLK_MESH_GUEST < mesh->guests_max ? mesh->guests[index - SLK_MESH_GUEST] : NULL;
    for (size_t i = 0; i < mesh->peers_n; i++) {
        if (mesh->peers[i]->info.index == index)
            return mesh->peers[i];
    }
    return NULL;
}

static bool has_key(const struct slk_peer *peer, const uint8_t key[SLK_KEY_SIZE])
{
    return peer != NULL && memcmp(peer->info.node_key, key, SLK_KEY_SIZE) == 0;
}

struct slk_peer *slk_mesh_find_key(const struct slk_mesh *mesh, const uint8_t key[SLK_KEY_SIZE])
{
    for (size_t i = 0; i < mesh->peers_n; i++) {
        if (has_key(mesh->peers[i], key))
            return mesh->peers[i];
    }
    for (size_t i = 0; i < mesh->guests_max; i++) {
        if (has_key(mesh->guests[i], key))
            return mesh->guests[i];
    }
    return NULL;
}

static struct slk_peer *peer_new(const struct slk_mesh *mesh, const struct slk_mesh_peer *info)
{
    struct slk_peer *peer = calloc(1, sizeof(*peer));

    if (peer == NULL)
        return NULL;
    peer->info = *info;
    peer->retry_ms = mesh->timing.retry_ms;
    if (memcmp(mesh->own_key, info->node_key, SLK_KEY_SIZE) >
        0) /* the smaller key's connection is kept: let it come first */
        peer->retry_at_ms = slk_mesh_now(mesh) + mesh->timing.retry_ms;
    slk_peer_init_buckets(peer, &mesh->timing, slk_mesh_now(mesh));
    return peer;
}

struct slk_peer *slk_mesh_admit(struct slk_mesh *mesh, const uint8_t key[SLK_KEY_SIZE])
{
    struct slk_peer *peer = slk_mesh_find_key(mesh, key);
    struct slk_mesh_peer info = {.index = SLK_MESH_GUEST};

    if (peer != NULL)
        return peer;
    memcpy(info.node_key, key, SLK_KEY_SIZE);
    for (size_t i = 0; i < mesh->guests_max; i++) {
        struct slk_peer *old = mesh->guests[i];

        /* Who must stay away is remembered as long as that lasts. */
        if (old != NULL && (old->up != NULL || slk_cool_left_ms(&old->cool, slk_mesh_now(mesh)) > 0))
            continue;
        info.index = (uint16_t)(SLK_MESH_GUEST + i);
        peer = peer_new(mesh, &info);
        if (peer == NULL)
            return NULL;
        peer->guest = true;
        for (struct slk_link *l = mesh->links; old != NULL && l != NULL; l = l->next) {
            if (l->peer == old)
                l->peer = NULL;
        }
        free(old);
        mesh->guests[i] = peer;
        return peer;
    }
    return NULL;
}

/* Asked by TLS in the middle of a handshake. */
static bool is_pinned(void *ctx, const uint8_t key[SLK_KEY_SIZE])
{
    struct slk_mesh *mesh = ctx;
    struct slk_peer *peer = slk_mesh_find_key(mesh, key);

    if (memcmp(key, mesh->own_key, SLK_KEY_SIZE) == 0)
        mesh->pin_end = SLK_END_SELF;
    else if (peer != NULL && slk_cool_left_ms(&peer->cool, slk_mesh_now(mesh)) > 0)
        mesh->pin_end = SLK_END_COOLING;
    else if (peer != NULL || mesh->guests_max > 0)
        return true;
    else
        mesh->pin_end = SLK_END_PIN;
    return false;
}

static bool peers_make_sense(const struct slk_mesh_peer *peers, size_t n)
{
    if (n > SLK_MESH_PEERS_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (peers[i].index >= SLK_MESH_GUEST || memchr(peers[i].host, 0, sizeof(peers[i].host)) == NULL ||
            memchr(peers[i].port, 0, sizeof(peers[i].port)) == NULL)
            return false;
        for (size_t k = 0; k < i; k++) {
            if (peers[k].index == peers[i].index ||
                memcmp(peers[k].node_key, peers[i].node_key, SLK_KEY_SIZE) == 0)
                return false;
        }
    }
    return true;
}

static void forget_peer(struct slk_mesh *mesh, struct slk_peer *peer)
{
    for (struct slk_link *l = mesh->links, *next; l != NULL; l = next) {
        next = l->next;
        if (l->peer != peer)
            continue;
        slk_link_end(l, SLK_END_CHARTER, "");
        l->peer = NULL;
    }
    free(peer);
}

static void dial_soon(const struct slk_mesh *mesh, struct slk_peer *peer)
{
    peer->retry_ms = mesh->timing.retry_ms;
    peer->retry_at_ms = slk_mesh_now(mesh);
}

/* Its link stays; for the caller it is another peer now. */
static void rename_peer(struct slk_mesh *mesh, struct slk_peer *peer, const struct slk_mesh_peer *info)
{
    struct slk_link *up = peer->up;
    bool is_other = peer->info.index != info->index || peer->info.votes != info->votes;

    if (up != NULL && is_other)
        mesh->callbacks.down(mesh->callbacks.ctx, peer->info.index, SLK_END_CHARTER);
    peer->info = *info;
    if (up != NULL && is_other && peer->up == up)
        mesh->callbacks.up(mesh->callbacks.ctx, info->index, &up->hello);
}

enum slk_err slk_mesh_set_peers(struct slk_mesh *mesh, uint16_t own_index, const struct slk_mesh_peer *peers,
    size_t peers_n, const struct slk_hash *charter_hash)
{
    struct slk_peer *old[SLK_MESH_PEERS_MAX], *fresh[SLK_MESH_PEERS_MAX], *kept[SLK_MESH_PEERS_MAX];
    const struct slk_mesh_peer *info[SLK_MESH_PEERS_MAX];
    size_t old_n = mesh->peers_n, n = 0;

    if (!peers_make_sense(peers, peers_n))
        return SLK_E_RANGE;
    for (size_t i = 0; i < peers_n; i++) {
        if (memcmp(peers[i].node_key, mesh->own_key, SLK_KEY_SIZE) == 0)
            continue;
        kept[n] = slk_mesh_find_key(mesh, peers[i].node_key);
        if (kept[n] != NULL && kept[n]->guest)
            kept[n] = NULL;
        fresh[n] = kept[n] == NULL ? peer_new(mesh, &peers[i]) : kept[n];
        info[n] = &peers[i];
        if (fresh[n] == NULL) {
            while (n-- > 0)
                free(kept[n] == NULL ? fresh[n] : NULL);
            return SLK_E_NOMEM;
        }
        n++;
    }
    for (size_t i = 0; i < old_n; i++)
        old[i] = mesh->peers[i];
    for (size_t i = 0; i < n; i++)
        mesh->peers[i] = fresh[i];
    mesh->peers_n = n;
    mesh->own_index = own_index;
    mesh->charter_hash = *charter_hash;
    for (size_t i = 0; i < mesh->guests_max; i++) {
        struct slk_peer *guest = mesh->guests[i];

        if (guest != NULL && !slk_mesh_find_key(mesh, guest->info.node_key)->guest) {
            mesh->guests[i] = NULL;
            forget_peer(mesh, guest); /* it comes back as what it is now */
        }
    }
    for (size_t i = 0; i < old_n; i++) {
        size_t k = 0;

        while (k < n && fresh[k] != old[i])
            k++;
        if (k == n)
            forget_peer(mesh, old[i]);
    }
    for (size_t i = 0; i < n; i++) {
        if (kept[i] == NULL)
            continue;
        rename_peer(mesh, kept[i], info[i]);
        if (kept[i]->up == NULL)
            dial_soon(mesh, kept[i]); /* it may know this node now */
    }
    return SLK_OK;
}

enum slk_err slk_mesh_set_key(struct slk_mesh *mesh, const struct slk_key *node_key)
{
    struct slk_tls_context *tls;
    enum slk_err err;

    if (memcmp(mesh->own_key, slk_key_public(node_key), SLK_KEY_SIZE) == 0)
        return SLK_OK;
    err = slk_tls_context_new(&tls, node_key, is_pinned, mesh);
    if (err != SLK_OK)
        return err;
    slk_tls_context_free(mesh->tls);
    mesh->tls = tls;
    memcpy(mesh->own_key, slk_key_public(node_key), SLK_KEY_SIZE);
    for (struct slk_link *l = mesh->links, *next; l != NULL; l = next) {
        next = l->next;
        slk_link_end(l, SLK_END_CHARTER, "");
    }
    for (size_t i = 0; i < mesh->peers_n; i++)
        dial_soon(mesh, mesh->peers[i]);
    return SLK_OK;
}

void slk_mesh_set_height(struct slk_mesh *mesh, uint64_t height)
{
    mesh->height = height;
}

/* ---- accepting ---- */

static void print_address(char *text, size_t cap, const struct sockaddr_storage *from)
{
    text[0] = '\0';
    if (from->ss_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, from, sizeof(in));
        (void)uv_ip4_name(&in, text, cap);
    } else if (from->ss_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, from, sizeof(in6));
        (void)uv_ip6_name(&in6, text, cap);
    }
}

static void accept_one(struct slk_mesh *mesh)
{
    struct slk_link *link = slk_link_new(mesh, NULL);
    struct sockaddr_storage from;
    int size = sizeof(from);
    uint8_t ip[16];

    if (link == NULL) { /* libuv keeps the connection until there is memory */
        mesh->accept_waits = true;
        return;
    }
    if (uv_accept((uv_stream_t *)&mesh->listener, (uv_stream_t *)&link->tcp) != 0 ||
        uv_tcp_getpeername(&link->tcp, (struct sockaddr *)&from, &size) != 0) {
        slk_link_end(link, SLK_END_BROKEN, "");
        return;
    }
    slk_address_site(ip, &from);
    print_address(link->address, sizeof(link->address), &from);
    if (!slk_ip_rate_take(&mesh->ips, ip, mesh->timing.ip_ms, mesh->timing.ip_burst, slk_mesh_now(mesh)))
        slk_link_end(link, SLK_END_IP_RATE, "");
    else if (mesh->links_n > LINKS_MAX)
        slk_link_end(link, SLK_END_CROWDED, "");
    else
        slk_link_accepted(link);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct slk_mesh *mesh = listener->data;

    if (status != 0 || mesh->stopping)
        return;
    if (mesh->unauthenticated >= mesh->timing.unauthenticated_max) {
        mesh->accept_waits = true; /* libuv accepts nobody else before we take this one */
        mesh->accept_paused++;
        return;
    }
    accept_one(mesh);
}

void slk_mesh_accept_more(struct slk_mesh *mesh)
{
    if (!mesh->accept_waits || mesh->stopping || mesh->unauthenticated >= mesh->timing.unauthenticated_max)
        return;
    mesh->accept_waits = false;
    accept_one(mesh);
}

/* ---- the tick ---- */

static void dial_who_is_due(struct slk_mesh *mesh, uint64_t now)
{
    for (size_t i = 0; i < mesh->peers_n; i++) {
        struct slk_peer *peer = mesh->peers[i];
        struct slk_link *link;

        if (peer->info.host[0] == '\0' || peer->up != NULL || peer->dialled != NULL ||
            peer->retry_at_ms > now || slk_cool_left_ms(&peer->cool, now) > 0)
            continue;
        link = slk_link_new(mesh, peer);
        if (link == NULL)
            return; /* next tick */
        slk_link_dial(link);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct slk_mesh *mesh = timer->data;
    uint64_t now = slk_mesh_now(mesh);

    for (struct slk_link *l = mesh->links, *next; l != NULL; l = next) {
        next = l->next;
        slk_link_tick(l, now);
    }
    if (mesh->stopping)
        return;
    dial_who_is_due(mesh, now);
    slk_mesh_accept_more(mesh);
}

/* Before the loop waits: what callbacks of this turn queued leaves together, votes of one turn in one record. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct slk_mesh *mesh = prepare->data;

    for (unsigned pass = 0; mesh->dirty != NULL && pass < DIRTY_PASSES; pass++) {
        struct slk_link *link = mesh->dirty, *next;

        mesh->dirty = NULL;
        for (; link != NULL; link = next) {
            next = link->next_dirty;
            link->is_dirty = false;
            if (link->charged)
                slk_link_end(link, SLK_END_BAD, "");
            slk_link_pump(link);
        }
    }
    if (mesh->dirty == NULL)
        uv_prepare_stop(&mesh->prepare);
}

void slk_link_mark(struct slk_link *link)
{
    struct slk_mesh *mesh = link->mesh;

    if (link->is_dirty || link->state == SLK_LINK_CLOSED)
        return;
    link->is_dirty = true;
    link->next_dirty = mesh->dirty;
    mesh->dirty = link;
    if (!mesh->stopped)
        uv_prepare_start(&mesh->prepare, on_prepare);
}

/* ---- beginning and end ---- */

static void set_defaults(struct slk_mesh_timing *t)
{
    static const struct slk_mesh_timing usual = {.handshake_ms = 5000,
        .ip_ms = 5000,
        .ip_burst = 16,
        .unauthenticated_max = 64,
        .retry_ms = 1000,
        .retry_max_ms = 60000,
        .cool_ms = 60000,
        .cool_max_ms = 3600000,
        .stall_ms = 30000,
        .silent_ms = 60000,
        .shutdown_ms = 2000,
        .ask_ms = 10000,
        .rate_ms = 60000,
        .tick_ms = 100,
        .delta_ms = 400,
        .bytes_per_s = 4u << 20};
    const uint32_t *from = (const uint32_t *)&usual;
    uint32_t *to = (uint32_t *)t;

    for (size_t i = 0; i < sizeof(*t) / sizeof(*to); i++)
        to[i] = to[i] != 0 ? to[i] : from[i];
    if (t->retry_max_ms < t->retry_ms)
        t->retry_max_ms = t->retry_ms;
    if (t->cool_max_ms < t->cool_ms)
        t->cool_max_ms = t->cool_ms;
}

static void copy_options(struct slk_mesh *mesh, const struct slk_mesh_options *options)
{
    mesh->loop = options->loop;
    mesh->chain_id = options->chain_id;
    mesh->charter_hash = options->charter_hash;
    mesh->height = options->height;
    mesh->own_index = options->index;
    mesh->guests_max = options->guests_max;
    mesh->callbacks = options->callbacks;
    mesh->clock = options->now_ms;
    mesh->timing = options->timing;
    set_defaults(&mesh->timing);
    mesh->listening = options->listen_host != NULL;
    mesh->port = options->listen_port;
    if (mesh->listening)
        snprintf(mesh->listen_host, sizeof(mesh->listen_host), "%s", options->listen_host);
    memcpy(mesh->own_key, slk_key_public(options->node_key), SLK_KEY_SIZE);
}

enum slk_err slk_mesh_new(struct slk_mesh **out, const struct slk_mesh_options *options)
{
    struct slk_mesh *mesh = calloc(1, sizeof(*mesh));
    enum slk_err err;

    *out = NULL;
    if (mesh == NULL)
        return SLK_E_NOMEM;
    copy_options(mesh, options);
    mesh->msg = calloc(1, sizeof(*mesh->msg));
    err = mesh->msg == NULL ? SLK_E_NOMEM : SLK_OK;
    if (err == SLK_OK && options->guests_max > SLK_MESH_GUESTS_MAX)
        err = SLK_E_RANGE;
    if (err == SLK_OK)
        err = slk_tls_context_new(&mesh->tls, options->node_key, is_pinned, mesh);
    if (err == SLK_OK && (RAND_bytes(mesh->instance, sizeof(mesh->instance)) != 1 ||
                             RAND_bytes((unsigned char *)&mesh->random, sizeof(mesh->random)) != 1))
        err = SLK_E_KEY;
    mesh->random |= 1;
    if (err == SLK_OK)
        err = slk_mesh_set_peers(
            mesh, options->index, options->peers, options->peers_n, &options->charter_hash);
    if (err != SLK_OK) {
        slk_mesh_free(mesh);
        return err;
    }
    *out = mesh;
    return SLK_OK;
}

static int listen_on(struct slk_mesh *mesh)
{
    struct sockaddr_storage at;
    int size = sizeof(at), rc;

    rc = uv_ip4_addr(mesh->listen_host, mesh->port, (struct sockaddr_in *)&at);
    if (rc != 0)
        rc = uv_ip6_addr(mesh->listen_host, mesh->port, (struct sockaddr_in6 *)&at);
    if (rc == 0)
        rc = uv_tcp_bind(&mesh->listener, (const struct sockaddr *)&at, 0);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&mesh->listener, LISTEN_BACKLOG, on_connection);
    if (rc == 0)
        rc = uv_tcp_getsockname(&mesh->listener, (struct sockaddr *)&at, &size);
    if (rc != 0)
        return rc;
    if (at.ss_family == AF_INET6)
        mesh->port = ntohs(((struct sockaddr_in6 *)&at)->sin6_port);
    else
        mesh->port = ntohs(((struct sockaddr_in *)&at)->sin_port);
    return 0;
}

/* libuv 1.44 writes without MSG_NOSIGNAL: no peer may end this process by closing a socket. Who has a handler keeps it. */
static void survive_sigpipe(void)
{
    struct sigaction action;

    if (sigaction(SIGPIPE, NULL, &action) != 0 || action.sa_handler != SIG_DFL)
        return;
    action = (struct sigaction){.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &action, NULL);
}

enum slk_err slk_mesh_start(struct slk_mesh *mesh, struct slk_fault *fault)
{
    int rc;

    assert(!mesh->started && mesh->handles == 0);
    *fault = (struct slk_fault){0};
    mesh->started = true;
    survive_sigpipe();
    rc = uv_tcp_init(mesh->loop, &mesh->listener);
    mesh->handles += rc == 0;
    assert(rc == 0); /* these three only set fields: libuv 1.44 has no way to fail here without flags */
    rc = uv_timer_init(mesh->loop, &mesh->timer);
    mesh->handles += rc == 0;
    rc |= uv_prepare_init(mesh->loop, &mesh->prepare);
    mesh->handles += rc == 0;
    assert(rc == 0 && mesh->handles == 3);
    mesh->listener.data = mesh->timer.data = mesh->prepare.data = mesh;
    if (mesh->listening && (rc = listen_on(mesh)) != 0) {
        snprintf(fault->text, sizeof(fault->text), "cannot listen on %.80s port %u: %s", mesh->listen_host,
            (unsigned)mesh->port, uv_strerror(rc));
        return SLK_E_IO;
    }
    rc = uv_timer_start(&mesh->timer, on_tick, 0, mesh->timing.tick_ms);
    assert(rc == 0);
    return SLK_OK;
}

uint16_t slk_mesh_port(const struct slk_mesh *mesh)
{
    return mesh->port;
}

static void tell_stopped(struct slk_mesh *mesh)
{
    if (!mesh->stopping || mesh->stopped || mesh->handles > 0)
        return;
    mesh->stopped = true;
    mesh->callbacks.stopped(mesh->callbacks.ctx); /* `mesh` may be gone now */
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct slk_mesh *mesh = handle->data;

    mesh->handles--;
    tell_stopped(mesh);
}

/* The timer goes last: the links' deadlines need it. */
static void close_rest(struct slk_mesh *mesh)
{
    if (!mesh->stopping || mesh->links != NULL || uv_is_closing((uv_handle_t *)&mesh->timer))
        return;
    uv_close((uv_handle_t *)&mesh->timer, on_handle_closed);
    uv_close((uv_handle_t *)&mesh->prepare, on_handle_closed);
}

void slk_mesh_stop(struct slk_mesh *mesh)
{
    if (mesh->stopping)
        return;
    assert(mesh->started);
    mesh->stopping = true;
    uv_close((uv_handle_t *)&mesh->listener, on_handle_closed);
    for (struct slk_link *l = mesh->links, *next; l != NULL; l = next) {
        next = l->next;
        slk_link_end(l, SLK_END_STOPPED, "");
    }
    close_rest(mesh);
}

void slk_mesh_link_closed(struct slk_mesh *mesh, struct slk_link *link)
{
    for (struct slk_link **at = &mesh->dirty; *at != NULL; at = &(*at)->next_dirty) {
        if (*at == link) {
            *at = link->next_dirty;
            break;
        }
    }
    if (link->prev != NULL)
        link->prev->next = link->next;
    else
        mesh->links = link->next;
    if (link->next != NULL)
        link->next->prev = link->prev;
    mesh->links_n--;
    free(link);
    slk_mesh_accept_more(mesh);
    close_rest(mesh);
}

void slk_mesh_free(struct slk_mesh *mesh)
{
    if (mesh == NULL)
        return;
    assert(!mesh->started || mesh->stopped);
    assert(mesh->links == NULL);
    for (size_t i = 0; i < mesh->peers_n; i++)
        free(mesh->peers[i]);
    for (size_t i = 0; i < SLK_MESH_GUESTS_MAX; i++)
        free(mesh->guests[i]);
    slk_tls_context_free(mesh->tls);
    free(mesh->msg);
    free(mesh);
}
