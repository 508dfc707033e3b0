/* cmd_prove.c: `sillok prove`: files that show a credential's status to anybody with a trust policy. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/cli.h"
#include "tools/qr_image.h"

#define HANDLES_FILE_MAX (UINT64_C(1) << 31)

struct prove {
    const char *out, *handles, *format;
    bool no_history, json, qr;
    enum slk_encoding encoding;
    struct slk_ledger *ledger;
};

/* The proof as a QR code: an image by the name's end, else a drawing for a terminal. False after a message. */
static bool write_qr(
    const struct cli *cli, const char *path, const uint8_t handle[SLK_HANDLE_SIZE], struct slk_span proof)
{
    char *text = malloc(SLK_QR_TEXT_MAX + 1), *drawn = NULL;
    size_t size = text != NULL ? slk_qr_format(text, SLK_QR_TEXT_MAX + 1, handle, proof) : 0;
    bool good;

    if (size == 0) {
        cli_fail(cli, CLI_UNSURE, "a proof of %zu bytes does not fit a QR code, which holds %d%s", proof.size,
            SLK_QR_BYTES_MAX - SLK_HANDLE_SIZE, ": leave out --history, or send the proof as a file");
        free(text);
        return false;
    }
    drawn = qr_draw(text, qr_form_of(path), &size);
    good = drawn != NULL && cli_write(cli, path, drawn, size);
    if (drawn == NULL)
        cli_fail(cli, CLI_UNSURE, "the QR code could not be drawn: out of memory");
    free(drawn);
    free(text);
    return good;
}

static enum slk_err prove_one(const struct cli *cli, const struct prove *p,
    const uint8_t handle[SLK_HANDLE_SIZE], const char *path, size_t *size, bool *wrote)
{
    struct slk_fault fault = {0};
    uint8_t *proof = NULL;
    enum slk_err err = slk_ledger_prove(p->ledger, handle, !p->no_history, p->encoding, &proof, size, &fault);

    if (err == SLK_OK && p->qr)
        *wrote = write_qr(cli, path, handle, slk_span_of(proof, *size));
    else
        *wrote = err == SLK_OK && cli_write(cli, path, proof, *size);
    if (err != SLK_OK)
        cli_fault(cli, 0, cli->args[0], err, &fault);
    free(proof);
    return err;
}

static int one(struct cli *cli, const struct prove *p, const struct cli_handle_args *which)
{
    struct slk_record record;
    struct slk_fault fault = {0};
    uint8_t handle[SLK_HANDLE_SIZE];
    size_t size = 0;
    bool wrote, present;
    enum slk_err err;

    if (!cli_handle(cli, which, handle))
        return CLI_UNSURE;
    err = prove_one(cli, p, handle, p->out, &size, &wrote);
    if (err != SLK_OK || !wrote)
        return err != SLK_OK ? cli_code_of(err) : CLI_UNSURE;
    if (p->out == NULL || strcmp(p->out, "-") == 0)
        return CLI_YES; /* the proof itself is the output */
    present = slk_ledger_lookup(p->ledger, handle, &record, &fault) == SLK_OK;
    if (p->json)
        cli_json(json_pack("{s:s, s:I, s:b, s:I}", "file", p->out, "bytes", (json_int_t)size, "present",
            present, "events", (json_int_t)(present && !p->no_history ? record.count : 0)));
    else if (present)
        printf("%s: %zu bytes: %s%" PRIu64 " event%s so far\n", p->out, size,
            p->no_history ? "the present status; " : "complete history of ", record.count,
            record.count == 1 ? "" : "s");
    else
        printf("%s: %zu bytes: proof that this credential was never issued\n", p->out, size);
    return CLI_YES;
}

