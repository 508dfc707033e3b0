/* The submission pool and its receipts. The submissions are made by hand: what the pool reads of one is what slk_submission_admit
 * leaves, and no signature is looked at here. The model is a list that is walked for everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "ledger/core/pool.h"
#include "tests/unit/sample.h"

#define EVENTS_MAX 200
#define MADE_MAX   6000

static const struct slk_hash chain = {{7, 7, 7}};

/* A submission and all that belongs to it. */
struct made {
    struct slk_submission s;
    struct slk_issuer issuer;
    struct slk_event events[EVENTS_MAX];
    struct slk_hash ids[EVENTS_MAX];
    struct slk_span spans[EVENTS_MAX];
    uint8_t event_bytes[EVENTS_MAX][SLK_EVENT_MAX];
    uint8_t *bytes;
    size_t size;
    /* the model's part */
    uint64_t ticket;
    bool is_here, is_stored;
};

static uint64_t dice;

static struct made *begin(uint16_t agency)
{
    struct made *m = calloc(1, sizeof(*m));

    assert_non_null(m);
    m->issuer.agency = agency;
    m->s.issuer = &m->issuer;
    m->s.events = m->events;
    m->s.event_ids = m->ids;
    m->s.event_bytes = m->spans;
    m->s.rule = SLK_RULE_OK;
    m->s.rule_event = SIZE_MAX;
    memset(m->s.key_id, (int)agency, SLK_KEY_ID_SIZE);
    return m;
}

static void add(struct made *m, enum slk_kind kind, unsigned credential, uint64_t sequence,
    const struct slk_hash *previous)
{
    size_t i = m->s.events_n++;
    struct slk_event *e = &m->events[i];

    assert_true(i < EVENTS_MAX);
    *e = sample_event(kind, credential, (unsigned)i);
    e->sequence = sequence;
    e->has_previous = sequence > 0;
    if (sequence > 0)
        e->previous = *previous;
    e->occurred_at_s += sample_below(&dice, 1000000); /* so that no two are alike */
    m->spans[i] = slk_span_of(m->event_bytes[i], slk_event_format(m->event_bytes[i], SLK_EVENT_MAX, e));
    assert_true(m->spans[i].size > 0);
    slk_event_id(&m->ids[i], m->spans[i]);
}

static struct made *end(struct made *m)
{
    uint8_t statement[SLK_SUBMIT_STATEMENT_SIZE];
    size_t cap = m->s.events_n * (SLK_EVENT_MAX + 3) + 128;

    slk_submission_statement(statement, &chain, m->ids, m->s.events_n);
    slk_hash_bytes(&m->s.id, statement, sizeof(statement));
    m->bytes = malloc(cap);
    assert_non_null(m->bytes);
    m->size = slk_submission_format(m->bytes, cap, &m->s);
    assert_true(m->size > 0);
    return m;
}

/* `n` events about credentials of their own. */
static struct made *make(uint16_t agency, enum slk_kind kind, size_t n)
{
    struct made *m = begin(agency);
    static unsigned credential;

    for (size_t i = 0; i < n; i++)
        add(m, kind, ++credential, kind == SLK_ISSUE ? 0 : 3, &chain);
    return end(m);
}

static void unmake(struct made *m)
{
    free(m->bytes);
    free(m);
}

static enum slk_class class_of(const struct made *m)
{
    size_t share = 98;

    for (size_t i = 0; i < m->s.events_n; i++) {
        share += m->spans[i].size + 26;
        if (m->events[i].kind != SLK_LOCK)
            return SLK_CLASS_NORMAL;
    }
    return share <= 16384 ? SLK_CLASS_LOCK : SLK_CLASS_NORMAL;
}

static struct slk_pool *new_pool(unsigned agencies, size_t lock_quota, size_t normal_quota)
{
    struct slk_pool_options options = {.chain_id = chain,
        .agency = 77,
        .height = 10,
        .agencies = agencies,
        .lock_quota = lock_quota,
        .normal_quota = normal_quota};
    struct slk_pool *pool;

    assert_int_equal(slk_pool_new(&pool, &options), SLK_OK);
    return pool;
}

static enum slk_pool_answer offer(struct slk_pool *pool, struct made *m)
{
    return slk_pool_offer(pool, &m->s, slk_span_of(m->bytes, m->size), &m->ticket);
}

static void put(struct slk_pool *pool, struct made *m)
{
    struct slk_receipt receipt;

    assert_int_equal(offer(pool, m), SLK_POOL_ADMIT);
    assert_true(slk_pool_stored(pool, m->ticket, &receipt));
}

