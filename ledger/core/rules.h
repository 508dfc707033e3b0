/* rules.h: the rules of design §4: pure function of (record, event, issuer's rights, block time).
 *
 * The order of the checks is the order of SLK_RULES in ledger/verify/record.h; the first broken rule wins.
 * What else changes with a rule, a kind or a right: ledger/core/README.md.
 */
#ifndef SLK_CORE_RULES_H
#define SLK_CORE_RULES_H

#include "ledger/core/charter.h"
#include "ledger/core/index_set.h"
#include "ledger/verify/record.h"

/* Rules that did not hold from the beginning: X(name, version of the rules it begins with), the version being the charter's
 * `rules`. A charter change raises it, and events before its activation are judged as they were: README.md, "How to change a
 * rule". None yet; SLK_RULES_NEWEST (charter.h) is the highest version here. */
#ifndef SLK_RULES_SINCE
#define SLK_RULES_SINCE(X)
#endif

struct slk_rules_context {
    const struct slk_charter *charter;
    const struct slk_issuer *issuer;
    const struct slk_index_set *indexes; /* status indexes used so far, this block's included */
    uint64_t time_ms;                    /* of the block */
};

/* SLK_RULE_OK, or the first rule that the event breaks. `record` is NULL when the credential is absent. */
enum slk_rule slk_rules_check(const struct slk_rules_context *context, const struct slk_record *record, const struct slk_event *event);

#endif
