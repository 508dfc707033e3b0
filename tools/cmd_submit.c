/* cmd_submit.c: `sillok submit`: events in, signed in batches, verdicts out. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/charter_desk.h"
#include "tools/submit_url.h"

#define BATCH_DEFAULT         1000
#define BLOCK_SECONDS_DEFAULT 3600
#define BLOCK_SECONDS_MAX     (366 * CLI_DAY_S)

struct submit_options {
    const char *keys_dir, *key_file, *clock, *chain_hex, *signed_file, *out, *rest;
    uint64_t batch, block_seconds;
    bool json, keep_going, verify_verdicts, sign_only, no_check;
    struct cli_signers signers;
    struct cli_nodes nodes;
    const char *wait;
    uint64_t connections, patience_s;
    bool by_url;
};

struct submit {
    struct cli *cli;
    struct submit_options options;
    const char *input; /* name for messages */
    struct slk_ledger *ledger;
    struct submit_url *url;     /* when nodes are asked */
    struct cli_charter charter; /* with sign-only and a directory, and of nodes */
    struct batcher batcher;
    struct report report;
    struct slk_fault fault;
    char *line; /* being read */
    size_t line_cap, line_n;
    FILE *out;             /* sign-only: where submissions go */
    bool by_events;        /* --clock events */
    uint64_t clock_ms;     /* of the newest event taken */
    uint64_t window_end_s; /* when event time reaches this, everything so far becomes blocks */
};

static uint64_t event_clock(void *ctx)
{
    return ((const struct submit *)ctx)->clock_ms;
}

/* ---- where submissions go ---- */

static void answered(void *ctx, void *tag, const struct slk_result *result)
{
    struct submit *s = ctx;
    struct batch *batch = tag;

    report_result(&s->report, batch, result);
    batcher_answered(&s->batcher, batch->number);
    batch_free(batch);
}

static enum slk_err send_to_ledger(
    void *ctx, struct batch *batch, struct slk_span submission, struct slk_fault *fault)
{
    struct submit *s = ctx;

    s->report.submissions_n++;
    return slk_ledger_push(s->ledger, submission, batch, answered, s, fault);
}

static enum slk_err send_to_file(
    void *ctx, struct batch *batch, struct slk_span submission, struct slk_fault *fault)
{
    struct submit *s = ctx;
    uint8_t size[4];
    bool good;

    slk_put_u32(size, (uint32_t)submission.size);
    good = fwrite(size, 1, sizeof(size), s->out) == sizeof(size) &&
           fwrite(submission.at, 1, submission.size, s->out) == submission.size;
    if (!good)
        snprintf(fault->text, sizeof(fault->text), "%s: %s", s->options.out, strerror(errno));
    s->report.submissions_n++;
    s->report.accepted_n += batch->events_n;
    batch_free(batch);
    return good ? SLK_OK : SLK_E_IO;
}

static enum slk_err look_up(void *ctx, const uint8_t handle[SLK_HANDLE_SIZE], uint64_t *sequence,
    struct slk_hash *event_id, struct slk_fault *fault)
{
    const struct submit *s = ctx;
    struct slk_record record;
    enum slk_err err = slk_ledger_lookup(s->ledger, handle, &record, fault);

    if (err == SLK_E_NOT_FOUND) {
        *sequence = 0;
        return SLK_OK;
    }
    if (err == SLK_OK) {
        *sequence = record.count;
        *event_id = record.last_event_id;
    }
    return err;
}

/* Until everything that was sent has its answer. */
static enum slk_err settle(struct submit *s, struct slk_fault *fault)
{
    if (s->url != NULL)
        return submit_url_flush(s->url, fault);
    return s->ledger != NULL ? slk_ledger_flush(s->ledger, fault) : SLK_OK;
}

/* ---- reading events ---- */

static enum slk_err parse_line(struct submit *s, const char *line, size_t size, struct ndjson_event *event)
{
    const struct slk_charter *charter =
        s->ledger != NULL ? slk_ledger_charter(s->ledger) : s->charter.charter;
    enum slk_err err = ndjson_parse(event, line, size, charter, &s->fault);

    if (err == SLK_OK && event->expect != SLK_RULE_OK && !s->options.verify_verdicts) {
        snprintf(s->fault.text, sizeof(s->fault.text),
            "field \"expect\": only in test streams, with --verify-verdicts");
        err = SLK_E_MALFORMED;
    }
    if (err == SLK_OK && keyring_find(s->batcher.ring, event->issuer, &s->fault) == NULL)
        err = SLK_E_MALFORMED;
    return err;
}

