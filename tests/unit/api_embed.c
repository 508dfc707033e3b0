/* api_embed.c: see api_embed.h. */
#include "tests/unit/api_embed.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct embed_job {
    struct embed_job *next;
    uint64_t ticket;
    slk_node_answer_fn *answer; /* NULL: forgotten */
    void *ctx;
    size_t size, events_n;
    bool pushed;
    struct slk_result result;
    enum slk_rule rules[SLK_SUBMISSION_EVENTS_MAX];
    uint8_t bytes[];
};

/* ---- the functions of node_api.h ---- */

static uint64_t submit(
    void *ctx, struct slk_span bytes, enum slk_node_stage stage, slk_node_answer_fn *answer, void *answer_ctx)
{
    struct api_embed *embed = ctx;
    struct embed_job *job = embed->is_full ? NULL : calloc(1, sizeof(*job) + bytes.size);

    if (embed->is_full)
        return 0;
    (void)stage; /* every answer is COSIGNED, which is at least what was asked for */
    if (job == NULL)
        abort();
    job->ticket = ++embed->next_ticket;
    job->answer = answer;
    job->ctx = answer_ctx;
    job->size = bytes.size;
    if (bytes.size > 0)
        memcpy(job->bytes, bytes.at, bytes.size);
    if (embed->last != NULL)
        embed->last->next = job;
    else
        embed->first = job;
    embed->last = job;
    return job->ticket;
}

static void forget(void *ctx, uint64_t ticket)
{
    struct api_embed *embed = ctx;

    for (struct embed_job *job = embed->first; job != NULL; job = job->next) {
        if (job->ticket == ticket)
            job->answer = NULL;
    }
}

static enum slk_node_where find(void *ctx, const struct slk_hash *id, uint64_t *height, uint64_t *first_index)
{
    const struct api_embed *embed = ctx;

    for (size_t i = 0; i < embed->recent_n && i < EMBED_RECENT; i++) {
        if (slk_hash_equal(&embed->recent[i].id, id)) {
            *height = embed->recent[i].height;
            *first_index = embed->recent[i].first_index;
            return embed->hold ? SLK_NODE_WAITING : SLK_NODE_FINAL;
        }
    }
    return SLK_NODE_UNKNOWN;
}

static enum slk_change_rule change(void *ctx, struct slk_span entry, struct slk_fault *fault)
{
    struct api_embed *embed = ctx;
    enum slk_change_rule rule = SLK_CHANGE_OK;
    uint64_t height;

    (void)!slk_ledger_change(embed->ledger, entry, &rule, &height, fault); /* the rule says it all */
    return rule;
}

static struct slk_store *store_of(void *ctx)
{
    return slk_ledger_store(((struct api_embed *)ctx)->ledger);
}

static struct slk_ledger *ledger_of(void *ctx)
{
    return ((struct api_embed *)ctx)->ledger;
}

static enum slk_err prove(void *ctx, const uint8_t handle[SLK_HANDLE_SIZE], bool with_history,
    enum slk_encoding encoding, uint8_t **out, size_t *out_size, struct slk_fault *fault)
{
    const struct api_embed *embed = ctx;

    *out = NULL;
    *out_size = 0;
    if (embed->is_unsigned)
        return SLK_E_UNSIGNED;
    return slk_ledger_prove(embed->ledger, handle, with_history, encoding, out, out_size, fault);
}

static enum slk_err prove_begin(void *ctx, const uint8_t handle[SLK_HANDLE_SIZE], bool with_history,
    enum slk_encoding encoding, struct slk_proving **out, struct slk_fault *fault)
{
    const struct api_embed *embed = ctx;

    *out = NULL;
    if (embed->is_unsigned)
        return SLK_E_UNSIGNED;
    return slk_ledger_prove_begin(embed->ledger, handle, with_history, encoding, out, fault);
}

static struct slk_span checkpoint(void *ctx)
{
    const struct api_embed *embed = ctx;

    return slk_span_of(embed->note, embed->is_unsigned ? 0 : embed->note_size);
}

