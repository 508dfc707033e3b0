/* mirror.c: see mirror.h: from the checkpoint that is given to the one that is written. */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/mirror_private.h"

enum slk_err mirror_fail(struct mirror *m, enum slk_err err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(m->fault->text, sizeof(m->fault->text), format, args);
    va_end(args);
    return err;
}

static enum slk_err no_memory(struct mirror *m)
{
    return mirror_fail(m, SLK_E_NOMEM, "%s", slk_err_text(SLK_E_NOMEM));
}

bool mirror_bundle_add(struct mirror_bundle *bundle, struct slk_span item)
{
    assert(item.size <= UINT16_MAX);
    if (item.size + 2 > bundle->cap - bundle->size) {
        size_t cap = 2 * (bundle->size + item.size + 2);
        uint8_t *more = realloc(bundle->bytes, cap);

        if (more == NULL)
            return false;
        bundle->bytes = more;
        bundle->cap = cap;
    }
    bundle->bytes[bundle->size] = (uint8_t)(item.size >> 8);
    bundle->bytes[bundle->size + 1] = (uint8_t)item.size;
    if (item.size > 0)
        memcpy(bundle->bytes + bundle->size + 2, item.at, item.size);
    bundle->size += item.size + 2;
    return true;
}

/* ---- charters ---- */

struct slk_charter *mirror_charter(const struct mirror *m, const struct slk_hash *hash)
{
    struct slk_charter *charter = NULL;

    for (size_t i = 0; i < m->charters_n; i++) {
        struct slk_entry entry;

        if (!slk_hash_equal(&m->charters[i].hash, hash))
            continue;
        charter = malloc(sizeof(*charter));
        if (charter != NULL &&
            (slk_entry_parse(&entry, slk_span_of(m->charters[i].entry, m->charters[i].size)) != SLK_OK ||
                slk_charter_parse(charter, entry.charter) != SLK_OK)) {
            free(charter);
            charter = NULL;
        }
        break;
    }
    return charter;
}

bool mirror_keep_charter(struct mirror *m, struct slk_span entry, struct slk_span charter)
{
    struct mirror_charter *more = realloc(m->charters, (m->charters_n + 1) * sizeof(*more));

    if (more == NULL)
        return false;
    m->charters = more;
    more = &m->charters[m->charters_n];
    *more = (struct mirror_charter){.entry = malloc(entry.size + 1), .size = entry.size};
    if (more->entry == NULL)
        return false;
    memcpy(more->entry, entry.at, entry.size);
    slk_charter_hash(&more->hash, charter);
    m->charters_n++;
    return true;
}

enum slk_err mirror_find_council(struct mirror *m, const struct slk_hash *charter_hash)
{
    struct slk_charter *charter;
    enum slk_err err;

    if (m->council.n > 0 && slk_hash_equal(&m->council.charter_hash, charter_hash))
        return SLK_OK;
    charter = mirror_charter(m, charter_hash);
    if (charter == NULL)
        return mirror_fail(m, SLK_E_CORRUPT, "it names a charter that no entry before it holds");
    err = slk_council_of(&m->council, charter, &m->chain_id);
    free(charter);
    return err == SLK_OK ? SLK_OK : mirror_fail(m, err, "%s", slk_err_text(err));
}

/* ---- the checkpoint that is given ---- */

static enum slk_err begins_with(struct mirror *m, const struct mirror_source *source,
    const struct slk_tree_head *old, const struct slk_tree_head *now)
{
    enum slk_err err = source->begins_with(source->ctx, old, now);

    if (err == SLK_E_PROOF)
        return mirror_fail(m, SLK_E_CHAIN,
            "nothing shows that its %" PRIu64 " signed entries begin with the mirror's %" PRIu64
            ": run `sillok watch`",
            now->tree_size, old->tree_size);
    return err == SLK_OK ? err
                         : mirror_fail(m, err, "it does not answer what its %" PRIu64 " entries begin with",
                               now->tree_size);
}

static enum slk_err compare_with_ours(
    struct mirror *m, const struct mirror_source *source, const struct slk_checkpoint *new)
{
    const struct slk_tree_head *is = &new->head, *ours = &m->base.checkpoint.head;

