/* test_store_state.c: the state at the tip: from blocks, from snapshots, from snapshots that are damaged or not ours. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger/core/map.h"
#include "tests/unit/sample.h"
#include "tests/unit/store_fixture.h"

static void compare_machines(const struct slk_machine *a, const struct slk_machine *b)
{
    struct slk_hash x, y;

    assert_memory_equal(&a->tip, &b->tip, sizeof a->tip);
    assert_int_equal(a->has_genesis, b->has_genesis);
    assert_int_equal(slk_map_count(a->map), slk_map_count(b->map));
    slk_map_root(a->map, &x);
    slk_map_root(b->map, &y);
    assert_memory_equal(&x, &y, sizeof x);
    slk_log_root(&a->log, &x);
    slk_log_root(&b->log, &y);
    assert_memory_equal(&x, &y, sizeof x);
    for (size_t i = 0; i < a->charter->types_n; i++) {
        size_t n, k;
        const uint8_t *p = slk_index_set_bits(a->indexes, a->charter->types[i].code, &n);
        const uint8_t *q = slk_index_set_bits(b->indexes, b->charter->types[i].code, &k);
        assert_int_equal(n, k);
        assert_memory_equal(p, q, n);
    }
}

/* Two threads, the way ledger/embed lends them. */
struct par_run {
    void (*job)(void *arg, size_t i);
    void *arg;
    size_t n, next;
    pthread_mutex_t lock;
};

static void *par_main(void *arg)
{
    struct par_run *r = arg;

    for (;;) {
        size_t i;

        pthread_mutex_lock(&r->lock);
        i = r->next++;
        pthread_mutex_unlock(&r->lock);
        if (i >= r->n)
            return NULL;
        r->job(r->arg, i);
    }
}

static void par_two(void *ctx, void (*job)(void *arg, size_t i), void *arg, size_t n)
{
    struct par_run r = {.job = job, .arg = arg, .n = n};
    pthread_t thread;

    (void)ctx;
    pthread_mutex_init(&r.lock, NULL);
    assert_int_equal(pthread_create(&thread, NULL, par_main, &r), 0);
    (void)par_main(&r);
    pthread_join(thread, NULL);
    pthread_mutex_destroy(&r.lock);
}

static const struct slk_par two = {.width = 2, .run = par_two};

static void load_and_compare(struct slk_store *store, const struct slk_machine *machine,
    const struct maker *m, const struct slk_par *par, const char *expected_text)
{
    struct slk_fault fault = {0};
    struct slk_machine loaded;
    enum slk_err err;

    maker_machine_new(&loaded, m);
    err = slk_store_load_state(store, &loaded, par, NULL, NULL, &fault);
    if (err != SLK_OK)
        fail_msg("load: %s: %s", slk_err_name(err), fault.text);
    if (expected_text == NULL)
        assert_string_equal(fault.text, "");
    else if (strstr(fault.text, expected_text) == NULL)
        fail_msg("`%s` should say `%s`", fault.text, expected_text);
    compare_machines(&loaded, machine);
    maker_machine_free(&loaded);
}

static void the_state_loads_from_blocks_alone(void **state)
{
    const char *dir = in_base("replay");
    struct maker *m = maker_new(20, 700);
    struct slk_store *store = create(dir, m, NULL);
    struct slk_machine machine;

    (void)state;
    maker_machine_new(&machine, m);
    load_and_compare(store, &machine, m, NULL, NULL); /* before the first block */
    for (int i = 0; i < 20; i++) {
        commit(store, maker_next(m));
        maker_execute(m, &machine);
        if (i % 5 == 0)
            load_and_compare(store, &machine, m, i % 2 == 0 ? &two : NULL, NULL);
    }
    load_and_compare(store, &machine, m, &two, NULL);
    slk_store_close(store);
    store = reopen(dir, true);
    load_and_compare(store, &machine, m, NULL, NULL);
    slk_store_close(store);
    maker_machine_free(&machine);
    maker_free(m);
}

