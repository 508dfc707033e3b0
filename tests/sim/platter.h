/* platter.h: what may lie under disk.c: a real store for each process (full_lmdb.c). disk.c then is the account of what was
 * acknowledged, against which the real one is held. */
#ifndef SLK_TESTS_SIM_PLATTER_H
#define SLK_TESTS_SIM_PLATTER_H

#include "tests/sim/world.h"

struct platter {
    /* Durable when it returns; disk.c applies it to its account after that. */
    void (*write)(struct world *w, struct process *p, const struct transaction *t);
    /* The process is gone, perhaps in the middle of `in_flight` (a list, or NULL), perhaps with the power. What of it is on the
     * disk goes through disk_apply. */
    void (*stop)(struct world *w, struct process *p, const struct transaction *in_flight);
    /* What slk_bft_start gets. The ledger was opened. */
    size_t (*records)(struct world *w, struct process *p, struct slk_bft_record *out);
    /* As disk_image; borrowed until the next one of any process. */
    void (*image)(struct world *w, const struct process *p, struct oracle_image *out);
    void (*evidence)(struct world *w, struct process *p, const struct slk_msg *msg);
    void (*cosign)(struct world *w, struct process *p, uint64_t height);
};
/* NULL: the account is all there is. */
const struct platter *ledger_platter(const struct world *w);

/* disk.c */
void disk_apply(struct world *w, struct process *p, const struct transaction *t);
#define DISK_BOOT_RECORDS (3 * DISK_RECORDS + 1)
size_t disk_records(struct world *w, struct process *p, struct slk_bft_record out[DISK_BOOT_RECORDS]);

#endif
