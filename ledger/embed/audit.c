/* audit.c: replays a whole ledger from its genesis charter, trusting nothing that is stored beside the entries. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/block_scratch.h"
#include "ledger/embed/ledger_private.h"
#include "ledger/verify/policy.h"

#define RENEW_EVERY 256 /* blocks: a reader that holds its picture for long keeps the writer from reusing pages */

struct audit {
    struct slk_store *store;
    struct slk_charter *charter;
    struct slk_machine machine;
    struct slk_workers *workers;
    struct slk_source source;
    struct slk_view *view;
    struct slk_block block;
    struct slk_fault *fault;
    const struct slk_ledger_options *options; /* threads, progress, fingerprint_bits */
};

static enum slk_err fail_at(struct audit *a, uint64_t height, enum slk_err err)
{
    char why[sizeof(a->fault->text)];

    memcpy(why, a->fault->text, sizeof(why));
    snprintf(a->fault->text, sizeof(a->fault->text), "block %llu: %.200s", (unsigned long long)height,
        why[0] != '\0' ? why : slk_err_text(err));
    return err;
}

static enum slk_err begin(struct audit *a, const struct slk_hash *expected_chain)
{
    struct slk_map_options map_options = {
        .fingerprint_bits = a->options->fingerprint_bits, .advise = slk_store_huge_pages};
    struct slk_span charter = slk_store_charter(a->store);
    enum slk_err err;

    a->charter = malloc(sizeof(*a->charter));
    if (a->charter == NULL)
        return slk_ledger_fail(a->fault, SLK_E_NOMEM, NULL);
    if (slk_charter_parse(a->charter, charter) != SLK_OK)
        return slk_ledger_fail(a->fault, SLK_E_CORRUPT, "the genesis charter does not parse");
    err = slk_charter_validate_genesis(a->charter, a->fault);
    if (err != SLK_OK)
        return err;
    slk_charter_chain_id(&a->machine.chain_id, charter);
    if (expected_chain != NULL && !slk_hash_equal(expected_chain, &a->machine.chain_id))
        return slk_ledger_fail(a->fault, SLK_E_CHAIN, "this is another ledger: its genesis charter is not the expected one");
    a->machine.charter = a->charter;
    slk_log_init(&a->machine.log);
    err = slk_map_new(&a->machine.map, &map_options);
    if (err == SLK_OK)
        err = slk_index_set_new(&a->machine.indexes, a->charter);
    if (err == SLK_OK)
        err = slk_charters_new(&a->machine.charters, a->charter);
    if (err == SLK_OK)
        err = slk_workers_new(&a->workers, a->options->threads);
    if (err == SLK_OK)
        err = slk_source_open(&a->source, a->store, slk_workers_width(a->workers));
    if (err == SLK_OK)
        err = slk_view_begin(&a->view, a->store);
    return err == SLK_OK ? SLK_OK : slk_ledger_fail(a->fault, err, NULL);
}

/* The rows are derived data: a copy of what execution leads to, so that look-ups need no replay. They must be the same. */
static enum slk_err compare_rows(struct audit *a, const struct slk_view_block *stored)
{
    if (stored->first_index != a->block.first_index || stored->first_row != a->block.first_row ||
        stored->entries_n != a->block.entries_n || stored->rows_n != a->block.rows_n)
        return slk_ledger_fail(a->fault, SLK_E_CORRUPT, "it is filed under wrong numbers");
    if (!slk_span_equal(stored->rows, slk_span_of(a->block.rows, slk_rows_size(a->block.rows_n))))
        return slk_ledger_fail(a->fault, SLK_E_CORRUPT, "its stored status records are not those its events lead to");
    return SLK_OK;
}

/* q members of the charter in force voted FINALIZE for this very header. */
static enum slk_err check_finality(struct audit *a, uint64_t height, const uint8_t header[SLK_BLOCK_HEADER_SIZE])
{
    struct slk_council council;
    struct slk_cert cert;
    struct slk_hash hash;
    enum slk_err err;

    if (height == 0)
        return SLK_OK; /* the charter itself: nobody could vote before it */
    err = slk_view_finality(a->view, height, &cert);
    if (err == SLK_OK)
        err = slk_council_of(&council, a->machine.charter, &a->machine.chain_id);
    if (err != SLK_OK)
        return slk_ledger_fail(a->fault, err, "its finality certificate is missing, damaged, or of another block");
    slk_block_hash(&hash, header);
    if (!slk_hash_equal(&hash, &cert.hash) || !slk_cert_check(&cert, &council, &slk_verifier_ed25519))
        return slk_ledger_fail(
            a->fault, SLK_E_CORRUPT, "its finality certificate is not signed by a quorum of the charter's members");
    return SLK_OK;
}

