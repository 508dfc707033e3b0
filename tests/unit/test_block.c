/* Blocks: what is built is what checks, what is taken back leaves nothing, what is altered is refused and changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/embed/workers.h"
#include "tests/unit/ledger_fixture.h"

#define ENTRIES_MAX 40000
#define LIVES       300

/* A machine and the store it believes in: rows and entries of its past blocks in arrays. */
struct world {
    const struct fixture *f;
    struct slk_machine machine;
    struct slk_block block;
    struct slk_block_source source;
    const struct slk_par *par;
    struct slk_row *rows;
    struct slk_span *entries; /* copies */
    size_t rows_n, entries_n;
};

static bool read_row(void *ctx, uint64_t row, struct slk_row *out)
{
    struct world *w = ctx;

    if (row >= w->rows_n)
        return false;
    *out = w->rows[row];
    return true;
}

static bool read_entry(void *ctx, uint64_t log_index, struct slk_span *out)
{
    struct world *w = ctx;

    if (log_index >= w->entries_n)
        return false;
    *out = w->entries[log_index];
    return true;
}

/* What the store does when it commits a block. */
static void keep(struct world *w)
{
    const struct slk_block *b = &w->block;

    assert_int_equal(b->first_row, w->rows_n);
    assert_int_equal(b->first_index, w->entries_n);
    assert_true(w->rows_n + b->rows_n <= ENTRIES_MAX && w->entries_n + b->entries_n <= ENTRIES_MAX);
    for (size_t i = 0; i < b->rows_n; i++)
        slk_row_parse(&w->rows[w->rows_n++], b->rows, i);
    for (size_t i = 0; i < b->entries_n; i++) {
        const uint8_t *at = b->entries + b->offsets[i];
        size_t size = (size_t)at[0] << 8 | at[1];
        uint8_t *copy = malloc(size);

        assert_non_null(copy);
        memcpy(copy, at + 2, size);
        w->entries[w->entries_n++] = slk_span_of(copy, size);
    }
}

static struct world *world_new(const struct fixture *f, unsigned fingerprint_bits, const struct slk_par *par)
{
    struct slk_map_options options = {.fingerprint_bits = fingerprint_bits};
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    w->f = f;
    w->par = par;
    w->source = (struct slk_block_source){.ctx = w, .row = read_row, .entry = read_entry};
    w->rows = calloc(ENTRIES_MAX, sizeof(*w->rows));
    w->entries = calloc(ENTRIES_MAX, sizeof(*w->entries));
    assert_true(w->rows != NULL && w->entries != NULL);
    w->machine.charter = f->charter;
    w->machine.chain_id = f->chain_id;
    w->machine.proven = slk_proven_new(256); /* as in a node: nothing may come out differently */
    assert_non_null(w->machine.proven);
    slk_log_init(&w->machine.log);
    assert_int_equal(slk_map_new(&w->machine.map, &options), SLK_OK);
    assert_int_equal(slk_index_set_new(&w->machine.indexes, f->charter), SLK_OK);
    assert_int_equal(slk_charters_new(&w->machine.charters, f->charter), SLK_OK);
    assert_int_equal(
        slk_block_genesis(&w->block, &w->machine, slk_span_of(f->charter_bytes, f->charter_size)), SLK_OK);
    keep(w);
    return w;
}

static void world_free(struct world *w)
{
    for (size_t i = 0; i < w->entries_n; i++)
        fixture_free(w->entries[i]);
    free(w->entries);
    free(w->rows);
    slk_proven_free(w->machine.proven);
    slk_map_free(w->machine.map);
    slk_index_set_free(w->machine.indexes);
    slk_charters_free(w->machine.charters);
    slk_block_free(&w->block);
    free(w);
}

/* ---- candidates ---- */

struct candidate {
    struct slk_span bytes[64];
    struct slk_submission submissions[64];
    struct slk_submission *list[64];
    struct slk_verdict verdicts[64];
    bool bad[64];
    size_t n;
};

