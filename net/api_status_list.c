/* api_status_list.c: the public status lists over HTTP: tokens, their key, and where they all are.
 *
 * The lists follow the committed blocks: by the rows of each block, in the request that needs them or in the tick. A token is made
 * when it is asked for, at most once in a tenth of its ttl, and only while a quorum vouches for the tip: a node that is cut off must
 * not put a fresh date under an old state.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/hash.h"
#include "net/api_lists.h"
#include "net/deflate.h"
#include "net/status_token.h"

#define PUBLIC    "Access-Control-Allow-Origin: *\r\n"
#define SLOTS_N   256u                /* tokens kept */
#define BYTES_MAX ((size_t)48 << 20)  /* of them */
#define STEP_ROWS ((uint64_t)1 << 18) /* read at once: some 20 ms of the node's one thread */
#define PAST_ROWS ((uint64_t)1 << 20) /* forward, for a list of the past: a tenth of a second */
#define BACK_ROWS ((uint64_t)1 << 16) /* backward, where each row has another one looked up */
#define ETAG_SIZE 36
#define COSIGNED_S                                                                                           \
    5 /* how long what a quorum signed may be kept unasked: list and proof are to be of one note */
#define OFF                                                                                                  \
    "status lists are off at this node: its configuration needs `list_key` and `uri` in [status]; another "  \
    "node "                                                                                                  \
    "of the same ledger may have them"
#define NO_LIST                                                                                              \
    "a list is /v1/status-lists/<type>/<n>, of W3C's form /v1/status-lists/<type>/<n>/revocation and "       \
    "/suspension; what a quorum signed of all of them is /v1/status-lists/note"
#define NOT_COSIGNED                                                                                         \
    "this node has no lists signed by a quorum: its configuration needs `cosign` in [status], as that of "   \
    "other members"

/* What is asked for. */
struct wanted {
    enum slk_token_kind kind;
    uint32_t type, n;
    bool is_cosigned; /* as a quorum signed it */
};

struct made {
    struct wanted what;
    uint64_t made_s, next_s; /* when an entry expires */
    uint64_t changes_n;
    uint64_t size;           /* of the log */
    uint8_t *token, *packed; /* gzip; NULL: not asked for yet, or no smaller */
    size_t token_size, packed_size;
    bool was_packed;
    char etag[ETAG_SIZE]; /* with its quotes, for the token as it is */
};

struct slk_api_lists {
    struct slk_status_reader *reader;
    struct slk_api_epochs epochs;
    bool is_held;    /* the reader waits at a block, whose lists are being made: they are served meanwhile */
    uint64_t past_s; /* when a list of the past was made last */
    size_t bytes;    /* of the tokens */
    size_t slots_n;
    uint64_t signed_n, served_age_s; /* for /metrics */
    struct made *made[SLOTS_N];
};

/* ---- state ---- */

static void drop(struct slk_api_lists *lists, size_t i)
{
    struct made *made = lists->made[i];

    lists->made[i] = NULL;
    if (made == NULL)
        return;
    lists->bytes -= made->token_size + made->packed_size;
    free(made->token);
    free(made->packed);
    free(made);
}

void slk_api_lists_free(struct slk_api *api)
{
    if (api->lists == NULL)
        return;
    for (size_t i = 0; i < SLOTS_N; i++)
        drop(api->lists, i);
    slk_api_epochs_free(&api->lists->epochs);
    slk_status_reader_free(api->lists->reader);
    free(api->lists);
}

static bool is_on(const struct slk_api *api)
{
    return api->options.status.key != NULL && api->options.status.base != NULL;
}

/* False: refused already. */
static bool must_be_on(const struct slk_api *api, struct slk_http_exchange *x)
{
    const struct api_reply reply = {404, SLK_API_NO_STORE};

    if (!is_on(api))
        slk_api_reply_problem(x, &reply, "NOT_CONFIGURED", OFF);
    return is_on(api);
}

static void forget_reader(struct slk_api_lists *lists)
{
    slk_api_epochs_drop(&lists->epochs);
    slk_status_reader_free(lists->reader);
    lists->reader = NULL;
}

