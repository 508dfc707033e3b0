/* simulate_faults.c: events that a ledger must refuse, one for each rule that a single event can break. */
#include <string.h>

#include "tools/simulate_state.h"

#define PICKS        64
#define NO_SUCH_CODE 99 /* no type or reason of the charter */

static struct sim_credential *pick(struct slk_sim *sim, enum slk_state state, unsigned type)
{
    for (unsigned tries = 0; tries < PICKS; tries++) {
        struct sim_credential *c = &sim->credentials[sim_below(sim, sim->credentials_n)];

        if (c->count > 0 && c->state == state && c->valid_until > sim->now + SIM_SAFE_S &&
            (type == 0 || c->type == type) && c->office != SLK_SIM_MINT)
            return c;
    }
    return NULL;
}

/* The police may lock anything that is active: a lock in which one thing is wrong. */
static bool begin_lock(struct slk_sim *sim, struct slk_sim_item *out)
{
    const struct sim_credential *c = pick(sim, SLK_ACTIVE, 0);

    if (c == NULL)
        return false;
    sim_begin(sim, c, SLK_LOCK, out);
    out->issuer = SLK_SIM_POLICE;
    out->event.channel = SLK_AUTHORITY;
    out->event.reason = SLK_SIM_STOLEN;
    return true;
}

/* Somebody who never comes: for first events in which one thing is wrong. */
static struct sim_credential nobody(struct slk_sim *sim)
{
    return (struct sim_credential){.person = --sim->fault_person, .type = SLK_SIM_PHONE};
}

static bool begin_issue(struct slk_sim *sim, struct slk_sim_item *out)
{
    const struct sim_credential c = nobody(sim);

    sim_begin(sim, &c, SLK_ISSUE, out);
    out->issuer = 0;
    out->event.channel = SLK_OFFICE_QR;
    out->event.has_device = true;
    sim_device_of(sim, &c, 0, out->event.device.b);
    out->event.carrier = SLK_PHONE;
    out->event.type = SLK_SIM_PHONE;
    out->event.valid_until_s = sim->options.start_s + sim_three_years(sim->now);
    out->event.status_index = sim_status_index(sim, SLK_SIM_PHONE, sim->list_size - 1 - sim_below(sim, 1000));
    return true;
}

/* Of the owner, in person: a re-binding, unlocking or renewal in which one thing is wrong. */
static bool begin_owner(
    struct slk_sim *sim, const struct sim_credential *c, enum slk_kind kind, struct slk_sim_item *out)
{
    if (c == NULL)
        return false;
    sim_begin(sim, c, kind, out);
    out->issuer = c->office;
    out->event.channel = SLK_OFFICE_QR;
    if (kind == SLK_REBIND) {
        out->event.has_device = true;
        sim_device_of(sim, c, c->generation + 1u, out->event.device.b);
        out->event.carrier = c->type == SLK_SIM_CARD ? SLK_CHIP_CARD : SLK_PHONE;
    }
    return true;
}

static bool field_missing(struct slk_sim *sim, struct slk_sim_item *out)
{
    bool made = begin_lock(sim, out);

    out->event.reason = 0;
    return made;
}

static bool field_not_allowed(struct slk_sim *sim, struct slk_sim_item *out)
{
    bool made = begin_lock(sim, out);

    out->event.has_device = true;
    out->event.device = out->event.previous;
    return made;
}

static bool issuer_unknown(struct slk_sim *sim, struct slk_sim_item *out)
{
    bool made = begin_lock(sim, out);

    out->issuer = SLK_SIM_STRANGER;
    return made;
}

static bool issuer_time(struct slk_sim *sim, struct slk_sim_item *out)
{
    bool made = begin_lock(sim, out);

    out->issuer = SLK_SIM_CLOSED;
    return made;
}

static bool right_kind(struct slk_sim *sim, struct slk_sim_item *out)
{
    const struct sim_credential *c = pick(sim, SLK_LOCKED, SLK_SIM_PHONE);
    bool made = begin_owner(sim, c, SLK_UNLOCK, out);

    out->issuer = SLK_SIM_CARRIER; /* carriers may lock, not unlock */
    out->event.channel = SLK_CARRIER_REPORT;
    return made;
}

static bool type_unknown(struct slk_sim *sim, struct slk_sim_item *out)
{
    begin_issue(sim, out);
    out->event.type = NO_SUCH_CODE;
    return true;
}

static bool right_type(struct slk_sim *sim, struct slk_sim_item *out)
{
    begin_issue(sim, out);
    out->issuer = SLK_SIM_MINT; /* makes cards, not phones */
    return true;
}

static bool reason_unknown(struct slk_sim *sim, struct slk_sim_item *out)
{
    bool made = begin_lock(sim, out);

    out->event.reason = NO_SUCH_CODE;
    return made;
}

static bool occurred_in_future(struct slk_sim *sim, struct slk_sim_item *out)
{
    bool made = begin_lock(sim, out);

    out->event.occurred_at_s += 30 * DAY_S;
    return made;
}

static bool sequence(struct slk_sim *sim, struct slk_sim_item *out)
{
    bool made = begin_lock(sim, out);

    out->event.sequence++;
    return made;
}

/* Another office was faster: the event builds on a head that is no longer the last. */
static bool previous(struct slk_sim *sim, struct slk_sim_item *out)
{
    bool made = begin_lock(sim, out);

    out->event.previous.b[31] ^= 1;
    return made;
}

