/* fsck.c: is every byte of a ledger directory what was written? The structure of LMDB's file, then what is in it, then the
 * snapshots. Uses no LMDB for reading, so that a damaged file is a list of sentences and not a crash. */
#include "ledger/store/fsck.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/checkpoint.h"

#define META_VALUE_MAX ((size_t)1 << 20)

void slk_fsck_tell(struct slk_fsck *f, const char *where, const char *format, ...)
{
    char what[240];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    f->findings_n++;
    if (f->finding != NULL)
        f->finding(f->finding_ctx, where, what);
}

static void tell_page(void *ctx, uint64_t page, const char *what)
{
    slk_fsck_tell(ctx, "data.mdb", "page %" PRIu64 " %s", page, what);
}

static void tell_nothing(void *ctx, uint64_t page, const char *what)
{
    (void)ctx, (void)page, (void)what;
}

/* ---- where things are ---- */

const struct slk_place *slk_fsck_seek(const struct slk_fsck *f, enum slk_base base, uint64_t key)
{
    size_t low = 0, high = f->base[base].n; /* places below low are at or below the key */

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (f->base[base].places[middle].key <= key)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? &f->base[base].places[low - 1] : NULL;
}

const struct slk_place *slk_fsck_find(const struct slk_fsck *f, enum slk_base base, uint64_t key)
{
    const struct slk_place *place = slk_fsck_seek(f, base, key);

    return place != NULL && place->key == key ? place : NULL;
}

enum slk_err slk_fsck_read(const struct slk_fsck *f, const struct slk_place *place, struct slk_buffer *buffer)
{
    if (place->size > f->file.size)
        return SLK_E_CORRUPT;
    if (buffer->cap < place->size || buffer->at == NULL) {
        free(buffer->at);
        buffer->cap = (size_t)place->size + place->size / 2 + 16;
        buffer->at = malloc(buffer->cap);
        if (buffer->at == NULL) {
            buffer->cap = 0;
            return SLK_E_NOMEM;
        }
    }
    return slk_lmdb_read(&f->file, place->offset, buffer->at, (size_t)place->size) ? SLK_OK : SLK_E_CORRUPT;
}

static bool add_place(struct slk_fsck *f, enum slk_base base, const struct slk_place *place)
{
    size_t n = f->base[base].n;

    if (n == f->base[base].cap) {
        size_t cap = n < 256 ? 256 : 2 * n;
        struct slk_place *grown = realloc(f->base[base].places, cap * sizeof(*grown));
        if (grown == NULL)
            return false;
        f->base[base].places = grown;
        f->base[base].cap = cap;
    }
    if (n > 0 && f->base[base].places[n - 1].key >= place->key)
        return true; /* out of order: told by the walk */
    f->base[base].places[n] = *place;
    f->base[base].n++;
    return true;
}

static bool parse_key(enum slk_base base, const struct slk_lmdb_cursor *c, uint64_t *key)
{
    if (base == SLK_BASE_TILES) {
        uint64_t level, index;

        if (c->key_size != SLK_TILE_KEY_SIZE)
            return false;
        level = slk_get_u32(c->key);
        index = slk_get_u64(c->key + 4);
        *key = level << 56 | index;
        return level < SLK_TILE_LEVELS && index >> 56 == 0;
    }
    *key = slk_get_u64(c->key);
    return c->key_size == 8;
}

/* ---- meta ---- */

static enum slk_err copy_value(
    const struct slk_fsck *f, const struct slk_lmdb_value *value, struct slk_span *out)
{
    uint8_t *bytes;

    if (value->size > META_VALUE_MAX)
        return SLK_E_CORRUPT;
    bytes = malloc(value->size + 1);
    if (bytes == NULL)
        return SLK_E_NOMEM;
    if (!slk_lmdb_read(&f->file, value->offset, bytes, value->size)) {
        free(bytes);
        return SLK_E_CORRUPT;
    }
    *out = slk_span_of(bytes, value->size);
    return SLK_OK;
}

struct meta_values {
    struct slk_span format, chain_id, charter, changes, tip, checkpoint, stamp;
};

