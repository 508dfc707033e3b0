/* hash.h: SHA-256 and the ledger's tagged hashes. Source: FIPS 180-4; RFC 6962 §2.1; design §3 to §5. */
#ifndef SLK_VERIFY_HASH_H
#define SLK_VERIFY_HASH_H

#include "ledger/verify/sillok.h"

#define SLK_LEAF_PREFIX    0x00 /* RFC 6962 §2.1 */
#define SLK_NODE_PREFIX    0x01 /* RFC 6962 §2.1 */
#define SLK_HISTORY_PREFIX 0x02 /* design §4: history chain */

/* Domain tags are 16 bytes, padded with zeros (design §3, protocol §2.2). */
#define SLK_TAG_SIZE    16
#define SLK_TAG_EVENT   "sillok/event/1\0" /* + the literal's own zero = 16 */
#define SLK_TAG_SUBMIT  "sillok/submit/1"
#define SLK_TAG_DEVICE  "sillok/device/1"
#define SLK_TAG_GENESIS "sillok/genesis/1" /* 16 without the literal's zero */
#define SLK_TAG_CHARTER "sillok/charter/1"
#define SLK_TAG_BLOCK   "sillok/block/1\0"
#define SLK_TAG_BODY    "sillok/body/1\0\0"

/* Streaming; the state is small and lives on the stack. libcrypto's low-level SHA-256: three times as
 * fast per short message as EVP, and deprecated only in name. */
struct slk_sha {
    uint64_t opaque[16]; /* holds a SHA256_CTX (112 bytes); hash.c asserts that it fits */
};
void slk_sha_init(struct slk_sha *sha);
void slk_sha_add(struct slk_sha *sha, const void *bytes, size_t size);
void slk_sha_final(struct slk_sha *sha, struct slk_hash *out);

void slk_hash_bytes(struct slk_hash *out, const void *bytes, size_t size);
/* SHA-256(tag[16] || bytes). */
void slk_hash_tagged(struct slk_hash *out, const char tag[SLK_TAG_SIZE], const void *bytes, size_t size);
/* SHA-256(0x00 || entry): a log leaf. */
void slk_hash_leaf(struct slk_hash *out, const void *entry, size_t size);
/* SHA-256(0x01 || left || right): an inner node of the log, and of the map. */
void slk_hash_node(struct slk_hash *out, const struct slk_hash *left, const struct slk_hash *right);
/* SHA-256(0x00 || path || value_hash): a leaf of the map (design §5). */
void slk_hash_map_leaf(struct slk_hash *out, const struct slk_hash *path, const struct slk_hash *value_hash);
/* SHA-256(0x02 || history || leaf_hash): one step of a credential's history chain (design §4). */
void slk_hash_history(struct slk_hash *out, const struct slk_hash *history, const struct slk_hash *leaf_hash);

bool slk_hash_equal(const struct slk_hash *a, const struct slk_hash *b); /* not constant time: public data */
bool slk_hash_is_zero(const struct slk_hash *a);
extern const struct slk_hash slk_hash_zero;
extern const struct slk_hash slk_hash_empty_tree; /* RFC 6962 §2.1: SHA-256("") */

#endif
