/* hash.c: see hash.h.
 *
 * The one-shot functions gather their input in one buffer on the stack, so that a node costs one call
 * into libcrypto's update and no partial-block bookkeeping. */
/* The low-level SHA-256 is deprecated since OpenSSL 3.0 in favour of EVP, which fetches and allocates a
 * context per message: three times the cost of hashing a node. It is still there in 3.5. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <assert.h>
#include <string.h>

#include <openssl/sha.h>

#include "ledger/verify/hash.h"

static_assert(
    sizeof(SHA256_CTX) <= sizeof(((struct slk_sha *)0)->opaque), "struct slk_sha holds a SHA256_CTX");
static_assert(SHA256_DIGEST_LENGTH == SLK_HASH_SIZE, "one SHA-256 value is one struct slk_hash");

const struct slk_hash slk_hash_zero = {{0}};
const struct slk_hash slk_hash_empty_tree = {
    {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
        0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55}};

/* The three calls cannot fail on valid arguments; they return 1 by the manual. */
static void start(SHA256_CTX *ctx)
{
    int ok = SHA256_Init(ctx);

    assert(ok == 1);
    (void)ok;
}

static void add(SHA256_CTX *ctx, const void *bytes, size_t size)
{
    int ok = size == 0 ? 1 : SHA256_Update(ctx, bytes, size);

    assert(ok == 1);
    (void)ok;
}

static void finish(SHA256_CTX *ctx, struct slk_hash *out)
{
    int ok = SHA256_Final(out->b, ctx);

    assert(ok == 1);
    (void)ok;
}

/* The context is copied out of the caller's words and back: the words are declared as uint64_t, and a
 * cast would read them as another type. 112 bytes cost less than a tenth of one compression. */
void slk_sha_init(struct slk_sha *sha)
{
    SHA256_CTX ctx;

    start(&ctx);
    memset(sha, 0, sizeof(*sha));
    memcpy(sha->opaque, &ctx, sizeof(ctx));
}

void slk_sha_add(struct slk_sha *sha, const void *bytes, size_t size)
{
    SHA256_CTX ctx;

    memcpy(&ctx, sha->opaque, sizeof(ctx));
    add(&ctx, bytes, size);
    memcpy(sha->opaque, &ctx, sizeof(ctx));
}

void slk_sha_final(struct slk_sha *sha, struct slk_hash *out)
{
    SHA256_CTX ctx;

    memcpy(&ctx, sha->opaque, sizeof(ctx));
    finish(&ctx, out);
    memset(sha, 0, sizeof(*sha));
}

/* SHA-256(head || tail). */
static void hash_two(
    struct slk_hash *out, const void *head, size_t head_size, const void *tail, size_t tail_size)
{
    SHA256_CTX ctx;

    start(&ctx);
    add(&ctx, head, head_size);
    add(&ctx, tail, tail_size);
    finish(&ctx, out);
}

/* SHA-256(prefix || a || b), for two hashes. */
static void hash_pair(
    struct slk_hash *out, uint8_t prefix, const struct slk_hash *a, const struct slk_hash *b)
{
    uint8_t bytes[1 + 2 * SLK_HASH_SIZE];

    bytes[0] = prefix;
    memcpy(bytes + 1, a->b, SLK_HASH_SIZE);
    memcpy(bytes + 1 + SLK_HASH_SIZE, b->b, SLK_HASH_SIZE);
    hash_two(out, bytes, sizeof(bytes), NULL, 0);
}

void slk_hash_bytes(struct slk_hash *out, const void *bytes, size_t size)
{
    hash_two(out, bytes, size, NULL, 0);
}

void slk_hash_tagged(struct slk_hash *out, const char tag[SLK_TAG_SIZE], const void *bytes, size_t size)
{
    hash_two(out, tag, SLK_TAG_SIZE, bytes, size);
}

void slk_hash_leaf(struct slk_hash *out, const void *entry, size_t size)
{
    uint8_t prefix = SLK_LEAF_PREFIX;

    hash_two(out, &prefix, 1, entry, size);
}

void slk_hash_node(struct slk_hash *out, const struct slk_hash *left, const struct slk_hash *right)
{
    hash_pair(out, SLK_NODE_PREFIX, left, right);
}

void slk_hash_map_leaf(struct slk_hash *out, const struct slk_hash *path, const struct slk_hash *value_hash)
{
    hash_pair(out, SLK_LEAF_PREFIX, path, value_hash);
}

void slk_hash_history(struct slk_hash *out, const struct slk_hash *history, const struct slk_hash *leaf_hash)
{
    hash_pair(out, SLK_HISTORY_PREFIX, history, leaf_hash);
}

bool slk_hash_equal(const struct slk_hash *a, const struct slk_hash *b)
{
    return memcmp(a->b, b->b, SLK_HASH_SIZE) == 0;
}

bool slk_hash_is_zero(const struct slk_hash *a)
{
    return slk_hash_equal(a, &slk_hash_zero);
}
