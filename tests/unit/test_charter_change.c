/* Charters that follow one another: what a change needs, what it may not touch, when it begins, and that all of it can be
 * taken back and read again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/change_world.h"

static const struct slk_span nothing;

static void drop(struct slk_span s)
{
    free((void *)(uintptr_t)s.at);
}

/* An empty block. */
static void pass(struct change_world *w, size_t blocks)
{
    for (size_t i = 0; i < blocks; i++)
        assert_int_equal(change_world_block(w, nothing, NULL, 0), SLK_CHANGE_OK);
}

static void pass_to(struct change_world *w, uint64_t height)
{
    assert_true(w->machine.tip.height <= height);
    pass(w, (size_t)(height - w->machine.tip.height));
}

/* A change to `next` in the next block, from `ahead` blocks later on; it must be good. Frees next. */
static void change(struct change_world *w, struct slk_charter *next, uint64_t ahead)
{
    struct slk_span entry = change_entry(w, next, w->machine.tip.height + 1 + ahead);

    assert_int_equal(change_world_block(w, entry, NULL, 0), SLK_CHANGE_OK);
    assert_true(w->block.has_change);
    drop(entry);
    free(next);
}

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
    pass(w, 3);
    change(w, next, 5); /* in block 4: from 9 on */
    new = slk_charters_pending(w->machine.charters, &activation)->hash;
    assert_int_equal(activation, 9);
    for (uint64_t h = 5; h <= 12; h++) {
        bool governs = w->machine.tip.height + 1 >= 9;

        assert_int_equal(
            change_world_issue(w, &key, SAMPLE_CARD, 1), governs ? SLK_RULE_OK : SLK_RULE_ISSUER_UNKNOWN);
        pass(w, 1);
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
        change(w, next, 1);
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
    change(w, next, 2);
    assert_int_equal(change_world_issue(w, &key, 77, 1), SLK_RULE_TYPE_UNKNOWN);
    assert_false(slk_index_set_has(w->machine.indexes, 77, 8));
    pass(w, 1);
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
    change(w, next, 3);
    pass(w, 2);
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
    drop(entry);
    drop(early);
    free(next);

    /* Until then the four decide, so the one that stays cannot decide alone; no other change can be made anyway. */
    pass(w, 1);
    assert_int_equal(slk_charter_voting_n(w->machine.charter), 1);
    assert_int_equal(w->machine.charter->members[0].agency, 4);
    later = change_world_successor(w);
    later->fresh_s++;
    change_fill(c, bytes, w, later, w->machine.tip.height + 5);
    assert_int_equal(c->approvals_n, 1);
    assert_true(slk_change_put_approval(c, &(struct slk_approval){.agency = 1})); /* once the leader */
    entry = change_print(c);
    assert_int_equal(change_world_try(w, entry), SLK_CHANGE_APPROVER);
    drop(entry);
    change(w, later, 1);
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
    change(w, next, 1);
    params.time_ms = w->machine.tip.time_ms + 60000;
    assert_int_equal(
        slk_block_build(&w->block, &w->machine, &w->source, &params, &list, &verdict, 1, &fault), SLK_OK);
    assert_int_equal(verdict.rule, SLK_RULE_RIGHT_KIND);
    assert_int_equal(submission.charter_version, 2);
    slk_submission_free(&submission);
    drop(signed_bytes);
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
    change(w, next, 4); /* block 1: from 5 on */
    for (uint64_t h = 2; h <= 4; h++) {
        entry = change_entry(w, other, w->machine.tip.height + 6);
        assert_int_equal(change_world_offer(w, entry, &fault), SLK_E_REFUSED);
        assert_non_null(strstr(fault.text, "PENDING"));
        assert_int_equal(change_world_block(w, entry, NULL, 0), SLK_CHANGE_PENDING); /* built without it */
        assert_false(w->block.has_change);
        drop(entry);
    }
    free(other);
    other = change_world_successor(w);
    other->fresh_s += 2;
    change(w, other, 1);
    change_world_free(w);
}

/* ---- refusals ---- */

struct attempt {
    struct change_world *w;
    struct slk_charter *next;
    struct slk_change *change;
};

typedef void edit_fn(struct attempt *a);