static struct slk_store *store_of(const struct slk_api *api)
{
    return api->options.backend.store(api->options.backend.ctx);
}

/* A node that catches up goes through periods that the others have signed long ago. */
static uint32_t period_of(const struct slk_api *api)
{
    struct slk_node_status status = {0};

    if (api->options.status.cosign_s > 0)
        api->options.backend.status(api->options.backend.ctx, &status);
    return status.is_behind ? 0 : api->options.status.cosign_s;
}

static enum slk_err read_on(struct slk_api *api, struct slk_view *view, bool *done)
{
    struct slk_api_lists *lists = api->lists;
    struct slk_status_until until = SLK_STATUS_TIP;
    enum slk_err err;

    lists->is_held = lists->epochs.building != NULL;
    if (lists->is_held)
        return SLK_OK;
    err = slk_api_epochs_aim(&lists->epochs, period_of(api), view, lists->reader, &until);
    if (err == SLK_OK)
        err = slk_status_reader_follow(lists->reader, store_of(api), view, &until, STEP_ROWS, done);
    if (err == SLK_OK)
        err = slk_api_epochs_begin(&lists->epochs, lists->reader);
    lists->is_held = err == SLK_OK && lists->epochs.building != NULL;
    if (until.size != UINT64_MAX) /* that is not all */
        *done = false;
    return err;
}

/* Reads on, as far as one turn of the loop may take. *done: the lists are those of the view's last block. */
static enum slk_err follow(struct slk_api *api, struct slk_view *view, bool *done)
{
    struct slk_api_lists *lists = api->lists;
    enum slk_err err = SLK_OK;

    *done = false;
    if (lists == NULL)
        lists = api->lists = calloc(1, sizeof(*lists));
    if (lists == NULL)
        return SLK_E_NOMEM;
    lists->slots_n = api->options.status.tokens_max > 0 ? api->options.status.tokens_max : SLOTS_N;
    assert(lists->slots_n <= SLOTS_N);
    if (lists->reader == NULL)
        err = slk_status_reader_new(&lists->reader);
    if (err == SLK_OK)
        err = read_on(api, view, done);
    if (err != SLK_OK)
        forget_reader(lists);
    return err;
}

void slk_api_lists_tick(struct slk_api *api)
{
    struct slk_view *view = NULL;
    bool done;

    if ((is_on(api) || api->options.status.cosign_s > 0) && slk_view_begin(&view, store_of(api)) == SLK_OK)
        (void)!follow(api, view, &done); /* the next request says what is wrong */
    slk_view_end(view);
    if (api->lists != NULL && api->lists->epochs.building != NULL &&
        slk_api_epochs_step(&api->lists->epochs, api, api->lists->reader) != SLK_OK)
        forget_reader(api->lists);
}

void slk_api_lists_figures(const struct slk_api *api, struct slk_api_lists_figures *out)
{
    const struct slk_api_lists *lists = api->lists;
    struct slk_block_header place;

    *out = (struct slk_api_lists_figures){.is_on = is_on(api)};
    if (lists == NULL)
        return;
    if (lists->reader != NULL && slk_status_reader_place(lists->reader, &place))
        out->height = place.height;
    for (size_t i = 0; i < SLOTS_N; i++)
        out->tokens_n += lists->made[i] != NULL;
    out->bytes = lists->bytes;
    out->signed_n = lists->signed_n;
    out->age_s = lists->served_age_s;
}

/* ---- making ---- */

static void claim(const struct slk_api *api, struct slk_status_claims *claims, const struct wanted *what,
    const struct slk_block_header *place, uint64_t time_s)
{
    const struct slk_api_status_options *options = &api->options.status;

    *claims = (struct slk_status_claims){.chain_id = place->chain_id,
        .size = place->log_size,
        .root = place->log_root,
        .type = what->type,
        .n = what->n,
        .iat_s = time_s,
        .exp_s = time_s + options->lifetime_s,
        .ttl_s = options->ttl_s};
    snprintf(claims->base, sizeof(claims->base), "%s", options->base);
}

