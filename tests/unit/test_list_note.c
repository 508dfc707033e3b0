/* test_list_note.c: what a quorum says of the status lists: its text, which is no checkpoint, and the proof of one list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/status_epoch.h"
#include "tests/unit/signer.h"

#define ORIGIN  "sillok.example/lists"
#define NOW_S   UINT64_C(1767225600)
#define MEMBERS 4

static struct signer the_log, members[MEMBERS];
static struct slk_policy *policy;

static int set_up(void **state)
{
    char text[4096], vkey[SLK_VKEY_MAX];
    struct slk_fault fault;
    size_t n;

    (void)state;
    signer_init(&the_log, ORIGIN, SLK_SIG_ED25519, 100);
    slk_vkey_format(vkey, &the_log.vkey);
    n = (size_t)snprintf(text, sizeof(text), "log %s\n", vkey);
    for (uint8_t i = 0; i < MEMBERS; i++) {
        const char name[] = {'m', (char)('0' + i), '\0'};

        signer_init(&members[i], name, SLK_SIG_COSIGNATURE_V1, i);
        slk_vkey_format(vkey, &members[i].vkey);
        n += (size_t)snprintf(text + n, sizeof(text) - n, "witness w%u %s\n", i, vkey);
    }
    n += (size_t)snprintf(text + n, sizeof(text) - n, "group g 3 w0 w1 w2 w3\nquorum g\n");
    return slk_policy_new(&policy, text, n, &fault) == SLK_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    slk_policy_free(policy);
    return 0;
}

static struct slk_lists_statement some_statement(void)
{
    struct slk_lists_statement s = {.origin = slk_span_of(ORIGIN, strlen(ORIGIN)),
        .size = 123456,
        .time_s = NOW_S,
        .lists.tree_size = 12};

    memset(s.root.b, 0x5a, SLK_HASH_SIZE);
    memset(s.lists.root_hash.b, 0xc3, SLK_HASH_SIZE);
    return s;
}

/* ---- the text ---- */

static void the_text_is_five_lines(void **state)
{
    static const char wanted[] = ORIGIN "/status-lists\n"
                                        "size 123456\n"
                                        "root WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo=\n"
                                        "time 1767225600\n"
                                        "lists 12 w8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8M=\n";
    struct slk_lists_statement s = some_statement(), again;
    char text[SLK_LISTS_TEXT_MAX];
    size_t n = slk_lists_statement_format(text, &s);

    (void)state;
    assert_int_equal(n, strlen(wanted));
    assert_memory_equal(text, wanted, n);
    assert_int_equal(slk_lists_statement_parse(&again, slk_span_of(text, n)), SLK_OK);
    assert_true(slk_span_equal(again.origin, s.origin));
    assert_int_equal(again.size, s.size);
    assert_int_equal(again.time_s, s.time_s);
    assert_int_equal(again.lists.tree_size, 12);
    assert_true(slk_hash_equal(&again.root, &s.root));
    assert_true(slk_hash_equal(&again.lists.root_hash, &s.lists.root_hash));
}

static void the_longest_origin_fits(void **state)
{
    char origin[SLK_NAME_MAX], text[SLK_LISTS_TEXT_MAX];
    struct slk_lists_statement s = some_statement(), again;
    size_t n;

    (void)state;
    memset(origin, 'o', sizeof(origin));
    s.origin = slk_span_of(origin, sizeof(origin));
    s.size = s.time_s = s.lists.tree_size = UINT64_MAX;
    n = slk_lists_statement_format(text, &s);
    assert_int_equal(slk_lists_statement_parse(&again, slk_span_of(text, n)), SLK_OK);
    assert_int_equal(again.origin.size, SLK_NAME_MAX);
}

