/* test_api.c: the HTTP API over real sockets, on an embedded ledger with real blocks, proofs and clients. */
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

#include "net/api_json.h"
#include "tests/unit/api_world.h"
#include "tools/ndjson.h"

static int set_up(void **state)
{
    return api_set_up(state, 0);
}

static int set_up_impatient(void **state)
{
    return api_set_up(state, 30);
}

/* ---- submissions ---- */

static void a_submission_becomes_final(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    json_t *value = submit(w, "?wait=final", fixture_single(&w->f, MINISTRY, &life, SLK_ISSUE), "200");
    char path[128];

    assert_string_equal(text_of(value, "state"), "cosigned");
    assert_int_equal(number_of(value, "height"), 1);
    assert_int_equal(number_of(value, "events_n"), 1);
    snprintf(path, sizeof(path), "/v1/submissions/%s", text_of(value, "id"));
    json_decref(value);
    value = json_of(get(w, path, NULL, "200"));
    assert_string_equal(text_of(value, "state"), "final");
    assert_int_equal(number_of(value, "height"), 1);
    json_decref(value);
    w->embed.hold = true;
    value = json_of(get(w, path, NULL, "200"));
    assert_string_equal(text_of(value, "state"), "waiting");
    json_decref(value);
    path[20]++; /* another id */
    (void)get(w, path, NULL, "404");
    (void)get(w, "/v1/submissions/12", NULL, "400");
}

static void the_same_submission_is_recognised(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    struct slk_span bytes = fixture_single(&w->f, MINISTRY, &life, SLK_ISSUE);
    json_t *first = json_of(post(w, "/v1/submissions", PB, "*/*", bytes, "200"));
    json_t *second = json_of(post(w, "/v1/submissions", "application/octet-stream", "*/*", bytes, "200"));

    assert_true(json_is_true(json_object_get(second, "duplicate")));
    assert_string_equal(text_of(first, "id"), text_of(second, "id"));
    assert_int_equal(number_of(first, "first_index"), number_of(second, "first_index"));
    json_decref(first);
    json_decref(second);
    fixture_free(bytes);
}

static void who_waits_for_a_proof_gets_it(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 7);
    json_t *value = submit(w, "?wait=proof", fixture_single(&w->f, MINT, &life, SLK_ISSUE), "200");
    const char *proof = text_of(value, "proof");
    struct slk_answer answer = verified(w, slk_span_of(proof, strlen(proof)), life.handle);

    assert_int_equal(answer.state, SLK_ACTIVE);
    assert_true(answer.has_history);
    slk_answer_clear(&answer);
    assert_int_equal(
        strncmp(text_of(value, "checkpoint"), FIXTURE_ORIGIN "\n", strlen(FIXTURE_ORIGIN) + 1), 0);
    json_decref(value);
}

static void a_stale_submission_is_told_the_head(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1), old = life;
    char hex[2 * SLK_HASH_SIZE + 1] = "";
    json_t *value = submit(w, "", fixture_single(&w->f, MINISTRY, &life, SLK_ISSUE), "200");
    const json_t *head;

    json_decref(value);
    old.devices_n = 5; /* another event for the same place */
    value = submit(w, "?wait=safe", fixture_single(&w->f, MINISTRY, &old, SLK_ISSUE), "409");
    assert_string_equal(text_of(value, "state"), "refused");
    assert_string_equal(text_of(value, "code"), "SEQUENCE");
    assert_int_equal(number_of(value, "event"), 0);
    head = json_object_get(value, "head");
    assert_int_equal(number_of(head, "sequence"), 1);
    slk_hex_format(hex, life.last_id.b, SLK_HASH_SIZE);
    assert_string_equal(text_of(head, "previous"), hex);
    json_decref(value);
}