static enum slk_err make(const struct slk_api *api, const struct slk_status_lists *from,
    const struct wanted *what, struct slk_status_claims *claims, uint8_t **token, size_t *size,
    uint64_t *next_s)
{
    enum slk_status_form form = slk_token_form(what->kind);
    size_t list_size = slk_status_list_size(slk_status_list_places(from, what->type, what->n), form);
    uint8_t *list = malloc(list_size);
    enum slk_err err = SLK_E_NOMEM;

    *token = NULL;
    *size = 0;
    if (list != NULL) {
        *next_s = slk_status_list_print(from, what->type, what->n, form, claims->iat_s, list);
        err = slk_status_token_make(
            token, size, what->kind, claims, slk_span_of(list, list_size), api->options.status.key);
    }
    free(list);
    return err;
}

/* Where the token of this list is; SLOTS_N: there is none. */
static size_t find(const struct slk_api_lists *lists, const struct wanted *what)
{
    size_t i;

    for (i = 0; i < SLOTS_N; i++) {
        const struct made *made = lists->made[i];

        if (made != NULL && made->what.kind == what->kind && made->what.type == what->type &&
            made->what.n == what->n && made->what.is_cosigned == what->is_cosigned)
            break;
    }
    return i;
}

static size_t oldest_of(const struct slk_api_lists *lists)
{
    size_t oldest = SLOTS_N;

    for (size_t i = 0; i < SLOTS_N; i++)
        if (lists->made[i] != NULL &&
            (oldest == SLOTS_N || lists->made[i]->made_s < lists->made[oldest]->made_s))
            oldest = i;
    return oldest;
}

/* A free place. The oldest tokens go while there is none, or too little memory. */
static size_t make_room(struct slk_api_lists *lists, size_t bytes)
{
    for (;;) {
        size_t place = 0, oldest = oldest_of(lists);

        while (place < lists->slots_n && lists->made[place] != NULL)
            place++;
        if (oldest == SLOTS_N || (place < lists->slots_n && lists->bytes + bytes <= BYTES_MAX))
            return place;
        drop(lists, oldest);
    }
}

/* In place of the token that there was, if there was one. */
static void keep(struct slk_api_lists *lists, struct made *made)
{
    size_t old = find(lists, &made->what);
    struct slk_hash hash;

    slk_hash_bytes(&hash, made->token, made->token_size);
    made->etag[0] = made->etag[33] = '"';
    slk_hex_format(made->etag + 1, hash.b, 16);
    if (old < SLOTS_N)
        drop(lists, old);
    lists->made[make_room(lists, made->token_size)] = made;
    lists->bytes += made->token_size;
    lists->signed_n++;
}

static enum slk_err renew(struct slk_api *api, const struct wanted *what, uint64_t now_s, struct made **out)
{
    struct slk_api_lists *lists = api->lists;
    const struct slk_status_lists *from = slk_status_reader_lists(lists->reader);
    struct slk_status_claims claims;
    struct slk_block_header place;
    struct made *made = calloc(1, sizeof(*made));
    enum slk_err err;

    *out = NULL;
    if (made == NULL)
        return SLK_E_NOMEM;
    (void)slk_status_reader_place(lists->reader, &place); /* block 0 at least: there is a tip */
    claim(api, &claims, what, &place, now_s);
    err = make(api, from, what, &claims, &made->token, &made->token_size, &made->next_s);
    if (err != SLK_OK) {
        free(made);
        return err;
    }
    made->what = *what;
    made->made_s = now_s;
    made->size = place.log_size;
    made->changes_n = slk_status_list_changes(from, what->type, what->n);
    keep(lists, made);
    *out = made;
    return SLK_OK;
}

/* ---- one list ---- */

static void refuse_busy(struct slk_http_exchange *x, const char *why)
{
    const struct api_reply reply = {503, "Retry-After: 1\r\n" SLK_API_NO_STORE};

    slk_api_reply_problem(x, &reply, "NOT_READY", why);
}

/* False: refused already. */
static bool must_be_vouched_for(const struct slk_api *api, struct slk_http_exchange *x)
{
    struct slk_node_status status = {0};
    char text[160];
    uint64_t age_ms;
    const char *why;

    api->options.backend.status(api->options.backend.ctx, &status);
    why = slk_api_ailment(api, &status, &age_ms);
    if (why == NULL)
        return true;
    snprintf(text, sizeof(text), "%s: a list made now would give an old state a new date", why);
    refuse_busy(x, text);
    return false;
}