static void nothing_to_edit(struct attempt *a)
{
    (void)a;
}
static void wrong_version(struct attempt *a)
{
    a->next->version++;
}
static void wrong_previous(struct attempt *a)
{
    a->next->previous.b[7] ^= 1;
}
static void older(struct attempt *a)
{
    a->next->created_at_ms = a->w->machine.charter->created_at_ms - 1;
}
static void other_origin(struct attempt *a)
{
    a->next->origin[0] = 'k';
}
static void no_sense(struct attempt *a)
{
    a->next->fresh_s = 90000;
}
static void future_rules(struct attempt *a)
{
    a->next->rules = SLK_RULES_NEWEST + 1;
}
static void type_gone(struct attempt *a)
{
    a->next->types_n--; /* the phones */
    for (size_t i = 0; i < a->next->issuers_n; i++)
        a->next->issuers[i].types_n = 1;
}
static void type_renamed(struct attempt *a)
{
    a->next->types[0].name[0] = 'R';
}
static void list_resized(struct attempt *a)
{
    a->next->types[0].status_list_size++;
}
static void reason_gone(struct attempt *a)
{
    a->next->reasons_n--;
}
static void reason_renamed(struct attempt *a)
{
    a->next->reasons[1].name[0] = 'T';
}
static void agency_returns(struct attempt *a)
{
    change_add_member(a->next, 3, SLK_OBSERVER);
    for (unsigned i = 0; i < 4; i++) { /* with keys of its own */
        struct slk_member *m = &a->next->members[a->next->members_n - 1];
        uint8_t *keys[] = {m->vote_key, m->cosign_key, m->log_key, m->node_key};
        struct sample_key key;

        sample_key(&key, 700 + i);
        memcpy(keys[i], key.public, sizeof(key.public));
    }
}
static void key_returns(struct attempt *a)
{
    struct sample_key key;

    sample_key(&key, 3 * 4 + 2); /* agency 3's log key */
    memcpy(a->next->members[0].log_key, key.public, sizeof(key.public));
}
static void key_of_the_office_before(struct attempt *a)
{
    struct sample_key key;

    sample_key(&key, 901); /* an issuer of version 2 */
    memcpy(a->next->members[0].node_key, key.public, sizeof(key.public));
}
static void keys_change_places(struct attempt *a)
{
    uint8_t t[SLK_KEY_SIZE];

    memcpy(t, a->next->members[0].vote_key, sizeof(t));
    memcpy(a->next->members[0].vote_key, a->next->members[0].node_key, sizeof(t));
    memcpy(a->next->members[0].node_key, t, sizeof(t));
}
static void issuer_changes_agency(struct attempt *a)
{
    for (size_t i = 0; i < a->next->issuers_n; i++)
        if (strcmp(a->next->issuers[i].name, "trainee") == 0)
            a->next->issuers[i].agency = 2;
}

/* These edit the next charter before it is signed. */
static const struct {
    edit_fn *edit;
    enum slk_change_rule rule;
} charter_edits[] = {
    {nothing_to_edit, SLK_CHANGE_OK},
    {no_sense, SLK_CHANGE_CHARTER},
    {future_rules, SLK_CHANGE_CHARTER},
    {wrong_version, SLK_CHANGE_VERSION},
    {wrong_previous, SLK_CHANGE_PREVIOUS},
    {older, SLK_CHANGE_CREATED},
    {other_origin, SLK_CHANGE_ORIGIN},
    {type_gone, SLK_CHANGE_TYPE_FIXED},
    {type_renamed, SLK_CHANGE_TYPE_FIXED},
    {list_resized, SLK_CHANGE_TYPE_FIXED},
    {reason_gone, SLK_CHANGE_REASON_FIXED},
    {reason_renamed, SLK_CHANGE_REASON_FIXED},
    {agency_returns, SLK_CHANGE_AGENCY_REUSED},
    {key_returns, SLK_CHANGE_KEY_REUSED},
    {key_of_the_office_before, SLK_CHANGE_KEY_REUSED},
    {keys_change_places, SLK_CHANGE_KEY_REUSED},
    {issuer_changes_agency, SLK_CHANGE_KEY_REUSED},
};

