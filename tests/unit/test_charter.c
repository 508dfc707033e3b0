/* test_charter.c: one canonical form, every refusal of the validation, look-ups, the policy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <openssl/sha.h>

#include "ledger/core/charter.h"
#include "ledger.pb-c.h"
#include "tests/unit/sample.h"

static size_t format(uint8_t **out, const struct slk_charter *charter)
{
    *out = malloc(SLK_CHARTER_BYTES_MAX);
    assert_non_null(*out);
    return slk_charter_format(*out, SLK_CHARTER_BYTES_MAX, charter);
}

/* ---- form ---- */

static void what_parses_prints_back(void **state)
{
    struct slk_charter *charter = sample_charter(), *again = malloc(sizeof(*again));
    uint8_t *bytes, *twice, tagged[16 + SLK_CHARTER_BYTES_MAX] = "sillok/charter/1", hash[32];
    size_t size = format(&bytes, charter);

    (void)state;
    assert_true(size > 0);
    assert_int_equal(slk_charter_parse(again, slk_span_of(bytes, size)), SLK_OK);
    assert_int_equal(format(&twice, again), size);
    assert_memory_equal(bytes, twice, size);
    for (size_t cap = 0; cap < size; cap += 7)
        assert_int_equal(slk_charter_format(twice, cap, again), 0);
    memcpy(tagged + 16, bytes, size);
    SHA256(tagged, 16 + size, hash);
    assert_memory_equal(again->hash.b, hash, 32);
    struct slk_hash chain;
    memcpy(tagged, "sillok/genesis/1", 16);
    SHA256(tagged, 16 + size, hash);
    slk_charter_chain_id(&chain, slk_span_of(bytes, size));
    assert_memory_equal(chain.b, hash, 32);
    free(bytes);
    free(twice);
    free(charter);
    free(again);
}

static void a_second_decoder_reads_the_same(void **state)
{
    struct slk_charter *charter = sample_charter();
    uint8_t *bytes, *twice;
    size_t size;
    Sillok__Charter *message;

    (void)state;
    charter->version = 2;
    charter->has_previous = true;
    charter->previous.b[3] = 9;
    size = format(&bytes, charter);
    message = sillok__charter__unpack(NULL, size, bytes);
    assert_non_null(message);
    assert_string_equal(message->origin, charter->origin);
    assert_int_equal(message->n_member, charter->members_n);
    assert_int_equal(message->n_issuer, charter->issuers_n);
    assert_int_equal(message->n_type, charter->types_n);
    assert_int_equal(message->n_reason, charter->reasons_n);
    for (size_t i = 0; i < message->n_issuer; i++) {
        assert_int_equal(message->issuer[i]->base.n_unknown_fields, 0);
        assert_string_equal(message->issuer[i]->name, charter->issuers[i].name);
        assert_int_equal(message->issuer[i]->n_type, charter->issuers[i].types_n);
        assert_int_equal(message->issuer[i]->not_after, charter->issuers[i].not_after_s);
    }
    assert_int_equal(message->limits->block_bytes, charter->block_bytes);
    assert_int_equal(message->timers->fresh_s, charter->fresh_s);
    assert_int_equal(sillok__charter__get_packed_size(message), size);
    twice = malloc(size);
    sillok__charter__pack(message, twice);
    assert_memory_equal(twice, bytes, size);
    sillok__charter__free_unpacked(message, NULL);
    free(bytes);
    free(twice);
    free(charter);
}

/* Whatever still parses after a change prints back to the changed bytes. */
static void assert_canonical(struct slk_charter *out, uint8_t *print, const uint8_t *bytes, size_t size)
{
    if (slk_charter_parse(out, slk_span_of(bytes, size)) != SLK_OK) {
        assert_int_equal(out->version, 0);
        return;
    }
    assert_int_equal(slk_charter_format(print, SLK_CHARTER_BYTES_MAX, out), size);
    assert_memory_equal(print, bytes, size);
}