/* False: refused already. */
static bool must_exist(
    const struct slk_status_lists *from, const struct wanted *what, struct slk_http_exchange *x)
{
    uint32_t count = slk_status_lists_count(from, what->type);
    char text[160];

    if (what->n < count)
        return true;
    if (count == 0)
        snprintf(text, sizeof(text), "the charter has no credential type %u", what->type);
    else
        snprintf(text, sizeof(text), "type %u has lists 0 to %u, of %u places each", what->type, count - 1,
            SLK_STATUS_LIST_CUT);
    slk_http_refuse(x, SLK_HTTP_NOT_FOUND, text);
    return false;
}

/* Does this token say what a new one would? */
static bool is_current(const struct slk_api *api, const struct made *made, uint64_t now_s)
{
    const struct slk_status_lists *from = slk_status_reader_lists(api->lists->reader);

    return now_s >= made->made_s && now_s - made->made_s < api->options.status.ttl_s &&
           now_s < made->next_s &&
           made->changes_n == slk_status_list_changes(from, made->what.type, made->what.n);
}

static bool is_young(const struct slk_api *api, const struct made *made, uint64_t now_s)
{
    uint64_t pause_s = api->options.status.ttl_s < 10 ? 1 : api->options.status.ttl_s / 10;

    return now_s >= made->made_s && now_s - made->made_s < pause_s;
}

/* Who asks for all lists in turn must not have them made again and again: none that is young makes place for another. False: refused
 * already. */
static bool must_have_room(
    const struct slk_api *api, const struct wanted *what, uint64_t now_s, struct slk_http_exchange *x)
{
    const struct slk_api_lists *lists = api->lists;
    size_t oldest = oldest_of(lists), n = 0,
           size = slk_status_list_size(SLK_STATUS_LIST_CUT, slk_token_form(what->kind));

    for (size_t i = 0; i < SLOTS_N; i++)
        n += lists->made[i] != NULL;
    if (oldest == SLOTS_N || !is_young(api, lists->made[oldest], now_s) || find(lists, what) < SLOTS_N)
        return true;
    if (n < lists->slots_n && lists->bytes + 2 * size <= BYTES_MAX)
        return true;
    refuse_busy(x, "this node has made as many lists of late as it keeps: ask again in some seconds");
    return false;
}

/* The token to be served, or NULL: refused already. */
static struct made *current(struct slk_api *api, const struct wanted *what, struct slk_http_exchange *x)
{
    uint64_t now_s = slk_api_now_ms(api) / 1000;
    const struct slk_fault fault = {0};
    struct slk_view *view = NULL;
    size_t at = api->lists != NULL ? find(api->lists, what) : SLOTS_N;
    struct made *made = at < SLOTS_N ? api->lists->made[at] : NULL;
    bool done = false;
    enum slk_err err;

    if (made != NULL && is_young(api, made, now_s))
        return made;
    err = slk_view_begin(&view, store_of(api));
    if (err == SLK_OK)
        err = follow(api, view, &done);
    slk_view_end(view);
    if (err != SLK_OK) {
        slk_api_reply_err(x, err, &fault);
        return NULL;
    }
    if (!done && !api->lists->is_held) {
        refuse_busy(x, "this node is still reading its ledger's records: ask again in some seconds");
        return NULL;
    }
    if (!must_exist(slk_status_reader_lists(api->lists->reader), what, x))
        return NULL;
    if (made != NULL && is_current(api, made, now_s))
        return made;
    if (!must_be_vouched_for(api, x) || !must_have_room(api, what, now_s, x))
        return NULL;
    err = renew(api, what, now_s, &made);
    if (err != SLK_OK)
        slk_api_reply_err(x, err, &fault);
    return made;
}

/* ---- serving ---- */