static void every_event_has_its_verdict(void **state)
{
    struct api_world *w = *state;
    struct fixture_batch batch = {0};
    json_t *value;
    const json_t *verdicts;

    for (uint32_t i = 0; i < 3; i++) {
        struct fixture_life life = fixture_life(FIXTURE_PHONE, i);
        struct slk_event event = fixture_event(&life, SLK_ISSUE, w->f.now_ms);

        if (i == 1)
            event.valid_until_s = 1;
        fixture_put(&batch, &event, NULL);
    }
    value = submit(w, "", fixture_sign(&w->f, MINISTRY, &batch), "422");
    assert_string_equal(text_of(value, "code"), "VALIDITY_PAST");
    assert_int_equal(number_of(value, "event"), 1);
    verdicts = json_object_get(value, "events");
    assert_int_equal(json_array_size(verdicts), 3);
    assert_string_equal(json_string_value(json_array_get(verdicts, 0)), "OK");
    assert_string_equal(json_string_value(json_array_get(verdicts, 1)), "VALIDITY_PAST");
    json_decref(value);
    fixture_batch_free(&batch);
    assert_int_equal(slk_ledger_tip(w->ledger)->height, 0);
}

static void what_is_no_submission_is_400(void **state)
{
    struct api_world *w = *state;
    json_t *value = json_of(post(w, "/v1/submissions", PB, "*/*", slk_span_of("hello", 5), "400"));

    assert_string_equal(text_of(value, "code"), "E_MALFORMED");
    json_decref(value);
    (void)post(w, "/v1/submissions?wait=never", PB, "*/*", slk_span_of("hello", 5), "400");
    (void)post(w, "/v1/submissions", PB, "*/*", (struct slk_span){0}, "400");
    (void)post(w, "/v1/submissions", JSON, "*/*", slk_span_of("[]", 2), "400");
}

/* What a node of several would say, and how the client is told. */
static void what_the_node_cannot_do_is_said(void **state)
{
    static const struct {
        enum slk_node_outcome outcome;
        const char *status, *code;
    } cases[] = {{SLK_NODE_FULL, "429", "FULL"}, {SLK_NODE_BUSY, "503", "BUSY"},
        {SLK_NODE_BEHIND, "503", "BEHIND"}, {SLK_NODE_STOPPING, "503", "STOPPING"},
        {SLK_NODE_OVERTAKEN, "409", "STATE"}, {SLK_NODE_OBSERVER, "421", "OBSERVER"}};
    struct api_world *w = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture_life life = fixture_life(FIXTURE_PHONE, (uint32_t)i);
        json_t *value;

        w->embed.pretend = cases[i].outcome;
        value = submit(w, "", fixture_single(&w->f, MINISTRY, &life, SLK_ISSUE), cases[i].status);
        assert_string_equal(text_of(value, "code"), cases[i].code);
        assert_int_equal(
            strstr(reply.text, "\r\nRetry-After: 2\r\n") != NULL, strcmp(cases[i].status, "421") > 0);
        if (cases[i].outcome == SLK_NODE_OBSERVER)
            assert_non_null(strstr(reply.text, "agency 1 (agency-1.example)"));
        json_decref(value);
    }
}

static void one_client_too_many_is_told_at_once(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    json_t *value;

    w->embed.is_full = true;
    value = submit(w, "?wait=final", fixture_single(&w->f, MINISTRY, &life, SLK_ISSUE), "503");
    assert_string_equal(text_of(value, "code"), "BUSY");
    assert_non_null(strstr(reply.text, "\r\nRetry-After: 2\r\n"));
    json_decref(value);
    w->embed.is_full = false;
    life = fixture_life(FIXTURE_PHONE, 2);
    json_decref(submit(w, "?wait=final", fixture_single(&w->f, MINISTRY, &life, SLK_ISSUE), "200"));
}

static void what_is_not_final_yet_is_202(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    json_t *value;

    w->embed.reached = SLK_STAGE_SAFE;
    value = submit(w, "?wait=safe", fixture_single(&w->f, MINISTRY, &life, SLK_ISSUE), "202");
    assert_string_equal(text_of(value, "state"), "safe");
    assert_null(json_object_get(value, "height"));
    json_decref(value);
}

static void who_has_waited_long_enough_is_told_the_id(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    struct slk_span bytes = fixture_single(&w->f, MINISTRY, &life, SLK_ISSUE);
    json_t *late, *later;

    w->embed.hold = true;
    late = json_of(post(w, "/v1/submissions?wait=final", PB, "*/*", bytes, "202"));
    assert_string_equal(text_of(late, "state"), "waiting");
    (void)post(w, "/v1/submissions", PB, "*/*", bytes, "503"); /* not even received in time */
    w->embed.hold = false;
    later = json_of(post(w, "/v1/submissions?wait=final", PB, "*/*", bytes, "200"));
    assert_string_equal(text_of(late, "id"), text_of(later, "id"));
    json_decref(late);
    json_decref(later);
    fixture_free(bytes);
}

