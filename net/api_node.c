/* api_node.c: the API's back end that is a running node. */
#include "net/api.h"

static uint64_t submit(void *ctx, struct slk_span submission, enum slk_node_stage stage,
    slk_node_answer_fn *answer, void *answer_ctx)
{
    return slk_node_submit(ctx, submission, stage, answer, answer_ctx);
}

static void forget(void *ctx, uint64_t ticket)
{
    slk_node_forget(ctx, ticket);
}

static enum slk_node_where find(void *ctx, const struct slk_hash *id, uint64_t *height, uint64_t *first_index)
{
    return slk_node_find(ctx, id, height, first_index);
}

static enum slk_change_rule change(void *ctx, struct slk_span entry, struct slk_fault *fault)
{
    return slk_node_change(ctx, entry, fault);
}

static struct slk_store *store(void *ctx)
{
    return slk_node_store(ctx);
}

static struct slk_ledger *ledger(void *ctx)
{
    return slk_node_ledger(ctx);
}

static enum slk_err prove(void *ctx, const uint8_t handle[SLK_HANDLE_SIZE], bool with_history,
    enum slk_encoding encoding, uint8_t **out, size_t *out_size, struct slk_fault *fault)
{
    return slk_node_prove(ctx, handle, with_history, encoding, out, out_size, fault);
}

static enum slk_err prove_begin(void *ctx, const uint8_t handle[SLK_HANDLE_SIZE], bool with_history,
    enum slk_encoding encoding, struct slk_proving **out, struct slk_fault *fault)
{
    return slk_node_prove_begin(ctx, handle, with_history, encoding, out, fault);
}

static struct slk_span checkpoint(void *ctx)
{
    return slk_node_checkpoint(ctx);
}

static void status(void *ctx, struct slk_node_status *out)
{
    slk_node_status(ctx, out);
}

static bool watch(void *ctx, slk_node_news_fn *fn, void *fn_ctx)
{
    return slk_node_watch(ctx, fn, fn_ctx);
}

static void unwatch(void *ctx, slk_node_news_fn *fn, void *fn_ctx)
{
    slk_node_unwatch(ctx, fn, fn_ctx);
}

static void state_lists(void *ctx, struct slk_span text, uint64_t size)
{
    slk_node_state_lists(ctx, text, size);
}

static struct slk_span lists_note(void *ctx, uint64_t *size)
{
    return slk_node_lists_note(ctx, size);
}

struct slk_api_backend slk_api_backend_of(struct slk_node *node)
{
    return (struct slk_api_backend){.ctx = node,
        .submit = submit,
        .forget = forget,
        .find = find,
        .change = change,
        .ledger = ledger,
        .store = store,
        .prove = prove,
        .prove_begin = prove_begin,
        .checkpoint = checkpoint,
        .status = status,
        .watch = watch,
        .unwatch = unwatch,
        .state_lists = state_lists,
        .lists_note = lists_note};
}
