/* submit_url.h: signed submissions to nodes: several under way, each with any node, resent until somebody has an answer.
 *
 * The same bytes are the same submission wherever and however often they arrive, so a node that dies is no harm: another is
 * asked. What follows an event that is still on its way waits for it. A submission whose credential's head has moved is signed
 * again, when the input left sequence and previous to us, and after everything older has its answer: no order is lost.
 */
#ifndef SLK_TOOLS_SUBMIT_URL_H
#define SLK_TOOLS_SUBMIT_URL_H

#include "tools/cli_nodes.h"
#include "tools/submit_report.h"

#define SUBMIT_CONNECTIONS 8
#define SUBMIT_PATIENCE_S  120

/* How far --wait waits: its place among received, safe, final, proof; SUBMIT_WAITS_N: it is none of these. */
#define SUBMIT_WAITS_N 4
size_t submit_url_wait(const char *word);

struct submit_url;

struct submit_url_options {
    struct cli *cli;
    struct cli_nodes *nodes;
    struct report *report;
    struct batcher *batcher;           /* whose submissions these are: what is answered is told to it */
    const struct slk_charter *charter; /* to read lines again */
    const char *wait;                  /* received, safe, final, proof */
    uint64_t connections, patience_s;
};
/* NULL after a message. The nodes' client is opened here. */
struct submit_url *submit_url_new(const struct submit_url_options *options);
void submit_url_free(struct submit_url *url);

/* For the batcher: `ctx` is the submit_url. Waits until there is room. */
enum slk_err submit_url_send(
    void *url, struct batch *batch, struct slk_span submission, struct slk_fault *fault);
enum slk_err submit_url_lookup(void *url, const uint8_t handle[SLK_HANDLE_SIZE], uint64_t *sequence,
    struct slk_hash *event_id, struct slk_fault *fault);
/* What is without an answer when everything had to stop, into the report's rest: some of it may be in the ledger. */
void submit_url_rest(struct submit_url *url);
/* Until all have their answers. */
SLK_MUST_CHECK enum slk_err submit_url_flush(struct submit_url *url, struct slk_fault *fault);

#endif
