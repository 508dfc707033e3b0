/* full_change.c: charters that change: an operator edits the one in force, members sign, leaders put it into a block.
 *
 * Every third seed. A member stops voting or votes again (as an observer it stays the home of its issuer), or gets a new vote
 * key. Some changes are wrong, and must never be in a block. Which charter governs a height is told here from the blocks that
 * were committed, and held against what each process's machine says.
 */
#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/full.h"

enum { NEW_KEYS = 10000, READY_BEHIND = 5 };

/* ---- keys of members ---- */

void full_add_key(const uint8_t key[SLK_KEY_SIZE], const uint8_t secret[SLK_SIGNATURE_SIZE])
{
    assert(full.keys_n < FULL_KEYS_MAX);
    memcpy(full.keys[full.keys_n].public, key, SLK_KEY_SIZE);
    memcpy(full.keys[full.keys_n++].secret, secret, SLK_SIGNATURE_SIZE);
}

const uint8_t *full_secret(const uint8_t key[SLK_KEY_SIZE])
{
    for (unsigned i = 0; i < full.keys_n; i++)
        if (memcmp(full.keys[i].public, key, SLK_KEY_SIZE) == 0)
            return full.keys[i].secret;
    return NULL;
}

/* ---- which charter governs ---- */

static struct reign *reign_at(uint64_t height)
{
    unsigned at = full.reigns_n - 1;

    while (at > 0 && full.reigns[at].members.from > height)
        at--;
    return &full.reigns[at];
}

const struct charter *ledger_charter(const struct world *w, uint64_t height, struct slk_council *out)
{
    const struct reign *reign;

    (void)w;
    if (full.reigns_n == 0)
        return NULL;
    reign = reign_at(height);
    if (out != NULL)
        *out = reign->council;
    return &reign->members;
}

const struct slk_charter *full_charter_at(uint64_t height)
{
    return reign_at(height)->charter;
}

/* Takes the charter for its own. */
void full_reign(struct world *w, struct slk_charter *charter, uint64_t from)
{
    struct reign *r = &full.reigns[full.reigns_n];

    assert(full.reigns_n < FULL_REIGNS_MAX);
    full.reigns_n++;
    r->charter = charter;
    r->members = (struct charter){.from = from};
    if (slk_council_of(&r->council, charter, &w->council.chain_id) != SLK_OK)
        abort();
    for (size_t i = 0; i < charter->members_n; i++)
        if (charter->members[i].role == SLK_VOTING)
            r->members.members[r->members.n++] = (uint8_t)(charter->members[i].agency - 1);
    oracle_charter(w->oracle, from, r->members.n, r->members.members);
}

void full_reigns_free(void)
{
    for (unsigned i = 0; i < full.reigns_n; i++)
        free(full.reigns[i].charter);
    for (unsigned i = 0; i < full.changes_n; i++)
        free(full.changes[i].entry);
}

bool full_votes(const struct slk_charter *charter, unsigned member)
{
    const struct slk_member *m = slk_charter_member(charter, (uint16_t)(member + 1));

    return m != NULL && m->role == SLK_VOTING;
}

/* ---- a change in a block's body: u32 with its highest bit set, and the entry ---- */

struct slk_span full_change_of(struct slk_span body)
{
    struct slk_reader r = {.rest = body};
    uint32_t size = body.size < 4 ? 0 : slk_read_u32(&r);
    struct slk_span entry = {NULL, 0};

    if ((size & FULL_CHANGE_MARK) != 0)
        entry = slk_read_span(&r, size & ~FULL_CHANGE_MARK);
    return r.bad ? (struct slk_span){NULL, 0} : entry;
}

struct slk_span full_rest_of(struct slk_span body)
{
    struct slk_span entry = full_change_of(body);

    return entry.size == 0 ? body : slk_span_of(entry.at + entry.size, body.size - 4 - entry.size);
}

struct change *full_find_change(struct slk_span entry)
{
    for (unsigned i = 0; i < full.changes_n; i++)
        if (full.changes[i].size == entry.size && memcmp(full.changes[i].entry, entry.at, entry.size) == 0)
            return &full.changes[i];
    return NULL;
}

