/* Histories over HTTP: their JSON, and long ones, which are made in steps. Nothing here is timed: turns of the loop are counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger/verify/proof.h"
#include "net/api_private.h"
#include "tests/unit/api_world.h"

static int set_up(void **state)
{
    return api_set_up(state, 0);
}

/* So many further events of a life, of any kind, in a block of their own. */
static void live_on(struct api_world *w, struct fixture_life *life, size_t events_n, uint64_t *random)
{
    struct fixture_batch batch = {0};

    for (size_t i = 0; i < events_n; i++)
        fixture_add(&batch, life, fixture_next_kind(life, fixture_random(random)), w->f.now_ms);
    json_decref(submit(w, "", fixture_sign(&w->f, MINISTRY, &batch), "200"));
    fixture_batch_free(&batch);
}

/* ---- JSON ---- */

static json_t *slow_event(struct slk_span bytes)
{
    struct slk_entry entry;
    struct slk_event e;
    struct slk_hash id;
    json_t *value;

    assert_int_equal(slk_entry_parse(&entry, bytes), SLK_OK);
    assert_int_equal(slk_event_parse(&e, entry.event), SLK_OK);
    slk_event_id(&id, entry.event);
    value = json_pack("{s:o, s:s, s:o, s:o, s:o}", "sequence", slk_api_number(e.sequence), "kind",
        slk_kind_name(e.kind), "id", slk_api_hash(&id), "recorded_at_ms",
        slk_api_number(entry.recorded_at_ms), "occurred_at", slk_api_number(e.occurred_at_s));
    if (e.channel != 0)
        json_object_set_new(value, "channel", json_string(slk_channel_name(e.channel)));
    if (e.reason != 0)
        json_object_set_new(value, "reason", slk_api_number(e.reason));
    if (e.valid_until_s != 0)
        json_object_set_new(value, "valid_until", slk_api_number(e.valid_until_s));
    return value;
}

/* The definition: the whole proof as a tree of jansson's. */
static char *slow_json(struct slk_span proof)
{
    struct slk_proof *p = malloc(sizeof(*p));
    struct slk_span rest, event;
    struct slk_record record;
    struct slk_entry seal;
    json_t *value, *list = json_array();
    char *text;

    assert_non_null(p);
    assert_int_equal(slk_proof_parse(p, proof, NULL, 0), SLK_OK);
    assert_int_equal(slk_entry_parse(&seal, p->seal), SLK_OK);
    value = json_pack("{s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "present", p->map_proof.at[0] == SLK_MAP_RECORD,
        "height", slk_api_number(seal.seal.height), "time_ms", slk_api_number(seal.seal.time_ms), "size",
        slk_api_number(p->head.tree_size), "root", slk_api_hash(&p->head.root_hash), "cosignatures",
        slk_api_number(p->sigs_n), "proof", slk_api_base64(proof));
    if (p->map_proof.at[0] == SLK_MAP_RECORD) {
        assert_int_equal(
            slk_record_parse(&record, p->map_proof.at + p->map_proof.size - SLK_RECORD_SIZE), SLK_OK);
        json_object_set_new(value, "record", slk_api_record(&record));
    }
    rest = p->events;
    while (slk_proof_next_event(&event, &rest))
        json_array_append_new(list, slow_event(event));
    if (p->events_n > 0)
        json_object_set(value, "history", list);
    text = json_dumps(value, JSON_COMPACT);
    assert_non_null(text);
    json_decref(list);
    json_decref(value);
    free(p);
    return text;
}

static void assert_json_is_slow_json(struct api_world *w, const struct fixture_life *life, bool history)
{
    struct slk_fault fault = {0};
    struct slk_span heard;
    char body[160], *expected;
    uint8_t *proof;
    size_t size;

    assert_int_equal(
        slk_ledger_prove(w->ledger, life->handle, history, SLK_BINARY, &proof, &size, &fault), SLK_OK);
    expected = slow_json(slk_span_of(proof, size));
    heard = post(w, "/v1/proofs", JSON, JSON, proof_request(body, life->handle, history), "200");
    assert_int_equal(heard.size, strlen(expected));
    assert_memory_equal(heard.at, expected, heard.size);
    free(expected);
    free(proof);
}

static void a_proof_in_json_is_what_jansson_would_print(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    uint64_t random = 7;

    assert_json_is_slow_json(w, &life, true); /* absent */
    for (size_t n = 1; n <= 256; n *= 4) {
        live_on(w, &life, n, &random);
        assert_json_is_slow_json(w, &life, true);
        assert_json_is_slow_json(w, &life, false);
    }
}

/* ---- long histories, in steps ---- */

#define LONG       4000u
#define LONG_READS ((LONG + 127) / 128)
#define LONG_STEPS (LONG_READS + (LONG + 511) / 512 + 1) /* reads, hashes, prints */

/* A life of so many events, an even number. */
static struct fixture_life life_of(struct api_world *w, size_t events_n)
{
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    struct fixture_batch batch = {0};

