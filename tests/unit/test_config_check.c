/* The files that a configuration names: each that a start would refuse is said, with its line, in one look that leaves no trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ledger/embed/keys.h"
#include "net/config_check.h"
#include "tests/scratch.h"

static char root[256];
static struct slk_config_found found[16];
static size_t found_n, faults_n;

static const char *path(const char *name)
{
    static char out[512];

    (void)snprintf(out, sizeof(out), "%s/%s", root, name);
    return out;
}

static void make_key(const char *name)
{
    struct slk_key *key;
    struct slk_fault fault;

    assert_int_equal(slk_key_generate(&key, path(name), &fault), SLK_OK);
    slk_key_free(key);
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path(name), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path(name), 0600), 0);
}

static int make_root(void **state)
{
    (void)state;
    if (!scratch_make(root, sizeof(root), "check") || mkdir(path("l"), 0700) != 0 ||
        mkdir(path("e"), 0700) != 0)
        return -1;
    write_file("l/data.mdb", "");
    write_file("uri", "pkcs11:token=none;object=v?module-path=/nowhere.so\n");
    write_file("text", "no key\n");
    make_key("node");
    make_key("vote");
    make_key("list");
    return 0;
}

static int remove_root(void **state)
{
    (void)state;
    scratch_remove(root);
    return 0;
}

static void keep(void *ctx, const struct slk_config_found *one)
{
    (void)ctx;
    assert_true(found_n < sizeof(found) / sizeof(found[0]));
    found[found_n++] = *one;
}

/* In the lines, @ stands for the directory with the files. */
static void look(const char *lines)
{
    static struct slk_config c;
    struct slk_fault fault;
    char text[4096];
    size_t n = 0;

    for (; *lines != '\0'; lines++)
        if (*lines == '@')
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", root);
        else
            text[n++] = *lines;
    assert_int_equal(slk_config_read(&c, slk_span_of(text, n), &fault), SLK_OK);
    found_n = 0;
    faults_n = slk_config_check_files(&c, keep, NULL);
}

