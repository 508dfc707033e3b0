/* full_judge.c: what must hold of real blocks: I5 to I10, I14. Headers and bodies are read by offset, blocks executed by
 * tests/unit/naive.c (arrays, recursion, libcrypto); the core's word counts for nothing here. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/full.h"
#include "tests/unit/naive.h"

/* The header's layout, written down a second time on purpose (protocol §2.2). */
enum {
    HEIGHT = 4,
    CHAIN = 12,
    CHARTER = 44,
    NEXT_CHARTER = 76,
    PREVIOUS = 108,
    TIME = 140,
    PROPOSER = 148,
    VIEW = 150,
    LOG_SIZE = 194,
    LOG_ROOT = 202,
    MAP_ROOT = 234,
    HEADER = 266
};

struct judge {
    struct world *w;
    struct naive *naive;
    uint64_t height, time_ms;
    uint8_t hash[32];
    const struct slk_charter *charter; /* in force */
    uint8_t charter_hash[32];
    uint64_t activation; /* of the one that waits; 0: none does */
    struct slk_charter *waiting;
    uint8_t waiting_hash[32];
};

static uint64_t number(const uint8_t *at, int size)
{
    uint64_t v = 0;

    for (int i = 0; i < size; i++)
        v = v << 8 | at[i];
    return v;
}

static void tagged(uint8_t out[32], const char tag[16], const uint8_t *bytes, size_t size)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1 ||
        EVP_DigestUpdate(ctx, tag, 16) != 1 || EVP_DigestUpdate(ctx, bytes, size) != 1 ||
        EVP_DigestFinal_ex(ctx, out, NULL) != 1)
        abort();
    EVP_MD_CTX_free(ctx);
}

void full_judge_new(struct world *w, const struct blob *genesis)
{
    struct judge *j = calloc(1, sizeof(*j));

    if (j == NULL)
        abort();
    full.judge = j;
    j->w = w;
    j->naive = naive_new(full.charter, slk_span_of(full.charter_bytes, full.charter_size));
    j->time_ms = number(genesis->header + TIME, 8);
    tagged(j->hash, "sillok/block/1\0", genesis->header, HEADER);
    tagged(j->charter_hash, "sillok/charter/1", full.charter_bytes, full.charter_size);
    j->charter = full.charter;
}

void full_judge_free(void)
{
    if (full.judge != NULL) {
        naive_free(full.judge->naive);
        if (full.judge->charter != full.charter)
            free((void *)(uintptr_t)full.judge->charter);
        free(full.judge->waiting);
    }
    free(full.judge);
    full.judge = NULL;
}

/* I17: a change is in a block when its maker did nothing wrong, it follows the charter in force, no other one waits, and its
 * height is still to come. */
static const char *change_is_wrong(struct judge *j, const struct blob *blob, struct slk_span *entry)
{
    const struct change *c;
    struct slk_entry parsed;

    *entry = full_change_of(slk_span_of(blob->body, blob->body_n));
    if (entry->size == 0)
        return NULL;
    c = full_find_change(*entry);
    if (c == NULL)
        return "holds a charter change that nobody made";
    if (!c->is_good || j->activation != 0 || c->activation <= blob->height ||
        memcmp(c->old_hash.b, j->charter_hash, 32) != 0)
        return "holds a charter change that is wrong, or comes at the wrong time";
    j->waiting = malloc(sizeof(*j->waiting));
    if (j->waiting == NULL || slk_entry_parse(&parsed, *entry) != SLK_OK ||
        slk_charter_parse(j->waiting, parsed.charter) != SLK_OK)
        return "holds a charter that cannot be read";
    tagged(j->waiting_hash, "sillok/charter/1", parsed.charter.at, parsed.charter.size);
    j->activation = c->activation;
    full.accepted_n++;
    return NULL;
}

/* What governs the next block. */
static void end_block(struct judge *j)
{
    if (j->activation != j->height + 1)
        return;
    if (j->charter != full.charter)
        free((void *)(uintptr_t)j->charter);
    j->charter = j->waiting;
    memcpy(j->charter_hash, j->waiting_hash, 32);
    j->waiting = NULL;
    j->activation = 0;
    naive_govern(j->naive, j->charter, j->charter_hash);
}

static unsigned voting_n(const struct judge *j)
{
    unsigned n = 0;

    for (size_t i = 0; i < j->charter->members_n; i++)
        n += j->charter->members[i].role == SLK_VOTING;
    return n;
}

/* I5 */
static const char *chain_is_broken(const struct judge *j, const uint8_t *h)
{
    const uint8_t *next = j->activation == number(h + HEIGHT, 8) + 1 ? j->waiting_hash : j->charter_hash;

    if (number(h + HEIGHT, 8) != j->height + 1 || memcmp(h + PREVIOUS, j->hash, 32) != 0)
        return "does not follow the block before";
    if (number(h + TIME, 8) <= j->time_ms)
        return "is not later than the block before";
    if (memcmp(h + CHARTER, j->charter_hash, 32) != 0 || memcmp(h + NEXT_CHARTER, next, 32) != 0)
        return "names another charter";
    if (memcmp(h + CHAIN, naive_chain_id(j->naive), 32) != 0)
        return "is another ledger's";
    if (number(h + PROPOSER, 2) != (number(h + HEIGHT, 8) + number(h + VIEW, 4) - 1) % voting_n(j))
        return "is not by the leader of its view";
    return NULL;
}

