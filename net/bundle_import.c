/* bundle_import.c: blocks of a bundle become blocks of a ledger: what a node does with final blocks that it is behind (R8 on a
 * window), one after the other, without a network. No key is used and nothing is signed: README.md says why a member's own votes
 * cannot be hurt by it. */
#include "net/bundle.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/embed/ledger_private.h"
#include "ledger/verify/policy.h"
#include "net/node_body.h"

struct import {
    const struct slk_bundle_import *what;
    struct slk_bundle_result *result;
    struct slk_fault *fault;
    FILE *file;
    char path[4096];
    struct slk_bundle_reader reader;
    struct slk_bundle_item item;
    struct slk_ledger *ledger; /* NULL: not open yet */
    struct slk_block block;
    struct slk_body_items items;
    struct slk_council council;
    bool is_last; /* the last part was read to its end */
};

__attribute__((format(printf, 3, 4))) static enum slk_err fail(
    struct import *im, enum slk_err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(im->fault->text, sizeof(im->fault->text), format, args);
    va_end(args);
    return err;
}

static enum slk_err fail_at(struct import *im, enum slk_err err)
{
    char why[sizeof(im->fault->text)];

    memcpy(why, im->fault->text, sizeof(why));
    return fail(im, err, "block %" PRIu64 ": %.200s", im->item.fields.height,
        why[0] != '\0' ? why : slk_err_text(err));
}

/* ---- the ledger ---- */

static enum slk_err open_ledger(struct import *im)
{
    struct slk_ledger_options options = {.by_node = true,
        .threads = im->what->threads,
        .progress = im->what->progress,
        .progress_ctx = im->what->progress_ctx};

    enum slk_err err = slk_ledger_open(&im->ledger, im->what->dir, &options, im->fault);

    if (err == SLK_OK)
        im->ledger->machine.is_vouched = im->what->is_vouched;
    return err;
}

/* A directory of its own for a chain that the caller named: its first charter is in the bundle. */
static enum slk_err make_ledger(struct import *im)
{
    struct slk_ledger_options options = {.threads = im->what->threads};
    struct slk_hash chain_id;
    enum slk_err err = slk_bundle_next(&im->reader, &im->item, im->fault);

    if (err != SLK_OK)
        return err;
    if (im->item.kind != SLK_BUNDLE_CHARTER)
        return fail(im, SLK_E_NOT_FOUND,
            "%.80s: no ledger is there, and this part does not hold the first charter: begin with part 0",
            im->what->dir);
    slk_charter_chain_id(&chain_id, im->item.bytes);
    if (!slk_hash_equal(&chain_id, im->what->chain))
        return fail(
            im, SLK_E_CHAIN, "the first charter in the bundle is that of another chain: it is altered");
    err = slk_ledger_init(im->what->dir, im->item.bytes, &options, im->fault);
    return err == SLK_OK ? open_ledger(im) : err;
}

static enum slk_err bring_ledger(struct import *im)
{
    enum slk_err err = open_ledger(im);

    if (err != SLK_E_NOT_FOUND)
        return err;
    if (im->what->chain != NULL)
        return make_ledger(im);
    return fail(im, err,
        "%.100s: there is no ledger: make it with `sillok init`, or name the chain that you expect with "
        "--chain",
        im->what->dir);
}

/* Before anything is read: is this a bundle for this ledger, now? */
static enum slk_err check_place(struct import *im)
{
    const struct slk_bundle_head *head = &im->reader.head;
    const struct slk_tip *tip = slk_ledger_tip(im->ledger);

