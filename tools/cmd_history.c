/* cmd_history.c: `sillok history`: everything the ledger holds about one credential. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/url_read.h"

struct history {
    struct slk_ledger *ledger;
    struct slk_view *view;
    struct slk_charter
        *earlier; /* the one an issuer was last found in, when the one in force does not name it */
    bool json;
    uint64_t shown_n;
    struct slk_record record; /* after the events shown so far */
    enum slk_err err;
};

/* By the charter in force, or by the last one that named it: a key is one issuer's for ever. NULL: by none. */
static const struct slk_issuer *find_issuer(struct history *h, const uint8_t key_id[SLK_KEY_ID_SIZE])
{
    const struct slk_issuer *issuer = slk_charter_issuer(slk_ledger_charter(h->ledger), key_id);
    struct slk_span bytes = slk_store_charter(slk_ledger_store(h->ledger));

    if (issuer == NULL && h->earlier == NULL)
        h->earlier = calloc(1, sizeof(*h->earlier));
    for (size_t i = 0; issuer == NULL && h->earlier != NULL; i++) {
        struct slk_entry entry;
        uint64_t height;

        if (slk_charter_parse(h->earlier, bytes) != SLK_OK)
            break;
        issuer = slk_charter_issuer(h->earlier, key_id);
        if (slk_view_change(h->view, i, &height, &bytes) != SLK_OK ||
            slk_entry_parse(&entry, bytes) != SLK_OK)
            break;
        bytes = entry.charter;
    }
    return issuer;
}

/* The issuer whose authorization follows the event: at most a submission's length further on. */
static const char *issuer_of(struct history *h, uint64_t log_index, uint16_t *agency)
{
    for (uint64_t i = log_index + 1; i <= log_index + SLK_SUBMISSION_EVENTS_MAX; i++) {
        const struct slk_issuer *issuer;
        struct slk_entry entry;
        struct slk_span bytes;

        if (slk_view_entry(h->view, i, &bytes) != SLK_OK || slk_entry_parse(&entry, bytes) != SLK_OK)
            break;
        if (entry.type != SLK_ENTRY_AUTHORIZATION)
            continue;
        issuer = find_issuer(h, entry.authorization.key_id);
        if (issuer == NULL)
            break;
        *agency = issuer->agency;
        return issuer->name;
    }
    return "?";
}

/* What the kind of event sets, in words. */
static void detail_of(const struct history *h, const struct slk_event *event, char *out, size_t cap)
{
    const struct slk_reason *reason = slk_charter_reason(slk_ledger_charter(h->ledger), event->reason);
    char time[TEXT_TIME_SIZE], hex[TEXT_HEX_SIZE];
    size_t used = 0;

    out[0] = '\0';
    if (event->carrier != 0)
        used += (size_t)snprintf(
            out + used, cap - used, " %s", slk_carrier_name((enum slk_carrier)event->carrier));
    if (event->has_device)
        used += (size_t)snprintf(
            out + used, cap - used, " %.8s..", text_hex(hex, event->device.b, SLK_HASH_SIZE));
    if (event->valid_until_s != 0)
        used +=
            (size_t)snprintf(out + used, cap - used, " until %.10s", text_time(time, event->valid_until_s));
    if (event->reason != 0)
        snprintf(out + used, cap - used, " %s", reason != NULL ? reason->name : "?");
}

static void show_json(const struct slk_event *event, const struct slk_entry *entry, uint64_t log_index,
    const char *issuer, enum slk_state state, const struct slk_hash *id)
{
    char hex[TEXT_HEX_SIZE], device[TEXT_HEX_SIZE], recorded[TEXT_TIME_SIZE];
    json_t *value = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s}", "sequence",
        (json_int_t)event->sequence, "kind", slk_kind_name(event->kind), "state", slk_state_name(state),
        "recorded_at", text_time_ms(recorded, entry->recorded_at_ms), "issuer", issuer, "channel",
        slk_channel_name((enum slk_channel)event->channel), "occurred_at", (json_int_t)event->occurred_at_s,
        "log_index", (json_int_t)log_index, "event_id", text_hex(hex, id->b, SLK_HASH_SIZE));

    if (event->has_device)
        json_object_set_new(value, "device", json_string(text_hex(device, event->device.b, SLK_HASH_SIZE)));
    if (event->valid_until_s != 0)
        json_object_set_new(value, "valid_until", json_integer((json_int_t)event->valid_until_s));
    if (event->reason != 0)
        json_object_set_new(value, "reason", json_integer((json_int_t)event->reason));
    cli_json(value);
}