/* Follows the events' own time: a window's events are in blocks before the next window's come. */
static enum slk_err advance_clock(struct submit *s, const struct ndjson_event *event)
{
    uint64_t at = event->event.occurred_at_s;
    enum slk_err err = SLK_OK;

    if (!s->by_events || event->expect == SLK_RULE_OCCURRED_IN_FUTURE || at >= SLK_TIME_MS_MAX / 1000)
        return SLK_OK;
    if (at >= s->window_end_s) {
        err = batcher_flush(&s->batcher, &s->fault);
        if (err == SLK_OK && s->ledger != NULL)
            err = slk_ledger_cut(s->ledger, &s->fault);
        s->window_end_s = at + s->options.block_seconds;
    }
    if (at * 1000 > s->clock_ms)
        s->clock_ms = at * 1000;
    return err;
}

/* A line's size without its newline, or carriage return and newline. One place for both readings of a file. */
static size_t without_end(const char *line, size_t size)
{
    size -= size > 0 && line[size - 1] == '\n';
    return size - (size > 0 && line[size - 1] == '\r');
}

static enum slk_err take_line(struct submit *s, const char *line, size_t size, uint64_t line_n)
{
    size_t shown = without_end(line, size);
    struct ndjson_event event;
    enum slk_err err;

    if (shown == 0)
        return SLK_OK; /* an empty line holds no event */
    err = parse_line(s, line, shown, &event);
    if (err == SLK_OK)
        err = advance_clock(s, &event);
    if (err == SLK_OK) {
        s->report.read_n++;
        err = batcher_add(&s->batcher, &event, line_n, slk_span_of(line, size), &s->fault);
    }
    return err;
}

/* A look at the whole file before anything is signed: a typing error on line 1,000 must not leave 999 lines written. */
static enum slk_err check_lines(struct submit *s, FILE *in, uint64_t size)
{
    struct ndjson_event event;
    char *line = NULL;
    size_t cap = 0;
    uint64_t line_n = 0, done = 0;
    enum slk_err err = SLK_OK;
    ssize_t n;

    while (err == SLK_OK && (n = getline(&line, &cap, in)) > 0) {
        size_t shown = without_end(line, (size_t)n);

        line_n++;
        done += (uint64_t)n;
        if (shown > 0)
            err = parse_line(s, line, shown, &event);
        if (line_n % 1024 == 0)
            cli_progress_step(&s->cli->progress, "checking lines", done, size);
    }
    free(line);
    cli_progress_end(&s->cli->progress);
    s->fault.line = line_n;
    return err;
}

/* Bytes of a regular file; 0 for what cannot be read twice. */
static uint64_t size_of(FILE *in)
{
    off_t size;

    if (in == stdin || fseeko(in, 0, SEEK_END) != 0)
        return 0;
    size = ftello(in);
    return fseeko(in, 0, SEEK_SET) == 0 && size > 0 ? (uint64_t)size : 0;
}

static enum slk_err read_events(struct submit *s, FILE *in, uint64_t size)
{
    uint64_t line_n = 0, done = 0;
    enum slk_err err = SLK_OK;
    ssize_t n;

    s->line_n = 0;
    while (err == SLK_OK && !report_wants_stop(&s->report) && (n = getline(&s->line, &s->line_cap, in)) > 0) {
        done += (uint64_t)n;
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): clang 19 forgets who owns getline's buffer; submit_events frees it */
        err = take_line(s, s->line, (size_t)n, ++line_n);
        if (err == SLK_E_MALFORMED) {
            s->fault.line = line_n;
            s->line_n = (size_t)n; /* read, and in no batch */
        }
        if (line_n % 256 == 0)
            cli_progress_step(&s->cli->progress, "submitting", done, size);
    }
    cli_progress_end(&s->cli->progress);
    if (err == SLK_OK && ferror(in)) {
        snprintf(s->fault.text, sizeof(s->fault.text), "%s", strerror(errno));
        err = SLK_E_IO;
    }
    if (err == SLK_OK && !report_wants_stop(&s->report))
        err = batcher_flush(&s->batcher, &s->fault);
    return err;
}

/* What --rest keeps after the refused ones, so that each credential's events stay in order: lines in batches that were
 * still open when we stopped, the line that cannot be read, and all that follows it. */
