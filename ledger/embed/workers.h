/* workers.h: a few threads that lend themselves to pure code (ledger/core/par.h). */
#ifndef SLK_EMBED_WORKERS_H
#define SLK_EMBED_WORKERS_H

#include "ledger/core/par.h"
#include "ledger/verify/sillok.h"

#define SLK_WORKERS_MAX 64

struct slk_workers;
/* `threads` >= 1 counts the caller, who works too; 0: one per core, at most 8. */
SLK_MUST_CHECK enum slk_err slk_workers_new(struct slk_workers **out, unsigned threads);
void slk_workers_free(struct slk_workers *workers);
const struct slk_par *slk_workers_par(const struct slk_workers *workers);
unsigned slk_workers_width(const struct slk_workers *workers);
/* 0 for the thread that calls run, 1..width-1 inside the others: for per-thread views. */
unsigned slk_workers_self(void);

#endif