static struct slk_span *meta_slot(struct meta_values *m, const struct slk_lmdb_cursor *c)
{
    const struct {
        const char *name;
        struct slk_span *slot;
    } all[] = {{SLK_META_FORMAT, &m->format}, {SLK_META_CHAIN_ID, &m->chain_id},
        {SLK_META_CHARTER, &m->charter}, {SLK_META_CHANGES, &m->changes}, {SLK_META_TIP, &m->tip},
        {SLK_META_CHECKPOINT, &m->checkpoint}, {SLK_META_STAMP, &m->stamp}};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (c->key_size == strlen(all[i].name) && memcmp(c->key, all[i].name, c->key_size) == 0)
            return all[i].slot;
    return NULL;
}

static enum slk_err take_item(struct slk_fsck *f, enum slk_base base, struct meta_values *meta,
    const struct slk_lmdb_cursor *c, const struct slk_lmdb_value *value)
{
    struct slk_place place = {.offset = value->offset, .size = value->size};

    if (base == SLK_BASE_META) {
        struct slk_span *slot = meta_slot(meta, c);
        enum slk_err err = slot != NULL && slot->at == NULL ? copy_value(f, value, slot) : SLK_E_CORRUPT;

        if (err == SLK_E_CORRUPT)
            slk_fsck_tell(f, "meta", "an item on page %" PRIu64 " is none that belongs there", value->page);
        return err == SLK_E_NOMEM ? err : SLK_OK;
    }
    if (!parse_key(base, c, &place.key)) {
        slk_fsck_tell(
            f, slk_base_names[base], "a key on page %" PRIu64 " is none that belongs there", value->page);
        return SLK_OK;
    }
    return add_place(f, base, &place) ? SLK_OK : SLK_E_NOMEM;
}

/* Lists what a data base holds. */
static enum slk_err list_base(struct slk_fsck *f, enum slk_base base, struct meta_values *meta)
{
    struct slk_lmdb_cursor *c;
    struct slk_lmdb_tree tree;
    struct slk_lmdb_value value;
    enum slk_err err = slk_lmdb_find(&f->file, slk_base_names[base], &tree);

    if (err == SLK_E_NOT_FOUND) {
        slk_fsck_tell(f, slk_base_names[base], "the data base is missing");
        return SLK_OK;
    }
    c = malloc(sizeof(*c));
    if (err != SLK_OK || c == NULL) {
        free(c);
        return SLK_E_NOMEM;
    }
    err = slk_lmdb_cursor_init(c, &f->file, slk_base_names[base], &tree);
    if (err == SLK_OK)
        while (err == SLK_OK && slk_lmdb_next(c, &value))
            err = take_item(f, base, meta, c, &value);
    else if (err == SLK_E_CORRUPT)
        err = SLK_OK; /* the walk told */
    slk_lmdb_cursor_close(c);
    free(c);
    f->base[base].there = true;
    return err;
}

static void check_format(struct slk_fsck *f, struct slk_span format)
{
    if (format.size != 4)
        slk_fsck_tell(f, "meta", "the format is not named");
    else if (slk_get_u32(format.at) != SLK_STORE_FORMAT)
        slk_fsck_tell(
            f, "meta", "the format is %u; this program checks %d", slk_get_u32(format.at), SLK_STORE_FORMAT);
}

/* The charter decides which chain this is: what the blocks name must be its hash. */
static enum slk_err check_charter(struct slk_fsck *f, const struct meta_values *m)
{
    if (m->charter.size == 0) {
        slk_fsck_tell(f, "meta", "the genesis charter is missing");
        return SLK_OK;
    }
    slk_charter_chain_id(&f->chain_id, m->charter);
    if (m->chain_id.size != SLK_HASH_SIZE || memcmp(m->chain_id.at, f->chain_id.b, SLK_HASH_SIZE) != 0)
        slk_fsck_tell(f, "meta", "the chain id is not the hash of the genesis charter");
    f->charter = malloc(sizeof(*f->charter));
    if (f->charter == NULL)
        return SLK_E_NOMEM;
    if (slk_charter_parse(f->charter, m->charter) != SLK_OK) {
        slk_fsck_tell(f, "meta", "the genesis charter does not parse");
        free(f->charter);
        f->charter = NULL;
    }
    return SLK_OK;
}

