/* cosign.c: cosignatures, after the commit: made of what is durable, sent to all over the same bad lines, counted by all (protocol
 * §2.13). The oracle judges the signed bytes, and every quorum of them that anybody holds (I7).
 *
 * Their chances are a stream of their own, and they are no events: what happens to the core is the same with and without
 * them. What comes late comes after the next one from the same member, which is all that can matter here.
 */
#include <assert.h>
#include <string.h>

#include "ledger/verify/checkpoint.h"
#include "tests/sim/world.h"

static const char origin[] = "sillok.example/sim";
#define MESSAGE_MAX (64 + SLK_CHECKPOINT_TEXT_MAX)

struct cosignature {
    size_t size; /* 0: none */
    uint8_t bytes[MESSAGE_MAX];
    uint64_t sum[2];
};

/* At one process, from one member. */
struct held {
    uint64_t log_size; /* 0: nothing yet */
    struct slk_hash root;
    bool is_late;
    struct cosignature late;
};

static struct cosigns {
    struct random random;
    uint64_t secrets[MEMBERS_MAX][2];
    struct held held[PROCESSES_MAX][MEMBERS_MAX];
} all;

void cosign_begin(const struct world *w)
{
    all.random = random_new(w->swarm.seed, 6 + 16 * (uint64_t)w->swarm.salt);
    for (unsigned i = 0; i < w->n; i++) {
        all.secrets[i][0] = random_bits(&all.random);
        all.secrets[i][1] = random_bits(&all.random);
    }
    for (unsigned i = 0; i < PROCESSES_MAX; i++)
        for (unsigned k = 0; k < w->n; k++) {
            all.held[i][k].log_size = 0;
            all.held[i][k].is_late = false;
        }
}

/* Only this file can make it: a signature. */
static void sign(struct cosignature *c, unsigned member)
{
    uint64_t a = all.secrets[member][0], b = all.secrets[member][1];

    for (size_t i = 0; i < c->size; i++) {
        a = (a ^ c->bytes[i]) * 0x9e3779b97f4a7c15u;
        b = (b ^ (a >> 31)) * 0xbf58476d1ce4e5b9u;
    }
    c->sum[0] = a;
    c->sum[1] = b;
}

static void make(struct cosignature *c, unsigned member, uint64_t wall_ms, const struct slk_tree_head *head)
{
    const struct slk_checkpoint checkpoint = {.origin = slk_span_of(origin, strlen(origin)), .head = *head};
    char text[SLK_CHECKPOINT_TEXT_MAX];
    size_t text_n = slk_checkpoint_format(text, &checkpoint);

    c->size = slk_cosign_message(c->bytes, sizeof(c->bytes), wall_ms / 1000, slk_span_of(text, text_n));
    assert(c->size > 0);
    sign(c, member);
}

static bool is_good(const struct cosignature *c, unsigned member)
{
    struct cosignature again = *c;

    sign(&again, member);
    return again.sum[0] == c->sum[0] && again.sum[1] == c->sum[1];
}

/* The checkpoint's text stands after two lines. */
static bool read(struct slk_checkpoint *out, const struct cosignature *c)
{
    const uint8_t *at = c->bytes, *end = c->bytes + c->size;

    for (int line = 0; line < 2 && at != NULL; line++) {
        at = memchr(at, '\n', (size_t)(end - at));
        at = at == NULL ? NULL : at + 1;
    }
    return at != NULL && slk_checkpoint_parse(out, slk_span_of(at, (size_t)(end - at))) == SLK_OK;
}

/* Does a quorum of those who decide now stand behind it? */
static void count(
    const struct world *w, const struct process *p, uint64_t log_size, const struct slk_hash *root)
{
    size_t n = world_size(w, p->height), for_it = 0;

    for (unsigned i = 0; i < n; i++) {
        const struct held *held = &all.held[p->index][world_member(w, p->height, i)];

        for_it += held->log_size == log_size && slk_hash_equal(&held->root, root);
    }
    if (for_it >= n - (n - 1) / 3)
        (void)oracle_quorum(w->oracle, p->index, log_size, root->b);
}

static void take(const struct world *w, const struct process *p, unsigned member, const struct cosignature *c)
{
    struct held *held = &all.held[p->index][member];
    struct slk_checkpoint checkpoint;

    if (!is_good(c, member) || !read(&checkpoint, c) || checkpoint.head.tree_size < held->log_size)
        return;
    held->log_size = checkpoint.head.tree_size;
    held->root = checkpoint.head.root_hash;
    count(w, p, held->log_size, &held->root);
}

static bool is_lost(const struct world *w, const struct process *from, const struct process *to)
{
    if (!to->is_up || to->is_paused || to->is_frozen || from->is_frozen || from->member >= w->n)
        return true;
    return !w->is_live && to->member < w->n &&
           (w->blocked[from->member][to->member] ||
               random_chance(&all.random, w->swarm.loss + w->one_way[from->member][to->member]));
}

static void post(
    const struct world *w, const struct process *from, const struct process *to, const struct cosignature *c)
{
    struct held *held = &all.held[to->index][from->member];
    enum { LATE = 200 };

    if (is_lost(w, from, to))
        return;
    if (!held->is_late && random_chance(&all.random, LATE)) {
        held->late = *c;
        held->is_late = true;
        return;
    }
    take(w, to, from->member, c);
    if (held->is_late)
        take(w, to, from->member, &held->late);
    held->is_late = false;
}

/* Another root at this size, of a log that nobody has. */
static struct slk_tree_head bent(const struct slk_tree_head *head)
{
    struct slk_tree_head other = *head;

    slk_put_u64(other.root_hash.b, random_bits(&all.random));
    return other;
}

/* Its own signature in everybody's name. */
static void forge(const struct world *w, const struct process *to, const struct cosignature *c)
{
    for (unsigned member = 0; member < w->n; member++)
        take(w, to, member, c);
}

/* To each either what is true or what is not. */
static void lie(struct world *w, const struct process *p, const struct slk_tree_head *head)
{
    const struct slk_tree_head other = bent(head);
    enum { HALF = 500, SELDOM = 100 };
    struct cosignature c;

    for (unsigned i = 0; i < w->processes_n; i++) {
        const struct process *to = w->processes[i];

        if (to->member == p->member)
            continue;
        make(&c, p->member, process_wall_ms(w, p), random_chance(&all.random, HALF) ? head : &other);
        post(w, p, to, &c);
        if (random_chance(&all.random, SELDOM) && !is_lost(w, p, to))
            forge(w, to, &c);
    }
}

void cosign(struct world *w, struct process *p, uint64_t height)
{
    struct slk_block_header header;
    struct slk_tree_head head;
    struct cosignature c;

    if (p->member >= w->n || slk_block_header_parse(&header, p->disk.chain[height]->header) != SLK_OK)
        return;
    head = (struct slk_tree_head){.tree_size = header.log_size, .root_hash = header.log_root};
    if ((p->lies & (LIE_EQUIVOCATE | LIE_RANDOM | LIE_FORGE | LIE_CLAIM)) != 0) {
        lie(w, p, &head);
        return;
    }
    make(&c, p->member, process_wall_ms(w, p), &head);
    if (process_honest(p))
        (void)oracle_cosignature(w->oracle, p->index, c.bytes, c.size, p->disk.height);
    take(w, p, p->member, &c);
    for (unsigned i = 0; i < w->processes_n && (p->lies & LIE_SILENT) == 0; i++)
        if (w->processes[i] != p)
            post(w, p, w->processes[i], &c);
}
