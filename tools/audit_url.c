/* audit_url.c: see audit_url.h. The blocks come as a bundle and are imported into a directory, which verifies every finality certificate
 * and executes everything again; then each node's checkpoint is held against the log that came out. */
#include "tools/audit_url.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/url_blocks.h"

#define POLICY_ROOM 65536

struct audit {
    const struct audit_url *o;
    struct cli *cli;
    struct url_blocks blocks;
    char dir[4096], bundle[4200];
    struct slk_store *store;
    struct slk_view *view;
    struct slk_policy *policy;
    json_t *nodes;
    int code;
};

/* ---- the blocks ---- */

/* The height of the ledger that an earlier audit left in --keep; 0: there is none. */
static uint64_t kept_height(struct audit *a)
{
    const struct slk_store_options options = {.read_only = true};
    struct slk_store *store = NULL;
    struct slk_fault fault = {0};
    uint64_t height = 0;

    if (slk_store_open(&store, a->dir, &options, &fault) == SLK_OK && slk_store_has_tip(store))
        height = slk_store_tip(store)->height;
    slk_store_close(store);
    return height;
}

static enum slk_err fetch(struct audit *a, struct slk_fault *fault)
{
    struct slk_bundle_export what = {.file = a->bundle,
        .to = UINT64_MAX,
        .progress = cli_progress_step,
        .progress_ctx = &a->cli->progress};
    struct slk_bundle_import import = {.dir = a->dir,
        .file = a->bundle,
        .chain = &a->blocks.source.chain_id,
        .threads = a->o->threads,
        .progress = cli_progress_step,
        .progress_ctx = &a->cli->progress};
    struct slk_bundle_sizes sizes;
    struct slk_bundle_result result;
    enum slk_err err;

    what.from = kept_height(a); /* the newest that is there comes once more, to be compared */
    if (what.from > a->blocks.source.tip) {
        snprintf(fault->text, sizeof(fault->text),
            "it is at block %" PRIu64 ", and %.100s has block %" PRIu64 " already", a->blocks.source.tip,
            a->dir, what.from);
        return SLK_E_CHAIN;
    }
    err = slk_bundle_export(&a->blocks.source, &what, &sizes, fault);
    cli_progress_end(&a->cli->progress);
    if (err == SLK_OK)
        err = slk_bundle_import(&import, &result, fault);
    cli_progress_end(&a->cli->progress);
    (void)unlink(a->bundle);
    return err;
}

static enum slk_err open_result(struct audit *a, struct slk_tip *tip, struct slk_fault *fault)
{
    struct cli_charter c;
    char *text = malloc(POLICY_ROOM);
    enum slk_err err = text != NULL ? SLK_OK : SLK_E_NOMEM;

    if (err == SLK_OK && !cli_charter_load(a->cli, a->dir, &c))
        err = SLK_E_IO;
    if (err == SLK_OK) {
        err = slk_policy_new(&a->policy, text, slk_charter_policy(text, POLICY_ROOM, c.charter), fault);
        cli_charter_free(&c);
    }
    free(text);
    a->store = err == SLK_OK ? cli_open_store(a->cli, a->dir) : NULL;
    if (err == SLK_OK)
        err = a->store != NULL ? slk_view_begin(&a->view, a->store) : SLK_E_IO;
    if (err == SLK_OK)
        *tip = *slk_view_tip(a->view);
    return err;
}

/* ---- what the nodes say ---- */

static void say(struct audit *a, size_t node, int code, const char *text)
{
    const char *url = http_node_name(a->o->nodes->client, node);

    json_array_append_new(a->nodes, json_pack("{s:s, s:s, s:s}", "url", url, "result",
                                        code == CLI_YES  ? "agrees"
                                        : code == CLI_NO ? "contradicts"
                                                         : "unknown",
                                        "text", text));
    a->code = a->code == CLI_NO || code == CLI_NO ? CLI_NO : code > a->code ? code : a->code;
    if (code != CLI_YES)
        cli_fail(a->cli, code, "%s: %s", url, text);
    else if (!a->o->json)
        printf("%s: %s\n", url, text);
}

