/* A ledger whose charter changes, on disk: across restarts, key changes and audits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lmdb.h>

#include "ledger/embed/change.h"
#include "tests/unit/ledger_fixture.h"

#define NEW_KEYS 200 /* numbers of keys that no genesis charter has */

typedef void edit_fn(struct slk_charter *next);

static void put_key(uint8_t out[SLK_KEY_SIZE], unsigned number)
{
    struct slk_key *key = fixture_key(number);

    memcpy(out, slk_key_public(key), SLK_KEY_SIZE);
    slk_key_free(key);
}

static void add_stranger(struct slk_charter *next)
{
    struct slk_issuer *issuer = &next->issuers[next->issuers_n];

    *issuer = next->issuers[0];
    for (size_t i = 0; i < next->issuers_n; i++)
        if (next->issuers[i].agency == 1)
            *issuer = next->issuers[i]; /* the ministry's rights */
    next->issuers_n++;
    put_key(issuer->public_key, KEY_ISSUER + STRANGER);
    (void)snprintf(issuer->name, sizeof(issuer->name), "stranger-no-more");
}

static void fresh_keys(struct slk_charter *next)
{
    struct slk_member *m = &next->members[0];

    put_key(m->vote_key, NEW_KEYS + KEY_VOTE);
    put_key(m->cosign_key, NEW_KEYS + KEY_COSIGN);
    put_key(m->log_key, NEW_KEYS + KEY_LOG);
}

static void let_the_second_vote(struct slk_charter *next)
{
    next->members[1].role = SLK_VOTING;
}

static void add_type(struct slk_charter *next)
{
    struct slk_credential_type *type = &next->types[next->types_n];

    *type = next->types[next->types_n - 1];
    type->code++;
    (void)snprintf(type->name, sizeof(type->name), "type-%zu", ++next->types_n);
    for (size_t i = 0; i < next->issuers_n; i++)
        if (next->issuers[i].agency == 1)
            next->issuers[i].types[next->issuers[i].types_n++] = type->code;
}

static void reuse_a_key(struct slk_charter *next)
{
    memcpy(next->members[2].node_key, next->members[2].log_key, SLK_KEY_SIZE);
    put_key(next->members[2].log_key, NEW_KEYS + 50);
}

/* The change to the edited charter, signed by every key that there is. */
static struct slk_span make_change(const struct slk_ledger *ledger, edit_fn *edit, uint64_t activation)
{
    struct slk_charter *next = malloc(sizeof(*next));
    struct slk_change *change = calloc(1, sizeof(*change));
    uint8_t *bytes = malloc(SLK_CHARTER_BYTES_MAX), *entry = malloc(SLK_ENTRY_MAX);
    struct slk_change_place place = {.chain_id = *slk_ledger_chain_id(ledger),
        .old = slk_ledger_charter(ledger),
        .next = next,
        .height = slk_ledger_tip(ledger)->height,
        .block_hash = slk_ledger_tip(ledger)->block_hash};
    size_t size;

    assert_true(next != NULL && change != NULL && bytes != NULL && entry != NULL);
    *next = *slk_ledger_charter(ledger);
    next->version++;
    next->has_previous = true;
    next->previous = slk_ledger_charter(ledger)->hash;
    edit(next);
    slk_charter_sort(next);
    size = slk_charter_format(bytes, SLK_CHARTER_BYTES_MAX, next);
    assert_true(size > 0);
    change->charter = slk_span_of(bytes, size);
    change->activation = activation;
    for (unsigned number = 0; number < NEW_KEYS + 64; number++) {
        struct slk_key *key = fixture_key(number);
        unsigned said;

        assert_int_equal(slk_change_sign(change, &place, key, &said), SLK_OK);
        slk_key_free(key);
    }
    size = slk_change_format(entry, SLK_ENTRY_MAX, change);
    assert_true(size > 0);
    free(bytes);
    free(change);
    free(next);
    return slk_span_of(entry, size);
}

static enum slk_err try_change(struct slk_ledger *ledger, edit_fn *edit, uint64_t ahead,
    enum slk_change_rule *rule, struct slk_fault *fault)
{
    struct slk_span entry = make_change(ledger, edit, slk_ledger_tip(ledger)->height + 1 + ahead);
    uint64_t height = 0;
    enum slk_err err = slk_ledger_change(ledger, entry, rule, &height, fault);