static void candidate_free(struct candidate *c)
{
    for (size_t i = 0; i < 64; i++) {
        slk_submission_free(&c->submissions[i]);
        fixture_free(c->bytes[i]);
    }
    free(c);
}

/* Random submissions for the next block; lives move on for the good ones. Bad ones are bad by their key, or by one event. */
static struct candidate *make_candidate(
    const struct fixture *f, struct fixture_life *lives, uint64_t *random, size_t n)
{
    struct candidate *c = calloc(1, sizeof(*c));
    struct fixture_batch batch = {0};

    assert_non_null(c);
    for (c->n = 0; c->n < n; c->n++) {
        size_t events_n = 1 + fixture_below(random, fixture_below(random, 5) == 0 ? 60 : 4), k = c->n;
        bool stranger = fixture_below(random, 6) == 0, stale = fixture_below(random, 6) == 0;
        struct fixture_life first;

        c->bad[k] = stranger || stale;
        for (size_t i = 0; i < events_n; i++) {
            struct fixture_life *life = &lives[fixture_below(random, LIVES)], copy = *life;
            enum slk_kind kind = fixture_next_kind(life, fixture_random(random));

            if (i == 0)
                first = *life;
            fixture_add(&batch, c->bad[k] ? &copy : life, kind, f->now_ms);
        }
        if (stale) { /* an event out of the blue at the end: those before it must be taken back */
            first.sequence += 1000;
            fixture_add(&batch, &first, SLK_LOCK, f->now_ms);
        }
        c->bytes[k] = fixture_sign(f, stranger ? STRANGER : MINISTRY, &batch);
        assert_int_equal(slk_submission_parse(&c->submissions[k], c->bytes[k]), SLK_OK);
        slk_submission_admit(&c->submissions[k], f->charter, &f->chain_id);
        c->list[k] = &c->submissions[k];
    }
    fixture_batch_free(&batch);
    return c;
}

static struct fixture_life *make_lives(void)
{
    struct fixture_life *lives = calloc(LIVES, sizeof(*lives));

    assert_non_null(lives);
    for (uint32_t i = 0; i < LIVES; i++)
        lives[i] = fixture_life(i % 2 == 0 ? FIXTURE_CARD : FIXTURE_PHONE, i);
    return lives;
}

static enum slk_err build(struct world *w, struct candidate *c, uint64_t time_ms)
{
    struct slk_block_params params = {.time_ms = time_ms, .origin_view = 1, .par = w->par};
    struct slk_fault fault = {0};

    return slk_block_build(&w->block, &w->machine, &w->source, &params, c->list, c->verdicts, c->n, &fault);
}

static void assert_verdicts(const struct candidate *c)
{
    for (size_t i = 0; i < c->n; i++) {
        assert_false(c->verdicts[i].deferred);
        assert_int_equal(c->verdicts[i].rule != SLK_RULE_OK, c->bad[i]);
    }
}

/* Everything of a machine that a block could change. */
struct state {
    struct slk_tip tip;
    struct slk_hash log_root, map_root;
    uint64_t log_size, credentials_n, indexes_n;
};

static struct state state_of(const struct slk_machine *machine)
{
    struct state s;

    memset(&s, 0, sizeof(s));
    s.tip = machine->tip;
    s.log_size = machine->log.size;
    slk_log_root(&machine->log, &s.log_root);
    slk_map_root(machine->map, &s.map_root);
    s.credentials_n = slk_map_count(machine->map);
    s.indexes_n = slk_index_set_count(machine->indexes, FIXTURE_CARD) +
                  slk_index_set_count(machine->indexes, FIXTURE_PHONE);
    return s;
}

static void assert_state(const struct slk_machine *machine, const struct state *expected)
{
    struct state is = state_of(machine);

    assert_memory_equal(&is, expected, sizeof(is));
}

