/* test_msg.c: statements, votes, certificates and messages: what is signed, what is refused, what prints back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sodium.h>

#include "ledger/core/msg.h"

#define MEMBERS 50

static struct slk_council council;
static uint8_t secrets[MEMBERS][crypto_sign_SECRETKEYBYTES];
static uint8_t out[256 * 1024], again[256 * 1024];
static struct slk_cert_pool pool;

static struct slk_hash hash_of(unsigned v)
{
    struct slk_hash h = {{0}};

    h.b[0] = (uint8_t)v;
    h.b[31] = 1;
    return h;
}

static int make_council(void **state)
{
    (void)state;
    if (sodium_init() < 0)
        return 1;
    council.n = MEMBERS;
    council.chain_id = hash_of(200);
    council.charter_hash = hash_of(201);
    for (unsigned i = 0; i < MEMBERS; i++) {
        uint8_t seed[crypto_sign_SEEDBYTES] = {(uint8_t)i, 7};

        crypto_sign_seed_keypair(council.keys[i], secrets[i], seed);
    }
    return 0;
}

static struct slk_vote vote_of(enum slk_vote_kind kind, uint16_t signer, unsigned block)
{
    struct slk_vote vote = {.statement = {.kind = kind, .height = 9, .view = 3, .aux = 0}, .signer = signer};
    uint8_t bytes[SLK_VOTE_BYTES];

    if (kind != SLK_VOTE_NULLIFY)
        vote.statement.hash = hash_of(block);
    if (kind == SLK_VOTE_PROPOSE)
        vote.statement.aux = 2;
    slk_statement_bytes(bytes, &council, &vote.statement);
    crypto_sign_detached(vote.sig, NULL, bytes, sizeof(bytes), secrets[signer]);
    return vote;
}

static void make_cert(struct slk_cert *cert, enum slk_vote_kind kind, size_t signers_n)
{
    memset(cert, 0, sizeof(*cert));
    cert->kind = kind;
    cert->height = 9;
    cert->view = 3;
    cert->hash = kind == SLK_VOTE_NULLIFY ? slk_hash_zero : hash_of(5);
    cert->bitmap_bytes = (uint8_t)((council.n + 7) / 8);
    for (size_t i = 0; i < signers_n; i++) {
        struct slk_vote vote = vote_of(kind, (uint16_t)i, 5);

        cert->signers |= 1ull << i;
        memcpy(cert->sigs[i], vote.sig, sizeof(vote.sig));
    }
}

static bool accepted(const struct slk_cert *cert)
{
    return slk_cert_check(cert, &council, &slk_verifier_ed25519);
}

static void quorums_are_those_of_the_protocol(void **state)
{
    static const size_t table[][2] = {
        {1, 1}, {2, 2}, {3, 3}, {4, 3}, {5, 4}, {6, 5}, {7, 5}, {10, 7}, {13, 9}, {31, 21}, {50, 34}};
    struct slk_council c = {.n = 0};

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        c.n = table[i][0];
        assert_int_equal(slk_council_quorum(&c), table[i][1]);
    }
    c.n = 4;
    assert_int_equal(slk_council_leader(&c, 7, 2), slk_council_leader(&c, 8, 1));
    assert_int_equal(slk_council_leader(&c, UINT64_MAX, 1), UINT64_MAX % 4);
}

static void signed_bytes_have_the_fixed_layout(void **state)
{
    struct slk_statement s = {
        .kind = SLK_VOTE_PROPOSE, .height = 0x0102030405060708, .view = 0x0a0b0c0d, .aux = 0x01020304};
    uint8_t b[SLK_VOTE_BYTES];

    (void)state;
    s.hash = hash_of(77);
    slk_statement_bytes(b, &council, &s);
    assert_memory_equal(b, "sillok/vote/1\0\0\0", 16);
    assert_memory_equal(b + 16, council.chain_id.b, 32);
    assert_memory_equal(b + 48, council.charter_hash.b, 32);
    assert_memory_equal(b + 80, "\1\2\3\4\5\6\7\10", 8);
    assert_memory_equal(b + 88, "\12\13\14\15", 4);
    assert_memory_equal(b + 92, "\1\2\3\4", 4);
    assert_memory_equal(b + 96, "\1\0\0\0", 4);
    assert_memory_equal(b + 100, s.hash.b, 32);
}

static void a_vote_holds_for_its_own_statement_alone(void **state)
{
    struct slk_vote good = vote_of(SLK_VOTE_NOTARIZE, 2, 5);
    struct slk_council other = council;

    (void)state;
    assert_true(slk_vote_check(&good, &council, &slk_verifier_ed25519));
    for (unsigned i = 0; i < 7; i++) {
        struct slk_vote v = good;

        v.statement.height += i == 0;
        v.statement.view += i == 1;
        v.statement.kind = i == 2 ? SLK_VOTE_FINALIZE : v.statement.kind;
        v.statement.hash.b[9] ^= i == 3;
        v.signer = (uint16_t)(v.signer + (i == 4));
        v.statement.aux += i == 5;
        v.signer = i == 6 ? MEMBERS : v.signer;
        assert_false(slk_vote_check(&v, &council, &slk_verifier_ed25519));
    }
    other.charter_hash.b[0] ^= 1;
    assert_false(slk_vote_check(&good, &other, &slk_verifier_ed25519));
    other = council;
    other.chain_id.b[0] ^= 1;
    assert_false(slk_vote_check(&good, &other, &slk_verifier_ed25519));
    for (size_t bit = 0; bit < 8 * sizeof(good.sig); bit++) {
        struct slk_vote v = good;

        v.sig[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(slk_vote_check(&v, &council, &slk_verifier_ed25519));
    }
}

static void a_certificate_needs_a_quorum_of_good_signatures(void **state)
{
    static struct slk_cert cert;

    (void)state;
    for (size_t n = 1; n <= MEMBERS; n += n < 33 ? 8 : 1) {
        make_cert(&cert, SLK_VOTE_NOTARIZE, n);
        assert_int_equal(accepted(&cert), n >= 34);
    }
    make_cert(&cert, SLK_VOTE_NULLIFY, 34);
    assert_true(accepted(&cert));
    cert.hash = hash_of(5);
    assert_false(accepted(&cert));
    make_cert(&cert, SLK_VOTE_FINALIZE, 40);
    memset(cert.sigs[39], 0, SLK_SIGNATURE_SIZE); /* one bad one spoils it, quorum or not */
    assert_false(accepted(&cert));
}

