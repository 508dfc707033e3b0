/* submit_report.h: what `sillok submit` tells about verdicts. */
#ifndef SLK_TOOLS_SUBMIT_REPORT_H
#define SLK_TOOLS_SUBMIT_REPORT_H

#include "tools/batch.h"

struct report {
    const struct cli *cli;
    const char *input;
    bool json, keep_going, sign_only;
    FILE *rest; /* lines that are not in the ledger; may be NULL */
    uint64_t started_ms;
    uint64_t first_height;
    uint64_t read_n, submissions_n;
    uint64_t accepted_n, duplicate_n; /* events in the ledger, by us or before */
    uint64_t expected_n;              /* refused as expected */
    uint64_t refused_n, refused_submissions_n;
    uint64_t surprises_n; /* verdicts other than expected */
    uint64_t unsent_n;    /* read and not submitted because we stopped */
};

void report_result(struct report *report, const struct batch *batch, const struct slk_result *result);
bool report_wants_stop(const struct report *report);
void report_rest(struct report *report, const char *text, size_t size);
/* A line that is no event. */
void report_unreadable(const struct report *report, const struct slk_fault *fault);
/* The summary; returns the exit code. */
int report_end(const struct report *report, struct slk_ledger *ledger, enum slk_err err);

#endif