static void a_client_that_leaves_loses_nothing(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    struct slk_span bytes = fixture_single(&w->f, MINISTRY, &life, SLK_ISSUE);

    w->embed.hold = true;
    send_post(w, "/v1/submissions?wait=proof", PB, "*/*", bytes);
    for (unsigned i = 0; i < 10; i++)
        wait_turn(&w->net);
    (void)close(w->fd);
    w->embed.hold = false;
    for (unsigned i = 0; i < 10; i++)
        wait_turn(&w->net);
    assert_int_equal(slk_ledger_tip(w->ledger)->height, 1);
    w->fd = dial(&w->net);
    json_decref(submit(w, "", bytes, "200"));
}

/* ---- submissions as JSON ---- */

static json_t *json_submission(struct slk_span bytes)
{
    struct slk_submission s = {0};
    json_t *events = json_array(), *value;

    assert_int_equal(slk_submission_parse(&s, bytes), SLK_OK);
    for (size_t i = 0; i < s.events_n; i++) {
        struct slk_event event;
        char line[NDJSON_FORMAT_MAX];
        size_t size;

        assert_int_equal(slk_event_parse(&event, s.event_bytes[i]), SLK_OK);
        size = ndjson_format(
            line, sizeof(line), &event, NULL, SLK_RULE_OK); /* what the tools write, the API reads */
        assert_true(size > 0);
        json_array_append_new(events, json_loadb(line, size, 0, NULL));
    }
    value = json_pack("{s:o, s:o, s:o}", "key_id", slk_api_hex(s.key_id, SLK_KEY_ID_SIZE), "signature",
        slk_api_hex(s.signature, SLK_SIGNATURE_SIZE), "events", events);
    slk_submission_free(&s);
    assert_non_null(value);
    return value;
}

static void json_is_the_signed_bytes_written_differently(void **state)
{
    static const enum slk_kind kinds[] = {SLK_ISSUE, SLK_LOCK, SLK_UNLOCK, SLK_REBIND, SLK_RENEW, SLK_REVOKE};
    struct api_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct slk_span bytes = fixture_single(&w->f, MINISTRY, &life, kinds[i]);
        json_t *value = json_submission(bytes), *answer;
        char *text = json_dumps(value, JSON_INDENT(1));
        struct slk_fault fault = {0};
        uint8_t *again;
        size_t size;

        assert_int_equal(
            slk_api_submission_parse(&again, &size, slk_span_of(text, strlen(text)), &fault), SLK_OK);
        assert_int_equal(size, bytes.size);
        assert_memory_equal(again, bytes.at, size);
        answer = json_of(post(w, "/v1/submissions?wait=final", JSON "; charset=utf-8", "*/*",
            slk_span_of(text, strlen(text)), "200"));
        assert_int_equal(number_of(answer, "height"), i + 1);
        json_decref(answer);
        free(again);
        free(text);
        json_decref(value);
        fixture_free(bytes);
    }
}

static void malformed_json_is_told_the_field(void **state)
{
    static const struct {
        const char *field, *value; /* of the first event; NULL: the member goes */
        const char *told;
    } cases[] = {{"credential", "\"12\"", "event 1, credential"}, {"credential", "7", "event 1, credential"},
        {"kind", "\"STEAL\"", "event 1, kind"}, {"kind", "1", "event 1, kind"},
        {"sequence", "-1", "event 1, sequence"}, {"sequence", "1.0", "event 1, sequence"},
        {"type", "4294967296", "event 1, type"}, {"carrier", "\"phone\"", "event 1, carrier"},
        {"device", "null", "event 1, device"}, {"name", "\"x\"", "event 1: has a member"},
        {"status_index", "\"5\"", "event 1, status_index"},
        {"valid_until", "\"2026-01-01T00:00:00Z\"", "event 1, valid_until"},
        {"kind", NULL, "event 1, kind: missing"}, {"credential", NULL, "event 1, credential: missing"}};
    struct api_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    struct slk_span bytes = fixture_single(&w->f, MINISTRY, &life, SLK_ISSUE);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        json_t *value = json_submission(bytes), *event = json_array_get(json_object_get(value, "events"), 0),
               *problem;
        char *text;

        if (cases[i].value == NULL)
            json_object_del(event, cases[i].field);
        else
            json_object_set_new(event, cases[i].field, json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        text = json_dumps(value, 0);
        problem = json_of(post(w, "/v1/submissions", JSON, "*/*", slk_span_of(text, strlen(text)), "400"));
        if (strstr(text_of(problem, "detail"), cases[i].told) == NULL)
            print_message("%s: %s\n", cases[i].told, text_of(problem, "detail"));
        assert_non_null(strstr(text_of(problem, "detail"), cases[i].told));
        json_decref(problem);
        json_decref(value);
        free(text);
    }
    fixture_free(bytes);
}

