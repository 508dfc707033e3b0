/* workload.c: see workload.h. */
#include "tests/crash/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIGN_EACH     3 /* blocks */
#define VOTE_EACH     2
#define POOL_EACH     2 /* submissions come with such a block, and leave with the next */
#define POOL_N        3
#define SNAPSHOT_STEP 20000

extern char **environ;

const struct slk_block *workload_next(struct maker *m)
{
    if (m->has_tip && m->tip.height % 5 == 4)
        return maker_next_of(m, 10 * WORKLOAD_EVENTS);
    return maker_next(m);
}

/* ---- the process that suffers ---- */

struct run {
    struct maker *m;
    struct slk_store *store;
    struct slk_machine machine;
    struct slk_snapshot *snapshot;
    workload_tell_fn *tell;
    void *ctx;
};

static enum slk_err sign(struct run *r)
{
    struct slk_tree_head head = {r->m->tip.log_size, r->m->tip.log_root};
    uint8_t note[1024];
    size_t size = maker_note(r->m, note, sizeof note);
    enum slk_err err = slk_store_put_checkpoint(r->store, &head, slk_span_of(note, size));

    if (err == SLK_OK)
        r->tell(r->ctx, WORKLOAD_SIGNED, SLK_OK, head.tree_size);
    return err;
}

/* ---- what agreement makes durable between two blocks ---- */

static bool body_of(void *ctx, const struct slk_hash *hash, struct slk_span *body)
{
    const struct slk_block *b = ctx;

    *body = slk_span_of(b->entries, b->entries_size);
    return slk_hash_equal(hash, &b->tip.block_hash);
}

static size_t records_of(
    const struct maker *m, unsigned step, struct slk_cert *notarized, struct slk_bft_record out[2])
{
    const struct slk_block *b = &m->block;
    struct slk_statement s = {.kind = step == 0 ? SLK_VOTE_NOTARIZE : SLK_VOTE_FINALIZE,
        .height = b->header.height,
        .view = 1,
        .hash = b->tip.block_hash};

    out[0] = (struct slk_bft_record){.kind = SLK_RECORD_VOTE, .vote = s};
    if (step == 0) {
        out[1] = (struct slk_bft_record){
            .kind = SLK_RECORD_BLOCK, .hash = b->tip.block_hash, .header = b->header_bytes};
    } else {
        maker_certify(m, notarized, SLK_VOTE_NOTARIZE, s.height, 1, &s.hash);
        out[1] = (struct slk_bft_record){.kind = SLK_RECORD_CERT, .cert = notarized};
    }
    return 2;
}

static enum slk_err vote(struct run *r)
{
    const struct slk_block *b = &r->m->block;
    enum slk_err err = SLK_OK;

    for (unsigned step = 0; err == SLK_OK && step < 2; step++) {
        struct slk_bft_record records[2];
        struct slk_cert notarized;
        size_t n = records_of(r->m, step, &notarized, records);

        err = slk_store_persist(r->store, records, n, body_of, (void *)(uintptr_t)b, NULL);
        if (err == SLK_OK)
            r->tell(r->ctx, WORKLOAD_VOTED, SLK_OK, workload_voted(b->header.height, step));
    }
    return err;
}

/* The i-th submission that comes with the block of this height. */
static void pooled(
    const struct maker *m, uint64_t height, unsigned i, uint8_t *bytes, size_t size, struct slk_pooled *out)
{
    memset(out, 0, sizeof(*out));
    out->order = height;
    out->submission = slk_span_of(
        bytes, maker_submission(m, (unsigned)height * POOL_N + i, bytes, size, &out->id.id, out->id.key_id));
}

static enum slk_err fill_pool(struct run *r)
{
    static uint8_t bytes[POOL_N][1024];
    struct slk_pooled items[POOL_N];
    enum slk_err err;

