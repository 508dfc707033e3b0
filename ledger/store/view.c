/* view.c: reading: a consistent picture of the ledger, whatever the writer does meanwhile. */
#include "ledger/store/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/multihash.h"

/* ---- values ---- */

bool slk_bundle_parse(struct slk_bundle *out, uint64_t first_index, struct slk_span value)
{
    size_t n;

    memset(out, 0, sizeof(*out));
    if (value.size < SLK_ENTRIES_TAIL)
        return false;
    n = slk_get_u32(value.at + value.size - 4);
    /* An entry takes at least its length field and a byte. */
    if (n == 0 || n > (value.size - SLK_ENTRIES_TAIL) / 3 || first_index > UINT64_MAX - n ||
        4 * SLK_ENTRY_MARKS(n) > value.size - SLK_ENTRIES_TAIL)
        return false;
    out->first_index = first_index;
    out->height = slk_get_u64(value.at + value.size - SLK_ENTRIES_TAIL);
    out->entries_n = n;
    out->entries = slk_span_of(value.at, value.size - SLK_ENTRIES_TAIL - 4 * SLK_ENTRY_MARKS(n));
    out->offsets = value.at + out->entries.size;
    return true;
}

bool slk_bundle_entry(const struct slk_bundle *bundle, size_t at, struct slk_span *out)
{
    size_t offset = slk_get_u32(bundle->offsets + 4 * (at / SLK_ENTRIES_PER_MARK)), size = 0;

    assert(at < bundle->entries_n);
    *out = (struct slk_span){0};
    for (size_t walked = 0; walked <= at % SLK_ENTRIES_PER_MARK; walked++) {
        offset += size;
        if (bundle->entries.size < 2 || offset > bundle->entries.size - 2)
            return false;
        size = 2 + ((size_t)bundle->entries.at[offset] << 8 | bundle->entries.at[offset + 1]);
        if (size == 2 || size > bundle->entries.size - offset)
            return false;
    }
    *out = slk_span_of(bundle->entries.at + offset + 2, size - 2);
    return true;
}

/* ---- LMDB ---- */

enum slk_err slk_view_cursor(struct slk_view *view, enum slk_base base, MDB_cursor **out)
{
    int rc = 0;

    if (view->cursors[base] == NULL)
        rc = mdb_cursor_open(view->txn, view->env->base[base], &view->cursors[base]);
    *out = view->cursors[base];
    return slk_env_err(rc);
}

enum slk_err slk_view_get(
    struct slk_view *view, enum slk_base base, const void *key, size_t key_size, struct slk_span *out)
{
    MDB_val k = {key_size, (void *)(uintptr_t)key};
    MDB_val v;
    MDB_cursor *cursor;
    enum slk_err err = slk_view_cursor(view, base, &cursor);

    *out = (struct slk_span){0};
    if (err == SLK_OK)
        err = slk_env_err(mdb_cursor_get(cursor, &k, &v, MDB_SET));
    if (err == SLK_OK)
        *out = slk_span_of(v.mv_data, v.mv_size);
    return err;
}

enum slk_err slk_view_seek(struct slk_view *view, enum slk_base base, uint64_t *key, struct slk_span *out)
{
    uint8_t bytes[8];
    MDB_val k = {sizeof bytes, bytes};
    MDB_val v;
    MDB_cursor *cursor;
    enum slk_err err = slk_view_cursor(view, base, &cursor);
    int rc;

    *out = (struct slk_span){0};
    if (err != SLK_OK)
        return err;
    slk_put_u64(bytes, *key);
    rc = mdb_cursor_get(cursor, &k, &v, MDB_SET_RANGE);
    if (rc == MDB_NOTFOUND)
        rc = mdb_cursor_get(cursor, &k, &v, MDB_LAST);
    else if (rc == 0 && (k.mv_size != 8 || slk_get_u64(k.mv_data) != *key))
        rc = mdb_cursor_get(cursor, &k, &v, MDB_PREV);
    if (rc != 0)
        return slk_env_err(rc);
    if (k.mv_size != 8 || slk_get_u64(k.mv_data) > *key)
        return SLK_E_CORRUPT;
    *key = slk_get_u64(k.mv_data);
    *out = slk_span_of(v.mv_data, v.mv_size);
    return SLK_OK;
}

