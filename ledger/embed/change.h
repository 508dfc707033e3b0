/* change.h: what the holder of a key has to say about a charter change, said. Source: protocol §2.14. */
#ifndef SLK_EMBED_CHANGE_H
#define SLK_EMBED_CHANGE_H

#include "ledger/core/change.h"
#include "ledger/embed/keys.h"

/* What a change is signed against. */
struct slk_change_place {
    struct slk_hash chain_id;
    const struct slk_charter *old;  /* in force */
    const struct slk_charter *next; /* parsed from the change */
    uint64_t height;                /* of a final block, held here: what a READY names */
    struct slk_hash block_hash;
};

enum { SLK_SAID_APPROVAL = 1, SLK_SAID_POSSESSION = 2, SLK_SAID_READY = 4 };

/* Adds to the change what this key can say: approval, as vote key of a voting member in force; possession, when it is new;
 * READY, as vote key of a member that joins. *said: which of these; 0: the change has nothing to do with this key.
 * SLK_OK; SLK_E_KEY: it does not sign; SLK_E_TOO_LARGE: there is no room for more. */
SLK_MUST_CHECK enum slk_err slk_change_sign(struct slk_change *change, const struct slk_change_place *place,
    const struct slk_key *key, unsigned *said);

#endif