static void assert_same_block(const struct slk_block *a, const struct slk_block *b)
{
    assert_memory_equal(a->header_bytes, b->header_bytes, SLK_BLOCK_HEADER_SIZE);
    assert_int_equal(a->entries_n, b->entries_n);
    assert_int_equal(a->entries_size, b->entries_size);
    assert_memory_equal(a->entries, b->entries, a->entries_size);
    assert_memory_equal(a->offsets, b->offsets, a->entries_n * sizeof(*a->offsets));
    assert_memory_equal(a->leaves, b->leaves, a->entries_n * sizeof(*a->leaves));
    assert_int_equal(a->rows_n, b->rows_n);
    if (a->rows_n > 0)
        assert_memory_equal(a->rows, b->rows, slk_rows_size(a->rows_n));
    assert_int_equal(a->first_index, b->first_index);
    assert_int_equal(a->first_row, b->first_row);
    assert_int_equal(a->tiles_n, b->tiles_n);
    for (size_t i = 0; i < a->tiles_n; i++) {
        assert_int_equal(a->tiles[i].level, b->tiles[i].level);
        assert_int_equal(a->tiles[i].index, b->tiles[i].index);
        assert_memory_equal(a->tiles[i].hashes, b->tiles[i].hashes, sizeof(a->tiles[i].hashes));
    }
}

static enum slk_err check(struct world *w, const uint8_t *header, struct slk_span entries)
{
    struct slk_fault fault = {0};
    enum slk_err err = slk_block_check(&w->block, &w->machine, &w->source, header, entries, w->par, &fault);

    assert_true(err == SLK_OK || fault.text[0] != '\0');
    return err;
}

static enum slk_err check_entries(struct world *w, struct slk_span entries, struct slk_fault *fault)
{
    enum slk_err err = slk_block_check_entries(&w->block, &w->machine, &w->source, entries, w->par, fault);

    assert_true(err == SLK_OK || fault->text[0] != '\0');
    return err;
}

static struct slk_span entries_of(const struct slk_block *block)
{
    return slk_span_of(block->entries, block->entries_size);
}

/* ---- tests ---- */

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    fixture_open_without_dir(f, NULL);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

/* The builder works alone, the checker with threads and short fingerprints: neither shows in the block. */
static void what_is_built_is_what_checks(void **state)
{
    struct fixture *f = *state;
    struct slk_workers *workers;
    struct world *builder = world_new(f, 0, NULL), *checker, *reader;
    struct fixture_life *lives = make_lives();
    struct slk_fault fault = {0};
    uint64_t random = 20260101;

    assert_int_equal(slk_workers_new(&workers, 3), SLK_OK);
    checker = world_new(f, 9, slk_workers_par(workers));
    reader = world_new(f, 0, NULL); /* is shown no header */
    assert_same_block(&builder->block, &checker->block);
    for (uint64_t height = 1; height <= 80; height++) {
        struct candidate *c = make_candidate(f, lives, &random, 1 + fixture_below(&random, 30));
        enum slk_err err = build(builder, c, f->now_ms + height);

        assert_verdicts(c);
        if (err == SLK_OK) {
            assert_int_equal(
                check(checker, builder->block.header_bytes, entries_of(&builder->block)), SLK_OK);
            assert_same_block(&builder->block, &checker->block);
            assert_int_equal(check_entries(reader, entries_of(&builder->block), &fault), SLK_OK);
            assert_same_block(&builder->block, &reader->block);
            keep(builder);
            keep(checker);
            keep(reader);
        } else {
            assert_int_equal(err, SLK_E_NOT_FOUND); /* all bad */
        }
        assert_memory_equal(&builder->machine.tip, &checker->machine.tip, sizeof(struct slk_tip));
        candidate_free(c);
    }
    assert_true(builder->machine.tip.height > 60);
    assert_true(builder->machine.log.size > 2 * SLK_TILE_WIDTH);
    free(lives);
    world_free(builder);
    world_free(checker);
    world_free(reader);
    slk_workers_free(workers);
}

