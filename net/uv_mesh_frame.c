/* uv_mesh_frame.c: what is done with a message that came: HELLO, the gate, rates, credits. */
#include "net/uv_mesh.h"

#include <assert.h>
#include <string.h>

#define BURST_S    4    /* of a rate at first */
#define QUIET_MS   5000 /* without stopping for so long a peer is within its rates again */
#define DELTA_MS   400  /* the rates of frame.c are for it */
#define CREDIT_MAX SLK_MESH_WAIT_MAX

void slk_peer_init_buckets(struct slk_peer *peer, const struct slk_mesh_timing *timing, uint64_t now_ms)
{
    uint64_t faster = timing->delta_ms < DELTA_MS ? DELTA_MS / timing->delta_ms : 1;

    for (unsigned type = 1; type < SLK_FRAME_TYPE_N; type++) {
        uint64_t rate = faster * slk_frame_rate((enum slk_frame_type)type);

        slk_bucket_init(
            &peer->buckets[type], rate, type == SLK_FRAME_VOTE ? 10 * rate : BURST_S * rate, now_ms);
    }
    slk_bucket_init(&peer->bytes, timing->bytes_per_s, 2 * (uint64_t)timing->bytes_per_s, now_ms);
}

/* ---- HELLO ---- */

/* Of two connections to one peer the one that counts is the same at both ends: a newer process of it wins; else the one that the
 * smaller key dialled; else the newer one (tendermint/tendermint#3304 shows what comes of less). */
static bool is_better(const struct slk_link *fresh, const struct slk_link *old)
{
    bool i_am_smaller = memcmp(fresh->mesh->own_key, slk_tls_peer_key(fresh->tls), SLK_KEY_SIZE) < 0;

    if (memcmp(fresh->hello.instance, old->hello.instance, SLK_MESH_INSTANCE) != 0 ||
        fresh->dials == old->dials)
        return true;
    return fresh->dials == i_am_smaller;
}

static enum slk_mesh_end judge_hello(const struct slk_link *link, const struct slk_peer *peer)
{
    const struct slk_mesh *mesh = link->mesh;

    if (link->hello.version < SLK_MESH_OLDEST || link->hello.oldest > SLK_MESH_VERSION)
        return SLK_END_VERSION;
    if (!slk_hash_equal(&link->hello.chain_id, &mesh->chain_id))
        return SLK_END_CHAIN;
    if (peer == NULL)
        return SLK_END_CROWDED;
    if (peer->info.votes && slk_hash_equal(&link->hello.charter_hash, &mesh->charter_hash) &&
        link->hello.index != peer->info.index)
        return SLK_END_HELLO; /* the same charter, and another place in it */
    return SLK_END_N;
}

static void greet(struct slk_link *link, struct slk_span payload)
{
    struct slk_mesh *mesh = link->mesh;
    struct slk_peer *peer;
    enum slk_mesh_end end;

    if (slk_hello_parse(&link->hello, payload) != SLK_OK) {
        slk_link_end(link, SLK_END_HELLO, "");
        return;
    }
    link->reader.greeted = true;
    peer = link->peer != NULL ? link->peer : slk_mesh_find_key(mesh, slk_tls_peer_key(link->tls));
    if (peer == NULL && mesh->guests_max > 0 && !link->dials)
        peer = slk_mesh_admit(mesh, slk_tls_peer_key(link->tls));
    end = judge_hello(link, peer);
    if (end == SLK_END_N && slk_cool_left_ms(&peer->cool, slk_mesh_now(mesh)) > 0)
        end = SLK_END_COOLING; /* it has misbehaved on its other connection since the handshake */
    if (end != SLK_END_N) {
        slk_link_end(link, end, "");
        return;
    }
    link->peer = peer;
    if (peer->up != NULL && !is_better(link, peer->up)) {
        slk_link_end(link, SLK_END_DUPLICATE, "");
        return;
    }
    if (peer->up != NULL)
        slk_link_end(peer->up, SLK_END_REPLACED, "");
    if (link->state != SLK_LINK_GREETING || link->peer == NULL)
        return; /* the callback has stopped the mesh, or changed the charter */
    if (peer->dialled == link)
        peer->dialled = NULL;
    peer->up = link;
    link->state = SLK_LINK_UP;
    link->authenticated = true;
    link->up_at_ms = slk_mesh_now(mesh);
    peer->counts.ups++;
    mesh->total.ups++;
    if (!link->dials) {
        mesh->unauthenticated--;
        slk_mesh_accept_more(mesh);
    }
    mesh->callbacks.up(mesh->callbacks.ctx, peer->info.index, &link->hello);
}

