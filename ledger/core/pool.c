/* pool.c: see pool.h.
 *
 *   entries   in the order of arrival; each in the chain of its id's slot, and in the queue of its agency and class
 *   bytes     one array, entry after entry, no holes: removing is one pass over both (sweep)
 *
 * A pass over all of it per block is cheap against the block: the pool is bounded, and usually small.
 */
#include "ledger/core/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NONE    UINT32_MAX
#define CLASSES 2
#define QUANTUM SLK_LOCK_BYTES                                 /* a round's grant: every lock fits one */
#define HEAD    (2 + SLK_KEY_ID_SIZE + 2 + SLK_SIGNATURE_SIZE) /* of a Submission: key_id and signature */
#define HEADS   (2 * SLK_BLOCK_EVENTS_MAX) /* slots for the credentials of a block: half full */

struct entry {
    struct slk_hash id;
    uint8_t key_id[SLK_KEY_ID_SIZE];
    uint64_t ticket;
    size_t offset;
    uint32_t size, share;
    uint16_t events_n;
    uint8_t slot;               /* of its agency */
    uint8_t class;              /* enum slk_class - 1 */
    bool is_counted, is_stored; /* stored: counted, too */
    bool is_passed_over;
    bool is_taken; /* in the selection being made */
    bool is_gone;
    enum slk_rule rule;   /* why it is gone */
    uint32_t chain, next; /* same id slot; same queue */
};

struct agency {
    uint16_t agency; /* 0: the slot is free */
    size_t used[CLASSES];
    uint32_t first[CLASSES], last[CLASSES];
};

/* What a block made of one credential. */
struct head {
    uint8_t credential[SLK_HANDLE_SIZE];
    uint64_t count;
    struct slk_hash last;
};

struct slk_pool {
    struct slk_hash chain_id;
    uint16_t agency;
    uint64_t height, next_ticket;
    size_t quota[CLASSES];
    struct agency agencies[SLK_POOL_AGENCIES_MAX];
    unsigned agencies_max;
    unsigned turn[CLASSES]; /* who is served first */
    bool is_owed;           /* a normal submission waits for more than the locks leave */
    struct entry *entries;
    size_t entries_n, entries_max;
    uint32_t *slots;
    size_t slots_n; /* a power of two */
    uint8_t *bytes;
    size_t bytes_n, bytes_max;
    uint64_t buckets[SLK_POOL_BUCKETS];
    uint64_t count, locks_n;                        /* stored */
    struct slk_hash ids[SLK_SUBMISSION_EVENTS_MAX]; /* of the submission being read from a block */
    struct head heads[SLK_BLOCK_EVENTS_MAX];
    uint32_t head_slots[HEADS]; /* index + 1 */
    size_t heads_n;
};

enum slk_err slk_pool_new(struct slk_pool **out, const struct slk_pool_options *options)
{
    struct slk_pool *pool = calloc(1, sizeof(*pool));

    *out = NULL;
    if (pool == NULL)
        return SLK_E_NOMEM;
    pool->chain_id = options->chain_id;
    pool->agency = options->agency;
    pool->height = options->height;
    pool->next_ticket = 1;
    pool->agencies_max = options->agencies != 0 ? options->agencies : SLK_POOL_AGENCIES_MAX;
    pool->quota[0] = options->lock_quota != 0 ? options->lock_quota : SLK_POOL_LOCK_QUOTA;
    pool->quota[1] = options->normal_quota != 0 ? options->normal_quota : SLK_POOL_NORMAL_QUOTA;
    assert(pool->agencies_max <= SLK_POOL_AGENCIES_MAX);
    assert(pool->quota[0] <= SLK_POOL_LOCK_QUOTA && pool->quota[1] <= SLK_POOL_NORMAL_QUOTA);
    pool->bytes_max = pool->agencies_max * (pool->quota[0] + pool->quota[1]);
    pool->entries_max = pool->bytes_max / SLK_POOL_CHARGE_MIN;
    pool->slots_n = 64;
    while (pool->slots_n < pool->entries_max)
        pool->slots_n *= 2;
    pool->entries = calloc(pool->entries_max + 1, sizeof(*pool->entries));
    pool->slots = calloc(pool->slots_n, sizeof(*pool->slots));
    pool->bytes = malloc(pool->bytes_max + 1);
    if (pool->entries == NULL || pool->slots == NULL || pool->bytes == NULL) {
        slk_pool_free(pool);
        return SLK_E_NOMEM;
    }
    for (unsigned i = 0; i < SLK_POOL_AGENCIES_MAX; i++)
        for (int class = 0; class < CLASSES; class ++)
            pool->agencies[i].first[class] = pool->agencies[i].last[class] = NONE;
    *out = pool;
    return SLK_OK;
}

