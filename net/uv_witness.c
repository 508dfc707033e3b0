/* uv_witness.c: see witnesses.h. All of it on the loop's thread, but for the one that asks (witness_http.c). */
#include "net/witnesses.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "net/witness_http.h"

#define REST_MAX_MS ((uint32_t)300 * 1000)

struct slk_witnesses {
    struct slk_node *node;
    struct slk_logger *log;
    struct slk_witness_desk *desk;
    struct slk_witness_http *http;
    uv_async_t answers; /* there are some */
    size_t needed;
    uint64_t hold_ms, began_s;
};

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

static uint64_t now_s(void)
{
    return (uint64_t)time(NULL);
}

/* ---- what the desk is given ---- */

static bool newest(void *ctx, struct slk_tree_head *head)
{
    const struct slk_witnesses *w = ctx;

    return slk_node_newest_quorum(w->node, head);
}

static size_t target(void *ctx, struct slk_tree_head *head, uint8_t *out, size_t cap)
{
    const struct slk_witnesses *w = ctx;

    return slk_node_witness_target(w->node, head, out, cap);
}

static bool path(
    void *ctx, uint64_t old_size, uint64_t size, struct slk_hash out[SLK_WITNESS_PATH_MAX], size_t *path_n)
{
    const struct slk_witnesses *w = ctx;

    return slk_node_consistency(w->node, old_size, size, out, SLK_WITNESS_PATH_MAX, path_n);
}

static bool ask(void *ctx, size_t i, struct slk_span body)
{
    const struct slk_witnesses *w = ctx;

    return slk_witness_http_ask(w->http, i, slk_witness_desk_at(w->desk, i)->url, body);
}

static void cosigned(
    void *ctx, size_t i, const struct slk_tree_head *head, const struct slk_witness_word *word)
{
    const struct slk_witnesses *w = ctx;

    slk_node_witnessed(w->node, i, head, slk_witness_desk_at(w->desk, i)->vkey.name, word->blob);
}

/* ---- turns ---- */

/* Once when it begins to fail, with why, and once when it no longer does. */
static void tell(
    const struct slk_witnesses *w, size_t i, bool was_failing, enum slk_witness_says says, unsigned status)
{
    const struct slk_witness *witness = slk_witness_desk_at(w->desk, i);
    bool is_failing = slk_witness_desk_stats(w->desk, i)->is_failing;

    if (says == SLK_WITNESS_INCONSISTENT || (is_failing && !was_failing))
        SLK_SAY(w->log, says == SLK_WITNESS_INCONSISTENT ? SLK_SAY_ERROR : SLK_SAY_WARN, "witness_failed",
            SLK_SAY_TEXT("witness", witness->label), SLK_SAY_TEXT("why", slk_witness_says_name(says)),
            SLK_SAY_NUMBER("status", status));
    else if (was_failing && !is_failing)
        SLK_SAY(w->log, SLK_SAY_INFO, "witness_cosigns", SLK_SAY_TEXT("witness", witness->label));
}

/* Waiting is worth while only for those who may answer. */
static void hold(struct slk_witnesses *w)
{
    slk_node_hold(w->node, slk_witness_desk_sound(w->desk) >= w->needed ? w->needed : 0, w->hold_ms);
}

uint64_t slk_witnesses_run(struct slk_witnesses *w)
{
    struct slk_witness_answer answer;
    uint8_t *body;
    size_t i;

    if (w == NULL)
        return UINT64_MAX;
    while (slk_witness_http_take(w->http, &i, &answer, &body)) {
        bool was_failing = slk_witness_desk_stats(w->desk, i)->is_failing;

        tell(w, i, was_failing, slk_witness_desk_hear(w->desk, i, &answer, now_ms(), now_s()), answer.status);
        free(body);
    }
    slk_witness_desk_run(w->desk, now_ms());
    hold(w);
    return slk_witness_desk_wake(w->desk);
}

static void on_answers(uv_async_t *async)
{
    (void)async; /* the loop turns, and slk_witnesses_run takes them */
}

static void wake(void *ctx)
{
    struct slk_witnesses *w = ctx;

    (void)uv_async_send(&w->answers);
}

/* ---- beginning and end ---- */

