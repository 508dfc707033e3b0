/* prove_entry.c: see prove_entry.h. Whatever it comes from, the proof is checked against the checkpoint before it is written. */
#include "tools/prove_entry.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/log.h"
#include "ledger/verify/policy.h"
#include "tools/tree_read.h"

/* Where tiles, entry and checkpoint come from: a ledger's view, or a tree. */
struct source {
    struct cli *cli;
    const char *name;
    struct slk_ledger *ledger;
    struct slk_view *view;
    struct tree *tree;
    struct tree_file note_file;
    struct tree_bundle bundle;
    struct slk_span note, entry;
    struct slk_tree_head head;
};

static bool give_up(struct source *s, enum slk_err err, const struct slk_fault *fault)
{
    s->cli->exit_code = cli_fault(s->cli, cli_code_of(err), s->name, err, fault);
    return false;
}

static bool read_tile(void *ctx, uint32_t level, uint64_t index, uint32_t width, struct slk_hash *out)
{
    struct source *s = ctx;
    const struct tree_part part = {.kind = TREE_HASHES, .level = level, .index = index, .width = width};
    struct slk_fault fault = {0};

    return s->view != NULL ? slk_view_tile(s->view, level, index, width, out)
                           : tree_hashes(s->tree, &part, out, &fault) == SLK_OK;
}

static bool open_ledger(struct source *s, const char *dir)
{
    struct slk_ledger_options options = {.read_only = true};
    struct slk_fault fault = {0};
    enum slk_err err;

    s->ledger = cli_open(s->cli, dir, &options);
    if (s->ledger == NULL)
        return false;
    err = slk_view_begin(&s->view, slk_ledger_store(s->ledger));
    if (err == SLK_OK)
        err = slk_view_checkpoint(s->view, &s->head, &s->note);
    return err == SLK_OK || give_up(s, err == SLK_E_NOT_FOUND ? SLK_E_UNSIGNED : err, &fault);
}

static bool open_tree(struct source *s, struct tree *tree)
{
    struct slk_fault fault = {0};
    enum slk_err err = tree != NULL ? SLK_OK : SLK_E_NOMEM;

    s->tree = tree;
    if (err == SLK_OK)
        err = tree_get(tree, TREE_CHECKPOINT, SLK_NOTE_MAX, &s->note_file, &fault);
    s->note = slk_span_of(s->note_file.bytes, s->note_file.size);
    return err == SLK_OK || give_up(s, err, &fault);
}

static bool open_source(struct source *s, const struct prove_entry *wanted)
{
    s->cli->exit_code = CLI_UNSURE;
    if (wanted->dir == NULL) {
        s->name = http_node_name(wanted->nodes->client, 0);
        return open_tree(s, tree_of_url(wanted->nodes->client, 0));
    }
    s->name = wanted->dir;
    return tree_is_dir(wanted->dir) ? open_tree(s, tree_of_dir(wanted->dir)) : open_ledger(s, wanted->dir);
}

static void close_source(struct source *s)
{
    slk_view_end(s->view);
    slk_ledger_close(s->ledger);
    tree_bundle_clear(&s->bundle);
    free(s->note_file.bytes);
    tree_free(s->tree);
}

static bool read_entry(struct source *s, uint64_t index)
{
    uint64_t first = index - index % SLK_TILE_WIDTH, left = s->head.tree_size - first;
    const struct tree_part part = {.kind = TREE_ENTRIES,
        .index = index / SLK_TILE_WIDTH,
        .width = left < SLK_TILE_WIDTH ? (uint32_t)left : SLK_TILE_WIDTH};
    struct slk_fault fault = {0};
    enum slk_err err;

    if (s->view != NULL) {
        err = slk_view_entry(s->view, index, &s->entry);
    } else {
        err = tree_bundle(s->tree, &part, &s->bundle, &fault);
        s->entry = s->bundle.items[index % SLK_TILE_WIDTH];
    }
    return err == SLK_OK || give_up(s, err, &fault);
}