void slk_pool_free(struct slk_pool *pool)
{
    if (pool == NULL)
        return;
    free(pool->entries);
    free(pool->slots);
    free(pool->bytes);
    free(pool);
}

/* ---- the index by id, the queues ---- */

/* Ids are SHA-256: an issuer who grinds for one slot makes the look-up of its own submissions longer, no more. */
static uint32_t *slot_of(const struct slk_pool *pool, const struct slk_hash *id)
{
    return &pool->slots[slk_get_u64(id->b + 8) & (pool->slots_n - 1)]; /* index + 1 of the chain's first */
}

static void link_entry(struct slk_pool *pool, uint32_t i)
{
    struct entry *e = &pool->entries[i];
    struct agency *a = &pool->agencies[e->slot];
    uint32_t *slot = slot_of(pool, &e->id);

    e->chain = *slot;
    *slot = i + 1;
    e->next = NONE;
    if (a->last[e->class] == NONE)
        a->first[e->class] = i;
    else
        pool->entries[a->last[e->class]].next = i;
    a->last[e->class] = i;
}

static size_t charge(const struct entry *e)
{
    return e->size < SLK_POOL_CHARGE_MIN ? SLK_POOL_CHARGE_MIN : e->size;
}

static void count_in(struct slk_pool *pool, const struct entry *e, bool is_in)
{
    uint64_t one = is_in ? 1 : UINT64_MAX;

    pool->buckets[e->id.b[0]] ^= slk_get_u64(e->id.b) ^ slk_get_u64(e->key_id);
    pool->count += one;
    if (e->class == SLK_CLASS_LOCK - 1)
        pool->locks_n += one;
}

static void take_away(struct slk_pool *pool, const struct entry *e)
{
    size_t *used = &pool->agencies[e->slot].used[e->class];

    assert(*used >= charge(e));
    *used -= charge(e);
    if (e->is_counted)
        count_in(pool, e, false);
}

static void item_of(const struct slk_pool *pool, const struct entry *e, struct slk_pool_item *out)
{
    *out = (struct slk_pool_item){.ticket = e->ticket,
        .id = e->id,
        .class = (enum slk_class)(e->class + 1),
        .is_counted = e->is_counted,
        .is_stored = e->is_stored,
        .events_n = e->events_n,
        .share = e->share,
        .bytes = slk_span_of(pool->bytes + e->offset, e->size)};
    memcpy(out->key_id, e->key_id, SLK_KEY_ID_SIZE);
}

/* Tells about what is gone, closes the gaps, links the rest anew. */
static void relink(struct slk_pool *pool, slk_pool_gone_fn *gone, void *ctx)
{
    size_t kept = 0, bytes_n = 0;
    struct slk_pool_item item;

    for (size_t i = 0; i < pool->entries_n && gone != NULL; i++) {
        if (!pool->entries[i].is_gone)
            continue;
        item_of(pool, &pool->entries[i], &item);
        gone(ctx, &item, pool->entries[i].rule);
    }
    memset(pool->slots, 0, pool->slots_n * sizeof(*pool->slots));
    for (unsigned a = 0; a < pool->agencies_max; a++)
        for (int class = 0; class < CLASSES; class ++)
            pool->agencies[a].first[class] = pool->agencies[a].last[class] = NONE;
    for (size_t i = 0; i < pool->entries_n; i++) {
        struct entry e = pool->entries[i];

        if (e.is_gone) {
            take_away(pool, &e);
            continue;
        }
        memmove(pool->bytes + bytes_n, pool->bytes + e.offset, e.size);
        e.offset = bytes_n;
        bytes_n += e.size;
        pool->entries[kept] = e;
        link_entry(pool, (uint32_t)kept++);
    }
    pool->entries_n = kept;
    pool->bytes_n = bytes_n;
}

