/* charter_validate.c: does a charter make sense? Every refusal says what, where, and what to do. */
#include "ledger/core/charter.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CREATED_MAX_MS ((uint64_t)1 << 53)          /* exact in every language's numbers */
#define VALIDITY_MAX_S ((uint64_t)50 * 366 * 86400) /* 50 years */
#define KINDS_ANY      ((1u << SLK_LOCK) | (1u << SLK_REVOKE)) /* design §4: what may cross agencies */
#define MEMBER_KEYS    4
#define KEYS_MAX       (MEMBER_KEYS * SLK_CHARTER_MEMBERS_MAX + SLK_CHARTER_ISSUERS_MAX)

static enum slk_err refuse(struct slk_fault *fault, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum slk_err refuse(struct slk_fault *fault, const char *format, ...)
{
    va_list args;

    if (fault != NULL) {
        va_start(args, format);
        (void)vsnprintf(fault->text, sizeof(fault->text), format, args);
        va_end(args);
        fault->line = 0;
    }
    return SLK_E_CHARTER;
}

/* ---- names ---- */

/* Names stand in the text form, in policies, on checkpoints and in messages: beyond what C2SP asks of key names,
 * only ASCII signs that mean nothing in any of these, and something to tell a name from a code. */
static bool name_is_plain(const char *name)
{
    bool letter = false;

    for (const char *c = name; *c != '\0'; c++) {
        bool digit = *c >= '0' && *c <= '9';
        bool sign = strchr("-._/:@()", *c) != NULL;

        if (!digit && !sign && !(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') &&
            (unsigned char)*c < 0x80)
            return false;
        letter = letter || (!digit && !sign);
    }
    return letter;
}

/* `what` names the field: "origin", "the name of agency 7". */
static enum slk_err check_name(const char *what, const char *name, size_t max, struct slk_fault *fault)
{
    const char *end = memchr(name, '\0', max + 1);

    if (end == NULL)
        return refuse(fault, "%s is longer than %zu bytes: shorten it", what, max);
    if (end == name)
        return refuse(fault, "%s is missing: give one", what);
    if (!slk_name_is_valid(name, (size_t)(end - name)) || !name_is_plain(name))
        return refuse(fault,
            "%s is not a name: use letters (at least one), digits and -._/:@(), no spaces and no other signs",
            what);
    return SLK_OK;
}

/* ---- numbers ---- */

struct range {
    const char *name;
    uint64_t value, min, max;
};

static enum slk_err check_ranges(
    const char *where, const struct range *ranges, size_t n, struct slk_fault *fault)
{
    for (size_t i = 0; i < n; i++)
        if (ranges[i].value < ranges[i].min || ranges[i].value > ranges[i].max)
            return refuse(fault, "%s: %s is %llu: it must be %llu to %llu", where, ranges[i].name,
                (unsigned long long)ranges[i].value, (unsigned long long)ranges[i].min,
                (unsigned long long)ranges[i].max);
    return SLK_OK;
}

static enum slk_err check_limits(const struct slk_charter *c, struct slk_fault *fault)
{
    const struct range limits[] = {
        {"block_events", c->block_events, 1, 16384}, /* protocol, head: limits */
        {"block_bytes", c->block_bytes, 65536, 4u << 20},
        {"submission_events", c->submission_events, 1, SLK_SUBMISSION_EVENTS_MAX},
    };
    const struct range timers[] = {
        {"delta_ms", c->delta_ms, 50, 5000},
        {"fresh_s", c->fresh_s, 1, 86400},
    };
    enum slk_err err;

    if ((err = check_ranges("limits", limits, sizeof(limits) / sizeof(limits[0]), fault)) != SLK_OK)
        return err;
    if (c->submission_events > c->block_events)
        return refuse(fault,
            "limits: submission_events is %u, above block_events, %u: a submission must fit into one block",
            c->submission_events, c->block_events);
    if ((err = check_ranges("timers", timers, sizeof(timers) / sizeof(timers[0]), fault)) != SLK_OK)
        return err;
    if (c->heartbeat_s != 0 && c->heartbeat_s < 60)
        return refuse(
            fault, "timers: heartbeat_s is %u: it must be 0 (no heartbeat) or at least 60", c->heartbeat_s);
    return SLK_OK;
}

static enum slk_err check_head(const struct slk_charter *c, struct slk_fault *fault)
{
    enum slk_err err = check_name("origin", c->origin, SLK_CHARTER_ORIGIN_MAX, fault);

    if (err != SLK_OK)
        return err;
    if (c->version == 0)
        return refuse(fault, "version is 0: the first charter has version 1");
    if (c->version == 1 && c->has_previous)
        return refuse(fault, "version is 1 and previous is set: the first charter has no previous one");
    if (c->version > 1 && !c->has_previous)
        return refuse(fault, "version is %llu and previous is missing: give the hash of the charter before",
            (unsigned long long)c->version);
    if (c->rules > SLK_RULES_NEWEST)
        return refuse(fault, "rules is %u: this program knows the rules up to version %d: upgrade it", c->rules,
            SLK_RULES_NEWEST);
    if (c->created_at_ms == 0 || c->created_at_ms >= CREATED_MAX_MS)
        return refuse(fault, "created is not set or out of range: give the time of creation");
    return SLK_OK;
}

/* ---- members ---- */

static enum slk_err check_address(const struct slk_member *m, size_t i, struct slk_fault *fault)
{
    const char *text = m->addresses[i];
    const char *end = memchr(text, '\0', SLK_CHARTER_ADDRESS_MAX + 1);
    bool good = end != NULL && end != text;

    for (const char *c = text; good && c < end; c++)
        good = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
               strchr("-._/:@()[]", *c) != NULL;
    if (!good)
        return refuse(fault,
            "agency %u: address number %zu is not an address: write host:port, or [address]:port for IPv6",
            (unsigned)m->agency, i + 1);
    return SLK_OK;
}

static enum slk_err check_member(const struct slk_charter *c, size_t at, struct slk_fault *fault)
{
    const struct slk_member *m = &c->members[at];
    char what[64];
    enum slk_err err;

    if (m->agency == 0)
        return refuse(
            fault, "member number %zu: agency is missing: give it a number from 1 to 65535", at + 1);
    (void)snprintf(what, sizeof(what), "the name of agency %u", (unsigned)m->agency);
    if ((err = check_name(what, m->name, SLK_CHARTER_NAME_MAX, fault)) != SLK_OK)
        return err;
    for (size_t i = 0; i < at; i++) {
        if (c->members[i].agency == m->agency)
            return refuse(fault, "agency %u is listed twice: give each member a number of its own",
                (unsigned)m->agency);
        if (strcmp(c->members[i].name, m->name) == 0)
            return refuse(fault, "agencies %u and %u have the same name, %s: rename one",
                (unsigned)c->members[i].agency, (unsigned)m->agency, m->name);
    }
    if (at > 0 && c->members[at - 1].agency > m->agency)
        return refuse(fault, "agency %u stands after agency %u: list members in ascending order",
            (unsigned)m->agency, (unsigned)c->members[at - 1].agency);
    if (m->role != SLK_VOTING && m->role != SLK_OBSERVER)
        return refuse(
            fault, "agency %u: role is missing: it must be voting or observer", (unsigned)m->agency);
    if (m->addresses_n > SLK_CHARTER_ADDRESSES_MAX)
        return refuse(fault, "agency %u: more than %d addresses: remove some", (unsigned)m->agency,
            SLK_CHARTER_ADDRESSES_MAX);
    for (size_t i = 0; i < m->addresses_n; i++)
        if ((err = check_address(m, i, fault)) != SLK_OK)
            return err;
    return SLK_OK;
}

static enum slk_err check_members(const struct slk_charter *c, struct slk_fault *fault)
{
    size_t voting_n;
    enum slk_err err;

    if (c->members_n > SLK_CHARTER_MEMBERS_MAX)
        return refuse(fault, "more than %d members: remove some", SLK_CHARTER_MEMBERS_MAX);
    for (size_t i = 0; i < c->members_n; i++)
        if ((err = check_member(c, i, fault)) != SLK_OK)
            return err;
    voting_n = slk_charter_voting_n(c);
    if (voting_n == 0)
        return refuse(
            fault, "no member votes, so nothing could ever be decided: give at least one the role voting");
    if (voting_n > SLK_CHARTER_VOTING_MAX)
        return refuse(fault, "%zu members vote: at most %d can; make the others observers", voting_n,
            SLK_CHARTER_VOTING_MAX);
    return SLK_OK;
}

/* ---- types and reasons ---- */

static enum slk_err check_types(const struct slk_charter *c, struct slk_fault *fault)
{
    if (c->types_n == 0 || c->types_n > SLK_CHARTER_TYPES_MAX)
        return refuse(fault, "%zu credential types: declare 1 to %d", c->types_n, SLK_CHARTER_TYPES_MAX);
    for (size_t at = 0; at < c->types_n; at++) {
        const struct slk_credential_type *t = &c->types[at];
        const struct range ranges[] = {
            {"code", t->code, 1, UINT32_MAX},
            {"max_validity", t->max_validity_s, 1, VALIDITY_MAX_S},
            {"status_list_size", t->status_list_size, 1, SLK_STATUS_LIST_MAX},
        };
        char where[48], what[64];
        enum slk_err err;

        (void)snprintf(where, sizeof(where), "credential type %u", t->code);
        (void)snprintf(what, sizeof(what), "the name of %s", where);
        if ((err = check_ranges(where, ranges, sizeof(ranges) / sizeof(ranges[0]), fault)) != SLK_OK)
            return err;
        if ((err = check_name(what, t->name, SLK_CHARTER_NAME_MAX, fault)) != SLK_OK)
            return err;
        for (size_t i = 0; i < at; i++) {
            if (c->types[i].code == t->code)
                return refuse(fault, "%s is listed twice: give each type a code of its own", where);
            if (strcmp(c->types[i].name, t->name) == 0)
                return refuse(fault, "credential types %u and %u have the same name, %s: rename one",
                    c->types[i].code, t->code, t->name);
        }
        if (at > 0 && c->types[at - 1].code > t->code)
            return refuse(fault, "%s stands after type %u: list types in ascending order of code", where,
                c->types[at - 1].code);
    }
    return SLK_OK;
}

static enum slk_err check_reasons(const struct slk_charter *c, struct slk_fault *fault)
{
    if (c->reasons_n > SLK_CHARTER_REASONS_MAX)
        return refuse(fault, "more than %d reasons: remove some", SLK_CHARTER_REASONS_MAX);
    for (size_t at = 0; at < c->reasons_n; at++) {
        const struct slk_reason *reason = &c->reasons[at];
        char what[64];
        enum slk_err err;

        if (reason->code == 0)
            return refuse(
                fault, "reason number %zu: code is missing: give it a number from 1 to 4294967295", at + 1);
        (void)snprintf(what, sizeof(what), "the name of reason %u", reason->code);
        if ((err = check_name(what, reason->name, SLK_CHARTER_NAME_MAX, fault)) != SLK_OK)
            return err;
        for (size_t i = 0; i < at; i++) {
            if (c->reasons[i].code == reason->code)
                return refuse(
                    fault, "reason %u is listed twice: give each reason a code of its own", reason->code);
            if (strcmp(c->reasons[i].name, reason->name) == 0)
                return refuse(fault, "reasons %u and %u have the same name, %s: rename one",
                    c->reasons[i].code, reason->code, reason->name);
        }
        if (at > 0 && c->reasons[at - 1].code > reason->code)
            return refuse(fault, "reason %u stands after reason %u: list reasons in ascending order of code",
                reason->code, c->reasons[at - 1].code);
    }
    return SLK_OK;
}

/* ---- issuers ---- */

static enum slk_err check_issuer_types(
    const struct slk_charter *c, const struct slk_issuer *issuer, struct slk_fault *fault)
{
    if (issuer->types_n == 0 || issuer->types_n > SLK_CHARTER_TYPES_MAX)
        return refuse(fault, "issuer %s: types is empty or too long: list the credential types it may touch",
            issuer->name);
    for (size_t i = 0; i < issuer->types_n; i++) {
        if (slk_charter_type(c, issuer->types[i]) == NULL)
            return refuse(fault, "issuer %s: credential type %u is not declared: declare it or remove it",
                issuer->name, issuer->types[i]);
        if (i > 0 && issuer->types[i - 1] == issuer->types[i])
            return refuse(fault, "issuer %s: credential type %u is listed twice: remove one", issuer->name,
                issuer->types[i]);
        if (i > 0 && issuer->types[i - 1] > issuer->types[i])
            return refuse(fault,
                "issuer %s: credential type %u stands after %u: list types in ascending order", issuer->name,
                issuer->types[i], issuer->types[i - 1]);
    }
    return SLK_OK;
}

static enum slk_err check_issuer(const struct slk_charter *c, size_t at, struct slk_fault *fault)
{
    const struct slk_issuer *issuer = &c->issuers[at];
    char what[48];
    enum slk_err err;

    (void)snprintf(what, sizeof(what), "the name of issuer number %zu", at + 1);
    if ((err = check_name(what, issuer->name, SLK_CHARTER_NAME_MAX, fault)) != SLK_OK)
        return err;
    for (size_t i = 0; i < at; i++)
        if (strcmp(c->issuers[i].name, issuer->name) == 0)
            return refuse(fault, "two issuers have the same name, %s: rename one", issuer->name);
    if (slk_charter_member(c, issuer->agency) == NULL)
        return refuse(fault, "issuer %s: agency %u is not a member: name one that is", issuer->name,
            (unsigned)issuer->agency);
    if (issuer->kinds == 0 || (issuer->kinds & ~SLK_KINDS_ALL) != 0)
        return refuse(fault,
            "issuer %s: kinds is empty or unknown: list some of ISSUE REBIND LOCK UNLOCK RENEW REVOKE",
            issuer->name);
    if (issuer->any_agency && (issuer->kinds & KINDS_ANY) == 0)
        return refuse(fault,
            "issuer %s: any_agency is set, but it may neither LOCK nor REVOKE: add one or unset it",
            issuer->name);
    if (issuer->not_after_s <= issuer->not_before_s)
        return refuse(fault,
            "issuer %s: not_after is not later than not_before: its key would never be valid", issuer->name);
    return check_issuer_types(c, issuer, fault);
}

static enum slk_err check_issuers(const struct slk_charter *c, struct slk_fault *fault)
{
    enum slk_err err;

    if (c->issuers_n > SLK_CHARTER_ISSUERS_MAX)
        return refuse(fault, "more than %d issuers: remove some", SLK_CHARTER_ISSUERS_MAX);
    for (size_t i = 0; i < c->issuers_n; i++)
        if ((err = check_issuer(c, i, fault)) != SLK_OK)
            return err;
    return SLK_OK;
}

/* ---- keys ---- */

struct key_use {
    const uint8_t *key;
    const char *owner; /* a member's or issuer's name */
    const char *field;
};

static int compare_keys(const void *a, const void *b)
{
    return memcmp(((const struct key_use *)a)->key, ((const struct key_use *)b)->key, SLK_KEY_SIZE);
}

static size_t gather_keys(struct key_use uses[KEYS_MAX], const struct slk_charter *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->members_n; i++) {
        const struct slk_member *m = &c->members[i];

        uses[n++] = (struct key_use){m->vote_key, m->name, "vote_key"};
        uses[n++] = (struct key_use){m->cosign_key, m->name, "cosign_key"};
        uses[n++] = (struct key_use){m->log_key, m->name, "log_key"};
        uses[n++] = (struct key_use){m->node_key, m->name, "node_key"};
    }
    for (size_t i = 0; i < c->issuers_n; i++)
        uses[n++] = (struct key_use){c->issuers[i].public_key, c->issuers[i].name, "public_key"};
    assert(n <= KEYS_MAX);
    return n;
}

/* One key, one use: what is signed with a key for one purpose can then never be shown as something else. */
static enum slk_err check_keys(const struct slk_charter *c, struct slk_fault *fault)
{
    struct key_use uses[KEYS_MAX];
    size_t n = gather_keys(uses, c);

    for (size_t i = 0; i < n; i++)
        if (!slk_key_is_sound(uses[i].key))
            return refuse(fault,
                "%s of %s is missing or no Ed25519 public key: make one with `sillok keygen`", uses[i].field,
                uses[i].owner);
    qsort(uses, n, sizeof(uses[0]), compare_keys);
    for (size_t i = 1; i < n; i++)
        if (memcmp(uses[i - 1].key, uses[i].key, SLK_KEY_SIZE) == 0)
            return refuse(fault, "%s of %s is also %s of %s: every key has one use only, make another",
                uses[i].field, uses[i].owner, uses[i - 1].field, uses[i - 1].owner);
    for (size_t i = 1; i < c->issuers_n; i++) {
        const struct slk_issuer *a = &c->issuers[c->by_key_id[i - 1]], *b = &c->issuers[c->by_key_id[i]];

        if (memcmp(c->issuers[i - 1].public_key, c->issuers[i].public_key, SLK_KEY_SIZE) > 0)
            return refuse(fault, "issuer %s stands after %s: list issuers in ascending order of public key",
                c->issuers[i].name, c->issuers[i - 1].name);
        if (memcmp(a->key_id, b->key_id, SLK_KEY_ID_SIZE) == 0)
            return refuse(fault, "the keys of issuers %s and %s have the same id: make another key for one",
                a->name, b->name);
    }
    return SLK_OK;
}

/* ---- all of it ---- */

enum slk_err slk_charter_validate(const struct slk_charter *charter, struct slk_fault *fault)
{
    static enum slk_err (*const checks[])(const struct slk_charter *, struct slk_fault *) = {
        check_head, check_limits, check_members, check_types, check_reasons, check_issuers, check_keys};

    if (fault != NULL)
        *fault = (struct slk_fault){0};
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        enum slk_err err = checks[i](charter, fault);

        if (err != SLK_OK)
            return err;
    }
    return SLK_OK;
}

enum slk_err slk_charter_validate_genesis(const struct slk_charter *charter, struct slk_fault *fault)
{
    enum slk_err err = slk_charter_validate(charter, fault);

    if (err == SLK_OK && charter->version != 1)
        err = refuse(fault, "version is %llu: a ledger starts with version 1 of its charter",
            (unsigned long long)charter->version);
    return err;
}