    if (!m->has_base)
        return SLK_OK;
    if (!slk_span_equal(new->origin, m->base.checkpoint.origin))
        return mirror_fail(m, SLK_E_CHAIN, "its checkpoint is of another ledger: %.*s", (int)new->origin.size,
            (const char *)new->origin.at);
    if (is->tree_size < ours->tree_size)
        return mirror_fail(m, SLK_E_REFUSED,
            "its checkpoint has %" PRIu64 " entries, and the mirror %" PRIu64
            " already: it is behind, or goes back",
            is->tree_size, ours->tree_size);
    if (is->tree_size == ours->tree_size && !slk_hash_equal(&is->root_hash, &ours->root_hash))
        return mirror_fail(m, SLK_E_CHAIN,
            "ANOTHER HISTORY: its checkpoint of %" PRIu64
            " entries has another root than the mirror's: run `sillok watch`",
            is->tree_size);
    return is->tree_size > ours->tree_size ? begins_with(m, source, ours, is) : SLK_OK;
}

static enum slk_err judge(struct mirror *m, const struct mirror_source *source, struct slk_note *note,
    struct slk_checkpoint *checkpoint)
{
    const struct slk_verify_options options = {.now_s = m->o->now_s, .allow_no_quorum = true};
    struct slk_policy_verdict verdict;
    enum slk_err err = tree_note_parse(note, checkpoint, source->note);

    if (err == SLK_OK && m->o->policy != NULL)
        err = slk_policy_check(&verdict, m->o->policy, note, checkpoint, &options);
    if (err != SLK_OK)
        return mirror_fail(m, err, "its checkpoint is not good: %s", slk_err_text(err));
    if (checkpoint->head.tree_size < 2)
        return mirror_fail(
            m, SLK_E_CHECKPOINT, "its checkpoint is not good: a ledger has at least two entries");
    return compare_with_ours(m, source, checkpoint);
}

/* By members of the charter that governed the last block under it, or of the one that governs the next. SLK_E_CHARTER: neither is here. */
static enum slk_err check_members(const struct mirror *m, const struct slk_note *note,
    const struct slk_checkpoint *checkpoint, struct slk_policy_verdict *verdict)
{
    const struct slk_hash *hashes[] = {&m->charter_hash, &m->next_charter_hash};
    enum slk_err err = SLK_E_CHARTER;

    for (size_t i = 0; err != SLK_OK && i < 2; i++) {
        struct slk_charter *charter = mirror_charter(m, hashes[i]);

        if (charter == NULL)
            continue;
        err = tree_note_check(charter, note, checkpoint, verdict);
        free(charter);
    }
    return err;
}

static enum slk_err check_signers(
    struct mirror *m, const struct slk_note *note, const struct slk_checkpoint *checkpoint)
{
    struct slk_policy_verdict verdict;
    enum slk_err err = check_members(m, note, checkpoint, &verdict);

    return err == SLK_OK ? SLK_OK
                         : mirror_fail(m, err, "its checkpoint is not signed as the charter asks: %s",
                               slk_err_text(err));
}

/* When a quorum had signed it: of the policy, else of the charter's members; 0 when neither can say. Anybody can write a line with a later
 * time: what counts is who signed it. */
static uint64_t quorum_time(
    const struct mirror *m, const struct slk_note *note, const struct slk_checkpoint *checkpoint)
{
    const struct slk_verify_options options = {.now_s = m->o->now_s, .allow_no_quorum = true};
    struct slk_policy_verdict verdict;

    if (m->o->policy != NULL &&
        slk_policy_check(&verdict, m->o->policy, note, checkpoint, &options) == SLK_OK && verdict.has_quorum)
        return verdict.quorum_time_s;
    return check_members(m, note, checkpoint, &verdict) == SLK_OK ? verdict.quorum_time_s : 0;
}

