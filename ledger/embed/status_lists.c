/* status_lists.c: see status_lists.h. */
#include "ledger/embed/status_lists.h"

#include <stdlib.h>

struct slk_status_reader {
    struct slk_status_lists *lists;
    bool has_genesis_types;
    size_t changes_n; /* charter changes whose types are known */
    uint64_t next;    /* height to read */
    struct slk_block_header last;
};

enum slk_err slk_status_reader_new(struct slk_status_reader **out)
{
    struct slk_status_reader *reader = calloc(1, sizeof(*reader));

    *out = NULL;
    if (reader == NULL)
        return SLK_E_NOMEM;
    if (slk_status_lists_new(&reader->lists) != SLK_OK) {
        free(reader);
        return SLK_E_NOMEM;
    }
    *out = reader;
    return SLK_OK;
}

void slk_status_reader_free(struct slk_status_reader *reader)
{
    if (reader == NULL)
        return;
    slk_status_lists_free(reader->lists);
    free(reader);
}

struct slk_status_lists *slk_status_reader_lists(struct slk_status_reader *reader)
{
    return reader->lists;
}

bool slk_status_reader_place(const struct slk_status_reader *reader, struct slk_block_header *out)
{
    *out = reader->last;
    return reader->next > 0;
}

/* ---- types ---- */

static enum slk_err learn(struct slk_status_reader *reader, struct slk_span charter_bytes)
{
    struct slk_charter *charter = malloc(sizeof(*charter));
    enum slk_err err = charter != NULL ? SLK_OK : SLK_E_NOMEM;

    if (err == SLK_OK && slk_charter_parse(charter, charter_bytes) != SLK_OK)
        err = SLK_E_CORRUPT;
    if (err == SLK_OK)
        slk_status_lists_grow(reader->lists, charter);
    free(charter);
    return err;
}

enum slk_err slk_status_reader_types(
    struct slk_status_reader *reader, struct slk_store *store, struct slk_view *view)
{
    enum slk_err err = SLK_OK;

    if (!reader->has_genesis_types)
        err = learn(reader, slk_store_charter(store));
    reader->has_genesis_types = err == SLK_OK;
    while (err == SLK_OK) {
        struct slk_entry entry;
        struct slk_span bytes;
        uint64_t height;

        err = slk_view_change(view, reader->changes_n, &height, &bytes);
        if (err == SLK_E_NOT_FOUND)
            return SLK_OK;
        if (err == SLK_OK && slk_entry_parse(&entry, bytes) != SLK_OK)
            err = SLK_E_CORRUPT;
        if (err == SLK_OK)
            err = learn(reader, entry.charter);
        reader->changes_n += err == SLK_OK;
    }
    return err;
}

/* ---- rows ---- */

static enum slk_err read_rows(struct slk_status_reader *reader, const struct slk_view_block *block)
{
    enum slk_err err = SLK_OK;

    for (size_t i = 0; err == SLK_OK && i < block->rows_n; i++) {
        struct slk_row_status row;

        slk_row_status(&row, block->rows.at, i);
        err = slk_status_lists_put(reader->lists, &row);
    }
    return err;
}

enum slk_err slk_status_reader_follow(struct slk_status_reader *reader, struct slk_store *store,
    struct slk_view *view, const struct slk_status_until *until, uint64_t rows_max, bool *done)
{
    enum slk_err err = slk_status_reader_types(reader, store, view);
    uint64_t read_n = 0;

    *done = false;
    while (err == SLK_OK && read_n < rows_max) {
        struct slk_block_header header;
        struct slk_view_block block;

        *done = slk_view_tip(view) == NULL || reader->next > slk_view_tip(view)->height;
        if (*done)
            return SLK_OK;
        err = slk_view_block(view, reader->next, &block);
        if (err == SLK_OK)
            err = slk_block_header_parse(&header, block.header);
        if (err != SLK_OK)
            return err;
        *done = header.time_ms > until->time_ms || header.log_size > until->size;
        if (*done)
            return SLK_OK;
        err = read_rows(reader, &block);
        reader->last = header;
        reader->next++;
        read_n += block.rows_n + 1; /* blocks without rows cost, too */
    }
    return err;
}

/* ---- the past ---- */

#define BLOCK_ROWS 16u /* what reading a block costs, in rows: 5 us against a third of one, measured */

/* The last block that is not younger than that. SLK_E_NOT_FOUND: all are. */
static enum slk_err find_block(
    struct slk_view *view, uint64_t time_ms, struct slk_block_header *header, struct slk_view_block *out)
{
    uint64_t low = 0, high = slk_view_tip(view)->height;
    enum slk_err err = SLK_OK;

    while (low < high && err == SLK_OK) {
        uint64_t middle = high - (high - low) / 2;

        err = slk_view_block(view, middle, out);
        if (err == SLK_OK)
            err = slk_block_header_parse(header, out->header);
        if (header->time_ms <= time_ms)
            low = middle;
        else
            high = middle - 1;
    }
    if (err == SLK_OK)
        err = slk_view_block(view, low, out);
    if (err == SLK_OK)
        err = slk_block_header_parse(header, out->header);
    return err == SLK_OK && header->time_ms > time_ms ? SLK_E_NOT_FOUND : err;
}