/* The first commit of a block with a change tells everybody what governs from then on. */
void full_change_seen(struct world *w, const struct blob *blob)
{
    struct slk_span entry = full_change_of(slk_span_of(blob->body, blob->body_n));
    struct slk_change *change;
    struct slk_charter *next;

    if (entry.size == 0 || blob->height <= full.changed_at)
        return;
    full.changed_at = blob->height;
    change = malloc(sizeof(*change));
    next = malloc(sizeof(*next));
    if (change == NULL || next == NULL)
        abort();
    if (slk_change_parse(change, entry) != SLK_OK || slk_charter_parse(next, change->charter) != SLK_OK)
        abort();
    full_reign(w, next, change->activation);
    world_trace(w, "block %llu brings a charter from height %llu on: %u vote",
        (unsigned long long)blob->height, (unsigned long long)change->activation,
        full.reigns[full.reigns_n - 1].members.n);
    free(change);
}

/* ---- making one ---- */

enum mistake { RIGHT, FEW_APPROVE, FALSE_APPROVAL, NOT_POSSESSED, FALSE_READY };
struct making {
    struct world *w;
    enum mistake mistake;
    const struct ledger *l;
    const struct slk_charter *old;
    struct slk_charter next;
    struct slk_change change;
    uint8_t bytes[SLK_CHARTER_BYTES_MAX];
};

static void sign_by(
    const uint8_t key[SLK_KEY_SIZE], const uint8_t *bytes, size_t size, uint8_t out[SLK_SIGNATURE_SIZE])
{
    const uint8_t *secret = full_secret(key);

    if (secret == NULL || crypto_sign_detached(out, NULL, bytes, size, secret) != 0)
        abort();
}

static void new_vote_key(struct slk_member *m)
{
    uint8_t key[SLK_KEY_SIZE], secret[SLK_SIGNATURE_SIZE];

    full_make_key(NEW_KEYS + full.keys_n, key, secret);
    full_add_key(key, secret);
    memcpy(m->vote_key, key, SLK_KEY_SIZE);
}

/* All vote, or all but one: so that f and the quorum are those that the liars were counted for. */
static void edit(struct making *m)
{
    struct slk_member *picked = &m->next.members[random_below(&full.random, m->next.members_n)];
    size_t voting_n = slk_charter_voting_n(&m->next);

    if (voting_n == m->next.members_n && voting_n > 1 && random_chance(&full.random, 600)) {
        picked->role = SLK_OBSERVER;
    } else {
        for (size_t i = 0; i < m->next.members_n; i++)
            if (m->next.members[i].role == SLK_OBSERVER && random_chance(&full.random, 700))
                m->next.members[i].role = SLK_VOTING;
        if (random_chance(&full.random, 600) || voting_n == slk_charter_voting_n(&m->next))
            new_vote_key(picked);
    }
}

static void approve(struct making *m)
{
    uint8_t statement[SLK_APPROVE_STATEMENT_SIZE];
    size_t n = slk_charter_voting_n(m->old), wanted = n - (n - 1) / 3;
    struct slk_hash hash;

    if (m->mistake == FEW_APPROVE)
        wanted--;
    else if (random_chance(&full.random, 500))
        wanted = n;
    slk_charter_hash(&hash, m->change.charter);
    slk_approve_statement(statement, &m->w->council.chain_id, &m->old->hash, &hash, m->change.activation);
    for (size_t i = 0; i < m->old->members_n && m->change.approvals_n < wanted; i++) {
        struct slk_approval approval = {.agency = m->old->members[i].agency};

        if (m->old->members[i].role != SLK_VOTING)
            continue;
        sign_by(m->old->members[i].vote_key, statement, sizeof(statement), approval.signature);
        (void)slk_change_put_approval(&m->change, &approval);
    }
    if (m->mistake == FALSE_APPROVAL)
        m->change.approvals[0].signature[3] ^= 1;
}

static void possess(struct making *m)
{
    static struct slk_charter_key keys[SLK_CHARTER_KEYS_MAX];
    size_t n = slk_charter_new_keys(keys, m->old, &m->next);

    for (size_t i = m->mistake == NOT_POSSESSED ? 1 : 0; i < n; i++) {
        uint8_t statement[SLK_POSSESS_STATEMENT_SIZE];
        struct slk_possession possession;

        slk_possess_statement(statement, &m->w->council.chain_id, keys[i].key, keys[i].agency, keys[i].use);
        memcpy(possession.key, keys[i].key, SLK_KEY_SIZE);
        sign_by(keys[i].key, statement, sizeof(statement), possession.signature);
        (void)slk_change_put_possession(&m->change, &possession);
    }
}

