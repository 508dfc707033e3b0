/* process.c: one node: the production core, and the driver that does what its effects say. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/platter.h"

bool process_honest(const struct process *p)
{
    return p->lies == 0;
}

uint64_t process_wall_ms(const struct world *w, const struct process *p)
{
    int64_t wall = 1000000000000 + (int64_t)(w->now_us / MS) + p->skew_ms;

    return wall > 0 ? (uint64_t)wall : 0;
}

static const struct blob *find(const struct process *p, const struct slk_hash *hash)
{
    for (size_t i = 0; i < p->bodies_n; i++)
        if (slk_hash_equal(&p->bodies[i]->hash, hash))
            return p->bodies[i];
    for (size_t i = 0; i < p->disk.blobs_n; i++)
        if (slk_hash_equal(&p->disk.blobs[i]->hash, hash))
            return p->disk.blobs[i];
    return NULL;
}

static void keep(struct process *p, const struct blob *blob)
{
    if (blob == NULL || find(p, &blob->hash) != NULL)
        return;
    p->bodies[p->bodies_next] = blob;
    p->bodies_next = (p->bodies_next + 1) % BODIES_MAX;
    if (p->bodies_n < BODIES_MAX)
        p->bodies_n++;
}

bool process_hears(const struct world *w, const struct process *p, const struct process *to, uint16_t peer)
{
    uint16_t index = world_index(w, p->height, to->member);

    return to->member != p->member &&
           (peer == SLK_BFT_ALL ? index < world_size(w, p->height) : index == peer);
}

static void post(struct world *w, struct process *p, uint16_t peer, struct packet *packet)
{
    for (unsigned i = 0; i < w->processes_n; i++) {
        struct process *to = w->processes[i];

        if (process_hears(w, p, to, peer))
            world_post(w, p, to, packet, 0);
    }
}

static void send(struct world *w, struct process *p, const struct slk_bft_effect *effect)
{
    struct slk_msg msg = *effect->msg;
    const struct blob *blob;
    struct packet *packet;

    if (effect->with_body) {
        blob = find(p, &effect->hash);
        assert(blob != NULL);
        msg.body = slk_span_of(blob->body, blob->body_n);
    }
    if ((p->lies & ~(unsigned)LIE_CORRECT) != 0) {
        liar_sends(w, p, effect, &msg);
        return;
    }
    packet = packet_new(&msg);
    post(w, p, effect->peer, packet);
    packet_drop(packet);
}

/* Headers and their certificates, as far as the chain goes. */
static bool serve_headers(const struct process *p, const struct slk_get *get, struct slk_msg *msg)
{
    static uint8_t headers[SLK_RANGE_MAX * SLK_BLOCK_HEADER_SIZE];

    msg->kind = SLK_MSG_HEADERS;
    for (uint64_t h = get->height; h > 0 && h <= p->disk.height && msg->certs_n < get->count; h++) {
        memcpy(
            headers + msg->certs_n * SLK_BLOCK_HEADER_SIZE, p->disk.chain[h]->header, SLK_BLOCK_HEADER_SIZE);
        msg->certs[msg->certs_n++] = p->disk.final[h];
    }
    msg->header = slk_span_of(headers, msg->certs_n * SLK_BLOCK_HEADER_SIZE);
    return msg->certs_n > 0;
}

/* A charter, here, is the first height it governs. */
static bool serve_epochs(const struct process *p, const struct slk_get *get, struct slk_msg *msg)
{
    static uint8_t charters[SLK_EPOCHS_MAX][8];

    msg->kind = SLK_MSG_EPOCHS;
    for (uint64_t h = get->height; h > 0 && h <= p->disk.height && msg->certs_n < SLK_EPOCHS_MAX; h++) {
        const struct blob *blob = p->disk.chain[h];
        struct slk_block_header header;
        size_t n = msg->certs_n;

        if (slk_block_header_parse(&header, blob->header) != SLK_OK)
            abort();
        if (slk_hash_equal(&header.charter_hash, &header.next_charter_hash))
            continue;
        slk_put_u64(charters[n], h + 1);
        msg->epochs[n].header = slk_span_of(blob->header, sizeof(blob->header));
        msg->epochs[n].charter = slk_span_of(charters[n], sizeof(charters[n]));
        msg->certs[msg->certs_n++] = p->disk.final[h];
    }
    return msg->certs_n > 0;
}

