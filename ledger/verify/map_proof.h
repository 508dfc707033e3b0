/* map_proof.h: proof that a map root holds a record for a handle, or nothing. Source: design §5, ICS23 SmtSpec.
 *
 *   u8   end       0 nothing there (absent)   1 the record (present)   2 another leaf (absent)
 *   u16  n         levels from the root to the end, 0..256
 *   bitmap         ceil(n/8) bytes, top bit first: sibling below depth i is not empty; spare bits zero
 *   siblings       32 B per set bit, deepest first
 *   end 1: the record (144 B)        end 2: path[32] || value hash[32] of the leaf that is there
 *
 * For any 32-byte root, however it was built, at most one of {this record, absent} can be proven.
 */
#ifndef SLK_VERIFY_MAP_PROOF_H
#define SLK_VERIFY_MAP_PROOF_H

#include "ledger/verify/bytes.h"
#include "ledger/verify/hash.h"
#include "ledger/verify/record.h"

#define SLK_MAP_DEPTH      256
#define SLK_MAP_PROOF_MAX  (3 + 32 + 32 * SLK_MAP_DEPTH + SLK_RECORD_SIZE)

enum slk_map_end { SLK_MAP_EMPTY = 0, SLK_MAP_RECORD = 1, SLK_MAP_OTHER = 2 };

/* Bit `depth` of a path: bit 0 is the top bit of byte 0. */
static inline unsigned slk_path_bit(const struct slk_hash *path, unsigned depth)
{
    return (unsigned)(path->b[depth >> 3] >> (7 - (depth & 7))) & 1u;
}

/* Checks a proof for `handle` under `root`. *record: its 144 bytes inside the proof when present, else empty.
 * The value may have any size here (the vectors' are opaque); slk_verify_status asks for SLK_RECORD_SIZE.
 * Returns SLK_OK; SLK_E_MALFORMED (length, spare bits, empty deepest sibling, zero sibling, end, empty value);
 * SLK_E_MAP_PROOF (another root, or the other leaf is ours or leaves our path above depth n). */
SLK_MUST_CHECK enum slk_err slk_map_proof_check(struct slk_span *record, const struct slk_hash *root,
    const uint8_t handle[SLK_HANDLE_SIZE], struct slk_span proof);

/* What a prover knows; slk_map_proof_format prints it. siblings[n], root's child first, zero = empty. */
struct slk_map_walk {
    enum slk_map_end end;
    unsigned n;
    struct slk_hash siblings[SLK_MAP_DEPTH];
    uint64_t row;         /* end 1 and 2: where the leaf's record is (the caller fetches it) */
};
/* tail: the record (end 1), path || value hash (end 2), empty (end 0). The length, or 0 when it does not fit. */
size_t slk_map_proof_format(uint8_t *out, size_t cap, const struct slk_map_walk *walk, struct slk_span tail);

/* The part that single proofs and crowd answers share: u16 n, bitmap, siblings. */
void slk_map_walk_write(struct slk_writer *w, const struct slk_map_walk *walk);

/* A crowd answer: every record whose path starts with `bits` bits of `prefix`, one proof for all of them.
 *
 *   u16 n          levels from the root to where the shared subtree hangs, 0..bits
 *   bitmap, siblings   as above, for those n levels
 *   u32 count      leaves that follow, in ascending path order
 *   count times    path[32] || record[144]
 *
 * n < bits only when at most one leaf is left there: it may lie outside the prefix (then nothing is under it),
 * but shares its first n bits. With at most one leaf the deepest sibling is not empty, as in a single proof; with
 * two or more it may be. `prefix` is read up to `bits` bits, at most 256.
 * The verifier rebuilds the subtree from the leaves by the map's definition, so nothing can be left out.
 * out[cap_n] receives pointers into the proof; *out_n how many lie under the prefix.
 * Returns SLK_OK, SLK_E_MALFORMED, SLK_E_MAP_PROOF, SLK_E_TOO_LARGE (more than cap_n). */
struct slk_map_crowd_item {
    const uint8_t *path;   /* 32 */
    const uint8_t *record; /* 144 */
};
SLK_MUST_CHECK enum slk_err slk_map_crowd_check(struct slk_map_crowd_item *out, size_t cap_n, size_t *out_n,
    const struct slk_hash *root, const uint8_t *prefix, unsigned bits, struct slk_span proof);

#endif