static void begins_at_once(struct attempt *a)
{
    a->change->activation = a->w->machine.tip.height + 1; /* its own block */
    change_approve(a->change, a->w);
}
static void begins_in_the_past(struct attempt *a)
{
    a->change->activation = 1;
    change_approve(a->change, a->w);
}
static void begins_too_late(struct attempt *a)
{
    a->change->activation = a->w->machine.tip.height + 1 + SLK_CHANGE_AHEAD_MAX + 1;
    change_approve(a->change, a->w);
}
static void begins_as_late_as_may_be(struct attempt *a)
{
    a->change->activation--;
    begins_too_late(a);
    a->change->activation--;
    change_approve(a->change, a->w);
}
static void never(struct attempt *a)
{
    a->change->activation = UINT64_MAX;
    change_approve(a->change, a->w);
}
static void approval_by_a_stranger(struct attempt *a)
{
    assert_true(slk_change_put_approval(a->change, &(struct slk_approval){.agency = 999}));
}
static void approval_by_an_observer(struct attempt *a)
{
    assert_true(slk_change_put_approval(a->change, &(struct slk_approval){.agency = 2}));
}
static void approval_of_another_height(struct attempt *a)
{
    a->change->activation++; /* signed was the one before */
}
static void approval_by_the_wrong_key(struct attempt *a)
{
    struct slk_possession p = {0};

    memcpy(p.key, a->w->machine.charter->members[0].node_key, sizeof(p.key));
    change_sign_possession(&p, a->w, 1, SLK_USE_NODE);
    memcpy(a->change->approvals[0].signature, p.signature, sizeof(p.signature));
}
static void no_approval(struct attempt *a)
{
    a->change->approvals_n = 0;
}
static void possession_left_out(struct attempt *a)
{
    a->change->possessions_n--;
}
static void possession_left_out_in_the_middle(struct attempt *a)
{
    a->change->possessions[1] = a->change->possessions[2];
    a->change->possessions[2] = a->change->possessions[3];
    a->change->possessions_n--;
}
static void possession_of_an_old_key(struct attempt *a)
{
    struct slk_possession p = {0};

    memcpy(p.key, a->w->machine.charter->members[0].vote_key, sizeof(p.key));
    change_sign_possession(&p, a->w, 1, SLK_USE_VOTE);
    assert_true(slk_change_put_possession(a->change, &p));
}
static void possession_by_another_agency(struct attempt *a)
{
    change_sign_possession(&a->change->possessions[1], a->w, 1, SLK_USE_COSIGN);
}
static void possession_for_another_use(struct attempt *a)
{
    for (size_t i = 0; i < a->change->possessions_n; i++) {
        if (memcmp(a->change->possessions[i].key, a->next->members[2].log_key, SLK_KEY_SIZE) == 0)
            change_sign_possession(&a->change->possessions[i], a->w, 5, SLK_USE_VOTE);
    }
}
static void ready_left_out(struct attempt *a)
{
    a->change->readies_n--;
}
static void ready_by_one_who_votes_already(struct attempt *a)
{
    struct slk_ready ready = {
        .agency = 1, .height = a->w->machine.tip.height, .block_hash = a->w->machine.tip.block_hash};

    change_sign_ready(&ready, a->w, a->w->machine.charter->members[0].vote_key);
    assert_true(slk_change_put_ready(a->change, &ready));
}
static void ready_by_a_stranger(struct attempt *a)
{
    assert_true(slk_change_put_ready(a->change, &(struct slk_ready){.agency = 999}));
}
static void name_block(struct attempt *a, uint64_t height)
{
    struct slk_ready *ready = &a->change->readies[0];

    ready->height = height;
    slk_block_hash(&ready->block_hash, a->w->headers[height < a->w->blocks_n ? height : 0]);
    change_sign_ready(ready, a->w, a->next->members[1].vote_key);
}
static void ready_at_its_own_block(struct attempt *a)
{
    name_block(a, a->w->machine.tip.height + 1);
}
static void ready_in_the_far_future(struct attempt *a)
{
    name_block(a, UINT64_MAX);
}
static void ready_too_long_ago(struct attempt *a)
{
    name_block(a, a->w->machine.tip.height + 1 - SLK_CHANGE_READY_MAX - 1);
}
static void ready_just_in_time(struct attempt *a)
{
    name_block(a, a->w->machine.tip.height + 1 - SLK_CHANGE_READY_MAX);
}
static void ready_in_another_history(struct attempt *a)
{
    struct slk_ready *ready = &a->change->readies[0];

    ready->block_hash.b[31] ^= 0x80;
    change_sign_ready(ready, a->w, a->next->members[1].vote_key);
}
static void ready_by_the_wrong_key(struct attempt *a)
{
    change_sign_ready(&a->change->readies[0], a->w, a->next->members[2].vote_key);
}

/* These edit the change after it was signed. */
static const struct {
    edit_fn *edit;
    enum slk_change_rule rule;
} change_edits[] = {
    {nothing_to_edit, SLK_CHANGE_OK},
    {begins_at_once, SLK_CHANGE_ACTIVATION},
    {begins_in_the_past, SLK_CHANGE_ACTIVATION},
    {begins_too_late, SLK_CHANGE_ACTIVATION},
    {begins_as_late_as_may_be, SLK_CHANGE_OK},
    {never, SLK_CHANGE_ACTIVATION},
    {approval_by_a_stranger, SLK_CHANGE_APPROVER},
    {approval_by_an_observer, SLK_CHANGE_APPROVER},
    {no_approval, SLK_CHANGE_APPROVALS},
    {approval_of_another_height, SLK_CHANGE_APPROVAL_SIGNATURE},
    {approval_by_the_wrong_key, SLK_CHANGE_APPROVAL_SIGNATURE},
    {possession_left_out, SLK_CHANGE_POSSESSION_MISSING},
    {possession_left_out_in_the_middle, SLK_CHANGE_POSSESSION_MISSING},
    {possession_of_an_old_key, SLK_CHANGE_POSSESSION_UNNEEDED},
    {possession_by_another_agency, SLK_CHANGE_POSSESSION_SIGNATURE},
    {possession_for_another_use, SLK_CHANGE_POSSESSION_SIGNATURE},
    {ready_left_out, SLK_CHANGE_READY_MISSING},
    {ready_by_one_who_votes_already, SLK_CHANGE_READY_UNNEEDED},
    {ready_by_a_stranger, SLK_CHANGE_READY_UNNEEDED},
    {ready_at_its_own_block, SLK_CHANGE_READY_HEIGHT},
    {ready_in_the_far_future, SLK_CHANGE_READY_HEIGHT},
    {ready_too_long_ago, SLK_CHANGE_READY_HEIGHT},
    {ready_just_in_time, SLK_CHANGE_OK},
    {ready_in_another_history, SLK_CHANGE_READY_BLOCK},
    {ready_by_the_wrong_key, SLK_CHANGE_READY_SIGNATURE},
};

/* Version 3: agency 1 votes, 2 observes, 3 was there and is gone, with its keys and an office of version 2. */
static struct change_world *world_with_a_past(void)
{
    struct change_world *w = change_world_new(1);
    struct slk_charter *next = change_world_successor(w);

    change_add_member(next, 2, SLK_OBSERVER);
    change_add_member(next, 3, SLK_OBSERVER);
    change_add_issuer(next, "old-office", 3, 901);
    change(w, next, 1);
    next = change_world_successor(w);
    change_remove_member(next, 3);
    change(w, next, 1);
    return w;
}