/* Copied in small steps with blocks between: parts of many heights. */
static void a_snapshot_taken_between_blocks_loads(void **state)
{
    const char *dir = in_base("snap");
    struct maker *m = maker_new(21, 300);
    struct slk_store *store = create(dir, m, NULL);
    struct slk_snapshot *snapshot = NULL;
    struct slk_machine machine;
    unsigned taken = 0;

    (void)state;
    maker_machine_new(&machine, m);
    for (int i = 0; i < 60; i++) {
        bool done = false;

        commit(store, maker_next(m));
        maker_execute(m, &machine);
        if (snapshot == NULL)
            assert_int_equal(slk_snapshot_begin(&snapshot, store, &machine), SLK_OK);
        assert_int_equal(
            slk_snapshot_step(snapshot, &machine, slk_map_count(machine.map) * 56 / 10 + 100, &done), SLK_OK);
        if (done) {
            assert_int_equal(slk_snapshot_finish(snapshot, &machine), SLK_OK);
            snapshot = NULL;
            taken++;
        }
        load_and_compare(store, &machine, m, i % 2 == 0 ? &two : NULL, NULL);
    }
    assert_true(taken >= 2);
    slk_snapshot_abort(snapshot);
    slk_snapshot_abort(NULL);
    load_and_compare(store, &machine, m, NULL, NULL);
    assert_int_equal(access(file_in(dir, "snapshot.0"), F_OK), 0);
    assert_int_equal(access(file_in(dir, "snapshot.1"), F_OK), 0);
    slk_store_close(store);
    maker_machine_free(&machine);
    maker_free(m);
}

static void a_snapshot_never_runs_ahead_of_the_blocks(void **state)
{
    const char *dir = in_base("ahead");
    struct maker *m = maker_new(22, 100);
    struct slk_store *store = create(dir, m, NULL);
    struct slk_snapshot *snapshot;
    struct slk_machine machine;
    bool done;

    (void)state;
    maker_machine_new(&machine, m);
    commit(store, maker_next(m));
    maker_execute(m, &machine);
    commit(store, maker_next(m));
    maker_execute(m, &machine);
    (void)maker_next(m);
    maker_execute(m, &machine); /* executed, not committed */
    assert_int_equal(slk_snapshot_begin(&snapshot, store, &machine), SLK_OK);
    assert_int_equal(slk_snapshot_step(snapshot, &machine, SIZE_MAX, &done), SLK_OK);
    assert_int_equal(slk_snapshot_finish(snapshot, &machine), SLK_E_RANGE);
    commit(store, &m->block);
    load_and_compare(store, &machine, m, NULL, NULL);
    slk_store_close(store);
    maker_machine_free(&machine);
    maker_free(m);
}

static void a_damaged_snapshot_is_left_out(void **state)
{
    const char *dir = in_base("torn"), *newest, *older;
    struct maker *m = maker_new(23, 60);
    struct slk_machine machine;
    struct slk_store *store = with_snapshots(dir, m, &machine);
    uint64_t random = 99;
    uint8_t *bytes;
    size_t size;

    (void)state;
    load_and_compare(store, &machine, m, NULL, NULL);
    newest = file_in(dir, "snapshot.1"); /* the second one that was taken */
    older = file_in(dir, "snapshot.0");
    bytes = read_file(newest, &size);
    for (int i = 0; i < 60; i++) { /* truncated */
        size_t n = sample_below(&random, size);
        write_file(newest, bytes, n);
        load_and_compare(store, &machine, m, NULL, n == 0 ? NULL : "snapshot.1");
    }
    for (int i = 0; i < 60; i++) { /* torn: some 4 KiB of it are not what was written */
        size_t at = sample_below(&random, size);
        size_t n = size - at < 4096 ? size - at : 4096;
        uint8_t *torn = malloc(size);

        assert_non_null(torn);
        memcpy(torn, bytes, size);
        for (size_t k = 0; k < n; k++)
            torn[at + k] = (uint8_t)~torn[at + k];
        write_file(newest, torn, size);
        load_and_compare(store, &machine, m, i % 2 == 0 ? &two : NULL, "snapshot.1");
        free(torn);
    }
    flip_bit(older, 8 * 100); /* both: from the first block */
    load_and_compare(store, &machine, m, NULL, "snapshot");
    write_file(newest, bytes, size);
    load_and_compare(store, &machine, m, NULL, "snapshot.0");
    free(bytes);
    slk_store_close(store);
    maker_machine_free(&machine);
    maker_free(m);
}

