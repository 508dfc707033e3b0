/* rules.c: the half of the rules that needs the charter, around the half in ledger/verify/record.c. */
#include "ledger/core/rules.h"

#include <assert.h>

/* Does the rule hold under this charter? Decided by the compiler while the list is empty. */
static bool has_begun(const struct slk_charter *charter, enum slk_rule rule)
{
    static const struct {
        enum slk_rule rule;
        uint32_t since;
    } later[] = {
#define SLK_X(name, version) {SLK_RULE_##name, version},
        SLK_RULES_SINCE(SLK_X)
#undef SLK_X
            {SLK_RULE_OK, 0}};

    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
        if (later[i].rule == rule)
            return charter->rules >= later[i].since;
    return true;
}

static bool issuer_has_type(const struct slk_issuer *issuer, uint32_t type)
{
    for (size_t i = 0; i < issuer->types_n; i++)
        if (issuer->types[i] == type)
            return true;
    return false;
}

/* May this issuer write this kind of event about this type of credential, now? An event about a credential that
 * does not exist has no type yet (unless it is an ISSUE): NOT_ISSUED comes later. */
static enum slk_rule check_rights(
    const struct slk_rules_context *context, const struct slk_record *record, const struct slk_event *event)
{
    const struct slk_issuer *issuer = context->issuer;
    uint64_t time_s = context->time_ms / 1000;

    if ((time_s < issuer->not_before_s || time_s > issuer->not_after_s) &&
        has_begun(context->charter, SLK_RULE_ISSUER_TIME))
        return SLK_RULE_ISSUER_TIME;
    if ((issuer->kinds & (1u << event->kind)) == 0 && has_begun(context->charter, SLK_RULE_RIGHT_KIND))
        return SLK_RULE_RIGHT_KIND;
    if (event->kind == SLK_ISSUE) {
        if (slk_charter_type(context->charter, event->type) == NULL)
            return SLK_RULE_TYPE_UNKNOWN;
        if (!issuer_has_type(issuer, event->type))
            return SLK_RULE_RIGHT_TYPE;
    } else if (record != NULL && !issuer_has_type(issuer, record->type)) {
        return SLK_RULE_RIGHT_TYPE;
    }
    if (event->reason != 0 && slk_charter_reason(context->charter, event->reason) == NULL &&
        has_begun(context->charter, SLK_RULE_REASON_UNKNOWN))
        return SLK_RULE_REASON_UNKNOWN;
    return SLK_RULE_OK;
}

/* An ISSUE finds no owner or a revoked credential's, whose say has ended: whoever may issue the type may. */
static enum slk_rule check_owner(
    const struct slk_issuer *issuer, const struct slk_record *record, enum slk_kind kind)
{
    bool any = false;

    switch (kind) {
    case SLK_ISSUE:
        return SLK_RULE_OK;
    case SLK_LOCK:
    case SLK_REVOKE:
        any = issuer->any_agency;
        break;
    case SLK_REBIND:
    case SLK_UNLOCK:
    case SLK_RENEW:
        break;
    case SLK_KIND_N:
        return SLK_RULE_NOT_OWNER;
    }
    return any || record->owner_agency == issuer->agency ? SLK_RULE_OK : SLK_RULE_NOT_OWNER;
}

/* What the charter's declaration of the type limits. `transition` has checked that valid_until is ahead. */
static enum slk_rule check_limits(
    const struct slk_rules_context *context, const struct slk_record *record, const struct slk_event *event)
{
    uint64_t time_s = context->time_ms / 1000;
    const struct slk_credential_type *type;

    if (event->kind != SLK_ISSUE && event->kind != SLK_RENEW)
        return SLK_RULE_OK;
    type = slk_charter_type(context->charter, event->kind == SLK_ISSUE ? event->type : record->type);
    assert(type != NULL); /* an issuer's types are declared: slk_charter_validate */
    assert(event->valid_until_s > time_s);
    if (event->valid_until_s - time_s > type->max_validity_s &&
        has_begun(context->charter, SLK_RULE_VALIDITY_LONG))
        return SLK_RULE_VALIDITY_LONG;
    if (event->kind == SLK_RENEW)
        return SLK_RULE_OK;
    if (event->status_index >= type->status_list_size)
        return SLK_RULE_STATUS_INDEX_RANGE;
    if (slk_index_set_has(context->indexes, event->type, event->status_index))
        return SLK_RULE_STATUS_INDEX_USED;
    return SLK_RULE_OK;
}

enum slk_rule slk_rules_check(
    const struct slk_rules_context *context, const struct slk_record *record, const struct slk_event *event)
{
    enum slk_rule rule;

    assert(context->issuer != NULL && context->charter != NULL && context->indexes != NULL);
    if ((rule = slk_rule_fields(event)) != SLK_RULE_OK)
        return rule;
    if ((rule = check_rights(context, record, event)) != SLK_RULE_OK)
        return rule;
    if ((rule = slk_rule_time(event, context->time_ms)) != SLK_RULE_OK)
        return rule;
    if ((rule = slk_rule_head(record, event)) != SLK_RULE_OK)
        return rule;
    if ((rule = slk_rule_state(record, event)) != SLK_RULE_OK)
        return rule;
    if ((rule = check_owner(context->issuer, record, event->kind)) != SLK_RULE_OK)
        return rule;
    if ((rule = slk_rule_transition(record, event, context->time_ms)) != SLK_RULE_OK)
        return rule;
    return check_limits(context, record, event);
}