static void assert_said(size_t i, size_t line, const char *key, const char *why)
{
    assert_true(i < found_n);
    assert_int_equal(found[i].line, line);
    assert_string_equal(found[i].key, key);
    if (strstr(found[i].text, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", found[i].text, why);
}

#define GOOD "[node]\ndir = @/l\nagency = 1\nnode_key = @/node\n"

static void files_that_a_start_would_take_are_good(void **state)
{
    (void)state;
    look(GOOD "vote_key = @/vote\n[http]\nsocket = @/s\n[status]\nlist_key = @/list\nuri = https://a/b\n");
    assert_int_equal(faults_n, 0);
    assert_int_equal(found_n, 0);
    assert_int_not_equal(access(path("s"), F_OK), 0);
}

static void all_faults_are_said_at_once_and_each_has_its_line(void **state)
{
    (void)state;
    look("[node]\ndir = @/none/l\nagency = 1\nnode_key = @/missing\nvote_key = @/text\nlog_key = @/l\n"
         "cosign_key = @/vote\nnext_cosign_key = @/vote\n[http]\ntls_listen = 127.0.0.1:1\n"
         "certificate = @/missing\nkey = @/text\nreaders = @/text\n[status]\nlist_key = @/vote\nuri = a\n"
         "[witnesses]\nca_file = @/missing\na = "
         "w.example/a+c6f42b8d+BDtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop https://a\n");
    assert_int_equal(faults_n, 11);
    assert_int_equal(found_n, 11);
    assert_said(0, 2, "dir", "none/: No such file or directory: make it");
    assert_said(1, 4, "node_key", "missing: No such file or directory: correct the name");
    assert_said(2, 5, "vote_key", "text: not an unencrypted Ed25519 private key");
    assert_said(3, 6, "log_key", "l: not a file");
    assert_said(4, 8, "next_cosign_key", "the same key as cosign_key");
    assert_said(5, 11, "certificate", "missing: No such file or directory: correct the name");
    assert_said(6, 12, "key", "not an unencrypted private key in PEM");
    assert_said(7, 13, "readers", "not a list of certificates");
    assert_said(8, 15, "list_key", "the same key as cosign_key");
    assert_said(9, 16, "uri", "write https://");
    assert_said(10, 18, "ca_file", "missing: No such file");
}

static void what_a_start_does_not_read_is_not_looked_at(void **state)
{
    (void)state;
    look(GOOD "[http]\ncertificate = @/missing\nkey = @/missing\n[status]\nlist_key = @/missing\n"
              "uri = https://a/b\n[witnesses]\nca_file = @/missing\n");
    assert_int_equal(found_n, 0);
}

/* The module is nowhere: to ask it would be a fault. */
static void no_token_is_asked(void **state)
{
    (void)state;
    look(GOOD "vote_key = pkcs11:token=none;object=v?module-path=/nowhere.so\nlog_key = @/uri\n"
              "cosign_key = @/uri\n");
    assert_int_equal(faults_n, 0);
    assert_int_equal(found_n, 3);
    assert_true(found[0].is_unchecked && found[1].is_unchecked && found[2].is_unchecked);
    assert_said(0, 5, "vote_key", "was not asked");
    look(GOOD "next_node_key = @/uri\n[http]\nsocket = @/s\n[status]\nlist_key = @/uri\nuri = https://a/b\n");
    assert_int_equal(faults_n, 2);
    assert_said(0, 5, "next_node_key", "only keys for votes and checkpoints");
    assert_said(1, 9, "list_key", "only keys for votes and checkpoints");
}

/* Whoever opens a pipe waits for its other end, and a device goes on for ever; SIGHUP reads them on the thread that votes. */
static void what_has_no_end_is_not_read(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(path("pipe"), 0600), 0);
    look(GOOD "vote_key = @/pipe\n[http]\ntls_listen = 127.0.0.1:1\ncertificate = @/pipe\nkey = @/pipe\n"
              "readers = @/pipe\nsubmitters = /dev/zero\n");
    assert_int_equal(faults_n, 5);
    assert_said(0, 5, "vote_key", "pipe: not a file");
    assert_said(1, 8, "certificate", "pipe: not a file");
    assert_said(2, 9, "key", "pipe: not a file");
    assert_said(3, 10, "readers", "pipe: not a file");
    assert_said(4, 11, "submitters", "/dev/zero: not a file");
    write_file("large", "no certificate\n");
    assert_int_equal(truncate(path("large"), ((off_t)16 << 20) + 1), 0);
    look(
        GOOD "[http]\ntls_listen = 127.0.0.1:1\ncertificate = /dev/zero\nkey = @/large\nreaders = @/large\n");
    assert_int_equal(faults_n, 3);
    assert_said(0, 7, "certificate", "/dev/zero: not a file");
    assert_said(1, 8, "key", "large: larger than");
    assert_said(2, 9, "readers", "large: larger than");
}

static void a_ledger_must_have_been_made(void **state)
{
    (void)state;
    look("[node]\ndir = @/none/\nagency = 1\nnode_key = @/node\n");
    assert_int_equal(faults_n, 1);
    assert_said(0, 2, "dir", "none/: No such file or directory: make it with `sillok init`");
    look("[node]\ndir = @/e\nagency = 1\nnode_key = @/node\n");
    assert_int_equal(faults_n, 1);
    assert_said(0, 2, "dir", "data.mdb: No such file or directory: make the ledger");
    look("[node]\ndir = @/text\nagency = 1\nnode_key = @/node\n");
    assert_int_equal(faults_n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_that_a_start_would_take_are_good),
        cmocka_unit_test(all_faults_are_said_at_once_and_each_has_its_line),
        cmocka_unit_test(what_a_start_does_not_read_is_not_looked_at),
        cmocka_unit_test(no_token_is_asked),
        cmocka_unit_test(what_has_no_end_is_not_read),
        cmocka_unit_test(a_ledger_must_have_been_made),
    };

    return cmocka_run_group_tests(tests, make_root, remove_root);
}