static enum slk_err read_meta(struct slk_fsck *f)
{
    struct meta_values m = {0};
    enum slk_err err = list_base(f, SLK_BASE_META, &m);

    if (err == SLK_OK && f->base[SLK_BASE_META].there) {
        check_format(f, m.format);
        if (m.stamp.size != 8 || slk_get_u64(m.stamp.at) != f->file.meta->txn_id)
            slk_fsck_tell(f, "meta", "the newest meta page names another transaction than the one it is of");
        err = check_charter(f, &m);
        f->has_tip = m.tip.size > 0 && slk_tip_parse(&f->tip, m.tip);
        if (m.tip.size > 0 && !f->has_tip)
            slk_fsck_tell(f, "meta", "the tip does not parse");
        if (m.checkpoint.size > 8 + SLK_HASH_SIZE) {
            f->signed_head.tree_size = slk_get_u64(m.checkpoint.at);
            memcpy(f->signed_head.root_hash.b, m.checkpoint.at + 8, SLK_HASH_SIZE);
        } else if (m.checkpoint.at != NULL) {
            slk_fsck_tell(f, "meta", "the checkpoint is too short");
        }
    }
    free((void *)(uintptr_t)m.format.at);
    free((void *)(uintptr_t)m.chain_id.at);
    free((void *)(uintptr_t)m.stamp.at);
    f->charter_bytes = m.charter;
    f->changes_bytes = m.changes;
    f->tip_bytes = m.tip;
    f->checkpoint = m.checkpoint;
    return err;
}

/* ---- the checkpoint's signatures ---- */

const struct slk_charter *slk_fsck_charter(const struct slk_fsck *f, size_t i)
{
    if (f->charter == NULL || i == 0)
        return f->charter;
    return i <= f->later_n ? f->later[i - 1] : NULL;
}

static bool line_is_of(const struct slk_charter *charter, const struct slk_note *note, size_t line)
{
    for (size_t i = 0; i < charter->members_n; i++) {
        const struct slk_member *m = &charter->members[i];
        struct slk_vkey key;
        uint64_t time_s;

        if (slk_vkey_init(&key, charter->origin, SLK_SIG_ED25519, m->log_key) == SLK_OK &&
            slk_note_check_sig(&time_s, note, line, &key) == SLK_OK)
            return true;
        if (slk_vkey_init(&key, m->name, SLK_SIG_COSIGNATURE_V1, m->cosign_key) == SLK_OK &&
            slk_note_check_sig(&time_s, note, line, &key) == SLK_OK)
            return true;
    }
    return false;
}

/* Every line is by a key of a charter: nobody else's is ever stored. */
static bool line_is_good(const struct slk_fsck *f, const struct slk_note *note, size_t line)
{
    const struct slk_charter *charter;

    for (size_t i = 0; (charter = slk_fsck_charter(f, i)) != NULL; i++)
        if (line_is_of(charter, note, line))
            return true;
    return false;
}

static enum slk_err check_checkpoint(struct slk_fsck *f)
{
    const char *text = (const char *)f->checkpoint.at + 8 + SLK_HASH_SIZE;
    struct slk_checkpoint checkpoint;
    struct slk_note *note;

    if (f->checkpoint.size <= 8 + SLK_HASH_SIZE || f->charter == NULL)
        return SLK_OK;
    note = malloc(sizeof(*note));
    if (note == NULL)
        return SLK_E_NOMEM;
    if (slk_note_parse(note, text, f->checkpoint.size - 8 - SLK_HASH_SIZE) != SLK_OK ||
        slk_checkpoint_parse(&checkpoint, note->text) != SLK_OK) {
        slk_fsck_tell(f, "checkpoint", "it is not a signed checkpoint");
    } else {
        if (checkpoint.head.tree_size != f->signed_head.tree_size ||
            !slk_hash_equal(&checkpoint.head.root_hash, &f->signed_head.root_hash) ||
            checkpoint.origin.size != strlen(f->charter->origin) ||
            memcmp(checkpoint.origin.at, f->charter->origin, checkpoint.origin.size) != 0)
            slk_fsck_tell(f, "checkpoint", "what was signed is not what is stored beside it");
        for (size_t i = 0; i < note->sigs_n; i++)
            if (!line_is_good(f, note, i))
                slk_fsck_tell(
                    f, "checkpoint", "signature %zu is wrong, or by a key the charter does not name", i + 1);
    }
    free(note);
    return SLK_OK;
}

