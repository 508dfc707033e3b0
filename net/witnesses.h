/* witnesses.h: a node and its outside witnesses: rounds (witness.h) about the node's checkpoints, over HTTP (witness_http.h). */
#ifndef SLK_NET_WITNESSES_H
#define SLK_NET_WITNESSES_H

#include "net/api.h"
#include "net/config.h"

struct uv_loop_s;
struct slk_witnesses;

/* Those that the configuration names; *out is NULL when it names none. SLK_OK, SLK_E_NOMEM, SLK_E_IO: the fault says why. */
SLK_MUST_CHECK enum slk_err slk_witnesses_new(struct slk_witnesses **out, struct uv_loop_s *loop,
    struct slk_node *node, const struct slk_config *config, struct slk_logger *log, struct slk_fault *fault);
/* Whatever is due; once per turn of the loop, behind slk_node_run. Returns when it wants the next one; UINT64_MAX: an event brings it. NULL
 * is fine, here and below. */
uint64_t slk_witnesses_run(struct slk_witnesses *w);
void slk_witnesses_metrics(const struct slk_witnesses *w, struct slk_api_text *text);
void slk_witnesses_hush(struct slk_witnesses *w); /* before the loop's handles are closed */
/* False: a thread hangs, and nothing was freed. */
bool slk_witnesses_free(struct slk_witnesses *w);

#endif
