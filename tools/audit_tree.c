/* audit_tree.c: see audit_tree.h. The entries decide: they are hashed into tiles of our own, which the tree's must equal, level by level
 * up to the checkpoint's root; and they are cut into blocks at their seals and executed. */
#include "tools/audit_tree.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tools/replay.h"

#define AHEAD 8 /* tiles of entries, each with its tile of hashes */

struct audit {
    const struct audit_tree *o;
    struct cli *cli;
    struct audit_tree_result *out;
    struct slk_fault *fault;
    struct tree_file note_file; /* the note and the checkpoint borrow from it */
    struct slk_note note;
    struct slk_checkpoint checkpoint;
    uint64_t entries_n, blocks_n; /* as the checkpoint and its last seal say */
    struct slk_log log;
    enum slk_err closing; /* of what check_tile found */
    struct replay *replay;
    uint8_t *block; /* entries since the last seal, in bundle form */
    size_t block_n, block_cap;
    struct tree_bundle bundle;   /* of the entries */
    struct tree_bundle finality; /* of the blocks around `height` */
    uint64_t height;             /* blocks executed */
    bool has_finality;
    size_t charters_n; /* seen in the log */
    bool has_charters;
};

__attribute__((format(printf, 3, 4))) static enum slk_err fail(
    struct audit *a, enum slk_err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(a->fault->text, sizeof(a->fault->text), format, args);
    va_end(args);
    return err;
}

/* What the checkpoint commits to must be there, and in form. */
static enum slk_err judged(enum slk_err err)
{
    return err == SLK_E_NOT_FOUND || err == SLK_E_MALFORMED || err == SLK_E_TOO_LARGE ? SLK_E_CORRUPT : err;
}

/* ---- the checkpoint ---- */

static enum slk_err read_checkpoint(struct audit *a)
{
    const struct slk_verify_options options = {.now_s = cli_now_ms() / 1000, .allow_no_quorum = true};
    struct slk_policy_verdict verdict;
    enum slk_err err = tree_get(a->o->tree, TREE_CHECKPOINT, SLK_NOTE_MAX, &a->note_file, a->fault);

    if (err != SLK_OK)
        return err;
    err = tree_note_parse(&a->note, &a->checkpoint, slk_span_of(a->note_file.bytes, a->note_file.size));
    if (err == SLK_OK && a->o->policy != NULL)
        err = slk_policy_check(&verdict, a->o->policy, &a->note, &a->checkpoint, &options);
    if (err != SLK_OK)
        return fail(a, err, "%s: %s", TREE_CHECKPOINT, slk_err_text(err));
    if (a->checkpoint.head.tree_size < 2)
        return fail(a, SLK_E_CHECKPOINT, "%s: a ledger has at least two entries", TREE_CHECKPOINT);
    a->out->files_n++;
    a->out->head = a->checkpoint.head;
    a->entries_n = a->checkpoint.head.tree_size;
    return SLK_OK;
}

/* By members of the charter that governed the last block under it, or of the one that governs the next. */
static enum slk_err check_signers(struct audit *a)
{
    const struct slk_machine *machine = replay_machine(a->replay);
    const struct slk_charter *last = slk_charters_last(machine->charters);
    struct slk_policy_verdict verdict;
    enum slk_err err = tree_note_check(last, &a->note, &a->checkpoint, &verdict);

    if (err != SLK_OK && last != machine->charter)
        err = tree_note_check(machine->charter, &a->note, &a->checkpoint, &verdict);
    if (err != SLK_OK)
        return fail(
            a, err, "%s: not signed as the audited charter asks: %s", TREE_CHECKPOINT, slk_err_text(err));
    a->out->cosignatures_n = verdict.cosignatures_n;
    a->out->cosigned_at_s = verdict.quorum_time_s;
    return SLK_OK;
}

/* ---- tiles ---- */

static uint32_t width_of(uint64_t index, uint64_t n)
{
    return n - index * SLK_TILE_WIDTH < SLK_TILE_WIDTH ? (uint32_t)(n - index * SLK_TILE_WIDTH)
                                                       : SLK_TILE_WIDTH;
}

/* The tree's tile must be these hashes. */
static enum slk_err check_tile(
    struct audit *a, uint32_t level, uint64_t index, uint32_t width, const struct slk_hash *should)
{
    const struct tree_part part = {TREE_HASHES, level, index, width};
    struct slk_hash is[SLK_TILE_WIDTH];
    char path[TREE_PATH_MAX];
    enum slk_err err = tree_hashes(a->o->tree, &part, is, a->fault);

