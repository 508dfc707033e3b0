/* store_fixture.h: what the tests of ledger/store share: a directory of its own for each program, its files, ledgers of
 * made-up blocks, and what fsck finds in them. Every step asserts that it succeeds. */
#ifndef SLK_TESTS_STORE_FIXTURE_H
#define SLK_TESTS_STORE_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ledger/store/internal.h"
#include "tests/unit/make_blocks.h"

#define SMALL 6 /* events in a small block, at most */

/* ---- a directory of its own for each program ---- */

/* Setup and teardown of the group. */
int make_base(void **state);
int remove_base(void **state);
/* A path in it; one in a directory. Each keeps its last 8 answers. */
const char *in_base(const char *name);
const char *file_in(const char *dir, const char *name);

/* ---- files ---- */

/* free it */
uint8_t *read_file(const char *path, size_t *size);
void write_file(const char *path, const uint8_t *bytes, size_t size);
void flip_bit(const char *path, uint64_t bit);

/* ---- ledgers ---- */

struct slk_store *create(const char *dir, const struct maker *m, const struct slk_store_options *options);
struct slk_store *reopen(const char *dir, bool read_only);
/* With its certificate; a maker's block. */
enum slk_err try_commit(struct slk_store *store, const struct slk_block *block, struct slk_fault *fault);
void commit(struct slk_store *store, const struct slk_block *block);
/* Writes an item of a data base behind the store's back; `value` NULL: removes it. */
void put_item(
    const char *dir, const char *base, const void *key, size_t key_size, const void *value, size_t size);
/* Stores a checkpoint of the maker's last block. */
void sign(struct slk_store *store, const struct maker *m);
/* A ledger of `blocks` small blocks in `dir`, closed. */
void make_ledger(const char *dir, uint64_t seed, unsigned blocks);
struct slk_view *view_of(struct slk_store *store);
/* Everything a block should be, read back through the view. */
void compare_block(struct slk_view *view, const struct slk_block *b);
void snapshot_now(struct slk_store *store, const struct slk_machine *machine);
/* A ledger with two snapshots in `dir`; the machine is at its tip. */
struct slk_store *with_snapshots(const char *dir, struct maker *m, struct slk_machine *machine);

/* ---- what fsck finds, what can be read ---- */

struct findings {
    size_t n;
    char where[32][64], what[32][240];
};

enum slk_err fsck(const char *dir, struct findings *f);
bool has_finding(const struct findings *f, const char *where, const char *what);
void expect_sound(const char *dir);
/* Everything that can be read from a ledger, as one hash; false when something cannot be. */
bool digest(const char *dir, struct slk_hash *out);

#endif