/* One proof for each line of the file, into files named after their line numbers: a handle is no file name. */
static int many(struct cli *cli, const struct prove *p)
{
    uint8_t *text;
    size_t size, proof_size = 0, total = 0;
    uint64_t line = 0, made = 0, started;
    int code = CLI_YES;
    char a[TEXT_HUMAN_SIZE], b[TEXT_HUMAN_SIZE], c[TEXT_HUMAN_SIZE];

    if (p->out == NULL || (mkdir(p->out, 0700) != 0 && errno != EEXIST))
        return cli_fail(cli, CLI_UNSURE, "--handles needs -o DIR for its proofs");
    if (!cli_read(cli, p->handles, HANDLES_FILE_MAX, &text, &size))
        return CLI_UNSURE;
    started = cli_tick_ms();
    for (char *at = (char *)text; code == CLI_YES && *at != '\0';) {
        size_t n = strcspn(at, "\r\n");
        uint8_t handle[SLK_HANDLE_SIZE];
        char path[4096];
        bool wrote;

        line++;
        if (n > 0 && !text_hash_parse(handle, at, n))
            code = cli_fail(
                cli, CLI_UNSURE, "%s:%" PRIu64 ": a handle is 64 hexadecimal digits", p->handles, line);
        snprintf(path, sizeof(path), "%s/%06" PRIu64 "%s", p->out, line,
            p->qr                     ? ".png"
            : p->encoding == SLK_TEXT ? ".tlog-proof"
                                      : ".proof");
        if (n > 0 && code == CLI_YES) {
            enum slk_err err = prove_one(cli, p, handle, path, &proof_size, &wrote);

            code = err != SLK_OK ? cli_code_of(err) : wrote ? CLI_YES : CLI_UNSURE;
            made += code == CLI_YES;
            total += proof_size;
        }
        at += n;
        at += *at == '\r';
        at += *at == '\n';
        cli_progress_step(&cli->progress, "proving", (uint64_t)(at - (char *)text), size);
    }
    cli_progress_end(&cli->progress);
    free(text);
    started = cli_tick_ms() - started;
    if (p->json)
        cli_json(json_pack("{s:I, s:I, s:I}", "proofs", (json_int_t)made, "bytes", (json_int_t)total,
            "milliseconds", (json_int_t)started));
    else
        printf("%s proofs, %s, written at %s a second\n", text_count(a, made), text_size(b, total),
            text_count(c, made * 1000 / (started > 0 ? started : 1)));
    return code;
}

static int run(struct cli *cli)
{
    struct slk_ledger_options ledger_options = {.read_only = true};
    struct cli_handle_args which = {0};
    struct prove p = {.format = "text"};
    bool history = false;
    int code;
    const struct cli_option options[] = {
        CLI_HANDLE_OPTIONS(&which),
        CLI_TEXT("handles", "FILE", &p.handles,
            "a handle a line; -o is then a directory for proofs 000001, 000002, ..."),
        CLI_FLAG("history", &history, "with all events (the default)"),
        CLI_FLAG("no-history", &p.no_history, "the present status only: smaller, fits a QR code as binary"),
        CLI_TEXT("format", "text|binary", &p.format, "C2SP .tlog-proof text (default), or protobuf"),
        CLI_FLAG(
            "qr", &p.qr, "as a QR code: -o FILE.png or FILE.svg, else for a terminal; binary, --no-history"),
        CLI_OUT(&p.out, "where the proof goes (default: standard output)"),
        CLI_FLAG("json", &p.json, "tell about it as a JSON object"),
        {0},
    };

    if (!cli_parse(cli, options, 1, 1))
        return cli->exit_code;
    if ((strcmp(p.format, "text") != 0 && strcmp(p.format, "binary") != 0) || (history && p.no_history))
        return cli_fail(cli, CLI_UNSURE,
            history && p.no_history ? "--history or --no-history?" : "--format: text or binary");
    if (p.qr)
        p.no_history = !history; /* a complete history fits while it is short */
    p.encoding = p.qr || strcmp(p.format, "text") != 0 ? SLK_BINARY : SLK_TEXT;
    p.ledger = cli_open(cli, cli->args[0], &ledger_options);
    if (p.ledger == NULL)
        return cli->exit_code;
    code = p.handles != NULL ? many(cli, &p) : one(cli, &p, &which);
    slk_ledger_close(p.ledger);
    return code;
}

const struct cli_command cmd_prove = {
    .name = "prove",
    .usage = "DIR --handle HEX | --handle-file FILE | --handles FILE [-o FILE]",
    .summary = "Make a proof of a credential's status, or that it was never issued",
    .about =
        "The proof shows the newest signed block; anybody with a trust policy (`sillok policy`) checks it "
        "offline with\n"
        "`sillok-verify`. A handle given on the command line shows in process lists: prefer --handle-file.\n"
        "\n"
        "Exit: 0 made, 1 the ledger's data is damaged, 2 could not be made (unsigned ledger, I/O).",
    .run = run,
};
