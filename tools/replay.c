/* replay.c: see replay.h. */
#include "tools/replay.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger/store/store.h"

/* Appended to, and read at any place. */
struct scratch {
    int fd;
    uint64_t size;
};

struct replay {
    struct slk_charter *charter; /* of genesis */
    struct slk_machine machine;
    struct slk_workers *workers;
    struct slk_block block;
    struct slk_block_source source;
    struct scratch rows;    /* struct slk_row as it is in memory: nobody else reads it */
    struct scratch entries; /* u16 length, entry */
    struct scratch places;  /* u64 offset of each entry in `entries` */
    uint8_t *read;          /* 2 + SLK_ENTRY_MAX for each thread */
    uint8_t *write;
    size_t write_cap;
};

#define READ_ROOM ((size_t)2 + SLK_ENTRY_MAX)

static enum slk_err fail(struct slk_fault *fault, enum slk_err err, const char *why)
{
    snprintf(fault->text, sizeof(fault->text), "%s", why != NULL ? why : slk_err_text(err));
    return err;
}

/* ---- unnamed files ---- */

static enum slk_err scratch_open(struct scratch *s, const char *dir, struct slk_fault *fault)
{
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/sillok-replay-XXXXXX", dir);

    s->fd = n > 0 && (size_t)n < sizeof(path) ? mkstemp(path) : -1;
    if (s->fd < 0) {
        snprintf(fault->text, sizeof(fault->text), "%.180s: %s", dir, strerror(errno));
        return errno == ENOSPC ? SLK_E_NO_SPACE : SLK_E_IO;
    }
    (void)unlink(path);
    return SLK_OK;
}

static enum slk_err scratch_add(struct scratch *s, const void *bytes, size_t size, struct slk_fault *fault)
{
    const uint8_t *at = bytes;

    for (size_t n = 0; n < size;) {
        ssize_t got = pwrite(s->fd, at + n, size - n, (off_t)(s->size + n));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            snprintf(fault->text, sizeof(fault->text), "the scratch files ($TMPDIR says where): %s",
                strerror(errno));
            return errno == ENOSPC || errno == EDQUOT ? SLK_E_NO_SPACE : SLK_E_IO;
        }
        n += (size_t)got;
    }
    s->size += size;
    return SLK_OK;
}

/* Whole, or not. */
static bool scratch_read(const struct scratch *s, uint64_t offset, void *out, size_t size)
{
    uint8_t *at = out;

    if (offset > s->size || size > s->size - offset)
        return false;
    for (size_t n = 0; n < size;) {
        ssize_t got = pread(s->fd, at + n, size - n, (off_t)(offset + n));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        n += (size_t)got;
    }
    return true;
}

/* ---- what execution reads ---- */

static bool read_row(void *ctx, uint64_t row, struct slk_row *out)
{
    const struct replay *r = ctx;

    return row < r->rows.size / sizeof(*out) && scratch_read(&r->rows, row * sizeof(*out), out, sizeof(*out));
}

static bool read_entry(void *ctx, uint64_t log_index, struct slk_span *out)
{
    const struct replay *r = ctx;
    uint8_t *at = r->read + slk_workers_self() * READ_ROOM;
    uint64_t offset;
    size_t size;

    assert(slk_workers_self() < slk_workers_width(r->workers));
    if (log_index >= r->places.size / sizeof(offset) ||
        !scratch_read(&r->places, log_index * sizeof(offset), &offset, sizeof(offset)) ||
        !scratch_read(&r->entries, offset, at, 2))
        return false;
    size = (size_t)at[0] << 8 | at[1];
    if (!scratch_read(&r->entries, offset + 2, at + 2, size))
        return false;
    *out = slk_span_of(at + 2, size);
    return true;
}

static void *room(struct replay *r, size_t size)
{
    if (size > r->write_cap) {
        uint8_t *more = realloc(r->write, size);

        if (more == NULL)
            return NULL;
        r->write = more;
        r->write_cap = size;
    }
    return r->write;
}

/* What later blocks may read of this one. */
static enum slk_err keep(struct replay *r, struct slk_fault *fault)
{
    const struct slk_block *block = &r->block;
    uint64_t *places = room(r, (block->entries_n + 1) * sizeof(*places));
    struct slk_row *rows;
    enum slk_err err;