/* ---- snapshots ---- */

static bool height_matches(
    struct slk_fsck *f, uint64_t height, const struct slk_hash *hash, struct slk_buffer *buffer)
{
    const struct slk_place *place = slk_fsck_find(f, SLK_BASE_BLOCK, height);
    struct slk_hash is;

    if (place == NULL || place->size != SLK_BLOCK_ROW || slk_fsck_read(f, place, buffer) != SLK_OK)
        return false;
    slk_block_hash(&is, buffer->at);
    return slk_hash_equal(&is, hash);
}

static enum slk_err check_pieces(struct slk_fsck *f, const struct slk_snapshot_head *head, const char *name)
{
    enum slk_err err = SLK_OK;

    for (size_t i = 0; err == SLK_OK && i < head->pieces_n; i++) {
        const struct slk_piece *piece = &head->pieces[i];
        uint8_t *bytes = malloc((size_t)piece->size + 1);

        err = bytes != NULL ? slk_snapshot_read(head, piece, bytes) : SLK_E_NOMEM;
        free(bytes);
        if (err == SLK_E_CORRUPT) {
            slk_fsck_tell(f, name, "%s %u is damaged",
                piece->kind == SLK_PIECE_PARTITION ? "partition" : "the status indexes of type",
                piece->number);
            err = SLK_OK;
        }
        if (f->progress != NULL)
            f->progress(f->progress_ctx, name, i + 1, head->pieces_n);
    }
    return err;
}

static enum slk_err check_snapshot(struct slk_fsck *f, unsigned number, bool blocks_known)
{
    const char *name = slk_snapshot_name(number);
    struct slk_buffer buffer = {0};
    struct slk_snapshot_head head;
    struct slk_fault fault = {0};
    enum slk_err err = slk_snapshot_open(&head, f->dir, number, &fault);

    if (err == SLK_E_NOT_FOUND)
        return SLK_OK;
    if (err == SLK_E_NOMEM)
        return err;
    if (err != SLK_OK) {
        slk_fsck_tell(f, name, "its header is damaged, or the file is truncated");
        return SLK_OK;
    }
    if (blocks_known && !slk_hash_equal(&head.chain_id, &f->chain_id))
        slk_fsck_tell(f, name, "it is of another ledger");
    else if (blocks_known && (!height_matches(f, head.lowest, &head.lowest_hash, &buffer) ||
                                 !height_matches(f, head.highest, &head.highest_hash, &buffer)))
        slk_fsck_tell(f, name, "it is not of this ledger's past; it will not be used");
    err = check_pieces(f, &head, name);
    free(buffer.at);
    slk_snapshot_close(&head);
    return err;
}

/* ---- all of it ---- */

static enum slk_err check_contents(struct slk_fsck *f)
{
    enum slk_err err = read_meta(f);

    if (f->file.meta->txn_id < f->newest)
        slk_fsck_tell(f, "newest",
            "transaction %" PRIu64 " was committed here, but data.mdb ends at %" PRIu64
            ": it is damaged, or an older copy",
            f->newest, f->file.meta->txn_id);

    for (int i = SLK_BASE_BLOCK; err == SLK_OK && i <= SLK_BASE_FCERT; i++)
        err = list_base(f, (enum slk_base)i, NULL);
    if (err == SLK_OK)
        err = slk_fsck_blocks(f);
    if (err == SLK_OK)
        err = check_checkpoint(f);
    return err;
}

/* Told, and walked again without a voice: what the structure is like has been said by then. */
static enum slk_err check_data(
    struct slk_fsck *f, const struct slk_env *env, MDB_txn *txn, struct slk_fault *fault)
{
    struct slk_lmdb_file loud;
    enum slk_err err = slk_lmdb_open(&loud, f->dir, tell_page, f);

