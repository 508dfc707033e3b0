/* test_submission.c: batches of events: form, ids, and everything that is judged without state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <openssl/sha.h>

#include "ledger/core/submission.h"
#include "tests/unit/sample.h"

static const struct slk_hash chain = {{0x11, 0x22, 0x33}};

#define EVENTS_MAX SLK_SUBMISSION_EVENTS_MAX

/* Event bytes in one place, with their spans. */
struct batch {
    uint8_t bytes[EVENTS_MAX + 1][SLK_EVENT_MAX];
    struct slk_span spans[EVENTS_MAX + 1];
    size_t n;
};

static void add(struct batch *batch, const struct slk_event *event)
{
    uint8_t *at = batch->bytes[batch->n];
    size_t size = slk_event_format(at, SLK_EVENT_MAX, event);

    assert_true(size > 0);
    batch->spans[batch->n++] = slk_span_of(at, size);
}

static struct batch *batch_of(size_t n)
{
    struct batch *batch = calloc(1, sizeof(*batch));

    assert_non_null(batch);
    for (size_t i = 0; i < n; i++) {
        struct slk_event event = sample_event((enum slk_kind)(SLK_ISSUE + i % 6), (unsigned)i, (unsigned)i);

        event.has_commitment = i % 3 == 0;
        event.commitment.b[0] = (uint8_t)i;
        add(batch, &event);
    }
    return batch;
}

static struct slk_span signed_by(enum sample_issuer issuer, const struct batch *batch)
{
    struct sample_key key;

    sample_issuer_key(&key, issuer);
    return sample_submission(&key, &chain, batch->spans, batch->n);
}

static void release(struct slk_span bytes)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } at = {.in = bytes.at};

    free(at.out);
}

static void what_parses_prints_back(void **state)
{
    static const size_t sizes[] = {1, 2, 3, 31, 32, 33, 64, 1000, EVENTS_MAX};
    struct slk_submission s = {0};
    uint8_t *out = malloc(SLK_SUBMISSION_BYTES_MAX);

    (void)state;
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        struct batch *batch = batch_of(sizes[k]);
        struct slk_span bytes = signed_by(OFFICE, batch);

        assert_int_equal(slk_submission_parse(&s, bytes), SLK_OK);
        assert_int_equal(s.events_n, sizes[k]);
        for (size_t i = 0; i < s.events_n; i++)
            assert_true(slk_span_equal(s.event_bytes[i], batch->spans[i]));
        assert_int_equal(slk_submission_format(out, SLK_SUBMISSION_BYTES_MAX, &s), bytes.size);
        assert_memory_equal(out, bytes.at, bytes.size);
        assert_int_equal(slk_submission_format(out, bytes.size - 1, &s), 0);
        release(bytes);
        free(batch);
    }
    free(out);
    slk_submission_free(&s);
    slk_submission_free(NULL);
}

/* Every single-byte change that still parses must print back to itself: nothing is read that is not kept. */
static void parse_accepts_only_canonical_bytes(void **state)
{
    struct batch *batch = batch_of(3);
    struct slk_span bytes = signed_by(OFFICE, batch);
    uint8_t *copy = malloc(bytes.size), *out = malloc(bytes.size + 16);
    struct slk_submission s = {0};
    size_t accepted = 0;

    (void)state;
    for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
        memcpy(copy, bytes.at, bytes.size);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (slk_submission_parse(&s, slk_span_of(copy, bytes.size)) != SLK_OK) {
            assert_int_equal(s.events_n, 0);
            assert_null(s.event_bytes);
            continue;
        }
        assert_int_equal(slk_submission_format(out, bytes.size + 16, &s), bytes.size);
        assert_memory_equal(out, copy, bytes.size);
        accepted++;
    }
    assert_true(accepted > 0);
    for (size_t size = 0; size < bytes.size; size++)
        if (slk_submission_parse(&s, slk_span_of(bytes.at, size)) == SLK_OK)
            assert_true(s.events_n < 3); /* cut between two events */
    free(copy);
    free(out);
    release(bytes);
    free(batch);
    slk_submission_free(&s);
}

/* key_id and signature of zeros, then what is given. */
static enum slk_err parse_with_tail(const uint8_t *tail, size_t size)
{
    uint8_t bytes[256] = {0x0a, 8};
    struct slk_submission s = {0};
    enum slk_err err;

    bytes[10] = 0x12;
    bytes[11] = 64;
    if (size > 0)
        memcpy(bytes + 76, tail, size);
    err = slk_submission_parse(&s, slk_span_of(bytes, 76 + size));
    slk_submission_free(&s);
    return err;
}