static void compare_head(
    struct audit *a, size_t node, const struct slk_tip *tip, const struct slk_tree_head *head)
{
    char text[200], count[TEXT_HUMAN_SIZE];
    struct slk_hash root;

    text_count(count, head->tree_size);
    if (head->tree_size > tip->log_size) {
        const struct slk_tree_head ours = {.tree_size = tip->log_size, .root_hash = tip->log_root};
        enum slk_err err = url_begins_with(a->o->nodes, node, &ours, head);

        snprintf(text, sizeof(text),
            err == SLK_OK ? "its %s signed entries begin with the audited ones"
            : err == SLK_E_PROOF
                ? "nothing shows that its %s signed entries begin with the audited ones: run `sillok watch`"
                : "it does not answer what its %s signed entries begin with",
            count);
        say(a, node, err == SLK_OK ? CLI_YES : err == SLK_E_PROOF ? CLI_NO : CLI_UNSURE, text);
        return;
    }
    if (slk_log_root_at(&root, head->tree_size, slk_view_tile, a->view) != SLK_OK ||
        !slk_hash_equal(&root, &head->root_hash)) {
        snprintf(text, sizeof(text),
            "ANOTHER HISTORY: its %s signed entries have another root than the audited ones: run `sillok "
            "watch`, it writes the "
            "evidence",
            count);
        say(a, node, CLI_NO, text);
        return;
    }
    snprintf(text, sizeof(text), "its %s signed entries are the audited ones", count);
    say(a, node, CLI_YES, text);
}

static void compare_node(struct audit *a, const struct slk_tip *tip, const struct http_answer *answer)
{
    const struct slk_verify_options options = {.now_s = cli_now_ms() / 1000, .allow_no_quorum = true};
    struct slk_note *note = malloc(sizeof(*note));
    struct slk_checkpoint checkpoint;
    struct slk_policy_verdict verdict;
    char text[200];
    enum slk_err err;

    if (answer->status != 200 || note == NULL) {
        say(a, answer->node, CLI_UNSURE, answer->error[0] != '\0' ? answer->error : "out of memory");
        free(note);
        return;
    }
    err = slk_note_parse(note, (const char *)answer->body, answer->size);
    if (err == SLK_OK)
        err = slk_checkpoint_parse(&checkpoint, note->text);
    if (err == SLK_OK)
        err = slk_policy_check(&verdict, a->policy, note, &checkpoint, &options);
    if (err == SLK_OK) {
        compare_head(a, answer->node, tip, &checkpoint.head);
    } else {
        snprintf(text, sizeof(text), "its checkpoint is not signed as the audited charter asks: %.120s",
            slk_err_text(err));
        say(a, answer->node, CLI_NO, text);
    }
    free(note);
}

static void compare_nodes(struct audit *a, const struct slk_tip *tip)
{
    const struct http_request request = {
        .path = "/checkpoint", .accept = "text/plain", .max = SLK_NOTE_MAX, .patience_ms = 2000};
    size_t n = http_nodes_n(a->o->nodes->client);
    struct http_answer *answers = calloc(n, sizeof(*answers));

    if (answers == NULL) {
        a->code = cli_fault(a->cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
        return;
    }
    (void)http_ask_all(a->o->nodes->client, &request, answers);
    for (size_t i = 0; i < n; i++) {
        compare_node(a, tip, &answers[i]);
        http_answer_clear(&answers[i]);
    }
    free(answers);
}

/* ---- the whole ---- */

/* A ledger is put into an empty directory, or goes on in its own: said before the whole chain is fetched for it. */
static bool can_keep(struct audit *a)
{
    const struct dirent *entry;
    bool is_ledger = false;
    char stranger[64] = "";
    DIR *dir = opendir(a->o->keep);

    if (dir == NULL && errno != ENOENT) {
        cli_fail(a->cli, CLI_UNSURE, "--keep: %s: %s", a->o->keep, strerror(errno));
        return false;
    }
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        is_ledger = is_ledger || strcmp(entry->d_name, "data.mdb") == 0;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            snprintf(stranger, sizeof(stranger), "%.63s", entry->d_name);
    }
    if (dir != NULL)
        closedir(dir);
    if (!is_ledger && stranger[0] != '\0')
        cli_fail(a->cli, CLI_UNSURE,
            "--keep: %s holds `%s`, and no ledger: name what an earlier audit kept, an empty directory, or a "
            "new one",
            a->o->keep, stranger);
    return is_ledger || stranger[0] == '\0';
}

