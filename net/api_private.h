/* api_private.h: the inside of the HTTP API, shared by its files. */
#ifndef SLK_NET_API_PRIVATE_H
#define SLK_NET_API_PRIVATE_H

#include "net/api.h"
#include "net/api_json.h"

#define SLK_API_OUTCOMES_N (SLK_NODE_STOPPING + 1)

/* A client that waits for its submission. */
struct api_wait {
    struct slk_api *api;
    struct api_wait *prev, *next;
    struct slk_http_exchange *exchange;
    uint64_t ticket;
    struct slk_hash id; /* all zero: the bytes were not understood here */
    size_t events_n;
    bool wants_proof;
    uint8_t handle[SLK_HANDLE_SIZE]; /* wants_proof, and there is one event: its credential */
};

/* Proofs wanted between a block and its quorum's checkpoint. */
struct api_parked {
    struct api_parked *next;
    struct slk_http_exchange *exchange;
    bool is_late; /* a tick has passed */
};

struct api_history;
struct slk_api_tiles;
struct slk_api_lists;

struct slk_api {
    struct slk_api_options options;
    struct slk_http_server *server;
    struct slk_hash chain_id;
    struct api_wait *waits;
    struct api_parked *parked, *ready; /* one for each connection at most; ready: to be answered, the first first */
    struct api_history *histories; /* the same; the first two are being made */
    struct slk_http_exchange *streams[SLK_API_STREAMS_MAX];
    size_t streams_n;
    uint64_t beat_at;            /* when streams were last told that nothing is new */
    struct slk_api_tiles *tiles; /* NULL before the first tile is asked for */
    struct slk_api_lists *lists; /* NULL before the first tick, and where [status] is not set */
    uint64_t outcomes[SLK_API_OUTCOMES_N], late_n, proofs_n, proofs_failed_n, crowds_n, steps_n;
};

/* ---- answers (api.c) ---- */

struct api_reply {
    unsigned status;
    const char *fields; /* as in slk_http_answer */
};
/* Any page may read what anybody may read: nothing here rests on who asks. */
#define SLK_API_NO_STORE "Cache-Control: no-store\r\nAccess-Control-Allow-Origin: *\r\n"
/* Prints and lets go of `value`; NULL, or no memory: 500. */
void slk_api_reply_json(struct slk_http_exchange *exchange, const struct api_reply *reply, json_t *value);
/* The same with one member more, the last, of these bytes in base64: jansson looks at every character of a text three times, which for
 * megabytes of them is most of what an answer costs. */
void slk_api_reply_json_bytes(struct slk_http_exchange *exchange, const struct api_reply *reply,
    json_t *value, const char *name, struct slk_span bytes);
void slk_api_reply_bytes(struct slk_http_exchange *exchange, const struct api_reply *reply, const char *type,
    struct slk_span bytes, uint8_t *owned);
/* A problem document with a code of our own. */
void slk_api_reply_problem(
    struct slk_http_exchange *exchange, const struct api_reply *reply, const char *code, const char *detail);
/* Why the ledger could not answer. */
void slk_api_reply_err(struct slk_http_exchange *exchange, enum slk_err err, const struct slk_fault *fault);
/* Which of these media types (up to a NULL) the client likes best, the earlier in a draw; -1: none, and 406 was said. */
int slk_api_choose(struct slk_http_exchange *exchange, const char *const *types);
uint64_t slk_api_now_ms(const struct slk_api *api);
/* Why the node is not well; NULL: it is (api_health.c). *age_ms: of the newest quorum. */
const char *slk_api_ailment(
    const struct slk_api *api, const struct slk_node_status *status, uint64_t *age_ms);

/* ---- handlers ---- */

