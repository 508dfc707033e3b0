/* api_read.c: proofs, crowds, blocks, charter, policy, checkpoint: what is read. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/proof.h"
#include "net/api_private.h"

#define POLICY_MAX ((size_t)1 << 16)
#define PUBLIC     "Access-Control-Allow-Origin: *\r\n"
#define FOR_EVER   "Cache-Control: public, max-age=31536000, immutable\r\nVary: Accept\r\n" PUBLIC
#define ASK_AGAIN  "Cache-Control: no-cache\r\nVary: Accept\r\n" PUBLIC

static struct slk_ledger *ledger_of(void *ctx)
{
    const struct slk_api_backend *backend = &((struct slk_api *)ctx)->options.backend;

    return backend->ledger(backend->ctx);
}

/* ---- one credential ---- */

/* From JSON, or 32 bytes or their 64 digits with ?history. False: refused already. */
static bool read_request(struct slk_http_exchange *x, uint8_t handle[SLK_HANDLE_SIZE], bool *history)
{
    struct slk_span type = {0}, body = slk_http_body(x), wanted = {0};
    struct slk_fault fault = {0};
    enum slk_err err;

    (void)slk_http_field(slk_http_request(x), "content-type", &type);
    if (slk_http_media_is(type, "application/json")) {
        err = slk_api_proof_request_parse(handle, history, body, &fault);
        if (err == SLK_OK)
            return true;
        slk_http_refuse(x, SLK_HTTP_BAD_REQUEST, fault.text);
        return false;
    }
    if (slk_http_media_is(
            type, "text/plain")) { /* what a page from elsewhere may send without asking first (CORS) */
        *history = slk_http_query(slk_http_request(x), "history", &wanted);
        if (slk_hex_parse(handle, SLK_HANDLE_SIZE, (const char *)body.at, body.size))
            return true;
        slk_http_refuse(
            x, SLK_HTTP_BAD_REQUEST, "the body must be the 64 hexadecimal digits of a credential's handle");
        return false;
    }
    if (body.size != SLK_HANDLE_SIZE) {
        slk_http_refuse(x, SLK_HTTP_BAD_REQUEST, "the body must be the 32 bytes of a credential's handle");
        return false;
    }
    memcpy(handle, body.at, SLK_HANDLE_SIZE);
    *history = slk_http_query(slk_http_request(x), "history", &wanted);
    return true;
}

void slk_api_proof_failed(
    struct slk_api *api, struct slk_http_exchange *x, enum slk_err err, const struct slk_fault *fault)
{
    api->proofs_n++;
    api->proofs_failed_n++;
    slk_api_reply_err(x, err, fault);
}

void slk_api_proof_refused(
    struct slk_api *api, struct slk_http_exchange *x, enum slk_http_reason reason, const char *detail)
{
    api->proofs_n++;
    api->proofs_failed_n++;
    slk_http_refuse(x, reason, detail);
}

void slk_api_proof_made(struct slk_api *api, struct slk_http_exchange *x, int type, struct slk_span bytes)
{
    static const char *const types[] = {
        "text/plain; charset=utf-8", "application/octet-stream", "application/json"};
    const struct api_reply reply = {200, SLK_API_NO_STORE "Vary: Accept\r\n"};

    api->proofs_n++;
    slk_api_reply_bytes(x, &reply, types[type], bytes, (uint8_t *)(uintptr_t)bytes.at);
}

/* A proof in its binary form as JSON, and lets go of it. */
static enum slk_err print_json(uint8_t **proof, size_t *size)
{
    struct slk_api_proof_text json;
    enum slk_err err = slk_api_proof_begin(&json, slk_span_of(*proof, *size));

    if (err == SLK_OK)
        err = slk_api_proof_go_on(&json, SIZE_MAX);
    free(*proof);
    *proof = json.text.at;
    *size = json.text.size;
    return err;
}