/* A block's entries in bundle form, as far as the pool and the judge of promises read them. */
struct bundle {
    uint8_t bytes[1 << 20];
    size_t size;
};

static void put_entry(struct bundle *b, const uint8_t *entry, size_t size)
{
    assert_true(size > 0 && b->size + size + 2 <= sizeof(b->bytes));
    b->bytes[b->size] = (uint8_t)(size >> 8);
    b->bytes[b->size + 1] = (uint8_t)size;
    memcpy(b->bytes + b->size + 2, entry, size);
    b->size += size + 2;
}

static void put_made(struct bundle *b, const struct made *m)
{
    struct slk_authorization authorization = {.count = (uint32_t)m->s.events_n};
    uint8_t entry[SLK_RECORDED_MAX];

    for (size_t i = 0; i < m->s.events_n; i++)
        put_entry(
            b, entry, slk_entry_format_recorded(entry, sizeof(entry), SAMPLE_START_S * 1000, m->spans[i]));
    memcpy(authorization.key_id, m->s.key_id, SLK_KEY_ID_SIZE);
    put_entry(b, entry, slk_entry_format_authorization(entry, sizeof(entry), &authorization));
}

/* ---- random operations against the model ---- */

struct model {
    struct slk_pool *pool;
    struct made *all[MADE_MAX];
    size_t n;
    uint64_t height;
    size_t quota[3];
    const struct made *block[64]; /* of the commit being told */
    size_t block_n;
    uint64_t last_gone;
    size_t gone_n;
};

static size_t charge(const struct made *m)
{
    return m->size < 256 ? 256 : m->size;
}

static size_t used(const struct model *model, uint16_t agency, enum slk_class class)
{
    size_t sum = 0;

    for (size_t i = 0; i < model->n; i++)
        if (model->all[i]->is_here && model->all[i]->issuer.agency == agency &&
            class_of(model->all[i]) == class)
            sum += charge(model->all[i]);
    return sum;
}

static void model_offer(struct model *model, struct made *m)
{
    enum slk_class class = class_of(m);
    enum slk_pool_answer expected = SLK_POOL_ADMIT;

    if (m->is_here)
        expected = m->is_stored ? SLK_POOL_HELD : SLK_POOL_PENDING;
    else if (used(model, m->issuer.agency, class) + charge(m) > model->quota[class])
        expected = SLK_POOL_FULL;
    assert_int_equal(offer(model->pool, m), expected);
    m->is_here |= expected == SLK_POOL_ADMIT;
}

static void model_stored(struct model *model, struct made *m)
{
    struct slk_receipt receipt;

    if (m->is_here && m->is_stored) {
        assert_true(slk_pool_receipt(model->pool, m->ticket, &receipt));
        return;
    }
    assert_false(slk_pool_receipt(model->pool, m->ticket, &receipt));
    assert_int_equal(slk_pool_stored(model->pool, m->ticket, &receipt), m->is_here);
    if (!m->is_here)
        return;
    m->is_stored = true;
    assert_int_equal(receipt.tip_height, model->height);
    assert_int_equal(receipt.agency, 77);
    assert_int_equal(receipt.class, class_of(m));
    assert_true(slk_hash_equal(&receipt.submission_id, &m->s.id));
}

/* What the block does to one that waits. */
static enum slk_rule fate(const struct model *model, const struct made *m, bool *is_gone)
{
    *is_gone = true;
    for (size_t b = 0; b < model->block_n; b++)
        if (slk_hash_equal(&model->block[b]->s.id, &m->s.id))
            return SLK_RULE_OK;
    for (size_t i = 0; i < m->s.events_n; i++) {
        const struct slk_event *last = NULL;
        const struct slk_hash *id = NULL;

        for (size_t b = 0; b < model->block_n; b++)
            for (size_t k = 0; k < model->block[b]->s.events_n; k++)
                if (memcmp(model->block[b]->events[k].credential, m->events[i].credential, 32) == 0) {
                    last = &model->block[b]->events[k];
                    id = &model->block[b]->ids[k];
                }
        if (last != NULL && m->events[i].sequence <= last->sequence)
            return SLK_RULE_SEQUENCE;
        if (last != NULL && m->events[i].sequence == last->sequence + 1 &&
            !slk_hash_equal(&m->events[i].previous, id))
            return SLK_RULE_PREVIOUS;
    }
    *is_gone = false;
    return SLK_RULE_OK;
}