enum slk_err mirror_judge(struct mirror *m, const struct mirror_source *source, struct slk_tree_head *head,
    uint64_t *cosigned_at_s, struct slk_fault *fault)
{
    struct slk_checkpoint checkpoint;
    struct slk_note *note = malloc(sizeof(*note));
    enum slk_err err;

    *fault = (struct slk_fault){0};
    m->fault = fault;
    if (note == NULL)
        return no_memory(m);
    err = judge(m, source, note, &checkpoint);
    if (err == SLK_OK) {
        *head = checkpoint.head;
        *cosigned_at_s = quorum_time(m, note, &checkpoint);
    }
    free(note);
    return err;
}

/* ---- entries into tiles ---- */

static void on_tile(void *ctx, uint32_t level, uint64_t index, const struct slk_hash *hashes)
{
    struct mirror *m = ctx;
    const struct tree_part part = {TREE_HASHES, level, index, SLK_TILE_WIDTH};

    if (m->closing == SLK_OK)
        m->closing = tree_write_part(m->writer, &part, slk_span_of(hashes->b, TREE_HASH_TILE_SIZE));
}

static enum slk_err add_entry(struct mirror *m, struct slk_span entry)
{
    struct slk_hash leaf;

    slk_hash_leaf(&leaf, entry.at, entry.size);
    if (!mirror_bundle_add(&m->entries, entry))
        return no_memory(m);
    slk_log_append(&m->log, &leaf, 1, on_tile, m);
    if (m->closing == SLK_OK && m->log.size % SLK_TILE_WIDTH == 0) {
        const struct tree_part part = {TREE_ENTRIES, 0, m->log.size / SLK_TILE_WIDTH - 1, SLK_TILE_WIDTH};

        m->closing = tree_write_part(m->writer, &part, slk_span_of(m->entries.bytes, m->entries.size));
        m->entries.size = 0;
    }
    m->seal_hash = leaf; /* of the last one, in the end */
    return m->closing == SLK_OK ? SLK_OK : no_memory(m);
}

/* A charter that comes along is kept, and written beside the tiles. */
static enum slk_err add_charter(struct mirror *m, struct slk_span entry)
{
    struct slk_entry parsed;
    char path[40];

    if (slk_entry_parse(&parsed, entry) != SLK_OK || parsed.type != SLK_ENTRY_CHARTER)
        return SLK_OK;
    snprintf(path, sizeof(path), "charter/%zu", m->charters_n);
    if (!mirror_keep_charter(m, entry, parsed.charter) || tree_write(m->writer, path, entry) != SLK_OK)
        return no_memory(m);
    return SLK_OK;
}

/* Block `height` with all its entries; what was checked before holds for it. */
static enum slk_err add_block(
    struct mirror *m, uint64_t height, struct slk_span entries, struct slk_span cert)
{
    struct slk_reader r = {.rest = entries};
    enum slk_err err = SLK_OK;

    for (bool is_first = true; err == SLK_OK && r.rest.size > 0; is_first = false) {
        struct slk_span entry = slk_read_span(&r, slk_read_u16(&r));

        assert(!r.bad); /* it is the body of a header */
        if (is_first)
            err = add_charter(m, entry);
        if (err == SLK_OK)
            err = add_entry(m, entry);
    }
    if (err == SLK_OK && !mirror_bundle_add(&m->finality, cert))
        err = no_memory(m);
    if (err == SLK_OK && (height + 1) % SLK_TILE_WIDTH == 0) {
        const struct tree_part part = {TREE_FINALITY, 0, height / SLK_TILE_WIDTH, SLK_TILE_WIDTH};

        if (tree_write_part(m->writer, &part, slk_span_of(m->finality.bytes, m->finality.size)) != SLK_OK)
            err = no_memory(m);
        m->finality.size = 0;
    }
    m->height = height;
    m->has_blocks = true;
    return err;
}

/* ---- blocks ---- */

static enum slk_err check_header(struct mirror *m, const struct slk_block_header *h, const uint8_t *bytes,
    struct slk_span cert_bytes, struct slk_hash *hash)
{
    struct slk_cert cert;
    enum slk_err err;