static void json_with_too_many_parts_is_not_read(void **state)
{
    struct slk_fault fault = {0};
    char *text = malloc(3000001);
    uint8_t *out;
    size_t size;

    (void)state;
    assert_non_null(text);
    memset(text, '[', 100000);
    assert_int_equal(
        slk_api_submission_parse(&out, &size, slk_span_of(text, 100000), &fault), SLK_E_MALFORMED);
    for (size_t i = 0; i < 1000000; i++)
        memcpy(text + 3 * i, "1, ", 3);
    text[0] = '[';
    assert_int_equal(
        slk_api_submission_parse(&out, &size, slk_span_of(text, 3000000), &fault), SLK_E_MALFORMED);
    assert_null(out);
    free(text);
}

/* ---- proofs ---- */

static void a_proof_comes_as_text_binary_or_json(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    struct slk_answer answer;
    struct slk_span proof;
    char body[160];
    uint8_t bytes[8192];
    size_t size;
    json_t *value;

    json_decref(submit(w, "", fixture_single(&w->f, MINISTRY, &life, SLK_ISSUE), "200"));
    json_decref(submit(w, "", fixture_single(&w->f, MINISTRY, &life, SLK_LOCK), "200"));
    proof = post(w, "/v1/proofs", JSON, "text/plain", proof_request(body, life.handle, true), "200");
    assert_int_equal(memcmp(proof.at, "c2sp.org/tlog-proof@v1\n", 23), 0);
    answer = verified(w, proof, life.handle);
    assert_int_equal(answer.state, SLK_LOCKED);
    assert_int_equal(answer.events_n, 2);
    assert_true(answer.has_history);
    slk_answer_clear(&answer);
    proof = post(w, "/v1/proofs", "application/octet-stream", "application/octet-stream",
        slk_span_of(life.handle, SLK_HANDLE_SIZE), "200");
    answer = verified(w, proof, life.handle);
    assert_false(answer.has_history);
    slk_answer_clear(&answer);
    proof = post(w, "/v1/proofs?history", "application/octet-stream", "application/octet-stream",
        slk_span_of(life.handle, SLK_HANDLE_SIZE), "200");
    answer = verified(w, proof, life.handle);
    assert_true(answer.has_history);
    slk_answer_clear(&answer);
    value = json_of(post(w, "/v1/proofs", JSON, JSON, proof_request(body, life.handle, true), "200"));
    assert_true(json_is_true(json_object_get(value, "present")));
    assert_string_equal(text_of(json_object_get(value, "record"), "state"), "LOCKED");
    assert_int_equal(json_array_size(json_object_get(value, "history")), 2);
    assert_true(slk_base64_parse(
        bytes, sizeof(bytes), &size, text_of(value, "proof"), strlen(text_of(value, "proof"))));
    answer = verified(w, slk_span_of(bytes, size), life.handle);
    assert_int_equal(answer.state, SLK_LOCKED);
    slk_answer_clear(&answer);
    json_decref(value);
}

static void absence_is_proven_too(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 99);
    char body[160];
    struct slk_answer answer = verified(
        w, post(w, "/v1/proofs", JSON, "*/*", proof_request(body, life.handle, false), "200"), life.handle);
    json_t *value;

    assert_int_equal(answer.state, SLK_NEVER_ISSUED);
    slk_answer_clear(&answer);
    value = json_of(post(w, "/v1/proofs", JSON, JSON, proof_request(body, life.handle, false), "200"));
    assert_true(json_is_false(json_object_get(value, "present")));
    assert_null(json_object_get(value, "record"));
    json_decref(value);
}

