#include "tests/unit/ledger_steps.h"

#include <stdlib.h>
#include <string.h>

void open_fixture(void **state, const struct fixture_shape *shape)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    fixture_open(f, shape);
    *state = f;
}

int set_up_empty(void **state)
{
    open_fixture(state, NULL);
    return 0;
}

int set_up(void **state)
{
    open_fixture(state, NULL);
    fixture_init(*state);
    return 0;
}

int set_up_small_limits(void **state)
{
    const struct fixture_shape shape = {.voting_n = 1, .block_events = 10, .submission_events = 5};

    open_fixture(state, &shape);
    fixture_init(*state);
    return 0;
}

int tear_down(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

void assert_tip_equal(const struct slk_tip *a, const struct slk_tip *b)
{
    assert_int_equal(a->height, b->height);
    assert_int_equal(a->time_ms, b->time_ms);
    assert_int_equal(a->log_size, b->log_size);
    assert_int_equal(a->rows_n, b->rows_n);
    assert_int_equal(a->events_n, b->events_n);
    assert_memory_equal(&a->block_hash, &b->block_hash, SLK_HASH_SIZE);
    assert_memory_equal(&a->seal_hash, &b->seal_hash, SLK_HASH_SIZE);
    assert_memory_equal(&a->log_root, &b->log_root, SLK_HASH_SIZE);
    assert_memory_equal(&a->map_root, &b->map_root, SLK_HASH_SIZE);
}

struct slk_tree_head signed_head(struct slk_ledger *ledger)
{
    struct slk_tree_head head = {0};
    struct slk_view *view;
    struct slk_span note;

    assert_int_equal(slk_view_begin(&view, slk_ledger_store(ledger)), SLK_OK);
    (void)!slk_view_checkpoint(view, &head, &note);
    slk_view_end(view);
    return head;
}

static void see(void *ctx, void *tag, const struct slk_result *result)
{
    struct seen *seen = ctx;

    assert_in_range(seen->n, 0, 4095);
    seen->tags[seen->n] = (size_t)(uintptr_t)tag;
    seen->results[seen->n++] = *result;
    for (size_t i = 0; result->outcome == SLK_REFUSED && result->verdict.events != NULL && i < 16; i++)
        seen->rules[i] = result->verdict.events[i];
}

void push(struct slk_ledger *ledger, struct slk_span bytes, size_t tag, struct seen *seen)
{
    struct slk_fault fault = {0};

    assert_int_equal(slk_ledger_push(ledger, bytes, (void *)(uintptr_t)tag, see, seen, &fault), SLK_OK);
}

void flush(struct slk_ledger *ledger)
{
    struct slk_fault fault = {0};

    if (slk_ledger_flush(ledger, &fault) != SLK_OK)
        fail_msg("%s", fault.text);
}

struct slk_span issue_many(struct fixture *f, uint32_t first_number, size_t n)
{
    struct fixture_batch batch = {0};
    struct slk_span bytes;

    for (size_t i = 0; i < n; i++) {
        struct fixture_life life = fixture_life(FIXTURE_CARD, first_number + (uint32_t)i);
        fixture_add(&batch, &life, SLK_ISSUE, f->now_ms);
    }
    bytes = fixture_sign(f, MINISTRY, &batch);
    fixture_batch_free(&batch);
    return bytes;
}
