/* exhaust.h: an exhaustive checker of the consensus core: four members, one of them Byzantine, one height.
 *
 *   member.c    one honest member: the production core, a driver that answers at once, what can happen to it
 *   exhaust.c   all that can happen to the three of them; agreement
 *   settle.c    from a state that was reached: do three honest members decide, when left in peace
 *
 * What keeps it finite, and why nothing is lost by it:
 * - Messages are knowledge. Whatever was signed may reach anybody, now or never; the Byzantine member signs anything.
 *   So a certificate can be had as soon as two honest members signed its statement, and "lost" is "not yet". Single
 *   votes below a quorum move nothing but the leader's NULLIFY, which moves what a timeout moves.
 * - Time is an event: a member may time out whenever it is in a view.
 * - The driver answers at once: votes are durable and signed in the step that makes them, blocks are valid. A vote that is
 *   not signed yet is one that nobody received yet; a block that is not here yet, a proposal that did not arrive yet.
 * - A member's state is what it signed, its view, and which N it holds (`struct key`). K is forgotten where it is not
 *   what opened the view: a proposal brings those that exist (K only enables; who forgot one can be told again). N is
 *   forgotten where its view was nullified and left, by members that lead no more.
 *
 * The core is run once for each (state of a member, event); the states of all are triples of such states.
 */
#ifndef SLK_TESTS_MODEL_EXHAUST_H
#define SLK_TESTS_MODEL_EXHAUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledger/core/bft_private.h"

#define MEMBERS   4
#define HONEST    3
#define QUORUM    3
#define VIEWS_TOP 3                   /* views in which the Byzantine member acts */
#define BLOCKS    (2 * VIEWS_TOP + 1) /* 0: none; 2w - 1 and 2w: fresh in view w */
#define HEIGHT    8                   /* leader(8, w) is member w - 1 */

enum event_kind { EVENT_TIMEOUT = 1, EVENT_RESTART, EVENT_K, EVENT_N, EVENT_PROPOSE, EVENT_PROPOSAL };
struct event {
    uint8_t kind;
    uint8_t who; /* which honest member: 0..2 */
    uint8_t view;
    uint8_t block;
    uint8_t carried;
    uint8_t k_bits;  /* PROPOSE, PROPOSAL: bit w: K(w) comes with it */
    uint8_t n_block; /* PROPOSAL: N(carried) for this block comes with it; 0: none */
};
/* Fits 24 bits. */
uint32_t event_pack(const struct event *e);
void event_unpack(struct event *out, uint32_t packed);
void event_print(const struct event *e, unsigned byzantine);

/* What a member ever signed, in which view it is, what it can show. */
struct key {
    uint8_t view;
    uint8_t proposed[VIEWS_TOP + 1], carried[VIEWS_TOP + 1];
    uint8_t notarized[VIEWS_TOP + 1], nullified[VIEWS_TOP + 1], finalized[VIEWS_TOP + 1];
    uint8_t n[VIEWS_TOP + 1];       /* block of the N that is held */
    uint8_t n_saved[VIEWS_TOP + 1]; /* and would survive a crash */
    uint8_t k_saved[VIEWS_TOP + 1]; /* likewise, where that makes a leader propose by itself */
};

/* One message in flight between honest members, as bytes. */
struct letter {
    uint16_t from, to;
    enum slk_msg_kind kind;
    size_t size;
    uint8_t *bytes;
};
struct post {
    struct letter *at;
    size_t n, cap;
};

struct member {
    struct slk_bft *core;
    uint16_t index, byzantine;
    bool is_mortal; /* it may crash */
    uint64_t now, wake;
    struct key signed_ever; /* only the votes in it */
    struct post *post;      /* NULL: nobody hears it */
    bool is_committing;
    struct slk_cert final;
    uint8_t final_header[SLK_BLOCK_HEADER_SIZE];
    struct slk_hash final_hash;
    const char *fault; /* the first promise that the core broke */
};

/* With an empty disk. */
void member_init(struct member *m, uint16_t index, uint16_t byzantine, bool is_mortal);
void member_close(struct member *m);
/* Comes back with what is durable. */
void member_restart(struct member *m);
void member_input(struct member *m, struct slk_bft_input in);
void member_certify(const struct member *m, struct slk_cert *cert); /* signs it anew, by all but this member */
void member_tick(struct member *m, uint64_t now);
/* From here on it talks to the others, and builds when it wants to. */
void member_join(struct member *m, struct post *post);
/* by_votes: K and N as the three votes they consist of, instead of the certificate. */
void member_event(struct member *m, const struct event *e, bool by_votes);
/* Gives it F(view) for the block. */
void member_final(struct member *m, uint8_t view, uint8_t block);
void member_key(const struct member *m, struct key *out);
/* Forgets what the key does not have. */
void member_forget(struct member *m);

/* A member's state in few bytes; malloc'ed. */
struct picture {
    size_t size;
    uint8_t bytes[];
};
struct picture *member_picture(const struct member *m);
void member_recall(struct member *m, const struct picture *picture);

void block_header(uint8_t out[SLK_BLOCK_HEADER_SIZE], struct slk_hash *hash, uint8_t block);
uint16_t leader_of(uint32_t view);

/* settle.c: runs the members along `path`, on cores of their own that forget nothing, and expects to find them in `keys`;
 * then nobody interferes any more, the Byzantine member is silent, messages between honest members arrive. NULL when they
 * all decide `final` (0: any block, but the same), or what went wrong. */
struct reached {
    unsigned byzantine;
    bool are_mortal;
    const struct event *path;
    size_t path_n;
    struct key keys[HONEST];
    uint8_t final;
};
const char *settle(const struct reached *r, bool power_cut, uint64_t *took_ms);

#endif
