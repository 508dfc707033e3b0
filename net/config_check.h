/* config_check.h: the files that a configuration names, looked at before a start that would read them.
 *
 * Nothing is written, the ledger is not opened, and no token is asked: what is in one is said to be so. What the charter names is not
 * known here: a key may be good and another agency's.
 */
#ifndef SLK_NET_CONFIG_CHECK_H
#define SLK_NET_CONFIG_CHECK_H

#include "net/config.h"

struct slk_config_found {
    size_t line;       /* in the configuration; 0: the key has its default */
    const char *key;   /* "vote_key" */
    bool is_unchecked; /* no fault: it is in a token */
    char text[sizeof(((struct slk_fault *)NULL)->text) + 96]; /* what it is, and what to do */
};
typedef void slk_config_found_fn(void *ctx, const struct slk_config_found *found);

/* Says each of them, in the order of --print-config; the number of faults. */
SLK_MUST_CHECK size_t slk_config_check_files(
    const struct slk_config *config, slk_config_found_fn *say, void *ctx);

#endif
