/* mirror_load.c: see mirror_private.h. What a mirror needs to go on is in its own files, and is checked like anybody's: tiles lead to the
 * root, the last entries to the last tile, the last certificate is signed by the charter's members. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/bytes.h"
#include "tools/mirror_private.h"

static bool read_tile(void *ctx, uint32_t level, uint64_t index, uint32_t width, struct slk_hash *out)
{
    struct mirror *m = ctx;
    const struct tree_part part = {TREE_HASHES, level, index, width};

    return tree_hashes(m->own, &part, out, m->fault) == SLK_OK;
}

/* The right edge of the log at this size, which must have this root. */
static enum slk_err load_log(struct mirror *m, const struct slk_tree_head *head)
{
    struct slk_hash root;
    enum slk_err err = slk_log_load(&m->log, head->tree_size, read_tile, m);

    if (err != SLK_OK)
        return err;
    slk_log_root(&m->log, &root);
    return slk_hash_equal(&root, &head->root_hash)
               ? SLK_OK
               : mirror_fail(m, SLK_E_CORRUPT, "its last tiles do not lead to the root of its checkpoint");
}

/* The items of the bundle that the last one is in; those of one that is full are not needed to go on. */
static enum slk_err load_bundle(
    struct mirror *m, enum tree_kind kind, uint64_t n, struct mirror_bundle *kept, struct tree_bundle *out)
{
    const struct tree_part part = {
        kind, 0, (n - 1) / SLK_TILE_WIDTH, (uint32_t)((n - 1) % SLK_TILE_WIDTH) + 1};
    enum slk_err err = tree_bundle(m->own, &part, out, m->fault);

    kept->size = 0;
    for (uint32_t i = 0; err == SLK_OK && part.width < SLK_TILE_WIDTH && i < part.width; i++)
        if (!mirror_bundle_add(kept, out->items[i]))
            err = SLK_E_NOMEM;
    return err;
}

static enum slk_err load_entries(struct mirror *m)
{
    const uint32_t width = (uint32_t)((m->log.size - 1) % SLK_TILE_WIDTH) + 1;
    struct tree_bundle bundle;
    struct slk_seal seal;
    enum slk_err err = load_bundle(m, TREE_ENTRIES, m->log.size, &m->entries, &bundle);

    for (uint32_t i = 0; err == SLK_OK && i < width; i++) {
        slk_hash_leaf(&m->seal_hash, bundle.items[i].at, bundle.items[i].size);
        if (!slk_hash_equal(&m->seal_hash, &m->log.edge[0][i]))
            err = mirror_fail(m, SLK_E_CORRUPT, "entry %" PRIu64 " is not the one that its tile names",
                (m->log.size - 1) / SLK_TILE_WIDTH * SLK_TILE_WIDTH + i);
    }
    if (err == SLK_OK && tree_seal_parse(&seal, bundle.items[width - 1]) != SLK_OK)
        err = mirror_fail(m, SLK_E_SEAL, "its last entry is no seal");
    if (err == SLK_OK) {
        m->height = seal.height;
        m->charter_hash = seal.charter_hash;
        m->next_charter_hash = seal.next_charter_hash;
    }
    tree_bundle_clear(&bundle);
    return err;
}

/* charter/0 and on: found by the hashes that seals name, so that none can be slipped in. */
static enum slk_err load_charters(struct mirror *m)
{
    enum slk_err err = SLK_OK;

    for (size_t i = 0; err == SLK_OK; i++) {
        struct tree_file file;
        struct slk_entry entry;
        char path[40];

        snprintf(path, sizeof(path), "charter/%zu", i);
        err = tree_get(m->own, path, SLK_ENTRY_MAX, &file, m->fault);
        if (err == SLK_E_NOT_FOUND && i > 0) {
            m->fault->text[0] = '\0';
            return SLK_OK;
        }
        if (err != SLK_OK)
            return err;
        if (slk_entry_parse(&entry, slk_span_of(file.bytes, file.size)) != SLK_OK ||
            entry.type != SLK_ENTRY_CHARTER)
            err = mirror_fail(m, SLK_E_CORRUPT, "%s: no entry with a charter", path);
        else if (!mirror_keep_charter(m, slk_span_of(file.bytes, file.size), entry.charter))
            err = SLK_E_NOMEM;
        if (err == SLK_OK && i == 0)
            slk_charter_chain_id(&m->chain_id, entry.charter);
        free(file.bytes);
    }
    return err;
}

enum slk_err mirror_genesis(struct mirror *m, struct slk_span charter, struct slk_block *out)
{
    const struct slk_map_options options = {0};
    struct slk_charter *parsed = malloc(sizeof(*parsed));
    struct slk_machine *machine = calloc(1, sizeof(*machine));
    enum slk_err err = parsed != NULL && machine != NULL ? slk_charter_parse(parsed, charter) : SLK_E_NOMEM;

    if (err == SLK_OK)
        err = slk_charter_validate_genesis(parsed, m->fault);
    if (err == SLK_OK) {
        slk_charter_chain_id(&machine->chain_id, charter);
        machine->charter = parsed;
        slk_log_init(&machine->log);
        err = slk_map_new(&machine->map, &options);
    }
    if (err == SLK_OK)
        err = slk_block_genesis(out, machine, charter);
    if (machine != NULL)
        slk_map_free(machine->map);
    free(machine);
    free(parsed);
    return err;
}