static void keep_rest(struct submit *s, FILE *in)
{
    ssize_t n;

    for (size_t i = 0; i < KEYRING_MAX; i++) {
        const struct batch *batch = s->batcher.open[i];

        if (batch == NULL)
            continue;
        s->report.unsent_n += batch->events_n;
        report_rest(&s->report, batch->text, batch->text_n);
    }
    if (s->url != NULL)
        submit_url_rest(s->url);
    report_rest(&s->report, s->line, s->line_n);
    while (s->report.rest != NULL && (n = getline(&s->line, &s->line_cap, in)) > 0)
        report_rest(&s->report, s->line, (size_t)n);
}

static enum slk_err submit_events(struct submit *s, FILE *in)
{
    struct slk_fault later = {0};
    uint64_t size = size_of(in);
    enum slk_err err = SLK_OK, flushed = SLK_OK;

    if (size > 0 && !s->options.no_check) {
        err = check_lines(s, in, size);
        if ((ferror(in) || fseeko(in, 0, SEEK_SET) != 0) && err == SLK_OK) {
            snprintf(s->fault.text, sizeof(s->fault.text), "%s", strerror(errno));
            err = SLK_E_IO;
        }
    }
    if (err == SLK_OK) {
        s->report.started_ms = cli_tick_ms();
        err = read_events(s, in, size);
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the same */
        flushed = settle(s, err == SLK_OK ? &s->fault : &later);
    }
    keep_rest(s, in);
    free(s->line);
    return err != SLK_OK ? err : flushed;
}

/* ---- submissions that were signed elsewhere ---- */

/* One length and as many bytes; false at the end of the file, or with *err set. */
static bool next_signed(struct submit *s, FILE *in, size_t *size, enum slk_err *err)
{
    uint8_t size_bytes[4];
    size_t got = fread(size_bytes, 1, sizeof(size_bytes), in);

    if (got == 0 && !ferror(in))
        return false;
    *size = got == sizeof(size_bytes) ? slk_get_u32(size_bytes) : 0;
    if (*size > 0 && *size <= SLK_SUBMISSION_BYTES_MAX && fread(s->batcher.submission, 1, *size, in) == *size)
        return true;
    snprintf(s->fault.text, sizeof(s->fault.text),
        "submission %" PRIu64 ": the file is cut short, or is not one of signed submissions",
        s->batcher.sent_n + 1);
    *err = ferror(in) ? SLK_E_IO : SLK_E_MALFORMED;
    return false;
}

static enum slk_err read_signed(struct submit *s, FILE *in)
{
    struct slk_submission parsed = {0};
    enum slk_err err = SLK_OK, flushed;
    size_t size;

    s->report.started_ms = cli_tick_ms();
    while (err == SLK_OK && !report_wants_stop(&s->report) && next_signed(s, in, &size, &err)) {
        struct slk_span bytes = slk_span_of(s->batcher.submission, size);
        struct batch *batch = calloc(1, sizeof(*batch));

        if (batch == NULL) {
            err = SLK_E_NOMEM;
            break;
        }
        batch->number = ++s->batcher.sent_n;
        batch->signed_n = slk_submission_parse(&parsed, bytes) == SLK_OK ? parsed.events_n : 1;
        s->report.read_n += batch->signed_n;
        err = s->batcher.send(s->batcher.ctx, batch, bytes, &s->fault);
    }
    slk_submission_free(&parsed);
    flushed = settle(s, err == SLK_OK ? &s->fault : &(struct slk_fault){0});
    if (s->url != NULL)
        submit_url_rest(s->url);
    return err != SLK_OK ? err : flushed;
}

/* ---- the command ---- */

static bool options_make_sense(struct submit *s)
{
    struct submit_options *o = &s->options;
    struct cli *cli = s->cli;
    struct stat st;

    cli->exit_code = CLI_UNSURE;
    if (o->signed_file == NULL && (o->keys_dir == NULL) == (o->key_file == NULL))
        cli_fail(cli, 0, "say who signs: --keys DIR (one NAME.pem per issuer) or --key FILE");
    else if (o->keys_dir != NULL && stat(o->keys_dir, &st) != 0)
        cli_fail(cli, 0, "%s: %s", o->keys_dir, strerror(errno));
    else if (submit_url_wait(o->wait) == SUBMIT_WAITS_N)
        cli_fail(cli, 0, "--wait: received, safe, final or proof");
    else if (strcmp(o->clock, "wall") != 0 && strcmp(o->clock, "events") != 0)
        cli_fail(cli, 0, "--clock: wall or events");
    else if (o->sign_only && (o->out == NULL || (o->chain_hex == NULL && cli->args_n == 0)))
        cli_fail(cli, 0, "--sign-only needs -o FILE, and the chain to sign for: --chain HEX or DIR");
    else if (o->by_url && (o->sign_only || strcmp(o->clock, "wall") != 0 || o->signers.log_file != NULL ||
                              cli->args_n > (o->signed_file == NULL)))
        cli_fail(cli, 0, "with --url go no DIR, no --sign-only, no --clock events and no member's keys");
    else if (!o->by_url && !o->sign_only && cli->args_n == 0)
        cli_fail(cli, 0, "which ledger? a directory, or --url; usage is %s", cli->command->usage);
    else
        return true;
    return false;
}

