/* simulate_life.c: what happens to people's credentials, and what they do about it. */
#include <assert.h>
#include <string.h>

#include "tools/simulate_state.h"

#define END_OF_DAY_S         (14 * HOUR_S + 59 * MINUTE_S + 59) /* 23:59:59 in Korea, as UTC */
#define PROVISIONAL_S        (40 * DAY_S) /* first pilot credentials, renewed within the pilot */
#define PROVISIONAL_DAYS     14
#define STORY_VALID_S        (90 * DAY_S)
#define NOTICE_S             (30 * DAY_S) /* people are told this long before the end */
#define PROVISIONAL_NOTICE_S (10 * DAY_S)
#define PICKS                8

/* ---- writing one event down ---- */

void sim_begin(
    const struct slk_sim *sim, const struct sim_credential *c, enum slk_kind kind, struct slk_sim_item *out)
{
    memset(&out->event, 0, sizeof(out->event));
    sim_handle_of(sim, c->person, c->type, out->event.credential);
    out->event.sequence = c->count;
    out->event.has_previous = c->count > 0;
    if (c->count > 0)
        out->event.previous = c->last_event_id;
    out->event.kind = kind;
    out->event.occurred_at_s = sim->options.start_s + sim->now;
    out->expect = SLK_RULE_OK;
}

/* Commitments to off-ledger records look random to everybody; most events have one. */
static void add_commitment(struct slk_sim *sim, struct slk_event *event)
{
    if (event->kind == SLK_LOCK && event->channel == SLK_CARRIER_REPORT)
        return; /* carriers keep no record of the holder for us */
    event->has_commitment = true;
    for (size_t i = 0; i < 4; i++)
        slk_put_u64(event->commitment.b + 8 * i, sim_random(sim));
}

static bool finish(struct slk_sim *sim, struct sim_credential *c, unsigned issuer, enum slk_channel channel,
    struct slk_sim_item *out)
{
    out->issuer = issuer;
    out->event.channel = (uint32_t)channel;
    add_commitment(sim, &out->event);
    out->size = slk_event_format(out->bytes, sizeof(out->bytes), &out->event);
    assert(out->size > 0);
    slk_event_id(&out->id, slk_span_of(out->bytes, out->size));
    c->last_event_id = out->id;
    c->count++;
    return true;
}

static void bind(const struct slk_sim *sim, struct sim_credential *c, struct slk_event *event)
{
    event->has_device = true;
    sim_device_of(sim, c, c->generation, event->device.b);
    event->carrier = c->type == SLK_SIM_CARD ? SLK_CHIP_CARD : SLK_PHONE;
}

/* Three years from now, at the end of a day. */
uint32_t sim_three_years(uint32_t now)
{
    uint32_t until = now + (uint32_t)SLK_SIM_VALIDITY_S;
    uint32_t end = until / DAY_S * DAY_S + END_OF_DAY_S;

    return end <= until ? end : end - DAY_S;
}

static uint32_t notice_of(const struct sim_credential *c)
{
    return c->is_provisional ? PROVISIONAL_NOTICE_S : NOTICE_S;
}

static void expect_renewal(struct slk_sim *sim, uint32_t i)
{
    struct sim_credential *c = &sim->credentials[i];
    uint32_t day = (c->valid_until - notice_of(c)) / DAY_S;

    if (c->is_due || i == 0 || day >= SIM_DUE_DAYS)
        return;
    if (day < sim->day)
        day = sim->day;
    c->is_due = 1;
    c->next_due = sim->due[day];
    sim->due[day] = i;
}

/* ---- who does it ---- */

static unsigned pick_office(struct slk_sim *sim)
{
    uint32_t a, b;

    if (!sim_is_nationwide(sim))
        return sim_below(sim, SLK_SIM_PILOTS);
    a = sim_below(sim, SLK_SIM_OFFICES);
    b = sim_below(sim, SLK_SIM_OFFICES);
    return a < b ? a : b; /* big towns first */
}

/* The owner's side: mostly where the credential was issued, sometimes another office, sometimes online. */
static unsigned pick_owner(struct slk_sim *sim, const struct sim_credential *c, enum slk_channel *channel)
{
    if (c->office == SLK_SIM_MINT) {
        *channel = SLK_AUTHORITY;
        return SLK_SIM_MINT;
    }
    if (sim_chance(sim, 25)) {
        *channel = sim_chance(sim, 50) ? SLK_ONLINE : SLK_CHIP_CARD_TAP;
        return SLK_SIM_ONLINE;
    }
    *channel = SLK_OFFICE_QR;
    return sim_chance(sim, 80) ? c->office : pick_office(sim);
}