static void a_snapshot_of_another_past_is_left_out(void **state)
{
    const char *dir = in_base("past"), *other = in_base("past2");
    struct maker *m = maker_new(24, 60), *n = maker_new(25, 60), *short_m = maker_new(24, 60);
    struct slk_machine machine, other_machine, short_machine;
    struct slk_store *store = with_snapshots(dir, m, &machine);
    uint8_t *bytes;
    size_t size;

    (void)state;
    slk_store_close(store);
    /* of a ledger with the same charter and other blocks */
    store = with_snapshots(other, n, &other_machine);
    bytes = read_file(file_in(dir, "snapshot.1"), &size);
    write_file(file_in(other, "snapshot.1"), bytes, size);
    load_and_compare(store, &other_machine, n, NULL, "not of this ledger's past");
    slk_store_close(store);
    /* of the future of a ledger that was put back */
    store = create(in_base("past3"), short_m, NULL);
    maker_machine_new(&short_machine, short_m);
    commit(store, maker_next(short_m));
    maker_execute(short_m, &short_machine);
    commit(store, maker_next(short_m));
    maker_execute(short_m, &short_machine);
    write_file(file_in(in_base("past3"), "snapshot.1"), bytes, size);
    load_and_compare(store, &short_machine, short_m, NULL, "not of this ledger's past");
    slk_store_close(store);
    free(bytes);
    maker_machine_free(&machine);
    maker_machine_free(&other_machine);
    maker_machine_free(&short_machine);
    maker_free(m);
    maker_free(n);
    maker_free(short_m);
}

static void cancelled_snapshots_leave_the_older_one(void **state)
{
    const char *dir = in_base("cancel");
    struct maker *m = maker_new(26, 60);
    struct slk_machine machine;
    struct slk_store *store = with_snapshots(dir, m, &machine);
    struct slk_snapshot_head head;
    struct slk_snapshot *snapshot;
    bool done;

    (void)state;
    assert_int_equal(slk_snapshot_begin(&snapshot, store, &machine), SLK_OK);
    assert_int_equal(slk_snapshot_step(snapshot, &machine, 1000, &done), SLK_OK);
    assert_false(done);
    slk_snapshot_abort(snapshot);
    assert_int_equal(
        slk_snapshot_open(&head, dir, 0, NULL), SLK_E_NOT_FOUND); /* the older of the two gave way */
    assert_int_equal(slk_snapshot_open(&head, dir, 1, NULL), SLK_OK);
    slk_snapshot_close(&head);
    load_and_compare(store, &machine, m, NULL, NULL);
    snapshot_now(store, &machine);
    assert_int_equal(slk_snapshot_open(&head, dir, 0, NULL), SLK_OK);
    assert_int_equal(head.highest, 11);
    slk_snapshot_close(&head);
    load_and_compare(store, &machine, m, NULL, NULL);
    slk_store_close(store);
    maker_machine_free(&machine);
    maker_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_state_loads_from_blocks_alone),
        cmocka_unit_test(a_snapshot_taken_between_blocks_loads),
        cmocka_unit_test(a_snapshot_never_runs_ahead_of_the_blocks),
        cmocka_unit_test(a_damaged_snapshot_is_left_out),
        cmocka_unit_test(a_snapshot_of_another_past_is_left_out),
        cmocka_unit_test(cancelled_snapshots_leave_the_older_one),
    };

    return cmocka_run_group_tests(tests, make_base, remove_base);
}