    while (life.sequence < events_n) {
        fixture_add(&batch, &life,
            life.sequence == 0         ? SLK_ISSUE
            : life.state == SLK_ACTIVE ? SLK_LOCK
                                       : SLK_UNLOCK,
            w->f.now_ms);
        if (batch.n == events_n / 2)
            fixture_accept(w->ledger, fixture_sign(&w->f, MINISTRY, &batch));
    }
    fixture_batch_free(&batch);
    return life;
}

/* One that takes many turns to prove. */
static struct fixture_life long_life(struct api_world *w)
{
    return life_of(w, LONG);
}

static void ask(struct api_world *w, int fd, const struct fixture_life *life, const char *accept)
{
    char body[160], text[512];
    struct slk_span request = proof_request(body, life->handle, true);

    snprintf(text, sizeof(text),
        "POST /v1/proofs HTTP/1.1\r\n" HOST "Accept: %s\r\nContent-Type: " JSON
        "\r\nContent-Length: %zu\r\n\r\n%.*s",
        accept, request.size, (int)request.size, (const char *)request.at);
    say(&w->net, fd, text);
}

static void wait_for_histories(struct api_world *w, uint64_t n)
{
    uint64_t now = UINT64_MAX, bytes;

    for (unsigned i = 0; i < TURNS_MAX && now != n; i++) {
        wait_turn(&w->net);
        slk_api_history_figures(w->api, &now, &bytes);
    }
    assert_int_equal(now, n);
}

/* So many clients ask; no step is made. */
static void ask_from_all(
    struct api_world *w, int *fds, size_t n, const struct fixture_life *life, const char *accept)
{
    api_steps_left = 0;
    for (size_t i = 0; i < n; i++) {
        fds[i] = dial(&w->net);
        ask(w, fds[i], life, accept);
    }
    wait_for_histories(w, n);
}

static void a_long_history_is_the_same_in_all_forms(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = long_life(w);
    struct slk_fault fault = {0};
    struct slk_span heard;
    char body[160];
    uint8_t *proof;
    size_t size;

    for (int i = 0; i < 2; i++) {
        assert_int_equal(slk_ledger_prove(w->ledger, life.handle, true, i == 0 ? SLK_TEXT : SLK_BINARY,
                             &proof, &size, &fault),
            SLK_OK);
        heard = post(w, "/v1/proofs", JSON, i == 0 ? "text/plain" : "application/octet-stream",
            proof_request(body, life.handle, true), "200");
        assert_int_equal(heard.size, size);
        assert_memory_equal(heard.at, proof, size);
        free(proof);
    }
    assert_json_is_slow_json(w, &life, true);
}

/* A turn of the loop makes one step, and who asks for something else meanwhile is answered; afterwards the loop waits for events. */
static void nobody_waits_for_a_long_history(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = long_life(w);
    uint64_t steps = w->api->steps_n, n = 1, bytes;
    int other = dial(&w->net);

    api_steps_left = LONG_STEPS - 1;
    ask(w, w->fd, &life, "text/plain");
    wait_for_histories(w, 1);
    say(&w->net, other, "GET /v1/status HTTP/1.1\r\n" HOST "\r\n");
    hear_until(&w->net, other, "\r\n\r\n");
    assert_status("200");
    wait_for_histories(w, 1);
    api_steps_left = SIZE_MAX;
    while (n > 0) {
        uint64_t before = w->api->steps_n;

        turn(&w->net);
        assert_true(w->api->steps_n - before <= 1);
        slk_api_history_figures(w->api, &n, &bytes);
        assert_true(bytes <= (size_t)1 << 20);
    }
    assert_int_equal(w->api->steps_n - steps, LONG_STEPS);
    hear_until(&w->net, w->fd, "c2sp.org/tlog-proof@v1\n");
    assert_status("200");
    for (unsigned i = 0; i < TURNS_MAX && uv_backend_timeout(&w->net.loop) == 0; i++)
        turn(&w->net); /* a timer may be due */
    assert_int_not_equal(uv_backend_timeout(&w->net.loop), 0);
    (void)close(other);
}

/* Two at a time hold what they have read; all are answered. */
static void those_beyond_two_hold_nothing_yet(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = long_life(w);
    uint64_t steps = w->api->steps_n, n, bytes, two;
    int fds[4];

    ask_from_all(w, fds, 4, &life, "application/octet-stream");
    api_steps_left = (size_t)2 * LONG_READS;
    while (api_steps_left > 0)
        turn(&w->net);
    slk_api_history_figures(w->api, &n, &bytes);
    two = (uint64_t)2 * LONG * (SLK_EVENT_MAX + 64 + sizeof(struct slk_span));
    assert_true(n == 4 && bytes < two + (64u << 10));
    api_steps_left = SIZE_MAX;
    for (size_t i = 0; i < 4; i++) {
        hear_until(&w->net, fds[i], "application/octet-stream");
        assert_status("200");
        (void)close(fds[i]);
    }
    wait_for_histories(w, 0);
    assert_int_equal(w->api->steps_n - steps, 4 * LONG_STEPS);
}