static unsigned carrier_of(const struct slk_sim *sim, const struct sim_credential *c)
{
    return c->person == 0 ? 0 : (unsigned)(sim_trait(sim, (uint64_t)c->person << 8) % SLK_SIM_CARRIERS);
}

/* Who locks, and why: carriers for lost phones, the police for theft, the owner for the rest. */
static unsigned pick_locker(
    struct slk_sim *sim, const struct sim_credential *c, uint32_t reason, enum slk_channel *channel)
{
    unsigned owner;

    if (c->type == SLK_SIM_PHONE &&
        (reason == SLK_SIM_INTEGRITY || (reason == SLK_SIM_LOST && sim_chance(sim, 65)))) {
        *channel = SLK_CARRIER_REPORT;
        return SLK_SIM_CARRIER + carrier_of(sim, c);
    }
    if (reason == SLK_SIM_STOLEN) {
        *channel = SLK_AUTHORITY;
        return SLK_SIM_POLICE;
    }
    owner = pick_owner(sim, c, channel);
    *channel = SLK_HOLDER_REPORT;
    return owner;
}

/* ---- the six kinds ---- */

static bool lives(const struct sim_credential *c)
{
    return c->state == SLK_ACTIVE || c->state == SLK_LOCKED;
}

static bool is_valid(const struct slk_sim *sim, const struct sim_credential *c)
{
    return c->valid_until > sim->now + SIM_SAFE_S;
}

static bool issue(
    struct slk_sim *sim, uint32_t i, unsigned issuer, enum slk_channel channel, struct slk_sim_item *out)
{
    struct sim_credential *c = &sim->credentials[i];

    if (sim->index_used[c->type] + 2 >= sim->list_size)
        return false; /* the status list is full */
    sim_begin(sim, c, SLK_ISSUE, out);
    c->state = SLK_ACTIVE;
    c->office = (uint16_t)issuer;
    bind(sim, c, &out->event);
    out->event.type = c->type;
    out->event.valid_until_s = sim->options.start_s + c->valid_until;
    do
        out->event.status_index = sim_status_index(sim, c->type, sim->index_used[c->type]++);
    while (out->event.status_index == 0); /* 0 is not written: fine, but harder to read in a demonstration */
    finish(sim, c, issuer, channel, out);
    expect_renewal(sim, i);
    return true;
}

static void set_validity(struct slk_sim *sim, struct sim_credential *c)
{
    c->is_provisional = sim->now < PROVISIONAL_DAYS * DAY_S && sim_chance(sim, 20);
    c->valid_until = c->is_provisional ? sim->now + PROVISIONAL_S : sim_three_years(sim->now);
}

static bool issue_new(
    struct slk_sim *sim, uint32_t person, unsigned type, unsigned home, struct slk_sim_item *out)
{
    enum slk_channel channel = SLK_OFFICE_QR;
    uint32_t i = sim->credentials_n;
    unsigned issuer = home;
    struct sim_credential *c;

    if (i == sim->credentials_max)
        return false;
    sim->credentials_n++;
    c = &sim->credentials[i];
    c->person = person;
    c->type = type & 3u;
    set_validity(sim, c);
    if (type == SLK_SIM_CARD && sim_chance(sim, 4)) {
        issuer = SLK_SIM_MINT;
        channel = SLK_AUTHORITY;
    } else if (type == SLK_SIM_PHONE && sim_chance(sim, 40)) {
        channel = SLK_CHIP_CARD_TAP; /* the person's own card against the phone: no visit */
        issuer = home;
    }
    return issue(sim, i, issuer, channel, out);
}

static bool issue_story(struct slk_sim *sim, struct slk_sim_item *out)
{
    struct sim_credential *c = &sim->credentials[0];

    c->type = SLK_SIM_PHONE;
    c->valid_until = sim->now + STORY_VALID_S;
    return issue(sim, 0, 0, SLK_OFFICE_QR, out);
}

static bool reissue(struct slk_sim *sim, uint32_t i, struct slk_sim_item *out)
{
    struct sim_credential *c = &sim->credentials[i];

    if (c->state != SLK_REVOKED || c->generation == UINT16_MAX)
        return false;
    c->generation++;
    c->is_provisional = 0;
    c->valid_until = sim_three_years(sim->now);
    return issue(sim, i, c->office, c->office == SLK_SIM_MINT ? SLK_AUTHORITY : SLK_OFFICE_QR, out);
}

static bool lock(
    struct slk_sim *sim, struct sim_credential *c, uint32_t reason, bool by_carrier, struct slk_sim_item *out)
{
    enum slk_channel channel = SLK_CARRIER_REPORT;
    unsigned issuer;