/* Built: left out, by that name. Offered by another: refused, by that name and its sentence. */
static void expect(struct attempt *a, enum slk_change_rule rule)
{
    struct slk_span entry = change_print(a->change);
    struct slk_hash tip = a->w->machine.tip.block_hash;
    const struct slk_charter *now = a->w->machine.charter;
    char name[64];
    struct slk_fault fault;

    assert_int_equal(change_world_try(a->w, entry), rule);
    if (rule != SLK_CHANGE_OK) {
        assert_int_equal(change_world_offer(a->w, entry, &fault), SLK_E_REFUSED);
        (void)snprintf(name, sizeof(name), "breaks the rule %s: ", slk_change_rule_name(rule));
        assert_non_null(strstr(fault.text, name));
        assert_true(fault.text[strlen(fault.text) - 1] != '.' && strlen(fault.text) < sizeof(fault.text) - 1);
    }
    assert_true(slk_hash_equal(&tip, &a->w->machine.tip.block_hash) && a->w->machine.charter == now);
    drop(entry);
}

static void every_rule_refuses_by_its_name(void **state)
{
    struct change_world *w = world_with_a_past();
    struct slk_change *c = malloc(sizeof(*c));
    uint8_t *bytes = malloc(SLK_CHARTER_BYTES_MAX);
    bool seen[SLK_CHANGE_RULE_N] = {false};

    (void)state;
    pass(w, SLK_CHANGE_READY_MAX + 2);
    for (size_t i = 0; i < sizeof(charter_edits) / sizeof(charter_edits[0]); i++) {
        struct attempt a = {w, change_world_successor(w), c};

        charter_edits[i].edit(&a);
        slk_charter_sort(a.next);
        change_fill(c, bytes, w, a.next, w->machine.tip.height + 11);
        expect(&a, charter_edits[i].rule);
        seen[charter_edits[i].rule] = true;
        free(a.next);
    }
    for (size_t i = 0; i < sizeof(change_edits) / sizeof(change_edits[0]); i++) {
        struct attempt a = {w, change_world_successor(w), c};

        a.next->members[1].role = SLK_VOTING; /* the observer joins, with one who is new */
        change_add_member(a.next, 5, SLK_VOTING);
        change_fill(c, bytes, w, a.next, w->machine.tip.height + 11);
        assert_int_equal(c->readies_n, 2);
        assert_int_equal(c->possessions_n, 4);
        change_edits[i].edit(&a);
        expect(&a, change_edits[i].rule);
        seen[change_edits[i].rule] = true;
        free(a.next);
    }
    seen[SLK_CHANGE_MALFORMED] = seen[SLK_CHANGE_TOO_LARGE] = seen[SLK_CHANGE_PENDING] =
        true;                      /* other tests */
    seen[SLK_CHANGE_RULES] = true; /* test_rules_begin */
    for (size_t i = 0; i < SLK_CHANGE_RULE_N; i++)
        if (!seen[i])
            fail_msg("no case for %s", slk_change_rule_name((enum slk_change_rule)i));
    free(bytes);
    free(c);
    change_world_free(w);
}

/* An entry of more bytes than this leaves no room for a seal in the smallest block a charter can allow. */
#define ENTRY_ROOM (65536 - 2 - SLK_SEAL_MAX - 2)

static void add_office(struct slk_charter *c, size_t name_size)
{
    char name[SLK_CHARTER_NAME_MAX + 1];
    size_t n = c->issuers_n;

    memset(name, 'o', sizeof(name));
    (void)snprintf(name + name_size - 4, 5, "-%03zu", n);
    change_add_issuer(c, name, 1, (unsigned)(100 + n));
}

static void a_change_larger_than_a_block_may_be_is_refused(void **state)
{
    struct change_world *w = change_world_new(1);
    struct slk_charter *next = change_world_successor(w);
    struct slk_span entry = {0};
    struct slk_fault fault;

    (void)state;
    next->block_bytes = 65536; /* the least there can be */
    next->block_events = next->submission_events = 1;
    change(w, next, 1);
    next = change_world_successor(w);
    while (next->issuers_n < 300)
        add_office(next, 6);
    while (entry.size <= ENTRY_ROOM) {
        if (entry.at != NULL && entry.size + 400 > ENTRY_ROOM)
            assert_int_equal(change_world_try(w, entry), SLK_CHANGE_OK);
        drop(entry);
        add_office(next, 6);
        entry = change_entry(w, next, w->machine.tip.height + 2);
    }
    assert_true(entry.size <= SLK_ENTRY_MAX);
    assert_int_equal(change_world_try(w, entry), SLK_CHANGE_TOO_LARGE);
    assert_int_equal(change_world_offer(w, entry, &fault), SLK_E_REFUSED);
    assert_non_null(strstr(fault.text, "TOO_LARGE"));
    drop(entry);
    free(next);
    change_world_free(w);
}