static void show_event(void *ctx, uint64_t log_index, struct slk_span bytes)
{
    struct history *h = ctx;
    struct slk_step step = {0};
    struct slk_entry entry;
    struct slk_event event;
    char detail[120], time[TEXT_TIME_SIZE];
    const char *issuer;

    if (slk_entry_parse(&entry, bytes) != SLK_OK || slk_event_parse(&event, entry.event) != SLK_OK) {
        h->err = SLK_E_CORRUPT;
        return;
    }
    slk_event_id(&step.event_id, entry.event);
    step.recorded_at_ms = entry.recorded_at_ms;
    issuer = issuer_of(h, log_index, &step.agency);
    slk_record_next(&h->record, h->shown_n > 0 ? &h->record : NULL, &event, &step);
    h->shown_n++;
    if (h->json) {
        show_json(&event, &entry, log_index, issuer, h->record.state, &step.event_id);
        return;
    }
    detail_of(h, &event, detail, sizeof(detail));
    printf("%4" PRIu64 "  %.19sZ  %-7s -> %-8s %-16s %-14s%s\n", event.sequence,
        text_time(time, entry.recorded_at_ms / 1000), slk_kind_name(event.kind),
        slk_state_name(h->record.state), issuer, slk_channel_name((enum slk_channel)event.channel), detail);
}

static int show(struct cli *cli, struct history *h, const uint8_t handle[SLK_HANDLE_SIZE])
{
    struct slk_fault fault = {0};
    char time[TEXT_TIME_SIZE];
    enum slk_err err = slk_view_begin(&h->view, slk_ledger_store(h->ledger));

    if (err == SLK_OK)
        err = slk_ledger_history(h->ledger, handle, show_event, h, &fault);
    slk_view_end(h->view);
    free(h->earlier);
    if (err == SLK_OK)
        err = h->err;
    if (err == SLK_E_NOT_FOUND && h->json)
        cli_json(json_pack("{s:s}", "state", "NEVER_ISSUED"));
    else if (err == SLK_E_NOT_FOUND)
        printf("never issued: the ledger holds nothing about this credential\n");
    if (err == SLK_E_NOT_FOUND)
        return CLI_NO;
    if (err != SLK_OK)
        return cli_fault(cli, cli_code_of(err), cli->args[0], err, &fault);
    if (!h->json && h->record.state == SLK_ACTIVE && h->record.valid_until_s <= cli_now_ms() / 1000)
        printf("EXPIRED since %s\n", text_time(time, h->record.valid_until_s));
    return CLI_YES;
}

static int run(struct cli *cli)
{
    struct slk_ledger_options ledger_options = {.read_only = true};
    struct cli_handle_args which = {0};
    struct cli_nodes nodes = {0};
    const char *policy = NULL;
    uint8_t handle[SLK_HANDLE_SIZE];
    struct history h = {0};
    int code;
    const struct cli_option options[] = {
        CLI_HANDLE_OPTIONS(&which),
        CLI_NODE_OPTIONS(&nodes),
        CLI_TEXT("policy", "FILE", &policy, "with --url: the trust policy by which the history is verified"),
        CLI_FLAG("json", &h.json, "one JSON object an event"),
        {0},
    };

    if (!cli_parse(cli, options, 0, 1))
        return cli->exit_code;
    if (!cli_handle(cli, &which, handle))
        return CLI_UNSURE;
    if (cli_nodes_wanted(cli, &nodes)) {
        code = cli->args_n > 0
                   ? cli_fail(cli, CLI_UNSURE, "a directory, or nodes? DIR does not go with --url")
                   : url_history(cli, &nodes, policy, handle, h.json);
        cli_nodes_close(&nodes);
        return code;
    }
    if (cli->args_n == 0)
        return cli_fail(cli, CLI_UNSURE, "which ledger? a directory, or --url");
    h.ledger = cli_open(cli, cli->args[0], &ledger_options);
    if (h.ledger == NULL)
        return cli->exit_code;
    code = show(cli, &h, handle);
    slk_ledger_close(h.ledger);
    return code;
}

const struct cli_command cmd_history = {
    .name = "history",
    .usage = "DIR | --url URL... [--policy FILE], --handle HEX | --handle-file FILE",
    .summary = "Show every event of a credential",
    .about = "What is shown comes from this copy of the ledger; `sillok prove` makes a file that convinces "
             "others.\n"
             "A handle given on the command line shows in process lists and shell histories: prefer "
             "--handle-file.\n"
             "Asked of nodes, the history comes as a proof and is verified; who gives a bad one is named, "
             "and the next is "
             "asked.\n" CLI_NODES_ABOUT "\n"
             "\n"
             "Exit: 0 shown, 1 never issued, 2 could not tell.",
    .run = run,
};