static void a_certificate_for_anything_else_is_refused(void **state)
{
    static struct slk_cert good, bad;

    (void)state;
    make_cert(&good, SLK_VOTE_NOTARIZE, 34);
    for (unsigned i = 0; i < 9; i++) {
        bad = good;
        bad.view += i == 0;
        bad.height += i == 1;
        bad.kind = i == 2 ? SLK_VOTE_FINALIZE : i == 3 ? SLK_VOTE_PROPOSE : bad.kind;
        bad.hash.b[0] ^= i == 4;
        bad.signers |= i == 5 ? 1ull << 50 : 0; /* a member that does not exist */
        bad.signers = i == 6 ? bad.signers << 1 : bad.signers;
        bad.bitmap_bytes = i == 7 ? 5 : bad.bitmap_bytes;
        bad.view = i == 8 ? 0 : bad.view;
        assert_false(accepted(&bad));
    }
    assert_true(accepted(&good));
}

/* Flips every bit and cuts every length: what still parses prints back to the same bytes. */
static void attack(enum slk_msg_kind kind, size_t size)
{
    struct slk_msg msg;
    uint8_t *copy = malloc(size + 1); /* exact size: a read past the end is seen by the sanitizer */
    size_t step = size > 4000 ? 97 : 1;

    assert_non_null(copy);
    for (size_t bit = 0; bit < 8 * size; bit += step) {
        memcpy(copy, out, size);
        copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (slk_msg_parse(&msg, &pool, kind, slk_span_of(copy, size)) == SLK_OK) {
            assert_int_equal(slk_msg_format(again, sizeof(again), &msg), size);
            assert_memory_equal(again, copy, size);
        }
    }
    free(copy);
    for (size_t cut = 0; cut < size; cut += step) {
        copy = malloc(cut + 1);
        assert_non_null(copy);
        memcpy(copy, out, cut);
        if (slk_msg_parse(&msg, &pool, kind, slk_span_of(copy, cut)) == SLK_OK) {
            assert_int_equal(slk_msg_format(again, sizeof(again), &msg), cut);
            assert_memory_equal(again, copy, cut);
        }
        free(copy);
    }
    out[size] = 0;
    assert_int_not_equal(slk_msg_parse(&msg, &pool, kind, slk_span_of(out, size + 1)), SLK_OK);
}

