/* test_model.c: random streams through the real ledger and the naive one: verdicts, map root, log root, block by block.
 *
 * A second machine takes every block apart again (slk_block_check) and must arrive where the first one is. A failure
 * prints the seed; SLK_SEED=<n> runs that stream alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger/core/block.h"
#include "tests/unit/naive.h"
#include "tests/unit/sample.h"

#define STREAMS         24
#define BLOCKS          40
#define CREDENTIALS     40
#define SUBMISSIONS_MAX 10
#define EVENTS_MAX      14
#define ENTRIES_MAX     16384

/* ---- a node without a disk ---- */

struct node {
    struct slk_machine machine;
    struct slk_block block;
    struct slk_block_source source;
    size_t entries_n, rows_n;
    struct slk_span entries[ENTRIES_MAX]; /* copies */
    struct slk_row rows[ENTRIES_MAX];
};

static bool read_row(void *ctx, uint64_t row, struct slk_row *out)
{
    const struct node *node = ctx;

    if (row >= node->rows_n)
        return false;
    *out = node->rows[row];
    return true;
}

static bool read_entry(void *ctx, uint64_t log_index, struct slk_span *out)
{
    const struct node *node = ctx;

    if (log_index >= node->entries_n)
        return false;
    *out = node->entries[log_index];
    return true;
}

static void *copy_of(const void *at, size_t size)
{
    void *copy = malloc(size);

    assert_non_null(copy);
    memcpy(copy, at, size);
    return copy;
}

/* Stores the node's block: what ledger/store does on disk. */
static void keep(struct node *node)
{
    const struct slk_block *block = &node->block;

    assert_int_equal(block->first_index, node->entries_n);
    assert_int_equal(block->first_row, node->rows_n);
    for (size_t i = 0; i < block->entries_n; i++) {
        const uint8_t *at = block->entries + block->offsets[i];
        size_t size = (size_t)at[0] << 8 | at[1];

        assert_true(node->entries_n < ENTRIES_MAX);
        node->entries[node->entries_n++] = slk_span_of(copy_of(at + 2, size), size);
    }
    for (size_t i = 0; i < block->rows_n; i++)
        slk_row_parse(&node->rows[node->rows_n++], block->rows, i);
}

static struct node *node_new(
    const struct slk_charter *charter, struct slk_span bytes, unsigned fingerprint_bits)
{
    struct slk_map_options options = {.fingerprint_bits = fingerprint_bits};
    struct node *node = calloc(1, sizeof(*node));

    assert_non_null(node);
    node->machine.charter = charter;
    slk_charter_chain_id(&node->machine.chain_id, bytes);
    assert_int_equal(slk_map_new(&node->machine.map, &options), SLK_OK);
    assert_int_equal(slk_index_set_new(&node->machine.indexes, charter), SLK_OK);
    slk_log_init(&node->machine.log);
    node->source = (struct slk_block_source){node, read_row, read_entry};
    return node;
}

static void node_free(struct node *node)
{
    for (size_t i = 0; i < node->entries_n; i++) {
        union {
            const uint8_t *in;
            uint8_t *out;
        } at = {.in = node->entries[i].at};

        free(at.out);
    }
    slk_block_free(&node->block);
    slk_map_free(node->machine.map);
    slk_index_set_free(node->machine.indexes);
    free(node);
}

/* Jobs last to first: results must not depend on their order. */
static void run_backwards(void *ctx, void (*job)(void *arg, size_t i), void *arg, size_t n)
{
    (void)ctx;
    while (n > 0)
        job(arg, --n);
}

static const struct slk_par backwards = {NULL, 3, run_backwards};

/* ---- the world ---- */

/* An issuer's own idea of a credential, kept up with what it sent: wrong after a refusal, like in real life. */
struct belief {
    uint64_t count;
    struct slk_hash last_id;
    enum slk_state state;
    unsigned device;
    uint64_t valid_until_s;
};

struct world {
    uint64_t seed, random;
    struct slk_charter *charter;
    struct node *builder, *checker;
    struct naive *naive;
    struct sample_key keys[SAMPLE_ISSUERS_N + 1]; /* the last is a stranger's */
    struct belief beliefs[CREDENTIALS];
    size_t verdicts[SLK_RULE_N];
    /* the submissions offered for the next block */
    size_t n;
    struct slk_span bytes[SUBMISSIONS_MAX];
    struct slk_submission submissions[SUBMISSIONS_MAX];
};

