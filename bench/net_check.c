/* net_check.c: is everything that was acknowledged in the ledger, at every node, and provable? */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/net.h"
#include "ledger/core/block.h"
#include "ledger/verify/sillok.h"

/* ---- blocks ---- */

static void find(struct net_acked *a, const uint8_t signature[SLK_SIGNATURE_SIZE])
{
    uint64_t key;

    if (a->cap == 0)
        return;
    memcpy(&key, signature, sizeof(key));
    for (size_t at = key % a->cap; a->keys[at] != 0; at = (at + 1) % a->cap)
        if (a->keys[at] == key)
            a->found[at] = 1;
}

/* Entries as they stand in a block: u16 length, bytes. */
static uint64_t read_entries(struct slk_span rest, struct net_acked *acked)
{
    struct slk_entry entry;
    uint64_t events_n = 0;

    while (rest.size >= 2) {
        size_t n = (size_t)rest.at[0] << 8 | rest.at[1];

        if (n > rest.size - 2 || slk_entry_parse(&entry, slk_span_of(rest.at + 2, n)) != SLK_OK)
            bench_die("a block", "an entry does not parse");
        events_n += entry.type == SLK_ENTRY_RECORDED;
        if (entry.type == SLK_ENTRY_AUTHORIZATION)
            find(acked, entry.authorization.signature);
        rest = slk_span_of(rest.at + 2 + n, rest.size - 2 - n);
    }
    return events_n;
}

struct reading {
    struct net_loop loop;
    struct net_client client;
    struct net_acked *acked;
    uint64_t height, tip, events_n;
};

static void next_block(struct reading *r)
{
    char target[64];

    snprintf(target, sizeof(target), "GET /v1/blocks/%llu", (unsigned long long)r->height);
    net_client_ask(&r->client, target, "Accept: application/octet-stream\r\n", (struct slk_span){0});
}

static void on_block(struct net_client *client, int status, struct slk_span body)
{
    struct reading *r = client->owner;

    if (status != 200 || body.size < SLK_BLOCK_HEADER_SIZE)
        bench_die("a block", "the node does not give it");
    r->events_n += read_entries(
        slk_span_of(body.at + SLK_BLOCK_HEADER_SIZE, body.size - SLK_BLOCK_HEADER_SIZE), r->acked);
    if (r->height == r->tip)
        r->loop.is_over = true;
    else {
        r->height++;
        next_block(r);
    }
}

uint64_t net_read_chain(const struct net *net, unsigned node, struct net_acked *acked)
{
    struct net_said said;
    struct reading r = {.acked = acked};

    net_ask_node(net, node, &said);
    r.tip = said.height;
    net_loop_init(&r.loop);
    net_client_init(&r.client, &r.loop, net->nodes[node].http_port, on_block, &r);
    memset(acked->found, 0, acked->cap);
    next_block(&r);
    if (!net_loop_run(&r.loop, bench_now() + 3600))
        bench_die("the blocks", "they could not be read within an hour");
    net_client_close(&r.client);
    net_loop_close(&r.loop);
    return r.events_n;
}

/* ---- agreement ---- */

/* A string member of /v1/status. */
static void member(char out[80], const char *text, const char *name)
{
    char key[32];
    const char *at;

    snprintf(key, sizeof(key), "\"%s\": \"", name);
    at = strstr(text, key);
    if (at == NULL) {
        snprintf(key, sizeof(key), "\"%s\":\"", name);
        at = strstr(text, key);
    }
    snprintf(out, 80, "%.64s", at != NULL ? at + strlen(key) : "?");
}

static bool same_root(const struct net *net)
{
    char first[80] = "", root[80];
    bool same = true;

    for (unsigned i = 0; i < NET_NODES; i++) {
        uint8_t *text;
        size_t n;

        if (net_ask(net->nodes[i].http_port, "GET /v1/status", "", (struct slk_span){0}, &text, &n) != 200)
            bench_die("/v1/status", "a node does not answer");
        member(root, (const char *)text, "root");
        free(text);
        if (i == 0)
            memcpy(first, root, sizeof(first));
        same &= strcmp(root, first) == 0 && root[0] != '?';
    }
    return same;
}

