/* net_rows.h: the rows of bench_network. */
#ifndef SLK_BENCH_NET_ROWS_H
#define SLK_BENCH_NET_ROWS_H

#include "bench/net.h"

struct bench {
    struct net net;
    double seconds;      /* of a row; 0: as long as the row says */
    size_t clients;      /* of each submitter; 0: as many as do best */
    uint64_t fill;       /* events in the ledger before one catches up */
    const char *samples; /* NULL: the samples are written nowhere */
    unsigned line_delta_ms;
    double line_events_per_s, line_rtt_s, line_loss;
    struct net_acked acked;
};

/* True: nothing that was acknowledged is missing, nothing that was asked for is wrong. Targets are another matter: a busy machine
 * misses them. */
typedef bool bench_row_fn(struct bench *bench);
bench_row_fn row_batch, row_single, row_latency, row_catchup, row_proofs, row_idle, row_memory, row_kill,
    row_wan;

/* ---- for the rows ---- */

struct run {
    struct bench *bench;
    struct net_loop loop;
    struct net_watch watch;
    struct net_load load;
    double seconds, cpu_s; /* of the last run; the generator's own */
};

void bench_up(struct bench *bench); /* all four run and agree */
double bench_seconds(const struct bench *bench, double own);
/* Opens submitters and those who watch; between two runs the loop may get further actors. */
void run_open(struct run *run, struct bench *bench, const struct net_load_options *options, double seconds);
void run_for(struct run *run, double seconds);
void run_close(struct run *run, const char *row);
/* Submits batches of 500 until there are so many events in the ledger, and leaves the submitters open in `run`. */
void run_fill(struct run *run, struct bench *bench, uint64_t events_n);
double run_own_cpu(void);

#endif
