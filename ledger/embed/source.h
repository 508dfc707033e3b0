/* source.h: where the core's reads of rows and entries come from: the block in flight, else a view of the store per thread. */
#ifndef SLK_EMBED_SOURCE_H
#define SLK_EMBED_SOURCE_H

#include "ledger/embed/workers.h"
#include "ledger/store/store.h"

struct slk_source {
    struct slk_block_source reads;            /* what the core is given */
    struct slk_view *views[SLK_WORKERS_MAX];
    unsigned views_n;
    const struct slk_block *in_flight;        /* built, not surely committed; NULL: none */
};

SLK_MUST_CHECK enum slk_err slk_source_open(struct slk_source *source, struct slk_store *store, unsigned threads);
SLK_MUST_CHECK enum slk_err slk_source_renew(struct slk_source *source);
void slk_source_close(struct slk_source *source);

#endif