static void parse_accepts_only_canonical_bytes(void **state)
{
    struct slk_charter *charter = sample_charter(), *again = malloc(sizeof(*again));
    uint8_t *bytes, *print = malloc(SLK_CHARTER_BYTES_MAX);
    size_t size;
    uint64_t random = 11;

    (void)state;
    charter->version = 2;
    charter->has_previous = true;
    charter->previous.b[0] = 1;
    size = format(&bytes, charter);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_canonical(again, print, bytes, size);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t cut = 0; cut < size; cut++)
        assert_int_not_equal(slk_charter_parse(again, slk_span_of(bytes, cut)), SLK_OK);
    for (int round = 0; round < 3000; round++) { /* a byte taken out, put in, or replaced */
        size_t at = sample_below(&random, size);
        uint8_t changed[SLK_CHARTER_BYTES_MAX];
        size_t n = size;

        memcpy(changed, bytes, size);
        switch (sample_below(&random, 3)) {
        case 0:
            memmove(changed + at, changed + at + 1, size - at - 1);
            n--;
            break;
        case 1:
            memmove(changed + at + 1, changed + at, size - at);
            n++;
            break;
        default:
            break;
        }
        changed[at] = (uint8_t)sample_random(&random);
        assert_canonical(again, print, changed, n);
    }
    assert_int_equal(
        slk_charter_parse(again, slk_span_of(print, SLK_CHARTER_BYTES_MAX + 1)), SLK_E_TOO_LARGE);
    free(bytes);
    free(print);
    free(charter);
    free(again);
}

/* Format prints nothing that parse would refuse. */
static void format_refuses_what_has_no_form(void **state)
{
    struct slk_charter *good = sample_charter(), *bad = malloc(sizeof(*bad));
    uint8_t *bytes = malloc(SLK_CHARTER_BYTES_MAX);

    (void)state;
#define REFUSES(change)                                                                                      \
    do {                                                                                                     \
        memcpy(bad, good, sizeof(*bad));                                                                     \
        change;                                                                                              \
        assert_int_equal(slk_charter_format(bytes, SLK_CHARTER_BYTES_MAX, bad), 0);                          \
    } while (0)
    REFUSES(bad->origin[0] = '\0');
    REFUSES(bad->origin[3] = ' ');
    REFUSES(memset(bad->origin, 'a', sizeof(bad->origin)));
    REFUSES(bad->version = 0);
    REFUSES(bad->created_at_ms = 0);
    REFUSES(bad->block_events = 0);
    REFUSES(bad->delta_ms = 0);
    REFUSES(bad->members[1].agency = bad->members[0].agency);
    REFUSES(bad->members[0].agency = 0);
    REFUSES(bad->members[0].role = 0);
    REFUSES(bad->members[0].role = SLK_OBSERVER + 1);
    REFUSES(bad->members[0].name[2] = '\n');
    REFUSES(bad->members[2].addresses_n = SLK_CHARTER_ADDRESSES_MAX + 1);
    REFUSES(bad->members[1].addresses[0][0] = '\0');
    REFUSES(bad->members_n = SLK_CHARTER_MEMBERS_MAX + 1);
    REFUSES(bad->issuers_n = SLK_CHARTER_ISSUERS_MAX + 1);
    REFUSES(bad->types_n = SLK_CHARTER_TYPES_MAX + 1);
    REFUSES(bad->reasons_n = SLK_CHARTER_REASONS_MAX + 1);
    REFUSES(bad->issuers[0].types_n = SLK_CHARTER_TYPES_MAX + 1);
    REFUSES(bad->issuers[0].types[0] = 0);
    REFUSES(bad->issuers[0].not_after_s = 0);
    REFUSES(memcpy(bad->issuers[1].public_key, bad->issuers[0].public_key, 32));
    REFUSES(memset(bad->issuers[0].public_key, 0xff, 32));
    REFUSES(bad->types[1].code = 1);
    REFUSES(bad->types[1].status_list_size = SLK_STATUS_LIST_MAX + 1);
    REFUSES(bad->reasons[2].code = 1);
    free(good);
    free(bad);
    free(bytes);
}

