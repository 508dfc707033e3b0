/* uv_mesh_send.c: the door to the queues, the questions for bulk, and what is counted. */
#include "net/uv_mesh.h"

#include <assert.h>
#include <string.h>

enum slk_err slk_mesh_asks(
    struct slk_mesh *mesh, enum slk_frame_type type, struct slk_span payload, bool *bulk)
{
    *bulk = type == SLK_FRAME_WANT;
    if (type != SLK_FRAME_GET)
        return SLK_OK;
    if (slk_msg_parse(mesh->msg, NULL, SLK_MSG_GET, payload) != SLK_OK)
        return SLK_E_MALFORMED;
    *bulk = mesh->msg->get.what == SLK_GET_BODY || mesh->msg->get.what == SLK_GET_HEADERS ||
            mesh->msg->get.what == SLK_GET_EPOCHS;
    return SLK_OK;
}

enum slk_err slk_link_queue(struct slk_link *link, struct slk_mesh_message *message)
{
    enum slk_frame_class class = slk_frame_class_of(message->type);
    struct slk_peer *peer = link->peer;
    size_t dropped;
    bool queued = slk_mesh_queue_push(&link->queue, message, &dropped);

    dropped += !queued;
    link->mesh->total.queue_dropped[class] += dropped;
    if (peer != NULL)
        peer->counts.queue_dropped[class] += dropped;
    slk_link_mark(link);
    return queued ? SLK_OK : SLK_E_REFUSED;
}

/* ---- questions ---- */

static size_t asks_max(const struct slk_link *link)
{
    return link->hello.asks < SLK_MESH_ASKS_MAX ? link->hello.asks : SLK_MESH_ASKS_MAX;
}

static enum slk_err ask_now(struct slk_link *link, struct slk_mesh_message *message)
{
    enum slk_err err = slk_link_queue(link, message);

    if (err != SLK_OK)
        return err;
    assert(link->asked_n < SLK_MESH_ASKS_MAX);
    link->asked_ms[link->asked_n++] = slk_mesh_now(link->mesh);
    if (link->credit < SLK_MESH_WAIT_MAX)
        link->credit++;
    return SLK_OK;
}

static enum slk_err ask(struct slk_link *link, struct slk_mesh_message *message)
{
    if (link->waiting_n == 0 && link->asked_n < asks_max(link))
        return ask_now(link, message);
    if (link->waiting_n == SLK_MESH_WAIT_MAX) {
        link->mesh->total.asks_dropped++;
        link->peer->counts.asks_dropped++;
        return SLK_E_REFUSED;
    }
    link->waiting[(link->waiting_first + link->waiting_n++) % SLK_MESH_WAIT_MAX] = message;
    message->refs++;
    return SLK_OK;
}

static void ask_next(struct slk_link *link)
{
    while (link->waiting_n > 0 && link->asked_n < asks_max(link)) {
        struct slk_mesh_message *message = link->waiting[link->waiting_first];

        link->waiting_first = (link->waiting_first + 1) % SLK_MESH_WAIT_MAX;
        link->waiting_n--;
        (void)ask_now(link, message); /* a full queue has counted it */
        slk_mesh_message_release(message);
    }
}

static void forget_oldest_ask(struct slk_link *link)
{
    assert(link->asked_n > 0);
    link->asked_n--;
    memmove(link->asked_ms, link->asked_ms + 1, link->asked_n * sizeof(link->asked_ms[0]));
}

void slk_link_answered(struct slk_link *link)
{
    assert(link->credit > 0);
    link->credit--;
    if (link->asked_n > 0)
        forget_oldest_ask(link);
    ask_next(link);
}

void slk_link_ask_tick(struct slk_link *link, uint64_t now_ms)
{
    while (link->asked_n > 0 && now_ms - link->asked_ms[0] >= link->mesh->timing.ask_ms) {
        forget_oldest_ask(link);
        link->mesh->total.asks_lost++;
        link->peer->counts.asks_lost++;
    }
    ask_next(link);
}

/* ---- sending ---- */

static enum slk_err send_message(struct slk_link *link, struct slk_mesh_message *message)
{
    bool asks;

