/* snapshot.c: the leaves of the map and the used status indexes, written in the background.
 *
 * The ledger's thread copies a few partitions between two blocks; a thread of ours hashes and writes the copies. So the
 * parts of one snapshot are of different heights: each names its own, and loading replays to each what came after.
 * Two files take turns, overwritten in place: new space on a disk costs five times as much (limits §4).
 */
#include "ledger/store/internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC          "sillok/snap/1\0\0" /* 16 with the literal's zero */
#define MAGIC_SIZE     16
#define FIXED_SIZE     (MAGIC_SIZE + SLK_HASH_SIZE + 4 + 4 + SLK_HASH_SIZE + 8 + 2 * (8 + SLK_HASH_SIZE))
#define PIECE_SIZE     (4 + 4 + 8 + 8 + 8 + SLK_HASH_SIZE)
#define PIECES_MAX     (SLK_MAP_PARTITIONS + SLK_CHARTER_TYPES_MAX)
#define SECTOR         512u /* what a disk writes whole or not at all */
#define ALIGNMENT      4096u
#define GATHER         ((size_t)1 << 20)   /* small pieces are written together */
#define PENDING_MAX    ((size_t)32 << 20)  /* copies waiting for the disk */
#define SYNC_EACH      ((uint64_t)8 << 20) /* so that a commit's sync never waits for much of ours */
#define PIECE_SIZE_MAX ((uint64_t)1 << 40)

const char *slk_snapshot_name(unsigned number)
{
    return number == 0 ? "snapshot.0" : "snapshot.1";
}