    if (err != SLK_OK)
        return judged(err);
    a->out->files_n++;
    tree_path(path, &part);
    for (uint32_t i = 0; i < width; i++)
        if (!slk_hash_equal(&is[i], &should[i]))
            return fail(a, SLK_E_CORRUPT,
                level == 0 ? "%s: hash %" PRIu32 " is not that of entry %" PRIu64
                           : "%s: hash %" PRIu32 " is not that of the %" PRIu64 ". tile below",
                path, i, index * SLK_TILE_WIDTH + i);
    return SLK_OK;
}

static bool read_tile(void *ctx, uint32_t level, uint64_t index, uint32_t width, struct slk_hash *out)
{
    struct audit *a = ctx;
    const struct tree_part part = {TREE_HASHES, level, index, width};

    return tree_hashes(a->o->tree, &part, out, a->fault) == SLK_OK;
}

/* Do the tree's own last tiles have the checkpoint's root? Said before hours are spent on what lies below them. */
static enum slk_err check_root(struct audit *a)
{
    struct slk_hash root;
    enum slk_err err = slk_log_root_at(&root, a->entries_n, read_tile, a);

    if (err != SLK_OK)
        return err;
    return slk_hash_equal(&root, &a->checkpoint.head.root_hash)
               ? SLK_OK
               : fail(a, SLK_E_CORRUPT, "the tiles at the end have another root than the checkpoint");
}

static void on_tile(void *ctx, uint32_t level, uint64_t index, const struct slk_hash *hashes)
{
    struct audit *a = ctx;

    if (a->closing == SLK_OK)
        a->closing = check_tile(a, level, index, SLK_TILE_WIDTH, hashes);
}

/* The right edge above the entries, and the root. */
static enum slk_err check_edge(struct audit *a)
{
    struct slk_hash root;

    for (uint32_t level = 1; level < SLK_TILE_LEVELS; level++) {
        uint64_t n = a->log.size >> (SLK_TILE_HEIGHT * level);
        enum slk_err err = SLK_OK;

        if (n % SLK_TILE_WIDTH != 0)
            err =
                check_tile(a, level, n / SLK_TILE_WIDTH, (uint32_t)(n % SLK_TILE_WIDTH), a->log.edge[level]);
        if (err != SLK_OK)
            return err;
    }
    slk_log_root(&a->log, &root);
    return slk_hash_equal(&root, &a->checkpoint.head.root_hash)
               ? SLK_OK
               : fail(a, SLK_E_CORRUPT, "the %" PRIu64 " entries lead to another root than the checkpoint's",
                     a->entries_n);
}

/* ---- finality ---- */

/* The last entry, unverified yet, says how many blocks there must be; without that no file of certificates can be named. */
static enum slk_err count_blocks(struct audit *a)
{
    const uint64_t index = (a->entries_n - 1) / SLK_TILE_WIDTH;
    const struct tree_part part = {TREE_ENTRIES, 0, index, width_of(index, a->entries_n)};
    struct tree_bundle bundle;
    struct slk_seal seal;
    enum slk_err err = tree_bundle(a->o->tree, &part, &bundle, a->fault);

    if (err != SLK_OK)
        return judged(err);
    err = tree_seal_parse(&seal, bundle.items[part.width - 1]);
    tree_bundle_clear(&bundle);
    if (err != SLK_OK || seal.height >= a->entries_n)
        return fail(a, SLK_E_SEAL, "entry %" PRIu64 ", the checkpoint's last, is no seal of a block",
            a->entries_n - 1);
    a->blocks_n = seal.height + 1;
    return SLK_OK;
}

static enum slk_err read_finality(struct audit *a, uint64_t height)
{
    const uint64_t index = height / SLK_TILE_WIDTH;
    const struct tree_part part = {TREE_FINALITY, 0, index, width_of(index, a->blocks_n)};
    enum slk_err err;

    tree_bundle_clear(&a->finality);
    if (height >= a->blocks_n)
        return fail(a, SLK_E_CORRUPT, "more blocks than the last seal counts");
    err = tree_bundle(a->o->tree, &part, &a->finality, a->fault);
    if (err == SLK_E_NOT_FOUND && height == 0)
        return err; /* a tree of tiles and nothing else */
    a->out->files_n += err == SLK_OK;
    return judged(err);
}