/* JSON in base64 packs to three quarters; a CWT is compressed all through. */
static bool pack(struct slk_api_lists *lists, struct made *made)
{
    if (!made->was_packed && made->what.kind != SLK_TOKEN_CWT) {
        made->was_packed = true;
        if (slk_deflate(&made->packed, &made->packed_size, slk_span_of(made->token, made->token_size),
                SLK_GZIP, 1) == SLK_OK)
            lists->bytes += made->packed_size;
    }
    return made->packed != NULL;
}

static void serve(struct slk_api *api, struct made *made, struct slk_http_exchange *x)
{
    const struct slk_http_parser *request = slk_http_request(x);
    struct slk_span accept = {0}, tags = {0};
    char fields[256], tag[ETAG_SIZE + 4];
    struct api_reply reply = {200, fields};
    uint64_t now_s = slk_api_now_ms(api) / 1000;
    bool packed = slk_http_field(request, "accept-encoding", &accept) &&
                  slk_http_takes_coding(accept, "gzip") && pack(api->lists, made);

    api->lists->served_age_s = now_s > made->made_s ? now_s - made->made_s : 0;
    snprintf(tag, sizeof(tag), "%.33s%s\"", made->etag, packed ? "-gz" : ""); /* another representation */
    snprintf(fields, sizeof(fields),
        "Cache-Control: public, max-age=%u\r\nETag: %s\r\nVary: Accept, Accept-Encoding\r\n" PUBLIC "%s",
        made->what.is_cosigned ? COSIGNED_S : api->options.status.ttl_s, tag,
        packed ? "Content-Encoding: gzip\r\n" : "");
    if (slk_http_field(request, "if-none-match", &tags) && slk_http_names_tag(tags, tag)) {
        reply.status = 304;
        slk_api_reply_bytes(x, &reply, NULL, (struct slk_span){0}, NULL);
        return;
    }
    slk_api_reply_bytes(x, &reply, slk_token_media_type(made->what.kind),
        packed ? slk_span_of(made->packed, made->packed_size) : slk_span_of(made->token, made->token_size),
        NULL);
}

/* ---- what is asked for ---- */

/* "<type>/<n>", and perhaps "/revocation"; kind JWT: one of the two tokens. */
static bool read_path(struct wanted *out, struct slk_span path)
{
    struct slk_span type, n;
    uint64_t type_value, n_value;

    *out = (struct wanted){.kind = SLK_TOKEN_JWT};
    if (!slk_span_take(&type, &path, '/'))
        return false;
    if (slk_span_take(&n, &path, '/')) {
        if (slk_span_equal(path, slk_span_of("revocation", 10)))
            out->kind = SLK_TOKEN_VC_REVOCATION;
        else if (slk_span_equal(path, slk_span_of("suspension", 10)))
            out->kind = SLK_TOKEN_VC_SUSPENSION;
        else
            return false;
    } else {
        n = path;
    }
    if (!slk_decimal_parse(&type_value, UINT32_MAX, (const char *)type.at, type.size) ||
        !slk_decimal_parse(&n_value, UINT32_MAX, (const char *)n.at, n.size))
        return false;
    out->type = (uint32_t)type_value;
    out->n = (uint32_t)n_value;
    return true;
}

/* False: refused already. */
static bool choose_kind(struct wanted *what, struct slk_http_exchange *x)
{
    static const char *const tokens[] = {"application/statuslist+jwt", "application/statuslist+cwt", NULL};
    static const char *const credentials[] = {"application/vc+jwt", NULL};
    const struct api_reply reply = {406, SLK_API_NO_STORE};
    struct slk_span accept = {0};
    int chosen;

    if (what->kind != SLK_TOKEN_JWT)
        return slk_api_choose(x, credentials) >= 0;
    (void)slk_http_field(slk_http_request(x), "accept", &accept);
    if (slk_http_accepts(accept, tokens[0]) == 0 && slk_http_accepts(accept, tokens[1]) == 0 &&
        slk_http_accepts(accept, credentials[0]) > 0) {
        slk_api_reply_problem(x, &reply, "NOT_ACCEPTABLE",
            "a credential has one purpose: ask for this path with /revocation or /suspension behind it");
        return false;
    }
    chosen = slk_api_choose(x, tokens);
    what->kind = chosen == 1 ? SLK_TOKEN_CWT : SLK_TOKEN_JWT;
    return chosen >= 0;
}