enum slk_err slk_status_period_start(struct slk_block_header *out, struct slk_view *view, uint32_t period_s)
{
    uint64_t period_ms = (uint64_t)period_s * 1000, start_ms;
    struct slk_view_block block;
    enum slk_err err;

    if (slk_view_tip(view) == NULL)
        return SLK_E_NOT_FOUND;
    start_ms = slk_view_tip(view)->time_ms / period_ms * period_ms;
    if (start_ms == 0)
        return SLK_E_NOT_FOUND;
    err = find_block(view, start_ms - 1, out, &block); /* the last of the periods before */
    if (err == SLK_OK)
        err = slk_view_block(view, out->height + 1, &block);
    return err == SLK_OK ? slk_block_header_parse(out, block.header) : err;
}

static void record_status(struct slk_row_status *out, const uint8_t record[SLK_RECORD_SIZE])
{
    out->state = record[72]; /* design §4 */
    out->type = slk_get_u32(record + 74);
    out->valid_until_s = slk_get_u64(record + 80);
    out->index = slk_get_u32(record + 96);
}

/* The place becomes what it was before this row. */
static enum slk_err take_back(
    struct slk_status_lists *lists, struct slk_view *view, const struct slk_row *row)
{
    struct slk_row_status is, was;
    struct slk_row before;
    enum slk_err err;

    record_status(&is, row->record);
    if (row->previous_row == SLK_MAP_ROW_NONE) {
        slk_status_lists_forget(lists, is.type, is.index);
        return SLK_OK;
    }
    err = slk_view_row(view, row->previous_row, &before);
    if (err != SLK_OK)
        return err == SLK_E_NOT_FOUND ? SLK_E_CORRUPT : err;
    record_status(&was, before.record);
    if (was.index == is.index && was.type == is.type)
        return slk_status_lists_put(lists, &was);
    slk_status_lists_forget(lists, is.type, is.index); /* issued anew, in this place */
    return SLK_OK;
}

static enum slk_err go_back(struct slk_status_reader *reader, struct slk_view *view, uint64_t height,
    const struct slk_status_past *past)
{
    enum slk_err err = SLK_OK;

    for (uint64_t at = slk_view_tip(view)->height; err == SLK_OK && at > height; at--) {
        struct slk_view_block block;

        err = slk_view_block(view, at, &block);
        for (size_t i = block.rows_n; err == SLK_OK && i > 0; i--) {
            struct slk_row_status status;
            struct slk_row row;

            slk_row_status(&status, block.rows.at, i - 1);
            if (status.type != past->type || status.index / SLK_STATUS_LIST_CUT != past->n)
                continue;
            slk_row_parse(&row, block.rows.at, i - 1);
            err = take_back(reader->lists, view, &row);
        }
    }
    return err;
}

static enum slk_err go_forward(struct slk_status_reader *reader, struct slk_store *store,
    struct slk_view *view, const struct slk_status_past *past)
{
    const struct slk_status_until until = {past->time_ms, UINT64_MAX};
    bool done;

    slk_status_lists_only(reader->lists, past->type, past->n);
    return slk_status_reader_follow(reader, store, view, &until, UINT64_MAX, &done);
}

enum slk_err slk_status_reader_at(struct slk_status_reader **out, struct slk_store *store,
    struct slk_view *view, const struct slk_status_reader *tip, const struct slk_status_past *past)
{
    struct slk_status_reader *reader = NULL;
    struct slk_block_header header = {0};
    struct slk_view_block block;
    uint64_t rows_n, since_n, forward_n;
    enum slk_err err =
        slk_view_tip(view) != NULL ? find_block(view, past->time_ms, &header, &block) : SLK_E_NOT_FOUND;

    *out = NULL;
    if (err != SLK_OK)
        return err;
    rows_n = block.first_row + block.rows_n;
    since_n = slk_view_tip(view)->rows_n - rows_n;
    forward_n = rows_n + (header.height + 1) * BLOCK_ROWS;
    if (since_n > past->back_max || (since_n >= rows_n && forward_n <= past->forward_max))
        tip = NULL;
    if (tip == NULL && forward_n > past->forward_max)
        return SLK_E_TOO_LARGE;
    err = slk_status_reader_new(&reader);
    if (err == SLK_OK && tip != NULL) {
        slk_status_lists_free(reader->lists);
        err = slk_status_lists_copy(&reader->lists, tip->lists, past->type, past->n);
        if (err == SLK_OK)
            err = go_back(reader, view, header.height, past);
        reader->last = header;
        reader->next = header.height + 1;
    } else if (err == SLK_OK) {
        err = go_forward(reader, store, view, past);
    }
    if (err != SLK_OK) {
        slk_status_reader_free(reader);
        return err;
    }
    *out = reader;
    return SLK_OK;
}
