/* Status proofs: both encodings, conversion, and every flip and cut of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger.pb-c.h"
#include "tests/unit/tiny.h"

#define T0 UINT64_C(1750000000)

static struct tiny ledger; /* three credentials, two blocks */
static struct slk_policy *two_of_three;

static int make_ledger(void **state)
{
    (void)state;
    tiny_end_block(&ledger, T0 * 1000);
    for (uint8_t i = 1; i <= 3; i++)
        tiny_do(&ledger, tiny_life(&ledger, i), SLK_ISSUE, T0 + 10);
    tiny_end_block(&ledger, (T0 + 20) * 1000);
    tiny_do(&ledger, tiny_life(&ledger, 1), SLK_LOCK, T0 + 30);
    tiny_do(&ledger, tiny_life(&ledger, 1), SLK_REBIND, T0 + 31);
    tiny_end_block(&ledger, (T0 + 40) * 1000);
    two_of_three = tiny_policy("group g 2 w1 w2 w3\nquorum g\n");
    return 0;
}

static int drop_ledger(void **state)
{
    (void)state;
    slk_policy_free(two_of_three);
    return 0;
}

/* A proof of credential `number` with 1 log signature and `witnesses`. */
static size_t make_proof(
    uint8_t out[TINY_PROOF_MAX], uint8_t number, bool history, unsigned witnesses, bool text)
{
    struct tiny_parts parts;

    tiny_parts_of(&parts, &ledger, tiny_life(&ledger, number), history, witnesses, T0 + 41);
    return tiny_print(out, &parts, text);
}

static void both_encodings_hold_the_same_parts(void **state)
{
    static uint8_t text[TINY_PROOF_MAX], binary[TINY_PROOF_MAX], scratch[TINY_PROOF_MAX];
    static struct slk_proof a, b;

    (void)state;
    for (uint8_t number = 1; number <= 4; number++) {
        for (int history = 0; history < 2; history++) {
            size_t text_n = make_proof(text, number, history, 7, true);
            size_t binary_n = make_proof(binary, number, history, 7, false);
            assert_true(slk_proof_is_text(slk_span_of(text, text_n)));
            assert_false(slk_proof_is_text(slk_span_of(binary, binary_n)));
            assert_int_equal(slk_proof_parse(&a, slk_span_of(text, text_n), scratch, text_n), SLK_OK);
            assert_int_equal(slk_proof_parse(&b, slk_span_of(binary, binary_n), NULL, 0), SLK_OK);
            assert_true(slk_span_equal(a.origin, b.origin) && slk_span_equal(a.seal, b.seal) &&
                        slk_span_equal(a.map_proof, b.map_proof) && slk_span_equal(a.events, b.events));
            assert_true(a.events_n == b.events_n && a.sigs_n == 4 && b.sigs_n == 4 && a.path_n == b.path_n);
            assert_true(a.head.tree_size == b.head.tree_size && a.head.tree_size == 8);
            assert_memory_equal(a.path, b.path, sizeof(a.path));
            for (size_t i = 0; i < a.sigs_n; i++)
                assert_true(slk_span_equal(a.sigs[i].name, b.sigs[i].name) &&
                            a.sigs[i].key_hash == b.sigs[i].key_hash &&
                            a.sigs[i].blob_size == b.sigs[i].blob_size &&
                            memcmp(a.sigs[i].blob, b.sigs[i].blob, a.sigs[i].blob_size) == 0);
        }
    }
}

static void events_are_walked_in_order(void **state)
{
    static uint8_t binary[TINY_PROOF_MAX];
    static struct slk_proof proof;
    const struct tiny_life *life = tiny_life(&ledger, 1);
    struct slk_span rest, event;

    (void)state;
    size_t n = make_proof(binary, 1, true, 7, false);
    assert_int_equal(slk_proof_parse(&proof, slk_span_of(binary, n), NULL, 0), SLK_OK);
    assert_int_equal(proof.events_n, 3);
    rest = proof.events;
    for (size_t i = 0; i < 3; i++) {
        assert_true(slk_proof_next_event(&event, &rest));
        assert_true(slk_span_equal(event, slk_span_of(life->events[i].at, life->events[i].n)));
    }
    assert_false(slk_proof_next_event(&event, &rest));
}