/* ---- lists of the past ---- */

/* False: refused already. */
static bool read_time(const struct slk_api *api, const struct wanted *what, struct slk_span text,
    struct slk_http_exchange *x, uint64_t *time_s)
{
    const struct api_reply no_history = {501, SLK_API_NO_STORE};

    if (!api->options.status.has_history || slk_token_form(what->kind) != SLK_STATUS_TOKEN) {
        slk_api_reply_problem(x, &no_history, "NO_HISTORY",
            api->options.status.has_history
                ? "lists of the past are given as tokens, not as credentials"
                : "this node gives no lists of the past: its configuration has no `history = yes` in "
                  "[status], since they show when a credential changed");
        return false;
    }
    if (!slk_decimal_parse(time_s, INT64_MAX / 1000, (const char *)text.at, text.size)) {
        slk_http_refuse(x, SLK_HTTP_BAD_REQUEST, "time is a whole number of Unix seconds");
        return false;
    }
    if (*time_s > slk_api_now_ms(api) / 1000) {
        slk_http_refuse(x, SLK_HTTP_NOT_FOUND, "that time is yet to come");
        return false;
    }
    return true;
}

/* A token of then is good for that second alone: nobody can pass it off as one of today. */
static void serve_past(const struct slk_api *api, struct slk_status_reader *reader, const struct wanted *what,
    uint64_t time_s, struct slk_http_exchange *x)
{
    static const struct api_reply reply = {
        200, "Cache-Control: public, max-age=86400\r\nVary: Accept\r\n" PUBLIC};
    const struct slk_fault fault = {0};
    struct slk_status_claims claims;
    struct slk_block_header place;
    uint8_t *token;
    uint64_t next_s;
    size_t size;
    enum slk_err err;

    (void)slk_status_reader_place(reader, &place);
    claim(api, &claims, what, &place, time_s);
    claims.exp_s = time_s + 1;
    err = make(api, slk_status_reader_lists(reader), what, &claims, &token, &size, &next_s);
    if (err == SLK_OK)
        slk_api_reply_bytes(x, &reply, slk_token_media_type(what->kind), slk_span_of(token, size), token);
    else
        slk_api_reply_err(x, err, &fault);
}

static void refuse_past(struct slk_http_exchange *x, enum slk_err err)
{
    const struct slk_fault fault = {0};

    if (err == SLK_E_NOT_FOUND)
        slk_http_refuse(x, SLK_HTTP_NOT_FOUND, "that time is before the ledger's first block");
    else if (err == SLK_E_TOO_LARGE)
        slk_http_refuse(x, SLK_HTTP_NOT_FOUND,
            "too much has happened before and since: make that list from a copy of the ledger, with `sillok "
            "status-list DIR --time`");
    else
        slk_api_reply_err(x, err, &fault);
}

static void get_past(
    struct slk_api *api, struct slk_http_exchange *x, const struct wanted *what, struct slk_span text)
{
    struct slk_status_past past = {
        .type = what->type, .n = what->n, .forward_max = PAST_ROWS, .back_max = BACK_ROWS};
    uint64_t now_s = slk_api_now_ms(api) / 1000, time_s;
    struct slk_status_reader *reader = NULL;
    struct slk_view *view = NULL;
    bool done = false;
    enum slk_err err;

    if (!read_time(api, what, text, x, &time_s))
        return;
    past.time_ms = time_s * 1000;
    err = slk_view_begin(&view, store_of(api));
    if (err == SLK_OK)
        err = follow(api, view, &done);
    if (err != SLK_OK) {
        refuse_past(x, err);
    } else if (must_exist(slk_status_reader_lists(api->lists->reader), what, x)) {
        if (api->lists->past_s == now_s)
            refuse_busy(x, "one list of the past is made in a second");
        else if (past.time_ms <= slk_view_tip(view)->time_ms || must_be_vouched_for(api, x)) {
            err = slk_status_reader_at(&reader, store_of(api), view, done ? api->lists->reader : NULL, &past);
            if (err == SLK_OK) {
                api->lists->past_s = now_s;
                serve_past(api, reader, what, time_s, x);
            } else {
                refuse_past(x, err);
            }
        }
    }
    slk_status_reader_free(reader);
    slk_view_end(view);
}

