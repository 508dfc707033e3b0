/* test_node_lists.c: what members say of the status lists: a quorum's note at every node, and an alarm where lists differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ledger/verify/list_note.h"
#include "net/node_private.h"
#include "tests/unit/node_world.h"
#include "tests/unit/signer.h"

#define SIZE 100u

static int open_four_and_one_without_a_vote(void **state)
{
    static struct node_world world;

    *state = &world;
    world_open_with(&world, 4, 1, 0);
    return 0;
}

static struct slk_lists_statement statement(uint64_t size, uint8_t root)
{
    return (struct slk_lists_statement){.origin = slk_span_of(FIXTURE_ORIGIN, strlen(FIXTURE_ORIGIN)),
        .size = size,
        .time_s = FIXTURE_START_MS / 1000,
        .lists = {.tree_size = 3, .root_hash = {{root}}}};
}

static void say(struct node_world *w, unsigned i, uint64_t size, uint8_t root)
{
    const struct slk_lists_statement s = statement(size, root);
    char text[SLK_LISTS_TEXT_MAX];
    size_t n = slk_lists_statement_format(text, &s);

    slk_node_state_lists(w->nodes[i].node, slk_span_of(text, n), size);
}

/* How many cosignatures the node's note has, of which size. */
static unsigned cosignatures(struct node_world *w, unsigned i, uint64_t *size)
{
    const struct slk_verify_options options = {.now_s = (FIXTURE_START_MS + w->now_ms) / 1000 + 10};
    struct slk_span note = slk_node_lists_note(w->nodes[i].node, size);
    struct slk_policy *policy = fixture_policy(&w->f);
    struct slk_lists_verdict verdict = {0};

    if (note.size > 0) {
        assert_int_equal(slk_lists_note_check(&verdict, note, policy, &options), SLK_OK);
        assert_int_equal(verdict.statement.size, *size);
    }
    slk_policy_free(policy);
    return verdict.quorum.cosignatures_n;
}

struct wish {
    uint64_t size;
    unsigned nodes_n, voices_n;
};

static bool all_have_it(struct node_world *w, void *ctx)
{
    const struct wish *wish = ctx;

    for (unsigned i = 0; i < wish->nodes_n; i++) {
        uint64_t size;

        if (w->nodes[i].node != NULL && (cosignatures(w, i, &size) < wish->voices_n || size != wish->size))
            return false;
    }
    return true;
}

static void four_who_say_the_same_each_have_the_note_of_all(void **state)
{
    struct node_world *w = *state;
    struct wish wish = {SIZE, 4, 4};

    for (unsigned i = 0; i < 4; i++)
        say(w, i, SIZE, 1);
    assert_true(world_run(w, all_have_it, &wish, 1000));
    for (unsigned i = 0; i < 4; i++) {
        struct slk_node_status status = world_status(w, i);

        assert_int_equal(status.lists_size, SIZE);
        assert_int_equal(status.lists_cosigned_size, SIZE);
        assert_int_equal(status.lists_differ_n, 0);
        assert_int_equal(w->nodes[i].bad_n, 0);
    }
    say(w, 0, SIZE, 2); /* said once is said */
    say(w, 0, SIZE - 1, 2);
    (void)world_run(w, world_never, NULL, 100);
    assert_true(all_have_it(w, &wish));
    assert_string_equal(world_status(w, 1).alarm, "");
}

static void two_of_four_are_no_quorum_and_the_late_one_finds_what_came_before(void **state)
{
    struct node_world *w = *state;
    struct wish wish = {SIZE, 3, 3};
    uint64_t size;

    say(w, 0, SIZE, 1);
    say(w, 1, SIZE, 1);
    (void)world_run(w, world_never, NULL, 200);
    assert_int_equal(cosignatures(w, 0, &size), 0);
    assert_int_equal(size, 0);
    say(w, 2, SIZE, 1);
    assert_int_equal(cosignatures(w, 2, &size), 3); /* at once */
    assert_true(world_run(w, all_have_it, &wish, 200));
    assert_int_equal(cosignatures(w, 3, &size), 0); /* who makes none has none */
}

