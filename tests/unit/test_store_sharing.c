/* test_store_sharing.c: several at one ledger: nobody writes twice; threads and processes read beside the writer; backups. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/scratch.h"
#include "tests/unit/store_fixture.h"

/* ---- several of us ---- */
static void a_second_writer_is_refused_by_name(void **state)
{
    const char *dir = in_base("second");
    struct maker *m = maker_new(1, SMALL);
    struct slk_store *store = create(dir, m, NULL), *other;
    struct slk_fault fault = {0};
    char pid[32];
    int status;
    pid_t child;

    (void)state;
    (void)snprintf(pid, sizeof pid, "process %ld ", (long)getpid());
    assert_int_equal(slk_store_open(&other, dir, NULL, &fault), SLK_E_IN_USE);
    assert_non_null(strstr(fault.text, pid));
    child = fork();
    if (child == 0)
        _exit(slk_store_open(&other, dir, NULL, &fault) == SLK_E_IN_USE && strstr(fault.text, pid) != NULL
                  ? 0
                  : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(slk_store_create(&other, dir, maker_charter(m), NULL, &fault), SLK_E_IN_USE);
    commit(store, maker_next(m)); /* the first one goes on */
    slk_store_close(store);
    slk_store_close(reopen(dir, false));
    maker_free(m);
}

static void readers_of_the_same_process_share_the_environment(void **state)
{
    const char *dir = in_base("share");
    struct maker *m = maker_new(1, SMALL);
    struct slk_store *writer = create(dir, m, NULL), *reader = reopen(dir, true), *other;
    struct slk_view *view = view_of(reader);
    struct slk_fault fault = {0};

    (void)state;
    for (int i = 0; i < 10; i++) {
        commit(writer, maker_next(m));
        assert_int_equal(slk_view_renew(view), SLK_OK);
        assert_int_equal(slk_view_tip(view)->height, i);
        compare_block(view, &m->block);
    }
    slk_store_close(writer);
    compare_block(view, &m->block);
    writer = reopen(dir, false);
    commit(writer, maker_next(m));
    slk_store_close(writer);
    slk_view_end(view);
    slk_store_close(reader);

    reader = reopen(dir, true);
    assert_int_equal(
        slk_store_open(&other, dir, NULL, &fault), SLK_E_IN_USE); /* LMDB could not tell the two apart */
    assert_non_null(strstr(fault.text, "reading"));
    slk_store_close(reader);
    maker_free(m);
}

static void wait_for(int fd)
{
    char c;

    if (read(fd, &c, 1) != 1)
        _exit(9);
}

static void go(int fd)
{
    assert_int_equal(write(fd, "x", 1), 1);
}

/* Another process, with a map of its own that is soon too small. */
static int follow_from_outside(const char *dir, int from_writer, int to_writer, int blocks)
{
    struct slk_store_options options = {.read_only = true, .map_size = 1 << 20};
    struct maker *m = maker_new(5, 200);
    struct slk_store *store;
    struct slk_view *view;

    wait_for(from_writer);
    if (slk_store_open(&store, dir, &options, NULL) != SLK_OK || slk_view_begin(&view, store) != SLK_OK)
        return 2;
    for (int i = 0; i < blocks; i++) {
        struct slk_view_block stored;
        const struct slk_block *b = maker_next_of(m, 200);

        if (write(to_writer, "x", 1) != 1)
            return 3;
        wait_for(from_writer);
        if (slk_view_renew(view) != SLK_OK || slk_view_tip(view)->height != b->header.height)
            return 4;
        if (slk_view_block(view, b->header.height, &stored) != SLK_OK ||
            memcmp(stored.header, b->header_bytes, SLK_BLOCK_HEADER_SIZE) != 0 ||
            memcmp(stored.entries.at, b->entries, b->entries_size) != 0)
            return 5;
    }
    slk_view_end(view);
    slk_store_close(store);
    maker_free(m);
    return 0;
}

static void another_process_sees_blocks_and_the_grown_map(void **state)
{
    const int blocks = 60;
    struct slk_store_options options = {.map_size = 1 << 20, .map_headroom = 1 << 16};
    const char *dir = in_base("outside");
    struct maker *m = maker_new(5, 200);
    struct slk_store *store;
    struct stat st;
    int to[2], from[2], status;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(from), 0);
    child = fork();
    if (child == 0) {
        close(to[1]);
        close(from[0]);
        _exit(follow_from_outside(dir, to[0], from[1], blocks));
    }
    close(to[0]);
    close(from[1]);
    store = create(dir, m, &options);
    go(to[1]);
    for (int i = 0; i < blocks; i++) {
        char c;
        if (read(from[0], &c, 1) != 1)
            break;
        commit(store, maker_next_of(m, 200));
        go(to[1]);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(stat(file_in(dir, "data.mdb"), &st), 0);
    assert_true(st.st_size > 2 << 20);
    close(to[1]);
    close(from[0]);
    slk_store_close(store);
    maker_free(m);
}

struct reading {
    struct slk_store *store;
    uint64_t until;
    bool good;
};

static void *read_along(void *arg)
{
    struct reading *r = arg;
    struct slk_view *view;
    const struct slk_tip *tip;

    r->good = slk_view_begin(&view, r->store) == SLK_OK;
    do {
        struct slk_view_block block;
        struct slk_span entry;

        tip = slk_view_tip(view);
        r->good = r->good && slk_view_entry(view, tip->log_size - 1, &entry) == SLK_OK &&
                  slk_view_block(view, tip->height, &block) == SLK_OK;
        if (tip->height >= r->until || !r->good)
            break;
        r->good = slk_view_renew(view) == SLK_OK;
    } while (r->good);
    slk_view_end(view);
    return NULL;
}

static void threads_read_while_the_map_grows(void **state)
{
    struct slk_store_options options = {.map_size = 1 << 20, .map_headroom = 1 << 17};
    struct maker *m = maker_new(6, 300);
    struct slk_store *store = create(in_base("threads"), m, &options);
    struct reading readings[3];
    pthread_t threads[3];

    (void)state;
    commit(store, maker_next(m));
    for (int i = 0; i < 3; i++) {
        readings[i] = (struct reading){.store = store, .until = 60};
        assert_int_equal(pthread_create(&threads[i], NULL, read_along, &readings[i]), 0);
    }
    for (int i = 0; i < 60; i++)
        commit(store, maker_next(m));
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_true(readings[i].good);
    }
    slk_store_close(store);
    maker_free(m);
}

