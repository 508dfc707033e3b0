/* world.c: the queue of events, the lines, the signatures. */
#include "tests/sim/world.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct chunk {
    struct chunk *next;
    size_t used, size;
    max_align_t bytes[];
};

static struct chunk *spare; /* of runs that are over, for the next one */

void *world_alloc(struct world *w, size_t size)
{
    static const size_t least = 1u << 20;
    struct chunk *chunk = w->arena;
    uint8_t *at;

    size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (chunk == NULL || size > chunk->size - chunk->used) {
        assert(size <= least);
        chunk = spare;
        if (chunk != NULL)
            spare = chunk->next;
        else
            chunk = malloc(sizeof(*chunk) + least);
        if (chunk == NULL)
            abort();
        *chunk = (struct chunk){.next = w->arena, .used = 0, .size = least};
        w->arena = chunk;
    }
    at = (uint8_t *)chunk->bytes + chunk->used;
    chunk->used += size;
    memset(at, 0, size);
    return at;
}

/* Whoever uses a core that was freed should be told: by a sanitizer, which sees that only if it was freed. */
#ifdef __SANITIZE_ADDRESS__
static const bool are_cores_kept = false;
#else
static const bool are_cores_kept = true;
#endif
enum { SPARE_CORES = 16 };

static struct slk_bft *cores[SPARE_CORES];
static unsigned cores_n;

struct slk_bft *world_core(const struct slk_bft_config *config)
{
    struct slk_bft *core = cores_n > 0 ? cores[--cores_n] : slk_bft_new(config);

    if (core == NULL)
        abort();
    slk_bft_reset(core, config);
    return core;
}

void world_core_done(struct slk_bft *core)
{
    if (core != NULL && are_cores_kept && cores_n < SPARE_CORES)
        cores[cores_n++] = core;
    else
        slk_bft_free(core);
}

/* Everything that happens goes into one number: two runs of a seed must agree on it. */
void world_note(struct world *w, uint64_t a, uint64_t b)
{
    w->trace = (w->trace ^ a) * 0x9e3779b97f4a7c15u;
    w->trace = ((w->trace ^ (w->trace >> 29)) ^ b) * 0xbf58476d1ce4e5b9u;
    w->trace ^= w->trace >> 32;
}

void world_trace(const struct world *w, const char *format, ...)
{
    va_list args;

    if (!w->is_traced)
        return;
    printf("%8llu %12.3f ms  ", (unsigned long long)w->steps, (double)w->now_us / 1000.0);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

/* ---- the queue: a binary heap by (time, order of insertion) ---- */

static bool before(const struct event *a, const struct event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->seq < b->seq;
}

void world_at(struct world *w, uint64_t at_us, const struct event *event)
{
    size_t i = w->heap_n++;

    if (w->heap_n > w->heap_cap) {
        w->heap_cap = w->heap_cap == 0 ? 1024 : 2 * w->heap_cap;
        w->heap = realloc(w->heap, w->heap_cap * sizeof(*w->heap));
        if (w->heap == NULL)
            abort();
    }
    w->heap[i] = *event;
    w->heap[i].at_us = at_us;
    w->heap[i].seq = w->seq++;
    while (i > 0 && before(&w->heap[i], &w->heap[(i - 1) / 2])) {
        struct event swap = w->heap[i];

        w->heap[i] = w->heap[(i - 1) / 2];
        w->heap[(i - 1) / 2] = swap;
        i = (i - 1) / 2;
    }
}

bool world_pop(struct world *w, struct event *out)
{
    struct event last;
    size_t i = 0;

    if (w->heap_n == 0)
        return false;
    *out = w->heap[0];
    last = w->heap[--w->heap_n];
    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= w->heap_n)
            break;
        if (child + 1 < w->heap_n && before(&w->heap[child + 1], &w->heap[child]))
            child++;
        if (!before(&w->heap[child], &last))
            break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return true;
}

/* ---- packets and lines ---- */

