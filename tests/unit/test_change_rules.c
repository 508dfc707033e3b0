/* What a charter change needs and what it may not touch: every refusal by its name, every bit, every old signature. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/change_world.h"

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
    change_world_change(w, next, 1);
    next = change_world_successor(w);
    change_remove_member(next, 3);
    change_world_change(w, next, 1);
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
    change_drop(entry);
}

static void every_rule_refuses_by_its_name(void **state)
{
    struct change_world *w = world_with_a_past();
    struct slk_change *c = malloc(sizeof(*c));
    uint8_t *bytes = malloc(SLK_CHARTER_BYTES_MAX);
    bool seen[SLK_CHANGE_RULE_N] = {false};

    (void)state;
    change_world_pass(w, SLK_CHANGE_READY_MAX + 2);
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
    change_world_change(w, next, 1);
    next = change_world_successor(w);
    while (next->issuers_n < 300)
        add_office(next, 6);
    while (entry.size <= ENTRY_ROOM) {
        if (entry.at != NULL && entry.size + 400 > ENTRY_ROOM)
            assert_int_equal(change_world_try(w, entry), SLK_CHANGE_OK);
        change_drop(entry);
        add_office(next, 6);
        entry = change_entry(w, next, w->machine.tip.height + 2);
    }
    assert_true(entry.size <= SLK_ENTRY_MAX);
    assert_int_equal(change_world_try(w, entry), SLK_CHANGE_TOO_LARGE);
    assert_int_equal(change_world_offer(w, entry, &fault), SLK_E_REFUSED);
    assert_non_null(strstr(fault.text, "TOO_LARGE"));
    change_drop(entry);
    free(next);
    change_world_free(w);
}

/* What a header says of a body with a change: its leaf hash, then the submissions. */
static void assert_body_hash(
    const struct change_world *w, struct slk_span change, const struct slk_submission *submission)
{
    struct slk_hash leaf, body;
    struct slk_sha sha;

    slk_hash_leaf(&leaf, change.at, change.size);
    slk_sha_init(&sha);
    slk_sha_add(&sha, SLK_TAG_BODY, SLK_TAG_SIZE);
    slk_sha_add(&sha, leaf.b, sizeof(leaf.b));
    if (submission != NULL) {
        slk_sha_add(&sha, submission->id.b, sizeof(submission->id.b));
        slk_sha_add(&sha, submission->key_id, sizeof(submission->key_id));
        slk_sha_add(&sha, submission->signature, sizeof(submission->signature));
    }
    slk_sha_final(&sha, &body);
    assert_memory_equal(body.b, w->block.header.body_hash.b, sizeof(body.b));
}

static struct slk_span submission_of(
    const struct change_world *w, const struct slk_event *event, struct slk_hash *id)
{
    uint8_t bytes[SLK_EVENT_MAX];
    struct slk_span span = slk_span_of(bytes, slk_event_format(bytes, sizeof(bytes), event));
    struct sample_key key;

    sample_issuer_key(&key, OFFICE);
    slk_event_id(id, span);
    return sample_submission(&key, &w->machine.chain_id, &span, 1);
}

static void events_stand_behind_the_change_and_go_on_from_there(void **state)
{
    struct change_world *w = change_world_new(1);
    struct slk_charter *next = change_world_successor(w);
    struct slk_span entry = change_entry(w, next, 2), submitted;
    struct slk_event issue = sample_event(SLK_ISSUE, 1, 1), lock = sample_event(SLK_LOCK, 1, 1);
    struct slk_submission submission = {.events_n = 0};
    struct slk_entry recorded;

    (void)state;
    submitted = submission_of(w, &issue, &lock.previous);
    assert_int_equal(change_world_block(w, entry, &submitted, 1), SLK_CHANGE_OK);
    assert_int_equal(w->block.entries_n, 4); /* change, event, authorization, seal */
    assert_int_equal(w->rows[0].log_index, w->block.first_index + 1);
    assert_int_equal(slk_entry_parse(&recorded, w->entries[w->block.first_index + 1]), SLK_OK);
    assert_int_equal(recorded.type, SLK_ENTRY_RECORDED);
    assert_int_equal(slk_submission_parse(&submission, submitted), SLK_OK);
    slk_submission_admit(&submission, w->genesis, &w->machine.chain_id);
    assert_body_hash(w, entry, &submission);
    slk_submission_free(&submission);
    change_drop(submitted);
    lock.sequence = 1;
    lock.has_previous = true;
    submitted = submission_of(w, &lock, &lock.previous);
    assert_int_equal(change_world_block(w, change_none, &submitted, 1), SLK_CHANGE_OK);
    assert_int_equal(w->machine.tip.events_n, 2);
    change_drop(submitted);
    change_drop(entry);
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
    size_t size = slk_entry_format_charter(genesis, sizeof(genesis), slk_span_of("charter", 7), change_none);

    (void)state;
    assert_int_equal(change_world_block(w, entry, NULL, 0), SLK_CHANGE_OK);
    assert_body_hash(w, entry, NULL);
    assert_int_equal(w->block.header.flags, 0); /* no heartbeat, though its params asked for one */
    change_world_pass(w, 1);
    assert_int_equal(w->block.header.flags, SLK_BLOCK_FLAG_HEARTBEAT);
    assert_int_equal(change_world_offer_two(w, entry, entry, &fault), SLK_E_CORRUPT);
    assert_non_null(strstr(fault.text, "cannot stand here"));
    assert_int_equal(change_world_offer(w, slk_span_of(genesis, size), &fault), SLK_E_REFUSED);
    assert_non_null(strstr(fault.text, "MALFORMED"));
    change_drop(entry);
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
    change_world_pass(w, 2);
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
    change_drop(entry);
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
    change_drop(entry);
    change_fill(d, more, other, next, 20); /* another chain; the charter in force is another, too */
    d->charter = c->charter;
    memcpy(d->approvals, c->approvals, sizeof(d->approvals));
    d->approvals_n = 2;
    entry = change_print(d);
    assert_int_equal(change_world_try(other, entry), SLK_CHANGE_PREVIOUS);
    change_drop(entry);

    entry = change_print(c); /* the same change again, once it has happened */
    assert_int_equal(change_world_block(w, entry, NULL, 0), SLK_CHANGE_OK);
    assert_int_equal(change_world_try(w, entry), SLK_CHANGE_PENDING);
    change_world_pass_to(w, 21);
    assert_int_equal(change_world_try(w, entry), SLK_CHANGE_VERSION);
    change_drop(entry);
    free(second); /* and old approvals under a change that would be good */
    second = change_world_successor(w);
    second->fresh_s += 2;
    change_fill(d, more, w, second, 30);
    memcpy(d->approvals, c->approvals, sizeof(d->approvals));
    entry = change_print(d);
    assert_int_equal(change_world_try(w, entry), SLK_CHANGE_APPROVAL_SIGNATURE);
    change_drop(entry);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_refuses_by_its_name),
        cmocka_unit_test(a_change_larger_than_a_block_may_be_is_refused),
        cmocka_unit_test(events_stand_behind_the_change_and_go_on_from_there),
        cmocka_unit_test(a_change_stands_first_and_alone),
        cmocka_unit_test(every_bit_matters),
        cmocka_unit_test(approvals_are_for_one_change_of_one_charter_of_one_chain),
        cmocka_unit_test(what_is_signed_is_fixed_width),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