static void a_change_stands_first_and_alone(void **state)
{
    struct change_world *w = change_world_new(1);
    struct slk_charter *next = change_world_successor(w);
    struct slk_span entry = change_entry(w, next, 2);
    struct slk_fault fault;
    uint8_t genesis[64];
    size_t size = slk_entry_format_charter(genesis, sizeof(genesis), slk_span_of("charter", 7), nothing);

    (void)state;
    assert_int_equal(change_world_block(w, entry, NULL, 0), SLK_CHANGE_OK);
    assert_int_equal(change_world_offer_two(w, entry, entry, &fault), SLK_E_CORRUPT);
    assert_non_null(strstr(fault.text, "cannot stand here"));
    assert_int_equal(change_world_offer(w, slk_span_of(genesis, size), &fault), SLK_E_REFUSED);
    assert_non_null(strstr(fault.text, "MALFORMED"));
    drop(entry);
    free(next);
    change_world_free(w);
}

/* ---- every bit, and what was said before ---- */

static void every_bit_matters(void **state)
{
    struct change_world *w = change_world_new(1);
    struct slk_charter *next = change_world_successor(w);
    struct slk_change *c = malloc(sizeof(*c));
    struct slk_charter *out = malloc(sizeof(*out));
    struct slk_fault fault;
    struct slk_span entry;
    uint8_t *bytes;

    (void)state;
    change_add_member(next, 2, SLK_VOTING);
    pass(w, 2);
    entry = change_entry(w, next, 9);
    bytes = (uint8_t *)(uintptr_t)entry.at;
    for (size_t bit = 0; bit < 8 * entry.size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (slk_change_parse(c, entry) == SLK_OK)
            assert_int_not_equal(
                slk_charters_judge(w->machine.charters, &w->machine.chain_id, 3, c, out, &fault),
                SLK_CHANGE_OK);
        else
            assert_true(c->activation == 0 && c->charter.size == 0);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t size = 0; size < entry.size; size++)
        assert_int_not_equal(slk_change_parse(c, slk_span_of(bytes, size)), SLK_OK);
    assert_int_equal(change_world_block(w, entry, NULL, 0), SLK_CHANGE_OK);
    drop(entry);
    free(out);
    free(c);
    free(next);
    change_world_free(w);
}

static void approvals_are_for_one_change_of_one_charter_of_one_chain(void **state)
{
    struct change_world *w = change_world_new(3), *other = change_world_new(2);
    struct slk_charter *next = change_world_successor(w), *second = change_world_successor(w);
    struct slk_change *c = malloc(sizeof(*c)), *d = malloc(sizeof(*d));
    uint8_t *bytes = malloc(SLK_CHARTER_BYTES_MAX), *more = malloc(SLK_CHARTER_BYTES_MAX);
    struct slk_span entry;

    (void)state;
    next->fresh_s++;
    second->fresh_s += 2;
    change_fill(c, bytes, w, next, 20);
    change_fill(d, more, w, second, 20);
    memcpy(d->approvals, c->approvals, sizeof(d->approvals)); /* another charter, the same height */
    entry = change_print(d);
    assert_int_equal(change_world_try(w, entry), SLK_CHANGE_APPROVAL_SIGNATURE);
    drop(entry);
    change_fill(d, more, other, next, 20); /* another chain; the charter in force is another, too */
    d->charter = c->charter;
    memcpy(d->approvals, c->approvals, sizeof(d->approvals));
    d->approvals_n = 2;
    entry = change_print(d);
    assert_int_equal(change_world_try(other, entry), SLK_CHANGE_PREVIOUS);
    drop(entry);

    entry = change_print(c); /* the same change again, once it has happened */
    assert_int_equal(change_world_block(w, entry, NULL, 0), SLK_CHANGE_OK);
    assert_int_equal(change_world_try(w, entry), SLK_CHANGE_PENDING);
    pass_to(w, 21);
    assert_int_equal(change_world_try(w, entry), SLK_CHANGE_VERSION);
    drop(entry);
    free(second); /* and old approvals under a change that would be good */
    second = change_world_successor(w);
    second->fresh_s += 2;
    change_fill(d, more, w, second, 30);
    memcpy(d->approvals, c->approvals, sizeof(d->approvals));
    entry = change_print(d);
    assert_int_equal(change_world_try(w, entry), SLK_CHANGE_APPROVAL_SIGNATURE);
    drop(entry);
    free(more);
    free(bytes);
    free(d);
    free(c);
    free(second);
    free(next);
    change_world_free(other);
    change_world_free(w);
}