static void sorting_gives_the_one_form(void **state)
{
    struct slk_charter *charter = sample_charter(), *mixed = malloc(sizeof(*mixed));
    uint8_t *bytes, *again;
    size_t size = format(&bytes, charter);
    uint64_t random = 3;

    (void)state;
    for (int round = 0; round < 20; round++) {
        memcpy(mixed, charter, sizeof(*mixed));
        for (size_t i = mixed->issuers_n - 1; i > 0; i--) {
            size_t k = sample_below(&random, i + 1);
            struct slk_issuer swap = mixed->issuers[i];

            mixed->issuers[i] = mixed->issuers[k];
            mixed->issuers[k] = swap;
        }
        struct slk_member member = mixed->members[0];
        mixed->members[0] = mixed->members[3];
        mixed->members[3] = member;
        struct slk_reason reason = mixed->reasons[0];
        mixed->reasons[0] = mixed->reasons[2];
        mixed->reasons[2] = reason;
        struct slk_credential_type type = mixed->types[0];
        mixed->types[0] = mixed->types[1];
        mixed->types[1] = type;
        slk_charter_sort(mixed);
        assert_int_equal(format(&again, mixed), size);
        assert_memory_equal(bytes, again, size);
        free(again);
    }
    free(bytes);
    free(charter);
    free(mixed);
}

/* ---- sense ---- */

/* Validation must refuse `bad`, and the sentence must hold `words`. */
static void assert_refused(const struct slk_charter *bad, const char *words)
{
    struct slk_fault fault = {0};

    assert_int_equal(slk_charter_validate(bad, &fault), SLK_E_CHARTER);
    if (strstr(fault.text, words) == NULL)
        fail_msg("expected \"%s\" in: %s", words, fault.text);
    assert_true(strchr(fault.text, ':') != NULL); /* what: and what to do */
    assert_true(fault.text[strlen(fault.text) - 1] != '.');
    assert_int_equal(slk_charter_validate(bad, NULL), SLK_E_CHARTER);
}

static struct slk_charter *good, *bad;

static int make_good(void **state)
{
    (void)state;
    good = sample_charter();
    bad = malloc(sizeof(*bad));
    return bad == NULL;
}

static int free_good(void **state)
{
    (void)state;
    free(good);
    free(bad);
    return 0;
}

#define REFUSED(words, change)                                                                               \
    do {                                                                                                     \
        memcpy(bad, good, sizeof(*bad));                                                                     \
        change;                                                                                              \
        assert_refused(bad, words);                                                                          \
    } while (0)
#define ACCEPTED(change)                                                                                     \
    do {                                                                                                     \
        struct slk_fault fault_;                                                                             \
        memcpy(bad, good, sizeof(*bad));                                                                     \
        change;                                                                                              \
        assert_int_equal(slk_charter_validate(bad, &fault_), SLK_OK);                                        \
        assert_string_equal(fault_.text, "");                                                                \
    } while (0)
#define SET(field, text) snprintf(field, sizeof(field), "%s", text)

static void a_wrong_head_is_refused(void **state)
{
    struct slk_fault fault;

    (void)state;
    ACCEPTED((void)0);
    REFUSED("origin is missing", bad->origin[0] = '\0');
    REFUSED("origin is not a name", SET(bad->origin, "a b"));
    REFUSED("origin is not a name", SET(bad->origin, "a+b"));
    REFUSED("origin is not a name", SET(bad->origin, "a;b"));
    REFUSED("origin is not a name", SET(bad->origin, "a]b"));
    REFUSED("origin is not a name", SET(bad->origin, "12-3"));
    REFUSED("origin is not a name", SET(bad->origin, "a\xff"));
    REFUSED("origin is longer than 128", (memset(bad->origin, 'a', 129), bad->origin[129] = '\0'));
    ACCEPTED((memset(bad->origin, 'a', 128), bad->origin[128] = '\0'));
    ACCEPTED(SET(bad->origin, "\xec\x8b\xa4\xeb\xa1\x9d")); /* Korean */
    REFUSED("version is 0", bad->version = 0);
    REFUSED("version is 1 and previous", bad->has_previous = true);
    REFUSED("previous is missing", bad->version = 2);
    ACCEPTED((bad->version = 2, bad->has_previous = true));
    assert_int_equal(slk_charter_validate_genesis(bad, &fault), SLK_E_CHARTER);
    assert_non_null(strstr(fault.text, "starts with version 1"));
    assert_int_equal(slk_charter_validate_genesis(good, &fault), SLK_OK);
    REFUSED("created", bad->created_at_ms = 0);
    REFUSED("created", bad->created_at_ms = (uint64_t)1 << 53);
    ACCEPTED(bad->created_at_ms = ((uint64_t)1 << 53) - 1);
}

