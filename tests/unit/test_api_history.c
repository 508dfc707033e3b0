/* Histories over HTTP: their JSON, and long ones, which are made in steps. Nothing here is timed: turns of the loop are counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_proof_in_json_is_what_jansson_would_print, set_up, api_tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