static void on_gone(void *ctx, const struct slk_pool_item *item, enum slk_rule rule)
{
    struct model *model = ctx;
    bool is_gone;

    assert_true(item->ticket > model->last_gone); /* in the order of arrival */
    model->last_gone = item->ticket;
    model->gone_n++;
    for (size_t i = 0; i < model->n; i++) {
        struct made *m = model->all[i];

        if (!m->is_here || m->ticket != item->ticket)
            continue;
        assert_int_equal(rule, fate(model, m, &is_gone));
        assert_true(is_gone);
        assert_true(item->bytes.size == m->size && memcmp(item->bytes.at, m->bytes, m->size) == 0);
        m->is_here = m->is_stored = false;
        return;
    }
    fail_msg("something left that was not here");
}

static void model_commit(struct model *model)
{
    static struct bundle bundle;
    bool is_gone;

    bundle.size = 0;
    model->block_n = sample_below(&dice, 8);
    for (size_t b = 0; b < model->block_n; b++) {
        model->block[b] = model->all[sample_below(&dice, model->n)];
        put_made(&bundle, model->block[b]);
    }
    model->last_gone = 0;
    slk_pool_commit(model->pool, ++model->height, slk_span_of(bundle.bytes, bundle.size), on_gone, model);
    for (size_t i = 0; i < model->n; i++)
        if (model->all[i]->is_here) {
            (void)fate(model, model->all[i], &is_gone);
            assert_false(is_gone); /* else it was told */
        }
}

static void compare(const struct model *model)
{
    struct slk_pool_state state;
    struct slk_pool_item item;
    uint64_t count = 0, xor = 0, buckets[SLK_POOL_BUCKETS] = {0}, is[SLK_POOL_BUCKETS];
    uint64_t charged = 0, first = 0, bytes, oldest;
    bool urgent = false;

    for (size_t i = 0; i < model->n; i++) {
        const struct made *m = model->all[i];
        bool found = slk_pool_find(model->pool, &m->s.id, m->s.key_id, &item);

        assert_int_equal(found, m->is_here);
        if (!found)
            continue;
        assert_int_equal(item.ticket, m->ticket);
        first = first == 0 || m->ticket < first ? m->ticket : first;
        charged += charge(m);
        assert_int_equal(item.is_stored, m->is_stored);
        assert_int_equal(item.class, class_of(m));
        assert_int_equal(item.events_n, m->s.events_n);
        assert_true(item.bytes.size == m->size && memcmp(item.bytes.at, m->bytes, m->size) == 0);
        assert_true(slk_pool_get(model->pool, m->ticket, &item));
        if (!m->is_stored)
            continue;
        count++;
        xor ^= slk_get_u64(m->s.id.b) ^ slk_get_u64(m->s.key_id);
        buckets[m->s.id.b[0]] ^= slk_get_u64(m->s.id.b) ^ slk_get_u64(m->s.key_id);
        urgent |= class_of(m) == SLK_CLASS_LOCK;
    }
    slk_pool_look(model->pool, &state);
    assert_int_equal(state.count, count);
    assert_int_equal(state.xor, xor);
    assert_int_equal(state.urgent, urgent);
    slk_pool_measure(model->pool, &bytes, &oldest);
    assert_int_equal(bytes, charged);
    assert_int_equal(oldest, first);
    slk_pool_buckets(model->pool, is);
    assert_memory_equal(is, buckets, sizeof(is));
    for (uint16_t agency = 1; agency <= 5; agency++)
        for (enum slk_class class = SLK_CLASS_LOCK; class <= SLK_CLASS_NORMAL; class ++) {
            assert_int_equal(slk_pool_used(model->pool, agency, class), used(model, agency, class));
            assert_true(slk_pool_used(model->pool, agency, class) <= model->quota[class]);
        }
}

/* A life of eight credentials in which everybody tries to be next. */
static struct made *likely(struct model *model)
{
    struct made *m = begin((uint16_t)(1 + sample_below(&dice, 5))), *twin;
    static uint64_t key;