static void sweep(struct slk_pool *pool, slk_pool_gone_fn *gone, void *ctx)
{
    for (size_t i = 0; i < pool->entries_n; i++)
        if (pool->entries[i].is_gone) {
            relink(pool, gone, ctx);
            return;
        }
}

/* The first entry with this ticket or a later one. */
static size_t place_of_ticket(const struct slk_pool *pool, uint64_t ticket)
{
    size_t low = 0, high = pool->entries_n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (pool->entries[middle].ticket < ticket)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct entry *find_ticket(const struct slk_pool *pool, uint64_t ticket)
{
    size_t at = place_of_ticket(pool, ticket);

    return at < pool->entries_n && pool->entries[at].ticket == ticket ? &pool->entries[at] : NULL;
}

static struct entry *find_id(const struct slk_pool *pool, const struct slk_hash *id, const uint8_t *key_id)
{
    for (uint32_t at = *slot_of(pool, id); at != 0; at = pool->entries[at - 1].chain)
        if (slk_hash_equal(&pool->entries[at - 1].id, id) &&
            memcmp(pool->entries[at - 1].key_id, key_id, SLK_KEY_ID_SIZE) == 0)
            return &pool->entries[at - 1];
    return NULL;
}

/* ---- coming in ---- */

/* The agency's slot; one that nobody uses is taken over. NONE: there are more agencies than were said at the start. */
static unsigned agency_slot(struct slk_pool *pool, uint16_t agency)
{
    unsigned spare = NONE;

    assert(agency != 0);
    for (unsigned i = 0; i < pool->agencies_max; i++) {
        const struct agency *a = &pool->agencies[i];

        if (a->agency == agency)
            return i;
        if (spare == NONE && (a->agency == 0 || (a->used[0] == 0 && a->used[1] == 0)))
            spare = i;
    }
    if (spare != NONE)
        pool->agencies[spare].agency = agency;
    return spare;
}

enum slk_pool_answer slk_pool_offer(
    struct slk_pool *pool, const struct slk_submission *submission, struct slk_span bytes, uint64_t *ticket)
{
    const struct entry *known;
    struct entry e = {.is_stored = false};
    unsigned slot;
    size_t used;

    *ticket = 0;
    if (submission->rule != SLK_RULE_OK)
        return SLK_POOL_REFUSED;
    assert(submission->issuer != NULL && bytes.size <= SLK_SUBMISSION_BYTES_MAX);
    known = find_id(pool, &submission->id, submission->key_id);
    if (known != NULL) {
        *ticket = known->ticket;
        return known->is_stored ? SLK_POOL_HELD : SLK_POOL_PENDING;
    }
    slot = agency_slot(pool, submission->issuer->agency);
    if (slot == NONE)
        return SLK_POOL_FULL;
    e.class = (uint8_t)(slk_class_of(submission) - 1);
    e.size = (uint32_t)bytes.size;
    used = pool->agencies[slot].used[e.class];
    if (used > pool->quota[e.class] || charge(&e) > pool->quota[e.class] - used ||
        pool->entries_n == pool->entries_max || bytes.size > pool->bytes_max - pool->bytes_n)
        return SLK_POOL_FULL;
    e.id = submission->id;
    memcpy(e.key_id, submission->key_id, SLK_KEY_ID_SIZE);
    e.ticket = *ticket = pool->next_ticket++;
    e.share = (uint32_t)slk_block_share(submission);
    e.events_n = (uint16_t)submission->events_n;
    e.slot = (uint8_t)slot;
    e.offset = pool->bytes_n;
    memcpy(pool->bytes + pool->bytes_n, bytes.at, bytes.size);
    pool->bytes_n += bytes.size;
    pool->agencies[slot].used[e.class] += charge(&e);
    pool->entries[pool->entries_n] = e;
    link_entry(pool, (uint32_t)pool->entries_n++);
    return SLK_POOL_ADMIT;
}

static void fill_receipt(const struct slk_pool *pool, const struct entry *e, struct slk_receipt *receipt)
{
    *receipt = (struct slk_receipt){.submission_id = e->id,
        .tip_height = pool->height,
        .agency = pool->agency,
        .class = (enum slk_class)(e->class + 1)};
    memcpy(receipt->key_id, e->key_id, SLK_KEY_ID_SIZE);
}

static void count_once(struct slk_pool *pool, struct entry *e)
{
    if (!e->is_counted)
        count_in(pool, e, true);
    e->is_counted = true;
}

bool slk_pool_counted(struct slk_pool *pool, uint64_t ticket)
{
    struct entry *e = find_ticket(pool, ticket);

    if (e != NULL)
        count_once(pool, e);
    return e != NULL;
}

bool slk_pool_stored(struct slk_pool *pool, uint64_t ticket, struct slk_receipt *receipt)
{
    struct entry *e = find_ticket(pool, ticket);

    if (e == NULL)
        return false;
    count_once(pool, e);
    e->is_stored = true;
    fill_receipt(pool, e, receipt);
    return true;
}

enum slk_pool_answer slk_pool_restore(
    struct slk_pool *pool, const struct slk_submission *submission, struct slk_span bytes)
{
    uint64_t ticket;
    enum slk_pool_answer answer = slk_pool_offer(pool, submission, bytes, &ticket);
    struct entry *e = answer == SLK_POOL_ADMIT ? find_ticket(pool, ticket) : NULL;

    if (e != NULL) {
        e->is_stored = true;
        count_once(pool, e);
    }
    return answer;
}

bool slk_pool_receipt(const struct slk_pool *pool, uint64_t ticket, struct slk_receipt *receipt)
{
    const struct entry *e = find_ticket(pool, ticket);

    if (e == NULL || !e->is_stored)
        return false;
    fill_receipt(pool, e, receipt);
    return true;
}

bool slk_pool_get(const struct slk_pool *pool, uint64_t ticket, struct slk_pool_item *out)
{
    const struct entry *e = find_ticket(pool, ticket);

    if (e != NULL)
        item_of(pool, e, out);
    return e != NULL;
}

bool slk_pool_find(const struct slk_pool *pool, const struct slk_hash *id,
    const uint8_t key_id[SLK_KEY_ID_SIZE], struct slk_pool_item *out)
{
    const struct entry *e = find_id(pool, id, key_id);

    if (e != NULL)
        item_of(pool, e, out);
    return e != NULL;
}

bool slk_pool_holds(const struct slk_pool *pool, const struct slk_hash *id)
{
    for (uint32_t at = *slot_of(pool, id); at != 0; at = pool->entries[at - 1].chain)
        if (pool->entries[at - 1].is_counted && slk_hash_equal(&pool->entries[at - 1].id, id))
            return true;
    return false;
}

/* ---- going out: a block ---- */

struct selection {
    struct slk_pool *pool;
    struct slk_pool_item *items;
    size_t n, max;
    struct slk_pool_extent sum; /* of what is taken; the seal's bytes are in it */
    uint32_t cursor[SLK_POOL_AGENCIES_MAX];
    size_t deficit[SLK_POOL_AGENCIES_MAX];
};

/* The next one of a queue that may be taken, from `i` on. */
static uint32_t eligible(const struct slk_pool *pool, uint32_t i)
{
    while (i != NONE &&
           (!pool->entries[i].is_counted || pool->entries[i].is_passed_over || pool->entries[i].is_taken))
        i = pool->entries[i].next;
    return i;
}

static bool fits(const struct selection *s, const struct entry *e, struct slk_pool_extent cap)
{
    if (s->n == 0)
        return true; /* an empty block has room for any one: charter limits, and slk_block_build */
    return s->n < s->max && s->sum.events <= cap.events && e->events_n <= cap.events - s->sum.events &&
           s->sum.bytes <= cap.bytes && e->share <= cap.bytes - s->sum.bytes;
}

static void take(struct selection *s, struct entry *e)
{
    item_of(s->pool, e, &s->items[s->n++]);
    e->is_taken = true;
    s->sum.events += e->events_n;
    s->sum.bytes += e->share;
}

/* One turn of one agency in the round. True: it has more that fits, and waits for its next grant. What does not fit is
 * passed over: the room only shrinks. */
static bool serve(struct selection *s, unsigned slot, struct slk_pool_extent cap)
{
    s->deficit[slot] += QUANTUM;
    for (;;) {
        uint32_t at = s->cursor[slot] = eligible(s->pool, s->cursor[slot]);
        struct entry *e = at == NONE ? NULL : &s->pool->entries[at];

        if (e == NULL)
            return false;
        if (fits(s, e, cap)) {
            if (e->share > s->deficit[slot])
                return true;
            s->deficit[slot] -= e->share;
            take(s, e);
        }
        s->cursor[slot] = e->next;
    }
}

/* Rounds over the agencies, from the one whose turn it is, until every queue was looked through: what is left does not
 * fit. */
static void rounds(struct selection *s, int class, struct slk_pool_extent cap)
{
    const struct slk_pool *pool = s->pool;
    unsigned n = pool->agencies_max;
    uint64_t open = 0;

    for (unsigned k = 0; k < n; k++) {
        s->cursor[k] = eligible(pool, pool->agencies[k].first[class]);
        s->deficit[k] = 0;
        open |= (uint64_t)(s->cursor[k] != NONE) << k;
    }
    while (open != 0) {
        for (unsigned k = 0; k < n; k++) {
            unsigned slot = (pool->turn[class] + k) % n;

            if ((open >> slot & 1) != 0 && !serve(s, slot, cap))
                open &= ~(UINT64_C(1) << slot);
        }
    }
}

/* The oldest of the agency whose turn it is; NONE when it has nothing. */
static uint32_t first_in_turn(const struct slk_pool *pool, int class)
{
    return eligible(pool, pool->agencies[pool->turn[class]].first[class]);
}

static void take_first(struct selection *s, int class, struct slk_pool_extent cap)
{
    uint32_t at = first_in_turn(s->pool, class);

    if (at != NONE && fits(s, &s->pool->entries[at], cap))
        take(s, &s->pool->entries[at]);
}

/* The turn stays where the oldest did not get in; otherwise it goes to the next agency that has something. */
static void pass_turn(struct slk_pool *pool, int class, uint32_t oldest)
{
    unsigned n = pool->agencies_max, at = pool->turn[class];

    if (oldest != NONE && !pool->entries[oldest].is_taken)
        return;
    for (unsigned k = 1; k <= n; k++)
        if (pool->agencies[(at + k) % n].first[class] != NONE) {
            pool->turn[class] = (at + k) % n;
            return;
        }
}

static size_t clamp(size_t value, size_t low, size_t high)
{
    return value > high || low > high ? high : value < low ? low : value;
}

/* The locks' half of the target, beside what is taken before them. */
static struct slk_pool_extent lock_cap(
    struct slk_pool_extent sum, struct slk_pool_extent target, struct slk_pool_extent limit)
{
    return (struct slk_pool_extent){.events = clamp(sum.events + target.events / 2, 0, limit.events),
        .bytes = clamp(sum.bytes + target.bytes / 2, 0, limit.bytes)};
}

/* What the builder accepted stays, and stays first: what was refused because of it would be refused again. */
static void keep(struct selection *s, size_t kept_n)
{
    for (; s->n < kept_n; s->n++) {
        struct entry *e = find_ticket(s->pool, s->items[s->n].ticket);

        assert(e != NULL && !e->is_taken);
        e->is_taken = true;
        s->sum.events += e->events_n;
        s->sum.bytes += e->share;
    }
}

size_t slk_pool_select(struct slk_pool *pool, struct slk_pool_extent target, struct slk_pool_extent limit,
    struct slk_pool_item *items, size_t kept_n, size_t items_max)
{
    enum { LOCK = SLK_CLASS_LOCK - 1, NORMAL = SLK_CLASS_NORMAL - 1 };
    struct selection s = {.pool = pool, .items = items, .max = items_max, .sum.bytes = SLK_SEAL_MAX + 2};
    uint32_t lock = first_in_turn(pool, LOCK), normal = first_in_turn(pool, NORMAL);
    bool is_new = kept_n == 0, is_owed = is_new && pool->is_owed;
    struct slk_pool_extent half;

    assert(items_max >= 1 && kept_n <= items_max);
    target.events = clamp(target.events, SLK_TARGET_EVENTS_MIN, limit.events);
    target.bytes = clamp(target.bytes, SLK_TARGET_BYTES_MIN, limit.bytes);
    keep(&s, kept_n);
    if (is_owed)
        take_first(&s, NORMAL, limit);
    half = lock_cap(s.sum, target, limit);
    if (is_new)
        take_first(&s, LOCK, limit);
    rounds(&s, LOCK, half);
    if (is_new && !is_owed)
        take_first(&s, NORMAL, limit);
    rounds(&s, NORMAL, target);
    rounds(&s, LOCK, target);

    if (is_new) {
        pool->is_owed = normal != NONE && !pool->entries[normal].is_taken;
        pass_turn(pool, NORMAL, normal);
        pass_turn(pool, LOCK, lock);
    }
    for (size_t i = 0; i < pool->entries_n; i++)
        pool->entries[i].is_taken = false;
    return s.n;
}

void slk_pool_pass_over(struct slk_pool *pool, uint64_t ticket)
{
    struct entry *e = find_ticket(pool, ticket);

    if (e != NULL)
        e->is_passed_over = true;
}

/* The order of SLK_RULES: a rule after SEQUENCE and PREVIOUS is judged on a history that `previous` pins down. */
static bool is_final(enum slk_rule rule)
{
    switch (rule) {
    case SLK_RULE_OK:
    case SLK_RULE_ISSUER_TIME:        /* not yet; no longer: slk_pool_is_over */
    case SLK_RULE_OCCURRED_IN_FUTURE: /* of a clock that is behind */
    case SLK_RULE_VALIDITY_LONG:      /* until time has passed */
    case SLK_RULE_SEQUENCE:           /* ahead of the state; behind it, slk_pool_commit drops it */
    case SLK_RULE_NOT_JUDGED:
    case SLK_RULE_N:
        return false;
    case SLK_RULE_SUBMISSION_SIZE:
    case SLK_RULE_EVENT_MALFORMED:
    case SLK_RULE_FIELD_MISSING:
    case SLK_RULE_FIELD_NOT_ALLOWED:
    case SLK_RULE_ISSUER_UNKNOWN:
    case SLK_RULE_SIGNATURE:
    case SLK_RULE_RIGHT_KIND:
    case SLK_RULE_TYPE_UNKNOWN:
    case SLK_RULE_RIGHT_TYPE:
    case SLK_RULE_REASON_UNKNOWN:
    case SLK_RULE_PREVIOUS:
    case SLK_RULE_NOT_ISSUED:
    case SLK_RULE_STATE:
    case SLK_RULE_NOT_OWNER:
    case SLK_RULE_EXPIRED:
    case SLK_RULE_VALIDITY_PAST:
    case SLK_RULE_VALIDITY_NOT_LONGER:
    case SLK_RULE_SAME_DEVICE:
    case SLK_RULE_STATUS_INDEX_RANGE:
    case SLK_RULE_STATUS_INDEX_USED:
        return true;
    }
    abort();
}

bool slk_pool_is_over(
    const struct slk_submission *submission, const struct slk_verdict *verdict, uint64_t tip_ms)
{
    if (verdict->rule == SLK_RULE_SEQUENCE && verdict->rule_event < submission->events_n)
        return verdict->head_sequence > submission->events[verdict->rule_event].sequence;
    if (verdict->rule == SLK_RULE_ISSUER_TIME)
        return submission->issuer != NULL && tip_ms / 1000 > submission->issuer->not_after_s;
    return is_final(verdict->rule);
}

void slk_pool_drop(struct slk_pool *pool, const uint64_t *tickets, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct entry *e = find_ticket(pool, tickets[i]);

        if (e != NULL)
            e->is_gone = true;
    }
    sweep(pool, NULL, NULL);
}