static void round_trip(const struct slk_msg *msg)
{
    struct slk_msg read;
    size_t size = slk_msg_format(out, sizeof(out), msg);

    assert_true(size > 0);
    assert_int_equal(slk_msg_parse(&read, &pool, msg->kind, slk_span_of(out, size)), SLK_OK);
    assert_int_equal(slk_msg_format(again, sizeof(again), &read), size);
    assert_memory_equal(out, again, size);
    attack(msg->kind, size);
}

static struct slk_msg *new_msg(enum slk_msg_kind kind)
{
    static uint8_t header[SLK_RANGE_MAX * SLK_BLOCK_HEADER_SIZE];
    struct slk_msg *msg = calloc(1, sizeof(*msg));

    assert_non_null(msg);
    header[3] = 9;
    msg->kind = kind;
    msg->header = slk_span_of(header, SLK_BLOCK_HEADER_SIZE);
    return msg;
}

static void every_message_prints_back(void **state)
{
    static struct slk_cert certs[3];
    static const uint8_t body[] = "submission ids";

    (void)state;
    make_cert(&certs[0], SLK_VOTE_NOTARIZE, 34);
    make_cert(&certs[1], SLK_VOTE_NULLIFY, 50);
    make_cert(&certs[2], SLK_VOTE_FINALIZE, 35);
    for (enum slk_msg_kind kind = SLK_MSG_PROPOSAL; kind < SLK_MSG_KIND_N; kind++) {
        struct slk_msg *msg = new_msg(kind);

        msg->vote = vote_of(kind == SLK_MSG_PROPOSAL ? SLK_VOTE_PROPOSE : SLK_VOTE_NULLIFY, 0, 5);
        msg->other = vote_of(SLK_VOTE_FINALIZE, 3, 6);
        msg->height = 9;
        msg->certs_n = kind == SLK_MSG_COMMIT ? 1 : 3;
        for (size_t i = 0; i < 3; i++)
            msg->certs[i] = &certs[i];
        if (kind == SLK_MSG_PROPOSAL || kind == SLK_MSG_DATA)
            msg->body = slk_span_of(body, sizeof(body));
        for (size_t i = 0; i < SLK_EPOCHS_MAX; i++)
            msg->epochs[i] = (struct slk_epoch){.header = msg->header, .charter = slk_span_of(body, 5 + i)};
        if (kind == SLK_MSG_HEADERS)
            msg->header.size *= 3;
        msg->chunk = kind == SLK_MSG_DATA ? 77 : 0;
        msg->body_size = 99;
        msg->get = (struct slk_get){.what = SLK_GET_BODY, .height = 9, .hash = hash_of(1), .chunk = 3};
        msg->status = (struct slk_status){.charter_hash = hash_of(1),
            .height = 9,
            .tip_hash = hash_of(2),
            .view = 3,
            .n_bits = UINT64_MAX,
            .k_bits = 5,
            .tallies_n = 2,
            .your_height = 9,
            .your_view = 1,
            .your_kind = 2,
            .pool_count = 4,
            .pool_xor = 5,
            .seq = 6,
            .has_proposal = true};
        msg->status.tallies[0] =
            (struct slk_tally){.kind = SLK_VOTE_NULLIFY, .view = 3, .signers = 1ull << 49};
        msg->status.tallies[1] = (struct slk_tally){.kind = SLK_VOTE_NOTARIZE, .view = 3, .hash = hash_of(3)};
        round_trip(msg);
        free(msg);
    }
}