/* All who wait for one block are answered in one turn. */
static void a_submission_is_not_answered_with_a_long_history(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = life_of(w, 126);
    uint64_t steps = w->api->steps_n;

    for (size_t n = 127; n <= 130; n++) {
        json_t *value = submit(w, "?wait=proof",
            fixture_single(&w->f, MINISTRY, &life, life.state == SLK_ACTIVE ? SLK_LOCK : SLK_UNLOCK), "200");
        const char *proof = text_of(value, "proof");
        struct slk_answer answer = verified(w, slk_span_of(proof, strlen(proof)), life.handle);

        assert_int_equal(answer.state, life.state);
        assert_int_equal(answer.has_history, n <= SLK_PROVING_AT_ONCE);
        slk_answer_clear(&answer);
        json_decref(value);
    }
    assert_int_equal(w->api->steps_n, steps);
}

/* Who waits keeps his place, for which others might wait: so few may, and the rest is told at once. */
static void not_many_wait_for_long_histories(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = life_of(w, 130);
    uint64_t n = 1, bytes;
    int fds[64];
    char body[160];

    ask_from_all(w, fds, 64, &life, JSON);
    ask(w, w->fd, &life, JSON);
    hear_until(&w->net, w->fd, "\"FULL\"");
    assert_status("503");
    assert_non_null(strstr(reply.text, "Retry-After: "));
    (void)post(w, "/v1/proofs", JSON, JSON, proof_request(body, life.handle, false), "200");
    for (size_t i = 0; i < 64; i++)
        (void)close(fds[i]);
    for (api_steps_left = SIZE_MAX; n > 0;) {
        turn(&w->net);
        slk_api_history_figures(w->api, &n, &bytes);
    }
    (void)post(w, "/v1/proofs", JSON, JSON, proof_request(body, life.handle, true), "200");
}

/* Nobody reads what a client sends while its answer is made, so its end is seen when that is written. */
static void clients_that_leave_in_the_middle_leave_nothing(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = long_life(w);
    const struct slk_http_stats *stats = slk_http_server_stats(w->net.server);
    uint64_t open;
    int fds[3];

    ask_from_all(w, fds, 3, &life, JSON);
    open = slk_http_server_stats(w->net.server)->open - 3;
    for (size_t i = 0; i < 3; i++)
        (void)close(fds[i]);
    api_steps_left = SIZE_MAX;
    wait_for_histories(w, 0);
    for (unsigned i = 0; i < TURNS_MAX && slk_http_server_stats(w->net.server)->open > open; i++)
        wait_turn(&w->net);
    assert_int_equal(stats->open, open);
    assert_int_equal(stats->answers_bytes, 0);
}

static int set_up_hurried(void **state)
{
    return api_set_up(state, 1);
}

static void a_history_that_takes_too_long_is_refused(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = long_life(w);
    uint64_t steps = w->api->steps_n;

    ask(w, w->fd, &life, "text/plain");
    hear_until(&w->net, w->fd, "ANSWER_SLOW");
    assert_status("503");
    wait_for_histories(w, 0);
    assert_true(w->api->steps_n - steps < LONG_STEPS);
}

static void a_server_that_stops_finishes_what_was_asked(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = long_life(w);

    ask(w, w->fd, &life, "text/plain");
    wait_for_histories(w, 1);
    slk_http_server_stop(w->net.server, is_stopped, &w->net);
    hear_until(&w->net, w->fd, "c2sp.org/tlog-proof@v1\n");
    assert_status("200");
}

static void a_server_that_stops_at_once_leaves_nothing(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = long_life(w);
    uint64_t steps;

    ask(w, w->fd, &life, "text/plain");
    wait_for_histories(w, 1);
    slk_http_server_stop(w->net.server, is_stopped, &w->net);
    slk_http_server_stop(w->net.server, is_stopped, &w->net);
    steps = w->api->steps_n;
    for (unsigned i = 0; i < TURNS_MAX && !w->net.stopped; i++)
        wait_turn(&w->net);
    assert_int_equal(w->api->steps_n, steps);
}

int main(void)
{
#define WITH_API(name) cmocka_unit_test_setup_teardown(name, set_up, api_tear_down)
    const struct CMUnitTest tests[] = {
        WITH_API(a_proof_in_json_is_what_jansson_would_print),
        WITH_API(a_long_history_is_the_same_in_all_forms),
        WITH_API(nobody_waits_for_a_long_history),
        WITH_API(those_beyond_two_hold_nothing_yet),
        WITH_API(a_submission_is_not_answered_with_a_long_history),
        WITH_API(not_many_wait_for_long_histories),
        WITH_API(clients_that_leave_in_the_middle_leave_nothing),
        WITH_API(a_server_that_stops_finishes_what_was_asked),
        WITH_API(a_server_that_stops_at_once_leaves_nothing),
        cmocka_unit_test_setup_teardown(
            a_history_that_takes_too_long_is_refused, set_up_hurried, api_tear_down),
    };

    (void)signal(SIGPIPE, SIG_IGN); /* clients here leave when they have heard enough */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