    if (c->state != SLK_ACTIVE)
        return false;
    sim_begin(sim, c, SLK_LOCK, out);
    out->event.reason = reason;
    c->state = SLK_LOCKED;
    issuer = by_carrier ? SLK_SIM_CARRIER + carrier_of(sim, c) : pick_locker(sim, c, reason, &channel);
    return finish(sim, c, issuer, channel, out);
}

static bool unlock(struct slk_sim *sim, struct sim_credential *c, struct slk_sim_item *out)
{
    enum slk_channel channel;
    unsigned issuer;

    if (c->state != SLK_LOCKED || !is_valid(sim, c))
        return false;
    sim_begin(sim, c, SLK_UNLOCK, out);
    c->state = SLK_ACTIVE;
    issuer = pick_owner(sim, c, &channel);
    return finish(sim, c, issuer, channel, out);
}

static bool rebind(struct slk_sim *sim, struct sim_credential *c, struct slk_sim_item *out)
{
    enum slk_channel channel;
    unsigned issuer;

    if (!lives(c) || !is_valid(sim, c) || c->generation == UINT16_MAX)
        return false;
    c->generation++;
    sim_begin(sim, c, SLK_REBIND, out);
    c->state = SLK_ACTIVE;
    bind(sim, c, &out->event);
    issuer = pick_owner(sim, c, &channel);
    return finish(sim, c, issuer, channel, out);
}

static bool renew(struct slk_sim *sim, uint32_t i, struct slk_sim_item *out)
{
    struct sim_credential *c = &sim->credentials[i];
    uint32_t until = sim_three_years(sim->now);
    enum slk_channel channel;
    unsigned issuer;

    if (!lives(c) || until <= c->valid_until)
        return false;
    sim_begin(sim, c, SLK_RENEW, out);
    c->valid_until = until;
    c->is_provisional = 0;
    out->event.valid_until_s = sim->options.start_s + until;
    issuer = pick_owner(sim, c, &channel);
    finish(sim, c, issuer, channel, out);
    expect_renewal(sim, i);
    return true;
}

static bool revoke(struct slk_sim *sim, struct sim_credential *c, uint32_t reason, struct slk_sim_item *out)
{
    enum slk_channel channel;
    unsigned issuer;

    if (!lives(c))
        return false;
    sim_begin(sim, c, SLK_REVOKE, out);
    out->event.reason = reason;
    c->state = SLK_REVOKED;
    issuer = pick_owner(sim, c, &channel);
    return finish(sim, c, issuer, channel, out);
}

/* ---- courses of events ---- */

static uint32_t after(struct slk_sim *sim, uint32_t least_s, uint32_t most_s)
{
    return sim->now + least_s + sim_below(sim, most_s - least_s);
}

/* After a loss: found again, replaced, or given up. */
static void plan_recovery(struct slk_sim *sim, uint32_t i)
{
    uint32_t roll = sim_below(sim, 100);

    if (roll < 50) {
        sim_plan(sim, after(sim, 20 * MINUTE_S, 3 * DAY_S), SIM_UNLOCK, i, 0);
    } else if (roll < 88) {
        sim_plan(sim, after(sim, 4 * HOUR_S, 6 * DAY_S), SIM_REBIND, i, 0);
    } else if (roll < 96) {
        uint32_t at = after(sim, DAY_S, 8 * DAY_S);

        sim_plan(sim, at, SIM_REVOKE, i, SLK_SIM_LOST);
        if (sim_chance(sim, 70))
            sim_plan(sim, at + HOUR_S + sim_below(sim, 5 * DAY_S), SIM_REISSUE, i, 0);
    } /* else it stays locked */
}

static bool lose(struct slk_sim *sim, uint32_t i, struct slk_sim_item *out)
{
    uint32_t reason = sim_chance(sim, 15) ? SLK_SIM_STOLEN : SLK_SIM_LOST;

    if (!lock(sim, &sim->credentials[i], reason, false, out))
        return false;
    plan_recovery(sim, i);
    return true;
}

/* Something happens to a credential that exists. */
static bool incident(struct slk_sim *sim, uint32_t i, struct slk_sim_item *out)
{
    struct sim_credential *c = &sim->credentials[i];
    uint32_t roll = sim_below(sim, 100);

    if (roll < 45)
        return lose(sim, i, out);
    if (roll < 70)
        return rebind(sim, c, out); /* a new phone, a worn card */
    if (roll < 80) {
        if (!lock(sim, c, SLK_SIM_HOLDER_REQUEST, false, out))
            return false;
        sim_plan(sim, after(sim, DAY_S, 14 * DAY_S), SIM_UNLOCK, i, 0);
        return true;
    }
    if (roll < 86)
        return revoke(sim, c, SLK_SIM_HOLDER_REQUEST, out);
    if (roll < 90)
        return revoke(sim, c, SLK_SIM_ENDED, out);
    if (!revoke(sim, c, roll < 95 ? SLK_SIM_ISSUED_IN_ERROR : SLK_SIM_REPLACED, out))
        return false;
    sim_plan(sim, after(sim, 10 * MINUTE_S, 2 * HOUR_S), SIM_REISSUE, i, 0);
    return true;
}