/* I6, I9: the naive ledger refuses an event twice. I7: all heads that are ever seen are heads of its one list of leaves. */
static const char *execution_differs(struct judge *j, const struct blob *blob, struct slk_span change)
{
    const struct slk_span body = full_rest_of(slk_span_of(blob->body, blob->body_n));
    static struct naive_verdict verdict;
    const uint8_t *h = blob->header;
    uint8_t root[32];
    size_t at = 0;

    if (blob->body_n == 0 && number(h + TIME, 8) < j->time_ms + FULL_EMPTY_MS)
        return "is empty, and comes too early";
    naive_begin(j->naive, number(h + TIME, 8));
    if (change.size > 0)
        naive_change(j->naive, change);
    while (at < body.size) {
        size_t size = (size_t)number(body.at + at, 4);

        naive_submit(j->naive, slk_span_of(body.at + at + 4, size), &verdict);
        if (verdict.rule != SLK_RULE_OK)
            return "holds what breaks a rule";
        at += 4 + size;
    }
    naive_next(j->naive, h + NEXT_CHARTER); /* compared before */
    naive_end(j->naive, (uint32_t)number(h + PROPOSER, 2), (uint32_t)number(h + VIEW, 4));
    naive_map_root(j->naive, root);
    if (memcmp(root, h + MAP_ROOT, 32) != 0)
        return "has another map root than its events lead to";
    naive_log_root(j->naive, root);
    if (memcmp(root, h + LOG_ROOT, 32) != 0 || naive_log_size(j->naive) != number(h + LOG_SIZE, 8))
        return "has another log root than its entries lead to";
    return NULL;
}

/* I1 says that every honest process commits the same: the first one's block is everybody's. Those of which nobody heard that
 * they are durable, because all who wrote them crashed, are judged with the next one. */
void full_judge_commit(const struct ledger *l, const struct blob *blob)
{
    struct judge *j = full.judge;

    while (j->height < blob->height) {
        const struct blob *next = l->p->disk.chain[j->height + 1];
        struct slk_span change;
        const char *wrong = change_is_wrong(j, next, &change);

        if (wrong == NULL)
            wrong = chain_is_broken(j, next->header);
        if (wrong == NULL)
            wrong = execution_differs(j, next, change);
        if (wrong != NULL) {
            oracle_fail(l->w->oracle, "I5, I6: block %llu %s", (unsigned long long)next->height, wrong);
            return;
        }
        j->height = next->height;
        j->time_ms = next->time_ms;
        tagged(j->hash, "sillok/block/1\0", next->header, HEADER);
        end_block(j);
    }
}

/* I10, counted from the disk. */
void full_judge_quota(const struct ledger *l)
{
    const struct disk *d = &l->p->disk;
    size_t used[MEMBERS_MAX + 1][2] = {{0}};

    for (unsigned id = 0; id < l->w->submissions_n; id++) {
        const struct thing *t = full.things[id];

        if ((d->pool[id / 64] >> (id % 64) & 1) != 0 && !full_spent(d, id))
            used[t->agency][t->is_lock] += t->size < 256 ? 256 : t->size;
    }
    for (unsigned a = 1; a <= l->w->n; a++)
        if (used[a][1] > full.lock_quota || used[a][0] > full.normal_quota)
            full_fail(l, "I10: the pool holds more of an agency than its quota");
}

/* I8: promised by f + 1 members while the times were bad: in a block everywhere, or overtaken by one. */
bool full_judge_settled(const struct world *w)
{
    for (unsigned id = 0; id < w->submissions_n; id++) {
        const struct thing *t = full.things[id];
        unsigned members_n = 0;

        for (size_t i = 0; i < t->receipts_n; i++)
            members_n += t->received_us[i] < w->live_from;
        if (members_n <= w->f)
            continue;
        for (unsigned i = 0; i < w->processes_n; i++) {
            const struct process *p = w->processes[i];

            if (process_honest(p) && !p->is_frozen && !full_spent(&p->disk, id)) {
                world_trace(w, "submission %u, %u receipts, is open at process %u", id, members_n, i);
                return false;
            }
        }
    }
    return true;
}

/* I14: the machines of those who are equally far are equal, and so is the naive ledger if it is as far. */
void full_judge_end(struct world *w)
{
    const struct judge *j = full.judge;
    uint8_t map_root[32], log_root[32];

    naive_map_root(j->naive, map_root);
    naive_log_root(j->naive, log_root);
    for (unsigned i = 0; i < w->processes_n; i++) {
        const struct process *p = w->processes[i];
        const struct ledger *l = p->ledger;
        struct slk_hash log_is, map_is;

        if (!process_honest(p) || !p->is_up || l->machine.tip.height != j->height)
            continue;
        slk_log_root(&l->machine.log, &log_is);
        slk_map_root(l->machine.map, &map_is);
        if (memcmp(log_is.b, log_root, 32) != 0 || memcmp(map_is.b, map_root, 32) != 0 ||
            l->machine.log.size != naive_log_size(j->naive))
            full_fail(l, "I14: another ledger than the naive one");
    }
}