static void limits_and_timers_have_ranges(void **state)
{
    (void)state;
    REFUSED("block_events is 0", bad->block_events = 0);
    REFUSED("block_events is 16385", bad->block_events = 16385);
    ACCEPTED(bad->block_events = bad->submission_events = 1);
    REFUSED("block_bytes is 65535", bad->block_bytes = 65535);
    REFUSED("block_bytes is 4194305", bad->block_bytes = 4194305);
    ACCEPTED(bad->block_bytes = 65536);
    REFUSED("submission_events is 0", bad->submission_events = 0);
    REFUSED("submission_events is 4097", bad->submission_events = 4097);
    ACCEPTED(bad->submission_events = 4096);
    REFUSED("must fit into one block", bad->block_events = 999);
    REFUSED("delta_ms is 49", bad->delta_ms = 49);
    REFUSED("delta_ms is 5001", bad->delta_ms = 5001);
    ACCEPTED((bad->delta_ms = 50, bad->heartbeat_s = 0, bad->fresh_s = 1));
    ACCEPTED((bad->delta_ms = 5000, bad->heartbeat_s = 60, bad->fresh_s = 86400));
    REFUSED("heartbeat_s is 59", bad->heartbeat_s = 59);
    REFUSED("heartbeat_s is 1", bad->heartbeat_s = 1);
    REFUSED("fresh_s is 0", bad->fresh_s = 0);
    REFUSED("fresh_s is 86401", bad->fresh_s = 86401);
}

/* `n` voting members with keys of their own. */
static void many_members(struct slk_charter *c, size_t n)
{
    c->members_n = n;
    for (size_t i = 0; i < n; i++) {
        struct slk_member *m = &c->members[i];
        struct sample_key key;

        *m = (struct slk_member){.agency = (uint16_t)(i + 1), .role = SLK_VOTING};
        (void)snprintf(m->name, sizeof(m->name), "agency-%zu", i);
        sample_key(&key, 5000 + (unsigned)i * 4);
        memcpy(m->vote_key, key.public, 32);
        sample_key(&key, 5001 + (unsigned)i * 4);
        memcpy(m->cosign_key, key.public, 32);
        sample_key(&key, 5002 + (unsigned)i * 4);
        memcpy(m->log_key, key.public, 32);
        sample_key(&key, 5003 + (unsigned)i * 4);
        memcpy(m->node_key, key.public, 32);
    }
}

static void make_observers(struct slk_charter *c, size_t from)
{
    for (size_t i = from; i < c->members_n; i++)
        c->members[i].role = SLK_OBSERVER;
}

