/* charter_text.h: a charter as one readable INI file, and back.
 *
 *   [charter]          origin, version (1), previous (hex, later charters only), created (RFC 3339), rules (0 when it is
 *                      not there: the version of the rules it begins)
 *   [limits]           block_events, block_bytes, submission_events
 *   [timers]           delta_ms, heartbeat_s, fresh_s
 *   [member NAME]      agency, role (voting, observer), vote_key, cosign_key, log_key, node_key (hex), address (may
 *                      stand up to four times)
 *   [type NAME]        code, max_validity (3y, 90d, 12h, 30s; a year has 366 days), status_list_size
 *   [reason NAME]      code
 *   [issuer NAME]      agency, public_key (hex), kinds (ISSUE REBIND ...), types (names or codes; may stand several
 *                      times), any_agency (yes, no), not_before, not_after (RFC 3339)
 *
 * Order of sections and keys does not matter. Lines that start with # or ; are comments, and so is what follows
 * " ;" in a line. Printing a charter and reading it again gives the same canonical bytes.
 */
#ifndef SLK_TOOLS_CHARTER_TEXT_H
#define SLK_TOOLS_CHARTER_TEXT_H

#include "ledger/core/charter.h"

#define SLK_CHARTER_TEXT_MAX (1u << 20)

/* Reads and validates (slk_charter_validate); *out is complete, its hash included.
 * Returns SLK_OK; SLK_E_CHARTER, fault saying where (the line, 0 when no single line is to blame) and what to do;
 * SLK_E_NOMEM. On refusal *out is zeroed. */
SLK_MUST_CHECK enum slk_err slk_charter_text_parse(
    struct slk_charter *out, const char *text, size_t size, struct slk_fault *fault);

/* Prints a valid charter; the length (zero-terminated beyond it), or 0 when it does not fit. */
size_t slk_charter_text_format(char *out, size_t cap, const struct slk_charter *charter);

#endif