static void what_is_signed_is_fixed_width(void **state)
{
    struct slk_hash chain, old, new;
    uint8_t key[SLK_KEY_SIZE], approve[SLK_APPROVE_STATEMENT_SIZE], possess[SLK_POSSESS_STATEMENT_SIZE],
        ready_bytes[SLK_READY_STATEMENT_SIZE];
    struct slk_ready ready = {.agency = 0x0102, .height = 0x0304050607080910};

    (void)state;
    memset(chain.b, 0xc1, sizeof(chain.b));
    memset(old.b, 0x01, sizeof(old.b));
    memset(new.b, 0x0e, sizeof(new.b));
    memset(key, 0x4e, sizeof(key));
    memset(ready.block_hash.b, 0xb1, sizeof(ready.block_hash.b));
    slk_approve_statement(approve, &chain, &old, &new, 0x1122334455667788);
    assert_memory_equal(approve, "sillok/approve/1", 16);
    assert_memory_equal(approve + 16, chain.b, 32);
    assert_memory_equal(approve + 48, old.b, 32);
    assert_memory_equal(approve + 80, new.b, 32);
    assert_memory_equal(approve + 112, "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
    assert_int_equal(sizeof(approve), 120);
    slk_possess_statement(possess, &chain, key, 0x0102, SLK_USE_LOG);
    assert_memory_equal(possess, "sillok/pop/1\0\0\0\0", 16);
    assert_memory_equal(possess + 16, chain.b, 32);
    assert_memory_equal(possess + 48, key, 32);
    assert_memory_equal(possess + 80, "\0\0\1\2\0\0\0\3", 8);
    assert_int_equal(sizeof(possess), 88);
    slk_ready_statement(ready_bytes, &chain, &ready);
    assert_memory_equal(ready_bytes, "sillok/ready/1\0\0", 16);
    assert_memory_equal(ready_bytes + 16, chain.b, 32);
    assert_memory_equal(ready_bytes + 48, "\0\0\1\2\3\4\5\6\7\x08\x09\x10", 12);
    assert_memory_equal(ready_bytes + 60, ready.block_hash.b, 32);
    assert_int_equal(sizeof(ready_bytes), 92);
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
        change(w, next, ahead);
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
            drop(probe);
            free(probe_charter);
            slk_charters_free(charters);
            if (i < ahead)
                pass(w, 1);
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
    drop(entry);
    free(next);
    change_world_free(w);
}

/* A block that is taken back leaves nothing of its change, nor of a charter that it made begin. */
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
            params.change = i == 0 ? entry : nothing;
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
        drop(entry);
        free(next);
    }
    change_world_free(w);
}

/* ---- a second opinion: the sentences of protocol 2.14, one after the other, over the whole past ---- */

#define PAST_MAX 256

struct past {
    struct slk_charter *charters[PAST_MAX]; /* all that ever were, the genesis charter first */
    uint64_t from[PAST_MAX];                /* the height each governs from */
    size_t n;
};

static const struct slk_charter *governs(const struct past *past, uint64_t height)
{
    size_t at = past->n - 1;

    while (past->from[at] > height)
        at--;
    return past->charters[at];
}

static bool signed_by(const uint8_t *sig, const uint8_t *key, const char *tag, const struct change_world *w,
    const struct slk_hash *hashes, size_t hashes_n, const uint8_t *rest, size_t rest_n)
{
    uint8_t bytes[256] = {0};
    size_t n = 16;

    memcpy(bytes, tag, strlen(tag));
    memcpy(bytes + n, w->machine.chain_id.b, 32);
    n += 32;
    for (size_t i = 0; i < hashes_n; i++, n += 32)
        memcpy(bytes + n, hashes[i].b, 32);
    memcpy(bytes + n, rest, rest_n);
    return slk_sig_verify(sig, bytes, n + rest_n, key);
}

static void big_endian(uint8_t *out, uint64_t v, size_t n)
{
    for (size_t i = n; i-- > 0; v >>= 8)
        out[i] = (uint8_t)v;
}

/* The i-th key of a charter: agency and use with it. False: there are no more. */
static bool key_at(
    const struct slk_charter *c, size_t i, const uint8_t **key, uint16_t *agency, uint32_t *use)
{
    if (i < 4 * c->members_n) {
        const struct slk_member *m = &c->members[i / 4];
        const uint8_t *const keys[] = {m->vote_key, m->cosign_key, m->log_key, m->node_key};

        *key = keys[i % 4];
        *agency = m->agency;
        *use = (uint32_t)(i % 4) + 1;
        return true;
    }
    i -= 4 * c->members_n;
    if (i >= c->issuers_n)
        return false;
    *key = c->issuers[i].public_key;
    *agency = c->issuers[i].agency;
    *use = 5;
    return true;
}

static bool holds(const struct slk_charter *c, const uint8_t *key, uint16_t agency, uint32_t use)
{
    const uint8_t *k;
    uint16_t a;
    uint32_t u;

    for (size_t i = 0; key_at(c, i, &k, &a, &u); i++)
        if (memcmp(k, key, 32) == 0 && (use == 0 || (a == agency && u == use)))
            return true;
    return false;
}

static bool naive_keys(const struct past *past, const struct change_world *w, const struct slk_charter *old,
    const struct slk_charter *next, const struct slk_change *c)
{
    size_t new_n = 0;
    const uint8_t *key;
    uint16_t agency;
    uint32_t use;

    for (size_t i = 0; key_at(next, i, &key, &agency, &use); i++) {
        bool shown = false;
        uint8_t rest[8];
        struct slk_hash as_hash;

        if (holds(old, key, agency, use))
            continue;
        new_n++;
        for (size_t k = 0; k < past->n; k++)
            if (holds(past->charters[k], key, 0, 0))
                return false;
        big_endian(rest, agency, 4);
        big_endian(rest + 4, use, 4);
        memcpy(as_hash.b, key, 32);
        for (size_t k = 0; k < c->possessions_n; k++)
            shown = shown ||
                    (memcmp(c->possessions[k].key, key, 32) == 0 &&
                        signed_by(c->possessions[k].signature, key, "sillok/pop/1", w, &as_hash, 1, rest, 8));
        if (!shown)
            return false;
    }
    return c->possessions_n == new_n;
}