static void proofs_that_cannot_be_given_say_why(void **state)
{
    struct api_world *w = *state;
    char body[160];
    uint8_t handle[SLK_HANDLE_SIZE] = {1};

    (void)post(w, "/v1/proofs", JSON, "image/png", proof_request(body, handle, false), "406");
    (void)post(w, "/v1/proofs", JSON, "*/*", slk_span_of("{}", 2), "400");
    (void)post(w, "/v1/proofs", JSON, "*/*", slk_span_of("{\"credential\":\"AB\"}", 19), "400");
    (void)post(w, "/v1/proofs", "application/octet-stream", "*/*", slk_span_of(handle, 31), "400");
    w->embed.is_unsigned = true;
    (void)post(w, "/v1/proofs", JSON, "*/*", proof_request(body, handle, false), "503");
    assert_non_null(strstr(reply.text, "\r\nRetry-After: 1\r\n"));
    (void)get(w, "/checkpoint", NULL, "503");
}

static void ask_while_unsigned(struct api_world *w, int *fds, size_t n)
{
    char body[160], request[512];
    uint8_t handle[SLK_HANDLE_SIZE] = {1};
    struct slk_span json = proof_request(body, handle, false);

    w->embed.is_unsigned = true;
    snprintf(request, sizeof(request),
        "POST /v1/proofs HTTP/1.1\r\n" HOST
        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%.*s",
        json.size, (int)json.size, (const char *)json.at);
    for (size_t i = 0; i < n; i++) {
        fds[i] = dial(&w->net);
        say(&w->net, fds[i], request);
    }
}

/* Between a block and its quorum's checkpoint a proof is late, not refused. */
static void a_proof_wanted_before_the_quorum_has_signed_comes_when_it_has(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 7);
    int fds[2];

    ask_while_unsigned(w, fds, 2);
    for (unsigned i = 0; i < 50; i++)
        wait_turn(&w->net);
    memset(&reply, 0, sizeof(reply));
    assert_true(take(fds[0]));
    assert_int_equal(reply.size, 0);
    (void)close(fds[1]); /* who has gone is not missed */
    w->embed.is_unsigned = false;
    /* a block, and its checkpoint */
    json_decref(submit(w, "?wait=proof", fixture_single(&w->f, MINISTRY, &life, SLK_ISSUE), "200"));
    hear_until(&w->net, fds[0], "\r\n\r\n");
    assert_status("200");
    (void)close(fds[0]);
}

/* The loop that answers them votes, too. */
static void all_who_wait_for_the_quorum_are_not_answered_in_one_turn(void **state)
{
    enum { N = 20, AT_ONCE = 16 };
    struct api_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_CARD, 7);
    int fds[N];

    ask_while_unsigned(w, fds, N);
    for (unsigned i = 0; i < TURNS_MAX && slk_http_server_stats(w->net.server)->handling < N; i++)
        turn(&w->net);
    assert_int_equal(slk_http_server_stats(w->net.server)->handling, N);
    api_steps_left = 0;
    w->embed.is_unsigned = false;
    json_decref(submit(w, "", fixture_single(&w->f, MINISTRY, &life, SLK_ISSUE), "200"));
    assert_int_equal(slk_http_server_stats(w->net.server)->handling, N);
    for (unsigned left = N; left > 0;) {
        api_steps_left = 1;
        while (api_steps_left > 0)
            turn(&w->net);
        left -= left < AT_ONCE ? left : AT_ONCE;
        assert_int_equal(slk_http_server_stats(w->net.server)->handling, left);
    }
    for (unsigned i = 0; i < N; i++) {
        hear_until(&w->net, fds[i], "\r\n\r\n");
        assert_status("200");
        (void)close(fds[i]);
    }
}

