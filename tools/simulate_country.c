/* simulate_country.c: the agencies, offices and desks of simulate.h, their rights and their keys. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/verify/bytes.h"
#include "tools/simulate.h"

#define ORIGIN          "sillok.example/residents"
#define YEAR_S          (UINT64_C(365) * 86400)
#define STATUS_LIST_MIN (1u << 18)
#define KEY_TAG         "sillok simulate\0"
#define LOCK_ONLY       (1u << SLK_LOCK)
#define LOCK_AND_REVOKE (1u << SLK_LOCK | 1u << SLK_REVOKE)

enum agency { INTERIOR = 1, POLICE, MINT, REGULATOR };

/* The municipalities where the mobile resident card was tried out first. */
static const char *const pilots[SLK_SIM_PILOTS] = {"sejong", "hongcheon", "daejeon-seo-gu", "daegu-gunwi",
    "yeosu", "goheung", "geochang", "ulleung", "yeongdeok"};

static const char *const members[SLK_SIM_MEMBERS] = {
    "interior-ministry", "national-police", "mint", "carrier-regulator"};

/* Desks beside the offices, in the order of SLK_SIM_ONLINE and following. */
static const struct desk {
    const char *name;
    enum agency agency;
    unsigned kinds;
    bool any_agency;
    bool cards, phones;
} desks[] = {
    {"ministry-online", INTERIOR, SLK_KINDS_ALL, false, true, true},
    {"mint-cards", MINT, SLK_KINDS_ALL, false, true, false},
    {"police-desk", POLICE, LOCK_AND_REVOKE, true, true, true},
    {"carrier-a-desk", REGULATOR, LOCK_ONLY, true, false, true},
    {"carrier-b-desk", REGULATOR, LOCK_ONLY, true, false, true},
    {"carrier-c-desk", REGULATOR, LOCK_ONLY, true, false, true},
    {"closed-office", INTERIOR, SLK_KINDS_ALL, false, true, true},
    {"stranger", INTERIOR, SLK_KINDS_ALL, true, true, true},
};
static const struct desk office = {"", INTERIOR, SLK_KINDS_ALL, false, true, true};

static const struct desk *desk_of(unsigned issuer)
{
    return issuer < SLK_SIM_OFFICES ? &office : &desks[issuer - SLK_SIM_OFFICES];
}

const char *slk_sim_issuer_name(char out[SLK_CHARTER_NAME_MAX + 1], unsigned issuer)
{
    assert(issuer <= SLK_SIM_STRANGER);
    if (issuer < SLK_SIM_PILOTS)
        snprintf(out, SLK_CHARTER_NAME_MAX + 1, "%s", pilots[issuer]);
    else if (issuer >= SLK_SIM_OFFICES)
        snprintf(out, SLK_CHARTER_NAME_MAX + 1, "%s", desk_of(issuer)->name);
    else
        snprintf(out, SLK_CHARTER_NAME_MAX + 1, "office-%03u", issuer + 1);
    return out;
}

uint16_t slk_sim_issuer_agency(unsigned issuer)
{
    return (uint16_t)desk_of(issuer)->agency;
}

const char *slk_sim_member_name(unsigned member)
{
    assert(member < SLK_SIM_MEMBERS);
    return members[member];
}

const char *slk_sim_key_name(enum slk_sim_key key)
{
    switch (key) {
    case SLK_SIM_VOTE:
        return "vote";
    case SLK_SIM_COSIGN:
        return "cosign";
    case SLK_SIM_LOG:
        return "log";
    case SLK_SIM_NODE:
        return "node";
    case SLK_SIM_KEYS:
        break;
    }
    abort();
}

static void key_seed(uint8_t out[32], uint64_t seed, uint32_t owner, uint32_t use)
{
    uint8_t message[16];
    struct slk_hash hash;

    slk_put_u64(message, seed);
    slk_put_u32(message + 8, owner);
    slk_put_u32(message + 12, use);
    slk_hash_tagged(&hash, KEY_TAG, message, sizeof(message));
    memcpy(out, hash.b, 32);
}

#define ISSUER_USE 100 /* apart from every enum slk_sim_key */
void slk_sim_issuer_seed(uint8_t out[32], uint64_t seed, unsigned issuer)
{
    key_seed(out, seed, issuer, ISSUER_USE);
}

