/* Receipts: their bytes, who may give them, when they make a submission SAFE, and when one was broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "ledger/core/receipt.h"
#include "tests/unit/sample.h"

static const struct slk_hash chain = {{0xc4, 0x41}};

struct fixture {
    struct slk_charter *charter;
    struct sample_key vote_keys[4]; /* of agencies 1 .. 3 */
};

static int set_up(void **state)
{
    static struct fixture f;

    f.charter = sample_charter();
    for (unsigned agency = 1; agency <= 3; agency++) {
        sample_key(&f.vote_keys[agency], agency * 4u);
        assert_memory_equal(
            f.vote_keys[agency].public, slk_charter_member(f.charter, (uint16_t)agency)->vote_key, 32);
    }
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    free(((struct fixture *)*state)->charter);
    return 0;
}

static struct slk_receipt receipt_of(const struct fixture *f, uint16_t agency, const struct slk_hash *id)
{
    struct slk_receipt r = {.submission_id = *id, .tip_height = 5, .agency = agency, .class = SLK_CLASS_LOCK};
    uint8_t bytes[SLK_RECEIPT_BYTES];

    slk_receipt_bytes(bytes, &chain, &r);
    (void)crypto_sign_detached(r.sig, NULL, bytes, sizeof(bytes), f->vote_keys[agency].secret);
    return r;
}

static void the_signed_bytes_are_fixed(void **state)
{
    struct slk_receipt r = {.tip_height = 0x0102030405060708, .agency = 0x0a0b, .class = SLK_CLASS_NORMAL},
                       back;
    uint8_t bytes[SLK_RECEIPT_BYTES], expected[SLK_RECEIPT_BYTES] = "sillok/receipt/1";
    static const uint8_t key_id[SLK_KEY_ID_SIZE] = {9, 8, 7, 6, 5, 4, 3, 2};
    static const uint8_t tail[11] = {1, 2, 3, 4, 5, 6, 7, 8, 0x0a, 0x0b, 2};
    struct slk_hash chain_id;

    (void)state;
    memset(r.submission_id.b, 0xee, SLK_HASH_SIZE);
    memcpy(expected + 16, chain.b, 32);
    memset(expected + 48, 0xee, 32);
    memcpy(r.key_id, key_id, sizeof(key_id));
    memcpy(expected + 80, key_id, sizeof(key_id));
    memcpy(expected + 88, tail, sizeof(tail));
    slk_receipt_bytes(bytes, &chain, &r);
    assert_memory_equal(bytes, expected, sizeof(bytes));
    assert_int_equal(slk_receipt_parse(&back, &chain_id, slk_span_of(bytes, sizeof(bytes))), SLK_OK);
    assert_true(slk_hash_equal(&chain_id, &chain));
    assert_memory_equal(&back, &r, sizeof(r));
}