    if (model->n > 0 &&
        sample_below(&dice, 10) == 0) { /* the same events, another issuer's name under them */
        twin = model->all[sample_below(&dice, model->n)];
        for (size_t i = 0; i < twin->s.events_n; i++) {
            m->events[i] = twin->events[i];
            m->ids[i] = twin->ids[i];
            memcpy(m->event_bytes[i], twin->event_bytes[i], SLK_EVENT_MAX);
            m->spans[i] = slk_span_of(m->event_bytes[i], twin->spans[i].size);
        }
        m->s.events_n = twin->s.events_n;
        slk_put_u64(m->s.key_id, ++key);
        return end(m);
    }
    for (size_t i = 0, n = 1 + sample_below(&dice, 5); i < n; i++) {
        struct slk_hash previous = {{(uint8_t)sample_below(&dice, 2)}};
        const struct made *before = model->n > 0 ? model->all[sample_below(&dice, model->n)] : NULL;

        if (before != NULL && sample_below(&dice, 2) == 0)
            previous = before->ids[0];
        add(m, sample_below(&dice, 2) == 0 ? SLK_LOCK : SLK_UNLOCK, (unsigned)sample_below(&dice, 8),
            1 + sample_below(&dice, 4), &previous);
    }
    return end(m);
}

static void what_it_does_is_what_a_list_would_do(void **state)
{
    static struct model model;

    (void)state;
    for (unsigned seed = 1; seed <= 6; seed++) {
        dice = seed;
        memset(&model, 0, sizeof(model));
        model.height = 10;
        model.quota[SLK_CLASS_LOCK] = 4000;
        model.quota[SLK_CLASS_NORMAL] = 9000;
        model.pool = new_pool(5, 4000, 9000);
        for (unsigned step = 0; step < 3000; step++) {
            uint64_t what = sample_below(&dice, 100);
            struct made *m = model.n > 0 ? model.all[sample_below(&dice, model.n)] : NULL;

            if (m == NULL || (what < 10 && model.n < 400))
                m = model.all[model.n++] = likely(&model);
            if (what < 55)
                model_offer(&model, m);
            else if (what < 85)
                model_stored(&model, m);
            else if (what < 88)
                slk_pool_pass_over(model.pool, m->ticket);
            else if (what < 92) {
                slk_pool_drop(model.pool, &m->ticket, 1);
                m->is_here = m->is_stored = false;
            } else if (what < 97)
                model_commit(&model);
            if (step % 10 == 0)
                compare(&model);
        }
        assert_true(model.gone_n > 50);
        compare(&model);
        slk_pool_free(model.pool);
        for (size_t i = 0; i < model.n; i++)
            unmake(model.all[i]);
    }
}

/* ---- coming in ---- */

static void nothing_counts_before_it_is_stored(void **state)
{
    struct slk_pool *pool = new_pool(4, 0, 0);
    struct made *m = make(1, SLK_LOCK, 1);
    struct slk_pool_extent room = {1000, 100000};
    struct slk_pool_item items[8];
    struct slk_pool_state look;
    struct slk_receipt receipt;
    uint64_t buckets[SLK_POOL_BUCKETS];

    (void)state;
    assert_int_equal(offer(pool, m), SLK_POOL_ADMIT);
    assert_int_equal(offer(pool, m), SLK_POOL_PENDING);
    slk_pool_look(pool, &look);
    assert_true(look.count == 0 && look.xor == 0 && !look.urgent);
    assert_int_equal(slk_pool_select(pool, room, room, items, 0, 8), 0);
    assert_int_equal(slk_pool_list(pool, m->s.id.b[0], 0, items, 8), 0);
    assert_false(slk_pool_holds(pool, &m->s.id));
    assert_false(slk_pool_receipt(pool, m->ticket, &receipt));

    assert_true(slk_pool_stored(pool, m->ticket, &receipt));
    assert_int_equal(offer(pool, m), SLK_POOL_HELD);
    slk_pool_look(pool, &look);
    assert_true(look.count == 1 && look.xor != 0 && look.urgent);
    slk_pool_buckets(pool, buckets);
    assert_int_equal(buckets[m->s.id.b[0]], look.xor);
    assert_int_equal(slk_pool_select(pool, room, room, items, 0, 8), 1);
    assert_int_equal(slk_pool_list(pool, m->s.id.b[0], 0, items, 8), 1);
    assert_int_equal(slk_pool_list(pool, m->s.id.b[0], m->ticket + 1, items, 8), 0);
    assert_true(slk_pool_holds(pool, &m->s.id));
    unmake(m);
    slk_pool_free(pool);
}

static clock_t time_of_lists(const struct slk_pool *pool, uint64_t from)
{
    struct slk_pool_item items[8];
    clock_t begun = clock();

    for (unsigned i = 0; i < 2000; i++)
        (void)slk_pool_list(pool, (uint8_t)i, from, items, 8);
    return clock() - begun;
}