static void form_is_strict(void **state)
{
    uint8_t *many = calloc(1, SLK_SUBMISSION_BYTES_MAX + 1);
    struct slk_submission s = {0};

    (void)state;
    assert_int_equal(parse_with_tail((const uint8_t *)"\x1a\x01x", 3), SLK_OK);
    assert_int_equal(parse_with_tail(NULL, 0), SLK_E_TOO_LARGE);                         /* no event */
    assert_int_equal(parse_with_tail((const uint8_t *)"\x1a\x00", 2), SLK_E_MALFORMED);  /* an empty one */
    assert_int_equal(parse_with_tail((const uint8_t *)"\x1a\x02x", 3), SLK_E_MALFORMED); /* cut short */
    assert_int_equal(parse_with_tail((const uint8_t *)"\x1a\x81\x00x", 4), SLK_E_MALFORMED); /* long varint */
    assert_int_equal(parse_with_tail((const uint8_t *)"\x1a\x01x\x20\x01", 5), SLK_E_MALFORMED); /* field 4 */
    assert_int_equal(parse_with_tail((const uint8_t *)"\x18\x01", 2), SLK_E_MALFORMED);  /* wire type */
    assert_int_equal(parse_with_tail((const uint8_t *)"\x12\x01x", 3), SLK_E_MALFORMED); /* field 2 again */
    assert_int_equal(slk_submission_parse(&s, slk_span_of(NULL, 0)), SLK_E_MALFORMED);
    assert_int_equal(
        slk_submission_parse(&s, slk_span_of(many, SLK_SUBMISSION_BYTES_MAX + 1)), SLK_E_TOO_LARGE);
    slk_submission_free(&s);
    free(many);
}

static void more_than_4096_events_are_refused(void **state)
{
    struct batch *batch = batch_of(EVENTS_MAX);
    struct slk_span bytes = signed_by(OFFICE, batch);
    uint8_t *more = malloc(bytes.size + 3);
    struct slk_submission s = {0};

    (void)state;
    memcpy(more, bytes.at, bytes.size);
    memcpy(more + bytes.size, "\x1a\x01x", 3);
    assert_int_equal(slk_submission_parse(&s, slk_span_of(more, bytes.size)), SLK_OK);
    assert_int_equal(slk_submission_parse(&s, slk_span_of(more, bytes.size + 3)), SLK_E_TOO_LARGE);
    free(more);
    release(bytes);
    free(batch);
    slk_submission_free(&s);
}

/* The statement from its definition in design.md 3, with libcrypto. */
static void ids_paths_and_statement_follow_the_design(void **state)
{
    struct slk_charter *charter = sample_charter();
    struct slk_submission s = {0};

    (void)state;
    for (size_t n = 1; n <= 100; n += n < 34 ? 1 : 11) {
        struct batch *batch = batch_of(n);
        struct slk_span bytes = signed_by(MINT, batch);
        uint8_t tagged[16 + SLK_EVENT_MAX] = "sillok/event/1", hash[32], *ids = malloc(32 * n);
        uint8_t statement[84] = "sillok/submit/1", ours[SLK_SUBMIT_STATEMENT_SIZE];

        assert_int_equal(slk_submission_parse(&s, bytes), SLK_OK);
        slk_submission_admit(&s, charter, &chain);
        assert_int_equal(s.rule, SLK_RULE_OK);
        assert_int_equal(s.rule_event, SIZE_MAX);
        assert_ptr_equal(s.issuer, sample_issuer(charter, MINT));
        for (size_t i = 0; i < n; i++) {
            memcpy(tagged + 16, batch->spans[i].at, batch->spans[i].size);
            SHA256(tagged, 16 + batch->spans[i].size, ids + 32 * i);
            assert_memory_equal(s.event_ids[i].b, ids + 32 * i, 32);
            SHA256(s.events[i].credential, 32, hash);
            assert_memory_equal(s.paths[i].b, hash, 32);
            assert_int_equal(s.events[i].kind, SLK_ISSUE + i % 6);
        }
        memcpy(statement + 16, chain.b, 32);
        statement[50] = (uint8_t)(n >> 8);
        statement[51] = (uint8_t)n;
        SHA256(ids, 32 * n, statement + 52);
        slk_submission_statement(ours, &chain, s.event_ids, n);
        assert_memory_equal(ours, statement, sizeof(statement));
        SHA256(statement, sizeof(statement), hash);
        assert_memory_equal(s.id.b, hash, 32);
        free(ids);
        release(bytes);
        free(batch);
    }
    slk_submission_free(&s);
    free(charter);
}

static enum slk_rule admit(struct slk_submission *s, const struct slk_charter *charter, struct slk_span bytes)
{
    assert_int_equal(slk_submission_parse(s, bytes), SLK_OK);
    slk_submission_admit(s, charter, &chain);
    return s->rule;
}