static void status(void *ctx, struct slk_node_status *out)
{
    const struct api_embed *embed = ctx;
    const struct slk_tip *tip = slk_ledger_tip(embed->ledger);

    out->height = tip->height;
    out->time_ms = tip->time_ms;
    out->log_size = tip->log_size;
    out->events_n = tip->events_n;
    out->block_hash = tip->block_hash;
    out->log_root = tip->log_root;
    out->members_n = out->quorum = out->agency = 1;
    out->has_vote = true;
    out->is_behind = embed->behind;
    out->cosigned_height = embed->is_unsigned ? 0 : tip->height;
    out->cosigned_time_ms = embed->is_unsigned ? 0 : embed->cosigned_ms;
}

static bool watch(void *ctx, slk_node_news_fn *fn, void *fn_ctx)
{
    struct api_embed *embed = ctx;

    for (size_t i = 0; i < SLK_NODE_WATCHERS; i++) {
        if (embed->watchers[i].fn == NULL) {
            embed->watchers[i].fn = fn;
            embed->watchers[i].ctx = fn_ctx;
            return true;
        }
    }
    return false;
}

static void unwatch(void *ctx, slk_node_news_fn *fn, void *fn_ctx)
{
    struct api_embed *embed = ctx;

    for (size_t i = 0; i < SLK_NODE_WATCHERS; i++) {
        if (embed->watchers[i].fn == fn && embed->watchers[i].ctx == fn_ctx)
            embed->watchers[i].fn = NULL;
    }
}

static void state_lists(void *ctx, struct slk_span text, uint64_t size)
{
    struct api_embed *embed = ctx;
    struct slk_writer w = {.at = embed->lists_note, .cap = sizeof(embed->lists_note)};
    const struct slk_member *member = &slk_ledger_charter(embed->ledger)->members[0];
    uint8_t blob[SLK_NOTE_BLOB_MAX], message[1024];
    uint64_t time_s = embed->now_ms(embed->now_ctx) / 1000;
    struct slk_vkey vkey;

    if (embed->list_cosigner == NULL)
        return;
    assert(slk_vkey_init(&vkey, member->name, SLK_SIG_COSIGNATURE_V1, member->cosign_key) == SLK_OK);
    slk_put_u32(blob, vkey.key_hash);
    slk_put_u64(blob + 4, time_s);
    assert(slk_key_sign(embed->list_cosigner, blob + 12, message,
               slk_cosign_message(message, sizeof(message), time_s, text)) == SLK_OK);
    slk_write_bytes(&w, text.at, text.size);
    slk_write_u8(&w, '\n');
    slk_note_write_sig(&w, member->name, strlen(member->name), blob, sizeof(blob));
    assert(!w.bad);
    embed->lists_note_size = w.size;
    embed->lists_size = size;
}

static struct slk_span lists_note(void *ctx, uint64_t *size)
{
    const struct api_embed *embed = ctx;

    *size = embed->lists_size;
    return slk_span_of(embed->lists_note, embed->lists_note_size);
}

struct slk_api_backend embed_backend(struct api_embed *embed)
{
    return (struct slk_api_backend){.ctx = embed,
        .submit = submit,
        .forget = forget,
        .find = find,
        .change = change,
        .ledger = ledger_of,
        .store = store_of,
        .prove = prove,
        .prove_begin = prove_begin,
        .checkpoint = checkpoint,
        .status = status,
        .watch = watch,
        .unwatch = unwatch,
        .state_lists = state_lists,
        .lists_note = lists_note};
}

/* ---- a turn ---- */

static void done(void *ctx, void *tag, const struct slk_result *result)
{
    struct embed_job *job = tag;

    (void)ctx;
    job->result = *result;
    if (result->verdict.events != NULL)
        memcpy(job->rules, result->verdict.events, job->events_n * sizeof(job->rules[0]));
}

static void count_events(struct embed_job *job)
{
    struct slk_submission s = {0};

    if (slk_submission_parse(&s, slk_span_of(job->bytes, job->size)) == SLK_OK)
        job->events_n = s.events_n;
    slk_submission_free(&s);
}

