/* simulate_state.h: the simulation's insides, shared by simulate.c (time), simulate_life.c (what happens to
 * credentials) and simulate_faults.c (what must be refused). */
#ifndef SLK_TOOLS_SIMULATE_STATE_H
#define SLK_TOOLS_SIMULATE_STATE_H

#include "tools/simulate.h"

#define MINUTE_S 60u
#define HOUR_S   3600u
#define DAY_S    86400u

#define SIM_NONE     UINT32_MAX
#define SIM_DUE_DAYS SLK_SIM_DAYS_MAX /* days ahead that renewals are planned for */
#define SIM_LAPSED   64               /* expired credentials remembered, for faults */
#define SIM_TYPES    2
#define SIM_SAFE_S                                                                                           \
    (2 * DAY_S) /* no event that needs validity closer to its end: block times may lead a little */

/* One credential, 52 bytes. Its handle and devices are derived, not stored. Times are seconds since the start. */
struct sim_credential {
    struct slk_hash last_event_id;
    uint32_t person;
    uint32_t valid_until;
    uint32_t next_due; /* next in the list of its renewal day */
    uint16_t count;
    uint16_t generation; /* of its device */
    uint16_t office;     /* issuer that serves it; its agency owns it */
    uint8_t type : 2;
    uint8_t state : 3;  /* enum slk_state */
    uint8_t is_due : 1; /* stands in a renewal list */
    uint8_t is_provisional : 1;
};

/* What is planned for a credential; checked against its state when the time has come, dropped when it does not fit. */
enum sim_action {
    SIM_SECOND = 1, /* the person of `credential` gets the other type too */
    SIM_REISSUE,
    SIM_UNLOCK,
    SIM_REBIND,
    SIM_RENEW,
    SIM_REVOKE, /* `detail` is enum slk_sim_reason */
    SIM_STORY_ISSUE,
    SIM_STORY_LOCK
};
struct sim_plan {
    uint32_t at;
    uint32_t credential;
    uint32_t detail;
    enum sim_action action;
};

struct slk_sim {
    struct slk_sim_options options;
    uint64_t random[4];      /* xoshiro256** */
    uint32_t now;            /* seconds since the start */
    uint64_t events_n;       /* valid ones so far */
    unsigned incident_share; /* of 65,536 arrivals */

    struct sim_credential *credentials;
    uint32_t credentials_n, credentials_max;
    uint32_t persons_n;
    uint64_t index_used[SIM_TYPES + 1]; /* places drawn from each type's status list */
    uint32_t list_size;

    struct sim_plan *plans; /* heap, earliest first */
    size_t plans_n, plans_cap;

    uint32_t due[SIM_DUE_DAYS]; /* heads of the renewal lists by day */
    uint32_t day;               /* the next day whose list is to be planned */

    /* arrivals: people who walk in, hour by hour */
    uint64_t arrivals, weight_total; /* planned for the whole time; weights of all its hours */
    uint64_t weight_done;
    uint32_t hour, in_hour_n, in_hour;
    uint32_t arrival_at; /* when the next one comes; SIM_NONE: none any more */

    /* the breach */
    uint32_t burst_at, burst_n, burst_next;
    unsigned burst_carrier;

    unsigned fault_next;   /* which kind of fault comes next */
    uint32_t fault_person; /* counts down: people who never come */
    bool fault_owed;
    uint32_t lapsed[SIM_LAPSED];
    uint32_t lapsed_n;
};

/* simulate.c */
uint64_t sim_random(struct slk_sim *sim);
uint32_t sim_below(struct slk_sim *sim, uint32_t n); /* 0..n-1; n > 0 */
bool sim_chance(struct slk_sim *sim, unsigned percent);
void sim_plan(struct slk_sim *sim, uint32_t at, enum sim_action action, uint32_t credential, uint32_t detail);
bool sim_is_nationwide(const struct slk_sim *sim);

/* 32 bytes that only the seed predicts; different keys within a domain give different bytes. */
enum sim_domain { SIM_HANDLE = 1, SIM_DEVICE, SIM_TRAIT };
void sim_derive(const struct slk_sim *sim, enum sim_domain domain, uint64_t key, uint8_t out[32]);
uint64_t sim_trait(const struct slk_sim *sim, uint64_t key); /* a fixed random number about a person */
void sim_handle_of(const struct slk_sim *sim, uint32_t person, unsigned type, uint8_t out[SLK_HANDLE_SIZE]);
void sim_device_of(
    const struct slk_sim *sim, const struct sim_credential *c, unsigned generation, uint8_t out[32]);
/* The n-th place drawn from a status list: a permutation of its places, so none comes twice. */
uint32_t sim_status_index(const struct slk_sim *sim, unsigned type, uint64_t n);

/* simulate_life.c */
bool sim_arrive(struct slk_sim *sim, struct slk_sim_item *out);
bool sim_act(struct slk_sim *sim, const struct sim_plan *plan, struct slk_sim_item *out);
bool sim_breach(struct slk_sim *sim, uint32_t credential, struct slk_sim_item *out);
void sim_plan_renewals(struct slk_sim *sim, uint32_t day);
/* An event about a credential with everything but what its kind needs. */
void sim_begin(
    const struct slk_sim *sim, const struct sim_credential *c, enum slk_kind kind, struct slk_sim_item *out);
uint32_t sim_three_years(uint32_t now);

/* simulate_faults.c */
bool sim_fault(struct slk_sim *sim, struct slk_sim_item *out);

#endif