/* Flipping any bit gives another text, or none; cutting it gives none. */
static void a_changed_text_says_something_else_or_nothing(void **state)
{
    struct slk_lists_statement s = some_statement(), got;
    char text[SLK_LISTS_TEXT_MAX], again[SLK_LISTS_TEXT_MAX];
    size_t n = slk_lists_statement_format(text, &s);

    (void)state;
    for (size_t bit = 0; bit < 8 * n; bit++) {
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        if (slk_lists_statement_parse(&got, slk_span_of(text, n)) == SLK_OK) {
            assert_int_equal(slk_lists_statement_format(again, &got), n);
            assert_memory_equal(again, text, n);
        } else {
            assert_int_equal(got.size, 0);
        }
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
    }
    for (size_t i = 0; i < n; i++)
        assert_int_equal(slk_lists_statement_parse(&got, slk_span_of(text, i)), SLK_E_MALFORMED);
    memcpy(again, text, n);
    again[n] = '\n';
    assert_int_equal(slk_lists_statement_parse(&got, slk_span_of(again, n + 1)), SLK_E_MALFORMED);
}

static void a_checkpoint_is_no_statement_and_a_statement_no_checkpoint(void **state)
{
    struct slk_lists_statement s = some_statement(), got;
    struct slk_checkpoint checkpoint = {
        .origin = slk_span_of(ORIGIN "/status-lists", strlen(ORIGIN) + 13), .head = {.tree_size = 123456}};
    char text[SLK_LISTS_TEXT_MAX];
    size_t n = slk_lists_statement_format(text, &s);

    (void)state;
    assert_int_equal(slk_checkpoint_parse(&checkpoint, slk_span_of(text, n)), SLK_E_CHECKPOINT);
    checkpoint.origin =
        slk_span_of(ORIGIN "/status-lists", strlen(ORIGIN) + 13); /* even of a log that is called so */
    n = slk_checkpoint_format(text, &checkpoint);
    assert_int_equal(slk_lists_statement_parse(&got, slk_span_of(text, n)), SLK_E_MALFORMED);
}

/* ---- the quorum ---- */

static size_t sign(char *note, size_t cap, const struct slk_lists_statement *s, unsigned members_n)
{
    struct slk_writer w = {.at = (uint8_t *)note, .cap = cap};
    char text[SLK_LISTS_TEXT_MAX];
    size_t n = slk_lists_statement_format(text, s);

    slk_write_bytes(&w, text, n);
    slk_write_u8(&w, '\n');
    for (unsigned i = 0; i < members_n; i++)
        signer_add_line(&w, &members[i], NOW_S + i, slk_span_of(text, n));
    assert_false(w.bad);
    return w.size;
}

static void a_quorum_of_the_policys_witnesses_is_believed(void **state)
{
    const struct slk_verify_options options = {.now_s = NOW_S + 10};
    struct slk_lists_statement s = some_statement();
    struct slk_lists_verdict verdict;
    char note[4096];

    (void)state;
    for (unsigned n = 1; n <= MEMBERS; n++) {
        struct slk_span bytes = slk_span_of(note, sign(note, sizeof(note), &s, n));

        assert_int_equal(
            slk_lists_note_check(&verdict, bytes, policy, &options), n < 3 ? SLK_E_QUORUM : SLK_OK);
        if (n < 3)
            continue;
        assert_int_equal(verdict.quorum.cosignatures_n, n);
        assert_int_equal(verdict.quorum.quorum_time_s, NOW_S + n - 3);
        assert_int_equal(verdict.statement.size, s.size);
    }
}

static void another_ledgers_note_an_altered_one_and_one_of_the_future_are_refused(void **state)
{
    struct slk_verify_options options = {.now_s = NOW_S + 10};
    struct slk_lists_statement s = some_statement();
    struct slk_lists_verdict verdict;
    char note[4096];
    size_t n = sign(note, sizeof(note), &s, 3);

    (void)state;
    note[strlen(ORIGIN "/status-lists\nsize ")] = '2';
    assert_int_equal(slk_lists_note_check(&verdict, slk_span_of(note, n), policy, &options), SLK_E_SIGNATURE);
    s.origin = slk_span_of("sillok.example/other", 20);
    n = sign(note, sizeof(note), &s, 3);
    assert_int_equal(slk_lists_note_check(&verdict, slk_span_of(note, n), policy, &options), SLK_E_NO_LOG);
    s = some_statement();
    n = sign(note, sizeof(note), &s, 3);
    options.now_s = NOW_S - 1000;
    assert_int_equal(slk_lists_note_check(&verdict, slk_span_of(note, n), policy, &options), SLK_E_FUTURE);
}