static void a_block_taken_back_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    static const unsigned bits[] = {0, 7};

    for (size_t i = 0; i < 2; i++) {
        struct world *w = world_new(f, bits[i], NULL);
        struct fixture_life *lives = make_lives();
        uint64_t random = 77;

        for (uint64_t height = 1; height <= 60; height++) {
            struct fixture_life *others = make_lives();
            struct candidate *c, *other;
            struct state before = state_of(&w->machine), after;
            uint8_t header[SLK_BLOCK_HEADER_SIZE];

            memcpy(others, lives, LIVES * sizeof(*lives));
            other = make_candidate(f, others, &random, 12);
            c = make_candidate(f, lives, &random, 12);
            if (build(w, other, f->now_ms + 2 * height) == SLK_OK) { /* another block at first */
                slk_block_undo(&w->machine, &w->block, NULL);
                assert_state(&w->machine, &before);
            }
            if (build(w, c, f->now_ms + 2 * height) == SLK_OK) {
                assert_verdicts(c);
                memcpy(header, w->block.header_bytes, sizeof(header));
                after = state_of(&w->machine);
                slk_block_undo(&w->machine, &w->block, NULL);
                assert_state(&w->machine, &before);
                assert_int_equal(build(w, c, f->now_ms + 2 * height), SLK_OK);
                assert_memory_equal(w->block.header_bytes, header, sizeof(header));
                assert_state(&w->machine, &after);
                keep(w);
            } else {
                assert_state(&w->machine, &before);
            }
            candidate_free(c);
            candidate_free(other);
            free(others);
        }
        assert_true(w->machine.tip.height > 50);
        free(lives);
        world_free(w);
    }
}

/* Two machines at the same place; a block of one in the hands of the other. */
struct pair {
    struct world *builder, *checker;
    struct fixture_life *lives;
    uint8_t *entries;
    size_t size;
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
};

static void pair_open(struct pair *p, const struct fixture *f)
{
    uint64_t random = 31337;

    p->builder = world_new(f, 0, NULL);
    p->checker = world_new(f, 0, NULL);
    p->lives = make_lives();
    for (uint64_t height = 1; height <= 3; height++) {
        struct candidate *c = make_candidate(f, p->lives, &random, height == 3 ? 4 : 30);

        assert_int_equal(build(p->builder, c, f->now_ms + height), SLK_OK);
        p->size = p->builder->block.entries_size;
        free(height == 1 ? NULL : p->entries);
        p->entries = malloc(p->size);
        assert_non_null(p->entries);
        memcpy(p->entries, p->builder->block.entries, p->size);
        memcpy(p->header, p->builder->block.header_bytes, SLK_BLOCK_HEADER_SIZE);
        keep(p->builder);
        if (height < 3) {
            assert_int_equal(check(p->checker, p->header, slk_span_of(p->entries, p->size)), SLK_OK);
            keep(p->checker);
        }
        candidate_free(c);
    }
}

static void pair_close(struct pair *p)
{
    free(p->entries);
    free(p->lives);
    world_free(p->builder);
    world_free(p->checker);
}