/* `may_wait`: the tip's checkpoint is on its way. False: nothing was answered, ask again when it is here. */
static bool prove(struct slk_api *api, struct slk_http_exchange *x, bool may_wait)
{
    static const char *const types[] = {"text/plain", "application/octet-stream", "application/json", NULL};
    const struct slk_api_backend *backend = &api->options.backend;
    uint8_t handle[SLK_HANDLE_SIZE], *proof = NULL;
    struct slk_proving *proving = NULL;
    struct slk_fault fault = {0};
    bool history;
    size_t size = 0;
    enum slk_err err;
    int type;

    if (!read_request(x, handle, &history))
        return true;
    type = slk_api_choose(x, types);
    if (type < 0)
        return true;
    err = backend->prove_begin(
        backend->ctx, handle, history, type == SLK_API_PROOF_TEXT ? SLK_TEXT : SLK_BINARY, &proving, &fault);
    if (err == SLK_E_UNSIGNED && may_wait)
        return false;
    if (err == SLK_OK && !slk_proving_take(proving, &proof, &size)) {
        slk_api_history_add(api, x, type, proving);
        return true;
    }
    slk_proving_free(proving);
    if (err == SLK_OK && type == SLK_API_PROOF_JSON)
        err = print_json(&proof, &size);
    if (err == SLK_OK) {
        slk_api_proof_made(api, x, type, slk_span_of(proof, size));
        return true;
    }
    free(proof);
    slk_api_proof_failed(api, x, err, &fault);
    return true;
}

#define READY_AT_ONCE                                                                                        \
    16u /* in one turn of the loop: 0.2 ms each where it has a history of what the handler proves itself */

/* Some milliseconds after each block its checkpoint has no quorum yet: who asks then waits for it, at most two ticks. */
static bool park(struct slk_api *api, struct slk_http_exchange *x)
{
    struct api_parked *parked = calloc(1, sizeof(*parked));

    if (parked == NULL)
        return false;
    *parked = (struct api_parked){.next = api->parked, .exchange = x};
    api->parked = parked;
    return true;
}

void slk_api_prove(void *ctx, struct slk_http_exchange *x)
{
    struct slk_api *api = ctx;

    if (!prove(api, x, true) && !park(api, x))
        (void)prove(api, x, false);
}

void slk_api_unpark(struct slk_api *api, bool only_late)
{
    struct api_parked **at = &api->parked, **end = &api->ready, *parked, *these = NULL;

    while ((parked = *at) != NULL) {
        if (only_late && !parked->is_late) {
            parked->is_late = true;
            at = &parked->next;
            continue;
        }
        *at = parked->next;
        parked->next = these; /* the last that came stands first in `parked` */
        these = parked;
    }
    while (*end != NULL)
        end = &(*end)->next;
    *end = these;
    if (these != NULL && api->server != NULL)
        slk_http_server_work(api->server);
}

void slk_api_answer_ready(struct slk_api *api)
{
    const struct slk_http_answer nothing = {.status = 503};
    struct api_parked *parked;

    for (unsigned n = 0; n < READY_AT_ONCE && (parked = api->ready) != NULL; n++) {
        api->ready = parked->next;
        if (slk_http_is_gone(parked->exchange)) {
            slk_http_answer(parked->exchange, &nothing);              /* only frees it */
        } else if (!prove(api, parked->exchange, !parked->is_late)) { /* there is another block */
            parked->next = api->parked;
            api->parked = parked;
            continue;
        }
        free(parked);
    }
}

void slk_api_parked_free(struct slk_api *api)
{
    const struct slk_http_answer nothing = {.status = 503};
    struct api_parked *parked;

    while ((parked = api->parked != NULL ? api->parked : api->ready) != NULL) {
        *(parked == api->parked ? &api->parked : &api->ready) = parked->next;
        slk_http_answer(parked->exchange, &nothing); /* the server has stopped: only frees it */
        free(parked);
    }
}

/* Ticks come before this, for who is parked. */
void slk_api_prove_late(void *ctx, struct slk_http_exchange *x)
{
    struct slk_api *api = ctx;
    struct api_parked **at = &api->parked, *parked;

    if (slk_api_history_drop(api, x)) {
        slk_api_proof_refused(api, x, SLK_HTTP_ANSWER_SLOW, NULL);
        return;
    }
    while (*at != NULL && (*at)->exchange != x)
        at = &(*at)->next;
    for (at = *at != NULL ? at : &api->ready; (*at)->exchange != x;)
        at = &(*at)->next;
    parked = *at;
    *at = parked->next;
    free(parked);
    (void)prove(api, x, false);
}