    if (slk_frame_is_bulk(message->type)) {
        enum slk_err err;

        if (link->owed == 0) {
            link->mesh->total.unasked_out++;
            link->peer->counts.unasked_out++;
            return SLK_E_REFUSED;
        }
        err = slk_link_queue(link, message);
        link->owed -= err == SLK_OK;
        return err;
    }
    if (slk_mesh_asks(link->mesh, message->type, slk_span_of(message->bytes, message->size), &asks) != SLK_OK)
        return SLK_E_MALFORMED;
    return asks ? ask(link, message) : slk_link_queue(link, message);
}

static struct slk_link *link_up(const struct slk_mesh *mesh, uint16_t index)
{
    struct slk_peer *peer = slk_mesh_find(mesh, index);

    return peer != NULL ? peer->up : NULL;
}

bool slk_mesh_is_up(const struct slk_mesh *mesh, uint16_t peer)
{
    return link_up(mesh, peer) != NULL;
}

static bool has_form(enum slk_frame_type type, struct slk_span message)
{
    return type != SLK_FRAME_HELLO && message.size > 0 && message.size <= slk_frame_cap(type);
}

enum slk_err slk_mesh_send(
    struct slk_mesh *mesh, uint16_t peer, enum slk_frame_type type, struct slk_span message)
{
    struct slk_link *link = link_up(mesh, peer);
    struct slk_mesh_message *copy;
    enum slk_err err;

    if (!has_form(type, message))
        return SLK_E_TOO_LARGE;
    if (link == NULL)
        return SLK_E_NOT_FOUND;
    copy = slk_mesh_message_new(type, message);
    if (copy == NULL)
        return SLK_E_NOMEM;
    err = send_message(link, copy);
    slk_mesh_message_release(copy);
    return err;
}

void slk_mesh_charge(struct slk_mesh *mesh, uint16_t index, enum slk_mesh_verdict verdict)
{
    struct slk_peer *peer = slk_mesh_find(mesh, index);

    if (peer == NULL)
        return;
    if (verdict == SLK_MESH_USELESS) {
        peer->counts.useless++;
        mesh->total.useless++;
    } else if (verdict == SLK_MESH_BAD && peer->up != NULL) {
        peer->up->charged = true;
        slk_link_mark(peer->up);
    }
}

/* ---- what is counted ---- */

void slk_mesh_stats(const struct slk_mesh *mesh, struct slk_mesh_stats *out)
{
    *out = (struct slk_mesh_stats){.total = mesh->total,
        .links = mesh->links_n,
        .unauthenticated = mesh->unauthenticated,
        .accept_paused = mesh->accept_paused};
    for (const struct slk_link *l = mesh->links; l != NULL; l = l->next) {
        out->up += l->state == SLK_LINK_UP;
        out->queued_bytes += slk_mesh_queue_bytes(&l->queue);
    }
}

static struct slk_peer *peer_at(const struct slk_mesh *mesh, size_t i)
{
    if (i < mesh->peers_n)
        return mesh->peers[i];
    i -= mesh->peers_n;
    for (size_t k = 0; k < mesh->guests_max; k++) {
        if (mesh->guests[k] != NULL && i-- == 0)
            return mesh->guests[k];
    }
    return NULL;
}

bool slk_mesh_peer_stats(const struct slk_mesh *mesh, size_t i, struct slk_mesh_peer_stats *out)
{
    const struct slk_peer *peer = peer_at(mesh, i);
    uint64_t now = slk_mesh_now(mesh);

    *out = (struct slk_mesh_peer_stats){.index = SLK_MESH_NOBODY};
    if (peer == NULL)
        return false;
    out->index = peer->info.index;
    out->counts = peer->counts;
    out->cooling_ms = slk_cool_left_ms(&peer->cool, now);
    if (peer->up != NULL) {
        out->up = true;
        out->dialled = peer->up->dials;
        out->reading = !peer->up->throttled;
        out->queued_bytes = slk_mesh_queue_bytes(&peer->up->queue);
        out->asks = (unsigned)peer->up->asked_n;
        out->asks_waiting = (unsigned)peer->up->waiting_n;
    } else if (peer->dialled == NULL && peer->info.host[0] != '\0' && peer->retry_at_ms > now) {
        out->retry_in_ms = peer->retry_at_ms - now;
    }
    return true;
}
