/* api_world.c: see api_world.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/api_world.h"

size_t api_steps_left;

static bool work(void *api)
{
    if (api_steps_left == 0)
        return true;
    api_steps_left -= api_steps_left < SIZE_MAX;
    return slk_api_work(api);
}

static int set_up(void **state, uint32_t answer_ms, const struct slk_api_status_options *lists)
{
    struct api_world *w = calloc(1, sizeof(*w));
    struct slk_ledger_options ledger_options;
    struct slk_http_options options = {
        .limits = {.answer_ms = answer_ms}, .tick = slk_api_tick, .work = work};
    struct slk_api_options api_options = {.now_ms = fixture_clock};

    assert_non_null(w);
    api_steps_left = SIZE_MAX;
    fixture_open(&w->f, NULL);
    fixture_init(&w->f);
    ledger_options = fixture_options(&w->f);
    w->ledger = fixture_ledger(&w->f, &ledger_options);
    embed_open(&w->embed, w->ledger, fixture_clock, &w->f);
    api_options.now_ctx = &w->f;
    api_options.status = *lists;
    api_options.backend = embed_backend(&w->embed);
    assert_int_equal(slk_api_new(&w->api, &api_options), SLK_OK);
    options.ctx = w->api;
    options.routes = slk_api_routes(&options.routes_n);
    http_net_open(&w->net, &options);
    slk_api_serve(w->api, w->net.server);
    w->net.each = embed_run;
    w->net.ctx = &w->embed;
    w->policy = fixture_policy(&w->f);
    w->fd = dial(&w->net);
    *state = w;
    return 0;
}

int api_set_up(void **state, uint32_t answer_ms)
{
    return set_up(state, answer_ms, &(struct slk_api_status_options){0});
}

int api_set_up_with_lists(void **state, const struct slk_api_status_options *lists)
{
    return set_up(state, 0, lists);
}

int api_tear_down(void **state)
{
    struct api_world *w = *state;

    api_steps_left = SIZE_MAX;
    http_net_stop(&w->net);
    slk_api_free(w->api);
    http_net_free(&w->net);
    (void)close(w->fd);
    embed_close(&w->embed);
    slk_policy_free(w->policy);
    slk_ledger_close(w->ledger);
    fixture_close(&w->f);
    free(w);
    return 0;
}

/* ---- asking ---- */

struct slk_span hear(struct api_world *w)
{
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        const char *end, *length;

        assert_true(take(w->fd));
        end = strstr(reply.text, "\r\n\r\n");
        length = strstr(reply.text, "Content-Length: ");
        if (end != NULL && length != NULL) {
            size_t head = (size_t)(end - reply.text) + 4, body = strtoul(length + 16, NULL, 10);

            if (reply.size >= head + body)
                return slk_span_of(reply.text + head, body);
        }
        wait_turn(&w->net);
    }
    fail();
    return (struct slk_span){0};
}

static void forget_reply(void)
{
    reply.size = 0;
    reply.text[0] = '\0';
    reply.ended = false;
}

struct slk_span get_with(struct api_world *w, const char *path, const char *fields, const char *status)
{
    char text[512];
    struct slk_span body;

    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST "%s\r\n", path, fields);
    forget_reply();
    say(&w->net, w->fd, text);
    body = hear(w);
    assert_status(status);
    return body;
}

struct slk_span get(struct api_world *w, const char *path, const char *accept, const char *status)
{
    char fields[256] = "";

    if (accept != NULL)
        snprintf(fields, sizeof(fields), "Accept: %s\r\n", accept);
    return get_with(w, path, fields, status);
}

void send_post(
    struct api_world *w, const char *path, const char *type, const char *accept, struct slk_span body)
{
    char text[512];

    snprintf(text, sizeof(text),
        "POST %s HTTP/1.1\r\n" HOST "Content-Type: %s\r\nContent-Length: %zu\r\nAccept: %s\r\n\r\n", path,
        type, body.size, accept);
    forget_reply();
    say(&w->net, w->fd, text);
    if (body.size > 0)
        assert_true(say_bytes(&w->net, w->fd, (const char *)body.at, body.size));
}

struct slk_span post(struct api_world *w, const char *path, const char *type, const char *accept,
    struct slk_span body, const char *status)
{
    struct slk_span answer;

    send_post(w, path, type, accept, body);
    answer = hear(w);
    assert_status(status);
    return answer;
}

json_t *json_of(struct slk_span body)
{
    json_t *value = json_loadb((const char *)body.at, body.size, JSON_REJECT_DUPLICATES, NULL);

    assert_non_null(value);
    return value;
}

const char *text_of(const json_t *value, const char *name)
{
    const char *text = json_string_value(json_object_get(value, name));

    assert_non_null(text);
    return text;
}

json_int_t number_of(const json_t *value, const char *name)
{
    assert_true(json_is_integer(json_object_get(value, name)));
    return json_integer_value(json_object_get(value, name));
}

json_t *submit(struct api_world *w, const char *query, struct slk_span bytes, const char *status)
{
    char path[64];
    json_t *value;

    snprintf(path, sizeof(path), "/v1/submissions%s", query);
    value = json_of(post(w, path, PB, "*/*", bytes, status));
    fixture_free(bytes);
    return value;
}

struct slk_answer verified(struct api_world *w, struct slk_span proof, const uint8_t handle[SLK_HANDLE_SIZE])
{
    const struct slk_verify_options options = {.now_s = w->f.now_ms / 1000};
    struct slk_answer answer;

    assert_int_equal(slk_verify_status(&answer, proof, handle, w->policy, &options), SLK_OK);
    return answer;
}

struct slk_span proof_request(char out[160], const uint8_t handle[SLK_HANDLE_SIZE], bool history)
{
    char hex[2 * SLK_HANDLE_SIZE + 1] = "";

    slk_hex_format(hex, handle, SLK_HANDLE_SIZE);
    return slk_span_of(out, (size_t)snprintf(out, 160, "{\"credential\":\"%.64s\",\"history\":%s}", hex,
                                history ? "true" : "false"));
}
