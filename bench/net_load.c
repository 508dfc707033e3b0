/* net_load.c: submitters: each with its own issuer, credentials and node.
 *
 * Closed loop: every client sends its next submission when the last one is answered. Open loop:
 * submissions are due at random times (a Poisson process), and what waits for a free connection counts as latency.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/net.h"
#include "ledger/core/submission.h"

#define SHARE_CREDENTIALS                                                                                    \
    (1u << 21)            /* of one submitter in one row: 28 bits of status_index, 4 submitters, 32 rows */
#define WINDOW      4096u /* submissions */
#define LOST_WAIT_S 0.1

/* ---- submissions ---- */

static struct net_job *make(struct net_submitter *s)
{
    struct net_job *job = calloc(1, sizeof(*job));
    size_t size;

    if (job == NULL)
        abort();
    job->issued_n = s->stream.issued_n;
    stream_make(&s->stream, &job->bytes, &size, 1, s->load->options.events_n, s->load->options.existing);
    job->bytes = realloc(job->bytes, size);
    if (job->bytes == NULL)
        abort();
    job->size = size;
    job->number = s->jobs_n++;
    return job;
}

static void prepare(struct net_submitter *s)
{
    struct net_job *job = make(s);

    if (s->last != NULL)
        s->last->next = job;
    else
        s->first = job;
    s->last = job;
    s->made_n++;
}

static void drop(struct net_job *job)
{
    free(job->bytes);
    free(job);
}

/* The oldest that is made; one is made now when there is none. */
static struct net_job *next_job(struct net_submitter *s)
{
    struct net_job *job = s->first;

    if (job == NULL) {
        s->load->made_late_n++;
        return make(s);
    }
    s->first = job->next;
    if (s->first == NULL)
        s->last = NULL;
    s->made_n--;
    return job;
}

/* The issuer's signature names it: it stands in the log as it stands here. */
static uint64_t key_of(const struct net_job *job)
{
    static struct slk_submission s;
    uint64_t key;

    if (slk_submission_parse(&s, slk_span_of(job->bytes, job->size)) != SLK_OK)
        abort();
    memcpy(&key, s.signature, sizeof(key));
    return key;
}

bool net_acked_put(struct net_acked *a, uint64_t key)
{
    size_t at;

    if (2 * (a->n + 1) > a->cap) {
        struct net_acked old = *a;

        a->cap = a->cap > 0 ? 2 * a->cap : 1024;
        a->n = 0;
        a->keys = calloc(a->cap, sizeof(*a->keys));
        a->found = calloc(a->cap, 1);
        if (a->keys == NULL || a->found == NULL)
            abort();
        for (size_t i = 0; i < old.cap; i++)
            if (old.keys[i] != 0)
                net_acked_put(a, old.keys[i]);
        free(old.keys);
        free(old.found);
    }
    for (at = key % a->cap; a->keys[at] != 0; at = (at + 1) % a->cap)
        if (a->keys[at] == key)
            return false;
    a->keys[at] = key;
    a->n++;
    return true;
}

/* ---- sending ---- */

static bool in_time(const struct net_load *load, double now)
{
    return now < load->end && (load->options.events_max == 0 || load->events_n < load->options.events_max);
}

static void ask(struct net_slot *slot)
{
    const char *target =
        slot->takes_receipt ? "POST /v1/submissions?wait=received" : "POST /v1/submissions?wait=final";

    slot->again = 0;
    net_client_ask(&slot->client, target, "Content-Type: application/x-protobuf\r\n",
        slk_span_of(slot->job->bytes, slot->job->size));
}

static double gap_of(struct net_load *load)
{
    return -log(
        1 - (double)(stream_random(&load->submitters[0].stream) >> 11) / 9007199254740992.0); /* 2^53 */
}

/* A submission for this client, if one may be sent now. */
static bool begin(struct net_slot *slot, double now)
{
    struct net_submitter *s = slot->submitter;
    struct net_load *load = s->load;
    double per_s = load->options.events_per_s / (double)load->options.events_n / NET_NODES;

    if (!in_time(load, now) || (s->first != NULL ? s->first->number : s->jobs_n) >= s->oldest + s->window)
        return false;
    if (per_s > 0 && s->next_due > now)
        return false;
    if (load->options.events_max > 0 &&
        load->events_n + load->in_flight * load->options.events_n >= load->options.events_max)
        return false;
    slot->job = next_job(s);
    slot->job->due = now;
    if (per_s > 0) {
        unsigned at_work = 0;

        for (unsigned i = 0; i < NET_NODES; i++)
            at_work += load->options.nodes >> i & 1;
        slot->job->due = s->next_due;
        s->next_due += gap_of(load) / per_s * at_work / NET_NODES;
    }
    load->in_flight++;
    ask(slot);
    return true;
}