static bool open_for_signing(struct submit *s, const char *dir)
{
    const struct submit_options *o = &s->options;

    if (dir != NULL && !cli_charter_load(s->cli, dir, &s->charter))
        return false;
    if (dir != NULL)
        slk_charter_chain_id(&s->batcher.chain_id, slk_span_of(s->charter.bytes, s->charter.size));
    else if (!text_hash_parse(s->batcher.chain_id.b, o->chain_hex, strlen(o->chain_hex))) {
        cli_fail(s->cli, 0, "--chain: a chain id is 64 hexadecimal digits");
        return false;
    }
    s->out = fopen(o->out, "wb");
    if (s->out == NULL)
        cli_fail(s->cli, 0, "%s: %s", o->out, strerror(errno));
    s->batcher.send = send_to_file;
    return s->out != NULL;
}

static bool open_ledger(struct submit *s, const char *dir)
{
    struct slk_ledger_options options = {0};

    if (!cli_signers_load(s->cli, &s->options.signers, &options))
        return false;
    s->by_events = strcmp(s->options.clock, "events") == 0;
    if (s->by_events) {
        options.clock_ms = event_clock;
        options.clock_ctx = s;
    }
    s->ledger = cli_open(s->cli, dir, &options);
    if (s->ledger == NULL)
        return false;
    s->batcher.chain_id = *slk_ledger_chain_id(s->ledger);
    s->batcher.send = send_to_ledger;
    s->batcher.lookup = look_up;
    return true;
}

/* The charter and the chain are a node's word: a submission signed for another chain is good for nothing in this one. --chain
 * makes sure that it is not signed. */
static bool open_nodes(struct submit *s)
{
    const char *hex = s->options.chain_hex;
    struct slk_hash pinned = {{0}};
    struct desk d = {0};
    bool good = hex == NULL || text_hash_parse(pinned.b, hex, strlen(hex));

    if (!good)
        cli_fail(s->cli, 0, "--chain: a chain id is 64 hexadecimal digits");
    good = good && desk_open_node(&d, s->cli, &s->options.nodes);
    if (good && hex != NULL && !slk_hash_equal(&pinned, &d.place.chain_id)) {
        s->cli->exit_code = cli_fail(s->cli, CLI_NO, "%s: serves another ledger than --chain says", d.where);
        good = false;
    }
    if (good) {
        s->batcher.chain_id = d.place.chain_id;
        s->charter.charter = d.base;
        d.base = NULL;
    }
    desk_close(&d);
    return good;
}

static bool fly_to_nodes(struct submit *s)
{
    const struct submit_options *o = &s->options;
    const struct submit_url_options options = {.cli = s->cli,
        .nodes = &s->options.nodes,
        .report = &s->report,
        .batcher = &s->batcher,
        .charter = s->charter.charter,
        .wait = o->wait,
        .connections = o->connections,
        .patience_s = o->patience_s};

    s->cli->exit_code = CLI_UNSURE;
    s->url = submit_url_new(&options);
    s->batcher.send = submit_url_send;
    s->batcher.lookup = submit_url_lookup;
    s->batcher.ctx = s->url;
    return s->url != NULL;
}

static bool open_target(struct submit *s, const char *dir)
{
    if (s->options.sign_only)
        return open_for_signing(s, dir);
    return s->options.by_url ? open_nodes(s) : open_ledger(s, dir);
}

static bool open_keys(struct submit *s, struct keyring *ring)
{
    ring->dir = s->options.keys_dir;
    ring->charter = s->ledger != NULL ? slk_ledger_charter(s->ledger) : s->charter.charter;
    ring->allow_strangers = s->options.verify_verdicts;
    s->batcher.ring = ring;
    if (s->options.key_file == NULL || keyring_single(ring, s->options.key_file, &s->fault))
        return true;
    s->cli->exit_code = cli_fault(s->cli, CLI_UNSURE, NULL, SLK_E_KEY, &s->fault);
    return false;
}

