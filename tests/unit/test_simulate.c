/* test_simulate.c: the simulated country: reproducible, and valid by the ledger's own rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/rules.h"
#include "tools/simulate.h"

#define TABLE 65536 /* places for credentials in the model ledger */

/* A ledger of nothing but records. */
struct model {
    struct slk_charter *charter;
    struct slk_index_set *indexes;
    const struct slk_issuer
        *issuers[SLK_SIM_ISSUERS + 1]; /* by the simulation's numbers; the stranger's is NULL */
    struct cell {
        bool used;
        uint8_t handle[SLK_HANDLE_SIZE];
        struct slk_record record;
    } * cells;
    uint64_t time_ms;
};

/* No curve here: a seed serves as its own public key. */
static bool fake_public_key(uint8_t public_key[SLK_KEY_SIZE], const uint8_t seed[32])
{
    memcpy(public_key, seed, SLK_KEY_SIZE);
    return true;
}

static void model_open(struct model *m, const struct slk_sim_options *options)
{
    char name[SLK_CHARTER_NAME_MAX + 1];

    memset(m, 0, sizeof(*m));
    m->charter = malloc(sizeof(*m->charter));
    m->cells = calloc(TABLE, sizeof(*m->cells));
    assert_non_null(m->charter);
    assert_non_null(m->cells);
    assert_true(slk_sim_charter(m->charter, options, fake_public_key));
    assert_int_equal(slk_index_set_new(&m->indexes, m->charter), SLK_OK);
    for (unsigned i = 0; i < SLK_SIM_ISSUERS; i++) {
        slk_sim_issuer_name(name, i);
        for (size_t k = 0; k < m->charter->issuers_n; k++)
            if (strcmp(m->charter->issuers[k].name, name) == 0)
                m->issuers[i] = &m->charter->issuers[k];
        assert_non_null(m->issuers[i]);
        assert_int_equal(m->issuers[i]->agency, slk_sim_issuer_agency(i));
    }
}

static void model_close(struct model *m)
{
    slk_index_set_free(m->indexes);
    free(m->charter);
    free(m->cells);
}

static struct cell *cell_of(struct model *m, const uint8_t handle[SLK_HANDLE_SIZE])
{
    size_t at = (size_t)(handle[0] << 8 | handle[1]);

    while (m->cells[at].used && memcmp(m->cells[at].handle, handle, SLK_HANDLE_SIZE) != 0)
        at = (at + 1) % TABLE;
    return &m->cells[at];
}

static enum slk_rule judge(struct model *m, const struct slk_sim_item *item)
{
    const struct slk_rules_context context = {.charter = m->charter,
        .issuer = m->issuers[item->issuer],
        .indexes = m->indexes,
        .time_ms = m->time_ms};
    const struct cell *cell = cell_of(m, item->event.credential);

    if (context.issuer == NULL)
        return SLK_RULE_ISSUER_UNKNOWN;
    return slk_rules_check(&context, cell->used ? &cell->record : NULL, &item->event);
}

static void apply(struct model *m, const struct slk_sim_item *item)
{
    struct cell *cell = cell_of(m, item->event.credential);
    struct slk_step step = {
        .recorded_at_ms = m->time_ms, .agency = m->issuers[item->issuer]->agency, .event_id = item->id};
    struct slk_hash id;

    slk_event_id(&id, (struct slk_span){item->bytes, item->size});
    assert_true(slk_hash_equal(&id, &item->id));
    slk_record_next(&cell->record, cell->used ? &cell->record : NULL, &item->event, &step);
    memcpy(cell->handle, item->event.credential, SLK_HANDLE_SIZE);
    cell->used = true;
    if (item->event.kind == SLK_ISSUE)
        slk_index_set_put(m->indexes, item->event.type, item->event.status_index, true);
}

/* Plays a whole stream, with block times `lead_s` ahead of the events; counts kinds and expected refusals. */
static void play(const struct slk_sim_options *options, uint64_t lead_s, uint64_t kinds[SLK_KIND_N],
    uint64_t refused[SLK_RULE_N])
{
    struct slk_sim *sim = slk_sim_new(options);
    struct slk_sim_item item;
    struct slk_event again;
    struct model m;
    uint64_t last_s = 0;

    assert_non_null(sim);
    model_open(&m, options);
    while (slk_sim_next(sim, &item)) {
        enum slk_rule rule;

        if (item.expect != SLK_RULE_OCCURRED_IN_FUTURE) {
            assert_true(item.event.occurred_at_s >= last_s);
            last_s = item.event.occurred_at_s;
            m.time_ms = (last_s + lead_s) * 1000;
        }
        assert_int_equal(slk_event_parse(&again, (struct slk_span){item.bytes, item.size}), SLK_OK);
        rule = judge(&m, &item);
        if (rule != item.expect)
            fail_msg("expected %s, the rules say %s", slk_rule_name(item.expect), slk_rule_name(rule));
        refused[rule]++;
        if (rule != SLK_RULE_OK)
            continue;
        kinds[item.event.kind]++;
        apply(&m, &item);
    }
    model_close(&m);
    slk_sim_free(sim);
}

