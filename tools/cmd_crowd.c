/* cmd_crowd.c: `sillok crowd`: every record under a prefix, with one proof: a look-up hidden among others. */
#include <stdlib.h>
#include <string.h>

#include "tools/cli.h"

#define CROWD_MAX 65536

struct prefix {
    uint8_t bytes[SLK_HASH_SIZE];
    unsigned bits;
};

/* "a3f", "a3f0/10": hex digits, most significant first, and how many bits of them count. */
static bool parse_prefix(const char *text, struct prefix *out)
{
    const char *slash = strchr(text, '/');
    size_t digits = slash != NULL ? (size_t)(slash - text) : strlen(text);
    char padded[2 * SLK_HASH_SIZE];
    uint64_t bits = digits * 4;

    if (digits > sizeof(padded) ||
        (slash != NULL && !slk_decimal_parse(&bits, digits * 4, slash + 1, strlen(slash + 1))))
        return false;
    memset(padded, '0', sizeof(padded));
    for (size_t i = 0; i < digits; i++)
        padded[i] = text[i];
    out->bits = (unsigned)bits;
    return text_hash_parse(out->bytes, padded, sizeof(padded));
}

static void print_item(const struct slk_map_crowd_item *item, uint64_t now_s, bool json)
{
    const char *state;
    char path[TEXT_HEX_SIZE], until[TEXT_TIME_SIZE], since[TEXT_TIME_SIZE];
    struct slk_record r;

    if (slk_record_parse(&r, item->record) != SLK_OK)
        return;
    state = slk_state_name(slk_state_at(r.state, r.valid_until_s, now_s));
    text_hex(path, item->path, SLK_HASH_SIZE);
    text_time(until, r.valid_until_s);
    text_time_ms(since, r.recorded_at_ms);
    if (json)
        cli_json(json_pack("{s:s, s:s, s:I, s:I, s:s, s:s}", "path", path, "state", state, "type",
            (json_int_t)r.type, "events", (json_int_t)r.count, "since", since, "valid_until", until));
    else
        printf("%s  %-8s since %s, valid until %.10s\n", path, state, since, until);
}

static int show(
    struct cli *cli, struct slk_ledger *ledger, const struct prefix *prefix, const char *out, bool json)
{
    struct slk_map_crowd_item *items = malloc(CROWD_MAX * sizeof(*items));
    struct slk_fault fault = {0};
    uint8_t *proof = NULL;
    size_t size = 0, n = 0;
    enum slk_err err = items == NULL
                           ? SLK_E_NOMEM
                           : slk_ledger_crowd(ledger, prefix->bytes, prefix->bits, &proof, &size, &fault);
    int code = CLI_YES;

    if (err == SLK_OK) /* shown is only what the map root commits to */
        err = slk_map_crowd_check(items, CROWD_MAX, &n, &slk_ledger_tip(ledger)->map_root, prefix->bytes,
            prefix->bits, slk_span_of(proof, size));
    if (err != SLK_OK)
        code = cli_fault(cli, cli_code_of(err), cli->args[0], err, &fault);
    for (size_t i = 0; code == CLI_YES && i < n; i++)
        print_item(&items[i], cli_now_ms() / 1000, json);
    if (code == CLI_YES && !json)
        printf(
            "%zu credential%s under the prefix, proven complete by %zu bytes\n", n, n == 1 ? "" : "s", size);
    if (code == CLI_YES && out != NULL && !cli_write(cli, out, proof, size))
        code = CLI_UNSURE;
    free(proof);
    free(items);
    return code;
}

static int run(struct cli *cli)
{
    struct slk_ledger_options ledger_options = {.read_only = true};
    const char *text = NULL, *out = NULL;
    struct prefix prefix = {0};
    struct slk_ledger *ledger;
    bool json = false;
    int code;
    const struct cli_option options[] = {
        CLI_TEXT("prefix", "HEX[/BITS]", &text, "first bits of SHA-256(handle)"),
        CLI_OUT(&out, "also write the crowd proof to FILE"),
        CLI_FLAG("json", &json, "one JSON object a credential"),
        {0},
    };

    if (!cli_parse(cli, options, 1, 1))
        return cli->exit_code;
    if (text == NULL || !parse_prefix(text, &prefix))
        return cli_fail(cli, CLI_UNSURE,
            "--prefix: hexadecimal digits, and after a slash how many bits of them count, like 3fa/10");
    ledger = cli_open(cli, cli->args[0], &ledger_options);
    if (ledger == NULL)
        return cli->exit_code;
    code = show(cli, ledger, &prefix, out, json);
    slk_ledger_close(ledger);
    return code;
}

const struct cli_command cmd_crowd = {
    .name = "crowd",
    .usage = "DIR --prefix HEX[/BITS]",
    .summary = "Show every credential whose hashed handle starts with a prefix",
    .about = "Who asks for a prefix tells nobody which of its credentials is meant. One proof covers them "
             "all, and nothing under\n"
             "the prefix can be left out.",
    .run = run,
};
