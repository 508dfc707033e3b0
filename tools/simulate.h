/* simulate.h: a country in a file: a realistic, reproducible stream of events that the ledger's rules accept.
 *
 * Pure: a seed and some numbers in, events out; integers only, so the same seed gives the same bytes on every machine.
 * The model: an interior ministry with nine pilot municipalities and then offices nationwide, its online service, the
 * mint's card desk, the police, and three carriers' desks that may lock anyone's credential; chip cards and phones as two
 * credential types. People get credentials, change and lose phones, report losses, find things again, renew, give up.
 */
#ifndef SLK_TOOLS_SIMULATE_H
#define SLK_TOOLS_SIMULATE_H

#include "ledger/core/charter.h"
#include "ledger/verify/record.h"

#define SLK_SIM_START_S     UINT64_C(1767571200) /* 2026-01-05T00:00:00Z, a Monday */
#define SLK_SIM_DAYS        60                   /* the pilot: two months */
#define SLK_SIM_CREDENTIALS 80000
#define SLK_SIM_EXISTING    30
#define SLK_SIM_MAX         200000000 /* credentials */
#define SLK_SIM_DAYS_MAX    16384

struct slk_sim_options {
    uint64_t seed;
    uint64_t start_s;
    uint64_t days;   /* 0: no end; the rates are then those of a pilot of SLK_SIM_DAYS, and go on */
    uint64_t events; /* stop after this many valid events; 0: no such limit. One of the two must be set */
    uint64_t credentials;      /* issue about this many, then only what happens to them */
    uint64_t existing_percent; /* of all events, about so many are about existing credentials; 0..90 */
    uint64_t fault_percent;    /* beside 100 valid events, about so many that must be refused; 0..100 */
    bool burst;                /* a carrier breach two thirds into the time: mass locks within four hours */
};

struct slk_sim_item {
    struct slk_event event;
    uint8_t bytes[SLK_EVENT_MAX]; /* canonical */
    size_t size;
    struct slk_hash id;   /* of a valid event */
    unsigned issuer;      /* whose key signs: below SLK_SIM_ISSUERS, or SLK_SIM_STRANGER */
    enum slk_rule expect; /* SLK_RULE_OK, or the rule that must refuse it; then it must be submitted alone */
};

struct slk_sim;
/* Checks and copies the options. NULL when out of memory or when an option is out of range. About 52 bytes a credential,
 * touched as they are issued. */
struct slk_sim *slk_sim_new(const struct slk_sim_options *options);
void slk_sim_free(struct slk_sim *sim);
/* The next event; false at the end. occurred_at never goes back. Valid when submitted in this order with block times that
 * follow occurred_at and lag or lead less than an hour. Under a microsecond. */
bool slk_sim_next(struct slk_sim *sim, struct slk_sim_item *out);
/* Changes the share of events about existing credentials from here on: benchmarks fill first and mix then. */
void slk_sim_set_existing(struct slk_sim *sim, unsigned percent);
uint64_t slk_sim_credentials_n(const struct slk_sim *sim);
/* A credential whose life the stream always tells: issued, lost and locked, bound to a new phone, renewed. */
void slk_sim_story(const struct slk_sim *sim, uint8_t handle[SLK_HANDLE_SIZE]);
/* A handle that is never issued. */
void slk_sim_absent(const struct slk_sim *sim, uint8_t handle[SLK_HANDLE_SIZE]);
/* The handle of the i-th credential issued, i < slk_sim_credentials_n(). */
void slk_sim_handle(const struct slk_sim *sim, uint64_t i, uint8_t handle[SLK_HANDLE_SIZE]);

/* ---- the country (simulate_country.c) ---- */

enum slk_sim_type { SLK_SIM_CARD = 1, SLK_SIM_PHONE = 2 };
enum slk_sim_reason {
    SLK_SIM_LOST = 1,
    SLK_SIM_STOLEN,
    SLK_SIM_HOLDER_REQUEST,
    SLK_SIM_REPLACED,
    SLK_SIM_ISSUED_IN_ERROR,
    SLK_SIM_ENDED,
    SLK_SIM_INTEGRITY
};
#define SLK_SIM_VALIDITY_S (UINT64_C(1096) * 86400) /* three years with a leap day */

#define SLK_SIM_PILOTS   9u
#define SLK_SIM_OFFICES  226u /* the pilot municipalities are the first of them */
#define SLK_SIM_ONLINE   (SLK_SIM_OFFICES + 0)
#define SLK_SIM_MINT     (SLK_SIM_OFFICES + 1)
#define SLK_SIM_POLICE   (SLK_SIM_OFFICES + 2)
#define SLK_SIM_CARRIER  (SLK_SIM_OFFICES + 3) /* three in a row */
#define SLK_SIM_CARRIERS 3u
#define SLK_SIM_CLOSED   (SLK_SIM_OFFICES + 6) /* its key has ended: for faults */
#define SLK_SIM_ISSUERS  (SLK_SIM_OFFICES + 7)
#define SLK_SIM_STRANGER SLK_SIM_ISSUERS /* a key that no charter lists: for faults */

#define SLK_SIM_MEMBERS 4u /* agency i + 1; the first votes, the others observe */

const char *slk_sim_issuer_name(
    char out[SLK_CHARTER_NAME_MAX + 1], unsigned issuer); /* SLK_SIM_STRANGER too */
uint16_t slk_sim_issuer_agency(unsigned issuer);
const char *slk_sim_member_name(unsigned member);
/* Seeds of the simulated private keys: anyone who knows the seed has them. */
void slk_sim_issuer_seed(uint8_t out[32], uint64_t seed, unsigned issuer);
enum slk_sim_key { SLK_SIM_VOTE, SLK_SIM_COSIGN, SLK_SIM_LOG, SLK_SIM_NODE, SLK_SIM_KEYS };
const char *slk_sim_key_name(enum slk_sim_key key); /* "vote", "cosign", "log", "node" */
void slk_sim_member_seed(uint8_t out[32], uint64_t seed, unsigned member, enum slk_sim_key key);
/* Places in the status list of each type: a power of four with room to spare. */
uint32_t slk_sim_status_list_size(uint64_t credentials);
/* The charter the stream is valid under. `public_key` derives a public key from a 32-byte seed (libcrypto, so not here). */
typedef bool slk_sim_public_fn(uint8_t public_key[SLK_KEY_SIZE], const uint8_t seed[32]);
bool slk_sim_charter(
    struct slk_charter *out, const struct slk_sim_options *options, slk_sim_public_fn *public_key);

#endif
