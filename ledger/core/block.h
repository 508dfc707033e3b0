/* block.h: blocks: building one from submissions, checking one by executing it again. Source: design §3, protocol §2.2.
 *
 * Both run the same code over the same state: a block that a builder can make is exactly one that a checker accepts.
 */
#ifndef SLK_CORE_BLOCK_H
#define SLK_CORE_BLOCK_H

#include "ledger/core/charters.h"
#include "ledger/core/index_set.h"
#include "ledger/core/log.h"
#include "ledger/core/map.h"
#include "ledger/core/proven.h"
#include "ledger/core/rules.h"
#include "ledger/core/submission.h"

#define SLK_BLOCK_VERSION 1
#define SLK_BLOCK_FLAG_HEARTBEAT                                                                             \
    0x0001 /* protocol §2.2; a block with events or a charter change has it not, whatever its params ask */
#define SLK_BLOCK_EMPTY_MS    60000 /* protocol §2.9: the least time from the block before to one without events */
#define SLK_BLOCK_HEADER_SIZE 266
#define SLK_BLOCK_EVENTS_MAX  16384 /* protocol, head: limits */
#define SLK_BLOCK_BYTES_MAX   (4u << 20)

/* Fixed layout, big-endian, in this order (protocol §2.2). */
struct slk_block_header {
    uint16_t version;
    uint16_t flags;
    uint64_t height;
    struct slk_hash chain_id;
    struct slk_hash charter_hash;
    struct slk_hash next_charter_hash;
    struct slk_hash previous; /* block hash of height - 1; zero at height 0 */
    uint64_t time_ms;
    uint16_t proposer;
    uint32_t origin_view;
    uint32_t event_count;
    uint32_t body_bytes;
    struct slk_hash body_hash;
    uint64_t log_size; /* after this block, its seal included */
    struct slk_hash log_root;
    struct slk_hash map_root;
};
void slk_block_header_format(uint8_t out[SLK_BLOCK_HEADER_SIZE], const struct slk_block_header *header);
SLK_MUST_CHECK enum slk_err slk_block_header_parse(
    struct slk_block_header *out, const uint8_t bytes[SLK_BLOCK_HEADER_SIZE]);
/* SHA-256("sillok/block/1\0\0" || header). */
void slk_block_hash(struct slk_hash *out, const uint8_t header[SLK_BLOCK_HEADER_SIZE]);

/* One event's record as the store keeps it: the record, where its entry is, where the record before it is. */
struct slk_row {
    uint8_t record[SLK_RECORD_SIZE];
    uint64_t log_index;
    uint64_t previous_row; /* SLK_MAP_ROW_NONE for the first */
};

/* The rows of one block stand together, because half of what a disk would hold of them is the same for all:
 *
 *   u64 time_ms || u64 first_index        the block's, once
 *   rows_n times 129 bytes:
 *     history[32] || last_event_id[32] || device[32] || u40 count || u8 state << 4 | carrier || u32 type || u16 owner ||
 *     u48 valid_until || u32 status_index || u32 reason || u16 log_index - first_index || u40 previous_row (all ones: none)
 *
 * The bounds that make this lossless: rows < 2^40 (ledger/core/map.h), block times < SLK_TIME_MS_MAX and valid_until at
 * most 50 years later (charter.h), at most 2 * SLK_BLOCK_EVENTS_MAX + 2 entries in a block. */
#define SLK_ROWS_HEAD   16
#define SLK_ROW_SIZE    129
#define SLK_TIME_MS_MAX ((uint64_t)1 << 53) /* the year 287,396 */

static inline size_t slk_rows_size(size_t rows_n)
{
    return rows_n == 0 ? 0 : SLK_ROWS_HEAD + rows_n * SLK_ROW_SIZE;
}
/* How many rows these bytes hold; false when it is no whole number of them. */
bool slk_rows_count(size_t size, size_t *rows_n);
void slk_rows_begin(uint8_t *rows, uint64_t time_ms, uint64_t first_index);
/* The i-th row; its recorded_at is the rows' time_ms. */
void slk_row_format(uint8_t *rows, size_t i, const struct slk_row *row);
void slk_row_parse(struct slk_row *out, const uint8_t *rows, size_t i);
/* What status lists take of it, without the rest: they read every row there is. */
struct slk_row_status {
    uint8_t state;
    uint32_t type, index;
    uint64_t valid_until_s;
};
void slk_row_status(struct slk_row_status *out, const uint8_t *rows, size_t i);

/* What the last committed block left behind. */
struct slk_tip {
    uint64_t height;
    uint64_t time_ms;
    uint64_t log_size;
    uint64_t rows_n;
    uint64_t events_n;
    struct slk_hash block_hash;
    struct slk_hash seal_hash; /* leaf hash of its seal */
    struct slk_hash log_root;
    struct slk_hash map_root;
};

/* Reads from the store that a block needs. Borrowed results hold until the next call from the same thread. */
struct slk_block_source {
    void *ctx;
    /* False when the row does not exist or cannot be read. */
    bool (*row)(void *ctx, uint64_t row, struct slk_row *out); /* called from several threads at once */
    /* Entry bytes; false as above. */
    bool (*entry)(void *ctx, uint64_t log_index, struct slk_span *out);
};

