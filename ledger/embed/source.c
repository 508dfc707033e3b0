#include "ledger/embed/source.h"

#include <assert.h>
#include <string.h>

#include "ledger/verify/bytes.h"

static bool read_row(void *ctx, uint64_t row, struct slk_row *out)
{
    const struct slk_source *source = ctx;
    const struct slk_block *block = source->in_flight;

    if (block != NULL && row >= block->first_row) {
        if (row - block->first_row >= block->rows_n)
            return false;
        slk_row_parse(out, block->rows, (size_t)(row - block->first_row));
        return true;
    }
    assert(slk_workers_self() < source->views_n);
    return slk_view_row(source->views[slk_workers_self()], row, out) == SLK_OK;
}

static bool read_entry(void *ctx, uint64_t log_index, struct slk_span *out)
{
    const struct slk_source *source = ctx;
    const struct slk_block *block = source->in_flight;

    if (block != NULL && log_index >= block->first_index) {
        const uint8_t *at;

        if (log_index - block->first_index >= block->entries_n)
            return false;
        at = block->entries + block->offsets[log_index - block->first_index];
        *out = slk_span_of(at + 2, (size_t)at[0] << 8 | at[1]);
        return true;
    }
    assert(slk_workers_self() < source->views_n);
    return slk_view_entry(source->views[slk_workers_self()], log_index, out) == SLK_OK;
}

enum slk_err slk_source_open(struct slk_source *source, struct slk_store *store, unsigned threads)
{
    memset(source, 0, sizeof(*source));
    source->reads = (struct slk_block_source){.ctx = source, .row = read_row, .entry = read_entry};
    for (unsigned i = 0; i < threads; i++) {
        enum slk_err err = slk_view_begin(&source->views[i], store);

        if (err != SLK_OK) {
            slk_source_close(source);
            return err;
        }
        source->views_n = i + 1;
    }
    return SLK_OK;
}

enum slk_err slk_source_renew(struct slk_source *source)
{
    for (unsigned i = 0; i < source->views_n; i++) {
        enum slk_err err = slk_view_renew(source->views[i]);

        if (err != SLK_OK)
            return err;
    }
    return SLK_OK;
}

void slk_source_close(struct slk_source *source)
{
    for (unsigned i = 0; i < source->views_n; i++)
        slk_view_end(source->views[i]);
    source->views_n = 0;
}