static void the_rest_of_a_list_costs_no_look_at_what_came_before(void **state)
{
    enum { MANY = 2000 };
    struct slk_pool *pool = new_pool(4, 0, 0);
    clock_t all;
    uint64_t last = 0;

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        struct made *m = make(1, SLK_ISSUE, 1);

        assert_int_equal(offer(pool, m), SLK_POOL_ADMIT);
        assert_true(slk_pool_counted(pool, m->ticket));
        last = m->ticket;
        unmake(m);
    }
    all = time_of_lists(pool, 0);
    assert_true(time_of_lists(pool, last) < all / 4 + 1);
    slk_pool_free(pool);
}

static void what_counts_and_is_not_stored_is_selected_and_not_promised(void **state)
{
    struct slk_pool *pool = new_pool(4, 0, 0);
    struct made *m = make(1, SLK_LOCK, 1);
    struct slk_pool_extent room = {1000, 100000};
    struct slk_pool_item items[8];
    struct slk_pool_state look, again;
    struct slk_receipt receipt;

    (void)state;
    assert_false(slk_pool_counted(pool, 1));
    assert_int_equal(offer(pool, m), SLK_POOL_ADMIT);
    assert_true(slk_pool_counted(pool, m->ticket));
    assert_true(slk_pool_counted(pool, m->ticket)); /* once is enough */
    slk_pool_look(pool, &look);
    assert_true(look.count == 1 && look.xor != 0 && look.urgent);
    assert_int_equal(slk_pool_select(pool, room, room, items, 0, 8), 1);
    assert_int_equal(slk_pool_list(pool, m->s.id.b[0], 0, items, 8), 1);
    assert_true(items[0].is_counted && !items[0].is_stored);
    assert_false(slk_pool_receipt(pool, m->ticket, &receipt));
    assert_int_equal(offer(pool, m), SLK_POOL_PENDING);

    assert_true(slk_pool_stored(pool, m->ticket, &receipt));
    assert_memory_equal(receipt.submission_id.b, m->s.id.b, SLK_HASH_SIZE);
    slk_pool_look(pool, &again);
    assert_true(again.count == 1 && again.xor == look.xor);
    assert_true(slk_pool_receipt(pool, m->ticket, &receipt));
    slk_pool_drop(pool, &m->ticket, 1);
    slk_pool_look(pool, &look);
    assert_true(look.count == 0 && look.xor == 0 && !look.urgent);
    unmake(m);
    slk_pool_free(pool);
}

static void what_went_away_while_it_was_stored_is_not_promised(void **state)
{
    static struct bundle bundle;
    struct slk_pool *pool = new_pool(4, 0, 0);
    struct made *m = make(1, SLK_LOCK, 1);
    struct slk_receipt receipt;

    (void)state;
    bundle.size = 0;
    put_made(&bundle, m);
    assert_int_equal(offer(pool, m), SLK_POOL_ADMIT);
    slk_pool_commit(pool, 11, slk_span_of(bundle.bytes, bundle.size), NULL, NULL);
    assert_false(slk_pool_stored(pool, m->ticket, &receipt));
    unmake(m);
    slk_pool_free(pool);
}

static void what_is_refused_does_not_come_in(void **state)
{
    struct slk_pool *pool = new_pool(4, 0, 0);
    struct made *m = make(1, SLK_LOCK, 1);

    (void)state;
    m->s.rule = SLK_RULE_SIGNATURE;
    assert_int_equal(offer(pool, m), SLK_POOL_REFUSED);
    m->s.rule = SLK_RULE_OK;
    assert_int_equal(slk_pool_restore(pool, &m->s, slk_span_of(m->bytes, m->size)), SLK_POOL_ADMIT);
    assert_int_equal(offer(pool, m), SLK_POOL_HELD);
    unmake(m);
    slk_pool_free(pool);
}

/* Scenario 41. */
static void who_floods_floods_itself_out(void **state)
{
    struct slk_pool *pool = new_pool(0, 0, 0);
    struct made *m;
    size_t admitted[3] = {0};
    uint16_t agency;

    (void)state;
    for (enum slk_class class = SLK_CLASS_LOCK; class <= SLK_CLASS_NORMAL; class ++) {
        for (;;) {
            enum slk_pool_answer answer;

            m = make(1, class == SLK_CLASS_LOCK ? SLK_LOCK : SLK_UNLOCK, 40);
            answer = offer(pool, m);
            admitted[class] += answer == SLK_POOL_ADMIT ? m->size : 0;
            unmake(m);
            if (answer == SLK_POOL_FULL)
                break;
            assert_int_equal(answer, SLK_POOL_ADMIT);
        }
    }
    assert_true(admitted[SLK_CLASS_LOCK] <= 256 << 10 && admitted[SLK_CLASS_LOCK] > 240 << 10);
    assert_true(admitted[SLK_CLASS_NORMAL] <= 1 << 20 && admitted[SLK_CLASS_NORMAL] > 1000 << 10);
    for (agency = 2; agency <= SLK_POOL_AGENCIES_MAX; agency++) {
        m = make(agency, SLK_LOCK, 80);
        assert_int_equal(offer(pool, m), SLK_POOL_ADMIT);
        unmake(m);
        m = make(agency, SLK_UNLOCK, 200);
        assert_int_equal(offer(pool, m), SLK_POOL_ADMIT);
        unmake(m);
    }
    m = make(agency, SLK_LOCK, 1); /* more agencies than a charter can have */
    assert_int_equal(offer(pool, m), SLK_POOL_FULL);
    unmake(m);
    slk_pool_free(pool);
}

