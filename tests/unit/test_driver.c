/* test_driver.c: the embedded ledger through the consensus core: every block has its certificate; what an interrupted height left
 * on record is decided without any message (protocol §5, scenarios 6, 31, 50, 57). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/embed/ledger_private.h"
#include "tests/scratch.h"
#include "tests/unit/ledger_fixture.h"
#include "tests/unit/store_fixture.h"

/* ---- a block that was never committed here ---- */

struct lost {
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct slk_hash hash;
    uint8_t *entries;
    size_t size;
};

/* Block 1 of a ledger that then disappears; f->dir holds the same ledger with its genesis block alone. */
static struct lost lose_a_block(struct fixture *f)
{
    struct slk_ledger_options options = fixture_options(f);
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    struct slk_view_block block;
    struct slk_ledger *ledger;
    struct slk_view *view;
    struct lost lost;

    fixture_init(f);
    ledger = fixture_ledger(f, &options);
    (void)fixture_accept(ledger, fixture_single(f, MINISTRY, &life, SLK_ISSUE));
    assert_int_equal(slk_view_begin(&view, slk_ledger_store(ledger)), SLK_OK);
    assert_int_equal(slk_view_block(view, 1, &block), SLK_OK);
    memcpy(lost.header, block.header, sizeof lost.header);
    lost.size = block.entries.size;
    lost.entries = malloc(lost.size);
    assert_non_null(lost.entries);
    memcpy(lost.entries, block.entries.at, lost.size);
    slk_block_hash(&lost.hash, lost.header);
    slk_view_end(view);
    slk_ledger_close(ledger);
    scratch_remove(f->dir);
    fixture_init(f);
    return lost;
}

static bool body_of_lost(void *ctx, const struct slk_hash *hash, struct slk_span *body)
{
    const struct lost *lost = ctx;

    *body = slk_span_of(lost->entries, lost->size);
    return slk_hash_equal(hash, &lost->hash);
}

enum { PROPOSE = 1, NOTARIZE = 2, NULLIFY = 4, FINALIZE = 8, BLOCK = 16, N = 32, K = 64, MUTED = 128 };

static void add_vote(
    struct slk_bft_record *records, size_t *n, enum slk_vote_kind kind, const struct slk_hash *hash)
{
    records[(*n)++] = (struct slk_bft_record){
        .kind = SLK_RECORD_VOTE, .vote = {.kind = kind, .height = 1, .view = 1, .hash = *hash}};
}

/* What q = 1 votes make. */
static void add_cert(const struct fixture *f, struct slk_bft_record *records, size_t *n,
    struct slk_cert *cert, enum slk_vote_kind kind, const struct slk_hash *hash)
{
    struct slk_statement s = {.kind = kind, .height = 1, .view = 1, .hash = *hash};
    uint8_t bytes[SLK_VOTE_BYTES];
    struct slk_council council;

    assert_int_equal(slk_council_of(&council, f->charter, &f->chain_id), SLK_OK);
    *cert = (struct slk_cert){
        .kind = kind, .height = 1, .view = 1, .hash = *hash, .bitmap_bytes = 1, .signers = 1};
    slk_statement_bytes(bytes, &council, &s);
    assert_int_equal(slk_key_sign(f->vote_key, cert->sigs[0], bytes, sizeof bytes), SLK_OK);
    records[(*n)++] = (struct slk_bft_record){.kind = SLK_RECORD_CERT, .cert = cert};
}