/* ---- going out: what a committed block made impossible ---- */

static struct head *find_head(struct slk_pool *pool, const uint8_t *credential, uint32_t **slot)
{
    size_t at = slk_get_u64(credential + 8) & (HEADS - 1);

    for (; pool->head_slots[at] != 0; at = (at + 1) & (HEADS - 1)) {
        struct head *head = &pool->heads[pool->head_slots[at] - 1];

        if (memcmp(head->credential, credential, SLK_HANDLE_SIZE) == 0)
            return head;
    }
    *slot = &pool->head_slots[at];
    return NULL;
}

static void put_head(struct slk_pool *pool, const struct slk_event *event, const struct slk_hash *id)
{
    uint32_t *slot = NULL;
    struct head *head = find_head(pool, event->credential, &slot);

    if (head == NULL) {
        assert(pool->heads_n < SLK_BLOCK_EVENTS_MAX);
        head = &pool->heads[pool->heads_n++];
        *slot = (uint32_t)pool->heads_n;
        memcpy(head->credential, event->credential, SLK_HANDLE_SIZE);
    }
    head->count = event->sequence + 1;
    head->last = *id;
}

/* The same events are in the ledger, whoever signed them there. */
static void mark_included(struct slk_pool *pool, size_t ids_n)
{
    uint8_t statement[SLK_SUBMIT_STATEMENT_SIZE];
    struct slk_hash id;

    slk_submission_statement(statement, &pool->chain_id, pool->ids, ids_n);
    slk_hash_bytes(&id, statement, sizeof(statement));
    for (uint32_t at = *slot_of(pool, &id); at != 0; at = pool->entries[at - 1].chain) {
        struct entry *e = &pool->entries[at - 1];

        if (slk_hash_equal(&e->id, &id)) {
            e->is_gone = true;
            e->rule = SLK_RULE_OK;
        }
    }
}