/* Every byte counts: changed, it is refused or reads as something else. */
static void what_parses_prints_the_same_bytes(void **state)
{
    const struct fixture *f = *state;
    struct slk_receipt r = receipt_of(f, 1, &chain), back;
    uint8_t bytes[SLK_RECEIPT_BYTES + 1] = {0}, again[SLK_RECEIPT_BYTES];
    struct slk_hash chain_id;
    unsigned refused = 0;

    slk_receipt_bytes(bytes, &chain, &r);
    for (size_t i = 0; i < 8 * SLK_RECEIPT_BYTES; i++) {
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        if (slk_receipt_parse(&back, &chain_id, slk_span_of(bytes, SLK_RECEIPT_BYTES)) == SLK_OK) {
            slk_receipt_bytes(again, &chain_id, &back);
            assert_memory_equal(bytes, again, sizeof(again));
        } else {
            refused++;
            assert_int_equal(back.class, 0);
        }
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    assert_int_equal(refused, 8 * (16 + 5) + 8); /* tag, padding; class 1 has no neighbour but by two flips */
    for (size_t size = 0; size <= sizeof(bytes); size++)
        assert_int_equal(slk_receipt_parse(&back, &chain_id, slk_span_of(bytes, size)),
            size == SLK_RECEIPT_BYTES ? SLK_OK : SLK_E_MALFORMED);
}

static void only_voting_members_give_receipts(void **state)
{
    const struct fixture *f = *state;
    struct slk_receipt r = receipt_of(f, 1, &chain);
    const struct slk_hash other = {{1}};

    assert_true(slk_receipt_check(&r, f->charter, &chain, &slk_verifier_ed25519));
    assert_false(slk_receipt_check(&r, f->charter, &other, &slk_verifier_ed25519));
    r.agency = 2;
    assert_false(slk_receipt_check(&r, f->charter, &chain, &slk_verifier_ed25519));
    r.agency = 9;
    assert_false(slk_receipt_check(&r, f->charter, &chain, &slk_verifier_ed25519));
    r = receipt_of(f, 1, &chain);
    r.tip_height++;
    assert_false(slk_receipt_check(&r, f->charter, &chain, &slk_verifier_ed25519));
    r = receipt_of(f, 1, &chain);
    r.class = SLK_CLASS_NORMAL;
    assert_false(slk_receipt_check(&r, f->charter, &chain, &slk_verifier_ed25519));
    r.class = (enum slk_class)3;
    assert_false(slk_receipt_check(&r, f->charter, &chain, &slk_verifier_ed25519));
    for (size_t i = 0; i < f->charter->members_n; i++) /* a member that only looks on promises nothing */
        if (f->charter->members[i].agency == 1)
            f->charter->members[i].role = SLK_OBSERVER;
    r = receipt_of(f, 1, &chain);
    assert_false(slk_receipt_check(&r, f->charter, &chain, &slk_verifier_ed25519));
    for (size_t i = 0; i < f->charter->members_n; i++)
        if (f->charter->members[i].agency == 1)
            f->charter->members[i].role = SLK_VOTING;
}

static void members_are_counted_once(void **state)
{
    const struct fixture *f = *state;
    const struct slk_hash other = {{1}};
    struct slk_receipt r[6] = {receipt_of(f, 1, &chain), receipt_of(f, 1, &chain), receipt_of(f, 2, &chain),
        receipt_of(f, 2, &chain), receipt_of(f, 3, &other), receipt_of(f, 3, &chain)};

    static const uint8_t none[SLK_KEY_ID_SIZE], another[SLK_KEY_ID_SIZE] = {1};

    r[2].sig[3] ^= 1; /* a bad one does not stand in the way of a good one by the same member */
    assert_int_equal(slk_receipts_count(r, 0, &chain, none, f->charter, &chain, &slk_verifier_ed25519), 0);
    assert_int_equal(slk_receipts_count(r, 2, &chain, none, f->charter, &chain, &slk_verifier_ed25519), 1);
    assert_int_equal(slk_receipts_count(r, 3, &chain, none, f->charter, &chain, &slk_verifier_ed25519), 1);
    assert_int_equal(slk_receipts_count(r, 5, &chain, none, f->charter, &chain, &slk_verifier_ed25519), 2);
    assert_int_equal(slk_receipts_count(r, 6, &chain, none, f->charter, &chain, &slk_verifier_ed25519), 3);
    assert_int_equal(slk_receipts_count(r, 6, &chain, another, f->charter, &chain, &slk_verifier_ed25519), 0);
}

static void safe_needs_one_more_than_may_lie(void **state)
{
    struct slk_charter *c = calloc(1, sizeof(*c));

    (void)state;
    assert_non_null(c);
    assert_false(slk_receipts_are_safe(0, c));
    assert_false(slk_receipts_are_safe(5, c)); /* a charter of nobody */
    for (size_t n = 1; n <= 31; n++) {
        c->members_n = n;
        c->members[n - 1].role = SLK_VOTING;
        for (size_t got = 0; got <= n; got++)
            assert_int_equal(slk_receipts_are_safe(got, c), got >= (n + 2) / 3); /* f + 1 = ceil(n / 3) */
    }
    free(c);
}

/* ---- promises ---- */

struct sheet {
    uint8_t bytes[400000];
    size_t size;
};

static void put_entry(struct sheet *b, const uint8_t *entry, size_t size)
{
    assert_true(size > 0 && b->size + size + 2 <= sizeof(b->bytes));
    b->bytes[b->size] = (uint8_t)(size >> 8);
    b->bytes[b->size + 1] = (uint8_t)size;
    memcpy(b->bytes + b->size + 2, entry, size);
    b->size += size + 2;
}

/* A submission of `n` events of a kind, from credential `first` on; appended to the sheet. Its id. */
static struct slk_hash put_events(struct sheet *b, enum slk_kind kind, unsigned first, unsigned n)
{
    struct slk_authorization authorization = {.count = n};
    uint8_t event[SLK_EVENT_MAX], entry[SLK_RECORDED_MAX], statement[SLK_SUBMIT_STATEMENT_SIZE];
    struct slk_hash ids[400], id;

    for (unsigned i = 0; i < n; i++) {
        struct slk_event e = sample_event(kind, first + i, 0);
        size_t size = slk_event_format(event, sizeof(event), &e);

        slk_event_id(&ids[i], slk_span_of(event, size));
        put_entry(b, entry, slk_entry_format_recorded(entry, sizeof(entry), 1, slk_span_of(event, size)));
    }
    put_entry(b, entry, slk_entry_format_authorization(entry, sizeof(entry), &authorization));
    slk_submission_statement(statement, &chain, ids, n);
    slk_hash_bytes(&id, statement, sizeof(statement));
    return id;
}

static void put_charter(struct sheet *b, size_t size)
{
    uint8_t *charter = calloc(1, size), *entry = malloc(size + 16);

    assert_true(charter != NULL && entry != NULL);
    put_entry(b, entry,
        slk_entry_format_charter(entry, size + 16, slk_span_of(charter, size), slk_span_of(NULL, 0)));
    free(charter);
    free(entry);
}

struct question {
    struct slk_receipt receipt;
    struct slk_submission submission;
    struct slk_event event;
    uint8_t event_bytes[SLK_EVENT_MAX];
    struct slk_span span;
    struct slk_block_header header;
    struct sheet sheet;
    struct slk_promise promise;
};

/* One lock that agency 2 promised at height 5; block 7 is its own, and empty. */
static void ask(struct question *q, const struct fixture *f)
{
    struct sheet *scrap = calloc(1, sizeof(*scrap));

    assert_non_null(scrap);
    memset(q, 0, sizeof(*q));
    q->event = sample_event(SLK_LOCK, 1, 0);
    q->span =
        slk_span_of(q->event_bytes, slk_event_format(q->event_bytes, sizeof(q->event_bytes), &q->event));
    q->submission = (struct slk_submission){.events_n = 1, .events = &q->event, .event_bytes = &q->span};
    q->submission.id = put_events(scrap, SLK_LOCK, 1, 1);
    q->receipt = (struct slk_receipt){
        .submission_id = q->submission.id, .tip_height = 5, .agency = 2, .class = SLK_CLASS_LOCK};
    q->header = (struct slk_block_header){.height = 7, .proposer = 1};
    q->promise = (struct slk_promise){.receipt = &q->receipt,
        .submission = &q->submission,
        .charter = f->charter,
        .chain_id = &chain,
        .header = &q->header};
    free(scrap);
}

static enum slk_promise_verdict answer(struct question *q)
{
    q->promise.entries = slk_span_of(q->sheet.bytes, q->sheet.size);
    return slk_promise_judge(&q->promise);
}

static void a_promise_is_broken_by_ones_own_block_with_room(void **state)
{
    const struct fixture *f = *state;
    struct question *q = calloc(1, sizeof(*q));

    assert_non_null(q);
    ask(q, f);
    assert_int_equal(answer(q), SLK_PROMISE_BROKEN);
    q->header.height = 6; /* may have been made before the receipt */
    assert_int_equal(answer(q), SLK_PROMISE_EARLY);
    q->receipt.tip_height = UINT64_MAX;
    assert_int_equal(answer(q), SLK_PROMISE_EARLY);
    ask(q, f);
    q->header.height = 1000;
    assert_int_equal(answer(q), SLK_PROMISE_BROKEN);
    q->header.proposer = 0;
    assert_int_equal(answer(q), SLK_PROMISE_OTHER);
    q->header.proposer = 60;
    assert_int_equal(answer(q), SLK_PROMISE_OTHER);
    ask(q, f);
    q->submission.id.b[0] ^= 1;
    assert_int_equal(answer(q), SLK_PROMISE_OTHER);
    ask(q, f);
    q->submission.key_id[7] ^=
        1; /* the same events by another key of the issuer, which the member never saw */
    assert_int_equal(answer(q), SLK_PROMISE_OTHER);
    ask(q, f);
    q->promise.in_ancestor = true;
    assert_int_equal(answer(q), SLK_PROMISE_KEPT);
    ask(q, f);
    q->promise.before = SLK_RULE_STATE;
    assert_int_equal(answer(q), SLK_PROMISE_NOT_VALID);
    ask(q, f);
    q->promise.after = SLK_RULE_SEQUENCE;
    assert_int_equal(answer(q), SLK_PROMISE_NOT_VALID);
    ask(q, f);
    (void)put_events(&q->sheet, SLK_ISSUE, 7, 2);
    assert_int_equal(answer(q), SLK_PROMISE_BROKEN);
    assert_true(slk_hash_equal(&q->submission.id, &q->receipt.submission_id));
    (void)put_events(&q->sheet, SLK_LOCK, 1, 1);
    assert_int_equal(answer(q), SLK_PROMISE_KEPT);
    q->sheet.size--;
    assert_int_equal(answer(q), SLK_PROMISE_UNREADABLE);
    free(q);
}

static void a_full_block_breaks_no_promise(void **state)
{
    const struct fixture *f = *state;
    struct question *q = calloc(1, sizeof(*q));

    assert_non_null(q);
    ask(q, f); /* events: locks own half of the least target, 32; whatever else is in the block */
    (void)put_events(&q->sheet, SLK_ISSUE, 100, 100);
    assert_int_equal(answer(q), SLK_PROMISE_BROKEN);
    (void)put_events(&q->sheet, SLK_LOCK, 1000, 31);
    assert_int_equal(answer(q), SLK_PROMISE_BROKEN);
    (void)put_events(&q->sheet, SLK_LOCK, 2000, 1);
    assert_int_equal(answer(q), SLK_PROMISE_FULL);

    ask(q, f); /* without others the locks have the whole target, 64 */
    (void)put_events(&q->sheet, SLK_LOCK, 1000, 63);
    assert_int_equal(answer(q), SLK_PROMISE_BROKEN);
    (void)put_events(&q->sheet, SLK_LOCK, 2000, 1);
    assert_int_equal(answer(q), SLK_PROMISE_FULL);

    ask(q, f); /* a normal one has no half of its own */
    q->receipt.class = SLK_CLASS_NORMAL;
    (void)put_events(&q->sheet, SLK_ISSUE, 1000, 63);
    assert_int_equal(answer(q), SLK_PROMISE_BROKEN);
    (void)put_events(&q->sheet, SLK_ISSUE, 2000, 1);
    assert_int_equal(answer(q), SLK_PROMISE_FULL);

    ask(q, f); /* a new charter takes its room */
    put_charter(&q->sheet, 9000);
    assert_int_equal(answer(q), SLK_PROMISE_BROKEN);
    put_charter(&q->sheet, 9000); /* locks have their half all the same, while the largest block has it */
    assert_int_equal(answer(q), SLK_PROMISE_BROKEN);
    q->receipt.class = SLK_CLASS_NORMAL;
    assert_int_equal(answer(q), SLK_PROMISE_FULL);
    q->receipt.class = SLK_CLASS_LOCK;
    f->charter->block_bytes = 65536;
    put_charter(&q->sheet, 47000);
    assert_int_equal(answer(q), SLK_PROMISE_BROKEN);
    put_charter(&q->sheet, 400);
    assert_int_equal(answer(q), SLK_PROMISE_FULL);
    f->charter->block_bytes = 4u << 20;

    ask(q, f); /* one submission that leaves no room in the largest block */
    f->charter->block_events = 300;
    (void)put_events(&q->sheet, SLK_ISSUE, 1000, 299);
    assert_int_equal(answer(q), SLK_PROMISE_BROKEN);
    q->sheet.size = 0;
    (void)put_events(&q->sheet, SLK_ISSUE, 1000, 300);
    assert_int_equal(answer(q), SLK_PROMISE_FULL);
    q->sheet.size = 0;
    (void)put_events(&q->sheet, SLK_ISSUE, 1000, 150);
    (void)put_events(&q->sheet, SLK_ISSUE, 2000, 150); /* two: the second had to wait */
    assert_int_equal(answer(q), SLK_PROMISE_BROKEN);
    f->charter->block_events = 16384;
    free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_signed_bytes_are_fixed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_parses_prints_the_same_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_voting_members_give_receipts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(members_are_counted_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(safe_needs_one_more_than_may_lie, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_promise_is_broken_by_ones_own_block_with_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_block_breaks_no_promise, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