/* ---- backup ---- */
static void a_backup_is_the_ledger_as_it_was(void **state)
{
    const char *dir = in_base("live"), *to = in_base("copy");
    struct maker *m = maker_new(11, SMALL), *again = maker_new(11, SMALL);
    struct slk_store *store = create(dir, m, NULL), *copy;
    struct slk_fault fault = {0};
    struct slk_view *view;

    (void)state;
    for (int i = 0; i < 20; i++)
        commit(store, maker_next(m));
    assert_int_equal(slk_store_backup(dir, to, NULL, NULL, &fault), SLK_OK); /* its own process writes on */
    for (int i = 0; i < 20; i++)
        commit(store, maker_next(m));
    assert_int_equal(slk_store_backup(dir, to, NULL, NULL, &fault), SLK_E_EXISTS);
    assert_int_equal(
        slk_store_backup(in_base("nothing"), in_base("c2"), NULL, NULL, &fault), SLK_E_NOT_FOUND);
    assert_int_equal(slk_store_backup(dir, in_base("no/where"), NULL, NULL, &fault), SLK_E_NOT_FOUND);
    slk_store_close(store);
    copy = reopen(to, false);
    assert_int_equal(slk_store_tip(copy)->height, 19);
    view = view_of(copy);
    for (int i = 0; i < 20; i++)
        compare_block(view, maker_next(again));
    slk_view_end(view);
    commit(copy, maker_next(again)); /* and it can go on by itself */
    slk_store_close(copy);
    maker_free(m);
    maker_free(again);
}

static int back_up_often(const char *dir, int times)
{
    const char *to = in_base("backup");

    for (int i = 0; i < times; i++) {
        struct slk_fault fault = {0};

        if (slk_store_backup(dir, to, NULL, NULL, &fault) != SLK_OK)
            return 2;
        if (slk_store_fsck(to, NULL, NULL, NULL, NULL, &fault) != SLK_OK)
            return 3;
        scratch_remove(to);
    }
    return 0;
}

static void backups_and_fsck_run_beside_a_writer(void **state)
{
    const char *dir = in_base("busy");
    struct maker *m = maker_new(12, 30);
    struct slk_store *store = create(dir, m, NULL);
    struct slk_fault fault = {0};
    int status = -1;
    pid_t child;

    (void)state;
    commit(store, maker_next(m));
    child = fork();
    if (child == 0)
        _exit(back_up_often(dir, 25));
    for (int i = 0; i < 5000 && waitpid(child, &status, WNOHANG) == 0; i++) {
        commit(store, maker_next_of(m, 1 + (unsigned)i % 20));
        if (i % 50 == 0)
            assert_int_equal(slk_store_fsck(dir, NULL, NULL, NULL, NULL, &fault), SLK_OK);
    }
    if (status == -1)
        (void)waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    slk_store_close(store);
    maker_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_writer_is_refused_by_name),
        cmocka_unit_test(readers_of_the_same_process_share_the_environment),
        cmocka_unit_test(another_process_sees_blocks_and_the_grown_map),
        cmocka_unit_test(threads_read_while_the_map_grows),
        cmocka_unit_test(a_backup_is_the_ledger_as_it_was),
        cmocka_unit_test(backups_and_fsck_run_beside_a_writer),
    };

    return cmocka_run_group_tests(tests, make_base, remove_base);
}