static uint64_t below(struct world *w, uint64_t n)
{
    return sample_below(&w->random, n);
}

static bool one_in(struct world *w, uint64_t n)
{
    return below(w, n) == 0;
}

static struct world *world_new(uint64_t seed)
{
    struct world *w = calloc(1, sizeof(*w));
    uint8_t *bytes = malloc(SLK_CHARTER_BYTES_MAX);
    size_t size;

    assert_true(w != NULL && bytes != NULL);
    w->seed = w->random = seed;
    w->charter = sample_charter();
    w->charter->submission_events = EVENTS_MAX - 1;
    w->charter->block_events = 60;
    size = slk_charter_format(bytes, SLK_CHARTER_BYTES_MAX, w->charter);
    assert_int_equal(slk_charter_parse(w->charter, slk_span_of(bytes, size)), SLK_OK);
    w->builder = node_new(w->charter, slk_span_of(bytes, size), seed % 3 == 0 ? 4 : 0);
    w->checker = node_new(w->charter, slk_span_of(bytes, size), seed % 3 == 1 ? 8 : 0);
    w->naive = naive_new(w->charter, slk_span_of(bytes, size));
    assert_int_equal(
        slk_block_genesis(&w->builder->block, &w->builder->machine, slk_span_of(bytes, size)), SLK_OK);
    for (int i = 0; i < SAMPLE_ISSUERS_N; i++)
        sample_issuer_key(&w->keys[i], (enum sample_issuer)i);
    sample_key(&w->keys[SAMPLE_ISSUERS_N], 4444);
    free(bytes);
    return w;
}

static void forget_submissions(struct world *w)
{
    for (size_t i = 0; i < w->n; i++) {
        union {
            const uint8_t *in;
            uint8_t *out;
        } at = {.in = w->bytes[i].at};

        free(at.out);
    }
    w->n = 0;
}

static void world_free(struct world *w)
{
    forget_submissions(w);
    for (size_t i = 0; i < SUBMISSIONS_MAX; i++)
        slk_submission_free(&w->submissions[i]);
    node_free(w->builder);
    node_free(w->checker);
    naive_free(w->naive);
    free(w->charter);
    free(w);
}

/* ---- random events ---- */

/* Issuers learn the truth again, all at once. */
static void refresh_beliefs(struct world *w)
{
    for (unsigned i = 0; i < CREDENTIALS; i++) {
        struct slk_event event = sample_event(SLK_ISSUE, i, 0);
        const struct naive_credential *c = naive_find(w->naive, event.credential);
        struct belief *b = &w->beliefs[i];

        b->count = c != NULL ? c->count : 0;
        b->state = c != NULL ? (enum slk_state)c->state : SLK_NEVER_ISSUED;
        if (c != NULL) {
            memcpy(b->last_id.b, c->last_id, 32);
            b->valid_until_s = c->valid_until_s;
        }
    }
}

static enum slk_kind likely_kind(struct world *w, enum slk_state state)
{
    static const enum slk_kind active[] = {SLK_REBIND, SLK_LOCK, SLK_LOCK, SLK_RENEW, SLK_REVOKE};
    static const enum slk_kind locked[] = {SLK_REBIND, SLK_UNLOCK, SLK_UNLOCK, SLK_RENEW, SLK_REVOKE};

    if (one_in(w, 12))
        return (enum slk_kind)(SLK_ISSUE + below(w, SLK_KIND_N - SLK_ISSUE));
    if (state == SLK_ACTIVE)
        return active[below(w, 5)];
    return state == SLK_LOCKED ? locked[below(w, 5)] : SLK_ISSUE;
}

/* One thing in the event that an issuer could get wrong. */
static void spoil(struct world *w, struct slk_event *e, uint64_t time_s)
{
    switch (below(w, 12)) {
    case 0:
        e->sequence++;
        break;
    case 1:
        e->previous.b[below(w, 32)] ^= 1;
        break;
    case 2:
        e->has_previous = !e->has_previous;
        break;
    case 3:
        e->channel = 0;
        break;
    case 4:
        e->reason = e->reason != 0 ? 77 : 1;
        break;
    case 5:
        e->type = e->type != 0 ? 3 : 1;
        break;
    case 6:
        e->occurred_at_s = time_s + 301;
        break;
    case 7:
        e->valid_until_s = time_s;
        break;
    case 8:
        e->valid_until_s = time_s + 3 * SAMPLE_YEAR_S + 1;
        break;
    case 9:
        e->status_index = SAMPLE_PLACES;
        break;
    case 10:
        e->has_device = !e->has_device;
        break;
    default:
        e->occurred_at_s = 0;
        break;
    }
}

