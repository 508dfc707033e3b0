/* core_world.h: one consensus core, and around it a disk, a signer and a validator that can be slow, and peers that say what the
 * test has them say.
 */
#ifndef SLK_TESTS_CORE_WORLD_H
#define SLK_TESTS_CORE_WORLD_H

#include "ledger/core/bft.h"
#include "tests/unit/mock_core.h"

enum { TIP = 4, LINKS = 120, WAITING = 64, ASKED = 256 };

struct link {
    uint8_t header[SLK_BLOCK_HEADER_SIZE];
    struct slk_hash hash;
    struct slk_cert final;
};

extern struct slk_bft *core;
extern struct slk_bft_effects *out;
extern struct slk_bft_tip tip;
extern struct slk_council second_charter;
extern struct link chain[LINKS]; /* chain[0] is height TIP + 1 */
extern uint64_t now;
extern size_t changes_at; /* height from which second_charter decides; 0: never */

/* What it asked its driver for, and nobody has done yet. */
extern struct waiting {
    struct slk_bft_effect at[WAITING];
    uint8_t headers[WAITING][SLK_BLOCK_HEADER_SIZE];
    size_t n;
} waiting;
extern struct asked {
    struct slk_get get;
    uint16_t peer;
} asked[ASKED];
extern size_t asked_n, sent_n[SLK_MSG_KIND_N], commits_n, signed_n[SLK_VOTE_KIND_N], charged_n;
extern size_t evidence_n;
extern struct slk_vote accused[2];             /* the last pair of statements */
extern struct slk_cert shown[SLK_VOTE_KIND_N]; /* the last certificate of each kind that it sent */
extern unsigned alarms;
extern bool is_disk_slow, is_validator_slow;
extern enum slk_bft_verdict verdict;

struct slk_vote vote_of(enum slk_vote_kind kind, uint16_t signer, uint32_t view, const struct slk_hash *hash);
struct slk_cert cert_by(const struct slk_council *council, enum slk_vote_kind kind, uint64_t height,
    uint32_t view, const struct slk_hash *hash, uint64_t signers);
struct slk_cert cert_of(enum slk_vote_kind kind, uint32_t view, const struct slk_hash *hash);
/* One input, at `now`; what it caused is in `out`, and is noted above. */
void step(struct slk_bft_input in);
/* Disk, signer and validator do their work, but for who is slow. */
void work(void);
/* A message by this peer, and the work that it makes. */
void hear(uint16_t peer, const struct slk_msg *msg);
void hear_vote(uint16_t peer, struct slk_vote v);
void hear_cert(uint16_t peer, const struct slk_cert *c);
void hear_status(uint16_t peer, uint64_t height);
void make_header(uint8_t bytes[SLK_BLOCK_HEADER_SIZE], struct slk_hash *hash, uint64_t height,
    const struct slk_hash *previous, uint32_t view, uint64_t time_ms);
/* What the others finalised while this node was away. */
void make_chain(void);
/* A core that is member `me` of n at height TIP; what it had has gone. */
void boot(size_t n, uint16_t me, const struct slk_bft_record *records, size_t records_n);
/* cmocka teardowns: of a test, and of all. */
int clean(void **state);
int clean_all(void **state);
struct slk_bft_view_of look(void);
uint64_t dropped(enum slk_bft_drop why);
void tick(uint64_t in_ms);
/* Enough others were heard that it may vote. */
void may_vote(void);
/* The last question of this kind, or NULL. */
const struct slk_get *last_get(enum slk_get_what what, uint16_t *peer);
void hear_headers(uint16_t peer, size_t from, size_t n);
void hear_commit(uint16_t peer, const struct link *link);
void hear_proposal(uint32_t view, uint32_t carried, const uint8_t *header, const struct slk_hash *hash,
    const struct slk_cert *certs, size_t certs_n);
/* Bodies are empty: the one part of each has no bytes. */
void hear_data(uint16_t peer, const struct link *link);
/* Everybody has every body. */
void serve_bodies(void);

#endif