    assert_int_equal(height, err == SLK_OK ? slk_ledger_tip(ledger)->height : 0);
    fixture_free(entry);
    return err;
}

static void change(struct slk_ledger *ledger, edit_fn *edit, uint64_t ahead)
{
    enum slk_change_rule rule;
    struct slk_fault fault;

    assert_int_equal(try_change(ledger, edit, ahead, &rule, &fault), SLK_OK);
    assert_int_equal(rule, SLK_CHANGE_OK);
}

static enum slk_outcome submit_by(
    struct fixture *f, struct slk_ledger *ledger, enum fixture_issuer issuer, uint32_t number)
{
    struct fixture_life life = fixture_life(FIXTURE_CARD, number);
    struct slk_span bytes = fixture_single(f, issuer, &life, SLK_ISSUE);
    struct slk_result result = fixture_submit(ledger, bytes);

    fixture_free(bytes);
    return result.outcome;
}

static void must_be_sound(const struct fixture *f)
{
    struct slk_fault fault = {0};
    struct slk_tip tip;
    uint64_t events_n;
    enum slk_err err = slk_ledger_audit(f->dir, &f->chain_id, 1, &tip, &events_n, NULL, NULL, &fault);

    if (err != SLK_OK)
        fail_msg("audit: %s", fault.text);
    err = slk_store_fsck(f->dir, NULL, NULL, NULL, NULL, &fault);
    if (err != SLK_OK)
        fail_msg("fsck: %s", fault.text);
}

static void an_issuer_that_is_added_may_issue(void **state)
{
    struct slk_ledger_options options;
    struct slk_ledger *ledger;
    struct fixture f;

    (void)state;
    fixture_open(&f, NULL);
    options = fixture_options(&f);
    fixture_init(&f);
    ledger = fixture_ledger(&f, &options);
    assert_int_equal(submit_by(&f, ledger, STRANGER, 1), SLK_REFUSED);
    change(ledger, add_stranger, 1);
    assert_int_equal(slk_ledger_charter(ledger)->version, 2);
    assert_int_equal(submit_by(&f, ledger, STRANGER, 1), SLK_ACCEPTED);
    assert_int_equal(submit_by(&f, ledger, MINISTRY, 2), SLK_ACCEPTED);
    slk_ledger_close(ledger);
    must_be_sound(&f);
    ledger = fixture_ledger(&f, &options);
    assert_int_equal(slk_ledger_charter(ledger)->version, 2);
    assert_int_equal(submit_by(&f, ledger, STRANGER, 3), SLK_ACCEPTED);
    slk_ledger_close(ledger);
    must_be_sound(&f);
    fixture_close(&f);
}

/* Scenario 58: what waits is read again from what was committed, whenever the process ends. */
static void a_charter_that_waits_survives_every_restart(void **state)
{
    struct slk_ledger_options options;
    struct slk_ledger *ledger;
    struct fixture f;

    (void)state;
    fixture_open(&f, NULL);
    options = fixture_options(&f);
    fixture_init(&f);
    ledger = fixture_ledger(&f, &options);
    change(ledger, add_stranger, 4); /* block 1: from 5 on */
    for (uint32_t height = 2; height <= 7; height++) {
        const struct slk_charter *pending;
        uint64_t activation;

        slk_ledger_close(ledger);
        must_be_sound(&f);
        ledger = fixture_ledger(&f, &options);
        pending = slk_ledger_pending(ledger, &activation);
        assert_true(
            height >= 5 ? pending == NULL : pending != NULL && activation == 5 && pending->version == 2);
        assert_int_equal(slk_ledger_charter(ledger)->version, height >= 5 ? 2 : 1);
        assert_int_equal(
            submit_by(&f, ledger, STRANGER, 100 + height), height >= 5 ? SLK_ACCEPTED : SLK_REFUSED);
        if (height < 5)
            assert_int_equal(submit_by(&f, ledger, MINISTRY, height), SLK_ACCEPTED);
        assert_int_equal(slk_ledger_tip(ledger)->height, height);
    }
    slk_ledger_close(ledger);
    must_be_sound(&f);
    fixture_close(&f);
}

