/* world.h: a small ledger in memory, the same in every run: what seeds are made of and blocks are fuzzed on.
 *
 * Four agencies, one issuer, a few credentials; keys from fixed seeds. No file, no clock.
 */
#ifndef SLK_FUZZ_WORLD_H
#define SLK_FUZZ_WORLD_H

#include "ledger/core/block.h"

#define WORLD_MEMBERS     4
#define WORLD_ENTRIES_MAX 256
#define WORLD_ROWS_MAX    128
#define WORLD_START_S     UINT64_C(1750000000)
#define WORLD_YEARS_3_S   UINT64_C(94608000)
#define WORLD_ORIGIN      "status.example/ledger"
#define WORLD_NOTE_MAX    4096

struct world {
    struct slk_charter charter;
    uint8_t charter_bytes[SLK_CHARTER_BYTES_MAX];
    size_t charter_size;
    struct slk_machine machine;
    struct slk_block block; /* the last one built */
    struct slk_block_source source;
    size_t entries_n, rows_n;
    struct slk_span entries[WORLD_ENTRIES_MAX]; /* copies */
    struct slk_row rows[WORLD_ROWS_MAX];
};

/* One credential as its issuer keeps track of it. */
struct life {
    uint8_t handle[SLK_HANDLE_SIZE];
    uint64_t sequence;
    struct slk_hash last_id;
};

/* The one world, with its genesis block. */
struct world *world_new(void);
void world_free(struct world *world);

struct life life_of(unsigned number);
/* The next event of a life, with every field its kind needs; advances the life. Returns the length. */
size_t life_event(uint8_t out[SLK_EVENT_MAX], struct life *life, enum slk_kind kind);

/* Signs `events` as the issuer does; canonical Submission bytes, malloc'ed. */
struct slk_span world_submission(const struct world *world, const struct slk_span *events, size_t n);
/* A charter change for the next block, with everything it needs: a fifth agency votes, and has an office. malloc'ed. */
struct slk_span world_change(const struct world *world);
/* A block of these submissions, not yet kept: world->block. The rule that refused the first one, or OK. */
enum slk_rule world_build(struct world *world, const struct slk_span *submissions, size_t n);
/* Keeps the block that was built. */
void world_keep(struct world *world);
/* Builds and keeps a block of one submission of these events; they must be good. */
void world_commit(struct world *world, const struct slk_span *events, size_t n);

/* The checkpoint of the tip, signed by the first member's log key and cosigned by `cosigners` members. */
size_t world_note(char out[WORLD_NOTE_MAX], const struct world *world, unsigned cosigners);
/* A status proof of the tip for a handle; malloc'ed. events: entries of its history (may be NULL, 0). */
struct slk_span world_proof(
    const struct world *world, const uint8_t handle[SLK_HANDLE_SIZE], bool text, bool with_history);
/* Only its map proof. */
size_t world_map_proof(
    uint8_t *out, size_t cap, const struct world *world, const uint8_t handle[SLK_HANDLE_SIZE]);

#endif
