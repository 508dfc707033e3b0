/* Charters that follow one another: when a new one begins, that it can be taken back, and read again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/change_world.h"

/* ---- effect ---- */

static void the_new_charter_governs_from_its_activation_on(void **state)
{
    struct change_world *w = change_world_new(1);
    struct slk_charter *next = change_world_successor(w);
    struct slk_hash old = w->machine.charter->hash, new;
    struct slk_block_header header;
    struct sample_key key;
    uint64_t activation;

    (void)state;
    sample_key(&key, 900);
    change_add_issuer(next, "new-office", 1, 900);
    change_world_pass(w, 3);
    change_world_change(w, next, 5); /* in block 4: from 9 on */
    new = slk_charters_pending(w->machine.charters, &activation)->hash;
    assert_int_equal(activation, 9);
    for (uint64_t h = 5; h <= 12; h++) {
        bool governs = w->machine.tip.height + 1 >= 9;

        assert_int_equal(
            change_world_issue(w, &key, SAMPLE_CARD, 1), governs ? SLK_RULE_OK : SLK_RULE_ISSUER_UNKNOWN);
        change_world_pass(w, 1);
        assert_int_equal(slk_block_header_parse(&header, w->block.header_bytes), SLK_OK);
        assert_true(slk_hash_equal(&header.charter_hash, h >= 9 ? &new : &old));
        assert_true(slk_hash_equal(&header.next_charter_hash, h >= 8 ? &new : &old));
        assert_true(slk_hash_equal(&slk_charters_last(w->machine.charters)->hash, &header.charter_hash));
        assert_true(slk_hash_equal(&slk_charters_now(w->machine.charters)->hash, &header.next_charter_hash));
    }
    assert_null(slk_charters_pending(w->machine.charters, &activation));
    change_world_free(w);
}

static void a_change_may_begin_with_the_very_next_block(void **state)
{
    struct change_world *w = change_world_new(1);
    struct slk_block_header header;

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct slk_charter *next = change_world_successor(w);
        char name[32];

        (void)snprintf(name, sizeof(name), "office-%u", i);
        change_add_issuer(next, name, 1, 900 + i);
        change_world_change(w, next, 1);
        assert_int_equal(slk_block_header_parse(&header, w->block.header_bytes), SLK_OK);
        assert_false(slk_hash_equal(&header.charter_hash, &header.next_charter_hash));
        assert_int_equal(w->machine.charter->version, 2 + i);
    }
    change_world_free(w);
}

static void a_type_that_is_added_can_be_issued_and_its_places_are_remembered(void **state)
{
    struct change_world *w = change_world_new(1);
    struct slk_charter *next = change_world_successor(w);
    struct sample_key key;

    (void)state;
    sample_issuer_key(&key, OFFICE);
    next->types[next->types_n++] = (struct slk_credential_type){
        .code = 77, .name = "diplomat-card", .max_validity_s = SAMPLE_YEAR_S, .status_list_size = 1000};
    for (size_t i = 0; i < next->issuers_n; i++)
        next->issuers[i].types[next->issuers[i].types_n++] = 77;
    assert_int_equal(change_world_issue(w, &key, 77, 1), SLK_RULE_TYPE_UNKNOWN);
    change_world_change(w, next, 2);
    assert_int_equal(change_world_issue(w, &key, 77, 1), SLK_RULE_TYPE_UNKNOWN);
    assert_false(slk_index_set_has(w->machine.indexes, 77, 8));
    change_world_pass(w, 1);
    assert_int_equal(change_world_issue(w, &key, 77, 1), SLK_RULE_OK);
    slk_index_set_put(w->machine.indexes, 77, 8, true); /* credential 1, device 1: sample_event */
    assert_int_equal(change_world_issue(w, &key, 77, 1), SLK_RULE_STATUS_INDEX_USED);
    change_world_free(w);
}

