/* url_read.c: see url_read.h. */
#include "tools/url_read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_MAX ((size_t)64 << 10)

/* ---- head ---- */

struct head_check {
    const struct slk_policy *policy; /* NULL: believed unseen */
    struct slk_policy_verdict verdict;
    struct slk_tree_head head;
    uint64_t cosigned_at;
    bool lied;
};

/* As its lines say, whoever wrote them. */
static uint64_t newest_cosignature(const struct slk_note *note)
{
    uint64_t newest = 0;

    for (size_t i = 0; i < note->sigs_n; i++)
        if (note->sigs[i].blob_size == 4 + 8 + SLK_SIGNATURE_SIZE &&
            slk_get_u64(note->sigs[i].blob + 4) > newest)
            newest = slk_get_u64(note->sigs[i].blob + 4);
    return newest;
}

static bool is_good_checkpoint(void *ctx, struct http_answer *answer)
{
    struct head_check *h = ctx;
    const struct slk_verify_options options = {.now_s = cli_now_ms() / 1000, .allow_no_quorum = true};
    struct slk_note *note = malloc(sizeof(*note));
    struct slk_checkpoint checkpoint;
    enum slk_err err;

    if (answer->status != 200 || note == NULL) {
        free(note);
        return false;
    }
    err = slk_note_parse(note, (const char *)answer->body, answer->size);
    if (err == SLK_OK)
        err = slk_checkpoint_parse(&checkpoint, note->text);
    if (err == SLK_OK && h->policy != NULL)
        err = slk_policy_check(&h->verdict, h->policy, note, &checkpoint, &options);
    if (err == SLK_OK) {
        h->head = checkpoint.head;
        h->cosigned_at = h->verdict.has_quorum ? h->verdict.quorum_time_s : newest_cosignature(note);
    } else {
        h->lied = true;
        snprintf(answer->error, sizeof(answer->error), "its checkpoint is not good: %s", slk_err_text(err));
    }
    free(note);
    return err == SLK_OK;
}

static uint64_t number_of(const json_t *object, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(object, name));

    return n > 0 ? (uint64_t)n : 0;
}

static void head_json(
    const struct head_check *h, const json_t *status, const char *url, const struct http_answer *note)
{
    char hex[TEXT_HEX_SIZE], time[TEXT_TIME_SIZE];
    json_t *value = json_pack("{s:s, s:b, s:I, s:s, s:s%, s:I}", "url", url, "verified", h->policy != NULL,
        "checkpoint_size", (json_int_t)h->head.tree_size, "checkpoint_root",
        text_hex(hex, h->head.root_hash.b, SLK_HASH_SIZE), "checkpoint", (const char *)note->body, note->size,
        "cosigned_at", (json_int_t)h->cosigned_at);

    if (status != NULL) {
        json_object_set_new(value, "height", json_integer((json_int_t)number_of(status, "height")));
        json_object_set_new(value, "time", json_string(text_time_ms(time, number_of(status, "time_ms"))));
        json_object_set_new(value, "size", json_integer((json_int_t)number_of(status, "size")));
        json_object_set_new(value, "events", json_integer((json_int_t)number_of(status, "events")));
        json_object_set(value, "log_root", json_object_get(status, "root"));
        json_object_set_new(value, "checkpoint_state",
            json_string(number_of(status, "size") == h->head.tree_size ? "yes" : "an earlier size"));
    }
    cli_json(value);
}

static void head_text(
    const struct head_check *h, const json_t *status, const char *url, const struct http_answer *note)
{
    char hex[TEXT_HEX_SIZE], time[TEXT_TIME_SIZE], count[TEXT_HUMAN_SIZE];
    const char *root = json_string_value(json_object_get(status, "root"));

    printf("node      %s\n", url);
    if (status != NULL) {
        printf("height    %s, %s\n", text_count(count, number_of(status, "height")),
            text_time_ms(time, number_of(status, "time_ms")));
        printf("entries   %s\n", text_count(count, number_of(status, "size")));
        printf("events    %s\n", text_count(count, number_of(status, "events")));
        if (root != NULL && text_hash_parse((uint8_t[SLK_HASH_SIZE]){0}, root, strlen(root)))
            printf("log root  %s\n", root);
    }
    printf("signed    %s entries, root %s, cosigned %s\n", text_count(count, h->head.tree_size),
        text_hex(hex, h->head.root_hash.b, SLK_HASH_SIZE), text_time(time, h->cosigned_at));
    if (h->policy != NULL)
        printf("verified  the checkpoint, by the policy: %" PRIu32
               " cosignatures; the rest is the node's word\n",
            h->verdict.cosignatures_n);
    else
        printf("verified  nothing: all of this is the node's word; --policy FILE checks the checkpoint\n");
    printf("\n%.*s", (int)note->size, (const char *)note->body);
}