    if (places == NULL)
        return fail(fault, SLK_E_NOMEM, NULL);
    for (size_t i = 0; i < block->entries_n; i++)
        places[i] = r->entries.size + block->offsets[i];
    err = scratch_add(&r->places, places, block->entries_n * sizeof(*places), fault);
    if (err == SLK_OK)
        err = scratch_add(&r->entries, block->entries, block->entries_size, fault);
    rows = err == SLK_OK ? room(r, (block->rows_n + 1) * sizeof(*rows)) : NULL;
    if (rows == NULL)
        return err == SLK_OK ? fail(fault, SLK_E_NOMEM, NULL) : err;
    memset(rows, 0, block->rows_n * sizeof(*rows));
    for (size_t i = 0; i < block->rows_n; i++)
        slk_row_parse(&rows[i], block->rows, i);
    return scratch_add(&r->rows, rows, block->rows_n * sizeof(*rows), fault);
}

/* ---- the blocks ---- */

/* Entry 0 says whose ledger it is. */
static enum slk_err begin(struct replay *r, struct slk_span entries, struct slk_fault *fault)
{
    const struct slk_map_options map_options = {.advise = slk_store_huge_pages};
    struct slk_reader in = {.rest = entries};
    struct slk_span bytes = slk_read_span(&in, slk_read_u16(&in));
    struct slk_entry entry;
    enum slk_err err;

    if (in.bad || slk_entry_parse(&entry, bytes) != SLK_OK || entry.type != SLK_ENTRY_CHARTER)
        return fail(fault, SLK_E_CORRUPT, "entry 0 is not a genesis charter");
    if (slk_charter_parse(r->charter, entry.charter) != SLK_OK)
        return fail(fault, SLK_E_CORRUPT, "the genesis charter does not parse");
    err = slk_charter_validate_genesis(r->charter, fault);
    if (err != SLK_OK)
        return err;
    slk_charter_chain_id(&r->machine.chain_id, entry.charter);
    r->machine.charter = r->charter;
    slk_log_init(&r->machine.log);
    err = slk_map_new(&r->machine.map, &map_options);
    if (err == SLK_OK)
        err = slk_index_set_new(&r->machine.indexes, r->charter);
    if (err == SLK_OK)
        err = slk_charters_new(&r->machine.charters, r->charter);
    return err == SLK_OK ? SLK_OK : fail(fault, err, NULL);
}

enum slk_err replay_block(struct replay *r, struct slk_span entries, struct slk_fault *fault)
{
    enum slk_err err = SLK_OK;

    *fault = (struct slk_fault){0};
    if (r->machine.map == NULL)
        err = begin(r, entries, fault);
    if (err == SLK_OK)
        err = slk_block_check_entries(
            &r->block, &r->machine, &r->source, entries, slk_workers_par(r->workers), fault);
    if (err != SLK_OK && fault->text[0] == '\0')
        return fail(fault, err, NULL);
    return err == SLK_OK ? keep(r, fault) : err;
}

const struct slk_machine *replay_machine(const struct replay *replay)
{
    return &replay->machine;
}

enum slk_err replay_new(struct replay **out, const char *scratch, unsigned threads, struct slk_fault *fault)
{
    struct replay *r = calloc(1, sizeof(*r));
    enum slk_err err = r != NULL ? SLK_OK : SLK_E_NOMEM;

    *out = r;
    if (r == NULL)
        return fail(fault, err, NULL);
    r->rows.fd = r->entries.fd = r->places.fd = -1;
    r->source = (struct slk_block_source){.ctx = r, .row = read_row, .entry = read_entry};
    r->charter = malloc(sizeof(*r->charter));
    if (r->charter == NULL)
        return fail(fault, SLK_E_NOMEM, NULL);
    err = slk_workers_new(&r->workers, threads);
    if (err != SLK_OK)
        return fail(fault, err, NULL);
    r->read = malloc(slk_workers_width(r->workers) * READ_ROOM);
    if (r->read == NULL)
        return fail(fault, SLK_E_NOMEM, NULL);
    err = scratch_open(&r->rows, scratch, fault);
    if (err == SLK_OK)
        err = scratch_open(&r->entries, scratch, fault);
    if (err == SLK_OK)
        err = scratch_open(&r->places, scratch, fault);
    return err;
}

static void scratch_close(struct scratch *s)
{
    if (s->fd >= 0)
        close(s->fd);
}

void replay_free(struct replay *r)
{
    if (r == NULL)
        return;
    slk_block_free(&r->block);
    slk_map_free(r->machine.map);
    slk_index_set_free(r->machine.indexes);
    slk_charters_free(r->machine.charters);
    slk_workers_free(r->workers);
    scratch_close(&r->rows);
    scratch_close(&r->entries);
    scratch_close(&r->places);
    free(r->charter);
    free(r->read);
    free(r->write);
    free(r);
}
