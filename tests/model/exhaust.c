/* exhaust.c: all states of three production cores and one Byzantine member, at one height. exhaust.h says how.
 *
 *   exhaust [--views N] [--byzantine 0..3] [--crashes] [--settle EVERY] [--forks-only] [--caught]
 *
 *   --views N        what happens in views 1..N is explored (3)
 *   --byzantine B    member B lies: it leads view B + 1 (all four, one after the other)
 *   --crashes        members crash, too, and come back with what was durable
 *   --settle EVERY   every so many states: replayed on cores that forget nothing, then left in peace, without and with
 *                    a power cut of all: they must decide (0: never)
 *   --forks-only     only two final blocks count as a violation
 *   --caught         expects a violation: for cores that were made wrong on purpose
 *
 * Output is TAP. A violation comes with the shortest way to it.
 */
#include "tests/model/exhaust.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ID_BITS = 21, PATH_MAX_N = 256 };

struct local {
    struct key key;
    struct picture *picture;
};

/* An open-addressed map of nonzero 64-bit keys. */
struct map {
    uint64_t *keys;
    uint32_t *values;
    size_t n, cap;
};

struct role {
    struct member member;
    struct local *at;
    size_t n, cap;
    struct map ids;   /* hash of a key -> id + 1; see find_local */
    struct map steps; /* id, event -> id */
};

struct node {
    uint64_t state;
    uint32_t parent;
    uint32_t event;
};

static struct options {
    unsigned views;
    int byzantine;
    bool crashes, forks_only, caught;
    unsigned settle_every;
} options = {.views = VIEWS_TOP, .byzantine = -1};

static struct run {
    unsigned byzantine;
    struct role roles[HONEST];
    struct node *nodes;
    size_t nodes_n, nodes_cap;
    uint32_t *seen; /* open addressing: node + 1 */
    size_t seen_cap;
    uint64_t steps_n, transitions_n, settled_n, longest_ms;
    const char *fault;
} run;

/* What could be shown by now, the Byzantine member helping. */
struct net {
    uint8_t k_bits;
    uint8_t n_block[VIEWS_TOP + 1], f_block[VIEWS_TOP + 1];
};

/* ---- events as numbers ---- */

uint32_t event_pack(const struct event *e)
{
    return (uint32_t)e->kind | (uint32_t)e->who << 3 | (uint32_t)e->view << 5 | (uint32_t)e->block << 8 |
           (uint32_t)e->carried << 12 | (uint32_t)e->k_bits << 15 | (uint32_t)e->n_block << 20;
}

void event_unpack(struct event *out, uint32_t packed)
{
    *out = (struct event){.kind = packed & 7,
        .who = packed >> 3 & 3,
        .view = packed >> 5 & 7,
        .block = packed >> 8 & 15,
        .carried = packed >> 12 & 7,
        .k_bits = packed >> 15 & 31,
        .n_block = packed >> 20 & 15};
}

static void print_block(uint8_t block)
{
    printf("block %u%c", (block + 1u) / 2, (block & 1) != 0 ? 'a' : 'b');
}

void event_print(const struct event *e, unsigned byzantine)
{
    printf("#   member %u ", e->who + (e->who >= byzantine));
    switch ((enum event_kind)e->kind) {
    case EVENT_TIMEOUT:
        printf("times out\n");
        return;
    case EVENT_RESTART:
        printf("crashes and comes back\n");
        return;
    case EVENT_K:
        printf("gets K(%u)\n", e->view);
        return;
    case EVENT_N:
        printf("gets N(%u) for ", e->view);
        print_block(e->block);
        printf("\n");
        return;
    case EVENT_PROPOSE:
        printf("may propose in view %u\n", e->view);
        return;
    case EVENT_PROPOSAL:
        printf("gets the proposal of view %u: ", e->view);
        print_block(e->block);
        if (e->carried > 0)
            printf(", carried from view %u", e->carried);
        for (unsigned w = 1; w <= VIEWS_TOP; w++)
            if ((e->k_bits >> w & 1) != 0)
                printf(", with K(%u)", w);
        if (e->n_block != 0)
            printf(", with N(%u)", e->carried);
        printf("\n");
        return;
    }
    abort();
}