static void whose_lists_differ_is_alarmed_and_nobody_signs_with_it(void **state)
{
    struct node_world *w = *state;
    struct wish wish = {SIZE, 3, 3}, next = {SIZE + 1, 4, 4};
    uint64_t size;

    for (unsigned i = 0; i < 4; i++)
        say(w, i, SIZE, i == 3 ? 9 : 1);
    assert_true(world_run(w, all_have_it, &wish, 200));
    (void)world_run(w, world_never, NULL, 200);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(cosignatures(w, i, &size), 3);
        assert_int_equal(world_status(w, i).lists_differ_n, 1);
        assert_string_equal(world_status(w, i).alarm, ""); /* one may lie */
    }
    assert_int_equal(cosignatures(w, 3, &size), 0);
    assert_int_equal(world_status(w, 3).lists_differ_n, 3);
    assert_string_equal(world_status(w, 3).alarm, "STATUS_LIST");
    for (unsigned i = 0; i < 4; i++)
        say(w, i, SIZE + 1, 1);
    assert_true(world_run(w, all_have_it, &next, 200));
    assert_string_equal(world_status(w, 3).alarm, ""); /* a quorum has the same lists again */
    assert_int_equal(w->nodes[3].bad_n, 0);
}

/* Lists that agree again say nothing about the alarm that was there before. */
static void an_alarm_that_stands_is_not_put_out_by_lists(void **state)
{
    struct node_world *w = *state;
    struct wish next = {SIZE + 1, 4, 4};

    slk_node_raise_alarm(w->nodes[3].node, "FORK", true);
    for (unsigned i = 0; i < 4; i++)
        say(w, i, SIZE, i == 3 ? 9 : 1);
    (void)world_run(w, world_never, NULL, 400);
    assert_string_equal(world_status(w, 3).alarm, "STATUS_LIST"); /* the last one is shown */
    for (unsigned i = 0; i < 4; i++)
        say(w, i, SIZE + 1, 1);
    assert_true(world_run(w, all_have_it, &next, 200));
    assert_string_equal(world_status(w, 3).alarm, "FORK");
}

static bool has_two(struct node_world *w, void *ctx)
{
    const struct wish next = {SIZE + 1, 2, 3};

    (void)ctx;
    return all_have_it(w, (void *)(uintptr_t)&next);
}

static void the_quorums_note_stays_until_the_next_has_one(void **state)
{
    struct node_world *w = *state;
    struct wish wish = {SIZE, 4, 4};
    uint64_t size;

    for (unsigned i = 0; i < 4; i++)
        say(w, i, SIZE, 1);
    assert_true(world_run(w, all_have_it, &wish, 1000));
    say(w, 0, SIZE + 1, 1);
    say(w, 1, SIZE + 1, 1);
    (void)world_run(w, world_never, NULL, 200);
    assert_int_equal(cosignatures(w, 0, &size), 4);
    assert_int_equal(size, SIZE);
    say(w, 3, SIZE + 1, 1);
    assert_true(world_run(w, has_two, NULL, 200));
}

static void what_was_lost_comes_again(void **state)
{
    struct node_world *w = *state;
    struct wish wish = {SIZE, 4, 4};

    for (unsigned i = 0; i < 4; i++)
        for (unsigned k = 0; k < 4; k++)
            w->cut[i][k] = true;
    for (unsigned i = 0; i < 4; i++)
        say(w, i, SIZE, 1);
    (void)world_run(w, world_never, NULL, 500);
    memset(w->cut, 0, sizeof(w->cut));
    assert_true(world_run(w, all_have_it, &wish, (uint64_t)w->f.charter->fresh_s * 1000 + 1000));
}

static void who_starts_anew_hears_the_others_when_it_meets_them(void **state)
{
    struct node_world *w = *state;
    struct wish wish = {SIZE, 4, 4};
    uint64_t size;

    for (unsigned i = 0; i < 4; i++)
        say(w, i, SIZE, 1);
    assert_true(world_run(w, all_have_it, &wish, 1000));
    world_stop(w, 2);
    world_start(w, 2);
    (void)world_run(w, world_never, NULL, 100);
    assert_int_equal(cosignatures(w, 2, &size), 0);
    say(w, 2, SIZE, 1);
    assert_int_equal(cosignatures(w, 2, &size), 4);
}

static void an_observer_gathers_and_signs_nothing(void **state)
{
    struct node_world *w = *state;
    uint64_t size;

    assert_null(w->nodes[4].cosign);
    for (unsigned i = 1; i < 5; i++)
        say(w, i, SIZE, 1);
    (void)world_run(w, world_never, NULL, 300);
    for (unsigned i = 1; i < 5; i++)
        assert_int_equal(cosignatures(w, i, &size), 3);
}

