/* fuzz_msg.c: the members' messages, every kind: what parses prints back, and says nothing that its bytes do not hold.
 *
 * The first byte is the kind; 0 is a certificate alone, as the store keeps it.
 */
#include "ledger/core/msg.h"
#include "tests/fuzz/fuzz.h"

static uint8_t printed[SLK_PROPOSAL_BYTES_MAX + 1];

static bool inside(struct slk_span part, struct slk_span whole)
{
    return part.size == 0 || (part.at >= whole.at && part.size <= whole.size &&
                                 part.at - whole.at <= (ptrdiff_t)(whole.size - part.size));
}

static void check_hash(const struct slk_hash *hash, enum slk_vote_kind kind)
{
    FUZZ_CHECK(slk_hash_is_zero(hash) == (kind == SLK_VOTE_NULLIFY));
}

static void check_vote(const struct slk_vote *vote)
{
    const struct slk_statement *s = &vote->statement;

    FUZZ_CHECK(s->kind >= SLK_VOTE_PROPOSE && s->kind < SLK_VOTE_KIND_N);
    FUZZ_CHECK(s->view > 0 && s->view <= SLK_VIEW_MAX && vote->signer < SLK_CHARTER_VOTING_MAX);
    FUZZ_CHECK(s->kind == SLK_VOTE_PROPOSE || s->aux == 0);
    check_hash(&s->hash, s->kind);
}

static void check_cert(const struct slk_cert *cert)
{
    FUZZ_CHECK(cert->kind > SLK_VOTE_PROPOSE && cert->kind < SLK_VOTE_KIND_N);
    FUZZ_CHECK(cert->view > 0 && cert->view <= SLK_VIEW_MAX && cert->bitmap_bytes <= SLK_BITMAP_MAX);
    FUZZ_CHECK(slk_bits_n(cert->signers) > 0 && slk_bits_n(cert->signers) <= SLK_CHARTER_VOTING_MAX);
    check_hash(&cert->hash, cert->kind);
}

static void check_certs(const struct slk_msg *msg, const struct slk_cert_pool *pool)
{
    FUZZ_CHECK(msg->certs_n <= SLK_JUST_MAX);
    for (size_t i = 0; i < msg->certs_n; i++) {
        FUZZ_CHECK(msg->certs[i] == &pool->at[i]);
        check_cert(msg->certs[i]);
    }
}

static void check_header(const struct slk_msg *msg, struct slk_span bytes)
{
    struct slk_hash hash;

    FUZZ_CHECK(
        msg->header.size == SLK_BLOCK_HEADER_SIZE && inside(msg->header, bytes) && inside(msg->body, bytes));
    slk_block_hash(&hash, msg->header.at);
    FUZZ_CHECK(slk_hash_equal(&hash, &msg->hash));
}

/* A header for each certificate; in EPOCHS a charter, too. */
static void check_lists(const struct slk_msg *msg, struct slk_span bytes)
{
    FUZZ_CHECK(msg->certs_n > 0);
    if (msg->kind == SLK_MSG_HEADERS) {
        FUZZ_CHECK(msg->header.size == msg->certs_n * SLK_BLOCK_HEADER_SIZE && inside(msg->header, bytes));
        return;
    }
    FUZZ_CHECK(msg->certs_n <= SLK_EPOCHS_MAX);
    for (size_t i = 0; i < msg->certs_n; i++) {
        FUZZ_CHECK(
            msg->epochs[i].header.size == SLK_BLOCK_HEADER_SIZE && inside(msg->epochs[i].header, bytes));
        FUZZ_CHECK(inside(msg->epochs[i].charter, bytes));
    }
}

static void check_status(const struct slk_status *s)
{
    FUZZ_CHECK(s->tallies_n <= SLK_TALLIES_MAX && s->view <= SLK_VIEW_MAX && s->your_kind < SLK_VOTE_KIND_N);
    for (size_t i = 0; i < s->tallies_n; i++)
        FUZZ_CHECK(s->tallies[i].kind > 0 && s->tallies[i].kind < SLK_VOTE_KIND_N);
}

static void check_parsed(const struct slk_msg *msg, const struct slk_cert_pool *pool, struct slk_span bytes)
{
    FUZZ_CHECK(slk_msg_format(printed, sizeof(printed), msg) == bytes.size);
    FUZZ_CHECK(bytes.size == 0 || memcmp(printed, bytes.at, bytes.size) == 0);
    FUZZ_CHECK(bytes.size == 0 || slk_msg_format(printed, bytes.size - 1, msg) == 0);
    if (msg->kind == SLK_MSG_PROPOSAL || msg->kind == SLK_MSG_CERT || msg->kind == SLK_MSG_COMMIT ||
        msg->kind == SLK_MSG_HEADERS || msg->kind == SLK_MSG_EPOCHS)
        check_certs(msg, pool);
    if (msg->kind == SLK_MSG_PROPOSAL || msg->kind == SLK_MSG_COMMIT || msg->kind == SLK_MSG_DATA)
        check_header(msg, bytes);
    if (msg->kind == SLK_MSG_HEADERS || msg->kind == SLK_MSG_EPOCHS)
        check_lists(msg, bytes);
    if (msg->kind == SLK_MSG_PROPOSAL || msg->kind == SLK_MSG_VOTE || msg->kind == SLK_MSG_EVIDENCE)
        check_vote(&msg->vote);
    if (msg->kind == SLK_MSG_EVIDENCE)
        check_vote(&msg->other);
    if (msg->kind == SLK_MSG_STATUS)
        check_status(&msg->status);
}

static void cert_alone(struct slk_span bytes)
{
    static struct slk_cert cert;

    memset(&cert, 0xa5, sizeof(cert));
    if (slk_cert_parse(&cert, bytes) != SLK_OK)
        return;
    check_cert(&cert);
    FUZZ_CHECK(bytes.size <= SLK_CERT_BYTES_MAX);
    FUZZ_CHECK(slk_cert_format(printed, SLK_CERT_BYTES_MAX, &cert) == bytes.size);
    FUZZ_CHECK(memcmp(printed, bytes.at, bytes.size) == 0);
    FUZZ_CHECK(slk_cert_format(printed, bytes.size - 1, &cert) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct slk_msg msg; /* full of what was there before */
    static struct slk_cert_pool pool;
    uint8_t *exact = fuzz_exact(size == 0 ? data : data + 1, size == 0 ? 0 : size - 1);
    struct slk_span bytes = slk_span_of(exact, size == 0 ? 0 : size - 1);
    unsigned kind = size == 0 ? 0 : data[0] % SLK_MSG_KIND_N;

    if (kind == 0) {
        cert_alone(bytes);
    } else {
        memset(&msg, 0xa5, sizeof(msg));
        if (slk_msg_parse(&msg, &pool, (enum slk_msg_kind)kind, bytes) == SLK_OK)
            check_parsed(&msg, &pool, bytes);
    }
    free(exact);
    return 0;
}