/* A person comes for the first time: a card, a phone, or first one and then the other. */
static bool new_person(struct slk_sim *sim, struct slk_sim_item *out)
{
    uint32_t person = sim->persons_n, i = sim->credentials_n;
    uint32_t roll = sim_below(sim, 100);
    unsigned type = roll < 50 ? SLK_SIM_PHONE : SLK_SIM_CARD;

    if (!issue_new(sim, person, type, pick_office(sim), out))
        return false;
    sim->persons_n++;
    if (roll >= 30 && roll < 70)
        sim_plan(sim, after(sim, 10 * MINUTE_S, 10 * DAY_S), SIM_SECOND, i, 0);
    return true;
}

bool sim_arrive(struct slk_sim *sim, struct slk_sim_item *out)
{
    if (sim->credentials_n < sim->credentials_max && (sim_random(sim) >> 48) >= sim->incident_share)
        return new_person(sim, out);
    for (unsigned tries = 0; tries < PICKS && sim->credentials_n > 1;
         tries++) /* the story's own is left alone */
        if (incident(sim, 1 + sim_below(sim, sim->credentials_n - 1), out))
            return true;
    return sim->credentials_n < sim->credentials_max && new_person(sim, out);
}

static bool second(struct slk_sim *sim, uint32_t first, struct slk_sim_item *out)
{
    const struct sim_credential *c = &sim->credentials[first];
    unsigned home = c->office < SLK_SIM_OFFICES ? c->office : pick_office(sim);

    return issue_new(sim, c->person, c->type == SLK_SIM_CARD ? SLK_SIM_PHONE : SLK_SIM_CARD, home, out);
}

bool sim_act(struct slk_sim *sim, const struct sim_plan *plan, struct slk_sim_item *out)
{
    struct sim_credential *c = &sim->credentials[plan->credential];

    assert(plan->credential < sim->credentials_n);
    switch (plan->action) {
    case SIM_SECOND:
        return second(sim, plan->credential, out);
    case SIM_REISSUE:
        return reissue(sim, plan->credential, out);
    case SIM_UNLOCK:
        return unlock(sim, c, out);
    case SIM_REBIND:
        return rebind(sim, c, out);
    case SIM_RENEW:
        return renew(sim, plan->credential, out);
    case SIM_REVOKE:
        return revoke(sim, c, plan->detail, out);
    case SIM_STORY_ISSUE:
        return issue_story(sim, out);
    case SIM_STORY_LOCK:
        return lock(sim, c, plan->detail, true, out);
    }
    return false;
}

/* A carrier finds that the keys of many SIM cards leaked: it locks three in ten of its customers' phones. */
bool sim_breach(struct slk_sim *sim, uint32_t credential, struct slk_sim_item *out)
{
    struct sim_credential *c = &sim->credentials[credential];

    if (c->type != SLK_SIM_PHONE || carrier_of(sim, c) != sim->burst_carrier || credential == 0 ||
        sim_trait(sim, (uint64_t)c->person << 8 | 1) % 10 >= 3 || !lock(sim, c, SLK_SIM_INTEGRITY, true, out))
        return false;
    if (sim_chance(sim, 95))
        sim_plan(sim, after(sim, 6 * HOUR_S, 10 * DAY_S), sim_chance(sim, 85) ? SIM_UNLOCK : SIM_REBIND,
            credential, 0);
    return true;
}

/* Everybody whose notice went out today renews in the course of the next days, or lets it lapse. */
void sim_plan_renewals(struct slk_sim *sim, uint32_t day)
{
    uint32_t i = day < SIM_DUE_DAYS ? sim->due[day] : SIM_NONE, next;

    for (; i != SIM_NONE; i = next) {
        struct sim_credential *c = &sim->credentials[i];
        uint32_t notice = notice_of(c);

        next = c->next_due;
        c->is_due = 0;
        if (!lives(c))
            continue;
        if ((c->valid_until - notice) / DAY_S > day)
            expect_renewal(sim, i); /* renewed or issued again meanwhile */
        else if (sim_chance(sim, 94))
            sim_plan(sim, day * DAY_S + sim_below(sim, notice - 2 * DAY_S), SIM_RENEW, i, 0);
        else
            sim->lapsed[sim->lapsed_n++ % SIM_LAPSED] = i;
    }
}