/* What a process has made durable before it was killed: all of view 1. */
static void leave_on_record(const struct fixture *f, struct lost *lost, unsigned what)
{
    struct slk_bft_record records[8];
    struct slk_cert notarized, nullified;
    struct slk_fault fault = {0};
    struct slk_store *store;
    size_t n = 0;

    if (what & PROPOSE)
        add_vote(records, &n, SLK_VOTE_PROPOSE, &lost->hash);
    if (what & NOTARIZE)
        add_vote(records, &n, SLK_VOTE_NOTARIZE, &lost->hash);
    if (what & NULLIFY)
        add_vote(records, &n, SLK_VOTE_NULLIFY, &slk_hash_zero);
    if (what & FINALIZE)
        add_vote(records, &n, SLK_VOTE_FINALIZE, &lost->hash);
    if (what & BLOCK)
        records[n++] =
            (struct slk_bft_record){.kind = SLK_RECORD_BLOCK, .hash = lost->hash, .header = lost->header};
    if (what & N)
        add_cert(f, records, &n, &notarized, SLK_VOTE_NOTARIZE, &lost->hash);
    if (what & K)
        add_cert(f, records, &n, &nullified, SLK_VOTE_NULLIFY, &slk_hash_zero);
    if (what & MUTED)
        records[n++] = (struct slk_bft_record){.kind = SLK_RECORD_MUTED};
    store = reopen(f->dir, false);
    assert_int_equal(slk_store_persist(store, records, n, body_of_lost, lost, &fault), SLK_OK);
    slk_store_close(store);
}

static void expect_audited(const char *dir, uint64_t height)
{
    struct slk_fault fault = {0};
    struct slk_tip tip;
    uint64_t events_n;
    enum slk_err err = slk_ledger_audit(dir, NULL, 1, &tip, &events_n, NULL, NULL, &fault);

    if (err != SLK_OK)
        fail_msg("audit: %s: %s", slk_err_name(err), fault.text);
    assert_int_equal(tip.height, height);
    expect_sound(dir);
}

static struct slk_cert finality_of(struct slk_ledger *ledger, uint64_t height)
{
    struct slk_view *view;
    struct slk_cert cert;

    assert_int_equal(slk_view_begin(&view, slk_ledger_store(ledger)), SLK_OK);
    assert_int_equal(slk_view_finality(view, height, &cert), SLK_OK);
    slk_view_end(view);
    return cert;
}

static size_t records_in(const char *dir)
{
    struct slk_store *store = reopen(dir, true);
    struct slk_view *view = view_of(store);
    struct slk_fault fault = {0};
    struct slk_cons cons;
    size_t n;

    assert_int_equal(slk_view_cons(view, &cons, &fault), SLK_OK);
    n = cons.n;
    slk_cons_free(&cons);
    slk_view_end(view);
    slk_store_close(store);
    return n;
}

/* ---- the usual way ---- */

static void every_block_is_final_by_its_members_vote(void **state)
{
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    struct slk_ledger_options options;
    struct slk_council council;
    struct slk_ledger *ledger;
    struct fixture f;

    (void)state;
    fixture_open(&f, NULL);
    fixture_init(&f);
    options = fixture_options(&f);
    ledger = fixture_ledger(&f, &options);
    assert_int_equal(slk_council_of(&council, f.charter, &f.chain_id), SLK_OK);
    for (uint64_t height = 1; height <= 20; height++) {
        struct slk_cert cert;

        (void)fixture_accept(ledger, fixture_single(&f, MINISTRY, &life, fixture_next_kind(&life, height)));
        assert_int_equal(slk_ledger_tip(ledger)->height, height);
        cert = finality_of(ledger, height);
        assert_int_equal(cert.view, 1);
        assert_true(slk_hash_equal(&cert.hash, &slk_ledger_tip(ledger)->block_hash));
        assert_true(slk_cert_check(&cert, &council, &slk_verifier_ed25519));
    }
    slk_ledger_close(ledger);
    assert_int_equal(records_in(f.dir), 0);
    expect_audited(f.dir, 20);
    fixture_close(&f);
}