static struct slk_event random_event(struct world *w, uint64_t time_s)
{
    unsigned credential = (unsigned)below(w, CREDENTIALS);
    struct belief *b = &w->beliefs[credential];
    enum slk_kind kind = likely_kind(w, b->state);
    unsigned device = one_in(w, 10) ? b->device : b->device + 1 + (unsigned)below(w, 5);
    struct slk_event e = sample_event(kind, credential, credential * 1000 + device);

    e.sequence = b->count;
    e.has_previous = b->count > 0;
    if (e.has_previous)
        e.previous = b->last_id;
    e.occurred_at_s = time_s - below(w, 100000);
    if (e.has_device)
        b->device = device;
    if (kind == SLK_ISSUE) {
        e.type = credential % 3 == 0 ? SAMPLE_PHONE : SAMPLE_CARD;
        e.status_index = (uint32_t)below(w, one_in(w, 4) ? 20 : SAMPLE_PLACES);
    }
    if (kind == SLK_ISSUE || kind == SLK_RENEW) {
        uint64_t from =
            kind == SLK_RENEW && !one_in(w, 4) && b->valid_until_s > time_s ? b->valid_until_s : time_s;

        e.valid_until_s = from + 1 + below(w, SAMPLE_YEAR_S);
    }
    e.has_commitment = one_in(w, 2);
    e.commitment.b[7] = (uint8_t)sample_random(&w->random);
    if (one_in(w, 30))
        spoil(w, &e, time_s);
    return e;
}

/* What the issuer believes after sending it. */
static void believe(struct world *w, const struct slk_event *e, struct slk_span bytes)
{
    for (unsigned i = 0; i < CREDENTIALS; i++) {
        struct slk_event other = sample_event(SLK_ISSUE, i, 0);
        struct belief *b = &w->beliefs[i];

        if (memcmp(other.credential, e->credential, 32) != 0)
            continue;
        b->count++;
        slk_event_id(&b->last_id, bytes);
        if (e->valid_until_s != 0)
            b->valid_until_s = e->valid_until_s;
        if (e->kind != SLK_RENEW)
            b->state = e->kind == SLK_LOCK ? SLK_LOCKED : e->kind == SLK_REVOKE ? SLK_REVOKED : SLK_ACTIVE;
    }
}

static void add_submission(struct world *w, uint64_t time_s)
{
    static uint8_t room[EVENTS_MAX][SLK_EVENT_MAX];
    struct slk_span events[EVENTS_MAX];
    struct slk_hash chain;
    size_t n = one_in(w, 40) ? EVENTS_MAX : one_in(w, 2) ? 1 : 1 + below(w, EVENTS_MAX - 1);
    /* most by those who may do most */
    size_t by = one_in(w, 60) ? SAMPLE_ISSUERS_N : one_in(w, 3) ? below(w, SAMPLE_ISSUERS_N) : OFFICE;

    for (size_t i = 0; i < n; i++) {
        struct slk_event e = random_event(w, time_s);
        size_t size = slk_event_format(room[i], SLK_EVENT_MAX, &e);

        assert_true(size > 0);
        events[i] = slk_span_of(room[i], size);
        believe(w, &e, events[i]);
        if (one_in(w, 200))
            room[i][below(w, size)] ^= 1; /* often still an event */
    }
    memcpy(chain.b, naive_chain_id(w->naive), 32);
    if (one_in(w, 60))
        chain.b[0] ^= 1; /* signed for another ledger */
    w->bytes[w->n++] = sample_submission(&w->keys[by], &chain, events, n);
}

/* ---- one block ---- */