struct packet *packet_new(const struct slk_msg *msg)
{
    static uint8_t bytes[SLK_PROPOSAL_BYTES_MAX];
    size_t size = slk_msg_format(bytes, sizeof(bytes), msg);
    struct packet *packet = malloc(sizeof(*packet) + size);

    assert(size > 0);
    if (packet == NULL)
        abort();
    packet->refs = 1;
    packet->kind = msg->kind;
    packet->size = size;
    memcpy(packet->bytes, bytes, size);
    return packet;
}

struct packet *packet_copy(const struct packet *from)
{
    struct packet *packet = malloc(sizeof(*packet) + from->size);

    if (packet == NULL)
        abort();
    memcpy(packet, from, sizeof(*packet) + from->size);
    packet->refs = 1;
    return packet;
}

void packet_drop(struct packet *packet)
{
    if (--packet->refs == 0)
        free(packet);
}

static void deliver(struct world *w, const struct process *from, const struct process *to,
    struct packet *packet, uint64_t extra_us)
{
    struct event event = {
        .kind = EVENT_PACKET, .process = to->index, .from = from->member, .u.packet = packet};
    uint64_t delay = w->swarm.delay_us + (w->is_live ? 0 : random_exponential(&w->net, w->swarm.spread_us));

    if (!w->is_live && w->clogged_until[from->member][to->member] > w->now_us)
        delay += w->clogged_until[from->member][to->member] - w->now_us;
    packet->refs++;
    world_at(w, w->now_us + delay + extra_us, &event);
}

/* I11, the budgets of protocol §3.5 per peer: 400 votes a second, with a quarter of the burst of 4,000 that is allowed;
 * 82 other messages within a second, and room for one start. A growing storm passes any bound. */
static void budget(struct world *w, struct process *from, bool is_vote)
{
    enum { WINDOW_US = 1000000, ONCE = 300, VOTES = 400, BURST = 1000, OTHERS = 82 };
    uint64_t peers_n = w->n + w->swarm.observers;
    unsigned parts = w->swarm.chunk_bytes > 0 ? 4 : 1; /* bodies in parts of a few bytes: hundreds for who was late */
    uint64_t leaked = (w->now_us - from->leak_us) * VOTES * w->n / WINDOW_US;

    if (w->now_us - from->sent_window_us >= WINDOW_US) {
        from->sent_window_us = w->now_us;
        from->sent_others_n = 0;
    }
    if (leaked > 0) {
        from->leak_us = w->now_us;
        from->sent_votes_n -= leaked < from->sent_votes_n ? leaked : from->sent_votes_n;
    }
    from->sent_votes_n += is_vote;
    from->sent_others_n += !is_vote;
    if (from->sent_votes_n > ONCE + BURST * (uint64_t)w->n || from->sent_others_n > parts * (ONCE + OTHERS * peers_n))
        oracle_fail(w->oracle,
            "I11: process %u sent %llu votes too fast, %llu other messages within a second", from->index,
            (unsigned long long)from->sent_votes_n, (unsigned long long)from->sent_others_n);
}

void world_post(
    struct world *w, struct process *from, struct process *to, struct packet *packet, uint64_t extra_us)
{
    w->packets_n++;
    w->bytes_n += packet->size;
    w->words_n += process_honest(from) && packet->kind != SLK_MSG_STATUS;
    if (process_honest(from))
        budget(w, from, packet->kind == SLK_MSG_VOTE);
    if (to->is_frozen || from->is_frozen ||
        (w->script != NULL && w->script->loses != NULL && w->script->loses(w, from, to, packet)))
        return;
    if (w->is_live) {
        deliver(w, from, to, packet, extra_us);
        return;
    }
    if (w->blocked[from->member][to->member] ||
        random_chance(&w->net, w->swarm.loss + w->one_way[from->member][to->member])) {
        w->met[MET_LOST]++;
        return;
    }
    deliver(w, from, to, packet, extra_us);
    if (random_chance(&w->net, w->swarm.duplicate)) {
        w->met[MET_TWICE]++;
        deliver(w, from, to, packet, extra_us);
    }
}