static void wrong_members_are_refused(void **state)
{
    (void)state;
    REFUSED("more than 64 members", bad->members_n = SLK_CHARTER_MEMBERS_MAX + 1);
    REFUSED("no member votes", bad->members_n = bad->issuers_n = 0);
    REFUSED(
        "no member votes", bad->members[0].role = bad->members[1].role = bad->members[2].role = SLK_OBSERVER);
    ACCEPTED(many_members(bad, 50));
    REFUSED("51 members vote", many_members(bad, 51));
    ACCEPTED((many_members(bad, 64), make_observers(bad, 50)));
    REFUSED("member number 1: agency is missing", bad->members[0].agency = 0);
    REFUSED("the name of agency 2 is missing", bad->members[1].name[0] = '\0');
    REFUSED("the name of agency 2 is not a name", SET(bad->members[1].name, "mi nt"));
    REFUSED(
        "the name of agency 1 is longer", memset(bad->members[0].name, 'x', sizeof(bad->members[0].name)));
    REFUSED("agency 2 is listed twice", bad->members[2].agency = 2);
    REFUSED("agency 3 stands after agency 7", bad->members[1].agency = 7);
    REFUSED("agencies 1 and 3 have the same name", SET(bad->members[2].name, bad->members[0].name));
    REFUSED("agency 1: role is missing", bad->members[0].role = 0);
    REFUSED("agency 1: role is missing", bad->members[0].role = 3);
    REFUSED("agency 2: more than 4 addresses", bad->members[1].addresses_n = 5);
    REFUSED("agency 2: address number 1", SET(bad->members[1].addresses[0], "host 7000"));
    REFUSED("agency 2: address number 2", SET(bad->members[1].addresses[1], ""));
    REFUSED("agency 2: address number 1",
        memset(bad->members[1].addresses[0], 'x', sizeof(bad->members[1].addresses[0])));
}

static void wrong_types_and_reasons_are_refused(void **state)
{
    (void)state;
    REFUSED("0 credential types", bad->types_n = bad->issuers_n = 0);
    REFUSED("65 credential types", bad->types_n = SLK_CHARTER_TYPES_MAX + 1);
    REFUSED("credential type 0: code is 0", bad->types[0].code = 0);
    REFUSED("credential type 1: max_validity is 0", bad->types[0].max_validity_s = 0);
    REFUSED("credential type 1: max_validity", bad->types[0].max_validity_s = UINT64_MAX);
    REFUSED("credential type 2: status_list_size is 0", bad->types[1].status_list_size = 0);
    REFUSED("credential type 2: status_list_size", bad->types[1].status_list_size = SLK_STATUS_LIST_MAX + 1);
    ACCEPTED(bad->types[1].status_list_size = SLK_STATUS_LIST_MAX);
    REFUSED("the name of credential type 1 is missing", bad->types[0].name[0] = '\0');
    REFUSED("the name of credential type 1 is not a name", SET(bad->types[0].name, "123"));
    REFUSED("credential type 1 is listed twice", bad->types[1].code = 1);
    REFUSED("credential type 2 stands after type 9", bad->types[0].code = 9);
    REFUSED("credential types 1 and 2 have the same name", SET(bad->types[1].name, bad->types[0].name));
    REFUSED("more than 64 reasons", bad->reasons_n = SLK_CHARTER_REASONS_MAX + 1);
    ACCEPTED(bad->reasons_n = 0);
    REFUSED("reason number 2: code is missing", bad->reasons[1].code = 0);
    REFUSED("the name of reason 1 is not a name", SET(bad->reasons[0].name, "LO ST"));
    REFUSED("reason 1 is listed twice", bad->reasons[1].code = 1);
    REFUSED("reason 2 stands after reason 8", bad->reasons[0].code = 8);
    REFUSED("reasons 1 and 2 have the same name", SET(bad->reasons[1].name, "LOST"));
}

static void wrong_issuers_are_refused(void **state)
{
    struct slk_issuer *issuer;

    (void)state;
    issuer = &bad->issuers[0];
    REFUSED("more than 512 issuers", bad->issuers_n = SLK_CHARTER_ISSUERS_MAX + 1);
    ACCEPTED(bad->issuers_n = 0);
    REFUSED("the name of issuer number 1 is missing", issuer->name[0] = '\0');
    REFUSED("the name of issuer number 1 is not a name", SET(issuer->name, "#1"));
    REFUSED("two issuers have the same name, same",
        (SET(bad->issuers[0].name, "same"), SET(bad->issuers[3].name, "same")));
    REFUSED("agency 99 is not a member", issuer->agency = 99);
    ACCEPTED(issuer->agency = 4); /* an observer's issuer */
    REFUSED("kinds is empty or unknown", issuer->kinds = 0);
    REFUSED("kinds is empty or unknown", issuer->kinds = 1);
    REFUSED("kinds is empty or unknown", issuer->kinds = 1u << SLK_KIND_N);
    REFUSED("any_agency is set", (issuer->any_agency = true, issuer->kinds = 1u << SLK_ISSUE));
    ACCEPTED((issuer->any_agency = true, issuer->kinds = 1u << SLK_REVOKE | 1u << SLK_ISSUE));
    REFUSED("not_after is not later", issuer->not_after_s = issuer->not_before_s);
    REFUSED("not_after is not later", issuer->not_after_s = 0);
    REFUSED("types is empty", issuer->types_n = 0);
    REFUSED("types is empty or too long", issuer->types_n = SLK_CHARTER_TYPES_MAX + 1);
    REFUSED("credential type 77 is not declared", issuer->types[0] = 77);
    REFUSED(
        "credential type 1 is listed twice", (issuer->types_n = 2, issuer->types[0] = issuer->types[1] = 1));
    REFUSED("credential type 1 stands after 2",
        (issuer->types_n = 2, issuer->types[0] = 2, issuer->types[1] = 1));
}

