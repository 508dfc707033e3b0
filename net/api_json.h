/* api_json.h: what the HTTP API reads and writes as JSON. The shapes are those of openapi.json.
 *
 * A submission as JSON is the signed one written differently: codes instead of names for types and reasons, Unix seconds,
 * lower-case hexadecimal digits, nothing filled in. Reading it gives the canonical bytes, which are what was signed.
 */
#ifndef SLK_NET_API_JSON_H
#define SLK_NET_API_JSON_H

#include <jansson.h>

#include "net/node_api.h"

#define SLK_API_JSON_MAX ((size_t)4 << 20) /* 4,096 events of some 700 bytes, and a third more */

/* {"key_id":..,"signature":..,"events":[..]} as canonical Submission bytes, malloc'ed. SLK_E_MALFORMED: the fault names the
 * event and the field; SLK_E_TOO_LARGE: no event, or too many; SLK_E_NOMEM. */
SLK_MUST_CHECK enum slk_err slk_api_submission_parse(
    uint8_t **out, size_t *out_size, struct slk_span json, struct slk_fault *fault);
/* {"credential":"<64 digits>","history":true}; history may be left out. */
SLK_MUST_CHECK enum slk_err slk_api_proof_request_parse(
    uint8_t handle[SLK_HANDLE_SIZE], bool *history, struct slk_span json, struct slk_fault *fault);

/* New references; NULL: out of memory. A member that is NULL makes jansson's whole object NULL, so asking once is enough. */
json_t *slk_api_hex(const uint8_t *at, size_t size);
json_t *slk_api_hash(const struct slk_hash *hash);
json_t *slk_api_base64(struct slk_span bytes);
json_t *slk_api_number(uint64_t n);
json_t *slk_api_record(const struct slk_record *record);
json_t *slk_api_charter(const struct slk_charter *charter);
json_t *slk_api_status(const struct slk_node_status *status, struct slk_ledger *ledger);
json_t *slk_api_answer(const struct slk_node_answer *answer);
/* What a status proof says as JSON, unverified: who wants to rely on it verifies "proof". Printed, so many events of its history at a time;
 * the proof is needed until `done`, then `text` is the answer. text.at is malloc'ed, the caller's. */
struct slk_api_proof_text {
    struct slk_writer text;
    struct slk_span rest; /* events that are not printed yet */
    bool has_history, done;
};
/* SLK_E_MALFORMED: it is no proof, in its binary form. On failure text.at is NULL. */
SLK_MUST_CHECK enum slk_err slk_api_proof_begin(struct slk_api_proof_text *out, struct slk_span proof);
SLK_MUST_CHECK enum slk_err slk_api_proof_go_on(struct slk_api_proof_text *text, size_t events_n);

#endif