static void read_block(struct slk_pool *pool, struct slk_span entries)
{
    struct slk_reader r = {.rest = entries};
    size_t ids_n = 0;

    while (r.rest.size > 0) {
        struct slk_span bytes = slk_read_span(&r, slk_read_u16(&r));
        struct slk_entry entry;
        struct slk_event event;
        enum slk_err err = slk_entry_parse(&entry, bytes);

        assert(!r.bad && err == SLK_OK); /* a block that was checked and committed */
        if (entry.type == SLK_ENTRY_AUTHORIZATION) {
            mark_included(pool, ids_n);
            ids_n = 0;
        } else if (entry.type == SLK_ENTRY_RECORDED) {
            err = slk_event_parse(&event, entry.event);
            assert(err == SLK_OK && ids_n < SLK_SUBMISSION_EVENTS_MAX);
            slk_event_id(&pool->ids[ids_n], entry.event);
            put_head(pool, &event, &pool->ids[ids_n++]);
        }
    }
    assert(ids_n == 0);
}

/* OK, or why one of its events can never follow what the block left. Its bytes were parsed when it came. */
static enum slk_rule judge(struct slk_pool *pool, const struct entry *e)
{
    struct slk_reader r = {.rest = slk_span_of(pool->bytes + e->offset + HEAD, e->size - HEAD)};
    const size_t credential_at = 2; /* field 1 of an Event: tag, length, 32 bytes */
    uint32_t *slot;

