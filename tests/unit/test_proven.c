/* test_proven.c: a signature is checked once; what is remembered of it never says more than the check did. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger/core/proven.h"
#include "tests/unit/sample.h"

#define KEY_ID_AT    2  /* in a Submission's bytes */
#define SIGNATURE_AT 12 /* tag and length of the key id, the key id, tag and length */

static const struct slk_hash chain = {{0x11, 0x22, 0x33}};
static const struct slk_hash other_chain = {{0x11, 0x22, 0x34}};

struct desk {
    struct slk_charter *charter;
    struct slk_proven *proven;
    struct slk_submission s;
    uint8_t bytes[1024]; /* a submission by MINT, two events */
    size_t size;
};

static struct slk_span bytes_of(const struct desk *d)
{
    return slk_span_of(d->bytes, d->size);
}

static void write_submission(struct desk *d, enum sample_issuer issuer, unsigned n)
{
    uint8_t events[2][SLK_EVENT_MAX];
    struct slk_span spans[2];
    struct sample_key key;
    union {
        const uint8_t *borrowed;
        void *owned;
    } made;
    struct slk_span bytes;

    for (unsigned i = 0; i < 2; i++) {
        struct slk_event event = sample_event(SLK_ISSUE, 2 * n + i, 2 * n + i);

        spans[i] = slk_span_of(events[i], slk_event_format(events[i], SLK_EVENT_MAX, &event));
    }
    sample_issuer_key(&key, issuer);
    bytes = sample_submission(&key, &chain, spans, 2);
    assert_true(bytes.size <= sizeof(d->bytes));
    memcpy(d->bytes, bytes.at, bytes.size);
    d->size = bytes.size;
    made.borrowed = bytes.at;
    free(made.owned);
}

static void open_desk(struct desk *d, size_t n)
{
    memset(d, 0, sizeof(*d));
    d->charter = sample_charter();
    d->proven = slk_proven_new(n);
    assert_non_null(d->proven);
    write_submission(d, MINT, 0);
}

static void close_desk(struct desk *d)
{
    slk_submission_free(&d->s);
    slk_proven_free(d->proven);
    free(d->charter);
}

static enum slk_rule admit(struct desk *d, const struct slk_hash *chain_id)
{
    assert_int_equal(slk_submission_parse(&d->s, bytes_of(d)), SLK_OK);
    slk_submission_admit_with(&d->s, d->charter, chain_id, d->proven);
    return d->s.rule;
}

static bool is_proven(const struct desk *d)
{
    return slk_proven_has(d->proven, &d->s.id, d->s.signature, sample_issuer(d->charter, MINT)->public_key);
}

static void what_was_found_good_is_known_after_it_was_added(void **state)
{
    struct desk d;

    (void)state;
    open_desk(&d, 64);
    assert_int_equal(admit(&d, &chain), SLK_RULE_OK);
    assert_false(is_proven(&d));
    slk_proven_add(d.proven, &d.s);
    assert_true(is_proven(&d));
    assert_int_equal(admit(&d, &chain), SLK_RULE_OK);
    assert_ptr_equal(d.s.issuer, sample_issuer(d.charter, MINT));
    assert_false(slk_proven_has(NULL, &d.s.id, d.s.signature, d.s.issuer->public_key));
    close_desk(&d);
}

/* The signed bytes cannot tell the table that they lie about; so the proof that it is asked at all: it is lied to. */
static void it_is_asked_instead_of_the_signature(void **state)
{
    struct desk d;

    (void)state;
    open_desk(&d, 64);
    d.bytes[SIGNATURE_AT + 40] ^= 1;
    assert_int_equal(admit(&d, &chain), SLK_RULE_SIGNATURE);
    d.s.rule = SLK_RULE_OK; /* what no admission says of it */
    slk_proven_add(d.proven, &d.s);
    assert_int_equal(admit(&d, &chain), SLK_RULE_OK);
    close_desk(&d);
}