static void a_prefix_answers_for_a_crowd(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    struct slk_map_crowd_item items[4];
    struct slk_hash path;
    struct slk_span proof;
    char hex[2 * SLK_HASH_SIZE + 1] = "", request[100];
    const json_t *records;
    json_t *value;
    size_t n = 0;

    json_decref(submit(w, "", fixture_single(&w->f, MINISTRY, &life, SLK_ISSUE), "200"));
    slk_hash_bytes(&path, life.handle, SLK_HANDLE_SIZE);
    slk_hex_format(hex, path.b, SLK_HASH_SIZE);
    snprintf(request, sizeof(request), "/v1/map/%.3s", hex);
    proof = get(w, request, "application/octet-stream", "200");
    assert_int_equal(
        slk_map_crowd_check(items, 4, &n, &slk_ledger_tip(w->ledger)->map_root, path.b, 12, proof), SLK_OK);
    assert_int_equal(n, 1);
    value = json_of(get(w, request, JSON, "200"));
    records = json_object_get(value, "records");
    assert_int_equal(json_array_size(records), 1);
    assert_string_equal(text_of(json_array_get(records, 0), "path"), hex);
    assert_string_equal(text_of(json_array_get(records, 0), "state"), "ACTIVE");
    assert_true(json_is_object(json_object_get(value, "anchor")));
    json_decref(value);
    w->embed.is_unsigned = true;
    value = json_of(get(w, request, JSON, "200"));
    assert_null(json_object_get(value, "anchor"));
    json_decref(value);
    (void)get(w, "/v1/map/XY", NULL, "400");
    (void)get(w, "/v1/map/AB", NULL, "400");
    (void)get(w, "/v1/map/12", "text/html", "406");
}

/* ---- reading ---- */

static void blocks_charter_policy_and_checkpoint_are_read(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    struct slk_policy *policy;
    struct slk_fault fault = {0};
    struct slk_span body;
    char entries[4096];
    json_t *value;

    json_decref(submit(w, "", fixture_single(&w->f, MINISTRY, &life, SLK_ISSUE), "200"));
    body = get(w, "/v1/blocks/1", "application/octet-stream", "200");
    assert_true(body.size > SLK_BLOCK_HEADER_SIZE && body.size < SLK_BLOCK_HEADER_SIZE + sizeof(entries) / 2);
    assert_non_null(strstr(reply.text, "immutable"));
    slk_base64_format(entries, body.at + SLK_BLOCK_HEADER_SIZE, body.size - SLK_BLOCK_HEADER_SIZE);
    entries[slk_base64_size(body.size - SLK_BLOCK_HEADER_SIZE)] = '\0';
    value = json_of(get(w, "/v1/blocks/1", NULL, "200"));
    assert_string_equal(text_of(value, "entries"), entries);
    assert_int_equal(number_of(value, "height"), 1);
    assert_int_equal(number_of(value, "events"), 1);
    assert_int_equal(json_array_size(json_object_get(json_object_get(value, "finality"), "signatures")), 1);
    json_decref(value);
    json_decref(json_of(get(w, "/v1/blocks/0", NULL, "200")));
    (void)get(w, "/v1/blocks/2", NULL, "404");
    (void)get(w, "/v1/blocks/01", NULL, "400");
    (void)get(w, "/v1/blocks/x", NULL, "400");
    (void)get(w, "/v1/blocks/1", "image/*", "406");
    body = get(w, "/v1/charter", "application/octet-stream", "200");
    assert_int_equal(body.size, w->f.charter_size);
    assert_memory_equal(body.at, w->f.charter_bytes, body.size);
    value = json_of(get(w, "/v1/charter", JSON, "200"));
    assert_string_equal(text_of(value, "origin"), FIXTURE_ORIGIN);
    assert_int_equal(json_array_size(json_object_get(value, "members")), 3);
    json_decref(value);
    value = json_of(get(w, "/v1/charters/1", NULL, "200"));
    assert_int_equal(number_of(value, "index"), 0);
    assert_int_equal(number_of(value, "height"), 0);
    json_decref(value);
    (void)get(w, "/v1/charters/0", NULL, "404");
    (void)get(w, "/v1/charters/2", NULL, "404");
    (void)get(w, "/v1/charters/-1", NULL, "400");
    body = get(w, "/v1/policy", NULL, "200");
    assert_int_equal(slk_policy_new(&policy, (const char *)body.at, body.size, &fault), SLK_OK);
    slk_policy_free(policy);
    body = get(w, "/checkpoint", NULL, "200");
    assert_int_equal(body.size, w->embed.note_size);
    assert_memory_equal(body.at, w->embed.note, body.size);
    assert_non_null(strstr(reply.text, "Access-Control-Allow-Origin: *"));
    (void)post(w, "/v1/charter", "application/octet-stream", "*/*", slk_span_of("hello", 5), "422");
}