/* The path, checked with the entry's own bytes. */
static bool read_path(struct source *s, struct slk_tlog_proof *proof)
{
    struct slk_fault fault = {0};
    struct slk_hash leaf;
    enum slk_err err =
        slk_log_inclusion_path(proof->path, &proof->path_n, proof->index, s->head.tree_size, read_tile, s);

    slk_hash_leaf(&leaf, s->entry.at, s->entry.size);
    if (err == SLK_OK)
        err = slk_tree_check_inclusion(&s->head, proof->index, &leaf, proof->path, proof->path_n);
    return err == SLK_OK || give_up(s, err, &fault);
}

static bool read_head(struct source *s, uint64_t index)
{
    struct slk_checkpoint checkpoint;
    struct slk_note note;

    if (slk_note_parse(&note, (const char *)s->note.at, s->note.size) != SLK_OK ||
        slk_checkpoint_parse_any(&checkpoint, note.text) != SLK_OK)
        return give_up(s, SLK_E_CHECKPOINT, NULL);
    s->head = checkpoint.head;
    if (index >= s->head.tree_size) {
        s->cli->exit_code = cli_fail(s->cli, CLI_UNSURE,
            "%s: its checkpoint covers %" PRIu64 " entries, numbered from 0: there is no entry %" PRIu64,
            s->name, s->head.tree_size, index);
        return false;
    }
    return true;
}

/* As whoever gets it will. */
static bool check_policy(struct source *s, const struct prove_entry *wanted, struct slk_span text)
{
    const struct slk_verify_options options = {.now_s = cli_now_ms() / 1000};
    struct slk_entry_answer answer;
    struct slk_fault fault = {0};
    enum slk_err err;

    if (wanted->policy == NULL)
        return true;
    err = slk_verify_entry(&answer, text, s->entry, wanted->policy, &options);
    memcpy(fault.text, answer.detail, sizeof(fault.text));
    return err == SLK_OK || give_up(s, err, &fault);
}

static bool write_all(struct source *s, const struct prove_entry *wanted, struct slk_span text)
{
    bool is_told = wanted->out != NULL && strcmp(wanted->out, "-") != 0; /* else the proof is the output */

    s->cli->exit_code = CLI_UNSURE;
    if ((wanted->entry_out != NULL && !cli_write(s->cli, wanted->entry_out, s->entry.at, s->entry.size)) ||
        !cli_write(s->cli, wanted->out, text.at, text.size))
        return false;
    if (is_told && wanted->json)
        cli_json(json_pack("{s:s, s:I, s:I, s:I}", "file", wanted->out, "bytes", (json_int_t)text.size,
            "index", (json_int_t)wanted->index, "tree_size", (json_int_t)s->head.tree_size));
    else if (is_told)
        printf("%s: %zu bytes: entry %" PRIu64 " of %" PRIu64 "\n", wanted->out, text.size, wanted->index,
            s->head.tree_size);
    s->cli->exit_code = CLI_YES;
    return true;
}

int prove_entry(struct cli *cli, const struct prove_entry *wanted)
{
    static uint8_t text[SLK_TLOG_PROOF_MAX];
    struct source s = {.cli = cli};
    struct slk_tlog_proof proof = {.index = wanted->index};
    size_t size;

    if (open_source(&s, wanted) && read_head(&s, wanted->index) && read_entry(&s, wanted->index) &&
        read_path(&s, &proof)) {
        proof.note = s.note;
        size = slk_tlog_proof_format(text, sizeof(text), &proof);
        if (size == 0)
            (void)give_up(&s, SLK_E_TOO_LARGE, NULL);
        else if (check_policy(&s, wanted, slk_span_of(text, size)))
            (void)write_all(&s, wanted, slk_span_of(text, size));
    }
    close_source(&s);
    return cli->exit_code;
}