static enum slk_err replay_block(struct audit *a, uint64_t height)
{
    struct slk_view_block stored;
    enum slk_err err = slk_view_block(a->view, height, &stored);

    a->fault->text[0] = '\0';
    if (err == SLK_OK)
        err = check_finality(a, height, stored.header);
    if (err == SLK_OK)
        err = slk_block_check(&a->block, &a->machine, &a->source.reads, stored.header, stored.entries, slk_workers_par(a->workers), a->fault);
    if (err == SLK_OK)
        err = compare_rows(a, &stored);
    return err == SLK_OK ? SLK_OK : fail_at(a, height, err);
}

static enum slk_err replay(struct audit *a)
{
    for (uint64_t height = 0;; height++) {
        enum slk_err err = SLK_OK;

        if (height % RENEW_EVERY == 0) {
            err = slk_view_renew(a->view);
            if (err == SLK_OK)
                err = slk_source_renew(&a->source);
            if (err != SLK_OK)
                return slk_ledger_fail(a->fault, err, NULL);
        }
        if (slk_view_tip(a->view) == NULL)
            return slk_ledger_fail(
                a->fault, SLK_E_NOT_FOUND, "the ledger has no genesis block yet: open it once for writing");
        if (height > slk_view_tip(a->view)->height)
            return SLK_OK;
        err = replay_block(a, height);
        if (err != SLK_OK)
            return err;
        if (a->options->progress != NULL)
            a->options->progress(a->options->progress_ctx, "blocks", height + 1, slk_view_tip(a->view)->height + 1);
    }
}

static enum slk_err compare_tip(struct audit *a)
{
    const struct slk_tip *is = slk_view_tip(a->view), *should = &a->machine.tip;

    if (is->height != should->height || is->log_size != should->log_size || is->rows_n != should->rows_n ||
        is->events_n != should->events_n || is->time_ms != should->time_ms || !slk_hash_equal(&is->block_hash, &should->block_hash) ||
        !slk_hash_equal(&is->seal_hash, &should->seal_hash) || !slk_hash_equal(&is->log_root, &should->log_root) ||
        !slk_hash_equal(&is->map_root, &should->map_root))
        return slk_ledger_fail(a->fault, SLK_E_CORRUPT, "the stored tip is not where the blocks lead");
    return SLK_OK;
}

/* One of the chain's charters by its hash. SLK_E_NOT_FOUND: none is. */
static enum slk_err find_charter(struct audit *a, const struct slk_hash *hash, struct slk_charter *out)
{
    enum slk_err err = SLK_OK;

    *out = *a->charter;
    for (size_t i = 0; err == SLK_OK && !slk_hash_equal(&out->hash, hash); i++) {
        struct slk_span bytes;
        struct slk_entry entry;
        uint64_t height;

        err = slk_view_change(a->view, i, &height, &bytes);
        if (err == SLK_OK && (slk_entry_parse(&entry, bytes) != SLK_OK || slk_charter_parse(out, entry.charter) != SLK_OK))
            err = SLK_E_CORRUPT;
    }
    return err;
}

/* Is the note signed as the policy of this charter asks? */
static enum slk_err check_note(
    struct audit *a, const struct slk_hash *charter_hash, const struct slk_note *note, const struct slk_checkpoint *checkpoint)
{
    struct slk_verify_options options = {.now_s = UINT64_MAX / 2};
    struct slk_charter *charter = malloc(sizeof(*charter));
    struct slk_policy_verdict verdict;
    struct slk_policy *policy = NULL;
    size_t cap = 1u << 17;
    char *text = malloc(cap);
    enum slk_err err = charter != NULL && text != NULL ? find_charter(a, charter_hash, charter) : SLK_E_NOMEM;

    if (err == SLK_OK)
        err = slk_policy_new(&policy, text, slk_charter_policy(text, cap, charter), a->fault);
    if (err == SLK_OK)
        err = slk_policy_check(&verdict, policy, note, checkpoint, &options);
    slk_policy_free(policy);
    free(charter);
    free(text);
    return err;
}

/* By members of the charter that governed the last block under the checkpoint, or of the one that governs the next. */
static enum slk_err check_signers(struct audit *a, const struct slk_note *note, const struct slk_checkpoint *checkpoint)
{
    struct slk_block_header header;
    struct slk_view_block block;
    uint64_t height;
    enum slk_err err = slk_view_height_of(a->view, checkpoint->head.tree_size - 1, &height);

