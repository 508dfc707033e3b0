/* msg.c: statements and their signatures: votes and certificates. The messages are in msg_wire.c. */
#include "ledger/core/msg.h"

#include <assert.h>
#include <string.h>

#include "ledger/core/fastsig.h"

/* Offsets of protocol §2.2: VoteBytes. */
enum {
    AT_CHAIN = 16,
    AT_CHARTER = 48,
    AT_HEIGHT = 80,
    AT_VIEW = 88,
    AT_AUX = 92,
    AT_KIND = 96,
    AT_HASH = 100
};

enum slk_err slk_council_of(
    struct slk_council *out, const struct slk_charter *charter, const struct slk_hash *chain_id)
{
    memset(out, 0, sizeof(*out));
    out->chain_id = *chain_id;
    out->charter_hash = charter->hash;
    for (size_t i = 0; i < charter->members_n; i++) {
        if (charter->members[i].role != SLK_VOTING)
            continue;
        if (out->n == SLK_CHARTER_VOTING_MAX)
            return SLK_E_CHARTER;
        memcpy(out->keys[out->n++], charter->members[i].vote_key, SLK_KEY_SIZE);
    }
    return out->n > 0 ? SLK_OK : SLK_E_CHARTER;
}

size_t slk_council_faults(const struct slk_council *council)
{
    assert(council->n > 0 && council->n <= SLK_CHARTER_VOTING_MAX);
    return (council->n - 1) / 3;
}

size_t slk_council_quorum(const struct slk_council *council)
{
    return council->n - slk_council_faults(council);
}

uint16_t slk_council_leader(const struct slk_council *council, uint64_t height, uint32_t view)
{
    assert(view > 0 && council->n > 0);
    return (uint16_t)((height % council->n + (view - 1) % council->n) % council->n);
}

void slk_statement_bytes(
    uint8_t out[SLK_VOTE_BYTES], const struct slk_council *council, const struct slk_statement *statement)
{
    memset(out, 0, SLK_VOTE_BYTES);
    memcpy(out, SLK_TAG_VOTE, SLK_TAG_SIZE);
    memcpy(out + AT_CHAIN, council->chain_id.b, SLK_HASH_SIZE);
    memcpy(out + AT_CHARTER, council->charter_hash.b, SLK_HASH_SIZE);
    slk_put_u64(out + AT_HEIGHT, statement->height);
    slk_put_u32(out + AT_VIEW, statement->view);
    slk_put_u32(out + AT_AUX, statement->aux);
    out[AT_KIND] = (uint8_t)statement->kind;
    memcpy(out + AT_HASH, statement->hash.b, SLK_HASH_SIZE);
}

bool slk_statements_contradict(const struct slk_statement *a, const struct slk_statement *b)
{
    bool crossed = (a->kind == SLK_VOTE_NULLIFY && b->kind == SLK_VOTE_FINALIZE) ||
                   (a->kind == SLK_VOTE_FINALIZE && b->kind == SLK_VOTE_NULLIFY);

    return a->height == b->height && a->view == b->view &&
           (crossed || (a->kind == b->kind && !slk_hash_equal(&a->hash, &b->hash)));
}

static bool verify_ed25519(void *ctx, const uint8_t sig[SLK_SIGNATURE_SIZE], const uint8_t *message,
    size_t size, const uint8_t key[SLK_KEY_SIZE])
{
    (void)ctx;
    return slk_fastsig_verify(sig, message, size, key);
}

const struct slk_verifier slk_verifier_ed25519 = {.ctx = NULL, .verify = verify_ed25519};

unsigned slk_bits_n(uint64_t bits)
{
    unsigned n = 0;

    for (; bits != 0; bits &= bits - 1)
        n++;
    return n;
}

void slk_cert_copy(struct slk_cert *out, const struct slk_cert *cert)
{
    unsigned n = slk_bits_n(cert->signers);

    assert(n <= SLK_CHARTER_VOTING_MAX);
    if (out == cert)
        return;
    memcpy(out, cert, offsetof(struct slk_cert, sigs) + (size_t)n * SLK_SIGNATURE_SIZE);
}

/* The one place where a vote's or a certificate's signature is judged (protocol §2.2). */
static bool check_one(const uint8_t bytes[SLK_VOTE_BYTES], const uint8_t sig[SLK_SIGNATURE_SIZE],
    size_t signer, const struct slk_council *council, const struct slk_verifier *verifier)
{
    return signer < council->n &&
           verifier->verify(verifier->ctx, sig, bytes, SLK_VOTE_BYTES, council->keys[signer]);
}

static bool sound(const struct slk_statement *statement)
{
    return statement->kind >= SLK_VOTE_PROPOSE && statement->kind < SLK_VOTE_KIND_N && statement->view > 0 &&
           statement->view <= SLK_VIEW_MAX &&
           (statement->kind == SLK_VOTE_PROPOSE ? statement->aux < statement->view : statement->aux == 0) &&
           slk_hash_is_zero(&statement->hash) == (statement->kind == SLK_VOTE_NULLIFY);
}

bool slk_vote_check(
    const struct slk_vote *vote, const struct slk_council *council, const struct slk_verifier *verifier)
{
    uint8_t bytes[SLK_VOTE_BYTES];

    if (!sound(&vote->statement))
        return false;
    slk_statement_bytes(bytes, council, &vote->statement);
    return check_one(bytes, vote->sig, vote->signer, council, verifier);
}

bool slk_cert_check(
    const struct slk_cert *cert, const struct slk_council *council, const struct slk_verifier *verifier)
{
    struct slk_statement statement = {
        .kind = cert->kind, .height = cert->height, .view = cert->view, .aux = 0, .hash = cert->hash};
    uint8_t bytes[SLK_VOTE_BYTES];
    size_t used = 0;

    if (cert->kind == SLK_VOTE_PROPOSE || !sound(&statement) || cert->bitmap_bytes != (council->n + 7) / 8 ||
        (cert->signers >> council->n) != 0 || slk_bits_n(cert->signers) < slk_council_quorum(council))
        return false;
    slk_statement_bytes(bytes, council, &statement);
    for (size_t signer = 0; signer < council->n; signer++) {
        if ((cert->signers >> signer & 1) == 0)
            continue;
        if (!check_one(bytes, cert->sigs[used++], signer, council, verifier))
            return false;
    }
    return true;
}