/* The cosign key signs both: neither signature stands under the other text. */
static void a_cosignature_of_a_checkpoint_is_none_of_lists(void **state)
{
    const struct slk_verify_options options = {.now_s = NOW_S + 10};
    struct slk_checkpoint checkpoint = {
        .origin = slk_span_of(ORIGIN, strlen(ORIGIN)), .head = {.tree_size = 5}};
    struct slk_lists_statement s = some_statement();
    struct slk_lists_verdict verdict;
    char text[SLK_LISTS_TEXT_MAX], signed_text[SLK_CHECKPOINT_TEXT_MAX];
    uint8_t note[4096];
    struct slk_writer w = {.at = note, .cap = sizeof(note)};
    size_t n = slk_lists_statement_format(text, &s),
           signed_n = slk_checkpoint_format(signed_text, &checkpoint);

    (void)state;
    slk_write_bytes(&w, text, n);
    slk_write_u8(&w, '\n');
    for (unsigned i = 0; i < 3; i++)
        signer_add_line(&w, &members[i], NOW_S, slk_span_of(signed_text, signed_n));
    assert_int_equal(
        slk_lists_note_check(&verdict, slk_span_of(note, w.size), policy, &options), SLK_E_SIGNATURE);
}

/* ---- the tree ---- */

static struct slk_status_lists *some_lists(uint32_t lists_n)
{
    static struct slk_charter charter = {.types_n = 3,
        .types = {{.code = 9, .status_list_size = 64}, {.code = 2, .status_list_size = 100},
            {.code = 5, .status_list_size = 40 * SLK_STATUS_LIST_CUT}}};
    struct slk_status_lists *lists;

    assert_int_equal(slk_status_lists_new(&lists), SLK_OK);
    slk_status_lists_grow(lists, &charter);
    for (uint32_t i = 0; i < lists_n; i++) {
        struct slk_row_status row = {.type = 2, .index = 10 + i, .state = SLK_LOCKED, .valid_until_s = NOW_S};

        if (i > 0) { /* the first is of the small type; none of the third */
            row.type = 5;
            row.index = (i - 1) * SLK_STATUS_LIST_CUT;
        }
        assert_int_equal(slk_status_lists_put(lists, &row), SLK_OK);
    }
    return lists;
}

static struct slk_status_epoch *epoch_of(
    const struct slk_status_lists *lists, const struct slk_status_epoch *before, uint64_t time_s)
{
    const struct slk_block_header place = {.time_ms = time_s * 1000 + 999, .log_size = 77};
    struct slk_status_epoch *epoch;

    assert_int_equal(slk_status_epoch_new(&epoch, lists, &place), SLK_OK);
    for (bool done = false; !done;)
        assert_int_equal(slk_status_epoch_step(epoch, lists, before, &done), SLK_OK);
    return epoch;
}

/* RFC 6962 §2.1, as it is defined. */
static void naive_root(struct slk_hash *out, const struct slk_hash *leaves, size_t n)
{
    struct slk_hash left, right;
    size_t k = 1;

    if (n == 1) {
        *out = leaves[0];
        return;
    }
    while (2 * k < n)
        k *= 2;
    naive_root(&left, leaves, k);
    naive_root(&right, leaves + k, n - k);
    slk_hash_node(out, &left, &right);
}

