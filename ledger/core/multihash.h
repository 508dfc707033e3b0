/* multihash.h: SHA-256 over many independent short messages at once.
 *
 * One interface, two engines: four interleaved SHA-NI lanes where the CPU has them, ledger/verify/hash.h
 * elsewhere. Which one runs is chosen once per process and never changes a byte of the result.
 */
#ifndef SLK_CORE_MULTIHASH_H
#define SLK_CORE_MULTIHASH_H

#include "ledger/verify/hash.h"

/* out[i] = SHA-256(0x01 || pairs[2i] || pairs[2i+1]); out may be pairs (the i-th result lands at pairs[i]). */
void slk_multihash_nodes(struct slk_hash *out, const struct slk_hash *pairs, size_t n);
/* *out[i] = SHA-256(0x01 || pairs[i][0] || pairs[i][1]): pairs that stand anywhere. A result may land in its own pair,
 * in no other. */
void slk_multihash_nodes_at(struct slk_hash *const *out, const struct slk_hash *const *pairs, size_t n);
/* out[i] = SHA-256(prefix || at_i[size]) for equally long messages that stand `stride` bytes apart. */
void slk_multihash_equal(struct slk_hash *out, uint8_t prefix, const uint8_t *at, size_t size, size_t stride, size_t n);
/* out[i] = SHA-256(spans[i]); messages of any size, best when sizes are alike. */
void slk_multihash_spans(struct slk_hash *out, const struct slk_span *spans, size_t n);
const char *slk_multihash_engine(void); /* "sha-ni x4", "libcrypto" */
void slk_multihash_force_portable(bool on); /* tests compare both engines */

#endif