/* Every question, and what none may ask. */
static void questions_are_read_strictly(void **state)
{
    struct slk_msg *msg = new_msg(SLK_MSG_GET);

    (void)state;
    for (enum slk_get_what what = SLK_GET_BODY; what < SLK_GET_N; what++) {
        msg->get = (struct slk_get){.what = what,
            .height = UINT64_MAX,
            .view = 5,
            .kind = 2,
            .count = what == SLK_GET_HEADERS ? SLK_RANGE_MAX : 0,
            .chunk = 9};
        round_trip(msg);
    }
    for (uint32_t count = 0; count <= SLK_RANGE_MAX + 1; count += SLK_RANGE_MAX + 1) {
        struct slk_msg read;
        size_t size;

        msg->get = (struct slk_get){.what = SLK_GET_HEADERS, .height = 1, .count = count};
        size = slk_msg_format(out, sizeof(out), msg);
        assert_int_equal(slk_msg_parse(&read, &pool, SLK_MSG_GET, slk_span_of(out, size)), SLK_E_MALFORMED);
    }
    free(msg);
}

/* As many headers as certificates; no charter larger than an entry can hold. */
static void ranges_and_epochs_are_read_strictly(void **state)
{
    static uint8_t charter[SLK_CHARTER_BYTES_MAX + 1];
    static struct slk_cert cert;
    struct slk_msg *msg = new_msg(SLK_MSG_HEADERS), read;
    size_t size;

    (void)state;
    make_cert(&cert, SLK_VOTE_FINALIZE, 34);
    for (size_t i = 0; i < SLK_RANGE_MAX; i++)
        msg->certs[i] = &cert;
    for (size_t certs_n = 1; certs_n <= 3; certs_n++) {
        for (size_t headers_n = 1; headers_n <= 3; headers_n++) {
            msg->certs_n = certs_n;
            msg->header.size = headers_n * SLK_BLOCK_HEADER_SIZE;
            size = slk_msg_format(out, sizeof(out), msg);
            assert_int_equal(slk_msg_parse(&read, &pool, SLK_MSG_HEADERS, slk_span_of(out, size)),
                certs_n == headers_n ? SLK_OK : SLK_E_MALFORMED);
        }
    }
    msg->header.size = SLK_BLOCK_HEADER_SIZE;
    msg->kind = SLK_MSG_EPOCHS;
    msg->certs_n = 1;
    for (size_t over = 0; over < 2; over++) {
        msg->epochs[0] = (struct slk_epoch){
            .header = msg->header, .charter = slk_span_of(charter, SLK_CHARTER_BYTES_MAX + over)};
        size = slk_msg_format(out, sizeof(out), msg);
        assert_true(size > SLK_CHARTER_BYTES_MAX);
        assert_int_equal(slk_msg_parse(&read, &pool, SLK_MSG_EPOCHS, slk_span_of(out, size)),
            over == 0 ? SLK_OK : SLK_E_MALFORMED);
    }
    free(msg);
}

