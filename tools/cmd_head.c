/* cmd_head.c: `sillok head`: where a ledger stands, and its signed checkpoint. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/url_read.h"

/* Of the note's cosignatures the newest; 0 without any. */
static uint64_t cosigned_at(struct slk_span note)
{
    struct slk_note *parsed = malloc(sizeof(*parsed));
    uint64_t newest = 0;

    if (parsed != NULL && slk_note_parse(parsed, (const char *)note.at, note.size) == SLK_OK) {
        for (size_t i = 0; i < parsed->sigs_n; i++) {
            const struct slk_note_sig *sig = &parsed->sigs[i];

            if (sig->blob_size == 4 + 8 + SLK_SIGNATURE_SIZE && slk_get_u64(sig->blob + 4) > newest)
                newest = slk_get_u64(sig->blob + 4);
        }
    }
    free(parsed);
    return newest;
}

static void print_json(const struct slk_tip *tip, struct slk_span note, const char *state)
{
    char log_root[TEXT_HEX_SIZE], map_root[TEXT_HEX_SIZE], time[TEXT_TIME_SIZE];
    json_t *value = json_pack("{s:I, s:s, s:I, s:I, s:s, s:s, s:s}", "height", (json_int_t)tip->height,
        "time", text_time_ms(time, tip->time_ms), "size", (json_int_t)tip->log_size, "events",
        (json_int_t)tip->events_n, "log_root", text_hex(log_root, tip->log_root.b, SLK_HASH_SIZE), "map_root",
        text_hex(map_root, tip->map_root.b, SLK_HASH_SIZE), "checkpoint_state", state);

    if (note.size > 0) {
        json_object_set_new(value, "checkpoint", json_stringn((const char *)note.at, note.size));
        json_object_set_new(value, "cosigned_at", json_integer((json_int_t)cosigned_at(note)));
    }
    cli_json(value);
}

static void print_text(const struct slk_tip *tip, struct slk_span note, const char *state)
{
    char hex[TEXT_HEX_SIZE], time[TEXT_TIME_SIZE], count[TEXT_HUMAN_SIZE];

    printf("height    %s, %s\n", text_count(count, tip->height), text_time_ms(time, tip->time_ms));
    printf("entries   %s\n", text_count(count, tip->log_size));
    printf("events    %s\n", text_count(count, tip->events_n));
    printf("log root  %s\n", text_hex(hex, tip->log_root.b, SLK_HASH_SIZE));
    printf("map root  %s\n", text_hex(hex, tip->map_root.b, SLK_HASH_SIZE));
    printf("signed    %s", state);
    if (note.size > 0)
        printf(", cosigned %s\n\n%.*s", text_time(time, cosigned_at(note)), (int)note.size,
            (const char *)note.at);
    else
        printf("\n");
}

static int print(struct cli *cli, struct slk_store *store, bool json, bool checkpoint_only)
{
    struct slk_view *view = NULL;
    struct slk_tree_head head;
    struct slk_span note = {0};
    enum slk_err err = slk_view_begin(&view, store);
    const struct slk_tip *tip;
    const char *state;

    if (err != SLK_OK || (tip = slk_view_tip(view)) == NULL) {
        slk_view_end(view);
        return cli_fault(cli, CLI_UNSURE, cli->args[0], err != SLK_OK ? err : SLK_E_NOT_FOUND, NULL);
    }
    err = slk_view_checkpoint(view, &head, &note);
    state = err != SLK_OK ? "not signed yet" : head.tree_size == tip->log_size ? "yes" : "an earlier size";
    if (err != SLK_OK)
        note = (struct slk_span){0};
    if (checkpoint_only && note.size > 0)
        printf("%.*s", (int)note.size, (const char *)note.at);
    else if (json)
        print_json(tip, note, state);
    else if (!checkpoint_only)
        print_text(tip, note, state);
    if (checkpoint_only && note.size == 0)
        cli_fault(cli, CLI_NO, cli->args[0], SLK_E_UNSIGNED, NULL);
    slk_view_end(view);
    return checkpoint_only && note.size == 0 ? CLI_NO : CLI_YES;
}

static int sign(struct cli *cli, struct cli_signers *signers)
{
    struct slk_ledger_options options = {0};
    struct slk_ledger *ledger;
    struct slk_fault fault = {0};
    enum slk_err err;

    if (signers->log_file == NULL)
        return cli_fail(cli, CLI_UNSURE, "--sign needs --log-key FILE and --cosign-key FILE");
    if (!cli_signers_load(cli, signers, &options))
        return CLI_UNSURE;
    ledger = cli_open(cli, cli->args[0], &options);
    if (ledger == NULL)
        return cli->exit_code;
    err = slk_ledger_sign(ledger, &fault);
    slk_ledger_close(ledger);
    return err == SLK_OK ? CLI_YES : cli_fault(cli, cli_code_of(err), cli->args[0], err, &fault);
}

static int run(struct cli *cli)
{
    struct cli_signers signers = {0};
    struct cli_nodes nodes = {0};
    const char *policy = NULL;
    bool json = false, do_sign = false, checkpoint = false;
    struct slk_store *store;
    int code = CLI_YES;
    const struct cli_option options[] = {
        CLI_FLAG("checkpoint", &checkpoint, "print the signed checkpoint and nothing else"),
        CLI_FLAG("sign", &do_sign, "first sign and cosign the newest block with the time of now"),
        CLI_SIGNER_OPTIONS(&signers),
        CLI_NODE_OPTIONS(&nodes),
        CLI_TEXT("policy", "FILE", &policy, "with --url: verify the checkpoint against this trust policy"),
        CLI_FLAG("json", &json, "as a JSON object"),
        {0},
    };

    if (!cli_parse(cli, options, 0, 1))
        return cli->exit_code;
    if (cli_nodes_wanted(cli, &nodes)) {
        code = do_sign || cli->args_n > 0
                   ? cli_fail(cli, CLI_UNSURE, "a directory, or nodes? --sign and DIR do not go with --url")
                   : url_head(cli, &nodes, policy, json, checkpoint);
        cli_nodes_close(&nodes);
        return code;
    }
    if (cli->args_n == 0)
        return cli_fail(cli, CLI_UNSURE, "which ledger? a directory, or --url");
    if (do_sign)
        code = sign(cli, &signers);
    cli_signers_free(&signers);
    if (code != CLI_YES)
        return code;
    store = cli_open_store(cli, cli->args[0]);
    if (store == NULL)
        return cli->exit_code;
    code = print(cli, store, json, checkpoint);
    slk_store_close(store);
    return code;
}

const struct cli_command cmd_head = {
    .name = "head",
    .usage = "DIR [--sign --log-key FILE --cosign-key FILE] | --url URL... [--policy FILE]",
    .summary = "Show where a ledger stands, and its signed checkpoint",
    .about = "Proofs carry the newest checkpoint, and their age counts from its cosignatures: an idle ledger "
             "is re-signed\n"
             "with --sign as often as verifiers want fresh proofs.\n"
             "Of several nodes the first that answers is shown; with --policy the first whose checkpoint is "
             "good.\n" CLI_NODES_ABOUT,
    .run = run,
};