    for (unsigned i = 0; i < POOL_N; i++)
        pooled(r->m, r->m->tip.height, i, bytes[i], sizeof bytes[i], &items[i]);
    err = slk_store_pool_put(r->store, items, POOL_N, NULL);
    if (err == SLK_OK)
        r->tell(r->ctx, WORKLOAD_POOLED, SLK_OK, r->m->tip.height);
    return err;
}

static enum slk_err commit(struct slk_store *store, const struct maker *m, struct slk_fault *fault)
{
    const struct slk_block *b = &m->block;
    struct slk_decision decision = {.block = b, .finality = maker_finality(b)};
    struct slk_pooled_id included[POOL_N];
    static uint8_t bytes[1024];

    if (b->header.height % POOL_EACH == 1) { /* those that came with the block before */
        for (unsigned i = 0; i < POOL_N; i++) {
            struct slk_pooled item;

            pooled(m, b->header.height - 1, i, bytes, sizeof bytes, &item);
            included[i] = item.id;
        }
        decision.included = included;
        decision.included_n = POOL_N;
    }
    return slk_store_commit(store, &decision, fault);
}

/* A snapshot that fails stops nobody. */
static void work_on_snapshot(struct run *r)
{
    bool done;

    if (r->snapshot == NULL && slk_snapshot_begin(&r->snapshot, r->store, &r->machine) != SLK_OK)
        return;
    if (slk_snapshot_step(r->snapshot, &r->machine, SNAPSHOT_STEP, &done) != SLK_OK) {
        slk_snapshot_abort(r->snapshot);
        r->snapshot = NULL;
    } else if (done) {
        if (slk_snapshot_finish(r->snapshot, &r->machine) == SLK_OK)
            r->tell(r->ctx, WORKLOAD_SNAPSHOT, SLK_OK, r->m->tip.height);
        r->snapshot = NULL;
    }
}

static enum slk_err one_block(struct run *r)
{
    const struct slk_block *b = workload_next(r->m);
    enum slk_err err = SLK_OK;

    maker_execute(r->m, &r->machine);
    if (b->header.height > 0 && b->header.height % VOTE_EACH == 0)
        err = vote(r);
    if (err == SLK_OK)
        err = commit(r->store, r->m, NULL);
    if (err != SLK_OK)
        return err;
    r->tell(r->ctx, WORKLOAD_BLOCK, SLK_OK, b->header.height);
    if (b->header.height % SIGN_EACH == 0)
        err = sign(r);
    if (err == SLK_OK && b->header.height % POOL_EACH == 0)
        err = fill_pool(r);
    if (err == SLK_OK)
        work_on_snapshot(r);
    return err;
}

void workload_run(const char *dir, uint64_t seed, unsigned blocks, const struct slk_store_options *options,
    workload_tell_fn *tell, void *ctx)
{
    struct run r = {.m = maker_new(seed, WORKLOAD_EVENTS), .tell = tell, .ctx = ctx};
    enum slk_err err = slk_store_create(&r.store, dir, maker_charter(r.m), options, NULL);

    maker_machine_new(&r.machine, r.m);
    if (err == SLK_OK)
        tell(ctx, WORKLOAD_CREATED, SLK_OK, 0);
    for (unsigned i = 0; err == SLK_OK && i < blocks; i++)
        err = one_block(&r);
    slk_snapshot_abort(r.snapshot);
    slk_store_close(r.store);
    if (err != SLK_OK)
        tell(ctx, WORKLOAD_STOPPED, err, 0);
    maker_machine_free(&r.machine);
    maker_free(r.m);
}

void workload_note(struct workload_told *told, enum workload_word what, enum slk_err err, uint64_t value)
{
    switch (what) {
    case WORKLOAD_CREATED:
        told->created = true;
        break;
    case WORKLOAD_BLOCK:
        told->height = (int64_t)value;
        break;
    case WORKLOAD_SIGNED:
        told->signed_size = value;
        break;
    case WORKLOAD_VOTED:
        told->voted = value;
        break;
    case WORKLOAD_POOLED:
        told->pooled_at = (int64_t)value;
        break;
    case WORKLOAD_SNAPSHOT:
        told->snapshots_n++;
        break;
    case WORKLOAD_STOPPED:
        told->err = err;
        break;
    }
}