static void conversion_there_and_back_is_the_identity(void **state)
{
    static uint8_t text[TINY_PROOF_MAX], binary[TINY_PROOF_MAX], out[2 * TINY_PROOF_MAX + 1024];
    size_t n;

    (void)state;
    for (uint8_t number = 1; number <= 4; number++) {
        for (unsigned witnesses = 0; witnesses < 8; witnesses++) {
            size_t text_n = make_proof(text, number, true, witnesses, true);
            size_t binary_n = make_proof(binary, number, true, witnesses, false);
            assert_int_equal(
                slk_proof_to_text(out, 2 * binary_n + 1024, &n, slk_span_of(binary, binary_n)), SLK_OK);
            assert_int_equal(n, text_n);
            assert_memory_equal(out, text, n);
            assert_int_equal(
                slk_proof_to_binary(out, 2 * text_n + 1024, &n, slk_span_of(text, text_n)), SLK_OK);
            assert_int_equal(n, binary_n);
            assert_memory_equal(out, binary, n);
            assert_int_equal(
                slk_proof_to_text(out, 2 * text_n + 1024, &n, slk_span_of(text, text_n)), SLK_OK);
            assert_memory_equal(out, text, text_n);
            assert_int_equal(
                slk_proof_to_binary(out, 2 * binary_n + 1024, &n, slk_span_of(binary, binary_n)), SLK_OK);
            assert_memory_equal(out, binary, binary_n);
            assert_int_equal(
                slk_proof_to_text(out, text_n - 1, &n, slk_span_of(binary, binary_n)), SLK_E_TOO_LARGE);
            assert_int_equal(n, 0);
        }
    }
}

/* A witness of a kind that is yet to be invented: the text is read, not converted. */
static void foreign_signatures_stay_in_the_text(void **state)
{
    static uint8_t text[TINY_PROOF_MAX], out[2 * TINY_PROOF_MAX + 1024];
    static struct tiny_parts parts;
    struct slk_writer w;
    struct slk_answer answer;
    const struct slk_verify_options options = {.now_s = T0 + 50};
    uint8_t blob[200];
    size_t n, text_n;

    (void)state;
    for (size_t i = 0; i < sizeof(blob); i++)
        blob[i] = (uint8_t)i;
    tiny_parts_of(&parts, &ledger, tiny_life(&ledger, 1), true, 7, T0 + 41);
    size_t plain_n = parts.note_n;
    w = (struct slk_writer){.at = (uint8_t *)parts.note, .size = plain_n, .cap = TINY_NOTE_MAX};
    slk_note_write_sig(&w, "future.example", 14, blob, sizeof(blob));
    parts.note_n = w.size;
    text_n = tiny_print(text, &parts, true);
    assert_int_equal(slk_verify_status(&answer, slk_span_of(text, text_n), tiny_life(&ledger, 1)->handle,
                         two_of_three, &options),
        SLK_OK);
    slk_answer_clear(&answer);
    assert_int_equal(slk_proof_to_text(out, 2 * text_n + 1024, &n, slk_span_of(text, text_n)), SLK_OK);
    assert_int_equal(
        slk_proof_to_binary(out, 2 * text_n + 1024, &n, slk_span_of(text, text_n)), SLK_E_TOO_LARGE);
    struct slk_proof_parts view = tiny_view(&parts);
    assert_int_equal(slk_proof_format_binary(out, sizeof(out), &view), 0);
    /* one of a size we know, of a type we do not: in both */
    w = (struct slk_writer){.at = (uint8_t *)parts.note, .size = plain_n, .cap = TINY_NOTE_MAX};
    slk_note_write_sig(&w, "future.example", 14, blob, 33);
    parts.note_n = w.size;
    text_n = tiny_print(text, &parts, true);
    assert_int_equal(slk_proof_to_binary(out, 2 * text_n + 1024, &n, slk_span_of(text, text_n)), SLK_OK);
    assert_int_equal(slk_verify_status(
                         &answer, slk_span_of(out, n), tiny_life(&ledger, 1)->handle, two_of_three, &options),
        SLK_OK);
    slk_answer_clear(&answer);
}