/* Who ended connections because the other end did what nobody honest does: net/README.md, class A and RATE. */
static bool has_blamed(const struct net *net, unsigned node)
{
    static const char *const reasons[] = {"MALFORMED", "TOO_LARGE", "UNASKED", "BAD", "RATE"};
    bool has = false;
    uint8_t *text;
    size_t n;

    if (net_ask(net->nodes[node].http_port, "GET /metrics", "", (struct slk_span){0}, &text, &n) == 200) {
        for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
            const char *found;
            char line[80];

            snprintf(line, sizeof(line), "sillok_peer_connections_ended_total{reason=\"%s\"} ", reasons[i]);
            found = strstr((const char *)text, line);
            has |= found == NULL ||
                   found[strlen(line)] != '0'; /* a reason that is no longer told would hide it */
        }
    }
    free(text);
    return has;
}

static bool complain(const char *what)
{
    printf("  WRONG: %s\n", what);
    return false;
}

bool net_check(struct net *net, struct net_acked *acked, bool everywhere)
{
    unsigned read_n = everywhere ? NET_NODES : 1;
    bool good = true;
    uint64_t missing = 0;

    net_settle(net, 300);
    if (!same_root(net))
        good = complain("the nodes do not hold the same log");
    for (unsigned i = 0; i < NET_NODES; i++)
        if (has_blamed(net, i))
            good = complain("a node cut off another one for misbehaving: see its log, and /metrics");
    for (unsigned i = 0; i < read_n; i++) {
        struct net_said said;
        uint64_t events_n = net_read_chain(net, i, acked);

        net_ask_node(net, i, &said);
        if (events_n != said.events_n)
            good = complain("a node's blocks do not hold as many events as it says");
        for (size_t at = 0; at < acked->cap; at++)
            missing += acked->keys[at] != 0 && acked->found[at] == 0;
    }
    printf("  check: all four hold the same log; read at %u of them\n", read_n);
    bench_row("  submissions acknowledged", (double)acked->n, "", 0, false);
    bench_row("  of them not in the ledger", (double)missing, "", 0, false);
    return missing == 0 && good;
}

/* ---- proofs ---- */

static bool check_proof(const struct net *net, unsigned node, const uint8_t handle[SLK_HANDLE_SIZE])
{
    const struct slk_verify_options options = {.now_s = (uint64_t)time(NULL)};
    const struct timespec pause = {.tv_nsec = 20000000};
    struct slk_answer answer;
    uint8_t *proof = NULL;
    size_t n;
    bool good;
    int status = 503;

    for (unsigned i = 0; i < 1500 && status == 503; i++) { /* until a quorum has cosigned the tip */
        free(proof);
        status = net_ask(net->nodes[node].http_port, "POST /v1/proofs?history",
            "Content-Type: application/octet-stream\r\nAccept: application/octet-stream\r\n",
            slk_span_of(handle, SLK_HANDLE_SIZE), &proof, &n);
        if (status == 503)
            nanosleep(&pause, NULL);
    }
    good = status == 200 &&
           slk_verify_status(&answer, slk_span_of(proof, n), handle, net->policy, &options) == SLK_OK &&
           answer.present && answer.has_history;
    if (!good)
        printf("  WRONG: a proof: HTTP %d %.200s\n", status,
            status == 200 ? slk_err_text(answer.why) : (const char *)proof);
    if (status == 200)
        slk_answer_clear(&answer);
    free(proof);
    return good;
}

bool net_check_proofs(const struct net *net, struct net_load *load, unsigned n)
{
    uint8_t handle[SLK_HANDLE_SIZE];
    uint64_t random = 7;
    unsigned checked = 0;
    bool good = true;

    for (unsigned i = 0; i < n && good; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        if (!net_load_pick(load, random >> 20, handle))
            continue;
        good = check_proof(net, i % NET_NODES, handle);
        checked++;
    }
    bench_row("  proofs with history, of all four, that verify", checked, "", 0, false);
    return good && (checked > 0 || load->submissions_n == 0); /* in a second there may be none */
}