static void compare_verdicts(
    struct world *w, const struct slk_verdict *real, const struct naive_verdict *naive, size_t events_n)
{
    if (real->rule != naive->rule || (real->rule != SLK_RULE_OK && real->rule_event != naive->event))
        fail_msg("seed=%llu: %s at event %zu, naive says %s at %zu", (unsigned long long)w->seed,
            slk_rule_name(real->rule), real->rule_event, slk_rule_name(naive->rule), naive->event);
    w->verdicts[real->rule]++;
    if (real->rule == SLK_RULE_OK) {
        assert_int_equal(real->first_index, naive->first_index);
        return;
    }
    for (size_t i = 0; i < events_n; i++)
        if (real->events[i] != naive->events[i])
            fail_msg("seed=%llu: event %zu: %s, naive says %s", (unsigned long long)w->seed, i,
                slk_rule_name(real->events[i]), slk_rule_name(naive->events[i]));
    assert_int_equal(real->has_head, real->rule == SLK_RULE_SEQUENCE || real->rule == SLK_RULE_PREVIOUS);
    if (real->has_head) {
        assert_int_equal(real->head_sequence, naive->head_count);
        assert_memory_equal(real->head_event_id.b, naive->head_id, 32);
    }
}

static void compare_roots(struct world *w)
{
    const struct slk_machine *m = &w->builder->machine;
    struct slk_hash root;
    uint8_t naive[32];

    naive_map_root(w->naive, naive);
    slk_map_root(m->map, &root);
    if (memcmp(root.b, naive, 32) != 0)
        fail_msg("seed=%llu height %llu: map roots differ", (unsigned long long)w->seed,
            (unsigned long long)m->tip.height);
    assert_memory_equal(m->tip.map_root.b, naive, 32);
    naive_log_root(w->naive, naive);
    slk_log_root(&m->log, &root);
    if (memcmp(root.b, naive, 32) != 0)
        fail_msg("seed=%llu height %llu: log roots differ", (unsigned long long)w->seed,
            (unsigned long long)m->tip.height);
    assert_memory_equal(m->tip.log_root.b, naive, 32);
    assert_int_equal(m->tip.log_size, naive_log_size(w->naive));
}

/* The second machine executes the block that the first one has made. */
static void check_block(struct world *w)
{
    struct node *from = w->builder, *to = w->checker;
    struct slk_fault fault = {0};
    enum slk_err err = slk_block_check(&to->block, &to->machine, &to->source, from->block.header_bytes,
        slk_span_of(from->block.entries, from->block.entries_size), one_in(w, 2) ? &backwards : NULL, &fault);

    if (err != SLK_OK)
        fail_msg("seed=%llu height %llu: %s: %s", (unsigned long long)w->seed,
            (unsigned long long)from->machine.tip.height, slk_err_text(err), fault.text);
    assert_memory_equal(&from->machine.tip.block_hash, &to->machine.tip.block_hash, 32);
    assert_memory_equal(&from->machine.tip.map_root, &to->machine.tip.map_root, 32);
    assert_memory_equal(&from->machine.tip.log_root, &to->machine.tip.log_root, 32);
    assert_int_equal(from->machine.tip.rows_n, to->machine.tip.rows_n);
    assert_int_equal(from->block.entries_size, to->block.entries_size);
    assert_memory_equal(from->block.entries, to->block.entries, to->block.entries_size);
    for (uint32_t type = SAMPLE_CARD; type <= SAMPLE_PHONE; type++) {
        size_t size;
        const uint8_t *a = slk_index_set_bits(from->machine.indexes, type, &size);

        assert_memory_equal(a, slk_index_set_bits(to->machine.indexes, type, &size), size);
    }
}

/* Builds, and now and then takes it back and builds again: both times the same. */
static enum slk_err build(struct world *w, struct slk_block_params *params, struct slk_verdict *verdicts)
{
    struct slk_submission *submissions[SUBMISSIONS_MAX];
    struct slk_machine *m = &w->builder->machine;
    struct slk_tip before = m->tip;
    struct slk_fault fault = {0};
    struct slk_hash root;
    enum slk_err err;