static void an_altered_byte_is_refused_and_changes_nothing(void **state)
{
    struct pair p;
    struct state before;

    pair_open(&p, *state);
    before = state_of(&p.checker->machine);
    for (size_t i = 0; i < 8 * SLK_BLOCK_HEADER_SIZE; i++) {
        p.header[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_int_not_equal(check(p.checker, p.header, slk_span_of(p.entries, p.size)), SLK_OK);
        assert_state(&p.checker->machine, &before);
        p.header[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t i = 0; i < p.size; i++) {
        p.entries[i] ^= (uint8_t)(1u << i % 8);
        assert_int_not_equal(check(p.checker, p.header, slk_span_of(p.entries, p.size)), SLK_OK);
        assert_state(&p.checker->machine, &before);
        p.entries[i] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t size = 0; size < p.size; size += 3) {
        assert_int_not_equal(check(p.checker, p.header, slk_span_of(p.entries, size)), SLK_OK);
        assert_state(&p.checker->machine, &before);
    }
    assert_int_equal(check(p.checker, p.header, slk_span_of(p.entries, p.size)), SLK_OK);
    assert_same_block(&p.checker->block, &p.builder->block);
    pair_close(&p);
}

/* Entry by entry well formed, but its issuer has not signed it: refused by the rule that it breaks, at its place. */
static void a_forged_signature_is_refused_by_its_rule(void **state)
{
    struct slk_fault fault = {0};
    struct slk_block *block;
    struct pair p;
    size_t forged = 0;

    pair_open(&p, *state);
    block = &p.builder->block;
    for (size_t i = 0; i < block->entries_n; i++) {
        uint8_t *at = p.entries + block->offsets[i];
        size_t size = (size_t)at[0] << 8 | at[1];
        struct slk_entry entry;

        assert_int_equal(slk_entry_parse(&entry, slk_span_of(at + 2, size)), SLK_OK);
        if (entry.type != SLK_ENTRY_AUTHORIZATION)
            continue;
        at[2 + size - 1 - 40] ^= 1; /* the signature's 64 bytes are the last ones: this one is of R */
        assert_int_equal(slk_block_check(&p.checker->block, &p.checker->machine, &p.checker->source, p.header,
                             slk_span_of(p.entries, p.size), NULL, &fault),
            SLK_E_REFUSED);
        assert_non_null(strstr(fault.text, "SIGNATURE"));
        at[2 + size - 1 - 40] ^= 1;
        forged++;
    }
    assert_true(forged > 1);
    pair_close(&p);
}

/* Of each entry one bit: whatever it is, the seal, the rules or a signature do not fit it, or it is no entry any more. */
static void without_a_header_an_altered_entry_is_refused_too(void **state)
{
    struct slk_fault fault = {0};
    struct slk_tip before;
    struct pair p;

    pair_open(&p, *state);
    before = p.checker->machine.tip;
    for (size_t i = 0; i < p.builder->block.entries_n; i++) {
        uint8_t *at = p.entries + p.builder->block.offsets[i];
        size_t size = (size_t)at[0] << 8 | at[1];

        at[2 + size / 2] ^= 1;
        assert_int_not_equal(check_entries(p.checker, slk_span_of(p.entries, p.size), &fault), SLK_OK);
        at[2 + size / 2] ^= 1;
        assert_memory_equal(&p.checker->machine.tip, &before, sizeof(before));
    }
    assert_int_equal(check_entries(p.checker, slk_span_of(p.entries, p.size - 1), &fault), SLK_E_CORRUPT);
    assert_int_equal(check_entries(p.checker, slk_span_of(p.entries, 0), &fault), SLK_E_CORRUPT);
    assert_int_equal(check_entries(p.checker, slk_span_of(p.entries, p.size), &fault), SLK_OK);
    assert_memory_equal(p.checker->block.header_bytes, p.header, SLK_BLOCK_HEADER_SIZE);
    pair_close(&p);
}

static void a_block_out_of_its_place_is_refused(void **state)
{
    struct pair p;
    struct state before;

    pair_open(&p, *state);
    assert_int_equal(check(p.checker, p.header, slk_span_of(p.entries, p.size)), SLK_OK);
    keep(p.checker);
    before = state_of(&p.checker->machine);
    assert_int_equal(check(p.checker, p.header, slk_span_of(p.entries, p.size)), SLK_E_CHAIN); /* again */
    assert_state(&p.checker->machine, &before);
    pair_close(&p);
}

static void a_checked_block_can_be_taken_back(void **state)
{
    struct pair p;
    struct state before;

    pair_open(&p, *state);
    before = state_of(&p.checker->machine);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(check(p.checker, p.header, slk_span_of(p.entries, p.size)), SLK_OK);
        slk_block_undo(&p.checker->machine, &p.checker->block, NULL);
        assert_state(&p.checker->machine, &before);
    }
    pair_close(&p);
}

/* Only a block without events is a heartbeat: a header says nothing of which its entries know nothing. */
static void a_heartbeat_is_a_block_without_events(void **state)
{
    struct fixture *f = *state;
    struct world *w = world_new(f, 0, NULL), *checker = world_new(f, 0, NULL);
    struct slk_block_params params = {.time_ms = f->now_ms, .flags = SLK_BLOCK_FLAG_HEARTBEAT};
    struct fixture_life *lives = make_lives();
    struct slk_fault fault = {0};
    struct state before = state_of(&w->machine);
    struct candidate *c;
    uint64_t random = 3;

    params.time_ms = w->machine.tip.time_ms + SLK_BLOCK_EMPTY_MS;
    assert_int_equal(
        slk_block_build(&w->block, &w->machine, &w->source, &params, NULL, NULL, 0, &fault), SLK_OK);
    assert_int_equal(w->block.header.flags, SLK_BLOCK_FLAG_HEARTBEAT);
    assert_int_equal(w->block.entries_n, 1);
    assert_int_equal(w->block.rows_n, 0);
    assert_memory_equal(&w->machine.tip.map_root, &before.map_root, SLK_HASH_SIZE);
    assert_int_equal(check_entries(checker, entries_of(&w->block), &fault), SLK_OK);
    assert_same_block(&w->block, &checker->block);
    slk_block_undo(&checker->machine, &checker->block, NULL);
    assert_int_equal(check(checker, w->block.header_bytes, entries_of(&w->block)), SLK_OK);
    assert_same_block(&w->block, &checker->block);
    keep(w);
    keep(checker);
    params.time_ms++;
    params.flags = 0;
    assert_int_equal(
        slk_block_build(&w->block, &w->machine, &w->source, &params, NULL, NULL, 0, &fault), SLK_E_NOT_FOUND);
    c = make_candidate(f, lives, &random, 20);
    params.flags = SLK_BLOCK_FLAG_HEARTBEAT;
    assert_int_equal(
        slk_block_build(&w->block, &w->machine, &w->source, &params, c->list, c->verdicts, c->n, &fault),
        SLK_OK);
    assert_int_equal(w->block.header.flags, 0);
    assert_true(w->block.rows_n > 0);
    candidate_free(c);
    free(lives);
    world_free(w);
    world_free(checker);
}

/* Not by a builder, and not from one that does as if the last block were older. */
static void an_empty_block_is_refused_within_a_minute(void **state)
{
    struct fixture *f = *state;
    struct world *w = world_new(f, 0, NULL), *checker = world_new(f, 0, NULL);
    struct slk_block_params params = {.flags = SLK_BLOCK_FLAG_HEARTBEAT};
    struct slk_fault fault = {0};
    struct state before = state_of(&w->machine), checked = state_of(&checker->machine);

    params.time_ms = w->machine.tip.time_ms + SLK_BLOCK_EMPTY_MS - 1;
    assert_int_equal(
        slk_block_build(&w->block, &w->machine, &w->source, &params, NULL, NULL, 0, &fault), SLK_E_NOT_FOUND);
    assert_state(&w->machine, &before);
    w->machine.tip.time_ms--;
    assert_int_equal(
        slk_block_build(&w->block, &w->machine, &w->source, &params, NULL, NULL, 0, &fault), SLK_OK);
    assert_int_equal(slk_block_check(&checker->block, &checker->machine, &checker->source,
                         w->block.header_bytes, entries_of(&w->block), NULL, &fault),
        SLK_E_CORRUPT);
    assert_non_null(strstr(fault.text, "no heartbeat at least 60 s after"));
    assert_state(&checker->machine, &checked);
    world_free(w);
    world_free(checker);
}

/* Limits of the charter: what does not fit is deferred, in order, and fits into the blocks after it. */
static void what_does_not_fit_is_deferred(void **state)
{
    const struct fixture_shape shape = {.voting_n = 1, .block_events = 70, .submission_events = 70};
    struct fixture *f = calloc(1, sizeof(*f));
    struct fixture_life *lives = make_lives();
    struct candidate *c;
    struct world *w;
    uint64_t random = 8;
    size_t done = 0;

    (void)state;
    assert_non_null(f);
    fixture_open_without_dir(f, &shape);
    w = world_new(f, 0, NULL);
    c = make_candidate(f, lives, &random, 60); /* of at most 61 events each */
    for (uint64_t round = 0; done < c->n; round++) {
        struct slk_block_params params = {.time_ms = f->now_ms + round};
        struct slk_fault fault = {0};
        size_t taken = 0, events_n = 0;
        enum slk_err err = slk_block_build(&w->block, &w->machine, &w->source, &params, c->list + done,
            c->verdicts + done, c->n - done, &fault);

        for (; done + taken < c->n && !c->verdicts[done + taken].deferred; taken++)
            events_n += c->verdicts[done + taken].rule == SLK_RULE_OK ? c->list[done + taken]->events_n : 0;
        for (size_t i = done + taken; i < c->n; i++)
            assert_true(c->verdicts[i].deferred);
        assert_true(taken > 0 && events_n <= 70);
        if (err == SLK_OK) {
            assert_int_equal(w->block.header.event_count, events_n);
            keep(w);
        }
        done += taken;
    }
    assert_verdicts(c);
    assert_true(w->machine.tip.height > 3);
    candidate_free(c);
    free(lives);
    world_free(w);
    fixture_close(f);
    free(f);
}

static void headers_and_rows_print_back(void **state)
{
    uint64_t random = 9;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint8_t bytes[SLK_BLOCK_HEADER_SIZE], again[SLK_BLOCK_HEADER_SIZE];
        uint8_t row_bytes[SLK_ROWS_HEAD + SLK_ROW_SIZE], row_again[SLK_ROWS_HEAD + SLK_ROW_SIZE];
        struct slk_block_header header;
        struct slk_row row;

        for (size_t k = 0; k < sizeof(bytes); k++)
            bytes[k] = (uint8_t)fixture_random(&random);
        for (size_t k = 0; k < sizeof(row_bytes); k++)
            row_bytes[k] = (uint8_t)fixture_random(&random);
        slk_row_parse(&row, row_bytes, 0);
        memcpy(row_again, row_bytes, SLK_ROWS_HEAD);
        slk_row_format(row_again, 0, &row);
        assert_memory_equal(row_again, row_bytes, sizeof(row_bytes));
        assert_int_equal(slk_block_header_parse(&header, bytes), SLK_E_MALFORMED); /* version */
        memcpy(bytes, "\0\1\0", 3);
        bytes[3] &= 1;
        memset(bytes + 2 + 2 + 8 + 4 * 32 + 8 + 2 + 4, 0, 2); /* event_count */
        bytes[2 + 2 + 8 + 4 * 32 + 8 + 2 + 4 + 2] &= 0x3f;
        if (slk_block_header_parse(&header, bytes) == SLK_OK) {
            slk_block_header_format(again, &header);
            assert_memory_equal(again, bytes, sizeof(bytes));
        } else {
            fail();
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_built_is_what_checks),
        cmocka_unit_test(a_block_taken_back_leaves_nothing),
        cmocka_unit_test(an_altered_byte_is_refused_and_changes_nothing),
        cmocka_unit_test(a_forged_signature_is_refused_by_its_rule),
        cmocka_unit_test(a_block_out_of_its_place_is_refused),
        cmocka_unit_test(a_checked_block_can_be_taken_back),
        cmocka_unit_test(without_a_header_an_altered_entry_is_refused_too),
        cmocka_unit_test(a_heartbeat_is_a_block_without_events),
        cmocka_unit_test(an_empty_block_is_refused_within_a_minute),
        cmocka_unit_test(what_does_not_fit_is_deferred),
        cmocka_unit_test(headers_and_rows_print_back),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