static int run_with_input(struct submit *s, const char *path, bool is_signed)
{
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    enum slk_err err;

    s->input = in == stdin ? "standard input" : path;
    s->report.input = s->input;
    if (in == NULL)
        return cli_fail(s->cli, CLI_UNSURE, "%s: %s", path, strerror(errno));
    err = is_signed ? read_signed(s, in) : submit_events(s, in);
    if (in != stdin)
        fclose(in);
    if (err == SLK_E_MALFORMED)
        report_unreadable(&s->report, &s->fault);
    else if (err != SLK_OK)
        cli_fault(s->cli, CLI_UNSURE, s->input, err, &s->fault);
    return report_end(&s->report, s->ledger, err);
}

static int close_outputs(struct submit *s, int code)
{
    if (s->report.rest != NULL && fclose(s->report.rest) != 0)
        code = cli_fail(s->cli, CLI_UNSURE, "%s: %s", s->options.rest, strerror(errno));
    if (s->out != NULL && fclose(s->out) != 0)
        code = cli_fail(s->cli, CLI_UNSURE, "%s: %s", s->options.out, strerror(errno));
    return code;
}

static int submit(struct submit *s, struct keyring *ring)
{
    const struct submit_options *o = &s->options;
    bool has_dir = !o->by_url && s->cli->args_n > (o->chain_hex != NULL); /* --chain HEX stands for DIR */
    const char *dir = has_dir ? s->cli->args[0] : NULL;
    const char *input = s->cli->args_n > has_dir ? s->cli->args[has_dir] : "-";
    int code;

    if (o->rest != NULL && (s->report.rest = fopen(o->rest, "wb")) == NULL)
        return cli_fail(s->cli, CLI_UNSURE, "%s: %s", o->rest, strerror(errno));
    s->cli->exit_code = CLI_UNSURE;
    s->batcher.ctx = s;
    if (!open_target(s, dir) || !open_keys(s, ring) || (o->by_url && !fly_to_nodes(s)) ||
        (s->ledger != NULL && !cli_vote(s->cli, &s->options.signers, s->ledger, o->keys_dir, o->key_file)) ||
        batcher_init(&s->batcher) != SLK_OK)
        return close_outputs(s, s->cli->exit_code);
    s->batcher.batch_events = o->batch;
    s->report.first_height = s->ledger != NULL ? slk_ledger_tip(s->ledger)->height : 0;
    code = run_with_input(s, o->signed_file != NULL ? o->signed_file : input, o->signed_file != NULL);
    return close_outputs(s, code);
}

/* --url says so; the environment does when no directory is named: what else stands there is the file of events. */
static bool asks_nodes(const struct submit *s)
{
    const struct submit_options *o = &s->options;
    struct cli without_args = *s->cli;
    struct stat st;

    if (o->nodes.urls.n > 0)
        return true;
    without_args.args_n = 0;
    if (o->sign_only || s->cli->args_n > 1 || !cli_nodes_wanted(&without_args, &o->nodes))
        return false;
    return s->cli->args_n == 0 || stat(s->cli->args[0], &st) != 0 || !S_ISDIR(st.st_mode);
}

static void clean_up(struct submit *s, struct keyring *ring)
{
    slk_ledger_close(s->ledger);
    submit_url_free(s->url);
    cli_nodes_close(&s->options.nodes);
    batcher_clear(&s->batcher);
    cli_signers_free(&s->options.signers);
    cli_charter_free(&s->charter);
    keyring_clear(ring);
    free(ring);
}