static void each_refusal_is_named(void **state)
{
    struct slk_charter *charter = sample_charter();
    struct batch *batch = batch_of(40);
    struct slk_submission s = {0};
    struct slk_span bytes = signed_by(OFFICE, batch);
    struct slk_event event = sample_event(SLK_LOCK, 1, 1);
    struct sample_key stranger;
    uint8_t *copy = malloc(bytes.size);

    (void)state;
    assert_int_equal(admit(&s, charter, bytes), SLK_RULE_OK);
    /* the last 40 bits of the signature, and another chain */
    for (size_t bit = 0; bit < 40; bit++) {
        memcpy(copy, bytes.at, bytes.size);
        copy[12 + 59 + bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(admit(&s, charter, slk_span_of(copy, bytes.size)), SLK_RULE_SIGNATURE);
        assert_int_equal(s.rule_event, SIZE_MAX);
        assert_non_null(s.issuer);
    }
    assert_int_equal(slk_submission_parse(&s, bytes), SLK_OK);
    slk_submission_admit(&s, charter, &slk_hash_zero);
    assert_int_equal(s.rule, SLK_RULE_SIGNATURE);
    release(bytes);

    sample_key(&stranger, 9999);
    bytes = sample_submission(&stranger, &chain, batch->spans, batch->n);
    assert_int_equal(admit(&s, charter, bytes), SLK_RULE_ISSUER_UNKNOWN);
    assert_null(s.issuer);
    release(bytes);

    event.reason = 0;
    add(batch, &event); /* event 40 */
    bytes = signed_by(OFFICE, batch);
    assert_int_equal(admit(&s, charter, bytes), SLK_RULE_FIELD_MISSING);
    assert_int_equal(s.rule_event, 40);
    release(bytes);

    batch->n = 40;
    event.reason = SAMPLE_LOST;
    event.type = SAMPLE_CARD;
    add(batch, &event);
    bytes = signed_by(OFFICE, batch);
    assert_int_equal(admit(&s, charter, bytes), SLK_RULE_FIELD_NOT_ALLOWED);
    assert_int_equal(s.rule_event, 40);
    release(bytes);

    batch->spans[7].size--; /* and event 40 is still wrong: the first counts */
    bytes = signed_by(OFFICE, batch);
    assert_int_equal(admit(&s, charter, bytes), SLK_RULE_EVENT_MALFORMED);
    assert_int_equal(s.rule_event, 7);
    charter->submission_events = 40;
    assert_int_equal(admit(&s, charter, bytes), SLK_RULE_SUBMISSION_SIZE);
    assert_int_equal(s.rule_event, SIZE_MAX);
    release(bytes);
    free(copy);
    free(batch);
    slk_submission_free(&s);
    free(charter);
}

static void an_overlong_event_is_malformed_and_has_an_id(void **state)
{
    struct slk_charter *charter = sample_charter();
    struct batch *batch = batch_of(2);
    uint8_t *event = calloc(1, 16 + 5000);
    struct slk_submission s = {0};
    struct slk_span bytes;
    uint8_t hash[32];

    (void)state;
    memcpy(event, "sillok/event/1", 14);
    batch->spans[1] = slk_span_of(event + 16, 5000);
    bytes = signed_by(OFFICE, batch);
    assert_int_equal(admit(&s, charter, bytes), SLK_RULE_EVENT_MALFORMED);
    assert_int_equal(s.rule_event, 1);
    SHA256(event, 16 + 5000, hash);
    assert_memory_equal(s.event_ids[1].b, hash, 32);
    release(bytes);
    free(event);
    free(batch);
    slk_submission_free(&s);
    free(charter);
}

static void one_struct_serves_many_submissions(void **state)
{
    static const size_t sizes[] = {100, 1, 500, 3, 499, 501};
    struct slk_charter *charter = sample_charter();
    struct slk_submission s = {0};

    (void)state;
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        struct batch *batch = batch_of(sizes[k]);
        struct slk_span bytes = signed_by(OFFICE, batch), bad = slk_span_of("\x0a\x07", 2);

        assert_int_equal(admit(&s, charter, bytes), SLK_RULE_OK);
        assert_int_equal(s.events_n, sizes[k]);
        assert_int_equal(slk_submission_parse(&s, bad), SLK_E_MALFORMED);
        assert_int_not_equal(s.rule, SLK_RULE_OK);
        release(bytes);
        free(batch);
    }
    slk_submission_free(&s);
    free(charter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_parses_prints_back),
        cmocka_unit_test(parse_accepts_only_canonical_bytes),
        cmocka_unit_test(form_is_strict),
        cmocka_unit_test(more_than_4096_events_are_refused),
        cmocka_unit_test(ids_paths_and_statement_follow_the_design),
        cmocka_unit_test(each_refusal_is_named),
        cmocka_unit_test(an_overlong_event_is_malformed_and_has_an_id),
        cmocka_unit_test(one_struct_serves_many_submissions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