/* ---- a crowd ---- */

struct prefix {
    uint8_t bytes[SLK_HASH_SIZE];
    unsigned bits;
};

/* Hexadecimal digits in lower case, the first bits of SHA-256(handle). */
static bool read_prefix(struct prefix *out, struct slk_span text)
{
    char padded[2 * SLK_HASH_SIZE];

    if (text.size == 0 || text.size > sizeof(padded))
        return false;
    memset(padded, '0', sizeof(padded));
    memcpy(padded, text.at, text.size);
    out->bits = (unsigned)text.size * 4;
    return slk_hex_parse(out->bytes, SLK_HASH_SIZE, padded, sizeof(padded));
}

/* Whether few enough lie under it: asked of the map in memory, before anything is read from disk. */
static bool is_small(struct slk_ledger *ledger, const struct prefix *prefix)
{
    struct slk_map_walk *walk = malloc(sizeof(*walk));
    uint64_t *rows = malloc(SLK_API_CROWD_MAX * sizeof(*rows));
    size_t n = 0;
    bool small = walk != NULL && rows != NULL &&
                 slk_map_crowd(slk_ledger_map(ledger), prefix->bytes, prefix->bits, walk, rows,
                     SLK_API_CROWD_MAX, &n) == SLK_OK;

    free(walk);
    free(rows);
    return small;
}

static json_t *crowd_records(const struct slk_hash *root, const struct prefix *prefix, struct slk_span proof)
{
    struct slk_map_crowd_item *items = malloc(SLK_API_CROWD_MAX * sizeof(*items));
    json_t *list = json_array();
    size_t n = 0;
    bool good = items != NULL && slk_map_crowd_check(items, SLK_API_CROWD_MAX, &n, root, prefix->bytes,
                                     prefix->bits, proof) == SLK_OK;

    for (size_t i = 0; good && i < n; i++) {
        struct slk_record record;
        json_t *one = slk_record_parse(&record, items[i].record) == SLK_OK ? slk_api_record(&record) : NULL;

        json_object_set_new(one, "path", slk_api_hex(items[i].path, SLK_HASH_SIZE));
        good = json_array_append_new(list, one) == 0;
    }
    free(items);
    if (!good) {
        json_decref(list);
        return NULL;
    }
    return list;
}

/* What ties the map's root to a signed checkpoint, which any status proof of this block holds: the one of a handle of zeros. */
static json_t *anchor_json(const struct slk_api_backend *backend)
{
    static const uint8_t zeros[SLK_HANDLE_SIZE];
    struct slk_proof *p = malloc(sizeof(*p));
    struct slk_fault fault = {0};
    uint8_t *proof = NULL;
    size_t size = 0;
    json_t *value = NULL, *path = json_array();

    if (p != NULL &&
        backend->prove(backend->ctx, zeros, false, SLK_BINARY, &proof, &size, &fault) == SLK_OK &&
        slk_proof_parse(p, slk_span_of(proof, size), NULL, 0) == SLK_OK) {
        struct slk_span note = backend->checkpoint(backend->ctx);

        for (size_t i = 0; i < p->path_n; i++)
            json_array_append_new(path, slk_api_hash(&p->path[i]));
        value = json_pack("{s:o, s:O, s:o}", "seal", slk_api_base64(p->seal), "seal_path", path, "checkpoint",
            json_stringn((const char *)note.at, note.size));
    }
    json_decref(path);
    free(proof);
    free(p);
    return value;
}

static json_t *crowd_json(
    const struct slk_api_backend *backend, const struct prefix *prefix, struct slk_span proof)
{
    const struct slk_tip *tip = slk_ledger_tip(backend->ledger(backend->ctx));
    json_t *value = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "bits", slk_api_number(prefix->bits),
        "height", slk_api_number(tip->height), "size", slk_api_number(tip->log_size), "map_root",
        slk_api_hash(&tip->map_root), "records", crowd_records(&tip->map_root, prefix, proof), "proof",
        slk_api_base64(proof));
    json_t *anchor = anchor_json(backend);

    if (anchor != NULL) /* NULL: no quorum has cosigned this block yet */
        json_object_set_new(value, "anchor", anchor);
    return value;
}