/* ---- begin, renew, end ---- */

static enum slk_err read_tip(struct slk_view *view)
{
    struct slk_span bytes;
    enum slk_err err = slk_view_get(view, SLK_BASE_META, SLK_META_TIP, sizeof SLK_META_TIP - 1, &bytes);

    view->bundle.entries_n = 0;
    view->rows = (struct slk_span){0};
    view->has_tip = err == SLK_OK;
    if (err == SLK_E_NOT_FOUND)
        return SLK_OK;
    if (err == SLK_OK && !slk_tip_parse(&view->tip, bytes))
        err = SLK_E_CORRUPT;
    view->has_tip = err == SLK_OK;
    return err;
}

static void close_cursors(struct slk_view *view)
{
    for (int i = 0; i < SLK_BASE_N; i++) {
        if (view->cursors[i] != NULL)
            mdb_cursor_close(view->cursors[i]);
        view->cursors[i] = NULL;
    }
}

enum slk_err slk_view_begin_env(struct slk_view **out, struct slk_env *env)
{
    struct slk_view *view = calloc(1, sizeof(*view));
    enum slk_err err;

    *out = NULL;
    if (view == NULL)
        return SLK_E_NOMEM;
    view->env = env;
    err = slk_env_read(env, &view->txn);
    if (err != SLK_OK) {
        free(view);
        return err;
    }
    err = read_tip(view);
    if (err != SLK_OK) {
        slk_view_end(view);
        return err;
    }
    *out = view;
    return SLK_OK;
}

enum slk_err slk_view_begin(struct slk_view **out, struct slk_store *store)
{
    enum slk_err err = slk_view_begin_env(out, store->env);

    if (err == SLK_OK)
        (*out)->store = store;
    return err;
}

void slk_view_end(struct slk_view *view)
{
    if (view == NULL)
        return;
    close_cursors(view);
    if (view->is_resting)
        mdb_txn_abort(view->txn);
    else if (view->txn != NULL)
        slk_env_read_end(view->env, view->txn);
    free(view);
}

void slk_view_rest(struct slk_view *view)
{
    assert(view->txn != NULL && !view->is_resting);
    slk_env_read_reset(view->env, view->txn);
    view->is_resting = true;
    view->has_tip = false; /* whoever reads now finds nothing */
    view->bundle.entries_n = 0;
    view->rows = (struct slk_span){0};
}

enum slk_err slk_view_renew(struct slk_view *view)
{
    MDB_txn *txn = view->txn;
    enum slk_err err;

    assert(txn != NULL); /* a view that failed to renew can only be ended */
    if (!view->is_resting)
        slk_env_read_reset(view->env, txn);
    view->is_resting = false;
    err = slk_env_read(view->env, &txn);
    if (err != SLK_OK) {
        close_cursors(view);
        mdb_txn_abort(txn);
        view->txn = NULL;
        return err;
    }
    for (int i = 0; i < SLK_BASE_N; i++) /* a cursor that cannot come along is opened again when needed */
        if (view->cursors[i] != NULL && mdb_cursor_renew(txn, view->cursors[i]) != 0) {
            mdb_cursor_close(view->cursors[i]);
            view->cursors[i] = NULL;
        }
    return read_tip(view);
}

const struct slk_tip *slk_view_tip(const struct slk_view *view)
{
    return view->has_tip ? &view->tip : NULL;
}

/* ---- entries, rows, blocks ---- */

enum slk_err slk_view_bundle(struct slk_view *view, uint64_t log_index, struct slk_bundle *out)
{
    uint64_t first = log_index;
    struct slk_span value;
    enum slk_err err;

