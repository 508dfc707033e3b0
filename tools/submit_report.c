/* submit_report.c: see submit_report.h. */
#include "tools/submit_report.h"

#include <inttypes.h>
#include <string.h>

bool report_wants_stop(const struct report *report)
{
    return !report->keep_going && report->refused_submissions_n > 0;
}

void report_rest(struct report *report, const char *text, size_t size)
{
    if (report->rest != NULL && size > 0)
        fwrite(text, 1, size, report->rest); /* a failure shows when the file is closed */
}

/* "events.ndjson:17", or "signed.bin: submission 3, event 5". */
static void place(const struct report *report, const struct batch *batch, size_t event, char *out, size_t cap)
{
    if (batch->events_n > 0)
        snprintf(
            out, cap, "%s:%" PRIu64, report->input, batch->events[event < batch->events_n ? event : 0].line);
    else if (event == SIZE_MAX)
        snprintf(out, cap, "%s: submission %" PRIu64, report->input, batch->number);
    else
        snprintf(out, cap, "%s: submission %" PRIu64 ", event %zu", report->input, batch->number, event + 1);
}

static void tell(const struct report *report, const struct batch *batch, size_t event, enum slk_rule rule,
    const struct slk_verdict *head)
{
    char where[300], id[TEXT_HEX_SIZE];
    json_t *value;

    place(report, batch, event, where, sizeof(where));
    if (!report->json) {
        if (head == NULL)
            cli_fail(report->cli, 0, "%s: refused: %s: %s", where, slk_rule_name(rule), slk_rule_text(rule));
        else
            cli_fail(report->cli, 0, "%s: refused: %s: %s (its head: sequence %" PRIu64 ", previous %s)",
                where, slk_rule_name(rule), slk_rule_text(rule), head->head_sequence,
                head->head_sequence > 0 ? text_hex(id, head->head_event_id.b, SLK_HASH_SIZE) : "none");
        return;
    }
    value = json_pack("{s:s, s:s, s:s, s:s, s:I}", "where", where, "outcome", "refused", "rule",
        slk_rule_name(rule), "text", slk_rule_text(rule), "submission", (json_int_t)batch->number);
    if (batch->events_n > 0)
        json_object_set_new(
            value, "line", json_integer((json_int_t)batch->events[event < batch->events_n ? event : 0].line));
    if (head != NULL) {
        json_object_set_new(value, "head_sequence", json_integer((json_int_t)head->head_sequence));
        json_object_set_new(
            value, "head_previous", json_string(text_hex(id, head->head_event_id.b, SLK_HASH_SIZE)));
    }
    cli_json(value);
}

/* "3, 5-8, 11": the lines of a refused submission that had nothing wrong with them. */
static size_t list_good_lines(
    const struct batch *batch, const struct slk_verdict *verdict, char *out, size_t cap)
{
    size_t n = 0, used = 0;
    uint64_t from = 0, to = 0;

    out[0] = '\0';
    for (size_t i = 0; i <= batch->events_n; i++) {
        bool good = i < batch->events_n && i != verdict->rule_event &&
                    (verdict->events == NULL || verdict->events[i] == SLK_RULE_OK ||
                        verdict->events[i] == SLK_RULE_NOT_JUDGED);

        n += good;
        if (good && to != 0 && batch->events[i].line == to + 1) {
            to++;
            continue;
        }
        if ((good || i == batch->events_n) && to != 0 && used + 50 < cap) {
            used += (size_t)snprintf(out + used, cap - used, "%s%" PRIu64, used > 0 ? ", " : "", from);
            if (to > from)
                used += (size_t)snprintf(out + used, cap - used, "-%" PRIu64, to);
            if (used + 50 >= cap)
                snprintf(out + used, cap - used, ", ...");
        }
        if (good)
            from = to = batch->events[i].line;
    }
    return n;
}

static void tell_not_judged(
    const struct report *report, const struct batch *batch, const struct slk_verdict *verdict)
{
    char lines[600];
    size_t n = list_good_lines(batch, verdict, lines, sizeof(lines));
    json_t *value;

    if (n == 0)
        return;
    if (report->json) {
        value =
            json_pack("{s:s, s:s, s:s, s:s, s:I}", "where", report->input, "outcome", "not_written", "rule",
                slk_rule_name(SLK_RULE_NOT_JUDGED), "lines", lines, "submission", (json_int_t)batch->number);
        cli_json(value);
    } else {
        cli_fail(report->cli, 0,
            "%s: the other %zu event%s of this submission could have been accepted, but a submission enters "
            "whole or not at all: line%s %s",
            report->input, n, n == 1 ? "" : "s", n == 1 ? "" : "s", lines);
    }
}

static void tell_refusal(
    const struct report *report, const struct batch *batch, const struct slk_result *result)
{
    const struct slk_verdict *verdict = &result->verdict;
    bool told = false;

    for (size_t i = 0; verdict->events != NULL && i < batch->events_n; i++) {
        enum slk_rule rule = verdict->events[i];

        if (rule == SLK_RULE_OK || rule == SLK_RULE_NOT_JUDGED)
            continue;
        tell(report, batch, i, rule, verdict->has_head && i == verdict->rule_event ? verdict : NULL);
        told = true;
    }
    if (!told)
        tell(report, batch, verdict->rule_event, verdict->rule, verdict->has_head ? verdict : NULL);
    if (verdict->rule_event != SIZE_MAX)
        tell_not_judged(report, batch, verdict);
}