/* ---- the process that watches ---- */

static void listen_to(int fd, struct workload_told *told)
{
    struct workload_message message;

    while (
        read(fd, &message, sizeof message) == (ssize_t)sizeof message) /* pipes write this little at once */
        workload_note(told, (enum workload_word)message.what, (enum slk_err)message.err, message.value);
}

/* Our environment with the shim in front. The list is malloc'ed, its strings are not ours. */
static char **environment(const char *const *settings)
{
    size_t n = 0, k = 0, at = 0;
    char **list;

    while (environ[n] != NULL)
        n++;
    while (settings[k] != NULL)
        k++;
    list = calloc(n + k + 1, sizeof(*list));
    if (list == NULL)
        abort();
    for (size_t i = 0; i < k; i++)
        list[at++] = (char *)(uintptr_t)settings[i];
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], "ASAN_OPTIONS=", 13) != 0)
            list[at++] = environ[i];
    return list;
}

int workload_start(const struct workload_place *place, uint64_t seed, unsigned blocks,
    const char *const *settings, struct workload_told *told)
{
    char preload[4096], dir[512], seed_text[32], blocks_text[32];
    const char *all[16] = {preload, dir, "ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0"};
    char *argv[] = {
        (char *)(uintptr_t)place->program, (char *)(uintptr_t)place->dir, seed_text, blocks_text, NULL};
    posix_spawn_file_actions_t actions;
    int fds[2], status = -1;
    char **env;
    size_t n = 3;
    pid_t pid;

    *told = (struct workload_told){.height = -1, .pooled_at = -1};
    (void)snprintf(preload, sizeof preload, "LD_PRELOAD=%s", place->shim);
    (void)snprintf(dir, sizeof dir, "SLK_SHIM_DIR=%s", place->dir);
    (void)snprintf(seed_text, sizeof seed_text, "%llu", (unsigned long long)seed);
    (void)snprintf(blocks_text, sizeof blocks_text, "%u", blocks);
    while (*settings != NULL && n < 15)
        all[n++] = *settings++;
    if (pipe(fds) != 0)
        return -1;
    env = environment(all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, fds[0]);
    if (posix_spawn(&pid, place->program, &actions, NULL, argv, env) == 0) {
        (void)close(fds[1]);
        listen_to(fds[0], told);
        (void)waitpid(pid, &status, 0);
    } else {
        (void)close(fds[1]);
    }
    posix_spawn_file_actions_destroy(&actions);
    (void)close(fds[0]);
    free(env);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- what is left ---- */

struct check {
    const char *dir;
    uint64_t seed;
    const struct workload_told *told;
    struct maker *m; /* makes the same blocks again */
    struct slk_machine machine;
    struct slk_store *store;
    char *why;
    size_t why_size;
};

static bool bad(struct check *c, const char *what, const char *detail)
{
    (void)snprintf(c->why, c->why_size, "%s%s%s", what, detail != NULL && detail[0] != '\0' ? ": " : "",
        detail != NULL ? detail : "");
    return false;
}

static bool block_is_there(struct check *c, struct slk_view *view)
{
    const struct slk_block *b = workload_next(c->m);
    struct slk_view_block stored;
    char text[64];

    maker_execute(c->m, &c->machine);
    (void)snprintf(text, sizeof text, "block %llu", (unsigned long long)b->header.height);
    if (slk_view_block(view, b->header.height, &stored) != SLK_OK)
        return bad(c, "cannot be read", text);
    if (memcmp(stored.header, b->header_bytes, SLK_BLOCK_HEADER_SIZE) != 0 ||
        stored.entries.size != b->entries_size ||
        memcmp(stored.entries.at, b->entries, b->entries_size) != 0 || stored.rows_n != b->rows_n ||
        memcmp(stored.rows.at != NULL ? stored.rows.at : b->rows, b->rows, slk_rows_size(b->rows_n)) != 0)
        return bad(c, "is another one", text);
    return true;
}

static bool checkpoint_is_there(struct check *c, struct slk_view *view)
{
    struct slk_tree_head head = {0};
    struct slk_span note;
    enum slk_err err = slk_view_checkpoint(view, &head, &note);

    if (err != SLK_OK && (err != SLK_E_NOT_FOUND || c->told->signed_size > 0))
        return bad(c, "the checkpoint cannot be read", NULL);
    return head.tree_size >= c->told->signed_size ? true : bad(c, "an acknowledged checkpoint is lost", NULL);
}

/* Votes that were acknowledged for the block after the tip are there; a commit takes them all. */
static bool votes_are_there(struct check *c, struct slk_view *view, uint64_t next)
{
    unsigned steps = c->told->voted < workload_voted(next, 0)
                         ? 0
                         : (unsigned)(c->told->voted - workload_voted(next, 0)) + 1;
    struct slk_fault fault = {0};
    struct slk_cons cons;
    size_t votes = 0;

    if (slk_view_cons(view, &cons, &fault) != SLK_OK)
        return bad(c, "votes cannot be read", fault.text);
    for (size_t i = 0; i < cons.n; i++)
        votes += cons.records[i].kind == SLK_RECORD_VOTE;
    slk_cons_free(&cons);
    if (votes < steps)
        return bad(c, "an acknowledged vote is lost", NULL);
    return votes <= steps + 1u ? true : bad(c, "more votes than were in flight are there", NULL);
}

static enum slk_err count_pooled(void *ctx, const struct slk_pooled *item)
{
    size_t *n = ctx;

    (void)item;
    (*n)++;
    return SLK_OK;
}

/* Submissions come with every second block and leave with the one after it: all of them, or none. */
static bool pool_is_there(struct check *c, struct slk_view *view, int64_t tip)
{
    struct slk_fault fault = {0};
    size_t n = 0;
    bool acknowledged = tip >= 0 && tip % POOL_EACH == 0 && c->told->pooled_at == tip;

    if (slk_view_pool(view, count_pooled, &n, &fault) != SLK_OK)
        return bad(c, "the pool cannot be read", fault.text);
    if (n != POOL_N && (n != 0 || acknowledged))
        return bad(c, "an acknowledged submission is lost", NULL);
    return n == 0 || tip % POOL_EACH == 0 ? true : bad(c, "what is in a block is in the pool", NULL);
}

static bool content_is_there(struct check *c)
{
    struct slk_view *view;
    bool good = true;

    if (slk_view_begin(&view, c->store) != SLK_OK)
        return bad(c, "no view", NULL);
    for (uint64_t h = 0; good && slk_store_has_tip(c->store) && h <= slk_store_tip(c->store)->height; h++)
        good = block_is_there(c, view);
    good = good && checkpoint_is_there(c, view);
    if (good && slk_store_has_tip(c->store)) {
        int64_t tip = (int64_t)slk_store_tip(c->store)->height;

        good = votes_are_there(c, view, (uint64_t)tip + 1) && pool_is_there(c, view, tip);
    }
    slk_view_end(view);
    return good;
}

static bool state_loads(struct check *c)
{
    struct slk_machine loaded;
    struct slk_fault fault = {0};
    struct slk_hash a, b;
    enum slk_err err;
    bool same;

    maker_machine_new(&loaded, c->m);
    err = slk_store_load_state(c->store, &loaded, NULL, NULL, NULL, &fault);
    slk_map_root(loaded.map, &a);
    slk_map_root(c->machine.map, &b);
    same = slk_hash_equal(&a, &b) && slk_map_count(loaded.map) == slk_map_count(c->machine.map);
    for (size_t i = 0; i < c->m->charter->types_n; i++)
        same = same && slk_index_set_count(loaded.indexes, c->m->charter->types[i].code) ==
                           slk_index_set_count(c->machine.indexes, c->m->charter->types[i].code);
    maker_machine_free(&loaded);
    if (err != SLK_OK || fault.text[0] != '\0') /* a snapshot cut short is not damage */
        return bad(c, "the state does not load", fault.text);
    return same ? true : bad(c, "the state is another one", NULL);
}

static void take_finding(void *ctx, const char *where, const char *what)
{
    struct check *c = ctx;
    char text[300];

    (void)snprintf(text, sizeof text, "%s: %s", where, what);
    (void)bad(c, "fsck", text);
}

static bool goes_on(struct check *c)
{
    struct slk_fault fault = {0};
    struct slk_snapshot *snapshot;
    bool done;

    for (int i = 0; i < 2; i++) {
        (void)workload_next(c->m);
        maker_execute(c->m, &c->machine);
        if (commit(c->store, c->m, &fault) != SLK_OK)
            return bad(c, "no further commit", fault.text);
    }
    if (slk_snapshot_begin(&snapshot, c->store, &c->machine) != SLK_OK ||
        slk_snapshot_step(snapshot, &c->machine, SIZE_MAX, &done) != SLK_OK ||
        slk_snapshot_finish(snapshot, &c->machine) != SLK_OK)
        return bad(c, "no further snapshot", NULL);
    slk_store_close(c->store);
    c->store = NULL;
    if (slk_store_open(&c->store, c->dir, NULL, &fault) != SLK_OK)
        return bad(c, "does not open again", fault.text);
    if (slk_store_tip(c->store)->height != c->m->tip.height)
        return bad(c, "a later commit is lost", NULL);
    return state_loads(c);
}

/* Stopped before it was a ledger: making one in its place must do. */
static bool create_again(struct check *c)
{
    struct slk_fault fault = {0};
    enum slk_err err = slk_store_create(&c->store, c->dir, maker_charter(c->m), NULL, &fault);

    return err == SLK_OK ? true : bad(c, "cannot be made again", fault.text);
}

static bool check(struct check *c, int64_t *tip)
{
    struct slk_fault fault = {0};
    enum slk_err err = slk_store_open(&c->store, c->dir, NULL, &fault);

    if (err != SLK_OK && (c->told->created || !create_again(c)))
        return c->told->created ? bad(c, "does not open", fault.text) : false;
    *tip = slk_store_has_tip(c->store) ? (int64_t)slk_store_tip(c->store)->height : -1;
    if (*tip < c->told->height)
        return bad(c, "an acknowledged block is lost", NULL);
    if (*tip > c->told->height + 1)
        return bad(c, "more than the block in flight is there", NULL);
    if (!content_is_there(c))
        return false;
    if (slk_store_fsck(c->dir, take_finding, c, NULL, NULL, &fault) != SLK_OK)
        return c->why[0] != '\0' ? false : bad(c, "fsck", fault.text);
    return state_loads(c) && goes_on(c);
}

enum workload_verdict workload_check(
    const char *dir, uint64_t seed, const struct workload_told *told, char *why, size_t why_size)
{
    struct check c = {.dir = dir, .seed = seed, .told = told, .why = why, .why_size = why_size};
    int64_t tip = -1;
    bool good;

    why[0] = '\0';
    c.m = maker_new(seed, WORKLOAD_EVENTS);
    maker_machine_new(&c.machine, c.m);
    good = check(&c, &tip);
    slk_store_close(c.store);
    maker_machine_free(&c.machine);
    maker_free(c.m);
    if (!good)
        return WORKLOAD_BAD;
    return tip == told->height ? WORKLOAD_AT_LAST : WORKLOAD_AT_IN_FLIGHT;
}

unsigned workload_count(const char *path)
{
    FILE *f = fopen(path, "r");
    char text[32] = "";

    if (f != NULL) {
        (void)!fgets(text, sizeof text, f);
        (void)fclose(f);
    }
    (void)unlink(path);
    return (unsigned)strtoul(text, NULL, 10);
}