static int run(struct cli *cli)
{
    struct submit s = {.cli = cli,
        .options = {.batch = BATCH_DEFAULT,
            .block_seconds = BLOCK_SECONDS_DEFAULT,
            .clock = "wall",
            .wait = "final",
            .connections = SUBMIT_CONNECTIONS,
            .patience_s = SUBMIT_PATIENCE_S}};
    struct submit_options *o = &s.options;
    struct keyring *ring;
    int code = CLI_UNSURE;
    const struct cli_option options[] = {
        CLI_TEXT("keys", "DIR", &o->keys_dir,
            "issuers' private keys, NAME.pem each; events say \"issuer\":\"NAME\""),
        CLI_TEXT("key", "FILE", &o->key_file, "one issuer's private key, for all events"),
        CLI_NUMBER("batch", "N", &o->batch, 1, SLK_SUBMISSION_EVENTS_MAX,
            "events in one submission under one signature (default 1000)"),
        CLI_SIGNER_OPTIONS(&o->signers),
        CLI_TEXT("vote-key", "FILE", &o->signers.vote_file,
            "this member's vote key: votes for each block (NAME.vote.pem beside the others is found)"),
        CLI_TEXT("clock", "wall|events", &o->clock,
            "whose time blocks carry; events: imports and simulations only"),
        CLI_NUMBER("block-seconds", "S", &o->block_seconds, 1, BLOCK_SECONDS_MAX,
            "with --clock events: new blocks every S seconds of it (3600)"),
        CLI_FLAG("keep-going", &o->keep_going, "do not stop at the first refused submission"),
        CLI_TEXT("rest", "FILE", &o->rest, "write the lines that did not get into the ledger to FILE"),
        CLI_FLAG("no-check", &o->no_check, "do not read the whole file once before the first line is signed"),
        CLI_FLAG("verify-verdicts", &o->verify_verdicts,
            "test streams: a line's \"expect\" must be what it is refused for"),
        CLI_FLAG(
            "sign-only", &o->sign_only, "sign, and write the submissions to -o FILE instead of the ledger"),
        CLI_TEXT("chain", "HEX", &o->chain_hex,
            "with --sign-only: the chain id to sign for, instead of DIR; with --url: the only one to sign "
            "for"),
        CLI_TEXT("signed", "FILE", &o->signed_file, "submit what --sign-only wrote, instead of events"),
        CLI_OUT(&o->out, "with --sign-only: where the submissions go"),
        CLI_NODE_OPTIONS(&o->nodes),
        CLI_TEXT("wait", "HOW FAR", &o->wait,
            "with --url: received (by one node), safe (by enough that it cannot be lost), final (default), "
            "proof"),
        CLI_NUMBER("connections", "N", &o->connections, 1, HTTP_IN_FLIGHT_MAX,
            "with --url: so many submissions under way at once (8)"),
        CLI_NUMBER("patience", "S", &o->patience_s, 1, CLI_DAY_S,
            "with --url: how long a submission is offered to nodes (120)"),
        CLI_FLAG("json", &o->json, "refused events and the summary as one JSON object a line"),
        {0},
    };

    if (!cli_parse(cli, options, 0, 2))
        return cli->exit_code;
    o->by_url = asks_nodes(&s);
    if (!options_make_sense(&s))
        return cli->exit_code;
    ring = calloc(1, sizeof(*ring));
    if (ring == NULL)
        return cli_fault(cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
    s.report.cli = cli;
    s.report.json = o->json;
    s.report.keep_going = o->keep_going || o->verify_verdicts;
    s.report.sign_only = o->sign_only;
    code = submit(&s, ring);
    clean_up(&s, ring);
    return code;
}

const struct cli_command cmd_submit = {
    .name = "submit",
    .usage = "DIR | --url URL... [EVENTS.ndjson|-] (--keys DIR | --key FILE) [options]",
    .summary = "Sign events and write them to a ledger",
    .about =
        "EVENTS is one JSON object per line (default: standard input), fields as in proto/ledger.proto, for "
        "example\n"
        "  {\"issuer\":\"sejong\",\"kind\":\"LOCK\",\"credential\":\"<64 "
        "hex>\",\"channel\":\"HOLDER_REPORT\",\"reason\":\"LOST\",\n"
        "   \"occurred_at\":\"2026-07-01T09:00:00Z\"}\n"
        "\"sequence\" and \"previous\" may both be left out: they are then filled in from the ledger.\n"
        "\n"
        "A submission enters the ledger whole or not at all. At the first refused one the command stops; "
        "each event's\n"
        "verdict is shown, and --rest keeps the lines that are not in the ledger, to be corrected and "
        "submitted again.\n"
        "A file is read once in full before its first line is signed, so a malformed line writes nothing.\n"
        "Submitting the same submission again is harmless: it is recognised and not written twice.\n"
        "\n"
        "With --url the submissions go to nodes, each to any of them. A node that dies, or is busy, is "
        "passed over: the same\n"
        "submission at another node is the same submission. One whose credential has moved on meanwhile is "
        "signed again,\n"
        "where sequence and previous were left out, and refused where they were given. A run that was cut "
        "off is taken up by\n"
        "its --rest file; a --signed file may be submitted again and again.\n" CLI_NODES_ABOUT "\n"
        "\n"
        "Exit: 0 everything is in the ledger, 1 something was refused, 2 input or ledger could not be used.",
    .run = run,
};