    if (!slk_hash_equal(&head->chain_id, slk_ledger_chain_id(im->ledger)))
        return fail(im, SLK_E_CHAIN, "the bundle is of another ledger's chain");
    if (head->to < tip->height)
        return fail(im, SLK_E_REFUSED,
            "the bundle ends at block %" PRIu64 ", and this ledger is at block %" PRIu64
            ": nothing in it is new",
            head->to, tip->height);
    if (head->from > tip->height + 1)
        return fail(im, SLK_E_CHAIN,
            "the bundle begins at block %" PRIu64 ", and this ledger ends at block %" PRIu64
            ": first bring blocks %" PRIu64 " to "
            "%" PRIu64,
            head->from, tip->height, tip->height + 1, head->from - 1);
    return SLK_OK;
}

/* ---- one block ---- */

/* It is here already: the same, or the bundle is of another history. */
static enum slk_err compare(struct import *im)
{
    struct slk_view_block stored;
    enum slk_err err = slk_view_block(im->ledger->view, im->item.fields.height, &stored);

    if (err != SLK_OK)
        return fail(im, err, "cannot be read here; run `sillok fsck`");
    if (memcmp(stored.header, im->item.header, SLK_BLOCK_HEADER_SIZE) != 0)
        return fail(im, SLK_E_CHAIN,
            "the bundle has another block than the one that is final here: two histories; keep the file, and "
            "ask the members");
    im->result->known_n++;
    return SLK_OK;
}

static enum slk_err save(struct import *im, const struct slk_hash *previous_seal)
{
    const struct slk_block *block = &im->block;
    struct slk_pooled_id *included;
    enum slk_err err;

    if (!slk_body_is(
            &im->items, &block->header, previous_seal, slk_span_of(block->entries, block->entries_size)))
        return fail(
            im, SLK_E_NOMEM, "%s", slk_err_text(SLK_E_NOMEM)); /* it was executed: only memory can lack */
    included = malloc((im->items.n + 1) * sizeof(*included));
    if (included == NULL)
        return fail(im, SLK_E_NOMEM, "%s", slk_err_text(SLK_E_NOMEM));
    for (size_t i = 0; i < im->items.n; i++)
        included[i] = im->items.at[i].id;
    err = slk_store_commit(im->ledger->store,
        &(struct slk_decision){
            .block = block, .finality = &im->item.final, .included = included, .included_n = im->items.n},
        im->fault);
    free(included);
    return err;
}

/* The committed block is what is read from now on. */
static enum slk_err move_on(struct import *im)
{
    struct slk_ledger *ledger = im->ledger;
    enum slk_err err = slk_source_renew(&ledger->source);

    if (err == SLK_OK)
        err = slk_view_renew(ledger->view);
    if (err == SLK_OK)
        err = slk_ledger_give_room(ledger);
    if (err == SLK_OK)
        err = slk_ledger_snapshot_between(ledger, im->fault);
    return err;
}

/* Did the members of the charter in force finalise it? */
static enum slk_err check_finality(struct import *im)
{
    const struct slk_charter *charter = slk_ledger_charter(im->ledger);
    enum slk_err err = slk_council_of(&im->council, charter, slk_ledger_chain_id(im->ledger));

    if (err != SLK_OK)
        return err;
    if (!slk_hash_equal(&im->item.fields.charter_hash, &charter->hash))
        return fail(im, SLK_E_SIGNATURE,
            "it names another charter than the one in force (version %" PRIu64 ")", charter->version);
    if (!slk_cert_check(&im->item.final, &im->council, &slk_verifier_ed25519))
        return fail(im, SLK_E_SIGNATURE,
            "its finality certificate is not signed by a quorum of the charter in force");
    return SLK_OK;
}

static enum slk_err execute(struct import *im)
{
    struct slk_ledger *ledger = im->ledger;
    struct slk_hash previous_seal = ledger->machine.tip.seal_hash;
    enum slk_err err = check_finality(im);