static void every_list_is_under_the_root_and_nothing_else(void **state)
{
    static const struct {
        uint32_t type, n;
    } order[] = {{2, 0}, {5, 0}, {5, 1}, {5, 2}, {5, 3}, {5, 4}};

    (void)state;
    for (uint32_t lists_n = 1; lists_n <= 6; lists_n++) {
        struct slk_status_lists *lists = some_lists(lists_n);
        struct slk_status_epoch *epoch = epoch_of(lists, NULL, NOW_S);
        struct slk_lists_statement s;
        struct slk_hash leaves[18], root;
        size_t leaves_n = 0;

        slk_status_epoch_state(&s, epoch, slk_span_of(ORIGIN, strlen(ORIGIN)));
        assert_int_equal(s.lists.tree_size, 3 * (uint64_t)lists_n);
        assert_int_equal(s.size, 77);
        assert_int_equal(s.time_s, NOW_S);
        for (uint32_t i = 0; i < lists_n; i++)
            for (uint32_t form = 1; form <= SLK_LIST_FORMS_N; form++) {
                struct slk_span bytes =
                    slk_status_epoch_list(epoch, order[i].type, order[i].n, (enum slk_status_form)form);
                struct slk_list_leaf leaf = {.type = order[i].type, .n = order[i].n, .form = form};
                struct slk_list_proof proof;

                assert_int_equal(
                    bytes.size, slk_status_list_size(slk_status_list_places(lists, leaf.type, leaf.n),
                                    (enum slk_status_form)form));
                slk_hash_bytes(&leaf.hash, bytes.at, bytes.size);
                slk_list_leaf_hash(&leaves[leaves_n], &leaf);
                assert_int_equal(
                    slk_status_epoch_prove(&proof, epoch, leaf.type, leaf.n, (enum slk_status_form)form),
                    SLK_OK);
                assert_int_equal(proof.index, leaves_n);
                assert_int_equal(slk_tree_check_inclusion(
                                     &s.lists, proof.index, &leaves[leaves_n], proof.path, proof.path_n),
                    SLK_OK);
                leaves_n++;
            }
        naive_root(&root, leaves, leaves_n);
        assert_true(slk_hash_equal(&root, &s.lists.root_hash));
        slk_status_epoch_free(epoch);
        slk_status_lists_free(lists);
    }
}

static void of_an_empty_ledger_there_is_the_empty_tree(void **state)
{
    struct slk_status_lists *lists = some_lists(0);
    struct slk_status_epoch *epoch = epoch_of(lists, NULL, NOW_S);
    struct slk_lists_statement s;
    struct slk_list_proof proof;
    struct slk_hash empty;

    (void)state;
    slk_status_epoch_state(&s, epoch, slk_span_of(ORIGIN, strlen(ORIGIN)));
    slk_hash_bytes(&empty, "", 0);
    assert_int_equal(s.lists.tree_size, 0);
    assert_true(slk_hash_equal(&empty, &s.lists.root_hash));
    assert_int_equal(slk_status_epoch_prove(&proof, epoch, 2, 0, SLK_STATUS_TOKEN), SLK_E_NOT_FOUND);
    assert_int_equal(slk_status_epoch_list(epoch, 2, 0, SLK_STATUS_TOKEN).size, 0);
    slk_status_epoch_free(epoch);
    slk_status_lists_free(lists);
}