static void status_and_health_say_how_the_node_is(void **state)
{
    struct api_world *w = *state;
    json_t *value = json_of(get(w, "/v1/status", NULL, "200"));

    assert_string_equal(text_of(value, "origin"), FIXTURE_ORIGIN);
    assert_int_equal(number_of(value, "height"), 0);
    json_decref(value);
    value = json_of(get(w, "/health", NULL, "200"));
    assert_true(json_is_true(json_object_get(value, "healthy")));
    json_decref(value);
    w->embed.behind = true;
    (void)get(w, "/health", NULL, "503");
    w->embed.behind = false;
    w->f.now_ms += 2 * 300 * 1000 + 1; /* twice the charter's fresh_s */
    value = json_of(get(w, "/health", NULL, "503"));
    assert_true(json_is_false(json_object_get(value, "healthy")));
    assert_true(number_of(value, "cosigned_age_ms") > 600000);
    json_decref(value);
    w->embed.is_unsigned = true;
    (void)get(w, "/health", NULL, "503");
}

static void metrics_name_nobody(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    char body[160], hex[2 * SLK_HANDLE_SIZE + 1] = "", path[100];
    struct slk_span text;

    slk_hex_format(hex, life.handle, SLK_HANDLE_SIZE);
    json_decref(submit(w, "", fixture_single(&w->f, MINISTRY, &life, SLK_ISSUE), "200"));
    (void)post(w, "/v1/proofs", JSON, "*/*", proof_request(body, life.handle, true), "200");
    snprintf(path, sizeof(path), "/v1/proofs/%s", hex); /* where no handle belongs */
    (void)get(w, path, NULL, "404");
    text = get(w, "/metrics", NULL, "200");
    assert_non_null(strstr(reply.text, "sillok_height 1\n"));
    assert_non_null(strstr(reply.text, "sillok_submissions_total{outcome=\"accepted\"} 1\n"));
    assert_non_null(strstr(
        reply.text, "sillok_http_requests_total{method=\"POST\",route=\"/v1/proofs\",status=\"200\"} 1\n"));
    assert_non_null(
        strstr(reply.text, "sillok_http_requests_total{method=\"\",route=\"\",status=\"404\"} 1\n"));
    assert_non_null(strstr(reply.text, "sillok_http_refused_total{reason=\"NOT_FOUND\"} 1\n"));
    assert_true(text.size > 1000);
    assert_null(strstr(reply.text, hex));
    assert_null(strstr(reply.text, "127.0.0.1"));
}

static void the_stream_brings_every_block(void **state)
{
    struct api_world *w = *state;
    struct fixture_life life = fixture_life(FIXTURE_PHONE, 1);
    int stream = dial(&w->net);

    say(&w->net, stream, "GET /v1/stream HTTP/1.1\r\n" HOST "\r\n");
    hear_until(&w->net, stream, "event: block\nid: 0\ndata: {\"height\":0,");
    json_decref(submit(w, "", fixture_single(&w->f, MINISTRY, &life, SLK_ISSUE), "200"));
    hear_until(&w->net, stream, "event: checkpoint\ndata: {\"height\":1}\n\n");
    assert_non_null(strstr(reply.text, "event: block\nid: 1\ndata: {\"height\":1,"));
    (void)close(stream);
    stream = dial(&w->net);
    say(&w->net, stream, "HEAD /v1/stream HTTP/1.1\r\n" HOST "\r\n");
    hear_end(&w->net, stream);
    assert_status("200");
}

static void streams_are_limited(void **state)
{
    struct api_world *w = *state;
    int fds[SLK_API_STREAMS_MAX];

    for (size_t i = 0; i < SLK_API_STREAMS_MAX; i++) {
        fds[i] = dial(&w->net);
        say(&w->net, fds[i], "GET /v1/stream HTTP/1.1\r\n" HOST "\r\n");
        hear_until(&w->net, fds[i], "event: block");
    }
    (void)get(w, "/v1/stream", NULL, "503");
    for (size_t i = 0; i < SLK_API_STREAMS_MAX; i++)
        (void)close(fds[i]);
    for (unsigned i = 0; i < 100; i++)
        wait_turn(&w->net);
    fds[0] = dial(&w->net);
    say(&w->net, fds[0], "GET /v1/stream HTTP/1.1\r\n" HOST "\r\n");
    hear_until(&w->net, fds[0], "event: block");
    (void)close(fds[0]);
}