static bool council_of(void *ctx, struct slk_span bytes, const struct slk_hash *hash, struct slk_council *out)
{
    const struct world *w = ctx;

    if (bytes.size != 8)
        return false;
    world_council(w, slk_get_u64(bytes.at), out);
    return slk_hash_equal(&out->charter_hash, hash);
}

static void serve(struct world *w, struct process *p, const struct slk_bft_effect *effect)
{
    const struct slk_get *get = &effect->get;
    const struct blob *blob = NULL;
    static struct slk_msg msg;
    struct packet *packet;

    if ((p->lies & LIE_HOARD) != 0)
        return;
    memset(&msg, 0, sizeof(msg));
    if ((get->what == SLK_GET_HEADERS && serve_headers(p, get, &msg)) ||
        (get->what == SLK_GET_EPOCHS && serve_epochs(p, get, &msg))) {
        packet = packet_new(&msg);
        post(w, p, effect->peer, packet);
        packet_drop(packet);
        return;
    }
    if (get->what == SLK_GET_COMMIT && get->height > 0 && get->height <= p->disk.height) {
        msg.kind = SLK_MSG_COMMIT;
        blob = p->disk.chain[get->height];
        msg.certs[0] = p->disk.final[get->height];
        msg.certs_n = 1;
    } else if (get->what == SLK_GET_BODY) {
        msg.kind = SLK_MSG_DATA;
        blob = find(p, &get->hash);
        if (blob == NULL && get->height > 0 && get->height <= p->disk.height &&
            slk_hash_equal(&p->disk.chain[get->height]->hash, &get->hash))
            blob = p->disk.chain[get->height];
        if (blob != NULL && effect->offset <= blob->body_n) {
            uint64_t left = blob->body_n - effect->offset;

            msg.body =
                slk_span_of(blob->body + effect->offset, (size_t)(left < effect->size ? left : effect->size));
            msg.chunk = get->chunk;
            msg.body_size = (uint32_t)blob->body_n;
        }
    }
    if (blob == NULL)
        return;
    msg.header = slk_span_of(blob->header, sizeof(blob->header));
    packet = packet_new(&msg);
    post(w, p, effect->peer, packet);
    packet_drop(packet);
}

/* The parts of a body so far, this one added; false while more are to come. */
static bool whole(struct world *w, struct process *p, const struct slk_bft_effect *e, struct slk_span *body)
{
    struct part *part = NULL;

    *body = e->body;
    if (e->offset == 0 && e->body.size >= e->size)
        return true;
    for (unsigned i = 0; i < PARTS_MAX; i++)
        if (p->parts[i].bytes != NULL && slk_hash_equal(&p->parts[i].hash, &e->hash))
            part = &p->parts[i];
    if (e->offset == 0) {
        part = part != NULL ? part : &p->parts[p->parts_next++ % PARTS_MAX];
        *part =
            (struct part){.hash = e->hash, .cap = (size_t)e->size, .bytes = world_alloc(w, (size_t)e->size)};
    }
    if (part == NULL || part->n != e->offset || e->body.size > part->cap - part->n)
        return false;
    memcpy(part->bytes + part->n, e->body.at, e->body.size);
    part->n += e->body.size;
    *body = slk_span_of(part->bytes, part->n);
    return part->n == part->cap;
}

/* What does not become the header's body the core is told at once. */
static void take_body(struct world *w, struct process *p, const struct slk_bft_effect *e)
{
    struct event event = {.kind = EVENT_VALIDATED, .process = p->index, .boot = p->boot};
    const struct blob *blob;
    struct blob *wanted;
    struct slk_span body;

    if (!whole(w, p, e, &body))
        return;
    blob = ledger_take(w, e->header, &e->hash, body);
    keep(p, blob);
    if (blob != NULL)
        return;
    wanted = world_alloc(w, sizeof(*wanted));
    wanted->hash = e->hash;
    event.u.blob = wanted;
    world_at(w, w->now_us, &event);
}

static void later(struct world *w, struct process *p, struct event *event, uint64_t in_us)
{
    event->process = p->index;
    event->boot = p->boot;
    world_at(w, w->now_us + in_us, event);
}