static void finish(struct net_slot *slot)
{
    struct net_submitter *s = slot->submitter;

    s->done[slot->job->number % WINDOW] = 1;
    while (s->oldest < s->jobs_n && s->done[s->oldest % WINDOW] != 0)
        s->done[s->oldest++ % WINDOW] = 0;
    drop(slot->job);
    slot->job = NULL;
    s->load->in_flight--;
}

static void count_final(struct net_slot *slot, double now)
{
    struct net_load *load = slot->submitter->load;

    if (now - load->last_final > load->gap) {
        load->gap = now - load->last_final;
        load->gap_at = load->last_final - load->start;
    }
    load->last_final = now;
    if (now > load->end && load->options.events_max == 0)
        return;
    net_times_add(&load->times, now - slot->job->due);
    load->events_n += load->options.events_n;
    load->submissions_n++;
}

static void refuse(struct net_load *load, int status, struct slk_span body)
{
    if (load->refused_n++ == 0)
        snprintf(load->why, sizeof(load->why), "%d %.*s", status, body.size < 240 ? (int)body.size : 240,
            (const char *)body.at);
}

/* Somebody else, who may be up. */
static void move(struct net_slot *slot)
{
    const struct net *net = slot->submitter->load->net;

    slot->node = (slot->node + 1) % NET_NODES;
    net_client_move(&slot->client, net->nodes[slot->node].http_port);
}

static void on_answer(struct net_client *client, int status, struct slk_span body)
{
    struct net_slot *slot = (struct net_slot *)client; /* its first member */
    struct net_load *load = slot->submitter->load;
    double now = bench_now();

    switch (status) {
    case 200:
    case 202:
        if (load->acked != NULL)
            net_acked_put(load->acked, key_of(slot->job));
        if (status == 202 &&
            !slot->takes_receipt) { /* not final after 30 s: the same one is asked for again */
            load->late_n++;
            ask(slot);
            return;
        }
        if (status == 200)
            count_final(slot, now);
        else if (now <= load->end)
            load->receipts_n++;
        finish(slot);
        begin(slot, now);
        return;
    case 429:
    case 503:
        load->full_n += status == 429;
        load->busy_n += status == 503;
        slot->again = now + (client->retry_s > 0 ? client->retry_s : 1);
        break;
    case 0:
        load->lost_n++;
        slot->again = now + LOST_WAIT_S;
        break;
    default:
        refuse(load, status, body);
        finish(slot);
        return;
    }
    if (load->options.moves)
        move(slot);
}

static double turn(void *self, double now)
{
    struct net_load *load = self;
    double wake = now + 1;

    for (unsigned i = 0; i < NET_NODES; i++) {
        struct net_submitter *s = &load->submitters[i];
        bool may_begin = (load->options.nodes >> i & 1) != 0;

        s->from++; /* everybody gets a turn at what is due */
        for (size_t j = 0; j < s->slots_used; j++) {
            struct net_slot *slot = &s->slots[(s->from + j) % s->slots_used];

            if (slot->job == NULL)
                may_begin = may_begin && begin(slot, now);
            else if (slot->again > 0 && now >= slot->again)
                ask(slot);
            else if (slot->again > 0)
                wake = slot->again < wake ? slot->again : wake;
        }
        if (load->options.events_per_s > 0 && s->next_due > now && s->next_due < wake && now < load->end)
            wake = s->next_due;
    }
    if (net_load_is_over(load))
        load->loop->is_over = true;
    return wake < load->end || now >= load->end ? wake : load->end;
}

bool net_load_is_over(const struct net_load *load)
{
    return load->in_flight == 0 && !in_time(load, bench_now());
}

/* ---- from the beginning to the end ---- */