    if (!view->has_tip || log_index >= view->tip.log_size)
        return SLK_E_NOT_FOUND;
    if (view->bundle.entries_n == 0 || log_index < view->bundle.first_index ||
        log_index - view->bundle.first_index >= view->bundle.entries_n) {
        view->bundle.entries_n = 0;
        err = slk_view_seek(view, SLK_BASE_ENTRIES, &first, &value);
        if (err != SLK_OK)
            return err == SLK_E_NOT_FOUND ? SLK_E_CORRUPT : err;
        if (!slk_bundle_parse(out, first, value) || log_index - first >= out->entries_n)
            return SLK_E_CORRUPT;
        view->bundle = *out;
    }
    *out = view->bundle;
    return SLK_OK;
}

enum slk_err slk_view_entry(struct slk_view *view, uint64_t log_index, struct slk_span *out)
{
    struct slk_bundle bundle;
    enum slk_err err = slk_view_bundle(view, log_index, &bundle);

    *out = (struct slk_span){0};
    if (err != SLK_OK)
        return err;
    return slk_bundle_entry(&bundle, (size_t)(log_index - bundle.first_index), out) ? SLK_OK : SLK_E_CORRUPT;
}

/* From entry `at` on, n entries of one block. */
static bool take_entries(const struct slk_bundle *bundle, size_t at, size_t n, struct slk_span *out)
{
    const uint8_t *end = bundle->entries.at + bundle->entries.size, *start;
    struct slk_span entry;

    if (!slk_bundle_entry(bundle, at, &entry))
        return false;
    start = entry.at - 2;
    for (size_t i = 1; i < n; i++) {
        const uint8_t *next = entry.at + entry.size;
        size_t size;

        if (end - next < 2)
            return false;
        size = (size_t)next[0] << 8 | next[1];
        if (size == 0 || size > (size_t)(end - next) - 2)
            return false;
        entry = slk_span_of(next + 2, size);
    }
    *out = slk_span_of(start, (size_t)(entry.at + entry.size - start));
    return true;
}

enum slk_err slk_view_entries(
    struct slk_view *view, uint64_t first_index, size_t n, struct slk_span *pieces, size_t *pieces_n)
{
    size_t done = 0;

    for (*pieces_n = 0; done < n; ++*pieces_n) {
        struct slk_bundle bundle;
        enum slk_err err = slk_view_bundle(view, first_index + done, &bundle);
        size_t at, part;

        if (err != SLK_OK)
            return err;
        at = (size_t)(first_index + done - bundle.first_index);
        part = n - done < bundle.entries_n - at ? n - done : bundle.entries_n - at;
        if (!take_entries(&bundle, at, part, &pieces[*pieces_n]))
            return SLK_E_CORRUPT;
        done += part;
    }
    return SLK_OK;
}

enum slk_err slk_view_height_of(struct slk_view *view, uint64_t log_index, uint64_t *height)
{
    struct slk_bundle bundle;
    enum slk_err err = slk_view_bundle(view, log_index, &bundle);

    *height = err == SLK_OK ? bundle.height : 0;
    return err;
}

enum slk_err slk_view_row(struct slk_view *view, uint64_t row, struct slk_row *out)
{
    uint64_t first = row;
    struct slk_span value;
    enum slk_err err;
    size_t n;

    if (!view->has_tip || row >= view->tip.rows_n)
        return SLK_E_NOT_FOUND;
    if (view->rows.size == 0 || row < view->rows_first || row - view->rows_first >= view->rows_n) {
        view->rows.size = 0;
        err = slk_view_seek(view, SLK_BASE_ROWS, &first, &value);
        if (err != SLK_OK)
            return err == SLK_E_NOT_FOUND ? SLK_E_CORRUPT : err;
        if (!slk_rows_count(value.size, &n) || row - first >= n)
            return SLK_E_CORRUPT;
        view->rows_first = first;
        view->rows = value;
        view->rows_n = n;
    }
    slk_row_parse(out, view->rows.at, (size_t)(row - view->rows_first));
    return SLK_OK;
}

enum slk_err slk_view_block(struct slk_view *view, uint64_t height, struct slk_view_block *out)
{
    uint8_t key[8];
    struct slk_span value;
    struct slk_bundle bundle;
    enum slk_err err;