    while (r.rest.size > 0) {
        uint8_t tag = slk_read_u8(&r);
        struct slk_span bytes = slk_read_delimited(&r);
        const struct head *head;
        struct slk_event event;
        enum slk_err err;

        assert(!r.bad && tag == (3 << 3 | SLK_WIRE_BYTES) && bytes.size > credential_at + SLK_HANDLE_SIZE);
        head = find_head(pool, bytes.at + credential_at, &slot);
        if (head == NULL)
            continue;
        err = slk_event_parse(&event, bytes);
        assert(err == SLK_OK && memcmp(event.credential, head->credential, SLK_HANDLE_SIZE) == 0);
        if (event.sequence < head->count)
            return SLK_RULE_SEQUENCE;
        if (event.sequence == head->count && !slk_hash_equal(&event.previous, &head->last))
            return SLK_RULE_PREVIOUS;
    }
    return SLK_RULE_OK;
}

void slk_pool_commit(
    struct slk_pool *pool, uint64_t height, struct slk_span entries, slk_pool_gone_fn *gone, void *ctx)
{
    assert(height == pool->height + 1);
    pool->height = height;
    memset(pool->head_slots, 0, sizeof(pool->head_slots));
    pool->heads_n = 0;
    read_block(pool, entries);
    for (size_t i = 0; i < pool->entries_n; i++) {
        struct entry *e = &pool->entries[i];

        e->is_passed_over = false;
        if (e->is_gone || pool->heads_n == 0)
            continue;
        e->rule = judge(pool, e);
        e->is_gone = e->rule != SLK_RULE_OK;
    }
    sweep(pool, gone, ctx);
}