void slk_sim_member_seed(uint8_t out[32], uint64_t seed, unsigned member, enum slk_sim_key key)
{
    key_seed(out, seed, member, (uint32_t)key);
}

uint32_t slk_sim_status_list_size(uint64_t credentials)
{
    uint32_t size = STATUS_LIST_MIN;

    while (size < 2 * credentials && size < SLK_STATUS_LIST_MAX)
        size *= 4;
    return size;
}

static bool add_member(struct slk_charter *c, unsigned i, uint64_t seed, slk_sim_public_fn *public_key)
{
    struct slk_member *m = &c->members[i];
    uint8_t *const keys[SLK_SIM_KEYS] = {m->vote_key, m->cosign_key, m->log_key, m->node_key};
    uint8_t key[32];

    m->agency = (uint16_t)(i + 1);
    m->role = i == 0 ? SLK_VOTING : SLK_OBSERVER;
    snprintf(m->name, sizeof(m->name), "%s", members[i]);
    for (unsigned k = 0; k < SLK_SIM_KEYS; k++) {
        slk_sim_member_seed(key, seed, i, (enum slk_sim_key)k);
        if (!public_key(keys[k], key))
            return false;
    }
    return true;
}

static bool add_issuer(
    struct slk_charter *c, unsigned i, const struct slk_sim_options *o, slk_sim_public_fn *public_key)
{
    struct slk_issuer *issuer = &c->issuers[i];
    const struct desk *desk = desk_of(i);
    uint8_t key[32];

    slk_sim_issuer_name(issuer->name, i);
    issuer->agency = (uint16_t)desk->agency;
    issuer->kinds = desk->kinds;
    issuer->any_agency = desk->any_agency;
    issuer->not_before_s = o->start_s - YEAR_S;
    issuer->not_after_s = i == SLK_SIM_CLOSED ? o->start_s - 1 : o->start_s + 20 * YEAR_S;
    if (desk->cards)
        issuer->types[issuer->types_n++] = SLK_SIM_CARD;
    if (desk->phones)
        issuer->types[issuer->types_n++] = SLK_SIM_PHONE;
    slk_sim_issuer_seed(key, o->seed, i);
    if (!public_key(issuer->public_key, key))
        return false;
    return true;
}

bool slk_sim_charter(
    struct slk_charter *out, const struct slk_sim_options *options, slk_sim_public_fn *public_key)
{
    static const char *const reasons[] = {
        "LOST", "STOLEN", "HOLDER_REQUEST", "REPLACED", "ISSUED_IN_ERROR", "ENDED", "INTEGRITY"};
    static const char *const types[] = {"RESIDENT_CARD", "RESIDENT_PHONE"};

    memset(out, 0, sizeof(*out));
    snprintf(out->origin, sizeof(out->origin), "%s", ORIGIN);
    out->version = 1;
    out->created_at_ms = (options->start_s - 3600) * 1000;
    for (out->members_n = 0; out->members_n < SLK_SIM_MEMBERS; out->members_n++)
        if (!add_member(out, (unsigned)out->members_n, options->seed, public_key))
            return false;
    for (out->issuers_n = 0; out->issuers_n < SLK_SIM_ISSUERS; out->issuers_n++)
        if (!add_issuer(out, (unsigned)out->issuers_n, options, public_key))
            return false;
    for (uint32_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct slk_credential_type *type = &out->types[out->types_n++];

        type->code = i + 1;
        snprintf(type->name, sizeof(type->name), "%s", types[i]);
        type->max_validity_s = SLK_SIM_VALIDITY_S;
        type->status_list_size = slk_sim_status_list_size(options->credentials);
    }
    for (uint32_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        struct slk_reason *reason = &out->reasons[out->reasons_n++];

        reason->code = i + 1;
        snprintf(reason->name, sizeof(reason->name), "%s", reasons[i]);
    }
    out->block_events = 16384;
    out->block_bytes = 4u << 20;
    out->submission_events = SLK_SUBMISSION_EVENTS_MAX;
    out->delta_ms = 200;
    out->heartbeat_s = 300;
    out->fresh_s = 60;
    slk_charter_sort(out);
    return true;
}
