/* simulate.c: see simulate.h. Randomness, time, and the order in which things happen. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tools/simulate_state.h"

#define SHARE_ONE                     65536u
#define EVENTS_PER_INCIDENT_TENTHS    17 /* measured: how many events one incident leads to */
#define CREDENTIALS_PER_PERSON_TENTHS 14
#define KST_HOURS                     9 /* offices open by Korean time, UTC+9 */
#define BURST_S                       (4 * HOUR_S)
#define PLANS_START                   1024

/* ---- randomness: xoshiro256** seeded by splitmix64 (Blackman and Vigna, public domain) ---- */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}
#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

static uint64_t rotate(uint64_t x, int n)
{
    return x << n | x >> (64 - n);
}

uint64_t sim_random(struct slk_sim *sim)
{
    uint64_t *s = sim->random;
    uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint32_t sim_below(struct slk_sim *sim, uint32_t n)
{
    assert(n > 0);
    return (uint32_t)((sim_random(sim) >> 32) * n >> 32);
}

bool sim_chance(struct slk_sim *sim, unsigned percent)
{
    return sim_below(sim, 100) < percent;
}

void sim_derive(const struct slk_sim *sim, enum sim_domain domain, uint64_t key, uint8_t out[32])
{
    uint64_t secret = mix(sim->options.seed + (uint64_t)domain * GOLDEN);
    uint64_t word = mix(key ^ secret); /* a permutation: keys that differ give words that differ */

    for (size_t i = 0; i < 4; i++) {
        slk_put_u64(out + 8 * i, word);
        word = mix(word + secret + GOLDEN);
    }
}

uint64_t sim_trait(const struct slk_sim *sim, uint64_t key)
{
    return mix((key + GOLDEN) ^ mix(sim->options.seed + SIM_TRAIT * GOLDEN));
}

void sim_handle_of(const struct slk_sim *sim, uint32_t person, unsigned type, uint8_t out[SLK_HANDLE_SIZE])
{
    sim_derive(sim, SIM_HANDLE, (uint64_t)person << 8 | type, out);
}

void sim_device_of(
    const struct slk_sim *sim, const struct sim_credential *c, unsigned generation, uint8_t out[32])
{
    sim_derive(sim, SIM_DEVICE, (uint64_t)c->person << 24 | (uint64_t)c->type << 16 | generation, out);
}

/* A Feistel network over the bits of a place in the list; their number is even. */
uint32_t sim_status_index(const struct slk_sim *sim, unsigned type, uint64_t n)
{
    unsigned half = 0;
    uint32_t mask, left, right;

    while ((1u << 2 * half) < sim->list_size)
        half++;
    mask = (1u << half) - 1;
    left = (uint32_t)(n >> half) & mask;
    right = (uint32_t)n & mask;
    for (unsigned round = 0; round < 4; round++) {
        uint32_t next = left ^ ((uint32_t)sim_trait(sim, (uint64_t)(type * 4 + round) << 32 | right) & mask);

        left = right;
        right = next;
    }
    return left << half | right;
}

/* ---- plans: a heap, earliest first ---- */

static bool earlier(const struct sim_plan *a, const struct sim_plan *b)
{
    return a->at < b->at;
}

void sim_plan(struct slk_sim *sim, uint32_t at, enum sim_action action, uint32_t credential, uint32_t detail)
{
    const struct sim_plan plan = {.at = at, .credential = credential, .detail = detail, .action = action};
    size_t i = sim->plans_n;

    if (sim->plans_n == sim->plans_cap) {
        size_t cap = sim->plans_cap * 2;
        struct sim_plan *more = realloc(sim->plans, cap * sizeof(*more));

        if (more == NULL)
            abort(); /* a tool that writes test data may stop here */
        sim->plans = more;
        sim->plans_cap = cap;
    }
    sim->plans_n++;
    for (; i > 0 && earlier(&plan, &sim->plans[(i - 1) / 2]); i = (i - 1) / 2)
        sim->plans[i] = sim->plans[(i - 1) / 2];
    sim->plans[i] = plan;
}

static struct sim_plan take_plan(struct slk_sim *sim)
{
    struct sim_plan first = sim->plans[0], last = sim->plans[--sim->plans_n];
    size_t i = 0;

    for (size_t child = 1; child < sim->plans_n; child = 2 * i + 1) {
        if (child + 1 < sim->plans_n && earlier(&sim->plans[child + 1], &sim->plans[child]))
            child++;
        if (!earlier(&sim->plans[child], &last))
            break;
        sim->plans[i] = sim->plans[child];
        i = child;
    }
    sim->plans[i] = last;
    return first;
}

/* ---- arrivals: how many people come in each hour ---- */

static bool has_nationwide(const struct slk_sim *sim)
{
    return sim->options.days > SLK_SIM_DAYS;
}

bool sim_is_nationwide(const struct slk_sim *sim)
{
    return has_nationwide(sim) && sim->now >= SLK_SIM_DAYS * DAY_S;
}

/* Offices are busiest before noon; at night people only report losses online and by phone. */
static uint64_t hour_weight(const struct slk_sim *sim, uint64_t hour)
{
    static const uint8_t profile[24] = {
        1, 1, 1, 1, 1, 1, 2, 3, 8, 18, 20, 19, 12, 16, 18, 18, 16, 12, 7, 5, 4, 3, 2, 1};
    uint64_t local = hour + KST_HOURS + sim->options.start_s / HOUR_S; /* hours since a Thursday's midnight */
    uint64_t day = hour / 24, weekday = (local / 24 + 3) % 7;          /* 0 is Monday */
    uint64_t weight = profile[local % 24] * (weekday >= 5 ? 1u : 4u);

    if (!has_nationwide(sim))
        return weight * 30;
    if (day < SLK_SIM_DAYS)
        return weight; /* nine municipalities of 226 */
    return weight * (30 + 60 * (sim->options.days - (day < sim->options.days ? day : sim->options.days)) /
                              sim->options.days);
}

static void plan_arrivals(struct slk_sim *sim)
{
    const struct slk_sim_options *o = &sim->options;
    uint64_t days = o->days != 0 ? o->days : SLK_SIM_DAYS;
    uint64_t existing = o->credentials * o->existing_percent / (100 - o->existing_percent);
    uint64_t people = o->credentials * 10 / CREDENTIALS_PER_PERSON_TENTHS;

    sim->arrivals = people + existing * 10 / EVENTS_PER_INCIDENT_TENTHS + 1;
    for (uint64_t hour = 0; hour < days * 24; hour++)
        sim->weight_total += hour_weight(sim, hour);
    slk_sim_set_existing(sim, (unsigned)o->existing_percent);
}

void slk_sim_set_existing(struct slk_sim *sim, unsigned percent)
{
    uint64_t people =
        (uint64_t)(100 - percent) * 10 / CREDENTIALS_PER_PERSON_TENTHS * EVENTS_PER_INCIDENT_TENTHS;
    uint64_t incidents = (uint64_t)percent * 10;

    assert(percent <= 100);
    sim->incident_share = (unsigned)(SHARE_ONE * incidents / (people + incidents));
}

static uint64_t end_days(const struct slk_sim *sim)
{
    return sim->options.days != 0 ? sim->options.days : SIM_DUE_DAYS;
}

/* Moves to the next arrival: evenly spread over the hour, each one somewhere in its own slice. */
static void next_arrival(struct slk_sim *sim)
{
    while (sim->in_hour == sim->in_hour_n) {
        uint64_t before = sim->arrivals * sim->weight_done / sim->weight_total;

        if (sim->hour >= end_days(sim) * 24) {
            sim->arrival_at = SIM_NONE;
            return;
        }
        sim->weight_done += hour_weight(sim, sim->hour++);
        sim->in_hour_n = (uint32_t)(sim->arrivals * sim->weight_done / sim->weight_total - before);
        sim->in_hour = 0;
    }
    sim->arrival_at = (sim->hour - 1) * HOUR_S +
                      (uint32_t)(((uint64_t)sim->in_hour * HOUR_S + sim_below(sim, HOUR_S)) / sim->in_hour_n);
    sim->in_hour++;
}

/* ---- the whole ---- */

/* One life that every stream tells, spread over the first two months or what there is of them. */
static void plan_story(struct slk_sim *sim)
{
    uint64_t days =
        sim->options.days != 0 && sim->options.days < SLK_SIM_DAYS ? sim->options.days : SLK_SIM_DAYS;
    uint32_t percent = (uint32_t)(days * DAY_S / 100);

    sim_plan(sim, percent * 2, SIM_STORY_ISSUE, 0, 0);
    sim_plan(sim, percent * 35, SIM_STORY_LOCK, 0, SLK_SIM_LOST);
    sim_plan(sim, percent * 37, SIM_REBIND, 0, 0);
    sim_plan(sim, percent * 80, SIM_RENEW, 0, 0);
}

static void plan_burst(struct slk_sim *sim)
{
    uint32_t days = (uint32_t)(sim->options.days != 0 ? sim->options.days : SLK_SIM_DAYS);

    sim->burst_at = sim->options.burst ? days * 2 / 3 * DAY_S + HOUR_S : SIM_NONE;
    sim->burst_carrier = (unsigned)(sim_trait(sim, 0) % SLK_SIM_CARRIERS);
}

static bool options_are_sound(const struct slk_sim_options *o)
{
    return (o->days != 0 || o->events != 0) && o->days <= SIM_DUE_DAYS && o->credentials > 0 &&
           o->credentials <= SLK_SIM_MAX && o->existing_percent <= 90 && o->fault_percent <= 100 &&
           o->start_s >= 366 * (uint64_t)DAY_S && o->start_s < UINT64_C(1) << 40 && o->start_s % HOUR_S == 0;
}

struct slk_sim *slk_sim_new(const struct slk_sim_options *options)
{
    struct slk_sim *sim = options_are_sound(options) ? calloc(1, sizeof(*sim)) : NULL;

    if (sim == NULL)
        return NULL;
    sim->options = *options;
    for (size_t i = 0; i < 4; i++)
        sim->random[i] = mix(options->seed + (i + 1) * GOLDEN);
    sim->credentials_max = (uint32_t)options->credentials;
    sim->credentials =
        calloc(sim->credentials_max, sizeof(*sim->credentials)); /* pages come as they are touched */
    sim->plans_cap = PLANS_START;
    sim->plans = malloc(sim->plans_cap * sizeof(*sim->plans));
    if (sim->credentials == NULL || sim->plans == NULL) {
        slk_sim_free(sim);
        return NULL;
    }
    sim->list_size = slk_sim_status_list_size(options->credentials);
    memset(sim->due, 0xff, sizeof(sim->due));
    sim->persons_n = 1; /* person 0 is the story's */
    sim->credentials_n =
        1; /* and so is credential 0; until it is issued it has state 0 and nobody picks it */
    sim->fault_person = UINT32_MAX;
    plan_arrivals(sim);
    plan_story(sim);
    plan_burst(sim);
    next_arrival(sim);
    return sim;
}

void slk_sim_free(struct slk_sim *sim)
{
    if (sim == NULL)
        return;
    free(sim->credentials);
    free(sim->plans);
    free(sim);
}

static uint32_t burst_time(const struct slk_sim *sim)
{
    if (sim->burst_at == SIM_NONE || sim->burst_n == 0)
        return sim->burst_at;
    return sim->burst_at + (uint32_t)((uint64_t)sim->burst_next * BURST_S / sim->burst_n);
}

static bool step_burst(struct slk_sim *sim, struct slk_sim_item *out)
{
    bool made;

    if (sim->burst_n == 0)
        sim->burst_n = sim->credentials_n; /* those who have a credential when the breach is found */
    made = sim_breach(sim, sim->burst_next, out);
    if (++sim->burst_next == sim->burst_n)
        sim->burst_at = SIM_NONE;
    return made;
}

/* Whatever comes first of the plans, the arrivals and the breach; false when all have ended. *made: it gave an event. */
static bool step(struct slk_sim *sim, struct slk_sim_item *out, bool *made)
{
    uint32_t plan_at = sim->plans_n > 0 ? sim->plans[0].at : SIM_NONE, burst_at = burst_time(sim);
    uint32_t at = plan_at < sim->arrival_at ? plan_at : sim->arrival_at;

    at = burst_at < at ? burst_at : at;
    *made = false;
    if (at == SIM_NONE || at >= end_days(sim) * DAY_S)
        return false;
    if (at / DAY_S >= sim->day) { /* renewals of a day join the plans as it begins */
        sim_plan_renewals(sim, sim->day++);
        return true;
    }
    sim->now = at;
    if (at == plan_at) {
        struct sim_plan plan = take_plan(sim);

        *made = sim_act(sim, &plan, out);
    } else if (at == burst_at) {
        *made = step_burst(sim, out);
    } else {
        *made = sim_arrive(sim, out);
        next_arrival(sim);
    }
    return true;
}

bool slk_sim_next(struct slk_sim *sim, struct slk_sim_item *out)
{
    bool made = false;

    if (sim->fault_owed) {
        sim->fault_owed = false;
        if (sim_fault(sim, out)) {
            out->size = slk_event_format(out->bytes, sizeof(out->bytes), &out->event);
            return out->size > 0;
        }
    }
    if (sim->options.events != 0 && sim->events_n == sim->options.events)
        return false;
    while (!made)
        if (!step(sim, out, &made))
            return false;
    sim->events_n++;
    sim->fault_owed = sim->options.fault_percent > 0 && sim_chance(sim, (unsigned)sim->options.fault_percent);
    return true;
}

uint64_t slk_sim_credentials_n(const struct slk_sim *sim)
{
    return sim->credentials_n;
}

void slk_sim_story(const struct slk_sim *sim, uint8_t handle[SLK_HANDLE_SIZE])
{
    sim_handle_of(sim, 0, SLK_SIM_PHONE, handle);
}

void slk_sim_absent(const struct slk_sim *sim, uint8_t handle[SLK_HANDLE_SIZE])
{
    sim_handle_of(sim, UINT32_MAX, SLK_SIM_PHONE, handle);
}

void slk_sim_handle(const struct slk_sim *sim, uint64_t i, uint8_t handle[SLK_HANDLE_SIZE])
{
    assert(i < sim->credentials_n);
    sim_handle_of(sim, sim->credentials[i].person, i == 0 ? SLK_SIM_PHONE : sim->credentials[i].type, handle);
}