    slk_block_hash(hash, bytes);
    if (h->height != m->height + 1 || !slk_hash_equal(&h->chain_id, &m->chain_id) ||
        !slk_hash_equal(&h->previous, &m->block_hash) ||
        !slk_hash_equal(&h->charter_hash, &m->next_charter_hash))
        return mirror_fail(m, SLK_E_CHAIN, "it does not follow the block before it");
    err = mirror_find_council(m, &h->charter_hash);
    if (err != SLK_OK)
        return err;
    if (tree_cert_parse(&cert, h->height, cert_bytes) != SLK_OK || !slk_hash_equal(&cert.hash, hash) ||
        !slk_cert_check(&cert, &m->council, &slk_verifier_ed25519))
        return mirror_fail(m, SLK_E_SIGNATURE,
            "its finality certificate is not signed by a quorum of the charter's members");
    return SLK_OK;
}

static enum slk_err take_block(struct mirror *m, struct slk_span payload)
{
    struct slk_reader in = {.rest = payload};
    const uint8_t *bytes = slk_read_span(&in, SLK_BLOCK_HEADER_SIZE).at;
    const struct slk_span cert = slk_read_span(&in, slk_read_u16(&in));
    struct slk_block_header h;
    struct slk_hash hash, root;
    enum slk_err err;

    if (in.bad || slk_block_header_parse(&h, bytes) != SLK_OK)
        return mirror_fail(m, SLK_E_MALFORMED, "it is no block with a certificate");
    err = check_header(m, &h, bytes, cert, &hash);
    if (err != SLK_OK)
        return err;
    if (!slk_body_is(&m->items, &h, &m->seal_hash, in.rest))
        return mirror_fail(m, SLK_E_CORRUPT, "its entries are not those that its header names");
    err = add_block(m, h.height, in.rest, cert);
    if (err != SLK_OK)
        return err;
    slk_log_root(&m->log, &root);
    if (m->log.size != h.log_size || !slk_hash_equal(&root, &h.log_root))
        return mirror_fail(m, SLK_E_CORRUPT, "its entries do not lead to the log root that its header names");
    m->block_hash = hash;
    m->charter_hash = h.charter_hash;
    m->next_charter_hash = h.next_charter_hash;
    return SLK_OK;
}

static enum slk_err take_genesis(struct mirror *m, struct slk_span charter)
{
    struct slk_block *block;
    enum slk_err err;

    slk_charter_chain_id(&m->chain_id, charter);
    if (m->o->chain != NULL && !slk_hash_equal(m->o->chain, &m->chain_id))
        return mirror_fail(
            m, SLK_E_CHAIN, "this is another ledger: its genesis charter is not the expected one");
    block = calloc(1, sizeof(*block));
    if (block == NULL)
        return no_memory(m);
    err = mirror_genesis(m, charter, block);
    if (err == SLK_OK) {
        m->charter_hash = block->header.charter_hash;
        m->next_charter_hash = block->header.next_charter_hash;
        slk_block_hash(&m->block_hash, block->header_bytes);
        err = add_block(m, 0, slk_span_of(block->entries, block->entries_size), (struct slk_span){0});
    }
    slk_block_free(block);
    free(block);
    return err;
}

static enum slk_err take_next(struct mirror *m, const struct mirror_source *source)
{
    const uint64_t height = m->has_blocks ? m->height + 1 : 0;
    char why[sizeof(m->fault->text)];
    struct slk_span payload;
    enum slk_err err;

    m->fault->text[0] = '\0';
    if (height == 0) {
        err = take_genesis(m, source->blocks->charter);
    } else {
        err = source->blocks->block(source->blocks->ctx, height, &payload, m->fault);
        if (err != SLK_OK)
            return err;
        err = take_block(m, payload);
    }
    if (err == SLK_OK)
        return SLK_OK;
    memcpy(why, m->fault->text, sizeof(why));
    return mirror_fail(m, err, "block %" PRIu64 ": %.200s", height, why[0] != '\0' ? why : slk_err_text(err));
}

/* ---- onto the disk ---- */