static void validate(struct world *w, struct process *p, const struct slk_bft_effect *effect)
{
    struct event event = {.kind = EVENT_VALIDATED};
    struct blob *wanted = world_alloc(w, sizeof(*wanted));

    wanted->hash = effect->hash; /* looked up again when it is its turn */
    event.u.blob = wanted;
    later(w, p, &event, random_exponential(&w->disk, w->swarm.work_us));
}

static void build(struct world *w, struct process *p, const struct slk_bft_effect *effect)
{
    struct event event = {.kind = EVENT_BUILT};

    event.u.build.height = effect->height;
    event.u.build.view = effect->view;
    event.u.build.empty = effect->empty;
    later(w, p, &event, random_exponential(&w->disk, w->swarm.work_us));
}

static void alarm(struct world *w, struct process *p, enum slk_bft_alarm alarm)
{
    static const char *const names[] = {"?", "AMNESIA", "DIVERGED", "FORK", "CLOCK", "VIEWS"};

    w->alarms_n++;
    p->is_halted |= alarm == SLK_ALARM_AMNESIA || alarm == SLK_ALARM_FORK || alarm == SLK_ALARM_DIVERGED;
    world_trace(w, "process %u raises %s", p->index, names[alarm]);
    if (w->swarm.is_beyond && alarm != SLK_ALARM_AMNESIA)
        return;
    if (w->script != NULL && (w->script->expected[p->index] >> alarm & 1) != 0)
        return;
    if (process_honest(p) && alarm != SLK_ALARM_CLOCK)
        oracle_fail(w->oracle, "I10: honest process %u raised %s", p->index, names[alarm]);
}

static void carry_out(struct world *w, struct process *p, const struct slk_bft_effect *e)
{
    struct event event = {.kind = EVENT_POOL};

    if (w->script != NULL && w->script->sees != NULL)
        w->script->sees(w, p, e);
    switch (e->kind) {
    case SLK_OUT_PERSIST:
        disk_persist(w, p, w->out, e);
        break;
    case SLK_OUT_SIGN:
        assert(p->signs_n < SLK_BFT_EFFECTS);
        p->signs[p->signs_n++] = e->statement;
        break;
    case SLK_OUT_SEND:
        send(w, p, e);
        break;
    case SLK_OUT_SERVE:
        serve(w, p, e);
        break;
    case SLK_OUT_BODY:
        take_body(w, p, e);
        break;
    case SLK_OUT_VALIDATE:
        validate(w, p, e);
        break;
    case SLK_OUT_BUILD:
        build(w, p, e);
        break;
    case SLK_OUT_COMMIT:
        assert(find(p, &e->hash) != NULL);
        disk_commit(w, p, find(p, &e->hash), e->cert);
        break;
    case SLK_OUT_COSIGN:
        if (process_honest(p) && oracle_acknowledged(w->oracle, p->index, e->seq, p->disk.height))
            (void)oracle_cosigned(w->oracle, p->index, e->seq, p->disk.chain[e->seq]->hash.b);
        if (e->seq <= p->disk.height)
            cosign(w, p, e->seq);
        if (ledger_platter(w) != NULL)
            ledger_platter(w)->cosign(w, p, e->seq);
        break;
    case SLK_OUT_EVIDENCE:
        w->evidence_n++;
        if (ledger_platter(w) != NULL)
            ledger_platter(w)->evidence(w, p, e->msg);
        if (process_honest(p) && w->swarm.lies[world_member(w, p->height, e->peer)] == 0)
            oracle_fail(w->oracle, "an honest member is accused by process %u", p->index);
        break;
    case SLK_OUT_PULL:
        event.u.number = world_member(w, p->height, e->peer);
        if (!w->blocked[event.u.number][p->member]) {
            event.process = p->index;
            world_at(w, w->now_us + 2 * w->swarm.delay_us, &event);
        }
        break;
    case SLK_OUT_CHARGE:
        w->refused_n++;
        break;
    case SLK_OUT_ALARM:
        alarm(w, p, e->alarm);
        break;
    }
}

static void wake(struct world *w, struct process *p, uint64_t wake_ms)
{
    struct event event = {.kind = EVENT_WAKE, .process = p->index, .boot = p->boot};
    uint64_t least = w->now_us / MS + 1, at;

    if (wake_ms == UINT64_MAX)
        return;
    at = (wake_ms > least ? wake_ms : least) * MS;
    if (at >= p->wake_us)
        return;
    p->wake_us = at;
    world_at(w, at, &event);
}