static void tell_surprise(struct report *report, const struct batch *batch, const struct slk_result *result)
{
    char where[300];

    report->surprises_n++;
    place(report, batch, 0, where, sizeof(where));
    cli_fail(report->cli, 0, "%s: expected %s, but it was %s", where, slk_rule_name(batch->expect),
        result->outcome == SLK_REFUSED ? slk_rule_name(result->verdict.rule) : "accepted");
}

void report_result(struct report *report, const struct batch *batch, const struct slk_result *result)
{
    size_t events_n = batch->events_n + batch->signed_n;

    if (batch->expect != SLK_RULE_OK) {
        if (result->outcome == SLK_REFUSED && result->verdict.rule == batch->expect)
            report->expected_n++;
        else
            tell_surprise(report, batch, result);
        return;
    }
    switch (result->outcome) {
    case SLK_ACCEPTED:
        report->accepted_n += events_n;
        return;
    case SLK_DUPLICATE:
        report->duplicate_n += events_n;
        return;
    case SLK_REFUSED:
        break;
    }
    report->refused_submissions_n++;
    report->refused_n += events_n;
    /* When we stop at the first one, those that were on their way already are counted, not told one by one. */
    if (report->keep_going || report->json || report->refused_submissions_n == 1)
        tell_refusal(report, batch, result);
    report_rest(report, batch->text, batch->text_n);
}

void report_unreadable(const struct report *report, const struct slk_fault *fault)
{
    if (fault->line != 0)
        cli_fail(report->cli, 0, "%s:%zu: %s", report->input, fault->line, fault->text);
    else
        cli_fail(report->cli, 0, "%s: %s", report->input, fault->text);
}

static uint64_t rate_of(uint64_t n, uint64_t ms)
{
    return n * 1000 / (ms > 0 ? ms : 1);
}

static void summary_json(const struct report *report, struct slk_ledger *ledger, uint64_t ms)
{
    const struct slk_tip *tip = ledger != NULL ? slk_ledger_tip(ledger) : NULL;
    char root[TEXT_HEX_SIZE];
    json_t *value = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "outcome", "summary",
        "events_read", (json_int_t)report->read_n, "accepted", (json_int_t)report->accepted_n, "duplicate",
        (json_int_t)report->duplicate_n, "refused", (json_int_t)report->refused_n, "refused_as_expected",
        (json_int_t)report->expected_n, "unexpected", (json_int_t)report->surprises_n, "not_submitted",
        (json_int_t)report->unsent_n, "submissions", (json_int_t)report->submissions_n, "milliseconds",
        (json_int_t)ms);

    if (tip != NULL) {
        json_object_set_new(value, "height", json_integer((json_int_t)tip->height));
        json_object_set_new(value, "size", json_integer((json_int_t)tip->log_size));
        json_object_set_new(value, "log_root", json_string(text_hex(root, tip->log_root.b, SLK_HASH_SIZE)));
    }
    cli_json(value);
}

static void line(const char *label, uint64_t n, const char *what)
{
    char number[TEXT_HUMAN_SIZE];

    if (n > 0)
        printf("%-12s %12s %s\n", label, text_count(number, n), what);
}

static void summary_text(const struct report *report, struct slk_ledger *ledger, uint64_t ms)
{
    const struct slk_tip *tip = ledger != NULL ? slk_ledger_tip(ledger) : NULL;
    char a[TEXT_HUMAN_SIZE], b[TEXT_HUMAN_SIZE], time[TEXT_TIME_SIZE];

    printf("%-12s %12s events in %s submissions\n", report->sign_only ? "signed" : "accepted",
        text_count(a, report->accepted_n), text_count(b, report->submissions_n));
    line("known", report->duplicate_n, "events that were in the ledger already");
    line("refused", report->expected_n, "events, each by the rule that was expected");
    if (report->refused_n > 0)
        printf("%-12s %12s events in %s submissions, none of which is in the ledger\n", "refused",
            text_count(a, report->refused_n), text_count(b, report->refused_submissions_n));
    line("unexpected", report->surprises_n, "verdicts other than expected");
    line("not sent", report->unsent_n, "events that were read and are not in the ledger");
    if (ms > 0)
        line("rate", rate_of(report->accepted_n + report->expected_n, ms),
            report->sign_only ? "events/s" : "events/s, on disk");
    if (tip == NULL)
        return;
    printf("%-12s %12s at %s, %s entries; %s new blocks\n", "height", text_count(a, tip->height),
        text_time(time, tip->time_ms / 1000), text_count(b, tip->log_size),
        text_count((char[TEXT_HUMAN_SIZE]){0}, tip->height - report->first_height));
}

int report_end(const struct report *report, struct slk_ledger *ledger, enum slk_err err)
{
    uint64_t ms = report->started_ms != 0 ? cli_tick_ms() - report->started_ms : 0;

    if (err != SLK_OK && report->accepted_n + report->duplicate_n == 0)
        cli_fail(report->cli, 0, "nothing was written");
    else if (report->json)
        summary_json(report, ledger, ms);
    else
        summary_text(report, ledger, ms);
    if (err != SLK_OK)
        return CLI_UNSURE;
    return report->refused_submissions_n + report->surprises_n == 0 ? CLI_YES : CLI_NO;
}