static void room_is_enough_and_less_is_refused(void **state)
{
    static uint8_t out[TINY_PROOF_MAX];
    static struct tiny_parts parts;

    (void)state;
    tiny_parts_of(&parts, &ledger, tiny_life(&ledger, 1), true, 7, T0 + 41);
    struct slk_proof_parts view = tiny_view(&parts);
    size_t room = slk_proof_room(&view);
    size_t text_n = slk_proof_format_text(out, room, &view),
           binary_n = slk_proof_format_binary(out, room, &view);
    assert_true(text_n > 0 && text_n <= room && binary_n > 0 && binary_n < text_n);
    for (size_t cap = 0; cap < binary_n; cap++)
        assert_int_equal(slk_proof_format_binary(out, cap, &view), 0);
    for (size_t cap = 0; cap < text_n; cap++)
        assert_int_equal(slk_proof_format_text(out, cap, &view), 0);
    view.seal.size = 0;
    assert_int_equal(slk_proof_format_text(out, room, &view), 0);
    view = tiny_view(&parts);
    view.note.size--;
    assert_int_equal(slk_proof_format_binary(out, room, &view), 0);
}

/* Verifies damaged bytes: refused, or the very same answer without the cosignature whose line became a stranger's.
 * (A wrong signature by a known key refuses.) */
static void expect_refused_or_same(const uint8_t *bytes, size_t n, const uint8_t *handle,
    const struct slk_policy *policy, const struct slk_answer *good)
{
    const struct slk_verify_options options = {.now_s = T0 + 50, .allow_no_quorum = true};
    struct slk_answer answer;

    if (slk_verify_status(&answer, slk_span_of(bytes, n), handle, policy, &options) != SLK_OK) {
        assert_true(answer.why != SLK_OK && !answer.present && answer.tree_size == 0 &&
                    answer.state == SLK_NEVER_ISSUED);
        return;
    }
    assert_true(answer.present == good->present && answer.state == good->state &&
                answer.tree_size == good->tree_size && answer.events_n == good->events_n &&
                answer.block_height == good->block_height && answer.valid_until_s == good->valid_until_s &&
                answer.has_history == good->has_history);
    assert_memory_equal(answer.device, good->device, SLK_HASH_SIZE);
    assert_true(answer.cosignatures_n + 1 == good->cosignatures_n);
    slk_answer_clear(&answer);
}

