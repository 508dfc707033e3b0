/* proven.c: one table, one place for each: who comes later stays. */
#include "ledger/core/proven.h"

#include <assert.h>
#include <stdlib.h>

#include "ledger/core/submission.h"

struct slk_proven {
    size_t n;
    struct slk_hash at[]; /* zero: free. No question hashes to zero */
};

struct slk_proven *slk_proven_new(size_t n)
{
    struct slk_proven *proven;

    assert(n > 0 && (n & (n - 1)) == 0 && n <= SIZE_MAX / SLK_HASH_SIZE / 2);
    proven = calloc(1, sizeof(*proven) + n * sizeof(proven->at[0]));
    if (proven != NULL)
        proven->n = n;
    return proven;
}

void slk_proven_free(struct slk_proven *proven)
{
    free(proven);
}

/* Three parts of fixed length: no two questions read the same. */
static void name_of(struct slk_hash *out, const struct slk_hash *id, const uint8_t sig[SLK_SIGNATURE_SIZE],
    const uint8_t key[SLK_KEY_SIZE])
{
    struct slk_sha sha;

    slk_sha_init(&sha);
    slk_sha_add(&sha, id->b, SLK_HASH_SIZE);
    slk_sha_add(&sha, sig, SLK_SIGNATURE_SIZE);
    slk_sha_add(&sha, key, SLK_KEY_SIZE);
    slk_sha_final(&sha, out);
}

static size_t place_of(const struct slk_proven *proven, const struct slk_hash *name)
{
    return (size_t)slk_get_u64(name->b) & (proven->n - 1);
}

bool slk_proven_has(const struct slk_proven *proven, const struct slk_hash *id,
    const uint8_t sig[SLK_SIGNATURE_SIZE], const uint8_t key[SLK_KEY_SIZE])
{
    struct slk_hash name;

    if (proven == NULL)
        return false;
    name_of(&name, id, sig, key);
    return slk_hash_equal(&proven->at[place_of(proven, &name)], &name);
}

void slk_proven_add(struct slk_proven *proven, const struct slk_submission *submission)
{
    struct slk_hash name;

    if (proven == NULL || submission->charter_version == 0 || submission->rule != SLK_RULE_OK)
        return;
    assert(submission->issuer != NULL);
    name_of(&name, &submission->id, submission->signature, submission->issuer->public_key);
    proven->at[place_of(proven, &name)] = name;
}