static void after_step(struct world *w, struct process *p)
{
    struct slk_bft_view_of look;

    slk_bft_look(p->core, &look);
    p->height = look.height;
    for (size_t i = 0; i < w->out->n; i++)
        carry_out(w, p, &w->out->at[i]);
    wake(w, p, w->out->wake_ms);
    if (!process_honest(p))
        return;
    if (!oracle_at(w->oracle, p->index, p->boot, look.height, look.view))
        world_trace(w, "process %u is in (%llu, %u)", p->index, (unsigned long long)look.height, look.view);
}

static void step(struct world *w, struct process *p, struct slk_bft_input *in)
{
    in->now_ms = w->now_us / MS;
    in->wall_ms = process_wall_ms(w, p);
    in->random = (uint32_t)random_bits(&w->random);
    w->steps++;
    slk_bft_step(p->core, in, w->out);
    after_step(w, p);
}

/* The signer: signs what the core handed out, which it does after saving. */
static void sign(struct world *w, struct process *p, const struct slk_statement *s)
{
    static const char *const names[] = {"?", "PROPOSE", "NOTARIZE", "NULLIFY", "FINALIZE"};
    struct slk_vote vote = {.statement = *s, .signer = world_index(w, s->height, p->member)};
    static struct slk_council council;
    struct slk_bft_input in = {.kind = SLK_IN_SIGNED, .vote = &vote};
    uint8_t bytes[SLK_VOTE_BYTES];

    world_council(w, s->height, &council);
    slk_statement_bytes(bytes, &council, s);
    if (process_honest(p) && ledger_platter(w) != NULL)
        ledger_platter(w)->image(w, p, w->image);
    else if (process_honest(p))
        disk_image(p, w->image);
    world_trace(w, "process %u signs %s (%llu, %u) %02x%02x", p->index, names[s->kind],
        (unsigned long long)s->height, s->view, s->hash.b[0], s->hash.b[1]);
    if (p->is_halted)
        oracle_fail(w->oracle, "process %u signs after it said that it would not", p->index);
    (void)oracle_signed(w->oracle, p->member, bytes, process_honest(p) ? w->image : NULL);
    world_sign(w, p->member, bytes, vote.sig);
    if (w->script != NULL && w->script->signs != NULL && w->script->signs(w, p, s))
        process_doom(w, p);
    else
        step(w, p, &in);
}

static void sign_all(struct world *w, struct process *p)
{
    for (size_t i = 0; i < p->signs_n && !p->is_doomed; i++) {
        struct slk_statement s = p->signs[i];

        sign(w, p, &s);
    }
    p->signs_n = 0;
}

static void feed(struct world *w, struct process *p, struct slk_bft_input *in)
{
    if (p->is_doomed)
        return;
    step(w, p, in);
    sign_all(w, p);
}

void process_pool(struct world *w, struct process *p)
{
    struct slk_bft_input in = {.kind = SLK_IN_POOL};

    if (!p->is_up)
        return;
    in.pool_count = ledger_pool(w, p, &in.pool_xor, &in.pool_urgent);
    feed(w, p, &in);
}

/* I13: what the core took over is what the disk holds: height, votes, certificates, blocks, silence. */
static void compare(
    struct world *w, const struct process *p, const struct slk_bft_record *records, size_t records_n)
{
    static const char *const names[] = {
        "?", "a vote", "a certificate", "a block", "that it has to be silent"};
    struct slk_bft_view_of look;

    if (!process_honest(p))
        return;
    slk_bft_look(p->core, &look);
    if (look.height != p->disk.height + 1)
        oracle_fail(w->oracle, "I13: process %u starts at another height than its disk", p->index);
    if (records_n < p->disk.votes_n + p->disk.certs_n + p->disk.blobs_n + p->disk.muted)
        oracle_fail(w->oracle, "I13: the disk of process %u forgot what was written", p->index);
    for (size_t i = 0; i < records_n; i++)
        if (!slk_bft_loaded(p->core, &records[i]))
            oracle_fail(
                w->oracle, "I13: process %u forgot %s over a restart", p->index, names[records[i].kind]);
}

