/* Keys in a token: SoftHSM's, through a module that can lose it (p11_shim.c, the program's argument). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "ledger/embed/keys.h"
#include "ledger/embed/token.h"
#include "ledger/verify/bytes.h"
#include "ledger/verify/sig.h"
#include "tests/scratch.h"

extern char **environ;

static char root[256];
static char module[600]; /* p11-kit looks for others than whole paths in a directory of its own */

static const char *path(const char *name)
{
    static char out[512];

    snprintf(out, sizeof(out), "%s/%s", root, name);
    return out;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    FILE *file = fopen(path(name), "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path(name), mode), 0);
}

/* Whole and at once: the module may be reading it. */
static void set_mode(const char *word)
{
    char to[512];

    write_file("mode.new", word, 0600);
    snprintf(to, sizeof(to), "%s", path("mode"));
    assert_int_equal(rename(path("mode.new"), to), 0);
}

static bool run_program(char *const *argv)
{
    posix_spawn_file_actions_t files;
    int status = -1;
    pid_t pid;

    if (posix_spawn_file_actions_init(&files) != 0)
        return false;
    (void)posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    (void)posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    if (posix_spawnp(&pid, argv[0], &files, NULL, argv, environ) == 0)
        (void)waitpid(pid, &status, 0);
    posix_spawn_file_actions_destroy(&files);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void init_token(const char *label)
{
    char name[64];

    snprintf(name, sizeof(name), "%s", label);
    char *argv[] = {(char[]){"softhsm2-util"}, (char[]){"--init-token"}, (char[]){"--free"},
        (char[]){"--label"}, name, (char[]){"--pin"}, (char[]){"1234"}, (char[]){"--so-pin"},
        (char[]){"5678"}, NULL};

    assert_true(run_program(argv));
}

static void import(EVP_PKEY *pkey, const char *label, const char *id)
{
    FILE *file = fopen(path("import.pem"), "w");
    char pem[512], name[64], hex[32];

    assert_non_null(file);
    assert_non_null(pkey);
    assert_int_equal(PEM_write_PKCS8PrivateKey(file, pkey, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    snprintf(pem, sizeof(pem), "%s", path("import.pem"));
    snprintf(name, sizeof(name), "%s", label);
    snprintf(hex, sizeof(hex), "%s", id);
    char *argv[] = {(char[]){"softhsm2-util"}, (char[]){"--import"}, pem, (char[]){"--token"},
        (char[]){"agency"}, (char[]){"--label"}, name, (char[]){"--id"}, hex, (char[]){"--pin"},
        (char[]){"1234"}, NULL};

    assert_true(run_program(argv));
    EVP_PKEY_free(pkey);
}

static const char *uri(const char *rest)
{
    static char out[1024];

    snprintf(
        out, sizeof(out), "pkcs11:token=agency;%s?module-path=%s&pin-source=file:%s/pin", rest, module, root);
    return out;
}

static const uint8_t seed[32] = {7, 7, 7};

static int make_world(void **state)
{
    char conf[700];

    (void)state;
    if (!scratch_make(root, sizeof(root), "token") || mkdir(path("tokens"), 0700) != 0)
        return -1;
    snprintf(conf, sizeof(conf), "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n",
        path("tokens"));
    write_file("softhsm.conf", conf, 0600);
    setenv("SOFTHSM2_CONF", path("softhsm.conf"), 1);
    setenv("SLK_P11_SHIM", path("mode"), 1);
    unsetenv("CREDENTIALS_DIRECTORY");
    set_mode("");
    write_file("pin", "1234\n", 0600);
    init_token("agency");
    init_token("twin");
    import(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32), "ed", "01");
    import(EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"), "p256", "02");
    import(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "double", "03");
    import(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "double", "04");
    return 0;
}

static int remove_world(void **state)
{
    (void)state;
    scratch_remove(root);
    return 0;
}

static struct slk_key *load(const char *rest)
{
    struct slk_fault fault = {0};
    struct slk_key *key;
    enum slk_err err = slk_key_load(&key, uri(rest), &fault);

    if (err != SLK_OK)
        fail_msg("%s: %s", slk_err_name(err), fault.text);
    return key;
}

static void assert_refused(const char *name, enum slk_err err, const char *why)
{
    struct slk_key *key = (void *)&key;
    struct slk_fault fault = {0};
    enum slk_err got = slk_key_load(&key, name, &fault);

    if (got != err || strstr(fault.text, why) == NULL)
        fail_msg("%s: %s %s: expected %s with \"%s\"", name, slk_err_name(got), fault.text, slk_err_name(err),
            why);
    assert_null(key);
    assert_null(strstr(fault.text, "1234"));
    assert_null(strstr(fault.text, "4321"));
}

static void assert_signs(const struct slk_key *key)
{
    struct slk_fault fault;
    uint8_t sig[64];
    enum slk_err err = slk_key_sign_or_say(key, sig, "statement", 9, &fault);

    if (err != SLK_OK)
        fail_msg("%s: %s", slk_err_name(err), fault.text);
    assert_true(slk_sig_verify(sig, "statement", 9, slk_key_public(key)));
}

static void assert_does_not_sign(const struct slk_key *key, enum slk_err err, const char *why)
{
    static const uint8_t zero[64];
    struct slk_fault fault;
    uint8_t sig[64] = {0};

    assert_int_equal(slk_key_sign_or_say(key, sig, "statement", 9, &fault), err);
    if (strstr(fault.text, why) == NULL)
        fail_msg("%s: expected \"%s\"", fault.text, why);
    assert_memory_equal(sig, zero, 64);
}

/* ---- the key ---- */

static void a_token_signs_what_a_file_would(void **state)
{
    struct slk_key *here, *there = load("object=ed;type=private");
    uint8_t a[64], b[64];

    (void)state;
    assert_int_equal(slk_key_from_seed(&here, seed), SLK_OK);
    assert_memory_equal(slk_key_public(there), slk_key_public(here), 32);
    assert_int_equal(slk_key_sign(here, a, "statement", 9), SLK_OK);
    assert_int_equal(slk_key_sign(there, b, "statement", 9), SLK_OK);
    assert_memory_equal(a, b, 64); /* RFC 8032: one key, one message, one signature */
    assert_int_equal(slk_key_sign(here, a, "", 0), SLK_OK);
    assert_int_equal(slk_key_sign(there, b, "", 0), SLK_OK);
    assert_memory_equal(a, b, 64);
    assert_true(slk_key_is_held_elsewhere(there));
    assert_false(slk_key_is_held_elsewhere(here));
    assert_null(slk_key_seed(there));
    slk_key_free(here);
    slk_key_free(there);
}

static void the_public_key_may_be_bare(void **state)
{
    struct slk_key *key;

    (void)state;
    set_mode("bare");
    key = load("object=ed");
    set_mode("");
    assert_signs(key);
    slk_key_free(key);
}

static void a_key_is_found_by_its_id(void **state)
{
    struct slk_key *key = load("id=%01"), *one = load("object=double;id=%03"),
                   *other = load("object=double;id=%04");

    (void)state;
    assert_signs(key);
    assert_signs(one);
    assert_memory_not_equal(slk_key_public(one), slk_key_public(other), 32);
    slk_key_free(key);
    slk_key_free(one);
    slk_key_free(other);
}

static void a_file_may_hold_the_uri(void **state)
{
    struct slk_fault fault = {0};
    struct slk_key *key;

    (void)state;
    assert_int_equal(slk_key_save_uri(uri("object=ed"), path("vote.pem"), &fault), SLK_OK);
    assert_int_equal(slk_key_save_uri(uri("object=ed"), path("vote.pem"), &fault), SLK_E_EXISTS);
    assert_int_equal(slk_key_load(&key, path("vote.pem"), &fault), SLK_OK);
    assert_signs(key);
    slk_key_free(key);
    write_file("two.pem", "pkcs11:object=a\npkcs11:object=b\n", 0600);
    assert_refused(path("two.pem"), SLK_E_KEY, "not an unencrypted");
    write_file("open.pem", uri("object=ed"), 0644);
    assert_refused(path("open.pem"), SLK_E_KEY, "chmod");
}

static void a_key_made_in_the_token_can_be_used(void **state)
{
    struct slk_fault fault = {0};
    uint8_t public_key[32];
    struct slk_key *key;

    (void)state;
    assert_int_equal(slk_token_generate(public_key, uri("object=fresh"), &fault), SLK_OK);
    key = load("object=fresh");
    assert_memory_equal(slk_key_public(key), public_key, 32);
    assert_signs(key);
    slk_key_free(key);
    assert_int_equal(slk_token_generate(public_key, uri("object=fresh"), &fault), SLK_E_EXISTS);
    assert_int_equal(slk_token_generate(public_key, uri("id=%09"), &fault), SLK_E_KEY);
    assert_non_null(strstr(fault.text, "object="));
}

/* ---- what is refused ---- */

static void a_key_the_formats_have_no_room_for_is_refused(void **state)
{
    (void)state;
    assert_refused(uri("object=p256"), SLK_E_KEY, "Ed25519 by format");
}

static void a_name_for_no_key_or_for_two_is_refused(void **state)
{
    char twins[1200];

    (void)state;
    assert_refused(uri("object=nobody"), SLK_E_NOT_FOUND, "no private key of that name");
    assert_refused(uri("object=double"), SLK_E_KEY, "add their id=");
    assert_refused(uri("serial=1"), SLK_E_KEY, "says no key");
    assert_refused(uri("object=ed;type=public"), SLK_E_KEY, "must be private");
    assert_refused(uri("object=ed;slot-id=99"), SLK_E_SIGNER, "no such token");
    snprintf(twins, sizeof(twins), "pkcs11:object=ed?module-path=%s&pin-source=file:%s", module, path("pin"));
    assert_refused(twins, SLK_E_KEY, "tokens fit");
    snprintf(twins, sizeof(twins), "pkcs11:token=nowhere;object=ed?module-path=%s", module);
    assert_refused(twins, SLK_E_SIGNER, "no such token");
    assert_refused(
        "pkcs11:token=agency;object=ed?module-path=/no/such/module.so", SLK_E_SIGNER, "cannot be loaded");
    assert_refused("pkcs11:object=%zz", SLK_E_KEY, "not a PKCS#11 URI");
    assert_refused("pkcs11:colour=blue;object=ed", SLK_E_KEY, "unknown words");
}

static void a_pin_is_read_from_where_nobody_looks(void **state)
{
    char name[1200];
    struct slk_key *key;
    struct slk_fault fault = {0};

    (void)state;
    assert_refused("pkcs11:object=ed?pin-value=1234", SLK_E_KEY, "no place in a URI");
    snprintf(name, sizeof(name), "pkcs11:token=agency;object=ed?module-path=%s", module);
    assert_refused(name, SLK_E_KEY, "no PIN");
    setenv("CREDENTIALS_DIRECTORY", root, 1);
    write_file("pkcs11-pin", "1234", 0440);
    assert_int_equal(slk_key_load(&key, name, &fault), SLK_OK);
    slk_key_free(key);
    snprintf(name, sizeof(name), "pkcs11:token=agency;object=ed?module-path=%s&pin-source=pin", module);
    assert_int_equal(slk_key_load(&key, name, &fault), SLK_OK);
    slk_key_free(key);
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_int_equal(chmod(path("pin"), 0644), 0);
    assert_refused(uri("object=ed"), SLK_E_KEY, "others may read the PIN");
    write_file("pin", "\n", 0600);
    assert_refused(uri("object=ed"), SLK_E_KEY, "holds no PIN");
    assert_int_equal(unlink(path("pin")), 0);
    assert_refused(uri("object=ed"), SLK_E_KEY, "the PIN's file");
    write_file("pin", "1234\n", 0600);
}

static void a_wrong_pin_is_tried_once(void **state)
{
    struct slk_key *key = load("object=ed");

    (void)state;
    set_mode("gone"); /* and with the sessions the login */
    assert_does_not_sign(key, SLK_E_SIGNER, "no such token");
    set_mode("");
    write_file("pin", "4321\n", 0600);
    assert_does_not_sign(key, SLK_E_KEY, "refuses the PIN");
    write_file("pin", "1234\n", 0600);
    assert_does_not_sign(key, SLK_E_KEY, "not tried again");
    slk_key_free(key);
    write_file("pin", "4321\n", 0600);
    assert_refused(uri("object=ed"), SLK_E_KEY, "refuses the PIN");
    write_file("pin", "1234\n", 0600);
    key = load("object=ed"); /* whoever starts anew may try again */
    slk_key_free(key);
}

/* ---- a token that goes and comes ---- */

static void a_token_that_was_away_signs_again(void **state)
{
    struct slk_key *key = load("object=ed"), *other = load("object=double;id=%03");

    (void)state;
    for (int round = 0; round < 3; round++) {
        assert_signs(key);
        assert_signs(other);
        set_mode("gone");
        for (int i = 0; i <= round; i++)
            assert_does_not_sign(key, SLK_E_SIGNER, "no such token");
        set_mode("");
        assert_signs(other); /* which has not heard of it */
        assert_signs(key);
    }
    slk_key_free(key);
    slk_key_free(other);
}

static void a_module_that_lost_its_device_is_started_anew(void **state)
{
    struct slk_key *key = load("object=ed"), *other = load("object=double;id=%03");

    (void)state;
    set_mode("broken");
    assert_does_not_sign(key, SLK_E_SIGNER, "no such token");
    set_mode("");
    assert_signs(key); /* the second call in a row that finds it so */
    assert_signs(other);
    slk_key_free(key);
    slk_key_free(other);
}

static void a_wrong_signature_leaves_nobody(void **state)
{
    struct slk_key *key = load("object=ed");

    (void)state;
    set_mode("wrong");
    assert_does_not_sign(key, SLK_E_SIGNER, "wrong signature");
    assert_refused(uri("object=ed"), SLK_E_SIGNER, "wrong signature");
    set_mode("");
    assert_signs(key);
    slk_key_free(key);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_signs_what_a_file_would),
        cmocka_unit_test(the_public_key_may_be_bare),
        cmocka_unit_test(a_key_is_found_by_its_id),
        cmocka_unit_test(a_file_may_hold_the_uri),
        cmocka_unit_test(a_key_made_in_the_token_can_be_used),
        cmocka_unit_test(a_key_the_formats_have_no_room_for_is_refused),
        cmocka_unit_test(a_name_for_no_key_or_for_two_is_refused),
        cmocka_unit_test(a_pin_is_read_from_where_nobody_looks),
        cmocka_unit_test(a_wrong_pin_is_tried_once),
        cmocka_unit_test(a_token_that_was_away_signs_again),
        cmocka_unit_test(a_module_that_lost_its_device_is_started_anew),
        cmocka_unit_test(a_wrong_signature_leaves_nobody),
    };
    char *const probe[] = {(char[]){"softhsm2-util"}, (char[]){"--version"}, NULL};

    if (argc < 2 || getcwd(module, sizeof(module)) == NULL)
        return 2;
    if (argv[1][0] == '/')
        snprintf(module, sizeof(module), "%s", argv[1]);
    else
        snprintf(module + strlen(module), sizeof(module) - strlen(module), "/%s", argv[1]);
    if (!run_program(probe)) {
        printf("1..0 # SKIP softhsm2-util is not installed\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, make_world, remove_world);
}