    if (err == SLK_OK)
        err = slk_block_check(&im->block, &ledger->machine, &ledger->source.reads, im->item.header,
            im->item.bytes, slk_workers_par(ledger->workers), im->fault);
    if (err != SLK_OK)
        return err;
    err = save(im, &previous_seal);
    if (err == SLK_OK)
        err = move_on(im);
    if (err != SLK_OK) { /* memory is ahead of the disk: nothing more is written */
        ledger->broken = err;
        ledger->broken_fault = *im->fault;
        return err;
    }
    im->result->blocks_n++;
    im->result->events_n += im->item.fields.event_count;
    if (im->what->imported != NULL)
        im->what->imported(im->what->ctx, im->item.fields.height);
    return SLK_OK;
}

static enum slk_err take_block(struct import *im)
{
    enum slk_err err;

    im->fault->text[0] = '\0';
    err = im->item.fields.height <= slk_ledger_tip(im->ledger)->height ? compare(im) : execute(im);
    if (err != SLK_OK)
        return fail_at(im, err);
    if (im->what->progress != NULL)
        im->what->progress(im->what->progress_ctx, "blocks", im->item.fields.height, im->reader.head.to);
    return SLK_OK;
}

/* ---- the checkpoint ---- */

static bool is_by(
    const struct slk_charter *charter, const struct slk_note *note, const struct slk_checkpoint *checkpoint)
{
    struct slk_verify_options options = {.now_s = UINT64_MAX / 2};
    struct slk_policy_verdict verdict;
    struct slk_policy *policy = NULL;
    struct slk_fault fault;
    size_t cap = 1u << 17;
    char *text = malloc(cap);
    bool is_good = text != NULL &&
                   slk_policy_new(&policy, text, slk_charter_policy(text, cap, charter), &fault) == SLK_OK &&
                   slk_policy_check(&verdict, policy, note, checkpoint, &options) == SLK_OK;

    slk_policy_free(policy);
    free(text);
    return is_good;
}

/* A quorum's signature under the tip: without a network nobody else can bring it, and no proof can be given without it. What
 * is signed by fewer is left out: it comes from a node that had just committed the block. */
static enum slk_err take_checkpoint(struct import *im)
{
    const struct slk_tip *tip = slk_ledger_tip(im->ledger);
    const struct slk_charters *charters = im->ledger->machine.charters;
    struct slk_checkpoint checkpoint;
    struct slk_note *note = malloc(sizeof(*note));
    enum slk_err err = SLK_OK;

    if (note == NULL)
        return fail(im, SLK_E_NOMEM, "%s", slk_err_text(SLK_E_NOMEM));
    if (im->reader.head.to == tip->height &&
        slk_note_parse(note, (const char *)im->item.bytes.at, im->item.bytes.size) == SLK_OK &&
        slk_checkpoint_parse(&checkpoint, note->text) == SLK_OK &&
        checkpoint.head.tree_size == tip->log_size &&
        slk_hash_equal(&checkpoint.head.root_hash, &tip->log_root) &&
        (is_by(slk_charters_now(charters), note, &checkpoint) ||
            is_by(slk_charters_last(charters), note, &checkpoint))) {
        err = slk_store_put_checkpoint(im->ledger->store, &checkpoint.head, im->item.bytes);
        if (err == SLK_OK)
            err = slk_view_renew(im->ledger->view);
        im->result->has_checkpoint = err == SLK_OK;
    }
    free(note);
    return err == SLK_OK ? SLK_OK : fail(im, err, "the checkpoint cannot be stored: %s", slk_err_text(err));
}

/* ---- files ---- */

static size_t fill(void *ctx, uint8_t *out, size_t cap)
{
    FILE *file = ctx;
    size_t n = fread(out, 1, cap, file);

    return n == 0 && ferror(file) != 0 ? SIZE_MAX : n;
}

static enum slk_err read_items(struct import *im)
{
    enum slk_err err;