    if (err == SLK_OK)
        err = slk_view_block(a->view, height, &block);
    if (err == SLK_OK)
        err = slk_block_header_parse(&header, block.header);
    if (err != SLK_OK)
        return slk_ledger_fail(a->fault, SLK_E_CORRUPT, "the signed checkpoint is not of this log");
    err = check_note(a, &header.charter_hash, note, checkpoint);
    if (err == SLK_OK || slk_hash_equal(&header.charter_hash, &header.next_charter_hash))
        return err;
    a->fault->text[0] = '\0';
    return check_note(a, &header.next_charter_hash, note, checkpoint);
}

/* The checkpoint, if there is one, must satisfy the policy that follows from the charter and be of this log. */
static enum slk_err check_checkpoint(struct audit *a)
{
    struct slk_checkpoint checkpoint;
    struct slk_tree_head head;
    struct slk_hash root;
    struct slk_note *note = NULL;
    struct slk_span bytes;
    enum slk_err err = slk_view_checkpoint(a->view, &head, &bytes);

    if (err == SLK_E_NOT_FOUND)
        return SLK_OK;
    note = malloc(sizeof(*note));
    if (err == SLK_OK && note == NULL)
        err = SLK_E_NOMEM;
    if (err == SLK_OK)
        err = slk_note_parse(note, (const char *)bytes.at, bytes.size);
    if (err == SLK_OK)
        err = slk_checkpoint_parse(&checkpoint, note->text);
    if (err == SLK_OK && (checkpoint.head.tree_size != head.tree_size || !slk_hash_equal(&checkpoint.head.root_hash, &head.root_hash)))
        err = slk_ledger_fail(a->fault, SLK_E_CORRUPT, "the signed checkpoint is filed under another size or root than its own");
    if (err == SLK_OK && (checkpoint.head.tree_size == 0 || checkpoint.head.tree_size > a->machine.tip.log_size ||
            slk_log_root_at(&root, checkpoint.head.tree_size, slk_view_tile, a->view) != SLK_OK ||
            !slk_hash_equal(&root, &checkpoint.head.root_hash)))
        err = slk_ledger_fail(a->fault, SLK_E_CORRUPT, "the signed checkpoint is not of this log");
    if (err == SLK_OK)
        err = check_signers(a, note, &checkpoint);
    if (err != SLK_OK && a->fault->text[0] == '\0')
        snprintf(a->fault->text, sizeof(a->fault->text), "the signed checkpoint: %s", slk_err_text(err));
    free(note);
    return err;
}

enum slk_err slk_ledger_audit_with(const char *dir, const struct slk_hash *expected_chain,
    const struct slk_ledger_options *options, struct slk_tip *tip, uint64_t *events_n, struct slk_fault *fault)
{
    struct slk_store_options store_options = {.read_only = true, .unchecked = true}; /* we look at every block */
    struct audit *a = calloc(1, sizeof(*a));
    enum slk_err err;

    fault->line = 0;
    fault->text[0] = '\0';
    if (a == NULL)
        return slk_ledger_fail(fault, SLK_E_NOMEM, NULL);
    a->fault = fault;
    a->options = options;
    err = slk_store_open(&a->store, dir, &store_options, fault);
    if (err == SLK_OK)
        err = begin(a, expected_chain);
    if (err == SLK_OK)
        err = replay(a);
    if (err == SLK_OK)
        err = compare_tip(a);
    if (err == SLK_OK)
        err = check_checkpoint(a);
    *tip = a->machine.tip;
    *events_n = a->machine.tip.events_n;
    slk_block_free(&a->block);
    slk_view_end(a->view);
    slk_source_close(&a->source);
    slk_store_close(a->store);
    slk_map_free(a->machine.map);
    slk_index_set_free(a->machine.indexes);
    slk_charters_free(a->machine.charters);
    slk_workers_free(a->workers);
    free(a->charter);
    free(a);
    return err;
}

enum slk_err slk_ledger_audit(const char *dir, const struct slk_hash *expected_chain, unsigned threads, struct slk_tip *tip,
    uint64_t *events_n, slk_progress_fn *progress, void *progress_ctx, struct slk_fault *fault)
{
    struct slk_ledger_options options = {.threads = threads, .progress = progress, .progress_ctx = progress_ctx};

    return slk_ledger_audit_with(dir, expected_chain, &options, tip, events_n, fault);
}
