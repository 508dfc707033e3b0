/* status_list.h: what the public status lists of each credential type say: a place for every status_index. Source: design §4, §8.
 *
 * Pure function of the rows up to a block and of a time, so that anybody who has the ledger arrives at the same bytes. A type's
 * places are cut into lists of SLK_STATUS_LIST_CUT: list n holds the places from n * CUT on. Expiry is no event: each place keeps its
 * valid_until, and is judged when a list is printed. What was never issued reads VALID (README.md says why).
 */
#ifndef SLK_CORE_STATUS_LIST_H
#define SLK_CORE_STATUS_LIST_H

#include "ledger/core/block.h"

#define SLK_STATUS_LIST_CUT (1u << 20) /* places: 256 KiB of bits; a crowd of a million */
/* W3C Bitstring Status List v1.0 §6.1: no list is shorter than 16 KiB. */
#define SLK_BITSTRING_MIN 131072u

enum slk_status_form {
    SLK_STATUS_TOKEN =
        1, /* 2 bits, least significant first: 0 VALID, 1 INVALID (revoked, expired), 2 SUSPENDED (locked) */
    SLK_STATUS_REVOCATION, /* 1 bit, most significant first: revoked, for ever */
    SLK_STATUS_SUSPENSION  /* 1 bit: locked or expired: a RENEW may yet bring it back */
};

struct slk_status_lists;
SLK_MUST_CHECK enum slk_err slk_status_lists_new(struct slk_status_lists **out);
void slk_status_lists_free(struct slk_status_lists *lists); /* NULL is fine */
/* Types that this charter declares and that are not known yet. Types never go and never change (SLK_CHANGE_TYPE_FIXED). */
void slk_status_lists_grow(struct slk_status_lists *lists, const struct slk_charter *charter);
/* From now on only this list is kept; rows of others are passed over. */
void slk_status_lists_only(struct slk_status_lists *lists, uint32_t type, uint32_t n);
/* The next row, in the order of rows. SLK_E_CORRUPT: no such type, no such place; SLK_E_NOMEM. */
SLK_MUST_CHECK enum slk_err slk_status_lists_put(
    struct slk_status_lists *lists, const struct slk_row_status *row);

/* Takes a row back: nothing was ever issued in this place. Of a place that exists. */
void slk_status_lists_forget(struct slk_status_lists *lists, uint32_t type, uint32_t index);
/* A copy that keeps this list only; the list exists. */
SLK_MUST_CHECK enum slk_err slk_status_lists_copy(
    struct slk_status_lists **out, const struct slk_status_lists *lists, uint32_t type, uint32_t n);

/* The codes of the types known, ascending as charters added them; how many. */
size_t slk_status_lists_types(const struct slk_status_lists *lists, const uint32_t **codes);
/* How many lists a type has; 0: there is no such type. */
uint32_t slk_status_lists_count(const struct slk_status_lists *lists, uint32_t type);
/* Places of list n, by the charter; 0: there is no such list. */
uint32_t slk_status_list_places(const struct slk_status_lists *lists, uint32_t type, uint32_t n);
/* Was it ever issued? Of a list that is kept. */
bool slk_status_lists_is_used(const struct slk_status_lists *lists, uint32_t type, uint32_t index);
/* Grows with every row that touched the list. */
uint64_t slk_status_list_changes(const struct slk_status_lists *lists, uint32_t type, uint32_t n);
/* Bytes of a list with that many places: whole bytes, bitstrings at least SLK_BITSTRING_MIN places; spare places read 0. */
size_t slk_status_list_size(uint32_t places, enum slk_status_form form);
/* Prints a list that exists, as it is at a time, into slk_status_list_size bytes. Returns when the next of its entries
 * expires: until then, and without another row, it prints the same. UINT64_MAX: none does. */
uint64_t slk_status_list_print(const struct slk_status_lists *lists, uint32_t type, uint32_t n,
    enum slk_status_form form, uint64_t time_s, uint8_t *out);
uint64_t slk_status_lists_memory(const struct slk_status_lists *lists);

#endif
