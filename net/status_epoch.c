/* status_epoch.c: see status_epoch.h. */
#include "net/status_epoch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(
    SLK_STATUS_TOKEN == 1 && SLK_STATUS_REVOCATION == 2 && SLK_STATUS_SUSPENSION == SLK_LIST_FORMS_N,
    "forms have the numbers of list_note.h");

struct part {
    uint32_t type, n;
    uint64_t changes_n;
    uint64_t next_s; /* when an entry expires */
    size_t size[SLK_LIST_FORMS_N];
    uint8_t *bytes; /* of all forms, one behind the other */
    struct slk_hash hash[SLK_LIST_FORMS_N];
};

struct slk_status_epoch {
    struct slk_block_header place;
    size_t parts_n, done_n;
    struct part *parts;    /* by type, then list */
    struct slk_hash *tree; /* when all are done: its levels, one behind the other, from the leaves up */
    struct slk_hash root;
};
#define LEVELS_MAX 64

/* ---- which lists ---- */

static int by_type_and_list(const void *a, const void *b)
{
    const struct part *x = a, *y = b;

    if (x->type != y->type)
        return x->type < y->type ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

/* Those in which something was issued: which types a charter to come declares is no matter of this block. */
static size_t list_parts(const struct slk_status_lists *lists, struct part *out)
{
    const uint32_t *codes;
    size_t types_n = slk_status_lists_types(lists, &codes), n = 0;

    for (size_t i = 0; i < types_n; i++)
        for (uint32_t k = 0; k < slk_status_lists_count(lists, codes[i]); k++) {
            uint64_t changes_n = slk_status_list_changes(lists, codes[i], k);

            if (changes_n == 0)
                continue;
            if (out != NULL)
                out[n] = (struct part){.type = codes[i], .n = k, .changes_n = changes_n};
            n++;
        }
    return n;
}

enum slk_err slk_status_epoch_new(
    struct slk_status_epoch **out, const struct slk_status_lists *lists, const struct slk_block_header *place)
{
    struct slk_status_epoch *epoch = calloc(1, sizeof(*epoch));
    size_t n = list_parts(lists, NULL);

    *out = NULL;
    if (epoch == NULL)
        return SLK_E_NOMEM;
    epoch->place = *place;
    epoch->parts_n = n;
    epoch->parts = calloc(n + 1, sizeof(*epoch->parts));
    if (epoch->parts == NULL) {
        free(epoch);
        return SLK_E_NOMEM;
    }
    (void)list_parts(lists, epoch->parts);
    qsort(epoch->parts, n, sizeof(*epoch->parts), by_type_and_list);
    *out = epoch;
    return SLK_OK;
}

void slk_status_epoch_free(struct slk_status_epoch *epoch)
{
    if (epoch == NULL)
        return;
    for (size_t i = 0; i < epoch->parts_n; i++)
        free(epoch->parts[i].bytes);
    free(epoch->parts);
    free(epoch->tree);
    free(epoch);
}

static const struct part *find(const struct slk_status_epoch *epoch, uint32_t type, uint32_t n)
{
    const struct part wanted = {.type = type, .n = n};

    return bsearch(&wanted, epoch->parts, epoch->parts_n, sizeof(wanted), by_type_and_list);
}

/* ---- printing ---- */

static size_t all_bytes(const struct part *part)
{
    size_t all = 0;

    for (size_t i = 0; i < SLK_LIST_FORMS_N; i++)
        all += part->size[i];
    return all;
}

static void print(struct part *part, const struct slk_status_lists *lists, uint64_t time_s)
{
    uint8_t *at = part->bytes;

    for (size_t i = 0; i < SLK_LIST_FORMS_N; i++, at += part->size[i - 1]) {
        part->next_s = slk_status_list_print(
            lists, part->type, part->n, (enum slk_status_form)(i + SLK_STATUS_TOKEN), time_s, at);
        slk_hash_bytes(&part->hash[i], at, part->size[i]);
    }
}

/* Neither a row nor time has touched it since. */
static bool is_as_before(const struct part *part, const struct part *before, uint64_t time_s)
{
    return before != NULL && before->bytes != NULL && before->changes_n == part->changes_n &&
           time_s < before->next_s;
}

/* ---- the tree ---- */

static void leaf_at(struct slk_list_leaf *out, const struct slk_status_epoch *epoch, size_t index)
{
    const struct part *part = &epoch->parts[index / SLK_LIST_FORMS_N];

    *out = (struct slk_list_leaf){.type = part->type,
        .n = part->n,
        .form = (uint32_t)(index % SLK_LIST_FORMS_N) + SLK_STATUS_TOKEN,
        .hash = part->hash[index % SLK_LIST_FORMS_N]};
}

static size_t leaves_of(const struct slk_status_epoch *epoch)
{
    return epoch->parts_n * SLK_LIST_FORMS_N;
}

/* RFC 6962 §2.1, level by level: pairs from the left, and what is left over goes up as it is; which is the same tree. */
static enum slk_err grow_tree(struct slk_status_epoch *epoch)
{
    size_t n = leaves_of(epoch);
    struct slk_hash *level = malloc((2 * n + LEVELS_MAX) * sizeof(*level));

    if (level == NULL)
        return SLK_E_NOMEM;
    epoch->tree = level;
    slk_hash_bytes(&level[0], "", 0); /* of no leaves */
    for (size_t i = 0; i < n; i++) {
        struct slk_list_leaf leaf;

        leaf_at(&leaf, epoch, i);
        slk_list_leaf_hash(&level[i], &leaf);
    }
    for (; n > 1; level += n, n = n / 2 + n % 2) {
        for (size_t i = 0; i < n / 2; i++)
            slk_hash_node(&level[n + i], &level[2 * i], &level[2 * i + 1]);
        if (n % 2 == 1)
            level[n + n / 2] = level[n - 1];
    }
    epoch->root = *level;
    return SLK_OK;
}

static void find_path(struct slk_list_proof *out, const struct slk_status_epoch *epoch)
{
    const struct slk_hash *level = epoch->tree;
    size_t index = (size_t)out->index;

    for (size_t n = leaves_of(epoch); n > 1; level += n, n = n / 2 + n % 2, index /= 2)
        if ((index ^ 1) < n)
            out->path[out->path_n++] = level[index ^ 1];
}

enum slk_err slk_status_epoch_step(struct slk_status_epoch *epoch, const struct slk_status_lists *lists,
    const struct slk_status_epoch *before, bool *done)
{
    uint64_t time_s = slk_status_epoch_time_s(epoch);
    struct part *part = &epoch->parts[epoch->done_n];
    const struct part *old;

    *done = epoch->done_n == epoch->parts_n;
    if (*done)
        return epoch->tree == NULL ? grow_tree(epoch) : SLK_OK;
    for (size_t i = 0; i < SLK_LIST_FORMS_N; i++)
        part->size[i] = slk_status_list_size(
            slk_status_list_places(lists, part->type, part->n), (enum slk_status_form)(i + SLK_STATUS_TOKEN));
    part->bytes = malloc(all_bytes(part));
    if (part->bytes == NULL)
        return SLK_E_NOMEM;
    old = before != NULL ? find(before, part->type, part->n) : NULL;
    if (is_as_before(part, old, time_s)) {
        memcpy(part->bytes, old->bytes, all_bytes(part));
        memcpy(part->hash, old->hash, sizeof(part->hash));
        part->next_s = old->next_s;
    } else {
        print(part, lists, time_s);
    }
    epoch->done_n++;
    return SLK_OK;
}

/* ---- what it says ---- */

const struct slk_block_header *slk_status_epoch_place(const struct slk_status_epoch *epoch)
{
    return &epoch->place;
}

uint64_t slk_status_epoch_time_s(const struct slk_status_epoch *epoch)
{
    return epoch->place.time_ms / 1000;
}

uint64_t slk_status_epoch_memory(const struct slk_status_epoch *epoch)
{
    uint64_t all = sizeof(*epoch) + epoch->parts_n * sizeof(*epoch->parts);

    all += epoch->tree != NULL ? (2 * leaves_of(epoch) + LEVELS_MAX) * sizeof(*epoch->tree) : 0;
    for (size_t i = 0; i < epoch->done_n; i++)
        all += all_bytes(&epoch->parts[i]);
    return all;
}

void slk_status_epoch_state(
    struct slk_lists_statement *out, const struct slk_status_epoch *epoch, struct slk_span origin)
{
    assert(epoch->tree != NULL);
    *out = (struct slk_lists_statement){.origin = origin,
        .size = epoch->place.log_size,
        .root = epoch->place.log_root,
        .time_s = slk_status_epoch_time_s(epoch),
        .lists = {.tree_size = leaves_of(epoch), .root_hash = epoch->root}};
}

struct slk_span slk_status_epoch_list(
    const struct slk_status_epoch *epoch, uint32_t type, uint32_t n, enum slk_status_form form)
{
    const struct part *part = find(epoch, type, n);
    const uint8_t *at;

    if (part == NULL || part->bytes == NULL)
        return (struct slk_span){0};
    at = part->bytes;
    for (size_t i = SLK_STATUS_TOKEN; i < (size_t)form; i++)
        at += part->size[i - SLK_STATUS_TOKEN];
    return slk_span_of(at, part->size[form - SLK_STATUS_TOKEN]);
}

enum slk_err slk_status_epoch_prove(struct slk_list_proof *out, const struct slk_status_epoch *epoch,
    uint32_t type, uint32_t n, enum slk_status_form form)
{
    const struct part *part = find(epoch, type, n);

    assert(epoch->tree != NULL);
    memset(out, 0, sizeof(*out));
    if (part == NULL)
        return SLK_E_NOT_FOUND;
    out->index = (uint64_t)(part - epoch->parts) * SLK_LIST_FORMS_N + (form - SLK_STATUS_TOKEN);
    leaf_at(&out->leaf, epoch, (size_t)out->index);
    find_path(out, epoch);
    return SLK_OK;
}
