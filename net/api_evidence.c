/* api_evidence.c: what those read who watch the nodes: consistency proofs of the log, contradictions of members. */
#include <stdlib.h>
#include <string.h>

#include "ledger/embed/evidence.h"
#include "net/api_private.h"

#define EVIDENCE_MAX 256u /* pairs in one answer, the oldest first: 150 KiB */

static struct slk_store *store_of(void *ctx)
{
    const struct slk_api_backend *backend = &((struct slk_api *)ctx)->options.backend;

    return backend->store(backend->ctx);
}

/* ---- consistency ---- */

/* "OLD-NEW": sizes, the first at least 1 and not above the second. */
static bool read_sizes(struct slk_span text, uint64_t *old_size, uint64_t *size)
{
    const char *at = (const char *)text.at, *dash = memchr(at, '-', text.size);
    size_t first = dash != NULL ? (size_t)(dash - at) : 0;

    return dash != NULL && slk_decimal_parse(old_size, INT64_MAX, at, first) &&
           slk_decimal_parse(size, INT64_MAX, dash + 1, text.size - first - 1) && *old_size > 0 &&
           *old_size <= *size;
}

static json_t *consistency_json(
    struct slk_api_tree *tree, uint64_t old_size, uint64_t size, enum slk_err *err)
{
    struct slk_hash path[2 * SLK_PATH_MAX], old_root, root;
    json_t *list = json_array();
    size_t path_n = 0;

    *err = slk_log_consistency_path(path, &path_n, old_size, size, slk_api_read_tile, tree);
    if (*err == SLK_OK)
        *err = slk_log_root_at(&old_root, old_size, slk_api_read_tile, tree);
    if (*err == SLK_OK)
        *err = slk_log_root_at(&root, size, slk_api_read_tile, tree);
    if (*err != SLK_OK) {
        json_decref(list);
        return NULL;
    }
    for (size_t i = 0; i < path_n; i++)
        json_array_append_new(list, slk_api_hash(&path[i]));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "old_size", slk_api_number(old_size), "size",
        slk_api_number(size), "old_root", slk_api_hash(&old_root), "root", slk_api_hash(&root), "path", list);
}

void slk_api_consistency(void *ctx, struct slk_http_exchange *x)
{
    const struct api_reply reply = {200, "Cache-Control: no-cache\r\nAccess-Control-Allow-Origin: *\r\n"};
    struct slk_fault fault = {0};
    struct slk_view *view = NULL;
    struct slk_api_tree tree;
    uint64_t old_size, size;
    json_t *value = NULL;
    enum slk_err err;

    if (!read_sizes(slk_http_parameter(x), &old_size, &size)) {
        slk_http_refuse(
            x, SLK_HTTP_BAD_REQUEST, "two sizes of the log are wanted, OLD-NEW, with 1 <= OLD <= NEW");
        return;
    }
    err = slk_view_begin(&view, store_of(ctx));
    tree = (struct slk_api_tree){ctx, view};
    if (err == SLK_OK && (slk_view_tip(view) == NULL || size > slk_view_tip(view)->log_size))
        slk_http_refuse(x, SLK_HTTP_NOT_FOUND, "the log is not that long yet");
    else if (err == SLK_OK && (value = consistency_json(&tree, old_size, size, &err)) != NULL)
        slk_api_reply_json(x, &reply, value);
    else
        slk_api_reply_err(x, err != SLK_OK ? err : SLK_E_NOMEM, &fault);
    slk_view_end(view);
}

/* ---- evidence ---- */

static const char *vote_name(enum slk_vote_kind kind)
{
    static const char *const names[SLK_VOTE_KIND_N] = {[SLK_VOTE_PROPOSE] = "PROPOSE",
        [SLK_VOTE_NOTARIZE] = "NOTARIZE",
        [SLK_VOTE_NULLIFY] = "NULLIFY",
        [SLK_VOTE_FINALIZE] = "FINALIZE"};

    return names[kind];
}

static json_t *vote_json(const struct slk_vote *vote)
{
    const struct slk_statement *s = &vote->statement;

    return json_pack("{s:s, s:o, s:o, s:o, s:o}", "kind", vote_name(s->kind), "view", slk_api_number(s->view),
        "aux", slk_api_number(s->aux), "hash", slk_api_hash(&s->hash), "signature",
        slk_api_hex(vote->sig, SLK_SIGNATURE_SIZE));
}

static bool add(void *ctx, const struct slk_evidence *e)
{
    json_t *list = ctx;

    json_array_append_new(
        list, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "evidence", "votes", "chain_id",
                  slk_api_hash(&e->chain_id), "charter_hash", slk_api_hash(&e->charter_hash), "key",
                  slk_api_hex(e->key, SLK_KEY_SIZE), "height", slk_api_number(e->first.statement.height),
                  "first", vote_json(&e->first), "second", vote_json(&e->second)));
    return json_array_size(list) < EVIDENCE_MAX;
}

void slk_api_evidence(void *ctx, struct slk_http_exchange *x)
{
    const struct api_reply reply = {200, SLK_API_NO_STORE};
    struct slk_fault fault = {0};
    json_t *list = json_array();
    enum slk_err err = list != NULL ? slk_evidence_each(store_of(ctx), add, list, &fault) : SLK_E_NOMEM;

    if (err == SLK_OK)
        slk_api_reply_json(x, &reply, json_pack("{s:O}", "evidence", list));
    else
        slk_api_reply_err(x, err, &fault);
    json_decref(list);
}