static void remember(struct api_embed *embed, const struct slk_result *result)
{
    size_t at = embed->recent_n++ % EMBED_RECENT;

    embed->recent[at].id = result->id;
    embed->recent[at].height = result->height;
    embed->recent[at].first_index = result->first_index;
}

static void tell(struct api_embed *embed, struct embed_job *job)
{
    struct slk_node_answer a = {.id = job->result.id,
        .events_n = job->events_n,
        .stage = embed->reached != 0 ? embed->reached : SLK_STAGE_COSIGNED,
        .verdict = job->result.verdict,
        .err = job->result.err,
        .height = job->result.height,
        .first_index = job->result.first_index,
        .retry_ms = 1500};

    a.verdict.events = job->rules;
    if (embed->pretend != 0)
        a.outcome = embed->pretend;
    else if (job->result.outcome == SLK_ACCEPTED)
        a.outcome = SLK_NODE_ACCEPTED;
    else if (job->result.outcome == SLK_DUPLICATE)
        a.outcome = SLK_NODE_DUPLICATE;
    else
        a.outcome = job->result.err != SLK_OK ? SLK_NODE_MALFORMED : SLK_NODE_REFUSED;
    if (a.outcome == SLK_NODE_OVERTAKEN)
        a.verdict = (struct slk_verdict){.rule = SLK_RULE_STATE, .rule_event = 0};
    if (a.outcome == SLK_NODE_ACCEPTED)
        remember(embed, &job->result);
    if (job->answer != NULL)
        job->answer(job->ctx, &a);
}

static void read_note(struct api_embed *embed)
{
    struct slk_view *view;
    struct slk_tree_head head;
    struct slk_span note;

    if (slk_view_begin(&view, slk_ledger_store(embed->ledger)) != SLK_OK)
        abort();
    embed->note_size = 0;
    if (slk_view_checkpoint(view, &head, &note) == SLK_OK && note.size <= sizeof(embed->note)) {
        memcpy(embed->note, note.at, note.size);
        embed->note_size = note.size;
        embed->cosigned_ms = embed->now_ms(embed->now_ctx);
    }
    slk_view_end(view);
}

static void news(struct api_embed *embed, enum slk_node_news what)
{
    for (size_t i = 0; i < SLK_NODE_WATCHERS; i++) {
        if (embed->watchers[i].fn != NULL)
            embed->watchers[i].fn(embed->watchers[i].ctx, what, slk_ledger_tip(embed->ledger)->height);
    }
}

void embed_run(void *ctx)
{
    struct api_embed *embed = ctx;
    struct embed_job *jobs = embed->first;
    uint64_t before = slk_ledger_tip(embed->ledger)->height;
    struct slk_fault fault = {0};

    if (jobs == NULL || embed->hold)
        return;
    embed->first = embed->last = NULL;
    for (struct embed_job *job = jobs; job != NULL; job = job->next) {
        count_events(job);
        if (slk_ledger_push(embed->ledger, slk_span_of(job->bytes, job->size), job, done, NULL, &fault) !=
            SLK_OK)
            abort();
    }
    if (slk_ledger_flush(embed->ledger, &fault) != SLK_OK)
        abort();
    read_note(embed);
    while (jobs != NULL) {
        struct embed_job *next = jobs->next;

        tell(embed, jobs);
        free(jobs);
        jobs = next;
    }
    if (slk_ledger_tip(embed->ledger)->height > before) {
        news(embed, SLK_NEWS_COMMITTED);
        news(embed, SLK_NEWS_COSIGNED);
    }
}

void embed_open(struct api_embed *embed, struct slk_ledger *ledger, uint64_t (*now_ms)(void *), void *now_ctx)
{
    memset(embed, 0, sizeof(*embed));
    embed->ledger = ledger;
    embed->now_ms = now_ms;
    embed->now_ctx = now_ctx;
    read_note(embed);
}

void embed_close(struct api_embed *embed)
{
    while (embed->first != NULL) {
        struct embed_job *job = embed->first;

        embed->first = job->next;
        free(job);
    }
}