static void a_bad_change_is_named_and_writes_nothing(void **state)
{
    struct slk_ledger_options options;
    enum slk_change_rule rule;
    struct slk_ledger *ledger;
    struct slk_fault fault;
    struct slk_tip before;
    struct slk_span entry;
    struct fixture f;
    uint64_t height;

    (void)state;
    fixture_open(&f, NULL);
    options = fixture_options(&f);
    fixture_init(&f);
    ledger = fixture_ledger(&f, &options);
    before = *slk_ledger_tip(ledger);
    assert_int_equal(try_change(ledger, reuse_a_key, 1, &rule, &fault), SLK_E_REFUSED);
    assert_int_equal(rule, SLK_CHANGE_KEY_REUSED);
    assert_non_null(strstr(fault.text, "was used before"));
    assert_int_equal(try_change(ledger, add_stranger, 0, &rule, &fault), SLK_E_REFUSED);
    assert_int_equal(rule, SLK_CHANGE_ACTIVATION);
    entry = make_change(ledger, add_stranger, 2);
    assert_int_equal(slk_ledger_change(ledger, slk_span_of(entry.at, entry.size - 1), &rule, &height, &fault),
        SLK_E_REFUSED);
    assert_int_equal(rule, SLK_CHANGE_MALFORMED);
    assert_memory_equal(&before, slk_ledger_tip(ledger), sizeof(before));
    assert_int_equal(submit_by(&f, ledger, MINISTRY, 1), SLK_ACCEPTED);
    assert_int_equal(
        slk_ledger_change(ledger, entry, &rule, &height, &fault), SLK_E_REFUSED); /* it begins here */
    assert_int_equal(rule, SLK_CHANGE_ACTIVATION);
    fixture_free(entry);
    change(ledger, add_stranger, 1);
    slk_ledger_close(ledger);
    must_be_sound(&f);
    fixture_close(&f);
}

/* A proof is judged by the policy its reader holds: the one before until the first block under the new keys, then the new one. */
static void expect_proof(struct fixture *f, struct slk_ledger *ledger, bool old_is_good, bool new_is_good)
{
    struct slk_verify_options verify = {.now_s = f->now_ms / 1000 + 10};
    struct fixture_life life = fixture_life(FIXTURE_CARD, 1);
    struct slk_policy *policies[2] = {fixture_policy(f), NULL};
    struct slk_fault fault = {0};
    char *text = malloc(1u << 16);
    uint8_t *proof = NULL;
    size_t size = 0;

    assert_int_equal(slk_policy_new(&policies[1], text,
                         slk_charter_policy(text, 1u << 16, slk_ledger_charter(ledger)), &fault),
        SLK_OK);
    assert_int_equal(slk_ledger_prove(ledger, life.handle, true, SLK_BINARY, &proof, &size, &fault), SLK_OK);
    for (unsigned i = 0; i < 2; i++) {
        struct slk_answer answer;
        enum slk_err err =
            slk_verify_status(&answer, slk_span_of(proof, size), life.handle, policies[i], &verify);

        assert_int_equal(err == SLK_OK, i == 0 ? old_is_good : new_is_good);
        slk_answer_clear(&answer);
        slk_policy_free(policies[i]);
    }
    free(proof);
    free(text);
}