void process_start(struct world *w, struct process *p)
{
    static struct slk_bft_record records[DISK_BOOT_RECORDS];
    struct slk_bft_config config;
    struct slk_bft_input at = {
        .kind = SLK_IN_TICK, .now_ms = w->now_us / MS, .wall_ms = process_wall_ms(w, p)};
    struct slk_bft_tip tip;
    size_t n;

    if (p->is_up || p->is_frozen)
        return;
    slk_bft_config_default(&config, w->swarm.delta_ms);
    config.verifier = w->verifier;
    config.electors = (struct slk_electors){.ctx = w, .council = council_of};
    config.chunk_bytes = w->swarm.chunk_bytes > 0 ? w->swarm.chunk_bytes : SLK_CHUNK_BYTES;
    p->core = world_core(&config);
    p->boot++;
    p->is_up = true;
    p->is_doomed = false;
    p->is_halted = p->disk.muted;
    p->wake_us = UINT64_MAX;
    p->bodies_n = p->bodies_next = p->signs_n = 0;
    memset(p->parts, 0, sizeof(p->parts));
    ledger_open(w, p);
    n = disk_records(w, p, records);
    ledger_tip(w, p, &tip);
    at.random = (uint32_t)random_bits(&w->random);
    world_trace(w, "process %u starts at height %llu", p->index, (unsigned long long)tip.height + 1);
    slk_bft_start(p->core, &tip, records, n, &at, w->out);
    after_step(w, p);
    compare(w, p, records, n);
    sign_all(w, p);
    process_pool(w, p);
    if (p->disk.height > 0)
        cosign(w, p, p->disk.height); /* the tip, anew */
}

void process_stop(struct world *w, struct process *p)
{
    if (!p->is_up)
        return;
    world_trace(w, "process %u stops", p->index);
    disk_crash(w, p);
    ledger_close(w, p);
    world_core_done(p->core);
    p->core = NULL;
    p->is_up = p->is_doomed = false;
}

void process_doom(struct world *w, struct process *p)
{
    p->is_doomed = w->is_somebody_doomed = true;
}

/* Enough signatures, each of them good? Told without the core. */
static bool is_final(const struct world *w, const struct slk_cert *cert)
{
    static struct slk_council council;
    struct slk_statement s = {
        .kind = SLK_VOTE_FINALIZE, .height = cert->height, .view = cert->view, .hash = cert->hash};
    uint8_t bytes[SLK_VOTE_BYTES], sig[SLK_SIGNATURE_SIZE];
    size_t n = 0;

    if (cert->kind != SLK_VOTE_FINALIZE)
        return false;
    world_council(w, cert->height, &council);
    slk_statement_bytes(bytes, &council, &s);
    for (unsigned i = 0; i < world_size(w, cert->height); i++) {
        if ((cert->signers >> i & 1) == 0)
            continue;
        world_sign(w, world_member(w, cert->height, i), bytes, sig);
        if (memcmp(sig, cert->sigs[n++], sizeof(sig)) != 0)
            return false;
    }
    return n >= w->q && slk_bits_n(cert->signers) == n;
}

/* Two final blocks of its last height: who saw both says so, and signs nothing any more. */
static void must_halt(struct world *w, const struct process *p, const struct slk_msg *msg)
{
    struct slk_bft_view_of look;

    if (!process_honest(p) || p->core == NULL || (msg->kind != SLK_MSG_COMMIT && msg->kind != SLK_MSG_CERT))
        return;
    slk_bft_look(p->core, &look);
    for (size_t i = 0; i < msg->certs_n; i++) {
        const struct slk_cert *cert = msg->certs[i];

        if (cert->height != p->disk.height || cert->height == 0 || !is_final(w, cert) ||
            slk_hash_equal(&cert->hash, &p->disk.chain[cert->height]->hash))
            continue;
        w->forks_n++;
        if (!look.muted)
            oracle_fail(w->oracle, "process %u saw two final blocks of height %llu and goes on", p->index,
                (unsigned long long)cert->height);
    }
}