/* ---- signatures: a keyed sum that only world_sign can make; nobody's code but the harness holds the secrets ---- */

static void keyed_sum(const uint64_t secret[2], const uint8_t *bytes, size_t size, uint64_t out[2])
{
    uint64_t a = secret[0], b = secret[1], word;

    for (size_t i = 0; i + 4 <= size; i += 4) {
        word = slk_get_u32(bytes + i);
        a = (a ^ word) * 0x9e3779b97f4a7c15u;
        b = (b ^ (a >> 31)) * 0xbf58476d1ce4e5b9u;
    }
    out[0] = a ^ (b >> 32);
    out[1] = b ^ (a >> 32);
}

/* Of a scenario that tells who decides when; NULL: the swarm's epochs. */
static const struct charter *charter_of(const struct world *w, uint64_t height)
{
    const struct script *script = w->script;
    const struct charter *real = ledger_charter(w, height, NULL);
    unsigned at = 0;

    if (real != NULL)
        return real;
    if (script == NULL || script->charters_n == 0)
        return NULL;
    while (at + 1 < script->charters_n && script->charters[at + 1].from <= height)
        at++;
    return &script->charters[at];
}

static uint64_t epoch_of(const struct world *w, uint64_t height)
{
    return w->swarm.epoch == 0 ? 0 : height / w->swarm.epoch;
}

size_t world_size(const struct world *w, uint64_t height)
{
    const struct charter *charter = charter_of(w, height);

    if (charter != NULL)
        return charter->n;
    return epoch_of(w, height) % 2 == 1 && w->n > 1 ? w->n - 1 : w->n;
}

/* Members come first, in the charter's order, then the observers. */
static uint16_t listed(const struct charter *charter, unsigned all, unsigned index)
{
    unsigned at = charter->n;

    if (index < charter->n)
        return charter->members[index];
    for (unsigned member = 0; member < all; member++) {
        bool is_member = false;

        for (unsigned i = 0; i < charter->n; i++)
            is_member |= charter->members[i] == member;
        if (!is_member && at++ == index)
            return (uint16_t)member;
    }
    abort();
}

uint16_t world_member(const struct world *w, uint64_t height, unsigned index)
{
    const struct charter *charter = charter_of(w, height);

    if (index >= w->n)
        return (uint16_t)index;
    if (charter != NULL)
        return listed(charter, w->n, index);
    return (uint16_t)((epoch_of(w, height) % w->n + index) % w->n);
}

uint16_t world_index(const struct world *w, uint64_t height, unsigned member)
{
    const struct charter *charter = charter_of(w, height);

    if (member >= w->n)
        return (uint16_t)member; /* an observer for ever */
    for (unsigned i = 0; charter != NULL && i < w->n; i++)
        if (listed(charter, w->n, i) == member)
            return (uint16_t)i;
    return (uint16_t)((member + w->n - epoch_of(w, height) % w->n) % w->n);
}

void world_council(const struct world *w, uint64_t height, struct slk_council *out)
{
    const struct charter *charter = charter_of(w, height);
    uint64_t epoch = charter != NULL ? charter->from : epoch_of(w, height);

    if (ledger_charter(w, height, out) != NULL)
        return;
    out->chain_id = w->council.chain_id;
    out->charter_hash = w->council.charter_hash;
    slk_put_u64(out->charter_hash.b, epoch + 1);
    out->n = world_size(w, height);
    for (unsigned i = 0; i < out->n; i++)
        memcpy(out->keys[i], w->council.keys[world_member(w, height, i)], SLK_KEY_SIZE);
}

