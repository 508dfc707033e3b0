/* newest.c: which transaction was the last one here: a witness beside data.mdb.
 *
 * LMDB's newest picture is the meta page with the higher number, and nothing vouches for that number: one flipped bit, or
 * an older copy of the file, and the ledger is silently shorter by what was acknowledged last. So each transaction writes
 * its number into what it commits: an old picture cannot pass for a newer one. And the number is kept in a file of its
 * own, written after each commit and not synced: the newest picture cannot pass for an old one. The file may lag behind
 * after a power cut, never run ahead.
 *
 *   tag[16] || u64 transaction || SHA-256 of both
 */
#include "ledger/store/internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define NAME      "newest"
#define TAG       "sillok/newest/1" /* 16 with the literal's zero */
#define TAG_SIZE  16
#define FILE_SIZE (TAG_SIZE + 8 + SLK_HASH_SIZE)

enum slk_err slk_newest_read(const char *dir, uint64_t *txn_id)
{
    static const uint8_t zero[FILE_SIZE];
    char path[SLK_PATH_SIZE];
    uint8_t bytes[FILE_SIZE + 1];
    struct slk_hash hash;
    ssize_t n;
    int fd;

    *txn_id = 0;
    if (!slk_store_path(path, dir, NAME))
        return SLK_E_IO;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return slk_store_errno(errno);
    n = pread(fd, bytes, sizeof bytes, 0);
    (void)close(fd);
    if (n == 0 ||
        (n == FILE_SIZE && memcmp(bytes, zero, FILE_SIZE) == 0)) /* never synced before the power went */
        return SLK_E_NOT_FOUND;
    slk_hash_bytes(&hash, bytes, TAG_SIZE + 8);
    if (n != FILE_SIZE || memcmp(bytes, TAG, TAG_SIZE) != 0 ||
        memcmp(bytes + TAG_SIZE + 8, hash.b, SLK_HASH_SIZE) != 0)
        return SLK_E_CORRUPT;
    *txn_id = slk_get_u64(bytes + TAG_SIZE);
    return SLK_OK;
}

void slk_newest_write(struct slk_store *store)
{
    struct slk_writer w;
    uint8_t bytes[FILE_SIZE];
    char path[SLK_PATH_SIZE];
    struct slk_hash hash;
    MDB_envinfo info;

    if (store->newest_fd < 0 && slk_store_path(path, store->dir, NAME))
        store->newest_fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (store->newest_fd < 0 || mdb_env_info(store->env->mdb, &info) != 0)
        return; /* a guard that is missing refuses nothing */
    w = (struct slk_writer){.at = bytes, .cap = sizeof bytes};
    slk_write_bytes(&w, TAG, TAG_SIZE);
    slk_write_u64(&w, info.me_last_txnid);
    slk_hash_bytes(&hash, bytes, w.size);
    slk_write_bytes(&w, hash.b, SLK_HASH_SIZE);
    assert(!w.bad && w.size == FILE_SIZE);
    (void)!pwrite(store->newest_fd, bytes, sizeof bytes, 0);
}
