/* Keys in files: what is written is read again, what is not a private key of one owner is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
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

#include "tests/find.h"
#include "tests/scratch.h"
#include "tests/unit/ledger_fixture.h"

static char root[256];

static const char *path(const char *name)
{
    static char out[512];

    snprintf(out, sizeof(out), "%s/%s", root, name);
    return out;
}

static int make_root(void **state)
{
    (void)state;
    return scratch_make(root, sizeof(root), "keys") ? 0 : -1;
}

static int remove_root(void **state)
{
    (void)state;
    scratch_remove(root);
    return 0;
}

static void write_file(const char *name, const char *text, mode_t mode)
{
    FILE *file = fopen(path(name), "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path(name), mode), 0);
}

static void read_file(const char *name, char *out, size_t cap)
{
    FILE *file = fopen(path(name), "r");
    size_t n;

    assert_non_null(file);
    n = fread(out, 1, cap - 1, file);
    out[n] = '\0';
    fclose(file);
}

static void assert_load_refused(const char *name, enum slk_err err)
{
    struct slk_key *key = (void *)&key;
    struct slk_fault fault = {0};

    assert_int_equal(slk_key_load(&key, path(name), &fault), err);
    assert_null(key);
    assert_non_null(strstr(fault.text, name)); /* which file */
}

static void a_seed_gives_the_key_of_rfc_8032(void **state)
{
    /* RFC 8032 §7.1, tests 1 and 2 */
    static const struct {
        const char *seed, *public_key, *message, *signature;
    } vectors[] = {
        {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655"
            "141438e7a100b"},
        {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d29161"
            "2bb0c00"},
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        uint8_t seed[32], expected[64], message[1], sig[64];
        size_t message_n = strlen(vectors[i].message) / 2;
        struct slk_key *key;

        assert_true(slk_hex_parse(seed, 32, vectors[i].seed, 64));
        assert_int_equal(slk_key_from_seed(&key, seed), SLK_OK);
        assert_true(slk_hex_parse(expected, 32, vectors[i].public_key, 64));
        assert_memory_equal(slk_key_public(key), expected, 32);
        assert_true(slk_hex_parse(message, message_n, vectors[i].message, 2 * message_n));
        assert_int_equal(slk_key_sign(key, sig, message, message_n), SLK_OK);
        assert_true(slk_hex_parse(expected, 64, vectors[i].signature, 128));
        assert_memory_equal(sig, expected, 64);
        assert_true(slk_sig_verify(sig, message, message_n, slk_key_public(key)));
        slk_key_free(key);
    }
    slk_key_free(NULL);
}