static bool naive_members(const struct past *past, const struct change_world *w,
    const struct slk_charter *old, const struct slk_charter *next, const struct slk_change *c,
    uint64_t height)
{
    size_t joining = 0;

    for (size_t i = 0; i < next->members_n; i++) {
        const struct slk_member *m = &next->members[i], *was = slk_charter_member(old, m->agency);
        bool good = false;

        for (size_t k = 0; k < past->n && was == NULL; k++)
            if (slk_charter_member(past->charters[k], m->agency) != NULL)
                return false;
        if (m->role != SLK_VOTING || (was != NULL && was->role == SLK_VOTING))
            continue;
        joining++;
        for (size_t k = 0; k < c->readies_n; k++) {
            const struct slk_ready *r = &c->readies[k];
            uint8_t rest[44];
            struct slk_hash hash;

            if (r->agency != m->agency || r->height >= height || r->height + 1000 < height)
                continue;
            slk_block_hash(&hash, w->headers[r->height]);
            big_endian(rest, r->agency, 4);
            big_endian(rest + 4, r->height, 8);
            memcpy(rest + 12, hash.b, 32);
            good = slk_hash_equal(&hash, &r->block_hash) &&
                   signed_by(r->signature, m->vote_key, "sillok/ready/1", w, NULL, 0, rest, 44);
        }
        if (!good)
            return false;
    }
    return c->readies_n == joining;
}

static bool naive_approved(
    const struct change_world *w, const struct slk_charter *old, const struct slk_change *c, size_t *n)
{
    struct slk_hash hashes[2] = {old->hash};
    uint8_t rest[8];

    slk_charter_hash(&hashes[1], c->charter);
    big_endian(rest, c->activation, 8);
    *n = 0;
    for (size_t i = 0; i < c->approvals_n; i++) {
        const struct slk_member *m = slk_charter_member(old, c->approvals[i].agency);

        if (m == NULL || m->role != SLK_VOTING ||
            !signed_by(c->approvals[i].signature, m->vote_key, "sillok/approve/1", w, hashes, 2, rest, 8))
            return false;
        (*n)++;
    }
    return true;
}

/* Is this change good in the next block? */
static bool naive(const struct past *past, const struct change_world *w, const struct slk_change *c)
{
    uint64_t height = w->blocks_n;
    const struct slk_charter *old = governs(past, height);
    struct slk_charter *next = malloc(sizeof(*next));
    size_t voting = slk_charter_voting_n(old), approvals;
    bool good = past->from[past->n - 1] <= height && slk_charter_parse(next, c->charter) == SLK_OK &&
                slk_charter_validate(next, NULL) == SLK_OK;

    if (good)
        good = next->version == old->version + 1 && next->has_previous &&
               slk_hash_equal(&next->previous, &old->hash) && strcmp(next->origin, old->origin) == 0 &&
               next->created_at_ms >= old->created_at_ms && next->rules >= old->rules;
    for (size_t i = 0; good && i < old->types_n; i++) {
        const struct slk_credential_type *t = slk_charter_type(next, old->types[i].code);

        good = t != NULL && strcmp(t->name, old->types[i].name) == 0 &&
               t->status_list_size == old->types[i].status_list_size;
    }
    for (size_t i = 0; good && i < old->reasons_n; i++) {
        const struct slk_reason *r = slk_charter_reason(next, old->reasons[i].code);

        good = r != NULL && strcmp(r->name, old->reasons[i].name) == 0;
    }
    good = good && height + 1 <= c->activation && c->activation <= height + 10000;
    good =
        good && naive_approved(w, old, c, &approvals) && approvals >= voting - (voting - 1) / 3 && voting > 0;
    good = good && naive_keys(past, w, old, next, c) && naive_members(past, w, old, next, c, height);
    free(next);
    return good;
}

/* ---- random changes ---- */

static uint64_t dice;

static uint64_t below(uint64_t n)
{
    return sample_below(&dice, n);
}

static void rotate(uint8_t key[SLK_KEY_SIZE], unsigned number)
{
    struct sample_key fresh;

    sample_key(&fresh, number);
    memcpy(key, fresh.public, SLK_KEY_SIZE);
}

/* Key numbers: 1..239 are agencies', 300..999 offices' and fresh ones; some were used before, by chance. */
static void random_edit(struct slk_charter *c, unsigned *fresh)
{
    struct slk_member *m = &c->members[below(c->members_n)];
    char name[32];

    switch (below(12)) {
    case 0:
    case 1:
    case 2: {
        uint16_t agency = (uint16_t)(2 + below(56));

        if (slk_charter_member(c, agency) == NULL && c->members_n < 8)
            change_add_member(c, agency, below(4) == 0 ? SLK_OBSERVER : SLK_VOTING);
        break;
    }
    case 3:
        if (c->members_n > 1)
            change_remove_member(c, m->agency);
        break;
    case 4:
    case 5:
        if (c->issuers_n < 6 && m->agency < 60) {
            (void)snprintf(name, sizeof(name), "office-%u", ++*fresh);
            change_add_issuer(c, name, m->agency, 300 + *fresh % 600);
        }
        break;
    case 6:
        m->role = m->role == SLK_VOTING ? SLK_OBSERVER : SLK_VOTING;
        break;
    case 7:
        rotate(m->vote_key, 300 + ++*fresh % 600);
        break;
    case 8:
        rotate(m->cosign_key, (unsigned)(4 + below(60))); /* may be another's, or an old one */
        break;
    case 9:
        c->fresh_s = (uint32_t)(1 + below(1000));
        break;
    case 10:
        if (c->types_n < 6 && below(3) > 0) {
            c->types[c->types_n] = c->types[0];
            c->types[c->types_n].code = 100 + ++*fresh;
            (void)snprintf(c->types[c->types_n++].name, 20, "type-%u", *fresh);
        } else if (below(4) == 0) {
            c->types[below(c->types_n)].status_list_size++;
        }
        break;
    default:
        if (below(6) == 0)
            c->reasons[below(c->reasons_n)].name[0] = 'X';
        break;
    }
    slk_charter_sort(c);
}