static void the_pilot_is_valid(void **state)
{
    const struct slk_sim_options options = {.seed = 1,
        .start_s = SLK_SIM_START_S,
        .days = 60,
        .credentials = 20000,
        .existing_percent = 30,
        .burst = true};
    uint64_t kinds[SLK_KIND_N] = {0}, refused[SLK_RULE_N] = {0};
    uint64_t events, issued;

    (void)state;
    play(&options, 0, kinds, refused);
    events = refused[SLK_RULE_OK];
    issued = kinds[SLK_ISSUE];
    assert_in_range(events, 25000, 40000);
    assert_in_range((events - issued) * 100 / events, 25, 40);
    for (unsigned k = SLK_ISSUE; k < SLK_KIND_N; k++)
        assert_in_range(kinds[k], 500, 40000);
}

/* Four years in small: renewals of three-year credentials, re-issues, expiry. Block times an hour ahead change nothing. */
static void the_nation_is_valid(void **state)
{
    const struct slk_sim_options options = {.seed = 2,
        .start_s = SLK_SIM_START_S,
        .days = 1461,
        .credentials = 8000,
        .existing_percent = 50,
        .fault_percent = 20,
        .burst = true};
    uint64_t kinds[SLK_KIND_N] = {0}, refused[SLK_RULE_N] = {0};

    (void)state;
    play(&options, 0, kinds, refused);
    play(&options, 3600 - 1, kinds, refused);
    assert_in_range(kinds[SLK_RENEW], 1000, 40000);
}

static void faults_break_each_rule_they_can(void **state)
{
    const struct slk_sim_options options = {.seed = 5,
        .start_s = SLK_SIM_START_S,
        .days = 60,
        .credentials = 9000,
        .existing_percent = 30,
        .fault_percent = 50};
    static const enum slk_rule beyond[] = {/* need wrong bytes or more than one event */
        SLK_RULE_EVENT_MALFORMED, SLK_RULE_SIGNATURE, SLK_RULE_SUBMISSION_SIZE, SLK_RULE_NOT_JUDGED};
    uint64_t kinds[SLK_KIND_N] = {0}, refused[SLK_RULE_N] = {0};

    (void)state;
    play(&options, 0, kinds, refused);
    for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++)
        refused[beyond[i]]++;
    for (unsigned rule = 0; rule < SLK_RULE_N; rule++)
        if (refused[rule] == 0 && strcmp(slk_rule_text((enum slk_rule)rule), "no rule of this ledger") != 0)
            fail_msg("no fault breaks %s", slk_rule_name((enum slk_rule)rule));
}

static void digest_of(const struct slk_sim_options *options, struct slk_hash *out)
{
    struct slk_sim *sim = slk_sim_new(options);
    struct slk_sim_item item;
    struct slk_sha sha;

    assert_non_null(sim);
    slk_sha_init(&sha);
    while (slk_sim_next(sim, &item)) {
        slk_sha_add(&sha, item.bytes, item.size);
        slk_sha_add(&sha, (const uint8_t[]){(uint8_t)item.issuer, (uint8_t)item.expect}, 2);
    }
    slk_sha_final(&sha, out);
    slk_sim_free(sim);
}

static void the_seed_decides_everything(void **state)
{
    struct slk_sim_options options = {.seed = 11,
        .start_s = SLK_SIM_START_S,
        .days = 10,
        .credentials = 3000,
        .existing_percent = 30,
        .fault_percent = 5,
        .burst = true};
    struct slk_hash a, b, c;

    (void)state;
    digest_of(&options, &a);
    digest_of(&options, &b);
    options.seed = 12;
    digest_of(&options, &c);
    assert_true(slk_hash_equal(&a, &b));
    assert_false(slk_hash_equal(&a, &c));
}