    do {
        err = slk_bundle_next(&im->reader, &im->item, im->fault);
        if (err == SLK_OK && im->item.kind == SLK_BUNDLE_BLOCK)
            err = take_block(im);
        else if (err == SLK_OK && im->item.kind == SLK_BUNDLE_CHECKPOINT)
            err = take_checkpoint(im);
    } while (err == SLK_OK && im->item.kind != SLK_BUNDLE_END);
    if (err == SLK_OK) {
        im->is_last = im->item.is_last;
        im->result->parts_n++;
    }
    return err;
}

static enum slk_err read_part(struct import *im, bool is_numbered)
{
    enum slk_err err = slk_bundle_open(&im->reader, fill, im->file, im->fault);

    if (err == SLK_OK && is_numbered && im->reader.head.part != im->result->parts_n)
        err = fail(im, SLK_E_MALFORMED, "this is part %u, and part %u should stand here",
            im->reader.head.part, im->result->parts_n);
    if (err == SLK_OK && im->what->chain != NULL &&
        !slk_hash_equal(&im->reader.head.chain_id, im->what->chain))
        err = fail(im, SLK_E_CHAIN, "the bundle is of another chain than the one you expect");
    if (err == SLK_OK && im->ledger == NULL)
        err = bring_ledger(im);
    if (err == SLK_OK)
        err = check_place(im);
    if (err == SLK_OK)
        err = read_items(im);
    slk_bundle_close(&im->reader);
    return err;
}

static enum slk_err import_file(struct import *im, bool is_numbered)
{
    char why[sizeof(im->fault->text)];
    enum slk_err err;

    im->file = fopen(im->path, "rbe");
    if (im->file == NULL)
        return fail(
            im, errno == ENOENT ? SLK_E_NOT_FOUND : SLK_E_IO, "%.200s: %s", im->path, strerror(errno));
    err = read_part(im, is_numbered);
    (void)fclose(im->file);
    if (err == SLK_OK || !is_numbered)
        return err;
    memcpy(why, im->fault->text, sizeof(why));
    return fail(im, err, "part %u: %.200s", im->result->parts_n, why);
}

static bool exists(const char *path)
{
    FILE *file = fopen(path, "rbe");

    if (file == NULL)
        return errno != ENOENT;
    (void)fclose(file);
    return true;
}

static enum slk_err import_all(struct import *im)
{
    bool is_numbered = !exists(im->what->file);
    enum slk_err err;

    do {
        int n = is_numbered
                    ? snprintf(im->path, sizeof(im->path), "%s.%03u", im->what->file, im->result->parts_n)
                    : snprintf(im->path, sizeof(im->path), "%s", im->what->file);

        if (n < 0 || (size_t)n >= sizeof(im->path))
            return fail(im, SLK_E_TOO_LARGE, "the file's name is too long");
        if (is_numbered && !exists(im->path))
            return im->result->parts_n == 0
                       ? fail(im, SLK_E_NOT_FOUND, "%.150s: there is no such file, nor parts of one",
                             im->what->file)
                       : fail(im, SLK_E_NOT_FOUND, "%.150s is missing: the parts before it are imported",
                             im->path);
        err = import_file(im, is_numbered);
    } while (err == SLK_OK && is_numbered && !im->is_last);
    return err;
}

enum slk_err slk_bundle_import(
    const struct slk_bundle_import *what, struct slk_bundle_result *result, struct slk_fault *fault)
{
    struct import *im = calloc(1, sizeof(*im));
    enum slk_err err;

    *fault = (struct slk_fault){0};
    *result = (struct slk_bundle_result){0};
    if (im == NULL)
        return SLK_E_NOMEM;
    im->what = what;
    im->result = result;
    im->fault = fault;
    err = import_all(im);
    if (im->ledger != NULL)
        result->tip = slk_store_tip(im->ledger->store)->height;
    if (err == SLK_OK)
        fault->text[0] = '\0'; /* a damaged snapshot that was left out is the next start's to tell */
    slk_ledger_close(im->ledger);
    slk_block_free(&im->block);
    slk_body_items_free(&im->items);
    free(im);
    return err;
}