    if (loud.meta != NULL && (err == SLK_OK || err == SLK_E_CORRUPT)) {
        err = env != NULL ? slk_lmdb_choose(&loud, mdb_txn_id(txn)) : SLK_OK;
        if (err == SLK_OK) {
            err = slk_lmdb_walk_all(&loud, 0, true);
            if (err == SLK_OK)
                err = slk_lmdb_open(&f->file, f->dir, tell_nothing, NULL);
            if (f->file.meta != NULL && (err == SLK_OK || err == SLK_E_CORRUPT)) {
                err = env != NULL ? slk_lmdb_choose(&f->file, mdb_txn_id(txn)) : SLK_OK;
                if (err == SLK_OK)
                    err = check_contents(f);
            }
        }
    } else if (err == SLK_E_NOT_FOUND) {
        slk_fault_set(fault, "%s holds no ledger", f->dir);
    }
    slk_lmdb_close(&loud);
    return err;
}

/* A reader's transaction keeps a writer from reusing the pages we look at. Where LMDB cannot open the file there is no
 * writer either. */
static enum slk_err pin_and_check(struct slk_fsck *f, struct slk_fault *fault)
{
    struct slk_env_options options = {.read_only = true, .pin_only = true};
    struct slk_env *env = NULL;
    MDB_txn *txn = NULL;
    enum slk_err err = slk_lmdb_check_head(f->dir, NULL);

    if (err == SLK_OK && slk_env_open(&env, f->dir, &options, NULL) == SLK_OK &&
        slk_env_read(env, &txn) != SLK_OK) {
        slk_env_close(env);
        env = NULL;
    }
    err = check_data(f, env, txn, fault);
    for (int tries = 0; err == SLK_E_RANGE && tries < 1000;
         tries++) { /* two commits since: pin a newer picture */
        slk_env_read_end(env, txn);
        txn = NULL;
        err = slk_env_read(env, &txn);
        if (err != SLK_OK) {
            slk_env_close(env);
            return err;
        }
        slk_lmdb_close(&f->file);
        err = check_data(f, env, txn, fault);
    }
    if (env != NULL) {
        slk_env_read_end(env, txn);
        slk_env_close(env);
    }
    return err;
}

static void fsck_free(struct slk_fsck *f)
{
    slk_lmdb_close(&f->file);
    for (int i = 0; i < SLK_BASE_N; i++)
        free(f->base[i].places);
    for (size_t i = 0; i < f->later_n; i++)
        free(f->later[i]);
    free(f->later);
    free(f->charter);
    free((void *)(uintptr_t)f->charter_bytes.at);
    free((void *)(uintptr_t)f->changes_bytes.at);
    free((void *)(uintptr_t)f->tip_bytes.at);
    free((void *)(uintptr_t)f->checkpoint.at);
    free(f);
}

enum slk_err slk_store_fsck(const char *dir, slk_finding_fn *finding, void *finding_ctx,
    slk_progress_fn *progress, void *progress_ctx, struct slk_fault *fault)
{
    struct slk_fsck *f = calloc(1, sizeof(*f));
    enum slk_err err;

    if (fault != NULL)
        fault->text[0] = '\0';
    if (f == NULL)
        return SLK_E_NOMEM;
    f->dir = dir;
    f->finding = finding;
    f->finding_ctx = finding_ctx;
    f->progress = progress;
    f->progress_ctx = progress_ctx;
    f->file.fd = -1;
    if (slk_newest_read(dir, &f->newest) == SLK_E_CORRUPT)
        slk_fsck_tell(
            f, "newest", "the note of the last transaction is damaged; the next block writes it anew");
    err = pin_and_check(f, fault);
    if (err == SLK_OK || err == SLK_E_CORRUPT) {
        bool blocks_known = err == SLK_OK;
        for (unsigned i = 0; i < SLK_SNAPSHOT_FILES; i++) {
            enum slk_err one = check_snapshot(f, i, blocks_known);
            err = one != SLK_OK ? one : err;
        }
    }
    if (err == SLK_OK && f->findings_n > 0)
        err = SLK_E_CORRUPT;
    if (err == SLK_E_CORRUPT)
        slk_fault_set(fault, "%" PRIu64 " finding%s", f->findings_n, f->findings_n == 1 ? "" : "s");
    fsck_free(f);
    return err;
}