/* A place tells neither when nor after whom it was given. */
static void places_in_status_lists_are_like_those_of_chance(void **state)
{
    const struct slk_sim_options options = {
        .seed = 3, .start_s = SLK_SIM_START_S, .days = 10, .credentials = 4000, .existing_percent = 20};
    struct slk_sim *sim = slk_sim_new(&options);
    struct slk_sim_item item;
    uint32_t last[3] = {0}, largest[3] = {0};
    uint64_t n = 0, near_n = 0, rises_n = 0;

    (void)state;
    assert_non_null(sim);
    while (slk_sim_next(sim, &item)) {
        uint32_t type = item.event.type, place = item.event.status_index;

        if (item.event.kind != SLK_ISSUE || item.expect != SLK_RULE_OK)
            continue;
        assert_true(type < 3 && place != last[type]); /* that none comes twice, the rules say (play) */
        near_n += (place > last[type] ? place - last[type] : last[type] - place) < 32;
        rises_n += place > last[type];
        n++;
        last[type] = place;
        largest[type] = place > largest[type] ? place : largest[type];
    }
    assert_true(n > 2000);
    assert_true(near_n < n / 20);
    assert_true(rises_n > n * 4 / 10 && rises_n < n * 6 / 10);
    assert_true(largest[SLK_SIM_PHONE] > n);
    slk_sim_free(sim);
}

/* One credential is issued, locked, bound to another device and renewed, in this order, in every stream. */
static void the_story_is_told(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        const struct slk_sim_options options = {.seed = seed,
            .start_s = SLK_SIM_START_S,
            .days = 2 + 15 * (seed - 1),
            .credentials = 500,
            .existing_percent = 30,
            .burst = true};
        static const enum slk_kind story[] = {SLK_ISSUE, SLK_LOCK, SLK_REBIND, SLK_RENEW};
        struct slk_sim *sim = slk_sim_new(&options);
        uint8_t handle[SLK_HANDLE_SIZE], absent[SLK_HANDLE_SIZE];
        struct slk_sim_item item;
        size_t n = 0;

        assert_non_null(sim);
        slk_sim_story(sim, handle);
        slk_sim_absent(sim, absent);
        while (slk_sim_next(sim, &item)) {
            assert_memory_not_equal(item.event.credential, absent, SLK_HANDLE_SIZE);
            if (memcmp(item.event.credential, handle, SLK_HANDLE_SIZE) != 0)
                continue;
            assert_true(n < 4);
            assert_int_equal(item.event.kind, story[n++]);
        }
        assert_int_equal(n, 4);
        slk_sim_handle(sim, 0, absent);
        assert_memory_equal(absent, handle, SLK_HANDLE_SIZE);
        slk_sim_free(sim);
    }
}

static void the_number_of_events_is_exact(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 200; n += 1 + n / 3) {
        const struct slk_sim_options options = {
            .seed = n, .start_s = SLK_SIM_START_S, .events = n, .credentials = n, .existing_percent = 30};
        struct slk_sim *sim = slk_sim_new(&options);
        struct slk_sim_item item;
        uint64_t got = 0;

        assert_non_null(sim);
        while (slk_sim_next(sim, &item))
            got++;
        assert_int_equal(got, n);
        slk_sim_free(sim);
    }
}

static void options_out_of_range_are_refused(void **state)
{
    const struct slk_sim_options good = {.seed = 1, .start_s = SLK_SIM_START_S, .days = 1, .credentials = 1};
    struct slk_sim_options bad[6];
    struct slk_sim *sim = slk_sim_new(&good);

    (void)state;
    assert_non_null(sim);
    slk_sim_free(sim);
    for (size_t i = 0; i < 6; i++)
        bad[i] = good;
    bad[0].days = 0;
    bad[1].credentials = 0;
    bad[2].credentials = SLK_SIM_MAX + 1;
    bad[3].existing_percent = 91;
    bad[4].fault_percent = 101;
    bad[5].start_s++;
    for (size_t i = 0; i < 6; i++)
        assert_null(slk_sim_new(&bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pilot_is_valid),
        cmocka_unit_test(the_nation_is_valid),
        cmocka_unit_test(faults_break_each_rule_they_can),
        cmocka_unit_test(the_seed_decides_everything),
        cmocka_unit_test(places_in_status_lists_are_like_those_of_chance),
        cmocka_unit_test(the_story_is_told),
        cmocka_unit_test(the_number_of_events_is_exact),
        cmocka_unit_test(options_out_of_range_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