static void hear(struct world *w, struct process *p, const struct event *event)
{
    static struct slk_msg msg;
    struct slk_bft_input in = {
        .kind = SLK_IN_MSG, .peer = world_index(w, p->height, event->from), .msg = &msg};
    const struct packet *packet = event->u.packet;

    if (slk_msg_parse(&msg, w->certs, packet->kind, slk_span_of(packet->bytes, packet->size)) != SLK_OK) {
        w->refused_n++;
        return;
    }
    if (w->script != NULL && w->script->hears != NULL)
        w->script->hears(w, p, &msg);
    if ((p->lies & ~(unsigned)LIE_CORRECT) != 0 && !liar_hears(w, p, event, &msg))
        return;
    feed(w, p, &in);
    if (w->swarm.is_beyond)
        must_halt(w, p, &msg);
}

static void disk_event(struct world *w, struct process *p)
{
    const struct transaction *t = p->disk.in_flight;
    struct slk_bft_tip tip;

    if (w->script != NULL && w->script->writes != NULL && w->script->writes(w, p, t)) {
        process_doom(w, p);
        return;
    }
    if (faults_disk_fails(w, p))
        return;
    disk_done(w, p);
    for (; t != NULL; t = t->next) {
        struct slk_bft_input in = {.kind = SLK_IN_PERSISTED, .seq = t->seq};

        if (t->commit != NULL) {
            ledger_committed(w, p, t->commit);
            process_pool(w, p);
            ledger_tip(w, p, &tip);
            in.kind = SLK_IN_COMMITTED;
            in.tip = &tip;
            p->bodies_n = p->bodies_n > BODIES_MAX ? BODIES_MAX : p->bodies_n;
        }
        feed(w, p, &in);
    }
}

static void take_pool(struct world *w, struct process *p, uint64_t member)
{
    bool is_new = false;

    for (unsigned i = 0; i < w->processes_n; i++) {
        const struct process *from = w->processes[i];

        if (from->member != member || !from->is_up || from->is_frozen)
            continue;
        is_new |= ledger_hear(w, p, from);
    }
    if (is_new)
        process_pool(w, p);
}

static void validated(struct world *w, struct process *p, const struct slk_hash *hash)
{
    const struct blob *blob = find(p, hash);
    struct slk_bft_input in = {.kind = SLK_IN_VALIDATED, .hash = *hash};

    in.verdict = blob == NULL ? SLK_BLOCK_MISSING : ledger_check(w, p, blob);
    if (blob != NULL && w->script != NULL && w->script->judges != NULL)
        in.verdict = w->script->judges(p, blob, in.verdict);
    feed(w, p, &in);
}

static void built(struct world *w, struct process *p, const struct event *event)
{
    const struct blob *blob =
        ledger_build(w, p, event->u.build.height, event->u.build.view, event->u.build.empty);
    struct slk_bft_input in = {.kind = SLK_IN_BUILT,
        .height = event->u.build.height,
        .view = event->u.build.view,
        .header = blob == NULL ? NULL : blob->header};

    keep(p, blob);
    if (blob != NULL) {
        w->built_us = w->now_us;
        w->committed_n = 0;
    }
    feed(w, p, &in);
}

void process_event(struct world *w, struct process *p, const struct event *event)
{
    struct slk_bft_input in = {.kind = SLK_IN_TICK};

    if (p->is_frozen || !p->is_up || (event->boot != 0 && event->boot != p->boot))
        return;
    if (p->is_paused) { /* all of it happens when the process goes on */
        if (event->kind == EVENT_PACKET)
            event->u.packet->refs++;
        world_at(w, p->resume_us > w->now_us ? p->resume_us : w->now_us + MS, event);
        if (event->kind == EVENT_WAKE)
            p->wake_us = p->resume_us > w->now_us ? p->resume_us : w->now_us + MS;
        return;
    }
    if (event->kind == EVENT_PACKET) {
        hear(w, p, event);
    } else if (event->kind == EVENT_WAKE) {
        if (event->at_us != p->wake_us)
            return;
        p->wake_us = UINT64_MAX;
        feed(w, p, &in);
    } else if (event->kind == EVENT_DISK) {
        disk_event(w, p);
    } else if (event->kind == EVENT_VALIDATED) {
        validated(w, p, &event->u.blob->hash);
    } else if (event->kind == EVENT_BUILT) {
        built(w, p, event);
    } else if (event->kind == EVENT_POOL) {
        take_pool(w, p, event->u.number);
    } else if (event->kind == EVENT_LEDGER) {
        ledger_event(w, p, event);
    }
}