enum slk_err slk_witnesses_new(struct slk_witnesses **out, struct uv_loop_s *loop, struct slk_node *node,
    const struct slk_config *config, struct slk_logger *log, struct slk_fault *fault)
{
    const struct slk_witness_options options = {.every_ms = config->witness_every_s * 1000,
        .refresh_ms = slk_ledger_charter(slk_node_ledger(node))->fresh_s * 1000,
        .rest_max_ms = REST_MAX_MS};
    struct slk_witness_http_options http = {.timeout_ms = config->witness_timeout_s * 1000, .wake = wake};
    struct slk_witness_world world = {
        .newest = newest, .target = target, .path = path, .ask = ask, .cosigned = cosigned};
    struct slk_witnesses *w;
    enum slk_err err;

    *out = NULL;
    if (config->witnesses_n == 0)
        return SLK_OK;
    w = calloc(1, sizeof(*w));
    if (w == NULL)
        return SLK_E_NOMEM;
    w->node = node;
    w->log = log;
    w->needed = config->witness_needed;
    w->hold_ms = (uint64_t)config->witness_hold_s * 1000;
    w->began_s = now_s();
    world.ctx = http.ctx = w;
    http.ca_file = config->witness_ca[0] != '\0' ? config->witness_ca : NULL;
    w->desk = slk_witness_desk_new(config->witnesses, config->witnesses_n, &options, &world);
    if (w->desk == NULL || uv_async_init(loop, &w->answers, on_answers) != 0) {
        slk_witness_desk_free(w->desk);
        free(w);
        return SLK_E_NOMEM;
    }
    *out = w; /* from here on the loop knows a handle of it */
    err = slk_witness_http_new(&w->http, &http, fault);
    if (err == SLK_OK)
        hold(w);
    return err;
}

void slk_witnesses_hush(struct slk_witnesses *w)
{
    if (w != NULL)
        slk_witness_http_hush(w->http);
}

bool slk_witnesses_free(struct slk_witnesses *w)
{
    if (w == NULL)
        return true;
    if (!slk_witness_http_free(w->http))
        return false;
    slk_witness_desk_free(w->desk);
    free(w);
    return true;
}

/* ---- metrics ---- */

static void print_says(struct slk_api_text *t, const struct slk_witnesses *w)
{
    slk_api_print(t,
        "# HELP sillok_witness_answers_total Answers of outside witnesses, by what they came to.\n"
        "# TYPE sillok_witness_answers_total counter\n");
    for (size_t i = 0; i < slk_witness_desk_n(w->desk); i++)
        for (unsigned k = 0; k < SLK_WITNESS_SAYS_N; k++)
            if (k == SLK_WITNESS_COSIGNED || slk_witness_desk_stats(w->desk, i)->says_n[k] > 0)
                slk_api_print(t, "sillok_witness_answers_total{witness=\"%s\",answer=\"%s\"} %llu\n",
                    slk_witness_desk_at(w->desk, i)->label, slk_witness_says_name((enum slk_witness_says)k),
                    (unsigned long long)slk_witness_desk_stats(w->desk, i)->says_n[k]);
}

static uint64_t asked_n(const struct slk_witness_stats *s)
{
    return s->asked_n;
}

static uint64_t is_failing(const struct slk_witness_stats *s)
{
    return s->is_failing;
}

static uint64_t cosigned_s(const struct slk_witness_stats *s)
{
    return s->cosigned_s;
}

static uint64_t cosigned_size(const struct slk_witness_stats *s)
{
    return s->cosigned_size;
}

static void print_ages(struct slk_api_text *t, const struct slk_witnesses *w)
{
    uint64_t now = now_s();

    slk_api_print(t, "# HELP sillok_witness_cosigned_age_seconds Age of its newest cosignature; without one, "
                     "since the start.\n"
                     "# TYPE sillok_witness_cosigned_age_seconds gauge\n");
    for (size_t i = 0; i < slk_witness_desk_n(w->desk); i++) {
        uint64_t then = slk_witness_desk_stats(w->desk, i)->cosigned_s;

        then = then > 0 ? then : w->began_s;
        slk_api_print(t, "sillok_witness_cosigned_age_seconds{witness=\"%s\"} %llu\n",
            slk_witness_desk_at(w->desk, i)->label, (unsigned long long)(then < now ? now - then : 0));
    }
}

void slk_witnesses_metrics(const struct slk_witnesses *w, struct slk_api_text *t)
{
    static const struct {
        const char *name, *type, *help;
        uint64_t (*value)(const struct slk_witness_stats *s);
    } families[] = {
        {"asked_total", "counter", "Checkpoints sent to outside witnesses.", asked_n},
        {"failing", "gauge", "1: it failed the last time it was asked.", is_failing},
        {"cosigned_seconds", "gauge", "Time of its newest cosignature; 0: none since the start.", cosigned_s},
        {"cosigned_size", "gauge", "Size of the tree that it is of.", cosigned_size},
    };

    if (w == NULL)
        return;
    for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
        slk_api_print(t, "# HELP sillok_witness_%s %s\n# TYPE sillok_witness_%s %s\n", families[f].name,
            families[f].help, families[f].name, families[f].type);
        for (size_t i = 0; i < slk_witness_desk_n(w->desk); i++)
            slk_api_print(t, "sillok_witness_%s{witness=\"%s\"} %llu\n", families[f].name,
                slk_witness_desk_at(w->desk, i)->label,
                (unsigned long long)families[f].value(slk_witness_desk_stats(w->desk, i)));
    }
    print_ages(t, w);
    print_says(t, w);
}
