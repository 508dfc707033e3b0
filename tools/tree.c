/* tree.c: see tree.h. */
#include "tools/tree.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/bytes.h"

size_t tree_path(char out[TREE_PATH_MAX], const struct tree_part *part)
{
    static const char entries[] = "tile/entries", finality[] = "finality";
    const struct slk_tile tile = {.kind = part->kind == TREE_HASHES ? SLK_TILE_HASHES : SLK_TILE_ENTRIES,
        .level = part->level,
        .index = part->index,
        .width = part->width};
    char text[SLK_TILE_PATH_MAX];
    size_t n = slk_tile_format(text, &tile), cut = sizeof(entries) - 1, head = sizeof(finality) - 1;

    if (part->kind != TREE_FINALITY) {
        memcpy(out, text, n + 1);
        return n;
    }
    memcpy(out, finality, head);
    memcpy(out + head, text + cut, n - cut + 1);
    return head + n - cut;
}

size_t tree_part_max(const struct tree_part *part)
{
    switch (part->kind) {
    case TREE_HASHES:
        return TREE_HASH_TILE_SIZE;
    case TREE_ENTRIES:
        return TREE_BUNDLE_MAX;
    case TREE_FINALITY:
        return (size_t)SLK_TILE_WIDTH * (2 + SLK_CERT_BYTES_MAX);
    }
    abort();
}

enum slk_err tree_split(struct slk_span items[SLK_TILE_WIDTH], size_t n, struct slk_span bundle)
{
    struct slk_reader r = {.rest = bundle};

    assert(n <= SLK_TILE_WIDTH);
    for (size_t i = 0; i < n; i++)
        items[i] = slk_read_span(&r, slk_read_u16(&r));
    if (slk_read_done(&r))
        return SLK_OK;
    memset(items, 0, SLK_TILE_WIDTH * sizeof(*items));
    return SLK_E_MALFORMED;
}

enum slk_err tree_cert_parse(struct slk_cert *out, uint64_t height, struct slk_span item)
{
    if (slk_cert_parse(out, item) == SLK_OK && out->kind == SLK_VOTE_FINALIZE && out->height == height)
        return SLK_OK;
    memset(out, 0, sizeof(*out)); /* kind 0 is no kind */
    return SLK_E_MALFORMED;
}

enum slk_err tree_seal_parse(struct slk_seal *out, struct slk_span entry)
{
    struct slk_entry parsed;

    memset(out, 0, sizeof(*out));
    if (slk_entry_parse(&parsed, entry) != SLK_OK || parsed.type != SLK_ENTRY_SEAL)
        return SLK_E_SEAL;
    *out = parsed.seal;
    return SLK_OK;
}

enum slk_err tree_note_parse(struct slk_note *note, struct slk_checkpoint *checkpoint, struct slk_span bytes)
{
    enum slk_err err = slk_note_parse(note, (const char *)bytes.at, bytes.size);

    return err == SLK_OK ? slk_checkpoint_parse(checkpoint, note->text) : err;
}

enum slk_err tree_note_check(const struct slk_charter *charter, const struct slk_note *note,
    const struct slk_checkpoint *checkpoint, struct slk_policy_verdict *verdict)
{
    /* Which members, not when: a clock has no part in what a log holds. */
    const struct slk_verify_options options = {.now_s = UINT64_MAX / 2, .allow_no_quorum = true};
    struct slk_policy *policy = NULL;
    struct slk_fault fault;
    char *text = malloc(TREE_POLICY_ROOM);
    enum slk_err err = text != NULL ? SLK_OK : SLK_E_NOMEM;

    if (err == SLK_OK)
        err = slk_policy_new(&policy, text, slk_charter_policy(text, TREE_POLICY_ROOM, charter), &fault);
    if (err == SLK_OK)
        err = slk_policy_check(verdict, policy, note, checkpoint, &options);
    slk_policy_free(policy);
    free(text);
    return err;
}