/* What has not changed is copied: the same bytes as if it were made anew, also when an entry has expired since. */
static void what_is_copied_is_what_would_be_made(void **state)
{
    struct slk_status_lists *lists = some_lists(3);
    const struct slk_row_status soon = {
        .type = 5, .index = 7, .state = SLK_ACTIVE, .valid_until_s = NOW_S + 100};
    struct slk_status_epoch *before, *copied, *made;
    struct slk_lists_statement a, b, c;

    (void)state;
    assert_int_equal(slk_status_lists_put(lists, &soon), SLK_OK);
    before = epoch_of(lists, NULL, NOW_S);
    slk_status_epoch_state(&a, before, slk_span_of(ORIGIN, strlen(ORIGIN)));
    for (uint64_t time_s = NOW_S + 99; time_s <= NOW_S + 101; time_s++) {
        copied = epoch_of(lists, before, time_s);
        made = epoch_of(lists, NULL, time_s);
        slk_status_epoch_state(&b, copied, slk_span_of(ORIGIN, strlen(ORIGIN)));
        slk_status_epoch_state(&c, made, slk_span_of(ORIGIN, strlen(ORIGIN)));
        assert_true(slk_hash_equal(&b.lists.root_hash, &c.lists.root_hash));
        assert_int_equal(slk_hash_equal(&a.lists.root_hash, &b.lists.root_hash), time_s < NOW_S + 100);
        slk_status_epoch_free(copied);
        slk_status_epoch_free(made);
    }
    slk_status_epoch_free(before);
    slk_status_lists_free(lists);
}

/* ---- the proof of one ---- */

static void a_proof_is_refused_when_anything_of_it_is_changed(void **state)
{
    const struct slk_verify_options options = {.now_s = NOW_S + 10};
    struct slk_status_lists *lists = some_lists(4);
    struct slk_status_epoch *epoch = epoch_of(lists, NULL, NOW_S);
    struct slk_lists_statement s;
    struct slk_list_proof proof, again;
    struct slk_lists_verdict verdict;
    char note[4096];
    uint8_t file[8192], printed[8192];
    struct slk_writer w = {.at = file, .cap = sizeof(file)};

    (void)state;
    slk_status_epoch_state(&s, epoch, slk_span_of(ORIGIN, strlen(ORIGIN)));
    assert_int_equal(slk_status_epoch_prove(&proof, epoch, 5, 1, SLK_STATUS_SUSPENSION), SLK_OK);
    proof.note = slk_span_of(note, sign(note, sizeof(note), &s, 3));
    slk_list_proof_write(&w, &proof);
    assert_false(w.bad);
    assert_int_equal(slk_list_proof_parse(&again, slk_span_of(file, w.size)), SLK_OK);
    assert_int_equal(slk_list_proof_check(&verdict, &again, policy, &options), SLK_OK);
    assert_int_equal(again.leaf.form, SLK_STATUS_SUSPENSION);
    for (size_t i = 0; i < w.size; i++) {
        struct slk_writer p = {.at = printed, .cap = sizeof(printed)};

        file[i] ^= 1;
        if (slk_list_proof_parse(&again, slk_span_of(file, w.size)) == SLK_OK) {
            assert_int_not_equal(slk_list_proof_check(&verdict, &again, policy, &options), SLK_OK);
            slk_list_proof_write(&p, &again);
            assert_int_equal(p.size, w.size);
            assert_memory_equal(printed, file, w.size);
        }
        file[i] ^= 1;
        assert_true(slk_list_proof_parse(&again, slk_span_of(file, i)) != SLK_OK ||
                    slk_list_proof_check(&verdict, &again, policy, &options) != SLK_OK); /* cut off */
    }
    slk_status_epoch_free(epoch);
    slk_status_lists_free(lists);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_is_five_lines),
        cmocka_unit_test(the_longest_origin_fits),
        cmocka_unit_test(a_changed_text_says_something_else_or_nothing),
        cmocka_unit_test(a_checkpoint_is_no_statement_and_a_statement_no_checkpoint),
        cmocka_unit_test(a_quorum_of_the_policys_witnesses_is_believed),
        cmocka_unit_test(another_ledgers_note_an_altered_one_and_one_of_the_future_are_refused),
        cmocka_unit_test(a_cosignature_of_a_checkpoint_is_none_of_lists),
        cmocka_unit_test(every_list_is_under_the_root_and_nothing_else),
        cmocka_unit_test(of_an_empty_ledger_there_is_the_empty_tree),
        cmocka_unit_test(what_is_copied_is_what_would_be_made),
        cmocka_unit_test(a_proof_is_refused_when_anything_of_it_is_changed),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
