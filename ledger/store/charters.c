/* charters.c: from the disk to the charters of a chain: where each change stands is listed in meta. */
#include "ledger/store/internal.h"

#include <assert.h>

enum slk_err slk_view_change(struct slk_view *view, size_t i, uint64_t *height, struct slk_span *entry)
{
    struct slk_view_block block;
    struct slk_reader r;
    struct slk_span list;
    enum slk_err err =
        slk_view_get(view, SLK_BASE_META, SLK_META_CHANGES, sizeof SLK_META_CHANGES - 1, &list);

    if (err != SLK_OK)
        return err;
    if (list.size == 0 || list.size % 8 != 0)
        return SLK_E_CORRUPT;
    if (i >= list.size / 8)
        return SLK_E_NOT_FOUND;
    *height = slk_get_u64(list.at + 8 * i);
    if ((i > 0 && slk_get_u64(list.at + 8 * (i - 1)) >= *height) || !view->has_tip ||
        *height > view->tip.height)
        return SLK_E_CORRUPT;
    err = slk_view_block(view, *height, &block);
    if (err != SLK_OK)
        return err == SLK_E_NOT_FOUND ? SLK_E_CORRUPT : err;
    r = (struct slk_reader){.rest = block.entries};
    *entry = slk_read_span(&r, slk_read_u16(&r));
    return r.bad ? SLK_E_CORRUPT : SLK_OK;
}

static enum slk_err restore(struct slk_view *view, struct slk_charters *charters, struct slk_fault *fault)
{
    for (size_t i = 0;; i++) {
        struct slk_span entry;
        uint64_t height = 0;
        enum slk_err err = slk_view_change(view, i, &height, &entry);

        if (err == SLK_E_NOT_FOUND)
            return SLK_OK;
        if (err == SLK_OK)
            err = slk_charters_restore(charters, height, entry);
        if (err == SLK_E_CORRUPT)
            slk_fault_set(fault,
                "charter change %zu, in block %llu, does not follow those before it; run `sillok fsck`",
                i + 1, (unsigned long long)height);
        if (err != SLK_OK)
            return err;
    }
}

/* What a member that joins may name: the hashes of the newest blocks. And the tip's header, which says what governs. */
static enum slk_err note_recent(struct slk_view *view, struct slk_charters *charters,
    struct slk_block_header *tip, struct slk_fault *fault)
{
    uint64_t n = view->tip.height < SLK_CHANGE_READY_MAX ? view->tip.height : SLK_CHANGE_READY_MAX;

    for (uint64_t i = 0; i <= n; i++) {
        uint64_t height = view->tip.height - i;
        struct slk_view_block block;
        struct slk_hash hash;
        enum slk_err err = slk_view_block(view, height, &block);

        if (err == SLK_OK && i == 0)
            err = slk_block_header_parse(tip, block.header);
        if (err != SLK_OK) {
            slk_fault_set(fault, "block %llu cannot be read; run `sillok fsck`", (unsigned long long)height);
            return err == SLK_E_NOT_FOUND || err == SLK_E_MALFORMED ? SLK_E_CORRUPT : err;
        }
        slk_block_hash(&hash, block.header);
        slk_charters_note(charters, height, &hash);
    }
    return SLK_OK;
}

enum slk_err slk_store_load_charters(
    struct slk_store *store, struct slk_charters *charters, struct slk_fault *fault)
{
    struct slk_block_header tip = {0};
    struct slk_view *view = NULL;
    enum slk_err err = slk_view_begin(&view, store);

    if (err != SLK_OK || !view->has_tip) {
        slk_view_end(view);
        return err;
    }
    err = restore(view, charters, fault);
    if (err == SLK_OK)
        err = note_recent(view, charters, &tip, fault);
    if (err == SLK_OK) {
        slk_charters_reach(charters, view->tip.height);
        if (!slk_hash_equal(&slk_charters_last(charters)->hash, &tip.charter_hash) ||
            !slk_hash_equal(&slk_charters_now(charters)->hash, &tip.next_charter_hash)) {
            slk_fault_set(fault,
                "the charter that block %llu names is not among those stored; run `sillok fsck`",
                (unsigned long long)view->tip.height);
            err = SLK_E_CORRUPT;
        }
    }
    slk_view_end(view);
    return err;
}