/* Grow 1 -> 4 (three join at once), 4 -> 1, and the removed leader has no say at or after the activation. */
static void membership_grows_and_shrinks_and_the_removed_have_no_say(void **state)
{
    struct change_world *w = change_world_new(1);
    struct slk_charter *next = change_world_successor(w), *later;
    struct slk_change *c = malloc(sizeof(*c));
    uint8_t *bytes = malloc(SLK_CHARTER_BYTES_MAX);
    struct slk_span entry, early;

    (void)state;
    for (uint16_t agency = 2; agency <= 4; agency++)
        change_add_member(next, agency, SLK_VOTING);
    change_world_change(w, next, 3);
    change_world_pass(w, 2);
    assert_int_equal(slk_charter_voting_n(w->machine.charter), 4);
    assert_int_equal(slk_charter_quorum(w->machine.charter), 3);

    next = change_world_successor(w);
    for (uint16_t agency = 1; agency <= 3; agency++)
        change_remove_member(next, agency);
    change_fill(c, bytes, w, next, w->machine.tip.height + 4);
    assert_int_equal(c->approvals_n, 4);
    c->approvals_n = 2; /* q - 1 */
    early = change_print(c);
    assert_int_equal(change_world_block(w, early, NULL, 0), SLK_CHANGE_APPROVALS);
    c->approvals_n = 3;
    entry = change_print(c);
    assert_int_equal(change_world_block(w, entry, NULL, 0), SLK_CHANGE_OK);
    change_drop(entry);
    change_drop(early);
    free(next);

    /* Until then the four decide, so the one that stays cannot decide alone; no other change can be made anyway. */
    change_world_pass(w, 1);
    assert_int_equal(slk_charter_voting_n(w->machine.charter), 1);
    assert_int_equal(w->machine.charter->members[0].agency, 4);
    later = change_world_successor(w);
    later->fresh_s++;
    change_fill(c, bytes, w, later, w->machine.tip.height + 5);
    assert_int_equal(c->approvals_n, 1);
    assert_true(slk_change_put_approval(c, &(struct slk_approval){.agency = 1})); /* once the leader */
    entry = change_print(c);
    assert_int_equal(change_world_try(w, entry), SLK_CHANGE_APPROVER);
    change_drop(entry);
    change_world_change(w, later, 1);
    free(bytes);
    free(c);
    change_world_free(w);
}

/* Admitted before a charter begins, executed after: the issuer's rights are those of the block's own charter. */
static void what_waits_while_the_charter_changes_is_admitted_again(void **state)
{
    struct change_world *w = change_world_new(1);
    struct slk_charter *next = change_world_successor(w);
    struct slk_event event = sample_event(SLK_ISSUE, 1, 1);
    struct slk_submission submission = {.events_n = 0}, *list = &submission;
    struct slk_block_params params = {.flags = SLK_BLOCK_FLAG_HEARTBEAT};
    uint8_t bytes[SLK_EVENT_MAX];
    struct slk_span span = slk_span_of(bytes, slk_event_format(bytes, sizeof(bytes), &event)), signed_bytes;
    struct slk_verdict verdict = {0};
    struct slk_fault fault;
    struct sample_key key;

    (void)state;
    sample_issuer_key(&key, OFFICE);
    signed_bytes = sample_submission(&key, &w->machine.chain_id, &span, 1);
    assert_int_equal(slk_submission_parse(&submission, signed_bytes), SLK_OK);
    slk_submission_admit(&submission, w->machine.charter, &w->machine.chain_id);
    assert_int_equal(submission.rule, SLK_RULE_OK);
    for (size_t i = 0; i < next->issuers_n; i++)
        next->issuers[i].kinds = 1u << SLK_LOCK;
    change_world_change(w, next, 1);
    params.time_ms = w->machine.tip.time_ms + 60000;
    assert_int_equal(
        slk_block_build(&w->block, &w->machine, &w->source, &params, &list, &verdict, 1, &fault), SLK_OK);
    assert_int_equal(verdict.rule, SLK_RULE_RIGHT_KIND);
    assert_int_equal(submission.charter_version, 2);
    slk_submission_free(&submission);
    change_drop(signed_bytes);
    change_world_free(w);
}

static void only_one_change_waits(void **state)
{
    struct change_world *w = change_world_new(1);
    struct slk_charter *next = change_world_successor(w), *other = change_world_successor(w);
    struct slk_span entry;
    struct slk_fault fault;

    (void)state;
    next->fresh_s++;
    other->fresh_s += 2;
    change_world_change(w, next, 4); /* block 1: from 5 on */
    for (uint64_t h = 2; h <= 4; h++) {
        entry = change_entry(w, other, w->machine.tip.height + 6);
        assert_int_equal(change_world_offer(w, entry, &fault), SLK_E_REFUSED);
        assert_non_null(strstr(fault.text, "PENDING"));
        assert_int_equal(change_world_block(w, entry, NULL, 0), SLK_CHANGE_PENDING); /* built without it */
        assert_false(w->block.has_change);
        change_drop(entry);
    }
    free(other);
    other = change_world_successor(w);
    other->fresh_s += 2;
    change_world_change(w, other, 1);
    change_world_free(w);
}

