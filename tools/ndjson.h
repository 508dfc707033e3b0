/* ndjson.h: events as people and programs write them: one JSON object per line.
 *
 *   {"issuer":"sejong","kind":"LOCK","credential":"<64 hex>","sequence":1,"previous":"<64 hex>",
 *    "channel":"HOLDER_REPORT","reason":1,"occurred_at":1782896400}
 *
 * Fields are those of Event in proto/ledger.proto. Beside them: "issuer", the charter's name (or key id in hex) of whose
 * key signs, and "expect", the rule that must refuse the event (test streams). "sequence" and "previous" may both be left
 * out: the submitter then fills them in. Times are Unix seconds or RFC 3339; types and reasons are codes, or names when
 * a charter is at hand. Reading is strict about form; what a kind of event needs is for the ledger's rules to say.
 */
#ifndef SLK_TOOLS_NDJSON_H
#define SLK_TOOLS_NDJSON_H

#include "ledger/core/charter.h"
#include "ledger/verify/record.h"

#define NDJSON_LINE_MAX   16384 /* an event with every field is about 700 bytes */
#define NDJSON_FORMAT_MAX 1024  /* room that ndjson_format never exceeds */

struct ndjson_event {
    struct slk_event event;
    char issuer[SLK_CHARTER_NAME_MAX + 1]; /* "" when not given */
    bool fill_head;                        /* neither sequence nor previous was given */
    enum slk_rule expect;                  /* SLK_RULE_OK when not given */
};

/* Reads one line (without its newline). `charter` may be NULL: then types and reasons must be codes.
 * Returns SLK_OK; SLK_E_MALFORMED, fault naming the field, what is wrong and what to write instead; SLK_E_NOMEM. */
SLK_MUST_CHECK enum slk_err ndjson_parse(struct ndjson_event *out, const char *line, size_t size,
    const struct slk_charter *charter, struct slk_fault *fault);

/* Prints a line, newline included, codes and Unix seconds throughout; issuer may be NULL. The length, or 0
 * when cap is below NDJSON_FORMAT_MAX or the issuer's name holds a quote, a backslash or a control character. */
size_t ndjson_format(
    char *out, size_t cap, const struct slk_event *event, const char *issuer, enum slk_rule expect);

#endif
