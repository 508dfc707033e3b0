/* par.h: how pure code uses more than one core without knowing about threads.
 *
 * The caller lends a way to run jobs; results never depend on their order. NULL means: run them here.
 */
#ifndef SLK_CORE_PAR_H
#define SLK_CORE_PAR_H

#include <stddef.h>

struct slk_par {
    void *ctx;
    unsigned width; /* jobs that truly run at once; >= 1 */
    /* Calls job(arg, i) once for every i < n, in any order, on any threads; returns when all are done. */
    void (*run)(void *ctx, void (*job)(void *arg, size_t i), void *arg, size_t n);
};

static inline void slk_par_run(const struct slk_par *par, void (*job)(void *arg, size_t i), void *arg, size_t n)
{
    if (par != NULL && par->width > 1 && n > 1) {
        par->run(par->ctx, job, arg, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        job(arg, i);
}

#endif