static void a_lock_is_short_and_nothing_but_a_lock(void **state)
{
    struct made *m = begin(1);

    (void)state;
    for (unsigned i = 0; i < 190; i++) {
        add(m, SLK_LOCK, i, 1, &chain);
        assert_int_equal(slk_class_of(&m->s),
            slk_block_share(&m->s) <= SLK_LOCK_BYTES ? SLK_CLASS_LOCK : SLK_CLASS_NORMAL);
        assert_int_equal(slk_class_of(&m->s), class_of(m));
    }
    assert_int_equal(class_of(m), SLK_CLASS_NORMAL);
    m->s.events_n = 2;
    assert_int_equal(slk_class_of(&m->s), SLK_CLASS_LOCK);
    add(m, SLK_UNLOCK, 100, 1, &chain);
    assert_int_equal(slk_class_of(&m->s), SLK_CLASS_NORMAL);
    free(m);
}

/* ---- going out ---- */

static struct made *anything(unsigned agencies, size_t longest)
{
    uint64_t kind = sample_below(&dice, 3);
    size_t n = 1 + sample_below(&dice, sample_below(&dice, 4) == 0 ? longest : 3);

    return make((uint16_t)(1 + sample_below(&dice, agencies)), kind == 0 ? SLK_LOCK : SLK_UNLOCK, n);
}

static size_t bigger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* `all` wait; the selection is to be judged. `owed`: what may have gone before the locks. */
static void judge_selection(struct made *const *all, size_t n, const struct slk_pool_item *items,
    size_t items_n, struct slk_pool_extent target, struct slk_pool_extent limit)
{
    struct slk_pool_extent sum = {0, SLK_SEAL_MAX + 2}, locks = {0, 0}, largest = {0, 0};

    target.events = bigger(target.events, 64) < limit.events ? bigger(target.events, 64) : limit.events;
    target.bytes = bigger(target.bytes, 16384) < limit.bytes ? bigger(target.bytes, 16384) : limit.bytes;
    for (size_t i = 0; i < items_n; i++) {
        sum.events += items[i].events_n;
        sum.bytes += items[i].share;
        if (items[i].class == SLK_CLASS_LOCK) {
            locks.events += items[i].events_n;
            locks.bytes += items[i].share;
        } else {
            largest.events = bigger(largest.events, items[i].events_n);
            largest.bytes = bigger(largest.bytes, items[i].share);
        }
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(items[i].ticket, items[k].ticket);
    }
    assert_true(sum.events <= limit.events);
    assert_true(sum.bytes <= limit.bytes || items_n == 1);
    for (size_t k = 0; k < n; k++) {
        size_t events = all[k]->s.events_n, share = slk_block_share(&all[k]->s);
        bool is_in = false;

        for (size_t i = 0; i < items_n; i++)
            is_in |= items[i].ticket == all[k]->ticket;
        if (is_in)
            continue;
        assert_true(sum.events + events > target.events || sum.bytes + share > target.bytes);
        if (class_of(all[k]) == SLK_CLASS_LOCK)
            assert_true(locks.events + events > target.events / 2 || locks.bytes + share > target.bytes / 2 ||
                        locks.events + events + largest.events > limit.events ||
                        locks.bytes + share + largest.bytes + SLK_SEAL_MAX + 2 > limit.bytes);
    }
}