/* ---- what a quorum signed ---- */

/* NULL: refused already. */
static const struct slk_status_epoch *must_be_signed(
    struct slk_api *api, struct slk_http_exchange *x, struct slk_span *note)
{
    const struct api_reply off = {404, SLK_API_NO_STORE};
    const struct slk_status_epoch *epoch;

    if (api->options.status.cosign_s == 0) {
        slk_api_reply_problem(x, &off, "NOT_CONFIGURED", NOT_COSIGNED);
        return NULL;
    }
    epoch = api->lists != NULL ? slk_api_epochs_served(&api->lists->epochs, api, note) : NULL;
    if (epoch == NULL)
        refuse_busy(x,
            "no quorum has signed this node's status lists yet: that takes a block in a new period, and "
            "some seconds");
    return epoch;
}

/* False: refused already. */
static bool must_have_list(const struct slk_api *api, const struct slk_status_epoch *epoch,
    const struct wanted *what, struct slk_http_exchange *x)
{
    char text[160];

    if (slk_status_epoch_list(epoch, what->type, what->n, slk_token_form(what->kind)).size > 0)
        return true;
    if (!must_exist(slk_status_reader_lists(api->lists->reader), what, x))
        return false;
    snprintf(text, sizeof(text),
        "nothing had been issued in list %u of type %u at log size %llu, so the quorum's note does not speak "
        "of it",
        what->n, what->type, (unsigned long long)slk_status_epoch_place(epoch)->log_size);
    slk_http_refuse(x, SLK_HTTP_NOT_FOUND, text);
    return false;
}

static void get_proof(struct slk_api *api, struct slk_http_exchange *x, const struct wanted *what)
{
    static const struct api_reply reply = {200, "Cache-Control: public, max-age=5\r\n" PUBLIC};
    const struct slk_fault fault = {0};
    struct slk_writer w = {.cap = SLK_LIST_PROOF_MAX};
    struct slk_list_proof proof;
    struct slk_span note;
    const struct slk_status_epoch *epoch = must_be_signed(api, x, &note);
    enum slk_err err;

    if (epoch == NULL || !must_have_list(api, epoch, what, x))
        return;
    err = slk_status_epoch_prove(&proof, epoch, what->type, what->n, slk_token_form(what->kind));
    proof.note = note;
    w.at = err == SLK_OK ? malloc(w.cap) : NULL;
    if (w.at == NULL) {
        slk_api_reply_err(x, err == SLK_OK ? SLK_E_NOMEM : err, &fault);
        return;
    }
    slk_list_proof_write(&w, &proof);
    assert(!w.bad);
    slk_api_reply_bytes(x, &reply, "text/plain; charset=utf-8", slk_span_of(w.at, w.size), w.at);
}

static enum slk_err make_cosigned(struct slk_api *api, const struct slk_status_epoch *epoch,
    const struct wanted *what, uint64_t now_s, struct made **out)
{
    const struct slk_block_header *place = slk_status_epoch_place(epoch);
    struct made *made = calloc(1, sizeof(*made));
    struct slk_status_claims claims;
    enum slk_err err;

    *out = NULL;
    if (made == NULL)
        return SLK_E_NOMEM;
    claim(api, &claims, what, place, slk_status_epoch_time_s(epoch));
    err = slk_status_token_make(&made->token, &made->token_size, what->kind, &claims,
        slk_status_epoch_list(epoch, what->type, what->n, slk_token_form(what->kind)),
        api->options.status.key);
    if (err != SLK_OK) {
        free(made);
        return err;
    }
    made->what = *what;
    made->made_s = now_s;
    made->size = place->log_size;
    keep(api->lists, made);
    *out = made;
    return SLK_OK;
}

