/* liar.c: Byzantine members: a correct core whose words are bent on their way out, and who signs what it likes.
 *
 * A liar signs with its own key alone; everything else it can do.
 */
#include <string.h>

#include "tests/sim/world.h"

static struct slk_council council; /* of the height that is being lied about */

static bool lies(const struct process *p, enum lie lie)
{
    return (p->lies & (unsigned)lie) != 0;
}

static void vote_to_some(struct world *w, struct process *p, const struct slk_statement *s)
{
    static struct slk_msg msg;
    uint8_t bytes[SLK_VOTE_BYTES];
    struct packet *packet;

    if (world_index(w, s->height, p->member) >= world_size(w, s->height))
        return;
    memset(&msg, 0, sizeof(msg));
    msg.kind = SLK_MSG_VOTE;
    msg.vote.statement = *s;
    msg.vote.signer = world_index(w, s->height, p->member);
    world_council(w, s->height, &council);
    slk_statement_bytes(bytes, &council, s);
    (void)oracle_signed(w->oracle, p->member, bytes, NULL);
    world_sign(w, p->member, bytes, msg.vote.sig);
    packet = packet_new(&msg);
    for (unsigned i = 0; i < w->processes_n; i++)
        if (w->processes[i]->member != p->member && random_chance(&w->lie, 500))
            world_post(w, p, w->processes[i], packet, 0);
    packet_drop(packet);
}

/* Anything goes about a block or a view that was heard of. */
static void say_anything(struct world *w, struct process *p, const struct slk_statement *heard)
{
    struct slk_statement s = *heard;
    uint64_t dice = random_below(&w->lie, 5);

    w->met[MET_ANYTHING]++;
    s.aux = 0;
    s.kind = (enum slk_vote_kind)random_between(&w->lie, SLK_VOTE_NOTARIZE, SLK_VOTE_FINALIZE);
    if (dice == 0)
        s.view++;
    else if (dice == 1 && s.view > 1)
        s.view--;
    if (s.kind == SLK_VOTE_NULLIFY)
        s.hash = slk_hash_zero;
    else if (slk_hash_is_zero(&s.hash))
        return;
    vote_to_some(w, p, &s);
}

static void keep(struct world *w, struct process *p, struct packet *packet)
{
    enum { KEPT_MAX = 16 };

    if (p->kept_n < KEPT_MAX) {
        p->kept[p->kept_n++] = packet;
    } else {
        unsigned at = (unsigned)random_below(&w->lie, KEPT_MAX);

        packet_drop(p->kept[at]);
        p->kept[at] = packet;
    }
    packet->refs++;
}

/* False: the liar's core does not hear it. It must not learn what its mouth said without it. */
bool liar_hears(struct world *w, struct process *p, const struct event *event, const struct slk_msg *msg)
{
    if (lies(p, LIE_REPLAY) && random_chance(&w->lie, 100))
        keep(w, p, event->u.packet);
    if (msg->kind != SLK_MSG_VOTE && msg->kind != SLK_MSG_PROPOSAL)
        return msg->kind != SLK_MSG_EVIDENCE;
    if (lies(p, LIE_RANDOM) && random_chance(&w->lie, 150))
        say_anything(w, p, &msg->vote.statement);
    return msg->vote.signer != world_index(w, msg->vote.statement.height, p->member);
}

static struct packet *spoiled(struct world *w, const struct packet *packet)
{
    struct packet *copy = packet_copy(packet);
    unsigned flips = 1 + (unsigned)random_below(&w->lie, 3);

    for (unsigned i = 0; i < flips; i++)
        copy->bytes[random_below(&w->lie, copy->size)] ^= (uint8_t)(1u << random_below(&w->lie, 8));
    return copy;
}

static void post(struct world *w, struct process *p, struct process *to, struct packet *packet)
{
    uint64_t extra = lies(p, LIE_LATE) ? random_below(&w->lie, 8 * w->swarm.delta_ms * MS) : 0;

    if (lies(p, LIE_DRIP)) /* the leader's timer is 4 delta */
        extra += random_between(&w->lie, 32 * w->swarm.delta_ms, 41 * w->swarm.delta_ms) * MS / 10;

    if (lies(p, LIE_WITHHOLD) && random_chance(&w->lie, 500)) {
        w->met[MET_WITHHOLD]++;
        return;
    }
    w->met[MET_DELAY] += extra > 0;
    if (lies(p, LIE_GARBAGE) && random_chance(&w->lie, 200)) {
        struct packet *bad = spoiled(w, packet);

        w->met[MET_GARBAGE]++;
        world_post(w, p, to, bad, extra);
        packet_drop(bad);
    }
    world_post(w, p, to, packet, extra);
}

/* The same view, another block: as valid as the first. */
static struct packet *second_proposal(
    struct world *w, struct process *p, const struct slk_bft_effect *effect, struct slk_msg *msg)
{
    const struct blob *blob = NULL, *other;
    uint8_t bytes[SLK_VOTE_BYTES];