static void whatever_is_left_out_does_not_fit(void **state)
{
    static struct slk_pool_item items[20000], again[20000];
    struct made *all[300];

    (void)state;
    for (unsigned seed = 1; seed <= 150; seed++) {
        dice = seed;
        struct slk_pool *pool = new_pool(7, 0, 0), *other = new_pool(7, 0, 0);
        size_t n = sample_below(&dice, 300), longest = 1 + sample_below(&dice, EVENTS_MAX);

        for (size_t i = 0; i < n; i++) {
            all[i] = anything(1 + seed % 7, longest);
            put(other, all[i]);
            put(pool, all[i]);
        }
        for (unsigned round = 0; round < 10; round++) {
            struct slk_pool_extent target = {sample_below(&dice, 500), sample_below(&dice, 60000)};
            struct slk_pool_extent limit = {
                EVENTS_MAX + sample_below(&dice, 1000), 65536 + sample_below(&dice, 70000)};
            size_t items_n = slk_pool_select(pool, target, limit, items, 0, 20000);

            judge_selection(all, n, items, items_n, target, limit);
            assert_int_equal(slk_pool_select(other, target, limit, again, 0, 20000), items_n);
            for (size_t i = 0; i < items_n; i++) /* the same calls, the same answers */
                assert_int_equal(items[i].ticket, again[i].ticket);
        }
        for (size_t i = 0; i < n; i++)
            unmake(all[i]);
        slk_pool_free(pool);
        slk_pool_free(other);
    }
}

/* A builder accepts some and refuses some, again and again: what it accepted stays where it was, and in the end whatever is
 * left out was refused or does not fit. */
static void what_the_builder_accepted_stays_first(void **state)
{
    static struct slk_pool_item items[20000], before[20000];
    struct made *all[300];

    (void)state;
    for (unsigned seed = 1; seed <= 150; seed++) {
        dice = seed;
        struct slk_pool *pool = new_pool(7, 0, 0);
        struct slk_pool_extent target = {sample_below(&dice, 500), sample_below(&dice, 60000)};
        struct slk_pool_extent limit = {
            EVENTS_MAX + sample_below(&dice, 1000), 65536 + sample_below(&dice, 70000)};
        size_t n = sample_below(&dice, 300), open_n = 0, kept_n = 0, items_n;
        bool any = true;

        for (size_t i = 0; i < n; i++) {
            all[i] = anything(7, 60);
            put(pool, all[i]);
        }
        while (any) {
            items_n = slk_pool_select(pool, target, limit, items, kept_n, 20000);
            assert_true(items_n >= kept_n);
            assert_memory_equal(items, before, kept_n * sizeof(items[0]));
            any = false;
            kept_n = 0;
            for (size_t i = 0; i < items_n; i++) {
                if (items[i].ticket % 3 == 0) {
                    slk_pool_pass_over(pool, items[i].ticket);
                    any = true;
                } else {
                    before[kept_n] = items[i];
                    items[kept_n++] = items[i];
                }
            }
        }
        for (size_t i = 0; i < n; i++)
            if (all[i]->ticket % 3 != 0)
                all[open_n++] = all[i];
            else
                unmake(all[i]);
        judge_selection(all, open_n, items, kept_n, target, limit);
        for (size_t i = 0; i < open_n; i++)
            unmake(all[i]);
        slk_pool_free(pool);
    }
}

/* Everybody sends without end; one agency sends one. It is selected within 2 * agencies calls, whatever its size. */
static void nobody_inside_its_quota_starves(void **state)
{
    enum { AGENCIES = 6 };
    static struct slk_pool_item items[20000];

    (void)state;
    for (unsigned seed = 1; seed <= 60; seed++) {
        dice = seed;
        struct slk_pool *pool = new_pool(AGENCIES, 0, 0);
        struct slk_pool_extent target = {sample_below(&dice, 100), 1000},
                               limit = {EVENTS_MAX + sample_below(&dice, 60), 65536};
        enum slk_kind kind = seed % 2 == 0 ? SLK_LOCK : SLK_UNLOCK;
        struct made *victim =
            make(AGENCIES, kind, 1 + sample_below(&dice, kind == SLK_LOCK ? 80 : EVENTS_MAX));
        bool is_in = false;

        for (unsigned call = 0; !is_in; call++) {
            size_t n;

            for (unsigned k = 0; k < 25; k++) {
                struct made *m = anything(AGENCIES - 1, seed % 3 == 0 ? EVENTS_MAX : 60);
                struct slk_receipt receipt;

                if (offer(pool, m) == SLK_POOL_ADMIT)
                    assert_true(slk_pool_stored(pool, m->ticket, &receipt));
                unmake(m);
            }
            if (call == 5)
                put(pool, victim);
            n = slk_pool_select(pool, target, limit, items, 0, 20000);
            for (size_t i = 0; i < n; i++)
                is_in |= items[i].ticket == victim->ticket;
            assert_true(call <= 5 + 2 * AGENCIES);
            for (size_t i = 0; i < n; i++)
                slk_pool_drop(pool, &items[i].ticket, 1);
        }
        unmake(victim);
        slk_pool_free(pool);
    }
}

