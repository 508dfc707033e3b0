/* make_corpus.h: how a seed is written, or compared; and who makes which. */
#ifndef SLK_TESTS_MAKE_CORPUS_H
#define SLK_TESTS_MAKE_CORPUS_H

#include <stddef.h>

/* make_corpus.c: to DIR/<target>/<name>. */
void seed(const char *target, const char *name, const void *at, size_t size);
void seed_text(const char *target, const char *name, const char *text);
/* make_corpus_net.c: what nodes give to others than nodes: bundles, HTTP, status lists, trees of tiles, witnesses. */
void seed_net(void);

#endif