/* Flips every bit of bytes [from, to) of a proof. */
static void flip_all(
    uint8_t *bytes, size_t n, size_t from, size_t to, uint8_t number, const struct slk_policy *policy)
{
    const struct slk_verify_options options = {.now_s = T0 + 50, .allow_no_quorum = true};
    const uint8_t *handle = tiny_life(&ledger, number)->handle;
    struct slk_answer good;

    assert_int_equal(slk_verify_status(&good, slk_span_of(bytes, n), handle, policy, &options), SLK_OK);
    for (size_t i = 8 * from; i < 8 * to; i++) {
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        expect_refused_or_same(bytes, n, handle, policy, &good);
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    slk_answer_clear(&good);
}

static void every_flip_is_refused_or_changes_nothing(void **state)
{
    static uint8_t bytes[TINY_PROOF_MAX];
    struct slk_policy *none = tiny_policy("quorum none\n");

    (void)state;
    for (int text = 0; text < 2; text++) { /* one signature to check: fast enough for every bit */
        size_t n = make_proof(bytes, 1, true, 0, text);
        flip_all(bytes, n, 0, n, 1, none);
        n = make_proof(bytes, 4, false, 0, text); /* absent */
        flip_all(bytes, n, 0, n, 4, none);
    }
    slk_policy_free(none);
}

static void every_flip_among_the_cosignatures_is_refused_or_loses_one(void **state)
{
    static uint8_t bytes[TINY_PROOF_MAX];
    static struct tiny_parts parts;

    (void)state;
    tiny_parts_of(&parts, &ledger, tiny_life(&ledger, 4), false, 7, T0 + 41);
    size_t n = tiny_print(bytes, &parts, true);
    flip_all(bytes, n, n - parts.note_n, n, 4, two_of_three);
    n = tiny_print(bytes, &parts, false);
    flip_all(bytes, n, 0, parts.note_n * 3 / 4, 4, two_of_three); /* the signatures come first, as bytes */
}

static void every_cut_and_addition_is_refused(void **state)
{
    static uint8_t bytes[TINY_PROOF_MAX], scratch[TINY_PROOF_MAX];
    static struct slk_proof proof;

    (void)state;
    for (int text = 0; text < 2; text++) {
        size_t n = make_proof(bytes, 1, true, 1, text);
        size_t start =
            0; /* a text cut after a signature line is a note with fewer of them: the policy will judge */
        for (size_t cut = 0; cut < n; cut++) {
            enum slk_err err = slk_proof_parse(&proof, slk_span_of(bytes, cut), scratch, cut);
            if (text && err == SLK_OK)
                start++;
            else
                assert_int_not_equal(err, SLK_OK);
        }
        assert_int_equal(start, text ? 1 : 0);
        for (unsigned b = 0; b < 256; b++) {
            bytes[n] = (uint8_t)b;
            assert_int_not_equal(slk_proof_parse(&proof, slk_span_of(bytes, n + 1), scratch, n + 1), SLK_OK);
            assert_true(proof.head.tree_size == 0 && proof.seal.size == 0);
        }
    }
    assert_int_not_equal(slk_proof_parse(&proof, slk_span_of(NULL, 0), NULL, 0), SLK_OK);
    static uint8_t big[SLK_PROOF_MAX + 1];
    assert_int_equal(slk_proof_parse(&proof, slk_span_of(big, sizeof(big)), NULL, 0), SLK_E_TOO_LARGE);
}

/* Replaces the first `from` in the text. */
static size_t replace(uint8_t *out, const uint8_t *text, size_t n, const char *from, const char *to)
{
    size_t from_n = strlen(from), to_n = strlen(to);

    for (size_t i = 0; i + from_n <= n; i++) {
        if (memcmp(text + i, from, from_n) != 0)
            continue;
        memcpy(out, text, i);
        memcpy(out + i, to, to_n);
        memcpy(out + i + to_n, text + i + from_n, n - i - from_n);
        return n + to_n - from_n;
    }
    fail_msg("\"%s\" is not in the text", from);
    return 0;
}

static void the_text_form_has_one_spelling(void **state)
{
    static const char *const changes[][2] = {
        {"index 7\n", "index 07\n"},
        {"index 7\n", "index 6\n"},
        {"index 7\n", "index 8\n"},
        {"index 7\n", "index  7\n"},
        {"index 7\n", "index +7\n"},
        {"index 7\n", "index 7\r\n"},
        {"index 7\n", "Index 7\n"},
        {"index 7\n", ""},
        {"index 7\n", "index 7\nindex 7\n"},
        {"index 7\n", "index 7\n\n"},
        {"extra ", "extra  "},
        {"extra ", "extra"},
        {"extra ", "xtra "},
        {"extra ", "extra ="},
        {"\n\n", "\n\n\n"},
        {"\n\n", "\n"},
        {"@v1\n", "@v1\n\n"},
        {"\n8\n", "\n08\n"},
        {"\n8\n", "\n8\nextension\n"},
    };
    static uint8_t text[TINY_PROOF_MAX], bad[TINY_PROOF_MAX], scratch[TINY_PROOF_MAX];
    static struct slk_proof proof;

    (void)state;
    size_t n = make_proof(text, 1, true, 1, true);
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        size_t bad_n = replace(bad, text, n, changes[i][0], changes[i][1]);
        assert_int_not_equal(
            slk_proof_parse(&proof, slk_span_of(bad, bad_n), scratch, sizeof(scratch)), SLK_OK);
    }
    assert_int_not_equal(
        slk_proof_parse(&proof, slk_span_of(text, n), scratch, 10), SLK_OK); /* too little scratch */
    assert_int_not_equal(slk_proof_parse(&proof, slk_span_of(text, n), NULL, 0), SLK_OK);
}