/* Who sends in small pieces gets as much as who sends in large ones. */
static void agencies_share_a_block_evenly(void **state)
{
    static struct slk_pool_item items[20000];
    struct slk_pool *pool = new_pool(4, 0, 0);
    struct slk_pool_extent room = {16384, 200000};
    size_t n, bytes[4] = {0};

    (void)state;
    dice = 1;
    for (uint16_t agency = 1; agency <= 3; agency++) {
        static const size_t pieces[] = {0, 1, 20, 90};

        for (size_t k = 0; k < 900 / pieces[agency]; k++) {
            struct made *m = make(agency, SLK_UNLOCK, pieces[agency]);

            put(pool, m);
            unmake(m);
        }
    }
    n = slk_pool_select(pool, room, room, items, 0, 20000);
    for (size_t i = 0; i < n; i++)
        bytes[items[i].key_id[0]] += items[i].share;
    for (unsigned a = 1; a <= 3; a++) {
        assert_true(bytes[a] > 200000 / 3 - 2 * 20000);
        assert_true(bytes[a] < 200000 / 3 + 2 * 20000);
    }
    slk_pool_free(pool);
}

static void what_was_passed_over_waits_for_the_next_commit(void **state)
{
    struct slk_pool *pool = new_pool(4, 0, 0);
    struct made *a = make(1, SLK_LOCK, 1), *b = make(1, SLK_LOCK, 1);
    struct slk_pool_extent room = {1000, 100000};
    struct slk_pool_item items[8];

    (void)state;
    put(pool, a);
    put(pool, b);
    slk_pool_pass_over(pool, a->ticket);
    assert_int_equal(slk_pool_select(pool, room, room, items, 0, 8), 1);
    assert_int_equal(items[0].ticket, b->ticket);
    slk_pool_commit(pool, 11, slk_span_of(NULL, 0), NULL, NULL);
    assert_int_equal(slk_pool_select(pool, room, room, items, 0, 8), 2);
    unmake(a);
    unmake(b);
    slk_pool_free(pool);
}

static void another_charter_sends_away_whom_it_does_not_know(void **state)
{
    struct slk_charter *charter = sample_charter();
    struct slk_pool *pool = new_pool(4, 0, 0);
    const struct slk_issuer *police = sample_issuer(charter, POLICE);
    struct made *known = make(2, SLK_LOCK, 1), *unknown = make(1, SLK_LOCK, 1);
    struct slk_pool_item item;

    (void)state;
    memcpy(known->s.key_id, police->key_id,
        SLK_KEY_ID_SIZE); /* was agency 2's, is agency 3's in the new charter */
    put(pool, known);
    put(pool, unknown);
    slk_pool_recharter(pool, charter, NULL, NULL);
    assert_true(slk_pool_get(pool, known->ticket, &item));
    assert_false(slk_pool_get(pool, unknown->ticket, &item));
    assert_int_equal(slk_pool_used(pool, 2, SLK_CLASS_LOCK), 0);
    assert_int_equal(slk_pool_used(pool, 1, SLK_CLASS_LOCK), 0);
    assert_int_equal(slk_pool_used(pool, 3, SLK_CLASS_LOCK), charge(known));
    unmake(known);
    unmake(unknown);
    slk_pool_free(pool);
    free(charter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_does_is_what_a_list_would_do),
        cmocka_unit_test(nothing_counts_before_it_is_stored),
        cmocka_unit_test(the_rest_of_a_list_costs_no_look_at_what_came_before),
        cmocka_unit_test(what_counts_and_is_not_stored_is_selected_and_not_promised),
        cmocka_unit_test(what_went_away_while_it_was_stored_is_not_promised),
        cmocka_unit_test(what_is_refused_does_not_come_in),
        cmocka_unit_test(who_floods_floods_itself_out),
        cmocka_unit_test(a_lock_is_short_and_nothing_but_a_lock),
        cmocka_unit_test(whatever_is_left_out_does_not_fit),
        cmocka_unit_test(what_the_builder_accepted_stays_first),
        cmocka_unit_test(nobody_inside_its_quota_starves),
        cmocka_unit_test(agencies_share_a_block_evenly),
        cmocka_unit_test(what_was_passed_over_waits_for_the_next_commit),
        cmocka_unit_test(another_charter_sends_away_whom_it_does_not_know),
    };

    dice = 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