void slk_api_submit(void *api, struct slk_http_exchange *exchange); /* api_submit.c */
void slk_api_submit_late(void *api, struct slk_http_exchange *exchange);
void slk_api_submission(void *api, struct slk_http_exchange *exchange);
void slk_api_change(void *api, struct slk_http_exchange *exchange);
void slk_api_prove(void *api, struct slk_http_exchange *exchange); /* api_read.c */
void slk_api_prove_late(void *api, struct slk_http_exchange *exchange);
/* A proof that was asked for is answered: with these malloc'ed bytes, which are taken over, or with why not. */
enum slk_api_proof_type { SLK_API_PROOF_TEXT, SLK_API_PROOF_BINARY, SLK_API_PROOF_JSON };
void slk_api_proof_made(
    struct slk_api *api, struct slk_http_exchange *exchange, int type, struct slk_span bytes);
void slk_api_proof_failed(
    struct slk_api *api, struct slk_http_exchange *exchange, enum slk_err err, const struct slk_fault *fault);
void slk_api_proof_refused(
    struct slk_api *api, struct slk_http_exchange *exchange, enum slk_http_reason reason, const char *detail);
void slk_api_unpark(struct slk_api *api, bool only_late); /* they are ready */
void slk_api_answer_ready(struct slk_api *api);           /* some of them */
void slk_api_parked_free(struct slk_api *api);
/* Answers when the rest of the proof is made (api_history.c). */
void slk_api_history_add(
    struct slk_api *api, struct slk_http_exchange *exchange, int type, struct slk_proving *proving);
/* The exchange is the caller's again; false: it is none of these. */
bool slk_api_history_drop(struct slk_api *api, const struct slk_http_exchange *exchange);
void slk_api_history_free(struct slk_api *api);
void slk_api_history_figures(const struct slk_api *api, uint64_t *n, uint64_t *bytes);
void slk_api_map(void *api, struct slk_http_exchange *exchange);
void slk_api_block(void *api, struct slk_http_exchange *exchange);
void slk_api_get_charter(void *api, struct slk_http_exchange *exchange);
void slk_api_past_charter(void *api, struct slk_http_exchange *exchange);
void slk_api_get_policy(void *api, struct slk_http_exchange *exchange);
void slk_api_get_checkpoint(void *api, struct slk_http_exchange *exchange);
void slk_api_consistency(void *api, struct slk_http_exchange *exchange); /* api_evidence.c */
void slk_api_evidence(void *api, struct slk_http_exchange *exchange);
void slk_api_page(void *api, struct slk_http_exchange *exchange); /* api_page.c */
void slk_api_tile(void *api, struct slk_http_exchange *exchange); /* api_tiles.c */
void slk_api_tiles_tick(struct slk_api *api);
void slk_api_tiles_free(struct slk_api *api);
/* Tiles of the log as slk_log_* read them; the view has a tip. */
struct slk_api_tree {
    struct slk_api *api;
    struct slk_view *view;
};
bool slk_api_read_tile(void *tree, uint32_t level, uint64_t index, uint32_t width, struct slk_hash *out);
void slk_api_get_list(void *api, struct slk_http_exchange *exchange); /* api_status_list.c */
void slk_api_get_list_note(void *api, struct slk_http_exchange *exchange);
void slk_api_get_lists(void *api, struct slk_http_exchange *exchange);
void slk_api_get_keys(void *api, struct slk_http_exchange *exchange);
struct slk_api_lists_figures {
    bool is_on;
    uint64_t height, tokens_n, bytes, signed_n, age_s; /* age_s: of the list served last, at that moment */
};
void slk_api_lists_figures(const struct slk_api *api, struct slk_api_lists_figures *out);
void slk_api_lists_tick(struct slk_api *api);
void slk_api_lists_free(struct slk_api *api);
void slk_api_get_status(void *api, struct slk_http_exchange *exchange); /* api_health.c */
void slk_api_get_health(void *api, struct slk_http_exchange *exchange);
void slk_api_get_metrics(void *api, struct slk_http_exchange *exchange); /* api_metrics.c */
void slk_api_stream(void *api, struct slk_http_exchange *exchange);      /* api_stream.c */
void slk_api_news(void *api, enum slk_node_news news, uint64_t height);

#endif