    memset(out, 0, sizeof(*out));
    if (!view->has_tip || height > view->tip.height)
        return SLK_E_NOT_FOUND;
    slk_put_u64(key, height);
    err = slk_view_get(view, SLK_BASE_BLOCK, key, sizeof key, &value);
    if (err != SLK_OK)
        return err == SLK_E_NOT_FOUND ? SLK_E_CORRUPT : err;
    if (value.size != SLK_BLOCK_ROW)
        return SLK_E_CORRUPT;
    out->header = value.at;
    out->first_index = slk_get_u64(value.at + SLK_BLOCK_HEADER_SIZE);
    out->first_row = slk_get_u64(value.at + SLK_BLOCK_HEADER_SIZE + 8);
    out->entries_n = slk_get_u32(value.at + SLK_BLOCK_HEADER_SIZE + 16);
    out->rows_n = slk_get_u32(value.at + SLK_BLOCK_HEADER_SIZE + 20);
    slk_put_u64(key, out->first_index);
    err = slk_view_get(view, SLK_BASE_ENTRIES, key, sizeof key, &value);
    if (err == SLK_OK && (!slk_bundle_parse(&bundle, out->first_index, value) ||
                             bundle.entries_n != out->entries_n || bundle.height != height))
        err = SLK_E_CORRUPT;
    if (err == SLK_OK)
        out->entries = bundle.entries;
    if (err == SLK_OK && out->rows_n > 0) {
        slk_put_u64(key, out->first_row);
        err = slk_view_get(view, SLK_BASE_ROWS, key, sizeof key, &out->rows);
        if (err == SLK_OK && out->rows.size != slk_rows_size(out->rows_n))
            err = SLK_E_CORRUPT;
    }
    if (err != SLK_OK)
        memset(out, 0, sizeof(*out));
    return err == SLK_E_NOT_FOUND ? SLK_E_CORRUPT : err;
}

enum slk_err slk_view_finality(struct slk_view *view, uint64_t height, struct slk_cert *out)
{
    struct slk_span value;
    struct slk_hash hash;
    uint8_t key[8];
    enum slk_err err;

    if (!view->has_tip || height == 0 || height > view->tip.height)
        return SLK_E_NOT_FOUND;
    slk_put_u64(key, height);
    err = slk_view_get(view, SLK_BASE_FCERT, key, sizeof key, &value);
    if (err == SLK_OK &&
        (!slk_cert_unform(out, value) || out->kind != SLK_VOTE_FINALIZE || out->height != height))
        err = SLK_E_CORRUPT;
    if (err == SLK_OK)
        err = slk_view_get(view, SLK_BASE_BLOCK, key, sizeof key, &value);
    if (err == SLK_OK && value.size == SLK_BLOCK_ROW) {
        slk_block_hash(&hash, value.at);
        if (slk_hash_equal(&hash, &out->hash))
            return SLK_OK;
    }
    return err == SLK_OK || err == SLK_E_NOT_FOUND ? SLK_E_CORRUPT : err;
}

enum slk_err slk_view_checkpoint(struct slk_view *view, struct slk_tree_head *head, struct slk_span *note)
{
    struct slk_span value;
    enum slk_err err =
        slk_view_get(view, SLK_BASE_META, SLK_META_CHECKPOINT, sizeof SLK_META_CHECKPOINT - 1, &value);

    memset(head, 0, sizeof(*head));
    *note = (struct slk_span){0};
    if (err != SLK_OK)
        return err;
    if (value.size <= 8 + SLK_HASH_SIZE)
        return SLK_E_CORRUPT;
    head->tree_size = slk_get_u64(value.at);
    memcpy(head->root_hash.b, value.at + 8, SLK_HASH_SIZE);
    *note = slk_span_of(value.at + 8 + SLK_HASH_SIZE, value.size - 8 - SLK_HASH_SIZE);
    return SLK_OK;
}

/* ---- tiles ---- */