static bool not_issued(struct slk_sim *sim, struct slk_sim_item *out)
{
    const struct sim_credential c = nobody(sim);

    sim_begin(sim, &c, SLK_LOCK, out);
    out->issuer = SLK_SIM_POLICE;
    out->event.channel = SLK_AUTHORITY;
    out->event.reason = SLK_SIM_STOLEN;
    return true;
}

/* Unlocking what is not locked, or a second credential of one type for one person. */
static bool state(struct slk_sim *sim, struct slk_sim_item *out)
{
    const struct sim_credential *c = pick(sim, SLK_ACTIVE, SLK_SIM_PHONE);
    struct slk_sim_item fresh;

    if (!begin_owner(sim, c, SLK_UNLOCK, out) || sim_chance(sim, 50))
        return c != NULL;
    begin_issue(sim, &fresh);
    memcpy(fresh.event.credential, out->event.credential, SLK_HANDLE_SIZE);
    fresh.event.sequence = out->event.sequence;
    fresh.event.has_previous = true;
    fresh.event.previous = out->event.previous;
    *out = fresh;
    return true;
}

static bool not_owner(struct slk_sim *sim, struct slk_sim_item *out)
{
    bool made = begin_owner(sim, pick(sim, SLK_ACTIVE, SLK_SIM_CARD), SLK_REBIND, out);

    out->issuer = SLK_SIM_MINT;
    return made;
}

static bool expired(struct slk_sim *sim, struct slk_sim_item *out)
{
    for (uint32_t i = 0; i < sim->lapsed_n && i < SIM_LAPSED; i++) {
        const struct sim_credential *c = &sim->credentials[sim->lapsed[i]];

        if (c->valid_until + HOUR_S < sim->now && c->state == SLK_ACTIVE && c->office != SLK_SIM_MINT)
            return begin_owner(sim, c, SLK_REBIND, out);
    }
    return false;
}

static bool validity_past(struct slk_sim *sim, struct slk_sim_item *out)
{
    begin_issue(sim, out);
    out->event.valid_until_s = out->event.occurred_at_s - HOUR_S;
    return true;
}

static bool validity_long(struct slk_sim *sim, struct slk_sim_item *out)
{
    begin_issue(sim, out);
    out->event.valid_until_s += 30 * DAY_S;
    return true;
}

static bool validity_not_longer(struct slk_sim *sim, struct slk_sim_item *out)
{
    const struct sim_credential *c = pick(sim, SLK_ACTIVE, 0);
    bool made = begin_owner(sim, c, SLK_RENEW, out);

    if (made)
        out->event.valid_until_s = sim->options.start_s + c->valid_until;
    return made;
}

static bool same_device(struct slk_sim *sim, struct slk_sim_item *out)
{
    const struct sim_credential *c = pick(sim, SLK_ACTIVE, 0);
    bool made = begin_owner(sim, c, SLK_REBIND, out);

    if (made)
        sim_device_of(sim, c, c->generation, out->event.device.b);
    return made;
}

static bool status_index_range(struct slk_sim *sim, struct slk_sim_item *out)
{
    begin_issue(sim, out);
    out->event.status_index = sim->list_size + sim_below(sim, 1000);
    return true;
}

static bool status_index_used(struct slk_sim *sim, struct slk_sim_item *out)
{
    uint32_t used = (uint32_t)sim->index_used[SLK_SIM_PHONE];

    if (used == 0)
        return false;
    begin_issue(sim, out);
    do
        out->event.status_index = sim_status_index(sim, SLK_SIM_PHONE, sim_below(sim, used));
    while (out->event.status_index == 0); /* place 0 is passed over when drawing */
    return true;
}

static const struct {
    enum slk_rule rule;
    bool (*make)(struct slk_sim *sim, struct slk_sim_item *out);
} faults[] = {
    {SLK_RULE_FIELD_MISSING, field_missing},
    {SLK_RULE_FIELD_NOT_ALLOWED, field_not_allowed},
    {SLK_RULE_ISSUER_UNKNOWN, issuer_unknown},
    {SLK_RULE_ISSUER_TIME, issuer_time},
    {SLK_RULE_RIGHT_KIND, right_kind},
    {SLK_RULE_TYPE_UNKNOWN, type_unknown},
    {SLK_RULE_RIGHT_TYPE, right_type},
    {SLK_RULE_REASON_UNKNOWN, reason_unknown},
    {SLK_RULE_OCCURRED_IN_FUTURE, occurred_in_future},
    {SLK_RULE_SEQUENCE, sequence},
    {SLK_RULE_PREVIOUS, previous},
    {SLK_RULE_NOT_ISSUED, not_issued},
    {SLK_RULE_STATE, state},
    {SLK_RULE_NOT_OWNER, not_owner},
    {SLK_RULE_EXPIRED, expired},
    {SLK_RULE_VALIDITY_PAST, validity_past},
    {SLK_RULE_VALIDITY_LONG, validity_long},
    {SLK_RULE_VALIDITY_NOT_LONGER, validity_not_longer},
    {SLK_RULE_SAME_DEVICE, same_device},
    {SLK_RULE_STATUS_INDEX_RANGE, status_index_range},
    {SLK_RULE_STATUS_INDEX_USED, status_index_used},
};
#define FAULTS_N (sizeof(faults) / sizeof(faults[0]))

/* The next kind of fault that the credentials at hand allow. */
bool sim_fault(struct slk_sim *sim, struct slk_sim_item *out)
{
    for (size_t tries = 0; tries < FAULTS_N; tries++) {
        unsigned i = sim->fault_next++ % FAULTS_N;

        memset(out, 0, sizeof(*out));
        if (faults[i].make(sim, out)) {
            out->expect = faults[i].rule;
            return true;
        }
    }
    return false;
}