static void keys_change_hands(void **state)
{
    struct slk_key *vote = fixture_key(NEW_KEYS + KEY_VOTE), *log = fixture_key(NEW_KEYS + KEY_LOG),
                   *cosign = fixture_key(NEW_KEYS + KEY_COSIGN);
    struct slk_ledger_options options, old;
    struct slk_ledger *ledger = NULL;
    struct slk_fault fault = {0};
    struct slk_span bytes;
    struct fixture_life life;
    struct slk_result result;
    struct fixture f;

    (void)state;
    fixture_open(&f, NULL);
    old = options = fixture_options(&f);
    options.vote_key = vote;
    options.log_key = log;
    options.cosign_key = cosign;
    fixture_init(&f);
    ledger = fixture_ledger(&f, &old);
    assert_int_equal(submit_by(&f, ledger, MINISTRY, 1), SLK_ACCEPTED);
    change(ledger, fresh_keys, 2); /* block 2: from 4 on */
    assert_int_equal(
        submit_by(&f, ledger, MINISTRY, 2), SLK_ACCEPTED); /* block 3, the last one by the old keys */
    assert_int_equal(slk_ledger_charter(ledger)->version, 2);
    expect_proof(&f, ledger, true, false);
    life = fixture_life(FIXTURE_CARD, 3);
    bytes = fixture_single(&f, MINISTRY, &life, SLK_ISSUE);
    assert_int_equal(slk_ledger_submit(ledger, &bytes, &result, 1, &fault), SLK_E_KEY);
    assert_non_null(strstr(fault.text, "another vote key"));
    slk_ledger_close(ledger);
    must_be_sound(&f);
    assert_int_equal(slk_ledger_open(&ledger, f.dir, &old, &fault), SLK_E_KEY);

    ledger = fixture_ledger(&f, &options);
    assert_int_equal(
        slk_ledger_sign(ledger, &fault), SLK_OK); /* the same tip, by the members of the next block */
    expect_proof(&f, ledger, false, true);
    result = fixture_accept(ledger, bytes);
    assert_int_equal(result.height, 4);
    expect_proof(&f, ledger, false, true);
    slk_ledger_close(ledger);
    must_be_sound(&f);
    slk_key_free(vote);
    slk_key_free(log);
    slk_key_free(cosign);
    fixture_close(&f);
}

/* With a second voter nobody writes alone any more; readers stay. */
static void who_votes_with_others_writes_no_longer_alone(void **state)
{
    struct slk_ledger_options options;
    struct slk_ledger *ledger = NULL;
    struct slk_fault fault = {0};
    struct slk_span bytes;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 2);
    struct slk_result result;
    struct fixture f;

    (void)state;
    fixture_open(&f, NULL);
    options = fixture_options(&f);
    fixture_init(&f);
    ledger = fixture_ledger(&f, &options);
    assert_int_equal(submit_by(&f, ledger, MINISTRY, 1), SLK_ACCEPTED);
    change(ledger, let_the_second_vote, 1);
    bytes = fixture_single(&f, MINISTRY, &life, SLK_ISSUE);
    assert_int_equal(slk_ledger_submit(ledger, &bytes, &result, 1, &fault), SLK_E_READ_ONLY);
    fixture_free(bytes);
    slk_ledger_close(ledger);
    must_be_sound(&f);
    assert_int_equal(slk_ledger_open(&ledger, f.dir, &options, &fault), SLK_E_READ_ONLY);
    options.read_only = true;
    ledger = fixture_ledger(&f, &options);
    assert_int_equal(slk_charter_voting_n(slk_ledger_charter(ledger)), 2);
    slk_ledger_close(ledger);
    fixture_close(&f);
}

/* A snapshot that was begun before a type was added is given up; those after hold its used places. */
static void places_of_added_types_survive_snapshots(void **state)
{
    struct slk_ledger_options options;
    struct slk_ledger *ledger;
    struct fixture f;

    (void)state;
    fixture_open(&f, NULL);
    options = fixture_options(&f);
    options.snapshot_events = 3;
    fixture_init(&f);
    ledger = fixture_ledger(&f, &options);
    for (uint32_t round = 0; round < 5; round++) {
        struct fixture_life life = fixture_life(FIXTURE_CARD, 500 + round);
        struct fixture_batch batch = {0};
        struct slk_event event;
        struct slk_result result;
        struct slk_span bytes;

        change(ledger, add_type, 1 + round % 2);
        for (uint32_t i = 0; i < 5; i++)
            assert_int_equal(submit_by(&f, ledger, MINISTRY, 10 * round + i), SLK_ACCEPTED);
        event = fixture_event(&life, SLK_ISSUE, f.now_ms);
        event.type = FIXTURE_PHONE + 1 + round;
        event.status_index = 77;
        fixture_put(&batch, &event, NULL);
        fixture_accept(ledger, fixture_sign(&f, MINISTRY, &batch));
        for (uint32_t i = 5; i < 10; i++)
            assert_int_equal(submit_by(&f, ledger, MINISTRY, 10 * round + i), SLK_ACCEPTED);
        slk_ledger_close(ledger);
        ledger = fixture_ledger(&f, &options);
        event.credential[0] ^= 1; /* another credential at the same place */
        event.device.b[0] ^= 1;
        fixture_put(&batch, &event, NULL);
        bytes = fixture_sign(&f, MINISTRY, &batch);
        result = fixture_submit(ledger, bytes);
        assert_int_equal(result.outcome, SLK_REFUSED);
        assert_int_equal(result.verdict.rule, SLK_RULE_STATUS_INDEX_USED);
        fixture_free(bytes);
        fixture_batch_free(&batch);
    }
    slk_ledger_close(ledger);
    must_be_sound(&f);
    fixture_close(&f);
}

