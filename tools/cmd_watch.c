/* cmd_watch.c: `sillok watch`: do several nodes show one history, and is it the one they showed before?
 *
 * Every two checkpoints of a quorum are compared: sorted by size, each with the next one, for consistency carries over. What contradicts is
 * written down so that it convicts whoever signed both; what cannot be shown is told, but convicts nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/watch.h"

#define INTERVAL_S        30
#define STALE_S           300
#define CONSISTENCY_BYTES ((size_t)64 << 10)
#define SIGHTINGS_MAX     (HTTP_NODES_MAX + 1)

struct watch {
    struct cli *cli;
    struct cli_nodes nodes;
    struct slk_policy *policy;
    struct watch_state state;
    const char *policy_file, *evidence_file;
    uint64_t interval_s, stale_s;
    bool json, once;
    /* of this round */
    struct sighting seen[HTTP_NODES_MAX];
    json_t *findings;
    bool split;
    int code;
    uint64_t shown_size; /* of the last round that was told */
};

static const char *name_of(const struct watch *w, size_t node)
{
    return node == SIZE_MAX ? w->state.newest.from : http_node_name(w->nodes.client, node);
}

static void find(struct watch *w, int code, const char *kind, size_t node, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* CLI_NO weighs more than CLI_UNSURE here: a lie is a lie, also when another node did not answer. */
static void find(struct watch *w, int code, const char *kind, size_t node, const char *format, ...)
{
    char text[1200];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    w->code = w->code == CLI_NO || code == CLI_NO ? CLI_NO : code > w->code ? code : w->code;
    json_array_append_new(
        w->findings, json_pack("{s:s, s:s, s:s}", "kind", kind, "node", name_of(w, node), "text", text));
    if (!w->json || code == CLI_NO)
        cli_fail(w->cli, code, "%s%s: %s", code == CLI_NO ? "ALARM: " : "", name_of(w, node), text);
}

/* ---- looking ---- */

/* Nobody can tell from a policy who is an agency and who is not: so both, and what each can do. */
static void tell_missing(struct watch *w, const struct sighting *s, size_t node)
{
    find(w, CLI_NO, "unsound", node,
        "its checkpoint has too few cosignatures for the policy's quorum: %s%s missing. If an agency is: its "
        "node is down or cut off (`sillok status`). If an outside witness is: this node does not ask it, or "
        "gets no answer; its operator names it under [witnesses] in the node's configuration, or you watch "
        "nodes that ask it, or use a policy that does not want it. If the charter has changed: `sillok "
        "policy --update`",
        s->missing,
        s->all_missing ? strchr(s->missing, ',') != NULL ? " are" : " is" : " are (not all needed)");
}

static void look_at(struct watch *w, size_t node, const struct http_answer *answer)
{
    struct sighting *s = &w->seen[node];
    uint64_t now_s = cli_now_ms() / 1000, before = watch_state_size_of(&w->state, name_of(w, node));
    enum slk_err err;

    if (answer->status != 200) {
        find(w, CLI_UNSURE, "unreachable", node, "%s", answer->error);
        return;
    }
    err = sighting_read(s, name_of(w, node), (const char *)answer->body, answer->size, w->policy, now_s);
    s->node = node;
    if (err == SLK_E_QUORUM)
        tell_missing(w, s, node);
    else if (err != SLK_OK)
        find(w, CLI_NO, "unsound", node,
            "its checkpoint is not one of this policy's log: %s (if the charter has changed: `sillok policy "
            "--update`)",
            slk_err_text(err));
    if (s->is_comparable && s->checkpoint.head.tree_size < before)
        find(w, CLI_NO, "rollback", node,
            "shows %" PRIu64 " entries, and has shown %" PRIu64 " before: rolled back",
            s->checkpoint.head.tree_size, before);
    if (s->is_good && s->quorum_time_s + w->stale_s < now_s)
        find(w, CLI_NO, "stale", node,
            "its newest checkpoint was cosigned %" PRIu64
            " seconds ago: the node is cut off, or the network stands still",
            now_s - s->quorum_time_s);
}

static bool look(struct watch *w)
{
    const struct http_request request = {
        .path = "/checkpoint", .accept = "text/plain", .max = SLK_NOTE_MAX, .patience_ms = 2000};
    size_t n = http_nodes_n(w->nodes.client);
    struct http_answer *answers = calloc(n, sizeof(*answers));

    if (answers == NULL)
        return false;
    (void)http_ask_all(w->nodes.client, &request, answers);
    for (size_t i = 0; i < n; i++) {
        look_at(w, i, &answers[i]);
        http_answer_clear(&answers[i]);
    }
    free(answers);
    return true;
}

/* ---- comparing ---- */

/* Not to be lost: appended, synced, and never in the place of an older one. */
static bool append_evidence(const struct watch *w, const char *line, size_t size)
{
    int fd = open(w->evidence_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    bool good = fd >= 0 && write(fd, line, size) == (ssize_t)size && fsync(fd) == 0;

    if (fd >= 0)
        good = close(fd) == 0 && good;
    if (!good)
        cli_fail(w->cli, CLI_UNSURE, "%s: %s: THE EVIDENCE IS NOT SAVED; here it is: %s", w->evidence_file,
            strerror(errno), line);
    return good;
}

static void name_convicted(const struct watch *w, const struct evidence *e, char *out, size_t cap)
{
    struct conviction *convicted = calloc(EVIDENCE_CONVICTED_MAX, sizeof(*convicted));
    struct slk_fault fault = {0};
    size_t n = 0, used = 0;

    out[0] = '\0';
    if (convicted == NULL || evidence_judge_split(e, w->policy, convicted, &n, &fault) != SLK_OK)
        snprintf(out, cap, "no key signed both");
    for (size_t i = 0; i < n && used < cap; i++)
        used += (size_t)snprintf(out + used, cap - used, "%s%s %s (%08" PRIx32 ")", i > 0 ? ", " : "",
            convicted[i].key->type == SLK_SIG_ED25519 ? "log key of" : "cosigner", convicted[i].key->name,
            convicted[i].key->key_hash);
    free(convicted);
}

static void shout(struct watch *w, const struct sighting *a, const struct sighting *b, struct evidence *e)
{
    char who[600];
    size_t size = 0;
    char *line;
    bool saved;

    e->kind = EVIDENCE_SPLIT;
    e->notes[0] = a->note;
    e->notes[1] = b->note;
    e->notes_n[0] = a->note_n;
    e->notes_n[1] = b->note_n;
    snprintf(e->from[0], sizeof(e->from[0]), "%s", a->from);
    snprintf(e->from[1], sizeof(e->from[1]), "%s", b->from);
    line = evidence_format(e, &size);
    saved = line != NULL && append_evidence(w, line, size);
    name_convicted(w, e, who, sizeof(who));
    w->split = true;
    find(w, CLI_NO, "split-view", b->node,
        "SPLIT VIEW: two histories were signed. %" PRIu64 " entries shown by %s and %" PRIu64
        " entries shown by %s cannot be of one log. Signed both: %s. %s%s",
        a->checkpoint.head.tree_size, a->from, b->checkpoint.head.tree_size, b->from, who,
        saved ? "The evidence: " : "THE EVIDENCE COULD NOT BE SAVED", saved ? w->evidence_file : "");
    free(line);
}

/* A node's path between two sizes, into e. False: that is no answer to the question. */
static bool read_path(struct evidence *e, struct slk_hash *root, const struct http_answer *answer)
{
    json_t *object = cli_answer_json(answer), *path = json_object_get(object, "path"), *item;
    const char *old_root = json_string_value(json_object_get(object, "old_root"));
    const char *new_root = json_string_value(json_object_get(object, "root"));
    bool good = old_root != NULL && new_root != NULL && json_is_array(path) &&
                json_array_size(path) <= EVIDENCE_PATH_MAX &&
                text_hash_parse(e->old_root.b, old_root, strlen(old_root)) &&
                text_hash_parse(root->b, new_root, strlen(new_root));
    size_t i;

    e->has_path = true;
    e->path_n = good ? json_array_size(path) : 0;
    for (i = 0; good && i < e->path_n; i++) {
        item = json_array_get(path, i);
        good = json_is_string(item) &&
               text_hash_parse(e->path[i].b, json_string_value(item), json_string_length(item));
    }
    json_decref(object);
    return good;
}

/* OTHER_ROOT: a path to a root of the node's own. One of the two is not of the log, and an unsigned answer does not say which. */
enum proof { PROVEN, CONTRADICTED, OTHER_ROOT, FALSE_ANSWER, NO_ANSWER };

static enum proof ask_for_path(
    struct watch *w, size_t node, const struct sighting *a, const struct sighting *b, struct evidence *e)
{
    char path[80];
    const struct http_request request = {
        .path = path, .accept = "application/json", .max = CONSISTENCY_BYTES, .patience_ms = 2000};
    struct slk_tree_head was = a->checkpoint.head;
    const struct slk_tree_head *now = &b->checkpoint.head;
    struct slk_tree_head other = *now;
    struct http_answer answer;
    struct slk_hash root;
    bool readable;

    snprintf(path, sizeof(path), "/v1/consistency/%" PRIu64 "-%" PRIu64, was.tree_size, now->tree_size);
    if (!http_ask(w->nodes.client, node, &request, &answer)) {
        http_answer_clear(&answer);
        return NO_ANSWER;
    }
    readable = read_path(e, &root, &answer);
    http_answer_clear(&answer);
    if (!readable)
        return FALSE_ANSWER;
    if (slk_tree_check_consistency(&was, now, e->path, e->path_n) == SLK_OK)
        return PROVEN;
    other.root_hash = root;
    if (!slk_hash_equal(&root, &now->root_hash) &&
        slk_tree_check_consistency(&was, &other, e->path, e->path_n) == SLK_OK)
        return OTHER_ROOT;
    was.root_hash = e->old_root;
    return !slk_hash_equal(&e->old_root, &a->checkpoint.head.root_hash) &&
                   slk_tree_check_consistency(&was, now, e->path, e->path_n) == SLK_OK
               ? CONTRADICTED
               : FALSE_ANSWER;
}

/* Did the larger one grow out of the smaller one? Whoever shows the larger one is asked first, then all others. */
static void prove(struct watch *w, const struct sighting *a, const struct sighting *b)
{
    size_t n = http_nodes_n(w->nodes.client), first = b->node != SIZE_MAX ? b->node : 0;
    bool lied = false;

    for (size_t i = 0; i < n; i++) {
        struct evidence e = {0};

        switch (ask_for_path(w, (first + i) % n, a, b, &e)) {
        case PROVEN:
            return;
        case CONTRADICTED:
            shout(w, a, b, &e);
            return;
        case OTHER_ROOT: /* against what a quorum signed the answer is false; against what one member signed alone, that is */
            lied = true;
            if (b->is_good)
                find(w, CLI_NO, "false-proof", (first + i) % n,
                    "has another root at %" PRIu64 " entries than the one a quorum signed",
                    b->checkpoint.head.tree_size);
            else
                find(w, CLI_NO, "contradicted", b->node,
                    "its checkpoint of %" PRIu64
                    " entries, which no quorum signed, has another root than %s has there",
                    b->checkpoint.head.tree_size, name_of(w, (first + i) % n));
            break;
        case FALSE_ANSWER:
            lied = true;
            find(w, CLI_NO, "false-proof", (first + i) % n,
                "gives a path from %" PRIu64 " to %" PRIu64 " entries that does not lead to the signed root",
                a->checkpoint.head.tree_size, b->checkpoint.head.tree_size);
            break;
        case NO_ANSWER:
            break;
        }
    }
    find(w, lied ? CLI_NO : CLI_UNSURE, "unproven", b->node,
        "nobody shows that its %" PRIu64 " entries begin with the %" PRIu64 " that %s shows%s",
        b->checkpoint.head.tree_size, a->checkpoint.head.tree_size, a->from,
        a->node == SIZE_MAX ? " (remembered)" : "");
}

static int by_size(const void *x, const void *y)
{
    const struct sighting *const *a = x, *const *b = y;
    uint64_t m = (*a)->checkpoint.head.tree_size, n = (*b)->checkpoint.head.tree_size;

    return m < n ? -1 : m > n;
}

static void compare_two(struct watch *w, const struct sighting *a, const struct sighting *b)
{
    struct evidence e = {0};

    if (a->checkpoint.head.tree_size < b->checkpoint.head.tree_size)
        prove(w, a, b);
    else if (!slk_hash_equal(&a->checkpoint.head.root_hash, &b->checkpoint.head.root_hash))
        shout(w, a, b, &e);
}

/* First those that a quorum signed: what one member alone signed may be of any size, and must not stand between two of them. */
static void compare(struct watch *w)
{
    const struct sighting *sorted[SIGHTINGS_MAX], *before = NULL;
    size_t n = 0;

    for (size_t i = 0; i < http_nodes_n(w->nodes.client); i++)
        if (w->seen[i].is_comparable)
            sorted[n++] = &w->seen[i];
    if (w->state.newest.note != NULL)
        sorted[n++] = &w->state.newest;
    qsort(sorted, n, sizeof(const struct sighting *), by_size);
    for (size_t i = 0; i < n && !w->split; i++) {
        if (!sorted[i]->is_good)
            continue;
        if (before != NULL)
            compare_two(w, before, sorted[i]);
        before = sorted[i];
    }
    for (size_t i = 1; i < n && !w->split; i++)
        if (!sorted[i - 1]->is_good || !sorted[i]->is_good)
            compare_two(w, sorted[i - 1], sorted[i]);
}

/* ---- telling ---- */

static json_t *node_json(const struct watch *w, size_t i, uint64_t now_s)
{
    const struct sighting *s = &w->seen[i];
    char hex[TEXT_HEX_SIZE];

    if (!s->is_comparable)
        return json_pack("{s:s, s:b}", "url", name_of(w, i), "good", 0);
    return json_pack("{s:s, s:b, s:I, s:s, s:I, s:I}", "url", name_of(w, i), "good", s->is_good, "size",
        (json_int_t)s->checkpoint.head.tree_size, "root",
        text_hex(hex, s->checkpoint.head.root_hash.b, SLK_HASH_SIZE), "cosignatures",
        (json_int_t)s->cosignatures_n, "age_seconds",
        (json_int_t)(now_s > s->quorum_time_s ? now_s - s->quorum_time_s : 0));
}

static void tell(struct watch *w)
{
    uint64_t now_s = cli_now_ms() / 1000, size = 0, newest = 0;
    size_t n = http_nodes_n(w->nodes.client), good = 0;
    char time[TEXT_TIME_SIZE], count[TEXT_HUMAN_SIZE], head[80] = "";
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        const struct sighting *s = &w->seen[i];

        json_array_append_new(list, node_json(w, i, now_s));
        good += s->is_good;
        if (s->is_good && s->checkpoint.head.tree_size > size)
            size = s->checkpoint.head.tree_size;
        if (s->is_good && s->quorum_time_s > newest)
            newest = s->quorum_time_s;
    }
    text_time(time, now_s);
    if (w->json) {
        cli_json(json_pack("{s:s, s:s, s:O, s:O}", "time", time, "result",
            w->split             ? "split-view"
            : w->code == CLI_YES ? "agree"
            : w->code == CLI_NO  ? "trouble"
                                 : "unsure",
            "nodes", list, "findings", w->findings));
    } else if (w->once || w->code != CLI_YES || size != w->shown_size) {
        if (good > 0)
            snprintf(head, sizeof(head), ", %s entries, cosigned %" PRIu64 " s ago", text_count(count, size),
                newest > 0 && now_s > newest ? now_s - newest : 0);
        printf("%s  %zu of %zu nodes%s%s\n", time, good, n,
            w->split             ? " SHOW TWO HISTORIES"
            : w->code == CLI_YES ? " agree"
                                 : " with a good checkpoint",
            head);
    }
    fflush(stdout);
    w->shown_size = size;
    json_decref(list);
}

static bool one_round(struct watch *w)
{
    bool good;

    w->findings = json_array();
    w->split = false;
    w->code = CLI_YES;
    good = w->findings != NULL && look(w);
    if (good)
        compare(w);
    for (size_t i = 0; good && !w->split && i < http_nodes_n(w->nodes.client); i++)
        if (w->seen[i].is_comparable)
            good = watch_state_take(&w->state, &w->seen[i], name_of(w, i));
    if (!good)
        w->code = cli_fault(w->cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
    else if (!w->split && !watch_state_save(w->cli, &w->state))
        w->code = w->code == CLI_NO ? CLI_NO : CLI_UNSURE;
    tell(w);
    for (size_t i = 0; i < HTTP_NODES_MAX; i++)
        sighting_clear(&w->seen[i]);
    json_decref(w->findings);
    return good && !w->split;
}

static int watch(struct watch *w)
{
    for (;;) {
        uint64_t started = cli_tick_ms(), took;
        struct timespec pause;

        if (!one_round(w) || w->once)
            return w->code;
        took = cli_tick_ms() - started;
        if (took < w->interval_s * 1000) {
            pause.tv_sec = (time_t)((w->interval_s * 1000 - took) / 1000);
            pause.tv_nsec = (long)((w->interval_s * 1000 - took) % 1000) * 1000000;
            (void)nanosleep(&pause, NULL);
        }
    }
}

static int run(struct cli *cli)
{
    struct watch *w = calloc(1, sizeof(*w));
    const char *state = NULL;
    int code;

    if (w == NULL)
        return cli_fault(cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
    *w = (struct watch){
        .cli = cli, .interval_s = INTERVAL_S, .stale_s = STALE_S, .evidence_file = "split-view.evidence"};
    const struct cli_option options[] = {
        CLI_NODE_OPTIONS(&w->nodes),
        CLI_TEXT(
            "policy", "FILE", &w->policy_file, "the trust policy that checkpoints must satisfy (needed)"),
        CLI_TEXT("state", "FILE", &state, "remember here what was seen, to be compared next time"),
        CLI_TEXT("evidence", "FILE", &w->evidence_file,
            "where to write what convicts (default split-view.evidence)"),
        CLI_NUMBER("interval", "S", &w->interval_s, 1, CLI_DAY_S, "look every S seconds (default 30)"),
        CLI_NUMBER("stale", "S", &w->stale_s, 0, UINT32_MAX,
            "alarm when the newest cosignatures are older (default 300)"),
        CLI_FLAG("once", &w->once, "look once, and exit with what was seen"),
        CLI_FLAG("json", &w->json, "each look as one JSON object"),
        {0},
    };

    code = CLI_UNSURE;
    if (!cli_parse(cli, options, 0, 0))
        code = cli->exit_code;
    else if (w->policy_file == NULL)
        cli_fail(cli, CLI_UNSURE, "whose signatures count? give --policy FILE, from somebody you trust");
    else if (cli_policy_load(cli, w->policy_file, &w->policy) && cli_nodes_open(cli, &w->nodes)) {
        w->state.path = state;
        code = watch_state_load(cli, &w->state, w->policy) ? watch(w) : CLI_UNSURE;
    }
    watch_state_clear(&w->state);
    slk_policy_free(w->policy);
    cli_nodes_close(&w->nodes);
    free(w);
    return code;
}

const struct cli_command cmd_watch = {
    .name = "watch",
    .usage = "--url URL... --policy FILE [--state FILE] [--once]",
    .summary = "Watch several nodes, and raise the alarm when they show two histories",
    .about = "Every checkpoint is verified against the policy, and each is proven to be the beginning of the "
             "next larger one;\n"
             "with --state also against what was seen before. Alarms: two histories (SPLIT VIEW; the signed "
             "evidence is written\n"
             "down, `sillok evidence` judges it, and watching ends), a node rolled back, stale, or with "
             "false proofs.\n" CLI_NODES_ABOUT "\n\n"
             "Exit: 0 all agree (--once), 1 an alarm was raised, 2 could not tell: a node did not answer.",
    .run = run,
};
