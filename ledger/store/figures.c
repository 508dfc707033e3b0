/* figures.c: see figures.h. */
#include "ledger/store/figures.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "ledger/store/internal.h"

#define FREE_BASE  0    /* LMDB's own: lists of pages, each value begins with their number */
#define FREE_LISTS 4096 /* looked at: a scrape must not walk a long list for ever */

static uint64_t count_free(const struct slk_env *env, MDB_txn *txn)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    uint64_t pages = 0;
    size_t listed;

    if (mdb_cursor_open(txn, FREE_BASE, &cursor) != 0)
        return 0;
    for (unsigned i = 0; i < FREE_LISTS && mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0; i++) {
        if (value.mv_size < sizeof(listed))
            break;
        memcpy(&listed, value.mv_data, sizeof(listed));
        pages += listed;
    }
    mdb_cursor_close(cursor);
    return pages * env->page_size;
}

static void ask_lmdb(struct slk_env *env, struct slk_store_figures *out)
{
    MDB_envinfo info;
    MDB_stat stat;
    MDB_txn *txn = NULL;

    if (mdb_env_info(env->mdb, &info) == 0) {
        out->map_bytes = info.me_mapsize;
        out->used_bytes = ((uint64_t)info.me_last_pgno + 1) * env->page_size;
        out->readers_n = info.me_numreaders;
        out->readers_max = info.me_maxreaders;
    }
    if (slk_env_read(env, &txn) != SLK_OK)
        return;
    out->free_bytes = count_free(env, txn);
    if (mdb_stat(txn, env->base[SLK_BASE_EVIDENCE], &stat) == 0)
        out->evidence_n = stat.ms_entries;
    slk_env_read_end(env, txn);
}

void slk_store_figures(struct slk_store *store, struct slk_store_figures *out)
{
    char path[SLK_PATH_SIZE];
    struct statvfs disk;
    struct stat file;

    *out = (struct slk_store_figures){.commits = store->env->commits};
    ask_lmdb(store->env, out);
    if (slk_store_path(path, store->dir, "data.mdb") && stat(path, &file) == 0)
        out->file_bytes =
            (uint64_t)file.st_blocks * 512; /* POSIX: st_blocks counts these; the file may have holes */
    if (statvfs(store->dir, &disk) == 0) {
        out->disk_free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
        out->disk_all_bytes = (uint64_t)disk.f_blocks * disk.f_frsize;
    }
}