/* Writes the list of charter changes anew; empty: without it. The transaction names itself, as every one of the store's does. */
static void put_list(const char *dir, const uint64_t *heights, size_t n)
{
    MDB_val key = {strlen("changes"), (void *)(uintptr_t) "changes"},
            stamp = {strlen("transaction"), (void *)(uintptr_t) "transaction"}, value;
    uint8_t bytes[64];
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi meta;

    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 16), 0);
    assert_int_equal(mdb_env_set_mapsize(env, (size_t)1 << 30), 0);
    assert_int_equal(mdb_env_open(env, dir, MDB_NOSYNC, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "meta", 0, &meta), 0);
    for (size_t i = 0; i < n; i++)
        slk_put_u64(bytes + 8 * i, heights[i]);
    value = (MDB_val){8 * n, bytes};
    assert_int_equal(n > 0 ? mdb_put(txn, meta, &key, &value, 0) : mdb_del(txn, meta, &key, NULL), 0);
    slk_put_u64(bytes, mdb_txn_id(txn));
    value = (MDB_val){8, bytes};
    assert_int_equal(mdb_put(txn, meta, &stamp, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

/* The list is a short cut to what the blocks say: it cannot say anything else. */
static void a_list_of_changes_that_is_wrong_is_found(void **state)
{
    static const uint64_t lists[][3] = {{0}, {1}, {4}, {1, 3}, {1, 4, 5}, {4, 1}, {1, 4, 99}};
    static const size_t sizes[] = {0, 1, 1, 2, 3, 2, 3};
    struct slk_ledger_options options;
    struct slk_fault fault = {0};
    struct slk_ledger *ledger;
    struct fixture f;

    (void)state;
    fixture_open(&f, NULL);
    options = fixture_options(&f);
    fixture_init(&f);
    ledger = fixture_ledger(&f, &options);
    change(ledger, add_stranger, 1); /* in block 1 */
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(submit_by(&f, ledger, STRANGER, i), SLK_ACCEPTED);
    change(ledger, add_type, 1); /* in block 4 */
    for (uint32_t i = 2; i < 4; i++)
        assert_int_equal(submit_by(&f, ledger, STRANGER, i), SLK_ACCEPTED);
    slk_ledger_close(ledger);
    must_be_sound(&f);
    options.read_only = true;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        put_list(f.dir, lists[i], sizes[i]);
        assert_int_equal(slk_store_fsck(f.dir, NULL, NULL, NULL, NULL, &fault), SLK_E_CORRUPT);
        assert_int_equal(slk_ledger_open(&ledger, f.dir, &options, &fault), SLK_E_CORRUPT);
        assert_non_null(strstr(fault.text, "fsck"));
    }
    put_list(f.dir, (const uint64_t[]){1, 4}, 2);
    must_be_sound(&f);
    slk_ledger_close(fixture_ledger(&f, &options));
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_issuer_that_is_added_may_issue),
        cmocka_unit_test(a_charter_that_waits_survives_every_restart),
        cmocka_unit_test(a_bad_change_is_named_and_writes_nothing),
        cmocka_unit_test(keys_change_hands),
        cmocka_unit_test(who_votes_with_others_writes_no_longer_alone),
        cmocka_unit_test(places_of_added_types_survive_snapshots),
        cmocka_unit_test(a_list_of_changes_that_is_wrong_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