static void be_ready(struct making *m)
{
    uint64_t tip = m->l->machine.tip.height;
    uint64_t height = tip - random_below(&full.random, (tip < READY_BEHIND ? tip : READY_BEHIND) + 1);

    for (size_t i = 0; i < m->next.members_n; i++) {
        struct slk_ready ready = {.agency = m->next.members[i].agency,
            .height = height,
            .block_hash = m->l->p->disk.chain[height]->hash};
        uint8_t statement[SLK_READY_STATEMENT_SIZE];

        if (!slk_member_joins(&m->next.members[i], m->old))
            continue;
        ready.block_hash.b[0] ^= m->mistake == FALSE_READY; /* of another history; the signature is good */
        slk_ready_statement(statement, &m->w->council.chain_id, &ready);
        sign_by(m->next.members[i].vote_key, statement, sizeof(statement), ready.signature);
        (void)slk_change_put_ready(&m->change, &ready);
    }
}

/* One thing that can be wrong with this one, in one of three. */
static enum mistake draw_mistake(const struct making *m)
{
    enum { WRONG_PER_MILLE = 330 };
    bool joins = false, is_new = false;

    for (size_t i = 0; i < m->next.members_n; i++) {
        joins = joins || slk_member_joins(&m->next.members[i], m->old);
        is_new =
            is_new || memcmp(m->next.members[i].vote_key, m->old->members[i].vote_key, SLK_KEY_SIZE) != 0;
    }
    if (!random_chance(&full.random, WRONG_PER_MILLE))
        return RIGHT;
    if (joins && random_chance(&full.random, 700))
        return FALSE_READY;
    if (is_new && random_chance(&full.random, 500))
        return NOT_POSSESSED;
    return random_chance(&full.random, 500) ? FEW_APPROVE : FALSE_APPROVAL;
}

static void offer(struct making *m)
{
    enum { ENTRY_MAX = 65535 };
    struct change *c = &full.changes[full.changes_n];

    c->is_good = m->mistake == RIGHT;
    c->activation = m->change.activation;
    c->old_hash = m->old->hash;
    c->entry = malloc(ENTRY_MAX);
    if (c->entry == NULL)
        abort();
    c->size = slk_change_format(c->entry, ENTRY_MAX, &m->change);
    assert(c->size > 0);
    full.changes_n++;
    world_trace(m->w, "a charter from height %llu on is proposed, %s", (unsigned long long)c->activation,
        c->is_good ? "good" : "wrong");
}

/* Is there one that may still come into a block after this height? */
static struct change *waiting(uint64_t height)
{
    struct change *c = full.changes_n > 0 ? &full.changes[full.changes_n - 1] : NULL;

    return c != NULL && c->activation > height + 1 &&
                   full.reigns[full.reigns_n - 1].members.from != c->activation
               ? c
               : NULL;
}

void full_make_change(const struct ledger *l)
{
    enum { AHEAD_MOST = 8, TOO_EARLY_PER_MILLE = 200 };
    uint64_t tip = l->machine.tip.height, activation;
    struct making *m;

    if (!full.is_changing || !process_honest(l->p) || full.changes_n == FULL_CHANGES_MAX ||
        full.reigns_n == FULL_REIGNS_MAX || waiting(tip) != NULL)
        return;
    if ((slk_charters_pending(l->machine.charters, &activation) != NULL ||
            full.reigns[full.reigns_n - 1].members.from > tip + 1) &&
        !random_chance(
            &full.random, TOO_EARLY_PER_MILLE)) /* one waits for its height, perhaps unknown here */
        return;
    m = calloc(1, sizeof(*m));
    if (m == NULL)
        abort();
    m->w = l->w;
    m->l = l;
    m->old = l->machine.charter;
    m->next = *m->old;
    m->next.version++;
    m->next.has_previous = true;
    m->next.previous = m->old->hash;
    edit(m);
    m->change.charter = slk_span_of(m->bytes, slk_charter_format(m->bytes, SLK_CHARTER_BYTES_MAX, &m->next));
    m->change.activation = tip + 3 + random_below(&full.random, AHEAD_MOST);
    assert(m->change.charter.size > 0);
    m->mistake = draw_mistake(m);
    approve(m);
    possess(m);
    be_ready(m);
    offer(m);
    free(m);
}

/* What a leader puts in front of its block; empty: nothing. */
struct slk_span full_next_change(const struct ledger *l)
{
    const struct change *c = full.is_changing ? waiting(l->machine.tip.height) : NULL;

    return c == NULL || random_chance(&full.random, 300) ? (struct slk_span){NULL, 0}
                                                         : slk_span_of(c->entry, c->size);
}
