/* cmd_prove.c: `sillok prove`: files that show a credential's status to anybody with a trust policy. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/prove_entry.h"
#include "tools/qr_image.h"
#include "tools/url_read.h"

#define HANDLES_FILE_MAX (UINT64_C(1) << 31)

struct prove {
    const char *out, *handles, *format;
    bool no_history, json, qr;
    enum slk_encoding encoding;
    struct slk_ledger *ledger; /* NULL: nodes are asked */
    struct url_prover prover;
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

/* Made, and verified if it came from a node; and written. */
static int prove_by_url(const struct cli *cli, struct prove *p, const uint8_t handle[SLK_HANDLE_SIZE],
    const char *path, size_t *size, struct slk_answer *says)
{
    struct http_answer answer = {0};
    int code = url_prove(&p->prover, handle, &answer, says);

    *size = answer.size;
    if (code == CLI_YES && !(p->qr ? write_qr(cli, path, handle, slk_span_of(answer.body, answer.size))
                                   : cli_write(cli, path, answer.body, answer.size)))
        code = CLI_UNSURE;
    http_answer_clear(&answer);
    says->events = (struct slk_span){0}; /* it lay in the answer */
    return code;
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

/* From wherever it comes; `says` is filled for proofs of nodes. */
static int make_one(const struct cli *cli, struct prove *p, const uint8_t handle[SLK_HANDLE_SIZE],
    const char *path, size_t *size, struct slk_answer *says)
{
    bool wrote = false;
    enum slk_err err;

    if (p->ledger == NULL)
        return prove_by_url(cli, p, handle, path, size, says);
    err = prove_one(cli, p, handle, path, size, &wrote);
    return err != SLK_OK ? cli_code_of(err) : wrote ? CLI_YES : CLI_UNSURE;
}

static void tell(const struct prove *p, size_t size, bool present, uint64_t events_n)
{
    if (p->json)
        cli_json(json_pack("{s:s, s:I, s:b, s:I, s:b}", "file", p->out, "bytes", (json_int_t)size, "present",
            present, "events", (json_int_t)(present && !p->no_history ? events_n : 0), "verified",
            p->ledger == NULL));
    else if (present)
        printf("%s: %zu bytes: %s%" PRIu64 " event%s so far%s\n", p->out, size,
            p->no_history ? "the present status; " : "complete history of ", events_n,
            events_n == 1 ? "" : "s", p->ledger == NULL ? "; verified" : "");
    else
        printf("%s: %zu bytes: proof that this credential was never issued%s\n", p->out, size,
            p->ledger == NULL ? "; verified" : "");
}

static int one(struct cli *cli, struct prove *p, const struct cli_handle_args *which)
{
    struct slk_record record = {0};
    struct slk_fault fault = {0};
    struct slk_answer says = {0};
    uint8_t handle[SLK_HANDLE_SIZE];
    size_t size = 0;
    bool present;
    int code;

    if (!cli_handle(cli, which, handle))
        return CLI_UNSURE;
    code = make_one(cli, p, handle, p->out, &size, &says);
    if (code == CLI_YES && p->out != NULL &&
        strcmp(p->out, "-") != 0) { /* else the proof itself is the output */
        present = p->ledger == NULL ? says.present
                                    : slk_ledger_lookup(p->ledger, handle, &record, &fault) == SLK_OK;
        tell(p, size, present, p->ledger == NULL ? says.events_n : record.count);
    }
    slk_answer_clear(&says);
    return code;
}

/* One proof for each line of the file, into files named after their line numbers: a handle is no file name. */
static int many(struct cli *cli, struct prove *p)
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

        line++;
        if (n > 0 && !text_hash_parse(handle, at, n))
            code = cli_fail(
                cli, CLI_UNSURE, "%s:%" PRIu64 ": a handle is 64 hexadecimal digits", p->handles, line);
        snprintf(path, sizeof(path), "%s/%06" PRIu64 "%s", p->out, line,
            p->qr                     ? ".png"
            : p->encoding == SLK_TEXT ? ".tlog-proof"
                                      : ".proof");
        if (n > 0 && code == CLI_YES) {
            struct slk_answer says = {0};

            code = make_one(cli, p, handle, path, &proof_size, &says);
            slk_answer_clear(&says);
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

/* Of one entry of the log, whatever it is. */
static int an_entry(
    struct cli *cli, struct cli_nodes *nodes, bool by_url, const char *policy, struct prove_entry *wanted)
{
    struct slk_policy *trusted = NULL;

    cli->exit_code = CLI_UNSURE;
    wanted->dir = by_url ? NULL : cli->args[0];
    wanted->nodes = nodes;
    if ((policy == NULL || cli_policy_load(cli, policy, &trusted)) &&
        (!by_url || cli_nodes_open(cli, nodes))) {
        wanted->policy = trusted;
        cli->exit_code = prove_entry(cli, wanted);
    }
    slk_policy_free(trusted);
    cli_nodes_close(nodes);
    return cli->exit_code;
}

static int run(struct cli *cli)
{
    struct prove_entry entry = {.index = UINT64_MAX};
    struct slk_ledger_options ledger_options = {.read_only = true};
    struct cli_handle_args which = {0};
    struct prove p = {.format = "text"};
    struct cli_nodes nodes = {0};
    const char *policy = NULL;
    bool history = false, by_url;
    int code = CLI_UNSURE;
    const struct cli_option options[] = {
        CLI_HANDLE_OPTIONS(&which),
        CLI_TEXT("handles", "FILE", &p.handles,
            "a handle a line; -o is then a directory for proofs 000001, 000002, ..."),
        CLI_FLAG("history", &history, "with all events (the default)"),
        CLI_FLAG("no-history", &p.no_history, "the present status only: smaller, fits a QR code as binary"),
        CLI_TEXT("format", "text|binary", &p.format, "C2SP .tlog-proof text (default), or protobuf"),
        CLI_FLAG(
            "qr", &p.qr, "as a QR code: -o FILE.png or FILE.svg, else for a terminal; binary, --no-history"),
        CLI_NUMBER("entry", "INDEX", &entry.index, 0, CLI_NUMBER_MAX,
            "of this entry of the log instead: a plain C2SP tlog-proof; DIR may be a tree of tiles, of any "
            "log"),
        CLI_TEXT("entry-file", "FILE", &entry.entry_out, "with --entry: where the entry's bytes go"),
        CLI_NODE_OPTIONS(&nodes),
        CLI_TEXT("policy", "FILE", &policy, "with --url: the trust policy each proof must satisfy (needed)"),
        CLI_OUT(&p.out, "where the proof goes (default: standard output)"),
        CLI_FLAG("json", &p.json, "tell about it as a JSON object"),
        {0},
    };

    if (!cli_parse(cli, options, 0, 1))
        return cli->exit_code;
    by_url = cli_nodes_wanted(cli, &nodes);
    if (by_url == (cli->args_n == 1) || (by_url && policy == NULL))
        return cli_fail(cli, CLI_UNSURE,
            !by_url            ? "which ledger? a directory, or --url"
            : cli->args_n == 1 ? "a directory, or nodes? DIR does not go with --url"
                               : "with --url give --policy FILE: a node's proof counts only when it verifies "
                                 "(`sillok policy`)");
    if (entry.index != UINT64_MAX) {
        entry.out = p.out;
        entry.json = p.json;
        return which.hex != NULL || which.file != NULL || p.handles != NULL || p.qr ||
                       strcmp(p.format, "text") != 0
                   ? cli_fail(cli, CLI_UNSURE,
                         "--entry is about an entry, and a text: without --handle, --qr and --format")
                   : an_entry(cli, &nodes, by_url, policy, &entry);
    }
    if ((strcmp(p.format, "text") != 0 && strcmp(p.format, "binary") != 0) || (history && p.no_history))
        return cli_fail(cli, CLI_UNSURE,
            history && p.no_history ? "--history or --no-history?" : "--format: text or binary");
    if (p.qr && qr_is_foreign(p.out))
        return cli_fail(cli, CLI_UNSURE, "%s: a QR code is drawn as .png or .svg", p.out);
    if (p.qr)
        p.no_history = !history; /* a complete history fits while it is short */
    p.encoding = p.qr || strcmp(p.format, "text") != 0 ? SLK_BINARY : SLK_TEXT;
    p.prover = (struct url_prover){
        .cli = cli, .nodes = &nodes, .with_history = !p.no_history, .encoding = p.encoding};
    if (!by_url)
        p.ledger = cli_open(cli, cli->args[0], &ledger_options);
    if (by_url ? cli_policy_load(cli, policy, &p.prover.policy) && cli_nodes_open(cli, &nodes)
               : p.ledger != NULL)
        code = p.handles != NULL ? many(cli, &p) : one(cli, &p, &which);
    else
        code = cli->exit_code;
    slk_ledger_close(p.ledger);
    slk_policy_free(p.prover.policy);
    cli_nodes_close(&nodes);
    return code;
}

const struct cli_command cmd_prove = {
    .name = "prove",
    .usage = "DIR | --url URL... --policy FILE, --handle HEX | --handle-file FILE | --handles FILE | --entry "
             "INDEX [-o FILE]",
    .summary = "Make a proof of a credential's status, or that it was never issued",
    .about =
        "The proof shows the newest signed block; anybody with a trust policy (`sillok policy`) checks it "
        "offline with\n"
        "`sillok-verify`. A handle given on the command line shows in process lists: prefer --handle-file.\n"
        "A proof from a node is verified before it is written; who gives a bad one is named, and the next "
        "node is asked.\n" CLI_NODES_ABOUT "\n"
        "\n"
        "Exit: 0 made, 1 the ledger's data is damaged, or nodes gave bad proofs alone, 2 could not be made "
        "(unsigned\n"
        "ledger, I/O, no answer).",
    .run = run,
};