/* ---- rates ---- */

/* The message that overdraws is still taken; then reading stops until the bucket is refilled. */
static void charge_rates(struct slk_link *link, const struct slk_frame *frame)
{
    struct slk_peer *peer = link->peer;
    uint64_t now = slk_mesh_now(link->mesh);
    bool good = slk_bucket_take(&peer->buckets[frame->type], 1, now);

    if (!slk_frame_is_bulk(frame->type))
        good = slk_bucket_take(&peer->bytes, frame->payload.size + SLK_FRAME_HEADER, now) && good;
    if (good || link->throttled)
        return;
    link->throttled = true;
    peer->counts.throttled++;
    link->mesh->total.throttled++;
    if (peer->over_since_ms == 0 || now - peer->over_last_ms > QUIET_MS)
        peer->over_since_ms = now;
    peer->over_last_ms = now;
    if (now - peer->over_since_ms >= link->mesh->timing.rate_ms)
        slk_link_end(link, SLK_END_RATE, "");
}

void slk_link_refill(struct slk_link *link, uint64_t now_ms)
{
    struct slk_peer *peer = link->peer;

    if (!link->throttled)
        return;
    for (unsigned type = 1; type < SLK_FRAME_TYPE_N; type++) {
        if (!slk_bucket_is_refilled(&peer->buckets[type], now_ms))
            return;
    }
    if (!slk_bucket_is_refilled(&peer->bytes, now_ms))
        return;
    link->throttled = false;
    link->heard_ms = now_ms;
    slk_link_read(link);
}

/* ---- the gate ---- */

/* Credits, protocol §3.4. False: the connection has ended. */
static bool settle_credit(struct slk_link *link, const struct slk_frame *frame)
{
    bool asks;

    if (slk_frame_is_bulk(frame->type)) {
        if (link->credit == 0) {
            slk_link_end(link, SLK_END_UNASKED, "");
            return false;
        }
        slk_link_answered(link);
        return true;
    }
    if (slk_mesh_asks(link->mesh, frame->type, frame->payload, &asks) != SLK_OK) {
        slk_link_end(link, SLK_END_MALFORMED, "");
        return false;
    }
    if (asks && link->owed < CREDIT_MAX)
        link->owed++;
    return true;
}

static void judge(struct slk_link *link, enum slk_mesh_verdict verdict)
{
    struct slk_peer *peer = link->peer;

    switch (verdict) {
    case SLK_MESH_OK:
        break;
    case SLK_MESH_BAD:
        slk_link_end(link, SLK_END_BAD, "");
        break;
    case SLK_MESH_USELESS:
        link->mesh->total.useless++;
        if (peer != NULL)
            peer->counts.useless++;
        break;
    }
}

void slk_link_frame(struct slk_link *link, const struct slk_frame *frame)
{
    struct slk_mesh *mesh = link->mesh;
    struct slk_peer *peer = link->peer;

    mesh->total.frames_in[frame->type]++;
    if (link->state == SLK_LINK_GREETING) {
        assert(frame->type == SLK_FRAME_HELLO);
        greet(link, frame->payload);
        return;
    }
    assert(link->state == SLK_LINK_UP && peer != NULL && peer->up == link);
    peer->counts.frames_in[frame->type]++;
    charge_rates(link, frame);
    if (link->state != SLK_LINK_UP)
        return;
    if (!peer->info.votes && !slk_frame_is_said_by(frame->type, SLK_FRAME_OBSERVERS)) {
        mesh->total.no_say++;
        peer->counts.no_say++;
        return;
    }
    if (!settle_credit(link, frame))
        return;
    judge(link, mesh->callbacks.frame(mesh->callbacks.ctx, peer->info.index, frame->type, frame->payload));
}