static void a_generated_key_is_private_and_loads_again(void **state)
{
    struct slk_key *key, *again, *other;
    struct slk_fault fault = {0};
    uint8_t a[64], b[64];
    struct stat st;

    (void)state;
    assert_int_equal(slk_key_generate(&key, path("log.pem"), &fault), SLK_OK);
    assert_int_equal(stat(path("log.pem"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(slk_key_load(&again, path("log.pem"), &fault), SLK_OK);
    assert_memory_equal(slk_key_public(again), slk_key_public(key), 32);
    assert_int_equal(slk_key_sign(key, a, "statement", 9), SLK_OK);
    assert_int_equal(slk_key_sign(again, b, "statement", 9), SLK_OK);
    assert_memory_equal(a, b, 64);
    assert_true(slk_sig_verify(a, "statement", 9, slk_key_public(key)));
    assert_int_equal(slk_key_generate(&other, path("other.pem"), &fault), SLK_OK);
    assert_memory_not_equal(slk_key_public(other), slk_key_public(key), 32);
    slk_key_free(other);
    slk_key_free(again);
    slk_key_free(key);
}

static void a_key_file_is_never_overwritten(void **state)
{
    char before[1024], after[1024];
    struct slk_key *key, *second = (void *)&key;
    struct slk_fault fault = {0};

    (void)state;
    assert_int_equal(slk_key_generate(&key, path("once.pem"), &fault), SLK_OK);
    read_file("once.pem", before, sizeof(before));
    assert_int_equal(slk_key_generate(&second, path("once.pem"), &fault), SLK_E_EXISTS);
    assert_null(second);
    assert_non_null(strstr(fault.text, "once.pem"));
    assert_int_equal(slk_key_save(key, path("once.pem"), &fault), SLK_E_EXISTS);
    read_file("once.pem", after, sizeof(after));
    assert_string_equal(before, after);
    slk_key_free(key);
}

static void a_key_that_cannot_be_written_leaves_no_file(void **state)
{
    struct slk_key *key = fixture_key(1);
    struct slk_fault fault = {0};

    (void)state;
    assert_int_equal(slk_key_save(key, path("no/such/folder.pem"), &fault), SLK_E_IO);
    assert_int_equal(access(path("no"), F_OK), -1);
    slk_key_free(key);
}

static void a_key_others_may_read_is_refused(void **state)
{
    struct slk_key *key;
    struct slk_fault fault = {0};
    static const mode_t open_modes[] = {0640, 0604, 0660, 0644, 0601, 0777};

    (void)state;
    assert_int_equal(slk_key_generate(&key, path("shared.pem"), &fault), SLK_OK);
    slk_key_free(key);
    for (size_t i = 0; i < sizeof(open_modes) / sizeof(open_modes[0]); i++) {
        assert_int_equal(chmod(path("shared.pem"), open_modes[i]), 0);
        assert_load_refused("shared.pem", SLK_E_KEY);
    }
    assert_int_equal(chmod(path("shared.pem"), 0400), 0);
    assert_int_equal(slk_key_load(&key, path("shared.pem"), &fault), SLK_OK);
    slk_key_free(key);
}

static void what_is_no_key_is_refused(void **state)
{
    struct slk_key *key;
    struct slk_fault fault = {0};
    char text[1024], cut[1024];

    (void)state;
    assert_load_refused("missing.pem", SLK_E_NOT_FOUND);
    write_file("empty.pem", "", 0600);
    assert_load_refused("empty.pem", SLK_E_KEY);
    write_file("prose.pem", "my secret key\n", 0600);
    assert_load_refused("prose.pem", SLK_E_KEY);
    assert_int_equal(mkdir(path("folder.pem"), 0700), 0);
    assert_load_refused("folder.pem", SLK_E_KEY);
    assert_int_equal(slk_key_generate(&key, path("whole.pem"), &fault), SLK_OK);
    slk_key_free(key);
    read_file("whole.pem", text, sizeof(text));
    for (size_t size = 0; size + 1 < strlen(text); size++) { /* without its last line break it is still one */
        snprintf(cut, sizeof(cut), "%.*s", (int)size, text);
        write_file("cut.pem", cut, 0600);
        if (slk_key_load(&key, path("cut.pem"), &fault) == SLK_OK)
            fail_msg("%zu of %zu bytes are taken for a key", size, strlen(text));
    }
}

static void write_foreign(const char *name, EVP_PKEY *pkey, const char *passphrase)
{
    FILE *file = fopen(path(name), "w");

    assert_non_null(file);
    assert_non_null(pkey);
    assert_int_equal(PEM_write_PKCS8PrivateKey(file, pkey, passphrase != NULL ? EVP_aes_128_cbc() : NULL,
                         passphrase, passphrase != NULL ? (int)strlen(passphrase) : 0, NULL, NULL),
        1);
    fclose(file);
    assert_int_equal(chmod(path(name), 0600), 0);
}

static void keys_of_another_kind_or_under_a_passphrase_are_refused(void **state)
{
    uint8_t seed[32] = {7};
    EVP_PKEY *x25519 = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, seed, 32);
    EVP_PKEY *ed25519 = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
    EVP_PKEY *p256 = EVP_EC_gen("P-256");
    char ours[512], theirs[512];
    struct slk_fault fault = {0};
    struct slk_key *key;

    (void)state;
    write_foreign("x25519.pem", x25519, NULL);
    assert_load_refused("x25519.pem", SLK_E_KEY);
    write_foreign("p256.pem", p256, NULL);
    assert_load_refused("p256.pem", SLK_E_KEY);
    write_foreign("locked.pem", ed25519, "correct horse");
    assert_load_refused("locked.pem", SLK_E_KEY); /* and does not ask at a prompt */
    write_foreign("plain.pem", ed25519, NULL);    /* as another program writes it */
    assert_int_equal(slk_key_load(&key, path("plain.pem"), &fault), SLK_OK);
    assert_int_equal(slk_key_save(key, path("ours.pem"), &fault), SLK_OK); /* and we as it */
    read_file("plain.pem", theirs, sizeof(theirs));
    read_file("ours.pem", ours, sizeof(ours));
    assert_string_equal(ours, theirs);
    slk_key_free(key);
    EVP_PKEY_free(x25519);
    EVP_PKEY_free(ed25519);
    EVP_PKEY_free(p256);
}

/* ---- what is left in memory ---- */

/* Another process, which makes a key, loads it, frees it, and waits. */
static pid_t start_key_user(int told[2])
{
    pid_t child;

    assert_int_equal(pipe(told), 0);
    child = fork();
    if (child == 0) {
        struct slk_key *key, *again;
        struct slk_fault fault;
        bool good;

        (void)alarm(
            900); /* should the test fail before it ends us; reading us takes a loaded machine a minute */
        (void)mallopt(M_PERTURB, 0); /* which would overwrite what is freed (meson test asks for it) */
        good = slk_key_generate(&key, path("wiped.pem"), &fault) == SLK_OK &&
               slk_key_load(&again, path("wiped.pem"), &fault) == SLK_OK;
        slk_key_free(good ? key : NULL);
        slk_key_free(good ? again : NULL);
        if (write(told[1], good ? "y" : "n", 1) == 1)
            (void)pause();
        _exit(0);
    }
    close(told[1]);
    return child;
}

static unsigned count_in(const uint8_t *at, size_t size, const void *needle, size_t needle_size)
{
    unsigned n = 0;

    for (const uint8_t *found = at; (found = find_bytes(found, at + size, needle, needle_size)) != NULL;
         found++)
        n++;
    return n;
}

/* How often `needle` stands in what the process can write to. */
static unsigned count_in_process(pid_t pid, const void *needle, size_t needle_size)
{
    static uint8_t chunk[1 << 20];
    unsigned long long from, to;
    char name[64], line[512];
    FILE *maps;
    unsigned n = 0;
    int mem;

    snprintf(name, sizeof(name), "/proc/%ld/maps", (long)pid);
    maps = fopen(name, "r");
    snprintf(name, sizeof(name), "/proc/%ld/mem", (long)pid);
    mem = open(name, O_RDONLY);
    assert_true(maps != NULL && mem >= 0);
    while (fgets(line, sizeof(line), maps) != NULL) {
        char mode[8];

        if (sscanf(line, "%llx-%llx %7s", &from, &to, mode) != 3 || mode[1] != 'w' || to - from > 1u << 30)
            continue; /* a region of gigabytes is a sanitizer's own */
        for (; from < to; from += sizeof(chunk) - needle_size) { /* pieces overlap */
            size_t wanted = to - from < sizeof(chunk) ? (size_t)(to - from) : sizeof(chunk);
            ssize_t got = pread(mem, chunk, wanted, (off_t)from);

            n += got > 0 ? count_in(chunk, (size_t)got, needle, needle_size) : 0;
        }
    }
    fclose(maps);
    close(mem);
    return n;
}

/* RFC 8410: the one line of base64 is 16 bytes that say Ed25519 and the seed. */
static void no_copy_of_a_key_stays_in_memory(void **state)
{
    uint8_t der[48];
    char text[512], said = 'n', *line;
    size_t der_size;
    int told[2];
    pid_t child = start_key_user(told);

    (void)state;
    assert_int_equal(read(told[0], &said, 1), 1);
    assert_int_equal(said, 'y');
    read_file("wiped.pem", text, sizeof(text));
    line = strchr(text, '\n');
    assert_non_null(line);
    assert_true(slk_base64_parse(der, sizeof(der), &der_size, line + 1, 64) && der_size == sizeof(der));
    assert_true(count_in_process(child, "wiped.pem", 9) > 0); /* in path(): it does find things */
    assert_int_equal(count_in_process(child, line + 1 + 24, 40), 0);
    assert_int_equal(count_in_process(child, der + 16, 32), 0);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(told[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_gives_the_key_of_rfc_8032),
        cmocka_unit_test(a_generated_key_is_private_and_loads_again),
        cmocka_unit_test(a_key_file_is_never_overwritten),
        cmocka_unit_test(a_key_that_cannot_be_written_leaves_no_file),
        cmocka_unit_test(a_key_others_may_read_is_refused),
        cmocka_unit_test(what_is_no_key_is_refused),
        cmocka_unit_test(keys_of_another_kind_or_under_a_passphrase_are_refused),
        cmocka_unit_test(no_copy_of_a_key_stays_in_memory),
    };

    return cmocka_run_group_tests(tests, make_root, remove_root);
}