static bool make_place(struct audit *a)
{
    const char *tmp = getenv("TMPDIR");

    if (a->o->keep != NULL) {
        if (!can_keep(a))
            return false;
        snprintf(a->dir, sizeof(a->dir), "%s", a->o->keep);
        snprintf(a->bundle, sizeof(a->bundle), "%s.blocks", a->dir);
        return true;
    }
    snprintf(
        a->bundle, sizeof(a->bundle), "%s/sillok-audit-XXXXXX", tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp");
    if (mkdtemp(a->bundle) == NULL) {
        cli_fail(a->cli, CLI_UNSURE, "%s: %s", a->bundle, strerror(errno));
        return false;
    }
    snprintf(a->dir, sizeof(a->dir), "%.4000s/ledger", a->bundle);
    snprintf(a->bundle + strlen(a->bundle), sizeof(a->bundle) - strlen(a->bundle), "/blocks");
    return true;
}

/* Only what was made here: the ledger's files, its directory, and the one around it. */
static void remove_place(struct audit *a)
{
    char path[sizeof(a->dir) + 300];
    struct dirent *entry;
    DIR *dir;

    if (a->o->keep != NULL || a->dir[0] == '\0')
        return;
    dir = opendir(a->dir);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        snprintf(path, sizeof(path), "%s/%s", a->dir, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            (void)unlink(path);
    }
    if (dir != NULL)
        closedir(dir);
    (void)rmdir(a->dir);
    *strrchr(a->dir, '/') = '\0';
    (void)rmdir(a->dir);
}

static int audit(struct audit *a, struct audit_url_result *out)
{
    struct slk_fault fault = {0};
    enum slk_err err;

    if ((a->o->nodes->client == NULL && !cli_nodes_open(a->cli, a->o->nodes)) ||
        !url_blocks_open(&a->blocks, a->cli, a->o->nodes))
        return a->cli->exit_code;
    snprintf(out->giver, sizeof(out->giver), "%s", http_node_name(a->o->nodes->client, a->blocks.giver));
    out->chain_id = a->blocks.source.chain_id;
    if (a->o->chain != NULL && !slk_hash_equal(a->o->chain, &out->chain_id))
        return cli_fail(a->cli, CLI_NO,
            "%s: this is another ledger: its genesis charter is not the expected one", out->giver);
    if (!make_place(a))
        return CLI_UNSURE;
    err = fetch(a, &fault);
    if (err == SLK_OK)
        err = open_result(a, &out->tip, &fault);
    if (err != SLK_OK) {
        out->err = err;
        out->fault = fault;
        return cli_fault(a->cli, cli_code_of(err),
            err == SLK_E_IN_USE ? a->dir : http_node_name(a->o->nodes->client, a->blocks.giver), err, &fault);
    }
    compare_nodes(a, &out->tip);
    return a->code;
}

int audit_url(struct cli *cli, const struct audit_url *options, struct audit_url_result *out)
{
    struct audit *a = calloc(1, sizeof(*a));
    int code;

    *out = (struct audit_url_result){.nodes = json_array()};
    if (a == NULL || out->nodes == NULL) {
        free(a);
        return cli_fault(cli, CLI_UNSURE, NULL, SLK_E_NOMEM, NULL);
    }
    a->o = options;
    a->cli = cli;
    a->nodes = out->nodes;
    code = audit(a, out);
    slk_view_end(a->view);
    slk_store_close(a->store);
    slk_policy_free(a->policy);
    url_blocks_close(&a->blocks);
    remove_place(a);
    cli_nodes_close(options->nodes);
    free(a);
    return code;
}