int url_head(
    struct cli *cli, struct cli_nodes *nodes, const char *policy_file, bool json, bool checkpoint_only)
{
    const struct http_request ask = {
        .path = "/checkpoint", .accept = "text/plain", .max = SLK_NOTE_MAX, .patience_ms = HTTP_PATIENCE_MS};
    const struct http_request ask_status = {
        .path = "/v1/status", .accept = "application/json", .max = STATUS_MAX};
    struct head_check h = {0};
    struct slk_policy *policy = NULL;
    struct http_answer note, answer = {0};
    json_t *status = NULL;

    if (policy_file != NULL && !cli_policy_load(cli, policy_file, &policy))
        return cli->exit_code;
    h.policy = policy;
    if (!cli_nodes_open(cli, nodes) || !cli_ask(cli, nodes, &ask, is_good_checkpoint, &h, &note)) {
        slk_policy_free(policy);
        return h.lied ? CLI_NO : CLI_UNSURE;
    }
    if (!checkpoint_only && http_ask(nodes->client, note.node, &ask_status, &answer))
        status = cli_answer_json(&answer);
    if (checkpoint_only)
        printf("%.*s", (int)note.size, (const char *)note.body);
    else if (json)
        head_json(&h, status, http_node_name(nodes->client, note.node), &note);
    else
        head_text(&h, status, http_node_name(nodes->client, note.node), &note);
    json_decref(status);
    http_answer_clear(&answer);
    http_answer_clear(&note);
    slk_policy_free(policy);
    return CLI_YES;
}

/* ---- proofs ---- */

struct proof_check {
    struct url_prover *prover;
    const uint8_t *handle;
    struct slk_answer *says;
};

static bool is_good_proof(void *ctx, struct http_answer *answer)
{
    struct proof_check *p = ctx;
    const struct slk_verify_options options = {.now_s = cli_now_ms() / 1000, .allow_no_quorum = true};
    enum slk_err err;

    if (answer->status != 200) /* also of 422, "too long for one proof": one node's word for that is none */
        return false;
    slk_answer_clear(p->says);
    err = slk_verify_status(
        p->says, slk_span_of(answer->body, answer->size), p->handle, p->prover->policy, &options);
    if (err == SLK_OK && (!p->prover->with_history || p->says->has_history || !p->says->present))
        return true;
    p->prover->lied = true;
    snprintf(answer->error, sizeof(answer->error), "%s: %s%s%.100s",
        err == SLK_E_QUORUM || err == SLK_E_NO_LOG ? "its proof does not satisfy the policy" : "A BAD PROOF",
        err == SLK_OK ? "the history that was asked for is not in it" : slk_err_text(err),
        err != SLK_OK && p->says->detail[0] != '\0' ? ": " : "", err != SLK_OK ? p->says->detail : "");
    return false;
}

int url_prove(struct url_prover *prover, const uint8_t handle[SLK_HANDLE_SIZE], struct http_answer *answer,
    struct slk_answer *says)
{
    const struct http_request request = {.path = prover->with_history ? "/v1/proofs?history" : "/v1/proofs",
        .accept = prover->encoding == SLK_TEXT ? "text/plain" : "application/octet-stream",
        .content_type = "application/octet-stream",
        .body = slk_span_of(handle, SLK_HANDLE_SIZE),
        .is_post = true,
        .max = SLK_PROOF_MAX,
        .patience_ms = HTTP_PATIENCE_MS};
    struct proof_check check = {.prover = prover, .handle = handle, .says = says};
    bool lied_before = prover->lied;
    int code;

    *says = (struct slk_answer){0};
    prover->lied = false;
    if (!cli_ask(prover->cli, prover->nodes, &request, is_good_proof, &check, answer))
        code = prover->lied ? CLI_NO : CLI_UNSURE;
    else
        code = CLI_YES;
    prover->lied = prover->lied || lied_before;
    return code;
}

/* ---- history ---- */