/* ---- maps ---- */

static uint64_t mix(uint64_t x) /* the finalizer of MurmurHash3 */
{
    x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

static uint32_t *map_slot(struct map *map, uint64_t key)
{
    size_t i = mix(key) & (map->cap - 1);

    while (map->keys[i] != 0 && map->keys[i] != key)
        i = (i + 1) & (map->cap - 1);
    if (map->keys[i] == 0) {
        map->keys[i] = key;
        map->n++;
    }
    return &map->values[i];
}

static void map_grow(struct map *map)
{
    struct map old = *map;

    map->cap = old.cap == 0 ? 1024 : 2 * old.cap;
    map->n = 0;
    map->keys = calloc(map->cap, sizeof(*map->keys));
    map->values = calloc(map->cap, sizeof(*map->values));
    if (map->keys == NULL || map->values == NULL) {
        fprintf(stderr, "exhaust: out of memory\n");
        exit(2);
    }
    for (size_t i = 0; i < old.cap; i++)
        if (old.keys[i] != 0)
            *map_slot(map, old.keys[i]) = old.values[i];
    free(old.keys);
    free(old.values);
}

/* Where the value of a nonzero key is; 0 when it is new. Holds until the next call. */
static uint32_t *map_at(struct map *map, uint64_t key)
{
    if (2 * map->n >= map->cap)
        map_grow(map);
    return map_slot(map, key);
}

static void map_free(struct map *map)
{
    free(map->keys);
    free(map->values);
    *map = (struct map){.n = 0};
}

/* ---- states of one member ---- */

static void read_key(const struct member *m, struct key *key)
{
    member_key(m, key);
    if (!options.crashes)
        memset(key->n_saved, 0, sizeof(key->n_saved)); /* matters after a crash only */
}

/* FNV-1a of the key, and then the next numbers while another key has that one. */
static uint32_t find_local(struct role *role, const struct key *key)
{
    uint64_t h = UINT64_C(14695981039346656037);
    uint32_t *id;

    for (size_t i = 0; i < sizeof(*key); i++)
        h = (h ^ ((const uint8_t *)key)[i]) * UINT64_C(1099511628211);
    h |= 1;
    while (*(id = map_at(&role->ids, h)) != 0 && memcmp(&role->at[*id - 1].key, key, sizeof(*key)) != 0)
        h += 2;
    if (*id != 0)
        return *id - 1;
    if (role->n == role->cap) {
        role->cap = 2 * role->cap + 256;
        role->at = realloc(role->at, role->cap * sizeof(*role->at));
    }
    if (role->at == NULL || role->n >> ID_BITS != 0)
        abort();
    member_forget(&role->member);
    role->at[role->n] = (struct local){.key = *key, .picture = member_picture(&role->member)};
    *id = (uint32_t)++role->n;
    return *id - 1;
}

/* With N and no NULLIFY of its own, a member has voted FINALIZE. */
static const char *check_local(const struct key *key)
{
    for (unsigned w = 1; w <= VIEWS_TOP; w++) {
        if (key->n[w] != 0 && key->nullified[w] == 0 && key->finalized[w] != key->n[w])
            return "it holds N, has not nullified, and does not vote FINALIZE";
        if (key->finalized[w] != 0 && key->n[w] != key->finalized[w])
            return "it voted FINALIZE and cannot show N";
    }
    return NULL;
}

/* What becomes of a member in state `id` when `e` happens to it; the core is asked once. */
static uint32_t follow(struct role *role, uint32_t id, const struct event *e, const char **fault)
{
    uint64_t code = (uint64_t)id << 24 | event_pack(e);
    uint32_t *known = map_at(&role->steps, code), next;
    struct key key, other;

    if (*known != 0)
        return *known - 1;
    if (e->kind == EVENT_K || e->kind == EVENT_N) {
        member_recall(&role->member, role->at[id].picture);
        member_event(&role->member, e, true);
        read_key(&role->member, &other);
    }
    member_recall(&role->member, role->at[id].picture);
    member_event(&role->member, e, false);
    read_key(&role->member, &key);
    run.steps_n++;
    if (role->member.fault != NULL)
        *fault = role->member.fault;
    else if ((e->kind == EVENT_K || e->kind == EVENT_N) && memcmp(&key, &other, sizeof(key)) != 0)
        *fault = "three votes do something else than their certificate";
    else
        *fault = check_local(&key);
    role->member.fault = NULL;
    next = find_local(role, &key);
    *map_at(&role->steps, code) = next + 1;
    return next;
}

/* A block that is final is what a member commits; afterwards it signs nothing. */
static const char *check_final(struct role *role, uint32_t id, uint8_t view, uint8_t block)
{
    struct member *m = &role->member;
    struct slk_hash hash;
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct event late = {.kind = EVENT_TIMEOUT};
    struct key before, after;

    if (*map_at(&role->steps, (uint64_t)id << 24 | 7u | (uint64_t)view << 5 | (uint64_t)block << 8) != 0)
        return NULL;
    *map_at(&role->steps, (uint64_t)id << 24 | 7u | (uint64_t)view << 5 | (uint64_t)block << 8) = 1;
    member_recall(m, role->at[id].picture);
    member_final(m, view, block);
    block_header(header, &hash, block);
    if (!m->is_committing || !slk_hash_equal(&m->final_hash, &hash))
        return "it got F and does not commit that block";
    member_key(m, &before);
    member_event(m, &late, false);
    member_key(m, &after);
    return memcmp(&before, &after, sizeof(before)) != 0 ? "it signs after the decision" : NULL;
}

/* ---- states of all ---- */

static uint64_t state_of(const uint32_t ids[HONEST])
{
    return (uint64_t)ids[0] << 2 * ID_BITS | (uint64_t)ids[1] << ID_BITS | ids[2];
}

static void ids_of(uint32_t ids[HONEST], uint64_t state)
{
    const uint64_t mask = (1u << ID_BITS) - 1;

    ids[0] = (uint32_t)(state >> 2 * ID_BITS & mask);
    ids[1] = (uint32_t)(state >> ID_BITS & mask);
    ids[2] = (uint32_t)(state & mask);
}

static void count(struct net *net, const struct key *keys[HONEST])
{
    memset(net, 0, sizeof(*net));
    for (unsigned w = 1; w <= VIEWS_TOP; w++) {
        uint8_t n[BLOCKS] = {0}, f[BLOCKS] = {0}, k = 0;

        for (size_t i = 0; i < HONEST; i++) {
            k = (uint8_t)(k + keys[i]->nullified[w]);
            n[keys[i]->notarized[w]]++;
            f[keys[i]->finalized[w]]++;
        }
        if (k >= QUORUM - 1)
            net->k_bits |= (uint8_t)(1u << w);
        for (uint8_t b = 1; b < BLOCKS; b++) {
            if (n[b] >= QUORUM - 1)
                net->n_block[w] = b;
            if (f[b] >= QUORUM - 1)
                net->f_block[w] = b;
        }
    }
}

/* Protocol §2.17, lines 3 to 6. */
static const char *check_net(const struct net *net)
{
    uint8_t final = 0;

    for (unsigned w = 1; w <= VIEWS_TOP; w++) {
        if (net->f_block[w] != 0 && final != 0 && net->f_block[w] != final)
            return "two blocks are final";
        if (net->f_block[w] != 0)
            final = net->f_block[w];
        if (options.forks_only)
            continue;
        if (net->f_block[w] != 0 && (net->k_bits >> w & 1) != 0)
            return "F and K of one view";
        if (final != 0 && net->n_block[w] != 0 && net->n_block[w] != final)
            return "a block is final, and a later view notarized another";
    }
    return NULL;
}

static bool justified(const struct event *e, const struct net *net)
{
    for (unsigned w = e->carried + 1u; w < e->view; w++)
        if ((net->k_bits >> w & 1) == 0)
            return false;
    return e->carried == 0 || net->n_block[e->carried] == e->block;
}

static size_t path_to(struct event path[PATH_MAX_N], size_t node)
{
    size_t n = 0;

    for (size_t at = node; at != 0; at = run.nodes[at].parent) {
        assert(n < PATH_MAX_N);
        event_unpack(&path[n++], run.nodes[at].event);
    }
    for (size_t i = 0; i < n / 2; i++) {
        struct event e = path[i];

        path[i] = path[n - 1 - i];
        path[n - 1 - i] = e;
    }
    return n;
}

static void violated(const char *what, size_t node, const struct event *last)
{
    struct event path[PATH_MAX_N];
    size_t n = path_to(path, node);

    if (run.fault != NULL)
        return;
    run.fault = what;
    printf("# %s; member %u lies:\n", what, run.byzantine);
    for (size_t i = 0; i < n; i++)
        event_print(&path[i], run.byzantine);
    if (last != NULL)
        event_print(last, run.byzantine);
}

static uint32_t *seen_slot(uint64_t state)
{
    size_t i = mix(state) & (run.seen_cap - 1);

    while (run.seen[i] != 0 && run.nodes[run.seen[i] - 1].state != state)
        i = (i + 1) & (run.seen_cap - 1);
    return &run.seen[i];
}

static void make_room(void)
{
    if (run.nodes_n == run.nodes_cap) {
        run.nodes_cap += run.nodes_cap / 2 + 4096;
        run.nodes = realloc(run.nodes, run.nodes_cap * sizeof(*run.nodes));
    }
    if (3 * run.seen_cap <= 4 * run.nodes_n) {
        run.seen_cap = run.seen_cap == 0 ? 4096 : 2 * run.seen_cap;
        free(run.seen);
        run.seen = calloc(run.seen_cap, sizeof(*run.seen));
        for (size_t i = 0; run.seen != NULL && i < run.nodes_n; i++)
            *seen_slot(run.nodes[i].state) = (uint32_t)(i + 1);
    }
    if (run.nodes == NULL || run.seen == NULL || run.nodes_n == UINT32_MAX) {
        fprintf(stderr, "exhaust: out of memory at %zu states\n", run.nodes_n);
        exit(2);
    }
}

static void add(uint64_t state, size_t parent, const struct event *e)
{
    uint32_t *known;

    make_room();
    known = seen_slot(state);
    if (*known != 0)
        return;
    run.nodes[run.nodes_n++] =
        (struct node){.state = state, .parent = (uint32_t)parent, .event = e == NULL ? 0 : event_pack(e)};
    *known = (uint32_t)run.nodes_n;
}

static void happen(size_t node, const struct net *net, struct event *e)
{
    struct role *role = &run.roles[e->who];
    uint32_t ids[HONEST], was;
    const char *fault = NULL;

    ids_of(ids, run.nodes[node].state);
    was = ids[e->who];
    ids[e->who] = follow(role, was, e, &fault);
    run.transitions_n++;
    if (fault == NULL && e->kind == EVENT_PROPOSAL && !justified(e, net) &&
        role->at[ids[e->who]].key.notarized[e->view] != 0)
        fault = "it votes for a proposal without a reason";
    if (fault != NULL && !options.forks_only)
        violated(fault, node, e);
    if (ids[e->who] != was)
        add(state_of(ids), node, e);
}

/* What the Byzantine leader of a view may propose: either of two fresh blocks, any older block as carried. What its reasons
 * lack in the world, they lack in the proposal. The two fresh ones differ in nothing but their names, so the first that
 * anybody votes for is called a. */
static void byzantine_proposals(
    size_t node, const struct net *net, const struct key *keys[HONEST], struct event e)
{
    bool is_named = false;

    for (size_t i = 0; i < HONEST; i++)
        is_named |= keys[i]->notarized[e.view] == 2 * e.view - 1;
    for (e.carried = 0; e.carried < e.view; e.carried++) {
        unsigned first = e.carried == 0 ? 2u * e.view - 1 : 1;
        unsigned last = e.carried == 0 ? 2u * e.view - !is_named : 2u * e.carried;

        e.n_block = e.carried == 0 ? 0 : net->n_block[e.carried];
        e.k_bits = net->k_bits & (uint8_t)((1u << e.view) - (1u << (e.carried + 1)));
        for (unsigned block = first; block <= last; block++) {
            e.block = (uint8_t)block;
            happen(node, net, &e);
        }
    }
}

static void proposals(size_t node, const struct net *net, const struct key *keys[HONEST], uint8_t who)
{
    const struct key *key = keys[who];

    for (uint8_t w = key->view; w <= options.views; w++) {
        struct event e = {.kind = EVENT_PROPOSAL, .who = who, .view = w};
        unsigned leader = leader_of(w), leads = leader - (leader > run.byzantine);

        if (key->notarized[w] != 0)
            continue;
        if (leader == run.byzantine) {
            byzantine_proposals(node, net, keys, e);
        } else if (leads != who && keys[leads]->proposed[w] != 0) {
            e.block = keys[leads]->proposed[w];
            e.carried = keys[leads]->carried[w];
            e.n_block = e.carried == 0 ? 0 : net->n_block[e.carried];
            e.k_bits = net->k_bits & (uint8_t)((1u << w) - (1u << (e.carried + 1)));
            happen(node, net, &e);
        }
    }
}

static void certificates(size_t node, const struct net *net, const struct key *key, uint8_t who)
{
    for (uint8_t w = 1; w <= options.views; w++) {
        struct event k = {.kind = EVENT_K, .who = who, .view = w};
        struct event n = {.kind = EVENT_N, .who = who, .view = w, .block = net->n_block[w]};

        if (w >= key->view && (net->k_bits >> w & 1) != 0)
            happen(node, net, &k);
        if (n.block != 0 && key->n[w] == 0 && (w >= key->view || key->nullified[w] == 0 || options.crashes))
            happen(node, net, &n);
    }
}

static void own_doing(size_t node, const struct net *net, const struct key *key, uint8_t who)
{
    struct event late = {.kind = EVENT_TIMEOUT, .who = who};
    struct event crash = {.kind = EVENT_RESTART, .who = who};
    struct event lead = {.kind = EVENT_PROPOSE, .who = who, .view = key->view};

    if (options.crashes)
        happen(node, net, &crash);
    if (key->view > options.views)
        return;
    if (key->nullified[key->view] == 0)
        happen(node, net, &late);
    if (leader_of(key->view) == run.roles[who].member.index && key->proposed[key->view] == 0) {
        lead.k_bits = net->k_bits & (uint8_t)((1u << key->view) - 2);
        happen(node, net, &lead);
    }
}

static void settle_node(size_t node, const struct net *net, const struct key *keys[HONEST])
{
    struct event path[PATH_MAX_N];
    struct reached r = {.byzantine = run.byzantine, .are_mortal = options.crashes, .path = path};

    r.path_n = path_to(path, node);
    for (size_t i = 0; i < HONEST; i++)
        r.keys[i] = *keys[i];
    for (unsigned w = 1; w <= VIEWS_TOP; w++)
        if (net->f_block[w] != 0)
            r.final = net->f_block[w];
    for (int power_cut = 0; power_cut < 2; power_cut++) {
        uint64_t took = 0;
        const char *fault = settle(&r, power_cut != 0, &took);

        run.settled_n++;
        run.longest_ms = took > run.longest_ms ? took : run.longest_ms;
        if (fault != NULL)
            violated(fault, node, NULL);
    }
}

static void expand(size_t node)
{
    const struct key *keys[HONEST];
    const char *fault;
    uint32_t ids[HONEST];
    struct key copies[HONEST];
    struct net net;

    ids_of(ids, run.nodes[node].state);
    for (size_t i = 0; i < HONEST; i++) {
        copies[i] = run.roles[i].at[ids[i]].key; /* the table may move */
        keys[i] = &copies[i];
    }
    count(&net, keys);
    fault = check_net(&net);
    for (unsigned w = 1; w <= VIEWS_TOP && fault == NULL && !options.forks_only; w++)
        for (size_t i = 0; net.f_block[w] != 0 && i < HONEST && fault == NULL; i++)
            fault = check_final(&run.roles[i], ids[i], (uint8_t)w, net.f_block[w]);
    if (fault != NULL)
        violated(fault, node, NULL);
    if (options.settle_every != 0 && node % options.settle_every == 0)
        settle_node(node, &net, keys);
    for (uint8_t who = 0; who < HONEST && run.fault == NULL; who++) {
        own_doing(node, &net, keys[who], who);
        certificates(node, &net, keys[who], who);
        proposals(node, &net, keys, who);
    }
}

static void explore(unsigned byzantine)
{
    uint32_t ids[HONEST];

    run.byzantine = byzantine;
    for (uint16_t i = 0; i < HONEST; i++) {
        struct key key;

        member_init(
            &run.roles[i].member, (uint16_t)(i + (i >= byzantine)), (uint16_t)byzantine, options.crashes);
        read_key(&run.roles[i].member, &key);
        ids[i] = find_local(&run.roles[i], &key);
    }
    add(state_of(ids), 0, NULL);
    for (size_t node = 0; node < run.nodes_n && run.fault == NULL; node++)
        expand(node);
}

static void clean(void)
{
    for (size_t i = 0; i < HONEST; i++) {
        struct role *role = &run.roles[i];

        for (size_t k = 0; k < role->n; k++)
            free(role->at[k].picture);
        free(role->at);
        map_free(&role->ids);
        map_free(&role->steps);
        member_close(&role->member);
    }
    free(run.seen);
    free(run.nodes);
    memset(&run, 0, sizeof(run));
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* True when nothing was violated. */
static bool check(unsigned byzantine)
{
    double start = seconds();
    bool good;

    explore(byzantine);
    good = run.fault == NULL;
    printf("# member %u lies, %u views%s: %zu states, %llu transitions; %zu + %zu + %zu states of members, "
           "the core "
           "asked %llu times; %llu times left in peace, at most %llu ms; %.1f s\n",
        byzantine, options.views, options.crashes ? ", crashes" : "", run.nodes_n,
        (unsigned long long)run.transitions_n, run.roles[0].n, run.roles[1].n, run.roles[2].n,
        (unsigned long long)run.steps_n, (unsigned long long)run.settled_n,
        (unsigned long long)run.longest_ms, seconds() - start);
    fflush(stdout);
    clean();
    return good;
}

static bool read_number(unsigned *out, const char *text)
{
    char *end;

    *out = (unsigned)strtoul(text, &end, 10);
    return *text != 0 && *end == 0 && *out < 1000000000;
}

static bool parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        unsigned number;

        if (strcmp(argv[i], "--crashes") == 0)
            options.crashes = true;
        else if (strcmp(argv[i], "--forks-only") == 0)
            options.forks_only = true;
        else if (strcmp(argv[i], "--caught") == 0)
            options.caught = true;
        else if (!more || !read_number(&number, argv[i + 1]))
            return false;
        else if (strcmp(argv[i++], "--views") == 0)
            options.views = number;
        else if (strcmp(argv[i - 1], "--byzantine") == 0)
            options.byzantine = (int)number;
        else if (strcmp(argv[i - 1], "--settle") == 0)
            options.settle_every = number;
        else
            return false;
    }
    return options.views >= 1 && options.views <= VIEWS_TOP && options.byzantine < MEMBERS;
}

int main(int argc, char **argv)
{
    unsigned first = 0, last = MEMBERS - 1, wrong = 0;

    if (!parse(argc, argv)) {
        fprintf(stderr,
            "usage: %s [--views 1..%d] [--byzantine 0..3] [--crashes] [--settle EVERY] [--forks-only] "
            "[--caught]\n",
            argv[0], VIEWS_TOP);
        return 2;
    }
    if (options.byzantine >= 0)
        first = last = (unsigned)options.byzantine;
    printf("1..%u\n", options.caught ? 1 : last - first + 1);
    for (unsigned b = first; b <= last; b++) {
        bool good = check(b);

        wrong += !good;
        if (!options.caught)
            printf("%s %u - member %u lies\n", good ? "ok" : "not ok", b - first + 1, b);
        else if (!good)
            break;
    }
    if (options.caught)
        printf("%s 1 - a violation is found\n", wrong > 0 ? "ok" : "not ok");
    return wrong > 0 && !options.caught;
}
