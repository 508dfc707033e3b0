/* change_world.h: a chain in memory whose charters change, and changes for it with every signature they need. */
#ifndef SLK_TESTS_CHANGE_WORLD_H
#define SLK_TESTS_CHANGE_WORLD_H

#include "ledger/core/block.h"
#include "tests/unit/sample.h"

#define WORLD_BLOCKS_MAX 4096

#define change_none ((struct slk_span){NULL, 0})
void change_drop(struct slk_span s); /* frees what is malloc'ed here */

struct change_world {
    struct slk_charter *genesis;
    uint8_t genesis_bytes[SLK_CHARTER_BYTES_MAX];
    size_t genesis_size;
    struct slk_machine machine;
    struct slk_block block; /* the last one built */
    struct slk_block_source source;
    /* of every block: its header, its entries in bundle form (malloc'ed) */
    size_t blocks_n, rows_n, entries_n;
    uint8_t headers[WORLD_BLOCKS_MAX][SLK_BLOCK_HEADER_SIZE];
    struct slk_span bundles[WORLD_BLOCKS_MAX];
    struct slk_row rows[WORLD_BLOCKS_MAX];
    struct slk_span entries[4 * WORLD_BLOCKS_MAX];
};

/* The sample charter with its first `voting_n` members (1 to 3) and no observer; its issuers are the office (agency 1)
 * and the trainee (agency 1). */
struct change_world *change_world_new(size_t voting_n);
void change_world_free(struct change_world *w);

/* A copy of the charter in force, ready to be edited: version, previous and created as a successor has them; free() it. */
struct slk_charter *change_world_successor(const struct change_world *w);
/* Adds a member with fresh keys: 4 * agency + 0..3 of sample_key. */
void change_add_member(struct slk_charter *c, uint16_t agency, enum slk_role role);
void change_remove_member(struct slk_charter *c, uint16_t agency);
/* Adds an issuer with every right, by key `number` of sample_key. */
void change_add_issuer(struct slk_charter *c, const char *name, uint16_t agency, unsigned number);

/* The secret of a public key that sample_key or sample_issuer_key made; the public key must be one. */
void change_secret(struct sample_key *out, const uint8_t public_key[SLK_KEY_SIZE]);
/* The change to `next` with everything it needs: all approvals, possessions and READYs of the tip. `bytes` holds its charter. */
void change_fill(struct slk_change *out, uint8_t bytes[SLK_CHARTER_BYTES_MAX], const struct change_world *w,
    const struct slk_charter *next, uint64_t activation);
/* Signs anew what depends on the change's charter bytes and activation. */
void change_approve(struct slk_change *change, const struct change_world *w);
void change_sign_possession(
    struct slk_possession *p, const struct change_world *w, uint16_t agency, enum slk_key_use use);
void change_sign_ready(
    struct slk_ready *ready, const struct change_world *w, const uint8_t vote_key[SLK_KEY_SIZE]);
/* All of it as Entry bytes, malloc'ed. */
struct slk_span change_entry(
    const struct change_world *w, const struct slk_charter *next, uint64_t activation);
struct slk_span change_print(const struct slk_change *change);

/* Builds the next block with a change (empty: none) and submissions, and keeps it when it was built. It is then also checked
 * on the machine, from its bytes, after having been taken back. The rule of the change; OK without one. */
enum slk_change_rule change_world_block(
    struct change_world *w, struct slk_span change, const struct slk_span *submissions, size_t n);
/* Empty blocks: so many, or until the tip is there. */
void change_world_pass(struct change_world *w, size_t blocks);
void change_world_pass_to(struct change_world *w, uint64_t height);
/* A change to `next` in the next block, from `ahead` blocks later on; it must be good. Frees next. */
void change_world_change(struct change_world *w, struct slk_charter *next, uint64_t ahead);
/* As change_world_block, and then forgets the block. */
enum slk_change_rule change_world_try(struct change_world *w, struct slk_span change);
/* The rule that refuses a submission of one ISSUE by this key in the next block, which is built and forgotten. */
enum slk_rule change_world_issue(
    struct change_world *w, const struct sample_key *key, uint32_t type, unsigned credential);
/* What slk_block_check says to a block that holds nothing but these entry bytes and a seal; the fault is the block's. */
enum slk_err change_world_offer(struct change_world *w, struct slk_span entry, struct slk_fault *fault);
enum slk_err change_world_offer_two(
    struct change_world *w, struct slk_span first, struct slk_span second, struct slk_fault *fault);

#endif