/* protobuf-c reads our binary form and prints it the same. */
static void protobuf_c_agrees_on_the_binary_form(void **state)
{
    static uint8_t binary[TINY_PROOF_MAX], again[TINY_PROOF_MAX];

    (void)state;
    for (uint8_t number = 1; number <= 4; number++) {
        size_t n = make_proof(binary, number, true, 7, false);
        Sillok__StatusProof *p = sillok__status_proof__unpack(NULL, n, binary);
        assert_non_null(p);
        assert_string_equal(p->origin, TINY_ORIGIN);
        assert_true(p->tree_size == 8 && p->n_signature == 4);
        assert_int_equal(p->extra->n_event, tiny_life(&ledger, number)->events_n);
        assert_int_equal(sillok__status_proof__get_packed_size(p), n);
        assert_int_equal(sillok__status_proof__pack(p, again), n);
        assert_memory_equal(again, binary, n);
        sillok__status_proof__free_unpacked(p, NULL);
    }
}

/* Bytes that protobuf-c makes and our reader must not take. */
static void unusual_binary_forms_are_refused(void **state)
{
    static uint8_t binary[TINY_PROOF_MAX], bad[TINY_PROOF_MAX];
    static struct slk_proof proof;

    (void)state;
    for (int change = 0; change <= 12; change++) {
        size_t n = make_proof(binary, 1, true, 7, false);
        Sillok__StatusProof *p = sillok__status_proof__unpack(NULL, n, binary);
        size_t n_signature = p->n_signature;
        char *origin = p->origin;
        switch (change) {
        case 1:
            p->tree_size = 0;
            break;
        case 2:
            p->root_hash.len = 31;
            break;
        case 3:
            p->root_hash.len = 0;
            break;
        case 4:
            p->n_signature = 0;
            break;
        case 5:
            p->seal_path.len = 33;
            break;
        case 6:
            p->extra->seal.len = 0;
            break;
        case 7:
            p->extra->map_proof.len = 0;
            break;
        case 8:
            p->extra->event[1].len = 0;
            break;
        case 9:
            p->signature[0]->blob.len = 4;
            break;
        case 10:
            p->signature[0]->name[4] = '+';
            break;
        case 11:
            p->signature[0]->name[4] = ' ';
            break;
        case 12:
            p->origin[3] = '\n';
            break;
        }
        n = sillok__status_proof__pack(p, bad);
        enum slk_err err = slk_proof_parse(&proof, slk_span_of(bad, n), NULL, 0);
        assert_int_equal(err == SLK_OK, change == 0);
        p->n_signature = n_signature;
        p->origin = origin;
        sillok__status_proof__free_unpacked(p, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_encodings_hold_the_same_parts),
        cmocka_unit_test(events_are_walked_in_order),
        cmocka_unit_test(conversion_there_and_back_is_the_identity),
        cmocka_unit_test(foreign_signatures_stay_in_the_text),
        cmocka_unit_test(room_is_enough_and_less_is_refused),
        cmocka_unit_test(every_flip_is_refused_or_changes_nothing),
        cmocka_unit_test(every_flip_among_the_cosignatures_is_refused_or_loses_one),
        cmocka_unit_test(every_cut_and_addition_is_refused),
        cmocka_unit_test(the_text_form_has_one_spelling),
        cmocka_unit_test(protobuf_c_agrees_on_the_binary_form),
        cmocka_unit_test(unusual_binary_forms_are_refused),
    };
    return cmocka_run_group_tests_name("proof", tests, make_ledger, drop_ledger);
}