static enum slk_err load_genesis_hash(struct mirror *m)
{
    struct slk_block *block = calloc(1, sizeof(*block));
    struct slk_entry entry;
    enum slk_err err = block != NULL ? SLK_OK : SLK_E_NOMEM;

    if (err == SLK_OK)
        err = slk_entry_parse(&entry, slk_span_of(m->charters[0].entry, m->charters[0].size));
    if (err == SLK_OK)
        err = mirror_genesis(m, entry.charter, block);
    if (err == SLK_OK)
        slk_block_hash(&m->block_hash, block->header_bytes);
    if (block != NULL)
        slk_block_free(block);
    free(block);
    return err;
}

/* The last certificate names the last block's hash. */
static enum slk_err load_finality(struct mirror *m)
{
    struct tree_bundle bundle;
    struct slk_cert cert;
    enum slk_err err = load_bundle(m, TREE_FINALITY, m->height + 1, &m->finality, &bundle);

    if (err == SLK_OK && m->height == 0) {
        err = load_genesis_hash(m);
    } else if (err == SLK_OK) {
        err = mirror_find_council(m, &m->charter_hash);
        if (err == SLK_OK &&
            (tree_cert_parse(&cert, m->height, bundle.items[m->height % SLK_TILE_WIDTH]) != SLK_OK ||
                !slk_cert_check(&cert, &m->council, &slk_verifier_ed25519)))
            err = mirror_fail(m, SLK_E_CORRUPT, "the finality certificate of its last block is damaged");
        if (err == SLK_OK)
            m->block_hash = cert.hash;
    }
    tree_bundle_clear(&bundle);
    return err;
}

static void forget(struct mirror *m)
{
    for (size_t i = 0; i < m->charters_n; i++)
        free(m->charters[i].entry);
    m->charters_n = 0;
    m->entries.size = m->finality.size = 0;
    m->has_blocks = false;
    m->height = 0;
    m->council.n = 0;
    slk_log_init(&m->log);
}

static enum slk_err load_at(struct mirror *m, const struct slk_tree_head *head)
{
    enum slk_err err;

    forget(m);
    err = load_log(m, head);
    if (err == SLK_OK)
        err = load_entries(m);
    if (err == SLK_OK)
        err = load_charters(m);
    if (err == SLK_OK)
        err = load_finality(m);
    m->has_blocks = err == SLK_OK;
    if (err != SLK_OK)
        forget(m);
    return err;
}

/* Further than the checkpoint, if a run was cut short on its way to the next one. */
static bool load_progress(struct mirror *m)
{
    struct slk_checkpoint at;
    struct tree_file file;
    bool is_good = tree_get(m->own, MIRROR_PROGRESS, SLK_CHECKPOINT_TEXT_MAX, &file, m->fault) == SLK_OK &&
                   slk_checkpoint_parse(&at, slk_span_of(file.bytes, file.size)) == SLK_OK &&
                   at.head.tree_size >= 2 &&
                   (!m->has_base || (at.head.tree_size > m->base.checkpoint.head.tree_size &&
                                        slk_span_equal(at.origin, m->base.checkpoint.origin))) &&
                   load_at(m, &at.head) == SLK_OK;

    free(file.bytes);
    m->fault->text[0] = '\0';
    return is_good;
}

enum slk_err mirror_rewind(struct mirror *m)
{
    forget(m);
    return m->has_base ? load_at(m, &m->base.checkpoint.head) : SLK_OK;
}

static enum slk_err load_base(struct mirror *m)
{
    struct mirror_note *base = &m->base;
    enum slk_err err = tree_get(m->own, TREE_CHECKPOINT, SLK_NOTE_MAX, &base->file, m->fault);

    m->has_base = err == SLK_OK;
    if (err == SLK_E_NOT_FOUND)
        err = SLK_OK;
    if (err == SLK_OK && m->has_base)
        err = tree_note_parse(&base->note, &base->checkpoint, slk_span_of(base->file.bytes, base->file.size));
    if (err == SLK_OK && m->has_base && base->checkpoint.head.tree_size < 2)
        err = SLK_E_CHECKPOINT;
    return err;
}

enum slk_err mirror_load(struct mirror *m)
{
    char why[sizeof(m->fault->text)];
    enum slk_err err = load_base(m);

    if (m->o->repair && err != SLK_E_NOMEM && err != SLK_E_IO) {
        m->has_base = m->has_base && err == SLK_OK; /* one that nobody can read guards nothing */
        m->fault->text[0] = '\0';
        return SLK_OK;
    }
    if (err == SLK_OK && load_progress(m))
        return SLK_OK;
    if (err == SLK_OK)
        err = mirror_rewind(m);
    if (err == SLK_OK) {
        m->fault->text[0] = '\0';
        return SLK_OK;
    }
    memcpy(why, m->fault->text, sizeof(why));
    mirror_fail(m, err, "the mirror is damaged: %.140s: run it once with --repair",
        why[0] != '\0' ? why : slk_err_text(err));
    return err == SLK_E_NOMEM || err == SLK_E_IO ? err : SLK_E_CORRUPT;
}
