/* change_judge.c: may this charter follow that one? The rules of SLK_CHANGE_RULES, in their order. */
#include "ledger/core/change.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger/core/fastsig.h"
#include "ledger/verify/bytes.h"

struct judge {
    const struct slk_change_context *context;
    const struct slk_charter *old, *next;
    const struct slk_change *change;
    struct slk_fault *fault;
    size_t new_n;
    struct slk_charter_key new_keys[SLK_CHARTER_KEYS_MAX];
};

/* The rule's sentence, and in brackets what it is about. */
static enum slk_change_rule refuse(const struct judge *j, enum slk_change_rule rule, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum slk_change_rule refuse(const struct judge *j, enum slk_change_rule rule, const char *format, ...)
{
    char what[96];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(what, sizeof(what), format, args); /* discouraged: formats in memory only */
    va_end(args);
    (void)snprintf(j->fault->text, sizeof(j->fault->text), /* discouraged: formats in memory only */
        "%s (%s)", slk_change_rule_text(rule), what);
    return rule;
}

/* ---- keys ---- */

static int compare_keys(const void *a, const void *b)
{
    return memcmp(
        ((const struct slk_charter_key *)a)->key, ((const struct slk_charter_key *)b)->key, SLK_KEY_SIZE);
}

static struct slk_charter_key key_of(const uint8_t key[SLK_KEY_SIZE], uint16_t agency, enum slk_key_use use)
{
    struct slk_charter_key out = {.agency = agency, .use = use};

    memcpy(out.key, key, SLK_KEY_SIZE);
    return out;
}

size_t slk_charter_keys(struct slk_charter_key out[SLK_CHARTER_KEYS_MAX], const struct slk_charter *charter)
{
    size_t n = 0;

    assert(charter->members_n <= SLK_CHARTER_MEMBERS_MAX && charter->issuers_n <= SLK_CHARTER_ISSUERS_MAX);
    for (size_t i = 0; i < charter->members_n; i++) {
        const struct slk_member *m = &charter->members[i];

        out[n++] = key_of(m->vote_key, m->agency, SLK_USE_VOTE);
        out[n++] = key_of(m->cosign_key, m->agency, SLK_USE_COSIGN);
        out[n++] = key_of(m->log_key, m->agency, SLK_USE_LOG);
        out[n++] = key_of(m->node_key, m->agency, SLK_USE_NODE);
    }
    for (size_t i = 0; i < charter->issuers_n; i++)
        out[n++] = key_of(charter->issuers[i].public_key, charter->issuers[i].agency, SLK_USE_ISSUE);
    qsort(out, n, sizeof(out[0]), compare_keys);
    return n;
}

/* Both lists are ascending, so one walk over both. */
size_t slk_charter_new_keys(struct slk_charter_key out[SLK_CHARTER_KEYS_MAX], const struct slk_charter *old,
    const struct slk_charter *next)
{
    struct slk_charter_key had[SLK_CHARTER_KEYS_MAX];
    size_t had_n = slk_charter_keys(had, old), n = slk_charter_keys(out, next), kept = 0, at = 0;

    for (size_t i = 0; i < n; i++) {
        while (at < had_n && compare_keys(&had[at], &out[i]) < 0)
            at++;
        if (at < had_n && compare_keys(&had[at], &out[i]) == 0 && had[at].agency == out[i].agency &&
            had[at].use == out[i].use)
            continue;
        out[kept++] = out[i];
    }
    return kept;
}

bool slk_member_joins(const struct slk_member *member, const struct slk_charter *old)
{
    const struct slk_member *before = slk_charter_member(old, member->agency);

    return member->role == SLK_VOTING && (before == NULL || before->role != SLK_VOTING);
}

/* ---- what needs no signature ---- */

static enum slk_change_rule check_head(const struct judge *j)
{
    if (j->old->version == UINT64_MAX || j->next->version != j->old->version + 1)
        return refuse(j, SLK_CHANGE_VERSION, "%llu after %llu", (unsigned long long)j->next->version,
            (unsigned long long)j->old->version);
    if (!j->next->has_previous || !slk_hash_equal(&j->next->previous, &j->old->hash))
        return refuse(j, SLK_CHANGE_PREVIOUS, "version %llu", (unsigned long long)j->next->version);
    if (j->next->created_at_ms < j->old->created_at_ms)
        return refuse(j, SLK_CHANGE_CREATED, "version %llu", (unsigned long long)j->next->version);
    if (j->next->rules < j->old->rules)
        return refuse(j, SLK_CHANGE_RULES, "%u after %u", j->next->rules, j->old->rules);
    if (strcmp(j->next->origin, j->old->origin) != 0)
        return refuse(j, SLK_CHANGE_ORIGIN, "%.64s", j->old->origin);
    return SLK_CHANGE_OK;
}

/* Records and published lists speak in these codes for ever. */
static enum slk_change_rule check_codes(const struct judge *j)
{
    for (size_t i = 0; i < j->old->types_n; i++) {
        const struct slk_credential_type *was = &j->old->types[i], *is = slk_charter_type(j->next, was->code);

        if (is == NULL || strcmp(is->name, was->name) != 0 || is->status_list_size != was->status_list_size)
            return refuse(j, SLK_CHANGE_TYPE_FIXED, "type %u, %s", was->code, was->name);
    }
    for (size_t i = 0; i < j->old->reasons_n; i++) {
        const struct slk_reason *was = &j->old->reasons[i], *is = slk_charter_reason(j->next, was->code);

        if (is == NULL || strcmp(is->name, was->name) != 0)
            return refuse(j, SLK_CHANGE_REASON_FIXED, "reason %u, %s", was->code, was->name);
    }
    return SLK_CHANGE_OK;
}

static enum slk_change_rule check_reuse(const struct judge *j)
{
    const struct slk_change_context *c = j->context;

    for (size_t i = 0; i < j->next->members_n; i++) {
        uint16_t agency = j->next->members[i].agency;

        if (slk_charter_member(j->old, agency) == NULL && c->agency_was_used(c->ctx, agency))
            return refuse(j, SLK_CHANGE_AGENCY_REUSED, "agency %u", (unsigned)agency);
    }
    for (size_t i = 0; i < j->new_n; i++)
        if (c->key_was_used(c->ctx, j->new_keys[i].key))
            return refuse(j, SLK_CHANGE_KEY_REUSED, "a key of agency %u that begins %02x%02x%02x%02x",
                (unsigned)j->new_keys[i].agency, j->new_keys[i].key[0], j->new_keys[i].key[1],
                j->new_keys[i].key[2], j->new_keys[i].key[3]);
    return SLK_CHANGE_OK;
}

static enum slk_change_rule check_activation(const struct judge *j)
{
    uint64_t height = j->context->height, a = j->change->activation;

    if (a <= height || a - height > SLK_CHANGE_AHEAD_MAX)
        return refuse(j, SLK_CHANGE_ACTIVATION, "%llu in block %llu", (unsigned long long)a,
            (unsigned long long)height);
    return SLK_CHANGE_OK;
}

/* ---- signatures ---- */

static enum slk_change_rule check_approvals(const struct judge *j)
{
    uint8_t statement[SLK_APPROVE_STATEMENT_SIZE];
    size_t quorum = slk_charter_quorum(j->old); /* SIZE_MAX without members: never reached */

    for (size_t i = 0; i < j->change->approvals_n; i++) {
        const struct slk_member *m = slk_charter_member(j->old, j->change->approvals[i].agency);

        if (m == NULL || m->role != SLK_VOTING)
            return refuse(j, SLK_CHANGE_APPROVER, "agency %u", (unsigned)j->change->approvals[i].agency);
    }
    if (j->change->approvals_n < quorum) /* they are distinct: ascending agencies */
        return refuse(j, SLK_CHANGE_APPROVALS, "%zu of %zu", j->change->approvals_n, quorum);
    slk_approve_statement(
        statement, j->context->chain_id, &j->old->hash, &j->next->hash, j->change->activation);
    for (size_t i = 0; i < j->change->approvals_n; i++) {
        const struct slk_approval *a = &j->change->approvals[i];

        if (!slk_fastsig_verify(
                a->signature, statement, sizeof(statement), slk_charter_member(j->old, a->agency)->vote_key))
            return refuse(j, SLK_CHANGE_APPROVAL_SIGNATURE, "agency %u", (unsigned)a->agency);
    }
    return SLK_CHANGE_OK;
}

static const char *use_name(enum slk_key_use use)
{
    switch (use) {
    case SLK_USE_VOTE:
        return "vote_key";
    case SLK_USE_COSIGN:
        return "cosign_key";
    case SLK_USE_LOG:
        return "log_key";
    case SLK_USE_NODE:
        return "node_key";
    case SLK_USE_ISSUE:
        return "an issuer's key";
    }
    abort();
}

/* Both lists are ascending: they must be the same keys. */
static enum slk_change_rule check_possessions(const struct judge *j)
{
    const struct slk_change *c = j->change;

    for (size_t i = 0; i < c->possessions_n || i < j->new_n; i++) {
        int order = i == j->new_n           ? 1
                    : i == c->possessions_n ? -1
                                            : memcmp(j->new_keys[i].key, c->possessions[i].key, SLK_KEY_SIZE);

        if (order < 0)
            return refuse(j, SLK_CHANGE_POSSESSION_MISSING, "%s of agency %u", use_name(j->new_keys[i].use),
                (unsigned)j->new_keys[i].agency);
        if (order > 0)
            return refuse(j, SLK_CHANGE_POSSESSION_UNNEEDED, "it begins %02x%02x%02x%02x",
                c->possessions[i].key[0], c->possessions[i].key[1], c->possessions[i].key[2],
                c->possessions[i].key[3]);
    }
    for (size_t i = 0; i < j->new_n; i++) {
        uint8_t statement[SLK_POSSESS_STATEMENT_SIZE];

        slk_possess_statement(
            statement, j->context->chain_id, j->new_keys[i].key, j->new_keys[i].agency, j->new_keys[i].use);
        if (!slk_fastsig_verify(
                c->possessions[i].signature, statement, sizeof(statement), j->new_keys[i].key))
            return refuse(j, SLK_CHANGE_POSSESSION_SIGNATURE, "%s of agency %u", use_name(j->new_keys[i].use),
                (unsigned)j->new_keys[i].agency);
    }
    return SLK_CHANGE_OK;
}

static enum slk_change_rule check_ready(
    const struct judge *j, const struct slk_ready *ready, const struct slk_member *m)
{
    uint64_t height = j->context->height;
    const struct slk_hash *hash;
    uint8_t statement[SLK_READY_STATEMENT_SIZE];

    if (ready->height >= height || height - ready->height > SLK_CHANGE_READY_MAX)
        return refuse(j, SLK_CHANGE_READY_HEIGHT, "agency %u, block %llu", (unsigned)m->agency,
            (unsigned long long)ready->height);
    hash = j->context->block_hash(j->context->ctx, ready->height);
    if (!slk_hash_equal(hash, &ready->block_hash))
        return refuse(j, SLK_CHANGE_READY_BLOCK, "agency %u, block %llu", (unsigned)m->agency,
            (unsigned long long)ready->height);
    slk_ready_statement(statement, j->context->chain_id, ready);
    if (!slk_fastsig_verify(ready->signature, statement, sizeof(statement), m->vote_key))
        return refuse(j, SLK_CHANGE_READY_SIGNATURE, "agency %u", (unsigned)m->agency);
    return SLK_CHANGE_OK;
}

/* Members and attestations both ascend by agency. */
static enum slk_change_rule check_readies(const struct judge *j)
{
    const struct slk_change *c = j->change;
    size_t at = 0;

    for (size_t i = 0; i < j->next->members_n; i++) {
        const struct slk_member *m = &j->next->members[i];

        if (!slk_member_joins(m, j->old))
            continue;
        if (at == c->readies_n || c->readies[at].agency > m->agency)
            return refuse(j, SLK_CHANGE_READY_MISSING, "agency %u", (unsigned)m->agency);
        if (c->readies[at].agency < m->agency)
            return refuse(j, SLK_CHANGE_READY_UNNEEDED, "agency %u", (unsigned)c->readies[at].agency);
        at++;
    }
    if (at < c->readies_n)
        return refuse(j, SLK_CHANGE_READY_UNNEEDED, "agency %u", (unsigned)c->readies[at].agency);
    for (size_t i = 0; i < c->readies_n; i++) {
        enum slk_change_rule rule =
            check_ready(j, &c->readies[i], slk_charter_member(j->next, c->readies[i].agency));

        if (rule != SLK_CHANGE_OK)
            return rule;
    }
    return SLK_CHANGE_OK;
}

/* ---- all of it ---- */

static enum slk_change_rule check_charter(const struct judge *j, struct slk_charter *next)
{
    struct slk_fault why = {0};

    if (j->context->pending)
        return refuse(j, SLK_CHANGE_PENDING, "block %llu", (unsigned long long)j->context->height);
    if (slk_charter_parse(next, j->change->charter) != SLK_OK)
        return refuse(j, SLK_CHANGE_CHARTER, "its bytes do not parse");
    if (slk_charter_validate(next, &why) != SLK_OK) {
        (void)snprintf(j->fault->text, sizeof(j->fault->text), /* discouraged: formats in memory only */
            "the new charter: %.200s", why.text);
        return SLK_CHANGE_CHARTER;
    }
    return SLK_CHANGE_OK;
}

enum slk_change_rule slk_change_judge(const struct slk_change_context *context,
    const struct slk_change *change, struct slk_charter *next, struct slk_fault *fault)
{
    static enum slk_change_rule (*const checks[])(const struct judge *) = {check_head, check_codes,
        check_reuse, check_activation, check_approvals, check_possessions, check_readies};
    struct judge j = {
        .context = context, .old = context->charter, .next = next, .change = change, .fault = fault};
    enum slk_change_rule rule;

    *fault = (struct slk_fault){0};
    rule = check_charter(&j, next);
    if (rule != SLK_CHANGE_OK)
        return rule;
    j.new_n = slk_charter_new_keys(j.new_keys, j.old, next);
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]) && rule == SLK_CHANGE_OK; i++)
        rule = checks[i](&j);
    return rule;
}