static void a_full_status_and_a_full_justification_fit_their_caps(void **state)
{
    static struct slk_cert cert;
    struct slk_msg *msg = new_msg(SLK_MSG_STATUS);
    struct slk_status *s = &msg->status;

    (void)state;
    memset(s, 0xff, sizeof(*s));
    s->view = s->your_view = SLK_VIEW_MAX;
    s->your_kind = SLK_VOTE_FINALIZE;
    s->has_proposal = true;
    s->tallies_n = SLK_TALLIES_MAX;
    for (size_t i = 0; i < SLK_TALLIES_MAX; i++)
        s->tallies[i] = (struct slk_tally){SLK_VOTE_FINALIZE, SLK_VIEW_MAX, hash_of(1), (1ull << 50) - 1};
    assert_true(slk_msg_format(out, sizeof(out), msg) > 0);
    make_cert(&cert, SLK_VOTE_NULLIFY, 50);
    msg->kind = SLK_MSG_CERT;
    msg->height = UINT64_MAX;
    msg->certs_n = SLK_JUST_MAX;
    for (size_t i = 0; i < SLK_JUST_MAX; i++)
        msg->certs[i] = &cert;
    assert_true(slk_msg_format(out, sizeof(out), msg) > 0);
    msg->kind = SLK_MSG_HEADERS;
    msg->header.size = (size_t)SLK_RANGE_MAX * SLK_BLOCK_HEADER_SIZE;
    assert_true(slk_msg_format(out, sizeof(out), msg) > 0);
    msg->kind = SLK_MSG_DATA;
    msg->header.size = SLK_BLOCK_HEADER_SIZE;
    msg->body = slk_span_of(again, SLK_CHUNK_BYTES);
    msg->chunk = SLK_BODY_MAX;
    msg->body_size = SLK_BODY_MAX;
    assert_true(slk_msg_format(out, sizeof(out), msg) > 0);
    msg->kind = SLK_MSG_EPOCHS;
    msg->certs_n = SLK_EPOCHS_MAX;
    for (size_t i = 0; i < SLK_EPOCHS_MAX; i++)
        msg->epochs[i] =
            (struct slk_epoch){.header = msg->header, .charter = slk_span_of(again, SLK_CHARTER_BYTES_MAX)};
    assert_true(slk_msg_format(out, sizeof(out), msg) > 0);
    msg->kind = SLK_MSG_PROPOSAL;
    msg->vote = vote_of(SLK_VOTE_PROPOSE, 0, 5);
    msg->certs_n = SLK_JUST_MAX;
    msg->body = slk_span_of(again, SLK_INLINE_BODY_MAX);
    assert_true(slk_msg_format(out, sizeof(out), msg) > 0);
    free(msg);
}

static void random_bytes_never_crash(void **state)
{
    struct slk_msg msg;
    uint64_t x = 88172645463325252ull;

    (void)state;
    for (int i = 0; i < 200000; i++) {
        size_t size = (size_t)(x % 97);

        for (size_t k = 0; k < size; k++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            out[k] = (uint8_t)(x >> 11) & (k % 3 == 0 ? 0x3a : 0xff);
        }
        enum slk_msg_kind kind = (enum slk_msg_kind)(1 + x % (SLK_MSG_KIND_N - 1));
        if (slk_msg_parse(&msg, &pool, kind, slk_span_of(out, size)) == SLK_OK) {
            assert_int_equal(slk_msg_format(again, sizeof(again), &msg), size);
            assert_memory_equal(again, out, size);
        }
        x += 0x9e3779b97f4a7c15ull;
    }
    assert_int_equal(slk_msg_parse(&msg, &pool, SLK_MSG_VOTE, slk_span_of(out, 257)), SLK_E_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quorums_are_those_of_the_protocol),
        cmocka_unit_test(signed_bytes_have_the_fixed_layout),
        cmocka_unit_test(a_vote_holds_for_its_own_statement_alone),
        cmocka_unit_test(a_certificate_needs_a_quorum_of_good_signatures),
        cmocka_unit_test(a_certificate_for_anything_else_is_refused),
        cmocka_unit_test(every_message_prints_back),
        cmocka_unit_test(questions_are_read_strictly),
        cmocka_unit_test(ranges_and_epochs_are_read_strictly),
        cmocka_unit_test(a_full_status_and_a_full_justification_fit_their_caps),
        cmocka_unit_test(random_bytes_never_crash),
    };

    return cmocka_run_group_tests_name("msg", tests, make_council, NULL);
}