/* ---- taken back, and read again ---- */

/* Everything a machine knows about charters, by what it answers. */
struct picture {
    struct slk_hash now, last, pending;
    uint64_t activation;
    struct slk_hash after;
    enum slk_change_rule same;
};

static struct picture picture_of(struct change_world *w, struct slk_charters *charters, struct slk_span probe)
{
    struct slk_change *c = malloc(sizeof(*c));
    struct slk_charter *out = malloc(sizeof(*out));
    const struct slk_charter *pending;
    struct picture p = {0};
    struct slk_fault fault;

    p.now = slk_charters_now(charters)->hash;
    p.last = slk_charters_last(charters)->hash;
    pending = slk_charters_pending(charters, &p.activation);
    if (pending != NULL)
        p.pending = pending->hash;
    p.after = slk_charters_after(charters, w->machine.tip.height + 1)->hash;
    assert_int_equal(slk_change_parse(c, probe), SLK_OK);
    p.same = slk_charters_judge(charters, &w->machine.chain_id, w->machine.tip.height + 1, c, out, &fault);
    free(out);
    free(c);
    return p;
}

static void assert_same_picture(const struct picture *a, const struct picture *b)
{
    assert_memory_equal(a->now.b, b->now.b, SLK_HASH_SIZE);
    assert_memory_equal(a->last.b, b->last.b, SLK_HASH_SIZE);
    assert_memory_equal(a->pending.b, b->pending.b, SLK_HASH_SIZE);
    assert_memory_equal(a->after.b, b->after.b, SLK_HASH_SIZE);
    assert_int_equal(a->activation, b->activation);
    assert_int_equal(a->same, b->same);
}

/* What a store keeps and a start reads: the entries of changes and where they stood. */
static struct slk_charters *restored(const struct change_world *w, size_t blocks_n)
{
    struct slk_charters *charters;

    assert_int_equal(slk_charters_new(&charters, w->genesis), SLK_OK);
    for (size_t h = 1; h < blocks_n; h++) {
        struct slk_reader r = {.rest = w->bundles[h]};
        struct slk_span first = slk_read_span(&r, slk_read_u16(&r));
        struct slk_entry entry;

        assert_int_equal(slk_entry_parse(&entry, first), SLK_OK);
        if (entry.type == SLK_ENTRY_CHARTER)
            assert_int_equal(slk_charters_restore(charters, h, first), SLK_OK);
    }
    for (size_t h = blocks_n; h-- > 0 && blocks_n - h <= SLK_CHANGE_READY_MAX;) {
        struct slk_hash hash;

        slk_block_hash(&hash, w->headers[h]);
        slk_charters_note(charters, h, &hash);
    }
    slk_charters_reach(charters, blocks_n - 1);
    return charters;
}

/* Scenario 58: at every height, before, while and after a charter waits. */
static void what_is_read_again_is_what_was_replayed(void **state)
{
    struct change_world *w = change_world_new(1);
    uint64_t random = 0x5ca1ab1e;

    (void)state;
    for (unsigned round = 0; round < 12; round++) {
        struct slk_charter *next = change_world_successor(w);
        uint64_t ahead = 1 + sample_below(&random, 6);

        if (round % 3 == 0)
            change_add_member(next, (uint16_t)(10 + round), round % 2 == 0 ? SLK_VOTING : SLK_OBSERVER);
        else
            change_add_issuer(next, round % 3 == 1 ? "one" : "two", 1, 800 + round);
        if (next->issuers_n > 4)
            change_remove_member(next, (uint16_t)(10 + round - round % 3));
        for (size_t i = 0; i + 1 < next->issuers_n; i++) /* names are unique */
            (void)snprintf(next->issuers[i].name, sizeof(next->issuers[i].name), "issuer-%u-%zu", round, i);
        change_world_change(w, next, ahead);
        for (uint64_t i = 0; i <= ahead; i++) {
            struct slk_charters *charters = restored(w, w->blocks_n);
            struct slk_charter *probe_charter = change_world_successor(w);
            struct slk_span probe;
            struct picture replayed, read;

            change_add_member(probe_charter, (uint16_t)(100 + i), SLK_VOTING);
            probe = change_entry(w, probe_charter, w->machine.tip.height + 9);
            replayed = picture_of(w, w->machine.charters, probe);
            read = picture_of(w, charters, probe);
            assert_same_picture(&replayed, &read);
            assert_int_equal(read.same, read.activation != 0 ? SLK_CHANGE_PENDING : SLK_CHANGE_OK);
            change_drop(probe);
            free(probe_charter);
            slk_charters_free(charters);
            if (i < ahead)
                change_world_pass(w, 1);
        }
    }
    change_world_free(w);
}