enum slk_err slk_view_hash_leaves(struct slk_view *view, uint64_t first_index, size_t n, struct slk_hash *out)
{
    for (size_t i = 0; i < n; i++) {
        struct slk_span entry;
        enum slk_err err = slk_view_entry(view, first_index + i, &entry);
        if (err != SLK_OK)
            return err;
        slk_hash_leaf(&out[i], entry.at, entry.size);
    }
    return SLK_OK;
}

bool slk_view_tile_bytes(struct slk_view *view, uint32_t level, uint64_t index, struct slk_span *out)
{
    const size_t tile_size = SLK_TILE_WIDTH * SLK_HASH_SIZE, group_size = SLK_GROUP_LEAVES * SLK_HASH_SIZE;
    uint8_t key[SLK_TILE_KEY_SIZE];
    struct slk_span value;
    enum slk_err err;

    *out = (struct slk_span){0};
    if (!view->has_tip || level >= SLK_TILE_LEVELS ||
        slk_tile_width(level, index, view->tip.log_size) < SLK_TILE_WIDTH)
        return false;
    if (level > 0) {
        slk_put_u32(key, level);
        slk_put_u64(key + 4, index);
        err = slk_view_get(view, SLK_BASE_TILES, key, sizeof key, &value);
        if (err == SLK_OK && value.size == tile_size)
            *out = value;
    } else if (index / SLK_GROUP_TILES < view->tip.log_size / SLK_GROUP_LEAVES) {
        slk_put_u64(key, index / SLK_GROUP_TILES);
        err = slk_view_get(view, SLK_BASE_LEAVES, key, 8, &value);
        if (err == SLK_OK && value.size == group_size)
            *out = slk_span_of(value.at + index % SLK_GROUP_TILES * tile_size, tile_size);
    }
    return out->size > 0;
}

/* The first `width` hashes of a full tile, or of one of level 0. */
static enum slk_err read_hashes(
    struct slk_view *view, uint32_t level, uint64_t index, uint32_t width, struct slk_hash *out)
{
    struct slk_span bytes;

    if (level == 0 && index / SLK_GROUP_TILES >= view->tip.log_size / SLK_GROUP_LEAVES)
        return slk_view_hash_leaves(view, index * SLK_TILE_WIDTH, width, out); /* of the unfinished group */
    if (!slk_view_tile_bytes(view, level, index, &bytes))
        return SLK_E_CORRUPT;
    memcpy(out, bytes.at, width * (size_t)SLK_HASH_SIZE);
    return SLK_OK;
}

/* The root of a full tile: one hash of the level above it. */
static enum slk_err root_of_tile(struct slk_view *view, uint32_t level, uint64_t index, struct slk_hash *out)
{
    struct slk_hash hashes[SLK_TILE_WIDTH];
    enum slk_err err = read_hashes(view, level, index, SLK_TILE_WIDTH, hashes);

    if (err != SLK_OK)
        return err;
    for (size_t n = SLK_TILE_WIDTH / 2; n > 0; n /= 2)
        slk_multihash_nodes(hashes, hashes, n);
    *out = hashes[0];
    return SLK_OK;
}

bool slk_view_tile(void *ctx, uint32_t level, uint64_t index, uint32_t width, struct slk_hash *out)
{
    struct slk_view *view = ctx;
    uint32_t there;

    if (!view->has_tip || level >= SLK_TILE_LEVELS || width == 0)
        return false;
    there = slk_tile_width(level, index, view->tip.log_size);
    if (width > there)
        return false;
    if (level == 0 || there == SLK_TILE_WIDTH)
        return read_hashes(view, level, index, width, out) == SLK_OK;
    /* Right edge: the tile is not stored, but every tile below the hashes it has is full. */
    for (uint32_t i = 0; i < width; i++)
        if (root_of_tile(view, level - 1, index * SLK_TILE_WIDTH + i, &out[i]) != SLK_OK)
            return false;
    return true;
}

enum slk_err slk_view_load_log(struct slk_view *view, struct slk_log *out)
{
    slk_log_init(out);
    return view->has_tip ? slk_log_load(out, view->tip.log_size, slk_view_tile, view) : SLK_OK;
}