/* Every key of the charter, one after another. */
static uint8_t *key_at(struct slk_charter *c, size_t i)
{
    struct slk_member *m = &c->members[i / 4];

    if (i >= 4 * c->members_n)
        return i - 4 * c->members_n < c->issuers_n ? c->issuers[i - 4 * c->members_n].public_key : NULL;
    return i % 4 == 0 ? m->vote_key : i % 4 == 1 ? m->cosign_key : i % 4 == 2 ? m->log_key : m->node_key;
}

static void swap_issuers(struct slk_charter *c)
{
    struct slk_issuer first = c->issuers[0];

    c->issuers[0] = c->issuers[1];
    c->issuers[1] = first;
}

static void every_key_is_sound_and_used_once(void **state)
{
    size_t n = 0;

    (void)state;
    while (key_at(good, n) != NULL)
        n++;
    assert_int_equal(n, 4 * 4 + SAMPLE_ISSUERS_N);
    for (size_t i = 0; i < n; i++) {
        REFUSED("no Ed25519 public key", memset(key_at(bad, i), 0, 32));
        REFUSED("no Ed25519 public key", memset(key_at(bad, i), 0xff, 32));
        for (size_t k = 0; k < i; k++)
            REFUSED("every key has one use only", memcpy(key_at(bad, i), key_at(good, k), 32));
    }
    REFUSED("list issuers in ascending order", swap_issuers(bad));
    /* nobody can make two such keys, so the ids are made equal by hand */
    REFUSED("have the same id", memcpy(bad->issuers[bad->by_key_id[1]].key_id,
                                    bad->issuers[bad->by_key_id[0]].key_id, SLK_KEY_ID_SIZE));
}

/* ---- look-ups ---- */