/* The token of the list that the quorum's note is about: as old as that, and dated so. */
static void get_cosigned(struct slk_api *api, struct slk_http_exchange *x, struct wanted *what)
{
    const struct slk_fault fault = {0};
    struct slk_span note;
    const struct slk_status_epoch *epoch = must_be_signed(api, x, &note);
    uint64_t now_s = slk_api_now_ms(api) / 1000;
    struct made *made;
    size_t at;
    enum slk_err err = SLK_OK;

    what->is_cosigned = true;
    if (epoch == NULL || !must_have_list(api, epoch, what, x))
        return;
    at = find(api->lists, what);
    made = at < SLOTS_N ? api->lists->made[at] : NULL;
    if (made == NULL || made->size != slk_status_epoch_place(epoch)->log_size) {
        if (!must_have_room(api, what, now_s, x))
            return;
        err = make_cosigned(api, epoch, what, now_s, &made);
    }
    if (err == SLK_OK)
        serve(api, made, x);
    else
        slk_api_reply_err(x, err, &fault);
}

/* ---- the routes ---- */

void slk_api_get_list(void *ctx, struct slk_http_exchange *x)
{
    struct slk_api *api = ctx;
    struct wanted what;
    struct slk_span time;
    struct made *made;

    if (!read_path(&what, slk_http_parameter(x))) {
        slk_http_refuse(x, SLK_HTTP_NOT_FOUND, NO_LIST);
        return;
    }
    if (slk_http_query(slk_http_request(x), "proof", &time)) {
        get_proof(api, x, &what);
        return;
    }
    if (!must_be_on(api, x) || !choose_kind(&what, x))
        return;
    if (slk_http_query(slk_http_request(x), "cosigned", &time)) {
        get_cosigned(api, x, &what);
        return;
    }
    if (slk_http_query(slk_http_request(x), "time", &time) ||
        slk_http_query(slk_http_request(x), "timestamp", &time)) { /* W3C's name for it */
        get_past(api, x, &what, time);
        return;
    }
    made = current(api, &what, x);
    if (made != NULL)
        serve(api, made, x);
}

void slk_api_get_list_note(void *ctx, struct slk_http_exchange *x)
{
    static const struct api_reply reply = {200, "Cache-Control: public, max-age=5\r\n" PUBLIC};
    struct slk_span note;

    if (must_be_signed(ctx, x, &note) != NULL)
        slk_api_reply_bytes(x, &reply, "text/plain; charset=utf-8", note, NULL);
}

/* ---- all lists, and the key ---- */

static json_t *addresses(const struct slk_api *api, const struct slk_status_lists *lists)
{
    json_t *all = json_array();
    const uint32_t *codes;
    size_t n = slk_status_lists_types(lists, &codes);

    for (size_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < slk_status_lists_count(lists, codes[i]); k++)
            json_array_append_new(all, json_sprintf("%s/%u/%u", api->options.status.base, codes[i], k));
    return json_pack("{s:o}", "status_lists", all);
}

void slk_api_get_lists(void *ctx, struct slk_http_exchange *x)
{
    static const struct api_reply reply = {200, "Cache-Control: public, max-age=300\r\n" PUBLIC};
    const struct slk_fault fault = {0};
    struct slk_status_reader *reader = NULL;
    struct slk_view *view = NULL;
    const struct slk_api *api = ctx;
    enum slk_err err;

    if (!must_be_on(api, x))
        return;
    err = slk_view_begin(&view, store_of(api));
    if (err == SLK_OK)
        err = slk_status_reader_new(&reader);
    if (err == SLK_OK)
        err = slk_status_reader_types(reader, store_of(api), view);
    if (err == SLK_OK)
        slk_api_reply_json(x, &reply, addresses(api, slk_status_reader_lists(reader)));
    else
        slk_api_reply_err(x, err, &fault);
    slk_status_reader_free(reader);
    slk_view_end(view);
}

void slk_api_get_keys(void *ctx, struct slk_http_exchange *x)
{
    static const struct api_reply reply = {200, "Cache-Control: public, max-age=300\r\n" PUBLIC};
    const struct slk_api *api = ctx;
    char text[SLK_STATUS_JWKS_MAX];
    size_t size;

    if (!must_be_on(api, x))
        return;
    size = slk_status_jwks(text, slk_key_public(api->options.status.key));
    slk_api_reply_bytes(x, &reply, "application/jwk-set+json", slk_span_of(text, size), NULL);
}