/* The members who vote under the charter in force finalised the block that was just executed. `council` is of before it. */
static enum slk_err check_finality(struct audit *a, const struct slk_council *council)
{
    const struct slk_tip *tip = &replay_machine(a->replay)->tip;
    const struct slk_span item = a->finality.items[tip->height % SLK_TILE_WIDTH];
    struct slk_cert cert;

    if (tip->height == 0) /* the charter itself: nobody could vote before it */
        return item.size == 0 ? SLK_OK
                              : fail(a, SLK_E_CORRUPT, "a finality certificate of block 0, which has none");
    if (tree_cert_parse(&cert, tip->height, item) != SLK_OK ||
        !slk_hash_equal(&cert.hash, &tip->block_hash) ||
        !slk_cert_check(&cert, council, &slk_verifier_ed25519))
        return fail(a, SLK_E_CORRUPT,
            "its finality certificate is not signed by a quorum of the charter's members, or is of another "
            "block");
    a->out->finality_n++;
    return SLK_OK;
}

/* ---- blocks ---- */

static enum slk_err fail_at(struct audit *a, enum slk_err err)
{
    char why[sizeof(a->fault->text)];

    memcpy(why, a->fault->text, sizeof(why));
    return fail(a, err, "block %" PRIu64 ": %.200s", a->height, why[0] != '\0' ? why : slk_err_text(err));
}

static enum slk_err check_chain(struct audit *a)
{
    const struct slk_machine *machine = replay_machine(a->replay);

    a->out->chain_id = machine->chain_id;
    if (a->o->chain != NULL && !slk_hash_equal(a->o->chain, &machine->chain_id))
        return fail(a, SLK_E_CHAIN, "this is another ledger: its genesis charter is not the expected one");
    return SLK_OK;
}

static enum slk_err end_block(struct audit *a)
{
    const struct slk_machine *machine = replay_machine(a->replay);
    struct slk_council council = {0};
    enum slk_err err = SLK_OK;

    a->fault->text[0] = '\0';
    if (a->has_finality && a->height % SLK_TILE_WIDTH == 0) {
        err = read_finality(a, a->height);
        a->has_finality = err != SLK_E_NOT_FOUND;
        if (err != SLK_OK && a->has_finality)
            return err;
    }
    if (a->has_finality && a->height > 0)
        err = slk_council_of(&council, machine->charter, &machine->chain_id);
    else
        err = SLK_OK;
    if (err == SLK_OK)
        err = replay_block(a->replay, slk_span_of(a->block, a->block_n), a->fault);
    if (err == SLK_OK && a->has_finality)
        err = check_finality(a, &council);
    if (err != SLK_OK)
        return fail_at(a, err);
    a->block_n = 0;
    return a->height++ == 0 ? check_chain(a) : SLK_OK;
}

/* What stands in charter/ beside the tiles must be what the log holds. */
static enum slk_err check_charter(struct audit *a, uint64_t index, struct slk_span entry)
{
    struct tree_file file;
    char path[40];
    enum slk_err err;

    snprintf(path, sizeof(path), "charter/%zu", a->charters_n);
    err = tree_get(a->o->tree, path, SLK_ENTRY_MAX, &file, a->fault);
    if (a->charters_n++ == 0)
        a->has_charters = err != SLK_E_NOT_FOUND;
    if (!a->has_charters)
        return SLK_OK;
    if (err == SLK_OK && !slk_span_equal(slk_span_of(file.bytes, file.size), entry))
        err = fail(a, SLK_E_CORRUPT, "%s: not the charter that entry %" PRIu64 " holds", path, index);
    a->out->files_n += err == SLK_OK;
    free(file.bytes);
    return judged(err);
}

static enum slk_err take_entry(struct audit *a, uint64_t index, struct slk_span entry)
{
    struct slk_entry parsed;
    enum slk_err err = slk_entry_parse(&parsed, entry);