static void random_damage(struct slk_change *c, const struct change_world *w, const struct slk_charter *next)
{
    switch (below(10)) {
    case 0:
        if (c->approvals_n > 0)
            c->approvals_n -= 1 + below(c->approvals_n);
        break;
    case 1:
        if (c->possessions_n > 0)
            c->possessions[below(c->possessions_n)].signature[below(64)] ^= (uint8_t)(1u << below(8));
        break;
    case 2:
        if (c->readies_n > 0) {
            struct slk_ready *r = &c->readies[below(c->readies_n)];

            r->height = below(w->blocks_n + 3);
            slk_block_hash(&r->block_hash, w->headers[r->height < w->blocks_n ? r->height : 0]);
            change_sign_ready(r, w, slk_charter_member(next, r->agency)->vote_key);
        }
        break;
    case 3:
        if (c->possessions_n > 0)
            c->possessions_n--;
        break;
    case 4:
        c->activation += below(3);
        break;
    case 5: /* as many as need be, not all */
        if (c->approvals_n > slk_charter_quorum(w->machine.charter))
            c->approvals_n = slk_charter_quorum(w->machine.charter);
        break;
    default:
        break;
    }
}

static void remember(struct past *past, const struct slk_charter *c, uint64_t from)
{
    struct slk_charter *copy = malloc(sizeof(*copy));

    assert_true(copy != NULL && past->n < PAST_MAX);
    *copy = *c;
    past->charters[past->n] = copy;
    past->from[past->n++] = from;
}

static void random_changes_are_judged_as_the_protocol_says(void **state)
{
    struct change_world *w = change_world_new(1);
    struct slk_change *c = malloc(sizeof(*c));
    uint8_t *bytes = malloc(SLK_CHARTER_BYTES_MAX);
    struct past past = {.n = 0};
    unsigned fresh = 0, good_n = 0, bad_n = 0;
    const char *seed = getenv("SLK_SEED");

    (void)state;
    dice = seed != NULL ? strtoull(seed, NULL, 10) : 20260714;
    remember(&past, w->genesis, 0);
    for (unsigned round = 0; round < 900; round++) {
        const struct slk_charter *now = governs(&past, w->blocks_n);
        struct slk_charter *next = change_world_successor(w), *pending;
        enum slk_change_rule rule;
        struct slk_span entry;
        uint64_t activation;
        bool good;

        assert_true(slk_hash_equal(&now->hash, &w->machine.charter->hash));
        for (uint64_t edits = 1 + below(3); edits > 0; edits--)
            random_edit(next, &fresh);
        change_fill(c, bytes, w, next, w->machine.tip.height + 1 + below(8));
        if (below(2) == 0)
            random_damage(c, w, next);
        entry = change_print(c);
        good = naive(&past, w, c);
        rule = change_world_try(w, entry);
        if (good != (rule == SLK_CHANGE_OK))
            fail_msg(
                "round %u: the protocol says %d, the judge says %s", round, good, slk_change_rule_name(rule));
        good_n += good;
        bad_n += !good;
        if (good && below(3) > 0) {
            activation = c->activation;
            assert_int_equal(change_world_block(w, entry, NULL, 0), SLK_CHANGE_OK);
            pending = malloc(sizeof(*pending));
            assert_int_equal(slk_charter_parse(pending, c->charter), SLK_OK);
            remember(&past, pending, activation);
            free(pending);
        } else {
            pass(w, 1 + below(2));
        }
        drop(entry);
        free(next);
        if (past.n == PAST_MAX)
            break;
    }
    assert_true(good_n > 100 && bad_n > 100 && past.n > 60);
    for (size_t i = 0; i < past.n; i++)
        free(past.charters[i]);
    free(bytes);
    free(c);
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
        cmocka_unit_test(every_rule_refuses_by_its_name),
        cmocka_unit_test(a_change_larger_than_a_block_may_be_is_refused),
        cmocka_unit_test(a_change_stands_first_and_alone),
        cmocka_unit_test(every_bit_matters),
        cmocka_unit_test(approvals_are_for_one_change_of_one_charter_of_one_chain),
        cmocka_unit_test(what_is_signed_is_fixed_width),
        cmocka_unit_test(what_is_read_again_is_what_was_replayed),
        cmocka_unit_test(a_restore_refuses_what_cannot_follow),
        cmocka_unit_test(undo_leaves_nothing),
        cmocka_unit_test(random_changes_are_judged_as_the_protocol_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