static void item_text(const struct slk_history_item *item)
{
    char recorded[TEXT_TIME_SIZE], until[TEXT_TIME_SIZE], hex[TEXT_HEX_SIZE], detail[120];
    size_t used = 0;

    detail[0] = '\0';
    if (item->carrier != 0)
        used = (size_t)snprintf(detail, sizeof(detail), " %s %.8s..", slk_carrier_name(item->carrier),
            text_hex(hex, item->device, SLK_HASH_SIZE));
    if (item->kind == SLK_ISSUE || item->kind == SLK_RENEW)
        used += (size_t)snprintf(
            detail + used, sizeof(detail) - used, " until %.10s", text_time(until, item->valid_until_s));
    if (item->reason != 0)
        snprintf(detail + used, sizeof(detail) - used, " reason %" PRIu32, item->reason);
    printf("%3" PRIu64 "  %s  %-6s  %-7s  %-14s%s\n", item->sequence,
        text_time_ms(recorded, item->recorded_at_ms), slk_kind_name(item->kind), slk_state_name(item->state),
        slk_channel_name(item->channel), detail);
}

static void item_json(const struct slk_history_item *item)
{
    char hex[TEXT_HEX_SIZE], device[TEXT_HEX_SIZE], recorded[TEXT_TIME_SIZE];
    json_t *value = json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:s}", "sequence",
        (json_int_t)item->sequence, "kind", slk_kind_name(item->kind), "state", slk_state_name(item->state),
        "recorded_at", text_time_ms(recorded, item->recorded_at_ms), "channel",
        slk_channel_name(item->channel), "occurred_at", (json_int_t)item->occurred_at_s, "event_id",
        text_hex(hex, item->event_id, SLK_HASH_SIZE), "valid_until", (json_int_t)item->valid_until_s,
        "device", text_hex(device, item->device, SLK_HASH_SIZE));

    if (item->reason != 0)
        json_object_set_new(value, "reason", json_integer((json_int_t)item->reason));
    cli_json(value);
}

static int show(const struct slk_answer *says, bool json, bool trusted)
{
    struct slk_history_cursor cursor = {0};
    struct slk_history_item item;

    while (slk_answer_next(says, &cursor, &item)) {
        if (json)
            item_json(&item);
        else
            item_text(&item);
    }
    if (json)
        cli_json(json_pack("{s:s, s:b, s:I, s:I}", "state", slk_state_name(says->state), "verified", trusted,
            "events", (json_int_t)says->events_n, "age_seconds", (json_int_t)says->age_s));
    else if (!says->present)
        printf("never issued: the ledger holds nothing about this credential\n");
    else
        printf("%s; %" PRIu32 " %s cosigned, %" PRIu64 " s ago\n", slk_state_name(says->state),
            says->cosignatures_n, says->cosignatures_n == 1 ? "agency has" : "agencies have", says->age_s);
    if (!json && !trusted)
        printf("checked by the policy of the node that was asked, which shows no more than that it agrees "
               "with itself: "
               "--policy FILE checks it by yours\n");
    return says->present ? CLI_YES : CLI_NO;
}

/* The policy a node goes by: better than none, for it finds what was damaged, and no better. */
static bool borrow_policy(struct cli *cli, struct cli_nodes *nodes, struct slk_policy **out)
{
    const struct http_request request = {.path = "/v1/policy",
        .accept = "text/plain",
        .max = SLK_POLICY_TEXT_MAX,
        .patience_ms = HTTP_PATIENCE_MS};
    struct http_answer answer;
    struct slk_fault fault = {0};
    enum slk_err err;

    if (!cli_ask(cli, nodes, &request, NULL, NULL, &answer))
        return false;
    err = answer.status == 200 ? slk_policy_new(out, (const char *)answer.body, answer.size, &fault)
                               : SLK_E_POLICY;
    if (err != SLK_OK)
        cli->exit_code = cli_fault(cli, CLI_UNSURE, http_node_name(nodes->client, answer.node), err, &fault);
    http_answer_clear(&answer);
    return err == SLK_OK;
}

int url_history(struct cli *cli, struct cli_nodes *nodes, const char *policy_file,
    const uint8_t handle[SLK_HANDLE_SIZE], bool json)
{
    struct url_prover prover = {.cli = cli, .nodes = nodes, .with_history = true, .encoding = SLK_BINARY};
    struct http_answer answer = {0};
    struct slk_answer says = {0};
    int code;

    if (!cli_nodes_open(cli, nodes))
        return cli->exit_code;
    if (!(policy_file != NULL ? cli_policy_load(cli, policy_file, &prover.policy)
                              : borrow_policy(cli, nodes, &prover.policy)))
        return cli->exit_code;
    code = url_prove(&prover, handle, &answer, &says);
    if (code == CLI_YES)
        code = show(&says, json, policy_file != NULL);
    slk_answer_clear(&says);
    http_answer_clear(&answer);
    slk_policy_free(prover.policy);
    return code;
}
