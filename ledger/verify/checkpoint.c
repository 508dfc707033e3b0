/* checkpoint.c: see checkpoint.h. */
#include <assert.h>
#include <string.h>

#include "ledger/verify/checkpoint.h"

#define ROOT_DIGITS 44 /* base64 of a SHA-256 value */

static bool is_origin(struct slk_span line)
{
    if (line.size == 0 || line.size > SLK_NAME_MAX)
        return false;
    for (size_t i = 0; i < line.size; i++) {
        if (line.at[i] < 0x20) /* C2SP signed-note: no control characters in a note */
            return false;
    }
    return true;
}

static bool read_text(struct slk_checkpoint *out, struct slk_span rest)
{
    struct slk_span size_line, root_line;
    size_t root_size;

    return slk_span_take(&out->origin, &rest, '\n') && is_origin(out->origin) &&
           slk_span_take(&size_line, &rest, '\n') &&
           slk_decimal_parse(&out->head.tree_size, UINT64_MAX, (const char *)size_line.at, size_line.size) &&
           slk_span_take(&root_line, &rest, '\n') && rest.size == 0 &&
           slk_base64_parse(out->head.root_hash.b, SLK_HASH_SIZE, &root_size, (const char *)root_line.at,
               root_line.size) &&
           root_size == SLK_HASH_SIZE;
}

enum slk_err slk_checkpoint_parse(struct slk_checkpoint *out, struct slk_span text)
{
    char again[SLK_CHECKPOINT_TEXT_MAX];

    memset(out, 0, sizeof(*out));
    if (!read_text(out, text) ||
        !slk_span_equal(slk_span_of(again, slk_checkpoint_format(again, out)), text)) {
        memset(out, 0, sizeof(*out)); /* size 0 holds no leaf */
        return SLK_E_CHECKPOINT;
    }
    return SLK_OK;
}

size_t slk_checkpoint_format(char out[SLK_CHECKPOINT_TEXT_MAX], const struct slk_checkpoint *checkpoint)
{
    size_t n = checkpoint->origin.size;

    static_assert(ROOT_DIGITS == (SLK_HASH_SIZE + 2) / 3 * 4, "the root line");
    assert(n > 0 && n <= SLK_NAME_MAX);
    memcpy(out, checkpoint->origin.at, n);
    out[n++] = '\n';
    n += slk_decimal_format(out + n, checkpoint->head.tree_size);
    out[n++] = '\n';
    slk_base64_format(out + n, checkpoint->head.root_hash.b, SLK_HASH_SIZE);
    n += ROOT_DIGITS;
    out[n++] = '\n';
    assert(n <= SLK_CHECKPOINT_TEXT_MAX);
    return n;
}