/* Everything a node must hold in memory to execute blocks. */
struct slk_machine {
    const struct slk_charter *charter; /* in force for the next block: a block moves it on */
    struct slk_charters *charters;     /* made from the genesis charter. NULL: no block with a charter change is accepted */
    struct slk_hash chain_id;
    struct slk_map *map;
    struct slk_index_set *indexes;
    struct slk_log log;
    struct slk_tip tip;
    bool has_genesis;
    bool is_vouched; /* slk_block_check leaves issuers' signatures out, and nothing else: only for blocks whose finality
                        certificate was checked, by whoever takes its members' word for them */
    struct slk_proven *proven; /* signatures known to be good (proven.h); NULL: each is checked. Not part of the state */
    unsigned fingerprint_bits; /* what `map` was made with, for who has to make it anew; 0: the default */
};

/* A block as the store takes it. The buffers belong to the struct and are reused: zero-initialise once. */
struct slk_block {
    struct slk_block_header header;
    uint8_t header_bytes[SLK_BLOCK_HEADER_SIZE];
    struct slk_tip tip;   /* after it */
    uint64_t first_index; /* of its first entry */
    uint64_t first_row;
    size_t entries_n, rows_n;
    uint8_t *entries; /* u16 length || entry, one after another: C2SP bundle form; the seal is last */
    size_t entries_size, entries_cap;
    uint32_t *offsets; /* entries_n offsets into `entries` (of the length field) */
    size_t offsets_cap;
    uint8_t *rows; /* slk_rows_size(rows_n) bytes */
    size_t rows_cap;
    struct slk_hash *leaves; /* entries_n leaf hashes */
    size_t leaves_cap;
    struct slk_block_tile {
        uint32_t level;
        uint64_t index;
        struct slk_hash hashes[SLK_TILE_WIDTH];
    } * tiles; /* that became full */
    size_t tiles_n, tiles_cap;
    bool has_change;                   /* its first entry is a charter change */
    enum slk_change_rule change_rule;  /* of a build with one: OK, or why it was left out; then also in words: */
    struct slk_fault change_fault;
    void *scratch; /* private to block.c */
};
void slk_block_free(struct slk_block *block);

/* Verdict on one submission of a block. */
struct slk_verdict {
    enum slk_rule rule; /* OK: it is in the block, whole and in order */
    size_t rule_event;  /* which event broke it; SIZE_MAX: the submission as a whole */
    enum slk_rule
        *events;   /* when refused: each event's own verdict, judged as if the bad ones before it had not been
                                sent (the caller's array of events_n, may be NULL) */
    bool has_head; /* rule is SEQUENCE or PREVIOUS: what the credential's head is now */
    uint64_t head_sequence; /* = record's count */
    struct slk_hash head_event_id;
    uint64_t first_index; /* OK: log index of its first event */
    bool deferred;        /* did not fit into this block: offer it again for the next */
};

/* Height 0: the charter entry and its seal. `state` must be fresh. */
SLK_MUST_CHECK enum slk_err slk_block_genesis(
    struct slk_block *out, struct slk_machine *state, struct slk_span charter_bytes);

struct slk_block_params {
    uint64_t time_ms; /* above the tip's */
    uint16_t proposer;
    uint32_t origin_view;
    uint16_t flags;
    const struct slk_par *par;
    struct slk_span change; /* Entry bytes of a charter change to put in front; empty: none */
};
/* SHA-256("sillok/body/1\0\0\0" || leaf hash of the charter change, if there is one || for each submission: submission_id ||
 * key_id || signature): what a header says of its body. (A submission adds 104 bytes, a change 32: no body reads as another.) */

/* Executes admitted submissions in order on `state` (one that was admitted under an earlier charter is admitted again); the good ones make the block, each refused one is named in its
 * verdict and leaves no trace. A charter change is judged first and stands first: a block holds at most one, and its events
 * are judged by the charter in force all the same. Bad, it is left out: out->change_rule says why. The state moves to the block's end; slk_block_undo takes it back until the next build.
 * Returns SLK_OK; SLK_E_NOT_FOUND no submission nor change was good (state unchanged, no block); SLK_E_CORRUPT a record read
 * from the store is not the one the map commits to (detail in fault); SLK_E_NOMEM. */
SLK_MUST_CHECK enum slk_err slk_block_build(struct slk_block *out, struct slk_machine *state,
    const struct slk_block_source *source, const struct slk_block_params *params,
    struct slk_submission *const *submissions, struct slk_verdict *verdicts, size_t n,
    struct slk_fault *fault);
/* `block` is the one that was built or checked last on this machine; once, and before any other build. */
void slk_block_undo(struct slk_machine *state, struct slk_block *block, const struct slk_par *par);

/* Takes a stored or received block apart, executes it on `state` and compares everything: canonical entries, authorizations
 * that cover their events, signatures, rules, seal, header, roots. `entries` is in bundle form. On SLK_OK `out` holds
 * the re-made block and the state is at its end; on refusal the state is unchanged and fault names the entry and the reason.
 * Returns SLK_OK, SLK_E_CORRUPT, SLK_E_CHAIN, SLK_E_REFUSED, SLK_E_NOMEM. */
SLK_MUST_CHECK enum slk_err slk_block_check(struct slk_block *out, struct slk_machine *state,
    const struct slk_block_source *source, const uint8_t header[SLK_BLOCK_HEADER_SIZE],
    struct slk_span entries, const struct slk_par *par, struct slk_fault *fault);
/* The same for who has the entries and no header, as in a tree of tiles: every field of a header follows from the entries and
 * the chain before, and out->header is the one that they lead to. Whether members finalised it, its hash lets one check. */
SLK_MUST_CHECK enum slk_err slk_block_check_entries(struct slk_block *out, struct slk_machine *state,
    const struct slk_block_source *source, struct slk_span entries, const struct slk_par *par,
    struct slk_fault *fault);

#endif
