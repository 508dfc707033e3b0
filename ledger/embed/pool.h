/* pool.h: a few threads that lend themselves to pure code (ledger/core/par.h). */
#ifndef SLK_EMBED_POOL_H
#define SLK_EMBED_POOL_H

#include "ledger/core/par.h"
#include "ledger/verify/sillok.h"

#define SLK_POOL_THREADS_MAX 64

struct slk_pool;
/* `threads` >= 1 counts the caller, who works too; 0: one per core, at most 8. */
SLK_MUST_CHECK enum slk_err slk_pool_new(struct slk_pool **out, unsigned threads);
void slk_pool_free(struct slk_pool *pool);
const struct slk_par *slk_pool_par(const struct slk_pool *pool);
unsigned slk_pool_width(const struct slk_pool *pool);
/* 0 for the thread that calls run, 1..width-1 inside the others: for per-thread views. */
unsigned slk_pool_self(void);

#endif