static void without_the_vote_key_nothing_is_submitted_and_all_else_works(void **state)
{
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    struct slk_key *wrong = fixture_key(KEY_NODE);
    struct slk_ledger_options options;
    struct slk_fault fault = {0};
    struct slk_result result;
    struct slk_ledger *ledger;
    struct slk_span bytes;
    struct fixture f;

    (void)state;
    fixture_open(&f, NULL);
    fixture_init(&f);
    options = fixture_options(&f);
    options.vote_key = NULL;
    ledger = fixture_ledger(&f, &options);
    bytes = fixture_single(&f, MINISTRY, &life, SLK_ISSUE);
    assert_int_equal(slk_ledger_submit(ledger, &bytes, &result, 1, &fault), SLK_E_KEY);
    assert_non_null(strstr(fault.text, "--vote-key"));
    assert_int_equal(slk_ledger_sign(ledger, &fault), SLK_OK);
    assert_int_equal(slk_ledger_vote_with(ledger, wrong, &fault), SLK_E_KEY);
    assert_int_equal(slk_ledger_vote_with(ledger, f.vote_key, &fault), SLK_OK);
    assert_int_equal(slk_ledger_submit(ledger, &bytes, &result, 1, &fault), SLK_OK);
    assert_int_equal(result.outcome, SLK_ACCEPTED);
    slk_ledger_close(ledger);
    options.vote_key = wrong;
    assert_int_equal(slk_ledger_open(&ledger, f.dir, &options, &fault), SLK_E_KEY);
    fixture_free(bytes);
    slk_key_free(wrong);
    expect_audited(f.dir, 1);
    fixture_close(&f);
}

/* ---- scenario 6: killed with its votes durable, and nobody there to ask ---- */

static void try_resume(unsigned what, bool decided, uint32_t view)
{
    struct fixture_life life = fixture_life(FIXTURE_CARD, 2);
    struct slk_ledger_options options;
    struct slk_ledger *ledger;
    struct slk_cert cert;
    struct fixture f;
    struct lost lost;

    fixture_open(&f, NULL);
    lost = lose_a_block(&f);
    leave_on_record(&f, &lost, what);
    options = fixture_options(&f);
    options.vote_key = NULL; /* who only looks decides nothing */
    ledger = fixture_ledger(&f, &options);
    assert_int_equal(slk_ledger_tip(ledger)->height, 0);
    slk_ledger_close(ledger);
    assert_int_not_equal(records_in(f.dir), 0);

    options = fixture_options(&f);
    ledger = fixture_ledger(&f, &options);
    assert_int_equal(slk_ledger_tip(ledger)->height, decided);
    if (decided) {
        cert = finality_of(ledger, 1);
        assert_int_equal(cert.view, view);
        assert_true(slk_hash_equal(&slk_ledger_tip(ledger)->block_hash, &lost.hash));
        assert_int_equal(ledger->signed_size, slk_ledger_tip(ledger)->log_size);
    }
    (void)fixture_accept(ledger, fixture_single(&f, MINISTRY, &life, SLK_ISSUE));
    cert = finality_of(ledger, 1 + decided);
    assert_int_equal(cert.view, decided ? 1 : view);
    slk_ledger_close(ledger);
    assert_int_equal(records_in(f.dir), 0);
    expect_audited(f.dir, 1 + decided);
    free(lost.entries);
    fixture_close(&f);
}

static void a_sole_member_killed_after_its_votes_decides_without_a_message(void **state)
{
    (void)state;
    try_resume(PROPOSE | BLOCK, true, 1);
    try_resume(PROPOSE | NOTARIZE | BLOCK, true, 1);
    try_resume(NOTARIZE | BLOCK, true, 1);
    try_resume(PROPOSE | NOTARIZE | N | BLOCK, true, 1);
    try_resume(PROPOSE | NOTARIZE | N | FINALIZE | BLOCK, true, 1);
    try_resume(FINALIZE | N | BLOCK, true, 1);
}

/* A view that was nullified is not finalised, whatever else is on record: its block is carried into the next. */
static void a_nullified_view_is_never_finalised_after_a_restart(void **state)
{
    (void)state;
    try_resume(PROPOSE | NOTARIZE | NULLIFY | BLOCK, true, 2);
    try_resume(NOTARIZE | N | NULLIFY | BLOCK, true, 2);
    try_resume(NOTARIZE | N | K | NULLIFY | BLOCK, true, 2);
    try_resume(NULLIFY, false, 2);
    try_resume(NULLIFY | K, false, 2);
}

/* ---- what must not go on ---- */

