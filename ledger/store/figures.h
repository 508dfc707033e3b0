/* figures.h: how a store's disk and file are: for /metrics. */
#ifndef SLK_STORE_FIGURES_H
#define SLK_STORE_FIGURES_H

#include "ledger/store/histogram.h"
#include "ledger/store/store.h"

struct slk_store_figures {
    struct slk_histogram commits;    /* transactions with their sync, since the file was opened here */
    uint64_t map_bytes;              /* of address space: the file can grow so far */
    uint64_t file_bytes, used_bytes; /* data.mdb as the disk has it; up to its last page */
    uint64_t free_bytes; /* pages in it that wait to be used again; at most 4,096 lists of them are counted */
    uint32_t readers_n, readers_max;          /* places of LMDB's table of readers */
    uint64_t evidence_n;                      /* pairs of contradicting votes on record */
    uint64_t disk_free_bytes, disk_all_bytes; /* of the file system, as an unprivileged process may use it */
};
/* From the thread that writes. What cannot be had is 0. */
void slk_store_figures(struct slk_store *store, struct slk_store_figures *out);

#endif