static void a_restore_refuses_what_cannot_follow(void **state)
{
    struct change_world *w = change_world_new(1);
    struct slk_charter *next = change_world_successor(w);
    struct slk_span entry = change_entry(w, next, 5);
    struct slk_charters *charters;

    (void)state;
    assert_int_equal(slk_charters_new(&charters, w->genesis), SLK_OK);
    assert_int_equal(
        slk_charters_restore(charters, 5, entry), SLK_E_CORRUPT); /* it begins in its own block */
    slk_charters_free(charters);
    assert_int_equal(slk_charters_new(&charters, w->genesis), SLK_OK);
    assert_int_equal(slk_charters_restore(charters, 1, slk_span_of(entry.at, entry.size - 1)), SLK_E_CORRUPT);
    slk_charters_free(charters);
    assert_int_equal(slk_charters_new(&charters, w->genesis), SLK_OK);
    assert_int_equal(slk_charters_restore(charters, 1, entry), SLK_OK);
    assert_int_equal(slk_charters_restore(charters, 3, entry), SLK_E_CORRUPT); /* one waits */
    slk_charters_free(charters);
    assert_int_equal(slk_charters_new(&charters, w->genesis), SLK_OK);
    assert_int_equal(slk_charters_restore(charters, 1, entry), SLK_OK);
    assert_int_equal(slk_charters_restore(charters, 7, entry), SLK_E_CORRUPT); /* it follows another */
    slk_charters_free(charters);
    change_drop(entry);
    free(next);
    change_world_free(w);
}

/* A block that is taken back leaves change_none of its change, nor of a charter that it made begin. */
static void undo_leaves_nothing(void **state)
{
    struct change_world *w = change_world_new(1);
    struct slk_block_params params = {.flags = SLK_BLOCK_FLAG_HEARTBEAT};
    struct slk_fault fault;

    (void)state;
    for (unsigned round = 0; round < 5; round++) {
        struct slk_charter *next = change_world_successor(w);
        uint64_t ahead = 1 + round % 3;
        struct slk_span entry;

        change_add_member(next, (uint16_t)(20 + round), SLK_OBSERVER);
        next->types[next->types_n] = next->types[0];
        next->types[next->types_n].code = 500 + round;
        (void)snprintf(next->types[next->types_n++].name, 20, "type-%u", round);
        entry = change_entry(w, next, w->machine.tip.height + 1 + ahead);
        for (uint64_t i = 0; i <= ahead; i++) {
            struct slk_tip tip = w->machine.tip;
            const struct slk_charter *now = w->machine.charter;
            struct picture before = picture_of(w, w->machine.charters, entry), after;
            uint32_t code = 500 + round;
            size_t size;

            params.time_ms = tip.time_ms + 60000;
            params.change = i == 0 ? entry : change_none;
            assert_int_equal(
                slk_block_build(&w->block, &w->machine, &w->source, &params, NULL, NULL, 0, &fault), SLK_OK);
            assert_int_equal(w->block.change_rule, SLK_CHANGE_OK);
            slk_block_undo(&w->machine, &w->block, NULL);
            after = picture_of(w, w->machine.charters, entry);
            assert_same_picture(&before, &after);
            assert_memory_equal(&tip, &w->machine.tip, sizeof(tip));
            assert_ptr_equal(now, w->machine.charter);
            if (i < ahead)
                assert_null(slk_index_set_bits(w->machine.indexes, code, &size));
            assert_int_equal(change_world_block(w, params.change, NULL, 0), SLK_CHANGE_OK);
            if (i + 1 >= ahead)
                assert_non_null(slk_index_set_bits(w->machine.indexes, code, &size));
        }
        change_drop(entry);
        free(next);
    }
    change_world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_new_charter_governs_from_its_activation_on),
        cmocka_unit_test(a_change_may_begin_with_the_very_next_block),
        cmocka_unit_test(a_type_that_is_added_can_be_issued_and_its_places_are_remembered),
        cmocka_unit_test(membership_grows_and_shrinks_and_the_removed_have_no_say),
        cmocka_unit_test(what_waits_while_the_charter_changes_is_admitted_again),
        cmocka_unit_test(only_one_change_waits),
        cmocka_unit_test(what_is_read_again_is_what_was_replayed),
        cmocka_unit_test(a_restore_refuses_what_cannot_follow),
        cmocka_unit_test(undo_leaves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