static void look_ups_find_what_is_there_and_nothing_else(void **state)
{
    uint8_t key_id[SLK_KEY_ID_SIZE];

    (void)state;
    for (size_t i = 0; i < good->issuers_n; i++) {
        uint8_t hash[32];

        SHA256(good->issuers[i].public_key, 32, hash);
        assert_memory_equal(good->issuers[i].key_id, hash, SLK_KEY_ID_SIZE);
        assert_ptr_equal(slk_charter_issuer(good, hash), &good->issuers[i]);
        for (unsigned bit = 0; bit < 64; bit++) {
            memcpy(key_id, hash, sizeof(key_id));
            key_id[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_null(slk_charter_issuer(good, key_id));
        }
    }
    assert_ptr_equal(slk_charter_type(good, SAMPLE_PHONE), &good->types[1]);
    assert_null(slk_charter_type(good, 0));
    assert_null(slk_charter_type(good, 3));
    assert_ptr_equal(slk_charter_reason(good, 3), &good->reasons[2]);
    assert_null(slk_charter_reason(good, 4));
    assert_ptr_equal(slk_charter_member(good, 4), &good->members[3]);
    assert_null(slk_charter_member(good, 5));
    memcpy(bad, good, sizeof(*bad));
    bad->issuers_n = 0;
    assert_null(slk_charter_issuer(bad, good->issuers[0].key_id));
}

/* Protocol 2.1: f = floor((n - 1) / 3) may lie, n - f must agree: two quorums share more than f. */
static void a_quorum_is_all_but_a_third(void **state)
{
    static const size_t quorum_of[] = {0, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7};

    (void)state;
    memcpy(bad, good, sizeof(*bad));
    for (size_t n = 0; n <= SLK_CHARTER_VOTING_MAX; n++) {
        many_members(bad, n);
        assert_int_equal(slk_charter_voting_n(bad), n);
        size_t q = slk_charter_quorum(bad), f = n > 0 ? (n - 1) / 3 : 0;
        if (n == 0) {
            assert_true(q == SLK_CHARTER_NO_QUORUM);
            continue;
        }
        assert_int_equal(q, n - f);
        assert_true(2 * q > n + f);
        if (n < sizeof(quorum_of) / sizeof(quorum_of[0]))
            assert_int_equal(q, quorum_of[n]);
    }
    assert_int_equal(slk_charter_quorum(good), 3);
}

static void the_policy_names_every_key(void **state)
{
    char *text = malloc(1 << 16), vkey[SLK_VKEY_MAX], line[400];
    size_t size = slk_charter_policy(text, 1 << 16, good);
    struct slk_policy *policy;
    struct slk_fault fault = {0};
    struct slk_vkey key;

    (void)state;
    assert_true(size > 0);
    assert_int_equal(strlen(text), size);
    for (size_t i = 0; i < good->members_n; i++) {
        const struct slk_member *m = &good->members[i];

        assert_int_equal(slk_vkey_init(&key, good->origin, SLK_SIG_ED25519, m->log_key), SLK_OK);
        (void)slk_vkey_format(vkey, &key);
        (void)snprintf(line, sizeof(line), "\nlog %s\n", vkey);
        assert_non_null(strstr(text, line));
        assert_int_equal(slk_vkey_init(&key, m->name, SLK_SIG_COSIGNATURE_V1, m->cosign_key), SLK_OK);
        (void)slk_vkey_format(vkey, &key);
        (void)snprintf(line, sizeof(line), "\nwitness agency-%u %s\n", (unsigned)m->agency, vkey);
        assert_non_null(strstr(text, line));
    }
    assert_non_null(
        strstr(text, "\ngroup voting-members 3 agency-1 agency-2 agency-3\nquorum voting-members\n"));
    assert_int_equal(slk_policy_new(&policy, text, size, &fault), SLK_OK);
    slk_policy_free(policy);
    for (size_t cap = 1; cap <= size; cap += 13)
        assert_int_equal(slk_charter_policy(text, cap, good), 0);
    memcpy(bad, good, sizeof(*bad));
    many_members(bad, SLK_CHARTER_VOTING_MAX);
    size = slk_charter_policy(text, 1 << 16, bad);
    assert_true(size > 0);
    assert_int_equal(slk_policy_new(&policy, text, size, &fault), SLK_OK);
    slk_policy_free(policy);
    bad->members_n = 0;
    assert_int_equal(slk_charter_policy(text, 1 << 16, bad), 0);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_parses_prints_back),
        cmocka_unit_test(a_second_decoder_reads_the_same),
        cmocka_unit_test(parse_accepts_only_canonical_bytes),
        cmocka_unit_test(format_refuses_what_has_no_form),
        cmocka_unit_test(sorting_gives_the_one_form),
        cmocka_unit_test(a_wrong_head_is_refused),
        cmocka_unit_test(limits_and_timers_have_ranges),
        cmocka_unit_test(wrong_members_are_refused),
        cmocka_unit_test(wrong_types_and_reasons_are_refused),
        cmocka_unit_test(wrong_issuers_are_refused),
        cmocka_unit_test(every_key_is_sound_and_used_once),
        cmocka_unit_test(look_ups_find_what_is_there_and_nothing_else),
        cmocka_unit_test(a_quorum_is_all_but_a_third),
        cmocka_unit_test(the_policy_names_every_key),
    };

    return cmocka_run_group_tests(tests, make_good, free_good);
}