static void open_submitter(struct net_load *load, unsigned i)
{
    static const char *const issuers[NET_NODES] = {"interior", "police", "mint", "carrier"};
    struct net_submitter *s = &load->submitters[i];
    const struct net_load_options *o = &load->options;
    struct stream_share share = {.issuer = issuers[i],
        .chain_id = load->net->chain_id,
        .first = (uint64_t)load->net->shares * SHARE_CREDENTIALS * NET_NODES + i,
        .stride = NET_NODES};

    s->load = load;
    s->index = i;
    s->window = 4 * o->clients < WINDOW ? 4 * o->clients : WINDOW;
    share.lag = 2 * s->window * o->events_n;
    stream_open_share(&s->stream, SHARE_CREDENTIALS, &share);
    s->done = calloc(WINDOW, 1);
    s->slots = calloc(o->clients, sizeof(*s->slots));
    if (s->done == NULL || s->slots == NULL)
        abort();
    s->slots_n = s->slots_used = o->clients;
    for (size_t j = 0; j < o->clients; j++) {
        net_client_init(&s->slots[j].client, load->loop, load->net->nodes[i].http_port, on_answer, NULL);
        s->slots[j].submitter = s;
        s->slots[j].node = i;
        s->slots[j].takes_receipt = o->receipts && j % 2 == 1;
    }
}

void net_load_open(struct net_load *load, struct net *net, struct net_loop *loop,
    const struct net_load_options *options, struct net_acked *acked)
{
    size_t per_submitter = (size_t)(options->prepare / (double)options->events_n / NET_NODES);

    memset(load, 0, sizeof(*load));
    load->net = net;
    load->loop = loop;
    load->options = *options;
    load->acked = acked;
    assert(options->clients <= NET_CLIENTS_MAX);
    for (unsigned i = 0; i < NET_NODES; i++) {
        open_submitter(load, i);
        for (size_t j = 0; j < per_submitter; j++)
            prepare(&load->submitters[i]);
    }
    net->shares++;
    net_loop_act(loop, turn, load);
}

static void restart(struct net_load *load)
{
    memset(&load->times, 0, sizeof(load->times));
    load->events_n = load->submissions_n = load->receipts_n = 0;
    load->late_n = load->busy_n = load->full_n = load->lost_n = load->made_late_n = 0;
    load->gap = load->gap_at = 0;
}

void net_load_start(struct net_load *load, double seconds)
{
    restart(load);
    load->start = load->last_final = bench_now();
    load->end = load->start + seconds;
    for (unsigned i = 0; i < NET_NODES; i++)
        load->submitters[i].next_due = load->start + (double)i * 0.001;
}

void net_load_use(struct net_load *load, size_t clients)
{
    assert(load->in_flight == 0);
    for (unsigned i = 0; i < NET_NODES; i++)
        load->submitters[i].slots_used =
            clients <= load->submitters[i].slots_n ? clients : load->submitters[i].slots_n;
}

void net_load_close(struct net_load *load)
{
    for (unsigned i = 0; i < NET_NODES; i++) {
        struct net_submitter *s = &load->submitters[i];

        for (size_t j = 0; j < s->slots_n; j++) {
            net_client_close(&s->slots[j].client);
            if (s->slots[j].job != NULL)
                drop(s->slots[j].job);
        }
        while (s->first != NULL) {
            struct net_job *job = s->first;

            s->first = job->next;
            drop(job);
        }
        free(s->slots);
        free(s->done);
        stream_close(&s->stream);
    }
}

void net_load_rows(const struct net_load *load, double seconds)
{
    if (load->made_late_n > 0)
        bench_row("  submissions signed while the clock ran", (double)load->made_late_n, "", 0, false);
    if (load->receipts_n > 0)
        bench_row("  receipts", (double)load->receipts_n / seconds, "/s", 0, false);
    if (load->full_n + load->busy_n > 0)
        bench_row("  told to come again later: 429", (double)load->full_n, "", 0, false);
    if (load->busy_n > 0)
        bench_row("  told to come again later: 503", (double)load->busy_n, "", 0, false);
    if (load->late_n > 0)
        bench_row("  not final within 30 s, asked again", (double)load->late_n, "", 0, false);
    if (load->lost_n > 0)
        bench_row("  connections lost or refused", (double)load->lost_n, "", 0, false);
    if (load->refused_n > 0) {
        bench_row("  REFUSED", (double)load->refused_n, "", 0, false);
        printf("  the first one: %s\n", load->why);
    }
}

bool net_load_pick(struct net_load *load, uint64_t random, uint8_t handle[SLK_HANDLE_SIZE])
{
    const struct net_submitter *s = &load->submitters[random % NET_NODES];
    /* Of what was never sent nothing is known: it was made after what was. */
    uint64_t known = s->first != NULL ? s->first->issued_n : s->stream.issued_n;

    if (known == 0 || s->oldest == 0)
        return false;
    stream_handle(handle, stream_number(&s->stream, (random >> 8) % known));
    return true;
}