    for (size_t i = w->blobs_n; i > 0 && blob == NULL; i--)
        if (slk_hash_equal(&w->blobs[i - 1]->hash, &effect->hash))
            blob = w->blobs[i - 1];
    if (blob == NULL)
        return NULL;
    w->met[MET_EQUIVOCATE]++;
    other = ledger_variant(w, blob, 0, 0);
    msg->header = slk_span_of(other->header, sizeof(other->header));
    msg->hash = msg->vote.statement.hash = other->hash;
    world_council(w, msg->vote.statement.height, &council);
    slk_statement_bytes(bytes, &council, &msg->vote.statement);
    (void)oracle_signed(w->oracle, p->member, bytes, NULL);
    world_sign(w, p->member, bytes, msg->vote.sig);
    return packet_new(msg);
}

/* A block of its own in place of the one it should carry, with the certificates it has. */
static struct packet *fresh_instead(struct world *w, struct process *p, struct slk_msg *msg)
{
    struct slk_statement *s = &msg->vote.statement;
    const struct blob *blob = NULL, *other;
    uint8_t bytes[SLK_VOTE_BYTES];

    for (size_t i = w->blobs_n; i > 0 && blob == NULL; i--)
        if (slk_hash_equal(&w->blobs[i - 1]->hash, &msg->hash))
            blob = w->blobs[i - 1];
    if (blob == NULL)
        return NULL;
    w->met[MET_NO_REASON]++;
    other = ledger_variant(w, blob, s->view, world_index(w, s->height, p->member));
    msg->header = slk_span_of(other->header, sizeof(other->header));
    msg->body = slk_span_of(other->body, other->body_n);
    msg->hash = s->hash = other->hash;
    s->aux = 0;
    world_council(w, s->height, &council);
    slk_statement_bytes(bytes, &council, s);
    (void)oracle_signed(w->oracle, p->member, bytes, NULL);
    world_sign(w, p->member, bytes, msg->vote.sig);
    return packet_new(msg);
}

static void contradict(struct world *w, struct process *p, const struct slk_statement *said)
{
    struct slk_statement s = *said;

    if (said->kind == SLK_VOTE_NULLIFY || random_chance(&w->lie, 300))
        return;
    w->met[MET_CONTRADICT]++;
    s.kind = SLK_VOTE_NULLIFY;
    s.hash = slk_hash_zero;
    vote_to_some(w, p, &s);
}

/* Far ahead, holds everything, lacks nothing. */
static void inflate(struct world *w, struct slk_status *s)
{
    w->met[MET_CLAIM]++;
    if (random_chance(&w->lie, 300))
        s->height += random_below(&w->lie, 1000);
    if (random_chance(&w->lie, 300))
        s->view += (uint32_t)random_below(&w->lie, 300);
    s->n_bits |= random_bits(&w->lie);
    s->k_bits |= random_bits(&w->lie);
    for (size_t i = 0; i < s->tallies_n; i++)
        s->tallies[i].signers |= random_bits(&w->lie) & ((1ull << w->n) - 1);
    s->has_proposal = true;
    s->pool_count = random_bits(&w->lie) >> 40;
}

void liar_sends(struct world *w, struct process *p, const struct slk_bft_effect *effect, struct slk_msg *msg)
{
    struct packet *packet, *second = NULL;

    if (lies(p, LIE_SILENT) || (lies(p, LIE_HOARD) && msg->kind == SLK_MSG_CERT)) {
        w->met[MET_HUSH]++;
        return;
    }
    if (lies(p, LIE_CLAIM) && msg->kind == SLK_MSG_STATUS)
        inflate(w, &msg->status);
    if (lies(p, LIE_NO_REASON) && msg->kind == SLK_MSG_PROPOSAL && msg->certs_n > 0) {
        w->met[MET_NO_REASON]++;
        msg->certs_n = random_below(&w->lie, msg->certs_n);
    }
    packet = packet_new(msg);
    if (lies(p, LIE_EQUIVOCATE) && msg->kind == SLK_MSG_PROPOSAL && effect->with_body)
        second = second_proposal(w, p, effect, msg);
    if (lies(p, LIE_NO_REASON) && msg->kind == SLK_MSG_PROPOSAL && msg->vote.statement.aux > 0)
        second = fresh_instead(w, p, msg);
    if (lies(p, LIE_EQUIVOCATE) && msg->kind == SLK_MSG_VOTE)
        contradict(w, p, &msg->vote.statement);
    for (unsigned i = 0; i < w->processes_n; i++) {
        struct process *to = w->processes[i];

        if (!process_hears(w, p, to, effect->peer))
            continue;
        post(w, p, to, second != NULL && random_chance(&w->lie, 500) ? second : packet);
        if (second != NULL && random_chance(&w->lie, 50))
            post(w, p, to, second);
    }
    packet_drop(packet);
    if (second != NULL)
        packet_drop(second);
}

static struct packet *noise(struct world *w)
{
    static uint8_t bytes[SLK_VOTE_BYTES];
    static struct slk_msg msg;
    struct packet *packet;