void world_sign(const struct world *w, unsigned member, const uint8_t *bytes, uint8_t sig[SLK_SIGNATURE_SIZE])
{
    uint64_t sum[2];

    if (ledger_sign(w, member, bytes, sig))
        return;
    keyed_sum(w->secrets[member], bytes, SLK_VOTE_BYTES, sum);
    memset(sig, 0, SLK_SIGNATURE_SIZE);
    slk_put_u64(sig, sum[0]);
    slk_put_u64(sig + 8, sum[1]);
    sig[SLK_SIGNATURE_SIZE - 1] = 1;
}

static bool verify(void *ctx, const uint8_t sig[SLK_SIGNATURE_SIZE], const uint8_t *message, size_t size,
    const uint8_t key[SLK_KEY_SIZE])
{
    struct world *w = ctx;
    uint8_t expected[SLK_SIGNATURE_SIZE];
    unsigned member = key[0];

    w->checks_n++;
    if (size != SLK_VOTE_BYTES || member >= w->n || memcmp(key, w->council.keys[member], SLK_KEY_SIZE) != 0)
        return false;
    world_sign(w, member, message, expected);
    return memcmp(expected, sig, sizeof(expected)) == 0;
}

/* ---- a run ---- */

static struct process *spares[PROCESSES_MAX]; /* of runs that are over */
static unsigned spares_n;

static void make_process(struct world *w, unsigned member)
{
    struct process *p = spares_n > 0 ? spares[--spares_n] : malloc(sizeof(*p));

    if (p == NULL)
        abort();
    memset(p, 0, offsetof(struct process, bodies));
    p->index = (uint16_t)w->processes_n;
    p->member = (uint16_t)member;
    p->lies = w->swarm.lies[member];
    disk_init(&p->disk, w->genesis);
    w->processes[w->processes_n++] = p;
    p->core = NULL;
}

unsigned world_twin(struct world *w, unsigned member)
{
    if (w->processes_n == PROCESSES_MAX)
        abort();
    make_process(w, member);
    return w->processes_n - 1;
}

void world_init(struct world *w, const struct swarm *swarm)
{
    struct oracle *oracle = w->oracle;
    struct slk_bft_effects *out = w->out;
    struct slk_cert_pool *certs = w->certs;
    struct oracle_image *image = w->image;
    struct random keys = random_new(swarm->seed, 1);
    struct event *heap = w->heap;
    struct blob **blobs = w->blobs;
    size_t heap_cap = w->heap_cap, blobs_cap = w->blobs_cap;

    memset(w, 0, sizeof(*w));
    w->heap = heap;
    w->heap_cap = heap_cap;
    w->blobs = blobs;
    w->blobs_cap = blobs_cap;
    w->oracle = oracle != NULL ? oracle : oracle_new();
    w->out = out != NULL ? out : calloc(1, sizeof(*out));
    w->certs = certs != NULL ? certs : calloc(1, sizeof(*certs));
    w->image = image != NULL ? image : calloc(1, sizeof(*image));
    if (w->oracle == NULL || w->out == NULL || w->certs == NULL || w->image == NULL)
        abort();
    w->swarm = *swarm;
    w->random = random_new(swarm->seed, 2 + 16 * (uint64_t)swarm->salt);
    w->net = random_new(swarm->seed, 3 + 16 * (uint64_t)swarm->salt);
    w->lie = random_new(swarm->seed, 4 + 16 * (uint64_t)swarm->salt);
    w->disk = random_new(swarm->seed, 5 + 16 * (uint64_t)swarm->salt);
    w->until = UINT64_MAX;
    w->verifier = (struct slk_verifier){.ctx = w, .verify = verify};
    w->n = swarm->n;
    w->council.n = swarm->n;
    w->f = (unsigned)slk_council_faults(&w->council);
    w->q = (unsigned)slk_council_quorum(&w->council);
    memset(w->council.chain_id.b, 0x51, SLK_HASH_SIZE);
    memset(w->council.charter_hash.b, 0x52, SLK_HASH_SIZE);
    for (unsigned i = 0; i < w->n; i++) {
        w->council.keys[i][0] = (uint8_t)i;
        w->council.keys[i][1] = 1;
        w->secrets[i][0] = random_bits(&keys);
        w->secrets[i][1] = random_bits(&keys);
    }
    oracle_reset(w->oracle, w->n, swarm->epoch);
    if (swarm->is_beyond)
        oracle_beyond(w->oracle);
    cosign_begin(w);
    w->genesis = ledger_genesis(w);
    for (unsigned i = 0; i < w->n; i++)
        make_process(w, i);
    for (unsigned i = 0; i < w->n; i++)
        if ((swarm->lies[i] & LIE_TWIN) != 0 && w->processes_n < PROCESSES_MAX)
            (void)world_twin(w, i);
    for (unsigned i = 0; i < swarm->observers && w->processes_n < PROCESSES_MAX && w->n + i < MEMBERS_MAX;
         i++)
        make_process(w, w->n + i);
}

