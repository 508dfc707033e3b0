/* entry.h: log entries and events: strict reading, canonical printing. Source: proto/ledger.proto, design §3.
 *
 * Parse accepts exactly what format prints: parse, then format, gives the same bytes (a fuzz target and a
 * comparison with protobuf-c hold this).
 */
#ifndef SLK_VERIFY_ENTRY_H
#define SLK_VERIFY_ENTRY_H

#include "ledger/verify/hash.h"
#include "ledger/verify/sig.h"

#define SLK_ENTRY_MAX      65535 /* C2SP tlog-tiles: entry bundles */
#define SLK_EVENT_MAX      256   /* every field at its longest is 197 bytes */
#define SLK_RECORDED_MAX   (SLK_EVENT_MAX + 24)
#define SLK_AUTHORIZATION_MAX 96
#define SLK_SEAL_MAX       192
#define SLK_SUBMISSION_EVENTS_MAX 4096 /* design §3 */

struct slk_event {
    uint8_t credential[SLK_HANDLE_SIZE];
    uint64_t sequence;
    bool has_previous;
    struct slk_hash previous;
    enum slk_kind kind;
    bool has_device;
    struct slk_hash device;
    uint32_t carrier; /* enum slk_carrier, 0 absent */
    uint32_t channel; /* enum slk_channel, 0 absent */
    uint32_t type;
    uint64_t valid_until_s;
    uint32_t reason;
    bool has_commitment;
    struct slk_hash commitment;
    uint64_t occurred_at_s;
    uint32_t status_index;
};

struct slk_authorization {
    uint8_t key_id[SLK_KEY_ID_SIZE];
    uint32_t count; /* 1..4096 */
    uint8_t signature[SLK_SIGNATURE_SIZE];
};

struct slk_seal {
    uint64_t height;
    uint64_t time_ms;
    bool has_previous; /* false at height 0 only */
    struct slk_hash previous;
    struct slk_hash map_root;
    struct slk_hash charter_hash;
    struct slk_hash next_charter_hash;
    uint32_t proposer;
    uint32_t origin_view;
};

enum slk_entry_type {
    SLK_ENTRY_RECORDED = 1,
    SLK_ENTRY_AUTHORIZATION,
    SLK_ENTRY_CHARTER,
    SLK_ENTRY_SEAL,
    SLK_ENTRY_EVIDENCE
};

struct slk_entry {
    enum slk_entry_type type;
    uint64_t recorded_at_ms;      /* RECORDED */
    struct slk_span event;        /* RECORDED: canonical Event bytes, borrowed, parsed by slk_event_parse */
    struct slk_span charter;      /* CHARTER: Charter bytes, borrowed */
    struct slk_span change;       /* CHARTER: CharterChange bytes, borrowed, parsed by ledger/core/change.h; empty: genesis */
    struct slk_authorization authorization;
    struct slk_seal seal;
    struct slk_span first, second; /* EVIDENCE */
};

/* Returns SLK_OK; SLK_E_MALFORMED (not this message, a wrong length, an unknown field or enum value);
 * SLK_E_NOT_CANONICAL; SLK_E_TOO_LARGE. On refusal *out is zeroed: kind 0 and type 0 are no kind and no type. */
SLK_MUST_CHECK enum slk_err slk_event_parse(struct slk_event *out, struct slk_span bytes);
SLK_MUST_CHECK enum slk_err slk_entry_parse(struct slk_entry *out, struct slk_span bytes);

/* Print to out[cap]; the length, or 0 when it does not fit. */
size_t slk_event_format(uint8_t *out, size_t cap, const struct slk_event *event);
size_t slk_entry_format_recorded(uint8_t *out, size_t cap, uint64_t recorded_at_ms, struct slk_span event);
size_t slk_entry_format_authorization(uint8_t *out, size_t cap, const struct slk_authorization *authorization);
size_t slk_entry_format_charter(uint8_t *out, size_t cap, struct slk_span charter, struct slk_span change);
size_t slk_entry_format_seal(uint8_t *out, size_t cap, const struct slk_seal *seal);
size_t slk_entry_format_evidence(uint8_t *out, size_t cap, struct slk_span first, struct slk_span second);

/* SHA-256("sillok/event/1\0\0" || event bytes) (design §3). */
void slk_event_id(struct slk_hash *out, struct slk_span event);

#endif
