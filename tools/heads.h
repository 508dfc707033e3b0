/* heads.h: the newest event of each credential that is on its way but perhaps not yet in the ledger. */
#ifndef SLK_TOOLS_HEADS_H
#define SLK_TOOLS_HEADS_H

#include "ledger/verify/hash.h"

#define HEAD_OPEN UINT64_MAX /* its batch still takes events */

struct head {
    uint8_t handle[SLK_HANDLE_SIZE];
    struct slk_hash event_id;
    uint64_t sequence; /* of its next event */
    uint64_t sent;     /* number of the submission that carries it, HEAD_OPEN before that */
    uint32_t owner;    /* whose batch */
    bool used;
};

struct heads {
    struct head *slots;
    size_t n, cap;     /* cap is a power of two */
    uint64_t answered; /* submissions up to this number have their answers: their heads are of no more use */
};

/* NULL when the credential has nothing on its way. Valid until the next heads_put. */
struct head *heads_find(struct heads *heads, const uint8_t handle[SLK_HANDLE_SIZE]);
/* The credential's slot, made when missing; NULL when out of memory. */
struct head *heads_put(struct heads *heads, const uint8_t handle[SLK_HANDLE_SIZE]);
void heads_clear(struct heads *heads);

#endif