static enum slk_err refused(struct fixture *f, const char *why)
{
    struct fixture_life life = fixture_life(FIXTURE_CARD, 2);
    struct slk_ledger_options options = fixture_options(f);
    struct slk_ledger *ledger = fixture_ledger(f, &options);
    struct slk_span bytes = fixture_single(f, MINISTRY, &life, SLK_ISSUE);
    struct slk_fault fault = {0};
    struct slk_result result;
    enum slk_err err = slk_ledger_submit(ledger, &bytes, &result, 1, &fault);

    assert_int_not_equal(err, SLK_OK);
    assert_int_equal(result.outcome, 0);
    if (strstr(fault.text, why) == NULL)
        fail_msg("\"%s\" does not say: %s", fault.text, why);
    fixture_free(bytes);
    slk_ledger_close(ledger);
    ledger = fixture_ledger(f, &options); /* and it is as it was */
    assert_int_equal(slk_ledger_tip(ledger)->height, 0);
    slk_ledger_close(ledger);
    return err;
}

static void a_member_that_was_muted_votes_for_nothing_any_more(void **state)
{
    struct fixture f;
    struct lost lost;

    (void)state;
    fixture_open(&f, NULL);
    lost = lose_a_block(&f);
    leave_on_record(&f, &lost, MUTED | PROPOSE | BLOCK);
    assert_int_equal(refused(&f, "signs nothing any more"), SLK_E_KEY);
    assert_int_equal(records_in(f.dir), 3);
    free(lost.entries);
    fixture_close(&f);
}

/* A block whose map root is another: its header is sound, executing it says otherwise. */
static void spoil(struct lost *lost)
{
    lost->header[SLK_BLOCK_HEADER_SIZE - 1] ^= 1;
    slk_block_hash(&lost->hash, lost->header);
}

static void a_voted_block_that_breaks_the_rules_stops_the_member(void **state)
{
    struct fixture f;
    struct lost lost;

    (void)state;
    fixture_open(&f, NULL);
    lost = lose_a_block(&f);
    spoil(&lost);
    leave_on_record(&f, &lost, PROPOSE | NOTARIZE | BLOCK);
    assert_int_equal(refused(&f, "does not pass the rules any more"), SLK_E_CORRUPT);
    free(lost.entries);
    fixture_close(&f);
}

/* Proposed, but voted for by nobody: the view is given up, and the ledger goes on in the next. */
static void a_proposed_block_that_breaks_the_rules_is_passed_over(void **state)
{
    struct fixture_life life = fixture_life(FIXTURE_CARD, 2);
    struct slk_ledger_options options;
    struct slk_ledger *ledger;
    struct fixture f;
    struct lost lost;

    (void)state;
    fixture_open(&f, NULL);
    lost = lose_a_block(&f);
    spoil(&lost);
    leave_on_record(&f, &lost, PROPOSE | BLOCK);
    options = fixture_options(&f);
    ledger = fixture_ledger(&f, &options);
    assert_int_equal(slk_ledger_tip(ledger)->height, 0);
    (void)fixture_accept(ledger, fixture_single(&f, MINISTRY, &life, SLK_ISSUE));
    assert_int_equal(finality_of(ledger, 1).view, 2);
    slk_ledger_close(ledger);
    expect_audited(f.dir, 1);
    free(lost.entries);
    fixture_close(&f);
}

static void a_vote_for_a_block_that_is_not_stored_stops_the_member(void **state)
{
    struct fixture f;
    struct lost lost;

    (void)state;
    fixture_open(&f, NULL);
    lost = lose_a_block(&f);
    leave_on_record(&f, &lost, NOTARIZE);
    assert_int_equal(refused(&f, "that is not stored"), SLK_E_CORRUPT);
    free(lost.entries);
    fixture_close(&f);
}