/* A note by node 3's cosign key; `is_forged`: over another text. */
static struct slk_span note_of(
    struct node_world *w, const struct slk_lists_statement *s, bool is_forged, uint8_t *out, size_t cap)
{
    const struct slk_member *m = &w->f.charter->members[3];
    struct slk_writer writer = {.at = out, .cap = cap};
    char text[SLK_LISTS_TEXT_MAX];
    size_t n = slk_lists_statement_format(text, s);
    struct signer signer;

    slk_write_bytes(&writer, text, n);
    slk_write_u8(&writer, '\n');
    assert_int_equal(slk_vkey_init(&signer.vkey, m->name, SLK_SIG_COSIGNATURE_V1, m->cosign_key), SLK_OK);
    memcpy(signer.seed, slk_key_seed(w->nodes[3].cosign), sizeof(signer.seed));
    signer_add_line(&writer, &signer, FIXTURE_START_MS / 1000, slk_span_of(text, is_forged ? n - 1 : n));
    assert_false(writer.bad);
    return slk_span_of(writer.at, writer.size);
}

static void a_forged_word_is_charged_and_a_late_one_is_not(void **state)
{
    struct node_world *w = *state;
    struct slk_lists_statement s = statement(SIZE, 1), other = s;
    struct slk_node *node = w->nodes[0].node;
    uint8_t bytes[1024];
    uint64_t size;

    say(w, 0, SIZE, 1);
    assert_int_equal(slk_node_received(node, 3, SLK_FRAME_COSIG, note_of(w, &s, true, bytes, sizeof(bytes))),
        SLK_MESH_BAD);
    assert_int_equal(slk_node_received(node, 2, SLK_FRAME_COSIG, note_of(w, &s, false, bytes, sizeof(bytes))),
        SLK_MESH_BAD); /* another's */
    other.origin = slk_span_of("status.example/other", 20);
    assert_int_equal(
        slk_node_received(node, 3, SLK_FRAME_COSIG, note_of(w, &other, false, bytes, sizeof(bytes))),
        SLK_MESH_BAD);
    other = statement(SIZE - 1, 7);
    assert_int_equal(
        slk_node_received(node, 3, SLK_FRAME_COSIG, note_of(w, &other, false, bytes, sizeof(bytes))),
        SLK_MESH_OK);
    other = statement(SIZE, 7);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(
            slk_node_received(node, 3, SLK_FRAME_COSIG, note_of(w, &other, false, bytes, sizeof(bytes))),
            SLK_MESH_OK);
    assert_int_equal(world_status(w, 0).lists_differ_n, 1); /* once */
    (void)slk_node_received(node, 3, SLK_FRAME_COSIG, note_of(w, &s, false, bytes, sizeof(bytes)));
    (void)slk_node_received(node, 3, SLK_FRAME_COSIG, note_of(w, &other, false, bytes, sizeof(bytes)));
    assert_int_equal(world_status(w, 0).lists_differ_n, 2); /* it had made them again in between */
    assert_string_equal(world_status(w, 0).alarm, "");
    assert_int_equal(cosignatures(w, 0, &size), 0);
}

/* What comes early is looked at when its time has come: then it is charged. */
static void a_forged_word_of_lists_to_come_is_charged_when_they_are_made(void **state)
{
    struct node_world *w = *state;
    struct slk_lists_statement s = statement(SIZE, 1);
    uint8_t bytes[1024];

    assert_int_equal(
        slk_node_received(w->nodes[0].node, 3, SLK_FRAME_COSIG, note_of(w, &s, true, bytes, sizeof(bytes))),
        SLK_MESH_OK);
    assert_int_equal(w->nodes[3].bad_n, 0);
    say(w, 0, SIZE, 1);
    assert_int_equal(w->nodes[3].bad_n, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
    const struct CMUnitTest tests[] = {
        T(four_who_say_the_same_each_have_the_note_of_all),
        T(two_of_four_are_no_quorum_and_the_late_one_finds_what_came_before),
        T(whose_lists_differ_is_alarmed_and_nobody_signs_with_it),
        T(an_alarm_that_stands_is_not_put_out_by_lists),
        T(the_quorums_note_stays_until_the_next_has_one),
        T(what_was_lost_comes_again),
        T(who_starts_anew_hears_the_others_when_it_meets_them),
        cmocka_unit_test_setup_teardown(
            an_observer_gathers_and_signs_nothing, open_four_and_one_without_a_vote, world_tear_down),
        T(a_forged_word_is_charged_and_a_late_one_is_not),
        T(a_forged_word_of_lists_to_come_is_charged_when_they_are_made),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