static bool write_at(int fd, uint64_t offset, const uint8_t *at, size_t size)
{
    while (size > 0) {
        ssize_t n = pwrite(fd, at, size, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno;
            return false;
        }
        at += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return true;
}

static size_t header_size(size_t pieces_n)
{
    size_t size = FIXED_SIZE + pieces_n * PIECE_SIZE;

    return size + (ALIGNMENT - size % ALIGNMENT) % ALIGNMENT;
}

/* ---- reading ---- */

static void read_piece(struct slk_reader *r, struct slk_piece *piece)
{
    piece->kind = slk_read_u32(r);
    piece->number = slk_read_u32(r);
    piece->offset = slk_read_u64(r);
    piece->size = slk_read_u64(r);
    piece->height = slk_read_u64(r);
    slk_read_bytes(r, piece->hash.b, SLK_HASH_SIZE);
}

static bool piece_is_sane(const struct slk_snapshot_head *head, size_t i, uint64_t file_size)
{
    const struct slk_piece *piece = &head->pieces[i];

    if (i < SLK_MAP_PARTITIONS ? piece->kind != SLK_PIECE_PARTITION || piece->number != i
                               : piece->kind != SLK_PIECE_INDEXES)
        return false;
    return piece->height >= head->lowest && piece->height <= head->highest && piece->size <= PIECE_SIZE_MAX &&
           piece->offset <= file_size && piece->size <= file_size - piece->offset;
}

static bool parse_header(
    struct slk_snapshot_head *head, const uint8_t *bytes, size_t size, uint64_t file_size)
{
    struct slk_reader r = {
        .rest = slk_span_of(bytes + MAGIC_SIZE + SLK_HASH_SIZE, size - MAGIC_SIZE - SLK_HASH_SIZE)};

    if (slk_read_u32(&r) != SLK_STORE_FORMAT || slk_read_u32(&r) != head->pieces_n)
        return false;
    slk_read_bytes(&r, head->chain_id.b, SLK_HASH_SIZE);
    head->credentials_n = slk_read_u64(&r);
    head->lowest = slk_read_u64(&r);
    slk_read_bytes(&r, head->lowest_hash.b, SLK_HASH_SIZE);
    head->highest = slk_read_u64(&r);
    slk_read_bytes(&r, head->highest_hash.b, SLK_HASH_SIZE);
    for (size_t i = 0; i < head->pieces_n; i++)
        read_piece(&r, &head->pieces[i]);
    for (size_t i = 0; i < head->pieces_n; i++)
        if (!piece_is_sane(head, i, file_size))
            return false;
    return !r.bad && head->lowest <= head->highest;
}

/* The whole header; *bytes is malloc'ed. */
static enum slk_err read_header(
    struct slk_snapshot_head *head, uint64_t file_size, uint8_t **bytes, size_t *size)
{
    uint8_t start[FIXED_SIZE];
    struct slk_hash hash;

    if (file_size < FIXED_SIZE || !slk_store_read(head->fd, 0, start, sizeof start))
        return SLK_E_CORRUPT;
    head->pieces_n = slk_get_u32(start + MAGIC_SIZE + SLK_HASH_SIZE + 4);
    if (memcmp(start, MAGIC, MAGIC_SIZE) != 0 || head->pieces_n < SLK_MAP_PARTITIONS ||
        head->pieces_n > PIECES_MAX)
        return SLK_E_CORRUPT;
    *size = header_size(head->pieces_n);
    *bytes = malloc(*size);
    if (*bytes == NULL)
        return SLK_E_NOMEM;
    if (*size > file_size || !slk_store_read(head->fd, 0, *bytes, *size))
        return SLK_E_CORRUPT;
    slk_hash_bytes(&hash, *bytes + MAGIC_SIZE + SLK_HASH_SIZE, *size - MAGIC_SIZE - SLK_HASH_SIZE);
    return memcmp(hash.b, *bytes + MAGIC_SIZE, SLK_HASH_SIZE) == 0 ? SLK_OK : SLK_E_CORRUPT;
}

/* Being written, or its writing was cut short: no finding. Its first bytes are zero then, and stay so until the rest is synced. */
static bool is_unfinished(int fd, uint64_t file_size)
{
    static const uint8_t zero[MAGIC_SIZE + SLK_HASH_SIZE];
    uint8_t start[MAGIC_SIZE + SLK_HASH_SIZE];

    return file_size == 0 || (file_size >= sizeof start && slk_store_read(fd, 0, start, sizeof start) &&
                                 memcmp(start, zero, sizeof start) == 0);
}

enum slk_err slk_snapshot_open(
    struct slk_snapshot_head *out, const char *dir, unsigned number, struct slk_fault *fault)
{
    char path[SLK_PATH_SIZE];
    uint8_t *bytes = NULL;
    struct stat st;
    enum slk_err err = SLK_E_IO;
    size_t size;

    memset(out, 0, sizeof(*out));
    out->fd = -1;
    if (!slk_store_path(path, dir, slk_snapshot_name(number)))
        return SLK_E_IO;
    out->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (out->fd < 0)
        return slk_store_errno(errno);
    if (fstat(out->fd, &st) == 0)
        err = is_unfinished(out->fd, (uint64_t)st.st_size)
                  ? SLK_E_NOT_FOUND
                  : read_header(out, (uint64_t)st.st_size, &bytes, &size);
    if (err == SLK_OK) {
        out->pieces = calloc(out->pieces_n, sizeof(*out->pieces));
        if (out->pieces == NULL)
            err = SLK_E_NOMEM;
        else if (!parse_header(out, bytes, size, (uint64_t)st.st_size))
            err = SLK_E_CORRUPT;
    }
    free(bytes);
    if (err == SLK_E_CORRUPT)
        slk_fault_set(
            fault, "%s: its header is damaged, or the file is truncated", slk_snapshot_name(number));
    if (err != SLK_OK)
        slk_snapshot_close(out);
    return err;
}

void slk_snapshot_close(struct slk_snapshot_head *head)
{
    if (head->fd >= 0)
        (void)close(head->fd);
    free(head->pieces);
    memset(head, 0, sizeof(*head));
    head->fd = -1;
}

enum slk_err slk_snapshot_read(
    const struct slk_snapshot_head *head, const struct slk_piece *piece, uint8_t *out)
{
    struct slk_hash hash;

    if (!slk_store_read(head->fd, piece->offset, out, (size_t)piece->size))
        return SLK_E_CORRUPT;
    slk_hash_bytes(&hash, out, (size_t)piece->size);
    return slk_hash_equal(&hash, &piece->hash) ? SLK_OK : SLK_E_CORRUPT;
}

static enum slk_err block_hash_at(struct slk_view *view, uint64_t height, struct slk_hash *out)
{
    struct slk_view_block block;
    enum slk_err err = slk_view_block(view, height, &block);

    if (err == SLK_OK)
        slk_block_hash(out, block.header);
    return err;
}

enum slk_err slk_snapshot_belongs(
    const struct slk_snapshot_head *head, struct slk_view *view, const struct slk_hash *chain_id)
{
    struct slk_hash low, high;

    if (!slk_hash_equal(&head->chain_id, chain_id) || !view->has_tip || head->highest > view->tip.height)
        return SLK_E_CHAIN; /* newer than the ledger: left over from before a backup was put back */
    if (block_hash_at(view, head->lowest, &low) != SLK_OK ||
        block_hash_at(view, head->highest, &high) != SLK_OK)
        return SLK_E_CORRUPT;
    return slk_hash_equal(&low, &head->lowest_hash) && slk_hash_equal(&high, &head->highest_hash)
               ? SLK_OK
               : SLK_E_CHAIN;
}

/* ---- writing ---- */

/* A copied piece on its way to the disk. */
struct copy {
    struct copy *next;
    size_t piece;
    uint8_t bytes[];
};

struct slk_snapshot {
    struct slk_store *store;
    int fd;
    bool is_new; /* the file's name is not on disk yet */
    uint64_t credentials_n;
    size_t pieces_n, next; /* next: to be copied */
    uint64_t end;          /* of the file so far */
    struct slk_piece *pieces;
    uint8_t *gather; /* small pieces on their way, the thread's own */
    size_t gathered;
    uint64_t gather_offset, unsynced;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct copy *first, **last;
    size_t pending; /* bytes */
    bool stop;
    enum slk_err err;
};

static enum slk_err sync_file(struct slk_snapshot *s)
{
    s->unsynced = 0;
    return fdatasync(s->fd) == 0 ? SLK_OK : slk_store_errno(errno);
}

static enum slk_err write_through(struct slk_snapshot *s, uint64_t offset, const uint8_t *at, size_t size)
{
    if (!write_at(s->fd, offset, at, size))
        return slk_store_errno(errno);
    s->unsynced += size;
    return s->unsynced < SYNC_EACH ? SLK_OK : sync_file(s);
}

static enum slk_err flush(struct slk_snapshot *s)
{
    size_t size = s->gathered;

    s->gathered = 0;
    return size > 0 ? write_through(s, s->gather_offset, s->gather, size) : SLK_OK;
}

/* One copy hashed and written. Pieces follow each other in the file, and most are small: they are gathered. Only this
 * thread touches the pieces' hashes until it is joined. */
static enum slk_err write_copy(struct slk_snapshot *s, const struct copy *copy)
{
    struct slk_piece *piece = &s->pieces[copy->piece];
    size_t size = (size_t)piece->size;
    enum slk_err err = SLK_OK;

    slk_hash_bytes(&piece->hash, copy->bytes, size);
    if (size > GATHER - s->gathered)
        err = flush(s);
    if (err != SLK_OK || size > GATHER)
        return err == SLK_OK ? write_through(s, piece->offset, copy->bytes, size) : err;
    if (s->gathered == 0)
        s->gather_offset = piece->offset;
    assert(s->gather_offset + s->gathered == piece->offset);
    memcpy(s->gather + s->gathered, copy->bytes, size);
    s->gathered += size;
    return SLK_OK;
}

/* The old header must be gone for good before its pieces are overwritten. */
static enum slk_err invalidate(struct slk_snapshot *s)
{
    static const uint8_t zero[MAGIC_SIZE + SLK_HASH_SIZE];

    return write_at(s->fd, 0, zero, sizeof zero) && fdatasync(s->fd) == 0 ? SLK_OK : slk_store_errno(errno);
}

static void *writer_main(void *arg)
{
    struct slk_snapshot *s = arg;
    enum slk_err err = invalidate(s);

    pthread_mutex_lock(&s->lock);
    for (;;) {
        struct copy *copy;

        s->err = s->err != SLK_OK ? s->err : err;
        while (s->first == NULL && !s->stop)
            pthread_cond_wait(&s->changed, &s->lock);
        copy = s->first;
        if (copy == NULL)
            break;
        s->first = copy->next;
        if (s->first == NULL)
            s->last = &s->first;
        err = s->err;
        pthread_mutex_unlock(&s->lock);
        if (err == SLK_OK)
            err = write_copy(s, copy);
        pthread_mutex_lock(&s->lock);
        s->pending -= (size_t)s->pieces[copy->piece].size;
        pthread_cond_broadcast(&s->changed);
        free(copy);
    }
    if (s->err == SLK_OK)
        s->err = flush(s); /* the last: whoever joins waits for it */
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* The file to overwrite: one that is not sound, else the older one. */
static unsigned choose_file(const char *dir)
{
    uint64_t heights[SLK_SNAPSHOT_FILES];

    for (unsigned i = 0; i < SLK_SNAPSHOT_FILES; i++) {
        struct slk_snapshot_head head;

        if (slk_snapshot_open(&head, dir, i, NULL) != SLK_OK)
            return i;
        heights[i] = head.highest;
        slk_snapshot_close(&head);
    }
    return heights[0] <= heights[1] ? 0 : 1;
}

static enum slk_err open_file(struct slk_snapshot *s, const char *dir)
{
    char path[SLK_PATH_SIZE];

    if (!slk_store_path(path, dir, slk_snapshot_name(choose_file(dir))))
        return SLK_E_IO;
    s->is_new = access(path, F_OK) != 0;
    s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return s->fd >= 0 ? SLK_OK : slk_store_errno(errno);
}

static void snapshot_free(struct slk_snapshot *s)
{
    if (s->fd >= 0)
        (void)close(s->fd);
    free(s->gather);
    free(s->pieces);
    free(s);
}

enum slk_err slk_snapshot_begin(
    struct slk_snapshot **out, struct slk_store *store, const struct slk_machine *state)
{
    struct slk_snapshot *s;
    enum slk_err err;

    *out = NULL;
    if (store->read_only)
        return SLK_E_READ_ONLY;
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return SLK_E_NOMEM;
    s->store = store;
    s->fd = -1;
    s->pieces_n = SLK_MAP_PARTITIONS + state->charter->types_n;
    s->end = header_size(s->pieces_n);
    s->last = &s->first;
    s->pieces = calloc(s->pieces_n, sizeof(*s->pieces));
    s->gather = malloc(GATHER);
    err = s->pieces != NULL && s->gather != NULL ? open_file(s, store->dir) : SLK_E_NOMEM;
    if (err == SLK_OK) {
        pthread_mutex_init(&s->lock, NULL);
        pthread_cond_init(&s->changed, NULL);
        if (pthread_create(&s->thread, NULL, writer_main, s) != 0) {
            pthread_cond_destroy(&s->changed);
            pthread_mutex_destroy(&s->lock);
            err = SLK_E_NOMEM;
        }
    }
    if (err != SLK_OK) {
        snapshot_free(s);
        return err;
    }
    *out = s;
    return SLK_OK;
}

static enum slk_err copy_piece(struct slk_snapshot *s, const struct slk_machine *state, struct copy **out)
{
    struct slk_piece *piece = &s->pieces[s->next];
    const uint8_t *bits = NULL;
    size_t size;

    if (s->next < SLK_MAP_PARTITIONS) {
        piece->kind = SLK_PIECE_PARTITION;
        piece->number = (uint32_t)s->next;
        size = slk_map_export_size(state->map, piece->number);
    } else {
        piece->kind = SLK_PIECE_INDEXES;
        piece->number = state->charter->types[s->next - SLK_MAP_PARTITIONS].code;
        bits = slk_index_set_bits(state->indexes, piece->number, &size);
    }
    *out = malloc(sizeof(**out) + size);
    if (*out == NULL)
        return SLK_E_NOMEM;
    (*out)->next = NULL;
    (*out)->piece = s->next;
    if (bits != NULL)
        memcpy((*out)->bytes, bits, size);
    else if (size > 0)
        size = slk_map_export(state->map, piece->number, (*out)->bytes, size);
    piece->offset = s->end;
    piece->size = size;
    piece->height = state->tip.height;
    s->end += size;
    s->next++;
    return SLK_OK;
}

/* How full the queue is; waits for room in it if the caller wants everything. */
static enum slk_err room_in_queue(struct slk_snapshot *s, bool wait, bool *room)
{
    enum slk_err err;

    pthread_mutex_lock(&s->lock);
    while (wait && s->pending >= PENDING_MAX && s->err == SLK_OK)
        pthread_cond_wait(&s->changed, &s->lock);
    *room = s->pending < PENDING_MAX;
    err = s->err;
    pthread_mutex_unlock(&s->lock);
    return err;
}

enum slk_err slk_snapshot_step(
    struct slk_snapshot *s, const struct slk_machine *state, size_t budget, bool *done)
{
    *done = s->next == s->pieces_n;
    assert(state->has_genesis);
    if (SLK_MAP_PARTITIONS + state->charter->types_n != s->pieces_n)
        return SLK_E_RANGE; /* a charter has added a credential type meanwhile: the next one holds it */
    while (!*done && budget > 0) {
        struct copy *copy;
        bool room;
        size_t size;
        enum slk_err err = room_in_queue(s, budget == SIZE_MAX, &room);

        if (err == SLK_OK && !room)
            return SLK_OK; /* the disk is behind: another time */
        if (err == SLK_OK)
            err = copy_piece(s, state, &copy);
        if (err != SLK_OK)
            return err;
        size = (size_t)s->pieces[copy->piece].size;
        pthread_mutex_lock(&s->lock);
        *s->last = copy;
        s->last = &copy->next;
        s->pending += size;
        pthread_cond_broadcast(&s->changed);
        pthread_mutex_unlock(&s->lock);
        if (budget != SIZE_MAX)
            budget -= size < budget ? size : budget;
        *done = s->next == s->pieces_n;
    }
    return SLK_OK;
}

static enum slk_err join(struct slk_snapshot *s)
{
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    assert(s->first == NULL && s->pending == 0);
    return s->err;
}

static void write_piece(struct slk_writer *w, const struct slk_piece *piece)
{
    slk_write_u32(w, piece->kind);
    slk_write_u32(w, piece->number);
    slk_write_u64(w, piece->offset);
    slk_write_u64(w, piece->size);
    slk_write_u64(w, piece->height);
    slk_write_bytes(w, piece->hash.b, SLK_HASH_SIZE);
}

/* Heights of the pieces and the blocks there. SLK_E_RANGE: the newest of them is not committed. */
static enum slk_err find_heights(struct slk_snapshot *s, struct slk_snapshot_head *head)
{
    struct slk_view *view;
    enum slk_err err;

    head->lowest = head->highest = s->pieces[0].height;
    for (size_t i = 1; i < s->pieces_n; i++) {
        head->lowest = s->pieces[i].height < head->lowest ? s->pieces[i].height : head->lowest;
        head->highest = s->pieces[i].height > head->highest ? s->pieces[i].height : head->highest;
    }
    err = slk_view_begin(&view, s->store);
    if (err != SLK_OK)
        return err;
    if (!view->has_tip || head->highest > view->tip.height)
        err = SLK_E_RANGE;
    if (err == SLK_OK)
        err = block_hash_at(view, head->lowest, &head->lowest_hash);
    if (err == SLK_OK)
        err = block_hash_at(view, head->highest, &head->highest_hash);
    slk_view_end(view);
    return err;
}

static enum slk_err write_header(struct slk_snapshot *s, const struct slk_snapshot_head *head)
{
    size_t size = header_size(s->pieces_n);
    struct slk_writer w = {.at = calloc(1, size), .cap = size};
    enum slk_err err = SLK_OK;
    struct slk_hash hash;

    if (w.at == NULL)
        return SLK_E_NOMEM;
    slk_write_bytes(&w, MAGIC, MAGIC_SIZE);
    slk_write_bytes(&w, slk_hash_zero.b, SLK_HASH_SIZE);
    slk_write_u32(&w, SLK_STORE_FORMAT);
    slk_write_u32(&w, (uint32_t)s->pieces_n);
    slk_write_bytes(&w, s->store->chain_id.b, SLK_HASH_SIZE);
    slk_write_u64(&w, s->credentials_n);
    slk_write_u64(&w, head->lowest);
    slk_write_bytes(&w, head->lowest_hash.b, SLK_HASH_SIZE);
    slk_write_u64(&w, head->highest);
    slk_write_bytes(&w, head->highest_hash.b, SLK_HASH_SIZE);
    for (size_t i = 0; i < s->pieces_n; i++)
        write_piece(&w, &s->pieces[i]);
    assert(!w.bad && w.size <= size);
    slk_hash_bytes(&hash, w.at + MAGIC_SIZE + SLK_HASH_SIZE, size - MAGIC_SIZE - SLK_HASH_SIZE);
    memcpy(w.at + MAGIC_SIZE, hash.b, SLK_HASH_SIZE);
    /* Its first sector last: until then the file is unfinished and not damaged, however the power goes. */
    if (!write_at(s->fd, SECTOR, w.at + SECTOR, size - SECTOR) || fdatasync(s->fd) != 0 ||
        !write_at(s->fd, 0, w.at, SECTOR) || fdatasync(s->fd) != 0)
        err = slk_store_errno(errno);
    free(w.at);
    return err;
}

/* Gives the space of an unfinished file back when the disk is full. */
static void give_up(struct slk_snapshot *s, enum slk_err err)
{
    if (err == SLK_E_NO_SPACE)
        (void)!ftruncate(s->fd, 0);
}

enum slk_err slk_snapshot_finish(struct slk_snapshot *s, const struct slk_machine *state)
{
    struct slk_snapshot_head head = {.fd = -1};
    enum slk_err err;

    assert(s->next == s->pieces_n);
    s->credentials_n = slk_map_count(state->map);
    err = join(s);
    if (err == SLK_OK && fdatasync(s->fd) != 0)
        err = slk_store_errno(errno);
    if (err == SLK_OK)
        err = find_heights(s, &head);
    if (err == SLK_OK)
        err = write_header(s, &head);
    if (err == SLK_OK && s->is_new)
        err = slk_fsync_dir(s->store->dir);
    if (err != SLK_OK)
        give_up(s, err);
    snapshot_free(s);
    return err;
}

void slk_snapshot_abort(struct slk_snapshot *s)
{
    if (s == NULL)
        return;
    give_up(s, join(s));
    snapshot_free(s);
}