void slk_api_map(void *ctx, struct slk_http_exchange *x)
{
    static const char *const types[] = {"application/json", "application/octet-stream", NULL};
    struct slk_api *api = ctx;
    const struct api_reply reply = {200, ASK_AGAIN};
    const struct slk_fault many = {0, "more than 1,024 credentials under this prefix: ask for a longer one"};
    struct slk_ledger *ledger = ledger_of(ctx);
    struct slk_fault fault = {0};
    struct prefix prefix;
    uint8_t *proof = NULL;
    size_t size = 0;
    enum slk_err err;
    int type;

    if (!read_prefix(&prefix, slk_http_parameter(x))) {
        slk_http_refuse(x, SLK_HTTP_BAD_REQUEST, "a prefix is 1 to 64 hexadecimal digits in lower case");
        return;
    }
    type = slk_api_choose(x, types);
    if (type < 0)
        return;
    api->crowds_n++;
    if (!is_small(ledger, &prefix)) {
        slk_api_reply_err(x, SLK_E_TOO_LARGE, &many);
        return;
    }
    err = slk_ledger_crowd(ledger, prefix.bytes, prefix.bits, &proof, &size, &fault);
    if (err != SLK_OK) {
        slk_api_reply_err(x, err, &fault);
    } else if (type == 1) {
        slk_api_reply_bytes(x, &reply, types[1], slk_span_of(proof, size), proof);
    } else {
        slk_api_reply_json(x, &reply, crowd_json(&api->options.backend, &prefix, slk_span_of(proof, size)));
        free(proof);
    }
}

/* ---- blocks ---- */

static json_t *finality_json(struct slk_view *view, uint64_t height)
{
    struct slk_cert *cert = calloc(1, sizeof(*cert));
    json_t *value = NULL, *signers = json_array(), *sigs = json_array();
    size_t n = 0;

    if (cert != NULL && slk_view_finality(view, height, cert) == SLK_OK) {
        for (unsigned i = 0; i < SLK_CHARTER_VOTING_MAX; i++) {
            if ((cert->signers >> i & 1) == 0)
                continue;
            json_array_append_new(signers, slk_api_number(i));
            json_array_append_new(sigs, slk_api_hex(cert->sigs[n++], SLK_SIGNATURE_SIZE));
        }
        value = json_pack(
            "{s:o, s:O, s:O}", "view", slk_api_number(cert->view), "signers", signers, "signatures", sigs);
    }
    json_decref(signers);
    json_decref(sigs);
    free(cert);
    return value;
}

/* But its entries. */
static json_t *block_json(struct slk_view *view, const struct slk_view_block *block)
{
    struct slk_block_header h;
    struct slk_hash hash;
    json_t *value, *finality;

    if (slk_block_header_parse(&h, block->header) != SLK_OK)
        return NULL;
    slk_block_hash(&hash, block->header);
    value = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "height",
        slk_api_number(h.height), "hash", slk_api_hash(&hash), "previous", slk_api_hash(&h.previous),
        "time_ms", slk_api_number(h.time_ms), "proposer", slk_api_number(h.proposer), "view",
        slk_api_number(h.origin_view), "events", slk_api_number(h.event_count), "first_index",
        slk_api_number(block->first_index), "size", slk_api_number(h.log_size), "root",
        slk_api_hash(&h.log_root), "map_root", slk_api_hash(&h.map_root), "charter_hash",
        slk_api_hash(&h.charter_hash), "next_charter_hash", slk_api_hash(&h.next_charter_hash), "header",
        slk_api_base64(slk_span_of(block->header, SLK_BLOCK_HEADER_SIZE)));
    finality = finality_json(view, h.height);
    if (finality != NULL)
        json_object_set_new(value, "finality", finality);
    return value;
}

/* As a bundle holds it (bundle.h): header, certificate, entries. */
static void reply_final_block(
    struct slk_http_exchange *x, struct slk_view *view, uint64_t height, const struct slk_view_block *block)
{
    const struct api_reply reply = {200, FOR_EVER};
    struct slk_fault fault = {0};
    size_t cap = SLK_BLOCK_HEADER_SIZE + 2 + SLK_CERT_BYTES_MAX + block->entries.size, size = 0;
    struct slk_cert *cert = malloc(sizeof(*cert));
    uint8_t *bytes = malloc(cap), form[SLK_CERT_BYTES_MAX];
    struct slk_writer w = {.at = bytes, .cap = cap};
    enum slk_err err = cert != NULL && bytes != NULL ? slk_view_finality(view, height, cert) : SLK_E_NOMEM;