/* What is not full yet, as wide as it is. */
static enum slk_err write_edge(struct mirror *m)
{
    const struct tree_part entries = {
        TREE_ENTRIES, 0, m->log.size / SLK_TILE_WIDTH, (uint32_t)(m->log.size % SLK_TILE_WIDTH)};
    const struct tree_part finality = {
        TREE_FINALITY, 0, (m->height + 1) / SLK_TILE_WIDTH, (uint32_t)((m->height + 1) % SLK_TILE_WIDTH)};
    enum slk_err err = SLK_OK;

    for (uint32_t level = 0; err == SLK_OK && level < SLK_TILE_LEVELS; level++) {
        const uint64_t n = m->log.size >> (SLK_TILE_HEIGHT * level);
        const struct tree_part part = {
            TREE_HASHES, level, n / SLK_TILE_WIDTH, (uint32_t)(n % SLK_TILE_WIDTH)};

        if (part.width > 0)
            err = tree_write_part(
                m->writer, &part, slk_span_of(m->log.edge[level], part.width * SLK_HASH_SIZE));
    }
    if (err == SLK_OK && entries.width > 0)
        err = tree_write_part(m->writer, &entries, slk_span_of(m->entries.bytes, m->entries.size));
    if (err == SLK_OK && finality.width > 0)
        err = tree_write_part(m->writer, &finality, slk_span_of(m->finality.bytes, m->finality.size));
    return err == SLK_OK ? tree_writer_flush(m->writer, m->fault) : no_memory(m);
}

/* The log up to here is the beginning of what the checkpoint is of: else nothing of it gets a name. */
static enum slk_err prove(
    struct mirror *m, const struct mirror_source *source, const struct slk_tree_head *target)
{
    struct slk_tree_head here = {.tree_size = m->log.size};

    slk_log_root(&m->log, &here.root_hash);
    if (here.tree_size < target->tree_size)
        return begins_with(m, source, &here, target);
    if (here.tree_size == target->tree_size && slk_hash_equal(&here.root_hash, &target->root_hash))
        return SLK_OK;
    return mirror_fail(m, SLK_E_CHAIN,
        here.tree_size > target->tree_size
            ? "block %" PRIu64 ": its checkpoint ends within it"
            : "block %" PRIu64 ": the blocks up to it lead to another root than its checkpoint's",
        m->height);
}

/* Repairing goes through the log again, past the mirror's own checkpoint. */
static enum slk_err check_base(struct mirror *m)
{
    const struct slk_tree_head *base = &m->base.checkpoint.head;
    struct slk_hash root;

    if (!m->has_base || m->log.size != base->tree_size)
        return SLK_OK;
    slk_log_root(&m->log, &root);
    return slk_hash_equal(&root, &base->root_hash)
               ? SLK_OK
               : mirror_fail(m, SLK_E_CHAIN,
                     "ANOTHER HISTORY: at %" PRIu64
                     " entries its root is not that of the mirror's checkpoint",
                     base->tree_size);
}

static enum slk_err save_progress(struct mirror *m, const struct slk_checkpoint *target)
{
    struct slk_checkpoint here = {.origin = target->origin, .head = {.tree_size = m->log.size}};
    char text[SLK_CHECKPOINT_TEXT_MAX];
    size_t n;
    enum slk_err err = write_edge(m);

    if (err != SLK_OK)
        return err;
    slk_log_root(&m->log, &here.head.root_hash);
    n = slk_checkpoint_format(text, &here);
    if (tree_write(m->writer, MIRROR_PROGRESS, slk_span_of(text, n)) != SLK_OK)
        return no_memory(m);
    return tree_writer_flush(m->writer, m->fault);
}

static enum slk_err take_blocks(
    struct mirror *m, const struct mirror_source *source, const struct slk_checkpoint *target)
{
    enum slk_err err = SLK_OK;

    while (err == SLK_OK && m->log.size < target->head.tree_size) {
        err = take_next(m, source);
        if (err == SLK_OK)
            err = check_base(m);
        if (err == SLK_OK && m->o->progress != NULL)
            m->o->progress(m->o->progress_ctx, "entries", m->log.size, target->head.tree_size);
        if (err == SLK_OK && m->log.size < target->head.tree_size && tree_writer_is_due(m->writer)) {
            err = prove(m, source, &target->head);
            if (err == SLK_OK)
                err = save_progress(m, target);
        }
    }
    return err == SLK_OK ? prove(m, source, &target->head) : err;
}