    for (size_t i = 0; i < w->n; i++) {
        submissions[i] = &w->submissions[i];
        assert_int_equal(slk_submission_parse(submissions[i], w->bytes[i]), SLK_OK);
        slk_submission_admit(submissions[i], w->charter, &m->chain_id);
    }
    err = slk_block_build(
        &w->builder->block, m, &w->builder->source, params, submissions, verdicts, w->n, &fault);
    if (err == SLK_OK && one_in(w, 3)) {
        struct slk_hash hash = m->tip.block_hash;

        slk_block_undo(m, &w->builder->block, params->par);
        slk_map_root(m->map, &root);
        assert_memory_equal(&root, &before.map_root, 32);
        slk_log_root(&m->log, &root);
        assert_memory_equal(&root, &before.log_root, 32);
        assert_memory_equal(&m->tip.block_hash, &before.block_hash, 32);
        err = slk_block_build(
            &w->builder->block, m, &w->builder->source, params, submissions, verdicts, w->n, &fault);
        assert_memory_equal(&m->tip.block_hash, &hash, 32);
    }
    return err;
}

static uint64_t next_time(struct world *w, uint64_t time_ms)
{
    static const uint64_t steps[] = {1, 2000, 86400000, UINT64_C(86400000) * 60};

    return time_ms + 1 + below(w, steps[below(w, 4)]);
}

static void one_block(struct world *w)
{
    static enum slk_rule events[SUBMISSIONS_MAX][SLK_SUBMISSION_EVENTS_MAX];
    static struct naive_verdict naive;
    struct slk_block_params params = {.time_ms = next_time(w, w->builder->machine.tip.time_ms),
        .proposer = (uint16_t)below(w, 3),
        .origin_view = (uint32_t)below(w, 300),
        .flags = one_in(w, 5) ? SLK_BLOCK_FLAG_HEARTBEAT : 0,
        .par = one_in(w, 2) ? &backwards : NULL};
    struct slk_verdict verdicts[SUBMISSIONS_MAX] = {{0}};
    uint64_t last_ms = w->builder->machine.tip.time_ms;
    size_t good_n = 0;
    enum slk_err err;

    forget_submissions(w);
    refresh_beliefs(w);
    for (size_t n = below(w, SUBMISSIONS_MAX + 1); n > 0; n--)
        add_submission(w, params.time_ms / 1000);
    for (size_t i = 0; i < w->n; i++)
        verdicts[i].events = events[i];
    err = build(w, &params, verdicts);
    naive_begin(w->naive, params.time_ms);
    for (size_t i = 0; i < w->n; i++) {
        if (verdicts[i].deferred)
            continue; /* did not fit */
        naive_submit(w->naive, w->bytes[i], &naive);
        compare_verdicts(w, &verdicts[i], &naive, w->submissions[i].events_n);
        good_n += naive.rule == SLK_RULE_OK;
    }
    if (good_n == 0 && (params.flags == 0 || params.time_ms < last_ms + 60000)) {
        assert_int_equal(err, SLK_E_NOT_FOUND);
        naive_cancel(w->naive);
        compare_roots(w);
        return;
    }
    assert_int_equal(err, SLK_OK);
    naive_end(w->naive, params.proposer, params.origin_view);
    compare_roots(w);
    check_block(w);
    keep(w->builder);
    keep(w->checker);
}

static void run_stream(uint64_t seed, size_t totals[SLK_RULE_N])
{
    struct world *w = world_new(seed);

    compare_roots(w);
    check_block(w);
    keep(w->builder);
    keep(w->checker);
    for (int i = 0; i < BLOCKS; i++)
        one_block(w);
    for (int rule = 0; rule < SLK_RULE_N; rule++)
        totals[rule] += w->verdicts[rule];
    world_free(w);
}

static void random_streams_agree_with_the_naive_ledger(void **state)
{
    const char *one = getenv("SLK_SEED");
    size_t totals[SLK_RULE_N] = {0};

    (void)state;
    if (one != NULL) {
        run_stream(strtoull(one, NULL, 10), totals);
        return;
    }
    for (uint64_t seed = 1; seed <= STREAMS; seed++)
        run_stream(seed, totals);
    for (int rule = 0; rule < SLK_RULE_N; rule++)
        print_message("# %6zu %s\n", totals[rule], slk_rule_name((enum slk_rule)rule));
    for (int rule = 0; rule < SLK_RULE_N; rule++)
        if (totals[rule] == 0 && rule != SLK_RULE_NOT_JUDGED)
            fail_msg("no submission met %s", slk_rule_name((enum slk_rule)rule));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_streams_agree_with_the_naive_ledger),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
