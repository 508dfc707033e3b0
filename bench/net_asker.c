/* net_asker.c: relying parties' services that ask one node for proofs, over connections that stay. Closed loop: each
 * asks again as soon as it is answered. "Not cosigned yet" (503) is asked again at once, and counts as waiting. */
#include <stdlib.h>
#include <string.h>

#include "bench/net.h"

struct net_ask_slot {
    struct net_client client;
    struct net_asker *asker;
    double since;
    uint8_t handle[SLK_HANDLE_SIZE];
};

static void ask(struct net_ask_slot *slot)
{
    net_client_ask(&slot->client, slot->asker->history ? "POST /v1/proofs?history" : "POST /v1/proofs",
        "Content-Type: application/octet-stream\r\nAccept: application/octet-stream\r\n",
        slk_span_of(slot->handle, sizeof(slot->handle)));
}

static void begin(struct net_ask_slot *slot, double now)
{
    struct net_asker *a = slot->asker;

    a->random = a->random * 6364136223846793005u + 1442695040888963407u;
    memcpy(slot->handle, a->handles[(a->random >> 33) % a->handles_n], sizeof(slot->handle));
    slot->since = now;
    a->in_flight++;
    ask(slot);
}

static void on_answer(struct net_client *client, int status, struct slk_span body)
{
    struct net_ask_slot *slot = (struct net_ask_slot *)client; /* its first member */
    struct net_asker *a = slot->asker;
    double now = bench_now();

    if (status == 503 && now < a->end) {
        a->unsigned_n++;
        ask(slot);
        return;
    }
    a->in_flight--;
    if (now >= a->end) {
        if (a->in_flight == 0)
            a->loop->is_over = true;
        return;
    }
    if (status == 200) {
        a->answers_n++;
        a->bytes_n += body.size;
        net_times_add(&a->times, now - slot->since);
    } else {
        a->failed_n++;
    }
    begin(slot, now);
}

void net_asker_open(struct net_asker *a, struct net_loop *loop, uint16_t port, size_t clients)
{
    a->loop = loop;
    a->n = clients;
    a->random = 1;
    a->slots = calloc(clients, sizeof(*a->slots));
    if (a->slots == NULL)
        abort();
    for (size_t i = 0; i < clients; i++) {
        net_client_init(&a->slots[i].client, loop, port, on_answer, NULL);
        a->slots[i].asker = a;
    }
}

void net_asker_start(struct net_asker *a, bool history, double seconds)
{
    double now = bench_now();

    memset(&a->times, 0, sizeof(a->times));
    a->answers_n = a->unsigned_n = a->failed_n = a->bytes_n = 0;
    a->history = history;
    a->end = now + seconds;
    for (size_t i = 0; i < a->n; i++)
        begin(&a->slots[i], now);
}

void net_asker_close_clients(struct net_asker *a)
{
    for (size_t i = 0; i < a->n; i++)
        net_client_close(&a->slots[i].client);
    free(a->slots);
    a->slots = NULL;
}