/* Scenario 57: the commit did not happen, so its votes are there; it did, so they are gone, and the store takes no other. */
static void votes_are_on_record_until_the_commit_and_not_after(void **state)
{
    struct slk_ledger_options options;
    struct slk_fault fault = {0};
    struct slk_bft_record other = {
        .kind = SLK_RECORD_VOTE, .vote = {.kind = SLK_VOTE_NOTARIZE, .height = 1, .view = 1}};
    struct slk_store *store;
    struct fixture f;
    struct lost lost;
    char copy[sizeof f.dir];

    (void)state;
    fixture_open(&f, NULL);
    lost = lose_a_block(&f);
    leave_on_record(&f, &lost, PROPOSE | NOTARIZE | BLOCK);
    assert_true(snprintf(copy, sizeof copy, "%s/copy", f.root) < (int)sizeof copy);
    fixture_copy(f.dir, copy); /* what is there when the power goes before the commit */
    options = fixture_options(&f);
    slk_ledger_close(fixture_ledger(&f, &options));
    assert_int_equal(records_in(f.dir), 0);
    assert_int_equal(records_in(copy), 3);
    store = reopen(copy, false);
    other.vote.hash = f.chain_id;
    assert_int_equal(slk_store_persist(store, &other, 1, NULL, NULL, &fault), SLK_E_CHAIN);
    slk_store_close(store);
    memcpy(f.dir, copy, sizeof copy);
    slk_ledger_close(fixture_ledger(&f, &options));
    expect_audited(copy, 1);
    free(lost.entries);
    fixture_close(&f);
}

/* ---- a stranger's audit ---- */

static void an_audit_wants_the_certificate_of_every_block(void **state)
{
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    uint8_t key[8], form[SLK_CERT_FORM_MAX];
    struct slk_ledger_options options;
    struct slk_fault fault = {0};
    struct slk_ledger *ledger;
    struct slk_cert cert, forged;
    struct slk_tip tip;
    uint64_t events_n;
    struct fixture f;

    (void)state;
    fixture_open(&f, NULL);
    fixture_init(&f);
    options = fixture_options(&f);
    ledger = fixture_ledger(&f, &options);
    for (int i = 0; i < 3; i++)
        (void)fixture_accept(ledger, fixture_single(&f, MINISTRY, &life, fixture_next_kind(&life, 0)));
    cert = finality_of(ledger, 2);
    slk_ledger_close(ledger);
    slk_put_u64(key, 2);

    forged = cert;
    forged.sigs[0][3] ^= 1;
    put_item(f.dir, "fcert", key, sizeof key, form, slk_cert_form(form, &forged));
    assert_int_equal(slk_ledger_audit(f.dir, NULL, 1, &tip, &events_n, NULL, NULL, &fault), SLK_E_CORRUPT);
    assert_non_null(strstr(fault.text, "block 2: its finality certificate is not signed by a quorum"));

    forged = cert;
    forged.hash.b[0] ^= 1;
    put_item(f.dir, "fcert", key, sizeof key, form, slk_cert_form(form, &forged));
    assert_int_equal(slk_ledger_audit(f.dir, NULL, 1, &tip, &events_n, NULL, NULL, &fault), SLK_E_CORRUPT);
    assert_non_null(
        strstr(fault.text, "block 2: its finality certificate is missing, damaged, or of another"));

    put_item(f.dir, "fcert", key, sizeof key, NULL, 0);
    assert_int_equal(slk_ledger_audit(f.dir, NULL, 1, &tip, &events_n, NULL, NULL, &fault), SLK_E_CORRUPT);
    put_item(f.dir, "fcert", key, sizeof key, form, slk_cert_form(form, &cert));
    expect_audited(f.dir, 3);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_block_is_final_by_its_members_vote),
        cmocka_unit_test(without_the_vote_key_nothing_is_submitted_and_all_else_works),
        cmocka_unit_test(a_sole_member_killed_after_its_votes_decides_without_a_message),
        cmocka_unit_test(a_nullified_view_is_never_finalised_after_a_restart),
        cmocka_unit_test(a_member_that_was_muted_votes_for_nothing_any_more),
        cmocka_unit_test(a_voted_block_that_breaks_the_rules_stops_the_member),
        cmocka_unit_test(a_proposed_block_that_breaks_the_rules_is_passed_over),
        cmocka_unit_test(a_vote_for_a_block_that_is_not_stored_stops_the_member),
        cmocka_unit_test(votes_are_on_record_until_the_commit_and_not_after),
        cmocka_unit_test(an_audit_wants_the_certificate_of_every_block),
    };

    return cmocka_run_group_tests_name("driver", tests, NULL, NULL);
}