/* Last, and only when everything under it is on the disk. An older quorum does not replace a newer one. */
static enum slk_err publish(struct mirror *m, const struct mirror_source *source,
    const struct slk_checkpoint *checkpoint, uint64_t time_s)
{
    const bool has_grown = !m->has_base || checkpoint->head.tree_size > m->base.checkpoint.head.tree_size;
    const bool is_newer = has_grown || time_s > quorum_time(m, &m->base.note, &m->base.checkpoint);
    enum slk_err err = has_grown || m->o->repair ? write_edge(m) : SLK_OK;

    if (err == SLK_OK && is_newer && tree_write(m->writer, TREE_CHECKPOINT, source->note) != SLK_OK)
        err = no_memory(m);
    if (err == SLK_OK)
        err = tree_writer_flush(m->writer, m->fault);
    if (err == SLK_OK)
        tree_remove(m->writer, MIRROR_PROGRESS);
    return err;
}

/* ---- the whole ---- */

enum slk_err mirror_take(
    struct mirror *m, const struct mirror_source *source, struct mirror_result *out, struct slk_fault *fault)
{
    struct slk_checkpoint target;
    struct slk_note *note = malloc(sizeof(*note));
    uint64_t size, blocks_n, time_s = 0;
    enum slk_err err;

    *fault = (struct slk_fault){0};
    *out = (struct mirror_result){0};
    m->fault = fault;
    if (note == NULL)
        return no_memory(m);
    err = judge(m, source, note, &target);
    if (err == SLK_OK && m->log.size > target.head.tree_size)
        err = mirror_rewind(m); /* a run that was cut short was on its way to a later checkpoint */
    size = m->log.size;
    blocks_n = m->has_blocks ? m->height + 1 : 0;
    if (err == SLK_OK)
        err = take_blocks(m, source, &target);
    if (err == SLK_OK)
        err = check_signers(m, note, &target);
    if (err == SLK_OK) {
        time_s = quorum_time(m, note, &target);
        err = publish(m, source, &target, time_s);
    }
    *out = (struct mirror_result){.chain_id = m->chain_id,
        .head = target.head,
        .height = m->height,
        .cosigned_at_s = time_s,
        .entries_n = m->log.size - size,
        .blocks_n = m->has_blocks ? m->height + 1 - blocks_n : 0,
        .written = *tree_writer_counts(m->writer)};
    if (err != SLK_OK)
        tree_writer_drop(m->writer);
    free(note);
    return err;
}

enum slk_err mirror_open(struct mirror **out, const struct mirror_options *options, struct slk_fault *fault)
{
    struct mirror *m = calloc(1, sizeof(*m));
    enum slk_err err;

    *out = NULL;
    *fault = (struct slk_fault){0};
    if (m == NULL)
        return SLK_E_NOMEM;
    m->o = options;
    m->fault = fault;
    slk_log_init(&m->log);
    err = tree_writer_open(&m->writer, options->dir, fault);
    if (err == SLK_OK) {
        m->own = tree_of_dir(options->dir);
        err = m->own != NULL ? mirror_load(m) : no_memory(m);
    }
    if (err == SLK_OK && m->has_blocks && options->chain != NULL &&
        !slk_hash_equal(options->chain, &m->chain_id))
        err = mirror_fail(m, SLK_E_CHAIN, "the mirror is of another ledger than --chain says");
    if (err != SLK_OK) {
        mirror_close(m);
        return err;
    }
    *out = m;
    return SLK_OK;
}

void mirror_close(struct mirror *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->charters_n; i++)
        free(m->charters[i].entry);
    free(m->charters);
    slk_body_items_free(&m->items);
    tree_writer_close(m->writer);
    tree_free(m->own);
    free(m->base.file.bytes);
    free(m->entries.bytes);
    free(m->finality.bytes);
    free(m);
}
