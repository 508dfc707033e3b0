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
