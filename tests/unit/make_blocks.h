/* make_blocks.h: blocks for tests of the store, the same in every run and process: block h of seed s is a function of both.
 *
 * Right in everything the store and fsck look at (events, records, histories, hashes, tiles, map root), made without
 * ledger/core's map and builder: the map root comes from the definition, slowly. Signatures are noise: nobody below
 * the rules looks at them.
 */
#ifndef SLK_TESTS_MAKE_BLOCKS_H
#define SLK_TESTS_MAKE_BLOCKS_H

#include "ledger/core/block.h"
#include "ledger/core/charter.h"
#include "ledger/core/msg.h"
#include "ledger/core/submission.h"

#define MAKER_CREDENTIALS_MAX 4000

struct maker_credential {
    uint8_t handle[SLK_HANDLE_SIZE];
    struct slk_hash path;
    struct slk_record record;
    uint8_t bytes[SLK_RECORD_SIZE];
    uint64_t row;
};

struct maker {
    uint64_t random;
    uint64_t seed;
    unsigned events_max; /* in a block */
    struct slk_charter *charter;
    uint8_t charter_bytes[SLK_CHARTER_BYTES_MAX];
    size_t charter_size;
    struct slk_hash chain_id;
    struct slk_log log;
    struct slk_tip tip;
    bool has_tip;
    size_t credentials_n;
    struct maker_credential *credentials; /* in order of issue */
    size_t order[MAKER_CREDENTIALS_MAX];  /* ascending paths */
    struct slk_block block;               /* the last one made */
    struct slk_council council;           /* of the sample charter */
    struct slk_cert finality; /* of the last block, signed by a quorum; not of the genesis block */
};

/* events_max: most events in a block. */
struct maker *maker_new(uint64_t seed, unsigned events_max);
void maker_free(struct maker *maker);
/* The next block; genesis first. Valid until the next call. */
const struct slk_block *maker_next(struct maker *maker);
/* As above with exactly this many events. */
const struct slk_block *maker_next_of(struct maker *maker, unsigned events_n);
struct slk_span maker_charter(const struct maker *maker);
/* Why a maker's last block is final: NULL for genesis. */
const struct slk_cert *maker_finality(const struct slk_block *block);
/* A certificate of the first q members' real signatures. */
void maker_certify(const struct maker *maker, struct slk_cert *out, enum slk_vote_kind kind, uint64_t height,
    uint32_t view, const struct slk_hash *hash);
/* One member's signed statement. */
void maker_vote(
    const struct maker *maker, struct slk_vote *out, uint16_t signer, const struct slk_statement *statement);

/* The `number`-th submission that waits for a block: one event, the signature is noise. The bytes into out[cap]; their size. */
size_t maker_submission(const struct maker *maker, unsigned number, uint8_t *out, size_t cap,
    struct slk_hash *id, uint8_t key_id[SLK_KEY_ID_SIZE]);

/* A state that executes them. maker_execute moves it from the block before to the last one made. */
void maker_machine_new(struct slk_machine *machine, const struct maker *maker);
void maker_machine_free(struct slk_machine *machine);
void maker_execute(const struct maker *maker, struct slk_machine *machine);

/* A checkpoint of the last block, signed by the first member's log key; the note's length. */
size_t maker_note(const struct maker *maker, uint8_t *out, size_t cap);

#endif
