/* Names and forms of the files of a tree of tiles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sample.h"
#include "tools/tree.h"

static void files_have_their_names(void **state)
{
    static const struct {
        struct tree_part part;
        const char *path;
    } cases[] = {
        {{TREE_HASHES, 0, 0, 256}, "tile/0/000"},
        {{TREE_HASHES, 1, 1234067, 112}, "tile/1/x001/x234/067.p/112"},
        {{TREE_ENTRIES, 0, 1000, 256}, "tile/entries/x001/000"},
        {{TREE_ENTRIES, 0, 3, 1}, "tile/entries/003.p/1"},
        {{TREE_FINALITY, 0, 0, 256}, "finality/000"},
        {{TREE_FINALITY, 0, 1234067, 255}, "finality/x001/x234/067.p/255"},
        {{TREE_FINALITY, 0, UINT64_MAX >> 8, 255}, "finality/x072/x057/x594/x037/x927/935.p/255"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char path[TREE_PATH_MAX];

        assert_int_equal(tree_path(path, &cases[i].part), strlen(cases[i].path));
        assert_string_equal(path, cases[i].path);
    }
}

/* Every count against every length, of items of 0, 1 and 2 bytes. */
static void a_bundle_has_exactly_its_items(void **state)
{
    static const uint8_t bytes[] = {0, 0, 0, 1, 'a', 0, 2, 'b', 'c'};
    static const size_t ends[] = {0, 2, 5, 9};
    struct slk_span items[SLK_TILE_WIDTH];

    (void)state;
    for (size_t n = 0; n < 4; n++)
        for (size_t size = 0; size <= sizeof(bytes); size++) {
            memset(items, 0xa5, sizeof(items));
            if (size == ends[n]) {
                assert_int_equal(tree_split(items, n, slk_span_of(bytes, size)), SLK_OK);
                for (size_t i = 0; i < n; i++) {
                    assert_int_equal(items[i].size, i);
                    assert_ptr_equal(items[i].at, bytes + ends[i] + 2);
                }
            } else {
                assert_int_equal(tree_split(items, n, slk_span_of(bytes, size)), SLK_E_MALFORMED);
                assert_null(items[0].at);
                assert_null(items[SLK_TILE_WIDTH - 1].at);
            }
        }
}

static void a_certificate_is_of_its_height_and_of_finality(void **state)
{
    struct slk_cert cert = {
        .kind = SLK_VOTE_FINALIZE, .height = 300, .view = 1, .bitmap_bytes = 1, .signers = 1, .hash = {{7}}};
    uint8_t bytes[SLK_CERT_BYTES_MAX];
    size_t n = slk_cert_format(bytes, sizeof(bytes), &cert);
    struct slk_cert out;

    (void)state;
    assert_int_equal(tree_cert_parse(&out, 300, slk_span_of(bytes, n)), SLK_OK);
    assert_memory_equal(&out.hash, &cert.hash, SLK_HASH_SIZE);
    assert_int_equal(tree_cert_parse(&out, 301, slk_span_of(bytes, n)), SLK_E_MALFORMED);
    assert_int_equal(out.kind, 0);
    assert_int_equal(tree_cert_parse(&out, 300, slk_span_of(bytes, n - 1)), SLK_E_MALFORMED);
    assert_int_equal(tree_cert_parse(&out, 300, slk_span_of(bytes, 0)), SLK_E_MALFORMED);
    cert.kind = SLK_VOTE_NOTARIZE;
    n = slk_cert_format(bytes, sizeof(bytes), &cert);
    assert_true(n > 0);
    assert_int_equal(tree_cert_parse(&out, 300, slk_span_of(bytes, n)), SLK_E_MALFORMED);
}

static void only_a_seal_is_a_seal(void **state)
{
    const struct slk_seal seal = {
        .height = 2, .time_ms = 1767225600000, .has_previous = true, .previous = {{1}}, .map_root = {{2}}};
    const struct slk_authorization other = {.key_id = {1}, .count = 1};
    uint8_t bytes[SLK_SEAL_MAX];
    size_t n = slk_entry_format_seal(bytes, sizeof(bytes), &seal);
    struct slk_seal out;

    (void)state;
    assert_int_equal(tree_seal_parse(&out, slk_span_of(bytes, n)), SLK_OK);
    assert_int_equal(out.height, 2);
    assert_int_equal(tree_seal_parse(&out, slk_span_of(bytes, n - 1)), SLK_E_SEAL);
    assert_int_equal(out.height, 0);
    n = slk_entry_format_authorization(bytes, sizeof(bytes), &other);
    assert_true(n > 0);
    assert_int_equal(tree_seal_parse(&out, slk_span_of(bytes, n)), SLK_E_SEAL);
}

/* A note that nobody of the charter signed, with one cosignature of a stranger that has a time. */
static void strangers_sign_for_no_charter(void **state)
{
    static const char text[] = "sillok.example/residents\n2\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    uint8_t bytes[1024], blob[SLK_NOTE_BLOB_MAX] = {1, 2, 3, 4, 0, 0, 0, 0, 0x69, 0x55, 0xb9, 0x80};
    struct slk_writer w = {.at = bytes, .cap = sizeof(bytes)};
    struct slk_note *note = malloc(sizeof(*note));
    struct slk_charter *charter = sample_charter();
    struct slk_policy_verdict verdict;
    struct slk_checkpoint checkpoint;

    (void)state;
    assert_non_null(note);
    slk_write_bytes(&w, text, sizeof(text) - 1);
    slk_write_u8(&w, '\n');
    slk_note_write_sig(&w, "stranger", 8, blob, 4 + SLK_SIGNATURE_SIZE);
    assert_int_equal(tree_note_parse(note, &checkpoint, slk_span_of(bytes, w.size)), SLK_OK);
    slk_note_write_sig(&w, "stranger", 8, blob, sizeof(blob));
    assert_false(w.bad);
    assert_int_equal(tree_note_parse(note, &checkpoint, slk_span_of(bytes, w.size)), SLK_OK);
    assert_int_equal(checkpoint.head.tree_size, 2);
    assert_int_equal(tree_note_check(charter, note, &checkpoint, &verdict), SLK_E_NO_LOG);
    assert_int_not_equal(tree_note_parse(note, &checkpoint, slk_span_of(bytes, w.size - 1)), SLK_OK);
    free(charter);
    free(note);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_have_their_names),
        cmocka_unit_test(a_bundle_has_exactly_its_items),
        cmocka_unit_test(a_certificate_is_of_its_height_and_of_finality),
        cmocka_unit_test(only_a_seal_is_a_seal),
        cmocka_unit_test(strangers_sign_for_no_charter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