    if (err != SLK_OK)
        return fail(a, SLK_E_CORRUPT, "entry %" PRIu64 ": %s", index, slk_err_text(err));
    if (entry.size + 2 > SLK_BODY_MAX - a->block_n)
        return fail(a, SLK_E_CORRUPT,
            "entry %" PRIu64 ": the block is larger than one can be, without a seal", index);
    if (a->block_n + entry.size + 2 > a->block_cap) {
        size_t cap = 2 * (a->block_n + entry.size + 2);
        uint8_t *more = realloc(a->block, cap);

        if (more == NULL)
            return fail(a, SLK_E_NOMEM, "%s", slk_err_text(SLK_E_NOMEM));
        a->block = more;
        a->block_cap = cap;
    }
    if (parsed.type == SLK_ENTRY_CHARTER && a->has_finality) {
        err = check_charter(a, index, entry);
        if (err != SLK_OK)
            return err;
    }
    a->block[a->block_n] = (uint8_t)(entry.size >> 8);
    a->block[a->block_n + 1] = (uint8_t)entry.size;
    memcpy(a->block + a->block_n + 2, entry.at, entry.size);
    a->block_n += entry.size + 2;
    return parsed.type == SLK_ENTRY_SEAL ? end_block(a) : SLK_OK;
}

/* ---- all of it ---- */

static void ask_ahead(struct audit *a, uint64_t index)
{
    for (uint64_t i = index; i < index + AHEAD && i * SLK_TILE_WIDTH < a->entries_n; i++) {
        tree_ahead(a->o->tree, &(struct tree_part){TREE_ENTRIES, 0, i, width_of(i, a->entries_n)});
        tree_ahead(a->o->tree, &(struct tree_part){TREE_HASHES, 0, i, width_of(i, a->entries_n)});
    }
}

/* Entries against their tile of hashes first: what is altered is then told by its place, and nothing altered is executed. */
static enum slk_err take_tile(struct audit *a, uint64_t index)
{
    const struct tree_part part = {TREE_ENTRIES, 0, index, width_of(index, a->entries_n)};
    struct slk_hash leaves[SLK_TILE_WIDTH];
    enum slk_err err;

    ask_ahead(a, index);
    err = tree_bundle(a->o->tree, &part, &a->bundle, a->fault);
    if (err != SLK_OK)
        return judged(err);
    a->out->files_n++;
    for (uint32_t i = 0; i < part.width; i++)
        slk_hash_leaf(&leaves[i], a->bundle.items[i].at, a->bundle.items[i].size);
    if (part.width < SLK_TILE_WIDTH)
        err = check_tile(a, 0, index, part.width, leaves);
    slk_log_append(&a->log, leaves, part.width, on_tile, a);
    if (err == SLK_OK)
        err = a->closing;
    for (uint32_t i = 0; err == SLK_OK && i < part.width; i++)
        err = take_entry(a, index * SLK_TILE_WIDTH + i, a->bundle.items[i]);
    tree_bundle_clear(&a->bundle);
    return err;
}

static enum slk_err run(struct audit *a)
{
    const char *tmp = getenv("TMPDIR");
    enum slk_err err = read_checkpoint(a);

    if (err == SLK_OK)
        err = check_root(a);
    if (err == SLK_OK)
        err = count_blocks(a);
    if (err == SLK_OK)
        err = replay_new(&a->replay, tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp", a->o->threads, a->fault);
    a->has_finality = true; /* until the first file of it is missed */
    for (uint64_t i = 0; err == SLK_OK && i * SLK_TILE_WIDTH < a->entries_n; i++) {
        err = take_tile(a, i);
        cli_progress_step(&a->cli->progress, "entries", a->log.size, a->entries_n);
    }
    cli_progress_end(&a->cli->progress);
    if (err == SLK_OK)
        err = check_edge(a);
    if (err == SLK_OK && a->block_n > 0)
        err = fail(a, SLK_E_SEAL, "the last entries have no seal");
    if (err == SLK_OK)
        err = check_signers(a);
    if (err == SLK_OK)
        a->out->tip = replay_machine(a->replay)->tip;
    return err;
}

enum slk_err audit_tree(
    struct cli *cli, const struct audit_tree *options, struct audit_tree_result *out, struct slk_fault *fault)
{
    struct audit *a = calloc(1, sizeof(*a));
    enum slk_err err;

    *out = (struct audit_tree_result){0};
    *fault = (struct slk_fault){0};
    if (a == NULL)
        return SLK_E_NOMEM;
    a->o = options;
    a->cli = cli;
    a->out = out;
    a->fault = fault;
    err = run(a);
    tree_bundle_clear(&a->bundle);
    tree_bundle_clear(&a->finality);
    replay_free(a->replay);
    free(a->note_file.bytes);
    free(a->block);
    free(a);
    return err;
}