static void a_forged_signature_under_a_known_id_is_refused(void **state)
{
    struct desk d;

    (void)state;
    open_desk(&d, 64);
    assert_int_equal(admit(&d, &chain), SLK_RULE_OK);
    slk_proven_add(d.proven, &d.s);
    for (size_t bit = 0; bit < 8 * (size_t)SLK_SIGNATURE_SIZE; bit++) {
        d.bytes[SIGNATURE_AT + bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(admit(&d, &chain), SLK_RULE_SIGNATURE);
        slk_proven_add(d.proven, &d.s); /* a false one is never taken in */
        assert_int_equal(admit(&d, &chain), SLK_RULE_SIGNATURE);
        d.bytes[SIGNATURE_AT + bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(admit(&d, &chain), SLK_RULE_OK);
    close_desk(&d);
}

static void it_says_nothing_of_another_issuer_event_or_ledger(void **state)
{
    uint8_t last;
    struct desk d;

    (void)state;
    open_desk(&d, 64);
    assert_int_equal(admit(&d, &chain), SLK_RULE_OK);
    slk_proven_add(d.proven, &d.s);
    assert_int_equal(admit(&d, &other_chain), SLK_RULE_SIGNATURE);
    memcpy(d.bytes + KEY_ID_AT, sample_issuer(d.charter, OFFICE)->key_id, SLK_KEY_ID_SIZE);
    assert_int_equal(admit(&d, &chain), SLK_RULE_SIGNATURE);
    memcpy(d.bytes + KEY_ID_AT, sample_issuer(d.charter, MINT)->key_id, SLK_KEY_ID_SIZE);
    last = d.bytes[d.size - 1];
    d.bytes[d.size - 1] = last == 1 ? 2 : 1; /* of the last event's last field, its status index */
    assert_int_equal(admit(&d, &chain), SLK_RULE_SIGNATURE);
    d.bytes[d.size - 1] = last;
    assert_int_equal(admit(&d, &chain), SLK_RULE_OK);
    close_desk(&d);
}

static void under_another_charter_the_issuers_key_there_decides(void **state)
{
    struct slk_issuer *issuer = NULL;
    struct desk d;

    (void)state;
    open_desk(&d, 64);
    assert_int_equal(admit(&d, &chain), SLK_RULE_OK);
    slk_proven_add(d.proven, &d.s);
    for (size_t i = 0; i < d.charter->issuers_n; i++)
        if (memcmp(d.charter->issuers[i].key_id, d.s.key_id, SLK_KEY_ID_SIZE) == 0)
            issuer = &d.charter->issuers[i];
    assert_non_null(issuer);
    d.charter->version++;
    memcpy(issuer->public_key, sample_issuer(d.charter, OFFICE)->public_key, SLK_KEY_SIZE);
    assert_int_equal(admit(&d, &chain), SLK_RULE_SIGNATURE); /* another key with the same key id */
    issuer->key_id[7] ^= 1;
    assert_int_equal(admit(&d, &chain), SLK_RULE_ISSUER_UNKNOWN); /* gone */
    close_desk(&d);
}

static void who_is_displaced_is_checked_again(void **state)
{
    struct desk d;

    (void)state;
    open_desk(&d, 1);
    for (unsigned n = 0; n < 8; n++) {
        write_submission(&d, MINT, n);
        assert_int_equal(admit(&d, &chain), SLK_RULE_OK);
        assert_false(is_proven(&d));
        slk_proven_add(d.proven, &d.s);
        assert_true(is_proven(&d));
    }
    write_submission(&d, MINT, 0);
    assert_int_equal(admit(&d, &chain), SLK_RULE_OK);
    assert_false(is_proven(&d));
    close_desk(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_found_good_is_known_after_it_was_added),
        cmocka_unit_test(it_is_asked_instead_of_the_signature),
        cmocka_unit_test(a_forged_signature_under_a_known_id_is_refused),
        cmocka_unit_test(it_says_nothing_of_another_issuer_event_or_ledger),
        cmocka_unit_test(under_another_charter_the_issuers_key_there_decides),
        cmocka_unit_test(who_is_displaced_is_checked_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
