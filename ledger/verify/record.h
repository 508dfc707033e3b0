/* record.h: a credential's status record and the half of the rules that needs no charter. Source: design §4.
 *
 * The node and the offline verifier run the same functions: what is accepted into the ledger and what a
 * proof may show cannot drift apart. Rights, limits and reason codes need the charter: ledger/core/rules.h.
 */
#ifndef SLK_VERIFY_RECORD_H
#define SLK_VERIFY_RECORD_H

#include "ledger/verify/entry.h"

#define SLK_RECORD_SIZE        144 /* design §4 */
#define SLK_OCCURRED_AHEAD_S   300 /* design §4: occurred_at <= block time + 300 s */

/* Every way an event can break the rules, in the order in which they are checked: the first broken one wins. */
#define SLK_RULES(X)                                                                                  \
    X(OK, 0, "accepted")                                                                              \
    X(SUBMISSION_SIZE, 1, "more events than the charter allows in one submission: split it")          \
    X(EVENT_MALFORMED, 2, "the event is not in canonical form: send the bytes that were signed")      \
    X(FIELD_MISSING, 3,                                                                               \
        "a field is missing: device, carrier (ISSUE, REBIND), type (ISSUE), valid_until (ISSUE, "     \
        "RENEW), reason (LOCK, REVOKE), previous (sequence > 0), channel, occurred_at")               \
    X(FIELD_NOT_ALLOWED, 4, "a field is set that this kind of event must not have")                   \
    X(ISSUER_UNKNOWN, 5, "no issuer of the charter has this key")                                     \
    X(SIGNATURE, 6, "the signature over the submission is wrong")                                     \
    X(ISSUER_TIME, 7, "the issuer's key is not yet or no longer valid")                               \
    X(RIGHT_KIND, 8, "the issuer has no right to this kind of event")                                 \
    X(TYPE_UNKNOWN, 9, "the charter declares no such credential type")                                \
    X(RIGHT_TYPE, 10, "the issuer has no right to this credential type")                              \
    X(REASON_UNKNOWN, 11, "the charter declares no such reason code")                                 \
    X(OCCURRED_IN_FUTURE, 12, "occurred_at is more than 300 s after the ledger's time")               \
    X(SEQUENCE, 13, "sequence is not the number of events the credential has: read its head, then retry")\
    X(PREVIOUS, 14, "previous is not the id of the credential's last event: read its head, then retry")\
    X(NOT_ISSUED, 15, "the credential was never issued: only ISSUE can come first")                   \
    X(STATE, 16, "the credential's state does not allow this event")                                  \
    X(NOT_OWNER, 17, "the credential belongs to another agency")                                      \
    X(EXPIRED, 18, "the credential has expired: RENEW or REVOKE it")                                  \
    X(VALIDITY_PAST, 19, "valid_until is not after the ledger's time")                                \
    X(VALIDITY_NOT_LONGER, 20, "valid_until does not grow")                                           \
    X(SAME_DEVICE, 21, "the device is the one that is bound (or was, before revocation)")             \
    X(VALIDITY_LONG, 22, "valid_until is further away than this credential type allows")              \
    X(STATUS_INDEX_RANGE, 23, "status_index is beyond the status list of this type")                  \
    X(STATUS_INDEX_USED, 24, "status_index was used before: draw another one")                        \
    X(NOT_JUDGED, 25, "not judged: another event of the submission was refused")

enum slk_rule {
#define SLK_X(name, code, text) SLK_RULE_##name = code,
    SLK_RULES(SLK_X)
#undef SLK_X
    SLK_RULE_N
};
const char *slk_rule_text(enum slk_rule rule); /* a sentence; never NULL */
const char *slk_rule_name(enum slk_rule rule); /* "STATUS_INDEX_USED" */

struct slk_record {
    struct slk_hash history;
    struct slk_hash last_event_id;
    uint64_t count;
    enum slk_state state; /* ACTIVE, LOCKED or REVOKED */
    uint32_t carrier;
    uint32_t type;
    uint16_t owner_agency;
    uint64_t valid_until_s;
    uint64_t recorded_at_ms;
    uint32_t status_index;
    uint32_t reason; /* of the last event: 0 unless it was LOCK or REVOKE; kept by RENEW while LOCKED */
    struct slk_hash device;
};

/* Returns SLK_OK or SLK_E_RECORD: count 0, a state, carrier or padding that cannot be. */
SLK_MUST_CHECK enum slk_err slk_record_parse(struct slk_record *out, const uint8_t bytes[SLK_RECORD_SIZE]);
void slk_record_format(uint8_t out[SLK_RECORD_SIZE], const struct slk_record *record);
/* What a reader is told: EXPIRED is computed, not stored (design §4). */
enum slk_state slk_state_at(enum slk_state stored, uint64_t valid_until_s, uint64_t at_s);

/* The rules that need neither charter nor issuer, in five pieces because the rules of ledger/core/rules.c stand
 * between them in SLK_RULES. The offline verifier calls just these, in this order. All are total: any event and
 * any record get a verdict. `record` is NULL when the credential is absent; recorded_at_ms is the block's time.
 *
 *   slk_rule_fields      FIELD_MISSING, FIELD_NOT_ALLOWED: what the event's kind needs and forbids
 *                        (core: issuer, signature, rights, TYPE_UNKNOWN, REASON_UNKNOWN)
 *   slk_rule_time        OCCURRED_IN_FUTURE
 *   slk_rule_head        SEQUENCE, PREVIOUS
 *   slk_rule_state       NOT_ISSUED, STATE
 *                        (core: NOT_OWNER)
 *   slk_rule_transition  EXPIRED, VALIDITY_PAST, VALIDITY_NOT_LONGER, SAME_DEVICE
 *                        (core: VALIDITY_LONG, STATUS_INDEX_*)
 *
 * A credential has expired when valid_until_s <= recorded_at_ms / 1000. RENEW may revive an expired one. */
enum slk_rule slk_rule_fields(const struct slk_event *event);
enum slk_rule slk_rule_time(const struct slk_event *event, uint64_t recorded_at_ms);
enum slk_rule slk_rule_head(const struct slk_record *record, const struct slk_event *event);
enum slk_rule slk_rule_state(const struct slk_record *record, const struct slk_event *event);
enum slk_rule slk_rule_transition(const struct slk_record *record, const struct slk_event *event, uint64_t recorded_at_ms);

struct slk_step {
    uint64_t recorded_at_ms;
    uint16_t agency; /* of the issuer; becomes owner at ISSUE */
    struct slk_hash event_id;
    struct slk_hash leaf_hash; /* of the Recorded entry in the log */
};
/* The record after an accepted event. `out` may be `record`; record is NULL when absent. */
void slk_record_next(struct slk_record *out, const struct slk_record *record, const struct slk_event *event,
    const struct slk_step *step);

#endif