    memset(&msg, 0, sizeof(msg));
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)random_bits(&w->lie);
    msg.kind = SLK_MSG_STATUS; /* inflated claims, and a memory of votes that never were */
    world_council(w, 1, &council);
    msg.status.charter_hash = council.charter_hash;
    memcpy(msg.status.tip_hash.b, bytes, SLK_HASH_SIZE);
    msg.status.height = random_chance(&w->lie, 500) ? random_bits(&w->lie) : random_between(&w->lie, 1, 20);
    msg.status.view = (uint32_t)random_between(&w->lie, 1, 300);
    msg.status.your_height = random_bits(&w->lie) >> random_below(&w->lie, 64);
    msg.status.your_view = (uint32_t)random_between(&w->lie, 1, 300);
    msg.status.your_kind = (uint32_t)random_between(&w->lie, 0, 4);
    msg.status.n_bits = random_bits(&w->lie);
    msg.status.seq = random_between(&w->lie, 0, 3);
    packet = packet_new(&msg);
    if (random_chance(&w->lie, 300))
        memcpy(packet->bytes, bytes, packet->size < sizeof(bytes) ? packet->size : sizeof(bytes));
    return packet;
}

/* One's own signature, and what others signed about something else, as if it were a quorum's. */
static void forge_cert(struct world *w, const struct process *p, struct slk_cert *cert)
{
    struct slk_statement s = {
        .kind = cert->kind, .height = cert->height, .view = cert->view, .hash = cert->hash};
    size_t n = world_size(w, cert->height);
    uint8_t bytes[SLK_VOTE_BYTES], sig[SLK_SIGNATURE_SIZE];

    world_council(w, cert->height, &council);
    slk_statement_bytes(bytes, &council, &s);
    world_sign(w, p->member, bytes, sig); /* no vote: it counts in no place, or in all or nothing */
    cert->bitmap_bytes = (uint8_t)((n + 7) / 8);
    cert->signers = (1ull << n) - 1;
    if (random_chance(&w->lie, 300))
        cert->signers |= 1ull << n; /* a bit too many */
    for (size_t i = 0; i < slk_bits_n(cert->signers); i++)
        if (random_chance(&w->lie, 700))
            memcpy(cert->sigs[i], sig, sizeof(sig));
}

/* A real certificate of its own chain, bent; or one made up. */
static struct packet *forged(struct world *w, struct process *p)
{
    static struct slk_msg msg;
    static struct slk_cert cert;
    const struct disk *d = &p->disk;
    uint64_t height = d->height == 0 ? 0 : random_between(&w->lie, 1, d->height);
    const struct blob *blob = w->blobs[random_below(&w->lie, w->blobs_n)];

    memset(&msg, 0, sizeof(msg));
    memset(&cert, 0, sizeof(cert));
    if (height > 0)
        slk_cert_copy(&cert, d->final[height]);
    switch (random_below(&w->lie, 4)) {
    case 0: /* of another height */
        cert.height = d->height + 1;
        break;
    case 1: /* for another block */
        cert.hash = blob->hash;
        break;
    case 2: /* one signature too few, one bit too many */
        cert.signers |= random_bits(&w->lie) & 0xff;
        break;
    default:
        cert.hash = blob->hash;
        cert.height = d->height + 1;
        break;
    }
    cert.kind = random_chance(&w->lie, 500) ? SLK_VOTE_FINALIZE : SLK_VOTE_NOTARIZE;
    if (cert.view == 0 || random_chance(&w->lie, 300)) {
        cert.view = 1 + (uint32_t)random_below(&w->lie, 3);
        forge_cert(w, p, &cert);
    }
    msg.kind = cert.kind == SLK_VOTE_FINALIZE ? SLK_MSG_COMMIT : SLK_MSG_CERT;
    msg.height = cert.height;
    msg.header = slk_span_of(blob->header, sizeof(blob->header));
    msg.hash = blob->hash;
    msg.certs[msg.certs_n++] = &cert;
    return slk_bits_n(cert.signers) > SLK_CHARTER_VOTING_MAX ? NULL : packet_new(&msg);
}

/* Every now and then: an old message of anybody, or noise. */
void liar_event(struct world *w, struct process *p, const struct event *event)
{
    struct event again = *event;
    struct process *to = w->processes[random_below(&w->lie, w->processes_n)];

    world_at(w, w->now_us + 1 + random_exponential(&w->lie, 40 * MS), &again);
    if (p->is_frozen || !p->is_up || to->member == p->member)
        return;
    if (lies(p, LIE_REPLAY) && p->kept_n > 0) {
        w->met[MET_REPLAY]++;
        world_post(w, p, to, p->kept[random_below(&w->lie, p->kept_n)], 0);
    }
    if (lies(p, LIE_FORGE) && w->blobs_n > 0) {
        struct packet *packet = forged(w, p);

        if (packet != NULL) {
            w->met[MET_FORGE]++;
            world_post(w, p, to, packet, 0);
            packet_drop(packet);
        }
    }
    if (lies(p, LIE_GARBAGE)) {
        struct packet *packet = noise(w);

        w->met[MET_GARBAGE]++;
        world_post(w, p, to, packet, 0);
        packet_drop(packet);
    }
}