    if (err == SLK_OK) {
        size = slk_cert_format(form, sizeof(form), cert);
        slk_write_bytes(&w, block->header, SLK_BLOCK_HEADER_SIZE);
        slk_write_u16(&w, (uint16_t)size);
        slk_write_bytes(&w, form, size);
        slk_write_bytes(&w, block->entries.at, block->entries.size);
    }
    free(cert);
    if (err == SLK_OK && size > 0 && !w.bad) {
        slk_api_reply_bytes(x, &reply, "application/octet-stream", slk_span_of(bytes, w.size), bytes);
        return;
    }
    free(bytes);
    if (err == SLK_E_NOT_FOUND)
        slk_http_refuse(x, SLK_HTTP_NOT_FOUND, "nobody votes on block 0: it has no certificate");
    else
        slk_api_reply_err(x, err == SLK_OK ? SLK_E_CORRUPT : err, &fault);
}

static void reply_block(
    struct slk_http_exchange *x, struct slk_view *view, const struct slk_view_block *block, int type)
{
    const struct api_reply reply = {200, FOR_EVER};
    struct slk_fault fault = {0};
    size_t size = SLK_BLOCK_HEADER_SIZE + block->entries.size;
    uint8_t *bytes;

    if (type == 0) {
        slk_api_reply_json_bytes(x, &reply, block_json(view, block), "entries", block->entries);
        return;
    }
    bytes = malloc(size);
    if (bytes == NULL) {
        slk_api_reply_err(x, SLK_E_NOMEM, &fault);
        return;
    }
    memcpy(bytes, block->header, SLK_BLOCK_HEADER_SIZE);
    memcpy(bytes + SLK_BLOCK_HEADER_SIZE, block->entries.at, block->entries.size);
    slk_api_reply_bytes(x, &reply, "application/octet-stream", slk_span_of(bytes, size), bytes);
}

void slk_api_block(void *ctx, struct slk_http_exchange *x)
{
    static const char *const types[] = {"application/json", "application/octet-stream", NULL};
    struct slk_span text = slk_http_parameter(x);
    struct slk_fault fault = {0};
    struct slk_view *view = NULL;
    struct slk_view_block block;
    struct slk_span value;
    uint64_t height;
    enum slk_err err;
    int type;

    if (!slk_decimal_parse(&height, INT64_MAX, (const char *)text.at, text.size)) {
        slk_http_refuse(x, SLK_HTTP_BAD_REQUEST, "a height is a whole number");
        return;
    }
    type = slk_api_choose(x, types);
    if (type < 0)
        return;
    err = slk_view_begin(&view, slk_ledger_store(ledger_of(ctx)));
    if (err == SLK_OK)
        err = slk_view_block(view, height, &block);
    if (err == SLK_OK && type == 1 && slk_http_query(slk_http_request(x), "finality", &value))
        reply_final_block(x, view, height, &block);
    else if (err == SLK_OK)
        reply_block(x, view, &block, type); /* copies: nothing of the store is held while a client reads */
    else if (err == SLK_E_NOT_FOUND)
        slk_http_refuse(x, SLK_HTTP_NOT_FOUND, "there is no such block yet");
    else
        slk_api_reply_err(x, err, &fault);
    slk_view_end(view);
}

/* ---- charter, policy, checkpoint ---- */