void world_close(struct world *w)
{
    struct event event;

    while (world_pop(w, &event))
        if (event.kind == EVENT_PACKET)
            packet_drop(event.u.packet);
    for (unsigned i = 0; i < w->processes_n; i++) {
        for (unsigned k = 0; k < w->processes[i]->kept_n; k++)
            packet_drop(w->processes[i]->kept[k]);
        world_core_done(w->processes[i]->core);
        ledger_close(w, w->processes[i]);
        free(w->processes[i]->backup);
        spares[spares_n++] = w->processes[i];
    }
    while (w->arena != NULL) {
        struct chunk *next = w->arena->next;

        w->arena->next = spare;
        spare = w->arena;
        w->arena = next;
    }
    w->heap_n = w->blobs_n = 0;
}

static void happen(struct world *w, const struct event *event)
{
    world_note(w, event->at_us, (uint64_t)event->kind << 32 | event->process);
    switch (event->kind) {
    case EVENT_PACKET:
    case EVENT_WAKE:
    case EVENT_DISK:
    case EVENT_VALIDATED:
    case EVENT_BUILT:
    case EVENT_POOL:
    case EVENT_LEDGER:
        process_event(w, w->processes[event->process], event);
        break;
    case EVENT_LIE:
        liar_event(w, w->processes[event->process], event);
        break;
    case EVENT_CRASH:
    case EVENT_START:
    case EVENT_CUT:
    case EVENT_PARTITION:
    case EVENT_HEAL:
    case EVENT_PAUSE:
    case EVENT_RESUME:
    case EVENT_CLOCK:
    case EVENT_SUBMIT:
    case EVENT_GOSSIP:
    case EVENT_BREAK:
    case EVENT_STORM:
    case EVENT_STOP:
    case EVENT_BACKUP:
    case EVENT_CLOG:
        faults_event(w, event);
        break;
    }
    if (event->kind == EVENT_PACKET)
        packet_drop(event->u.packet);
}

static void stop_doomed(struct world *w)
{
    w->is_somebody_doomed = false;
    for (unsigned i = 0; i < w->processes_n; i++)
        if (w->processes[i]->is_doomed)
            process_stop(w, w->processes[i]);
}

bool world_step(struct world *w)
{
    struct event event;

    if (!world_pop(w, &event))
        return false;
    assert(event.at_us >= w->now_us);
    w->now_us = event.at_us;
    if (w->script == NULL && !w->is_live && w->now_us >= w->swarm.safety_us)
        faults_end(w);
    happen(w, &event);
    if (w->is_somebody_doomed)
        stop_doomed(w);
    return true;
}

void world_run(struct world *w)
{
    for (unsigned i = 0; i < w->processes_n; i++)
        if (!faults_late(w, w->processes[i]))
            process_start(w, w->processes[i]);
    faults_plan(w);
    while (!w->is_over && oracle_verdict(w->oracle) == NULL && w->steps < w->until && world_step(w))
        if (w->is_live)
            w->is_over = faults_judge(w);
}