void slk_pool_recharter(
    struct slk_pool *pool, const struct slk_charter *charter, slk_pool_gone_fn *gone, void *ctx)
{
    for (size_t i = 0; i < pool->entries_n; i++) {
        struct entry *e = &pool->entries[i];
        const struct slk_issuer *issuer = slk_charter_issuer(charter, e->key_id);
        unsigned slot = issuer == NULL ? NONE : agency_slot(pool, issuer->agency);

        if (slot == NONE) {
            e->is_gone = true;
            e->rule = SLK_RULE_ISSUER_UNKNOWN;
        } else if (slot != e->slot) {
            pool->agencies[e->slot].used[e->class] -= charge(e);
            pool->agencies[slot].used[e->class] +=
                charge(e); /* above its quota, perhaps: then nothing more is let in */
            e->slot = (uint8_t)slot;
        }
    }
    relink(pool, gone, ctx);
}

/* ---- looking ---- */

void slk_pool_look(const struct slk_pool *pool, struct slk_pool_state *out)
{
    *out = (struct slk_pool_state){.count = pool->count, .urgent = pool->locks_n > 0};
    for (unsigned i = 0; i < SLK_POOL_BUCKETS; i++)
        out->xor ^= pool->buckets[i];
}

void slk_pool_buckets(const struct slk_pool *pool, uint64_t out[SLK_POOL_BUCKETS])
{
    memcpy(out, pool->buckets, sizeof(pool->buckets));
}

