/* Scenario 34 of protocol.md 5, on a ledger's directory. The others are in tests/sim/scenario*.c, test_scenarios_core.c and
 * test_scenarios_ledger.c. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/ledger_fixture.h"

enum { BLOCKS = 5 };

static void grow(struct fixture *f)
{
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger;

    fixture_init(f);
    ledger = fixture_ledger(f, &options);
    for (uint32_t i = 1; i <= BLOCKS; i++) {
        struct fixture_life life = fixture_life(FIXTURE_CARD, i);
        struct slk_span bytes = fixture_single(f, MINISTRY, &life, SLK_ISSUE);

        (void)fixture_accept(ledger, bytes); /* frees them */
    }
    slk_ledger_close(ledger);
}

/* In a process of its own. 0: opened, with all blocks; 1: refused, and said why; else: neither. */
static int open_it(const struct fixture *f, const char *dir)
{
    struct slk_ledger_options options = fixture_options((struct fixture *)(uintptr_t)f);
    struct slk_ledger *ledger;
    struct slk_fault fault = {0};
    enum slk_err err;
    int status;
    pid_t child = fork();

    if (child == 0) {
        err = slk_ledger_open(&ledger, dir, &options, &fault);
        if (err != SLK_OK)
            _exit(fault.text[0] != '\0' ? 1 : 2);
        _exit(slk_ledger_tip(ledger)->height == BLOCKS ? 0 : 3);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

/* Names of the files in `dir`; their number. */
static size_t files_of(const char *dir, char names[8][64])
{
    DIR *d = opendir(dir);
    const struct dirent *entry;
    size_t n = 0;

    assert_non_null(d);
    while ((entry = readdir(d)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        assert_true(n < 8);
        (void)snprintf(names[n++], 64, "%.63s", entry->d_name);
    }
    (void)closedir(d);
    return n;
}

/* What fixture_copy leaves behind. */
static void copy_short(const struct fixture *f, const char *file, const char *to, off_t size)
{
    char path[500], bytes[4096];
    FILE *in, *out;

    (void)snprintf(path, sizeof(path), "%s/%s", f->dir, file);
    in = fopen(path, "rb");
    out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    assert_true(size >= 0 && (size_t)size <= sizeof(bytes));
    assert_int_equal(fread(bytes, 1, (size_t)size, in), size);
    assert_int_equal(fwrite(bytes, 1, (size_t)size, out), size);
    assert_int_equal(fclose(in), 0);
    assert_int_equal(fclose(out), 0);
}

/* A copy of the ledger with `cut` bytes less at the end of one file: opens with every block, or not at all. */
static void tear(const struct fixture *f, const char *file, off_t size, off_t cut)
{
    static unsigned number;
    char copy[400], path[500];
    int answer;

    (void)snprintf(copy, sizeof(copy), "%s/cut-%u", f->root, number++);
    fixture_copy(f->dir, copy);
    (void)snprintf(path, sizeof(path), "%s/%s", copy, file);
    if (access(path, F_OK) != 0)
        copy_short(f, file, path, size - cut);
    else
        assert_int_equal(truncate(path, size - cut), 0);
    answer = open_it(f, copy);
    if (answer > 1)
        fail_msg("%s cut by %lld of %lld bytes: %d", file, (long long)cut, (long long)size, answer);
}

/* There is no log file whose tail could tear: one LMDB environment holds all; beside it stands one number, and
 * images of the map that are made again when they do not fit. */
static void scenario_34_no_file_has_a_tail_that_tears(void **state)
{
    static const char *const known[] = {
        "data.mdb", "lock.mdb", "writer.lock", "newest", "snapshot.0", "snapshot.1"};
    enum { KNOWN = sizeof(known) / sizeof(known[0]) };
    char names[8][64], path[500];
    struct fixture f;
    struct stat st;
    size_t n;

    (void)state;
    fixture_open(&f, NULL);
    grow(&f);
    assert_int_equal(open_it(&f, f.dir), 0);
    n = files_of(f.dir, names);
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;

        while (k < KNOWN && strcmp(names[i], known[k]) != 0)
            k++;
        if (k == KNOWN)
            fail_msg("what is %s?", names[i]);
    }
    (void)snprintf(path, sizeof(path), "%s/data.mdb", f.dir);
    assert_int_equal(stat(path, &st), 0);
    for (off_t i = 0; i < 12; i++)
        tear(&f, "data.mdb", st.st_size, i < 4 ? 1 + 511 * i : st.st_size / 13 * (i - 3));
    (void)snprintf(path, sizeof(path), "%s/newest", f.dir);
    assert_int_equal(stat(path, &st), 0);
    for (off_t cut = 1; cut <= st.st_size; cut++)
        tear(&f, "newest", st.st_size, cut);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scenario_34_no_file_has_a_tail_that_tears),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