void slk_api_get_charter(void *ctx, struct slk_http_exchange *x)
{
    static const char *const types[] = {"application/json", "application/octet-stream", NULL};
    const struct api_reply reply = {200, ASK_AGAIN};
    struct slk_ledger *ledger = ledger_of(ctx);
    const struct slk_charter *pending;
    struct slk_fault fault = {0};
    uint64_t activation = 0;
    int type = slk_api_choose(x, types);
    uint8_t *bytes;
    size_t size;
    json_t *value;

    if (type < 0)
        return;
    if (type == 0) {
        value = slk_api_charter(slk_ledger_charter(ledger));
        pending = slk_ledger_pending(ledger, &activation);
        if (pending != NULL)
            json_object_set_new(value, "pending",
                json_pack("{s:o, s:o}", "activation", slk_api_number(activation), "charter",
                    slk_api_charter(pending)));
        slk_api_reply_json(x, &reply, value);
        return;
    }
    bytes = malloc(SLK_CHARTER_BYTES_MAX);
    size = bytes != NULL ? slk_charter_format(bytes, SLK_CHARTER_BYTES_MAX, slk_ledger_charter(ledger)) : 0;
    if (size > 0) {
        slk_api_reply_bytes(x, &reply, types[1], slk_span_of(bytes, size), bytes);
        return;
    }
    free(bytes);
    slk_api_reply_err(x, SLK_E_NOMEM, &fault);
}

/* Where charter `version` stands in the chain: the first one is entry 0. */
static enum slk_err find_charter(struct slk_view *view, uint64_t version, uint64_t *height, uint64_t *index)
{
    struct slk_view_block block;
    struct slk_span entry;
    enum slk_err err;

    *height = *index = 0;
    if (version == 1)
        return SLK_OK;
    err = version == 0 || version > SIZE_MAX ? SLK_E_NOT_FOUND
                                             : slk_view_change(view, (size_t)version - 2, height, &entry);
    if (err == SLK_OK)
        err = slk_view_block(view, *height, &block);
    if (err == SLK_OK)
        *index = block.first_index; /* a change stands before the submissions of its block */
    return err;
}

void slk_api_past_charter(void *ctx, struct slk_http_exchange *x)
{
    const struct api_reply reply = {200, FOR_EVER};
    struct slk_span text = slk_http_parameter(x), entry;
    struct slk_fault fault = {0};
    struct slk_view *view = NULL;
    uint64_t version, height = 0, index = 0;
    enum slk_err err;

    if (!slk_decimal_parse(&version, INT64_MAX, (const char *)text.at, text.size)) {
        slk_http_refuse(x, SLK_HTTP_BAD_REQUEST, "a version is a whole number");
        return;
    }
    err = slk_view_begin(&view, slk_ledger_store(ledger_of(ctx)));
    if (err == SLK_OK)
        err = find_charter(view, version, &height, &index);
    if (err == SLK_OK)
        err = slk_view_entry(view, index, &entry);
    if (err == SLK_OK)
        slk_api_reply_json(x, &reply,
            json_pack("{s:o, s:o, s:o, s:o}", "version", slk_api_number(version), "height",
                slk_api_number(height), "index", slk_api_number(index), "entry", slk_api_base64(entry)));
    else if (err == SLK_E_NOT_FOUND)
        slk_http_refuse(x, SLK_HTTP_NOT_FOUND, "there is no such charter yet");
    else
        slk_api_reply_err(x, err, &fault);
    slk_view_end(view);
}

void slk_api_get_policy(void *ctx, struct slk_http_exchange *x)
{
    const struct api_reply reply = {200, ASK_AGAIN};
    struct slk_fault fault = {0};
    char *text = malloc(POLICY_MAX);
    size_t size = text != NULL ? slk_charter_policy(text, POLICY_MAX, slk_ledger_charter(ledger_of(ctx))) : 0;

    if (size > 0) {
        slk_api_reply_bytes(x, &reply, "text/plain; charset=utf-8", slk_span_of(text, size), (uint8_t *)text);
        return;
    }
    free(text);
    slk_api_reply_err(x, SLK_E_NOMEM, &fault);
}

void slk_api_get_checkpoint(void *ctx, struct slk_http_exchange *x)
{
    const struct slk_api_backend *backend = &((struct slk_api *)ctx)->options.backend;
    const struct api_reply reply = {200, ASK_AGAIN};
    const struct slk_fault fault = {0, "no checkpoint has been cosigned by a quorum yet"};
    struct slk_span note = backend->checkpoint(backend->ctx);

    if (note.size == 0)
        slk_api_reply_err(x, SLK_E_UNSIGNED, &fault);
    else
        slk_api_reply_bytes(x, &reply, "text/plain; charset=utf-8", note, NULL);
}
