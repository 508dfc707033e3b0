/* index_set.h: which status_index of each credential type was ever used: a bitmap per type.
 *
 * Part of the state every node must agree on, derived from the log, saved with the map's snapshot.
 */
#ifndef SLK_CORE_INDEX_SET_H
#define SLK_CORE_INDEX_SET_H

#include "ledger/core/charter.h"

struct slk_index_set;
SLK_MUST_CHECK enum slk_err slk_index_set_new(struct slk_index_set **out, const struct slk_charter *charter);
void slk_index_set_free(struct slk_index_set *set);
/* Types that this charter declares and the set does not hold yet: nothing of them is used. SLK_E_NOMEM: nothing changed. */
SLK_MUST_CHECK enum slk_err slk_index_set_grow(struct slk_index_set *set, const struct slk_charter *charter);
/* Takes the last growth back: types that this charter does not declare go, nothing of them being used. */
void slk_index_set_shrink(struct slk_index_set *set, const struct slk_charter *charter);
bool slk_index_set_has(const struct slk_index_set *set, uint32_t type, uint32_t index);
/* Marks or unmarks (undo of a refused submission). type and index must be in range of the charter. */
void slk_index_set_put(struct slk_index_set *set, uint32_t type, uint32_t index, bool used);
/* The raw bits of one type, most significant bit of byte 0 first: for snapshots and status lists. */
const uint8_t *slk_index_set_bits(const struct slk_index_set *set, uint32_t type, size_t *bytes_n);
SLK_MUST_CHECK enum slk_err slk_index_set_load(struct slk_index_set *set, uint32_t type, const uint8_t *bits, size_t bytes_n);
uint64_t slk_index_set_count(const struct slk_index_set *set, uint32_t type); /* O(size): for status output */

#endif