size_t slk_pool_list(
    const struct slk_pool *pool, uint8_t bucket, uint64_t from, struct slk_pool_item *items, size_t max)
{
    size_t n = 0;

    for (size_t i = place_of_ticket(pool, from); i < pool->entries_n && n < max; i++) {
        const struct entry *e = &pool->entries[i];

        if (e->is_counted && e->id.b[0] == bucket)
            item_of(pool, e, &items[n++]);
    }
    return n;
}

size_t slk_pool_used(const struct slk_pool *pool, uint16_t agency, enum slk_class class)
{
    for (unsigned i = 0; i < pool->agencies_max; i++)
        if (pool->agencies[i].agency == agency)
            return pool->agencies[i].used[class - 1];
    return 0;
}

void slk_pool_measure(const struct slk_pool *pool, uint64_t *bytes, uint64_t *oldest)
{
    *bytes = *oldest = 0;
    for (unsigned i = 0; i < pool->agencies_max; i++) {
        const struct agency *a = &pool->agencies[i];

        for (unsigned class = 0; a->agency != 0 && class < CLASSES; class ++) {
            uint64_t ticket = a->first[class] == NONE ? 0 : pool->entries[a->first[class]].ticket;

            *bytes += a->used[class];
            if (ticket != 0 && (*oldest == 0 || ticket < *oldest))
                *oldest = ticket;
        }
    }
}