static int open_stream_from(struct api_world *w, const char *address)
{
    int fd = dial(&w->net);

    come_from(address);
    say(&w->net, fd, "GET /v1/stream HTTP/1.1\r\n" HOST "\r\n");
    hear_until(&w->net, fd, "\r\n\r\n");
    come_from(NULL);
    return fd;
}

static void one_address_has_a_quarter_of_all_streams(void **state)
{
    enum { SHARE = SLK_API_STREAMS_MAX / 4 };
    struct api_world *w = *state;
    int fds[SHARE], other, refused;

    for (unsigned i = 0; i < SHARE; i++) { /* wherever in a site it is */
        fds[i] = open_stream_from(w, i % 2 == 0 ? "2001:db8:0:1::1" : "2001:db8:0:1:ffff::2");
        assert_status("200");
    }
    refused = open_stream_from(w, "2001:db8:0:1::3");
    assert_status("429");
    assert_non_null(strstr(reply.text, "\r\nRetry-After: 60\r\n"));
    if (strstr(reply.text, "STREAMS") == NULL)
        hear_until(&w->net, refused, "STREAMS");
    (void)close(refused);
    other = open_stream_from(w, "2001:db8:0:2::1");
    assert_status("200");
    (void)get(w, "/metrics", NULL, "200");
    assert_non_null(strstr(reply.text, "sillok_http_refused_total{reason=\"STREAMS\"} 1\n"));
    assert_non_null(strstr(reply.text, "sillok_http_streams 17\n"));
    (void)close(fds[0]); /* one that ends makes place for another */
    for (unsigned i = 0; i < TURNS_MAX && slk_http_server_stats(w->net.server)->streams > SHARE; i++)
        wait_turn(&w->net);
    fds[0] = open_stream_from(w, "2001:db8:0:1::3");
    assert_status("200");
    (void)close(other);
    for (unsigned i = 0; i < SHARE; i++)
        (void)close(fds[i]);
}

static void the_openapi_document_names_every_route(void **state)
{
    struct api_world *w = *state;
    json_t *value = json_of(get(w, "/v1/openapi.json", NULL, "200"));
    const json_t *paths = json_object_get(value, "paths");
    size_t n, named = 0;
    const struct slk_http_route *routes = slk_api_routes(&n);
    const char *path;
    json_t *item;

    for (size_t i = 0; i < n; i++) {
        const char *method = routes[i].method == SLK_HTTP_POST ? "post" : "get";
        bool found = false;

        json_object_foreach((json_t *)(uintptr_t)paths, path, item)
        {
            size_t size = strlen(routes[i].path);

            found |= strncmp(path, routes[i].path, size) == 0 && json_object_get(item, method) != NULL &&
                     (routes[i].parameter || routes[i].rest ? path[size] == '{' : path[size] == '\0');
        }
        if (!found)
            print_message("%s %s\n", method, routes[i].path);
        assert_true(found);
    }
    json_object_foreach((json_t *)(uintptr_t)paths, path, item) named += json_object_size(item);
    assert_int_equal(named, n);
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_submission_becomes_final, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(the_same_submission_is_recognised, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(who_waits_for_a_proof_gets_it, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(a_stale_submission_is_told_the_head, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(every_event_has_its_verdict, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_submission_is_400, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(what_the_node_cannot_do_is_said, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(one_client_too_many_is_told_at_once, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_final_yet_is_202, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(
            who_has_waited_long_enough_is_told_the_id, set_up_impatient, api_tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_leaves_loses_nothing, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(json_is_the_signed_bytes_written_differently, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(malformed_json_is_told_the_field, set_up, api_tear_down),
        cmocka_unit_test(json_with_too_many_parts_is_not_read),
        cmocka_unit_test_setup_teardown(a_proof_comes_as_text_binary_or_json, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(absence_is_proven_too, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(proofs_that_cannot_be_given_say_why, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(
            a_proof_wanted_before_the_quorum_has_signed_comes_when_it_has, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(
            all_who_wait_for_the_quorum_are_not_answered_in_one_turn, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(a_prefix_answers_for_a_crowd, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(blocks_charter_policy_and_checkpoint_are_read, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(status_and_health_say_how_the_node_is, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(metrics_name_nobody, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(the_stream_brings_every_block, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(streams_are_limited, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(one_address_has_a_quarter_of_all_streams, set_up, api_tear_down),
        cmocka_unit_test_setup_teardown(the_openapi_document_names_every_route, set_up, api_tear_down),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
